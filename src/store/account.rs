//! Accounts of members and staff, the links by which a password is chosen, and their sessions.

use super::sql::{Row, binds, statements, words};
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

words! {
    /// Whether an account lets anybody in.
    State {
        /// Not yet: no password was chosen.
        New = "new",
        /// It does.
        Active = "active",
        /// Not any more.
        Closed = "closed",
    }
}

/// An account as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Random name.
    pub id: Mark,
    /// Folded address that they sign in with.
    pub address: String,
    /// Code of a language, or empty.
    pub language: String,
    /// Whether it lets anybody in.
    pub state: State,
    /// Hash of the password as a PHC string, once one was chosen.
    pub password: Option<String>,
}

impl std::fmt::Debug for AccountRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountRow({}, {})", self.id.text(), self.state.key())
    }
}

/// A session of an account as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the secret in the cookie.
    pub digest: Sha256Digest,
    /// Whose.
    pub account_id: Mark,
    /// When it ends if nothing is asked for until then.
    pub idle_at: Instant,
    /// When it ends in any case.
    pub ends_at: Instant,
    /// Whether the second factor is waited for: then it lets nobody in.
    pub waiting: bool,
    /// When its owner last showed who they are, by password or second factor.
    pub proved_at: Instant,
    /// When its owner last gave the second factor; none if never.
    pub second_at: Option<Instant>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, address, language, state, password FROM account ", $rest)
    };
}

statements! { "account":
    // Two who ask at once make one.
    INSERT = same "INSERT INTO account (id, address, language, state, created_at) VALUES ($1, $2, $3, 'new', $4) \
        ON CONFLICT DO NOTHING";
    BY_ID = same select!("WHERE id = $1");
    BY_ADDRESS = same select!("WHERE address = $1");
    // Takes the row, so that sessions and what ends them come one after the other.
    STILL = same "UPDATE account SET language = language WHERE id = $1 AND state = 'active' AND coalesce(password, '') = $2";
    HOLD = same "UPDATE account SET language = language WHERE id = $1";
    FORGET_SECOND = same "UPDATE account_session SET second_at = NULL WHERE account_id = $1";
    OPEN = same "UPDATE account SET state = 'active' WHERE id = $1 AND state = 'new'";
    CLOSE = same "UPDATE account SET state = 'closed' WHERE id = $1 AND state <> 'closed'";
    REOPEN = same "UPDATE account SET state = CASE WHEN password IS NULL \
        AND NOT EXISTS (SELECT 1 FROM account_identity i WHERE i.account_id = account.id) THEN 'new' ELSE 'active' END \
        WHERE id = $1 AND state = 'closed'";
    CHOOSE = same "UPDATE account SET password = $2, state = 'active', chosen_at = $3 WHERE id = $1 AND state <> 'closed'";
    INSERT_LINK = same "INSERT INTO account_link (digest, account_id, expires_at) VALUES ($1, $2, $3)";
    FIND_LINK = same "SELECT account_id, expires_at FROM account_link WHERE digest = $1";
    TAKE_LINK = same "DELETE FROM account_link WHERE digest = $1";
    END_LINKS = same "DELETE FROM account_link WHERE account_id = $1";
    END_OLD_LINKS = same "DELETE FROM account_link WHERE expires_at <= $1";
    INSERT_SESSION = same "INSERT INTO account_session (digest, account_id, idle_at, ends_at, waiting, proved_at, second_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    FIND_SESSION = same "SELECT digest, account_id, idle_at, ends_at, waiting, proved_at, second_at \
        FROM account_session WHERE digest = $1";
    PROVED = same "UPDATE account_session SET proved_at = CASE WHEN proved_at > $2 THEN proved_at ELSE $2 END, \
        second_at = coalesce($3, second_at) WHERE digest = $1";
    PROLONG = same "UPDATE account_session SET idle_at = $2 WHERE digest = $1";
    END_SESSION = same "DELETE FROM account_session WHERE digest = $1";
    END_SESSIONS = same "DELETE FROM account_session WHERE account_id = $1";
    END_OTHERS = same "DELETE FROM account_session WHERE account_id = $1 AND digest <> $2";
    COUNT_SESSIONS = same "SELECT count(*) FROM account_session WHERE account_id = $1 AND waiting = 0 AND ends_at > $2 AND idle_at > $2";
    END_OVER = same "DELETE FROM account_session WHERE ends_at <= $1 OR idle_at <= $1";
    COUNT_OVER = same "SELECT (SELECT count(*) FROM account_session WHERE ends_at <= $1 OR idle_at <= $1) + \
        (SELECT count(*) FROM account_link WHERE expires_at <= $1)";
}

