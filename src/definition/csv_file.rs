//! CSV files as people's programs write them: in which charset, and with which separator.
//!
//! Excel in Japan writes CP932, and takes the separator from the settings of the machine; a table that is copied has tabs.

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_8};

/// Charset of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// The first of UTF-8, EUC-JP and CP932 (in this order: text of the first two is rarely sound in the next) in which every byte has a
    /// meaning. Half-width katakana of CP932 can look like kanji of EUC-JP: what may be either is not guessed.
    Guessed,
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// Windows code page 932, which Excel in Japan writes.
    Cp932,
    /// EUC-JP.
    EucJp,
}

impl Charset {
    const fn encoding(self) -> Option<&'static Encoding> {
        match self {
            Charset::Guessed => None,
            Charset::Utf8 => Some(UTF_8),
            Charset::Cp932 => Some(SHIFT_JIS),
            Charset::EucJp => Some(EUC_JP),
        }
    }
}

/// Why a file has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// Some byte has no meaning.
    Neither,
    /// It makes sense in two charsets.
    Both,
}

impl Undecided {
    /// What is wrong with the file.
    pub const fn wrong(self) -> &'static str {
        match self {
            Undecided::Neither => "is in no charset that can be told",
            Undecided::Both => "may be half-width katakana of CP932, or kanji of EUC-JP: both make sense",
        }
    }
}

/// The text of a file, without a byte order mark.
///
/// # Errors
/// An [`Undecided`], where some byte has no meaning or the charset cannot be told.
pub fn decode(bytes: &[u8], charset: Charset) -> Result<String, Undecided> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let decoded = |encoding: &'static Encoding| {
        encoding.decode_without_bom_handling_and_without_replacement(bytes).map(|text| text.into_owned())
    };
    if let Some(encoding) = charset.encoding() {
        return decoded(encoding).ok_or(Undecided::Neither);
    }
    if let Some(text) = decoded(UTF_8) {
        return Ok(text);
    }
    match (decoded(EUC_JP), decoded(SHIFT_JIS)) {
        (Some(euc), Some(cp932)) if euc != cp932 && is_half_width_kana(&cp932) => Err(Undecided::Both),
        (Some(text), _) | (None, Some(text)) => Ok(text),
        (None, None) => Err(Undecided::Neither),
    }
}

/// Whether a text is ASCII and half-width katakana as it can be written: a voiced mark stands behind a kana that takes it, and nothing
/// begins with a small kana, a long mark, a syllabic n, a full stop, a comma or a closing bracket. Kanji of EUC-JP read so break these rules soon.
fn is_half_width_kana(text: &str) -> bool {
    let mut before = ' ';
    text.chars().all(|c| {
        let fits = match c {
            'ﾞ' => matches!(before, 'ｳ' | 'ｶ'..='ﾄ' | 'ﾊ'..='ﾎ'),
            'ﾟ' => matches!(before, 'ﾊ'..='ﾎ'),
            'ｧ'..='ｰ' | 'ﾝ' | '･' => matches!(before, 'ｦ'..='ﾟ'),
            'ｦ' | 'ｱ'..='ﾜ' | '｢' => true,
            '｡' | '､' | '｣' => matches!(before, 'ｦ'..='ﾟ' | '｡' | '｣'),
            _ => c.is_ascii(),
        };
        before = c;
        fits
    })
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
            assert_eq!(decode(&bytes, charset).as_deref(), Ok(text));
            assert_eq!(decode(&bytes, Charset::Guessed).as_deref(), Ok(text), "{charset:?}");
        }
        assert_eq!(decode(b"\xef\xbb\xbfa,b", Charset::Guessed).as_deref(), Ok("a,b"));
        assert_eq!(decode(b"\xff\xff,\x80", Charset::Guessed), Err(Undecided::Neither));
    }

    #[test]
    fn what_two_charsets_can_mean_is_not_guessed() {
        let guessed = |encoding: &'static Encoding, text: &str| decode(&encoding.encode(text).0, Charset::Guessed);
        assert_eq!(guessed(SHIFT_JIS, "ﾔﾏﾀﾞ ﾀﾛ,ｻﾄ ﾊﾅｺｺ"), Err(Undecided::Both));
        assert_eq!(guessed(EUC_JP, "山田"), Err(Undecided::Both));
        // An odd number of kana is no text of EUC-JP, nor is a full-width kana or an everyday kanji beside them.
        for text in ["ﾔﾏﾀ ﾀﾛｳ", "氏名,ﾔﾏﾀﾞ ﾀﾛ", "カナ,ﾔﾏﾀﾞ"] {
            assert_eq!(guessed(SHIFT_JIS, text).as_deref(), Ok(text));
        }
        // Kana, and kanji of which a byte is no kana, are no half-width text.
        for text in ["やまだ", "ヤマダ", "山田花子,女", "山田太郎,佐藤一郎,鈴木次郎,高橋三郎"]
        {
            assert_eq!(guessed(EUC_JP, text).as_deref(), Ok(text));
        }
    }
}
