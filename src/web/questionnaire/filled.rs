//! A page of a questionnaire, and the review of all of them, as their templates read them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use num_traits::Signed;
use serde::Serialize;
use serde_json::{Value, json};

use super::posted::Posted;
use crate::domain::answer::{Fault, Form, Value as Meaning, pages_asked};
use crate::domain::instrument::{Choices, Instrument, Item, ItemKind, pipe};
use crate::domain::language::{Language, Text};
use crate::domain::study::{Person, Study};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::letters::facts::{Expected, FaultLine, Reader, Shown, piped};
use crate::limits;

/// A form as somebody filled it in so far, and in which language it is shown.
#[derive(Clone, Copy)]
pub(in crate::web) struct Filled<'a> {
    pub(in crate::web) study: &'a Study,
    pub(in crate::web) instrument: &'a Instrument,
    pub(in crate::web) form: &'a Form,
    pub(in crate::web) posted: &'a Posted,
    pub(in crate::web) now: Instant,
    pub(in crate::web) language: Language,
    /// Whether answers that were sent are mended.
    pub(in crate::web) mends: bool,
    /// Whether files are asked for here; not where the same form may come by mail.
    pub(in crate::web) files: bool,
    /// Who fills it in: they choose among their own sites.
    pub(in crate::web) person: &'a Person,
    /// What labels may repeat beside the form's own answers, canonical.
    pub(in crate::web) told: &'a BTreeMap<String, String>,
}

/// What labels may repeat of somebody of whom nothing is known.
pub(in crate::web) static NOTHING: BTreeMap<String, String> = BTreeMap::new();

#[derive(Clone, Debug, Serialize)]
struct FaultFacts {
    id: String,
    /// Where it is mended: the field, or what stands around its options.
    field: String,
    fault: FaultLine,
}

#[derive(Clone, Debug, Serialize)]
struct ItemFacts {
    id: String,
    kind: &'static str,
    label: String,
    help: String,
    unit: String,
    required: bool,
    value: String,
    options: Vec<OptionFacts>,
    /// Whether a choice that was made can be taken back: one of them is chosen, and none has to be.
    optional: bool,
    /// Whether none is chosen.
    unanswered: bool,
    expected: Option<Expected>,
    /// Whether what is expected is told before anything is typed.
    hinted: bool,
    /// Ids of what stands beside the field and says more of it, as `aria-describedby` lists them.
    described: String,
    faults: Vec<FaultLine>,
    mode: &'static str,
    complete: &'static str,
    most: usize,
    /// The text beside a choice.
    other: Option<Box<ItemFacts>>,
    /// Whether a matrix has more columns than a screen has room for.
    wide: bool,
    /// The rows of a matrix, in place of everything else.
    rows: Vec<ItemFacts>,
    /// Endings of names that a browser is to offer for a file.
    accept: String,
    /// The file that was sent already; null if none.
    sent: Option<SentFacts>,
}

/// A file that was sent already.
#[derive(Clone, Debug, Serialize)]
struct SentFacts {
    /// What it is called, of which type, and how large.
    shown: String,
}

#[derive(Clone, Debug, Serialize)]
struct OptionFacts {
    /// Counted from 1.
    place: usize,
    code: String,
    label: String,
    chosen: bool,
}

/// All answers of one page in the review.
#[derive(Clone, Debug, Serialize)]
struct Part {
    page: usize,
    title: String,
    shown: Vec<Shown>,
}

