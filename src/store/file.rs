//! Files of answers: which there are, and whether their forms were sent. Their bytes lie elsewhere.

use super::sql::{binds, statements};
use super::{Reader, Store, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::survey::Mark;

statements! { "file":
    WAITING = same "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM file WHERE study_id = $1 AND state <> 'kept'";
    WAITING_OF = same "SELECT count(*), CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM file WHERE owner = $1 AND state = 'waiting'";
    INSERT = same "INSERT INTO file (id, study_id, state, bytes, day, owner) VALUES ($1, $2, 'waiting', $3, $4, $5)";
    MEASURE = same "UPDATE file SET bytes = $2 WHERE id = $1 AND state = 'waiting'";
    IS_THERE = same "SELECT bytes FROM file WHERE id = $1 AND study_id = $2 AND state <> 'leaving'";
    KEEP = same "UPDATE file SET state = 'kept', owner = NULL WHERE id = $1 AND study_id = $2 AND state <> 'leaving'";
    LEAVE = same "UPDATE file SET state = 'leaving' WHERE id = $1 AND state = 'waiting'";
    IS_LEAVING = same "SELECT bytes FROM file WHERE id = $1 AND state = 'leaving'";
    DUE = same "SELECT id FROM file WHERE state = 'leaving' OR (state = 'waiting' AND day < $1) ORDER BY id LIMIT $2";
    DELETE = same "DELETE FROM file WHERE id = $1 AND state = 'leaving'";
}

/// How many bytes of a study's files wait for their forms to be sent, or to be deleted.
///
/// # Errors
/// Those of the database.
pub async fn waiting<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<i64, StoreError> {
    from.into().find(&WAITING, binds![study_id]).await?.map_or(Ok(0), |mut row| row.int())
}

/// How many files of an owner wait for their forms to be sent, and how many bytes they have.
///
/// # Errors
/// Those of the database.
pub async fn waiting_of<'a>(from: impl Into<Reader<'a>>, owner: &Sha256Digest) -> Result<(i64, i64), StoreError> {
    match from.into().find(&WAITING_OF, binds![owner]).await? {
        Some(mut row) => Ok((row.int()?, row.int()?)),
        None => Ok((0, 0)),
    }
}

/// A file that is about to come in.
#[derive(Clone, Copy, Debug)]
pub struct NewFile<'a> {
    /// The name its bytes lie under.
    pub id: &'a Mark,
    /// Study.
    pub study_id: i64,
    /// Keyed code of whose form it waits for.
    pub owner: &'a Sha256Digest,
    /// How many bytes it may have at most.
    pub bytes: i64,
    /// Day of the study's zone.
    pub day: &'a str,
}

/// Notes a file before the first of its bytes is stored.
///
/// # Errors
/// Those of the database.
pub async fn insert(store: &Store, new: NewFile<'_>) -> Result<(), StoreError> {
    store.write(&INSERT, binds![new.id, new.study_id, new.bytes, new.day, new.owner]).await.map(drop)
}

/// Says how long a file is that came in.
///
/// # Errors
/// Those of the database.
pub async fn measure(store: &Store, id: &Mark, bytes: i64) -> Result<(), StoreError> {
    store.write(&MEASURE, binds![id, bytes]).await.map(drop)
}

/// Whether a study has that file.
///
/// # Errors
/// Those of the database.
pub async fn is_there<'a>(from: impl Into<Reader<'a>>, id: &Mark, study_id: i64) -> Result<bool, StoreError> {
    Ok(from.into().find(&IS_THERE, binds![id, study_id]).await?.is_some())
}

/// Makes a file the answer of a form that is sent; whether it was there.
///
/// # Errors
/// Those of the database.
pub async fn keep(tx: &mut Tx, id: &Mark, study_id: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(&KEEP, binds![id, study_id]).await? > 0)
}

/// Gives up a file that waits.
///
/// # Errors
/// Those of the database.
pub async fn leave(store: &Store, id: &Mark) -> Result<(), StoreError> {
    store.write(&LEAVE, binds![id]).await.map(drop)
}

/// Whether a file was given up.
///
/// # Errors
/// Those of the database.
pub async fn is_leaving<'a>(from: impl Into<Reader<'a>>, id: &Mark) -> Result<bool, StoreError> {
    Ok(from.into().find(&IS_LEAVING, binds![id]).await?.is_some())
}

/// Files that are to be deleted: those given up, and those that have waited since before a day.
///
/// # Errors
/// Those of the database.
pub async fn due<'a>(from: impl Into<Reader<'a>>, day: &str, most: i64) -> Result<Vec<Mark>, StoreError> {
    from.into().fetch(&DUE, binds![day, most]).await?.into_iter().map(|mut row| row.mark()).collect()
}

/// Forgets a file whose bytes are gone.
///
/// # Errors
/// Those of the database.
pub async fn forget(store: &Store, id: &Mark) -> Result<(), StoreError> {
    store.write(&DELETE, binds![id]).await.map(drop)
}
