//! A study amended: another version of its bundle in force, with one entry in its chain, and told to everybody on its staff in the same
//! transaction, each as far as they may know it. What may change at all is [`super::amendment`]'s.

use serde_json::json;

use super::changes::{self, Line, Reach, reaching};
use super::ending::{Decision, person};
use super::facts::keeps_reason;
use super::life::{self, Act, LifeError, Refusal, log};
use super::reached::{self, Trace};
use super::shelf::{Shelf, ShelvedStudy, bundle_of, definition_of};
use super::{Failure, Means, amendment, catch_up, compose, wording};
use crate::definition::Bundle;
use crate::domain::study::{Blinding, Person, Role, Stage, Study};
use crate::letters::Facts;
use crate::letters::facts::{Amendment, AmendmentInFull};
use crate::store::planned::{self, PlannedRow, State as PlanState};
use crate::store::study::{State, StudyRow};
use crate::store::{Store, Tx, bundle};

/// A bundle with what it defines.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// Its files.
    pub bundle: &'a Bundle,
    /// What they say.
    pub study: &'a Study,
}

/// An amendment that came into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amended {
    /// Its number.
    pub version: i64,
    /// What it ends by itself, for it was reached already: one line each, in words for a terminal.
    pub ended: Vec<String>,
    /// Arms and levels that it calls otherwise, alike.
    pub renamed: Vec<String>,
    /// How many of the staff are written to.
    pub told: usize,
}

/// Changes the bundle of a study by a numbered amendment.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn amend(
    shelf: &Shelf,
    new: Version<'_>,
    means: Means<'_>,
    decision: Decision<'_>,
) -> Result<Amended, LifeError> {
    let mut tx = shelf.store().begin().await?;
    let row = life::locked(&mut tx, &new.study.slug).await?;
    let old = allowed(&mut tx, &row, decision).await?;
    let amended = put_in_force(&mut tx, shelf, (row, &old), new, means, decision, None).await?;
    tx.commit().await?;
    Ok(amended)
}

/// The definition in force of a study that may be amended so: it is not closed, and in production it is said who decided it and why.
pub(super) async fn allowed(tx: &mut Tx, row: &StudyRow, decision: Decision<'_>) -> Result<InForce, LifeError> {
    if row.state == State::Closed {
        return Err(Refusal::Closed(row.slug.clone()).into());
    }
    let old = in_force(tx, row).await?;
    accounted(row, &old.study, decision)?;
    Ok(old)
}

/// That in production it is said who decided something and why, and that they are one of the study's people.
fn accounted(row: &StudyRow, study: &Study, Decision { by, act }: Decision<'_>) -> Result<(), Refusal> {
    let production = row.stage == Stage::Production;
    if production && act.reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    match by {
        Some(id) => person(study, id).map(drop),
        None if production => Err(Refusal::Undecided(row.slug.clone())),
        None => Ok(()),
    }
}

/// The same of a planned amendment that is taken back, which a study may be at any time.
pub(super) async fn may_withdraw(tx: &mut Tx, row: &StudyRow, decision: Decision<'_>) -> Result<(), LifeError> {
    let old = in_force(tx, row).await?;
    Ok(accounted(row, &old.study, decision)?)
}

/// The version in force.
pub(super) struct InForce {
    study: Study,
    bundle: Bundle,
}

impl InForce {
    /// What a version in its place would change, one line each, as everybody on the staff may read it.
    pub(super) fn changes_for_all(&self, new: Version<'_>) -> Vec<String> {
        let lines = changes::changes(&self.study, new.study, self.bundle.files(), new.bundle.files());
        lines.into_iter().filter(|line| line.reach == Reach::Staff).map(|line| line.text).collect()
    }
}

pub(super) async fn in_force(tx: &mut Tx, row: &StudyRow) -> Result<InForce, LifeError> {
    let stored = bundle::load(&mut *tx, row.id, row.bundle_version).await?;
    let study = definition_of(row, &stored.digest, &stored.files)?;
    Ok(InForce { study, bundle: bundle_of(row, &stored.digest, &stored.files)? })
}

