//! The lines of a mail → a form: keys matched to items, answers read, faults in the order of the items.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::value::{self, Wrong};
use super::{Answer, Fault, FaultCode, Form, Line, Value};
use crate::domain::expression::{Expression, ExpressionError, Scope};
use crate::domain::file::FileAnswer;
use crate::domain::instrument::{Check, Instrument, Item, ItemKind, other_id};
use crate::domain::study::{Criterion, Study};
use crate::domain::text;
use crate::limits;

/// Item name of a fault that concerns the mail as a whole.
pub const BODY: &str = "body";

/// Parts the differing answers of one item in [`Form::typed`] and [`Fault::typed`].
const CONFLICT_MARK: &str = " / ";

/// Reads the lines of a mail (or of a page) as a form of `instrument`, on the day `today` of the study's zone.
///
/// Never fails: what cannot be read is a fault of the form, and so is what does not go with other answers; that is told of last. Keys that match no item are kept in [`Form::unknown`], as are
/// answers to items that are not asked (their `when` is false).
pub fn read_form(study: &Study, instrument: &Instrument, lines: &[Line], today: NaiveDate) -> Form {
    read(study, instrument, lines, None, &Known::new(), today)
}

/// What is known of a person before a form is filled in, by the names that its rules may use beside its items; none of what is blank.
pub type Known = BTreeMap<String, Option<Value>>;

/// The files that came with a page, by item, or what is wrong with what was sent for one and how that was called.
pub type Uploads = BTreeMap<String, Result<FileAnswer, (FaultCode, String)>>;

/// Reads a page as [`read_form`] does, and the files that came with it: only there a file is asked for.
pub fn read_page(study: &Study, instrument: &Instrument, lines: &[Line], files: &Uploads, today: NaiveDate) -> Form {
    read(study, instrument, lines, Some(files), &Known::new(), today)
}

/// Reads a page as [`read_page`] does, of somebody of whom something is known.
pub fn read_knowing(
    study: &Study,
    instrument: &Instrument,
    (lines, files): (&[Line], &Uploads),
    known: &Known,
    today: NaiveDate,
) -> Form {
    read(study, instrument, lines, Some(files), known, today)
}

fn read(
    study: &Study,
    instrument: &Instrument,
    lines: &[Line],
    files: Option<&Uploads>,
    known: &Known,
    today: NaiveDate,
) -> Form {
    let mut form = Form::default();
    if lines.is_empty() && files.is_none() {
        form.faults.push(Fault {
            item: BODY.to_string(),
            code: FaultCode::Empty,
            typed: String::new(),
            expected: String::new(),
        });
        return form;
    }
    let (typed, unknown) = sort(instrument, lines);
    form.unknown = unknown;
    let own = instrument.items.iter().map(|item| item.id.as_str());
    let mut scope = Scope::blank(own.chain(known.keys().map(String::as_str)), today);
    for (name, value) in known {
        if let Some(value) = value {
            scope.set(name, value);
        }
    }
    let mut reader = Reader { study, today, files, scope, unsure: BTreeSet::new(), form };
    for item in &instrument.items {
        let own = typed.get(item.id.as_str()).map_or(&[][..], Vec::as_slice);
        match meant(item, own, &typed) {
            Some(chosen) => reader.read_item(item, &[&chosen]),
            None => reader.read_item(item, own),
        }
    }
    for check in &instrument.checks {
        reader.check(check);
    }
    reader.form
}

/// The study's criteria that the answers of a faultless form do not meet, in their order.
///
/// # Errors
/// [`ExpressionError`] where a rule cannot be evaluated; a checked bundle has none such.
pub fn unmet<'s>(study: &'s Study, form: &Form, today: NaiveDate) -> Result<Vec<&'s Criterion>, ExpressionError> {
    let instrument = study.registration_instrument();
    let scope = Scope::blank(instrument.items.iter().map(|item| item.id.as_str()), today).with(&form.answers);
    let mut unmet = Vec::new();
    for criterion in &study.eligibility {
        if !criterion.rule.holds(&scope)? {
            unmet.push(criterion);
        }
    }
    Ok(unmet)
}

/// The items that a mail key can mean, by folded id, label and alias. Definition admits no key of two items.
pub fn keys(instrument: &Instrument) -> &BTreeMap<String, String> {
    instrument.keys.0.get_or_init(|| {
        let mut keys = BTreeMap::new();
        for item in instrument.items.iter().filter(|item| is_typed(&item.kind)) {
            let labels = item.label.wordings().map(|(_, label)| label);
            for key in [item.id.as_str()].into_iter().chain(labels).chain(item.aliases.iter().map(String::as_str)) {
                keys.entry(text::fold_tight(key)).or_insert_with(|| item.id.clone());
            }
        }
        keys
    })
}

