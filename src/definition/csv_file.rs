//! CSV files as people's programs write them: in which charset, and with which separator.
//!
//! Excel in Japan writes CP932, and takes the separator from the settings of the machine; a table that is copied has tabs.

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_8};

/// Charset of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// The first of UTF-8, EUC-JP and CP932 (in this order: text of the first two is rarely sound in the next) in which every byte has a meaning.
    Guessed,
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// Windows code page 932, which Excel in Japan writes.
    Cp932,
    /// EUC-JP.
    EucJp,
}

impl Charset {
    fn candidates(self) -> Vec<&'static Encoding> {
        match self {
            Charset::Guessed => vec![UTF_8, EUC_JP, SHIFT_JIS],
            Charset::Utf8 => vec![UTF_8],
            Charset::Cp932 => vec![SHIFT_JIS],
            Charset::EucJp => vec![EUC_JP],
        }
    }
}

/// The text of a file, without a byte order mark; `None` if some byte has no meaning.
pub fn decode(bytes: &[u8], charset: Charset) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let decoded = |encoding: &'static Encoding| {
        encoding.decode_without_bom_handling_and_without_replacement(bytes).map(|text| text.into_owned())
    };
    charset.candidates().into_iter().find_map(decoded)
}

/// What separates the cells: whichever of comma, semicolon and tab stands most often in the line that names the columns, outside of
/// quotation marks. Lines that begin with `#` before it are remarks.
pub fn separator(text: &str) -> u8 {
    let is_header = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let header = text.lines().find(is_header).unwrap_or_default();
    let mut quoted = false;
    let mut counts = [(b',', 0u32), (b';', 0), (b'\t', 0)];
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        if let (false, Some((_, count))) = (quoted, counts.iter_mut().find(|(own, _)| *own == byte)) {
            *count += 1;
        }
    }
    // Of equally many the first, so that a single column is one of a CSV.
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    most.map_or(b',', |(own, _)| *own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_that_of_the_names_of_the_columns() {
        for (text, expected) in [
            ("a,b\n1;2;3;4,5\n", b','),
            ("a;b\n1,5;2\n", b';'),
            ("a\tb\n1,5\t2;3\n", b'\t'),
            ("# a;b;c, in that order\n\n\"a,x,y\";b\n", b';'),
            ("a\n1\n", b','),
            ("", b','),
        ] {
            assert_eq!(separator(text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_charset_gives_the_same_text() {
        let text = "患者,性別\n山田,女\n";
        for (encoding, charset) in [(UTF_8, Charset::Utf8), (SHIFT_JIS, Charset::Cp932), (EUC_JP, Charset::EucJp)] {
            let (bytes, _, _) = encoding.encode(text);
            assert_eq!(decode(&bytes, charset).as_deref(), Some(text));
            assert_eq!(decode(&bytes, Charset::Guessed).as_deref(), Some(text), "{charset:?}");
        }
        assert_eq!(decode(b"\xef\xbb\xbfa,b", Charset::Guessed).as_deref(), Some("a,b"));
        assert_eq!(decode(b"\xff\xff,\x80", Charset::Guessed), None);
    }
}
