//! Facts about subjects held against the audit chain, one by one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Failure;
use super::told::{Discrepancy, What};
use crate::domain::allocation::Levels;
use crate::store::audit::Unlinked;
use crate::store::fact::FactRow;
use crate::store::study::StudyRow;
use crate::store::{Store, subject};

/// A fact as its entry tells it.
#[derive(Deserialize)]
struct Told {
    fact: i64,
    subject: i64,
    kind: String,
    person: String,
    reason: String,
    changes: BTreeMap<String, Value>,
    levels: Option<Levels>,
    #[serde(default)]
    further: BTreeMap<String, Levels>,
    randomization: Option<String>,
    of: Option<i64>,
    takes_back: Option<i64>,
    after: i64,
    inbox: Option<i64>,
}

/// The first fact that is not as its entry tells it. `known` was read before the entries: each of its rows has one, and
/// every entry that `head` knows of has its row.
pub(super) async fn first_discrepancy(
    store: &Store,
    head: &StudyRow,
    entries: &[Unlinked],
    known: &[FactRow],
) -> Result<Option<Discrepancy>, Failure> {
    let mut rows = known.iter();
    let mut last = 0;
    for entry in entries.iter().filter(|entry| entry.action == "fact") {
        let Ok(told) = serde_json::from_str::<Told>(&entry.body) else {
            return Ok(Some(Discrepancy { number: last + 1, what: What::Fact }));
        };
        let differs = Discrepancy { number: told.subject, what: What::Fact };
        if entry.seq <= head.chain.length {
            last = told.fact;
        }
        let Some(row) = rows.next() else {
            // It was recorded after the rows were read, or its row is gone.
            return Ok((entry.seq <= head.chain.length).then_some(differs));
        };
        if !same(store, entry, &told, row).await? {
            return Ok(Some(differs));
        }
    }
    if let Some(row) = rows.next() {
        let (_, number) = subject::which(store, row.subject_id).await?;
        return Ok(Some(Discrepancy { number, what: What::Fact }));
    }
    Ok((last != head.facts).then_some(Discrepancy { number: last, what: What::Counters }))
}

async fn same(store: &Store, entry: &Unlinked, told: &Told, row: &FactRow) -> Result<bool, Failure> {
    let (study_id, subject) = subject::which(store, row.subject_id).await?;
    let of = match row.of_subject_id {
        Some(of) => Some(subject::which(store, of).await?.1),
        None => None,
    };
    let levels: Option<Levels> = row.levels.as_ref().and_then(|levels| serde_json::from_str(levels).ok());
    let further: Option<BTreeMap<String, Levels>> =
        row.further.as_ref().map_or(Some(BTreeMap::new()), |further| serde_json::from_str(further).ok());
    let changes: Option<BTreeMap<String, Value>> = serde_json::from_str(&row.changes).ok();
    Ok(row.number == told.fact
        && subject == told.subject
        && study_id == row.study_id
        && row.kind.key() == told.kind
        && row.person == told.person
        && row.actor == entry.actor
        && row.reason == told.reason
        && changes.as_ref() == Some(&told.changes)
        && levels == told.levels
        && levels.is_some() == row.levels.is_some()
        && further.as_ref() == Some(&told.further)
        && row.randomization == told.randomization
        && of == told.of
        && row.takes_back == told.takes_back
        && row.after_allocation == told.after
        && row.inbox_id == told.inbox
        && row.recorded_at == entry.at
        && row.audit_digest == entry.digest)
}
