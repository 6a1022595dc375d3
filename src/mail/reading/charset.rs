//! Bytes to text. Japanese mail is mislabeled in every possible way, so labels are claims, not facts.
//!
//! Order: escape sequences of ISO-2022-JP whatever the label says; the declared charset through a table of aliases;
//! strict UTF-8; Shift_JIS and EUC-JP scored by the study's own keys and by how Japanese the result looks. What is
//! guessed is told; what cannot be told is refused, never shown as U+FFFD.

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};

/// Counts known keys (labels and aliases of the studies) in a text: the strongest sign of a right guess.
pub type Familiar<'a> = &'a dyn Fn(&str) -> usize;

/// Knows no key.
pub fn nobody(_: &str) -> usize {
    0
}

/// Decoded text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text, without a byte order mark.
    pub text: String,
    /// Lower-case name of the charset that was used.
    pub charset: &'static str,
    /// Whether that is not what the label said.
    pub guessed: bool,
}

/// No charset fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecidable;

/// Share of plausible characters among the non-ASCII ones that a guess without a known key must reach.
const PLAUSIBLE: f64 = 0.75;
/// The same where the label speaks against it: a Western charset, in which every byte string decodes, or UTF-8.
const SURELY_JAPANESE: f64 = 0.92;

/// What a label means.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Label {
    /// None, or US-ASCII with bytes that are not.
    Silent,
    /// A label nobody knows.
    Unknown,
    /// ISO-2022-JP and its relatives.
    Iso2022Jp,
    /// UTF-7: never decoded, because filters before us did not either.
    Utf7,
    /// A charset of the Encoding Standard.
    Known(&'static Encoding),
}

impl Label {
    fn find(label: Option<&str>) -> Label {
        let Some(label) = label else { return Label::Silent };
        let name = label.trim().trim_matches(['"', '\'']).trim().to_ascii_lowercase().replace('_', "-");
        match name.as_str() {
            "" | "us-ascii" | "ascii" | "ansi-x3.4-1968" | "iso646-us" | "unknown-8bit" | "x-unknown" => Label::Silent,
            "utf-7" | "unicode-1-1-utf-7" | "x-unicode-2-0-utf-7" => Label::Utf7,
            "cp932" | "ms932" | "windows-932" | "windows-31j" | "cswindows31j" | "x-sjis" | "sjis" | "shift-jis"
            | "shiftjis" | "x-ms-cp932" | "cp943" | "cp943c" | "ibm-943" | "ms-kanji" | "shift-jisx0213"
            | "shift-jis-2004" | "x-sjis-docomo" | "x-sjis-kddi" | "x-sjis-softbank" => Label::Known(SHIFT_JIS),
            "cp51932" | "eucjp" | "euc-jp" | "eucjp-ms" | "eucjpms" | "eucjp-win" | "x-euc-jp" | "x-euc" | "ujis"
            | "euc-jp-ms" | "euc-jisx0213" | "euc-jis-2004" => Label::Known(EUC_JP),
            "jis" | "csiso2022jp" | "cp50220" | "cp50221" | "cp50222" | "x-iso-2022-jp" => Label::Iso2022Jp,
            "utf8" | "utf-8n" | "utf-8mb4" | "cp65001" => Label::Known(UTF_8),
            _ if name.starts_with("iso-2022-jp") || name.starts_with("iso2022jp") => Label::Iso2022Jp,
            _ => Encoding::for_label_no_replacement(name.as_bytes())
                .or_else(|| Encoding::for_label_no_replacement(label.trim().as_bytes()))
                .map_or(Label::Unknown, Label::Known),
        }
    }
}

