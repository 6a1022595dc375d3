//! What a count gives: every number, who is elected, and what is still to be decided.

use std::collections::BTreeMap;

use super::ballot::Who;
use super::contest::{Holding, Method};
use super::fill::Undecided;
use super::judge::Invalid;
use super::schulze::Pairwise;
use super::stv::Transfer;
use super::tie::Broken;

/// The outcome of an election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Contest by contest, in the order of the rules.
    pub contests: Vec<Contested>,
}

impl Outcome {
    /// Whether nothing is left to be decided.
    pub fn is_complete(&self) -> bool {
        self.races().all(Race::is_complete)
    }

    /// Candidates who are elected in more than one contest, with these.
    pub fn elected_twice(&self) -> Vec<(String, Vec<String>)> {
        let mut posts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for own in &self.contests {
            let races = own.counted.iter().flat_map(|counted| &counted.races);
            for id in races.flat_map(|race| &race.elected).filter_map(|elected| elected.who.id()) {
                posts.entry(id.to_string()).or_default().push(own.contest.clone());
            }
        }
        posts.into_iter().filter(|(_, contests)| contests.len() > 1).collect()
    }

    /// Every race.
    pub fn races(&self) -> impl Iterator<Item = &Race> {
        self.contests.iter().flat_map(|own| &own.counted).flat_map(|own| &own.races)
    }
}

/// The outcome of one contest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contested {
    /// Id of the contest.
    pub contest: String,
    /// How votes were given and counted.
    pub method: Method,
    /// Ballots that were counted together: of each district, or of all.
    pub counted: Vec<Counted>,
}

/// Ballots that were counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// District of the voters, where each has ballots of its own.
    pub voters: Option<String>,
    /// How many ballots there were of which kind.
    pub numbers: Numbers,
    /// The seats that they fill: all together, or those of each district.
    pub races: Vec<Race>,
}

impl Counted {
    /// Whether it is not told how many ballots there were for whom: there were so few in the district that it would tell how single people
    /// voted. Who is elected is told all the same, for a seat cannot be kept secret; and so is how many voted, which the roll tells.
    pub fn is_withheld(&self, least_ballots: u32) -> bool {
        let cast = self.numbers.cast.ballots;
        self.voters.is_some() && cast > 0 && cast < u64::from(least_ballots)
    }
}

/// Ballots, and what they weigh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many ballots.
    pub ballots: u64,
    /// What they count together; the same where there are no classes.
    pub weight: u64,
}

impl Sum {
    pub(super) fn add(&mut self, ballots: u64, each: u64) {
        self.ballots = self.ballots.saturating_add(ballots);
        self.weight = self.weight.saturating_add(ballots.saturating_mul(each));
    }
}

/// How many ballots there were of which kind: `cast = blank + invalid + valid`, and `abstained = roll - cast`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Voters on the roll, where it is known.
    pub roll: Option<u64>,
    /// All ballots.
    pub cast: Sum,
    /// Those on which nothing is marked.
    pub blank: Sum,
    /// Those that count for nobody, by reason.
    pub invalid: BTreeMap<Invalid, Sum>,
    /// Those that count.
    pub valid: Sum,
    /// Slots of valid ballots that were left empty.
    pub under_votes: Sum,
    /// Names on valid ballots that count for nobody.
    pub void_names: Sum,
}

impl Numbers {
    /// Voters of the roll without a ballot.
    pub fn abstained(&self) -> Option<u64> {
        self.roll.map(|roll| roll.saturating_sub(self.cast.ballots))
    }

    /// Invalid ballots, whatever the reason.
    pub fn all_invalid(&self) -> Sum {
        self.invalid.values().fold(Sum::default(), |sum, own| Sum {
            ballots: sum.ballots.saturating_add(own.ballots),
            weight: sum.weight.saturating_add(own.weight),
        })
    }
}

/// The filling of seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Race {
    /// Whose seats, where they are by district.
    pub district: Option<String>,
    /// How many.
    pub seats: u32,
    /// How they were given.
    pub holding: Holding,
    /// Whether enough had voted; `None` where nothing is asked for.
    pub quorum: Option<bool>,
    /// Everybody who stood, and every name that was written in, the most votes first; empty where candidates are ranked.
    pub standings: Vec<Standing>,
    /// Where candidates are ranked, how it was counted.
    pub detail: Detail,
    /// Who is elected, the most votes first.
    pub elected: Vec<Elected>,
    /// Seats that nobody gets.
    pub vacant: u32,
    /// A tie across the last seats that is still to be decided.
    pub undecided: Option<Undecided>,
    /// What told equals apart.
    pub broken: Vec<Broken>,
    /// Who would move up, in this order; those of one place are equal.
    pub runners_up: Vec<Vec<Who>>,
    /// Who had a seat, or would move up, and will not take it.
    pub declined: Vec<Who>,
    /// Who is elected to a post that comes before this one, with its contest.
    pub elsewhere: Vec<(Who, String)>,
    /// Who had the votes, but is one too many of those who held the post before.
    pub capped: Vec<Who>,
    /// Contests that come before this one and are undecided about somebody who stands here.
    pub depends_on: Vec<String>,
}

impl Race {
    /// Whether nothing is left to be decided.
    pub fn is_complete(&self) -> bool {
        self.undecided.is_none() && self.depends_on.is_empty()
    }

    /// Whether that person is elected.
    pub fn elects(&self, who: &Who) -> bool {
        self.elected.iter().any(|own| own.who == *who)
    }
}

/// Somebody elected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elected {
    /// Who.
    pub who: Who,
    /// Whether they moved up for somebody who declined.
    pub moved_up: bool,
}

/// Somebody's votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub who: Who,
    /// Votes for them; in a vote of confidence, yes.
    pub votes: Sum,
    /// In a vote of confidence, no.
    pub against: Sum,
    /// Whether they have what it takes to be elected, were there seats enough.
    pub eligible: bool,
}

/// How rankings were counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// There are none.
    Plain,
    /// By pairs.
    Pairwise(Box<Pairwise>),
    /// By transfer.
    Transfer(Box<Transfer>),
}
