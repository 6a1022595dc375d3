//! Mails received: taken in, looked at and steered by people. The reader's own work on them is in [`work`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::gathered::Turn;
use super::sealed::{self, Mail};
use super::sql::{Bind, Row, Rows, binds, chunks, statements, words};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::kept::Column;
use crate::domain::seal::KeyRing;
use crate::domain::time::Instant;

pub mod work;

pub use work::*;

words! {
    /// How far a mail has come.
    State {
        /// To be read.
        New = "new",
        /// Decided.
        Done = "done",
        /// In quarantine: a person must look at it.
        Held = "held",
        /// Put aside by a person.
        Dropped = "dropped",
    }
}

/// A mail to be taken in.
#[derive(Clone, Copy, Debug)]
pub struct NewItem<'a> {
    /// Mailbox it lies in.
    pub mailbox: &'a str,
    /// Its place there; with the mailbox, what makes it the same mail on the next look.
    pub item_key: &'a str,
    /// SHA-256 of `raw`; its code is kept where there is a key.
    pub raw_digest: Sha256Digest,
    /// The mail, or its headers if it was too large; sealed where there is a key.
    pub raw: &'a [u8],
    /// Size in the mailbox, in bytes.
    pub size: i64,
    /// Now.
    pub received_at: Instant,
}

/// A mail as stored, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    /// Number in the database.
    pub id: i64,
    /// Mailbox it came from.
    pub mailbox: String,
    /// Its place there.
    pub item_key: String,
    /// Size in the mailbox, in bytes.
    pub size: i64,
    /// When it was taken in.
    pub received_at: Instant,
    /// How far it has come.
    pub state: State,
    /// What was decided; empty before.
    pub disposition: String,
    /// Why, as a key; empty where there is nothing to say.
    pub reason: String,
    /// Tries to read it.
    pub tries: i64,
    /// Who let it out of quarantine.
    pub released_by: Option<String>,
    /// When it was decided or held.
    pub decided_at: Option<Instant>,
    /// Study it was for.
    pub study_id: Option<i64>,
    /// Subject it enrolled or asked about.
    pub subject_id: Option<i64>,
    /// Id of the person who wrote it.
    pub person: Option<String>,
    /// JSON, how it was read, for people; where no key opens it, an object whose `unopened` says why.
    pub reading: Option<String>,
    /// Folder it was moved to.
    pub filed_folder: Option<String>,
    /// When it was moved there.
    pub filed_at: Option<Instant>,
}

/// Which mails or letters a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those in that state.
    State(State),
    /// Those of that study.
    Study(i64),
}

/// What was known of a message when a mail brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstSight {
    /// Nothing: this mail is the first.
    New,
    /// This mail or that earlier one brought it with the same content.
    Same(i64),
    /// That earlier mail brought it with other content.
    Different(i64),
    /// An earlier mail brought it, signed, to another study.
    Elsewhere,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, mailbox, item_key, size, received_at, state, disposition, reason, tries, released_by, decided_at, ",
            "study_id, subject_id, person, reading, filed_folder, filed_at FROM inbox ",
            $rest
        )
    };
}

