//! Foreign text made harmless before it is repeated in a letter: nothing in it can end a line, hide or reorder text.

/// One line: line ends and other controls become blanks or vanish, at most `limit` characters, then `…`.
pub fn line(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut count = 0;
    for c in text.chars() {
        let c = if matches!(c, '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}') { ' ' } else { c };
        if hidden(c) {
            continue;
        }
        if count == limit {
            out.push('…');
            break;
        }
        out.push(c);
        count += 1;
    }
    out.trim().to_string()
}

/// Several lines, each without controls; never empty.
pub fn lines(text: &str) -> Vec<String> {
    text.replace("\r\n", "\n")
        .split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
        .map(|one| line(one, usize::MAX))
        .collect()
}

/// Characters that show nothing but change how others are shown or read: C0 and C1 controls, bidirectional
/// overrides and isolates (Unicode UAX 9), zero-width characters, byte order marks.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_line_can_end_or_reorder_it() {
        assert_eq!(line("a\r\nBcc: b\u{0}\u{1b}[31m\u{202e}c\u{2028}d\u{9b}", 100), "a  Bcc: b[31mc d");
        assert_eq!(line("髙﨑①㈱", 3), "髙﨑①…");
        assert_eq!(line("髙﨑①", 3), "髙﨑①");
    }

    #[test]
    fn lines_part_at_every_kind_of_line_end() {
        assert_eq!(lines("a\r\nb\rc\nd\u{2028}e\u{7}"), ["a", "b", "c", "d", "e"]);
        assert_eq!(lines(""), [""]);
    }
}
