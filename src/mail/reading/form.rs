//! A form in a mail's text, or in a file: which lines answer which item, and whether readers could disagree.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::content::{self, Content};
use super::header::Header;
use super::read::World;
use super::reason::Reason;
use super::vocabulary::vocabulary;
use super::{charset, cut, lines, structure};
use crate::domain::answer::{self, BODY, Fault, FaultCode, Form, Line};
use crate::domain::instrument::Instrument;
use crate::domain::study::Study;
use crate::domain::text;
use crate::limits;

/// The form in the text, or why readers could disagree about it.
pub(super) fn fill(
    world: &World<'_>,
    study: &Study,
    instrument: &Instrument,
    content: &Content,
) -> Result<Form, Reason> {
    if content.undecidable {
        return Ok(body_fault(FaultCode::Charset));
    }
    let today = world.now.day_in(study.zone);
    let form = fill_text(study, instrument, &content.text, today)?;
    if let Some(twin) = &content.twin {
        let other = fill_text(study, instrument, twin, today)?;
        // Programs that only ask for another reader, or write one cell of a table to a line, say nothing of their own.
        if form.typed.is_empty() && form.rescreens.is_none() && !other.typed.is_empty() {
            return Ok(other);
        }
        if !agree(&form, &other, twin) {
            return Err(Reason::TwinsDiffer);
        }
    }
    Ok(form)
}

/// Whether somebody filled in the form by which participants of the study enroll themselves.
pub(super) fn enrolls(world: &World<'_>, study: &Study, content: &Content) -> bool {
    let filled = || fill(world, study, study.registration_instrument(), content);
    study.enrolls_itself() && filled().is_ok_and(|form| !form.typed.is_empty())
}

pub(super) fn fill_text(study: &Study, instrument: &Instrument, text: &str, today: NaiveDate) -> Result<Form, Reason> {
    let keys = answer::keys(instrument);
    let known = |key: &str| {
        let (bare, item) = (text::fold_key_undecorated(key), keys.get(&text::fold(key)));
        let rescreens = || {
            let words = &vocabulary().rescreenings;
            (words.contains(&text::fold_tight(key)) || words.contains(&bare)).then(|| RESCREENS.to_owned())
        };
        item.or_else(|| keys.get(&bare)).cloned().or_else(rescreens)
    };
    let (lines, _) = lines::split(&cut::cut(text, &known), &known, &lines::reaches(instrument));
    if lines.len() > limits::KEYS {
        return Err(Reason::KeyCount);
    }
    let (links, lines): (Vec<Line>, Vec<Line>) =
        lines.into_iter().partition(|line| known(&line.key).as_deref() == Some(RESCREENS));
    let form = Form { rescreens: earlier(&links), ..answer::read_form(study, instrument, &lines, today) };
    Ok(if form.typed.is_empty() { Form { unknown: form.unknown, ..body_fault(FaultCode::Empty) } } else { form })
}

/// Stands for the key of the earlier subject among the ids of items; no id has a blank in it.
const RESCREENS: &str = "the earlier subject";

/// The earlier subject as typed; of several all, which is none.
fn earlier(links: &[Line]) -> Option<String> {
    let mut named: Vec<String> = Vec::new();
    for link in links {
        let value = text::clean(&text::without_controls(&link.value), limits::DEED_SUBJECT_CHARS);
        if !value.is_empty() && !named.iter().any(|other| text::fold_tight(other) == text::fold_tight(&value)) {
            named.push(value);
        }
    }
    (!named.is_empty()).then(|| named.join(" / "))
}

/// The registration form in a file: a mail as it was saved, or the lines of a form by themselves. Who sent it is not looked at.
///
/// # Errors
/// Why a mail of that content would be held.
pub fn form_in_file(study: &Study, raw: &[u8], today: NaiveDate) -> Result<Form, Reason> {
    let familiar = |_: &str| 0;
    let header = Header::parse(raw);
    if !(header.has("from") && (header.has("date") || header.has("message-id"))) {
        return match charset::decode(raw, None, &familiar) {
            Ok(decoded) => fill_text(study, study.registration_instrument(), &decoded.text, today),
            Err(_) => Ok(body_fault(FaultCode::Charset)),
        };
    }
    let (root, problems) = structure::split(header.clone());
    let content = content::read(&root, &familiar);
    match problems.iter().chain(&header.problems).chain(&content.problems).next() {
        Some(problem) => Err(*problem),
        None if content.undecidable => Ok(body_fault(FaultCode::Charset)),
        None => fill_text(study, study.registration_instrument(), &content.text, today),
    }
}

/// What was seen in a quotation and is not taken: it is shown to the sender, filled in.
pub(super) fn unread(seen: Form) -> Form {
    Form { faults: body_fault(FaultCode::Quoted).faults, ..seen }
}

fn body_fault(code: FaultCode) -> Form {
    let fault = Fault { item: BODY.to_string(), code, typed: String::new(), expected: String::new() };
    Form { faults: vec![fault], ..Form::default() }
}

/// Whether a text and its HTML twin say the same: what both say must be alike, the twin may say nothing of its own, and what
/// only the text says as data must at least stand somewhere in the twin.
pub(super) fn agree(form: &Form, other: &Form, twin: &str) -> bool {
    let meaning =
        |form: &Form, item: &str| form.value(item).or_else(|| form.typed.get(item).map(|typed| text::fold(typed)));
    let items: BTreeSet<&String> = form.typed.keys().chain(other.typed.keys()).collect();
    let squeezed = |text: &str| text::fold(text).replace(char::is_whitespace, "");
    let whole = squeezed(twin);
    let linked = match (&form.rescreens, &other.rescreens) {
        (Some(one), Some(two)) => squeezed(one) == squeezed(two),
        (Some(one), None) => whole.contains(&squeezed(one)),
        (None, linked) => linked.is_none(),
    };
    linked
        && items.into_iter().all(|item| match (meaning(form, item), meaning(other, item)) {
            (Some(one), Some(two)) => one == two || squeezed(&one) == squeezed(&two),
            (None, _) => false,
            (Some(_), None) => form.typed.get(item).is_some_and(|typed| whole.contains(&squeezed(typed))),
        })
}