statements! { "inbox":
    INSERT = rows Rows {
        head: "INSERT INTO inbox (mailbox, item_key, raw_digest, size, received_at) VALUES",
        first: 1,
        columns: 5,
        tail: "ON CONFLICT (mailbox, item_key) DO NOTHING RETURNING id, mailbox, item_key",
    };
    INSERT_RAW = rows Rows { head: "INSERT INTO inbox_raw (inbox_id, raw, seal) VALUES", first: 1, columns: 3, tail: "" };
    BY_ID = same select!("WHERE id = $1");
    RAW = same "SELECT raw, seal, raw_digest FROM inbox_raw JOIN inbox ON id = inbox_id WHERE inbox_id = $1";
    LIST = same select!("WHERE id < $1 ORDER BY id DESC LIMIT $2");
    LIST_NEW = same select!("WHERE state = 'new' AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_DONE = same select!("WHERE state = 'done' AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_HELD = same select!("WHERE state = 'held' AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_DROPPED = same select!("WHERE state = 'dropped' AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_STUDY = same select!("WHERE study_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2");
    COUNT = same "SELECT count(*) FROM inbox";
    COUNT_HELD = same "SELECT count(*) FROM inbox WHERE state = 'held'";
    COUNT_NEW = same "SELECT count(*) FROM inbox WHERE state = 'new'";
    HOLD = same "UPDATE inbox SET state = 'held', reason = $2, decided_at = $3, lease_until = 0, lease_owner = '' \
        WHERE id = $1 AND state = 'new'";
    FREE = same "UPDATE inbox SET state = 'new', disposition = '', reason = '', tries = 0, lease_until = 0, \
        lease_owner = '', released_by = $2, decided_at = NULL WHERE id = $1 AND state IN ('held', 'dropped')";
    DROP = same "UPDATE inbox SET state = 'dropped', decided_at = $2, lease_until = 0, lease_owner = '' \
        WHERE id = $1 AND state IN ('new', 'held')";
    FIRST = rows Rows {
        head: "INSERT INTO message (message_key, content_digest, inbox_id, seen_at) VALUES",
        first: 1,
        columns: 4,
        tail: "ON CONFLICT (message_key) DO NOTHING",
    };
    MOVE_FIRST = same "UPDATE message SET inbox_id = $2 WHERE message_key = $1";
    SEEN = same "SELECT content_digest, inbox_id FROM message WHERE message_key = $1";
    SEEN_OF = rows Rows {
        head: "SELECT message_key FROM message WHERE message_key IN (VALUES",
        first: 1,
        columns: 1,
        tail: ")",
    };
    KNOWN = rows Rows {
        head: "SELECT item_key FROM inbox WHERE mailbox = $1 AND item_key IN (VALUES",
        first: 2,
        columns: 1,
        tail: ")",
    };
}

/// What the code of a mail's digest is for.
const RAW_CODE: &str = "hagaki mail digest";
/// What the code of a message's content is for.
const CONTENT_CODE: &str = "hagaki message content";

fn read(mut row: Row, ring: &KeyRing) -> Result<InboxRow, StoreError> {
    let id = row.int()?;
    Ok(InboxRow {
        id,
        mailbox: row.text()?,
        item_key: row.text()?,
        size: row.int()?,
        received_at: row.instant()?,
        state: row.word(State::find)?,
        disposition: row.text()?,
        reason: row.text()?,
        tries: row.int()?,
        released_by: row.opt_text()?,
        decided_at: row.opt_instant()?,
        study_id: row.opt_int()?,
        subject_id: row.opt_int()?,
        person: row.opt_text()?,
        reading: row.opt_text()?.map(|kept| reading(ring, id, kept)),
        filed_folder: row.opt_text()?,
        filed_at: row.opt_instant()?,
    })
}

/// The reading of a mail. What becomes of mails does not depend on it, so one that cannot be opened spoils nothing.
fn reading(ring: &KeyRing, id: i64, kept: String) -> String {
    let opened = sealed::whole(ring, (0, Column::InboxReading, &id.to_string()), kept);
    opened.unwrap_or_else(|why| serde_json::json!({ "unopened": why.to_string() }).to_string())
}

/// Takes mails in and gives the numbers of those that were not known yet, in no order.
///
/// # Errors
/// Those of the database.
pub async fn insert_many(tx: &mut Tx, items: &[NewItem<'_>]) -> Result<Vec<i64>, StoreError> {
    let ring = Arc::clone(tx.ring());
    let digests: Vec<Sha256Digest> = items.iter().map(|item| sealed::code(&ring, RAW_CODE, &item.raw_digest)).collect();
    let coded: Vec<(&NewItem<'_>, &Sha256Digest)> = items.iter().zip(&digests).collect();
    let raws: BTreeMap<(&str, &str), (&[u8], &Sha256Digest)> =
        coded.iter().map(|(item, digest)| ((item.mailbox, item.item_key), (item.raw, *digest))).collect();
    let mut fresh: Vec<(i64, i64, Cow<'_, [u8]>)> = Vec::new();
    for run in chunks(&coded) {
        let mut binds = Vec::with_capacity(run.len() * 5);
        for (item, digest) in run {
            binds.extend([
                Bind::from(item.mailbox),
                item.item_key.into(),
                Bind::Blob(Some(digest.as_slice())),
                item.size.into(),
                item.received_at.into(),
            ]);
        }
        for mut row in tx.fetch_rows(&INSERT, run.len(), &binds).await? {
            let (id, mailbox, key) = (row.int()?, row.text()?, row.text()?);
            if let Some((raw, digest)) = raws.get(&(mailbox.as_str(), key.as_str())) {
                let (seal, raw) = sealed::seal(&ring, Mail::Received, *digest, raw)?;
                fresh.push((id, seal, raw));
            }
        }
    }
    for run in chunks(&fresh) {
        let binds: Vec<Bind<'_>> =
            run.iter().flat_map(|(id, seal, raw)| [Bind::from(*id), (&**raw).into(), (*seal).into()]).collect();
        tx.later_rows(&INSERT_RAW, run.len(), &binds, Expect::Any).await?;
    }
    Ok(fresh.into_iter().map(|(id, ..)| id).collect())
}

/// Which of these places in a mailbox are known.
///
/// # Errors
/// Those of the database.
pub async fn known_keys<'a>(
    from: impl Into<Reader<'a>>,
    mailbox: &str,
    keys: &[String],
) -> Result<BTreeSet<String>, StoreError> {
    let mut from = from.into();
    let mut known = BTreeSet::new();
    for run in chunks(keys) {
        let mut binds = vec![Bind::from(mailbox)];
        binds.extend(run.iter().map(Bind::from));
        for mut row in from.fetch_rows(&KNOWN, run.len(), &binds).await? {
            known.insert(row.text()?);
        }
    }
    Ok(known)
}

/// The key of a message to a study: what was sent to several studies is a request to each, and a study in production knows
/// nothing of its rehearsal.
pub fn message_key(study_id: i64, key: &str) -> String {
    format!("{study_id} {key}")
}

/// Says that another mail stands for a message from now on.
///
/// # Errors
/// [`StoreError::Missing`] if the message was never seen.
pub async fn move_first_sight(tx: &mut Tx, message_key: &str, inbox_id: i64) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "message", key: message_key.to_owned() };
    tx.later(&MOVE_FIRST, binds![message_key, inbox_id], expect).await
}

/// Writes that this mail brought a message, unless it was seen before, and says what was known. Two copies that race
/// get one answer: the second waits for the first's transaction.
///
/// # Errors
/// Those of the database.
pub async fn first_sight(
    tx: &mut Tx,
    message_key: &str,
    content_digest: &Sha256Digest,
    inbox_id: i64,
    at: Instant,
) -> Result<FirstSight, StoreError> {
    let codes = sealed::codes(tx.ring(), CONTENT_CODE, content_digest);
    let own = codes.first().unwrap_or(content_digest);
    if tx.execute(&FIRST, binds![message_key, own, inbox_id, at]).await? == 1 {
        return Ok(FirstSight::New);
    }
    let rows = tx.fetch(&SEEN, binds![message_key]).await?;
    let missing = || StoreError::Missing { noun: "message", key: message_key.to_owned() };
    let mut row = rows.into_iter().next().ok_or_else(missing)?;
    let (digest, first) = (row.digest()?, row.int()?);
    Ok(if codes.contains(&digest) { FirstSight::Same(first) } else { FirstSight::Different(first) })
}

/// Those of some messages that were not seen yet.
///
/// # Errors
/// Those of the database.
pub async fn unseen(tx: &mut Tx, message_keys: &BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
    let keys: Vec<&String> = message_keys.iter().collect();
    let mut unseen = message_keys.clone();
    for run in chunks(&keys) {
        let binds: Vec<Bind<'_>> = run.iter().map(|key| Bind::from(*key)).collect();
        for mut row in tx.fetch_rows(&SEEN_OF, run.len(), &binds).await? {
            unseen.remove(&row.text()?);
        }
    }
    Ok(unseen)
}

/// Notes a message that [`unseen`] told in this transaction, waiting for nothing.
///
/// # Errors
/// It was seen meanwhile after all; this may come from a later call.
pub async fn note_first_sight(
    tx: &mut Tx,
    message_key: &str,
    content_digest: &Sha256Digest,
    inbox_id: i64,
    at: Instant,
) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "first sight", key: message_key.to_owned() };
    let own = sealed::code(tx.ring(), CONTENT_CODE, content_digest);
    tx.gather(Turn::Message, &FIRST, binds![message_key, &own, inbox_id, at], expect).await
}

