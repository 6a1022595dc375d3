//! What one voter hands in: a ballot for each contest they vote in, looked at before it is sealed.
//!
//! In charge of what cannot be counted at all, which is refused, and of what counts for nobody by the rules, of which the voter is warned
//! and which is taken if they want it so. A contest of which there is no ballot is one in which they abstain.
//!
//! The marks of a ballot are kept in the order of the candidates, whatever the order in which they came: each voter may see the candidates
//! in an order of their own, and could agree with somebody on one by which their ballot is known in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::ballot::{Ballot, Choice, Mark, Who};
use super::count::{self, Fault};
use super::judge::{Invalid, Judge, Judged};
use super::{Contest, Election};
use crate::domain::text;
use crate::limits;

/// Bytes of a paper's text beside its ballots.
const HEAD_BYTES: usize = 128;
/// Bytes of a ballot's text beside its choice: ids of contest, district and class, separators, its count.
const BALLOT_BYTES: usize = 160;
/// Papers of an election are filled up to a multiple of so many bytes.
const STEP: usize = 256;

/// Why a paper cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaperFault {
    /// There is no ballot on it.
    Empty,
    /// There are two for that contest.
    Twice(String),
    /// A ballot cannot be counted in that contest.
    Ballot(String, Fault),
    /// A name that is written in is empty, too long, or cannot be kept as it is.
    Written(String),
    /// It would not be read as it was written.
    Unreadable,
    /// It is longer than papers of this election can be.
    TooLong,
}

impl fmt::Display for PaperFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PaperFault::Empty => f.write_str("there is no ballot on it"),
            PaperFault::Twice(contest) => write!(f, "there are two ballots for \"{contest}\""),
            PaperFault::Ballot(contest, fault) => write!(f, "{contest}: {fault}"),
            PaperFault::Written(contest) => write!(f, "{contest}: a name that was written in cannot be read"),
            PaperFault::Unreadable => f.write_str("it cannot be read as a ballot"),
            PaperFault::TooLong => f.write_str("it is longer than ballots of this election can be"),
        }
    }
}

/// A paper of a voter of that district and class, as its ballots are counted.
///
/// # Errors
/// The first thing by which it could not be counted.
pub fn read(
    election: &Election,
    (district, class): (Option<&str>, Option<&str>),
    choices: &[(String, Choice)],
) -> Result<Vec<Ballot>, PaperFault> {
    if choices.is_empty() {
        return Err(PaperFault::Empty);
    }
    let mut seen = BTreeSet::new();
    let mut ballots = Vec::with_capacity(choices.len());
    for (id, choice) in choices {
        if !seen.insert(id) {
            return Err(PaperFault::Twice(id.clone()));
        }
        let unfit = |fault: Fault| PaperFault::Ballot(id.clone(), fault);
        let contest = election.find(id).ok_or_else(|| unfit(Fault::Contest(id.clone())))?;
        if *choice == Choice::Spoiled {
            return Err(unfit(Fault::Kind));
        }
        let ballot = Ballot {
            contest: id.clone(),
            district: district.map(str::to_string),
            class: class.map(str::to_string),
            choice: in_order(contest, choice)?,
            count: 1,
        };
        count::check(election, &ballot).map_err(unfit)?;
        let writes =
            |choice: &Choice| matches!(choice, Choice::Names(names) if names.iter().any(|who| who.id().is_none()));
        if writes(&ballot.choice) && contest.write_in == 0 {
            return Err(unfit(Fault::Kind));
        }
        ballots.push(ballot);
    }
    Ok(ballots)
}

/// A choice in the order of the candidates; names that are written in stand behind them, in the order of their letters. Boxes that are
/// ticked have no order, so nothing that was meant is lost.
fn in_order(contest: &Contest, choice: &Choice) -> Result<Choice, PaperFault> {
    let places: BTreeMap<&str, usize> =
        contest.candidates.iter().enumerate().map(|(at, own)| (own.id.as_str(), at)).collect();
    let place = |id: &str| places.get(id).copied();
    Ok(match choice {
        Choice::Names(names) => {
            let mut listed: Vec<Who> = names.iter().filter(|who| who.id().is_some()).cloned().collect();
            listed.sort_by_key(|who| who.id().and_then(place));
            let mut written: Vec<Who> = names
                .iter()
                .filter(|who| who.id().is_none())
                .map(|who| as_kept(contest, who))
                .collect::<Result<_, PaperFault>>()?;
            written.sort();
            Choice::Names(listed.into_iter().chain(written).collect())
        }
        Choice::Marks(marks) => {
            let mut marks = marks.clone();
            marks.sort_by_key(|(id, mark)| (place(id), *mark == Mark::No));
            Choice::Marks(marks)
        }
        Choice::Ranking(shared) => {
            let mut shared = shared.clone();
            for own in &mut shared {
                own.sort_by_key(|id| place(id));
            }
            Choice::Ranking(shared)
        }
        Choice::Spoiled => Choice::Spoiled,
    })
}

/// A name that is written in, as it is kept.
fn as_kept(contest: &Contest, who: &Who) -> Result<Who, PaperFault> {
    let Who::Written(name) = who else { return Ok(who.clone()) };
    let kept = text::squeeze(name);
    let unseen = |c: char| c.is_control() || text::is_bidi(c) || matches!(c, ';' | '；');
    // A spreadsheet would take it for a formula.
    let reckons = kept.starts_with(['=', '+', '-', '@']);
    if kept.is_empty() || reckons || kept.chars().count() > limits::WRITE_IN_CHARS || kept.chars().any(unseen) {
        return Err(PaperFault::Written(contest.id.clone()));
    }
    Ok(Who::Written(kept))
}

/// Ballots of a paper that count for nobody by the rules, by contest.
pub fn spoils(election: &Election, ballots: &[Ballot]) -> Vec<(String, Invalid)> {
    let judged = ballots.iter().filter_map(|ballot| {
        let contest = election.find(&ballot.contest)?;
        match Judge::new(contest, ballot.district.as_deref(), BTreeSet::new()).judge(ballot) {
            Judged::Invalid(reason) => Some((ballot.contest.clone(), reason)),
            Judged::Blank | Judged::Valid(_) => None,
        }
    });
    judged.collect()
}

/// Bytes to which the papers of an election are filled up, so that their length tells nothing: room for everybody who stands, twice,
/// and for every name that may be written in.
pub fn sealed_bytes(election: &Election) -> usize {
    let of = |contest: &Contest| {
        let listed: usize = contest.candidates.iter().map(|own| 2 * (own.id.len() + 3)).sum();
        // Up to four bytes a character, and a quotation mark that is doubled.
        listed + contest.write_in as usize * (4 * limits::WRITE_IN_CHARS + 1) + BALLOT_BYTES
    };
    (election.contests.iter().map(of).sum::<usize>() + HEAD_BYTES).next_multiple_of(STEP)
}
