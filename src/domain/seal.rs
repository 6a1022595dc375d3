//! Seals: bytes that nobody reads who has only the database, because the key stands outside of it.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha): its nonce of 192 bits can be random however much is sealed with one key. The
//! name of the key stands before the nonce, so that a key can be replaced while what it sealed is still there, and a lost one
//! can be named. What a seal is for, and of what, is bound to it: bytes that are moved to another place do not open there.
//!
//! What is kept for long and looked for again is not sealed with dice: [`KeyRing::keep`] takes the nonce from a code over place and
//! text (a synthetic nonce, as in RFC 5297), so that the same text in the same place is sealed the same way, and nothing else is.
//! [`KeyRing::codes`] finds the same text again by a code under a key, of which somebody without the key can try no guess.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key as CipherKey, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::time::Dice;
use super::token::LETTERS;
use crate::limits;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of a key's name.
const NAME_BYTES: usize = 8;
/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;
/// Bytes that say how long the padded text is.
pub const LENGTH_BYTES: usize = 4;

/// One key of the installation's key file, with what is derived from it.
#[derive(Clone)]
struct Key {
    own: [u8; KEY_BYTES],
    /// What it is called beside what it sealed: a digest, which tells nothing of it.
    name: [u8; NAME_BYTES],
    /// Key of the codes that nonces are taken from.
    nonces: [u8; KEY_BYTES],
    /// Key of the codes by which the same text is found again.
    codes: [u8; KEY_BYTES],
}

impl Key {
    fn new(own: [u8; KEY_BYTES]) -> Key {
        let digest = Sha256::new_with_prefix("hagaki key name ").chain_update(own).finalize();
        let mut name = [0; NAME_BYTES];
        name.copy_from_slice(digest.get(..NAME_BYTES).unwrap_or_default());
        Key { own, name, nonces: code(&own, &[b"hagaki nonces"]), codes: code(&own, &[b"hagaki codes"]) }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&CipherKey::from(self.own))
    }

    fn seal(&self, nonce: [u8; NONCE_BYTES], bound: &[u8], plain: &[u8]) -> Result<Vec<u8>, NoKey> {
        let payload = Payload { msg: plain, aad: bound };
        // The cipher fails only for texts of 256 GiB and more.
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| NoKey)?;
        Ok([self.name.as_slice(), &nonce, &sealed].concat())
    }
}

/// HMAC-SHA-256 (RFC 2104) over parts, each with its length before it.
fn code(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> [u8; KEY_BYTES] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes any key");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A code by which a text is found again, and the key it was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coded {
    /// The key's name.
    pub key: String,
    /// The code.
    pub code: [u8; KEY_BYTES],
}

/// The keys of an installation: the first seals, every one opens.
#[derive(Clone, Default)]
pub struct KeyRing(Vec<Key>);

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({})", self.names().join(", "))
    }
}

/// What is wrong with a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// A line, counted from 1, is no key.
    Line(usize),
    /// There is none in it.
    Empty,
    /// There are more than [`limits::KEYS_KEPT`].
    Many,
}

/// Why something sealed cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// Its key is not in the key file.
    #[error("it was sealed with the key {0}, which is not in the key file; put that key's line back into it")]
    NoKey(String),
    /// It was changed, cut, or moved from another place.
    #[error("it is damaged, or was moved from elsewhere")]
    Damaged,
}

/// There is no key to seal with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no key file: make one with `hagaki key make FILE` and name it in hagaki.toml with [keys] file")]
pub struct NoKey;

impl KeyRing {
    /// Reads a key file: one key a line, the one that seals first; empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The first line that is no key, or that there is none.
    pub fn parse(text: &str) -> Result<KeyRing, KeyFault> {
        let mut keys = Vec::new();
        for (at, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = LETTERS.decode(line.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
            keys.push(Key::new(bytes.ok_or(KeyFault::Line(at))?));
            if keys.len() > limits::KEYS_KEPT {
                return Err(KeyFault::Many);
            }
        }
        if keys.is_empty() { Err(KeyFault::Empty) } else { Ok(KeyRing(keys)) }
    }

    /// A new key as a line of a key file.
    pub fn fresh_line(dice: &dyn Dice) -> String {
        let mut bytes = [0; KEY_BYTES];
        dice.fill(&mut bytes);
        LETTERS.encode(&bytes)
    }

    /// Whether nothing can be sealed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the keys are called, the one that seals first.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|key| data_encoding::HEXLOWER.encode(&key.name)).collect()
    }

