//! Errors and withdrawals as new facts: the enrollment stays as it was, and the fact points at it (promise 4).

use std::collections::BTreeMap;

use super::accept::Asking;
use super::compose::{self, Addressing, Outgoing};
use super::enroll::{self, Confirmed, Enrolled, Further};
use super::facts::{self, NewFact};
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{Failure, Means, Settled, again, deed, proof};
use crate::domain::allocation::Levels;
use crate::domain::answer::{self, Fault, Form};
use crate::domain::deed::{Deed, Lack, Wanted};
use crate::domain::fact::{self, FactKind};
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::study::{Person, Role, Study};
use crate::domain::text;
use crate::letters::Facts;
use crate::letters::facts::{Change, DeedForm, Noted, Reader};
use crate::store::allocation::AllocationRow;
use crate::store::fact::{self as fact_rows, FactRow};
use crate::store::subject::SubjectRow;

/// Who hears of every fact.
const TOLD: [Role; 2] = [Role::Coordinator, Role::Statistician];

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

    /// Takes up what a form says that was read with the values that were named of it; what it said before is `known`.
    fn take(&mut self, randomization: Option<&str>, known: &Answers, named: &Answers, form: &Form) {
        let name = |item: String| randomization.map_or(item.clone(), |id| fact::further_item(id, &item));
        for (item, value) in form.canonical() {
            if named.contains_key(&item) {
                self.named.insert(name(item.clone()), value.clone());
            }
            if known.get(&item) != Some(&value) {
                self.changes.insert(name(item), value);
            }
        }
    }
}

/// Canonical values, or typed ones, by item id.
type Answers = BTreeMap<String, String>;

/// Why values cannot be taken for the right ones.
#[derive(Clone, Debug)]
pub enum Misread<'s> {
    /// What is wrong with them, each with the form that asks for it.
    Faults(Vec<(&'s Instrument, Fault)>),
    /// None of the forms filled in for the subject asks for these, or several do.
    Nowhere(Vec<String>),
}

/// One fact to be noted.
#[derive(Clone, Copy, Debug)]
pub struct Note<'a> {
    /// What became known.
    pub kind: FactKind,
    /// Of which subject.
    pub enrolled: &'a Enrolled,
    /// Which of its allocations it is about; the subject as a whole where none.
    pub randomization: Option<&'a str>,
    /// Id of the person who told it, or the operator's name.
    pub person: &'a str,
    /// Who has it recorded.
    pub actor: &'a str,
    /// Why, in their words.
    pub reason: &'a str,
    /// What would have been right.
    pub correction: &'a Correction,
    /// The subject enrolled before, of which it is a duplicate.
    pub of: Option<&'a SubjectRow>,
    /// The mail that asked, if it was one.
    pub inbox_id: Option<i64>,
}

