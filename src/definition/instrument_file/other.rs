//! The text beside a choice with `other = true`: an item of its own, so that pages, mails and exports know it without more ado.

use crate::definition::document::Section;
use crate::domain::expression::Expression;
use crate::domain::instrument::{Item, ItemKind, Limits, other_id};
use crate::domain::language::{Language, Text};

/// The item that asks what is meant, if `item` has such a choice: needed when that choice is made, asked in no other case.
pub(super) fn item(section: &Section, item: &Item, languages: &[Language]) -> Option<Item> {
    let choice = item.kind.other()?;
    let (id, code) = (&item.id, &choice.code);
    let chosen = match item.kind {
        ItemKind::Choices(_) => format!("answered({id}) && '{code}' in {id}"),
        _ => format!("answered({id}) && {id} == '{code}'"),
    };
    let when = match Expression::compile(&chosen) {
        Ok(when) => when,
        Err(_) => {
            section.wrong(
                "choices",
                "cannot have a text beside a choice with such a code",
                "shorten its code or the id",
            );
            return None;
        }
    };
    let label =
        |language: Language| format!("{} / {}", item.label.in_language(language), choice.label.in_language(language));
    Some(Item {
        id: other_id(id),
        kind: ItemKind::Text { pattern: None },
        label: Text::new(languages.iter().map(|language| (*language, label(*language)))),
        help: None,
        aliases: Vec::new(),
        required: true,
        when: Some(when),
        unit: None,
        personal: item.personal,
        hard: Limits::default(),
        soft: Limits::default(),
        begins_page: false,
        matrix: None,
        values: Vec::new(),
    })
}
