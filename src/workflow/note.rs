//! Errors and withdrawals as new facts: the enrollment stays as it was, and the fact points at it (promise 4).

use super::accept::Asking;
use super::compose::{self, Addressing, Outgoing};
use super::correction::{self, Answers, Corrected, Correction, Misread, changes, on_file};
use super::enroll::{Confirmed, Enrolled};
use super::facts::{self, NewFact};
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{Failure, Means, Settled, again, binding, confirm, deed};
use crate::domain::allocation::Origin;
use crate::domain::deed::{Deed, Lack, Misname, Misnamed, Wanted};
use crate::domain::fact::{self, FactKind};
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::study::{Blinding, FIRST, Person, Randomization, Role, Study};
use crate::letters::Facts;
use crate::letters::facts::{AllocationHad, Change, DeedForm, FaultLine, Noted, ReadCorrection, Reader, UnknownKey};
use crate::limits;
use crate::store::allocation::AllocationRow;
use crate::store::fact::{self as fact_rows, FactRow};
use crate::store::subject::SubjectRow;

/// Who hears of every fact.
const TOLD: [Role; 2] = [Role::Coordinator, Role::Statistician];

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

impl<'a> Note<'a> {
    /// The fact by which it is recorded.
    pub(super) fn fact(&self) -> NewFact<'a> {
        NewFact {
            kind: self.kind,
            enrolled: self.enrolled,
            randomization: self.randomization,
            person: self.person,
            actor: self.actor,
            reason: self.reason,
            changes: &self.correction.changes,
            levels: self.correction.levels.as_ref(),
            further: &self.correction.further,
            of: self.of,
            takes_back: None,
            inbox_id: self.inbox_id,
        }
    }
}

/// What a fact of that number corrects, or would, as letters tell it; behind the registration's items those of further forms.
fn told(reader: &Reader<'_>, enrolled: &Enrolled, corrects: &Answers, number: i64) -> Result<Vec<Change>, Failure> {
    let study = reader.study;
    let own = on_file(enrolled, None, number)?;
    let mut all = Change::list(reader, study.registration_instrument(), &own, &fact::changes_of(corrects, None));
    for own in &enrolled.further {
        let Some(rules) = study.find_randomization(&own.allocation.randomization) else { continue };
        let (known, right) = (on_file(enrolled, Some(&rules.id), number)?, fact::changes_of(corrects, Some(&rules.id)));
        let changes = Change::list(reader, again::form_of(study, rules)?, &known, &right);
        all.extend(changes.into_iter().map(|change| change.of(&rules.title, reader.language)));
    }
    Ok(all)
}

/// The forms that were filled in for a subject; of the study, where none is known.
pub(super) fn forms<'s>(
    study: &'s Study,
    enrolled: Option<&Enrolled>,
) -> Vec<(Option<&'s Randomization>, &'s Instrument)> {
    let has = |own: &&Randomization| enrolled.is_none_or(|enrolled| enrolled.find_further(&own.id).is_some());
    let further = study.randomizations.iter().filter(has);
    let further = further.filter_map(|own| Some((Some(own), study.find_instrument(&own.instrument)?)));
    std::iter::once((None, study.registration_instrument())).chain(further).collect()
}

