//! Forms of events of a subject's course: of which subject, which event and form, and the form that was filled in.
//!
//! Above its items such a form has lines of its own: the subject, the event, where it has several its form, and in a correction why. What
//! one of them says names something of the study, so that it is known whatever items the form has.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::cut;
use super::deed::says_subject;
use super::lines;
use super::reason::Reason;
use super::subject::{self, Subject};
use super::vocabulary::{Wish, vocabulary};
use crate::domain::answer::{self, Form, Line};
use crate::domain::event::Event;
use crate::domain::instrument::Instrument;
use crate::domain::language::Text;
use crate::domain::request::FollowUp;
use crate::domain::study::Study;
use crate::domain::text;
use crate::limits;

/// What a text says of a form of an event, and how.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) wanted: FollowUp,
    /// Whether a line names an event, or a form of one.
    pub(super) named: bool,
    /// Whether the subject line names an event.
    pub(super) titled: bool,
    /// Whether it answers items that no other form of the study has.
    pub(super) own: bool,
    /// Whether it names a subject or answers an item of an event's form.
    pub(super) keyed: bool,
    /// Whether it holds data of the registration beside the subject's reference and site.
    pub(super) registers: bool,
}

/// What a line of such a mail means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// The subject.
    Subject,
    /// The event.
    Event,
    /// Which of its forms.
    Form,
    /// Why what is on file is corrected.
    Reason,
    /// The subject's own reference, or its site, by the item's id.
    Named(String),
    /// An item of a form of an event.
    Own(String),
    /// Any other item of the registration.
    Registered,
}

/// Stands for the key of a reason among the ids of items; no id has a blank in it.
const REASON: &str = "the reason";

/// The subject line as one that asks for a form of an event: the names of events in it ask for nothing, and are no reference.
pub(super) fn seen(study: &Study, subject: &Subject) -> Subject {
    let mut rest = subject.rest.clone();
    let mut names: Vec<String> = study.events.iter().flat_map(names_of).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        while let Some(at) = find_name(&rest, &name) {
            rest.replace_range(at..at + name.len(), " ");
        }
    }
    let wide = text::fold_width(&subject.text);
    let tokens = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')));
        parts.map(str::to_owned).collect()
    };
    let number = tokens(&wide).into_iter().find(|token| study.parse_subject_number(token).is_some());
    let reference = || tokens(&rest).into_iter().find(|token| token.chars().any(|c| c.is_ascii_digit()));
    let reference = number.or_else(reference);
    Subject { wish: Some(subject::follow_up_wish(&rest)), rest, reference, ..subject.clone() }
}

/// Reads the sender's own lines of a text as a form of an event.
pub(super) fn read(study: &Study, subject: &Subject, content: &str, today: NaiveDate) -> Result<Said, Reason> {
    let every = forms(study);
    let meant = meant(study, &every, subject, &split(study, &every, content));
    let only = meant.form.map(|form| vec![form]);
    let forms = only.as_deref().unwrap_or(&every);
    let lines = split(study, forms, content);
    if lines.len() > limits::KEYS {
        return Err(Reason::KeyCount);
    }
    let registration = &study.registration;
    let (mut subjects, mut references, mut sites) = (Vec::new(), Vec::new(), Vec::new());
    let (mut form, mut reasons): (Vec<Line>, Vec<String>) = (Vec::new(), Vec::new());
    let (mut registers, mut answers, mut keys) = (false, 0, BTreeSet::new());
    for (line, key) in meanings(study, forms, lines) {
        let value = text::clean(&text::without_controls(&line.value), limits::DEED_SUBJECT_CHARS);
        match key {
            Some(Key::Subject) => add(&mut subjects, value),
            Some(Key::Named(item)) if item == registration.subject_item => add(&mut references, value),
            Some(Key::Named(_)) => add(&mut sites, value),
            Some(Key::Event | Key::Form) => {}
            Some(Key::Reason) => {
                add(&mut reasons, text::clean(&text::without_controls(&line.value), limits::DEED_REASON_CHARS));
            }
            Some(Key::Own(_)) => {
                if !value.is_empty() {
                    answers += 1;
                    keys.insert(line.key.clone());
                }
                form.push(line);
            }
            Some(Key::Registered) => {
                registers |= !value.is_empty();
                form.push(line);
            }
            None => form.push(line),
        }
    }
    // Of several subjects none is taken: one at a time.
    let one = |values: &[String]| if let [only] = values { only.clone() } else { String::new() };
    let mut who = if subjects.is_empty() { one(&references) } else { one(&subjects) };
    if who.is_empty() && subjects.is_empty() && references.is_empty() {
        who = seen(study, subject).reference.unwrap_or_default();
    }
    let filled = answers > 0;
    let wanted = FollowUp {
        event: meant.event.map(|event| event.id.clone()),
        instrument: meant.form.map(|form| form.id.clone()),
        fits: meant.fits,
        subject: who,
        site: Some(one(&sites)).filter(|site| !site.is_empty()),
        form: match meant.form {
            Some(instrument) if filled => answer::read_form(study, instrument, &form, today),
            _ => Form::default(),
        },
        lines: if filled { form } else { Vec::new() },
        reason: text::clean(&reasons.join("; "), limits::DEED_REASON_CHARS),
        which: text::clean(&meant.which, limits::DEED_SUBJECT_CHARS),
    };
    let keyed = filled || !subjects.is_empty() || !references.is_empty();
    let own = keys.iter().any(|key| !stands_elsewhere(study, key));
    Ok(Said { wanted, named: meant.named, titled: meant.titled, own, keyed, registers })
}

