//! `instruments/*.toml`: one form each.

mod checks;
mod matrix;
mod other;
mod pages;
mod pipes;

pub(super) use pipes::check as check_pipes;

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Report, Section, Source};
use super::item_file::{self, ReadItem};
use crate::domain::expression::{Expression, TODAY};
use crate::domain::instrument::{self, Instrument, Item, ItemKind};
use crate::domain::language::Language;
use crate::domain::text;
use crate::limits;

const HEADERS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/words/headers.txt"));

/// Ids that mean something else in reports, or are words of the expression language (CEL specification, "Reserved").
const RESERVED: [&str; 24] = [
    TODAY,
    "body",
    "arm",
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

/// An instrument with what later checks need.
#[derive(Debug)]
pub(super) struct InstrumentFile {
    pub file: String,
    pub instrument: Instrument,
    /// Where each item stands.
    pub places: Vec<ItemPlace>,
    /// Line and key of each check.
    pub checks: Vec<(usize, String)>,
    /// Items of which something is wrong already, so that their type cannot be relied on.
    pub faulty: BTreeSet<String>,
}

/// Key of an item's section, and the lines of its expressions.
#[derive(Clone, Debug)]
pub(super) struct ItemPlace {
    pub key: String,
    pub line: usize,
    pub when_line: usize,
    pub calculation_line: usize,
    pub values_line: usize,
    /// The item's own condition, without that of its page.
    pub when: Option<Expression>,
}

/// Reads an instrument; `None` only if it is no TOML.
pub(super) fn read(
    file: &str,
    id: &str,
    content: &str,
    languages: &[Language],
    report: &Report,
) -> Option<InstrumentFile> {
    let source = Source::new(file, content);
    let table = source.parse(report)?;
    let root = Section::whole(&source, report, &table);
    let title = root.need_wording("title", languages);
    let mut read = InstrumentFile {
        file: file.to_string(),
        instrument: Instrument {
            id: id.to_string(),
            title,
            items: Vec::new(),
            checks: Vec::new(),
            keys: instrument::Keys::default(),
        },
        places: Vec::new(),
        checks: Vec::new(),
        faulty: BTreeSet::new(),
    };
    let mut keys = Keys::default();
    for section in root.sections("items") {
        let ReadItem { item, faulty } = item_file::read(&section, languages);
        let place = ItemPlace {
            key: section.key(""),
            line: section.line,
            when_line: section.line_of("when"),
            calculation_line: section.line_of("calculation"),
            values_line: section.line_of("values"),
            when: item.when.clone(),
        };
        if RESERVED.contains(&item.id.as_str()) {
            section.wrong("id", format!("\"{}\" means something else", item.id), "choose another id");
        }
        keys.add(&section, &item);
        let other = other::item(&section, &item, languages);
        if let Some(other) = &other {
            keys.add(&section, other);
        }
        section.close();
        if faulty {
            read.faulty.insert(item.id.clone());
        }
        read.instrument.items.push(item);
        if let Some(other) = other {
            read.places.push(place.clone());
            read.instrument.items.push(other);
            read.places.push(ItemPlace { when: None, ..place });
        } else {
            read.places.push(place);
        }
    }
    checks::read(&root, languages, &mut read);
    if read.instrument.items.is_empty() && !root.has("items") {
        root.wrong("items", "asks nothing", "write a section [[items]] with id, kind and label for each question");
    }
    if read.instrument.items.len() > limits::ITEMS {
        root.wrong("items", format!("there are more than {} items", limits::ITEMS), "");
    }
    pages::inherit(&mut read, report);
    matrix::check(&read, report);
    root.close();
    Some(read)
}

/// Ids, labels and aliases so far, folded as mails' keys are: item id and line.
#[derive(Default)]
struct Keys {
    ids: BTreeMap<String, usize>,
    keys: BTreeMap<String, (String, usize)>,
}

impl Keys {
    fn add(&mut self, section: &Section, item: &Item) {
        if item.id.is_empty() {
            return;
        }
        if let Some(line) = self.ids.insert(item.id.clone(), section.line_of("id")) {
            section.wrong(
                "id",
                format!("\"{}\" is taken on line {line} already", item.id),
                "give each item its own id",
            );
            return;
        }
        if matches!(item.kind, ItemKind::Heading | ItemKind::Calculation(_) | ItemKind::File(_)) {
            return;
        }
        self.claim(section, "id", &item.id, &item.id);
        let labels: BTreeSet<&str> = item.label.wordings().map(|(_, label)| label).collect();
        for label in labels {
            self.claim(section, "label", label, &item.id);
        }
        let mut own = BTreeSet::new();
        for alias in &item.aliases {
            if !own.insert(text::fold_tight(alias)) {
                section.warn(
                    "aliases",
                    format!("\"{alias}\" stands in it twice (width and case do not matter)"),
                    "remove one of the two",
                );
            }
            self.claim(section, "aliases", alias, &item.id);
        }
    }

    fn claim(&mut self, section: &Section, key: &str, written: &str, item: &str) {
        let folded = text::fold_tight(written);
        if let Some(separator) = written.chars().find(|c| matches!(c, ':' | '：' | '=' | '＝' | '\t' | '\n')) {
            section.wrong(
                key,
                format!("\"{}\" holds {separator:?}, which ends a key in a mail", written.escape_debug()),
                "leave it out, or put the longer wording into help",
            );
        }
        if text::words(HEADERS).any(|header| text::fold_tight(header) == folded) {
            section.wrong(
                key,
                format!("\"{written}\" is also a line in the header of a quoted mail"),
                "choose another word, such as \"Consent date\" for \"Date\"",
            );
        }
        match self.keys.get(&folded) {
            Some((other, line)) if other != item => section.wrong(
                key,
                format!("\"{written}\" already means the item `{other}` (line {line})"),
                "give each item its own labels and aliases; width and case do not matter",
            ),
            Some(_) => {}
            None => {
                self.keys.insert(folded, (item.to_string(), section.line_of(key)));
            }
        }
    }
}
