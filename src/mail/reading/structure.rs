//! A mail's tree of MIME parts (RFC 2046), as offsets into its bytes.
//!
//! Our own splitter rather than a library's: it must count while it goes (a mail of 200,000 parts is refused at the
//! 101st), keep the text of a multipart that is cut off, and say where another reader would split differently instead
//! of settling for one of the ways. A differential test holds it against two other parsers.

use std::collections::BTreeSet;

use super::encoding::Encoding;
use super::header::{Header, Lines};
use super::parameter::Structured;
use super::reason::Reason;
use crate::limits;

/// Longest boundary that is accepted; RFC 2046 allows 70, some mailers exceed it.
const BOUNDARY_BYTES: usize = 200;

/// One part; a mail's root is one too.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Its own header.
    pub header: Header<'a>,
    /// Lower-case `type/subtype`, the default filled in.
    pub media: String,
    /// `Content-Type` with its parameters.
    pub content_type: Structured,
    /// `Content-Disposition` with its parameters; its value is empty where there is none.
    pub disposition: Structured,
    /// How the body is encoded for transfer.
    pub encoding: Encoding,
    /// The body as it stands.
    pub body: &'a [u8],
    /// Parts of a multipart; the root of an attached mail.
    pub children: Vec<Part<'a>>,
}

impl<'a> Part<'a> {
    /// Whether it consists of other parts.
    pub fn is_multipart(&self) -> bool {
        self.media.starts_with("multipart/")
    }

    /// Whether it is a mail inside the mail.
    pub fn is_message(&self) -> bool {
        matches!(self.media.as_str(), "message/rfc822" | "message/global" | "message/news")
    }

    /// This part and those below it, depth first; the inside of attached mails is left out.
    pub fn walk(&self) -> Vec<&Part<'a>> {
        let mut found = Vec::new();
        let mut open = vec![self];
        while let Some(part) = open.pop() {
            found.push(part);
            if !part.is_message() {
                open.extend(part.children.iter().rev());
            }
        }
        found
    }

    /// The first part of that media type, not looking into attached mails.
    pub fn find(&self, media: &str) -> Option<&Part<'a>> {
        self.walk().into_iter().find(|part| part.media == media)
    }
}

/// Splits a mail into its parts; `header` is the mail's own, whose body is split.
pub fn split<'a>(header: Header<'a>) -> (Part<'a>, BTreeSet<Reason>) {
    let mut splitter = Splitter::default();
    let body = header.body.unwrap_or_default();
    let root = splitter.part(header, body, "text/plain", 0);
    (root, splitter.problems)
}

/// Header and body of each part of a multipart as they stand, in order; of one that was split without problems.
pub(super) fn pieces<'a>(part: &Part<'a>) -> Vec<&'a [u8]> {
    let boundary = part.content_type.plain("boundary").ok().flatten().unwrap_or_default();
    cut(part.body, boundary.trim_end().as_bytes()).bodies
}

#[derive(Default)]
struct Splitter {
    parts: usize,
    problems: BTreeSet<Reason>,
    /// Boundaries of the multiparts that are open, outermost first.
    boundaries: Vec<String>,
    /// Whether we are inside of an attached mail, of which only the size matters.
    attached: usize,
}

impl Splitter {
    fn problem(&mut self, reason: Reason) {
        let counts = matches!(reason, Reason::MimeParts | Reason::MimeDepth);
        if counts || self.attached == 0 {
            self.problems.insert(reason);
        }
    }

    fn part<'a>(&mut self, header: Header<'a>, body: &'a [u8], default: &str, depth: usize) -> Part<'a> {
        for reason in header.problems.clone() {
            self.problem(reason);
        }
        let content_type =
            header.first("content-type").map(|field| Structured::parse(&field.value())).unwrap_or_default();
        let disposition =
            header.first("content-disposition").map(|field| Structured::parse(&field.value())).unwrap_or_default();
        let encoding = header
            .first("content-transfer-encoding")
            .map_or(Encoding::Plain, |field| Encoding::find(&Structured::parse(&field.value()).value));
        let media = if is_media(&content_type.value) { content_type.value.clone() } else { default.to_string() };
        let mut part = Part { header, media, content_type, disposition, encoding, body, children: Vec::new() };
        match part.media.as_str() {
            "message/partial" => self.problem(Reason::Partial),
            "message/external-body" => self.problem(Reason::ExternalBody),
            _ => {}
        }
        if part.is_multipart() {
            self.multipart(&mut part, depth);
        } else if part.is_message() && part.encoding == Encoding::Plain {
            self.message(&mut part, depth);
        }
        part
    }

