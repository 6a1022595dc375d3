//! Folding of typed text, so that what people mean alike is found alike; and what may not stand in a header.
//!
//! Folding is for matching only: the typed text is always kept beside it. What is folded and why: Unicode NFKC
//! (UAX 15) brings full-width letters and half-width katakana with their voicing marks to one form; phones and word
//! processors replace hyphens, blanks and wave dashes by look-alikes; copied text carries invisible characters.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// Text that means the same in any width: NFKC, invisible characters removed, every blank a space, wave dashes alike,
/// dash look-alikes (but for the prolonged sound mark) a hyphen. Case, line breaks and inner blanks stay.
pub fn fold_width(text: &str) -> String {
    // Composition can bring a character that folds again (and removal can bring two together), hence the second pass. Most
    // text is normal as it is, and looking is cheaper than normalizing.
    let once: String = if is_normal(text) {
        text.chars().map(fold_char).collect()
    } else {
        text.chars().filter(|c| !is_invisible(*c)).nfkc().map(fold_char).collect()
    };
    if is_normal(&once) {
        return once;
    }
    once.chars().filter(|c| !is_invisible(*c)).nfkc().map(fold_char).collect()
}

/// Text for comparing: [`fold_width`], then lower case, kana alike, prolonged marks a hyphen, blanks squeezed to single
/// spaces and trimmed. The same for keys, choices and words.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return squeeze(&text.to_ascii_lowercase());
    }
    let mut folded = text.to_string();
    // Lower-casing and kana folding can make new compositions; a few rounds reach the fixed point that makes folding
    // idempotent.
    for _ in 0..4 {
        folded = fold_once(&folded);
        if is_normal(&folded) && folded.chars().all(is_folded) {
            break;
        }
    }
    folded
}

/// Whether any of it is in a script of East Asia, where the family's name stands first.
pub fn is_eastern(text: &str) -> bool {
    fold_width(text).chars().any(|c| c >= '\u{2E80}')
}

/// Whether normalizing again would surely change nothing; `false` when in doubt.
fn is_normal(text: &str) -> bool {
    is_nfkc_quick(text.chars()) == IsNormalized::Yes && !text.chars().any(is_invisible)
}

/// Whether a character stays as it is in [`fold_once`].
fn is_folded(c: char) -> bool {
    let mut lower = c.to_lowercase();
    fold_dash(fold_kana(fold_case(c))) == c && lower.next() == Some(c) && lower.next().is_none()
}

fn fold_once(text: &str) -> String {
    let lower = fold_width(text).to_lowercase();
    let alike: String = lower.chars().map(|c| fold_dash(fold_kana(fold_case(c)))).collect();
    squeeze(&alike)
}

/// Characters of which lower case is more than one letter form: the final sigma, and the sharp s.
fn fold_case(c: char) -> char {
    match c {
        'ς' => 'σ',
        other => other,
    }
}

/// [`fold`] without any blank: the form in which keys, choices and words are compared, because blanks between Japanese
/// characters are a matter of taste (`III 期`, `III期`).
pub fn fold_tight(text: &str) -> String {
    let mut folded = fold(text);
    folded.retain(|c| c != ' ');
    folded
}

/// [`fold_tight`] of a mail key, without its decoration: bullets, numbering and brackets before, marks and a remark in
/// parentheses behind (`■ 年齢`, `(3) Age*`, `【性別】`, `体重 (kg)`).
pub fn fold_key_undecorated(key: &str) -> String {
    let folded = fold(key);
    let mut rest = folded.trim_start_matches(is_bullet);
    if let Some(number) = strip_numbering(rest) {
        rest = number.trim_start_matches(is_bullet);
    }
    let mut rest = rest.trim_end_matches(is_bullet);
    if rest.ends_with(')')
        && let Some(open) = rest.rfind('(')
        && open > 0
    {
        rest = rest[..open].trim_end_matches(is_bullet);
    }
    rest.chars().filter(|c| *c != ' ').collect()
}

fn is_bullet(c: char) -> bool {
    matches!(
        c,
        ' ' | '*'
            | '-'
            | '・'
            | '•'
            | '●'
            | '○'
            | '■'
            | '□'
            | '◆'
            | '◇'
            | '▪'
            | '▼'
            | '▽'
            | '▶'
            | '★'
            | '☆'
            | '※'
            | '#'
            | '【'
            | '】'
            | '['
            | ']'
            | '「'
            | '」'
            | '『'
            | '』'
            | '<'
            | '>'
            | '〈'
            | '〉'
            | '《'
            | '》'
    )
}

/// What follows `3.`, `3)`, `(3)` or `q3.`.
fn strip_numbering(text: &str) -> Option<&str> {
    let open = text.strip_prefix('(').unwrap_or(text);
    let digits = open.trim_start_matches(|c: char| c.is_ascii_digit());
    if digits.len() == open.len() {
        return None;
    }
    let rest = digits.strip_prefix(')').or_else(|| digits.strip_prefix('.'))?;
    (!rest.is_empty()).then_some(rest)
}

