//! The part of a mail server's border, played for mail files that a visitor drops: a folder instead of SMTP.
//!
//! A mail exported from a mail program, or written in an editor, carries no proof of its sender. A real border would
//! have checked DMARC and written what it found (RFC 8601); here every sender named in `From` is believed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mail_parser::{Address, Message, MessageParser};

use super::mails::zone;
use super::{ADDRESS, AUTHSERV_ID};
use crate::domain::time::Instant;
use crate::limits;
use crate::mail::mailbox::maildir;

/// Fields that the border writes itself: what a mail brings along under these names is taken off.
const OWN_FIELDS: [&str; 3] = ["return-path", "delivered-to", "authentication-results"];

/// The folder `drop` and the mailbox behind it.
#[derive(Debug)]
pub(super) struct Border {
    folder: PathBuf,
    mailbox: PathBuf,
    /// Size and time of files at the last look: one that still grows is left alone.
    seen: BTreeMap<PathBuf, State>,
    /// Files that could not be taken: told once, and tried again when they change.
    refused: BTreeMap<PathBuf, State>,
}

/// A file's size and time.
type State = (u64, Option<SystemTime>);

/// What became of a dropped file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Marked and delivered; the file's name.
    Taken(String),
    /// Not taken; the file's name and why.
    Refused(String, String),
}

impl Border {
    /// Makes the folder `drop` in `dir`.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(super) fn new(dir: &Path, mailbox: &Path) -> io::Result<Border> {
        let folder = dir.join("drop");
        fs::create_dir_all(folder.join("taken"))?;
        Ok(Border { folder, mailbox: mailbox.to_path_buf(), seen: BTreeMap::new(), refused: BTreeMap::new() })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes every file that has not changed since the last look.
    pub(super) fn look(&mut self, now: Instant) -> Vec<Dropped> {
        let mut now_there = BTreeMap::new();
        let mut dropped = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let Ok(data) = entry.metadata() else { continue };
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) || name.starts_with('.') {
                continue;
            }
            let state = (data.len(), data.modified().ok());
            if self.seen.get(&path) != Some(&state) {
                now_there.insert(path, state);
                continue;
            }
            if self.refused.get(&path) == Some(&state) {
                now_there.insert(path, state);
                continue;
            }
            dropped.push(match self.take(&path, data.len(), now) {
                Ok(()) => Dropped::Taken(name),
                Err(error) => {
                    self.refused.insert(path, state);
                    Dropped::Refused(name, error.to_string())
                }
            });
        }
        self.seen = now_there;
        dropped
    }

    fn take(&self, path: &Path, size: u64, now: Instant) -> io::Result<()> {
        if size > limits::MAIL_BYTES as u64 {
            return Err(io::Error::other(format!("larger than {} bytes", limits::MAIL_BYTES)));
        }
        maildir::deliver(&self.mailbox, now, &marked(&fs::read(path)?, now))?;
        let kept = format!("{}-{}", now.0, path.file_name().unwrap_or_default().to_string_lossy());
        fs::rename(path, self.folder.join("taken").join(kept))
    }
}

/// The mail as our border hands it over: lines end with CRLF, its own fields stand on top, `Date` and `Message-ID` are
/// added where they are missing (as RFC 6409 section 8 lets a submission server do).
fn marked(raw: &[u8], now: Instant) -> Vec<u8> {
    let raw = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw);
    let raw = with_crlf(raw);
    let lines: Vec<&[u8]> = raw.split_inclusive(|byte| *byte == b'\n').collect();
    // Mailbox files and some exports begin with a `From ` line (RFC 4155) or empty lines.
    let first = lines.iter().position(|line| !line.starts_with(b"From ") && *line != b"\r\n").unwrap_or(lines.len());
    let lines = lines.get(first..).unwrap_or_default();
    let end = lines.iter().position(|line| *line == b"\r\n").unwrap_or(lines.len());
    let (head, body) = lines.split_at(end);

    let header = head.concat();
    let parsed = MessageParser::default().parse_headers(&header);
    // A message without a part has no header either; asking it for one panics.
    let parsed = parsed.filter(|message| !message.parts.is_empty());
    let parsed = parsed.as_ref();
    let from =
        parsed.and_then(Message::from).and_then(Address::first).and_then(|from| from.address()).unwrap_or_default();
    let from: String = from.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | ';')).collect();
    let plain = |domain: &&str| domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let domain = from.split_once('@').map(|(_, domain)| domain).filter(plain).unwrap_or_default();
    let to = [parsed.and_then(Message::to), parsed.and_then(Message::cc)]
        .into_iter()
        .flatten()
        .flat_map(Address::iter)
        .filter_map(|one| one.address());
    let to = to.map(str::trim).find(|address| is_ours(ADDRESS, address)).unwrap_or(ADDRESS).to_string();
    let verdict = if domain.is_empty() { "dmarc=none".to_string() } else { format!("dmarc=pass header.from={domain}") };

    let mut mail =
        format!("Return-Path: <{from}>\r\nDelivered-To: {to}\r\nAuthentication-Results: {AUTHSERV_ID}; {verdict}\r\n")
            .into_bytes();
    if parsed.and_then(Message::date).is_none() {
        mail.extend(format!("Date: {}\r\n", now.rfc5322(zone())).into_bytes());
    }
    if parsed.and_then(Message::message_id).is_none() {
        mail.extend(format!("Message-ID: <dropped.{}@demo.invalid>\r\n", now.0).into_bytes());
    }
    let mut own = false;
    for line in head {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
            own = OWN_FIELDS.contains(&name.as_str());
        }
        if !own {
            mail.extend_from_slice(line);
        }
    }
    mail.extend(body.concat());
    mail
}

