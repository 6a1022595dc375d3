//! A letter that waited in the outbox is looked at once more before it leaves: whoever answered meanwhile is not reminded, however long
//! a mail server was away.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ledger::Ledger;
use super::super::shelf::Shelf;
use super::super::{Failure, Means, apart};
use super::{people, plan};
use crate::store::planned_letter::{self, Fate, SettledLetter};
use crate::store::{outbox, participant};

/// What was found of letters that waited, by Message-ID.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// They were taken out: their reason to be sent is over.
    pub ended: BTreeSet<String>,
    /// It cannot be told now, so they wait.
    pub undecided: BTreeSet<String>,
    /// Those that a rule wrote.
    pub of_rules: BTreeSet<String>,
}

/// Takes those letters out of the outbox whose reason to be sent is over; others than letters of schedules are none of its business. A
/// study that cannot be looked into (its key is missing, somebody else holds it) keeps no other's letters.
///
/// # Errors
/// The database.
pub async fn drop_stopped(shelf: &Shelf, means: Means<'_>, waited: &[(i64, &str)]) -> Result<Looked, Failure> {
    let ids: BTreeMap<&str, i64> = waited.iter().map(|(id, message_id)| (*message_id, *id)).collect();
    let messages: Vec<&str> = ids.keys().copied().collect();
    let mut tx = shelf.store().begin().await?;
    let found = planned_letter::list_of_messages(&mut tx, &messages).await?;
    drop(tx);
    let mut looked = Looked::default();
    looked.of_rules.extend(found.iter().filter_map(|one| one.message_id.clone()));
    let mut by_study: BTreeMap<i64, Vec<SettledLetter>> = BTreeMap::new();
    for one in found.into_iter().filter(|one| one.fate == Fate::Written) {
        by_study.entry(one.study_id).or_default().push(one);
    }
    for (study_id, letters) in by_study {
        match apart(|| of_study(shelf, means, (study_id, &letters), &ids)).await {
            Ok(ended) => looked.ended.extend(ended),
            Err(error) => {
                tracing::warn!(study = study_id, %error, "whether letters of a schedule are still wanted cannot be told; they wait");
                looked.undecided.extend(letters.into_iter().filter_map(|one| one.message_id));
            }
        }
    }
    Ok(looked)
}

async fn of_study(
    shelf: &Shelf,
    means: Means<'_>,
    (study_id, letters): (i64, &[SettledLetter]),
    ids: &BTreeMap<&str, i64>,
) -> Result<BTreeSet<String>, Failure> {
    let shelved = shelf.find_by_id(study_id).await?;
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(&shelved).await?;
    let row = page.row.clone();
    let blank = super::blank();
    let schedule = shelved.study.schedule.as_ref().unwrap_or(&blank);
    let office = plan::office(tx, shelf.store(), (&shelved, schedule), row, means).await?;
    let numbers: Vec<i64> = letters.iter().filter_map(|one| one.target.number()).collect();
    let rows = participant::list_of_ids(tx, study_id, &numbers).await?;
    let people = people::participants(tx, &office, rows).await?;
    let mut ended = BTreeSet::new();
    for one in letters {
        let Some(message_id) = &one.message_id else { continue };
        let somebody = people.iter().find(|somebody| somebody.target == one.target);
        let why = match (schedule.find(&one.rule), somebody) {
            (Some(rule), Some(somebody)) => somebody.is_stopped(&office, rule),
            (None, _) => Some(plan::GONE.to_string()),
            (_, None) => None,
        };
        let (Some(why), Some(id)) = (why, ids.get(message_id.as_str())) else { continue };
        if outbox::drop(tx, *id).await? {
            planned_letter::record_dropped(tx, message_id, means.now, &why).await?;
            ended.insert(message_id.clone());
        }
    }
    ledger.commit().await?;
    Ok(ended)
}