/// Decodes `bytes` that claim to be in the charset `label`.
pub fn decode(bytes: &[u8], label: Option<&str>, familiar: Familiar<'_>) -> Result<Decoded, Undecidable> {
    let declared = Label::find(label);
    if let Some(wide) = wide(bytes, declared) {
        return strict(wide, bytes).map(|text| done(text, wide, declared != Label::Known(wide))).ok_or(Undecidable);
    }
    let high = bytes.iter().any(|byte| *byte >= 0x80);
    if has_escapes(bytes)
        && !high
        && let Some(text) = iso_2022_jp(bytes)
    {
        return Ok(Decoded { text, charset: "iso-2022-jp", guessed: declared != Label::Iso2022Jp });
    }
    if !high {
        return match declared {
            Label::Utf7 if bytes.contains(&b'+') => Err(Undecidable),
            Label::Iso2022Jp => {
                let text = iso_2022_jp(bytes).ok_or(Undecidable)?;
                Ok(Decoded { text, charset: "iso-2022-jp", guessed: false })
            }
            _ => Ok(Decoded { text: String::from_utf8_lossy(bytes).into_owned(), charset: "us-ascii", guessed: false }),
        };
    }
    match declared {
        Label::Known(encoding) if encoding == UTF_8 => match strict(UTF_8, bytes) {
            Some(text) => Ok(done(text, UTF_8, false)),
            None => guess_against(bytes, familiar).ok_or(Undecidable),
        },
        Label::Known(encoding) if encoding.is_single_byte() => Ok(single_byte(bytes, encoding, familiar)),
        Label::Known(encoding) => multi_byte(bytes, encoding, familiar),
        Label::Utf7 => Err(Undecidable),
        Label::Silent | Label::Unknown | Label::Iso2022Jp => {
            match has_escapes(bytes).then(|| iso_2022_jp(bytes)).flatten() {
                Some(text) => Ok(Decoded { text, charset: "iso-2022-jp", guessed: declared != Label::Iso2022Jp }),
                None => guess(bytes, familiar),
            }
        }
    }
}

fn done(text: String, encoding: &'static Encoding, guessed: bool) -> Decoded {
    Decoded { text, charset: name(encoding), guessed }
}

/// Lower-case name of a charset.
fn name(encoding: &'static Encoding) -> &'static str {
    match encoding.name() {
        "UTF-8" => "utf-8",
        "Shift_JIS" => "shift_jis",
        "EUC-JP" => "euc-jp",
        "UTF-16LE" => "utf-16le",
        "UTF-16BE" => "utf-16be",
        "ISO-2022-JP" => "iso-2022-jp",
        other => other,
    }
}

/// UTF-16, declared or shown by its mark.
fn wide(bytes: &[u8], declared: Label) -> Option<&'static Encoding> {
    match (bytes, declared) {
        ([0xFF, 0xFE, ..], _) => Some(UTF_16LE),
        ([0xFE, 0xFF, ..], _) => Some(UTF_16BE),
        (_, Label::Known(encoding)) if encoding == UTF_16LE || encoding == UTF_16BE => Some(encoding),
        _ => None,
    }
}

/// Decodes without replacement; byte order marks are taken off, of which some programs write two.
fn strict(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    Some(text.trim_start_matches('\u{FEFF}').to_string())
}

/// In a Western charset every byte string decodes, so a wrong label shows only in what comes out.
fn single_byte(bytes: &[u8], encoding: &'static Encoding, familiar: Familiar<'_>) -> Decoded {
    if let Some(text) = strict(UTF_8, bytes) {
        return done(text, UTF_8, true);
    }
    match (guess_against(bytes, familiar), strict(encoding, bytes)) {
        (Some(guess), _) => guess,
        (None, Some(text)) => done(text, encoding, false),
        (None, None) => done(encoding.decode_without_bom_handling(bytes).0.into_owned(), encoding, false),
    }
}

/// A declared multi-byte charset is believed unless it fails, or looks wrong while another looks right.
fn multi_byte(bytes: &[u8], encoding: &'static Encoding, familiar: Familiar<'_>) -> Result<Decoded, Undecidable> {
    let Some(text) = strict(encoding, bytes) else { return guess(bytes, familiar) };
    let keys = familiar(&text);
    if keys > 0 || plausibility(&text) >= PLAUSIBLE {
        return Ok(done(text, encoding, false));
    }
    match guess(bytes, familiar) {
        Ok(other) if familiar(&other.text) > 0 || plausibility(&other.text) >= SURELY_JAPANESE => {
            let guessed = other.charset != name(encoding);
            Ok(Decoded { guessed, ..other })
        }
        _ => Ok(done(text, encoding, false)),
    }
}

/// The charset of 8-bit bytes without a usable label.
fn guess(bytes: &[u8], familiar: Familiar<'_>) -> Result<Decoded, Undecidable> {
    if let Some(text) = strict(UTF_8, bytes) {
        return Ok(done(text, UTF_8, true));
    }
    best_japanese(bytes, familiar)
        .filter(|best| best.keys > 0 || best.plausibility >= PLAUSIBLE)
        .map(|best| done(best.text, best.encoding, true))
        .ok_or(Undecidable)
}

/// A guess that goes against a label which may well be true: damaged UTF-8 is not to become Shift_JIS.
fn guess_against(bytes: &[u8], familiar: Familiar<'_>) -> Option<Decoded> {
    best_japanese(bytes, familiar)
        .filter(|best| best.keys > 0 || best.plausibility >= SURELY_JAPANESE)
        .map(|best| done(best.text, best.encoding, true))
}

