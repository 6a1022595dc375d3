//! Proof after the fact: the journal becomes a state again, and every allocation is decided once more.

use super::Failure;
use super::shelf::ShelvedStudy;
use crate::domain::allocation::{Allotment, FirstDifference, Levels, Row, Scheme, State};
use crate::store::allocation::{self, AllocationRow};
use crate::store::{Store, study};

/// What `hagaki allocation verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All so many allocations follow from the secret and the journal.
    Proved(u64),
    /// This is the first that does not.
    Differs(Box<FirstDifference>),
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

/// Decides every allocation of a study again and compares.
///
/// # Errors
/// The database; a journal row that cannot be read.
pub async fn verify(store: &Store, shelved: &ShelvedStudy) -> Result<Verdict, Failure> {
    let Some(scheme) = &shelved.study.scheme else { return Ok(Verdict::NoScheme) };
    let head = study::load(store, shelved.id).await?;
    let facts = allocation::journal(store, shelved.id, 0).await?;
    let rows: Vec<Row> = facts.iter().map(row_of).collect::<Result<_, _>>()?;
    let count = rows.len() as u64;
    match crate::domain::allocation::replay(scheme, &head.secret.0, rows) {
        Ok(_) => Ok(Verdict::Proved(count)),
        Err(difference) => Ok(Verdict::Differs(difference)),
    }
}
