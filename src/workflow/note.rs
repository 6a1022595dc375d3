//! Errors and withdrawals as new facts: the enrollment stays as it was, and the fact points at it (promise 4).

use std::collections::BTreeMap;

use super::accept::Asking;
use super::compose::{self, Addressing, Outgoing};
use super::enroll::{self, Confirmed, Enrolled};
use super::facts::{self, NewFact};
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{Failure, Means, Settled, deed, randomize};
use crate::domain::allocation::Levels;
use crate::domain::answer::{self, Fault, Line};
use crate::domain::deed::{Deed, Lack, Wanted};
use crate::domain::fact::FactKind;
use crate::domain::language::Language;
use crate::domain::study::{Person, Role, Study};
use crate::letters::Facts;
use crate::letters::facts::{Change, DeedForm, Noted, Reader};
use crate::store::fact::{self, FactRow};
use crate::store::subject::SubjectRow;

/// Who hears of every fact.
const TOLD: [Role; 2] = [Role::Coordinator, Role::Statistician];

/// What would have been right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correction {
    /// Canonical values by item id: those that differ from what is on file.
    pub changes: BTreeMap<String, String>,
    /// Levels of the allocation, where it looked at others.
    pub levels: Option<Levels>,
    /// Levels of further allocations, where they looked at others, by their ids.
    pub further: BTreeMap<String, Levels>,
}

impl Correction {
    /// Whether an allocation looked at other levels.
    pub fn moves(&self) -> bool {
        self.levels.is_some() || !self.further.is_empty()
    }
}

/// One fact to be noted.
#[derive(Clone, Copy, Debug)]
pub struct Note<'a> {
    /// What became known.
    pub kind: FactKind,
    /// Of which subject.
    pub enrolled: &'a Enrolled,
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

/// Reads the right values of some items: the whole form is read again with them, on the day of the enrollment, so that what
/// is computed from them is corrected too.
///
/// # Errors
/// The faults of the items that were to be corrected.
pub fn read_correction(
    study: &Study,
    enrolled: &Enrolled,
    typed: &BTreeMap<String, String>,
) -> Result<Result<Correction, Vec<Fault>>, Failure> {
    let registered = enrolled.answers()?;
    let mut whole = registered.clone();
    whole.extend(typed.iter().map(|(item, value)| (item.clone(), value.clone())));
    let lines: Vec<Line> =
        whole.into_iter().enumerate().map(|(at, (key, value))| Line { key, value, number: at + 1 }).collect();
    let day = enrolled.day(study.zone);
    let form = answer::read_form(study, study.registration_instrument(), &lines, day);
    let own: Vec<Fault> = form.faults.iter().filter(|fault| typed.contains_key(&fault.item)).cloned().collect();
    if !own.is_empty() {
        return Ok(Err(own));
    }
    let changes = form.canonical().into_iter().filter(|(item, value)| registered.get(item) != Some(value)).collect();
    let levels = match (&study.scheme, &enrolled.allocation) {
        (Some(scheme), Some(allocation)) => {
            let site = enroll::site_of(study, &form).unwrap_or_else(|| enrolled.subject.site.clone());
            let right = enroll::levels_of(study, scheme, &site, &form);
            let used = super::proof::row_of(allocation)?.levels;
            (right != used && right.len() == used.len()).then_some(right)
        }
        _ => None,
    };
    let mut further = BTreeMap::new();
    for own in &enrolled.further {
        let id = own.allocation.randomization.as_str();
        let Some(randomization) = study.find_randomization(id) else { continue };
        let right = randomize::levels_again(study, randomization, enrolled, own, &form)?;
        let used = super::proof::row_of(&own.allocation)?.levels;
        if right != used && right.len() == used.len() {
            further.insert(id.to_string(), right);
        }
    }
    Ok(Ok(Correction { changes, levels, further }))
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
            Err(faults) => {
                let form = DeedForm::new(wanted, &[Lack::Changes]);
                let facts = form.with_faults(&asking.reader(), study.registration_instrument(), &faults);
                let keys: Vec<String> =
                    faults.iter().map(|fault| format!("{}:{}", fault.code.key(), fault.item)).collect();
                let settled = asking.settled("reply_error", keys.join(" "));
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
        let reader = asking.reader();
        let registered = enrolled.answers()?;
        let changes = Change::list(&reader, study.registration_instrument(), &registered, &correction.changes);
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
    let facts = fact::list_by_subject(&mut ledger.tx, note.enrolled.subject.id).await?;
    let changes = serde_json::to_string(&note.correction.changes).expect("a map of texts is JSON");
    let of = note.of.map(|of| of.id);
    let same = |fact: &FactRow| {
        let once = matches!(note.kind, FactKind::Withdrawn | FactKind::Duplicate);
        fact.kind == note.kind
            && (once || fact.reason == note.reason && fact.changes == changes && fact.of_subject_id == of)
    };
    Ok(facts.into_iter().rev().find(|fact| same(fact)))
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
    told: Told,
) -> Result<Outgoing, Failure> {
    let study = &shelved.study;
    let answers = note.enrolled.answers()?;
    let number = study.subject_number(note.enrolled.subject.number);
    let enrollment = compose::enrollment(shelved, note.enrolled, &number, &answers);
    let of = note.of.map(|of| study.subject_number(of.number)).unwrap_or_default();
    let by = study.people.iter().find(|person| person.id == fact.person);
    let by = by.map_or(fact.person.as_str(), |person| person.name.in_language(language));
    let reader = Reader { study, person: reader, today: means.now.day_in(study.zone), language };
    let changes = serde_json::from_str(&fact.changes)
        .map_err(|error| Failure::Contradiction(format!("changes of fact {}: {error}", fact.number)))?;
    let changes = Change::list(&reader, study.registration_instrument(), &answers, &changes);
    let noted = Noted::new(&enrollment, fact.kind, by, fact.recorded_at, &fact.reason, &of, changes, language);
    let facts = match told {
        Told::Asker => Facts::FactDone(noted),
        Told::Staff => Facts::FactNotice(noted),
    };
    compose::compose(shelved, means, to, facts)
}