/// The item that a key means, the calculated ones among them: whoever names one of these is to be told so.
pub fn find_named<'i>(instrument: &'i Instrument, key: &str) -> Option<&'i Item> {
    let folded = [text::fold_tight(key), text::fold_key_undecorated(key)];
    let own = keys(instrument);
    if let Some(id) = folded.iter().find_map(|key| own.get(key)) {
        return instrument.find(id);
    }
    let mut calculated = instrument.items.iter().filter(|item| matches!(item.kind, ItemKind::Calculation(_)));
    calculated.find(|item| {
        let labels = item.label.wordings().map(|(_, label)| label);
        let mut names = [item.id.as_str()].into_iter().chain(labels).chain(item.aliases.iter().map(String::as_str));
        names.any(|name| folded.contains(&text::fold_tight(name)))
    })
}

/// Whether an answer of this kind comes in a mail.
fn is_typed(kind: &ItemKind) -> bool {
    !matches!(kind, ItemKind::File(_) | ItemKind::Heading | ItemKind::Calculation(_))
}

type Typed<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// Values by item, and the lines that belong to none.
fn sort<'a>(instrument: &'a Instrument, lines: &'a [Line]) -> (Typed<'a>, Vec<(String, String)>) {
    let keys = keys(instrument);
    let mut typed: Typed = BTreeMap::new();
    let mut unknown = Vec::new();
    for line in lines.iter().take(limits::KEYS) {
        let found = keys.get(&text::fold_tight(&line.key)).or_else(|| keys.get(&text::fold_key_undecorated(&line.key)));
        match found {
            Some(item) => typed.entry(item.as_str()).or_default().push(&line.value),
            None => unknown.push((text::without_controls(&line.key), text::without_controls(&line.value))),
        }
    }
    (typed, unknown)
}

/// Whoever writes the text beside a choice makes that choice, unless they made another: what to read then.
fn meant(item: &Item, own: &[&str], typed: &Typed<'_>) -> Option<String> {
    let choice = item.kind.other()?;
    let beside = typed.get(other_id(&item.id).as_str())?;
    if beside.iter().all(|value| is_blank(value)) {
        return None;
    }
    let filled: Vec<&str> = own.iter().copied().filter(|value| !is_blank(value)).collect();
    match (&item.kind, filled.as_slice()) {
        (_, []) => Some(choice.code.clone()),
        (ItemKind::Choices(_), [only]) => Some(format!("{only};{}", choice.code)),
        _ => None,
    }
}

struct Reader<'s> {
    study: &'s Study,
    today: NaiveDate,
    /// None of what came by mail, where no file is asked for.
    files: Option<&'s Uploads>,
    scope: Scope,
    /// Items whose answer is faulty: what depends on them cannot be told.
    unsure: BTreeSet<String>,
    form: Form,
}

/// Whether an item is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Yes,
    No,
    /// It depends on an answer that is faulty.
    Unsure,
}

