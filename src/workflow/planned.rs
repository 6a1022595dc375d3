//! Amendments for a day: checked when they are planned, kept, and put in force when the moment comes, once.
//!
//! The calendar loop, or the desk before it reads mails, or a page before it enrolls or randomizes, brings them into force under the
//! study's lock, so two daemons or a restart never do it twice. What can no longer come into force changes nothing, nor does what was checked against a version that is in force no
//! more; the managers hear why.

use std::collections::BTreeMap;

use serde_json::json;

use super::amending::{self, Version};
use super::compose::{self, Addressing, Outgoing};
use super::ending::Decision;
use super::facts::keeps_reason;
use super::life::{self, Act, LifeError, Refusal, log};
use super::shelf::{Shelf, ShelvedStudy, bundle_of};
use super::{Failure, Means, versions};
use crate::definition::{self, Bundle, Weight};
use crate::domain::deed::tells_arm;
use crate::domain::study::{Blinding, Person, Role, Study};
use crate::domain::time::Instant;
use crate::letters::facts::{AmendmentFailed, AmendmentInFull, AmendmentPlan, AmendmentPlanned, AmendmentWithdrawn};
use crate::letters::{Facts, Stationery};
use crate::limits;
use crate::store::planned::{self, PlannedRow, State};
use crate::store::study::{State as StudyState, StudyRow};
use crate::store::{Store, StoreError, Tx, study};

/// The version of a study that is in force, whose people and words its letters have.
async fn in_force(shelf: &Shelf, slug: &str) -> Result<ShelvedStudy, LifeError> {
    let found = study::find_current(shelf.store(), slug).await?;
    let row = found.ok_or_else(|| Refusal::Unknown(slug.to_string()))?;
    Ok(shelf.load(&row).await?)
}

/// That the row, locked by now, is still of that version.
fn goes_on(row: &StudyRow, shelved: &ShelvedStudy) -> Result<(), StoreError> {
    match (row.id, row.bundle_version) == (shelved.id, shelved.version) {
        true => Ok(()),
        false => Err(StoreError::Busy(format!("study {} was amended a moment ago", row.slug))),
    }
}

/// A plan as the staff hear of it.
#[derive(Clone, Copy)]
struct Told<'a> {
    number: i64,
    due_at: Instant,
    decision: Decision<'a>,
    /// What is to change, as everybody may read it; none where the plan was taken back.
    changes: Option<&'a [&'a str]>,
}

/// To everybody on the staff.
fn letters(shelved: &ShelvedStudy, means: Means<'_>, told: Told<'_>) -> Result<Vec<Outgoing>, Failure> {
    let Told { number, due_at, decision: Decision { by, act }, changes } = told;
    let study = &*shelved.study;
    let decided = by.and_then(|id| study.people.iter().find(|person| person.id == id));
    // As of an amendment in force: who may know arms could tell them in ways that nobody can foresee.
    let keeps = keeps_reason(study, by.unwrap_or(act.actor), []);
    let letter = |reader: &Person| {
        let to = Addressing::unasked(study, reader);
        let plan = AmendmentPlan::new(study, (number, due_at), decided, act.reason, to.language);
        let plan = if keeps && !reader.knows_arms() { plan.without_reason() } else { plan };
        let facts = match changes {
            Some(lines) => Facts::AmendmentPlanned(AmendmentPlanned::new(study, plan, lines)),
            None => Facts::AmendmentWithdrawn(AmendmentWithdrawn { plan, failed: false }),
        };
        compose::compose(shelved, means, to, facts)
    };
    study.people.iter().map(letter).collect()
}

/// Writes to everybody on the staff.
async fn tell(
    tx: &mut Tx,
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    told: Told<'_>,
) -> Result<(), Failure> {
    let outgoing = shelf.write_surely(shelved, |shelved| letters(shelved, means, told))?;
    compose::post(tx, Some(shelved.id), means, None, &outgoing).await
}

