//! Sessions on pages, known by the digest of their cookie, and failed tries to begin one.

use super::sql::{binds, statements};
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the secret in the cookie.
    pub digest: Sha256Digest,
    /// Study.
    pub study_id: i64,
    /// Credential it was begun with; none for people with an account.
    pub credential_id: Option<Mark>,
    /// When it ends if nothing is asked for until then.
    pub idle_at: Instant,
    /// When it ends in any case.
    pub ends_at: Instant,
    /// Key of what was kept with the password, sealed by the secret in the cookie.
    pub draft_key: Option<Vec<u8>>,
}

/// How often signing in failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureRow {
    /// Since the last quiet time.
    pub failures: i64,
    /// The last of them.
    pub last_at: Instant,
    /// Nothing is tried before.
    pub until: Instant,
}

statements! { "session":
    INSERT = same "INSERT INTO session (digest, study_id, credential_id, idle_at, ends_at, draft_key) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    FIND = same "SELECT digest, study_id, credential_id, idle_at, ends_at, draft_key FROM session WHERE digest = $1";
    PROLONG = same "UPDATE session SET idle_at = $2 WHERE digest = $1";
    END = same "DELETE FROM session WHERE digest = $1";
    END_OF_CREDENTIAL = same "DELETE FROM session WHERE credential_id = $1";
    END_OVER = same "DELETE FROM session WHERE ends_at <= $1 OR idle_at <= $1";
    FAILURES = same "SELECT failures, last_at, until FROM sign_in_failure WHERE subject_digest = $1";
    FAIL = same "INSERT INTO sign_in_failure (subject_digest, failures, last_at, until) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (subject_digest) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at, \
        until = excluded.until";
    FORGIVE = same "DELETE FROM sign_in_failure WHERE subject_digest = $1";
    TAKE_BACK = same "UPDATE sign_in_failure SET failures = failures - 1, until = $2 WHERE subject_digest = $1 AND failures > 0";
    COUNT_OVER = same "SELECT (SELECT count(*) FROM session WHERE ends_at <= $1 OR idle_at <= $1) + \
        (SELECT count(*) FROM sign_in_failure WHERE last_at < $2)";
    FORGIVE_OLD = same "DELETE FROM sign_in_failure WHERE last_at < $1";
}

/// Begins a session.
///
/// # Errors
/// [`StoreError::Conflict`] if the secret exists.
pub async fn insert(store: &Store, new: &SessionRow) -> Result<(), StoreError> {
    let binds =
        binds![&new.digest, new.study_id, &new.credential_id, new.idle_at, new.ends_at, new.draft_key.as_deref()];
    store.write(&INSERT, binds).await.map(drop)
}

/// The session of a cookie, over or not.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, digest: &Sha256Digest) -> Result<Option<SessionRow>, StoreError> {
    let Some(mut row) = from.into().find(&FIND, binds![digest]).await? else { return Ok(None) };
    Ok(Some(SessionRow {
        digest: row.digest()?,
        study_id: row.int()?,
        credential_id: row.opt_mark()?,
        idle_at: row.instant()?,
        ends_at: row.instant()?,
        draft_key: row.opt_blob()?,
    }))
}

/// Something was asked for.
///
/// # Errors
/// Those of the database.
pub async fn prolong(store: &Store, digest: &Sha256Digest, idle_at: Instant) -> Result<(), StoreError> {
    store.write(&PROLONG, binds![digest, idle_at]).await.map(drop)
}

/// Ends a session; when it was there must not be found again.
///
/// # Errors
/// Those of the database.
pub async fn end(store: &Store, digest: &Sha256Digest) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.leaves_traces();
    tx.later(&END, binds![digest], Expect::Any).await?;
    tx.commit().await
}

/// Ends every session that was begun with a credential.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn end_of_credential(tx: &mut Tx, credential: &Mark) -> Result<(), StoreError> {
    tx.leaves_traces();
    tx.later(&END_OF_CREDENTIAL, binds![credential], Expect::Any).await
}

/// Takes away what is over: sessions, and failures of a quiet time ago; whether there was anything. When they were must not be found
/// again: in a survey without names it would say who answered when.
///
/// # Errors
/// Those of the database.
pub async fn sweep(store: &Store, now: Instant, quiet_since: Instant) -> Result<bool, StoreError> {
    let over = Reader::from(store).find(&COUNT_OVER, binds![now, quiet_since]).await?;
    if over.map_or(Ok(0), |mut row| row.int())? == 0 {
        return Ok(false);
    }
    let mut tx = store.begin().await?;
    tx.leaves_traces();
    tx.later(&END_OVER, binds![now], Expect::Any).await?;
    tx.later(&FORGIVE_OLD, binds![quiet_since], Expect::Any).await?;
    tx.commit().await?;
    Ok(true)
}

/// How often signing in failed for that.
///
/// # Errors
/// Those of the database.
pub async fn failures<'a>(from: impl Into<Reader<'a>>, of: &Sha256Digest) -> Result<Option<FailureRow>, StoreError> {
    let Some(mut row) = from.into().find(&FAILURES, binds![of]).await? else { return Ok(None) };
    Ok(Some(FailureRow { failures: row.int()?, last_at: row.instant()?, until: row.instant()? }))
}

/// Writes that signing in failed once more.
///
/// # Errors
/// Those of the database.
pub async fn record_failure(store: &Store, of: &Sha256Digest, failed: &FailureRow) -> Result<(), StoreError> {
    store.write(&FAIL, binds![of, failed.failures, failed.last_at, failed.until]).await.map(drop)
}

/// Forgets failures: it went well.
///
/// # Errors
/// Those of the database.
pub async fn forgive(store: &Store, of: &Sha256Digest) -> Result<(), StoreError> {
    store.write(&FORGIVE, binds![of]).await.map(drop)
}

/// One try that was counted before it was known how it went has gone well.
///
/// # Errors
/// Those of the database.
pub async fn take_back(store: &Store, of: &Sha256Digest, now: Instant) -> Result<(), StoreError> {
    store.write(&TAKE_BACK, binds![of, now]).await.map(drop)
}
