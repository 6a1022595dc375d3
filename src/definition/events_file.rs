//! `[[events]]` of `study.toml`: the planned moments of a subject's course, with their forms, days and checks.

use std::collections::{BTreeMap, BTreeSet};

use super::bundle::STUDY;
use super::document::{Report, Section, quoted};
use super::instrument_file::InstrumentFile;
use super::rules::{self, Place};
use super::study_file::{Codes, Located, StudyFile, compile, did_you_mean};
use crate::domain::event::{Anchor, Event, Timing};
use crate::domain::expression::{Expression, Type};
use crate::domain::instrument::{Check, Item, ItemKind};
use crate::domain::language::Language;
use crate::limits;

/// A section `[[events]]` that has not been checked against other files yet.
#[derive(Clone, Debug)]
pub(super) struct ReadEvent {
    pub event: Event,
    /// Line of `when`.
    pub when_line: usize,
    /// Where each check stands.
    pub checks: Vec<CheckPlace>,
}

/// Items that a check names to be looked at again, with its line and key.
type CheckPlace = (Vec<String>, usize, String);

/// Reads the sections; `further` are the ids of further randomizations.
pub(super) fn read(root: &Section, languages: &[Language], further: &[String]) -> Vec<Located<ReadEvent>> {
    let mut ids = Codes::default();
    let mut all: Vec<Located<ReadEvent>> = Vec::new();
    for section in root.sections("events") {
        let id = section.need_name("id", "week_4", '_');
        ids.add_key(&section, "id", &id);
        let name = section.need_wording("name", languages);
        let instruments = section.texts("instruments", "visit");
        if instruments.is_empty() {
            section.wrong("instruments", "names no form", "write instruments = [\"visit\"], files of instruments/");
        }
        let mut seen = BTreeSet::new();
        for twice in instruments.iter().filter(|id| !seen.insert(id.as_str())) {
            section.wrong("instruments", format!("\"{twice}\" stands in it twice"), "name each form once");
        }
        let earlier: Vec<&str> = all.iter().map(|one| one.value.event.id.as_str()).collect();
        let timing = read_timing(&section, &earlier, further);
        let repeats = section.flag("repeats").unwrap_or(false);
        if repeats && timing.is_some() {
            section.wrong(
                "repeats",
                "has a planned day, so it takes place once",
                "remove day, or write an event for each of its days",
            );
        }
        let day_item = section.text("day_item", "visit_date");
        let when = section.text("when", "sex == 'F'").and_then(|written| compile(&section, "when", &written));
        let (checks, places) = read_checks(&section, languages);
        let value = ReadEvent {
            when_line: section.line_of("when"),
            checks: places,
            event: Event { id, name, instruments, timing, repeats, day_item, when, checks },
        };
        all.push(Located { value, line: section.line, key: section.key("") });
        section.close();
    }
    if all.len() > limits::EVENTS {
        root.wrong("events", format!("there are more than {}", limits::EVENTS), "");
    }
    all
}

/// `day`, `after`, `early`, `late`.
fn read_timing(section: &Section, earlier: &[&str], further: &[String]) -> Option<Timing> {
    let number = |key: &'static str| -> Option<u32> {
        let number = section.whole_number(key)?;
        let sound = u32::try_from(number).ok().filter(|days| *days <= limits::EVENT_DAYS);
        if sound.is_none() {
            let right = format!("write a number of days from 0 to {}", limits::EVENT_DAYS);
            section.wrong(key, format!("{number} is too small or too large"), right);
        }
        sound
    };
    let days = number("day");
    let (early, late) = (number("early"), number("late"));
    let after = section.text("after", "enrolled");
    if days.is_none() && !section.has("day") {
        for key in ["after", "early", "late"].into_iter().filter(|key| section.has(key)) {
            section.wrong(key, "the event has no planned day", "write day = 28, the days from there to it");
        }
    }
    let anchor = match after.as_deref() {
        None | Some("enrolled") => Anchor::Enrolled,
        Some(id) if further.iter().any(|own| own == id) => Anchor::Randomized(id.to_string()),
        Some(id) if earlier.contains(&id) => Anchor::Event(id.to_string()),
        Some(id) => {
            let known =
                ["enrolled"].into_iter().chain(further.iter().map(String::as_str)).chain(earlier.iter().copied());
            let known: Vec<&str> = known.collect();
            let right = match did_you_mean(id, &known) {
                right if right.is_empty() => "write \"enrolled\", or the id of an event above".to_string(),
                right => right,
            };
            section.wrong("after", format!("\"{id}\" is nothing to count from"), right);
            Anchor::Enrolled
        }
    };
    Some(Timing { after: anchor, days: days?, early: early.unwrap_or(0), late: late.unwrap_or(0) })
}

