//! What a mail was sealed with (RFC 3156, and armor within a text): taken off before it is read, so that one reader reads all.
//!
//! In charge of where in a mail sealed content can stand, and of what part of the mail a signature is over. What is taken off gives a mail
//! again: the outer header without what describes its body, then what was within. Only of that is anything read: text beside a sealed
//! block, and parts beside a signed one, are nobody's word. Panics of the library are contained.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sha2::{Digest, Sha256};

use super::header::{Field, Header, Lines};
use super::parameter::Structured;
use super::structure::{self, Part};
use crate::domain::chain::Sha256Digest;
use crate::domain::openpgp::{self, Certificate, Claim, Fault, OwnKey};
use crate::domain::study::{Sealing, Study};
use crate::domain::time::Instant;
use crate::limits;

const MESSAGE: &str = "-----BEGIN PGP MESSAGE-----";
const MESSAGE_END: &str = "-----END PGP MESSAGE-----";
const SIGNED: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNED_END: &str = "-----END PGP SIGNATURE-----";

/// A mail without its seals.
#[derive(Clone, Debug)]
pub struct Unsealed<'a> {
    /// The mail to read.
    pub raw: Cow<'a, [u8]>,
    /// What it was sealed with.
    pub seal: Seal,
}

impl<'a> Unsealed<'a> {
    /// A mail as it came.
    pub fn plain(raw: &'a [u8]) -> Unsealed<'a> {
        Unsealed { raw: Cow::Borrowed(raw), seal: Seal::default() }
    }
}

/// What a mail was sealed with; whose signatures they are is not judged yet.
#[derive(Clone, Debug, Default)]
pub struct Seal {
    /// Digest of what was decrypted, as it came; none if nothing was.
    cipher: Option<Sha256Digest>,
    claims: Vec<Claim>,
    /// Whether the subject line stands in what the innermost of those signatures are over.
    subject: bool,
    /// Why what looks like a signature is none; the text is read without it.
    broken: Option<Fault>,
    /// Why it could not be opened.
    fault: Option<Fault>,
    /// The library failed on it.
    pub(super) panicked: bool,
}

/// What is known of a mail's seals once its sender is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Whether it came encrypted to us.
    pub encrypted: bool,
    /// Fingerprint of the key on file of its sender, by which it is signed.
    pub signed_by: Option<String>,
    /// What it lacks of what its study demands, or why it could not be opened.
    pub faults: Vec<Fault>,
}

impl Sealed {
    /// Whether there is anything to tell.
    pub fn is_sealed(&self) -> bool {
        *self != Sealed::default()
    }
}

/// Takes the seals off a mail, those of encryption by our key.
pub fn unseal<'a>(own: Option<&OwnKey>, raw: &'a [u8]) -> Unsealed<'a> {
    let mut mail = Unsealed::plain(raw);
    for _ in 0..limits::OPENPGP_LAYERS {
        match layer(own, &mail.raw) {
            Ok(Layer::None) => return mail,
            Ok(Layer::Signed { raw, claims, subject }) => {
                mail.seal.add(claims, subject);
                mail.raw = raw.map_or(mail.raw, Cow::Owned);
                return mail;
            }
            Ok(Layer::Unsure(fault)) => {
                mail.seal.broken = Some(fault);
                return mail;
            }
            // Encryption within encryption is nothing that mail programs make.
            Ok(Layer::Encrypted { .. }) if mail.seal.cipher.is_some() => {
                mail.seal.fault = Some(Fault::TooMuch);
                return mail;
            }
            Ok(Layer::Encrypted { raw, cipher, claims, subject }) => {
                mail.seal.cipher = Some(cipher);
                mail.seal.add(claims, subject);
                mail.raw = Cow::Owned(raw);
            }
            Err(fault) => {
                mail.seal.fault = Some(fault);
                return mail;
            }
        }
    }
    mail.seal.fault = Some(Fault::TooMuch);
    mail
}

/// [`unseal`], but a mail on which the library fails is left as it came, for a person to look at.
pub fn unseal_contained<'a>(own: Option<&OwnKey>, raw: &'a [u8]) -> Unsealed<'a> {
    catch_unwind(AssertUnwindSafe(|| unseal(own, raw))).unwrap_or_else(|_| {
        let seal = Seal { panicked: true, ..Seal::default() };
        Unsealed { seal, ..Unsealed::plain(raw) }
    })
}

