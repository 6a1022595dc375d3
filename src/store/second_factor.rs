//! Second factors of accounts: the sealed secret of an authenticator, the last code taken, and the recovery codes left.

use super::sql::{Row, binds, statements, words};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

words! {
    /// Whether a code of an authenticator is asked for.
    State {
        /// Not yet: none was typed that proves that somebody has it.
        Pending = "pending",
        /// It is.
        Active = "active",
    }
}

/// An authenticator as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondRow {
    /// Whether its codes are asked for.
    pub state: State,
    /// Its secret, sealed.
    pub secret: Vec<u8>,
    /// Step of the last code that was taken.
    pub step: i64,
}

statements! { "second_factor":
    // One that is in use is not put aside by a new one.
    BEGIN = same "INSERT INTO account_second (account_id, state, secret, step, since) VALUES ($1, 'pending', $2, 0, $3) \
        ON CONFLICT (account_id) DO UPDATE SET secret = excluded.secret, since = excluded.since \
        WHERE account_second.state = 'pending'";
    FIND = same "SELECT state, secret, step FROM account_second WHERE account_id = $1";
    ACTIVATE = same "UPDATE account_second SET state = 'active', step = $3, since = $4 \
        WHERE account_id = $1 AND secret = $2 AND state = 'pending'";
    TAKE_STEP = same "UPDATE account_second SET step = $2 WHERE account_id = $1 AND state = 'active' AND step < $2";
    END = same "DELETE FROM account_second WHERE account_id = $1";
    INSERT_CODE = same "INSERT INTO account_recovery (digest, account_id) VALUES ($1, $2)";
    TAKE_CODE = same "DELETE FROM account_recovery WHERE digest = $1 AND account_id = $2";
    COUNT_CODES = same "SELECT count(*) FROM account_recovery WHERE account_id = $1";
    END_CODES = same "DELETE FROM account_recovery WHERE account_id = $1";
}

fn read(mut row: Row) -> Result<SecondRow, StoreError> {
    Ok(SecondRow { state: row.word(State::find)?, secret: row.blob()?, step: row.int()? })
}

/// Keeps the secret of an authenticator that is being set up; whether it was kept: one in use stays.
///
/// # Errors
/// Those of the database.
pub async fn begin(tx: &mut Tx, account: &Mark, secret: &[u8], at: Instant) -> Result<bool, StoreError> {
    Ok(tx.execute(&BEGIN, binds![account, secret, at]).await? > 0)
}

/// The authenticator of an account, in use or being set up.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, account: &Mark) -> Result<Option<SecondRow>, StoreError> {
    from.into().find(&FIND, binds![account]).await?.map(read).transpose()
}

/// Has its codes asked for from now on; whether that very one was being set up.
///
/// # Errors
/// Those of the database.
pub async fn activate(tx: &mut Tx, account: &Mark, secret: &[u8], step: i64, at: Instant) -> Result<bool, StoreError> {
    Ok(tx.execute(&ACTIVATE, binds![account, secret, step, at]).await? > 0)
}

/// Takes the code of a step of time; whether no code of that step or a later one was taken before.
///
/// # Errors
/// Those of the database.
pub async fn take_step(tx: &mut Tx, account: &Mark, step: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(&TAKE_STEP, binds![account, step]).await? > 0)
}

/// Forgets an authenticator and its recovery codes; whether there was one.
///
/// # Errors
/// Those of the database.
pub async fn end(tx: &mut Tx, account: &Mark) -> Result<bool, StoreError> {
    tx.execute(&END_CODES, binds![account]).await?;
    Ok(tx.execute(&END, binds![account]).await? > 0)
}

/// Keeps new recovery codes in place of those before.
///
/// # Errors
/// Those of the database; [`StoreError::Conflict`] may come from a later call.
pub async fn replace_codes(tx: &mut Tx, account: &Mark, digests: &[Sha256Digest]) -> Result<(), StoreError> {
    tx.execute(&END_CODES, binds![account]).await?;
    for digest in digests {
        tx.later(&INSERT_CODE, binds![digest, account], Expect::Any).await?;
    }
    Ok(())
}

/// Uses a recovery code up; whether it was still there.
///
/// # Errors
/// Those of the database.
pub async fn take_code(tx: &mut Tx, account: &Mark, digest: &Sha256Digest) -> Result<bool, StoreError> {
    Ok(tx.execute(&TAKE_CODE, binds![digest, account]).await? > 0)
}

/// How many recovery codes are left.
///
/// # Errors
/// Those of the database.
pub async fn count_codes<'a>(from: impl Into<Reader<'a>>, account: &Mark) -> Result<i64, StoreError> {
    from.into().find(&COUNT_CODES, binds![account]).await?.map_or(Ok(0), |mut row| row.int())
}