    /// A key of its own for a purpose from each, the one that seals first (HMAC-SHA-256, RFC 2104).
    pub(super) fn derived(&self, purpose: &str) -> Vec<[u8; KEY_BYTES]> {
        self.0.iter().map(|key| code(&key.own, &[purpose.as_bytes()])).collect()
    }

    /// Seals bytes for a purpose and a place.
    ///
    /// # Errors
    /// There is no key.
    pub fn seal(&self, dice: &dyn Dice, purpose: &str, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, NoKey> {
        let key = self.0.first().ok_or(NoKey)?;
        let mut nonce = [0; NONCE_BYTES];
        dice.fill(&mut nonce);
        key.seal(nonce, &bound(purpose, place), plain)
    }

    /// The same without dice, for what is written once in each place: the same text there is sealed the same way.
    ///
    /// # Errors
    /// There is no key.
    pub fn keep(&self, purpose: &str, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, NoKey> {
        let key = self.0.first().ok_or(NoKey)?;
        let mut nonce = [0; NONCE_BYTES];
        let from = code(&key.nonces, &[purpose.as_bytes(), place, plain]);
        nonce.copy_from_slice(from.get(..NONCE_BYTES).unwrap_or_default());
        key.seal(nonce, &bound(purpose, place), plain)
    }

    /// Whether something was sealed with the key that seals now.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        self.0.first().is_some_and(|key| sealed.starts_with(&key.name))
    }

    /// Codes of a text under every key, the one that seals first: what was written under any of them is found again.
    pub fn codes<'k>(&'k self, purpose: &'k str, text: &'k [u8]) -> impl Iterator<Item = Coded> + 'k {
        self.0.iter().map(move |key| Coded {
            key: data_encoding::HEXLOWER.encode(&key.name),
            code: code(&key.codes, &[purpose.as_bytes(), text]),
        })
    }

    /// Opens what [`KeyRing::seal`] sealed for the same purpose and place.
    ///
    /// # Errors
    /// The key is lost, or the bytes are not what was sealed.
    pub fn open(&self, purpose: &str, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
        let (name, rest) = sealed.split_at_checked(NAME_BYTES).ok_or(Unopened::Damaged)?;
        let (nonce, rest) = rest.split_at_checked(NONCE_BYTES).ok_or(Unopened::Damaged)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| Unopened::Damaged)?;
        let key = self.0.iter().find(|key| key.name == name);
        let key = key.ok_or_else(|| Unopened::NoKey(data_encoding::HEXLOWER.encode(name)))?;
        let payload = Payload { msg: rest, aad: &bound(purpose, place) };
        key.cipher().decrypt(&XNonce::from(nonce), payload).map_err(|_| Unopened::Damaged)
    }
}

/// Purpose and place, so that neither runs into the other.
fn bound(purpose: &str, place: &[u8]) -> Vec<u8> {
    [purpose.as_bytes(), &[0], place].concat()
}

/// Bytes filled up to `size`, so that their length does not tell what they are; none if they do not fit.
pub fn pad(plain: &[u8], size: usize) -> Option<Vec<u8>> {
    let length = u32::try_from(plain.len()).ok()?;
    let mut padded = Vec::with_capacity(size);
    padded.extend(length.to_be_bytes());
    padded.extend(plain);
    (padded.len() <= size).then(|| {
        padded.resize(size, 0);
        padded
    })
}

