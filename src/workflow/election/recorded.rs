//! The outcome that is put on record, as `hagaki election tally --json` prints it: read here so that only such a one is taken, and shown
//! by the pages from it.
//!
//! It is kept to the byte, for its digest is what people cite. What is read of it is what a page shows; what else stands in it stays there.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::chain::Sha256Digest;

/// An outcome.
#[derive(Clone, Debug, Deserialize)]
pub struct Recorded {
    /// The files that were counted.
    pub files: Vec<Counted>,
    /// The public value that lots were drawn from.
    pub seed: Option<String>,
    /// Whether nothing is left to be decided.
    pub complete: bool,
    /// Contest by contest.
    pub contests: Vec<Contested>,
}

/// A file that was counted.
#[derive(Clone, Debug, Deserialize)]
pub struct Counted {
    /// Its digest, in lower-case hexadecimal.
    pub sha256: String,
}

/// One contest.
#[derive(Clone, Debug, Deserialize)]
pub struct Contested {
    /// Its id.
    pub contest: String,
    /// Ballots that were counted together.
    pub counted: Vec<Together>,
}

/// Ballots that were counted together.
#[derive(Clone, Debug, Deserialize)]
pub struct Together {
    /// District of the voters.
    pub voters: Option<String>,
    /// How many of which kind.
    pub numbers: Numbers,
    /// The seats that they fill.
    pub races: Vec<Race>,
}

/// Ballots, and what they weigh.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Sum {
    /// How many.
    pub ballots: u64,
    /// What they count together.
    pub weight: u64,
}

/// How many ballots there were of which kind.
#[derive(Clone, Debug, Deserialize)]
pub struct Numbers {
    /// Voters on the roll.
    pub roll: Option<u64>,
    /// All ballots.
    pub cast: Sum,
    /// Those that count.
    pub valid: Sum,
    /// Those on which nothing is marked.
    pub blank: Sum,
    /// Those that count for nobody, by reason.
    pub invalid_by_reason: BTreeMap<String, Sum>,
    /// Voters without a ballot.
    pub abstained: Option<u64>,
    /// Slots of valid ballots that were left empty.
    pub empty_slots: Sum,
    /// Names on valid ballots that count for nobody.
    pub void_names: Sum,
}

/// The filling of seats.
#[derive(Clone, Debug, Deserialize)]
pub struct Race {
    /// Whose seats.
    pub district: Option<String>,
    /// How many.
    pub seats: u32,
    /// How they were given.
    pub held: String,
    /// Whether enough had voted.
    pub quorum_met: Option<bool>,
    /// Everybody with their votes, the most first.
    pub standings: Vec<Standing>,
    /// How rankings were counted.
    pub detail: Option<Detail>,
    /// Who is elected.
    pub elected: Vec<Elected>,
    /// Seats that nobody gets.
    pub vacant: u32,
    /// What told equals apart.
    pub ties: Vec<Tie>,
    /// Who would move up, in this order.
    pub runners_up: Vec<Vec<String>>,
    /// Who will not take a seat.
    pub declined: Vec<String>,
    /// Who is elected to a post that comes first.
    pub elsewhere: Vec<Elsewhere>,
    /// Who is one too many of those who held the post before.
    pub capped: Vec<String>,
}

/// Somebody's votes.
#[derive(Clone, Debug, Deserialize)]
pub struct Standing {
    /// Id of a candidate, or `+` and a name that was written in.
    pub candidate: String,
    /// Votes for them.
    pub votes: Sum,
    /// In a vote of confidence, no.
    pub against: Option<Sum>,
}

/// Somebody elected.
#[derive(Clone, Debug, Deserialize)]
pub struct Elected {
    /// Who.
    pub candidate: String,
    /// Whether they moved up.
    pub moved_up: bool,
}

/// Equals who were told apart.
#[derive(Clone, Debug, Deserialize)]
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
#[derive(Clone, Debug, Deserialize)]
pub struct Elsewhere {
    /// Who.
    pub candidate: String,
    /// In which contest.
    pub contest: String,
}

/// How rankings were counted.
#[derive(Clone, Debug, Deserialize)]
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
#[derive(Clone, Debug, Deserialize)]
pub struct Round {
    /// Votes of each who is left, fractions.
    pub votes: BTreeMap<String, String>,
    /// Votes that are nobody's any more.
    pub exhausted: String,
}

/// Why an outcome is not put on record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOutcome {
    /// It is nothing that a count printed.
    #[error("the file is no outcome as `hagaki election tally --json` prints it: {0}")]
    Unread(String),
    /// It was counted by other rules.
    #[error("the outcome was not counted by the rules of this election: no file of it has the digest {0}")]
    OtherRules(String),
    /// Something is left to be decided.
    #[error("something is left to be decided in the outcome; count again when it is")]
    Incomplete,
}

impl Recorded {
    /// An outcome that was counted by the rules of that digest, and in which nothing is left open.
    ///
    /// # Errors
    /// Why it can be put on no record.
    pub fn read(text: &str, rule: &Sha256Digest) -> Result<Recorded, NoOutcome> {
        let read: Recorded = serde_json::from_str(text).map_err(|error| NoOutcome::Unread(error.to_string()))?;
        let rule = data_encoding::HEXLOWER.encode(rule);
        if !read.counts(&rule) {
            return Err(NoOutcome::OtherRules(rule));
        }
        if read.complete { Ok(read) } else { Err(NoOutcome::Incomplete) }
    }

    /// What was put on record.
    ///
    /// # Errors
    /// It cannot be read, which nobody could have put there.
    pub fn on_record(text: &str) -> Result<Recorded, NoOutcome> {
        serde_json::from_str(text).map_err(|error| NoOutcome::Unread(error.to_string()))
    }

    /// Whether a file of that digest was counted.
    pub fn counts(&self, sha256: &str) -> bool {
        self.files.iter().any(|file| file.sha256 == sha256)
    }
}