/// A mail address for comparing: canonical composition and lower case, blanks around it gone. No NFKC here: addresses
/// that differ in width are different mailboxes (RFC 6532 section 3.1).
pub fn fold_address(address: &str) -> String {
    address.trim().nfc().collect::<String>().to_lowercase().nfc().collect()
}

/// Dash look-alikes of identifiers to a hyphen, the prolonged sound mark (U+30FC) among them.
pub fn fold_dashes(text: &str) -> String {
    text.chars().map(fold_dash).collect()
}

/// Runs of blanks and line breaks to one space; none at the ends.
pub fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !squeezed.is_empty() {
            squeezed.push(' ');
        }
        squeezed.push_str(word);
    }
    squeezed
}

fn fold_char(c: char) -> char {
    match c {
        '\n' => '\n',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FF0D}' | '\u{FE58}' | '\u{FE63}' => '-',
        '\u{301C}' | '\u{FF5E}' | '\u{223C}' => '~',
        '\u{3000}' | '\u{00A0}' => ' ',
        other if other.is_whitespace() => ' ',
        other => other,
    }
}

fn fold_dash(c: char) -> char {
    match c {
        '\u{30FC}' | '\u{FF70}' | '\u{2500}' => '-',
        other => fold_char(other),
    }
}

/// Hiragana to katakana.
fn fold_kana(c: char) -> char {
    match c {
        '\u{3041}'..='\u{3096}' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
        other => other,
    }
}

/// Zero-width characters, soft hyphen, byte order mark, word joiner, variation selectors, and the bare direction marks that some
/// programs copy along: they turn nothing around.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}' | '\u{034F}' | '\u{180B}'..='\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0100}'..='\u{E01EF}'
    )
}

/// Controls that no answer may hold: C0 but for tab and line breaks, DEL, C1.
pub fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// Characters that turn the direction of text around (UAX 9): a coded value that holds one may read otherwise than it is.
pub fn is_bidi(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether an answer holds a control character.
pub fn has_control(text: &str) -> bool {
    text.chars().any(is_control)
}

/// Whether a text holds a bidirectional control.
pub fn has_bidi(text: &str) -> bool {
    text.chars().any(is_bidi)
}

/// Typed text without control characters, line breaks as `\n`: what is kept and shown again.
pub fn without_controls(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").chars().filter(|c| !is_control(*c)).collect()
}

/// Text fit for a header: no control characters, line or paragraph separators or bidirectional controls, blanks
/// squeezed, at most `max_chars` characters (RFC 5322 section 2.2; header injection).
pub fn clean(text: &str, max_chars: usize) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .filter(|c| !is_bidi(*c))
        .collect();
    let squeezed = squeeze(&plain);
    let cut: String = squeezed.chars().take(max_chars).collect();
    cut.trim_end().to_string()
}

/// The entries of a word list: one a line, without blank lines and `#` comments.
pub fn words(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_of_any_width_are_alike() {
        assert_eq!(fold("施設ｺｰﾄﾞ"), fold("施設コード"));
        assert_eq!(fold("識別ﾊﾞﾝｺﾞｳ"), fold("識別ばんごう"));
        assert_eq!(fold("ＥＣＯＧ　ＰＳ"), "ecog ps");
        assert_eq!(fold(" ECOG\u{00A0} PS\u{200B}"), "ecog ps");
        assert_eq!(fold("１〜２"), fold("1～2"));
    }

    #[test]
    fn dashes_are_alike() {
        for dash in ['-', '−', '‐', '‑', '–', '—', '―', '－', 'ー', 'ｰ'] {
            assert_eq!(fold(&format!("A{dash}0031")), "a-0031", "{dash:?}");
        }
        assert_eq!(fold_width("コード A−1"), "コード A-1");
    }

    #[test]
    fn decoration_of_keys_falls_off() {
        for key in ["■ 年齢", "(3) 年齢", "３．年齢", "【年齢】", "年齢（歳）", "・年齢*", "※年齢", "① 年齢"]
        {
            let expected = if key.starts_with('①') { "1年齢" } else { "年齢" };
            assert_eq!(fold_key_undecorated(key), expected, "{key}");
        }
        assert_eq!(fold_key_undecorated("(歳)"), "(歳)");
    }

    #[test]
    fn headers_take_no_line_breaks() {
        assert_eq!(clean("a\r\nBcc: x\u{2028}y\0", 100), "a Bcc: x y");
        assert_eq!(clean("\u{202E}abc", 2), "ab");
    }

    proptest! {
        #[test]
        fn folding_is_idempotent(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
            let wide = fold_width(&text);
            prop_assert_eq!(fold_width(&wide), wide);
        }

        #[test]
        fn nothing_panics(text in any::<String>(), max in 0usize..50) {
            fold_key_undecorated(&text);
            prop_assert!(clean(&text, max).chars().count() <= max);
            prop_assert!(!has_control(&without_controls(&text)));
        }
    }
}
