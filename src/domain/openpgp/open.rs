//! What came sealed: opened within limits, and who says to have signed it.
//!
//! Whose certificate a signature is to be held against is known only when the mail was read, so opening gives [`Claim`]s, and
//! [`Claim::check`] judges them. Data without protection against changes (RFC 9580 section 5.7) are not opened at all.

use std::io::{self, Cursor, Read as _};

use pgp::composed::{
    CleartextSignedMessage, DecryptionOptions, Deserializable as _, DetachedSignature, Message, TheRing,
};
use pgp::errors::Error;
use pgp::line_writer::LineBreak;
use pgp::normalize_lines::NormalizedReader;
use pgp::packet::{Signature, SignatureType, SignatureVersion, SubpacketData};
use pgp::types::{Password, Seipdv1ReadMode, VerifyingKey as _};
use sha2::{Digest, Sha256};

use super::certificate::{Certificate, Part, Unusable};
use super::fault::Fault;
use super::own::OwnKey;
use super::{instant_of, is_sound};
use crate::domain::chain::Sha256Digest;
use crate::domain::time::Instant;
use crate::limits;

/// A message that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What was in it.
    pub data: Vec<u8>,
    /// Whether it was encrypted, and to us.
    pub encrypted: bool,
    /// Who says to have signed it.
    pub claims: Vec<Claim>,
}

/// That somebody signed something; whether it is so, [`Claim::check`] tells.
#[derive(Clone, Debug)]
pub struct Claim {
    signature: Signature,
    /// Digest of what was signed and of what the signature says of itself: what its arithmetic is over.
    digest: Box<[u8]>,
}

/// Opens a message, armored or not; of one that is encrypted, by our key.
///
/// # Errors
/// Why it cannot be opened.
pub fn open(own: Option<&OwnKey>, bytes: &[u8]) -> Result<Opened, Fault> {
    let (mut message, _) = Message::from_reader(bytes).map_err(|_| Fault::Unreadable)?;
    let mut encrypted = false;
    for _ in 0..limits::OPENPGP_LAYERS {
        message = match message {
            Message::Literal { .. } => return read_out(message, encrypted),
            // What stands between a signature and its text would be signed or not as each reader likes.
            Message::Signed { ref reader, .. } if !reader.get_ref().is_literal() => return Err(Fault::Unreadable),
            Message::Signed { ref reader, .. } if reader.num_signatures() > limits::OPENPGP_SIGNATURES => {
                return Err(Fault::TooMuch);
            }
            Message::Signed { .. } => return read_out(message, encrypted),
            Message::Compressed { reader, is_nested } => {
                // Unpacked as a whole, layer by layer: what is packed several times over would else be read for days and yield nothing.
                let mut packed = reader.decompress().map_err(|_| Fault::Unreadable)?;
                let bytes = bounded(&mut packed)?;
                io::copy(packed.get_mut(), &mut io::sink()).map_err(|_| Fault::Unreadable)?;
                // Nothing may stand behind it: at its end the library looks.
                bounded(&mut Message::Compressed { reader: packed, is_nested })?;
                Message::from_bytes(Cursor::new(bytes)).map_err(|_| Fault::Unreadable)?
            }
            Message::Encrypted { .. } if encrypted => return Err(Fault::TooMuch),
            Message::Encrypted { ref esk, .. } if esk.len() > limits::OPENPGP_RECIPIENTS => return Err(Fault::TooMuch),
            Message::Encrypted { .. } => {
                encrypted = true;
                decrypt(own.ok_or(Fault::NotToUs)?, message)?
            }
        };
    }
    Err(Fault::TooMuch)
}

