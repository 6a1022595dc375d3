//! Structured field values with parameters: `Content-Type`, `Content-Disposition` (RFC 2045 section 5.1, RFC 2231).

use super::charset::Familiar;
use super::word;

/// A parameter that stands twice or in pieces: readers would disagree about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// A value with its parameters.
#[derive(Clone, Debug, Default)]
pub struct Structured {
    /// What stands before the first semicolon: lower case, without comments and blanks.
    pub value: String,
    /// Parameters in order: lower-case name (with RFC 2231 asterisks), raw value.
    parameters: Vec<(String, Vec<u8>)>,
}

impl Structured {
    /// Reads a field's unfolded value.
    pub fn parse(value: &[u8]) -> Structured {
        let mut pieces = split(value).into_iter();
        let first = pieces.next().unwrap_or_default();
        let mut structured = Structured {
            value: String::from_utf8_lossy(&first)
                .chars()
                .filter(|c| !c.is_whitespace())
                .collect::<String>()
                .to_lowercase(),
            parameters: Vec::new(),
        };
        for piece in pieces {
            let Some(equals) = piece.iter().position(|byte| *byte == b'=') else { continue };
            let (name, rest) = piece.split_at(equals);
            let name = String::from_utf8_lossy(name.trim_ascii()).to_lowercase();
            let raw = rest.get(1..).unwrap_or_default().trim_ascii();
            structured.parameters.push((name, raw.to_vec()));
        }
        structured
    }

    /// A parameter that must be plain and stand once (`boundary`, `charset`): `Err` where readers could disagree.
    pub fn plain(&self, name: &str) -> Result<Option<String>, Ambiguous> {
        let mut found = None;
        for (own, value) in &self.parameters {
            let stem = own.split('*').next().unwrap_or_default();
            if stem != name {
                continue;
            }
            if own != name || found.is_some() {
                return Err(Ambiguous);
            }
            found = Some(String::from_utf8_lossy(value).into_owned());
        }
        Ok(found)
    }

    /// A parameter that people read (`filename`, `name`): RFC 2231 first, else encoded words even inside quotes.
    pub fn readable(&self, name: &str, familiar: Familiar<'_>) -> Option<String> {
        self.extended(name, familiar).or_else(|| {
            let (_, raw) = self.parameters.iter().find(|(own, _)| own == name)?;
            Some(word::decode(raw, familiar))
        })
    }

    /// `name*`, or `name*0`, `name*1*`, … joined (RFC 2231 sections 3 and 4).
    fn extended(&self, name: &str, familiar: Familiar<'_>) -> Option<String> {
        let mut bytes = Vec::new();
        let mut charset = None;
        let whole = format!("{name}*");
        if let Some((_, raw)) = self.parameters.iter().find(|(own, _)| *own == whole) {
            let (label, rest) = split_charset(raw);
            charset = label;
            bytes.extend(percent(rest));
        } else {
            for index in 0..self.parameters.len() {
                let plain = format!("{name}*{index}");
                let encoded = format!("{plain}*");
                let Some((own, raw)) = self.parameters.iter().find(|(own, _)| *own == plain || *own == encoded) else {
                    break;
                };
                if *own == plain {
                    bytes.extend_from_slice(raw);
                } else if index == 0 {
                    let (label, rest) = split_charset(raw);
                    charset = label;
                    bytes.extend(percent(rest));
                } else {
                    bytes.extend(percent(raw));
                }
            }
        }
        (!bytes.is_empty()).then(|| word::decode_bytes(&bytes, charset.as_deref(), familiar))
    }
}

/// `utf-8'ja'%E5…` to the label and what follows.
fn split_charset(raw: &[u8]) -> (Option<String>, &[u8]) {
    let mut parts = raw.splitn(3, |byte| *byte == b'\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(label), Some(_), Some(rest)) => (Some(String::from_utf8_lossy(label).into_owned()), rest),
        _ => (None, raw),
    }
}

fn percent(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        let pair = raw.get(at + 1).zip(raw.get(at + 2)).and_then(|(high, low)| Some((hex(*high)?, hex(*low)?)));
        match (byte, pair) {
            (b'%', Some((high, low))) => {
                bytes.push(high * 16 + low);
                at += 3;
            }
            _ => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}

/// Value of a hexadecimal digit of either case.
pub fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Splits at semicolons outside of quotes and comments; quotes are taken off and comments dropped.
fn split(value: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = vec![Vec::new()];
    let mut quoted = false;
    let mut depth = 0usize;
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        let piece = pieces.last_mut().expect("there is always a last piece");
        match byte {
            b'\\' if quoted => piece.extend(bytes.next()),
            b'\\' if depth > 0 => drop(bytes.next()),
            b'"' if depth == 0 => quoted = !quoted,
            _ if quoted => piece.push(*byte),
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            b';' => pieces.push(Vec::new()),
            _ => piece.push(*byte),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::reading::charset::nobody;

    #[test]
    fn values_quotes_and_comments() {
        let typed = Structured::parse(br#"Multipart/Mixed (see; this); boundary="a;\"b" ; Charset = utf-8"#);
        assert_eq!(typed.value, "multipart/mixed");
        assert_eq!(typed.plain("boundary").unwrap().unwrap(), "a;\"b");
        assert_eq!(typed.plain("charset").unwrap().unwrap(), "utf-8");
        assert_eq!(typed.plain("format"), Ok(None));
    }

    #[test]
    fn doubled_or_split_parameters_are_ambiguous() {
        assert!(Structured::parse(b"multipart/mixed; boundary=a; boundary=b").plain("boundary").is_err());
        assert!(Structured::parse(b"multipart/mixed; boundary*0=a; boundary*1=b").plain("boundary").is_err());
    }

    #[test]
    fn file_names_of_every_style() {
        for value in [
            &b"attachment; filename=\"=?iso-2022-jp?B?GyRCRjEwVT1xGyhCLnBkZg==?=\""[..],
            b"attachment; filename*=utf-8''%E5%90%8C%E6%84%8F%E6%9B%B8.pdf",
            b"attachment; filename=x; filename*0*=UTF-8''%E5%90%8C%E6%84%8F; filename*1*=%E6%9B%B8; filename*2=.pdf",
            "attachment; filename=\"同意書.pdf\"".as_bytes(),
            b"attachment; filename=\"\x93\xaf\x88\xd3\x8f\x91.pdf\"",
        ] {
            let name = Structured::parse(value).readable("filename", &nobody);
            assert_eq!(name.as_deref(), Some("同意書.pdf"), "{}", String::from_utf8_lossy(value));
        }
    }
}
