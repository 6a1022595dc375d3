//! A form of ours that comes back inside the quotation of a reply, mended there.
//!
//! Pressing reply and mending the lines in place is what people do, but quoted lines are never data (they may be old, and
//! anybody's). Our own forms are framed by two rules, and only what stands between those is taken, only where the sender
//! wrote no data outside of the quotation, and, of a form that enrolls a subject or that was passed on, only where the mail answers one of
//! ours. What is quoted without a frame is shown to the sender and not taken ([`quoted`]).

use super::cut::is_rule;

/// Signs that mail programs put before quoted lines.
const QUOTES: [char; 4] = ['>', '＞', '|', '｜'];

/// The lines of the one framed form in `text`, without quotation marks; none if there is no whole frame, or several.
pub(super) fn form(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(unquoted).collect();
    let frames: Vec<usize> = lines.iter().enumerate().filter(|(_, line)| is_frame(line)).map(|(at, _)| at).collect();
    let [begin, end] = frames.as_slice() else { return None };
    let inside: Vec<&str> = lines.get(begin + 1..*end)?.iter().copied().filter(|line| !is_comment(line)).collect();
    Some(inside.join("\n"))
}

/// The lines behind quotation marks, without those; none if nothing is quoted so.
pub(super) fn quoted(text: &str) -> Option<String> {
    let marked = |line: &&str| line.trim_start_matches([' ', '\u{3000}']).starts_with(QUOTES);
    let lines: Vec<&str> = text.lines().filter(marked).map(unquoted).filter(|line| !is_comment(line)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Whether a line explains our form rather than answering it: `#` in the first column. A rule drawn with `#` is none.
pub(super) fn is_comment(line: &str) -> bool {
    line.starts_with(['#', '＃']) && !is_rule(line)
}

/// `# ----- from here -----`, in any language.
fn is_frame(line: &str) -> bool {
    let inner = line.strip_prefix(['#', '＃']).map(str::trim);
    let words = inner.and_then(|line| line.strip_prefix("-----")?.strip_suffix("-----"));
    words.is_some_and(|words| words.starts_with(' ') && words.ends_with(' ') && !words.trim().is_empty())
}

/// A line without the quotation marks before it; what is indented behind them stays so.
fn unquoted(line: &str) -> &str {
    let mut rest = line;
    while let Some(inner) = rest.trim_start_matches([' ', '\u{3000}']).strip_prefix(QUOTES) {
        rest = inner.strip_prefix(' ').unwrap_or(inner);
    }
    rest.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_form_is_found_whole() {
        let reply = "Mended below.\n\nOn Friday, Reg wrote:\n> Dear Dr Yamada,\n> # ----- from here -----\n> # ▲ 6l is no number\n\
                     > Age: 61\n> Remarks: first\n>   second\n> # ----- to here -----\n> -- \n> Study";
        assert_eq!(form(reply).as_deref(), Some("Age: 61\nRemarks: first\n  second"));
        let outlook = "差出人: reg\n# ----- ここから -----\n年齢: 61\n# ----- ここまで -----\n";
        assert_eq!(form(outlook).as_deref(), Some("年齢: 61"));
    }

    #[test]
    fn half_a_frame_or_two_forms_are_not_guessed() {
        assert_eq!(form("> # ----- from here -----\n> Age: 61"), None);
        let twice = "# ----- from here -----\nAge: 1\n# ----- to here -----\n".repeat(2);
        assert_eq!(form(&twice), None);
        assert_eq!(form("# ----------\nAge: 1\n# ----------"), None);
    }

    #[test]
    fn quoted_lines_are_told_from_the_senders_own() {
        let mail = "Mended.\n> # ▲ 6l is no number\n> Age: 61\n＞＞ Sex: F\nAge: 62";
        assert_eq!(quoted(mail).as_deref(), Some("Age: 61\nSex: F"));
        assert_eq!(quoted("Age: 62\nSex: F"), None);
    }

    #[test]
    fn rules_are_no_comments() {
        assert!(is_comment("# ▲ out of range") && is_comment("＃ 説明"));
        assert!(!is_comment("##########") && !is_comment(" # indented") && !is_comment("Age: #1"));
    }
}
