//! The roll: who may vote, and the digest that fixes it together with the rules.
//!
//! What is frozen when voting is opened can be recomputed by anybody who has two files: the rules as they were published
//! (`election.toml`, to the byte) and the roll as [`lines`] writes it. That is one line for each voter, `number TAB name TAB district TAB
//! class TAB postal`, ended by a line feed, in UTF-8, sorted by the bytes of the lines; a district or class that the election does not
//! have is empty, `postal` is 1 for somebody who votes by post and 0 for everybody else. Addresses are not in it: to mend one changes
//! nobody's right. In a shell:
//!
//! ```text
//! rule=$(sha256sum < election.toml | cut -c1-64)
//! roll=$(LC_ALL=C sort roll.tsv | sha256sum | cut -c1-64)
//! printf 'hagaki election 1\nrule %s\nroll %s\n' "$rule" "$roll" | sha256sum
//! ```

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use super::Election;
use crate::domain::chain::Sha256Digest;
use crate::domain::language::Language;
use crate::domain::text;
use crate::limits;

/// What is digested first: which form of digest it is.
const LABEL: &str = "hagaki election 1";

/// Somebody who may vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Member number; nobody else of the roll has it.
    pub number: String,
    /// Name, as the roll shows it.
    pub name: String,
    /// Folded address that letters go to; empty where there is none.
    pub address: String,
    /// Language of their letters and pages; the study's first if none.
    pub language: Option<Language>,
    /// Id of their district, where the election has districts.
    pub district: Option<String>,
    /// Id of their class, where votes weigh differently.
    pub class: Option<String>,
    /// Whether they vote by post: then there is no vote of theirs on the web.
    pub postal: bool,
}

/// Why somebody cannot stand on a roll as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryFault {
    /// There is no member number, or it is too long or holds what nobody can see.
    Number,
    /// There is no name, or it is too long or holds what nobody can see.
    Name,
    /// There is no such district, none where there are some, or one where there are none.
    District(Option<String>),
    /// There is no such class, none where there are some, or one where there are none.
    Class(Option<String>),
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EntryFault::Number => {
                write!(f, "has no member number of at most {} visible characters", limits::MEMBER_NUMBER_CHARS)
            }
            EntryFault::Name => write!(f, "has no name of at most {} visible characters", limits::REPEATED_CHARS),
            EntryFault::District(Some(id)) => {
                write!(f, "is in the district \"{id}\", which the election does not have")
            }
            EntryFault::District(None) => f.write_str("is in no district"),
            EntryFault::Class(Some(id)) => write!(f, "is of the class \"{id}\", which the election does not have"),
            EntryFault::Class(None) => f.write_str("is of no class"),
        }
    }
}

impl Entry {
    /// Whether somebody can stand on the roll of an election as they are.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, election: &Election) -> Result<(), EntryFault> {
        let sound = |written: &str, most: usize| {
            let turned = written.chars().any(|c| c.is_control() || text::is_bidi(c));
            !written.is_empty() && text::squeeze(written) == written && written.chars().count() <= most && !turned
        };
        // Of a name what is invisible may choose the form of a character.
        if !sound(&self.number, limits::MEMBER_NUMBER_CHARS) || self.number.chars().any(text::is_invisible) {
            return Err(EntryFault::Number);
        }
        if !sound(&self.name, limits::REPEATED_CHARS) {
            return Err(EntryFault::Name);
        }
        let district = self.district.as_deref();
        if !district.map_or(election.districts.is_empty(), |id| election.has_district(id)) {
            return Err(EntryFault::District(self.district.clone()));
        }
        if election.weight(self.class.as_deref()).is_none() {
            return Err(EntryFault::Class(self.class.clone()));
        }
        Ok(())
    }

    /// Their line of the roll, with its line feed.
    fn line(&self) -> String {
        let (district, class) = (self.district.as_deref().unwrap_or(""), self.class.as_deref().unwrap_or(""));
        format!("{}\t{}\t{district}\t{class}\t{}\n", self.number, self.name, u8::from(self.postal))
    }
}

/// The roll as it is published, and digested.
pub fn lines(roll: &[Entry]) -> String {
    let mut lines: Vec<String> = roll.iter().map(Entry::line).collect();
    lines.sort_unstable();
    lines.concat()
}

/// Voters of each district, of all together where there are no districts; a district in which nobody votes has 0.
pub fn numbers(election: &Election, roll: &[Entry]) -> BTreeMap<Option<String>, u64> {
    let mut numbers: BTreeMap<Option<String>, u64> =
        election.districts.iter().map(|own| (Some(own.id.clone()), 0)).collect();
    if election.districts.is_empty() {
        numbers.insert(None, 0);
    }
    for entry in roll {
        *numbers.entry(entry.district.clone()).or_default() += 1;
    }
    numbers
}

/// Digests of rules and roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// Of the rules, as a file.
    pub rule: Sha256Digest,
    /// Of the roll.
    pub roll: Sha256Digest,
    /// Of both; everybody cites it.
    pub whole: Sha256Digest,
}

impl Frozen {
    /// The digests of rules, to the byte, and a roll.
    pub fn of(rule: &[u8], roll: &[Entry]) -> Frozen {
        let (rule, roll): (Sha256Digest, Sha256Digest) =
            (Sha256::digest(rule).into(), Sha256::digest(lines(roll)).into());
        let hex = |digest: &Sha256Digest| data_encoding::HEXLOWER.encode(digest);
        let both = format!("{LABEL}\nrule {}\nroll {}\n", hex(&rule), hex(&roll));
        Frozen { rule, roll, whole: Sha256::digest(both).into() }
    }
}
