//! Proof after the fact: the journal becomes a state again, and every allocation is decided once more.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::Failure;
use super::amendment::Schemes;
use super::kits_left::KitsLeft;
use super::kits_told::KitDiscrepancy;
use super::replaying::{self, Own, Replay, Replaying, Rows};
use super::shelf::{ShelvedStudy, States};
use super::told::{self, Discrepancy, What};
use super::told_study::StudyFault;
use super::versions::{self, Doubt};
use crate::domain::allocation::{Allotment, Amendment, Counts, FirstDifference, Levels, Row, Scheme, State};
use crate::domain::chain::Sha256Digest;
use crate::domain::fact::Recounting;
use crate::domain::study::{FIRST, Rules, Study};
use crate::store::allocation::{self, AllocationRow};
use crate::store::fact::{self, FactRow};
use crate::store::study::StudyRow;
use crate::store::{Reader, Store, kit, study};

/// What `hagaki allocation verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All so many allocations follow from the secret and the journal.
    Proved(u64),
    /// All allocations follow from the secret and the journal, but for those that were given; these are as the audit chain tells
    /// them.
    ProvedBesides {
        /// How many follow.
        proved: u64,
        /// How many were imported.
        imported: u64,
        /// How many were given by hand.
        forced: u64,
    },
    /// This is the first that does not.
    Differs(Box<FirstDifference>),
    /// This is the first place where what is on file is not as the audit chain tells it.
    Untold(Discrepancy),
    /// The first kit of no allocation that is not as the audit chain tells it.
    Kit(KitDiscrepancy),
    /// The first version of the rules that is not as the audit chain tells it.
    Bundle(Doubt),
    /// The study's row is not as the audit chain tells it.
    Study(StudyFault),
    /// The secret is not the one that was committed to when the study was activated, or purged.
    Secret(SecretFault),
    /// The study randomizes nobody, and its subjects are as the audit chain tells them.
    NoScheme,
}

/// A verdict, and what was found of the kits on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What was found.
    pub verdict: Verdict,
    /// How many kits left for subjects, by whether they could be found again; as far as the comparison went.
    pub kits: KitsLeft,
}

/// Where the secret parts from its commitments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFault {
    /// Its digest is not the one beside it in the study's row.
    Row,
    /// Its digest is not the one in the audit chain.
    Chain,
    /// The audit chain holds no digest of a secret.
    Uncommitted,
}

/// A journal row as the replay takes it.
///
/// # Errors
/// A row that cannot have been written by this program.
pub fn row_of(fact: &AllocationRow) -> Result<Row, Failure> {
    let broken = |what: &str| Failure::Contradiction(format!("allocation {}: {what}", fact.number));
    let levels: Levels = serde_json::from_str(&fact.levels).map_err(|error| broken(&error.to_string()))?;
    let slot = fact.slot.map(u32::try_from).transpose().map_err(|_| broken("its slot"))?;
    let block_size = fact.block_size.map(u64::try_from).transpose().map_err(|_| broken("its block size"))?;
    let number = u64::try_from(fact.number).map_err(|_| broken("its number"))?;
    Ok(Row { number, levels, allotment: Allotment { arm: fact.arm.clone(), slot, block_size }, origin: fact.origin })
}

/// The rows of one of the study's allocations.
pub fn own<'j>(rules: Rules<'_>, journal: &'j [AllocationRow]) -> impl Iterator<Item = &'j AllocationRow> {
    journal.iter().filter(move |row| row.randomization == rules.id)
}

/// What follows for one allocation of a subject from the facts about it, one after another in their order.
#[derive(Debug, Default)]
pub struct Following {
    /// Numbers of the facts that have it count nowhere, without those that were taken back.
    out: BTreeSet<i64>,
}

impl Following {
    /// Where the next fact has the subject count from then on in one of the study's allocations, as that declared; none where it
    /// changes nothing.
    ///
    /// # Errors
    /// A row that cannot have been written by this program.
    pub fn next(&mut self, rules: Rules<'_>, fact: &FactRow) -> Result<Option<Counts>, Failure> {
        self.next_by(rules.id, rules.recounting, fact)
    }

    /// As [`Following::next`], by what the allocation of that id declared when the fact became known.
    fn next_by(&mut self, id: &str, recounting: &Recounting, fact: &FactRow) -> Result<Option<Counts>, Failure> {
        if let Some(in_error) = fact.takes_back {
            // Whatever else has it count nowhere does so still.
            let again = self.out.remove(&in_error) && self.out.is_empty();
            return Ok(again.then_some(Counts::Again));
        }
        let counts = counts_by(id, recounting, fact)?;
        if counts == Some(Counts::Nowhere) {
            self.out.insert(fact.number);
        }
        Ok(counts)
    }
}

