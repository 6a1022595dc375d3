//! `enrolls = true` of `[survey]`: participants enroll themselves by the form of the registration, and what they are asked afterwards
//! may follow from it and from their arm.

use std::collections::{BTreeMap, BTreeSet};

use super::allocation_file::AllocationFile;
use super::bundle::{ALLOCATION, Bundle, KITS, STUDY};
use super::document::{Report, Section};
use super::instrument_file::InstrumentFile;
use super::randomization::arms_of;
use super::rules;
use super::study_file::StudyFile;
use crate::domain::expression::Type;
use crate::domain::instrument::{Item, ItemKind, pipe};
use crate::domain::study::{ARM, Blinding, FIRST, PARTICIPANT};
use crate::domain::survey::Survey;

/// What a form may name beside its own items.
#[derive(Default)]
pub(super) struct Beside {
    pub items: Vec<Item>,
    pub types: BTreeMap<String, Type>,
}

/// What `[survey]` itself says against it.
pub(super) fn check_section(root: &Section, section: &Section, survey: &Survey) {
    if !survey.privacy.names() {
        section.wrong(
            "enrolls",
            format!(
                "the arm is kept with whoever enrolled, and which items were answered can tell it: so few could have written an \
                 answer that it would be known nearly whose it is, and the survey is \"{}\"",
                survey.privacy.key()
            ),
            "write privacy = \"named\", or remove enrolls = true",
        );
    }
    if !root.has("registration") {
        section.wrong(
            "enrolls",
            "there is no form by which somebody could enroll",
            "write a section [registration] with the instrument that is filled in first, or remove enrolls = true",
        );
    }
}

/// What the survey's form may name of those who enrolled before: the items of the registration, and the arm. Nothing for any other form.
pub(super) fn beside(
    study: &StudyFile,
    read: &InstrumentFile,
    registration: Option<&InstrumentFile>,
    types: &BTreeMap<String, BTreeMap<String, Type>>,
) -> Beside {
    let asks = study.survey.as_ref().is_some_and(|survey| survey.value.instrument == read.instrument.id);
    let Some(form) = registration.filter(|form| study.enrolls() && asks && form.instrument.id != read.instrument.id)
    else {
        return Beside::default();
    };
    let nameable = |item: &&Item| !matches!(item.kind, ItemKind::Heading | ItemKind::File(_)) && !item.id.is_empty();
    let mut items: Vec<Item> = form.instrument.items.iter().filter(nameable).cloned().collect();
    let mut known = types.get(&form.instrument.id).cloned().unwrap_or_default();
    if !study.arms.is_empty() {
        let arm = Item { id: ARM.to_string(), ..arms_of(FIRST, &study.arms, true) };
        known.insert(arm.id.clone(), rules::type_of(&arm.kind, study));
        items.push(arm);
    }
    Beside { items, types: known }
}

/// Checks the other files of a study whose participants enroll themselves.
pub(super) fn check(
    study: &StudyFile,
    instruments: &[InstrumentFile],
    registration: Option<&InstrumentFile>,
    allocation: Option<&AllocationFile>,
    bundle: &Bundle,
    report: &Report,
) {
    let Some(survey) = study.survey.as_ref().filter(|_| study.enrolls()) else { return };
    let at_survey = |key: &str, wrong: String, right: &str| {
        report.at(STUDY, Some(survey.line), format!("{}.{key}", survey.key), wrong, right);
    };
    for person in study.people.iter().filter(|person| person.value.id == PARTICIPANT) {
        report.at(
            STUDY,
            Some(person.line),
            format!("{}.id", person.key),
            format!("\"{PARTICIPANT}\" stands for whoever enrolled themself"),
            "give the person another id",
        );
    }
    if allocation.is_some_and(|file| file.forcing.limit > 0) {
        report.file(
            ALLOCATION,
            "[forced] lets somebody enroll a subject with an arm, but participants enroll themselves",
            "remove the section [forced]",
        );
    }
    if study.blinding == Blinding::Blinded && !study.randomizations.is_empty() && bundle.file(KITS).is_none() {
        let wrong = "is missing, though subjects are randomized again: then a kit tells what they get".to_string();
        report.file(KITS, wrong, "add a list with the first line code,arm, or remove the sections [[allocation]]");
    }
    let Some(form) = registration else { return };
    if survey.value.instrument == form.instrument.id {
        let right = "write an instrument of its own for what is asked afterwards";
        at_survey("instrument", format!("\"{}\" is the form by which participants enroll", form.instrument.id), right);
        return;
    }
    let Some(read) = instruments.iter().find(|read| read.instrument.id == survey.value.instrument) else { return };
    for (item, place) in read.instrument.items.iter().zip(&read.places) {
        if !item.id.is_empty() && form.instrument.find(&item.id).is_some() {
            let wrong = format!("\"{}\" is an item of {} too, and rules here can name both", item.id, form.file);
            report.at(&read.file, Some(place.line), format!("{}.id", place.key), wrong, "give it another id");
        }
    }
    for (check, (line, key)) in read.instrument.checks.iter().zip(&read.checks) {
        if check.items.is_empty() && check.rule.names().all(|name| read.instrument.find(name).is_none()) {
            let right = "list in items those that are to be looked at again";
            report.at(&read.file, Some(*line), key.clone(), "no item that people answer here is concerned", right);
        }
    }
    if study.blinding == Blinding::Blinded {
        check_concealment(read, report);
    }
}

