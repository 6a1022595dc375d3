//! How much of what may leave in a minute was used: shared by all daemons of a database.

use std::collections::BTreeMap;

use super::sql::{Bind, Row, Rows, binds, chunks, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::time::Instant;

statements! { "throttle":
    LIST = same "SELECT domain, spent_until FROM throttle WHERE mailbox = $1";
    LOCK = same "INSERT INTO throttle (mailbox, domain, spent_until) VALUES ($1, '', $2) \
        ON CONFLICT (mailbox, domain) DO UPDATE SET spent_until = throttle.spent_until";
    FORGET = same "DELETE FROM throttle WHERE mailbox = $1 AND domain <> '' AND spent_until <= $2";
    SAVE = rows Rows {
        head: "INSERT INTO throttle (mailbox, domain, spent_until) VALUES",
        first: 1,
        columns: 3,
        tail: "ON CONFLICT (mailbox, domain) DO UPDATE SET spent_until = excluded.spent_until",
    };
}

/// What was used in a mailbox: domain (empty for all together) and until when what left is paid for.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(from: impl Into<Reader<'a>>, mailbox: &str) -> Result<BTreeMap<String, Instant>, StoreError> {
    let read = |mut row: Row| Ok((row.text()?, row.instant()?));
    from.into().fetch(&LIST, binds![mailbox]).await?.into_iter().map(read).collect()
}

/// The same, which no other daemon changes until this transaction ends.
///
/// # Errors
/// Those of the database.
pub async fn lock(tx: &mut Tx, mailbox: &str, now: Instant) -> Result<BTreeMap<String, Instant>, StoreError> {
    // All that change anything begin with the row for all together.
    tx.execute(&LOCK, binds![mailbox, now]).await?;
    list(tx, mailbox).await
}

/// Keeps what was used now; what was used up before `now` is forgotten.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn save(tx: &mut Tx, mailbox: &str, now: Instant, used: &[(&str, Instant)]) -> Result<(), StoreError> {
    tx.later(&FORGET, binds![mailbox, now], Expect::Any).await?;
    for run in chunks(used) {
        let binds: Vec<Bind<'_>> =
            run.iter().flat_map(|(domain, until)| [Bind::from(mailbox), (*domain).into(), (*until).into()]).collect();
        tx.later_rows(&SAVE, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}