fn add(values: &mut Vec<String>, value: String) {
    if !value.is_empty() && !values.iter().any(|other| text::fold(other) == text::fold(&value)) {
        values.push(value);
    }
}

/// The forms of all events, each once.
fn forms(study: &Study) -> Vec<&Instrument> {
    let mut forms: Vec<&Instrument> = Vec::new();
    for form in study.events.iter().flat_map(|event| forms_of(study, event)) {
        if !forms.iter().any(|other| other.id == form.id) {
            forms.push(form);
        }
    }
    forms
}

fn forms_of<'s>(study: &'s Study, event: &'s Event) -> impl Iterator<Item = &'s Instrument> {
    event.instruments.iter().filter_map(|id| study.find_instrument(id))
}

fn split(study: &Study, forms: &[&Instrument], content: &str) -> Vec<Line> {
    let known = |key: &str| {
        key_meaning(study, forms, key).map(|key| match key {
            Key::Named(item) | Key::Own(item) => item,
            Key::Reason => REASON.to_owned(),
            Key::Subject | Key::Event | Key::Form | Key::Registered => String::new(),
        })
    };
    lines::split(&cut::cut(content, &known), &known, &reaches_in(study, forms)).0
}

/// How far the answers of any form of an event go.
pub(super) fn reaches(study: &Study) -> impl Fn(&str) -> lines::Reach {
    let forms = forms(study);
    move |item| reaches_in(study, &forms)(item)
}

fn reaches_in(study: &Study, forms: &[&Instrument]) -> impl Fn(&str) -> lines::Reach {
    move |item| match forms.iter().find(|form| form.find(item).is_some()) {
        _ if item == REASON => lines::Reach::Lines,
        Some(form) => lines::reaches(form)(item),
        None => lines::reaches(study.registration_instrument())(item),
    }
}

/// The item that a key of any form means, empty where it is none, as the cutting of quotations needs them.
pub(super) fn known_item(study: &Study, key: &str) -> Option<String> {
    key_meaning(study, &forms(study), key).map(|key| match key {
        Key::Named(item) | Key::Own(item) => item,
        _ => String::new(),
    })
}

/// The lines with what each means. A line that names an event, a form or a subject of ours does so once, whatever items there are.
fn meanings(study: &Study, forms: &[&Instrument], lines: Vec<Line>) -> Vec<(Line, Option<Key>)> {
    let mut told: Vec<Key> = Vec::new();
    let mut read = Vec::with_capacity(lines.len());
    for line in lines {
        let head = head_meaning(study, &line).filter(|key| !told.contains(key));
        told.extend(head.clone());
        let key = head.or_else(|| key_meaning(study, forms, &line.key));
        read.push((line, key));
    }
    read
}

/// What a line means by its key and by what it names.
fn head_meaning(study: &Study, line: &Line) -> Option<Key> {
    let (words, value) = (vocabulary(), text::fold(&line.value));
    if says(&words.events, &line.key) && study.events.iter().any(|event| is_named(&event.id, &event.name, &value)) {
        Some(Key::Event)
    } else if says_subject(&line.key) && study.parse_subject_number(&line.value).is_some() {
        Some(Key::Subject)
    } else if says(&words.event_forms, &line.key)
        && forms(study).iter().any(|form| is_named(&form.id, &form.title, &value))
    {
        Some(Key::Form)
    } else {
        None
    }
}

