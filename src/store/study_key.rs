//! Names of the keys under which something of a study is sealed: so that a lost key is noticed before anything is decided without it.

use std::collections::BTreeSet;

use super::sql::{binds, statements};
use super::{Reader, Store, StoreError};

statements! { "study_key":
    NOTE = same "INSERT INTO study_key (study_id, name) VALUES ($1, $2) ON CONFLICT (study_id, name) DO NOTHING";
    ANY = same "SELECT count(*) FROM (SELECT 1 AS one FROM study_key LIMIT 1) AS found";
    ALL = same "SELECT DISTINCT name FROM study_key";
    LIST = same "SELECT name FROM study_key WHERE study_id = $1";
}

/// Notes that something of a study will be sealed with a key: before it is, for then it is known whatever happens.
///
/// # Errors
/// Those of the database.
pub async fn note(store: &Store, study_id: i64, name: &str) -> Result<(), StoreError> {
    store.write(&NOTE, binds![study_id, name]).await.map(drop)
}

/// Whether any study needs a key.
///
/// # Errors
/// Those of the database.
pub async fn any<'a>(from: impl Into<Reader<'a>>) -> Result<bool, StoreError> {
    from.into().find(&ANY, &[]).await?.map_or(Ok(false), |mut row| Ok(row.int()? > 0))
}

/// Names of the keys with which something of any study was sealed.
///
/// # Errors
/// Those of the database.
pub async fn all<'a>(from: impl Into<Reader<'a>>) -> Result<BTreeSet<String>, StoreError> {
    from.into().fetch(&ALL, &[]).await?.into_iter().map(|mut row| row.text()).collect()
}

/// Names of the keys with which something of a study was sealed.
///
/// # Errors
/// Those of the database.
pub async fn names<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<BTreeSet<String>, StoreError> {
    from.into().fetch(&LIST, binds![study_id]).await?.into_iter().map(|mut row| row.text()).collect()
}
