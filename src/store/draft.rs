//! Drafts: answers not sent yet, sealed by the credential's own secret.

use super::sql::{binds, statements};
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx};
use crate::domain::survey::Mark;

statements! { "draft":
    PUT = same "INSERT INTO draft (credential_id, sealed, day) VALUES ($1, $2, $3) \
        ON CONFLICT (credential_id) DO UPDATE SET sealed = excluded.sealed, day = excluded.day";
    FIND = same "SELECT sealed FROM draft WHERE credential_id = $1";
    FORGET = same "DELETE FROM draft WHERE credential_id = $1";
}

/// Keeps a draft in place of the one before.
///
/// # Errors
/// Those of the database.
pub async fn put(store: &Store, credential: &Mark, sealed: &[u8], day: &str) -> Result<(), StoreError> {
    store.write(&PUT, binds![credential, sealed, day]).await.map(drop)
}

/// The draft of a credential, sealed.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, credential: &Mark) -> Result<Option<Vec<u8>>, StoreError> {
    from.into().find(&FIND, binds![credential]).await?.map(|mut row| row.blob()).transpose()
}

/// Forgets a draft: its answers were sent.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget(tx: &mut Tx, credential: &Mark) -> Result<(), StoreError> {
    tx.later(&FORGET, binds![credential], Expect::Any).await
}
