//! Proof after the fact: the journal becomes a state again, and every allocation is decided once more.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Failure;
use super::shelf::ShelvedStudy;
use crate::domain::allocation::{Allotment, FirstDifference, Levels, Row, Scheme, State};
use crate::limits;
use crate::store::allocation::{self, AllocationRow};
use crate::store::{Store, audit, study};

/// What `hagaki allocation verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All so many allocations follow from the secret and the journal.
    Proved(u64),
    /// This is the first that does not.
    Differs(Box<FirstDifference>),
    /// The journal and the audit chain differ in the allocation of this number: it is absent from one of them, or has
    /// another arm, kit or level.
    Unrecorded(i64),
    /// The study randomizes nobody.
    NoScheme,
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
    Ok(Row { number, levels, allotment: Allotment { arm: fact.arm.clone(), slot, block_size } })
}

/// Counts a journal row into a state.
///
/// # Errors
/// A row that the scheme cannot have made.
pub fn record(state: &mut State, scheme: &Scheme, fact: &AllocationRow) -> Result<(), Failure> {
    let row = row_of(fact)?;
    state
        .record(scheme, &row.levels, &row.allotment)
        .map_err(|fault| Failure::Contradiction(format!("allocation {}: {fault}", fact.number)))
}

/// Decides every allocation of a study again and compares, with the journal and with what the audit chain tells of it. The
/// first difference counts. Whether the chain itself is whole is [`crate::store::audit::verify`]'s to say.
///
/// # Errors
/// The database; a journal row that cannot be read.
pub async fn verify(store: &Store, shelved: &ShelvedStudy) -> Result<Verdict, Failure> {
    let Some(scheme) = &shelved.study.scheme else { return Ok(Verdict::NoScheme) };
    let head = study::load(store, shelved.id).await?;
    let facts = allocation::journal(store, shelved.id, 0).await?;
    let told = first_untold(store, shelved.id, head.allocations, &facts).await?;
    let rows: Vec<Row> = facts.iter().map(row_of).collect::<Result<_, _>>()?;
    let count = rows.len() as u64;
    let replayed = crate::domain::allocation::replay(scheme, &head.secret.0, rows);
    Ok(match (replayed, told) {
        (Ok(_), None) => Verdict::Proved(count),
        (Err(difference), Some(number)) if number.unsigned_abs() < difference.number => Verdict::Unrecorded(number),
        (Err(difference), _) => Verdict::Differs(difference),
        (Ok(_), Some(number)) => Verdict::Unrecorded(number),
    })
}

/// What an allocation is, as an audit entry tells it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Told {
    number: i64,
    arm: String,
    kit: Option<String>,
    levels: Levels,
}

/// The first allocation in which journal and audit chain differ. The journal holds at least `known` rows, and the chain is
/// read after it; what was allocated in between is left out.
async fn first_untold(
    store: &Store,
    study_id: i64,
    known: i64,
    facts: &[AllocationRow],
) -> Result<Option<i64>, Failure> {
    let last = facts.last().map_or(0, |fact| fact.number).max(known);
    let mut told: BTreeMap<i64, Told> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = audit::list(store, study_id, after, limits::PAGE_ROWS).await?;
        let Some(end) = page.last() else { break };
        after = end.seq;
        for entry in page.iter().filter(|entry| entry.action == "enroll") {
            let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
            let found = body.get("allocation").cloned().and_then(|found| serde_json::from_value::<Told>(found).ok());
            told.extend(found.map(|found| (found.number, found)));
        }
    }
    told.retain(|number, _| *number <= last);
    for fact in facts {
        let levels = row_of(fact)?.levels;
        let fits = told
            .remove(&fact.number)
            .is_some_and(|told| told.arm == fact.arm && told.kit == fact.kit && told.levels == levels);
        if !fits {
            let absent = told.keys().next().copied().unwrap_or(fact.number);
            return Ok(Some(absent.min(fact.number)));
        }
    }
    Ok(told.into_keys().next())
}
