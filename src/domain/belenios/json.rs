//! JSON as archives have it: compact, with the fields in the order of the specification, big numbers as texts.
//!
//! What is signed or hashed again by others has one form only, so it is written anew after reading and must be the same bytes.

use std::borrow::Cow;

use data_encoding::{BASE64_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::element::Element;
use super::problem::Code;
use super::proofs::Proof;
use super::scalar::Scalar;
use crate::limits;

/// Reads what may be written in several ways.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Code> {
    // Many empty values in few bytes would take many times their length in memory.
    let values = bytes.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > limits::BEL_VALUES {
        return Err(Code::TooLarge);
    }
    serde_json::from_slice(bytes).map_err(|_| Code::Unreadable)
}

/// Reads what has one form only.
pub(super) fn read_exact<'a, T: Deserialize<'a> + Serialize>(bytes: &'a [u8]) -> Result<T, Code> {
    let found: T = read(bytes)?;
    if write(&found) == bytes { Ok(found) } else { Err(Code::OtherForm) }
}

/// Writes it in its one form.
pub(super) fn write<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts, numbers and lists")
}

/// SHA-256 in lower-case hexadecimal: what records are called.
pub fn hex_digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// SHA-256 in Base64 without padding: fingerprints of elections and of lists, and trackers of ballots.
pub fn base64_digest(bytes: &[u8]) -> String {
    BASE64_NOPAD.encode(&Sha256::digest(bytes))
}

/// Challenge and response.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofText<'a> {
    #[serde(borrow)]
    challenge: Cow<'a, str>,
    #[serde(borrow)]
    response: Cow<'a, str>,
}

impl ProofText<'_> {
    pub(super) fn read(&self) -> Result<Proof, Code> {
        let scalar = |text| Scalar::parse(text).ok_or(Code::NotAnExponent);
        Ok(Proof { challenge: scalar(&self.challenge)?, response: scalar(&self.response)? })
    }
}

impl From<&Proof> for ProofText<'_> {
    fn from(proof: &Proof) -> Self {
        ProofText { challenge: proof.challenge.to_string().into(), response: proof.response.to_string().into() }
    }
}

/// Both parts of an encrypted number.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CiphertextText<'a> {
    #[serde(borrow)]
    pub(super) alpha: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) beta: Cow<'a, str>,
}

/// An element, whether or not it belongs to the group.
pub(super) fn element(text: &str) -> Result<Element, Code> {
    Element::parse(text).ok_or(Code::NotAnElement)
}

/// A count, which is a text from 2^30 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

/// Counts below this are written as numbers.
const TEXT_FROM: u64 = 1 << 30;

impl Serialize for Count {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 < TEXT_FROM { serializer.serialize_u64(self.0) } else { serializer.collect_str(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Count;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a count")
            }

            fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<Count, E> {
                Ok(Count(count))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Count, E> {
                parse_count(text).map(Count).ok_or_else(|| E::custom("no count"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads a count in decimal, without sign or leading zeros.
pub(super) fn parse_count(text: &str) -> Option<u64> {
    text.parse().ok().filter(|count: &u64| count.to_string() == text)
}
