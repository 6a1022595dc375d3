//! Whether answers without names look alike, whichever of two versions of their form they were given by.
//!
//! What is kept of an answer follows from more than what somebody writes: a calculation that differs from one version to the next marks
//! everybody who answered between, and by the days of answering that may be one. What people only read is kept in no answer.
//!
//! What itself tells the day of answering comes into no form any more (`definition/moments.rs`), and can be taken out of one that has it
//! from before: whoever answered by that is marked already.

use std::collections::BTreeSet;

use crate::domain::expression::{Expression, TODAY};
use crate::domain::instrument::{Check, Choices, DayBound, Instrument, Item, ItemKind, Limits, Pattern};
use crate::domain::study::Study;

/// What of a form differs by which an answer could tell its version, in words for a terminal; empty where only what people read does.
pub(super) fn differences(old: &Study, new: &Study, instrument: &str) -> Vec<String> {
    let (Some(before), Some(now)) = (old.find_instrument(instrument), new.find_instrument(instrument)) else {
        return vec!["the form itself".to_string()];
    };
    let mut told = Vec::new();
    if ids(before) != ids(now) {
        told.push("which items there are, and their order".to_string());
    }
    for item in &before.items {
        let Some(other) = now.find(&item.id) else { continue };
        told.extend(of_item((old, item), (new, other)).into_iter().map(|what| format!("{what} of `{}`", item.id)));
    }
    let telling = before.checks.iter().filter(|check| check.hard && tells_day(&check.rule));
    let telling: BTreeSet<&str> = telling.map(|check| check.id.as_str()).collect();
    if rules(before, &telling) != rules(now, &telling) {
        told.push("what [[checks]] ask for".to_string());
    }
    told
}

fn ids(instrument: &Instrument) -> Vec<&str> {
    instrument.items.iter().map(|item| item.id.as_str()).collect()
}

/// Whether what follows from it tells on which day an answer was given.
fn tells_day(expression: &Expression) -> bool {
    expression.names().any(|name| name == TODAY)
}

/// Whether only days near that of answering are within.
fn are_near(limits: &Limits) -> bool {
    matches!((limits.earliest, limits.latest), (Some(DayBound::Today(_)), Some(DayBound::Today(_))))
}

/// Everything of the checks but what people read where they do not hold, without those left out.
fn rules<'i>(instrument: &'i Instrument, left_out: &BTreeSet<&str>) -> Vec<(&'i str, &'i str, bool, &'i [String])> {
    instrument.checks.iter().filter(|check| !left_out.contains(check.id.as_str())).map(rule).collect()
}

fn rule(check: &Check) -> (&str, &str, bool, &[String]) {
    (check.id.as_str(), check.rule.source.as_str(), check.hard, check.items.as_slice())
}

fn of_item((old, before): (&Study, &Item), (new, now): (&Study, &Item)) -> Vec<&'static str> {
    let condition = |item: &Item| item.when.as_ref().map(source);
    let mut told: Vec<&'static str> = of_kind((old, &before.kind), (new, &now.kind)).into_iter().collect();
    for (differs, what) in [
        (before.required != now.required, "`required`"),
        (condition(before) != condition(now) && !before.when.as_ref().is_some_and(tells_day), "`when`"),
        (!same(&before.hard, &now.hard) && !are_near(&before.hard), "`hard`"),
        (!same(&before.soft, &now.soft), "`soft`"),
    ] {
        told.extend(differs.then_some(what));
    }
    told
}

/// What of the kind differs, by its key in the file.
fn of_kind((old, before): (&Study, &ItemKind), (new, now): (&Study, &ItemKind)) -> Option<&'static str> {
    match (before, now) {
        (ItemKind::Text { pattern: a }, ItemKind::Text { pattern: b }) => {
            let written = |pattern: &Option<Pattern>| pattern.as_ref().map(|pattern| pattern.source.clone());
            (written(a) != written(b)).then_some("`pattern`")
        }
        (ItemKind::Decimal { places: a }, ItemKind::Decimal { places: b }) => (a != b).then_some("`places`"),
        (ItemKind::Choice(a), ItemKind::Choice(b)) | (ItemKind::Choices(a), ItemKind::Choices(b)) => {
            (offered(a, old) != offered(b, new)).then_some("the codes of `choices`, and their order,")
        }
        (ItemKind::Scale { low: a, high: b }, ItemKind::Scale { low: c, high: d }) => {
            ((a, b) != (c, d)).then_some("`low` or `high`")
        }
        (ItemKind::File(a), ItemKind::File(b)) => (a != b).then_some("what kind of file"),
        (ItemKind::Calculation(a), ItemKind::Calculation(b)) => {
            (source(a) != source(b) && !tells_day(a)).then_some("`calculation`")
        }
        (a, b) => (a.key() != b.key()).then_some("`kind`"),
    }
}

fn source(expression: &Expression) -> String {
    expression.source.clone()
}

/// Codes in their order, which is that of several in one answer, and whether people write what they mean beside each.
fn offered(choices: &Choices, study: &Study) -> Vec<(String, bool)> {
    match choices {
        Choices::Sites => study.sites.iter().map(|site| (site.code.clone(), false)).collect(),
        Choices::Listed(listed) => listed.iter().map(|choice| (choice.code.clone(), choice.other)).collect(),
    }
}

fn same(a: &Limits, b: &Limits) -> bool {
    a.min == b.min && a.max == b.max && a.earliest == b.earliest && a.latest == b.latest
}
