//! A person who is screened again is another subject, with a number and an allocation of its own, that points at the earlier one.
//!
//! In charge of when that is allowed and which reference it gets. The site may use its own reference again for that link only:
//! the key of such a subject is that of the person with the number of the screening behind a blank, which no folded reference
//! holds. So references and links stay unique by constraints of the database.

use super::Failure;
use super::{binding, enroll};
use crate::domain::answer::Form;
use crate::domain::study::{Person, Study};
use crate::domain::text;
use crate::letters::facts::{Links, Reason};
use crate::limits;
use crate::store::subject::{self, SubjectRow};
use crate::store::{Tx, fact};

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
    let found = find_named(tx, study_id, study, person, typed)
        .await?
        .filter(|found| found.sites().any(|site| person.acts_for(site)));
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
    if !facts.iter().any(|fact| fact.randomization.is_none() && rules.after.contains(&fact.kind)) {
        return Ok(Err(Reason::RescreeningNoFact(number, rules.after.clone())));
    }
    Ok(Ok(Some(Again { of, done: None, chain })))
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
    let known = facts.iter().any(|fact| fact.randomization.is_none() && rules.after.contains(&fact.kind));
    Ok(known && screenings(tx, of).await?.len() <= rules.most as usize)
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
