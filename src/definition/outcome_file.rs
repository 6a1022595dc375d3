//! The outcome of a count as a file: what `hagaki election tally --json` printed, read again for the letters and pages that tell it.
//!
//! In charge of what those need. Whatever else stands there is left alone, for the file is kept to the byte, and its digest is what people
//! cite. What is withheld, because so few voted that it would tell how, is not there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The outcome of an election.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Outcome {
    /// The files that were counted.
    #[serde(default)]
    pub files: Vec<CountedFile>,
    /// The public value that lots were drawn from.
    #[serde(default)]
    pub seed: Option<String>,
    /// Whether nothing is left to be decided.
    pub complete: bool,
    /// Contest by contest.
    pub contests: Vec<Contested>,
}

impl Outcome {
    /// Whether a file of that digest, in lower-case hexadecimal, was counted.
    pub fn counts(&self, sha256: &str) -> bool {
        self.files.iter().any(|file| file.sha256 == sha256)
    }
}

/// A file that was counted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CountedFile {
    /// Its digest, in lower-case hexadecimal.
    pub sha256: String,
}

/// The outcome of one contest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Contested {
    /// Its id.
    pub contest: String,
    /// Ballots that were counted together.
    pub counted: Vec<Counted>,
}

/// Ballots that were counted together.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Counted {
    /// District of the voters, where each has ballots of its own.
    pub voters: Option<String>,
    /// How many ballots there were.
    pub numbers: Numbers,
    /// The seats that they fill.
    pub races: Vec<Race>,
    /// Whether it is not told how many there were for whom.
    #[serde(default)]
    pub withheld: bool,
}

/// So many ballots, and what they weigh; the same where every vote counts one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Sum {
    /// How many ballots.
    pub ballots: u64,
    /// What they count together.
    #[serde(default)]
    pub weight: u64,
}

/// How many ballots there were of which kind; none where that is withheld.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Numbers {
    /// Voters on the roll.
    pub roll: Option<u64>,
    /// All ballots.
    pub cast: Sum,
    /// Those that count.
    pub valid: Option<Sum>,
    /// Those on which nothing is marked.
    pub blank: Option<Sum>,
    /// Those that count for nobody.
    pub invalid: Option<Sum>,
    /// Those that count for nobody, by reason.
    #[serde(default)]
    pub invalid_by_reason: BTreeMap<String, Sum>,
    /// Voters without a ballot.
    pub abstained: Option<u64>,
    /// Slots of valid ballots that were left empty.
    pub empty_slots: Option<Sum>,
    /// Names on valid ballots that count for nobody.
    pub void_names: Option<Sum>,
}

/// The filling of seats.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Race {
    /// Whose seats, where they are by district.
    pub district: Option<String>,
    /// How many.
    pub seats: u32,
    /// How they were given.
    pub held: String,
    /// Whether enough had voted; none where nothing is asked for.
    pub quorum_met: Option<bool>,
    /// Everybody who stood, the most votes first.
    #[serde(default)]
    pub standings: Vec<Standing>,
    /// Who is elected.
    pub elected: Vec<Elected>,
    /// Seats that nobody gets.
    pub vacant: u32,
    /// Who would move up, in this order.
    #[serde(default)]
    pub runners_up: Vec<Vec<String>>,
    /// How rankings were counted.
    pub detail: Option<Detail>,
    /// What told equals apart.
    #[serde(default)]
    pub ties: Vec<Tie>,
    /// Who will not take a seat.
    #[serde(default)]
    pub declined: Vec<String>,
    /// Who is elected to a post that comes first.
    #[serde(default)]
    pub elsewhere: Vec<Elsewhere>,
    /// Who is one too many of those who held the post before.
    #[serde(default)]
    pub capped: Vec<String>,
}

/// Somebody's votes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// Who: the id of a candidate, or `+` with a name that was written in.
    pub candidate: String,
    /// Votes for them.
    pub votes: Sum,
    /// In a vote of confidence, votes against them.
    pub against: Option<Sum>,
}

/// Somebody elected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Elected {
    /// Who, as in [`Standing`].
    pub candidate: String,
    /// Whether they moved up for somebody who declined.
    #[serde(default)]
    pub moved_up: bool,
}

/// Equals who were told apart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tie {
    /// By which rule.
    pub by: String,
    /// In which order.
    pub order: Vec<Vec<String>>,
    /// Each one's lot, where lots were drawn.
    #[serde(default)]
    pub lots: BTreeMap<String, String>,
}

/// Somebody who is elected elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Elsewhere {
    /// Who.
    pub candidate: String,
    /// In which contest.
    pub contest: String,
}

/// How rankings were counted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Detail {
    /// By pairs.
    Pairs {
        /// Those who were compared.
        candidates: Vec<String>,
        /// How many prefer whom to whom.
        prefer: Vec<Vec<u64>>,
    },
    /// By transfer.
    Rounds {
        /// Votes that elect, a fraction.
        quota: String,
        /// Round by round.
        rounds: Vec<Round>,
    },
}

/// A round of a count by transfer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Round {
    /// Votes of each who is left, fractions.
    pub votes: BTreeMap<String, String>,
    /// Votes that are nobody's any more.
    pub exhausted: String,
}

/// Reads an outcome.
///
/// # Errors
/// Why it is none, in words.
pub fn read(text: &str) -> Result<Outcome, String> {
    let outcome: Outcome = serde_json::from_str(text)
        .map_err(|error| format!("is no outcome as `hagaki election tally --json` prints it ({error})"))?;
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    match outcome.contests.iter().find(|own| !seen.insert(&own.contest)) {
        Some(twice) => Err(format!("tells of the contest {} twice", twice.contest)),
        None => Ok(outcome),
    }
}
