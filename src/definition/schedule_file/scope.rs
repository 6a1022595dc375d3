//! What the condition of a schedule's rule may name, and which of it would tell an arm.

use std::collections::{BTreeMap, BTreeSet};

use super::Around;
use crate::definition::events_file::earlier_name;
use crate::definition::instrument_file::InstrumentFile;
use crate::definition::rules;
use crate::domain::expression::{TODAY, Type};
use crate::domain::instrument::{Item, ItemKind};
use crate::domain::schedule::{Anchor, Rule, TargetKind};
use crate::domain::study::{ARM, Blinding, FIRST, arm_name};

/// Names, their types, and items to try the condition with; every one of them may be blank.
#[derive(Default)]
pub(super) struct Known {
    pub types: BTreeMap<String, Type>,
    pub items: Vec<Item>,
}

impl Known {
    fn add(&mut self, item: &Item, id: String, kind: Type) {
        self.types.insert(id.clone(), kind);
        self.items.retain(|other| other.id != id);
        self.items.push(Item { id, required: false, when: None, ..item.clone() });
    }
}

/// What the rule's condition may name. Of a participant: the answers of the last response, the registration of whoever enrolled themself.
/// Of a subject: its registration, and answers of events as `week_4_weight`. Nothing of what is told in blinded studies by the arm.
pub(super) fn of(rule: &Rule, around: &Around<'_>) -> Known {
    let mut known = Known { types: BTreeMap::from([(TODAY.to_string(), Type::Date)]), items: Vec::new() };
    let names_no_one = around.study.survey.as_ref().is_some_and(|survey| !survey.value.privacy.names());
    match rule.target() {
        TargetKind::Participant if !names_no_one => {
            for read in around.registration.filter(|_| around.study.enrolls()).into_iter().chain(around.asked()) {
                add_all(&mut known, read, around, &|id| id.to_string());
            }
        }
        TargetKind::Subject => {
            if let Some(read) = around.registration {
                add_all(&mut known, read, around, &|id| id.to_string());
            }
            for event in around.events {
                for read in event.instruments.iter().filter_map(|id| around.find(id)) {
                    add_all(&mut known, read, around, &|id| earlier_name(&event.id, id));
                }
            }
        }
        _ => {}
    }
    known
}

fn add_all(known: &mut Known, read: &InstrumentFile, around: &Around<'_>, name: &dyn Fn(&str) -> String) {
    let telling = telling(read, around);
    let types = around.types.get(&read.instrument.id);
    for item in &read.instrument.items {
        let nameable = !matches!(item.kind, ItemKind::Heading | ItemKind::File(_)) && !item.id.is_empty();
        if nameable && !telling.contains(&item.id) {
            let kind = types.and_then(|types| types.get(&item.id).cloned());
            let kind = kind.unwrap_or_else(|| rules::type_of(&item.kind, around.study));
            known.add(item, name(&item.id), kind);
        }
    }
}

/// Items of a blinded study that are asked, or answered, by the arm.
fn telling(read: &InstrumentFile, around: &Around<'_>) -> BTreeSet<String> {
    match around.study.blinding {
        Blinding::Open => BTreeSet::new(),
        Blinding::Blinded => read.instrument.telling(ARM),
    }
}

/// The names of the condition that would tell the arm in a blinded study.
pub(super) fn arm_names(rule: &Rule, around: &Around<'_>) -> Vec<String> {
    let Some(when) = rule.when.as_ref().filter(|_| around.study.blinding == Blinding::Blinded) else {
        return Vec::new();
    };
    let given = around.study.randomizations.iter().map(|further| further.value.id.as_str()).chain([FIRST]);
    let mut telling: BTreeSet<String> = given.map(arm_name).chain([ARM.to_string()]).collect();
    if rule.target() == TargetKind::Participant {
        telling.extend(around.asked().map(|read| read.instrument.telling(ARM)).unwrap_or_default());
    }
    when.names().filter(|name| telling.contains(*name)).map(str::to_string).collect()
}

/// Whether when the letter comes would tell the arm.
pub(super) fn anchor_tells(anchor: &Anchor, around: &Around<'_>) -> bool {
    let Anchor::Item { instrument, item } = anchor else { return false };
    around.find(instrument).is_some_and(|read| telling(read, around).contains(item))
}
