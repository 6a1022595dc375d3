//! The sender's work on letters: claim, verdict.

use super::super::sealed::{self, Mail};
use super::super::sql::{Bind, Row, Rows, binds, chunks, statements};
use super::super::tx::Expect;
use super::super::{Reader, Store, StoreError, Tx};
use crate::domain::seal::{KeyRing, Unopened};
use crate::domain::time::Instant;

/// A letter claimed for sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxItem {
    /// Number in the database.
    pub id: i64,
    /// Message-ID.
    pub message_id: String,
    /// Study it belongs to.
    pub study_id: Option<i64>,
    /// Name of its templates.
    pub kind: String,
    /// Address.
    pub recipient: String,
    /// The finished mail; or why no key opens it.
    pub raw: Result<Vec<u8>, Unopened>,
    /// Smaller goes first.
    pub priority: i64,
    /// Attempts to send it, this one among them.
    pub attempts: i64,
    /// It was due at.
    pub next_attempt_at: Instant,
    /// When it was written.
    pub created_at: Instant,
    /// Mail it answers.
    pub inbox_id: Option<i64>,
    /// Subject it is about.
    pub subject_id: Option<i64>,
    /// Whether it lets somebody in: then it is masked with the verdict that is its last.
    pub secret: bool,
}

/// What a server said of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    /// SMTP reply code; 0 if there was no reply.
    pub code: i64,
    /// What it said, or what happened.
    pub text: &'a str,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn<'a> {
    /// Mailbox that the letters leave from.
    pub mailbox: &'a str,
    /// Study of the letters; 0 for those of none.
    pub study: i64,
    /// How many it may have.
    pub limit: i64,
}

/// What is said of a letter that waits for the bound of its domain.
pub const THROTTLED: &str =
    "waits, for letters to its domain leave slowly: [throttle] in mailbox.toml says so, or its server did";

macro_rules! claim {
    ($which:literal, $order:literal, $lock:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM outbox WHERE mailbox = $5 AND state = 'waiting' AND next_attempt_at <= $1 ",
            "AND lease_until <= $1 AND ",
            $which,
            " ORDER BY ",
            $order,
            " LIMIT $2 ",
            $lock,
            ") UPDATE outbox SET attempts = attempts + 1, lease_until = $3, lease_owner = $4 ",
            "WHERE id IN (SELECT id FROM due) ",
            "RETURNING id, message_id, study_id, kind, recipient, ",
            "(SELECT raw FROM outbox_raw WHERE outbox_id = outbox.id), ",
            "(SELECT seal FROM outbox_raw WHERE outbox_id = outbox.id), priority, attempts, next_attempt_at, created_at, ",
            "inbox_id, subject_id, secret"
        )
    };
}

// Letters of mailings (priority 3) have an index of their own, by study, and are not in the one of the others: so neither claim reads past
// what the other takes, however much waits.
macro_rules! claim_urgent {
    ($lock:literal) => {
        claim!("priority < 3", "priority, next_attempt_at, id", $lock)
    };
}

macro_rules! claim_mass {
    ($lock:literal) => {
        claim!("priority >= 3 AND COALESCE(study_id, 0) = $6", "next_attempt_at, id", $lock)
    };
}