/// What a key means; an item of a form before all else.
fn key_meaning(study: &Study, forms: &[&Instrument], key: &str) -> Option<Key> {
    let words = vocabulary();
    if let Some(item) = forms.iter().find_map(|form| item_of(form, key)) {
        return Some(Key::Own(item));
    }
    let registration = &study.registration;
    match item_of(study.registration_instrument(), key) {
        _ if says(&words.correction_reasons, key) => Some(Key::Reason),
        Some(item) if item == registration.subject_item || registration.site_item.as_ref() == Some(&item) => {
            Some(Key::Named(item))
        }
        _ if says_subject(key) => Some(Key::Subject),
        Some(_) => Some(Key::Registered),
        None if says(&words.events, key) => Some(Key::Event),
        None if says(&words.event_forms, key) => Some(Key::Form),
        None if says(&words.deed_reasons, key) => Some(Key::Reason),
        None => None,
    }
}

fn item_of(form: &Instrument, key: &str) -> Option<String> {
    let keys = answer::keys(form);
    keys.get(&text::fold_tight(key)).or_else(|| keys.get(&text::fold_key_undecorated(key))).cloned()
}

fn says(words: &[String], key: &str) -> bool {
    words.contains(&text::fold_tight(key)) || words.contains(&text::fold_key_undecorated(key))
}

/// Whether a key is that of an item of the registration or of a further randomization, too.
fn stands_elsewhere(study: &Study, key: &str) -> bool {
    let further = study.randomizations.iter().filter_map(|own| study.find_instrument(&own.instrument));
    std::iter::once(study.registration_instrument()).chain(further).any(|form| item_of(form, key).is_some())
}

/// Which event and form a mail means.
struct Meant<'s> {
    event: Option<&'s Event>,
    /// The form, or where it cannot be told the one that fits best what was typed.
    form: Option<&'s Instrument>,
    fits: bool,
    /// Values of lines for the event that name none.
    which: String,
    named: bool,
    titled: bool,
}

/// The event that a line names; else the one in the subject line; else the only one; else the only one with a form that what was typed
/// belongs to. Its form likewise.
fn meant<'s>(study: &'s Study, every: &[&'s Instrument], subject: &Subject, lines: &[Line]) -> Meant<'s> {
    let (mut events, mut titles, mut which): (Vec<&Event>, Vec<&Instrument>, Vec<&str>) = Default::default();
    let mut typed: Vec<&Line> = Vec::new();
    let keyed = meanings(study, every, lines.to_vec()).into_iter().map(|(_, key)| key);
    for (line, key) in lines.iter().zip(keyed).filter(|(line, _)| !line.value.trim().is_empty()) {
        let value = text::fold(&line.value);
        match key {
            Some(Key::Event) => {
                let named = named_in(study, &value);
                if named.is_empty() {
                    which.push(line.value.trim());
                }
                events.extend(named);
            }
            Some(Key::Form) => titles.extend(every.iter().filter(|form| is_named(&form.id, &form.title, &value))),
            Some(Key::Own(_)) => typed.push(line),
            _ => {}
        }
    }
    events.sort_by_key(|event| study.events.iter().position(|other| other.id == event.id));
    events.dedup_by(|one, other| one.id == other.id);
    let count = |form: &Instrument| typed.iter().filter(|line| item_of(form, &line.key).is_some()).count();
    let holds_all = |form: &&Instrument| !typed.is_empty() && count(form) == typed.len();
    let in_subject = named_in(study, &subject.rest);
    let event = match (events.as_slice(), in_subject.as_slice(), study.events.as_slice()) {
        ([one], ..) => Some(*one),
        ([], [one], _) if which.is_empty() => Some(*one),
        ([], [], [one]) if which.is_empty() => Some(one),
        ([], [], _) if which.is_empty() => {
            let holds = |event: &&Event| forms_of(study, event).any(|form| holds_all(&form));
            let mut fitting = study.events.iter().filter(holds);
            fitting.next().filter(|_| fitting.next().is_none())
        }
        _ => None,
    };
    let offered: Vec<&Instrument> = match event {
        Some(event) => forms_of(study, event).collect(),
        None => every.to_vec(),
    };
    let titled: Vec<&&Instrument> =
        offered.iter().filter(|form| titles.iter().any(|other| other.id == form.id)).collect();
    let holding: Vec<&&Instrument> = offered.iter().filter(|form| holds_all(form)).collect();
    let form = match (titled.as_slice(), offered.as_slice(), holding.as_slice()) {
        ([one], ..) => Some(**one),
        ([], [one], _) => Some(*one),
        ([], _, [one]) => Some(**one),
        _ => None,
    };
    // Of those that fit equally well the first in the study's order.
    let best = || offered.iter().rev().filter(|form| count(form) > 0).max_by_key(|form| count(form)).copied();
    Meant {
        event,
        form: form.or_else(best),
        fits: form.is_none(),
        which: which.join(" / "),
        named: !events.is_empty() || !titles.is_empty(),
        titled: !in_subject.is_empty(),
    }
}

/// Whether a folded text is an id or a name.
fn is_named(id: &str, name: &Text, text: &str) -> bool {
    text == id || name.wordings().any(|(_, name)| text::fold(name) == *text)
}

/// The events that a folded text names: as a whole, else with other words. A name that stands in a longer one is not named by that.
fn named_in<'s>(study: &'s Study, text: &str) -> Vec<&'s Event> {
    let whole: Vec<&Event> = study.events.iter().filter(|event| is_named(&event.id, &event.name, text)).collect();
    if !whole.is_empty() {
        return whole;
    }
    let mut found: Vec<(usize, usize, &Event)> = Vec::new();
    for event in &study.events {
        for name in names_of(event) {
            found.extend(find_name(text, &name).map(|at| (at, at + name.len(), event)));
        }
    }
    let within = |one: &(usize, usize, &Event)| {
        found.iter().any(|(from, to, _)| *from <= one.0 && one.1 <= *to && to - from > one.1 - one.0)
    };
    let named = |event: &&Event| found.iter().any(|one| one.2.id == event.id && !within(one));
    study.events.iter().filter(named).collect()
}

