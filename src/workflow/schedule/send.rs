//! Sending: a page of the letters of a study whose time has come. What was planned is decided once more, with what is known at that
//! moment, and what goes out is worded by the templates then in force, in the transaction that moves the plan on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::super::compose::{self, Outgoing};
use super::super::entry::append;
use super::super::ledger::{Ledger, Page};
use super::super::shelf::{Shelf, ShelvedStudy};
use super::super::{Failure, Means};
use super::people::{Office, Somebody, Verdict};
use super::{escalate, letter, plan, subjects};
use crate::domain::schedule::{Letter, Occasion, Past, Rule, Target};
use crate::domain::time::Instant;
use crate::limits;
use crate::store::planned_letter::{self, Fate, PlannedLetter, SettledLetter, State};
use crate::store::{Tx, credential, outbox, schedule, study};

/// Of a second.
const MICROSECONDS: i64 = 1_000_000;
/// Who sends, in the chain.
const ACTOR: &str = "schedule";

/// What a page came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Whether anything was decided.
    pub(super) any: bool,
    /// Whether there may be more at once.
    pub(super) more: bool,
}

/// Which letter is being decided or worded: what a failure is about. None where it may be about any.
pub(super) type At = Option<(Target, String)>;

/// A letter whose time has come.
struct Leaving<'p> {
    somebody: &'p mut Somebody,
    rule: &'p Rule,
    occasion: Occasion,
    wished: Instant,
}

/// Sends what is due of a study, at most `most` letters; where it fails, `at` tells over which.
///
/// # Errors
/// The database; a letter that cannot be worded.
pub(super) async fn page(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    most: i64,
    at: &mut At,
) -> Result<Sent, Failure> {
    *at = None;
    // What is paused waits, and goes out afterwards as far as it may be late.
    if study::load(shelf.store(), shelved.id).await?.state == study::State::Paused {
        return Ok(Sent::default());
    }
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    if page.row.state == study::State::Paused {
        return Ok(Sent::default());
    }
    let mark = schedule::mark(&mut *tx, shelved.id).await?;
    let (Some(own), Some(_)) = (&shelved.study.schedule, mark.filter(|mark| mark.version == shelved.version)) else {
        // Its plan is made first.
        return Ok(Sent::default());
    };
    let office = plan::office(tx, shelf.store(), (shelved, own), page.row.clone(), means).await?;
    let most = match office.is_nobodys() {
        true => together(tx, &office).await?,
        false => most,
    };
    let due = planned_letter::due(&mut *tx, shelved.id, means.now, most).await?;
    if due.is_empty() {
        return Ok(Sent::default());
    }
    if let [only] = due.as_slice() {
        *at = Some((only.target.clone(), only.rule.clone()));
    }
    let more = i64::try_from(due.len()).is_ok_and(|many| many >= most);
    let mut people = subjects::find(tx, &office, due.iter().map(|row| &row.target)).await?;
    let (mut saved, mut settled, mut leaving) = (Vec::new(), Vec::new(), Vec::new());
    let mut told = Vec::new();
    for mut row in due {
        *at = Some((row.target.clone(), row.rule.clone()));
        if let (Letter::Unanswered, Some(somebody)) = (row.letter, people.get(&row.target)) {
            let (letters, next) = escalate::tell(tx, &office, means, somebody, &row).await?;
            if let Some(past) = next.past.as_ref().filter(|_| !letters.is_empty()) {
                let record = record(&office, (&row.target, &row.rule), past, None);
                if !planned_letter::settle(tx, &[record]).await?.is_empty() {
                    told.extend(letters);
                }
            }
            saved.push(next);
            continue;
        }
        let rule = own.find(&row.rule);
        let (Some(rule), Some(somebody)) = (rule, people.get(&row.target)) else {
            plan::end(&mut row, "there is nobody, or no rule, any more".to_string(), means.now);
            saved.push(row);
            continue;
        };
        match decide(tx, &office, somebody, rule, &row, &mut settled).await? {
            Decided::Leaves(occasion, wished) => leaving.push((row.target.clone(), rule, occasion, wished)),
            Decided::Stays(next) => saved.push(*next),
        }
    }
    *at = None;
    planned_letter::settle(tx, &settled).await?;
    compose::post(tx, Some(shelved.id), means, None, &told).await?;
    let asks = |(_, rule, ..): &(Target, &Rule, Occasion, Instant)| rule.audience.answers();
    if office.is_nobodys() && !is_enough(&office, leaving.iter().filter(|one| asks(one)).count()) {
        let few = leaving.iter().filter(|one| asks(one));
        saved.extend(few.filter_map(|(target, rule, ..)| put_off(&office, people.get(target)?, rule)));
        leaving.retain(|one| !asks(one));
    }
    write(tx, page, (&office, means), &mut people, &leaving, at).await?;
    for (target, rule, occasion, wished) in &leaving {
        let Some(somebody) = people.get_mut(target) else { continue };
        let leaving = Leaving { somebody, rule, occasion: occasion.clone(), wished: *wished };
        saved.push(behind(tx, &office, leaving).await?);
    }
    planned_letter::save(tx, &saved).await?;
    ledger.commit().await?;
    Ok(Sent { any: true, more })
}

