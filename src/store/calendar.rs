//! What is due at a time of day: one mark for each study, so that a restart or a second daemon does nothing twice.

use super::sql::{binds, statements};
use super::{Reader, StoreError, Tx};
use crate::domain::time::Instant;

/// The only kind of mark there is.
const DAILY: &str = "daily";

/// When something is next due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub next_at: Instant,
    /// Number of audit entries when it was last done.
    pub seen: i64,
}

statements! { "calendar":
    DUE = same "SELECT study.id FROM study \
        LEFT JOIN calendar_mark ON calendar_mark.study_id = study.id AND calendar_mark.what = $1 \
        WHERE calendar_mark.next_at IS NULL OR (calendar_mark.next_at <= $2 \
        AND (study.state <> 'closed' OR study.chain_length <> calendar_mark.seen)) ORDER BY study.id LIMIT $3";
    FIND = same "SELECT next_at, seen FROM calendar_mark WHERE study_id = $1 AND what = $2";
    SAVE = same "INSERT INTO calendar_mark (study_id, what, next_at, seen) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (study_id, what) DO UPDATE SET next_at = excluded.next_at, seen = excluded.seen";
}

/// Studies, by number, whose daily work is due or was never planned; at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn due<'a>(from: impl Into<Reader<'a>>, now: Instant, limit: i64) -> Result<Vec<i64>, StoreError> {
    from.into().fetch(&DUE, binds![DAILY, now, limit]).await?.into_iter().map(|mut row| row.int()).collect()
}

/// The mark of a study, if its daily work was ever planned.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Option<Mark>, StoreError> {
    let Some(mut row) = from.into().find(&FIND, binds![study_id, DAILY]).await? else { return Ok(None) };
    Ok(Some(Mark { next_at: row.instant()?, seen: row.int()? }))
}

/// Plans the next daily work of a study.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn save(tx: &mut Tx, study_id: i64, mark: Mark) -> Result<(), StoreError> {
    tx.execute(&SAVE, binds![study_id, DAILY, mark.next_at, mark.seen]).await.map(drop)
}
