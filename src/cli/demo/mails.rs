//! The demonstration's mails: data in `config/demo/mails.toml`, made into the bytes that a mail program would send.

use std::collections::BTreeMap;

use anyhow::Context;
use encoding_rs::{Encoding, UTF_8};
use serde::Deserialize;

use crate::domain::language::{Language, Text};
use crate::domain::study::Study;
use crate::domain::time::{Instant, Zone};
use crate::web::post_office::{Sample, Writer, Written};

/// One mail of the demonstration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SampleMail {
    /// Short name.
    pub(super) key: String,
    name: BTreeMap<String, String>,
    /// Study it is for.
    pub(super) study: String,
    /// Who writes.
    pub(super) from: String,
    /// Charset of its bytes.
    pub(super) charset: String,
    label: Option<String>,
    #[serde(default)]
    automatic: bool,
    /// What must come of it: disposition and reason.
    pub(super) expect: String,
    /// What must come of the reply to the letter that asks for a confirmation.
    pub(super) confirmed: Option<String>,
    /// Subject line.
    pub(super) subject: String,
    /// Text, with places for days.
    pub(super) body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mails {
    mail: Vec<SampleMail>,
}

/// Every mail, in the order they are dropped.
pub(super) fn all() -> anyhow::Result<Vec<SampleMail>> {
    let mails: Mails =
        toml::from_str(include_str!("../../../config/demo/mails.toml")).context("the sample mails are broken")?;
    Ok(mails.mail)
}

/// The zone the sample physicians live in.
pub(super) fn zone() -> Zone {
    Zone::find("Asia/Tokyo").unwrap_or(Zone::UTC)
}

impl SampleMail {
    /// The reply to a confirmation letter.
    pub(super) fn confirmation(asked: &SampleMail, subject: &str) -> SampleMail {
        SampleMail {
            key: format!("{}-confirmed", asked.key),
            subject: format!("Re: {subject}"),
            body: "OK\n".to_string(),
            label: None,
            confirmed: None,
            charset: "utf-8".to_string(),
            ..asked.clone()
        }
    }

    /// The text as it is on that day.
    pub(super) fn text(&self, now: Instant) -> String {
        let today = now.day_in(zone());
        let yesterday = today.pred_opt().unwrap_or(today);
        // The current era began in 2019 (Reiwa 1).
        let era = today.format("%Y").to_string().parse::<i32>().unwrap_or(2019) - 2018;
        let wareki = format!("令和{era}年{}", today.format("%-m月%-d日"));
        self.body
            .replace("{today}", &today.to_string())
            .replace("{yesterday}", &yesterday.to_string())
            .replace("{wareki}", &full_width(&wareki))
    }

    /// The mail as our border hands it over.
    pub(super) fn encode(&self, now: Instant) -> Vec<u8> {
        self.encode_to(&format!("reg+{}@example.jp", self.study), now)
    }

    /// The same to another address of ours.
    pub(super) fn encode_to(&self, to: &str, now: Instant) -> Vec<u8> {
        let encoding = Encoding::for_label(self.charset.as_bytes()).unwrap_or(UTF_8);
        let label = self.label.as_ref().unwrap_or(&self.charset);
        let automatic = if self.automatic { "Auto-Submitted: auto-replied\r\n" } else { "" };
        let (from, subject) = (&self.from, &self.subject);
        let draft = Draft { from, name: "", to, subject, encoding, label, more: automatic };
        draft.encode(&self.text(now), now)
    }
}

/// A visitor's mail from the post office page.
pub(super) fn from_visitor(written: &Written, now: Instant) -> Vec<u8> {
    let reply = written.in_reply_to.as_ref().map_or_else(String::new, |id| format!("In-Reply-To: <{id}>\r\n"));
    let draft = Draft {
        from: &written.from,
        name: &written.name,
        to: &written.to,
        subject: &written.subject,
        encoding: UTF_8,
        label: "utf-8",
        more: &reply,
    };
    // A browser ends lines with CRLF, whatever was typed.
    draft.encode(&written.body.replace("\r\n", "\n").replace('\r', "\n"), now)
}

