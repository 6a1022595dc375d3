//! Requests that wait for a reply to a one-time token; only the token's digest is kept.

use super::sql::{binds, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::time::Instant;

/// A waiting request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRow {
    /// SHA-256 of the token.
    pub token_digest: Sha256Digest,
    /// Study.
    pub study_id: i64,
    /// Id of the person who asked.
    pub person: String,
    /// Mail that asked.
    pub inbox_id: Option<i64>,
    /// JSON, the request.
    pub body: String,
    /// When.
    pub created_at: Instant,
    /// Until when the token is good.
    pub expires_at: Instant,
    /// When it was used.
    pub used_at: Option<Instant>,
}

statements! { "pending":
    INSERT = same "INSERT INTO pending (token_digest, study_id, person, inbox_id, body, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    FIND = same "SELECT token_digest, study_id, person, inbox_id, body, created_at, expires_at, used_at FROM pending \
        WHERE token_digest = $1";
    USE = same "UPDATE pending SET used_at = $2 WHERE token_digest = $1 AND used_at IS NULL";
}

/// Stores a waiting request; its `used_at` plays no part.
///
/// # Errors
/// [`StoreError::Conflict`] if the token exists; it may come from a later call.
pub async fn insert(tx: &mut Tx, new: &PendingRow) -> Result<(), StoreError> {
    let binds =
        binds![&new.token_digest, new.study_id, &new.person, new.inbox_id, &new.body, new.created_at, new.expires_at];
    tx.later(&INSERT, binds, Expect::Any).await
}

/// The request that waits for that token, used or expired ones among them.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(
    from: impl Into<Reader<'a>>,
    token_digest: &Sha256Digest,
) -> Result<Option<PendingRow>, StoreError> {
    let Some(mut row) = from.into().find(&FIND, binds![token_digest]).await? else { return Ok(None) };
    Ok(Some(PendingRow {
        token_digest: row.digest()?,
        study_id: row.int()?,
        person: row.text()?,
        inbox_id: row.opt_int()?,
        body: row.text()?,
        created_at: row.instant()?,
        expires_at: row.instant()?,
        used_at: row.opt_instant()?,
    }))
}

/// Writes that a token was used.
///
/// # Errors
/// [`StoreError::Missing`] if it had been used already; it may come from a later call.
pub async fn record_used(tx: &mut Tx, token_digest: &Sha256Digest, at: Instant) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "unused token", key: String::new() };
    tx.later(&USE, binds![token_digest, at], expect).await
}
