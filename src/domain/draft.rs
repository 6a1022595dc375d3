//! Answers not sent yet, sealed so that the database alone opens none of them.
//!
//! Where answers stand with the person, the installation's keys seal, so that what was kept follows its writer to a fresh link. Where
//! they do not, or where there is no key file, only the writer's own secret opens: not whoever runs the house. That key is derived from the secret in the link, or from the password; of both only digests of another purpose are kept. A
//! session has a secret of its own, so it keeps the password's key sealed by that: with the cookie, and only with it, the key
//! is known. XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), whose nonce of 192 bits can be random.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::seal::KeyRing;
use super::survey::Mark;
use super::time::Dice;

/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;
/// What is sealed is filled up to a multiple of so many bytes, so that its length does not tell whose answers these were.
const BLOCK_BYTES: usize = 4096;
/// Stands behind the text, before the filling.
const END: u8 = 0x80;

/// What seals and opens a draft.
#[derive(Clone, PartialEq, Eq)]
pub struct DraftKey([u8; 32]);

impl std::fmt::Debug for DraftKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DraftKey(…)")
    }
}

/// Every key by which a draft may have been sealed; the first seals. One that a secret of the writer gives has no others; where nobody
/// has such a secret, those of the installation's key file do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftKeys {
    first: DraftKey,
    older: Vec<DraftKey>,
}

impl From<DraftKey> for DraftKeys {
    fn from(first: DraftKey) -> DraftKeys {
        DraftKeys { first, older: Vec::new() }
    }
}

impl DraftKeys {
    /// Those of a way in: the installation's where answers stand with the person, so that every way of theirs opens what was kept by any;
    /// else the own one of the way. None where neither is.
    pub fn of_way(own: Option<DraftKey>, ring: &KeyRing, named: bool) -> Option<DraftKeys> {
        let Some(house) = DraftKeys::of_ring(ring).filter(|_| named) else { return own.map(DraftKeys::from) };
        Some(DraftKeys { older: house.older.into_iter().chain(own).collect(), ..house })
    }

    /// Those of an installation; none without a key file.
    pub fn of_ring(ring: &KeyRing) -> Option<DraftKeys> {
        let mut keys = ring.derived("hagaki draft").into_iter().map(DraftKey);
        Some(DraftKeys { first: keys.next()?, older: keys.collect() })
    }

    /// As [`DraftKey::seal`], by the first.
    pub fn seal(&self, dice: &dyn Dice, credential: &Mark, plain: &[u8]) -> Vec<u8> {
        self.first.seal(dice, credential, plain)
    }

    /// As [`DraftKey::open`], by any.
    pub fn open(&self, credential: &Mark, sealed: &[u8]) -> Option<Vec<u8>> {
        std::iter::once(&self.first).chain(&self.older).find_map(|key| key.open(credential, sealed))
    }
}

impl DraftKey {
    /// The key of a secret for a purpose (HMAC-SHA-256 under the secret, RFC 2104).
    pub(super) fn derive(secret: &str, purpose: &str) -> DraftKey {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
        mac.update(b"hagaki draft ");
        mac.update(purpose.as_bytes());
        DraftKey(mac.finalize().into_bytes().into())
    }

    /// Seals a text for one credential; a draft that is moved to another does not open there.
    pub fn seal(&self, dice: &dyn Dice, credential: &Mark, plain: &[u8]) -> Vec<u8> {
        let mut padded = plain.to_vec();
        padded.push(END);
        padded.resize(padded.len().next_multiple_of(BLOCK_BYTES), 0);
        self.encrypt(dice, credential, &padded)
    }

    /// What was sealed; none if by another key, for another credential, or if it was changed.
    pub fn open(&self, credential: &Mark, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut padded = self.decrypt(credential, sealed)?;
        let end = padded.iter().rposition(|byte| *byte != 0).filter(|end| padded[*end] == END)?;
        padded.truncate(end);
        Some(padded)
    }

    /// Another key, sealed by this one.
    pub fn wrap(&self, dice: &dyn Dice, credential: &Mark, other: &DraftKey) -> Vec<u8> {
        self.encrypt(dice, credential, &other.0)
    }

    /// The key that was sealed by this one.
    pub fn unwrap_key(&self, credential: &Mark, sealed: &[u8]) -> Option<DraftKey> {
        Some(DraftKey(self.decrypt(credential, sealed)?.try_into().ok()?))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.0))
    }

    fn encrypt(&self, dice: &dyn Dice, credential: &Mark, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        dice.fill(&mut nonce);
        let payload = Payload { msg: plain, aad: &credential.0 };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).expect("a page is no 256 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    fn decrypt(&self, credential: &Mark, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        self.cipher().decrypt(&XNonce::from(nonce), Payload { msg: rest, aad: &credential.0 }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::token::LETTERS;

    struct Sevens;

    impl Dice for Sevens {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    #[test]
    fn only_the_own_secret_opens_a_draft() {
        let (own, other) = (DraftKey::derive("secret", "keep"), DraftKey::derive("other", "keep"));
        let mark = Mark([1; 16]);
        for plain in [&b""[..], b"answers", &[0; 5000], &[END; 4096]] {
            let sealed = own.seal(&Sevens, &mark, plain);
            assert_eq!(own.open(&mark, &sealed).unwrap(), plain);
            assert_eq!((other.open(&mark, &sealed), own.open(&Mark([2; 16]), &sealed)), (None, None));
            assert_eq!(own.open(&mark, &sealed[..sealed.len() - 1]), None);
        }
        assert_eq!(own.seal(&Sevens, &mark, b"short").len(), own.seal(&Sevens, &mark, b"somewhat longer").len());
        let ring = |lines: &[&str]| KeyRing::parse(&lines.join("\n")).unwrap();
        let [first, second] = [[3; 32], [4; 32]].map(|bytes| LETTERS.encode(&bytes));
        let before = DraftKeys::of_ring(&ring(&[&first])).unwrap();
        let sealed = before.seal(&Sevens, &mark, b"answers");
        assert_eq!(DraftKeys::of_ring(&ring(&[&second, &first])).unwrap().open(&mark, &sealed).unwrap(), b"answers");
        assert_eq!(DraftKeys::of_ring(&ring(&[&second])).unwrap().open(&mark, &sealed), None);
        assert_eq!(DraftKeys::of_ring(&KeyRing::default()), None);
        // With names the house's keys seal, and what a way sealed before there was a key file opens by that way.
        let house = ring(&[&first]);
        let named = DraftKeys::of_way(Some(own.clone()), &house, true).unwrap();
        assert_eq!(before.open(&mark, &named.seal(&Sevens, &mark, b"answers")).unwrap(), b"answers");
        assert_eq!(named.open(&mark, &own.seal(&Sevens, &mark, b"answers")).unwrap(), b"answers");
        let nameless = DraftKeys::of_way(Some(own.clone()), &house, false).unwrap();
        assert_eq!(before.open(&mark, &nameless.seal(&Sevens, &mark, b"answers")), None);
        assert_eq!(DraftKeys::of_way(None, &house, false), None);
        let session = DraftKey::derive("secret", "session");
        assert!(session != own);
        let wrapped = session.wrap(&Sevens, &mark, &own);
        assert_eq!(session.unwrap_key(&mark, &wrapped), Some(own.clone()));
        assert_eq!(own.unwrap_key(&mark, &wrapped), None);
    }
}
