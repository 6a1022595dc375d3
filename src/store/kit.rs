//! Kits of blinded studies: where each lies, what became of it; the lists that were added, and the shortages told.

use super::sql::{Bind, Row, Rows, binds, chunks, statements};
use super::tx::Expect;
use super::{Reader, Store, StoreError, Tx, study};
use crate::domain::kit::{Day, Order, State};
use crate::domain::time::Instant;
use crate::limits;

/// A kit as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KitRow {
    /// Study.
    pub study_id: i64,
    /// Place in the lists, which tells nothing of when it leaves.
    pub position: i64,
    /// What the site learns.
    pub code: String,
    /// Code of the arm.
    pub arm: String,
    /// Where it lies; empty for the central stock.
    pub site: String,
    /// Allocation it was handed out for.
    pub allocation_number: Option<i64>,
    /// Lot; empty if none was listed.
    pub lot: String,
    /// Last day it may be given.
    pub expires_on: Day,
    /// What became of it.
    pub state: State,
    /// Which kit of its allocation it is, counted from 1; 0 if it was never handed out.
    pub turn: i64,
    /// Among the kits of its arm, place and expiry the least leaves first; see [`Order`].
    pub rank: i64,
}

/// A kit to be stored; fields as in [`KitRow`].
#[derive(Clone, Copy, Debug)]
pub struct NewKit<'a> {
    /// What the site learns.
    pub code: &'a str,
    /// Code of the arm.
    pub arm: &'a str,
    /// Where it lies; empty for the central stock.
    pub site: &'a str,
    /// Lot, or empty.
    pub lot: &'a str,
    /// Last day it may be given.
    pub expires_on: Day,
}

/// Kits of one arm at one place that can be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// Code of the arm.
    pub arm: String,
    /// Where; empty for the central stock.
    pub site: String,
    /// How many; where a limit was given, at most that many are counted.
    pub usable: i64,
    /// Whether a kit was ever listed there or sent there, and is there yet.
    pub keeps: bool,
    /// Last day of the kit of them that expires first, where it was asked for.
    pub first: Option<Day>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT study_id, position, code, arm, site, allocation_number, lot, expires_on, state, turn, rank FROM kit ",
            $rest
        )
    };
}

