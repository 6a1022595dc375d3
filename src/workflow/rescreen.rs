//! A person who is screened again is another subject, with a number and an allocation of its own, that points at the earlier one.
//!
//! In charge of when that is allowed and which reference it gets. The site may use its own reference again for that link only:
//! the key of such a subject is that of the person with the number of the screening behind a blank, which no folded reference
//! holds. So references and links stay unique by constraints of the database.
//!
//! Whoever has an arm and is screened again is randomized again. In production that waits for the consent of somebody who does not enroll
//! at the site: an entry of the chain that names the earlier subject, and so serves once.

use serde_json::{Value, json};

use super::command::{self, CommandError, Order, Refusal};
use super::facts::standing;
use super::ledger::Ledger;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, binding, course, enroll};
use crate::domain::allocation::Scheme;
use crate::domain::answer::Form;
use crate::domain::study::{Person, Study};
use crate::domain::text;
use crate::letters::facts::{Links, Reason};
use crate::limits;
use crate::store::subject::{self, SubjectRow};
use crate::store::{Tx, allocation, audit, fact};

/// Action of the entry by which somebody consents.
const CONSENT: &str = "consent-rescreening";

/// A registration that screens somebody again.
#[derive(Clone, Debug)]
pub(super) struct Again {
    /// The earlier subject.
    pub(super) of: SubjectRow,
    /// As which it was screened again already.
    pub(super) done: Option<SubjectRow>,
    /// Numbers in the database of this person's screenings so far, the latest first.
    chain: Vec<i64>,
}

impl Again {
    /// The key of the new subject, whose reference has `key`; the subject of somebody else that has it, if one does.
    pub(super) async fn key(
        &self,
        tx: &mut Tx,
        study_id: i64,
        key: &str,
    ) -> Result<Result<String, SubjectRow>, Failure> {
        match subject::find_by_reference(&mut *tx, study_id, key).await? {
            None => Ok(Ok(key.to_string())),
            Some(own) if self.chain.contains(&own.id) => {
                Ok(Ok(binding::free_key(tx, study_id, key, self.chain.len() + 1).await?))
            }
            Some(other) => Ok(Err(other)),
        }
    }
}

/// The earlier subject that a form names, if it names one, and whether it may be screened again; else why not.
///
/// # Errors
/// The database.
pub(super) async fn judge(
    tx: &mut Tx,
    study_id: i64,
    study: &Study,
    person: &Person,
    form: &Form,
) -> Result<Result<Option<Again>, Reason>, Failure> {
    let Some(typed) = &form.rescreens else { return Ok(Ok(None)) };
    let rules = &study.registration.rescreening;
    if rules.after.is_empty() {
        return Ok(Err(Reason::RescreeningNever));
    }
    let found =
        find_named(tx, study_id, study, person, typed).await?.filter(|found| person.acts_for_any(found.sites()));
    let Some(of) = found else { return Ok(Err(Reason::RescreeningUnknown(typed.clone()))) };
    let chain = screenings(tx, &of).await?;
    if let Some(done) = subject::find_rescreening(&mut *tx, of.id).await? {
        return Ok(Ok(Some(Again { of, done: Some(done), chain })));
    }
    let number = study.subject_number(of.number);
    if chain.len() > rules.most as usize {
        return Ok(Err(Reason::RescreeningSpent(number)));
    }
    let facts = fact::list_by_subject(&mut *tx, of.id).await?;
    if !standing(&facts).any(|fact| fact.randomization.is_none() && rules.after.contains(&fact.kind)) {
        return Ok(Err(Reason::RescreeningNoFact(number, rules.after.clone())));
    }
    if let Some(counts) = counts_before(tx, &chain).await? {
        return Ok(Err(Reason::RescreeningNoFact(study.subject_number(counts), rules.after.clone())));
    }
    Ok(Ok(Some(Again { of, done: None, chain })))
}

/// Whether screening that subject again randomizes a person again who has an arm, to which nobody consented yet.
///
/// # Errors
/// The database; an entry that no program of ours can have written.
pub(super) async fn waits(tx: &mut Tx, study_id: i64, study: &Study, of: &SubjectRow) -> Result<bool, Failure> {
    let draws = study.scheme.as_ref().is_some_and(Scheme::randomizes);
    let has_arm = draws && !allocation::list_by_subject(&mut *tx, of.id).await?.is_empty();
    Ok(has_arm && !is_consented(tx, study_id, of).await?)
}

