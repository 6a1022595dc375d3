//! Checks of expressions against the items they name: types, order, and what happens when an item is left blank.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::document::{Report, nearest, quoted};
use super::instrument_file::InstrumentFile;
use super::named_values;
use super::self_enrollment::Beside;
use super::study_file::StudyFile;
use crate::domain::answer::Value;
use crate::domain::expression::{Expression, Misuse, Scope, TODAY, Type};
use crate::domain::instrument::{Choices, Item, ItemKind};
use crate::limits;

/// Most combinations of sample answers that a rule is tried with.
const TRIES: usize = 3_000;

/// Where an expression stands.
pub(super) struct Place<'a> {
    pub file: &'a str,
    pub line: usize,
    pub key: String,
}

/// Checks the `when`s and calculations of an instrument, and gives the type of each item. They may name what stands `beside`, too.
pub(super) fn check_instrument(
    read: &InstrumentFile,
    study: &StudyFile,
    beside: &Beside,
    report: &Report,
) -> BTreeMap<String, Type> {
    let mut known = BTreeMap::from([(TODAY.to_string(), Type::Date)]);
    known.extend(beside.types.clone());
    let mut asked: Vec<&Item> = beside.items.iter().collect();
    let mut outcomes: BTreeMap<String, BTreeSet<String>> =
        known.iter().filter_map(|(id, own)| Some((id.clone(), codes_of(own)?))).collect();
    for (item, place) in read.instrument.items.iter().zip(&read.places) {
        if let Some(when) = &place.when {
            let place = Place { file: &read.file, line: place.when_line, key: format!("{}.when", place.key) };
            let result = check_names(when, &place, &known, &read.instrument.items, report);
            check_condition(when, result, &place, &known, &asked, report);
        }
        let own = match &item.kind {
            _ if read.faulty.contains(&item.id) => Type::Unknown,
            ItemKind::Calculation(expression) => {
                let values = Place { file: &read.file, line: place.values_line, key: format!("{}.values", place.key) };
                let line = place.calculation_line;
                let place = Place { file: &read.file, line, key: format!("{}.calculation", place.key) };
                let result = check_names(expression, &place, &known, &read.instrument.items, report);
                let own = check_calculation(expression, result, &place, &asked, report);
                if own != Type::Unknown {
                    let all = expression.outcomes(&outcomes);
                    named_values::check(item, &values, &own, all.as_ref(), report);
                    outcomes.extend(all.map(|all| (item.id.clone(), all)));
                }
                own
            }
            kind => type_of(kind, study),
        };
        if let Some(codes) = codes_of(&own).filter(|_| !matches!(item.kind, ItemKind::Calculation(_))) {
            outcomes.insert(item.id.clone(), codes);
        }
        if !matches!(item.kind, ItemKind::Heading | ItemKind::File(_)) && !item.id.is_empty() {
            known.insert(item.id.clone(), own);
            asked.push(item);
        }
    }
    for (check, (line, key)) in read.instrument.checks.iter().zip(&read.checks) {
        let place = Place { file: &read.file, line: *line, key: key.clone() };
        let result = check_names(&check.rule, &place, &known, &read.instrument.items, report);
        check_condition(&check.rule, result, &place, &known, &asked, report);
    }
    known
}

/// Checks the study's eligibility rules against the types of the registration's items.
pub(super) fn check_eligibility(
    study: &StudyFile,
    file: &str,
    read: &InstrumentFile,
    types: &BTreeMap<String, Type>,
    report: &Report,
) {
    let asked: Vec<&Item> = read.instrument.items.iter().collect();
    for criterion in &study.eligibility {
        let Some(rule) = &criterion.value.rule else { continue };
        let place = Place { file, line: criterion.line, key: criterion.key.clone() };
        let result = check_names(rule, &place, types, &read.instrument.items, report);
        check_condition(rule, result, &place, types, &asked, report);
        if rule.names().all(|name| name == TODAY) && result_is_sound(rule, types) {
            report.warn(file, Some(criterion.line), place.key, "names no item, so it is the same for everybody", "");
        }
    }
}

/// Checks the rule of a cohort, which stands in the statistician's file, against the types of the registration's items.
pub(super) fn check_cohort(
    rule: &Expression,
    place: &Place,
    read: &InstrumentFile,
    types: &BTreeMap<String, Type>,
    report: &Report,
) {
    let asked: Vec<&Item> = read.instrument.items.iter().collect();
    let result = check_names(rule, place, types, &read.instrument.items, report);
    // Under the name `site` the site's item is meant; a rule with it cannot be tried by items alone.
    let named = rule.names().all(|name| name == TODAY || asked.iter().any(|item| item.id == name));
    match (result, named) {
        (Some(Type::YesNo), false) | (None, _) => {}
        (result, _) => check_condition(rule, result, place, types, &asked, report),
    }
}

