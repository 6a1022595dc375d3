//! Header text: encoded words (RFC 2047) as they are really sent, and raw 8-bit or escaped bytes between them.
//!
//! Tolerated: no blank between words, lower-case `b` and `q`, missing padding, words cut inside a character (the bytes of
//! neighboring words of one charset are joined before decoding), words inside quotes.

use data_encoding::BASE64_NOPAD;

use super::charset::{self, Familiar};
use super::parameter::hex;

enum Segment<'a> {
    Raw(&'a [u8]),
    Word { label: String, bytes: Vec<u8> },
}

/// The text of an unfolded header value. Never fails: undecodable bytes become U+FFFD.
pub fn decode(raw: &[u8], familiar: Familiar<'_>) -> String {
    let mut text = String::new();
    let mut run: Vec<(String, Vec<u8>)> = Vec::new();
    let mut pending: &[u8] = b"";
    for segment in segments(raw) {
        match segment {
            Segment::Word { label, bytes } => {
                pending = b"";
                run.push((label, bytes));
            }
            Segment::Raw(blank) if !run.is_empty() && blank.iter().all(u8::is_ascii_whitespace) => pending = blank,
            Segment::Raw(bytes) => {
                flush(&mut text, &mut run, familiar);
                text.push_str(&decode_bytes(bytes, None, familiar));
            }
        }
    }
    flush(&mut text, &mut run, familiar);
    text.push_str(&String::from_utf8_lossy(pending));
    text
}

/// Bytes of a claimed charset as text; U+FFFD where nothing fits.
pub fn decode_bytes(bytes: &[u8], label: Option<&str>, familiar: Familiar<'_>) -> String {
    match charset::decode(bytes, label, familiar) {
        Ok(decoded) => decoded.text,
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn flush(text: &mut String, run: &mut Vec<(String, Vec<u8>)>, familiar: Familiar<'_>) {
    let mut words = run.drain(..).peekable();
    while let Some((label, first)) = words.next() {
        let mut group = vec![first];
        while let Some((_, next)) = words.next_if(|(other, _)| *other == label) {
            group.push(next);
        }
        let joined = group.concat();
        match charset::decode(&joined, Some(&label), familiar) {
            Ok(decoded) => text.push_str(&decoded.text),
            Err(_) => group.iter().for_each(|bytes| text.push_str(&decode_bytes(bytes, Some(&label), familiar))),
        }
    }
}

fn segments(raw: &[u8]) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while at < raw.len() {
        let rest = raw.get(at..).unwrap_or_default();
        match rest.starts_with(b"=?").then(|| parse_word(rest)).flatten() {
            Some((word, length)) => {
                if at > plain {
                    segments.push(Segment::Raw(raw.get(plain..at).unwrap_or_default()));
                }
                segments.push(word);
                at += length;
                plain = at;
            }
            None => at += 1,
        }
    }
    if at > plain {
        segments.push(Segment::Raw(raw.get(plain..at).unwrap_or_default()));
    }
    segments
}

/// An encoded word at the start of `rest`, and its length.
fn parse_word(rest: &[u8]) -> Option<(Segment<'_>, usize)> {
    let body = rest.get(2..)?;
    let label_end = body.iter().take(80).position(|byte| *byte == b'?')?;
    let label = body.get(..label_end)?;
    if label.is_empty() || !label.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let [kind, b'?', encoded @ ..] = body.get(label_end + 1..)? else { return None };
    let end = encoded.windows(2).position(|pair| pair == b"?=")?;
    let letters = encoded.get(..end)?;
    let bytes = match kind {
        b'B' | b'b' => base64(letters)?,
        b'Q' | b'q' => quoted(letters),
        _ => return None,
    };
    let label = String::from_utf8_lossy(label).to_ascii_lowercase();
    let label = label.split('*').next().unwrap_or_default().to_string(); // RFC 2231 section 5: charset*language
    Some((Segment::Word { label, bytes }, 2 + label_end + 3 + end + 2))
}

fn base64(letters: &[u8]) -> Option<Vec<u8>> {
    let mut stem: Vec<u8> =
        letters.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').collect();
    if stem.len() % 4 == 1 {
        stem.pop();
    }
    // Bits behind the last byte may be set by careless writers: they are cleared before decoding.
    match (stem.len() % 4, stem.pop()) {
        (0, last) => stem.extend(last),
        (left, Some(last)) => {
            let mask = if left == 2 { 0b11_0000 } else { 0b11_1100 };
            stem.push(
                ALPHABET.iter().position(|own| *own == last).and_then(|value| ALPHABET.get(value & mask)).copied()?,
            );
        }
        (_, None) => {}
    }
    BASE64_NOPAD.decode(&stem).ok()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn quoted(letters: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(letters.len());
    let mut at = 0;
    while let Some(byte) = letters.get(at) {
        let pair = letters.get(at + 1).zip(letters.get(at + 2)).and_then(|(high, low)| Some((hex(*high)?, hex(*low)?)));
        match (byte, pair) {
            (b'=', Some((high, low))) => {
                bytes.push(high * 16 + low);
                at += 3;
                continue;
            }
            (b'_', _) => bytes.push(b' '),
            _ => bytes.push(*byte),
        }
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::reading::charset::nobody;

    fn read(raw: &[u8]) -> String {
        decode(raw, &nobody)
    }

    #[test]
    fn words_as_the_standard_has_them() {
        assert_eq!(read(b"=?utf-8?B?55eH5L6L?= =?utf-8?Q?=E7=99=BB_x?= y"), "症例登 x y");
        assert_eq!(read(b"a =?us-ascii*en?Q?b?= c"), "a b c");
        assert_eq!(read(b"=?iso-2022-jp?B?GyRCPklOY0VQTz8bKEI=?="), "症例登録");
    }

    #[test]
    fn words_as_they_are_sent() {
        assert_eq!(read(b"[A]=?utf-8?b?55eH5L6L?==?utf-8?B?55m76Yyy?="), "[A]症例登録");
        let split = [&"症例".as_bytes()[..4], &"症例".as_bytes()[4..]]
            .map(|half| format!("=?utf-8?B?{}?=", data_encoding::BASE64.encode(half)));
        assert_eq!(read(split.join(" ").as_bytes()), "症例");
        assert_eq!(read(b"=?cp932?Q?=8F=C7=97=E1?="), "症例");
        assert_eq!(read(b"[A] \x1b$B>INc\x1b(B"), "[A] 症例");
        assert_eq!(read(b"[A] \x8f\xc7\x97\xe1\x93\x6f\x98\x5e"), "[A] 症例登録");
    }

    #[test]
    fn what_is_no_word_stays() {
        for raw in ["=?", "=?utf-8?", "=?utf-8?B?", "=?utf-8?X?abc?=", "a =?= b", "=?utf-8?B?!!!!?="] {
            assert_eq!(read(raw.as_bytes()), raw);
        }
    }
}