/// What a form filled in for a subject says by now: what was recorded at first, with what was corrected before the fact of that
/// number. `randomization` is that of the form; none of the registration.
///
/// # Errors
/// Rows that cannot have been written by this program.
pub fn corrected(enrolled: &Enrolled, randomization: Option<&str>, before: i64) -> Result<Answers, Failure> {
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

fn changes(fact: &FactRow) -> Result<Answers, Failure> {
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
fn place(study: &Study, enrolled: &Enrolled, name: &str) -> Option<(Option<String>, String)> {
    let item_of = |instrument: &str, name: &str| {
        let keys = answer::keys(study.find_instrument(instrument)?);
        keys.get(&text::fold_tight(name)).cloned()
    };
    if study.registration_instrument().find(name).is_some() {
        return Some((None, name.to_string()));
    }
    let (form, name) = name.split_once('.').map_or((None, name), |(form, item)| (Some(form), item));
    let own = enrolled.further.iter().filter_map(|own| {
        let id = own.allocation.randomization.as_str();
        let meant = form.is_none_or(|form| form == id);
        let own = study.find_randomization(id).filter(|_| meant)?;
        Some((Some(id.to_string()), item_of(&own.instrument, name)?))
    });
    match own.collect::<Vec<_>>().as_mut_slice() {
        [only] => Some(std::mem::take(only)),
        _ => None,
    }
}

/// Reads the right values of some items: the whole form that asks for them is read again with them, on the day it was sent, so that
/// what is computed from them is corrected too.
///
/// # Errors
/// What is wrong with the values that were to be right.
pub fn read_correction<'s>(
    study: &'s Study,
    enrolled: &Enrolled,
    typed: &BTreeMap<String, String>,
) -> Result<Result<Correction, Misread<'s>>, Failure> {
    let mut named: BTreeMap<Option<String>, Answers> = BTreeMap::new();
    let mut nowhere = Vec::new();
    for (name, value) in typed {
        match place(study, enrolled, name) {
            Some((form, item)) => drop(named.entry(form).or_default().insert(item, value.clone())),
            None => nowhere.push(name.clone()),
        }
    }
    if !nowhere.is_empty() {
        return Ok(Err(Misread::Nowhere(nowhere)));
    }
    let (mut correction, mut faults) = (Correction::default(), Vec::new());
    let mut read = |form: Option<&str>, instrument: &'s Instrument, day| -> Result<(Form, bool), Failure> {
        let known = corrected(enrolled, form, i64::MAX)?;
        let own = named.remove(&form.map(str::to_string)).unwrap_or_default();
        let mut whole = known.clone();
        whole.extend(own.clone());
        let read = again::read_again(study, instrument, whole, day);
        if !own.is_empty() {
            let wrong = read.faults.iter().filter(|fault| own.contains_key(&fault.item));
            faults.extend(wrong.map(|fault| (instrument, fault.clone())));
            correction.take(form, &known, &own, &read);
        }
        Ok((read, !own.is_empty()))
    };
    let (registration, of_all) = read(None, study.registration_instrument(), enrolled.day(study.zone))?;
    let mut further = Vec::new();
    for own in &enrolled.further {
        let Some(rules) = study.find_randomization(&own.allocation.randomization) else { continue };
        let (form, of_own) = read(Some(&rules.id), again::form_of(study, rules)?, own.day(study.zone))?;
        if of_all || of_own {
            let right = again::levels_of(study, rules, enrolled, &registration, &form);
            further.push((&own.allocation, right));
        }
    }
    if !faults.is_empty() {
        return Ok(Err(Misread::Faults(faults)));
    }
    if let (Some(scheme), Some(given), true) = (&study.scheme, &enrolled.allocation, of_all) {
        let site = enroll::site_of(study, &registration).unwrap_or_else(|| enrolled.subject.site.clone());
        let right = enroll::levels_of(study, scheme, &site, &registration);
        let known = standing(enrolled, given)?;
        correction.levels = moves(&known, &right).then_some(right);
    }
    for (given, right) in further {
        let known = standing(enrolled, given)?;
        if moves(&known, &right) {
            correction.further.insert(given.randomization.clone(), right);
        }
    }
    Ok(Ok(correction))
}

/// Whether an allocation that stands at some levels would stand at others. One that was decided by other factors than those in force
/// does not: a higher epoch began their counts anew, and what is in force knows nothing of what it looked at.
fn moves(known: &Levels, right: &Levels) -> bool {
    known != right && known.keys().eq(right.keys())
}

/// What a fact of that number corrects, or would, as letters tell it; behind the registration's items those of further forms.
fn told(reader: &Reader<'_>, enrolled: &Enrolled, corrects: &Answers, number: i64) -> Result<Vec<Change>, Failure> {
    let study = reader.study;
    let own = corrected(enrolled, None, number)?;
    let mut all = Change::list(reader, study.registration_instrument(), &own, &fact::changes_of(corrects, None));
    for own in &enrolled.further {
        let Some(rules) = study.find_randomization(&own.allocation.randomization) else { continue };
        let (known, right) =
            (corrected(enrolled, Some(&rules.id), number)?, fact::changes_of(corrects, Some(&rules.id)));
        let changes = Change::list(reader, again::form_of(study, rules)?, &known, &right);
        all.extend(changes.into_iter().map(|change| change.of(&rules.title, reader.language)));
    }
    Ok(all)
}