impl<'f> Filled<'f> {
    /// What is wrong with the files that came just now.
    pub(in crate::web) fn untaken(&self) -> Vec<&'f Fault> {
        self.form.faults.iter().filter(|fault| self.posted.file_fault(&fault.item).is_some()).collect()
    }

    /// The page at a place, with the faults to be mended on it. `more` says that questions came up by what was answered on it.
    pub(in crate::web) fn page(&self, facts: &mut Value, mark: &Mark, at: usize, faults: &[&Fault], more: bool) {
        let shown = pages_asked(self.instrument, self.form);
        let at = if shown.contains(&at) { at } else { shown.first().copied().unwrap_or(0) };
        let number = shown.iter().position(|page| *page == at).unwrap_or(0) + 1;
        let pages = self.instrument.pages();
        let page = pages.get(at).copied().unwrap_or_default();
        let reader = self.reader();
        let canonical = self.canonical();
        let faults: Vec<FaultFacts> = faults
            .iter()
            .map(|fault| FaultFacts {
                id: fault.item.clone(),
                field: self.field_of(&fault.item),
                fault: self.worded(FaultLine::fault(&reader, self.instrument, fault), fault, &canonical),
            })
            .collect();
        let asked: Vec<&Item> = page.iter().filter(|item| self.is_shown(item)).collect();
        let seen: Vec<&str> = asked.iter().map(|item| item.id.as_str()).collect();
        let items = asked
            .iter()
            .filter(|item| !self.stands_beside(item))
            .map(|item| self.item(&reader, item, &faults, &canonical))
            .collect();
        self.state(facts, mark, |item| !seen.contains(&item.id.as_str()));
        put(facts, "uploads", json!(asked.iter().any(|item| matches!(item.kind, ItemKind::File(_)))));
        put(facts, "items", json!(rows_together(items)));
        put(facts, "follows", json!(self.follows(page)));
        put(facts, "faults", json!(faults));
        put(facts, "more", json!(more));
        put(facts, "at", json!(at));
        put(facts, "seen", json!(seen.join(" ")));
        put(facts, "number", json!(number));
        put(facts, "of", json!(shown.len()));
        put(facts, "back", json!(number > 1));
    }

    /// Name of the field of an item; of what stands around its options where it has any.
    fn field_of(&self, id: &str) -> String {
        match self.instrument.find(id).map(|item| &item.kind) {
            Some(ItemKind::Choice(_) | ItemKind::Choices(_) | ItemKind::Scale { .. } | ItemKind::YesNo) | None => {
                id.to_string()
            }
            Some(_) => format!("{id}-in"),
        }
    }

    /// Everything that was asked, page by page.
    pub(in crate::web) fn review(&self, facts: &mut Value, mark: &Mark) {
        let reader = self.reader();
        let canonical = self.canonical();
        let doubts: Vec<FaultLine> = self
            .form
            .doubts
            .iter()
            .map(|doubt| self.worded(FaultLine::doubt(&reader, self.instrument, doubt), doubt, &canonical))
            .collect();
        let pages = self.instrument.pages();
        let parts = pages_asked(self.instrument, self.form).into_iter().map(|at| {
            let page = pages.get(at).copied().unwrap_or_default();
            let title = page.first().filter(|first| first.begins_page);
            let computed =
                |item: &Item| matches!(item.kind, ItemKind::Calculation(_)) && canonical.contains_key(&item.id);
            let shown = page
                .iter()
                .filter(|item| !self.form.unasked.contains(&item.id) && (item.kind.asks() || computed(item)))
                .filter(|item| self.files || !matches!(item.kind, ItemKind::File(_)));
            let own = |item: &Item| Shown::own(self.study, self.instrument, item, &canonical, self.language);
            Part {
                page: at,
                title: title.map_or_else(String::new, |first| self.text(&first.label, &canonical)),
                shown: shown.map(own).collect(),
            }
        });
        let parts: Vec<Part> = parts.filter(|part| !part.shown.is_empty()).collect();
        self.state(facts, mark, |_| true);
        put(facts, "several_pages", json!(parts.len() > 1));
        put(facts, "parts", json!(parts));
        put(facts, "doubts", json!(doubts));
        put(facts, "at", json!("review"));
    }

    /// Every answer as it stands in the form: in words what can be understood, and as it was typed what cannot.
    pub(in crate::web) fn typed(&self) -> Vec<Shown> {
        let canonical = self.canonical();
        let own = |item: &Item| {
            let shown = Shown::own(self.study, self.instrument, item, &canonical, self.language);
            let typed = self.posted.typed(item);
            match item.kind {
                _ if !shown.value.is_empty() || typed.is_empty() => shown,
                // What a form carries of a file is no text to be read.
                ItemKind::File(_) => shown,
                _ => Shown { value: typed, ..shown },
            }
        };
        let asked = self.instrument.items.iter().filter(|item| item.kind.asks());
        asked.map(own).filter(|shown| !shown.value.is_empty()).collect()
    }

    /// The form with every answer in it, and none in a field to be seen.
    pub(in crate::web) fn all_carried(&self, facts: &mut Value, mark: &Mark) {
        self.state(facts, mark, |_| true);
    }

    /// What goes with either: the mark, and the answers that stand in no field to be seen.
    fn state(&self, facts: &mut Value, mark: &Mark, carried: impl Fn(&Item) -> bool) {
        let fields: Vec<Value> = self
            .instrument
            .items
            .iter()
            .filter(|item| carried(item))
            .flat_map(|item| self.posted.all(&item.id).map(|value| json!({ "name": item.id, "value": value })))
            .collect();
        put(facts, "fields", json!(fields));
        put(facts, "mark", json!(mark.text()));
        put(facts, "mends", json!(self.mends));
        put(facts, "mended", json!(self.posted.base()));
        put(facts, "draft", json!(self.posted.draft().unwrap_or_default()));
        for absent in ["overtaken", "again", "long", "more", "not_a_link"] {
            put(facts, absent, json!(false));
        }
        for absent in ["kept", "kept_before", "newer", "other_way", "earlier"] {
            put(facts, absent, json!(false));
        }
        put(facts, "answering", json!(true));
    }

    /// Whether something on a page may follow from what is answered on it: whether it is asked, or what its label says.
    fn follows(&self, page: &[Item]) -> bool {
        let computed = |item: &Item| matches!(item.kind, ItemKind::Calculation(_));
        let own =
            |name: &str| page.iter().any(|item| item.id == name) || self.instrument.find(name).is_some_and(computed);
        page.iter().any(|item| {
            let mut texts = item.label.wordings().chain(item.help.iter().flat_map(Text::wordings));
            item.when.as_ref().is_some_and(|when| when.names().any(own))
                || texts.any(|(_, text)| pipe::names(text).any(own))
        })
    }

    /// Whether an item stands on its page.
    pub(in crate::web) fn is_shown(&self, item: &Item) -> bool {
        let beside = self.stands_beside(item);
        let computed = matches!(item.kind, ItemKind::Calculation(_));
        match beside {
            // It is there as soon as its choice is offered, so that it can be written at once.
            true => self.instrument.items.iter().any(|of| self.is_other_of(of, item) && self.is_shown(of)),
            false if matches!(item.kind, ItemKind::File(_)) && !self.files => false,
            false => !computed && !self.form.unasked.contains(&item.id),
        }
    }

    /// Whether the form carries a file for an item.
    fn carries(&self, item: &Item) -> bool {
        self.form.answers.contains_key(&item.id) || self.posted.file_fault(&item.id).is_some()
    }

    fn is_other_of(&self, of: &Item, item: &Item) -> bool {
        self.instrument.other_text(of).is_some_and(|other| other.id == item.id)
    }

    fn stands_beside(&self, item: &Item) -> bool {
        item.id.ends_with("_other") && self.instrument.items.iter().any(|of| self.is_other_of(of, item))
    }

    /// The answers, and what is known beside them.
    fn canonical(&self) -> BTreeMap<String, String> {
        let mut canonical = self.told.clone();
        canonical.extend(self.form.canonical());
        canonical
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            study: self.study,
            person: self.person,
            today: self.now.day_in(self.study.zone),
            language: self.language,
        }
    }

    fn text(&self, text: &Text, canonical: &BTreeMap<String, String>) -> String {
        piped(self.study, self.instrument, canonical, text.in_language(self.language), self.language)
    }

    fn worded(&self, line: FaultLine, fault: &Fault, canonical: &BTreeMap<String, String>) -> FaultLine {
        let label = self.instrument.find(&fault.item).map(|item| self.text(&item.label, canonical));
        FaultLine { label: label.unwrap_or_default(), ..line }
    }

    fn item(
        &self,
        reader: &Reader<'_>,
        item: &Item,
        faults: &[FaultFacts],
        canonical: &BTreeMap<String, String>,
    ) -> ItemFacts {
        let own: Vec<FaultLine> =
            faults.iter().filter(|fault| fault.id == item.id).map(|fault| fault.fault.clone()).collect();
        let chosen: Vec<&str> = self.posted.all(&item.id).collect();
        let (mode, most) = keyboard(item);
        let other = self.instrument.other_text(item);
        let options = options(reader, item, &chosen);
        let sent = match self.form.answers.get(&item.id).map(|answer| &answer.value) {
            Some(Meaning::File(file)) => Some(SentFacts { shown: file.shown() }),
            _ => None,
        };
        let expected = Expected::of(reader, item);
        let hinted = is_hinted(item, &expected);
        // A fault that says what is expected is heard in place of the hint that says the same.
        let says = |fault: &FaultLine| matches!(fault.code.as_str(), "missing" | "range" | "type" | "pattern" | "date");
        let beside = [
            ("help", item.help.is_some()),
            ("hint", hinted && !own.iter().any(says)),
            ("takes", matches!(item.kind, ItemKind::File(_))),
            ("sent", sent.is_some()),
            ("fault", !own.is_empty()),
        ];
        let described = beside.iter().filter(|(_, there)| *there).map(|(what, _)| format!("{}-{what}", item.id));
        ItemFacts {
            id: item.id.clone(),
            kind: item.kind.key(),
            label: self.text(&item.label, canonical),
            help: item.help.as_ref().map_or_else(String::new, |help| self.text(help, canonical)),
            unit: item.unit.as_ref().map_or_else(String::new, |unit| unit.in_language(self.language).to_string()),
            required: item.required,
            value: match item.kind {
                // One that is not there any more is not carried along.
                ItemKind::File(_) if !self.carries(item) => String::new(),
                _ => self.posted.typed(item),
            },
            optional: !item.required && !options.is_empty() && !matches!(item.kind, ItemKind::Choices(_)),
            unanswered: options.iter().all(|option| !option.chosen),
            options,
            expected: Some(expected),
            hinted,
            described: described.collect::<Vec<_>>().join(" "),
            faults: own,
            mode,
            complete: if item.personal { "on" } else { "off" },
            most,
            other: other.map(|other| Box::new(self.item(reader, other, faults, canonical))),
            wide: false,
            rows: item.matrix.iter().map(|_| self.row_of(item)).collect(),
            accept: accepted(item),
            sent,
        }
    }

    /// Marks an item as the row of a matrix, until its rows are put together.
    fn row_of(&self, item: &Item) -> ItemFacts {
        ItemFacts {
            id: format!("{}-matrix", item.matrix.as_deref().unwrap_or_default()),
            kind: "matrix",
            label: String::new(),
            help: String::new(),
            unit: String::new(),
            required: false,
            value: String::new(),
            options: Vec::new(),
            optional: false,
            unanswered: true,
            expected: None,
            hinted: false,
            described: String::new(),
            faults: Vec::new(),
            mode: "text",
            complete: "off",
            most: 0,
            other: None,
            wide: false,
            rows: Vec::new(),
            accept: String::new(),
            sent: None,
        }
    }
}

