//! Which of a mail's parts is its text, and what is attached to it. Attachments are listed, never opened.

use super::charset::{self, Familiar};
use super::flowed::{self, Delsp};
use super::html;
use super::parameter::Ambiguous;
use super::reason::Reason;
use super::structure::Part;
use crate::domain::text;
use crate::limits;

/// Longest name of an attachment, in characters.
const NAME_CHARS: usize = 200;

/// A file that came with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its cleaned name, without folders; `None` where it has none.
    pub name: Option<String>,
    /// Media type as claimed.
    pub media: String,
    /// Size as transferred, in bytes.
    pub bytes: usize,
}

/// A mail's text, and what came with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The text to read.
    pub text: String,
    /// The HTML twin of that text, as lines, where there are both.
    pub twin: Option<String>,
    /// Charset of the text where it is not what the label said.
    pub charset_guess: Option<&'static str>,
    /// Whether the text is in no charset that can be told.
    pub undecidable: bool,
    /// What came with it.
    pub attachments: Vec<Attachment>,
    /// Why there may be no text: TNEF, encryption.
    pub notes: Vec<Reason>,
    /// Why the mail must be held.
    pub problems: Vec<Reason>,
}

/// A stretch of text with the same in HTML, either of which may be missing.
#[derive(Default)]
struct Piece {
    plain: Option<String>,
    html: Option<String>,
}

/// Finds a mail's text and lists its attachments.
pub fn read(root: &Part<'_>, familiar: Familiar<'_>) -> Content {
    let mut reader = Reader { familiar, content: Content::default() };
    let piece = reader.piece(root, true);
    let mut content = reader.content;
    match (piece.plain.filter(|plain| !is_blank(plain)), piece.html.filter(|html| !is_blank(html))) {
        (Some(plain), html) => {
            content.text = plain;
            content.twin = html;
        }
        (None, Some(html)) => content.text = html,
        (None, None) => {}
    }
    if content.text.len() > limits::TEXT_BYTES && !content.problems.contains(&Reason::TextSize) {
        content.problems.push(Reason::TextSize);
    }
    if !is_blank(&content.text) {
        content.notes.retain(|note| *note != Reason::Tnef);
    }
    if content.text.lines().any(|line| line.trim_end() == "-----BEGIN PGP MESSAGE-----") {
        content.notes.push(Reason::Encrypted);
    }
    content
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || text::is_invisible(c))
}

struct Reader<'f> {
    familiar: Familiar<'f>,
    content: Content,
}