/// Checks the condition of a further randomization; `asked` are the items of both forms and what else is known of a subject.
pub(super) fn check_further(
    rule: &Expression,
    place: &Place,
    types: &BTreeMap<String, Type>,
    asked: &[&Item],
    report: &Report,
) {
    let result = check_names(rule, place, types, &[], report);
    check_condition(rule, result, place, types, asked, report);
    if rule.names().all(|name| name == TODAY) && result_is_sound(rule, types) {
        report.warn(
            place.file,
            Some(place.line),
            place.key.clone(),
            "names no item, so it is the same for everybody",
            "",
        );
    }
}

fn result_is_sound(rule: &Expression, types: &BTreeMap<String, Type>) -> bool {
    rule.check(types).1.is_empty()
}

/// Type of an item's value in expressions.
pub(super) fn type_of(kind: &ItemKind, study: &StudyFile) -> Type {
    let codes = |choices: &Choices| match choices {
        Choices::Sites => study.sites.iter().map(|site| site.value.code.clone()).collect(),
        Choices::Listed(listed) => listed.iter().map(|choice| choice.code.clone()).collect(),
    };
    match kind {
        ItemKind::Text { .. } | ItemKind::Note => Type::Text,
        ItemKind::Integer | ItemKind::Scale { .. } => Type::Integer,
        ItemKind::Decimal { .. } => Type::Decimal,
        ItemKind::Date => Type::Date,
        ItemKind::Time => Type::Time,
        ItemKind::DateTime => Type::DateTime,
        ItemKind::YesNo => Type::YesNo,
        ItemKind::Choice(choices) => Type::Choice(codes(choices)),
        ItemKind::Choices(choices) => Type::Choices(codes(choices)),
        ItemKind::File(_) | ItemKind::Heading | ItemKind::Calculation(_) => Type::Unknown,
    }
}

/// Every value of an item of that type, as answers are kept, where there are few and fixed ones.
fn codes_of(own: &Type) -> Option<BTreeSet<String>> {
    match own {
        Type::Choice(codes) => Some(codes.iter().cloned().collect()),
        Type::YesNo => Some(BTreeSet::from(["yes".to_string(), "no".to_string()])),
        _ => None,
    }
}

/// Reports unknown names and wrong types; gives the type of the result if there is nothing wrong.
fn check_names(
    expression: &Expression,
    place: &Place,
    types: &BTreeMap<String, Type>,
    items: &[Item],
    report: &Report,
) -> Option<Type> {
    let (result, misuses) = expression.check(types);
    for misuse in &misuses {
        let right = match misuse {
            Misuse::Name(name) if items.iter().any(|item| item.id == *name) => {
                report.at(
                    place.file,
                    Some(place.line),
                    place.key.clone(),
                    format!("`{name}` is asked later, or asks nothing"),
                    "move its item up; an expression can only name items that stand above it",
                );
                continue;
            }
            Misuse::Name(name) => {
                let known: Vec<&str> = types.keys().map(String::as_str).collect();
                match nearest(name, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write one of {}; texts stand in quotes: '{name}'", quoted(&known)),
                }
            }
            other => other.right(),
        };
        report.at(place.file, Some(place.line), place.key.clone(), misuse.to_string(), right);
    }
    if misuses.is_empty() { result } else { None }
}

/// Reports a condition that is none, or that cannot be told for some answers.
fn check_condition(
    rule: &Expression,
    result: Option<Type>,
    place: &Place,
    types: &BTreeMap<String, Type>,
    asked: &[&Item],
    report: &Report,
) {
    // An item that is faulty itself cannot be tried.
    let sound = |name: &str| types.get(name).is_some_and(|known| *known != Type::Unknown);
    match result {
        Some(Type::YesNo) if rule.names().all(sound) => {}
        Some(Type::YesNo) => return,
        Some(other) => {
            let wrong = format!("is no condition but {other}");
            report.at(place.file, Some(place.line), place.key.clone(), wrong, "write a comparison, such as age >= 20");
            return;
        }
        None => return,
    }
    try_out(rule, place, asked, report);
}

fn check_calculation(
    expression: &Expression,
    result: Option<Type>,
    place: &Place,
    asked: &[&Item],
    report: &Report,
) -> Type {
    match result {
        Some(Type::Choices(_) | Type::List(_) | Type::Null) => {
            let right = "compute a number, a text, or yes or no";
            report.at(place.file, Some(place.line), place.key.clone(), "gives no single value", right);
            Type::Unknown
        }
        Some(sound) => {
            try_calculation(expression, place, asked, report);
            match sound {
                Type::Literal(_) | Type::Choice(_) | Type::Date | Type::Time | Type::DateTime => Type::Text,
                other => other,
            }
        }
        None => Type::Unknown,
    }
}

/// Evaluates a rule on sample answers with each optional item filled and blank, and reports the first that fails.
fn try_out(rule: &Expression, place: &Place, asked: &[&Item], report: &Report) {
    let named: Vec<&&Item> = asked.iter().filter(|item| rule.names().any(|name| name == item.id)).collect();
    let mut blamed = BTreeSet::new();
    for_each_combination(&named, |scope, blank| {
        let Err(error) = rule.holds(scope) else { return true };
        let (wrong, right) = match blank.first() {
            Some(item) => (
                format!("cannot be told when `{item}` is left blank"),
                format!("make {item} required, or write answered({item}) && … (or !answered({item}) || …)"),
            ),
            None => (format!("fails on ordinary answers ({error})"), String::new()),
        };
        // With several blank, the one to blame is found in the combination where it alone is.
        if blank.len() <= 1 && blamed.insert(wrong.clone()) {
            report.at(place.file, Some(place.line), place.key.clone(), wrong, right);
        }
        blamed.is_empty() || blank.len() > 1
    });
}

