//! Letters written: stored with the fact they tell, looked at and steered by people. The sender's own work on them is
//! in [`work`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sealed::{self, Mail};
use super::sql::{Bind, Row, Rows, binds, chunks, statements, words};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::seal::NoKey;
use crate::domain::time::Instant;

pub mod reports;
pub mod work;

pub use reports::*;
pub use work::*;

words! {
    /// How far a letter has come.
    State {
        /// To be sent.
        Waiting = "waiting",
        /// The server took it.
        Sent = "sent",
        /// A person stopped it.
        Held = "held",
        /// It will not be tried again.
        Failed = "failed",
        /// Put aside by a person.
        Dropped = "dropped",
        /// A report says that it arrived.
        Delivered = "delivered",
        /// A report says that it did not arrive.
        Bounced = "bounced",
    }
}

/// A letter to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewLetter<'a> {
    /// Mailbox it is sent from.
    pub mailbox: &'a str,
    /// Message-ID, fixed from here on.
    pub message_id: &'a str,
    /// Study it belongs to.
    pub study_id: Option<i64>,
    /// Name of its templates.
    pub kind: &'a str,
    /// Address, one for each letter.
    pub recipient: &'a str,
    /// The finished mail.
    pub raw: &'a [u8],
    /// Whether it may repeat what is personal: then it is sealed until it leaves, and afterwards.
    pub personal: bool,
    /// The same with its secret masked, where it lets somebody in: takes its place once it has left.
    pub masked: Option<&'a [u8]>,
    /// Smaller goes first.
    pub priority: i64,
    /// Now.
    pub created_at: Instant,
    /// Not before.
    pub next_attempt_at: Instant,
    /// Mail it answers.
    pub inbox_id: Option<i64>,
    /// Subject it is about.
    pub subject_id: Option<i64>,
}

/// Whether a letter lets somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// It does not.
    None,
    /// It does, until it has left.
    Held,
    /// It did; it left, or was given up, and its secret was taken out.
    Gone,
}

impl Secret {
    fn find(number: i64) -> Secret {
        match number {
            0 => Secret::None,
            1 => Secret::Held,
            _ => Secret::Gone,
        }
    }
}

/// A letter as stored, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
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
    /// Smaller goes first.
    pub priority: i64,
    /// How far it has come.
    pub state: State,
    /// Attempts to send it.
    pub attempts: i64,
    /// Until when whoever sends it has it; in the past if nobody does.
    pub lease_until: Instant,
    /// Not before.
    pub next_attempt_at: Instant,
    /// When it was written.
    pub created_at: Instant,
    /// When the server took it.
    pub sent_at: Option<Instant>,
    /// SMTP reply code of the last attempt; 0 if there was no reply.
    pub verdict_code: Option<i64>,
    /// Its text.
    pub verdict_text: Option<String>,
    /// Mail it answers.
    pub inbox_id: Option<i64>,
    /// Subject it is about.
    pub subject_id: Option<i64>,
    /// Status of the delivery report (RFC 3463).
    pub report_status: Option<String>,
    /// When the report came.
    pub reported_at: Option<Instant>,
    /// Whether it lets somebody in.
    pub secret: Secret,
    /// The letter that this one repeats.
    pub resends: Option<i64>,
}

impl OutboxRow {
    /// What it failed by: the status of the report, or that at the beginning of the refusal (RFC 2034), or the reply code; empty where no server
    /// answered. None of one that did not fail.
    pub fn failure(&self) -> Option<String> {
        match self.state {
            State::Bounced => Some(self.report_status.clone().unwrap_or_default()),
            State::Failed => {
                let text = self.verdict_text.as_deref().unwrap_or_default();
                Some(status_of(self.verdict_code.unwrap_or_default(), text))
            }
            _ => None,
        }
    }

    /// The latest report that it is delayed on its way, with its status and when it came; none once its end was reported. A report from before it
    /// was sent is of an earlier sending: a person had it tried again.
    pub fn delay(&self) -> Option<(&str, Instant)> {
        let (sent, status, at) = (self.sent_at?, self.report_status.as_deref()?, self.reported_at?);
        (self.state == State::Sent && at >= sent).then_some((status, at))
    }
}

/// What a refusal says in short: the status at its beginning (RFC 2034), or the reply code where there is none; nothing where no server
/// answered.
pub fn status_of(code: i64, text: &str) -> String {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_status = |word: &&str| word.split('.').count() == 3 && word.split('.').all(digits);
    let code = || if code == 0 { String::new() } else { code.to_string() };
    text.split(' ').next().filter(is_status).map_or_else(code, str::to_string)
}

