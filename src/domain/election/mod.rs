//! Elections: the rules of contests, ballots, and the count that follows from both.
//!
//! In charge of what a ballot means ([`judge`]), of who is elected ([`count()`]), and of every number on the way: blank ballots, slots left
//! empty, invalid ballots and abstentions are told apart, never added up. All of it is exact: votes are whole numbers, shares and
//! transferred votes are fractions. The order of ballots and of candidates in a file means nothing. In charge, too, of who may vote
//! ([`roll`]), of which step is lawful when ([`phase`]), of what one voter is shown ([`slate`]), and of what they may hand in ([`paper`]).
//!
//! To add a method: a variant of [`Method`], a meaning in [`judge`], a count beside [`schulze`] and [`stv`].

pub mod ballot;
pub mod contest;
pub mod count;
pub mod facts;
pub mod fill;
pub mod judge;
pub mod letters;
pub mod outcome;
pub mod paper;
pub mod phase;
pub mod picture;
pub mod roll;
pub mod schulze;
pub mod slate;
pub mod stv;
pub mod tie;
mod written;

use std::collections::BTreeMap;

use super::language::Text;
use super::time::Instant;

pub use ballot::{Ballot, Choice, Mark, Who};
pub use contest::{
    Base, Bound, Candidate, Confidence, Contest, Holding, Least, Method, Naming, Over, Quorum, Quota, Quoted, Ranking,
    Reach, Reelected, Repeated, RunnerUp, Seats, Share, StvQuota, Style, Uncontested, Under,
};
pub use count::{Fault, count};
pub use facts::Facts;
pub use letters::Letters;
pub use outcome::Outcome;
pub use picture::Picture;
pub use tie::TieRule;

/// An election as its file says it: when, and what is voted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// When, and how votes are taken.
    pub terms: Terms,
    /// Parts of the roll, in the order of the file; none where all vote together.
    pub districts: Vec<District>,
    /// Kinds of voters with votes of their own weight; none where every vote counts one.
    pub classes: Vec<Class>,
    /// What is voted on, in the order of the file.
    pub contests: Vec<Contest>,
    /// Which letters go to voters by themselves.
    pub letters: Letters,
    /// Pictures of candidates by the names that the file gives them; none where it is read without its bundle.
    pub pictures: BTreeMap<String, Picture>,
}

impl Election {
    /// The contest of that id.
    pub fn find(&self, id: &str) -> Option<&Contest> {
        self.contests.iter().find(|contest| contest.id == id)
    }

    /// The weight of a vote of that class, and 1 where there are no classes; `None` if there is no such class.
    pub fn weight(&self, class: Option<&str>) -> Option<u64> {
        match class {
            None => self.classes.is_empty().then_some(1),
            Some(id) => self.classes.iter().find(|class| class.id == id).map(|class| u64::from(class.weight)),
        }
    }

    /// Whether there is a district of that id.
    pub fn has_district(&self, id: &str) -> bool {
        self.districts.iter().any(|district| district.id == id)
    }
}

/// When votes are taken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// First moment at which votes are taken.
    pub opens: Instant,
    /// Moment from which none is taken.
    pub closes: Instant,
    /// Moment until which the roll can be objected to.
    pub objections_until: Option<Instant>,
    /// Moment until which voters are added to the roll, and credentials are sent anew.
    pub additions_until: Option<Instant>,
    /// Whether a later vote takes the place of an earlier one; only where votes are not cast here. To find somebody's earlier ballot in the
    /// urn it would have to carry a code of whose it is, and whoever has key and database could follow it back while votes are taken. So
    /// a ballot in the urn has none, and no way leads to it, of its voter's either.
    pub revote: bool,
    /// Whether each voter sees the candidates in an order of their own.
    pub shuffled: bool,
    /// Which public value, of after the voting, lots are drawn from.
    pub seed: Option<Text>,
    /// Days after the close until roll and ballots are deleted.
    pub deleted_after_days: Option<u32>,
    /// Fewest ballots of a district of which is told how many there were for whom: fewer would tell how single people voted.
    pub least_ballots: u32,
}

/// A part of the roll that has seats of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct District {
    /// Code, as in ballots and rolls.
    pub id: String,
    /// What people read.
    pub name: Text,
}

/// A kind of voters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Code, as in ballots and rolls.
    pub id: String,
    /// What a vote of theirs counts.
    pub weight: u32,
}
