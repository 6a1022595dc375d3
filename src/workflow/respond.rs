//! Responses: an instrument filled in by somebody whose credential was found good, recorded once.
//!
//! Whether a credential was used is decided by the primary key of its uses, and nothing else: of two who send at the same
//! moment one is told what the other did. A page that is sent again carries the same mark and gets the same receipt.

use chrono::NaiveDate;
use serde_json::json;

use super::enroll::append;
use super::ledger::{Ledger, Page};
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, schedule, uploads, urn};
use crate::domain::answer::Form;
use crate::domain::credential::Unfit;
use crate::domain::kept::KeptForm;
use crate::domain::language::Language;
use crate::domain::seal;
use crate::domain::study::PARTICIPANT;
use crate::domain::survey::{Mark, Privacy, Responses, Shut, Survey};
use crate::domain::token::LETTERS;
use crate::store::arrival::Arrival;
use crate::store::credential::{self, AnsweredRow, CredentialRow, State};
use crate::store::participant;
use crate::store::response::{self, Channel, ResponseRow};
use crate::store::study::State as StudyState;
use crate::store::{Tx, draft, subject};

/// A filled-in form on its way.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// Name of the credential it came with.
    pub credential: Mark,
    /// Mark of the page.
    pub mark: Mark,
    /// The answers; a form with faults is not recorded.
    pub form: &'a Form,
    /// Language of the page or mail.
    pub language: Language,
    /// Which way it came.
    pub channel: Channel,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It counts; this is its receipt.
    Recorded(String),
    /// The same page was sent before: its receipt of then, and what was sent then stays.
    Again(String),
    /// The credential was used up by another page: the receipt of that, and what was sent with it stays.
    Before(String),
    /// What is on file is not what was mended any more: somebody mended it meanwhile.
    Overtaken,
    /// It is not taken.
    Barred(Barred),
}

/// Why nothing is taken with a credential now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// It was called back, or another took its place.
    Revoked,
    /// Its time is to come, or over.
    Unfit(Unfit),
    /// The survey's days are to come, or over.
    Shut(Shut),
    /// The study is paused.
    Paused,
    /// The study is closed.
    Closed,
    /// Their last response was a short time ago; the next is taken from that day on.
    Soon(NaiveDate),
    /// As many as wanted have answered.
    Full,
    /// The participant withdrew.
    Withdrawn,
    /// It is longer than answers that nobody may know apart can be.
    TooLong,
}

/// Whether something would be taken with a credential now; what a page asks before it shows the form.
pub fn barred(
    survey: &Survey,
    shelved: &ShelvedStudy,
    state: StudyState,
    responses: i64,
    credential: &CredentialRow,
    means: Means<'_>,
) -> Option<Barred> {
    if !survey.privacy.names() && means.keys.ring.is_empty() {
        tracing::error!(study = shelved.study.slug, "{}; no answers are taken until then", seal::NoKey);
        return Some(Barred::Paused);
    }
    if let Err(error) = shelved.unlocked() {
        tracing::error!(study = shelved.study.slug, %error, "no answers are taken until then");
        return Some(Barred::Paused);
    }
    match state {
        StudyState::Paused => return Some(Barred::Paused),
        StudyState::Closed => return Some(Barred::Closed),
        StudyState::Open => {}
    }
    if credential.state != State::Active {
        return Some(Barred::Revoked);
    }
    if let Err(unfit) = credential.validity.at(means.now) {
        return Some(Barred::Unfit(unfit));
    }
    if let Err(shut) = survey.open_on(means.now.day_in(shelved.study.zone)) {
        return Some(Barred::Shut(shut));
    }
    survey.cap.filter(|cap| responses >= i64::from(*cap)).map(|_| Barred::Full)
}

/// Whether somebody's last response was too short a time ago for another.
pub fn too_soon(survey: &Survey, uses: &[AnsweredRow], today: NaiveDate) -> Option<Barred> {
    let last = uses.last()?.day.parse().ok()?;
    survey.next_after(last).filter(|next| today < *next).map(Barred::Soon)
}

/// As [`barred`], and whether the participant withdrew: what is looked at whenever answers are to be recorded, first ones as mended
/// ones. `counted` is the study's state, and how many responses count beside this one.
pub(super) fn barred_by(
    survey: &Survey,
    shelved: &ShelvedStudy,
    (state, counted): (StudyState, i64),
    arrival: &Arrival,
    means: Means<'_>,
) -> Option<Barred> {
    let withdrew = arrival.participant.as_ref().is_some_and(|whose| whose.state == participant::State::Withdrawn);
    barred(survey, shelved, state, counted, &arrival.credential, means).or(withdrew.then_some(Barred::Withdrawn))
}

/// Records a filled-in form, once.
///
/// # Errors
/// The database; [`StoreError::Busy`](crate::store::StoreError::Busy) if the study was amended since the form was read.
pub async fn submit(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    submission: Submission<'_>,
) -> Result<Outcome, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let outcome = respond(&mut ledger, shelved, means, submission).await?;
    // What was begun for answers that are not taken after all must not stay.
    if matches!(outcome, Outcome::Recorded(_)) {
        ledger.commit().await?;
    }
    Ok(outcome)
}

