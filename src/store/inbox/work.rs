//! The reader's and the intake's work on mails received: claim, outcome, filing.

use super::super::gathered::Turn;
use super::super::sealed::{self, Mail};
use super::super::sql::{Bind, Row, Rows, binds, chunks, statements};
use super::super::tx::Expect;
use super::super::{Reader, Store, StoreError, Tx};
use super::{RAW_CODE, State};
use crate::domain::chain::Sha256Digest;
use crate::domain::kept::{Column, Kept, Place};
use crate::domain::seal::{KeyRing, Unopened};
use crate::domain::time::Instant;

/// A mail claimed for reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxItem {
    /// Number in the database.
    pub id: i64,
    /// Mailbox it came from.
    pub mailbox: String,
    /// The mail, or its headers if it was too large; or why no key opens it.
    pub raw: Result<Vec<u8>, Unopened>,
    /// Size in the mailbox, in bytes; more than `raw` if the mail was too large.
    pub size: i64,
    /// When it was taken in.
    pub received_at: Instant,
    /// Tries to read it, this one among them.
    pub tries: i64,
    /// Who let it out of quarantine and so vouches for it.
    pub released_by: Option<String>,
}

/// What became of a mail.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The mail.
    pub id: i64,
    /// Who claimed it.
    pub owner: &'a str,
    /// Done or held.
    pub state: State,
    /// What was decided, as a key.
    pub disposition: &'a str,
    /// Why, as a key; may be empty.
    pub reason: &'a str,
    /// Study it was for.
    pub study_id: Option<i64>,
    /// Subject it enrolled or asked about.
    pub subject_id: Option<i64>,
    /// Id of the person who wrote it.
    pub person: Option<&'a str>,
    /// JSON, how it was read, for people; sealed where there is a key.
    pub reading: &'a str,
    /// Now.
    pub at: Instant,
}

/// A mail that is decided or held but still lies in its mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfiled {
    /// Number in the database.
    pub id: i64,
    /// Its place in the mailbox.
    pub item_key: String,
    /// How far it has come.
    pub state: State,
    /// What was decided.
    pub disposition: String,
}

macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM inbox WHERE state = 'new' AND lease_until <= $1 ",
            "ORDER BY id LIMIT $2 ",
            $lock,
            ") UPDATE inbox SET tries = tries + 1, lease_until = $3, lease_owner = $4 WHERE id IN (SELECT id FROM due) ",
            "RETURNING id, mailbox, raw_digest, (SELECT raw FROM inbox_raw WHERE inbox_id = inbox.id), ",
            "(SELECT seal FROM inbox_raw WHERE inbox_id = inbox.id), size, received_at, tries, released_by"
        )
    };
}

statements! { "inbox":
    CLAIM = twin [claim!(""), claim!("FOR UPDATE SKIP LOCKED")];
    OUTCOME = rows Rows {
        head: "WITH outcome (id, owner, state, disposition, reason, study, subject, person, reading, decided) AS (VALUES",
        first: 1,
        columns: 10,
        tail: ") UPDATE inbox SET state = outcome.state, disposition = outcome.disposition, reason = outcome.reason, \
            study_id = CAST(outcome.study AS BIGINT), subject_id = CAST(outcome.subject AS BIGINT), \
            person = outcome.person, reading = outcome.reading, decided_at = CAST(outcome.decided AS BIGINT), \
            lease_until = 0, lease_owner = '' FROM outcome WHERE inbox.id = CAST(outcome.id AS BIGINT) \
            AND inbox.lease_owner = outcome.owner AND inbox.state = 'new'",
    };
    GIVE_BACK = same "UPDATE inbox SET tries = tries - 1, lease_until = 0, lease_owner = '' \
        WHERE id = $1 AND lease_owner = $2 AND state = 'new' AND tries > 0";
    SET_FREE = same "UPDATE inbox SET lease_until = 0, lease_owner = '' \
        WHERE id = $1 AND lease_owner = $2 AND state = 'new'";
    FREE_ALL = same "UPDATE inbox SET lease_until = 0, lease_owner = '' WHERE state = 'new' AND lease_until > 0";
    UNFILED = same "SELECT id, item_key, state, disposition FROM inbox \
        WHERE mailbox = $1 AND filed_at IS NULL AND state <> 'new' AND id > $2 ORDER BY id LIMIT $3";
    FILE = rows Rows {
        head: "WITH moved (id) AS (VALUES",
        first: 3,
        columns: 1,
        tail: ") UPDATE inbox SET filed_folder = $1, filed_at = $2 WHERE id IN (SELECT CAST(id AS BIGINT) FROM moved)",
    };
    REKEY = same "UPDATE inbox SET item_key = $4 WHERE id = (SELECT min(id) FROM inbox \
        WHERE mailbox = $1 AND filed_at IS NULL AND raw_digest = $3 AND substr(item_key, 1, length($2)) = $2)";
}