statements! { "kit":
    INSERT = rows Rows {
        head: "INSERT INTO kit (study_id, position, code, arm, site, lot, expires_on, rank) VALUES",
        first: 1,
        columns: 8,
        tail: "",
    };
    NEXT = same select!("WHERE study_id = $1 AND arm = $2 AND site = $3 AND state = 'available' AND expires_on >= $4 \
        ORDER BY expires_on, rank, position LIMIT 1");
    FIRST_DAYS = rows Rows {
        head: "SELECT (SELECT min(k.expires_on) FROM kit k WHERE k.study_id = $1 AND k.arm = w.column1 \
                AND k.site = $2 AND k.state = 'available' AND k.expires_on >= $3) \
            FROM (VALUES",
        first: 4,
        columns: 1,
        tail: ") w",
    };
    // Counting stops at the limit, so that a large stock costs no more than a small one.
    USABLE = rows Rows {
        head: "SELECT w.column1, w.column2, \
            (SELECT count(*) FROM (SELECT 1 FROM kit k WHERE k.study_id = $1 AND k.arm = w.column1 \
                AND k.site = w.column2 AND k.state = 'available' AND k.expires_on >= $2 LIMIT $3) few), \
            (SELECT count(*) FROM (SELECT 1 FROM kit k WHERE k.study_id = $1 AND k.site = w.column2 LIMIT 1) any_kit), \
            (SELECT min(k.expires_on) FROM kit k WHERE k.study_id = $1 AND k.arm = w.column1 AND k.site = w.column2 \
                AND k.state = 'available' AND k.expires_on >= $2) \
            FROM (VALUES",
        first: 4,
        columns: 2,
        tail: ") w",
    };
    STOCK = same "SELECT arm, site, sum(CASE WHEN state = 'available' AND expires_on >= $2 THEN 1 ELSE 0 END) \
        FROM kit WHERE study_id = $1 GROUP BY arm, site ORDER BY arm, site";
    LOTS = same "SELECT lot, expires_on, count(*) FROM kit WHERE study_id = $1 AND arm = $2 AND site = $3 \
        AND state = 'available' AND expires_on >= $4 GROUP BY lot, expires_on ORDER BY expires_on, lot LIMIT $5";
    UNRANKED = same "SELECT DISTINCT study_id FROM kit WHERE rank IS NULL ORDER BY study_id";
    UNRANKED_CODES = same "SELECT position, code FROM kit WHERE study_id = $1 AND rank IS NULL ORDER BY position LIMIT $2";
    RANK = same "UPDATE kit SET rank = $3 WHERE study_id = $1 AND position = $2";
    USE = same "UPDATE kit SET allocation_number = $3, turn = $4, state = 'dispensed' \
        WHERE study_id = $1 AND position = $2 AND state = 'available'";
    BECOME = same "UPDATE kit SET state = $4 WHERE study_id = $1 AND position = $2 AND state = $3";
    SHIP = same "UPDATE kit SET site = $4 WHERE study_id = $1 AND position = $2 AND site = $3 \
        AND state IN ('available', 'quarantined')";
    LEFT = same "SELECT arm, site, count(*) FROM kit WHERE study_id = $1 AND state = 'available' \
        GROUP BY arm, site ORDER BY arm, site";
    BY_CODE = same select!("WHERE study_id = $1 AND code = $2");
    OF_ALLOCATION = same select!("WHERE study_id = $1 AND allocation_number = $2 ORDER BY turn");
    LIST = same select!("WHERE study_id = $1 AND position > $2 ORDER BY position LIMIT $3");
    CODES = same "SELECT position, code FROM kit WHERE study_id = $1 AND position > $2 ORDER BY position LIMIT $3";
    LAST_POSITION = same "SELECT max(position) FROM kit WHERE study_id = $1";
    LISTS = same "SELECT max(number) FROM kit_list WHERE study_id = $1";
    KEEP_LIST = same "INSERT INTO kit_list (study_id, number, content) VALUES ($1, $2, $3)";
    FIND_LIST = same "SELECT content FROM kit_list WHERE study_id = $1 AND number = $2";
    SHORTAGES = same "SELECT site, arm FROM kit_shortage WHERE study_id = $1 ORDER BY site, arm";
    SHORT = same "INSERT INTO kit_shortage (study_id, site, arm, told_at) VALUES ($1, $2, $3, $4)";
    OVER = same "DELETE FROM kit_shortage WHERE study_id = $1 AND site = $2 AND arm = $3";
}

fn read(mut row: Row) -> Result<KitRow, StoreError> {
    Ok(KitRow {
        study_id: row.int()?,
        position: row.int()?,
        code: row.text()?,
        arm: row.text()?,
        site: row.text()?,
        allocation_number: row.opt_int()?,
        lot: row.text()?,
        expires_on: Day(row.int()?),
        state: row.word(State::find)?,
        turn: row.int()?,
        // None where an earlier version listed it while this one ran.
        rank: row.opt_int()?.unwrap_or_default(),
    })
}

