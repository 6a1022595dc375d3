//! The outcome that is put on record: only one that was counted by the election's rules and leaves nothing open; and what may be published
//! beside it.

use std::collections::BTreeMap;

use crate::definition::outcome_file::{self, Counted, Outcome};
use crate::domain::chain::Sha256Digest;
use crate::domain::election::Ballot;

/// Why an outcome is not put on record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOutcome {
    /// It is nothing that a count printed.
    #[error("the file {0}")]
    Unread(String),
    /// It was counted by other rules.
    #[error("the outcome was not counted by the rules of this election: no file of it has the digest {0}")]
    OtherRules(String),
    /// Something is left to be decided.
    #[error("the outcome leaves something undecided: count again with what decides it")]
    Incomplete,
}

/// An outcome that was counted by the rules of that digest, and in which nothing is left open.
///
/// # Errors
/// Why it can be put on no record.
pub fn read(text: &str, rule: &Sha256Digest) -> Result<Outcome, NoOutcome> {
    let read = outcome_file::read(text).map_err(NoOutcome::Unread)?;
    let rule = data_encoding::HEXLOWER.encode(rule);
    if !read.counts(&rule) {
        return Err(NoOutcome::OtherRules(rule));
    }
    if read.complete { Ok(read) } else { Err(NoOutcome::Incomplete) }
}

/// Whether a table of ballots, published beside an outcome, would tell how single people voted: it holds fewer than `least` of a district or
/// a class, or so few are missing in it of those that were counted together that the outcome tells them by difference.
pub fn tells_of_few(ballots: &[Ballot], outcome: &Outcome, least: u32) -> bool {
    let is_few = |many: u64| many > 0 && many < u64::from(least);
    let mut parts: BTreeMap<(&str, Option<&str>, Option<&str>), u64> = BTreeMap::new();
    // Where all voters are of one part, few ballots are told by any result.
    for own in ballots.iter().filter(|own| own.district.is_some() || own.class.is_some()) {
        let many = parts.entry((&own.contest, own.district.as_deref(), own.class.as_deref())).or_default();
        *many = many.saturating_add(own.count);
    }
    if parts.into_values().any(is_few) {
        return true;
    }
    outcome.contests.iter().any(|own| {
        // Of what is withheld the outcome tells nothing that could be compared.
        let told = own.counted.iter().filter(|counted| !counted.withheld);
        let missing =
            |counted: &Counted| counted.numbers.cast.ballots.saturating_sub(many(ballots, &own.contest, counted));
        told.map(missing).any(is_few)
    })
}

/// Fewer ballots than there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// In which contest.
    pub contest: String,
    /// So many were counted.
    pub counted: u64,
    /// So many came out of the urn.
    pub cast: u64,
}

/// Where an outcome counted fewer ballots than came out of the urn: a file was left out. More there may be, of votes by post.
pub fn lack(ballots: &[Ballot], outcome: &Outcome) -> Option<Lack> {
    let each = outcome.contests.iter().flat_map(|own| own.counted.iter().map(move |counted| (&own.contest, counted)));
    let mut each = each.map(|(contest, own)| Lack {
        contest: contest.clone(),
        counted: own.numbers.cast.ballots,
        cast: many(ballots, contest, own),
    });
    each.find(|own| own.counted < own.cast)
}

/// How many ballots of a contest are of those that were counted together.
fn many(ballots: &[Ballot], contest: &str, counted: &Counted) -> u64 {
    let own = ballots.iter().filter(|own| own.contest == contest);
    let own = own.filter(|own| counted.voters.is_none() || own.district == counted.voters);
    own.fold(0, |sum, own| sum.saturating_add(own.count))
}