/// The mail of that number.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<Option<InboxRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(&BY_ID, binds![id]).await?.map(|row| read(row, &ring)).transpose()
}

/// The bytes of that mail; none once they were purged.
///
/// # Errors
/// No key opens them; those of the database.
pub async fn find_raw<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    let Some(mut row) = from.find(&RAW, binds![id]).await? else { return Ok(None) };
    let (kept, seal, digest) = (row.blob()?, row.int()?, row.digest()?);
    let opened = sealed::open(&ring, Mail::Received, &digest, seal, kept);
    opened.map(Some).map_err(|why| StoreError::Unopened { what: format!("mail {id}"), why })
}

/// At most `limit` mails, newest first, older than number `before` if given.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    which: Which,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<InboxRow>, StoreError> {
    let before = before.unwrap_or(i64::MAX);
    let mut from = from.into();
    let ring = from.ring();
    let rows = match which {
        Which::All => from.fetch(&LIST, binds![before, limit]).await?,
        Which::State(State::New) => from.fetch(&LIST_NEW, binds![before, limit]).await?,
        Which::State(State::Done) => from.fetch(&LIST_DONE, binds![before, limit]).await?,
        Which::State(State::Held) => from.fetch(&LIST_HELD, binds![before, limit]).await?,
        Which::State(State::Dropped) => from.fetch(&LIST_DROPPED, binds![before, limit]).await?,
        Which::Study(study_id) => from.fetch(&LIST_STUDY, binds![before, limit, study_id]).await?,
    };
    rows.into_iter().map(|row| read(row, &ring)).collect()
}