/// How an event may be called, folded.
fn names_of(event: &Event) -> Vec<String> {
    let names = event.name.wordings().map(|(_, name)| text::fold(name));
    std::iter::once(event.id.clone()).chain(names).filter(|name| !name.is_empty()).collect()
}

/// Where a name stands in a folded text by itself: not in the middle of a Latin word or a number.
fn find_name(text: &str, name: &str) -> Option<usize> {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let runs_on = |one: Option<char>, other: Option<char>| one.is_some_and(letter) && other.is_some_and(letter);
    let stands = |at: &usize| {
        let (before, rest) = text.split_at(*at);
        let behind = rest.get(name.len()..).unwrap_or_default();
        !runs_on(before.chars().next_back(), name.chars().next())
            && !runs_on(name.chars().next_back(), behind.chars().next())
    };
    text.match_indices(name).map(|(at, _)| at).find(stands)
}

/// Whether a text and its HTML twin say the same of subject and event.
pub(super) fn names_same(one: &Said, other: &Said, twin: &str) -> bool {
    let squeezed = |text: &str| text::fold(text).replace(' ', "");
    let (own, others) = (squeezed(&one.wanted.subject), squeezed(&other.wanted.subject));
    let subject = own == others || other.wanted.subject.is_empty() && squeezed(twin).contains(&own);
    subject && (other.wanted.event.is_none() || one.wanted.event == other.wanted.event)
}

