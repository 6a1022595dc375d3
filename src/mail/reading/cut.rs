//! Takes away what the sender did not write for us: quotations, headers of quoted mails, signatures, footers, armor.
//!
//! A quoted mail looks exactly like data (`差出人: …`, and our own forms with old values), so this is a matter of
//! correctness, not of neatness. A form may be parted by rules, so a rule alone ends nothing: it does where no item
//! that was not answered before comes after it.

use std::collections::BTreeSet;

use super::lines::split_key;
use super::returned::is_comment;
use super::vocabulary::vocabulary;
use crate::domain::text;

/// Tells the item that a mail key means, if any.
pub type Known<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One line that is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<'t> {
    /// Its number in the text, counted from 1.
    pub number: usize,
    /// The line as typed.
    pub line: &'t str,
}

/// Longest line that is tried as a marker, in characters; longer ones are text.
const MARKER_CHARS: usize = 400;
/// Lines over which a quotation's introduction may be broken.
const ATTRIBUTION_LINES: usize = 3;
/// Lines in which the keys of a quoted header block must follow one another.
const HEADER_LINES: usize = 8;

/// The lines of `text` that are the sender's own.
pub fn cut<'t>(text: &'t str, known: Known<'_>) -> Vec<Kept<'t>> {
    let lines = text.lines().enumerate().map(|(at, line)| Kept { number: at + 1, line });
    let lines = without_armor(lines.filter(|kept| !is_comment(kept.line)).collect());
    let lines = without_quotes(&lines, known);
    without_signature(lines, known)
}

/// Clear-signed text (RFC 9580 section 7): only what is inside, with its dashes unescaped. Encrypted text is dropped.
fn without_armor(lines: Vec<Kept<'_>>) -> Vec<Kept<'_>> {
    let begins = |kept: &Kept<'_>, what: &str| kept.line.trim_end() == what;
    if let Some(start) = lines.iter().position(|kept| begins(kept, "-----BEGIN PGP SIGNED MESSAGE-----")) {
        let mut inside = Vec::new();
        let mut header = true;
        for kept in lines.into_iter().skip(start + 1) {
            if begins(&kept, "-----BEGIN PGP SIGNATURE-----") {
                break;
            }
            if header {
                header = !kept.line.trim().is_empty();
                continue;
            }
            let line = kept.line.strip_prefix("- ").unwrap_or(kept.line);
            inside.push(Kept { line, ..kept });
        }
        return inside;
    }
    match lines.iter().position(|kept| begins(kept, "-----BEGIN PGP MESSAGE-----")) {
        Some(start) => lines.into_iter().take(start).collect(),
        None => lines,
    }
}

/// A line as markers are matched against it.
fn folded(line: &str) -> String {
    if line.chars().nth(MARKER_CHARS).is_some() {
        return String::new();
    }
    text::fold_width(line).trim().to_string()
}

fn is_quoted(line: &str) -> bool {
    line.trim_start_matches([' ', '\u{3000}']).starts_with(['>', '＞', '|', '｜'])
}

fn without_quotes<'t>(lines: &[Kept<'t>], known: Known<'_>) -> Vec<Kept<'t>> {
    let words = vocabulary();
    let marks: Vec<String> = lines.iter().map(|kept| folded(kept.line)).collect();
    let is_data =
        |at: usize| lines.get(at).and_then(|kept| split_key(kept.line)).is_some_and(|(key, _)| known(key).is_some());
    let mut left = Vec::new();
    let mut at = 0;
    while let (Some(kept), Some(mark)) = (lines.get(at), marks.get(at)) {
        if kept.line == "-- " {
            break;
        }
        if is_quoted(kept.line) {
            at += 1;
            continue;
        }
        if !is_data(at) {
            if words.originals.is_match(mark) || is_header_block(&marks, at) {
                break;
            }
            if let Some(length) = attribution(&marks, at, &is_data) {
                let next =
                    (at + length..lines.len()).find(|next| marks.get(*next).is_some_and(|mark| !mark.is_empty()));
                if next.is_none_or(|next| lines.get(next).is_some_and(|kept| !is_quoted(kept.line))) {
                    break; // the quoted mail follows without marks
                }
                at += length;
                continue;
            }
            if words.footers.is_match(mark) {
                at += 1;
                continue;
            }
        }
        left.push(kept.clone());
        at += 1;
    }
    left
}

