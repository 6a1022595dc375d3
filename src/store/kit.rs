//! Kits of blinded studies, handed out in the order of their positions.

use super::sql::{Bind, Row, Rows, binds, chunks, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::limits;

/// A kit as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KitRow {
    /// Study.
    pub study_id: i64,
    /// Order.
    pub position: i64,
    /// What the site learns.
    pub code: String,
    /// Code of the arm.
    pub arm: String,
    /// Where it lies; empty for the central stock.
    pub site: String,
    /// Allocation it was handed out for.
    pub allocation_number: Option<i64>,
}

statements! { "kit":
    INSERT = rows Rows {
        head: "INSERT INTO kit (study_id, position, code, arm, site) VALUES",
        first: 1,
        columns: 5,
        tail: "",
    };
    // One kit at the site and one from the central stock, each by index; the site's own goes first.
    NEXT = same "SELECT study_id, position, code, arm, site, allocation_number FROM ( \
        SELECT * FROM (SELECT 0 AS turn, study_id, position, code, arm, site, allocation_number FROM kit \
            WHERE study_id = $1 AND arm = $2 AND site = $3 AND allocation_number IS NULL ORDER BY position LIMIT 1) own \
        UNION ALL \
        SELECT * FROM (SELECT 1 AS turn, study_id, position, code, arm, site, allocation_number FROM kit \
            WHERE study_id = $1 AND arm = $2 AND site = '' AND allocation_number IS NULL ORDER BY position LIMIT 1) central \
        ) candidates ORDER BY turn LIMIT 1";
    USE = same "UPDATE kit SET allocation_number = $3 \
        WHERE study_id = $1 AND position = $2 AND allocation_number IS NULL";
    LEFT = same "SELECT arm, site, count(*) FROM kit WHERE study_id = $1 AND allocation_number IS NULL \
        GROUP BY arm, site ORDER BY arm, site";
    BY_CODE = same "SELECT study_id, position, code, arm, site, allocation_number FROM kit \
        WHERE study_id = $1 AND code = $2";
    USED = same "SELECT study_id, position, code, arm, site, allocation_number FROM kit \
        WHERE study_id = $1 AND position > $2 AND allocation_number IS NOT NULL ORDER BY position LIMIT $3";
    LAST_POSITION = same "SELECT max(position) FROM kit WHERE study_id = $1";
}

fn read(mut row: Row) -> Result<KitRow, StoreError> {
    Ok(KitRow {
        study_id: row.int()?,
        position: row.int()?,
        code: row.text()?,
        arm: row.text()?,
        site: row.text()?,
        allocation_number: row.opt_int()?,
    })
}

/// Adds kits behind those a study has already; of each: code, arm, site (empty for the central stock).
///
/// # Errors
/// [`StoreError::Conflict`] if a code exists in the study.
pub async fn insert_many(tx: &mut Tx, study_id: i64, kits: &[(&str, &str, &str)]) -> Result<(), StoreError> {
    let last = Reader::from(&mut *tx).find(&LAST_POSITION, binds![study_id]).await?;
    let mut position = last.map_or(Ok(None), |mut row| row.opt_int())?.unwrap_or(0);
    for run in chunks(kits) {
        let mut binds = Vec::with_capacity(run.len() * 5);
        for &(code, arm, site) in run {
            position += 1;
            binds.extend([Bind::from(study_id), position.into(), code.into(), arm.into(), site.into()]);
        }
        tx.execute_rows(&INSERT, run.len(), &binds).await?;
    }
    Ok(())
}

/// The kit of an arm to hand out next at a site: the site's own first, else one of the central stock.
///
/// # Errors
/// Those of the database.
pub async fn next_kit(tx: &mut Tx, study_id: i64, arm: &str, site: &str) -> Result<Option<KitRow>, StoreError> {
    Reader::from(tx).find(&NEXT, binds![study_id, arm, site]).await?.map(read).transpose()
}

/// Writes that a kit was handed out.
///
/// # Errors
/// [`StoreError::Missing`] if it was handed out before; it may come from a later call.
pub async fn record_use(tx: &mut Tx, kit: &KitRow, allocation_number: i64) -> Result<(), StoreError> {
    let expect = Expect::Present { noun: "free kit", key: kit.code.clone() };
    tx.later(&USE, binds![kit.study_id, kit.position, allocation_number], expect).await
}

/// Number of kits left, by arm and site (empty for the central stock), where there are any.
///
/// # Errors
/// Those of the database.
pub async fn left<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<(String, String, i64)>, StoreError> {
    let rows = from.into().fetch(&LEFT, binds![study_id]).await?;
    rows.into_iter().map(|mut row| Ok((row.text()?, row.text()?, row.int()?))).collect()
}

/// The kit of that code.
///
/// # Errors
/// Those of the database.
pub async fn find_by_code<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    code: &str,
) -> Result<Option<KitRow>, StoreError> {
    from.into().find(&BY_CODE, binds![study_id, code]).await?.map(read).transpose()
}

/// Every kit that was handed out, in the order of positions.
///
/// # Errors
/// Those of the database.
pub async fn used<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<KitRow>, StoreError> {
    let mut from = from.into();
    let mut used: Vec<KitRow> = Vec::new();
    loop {
        let last = used.last().map_or(0, |kit| kit.position);
        let page = from.fetch(&USED, binds![study_id, last, limits::PAGE_ROWS]).await?;
        let whole = page.len() as i64 == limits::PAGE_ROWS;
        for row in page {
            used.push(read(row)?);
        }
        if !whole {
            return Ok(used);
        }
    }
}
