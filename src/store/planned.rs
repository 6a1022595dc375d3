//! Amendments that are to come into force at a moment.

use super::sql::{Row, binds, statements, words};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::time::Instant;

words! {
    /// What became of a planned amendment.
    State {
        /// It is to come into force.
        Waiting = "waiting",
        /// It came into force.
        InForce = "in-force",
        /// Somebody took it back before.
        Withdrawn = "withdrawn",
        /// It could not come into force.
        Failed = "failed",
    }
}

/// A planned amendment as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRow {
    /// Study.
    pub study_id: i64,
    /// Counted from 1 in the study.
    pub number: i64,
    /// SHA-256 over the files.
    pub digest: Sha256Digest,
    /// JSON object, path to text.
    pub files: String,
    /// When it is to come into force.
    pub due_at: Instant,
    /// When it was planned.
    pub planned_at: Instant,
    /// Who planned it.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
    /// What became of it.
    pub state: State,
    /// Why it was withdrawn, or could not come into force.
    pub note: String,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT study_id, number, digest, files, due_at, planned_at, actor, reason, state, note FROM planned_amendment ",
            $rest
        )
    };
}

statements! { "planned amendment":
    INSERT = same "INSERT INTO planned_amendment (study_id, number, digest, files, due_at, planned_at, actor, reason, state, \
        note) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', '')";
    LAST = same "SELECT max(number) FROM planned_amendment WHERE study_id = $1";
    LIST = same select!("WHERE study_id = $1 ORDER BY number");
    FIND = same select!("WHERE study_id = $1 AND number = $2");
    DUE = same "SELECT study_id, number FROM planned_amendment WHERE state = 'waiting' AND due_at <= $1 \
        ORDER BY due_at, study_id, number LIMIT $2";
    SETTLE = same "UPDATE planned_amendment SET state = $3, settled_at = $4, note = $5 \
        WHERE study_id = $1 AND number = $2 AND state = 'waiting'";
    WITHDRAW_ALL = same "UPDATE planned_amendment SET state = 'withdrawn', settled_at = $2, note = $3 \
        WHERE study_id = $1 AND state = 'waiting'";
}

fn read(mut row: Row) -> Result<PlannedRow, StoreError> {
    Ok(PlannedRow {
        study_id: row.int()?,
        number: row.int()?,
        digest: row.digest()?,
        files: row.text()?,
        due_at: row.instant()?,
        planned_at: row.instant()?,
        actor: row.text()?,
        reason: row.text()?,
        state: row.word(State::find)?,
        note: row.text()?,
    })
}

/// Stores a planned amendment of a locked study, and gives its number; that of `new` is not looked at.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut Tx, new: &PlannedRow) -> Result<i64, StoreError> {
    let last = Reader::from(&mut *tx).find(&LAST, binds![new.study_id]).await?;
    let number = last.map_or(Ok(None), |mut row| row.opt_int())?.unwrap_or(0) + 1;
    let binds =
        binds![new.study_id, number, &new.digest, &new.files, new.due_at, new.planned_at, &new.actor, &new.reason];
    tx.execute(&INSERT, binds).await?;
    Ok(number)
}

/// Every planned amendment of a study, in order.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<PlannedRow>, StoreError> {
    from.into().fetch(&LIST, binds![study_id]).await?.into_iter().map(read).collect()
}

/// The planned amendment of that number.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    number: i64,
) -> Result<Option<PlannedRow>, StoreError> {
    from.into().find(&FIND, binds![study_id, number]).await?.map(read).transpose()
}

/// Studies and numbers of those that are to come into force by now, the earliest first; at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn due<'a>(from: impl Into<Reader<'a>>, now: Instant, limit: i64) -> Result<Vec<(i64, i64)>, StoreError> {
    let rows = from.into().fetch(&DUE, binds![now, limit]).await?;
    rows.into_iter().map(|mut row| Ok((row.int()?, row.int()?))).collect()
}

/// Writes down what became of one that waits.
///
/// # Errors
/// [`StoreError::Missing`] if it waits no more.
pub async fn settle(tx: &mut Tx, row: &PlannedRow, state: State, at: Instant, note: &str) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "planned amendment", key: row.number.to_string() };
    tx.later(&SETTLE, binds![row.study_id, row.number, state.key(), at, note], expect).await
}

/// Takes back all that wait in a study.
///
/// # Errors
/// Those of the database.
pub async fn withdraw_all(tx: &mut Tx, study_id: i64, at: Instant, note: &str) -> Result<(), StoreError> {
    tx.execute(&WITHDRAW_ALL, binds![study_id, at, note]).await.map(drop)
}
