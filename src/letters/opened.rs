//! One of our own letters opened again, to be shown to a person: its subject and its text.

use mail_parser::{MessageParser, MessagePart, MimeHeaders, PartType};

use super::picture;

/// A letter as a mail program shows it, without its HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Decoded subject.
    pub subject: String,
    /// Address it is to.
    pub to: String,
    /// Where a reply goes, if elsewhere than to the sender.
    pub reply_to: Option<String>,
    /// Decoded text.
    pub text: String,
    /// Decoded HTML with its pictures in it, where the letter has it.
    pub html: Option<String>,
}

/// Opens a letter of ours; what cannot be read is empty.
pub fn open(raw: &[u8]) -> Opened {
    let Some(mail) = MessageParser::default().parse(raw) else { return Opened::default() };
    let html = mail.parts.iter().find_map(|part| match &part.body {
        PartType::Html(html) => Some(with_pictures(html.to_string(), &mail.parts)),
        _ => None,
    });
    Opened {
        subject: mail.subject().unwrap_or_default().to_string(),
        to: mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap_or_default().to_string(),
        reply_to: mail.reply_to().and_then(|to| to.first()).and_then(|to| to.address()).map(str::to_string),
        text: mail.body_text(0).unwrap_or_default().replace("\r\n", "\n"),
        html,
    }
}

/// HTML in which each picture that came with it stands itself.
fn with_pictures(mut html: String, parts: &[MessagePart<'_>]) -> String {
    for part in parts {
        if let (PartType::InlineBinary(png) | PartType::Binary(png), Some(cid)) = (&part.body, part.content_id()) {
            html = picture::shown_in(&html, cid, png);
        }
    }
    html
}
