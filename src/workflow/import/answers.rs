//! What a history tells of the forms beside levels: answers to their items, and those that the caps of cohorts need.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::{Line, Misfit};
use crate::domain::allocation::SITE;
use crate::domain::answer;
use crate::domain::instrument::{Instrument, ItemKind};
use crate::domain::level;
use crate::domain::study::Study;
use crate::domain::text;
use crate::limits;

/// Whether a column of a history can hold answers to an item of that form.
pub fn is_answer(form: &Instrument, id: &str) -> bool {
    form.find(id).is_some_and(|item| item.kind.asks() && !matches!(item.kind, ItemKind::File(_)))
}

/// The answers of a line as a mail's would be kept; what is wrong with them.
pub(super) fn read(
    study: &Study,
    form: &Instrument,
    line: &Line,
    today: NaiveDate,
    wrong: &mut Vec<String>,
) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    for (id, typed) in &line.answers {
        let Some(item) = form.find(id) else { continue };
        match answer::read_one(study, item, typed, today) {
            Ok(value) => drop(answers.insert(id.clone(), value.canonical())),
            Err(fault) => {
                let shown = text::clean(typed, limits::NAME_CHARS);
                let expected = if fault.expected.is_empty() { String::new() } else { format!(": {}", fault.expected) };
                wrong.push(format!(
                    "\"{shown}\" in the column \"{id}\" is no answer to that item ({}{expected})",
                    fault.code.key()
                ));
            }
        }
    }
    answers
}

/// The items by which cohorts count and of which a history tells nothing: with none of its subjects in them, their caps would be passed.
pub(super) fn lacking(study: &Study, lines: &[Line]) -> Vec<Misfit> {
    let form = study.registration_instrument();
    let registration = &study.registration;
    let told = |id: &str| {
        let named = id == SITE || registration.site_item.as_deref() == Some(id) || registration.subject_item == id;
        named || lines.iter().any(|line| line.answers.contains_key(id) || line.row.levels.contains_key(id))
    };
    let mut misfits = Vec::new();
    for cohort in &study.cohorts {
        let wanted = cohort.when.names().flat_map(|name| level::wanting(&[form], name, &told));
        let items: BTreeSet<String> = wanted.filter(|id| is_answer(form, id) && !told(id)).collect();
        misfits.extend(items.into_iter().map(|id| Misfit {
            line: 1,
            wrong: format!(
                "the cap of the cohort \"{}\" counts by `{id}`, of which the file tells nothing: add a column \"{id}\"",
                cohort.id
            ),
        }));
    }
    misfits
}
