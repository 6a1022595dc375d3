//! `format=flowed` (RFC 3676): soft line breaks joined, space-stuffing taken off, `delsp=yes` respected.

/// The text with its paragraphs on one line each. With `delsp`, the blank that marks a soft break is not part of the text:
/// vital in Japanese, where words are not parted by blanks.
pub fn unfold(text: &str, delsp: Delsp) -> String {
    let mut unfolded = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let depth = line.chars().take_while(|c| *c == '>').count();
        let (quotes, rest) = line.split_at(depth);
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        if open.is_some_and(|joined| joined != depth) {
            unfolded.push('\n');
            open = None;
        }
        if open.is_none() && depth > 0 {
            unfolded.push_str(quotes);
            unfolded.push(' ');
        }
        let soft = rest.ends_with(' ') && rest != "-- ";
        unfolded.push_str(match (soft, delsp) {
            (true, Delsp::Yes) => rest.strip_suffix(' ').unwrap_or(rest),
            _ => rest,
        });
        open = soft.then_some(depth);
        if !soft {
            unfolded.push('\n');
        }
    }
    unfolded
}

/// The `DelSp` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delsp {
    /// The blank before a soft break is only its mark.
    Yes,
    /// It is text.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_joined() {
        assert_eq!(unfold("長い \n文\n", Delsp::Yes), "長い文\n");
        assert_eq!(unfold("a long \nline\n", Delsp::No), "a long line\n");
        assert_eq!(unfold(" > not a quote\n From x\n", Delsp::No), "> not a quote\nFrom x\n");
    }

    #[test]
    fn signatures_and_quotes_stay_apart() {
        assert_eq!(unfold("a\n-- \nYamada\n", Delsp::No), "a\n-- \nYamada\n");
        assert_eq!(unfold("> a \n> b\nc \n> d\n", Delsp::No), "> a b\nc \n> d\n");
    }
}
