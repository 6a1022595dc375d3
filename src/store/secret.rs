//! Secrets of the installation, such as the key of its authentication codes: made once, then kept.

use super::sql::{binds, statements};
use super::{Reader, Store, StoreError};

statements! { "secret":
    INSERT = same "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    FIND = same "SELECT value FROM secret WHERE name = $1";
}

/// The secret of that name; `fresh` becomes it if there is none. Everybody gets the same, whoever came first.
///
/// # Errors
/// Those of the database.
pub async fn secret_or_insert(store: &Store, name: &str, fresh: &[u8]) -> Result<Vec<u8>, StoreError> {
    if let Some(mut row) = Reader::from(store).find(&FIND, binds![name]).await? {
        return row.blob();
    }
    store.write(&INSERT, binds![name, fresh]).await?;
    let found = Reader::from(store).find(&FIND, binds![name]).await?;
    found.ok_or_else(|| StoreError::Missing { noun: "secret", key: name.to_owned() })?.blob()
}
