//! What an amendment brings to an end by itself: bounds that it sets at or below what was reached already.
//!
//! Counted as decisions count, by the same state, so that what is told here is what the next subject meets.

use std::collections::BTreeSet;

use super::amendment::Schemes;
use super::{Failure, cohorts, proof};
use crate::domain::allocation::{Levels, State};
use crate::domain::study::{Blinding, FIRST, Rules, Study};
use crate::store::allocation::AllocationRow;
use crate::store::study::StudyRow;
use crate::store::{Tx, allocation, subject};

/// What is left behind when somebody is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// Nothing: whoever asks could ask again and again, with one cap after another, until the counts are known.
    None,
    /// The entry of an amendment that is in force.
    Entry,
}

/// A bound before the amendment and now, and what was reached.
#[derive(Clone, Copy)]
struct Bound {
    before: Option<u32>,
    now: Option<u32>,
    count: u64,
}

impl Bound {
    /// The bound, if it was changed and leaves nothing more; with the word that says since when.
    fn bites(self) -> Option<(&'static str, u32)> {
        let reached = |bound: u32| self.count >= u64::from(bound);
        let now = self.now.filter(|now| self.before != Some(*now) && reached(*now))?;
        Some((if self.before.is_some_and(reached) { "still" } else { "at once" }, now))
    }
}

/// What the new definition of a study that is not closed ends, in words for a terminal; one line each. `row` is the study's, in its new
/// version, which is stored already.
///
/// # Errors
/// The database; rows that cannot have been written by this program.
pub(super) async fn ended(
    tx: &mut Tx,
    row: &StudyRow,
    old: &Study,
    new: &Study,
    trace: Trace,
) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    if new.scheme.is_none() {
        registry(tx, row, old, new, &mut lines).await?;
    }
    let changed: Vec<Rules<'_>> = new.allocations().filter(|now| is_bounded_anew(old, new, *now)).collect();
    if row.allocations > 0 && !changed.is_empty() {
        let journal = allocation::journal(&mut *tx, row.id, 0).await?;
        let facts = proof::all_facts(&mut *tx, row.id).await?;
        let schemes = Schemes::load(&mut *tx, row, new).await?;
        for rules in changed {
            let state = schemes.of(rules.id)?.state(rules, &journal, &facts)?;
            of_allocation(Amended { old, new, trace }, rules, &state, &journal, &mut lines)?;
        }
    }
    for rules in new.allocations() {
        let before = old.find_rules(rules.id).map(|before| before.forcing.limit);
        if before == Some(rules.forcing.limit) {
            continue;
        }
        let count = allocation::count_forced(&mut *tx, row.id, rules.id).await?.unsigned_abs();
        let bound = Bound { before, now: Some(rules.forcing.limit), count };
        if let Some((since, limit)) = bound.bites().filter(|_| count > 0) {
            lines.push(format!(
                "{since}: {}{count} were given by hand and the limit is {limit}: none more can be",
                place(rules.id)
            ));
        }
    }
    of_cohorts(tx, row, old, new, &mut lines).await?;
    Ok(lines)
}

fn place(id: &str) -> String {
    if id == FIRST { String::new() } else { format!("allocation {id}: ") }
}

/// The cap of a site in one of a study's allocations.
fn site_cap(study: &Study, id: &str, site: &str) -> Option<u32> {
    match study.find_randomization(id) {
        Some(own) => own.site_caps.of(site),
        None => study.find_site(site).and_then(|site| site.cap),
    }
}

/// Whether any cap of an allocation differs.
fn is_bounded_anew(old: &Study, new: &Study, now: Rules<'_>) -> bool {
    let Some(before) = old.find_rules(now.id) else { return false };
    before.caps != now.caps
        || new.sites.iter().any(|site| site_cap(old, now.id, &site.code) != site_cap(new, now.id, &site.code))
}

/// A registry counts its subjects in the store.
async fn registry(
    tx: &mut Tx,
    row: &StudyRow,
    old: &Study,
    new: &Study,
    lines: &mut Vec<String>,
) -> Result<(), Failure> {
    let bound = Bound { before: old.caps.total, now: new.caps.total, count: row.subjects.unsigned_abs() };
    lines.extend(in_all("", bound));
    for site in &new.sites {
        let (before, now) = (site_cap(old, FIRST, &site.code), site.cap);
        if before != now {
            let count = subject::count_at_site(&mut *tx, row.id, &site.code).await?.unsigned_abs();
            lines.extend(at_site("", &site.code, Bound { before, now, count }));
        }
    }
    Ok(())
}

fn in_all(place: &str, bound: Bound) -> Option<String> {
    let (since, cap) = bound.bites()?;
    Some(format!("{since}: {place}{} are enrolled and the cap in all is {cap}: nobody more is taken", bound.count))
}