/// `[[events.checks]]`, as far as this file tells.
fn read_checks(section: &Section, languages: &[Language]) -> (Vec<Check>, Vec<CheckPlace>) {
    let mut ids = BTreeSet::new();
    let (mut checks, mut places) = (Vec::new(), Vec::new());
    for own in section.sections("checks") {
        let id = own.need_name("id", "weight", '_');
        if !id.is_empty() && !ids.insert(id.clone()) {
            own.wrong("id", format!("\"{id}\" is taken already"), "give each check its own id");
        }
        let written = own.need_text("rule", "!answered(week_4_weight) || weight < week_4_weight * 2");
        let rule = compile(&own, "rule", &written);
        let message = own.need_wording("message", languages);
        let items = own.texts("items", "weight");
        let hard = !own.flag("soft").unwrap_or(false);
        if let Some(rule) = rule {
            checks.push(Check { id, rule, hard, message, items: items.clone() });
            places.push((items, own.line_of("rule"), own.key("rule")));
        }
        own.close();
    }
    if checks.len() > limits::CHECKS {
        section.wrong("checks", format!("there are more than {} checks", limits::CHECKS), "");
    }
    (checks, places)
}

/// Name of an earlier event's answer in the checks of a later one: `week_4_weight`.
pub(super) fn earlier_name(event: &str, item: &str) -> String {
    format!("{event}_{item}")
}

/// Checks the events against the other files of the bundle; gives those that can be used.
pub(super) fn build(
    study: &StudyFile,
    instruments: &[InstrumentFile],
    registration: Option<&InstrumentFile>,
    all_types: &BTreeMap<String, BTreeMap<String, Type>>,
    report: &Report,
) -> Vec<Event> {
    if let (Some(first), false) = (study.events.first(), study.registers) {
        let wrong = "the study registers nobody whose course this could be";
        report.at(
            STUDY,
            Some(first.line),
            first.key.clone(),
            wrong,
            "write a section [registration], or remove events",
        );
        return Vec::new();
    }
    let mut built: Vec<Event> = Vec::new();
    for read in &study.events {
        let around = Around { study, instruments, registration, all_types, report, earlier: &built };
        let event = around.check(read);
        built.push(event);
    }
    built
}

/// What stands around an event.
struct Around<'a> {
    study: &'a StudyFile,
    instruments: &'a [InstrumentFile],
    registration: Option<&'a InstrumentFile>,
    all_types: &'a BTreeMap<String, BTreeMap<String, Type>>,
    report: &'a Report,
    earlier: &'a [Event],
}

impl<'a> Around<'a> {
    fn check(&self, read: &Located<ReadEvent>) -> Event {
        let ReadEvent { event, when_line, checks } = &read.value;
        let wrong = |key: &str, wrong: String, right: String| {
            self.report.at(STUDY, Some(read.line), format!("{}.{key}", read.key), wrong, right);
        };
        let known: Vec<&str> = self.instruments.iter().map(|one| one.instrument.id.as_str()).collect();
        let mut forms = Vec::new();
        for id in &event.instruments {
            let Some(form) = self.instruments.iter().find(|one| one.instrument.id == *id) else {
                wrong("instruments", format!("there is no file instruments/{id}.toml"), did_you_mean(id, &known));
                continue;
            };
            if *id == self.study.registration.value.instrument {
                let right = "write a form of its own; what was registered is corrected, not asked again".to_string();
                wrong("instruments", format!("\"{id}\" is the form of the registration"), right);
            }
            if self.study.survey.as_ref().is_some_and(|survey| survey.value.instrument == *id) {
                let right = "write a form of its own for what the staff fill in".to_string();
                wrong("instruments", format!("\"{id}\" is what the survey asks participants"), right);
            }
            super::agreement::check_files(form, self.report);
            forms.push(form);
        }
        // Of a form that is not there nothing more can be said.
        if let Some(day_item) = event.day_item.as_ref().filter(|_| !forms.is_empty()) {
            self.check_day_item(day_item, &forms, &wrong);
        }
        if let (Some(when), Some(registration)) = (&event.when, self.registration)
            && let Some(types) = self.all_types.get(&registration.instrument.id)
        {
            let place = Place { file: STUDY, line: *when_line, key: format!("{}.when", read.key) };
            rules::check_cohort(when, &place, registration, types, self.report);
        }
        let mut event = event.clone();
        for (check, (items, line, key)) in event.checks.iter_mut().zip(checks) {
            let place = Place { file: STUDY, line: *line, key: key.clone() };
            check.items = self.check_rule(&check.rule, items, &forms, &place);
        }
        event
    }