/// An attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// Counted from 1; begins anew when a person has the letter tried again.
    pub attempt: i64,
    /// When it ended.
    pub attempted_at: Instant,
    /// SMTP reply code; 0 if there was no reply.
    pub code: i64,
    /// What the server said, or what happened.
    pub text: String,
}

/// Which letters a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those in that state.
    State(State),
    /// Those of that study.
    Study(i64),
    /// Those about that subject, by its number in the database.
    Subject(i64),
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, message_id, study_id, kind, recipient, priority, state, attempts, lease_until, next_attempt_at, created_at, ",
            "sent_at, verdict_code, verdict_text, inbox_id, subject_id, report_status, reported_at, secret, resends FROM outbox ",
            $rest
        )
    };
}

statements! { "outbox":
    INSERT = rows Rows {
        head: "INSERT INTO outbox (mailbox, message_id, study_id, kind, recipient, priority, created_at, next_attempt_at, inbox_id, \
            subject_id, secret) VALUES",
        first: 1,
        columns: 11,
        tail: "RETURNING id, message_id",
    };
    INSERT_RAW = rows Rows {
        head: "INSERT INTO outbox_raw (outbox_id, raw, seal) VALUES",
        first: 1,
        columns: 3,
        tail: "",
    };
    INSERT_RAW_MASKED = rows Rows {
        head: "INSERT INTO outbox_raw (outbox_id, raw, seal, masked) VALUES",
        first: 1,
        columns: 4,
        tail: "",
    };
    BY_ID = same select!("WHERE id = $1");
    BY_MESSAGE_ID = same select!("WHERE message_id = $1");
    BY_INBOX = same select!("WHERE inbox_id = $1 ORDER BY id");
    RAW = same "SELECT COALESCE(masked, raw), seal, message_id FROM outbox_raw JOIN outbox ON id = outbox_id \
        WHERE outbox_id = $1";
    ATTEMPTS = same "SELECT attempt, attempted_at, code, text FROM outbox_attempt WHERE outbox_id = $1 \
        ORDER BY attempted_at";
    LIST = same select!("WHERE id < $1 ORDER BY id DESC LIMIT $2");
    // By the indexes of what waits, of which there are two.
    LIST_WAITING = same select!("WHERE id IN (SELECT id FROM outbox WHERE state = 'waiting' AND priority < 3 \
        UNION ALL SELECT id FROM outbox WHERE state = 'waiting' AND priority >= 3) AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_SENT = same select!("WHERE state = 'sent' AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_HELD = same select!("WHERE state = 'held' AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_FAILED = same select!("WHERE state = 'failed' AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_DROPPED = same select!("WHERE state = 'dropped' AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_DELIVERED = same select!("WHERE state = 'delivered' AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_BOUNCED = same select!("WHERE state = 'bounced' AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_STUDY = same select!("WHERE study_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_SUBJECT = same select!("WHERE subject_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2");
    LIST_RECIPIENT = same select!("WHERE study_id = $1 AND recipient = $2 ORDER BY created_at DESC, id DESC LIMIT $3");
    RESENT = same "SELECT outbox_raw.raw, seal, message_id FROM outbox_raw JOIN outbox ON id = outbox_id WHERE outbox_id = $1";
    RESEND = same "INSERT INTO outbox (mailbox, message_id, study_id, kind, recipient, priority, created_at, next_attempt_at, inbox_id, \
        subject_id, resends) SELECT mailbox, CAST($2 AS TEXT), study_id, kind, recipient, \
        CASE WHEN priority > 1 THEN 1 ELSE priority END, CAST($3 AS BIGINT), CAST($3 AS BIGINT), inbox_id, subject_id, id FROM outbox \
        WHERE id = $1 AND secret = 0 RETURNING id";
    COUNT = same "SELECT count(*) FROM outbox";
    COUNT_WAITING = same "SELECT (SELECT count(*) FROM outbox WHERE state = 'waiting' AND priority < 3) \
        + (SELECT count(*) FROM outbox WHERE state = 'waiting' AND priority >= 3)";
    PROGRESS = same "SELECT kind, state, count(*) FROM outbox WHERE study_id = $1 GROUP BY kind, state ORDER BY kind, state";
    RECENT = same "SELECT kind, count(*) FROM outbox WHERE recipient = $1 AND created_at >= $2 GROUP BY kind";
    // Whoever has it under way keeps it until it knows what became of it, or it could leave twice once it is released.
    HOLD = same "UPDATE outbox SET state = 'held' WHERE id = $1 AND state = 'waiting'";
    FREE = same "UPDATE outbox SET state = 'waiting', next_attempt_at = $2 WHERE id = $1 AND state = 'held'";
    DROP = same "UPDATE outbox SET state = 'dropped', lease_until = 0, lease_owner = '' \
        WHERE id = $1 AND state IN ('waiting', 'held', 'failed') AND lease_until <= $2";
    // Whoever has it under way keeps it, or it would leave twice; that is its first attempt then.
    RETRY = same "UPDATE outbox SET state = 'waiting', attempts = CASE WHEN lease_until > $2 THEN 1 ELSE 0 END, next_attempt_at = $2, \
        lease_until = CASE WHEN lease_until > $2 THEN lease_until ELSE 0 END, \
        lease_owner = CASE WHEN lease_until > $2 THEN lease_owner ELSE '' END, \
        priority = CASE WHEN priority > 1 THEN 1 ELSE priority END \
        WHERE id = $1 AND state IN ('waiting', 'held', 'failed', 'bounced') AND secret <> 2";
}

fn read(mut row: Row) -> Result<OutboxRow, StoreError> {
    Ok(OutboxRow {
        id: row.int()?,
        message_id: row.text()?,
        study_id: row.opt_int()?,
        kind: row.text()?,
        recipient: row.text()?,
        priority: row.int()?,
        state: row.word(State::find)?,
        attempts: row.int()?,
        lease_until: row.instant()?,
        next_attempt_at: row.instant()?,
        created_at: row.instant()?,
        sent_at: row.opt_instant()?,
        verdict_code: row.opt_int()?,
        verdict_text: row.opt_text()?,
        inbox_id: row.opt_int()?,
        subject_id: row.opt_int()?,
        report_status: row.opt_text()?,
        reported_at: row.opt_instant()?,
        secret: Secret::find(row.int()?),
        resends: row.opt_int()?,
    })
}

/// Stores letters and gives their numbers, in the order given.
///
/// # Errors
/// [`StoreError::Conflict`] if a Message-ID exists.
pub async fn insert_many(tx: &mut Tx, letters: &[NewLetter<'_>]) -> Result<Vec<i64>, StoreError> {
    let mut ids: BTreeMap<String, i64> = BTreeMap::new();
    for run in chunks(letters) {
        let mut binds = Vec::with_capacity(run.len() * 11);
        for letter in run {
            binds.extend([
                Bind::from(letter.mailbox),
                letter.message_id.into(),
                letter.study_id.into(),
                letter.kind.into(),
                letter.recipient.into(),
                letter.priority.into(),
                letter.created_at.into(),
                letter.next_attempt_at.into(),
                letter.inbox_id.into(),
                letter.subject_id.into(),
                i64::from(letter.masked.is_some()).into(),
            ]);
        }
        for mut row in tx.fetch_rows(&INSERT, run.len(), &binds).await? {
            let id = row.int()?;
            ids.insert(row.text()?, id);
        }
    }
    let mut numbered = Vec::with_capacity(letters.len());
    let (mut plain, mut secret) = (Vec::with_capacity(letters.len()), Vec::new());
    let ring = Arc::clone(tx.ring());
    for letter in letters {
        let missing = || StoreError::Missing { noun: "letter", key: letter.message_id.to_owned() };
        let id = *ids.get(letter.message_id).ok_or_else(missing)?;
        numbered.push(id);
        if letter.personal && ring.is_empty() {
            return Err(NoKey.into());
        }
        let kept = |bytes| match letter.personal {
            true => sealed::seal(&ring, Mail::Letter, letter.message_id.as_bytes(), bytes),
            false => Ok(sealed::clear(bytes)),
        };
        let (seal, raw) = kept(letter.raw)?;
        match letter.masked {
            None => plain.push((id, raw, seal)),
            Some(masked) => secret.push((id, raw, seal, kept(masked)?.1)),
        }
    }
    for run in chunks(&plain) {
        let binds: Vec<Bind<'_>> =
            run.iter().flat_map(|(id, raw, seal)| [Bind::from(*id), (&**raw).into(), (*seal).into()]).collect();
        tx.later_rows(&INSERT_RAW, run.len(), &binds, Expect::Any).await?;
    }
    for run in chunks(&secret) {
        let mut binds: Vec<Bind<'_>> = Vec::with_capacity(run.len() * 4);
        for (id, raw, seal, masked) in run {
            binds.extend([Bind::from(*id), (&**raw).into(), (*seal).into(), (&**masked).into()]);
        }
        tx.later_rows(&INSERT_RAW_MASKED, run.len(), &binds, Expect::Any).await?;
    }
    Ok(numbered)
}

/// The letter of that number.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<Option<OutboxRow>, StoreError> {
    from.into().find(&BY_ID, binds![id]).await?.map(read).transpose()
}

/// The letter of that Message-ID.
///
/// # Errors
/// Those of the database.
pub async fn find_by_message_id<'a>(
    from: impl Into<Reader<'a>>,
    message_id: &str,
) -> Result<Option<OutboxRow>, StoreError> {
    from.into().find(&BY_MESSAGE_ID, binds![message_id]).await?.map(read).transpose()
}

/// The letters written in answer to a mail, in the order they were written.
///
/// # Errors
/// Those of the database.
pub async fn find_by_inbox<'a>(from: impl Into<Reader<'a>>, inbox_id: i64) -> Result<Vec<OutboxRow>, StoreError> {
    from.into().fetch(&BY_INBOX, binds![inbox_id]).await?.into_iter().map(read).collect()
}

/// The bytes of that letter as people may see them: a secret in it is masked, whether it has left or not.
///
/// # Errors
/// No key opens them; those of the database.
pub async fn find_raw<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    let Some(mut row) = from.find(&RAW, binds![id]).await? else { return Ok(None) };
    let (kept, seal, message_id) = (row.blob()?, row.int()?, row.text()?);
    let opened = sealed::open(&ring, Mail::Letter, message_id.as_bytes(), seal, kept);
    opened.map(Some).map_err(|why| StoreError::Unopened { what: format!("letter {id}"), why })
}

/// The attempts to send a letter that did not succeed, in order.
///
/// # Errors
/// Those of the database.
pub async fn list_attempts<'a>(from: impl Into<Reader<'a>>, id: i64) -> Result<Vec<AttemptRow>, StoreError> {
    let rows = from.into().fetch(&ATTEMPTS, binds![id]).await?;
    let read = |mut row: Row| {
        Ok(AttemptRow { attempt: row.int()?, attempted_at: row.instant()?, code: row.int()?, text: row.text()? })
    };
    rows.into_iter().map(read).collect()
}