struct Candidate {
    text: String,
    encoding: &'static Encoding,
    keys: usize,
    plausibility: f64,
}

fn best_japanese(bytes: &[u8], familiar: Familiar<'_>) -> Option<Candidate> {
    let candidate = |encoding| {
        let text = strict(encoding, bytes)?;
        let (keys, plausibility) = (familiar(&text), plausibility(&text));
        Some(Candidate { text, encoding, keys, plausibility })
    };
    match (candidate(SHIFT_JIS), candidate(EUC_JP)) {
        (Some(one), Some(other)) => {
            let other_is_better = (other.keys, other.plausibility) > (one.keys, one.plausibility);
            Some(if other_is_better { other } else { one })
        }
        (one, other) => one.or(other),
    }
}

/// How Japanese the non-ASCII characters of a text look, from 0 to 1.
fn plausibility(text: &str) -> f64 {
    let mut sum = 0.0;
    let mut count = 0.0;
    for c in text.chars().filter(|c| !c.is_ascii()) {
        count += 1.0;
        sum += match c {
            '\u{3000}'..='\u{30FF}' | '\u{FF01}'..='\u{FF5E}' => 1.0,
            '\u{4E00}'..='\u{9FFF}' => 0.9,
            '\u{FF61}'..='\u{FF9F}' => 0.4,
            '\u{2010}'..='\u{2026}' | '\u{2190}'..='\u{2193}' | '\u{2460}'..='\u{25FF}' | '×' | '±' | '°' => 0.8,
            _ => 0.0,
        };
    }
    if count == 0.0 { 1.0 } else { sum / count }
}

/// Whether the bytes hold an ISO-2022 designation (ESC $ or ESC ( and a final byte).
pub fn has_escapes(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|window| matches!(window, [0x1B, b'$', b'@' | b'B' | b'('] | [0x1B, b'(', b'B' | b'J' | b'I']))
}

/// What the coming bytes of an ISO-2022-JP text stand for.
#[derive(Clone, Copy, PartialEq)]
enum Shift {
    Ascii,
    Katakana,
    Kanji,
    Supplement,
}

/// ISO-2022-JP with everything that is sent under its name: half-width katakana by ESC ( I, SO and SI or in 8 bits, NEC
/// and IBM rows, JIS X 0212, and lines that forget to return to ASCII (RFC 1468, CP50220 to 50222). Done by
/// transcoding to EUC-JP, whose decoder knows all these characters. `None` where the bytes are anything else.
fn iso_2022_jp(bytes: &[u8]) -> Option<String> {
    let mut euc = Vec::with_capacity(bytes.len() + bytes.len() / 2);
    let mut shift = Shift::Ascii;
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        if let Some((next, length)) = designation(rest) {
            shift = next;
            rest = rest.get(length..)?;
            continue;
        }
        rest = tail;
        match (byte, shift) {
            (b'\n', _) => {
                shift = Shift::Ascii;
                euc.push(byte);
            }
            (0x0E, _) => shift = Shift::Katakana,
            (0x0F, _) => shift = Shift::Ascii,
            (0x1B, _) => return None,
            (0xA1..=0xDF, _) => euc.extend([0x8E, byte]),
            (0x80.., _) => return None,
            (0x21..=0x5F, Shift::Katakana) => euc.extend([0x8E, byte | 0x80]),
            (0x21..=0x7E, Shift::Kanji | Shift::Supplement) => {
                let (&second, tail) = rest.split_first().filter(|(second, _)| matches!(second, 0x21..=0x7E))?;
                rest = tail;
                if shift == Shift::Supplement {
                    euc.push(0x8F);
                }
                euc.extend([byte | 0x80, second | 0x80]);
            }
            _ => euc.push(byte),
        }
    }
    strict(EUC_JP, &euc)
}

