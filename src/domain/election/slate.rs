//! What a voter is shown: in which contests they vote, how, and who stands there, in which order.
//!
//! Where the rules have the candidates stand in another order for each voter, it follows from the voter's random name: the same as often
//! as they open their page, by whichever credential, and kept nowhere.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::judge::Judge;
use super::{Candidate, Contest, Election, Holding, Method, Style};
use crate::domain::survey::Mark;

/// How a contest is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marking {
    /// One candidate.
    One,
    /// Several.
    Several,
    /// Yes or no to each.
    YesNo,
    /// Those whom one does not want.
    Reject,
    /// A place for each of some.
    Places,
}

/// A contest as a voter is shown it.
#[derive(Clone, Debug)]
pub struct Sheet<'e> {
    /// Its rules.
    pub contest: &'e Contest,
    /// How it is marked.
    pub marking: Marking,
    /// Who can be marked, in the order of this voter.
    pub candidates: Vec<&'e Candidate>,
    /// Who is elected without a vote, where others are voted on.
    pub settled: Vec<&'e Candidate>,
}

/// The contests in which a voter of that district votes, in the order of the rules.
pub fn sheets<'e>(election: &'e Election, district: Option<&'e str>, voter: &Mark) -> Vec<Sheet<'e>> {
    election.contests.iter().filter_map(|contest| sheet(election, contest, district, voter)).collect()
}

fn sheet<'e>(election: &Election, contest: &'e Contest, district: Option<&'e str>, voter: &Mark) -> Option<Sheet<'e>> {
    if contest.holding_for(district) == Holding::Elected {
        return None;
    }
    let judge = Judge::new(contest, district, BTreeSet::new());
    let own = district.filter(|_| contest.is_by_district());
    let (mut candidates, settled): (Vec<&Candidate>, Vec<&Candidate>) =
        contest.standing(own).partition(|candidate| judge.is_open(&candidate.id));
    if election.terms.shuffled {
        candidates.sort_by_cached_key(|candidate| place(voter, contest, candidate));
    }
    Some(Sheet { contest, marking: marking(contest, judge.holding()), candidates, settled })
}

fn marking(contest: &Contest, holding: Holding) -> Marking {
    if holding == Holding::Confidence {
        return match contest.confidence.style {
            Style::Informed => Marking::YesNo,
            Style::Reject => Marking::Reject,
        };
    }
    match &contest.method {
        Method::Single => Marking::One,
        Method::Schulze(_) | Method::Stv(..) => Marking::Places,
        Method::Plural(_) | Method::Approval | Method::Confidence => Marking::Several,
    }
}

/// Where a candidate stands for a voter: any order is as likely as any other.
fn place(voter: &Mark, contest: &Contest, candidate: &Candidate) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix("hagaki order of candidates ");
    for part in [&voter.0[..], contest.id.as_bytes(), candidate.id.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
