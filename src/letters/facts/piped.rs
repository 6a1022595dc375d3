//! Answers given before, put into the texts that show them.

use std::collections::BTreeMap;

use super::form::{comma, shown_value};
use super::short;
use crate::domain::instrument::{Instrument, Item, ItemKind, pipe};
use crate::domain::language::Language;
use crate::domain::study::{ARM, Study};

/// A label or a help text with the answers that stand in it, in words, from canonical values by item id. Those of a person who enrolled
/// themself before may be among them, and their arm where it is no secret.
pub fn piped(
    study: &Study,
    instrument: &Instrument,
    canonical: &BTreeMap<String, String>,
    text: &str,
    language: Language,
) -> String {
    pipe::fill(text, |name| {
        let answer = canonical.get(name).and_then(|value| {
            let arm = || study.find_arm(value).filter(|_| name == ARM);
            match instrument.find(name).or_else(|| study.carried_item(instrument, name)) {
                Some(item) => Some(in_words(study, item, value, language)),
                None => arm().map(|arm| short(arm.name.in_language(language))),
            }
        });
        answer.unwrap_or_else(|| pipe::BLANK.to_string())
    })
}

/// An answer as it reads in a sentence: a choice, or a calculated value that has a name, without its code.
pub(super) fn in_words(study: &Study, item: &Item, canonical: &str, language: Language) -> String {
    let name = |code| item.name_of(study, code, language);
    match &item.kind {
        ItemKind::Choice(_) | ItemKind::Choices(_) => {
            let names: Vec<&str> = canonical.split(';').map(|code| name(code).unwrap_or(code)).collect();
            short(&names.join(comma(language)))
        }
        _ => name(canonical).map_or_else(|| shown_value(study, item, canonical, language), short),
    }
}