fn read(mut row: Row) -> Result<AccountRow, StoreError> {
    Ok(AccountRow {
        id: row.mark()?,
        address: row.text()?,
        language: row.text()?,
        state: row.word(State::find)?,
        password: row.opt_text()?,
    })
}

/// Makes an account without a password; one of that address that is there stays as it is.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut Tx, id: &Mark, address: &str, language: &str, at: Instant) -> Result<(), StoreError> {
    tx.execute(&INSERT, binds![id, address, language, at]).await.map(drop)
}

/// The account of that name.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, id: &Mark) -> Result<Option<AccountRow>, StoreError> {
    from.into().find(&BY_ID, binds![id]).await?.map(read).transpose()
}

/// The account of that (folded) address.
///
/// # Errors
/// Those of the database.
pub async fn find_by_address<'a>(from: impl Into<Reader<'a>>, address: &str) -> Result<Option<AccountRow>, StoreError> {
    from.into().find(&BY_ADDRESS, binds![address]).await?.map(read).transpose()
}

/// Gives an account another password: it lets its owner in from then on, unless it was closed.
///
/// # Errors
/// Those of the database.
pub async fn choose(tx: &mut Tx, id: &Mark, password: &str, at: Instant) -> Result<(), StoreError> {
    tx.execute(&CHOOSE, binds![id, password, at]).await.map(drop)
}

/// Whether an account is what it was read as: it lets somebody in, and by the same password. Until the transaction ends nobody
/// changes it.
///
/// # Errors
/// Those of the database.
pub async fn is_still(tx: &mut Tx, read: &AccountRow) -> Result<bool, StoreError> {
    Ok(tx.execute(&STILL, binds![&read.id, read.password.as_deref().unwrap_or_default()]).await? > 0)
}

/// Keeps others from changing an account, or beginning a session of it, until the transaction ends.
///
/// # Errors
/// Those of the database.
pub async fn hold(tx: &mut Tx, id: &Mark) -> Result<(), StoreError> {
    tx.execute(&HOLD, binds![id]).await.map(drop)
}

/// Forgets in every session of an account that a second factor was given.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget_second(tx: &mut Tx, id: &Mark) -> Result<(), StoreError> {
    tx.later(&FORGET_SECOND, binds![id], Expect::Any).await
}

/// Lets an account without a password let its owner in by other ways, unless it was closed.
///
/// # Errors
/// Those of the database.
pub async fn open(tx: &mut Tx, id: &Mark) -> Result<(), StoreError> {
    tx.execute(&OPEN, binds![id]).await.map(drop)
}

/// Closes an account; whether it was not closed before.
///
/// # Errors
/// Those of the database.
pub async fn close(tx: &mut Tx, id: &Mark) -> Result<bool, StoreError> {
    Ok(tx.execute(&CLOSE, binds![id]).await? > 0)
}

/// Opens a closed account again; whether it was closed.
///
/// # Errors
/// Those of the database.
pub async fn reopen(tx: &mut Tx, id: &Mark) -> Result<bool, StoreError> {
    Ok(tx.execute(&REOPEN, binds![id]).await? > 0)
}

/// Keeps a link by which a password is chosen; those before open nothing any more.
///
/// # Errors
/// Those of the database.
pub async fn insert_link(
    tx: &mut Tx,
    digest: &Sha256Digest,
    account: &Mark,
    expires_at: Instant,
) -> Result<(), StoreError> {
    tx.execute(&END_LINKS, binds![account]).await?;
    tx.execute(&INSERT_LINK, binds![digest, account, expires_at]).await.map(drop)
}