/// Where a fact that takes none back has its subject count, by itself.
fn counts_by(id: &str, recounting: &Recounting, fact: &FactRow) -> Result<Option<Counts>, Failure> {
    let concerned = fact.randomization.as_deref().is_none_or(|own| own == id);
    if concerned && recounting.exclude.contains(&fact.kind) {
        return Ok(Some(Counts::Nowhere));
    }
    if !recounting.corrected {
        return Ok(None);
    }
    Ok(right_levels(id, fact)?.map(Counts::At))
}

/// The levels that would have been right for the subject in the allocation of that id, if a fact tells them.
///
/// # Errors
/// A row that cannot have been written by this program.
pub fn right_levels(id: &str, fact: &FactRow) -> Result<Option<Levels>, Failure> {
    let broken = |error| Failure::Contradiction(format!("levels of fact {}: {error}", fact.number));
    if id == FIRST {
        return fact.levels.as_ref().map(|levels| serde_json::from_str(levels).map_err(broken)).transpose();
    }
    let Some(further) = &fact.further else { return Ok(None) };
    let mut further: BTreeMap<String, Levels> = serde_json::from_str(further).map_err(broken)?;
    Ok(further.remove(id))
}

/// The facts that change what later decisions of one of the study's allocations count, in their order; `journal` is that of
/// all of them.
///
/// # Errors
/// As [`Following::next`].
pub fn amendments(
    rules: Rules<'_>,
    schemes: &Schemes,
    facts: &[FactRow],
    journal: &[AllocationRow],
) -> Result<Vec<Amendment>, Failure> {
    if facts.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = own(rules, journal).map(|row| ((row.randomization.clone(), row.subject_id), row.number)).collect();
    let mut beginnings: BTreeMap<i64, i64> = BTreeMap::new();
    for row in journal {
        beginnings.entry(row.bundle_version).or_insert(row.number);
    }
    amendments_of(rules, schemes, facts, &numbers, &beginnings.into_iter().collect::<Vec<(i64, i64)>>())
}

/// As [`amendments`], from the numbers of the allocations by which of the study's they are and those of their subjects in the
/// database, and from the number of the first allocation that each version made.
fn amendments_of(
    rules: Rules<'_>,
    schemes: &Schemes,
    facts: &[FactRow],
    numbers: &BTreeMap<(String, i64), i64>,
    beginnings: &[(i64, i64)],
) -> Result<Vec<Amendment>, Failure> {
    let mut amendments = Vec::new();
    let mut following: BTreeMap<i64, Following> = BTreeMap::new();
    for fact in facts {
        // What became known before the subject was allocated, the decision knew.
        let number = numbers.get(&(rules.id.to_string(), fact.subject_id));
        let Some(number) = number.filter(|number| **number <= fact.after_allocation) else { continue };
        let recounting = schemes.recounting_after(fact.after_allocation, beginnings);
        let own = following.entry(fact.subject_id).or_default();
        if let Some(counts) = own.next_by(rules.id, recounting, fact)? {
            let (after, allocation) = (fact.after_allocation.unsigned_abs(), number.unsigned_abs());
            amendments.push(Amendment { after, allocation, counts });
        }
    }
    Ok(amendments)
}

/// Every fact of a study, in order.
///
/// # Errors
/// The database.
pub async fn all_facts<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<FactRow>, Failure> {
    Ok(fact::list_kept(from, study_id, 0, i64::MAX).await?)
}

/// Counts a journal row into a state.
///
/// # Errors
/// A row that the scheme cannot have made.
pub fn record(state: &mut State, scheme: &Scheme, fact: &AllocationRow) -> Result<(), Failure> {
    let row = row_of(fact)?;
    state
        .record_row(scheme, &row)
        .map_err(|fault| Failure::Contradiction(format!("allocation {}: {fault}", fact.number)))
}

/// Counts a journal row into the state of its allocation, which goes by the rules in force.
///
/// # Errors
/// As [`record`]; a row of an allocation that the study does not have.
pub fn catch_up(study: &Study, states: &mut States, fact: &AllocationRow) -> Result<(), Failure> {
    let unknown = || Failure::Contradiction(format!("allocation {} is \"{}\"", fact.number, fact.randomization));
    let rules = study.find_rules(&fact.randomization).ok_or_else(unknown)?;
    record(states.get_mut(rules.id).ok_or_else(unknown)?, rules.scheme, fact)
}

/// Decides every allocation of a study again and compares with the journal, and all that was recorded with what the audit
/// chain tells of it. The first difference counts; those of the rules and of the secret come before all. Whether the chain itself is whole is
/// [`crate::store::audit::verify`]'s to say.
///
/// # Errors
/// The database; a text of the chain or the journal that no program of ours can read.
pub async fn verify(store: &Store, shelved: &ShelvedStudy) -> Result<Verdict, Failure> {
    Ok(prove(store, shelved).await?.verdict)
}