impl Seal {
    /// Whether something was decrypted.
    pub fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }

    /// Digest of what was decrypted, as it came.
    pub(super) fn cipher(&self) -> Option<Sha256Digest> {
        self.cipher
    }

    /// Signatures of one more layer; it was put on before those that are known.
    fn add(&mut self, claims: Vec<Claim>, subject: bool) {
        if !claims.is_empty() {
            // Which of all signatures is the sender's is not known yet: what the innermost are over, those around it are over as well.
            self.subject = subject;
        }
        self.claims.extend(claims);
    }

    /// Whether the study demands a signature, and the subject line is not in what is signed.
    pub(super) fn leaves_subject_open(&self, study: &Study) -> bool {
        study.trust.openpgp.signed && !self.subject
    }

    /// Whether it could not be opened at all.
    pub(super) fn is_closed(&self) -> bool {
        self.fault.is_some()
    }

    /// Judges the seals of a mail from that person to that study, and gives the mark by which a text that was signed is known again.
    pub(super) fn judge(
        &self,
        study: &Study,
        person: &str,
        now: Instant,
        fresh: bool,
    ) -> (Sealed, Option<Sha256Digest>) {
        let Sealing { signed, encrypted } = study.trust.openpgp;
        let mut sealed = Sealed { encrypted: self.is_encrypted(), ..Sealed::default() };
        if let Some(fault) = self.fault {
            sealed.faults.push(fault);
            return (sealed, None);
        }
        if encrypted && !sealed.encrypted {
            sealed.faults.push(Fault::NotEncrypted);
        }
        let certificate = study.certificates.get(person).map(|own| &**own);
        let mark = match self.signature(certificate, now, fresh) {
            Ok(claim) => {
                sealed.signed_by = certificate.map(Certificate::fingerprint);
                Some(claim.mark())
            }
            // Somebody who has a key on file sends what another one sealed: the answer would show it to them.
            Err(Fault::OtherKey) if sealed.encrypted && certificate.is_some() => {
                sealed.faults.push(Fault::OtherKey);
                None
            }
            Err(fault) => {
                sealed.faults.extend(signed.then_some(fault));
                None
            }
        };
        (sealed, mark.filter(|_| signed))
    }

    /// The first signature that is the sender's; else what is wrong with the one that comes nearest.
    fn signature(&self, certificate: Option<&Certificate>, now: Instant, fresh: bool) -> Result<&Claim, Fault> {
        if self.claims.is_empty() {
            return Err(self.broken.unwrap_or(Fault::NotSigned));
        }
        let certificate = certificate.ok_or(Fault::NoKey)?;
        let mut nearest = Fault::OtherKey;
        for claim in &self.claims {
            match claim.check(certificate, now, fresh) {
                Ok(()) => return Ok(claim),
                Err(Fault::OtherKey) => {}
                Err(fault) => nearest = fault,
            }
        }
        Err(nearest)
    }
}

/// One seal of a mail.
enum Layer {
    None,
    /// Signed: the mail with nothing but what the signatures are over, where it was not so already.
    Signed {
        raw: Option<Vec<u8>>,
        claims: Vec<Claim>,
        subject: bool,
    },
    Encrypted {
        raw: Vec<u8>,
        cipher: Sha256Digest,
        claims: Vec<Claim>,
        subject: bool,
    },
    /// It bears what is no signature for this reason.
    Unsure(Fault),
}

fn layer(own: Option<&OwnKey>, raw: &[u8]) -> Result<Layer, Fault> {
    if raw.len() > limits::MAIL_BYTES {
        return Ok(Layer::None);
    }
    let header = Header::parse(raw);
    let (root, problems) = structure::split(header.clone());
    if !problems.is_empty() || !header.problems.is_empty() {
        // Where two readers would cut differently nothing is taken off; the mail is held.
        return Ok(Layer::None);
    }
    if let (Some(sealed), Some(own)) = (encrypted_part(&root), own) {
        return decrypted(own, &header, sealed);
    }
    if root.media == "multipart/signed" && is_openpgp(&root, "application/pgp-signature") {
        return Ok(signed_apart(&header, &root).unwrap_or_else(Layer::Unsure));
    }
    if root.media == "text/plain" {
        return within_text(own, &header, &root);
    }
    Ok(Layer::None)
}

fn is_openpgp(part: &Part<'_>, protocol: &str) -> bool {
    let named = part.content_type.plain("protocol").ok().flatten();
    named.is_some_and(|named| named.trim().eq_ignore_ascii_case(protocol))
}

