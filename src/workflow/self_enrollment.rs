//! Participants who enroll themselves: the form that comes before the survey's own, and what the survey's may know afterwards.
//!
//! The form is the study's registration, and the same function decides and records it as for a mail of the staff: criteria, caps and
//! cohorts, the draw, the entry in the chain. It is sent, recorded and fixed before there is an arm, and nobody changes it afterwards but
//! by a correction that stands beside it: what somebody tells of themselves once they know (or guess) their arm may follow from the
//! arm, and an allocation by answers that came after it would be none. That one participant is one subject is a constraint of the
//! database, whatever is typed: the reference is the participant, and no item of the form.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::enroll::{self, Application, Confirmed, Enrollment, Way, stored_answers};
use super::ledger::Ledger;
use super::respond::{Barred, barred_by, receipt};
use super::shelf::{Shelf, ShelvedStudy};
use super::visitor::stranger;
use super::{Failure, Means, again, notices, planned, schedule};
use crate::domain::answer::{Form, Known, Value};
use crate::domain::chain::Sha256Digest;
use crate::domain::instrument::ItemKind;
use crate::domain::study::{ARM, Blinding, FIRST, PARTICIPANT, Person, Study};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::letters::facts::Reason;
use crate::limits;
use crate::store::participant::{self, ParticipantRow};
use crate::store::study::StudyRow;
use crate::store::{Store, allocation, draft, fact, subject};

/// Somebody who enrolled themself, as far as what they are asked follows from it.
#[derive(Clone, Debug, Default)]
pub struct Entrant {
    /// What conditions, calculations and checks may name: the registration's items as corrected since, and the arm.
    pub known: Known,
    /// What labels may repeat, canonical: nothing personal, and the arm only in a study that conceals none (promise 6).
    pub told: BTreeMap<String, String>,
}

impl Entrant {
    /// Somebody of these answers to the registration and this arm.
    pub fn new(study: &Study, registration: &Form, arm: Option<&str>) -> Entrant {
        let mut entrant = Entrant::default();
        for item in &study.registration_instrument().items {
            let value = registration.answers.get(&item.id).map(|answer| answer.value.clone());
            let repeats =
                !item.personal && !matches!(item.kind, ItemKind::Note | ItemKind::File(_) | ItemKind::Heading);
            if let (Some(value), true) = (&value, repeats) {
                entrant.told.insert(item.id.clone(), value.canonical());
            }
            entrant.known.insert(item.id.clone(), value);
        }
        if !study.arms.is_empty() {
            entrant.known.insert(ARM.to_string(), arm.map(|arm| Value::Choice(arm.to_string())));
        }
        if let (Blinding::Open, Some(arm)) = (study.blinding, arm) {
            entrant.told.insert(ARM.to_string(), arm.to_string());
        }
        entrant
    }
}

/// What is known of a participant who enrolled themself; none before they did.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn find(store: &Store, shelved: &ShelvedStudy, participant: i64) -> Result<Option<Entrant>, Failure> {
    let study = &shelved.study;
    let Some(own) = subject::find_by_participant(store, participant).await? else { return Ok(None) };
    let facts = fact::list_by_subject(store, own.id).await?;
    let given = allocation::list_by_subject(store, own.id).await?;
    let arm = given.iter().find(|given| given.randomization == FIRST).map(|given| given.arm.as_str());
    let registration = again::registered_as(study, stored_answers(&own)?, &facts, own.enrolled_at.day_in(study.zone))?;
    Ok(Some(Entrant::new(study, &registration, arm)))
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// They are enrolled, and allocated where the study randomizes.
    Now,
    /// They were enrolled before; what was sent then stays.
    Before,
    /// Not enrolled, for these reasons; and whether other answers could still be sent.
    Refused(Vec<Reason>, bool),
    /// Nothing is taken of them now.
    Barred(Barred),
    /// They were refused as often as somebody may be.
    Spent,
}

/// Why nobody can enroll now, whatever they answer, as far as it can be told before: so that nobody fills in a form in vain.
pub fn shut(study: &Study, row: &StudyRow, now: Instant) -> Option<Reason> {
    if row.enrollment_ended_at.is_some() {
        return Some(Reason::EnrollmentEnded);
    }
    let today = now.day_in(study.zone);
    if let [only] = study.sites.as_slice() {
        match (only.opens, only.closes) {
            (Some(opens), _) if today < opens => return Some(Reason::SiteNotOpen(opens)),
            (_, Some(closes)) if today > closes => return Some(Reason::SiteClosed(closes)),
            _ => {}
        }
    }
    study.caps.total.filter(|cap| row.subjects >= i64::from(*cap)).map(|_| Reason::StudyFull)
}