/// At most `limit` letters, newest first, older than number `before` if given.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    which: Which,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<OutboxRow>, StoreError> {
    let before = before.unwrap_or(i64::MAX);
    let mut from = from.into();
    let statement = match which {
        Which::All => &LIST,
        Which::State(State::Waiting) => &LIST_WAITING,
        Which::State(State::Sent) => &LIST_SENT,
        Which::State(State::Held) => &LIST_HELD,
        Which::State(State::Failed) => &LIST_FAILED,
        Which::State(State::Dropped) => &LIST_DROPPED,
        Which::State(State::Delivered) => &LIST_DELIVERED,
        Which::State(State::Bounced) => &LIST_BOUNCED,
        Which::Study(_) => &LIST_STUDY,
        Which::Subject(_) => &LIST_SUBJECT,
    };
    let rows = match which {
        Which::Study(id) | Which::Subject(id) => from.fetch(statement, binds![before, limit, id]).await?,
        _ => from.fetch(statement, binds![before, limit]).await?,
    };
    rows.into_iter().map(read).collect()
}

/// At most `limit` letters of a study to an address, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_of_recipient<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    address: &str,
    limit: i64,
) -> Result<Vec<OutboxRow>, StoreError> {
    from.into().fetch(&LIST_RECIPIENT, binds![study_id, address, limit]).await?.into_iter().map(read).collect()
}

