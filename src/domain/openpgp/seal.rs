//! Sealing for somebody: encrypted to their certificate, and signed by us inside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pgp::composed::{ArmorOptions, MessageBuilder, SubpacketConfig};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{Subpacket, SubpacketData};
use pgp::types::{Password, SigningKey};

use super::certificate::Certificate;
use super::own::OwnKey;
use super::{Stream, timestamp_of};
use crate::domain::time::Instant;

/// For whom something is sealed, by whom, and when; the same gives the same bytes.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Whose key it is encrypted to.
    pub to: Arc<Certificate>,
    /// Who signs it; nobody where we have no key.
    pub by: Option<Arc<OwnKey>>,
    /// When.
    pub at: Instant,
    /// Random, and known to nobody.
    pub seed: [u8; 32],
}

/// It could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it could not be encrypted to the key on file")]
pub struct SealFault;

impl Envelope {
    /// The bytes sealed, in ASCII armor.
    ///
    /// # Errors
    /// [`SealFault`]: the certificate encrypts no more at that moment, or the library refuses it.
    pub fn seal(&self, plain: Vec<u8>) -> Result<String, SealFault> {
        // A letter must not fail for the library's sake: it gives way to another.
        catch_unwind(AssertUnwindSafe(|| self.attempt(plain))).ok().flatten().ok_or(SealFault)
    }

    fn attempt(&self, plain: Vec<u8>) -> Option<String> {
        let part = self.to.encrypting(self.at).ok()?;
        let mut random = Stream::new(self.seed);
        // With protection against changes of the kind that every program in use reads (RFC 9580 section 5.13.1).
        let mut builder = MessageBuilder::from_bytes("", plain).seipd_v1(&mut random, SymmetricKeyAlgorithm::AES256);
        match part.place.and_then(|place| self.to.key.public_subkeys.get(place)) {
            Some(sub) => builder.encrypt_to_key(&mut random, &sub.key).ok()?,
            None => builder.encrypt_to_key(&mut random, &self.to.key.primary_key).ok()?,
        };
        if let Some(own) = &self.by {
            let signer = own.signer()?;
            builder.sign_with_subpackets(signer, Password::empty(), HashAlgorithm::Sha512, self.told_of(signer)?);
        }
        builder.to_armored_string(&mut random, ArmorOptions::default()).ok()
    }

    /// Who signed and when, by our moment and not the machine's clock.
    fn told_of(&self, signer: &dyn SigningKey) -> Option<SubpacketConfig> {
        let hashed = [
            SubpacketData::IssuerFingerprint(signer.fingerprint()),
            SubpacketData::SignatureCreationTime(timestamp_of(self.at)),
        ];
        let hashed = hashed.into_iter().map(Subpacket::regular).collect::<Result<_, _>>().ok()?;
        let id = Subpacket::regular(SubpacketData::IssuerKeyId(signer.legacy_key_id())).ok()?;
        Some(SubpacketConfig::UserDefined { hashed, unhashed: vec![id] })
    }
}
