//! Enrolling a subject: duplicates, eligibility, caps, kits, the allocation, and the facts they leave.
//!
//! The order matters. What was enrolled before is answered before anything can refuse it; every refusal comes before
//! the draw, so that a refused mail consumes none (promise 5); arm-dependent shortages close the study for everybody,
//! so that no refusal tells an arm (promise 6).

use std::collections::BTreeMap;

use serde_json::json;

use super::ledger::{Ledger, Page};
use super::shelf::ShelvedStudy;
use super::{Arrival, Failure, Means};
use crate::domain::allocation::{Decision, Levels, Scheme};
use crate::domain::answer::Form;
use crate::domain::chain;
use crate::domain::study::{Blinding, Person, Study, UniqueWithin};
use crate::domain::text;
use crate::letters::facts::Reason;
use crate::store::allocation::{AllocationRow, NewAllocation};
use crate::store::audit::NewEntry;
use crate::store::study::{Stage, StudyState};
use crate::store::subject::{NewSubject, SubjectRow};
use crate::store::{Tx, allocation, audit, kit, subject};

/// What speaks against an enrollment, as keys: `faults` with the faulty items, then the reasons.
pub fn refusal_keys(reasons: &[Reason], form: &Form) -> Vec<String> {
    let faults = form.faults.iter().map(|fault| format!("{}:{}", fault.code.key(), fault.item));
    let others = reasons.iter().map(|reason| match reason {
        Reason::NotEligible(criteria) => format!("{}:{}", reason.key(), criteria.join(",")),
        other => other.key().to_string(),
    });
    faults.chain(others).collect()
}

/// Whether the sender has been asked already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// First mail: ask where the study or a doubtful answer demands it.
    NotYet,
    /// By the reply to our one-time token.
    ByReply,
}

/// What came of an enrollment.
#[derive(Clone, Debug)]
pub enum Enrollment {
    /// Enrolled now.
    Enrolled(Box<Enrolled>),
    /// The same subject with the same data was enrolled before.
    Duplicate(Box<Enrolled>),
    /// The subject was enrolled before with other data; nothing was changed.
    Conflict {
        /// The subject on file.
        subject: Box<SubjectRow>,
        /// Ids of the items that differ.
        items: Vec<String>,
    },
    /// Nothing recorded; the sender must confirm first.
    ToConfirm,
    /// Refused, for the faults of the form or for these reasons; nothing recorded but the refusal.
    Refused(Vec<Reason>),
}

/// A subject on file with its allocation.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// The subject.
    pub subject: SubjectRow,
    /// Its allocation, in a study that randomizes.
    pub allocation: Option<AllocationRow>,
    /// Digest of the audit entry that recorded it.
    pub digest: String,
}

/// The site a form names: the only site of a study without a site item.
pub fn site_of(study: &Study, form: &Form) -> Option<String> {
    match &study.registration.site_item {
        Some(item) => form.value(item),
        None => study.sites.first().map(|site| site.code.clone()),
    }
}

/// The business key of a form's subject: folded, so that `a-0031` and `Ａ－００３１` are one subject.
fn reference_key(study: &Study, site: &str, form: &Form) -> Option<String> {
    let reference = text::fold_identifier(&form.value(&study.registration.subject_item)?);
    Some(match study.registration.unique_within {
        UniqueWithin::Study => reference,
        UniqueWithin::Site => format!("{site}/{reference}"),
    })
}

/// One person's application to enroll one subject.
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    /// Who asks.
    pub person: &'a Person,
    /// The form as read.
    pub form: &'a Form,
    /// Whether they were asked already.
    pub confirmed: Confirmed,
}

/// Decides one application and records what came of it.
///
/// # Errors
/// The database, or records that contradict each other.
pub async fn enroll(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    arrival: Arrival<'_>,
    application: Application<'_>,
) -> Result<Enrollment, Failure> {
    let (tx, page) = ledger.lock(shelved).await?;
    let enrollment = decide(tx, page, shelved, means, arrival, application).await?;
    let actor = &application.person.id;
    match &enrollment {
        Enrollment::Conflict { subject, items } => {
            let body = json!({ "subject": subject.number, "inbox": arrival.inbox_id, "items": items });
            append(tx, page, means, actor, "conflict", &body).await?;
        }
        Enrollment::Refused(reasons) => {
            let site = site_of(&shelved.study, application.form);
            let body = json!({ "inbox": arrival.inbox_id, "reasons": refusal_keys(reasons, application.form), "site": site });
            append(tx, page, means, actor, "refuse", &body).await?;
        }
        Enrollment::Enrolled(_) | Enrollment::Duplicate(_) | Enrollment::ToConfirm => {}
    }
    Ok(enrollment)
}

