//! Identities at providers that sign in to an account.

use super::sql::{binds, statements};
use super::{Reader, StoreError, Tx};
use crate::domain::survey::Mark;

statements! { "identity":
    INSERT = same "INSERT INTO account_identity (issuer, subject, account_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    ACCOUNT_OF = same "SELECT account_id FROM account_identity WHERE issuer = $1 AND subject = $2";
    OTHER = same "SELECT count(*) FROM account_identity WHERE issuer = $1 AND (subject <> $2 AND account_id = $3 \
        OR subject = $2 AND account_id <> $3)";
    COUNT = same "SELECT count(*) FROM account_identity WHERE account_id = $1";
    END = same "DELETE FROM account_identity WHERE account_id = $1";
}

/// Lets an identity sign in to an account; whether it does now: an account has one identity of each provider.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut Tx, issuer: &str, subject: &str, account: &Mark) -> Result<bool, StoreError> {
    Ok(tx.execute(&INSERT, binds![issuer, subject, account]).await? > 0)
}

/// The account of an identity.
///
/// # Errors
/// Those of the database.
pub async fn account_of<'a>(
    from: impl Into<Reader<'a>>,
    issuer: &str,
    subject: &str,
) -> Result<Option<Mark>, StoreError> {
    from.into().find(&ACCOUNT_OF, binds![issuer, subject]).await?.map(|mut row| row.mark()).transpose()
}

/// Whether another identity of that provider signs in to an account, or that identity to another account.
///
/// # Errors
/// Those of the database.
pub async fn has_other<'a>(
    from: impl Into<Reader<'a>>,
    issuer: &str,
    subject: &str,
    account: &Mark,
) -> Result<bool, StoreError> {
    let found = from.into().find(&OTHER, binds![issuer, subject, account]).await?;
    found.map_or(Ok(false), |mut row| Ok(row.int()? > 0))
}

/// How many identities sign in to an account.
///
/// # Errors
/// Those of the database.
pub async fn count<'a>(from: impl Into<Reader<'a>>, account: &Mark) -> Result<i64, StoreError> {
    from.into().find(&COUNT, binds![account]).await?.map_or(Ok(0), |mut row| row.int())
}

/// Lets no identity sign in to an account any more; how many did.
///
/// # Errors
/// Those of the database.
pub async fn end(tx: &mut Tx, account: &Mark) -> Result<u64, StoreError> {
    tx.execute(&END, binds![account]).await
}