/// Whether a page says what an item takes before anything is typed: where it has a form to be kept, or limits that refuse.
fn is_hinted(item: &Item, expected: &Expected) -> bool {
    match item.kind {
        ItemKind::Date | ItemKind::Time | ItemKind::DateTime | ItemKind::Decimal { .. } => true,
        ItemKind::Integer => expected.low.is_some() || expected.high.is_some(),
        _ => false,
    }
}

/// Which keyboard a telephone is asked for, and how much can be typed.
fn keyboard(item: &Item) -> (&'static str, usize) {
    // The keyboards of digits have no sign on some telephones: they are for what is never below zero.
    let unsigned = item.hard.min.as_ref().is_some_and(|min| !min.is_negative());
    match &item.kind {
        ItemKind::Integer if unsigned => ("numeric", 40),
        ItemKind::Decimal { .. } if unsigned => ("decimal", 40),
        ItemKind::Integer | ItemKind::Decimal { .. } | ItemKind::Date | ItemKind::Time | ItemKind::DateTime => {
            ("text", 40)
        }
        ItemKind::File(rule) => ("text", usize::try_from(rule.most_bytes).unwrap_or(usize::MAX)),
        _ => ("text", limits::ANSWER_CHARS),
    }
}

/// Endings of the names of files that an item takes, as browsers want them: `.pdf,.jpg`.
fn accepted(item: &Item) -> String {
    let ItemKind::File(rule) = &item.kind else { return String::new() };
    let endings = rule.types.iter().flat_map(|kind| kind.endings()).map(|ending| format!(".{ending}"));
    endings.collect::<Vec<_>>().join(",")
}