/// When what was put off is tried again: the same moment for all, so that those who were too few meet.
fn next_try(now: Instant) -> Instant {
    let grain = limits::SCHEDULE_RETRY_SECONDS * MICROSECONDS;
    Instant((now.0.div_euclid(grain) + 1) * grain)
}

/// Puts off a letter that cannot be written, or the first that is due of a study where it is not known which it is.
///
/// # Errors
/// The database.
pub(super) async fn put_off_unwritten(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    at: &At,
    why: &str,
) -> Result<Sent, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, _) = ledger.lock(shelved).await?;
    let mut due = match at {
        None => planned_letter::due(&mut *tx, shelved.id, means.now, 1).await?,
        Some((target, rule)) => {
            let mut own =
                planned_letter::list_of(tx, shelved.id, target.kind, std::slice::from_ref(&target.id)).await?;
            own.retain(|row| row.rule == *rule && row.state == State::Waiting && row.due_at <= means.now);
            own
        }
    };
    for row in &mut due {
        row.due_at = next_try(means.now);
        row.why = format!("{}: {why}", planned_letter::UNWRITTEN);
    }
    planned_letter::save(tx, &due).await?;
    ledger.commit().await?;
    Ok(Sent { any: !due.is_empty(), more: false })
}

/// How many letters are taken at once where nobody may know whose access is whose: those of a rule in parts of about one size.
async fn together(tx: &mut Tx, office: &Office<'_>) -> Result<i64, Failure> {
    let mut due = 0;
    for rule in &office.schedule.rules {
        due += planned_letter::count_due(tx, office.shelved.id, &rule.id, office.now).await?;
    }
    let most = i64::try_from(limits::CREDENTIAL_BATCH).unwrap_or(i64::MAX);
    let parts = due.div_euclid(most) + i64::from(due.rem_euclid(most) > 0);
    Ok(due.div_euclid(parts.max(1)) + i64::from(due.rem_euclid(parts.max(1)) > 0))
}

/// Whether so many letters can leave together without telling whose access is whose.
fn is_enough(office: &Office<'_>, letters: usize) -> bool {
    let least = office.study().survey.as_ref().map_or(0, |survey| survey.batch);
    letters == 0 || letters >= usize::try_from(least).unwrap_or(usize::MAX)
}

/// The same letter later: too few came together.
fn put_off(office: &Office<'_>, somebody: &Somebody, rule: &Rule) -> Option<PlannedLetter> {
    let mut row = somebody.planned.get(&rule.id)?.clone();
    row.due_at = next_try(office.now);
    let least = office.study().survey.as_ref().map_or(0, |survey| survey.batch);
    row.why = format!("fewer than {least} leave together, so that it could be told whose access is whose");
    Some(row)
}

/// What is decided of a letter whose time has come.
enum Decided {
    /// It goes out.
    Leaves(Occasion, Instant),
    /// This comes next instead.
    Stays(Box<PlannedLetter>),
}

async fn decide(
    tx: &mut Tx,
    office: &Office<'_>,
    somebody: &Somebody,
    rule: &Rule,
    row: &PlannedLetter,
    settled: &mut Vec<SettledLetter>,
) -> Result<Decided, Failure> {
    if row.urged {
        // Somebody has it sent: neither its time nor its condition is looked at, but what ends letters is.
        return Ok(match somebody.verdict(office, rule, row.past.clone(), None) {
            Verdict::Next(letter) | Verdict::Skip(letter, _) => Decided::Leaves(letter.occasion, letter.wished),
            Verdict::Ended(why) => {
                let mut ended = row.clone();
                plan::end(&mut ended, why, office.now);
                Decided::Stays(Box::new(ended))
            }
        });
    }
    let scope = match rule.when {
        Some(_) => Some(somebody.scope(tx, office).await?),
        None => None,
    };
    let next = plan::next(office, somebody, rule, Some(row), scope.as_ref(), settled);
    let next = next.unwrap_or_else(|| row.clone());
    Ok(match (next.state, next.occasion.clone()) {
        (State::Waiting, Some(occasion)) if next.due_at <= office.now => Decided::Leaves(occasion, next.wished_at),
        _ => Decided::Stays(Box::new(next)),
    })
}