/// Number of mails there are. Looks at every one: for demonstrations.
///
/// # Errors
/// Those of the database.
pub async fn count<'a>(from: impl Into<Reader<'a>>) -> Result<i64, StoreError> {
    from.into().find(&COUNT, &[]).await?.map_or(Ok(0), |mut row| row.int())
}

/// Number of mails in quarantine.
///
/// # Errors
/// Those of the database.
pub async fn held_count<'a>(from: impl Into<Reader<'a>>) -> Result<i64, StoreError> {
    from.into().find(&COUNT_HELD, &[]).await?.map_or(Ok(0), |mut row| row.int())
}

/// Number of mails to be read.
///
/// # Errors
/// Those of the database.
pub async fn waiting_count<'a>(from: impl Into<Reader<'a>>) -> Result<i64, StoreError> {
    from.into().find(&COUNT_NEW, &[]).await?.map_or(Ok(0), |mut row| row.int())
}

/// Puts a mail that is to be read into quarantine; false if it is not to be read.
///
/// # Errors
/// Those of the database.
pub async fn hold(tx: &mut Tx, id: i64, reason: &str, at: Instant) -> Result<bool, StoreError> {
    Ok(tx.execute(&HOLD, binds![id, reason, at]).await? == 1)
}

/// Lets a mail out of quarantine to be read again, with `actor` vouching for it; false if it is not held or dropped.
///
/// # Errors
/// Those of the database.
pub async fn release(tx: &mut Tx, id: i64, actor: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&FREE, binds![id, actor]).await? == 1)
}

/// Puts a mail aside that is to be read or held; false if it is decided.
///
/// # Errors
/// Those of the database.
pub async fn drop(tx: &mut Tx, id: i64, at: Instant) -> Result<bool, StoreError> {
    Ok(tx.execute(&DROP, binds![id, at]).await? == 1)
}