struct Draft<'a> {
    from: &'a str,
    name: &'a str,
    to: &'a str,
    subject: &'a str,
    encoding: &'static Encoding,
    label: &'a str,
    more: &'a str,
}

impl Draft<'_> {
    fn encode(&self, text: &str, now: Instant) -> Vec<u8> {
        let domain = self.from.rsplit('@').next().unwrap_or_default();
        let subject = encoded_word(self.encoding, self.subject);
        let name = if self.name.is_empty() { String::new() } else { format!("{} ", encoded_word(UTF_8, self.name)) };
        let head = format!(
            "Return-Path: <{from}>\r\nDelivered-To: {to}\r\n\
             Authentication-Results: {authserv}; dmarc=pass header.from={domain}\r\n\
             Date: {date}\r\nFrom: {name}<{from}>\r\nTo: {to}\r\nSubject: {subject}\r\n\
             Message-ID: <{id}@{domain}>\r\nMIME-Version: 1.0\r\n{more}\
             Content-Type: text/plain; charset={label}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            authserv = super::AUTHSERV_ID,
            from = self.from,
            to = self.to,
            date = now.rfc5322(zone()),
            id = now.0,
            more = self.more,
            label = self.label,
        );
        let mut mail = head.into_bytes();
        let (body, _, _) = self.encoding.encode(text);
        mail.extend(body.split(|byte| *byte == b'\n').flat_map(|line| [line, b"\r\n"].concat()));
        mail
    }
}

/// Characters of one encoded word: in any of the charsets its line stays below 76 (RFC 2047 section 2).
const WORD_CHARS: usize = 10;

/// Text of a header field: as it is, or in encoded words (RFC 2047), each whole in its charset.
fn encoded_word(encoding: &'static Encoding, text: &str) -> String {
    if text.is_ascii() && !text.contains("=?") {
        return text.to_string();
    }
    let chars: Vec<char> = text.chars().collect();
    let words = chars.chunks(WORD_CHARS).map(|chunk| {
        let chunk: String = chunk.iter().collect();
        let (bytes, used, _) = encoding.encode(&chunk);
        format!("=?{}?B?{}?=", used.name(), data_encoding::BASE64.encode(&bytes))
    });
    words.collect::<Vec<_>>().join("\r\n ")
}

/// Digits as a Japanese keyboard leaves them.
fn full_width(text: &str) -> String {
    text.chars()
        .map(|c| match c.to_digit(10) {
            Some(digit) => char::from_u32(u32::from('\u{FF10}') + digit).unwrap_or(c),
            None => c,
        })
        .collect()
}

/// Everybody who can be written as: the staff of the sample studies.
pub(super) fn writers(studies: &[Study]) -> Vec<Writer> {
    let of = |study: &Study| -> Vec<Writer> {
        let staff = study.people.iter().filter_map(|person| {
            let address = person.addresses.first()?.clone();
            Some(Writer {
                key: format!("{}/{address}", study.slug),
                name: person.name.clone(),
                address,
                study: study.tag.clone(),
                roles: person.roles.iter().map(|role| role.key().to_string()).collect(),
            })
        });
        staff.collect()
    };
    studies.iter().flat_map(of).collect()
}

/// The sample mails to start from.
pub(super) fn samples(studies: &[Study], now: Instant) -> anyhow::Result<Vec<Sample>> {
    let known = |mail: &SampleMail| studies.iter().any(|study| study.find_person_by_address(&mail.from).is_some());
    let samples = all()?.into_iter().filter(|mail| !mail.automatic && known(mail)).map(|mail| Sample {
        writer: format!("{}/{}", mail.study, mail.from),
        name: Text::new(mail.name.iter().filter_map(|(code, name)| Some((Language::find(code)?, name.clone())))),
        to: format!("reg+{}@example.jp", mail.study),
        subject: mail.subject.clone(),
        body: mail.text(now).trim_start().to_string(),
        key: mail.key,
    });
    Ok(samples.collect())
}