/// The bytes that [`pad`] filled up.
pub fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let (length, rest) = padded.split_at_checked(LENGTH_BYTES)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    rest.get(..usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    struct Counting(AtomicU8);

    impl Dice for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, Ordering::SeqCst));
        }
    }

    fn dice() -> Counting {
        Counting(AtomicU8::new(1))
    }

    #[test]
    fn only_the_right_key_purpose_and_place_open() {
        let dice = dice();
        let (one, other) = (KeyRing::fresh_line(&dice), KeyRing::fresh_line(&dice));
        let ring = KeyRing::parse(&one).unwrap();
        let sealed = ring.seal(&dice, "urn", b"7", b"answers").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"answers"));
        assert_eq!(ring.open("urn", b"7", &sealed).unwrap(), b"answers");
        assert_eq!(ring.open("urn", b"8", &sealed), Err(Unopened::Damaged));
        assert_eq!(ring.open("item", b"7", &sealed), Err(Unopened::Damaged));
        assert_eq!(ring.open("urn", b"7", &sealed[..20]), Err(Unopened::Damaged));
        for at in NAME_BYTES..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(ring.open("urn", b"7", &changed), Err(Unopened::Damaged), "byte {at}");
        }
        let lost = KeyRing::parse(&other).unwrap().open("urn", b"7", &sealed);
        assert_eq!(lost, Err(Unopened::NoKey(ring.names()[0].clone())));
        assert_eq!(KeyRing::default().seal(&dice, "urn", b"7", b""), Err(NoKey));

        // A new key is put before the old one: it seals, both open.
        let rotated = KeyRing::parse(&format!("# new\n{other}\n\n# old\n{one}\n")).unwrap();
        assert_eq!(rotated.open("urn", b"7", &sealed).unwrap(), b"answers");
        assert!(ring.is_current(&sealed) && !rotated.is_current(&sealed) && !KeyRing::default().is_current(&sealed));
        let newer = rotated.seal(&dice, "urn", b"7", b"answers").unwrap();
        assert!(matches!(ring.open("urn", b"7", &newer), Err(Unopened::NoKey(_))));
    }

    #[test]
    fn what_is_kept_is_sealed_alike_in_one_place_alone() {
        let dice = dice();
        let (one, other) = (KeyRing::fresh_line(&dice), KeyRing::fresh_line(&dice));
        let ring = KeyRing::parse(&one).unwrap();
        let kept = ring.keep("item", b"7", b"1961-02-03").unwrap();
        assert_eq!(ring.keep("item", b"7", b"1961-02-03").unwrap(), kept);
        assert_eq!(ring.open("item", b"7", &kept).unwrap(), b"1961-02-03");
        assert_eq!(ring.open("item", b"8", &kept), Err(Unopened::Damaged));
        for differs in [ring.keep("item", b"8", b"1961-02-03"), ring.keep("item", b"7", b"1961-02-04")] {
            let differs = differs.unwrap();
            assert_ne!(differs[NAME_BYTES..NAME_BYTES + NONCE_BYTES], kept[NAME_BYTES..NAME_BYTES + NONCE_BYTES]);
        }
        assert_eq!(KeyRing::default().keep("item", b"7", b""), Err(NoKey));

        // A code is found again under the older key, and tells nothing without one.
        let rotated = KeyRing::parse(&format!("{other}\n{one}\n")).unwrap();
        let (before, after): (Vec<_>, Vec<_>) =
            (ring.codes("ref", b"A-1").collect(), rotated.codes("ref", b"A-1").collect());
        assert_eq!((before.len(), after.len(), &after[1]), (1, 2, &before[0]));
        assert_ne!(after[0].code, after[1].code);
        assert_eq!(after[0].key, rotated.names()[0]);
        assert!(ring.codes("ref", b"A-2").chain(ring.codes("other", b"A-1")).all(|code| code != before[0]));
        assert_eq!(KeyRing::default().codes("ref", b"A-1").count(), 0);
    }

    #[test]
    fn a_key_file_is_read_or_its_line_is_named() {
        assert_eq!(KeyRing::parse("").err(), Some(KeyFault::Empty));
        assert_eq!(KeyRing::parse("# only\n\n").err(), Some(KeyFault::Empty));
        assert_eq!(KeyRing::parse("# a\nnokey\n").err(), Some(KeyFault::Line(2)));
        let line = KeyRing::fresh_line(&dice());
        assert_eq!(KeyRing::parse(&format!("{line}\n").repeat(limits::KEYS_KEPT + 1)).err(), Some(KeyFault::Many));
        let ring = KeyRing::parse(&line).unwrap();
        assert!(!format!("{ring:?}").contains(&line) && !ring.is_empty());
    }

    #[test]
    fn padding_hides_the_length() {
        for plain in [&b""[..], b"a", &[7; 60]] {
            let padded = pad(plain, 64).unwrap();
            assert_eq!((padded.len(), unpad(&padded)), (64, Some(plain)));
        }
        assert_eq!(pad(&[7; 61], 64), None);
        assert_eq!(unpad(&[0, 0]), None);
        assert_eq!(unpad(&[0, 0, 0, 9, 1]), None);
    }
}