/// Whether somebody was refused as often as may be.
pub fn is_spent(participant: &ParticipantRow) -> bool {
    participant.refusals >= limits::ENROLLMENT_REFUSALS
}

/// Enrolls the participant of a credential by a form without faults.
///
/// # Errors
/// The database; [`StoreError::Busy`](crate::store::StoreError::Busy) if the study was amended since the form was read.
pub async fn enroll(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    credential: &Mark,
    form: &Form,
) -> Result<Outcome, Failure> {
    let study = &shelved.study;
    let Some(survey) = study.survey.as_ref().filter(|_| study.enrolls_itself()) else {
        return Err(Failure::Contradiction(format!("in study {} nobody enrolls themself", study.slug)));
    };
    planned::come_into_force(shelf, means).await?;
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page, arrival) = ledger.lock_with(shelved, credential).await?;
    let Some(whose) = &arrival.participant else {
        return Err(Failure::Contradiction("a credential of nobody enrolls".to_string()));
    };
    let answers = digest_of(whose, form);
    // A page that is sent twice, or loaded again, is no other try.
    let again = participant::is_refused_again(tx, whose, &answers);
    // What was enrolled before is answered before anything can refuse it.
    if subject::find_by_participant(&mut *tx, whose.id).await?.is_none() {
        let counted = (page.row.state, page.row.responses);
        if let Some(barred) = barred_by(survey, shelved, counted, &arrival, means) {
            return Ok(Outcome::Barred(barred));
        }
        if is_spent(whose) && !again {
            return Ok(Outcome::Spent);
        }
    }
    let person = Person { id: PARTICIPANT.to_string(), ..stranger(study, &whose.address) };
    let way = Way { inbox_id: None, vouched: None };
    // The page has shown everything once more.
    let application = Application { person: &person, form, confirmed: Confirmed::ByReply, participant: Some(whose) };
    let outcome = match Box::pin(enroll::enroll(&mut ledger, shelved, means, way, application)).await? {
        Enrollment::Enrolled(enrolled) => {
            // The staff are told as of every enrollment; who enrolled sees the next page, and gets no letter that could tell an arm.
            let drafts = notices::notices(shelved, means, &enrolled)?;
            ledger.put_aside(shelved.id, means, None, drafts);
            draft::forget_all(&mut ledger.tx, &arrival.credential).await?;
            schedule::touch(&mut ledger.tx, shelved, &[whose.id]).await?;
            participant::set_receipt(&mut ledger.tx, whose.id, &receipt(means)).await?;
            metrics::counter!("hagaki_enrollments_total", "study" => study.slug.clone()).increment(1);
            Outcome::Now
        }
        Enrollment::Duplicate(_) | Enrollment::Conflict { .. } => Outcome::Before,
        Enrollment::Refused(reasons) => {
            let counted = whose.refusals + i64::from(!again);
            let mended = reasons.iter().all(|reason| follows_from_answers(study, reason));
            let refused = Outcome::Refused(reasons, counted < limits::ENROLLMENT_REFUSALS && mended);
            if again {
                // The entry of the first time tells it, and there is no second one: so many as one page is sent would be of no end.
                return Ok(refused);
            }
            participant::count_refusal(&mut ledger.tx, whose.id, &answers).await?;
            refused
        }
        Enrollment::ToConfirm(_) => {
            return Err(Failure::Contradiction("a confirmed form is to be confirmed".to_string()));
        }
    };
    ledger.commit().await?;
    Ok(outcome)
}

/// Digest of what somebody sent. It is kept as a code alone, for answers to a few questions can be guessed.
fn digest_of(whose: &ParticipantRow, form: &Form) -> Sha256Digest {
    let mut digest = Sha256::new_with_prefix(format!("hagaki refused {} {}", whose.study_id, whose.number));
    for (item, answer) in form.canonical() {
        // Each with its length, so that none runs into the next.
        for text in [item, answer] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
    }
    digest.finalize().into()
}

/// Whether other answers could have been taken.
fn follows_from_answers(study: &Study, reason: &Reason) -> bool {
    match reason {
        Reason::NotEligible(_)
        | Reason::AnswerNeeded(_)
        | Reason::NoLevel(_)
        | Reason::CohortFull(_)
        | Reason::StratumFull => true,
        Reason::SiteFull | Reason::SiteNotOpen(_) | Reason::SiteClosed(_) => study.sites.len() > 1,
        _ => false,
    }
}
