//! Requests for further randomizations: which one, of which subject, and the form that was filled in.

use chrono::NaiveDate;

use super::cut;
use super::deed::{SUBJECT, says_subject};
use super::lines;
use super::reason::Reason;
use super::subject::Subject;
use super::vocabulary::vocabulary;
use crate::domain::answer::{self, Line};
use crate::domain::request::Randomize;
use crate::domain::study::{Randomization, Study};
use crate::domain::text;
use crate::limits;

/// What a text says of a further randomization, and how.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) wanted: Randomize,
    /// Whether it names a subject or answers an item of the form.
    pub(super) keyed: bool,
    /// Whether it holds data of the registration beside the subject's reference and site.
    pub(super) registers: bool,
}

/// What a key of such a mail means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// The subject.
    Subject,
    /// Which randomization is meant.
    Which,
    /// The subject's own reference, or its site, by the item's id.
    Named(String),
    /// An item of a randomization's form.
    Own(String),
    /// Any other item of the registration.
    Registered,
}

/// Reads the sender's own lines of a text as a request for a further randomization.
pub(super) fn read(study: &Study, subject: &Subject, content: &str, today: NaiveDate) -> Result<Said, Reason> {
    let (own, told) = match which(study, subject, content) {
        Which::Told(own) => (Some(own), true),
        Which::Fits(own) => (Some(own), false),
        Which::Unknown => (None, false),
    };
    let means = |key: &str| meaning(study, own, key);
    let known = |key: &str| {
        means(key).map(|key| match key {
            Key::Subject => SUBJECT.to_owned(),
            Key::Named(item) | Key::Own(item) => item,
            Key::Which | Key::Registered => String::new(),
        })
    };
    let (lines, _) = lines::split(&cut::cut(content, &known), &known, &reaches(study));
    if lines.len() > limits::KEYS {
        return Err(Reason::KeyCount);
    }
    let registration = &study.registration;
    let (mut named, mut references, mut sites) = (Vec::new(), Vec::new(), Vec::new());
    let (mut form, mut registers): (Vec<Line>, bool) = (Vec::new(), false);
    let mut answers = 0;
    for line in lines {
        let value = text::clean(&text::without_controls(&line.value), limits::DEED_SUBJECT_CHARS);
        match means(&line.key) {
            Some(Key::Subject) => add(&mut named, value),
            Some(Key::Named(item)) if item == registration.subject_item => add(&mut references, value),
            Some(Key::Named(_)) => add(&mut sites, value),
            Some(Key::Registered) => registers |= !value.is_empty(),
            Some(Key::Which) => {}
            Some(Key::Own(_)) => {
                answers += usize::from(!value.is_empty());
                form.push(line);
            }
            None => form.push(line),
        }
    }
    // Of several subjects none is taken: one at a time.
    let one = |values: &[String]| if let [only] = values { only.clone() } else { String::new() };
    let mut who = if named.is_empty() { one(&references) } else { one(&named) };
    if who.is_empty() && named.is_empty() && references.is_empty() {
        who = subject.reference.clone().unwrap_or_default();
    }
    let read = |own: &Randomization| {
        let instrument = study.find_instrument(&own.instrument)?;
        // What stands in no form at all makes no form of it.
        (answers > 0).then(|| answer::read_form(study, instrument, &form, today))
    };
    let wanted = Randomize {
        randomization: own.filter(|_| told).map(|own| own.id.clone()),
        subject: who,
        site: Some(one(&sites)).filter(|site| !site.is_empty()),
        form: own.and_then(read).unwrap_or_default(),
        fits: own.filter(|_| !told && answers > 0).map(|own| own.id.clone()),
    };
    let keyed = answers > 0 || !named.is_empty() || !references.is_empty();
    Ok(Said { wanted, keyed, registers })
}

fn add(values: &mut Vec<String>, value: String) {
    if !value.is_empty() && !values.iter().any(|other| text::fold(other) == text::fold(&value)) {
        values.push(value);
    }
}

/// What a key means; an item of the form before all else.
fn meaning(study: &Study, own: Option<&Randomization>, key: &str) -> Option<Key> {
    let (tight, bare) = (text::fold_tight(key), text::fold_key_undecorated(key));
    let item_of = |instrument: &str| {
        let keys = answer::keys(study.find_instrument(instrument)?);
        keys.get(&tight).or_else(|| keys.get(&bare)).cloned()
    };
    if let Some(item) = own.and_then(|own| item_of(&own.instrument)) {
        return Some(Key::Own(item));
    }
    let registration = &study.registration;
    let item = item_of(&registration.instrument);
    match item {
        Some(item) if item == registration.subject_item || registration.site_item.as_ref() == Some(&item) => {
            Some(Key::Named(item))
        }
        _ if says_subject(key) => Some(Key::Subject),
        None if says_which(key) => Some(Key::Which),
        Some(_) => Some(Key::Registered),
        None => None,
    }
}

/// Whether a key is one of those that name a randomization.
pub(super) fn says_which(key: &str) -> bool {
    let words = &vocabulary().deed_randomizations;
    words.contains(&text::fold_tight(key)) || words.contains(&text::fold_key_undecorated(key))
}