async fn decide(
    tx: &mut Tx,
    page: &mut Page,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    arrival: Arrival<'_>,
    application: Application<'_>,
) -> Result<Enrollment, Failure> {
    let Application { person, form, confirmed } = application;
    let study = &shelved.study;
    if !form.faults.is_empty() {
        return Ok(Enrollment::Refused(Vec::new()));
    }
    let site = site_of(study, form)
        .ok_or_else(|| Failure::Contradiction("a form without faults names no site".to_string()))?;
    if let Some(reason) = unentitled(study, person, &site, arrival) {
        return Ok(Enrollment::Refused(vec![reason]));
    }
    let key = reference_key(study, &site, form)
        .ok_or_else(|| Failure::Contradiction("a form without faults names no subject".to_string()))?;
    if let Some(known) = subject::find(tx, shelved.id, &key).await? {
        return compare(tx, known, form).await;
    }
    let reasons = refusals(tx, page, shelved, &site, form).await?;
    if !reasons.is_empty() {
        return Ok(Enrollment::Refused(reasons));
    }
    if confirmed == Confirmed::NotYet && (study.trust.confirm || !form.doubts.is_empty()) {
        return Ok(Enrollment::ToConfirm);
    }
    let enrolled = record(tx, page, shelved, means, arrival, application, Place { site, key }).await?;
    Ok(Enrollment::Enrolled(Box::new(enrolled)))
}

/// Why this person may not enroll at this site, if they may not.
fn unentitled(study: &Study, person: &Person, site: &str, arrival: Arrival<'_>) -> Option<Reason> {
    if !person.roles.iter().any(|role| role.enrolls()) {
        return Some(Reason::NoRole);
    }
    if !person.acts_for(site) {
        return Some(Reason::SiteNotTheirs(site.to_string()));
    }
    if study.trust.token && arrival.site_token != Some(site) {
        return Some(Reason::NoToken);
    }
    None
}

/// The same subject again: with the same data it is a duplicate, with other data a conflict.
async fn compare(tx: &mut Tx, known: SubjectRow, form: &Form) -> Result<Enrollment, Failure> {
    let now: BTreeMap<String, String> = form.canonical();
    let then: BTreeMap<String, String> = serde_json::from_str(&known.answers)
        .map_err(|error| Failure::Contradiction(format!("answers of subject {}: {error}", known.id)))?;
    let items: Vec<String> = then
        .keys()
        .chain(now.keys().filter(|item| !then.contains_key(*item)))
        .filter(|item| then.get(*item) != now.get(*item))
        .cloned()
        .collect();
    if !items.is_empty() {
        return Ok(Enrollment::Conflict { subject: Box::new(known), items });
    }
    let allocation = allocation::find_by_subject(tx, known.id).await?;
    let digest = known.audit_digest.clone();
    Ok(Enrollment::Duplicate(Box::new(Enrolled { subject: known, allocation, digest })))
}

/// Everything that speaks against enrolling a new subject now; all reasons at once, none of which tells an arm.
async fn refusals(
    tx: &mut Tx,
    page: &Page,
    shelved: &ShelvedStudy,
    site: &str,
    form: &Form,
) -> Result<Vec<Reason>, Failure> {
    let study = &shelved.study;
    match page.row.state {
        StudyState::Paused => return Ok(vec![Reason::Paused]),
        StudyState::Closed => return Ok(vec![Reason::Closed]),
        StudyState::Open => {}
    }
    let failing: Vec<String> =
        study.eligibility.iter().filter(|one| !one.rule.holds(form)).map(|one| one.id.clone()).collect();
    let mut reasons = Vec::new();
    if !failing.is_empty() {
        reasons.push(Reason::NotEligible(failing));
    }
    if study.caps.total.is_some_and(|cap| page.row.subjects >= i64::from(cap)) {
        reasons.push(Reason::StudyFull);
    }
    let site_cap = study.find_site(site).and_then(|site| site.cap);
    if let Some(cap) = site_cap
        && subject::count_at_site(tx, shelved.id, site).await? >= i64::from(cap)
    {
        reasons.push(Reason::SiteFull);
    }
    if let (Some(scheme), Some(state)) = (&study.scheme, &page.state) {
        let levels = levels_of(study, scheme, site, form);
        let arm_full = study.caps.arms.iter().any(|(arm, cap)| state.arm_count(scheme, arm) >= u64::from(*cap));
        let stratum_full = study.caps.stratum.is_some_and(|cap| state.stratum_count(scheme, &levels) >= u64::from(cap));
        if arm_full && !reasons.contains(&Reason::StudyFull) {
            reasons.push(Reason::StudyFull);
        }
        if stratum_full {
            reasons.push(Reason::StratumFull);
        }
        if study.blinding == Blinding::Blinded && reasons.is_empty() {
            for arm in &study.arms {
                if kit::find_next(tx, shelved.id, &arm.code, site).await?.is_none() {
                    reasons.push(Reason::NoKits);
                    break;
                }
            }
        }
    }
    Ok(reasons)
}

