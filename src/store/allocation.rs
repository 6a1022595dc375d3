//! Allocations: the journal of decisions, never changed.

use std::collections::BTreeMap;

use super::gathered::Turn;
use super::packed::{self, Fields};
use super::sql::{Row, Rows, binds, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::allocation::Origin;
use crate::domain::time::Instant;
use crate::limits;

/// A decision as stored, without the record of how it came about; see [`load_record`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocationRow {
    /// Study.
    pub study_id: i64,
    /// Counted from 1 in the study.
    pub number: i64,
    /// Who was allocated.
    pub subject_id: i64,
    /// Which of the study's allocations: that of enrolling, or the id of a further one.
    pub randomization: String,
    /// Code of the arm.
    pub arm: String,
    /// Place in the stratum's sequence, where the method has one.
    pub slot: Option<i64>,
    /// Size of the block, where there are blocks.
    pub block_size: Option<i64>,
    /// JSON, factor to level.
    pub levels: String,
    /// Code of the kit handed out.
    pub kit: Option<String>,
    /// Version of the rules.
    pub bundle_version: i64,
    /// When.
    pub allocated_at: Instant,
    /// Whether it was drawn here, imported, or given by hand.
    pub origin: Origin,
}

/// A decision with the JSON record of how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The decision.
    pub row: AllocationRow,
    /// How it came about.
    pub record: String,
}

macro_rules! columns {
    () => {
        "study_id, number, subject_id, randomization, arm, slot, block_size, levels, kit, bundle_version, allocated_at, \
         origin "
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), "FROM allocation ", $rest)
    };
}

statements! { "allocation":
    INSERT = rows Rows {
        head: "INSERT INTO allocation (study_id, number, subject_id, randomization, arm, slot, block_size, levels, kit, \
            bundle_version, allocated_at, origin, record) VALUES",
        first: 1,
        columns: 13,
        tail: "",
    };
    JOURNAL = same select!("WHERE study_id = $1 AND number > $2 ORDER BY number LIMIT $3");
    BY_NUMBER = same select!("WHERE study_id = $1 AND number = $2");
    OF_SUBJECTS = same select!("WHERE study_id = $1 AND subject_id BETWEEN $2 AND $3 ORDER BY number");
    BY_SUBJECT = same select!("WHERE subject_id = $1 ORDER BY number");
    RECORD = same "SELECT record FROM allocation WHERE study_id = $1 AND number = $2";
    RECORDS = same "SELECT number, record FROM allocation WHERE study_id = $1 AND number > $2 ORDER BY number LIMIT $3";
    RECORDED = same concat!("SELECT record, ", columns!(), "FROM allocation \
        WHERE study_id = $1 AND number > $2 AND number <= $3 ORDER BY number LIMIT $4");
    PACKED_RECORDED = twin [
        concat!("SELECT count(*), coalesce(group_concat(line, ", packed::row!(), "), '') FROM (SELECT concat_ws(", packed::field!(),
            ", record, number, subject_id, randomization, arm, coalesce(slot, ''), coalesce(block_size, ''), levels, \
            coalesce('=' || kit, ''), bundle_version, allocated_at, origin) AS line FROM allocation \
            WHERE study_id = $1 AND number > $2 AND number <= $3 ORDER BY number LIMIT $4) AS page"),
        concat!("SELECT count(*), coalesce(string_agg(line, ", packed::row!(), " ORDER BY number), '') FROM (SELECT number, concat_ws(",
            packed::field!(), ", record, number, subject_id, randomization, arm, coalesce(CAST(slot AS TEXT), ''), \
            coalesce(CAST(block_size AS TEXT), ''), levels, coalesce('=' || kit, ''), bundle_version, allocated_at, origin) AS line \
            FROM allocation WHERE study_id = $1 AND number > $2 AND number <= $3 ORDER BY number LIMIT $4) AS page"),
    ];
    LAST = same "SELECT max(number) FROM allocation WHERE study_id = $1";
    BEGINNINGS = same "SELECT bundle_version, min(number) FROM allocation WHERE study_id = $1 AND number <= $2 \
        GROUP BY bundle_version ORDER BY bundle_version";
    OF_FACTS = same "SELECT randomization, subject_id, number FROM allocation WHERE study_id = $1 \
        AND subject_id IN (SELECT subject_id FROM subject_fact WHERE study_id = $1)";
    COUNT_FORCED = same "SELECT count(*) FROM allocation WHERE study_id = $1 AND origin = 'forced' \
        AND randomization = $2";
    COUNT_ARMS = same "SELECT arm, count(*) FROM allocation WHERE study_id = $1 GROUP BY arm ORDER BY arm";
    COUNT_KINDS = same "SELECT randomization, count(*) FROM allocation WHERE study_id = $1 GROUP BY randomization \
        ORDER BY randomization";
}