/// The same in a transaction that goes on.
///
/// # Errors
/// As [`submit`].
pub(super) async fn respond(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    submission: Submission<'_>,
) -> Result<Outcome, Failure> {
    let study = &shelved.study;
    let Some(survey) = &study.survey else {
        return Err(Failure::Contradiction(format!("study {} asks nobody", study.slug)));
    };
    let (tx, page, arrival) = ledger.lock_with(shelved, &submission.credential).await?;
    let (credential, uses) = (&arrival.credential, &arrival.uses);
    if let Some(before) = sent_before(survey, credential, uses, &submission.mark) {
        return Ok(before);
    }
    if let Some(barred) = barred_by(survey, shelved, (page.row.state, page.row.responses), &arrival, means) {
        return Ok(Outcome::Barred(barred));
    }
    if let Some(soon) = too_soon(survey, uses, means.now.day_in(study.zone)) {
        return Ok(Outcome::Barred(soon));
    }
    let receipt = receipt(means);
    let occasion = uses.last().map_or(1, |last| last.occasion + 1);
    let day = match survey.privacy {
        Privacy::Named | Privacy::Anonymous => means.now.day_in(study.zone).to_string(),
        Privacy::FullyAnonymous => String::new(),
    };
    let used = AnsweredRow { occasion, submission: submission.mark, receipt: receipt.clone(), day };
    // The lock of the study keeps others away: a use that is there after all is a contradiction and no race, and fails.
    credential::record_use(tx, &credential.id, &used).await?;
    let named = survey.privacy.names();
    if named {
        record(tx, page, shelved, means, survey, submission, (credential.participant_id, occasion)).await?;
    } else if submission.channel != Channel::Web {
        // The mail would lie in the inbox, with its sender.
        return Err(Failure::Contradiction("an answer that nobody may join to a person came by mail".to_string()));
    } else if urn::put(tx, shelved, means, survey, submission.form).await? == urn::Put::TooLong {
        return Ok(Outcome::Barred(Barred::TooLong));
    }
    uploads::keep(tx, shelved.id, submission.form).await?;
    page.row.responses += 1;
    page.touch();
    draft::forget_all(tx, credential).await?;
    // Of others when they are opened: a counter that is read every few seconds is a clock.
    if named {
        metrics::counter!("hagaki_responses_total", "study" => study.slug.clone()).increment(1);
    }
    Ok(Outcome::Recorded(receipt))
}

/// Writes a response that stands with the person: the participant and their so-many-th.
async fn record(
    tx: &mut Tx,
    page: &mut Page,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    survey: &Survey,
    submission: Submission<'_>,
    (participant_id, occasion): (Option<i64>, i64),
) -> Result<(), Failure> {
    let (id, form) = (Mark::new(means.dice), submission.form);
    let kept = kept(tx, shelved, &survey.instrument, &id, form)?;
    let subject = match participant_id {
        Some(participant) if survey.enrolls => subject::find_by_participant(&mut *tx, participant).await?,
        _ => None,
    };
    if survey.enrolls && subject.is_none() {
        return Err(Failure::Contradiction("somebody answers who has not enrolled themself".to_string()));
    }
    let mut body = json!({
        "response": id.text(),
        "participant": participant_id,
        "instrument": survey.instrument,
        "occasion": occasion,
        "bundle": shelved.version,
        "answers": super::enroll::record_digest(kept.answers.text()),
    });
    if let Some(subject) = &subject {
        body["subject"] = json!(subject.number);
    }
    let audit_digest = append(tx, page, means, PARTICIPANT, "respond", &body).await?;
    if let Some(participant) = participant_id {
        schedule::touch(tx, shelved, &[participant]).await?;
    }
    let row = ResponseRow {
        id,
        study_id: shelved.id,
        instrument: survey.instrument.clone(),
        bundle_version: shelved.version,
        participant_id,
        subject_id: subject.map(|subject| subject.id),
        event: String::new(),
        occasion,
        person: String::new(),
        channel: submission.channel,
        language: submission.language.code().to_string(),
        answers: serde_json::to_string(&form.canonical()).expect("a map of texts is JSON"),
        typed: serde_json::to_string(&form.typed).expect("a map of texts is JSON"),
        answered_at: Some(means.now),
        replaces: None,
        reason: String::new(),
        current: true,
        audit_digest: Some(audit_digest),
    };
    Ok(response::insert(tx, &row, &kept).await?)
}

/// A form as the response of that name keeps it.
pub(super) fn kept(
    tx: &Tx,
    shelved: &ShelvedStudy,
    instrument: &str,
    id: &Mark,
    form: &Form,
) -> Result<KeptForm, Failure> {
    let absent = || Failure::Contradiction(format!("the instrument {instrument} is absent"));
    let instrument = shelved.study.find_instrument(instrument).ok_or_else(absent)?;
    let columns = (shelved.id, response::COLUMNS, &*id.text());
    Ok(KeptForm::new(tx.ring(), columns, instrument, &form.canonical(), &form.typed)?)
}

/// Whether somebody may answer once with a credential: that is for the survey to say, or for whoever issued it.
pub fn answers_once(survey: &Survey, credential: &CredentialRow) -> bool {
    survey.responses == Responses::Once || credential.is_for_one_use()
}

/// What there is already in place of a page that is sent: the same page, or the one response that there may be.
pub fn sent_before(survey: &Survey, credential: &CredentialRow, uses: &[AnsweredRow], mark: &Mark) -> Option<Outcome> {
    let same = uses.iter().find(|used| used.submission == *mark).map(|used| Outcome::Again(used.receipt.clone()));
    let only = uses.first().filter(|_| answers_once(survey, credential));
    same.or_else(|| only.map(|used| Outcome::Before(used.receipt.clone())))
}

/// A receipt number that says nothing: 60 random bits, in groups as people read them aloud.
pub(super) fn receipt(means: Means<'_>) -> String {
    let mut bytes = [0; 10];
    means.dice.fill(&mut bytes);
    let letters: Vec<char> = LETTERS.encode(&bytes).to_uppercase().chars().take(12).collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}