statements! { "outbox":
    CLAIM = twin [claim_urgent!(""), claim_urgent!("FOR UPDATE SKIP LOCKED")];
    CLAIM_MASS = twin [claim_mass!(""), claim_mass!("FOR UPDATE SKIP LOCKED")];
    // From study to study by the index, without reading their letters.
    TURNS = same "WITH RECURSIVE turn (study) AS (\
        SELECT (SELECT COALESCE(study_id, 0) FROM outbox WHERE mailbox = $1 AND state = 'waiting' AND priority >= 3 \
            ORDER BY COALESCE(study_id, 0) LIMIT 1) \
        UNION ALL \
        SELECT (SELECT COALESCE(study_id, 0) FROM outbox WHERE mailbox = $1 AND state = 'waiting' AND priority >= 3 \
            AND COALESCE(study_id, 0) > turn.study ORDER BY COALESCE(study_id, 0) LIMIT 1) \
        FROM turn WHERE turn.study IS NOT NULL) \
        SELECT study FROM turn WHERE study IS NOT NULL AND EXISTS (SELECT 1 FROM outbox WHERE mailbox = $1 \
            AND state = 'waiting' AND priority >= 3 AND COALESCE(study_id, 0) = turn.study AND next_attempt_at <= $2 \
            AND lease_until <= $2)";
    WAITING_MASS = same "SELECT count(*), count(CASE WHEN verdict_text = $2 AND next_attempt_at > $3 THEN 1 END) FROM outbox \
        WHERE mailbox = $1 AND state = 'waiting' AND priority >= 3";
    PUT_OFF = rows Rows {
        head: "WITH later (id, due) AS (VALUES",
        first: 3,
        columns: 2,
        tail: ") UPDATE outbox SET attempts = attempts - 1, next_attempt_at = CAST(later.due AS BIGINT), lease_until = 0, \
            lease_owner = '', verdict_code = 0, verdict_text = $2 FROM later WHERE outbox.id = CAST(later.id AS BIGINT) \
            AND outbox.lease_owner = $1 AND outbox.state IN ('waiting', 'held') AND outbox.attempts > 0",
    };
    GIVE_BACK = rows Rows {
        head: "WITH back (id) AS (VALUES",
        first: 2,
        columns: 1,
        tail: ") UPDATE outbox SET attempts = attempts - 1, lease_until = 0, lease_owner = '' \
            WHERE id IN (SELECT CAST(id AS BIGINT) FROM back) AND lease_owner = $1 AND state IN ('waiting', 'held') AND attempts > 0",
    };
    RENEW = rows Rows {
        head: "WITH under_way (id) AS (VALUES",
        first: 3,
        columns: 1,
        tail: ") UPDATE outbox SET lease_until = $2 \
            WHERE id IN (SELECT CAST(id AS BIGINT) FROM under_way) AND lease_owner = $1 AND state IN ('waiting', 'held')",
    };
    FREE_ALL = same "UPDATE outbox SET lease_until = 0, lease_owner = '' WHERE id IN (\
        SELECT id FROM outbox WHERE state = 'waiting' AND priority < 3 AND lease_until > 0 UNION ALL \
        SELECT id FROM outbox WHERE state = 'waiting' AND priority >= 3 AND lease_until > 0 UNION ALL \
        SELECT id FROM outbox WHERE state = 'held' AND lease_until > 0)";
    // Whoever has the lease by now: that the server took the letter is a fact.
    SENT = rows Rows {
        head: "WITH verdict (id, code, reply) AS (VALUES",
        first: 2,
        columns: 3,
        tail: ") UPDATE outbox SET state = 'sent', sent_at = $1, lease_until = 0, lease_owner = '', \
            verdict_code = CAST(verdict.code AS BIGINT), verdict_text = verdict.reply FROM verdict \
            WHERE outbox.id = CAST(verdict.id AS BIGINT) AND outbox.state IN ('waiting', 'held')",
    };
    // A letter that a person held while it was under way stays held; what was said of it is written all the same.
    RETRY_LATER = same "UPDATE outbox SET next_attempt_at = $3, verdict_code = $4, verdict_text = $5, lease_until = 0, \
        lease_owner = '' WHERE id = $1 AND lease_owner = $2 AND state IN ('waiting', 'held')";
    FAILED = same "UPDATE outbox SET state = 'failed', verdict_code = $3, verdict_text = $4, lease_until = 0, \
        lease_owner = '' WHERE id = $1 AND lease_owner = $2 AND state IN ('waiting', 'held')";
    UNWANTED = same "UPDATE outbox SET state = 'dropped', verdict_code = 0, verdict_text = $3, lease_until = 0, \
        lease_owner = '' WHERE id = $1 AND lease_owner = $2 AND state IN ('waiting', 'held')";
    ERASE_ATTEMPTS = rows Rows {
        head: "WITH gone (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") DELETE FROM outbox_attempt WHERE outbox_id IN (SELECT CAST(id AS BIGINT) FROM gone)",
    };
    ERASE_RAW = rows Rows {
        head: "WITH gone (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") DELETE FROM outbox_raw WHERE outbox_id IN (SELECT CAST(id AS BIGINT) FROM gone)",
    };
    ERASE = rows Rows {
        head: "WITH gone (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") DELETE FROM outbox WHERE id IN (SELECT CAST(id AS BIGINT) FROM gone)",
    };
    MASK = rows Rows {
        head: "WITH left_us (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") UPDATE outbox_raw SET raw = masked, masked = NULL \
            WHERE masked IS NOT NULL AND outbox_id IN (SELECT CAST(id AS BIGINT) FROM left_us)",
    };
    MASKED = rows Rows {
        head: "WITH left_us (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") UPDATE outbox SET secret = 2 WHERE secret = 1 AND id IN (SELECT CAST(id AS BIGINT) FROM left_us)",
    };
    ATTEMPT = same "INSERT INTO outbox_attempt (outbox_id, attempted_at, attempt, code, text) \
        SELECT id, CAST($2 AS BIGINT), attempts, CAST($3 AS BIGINT), CAST($4 AS TEXT) FROM outbox WHERE id = $1 \
        ON CONFLICT (outbox_id, attempted_at) DO NOTHING";
}

