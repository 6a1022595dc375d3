//! A ballot as it was cast: what is marked on it, and nothing of who marked it.

use std::fmt;

/// Ballots of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// Contest it is for.
    pub contest: String,
    /// District of the voter, where there are districts.
    pub district: Option<String>,
    /// Class of the voter, where there are classes.
    pub class: Option<String>,
    /// What is marked on it.
    pub choice: Choice,
    /// How many are like it.
    pub count: u64,
}

/// What is marked on a ballot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Names, in the order in which they were written.
    Names(Vec<Who>),
    /// A mark for each of some candidates, by their ids.
    Marks(Vec<(String, Mark)>),
    /// Candidates by their ids, the first place first; those of one place share it.
    Ranking(Vec<Vec<String>>),
    /// Whoever opened it found it invalid, as one on paper that is signed or torn.
    Spoiled,
}

/// Whether somebody has a voter's confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// They have.
    Yes,
    /// They have not.
    No,
}

/// Somebody who is voted for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// A candidate, by id.
    Listed(String),
    /// A name that was written in.
    Written(String),
}

impl Who {
    /// The candidate's id.
    pub fn id(&self) -> Option<&str> {
        match self {
            Who::Listed(id) => Some(id),
            Who::Written(_) => None,
        }
    }
}

impl fmt::Display for Who {
    /// `c01`, or `+Name` of a name that was written in; no id begins so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Listed(id) => f.write_str(id),
            Who::Written(name) => write!(f, "+{name}"),
        }
    }
}