/// Says why nothing can be corrected so, with the form to fill in and the names of the items there are.
async fn mend(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    enrolled: &Enrolled,
    misread: &Misread<'_>,
) -> Result<Settled, Failure> {
    let reader = asking.reader();
    let mut left = wanted.clone();
    if let Misread::Names(misnamed) = misread {
        // What no form of the subject takes would be refused once more.
        let is_lost = |one: &&Misnamed| !matches!(one.why, Misname::Several(_));
        misnamed.iter().filter(is_lost).for_each(|one| drop(left.changes.remove(&one.name)));
    }
    let facts = DeedForm::new(wanted, &[Lack::Changes]);
    let facts = facts.with_items(&reader, &left, &forms(asking.study(), Some(enrolled)));
    let (facts, keys): (DeedForm, Vec<String>) = match misread {
        Misread::Faults(faults) => {
            let keys = faults.iter().map(|(_, fault)| format!("{}:{}", fault.code.key(), fault.item));
            (facts.with_faults(&reader, faults), keys.collect())
        }
        Misread::Names(misnamed) => {
            let keys = misnamed.iter().map(|one| format!("{}:{}", one.why.key(), one.name));
            (facts.with_misnamed(&reader, misnamed), keys.collect())
        }
    };
    let settled = Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply_error", keys.join(" ")) };
    asking.reply(ledger, asking.to_sender(), Facts::DeedForm(facts), settled).await
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
    let Corrected { correction, doubts } = match wanted.deed {
        Deed::Correct => match correction::read(study, enrolled, &wanted.changes)? {
            Ok(read) => read,
            Err(misread) => return mend(ledger, asking, wanted, enrolled, &misread).await,
        },
        _ => Corrected::default(),
    };
    let kind = match wanted.deed {
        Deed::Correct if correction.moves() => FactKind::WrongStratum,
        Deed::Correct => FactKind::Corrected,
        Deed::InError => FactKind::RandomizedInError,
        Deed::Ineligible => FactKind::Ineligible,
        _ => FactKind::Withdrawn,
    };
    let Some(randomization) = about(wanted, enrolled) else {
        let facts = DeedForm::new(wanted, &[Lack::WhichAllocation]).with_allocations(study, wanted, asking.language);
        let facts = facts.with_had(had(study, enrolled, asking.language));
        let settled = asking.settled("reply_error", format!("lacking:{}", Lack::WhichAllocation.key()));
        return asking.reply(ledger, asking.to_sender(), Facts::DeedForm(facts), settled).await;
    };
    let note = Note {
        kind,
        enrolled,
        randomization: randomization.filter(|id| *id != FIRST),
        person: &asking.person.id,
        actor: &asking.person.id,
        reason: &wanted.reason,
        correction: &correction,
        of: None,
        inbox_id: Some(asking.arrival.inbox_id),
    };
    let known = known(ledger, &note).await?;
    let reader = asking.reader();
    if known.is_none() && wanted.deed == Deed::Correct && correction.changes.is_empty() {
        let same = told(&reader, enrolled, &correction.named, i64::MAX)?;
        let facts = DeedForm::new(wanted, &[Lack::OnFile]).with_same(same);
        let facts = facts.with_items(&reader, wanted, &forms(study, Some(enrolled)));
        let settled = asking.settled("reply_error", format!("lacking:{}", Lack::OnFile.key()));
        return asking.reply(ledger, asking.to_sender(), Facts::DeedForm(facts), settled).await;
    }
    if known.is_none()
        && let Some(owner) = binding::find_taken(&mut ledger.tx, study, &enrolled.subject, &correction.changes).await?
    {
        return taken(ledger, asking, wanted, enrolled, &owner).await;
    }
    if known.is_none() && confirmed == Confirmed::Spent {
        // It was refused then, or taken back or corrected since: an old yes brings nothing back.
        return confirm::expired(ledger, asking).await;
    }
    if known.is_none() && confirmed == Confirmed::NotYet {
        let doubts = doubts.iter().take(limits::FAULTS_LISTED);
        let read = ReadCorrection {
            changes: told(&reader, enrolled, &correction.changes, i64::MAX)?,
            doubts: doubts.map(|(form, doubt)| FaultLine::doubt(&reader, form, doubt)).collect(),
            same: told(&reader, enrolled, &correction.on_file(), i64::MAX)?,
            unused: UnknownKey::of(&wanted.unused),
        };
        // What is asked about is what the reply acts on, whatever the subject has by then.
        let wanted = Wanted { randomization: randomization.map(str::to_string), ..wanted.clone() };
        return deed::ask(ledger, asking, &wanted, enrolled, read).await;
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

/// Says that the reference which would be right is another subject's, with the form to fill in.
async fn taken(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    enrolled: &Enrolled,
    owner: &SubjectRow,
) -> Result<Settled, Failure> {
    deed::append_refusal(ledger, asking, wanted, Some(&enrolled.subject), "reference-taken").await?;
    let study = asking.study();
    let theirs = asking.person.acts_for_any(owner.sites());
    let facts = DeedForm::new(wanted, &[]).with_items(&asking.reader(), wanted, &forms(study, Some(enrolled)));
    let facts = facts.with_taken(theirs.then(|| study.subject_number(owner.number)).as_deref());
    let settled = Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply_error", "reference-taken") };
    asking.reply(ledger, asking.to_sender(), Facts::DeedForm(facts), settled).await
}

/// The allocation of the subject that an error is about: the one that was named, or its only one; no answer where nothing tells, or
/// the subject does not have it. Of other requests none.
fn about<'a>(wanted: &'a Wanted, enrolled: &Enrolled) -> Option<Option<&'a str>> {
    match wanted.randomization.as_deref() {
        _ if !wanted.deed.of_allocation() => Some(None),
        Some(id) if id == FIRST || enrolled.find_further(id).is_some() => Some(Some(id)),
        None if enrolled.further.is_empty() => Some(Some(FIRST)),
        _ => None,
    }
}

