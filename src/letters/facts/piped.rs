//! Answers given before, put into the texts that show them.

use std::collections::BTreeMap;

use super::form::{comma, shown_value};
use super::short;
use crate::domain::instrument::{Choices, Instrument, Item, ItemKind, pipe};
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

/// An answer as it reads in a sentence: a choice without its code.
pub(super) fn in_words(study: &Study, item: &Item, canonical: &str, language: Language) -> String {
    let (ItemKind::Choice(choices) | ItemKind::Choices(choices)) = &item.kind else {
        return shown_value(study, item, canonical, language);
    };
    let label = |code: &str| {
        let label = match choices {
            Choices::Sites => study.find_site(code).map(|site| &site.name),
            Choices::Listed(listed) => listed.iter().find(|choice| choice.code == code).map(|choice| &choice.label),
        };
        label.map_or(code, |label| label.in_language(language)).to_string()
    };
    short(&canonical.split(';').map(label).collect::<Vec<_>>().join(comma(language)))
}
