//! Pieces that the letters of one language share, and their insertion into templates ahead of time.
//!
//! A piece that a template names outright is put in when the template is compiled: the engine would copy all facts for
//! each piece it enters. Only a piece whose name is itself a fact (`lookup`) is entered while rendering.

use std::collections::BTreeMap;

use include_dir::Dir;

/// The block that is worded by itself, for the form in a letter's `mailto:` link.
const FORM: &str = "form";

/// A piece's source, with the file it comes from.
#[derive(Clone)]
struct Piece {
    file: String,
    source: &'static str,
    block: bool,
}

/// Shared pieces by bare name.
#[derive(Default)]
pub(super) struct Pieces(BTreeMap<String, Piece>);

impl Pieces {
    /// The pieces of a language for text and for HTML: `inline` ones are parts of a sentence, `blocks` are whole lines. A
    /// piece without a twin `<name>.html.hbs` serves both.
    pub(super) fn load(folder: &'static Dir<'static>) -> (Pieces, Pieces) {
        let (mut text, mut html) = (Pieces::default(), Pieces::default());
        for kind in ["inline", "blocks"] {
            let dir = folder.get_dir(folder.path().join(kind));
            for file in dir.into_iter().flat_map(Dir::files) {
                let base = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
                let Some(name) = base.strip_suffix(".hbs") else { continue };
                let source = file.contents_utf8().unwrap_or_default();
                let source = if kind == "inline" { source.trim_end() } else { source };
                let file = format!("templates/{}", file.path().display());
                let piece = Piece { file, source, block: kind == "blocks" };
                if let Some(name) = name.strip_suffix(".html") {
                    html.0.insert(name.to_string(), piece);
                } else {
                    html.0.entry(name.to_string()).or_insert_with(|| piece.clone());
                    text.0.insert(name.to_string(), piece);
                }
            }
        }
        (text, html)
    }

    /// The pieces that are entered while rendering: name, file, source. Blocks are all named outright but [`FORM`].
    pub(super) fn entered(&self) -> impl Iterator<Item = (&str, &str, &'static str)> {
        let entered = self.0.iter().filter(|(name, piece)| !piece.block || *name == FORM);
        entered.map(|(name, piece)| (name.as_str(), piece.file.as_str(), piece.source))
    }

    /// A built-in template with its pieces put in. A tag alone on its line takes the line end with it, as in the engine.
    pub(super) fn put_into(&self, source: &str) -> String {
        let mut out = String::with_capacity(source.len());
        let mut rest = source;
        while let Some((before, tag)) = rest.split_once("{{> ") {
            out.push_str(before);
            let Some((name, after)) = tag.split_once("}}") else {
                rest = tag;
                out.push_str("{{> ");
                continue;
            };
            rest = after;
            match self.0.get(name) {
                Some(Piece { source: piece, .. }) => {
                    let alone = (out.is_empty() || out.ends_with('\n')) && after.starts_with('\n');
                    out.push_str(&self.put_into(piece));
                    if alone && piece.ends_with('\n') {
                        rest = after.strip_prefix('\n').unwrap_or(after);
                    }
                }
                None => {
                    out.push_str("{{> ");
                    out.push_str(name);
                    out.push_str("}}");
                }
            }
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_piece_is_put_in_and_a_looked_up_one_is_left() {
        let pieces = [("lines", "a\n{{> word}}\n"), ("word", "w")];
        let piece = |source| Piece { file: String::new(), source, block: false };
        let pieces = pieces.map(|(name, source)| (name.to_string(), piece(source)));
        let pieces = Pieces(pieces.into_iter().collect());
        let put = pieces.put_into("x {{> word}} y\n{{> lines}}\nz {{> (lookup this \"p\")}} {{> absent}}");
        assert_eq!(put, "x w y\na\nw\nz {{> (lookup this \"p\")}} {{> absent}}");
    }
}
