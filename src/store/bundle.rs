//! The numbered versions of the files that define a study.

use super::sql::{Row, binds, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::time::Instant;

/// One version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleRow {
    /// Study.
    pub study_id: i64,
    /// Counted from 1.
    pub version: i64,
    /// SHA-256 over the files.
    pub digest: Sha256Digest,
    /// JSON object, path to text; empty in lists.
    pub files: String,
    /// When it came into force.
    pub activated_at: Instant,
    /// Who put it into force.
    pub actor: String,
    /// Why; empty for the first.
    pub reason: String,
}

statements! { "bundle":
    INSERT = same "INSERT INTO bundle (study_id, version, digest, files, activated_at, actor, reason) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    LOAD = same "SELECT study_id, version, digest, files, activated_at, actor, reason FROM bundle \
        WHERE study_id = $1 AND version = $2";
    LIST = same "SELECT study_id, version, digest, '', activated_at, actor, reason FROM bundle \
        WHERE study_id = $1 ORDER BY version";
    FILES = same "SELECT digest, files FROM bundle WHERE study_id = $1 ORDER BY version";
}

fn read(mut row: Row) -> Result<BundleRow, StoreError> {
    Ok(BundleRow {
        study_id: row.int()?,
        version: row.int()?,
        digest: row.digest()?,
        files: row.text()?,
        activated_at: row.instant()?,
        actor: row.text()?,
        reason: row.text()?,
    })
}

/// Stores a version.
///
/// # Errors
/// [`StoreError::Conflict`] if the study has one of that number; it may come from a later call.
pub async fn insert(tx: &mut Tx, new: &BundleRow) -> Result<(), StoreError> {
    let binds = binds![new.study_id, new.version, &new.digest, &new.files, new.activated_at, &new.actor, &new.reason];
    tx.later(&INSERT, binds, Expect::Any).await
}

/// A version with its files.
///
/// # Errors
/// [`StoreError::Missing`].
pub async fn load<'a>(from: impl Into<Reader<'a>>, study_id: i64, version: i64) -> Result<BundleRow, StoreError> {
    let found = from.into().find(&LOAD, binds![study_id, version]).await?;
    found.map_or_else(|| Err(StoreError::Missing { noun: "bundle", key: format!("{study_id} v{version}") }), read)
}

/// Every version of a study, without the files.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<BundleRow>, StoreError> {
    from.into().fetch(&LIST, binds![study_id]).await?.into_iter().map(read).collect()
}

/// Digest and files of every version of a study, version 1 first.
///
/// # Errors
/// Those of the database.
pub async fn files<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<(Sha256Digest, String)>, StoreError> {
    let rows = from.into().fetch(&FILES, binds![study_id]).await?;
    rows.into_iter().map(|mut row| Ok((row.digest()?, row.text()?))).collect()
}
