//! What anybody may know of an election: nothing before its roll was laid open or frozen; who and how many have voted never before the urn
//! was opened; the outcome once it is certified. Looking changes nothing, and takes no lock.

use super::of;
use crate::definition::outcome_file;
pub use crate::definition::outcome_file::{Contested, Counted, Detail, Numbers, Outcome, Race, Round, Sum, Tie};
use crate::domain::chain::Sha256Digest;
use crate::domain::election::letters;
use crate::domain::election::phase::{Phase, Standing, Step};
use crate::domain::time::Instant;
use crate::store::{Store, bundle, election as kept, study, voter, voter_letter};
use crate::workflow::Failure;
use crate::workflow::shelf::{ShelvedStudy, bundle_of};

/// An election as anybody may see it.
#[derive(Clone, Debug)]
pub struct Public {
    /// Its phase.
    pub phase: Phase,
    /// Voters on the roll; not known any more once its deletion was begun.
    pub voters: Option<u64>,
    /// Those of them who have voted on the web, once the urn was opened and until the deletion.
    pub voted: Option<u64>,
    /// Digest of rules and roll as they were frozen; before that, as the roll was laid open.
    pub digest: Option<Sha256Digest>,
    /// What is known once the result stands.
    pub result: Option<Certified>,
}

/// A result that stands.
#[derive(Clone, Debug)]
pub struct Certified {
    /// Its digest, which was put on record.
    pub digest: Option<Sha256Digest>,
    /// The outcome.
    pub outcome: Outcome,
    /// Names of further files: receipts as long as there are any, and what the committee publishes.
    pub files: Vec<String>,
}

/// Whether anybody may look at it.
///
/// # Errors
/// The database.
pub async fn is_seen(store: &Store, shelved: &ShelvedStudy, now: Instant) -> Result<bool, Failure> {
    let Ok(election) = of(shelved) else { return Ok(false) };
    let taken = kept::taken(&kept::steps(store, shelved.id).await?);
    Ok(Standing { terms: &election.terms, taken, now }.phase() != Phase::Setup)
}

/// Looks at an election; nothing as long as nobody may.
///
/// # Errors
/// The database; an outcome on record that cannot be read.
pub async fn look(store: &Store, shelved: &ShelvedStudy, now: Instant) -> Result<Option<Public>, Failure> {
    let Ok(election) = of(shelved) else { return Ok(None) };
    let steps = kept::steps(store, shelved.id).await?;
    let standing = Standing { terms: &election.terms, taken: kept::taken(&steps), now };
    let phase = standing.phase();
    if phase == Phase::Setup {
        return Ok(None);
    }
    let about =
        |step: Step| steps.iter().find(|own| own.step == step && own.second.is_some()).and_then(|own| own.about);
    let turnout = voter::turnout(store, shelved.id).await?;
    // What is deleted page by page would be told as fewer voters and receipts than there were.
    let deleted =
        voter_letter::rounds(store, shelved.id).await?.iter().any(|own| own.round == letters::Round::Deletion);
    let result = match kept::outcome(store, shelved.id).await?.filter(|_| phase == Phase::Certified) {
        Some(outcome) => {
            let unread = |why: String| Failure::Contradiction(format!("the outcome on record {why}"));
            let outcome = outcome_file::read(&outcome).map_err(unread)?;
            let mut files: Vec<String> = (!deleted).then(|| RECEIPTS.to_string()).into_iter().collect();
            files.extend(kept::published(store, shelved.id).await?);
            Some(Certified { digest: about(Step::Record), outcome, files })
        }
        None => None,
    };
    Ok(Some(Public {
        phase,
        voters: (!deleted).then_some(turnout.voters),
        voted: (standing.taken.contains(&Step::Close) && !deleted).then_some(turnout.voted),
        digest: about(Step::Open).or(about(Step::Objection)),
        result,
    }))
}

/// The name of the file of rules, which is there as soon as anybody may see the election.
pub const RULES: &str = "election.toml";
/// The name of the outcome that stands.
pub const OUTCOME: &str = "outcome.json";
/// The name of the list of receipts, which is there with the outcome until the deletion.
pub const RECEIPTS: &str = "receipts.txt";

/// A file that anybody may have; nothing if there is none of that name, or not yet.
///
/// # Errors
/// The database; files of the study that cannot be read.
pub async fn file(store: &Store, shelved: &ShelvedStudy, now: Instant, name: &str) -> Result<Option<String>, Failure> {
    let Some(public) = look(store, shelved, now).await? else { return Ok(None) };
    if name == RULES {
        let row = study::load(store, shelved.id).await?;
        let stored = bundle::load(store, shelved.id, shelved.version).await?;
        return Ok(bundle_of(&row, &stored.digest, &stored.files)?.election().map(str::to_string));
    }
    let Some(result) = public.result else { return Ok(None) };
    Ok(match name {
        OUTCOME => kept::outcome(store, shelved.id).await?,
        RECEIPTS if !result.files.iter().any(|own| own == RECEIPTS) => None,
        RECEIPTS => {
            let receipts = voter::receipts(store, shelved.id).await?;
            Some(receipts.iter().map(|receipt| format!("{receipt}\n")).collect())
        }
        other => kept::file(store, shelved.id, other).await?,
    })
}