/// How many lines the introduction of a quotation takes that starts at `at`, if one does.
fn attribution(marks: &[String], at: usize, is_data: &dyn Fn(usize) -> bool) -> Option<usize> {
    let mut joined = String::new();
    for length in 1..=ATTRIBUTION_LINES {
        let mark = marks.get(at + length - 1).filter(|mark| !mark.is_empty())?;
        if is_data(at + length - 1) {
            return None;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(mark);
        let dated = joined.chars().any(|c| c.is_ascii_digit()) || joined.contains('@') || joined.ends_with(':');
        if dated && vocabulary().attributions.is_match(&joined) {
            return Some(length);
        }
    }
    None
}

/// Whether the header of a quoted mail starts here: the sender's key and two of the others close together.
fn is_header_block(marks: &[String], at: usize) -> bool {
    let words = vocabulary();
    let key = |mark: &String| {
        let (key, _) = split_key(mark)?;
        Some(text::fold(key.trim_matches(['*', '_', ' '])))
    };
    let Some(first) = marks.get(at).and_then(key) else { return false };
    let is_from = |key: &String| words.header_from.contains(key);
    let is_other = |key: &String| words.header_others.contains(key);
    if !is_from(&first) && !is_other(&first) {
        return false;
    }
    let near: Vec<String> =
        marks.iter().skip(at).filter(|mark| !mark.is_empty()).take(HEADER_LINES).filter_map(key).collect();
    near.iter().any(is_from) && near.iter().filter(|key| is_other(key)).collect::<BTreeSet<_>>().len() >= 2
}

/// Ends at a rule (or `--` without its blank) behind which no new item is answered.
fn without_signature<'t>(lines: Vec<Kept<'t>>, known: Known<'_>) -> Vec<Kept<'t>> {
    let mut answered = BTreeSet::new();
    let mut first_data = None;
    let mut last_new = 0;
    for (at, kept) in lines.iter().enumerate() {
        let item = split_key(kept.line).and_then(|(key, _)| known(key));
        if item.is_some_and(|item| answered.insert(item)) {
            first_data.get_or_insert(at);
            last_new = at;
        }
    }
    let Some(first_data) = first_data else { return lines };
    let end = lines.iter().enumerate().position(|(at, kept)| at > first_data && at > last_new && is_rule(kept.line));
    let end = end.unwrap_or(lines.len());
    lines.into_iter().take(end).collect()
}

/// A line drawn with repeated signs, such as `━━━━━`, `＊＊＊＊＊`, `-=-=-=-`, or a bare `--`.
pub(super) fn is_rule(line: &str) -> bool {
    let line = line.trim();
    if matches!(line, "--" | "―" | "—") {
        return true;
    }
    let drawn = |c: char| {
        matches!(
            c,
            '-' | '='
                | '*'
                | '_'
                | '~'
                | '#'
                | '+'
                | '.'
                | '━'
                | '─'
                | '―'
                | '—'
                | '–'
                | '‐'
                | '－'
                | 'ー'
                | '＝'
                | '＊'
                | '＿'
                | '～'
                | '〜'
                | '＃'
                | '＋'
                | '・'
                | '…'
                | '‥'
                | '☆'
                | '★'
                | '◇'
                | '◆'
                | '□'
                | '■'
                | '○'
                | '●'
                | '◎'
                | '┏'
                | '┓'
                | '┗'
                | '┛'
                | '┌'
                | '┐'
                | '└'
                | '┘'
                | '╋'
                | '┼'
                | '║'
                | '═'
                | '♪'
                | '※'
                | ' '
                | '\u{3000}'
        )
    };
    line.chars().filter(|c| !c.is_whitespace()).count() >= 4 && line.chars().all(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(key: &str) -> Option<String> {
        ["age", "年齢", "sex", "site", "remarks"].contains(&text::fold(key).as_str()).then(|| text::fold(key))
    }

    fn left(text: &str) -> String {
        cut(text, &known).into_iter().map(|kept| kept.line).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn quoted_lines_go_and_text_between_them_stays() {
        assert_eq!(left("> Age: 1\nAge: 2\n＞ Age: 3\nSex: F"), "Age: 2|Sex: F");
        assert_eq!(left("On Fri, 20 Nov 2026 at 9:00, Reg <reg@x.jp>\nwrote:\n> Age: 1\n\nAge: 2"), "|Age: 2");
    }

    #[test]
    fn a_quoted_mail_without_marks_ends_the_text() {
        for intro in [
            "-----Original Message-----",
            "----- 元のメッセージ -----",
            "---------- Forwarded message ---------",
            "On Fri, 20 Nov 2026 at 9:00, Reg <reg@x.jp> wrote:",
            "2026年11月20日(金) 9:00 Reg <reg@x.jp>:",
            "山田さんは書きました:",
            "2026/11/20 9:00、Reg <reg@x.jp>のメール:",
            "From: reg@x.jp\nSent: Friday\nTo: yamada@x.jp\nSubject: x\n",
            "差出人: reg@x.jp\n送信日時: 2026年\n宛先: y\n件名: x\n",
            "*From:* Reg\n*Date:* Friday\n*Subject:* x\n",
            "Begin forwarded message:",
        ] {
            assert_eq!(left(&format!("Sex: F\n{intro}\nAge: 99")), "Sex: F", "{intro}");
        }
    }

    #[test]
    fn one_key_of_a_header_is_no_header() {
        assert_eq!(left("Date: today\nSex: F"), "Date: today|Sex: F");
    }

    #[test]
    fn an_answer_is_no_introduction() {
        assert_eq!(left("Remarks: 患者さんは書きました:\nSex: F"), "Remarks: 患者さんは書きました:|Sex: F");
    }

    #[test]
    fn signatures() {
        assert_eq!(left("Age: 65\n-- \nAge: 66"), "Age: 65");
        assert_eq!(left("Age: 65\n--\nSite: x hospital\nAge: 66"), "Age: 65|--|Site: x hospital|Age: 66");
        assert_eq!(
            left("Site: 012\nAge: 65\n━━━━━━━━\n枚方病院\nSite: x hospital\nTEL: 1\n━━━━━━━━"),
            "Site: 012|Age: 65"
        );
        assert_eq!(left("=====\nAge: 65\n=====\nSex: F\n=====\nYamada"), "=====|Age: 65|=====|Sex: F");
    }

    #[test]
    fn footers_of_phones() {
        for footer in [
            "Sent from my iPhone",
            "iPhoneから送信",
            "Android 版 Outlook を入手",
            "Get Outlook for iOS<https://aka.ms/x>",
        ] {
            assert_eq!(left(&format!("Age: 65\n{footer}")), "Age: 65", "{footer}");
        }
    }

    #[test]
    fn armor() {
        let signed = "before\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nAge: 65\n- -- \nYamada\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n\
                      -----END PGP SIGNATURE-----\nAge: 66";
        assert_eq!(left(signed), "Age: 65");
        assert_eq!(left("-----BEGIN PGP MESSAGE-----\n\nAAAA=\n-----END PGP MESSAGE-----"), "");
    }
}