/// Puts a version into force in the place of `old`, with its entry and its letters; `planned` is the amendment for a day that it was.
///
/// # Errors
/// A [`Refusal`], or the database.
pub(super) async fn put_in_force(
    tx: &mut Tx,
    shelf: &Shelf,
    (mut row, old): (StudyRow, &InForce),
    new: Version<'_>,
    means: Means<'_>,
    decision: Decision<'_>,
    planned: Option<&PlannedRow>,
) -> Result<Amended, LifeError> {
    let Decision { by, act } = decision;
    let (version, kits) = life::replace(tx, &row, new.bundle, new.study, act).await?;
    row.bundle_version = version;
    let ended = reached::ended(tx, &row, &old.study, new.study, Trace::Entry).await?;
    let mut body = json!({ "version": version, "bundle": new.bundle.digest(), "by": by, "reason": act.reason, "kits": kits,
                           "deterministic": amendment::deterministic(new.study) });
    if let Some(one) = planned {
        planned::settle(tx, one, PlanState::InForce, act.at, "").await?;
        body["planned"] = json!(one.number);
    }
    let mut lines = Vec::new();
    reaching(Reach::Design, &mut lines, |lines| lines.extend(ended.iter().cloned()));
    let foretold = catch_up::foretold(tx, &row, &old.study, new.study).await?;
    reaching(Reach::Design, &mut lines, |lines| lines.extend(foretold));
    lines.extend(changes::changes(&old.study, new.study, old.bundle.files(), new.bundle.files()));
    reaching(Reach::Design, &mut lines, |lines| lines.extend(kits.told()));
    let shelved = shelf.hold(&row, new.bundle, new.study)?;
    log(tx, row, act, "amend", &body).await?;
    let told = Told { old: &old.study, decision, planned, lines: &lines };
    tell(tx, shelf, &shelved, means, told).await?;
    let renamed = wording::renamed(&old.study, new.study);
    Ok(Amended { version, ended, renamed, told: new.study.people.len() })
}

/// An amendment as the staff hear of it.
#[derive(Clone, Copy)]
struct Told<'a> {
    /// The version before, which names who decided.
    old: &'a Study,
    decision: Decision<'a>,
    planned: Option<&'a PlannedRow>,
    lines: &'a [Line],
}

/// Writes to everybody on the staff of the version that is in force now.
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

fn letters(shelved: &ShelvedStudy, means: Means<'_>, told: Told<'_>) -> Result<Vec<compose::Outgoing>, Failure> {
    let Told { old, decision: Decision { by, act }, planned, lines } = told;
    let study = &*shelved.study;
    let decided = by.and_then(|id| old.people.iter().find(|person| person.id == id));
    // Who may know arms could tell them in ways that nobody can foresee; so could the operator.
    let keeps = keeps_reason(old, by.unwrap_or(act.actor), []);
    let letter = |reader: &Person| {
        let to = compose::Addressing::unasked(study, reader);
        let own: Vec<&str> =
            lines.iter().filter(|line| reaches(study, reader, line.reach)).map(|line| line.text.as_str()).collect();
        let planned = planned.map(|one| one.planned_at);
        let amendment = Amendment::new(study, (shelved.version, act.at, planned), decided, act.reason, to.language);
        let amendment = if keeps && !reader.knows_arms() { amendment.without_reason() } else { amendment };
        let facts = match AmendmentInFull::may_go_to(study, reader) {
            true => Facts::StudyAmendedUnblinded(AmendmentInFull::new(amendment, &own)),
            false => Facts::StudyAmended(amendment.with_changes(&own)),
        };
        compose::compose(shelved, means, to, facts)
    };
    study.people.iter().map(letter).collect()
}

/// Whether somebody may read lines of that reach.
fn reaches(study: &Study, reader: &Person, reach: Reach) -> bool {
    match reach {
        Reach::Staff => true,
        Reach::Arms => study.blinding == Blinding::Open || AmendmentInFull::may_go_to(study, reader),
        Reach::Design => AmendmentInFull::may_go_to(study, reader),
        Reach::Managers => reader.has(Role::Manager),
    }
}

/// What an amendment would change, in words, and its number; refused as it would be, and nothing is changed.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn foresee(store: &Store, new: Version<'_>, act: Act<'_>) -> Result<(i64, Vec<String>), LifeError> {
    let mut tx = store.begin().await?;
    let mut row = life::locked(&mut tx, &new.study.slug).await?;
    if row.state == State::Closed {
        return Err(Refusal::Closed(row.slug).into());
    }
    let old = in_force(&mut tx, &row).await?;
    let (version, kits) = life::replace(&mut tx, &row, new.bundle, new.study, act).await?;
    row.bundle_version = version;
    let mut lines = reached::ended(&mut tx, &row, &old.study, new.study, Trace::None).await?;
    lines.extend(catch_up::foretold(&mut tx, &row, &old.study, new.study).await?);
    let changes = changes::changes(&old.study, new.study, old.bundle.files(), new.bundle.files());
    lines.extend(changes.into_iter().map(|line| line.text));
    lines.extend(kits.told());
    // The transaction ends here with nothing kept.
    drop(tx);
    Ok((version, lines))
}