fn read(mut row: Row, ring: &KeyRing) -> Result<OutboxItem, StoreError> {
    let (id, message_id, study_id) = (row.int()?, row.text()?, row.opt_int()?);
    let (kind, recipient) = (row.text()?, row.text()?);
    let (kept, seal) = (row.blob()?, row.int()?);
    Ok(OutboxItem {
        id,
        raw: sealed::open(ring, Mail::Letter, message_id.as_bytes(), seal, kept),
        message_id,
        study_id,
        kind,
        recipient,
        priority: row.int()?,
        attempts: row.int()?,
        next_attempt_at: row.instant()?,
        created_at: row.instant()?,
        inbox_id: row.opt_int()?,
        subject_id: row.opt_int()?,
        secret: row.int()? == 1,
    })
}

/// Takes at most `limit` letters of a mailbox that are due and of no mailing, by priority and then by what is due longest, and owns
/// them until `now` plus the lease. Each attempt is counted before it is made, so that a letter that kills its sender cannot do so
/// for ever.
///
/// # Errors
/// Those of the database.
pub async fn claim(
    store: &Store,
    mailbox: &str,
    owner: &str,
    now: Instant,
    lease_seconds: i64,
    limit: i64,
) -> Result<Vec<OutboxItem>, StoreError> {
    let until = now.plus_seconds(lease_seconds);
    let rows = store.write(&CLAIM, binds![now, limit, until, owner, mailbox]).await?;
    let mut items: Vec<OutboxItem> = rows.into_iter().map(|row| read(row, store.ring())).collect::<Result<_, _>>()?;
    items.sort_by_key(|item| (item.priority, item.next_attempt_at, item.id));
    Ok(items)
}

/// As [`claim`], of the letters of mailings of one study: those that are due longest.
///
/// # Errors
/// Those of the database.
pub async fn claim_mass(
    store: &Store,
    turn: Turn<'_>,
    owner: &str,
    now: Instant,
    lease_seconds: i64,
) -> Result<Vec<OutboxItem>, StoreError> {
    let until = now.plus_seconds(lease_seconds);
    let binds = binds![now, turn.limit, until, owner, turn.mailbox, turn.study];
    let rows = store.write(&CLAIM_MASS, binds).await?;
    let mut items: Vec<OutboxItem> = rows.into_iter().map(|row| read(row, store.ring())).collect::<Result<_, _>>()?;
    items.sort_by_key(|item| (item.next_attempt_at, item.id));
    Ok(items)
}

/// The studies (0 for none) of which letters of mailings are due in a mailbox, by number.
///
/// # Errors
/// Those of the database.
pub async fn turns<'a>(from: impl Into<Reader<'a>>, mailbox: &str, now: Instant) -> Result<Vec<i64>, StoreError> {
    let rows = from.into().fetch(&TURNS, binds![mailbox, now]).await?;
    let mut studies: Vec<i64> = rows.into_iter().map(|mut row| row.int()).collect::<Result<_, _>>()?;
    studies.sort_unstable();
    Ok(studies)
}

/// Letters of mailings that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingMass {
    /// All of them.
    pub all: i64,
    /// Those that wait for the bound of their domain.
    pub throttled: i64,
}

/// How many letters of mailings wait in a mailbox. Looks at every one of them.
///
/// # Errors
/// Those of the database.
pub async fn waiting_mass<'a>(
    from: impl Into<Reader<'a>>,
    mailbox: &str,
    now: Instant,
) -> Result<WaitingMass, StoreError> {
    let Some(mut row) = from.into().find(&WAITING_MASS, binds![mailbox, THROTTLED, now]).await? else {
        return Ok(WaitingMass::default());
    };
    Ok(WaitingMass { all: row.int()?, throttled: row.int()? })
}

