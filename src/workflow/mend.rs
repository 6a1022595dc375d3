//! Mending answers that were sent: the response of before stays, superseded, and the new one points at it.

use serde_json::json;

use super::enroll::{append, record_digest};
use super::ledger::Ledger;
use super::respond::{self, Outcome, Submission, barred_by};
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, schedule, uploads};
use crate::domain::study::PARTICIPANT;
use crate::domain::survey::{Mark, Responses, Survey};
use crate::store::credential::CredentialRow;
use crate::store::response::{self, ResponseRow};
use crate::store::{Reader, StoreError, draft};

/// Whether answers to a survey may be mended after they were sent: they stand with the person, and there is one response.
pub fn may_mend(survey: &Survey) -> bool {
    survey.edit && survey.privacy.names() && survey.responses == Responses::Once
}

/// The response that was sent with a credential and counts; none before anything was sent.
///
/// # Errors
/// The database.
pub async fn sent<'a>(
    from: impl Into<Reader<'a>>,
    survey: &Survey,
    credential: &CredentialRow,
) -> Result<Option<ResponseRow>, StoreError> {
    let Some(participant) = credential.participant_id else { return Ok(None) };
    Ok(response::list_of(from, participant, &survey.instrument).await?.pop())
}

/// Records mended answers in place of those sent before; the receipt stays. The same page again, or the same answers, change
/// nothing. `base` is the response that they were made from, where they name one: nobody undoes unseen what was mended meanwhile.
///
/// # Errors
/// The database; [`StoreError::Busy`] if the study was amended since the form was read.
pub async fn mend(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    submission: Submission<'_>,
    base: Option<&str>,
) -> Result<Outcome, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let outcome = mend_in(&mut ledger, shelved, means, submission, base).await?;
    if matches!(outcome, Outcome::Recorded(_)) {
        ledger.commit().await?;
    }
    Ok(outcome)
}

/// The same in a transaction that goes on.
///
/// # Errors
/// As [`mend`].
pub(super) async fn mend_in(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    submission: Submission<'_>,
    base: Option<&str>,
) -> Result<Outcome, Failure> {
    let study = &shelved.study;
    let Some(survey) = study.survey.as_ref().filter(|survey| may_mend(survey)) else {
        return Err(Failure::Contradiction(format!("answers to study {} cannot be mended", study.slug)));
    };
    let (tx, page, arrival) = ledger.lock_with(shelved, &submission.credential).await?;
    let missing = |noun| StoreError::Missing { noun, key: submission.credential.text() };
    let credential = &arrival.credential;
    let used = arrival.uses.first().ok_or_else(|| missing("use of the credential"))?;
    let before = sent(&mut *tx, survey, credential).await?.ok_or_else(|| missing("response"))?;
    let answers = serde_json::to_string(&submission.form.canonical()).expect("a map of texts is JSON");
    let told = Outcome::Again(used.receipt.clone());
    if before.answers == answers {
        return Ok(told);
    }
    if base.is_some_and(|base| base != before.id.text()) {
        return Ok(Outcome::Overtaken);
    }
    // The mark names the response, so that a mail sent again is found again; a page is known by what it was made from.
    let id = match response::find(&mut *tx, &submission.mark).await? {
        Some(row) if base.is_none() && row.participant_id == credential.participant_id => return Ok(told),
        Some(_) => Mark::new(means.dice),
        None => submission.mark,
    };
    // It is among those that count already.
    let counted = (page.row.state, page.row.responses - 1);
    if let Some(barred) = barred_by(survey, shelved, counted, &arrival, means) {
        return Ok(Outcome::Barred(barred));
    }
    let kept = respond::kept(tx, shelved, &survey.instrument, &id, submission.form)?;
    let body = json!({
        "response": id.text(),
        "replaces": before.id.text(),
        "participant": credential.participant_id,
        "instrument": survey.instrument,
        "occasion": before.occasion,
        "bundle": shelved.version,
        "answers": record_digest(kept.answers.text()),
    });
    let audit_digest = append(tx, page, means, PARTICIPANT, "mend-response", &body).await?;
    response::supersede(tx, &before.id).await?;
    let row = ResponseRow {
        id,
        bundle_version: shelved.version,
        channel: submission.channel,
        language: submission.language.code().to_string(),
        answers,
        typed: serde_json::to_string(&submission.form.typed).expect("a map of texts is JSON"),
        answered_at: Some(means.now),
        replaces: Some(before.id),
        audit_digest: Some(audit_digest),
        ..before
    };
    response::insert(tx, &row, &kept).await?;
    if let Some(participant) = credential.participant_id {
        // Letters may be counted from a day that was mended.
        schedule::touch(tx, shelved, &[participant]).await?;
    }
    uploads::keep(tx, shelved.id, submission.form).await?;
    draft::forget_all(tx, credential).await?;
    page.touch();
    Ok(Outcome::Recorded(used.receipt.clone()))
}
