//! How far each mailbox has been taken in, and which daemon reads it.

use super::sql::{binds, statements};
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx};
use crate::domain::time::Instant;

/// A mailbox as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxRow {
    /// Name in the settings.
    pub name: String,
    /// UIDVALIDITY of the UIDs (RFC 9051 section 2.3.1.1); 0 before the first intake and for folders.
    pub uid_validity: i64,
    /// Greatest UID taken in.
    pub last_uid: i64,
    /// Until when its reader owns it; 0 if nobody does.
    pub lease_until: Instant,
    /// Its reader; empty if nobody.
    pub lease_owner: String,
}

statements! { "mailbox":
    FIND = same "SELECT name, uid_validity, last_uid, lease_until, lease_owner FROM mailbox WHERE name = $1";
    CLAIM = same "INSERT INTO mailbox (name, uid_validity, last_uid, lease_until, lease_owner) \
        VALUES ($1, 0, 0, $2, $3) ON CONFLICT (name) DO UPDATE \
        SET lease_until = excluded.lease_until, lease_owner = excluded.lease_owner \
        WHERE mailbox.lease_owner = excluded.lease_owner OR mailbox.lease_until <= $4 \
        RETURNING name, uid_validity, last_uid, lease_until, lease_owner";
    RELEASE = same "UPDATE mailbox SET lease_until = 0, lease_owner = '' WHERE name = $1 AND lease_owner = $2";
    SAVE = same "INSERT INTO mailbox (name, uid_validity, last_uid, lease_until, lease_owner) VALUES ($1, $2, $3, 0, '') \
        ON CONFLICT (name) DO UPDATE SET uid_validity = excluded.uid_validity, last_uid = excluded.last_uid";
}

fn read(mut row: super::sql::Row) -> Result<MailboxRow, StoreError> {
    Ok(MailboxRow {
        name: row.text()?,
        uid_validity: row.int()?,
        last_uid: row.int()?,
        lease_until: row.instant()?,
        lease_owner: row.text()?,
    })
}

/// The mailbox of that name, if it was ever read.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, name: &str) -> Result<Option<MailboxRow>, StoreError> {
    from.into().find(&FIND, binds![name]).await?.map(read).transpose()
}

/// Takes the mailbox, or keeps it, until `now` plus the lease; nothing if another reader owns it. A mailbox never seen
/// before starts at UID 0.
///
/// # Errors
/// Those of the database.
pub async fn claim(
    store: &Store,
    name: &str,
    owner: &str,
    now: Instant,
    lease_seconds: i64,
) -> Result<Option<MailboxRow>, StoreError> {
    let until = now.plus_seconds(lease_seconds);
    let rows = store.write(&CLAIM, binds![name, until, owner, now]).await?;
    rows.into_iter().next().map(read).transpose()
}

/// Gives the mailbox up.
///
/// # Errors
/// Those of the database.
pub async fn release(store: &Store, name: &str, owner: &str) -> Result<(), StoreError> {
    store.write(&RELEASE, binds![name, owner]).await.map(drop)
}

/// Writes how far it has been taken in, beside the mails themselves.
///
/// # Errors
/// Those of the database.
pub async fn save_position(tx: &mut Tx, name: &str, uid_validity: i64, last_uid: i64) -> Result<(), StoreError> {
    tx.later(&SAVE, binds![name, uid_validity, last_uid], Expect::Any).await
}
