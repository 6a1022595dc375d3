//! Breaking the blind of one subject: with a reason, for one person, and everybody who must know hears that it happened.
//!
//! Nothing here opens more than one subject before the study is closed. The chain tells who was told, never what.

use std::collections::BTreeMap;

use serde_json::json;

use super::accept::Asking;
use super::compose::{self, Addressing, Outgoing};
use super::enroll::{self, Confirmed, Enrolled};
use super::facts::{self, NewFact};
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{Failure, Means, Settled, deed};
use crate::domain::deed::Wanted;
use crate::domain::fact::FactKind;
use crate::domain::language::Language;
use crate::domain::study::{Blinding, Person};
use crate::letters::Facts;
use crate::letters::facts::{Disclosed, Disclosure, Opening, ReadCorrection, Unblinded, UnblindingNotice};
use crate::store::allocation::AllocationRow;
use crate::store::fact::{self, FactRow};

/// One subject to be opened for one person.
#[derive(Clone, Copy, Debug)]
pub struct Break<'a> {
    /// Who is told.
    pub person: &'a Person,
    /// Who acts: the person, or the operator for them.
    pub actor: &'a str,
    /// The subject.
    pub enrolled: &'a Enrolled,
    /// Why.
    pub reason: &'a str,
    /// The mail that asked, if it was one.
    pub inbox_id: Option<i64>,
}

/// Whether the person is told for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// They are: recorded now.
    Now(FactRow),
    /// They were told before: this is a look at what they know.
    Before(FactRow),
}

impl Broken {
    /// The record of the first time.
    pub const fn fact(&self) -> &FactRow {
        match self {
            Broken::Now(fact) | Broken::Before(fact) => fact,
        }
    }
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
    let site = enrolled.subject.site.as_str();
    let to = Addressing { site: Some(site), subject_id: Some(enrolled.subject.id), ..asking.to_sender() };
    let settled = |reason: &str| Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply", reason) };
    let Some(allocation) = &enrolled.allocation else {
        let facts = compose::assignment(
            asking.shelved,
            asking.means,
            enrolled,
            compose::Telling::Status,
            None,
            asking.language,
        )?;
        return asking.reply(ledger, to, facts, settled("not-randomized")).await;
    };
    if study.blinding == Blinding::Open {
        let telling = compose::Telling::Duplicate { may_rescreen: false };
        let told = compose::assignment(asking.shelved, asking.means, enrolled, telling, None, asking.language)?;
        let Facts::DuplicateOpen(facts) = told else {
            return Err(Failure::Contradiction("an open study told no arm".to_string()));
        };
        return asking.reply(ledger, to, Facts::UnblindOpen(facts), settled("open-label")).await;
    }
    let told = known(ledger, enrolled, asking.person).await?;
    if told.is_none() && confirmed == Confirmed::NotYet && study.unblinding.confirm {
        return deed::ask(ledger, asking, wanted, enrolled, ReadCorrection::default()).await;
    }
    let what = Break {
        person: asking.person,
        actor: &asking.person.id,
        enrolled,
        reason: &wanted.reason,
        inbox_id: Some(asking.arrival.inbox_id),
    };
    let broken = record(ledger, asking.shelved, asking.means, what).await?;
    let letter = letter(asking.shelved, asking.means, what, allocation, broken.fact(), to, asking.language)?;
    match broken {
        // Whoever must treat a patient is always told, whatever they asked before.
        Broken::Now(fact) => {
            let mut outgoing = vec![letter];
            outgoing.extend(notices(asking.shelved, asking.means, what, &fact)?);
            let inbox_id = Some(asking.arrival.inbox_id);
            compose::post(&mut ledger.tx, Some(asking.shelved.id), asking.means, inbox_id, &outgoing).await?;
            Ok(settled("unblinded"))
        }
        Broken::Before(_) => asking.send(ledger, letter, settled("unblinded-before")).await,
    }
}

/// The record of the first time that this person was told all the arms that this subject has by now: what they were told before the
/// subject was randomized again is not the later arm.
async fn known(ledger: &mut Ledger<'_>, enrolled: &Enrolled, person: &Person) -> Result<Option<FactRow>, Failure> {
    let facts = fact::list_by_subject(&mut ledger.tx, enrolled.subject.id).await?;
    let last = enrolled.allocations().map(|given| given.number).max().unwrap_or_default();
    let told =
        |fact: &FactRow| fact.kind == FactKind::Unblinded && fact.person == person.id && fact.after_allocation >= last;
    Ok(facts.into_iter().find(told))
}