async fn is_consented(tx: &mut Tx, study_id: i64, of: &SubjectRow) -> Result<bool, Failure> {
    // Whoever consented before a fact was taken back knew of something that was in error.
    let facts = fact::list_by_subject(&mut *tx, of.id).await?;
    let anew = facts.iter().filter(|fact| fact.takes_back.is_some()).map(|fact| fact.recorded_at).max();
    for entry in audit::list_of_action(&mut *tx, study_id, CONSENT).await? {
        let broken = |error| Failure::Contradiction(format!("entry {} of the chain: {error}", entry.seq));
        let body: Value = serde_json::from_str(&entry.body).map_err(broken)?;
        let counts = anew.is_none_or(|anew| entry.at > anew);
        if counts && body.get("subject").and_then(Value::as_i64) == Some(of.number) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Records that somebody who does not enroll at the site consents to screening a subject again who has an arm; whether that was new.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn consent(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
    by: &str,
) -> Result<bool, CommandError> {
    let study = &shelved.study;
    let reason = text::clean(order.reason, limits::DEED_REASON_CHARS);
    if reason.is_empty() {
        return Err(Refusal::NoReason.into());
    }
    let person = study.people.iter().find(|person| person.id == by);
    let person = person.ok_or_else(|| Refusal::Person(study.slug.clone(), by.to_string()))?;
    let of = command::find_subject(shelf.store(), study, shelved.id, order.subject).await?;
    let enrolls = person.roles.iter().any(|role| role.enrolls()) && person.acts_for_any(of.sites());
    if enrolls || person.id == of.person {
        return Err(Refusal::EnrollsThere(person.id.clone(), of.site).into());
    }
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let number = study.subject_number(of.number);
    if !may(tx, study, &of).await? {
        return Err(Refusal::NotRescreened(number).into());
    }
    if is_consented(tx, shelved.id, &of).await? {
        return Ok(false);
    }
    let body = json!({ "subject": of.number, "by": person.id, "reason": reason });
    enroll::append(tx, page, means, order.actor, CONSENT, &body).await?;
    ledger.commit().await?;
    Ok(true)
}

/// Whether a subject may be screened again now.
///
/// # Errors
/// The database.
pub(super) async fn may(tx: &mut Tx, study: &Study, of: &SubjectRow) -> Result<bool, Failure> {
    let rules = &study.registration.rescreening;
    if rules.after.is_empty() || subject::find_rescreening(&mut *tx, of.id).await?.is_some() {
        return Ok(false);
    }
    let facts = fact::list_by_subject(&mut *tx, of.id).await?;
    let known = standing(&facts).any(|fact| fact.randomization.is_none() && rules.after.contains(&fact.kind));
    let chain = screenings(tx, of).await?;
    Ok(known && chain.len() <= rules.most as usize && counts_before(tx, &chain).await?.is_none())
}

/// By our number, or by the reference under which the person was screened first.
async fn find_named(
    tx: &mut Tx,
    study_id: i64,
    study: &Study,
    person: &Person,
    typed: &str,
) -> Result<Option<SubjectRow>, Failure> {
    if let Some(number) = study.parse_subject_number(typed) {
        return Ok(subject::find_by_number(tx, study_id, number).await?);
    }
    for key in enroll::possible_keys(study, person, &text::fold_tight(typed)) {
        if let Some(found) = subject::find_by_reference(&mut *tx, study_id, &key).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The screenings of a person up to that subject, by their number in the database, the latest first.
async fn screenings(tx: &mut Tx, of: &SubjectRow) -> Result<Vec<i64>, Failure> {
    let mut chain = vec![of.id];
    let mut earlier = of.rescreens_id;
    while let Some(id) = earlier {
        if chain.len() > limits::RESCREENINGS as usize + 1 || chain.contains(&id) {
            return Err(Failure::Contradiction(format!("the screenings of subject {} have no beginning", of.number)));
        }
        chain.push(id);
        earlier = subject::load(&mut *tx, id).await?.rescreens_id;
    }
    Ok(chain)
}

/// All other screenings of a subject's person, the earlier ones first, the latest of them leading.
///
/// # Errors
/// The database.
pub(super) async fn others(tx: &mut Tx, of: &SubjectRow) -> Result<Vec<SubjectRow>, Failure> {
    let mut found = Vec::new();
    for id in screenings(&mut *tx, of).await?.into_iter().skip(1) {
        found.push(subject::load(&mut *tx, id).await?);
    }
    let mut last = of.id;
    for _ in 0..=limits::RESCREENINGS {
        let Some(later) = subject::find_rescreening(&mut *tx, last).await? else { break };
        last = later.id;
        found.push(later);
    }
    Ok(found)
}

/// An earlier screening of that chain which counts, since what spoke against it was taken back: with it and a later one a person would
/// count twice.
async fn counts_before(tx: &mut Tx, chain: &[i64]) -> Result<Option<i64>, Failure> {
    for id in chain.iter().skip(1) {
        let facts = fact::list_by_subject(&mut *tx, *id).await?;
        if course::is_out_altogether(&facts).is_none() {
            return Ok(Some(subject::load(&mut *tx, *id).await?.number));
        }
    }
    Ok(None)
}

/// The latest screening of a subject's person: the subject itself where it was not screened again.
///
/// # Errors
/// The database.
pub(super) async fn latest(tx: &mut Tx, of: SubjectRow) -> Result<SubjectRow, Failure> {
    let mut latest = of;
    for _ in 0..=limits::RESCREENINGS {
        match subject::find_rescreening(&mut *tx, latest.id).await? {
            Some(later) => latest = later,
            None => break,
        }
    }
    Ok(latest)
}

/// Numbers of the earlier and the later subject of the same person.
///
/// # Errors
/// The database.
pub(super) async fn links(tx: &mut Tx, of: &SubjectRow) -> Result<Links, Failure> {
    let rescreens = match of.rescreens_id {
        Some(id) => Some(subject::load(&mut *tx, id).await?.number),
        None => None,
    };
    let later = subject::find_rescreening(&mut *tx, of.id).await?;
    Ok(Links { rescreens, rescreened_as: later.map(|later| later.number) })
}