/// Answers a request by mail; the sender may ask, and the subject is of their site.
pub(super) async fn by_mail(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    enrolled: &Enrolled,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let study = asking.study();
    let correction = match wanted.deed {
        Deed::Correct => match read_correction(study, enrolled, &wanted.changes)? {
            Ok(correction) => correction,
            Err(Misread::Nowhere(_)) => return deed::lacking(ledger, asking, wanted, &[Lack::Form]).await,
            Err(Misread::Faults(faults)) => {
                let facts = DeedForm::new(wanted, &[Lack::Changes]).with_faults(&asking.reader(), &faults);
                let keys = faults.iter().map(|(_, fault)| format!("{}:{}", fault.code.key(), fault.item));
                let settled = asking.settled("reply_error", keys.collect::<Vec<String>>().join(" "));
                return asking.reply(ledger, asking.to_sender(), Facts::DeedForm(facts), settled).await;
            }
        },
        _ => Correction::default(),
    };
    let kind = match wanted.deed {
        Deed::Correct if correction.moves() => FactKind::WrongStratum,
        Deed::Correct => FactKind::Corrected,
        _ => FactKind::Withdrawn,
    };
    let note = Note {
        kind,
        enrolled,
        randomization: None,
        person: &asking.person.id,
        actor: &asking.person.id,
        reason: &wanted.reason,
        correction: &correction,
        of: None,
        inbox_id: Some(asking.arrival.inbox_id),
    };
    let known = known(ledger, &note).await?;
    if known.is_none() && wanted.deed == Deed::Correct && correction.changes.is_empty() {
        return deed::lacking(ledger, asking, wanted, &[Lack::Changes]).await;
    }
    if known.is_none() && confirmed == Confirmed::NotYet {
        let changes = told(&asking.reader(), enrolled, &correction.changes, i64::MAX)?;
        return deed::ask(ledger, asking, wanted, enrolled, changes).await;
    }
    let site = enrolled.subject.site.as_str();
    let to = Addressing { site: Some(site), subject_id: Some(enrolled.subject.id), ..asking.to_sender() };
    let settled = |reason: &str| Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply", reason) };
    if let Some(fact) = known {
        let letter =
            letter(asking.shelved, asking.means, &note, &fact, asking.person, to, asking.language, Told::Asker)?;
        return asking.send(ledger, letter, settled("noted-before")).await;
    }
    let fact = record(ledger, asking.shelved, asking.means, &note).await?;
    let mut outgoing =
        vec![letter(asking.shelved, asking.means, &note, &fact, asking.person, to, asking.language, Told::Asker)?];
    outgoing.extend(notices(asking.shelved, asking.means, &note, &fact)?);
    let inbox_id = Some(asking.arrival.inbox_id);
    compose::post(&mut ledger.tx, Some(asking.shelved.id), asking.means, inbox_id, &outgoing).await?;
    Ok(settled(kind.key()))
}

/// The same fact, if it is on file: a subject withdraws once, and the same correction for the same reason is one.
///
/// # Errors
/// The database.
pub async fn known(ledger: &mut Ledger<'_>, note: &Note<'_>) -> Result<Option<FactRow>, Failure> {
    let facts = fact_rows::list_by_subject(&mut ledger.tx, note.enrolled.subject.id).await?;
    for fact in facts.into_iter().rev() {
        let once = matches!(note.kind, FactKind::Withdrawn | FactKind::Duplicate);
        let alike = fact.kind == note.kind
            && fact.reason == note.reason
            && fact.of_subject_id == note.of.map(|of| of.id)
            && fact.randomization.as_deref() == note.randomization
            && changes(&fact)? == note.correction.changes;
        if once && fact.kind == note.kind || alike || repeats(note, &fact)? {
            return Ok(Some(fact));
        }
    }
    Ok(None)
}