/// Adds kits to those a study has already; `order` tells when each leaves.
///
/// # Errors
/// [`StoreError::Conflict`] if a code exists in the study.
pub async fn insert_many(tx: &mut Tx, study_id: i64, order: &Order, kits: &[NewKit<'_>]) -> Result<(), StoreError> {
    let last = Reader::from(&mut *tx).find(&LAST_POSITION, binds![study_id]).await?;
    let mut position = last.map_or(Ok(None), |mut row| row.opt_int())?.unwrap_or(0);
    for run in chunks(kits) {
        let mut binds = Vec::with_capacity(run.len() * 8);
        for kit in run {
            position += 1;
            binds.extend([Bind::from(study_id), position.into(), kit.code.into(), kit.arm.into(), kit.site.into()]);
            binds.extend([Bind::from(kit.lot), kit.expires_on.0.into(), order.rank(kit.code).into()]);
        }
        tx.execute_rows(&INSERT, run.len(), &binds).await?;
    }
    Ok(())
}

/// Ranks the kits of studies that an earlier version listed, each by the order of its study.
///
/// # Errors
/// Those of the database.
pub(super) async fn rank_all(store: &Store) -> Result<(), StoreError> {
    for mut row in Reader::from(store).fetch(&UNRANKED, &[]).await? {
        let id = row.int()?;
        let mut tx = store.begin().await?;
        let order = Order::of(study::lock(&mut tx, id).await?.secret.bytes()?);
        loop {
            let page = tx.fetch(&UNRANKED_CODES, binds![id, limits::PAGE_ROWS]).await?;
            if page.is_empty() {
                break;
            }
            for mut row in page {
                let (position, code) = (row.int()?, row.text()?);
                let expect = Expect::Present { noun: "kit", key: code.clone() };
                tx.later(&RANK, binds![id, position, order.rank(&code)], expect).await?;
            }
        }
        tx.commit().await?;
    }
    Ok(())
}

/// The kit of an arm that leaves a place (empty for the central stock) next, good until `least` at least: the one that expires
/// first, of these that of the least rank.
///
/// # Errors
/// Those of the database.
pub async fn next_kit(
    tx: &mut Tx,
    study_id: i64,
    arm: &str,
    site: &str,
    least: Day,
) -> Result<Option<KitRow>, StoreError> {
    Reader::from(tx).find(&NEXT, binds![study_id, arm, site, least.0]).await?.map(read).transpose()
}

/// The first last day, not before `least`, of the kits of each arm that can be handed out at a place (empty for the central
/// stock); in no order.
///
/// # Errors
/// Those of the database.
pub async fn first_days(
    tx: &mut Tx,
    study_id: i64,
    arms: &[&str],
    site: &str,
    least: Day,
) -> Result<Vec<Option<Day>>, StoreError> {
    let mut days = Vec::with_capacity(arms.len());
    for run in chunks(arms) {
        let mut binds = vec![Bind::from(study_id), site.into(), least.0.into()];
        binds.extend(run.iter().map(|arm| Bind::from(*arm)));
        for mut row in tx.fetch_rows(&FIRST_DAYS, run.len(), &binds).await? {
            days.push(row.opt_int()?.map(Day));
        }
    }
    Ok(days)
}

/// How many kits can be handed out of each arm at each place (arm, site), each counted up to `most`.
///
/// # Errors
/// Those of the database.
pub async fn usable(
    tx: &mut Tx,
    study_id: i64,
    least: Day,
    most: i64,
    places: &[(&str, &str)],
) -> Result<Vec<Stock>, StoreError> {
    let mut stocks = Vec::with_capacity(places.len());
    for run in chunks(places) {
        let mut binds = vec![Bind::from(study_id), least.0.into(), most.into()];
        for (arm, site) in run {
            binds.extend([Bind::from(*arm), Bind::from(*site)]);
        }
        for mut row in tx.fetch_rows(&USABLE, run.len(), &binds).await? {
            let (arm, site, usable, keeps) = (row.text()?, row.text()?, row.int()?, row.int()? > 0);
            stocks.push(Stock { arm, site, usable, keeps, first: row.opt_int()?.map(Day) });
        }
    }
    Ok(stocks)
}

/// How many kits can be handed out of each arm at each place where kits of it lie or were handed out.
///
/// # Errors
/// Those of the database.
pub async fn stock<'a>(from: impl Into<Reader<'a>>, study_id: i64, least: Day) -> Result<Vec<Stock>, StoreError> {
    let rows = from.into().fetch(&STOCK, binds![study_id, least.0]).await?;
    rows.into_iter()
        .map(|mut row| Ok(Stock { arm: row.text()?, site: row.text()?, usable: row.int()?, keeps: true, first: None }))
        .collect()
}

/// The lots that can be handed out of an arm at a place, at most [`limits::KIT_LOTS`]: lot, last day, number of kits.
///
/// # Errors
/// Those of the database.
pub async fn lots(
    tx: &mut Tx,
    study_id: i64,
    arm: &str,
    site: &str,
    least: Day,
) -> Result<Vec<(String, Day, i64)>, StoreError> {
    let rows = tx.fetch(&LOTS, binds![study_id, arm, site, least.0, limits::KIT_LOTS]).await?;
    rows.into_iter().map(|mut row| Ok((row.text()?, Day(row.int()?), row.int()?))).collect()
}

fn present(kit: &KitRow, noun: &'static str) -> Expect {
    Expect::Present { noun, key: kit.code.clone() }
}

/// Writes that a kit was handed out, as the `turn`-th of its allocation.
///
/// # Errors
/// [`StoreError::Missing`] if it was not available; it may come from a later call.
pub async fn record_use(tx: &mut Tx, kit: &KitRow, allocation_number: i64, turn: i64) -> Result<(), StoreError> {
    let binds = binds![kit.study_id, kit.position, allocation_number, turn];
    tx.later(&USE, binds, present(kit, "free kit")).await
}

