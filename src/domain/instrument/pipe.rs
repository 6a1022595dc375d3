//! Answers given before in what is asked later: `{{mood}}` in a label or a help text.

/// A text in its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text that stands as it is.
    Plain(&'t str),
    /// Id of the item whose answer stands there.
    Answer(&'t str),
}

/// The pieces of a text; braces without a partner stand as they are.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{")
        && let Some((name, after)) = behind.split_once("}}")
    {
        pieces.push(Piece::Plain(before));
        pieces.push(Piece::Answer(name.trim()));
        rest = after;
    }
    pieces.push(Piece::Plain(rest));
    pieces
}

/// Ids of the items whose answers a text shows.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Answer(name) => Some(name),
        Piece::Plain(_) => None,
    })
}

/// A text with each answer put in by `answer`.
pub fn fill(text: &str, answer: impl Fn(&str) -> String) -> String {
    let filled = pieces(text).into_iter().map(|piece| match piece {
        Piece::Plain(text) => text.to_string(),
        Piece::Answer(name) => answer(name),
    });
    filled.collect()
}

/// What stands where there is no answer yet.
pub const BLANK: &str = "…";

/// A text without answers, as a blank form shows it.
pub fn blank(text: &str) -> String {
    fill(text, |_| BLANK.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_stand_where_they_are_named() {
        let text = "You gave {{mood}}; {{ slept }} hours. {{";
        assert_eq!(names(text).collect::<Vec<_>>(), ["mood", "slept"]);
        // What was typed is never read as a template again.
        assert_eq!(fill(text, |name| format!("<{{{{{name}}}}}>")), "You gave <{{mood}}>; <{{slept}}> hours. {{");
        assert_eq!(blank(text), "You gave …; … hours. {{");
    }

    proptest! {
        #[test]
        fn any_text_has_pieces(text in any::<String>()) {
            let whole: String = pieces(&text).iter().map(|piece| match piece {
                Piece::Plain(plain) | Piece::Answer(plain) => plain.len().to_string(),
            }).collect();
            prop_assert!(!whole.is_empty());
            if !text.contains("{{") {
                prop_assert_eq!(fill(&text, |_| String::new()), text);
            }
        }
    }
}