impl Reader<'_> {
    fn piece(&mut self, part: &Part<'_>, is_root: bool) -> Piece {
        match part.media.as_str() {
            "multipart/alternative" => self.alternative(part),
            "multipart/related" | "multipart/signed" => self.first_then_attached(part),
            "multipart/encrypted" => {
                self.content.notes.push(Reason::Encrypted);
                self.attach_all(part);
                Piece::default()
            }
            _ if part.is_multipart() => self.sequence(part),
            "text/plain" | "text/html" if !is_attachment(part, is_root) => self.leaf(part),
            _ => {
                self.attach(part);
                Piece::default()
            }
        }
    }

    /// Parts that say the same: the first plain one and the first HTML one are taken.
    fn alternative(&mut self, part: &Part<'_>) -> Piece {
        let mut whole = Piece::default();
        for child in &part.children {
            let piece = self.piece(child, false);
            for (own, new) in [(&mut whole.plain, piece.plain), (&mut whole.html, piece.html)] {
                match (own.as_ref().filter(|own| !is_blank(own)), new) {
                    (None, new) => *own = new.or(own.take()),
                    (Some(own), Some(new)) if !is_blank(&new) && !same_text(own, &new) => {
                        self.content.problems.push(Reason::AmbiguousStructure);
                    }
                    _ => {}
                }
            }
        }
        whole
    }

    /// `multipart/related` (RFC 2387) and `multipart/signed` (RFC 1847): the first part is the text.
    fn first_then_attached(&mut self, part: &Part<'_>) -> Piece {
        let mut children = part.children.iter();
        let first = children.next().map(|child| self.piece(child, false)).unwrap_or_default();
        children.for_each(|child| self.attach_all(child));
        first
    }

    /// Parts one below the other, all of them shown: phones put pictures between stretches of text.
    fn sequence(&mut self, part: &Part<'_>) -> Piece {
        let pieces: Vec<Piece> = part.children.iter().map(|child| self.piece(child, false)).collect();
        let join = |texts: Vec<&String>| {
            let shown: Vec<&str> = texts.into_iter().map(String::as_str).collect();
            (!shown.is_empty()).then(|| shown.join("\n"))
        };
        let shown = |text: &&String| !is_blank(text);
        let (has_plain, has_html) =
            (pieces.iter().any(|piece| piece.plain.is_some()), pieces.iter().any(|piece| piece.html.is_some()));
        let plain = join(pieces.iter().filter_map(|p| p.plain.as_ref().filter(shown).or(p.html.as_ref())).collect());
        let html = join(pieces.iter().filter_map(|p| p.html.as_ref().filter(shown).or(p.plain.as_ref())).collect());
        Piece { plain: plain.filter(|_| has_plain), html: html.filter(|_| has_html) }
    }

    fn leaf(&mut self, part: &Part<'_>) -> Piece {
        let bytes = match part.encoding.decode(part.body) {
            Ok(bytes) => bytes,
            Err(problem) => {
                self.content.problems.push(problem);
                return Piece::default();
            }
        };
        let is_html = part.media == "text/html";
        let label = match part.content_type.plain("charset") {
            Ok(label) => label.or_else(|| is_html.then(|| charset_of_html(&bytes)).flatten()),
            Err(Ambiguous) => {
                self.content.problems.push(Reason::AmbiguousStructure);
                return Piece::default();
            }
        };
        let Ok(decoded) = charset::decode(&bytes, label.as_deref(), self.familiar) else {
            self.content.undecidable = true;
            return Piece::default();
        };
        if decoded.guessed && self.content.charset_guess.is_none() {
            self.content.charset_guess = Some(decoded.charset);
        }
        let text = decoded.text.replace("\r\n", "\n").replace('\r', "\n");
        if is_html {
            let shown = html::to_text(&text);
            self.check_size(&shown);
            return Piece { plain: None, html: Some(shown) };
        }
        self.check_size(&text);
        let flowed =
            part.content_type.plain("format").is_ok_and(|f| f.is_some_and(|f| f.eq_ignore_ascii_case("flowed")));
        let delsp = part.content_type.plain("delsp").is_ok_and(|d| d.is_some_and(|d| d.eq_ignore_ascii_case("yes")));
        let delsp = if delsp { Delsp::Yes } else { Delsp::No };
        let text = if flowed { flowed::unfold(&text, delsp) } else { text };
        Piece { plain: Some(text), html: None }
    }

    fn check_size(&mut self, text: &str) {
        if text.len() > limits::TEXT_BYTES && !self.content.problems.contains(&Reason::TextSize) {
            self.content.problems.push(Reason::TextSize);
        }
    }

    fn attach_all(&mut self, part: &Part<'_>) {
        for below in part.walk() {
            if !below.is_multipart() {
                self.attach(below);
            }
        }
    }

    fn attach(&mut self, part: &Part<'_>) {
        let name = part
            .disposition
            .readable("filename", self.familiar)
            .or_else(|| part.content_type.readable("name", self.familiar))
            .and_then(|name| clean_name(&name));
        let is_tnef = part.media == "application/ms-tnef"
            || name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case("winmail.dat"));
        if is_tnef {
            self.content.notes.push(Reason::Tnef);
        }
        if matches!(part.media.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime") {
            self.content.notes.push(Reason::Encrypted);
        }
        self.content.attachments.push(Attachment { name, media: part.media.clone(), bytes: part.body.len() });
    }
}

/// Whether two texts are the same but for widths, case and blanks; of oversized ones the whole mail is held anyway.
fn same_text(one: &str, other: &str) -> bool {
    one.len().max(other.len()) > limits::TEXT_BYTES || text::fold(one) == text::fold(other)
}

/// A text part with a file name is a file, unless it is the whole mail.
fn is_attachment(part: &Part<'_>, is_root: bool) -> bool {
    let named = part.disposition.readable("filename", &charset::nobody).is_some()
        || part.content_type.readable("name", &charset::nobody).is_some();
    part.disposition.value == "attachment" || named && !is_root
}

/// The charset that an HTML document claims of itself (`<meta charset=…>`).
fn charset_of_html(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(1024)).unwrap_or_default()).to_ascii_lowercase();
    let (_, meta) = head.split_once("<meta")?;
    let (_, value) = meta.split_once("charset=")?;
    let label: String = value
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    (!label.is_empty()).then_some(label)
}