/// Stores a letter once more, under another Message-ID: its bytes as kept, as `readdress` makes them. Somebody asks for it, so it goes
/// before mailings. Gives the number of the new one; none where it let somebody in, for what is kept would let in nobody.
///
/// # Errors
/// No key opens it; those of the database.
pub async fn resend(
    tx: &mut Tx,
    id: i64,
    message_id: &str,
    at: Instant,
    readdress: impl FnOnce(&[u8]) -> Vec<u8> + Send,
) -> Result<Option<i64>, StoreError> {
    let ring = Arc::clone(tx.ring());
    let Some(mut row) = tx.fetch(&RESENT, binds![id]).await?.into_iter().next() else { return Ok(None) };
    let (kept, seal, before) = (row.blob()?, row.int()?, row.text()?);
    let opened = sealed::open(&ring, Mail::Letter, before.as_bytes(), seal, kept)
        .map_err(|why| StoreError::Unopened { what: format!("letter {id}"), why })?;
    let Some(mut row) = tx.fetch(&RESEND, binds![id, message_id, at]).await?.into_iter().next() else {
        return Ok(None);
    };
    let again = row.int()?;
    let bytes = readdress(&opened);
    // Sealed where the first was: by whom it may be read does not change.
    let (seal, raw) = match sealed::is_sealed(seal) {
        true => sealed::seal(&ring, Mail::Letter, message_id.as_bytes(), &bytes)?,
        false => sealed::clear(&bytes),
    };
    tx.later_rows(&INSERT_RAW, 1, binds![again, &*raw, seal], Expect::Any).await?;
    Ok(Some(again))
}

