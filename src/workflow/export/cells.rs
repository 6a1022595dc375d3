//! Cells: what stands in a row of an export, before a format writes it.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use super::{Column, What, Wish};
use crate::domain::answer::{self, Value};
use crate::domain::file::FileAnswer;
use crate::domain::instrument::{Item, ItemKind};
use crate::domain::study::Study;
use crate::domain::time::{Instant, Zone};
use crate::letters::words;

/// How the cells of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A number in canonical digits.
    Number,
    /// A day.
    Day,
    /// A time of day.
    Clock,
    /// A day with a time of day, by the study's clock.
    Moment,
    /// 1 or 0.
    Flag,
}

impl Kind {
    /// How the answers to an item are written.
    pub(super) fn of(kind: &ItemKind) -> Kind {
        match kind {
            ItemKind::Integer | ItemKind::Decimal { .. } | ItemKind::Scale { .. } => Kind::Number,
            ItemKind::Date => Kind::Day,
            ItemKind::Time => Kind::Clock,
            ItemKind::DateTime => Kind::Moment,
            ItemKind::Text { .. }
            | ItemKind::Note
            | ItemKind::YesNo
            | ItemKind::Choice(_)
            | ItemKind::Choices(_)
            | ItemKind::File(_)
            | ItemKind::Heading
            | ItemKind::Calculation(_) => Kind::Text,
        }
    }

    /// Its name in codebooks.
    pub const fn key(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Day => "date",
            Kind::Clock => "time",
            Kind::Moment => "datetime",
            Kind::Flag => "flag",
        }
    }
}

/// What stands in a row under a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing: not answered, not asked, or not there.
    Blank,
    /// Text, which somebody else may have written.
    Text(String),
    /// A number in canonical digits.
    Number(String),
    /// A day.
    Day(NaiveDate),
    /// A time of day.
    Clock(NaiveTime),
    /// A day with a time of day, by the study's clock.
    Moment(NaiveDateTime),
    /// Yes or no, as 1 or 0.
    Flag(bool),
    /// A file: where it lies below the folder that files are written into.
    File(String, Box<FileAnswer>),
}

impl Cell {
    /// Text, or blank if there is none.
    pub fn text(text: impl Into<String>) -> Cell {
        let text = text.into();
        if text.is_empty() { Cell::Blank } else { Cell::Text(text) }
    }

    /// A number.
    pub fn number(number: i64) -> Cell {
        Cell::Number(number.to_string())
    }

    /// A moment, by the clock of a zone, to the second.
    pub fn moment(at: Instant, zone: Zone) -> Cell {
        Cell::Moment(at.clock_in(zone))
    }

    /// The same as text: days and moments as ISO 8601 has them, with a blank between day and time.
    pub fn plain(&self) -> String {
        match self {
            Cell::Blank => String::new(),
            Cell::Text(text) | Cell::Number(text) | Cell::File(text, _) => text.clone(),
            Cell::Day(day) => day.format("%Y-%m-%d").to_string(),
            Cell::Clock(time) => time.format("%H:%M").to_string(),
            Cell::Moment(at) => at.format("%Y-%m-%d %H:%M:%S").to_string(),
            Cell::Flag(yes) => if *yes { "1" } else { "0" }.to_string(),
        }
    }
}

/// The cell of an item's column, of the canonical value that is on file, if any.
pub(super) fn of_answer(study: &Study, column: &Column, canonical: Option<&str>, wish: Wish) -> Cell {
    let Some(canonical) = canonical else { return Cell::Blank };
    match &column.what {
        What::Own(_) => Cell::Blank,
        What::Chosen(_, code) => Cell::Flag(canonical.split(';').any(|chosen| chosen == code)),
        What::Item(item) if wish.labels => {
            labelled(study, item, canonical, wish).unwrap_or_else(|| valued(item, canonical))
        }
        What::Item(item) => valued(item, canonical),
    }
}

fn valued(item: &Item, canonical: &str) -> Cell {
    match answer::of_canonical(&item.kind, canonical) {
        Some(Value::Integer(number)) => Cell::number(number),
        Some(Value::Decimal(digits)) => Cell::Number(digits),
        Some(Value::Date(day)) => Cell::Day(day),
        Some(Value::Time(time)) => Cell::Clock(time),
        Some(Value::DateTime(at)) => Cell::Moment(at),
        Some(Value::Text(_) | Value::YesNo(_) | Value::Choice(_) | Value::Choices(_)) => Cell::text(canonical),
        Some(Value::File(file)) => Cell::File(file.file_name(&item.id), Box::new(file)),
        // Computed values are numbers more often than not; and what an earlier version took for another kind stays as it is.
        None if answer::exact(canonical).is_some() => Cell::Number(canonical.to_string()),
        None => Cell::text(canonical),
    }
}

/// The words for a choice, or for a calculated value that has a name; none for what has no words.
fn labelled(study: &Study, item: &Item, canonical: &str, wish: Wish) -> Option<Cell> {
    let name = |code| item.name_of(study, code, wish.language);
    let label = |code| name(code).unwrap_or(code);
    match &item.kind {
        ItemKind::YesNo => Some(Cell::text(words::yes_no(wish.language, canonical))),
        ItemKind::Choice(_) => Some(Cell::text(label(canonical))),
        ItemKind::Choices(_) => Some(Cell::text(canonical.split(';').map(label).collect::<Vec<_>>().join("; "))),
        ItemKind::Calculation(_) => name(canonical).map(Cell::text),
        _ => None,
    }
}
