//! Mails of somebody else: finished here, sent by a program and an address of theirs, as those of who makes an election's credentials.
//!
//! They carry no mark of an installation, since none sends them or hears of what becomes of them.

use lettre::message::SinglePart;

use super::header;
use super::mail::MailFault;
use crate::domain::language::Language;
use crate::domain::time::{Instant, Zone};

/// A mail that is worded.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'a> {
    /// Address it comes from, and the name beside it.
    pub from: (&'a str, &'a str),
    /// The one address it goes to, and the name beside it.
    pub to: (&'a str, &'a str),
    /// Subject.
    pub subject: &'a str,
    /// Text, lines parted by `\n`.
    pub text: &'a str,
    /// Its language.
    pub language: Language,
    /// `<left@right>`.
    pub message_id: &'a str,
    /// When it was written.
    pub at: Instant,
}

impl Outside<'_> {
    /// The mail as a file, lines ended by CRLF.
    ///
    /// # Errors
    /// A [`MailFault`] where an address or the Message-ID is malformed.
    pub fn file(&self) -> Result<Vec<u8>, MailFault> {
        for (which, (address, _)) in [("From", self.from), ("To", self.to)] {
            if !header::is_address(address) {
                return Err(MailFault::Address(which));
            }
        }
        if !header::is_message_id(self.message_id) {
            return Err(MailFault::MessageId);
        }
        let mut raw = format!("Date: {}\r\n", self.at.rfc5322(Zone::UTC));
        raw.push_str(&header::mailbox("From", self.from.1, self.from.0));
        raw.push_str(&header::mailbox("To", self.to.1, self.to.0));
        raw.push_str(&header::text("Subject", self.subject));
        raw.push_str(&header::identifiers("Message-ID", [self.message_id]));
        // RFC 3834 section 5: nobody typed it.
        raw.push_str(&header::text("Auto-Submitted", "auto-generated"));
        raw.push_str(&format!("Content-Language: {}\r\nMIME-Version: 1.0\r\n", self.language.code()));
        let mut raw = raw.into_bytes();
        raw.extend(SinglePart::plain(self.text.to_owned()).formatted());
        Ok(raw)
    }
}