/// A file's name without folders, controls and tricks; `None` where nothing is left.
fn clean_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\', '\0']).next().unwrap_or_default();
    let clean = text::clean(last, NAME_CHARS);
    let clean = clean.trim_start_matches('.').trim();
    (!clean.is_empty()).then(|| clean.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::reading::charset::nobody;
    use crate::mail::reading::header::Header;
    use crate::mail::reading::structure;

    fn content(raw: &str) -> Content {
        read(&structure::split(Header::parse(raw.as_bytes())).0, &nobody)
    }

    fn multipart(kind: &str, parts: &[&str]) -> String {
        let parts: String = parts.iter().map(|part| format!("--b\n{part}\n")).collect();
        format!("Content-Type: multipart/{kind}; boundary=b\n\n{parts}--b--\n")
    }

    #[test]
    fn plain_text_is_preferred_and_its_twin_kept() {
        let found = content(&multipart("alternative", &["\nAge: 65", "Content-Type: text/html\n\n<p>Age: 65</p>"]));
        assert_eq!((found.text.as_str(), found.twin.as_deref()), ("Age: 65", Some("Age: 65\n")));
        let found = content(&multipart("alternative", &["\n \n", "Content-Type: text/html\n\n<p>Age: 65</p>"]));
        assert_eq!((found.text.as_str(), found.twin.as_deref()), ("Age: 65\n", None));
    }

    #[test]
    fn stretches_of_text_are_joined() {
        let found = content(&multipart("mixed", &["\nAge: 65", "Content-Type: image/png\n\nx", "\nSex: F"]));
        assert_eq!(found.text, "Age: 65\nSex: F");
        assert_eq!(found.attachments.len(), 1);
    }

    #[test]
    fn the_nesting_of_apple_mail() {
        let html = "Content-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: text/html\n\n<table><tr><td>Age<td>65</table>\n--c\n\
                    Content-Type: application/pdf; name=a.pdf\n\nx\n--c\nContent-Type: text/html\n\n<br>\n--c--";
        let found = content(&multipart("alternative", &["\nAge 65", html]));
        assert_eq!((found.text.as_str(), found.problems.len()), ("Age 65", 0));
        assert!(found.twin.is_some());
    }

    #[test]
    fn text_files_and_attached_mails_are_no_text() {
        let file = "Content-Type: text/plain\nContent-Disposition: attachment; filename=\"a/../..\\\\x\u{202E}.txt\"\n\nAge: 99";
        let mail = "Content-Type: message/rfc822\n\nSubject: x\n\nAge: 98";
        let found = content(&multipart("mixed", &[file, mail]));
        assert_eq!(found.text, "");
        assert_eq!(found.attachments[0].name.as_deref(), Some("x.txt"));
        assert_eq!(found.attachments[1].media, "message/rfc822");
    }

    #[test]
    fn signed_mails_hold_their_text_first() {
        let found = content(&multipart("signed", &["\nAge: 65", "Content-Type: application/pgp-signature\n\nx"]));
        assert_eq!((found.text.as_str(), found.attachments.len()), ("Age: 65", 1));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let tnef = "Content-Type: application/ms-tnef; name=winmail.dat\n\nx";
        assert_eq!(content(&multipart("mixed", &["\n", tnef])).notes, [Reason::Tnef]);
        assert_eq!(content(&multipart("mixed", &["\nAge: 65", tnef])).notes, []);
        assert_eq!(content(&multipart("encrypted", &["\nx"])).notes, [Reason::Encrypted]);
        assert_eq!(content("Content-Transfer-Encoding: base64\n\n*").problems, [Reason::CteBroken]);
        assert!(content("Content-Type: text/plain; charset=utf-7\n\n+AGE-: 1").undecidable);
        assert_eq!(
            content(&multipart("alternative", &["\nAge: 65", "\nAge: 66"])).problems,
            [Reason::AmbiguousStructure]
        );
    }

    #[test]
    fn an_html_page_may_name_its_charset() {
        let page = "<html><head><meta http-equiv=x content='text/html; charset=\"Shift_JIS\"'></head>";
        assert_eq!(charset_of_html(page.as_bytes()).as_deref(), Some("shift_jis"));
    }
}
