//! Mailings: the letters of one rule of a schedule, or of commands, that belong to one day of a study. Which these are is told by rows that
//! are there anyway, so a mailing has no row of its own.

use super::outbox::{State, work};
use super::planned_letter;
use super::sql::{Row, binds, statements};
use super::{Reader, StoreError, Tx};
use crate::domain::time::Instant;

/// Seconds by which letters are counted together: the offset of every clock from UTC is a multiple of it, so no day begins within.
const QUARTER_SECONDS: i64 = 900;

/// Which letters make up a mailing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which<'a> {
    /// Study.
    pub study_id: i64,
    /// Rule of the schedule that they were written by, with the time that it meant; none for commands, with the time they were written.
    pub rule: Option<&'a str>,
    /// From then on.
    pub from: Instant,
    /// Before then.
    pub to: Instant,
}

/// So many letters of one sort that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rule of the schedule; none for commands.
    pub rule: Option<String>,
    /// Name of their templates.
    pub kind: String,
    /// Their time, by the rule or by the command, no more than a quarter of an hour before.
    pub at: Instant,
    /// How far they have come.
    pub state: State,
    /// How many.
    pub letters: i64,
}

/// So many letters of a rule that are yet to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Rule of the schedule.
    pub rule: String,
    /// Name of their templates.
    pub kind: String,
    /// Their time, no more than a quarter of an hour before.
    pub at: Instant,
    /// Whether a person holds them.
    pub held: bool,
    /// How many.
    pub letters: i64,
}

/// A letter of a mailing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Number in the database.
    pub id: i64,
    /// Message-ID.
    pub message_id: String,
}

macro_rules! of_rule {
    () => {
        "study_id = $1 AND message_id IN (SELECT message_id FROM settled_letter WHERE study_id = $1 AND rule = $2 AND wished_at >= $3 AND wished_at < $4 \
         AND message_id IS NOT NULL)"
    };
}

/// What nobody asked for by mail, and no rule brought.
macro_rules! of_command {
    () => {
        "study_id = $1 AND $2 = '' AND created_at >= $3 AND created_at < $4 AND kind IN ('invitation', 'reminder') \
         AND inbox_id IS NULL AND resends IS NULL \
         AND NOT EXISTS (SELECT 1 FROM settled_letter WHERE settled_letter.message_id = outbox.message_id)"
    };
}

/// A page of letters in a state, behind one. The state is asked for twice: by the time a row is reached it may have left.
macro_rules! steer {
    ($change:literal, $state:literal, $which:expr) => {
        concat!(
            "UPDATE outbox SET ",
            $change,
            " WHERE id IN (SELECT id FROM outbox WHERE ",
            $state,
            " AND id > $5 AND ",
            $which,
            " ORDER BY id LIMIT $6) AND ",
            $state,
            " RETURNING id, message_id"
        )
    };
}

macro_rules! hold {
    ($which:expr) => {
        steer!("state = 'held'", "state = 'waiting'", $which)
    };
}

macro_rules! resume {
    ($which:expr) => {
        steer!("state = 'waiting', next_attempt_at = $7", "state = 'held'", $which)
    };
}

macro_rules! stop {
    ($which:expr) => {
        steer!(
            "state = 'dropped', lease_until = 0, lease_owner = '', verdict_code = 0, verdict_text = $8",
            "state IN ('waiting', 'held') AND lease_until <= $7",
            $which
        )
    };
}

statements! { "mailing":
    WRITTEN_BY_RULES = same "SELECT rule, kind, wished_at / 900000000, outbox.state, count(*) FROM settled_letter \
        JOIN outbox ON outbox.message_id = settled_letter.message_id WHERE settled_letter.study_id = $1 \
        GROUP BY rule, kind, wished_at / 900000000, outbox.state";
    WRITTEN_BY_COMMANDS = same "SELECT '', kind, created_at / 900000000, state, count(*) FROM outbox WHERE study_id = $1 \
        AND kind IN ('invitation', 'reminder') AND inbox_id IS NULL AND resends IS NULL \
        AND NOT EXISTS (SELECT 1 FROM settled_letter WHERE settled_letter.message_id = outbox.message_id) \
        GROUP BY kind, created_at / 900000000, state";
    PLANNED = same "SELECT rule, letter, wished_at / 900000000, state, count(*) FROM planned_letter WHERE study_id = $1 \
        AND letter IN ('invitation', 'reminder') AND state IN ('waiting', 'held') \
        GROUP BY rule, letter, wished_at / 900000000, state";
    ACTORS = same "SELECT DISTINCT actor, at / 900000000 FROM audit WHERE study_id = $1 \
        AND action IN ('issue-credentials', 'admit-members', 'renew-credential')";
    HOLD_OF_RULE = same hold!(of_rule!());
    HOLD_OF_COMMAND = same hold!(of_command!());
    RESUME_OF_RULE = same resume!(of_rule!());
    RESUME_OF_COMMAND = same resume!(of_command!());
    STOP_OF_RULE = same stop!(of_rule!());
    STOP_OF_COMMAND = same stop!(of_command!());
    HOLD_PLANNED = same "UPDATE planned_letter SET state = 'held', why = $5 WHERE study_id = $1 AND rule = $2 AND wished_at >= $3 \
        AND wished_at < $4 AND state = 'waiting'";
    RESUME_PLANNED = same "UPDATE planned_letter SET state = 'waiting', why = '' WHERE study_id = $1 AND rule = $2 AND wished_at >= $3 \
        AND wished_at < $4 AND state = 'held' AND why = $5";
}