/// The sealed part of a mail (RFC 3156 section 4). Some servers make `multipart/mixed` of it and put an empty text before it.
fn encrypted_part<'p, 'a>(root: &'p Part<'a>) -> Option<&'p Part<'a>> {
    if !matches!(root.media.as_str(), "multipart/encrypted" | "multipart/mixed") {
        return None;
    }
    let at = root.children.iter().position(|part| part.media == "application/pgp-encrypted")?;
    let empty = |part: &Part<'_>| part.media == "text/plain" && part.body.trim_ascii().is_empty();
    let alone = root.children.iter().enumerate().all(|(place, part)| place == at || place == at + 1 || empty(part));
    root.children.get(at + 1).filter(|_| alone)
}

fn decrypted(own: &OwnKey, header: &Header<'_>, sealed: &Part<'_>) -> Result<Layer, Fault> {
    let bytes = sealed.encoding.decode(sealed.body).map_err(|_| Fault::Unreadable)?;
    let opened = openpgp::open(Some(own), bytes.trim_ascii_start())?;
    if !opened.encrypted {
        return Err(Fault::NotEncrypted);
    }
    let raw = rebuilt(header, &opened.data);
    let subject = protected_subject(&Header::parse(&opened.data)).is_some();
    Ok(Layer::Encrypted { raw, cipher: Sha256::digest(bytes.trim_ascii()).into(), claims: opened.claims, subject })
}

/// RFC 3156 section 5: the signature is over the first part as it stands, header and all, with its lines ended by CRLF.
fn signed_apart(outer: &Header<'_>, root: &Part<'_>) -> Result<Layer, Fault> {
    let pieces = structure::pieces(root);
    let ([over, _], [first, signature]) = (pieces.as_slice(), root.children.as_slice()) else {
        return Err(Fault::BrokenSignature);
    };
    if signature.media != "application/pgp-signature" {
        return Err(Fault::BrokenSignature);
    }
    let bytes = signature.encoding.decode(signature.body).map_err(|_| Fault::BrokenSignature)?;
    let claims = openpgp::signed_apart(&bytes, &canonical(over))?;
    // The first part is read as the text in any case, and the other one is no text. A subject that was signed with it counts instead of
    // the outer one, which anybody on the way can write anew.
    let subject = protected_subject(&first.header).is_some();
    let raw = subject.then(|| rebuilt(outer, over));
    Ok(Layer::Signed { raw, claims, subject })
}

/// A text that is, or holds, an armored block: what stands beside the block is left out.
fn within_text(own: Option<&OwnKey>, header: &Header<'_>, root: &Part<'_>) -> Result<Layer, Fault> {
    let Ok(bytes) = root.encoding.decode(root.body) else { return Ok(Layer::None) };
    if let Some(block) = block(&bytes, SIGNED, SIGNED_END) {
        let read = std::str::from_utf8(&block).map_err(|_| Fault::BrokenSignature).and_then(openpgp::signed_text);
        return Ok(match read {
            Ok((text, claims)) => {
                let raw = Some(of_text(header, root, text.as_bytes()));
                Layer::Signed { raw, claims, subject: false }
            }
            Err(fault) => Layer::Unsure(fault),
        });
    }
    if let (Some(block), Some(own)) = (block(&bytes, MESSAGE, MESSAGE_END), own) {
        let opened = openpgp::open(Some(own), &block)?;
        let raw = of_text(header, root, &opened.data);
        return Ok(match opened.encrypted {
            true => {
                let cipher = Sha256::digest(&block).into();
                Layer::Encrypted { raw, cipher, claims: opened.claims, subject: false }
            }
            false => Layer::Signed { raw: Some(raw), claims: opened.claims, subject: false },
        });
    }
    Ok(Layer::None)
}

/// The lines from the first one to the last, in line ends of one kind. A block that a reply quotes begins no line.
fn block(bytes: &[u8], first: &str, last: &str) -> Option<Vec<u8>> {
    let mut block: Vec<u8> = Vec::new();
    for (line, _) in Lines::new(bytes) {
        let bare = line.trim_ascii_end();
        if block.is_empty() && bare != first.as_bytes() {
            continue;
        }
        block.extend_from_slice(line);
        block.push(b'\n');
        if bare == last.as_bytes() {
            return Some(block);
        }
    }
    None
}

fn canonical(bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(bytes.len() + 64);
    let mut before = 0;
    for (line, end) in Lines::new(bytes) {
        lines.extend_from_slice(line);
        // The last line has none: it belongs to the delimiter.
        if bytes.get(before..end).is_some_and(|whole| whole.ends_with(b"\n")) {
            lines.extend_from_slice(b"\r\n");
        }
        before = end;
    }
    lines
}

