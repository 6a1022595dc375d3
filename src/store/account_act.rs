//! What was done about how somebody signs in, by themselves or by an operator.

use super::sql::{Row, binds, statements, words};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

words! {
    /// What was done.
    Act {
        /// A password was chosen, by a link.
        Password = "password",
        /// An authenticator was set up.
        SecondOn = "second-factor-on",
        /// It is done without again.
        SecondOff = "second-factor-off",
        /// New recovery codes were made.
        Codes = "recovery-codes",
        /// A recovery code was used.
        Recovered = "recovery-code-used",
        /// An identity of a provider was let in.
        Identity = "identity-added",
        /// Identities of providers are let in no more.
        NoIdentity = "identities-removed",
        /// The account was closed.
        Closed = "closed",
        /// It was opened again.
        Reopened = "reopened",
    }
}

/// Who acts when they are the owner of the account.
pub const OWNER: &str = "owner";

/// An act as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActRow {
    /// When.
    pub at: Instant,
    /// Who: [`OWNER`], or operator and a name.
    pub actor: String,
    /// What.
    pub act: Act,
    /// Why, of an operator; else empty.
    pub reason: String,
}

statements! { "account_act":
    INSERT = same "INSERT INTO account_act (account_id, at, actor, act, reason, told) VALUES ($1, $2, $3, $4, $5, 0)";
    UNTOLD = same "SELECT account_id FROM account_act WHERE told = 0 GROUP BY account_id ORDER BY min(id) LIMIT $1";
    TAKE = same "SELECT at, actor, act, reason FROM account_act WHERE account_id = $1 AND told = 0 ORDER BY id";
    TOLD = same "UPDATE account_act SET told = 1 WHERE account_id = $1 AND told = 0";
    LIST = same "SELECT at, actor, act, reason FROM account_act WHERE account_id = $1 ORDER BY id DESC LIMIT $2";
}

/// Records an act.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn insert(tx: &mut Tx, account: &Mark, row: &ActRow) -> Result<(), StoreError> {
    let binds = binds![account, row.at, &row.actor, row.act.key(), &row.reason];
    tx.later(&INSERT, binds, Expect::Any).await
}

/// Records an act of the owner.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn insert_own(tx: &mut Tx, account: &Mark, act: Act, at: Instant) -> Result<(), StoreError> {
    insert(tx, account, &ActRow { at, actor: OWNER.to_string(), act, reason: String::new() }).await
}

/// The latest acts, the last first.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(from: impl Into<Reader<'a>>, account: &Mark, most: i64) -> Result<Vec<ActRow>, StoreError> {
    from.into().fetch(&LIST, binds![account, most]).await?.into_iter().map(read).collect()
}

fn read(mut row: Row) -> Result<ActRow, StoreError> {
    Ok(ActRow { at: row.instant()?, actor: row.text()?, act: row.word(Act::find)?, reason: row.text()? })
}

/// Accounts whose owners were not told yet of something, those that wait longest first.
///
/// # Errors
/// Those of the database.
pub async fn untold<'a>(from: impl Into<Reader<'a>>, most: i64) -> Result<Vec<Mark>, StoreError> {
    from.into().fetch(&UNTOLD, binds![most]).await?.into_iter().map(|mut row| row.mark()).collect()
}

/// What an owner was not told of yet, in the order of doing; from now on it is told. The account must be held.
///
/// # Errors
/// Those of the database.
pub async fn take_untold(tx: &mut Tx, account: &Mark) -> Result<Vec<ActRow>, StoreError> {
    let rows = tx.fetch(&TAKE, binds![account]).await?;
    tx.execute(&TOLD, binds![account]).await?;
    rows.into_iter().map(read).collect()
}