fn decrypt<'a>(own: &OwnKey, message: Message<'a>) -> Result<Message<'a>, Fault> {
    let unlocked = Password::empty();
    let whole = Seipdv1ReadMode::CheckFirst { max_message_size: limits::MAIL_BYTES };
    let ring = TheRing {
        secret_keys: vec![&own.secret],
        key_passwords: vec![&unlocked],
        decrypt_options: DecryptionOptions::new().set_seipdv1_read_mode(whole),
        ..TheRing::default()
    };
    match message.decrypt_the_ring(ring, true) {
        Ok((inner, _)) => Ok(inner),
        Err(Error::MissingKey) => Err(Fault::NotToUs),
        Err(_) => Err(Fault::Unreadable),
    }
}

/// Reads to the end, and no further than a mail may be large.
fn bounded(from: &mut impl io::Read) -> Result<Vec<u8>, Fault> {
    let most = u64::try_from(limits::MAIL_BYTES).unwrap_or(u64::MAX);
    let mut data = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut data).map_err(|_| Fault::Unreadable)?;
    if data.len() > limits::MAIL_BYTES { Err(Fault::TooLarge) } else { Ok(data) }
}

/// Reads a message to its end, where its signatures stand.
fn read_out(mut message: Message<'_>, encrypted: bool) -> Result<Opened, Fault> {
    let data = bounded(&mut message)?;
    let mut claims = Vec::new();
    if let Message::Signed { reader, .. } = &message {
        for place in 0..reader.num_signatures() {
            let (Some(digest), Some(signature)) = (reader.hash(place), reader.signature(place)) else { continue };
            claims.push(Claim { signature: signature.clone(), digest: digest.into() });
        }
        // A signature that cannot even be read is no reason to take the rest as unsigned.
        if claims.is_empty() {
            return Err(Fault::BrokenSignature);
        }
    }
    Ok(Opened { data, encrypted, claims })
}

/// The claims of signatures that came apart from the bytes they are over (`multipart/signed`).
///
/// # Errors
/// There is none that can be read, or there are too many.
pub fn signed_apart(signatures: &[u8], over: &[u8]) -> Result<Vec<Claim>, Fault> {
    let armored = signatures.trim_ascii_start().starts_with(b"-----");
    let found = match armored {
        true => DetachedSignature::from_armor_many_buf(signatures.trim_ascii_start()).map(|(found, _)| found),
        false => DetachedSignature::from_bytes_many(signatures),
    };
    let found = found.map_err(|_| Fault::BrokenSignature)?;
    let found: Vec<_> = found.take(limits::OPENPGP_SIGNATURES + 1).collect();
    if found.len() > limits::OPENPGP_SIGNATURES {
        return Err(Fault::TooMuch);
    }
    let claim = |one: DetachedSignature| Claim::over(one.signature, over);
    let claims: Vec<Claim> = found.into_iter().filter_map(Result::ok).filter_map(claim).collect();
    if claims.is_empty() { Err(Fault::BrokenSignature) } else { Ok(claims) }
}

/// The text of a clear-signed block (RFC 9580 section 7), from its first line to its last, and who says to have signed it.
///
/// # Errors
/// It cannot be read, or has too many signatures.
pub fn signed_text(block: &str) -> Result<(String, Vec<Claim>), Fault> {
    let (message, _) = CleartextSignedMessage::from_string(block).map_err(|_| Fault::BrokenSignature)?;
    if message.signatures().len() > limits::OPENPGP_SIGNATURES {
        return Err(Fault::TooMuch);
    }
    let text = message.signed_text();
    let claim = |one: &Signature| Claim::over(one.clone(), text.as_bytes());
    let claims: Vec<Claim> = message.signatures().iter().filter_map(claim).collect();
    if claims.is_empty() { Err(Fault::BrokenSignature) } else { Ok((text, claims)) }
}