/// Keeps an amendment for a moment, if it could come into force now, and tells the staff; its number among the planned ones.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn plan(
    shelf: &Shelf,
    new: Version<'_>,
    due_at: Instant,
    means: Means<'_>,
    decision: Decision<'_>,
) -> Result<i64, LifeError> {
    let (Decision { by, act }, Version { bundle, study: defined }) = (decision, new);
    if due_at <= act.at {
        return Err(Refusal::Past.into());
    }
    amending::foresee(shelf.store(), new, act).await?;
    let shelved = in_force(shelf, &defined.slug).await?;
    let mut tx = shelf.store().begin().await?;
    let row = life::locked(&mut tx, &defined.slug).await?;
    goes_on(&row, &shelved)?;
    let changes = amending::allowed(&mut tx, &row, decision).await?.changes_for_all(new);
    let new = PlannedRow {
        study_id: row.id,
        number: 0,
        digest: life::digest_bytes(&bundle.digest())?,
        files: serde_json::to_string(bundle.files()).expect("a map of texts is JSON"),
        due_at,
        planned_at: act.at,
        actor: act.actor.to_string(),
        reason: act.reason.to_string(),
        state: State::Waiting,
        note: String::new(),
    };
    let number = planned::insert(&mut tx, &new).await?;
    let body = json!({ "planned": number, "bundle": bundle.digest(), "on": due_at.utc(), "by": by, "reason": act.reason,
                       "base": row.bundle_version });
    log(&mut tx, row, act, versions::PLAN, &body).await?;
    let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
    let told = Told { number, due_at, decision, changes: Some(&changes) };
    tell(&mut tx, shelf, &shelved, means, told).await?;
    tx.commit().await?;
    Ok(number)
}

/// The amendments of a study that wait, in order: none of them comes into force once another version did.
///
/// # Errors
/// The database.
pub async fn waiting_in(store: &Store, slug: &str) -> Result<Vec<PlannedRow>, Failure> {
    let Some(row) = study::find_current(store, slug).await? else { return Ok(Vec::new()) };
    let all = planned::list(store, row.id).await?;
    Ok(all.into_iter().filter(|one| one.state == State::Waiting).collect())
}

/// Of the amendments that wait, those that will not come into force, for another version did since they were planned: by number, and the
/// version that each was checked against.
///
/// # Errors
/// The database; an entry that no program of ours can have written.
pub async fn overtaken(store: &Store, row: &StudyRow, all: &[PlannedRow]) -> Result<BTreeMap<i64, i64>, Failure> {
    let waiting = |number: i64| all.iter().any(|one| one.number == number && one.state == State::Waiting);
    if all.iter().all(|one| one.state != State::Waiting) {
        return Ok(BTreeMap::new());
    }
    let bases = versions::plans(store, row).await?.into_iter().map(|(number, plan)| (number, plan.base));
    Ok(bases.filter(|(number, base)| waiting(*number) && *base != row.bundle_version).collect())
}

/// Takes a planned amendment back, and tells the staff.
///
/// # Errors
/// A [`Refusal`] if it does not wait, or the database.
pub async fn withdraw(
    shelf: &Shelf,
    slug: &str,
    number: i64,
    means: Means<'_>,
    decision: Decision<'_>,
) -> Result<(), LifeError> {
    let Decision { by, act } = decision;
    let shelved = in_force(shelf, slug).await?;
    let mut tx = shelf.store().begin().await?;
    let row = life::locked(&mut tx, slug).await?;
    goes_on(&row, &shelved)?;
    amending::may_withdraw(&mut tx, &row, decision).await?;
    let found = planned::find(&mut tx, row.id, number).await?;
    let waiting = found.filter(|one| one.state == State::Waiting);
    let one = waiting.ok_or_else(|| Refusal::NotPlanned(slug.to_string(), number))?;
    planned::settle(&mut tx, &one, State::Withdrawn, act.at, act.reason).await?;
    let body = json!({ "planned": number, "by": by, "reason": act.reason });
    log(&mut tx, row, act, "withdraw-amendment", &body).await?;
    tell_withdrawn(&mut tx, shelf, &shelved, means, &one, decision).await?;
    tx.commit().await?;
    Ok(())
}

/// Tells everybody on the staff of an amendment that was planned and taken back.
///
/// # Errors
/// The database; the built-in words that cannot state it.
pub(super) async fn tell_withdrawn(
    tx: &mut Tx,
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    one: &PlannedRow,
    decision: Decision<'_>,
) -> Result<(), Failure> {
    let told = Told { number: one.number, due_at: one.due_at, decision, changes: None };
    tell(tx, shelf, shelved, means, told).await
}

