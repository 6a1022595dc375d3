//! What comes of reading a mail: what is to be done with it, why, and what was asked for.

use chrono::NaiveDate;

use super::bounce::BounceReport;
use super::content::Attachment;
use super::openpgp::Sealed;
use super::reason::Reason;
use super::recipient::SubAddress;
use crate::domain::answer::Form;
use crate::domain::language::Language;
use crate::domain::request::{Act, Letters, Request};
use crate::domain::time::Instant;

/// What is to be done with a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Data accepted, subject to the study's rules.
    Register,
    /// Answer the sender with the faults; record nothing.
    ReplyError,
    /// Answer as the first time; record nothing.
    ReplyDuplicate,
    /// Answer a request that records no subject: help, status, a blank form, a confirmation.
    Reply,
    /// File away; never answer.
    NoReply,
    /// Update the state of a letter of ours; never answer.
    Bounce,
    /// Keep for a person; never answer by itself.
    Quarantine,
}

impl Disposition {
    /// Key in `--json`, logs and metrics.
    pub const fn key(self) -> &'static str {
        match self {
            Disposition::Register => "register",
            Disposition::ReplyError => "reply_error",
            Disposition::ReplyDuplicate => "reply_duplicate",
            Disposition::Reply => "reply",
            Disposition::NoReply => "no_reply",
            Disposition::Bounce => "bounce",
            Disposition::Quarantine => "quarantine",
        }
    }
}

/// A mail, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What is to be done with it.
    pub disposition: Disposition,
    /// Why, the weightiest first; empty for a plain request.
    pub reasons: Vec<Reason>,
    /// Slug of the study it is for, as far as it could be told.
    pub study: Option<String>,
    /// Folded address of its one `From` mailbox. Believed only where the disposition is an answer.
    pub sender: Option<String>,
    /// Id of that person in the study.
    pub person: Option<String>,
    /// What is asked for; only where the disposition is `Register`, `ReplyError`, `ReplyDuplicate` or `Reply`, and of an automatic mail that
    /// stops letters.
    pub request: Option<Request>,
    /// The delivery report, where it is one.
    pub bounce: Option<BounceReport>,
    /// The last day of an absence that an automatic answer to a letter of ours tells.
    pub away_until: Option<NaiveDate>,
    /// The subject on one clean line.
    pub subject: String,
    /// Sound Message-ID, without brackets.
    pub message_id: Option<String>,
    /// Mails it answers, newest first, without brackets.
    pub references: Vec<String>,
    /// When it says it was written.
    pub date: Option<Instant>,
    /// What it is recognized by when it comes again: `<id>`, or a digest.
    pub message_key: String,
    /// Digest of what it says, in hexadecimal.
    pub content_digest: String,
    /// Language to answer in: the person's own, else that of the mail's script.
    pub language: Language,
    /// What stood behind the `+` of our address; codes in it are unchecked.
    pub sub_address: Option<SubAddress>,
    /// What came with it.
    pub attachments: Vec<Attachment>,
    /// Charset of the text where the label did not tell it.
    pub charset_guess: Option<&'static str>,
    /// How it was sealed by OpenPGP.
    pub openpgp: Sealed,
    /// The decoded text without control characters, for a person to look at.
    pub text: String,
}

impl Reading {
    /// The form that was filled in, if what is asked for comes with one.
    pub fn form(&self) -> Option<&Form> {
        match &self.request.as_ref()?.act {
            Act::Enroll(form) | Act::Respond(form) => Some(form),
            Act::Randomize(wanted) => Some(&wanted.form),
            Act::FollowUp(wanted) => Some(&wanted.form),
            _ => None,
        }
    }

    /// Whether something is asked for by whoever the mail is from, as far as its study demands.
    pub fn is_believed(&self) -> bool {
        self.request.as_ref().is_some_and(|asked| !matches!(&asked.act, Act::Letters(Letters { doubt: Some(_), .. })))
    }

    /// The site token of the address (`s012.MAC`), unchecked.
    pub fn site_token(&self) -> Option<&str> {
        match &self.sub_address {
            Some(SubAddress::Site(token)) => Some(token),
            _ => None,
        }
    }

    /// The reading of a mail of which only the headers were kept, because it is too large.
    pub fn too_large(self) -> Reading {
        Reading { reasons: Vec::new(), ..self }.hold([Reason::MailSize])
    }

    pub(super) fn hold(mut self, reasons: impl IntoIterator<Item = Reason>) -> Reading {
        self.disposition = Disposition::Quarantine;
        self.reasons.extend(reasons);
        self.request = None;
        self
    }
}
