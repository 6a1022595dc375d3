//! Corrections: which answers of a subject were wrong, read from what would have been right.
//!
//! In charge of which form a name means, of reading that form once more with the right values, and of what follows from them: other
//! answers, and the levels of allocations. What does not follow from an item that is corrected stays as it is on file, whatever the
//! rules in force would make of it today: an amendment of a calculation moves nobody.

use std::collections::{BTreeMap, BTreeSet};

use super::enroll::{self, Enrolled, Further};
use super::{Failure, again, proof};
use crate::domain::allocation::{Levels, SITE, Scheme};
use crate::domain::answer::{self, Fault, FaultCode, Form};
use crate::domain::deed::{Misname, Misnamed};
use crate::domain::fact::{self, FactKind};
use crate::domain::instrument::{Instrument, ItemKind};
use crate::domain::level;
use crate::domain::study::Study;
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;

/// What would have been right. Items of further allocations' forms go by [`fact::further_item`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correction {
    /// Canonical values by item: those that differ from what is on file, as corrected since.
    pub changes: BTreeMap<String, String>,
    /// Canonical values of the items that were named, whether or not they differ.
    pub named: BTreeMap<String, String>,
    /// Levels of the allocation, where it counts at others.
    pub levels: Option<Levels>,
    /// Levels of further allocations, where they count at others, by their ids.
    pub further: BTreeMap<String, Levels>,
}

impl Correction {
    /// Whether an allocation counts at other levels.
    pub fn moves(&self) -> bool {
        self.levels.is_some() || !self.further.is_empty()
    }

