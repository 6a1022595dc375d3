//! Content transfer encodings (RFC 2045 section 6), decoded strictly: where lenient readers would differ, nobody guesses.

use std::borrow::Cow;

use data_encoding::{Encoding as Alphabet, Specification};
use std::sync::LazyLock;

use super::header::Lines;
use super::parameter::hex;
use super::reason::Reason;

/// A transfer encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary or none: bytes as they stand.
    Plain,
    /// Base64.
    Base64,
    /// Quoted-printable.
    QuotedPrintable,
    /// Anything else.
    Unknown,
}

impl Encoding {
    /// The encoding of a `Content-Transfer-Encoding` value.
    pub fn find(value: &str) -> Encoding {
        match value.trim().to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" | "7-bit" | "8-bit" => Encoding::Plain,
            "base64" => Encoding::Base64,
            "quoted-printable" => Encoding::QuotedPrintable,
            _ => Encoding::Unknown,
        }
    }

    /// The decoded bytes, or why there are none.
    pub fn decode(self, body: &[u8]) -> Result<Cow<'_, [u8]>, Reason> {
        match self {
            Encoding::Plain => Ok(Cow::Borrowed(body)),
            Encoding::Base64 => base64(body).map(Cow::Owned),
            Encoding::QuotedPrintable => quoted_printable(body).map(Cow::Owned),
            Encoding::Unknown => Err(Reason::CteUnknown),
        }
    }
}

/// Base64 that does not mind set bits behind the last byte: every reader ignores them.
static BASE64: LazyLock<Alphabet> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    specification.padding = Some('=');
    specification.check_trailing_bits = false;
    specification.encoding().expect("the alphabet of RFC 4648 is valid")
});

/// Foreign characters, missing or early padding: some readers skip, some stop. All of it is broken.
fn base64(body: &[u8]) -> Result<Vec<u8>, Reason> {
    let letters: Vec<u8> = body.iter().copied().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).collect();
    let stem = letters.iter().position(|byte| *byte == b'=').unwrap_or(letters.len());
    if letters.iter().skip(stem).any(|byte| *byte != b'=') {
        return Err(Reason::CteBroken);
    }
    BASE64.decode(&letters).map_err(|_| Reason::CteBroken)
}

/// RFC 2045 section 6.7; an equals sign that is neither a soft break nor two hexadecimal digits is broken.
fn quoted_printable(body: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut decoded = Vec::with_capacity(body.len());
    for (line, end) in Lines::new(body) {
        let line = line.trim_ascii_end();
        let mut soft = false;
        let mut at = 0;
        while let Some(byte) = line.get(at) {
            if *byte != b'=' {
                decoded.push(*byte);
                at += 1;
            } else if at + 1 == line.len() {
                soft = true;
                break;
            } else {
                let high = line.get(at + 1).and_then(|digit| hex(*digit));
                let low = line.get(at + 2).and_then(|digit| hex(*digit));
                let (Some(high), Some(low)) = (high, low) else { return Err(Reason::CteBroken) };
                decoded.push(high * 16 + low);
                at += 3;
            }
        }
        let ended = body.get(end.saturating_sub(1)) == Some(&b'\n');
        if !soft && ended {
            decoded.extend_from_slice(b"\r\n");
        }
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_strict() {
        let decode = |text: &[u8]| Encoding::Base64.decode(text).map(Cow::into_owned);
        assert_eq!(decode(b"U2l0\r\nZTog MDEy"), Ok(b"Site: 012".to_vec()));
        assert_eq!(decode(b"QQ=="), Ok(b"A".to_vec()));
        assert_eq!(decode(b"QR=="), Ok(b"A".to_vec()), "bits behind the last byte are nobody's");
        for broken in [&b"U2l0ZTog*"[..], b"QQ", b"QQ=", b"QQ==QQ==", b"Q", b"QQ=\n=A"] {
            assert_eq!(decode(broken), Err(Reason::CteBroken), "{}", String::from_utf8_lossy(broken));
        }
    }

    #[test]
    fn quoted_printable_is_strict() {
        let decode = |text: &[u8]| Encoding::QuotedPrintable.decode(text).map(Cow::into_owned);
        assert_eq!(decode(b"a=3Db=\r\nc  \r\nd"), Ok(b"a=bc\r\nd".to_vec()));
        assert_eq!(decode(b"=e6=96=BD"), Ok("施".as_bytes().to_vec()));
        assert_eq!(decode(b"a= \nb="), Ok(b"ab".to_vec()), "blanks after a soft break are padding");
        for broken in [&b"a = b"[..], b"=4", b"=G1", b"x=\x00\x00"] {
            assert_eq!(decode(broken), Err(Reason::CteBroken), "{}", String::from_utf8_lossy(broken));
        }
    }

    #[test]
    fn names() {
        assert_eq!(Encoding::find(" Base64 "), Encoding::Base64);
        assert_eq!(Encoding::find("x-uuencode"), Encoding::Unknown);
    }
}
