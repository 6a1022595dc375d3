//! Credentials whose time begins when a mail server takes their letter.

use super::sql::{Bind, Rows, binds, chunks, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

statements! { "credential_wait":
    INSERT = same "INSERT INTO credential_wait (credential_id, message_id, days) VALUES ($1, $2, $3)";
    DAYS = same "SELECT days FROM credential_wait WHERE credential_id = $1";
    FORGET = same "DELETE FROM credential_wait WHERE credential_id = $1";
    BEGIN = rows Rows {
        head: "WITH left_us (id) AS (VALUES",
        first: 2,
        columns: 1,
        tail: ") UPDATE credential SET expires_at = CAST($1 AS BIGINT) + credential_wait.days * 86400000000 FROM credential_wait \
            WHERE credential.id = credential_wait.credential_id \
            AND credential_wait.message_id IN (SELECT CAST(id AS TEXT) FROM left_us)",
    };
    BEGUN = rows Rows {
        head: "WITH left_us (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") DELETE FROM credential_wait WHERE message_id IN (SELECT CAST(id AS TEXT) FROM left_us)",
    };
}

/// Has a credential wait for a letter, to be good for so many days from then on.
///
/// # Errors
/// [`StoreError::Conflict`] if it waits already; it may come from a later call.
pub async fn insert(tx: &mut Tx, credential: &Mark, message_id: &str, days: u32) -> Result<(), StoreError> {
    tx.later(&INSERT, binds![credential, message_id, i64::from(days)], Expect::Any).await
}

/// For how many days a credential will be good once its letter has left; none if it waits for none.
///
/// # Errors
/// Those of the database.
pub async fn days<'a>(from: impl Into<Reader<'a>>, credential: &Mark) -> Result<Option<u32>, StoreError> {
    let Some(mut row) = from.into().find(&DAYS, binds![credential]).await? else { return Ok(None) };
    Ok(Some(u32::try_from(row.int()?).unwrap_or(u32::MAX)))
}

/// Has a credential wait no more; its end stays as it is.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget(tx: &mut Tx, credential: &Mark) -> Result<(), StoreError> {
    tx.later(&FORGET, binds![credential], Expect::Any).await
}

/// A mail server took letters: the time of the credentials in them begins. Belongs into the transaction that records the verdict.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn begin(tx: &mut Tx, at: Instant, message_ids: &[&str]) -> Result<(), StoreError> {
    for run in chunks(message_ids) {
        let own: Vec<Bind<'_>> = run.iter().map(|&id| Bind::from(id)).collect();
        let mut with_time = vec![Bind::from(at)];
        with_time.extend(run.iter().map(|&id| Bind::from(id)));
        tx.later_rows(&BEGIN, run.len(), &with_time, Expect::Any).await?;
        tx.later_rows(&BEGUN, run.len(), &own, Expect::Any).await?;
    }
    Ok(())
}
