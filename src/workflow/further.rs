//! A further randomization on a page: the same decision, record and letters as by mail ([`super::randomize`]).
//!
//! The page has shown everything once more before it was sent, which is what a mail's confirmation asks for.

use serde_json::json;

use super::again::{self, Asker, Case, form_of};
use super::compose::{self, Addressing};
use super::enroll::{append, refusal_keys};
use super::ledger::Ledger;
use super::register::Registrar;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, accept, planned, randomize};
use crate::domain::answer::Form;
use crate::letters::facts::Reason;

/// What came of it.
#[derive(Clone, Debug)]
pub enum Randomized {
    /// The subject has an arm of this randomization now.
    Now,
    /// It had been given one by the same answers.
    Before,
    /// It had been given one by other answers; nothing was changed.
    Conflict,
    /// Not randomized, for these reasons.
    Refused(Vec<Reason>),
    /// They may not do that for this subject.
    NotTheirs,
}

/// Randomizes a subject who is enrolled once more, by a form without faults.
///
/// # Errors
/// The database; [`crate::store::StoreError::Busy`] if the study was amended since the form was read.
pub async fn randomize(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    registrar: Registrar<'_>,
    (subject_id, randomization): (i64, &str),
    form: &Form,
) -> Result<Randomized, Failure> {
    let study = &shelved.study;
    let Registrar { person, address, language } = registrar;
    let own = study
        .find_randomization(randomization)
        .ok_or_else(|| Failure::Contradiction(format!("study {} has no randomization {randomization}", study.slug)))?;
    planned::come_into_force(shelf, means).await?;
    let mut ledger = Ledger::begin(shelf).await?;
    ledger.lock(shelved).await?;
    let enrolled = accept::load(&mut ledger, subject_id).await?;
    if !person.roles.iter().any(|role| role.enrolls()) || !person.acts_for_any(enrolled.subject.sites()) {
        return Ok(Randomized::NotTheirs);
    }
    let number = enrolled.subject.number;
    let case = Case { own, instrument: form_of(study, own)?, enrolled: &enrolled, form };
    if let Some(further) = enrolled.find_further(&own.id) {
        let (then, now) = (further.answers()?, form.canonical());
        let items = again::differing(further, &then, &now);
        if items.is_empty() {
            return Ok(Randomized::Before);
        }
        let body = json!({ "subject": number, "randomization": own.id, "inbox": null, "items": items });
        let (tx, page) = ledger.lock(shelved).await?;
        append(tx, page, means, &person.id, "conflict", &body).await?;
        ledger.commit().await?;
        return Ok(Randomized::Conflict);
    }
    let (tx, page) = ledger.lock(shelved).await?;
    let prepared = match again::prepare(tx, page, shelved, means, means.now, case).await? {
        Ok(prepared) => prepared,
        Err(reasons) => {
            let keys = refusal_keys(&reasons, form);
            let body = json!({ "randomization": own.id, "subject": number, "inbox": null, "reasons": keys });
            append(tx, page, means, &person.id, "refuse", &body).await?;
            ledger.commit().await?;
            return Ok(Randomized::Refused(reasons));
        }
    };
    let asker = Asker { person: &person.id, inbox_id: None, given: None };
    let (recorded, mut outgoing) = again::record(tx, page, shelved, means, case, prepared, asker).await?;
    let to = Addressing {
        address: Some(address),
        language,
        site: Some(&recorded.subject.site),
        subject_id: Some(recorded.subject.id),
        ..Addressing::unasked(study, person)
    };
    randomize::add_letters(&mut outgoing, (shelved, means), to, (case, &recorded))?;
    compose::post(&mut ledger.tx, Some(shelved.id), means, None, &outgoing).await?;
    ledger.commit().await?;
    Ok(Randomized::Now)
}
