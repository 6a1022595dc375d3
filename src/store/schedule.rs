//! How far the letters of a study's schedule were planned, since when there are its rules, and for whom they are to be planned anew.

use super::sql::{Bind, Row, Rows, binds, chunks, statements};
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx};
use crate::domain::schedule::{Target, TargetKind};
use crate::domain::time::Instant;

/// How far the letters of a study were planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Version of the bundle by which they are.
    pub version: i64,
    /// Number of the last participant and subject that was planned for; none once all were.
    pub cursor: Option<i64>,
    /// Rules begin no earlier.
    pub since: Instant,
}

/// A rule of the schedule in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRow {
    /// Id.
    pub rule: String,
    /// Since when there is the rule.
    pub begins_at: Instant,
    /// Whether a person has stopped its letters.
    pub held: bool,
}

statements! { "schedule":
    MARK = same "SELECT version, cursor, since FROM schedule_mark WHERE study_id = $1";
    SAVE_MARK = same "INSERT INTO schedule_mark (study_id, version, cursor, since) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (study_id) DO UPDATE SET version = excluded.version, cursor = excluded.cursor, since = excluded.since";
    UNPLANNED = same "SELECT study.id FROM study LEFT JOIN schedule_mark ON schedule_mark.study_id = study.id \
        WHERE study.id > $1 \
        AND (schedule_mark.study_id IS NULL OR schedule_mark.cursor >= 0 OR schedule_mark.version <> study.bundle_version) \
        ORDER BY study.id LIMIT $2";
    RULES = same "SELECT rule, begins_at, held FROM schedule_rule WHERE study_id = $1 AND rule <> '' ORDER BY rule";
    BEGIN = same "INSERT INTO schedule_rule (study_id, rule, begins_at, held) VALUES ($1, $2, $3, \
        COALESCE((SELECT held FROM schedule_rule WHERE study_id = $1 AND rule = ''), 0)) ON CONFLICT DO NOTHING";
    END = same "DELETE FROM schedule_rule WHERE study_id = $1 AND rule = $2";
    SET_HELD = same "UPDATE schedule_rule SET held = $3 WHERE study_id = $1 AND ($2 = '' OR rule = $2)";
    TOUCH = rows Rows {
        head: "INSERT INTO schedule_touch (study_id, target_kind, target) VALUES",
        first: 1,
        columns: 3,
        tail: "ON CONFLICT DO NOTHING",
    };
    TOUCHED_STUDIES = same "WITH RECURSIVE touched (id) AS (SELECT min(study_id) FROM schedule_touch WHERE study_id > $1 \
        UNION ALL SELECT (SELECT min(study_id) FROM schedule_touch WHERE study_id > touched.id) FROM touched \
        WHERE touched.id IS NOT NULL) SELECT id FROM touched WHERE id IS NOT NULL ORDER BY id LIMIT $2";
    TOUCHED = same "SELECT target_kind, target FROM schedule_touch WHERE study_id = $1 LIMIT $2";
    FORGET = rows Rows {
        head: "WITH planned (id) AS (VALUES",
        first: 3,
        columns: 1,
        tail: ") DELETE FROM schedule_touch WHERE study_id = $1 AND target_kind = $2 AND target IN (SELECT CAST(id AS TEXT) FROM planned)",
    };
}

/// How far a study was planned; none if nobody looked at it yet.
///
/// # Errors
/// Those of the database.
pub async fn mark<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Option<Mark>, StoreError> {
    let found = from.into().find(&MARK, binds![study_id]).await?;
    let read = |mut row: Row| {
        let (version, cursor, since) = (row.int()?, row.int()?, row.instant()?);
        Ok(Mark { version, cursor: Some(cursor).filter(|cursor| *cursor >= 0), since })
    };
    found.map(read).transpose()
}

