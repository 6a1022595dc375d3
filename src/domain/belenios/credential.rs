//! Credentials of voters: what each is sent, and the secret and the public key that follow from it.
//!
//! The form that is made is that of `belenios-tool` 2.0: fourteen characters of [Base58](super::base58), a fifteenth by which slips of the
//! pen are found, in five groups of three. The longer one of 2.4 and later, twenty-two characters that no other checks, is read as well,
//! for elections whose credentials others made. Both are here alone, since an archive holds nothing but public keys.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};

use super::base58;
use super::scalar::Scalar;
use super::secret::Secret;
use crate::domain::text;
use crate::domain::time::Dice;

/// Characters that are drawn.
const DRAWN: usize = 14;
/// Characters of each group.
const SHORT: &[usize] = &[3, 3, 3, 3, 3];
/// The same of the longer form.
const LONG: &[usize] = &[5, 6, 5, 6];
/// Characters of the longer form.
const LONG_CHARS: usize = 22;
/// The greatest prime below 58: of two characters that are mistaken for each other, or exchanged, nearly all are noticed.
const CHECK: u64 = 53;
/// Rounds of PBKDF2.
const ROUNDS: usize = 1_000;

/// The secret that lets one voter sign a ballot.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(Zeroizing<String>);

/// Why something is no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// It has another length.
    #[error("it has {0} characters, and a credential has fifteen, in five groups of three, or twenty-two")]
    Length(usize),
    /// A character that credentials do not have.
    #[error("\"{0}\" stands in no credential; the digit 0 and the letters O, I and l are not used")]
    Character(char),
    /// Its last character does not go with the others.
    #[error("a character of it is wrong: the last one does not go with the others")]
    Check,
}

impl Credential {
    /// A new one.
    pub fn draw(dice: &dyn Dice) -> Credential {
        let drawn = Zeroizing::new(base58::draw(DRAWN, dice));
        Credential::of(&drawn)
    }

    /// Reads one as people type it: blanks and hyphens wherever they are, wide characters too; capital and small letters differ.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(written: &str) -> Result<Credential, CredentialFault> {
        let folded = Zeroizing::new(text::fold_width(written));
        let folded = Zeroizing::new(text::fold_dashes(&folded));
        let mut plain = Zeroizing::new(String::with_capacity(folded.len()));
        plain.extend(folded.chars().filter(|c| *c != '-' && !c.is_whitespace()));
        let length = plain.chars().count();
        if length != DRAWN + 1 && length != LONG_CHARS {
            return Err(CredentialFault::Length(length));
        }
        if let Some(stranger) = plain.chars().find(|c| base58::value(*c).is_none()) {
            return Err(CredentialFault::Character(stranger));
        }
        if length == LONG_CHARS {
            return Ok(Credential::grouped(plain.chars(), LONG));
        }
        let drawn = Zeroizing::new(plain[..DRAWN].to_owned());
        if !plain.ends_with(check(&drawn)) {
            return Err(CredentialFault::Check);
        }
        Ok(Credential::of(&drawn))
    }

    fn of(drawn: &str) -> Credential {
        Credential::grouped(drawn.chars().chain([check(drawn)]), SHORT)
    }

    fn grouped(mut characters: impl Iterator<Item = char>, groups: &[usize]) -> Credential {
        // With all its room from the start, so that no part of it stays behind where the text was.
        let mut grouped = Zeroizing::new(String::with_capacity(groups.iter().sum::<usize>() + groups.len()));
        for (place, size) in groups.iter().enumerate() {
            if place > 0 {
                grouped.push('-');
            }
            grouped.extend(characters.by_ref().take(*size));
        }
        Credential(grouped)
    }

    /// As it is shown, and as its secret is derived from it: with hyphens between the groups.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The secret for the election of that identifier.
    pub fn secret(&self, uuid: &str) -> Secret {
        if self.0.split('-').count() == LONG.len() { self.hashed(uuid) } else { self.stretched(uuid) }
    }

    /// That of the longer form: two digests.
    fn hashed(&self, uuid: &str) -> Secret {
        let digest = |part: u8| -> Zeroizing<[u8; 32]> {
            let before = format!("derive_credential|{uuid}|{part}|");
            Zeroizing::new(Sha256::new_with_prefix(before).chain_update(self.0.as_bytes()).finalize().into())
        };
        Secret::of(Scalar::of_two_digests(&digest(0), &digest(1)))
    }

    /// That of the shorter one: PBKDF2 with HMAC-SHA256 (RFC 8018 section 5.2), of which one block is needed.
    fn stretched(&self, uuid: &str) -> Secret {
        let keyed = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes a key of any length");
        let mut first = keyed.clone();
        first.update(uuid.as_bytes());
        first.update(&1_u32.to_be_bytes());
        let mut round: Zeroizing<[u8; 32]> = Zeroizing::new(first.finalize().into_bytes().into());
        let mut sum = round.clone();
        for _ in 1..ROUNDS {
            let mut mac = keyed.clone();
            mac.update(&*round);
            *round = mac.finalize().into_bytes().into();
            for (sum, byte) in sum.iter_mut().zip(round.iter()) {
                *sum ^= byte;
            }
        }
        Secret::of(Scalar::of_digest(&sum))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// The character that goes with what was drawn.
fn check(drawn: &str) -> char {
    let rest = drawn.chars().filter_map(base58::value).fold(0, |rest, digit| (rest * base58::BASE + digit) % CHECK);
    char::from(base58::ALPHABET.as_bytes()[(CHECK - rest) as usize])
}
