//! A person's public key with what its owner said of it: expiry, revocation, what each part of it may do.
//!
//! Only what the key itself signed counts, by sound digests; a revocation counts by any. Of several self-signatures over the same part
//! the newest does. Expiry of the whole is that of the newest self-signature on it, as GnuPG takes it.

use std::panic::catch_unwind;

use pgp::composed::{ArmorOptions, Deserializable as _, Esk, Message, SignedPublicKey};
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize as _;
use pgp::types::{
    EcdhPublicParams, EcdsaPublicParams, EddsaLegacyPublicParams, Fingerprint, KeyDetails as _, KeyVersion,
    PublicParams, Tag, Timestamp,
};

use super::{instant_of, is_sound};
use crate::domain::text;
use crate::domain::time::Instant;
use crate::limits;

/// Fewest bytes of an RSA key of 2048 bits as the format writes it: two numbers, each with its length before it.
const RSA_BYTES: usize = 2 + 256 + 2 + 1;

/// One certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) key: SignedPublicKey,
    pub(super) parts: Vec<Part>,
    addresses: Vec<String>,
}

/// The primary key or one of its subkeys, as far as it is bound.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Place among the subkeys; none for the primary key.
    pub(super) place: Option<usize>,
    pub(super) created: Instant,
    expires: Option<Instant>,
    revoked: bool,
    encrypts: bool,
    signs: bool,
    sound: bool,
}

/// Why a text is no certificate that anybody can be written to by. Bundle problems repeat the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Not armored, or broken.
    #[error("holds no public key in ASCII armor")]
    Unreadable,
    /// Longer than one may be.
    #[error("is larger than a public key needs to be")]
    TooLarge,
    /// A secret key lies where everybody of the study office can read it.
    #[error("holds a SECRET key, which nobody but its owner may have")]
    Secret,
    /// Whose would be meant?
    #[error("holds several public keys")]
    Several,
    /// Version 3 and below are broken; 6 is read by too few programs.
    #[error("holds a key of a version that is not used for mail (4 is)")]
    Version,
    /// No user ID that the key itself signed by a sound digest.
    #[error("holds no name that the key itself vouches for by SHA-256 or better")]
    Unbound,
    /// Nothing in it may encrypt.
    #[error("holds no key that may encrypt")]
    NoEncryption,
    /// What may encrypt is weak.
    #[error("encrypts by an algorithm that is weak or unknown here")]
    Weak,
}

/// Why a certificate cannot be used at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It ended then.
    Expired(Instant),
    /// Its owner revoked it.
    Revoked,
}

impl Certificate {
    /// The one certificate of a text in ASCII armor.
    ///
    /// # Errors
    /// A [`CertificateFault`]. Expiry and revocation are no faults: they depend on the moment, and a revoked key is on file so that what
    /// is signed by it is known.
    pub fn parse(armored: &str) -> Result<Certificate, CertificateFault> {
        // What the library fails on is no certificate that anybody can use.
        catch_unwind(|| Certificate::read(armored)).unwrap_or(Err(CertificateFault::Unreadable))
    }

    fn read(armored: &str) -> Result<Certificate, CertificateFault> {
        if armored.len() > limits::OPENPGP_KEY_BYTES {
            return Err(CertificateFault::TooLarge);
        }
        if armored.contains("-----BEGIN PGP PRIVATE KEY BLOCK-----") {
            return Err(CertificateFault::Secret);
        }
        if armored.matches("-----BEGIN PGP ").count() > 1 {
            return Err(CertificateFault::Several);
        }
        let (keys, _) =
            SignedPublicKey::from_string_many(armored.trim_start()).map_err(|_| CertificateFault::Unreadable)?;
        let mut keys = keys.take(2);
        let key = keys.next().and_then(Result::ok).ok_or(CertificateFault::Unreadable)?;
        if keys.next().is_some() {
            return Err(CertificateFault::Several);
        }
        Certificate::of(key)
    }

