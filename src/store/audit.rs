//! The audit chains, one for each study and one for the installation; see [`crate::domain::chain`].

use super::gathered::Turn;
use super::packed::{self, Fields};
use super::sql::{Row, Rows, binds, statements};
use super::study::StudyRow;
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx};
use crate::domain::chain::{Break, Entry, Head, INSTALLATION, Sha256Digest, Verifier, link};
use crate::domain::time::Instant;
use crate::limits;

statements! { "audit":
    INSERT = rows Rows {
        head: "INSERT INTO audit (study_id, seq, at, actor, action, body, previous, digest) VALUES",
        first: 1,
        columns: 8,
        tail: "",
    };
    LIST = same "SELECT study_id, seq, at, actor, action, body, previous, digest FROM audit \
        WHERE study_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    LIST_UNLINKED = same "SELECT seq, at, actor, action, body, digest FROM audit \
        WHERE study_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    PACKED_UNLINKED = twin [
        concat!("SELECT count(*), coalesce(group_concat(line, ", packed::row!(), "), '') FROM (SELECT concat_ws(", packed::field!(),
            ", seq, at, actor, action, body, hex(digest)) AS line FROM audit \
            WHERE study_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) AS page"),
        concat!("SELECT count(*), coalesce(string_agg(line, ", packed::row!(), " ORDER BY seq), '') FROM (SELECT seq, concat_ws(",
            packed::field!(), ", seq, at, actor, action, body, encode(digest, 'hex')) AS line FROM audit \
            WHERE study_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) AS page"),
    ];
    VERSIONS = same "SELECT seq, at, actor, action, body, digest FROM audit WHERE study_id = $1 AND seq <= $2 \
        AND action IN ('activate', 'amend', 'purge', 'plan-amendment') ORDER BY seq";
    LAST_ROLL = same "SELECT seq, at, actor, action, body, digest FROM audit WHERE study_id = $1 \
        AND action IN ('import-roll', 'add-voter', 'remove-voter', 'correct-voter', 'vote-by-post', 'vote-on-the-web') \
        ORDER BY seq DESC LIMIT 1";
    HAS = same "SELECT seq FROM audit WHERE study_id = $1 AND action = $2 ORDER BY seq LIMIT 1";
    OF_ACTION = same "SELECT seq, at, actor, action, body, digest FROM audit WHERE study_id = $1 AND action = $2 ORDER BY seq";
    STUDY_HEAD = same "SELECT chain_length, chain_head FROM study WHERE id = $1";
    OWN_HEAD = same "SELECT chain_length, chain_head FROM installation WHERE id = 0";
    LOCK_OWN = twin [
        "SELECT chain_length, chain_head FROM installation WHERE id = 0",
        "SELECT chain_length, chain_head FROM installation WHERE id = 0 FOR NO KEY UPDATE",
    ];
    SAVE_OWN = same "UPDATE installation SET chain_length = $1, chain_head = $2 WHERE id = 0";
    // Chains by number, those whose study is gone among them; each step is one look into the index.
    NEXT_CHAIN = same "SELECT min(study_id) FROM audit WHERE study_id > $1";
    NEXT_STUDY = same "SELECT min(id) FROM study WHERE id > $1";
}

/// What became of the check of one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// Study; 0 for the installation.
    pub study_id: i64,
    /// Number of entries, or where the chain breaks.
    pub result: Result<i64, Break>,
}

/// An entry without what links it to the one before, for whoever asks only what it tells; fields as in [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlinked {
    /// Place in the chain.
    pub seq: i64,
    /// When.
    pub at: Instant,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// The particulars.
    pub body: String,
    /// Digest of the entry.
    pub digest: Sha256Digest,
}

fn read(mut row: Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        study_id: row.int()?,
        seq: row.int()?,
        at: row.instant()?,
        actor: row.text()?,
        action: row.text()?,
        body: row.text()?,
        previous: row.digest()?,
        digest: row.digest()?,
    })
}

async fn insert(tx: &mut Tx, entry: &Entry) -> Result<(), StoreError> {
    let binds = binds![
        entry.study_id,
        entry.seq,
        entry.at,
        &entry.actor,
        &entry.action,
        &entry.body,
        &entry.previous,
        &entry.digest
    ];
    tx.gather(Turn::Entry, &INSERT, binds, Expect::Any).await
}

/// Puts an entry on a locked study's chain and moves the head in `study`; [`super::study::save_counters`] must follow.
/// Gives the entry's digest.
///
/// # Errors
/// Those of the database.
pub async fn append(
    tx: &mut Tx,
    study: &mut StudyRow,
    at: Instant,
    actor: &str,
    action: &str,
    body: &str,
) -> Result<Sha256Digest, StoreError> {
    let entry = link(study.id, study.chain, at, actor, action, body);
    insert(tx, &entry).await?;
    study.chain = Head { length: entry.seq, digest: entry.digest };
    Ok(entry.digest)
}

/// Puts an entry on the installation's own chain: acts that concern no study, or a study that is gone.
///
/// # Errors
/// Those of the database.
pub async fn append_own(
    tx: &mut Tx,
    at: Instant,
    actor: &str,
    action: &str,
    body: &str,
) -> Result<Sha256Digest, StoreError> {
    let rows = tx.fetch(&LOCK_OWN, &[]).await?;
    let missing = || StoreError::Missing { noun: "row of table", key: "installation".to_owned() };
    let head = read_head(rows.into_iter().next().ok_or_else(missing)?)?;
    let entry = link(INSTALLATION, head, at, actor, action, body);
    insert(tx, &entry).await?;
    tx.later(&SAVE_OWN, binds![entry.seq, &entry.digest], Expect::Any).await?;
    Ok(entry.digest)
}