impl Reader<'_> {
    fn read_item(&mut self, item: &Item, typed: &[&str]) {
        let asked = self.asked(item);
        if asked != Asked::Yes {
            self.form.unasked.insert(item.id.clone());
        }
        if let ItemKind::Calculation(expression) = &item.kind {
            return self.calculate(item, expression, asked);
        }
        if matches!(item.kind, ItemKind::File(_)) {
            return self.file(item, asked);
        }
        let filled: Vec<&str> = typed.iter().copied().filter(|value| !is_blank(value)).collect();
        if asked == Asked::No {
            self.form.unknown.extend(filled.iter().map(|value| (item.id.clone(), text::without_controls(value))));
            return;
        }
        if filled.is_empty() {
            if item.required && asked == Asked::Yes && is_typed(&item.kind) {
                self.fault(item, String::new(), Wrong { code: FaultCode::Missing, expected: String::new() });
            }
            return;
        }
        let reading = self.read_agreeing(item, &filled);
        let distinct = distinct(&filled);
        let shown = match &reading {
            Err(wrong) if wrong.code == FaultCode::Conflict => distinct.join(CONFLICT_MARK),
            _ => distinct.into_iter().next().unwrap_or_default(),
        };
        self.form.typed.insert(item.id.clone(), shown.clone());
        match reading {
            Ok(value) => self.accept(item, shown, value),
            Err(wrong) => self.fault(item, shown, wrong),
        }
    }

    fn file(&mut self, item: &Item, asked: Asked) {
        let Some(files) = self.files.filter(|_| asked == Asked::Yes) else { return };
        match files.get(&item.id) {
            Some(Ok(file)) => {
                let shown = file.shown();
                self.form.typed.insert(item.id.clone(), shown.clone());
                self.accept(item, shown, Value::File(file.clone()));
            }
            Some(Err((code, called))) => {
                self.fault(item, called.clone(), Wrong { code: *code, expected: String::new() });
            }
            None if item.required => {
                self.fault(item, String::new(), Wrong { code: FaultCode::Missing, expected: String::new() });
            }
            None => {}
        }
    }

    /// The one value of all the texts typed for an item.
    fn read_agreeing(&self, item: &Item, filled: &[&str]) -> Result<Value, Wrong> {
        let mut readings = filled.iter().map(|typed| (*typed, value::read(self.study, item, typed, self.today)));
        let (first_typed, first) = match readings.next() {
            Some(first) => first,
            None => return Err(Wrong { code: FaultCode::Missing, expected: String::new() }),
        };
        for (typed, reading) in readings {
            let same = match (&first, &reading) {
                (Ok(one), Ok(other)) => one == other,
                _ => text::fold(first_typed) == text::fold(typed),
            };
            if !same {
                return Err(Wrong { code: FaultCode::Conflict, expected: String::new() });
            }
        }
        first
    }

    fn accept(&mut self, item: &Item, typed: String, value: Value) {
        if let Some(expected) = value::outside(&item.soft, &value, self.today) {
            let (item, typed) = (item.id.clone(), typed.clone());
            self.form.doubts.push(Fault { item, code: FaultCode::Range, typed, expected });
        }
        self.scope.set(&item.id, &value);
        self.form.answers.insert(item.id.clone(), Answer { typed, value });
    }

    fn fault(&mut self, item: &Item, typed: String, wrong: Wrong) {
        self.unsure.insert(item.id.clone());
        self.form.faults.push(Fault { item: item.id.clone(), code: wrong.code, typed, expected: wrong.expected });
    }

    fn asked(&mut self, item: &Item) -> Asked {
        let Some(when) = &item.when else { return Asked::Yes };
        if when.names().any(|name| self.unsure.contains(name)) {
            self.unsure.insert(item.id.clone());
            return Asked::Unsure;
        }
        match when.holds(&self.scope) {
            Ok(true) => Asked::Yes,
            Ok(false) => Asked::No,
            Err(_) => Asked::Unsure,
        }
    }

    /// What depends on a faulty answer cannot be told, and what is blank holds.
    fn check(&mut self, check: &Check) {
        let unsure = check.rule.names().any(|name| self.unsure.contains(name));
        let (false, Ok(false), Some(last)) = (unsure, check.rule.holds(&self.scope), check.items.last()) else {
            return;
        };
        // Told of the last of its items: by then all of them were asked.
        let typed = self.form.typed.get(last).cloned().unwrap_or_default();
        let fault = Fault { item: last.clone(), code: FaultCode::Check, typed, expected: check.id.clone() };
        if check.hard { self.form.faults.push(fault) } else { self.form.doubts.push(fault) }
    }

    fn calculate(&mut self, item: &Item, expression: &Expression, asked: Asked) {
        if asked != Asked::Yes || expression.names().any(|name| self.unsure.contains(name)) {
            self.unsure.insert(item.id.clone());
            return;
        }
        // A blank input makes the result blank: definition has checked that nothing else can go wrong but a division by zero.
        if let Ok(Some(value)) = expression.value(&self.scope) {
            match value::outside(&item.hard, &value, self.today) {
                Some(expected) => self.fault(item, value.canonical(), Wrong { code: FaultCode::Range, expected }),
                None => self.accept(item, String::new(), value),
            }
        }
    }
}

fn is_blank(value: &str) -> bool {
    value.chars().all(|c| c.is_whitespace() || text::is_invisible(c))
}

/// The texts without control characters, each once, trimmed.
fn distinct(filled: &[&str]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for value in filled {
        let shown = text::without_controls(value).trim().to_string();
        if !distinct.contains(&shown) {
            distinct.push(shown);
        }
    }
    distinct
}
