//! The outcome of a count as a file: what `hagaki election tally --json` printed, read again for the letters that tell it.
//!
//! In charge of what those need. Whatever else stands there is left alone, for the file is kept to the byte.

use std::collections::BTreeSet;

use serde::Deserialize;

/// The outcome of an election.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Outcome {
    /// Whether nothing is left to be decided.
    pub complete: bool,
    /// Contest by contest.
    pub contests: Vec<Contested>,
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
    /// Voters without a ballot.
    pub abstained: Option<u64>,
    /// Slots of valid ballots that were left empty.
    pub empty_slots: Option<Sum>,
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
