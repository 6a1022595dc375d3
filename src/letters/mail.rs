//! A worded letter becomes a finished mail: headers, parts, bytes.
//!
//! Deterministic: the same letter and envelope give the same bytes, so that a retry repeats the mail and its
//! Message-ID. The SMTP envelope (VERP) is the dispatch's.

use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};
use sha2::{Digest, Sha256};

use super::header;
use super::kind::Kind;
use super::picture::Picture;
use super::sealed;
use super::stationery::Composed;
use crate::domain::language::Language;
use crate::domain::openpgp::{self, SealFault};
use crate::domain::time::{Instant, Zone};
use crate::limits;

/// Facts of the headers.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Study's slug; for the mark by which we know our own mail.
    pub study: &'a str,
    /// Service address that the mail comes from, without a secret sub-address.
    pub from: &'a str,
    /// Display name of the service.
    pub from_name: &'a str,
    /// Address on file of the one recipient.
    pub to: &'a str,
    /// Their name; may be empty.
    pub to_name: &'a str,
    /// Address that stops letters like it for whoever writes there, where a page does.
    pub unsubscribe: Option<&'a str>,
    /// Where a reply goes, if elsewhere than `from`: a sub-address with a token.
    pub reply_to: Option<&'a str>,
    /// `<left@right>`, fixed when the letter is written.
    pub message_id: &'a str,
    /// Message-ID of the mail that this answers, as it stood there; left out unless well-formed.
    pub in_reply_to: Option<&'a str>,
    /// `References` of that mail, one identifier each; malformed ones are left out.
    pub references: &'a [String],
    /// When the letter was written.
    pub at: Instant,
    /// Zone that `Date` is shown in.
    pub zone: Zone,
}

/// A mail ready for the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Kind of letter.
    pub kind: Kind,
    /// Its language.
    pub language: Language,
    /// Its `Message-ID`, angle brackets included.
    pub message_id: String,
    /// The one recipient.
    pub recipient: String,
    /// The subject, decoded; holds nothing personal.
    pub subject: String,
    /// The whole mail, lines ended by CRLF and at most 998 bytes long.
    pub raw: Vec<u8>,
    /// Whether the next server must speak SMTPUTF8 (RFC 6531): an address goes beyond ASCII.
    pub needs_smtputf8: bool,
}