/// Puts neighbors of one matrix under one head.
fn rows_together(items: Vec<ItemFacts>) -> Vec<ItemFacts> {
    let mut whole: Vec<ItemFacts> = Vec::with_capacity(items.len());
    for mut item in items {
        let Some(head) = item.rows.pop() else {
            whole.push(item);
            continue;
        };
        match whole.last_mut() {
            Some(last) if last.id == head.id && last.kind == head.kind => {
                last.optional |= item.optional;
                last.rows.push(item);
            }
            _ => {
                let (options, optional) = (item.options.clone(), item.optional);
                let wide = options.len() > limits::MATRIX_COLUMNS;
                whole.push(ItemFacts { options, optional, wide, rows: vec![item], ..head });
            }
        }
    }
    whole
}

pub(in crate::web) fn put(facts: &mut Value, key: &str, value: Value) {
    if let Some(object) = facts.as_object_mut() {
        object.insert(key.to_string(), value);
    }
}

/// What an item offers to choose from.
fn options(reader: &Reader<'_>, item: &Item, chosen: &[&str]) -> Vec<OptionFacts> {
    let language = reader.language;
    let offered: Vec<(String, String)> = match &item.kind {
        ItemKind::Choice(Choices::Listed(listed)) | ItemKind::Choices(Choices::Listed(listed)) => {
            listed.iter().map(|one| (one.code.clone(), one.label.in_language(language).to_string())).collect()
        }
        ItemKind::Choice(Choices::Sites) | ItemKind::Choices(Choices::Sites) => {
            let own = reader.study.sites.iter().filter(|site| reader.person.acts_for(&site.code));
            own.map(|site| (site.code.clone(), site.name.in_language(language).to_string())).collect()
        }
        ItemKind::YesNo => {
            let word = |code: &str| (code.to_string(), crate::letters::words::yes_no(language, code).to_string());
            vec![word("yes"), word("no")]
        }
        ItemKind::Scale { low, high } => {
            (*low..=*high).take(limits::CHOICES).map(|step| (step.to_string(), String::new())).collect()
        }
        _ => Vec::new(),
    };
    let option = |(at, (code, label)): (usize, (String, String))| OptionFacts {
        place: at + 1,
        chosen: chosen.contains(&code.as_str()),
        label: if label.is_empty() { code.clone() } else { label },
        code,
    };
    offered.into_iter().enumerate().map(option).collect()
}