/// What an error about a subject can be about, each with its day: of an arm that was given by hand to blinded staff that on which it was
/// recorded, for they are not told of the hand.
pub(super) fn had(study: &Study, enrolled: &Enrolled, language: Language) -> Vec<AllocationHad> {
    let zone = study.zone;
    let hidden = |given: &AllocationRow| study.blinding == Blinding::Blinded && given.origin == Origin::Forced;
    let day = match enrolled.allocation.as_ref().is_some_and(hidden) {
        true => enrolled.subject.enrolled_at.day_in(zone),
        false => enrolled.day(zone),
    };
    let registered = AllocationHad::new(None, &day.to_string(), language);
    let further = enrolled.further.iter().filter_map(|own| {
        let given = &own.allocation;
        let day = if hidden(given) { given.allocated_at.day_in(zone) } else { own.day(zone) };
        Some(AllocationHad::new(Some(study.find_randomization(&given.randomization)?), &day.to_string(), language))
    });
    std::iter::once(registered).chain(further).collect()
}

/// The same fact, if it is on file: a subject withdraws once, and the same correction for the same reason is one.
///
/// # Errors
/// The database.
pub async fn known(ledger: &mut Ledger<'_>, note: &Note<'_>) -> Result<Option<FactRow>, Failure> {
    let all = fact_rows::list_by_subject(&mut ledger.tx, note.enrolled.subject.id).await?;
    // What was taken back may be so after all, later.
    let standing: Vec<&FactRow> = facts::standing(&all).collect();
    // What a correction changes is not on file: the same one of before was corrected once more since.
    let corrects = !note.correction.changes.is_empty();
    for fact in standing.into_iter().rev() {
        let once = matches!(note.kind, FactKind::Withdrawn | FactKind::Duplicate);
        let alike = !corrects
            && fact.kind == note.kind
            && fact.reason == note.reason
            && fact.of_subject_id == note.of.map(|of| of.id)
            && fact.randomization.as_deref() == note.randomization
            && changes(fact)? == note.correction.changes;
        if once && fact.kind == note.kind || alike || repeats(note, fact)? {
            return Ok(Some(fact.clone()));
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
        let before = on_file(note.enrolled, form, fact.number)?;
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
    facts::record(ledger, shelved, means, note.fact()).await
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
    // Who told what was in error hears that it is taken back.
    let in_error = note.enrolled.facts.iter().find(|known| Some(known.number) == fact.takes_back);
    let told = |person: &&Person| {
        // Whoever acts themself knows; who told it to the operator sees what was made of it.
        let theirs = person.acts_for_any(subject.sites());
        let must = TOLD.iter().any(|role| person.has(*role)) || in_error.is_some_and(|known| known.person == person.id);
        person.id != note.actor && theirs && must
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
    let before = note.enrolled.facts.iter().filter(|known| known.number < fact.number);
    let keeps = facts::keeps_reason(study, &fact.person, before) && !reader.person.knows_arms();
    // Whoever told it reads their own words.
    let noted = if keeps && who == Told::Staff { noted.without_reason() } else { noted };
    let noted = match fact.randomization.as_deref().and_then(|id| study.find_randomization(id)) {
        Some(own) => noted.of_allocation(&own.title, language),
        None => noted,
    };
    let in_error = note.enrolled.facts.iter().find(|known| Some(known.number) == fact.takes_back);
    let noted = match in_error {
        Some(known) => Noted { in_error: Some(compose::fact_line(study, known, &[], language)), ..noted },
        None => noted,
    };
    let facts = match who {
        Told::Asker => Facts::FactDone(noted),
        Told::Staff => Facts::FactNotice(noted),
    };
    compose::compose(shelved, means, to, facts)
}
