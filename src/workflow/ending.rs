//! How a study ends, step by step: its enrollment, the study itself, the blind, the secrecy of the draws. Each step is one entry of its
//! chain, and everybody on its staff hears of it in the same transaction.

use serde_json::json;

use super::confirm::{self, Unanswered};
use super::facts::keeps_reason;
use super::life::{self, Act, LifeError, Refusal, log};
use super::planned::tell_withdrawn;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, compose};
use crate::domain::study::{Blinding, Person, Stage, Study};
use crate::letters::Facts;
use crate::letters::facts::{Milestone, Step};
use crate::store::planned::{self, State as PlanState};
use crate::store::study::{self, State, StudyRow};
use crate::store::{StoreError, Tx, audit, urn};

/// Who decided a step, by whose hand, and why.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    /// Id of the person of the study who decided it; none where the operator did.
    pub by: Option<&'a str>,
    /// The operator, the moment and the reason.
    pub act: Act<'a>,
}

/// The person of that id must be one of the study's.
///
/// # Errors
/// A [`Refusal`] if study.toml names none.
pub(super) fn person<'a>(study: &'a Study, id: &str) -> Result<&'a Person, Refusal> {
    let found = study.people.iter().find(|person| person.id == id);
    found.ok_or_else(|| Refusal::Person(format!("--by {id}: study.toml names no person of that id")))
}

/// The study locked, before its close, for somebody who may decide; what was read of it must still be in force.
async fn begin(tx: &mut Tx, shelved: &ShelvedStudy, decision: Decision<'_>) -> Result<StudyRow, LifeError> {
    let row = life::not_closed(tx, &shelved.study.slug, decision.act).await?;
    if (row.id, row.bundle_version) != (shelved.id, shelved.version) {
        return Err(StoreError::Busy(format!("study {} was amended a moment ago", row.slug)).into());
    }
    decision.by.map(|id| person(&shelved.study, id)).transpose()?;
    Ok(row)
}

/// Ends enrollment into a study that goes on in everything else, or (`ended` is false) opens it again.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn set_enrollment(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    ended: bool,
    decision: Decision<'_>,
) -> Result<Stage, LifeError> {
    let mut tx = shelf.store().begin().await?;
    let row = begin(&mut tx, shelved, decision).await?;
    if row.enrollment_ended_at.is_some() == ended {
        return Err(Refusal::Unchanged.into());
    }
    let Decision { by, act } = decision;
    let (stage, subjects) = (row.stage, row.subjects);
    let (action, step) = match ended {
        true => ("end-enrollment", Step::EnrollmentEnded),
        false => ("reopen-enrollment", Step::EnrollmentReopened),
    };
    study::set_enrollment(&mut tx, row.id, ended.then_some(act.at), act.at).await?;
    let waiting = confirm::unanswered(&mut tx, row.id, act.at).await?.enrollments;
    let body = json!({ "by": by, "reason": act.reason, "subjects": subjects });
    log(&mut tx, row, act, action, &body).await?;
    tell(&mut tx, shelf, shelved, means, Told { step, decision, subjects, waiting, secret_digest: "" }).await?;
    tx.commit().await?;
    Ok(stage)
}

/// Closes a study: nobody is enrolled, allocated or given a kit any more, nothing is entered, and what was concealed may be opened. An
/// election is closed when its urn was opened.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn close(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    decision: Decision<'_>,
) -> Result<Stage, LifeError> {
    let mut tx = shelf.store().begin().await?;
    let row = begin(&mut tx, shelved, decision).await?;
    // The committee of a closed study takes no step.
    if shelved.study.election.is_some() && urn::count(&mut tx, row.id).await? > 0 {
        return Err(Refusal::Ballots(row.slug).into());
    }
    let Decision { by, act } = decision;
    let (stage, subjects) = (row.stage, row.subjects);
    study::set_state(&mut tx, row.id, State::Closed, act.at).await?;
    let plans = planned::list(&mut tx, row.id).await?;
    planned::withdraw_all(&mut tx, row.id, act.at, "the study was closed").await?;
    let waiting = confirm::unanswered(&mut tx, row.id, act.at).await?.ending();
    log(&mut tx, row, act, "close", &json!({ "by": by, "reason": act.reason })).await?;
    let told = Told { step: Step::StudyClosed, decision, subjects, waiting, secret_digest: "" };
    tell(&mut tx, shelf, shelved, means, told).await?;
    // Who heard that one was to come was promised to hear if it does not.
    for one in plans.iter().filter(|one| one.state == PlanState::Waiting) {
        tell_withdrawn(&mut tx, shelf, shelved, means, one, decision).await?;
    }
    tx.commit().await?;
    Ok(stage)
}

/// The requests that wait for a confirmation now; a close leaves some of them without one.
///
/// # Errors
/// The database.
pub async fn unanswered(shelf: &Shelf, study_id: i64, act: Act<'_>) -> Result<Unanswered, Failure> {
    confirm::unanswered(shelf.store(), study_id, act.at).await
}

/// The action of the entry that is left when the blind is opened for all.
pub(super) const UNBLIND_ALL: &str = "unblind-all";

/// Whether a step is taken for the first time: whoever looks again at what was opened is told of in the chain alone.
pub(super) async fn is_first(tx: &mut Tx, study_id: i64, action: &str) -> Result<bool, StoreError> {
    Ok(!audit::has(tx, study_id, action).await?)
}

/// A step as the staff hear of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) step: Step,
    pub(super) decision: Decision<'a>,
    pub(super) subjects: i64,
    /// Requests that wait for a confirmation which comes too late now.
    pub(super) waiting: u64,
    /// The digest that the secret was bound to, where it is given away.
    pub(super) secret_digest: &'a str,
}

/// Writes to everybody on the staff.
///
/// # Errors
/// The database; the built-in words that cannot state it.
pub(super) async fn tell(
    tx: &mut Tx,
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    told: Told<'_>,
) -> Result<(), Failure> {
    let outgoing = shelf.write_surely(shelved, |shelved| letters(shelved, means, told))?;
    compose::post(tx, Some(shelved.id), means, None, &outgoing).await
}

fn letters(shelved: &ShelvedStudy, means: Means<'_>, told: Told<'_>) -> Result<Vec<compose::Outgoing>, Failure> {
    let study = &shelved.study;
    let Decision { by, act } = told.decision;
    let by = by.and_then(|id| study.people.iter().find(|person| person.id == id));
    // As of an amendment: who may know arms could tell them in ways that nobody can foresee, while the study goes on.
    let goes_on = matches!(told.step, Step::EnrollmentEnded | Step::EnrollmentReopened);
    let keeps = goes_on && keeps_reason(study, told.decision.by.unwrap_or(act.actor), []);
    let letter = |person: &Person| {
        let to = compose::Addressing::unasked(study, person);
        let milestone = Milestone::new(study, act.at, by, act.reason, to.language)
            .with_counts(told.subjects, told.waiting)
            .with_secret_digest(told.secret_digest);
        let milestone = if keeps && !person.knows_arms() { milestone.without_reason() } else { milestone };
        compose::compose(shelved, means, to, Facts::of_step(told.step, milestone))
    };
    study.people.iter().map(letter).collect()
}

/// Whether anything is opened when everybody's arm is listed.
pub(super) fn conceals(study: &Study) -> bool {
    study.blinding == Blinding::Blinded
}
