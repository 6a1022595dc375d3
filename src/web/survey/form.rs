//! A form on a page: what templates read of its items, and what a posted page says.

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::answer::{Form, Line};
use crate::domain::instrument::{Choices, Instrument, Item, ItemKind};
use crate::domain::language::{Language, Text};
use crate::domain::study::{Person, Study};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::letters::facts::{Expected, FaultLine, Reader, Shown};
use crate::limits;

/// Names of fields that are none of the items': an item's id begins with a letter.
const MARK: &str = "_mark";
const STEP: &str = "_step";
const LANGUAGE: &str = "_lang";
const GUARD: &str = "_guard";

/// What a button of the page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The answers are complete: look at them, or send them.
    Answer,
    /// Back to the form.
    Change,
    /// Send what was shown.
    Send,
}

/// A posted page: fields as the browser sent them.
#[derive(Debug)]
pub(super) struct Posted(Vec<(String, String)>);

impl Posted {
    pub(super) fn new(mut fields: Vec<(String, String)>) -> Posted {
        fields.truncate(limits::FORM_FIELDS);
        Posted(fields)
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str());
        own.filter(|value| !value.is_empty())
    }

    pub(super) fn mark(&self) -> Option<Mark> {
        self.find(MARK).and_then(Mark::parse)
    }

    pub(super) fn language(&self) -> Option<&str> {
        self.find(LANGUAGE)
    }

    pub(super) fn guard(&self) -> Option<&str> {
        self.find(GUARD)
    }

    pub(super) fn step(&self) -> Step {
        match self.find(STEP) {
            Some("send") => Step::Send,
            Some("change") => Step::Change,
            _ => Step::Answer,
        }
    }

    /// What was typed for an item; of several boxes ticked, their codes in a row.
    fn typed(&self, item: &Item) -> String {
        self.all(&item.id).collect::<Vec<_>>().join(";")
    }

    /// The fields as the lines of a mail would be, so that both are read by the same rules.
    pub(super) fn lines(&self, instrument: &Instrument) -> Vec<Line> {
        let line = |(at, item): (usize, &Item)| Line {
            key: item.id.clone(),
            // A browser ends lines by CR LF (HTML, "constructing entry lists").
            value: self.typed(item).replace("\r\n", "\n"),
            number: at + 1,
        };
        instrument.items.iter().enumerate().map(line).collect()
    }
}

/// A form as its templates read it.
pub(super) struct FormPage {
    items: Vec<ItemFacts>,
    /// Faults in the order of the items, for the list above the form.
    faults: Vec<FaultFacts>,
    doubts: Vec<FaultLine>,
    shown: Vec<Shown>,
    fields: Vec<(String, String)>,
}

#[derive(Clone, Debug, Serialize)]
struct FaultFacts {
    id: String,
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
    expected: Option<Expected>,
    faults: Vec<FaultLine>,
    mode: &'static str,
    complete: &'static str,
    most: usize,
}

#[derive(Clone, Debug, Serialize)]
struct OptionFacts {
    code: String,
    label: String,
    chosen: bool,
}

impl FormPage {
    /// The form, empty.
    pub(super) fn blank(study: &Study, instrument: &Instrument, now: Instant, language: Language) -> FormPage {
        let posted = Posted(Vec::new());
        FormPage::new(study, instrument, &Form::default(), &posted, now, language)
    }

    /// The form as it was filled in, with what is wrong.
    pub(super) fn filled(
        study: &Study,
        instrument: &Instrument,
        form: &Form,
        posted: &Posted,
        now: Instant,
        language: Language,
    ) -> FormPage {
        FormPage::new(study, instrument, form, posted, now, language)
    }