/// As [`verify`], with what was found of the kits.
///
/// # Errors
/// As [`verify`].
pub async fn prove(store: &Store, shelved: &ShelvedStudy) -> Result<Proof, Failure> {
    let head = study::load(store, shelved.id).await?;
    if let Some(doubt) = versions::check(store, &head).await? {
        return Ok(Proof { verdict: Verdict::Bundle(doubt), kits: KitsLeft::default() });
    }
    let kits = kit::list(store, shelved.id).await?;
    let last = allocation::last_number(store, shelved.id).await?.unwrap_or(0);
    let known = all_facts(store, shelved.id).await?;
    let begun = match &shelved.study.scheme {
        Some(_) => Some(begin(store, shelved, &head, last, &known).await),
        None => None,
    };
    let (rows, replaying) = match begun {
        Some(Ok((rows, replaying))) => (Some(rows), Some(Ok(replaying))),
        Some(Err(failure)) => (None, Some(Err(failure))),
        None => (None, None),
    };
    let heard = told::compare(store, &shelved.study, &head, kits, last, &known, rows).await?;
    let kits = heard.left;
    let verdict = judge(&head, heard, replaying).await?;
    Ok(Proof { verdict, kits })
}

/// What follows from what was heard and decided again.
async fn judge(
    head: &StudyRow,
    heard: told::Heard,
    replaying: Option<Result<Replaying, Failure>>,
) -> Result<Verdict, Failure> {
    if let Some(fault) = secret_fault(head, &heard.commitments)? {
        return Ok(Verdict::Secret(fault));
    }
    let Some(replaying) = replaying else {
        return Ok(match (heard.first, heard.kit) {
            (Some(first), _) => Verdict::Untold(first),
            (None, Some(kit)) => Verdict::Kit(kit),
            (None, None) => heard.study.map_or(Verdict::NoScheme, Verdict::Study),
        });
    };
    let Replay { result, count, imported, forced, unreadable } = replaying?.end().await;
    let unreadable = unreadable.map(|number| Discrepancy { number, what: What::Journal });
    let told = match (heard.first, unreadable) {
        (Some(one), Some(other)) if other.number < one.number => Some(other),
        (one, other) => one.or(other),
    };
    Ok(match (result, told) {
        (Ok(()), None) => match (heard.kit, heard.study) {
            (Some(kit), _) => Verdict::Kit(kit),
            (None, Some(fault)) => Verdict::Study(fault),
            (None, None) if imported + forced == 0 => Verdict::Proved(count),
            (None, None) => {
                Verdict::ProvedBesides { proved: count.saturating_sub(imported + forced), imported, forced }
            }
        },
        (Err(difference), Some(told)) if told.number.unsigned_abs() < difference.number => Verdict::Untold(told),
        (Err(difference), _) => Verdict::Differs(difference),
        (Ok(()), Some(told)) => Verdict::Untold(told),
    })
}

async fn begin(
    store: &Store,
    shelved: &ShelvedStudy,
    head: &StudyRow,
    last: i64,
    known: &[FactRow],
) -> Result<(Rows, Replaying), Failure> {
    let numbers = match known {
        [] => BTreeMap::new(),
        _ => allocation::numbers_of_facts(store, shelved.id).await?,
    };
    let mut all = Schemes::load(store, head, &shelved.study).await?;
    let mut taken = Vec::new();
    for rules in shelved.study.allocations() {
        taken.push((rules, all.take(rules.id)?));
    }
    let beginnings = match taken.iter().all(|(_, schemes)| schemes.is_single()) {
        true => Vec::new(),
        false => allocation::beginnings(store, shelved.id, last).await?,
    };
    let mut own = Vec::new();
    for (rules, schemes) in taken {
        let amendments = amendments_of(rules, &schemes, known, &numbers, &beginnings)?;
        own.push(Own { id: rules.id.to_string(), schemes, amendments });
    }
    Ok(replaying::begin(own, *head.secret.bytes()?, beginnings))
}

/// Whether the secret is the one that was committed to, in the study's row and in every commitment of its chain.
fn secret_fault(head: &StudyRow, commitments: &[String]) -> Result<Option<SecretFault>, Failure> {
    let digest: Sha256Digest = Sha256::digest(head.secret.bytes()?).into();
    let hexadecimal = data_encoding::HEXLOWER.encode(&digest);
    if digest != head.secret_digest {
        return Ok(Some(SecretFault::Row));
    }
    if commitments.is_empty() {
        return Ok(Some(SecretFault::Uncommitted));
    }
    Ok(commitments.iter().any(|told| *told != hexadecimal).then_some(SecretFault::Chain))
}
