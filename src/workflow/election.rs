//! Elections whose votes are cast here: the roll, credentials, the steps of the committee, votes, and what comes out of the urn.
//!
//! Voters are no participants. A participant's name and address stand in the clear, for a study shows them to its staff; of a voter both
//! are sealed (`voter`). Their credentials are those of participants all the same: secrets, digests, times, sessions and links are
//! the same things (`credential`), but whose one is stands in `voter_credential`. That a credential was used is not asked (`answered`):
//! a vote counts once for each voter, so that whoever gets another credential gets no other vote.
//!
//! Who voted (`voted`) and what was voted (`urn`) share the transaction that wrote both, and nothing else: no key, no order, no time,
//! no length. What is in the urn is sealed, and comes out all at once, when nobody can vote any more ([`count`]); then the ballots of each
//! contest are written as a table that is sorted by its own contents. No line of a log, no counter and no entry of the chain tells of
//! a vote. Whoever has the database can tell who has voted, and on which day; with the key file as well, and the database as it was while
//! votes were taken, what they voted, by the transaction (ARCHITECTURE.md, "What anonymity rests on").

pub(super) mod by_mail;
pub mod cast;
pub mod count;
pub mod credentials;
mod letters;
pub mod public;
pub mod recorded;
pub mod roll;
pub mod rounds;
pub mod steps;
pub mod waiting;

use super::Failure;
use super::ledger::{Ledger, Page};
use super::shelf::{ShelvedStudy, bundle_of};
use crate::domain::election::Election;
use crate::domain::election::phase::{Standing, Unlawful};
use crate::domain::election::roll::{Entry, EntryFault, Frozen};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::credential::{self, State as CredentialState};
use crate::store::election::{self as kept, StepRow};
use crate::store::study::State;
use crate::store::voter::{self, VoterRow};
use crate::store::{StoreError, Tx, bundle, session};

/// Why an act on an election is refused. The texts are for the operator's terminal.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is none.
    #[error("study {0} holds no election: there is no election.toml in its bundle")]
    NoElection(String),
    /// The study is closed.
    #[error("study {0} is closed; nothing of it is changed any more")]
    Closed(String),
    /// It is not the time for it.
    #[error("{0}")]
    Unlawful(String),
    /// No such person.
    #[error("--by {0}: study.toml names no person of that id")]
    Person(String),
    /// A person who decides nothing here.
    #[error("--by {0}: the steps of an election are taken by people whom study.toml gives the role \"manager\"")]
    Role(String),
    /// One person alone.
    #[error("{0} asked for this step; another person of the committee confirms it, with --by")]
    Same(String),
    /// Every change of the roll needs its reason.
    #[error("say why, with --reason: it stands in the audit chain")]
    NoReason,
    /// No such voter.
    #[error("nobody on the roll has the number {0}")]
    Unknown(String),
    /// The number is taken.
    #[error("somebody on the roll has the number {0}")]
    Known(String),
    /// The election does not know such a voter.
    #[error("the voter {0}")]
    Entry(EntryFault),
    /// Somebody on the roll does not fit the rules, which were amended since.
    #[error("the voter {number} {fault}: mend the roll, or the rules")]
    Misfit {
        /// Member number.
        number: String,
        /// Why.
        fault: EntryFault,
    },
    /// They have voted.
    #[error("the voter {0} has voted, and nobody can tell which ballot is theirs; it counts")]
    Voted(String),
    /// They vote by post.
    #[error("the voter {0} votes by post, and has no credential")]
    Postal(String),
    /// They have none that another could take the place of.
    #[error("the voter {0} has no credential yet")]
    NoCredential(String),
    /// Nothing differs.
    #[error("nothing would change: it is so already")]
    Unchanged,
    /// The roll would be too long.
    #[error("there would be more than {} voters on the roll", limits::ROLL)]
    TooMany,
    /// A step about an outcome, and none is named.
    #[error("name the file of the outcome that is put on record")]
    NoOutcome,
    /// A file that is none.
    #[error("{0}")]
    Outcome(#[from] recorded::NoOutcome),
    /// An outcome of fewer ballots than there are.
    #[error(
        "the outcome counts {counted} ballots of \"{contest}\", and {cast} came out of the urn: count all files that `hagaki election files` \
         writes, ballots-withheld.csv among them",
        counted = .0.counted, contest = .0.contest, cast = .0.cast
    )]
    Lack(recorded::Lack),
    /// A file that cannot be published with the result.
    #[error(
        "{0} cannot be published: only ballots.csv and facts.toml are, as they were counted, and their digests must stand in the outcome"
    )]
    Unpublished(String),
    /// Ballots that would tell how single people voted.
    #[error(
        "ballots.csv cannot be published, for it would tell how single people voted: it holds fewer than {0} ballots of a district or of a \
         class of voters, or fewer than {0} were counted that it does not hold (ballots-withheld.csv, votes by post). Leave it out"
    )]
    Telling(u32),
    /// There is nothing to be handed over yet.
    #[error("the urn of {0} is not opened yet")]
    NotOpened(String),
    /// There is nothing left to be handed over.
    #[error("the term of {0} is over: roll, marks and ballots are deleted; the outcome and the audit chain are kept")]
    Deleted(String),
    /// Nothing is written now.
    #[error("study {0} is paused: no letters are written until `hagaki study resume {0}`")]
    Paused(String),
    /// There is no result to tell.
    #[error("no outcome of {0} is on record: `hagaki election record {0} --outcome FILE` puts it there")]
    NoRecord(String),
    /// Somebody changed the roll by no act of ours.
    #[error(
        "the roll is not as its last act on record left it, so it was changed in some other way: on record is the digest {recorded}, and \
         it is {found} now; the urn stays closed. Compare `hagaki election roll show --lines` with the roll that was published, and look \
         into the database and its backups"
    )]
    RollDiffers {
        /// Digest that the last act left.
        recorded: String,
        /// Digest as it is.
        found: String,
    },
}