/// A participant is none of the staff, and acts for every site.
pub(in crate::web) static NOBODY: LazyLock<Person> = LazyLock::new(|| Person {
    id: String::new(),
    name: Text::default(),
    addresses: Vec::new(),
    roles: Vec::new(),
    sites: Vec::new(),
    language: None,
    representative: None,
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{self, Bundle, samples};

    #[test]
    fn a_number_below_zero_can_be_typed_wherever_it_may_be_given() {
        let mode = |kind: &str, hard: &str| {
            let mut files = samples::wellbeing().files().clone();
            let form = files.get_mut("instruments/weekly.toml").unwrap();
            let label = "label = { ja = \"変化\", en = \"Change\" }";
            let item = format!("[[items]]\nid = \"change\"\nkind = {kind}\n{label}\n{hard}\n\n[[checks]]");
            *form = form.replacen("[[checks]]", &item, 1);
            let study = definition::load(&Bundle::from_files(files)).unwrap().0;
            keyboard(study.find_instrument("weekly").unwrap().find("change").unwrap()).0
        };
        for (kind, digits) in [("\"integer\"", "numeric"), ("\"decimal\"\nplaces = 1", "decimal")] {
            for (hard, expected) in [
                ("", "text"),
                ("hard = { max = 9 }", "text"),
                ("hard = { min = -5, max = 9 }", "text"),
                ("soft = { min = 0, max = 9 }", "text"),
                ("hard = { min = 0, max = 9 }", digits),
                ("hard = { min = 1, max = 9 }", digits),
            ] {
                assert_eq!(mode(kind, hard), expected, "{kind} {hard}");
            }
        }
    }
}