    /// Whether one more part at this depth is within the limits.
    fn admits(&mut self, depth: usize) -> bool {
        self.parts += 1;
        if self.parts > limits::MIME_PARTS {
            self.problem(Reason::MimeParts);
        }
        if depth > limits::MIME_DEPTH {
            self.problem(Reason::MimeDepth);
        }
        self.parts <= limits::MIME_PARTS && depth <= limits::MIME_DEPTH
    }

    fn message(&mut self, part: &mut Part<'_>, depth: usize) {
        if self.admits(depth + 1) {
            self.attached += 1;
            let outer = std::mem::take(&mut self.boundaries);
            let header = Header::parse(part.body);
            let body = header.body.unwrap_or_default();
            let child = self.part(header, body, "text/plain", depth + 1);
            part.children.push(child);
            self.boundaries = outer;
            self.attached -= 1;
        }
    }

    fn multipart(&mut self, part: &mut Part<'_>, depth: usize) {
        let boundary = match part.content_type.plain("boundary") {
            Ok(Some(boundary)) => boundary.trim_end().to_string(),
            _ => String::new(),
        };
        let usable = !boundary.is_empty() && boundary.len() <= BOUNDARY_BYTES && !boundary.contains(['\r', '\n', '\0']);
        if !usable || self.boundaries.contains(&boundary) || part.encoding != Encoding::Plain {
            self.problem(Reason::AmbiguousStructure);
            return;
        }
        let cut = cut(part.body, boundary.as_bytes());
        if cut.doubtful || cut.bodies.is_empty() {
            self.problem(Reason::AmbiguousStructure);
        }
        let default = if part.media == "multipart/digest" { "message/rfc822" } else { "text/plain" };
        self.boundaries.push(boundary);
        for bytes in cut.bodies {
            if !self.admits(depth + 1) {
                break;
            }
            let header = Header::parse(bytes);
            let body = header.body.unwrap_or_default();
            let child = self.part(header, body, default, depth + 1);
            part.children.push(child);
        }
        self.boundaries.pop();
    }
}

fn is_media(value: &str) -> bool {
    value
        .split_once('/')
        .is_some_and(|(kind, subtype)| !kind.is_empty() && !subtype.is_empty() && !subtype.contains('/'))
}

/// A multipart's body, cut at its delimiter lines.
#[derive(Default)]
struct Cut<'a> {
    /// Header and body of each part.
    bodies: Vec<&'a [u8]>,
    /// Whether another reader could cut elsewhere.
    doubtful: bool,
}

/// Delimiters are whole lines: `--`, the boundary, blanks (RFC 2046 section 5.1.1). A closing one may be missing. A line that
/// only begins like one must not be there at all (section 5.1.2); some readers cut at it, some do not.
fn cut<'a>(body: &'a [u8], boundary: &[u8]) -> Cut<'a> {
    let delimiter = [b"--", boundary].concat();
    let mut cut = Cut::default();
    let mut open: Option<usize> = None;
    let mut closed = false;
    let mut at = 0;
    for (line, end) in Lines::new(body) {
        let start = std::mem::replace(&mut at, end);
        if line.contains(&b'\r') && contains_after_return(line, &delimiter) {
            cut.doubtful = true;
        }
        let Some(rest) = line.strip_prefix(delimiter.as_slice()) else { continue };
        let rest = rest.trim_ascii_end();
        if !rest.is_empty() && rest != b"--" {
            cut.doubtful = true;
            continue;
        }
        if closed {
            cut.doubtful = true;
            break;
        }
        if let Some(from) = open.take() {
            cut.bodies.push(without_last_break(body.get(from..start).unwrap_or_default()));
        } else if rest == b"--" {
            cut.doubtful = true;
        }
        closed = rest == b"--";
        if !closed {
            open = Some(end);
        }
    }
    if let Some(from) = open {
        cut.bodies.push(body.get(from..).unwrap_or_default());
    }
    cut
}

fn contains_after_return(line: &[u8], delimiter: &[u8]) -> bool {
    line.split(|byte| *byte == b'\r').skip(1).any(|piece| piece.starts_with(delimiter))
}