    fn new(
        study: &Study,
        instrument: &Instrument,
        form: &Form,
        posted: &Posted,
        now: Instant,
        language: Language,
    ) -> FormPage {
        let person = nobody();
        let reader = Reader { study, person: &person, today: now.day_in(study.zone), language };
        let faults = form
            .faults
            .iter()
            .map(|fault| FaultFacts { id: fault.item.clone(), fault: FaultLine::fault(&reader, instrument, fault) });
        let faults: Vec<FaultFacts> = faults.collect();
        let items = instrument.items.iter().filter(|item| !matches!(item.kind, ItemKind::Calculation(_)));
        let items = items.map(|item| {
            let own = faults.iter().filter(|fault| fault.id == item.id).map(|fault| fault.fault.clone());
            ItemFacts::new(&reader, item, posted, own.collect())
        });
        let fields = instrument
            .items
            .iter()
            .flat_map(|item| posted.all(&item.id).map(|value| (item.id.clone(), value.to_string())));
        FormPage {
            items: items.collect(),
            doubts: form.doubts.iter().map(|doubt| FaultLine::doubt(&reader, instrument, doubt)).collect(),
            shown: Shown::own(study, instrument, &form.canonical(), language),
            fields: fields.collect(),
            faults,
        }
    }

    /// Adds the form to the facts of a page.
    pub(super) fn state(&self, facts: &mut Value, mark: &Mark) {
        let Some(object) = facts.as_object_mut() else { return };
        let fields: Vec<Value> =
            self.fields.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        object.insert("items".to_string(), json!(self.items));
        object.insert("faults".to_string(), json!(self.faults));
        object.insert("doubts".to_string(), json!(self.doubts));
        object.insert("shown".to_string(), json!(self.shown));
        object.insert("fields".to_string(), json!(fields));
        object.insert("mark".to_string(), json!(mark.text()));
        object.insert("again".to_string(), json!(false));
    }
}

impl ItemFacts {
    fn new(reader: &Reader<'_>, item: &Item, posted: &Posted, faults: Vec<FaultLine>) -> ItemFacts {
        let text =
            |text: Option<&Text>| text.map_or_else(String::new, |text| text.in_language(reader.language).to_string());
        let chosen: Vec<&str> = posted.all(&item.id).collect();
        let (mode, most) = match &item.kind {
            ItemKind::Integer => ("numeric", 40),
            ItemKind::Decimal { .. } => ("decimal", 40),
            ItemKind::Date | ItemKind::Time | ItemKind::DateTime => ("text", 40),
            _ => ("text", limits::ANSWER_CHARS),
        };
        ItemFacts {
            id: item.id.clone(),
            kind: item.kind.key(),
            label: item.label.in_language(reader.language).to_string(),
            help: text(item.help.as_ref()),
            unit: text(item.unit.as_ref()),
            required: item.required,
            value: posted.typed(item),
            options: options(reader, item, &chosen),
            expected: Some(Expected::of(reader, item)),
            faults,
            mode,
            complete: if item.personal { "on" } else { "off" },
            most,
        }
    }
}

/// What an item offers to choose from.
fn options(reader: &Reader<'_>, item: &Item, chosen: &[&str]) -> Vec<OptionFacts> {
    let option = |code: &str, label: &str| OptionFacts {
        code: code.to_string(),
        label: if label.is_empty() { code.to_string() } else { label.to_string() },
        chosen: chosen.contains(&code),
    };
    let language = reader.language;
    match &item.kind {
        ItemKind::Choice(Choices::Listed(listed)) | ItemKind::Choices(Choices::Listed(listed)) => {
            listed.iter().map(|one| option(&one.code, one.label.in_language(language))).collect()
        }
        ItemKind::Choice(Choices::Sites) | ItemKind::Choices(Choices::Sites) => {
            let own = reader.study.sites.iter().filter(|site| reader.person.acts_for(&site.code));
            own.map(|site| option(&site.code, site.name.in_language(language))).collect()
        }
        ItemKind::YesNo => {
            let words = [
                ("yes", crate::letters::words::yes_no(language, "yes")),
                ("no", crate::letters::words::yes_no(language, "no")),
            ];
            words.into_iter().map(|(code, label)| option(code, label)).collect()
        }
        ItemKind::Scale { low, high } => {
            (*low..=*high).take(limits::CHOICES).map(|step| option(&step.to_string(), "")).collect()
        }
        _ => Vec::new(),
    }
}

/// A participant is none of the staff, and acts for every site.
fn nobody() -> Person {
    Person {
        id: String::new(),
        name: Text::default(),
        addresses: Vec::new(),
        roles: Vec::new(),
        sites: Vec::new(),
        language: None,
    }
}