fn at_site(place: &str, site: &str, bound: Bound) -> Option<String> {
    let (since, cap) = bound.bites()?;
    let count = bound.count;
    Some(format!(
        "{since}: {place}{count} are enrolled at site {site} and its cap is {cap}: nobody more is taken there"
    ))
}

/// An amendment, and what is left behind when somebody is told what it ends.
#[derive(Clone, Copy)]
struct Amended<'s> {
    old: &'s Study,
    new: &'s Study,
    trace: Trace,
}

fn of_allocation(
    amended: Amended<'_>,
    rules: Rules<'_>,
    state: &State,
    journal: &[AllocationRow],
    lines: &mut Vec<String>,
) -> Result<(), Failure> {
    let Amended { old, new, .. } = amended;
    let Some(before) = old.find_rules(rules.id) else { return Ok(()) };
    let place = place(rules.id);
    let total = Bound { before: before.caps.total, now: rules.caps.total, count: state.total() };
    lines.extend(in_all(&place, total));
    of_arms(amended, before, rules, state, lines);
    for site in &new.sites {
        let cap = |study| site_cap(study, rules.id, &site.code);
        let bound = Bound { before: cap(old), now: cap(new), count: state.of_site(&site.code) };
        lines.extend(at_site(&place, &site.code, bound));
    }
    if before.caps.stratum != rules.caps.stratum {
        let mut told = BTreeSet::new();
        for row in proof::own(rules, journal) {
            let levels = proof::row_of(row)?.levels;
            // Who was allocated before a factor came has no level of it, and is in no stratum of now.
            let Ok(count) = state.of_stratum(rules.scheme, &levels) else { continue };
            let bound = Bound { before: before.caps.stratum, now: rules.caps.stratum, count };
            let Some((since, cap)) = bound.bites() else { continue };
            let stratum = stratum(rules, &levels);
            if told.insert(stratum.clone()) {
                lines.push(format!(
                    "{since}: {place}{count} are enrolled in the stratum {stratum} and its cap is {cap}: nobody more is taken there"
                ));
            }
        }
    }
    Ok(())
}

/// The caps of arms. How many got an arm of a blinded study is not for everybody who may amend.
fn of_arms(amended: Amended<'_>, before: Rules<'_>, now: Rules<'_>, state: &State, lines: &mut Vec<String>) {
    let place = place(now.id);
    let of = |rules: Rules<'_>, code: &str| {
        let own = rules.caps.arms.iter().filter(|(own, _)| own == code);
        own.map(|(_, cap)| *cap).min()
    };
    let blinded = amended.new.blinding == Blinding::Blinded;
    if blinded && amended.trace == Trace::None {
        if now.arms.iter().any(|arm| of(before, &arm.code) != of(now, &arm.code)) {
            lines.push(format!(
                "{place}whether the cap of an arm ends anything is not told in a dry run of a blinded study"
            ));
        }
        return;
    }
    let mut arms = Vec::new();
    for arm in now.scheme.arms().iter().filter(|arm| !arm.closed) {
        let count = state.of_arm(now.scheme, &arm.code);
        let bound = Bound { before: of(before, &arm.code), now: of(now, &arm.code), count };
        let Some((since, cap)) = bound.bites() else { continue };
        arms.push(if blinded {
            format!("{since}: {place}an arm has reached its cap: nobody more is taken")
        } else {
            format!("{since}: {place}{count} are in arm {} and its cap is {cap}: nobody more is taken", arm.code)
        });
    }
    arms.dedup();
    lines.extend(arms);
}

/// `sex=F, site=011`.
fn stratum(rules: Rules<'_>, levels: &Levels) -> String {
    let named = rules.scheme.strata().iter().filter_map(|id| Some(format!("{id}={}", levels.get(id)?)));
    named.collect::<Vec<String>>().join(", ")
}

async fn of_cohorts(
    tx: &mut Tx,
    row: &StudyRow,
    old: &Study,
    new: &Study,
    lines: &mut Vec<String>,
) -> Result<(), Failure> {
    if row.subjects == 0 || new.cohorts.iter().all(|cohort| old.cohorts.contains(cohort)) {
        return Ok(());
    }
    let counts = cohorts::count_on(tx, row.id, new, 0, Vec::new()).await?;
    for (cohort, count) in new.cohorts.iter().zip(counts) {
        // What another rule had counted says nothing of this one.
        let known = old.cohorts.iter().find(|known| known.id == cohort.id && known.when == cohort.when);
        let bound = Bound { before: known.map(|known| known.cap), now: Some(cohort.cap), count };
        if let Some((since, cap)) = bound.bites() {
            lines.push(format!(
                "{since}: {count} are enrolled of cohort {} and its cap is {cap}: nobody more of it is taken",
                cohort.id
            ));
        }
    }
    Ok(())
}
