//! Cohorts that are filling, as far as that was told.

use super::sql::{binds, statements};
use super::{StoreError, Tx};
use crate::domain::time::Instant;

statements! { "cohort":
    TELL = same "INSERT INTO cohort_notice (study_id, cohort, told_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING \
        RETURNING cohort";
    FORGET = same "DELETE FROM cohort_notice WHERE study_id = $1 AND cohort = $2";
}

/// Writes down that people are told of a cohort; whether they were not before.
///
/// # Errors
/// Those of the database.
pub async fn tell_once(tx: &mut Tx, study_id: i64, cohort: &str, now: Instant) -> Result<bool, StoreError> {
    Ok(!tx.fetch(&TELL, binds![study_id, cohort, now]).await?.is_empty())
}

/// Forgets that people were told of a cohort: it is another one now.
///
/// # Errors
/// Those of the database.
pub async fn forget(tx: &mut Tx, study_id: i64, cohort: &str) -> Result<(), StoreError> {
    tx.execute(&FORGET, binds![study_id, cohort]).await.map(drop)
}
