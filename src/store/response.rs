//! Responses: instruments filled in.

use super::sql::{Bind, Row, Rows, binds, chunks, statements, words};
use super::tx::Expect;
use super::{Reader, StoreError, Tx, sealed};
use crate::domain::chain::Sha256Digest;
use crate::domain::kept::{Column, KeptForm};
use crate::domain::seal::KeyRing;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

words! {
    /// Which way a response came.
    Channel {
        /// Through a page.
        Web = "web",
        /// By mail.
        Mail = "mail",
        /// From a file.
        Import = "import",
    }
}

/// A response as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseRow {
    /// Random name.
    pub id: Mark,
    /// Study.
    pub study_id: i64,
    /// Id of the instrument.
    pub instrument: String,
    /// Version of the bundle it was read by.
    pub bundle_version: i64,
    /// Who answered about themselves; none where nobody may know.
    pub participant_id: Option<i64>,
    /// Which subject it is about.
    pub subject_id: Option<i64>,
    /// Id of the event of a subject's course, or empty.
    pub event: String,
    /// Counted from 1 among those of the same person or subject, instrument and event.
    pub occasion: i64,
    /// Id of the person or member who answered; empty for participants.
    pub person: String,
    /// Which way it came.
    pub channel: Channel,
    /// Code of the language of the page or mail; empty where nobody may know.
    pub language: String,
    /// JSON, item to normalized value.
    pub answers: String,
    /// JSON, item to text as typed; empty where nobody may know.
    pub typed: String,
    /// When; none where times could join a person to answers.
    pub answered_at: Option<Instant>,
    /// The response of which it is a correction.
    pub replaces: Option<Mark>,
    /// Why it was corrected.
    pub reason: String,
    /// Whether no correction of it came.
    pub current: bool,
    /// Digest of the audit entry that recorded it; none where it could join a person to answers.
    pub audit_digest: Option<Sha256Digest>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, study_id, instrument, bundle_version, participant_id, subject_id, event, occasion, person, channel, ",
            "language, answers, typed, answered_at, replaces, reason, current, audit_digest FROM response ",
            $rest
        )
    };
}

statements! { "response":
    INSERT = same "INSERT INTO response (id, study_id, instrument, bundle_version, participant_id, subject_id, event, \
        occasion, person, channel, language, answers, typed, answered_at, replaces, reason, current, audit_digest) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    SUPERSEDE = same "UPDATE response SET current = 0 WHERE id = $1 AND current = 1";
    FIND = same select!("WHERE id = $1");
    OF_PARTICIPANT = same select!("WHERE participant_id = $1 AND instrument = $2 AND current = 1 ORDER BY occasion");
    LAST_MOMENTS = rows Rows {
        head: "WITH whose (id) AS (VALUES",
        first: 1,
        columns: 1,
        tail: ") SELECT participant_id, max(answered_at) FROM response WHERE replaces IS NULL AND answered_at IS NOT NULL \
            AND participant_id IN (SELECT CAST(id AS BIGINT) FROM whose) GROUP BY participant_id",
    };
    OF_SUBJECT = same select!("WHERE subject_id = $1 ORDER BY answered_at, id");
    OF_SUBJECTS = same select!("WHERE study_id = $1 AND subject_id BETWEEN $2 AND $3 AND current = 1 ORDER BY answered_at, id");
    LIST = same select!("WHERE study_id = $1 AND id > $2 ORDER BY id LIMIT $3");
}

/// The columns that hold a response; which row of them, its name tells.
pub const COLUMNS: [Column; 2] = [Column::ResponseAnswers, Column::ResponseTyped];

