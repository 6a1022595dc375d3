//! Requests for further randomizations that were granted: what was sent for each. The decision is the allocation of that number.

use super::sql::{Row, binds, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;

/// A granted request as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RandomizationRow {
    /// Study.
    pub study_id: i64,
    /// The allocation that came of it.
    pub allocation_number: i64,
    /// Id of the person who asked.
    pub person: String,
    /// JSON, item to normalized value.
    pub answers: String,
    /// JSON, item to text as typed.
    pub typed: String,
    /// Mail that asked.
    pub inbox_id: Option<i64>,
    /// Digest of the audit entry that recorded it.
    pub audit_digest: Sha256Digest,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT study_id, allocation_number, person, answers, typed, inbox_id, audit_digest FROM randomization ",
            $rest
        )
    };
}

statements! { "randomization":
    INSERT = same "INSERT INTO randomization (study_id, allocation_number, person, answers, typed, inbox_id, audit_digest) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    BY_NUMBER = same select!("WHERE study_id = $1 AND allocation_number = $2");
    LIST = same select!("WHERE study_id = $1 AND allocation_number > $2 ORDER BY allocation_number LIMIT $3");
}

fn read(mut row: Row) -> Result<RandomizationRow, StoreError> {
    Ok(RandomizationRow {
        study_id: row.int()?,
        allocation_number: row.int()?,
        person: row.text()?,
        answers: row.text()?,
        typed: row.text()?,
        inbox_id: row.opt_int()?,
        audit_digest: row.digest()?,
    })
}

/// Stores a granted request.
///
/// # Errors
/// [`StoreError::Conflict`] if the allocation has one already; it may come from a later call.
pub async fn insert(tx: &mut Tx, new: &RandomizationRow) -> Result<(), StoreError> {
    let binds = binds![
        new.study_id,
        new.allocation_number,
        &new.person,
        &new.answers,
        &new.typed,
        new.inbox_id,
        &new.audit_digest
    ];
    tx.later(&INSERT, binds, Expect::Any).await
}

/// What was sent for the allocation of that number.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    allocation_number: i64,
) -> Result<Option<RandomizationRow>, StoreError> {
    from.into().find(&BY_NUMBER, binds![study_id, allocation_number]).await?.map(read).transpose()
}

/// At most `limit` granted requests behind allocation number `after`, in order.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<RandomizationRow>, StoreError> {
    from.into().fetch(&LIST, binds![study_id, after, limit]).await?.into_iter().map(read).collect()
}