/// Writes how far a study was planned.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn save_mark(tx: &mut Tx, study_id: i64, mark: Mark) -> Result<(), StoreError> {
    let Mark { version, cursor, since } = mark;
    tx.later(&SAVE_MARK, binds![study_id, version, cursor.unwrap_or(-1), since], Expect::Any).await
}

/// The studies behind that one that were not planned to the end by the version in force, at most `most`.
///
/// # Errors
/// Those of the database.
pub async fn unplanned(store: &Store, (after, most): (i64, i64)) -> Result<Vec<i64>, StoreError> {
    Reader::from(store).fetch(&UNPLANNED, binds![after, most]).await?.into_iter().map(|mut row| row.int()).collect()
}

/// The rules of a study, by id.
///
/// # Errors
/// Those of the database.
pub async fn rules<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<RuleRow>, StoreError> {
    let rows = from.into().fetch(&RULES, binds![study_id]).await?;
    let read = |mut row: Row| Ok(RuleRow { rule: row.text()?, begins_at: row.instant()?, held: row.int()? == 1 });
    rows.into_iter().map(read).collect()
}

/// What stands for all rules of a study, those that an amendment adds among them, once a person stopped or released them together. No rule
/// has this id.
const ALL_RULES: &str = "";

/// Notes a rule that begins; one that there is goes on. It is held where all are.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn begin_rule(tx: &mut Tx, study_id: i64, rule: &str, at: Instant) -> Result<(), StoreError> {
    tx.later(&BEGIN, binds![study_id, rule, at], Expect::Any).await
}

/// Forgets a rule that is no more.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn end_rule(tx: &mut Tx, study_id: i64, rule: &str) -> Result<(), StoreError> {
    tx.later(&END, binds![study_id, rule], Expect::Any).await
}

/// Stops the letters of a rule (of all if none is named, also of rules that begin later), those to come among them, or lets them go.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn set_held(tx: &mut Tx, study_id: i64, rule: Option<&str>, held: bool) -> Result<(), StoreError> {
    if rule.is_none() {
        begin_rule(tx, study_id, ALL_RULES, Instant(0)).await?;
    }
    tx.later(&SET_HELD, binds![study_id, rule.unwrap_or(ALL_RULES), i64::from(held)], Expect::Any).await
}

/// Says that something happened to targets, so that their letters are planned anew. Belongs into the transaction of what happened.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn touch(tx: &mut Tx, study_id: i64, targets: &[Target]) -> Result<(), StoreError> {
    for run in chunks(targets) {
        let mut binds: Vec<Bind<'_>> = Vec::with_capacity(run.len() * 3);
        for target in run {
            binds.extend::<[Bind<'_>; 3]>([study_id.into(), target.kind.key().into(), (&target.id).into()]);
        }
        tx.later_rows(&TOUCH, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// The studies behind that one to whose targets something happened, at most `most`.
///
/// # Errors
/// Those of the database.
pub async fn touched_studies(store: &Store, (after, most): (i64, i64)) -> Result<Vec<i64>, StoreError> {
    Reader::from(store)
        .fetch(&TOUCHED_STUDIES, binds![after, most])
        .await?
        .into_iter()
        .map(|mut row| row.int())
        .collect()
}

/// At most `most` targets of a study to which something happened.
///
/// # Errors
/// Those of the database.
pub async fn touched(tx: &mut Tx, study_id: i64, most: i64) -> Result<Vec<Target>, StoreError> {
    let rows = tx.fetch(&TOUCHED, binds![study_id, most]).await?;
    rows.into_iter().map(|mut row| Ok(Target { kind: row.word(TargetKind::find)?, id: row.text()? })).collect()
}

/// Forgets that something happened to targets, all of one kind: their letters were planned anew.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget(tx: &mut Tx, study_id: i64, kind: TargetKind, targets: &[String]) -> Result<(), StoreError> {
    for run in chunks(targets) {
        let mut binds: Vec<Bind<'_>> = vec![study_id.into(), kind.key().into()];
        binds.extend(run.iter().map(Bind::from));
        tx.later_rows(&FORGET, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}