/// What stands of a letter that goes out.
fn record(
    office: &Office<'_>,
    (target, rule): (&Target, &str),
    letter: &Past,
    message_id: Option<String>,
) -> SettledLetter {
    SettledLetter {
        study_id: office.shelved.id,
        target: target.clone(),
        rule: rule.to_string(),
        occasion: letter.occasion.clone(),
        fate: Fate::Written,
        wished_at: letter.wished,
        settled_at: office.now,
        why: String::new(),
        message_id,
    }
}

/// Words the letters, and writes those of which none was written before.
async fn write(
    tx: &mut Tx,
    page: &mut Page,
    (office, means): (&Office<'_>, Means<'_>),
    people: &mut BTreeMap<Target, Somebody>,
    leaving: &[(Target, &Rule, Occasion, Instant)],
    at: &mut At,
) -> Result<(), Failure> {
    if leaving.is_empty() {
        return Ok(());
    }
    let mut letters: Vec<(Vec<Outgoing>, SettledLetter)> = Vec::with_capacity(leaving.len());
    let mut nobodys = match office.is_nobodys() {
        true => {
            let asked = leaving.iter().filter(|(_, rule, ..)| rule.audience.answers());
            letter::of_nobody(tx, office, means, asked.filter_map(|(target, ..)| people.get(target))).await?
        }
        false => Vec::new(),
    }
    .into_iter();
    for (target, rule, occasion, wished) in leaving {
        *at = Some((target.clone(), rule.id.clone()));
        let Some(somebody) = people.get(target) else { continue };
        let past = Past { occasion: occasion.clone(), wished: *wished };
        if !rule.audience.answers() {
            let outgoing = subjects::letters(office, means, somebody, rule).await?;
            let mut settled = record(office, (target, &rule.id), &past, None);
            if outgoing.is_empty() {
                settled.fate = Fate::Skipped;
                settled.why = "nothing is due, or nobody is told".to_string();
            }
            letters.push((outgoing, settled));
            continue;
        }
        let outgoing = match nobodys.next() {
            Some(outgoing) => outgoing,
            None => letter::of(tx, office, means, somebody, (rule, occasion)).await?,
        };
        let settled = record(office, (target, &rule.id), &past, Some(outgoing.message_id().to_string()));
        letters.push((vec![outgoing], settled));
    }
    *at = None;
    let records: Vec<SettledLetter> = letters.iter().map(|(_, settled)| settled.clone()).collect();
    let fresh: BTreeSet<(Target, String, Occasion)> = planned_letter::settle(tx, &records).await?.into_iter().collect();
    letters.retain(|(_, own)| fresh.contains(&(own.target.clone(), own.rule.clone(), own.occasion.clone())));
    let rows: Vec<_> = letters
        .iter()
        .flat_map(|(outgoing, _)| outgoing)
        .map(|outgoing| outgoing.row(&means.desk.mailbox, Some(office.shelved.id), None, means.now))
        .collect();
    outbox::insert_many(tx, &rows).await?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (outgoing, own) in letters.iter().filter(|(outgoing, _)| !outgoing.is_empty()) {
        *counts.entry(own.rule.as_str()).or_default() += outgoing.len();
        if let Some(planned) = people.get_mut(&own.target).and_then(|one| one.planned.get_mut(&own.rule)) {
            planned.sent_at = Some(means.now);
        }
    }
    for (rule, count) in counts {
        let body = json!({ "rule": rule, "letters": count });
        append(tx, page, means, ACTOR, "send-letters", &body).await?;
    }
    Ok(())
}

/// What comes next behind a letter that left; what else counts from it is planned anew.
async fn behind(tx: &mut Tx, office: &Office<'_>, leaving: Leaving<'_>) -> Result<PlannedLetter, Failure> {
    let Leaving { somebody, rule, occasion, wished } = leaving;
    if rule.letter == Letter::Invitation {
        if let Some(own) = somebody.own.as_mut().filter(|own| own.issued_at.is_none()) {
            own.issued_at = Some(office.now);
            credential::set_issued(tx, &own.id, office.now).await?;
        }
        somebody.note_invitation();
    }
    if rule.letter == Letter::Invitation || !rule.escalations.is_empty() {
        schedule::touch(tx, office.shelved.id, std::slice::from_ref(&somebody.target)).await?;
    }
    let absent = || Failure::Contradiction(format!("a letter by the rule {} was not planned", rule.id));
    let mut row = somebody.planned.get(&rule.id).cloned().ok_or_else(absent)?;
    row.past = Some(Past { occasion, wished });
    row.occasion = None;
    row.urged = false;
    let mut settled = Vec::new();
    let next = plan::next(office, somebody, rule, Some(&row), None, &mut settled);
    planned_letter::settle(tx, &settled).await?;
    Ok(next.unwrap_or(row))
}
