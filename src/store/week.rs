//! Counts of a study for its weekly report.

use super::sql::{binds, statements};
use super::{Reader, StoreError};
use crate::domain::time::Instant;

/// Microseconds of a quarter of an hour: days of every zone begin at a multiple of it, so that a quarter lies in one day.
const QUARTER: i64 = 15 * 60 * 1_000_000;

statements! { "week":
    SUBJECTS = same "SELECT site, quarter, count(*) FROM (SELECT coalesce(site_corrected, site) AS site, enrolled_at / $3 AS quarter \
        FROM subject WHERE study_id = $1 AND enrolled_at < $2) AS placed GROUP BY site, quarter";
    ANSWERED = same "SELECT count(DISTINCT credential.participant_id) FROM credential JOIN answered ON credential_id = credential.id \
        WHERE study_id = $1 AND day >= $2 AND day <= $3";
    LETTERS = same "SELECT state, count(*) FROM outbox WHERE study_id = $1 AND created_at >= $2 AND created_at < $3 GROUP BY state";
}

/// Subjects that were enrolled before a moment, as (site by what is known now, moment to a quarter of an hour, how many).
///
/// # Errors
/// Those of the database.
pub async fn subjects<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    before: Instant,
) -> Result<Vec<(String, Instant, u64)>, StoreError> {
    let rows = from.into().fetch(&SUBJECTS, binds![study_id, before, QUARTER]).await?;
    let read = |mut row: super::sql::Row| Ok((row.text()?, Instant(row.int()? * QUARTER), row.int()?.unsigned_abs()));
    rows.into_iter().map(read).collect()
}

/// Participants who answered on one of these days (year-month-day in the study's zone), the last included.
///
/// # Errors
/// Those of the database.
pub async fn answered<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    (first, last): (&str, &str),
) -> Result<u64, StoreError> {
    let found = from.into().find(&ANSWERED, binds![study_id, first, last]).await?;
    found.map_or(Ok(0), |mut row| Ok(row.int()?.unsigned_abs()))
}

/// Letters that were written from one moment to before the other, by their state.
///
/// # Errors
/// Those of the database.
pub async fn letters<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    (begin, end): (Instant, Instant),
) -> Result<Vec<(super::outbox::State, u64)>, StoreError> {
    let rows = from.into().fetch(&LETTERS, binds![study_id, begin, end]).await?;
    let read = |mut row: super::sql::Row| Ok((row.word(super::outbox::State::find)?, row.int()?.unsigned_abs()));
    rows.into_iter().map(read).collect()
}
