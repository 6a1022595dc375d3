//! Drafts: answers not sent yet, sealed.

use super::credential::CredentialRow;
use super::sql::{binds, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::survey::Mark;

statements! { "draft":
    PUT = same "INSERT INTO draft (credential_id, sealed, day) VALUES ($1, $2, $3) \
        ON CONFLICT (credential_id) DO UPDATE SET sealed = excluded.sealed, day = excluded.day";
    FIND = same "SELECT sealed, day FROM draft WHERE credential_id = $1";
    FORGET = same "DELETE FROM draft WHERE credential_id = $1";
    FORGET_OF = same "DELETE FROM draft WHERE credential_id IN (SELECT id FROM credential WHERE participant_id = $1)";
}

/// Keeps a draft in place of the one before.
///
/// # Errors
/// Those of the database.
pub async fn put(tx: &mut Tx, credential: &Mark, sealed: &[u8], day: &str) -> Result<(), StoreError> {
    tx.execute(&PUT, binds![credential, sealed, day]).await.map(drop)
}

/// The draft of a credential, sealed, and the day on which it was kept.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, credential: &Mark) -> Result<Option<(Vec<u8>, String)>, StoreError> {
    let found = from.into().find(&FIND, binds![credential]).await?;
    found.map(|mut row| Ok((row.blob()?, row.text()?))).transpose()
}

/// Forgets every draft of a participant, whichever credential it was kept with.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget_of(tx: &mut Tx, participant_id: i64) -> Result<(), StoreError> {
    tx.later(&FORGET_OF, binds![participant_id], Expect::Any).await
}

/// Forgets every draft of whoever has that credential.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget_all(tx: &mut Tx, credential: &CredentialRow) -> Result<(), StoreError> {
    match credential.participant_id {
        Some(id) => forget_of(tx, id).await,
        None => forget(tx, &credential.id).await,
    }
}

/// Forgets a draft: its answers were sent, or nobody can open it any more.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget(tx: &mut Tx, credential: &Mark) -> Result<(), StoreError> {
    tx.later(&FORGET, binds![credential], Expect::Any).await
}
