//! Responses: an instrument filled in by somebody whose credential was found good, recorded once.
//!
//! Whether a credential was used is decided by the primary key of its uses, and nothing else: of two who send at the same
//! moment one is told what the other did. A page that is sent again carries the same mark and gets the same receipt.

use serde_json::json;

use super::enroll::append;
use super::ledger::Ledger;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means};
use crate::domain::answer::Form;
use crate::domain::credential::Unfit;
use crate::domain::language::Language;
use crate::domain::survey::{Mark, Responses, Shut, Survey};
use crate::domain::token::LETTERS;
use crate::store::credential::{self, AnsweredRow, CredentialRow, State};
use crate::store::participant;
use crate::store::response::{self, Channel, ResponseRow};
use crate::store::study::State as StudyState;
use crate::store::{StoreError, draft};

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
    /// The same page was sent before, or the credential was used up by another: the receipt of then.
    Before(String),
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
    /// As many as wanted have answered.
    Full,
    /// The participant withdrew.
    Withdrawn,
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

/// Records a filled-in form, once.
///
/// # Errors
/// The database; [`StoreError::Busy`] if the study was amended since the form was read.
pub async fn submit(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    submission: Submission<'_>,
) -> Result<Outcome, Failure> {
    let study = &shelved.study;
    let Some(survey) = &study.survey else {
        return Err(Failure::Contradiction(format!("study {} asks nobody", study.slug)));
    };
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let missing = || StoreError::Missing { noun: "credential", key: submission.credential.text() };
    let credential = credential::find(&mut *tx, &submission.credential).await?.ok_or_else(missing)?;
    let uses = credential::uses(&mut *tx, &credential).await?;
    if let Some(receipt) = receipt_before(survey, &uses, &submission.mark) {
        return Ok(Outcome::Before(receipt));
    }
    if let Some(barred) = barred(survey, shelved, page.row.state, page.row.responses, &credential, means) {
        return Ok(Outcome::Barred(barred));
    }
    if let Some(id) = credential.participant_id
        && participant::load(&mut *tx, id).await?.state == participant::State::Withdrawn
    {
        return Ok(Outcome::Barred(Barred::Withdrawn));
    }
    let receipt = receipt(means);
    let occasion = uses.last().map_or(1, |last| last.occasion + 1);
    let day = means.now.day_in(study.zone).to_string();
    let used = AnsweredRow { occasion, submission: submission.mark, receipt: receipt.clone(), day };
    if !credential::record_use(tx, &credential.id, &used).await? {
        // Somebody was quicker: the lock of the study keeps others away, so this is a contradiction and no race.
        return Err(Failure::Contradiction("a credential was used and was not".to_string()));
    }
    let form = submission.form;
    let answers = serde_json::to_string(&form.canonical()).expect("a map of texts is JSON");
    let mut row = ResponseRow {
        id: Mark::new(means.dice),
        study_id: shelved.id,
        instrument: survey.instrument.clone(),
        bundle_version: shelved.version,
        participant_id: None,
        subject_id: None,
        event: String::new(),
        occasion: 1,
        person: String::new(),
        channel: submission.channel,
        language: String::new(),
        answers,
        typed: "{}".to_string(),
        answered_at: None,
        replaces: None,
        reason: String::new(),
        current: true,
        audit_digest: None,
    };
    if survey.privacy.names() {
        let body = json!({
            "response": row.id.text(),
            "participant": credential.participant_id,
            "instrument": survey.instrument,
            "occasion": occasion,
            "bundle": shelved.version,
            "answers": super::enroll::record_digest(&row.answers),
        });
        let audit_digest = append(tx, page, means, "participant", "respond", &body).await?;
        row = ResponseRow {
            participant_id: credential.participant_id,
            occasion,
            language: submission.language.code().to_string(),
            typed: serde_json::to_string(&form.typed).expect("a map of texts is JSON"),
            answered_at: Some(means.now),
            audit_digest: Some(audit_digest),
            ..row
        };
    }
    page.row.responses += 1;
    page.touch();
    response::insert(tx, &row).await?;
    draft::forget(tx, &credential.id).await?;
    ledger.commit().await?;
    metrics::counter!("hagaki_responses_total", "study" => study.slug.clone()).increment(1);
    Ok(Outcome::Recorded(receipt))
}

/// The receipt of the same page, or of the one response that there may be.
pub fn receipt_before(survey: &Survey, uses: &[AnsweredRow], mark: &Mark) -> Option<String> {
    let same = uses.iter().find(|used| used.submission == *mark);
    let only = uses.first().filter(|_| survey.responses == Responses::Once);
    same.or(only).map(|used| used.receipt.clone())
}

/// A receipt number that says nothing: 60 random bits, in groups as people read them aloud.
fn receipt(means: Means<'_>) -> String {
    let mut bytes = [0; 10];
    means.dice.fill(&mut bytes);
    let letters: Vec<char> = LETTERS.encode(&bytes).to_uppercase().chars().take(12).collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}