    pub(super) fn of(key: SignedPublicKey) -> Result<Certificate, CertificateFault> {
        if key.primary_key.version() != KeyVersion::V4 {
            return Err(CertificateFault::Version);
        }
        let (latest, addresses) = self_signatures(&key);
        let latest = latest.ok_or(CertificateFault::Unbound)?;
        let revoked = key.details.revocation_signatures.iter().any(|own| own.verify_key(&key.primary_key).is_ok());
        let mut parts = vec![Part::new(None, &key.primary_key, latest, revoked)];
        for (place, sub) in key.public_subkeys.iter().enumerate() {
            let binds = |own: &&Signature| own.verify_subkey_binding(&key.primary_key, &sub.key).is_ok();
            let bound: Vec<&Signature> = sub.signatures.iter().filter(binds).collect();
            let revoked = bound.iter().any(|own| own.typ() == Some(SignatureType::SubkeyRevocation));
            let sound =
                bound.iter().copied().filter(|own| own.typ() == Some(SignatureType::SubkeyBinding) && counts(own));
            let Some(newest) = sound.max_by_key(|own| made(own)) else { continue };
            let mut part = Part::new(Some(place), &sub.key, newest, revoked);
            // Else anybody could put another's signing key below their own name (RFC 9580 section 5.2.1.9).
            let agrees = newest.embedded_signature().is_some_and(|back| {
                counts(back) && back.verify_primary_key_binding(&sub.key, &key.primary_key).is_ok()
            });
            part.signs = part.signs && agrees;
            parts.push(part);
        }
        let certificate = Certificate { key, parts, addresses };
        match certificate.parts.iter().filter(|part| part.encrypts).collect::<Vec<_>>().as_slice() {
            [] => Err(CertificateFault::NoEncryption),
            encrypting if encrypting.iter().all(|part| !part.sound) => Err(CertificateFault::Weak),
            _ => Ok(certificate),
        }
    }

    /// Its fingerprint in capital hexadecimal digits, as people compare it.
    pub fn fingerprint(&self) -> String {
        data_encoding::HEXUPPER.encode(self.key.fingerprint().as_bytes())
    }

    /// Folded addresses of the names that the key vouches for.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// When nothing can be encrypted to it any more, if that was said.
    pub fn expires(&self) -> Option<Instant> {
        let whole = self.parts.first().and_then(|primary| primary.expires);
        let encrypting = self.parts.iter().filter(|part| part.encrypts && part.sound && !part.revoked);
        // The last of its encrypting parts, where each ends; and never after the whole.
        let last = encrypting.map(|part| part.expires).reduce(|one, other| Some(one?.max(other?))).flatten();
        match (whole, last) {
            (Some(whole), Some(last)) => Some(whole.min(last)),
            (whole, last) => whole.or(last),
        }
    }

    /// Whether letters can be sealed for it at that moment.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, now: Instant) -> Result<(), Unusable> {
        self.encrypting(now).map(drop)
    }

    /// The newest part that encrypts at that moment.
    pub(super) fn encrypting(&self, now: Instant) -> Result<&Part, Unusable> {
        self.whole(now)?;
        let able = self.parts.iter().filter(|part| part.encrypts && part.sound);
        let best =
            able.clone().filter(|part| part.check(now).is_ok()).max_by_key(|part| (part.place.is_some(), part.created));
        match best {
            Some(part) => Ok(part),
            None => {
                let found = able.filter_map(|part| part.check(now).err());
                // That one has ended says more than that an older one was revoked.
                Err(found.min_by_key(|why| *why == Unusable::Revoked).unwrap_or(Unusable::Revoked))
            }
        }
    }

    /// Whether a message of ours is encrypted to a part of it that can be used at that moment.
    pub fn opens(&self, armored: &str, now: Instant) -> bool {
        let Ok((Message::Encrypted { esk, .. }, _)) = Message::from_string(armored) else { return false };
        let mut able = self.parts.iter().filter(|part| part.encrypts && part.sound && part.check(now).is_ok());
        self.whole(now).is_ok() && able.any(|part| esk.iter().any(|one| is_to(one, &self.fingerprint_of(part))))
    }

    /// The parts that may sign, of any moment.
    pub(super) fn signing(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.signs && part.sound)
    }

    /// Whether the certificate itself can be used at that moment, whatever its parts.
    pub(super) fn whole(&self, now: Instant) -> Result<(), Unusable> {
        self.parts.first().map_or(Err(Unusable::Revoked), |primary| primary.check(now))
    }

    pub(super) fn fingerprint_of(&self, part: &Part) -> Fingerprint {
        match part.place.and_then(|place| self.key.public_subkeys.get(place)) {
            Some(sub) => sub.key.fingerprint(),
            None => self.key.primary_key.fingerprint(),
        }
    }

    /// The certificate in ASCII armor, to be handed on.
    pub fn armored(&self) -> String {
        // Writing into memory fails for no certificate that was read.
        self.key.to_armored_string(ArmorOptions::default()).unwrap_or_default()
    }
}