/// Whether a mail that asks for that is about a form of an event.
pub(super) fn is_meant(said: &Said, wish: Option<Wish>, subject: &Subject) -> bool {
    let filled = !said.wanted.form.typed.is_empty();
    match wish {
        Some(Wish::FollowUp) => !said.registers || filled && (said.named || said.own),
        Some(Wish::Form) => {
            let titled = subject.follows_up || said.titled && !subject.enrolls;
            filled && said.named || (said.named || titled || filled && said.own) && !said.registers
        }
        // Data decide before words.
        None => filled && (said.named || said.own && !said.registers),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{self, samples};
    use crate::mail::reading::subject::read_text;

    fn aurora() -> Study {
        definition::load(&samples::aurora()).expect("a sample").0
    }

    fn said(subject: &str, content: &str) -> Said {
        let today = NaiveDate::from_ymd_opt(2026, 12, 20).expect("a day");
        read(&aurora(), &read_text(subject), content, today).expect("few lines")
    }

    #[test]
    fn subject_event_and_form_in_both_languages() {
        for (subject, content) in [
            ("[AURORA] follow-up", "subject: AURORA-0001\nevent: week_4\nDate of visit: 2026-12-18\nWeight: 61.5"),
            ("[AURORA] 追跡調査", "症例番号：ＡＵＲＯＲＡ－０００１\n時期：４週後\n来院日：2026/12/18\n体重：６１．５"),
            ("[AURORA] follow-up week 4 AURORA-0001", "Date of visit: 2026-12-18\nWeight: 61.5"),
            ("[AURORA] 追跡調査 4週後 AURORA-0001", "来院日: 令和8年12月18日\n体重: 61.5 kg"),
        ] {
            let said = said(subject, content);
            assert_eq!(said.wanted.event.as_deref(), Some("week_4"), "{subject}");
            assert_eq!((said.wanted.instrument.as_deref(), said.wanted.fits), (Some("visit"), false));
            assert_eq!(aurora().parse_subject_number(&said.wanted.subject), Some(1), "{subject}");
            assert_eq!(said.wanted.form.value("visit_date").as_deref(), Some("2026-12-18"), "{content}");
            assert_eq!(said.wanted.form.value("weight").as_deref(), Some("61.5"));
            assert!(!said.registers, "{content}");
        }
    }

    #[test]
    fn an_item_may_be_called_as_the_lines_above_it() {
        let said = said("[AURORA] follow-up", "subject: AURORA-0001\nevent: adverse\nEvent: Nausea\nGrade: 2");
        assert_eq!(said.wanted.event.as_deref(), Some("adverse"));
        assert_eq!(said.wanted.form.value("event_term").as_deref(), Some("Nausea"));
        // Nothing but its items tells which event it is.
        let said = self::said("[AURORA] follow-up AURORA-0001", "Event: Nausea\nGrade: 2\nSerious: no");
        assert_eq!((said.wanted.event.as_deref(), said.wanted.which.as_str()), (Some("adverse"), ""));
    }

    #[test]
    fn which_of_several_events_is_not_guessed() {
        let open = said("[AURORA] follow-up AURORA-0001", "Date of visit: 2026-12-18\nWeight: 61.5");
        assert_eq!((open.wanted.event, open.wanted.instrument.as_deref()), (None, Some("visit")));
        let unknown = said("[AURORA] follow-up", "subject: AURORA-0001\nvisit: week 12\nWeight: 61.5");
        assert_eq!((unknown.wanted.event, unknown.wanted.which.as_str()), (None, "week 12"));
        let two = said("[AURORA] follow-up", "event: week_4\nvisit: Week 8\nWeight: 61.5");
        assert_eq!(two.wanted.event, None);
    }

    #[test]
    fn names_are_told_from_longer_ones() {
        let mut study = aurora();
        let today = NaiveDate::from_ymd_opt(2026, 12, 20).expect("a day");
        for (subject, event) in [
            ("[AURORA] 追跡調査 14週後", None),
            ("[AURORA] follow-up week 48", None),
            ("[AURORA] follow-up week_8", Some("week_8")),
        ] {
            let said = read(&study, &read_text(subject), "", today).expect("few lines");
            assert_eq!(said.wanted.event.as_deref(), event, "{subject}");
        }
        study.events[1].name = Text::new([
            (crate::domain::language::Language::Ja, "4週後の電話".into()),
            (crate::domain::language::Language::En, "Week 4 by telephone".into()),
        ]);
        for (subject, event) in [("week 4 by telephone", "week_8"), ("４週後の電話", "week_8"), ("week 4", "week_4")]
        {
            let said = read(&study, &read_text(&format!("[AURORA] follow-up {subject}")), "", today);
            assert_eq!(said.expect("few lines").wanted.event.as_deref(), Some(event), "{subject}");
        }
    }

    #[test]
    fn names_of_events_in_a_subject_ask_for_nothing() {
        let mut study = aurora();
        study.events[0].id = "withdrawal".into();
        for (subject, wish) in [
            ("[AURORA] follow-up withdrawal", Wish::FollowUp),
            ("[AURORA] follow-up form withdrawal", Wish::Form),
            ("[AURORA] follow-up (corrected)", Wish::FollowUp),
            ("[AURORA] 追跡調査 登録", Wish::FollowUp),
            ("[AURORA] unblind, follow-up", Wish::Deed(crate::domain::deed::Deed::Unblind)),
        ] {
            assert_eq!(seen(&study, &read_text(subject)).wish, Some(wish), "{subject}");
        }
        let reference = |subject: &str| seen(&study, &read_text(subject)).reference;
        assert_eq!(reference("[AURORA] follow-up week_8 AURORA-0012").as_deref(), Some("AURORA-0012"));
        assert_eq!(reference("[AURORA] follow-up week_8").as_deref(), None);
    }

    #[test]
    fn a_reason_stands_apart_from_the_form() {
        let said =
            said("[AURORA] 追跡調査", "症例番号: AURORA-0001\n時期: week_4\n訂正理由: 体重計の\n読み違い\n体重: 61");
        assert_eq!(said.wanted.reason, "体重計の 読み違い");
        assert_eq!(said.wanted.form.value("weight").as_deref(), Some("61"));
    }
}