/// Takes at most `limit` mails to be read, oldest first, and owns them until `now` plus the lease. Each try is counted
/// before it is made, so that a mail that kills its reader cannot do so for ever.
///
/// # Errors
/// Those of the database.
pub async fn claim(
    store: &Store,
    owner: &str,
    now: Instant,
    lease_seconds: i64,
    limit: i64,
) -> Result<Vec<InboxItem>, StoreError> {
    let until = now.plus_seconds(lease_seconds);
    let rows = store.write(&CLAIM, binds![now, limit, until, owner]).await?;
    let mut items: Vec<InboxItem> = rows.into_iter().map(|row| read(row, store.ring())).collect::<Result<_, _>>()?;
    items.sort_by_key(|item| item.id);
    Ok(items)
}

fn read(mut row: Row, ring: &KeyRing) -> Result<InboxItem, StoreError> {
    let (id, mailbox, digest) = (row.int()?, row.text()?, row.digest()?);
    let (kept, seal) = (row.opt_blob()?.unwrap_or_default(), row.opt_int()?.unwrap_or_default());
    Ok(InboxItem {
        id,
        mailbox,
        raw: sealed::open(ring, Mail::Received, &digest, seal, kept),
        size: row.int()?,
        received_at: row.instant()?,
        tries: row.int()?,
        released_by: row.opt_text()?,
    })
}

/// Writes what became of a claimed mail.
///
/// # Errors
/// [`StoreError::LostLease`] if the mail is not the owner's any more (or, where several are written together, that one of them
/// is not); it may come from a later call.
pub async fn record_outcome(tx: &mut Tx, outcome: &Outcome<'_>) -> Result<(), StoreError> {
    let (ring, key) = (tx.ring(), outcome.id.to_string());
    // Whatever a mail is about: one that was not understood may tell of a patient as well.
    let place = Place { study: 0, column: Column::InboxReading, key: &key };
    let reading = Kept::whole(ring, place, !ring.is_empty(), outcome.reading)?;
    let binds = binds![
        outcome.id,
        outcome.owner,
        outcome.state.key(),
        outcome.disposition,
        outcome.reason,
        outcome.study_id,
        outcome.subject_id,
        outcome.person,
        reading.text(),
        outcome.at
    ];
    tx.gather(Turn::Outcome, &OUTCOME, binds, Expect::Lease { noun: "inbox", id: outcome.id }).await
}

/// Gives a claimed mail back unread, without counting the try: the daemon stops, or the database was away.
///
/// # Errors
/// Those of the database.
pub async fn give_back(store: &Store, id: i64, owner: &str) -> Result<(), StoreError> {
    store.write(&GIVE_BACK, binds![id, owner]).await.map(std::mem::drop)
}

/// Gives a claimed mail back after a try that failed by the mail's own fault: the try counts.
///
/// # Errors
/// Those of the database.
pub async fn set_free(store: &Store, id: i64, owner: &str) -> Result<(), StoreError> {
    store.write(&SET_FREE, binds![id, owner]).await.map(std::mem::drop)
}

/// Gives every claimed mail back: for a daemon that knows that no other lives. The tries stay counted.
///
/// # Errors
/// Those of the database.
pub async fn free_all(store: &Store) -> Result<(), StoreError> {
    store.write(&FREE_ALL, binds![]).await.map(std::mem::drop)
}

/// At most `limit` mails of a mailbox behind number `after` that are decided or held but not moved yet.
///
/// # Errors
/// Those of the database.
pub async fn unfiled<'a>(
    from: impl Into<Reader<'a>>,
    mailbox: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<Unfiled>, StoreError> {
    let rows = from.into().fetch(&UNFILED, binds![mailbox, after, limit]).await?;
    let read = |mut row: Row| {
        Ok(Unfiled { id: row.int()?, item_key: row.text()?, state: row.word(State::find)?, disposition: row.text()? })
    };
    rows.into_iter().map(read).collect()
}

/// Writes that mails were moved to a folder.
///
/// # Errors
/// Those of the database.
pub async fn mark_filed(tx: &mut Tx, ids: &[i64], folder: &str, at: Instant) -> Result<(), StoreError> {
    for run in chunks(ids) {
        let mut binds = vec![Bind::from(folder), Bind::from(at)];
        binds.extend(run.iter().map(|&id| Bind::from(id)));
        tx.later_rows(&FILE, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// Gives mails that still lie in a mailbox their new places after a change of UIDVALIDITY: each pair of digest and new
/// place goes to one unmoved mail of the same bytes whose place begins with `old_prefix`. Says of each pair whether
/// there was one; the others are new mails.
///
/// # Errors
/// Those of the database.
pub async fn rekey(
    tx: &mut Tx,
    mailbox: &str,
    old_prefix: &str,
    places: &[(Sha256Digest, String)],
) -> Result<Vec<bool>, StoreError> {
    let mut known = Vec::with_capacity(places.len());
    for (digest, key) in places {
        let mut found = false;
        for code in sealed::codes(tx.ring(), RAW_CODE, digest) {
            found = found || tx.execute(&REKEY, binds![mailbox, old_prefix, &code, key]).await? == 1;
        }
        known.push(found);
    }
    Ok(known)
}