/// What came of an amendment whose moment has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is in force, as that version.
    InForce(i64),
    /// It could not come into force.
    Failed,
    /// Somebody else settled it a moment ago.
    Before,
}

/// Settles every planned amendment whose moment has come; whether there was any. One that fails keeps no other waiting.
///
/// # Errors
/// As [`settle`], the last one.
pub async fn settle_due(shelf: &Shelf, means: Means<'_>) -> Result<bool, Failure> {
    let due = planned::due(shelf.store(), means.now, limits::CALENDAR_BATCH).await?;
    let (any, failed) = settle_all(shelf, means, due).await;
    failed.map_or(Ok(any), Err)
}

/// The same before something is decided, so that nothing that came after an amendment's moment goes by the rules of before. One that cannot
/// be settled now keeps nobody waiting: the calendar tries again.
///
/// # Errors
/// The database, which cannot tell whether there is any.
pub async fn come_into_force(shelf: &Shelf, means: Means<'_>) -> Result<bool, Failure> {
    let due = planned::due(shelf.store(), means.now, limits::CALENDAR_BATCH).await?;
    Ok(settle_all(shelf, means, due).await.0)
}

/// Whether any was settled, and why the last did not come to that.
async fn settle_all(shelf: &Shelf, means: Means<'_>, due: Vec<(i64, i64)>) -> (bool, Option<Failure>) {
    let (mut any, mut failed) = (false, None);
    for (id, number) in due {
        match settle(shelf, means, id, number).await {
            Ok(Settled::Before) => {}
            Ok(settled) => {
                tracing::info!(study = id, number, ?settled, "a planned amendment was due");
                any = true;
            }
            Err(error) => {
                tracing::error!(study = id, number, %error, "a planned amendment could not be settled; it is tried again");
                failed = Some(error);
            }
        }
    }
    (any, failed)
}

/// Puts a planned amendment in force; if it cannot be, nothing changes and the managers are written to.
///
/// # Errors
/// The database; a letter that cannot be written.
pub async fn settle(shelf: &Shelf, means: Means<'_>, study_id: i64, number: i64) -> Result<Settled, Failure> {
    let mut tx = shelf.store().begin().await?;
    let Some((row, one)) = waiting(&mut tx, means, study_id, number).await? else { return Ok(Settled::Before) };
    let act = Act { actor: &one.actor, at: means.now, reason: &one.reason };
    let why = match put_in_force(tx, shelf, row, &one, (means, act)).await {
        Ok(version) => return Ok(Settled::InForce(version)),
        Err(LifeError::Failed(failure)) => return Err(failure),
        Err(LifeError::Refused(refusal)) => refusal.to_string(),
    };
    // What was begun is undone; that it failed is recorded by itself.
    let shelved = shelf.find_by_id(study_id).await?;
    match fail(shelf, &shelved, means, number, &why).await {
        // Managers must hear of it, if not in the study's own words.
        Err(Failure::Letter(unwritten)) => fail(shelf, &shelf.plain(&shelved, &unwritten)?, means, number, &why).await,
        other => other,
    }
}

/// The locked study and the amendment, if that still waits and its moment has come.
async fn waiting(
    tx: &mut Tx,
    means: Means<'_>,
    study_id: i64,
    number: i64,
) -> Result<Option<(StudyRow, PlannedRow)>, Failure> {
    let row = study::lock(tx, study_id).await?;
    let found = planned::find(&mut *tx, study_id, number).await?;
    Ok(found.filter(|one| one.state == State::Waiting && one.due_at <= means.now).map(|one| (row, one)))
}

/// In the words of the checks, what is wrong with the stored bundle now.
fn sound(row: &StudyRow, one: &PlannedRow) -> Result<(Bundle, Study), LifeError> {
    let bundle = bundle_of(row, &one.digest, &one.files).map_err(|_| Refusal::PlanChanged)?;
    let refused = |problems: Vec<definition::Problem>| {
        let errors = problems.iter().filter(|problem| problem.weight == Weight::Error);
        LifeError::Refused(Refusal::Scheme(errors.map(ToString::to_string).collect()))
    };
    let (defined, _) = definition::load(&bundle).map_err(refused)?;
    Stationery::load(&bundle.letters()).map_err(refused)?;
    Ok((bundle, defined))
}

