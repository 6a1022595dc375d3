//! Our own key: opens what is encrypted to us and signs what we seal.
//!
//! Only curves are taken. The library's RSA takes a time that tells of the secret (RUSTSEC-2023-0071), and whoever sends mails could
//! measure it.

use std::fmt;

use pgp::composed::{
    ArmorOptions, Deserializable as _, EncryptionCaps, KeyType, SecretKeyParamsBuilder, SignedSecretKey,
    SubkeyParamsBuilder,
};
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::types::{CompressionAlgorithm, KeyDetails as _, Password, PublicParams, SigningKey};

use super::certificate::{Certificate, CertificateFault};
use super::{Stream, timestamp_of};
use crate::domain::time::Instant;
use crate::limits;

/// A secret key, unlocked, with its public part.
pub struct OwnKey {
    pub(super) secret: SignedSecretKey,
    certificate: Certificate,
}

impl fmt::Debug for OwnKey {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnKey").field("fingerprint", &self.certificate.fingerprint()).finish_non_exhaustive()
    }
}

impl PartialEq for OwnKey {
    fn eq(&self, other: &OwnKey) -> bool {
        self.certificate.fingerprint() == other.certificate.fingerprint()
    }
}

impl Eq for OwnKey {}

/// Why a text is no key of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnKeyFault {
    /// Not armored, broken, several, or public alone.
    #[error("holds no secret key, or several, in ASCII armor")]
    Unreadable,
    /// The passphrase does not unlock it.
    #[error("is not unlocked by its passphrase")]
    Locked,
    /// Its public part is none that we would take from anybody.
    #[error("{0}")]
    Certificate(CertificateFault),
    /// RSA or another kind that we do not use.
    #[error("is no key of Curve25519 or another curve")]
    Kind,
    /// It cannot both sign and be encrypted to, or a secret part is missing.
    #[error("lacks the secret part that signs or the one that decrypts")]
    Incomplete,
    /// It could not be made.
    #[error("could not be made")]
    Unmade,
}

impl OwnKey {
    /// The secret key of a text in ASCII armor, unlocked by its passphrase; an empty one for a key that is not locked.
    ///
    /// # Errors
    /// An [`OwnKeyFault`].
    pub fn parse(armored: &str, passphrase: &str) -> Result<OwnKey, OwnKeyFault> {
        if armored.len() > limits::OPENPGP_KEY_BYTES {
            return Err(OwnKeyFault::Unreadable);
        }
        let (keys, _) = SignedSecretKey::from_string_many(armored.trim_start()).map_err(|_| OwnKeyFault::Unreadable)?;
        let mut keys = keys.take(2);
        let mut secret = keys.next().and_then(Result::ok).ok_or(OwnKeyFault::Unreadable)?;
        if keys.next().is_some() {
            return Err(OwnKeyFault::Unreadable);
        }
        let word = Password::from(passphrase);
        secret.primary_key.remove_password(&word).map_err(|_| OwnKeyFault::Locked)?;
        for sub in &mut secret.secret_subkeys {
            sub.key.remove_password(&word).map_err(|_| OwnKeyFault::Locked)?;
        }
        let certificate = Certificate::of(secret.to_public_key()).map_err(OwnKeyFault::Certificate)?;
        let own = OwnKey { secret, certificate };
        let kinds = std::iter::once(own.secret.primary_key.public_params())
            .chain(own.secret.secret_subkeys.iter().map(|sub| sub.key.public_params()));
        if kinds
            .into_iter()
            .any(|kind| matches!(kind, PublicParams::RSA(_) | PublicParams::DSA(_) | PublicParams::Elgamal(_)))
        {
            return Err(OwnKeyFault::Kind);
        }
        match own.signer().is_some() && own.decrypts() {
            true => Ok(own),
            false => Err(OwnKeyFault::Incomplete),
        }
    }

    /// Its public part.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The part that signs: a subkey made for it, else the primary key.
    pub(super) fn signer(&self) -> Option<&dyn SigningKey> {
        let able: Vec<_> = self.certificate.signing().map(|part| self.certificate.fingerprint_of(part)).collect();
        let sub = self.secret.secret_subkeys.iter().find(|sub| able.contains(&sub.key.fingerprint()));
        if let Some(sub) = sub {
            return Some(&sub.key);
        }
        able.contains(&self.secret.primary_key.fingerprint()).then_some(&self.secret.primary_key as &dyn SigningKey)
    }

    /// Whether the secret of some part that others encrypt to is there.
    fn decrypts(&self) -> bool {
        let own = self.certificate.parts.iter().filter(|part| part.encrypts());
        let named: Vec<_> = own.map(|part| self.certificate.fingerprint_of(part)).collect();
        named.contains(&self.secret.primary_key.fingerprint())
            || self.secret.secret_subkeys.iter().any(|sub| named.contains(&sub.key.fingerprint()))
    }
}

/// A fresh secret key for an address of ours in ASCII armor, locked by a passphrase: Curve25519 in the form that every program in use
/// reads. It does not expire; `seed` is random.
///
/// # Errors
/// [`OwnKeyFault::Unmade`].
pub fn generate(
    name: &str,
    address: &str,
    passphrase: &str,
    now: Instant,
    seed: [u8; 32],
) -> Result<String, OwnKeyFault> {
    let unmade = || OwnKeyFault::Unmade;
    let made_at = timestamp_of(now);
    let user = if name.is_empty() { address.to_string() } else { format!("{name} <{address}>") };
    let lock = Some(passphrase.to_string()).filter(|word| !word.is_empty());
    let sub = SubkeyParamsBuilder::default()
        .key_type(KeyType::ECDH(ECCCurve::Curve25519Legacy))
        .can_encrypt(EncryptionCaps::All)
        .created_at(made_at)
        .passphrase(lock.clone())
        .build()
        .map_err(|_| unmade())?;
    let params = SecretKeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .can_sign(true)
        .created_at(made_at)
        .primary_user_id(user)
        .preferred_symmetric_algorithms(
            [SymmetricKeyAlgorithm::AES256, SymmetricKeyAlgorithm::AES128].into_iter().collect(),
        )
        .preferred_hash_algorithms([HashAlgorithm::Sha512, HashAlgorithm::Sha256].into_iter().collect())
        .preferred_compression_algorithms([CompressionAlgorithm::ZLIB, CompressionAlgorithm::ZIP].into_iter().collect())
        .passphrase(lock)
        .subkey(sub)
        .build()
        .map_err(|_| unmade())?;
    let key = params.generate(Stream::new(seed)).map_err(|_| unmade())?;
    key.to_armored_string(ArmorOptions::default()).map_err(|_| unmade())
}