fn read(mut row: Row) -> Result<AllocationRow, StoreError> {
    Ok(AllocationRow {
        study_id: row.int()?,
        number: row.int()?,
        subject_id: row.int()?,
        randomization: row.text()?,
        arm: row.text()?,
        slot: row.opt_int()?,
        block_size: row.opt_int()?,
        levels: row.text()?,
        kit: row.opt_text()?,
        bundle_version: row.int()?,
        allocated_at: row.instant()?,
        origin: row.word(Origin::find)?,
    })
}

/// Writes a decision and the JSON record of how it came about.
///
/// # Errors
/// [`StoreError::Conflict`] if the number has one already, or the subject one of that kind; it may come from a later call.
pub async fn insert(tx: &mut Tx, new: &AllocationRow, record: &str) -> Result<(), StoreError> {
    let binds = binds![
        new.study_id,
        new.number,
        new.subject_id,
        &new.randomization,
        &new.arm,
        new.slot,
        new.block_size,
        &new.levels,
        new.kit.as_deref(),
        new.bundle_version,
        new.allocated_at,
        new.origin.key(),
        record
    ];
    tx.gather(Turn::Allocation, &INSERT, binds, Expect::Any).await
}

/// Every decision of a study behind number `after`, in order.
///
/// # Errors
/// Those of the database.
pub async fn journal<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
) -> Result<Vec<AllocationRow>, StoreError> {
    let mut from = from.into();
    let mut journal: Vec<AllocationRow> = Vec::new();
    loop {
        let last = journal.last().map_or(after, |row| row.number);
        let page = from.fetch(&JOURNAL, binds![study_id, last, limits::PAGE_ROWS]).await?;
        let whole = page.len() as i64 == limits::PAGE_ROWS;
        for row in page {
            journal.push(read(row)?);
        }
        if !whole {
            return Ok(journal);
        }
    }
}

/// At most `limit` decisions of a study behind number `after`, in order.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<AllocationRow>, StoreError> {
    from.into().fetch(&JOURNAL, binds![study_id, after, limit]).await?.into_iter().map(read).collect()
}

/// The decisions about the subjects of a study from one number in the database to another, in order.
///
/// # Errors
/// Those of the database.
pub async fn list_of_subjects<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    first: i64,
    last: i64,
) -> Result<Vec<AllocationRow>, StoreError> {
    from.into().fetch(&OF_SUBJECTS, binds![study_id, first, last]).await?.into_iter().map(read).collect()
}

/// The decision of that number.
///
/// # Errors
/// Those of the database.
pub async fn find<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    number: i64,
) -> Result<Option<AllocationRow>, StoreError> {
    from.into().find(&BY_NUMBER, binds![study_id, number]).await?.map(read).transpose()
}

/// The decisions about that subject, in order; at most one of each of the study's allocations.
///
/// # Errors
/// Those of the database.
pub async fn list_by_subject<'a>(
    from: impl Into<Reader<'a>>,
    subject_id: i64,
) -> Result<Vec<AllocationRow>, StoreError> {
    from.into().fetch(&BY_SUBJECT, binds![subject_id]).await?.into_iter().map(read).collect()
}

/// How the decision of that number came about, as JSON.
///
/// # Errors
/// [`StoreError::Missing`].
pub async fn load_record<'a>(from: impl Into<Reader<'a>>, study_id: i64, number: i64) -> Result<String, StoreError> {
    let found = from.into().find(&RECORD, binds![study_id, number]).await?;
    found.ok_or_else(|| StoreError::Missing { noun: "allocation", key: number.to_string() })?.text()
}

