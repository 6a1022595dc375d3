//! Delivery reports: standard ones (RFC 3464, RFC 6533) and the many that are plain text.
//!
//! Our letters leave with an envelope sender of their own (VERP), so the address a report comes to tells the letter even
//! where the text tells nothing. Whether its code is genuine is checked by whoever has the key.

use std::sync::LazyLock;

use regex::Regex;

use super::address;
use super::automatic;
use super::charset::nobody;
use super::header::Header;
use super::html;
use super::identity;
use super::recipient::{self, SubAddress};
use super::structure::Part;
use super::subject::{self, Subject};
use super::vocabulary::vocabulary;
use super::word;
use crate::domain::study::Post;
use crate::domain::text;

/// Most text of a report that is searched, in bytes.
const TEXT_BYTES: usize = 64 * 1024;

/// What became of a letter (RFC 3464 section 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was not delivered and will not be.
    Failed,
    /// Not yet delivered; still tried.
    Delayed,
    /// Delivered.
    Delivered,
    /// Handed to a server that reports nothing.
    Relayed,
    /// Delivered to a list of recipients.
    Expanded,
}

impl Action {
    /// Key as in the standard.
    pub const fn key(self) -> &'static str {
        match self {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Delivered => "delivered",
            Action::Relayed => "relayed",
            Action::Expanded => "expanded",
        }
    }

    fn find(key: &str) -> Option<Action> {
        [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed, Action::Expanded]
            .into_iter()
            .find(|action| key.eq_ignore_ascii_case(action.key()))
    }
}

/// A delivery report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BounceReport {
    /// What became of the letter; a failure where the report does not say.
    pub action: Action,
    /// Status code `class.subject.detail` (RFC 3463).
    pub status: Option<String>,
    /// Whom the letter was for.
    pub recipient: Option<String>,
    /// Message-ID of the letter, without brackets.
    pub original_message_id: Option<String>,
    /// Sub-address the report came to, `b.ID.MAC`, unchecked.
    pub verp: Option<String>,
    /// What the refusing server said, for a person.
    pub diagnostic: Option<String>,
}

/// Reads a mail as a delivery report; `None` if it is none.
pub fn read(
    header: &Header<'_>,
    root: &Part<'_>,
    subject: &Subject,
    senders: &[String],
    sub_address: Option<&SubAddress>,
    post: &Post,
) -> Option<BounceReport> {
    let verp = match sub_address {
        Some(SubAddress::Bounce(text)) => Some(text.clone()),
        _ => None,
    };
    let status_part = root.find("message/delivery-status").or_else(|| root.find("message/global-delivery-status"));
    if let Some(part) = status_part
        && let Some(report) = delivery_status(part)
    {
        let original_message_id = original_id(root).or_else(|| id_in_text(&prose(root), post));
        return Some(BounceReport { original_message_id, verp, ..report });
    }
    if !looks_like_report(header, root, subject, senders, verp.is_some()) {
        return None;
    }
    let whole = prose(root);
    let report = from_text(header, &whole, post);
    let original_message_id = original_id(root).or_else(|| id_in_text(&whole, post));
    Some(BounceReport { original_message_id, verp, ..report })
}

/// Signs of a report that is no standard one. An automatic answer of a person goes to the same address, so the address
/// alone is no sign.
fn looks_like_report(header: &Header<'_>, root: &Part<'_>, subject: &Subject, senders: &[String], verp: bool) -> bool {
    if subject::is_automatic(subject) {
        return false;
    }
    let declared = root.media == "multipart/report"
        && root
            .content_type
            .plain("report-type")
            .is_ok_and(|kind| kind.is_some_and(|kind| kind.eq_ignore_ascii_case("delivery-status")));
    let marked = header.has("x-failed-recipients") || header.has("x-ms-exchange-message-is-ndr");
    let daemon = senders.iter().any(|sender| automatic::is_daemon(sender));
    let null = automatic::has_null_sender(header);
    let titled = subject::is_bounce(subject);
    declared || marked || daemon && (null || verp || titled) || titled && (null || verp)
}

/// The groups of a `message/delivery-status` part: one of the whole mail, then one per recipient.
fn delivery_status(part: &Part<'_>) -> Option<BounceReport> {
    let decoded = part.encoding.decode(part.body).unwrap_or(part.body.into());
    let mut rest: &[u8] = &decoded;
    let mut found: Option<BounceReport> = None;
    for _ in 0..50 {
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let group = Header::parse(rest.get(start..)?);
        if let Some(report) = recipient_group(&group)
            && found.as_ref().is_none_or(|first| first.action != Action::Failed && report.action == Action::Failed)
        {
            found = Some(report);
        }
        match group.body {
            Some(next) if next.iter().any(|byte| !byte.is_ascii_whitespace()) => rest = next,
            _ => break,
        }
    }
    found
}

