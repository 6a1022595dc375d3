//! What in the form of a survey without names would tell when an answer was given: with the list of who answered on which day, or a copy of
//! the database from between, that tells whose it is.

use super::document::Report;
use super::instrument_file::{InstrumentFile, ItemPlace};
use crate::domain::expression::{Expression, TODAY};
use crate::domain::instrument::{DayBound, Item, ItemKind};

/// Checks the form; `mode` is the word of the survey's privacy.
///
/// A value that follows from the day, and an item that is asked only on some days, are kept with the answer, and whoever answered cannot help it:
/// errors. So are bounds and hard checks that leave only days near that of answering. A day that people write themselves may be meant, so
/// it is a warning. So is everything in a bundle that is in force from before these checks.
pub(super) fn check(read: &InstrumentFile, mode: &str, report: &Report) {
    let named = |rule: &Expression| rule.names().any(|name| name == TODAY);
    let right = "leave `today` out, or write privacy = \"named\"";
    for (item, place) in read.instrument.items.iter().zip(&read.places) {
        if let ItemKind::Calculation(calculation) = &item.kind
            && named(calculation)
        {
            report.newly(
                &read.file,
                Some(place.calculation_line),
                format!("{}.calculation", place.key),
                format!("`{}` keeps with an answer when it was given, though the survey is \"{mode}\"", item.id),
                right,
            );
        }
        if !matches!(item.kind, ItemKind::Heading) && item.when.as_ref().is_some_and(named) {
            report.newly(
                &read.file,
                Some(place.when_line),
                format!("{}.when", place.key),
                format!(
                    "whether `{}` was asked tells when an answer was given, though the survey is \"{mode}\"",
                    item.id
                ),
                right,
            );
        }
        if matches!(item.kind, ItemKind::Date | ItemKind::DateTime) {
            check_day((read, item, place), mode, report);
        }
    }
    let hard = read.instrument.checks.iter().zip(&read.checks).filter(|(check, _)| check.hard);
    for (check, (line, key)) in hard.filter(|(check, _)| named(&check.rule)) {
        report.newly(
            &read.file,
            Some(*line),
            format!("{key}.rule"),
            format!(
                "\"{}\" lets only some answers pass on a day, so that they tell it; the survey is \"{mode}\"",
                check.id
            ),
            "leave `today` out; `latest = \"today\"` in `hard` keeps days to come out",
        );
    }
}

/// An item that asks for a day.
fn check_day((read, item, place): (&InstrumentFile, &Item, &ItemPlace), mode: &str, report: &Report) {
    let relative = |bound: Option<DayBound>| matches!(bound, Some(DayBound::Today(_)));
    let (line, key) = (Some(place.line), &place.key);
    match (relative(item.hard.earliest), relative(item.hard.latest)) {
        (true, true) => report.newly(
            &read.file,
            line,
            format!("{key}.hard"),
            format!("`{}` takes only days near that of answering, and so tells it, though the survey is \"{mode}\"", item.id),
            "write a fixed day in `earliest`, or ask for what is needed of it in choices",
        ),
        (true, false) | (false, true) => report.warn(
            &read.file,
            line,
            format!("{key}.hard"),
            format!(
                "the days that `{}` takes go by that of answering, which many will write; that tells when they answered, and so perhaps who \
                 they are, though the survey is \"{mode}\"",
                item.id
            ),
            "ask for less, such as how many weeks ago in choices, or leave it out",
        ),
        (false, false) => report.warn(
            &read.file,
            line,
            format!("{key}.kind"),
            format!("a day in `{}` that is near that of answering can tell who wrote it; the survey is \"{mode}\"", item.id),
            "ask for less, such as a month or how many weeks ago in choices, if that will do",
        ),
    }
}
