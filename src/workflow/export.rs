//! What a study holds, as tables that leave the house: subjects, allocations, facts, participants, responses.
//!
//! In charge of which tables and columns there are, of what each cell means, and of giving rows one page at a time. Files
//! are written beside this, one format a file. What a study's privacy conceals has no column here; arms, and what
//! tells them apart, have one only where [`super::disclosure`] let them out. To add a table: a variant of [`Source`], its columns and its rows.

pub mod cells;
pub mod codebook;
pub mod delimited;
pub mod json;
mod rows;
pub mod workbook;

use std::collections::BTreeSet;

use cells::Kind;

use super::Failure;
use super::shelf::{self, ShelvedStudy};
use crate::domain::instrument::{Choices, Instrument, Item, ItemKind};
use crate::domain::language::Language;
use crate::domain::study::{ARM, Blinding, FIRST, Study};
use crate::domain::survey::Privacy;
use crate::store::study::{State, StudyRow};
use crate::store::{Store, bundle, study};

pub use rows::{KEPT_BACK, Rows};

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Labels of choices and of calculated values instead of their codes.
    pub labels: bool,
    /// Without what identifies somebody: personal items, names, addresses, references.
    pub deidentified: bool,
    /// With arms; [`super::disclosure::permit`] must have let them out.
    pub arms: bool,
    /// With answers by which arms of a blinded study that goes on can be told apart; [`super::disclosure::permit_telling`] must have
    /// let them out.
    pub telling: bool,
    /// Superseded responses as well.
    pub history: bool,
    /// Language of labels.
    pub language: Language,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name in files: `subjects`, `allocations`, `facts`, `participants`, or the id of an instrument.
    pub id: String,
    /// What its rows are.
    pub source: Source,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Ids of the items that have no column, for by their answers arms could be told apart while the study goes on.
    pub withheld: Vec<String>,
}

/// What the rows of a table are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Subjects with what was registered, as corrected since.
    Subjects,
    /// Allocations, further ones with the answers to their forms.
    Allocations,
    /// What became known of subjects since: one row for each changed item, or one.
    Facts,
    /// Persons who are asked about themselves.
    Participants,
    /// Responses to an instrument.
    Responses(String),
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its heading: lower-case letters, digits and `_`, unique in the table.
    pub id: String,
    /// What stands in it.
    pub what: What,
    /// How its cells are written.
    pub kind: Kind,
}

/// What stands in a column.
#[derive(Clone, Debug)]
pub enum What {
    /// Something of ours, explained in `templates/export/`.
    Own(&'static str),
    /// The answer to an item.
    Item(Box<Item>),
    /// Whether a choice of an item was chosen: its code.
    Chosen(Box<Item>, String),
}

impl Column {
    fn own(id: &'static str, kind: Kind) -> Column {
        Column { id: id.to_string(), what: What::Own(id), kind }
    }

