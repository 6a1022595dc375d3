//! Requests for further randomizations that were granted: what was sent for each. The decision is the allocation of that number.

use super::sql::{Row, binds, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx, sealed};
use crate::domain::chain::Sha256Digest;
use crate::domain::kept::{Column, KeptForm};
use crate::domain::seal::KeyRing;

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

/// The columns that hold a request's form; which row of them, the allocation's number tells.
pub const COLUMNS: [Column; 2] = [Column::RandomizationAnswers, Column::RandomizationTyped];

fn read_kept(mut row: Row) -> Result<RandomizationRow, StoreError> {
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

fn read(row: Row, ring: &KeyRing) -> Result<RandomizationRow, StoreError> {
    let row = read_kept(row)?;
    let key = row.allocation_number.to_string();
    let opened = |column, kept| sealed::answers(ring, (row.study_id, column, &key), kept);
    let answers = opened(Column::RandomizationAnswers, row.answers)?;
    Ok(RandomizationRow { answers, typed: opened(Column::RandomizationTyped, row.typed)?, ..row })
}

/// Stores a granted request with its form, made with [`COLUMNS`]; its own `answers` and `typed` play no part.
///
/// # Errors
/// [`StoreError::Conflict`] if the allocation has one already; it may come from a later call.
pub async fn insert(tx: &mut Tx, new: &RandomizationRow, form: &KeptForm) -> Result<(), StoreError> {
    let binds = binds![
        new.study_id,
        new.allocation_number,
        &new.person,
        form.answers.text(),
        form.typed.text(),
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
    let mut from = from.into();
    let ring = from.ring();
    from.find(&BY_NUMBER, binds![study_id, allocation_number]).await?.map(|row| read(row, &ring)).transpose()
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
    let mut from = from.into();
    let ring = from.ring();
    from.fetch(&LIST, binds![study_id, after, limit]).await?.into_iter().map(|row| read(row, &ring)).collect()
}

/// As [`list`], with the forms as they are kept: what is personal is sealed, as in the audit entries, and no key is needed.
///
/// # Errors
/// Those of the database.
pub async fn list_kept<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<RandomizationRow>, StoreError> {
    from.into().fetch(&LIST, binds![study_id, after, limit]).await?.into_iter().map(read_kept).collect()
}
