//! Lines to `key: value` pairs. Which key means which item is decided in `domain::answer`.

use super::cut::{Kept, Known};
use crate::domain::answer::Line;
use crate::domain::instrument::{Instrument, ItemKind};

/// What may stand between key and value; the first on a line wins.
const SEPARATORS: [char; 10] = [':', '：', '=', '＝', '\t', '﹕', '︓', '﹦', '\u{A789}', '\u{2236}'];
/// Longest key, in characters; a longer one is prose.
const KEY_CHARS: usize = 100;

/// A line so long, in characters, was probably broken by the mail program (RFC 5322 section 2.1.1 advises 78, programs break
/// between 66 and 76; Japanese ones by columns, two to a character).
const WRAPPED_CHARS: usize = 33;

/// How far an answer goes on below its key, beside what is indented there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Not at all, unless nothing stands behind the key: then the next line is the answer.
    Line,
    /// Where the mail program broke a long line.
    Wrapped,
    /// To the next key or empty line.
    Lines,
}

/// Tells how far the answer to an item goes.
pub type Reaches<'a> = &'a dyn Fn(&str) -> Reach;

/// How far the answers of a form go.
pub fn reaches(instrument: &Instrument) -> impl Fn(&str) -> Reach {
    |item| match instrument.find(item).map(|item| &item.kind) {
        Some(ItemKind::Note) => Reach::Lines,
        Some(ItemKind::Text { .. }) => Reach::Wrapped,
        _ => Reach::Line,
    }
}

/// The pairs of the kept lines, and the lines that are in none, those whose key is not `known` among them. An indented line
/// goes on with the value before it, unless it is a pair of its own whose key is `known`; one that is not goes on as far as
/// the item `reaches`.
pub fn split<'k>(kept: &[Kept<'k>], known: Known<'_>, reaches: Reaches<'_>) -> (Vec<Line>, Vec<&'k str>) {
    let (mut lines, mut prose): (Vec<Line>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut open: Option<Open<'_>> = None;
    for Kept { number, line } in kept {
        if line.trim().is_empty() {
            open = None;
            continue;
        }
        let indented = line.starts_with([' ', '\t', '\u{3000}', '\u{A0}']);
        let pair = split_key(line).or_else(|| split_bracketed(line, known));
        let below = open.filter(|open| indented || open.takes(*number));
        let pair = pair.filter(|(key, _)| below.is_none_or(|open| !indented && !open.empty) || known(key).is_some());
        match (pair, below, lines.last_mut()) {
            (Some((key, value)), ..) => {
                let (key, value) = undecorated(key, value);
                let reach = known(key).map_or(Reach::Line, |item| reaches(&item));
                open = Some(Open { reach, number: *number, empty: value.is_empty(), line });
                if known(key).is_none() {
                    prose.push(*line);
                }
                lines.push(Line { key: key.to_string(), value, number: *number });
            }
            (None, Some(before), Some(last)) => {
                let own = undecorated("", line.trim()).1;
                // A paragraph that was broken is one again; lines somebody ended stay lines.
                let wrapped = !indented && before.reach == Reach::Wrapped;
                match last.value.chars().last().zip(own.chars().next()) {
                    None => {}
                    Some((end, start)) if wrapped => last.value.push_str(joint(end, start)),
                    Some(_) => last.value.push('\n'),
                }
                last.value.push_str(&own);
                open = Some(Open { number: *number, empty: false, line, ..before });
            }
            (None, _, _) => {
                open = None;
                prose.push(*line);
            }
        }
    }
    (lines, prose)
}

/// The pair that the next line may go on with.
#[derive(Clone, Copy)]
struct Open<'k> {
    reach: Reach,
    /// Number of its last line.
    number: usize,
    /// Whether nothing stood behind the key.
    empty: bool,
    /// Its last line.
    line: &'k str,
}

impl Open<'_> {
    /// Whether a line that is not indented belongs to it. Comments between them part them.
    fn takes(self, number: usize) -> bool {
        let wrapped = || self.line.chars().nth(WRAPPED_CHARS - 1).is_some();
        number == self.number + 1
            && match self.reach {
                _ if self.empty => true,
                Reach::Line => false,
                Reach::Wrapped => wrapped(),
                Reach::Lines => true,
            }
    }
}

/// What stood between two words where a line was broken: Japanese ones are not parted.
fn joint(end: char, start: char) -> &'static str {
    let parted = |c: char| c < '\u{2E80}';
    if parted(end) && parted(start) { " " } else { "" }
}

/// Without what programs that turn HTML into plain text put around words: `*Age:* 64`, `Site: *021*`, `a@b.jp<mailto:a@b.jp>`.
fn undecorated<'l>(key: &'l str, value: &str) -> (&'l str, String) {
    const LINKS: [&str; 4] = ["<mailto:", "<http://", "<https://", "<tel:"];
    let (key, value) = match (key.strip_prefix('*'), value.strip_prefix('*')) {
        (Some(inner), Some(rest)) => (inner.trim(), rest.trim_start()),
        _ => (key, value),
    };
    let inner = value.strip_prefix('*').and_then(|value| value.strip_suffix('*'));
    let mut rest = inner.filter(|inner| !inner.trim().is_empty() && !inner.contains('*')).unwrap_or(value);
    let mut bare = String::with_capacity(rest.len());
    while let Some(at) = LINKS.iter().filter_map(|link| rest.find(link)).min() {
        let (before, link) = rest.split_at(at);
        bare.push_str(before);
        let end = link.find(['>', ' ', '\n']).filter(|end| link[*end..].starts_with('>') && !bare.trim().is_empty());
        let (kept, after) = match end {
            Some(end) => ("", &link[end + 1..]),
            None => link.split_at(1),
        };
        bare.push_str(kept);
        rest = after;
    }
    bare.push_str(rest);
    (key, bare.trim().to_string())
}