fn read(mut row: Row, ring: &KeyRing) -> Result<ResponseRow, StoreError> {
    let (id, study_id): (Mark, i64) = (row.mark()?, row.int()?);
    let key = id.text();
    let opened = |column, kept| sealed::answers(ring, (study_id, column, &key), kept);
    Ok(ResponseRow {
        id,
        study_id,
        instrument: row.text()?,
        bundle_version: row.int()?,
        participant_id: row.opt_int()?,
        subject_id: row.opt_int()?,
        event: row.text()?,
        occasion: row.int()?,
        person: row.text()?,
        channel: row.word(Channel::find)?,
        language: row.text()?,
        answers: opened(Column::ResponseAnswers, row.text()?)?,
        typed: opened(Column::ResponseTyped, row.text()?)?,
        answered_at: row.opt_instant()?,
        replaces: row.opt_mark()?,
        reason: row.text()?,
        current: row.int()? == 1,
        audit_digest: row.opt_digest()?,
    })
}

/// Stores a response with its form, made with [`COLUMNS`]; its own `answers` and `typed` play no part.
///
/// # Errors
/// [`StoreError::Conflict`] if the same person, subject, instrument, event and occasion has one that counts; it may come
/// from a later call.
pub async fn insert(tx: &mut Tx, new: &ResponseRow, form: &KeptForm) -> Result<(), StoreError> {
    let binds = binds![
        &new.id,
        new.study_id,
        &new.instrument,
        new.bundle_version,
        new.participant_id,
        new.subject_id,
        &new.event,
        new.occasion,
        &new.person,
        new.channel.key(),
        &new.language,
        form.answers.text(),
        form.typed.text(),
        new.answered_at,
        &new.replaces,
        &new.reason,
        i64::from(new.current),
        &new.audit_digest,
    ];
    tx.later(&INSERT, binds, Expect::Any).await
}

/// Says of a response that a correction takes its place.
///
/// # Errors
/// [`StoreError::Missing`] if another correction came before; it may come from a later call.
pub async fn supersede(tx: &mut Tx, id: &Mark) -> Result<(), StoreError> {
    tx.later(&SUPERSEDE, binds![id], Expect::Present { noun: "current response", key: id.text() }).await
}

/// The response of that name.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, id: &Mark) -> Result<Option<ResponseRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(&FIND, binds![id]).await?.map(|row| read(row, &ring)).transpose()
}

/// The responses of a participant to an instrument that count, by occasion.
///
/// # Errors
/// Those of the database.
pub async fn list_of<'a>(
    from: impl Into<Reader<'a>>,
    participant_id: i64,
    instrument: &str,
) -> Result<Vec<ResponseRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    let rows = from.fetch(&OF_PARTICIPANT, binds![participant_id, instrument]).await?;
    rows.into_iter().map(|row| read(row, &ring)).collect()
}

/// When each of these participants answered last, of those who did; what they mended later is no answer of its own.
///
/// # Errors
/// Those of the database.
pub async fn last_moments(tx: &mut Tx, participants: &[i64]) -> Result<Vec<(i64, Instant)>, StoreError> {
    let mut found = Vec::new();
    for run in chunks(participants) {
        let binds: Vec<Bind<'_>> = run.iter().map(|id| Bind::from(*id)).collect();
        for mut row in tx.fetch_rows(&LAST_MOMENTS, run.len(), &binds).await? {
            found.push((row.int()?, row.instant()?));
        }
    }
    Ok(found)
}

/// All responses about a subject, superseded ones among them, in the order of time.
///
/// # Errors
/// Those of the database.
pub async fn list_about<'a>(from: impl Into<Reader<'a>>, subject_id: i64) -> Result<Vec<ResponseRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.fetch(&OF_SUBJECT, binds![subject_id]).await?.into_iter().map(|row| read(row, &ring)).collect()
}

/// The responses that count about the subjects of a study from one number in the database to another, in the order of time.
///
/// # Errors
/// Those of the database.
pub async fn list_of_subjects<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    first: i64,
    last: i64,
) -> Result<Vec<ResponseRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    let rows = from.fetch(&OF_SUBJECTS, binds![study_id, first, last]).await?;
    rows.into_iter().map(|row| read(row, &ring)).collect()
}

/// At most `most` responses of a study, superseded ones among them, behind one of that name, by name: in no order of time.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: &Mark,
    most: i64,
) -> Result<Vec<ResponseRow>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.fetch(&LIST, binds![study_id, after, most]).await?.into_iter().map(|row| read(row, &ring)).collect()
}
