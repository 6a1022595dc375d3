//! What a mail is known by: its Message-ID, the mails it answers, its day, and digests of what it says.

use sha2::{Digest, Sha256};

use super::address;
use super::header::Header;
use super::structure::Part;
use crate::domain::time::Instant;

/// Longest Message-ID that is kept, in bytes (RFC 5322 sets none; a line has 998).
const ID_BYTES: usize = 250;
/// Most mails that an answer refers back to.
const REFERENCES: usize = 20;

/// The Message-ID without its angle brackets, if it is sound. It is text of a stranger and comes back in our headers.
pub fn message_id(header: &Header<'_>) -> Option<String> {
    header.text("message-id").and_then(|value| ids(&value).into_iter().next())
}

/// The ids of `In-Reply-To`, then of `References`, newest first, without repetition.
pub fn references(header: &Header<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let answered = header.text("in-reply-to").map(|value| ids(&value)).unwrap_or_default();
    let earlier = header.text("references").map(|value| ids(&value)).unwrap_or_default();
    for id in answered.into_iter().chain(earlier.into_iter().rev()) {
        if !found.contains(&id) && found.len() < REFERENCES {
            found.push(id);
        }
    }
    found
}

/// Every sound `<x@y>` of a value (RFC 5322 section 3.6.4), without brackets.
pub fn ids(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(open) = rest.find('<') {
        let inner = rest.get(open + 1..).unwrap_or_default();
        let Some(close) = inner.find('>') else { break };
        let id = inner.get(..close).unwrap_or_default();
        let sound = id.len() <= ID_BYTES
            && id.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '\\' | '"'))
            && id
                .split_once('@')
                .is_some_and(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains('@'));
        if sound {
            found.push(id.to_string());
        }
        rest = inner.get(close + 1..).unwrap_or_default();
    }
    found
}

/// Whether a Message-ID is one that we gave.
pub fn is_ours(id: &str, message_id_domain: &str) -> bool {
    address::domain(id).eq_ignore_ascii_case(message_id_domain)
}

/// The `Date` field, if it can be read.
pub fn date(header: &Header<'_>) -> Option<Instant> {
    header.text("date").and_then(|value| Instant::parse_rfc5322(&value))
}

/// Digest of what a mail says, in hexadecimal: sender, subject and parts, decoded, so that relays which change the
/// transfer encoding or line ends do not change it.
pub fn content_digest(sender: &str, subject: &str, root: &Part<'_>) -> String {
    let mut digest = Sha256::new();
    add(&mut digest, sender.as_bytes());
    add(&mut digest, subject.as_bytes());
    for part in root.walk() {
        if part.is_multipart() {
            continue;
        }
        add(&mut digest, part.media.as_bytes());
        let decoded = part.encoding.decode(part.body).unwrap_or(part.body.into());
        let lines: Vec<&[u8]> = decoded.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
        let end = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        add(&mut digest, &lines.get(..end).unwrap_or_default().join(&b'\n'));
    }
    data_encoding::HEXLOWER.encode(&digest.finalize())
}

/// Digest of a mail that came encrypted, in hexadecimal: of its sender and the bytes that were decrypted.
pub fn sealed_digest(sender: &str, cipher: &[u8]) -> String {
    let mut digest = Sha256::new();
    add(&mut digest, b"sealed");
    add(&mut digest, sender.as_bytes());
    add(&mut digest, cipher);
    data_encoding::HEXLOWER.encode(&digest.finalize())
}

/// What a mail is recognized by when it comes again: its Message-ID, else a digest of `From`, `Date` and content.
pub fn message_key(message_id: Option<&str>, header: &Header<'_>, content_digest: &str) -> String {
    if let Some(id) = message_id {
        return format!("<{id}>");
    }
    let mut digest = Sha256::new();
    for name in ["from", "date", "message-id"] {
        add(&mut digest, header.text(name).unwrap_or_default().as_bytes());
    }
    add(&mut digest, content_digest.as_bytes());
    format!("digest:{}", data_encoding::HEXLOWER.encode(&digest.finalize()))
}

/// Adds a field with its length, so that no two lists of fields run together.
fn add(digest: &mut Sha256, field: &[u8]) {
    digest.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(field);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::reading::structure;

    #[test]
    fn only_sound_ids_are_kept() {
        assert_eq!(ids("<a@b> junk <c@d>"), ["a@b", "c@d"]);
        let long = format!("<{}@b>", "a".repeat(300));
        for broken in ["a@b", "<a>", "<@b>", "<a@b\0>", "<a b@c>", "<a@b@c>", "<a@b", "<山@b>", &long] {
            assert_eq!(ids(broken), Vec::<String>::new(), "{broken}");
        }
    }

    #[test]
    fn references_are_newest_first() {
        let header = Header::parse(b"In-Reply-To: <c@x>\nReferences: <a@x> <b@x>\n <c@x>\n\n");
        assert_eq!(references(&header), ["c@x", "b@x", "a@x"]);
    }

    #[test]
    fn a_relay_does_not_change_the_digest() {
        let digest = |raw: &[u8]| content_digest("a@b", "s", &structure::split(Header::parse(raw)).0);
        let plain = digest(b"Content-Type: text/plain; charset=utf-8\n\nAge: 65\nSex: F\n\n");
        let relayed =
            b"Received: x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nAge: =365 \r\nSex: F\r\n";
        assert_eq!(plain, digest(relayed));
        assert_ne!(plain, digest(b"Content-Type: text/plain\n\nAge: 66\nSex: F\n"));
    }

    #[test]
    fn without_an_id_the_content_is_the_key() {
        let header = Header::parse(b"From: a@b\nDate: x\n\n");
        assert_ne!(message_key(None, &header, "1"), message_key(None, &header, "2"));
        assert_eq!(message_key(Some("a@b"), &header, "1"), "<a@b>");
    }
}
