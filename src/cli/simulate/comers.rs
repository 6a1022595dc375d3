//! Who comes to a further allocation, and who is of a cohort: the rule, tried on every combination of the levels that decide.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::population::Subjects;
use crate::domain::allocation::SITE;
use crate::domain::answer::Value;
use crate::domain::expression::{Expression, Scope};
use crate::domain::instrument::ItemKind;
use crate::domain::simulation::{CappedCohort, Characteristic, Comers, Population, Source};
use crate::domain::study::{Randomization, Study};
use crate::limits;

/// Who comes, and the names in the condition that nothing tells: the parts that name them are taken as met.
pub(super) struct Told {
    pub(super) comers: Comers,
    pub(super) unknown: BTreeSet<String>,
}

/// Who comes to an allocation of a study.
///
/// # Errors
/// Why it cannot be told, for a person.
pub(super) fn of(
    study: &Study,
    own: &Randomization,
    subjects: &Subjects<'_>,
    population: &Population,
) -> Result<Told, String> {
    let rule = own.condition.as_ref().map(|condition| &condition.rule);
    let decides =
        |one: &Characteristic| one.id == own.id || rule.is_some_and(|rule| rule.names().any(|name| name == one.id));
    let all = population.characteristics();
    let places: Vec<usize> = (0..all.len()).filter(|at| all.get(*at).is_some_and(decides)).collect();
    let deciding: Vec<&Characteristic> = places.iter().filter_map(|at| all.get(*at)).collect();
    let known = |name: &str| deciding.iter().any(|one| one.id == name);
    let unknown = rule.map(|rule| rule.unknown_names(&known)).unwrap_or_default();
    let sizes: Vec<usize> =
        deciding.iter().map(|one| one.levels.len() + usize::from(one.source == Source::Earlier)).collect();
    let count = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
    let share = format!("say with --population \"{}=yes:SHARE,no:SHARE\" how many come", own.id);
    let Some(count) = count.filter(|count| *count <= limits::SIMULATED_COMBINATIONS) else {
        return Err(format!("{}: its condition names too many levels at once; {share}", subjects.name));
    };
    let mut who = BTreeSet::new();
    for number in 0..count {
        let combination = nth(number, &sizes);
        let comes = comes(study, own, rule, &deciding, &combination);
        if comes.map_err(|wrong| format!("{}: its condition cannot be told of {wrong}; {share}", subjects.name))? {
            who.insert(combination);
        }
    }
    Ok(Told { comers: Comers { characteristics: places, who }, unknown })
}

/// The cohorts of a study whose subjects can be told, and those of which something is named that nothing tells: a cap of these cannot
/// be kept.
pub(super) fn cohorts(
    study: &Study,
    subjects: &Subjects<'_>,
    population: &Population,
) -> (Vec<CappedCohort>, Vec<(String, Vec<String>)>) {
    let all = population.characteristics();
    let (mut told, mut untold) = (Vec::new(), Vec::new());
    // The site is drawn under one name only.
    let site_item = study.registration.site_item.as_deref();
    let is_site = |name: &str| name == SITE || site_item == Some(name);
    for cohort in subjects.cohorts {
        let names: BTreeSet<&str> = cohort.when.names().collect();
        let find = |name: &&str| population.find(name).or_else(|| population.find(SITE).filter(|_| is_site(name)));
        let missing: Vec<String> =
            names.iter().filter(|name| find(name).is_none()).map(|name| (*name).to_string()).collect();
        let places: Vec<(&str, usize)> = names.iter().filter_map(|name| Some((*name, find(name)?))).collect();
        let deciding: Vec<(&str, &Characteristic)> =
            places.iter().filter_map(|(name, at)| Some((*name, all.get(*at)?))).collect();
        let sizes: Vec<usize> = deciding.iter().map(|(_, one)| one.levels.len()).collect();
        let count = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
        let count = count.filter(|count| missing.is_empty() && *count <= limits::SIMULATED_COMBINATIONS);
        let members = count.and_then(|count| {
            let mut who = BTreeSet::new();
            for combination in (0..count).map(|number| nth(number, &sizes)) {
                let mut scope = Scope::blank(names.iter().copied(), NaiveDate::default());
                for ((name, one), place) in deciding.iter().zip(&combination) {
                    let level = one.levels.get(*place as usize)?;
                    scope.set(name, &value(study.find_item(name).map(|item| &item.kind), level)?);
                }
                if cohort.when.holds(&scope).ok()? {
                    who.insert(combination);
                }
            }
            Some(Comers { characteristics: places.iter().map(|(_, at)| *at).collect(), who })
        });
        match members {
            Some(members) => told.push(CappedCohort { cap: cohort.cap, members }),
            None if missing.is_empty() => {
                untold.push((cohort.id.clone(), names.into_iter().map(str::to_string).collect()));
            }
            None => untold.push((cohort.id.clone(), missing)),
        }
    }
    (told, untold)
}

/// The combination of that number: a place below each size.
fn nth(mut number: usize, sizes: &[usize]) -> Vec<u32> {
    let place = |size: &usize| {
        let place = u32::try_from(number % size.max(&1)).unwrap_or(0);
        number /= size.max(&1);
        place
    };
    sizes.iter().map(place).collect()
}

fn comes(
    study: &Study,
    own: &Randomization,
    rule: Option<&Expression>,
    deciding: &[&Characteristic],
    places: &[u32],
) -> Result<bool, String> {
    // No part that names the day of reading is judged.
    let names = rule.iter().flat_map(|rule| rule.names());
    let mut scope = Scope::blank(names, NaiveDate::default());
    for (one, place) in deciding.iter().zip(places) {
        let Some(level) = one.levels.get(*place as usize) else { continue };
        if one.id == own.id {
            if level != "yes" {
                return Ok(false);
            }
            continue;
        }
        let kind = study.find_item(&one.id).map(|item| &item.kind);
        let value = value(kind, level).ok_or_else(|| format!("{}={level}, which is no answer to it", one.id))?;
        scope.set(&one.id, &value);
    }
    let Some(rule) = rule else { return Ok(true) };
    let known = |name: &str| deciding.iter().any(|one| one.id == name);
    rule.holds_as_far_as(&scope, &known).map_err(|error| {
        let levels =
            deciding.iter().zip(places).filter_map(|(one, place)| Some((&one.id, one.levels.get(*place as usize)?)));
        let levels: Vec<String> = levels.map(|(id, level)| format!("{id}={level}")).collect();
        format!("{} ({error})", levels.join(", "))
    })
}

/// What a level is in a condition; the arms given before are choices, and what a calculation gives is taken as a text.
fn value(kind: Option<&ItemKind>, level: &str) -> Option<Value> {
    Some(match kind {
        Some(ItemKind::YesNo) => Value::YesNo(level == "yes"),
        Some(ItemKind::Integer | ItemKind::Scale { .. }) => Value::Integer(level.parse().ok()?),
        Some(ItemKind::Decimal { .. }) => {
            crate::domain::number::parse(level).ok()?;
            Value::Decimal(level.to_string())
        }
        Some(ItemKind::Date) => Value::Date(level.parse().ok()?),
        Some(ItemKind::Choices(_)) => Value::Choices(vec![level.to_string()]),
        Some(ItemKind::Choice(_)) | None => Value::Choice(level.to_string()),
        Some(_) => Value::Text(level.to_string()),
    })
}