    /// What was named with the value that is on file already.
    pub fn on_file(&self) -> BTreeMap<String, String> {
        let same = self.named.iter().filter(|(name, _)| !self.changes.contains_key(*name));
        same.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// A correction as it was read.
#[derive(Clone, Debug, Default)]
pub struct Corrected<'s> {
    /// What would have been right.
    pub correction: Correction,
    /// What is unusual of it, each with the form that asks for it: whoever corrects is asked whether they are sure.
    pub doubts: Vec<(&'s Instrument, Fault)>,
}

/// Why values cannot be taken for the right ones.
#[derive(Clone, Debug)]
pub enum Misread<'s> {
    /// What is wrong with them, each with the form that asks for it.
    Faults(Vec<(&'s Instrument, Fault)>),
    /// Names that mean no item that can be corrected.
    Names(Vec<Misnamed>),
}

/// Canonical values, or typed ones, by item id.
pub(super) type Answers = BTreeMap<String, String>;

/// What a form filled in for a subject says by now: what was recorded at first, with what was corrected before the fact of that
/// number. `randomization` is that of the form; none of the registration.
///
/// # Errors
/// Rows that cannot have been written by this program.
pub fn on_file(enrolled: &Enrolled, randomization: Option<&str>, before: i64) -> Result<Answers, Failure> {
    let mut answers = match randomization {
        None => enrolled.answers()?,
        Some(id) => enrolled.find_further(id).map(Further::answers).transpose()?.unwrap_or_default(),
    };
    correct(&mut answers, enrolled.facts.iter().filter(|fact| fact.number < before), randomization)?;
    Ok(answers)
}

/// Puts what facts say of a form in place of what was recorded at first.
pub(super) fn correct<'f>(
    answers: &mut Answers,
    facts: impl Iterator<Item = &'f FactRow>,
    randomization: Option<&str>,
) -> Result<(), Failure> {
    let corrects = |fact: &&FactRow| matches!(fact.kind, FactKind::WrongStratum | FactKind::Corrected);
    for row in facts.filter(corrects) {
        answers.extend(fact::changes_of(&changes(row)?, randomization));
    }
    Ok(())
}

/// What a fact says would have been right.
pub(super) fn changes(fact: &FactRow) -> Result<Answers, Failure> {
    serde_json::from_str(&fact.changes)
        .map_err(|error| Failure::Contradiction(format!("changes of fact {}: {error}", fact.number)))
}

/// The levels at which an allocation stands by what is known: those it looked at, or those that would have been right.
fn standing(enrolled: &Enrolled, given: &AllocationRow) -> Result<Levels, Failure> {
    let id = given.randomization.as_str();
    let mut levels = proof::row_of(given)?.levels;
    for row in enrolled.facts.iter().filter(|fact| fact.after_allocation >= given.number) {
        levels = proof::right_levels(id, row)?.unwrap_or(levels);
    }
    Ok(levels)
}

/// The form that a name means, and the item in it: `isi` and `second.isi` are those of the only, or that, further allocation that the
/// subject has, unless the registration has such an item.
fn place(study: &Study, enrolled: &Enrolled, name: &str) -> Result<(Option<String>, String), Misname> {
    let (form, bare) = match name.split_once('.') {
        Some((form, item)) if study.find_randomization(form).is_some() => (Some(form), item),
        _ => (None, name),
    };
    let registration = study.registration_instrument();
    let found = answer::find_named(registration, bare).filter(|_| form.is_none());
    let (randomization, instrument, item) = match found {
        Some(item) => (None, registration, item),
        None => {
            let meant = study.randomizations.iter().filter(|own| form.is_none_or(|form| form == own.id));
            let forms = meant.filter_map(|own| Some((own.id.as_str(), study.find_instrument(&own.instrument)?)));
            let having: Vec<_> =
                forms.filter_map(|(id, form)| Some((id, form, answer::find_named(form, bare)?))).collect();
            let ids = |of: &[(&str, &Instrument, _)]| of.iter().map(|(id, ..)| (*id).to_string()).collect();
            let there: Vec<_> = having.iter().copied().filter(|(id, ..)| enrolled.find_further(id).is_some()).collect();
            match there.as_slice() {
                [(id, form, item)] => (Some((*id).to_string()), *form, *item),
                [] if having.is_empty() => return Err(Misname::Unknown),
                [] => return Err(Misname::NotThere(ids(&having))),
                several => return Err(Misname::Several(ids(several))),
            }
        }
    };
    if matches!(item.kind, ItemKind::Calculation(_)) {
        let from = level::inputs(&[instrument], &item.id).into_iter().map(|input| input.id.clone());
        return Err(Misname::Calculated(from.collect()));
    }
    Ok((randomization, item.id.clone()))
}

/// A form read once more with what would have been right of it.
struct Reread<'s> {
    instrument: &'s Instrument,
    form: Form,
    /// Items that other answers are given to, and those that follow from them.
    concerned: BTreeSet<String>,
    faults: Vec<Fault>,
    doubts: Vec<Fault>,
}

impl<'s> Reread<'s> {
    /// Reads the form that says `known` by now with the `named` values typed instead, on the day it was sent.
    fn new(
        study: &'s Study,
        instrument: &'s Instrument,
        known: &Answers,
        named: &Answers,
        day: chrono::NaiveDate,
    ) -> Self {
        let mut whole = known.clone();
        whole.extend(named.clone());
        let form = again::read_again(study, instrument, whole, day);
        if named.is_empty() {
            return Reread { instrument, form, concerned: BTreeSet::new(), faults: Vec::new(), doubts: Vec::new() };
        }
        let before = again::read_again(study, instrument, known.clone(), day);
        let differs = |item: &&String| form.value(item).as_ref() != known.get(*item);
        let concerned = instrument.following(named.keys().filter(differs).cloned().collect());
        let about = |fault: &Fault| match fault.code {
            FaultCode::Check => {
                let check = instrument.checks.iter().find(|check| check.id == fault.expected);
                check.is_some_and(|check| check.items.iter().any(|item| concerned.contains(item)))
            }
            _ => concerned.contains(&fault.item),
        };
        // What was wrong or unusual already is none of the correction's, unless it is what was named.
        let is_wrong = |fault: &&Fault| {
            named.contains_key(&fault.item) && fault.code != FaultCode::Check
                || about(fault) && !before.faults.contains(fault)
        };
        let is_doubtful = |doubt: &&Fault| about(doubt) && !before.doubts.contains(doubt);
        let faults = form.faults.iter().filter(is_wrong).cloned().collect();
        let doubts = form.doubts.iter().filter(is_doubtful).cloned().collect();
        Reread { instrument, form, concerned, faults, doubts }
    }

