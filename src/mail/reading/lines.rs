//! Lines to `key: value` pairs. Which key means which item is decided in `domain::answer`.

use super::cut::{Kept, Known};
use crate::domain::answer::Line;

/// What may stand between key and value; the first on a line wins.
const SEPARATORS: [char; 10] = [':', '：', '=', '＝', '\t', '﹕', '︓', '﹦', '\u{A789}', '\u{2236}'];
/// Longest key, in characters; a longer one is prose.
const KEY_CHARS: usize = 100;

/// The pairs of the kept lines. An indented line goes on with the value before it, unless it is a pair of its own whose key
/// is `known`.
pub fn split(kept: &[Kept<'_>], known: Known<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut open = false;
    for Kept { number, line } in kept {
        if line.trim().is_empty() {
            open = false;
            continue;
        }
        let indented = line.starts_with([' ', '\t', '\u{3000}', '\u{A0}']);
        let pair = split_key(line).or_else(|| split_bracketed(line, known));
        let pair = pair.filter(|(key, _)| !(indented && open) || known(key).is_some());
        match (pair, lines.last_mut()) {
            (Some((key, value)), _) => {
                lines.push(Line { key: key.to_string(), value: value.to_string(), number: *number });
                open = true;
            }
            (None, Some(last)) if indented && open => {
                if !last.value.is_empty() {
                    last.value.push('\n');
                }
                last.value.push_str(line.trim());
            }
            _ => open = false,
        }
    }
    lines
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
        ["age", "年齢", "remarks"].contains(&text::fold(key).as_str()).then(|| text::fold(key))
    }

    fn pairs(text: &str) -> Vec<(String, String)> {
        let kept: Vec<Kept<'_>> = text.lines().enumerate().map(|(at, line)| Kept { number: at + 1, line }).collect();
        split(&kept, &known).into_iter().map(|line| (line.key, line.value)).collect()
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
    fn prose_is_no_pair() {
        for line in ["hello", "https://example.org/", ": 65", "====", &format!("{}: x", "a".repeat(101))] {
            assert_eq!(pairs(line), [], "{line}");
        }
    }
}