/// Every line's end as SMTP has it.
fn with_crlf(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 32);
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(stem) => {
                out.extend_from_slice(stem.strip_suffix(b"\r").unwrap_or(stem));
                out.extend_from_slice(b"\r\n");
            }
            None => {
                out.extend_from_slice(line);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    out
}

/// Whether an address is the service address, or a plain sub-address of it.
pub(super) fn is_ours(service: &str, address: &str) -> bool {
    let Some((local, domain)) = service.split_once('@') else { return false };
    let address = address.to_ascii_lowercase();
    let Some((given, at)) = address.split_once('@') else { return false };
    let sub = given.strip_prefix(local);
    let plain = |sub: &str| {
        sub.len() <= 120 && sub.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '='))
    };
    at == domain && sub.is_some_and(|sub| sub.is_empty() || sub.strip_prefix('+').is_some_and(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant(1_795_132_800_000_000);

    fn text(raw: &str) -> String {
        String::from_utf8(marked(raw.as_bytes(), NOW)).expect("text stays text")
    }

    #[test]
    fn a_mail_from_an_editor_gets_what_a_border_writes() {
        let mail =
            text("\u{FEFF}From: Alex <miller@example.org>\nTo: reg+aurora@example.jp\nSubject: hello\n\nSite: 021\n");
        assert_eq!(
            mail,
            "Return-Path: <miller@example.org>\r\nDelivered-To: reg+aurora@example.jp\r\n\
             Authentication-Results: mx.example.jp; dmarc=pass header.from=example.org\r\n\
             Date: Fri, 20 Nov 2026 09:00:00 +0900\r\nMessage-ID: <dropped.1795132800000000@demo.invalid>\r\n\
             From: Alex <miller@example.org>\r\nTo: reg+aurora@example.jp\r\nSubject: hello\r\n\r\nSite: 021\r\n"
        );
    }

    #[test]
    fn what_an_exported_mail_claims_of_the_border_is_taken_off() {
        let mail = text(
            "From miller@example.org Fri Nov 20 09:00:00 2026\r\nDelivered-To: somebody@example.net\r\n\
             Authentication-Results: mx.example.jp;\r\n dmarc=pass header.from=example.net\r\n\
             Date: Thu, 19 Nov 2026 09:00:00 +0900\r\nMessage-ID: <a@example.org>\r\n\
             From: miller@example.org\r\nTo: other@example.net\r\n\r\nx",
        );
        assert_eq!(mail.matches("Authentication-Results").count(), 1);
        assert!(!mail.contains("header.from=example.net") && !mail.contains("somebody"), "{mail}");
        assert!(mail.contains("Delivered-To: reg@example.jp\r\n"), "{mail}");
        assert_eq!((mail.matches("Date:").count(), mail.matches("Message-ID:").count()), (1, 1));
        assert!(mail.ends_with("\r\n\r\nx\r\n"), "{mail}");
    }

    #[test]
    fn a_hostile_sender_cannot_write_fields_of_the_border() {
        let mail = text("From: <a@b.example; dmarc=pass header.from=example.org>\n\nx\n");
        let own = mail.lines().find(|line| line.starts_with("Authentication-Results")).expect("it is written");
        assert!(own.ends_with("; dmarc=none"), "{own}");
        assert!(text("").starts_with("Return-Path: <>\r\n"));
        assert!(text("no header at all").contains("dmarc=none"));
    }

    #[test]
    fn our_addresses_are_plain() {
        for (address, ours) in [
            ("reg@example.jp", true),
            ("REG+Aurora@Example.JP", true),
            ("reg+c.abc234@example.jp", true),
            ("regular@example.jp", false),
            ("reg@example.jp.evil.example", false),
            ("reg+a\r\nBcc: x@example.jp", false),
            ("reg", false),
        ] {
            assert_eq!(is_ours(ADDRESS, address), ours, "{address}");
        }
    }

    #[test]
    fn a_file_is_taken_when_it_has_stopped_growing() {
        let dir = tempfile::tempdir().expect("a folder");
        let mailbox = dir.path().join("mailbox");
        maildir::create(&mailbox).expect("a mailbox");
        let mut border = Border::new(dir.path(), &mailbox).expect("a border");
        let file = border.folder().join("any name: é.EML");
        fs::write(&file, "From: a@b.example\n").expect("written");
        assert_eq!(border.look(NOW), []);
        fs::write(&file, "From: a@b.example\n\nmore\n").expect("written");
        assert_eq!(border.look(NOW), []);
        assert_eq!(border.look(NOW), [Dropped::Taken("any name: é.EML".to_string())]);
        assert_eq!(border.look(NOW), []);
        assert_eq!(fs::read_dir(mailbox.join("new")).expect("there").count(), 1);
        assert!(!file.exists());
    }
}