fn recipient_group(group: &Header<'_>) -> Option<BounceReport> {
    if !["final-recipient", "original-recipient", "action", "status"].iter().any(|name| group.has(name)) {
        return None;
    }
    let status = group.text("status").and_then(|value| find_status(&value));
    let action = group
        .text("action")
        .and_then(|value| Action::find(value.split([' ', '(', ';']).next().unwrap_or_default()))
        .or_else(|| status.as_deref().map(action_of))
        .unwrap_or(Action::Failed);
    let recipient = ["original-recipient", "final-recipient", "x-actual-recipient"]
        .iter()
        .find_map(|name| group.text(name).and_then(|value| typed_address(&value)));
    let diagnostic = group.text("diagnostic-code").map(|value| text::clean(&value, 500));
    Some(BounceReport { action, status, recipient, original_message_id: None, verp: None, diagnostic })
}

/// `rfc822; sato@example.org` to the address.
fn typed_address(value: &str) -> Option<String> {
    let bare = value.split_once(';').map_or(value, |(_, bare)| bare);
    let found = address::parse(bare);
    (!found.broken).then(|| found.addresses.into_iter().next()).flatten()
}

fn action_of(status: &str) -> Action {
    match status.chars().next() {
        Some('2') => Action::Delivered,
        Some('4') => Action::Delayed,
        _ => Action::Failed,
    }
}

/// Message-ID of the letter, from the copy or the headers that the report carries.
fn original_id(root: &Part<'_>) -> Option<String> {
    root.walk().into_iter().find_map(|part| match part.media.as_str() {
        "message/rfc822" | "message/global" => {
            let decoded = part.encoding.decode(part.body).ok()?;
            identity::message_id(&Header::parse(&decoded))
        }
        "text/rfc822-headers" | "message/rfc822-headers" | "message/global-headers" => {
            let decoded = part.encoding.decode(part.body).ok()?;
            identity::message_id(&Header::parse(&decoded))
        }
        _ => None,
    })
}

/// What a report says in words.
fn prose(root: &Part<'_>) -> String {
    let mut found = String::new();
    for part in root.walk() {
        if !matches!(part.media.as_str(), "text/plain" | "text/html") || found.len() > TEXT_BYTES {
            continue;
        }
        let label = part.content_type.plain("charset").ok().flatten();
        let Ok(decoded) = part.encoding.decode(part.body) else { continue };
        let bytes = decoded.get(..decoded.len().min(TEXT_BYTES)).unwrap_or_default();
        let piece = word::decode_bytes(bytes, label.as_deref(), &nobody);
        found.push_str(&if part.media == "text/html" { html::to_text(&piece) } else { piece });
        found.push('\n');
    }
    found
}

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[^\s<>:;,()\[\]'\x22「」（）]+@[A-Za-z0-9.-]+\.[A-Za-z0-9-]+").expect("a test compiles it")
});
static CODED_STATUS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:\b[245]\d\d[ -]|#)#?([245]\.\d{1,3}\.\d{1,3})\b").expect("a test compiles it"));
static STATUS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:^|[\s(;:])([245]\.\d{1,3}\.\d{1,3})(?:$|[\s);:,])").expect("a test compiles it"));
static REPLY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:^|[\s:(])([45])\d\d(?:$|[\s,;)-])").expect("a test compiles it"));
static MESSAGE_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)message-id:\s*(<[^<>\s]+>)").expect("a test compiles it"));

fn find_status(value: &str) -> Option<String> {
    let found = STATUS.captures(value).or_else(|| CODED_STATUS.captures(value))?;
    found.get(1).map(|status| status.as_str().to_string())
}

/// A report in words: the first foreign address is the recipient, the first code the status.
fn from_text(header: &Header<'_>, whole: &str, post: &Post) -> BounceReport {
    let message = before_copy(whole);
    let folded = text::fold(message);
    let declared = header.text("x-failed-recipients").and_then(|value| typed_address(&value));
    let recipient = declared.or_else(|| {
        ADDRESS
            .find_iter(message)
            .map(|found| found.as_str().trim_end_matches('.'))
            .find(|found| !recipient::is_ours(found, &post.address) && !automatic::is_daemon(found))
            .map(|found| text::clean(found, 320))
    });
    let words = vocabulary();
    let delayed = words.delayed.iter().any(|word| folded.contains(word.as_str()));
    let coded = CODED_STATUS.captures(message).and_then(|found| found.get(1)).map(|status| status.as_str().to_string());
    let replied =
        || REPLY.captures(message).and_then(|found| found.get(1)).map(|class| format!("{}.0.0", class.as_str()));
    let said = || {
        let class = if delayed { '4' } else { '5' };
        let detail = if words.unknown_user.iter().any(|word| folded.contains(word.as_str())) {
            "1.1"
        } else if words.full_mailbox.iter().any(|word| folded.contains(word.as_str())) {
            "2.2"
        } else {
            return None;
        };
        Some(format!("{class}.{detail}"))
    };
    let status = coded.or_else(|| find_status(message)).or_else(said).or_else(replied);
    let action = if delayed { Action::Delayed } else { Action::Failed };
    let diagnostic = message.lines().map(str::trim).find(|line| REPLY.is_match(line) || CODED_STATUS.is_match(line));
    BounceReport {
        action,
        status,
        recipient,
        original_message_id: None,
        verp: None,
        diagnostic: diagnostic.map(|line| text::clean(line, 500)),
    }
}

