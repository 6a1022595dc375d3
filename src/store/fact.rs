//! Facts about subjects: what became known after their enrollment, never changed.

use super::sql::{Row, binds, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx, sealed};
use crate::domain::chain::Sha256Digest;
use crate::domain::fact::FactKind;
use crate::domain::kept::{Column, Kept};
use crate::domain::seal::KeyRing;
use crate::domain::time::Instant;

/// A fact as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactRow {
    /// Study.
    pub study_id: i64,
    /// Counted from 1 in the study.
    pub number: i64,
    /// Which subject it is about.
    pub subject_id: i64,
    /// What became known.
    pub kind: FactKind,
    /// Which of the subject's allocations it is about; of the subject as a whole where none.
    pub randomization: Option<String>,
    /// Id of the person who learned the arm or told the fact; the operator's name where nobody of the study did.
    pub person: String,
    /// Who had it recorded.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
    /// JSON, item to what would have been right.
    pub changes: String,
    /// JSON, factor to level, as they should have been.
    pub levels: Option<String>,
    /// JSON, id of a further randomization to its levels as they should have been.
    pub further: Option<String>,
    /// The subject enrolled before, of which it is a duplicate.
    pub of_subject_id: Option<i64>,
    /// Number of the fact about the same subject that was recorded in error, where this one takes it back.
    pub takes_back: Option<i64>,
    /// Number of the last allocation before it.
    pub after_allocation: i64,
    /// When.
    pub recorded_at: Instant,
    /// Mail that asked for it.
    pub inbox_id: Option<i64>,
    /// Digest of the audit entry that recorded it.
    pub audit_digest: Sha256Digest,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT study_id, number, subject_id, kind, person, actor, reason, changes, levels, further, of_subject_id, ",
            "after_allocation, recorded_at, inbox_id, audit_digest, randomization, takes_back FROM subject_fact ",
            $rest
        )
    };
}

statements! { "subject_fact":
    INSERT = same "INSERT INTO subject_fact (study_id, number, subject_id, kind, person, actor, reason, changes, levels, \
        further, of_subject_id, after_allocation, recorded_at, inbox_id, audit_digest, randomization, takes_back) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    BY_SUBJECT = same select!("WHERE subject_id = $1 ORDER BY number");
    LIST = same select!("WHERE study_id = $1 AND number > $2 ORDER BY number LIMIT $3");
    OF_SUBJECTS = same select!("WHERE study_id = $1 AND subject_id BETWEEN $2 AND $3 ORDER BY number");
}

fn read_kept(mut row: Row) -> Result<FactRow, StoreError> {
    Ok(FactRow {
        study_id: row.int()?,
        number: row.int()?,
        subject_id: row.int()?,
        kind: row.word(FactKind::find)?,
        person: row.text()?,
        actor: row.text()?,
        reason: row.text()?,
        changes: row.text()?,
        levels: row.opt_text()?,
        further: row.opt_text()?,
        of_subject_id: row.opt_int()?,
        after_allocation: row.int()?,
        recorded_at: row.instant()?,
        inbox_id: row.opt_int()?,
        audit_digest: row.digest()?,
        randomization: row.opt_text()?,
        takes_back: row.opt_int()?,
    })
}

fn read(row: Row, ring: &KeyRing) -> Result<FactRow, StoreError> {
    let row = read_kept(row)?;
    let place = (row.study_id, Column::FactChanges, &*row.number.to_string());
    Ok(FactRow { changes: sealed::answers(ring, place, row.changes)?, ..row })
}

/// Stores a fact with its changes ([`Column::FactChanges`], by its number); its own play no part. Its number is the locked study's
/// last one plus one.
///
/// # Errors
/// [`StoreError::Conflict`] if the number exists; it may come from a later call.
pub async fn insert(tx: &mut Tx, new: &FactRow, changes: &Kept) -> Result<(), StoreError> {
    let binds = binds![
        new.study_id,
        new.number,
        new.subject_id,
        new.kind.key(),
        &new.person,
        &new.actor,
        &new.reason,
        changes.text(),
        new.levels.as_deref(),
        new.further.as_deref(),
        new.of_subject_id,
        new.after_allocation,
        new.recorded_at,
        new.inbox_id,
        &new.audit_digest,
        new.randomization.as_deref(),
        new.takes_back
    ];
    tx.later(&INSERT, binds, Expect::Any).await
}

/// Every fact about a subject, in order.
///
/// # Errors
/// Those of the database.
pub async fn list_by_subject<'a>(from: impl Into<Reader<'a>>, subject_id: i64) -> Result<Vec<FactRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.fetch(&BY_SUBJECT, binds![subject_id]).await?.into_iter().map(|row| read(row, &ring)).collect()
}

/// The facts about the subjects of a study from one number in the database to another, in order.
///
/// # Errors
/// Those of the database.
pub async fn list_of_subjects<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    first: i64,
    last: i64,
) -> Result<Vec<FactRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.fetch(&OF_SUBJECTS, binds![study_id, first, last]).await?.into_iter().map(|row| read(row, &ring)).collect()
}

/// At most `limit` facts of a study behind number `after`, in order.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<FactRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.fetch(&LIST, binds![study_id, after, limit]).await?.into_iter().map(|row| read(row, &ring)).collect()
}

/// As [`list`], with the changes as they are kept: what is personal is sealed, as in the audit entries, and no key is needed.
///
/// # Errors
/// Those of the database.
pub async fn list_kept<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<FactRow>, StoreError> {
    from.into().fetch(&LIST, binds![study_id, after, limit]).await?.into_iter().map(read_kept).collect()
}