/// The levels an allocation looks at: the site, and the canonical answers of the factors' and strata's items.
pub fn levels_of(study: &Study, scheme: &Scheme, site: &str, form: &Form) -> Levels {
    let site_item = study.registration.site_item.as_deref();
    scheme
        .level_ids()
        .map(|id| {
            let level = if id == "site" || Some(id) == site_item { Some(site.to_string()) } else { form.value(id) };
            (id.to_string(), level.unwrap_or_default())
        })
        .collect()
}

/// Where a new subject belongs.
struct Place {
    site: String,
    key: String,
}

async fn record(
    tx: &mut Tx,
    page: &mut Page,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    arrival: Arrival<'_>,
    application: Application<'_>,
    place: Place,
) -> Result<Enrolled, Failure> {
    let Application { person, form, .. } = application;
    let study = &shelved.study;
    let number = page.row.subjects + 1;
    let drawn = draw(tx, page, shelved, &place.site, form).await?;
    let body = json!({
        "subject": number,
        "site": place.site,
        "inbox": arrival.inbox_id,
        "answers": form.canonical(),
        "bundle": shelved.version,
        "allocation": drawn.as_ref().map(|drawn| json!({
            "number": drawn.number,
            "arm": drawn.decision.arm,
            "kit": drawn.kit,
            "levels": drawn.levels,
        })),
    });
    let digest = append(tx, page, means, &person.id, "enroll", &body).await?;
    page.row.subjects = number;
    let subject = subject::insert(
        tx,
        NewSubject {
            study_id: shelved.id,
            number,
            reference_key: place.key,
            site: place.site,
            person: person.id.clone(),
            enrolled_at: means.now,
            answers: serde_json::to_string(&form.canonical()).expect("a map of texts is JSON"),
            typed: serde_json::to_string(&form.typed).expect("a map of texts is JSON"),
            inbox_id: Some(arrival.inbox_id),
            audit_digest: digest.clone(),
        },
    )
    .await?;
    let allocation = match drawn {
        None => None,
        Some(drawn) => Some(commit_draw(tx, page, shelved, means, subject.id, drawn).await?),
    };
    debug_assert_eq!(study.scheme.is_some(), allocation.is_some());
    Ok(Enrolled { subject, allocation, digest })
}

/// A decision made but not yet recorded.
struct Drawn {
    number: i64,
    levels: Levels,
    decision: Decision,
    kit: Option<String>,
}

async fn draw(
    tx: &mut Tx,
    page: &Page,
    shelved: &ShelvedStudy,
    site: &str,
    form: &Form,
) -> Result<Option<Drawn>, Failure> {
    let study = &shelved.study;
    let (Some(scheme), Some(state)) = (&study.scheme, &page.state) else { return Ok(None) };
    let number = page.row.allocations + 1;
    let levels = levels_of(study, scheme, site, form);
    let decision = state.decide(scheme, &levels, &page.row.secret, number.unsigned_abs());
    let kit = match study.blinding {
        Blinding::Open => None,
        Blinding::Blinded => {
            let kit = kit::find_next(tx, shelved.id, &decision.arm, site).await?;
            Some(kit.ok_or_else(|| Failure::Contradiction("a kit was there a moment ago".to_string()))?.code)
        }
    };
    Ok(Some(Drawn { number, levels, decision, kit }))
}

async fn commit_draw(
    tx: &mut Tx,
    page: &mut Page,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    subject_id: i64,
    drawn: Drawn,
) -> Result<AllocationRow, Failure> {
    let Drawn { number, levels, decision, kit } = drawn;
    if let Some(code) = &kit {
        kit::dispense(tx, shelved.id, code, number).await?;
    }
    if let (Some(scheme), Some(state)) = (&shelved.study.scheme, &mut page.state) {
        state.record(scheme, &levels, &decision);
    }
    page.row.allocations = number;
    let row = allocation::insert(
        tx,
        NewAllocation {
            study_id: shelved.id,
            number,
            subject_id,
            arm: decision.arm.clone(),
            slot: decision.slot.map(i64::from),
            block_size: decision.block_size.map(i64::from),
            levels: serde_json::to_string(&levels).expect("a map of texts is JSON"),
            kit,
            bundle_version: shelved.version,
            allocated_at: means.now,
            record: decision.to_json().to_string(),
        },
    )
    .await?;
    page.touch();
    Ok(row)
}

/// Appends an entry to the study's chain and moves its head; the entry's digest.
///
/// # Errors
/// The database.
pub async fn append(
    tx: &mut Tx,
    page: &mut Page,
    means: Means<'_>,
    actor: &str,
    action: &str,
    body: &serde_json::Value,
) -> Result<String, Failure> {
    let digest = audit::append(tx, &mut page.row, means.now, actor, action, &body.to_string()).await?;
    page.touch();
    Ok(digest)
}