/// Writes what became of a kit that is as `kit` says.
///
/// # Errors
/// [`StoreError::Missing`] if its state is another; it may come from a later call.
pub async fn record_state(tx: &mut Tx, kit: &KitRow, next: State) -> Result<(), StoreError> {
    let binds = binds![kit.study_id, kit.position, kit.state.key(), next.key()];
    tx.later(&BECOME, binds, present(kit, "kit in that state")).await
}

/// Writes that a kit was sent to a place (empty for the central stock).
///
/// # Errors
/// [`StoreError::Missing`] if it lies elsewhere or was handed out; it may come from a later call.
pub async fn record_move(tx: &mut Tx, kit: &KitRow, site: &str) -> Result<(), StoreError> {
    let binds = binds![kit.study_id, kit.position, &kit.site, site];
    tx.later(&SHIP, binds, present(kit, "kit at that place")).await
}

/// Number of available kits, by arm and site (empty for the central stock), where there are any.
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

/// The kits that were handed out for an allocation, in the order in which they were.
///
/// # Errors
/// Those of the database.
pub async fn list_of_allocation<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    allocation_number: i64,
) -> Result<Vec<KitRow>, StoreError> {
    let rows = from.into().fetch(&OF_ALLOCATION, binds![study_id, allocation_number]).await?;
    rows.into_iter().map(read).collect()
}

/// Every kit of a study, in the order of positions.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<KitRow>, StoreError> {
    let mut from = from.into();
    let mut kits: Vec<KitRow> = Vec::new();
    loop {
        let last = kits.last().map_or(0, |kit| kit.position);
        let page = from.fetch(&LIST, binds![study_id, last, limits::PAGE_ROWS]).await?;
        let whole = page.len() as i64 == limits::PAGE_ROWS;
        for row in page {
            kits.push(read(row)?);
        }
        if !whole {
            return Ok(kits);
        }
    }
}

/// The codes of every kit of a study.
///
/// # Errors
/// Those of the database.
pub async fn codes<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<String>, StoreError> {
    let mut from = from.into();
    let mut codes = Vec::new();
    let mut last = 0;
    loop {
        let page = from.fetch(&CODES, binds![study_id, last, limits::PAGE_ROWS]).await?;
        let whole = page.len() as i64 == limits::PAGE_ROWS;
        for mut row in page {
            last = row.int()?;
            codes.push(row.text()?);
        }
        if !whole {
            return Ok(codes);
        }
    }
}

/// Keeps a list that was added to a study, and gives its number.
///
/// # Errors
/// Those of the database.
pub async fn insert_list(tx: &mut Tx, study_id: i64, content: &str) -> Result<i64, StoreError> {
    let last = Reader::from(&mut *tx).find(&LISTS, binds![study_id]).await?;
    let number = last.map_or(Ok(None), |mut row| row.opt_int())?.unwrap_or(0) + 1;
    tx.execute(&KEEP_LIST, binds![study_id, number, content]).await?;
    Ok(number)
}

/// The list of that number.
///
/// # Errors
/// Those of the database.
pub async fn find_list<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    number: i64,
) -> Result<Option<String>, StoreError> {
    from.into().find(&FIND_LIST, binds![study_id, number]).await?.map(|mut row| row.text()).transpose()
}

/// The shortages that were told and still last: site (empty for the central stock) and arm (empty for what blinded staff
/// were told).
///
/// # Errors
/// Those of the database.
pub async fn shortages<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<(String, String)>, StoreError> {
    let rows = from.into().fetch(&SHORTAGES, binds![study_id]).await?;
    rows.into_iter().map(|mut row| Ok((row.text()?, row.text()?))).collect()
}

/// Writes that a shortage was told.
///
/// # Errors
/// [`StoreError::Conflict`] if it was told before and is not over; it may come from a later call.
pub async fn insert_shortage(tx: &mut Tx, study_id: i64, site: &str, arm: &str, at: Instant) -> Result<(), StoreError> {
    tx.later(&SHORT, binds![study_id, site, arm, at], Expect::Any).await
}

/// Writes that a shortage is over.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn delete_shortage(tx: &mut Tx, study_id: i64, site: &str, arm: &str) -> Result<(), StoreError> {
    tx.later(&OVER, binds![study_id, site, arm], Expect::Any).await
}
