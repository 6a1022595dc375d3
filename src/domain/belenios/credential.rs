//! Credentials of voters: what each is sent, and the secret and the public key that follow from it.
//!
//! The form is that of `belenios-tool` 2.0: fourteen characters of [Base58](super::base58), a fifteenth by which slips of the pen are
//! found, in five groups of three. Another form of a later version of the protocol is another way of reading and deriving; both are here
//! alone, since an archive holds nothing but public keys.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use sha2::Sha256;

use super::base58;
use super::scalar::Scalar;
use super::secret::Secret;
use crate::domain::text;
use crate::domain::time::Dice;

/// Characters that are drawn.
const DRAWN: usize = 14;
/// Characters of a group.
const GROUP: usize = 3;
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
    #[error("it has {0} characters, and a credential has fifteen, in five groups of three")]
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
        if length != DRAWN + 1 {
            return Err(CredentialFault::Length(length));
        }
        if let Some(stranger) = plain.chars().find(|c| base58::value(*c).is_none()) {
            return Err(CredentialFault::Character(stranger));
        }
        let drawn = Zeroizing::new(plain[..DRAWN].to_owned());
        if !plain.ends_with(check(&drawn)) {
            return Err(CredentialFault::Check);
        }
        Ok(Credential::of(&drawn))
    }

    fn of(drawn: &str) -> Credential {
        let mut grouped = Zeroizing::new(String::with_capacity((DRAWN + 1) / GROUP * (GROUP + 1)));
        for (place, c) in drawn.chars().chain([check(drawn)]).enumerate() {
            if place > 0 && place % GROUP == 0 {
                grouped.push('-');
            }
            grouped.push(c);
        }
        Credential(grouped)
    }

    /// As it is shown, and as its secret is derived from it: with hyphens between the groups.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The secret for the election of that identifier: PBKDF2 with HMAC-SHA256 (RFC 8018 section 5.2), of which one block is needed.
    pub fn secret(&self, uuid: &str) -> Secret {
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