    /// What it corrects, under the names that the items of that randomization's form have.
    fn tell(&self, correction: &mut Correction, randomization: Option<&str>, known: &Answers, named: &Answers) {
        let name = |item: String| randomization.map_or(item.clone(), |id| fact::further_item(id, &item));
        for (item, value) in self.form.canonical() {
            if named.contains_key(&item) {
                correction.named.insert(name(item.clone()), value.clone());
            }
            if self.concerned.contains(&item) && known.get(&item) != Some(&value) {
                correction.changes.insert(name(item), value);
            }
        }
    }
}

/// Reads the right values of some items: the whole form that asks for them is read again with them, on the day it was sent, so that
/// what is computed from them is corrected too.
///
/// # Errors
/// Rows that cannot have been written by this program. What is wrong with the values that were to be right is told inside.
pub fn read<'s>(
    study: &'s Study,
    enrolled: &Enrolled,
    typed: &Answers,
) -> Result<Result<Corrected<'s>, Misread<'s>>, Failure> {
    let mut named: BTreeMap<Option<String>, Answers> = BTreeMap::new();
    let mut misnamed = Vec::new();
    for (name, value) in typed {
        match place(study, enrolled, name) {
            Ok((form, item)) => drop(named.entry(form).or_default().insert(item, value.clone())),
            Err(why) => misnamed.push(Misnamed { name: name.clone(), why }),
        }
    }
    if !misnamed.is_empty() {
        return Ok(Err(Misread::Names(misnamed)));
    }
    let mut correction = Correction::default();
    let mut reread = |randomization: Option<&str>, instrument: &'s Instrument, day| -> Result<Reread<'s>, Failure> {
        let known = on_file(enrolled, randomization, i64::MAX)?;
        let own = named.remove(&randomization.map(str::to_string)).unwrap_or_default();
        let reread = Reread::new(study, instrument, &known, &own, day);
        reread.tell(&mut correction, randomization, &known, &own);
        Ok(reread)
    };
    let registration = reread(None, study.registration_instrument(), enrolled.day(study.zone))?;
    let mut further = Vec::new();
    for own in &enrolled.further {
        let Some(rules) = study.find_randomization(&own.allocation.randomization) else { continue };
        let own_form = reread(Some(&rules.id), again::form_of(study, rules)?, own.day(study.zone))?;
        further.push((&own.allocation, rules, own_form));
    }
    let all = || std::iter::once(&registration).chain(further.iter().map(|(.., own)| own));
    let faults: Vec<_> =
        all().flat_map(|read| read.faults.iter().map(|fault| (read.instrument, fault.clone()))).collect();
    if !faults.is_empty() {
        return Ok(Err(Misread::Faults(faults)));
    }
    let doubts = all().flat_map(|read| read.doubts.iter().map(|doubt| (read.instrument, doubt.clone()))).collect();
    let site_item = study.registration.site_item.as_deref();
    let right = |given: &AllocationRow, scheme: &Scheme, now: Levels, concerned: &dyn Fn(&str) -> bool| {
        let known = standing(enrolled, given)?;
        // What was decided by other factors than those in force stays: a higher epoch began their counts anew, and what is in force
        // knows nothing of what it looked at.
        let needed: BTreeSet<&str> = scheme.needs().chain([SITE]).collect();
        if !known.keys().map(String::as_str).eq(needed) {
            return Ok(None);
        }
        let item = |id: &str| if id == SITE { site_item.unwrap_or(SITE).to_string() } else { id.to_string() };
        let mut right = known.clone();
        for (id, level) in &mut right {
            // A level that cannot be told any more stays.
            if let Some(new) = now.get(id).filter(|_| concerned(&item(id))) {
                level.clone_from(new);
            }
        }
        Ok::<_, Failure>(Some(right).filter(|right| *right != known))
    };
    if let (Some(scheme), Some(given)) = (&study.scheme, &enrolled.allocation) {
        let site = enroll::site_of(study, &registration.form).unwrap_or_else(|| enrolled.subject.site.clone());
        let now = enroll::levels_of(study, scheme, &site, &registration.form);
        correction.levels = right(given, scheme, now, &|item| registration.concerned.contains(item))?;
    }
    for (given, rules, own) in &further {
        let now = again::levels_of(study, rules, enrolled, &registration.form, &own.form);
        let concerned = |item: &str| registration.concerned.contains(item) || own.concerned.contains(item);
        if let Some(levels) = right(given, &rules.scheme, now, &concerned)? {
            correction.further.insert(given.randomization.clone(), levels);
        }
    }
    Ok(Ok(Corrected { correction, doubts }))
}