/// How at most `limit` decisions behind number `after` came about, as JSON, each behind its number, in order.
///
/// # Errors
/// Those of the database.
pub async fn list_records<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, String)>, StoreError> {
    let rows = from.into().fetch(&RECORDS, binds![study_id, after, limit]).await?;
    rows.into_iter().map(|mut row| Ok((row.int()?, row.text()?))).collect()
}

/// At most `limit` decisions with their records, of the numbers behind `after` up to `last`, in order.
///
/// # Errors
/// Those of the database.
pub async fn list_recorded<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    after: i64,
    last: i64,
    limit: i64,
) -> Result<Vec<Recorded>, StoreError> {
    let mut from = from.into();
    let rows = from.fetch(&PACKED_RECORDED, binds![study_id, after, last, limit]).await?;
    let unpack = |fields: &mut Fields<'_>| {
        let record = fields.text()?.to_owned();
        let row = AllocationRow {
            study_id,
            number: fields.int()?,
            subject_id: fields.int()?,
            randomization: fields.text()?.to_owned(),
            arm: fields.text()?.to_owned(),
            slot: fields.opt_int()?,
            block_size: fields.opt_int()?,
            levels: fields.text()?.to_owned(),
            kit: fields.opt_text()?.map(str::to_owned),
            bundle_version: fields.int()?,
            allocated_at: fields.instant()?,
            origin: fields.text().and_then(Origin::find)?,
        };
        Some(Recorded { row, record })
    };
    let page = packed::unpack(rows, 12, unpack)?;
    if let Some(page) = page.filter(|page| page.is_sorted_by(|one, next| one.row.number < next.row.number)) {
        return Ok(page);
    }
    let rows = from.fetch(&RECORDED, binds![study_id, after, last, limit]).await?;
    rows.into_iter()
        .map(|mut row| {
            let record = row.text()?;
            Ok(Recorded { row: read(row)?, record })
        })
        .collect()
}

/// The greatest number of a study's decisions; `None` if there are none.
///
/// # Errors
/// Those of the database.
pub async fn last_number<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Option<i64>, StoreError> {
    from.into().find(&LAST, binds![study_id]).await?.map_or(Ok(None), |mut row| row.opt_int())
}

/// Each version of the rules that decided, and the number of its first decision, among the numbers up to `last`.
///
/// # Errors
/// Those of the database.
pub async fn beginnings<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    last: i64,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let rows = from.into().fetch(&BEGINNINGS, binds![study_id, last]).await?;
    rows.into_iter().map(|mut row| Ok((row.int()?, row.int()?))).collect()
}

/// Numbers of the decisions about subjects of which something became known, by which of the study's allocations they are and
/// the subject's number in the database.
///
/// # Errors
/// Those of the database.
pub async fn numbers_of_facts<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
) -> Result<BTreeMap<(String, i64), i64>, StoreError> {
    let rows = from.into().fetch(&OF_FACTS, binds![study_id]).await?;
    rows.into_iter().map(|mut row| Ok(((row.text()?, row.int()?), row.int()?))).collect()
}

/// How many were given by hand in one of a study's allocations.
///
/// # Errors
/// Those of the database.
pub async fn count_forced<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    randomization: &str,
) -> Result<i64, StoreError> {
    from.into().find(&COUNT_FORCED, binds![study_id, randomization]).await?.map_or(Ok(0), |mut row| row.int())
}

/// Number of subjects in each arm that has any, by code; codes are distinct across a study's allocations.
///
/// # Errors
/// Those of the database.
pub async fn count_arms<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = from.into().fetch(&COUNT_ARMS, binds![study_id]).await?;
    rows.into_iter().map(|mut row| Ok((row.text()?, row.int()?))).collect()
}

/// Number of allocations of each of the study's kinds that has any, by id.
///
/// # Errors
/// Those of the database.
pub async fn count_kinds<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = from.into().fetch(&COUNT_KINDS, binds![study_id]).await?;
    rows.into_iter().map(|mut row| Ok((row.text()?, row.int()?))).collect()
}