/// A calculation may fail where an item is blank: then it is blank too.
fn try_calculation(expression: &Expression, place: &Place, asked: &[&Item], report: &Report) {
    let named: Vec<&&Item> = asked.iter().filter(|item| expression.names().any(|name| name == item.id)).collect();
    for_each_combination(&named, |scope, blank| {
        let Err(error) = expression.value(scope) else { return true };
        if !blank.is_empty() {
            return true;
        }
        let wrong = format!("cannot be computed from ordinary answers ({error})");
        report.at(
            place.file,
            Some(place.line),
            place.key.clone(),
            wrong,
            "exclude these answers by limits or by a ? : condition",
        );
        false
    });
}

/// What a calculation gives for sample answers to the items that it names, as factors' levels are compared.
pub(super) fn results(expression: &Expression, items: &[Item]) -> BTreeSet<String> {
    let named: Vec<&Item> = items.iter().filter(|item| expression.names().any(|name| name == item.id)).collect();
    let mut results = BTreeSet::new();
    for_each_combination(&named.iter().collect::<Vec<&&Item>>(), |scope, _| {
        results.extend(expression.value(scope).ok().flatten().map(|value| value.canonical()));
        true
    });
    results
}

/// Calls `visit` with combinations of sample answers (and the names of the items left blank) until it gives false.
fn for_each_combination(items: &[&&Item], mut visit: impl FnMut(&Scope, &[&str]) -> bool) {
    let today = NaiveDate::from_ymd_opt(2026, 4, 1).unwrap_or_default();
    let samples: Vec<Vec<Option<Value>>> = items.iter().map(|item| samples(item)).collect();
    let combinations = samples.iter().map(Vec::len).fold(1usize, usize::saturating_mul);
    for number in 0..combinations.min(TRIES) {
        let mut scope = Scope::blank(items.iter().map(|item| item.id.as_str()), today);
        let mut blank = Vec::new();
        let mut rest = number;
        for (item, values) in items.iter().zip(&samples) {
            match values.get(rest % values.len().max(1)) {
                Some(Some(value)) => scope.set(&item.id, value),
                _ => blank.push(item.id.as_str()),
            }
            rest /= values.len().max(1);
        }
        if !visit(&scope, &blank) {
            return;
        }
    }
}

/// A few answers that an item may have; `None`, for blank, is the last where it may be blank.
fn samples(item: &Item) -> Vec<Option<Value>> {
    let bound = |number: &Option<crate::domain::number::Rational>| {
        number.as_ref().and_then(|number| number.to_integer().to_string().parse::<i64>().ok())
    };
    let day = |year| NaiveDate::from_ymd_opt(year, 3, 31).unwrap_or_default();
    let noon = chrono::NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default();
    let (low, high) = (bound(&item.hard.min).unwrap_or(1), bound(&item.hard.max).unwrap_or(100));
    let values = match &item.kind {
        ItemKind::Text { .. } | ItemKind::Note => vec![Value::Text("A-0001".to_string())],
        ItemKind::Integer => vec![Value::Integer(low), Value::Integer(high)],
        ItemKind::Decimal { .. } => vec![Value::Decimal(format!("{low}")), Value::Decimal(format!("{high}"))],
        ItemKind::Scale { low, high } => vec![Value::Integer(*low), Value::Integer(*high)],
        ItemKind::Date => vec![Value::Date(day(1960)), Value::Date(day(2026))],
        ItemKind::Time => vec![Value::Time(noon)],
        ItemKind::DateTime => vec![Value::DateTime(day(2026).and_time(noon))],
        ItemKind::YesNo => vec![Value::YesNo(true), Value::YesNo(false)],
        ItemKind::Choice(Choices::Listed(listed)) => {
            listed.iter().take(6).map(|choice| Value::Choice(choice.code.clone())).collect()
        }
        ItemKind::Choices(Choices::Listed(listed)) => {
            let codes: Vec<String> =
                listed.iter().take(limits::EXPECTED_CODES).map(|choice| choice.code.clone()).collect();
            vec![Value::Choices(codes)]
        }
        ItemKind::Choice(Choices::Sites) => vec![Value::Choice("site".to_string())],
        ItemKind::Choices(Choices::Sites) => vec![Value::Choices(vec!["site".to_string()])],
        // Its type is known, its value is not: it is only tried blank.
        ItemKind::Calculation(_) | ItemKind::File(_) | ItemKind::Heading => Vec::new(),
    };
    let mut samples: Vec<Option<Value>> = values.into_iter().map(Some).collect();
    let may_be_blank = !item.required || item.when.is_some();
    if may_be_blank {
        samples.push(None);
    }
    samples
}
