//! The codebook: what each column of an export means.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::cells::{Cell, Kind};
use super::{Column, Source, Table, What, Wish};
use crate::domain::instrument::{Item, ItemKind, Limits};
use crate::domain::language::Language;
use crate::domain::number::{self, Rational};

/// What our own columns mean, by name: `templates/export/<language>.toml`.
type Words = BTreeMap<String, String>;

static WORDS: LazyLock<[(Language, Words); 2]> = LazyLock::new(|| {
    let read = |text: &str| toml::from_str(text).expect("a test reads it");
    [
        (Language::En, read(include_str!("../../../templates/export/en.toml"))),
        (Language::Ja, read(include_str!("../../../templates/export/ja.toml"))),
    ]
});

/// The codebook's own columns.
const COLUMNS: [&str; 9] =
    ["table", "column", "type", "meaning", "choices", "unit", "limits", "asked_when", "personal"];

/// Places behind the point of a limit; those that bundles give are decimals.
const LIMIT_PLACES: usize = 10;

/// What a column of ours means.
fn word(language: Language, id: &str) -> &'static str {
    let words = WORDS.iter().find(|(own, _)| *own == language).map(|(_, words)| words);
    words.and_then(|words| words.get(id)).map_or("", String::as_str)
}

/// The table in which the codebook stands.
pub fn table() -> Table {
    let columns = COLUMNS.map(|id| Column { id: id.to_string(), what: What::Own(id), kind: Kind::Text }).to_vec();
    Table { id: "codebook".to_string(), source: Source::Facts, columns, withheld: Vec::new() }
}

/// Its rows: one for each column of each table.
pub fn rows(tables: &[Table], wish: Wish) -> Vec<Vec<Cell>> {
    tables.iter().flat_map(|table| table.columns.iter().map(move |column| row(table, column, wish))).collect()
}

fn row(table: &Table, column: &Column, wish: Wish) -> Vec<Cell> {
    let language = wish.language;
    let item = column.item();
    let label = item.map(|item| item.label.in_language(language));
    let (meaning, choices) = match &column.what {
        What::Own(id) => (word(language, id).to_string(), String::new()),
        What::Item(item) => (item.label.in_language(language).to_string(), choices(item, language)),
        What::Chosen(item, code) => {
            let chosen = choice(item, code, language);
            (
                format!("{}: {chosen}", label.unwrap_or_default()),
                format!("1 = {chosen}; 0 = {}", word(language, "not_chosen")),
            )
        }
    };
    let unit = item.and_then(|item| item.unit.as_ref()).map(|unit| unit.in_language(language));
    let asked = item.and_then(|item| item.when.as_ref()).map(|when| when.source.as_str());
    [
        table.id.as_str(),
        &column.id,
        column.kind.key(),
        &meaning,
        &choices,
        unit.unwrap_or_default(),
        &item.map(|item| bounds(&item.hard, &item.kind)).unwrap_or_default(),
        asked.unwrap_or_default(),
        if item.is_some_and(|item| item.personal) { "1" } else { "0" },
    ]
    .map(Cell::text)
    .to_vec()
}

/// What an answer can be: codes with what they mean, as far as the form names them.
fn choices(item: &Item, language: Language) -> String {
    match &item.kind {
        ItemKind::YesNo => "yes; no".to_string(),
        ItemKind::Scale { low, high } => format!("{low} – {high}"),
        ItemKind::File(rule) => rule.types.iter().map(|kind| kind.key()).collect::<Vec<_>>().join("; "),
        _ => {
            let named = item.names().map(|(code, _)| format!("{code} = {}", choice(item, code, language)));
            named.collect::<Vec<_>>().join("; ")
        }
    }
}

fn choice(item: &Item, code: &str, language: Language) -> String {
    let label = item.names().find(|(own, _)| *own == code).map(|(_, label)| label.in_language(language));
    label.filter(|label| !label.is_empty()).unwrap_or(code).to_string()
}

/// `20 – 99`, with either end open; of days those that are fixed.
fn bounds(hard: &Limits, kind: &ItemKind) -> String {
    use crate::domain::instrument::DayBound;
    let day = |bound: &DayBound| match bound {
        DayBound::On(day) => day.to_string(),
        DayBound::Today(days) => format!("today {days:+}"),
    };
    let digits = |bound: &Rational| {
        let exact = number::decimal(bound, LIMIT_PLACES);
        if exact.contains('.') { exact.trim_end_matches('0').trim_end_matches('.').to_string() } else { exact }
    };
    let (low, high) = match kind {
        ItemKind::Date | ItemKind::DateTime => (hard.earliest.as_ref().map(day), hard.latest.as_ref().map(day)),
        _ => (hard.min.as_ref().map(digits), hard.max.as_ref().map(digits)),
    };
    match (low, high) {
        (None, None) => String::new(),
        (low, high) => format!("{} – {}", low.unwrap_or_default(), high.unwrap_or_default()).trim().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_ours_is_explained_in_both_languages() {
        let english: Vec<&String> = WORDS[0].1.keys().collect();
        assert_eq!(english, WORDS[1].1.keys().collect::<Vec<_>>());
        let code = [include_str!("../export.rs"), include_str!("rows.rs")].concat();
        for id in code.split("Column::own(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            for language in Language::ALL {
                assert!(!word(language, id).is_empty(), "{id} is not explained in {}", language.code());
            }
        }
        for id in ["reference", "name", "address", "attributes", "not_chosen"] {
            assert!(!word(Language::En, id).is_empty(), "{id}");
        }
    }
}