/// Which randomization a mail means.
enum Which<'s> {
    /// It says so.
    Told(&'s Randomization),
    /// It does not, or contradicts itself; what was typed fits the form of this one best.
    Fits(&'s Randomization),
    /// Nothing tells.
    Unknown,
}

/// The randomization that is meant: the only one; else the one whose id or title stands behind a key of the text or in the subject
/// line; else the only one whose form the lines of the text belong to.
fn which<'s>(study: &'s Study, subject: &Subject, content: &str) -> Which<'s> {
    if let [only] = study.randomizations.as_slice() {
        return Which::Told(only);
    }
    let known = |key: &str| known_item(study, key);
    let (lines, _) = lines::split(&cut::cut(content, &known), &known, &reaches(study));
    let which = |key: &str| study.randomizations.iter().all(|own| meaning(study, Some(own), key) == Some(Key::Which));
    let lines = lines.iter().filter(|line| which(&line.key));
    let keyed: Vec<String> = lines.map(|line| text::fold(&line.value)).filter(|value| !value.is_empty()).collect();
    let named = |own: &&Randomization| says(&subject.rest, own) || keyed.iter().any(|value| says(value, own));
    let named: Vec<&Randomization> = study.randomizations.iter().filter(named).collect();
    let answered = answered(study, content);
    match (named.as_slice(), answered.as_slice()) {
        ([one], _) => return Which::Told(one),
        ([], [(one, _)]) if keyed.is_empty() => return Which::Told(one),
        _ => {}
    }
    // Of those that fit equally well the first in the study's order.
    let best = answered.iter().rev().max_by_key(|(_, count)| *count);
    best.map_or(Which::Unknown, |(own, _)| Which::Fits(own))
}

/// Whether a folded text names a randomization by its id or title.
pub(super) fn says(text: &str, own: &Randomization) -> bool {
    let tokens = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|token| token == own.id);
    tokens || own.title.wordings().any(|(_, title)| text.contains(&text::fold(title)))
}

/// The randomizations whose forms have items that the text answers, and how many of them, in the study's order.
fn answered<'s>(study: &'s Study, content: &str) -> Vec<(&'s Randomization, usize)> {
    let count = |own: &'s Randomization| {
        let known = |key: &str| match meaning(study, Some(own), key) {
            Some(Key::Own(item)) => Some(item),
            _ => None,
        };
        let (lines, _) = lines::split(&cut::cut(content, &known), &known, &reaches(study));
        let answers = lines.iter().filter(|line| known(&line.key).is_some());
        (own, answers.filter(|line| !line.value.trim().is_empty()).count())
    };
    study.randomizations.iter().map(count).filter(|(_, count)| *count > 0).collect()
}

/// How far the answers of any form of the study go.
pub(super) fn reaches(study: &Study) -> impl Fn(&str) -> lines::Reach {
    |item| {
        let own = study
            .randomizations
            .iter()
            .filter_map(|own| study.find_instrument(&own.instrument))
            .find(|form| form.find(item).is_some());
        lines::reaches(own.unwrap_or_else(|| study.registration_instrument()))(item)
    }
}

/// The item that a key of any form of the study means, empty where it is none, as the cutting of quotations needs them.
pub(super) fn known_item(study: &Study, key: &str) -> Option<String> {
    let mut meanings = study.randomizations.iter().filter_map(|own| meaning(study, Some(own), key));
    meanings.next().map(|key| match key {
        Key::Named(item) | Key::Own(item) => item,
        Key::Subject | Key::Which | Key::Registered => String::new(),
    })
}

/// Whether a text and its HTML twin say the same of the subject.
pub(super) fn names_same(one: &Said, other: &Said, twin: &str) -> bool {
    let squeezed = |text: &str| text::fold(text).replace(' ', "");
    let (own, others) = (squeezed(&one.wanted.subject), squeezed(&other.wanted.subject));
    own == others || other.wanted.subject.is_empty() && squeezed(twin).contains(&own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{self, samples};
    use crate::mail::reading::subject::read_text;

    fn said(subject: &str, content: &str) -> Said {
        let study = definition::load(&samples::cygnus()).expect("a sample").0;
        let today = NaiveDate::from_ymd_opt(2026, 11, 20).expect("a day");
        read(&study, &read_text(subject), content, today).expect("few lines")
    }

    #[test]
    fn subject_and_form_in_both_languages() {
        for (subject, content) in [
            ("[CYGNUS] randomize", "subject: CYGNUS-0001\nAssessed on: 2026-11-19\nResponder: no\nISI: 23"),
            ("[CYGNUS] 割付", "症例番号：CYGNUS-0001\n判定日：2026/11/19\n効果あり：いいえ\nISI：２３"),
            (
                "[CYGNUS] randomize CYGNUS-0001",
                "Date of assessment: 2026-11-19\nresponder: N\nInsomnia severity score: 23",
            ),
        ] {
            let said = said(subject, content);
            assert_eq!(said.wanted.randomization.as_deref(), Some("second"));
            assert_eq!(said.wanted.subject, "CYGNUS-0001", "{content}");
            let values = said.wanted.form.canonical().into_values().collect::<Vec<_>>();
            assert_eq!(
                (said.wanted.form.faults.len(), values),
                (0, ["2026-11-19", "23", "no", "severe"].map(str::to_owned).to_vec())
            );
            assert!(said.keyed && !said.registers);
        }
    }

    #[test]
    fn the_sites_own_reference_names_the_subject_too() {
        let said = said("[CYGNUS] randomize", "Site: 201\nSubject ref: 201-001\nResponder: no");
        assert_eq!((said.wanted.subject.as_str(), said.wanted.site.as_deref()), ("201-001", Some("201")));
        assert!(!said.registers);
    }

    #[test]
    fn a_registration_is_told_from_it() {
        let said = said("[CYGNUS] randomize", "Site: 201\nSubject ref: 201-001\nAge: 56\nSex: F");
        assert!(said.registers && said.wanted.form.typed.is_empty());
    }

    #[test]
    fn of_two_subjects_none_is_taken() {
        let two = said("[CYGNUS] randomize CYGNUS-0003", "subject: CYGNUS-0001\nsubject: CYGNUS-0002\nResponder: no");
        assert_eq!(two.wanted.subject, "");
    }
}