/// An act's failure: refused, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ElectionError {
    /// We say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// We could not.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StoreError> for ElectionError {
    fn from(error: StoreError) -> ElectionError {
        ElectionError::Failed(Failure::Store(error))
    }
}

/// The election of a study.
///
/// # Errors
/// A [`Refusal`] where it holds none.
pub fn of(shelved: &ShelvedStudy) -> Result<&Election, Refusal> {
    shelved.study.election.as_ref().ok_or_else(|| Refusal::NoElection(shelved.study.slug.clone()))
}

/// An election as it stands at a moment, its study locked.
struct Floor<'s> {
    shelved: &'s ShelvedStudy,
    election: &'s Election,
    steps: Vec<StepRow>,
    now: Instant,
}

impl Floor<'_> {
    fn standing(&self) -> Standing<'_> {
        Standing { terms: &self.election.terms, taken: kept::taken(&self.steps), now: self.now }
    }

    /// Why something is not lawful, by the clock of the study.
    fn refusal(&self, why: Unlawful) -> Refusal {
        Refusal::Unlawful(why.told(self.shelved.study.zone))
    }
}

/// Locks a study that is not closed, and looks where its election stands.
///
/// # Errors
/// A [`Refusal`]; the database; a key that is missing.
async fn enter<'l, 's>(
    ledger: &'l mut Ledger<'_>,
    shelved: &'s ShelvedStudy,
    now: Instant,
) -> Result<(&'l mut Tx, &'l mut Page, Floor<'s>), ElectionError> {
    let election = of(shelved)?;
    let (tx, page) = ledger.lock(shelved).await?;
    if page.row.state == State::Closed {
        return Err(Refusal::Closed(shelved.study.slug.clone()).into());
    }
    let steps = kept::steps(&mut *tx, shelved.id).await?;
    Ok((tx, page, Floor { shelved, election, steps, now }))
}

/// Everybody on the roll, in an order that means nothing.
async fn everybody(tx: &mut Tx, study_id: i64) -> Result<Vec<VoterRow>, StoreError> {
    let (mut all, mut after) = (Vec::new(), Mark([0; 16]));
    loop {
        let some = voter::list(&mut *tx, study_id, &after, limits::ROLL_ROWS).await?;
        let Some(last) = some.last() else { return Ok(all) };
        after = last.id;
        all.extend(some);
    }
}

fn entries(rows: &[VoterRow]) -> Vec<Entry> {
    rows.iter().map(|row| row.entry.clone()).collect()
}

/// The rules in force, to the byte.
async fn rule(tx: &mut Tx, page: &Page, shelved: &ShelvedStudy) -> Result<String, Failure> {
    let stored = bundle::load(&mut *tx, shelved.id, shelved.version).await?;
    let bundle = bundle_of(&page.row, &stored.digest, &stored.files)?;
    let absent = || Failure::Contradiction(format!("study {} has no rules of an election", shelved.study.slug));
    bundle.election().map(str::to_string).ok_or_else(absent)
}

/// Rules and roll as they are now.
async fn freeze(tx: &mut Tx, page: &Page, shelved: &ShelvedStudy) -> Result<(Frozen, Vec<VoterRow>), Failure> {
    let roll = everybody(tx, shelved.id).await?;
    let rule = rule(tx, page, shelved).await?;
    Ok((Frozen::of(rule.as_bytes(), &entries(&roll)), roll))
}

/// Says of every good credential of a voter that it opens nothing any more; how many there were.
async fn call_back(tx: &mut Tx, id: &Mark, state: CredentialState) -> Result<usize, StoreError> {
    let mut many = 0;
    for own in voter::credentials(&mut *tx, id).await? {
        let found = credential::find(&mut *tx, &own).await?;
        if found.is_some_and(|found| found.state == CredentialState::Active) {
            credential::set_state(tx, &own, state).await?;
            session::end_of_credential(tx, &own).await?;
            many += 1;
        }
    }
    Ok(many)
}

fn hex(digest: &[u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(digest)
}
