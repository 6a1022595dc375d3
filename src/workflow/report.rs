//! What became of our letters: delivery reports, and the alert when an assignment letter did not arrive.

use serde_json::json;

use super::accept;
use super::addresses;
use super::compose::{self, Addressing};
use super::enroll::Enrolled;
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{Failure, Held, Means, Settled, apart, schedule};
use crate::domain::address_fate::Bounce;
use crate::domain::study::Role;
use crate::letters::facts::AssignmentFailedAlert;
use crate::letters::{Facts, Kind};
use crate::store::outbox::{self, OutboxRow, Report};

/// What a delivery report says of one letter (RFC 3464 section 2.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Number of the letter, authenticated.
    pub letter: i64,
    /// `failed`, `delayed`, `delivered`, `relayed` or `expanded`.
    pub action: String,
    /// Enhanced status code such as `5.1.1`; empty where the report gives none.
    pub status: String,
}

/// Writes a delivery report to its letter; a failed letter of an arm alerts the coordinators.
///
/// # Errors
/// The database, a broken template.
pub async fn record(ledger: &mut Ledger<'_>, means: Means<'_>, delivery: &Delivery) -> Result<Settled, Failure> {
    let settled = |reason: String, letter: Option<&OutboxRow>| Settled {
        held: Held::No,
        disposition: "bounce",
        reason,
        study_id: letter.and_then(|letter| letter.study_id),
        subject_id: letter.and_then(|letter| letter.subject_id),
        person: None,
    };
    let Some(letter) = outbox::find(ledger.outbox().await?, delivery.letter).await? else {
        return Ok(settled("letter-unknown".to_string(), None));
    };
    let report = match delivery.action.as_str() {
        "failed" => Report::Bounced,
        "delivered" | "relayed" | "expanded" => Report::Delivered,
        _ => Report::Delayed,
    };
    // RFC 3463: of a delay that gives no status, only its class is known.
    let status =
        if report == Report::Delayed && delivery.status.is_empty() { "4.0.0" } else { delivery.status.as_str() };
    let news = outbox::record_report(&mut ledger.tx, letter.id, report, status, means.now).await?;
    if news && report == Report::Bounced {
        let status = if delivery.status.is_empty() { "5.0.0" } else { delivery.status.as_str() };
        addresses::count(&mut ledger.tx, means, &letter.recipient, (Bounce::of_report(status), status)).await?;
        alert(ledger, means, letter.id, status).await?;
    }
    Ok(settled(format!("{}:{}", delivery.action, delivery.status), Some(&letter)))
}

/// Tells the coordinators (and the chain) that a letter somebody treats by did not arrive. Of a letter of a schedule those hear whom its
/// rule names; other letters alert nobody.
///
/// # Errors
/// The database, a broken template.
pub async fn alert(ledger: &mut Ledger<'_>, means: Means<'_>, letter: i64, status: &str) -> Result<(), Failure> {
    let Some(letter) = outbox::find(ledger.outbox().await?, letter).await? else { return Ok(()) };
    let assignment = Kind::find(&letter.kind).is_some_and(Kind::must_arrive);
    let (true, Some(study_id), Some(subject_id)) = (assignment, letter.study_id, letter.subject_id) else {
        return apart(|| schedule::tell_failed(ledger, means, &letter, status)).await;
    };
    // A process that only sends has perhaps never looked at this study.
    let shelf = ledger.shelf();
    let shelved = shelf.find_by_id(study_id).await?;
    let enrolled = accept::load(ledger, subject_id).await?;
    let (tx, page) = ledger.lock(&shelved).await?;
    let body = json!({ "letter": letter.id, "subject": enrolled.subject.number, "status": status });
    super::enroll::append(tx, page, means, "system", "letter-failed", &body).await?;
    let outgoing = shelf.write_surely(&shelved, |shelved| alerts(shelved, means, &letter, &enrolled, status))?;
    compose::post(tx, Some(shelved.id), means, None, &outgoing).await
}

fn alerts(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    letter: &OutboxRow,
    enrolled: &Enrolled,
    status: &str,
) -> Result<Vec<compose::Outgoing>, Failure> {
    let study = &shelved.study;
    let site = enrolled.subject.site.as_str();
    let Some(reader) = study.people.iter().find(|person| person.id == enrolled.subject.person) else {
        return Ok(Vec::new());
    };
    let number = study.subject_number(enrolled.subject.number);
    let answers = enrolled.answers()?;
    let mut outgoing = Vec::new();
    for person in study.people.iter().filter(|one| one.has(Role::Coordinator) && one.acts_for(site)) {
        let language = study.language_of(person);
        let enrollment = compose::enrollment(shelved, enrolled, &number, &answers);
        let facts = AssignmentFailedAlert::new(&enrollment, reader, &letter.id.to_string(), status, language);
        let to = Addressing {
            site: Some(site),
            subject_id: Some(enrolled.subject.id),
            ..Addressing::unasked(study, person)
        };
        outgoing.push(compose::compose(shelved, means, to, Facts::AssignmentFailedAlert(facts))?);
    }
    Ok(outgoing)
}