/// Whose password a link is for, and until when it is good.
///
/// # Errors
/// Those of the database.
pub async fn find_link<'a>(
    from: impl Into<Reader<'a>>,
    digest: &Sha256Digest,
) -> Result<Option<(Mark, Instant)>, StoreError> {
    let Some(mut row) = from.into().find(&FIND_LINK, binds![digest]).await? else { return Ok(None) };
    Ok(Some((row.mark()?, row.instant()?)))
}

/// Uses a link up; whether it was still there: of two who use it at once one does.
///
/// # Errors
/// Those of the database.
pub async fn take_link(tx: &mut Tx, digest: &Sha256Digest) -> Result<bool, StoreError> {
    tx.leaves_traces();
    Ok(tx.execute(&TAKE_LINK, binds![digest]).await? > 0)
}

/// Ends every session and every link of an account.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn end_all(tx: &mut Tx, account: &Mark) -> Result<(), StoreError> {
    tx.leaves_traces();
    tx.later(&END_SESSIONS, binds![account], Expect::Any).await?;
    tx.later(&END_LINKS, binds![account], Expect::Any).await
}

/// Begins a session.
///
/// # Errors
/// [`StoreError::Conflict`] if the secret exists.
pub async fn insert_session(tx: &mut Tx, new: &SessionRow) -> Result<(), StoreError> {
    let waiting = i64::from(new.waiting);
    let binds = binds![&new.digest, &new.account_id, new.idle_at, new.ends_at, waiting, new.proved_at, new.second_at];
    tx.later(&INSERT_SESSION, binds, Expect::Any).await
}

/// The session of a cookie, over or not.
///
/// # Errors
/// Those of the database.
pub async fn find_session<'a>(
    from: impl Into<Reader<'a>>,
    digest: &Sha256Digest,
) -> Result<Option<SessionRow>, StoreError> {
    let Some(mut row) = from.into().find(&FIND_SESSION, binds![digest]).await? else { return Ok(None) };
    Ok(Some(SessionRow {
        digest: row.digest()?,
        account_id: row.mark()?,
        idle_at: row.instant()?,
        ends_at: row.instant()?,
        waiting: row.int()? != 0,
        proved_at: row.instant()?,
        second_at: row.opt_instant()?,
    }))
}

/// The owner of a session showed once more who they are; by the second factor if `second_at` is given.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn prove(
    tx: &mut Tx,
    digest: &Sha256Digest,
    proved_at: Instant,
    second_at: Option<Instant>,
) -> Result<(), StoreError> {
    tx.later(&PROVED, binds![digest, proved_at, second_at], Expect::Any).await
}

/// Ends every session of an account but one.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn end_other_sessions(tx: &mut Tx, account: &Mark, kept: &Sha256Digest) -> Result<(), StoreError> {
    tx.leaves_traces();
    tx.later(&END_OTHERS, binds![account, kept], Expect::Any).await
}

/// Something was asked for in a session.
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
pub async fn end_session(store: &Store, digest: &Sha256Digest) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.leaves_traces();
    tx.later(&END_SESSION, binds![digest], Expect::Any).await?;
    tx.commit().await
}

/// How many sessions let somebody in by an account now.
///
/// # Errors
/// Those of the database.
pub async fn count_sessions<'a>(from: impl Into<Reader<'a>>, id: &Mark, now: Instant) -> Result<i64, StoreError> {
    from.into().find(&COUNT_SESSIONS, binds![id, now]).await?.map_or(Ok(0), |mut row| row.int())
}

/// Takes away sessions and links that are over, in a transaction of its own, and has their times wiped; whether there were any.
///
/// # Errors
/// Those of the database.
pub async fn sweep_away(store: &Store, now: Instant) -> Result<bool, StoreError> {
    let over = Reader::from(store).find(&COUNT_OVER, binds![now]).await?;
    if over.map_or(Ok(0), |mut row| row.int())? == 0 {
        return Ok(false);
    }
    let mut tx = store.begin().await?;
    sweep(&mut tx, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Takes away sessions and links that are over, and has their times wiped.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn sweep(tx: &mut Tx, now: Instant) -> Result<(), StoreError> {
    tx.leaves_traces();
    tx.later(&END_OVER, binds![now], Expect::Any).await?;
    tx.later(&END_OLD_LINKS, binds![now], Expect::Any).await
}