/// The beginning of a quarter of an hour by its number.
fn quarter(row: &mut Row) -> Result<Instant, StoreError> {
    Ok(Instant(row.int()?.saturating_mul(QUARTER_SECONDS * 1_000_000)))
}

/// Letters of rules to those who answer, and of commands, in a study. Looks at every one.
///
/// # Errors
/// Those of the database.
pub async fn written<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<Written>, StoreError> {
    let mut from = from.into();
    let mut rows = from.fetch(&WRITTEN_BY_RULES, binds![study_id]).await?;
    rows.extend(from.fetch(&WRITTEN_BY_COMMANDS, binds![study_id]).await?);
    let read = |mut row: Row| {
        Ok(Written {
            rule: Some(row.text()?).filter(|rule| !rule.is_empty()),
            kind: row.text()?,
            at: quarter(&mut row)?,
            state: row.word(State::find)?,
            letters: row.int()?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Letters of rules to those who answer that are yet to be written in a study. Looks at every one.
///
/// # Errors
/// Those of the database.
pub async fn planned<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<Planned>, StoreError> {
    let read = |mut row: Row| {
        Ok(Planned {
            rule: row.text()?,
            kind: row.text()?,
            at: quarter(&mut row)?,
            held: row.word(planned_letter::State::find)? == planned_letter::State::Held,
            letters: row.int()?,
        })
    };
    from.into().fetch(&PLANNED, binds![study_id]).await?.into_iter().map(read).collect()
}

/// Who had letters written by commands, by the chain of a study, and when, no more than a quarter of an hour before.
///
/// # Errors
/// Those of the database.
pub async fn actors<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<(String, Instant)>, StoreError> {
    let read = |mut row: Row| Ok((row.text()?, quarter(&mut row)?));
    from.into().fetch(&ACTORS, binds![study_id]).await?.into_iter().map(read).collect()
}

fn read(mut row: Row) -> Result<Letter, StoreError> {
    Ok(Letter { id: row.int()?, message_id: row.text()? })
}

/// Holds at most `most` letters of a mailing that wait, behind the one of that number; in order. Those under way stay with whoever sends them.
///
/// # Errors
/// Those of the database.
pub async fn hold(tx: &mut Tx, which: Which<'_>, after: i64, most: i64) -> Result<Vec<Letter>, StoreError> {
    let binds = binds![which.study_id, which.rule.unwrap_or_default(), which.from, which.to, after, most];
    let statement = if which.rule.is_some() { &HOLD_OF_RULE } else { &HOLD_OF_COMMAND };
    in_order(tx.fetch(statement, binds).await?)
}

/// Lets held letters of a mailing go, as [`hold`].
///
/// # Errors
/// Those of the database.
pub async fn resume(
    tx: &mut Tx,
    which: Which<'_>,
    now: Instant,
    after: i64,
    most: i64,
) -> Result<Vec<Letter>, StoreError> {
    let binds = binds![which.study_id, which.rule.unwrap_or_default(), which.from, which.to, after, most, now];
    let statement = if which.rule.is_some() { &RESUME_OF_RULE } else { &RESUME_OF_COMMAND };
    in_order(tx.fetch(statement, binds).await?)
}

/// Puts letters of a mailing aside that wait or are held and are not under way, as [`hold`], with the reason; their secrets are taken out.
///
/// # Errors
/// Those of the database.
pub async fn stop(
    tx: &mut Tx,
    which: Which<'_>,
    (now, why): (Instant, &str),
    after: i64,
    most: i64,
) -> Result<Vec<Letter>, StoreError> {
    let rule = which.rule.unwrap_or_default();
    let binds = binds![which.study_id, rule, which.from, which.to, after, most, now, why];
    let statement = if which.rule.is_some() { &STOP_OF_RULE } else { &STOP_OF_COMMAND };
    let letters = in_order(tx.fetch(statement, binds).await?)?;
    let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
    work::mask(tx, &ids).await?;
    if which.rule.is_some() {
        for letter in &letters {
            planned_letter::record_dropped(tx, &letter.message_id, now, why).await?;
        }
    }
    Ok(letters)
}

fn in_order(rows: Vec<Row>) -> Result<Vec<Letter>, StoreError> {
    let mut letters: Vec<Letter> = rows.into_iter().map(read).collect::<Result<_, _>>()?;
    letters.sort_unstable_by_key(|letter| letter.id);
    Ok(letters)
}

/// Holds letters of a mailing by a rule that are yet to be written; how many.
///
/// # Errors
/// Those of the database.
pub async fn hold_planned(tx: &mut Tx, which: Which<'_>) -> Result<u64, StoreError> {
    let (rule, why) = (which.rule.unwrap_or_default(), planned_letter::WITH_MAILING);
    tx.execute(&HOLD_PLANNED, binds![which.study_id, rule, which.from, which.to, why]).await
}

/// Lets letters that were held so be written at their time; how many. What a person held for other reasons stays held.
///
/// # Errors
/// Those of the database.
pub async fn resume_planned(tx: &mut Tx, which: Which<'_>) -> Result<u64, StoreError> {
    let (rule, why) = (which.rule.unwrap_or_default(), planned_letter::WITH_MAILING);
    tx.execute(&RESUME_PLANNED, binds![which.study_id, rule, which.from, which.to, why]).await
}
