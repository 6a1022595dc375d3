//! `values` of a calculation: what people read for each value that it gives.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Report, Section, nearest, quoted};
use super::item_file::claim_words;
use super::rules::Place;
use super::study_file::Codes;
use crate::domain::answer;
use crate::domain::expression::Type;
use crate::domain::instrument::{Item, NamedValue};
use crate::domain::language::Language;
use crate::limits;

/// Reads them; none where the item has none.
pub(super) fn read(section: &Section, languages: &[Language]) -> Vec<NamedValue> {
    let (mut codes, mut words) = (Codes::default(), BTreeMap::new());
    let mut values: Vec<NamedValue> = Vec::new();
    for value in section.sections("values") {
        let code = value.need_text("code", "younger");
        let label = value.need_wording("label", languages);
        codes.add(&value, &code);
        claim_words(&value, "value", &code, label.wordings().map(|(_, label)| ("label", label)), &mut words);
        value.close();
        values.push(NamedValue { code, label });
    }
    if values.is_empty() && section.has("values") {
        section.wrong("values", "names nothing", "list at least one value with code and label, or leave it out");
    }
    if values.len() > limits::CHOICES {
        section.wrong("values", format!("there are more than {} values", limits::CHOICES), "");
    }
    values
}

/// Warns of values that a calculation of that type never gives, and of those that it gives and that have no label, where either can be
/// told. `outcomes` is all that it can give, if that is known.
pub(super) fn check(item: &Item, place: &Place, result: &Type, outcomes: Option<&BTreeSet<String>>, report: &Report) {
    if item.values.is_empty() {
        return;
    }
    let warn = |wrong: String, right: String| {
        report.warn(place.file, Some(place.line), place.key.clone(), wrong, right);
    };
    let Some(outcomes) = outcomes else {
        for code in item.values.iter().map(|value| &value.code) {
            let possible = match result {
                Type::Integer => code.parse::<i64>().is_ok_and(|number| number.to_string() == *code),
                Type::Decimal => answer::exact(code).is_some(),
                _ => true,
            };
            if !possible {
                warn(
                    format!("\"{code}\" is nothing that the calculation can give"),
                    format!("it gives {result}, in digits such as \"2\""),
                );
            }
        }
        return;
    };
    let given: Vec<&str> = outcomes.iter().map(String::as_str).collect();
    for code in item.values.iter().map(|value| &value.code).filter(|code| !outcomes.contains(*code)) {
        let right = match nearest(code, &given) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it gives {}", quoted(&given)),
        };
        warn(format!("\"{code}\" is nothing that the calculation can give"), right);
    }
    let named = |code: &str| item.values.iter().any(|value| value.code == code);
    let nameless: Vec<&str> = given.into_iter().filter(|code| !named(code)).collect();
    if !nameless.is_empty() {
        warn(
            format!("lacks {}, which the calculation can give", quoted(&nameless)),
            "name every value; people read the code of one that has no label".to_string(),
        );
    }
}
