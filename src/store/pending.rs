//! Requests that wait for a reply to a one-time token; only the token's digest is kept.

use super::sql::{Row, binds, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx, sealed};
use crate::domain::chain::Sha256Digest;
use crate::domain::kept::{Column, Kept};
use crate::domain::seal::KeyRing;
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
    WAITING = same "SELECT token_digest, study_id, person, inbox_id, body, created_at, expires_at, used_at FROM pending \
        WHERE study_id = $1 AND used_at IS NULL AND expires_at >= $2";
    STUDY = same "SELECT study_id FROM pending WHERE token_digest = $1";
    USE = same "UPDATE pending SET used_at = $2 WHERE token_digest = $1 AND used_at IS NULL";
}

/// Which row of [`Column::PendingBody`] a token's is.
pub fn place(token_digest: &Sha256Digest) -> String {
    data_encoding::HEXLOWER.encode(token_digest)
}

/// Stores a waiting request with its body, kept in its [`place`]; its own `body` and `used_at` play no part.
///
/// # Errors
/// [`StoreError::Conflict`] if the token exists; it may come from a later call.
pub async fn insert(tx: &mut Tx, new: &PendingRow, body: &Kept) -> Result<(), StoreError> {
    let binds =
        binds![&new.token_digest, new.study_id, &new.person, new.inbox_id, body.text(), new.created_at, new.expires_at];
    tx.later(&INSERT, binds, Expect::Any).await
}

/// The study of the request that waits for that token, used or expired ones among them; its body is not opened.
///
/// # Errors
/// Those of the database.
pub async fn find_study<'a>(
    from: impl Into<Reader<'a>>,
    token_digest: &Sha256Digest,
) -> Result<Option<i64>, StoreError> {
    from.into().find(&STUDY, binds![token_digest]).await?.map(|mut row| row.int()).transpose()
}

/// The request that waits for that token, used or expired ones among them.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(
    from: impl Into<Reader<'a>>,
    token_digest: &Sha256Digest,
) -> Result<Option<PendingRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(&FIND, binds![token_digest]).await?.map(|row| read(&ring, row)).transpose()
}

/// The requests of a study that wait at that moment.
///
/// # Errors
/// Those of the database.
pub async fn waiting<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    at: Instant,
) -> Result<Vec<PendingRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.fetch(&WAITING, binds![study_id, at]).await?.into_iter().map(|row| read(&ring, row)).collect()
}

fn read(ring: &KeyRing, mut row: Row) -> Result<PendingRow, StoreError> {
    let (token_digest, study_id) = (row.digest()?, row.int()?);
    let opened = |kept| sealed::whole(ring, (study_id, Column::PendingBody, &place(&token_digest)), kept);
    Ok(PendingRow {
        token_digest,
        study_id,
        person: row.text()?,
        inbox_id: row.opt_int()?,
        body: opened(row.text()?)?,
        created_at: row.instant()?,
        expires_at: row.instant()?,
        used_at: row.opt_instant()?,
    })
}

/// Writes that a token was used.
///
/// # Errors
/// [`StoreError::Missing`] if it had been used already; it may come from a later call.
pub async fn record_used(tx: &mut Tx, token_digest: &Sha256Digest, at: Instant) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "unused token", key: String::new() };
    tx.later(&USE, binds![token_digest, at], expect).await
}