    /// The item whose answer, or part of it, stands in it.
    pub fn item(&self) -> Option<&Item> {
        match &self.what {
            What::Own(_) => None,
            What::Item(item) | What::Chosen(item, _) => Some(item),
        }
    }
}

/// What parts the id of an item with several choices from the code of one of them, as in REDCap's exports.
pub const CHOSEN: &str = "___";

/// The tables of a study.
///
/// # Errors
/// The database; a stored bundle this version cannot read.
pub async fn tables(store: &Store, shelved: &ShelvedStudy, wish: Wish) -> Result<Vec<Table>, Failure> {
    let own = &shelved.study;
    let row = study::load(store, shelved.id).await?;
    let versions = versions_of(store, &row).await?;
    let items = |instrument: &str| {
        // The newest first: a column is what it is now, and behind them what earlier versions asked.
        let instruments = versions.iter().rev().filter_map(|version| version.find_instrument(instrument));
        columns_of(instruments, wish)
    };
    let kits = own.hands_out_kits();
    let mut tables = Vec::new();
    let mut add = |id: &str, source: Source, columns: Vec<Column>| {
        tables.push(Table { id: id.to_string(), source, columns: unique(columns), withheld: Vec::new() });
    };
    if own.registers {
        let mut columns = vec![Column::own("subject", Kind::Text)];
        columns.extend((!wish.deidentified).then(|| Column::own("person", Kind::Text)));
        columns.extend(own.enrolls_itself().then(|| Column::own("participant", Kind::Number)));
        columns.extend([Column::own("site", Kind::Text), Column::own("enrolled_at", Kind::Moment)]);
        columns.extend(rescreens(&versions).then(|| Column::own("rescreens", Kind::Text)));
        let allocates = own.allocations().next().is_some();
        columns.extend((wish.arms && allocates).then(|| Column::own("arm", Kind::Text)));
        columns.extend(kits.then(|| Column::own("kit", Kind::Text)));
        columns.extend(items(&own.registration.instrument).into_iter().filter(|column| {
            // The site has a column already, and who the subject is at its site identifies somebody.
            let id = column.item().map(|item| item.id.as_str());
            let reference = id == Some(own.registration.subject_item.as_str());
            id != own.registration.site_item.as_deref() && !(wish.deidentified && reference)
        }));
        add("subjects", Source::Subjects, columns);
        if allocates {
            let mut columns = vec![
                Column::own("number", Kind::Number),
                Column::own("subject", Kind::Text),
                Column::own("allocation", Kind::Text),
                Column::own("allocated_at", Kind::Moment),
                Column::own("origin", Kind::Text),
            ];
            columns.extend(wish.arms.then(|| Column::own("arm", Kind::Text)));
            columns.extend(kits.then(|| Column::own("kit", Kind::Text)));
            let mut forms: Vec<&str> = Vec::new();
            for further in versions.iter().rev().flat_map(|version| &version.randomizations) {
                if further.id != FIRST && !forms.contains(&further.instrument.as_str()) {
                    forms.push(&further.instrument);
                }
            }
            columns.extend(forms.into_iter().flat_map(items));
            add("allocations", Source::Allocations, columns);
        }
        let mut columns = vec![
            Column::own("subject", Kind::Text),
            Column::own("fact", Kind::Text),
            Column::own("fact_number", Kind::Number),
            Column::own("taken_back_by", Kind::Number),
            Column::own("about", Kind::Text),
            Column::own("recorded_at", Kind::Moment),
        ];
        columns.extend((!wish.deidentified).then(|| Column::own("person", Kind::Text)));
        columns.extend((!wish.deidentified).then(|| Column::own("reason", Kind::Text)));
        columns.extend([
            Column::own("item", Kind::Text),
            Column::own("before", Kind::Text),
            Column::own("after", Kind::Text),
        ]);
        add("facts", Source::Facts, columns);
    }
    // Forms of events that earlier versions had, too: what came in for them is still there.
    let mut forms: Vec<&str> = Vec::new();
    for id in versions.iter().rev().flat_map(|version| &version.events).flat_map(|event| &event.instruments) {
        if !forms.contains(&id.as_str()) {
            forms.push(id);
        }
    }
    for id in forms {
        let mut columns = vec![
            Column::own("response", Kind::Text),
            Column::own("subject", Kind::Text),
            Column::own("site", Kind::Text),
            Column::own("event", Kind::Text),
            Column::own("occasion", Kind::Number),
        ];
        columns.extend((!wish.deidentified).then(|| Column::own("person", Kind::Text)));
        columns.extend([Column::own("channel", Kind::Text), Column::own("answered_at", Kind::Moment)]);
        let mut events = versions.iter().flat_map(|version| &version.events);
        if events.any(|event| event.timing.is_some() && event.instruments.iter().any(|own| own == id)) {
            columns.extend([Column::own("planned_on", Kind::Day), Column::own("window", Kind::Text)]);
        }
        if wish.history {
            columns.extend([Column::own("current", Kind::Flag), Column::own("replaces", Kind::Text)]);
            // What people write as a reason may name somebody.
            columns.extend((!wish.deidentified).then(|| Column::own("reason", Kind::Text)));
        }
        columns.extend(items(id));
        add(id, Source::Responses(id.to_string()), columns);
    }
    if let Some(survey) = &own.survey {
        let named = survey.privacy == Privacy::Named;
        let mut columns = vec![Column::own("participant", Kind::Number)];
        if !wish.deidentified {
            columns.extend(["reference", "name", "address", "attributes"].map(|id| Column::own(id, Kind::Text)));
        }
        columns.extend([
            Column::own("language", Kind::Text),
            Column::own("state", Kind::Text),
            Column::own("created_at", Kind::Moment),
        ]);
        // Nobody is to be looked for beside answers that nobody is to be joined to.
        if survey.privacy != Privacy::FullyAnonymous {
            add("participants", Source::Participants, columns);
        }
        let mut columns = vec![Column::own("response", Kind::Text)];
        if named {
            // Whoever enrolled themself is a subject, and their answers are known by its number as well.
            if own.enrolls_itself() {
                columns.push(Column::own("subject", Kind::Text));
                columns.extend((wish.arms && own.scheme.is_some()).then(|| Column::own("arm", Kind::Text)));
            }
            columns.extend([
                Column::own("participant", Kind::Number),
                Column::own("occasion", Kind::Number),
                Column::own("channel", Kind::Text),
                Column::own("language", Kind::Text),
                Column::own("answered_at", Kind::Moment),
            ]);
            if wish.history {
                columns.extend([
                    Column::own("current", Kind::Flag),
                    Column::own("replaces", Kind::Text),
                    Column::own("reason", Kind::Text),
                ]);
            }
        }
        let conceals = own.blinding == Blinding::Blinded && row.state != State::Closed && !wish.telling;
        let telling = if conceals { telling(&versions, &survey.instrument) } else { BTreeSet::new() };
        let (kept_in, let_out): (Vec<Column>, Vec<Column>) = items(&survey.instrument)
            .into_iter()
            .partition(|column| column.item().is_some_and(|item| telling.contains(&item.id)));
        columns.extend(let_out);
        add(&survey.instrument, Source::Responses(survey.instrument.clone()), columns);
        let mut withheld: Vec<String> = kept_in.iter().filter_map(Column::item).map(|item| item.id.clone()).collect();
        withheld.dedup();
        if let Some(table) = tables.last_mut() {
            table.withheld = withheld;
        }
    }
    Ok(tables)
}

fn rescreens(versions: &[Study]) -> bool {
    versions.iter().any(|version| !version.registration.rescreening.after.is_empty())
}

/// Ids of the items of a study's survey that tell arms apart, which nobody who is blinded may see of a subject before the close; none of
/// an open study, or of one that is closed.
///
/// # Errors
/// The database; a bundle of before that cannot be read.
pub async fn kept_in(store: &Store, shelved: &ShelvedStudy) -> Result<BTreeSet<String>, Failure> {
    let own = &shelved.study;
    let Some(survey) = own.survey.as_ref().filter(|_| own.blinding == Blinding::Blinded) else {
        return Ok(BTreeSet::new());
    };
    let row = study::load(store, shelved.id).await?;
    if row.state == State::Closed {
        return Ok(BTreeSet::new());
    }
    Ok(telling(&versions_of(store, &row).await?, &survey.instrument))
}

/// Every version of a study, the oldest first.
async fn versions_of(store: &Store, row: &StudyRow) -> Result<Vec<Study>, Failure> {
    let files = bundle::files(store, row.id).await?;
    files.iter().map(|(digest, files)| shelf::definition_of(row, digest, files)).collect()
}

/// The items of a survey whose answers follow from the arm of whoever enrolled themself, in any version: one arm alone has them.
fn telling(versions: &[Study], instrument: &str) -> BTreeSet<String> {
    let asking = versions.iter().filter(|version| version.enrolls_itself());
    asking.filter_map(|version| version.find_instrument(instrument)).flat_map(|form| form.telling(ARM)).collect()
}

/// The columns of an instrument: of its newest version, behind them what only earlier versions asked.
fn columns_of<'i>(versions: impl Iterator<Item = &'i Instrument>, wish: Wish) -> Vec<Column> {
    let (mut columns, mut seen) = (Vec::new(), BTreeSet::new());
    for item in versions.flat_map(|version| &version.items) {
        let asks = !matches!(item.kind, ItemKind::Heading);
        if !asks || (wish.deidentified && item.personal) {
            continue;
        }
        if let ItemKind::Choices(Choices::Listed(listed)) = &item.kind {
            for choice in listed {
                let id = format!("{}{CHOSEN}{}", item.id, choice.code);
                if seen.insert(id.clone()) {
                    let what = What::Chosen(Box::new(item.clone()), choice.code.clone());
                    columns.push(Column { id, what, kind: Kind::Flag });
                }
            }
        } else if seen.insert(item.id.clone()) {
            columns.push(Column {
                id: item.id.clone(),
                kind: Kind::of(&item.kind),
                what: What::Item(Box::new(item.clone())),
            });
        }
    }
    columns
}

/// Columns of the same heading told apart: an item called as one of ours gets `item_` before it.
fn unique(columns: Vec<Column>) -> Vec<Column> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    columns
        .into_iter()
        .map(|mut column| {
            while !seen.insert(column.id.clone()) {
                column.id = format!("item_{}", column.id);
            }
            column
        })
        .collect()
}