impl Claim {
    /// That this signature is over those bytes; none where it is of a kind that is over no text.
    fn over(signature: Signature, bytes: &[u8]) -> Option<Claim> {
        let config = signature.config()?;
        let mut hasher = signature.hash_alg()?.new_hasher().ok()?;
        match signature.typ()? {
            SignatureType::Text => {
                let lines = NormalizedReader::new(bytes, LineBreak::Crlf);
                config.hash_data_to_sign(&mut hasher, lines).ok()?
            }
            SignatureType::Binary => config.hash_data_to_sign(&mut hasher, bytes).ok()?,
            _ => return None,
        };
        let length = config.hash_signature_data(&mut hasher).ok()?;
        hasher.update(&config.trailer(length).ok()?);
        let digest = hasher.finalize();
        Some(Claim { signature, digest })
    }

    /// Whether the owner of that certificate signed it; where it has to be `fresh`, about `now`.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, certificate: &Certificate, now: Instant, fresh: bool) -> Result<(), Fault> {
        let part = self.part_of(certificate).ok_or(Fault::OtherKey)?;
        for state in [certificate.whole(now), part.check(now)] {
            state.map_err(|why| match why {
                Unusable::Expired(_) => Fault::ExpiredKey,
                Unusable::Revoked => Fault::RevokedKey,
            })?;
        }
        let signature = &self.signature;
        if !signature.hash_alg().is_some_and(is_sound) {
            return Err(Fault::WeakSignature);
        }
        self.verify(certificate, part).ok_or(Fault::BrokenSignature)?;
        let made = signature.created().map(instant_of).ok_or(Fault::BrokenSignature)?;
        let age = now.seconds_since(made);
        let lasts =
            signature.signature_expiration_time().map(|lasts| i64::from(lasts.as_secs())).filter(|lasts| *lasts > 0);
        let stale = !(-limits::DATE_AHEAD_SECONDS..=limits::DATE_AGE_SECONDS).contains(&age);
        if made < part.created || lasts.is_some_and(|lasts| age >= lasts) || fresh && stale {
            return Err(Fault::OldSignature);
        }
        Ok(())
    }

    /// What tells a signed text from every other, however it is packed and sent: what was signed, and when. No bytes of the signature
    /// itself, of which some algorithms let anybody make another as good.
    pub fn mark(&self) -> Sha256Digest {
        Sha256::digest(&self.digest).into()
    }

    /// The part of a certificate that the signature names as its maker.
    fn part_of<'c>(&self, certificate: &'c Certificate) -> Option<&'c Part> {
        let (prints, ids) = (self.signature.issuer_fingerprint(), self.signature.issuer_key_id());
        certificate.signing().find(|part| {
            let own = certificate.fingerprint_of(part);
            let short = own.as_bytes().len().checked_sub(8).and_then(|at| own.as_bytes().get(at..));
            // A version 4 key is called by the last eight bytes of its fingerprint.
            let by_id = || ids.iter().any(|id| short.is_some_and(|short| id.as_ref() == short));
            if prints.is_empty() { by_id() } else { prints.iter().any(|print| **print == own) }
        })
    }

    fn verify(&self, certificate: &Certificate, part: &Part) -> Option<()> {
        let signature = &self.signature;
        let kind = signature.typ();
        // The library would hold others against a part of the text, or none of it.
        let over_text = matches!(kind, Some(SignatureType::Binary | SignatureType::Text));
        if !over_text || signature.version() != SignatureVersion::V4 {
            return None;
        }
        let unknown = |data: &SubpacketData| matches!(data, SubpacketData::Other(..) | SubpacketData::Experimental(..));
        if signature.config()?.hashed_subpackets().any(|one| one.is_critical && unknown(&one.data)) {
            return None;
        }
        let (hash, begins, made) = (signature.hash_alg()?, signature.signed_hash_value()?, signature.signature()?);
        if self.digest.get(..2) != Some(&begins[..]) {
            return None;
        }
        match part.place.and_then(|place| certificate.key.public_subkeys.get(place)) {
            Some(sub) => sub.key.verify(hash, &self.digest, made).ok(),
            None => certificate.key.primary_key.verify(hash, &self.digest, made).ok(),
        }
    }
}