/// Gives claimed letters of mailings back until the bound of their domain lets them leave, without counting the attempt.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn put_off(tx: &mut Tx, owner: &str, letters: &[(i64, Instant)]) -> Result<(), StoreError> {
    for run in chunks(letters) {
        let mut binds = vec![Bind::from(owner), THROTTLED.into()];
        binds.extend(run.iter().flat_map(|(id, due)| [Bind::from(*id), (*due).into()]));
        tx.later_rows(&PUT_OFF, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// Gives claimed letters back unsent, without counting the attempt: the daemon stops, or the server is suspended.
///
/// # Errors
/// Those of the database.
pub async fn give_back(tx: &mut Tx, owner: &str, ids: &[i64]) -> Result<(), StoreError> {
    for run in chunks(ids) {
        let mut binds = vec![Bind::from(owner)];
        binds.extend(run.iter().map(|&id| Bind::from(id)));
        tx.later_rows(&GIVE_BACK, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// Goes on owning claimed letters until then: the server takes its time over them, and nobody else may send them meanwhile.
///
/// # Errors
/// Those of the database.
pub async fn renew(store: &Store, owner: &str, ids: &[i64], until: Instant) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    for run in chunks(ids) {
        let mut binds = vec![Bind::from(owner), until.into()];
        binds.extend(run.iter().map(|id| Bind::from(*id)));
        tx.later_rows(&RENEW, run.len(), &binds, Expect::Any).await?;
    }
    tx.commit().await
}

/// Gives every claimed letter back: for a daemon that knows that no other lives. The attempts stay counted.
///
/// # Errors
/// Those of the database.
pub async fn free_all(store: &Store) -> Result<(), StoreError> {
    store.write(&FREE_ALL, binds![]).await.map(drop)
}

/// Writes that the server took letters, with what it said of each.
///
/// # Errors
/// Those of the database.
pub async fn record_sent_many(tx: &mut Tx, at: Instant, sent: &[(i64, Verdict<'_>)]) -> Result<(), StoreError> {
    for run in chunks(sent) {
        let mut binds = vec![Bind::from(at)];
        for (id, verdict) in run {
            binds.extend([Bind::from(*id), verdict.code.into(), verdict.text.into()]);
        }
        tx.later_rows(&SENT, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// Takes the secrets out of letters that are sent no more: each is overwritten by the same mail with the secret masked. Belongs
/// into the transaction that records the last verdict, so that what may have to be sent again is still whole.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn mask(tx: &mut Tx, ids: &[i64]) -> Result<(), StoreError> {
    for run in chunks(ids) {
        let binds: Vec<Bind<'_>> = run.iter().map(|&id| Bind::from(id)).collect();
        tx.later_rows(&MASK, run.len(), &binds, Expect::Any).await?;
        tx.later_rows(&MASKED, run.len(), &binds, Expect::Any).await?;
    }
    tx.leaves_traces();
    Ok(())
}

/// Puts a letter aside whose sender finds that it is not wanted any more, with the reason; its secret is taken out. False if it is not the
/// owner's any more.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn drop_unwanted(tx: &mut Tx, id: i64, owner: &str, why: &str) -> Result<bool, StoreError> {
    let dropped = tx.execute(&UNWANTED, binds![id, owner, why]).await? == 1;
    if dropped {
        mask(tx, &[id]).await?;
    }
    Ok(dropped)
}

/// Takes letters away as if they had never been written: those that are claimed by whoever does so, and of which even that they were
/// dropped would tell something of their readers.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn erase(tx: &mut Tx, ids: &[i64]) -> Result<(), StoreError> {
    for run in chunks(ids) {
        let binds: Vec<Bind<'_>> = run.iter().map(|&id| Bind::from(id)).collect();
        for statement in [&ERASE_ATTEMPTS, &ERASE_RAW, &ERASE] {
            tx.later_rows(statement, run.len(), &binds, Expect::Any).await?;
        }
    }
    tx.leaves_traces();
    Ok(())
}

/// Writes that an attempt did not succeed and when the next is due.
///
/// # Errors
/// [`StoreError::LostLease`] if the letter is not the owner's any more; it may come from a later call.
pub async fn record_retry(
    tx: &mut Tx,
    id: i64,
    owner: &str,
    at: Instant,
    next_attempt_at: Instant,
    verdict: Verdict<'_>,
) -> Result<(), StoreError> {
    tx.later(&ATTEMPT, binds![id, at, verdict.code, verdict.text], Expect::Any).await?;
    let binds = binds![id, owner, next_attempt_at, verdict.code, verdict.text];
    tx.later(&RETRY_LATER, binds, Expect::Lease { noun: "outbox", id }).await
}

/// Writes that an attempt did not succeed and that there will be no other.
///
/// # Errors
/// [`StoreError::LostLease`] if the letter is not the owner's any more; it may come from a later call.
pub async fn record_failed(
    tx: &mut Tx,
    id: i64,
    owner: &str,
    at: Instant,
    verdict: Verdict<'_>,
) -> Result<(), StoreError> {
    tx.later(&ATTEMPT, binds![id, at, verdict.code, verdict.text], Expect::Any).await?;
    let binds = binds![id, owner, verdict.code, verdict.text];
    tx.later(&FAILED, binds, Expect::Lease { noun: "outbox", id }).await
}