/// Whether a correction that finds nothing to correct is the one that led to that fact.
fn repeats(note: &Note<'_>, fact: &FactRow) -> Result<bool, Failure> {
    let Correction { changes: left, named, .. } = note.correction;
    if !left.is_empty() || named.is_empty() || fact.reason != note.reason {
        return Ok(false);
    }
    let made = changes(fact)?;
    let said = |name: &str, value: &str| -> Result<bool, Failure> {
        let (form, item) = name.split_once('.').map_or((None, name), |(form, item)| (Some(form), item));
        let before = corrected(note.enrolled, form, fact.number)?;
        Ok(made.get(name).or_else(|| before.get(item)).is_some_and(|own| own == value))
    };
    let mut any = false;
    for (name, value) in named {
        any |= made.contains_key(name);
        if !said(name, value)? {
            return Ok(false);
        }
    }
    Ok(any)
}

/// Records a fact; nothing of the enrollment changes.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn record(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    note: &Note<'_>,
) -> Result<FactRow, Failure> {
    let new = NewFact {
        kind: note.kind,
        enrolled: note.enrolled,
        randomization: note.randomization,
        person: note.person,
        actor: note.actor,
        reason: note.reason,
        changes: &note.correction.changes,
        levels: note.correction.levels.as_ref(),
        further: &note.correction.further,
        of: note.of,
        inbox_id: note.inbox_id,
    };
    facts::record(ledger, shelved, means, new).await
}

/// Whom a letter about a fact is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Who told us.
    Asker,
    /// Those who must know.
    Staff,
}

/// The letters to those who must know; the arm is in none of them.
///
/// # Errors
/// As [`compose::compose`].
pub fn notices(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    note: &Note<'_>,
    fact: &FactRow,
) -> Result<Vec<Outgoing>, Failure> {
    let study = &shelved.study;
    let subject = &note.enrolled.subject;
    let told = |person: &&Person| {
        person.id != note.person && person.acts_for(&subject.site) && TOLD.iter().any(|role| person.has(*role))
    };
    let mut outgoing = Vec::new();
    for person in study.people.iter().filter(told) {
        let to = Addressing {
            site: Some(&subject.site),
            subject_id: Some(subject.id),
            ..Addressing::unasked(study, person)
        };
        let language = study.language_of(person);
        outgoing.push(letter(shelved, means, note, fact, person, to, language, Told::Staff)?);
    }
    Ok(outgoing)
}

#[expect(clippy::too_many_arguments, reason = "one letter, told twice, to two kinds of readers")]
fn letter(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    note: &Note<'_>,
    fact: &FactRow,
    reader: &Person,
    to: Addressing<'_>,
    language: Language,
    who: Told,
) -> Result<Outgoing, Failure> {
    let study = &shelved.study;
    let answers = note.enrolled.answers()?;
    let number = study.subject_number(note.enrolled.subject.number);
    let enrollment = compose::enrollment(shelved, note.enrolled, &number, &answers);
    let of = note.of.map(|of| study.subject_number(of.number)).unwrap_or_default();
    let by = study.people.iter().find(|person| person.id == fact.person);
    let by = by.map_or(fact.person.as_str(), |person| person.name.in_language(language));
    let reader = Reader { study, person: reader, today: means.now.day_in(study.zone), language };
    let changes = told(&reader, note.enrolled, &changes(fact)?, fact.number)?;
    let noted = Noted::new(&enrollment, fact.kind, by, fact.recorded_at, &fact.reason, &of, changes, language);
    let noted = match fact.randomization.as_deref().and_then(|id| study.find_randomization(id)) {
        Some(own) => noted.of_allocation(&own.title, language),
        None => noted,
    };
    let facts = match who {
        Told::Asker => Facts::FactDone(noted),
        Told::Staff => Facts::FactNotice(noted),
    };
    compose::compose(shelved, means, to, facts)
}