fn read_head(mut row: Row) -> Result<Head, StoreError> {
    Ok(Head { length: row.int()?, digest: row.digest()? })
}

/// The recorded head of a chain; empty if its study is gone.
///
/// # Errors
/// Those of the database.
pub async fn head<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Head, StoreError> {
    let mut from = from.into();
    let found = match study_id {
        INSTALLATION => from.find(&OWN_HEAD, &[]).await?,
        _ => from.find(&STUDY_HEAD, binds![study_id]).await?,
    };
    found.map_or(Ok(Head::EMPTY), read_head)
}

/// At most `limit` entries of a chain behind `after`, in order.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    from.into().fetch(&LIST, binds![study_id, after, limit]).await?.into_iter().map(read).collect()
}

/// As [`list`], without the links.
///
/// # Errors
/// Those of the database.
pub async fn list_unlinked<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Unlinked>, StoreError> {
    let mut from = from.into();
    let rows = from.fetch(&PACKED_UNLINKED, binds![study_id, after, limit]).await?;
    let read = |fields: &mut Fields<'_>| {
        Some(Unlinked {
            seq: fields.int()?,
            at: fields.instant()?,
            actor: fields.text()?.to_owned(),
            action: fields.text()?.to_owned(),
            body: fields.text()?.to_owned(),
            digest: fields.digest()?,
        })
    };
    match packed::unpack(rows, 6, read)?.filter(|entries| entries.is_sorted_by(|one, next| one.seq < next.seq)) {
        Some(entries) => Ok(entries),
        None => {
            let rows = from.fetch(&LIST_UNLINKED, binds![study_id, after, limit]).await?;
            rows.into_iter().map(read_unlinked).collect()
        }
    }
}

fn read_unlinked(mut row: Row) -> Result<Unlinked, StoreError> {
    Ok(Unlinked {
        seq: row.int()?,
        at: row.instant()?,
        actor: row.text()?,
        action: row.text()?,
        body: row.text()?,
        digest: row.digest()?,
    })
}

/// The entries of a chain up to `last` that tell which version of the bundle is in force, or is to be, in order. The chain is read
/// through for them.
///
/// # Errors
/// Those of the database.
pub async fn list_versions<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    last: i64,
) -> Result<Vec<Unlinked>, StoreError> {
    let rows = from.into().fetch(&VERSIONS, binds![study_id, last]).await?;
    rows.into_iter().map(read_unlinked).collect()
}

/// Whether a chain has an entry of that action; it is read through for it.
///
/// # Errors
/// Those of the database.
pub async fn has<'a>(from: impl Into<Reader<'a>>, study_id: i64, action: &str) -> Result<bool, StoreError> {
    Ok(from.into().find(&HAS, binds![study_id, action]).await?.is_some())
}

/// The entries of a chain of that action, in order; it is read through for them.
///
/// # Errors
/// Those of the database.
pub async fn list_of_action<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    action: &str,
) -> Result<Vec<Unlinked>, StoreError> {
    from.into().fetch(&OF_ACTION, binds![study_id, action]).await?.into_iter().map(read_unlinked).collect()
}

/// The last entry of an act by which the roll of an election was changed.
///
/// # Errors
/// Those of the database.
pub async fn last_of_roll<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Option<Unlinked>, StoreError> {
    from.into().find(&LAST_ROLL, binds![study_id]).await?.map(read_unlinked).transpose()
}

/// Checks one chain against its recorded head while work goes on.
///
/// # Errors
/// Those of the database; a break is no error but the answer.
pub async fn verify(store: &Store, study_id: i64) -> Result<ChainReport, StoreError> {
    let mut verifier = Verifier::new(study_id);
    let report = |result| Ok(ChainReport { study_id, result });
    loop {
        let before = verifier.head().length;
        let page = list(store, study_id, before, limits::PAGE_ROWS).await?;
        for entry in &page {
            if let Err(broken) = verifier.step(entry) {
                return report(Err(broken));
            }
        }
        if !page.is_empty() {
            continue;
        }
        // Read after the entries: an entry and its head commit together, so the head is at least as far. If it is
        // farther, the entries between must be there now.
        let recorded = head(store, study_id).await?;
        if recorded.length <= before || list(store, study_id, before, 1).await?.is_empty() {
            return report(verifier.finish(recorded).map(|head| head.length));
        }
    }
}

/// Checks every chain: the installation's, each study's, and any whose study is gone.
///
/// # Errors
/// Those of the database.
pub async fn verify_all(store: &Store) -> Result<Vec<ChainReport>, StoreError> {
    let mut reports = vec![verify(store, INSTALLATION).await?];
    let mut last = INSTALLATION;
    loop {
        let mut next = None;
        for statement in [&NEXT_CHAIN, &NEXT_STUDY] {
            let found = Reader::from(store).find(statement, binds![last]).await?;
            let id = found.map_or(Ok(None), |mut row| row.opt_int())?;
            next = match (next, id) {
                (Some(one), Some(other)) => Some(i64::min(one, other)),
                (one, other) => one.or(other),
            };
        }
        let Some(study_id) = next else { return Ok(reports) };
        reports.push(verify(store, study_id).await?);
        last = study_id;
    }
}