/// A designation at the start of `bytes`: what it selects, and how long it is.
fn designation(bytes: &[u8]) -> Option<(Shift, usize)> {
    match bytes {
        [0x1B, b'$', b'@' | b'B', ..] => Some((Shift::Kanji, 3)),
        [0x1B, b'$', b'(', b'@' | b'B' | b'O' | b'Q', ..] => Some((Shift::Kanji, 4)),
        [0x1B, b'$', b'(', b'D', ..] => Some((Shift::Supplement, 4)),
        [0x1B, b'(', b'B' | b'J' | b'H', ..] => Some((Shift::Ascii, 3)),
        [0x1B, b'(', b'I', ..] => Some((Shift::Katakana, 3)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "施設コード: 012\r\n性別: 女\r\n";

    fn keys(text: &str) -> usize {
        usize::from(text.contains("施設コード")) + usize::from(text.contains("性別"))
    }

    fn jis(text: &str) -> Vec<u8> {
        encoding_rs::ISO_2022_JP.encode(text).0.into_owned()
    }

    fn sjis(text: &str) -> Vec<u8> {
        SHIFT_JIS.encode(text).0.into_owned()
    }

    fn euc(text: &str) -> Vec<u8> {
        EUC_JP.encode(text).0.into_owned()
    }

    #[test]
    fn every_charset_under_every_label() {
        let labels = [
            None,
            Some("us-ascii"),
            Some("utf-8"),
            Some("iso-2022-jp"),
            Some("cp50221"),
            Some("shift_jis"),
            Some("cp932"),
            Some("euc-jp"),
            Some("iso-8859-1"),
            Some("windows-1252"),
            Some("x-nonsense"),
        ];
        for (bytes, charset) in [
            (TEXT.as_bytes().to_vec(), "utf-8"),
            (sjis(TEXT), "shift_jis"),
            (euc(TEXT), "euc-jp"),
            (jis(TEXT), "iso-2022-jp"),
        ] {
            for label in labels {
                let decoded = decode(&bytes, label, &keys).unwrap();
                assert_eq!(decoded.text, TEXT, "{charset} labeled {label:?}");
                assert_eq!(decoded.charset, charset, "labeled {label:?}");
            }
        }
    }

    #[test]
    fn a_true_label_is_no_guess() {
        for (bytes, label) in [
            (TEXT.as_bytes().to_vec(), "UTF8"),
            (sjis(TEXT), "Windows-31J"),
            (euc(TEXT), "cp51932"),
            (jis(TEXT), "iso-2022-jp-ms"),
            (b"plain".to_vec(), "us-ascii"),
            (b"caf\xe9".to_vec(), "iso-8859-1"),
        ] {
            assert!(!decode(&bytes, Some(label), &nobody).unwrap().guessed, "{label}");
        }
    }

    #[test]
    fn prose_needs_no_known_key() {
        let prose = "本日、症例を一件登録いたします。よろしくお願いいたします。";
        for bytes in [sjis(prose), euc(prose), jis(prose), prose.as_bytes().to_vec()] {
            assert_eq!(decode(&bytes, None, &nobody).unwrap().text, prose);
        }
    }

    #[test]
    fn what_is_sent_as_iso_2022_jp() {
        let read = |bytes: &[u8]| decode(bytes, Some("iso-2022-jp"), &nobody).map(|decoded| decoded.text);
        assert_eq!(read(b"\x1b(I:0D^\x1b(B: 1").unwrap(), "ｺｰﾄﾞ: 1");
        assert_eq!(read(b"\x0e:0D^\x0f: 1").unwrap(), "ｺｰﾄﾞ: 1");
        assert_eq!(read(b"\x1b$B;\\@_\x1b(B \xba\xb0\xc4\xde").unwrap(), "施設 ｺｰﾄﾞ");
        assert_eq!(read(b"\x1b$B;\\@_\nAge: 1").unwrap(), "施設\nAge: 1", "a line returns to ASCII");
        assert_eq!(read(b"\x1b$B-!\x1b(B").unwrap(), "①");
        assert_eq!(read(b"\x1b$(D0!\x1b(B").unwrap(), "丂");
        assert_eq!(decode(b"\x1b$B;", Some("iso-2022-jp"), &nobody), Err(Undecidable));
    }

    #[test]
    fn utf_7_and_rubbish_are_refused() {
        assert_eq!(decode(b"+ZS2jLQ-: 1", Some("utf-7"), &nobody), Err(Undecidable));
        assert_eq!(decode(b"\xff\x80\x81 \x90", None, &nobody), Err(Undecidable));
        assert_eq!(decode(b"\xe6\x96", Some("utf-8"), &nobody), Err(Undecidable));
    }

    #[test]
    fn utf_16_by_label_and_by_mark() {
        let bytes: Vec<u8> = "性別: 女".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&bytes, Some("utf-16le"), &nobody).unwrap().text, "性別: 女");
        let marked = [&[0xFF, 0xFE][..], &bytes].concat();
        assert_eq!(decode(&marked, None, &nobody).unwrap().text, "性別: 女");
    }
}