async fn put_in_force(
    mut tx: Tx,
    shelf: &Shelf,
    row: StudyRow,
    one: &PlannedRow,
    (means, act): (Means<'_>, Act<'_>),
) -> Result<i64, LifeError> {
    if row.state == StudyState::Closed {
        return Err(Refusal::Closed(row.slug).into());
    }
    let (bundle, defined) = sound(&row, one)?;
    let plan = versions::plans(&mut tx, &row).await?.remove(&one.number).ok_or(Refusal::PlanChanged)?;
    if plan.digest != bundle.digest() {
        return Err(Refusal::PlanChanged.into());
    }
    if plan.base != row.bundle_version {
        return Err(Refusal::Outdated { base: plan.base, now: row.bundle_version }.into());
    }
    let old = amending::in_force(&mut tx, &row).await?;
    let (new, decision) = (Version { bundle: &bundle, study: &defined }, Decision { by: plan.by.as_deref(), act });
    let done = amending::put_in_force(&mut tx, shelf, (row, &old), new, means, decision, Some(one)).await?;
    tx.commit().await?;
    Ok(done.version)
}

async fn fail(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    number: i64,
    why: &str,
) -> Result<Settled, Failure> {
    let mut tx = shelf.store().begin().await?;
    let Some((row, one)) = waiting(&mut tx, means, shelved.id, number).await? else { return Ok(Settled::Before) };
    let study = &shelved.study;
    let of = |role: Role| study.people.iter().filter(|person| person.has(role)).collect::<Vec<&Person>>();
    let managers = Some(of(Role::Manager)).filter(|managers| !managers.is_empty());
    let in_charge = managers.unwrap_or_else(|| of(Role::Coordinator));
    let concealed = study.blinding == Blinding::Blinded;
    let in_full = |person: &Person| !concealed || AmendmentInFull::may_go_to(study, person);
    // What the check says can name arms, and so can the words of whoever may know them: as with an amendment that came into force.
    let plan = versions::plans(&mut tx, &row).await?.remove(&number);
    let by = plan.and_then(|plan| plan.by).unwrap_or_else(|| one.actor.clone());
    let telling = concealed && (keeps_reason(study, &by, []) || tells_arm(study, &one.reason));
    let also = |person: &&Person| concealed && in_full(person) && in_charge.iter().all(|own| own.id != person.id);
    let mut outgoing = Vec::new();
    let told: Vec<&Person> = in_charge.iter().copied().chain(study.people.iter().filter(also)).collect();
    // Who heard that it was to come hears that it did not.
    for person in study.people.iter().filter(|person| told.iter().all(|own| own.id != person.id)) {
        let to = Addressing::unasked(study, person);
        let plan = AmendmentPlan::new(study, (number, one.due_at), None, "", to.language);
        let facts = Facts::AmendmentWithdrawn(AmendmentWithdrawn { plan, failed: true });
        outgoing.push(compose::compose(shelved, means, to, facts)?);
    }
    for person in told {
        let reason = if telling && !person.knows_arms() { "" } else { &one.reason };
        let why = if in_full(person) { why } else { "" };
        let facts = AmendmentFailed::new(number, &one.due_at.local(study.zone), reason, why);
        let to = Addressing::unasked(study, person);
        outgoing.push(compose::compose(shelved, means, to, Facts::AmendmentFailed(facts))?);
    }
    planned::settle(&mut tx, &one, State::Failed, means.now, why).await?;
    compose::post(&mut tx, Some(shelved.id), means, None, &outgoing).await?;
    let act = Act { actor: &one.actor, at: means.now, reason: &one.reason };
    let logged = log(&mut tx, row, act, "fail-amendment", &json!({ "planned": number, "why": why })).await;
    match logged {
        Ok(()) => {}
        Err(LifeError::Failed(failure)) => return Err(failure),
        Err(LifeError::Refused(refusal)) => return Err(Failure::Contradiction(refusal.to_string())),
    }
    tx.commit().await?;
    tracing::warn!(study = study.slug, number, why, "a planned amendment could not come into force");
    Ok(Settled::Failed)
}