/// In a blinded study no page may say the arm; what is asked can tell it to whoever sees the answers.
fn check_concealment(read: &InstrumentFile, report: &Report) {
    for (item, place) in read.instrument.items.iter().zip(&read.places) {
        for (key, text) in [("label", Some(&item.label)), ("help", item.help.as_ref())] {
            let mut names = text.into_iter().flat_map(|text| text.wordings()).flat_map(|(_, text)| pipe::names(text));
            if names.any(|name| name == ARM) {
                let wrong = format!("{{{{{ARM}}}}} would tell the arm, and the study is blinded");
                report.at(&read.file, Some(place.line), format!("{}.{key}", place.key), wrong, "leave it out");
            }
        }
        if let ItemKind::Calculation(expression) = &item.kind
            && expression.names().any(|name| name == ARM)
        {
            let wrong =
                format!("names `{ARM}`, and what is calculated is shown before it is sent: the study is blinded");
            let key = format!("{}.calculation", place.key);
            report.at(&read.file, Some(place.calculation_line), key, wrong, "calculate from answers alone");
        }
    }
    let telling = telling(read);
    if let Some((first, place)) = telling.first() {
        let named: Vec<String> = telling.iter().map(|(item, _)| format!("`{}`", item.id)).collect();
        let wrong = format!(
            "the study is blinded, and which of these items were asked follows from `{ARM}`: {}; so whoever sees answers can tell \
             arms apart, if not which is which. Until the study is closed, what follows from `{ARM}` is left out of every \
             `hagaki export` that is not made for somebody who may know arms",
            named.join(", ")
        );
        let key = format!("{}.when", place.key);
        let right = "ask everybody the same, or leave it so and show answers in no other way to whoever is blinded";
        report.warn(
            &read.file,
            Some(if first.when.is_some() { place.when_line } else { place.line }),
            key,
            wrong,
            right,
        );
    }
    for (check, (line, key)) in read.instrument.checks.iter().zip(&read.checks) {
        if check.rule.names().any(|name| name == ARM) {
            let wrong = format!(
                "the study is blinded, and what is objected to follows from `{ARM}`; so the items concerned are left out of exports \
                 as those that are asked by `{ARM}`"
            );
            report.warn(&read.file, Some(*line), key.clone(), wrong, "a rule over answers alone");
        }
    }
}

/// The items that are asked, or not, by the arm: by a condition that names it, or an item that follows from it.
fn telling(read: &InstrumentFile) -> Vec<(&Item, &super::instrument_file::ItemPlace)> {
    let following = read.instrument.following(BTreeSet::from([ARM.to_string()]));
    let by_arm = |item: &Item| item.when.as_ref().is_some_and(|when| when.names().any(|name| following.contains(name)));
    read.instrument.items.iter().zip(&read.places).filter(|(item, _)| item.kind.asks() && by_arm(item)).collect()
}