/// The text before the copy of the letter, which is our own.
fn before_copy(whole: &str) -> &str {
    let mut at = 0;
    for line in whole.split_inclusive('\n') {
        let folded = text::fold(line);
        if vocabulary().original_copy.iter().any(|word| folded.contains(word.as_str())) {
            return whole.get(..at).unwrap_or(whole);
        }
        at += line.len();
    }
    whole
}

/// A Message-ID of ours in the copy of the letter.
fn id_in_text(whole: &str, post: &Post) -> Option<String> {
    MESSAGE_ID
        .captures_iter(whole)
        .filter_map(|found| identity::ids(found.get(1)?.as_str()).into_iter().next())
        .find(|id| identity::is_ours(id, &post.message_id_domain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::reading::structure;

    fn post() -> Post {
        Post {
            address: "reg@example.jp".into(),
            authserv_ids: vec!["mx.example.jp".into()],
            message_id_domain: "reg.example.jp".into(),
        }
    }

    fn report(raw: &str) -> Option<BounceReport> {
        let header = Header::parse(raw.as_bytes());
        let root = structure::split(header.clone()).0;
        let senders = header.text("from").map(|value| address::parse(&value).addresses).unwrap_or_default();
        let subject = subject::read(&header, &nobody);
        let sub_address = recipient::find(&header, "reg@example.jp");
        read(&header, &root, &subject, &senders, sub_address.as_ref(), &post())
    }

    fn plain(subject: &str, text: &str) -> String {
        format!(
            "Return-Path: <>\nDelivered-To: reg+b.7.aa@example.jp\nFrom: MAILER-DAEMON@example.org\nSubject: {subject}\n\n{text}"
        )
    }

    fn standard(action: &str, status: &str) -> String {
        format!(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: \
             message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; <sato@example.org>\nAction: {action}\nStatus: \
             {status} (x)\n\n--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <out1@reg.example.jp>\n--b--\n"
        )
    }

    #[test]
    fn every_action_of_the_standard() {
        for (action, status) in [
            ("failed", "5.1.1"),
            ("Delayed", "4.4.1"),
            ("delivered", "2.1.5"),
            ("relayed", "2.1.9"),
            ("expanded", "2.1.5"),
        ] {
            let found = report(&standard(action, status)).unwrap();
            assert_eq!(found.action.key(), action.to_lowercase());
            assert_eq!(found.status.as_deref(), Some(status));
            assert_eq!(found.recipient.as_deref(), Some("sato@example.org"));
            assert_eq!(found.original_message_id.as_deref(), Some("out1@reg.example.jp"));
        }
    }

    #[test]
    fn reports_in_words() {
        for (subject, text, action, status) in [
            ("failure notice", "<sato@example.org>:\nno mailbox here (#5.1.1)\n", "failed", "5.1.1"),
            (
                "Undelivered Mail Returned to Sender",
                "<sato@example.org>: host x[192.0.2.1] said: 550 5.7.1 no\n",
                "failed",
                "5.7.1",
            ),
            ("Mail System Error - Returned Mail", "550 Unknown user sato@example.org\n", "failed", "5.1.1"),
            (
                "Undeliverable: x",
                "sato@example.org\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n",
                "failed",
                "5.1.1",
            ),
            ("Returned mail: see transcript", "sato@example.org\n452 try later\n", "failed", "4.0.0"),
            ("Warning: could not send message for past 4 hours", "<sato@example.org> delayed\n", "delayed", ""),
            ("配信不能: x", "sato@example.org 宛のメールは、ユーザーが存在しません\n", "failed", "5.1.1"),
            ("Mail delivery failed", "sato@example.org: mailbox is full\n", "failed", "5.2.2"),
        ] {
            let found = report(&plain(subject, text)).unwrap();
            assert_eq!(found.action.key(), action, "{subject}");
            assert_eq!(found.status.as_deref().unwrap_or_default(), status, "{subject}");
            assert_eq!(found.recipient.as_deref(), Some("sato@example.org"), "{subject}");
            assert_eq!(found.verp.as_deref(), Some("b.7.aa"));
        }
    }

    #[test]
    fn the_copy_of_our_letter_is_not_searched() {
        let text = "no such user\n--- Below this line is a copy of the message.\n\nMessage-ID: <out9@reg.example.jp>\nTo: x@y.org\n";
        let found = report(&plain("failure notice", text)).unwrap();
        assert_eq!(found.recipient, None);
        assert_eq!(found.original_message_id.as_deref(), Some("out9@reg.example.jp"));
    }

    #[test]
    fn answers_of_people_and_vacations_are_no_reports() {
        let vacation = "Return-Path: <>\nDelivered-To: reg+b.7.aa@example.jp\nFrom: sato@example.org\nSubject: Re: credentials\n\
                        Auto-Submitted: auto-replied\n\nI am away until 5.1.2027.\n";
        assert_eq!(report(vacation), None);
        assert_eq!(report("From: yamada@example.jp\nSubject: Undeliverable: x\n\nWhat is this?\n"), None);
        assert_eq!(report(&plain("Automatic reply: x", "away")), None);
    }
}
