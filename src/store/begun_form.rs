//! Forms that the staff began and have not sent yet, sealed.

use super::sql::{Row, binds, statements};
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

/// Which form of whom.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// Number of the study in the database.
    pub study_id: i64,
    /// Account of whoever began it.
    pub account: &'a Mark,
    /// Address of the form below that of the study's cases.
    pub place: &'a str,
}

statements! { "begun_form":
    PUT = same "INSERT INTO begun_form (study_id, account_id, place, sealed, kept_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (study_id, account_id, place) DO UPDATE SET sealed = excluded.sealed, kept_at = excluded.kept_at";
    FIND = same "SELECT sealed, kept_at FROM begun_form WHERE study_id = $1 AND account_id = $2 AND place = $3";
    LIST = same "SELECT place, kept_at FROM begun_form WHERE study_id = $1 AND account_id = $2 ORDER BY kept_at DESC, place LIMIT $3";
    FORGET = same "DELETE FROM begun_form WHERE study_id = $1 AND account_id = $2 AND place = $3";
    ANY_OLD = same "SELECT 1 FROM begun_form WHERE kept_at < $1 LIMIT 1";
    FORGET_OLD = same "DELETE FROM begun_form WHERE kept_at < $1";
}

/// Keeps a form in place of what was kept of it before.
///
/// # Errors
/// Those of the database.
pub async fn put(tx: &mut Tx, key: Key<'_>, sealed: &[u8], at: Instant) -> Result<(), StoreError> {
    tx.execute(&PUT, binds![key.study_id, key.account, key.place, sealed, at]).await.map(drop)
}

/// What was kept of a form, sealed, and when.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, key: Key<'_>) -> Result<Option<(Vec<u8>, Instant)>, StoreError> {
    let found = from.into().find(&FIND, binds![key.study_id, key.account, key.place]).await?;
    found.map(|mut row| Ok((row.blob()?, row.instant()?))).transpose()
}

/// The places of what somebody began in a study, and when each was kept, the latest first.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    account: &Mark,
    most: i64,
) -> Result<Vec<(String, Instant)>, StoreError> {
    let read = |mut row: Row| Ok((row.text()?, row.instant()?));
    from.into().fetch(&LIST, binds![study_id, account, most]).await?.into_iter().map(read).collect()
}

/// Forgets a form: it was sent, or is to begin anew.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget(tx: &mut Tx, key: Key<'_>) -> Result<(), StoreError> {
    tx.later(&FORGET, binds![key.study_id, key.account, key.place], Expect::Any).await
}

/// Forgets what anybody kept before a moment.
///
/// # Errors
/// Those of the database.
pub async fn forget_old(store: &Store, before: Instant) -> Result<(), StoreError> {
    if Reader::from(store).find(&ANY_OLD, binds![before]).await?.is_some() {
        store.write(&FORGET_OLD, binds![before]).await?;
    }
    Ok(())
}