/// The line break before a delimiter belongs to the delimiter.
fn without_last_break(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(raw: &[u8]) -> (String, BTreeSet<Reason>) {
        let (root, problems) = split(Header::parse(raw));
        (draw(&root), problems)
    }

    fn draw(part: &Part<'_>) -> String {
        let body = if part.children.is_empty() {
            format!("={}", String::from_utf8_lossy(part.body).trim_end())
        } else {
            String::new()
        };
        let inner: Vec<String> = part.children.iter().map(draw).collect();
        let inner = if inner.is_empty() { String::new() } else { format!("[{}]", inner.join(" ")) };
        format!("{}{body}{inner}", part.media)
    }

    fn multipart(boundary: &str, body: &str) -> Vec<u8> {
        format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\n\n{body}").into_bytes()
    }

    #[test]
    fn parts_are_cut_at_whole_lines() {
        let raw = multipart("b", "preamble\n--b\n\none\n--b  \nContent-Type: text/html\n\ntwo\n--b--\nepilogue\n");
        assert_eq!(tree(&raw), ("multipart/mixed[text/plain=one text/html=two]".into(), BTreeSet::new()));
    }

    #[test]
    fn a_missing_close_keeps_the_text() {
        assert_eq!(tree(&multipart("b", "--b\n\none\n")).0, "multipart/mixed[text/plain=one]");
    }

    #[test]
    fn an_outer_delimiter_ends_an_inner_multipart() {
        let raw = multipart("b", "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--b\n\ntwo\n--b--\n");
        assert_eq!(tree(&raw).0, "multipart/mixed[multipart/mixed[text/plain=one] text/plain=two]");
    }

    #[test]
    fn boundary_tricks_are_ambiguous() {
        for raw in [
            multipart("b", "--b\n\none\n--bx\n\ntwo\n--b--\n"),
            multipart("b", "--b\n\none\n--b--\n--b\n\ntwo\n--b--\n"),
            multipart("b", "--b\n\none\r--b\n\ntwo\n--b--\n"),
            multipart("b", "no delimiter\n"),
            multipart("b", "--b\nContent-Type: multipart/mixed; boundary=b1\n\n--b1\n\none\n--b1--\n--b--\n"),
            multipart("", "--\n\none\n----\n"),
            multipart("b", "--b--\n\none\n"),
            multipart("b", "--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n"),
            b"Content-Type: multipart/mixed\n\n--b\n\none\n--b--\n".to_vec(),
            b"Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\none\n--a--\n".to_vec(),
            b"Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n--a\n\none\n--a--\n"
                .to_vec(),
            multipart("b", "--b\nContent-Type: text/plain\nContent-Type: text/html\n\none\n--b--\n"),
        ] {
            assert!(tree(&raw).1.contains(&Reason::AmbiguousStructure), "{}", String::from_utf8_lossy(&raw));
        }
    }

    #[test]
    fn counts_are_limited() {
        let many = |count: usize| multipart("b", &format!("{}--b--\n", "--b\n\nx\n".repeat(count)));
        assert!(tree(&many(100)).1.is_empty());
        assert_eq!(tree(&many(101)).1, BTreeSet::from([Reason::MimeParts]));
        let nested = |depth: usize| {
            let mut raw = String::new();
            for level in 0..depth {
                raw += &format!("Content-Type: multipart/mixed; boundary=b{level}x\n\n--b{level}x\n");
            }
            raw + "\ntext\n"
        };
        assert!(tree(nested(20).as_bytes()).1.is_empty());
        assert_eq!(tree(nested(21).as_bytes()).1, BTreeSet::from([Reason::MimeDepth]));
    }

    #[test]
    fn attached_mails_are_counted_and_not_judged() {
        let raw = multipart("b", "--b\nContent-Type: message/rfc822\n\nSubject: a\nSubject: b\n\none\n--b--\n");
        let (drawn, problems) = tree(&raw);
        assert_eq!(drawn, "multipart/mixed[message/rfc822[text/plain=one]]");
        assert!(problems.is_empty());
        let nested = "Content-Type: message/rfc822\n\n".repeat(21) + "\ntext\n";
        assert_eq!(tree(nested.as_bytes()).1, BTreeSet::from([Reason::MimeDepth]));
    }

    #[test]
    fn fragments_and_outside_bodies_are_told() {
        assert!(tree(b"Content-Type: message/partial; id=x; number=1\n\nx").1.contains(&Reason::Partial));
        assert!(tree(b"Content-Type: message/external-body\n\nx").1.contains(&Reason::ExternalBody));
    }
}