    fn check_day_item(&self, id: &str, forms: &[&InstrumentFile], wrong: &dyn Fn(&str, String, String)) {
        let found = forms.iter().find_map(|form| form.instrument.find(id));
        match found {
            None => {
                let known: Vec<&str> =
                    forms.iter().flat_map(|form| form.instrument.items.iter().map(|item| item.id.as_str())).collect();
                wrong("day_item", format!("no form of the event has an item \"{id}\""), did_you_mean(id, &known));
            }
            Some(item) if !matches!(item.kind, ItemKind::Date | ItemKind::DateTime) => {
                wrong("day_item", format!("`{id}` is no date"), "name an item of kind \"date\"".to_string());
            }
            Some(_) => {}
        }
    }

    /// Checks a rule between events; gives the items of the one form to be looked at again.
    fn check_rule(
        &self,
        rule: &Expression,
        named: &[String],
        forms: &[&'a InstrumentFile],
        place: &Place<'_>,
    ) -> Vec<String> {
        let told = |wrong: String, right: String| {
            self.report.at(place.file, Some(place.line), place.key.clone(), wrong, right);
        };
        let names: Vec<&str> = rule.names().collect();
        let own = |form: &InstrumentFile| -> Vec<String> {
            let asking = form.instrument.items.iter().filter(|item| item.kind.asks());
            let concerned = |id: &str| match named.is_empty() {
                true => names.contains(&id),
                false => named.iter().any(|name| name == id),
            };
            asking.filter(|item| concerned(&item.id)).map(|item| item.id.clone()).collect()
        };
        let Some((form, items)) = forms.iter().map(|form| (*form, own(form))).find(|(_, items)| !items.is_empty())
        else {
            let right = "name an item of one of its forms; answers of earlier events stand as event_item".to_string();
            told("looks at no item that a form of this event asks".to_string(), right);
            return Vec::new();
        };
        let unknown = named.iter().map(String::as_str).filter(|name| form.instrument.find(name).is_none());
        let unknown: Vec<&str> = unknown.collect();
        if !unknown.is_empty() {
            let right = "list items of one form: that is where the fault is shown".to_string();
            told(format!("{} of items is none of {}", quoted(&unknown), form.file), right);
        }
        let (types, asked) = self.scope(form);
        rules::check_further(rule, place, &types, &asked.iter().collect::<Vec<&Item>>(), self.report);
        items
    }

    /// What a rule of a form may name: its items, those of the registration, and those of earlier events.
    fn scope(&self, form: &InstrumentFile) -> (BTreeMap<String, Type>, Vec<Item>) {
        let mut types: BTreeMap<String, Type> = BTreeMap::new();
        let mut asked: Vec<Item> = Vec::new();
        let optional = |item: &Item, id: String| Item { id, required: false, when: None, ..item.clone() };
        let blank = BTreeMap::new();
        let types_of = |id: &str| self.all_types.get(id).unwrap_or(&blank);
        for event in self.earlier {
            for other in
                event.instruments.iter().filter_map(|id| self.instruments.iter().find(|one| one.instrument.id == *id))
            {
                for item in &other.instrument.items {
                    let id = earlier_name(&event.id, &item.id);
                    if let Some(known) = types_of(&other.instrument.id).get(&item.id) {
                        types.insert(id.clone(), known.clone());
                        asked.push(optional(item, id));
                    }
                }
            }
        }
        for read in self.registration.into_iter().chain([form]) {
            for (id, known) in types_of(&read.instrument.id) {
                types.insert(id.clone(), known.clone());
            }
            for item in &read.instrument.items {
                asked.retain(|other| other.id != item.id);
                asked.push(item.clone());
            }
        }
        (types, asked)
    }
}
