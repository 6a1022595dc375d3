//! What people do about letters that wait: hold them, let them go, leave one out, send one now. Each is an entry of the chain.

use serde_json::json;

use super::super::Failure;
use super::super::Means;
use super::super::entry::append;
use super::super::ledger::Ledger;
use super::super::life;
use super::super::shelf::{Shelf, ShelvedStudy};
use super::{plan, subjects};
use crate::domain::schedule::{Past, Target};
use crate::domain::time::Instant;
use crate::limits;
use crate::store::planned_letter::{self, Fate, SettledLetter, Steer};
use crate::store::schedule;

/// What is done about letters that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// They do not go out until they are released; of a rule those to come, too, and of all also those of rules that an amendment adds.
    Hold,
    /// They go out after all, at their time.
    Release,
    /// They go out now, whatever their time; what ends letters ends them all the same.
    SendNow,
}

impl Act {
    /// Its name in the chain.
    const fn action(self) -> &'static str {
        match self {
            Act::Hold => "hold-letters",
            Act::Release => "release-letters",
            Act::SendNow => "send-letters-now",
        }
    }
}

/// Whose letters: of one target, of one rule, of both, or all.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// Of that one alone, by which the chain calls it.
    pub target: Option<(&'a Target, &'a str)>,
    /// Of that rule alone.
    pub rule: Option<&'a str>,
}

impl<'a> Whose<'a> {
    fn keys(&self) -> (Option<&'a Target>, Option<&'a str>) {
        (self.target.map(|(target, _)| target), self.rule)
    }

    fn entry(&self, act: life::Act<'_>, letters: u64) -> serde_json::Value {
        let target = self.target.map(|(_, name)| name);
        json!({ "about": target, "rule": self.rule, "letters": letters, "reason": act.reason })
    }
}

/// Holds letters, lets them go, or has them sent now; how many.
///
/// # Errors
/// The database.
pub async fn steer(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: life::Act<'_>,
    whose: Whose<'_>,
    what: Act,
) -> Result<u64, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    if whose.target.is_none() && what != Act::SendNow {
        // Rules that nobody was planned for yet are held, too.
        let since = schedule::mark(&mut *tx, shelved.id).await?.map_or(Instant(i64::MIN), |mark| mark.since);
        plan::begin(tx, shelved, since).await?;
        schedule::set_held(tx, shelved.id, whose.rule, what == Act::Hold).await?;
    }
    let steer = match what {
        Act::Hold => Steer::Hold,
        Act::Release => Steer::Release,
        Act::SendNow => Steer::Urge,
    };
    let letters = planned_letter::steer(tx, shelved.id, whose.keys(), steer, means.now).await?;
    // A rule that is held is held also for those who have no letter yet.
    if letters > 0 || (whose.target.is_none() && what != Act::SendNow) {
        append(tx, page, means, act.actor, what.action(), &whose.entry(act, letters)).await?;
    }
    ledger.commit().await?;
    Ok(letters)
}

/// Leaves out the next letter of each; how many. What comes behind it is planned.
///
/// # Errors
/// The database.
pub async fn skip(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: life::Act<'_>,
    whose: Whose<'_>,
) -> Result<u64, Failure> {
    let always = (Instant(i64::MIN), Instant(i64::MAX));
    leave_out(shelf, shelved, means, act, (whose, always)).await
}

/// The same of those of a rule whose time lies from one moment on and before another.
///
/// # Errors
/// The database.
pub async fn skip_between(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: life::Act<'_>,
    (rule, span): (&str, (Instant, Instant)),
) -> Result<u64, Failure> {
    leave_out(shelf, shelved, means, act, (Whose { target: None, rule: Some(rule) }, span)).await
}

async fn leave_out(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: life::Act<'_>,
    (whose, (from, to)): (Whose<'_>, (Instant, Instant)),
) -> Result<u64, Failure> {
    let Some(own) = &shelved.study.schedule else { return Ok(0) };
    let (mut skipped, mut after) = (0, None);
    loop {
        let mut ledger = Ledger::begin(shelf).await?;
        let (tx, page) = ledger.lock(shelved).await?;
        let rows = planned_letter::page(tx, shelved.id, whose.keys(), after.as_ref(), limits::SCHEDULE_PAGE).await?;
        let Some(last) = rows.last() else { return Ok(skipped) };
        after = Some(last.clone());
        let rows: Vec<_> = rows.into_iter().filter(|row| (from..to).contains(&row.wished_at)).collect();
        if rows.is_empty() {
            continue;
        }
        let office = plan::office(tx, shelf.store(), (shelved, own), page.row.clone(), means).await?;
        let people = subjects::find(tx, &office, rows.iter().map(|row| &row.target)).await?;
        let (mut saved, mut settled) = (Vec::new(), Vec::new());
        for row in &rows {
            let somebody = people.get(&row.target);
            let (Some(occasion), Some(rule), Some(somebody)) = (&row.occasion, own.find(&row.rule), somebody) else {
                continue;
            };
            settled.push(SettledLetter {
                study_id: shelved.id,
                target: row.target.clone(),
                rule: row.rule.clone(),
                occasion: occasion.clone(),
                fate: Fate::Skipped,
                wished_at: row.wished_at,
                settled_at: means.now,
                why: format!("{}: {}", act.actor, act.reason),
                message_id: None,
            });
            let mut behind = row.clone();
            behind.past = Some(Past { occasion: occasion.clone(), wished: row.wished_at });
            saved.extend(plan::next(&office, somebody, rule, Some(&behind), None, &mut settled));
        }
        let letters = u64::try_from(saved.len()).unwrap_or(u64::MAX);
        planned_letter::settle(tx, &settled).await?;
        planned_letter::save(tx, &saved).await?;
        append(tx, page, means, act.actor, "skip-letters", &whose.entry(act, letters)).await?;
        ledger.commit().await?;
        skipped += letters;
    }
}