/// Records that a person is told a subject's arm, or that they look again.
///
/// # Errors
/// The database.
pub async fn record(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    what: Break<'_>,
) -> Result<Broken, Failure> {
    let known = known(ledger, what.enrolled, what.person).await?;
    if let Some(fact) = known {
        let (tx, page) = ledger.lock(shelved).await?;
        let body = json!({ "subject": what.enrolled.subject.number, "fact": fact.number, "person": what.person.id,
                           "inbox": what.inbox_id, "reason": what.reason });
        enroll::append(tx, page, means, what.actor, "unblind-look", &body).await?;
        return Ok(Broken::Before(fact));
    }
    let new = NewFact {
        kind: FactKind::Unblinded,
        enrolled: what.enrolled,
        randomization: None,
        person: &what.person.id,
        actor: what.actor,
        reason: what.reason,
        takes_back: None,
        changes: &BTreeMap::new(),
        levels: None,
        further: &BTreeMap::new(),
        of: None,
        inbox_id: what.inbox_id,
    };
    let row = facts::record(ledger, shelved, means, new).await?;
    metrics::counter!("hagaki_unblindings_total", "study" => shelved.study.slug.clone()).increment(1);
    Ok(Broken::Now(row))
}

/// The letter with the arm, to the person who was told.
///
/// # Errors
/// As [`compose::compose`]; a contradiction where the study does not allow the person to be told.
pub fn letter(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    what: Break<'_>,
    allocation: &AllocationRow,
    fact: &FactRow,
    to: Addressing<'_>,
    language: Language,
) -> Result<Outgoing, Failure> {
    let study = &shelved.study;
    let arm = study.find_arm(&allocation.arm).ok_or_else(|| compose::no_arm(&allocation.arm))?;
    // Where the site was corrected, the subject is the right one's too.
    let subject = &what.enrolled.subject;
    let site = subject.sites().find(|site| what.person.acts_for(site)).unwrap_or(subject.site.as_str());
    let mut further = Vec::new();
    for own in &what.enrolled.further {
        let code = &own.allocation.arm;
        let arm = study.find_arm(code).ok_or_else(|| compose::no_arm(code))?;
        let randomization = study.find_randomization(&own.allocation.randomization);
        let randomization = randomization.ok_or_else(|| compose::no_arm(code))?;
        further.push(Disclosed { own: randomization, arm, kit: own.kit.as_deref() });
    }
    let disclosure = Disclosure::to(study, what.person, site, arm, what.enrolled.kit.as_deref())
        .ok_or_else(|| Failure::Contradiction(format!("{} may not be told an arm", what.person.id)))?
        .with_further(&further);
    let answers = what.enrolled.answers()?;
    let number = study.subject_number(what.enrolled.subject.number);
    let enrollment = compose::enrollment(shelved, what.enrolled, &number, &answers);
    let opening = Opening { by: what.person, at: fact.recorded_at, reason: &fact.reason };
    let facts = Unblinded::new(&enrollment, opening, &disclosure, language);
    compose::compose(shelved, means, to, Facts::Unblinded(facts))
}

/// What those get who must know that it happened; the arm is in none of it.
///
/// # Errors
/// As [`compose::compose`].
pub fn notices(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    what: Break<'_>,
    fact: &FactRow,
) -> Result<Vec<Outgoing>, Failure> {
    let study = &shelved.study;
    let subject = &what.enrolled.subject;
    let answers = what.enrolled.answers()?;
    let number = study.subject_number(subject.number);
    let enrollment = compose::enrollment(shelved, what.enrolled, &number, &answers);
    let opening = Opening { by: what.person, at: fact.recorded_at, reason: &fact.reason };
    let told = |person: &&Person| {
        person.id != what.person.id
            && person.acts_for_any(subject.sites())
            && study.unblinding.tell.iter().any(|role| person.has(*role))
    };
    let before = what.enrolled.facts.iter().filter(|known| known.number < fact.number);
    let keeps = facts::keeps_reason(study, &fact.person, before);
    let mut outgoing = Vec::new();
    for person in study.people.iter().filter(told) {
        let facts = UnblindingNotice::new(&enrollment, opening, study.language_of(person));
        let facts = if keeps && !person.knows_arms() { facts.without_reason() } else { facts };
        let to = Addressing {
            site: Some(&subject.site),
            subject_id: Some(subject.id),
            ..Addressing::unasked(study, person)
        };
        outgoing.push(compose::compose(shelved, means, to, Facts::UnblindingNotice(facts))?);
    }
    Ok(outgoing)
}
