//! Mail servers that are away: the server is suspended, not its letters failed.

use super::sql::{binds, statements};
use super::{Reader, Store, StoreError};
use crate::domain::time::Instant;

/// A server as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRow {
    /// Host and port.
    pub name: String,
    /// No attempt before.
    pub suspended_until: Instant,
    /// Failures in a row.
    pub failures: i64,
}

statements! { "host":
    FIND = same "SELECT name, suspended_until, failures FROM host WHERE name = $1";
    FAILURE = same "INSERT INTO host (name, suspended_until, failures) VALUES ($1, $2, 1) \
        ON CONFLICT (name) DO UPDATE SET suspended_until = excluded.suspended_until, failures = host.failures + 1 \
        RETURNING failures";
    SUCCESS = same "DELETE FROM host WHERE name = $1";
}

/// The server of that name, if it is or was away.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, name: &str) -> Result<Option<HostRow>, StoreError> {
    let Some(mut row) = from.into().find(&FIND, binds![name]).await? else { return Ok(None) };
    Ok(Some(HostRow { name: row.text()?, suspended_until: row.instant()?, failures: row.int()? }))
}

/// Suspends a server and gives its failures in a row.
///
/// # Errors
/// Those of the database.
pub async fn record_failure(store: &Store, name: &str, suspended_until: Instant) -> Result<i64, StoreError> {
    let rows = store.write(&FAILURE, binds![name, suspended_until]).await?;
    rows.into_iter().next().map_or(Ok(1), |mut row| row.int())
}

/// Writes that a server answers again.
///
/// # Errors
/// Those of the database.
pub async fn record_success(store: &Store, name: &str) -> Result<(), StoreError> {
    store.write(&SUCCESS, binds![name]).await.map(drop)
}
