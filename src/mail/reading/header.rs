//! The header block of a mail or part: its fields as raw bytes, and everything about it that is suspicious.
//!
//! Nothing is decoded here. A block that two parsers could split differently is told as
//! [`Reason::AmbiguousStructure`], never repaired.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::reason::Reason;
use crate::limits;

/// Fields that must not stand twice: whichever a reader took, another reader could take the other.
const SINGLE: [&str; 12] = [
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "mime-version",
    "subject",
    "date",
    "message-id",
    "sender",
    "in-reply-to",
    "references",
    "reply-to",
    "content-id",
];

/// One field.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    /// Lower-case name.
    pub name: String,
    /// Everything behind the colon, folds included, the last line break not.
    raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// The value on one line (RFC 5322 section 2.2.3), without blanks at its ends.
    pub fn value(&self) -> Cow<'a, [u8]> {
        if self.raw.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            let unfolded: Vec<u8> = self.raw.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
            Cow::Owned(unfolded.trim_ascii().to_vec())
        } else {
            Cow::Borrowed(self.raw.trim_ascii())
        }
    }

    /// Everything behind the colon as it stands, with its folds.
    pub(super) fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The value as text; bytes that are no UTF-8 become U+FFFD. For fields of programs, not of people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.value()).into_owned()
    }
}

/// A header block, in order.
#[derive(Clone, Debug, Default)]
pub struct Header<'a> {
    /// The fields, topmost first.
    pub fields: Vec<Field<'a>>,
    /// What is behind the empty line; `None` where there is no empty line.
    pub body: Option<&'a [u8]>,
    /// What is wrong with the block.
    pub problems: BTreeSet<Reason>,
}

impl<'a> Header<'a> {
    /// Reads a block up to its empty line, or to the limit.
    pub fn parse(bytes: &'a [u8]) -> Header<'a> {
        let mut header = Header::default();
        let mut at = 0;
        let mut open: Option<(String, usize, usize)> = None;
        for (line, end) in Lines::new(bytes) {
            let start = at;
            at = end;
            if line.is_empty() {
                header.body = Some(bytes.get(end..).unwrap_or_default());
                break;
            }
            if at > limits::HEADER_BLOCK_BYTES || header.fields.len() > limits::HEADER_FIELDS {
                let size = at > limits::HEADER_BLOCK_BYTES;
                header.problems.insert(if size { Reason::HeaderSize } else { Reason::HeaderCount });
                break;
            }
            header.suspect(line);
            if matches!(line.first(), Some(b' ' | b'\t')) && open.is_some() {
                if line.iter().all(u8::is_ascii_whitespace) {
                    header.problems.insert(Reason::AmbiguousStructure);
                }
                if let Some((_, _, close)) = open.as_mut() {
                    *close = start + line.len();
                }
                continue;
            }
            header.close(bytes, open.take());
            open = header.open(line, start);
        }
        header.close(bytes, open);
        header.check_single();
        header
    }

    /// Values of every field of that (lower-case) name, topmost first.
    pub fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h Field<'a>> {
        self.fields.iter().filter(move |field| field.name == name)
    }

    /// The topmost field of that (lower-case) name.
    pub fn first(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The topmost field of that name as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.first(name).map(Field::text)
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Carriage returns and NULs inside a line are read as line ends by some and not by others.
    fn suspect(&mut self, line: &[u8]) {
        if line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            self.problems.insert(Reason::AmbiguousStructure);
        }
    }

    fn open(&mut self, line: &[u8], start: usize) -> Option<(String, usize, usize)> {
        let envelope = line.starts_with(b"From ") || line.starts_with(b">From ");
        if envelope && self.fields.is_empty() {
            return None; // the separator line of an mbox
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            self.problems.insert(Reason::AmbiguousStructure);
            return None;
        };
        let written = line.get(..colon).unwrap_or_default();
        let trimmed = written.trim_ascii_end();
        let name = String::from_utf8_lossy(trimmed).to_ascii_lowercase();
        let odd = trimmed.is_empty() || !trimmed.iter().all(|byte| byte.is_ascii_graphic());
        let blank_before_colon = trimmed.len() != written.len() && (SINGLE.contains(&name.as_str()) || name == "from");
        if odd || blank_before_colon {
            self.problems.insert(Reason::AmbiguousStructure);
        }
        (!odd).then(|| (name, start + colon + 1, start + line.len()))
    }

    fn close(&mut self, bytes: &'a [u8], open: Option<(String, usize, usize)>) {
        let Some((name, start, end)) = open else { return };
        let raw = bytes.get(start..end).unwrap_or_default();
        if raw.len() + name.len() > limits::LINE_BYTES {
            self.problems.insert(Reason::HeaderSize);
        }
        self.fields.push(Field { name, raw });
    }

    fn check_single(&mut self) {
        if self.fields.len() > limits::HEADER_FIELDS {
            self.problems.insert(Reason::HeaderCount);
        }
        if SINGLE.iter().any(|name| self.all(name).nth(1).is_some()) {
            self.problems.insert(Reason::AmbiguousStructure);
        }
        if self.all("received").count() > limits::HOPS {
            self.problems.insert(Reason::Hops);
        }
    }
}

/// Lines of a byte text, without their ends (LF or CRLF), each with the offset behind its end.
pub struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// The lines of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Lines<'a> {
        Lines { bytes, at: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], usize);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (line, length) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (rest.get(..end).unwrap_or_default(), end + 1),
            None => (rest, rest.len()),
        };
        self.at += length;
        Some((line.strip_suffix(b"\r").unwrap_or(line), self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_joined_and_the_body_found() {
        let header = Header::parse(b"Subject: a\r\n b\r\nFrom: x@y\n\nbody\n");
        assert_eq!(header.text("subject").unwrap(), "a b");
        assert_eq!(header.body, Some(&b"body\n"[..]));
        assert!(header.problems.is_empty());
    }

    #[test]
    fn a_block_without_its_empty_line_has_no_body() {
        assert_eq!(Header::parse(b"Subject: a\r\n").body, None);
        assert_eq!(Header::parse(b"Subject: a\r\n\r\n").body, Some(&b""[..]));
    }

    #[test]
    fn what_two_parsers_split_differently_is_ambiguous() {
        for block in [
            &b"Subject: a\rFrom: b@c\n\n"[..],
            b"Subject: a\nSubject: b\n\n",
            b"Content-Type : text/html\n\n",
            b"no colon here\nSubject: a\n\n",
            b"Subject: a\n \nFrom: b@c\n\n",
            b"Subject: a\0b\n\n",
        ] {
            let header = Header::parse(block);
            assert!(header.problems.contains(&Reason::AmbiguousStructure), "{}", String::from_utf8_lossy(block));
        }
        assert!(Header::parse(b"From a@b Fri Nov 20\nSubject: a\n\n").problems.is_empty());
    }

    #[test]
    fn limits_are_kept() {
        let long = [b"X: ".as_slice(), &[b'a'; limits::LINE_BYTES + 1], b"\n\n"].concat();
        assert!(Header::parse(&long).problems.contains(&Reason::HeaderSize));
        let many = b"X: a\n".repeat(limits::HEADER_FIELDS + 1);
        assert!(Header::parse(&many).problems.contains(&Reason::HeaderCount));
        let block = [b"X: ".as_slice(), &[b'a'; 1000], b"\n"].concat().repeat(80);
        assert!(Header::parse(&block).problems.contains(&Reason::HeaderSize));
        let hops = [b"Received: x\n".repeat(limits::HOPS + 1).as_slice(), b"\n"].concat();
        assert!(Header::parse(&hops).problems.contains(&Reason::Hops));
    }
}