impl Part {
    fn new(place: Option<usize>, key: &impl pgp::types::KeyDetails, binding: &Signature, revoked: bool) -> Part {
        let created = instant_of(key.created_at());
        let lasts = binding.key_expiration_time().map(|lasts| i64::from(lasts.as_secs())).filter(|lasts| *lasts > 0);
        let flags = binding.key_flags();
        Part {
            place,
            created,
            expires: lasts.map(|lasts| created.plus_seconds(lasts)),
            revoked,
            encrypts: flags.encrypt_comms() || flags.encrypt_storage(),
            signs: flags.sign(),
            sound: is_sound_key(key.public_params()),
        }
    }

    /// Whether others may encrypt to it.
    pub(super) fn encrypts(&self) -> bool {
        self.encrypts
    }

    pub(super) fn check(&self, now: Instant) -> Result<(), Unusable> {
        match self.expires {
            _ if self.revoked => Err(Unusable::Revoked),
            Some(end) if end <= now => Err(Unusable::Expired(end)),
            _ => Ok(()),
        }
    }
}

/// The newest self-signature over the whole, and the addresses of the names that are vouched for.
fn self_signatures(key: &SignedPublicKey) -> (Option<&Signature>, Vec<String>) {
    let direct = key.details.direct_signatures.iter();
    let direct = direct
        .filter(|own| own.typ() == Some(SignatureType::Key) && counts(own) && own.verify_key(&key.primary_key).is_ok());
    let mut all: Vec<&Signature> = direct.collect();
    let mut addresses = Vec::new();
    let mut named = false;
    for user in &key.details.users {
        let own = user.signatures.iter().filter(|own| {
            let revokes = own.typ() == Some(SignatureType::CertRevocation);
            (revokes || counts(own)) && own.verify_certification(&key.primary_key, Tag::UserId, &user.id).is_ok()
        });
        let Some(newest) = own.max_by_key(|own| (made(own), own.typ() == Some(SignatureType::CertRevocation))) else {
            continue;
        };
        if newest.typ() == Some(SignatureType::CertRevocation) {
            continue;
        }
        named = true;
        all.push(newest);
        addresses.extend(address_in(&String::from_utf8_lossy(user.id.id())));
    }
    (all.into_iter().max_by_key(|own| made(own)).filter(|_| named), addresses)
}

/// Whether a session key is encrypted to that key. A version 4 key is called by the last eight bytes of its fingerprint.
fn is_to(esk: &Esk, own: &Fingerprint) -> bool {
    let Esk::PublicKeyEncryptedSessionKey(key) = esk else { return false };
    key.id().is_ok_and(|id| own.as_bytes().ends_with(id.as_ref()))
}

/// The address in `Name <address>`, or a bare one.
fn address_in(name: &str) -> Option<String> {
    let inner = name.rsplit_once('<').map_or(name, |(_, rest)| rest.split('>').next().unwrap_or_default());
    inner.contains('@').then(|| text::fold_address(inner.trim()))
}

/// Whether a self-signature is made by a sound digest.
fn counts(signature: &Signature) -> bool {
    signature.hash_alg().is_some_and(is_sound)
}

fn made(signature: &Signature) -> Timestamp {
    signature.created().unwrap_or(Timestamp::from_secs(0))
}

/// Whether an algorithm and its size are held to last.
fn is_sound_key(params: &PublicParams) -> bool {
    match params {
        PublicParams::RSA(own) => own.write_len() >= RSA_BYTES,
        PublicParams::ECDSA(own) => matches!(
            own,
            EcdsaPublicParams::P256 { .. } | EcdsaPublicParams::P384 { .. } | EcdsaPublicParams::P521 { .. }
        ),
        PublicParams::ECDH(own) => matches!(
            own,
            EcdhPublicParams::Curve25519Legacy { .. }
                | EcdhPublicParams::P256 { .. }
                | EcdhPublicParams::P384 { .. }
                | EcdhPublicParams::P521 { .. }
        ),
        PublicParams::EdDSALegacy(own) => matches!(own, EddsaLegacyPublicParams::Ed25519 { .. }),
        PublicParams::Ed25519(_) | PublicParams::X25519(_) | PublicParams::Ed448(_) | PublicParams::X448(_) => true,
        _ => false,
    }
}