/// The subject of an entity that says to protect it (RFC 9788, and `protected-headers` before it).
fn protected_subject<'h, 'a>(inner: &'h Header<'a>) -> Option<&'h Field<'a>> {
    let kind = Structured::parse(&inner.first("content-type")?.value());
    let protects = |name: &str| kind.plain(name).is_ok_and(|value| value.is_some());
    inner.first("subject").filter(|_| protects("protected-headers") || protects("hp"))
}

/// The outer header with an entity in place of its body. A subject that was protected within stands in place of the outer one, which says
/// nothing then; nothing else of the inner header does that is not about its body.
fn rebuilt(outer: &Header<'_>, entity: &[u8]) -> Vec<u8> {
    let inner = Header::parse(entity);
    let subject = protected_subject(&inner);
    let about_body = |name: &str| name.starts_with("content-");
    let mut raw = Vec::with_capacity(entity.len() + 1024);
    for field in &outer.fields {
        if about_body(&field.name) || field.name == "subject" && subject.is_some() {
            continue;
        }
        put(&mut raw, &field.name, field.raw());
    }
    if let Some(subject) = subject {
        put(&mut raw, "subject", subject.raw());
    }
    for field in inner.fields.iter().filter(|field| about_body(&field.name)) {
        put(&mut raw, &field.name, field.raw());
    }
    // What is wrong with the inner block has to be seen by the reader, too.
    if !inner.problems.is_empty() || inner.body.is_none() {
        raw.extend_from_slice(b"Content-Type: multipart/mixed\n");
    }
    raw.push(b'\n');
    raw.extend_from_slice(inner.body.unwrap_or_default());
    raw
}

/// The outer header with a text in place of its body, in the charset that the outer one names.
fn of_text(outer: &Header<'_>, root: &Part<'_>, text: &[u8]) -> Vec<u8> {
    let charset = root.content_type.plain("charset").ok().flatten();
    let named = charset.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
    let kind = named.map_or_else(String::new, |name| format!("Content-Type: text/plain; charset={name}\n"));
    rebuilt(outer, &[kind.as_bytes(), b"\n", text].concat())
}

fn put(raw: &mut Vec<u8>, name: &str, value: &[u8]) {
    raw.extend_from_slice(name.as_bytes());
    raw.push(b':');
    raw.extend_from_slice(value);
    raw.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_lines() {
        let text = b"Hello\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nxx\r\n-----END PGP MESSAGE-----\r\nfooter";
        let found = block(text, MESSAGE, MESSAGE_END).unwrap();
        assert_eq!(found, b"-----BEGIN PGP MESSAGE-----\n\nxx\n-----END PGP MESSAGE-----\n");
        for other in ["> -----BEGIN PGP MESSAGE-----\nx\n-----END PGP MESSAGE-----", "-----BEGIN PGP MESSAGE-----\nx"] {
            assert_eq!(block(other.as_bytes(), MESSAGE, MESSAGE_END), None);
        }
    }

    #[test]
    fn lines_of_a_signed_part_end_in_one_way() {
        assert_eq!(canonical(b"a \nb\r\n\nc"), b"a \r\nb\r\n\r\nc");
        assert_eq!(canonical(b"a\r\n"), b"a\r\n");
        assert_eq!(canonical(b""), b"");
    }

    #[test]
    fn a_protected_subject_stands_for_the_outer_one() {
        let outer = Header::parse(b"From: a@b\nSubject: ...\nContent-Type: multipart/encrypted\n\n");
        let entity =
            b"Content-Type: text/plain; protected-headers=\"v1\"\nSubject: [AURORA] enroll\nFrom: x@y\n\nAge: 65\n";
        let raw = String::from_utf8(rebuilt(&outer, entity)).unwrap();
        assert_eq!(
            raw,
            "from: a@b\nsubject: [AURORA] enroll\ncontent-type: text/plain; protected-headers=\"v1\"\n\nAge: 65\n"
        );
        let unprotected = rebuilt(&outer, b"Content-Type: text/plain\nSubject: other\n\nAge: 65\n");
        assert!(String::from_utf8(unprotected).unwrap().starts_with("from: a@b\nsubject: ...\ncontent-type"));
        // A block that readers would split differently is held.
        let doubtful = rebuilt(&outer, b"no header here\nAge: 65\n");
        assert!(!structure::split(Header::parse(&doubtful)).1.is_empty());
    }
}
