//! A vote: the mark on the roll and the sealed paper, in one transaction that holds the lock of the study.
//!
//! That the roll has one mark for each voter is what makes a vote count once, whichever credential it came with. A page that is sent again
//! carries the same mark and gets the same receipt. The receipt stands with the mark and not with the paper: it shows that a vote is in,
//! and finds none.

use std::collections::BTreeSet;

use super::of;
use crate::definition::ballots_file;
use crate::domain::credential::Unfit;
use crate::domain::election::judge::Invalid;
use crate::domain::election::paper::{self, PaperFault};
use crate::domain::election::phase::{Phase, Standing, Step};
use crate::domain::election::{Ballot, Choice, Election};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::store::credential::{self, CredentialRow, State};
use crate::store::study::State as StudyState;
use crate::store::voter::{self, VotedRow, VoterRow};
use crate::store::{election as kept, session};
use crate::workflow::ledger::Ledger;
use crate::workflow::respond::receipt;
use crate::workflow::shelf::{Shelf, ShelvedStudy};
use crate::workflow::urn::{self, Put};
use crate::workflow::{Failure, Means};

/// What a voter hands in.
#[derive(Clone, Copy, Debug)]
pub struct Paper<'a> {
    /// Name of the credential it came with.
    pub credential: Mark,
    /// Mark of the page.
    pub mark: Mark,
    /// Contests and what is marked in each; in those that are not there the voter abstains.
    pub choices: &'a [(String, Choice)],
    /// Whether the voter was told what of it counts for nobody, and wants it so.
    pub knowing: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The vote is in; this is its receipt.
    Cast(String),
    /// The same page was sent before: its receipt of then.
    Again(String),
    /// The voter has voted by another page: the receipt of that, and what was cast then stays.
    Before(String),
    /// By the rules these ballots count for nobody. Nothing was cast: the voter is to be told, and to say that they want it so.
    Spoils(Vec<(String, Invalid)>),
    /// It cannot be counted as it is. Nothing was cast.
    Unfit(PaperFault),
    /// No vote is taken.
    Barred(Barred),
}

/// Why no vote is taken with a credential now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// It was called back, another took its place, or it is nobody's.
    Revoked,
    /// Its time is to come, or over.
    Unfit(Unfit),
    /// The election is in that phase.
    Phase(Phase),
    /// The voter votes by post.
    Postal,
    /// The study is paused, or a key is missing.
    Paused,
    /// The study is closed.
    Closed,
}

/// Takes a vote.
///
/// # Errors
/// The database; records that contradict each other. Then nothing was cast.
pub async fn cast(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    paper: Paper<'_>,
) -> Result<Outcome, Failure> {
    let election = of(shelved).map_err(|refusal| Failure::Contradiction(refusal.to_string()))?;
    if let Err(error) = shelved.unlocked() {
        tracing::error!(study = shelved.study.slug, %error, "no votes are taken until then");
        return Ok(Outcome::Barred(Barred::Paused));
    }
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let credential = credential::find(&mut *tx, &paper.credential).await?.filter(|own| own.study_id == shelved.id);
    let voter = voter::find_by_credential(&mut *tx, &paper.credential).await?;
    let Some((credential, voter)) = credential.zip(voter) else { return Ok(Outcome::Barred(Barred::Revoked)) };
    if let Some(before) = voter::find_vote(&mut *tx, &voter.id).await? {
        let same = before.submission == paper.mark;
        return Ok(if same { Outcome::Again(before.receipt) } else { Outcome::Before(before.receipt) });
    }
    let taken = kept::taken(&kept::steps(&mut *tx, shelved.id).await?);
    if let Some(barred) = barred(election, taken, page.row.state, (&credential, &voter), means.now) {
        return Ok(Outcome::Barred(barred));
    }
    let table = match table(election, &voter, paper) {
        Ok(table) => table,
        Err(outcome) => return Ok(outcome),
    };
    let receipt = receipt(means);
    let day = means.now.day_in(shelved.study.zone).to_string();
    let voted = VotedRow { submission: paper.mark, receipt: receipt.clone(), day };
    if !voter::record_vote(tx, &voter.id, &voted).await? {
        // The lock of the study keeps others away, so this is a contradiction and no race.
        return Err(Failure::Contradiction("somebody has voted and has not".to_string()));
    }
    let size = paper::sealed_bytes(election);
    if urn::put_bytes(tx, shelved.id, means, table.as_bytes(), size).await? == Put::TooLong {
        return Ok(Outcome::Unfit(PaperFault::TooLong));
    }
    // When somebody was on a page would tell when they voted.
    session::end_of_credential(tx, &credential.id).await?;
    ledger.commit().await?;
    Ok(Outcome::Cast(receipt))
}

/// Why no vote is taken, if none is; what a page asks before it shows the ballots.
pub fn barred(
    election: &Election,
    taken: BTreeSet<Step>,
    state: StudyState,
    (credential, voter): (&CredentialRow, &VoterRow),
    now: Instant,
) -> Option<Barred> {
    match state {
        StudyState::Paused => return Some(Barred::Paused),
        StudyState::Closed => return Some(Barred::Closed),
        StudyState::Open => {}
    }
    if credential.state != State::Active {
        return Some(Barred::Revoked);
    }
    if voter.entry.postal {
        return Some(Barred::Postal);
    }
    let phase = Standing { terms: &election.terms, taken, now }.phase();
    if phase != Phase::Open {
        return Some(Barred::Phase(phase));
    }
    credential.validity.at(now).err().map(Barred::Unfit)
}

/// What goes into the urn: the paper as a table of ballots, which is read again when it comes out.
fn table(election: &Election, voter: &VoterRow, paper: Paper<'_>) -> Result<String, Outcome> {
    let own = (voter.entry.district.as_deref(), voter.entry.class.as_deref());
    let ballots = paper::read(election, own, paper.choices).map_err(Outcome::Unfit)?;
    let spoils = paper::spoils(election, &ballots);
    if !spoils.is_empty() && !paper.knowing {
        return Err(Outcome::Spoils(spoils));
    }
    let table = ballots_file::write(&ballots);
    let is_whole = |read: &[Ballot]| read.len() == ballots.len() && ballots.iter().all(|own| read.contains(own));
    // A paper that could not be read again would keep all others in the urn.
    match ballots_file::read("paper", table.as_bytes(), election) {
        Ok(read) if is_whole(&read) => Ok(table),
        _ => Err(Outcome::Unfit(PaperFault::Unreadable)),
    }
}
