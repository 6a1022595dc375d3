//! Witnesses: where a study's audit chain ended on a day, written into a letter that lies outside of our hands.
//!
//! Whoever keeps the letter can have it checked later that the chain still holds that entry: then nothing before it was
//! replaced. No code authenticates it: it accuses the chain, and whoever could forge the letter could only do so falsely.

use super::study::Stage;

/// First line of the block.
pub const BEGIN: &str = "-----BEGIN HAGAKI WITNESS-----";
/// Last line of the block.
pub const END: &str = "-----END HAGAKI WITNESS-----";

/// Where a chain ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Study's slug.
    pub study: String,
    /// Whether it was rehearsing.
    pub stage: Stage,
    /// Number of entries.
    pub entries: i64,
    /// Digest of the last, in lower-case hexadecimal.
    pub head: String,
}

impl Witness {
    /// The block, lines parted by `\n`.
    pub fn render(&self) -> String {
        let Witness { study, stage, entries, head } = self;
        format!("{BEGIN}\nhagaki 1\nstudy {study}\nstage {}\nentries {entries}\nhead {head}\n{END}\n", stage.key())
    }

    /// Reads the first block in a text, quoted or re-wrapped as mail programs do.
    pub fn parse(text: &str) -> Option<Witness> {
        let block = text.split_once(BEGIN)?.1.split_once(END)?.0;
        let words: Vec<&str> = block.split_whitespace().filter(|word| *word != ">").collect();
        let ["hagaki", "1", "study", study, "stage", stage, "entries", entries, "head", head] = *words else {
            return None;
        };
        let hexadecimal = head.len() == 64 && head.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Witness {
            study: study.to_string(),
            stage: Stage::find(stage)?,
            entries: entries.parse().ok().filter(|entries| *entries > 0)?,
            head: hexadecimal.then(|| head.to_ascii_lowercase())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_read_back_from_a_quoted_mail() {
        let witness = Witness { study: "aurora".into(), stage: Stage::Production, entries: 12, head: "ab".repeat(32) };
        let text = format!("Dear all,\n\n{}\nbye", witness.render().replace('\n', "\r\n> "));
        assert_eq!(Witness::parse(&text), Some(witness.clone()));
        for (from, to) in [("entries 12", "entries x"), ("head ab", "head "), ("production", "theater"), ("END", "And")]
        {
            assert_eq!(Witness::parse(&witness.render().replace(from, to)), None, "{to}");
        }
    }
}