/// Number of letters there are. Looks at every one: for demonstrations.
///
/// # Errors
/// Those of the database.
pub async fn count<'a>(from: impl Into<Reader<'a>>) -> Result<i64, StoreError> {
    from.into().find(&COUNT, &[]).await?.map_or(Ok(0), |mut row| row.int())
}

/// Number of letters to be sent.
///
/// # Errors
/// Those of the database.
pub async fn waiting_count<'a>(from: impl Into<Reader<'a>>) -> Result<i64, StoreError> {
    from.into().find(&COUNT_WAITING, &[]).await?.map_or(Ok(0), |mut row| row.int())
}

/// How many letters of a study there are of each kind, in each state. Looks at every one of them.
///
/// # Errors
/// Those of the database.
pub async fn progress<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<(String, State, i64)>, StoreError> {
    let read = |mut row: Row| Ok((row.text()?, row.word(State::find)?, row.int()?));
    from.into().fetch(&PROGRESS, binds![study_id]).await?.into_iter().map(read).collect()
}

/// Number of letters of these kinds (all kinds if none is given) written to a recipient since an instant.
///
/// # Errors
/// Those of the database.
pub async fn count_recent<'a>(
    from: impl Into<Reader<'a>>,
    recipient: &str,
    kinds: &[&str],
    since: Instant,
) -> Result<i64, StoreError> {
    let mut total = 0;
    for mut row in from.into().fetch(&RECENT, binds![recipient, since]).await? {
        let (kind, count) = (row.text()?, row.int()?);
        if kinds.is_empty() || kinds.contains(&kind.as_str()) {
            total += count;
        }
    }
    Ok(total)
}

/// Stops a letter that waits; false if it does not wait. One that is under way may have left before this is seen: it stays with whoever
/// claimed it, and is held if the server does not take it.
///
/// # Errors
/// Those of the database.
pub async fn hold(tx: &mut Tx, id: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(&HOLD, binds![id]).await? == 1)
}

/// Lets a held letter go; false if it is not held.
///
/// # Errors
/// Those of the database.
pub async fn release(tx: &mut Tx, id: i64, now: Instant) -> Result<bool, StoreError> {
    Ok(tx.execute(&FREE, binds![id, now]).await? == 1)
}

/// Puts a letter aside for a person, as [`drop`] does; false also if it is under way, for it may have left by now.
///
/// # Errors
/// Those of the database.
pub async fn put_aside(tx: &mut Tx, id: i64, now: Instant) -> Result<bool, StoreError> {
    let dropped = tx.execute(&DROP, binds![id, now]).await? == 1;
    if dropped {
        work::mask(tx, &[id]).await?;
    }
    Ok(dropped)
}

/// Puts a letter aside that waits, is held or has failed, whoever has it: for whoever sends it and finds that it is not wanted any more.
/// False if it is none of these.
///
/// # Errors
/// Those of the database.
pub async fn drop(tx: &mut Tx, id: i64) -> Result<bool, StoreError> {
    put_aside(tx, id, Instant(i64::MAX)).await
}

/// Has a letter tried again at once, its attempts counted anew: somebody asks for it, so it goes before mailings. One that is under way
/// is left to whoever claimed it. False if it was sent or dropped, or its secret is gone: without it nobody would be served.
///
/// # Errors
/// Those of the database.
pub async fn retry(tx: &mut Tx, id: i64, now: Instant) -> Result<bool, StoreError> {
    Ok(tx.execute(&RETRY, binds![id, now]).await? == 1)
}
