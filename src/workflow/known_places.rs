//! Places of imported lists that are known already: those that an epoch before gave, and those that a rehearsal showed. No list begins
//! with them, or the next arms would be certain.

use std::collections::BTreeMap;

use super::Failure;
use super::amendment::Schemes;
use super::life::{LifeError, Refusal};
use super::proof::row_of;
use super::shelf::definition_of;
use crate::domain::allocation::{ArmList, Method, Origin, Row, Scheme, UsedPlaces};
use crate::domain::study::{Rules, Stage, Study};
use crate::limits;
use crate::store::allocation::AllocationRow;
use crate::store::rehearsed_list::{self, UsedRow};
use crate::store::study::StudyRow;
use crate::store::{Tx, allocation, bundle};

/// The places of lists that one of a study's allocations took, in every epoch; `shows` tells of which origins they count as known.
fn used(
    schemes: &Schemes,
    id: &str,
    journal: &[AllocationRow],
    shows: fn(Origin) -> bool,
) -> Result<Vec<UsedPlaces>, Failure> {
    let turns = schemes.turns(journal);
    let mut epochs: BTreeMap<u32, (&Scheme, Vec<Row>)> = BTreeMap::new();
    for row in journal.iter().filter(|row| row.randomization == id) {
        let row = row_of(row)?;
        let turn = turns.iter().rev().find(|turn| turn.from <= row.number);
        let scheme = turn.map_or(schemes.first(), |turn| turn.scheme);
        // Within an epoch a list only grows.
        let own = epochs.entry(scheme.epoch()).or_insert_with(|| (scheme, Vec::new()));
        own.0 = scheme;
        own.1.push(row);
    }
    let mut known = Vec::new();
    for (scheme, rows) in epochs.values() {
        if let Some(list) = list_of(scheme) {
            known
                .extend(list.used(rows.iter().map(|row| (&row.levels, row.allotment.arm.as_str(), shows(row.origin)))));
        }
    }
    Ok(known)
}

fn list_of(scheme: &Scheme) -> Option<&ArmList> {
    match scheme.method() {
        Method::List(list) => Some(list.as_ref()),
        _ => None,
    }
}

/// The places in words, such as `the first 3 places of sex=F are`.
fn in_words(list: &ArmList, used: &UsedPlaces) -> String {
    let named = list.strata().iter().zip(&used.levels).map(|(id, level)| format!("{id}={level}"));
    let stratum = named.collect::<Vec<String>>().join(",");
    let of = if stratum.is_empty() { String::new() } else { format!(" of {stratum}") };
    match used.places {
        1 => format!("the first place{of} is"),
        places => format!("the first {places} places{of} are"),
    }
}

/// That no epoch begins in production with a list whose first places an epoch before has given.
///
/// # Errors
/// A [`Refusal`], a line for each such stratum; the database.
pub(super) async fn check_epoch(tx: &mut Tx, row: &StudyRow, old: &Study, new: &Study) -> Result<(), LifeError> {
    let begins = |now: &Rules<'_>| {
        let before = old.find_rules(now.id);
        list_of(now.scheme).is_some() && before.is_some_and(|before| before.scheme.epoch() < now.scheme.epoch())
    };
    if row.stage != Stage::Production || row.allocations == 0 || !new.allocations().any(|now| begins(&now)) {
        return Ok(());
    }
    let schemes = Schemes::load(&mut *tx, row, old).await?;
    let journal = allocation::journal(&mut *tx, row.id, 0).await?;
    let mut lines = Vec::new();
    for now in new.allocations().filter(begins) {
        let Some(list) = list_of(now.scheme) else { continue };
        let known = used(schemes.of(now.id)?, now.id, &journal, |_| true)?;
        lines.extend(known.iter().filter(|used| list.begins_as(used)).map(|used| {
            format!(
                "{}: a higher `epoch` begins the list anew, and {} known, for an epoch before gave their arms: take them off the list, so that it \
                 begins with the next place",
                list.file(),
                in_words(list, used)
            )
        }));
    }
    lines.truncate(limits::PROBLEMS);
    if lines.is_empty() { Ok(()) } else { Err(Refusal::Scheme(lines).into()) }
}

/// Remembers which places of lists a locked rehearsal showed, for production and beyond a purge. What was imported was known elsewhere.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn remember(tx: &mut Tx, rehearsal: &StudyRow) -> Result<(), LifeError> {
    if rehearsal.allocations == 0 {
        return Ok(());
    }
    let stored = bundle::load(&mut *tx, rehearsal.id, rehearsal.bundle_version).await?;
    let study = definition_of(rehearsal, &stored.digest, &stored.files)?;
    let schemes = Schemes::load(&mut *tx, rehearsal, &study).await?;
    let journal = allocation::journal(&mut *tx, rehearsal.id, 0).await?;
    let count = |places: usize| i64::try_from(places).unwrap_or(i64::MAX);
    for rules in study.allocations() {
        for known in used(schemes.of(rules.id)?, rules.id, &journal, |origin| origin != Origin::Imported)? {
            let row = UsedRow {
                randomization: rules.id.to_string(),
                stratum: serde_json::to_string(&known.levels).expect("a list of texts is JSON"),
                places: count(known.places),
                compared: count(known.compared),
                digest: known.digest,
            };
            rehearsed_list::keep(tx, &rehearsal.slug, &row).await?;
        }
    }
    Ok(())
}

/// The list with which an allocation begins in a version; none where the places of the version before go on.
fn beginning<'a>(old: Option<&Study>, now: Rules<'a>) -> Option<&'a ArmList> {
    let list = list_of(now.scheme)?;
    let before = old.and_then(|old| old.find_rules(now.id));
    let same_epoch = before.filter(|before| before.scheme.epoch() == now.scheme.epoch());
    let goes_on = same_epoch.and_then(|before| list_of(before.scheme)).is_some_and(|known| list.continues(known));
    (!goes_on).then_some(list)
}

/// That no list that begins in production begins with places that the study's rehearsals showed; `old` is the version in force, if any.
///
/// # Errors
/// A [`Refusal`], a line for each such stratum; the database.
pub(super) async fn check_rehearsed(tx: &mut Tx, old: Option<&Study>, new: &Study) -> Result<(), LifeError> {
    if new.allocations().all(|rules| beginning(old, rules).is_none()) {
        return Ok(());
    }
    let mut lines: BTreeMap<(String, String), String> = BTreeMap::new();
    for row in rehearsed_list::list(&mut *tx, &new.slug).await? {
        let Some(list) = new.find_rules(&row.randomization).and_then(|rules| beginning(old, rules)) else {
            continue;
        };
        let broken = |what: &str| Failure::Contradiction(format!("a list that was rehearsed: {what}"));
        let levels = serde_json::from_str(&row.stratum).map_err(|_| broken("its stratum"))?;
        let count = |number: i64| usize::try_from(number).map_err(|_| broken("its places"));
        let (places, compared) = (count(row.places)?, count(row.compared)?);
        let used = UsedPlaces { levels, places, compared, digest: row.digest };
        if compared >= limits::LIST_REHEARSED && list.begins_as(&used) {
            // The most places of a stratum come first.
            lines.entry((row.randomization, row.stratum)).or_insert_with(|| {
                format!(
                    "{}: {} known, for a rehearsal showed their arms: have another list made, and rehearse with a made-up one",
                    list.file(),
                    in_words(list, &used)
                )
            });
        }
    }
    let mut lines: Vec<String> = lines.into_values().collect();
    lines.truncate(limits::PROBLEMS);
    if lines.is_empty() { Ok(()) } else { Err(Refusal::Scheme(lines).into()) }
}
