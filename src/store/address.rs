//! What came back of letters to addresses: a score, a stop, an absence. A row knows its address by a code alone, and is gone once somebody
//! wrote from there, or a person said that the address is good.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::sql::{Bind, Row, Rows, binds, chunks, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::address_fate::AddressFate;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT code, score, bounced_on, status, stopped_at, away_until FROM address_fate ", $rest)
    };
}

statements! { "address":
    BY_CODES = rows Rows {
        head: "WITH wanted (code) AS (VALUES",
        first: 1,
        columns: 1,
        tail: concat!(") ", select!("WHERE code IN (SELECT CAST(code AS TEXT) FROM wanted)")),
    };
    LIST = same select!("WHERE score > 0 ORDER BY code");
    LIST_STOPPED = same select!("WHERE stopped_at IS NOT NULL ORDER BY code");
    SAVE = same "INSERT INTO address_fate (code, score, bounced_on, status, stopped_at, away_until) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (code) DO UPDATE SET score = excluded.score, bounced_on = excluded.bounced_on, status = excluded.status, \
        stopped_at = excluded.stopped_at, away_until = excluded.away_until";
    FORGET = same "DELETE FROM address_fate WHERE code = $1";
    // Whatever a schedule ended for want of an address is planned anew.
    TOUCH = same "INSERT INTO schedule_touch (study_id, target_kind, target) \
        SELECT study_id, 'participant', CAST(id AS TEXT) FROM participant \
        WHERE study_id IN (SELECT id FROM study) AND address = $1 ON CONFLICT DO NOTHING";
}

fn read(mut row: Row) -> Result<(String, AddressFate), StoreError> {
    let code = row.text()?;
    let fate = AddressFate {
        score: u32::try_from(row.int()?).unwrap_or(u32::MAX),
        bounced_on: day(row.opt_text()?)?,
        status: row.text()?,
        stopped_at: row.opt_instant()?,
        away_until: day(row.opt_text()?)?,
    };
    Ok((code, fate))
}

fn day(text: Option<String>) -> Result<Option<NaiveDate>, StoreError> {
    let unreadable = |text: &str| StoreError::Unreadable {
        what: "a day of table address_fate".to_string(),
        cause: format!("{text:?} is none"),
    };
    text.map(|text| text.parse().map_err(|_| unreadable(&text))).transpose()
}

/// What is known of the addresses of these codes, by code; nothing of most.
///
/// # Errors
/// Those of the database.
pub async fn list_of<'a>(
    from: impl Into<Reader<'a>>,
    codes: &[String],
) -> Result<BTreeMap<String, AddressFate>, StoreError> {
    let (mut from, mut found) = (from.into(), BTreeMap::new());
    for run in chunks(codes) {
        let binds: Vec<Bind<'_>> = run.iter().map(Bind::from).collect();
        for row in from.fetch_rows(&BY_CODES, run.len(), &binds).await? {
            let (code, fate) = read(row)?;
            found.insert(code, fate);
        }
    }
    Ok(found)
}

/// Everything that is known, by code; of addresses that are stopped alone if asked so.
///
/// # Errors
/// Those of the database.
pub async fn list<'a>(from: impl Into<Reader<'a>>, stopped: bool) -> Result<BTreeMap<String, AddressFate>, StoreError> {
    let statement = if stopped { &LIST_STOPPED } else { &LIST };
    from.into().fetch(statement, &[]).await?.into_iter().map(read).collect()
}

/// Writes down what is known of an address.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn save(tx: &mut Tx, code: &str, fate: &AddressFate) -> Result<(), StoreError> {
    let [bounced_on, away_until] = [fate.bounced_on, fate.away_until].map(|day| day.map(|day| day.to_string()));
    let binds = binds![
        code,
        i64::from(fate.score),
        bounced_on.as_deref(),
        &fate.status,
        fate.stopped_at,
        away_until.as_deref(),
    ];
    tx.later(&SAVE, binds, Expect::Any).await
}

/// Forgets what is known of an address: it is good. Letters to participants who have it are planned anew.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget(tx: &mut Tx, code: &str, address: &str) -> Result<(), StoreError> {
    tx.later(&FORGET, binds![code], Expect::Any).await?;
    tx.later(&TOUCH, binds![address], Expect::Any).await
}