/// A header fact that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailFault {
    /// Not an address.
    #[error("the {0} address cannot stand in a mail")]
    Address(&'static str),
    /// Not a Message-ID.
    #[error("the Message-ID is malformed")]
    MessageId,
    /// Not sealed.
    #[error(transparent)]
    Seal(#[from] SealFault),
}

/// The same mail under another Message-ID, in answer to another mail: for a letter that is asked for once more.
///
/// Only the `Message-ID` and `In-Reply-To` lines of the header block change, which [`finish`] wrote on lines of their own,
/// perhaps folded. `in_reply_to` is left as it was where none is given.
pub fn readdress(raw: &[u8], message_id: &str, in_reply_to: Option<&str>) -> Vec<u8> {
    let text = String::from_utf8_lossy(raw);
    let mut out = String::with_capacity(raw.len());
    let (mut in_header, mut skipping) = (true, false);
    for line in text.split_inclusive("\r\n") {
        if in_header {
            if skipping && line.starts_with([' ', '\t']) {
                continue;
            }
            skipping = false;
            in_header = line != "\r\n";
            let replaced = match line.split_once(':').map(|(name, _)| name.to_ascii_lowercase()).as_deref() {
                Some("message-id") => Some(("Message-ID", message_id)),
                Some("in-reply-to") => in_reply_to.map(|id| ("In-Reply-To", id)),
                _ => None,
            };
            if let Some((name, id)) = replaced {
                out.push_str(&header::identifiers(name, [id]));
                skipping = true;
                continue;
            }
        }
        out.push_str(line);
    }
    out.into_bytes()
}

/// Builds the mail.
///
/// # Errors
/// A [`MailFault`] where an address or our Message-ID is malformed; foreign identifiers are left out instead.
pub fn finish(letter: &Composed, envelope: &Envelope<'_>) -> Result<Finished, MailFault> {
    let body = body(letter, envelope.message_id);
    built(letter, envelope, body)
}

/// Builds the mail with everything below its header sealed.
///
/// # Errors
/// As [`finish`]; it could not be sealed.
pub fn finish_sealed(
    letter: &Composed,
    envelope: &Envelope<'_>,
    seal: &openpgp::Envelope,
) -> Result<Finished, MailFault> {
    let body = sealed::seal(seal, body(letter, envelope.message_id), envelope.message_id)?;
    built(letter, envelope, body)
}

fn built(letter: &Composed, envelope: &Envelope<'_>, body: Vec<u8>) -> Result<Finished, MailFault> {
    for (which, address) in [("From", envelope.from), ("To", envelope.to)] {
        if !header::is_address(address) {
            return Err(MailFault::Address(which));
        }
    }
    if envelope.reply_to.is_some_and(|address| !header::is_address(address)) {
        return Err(MailFault::Address("Reply-To"));
    }
    if !header::is_message_id(envelope.message_id) {
        return Err(MailFault::MessageId);
    }
    let mut raw = headers(letter, envelope).into_bytes();
    raw.extend(body);
    let addresses = [Some(envelope.from), Some(envelope.to), envelope.reply_to];
    Ok(Finished {
        kind: letter.kind,
        language: letter.language,
        message_id: envelope.message_id.to_string(),
        recipient: envelope.to.to_string(),
        subject: letter.subject.clone(),
        raw,
        needs_smtputf8: addresses.iter().flatten().any(|address| !address.is_ascii()),
    })
}

fn headers(letter: &Composed, envelope: &Envelope<'_>) -> String {
    let mut out = format!("Date: {}\r\n", envelope.at.rfc5322(envelope.zone));
    out.push_str(&header::mailbox("From", envelope.from_name, envelope.from));
    out.push_str(&header::mailbox("To", envelope.to_name, envelope.to));
    if let Some(reply_to) = envelope.reply_to {
        out.push_str(&header::mailbox("Reply-To", "", reply_to));
    }
    out.push_str(&header::text("Subject", &letter.subject));
    out.push_str(&header::identifiers("Message-ID", [envelope.message_id]));
    let answered = envelope.in_reply_to.filter(|id| header::is_message_id(id));
    if let Some(answered) = answered {
        out.push_str(&header::identifiers("In-Reply-To", [answered]));
    }
    let references = references(envelope.references, answered);
    if !references.is_empty() {
        out.push_str(&header::identifiers("References", references));
    }
    // RFC 3834 section 5: an answer, or a letter written unasked.
    let automatic = if letter.kind.answers() { "auto-replied" } else { "auto-generated" };
    out.push_str(&header::text("Auto-Submitted", automatic));
    out.push_str("X-Auto-Response-Suppress: All\r\n");
    out.push_str(&header::text("X-Loop", envelope.from));
    out.push_str(&header::text("X-Hagaki", envelope.study));
    if let Some(page) = letter.unsubscribe.as_deref().filter(|page| header::is_page(page)) {
        let mail = envelope.unsubscribe.filter(|address| header::is_plain_address(address));
        out.push_str(&header::page_or_mail("List-Unsubscribe", page, mail));
        // RFC 8058 section 3.1: by https alone.
        if page.starts_with("https://") {
            out.push_str("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
        }
    }
    out.push_str(&format!("Content-Language: {}\r\nMIME-Version: 1.0\r\n", letter.language.code()));
    out
}

/// The thread so far, then the mail answered; the first and the latest are kept (RFC 5322 section 3.6.4).
fn references<'a>(theirs: &'a [String], answered: Option<&'a str>) -> Vec<&'a str> {
    let valid = theirs.iter().map(String::as_str).filter(|id| header::is_message_id(id) && Some(*id) != answered);
    let mut all: Vec<&str> = valid.chain(answered).collect();
    if all.len() > limits::REFERENCES {
        all.drain(1..=all.len() - limits::REFERENCES);
    }
    all
}

/// The parts, with their own headers; lettre chooses an encoding that keeps lines short and ASCII.
fn body(letter: &Composed, message_id: &str) -> Vec<u8> {
    let text = SinglePart::plain(letter.text.clone());
    match &letter.html {
        None => text.formatted(),
        Some(html) => {
            // From the Message-ID, not from chance: a retry gives the same bytes, and no text can know it beforehand.
            let digest = Sha256::digest(message_id.as_bytes());
            let (outer, inner) = digest.split_at(digest.len() / 2);
            let boundary = |half: &[u8]| format!("=_{}", data_encoding::HEXLOWER.encode(half));
            let parts = MultiPart::alternative().boundary(boundary(outer)).singlepart(text);
            let html = SinglePart::html(html.clone());
            match letter.pictures.is_empty() {
                true => parts.singlepart(html).formatted(),
                false => parts.multipart(related(html, &letter.pictures, &boundary(inner))).formatted(),
            }
        }
    }
}

/// HTML with the pictures that it shows (RFC 2387), each named as the HTML names it (RFC 2392).
fn related(html: SinglePart, pictures: &[Picture], boundary: &str) -> MultiPart {
    let kind = format!("multipart/related; type=\"text/html\"; boundary=\"{boundary}\"");
    let kind = ContentType::parse(&kind).expect("a content type whose only fact is hexadecimal");
    let parts = MultiPart::builder().header(kind).singlepart(html);
    pictures.iter().fold(parts, |parts, picture| {
        let png = ContentType::parse("image/png").expect("a content type");
        parts.singlepart(Attachment::new_inline(picture.cid.clone()).body(picture.png.clone(), png))
    })
}