/// Key and value of a line, trimmed; `None` for prose, rules and web addresses.
pub fn split_key(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let at = line.find(SEPARATORS)?;
    let (key, rest) = line.split_at(at);
    let key = key.trim();
    let value = rest.get(rest.chars().next().map_or(0, char::len_utf8)..)?;
    let is_address = rest.starts_with("://");
    let is_key = !key.is_empty() && key.chars().nth(KEY_CHARS).is_none();
    (is_key && !is_address).then(|| (key, value.trim()))
}

/// `【年齢】65`: brackets instead of a separator, for known keys only.
fn split_bracketed<'l>(line: &'l str, known: Known<'_>) -> Option<(&'l str, &'l str)> {
    let (open, close) = [('【', '】'), ('[', ']'), ('［', '］'), ('「', '」')]
        .into_iter()
        .find(|(open, _)| line.trim().starts_with(*open))?;
    let inner = line.trim().strip_prefix(open)?;
    let (key, value) = inner.split_once(close)?;
    known(key).is_some().then(|| (key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text;

    fn known(key: &str) -> Option<String> {
        ["age", "年齢", "remarks", "name"].contains(&text::fold(key).as_str()).then(|| text::fold(key))
    }

    fn reaches(item: &str) -> Reach {
        match item {
            "remarks" => Reach::Lines,
            "name" => Reach::Wrapped,
            _ => Reach::Line,
        }
    }

    fn pairs(text: &str) -> Vec<(String, String)> {
        let kept: Vec<Kept<'_>> = text.lines().enumerate().map(|(at, line)| Kept { number: at + 1, line }).collect();
        split(&kept, &known, &reaches).0.into_iter().map(|line| (line.key, line.value)).collect()
    }

    #[test]
    fn every_separator_and_the_first_wins() {
        for line in ["Age: 65", "Age：65", "Age=65", "Age ＝ 65", "Age\t65", "  Age :65 ", "Age\u{A0}：\u{3000}65"] {
            assert_eq!(pairs(line), [("Age".to_string(), "65".to_string())], "{line:?}");
        }
        assert_eq!(pairs("Remarks: a=b: c"), [("Remarks".to_string(), "a=b: c".to_string())]);
        assert_eq!(pairs("【年齢】65"), [("年齢".to_string(), "65".to_string())]);
    }

    #[test]
    fn indented_lines_go_on() {
        let lines = pairs("Remarks: one\n  two\n\u{3000}three: 3\n  Age: 65\nprose\n  more\n\n  lost");
        assert_eq!(lines, [("Remarks".into(), "one\ntwo\nthree: 3".into()), ("Age".into(), "65".to_string())]);
        assert_eq!(pairs("Remarks:\n  one\n  two"), [("Remarks".to_string(), "one\ntwo".to_string())]);
    }

    #[test]
    fn notes_go_on_to_the_next_key_or_empty_line() {
        let lines =
            pairs("Remarks: one\ntwo\nAge: 65\nprose\nRemarks:\nthree\nfour\n\nlost\nRemarks: five\nUnknown: six");
        let remarks = |value: &str| ("Remarks".to_string(), value.to_string());
        let others =
            [("Age".into(), "65".into()), remarks("three\nfour"), remarks("five"), ("Unknown".into(), "six".into())];
        assert_eq!(lines, [vec![remarks("one\ntwo")], others.to_vec()].concat());
    }

    #[test]
    fn what_a_program_broke_is_whole_again() {
        let long = "Name: a name that is long enough to be broken by a program";
        let whole = |text: &str| pairs(text).into_iter().next().unwrap().1;
        assert_eq!(whole(&format!("{long}\nfor mail")), format!("{} for mail", &long[6..]));
        assert_eq!(whole("Name: short\nThanks"), "short");
        let japanese = "Name: とても長い名前なので三十三文字を超えたところで改行されてしまうもの";
        assert_eq!(whole(&format!("{japanese}\nの続き")), format!("{}の続き", &japanese[6..]));
    }

    #[test]
    fn an_answer_may_stand_below_its_key() {
        assert_eq!(
            pairs("Age:\n65\nName:\n10:30\nAge:\n\n66"),
            [
                ("Age".to_string(), "65".to_string()),
                ("Name".to_string(), "10:30".to_string()),
                ("Age".to_string(), String::new()),
            ]
        );
        // A comment of the form parts them.
        let kept = [Kept { number: 1, line: "Age:" }, Kept { number: 3, line: "Yamada" }];
        assert_eq!(split(&kept, &known, &reaches).1, ["Yamada"]);
    }

    #[test]
    fn marks_of_bold_words_and_links_go() {
        for (typed, read) in [
            ("*Age:* 64", "64"),
            ("*Age*: 64", "64"),
            ("Age: *64*", "64"),
            ("*Age: 64", "64"),
            ("Age: *1/*2", "*1/*2"),
            ("Age: a@b.jp<mailto:a@b.jp>, c", "a@b.jp, c"),
            ("Age: <https://x.jp>", "<https://x.jp>"),
            ("Age: 3 <tel:", "3 <tel:"),
            ("Age: *", "*"),
            ("Age: **", "**"),
        ] {
            assert_eq!(pairs(typed).first().map(|(_, value)| value.as_str()), Some(read), "{typed}");
        }
    }

    #[test]
    fn prose_is_no_pair() {
        for line in ["hello", "https://example.org/", ": 65", "====", &format!("{}: x", "a".repeat(101))] {
            assert_eq!(pairs(line), [], "{line}");
        }
    }
}
