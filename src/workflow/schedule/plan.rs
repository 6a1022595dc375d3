//! Planning: what comes next of each rule for a page of people, written down so that its time can be waited for.

use super::super::Failure;
use super::super::Means;
use super::super::ledger::Ledger;
use super::super::shelf::{Shelf, ShelvedStudy};
use super::people::{self, Office, Somebody, Verdict};
use super::{escalate, subjects};
use crate::domain::expression::Scope;
use crate::domain::schedule::{Planned, Reason, Rule, Schedule, Target, TargetKind};
use crate::domain::time::Instant;
use crate::limits;
use crate::store::planned_letter::{self, Fate, PlannedLetter, SettledLetter, State};
use crate::store::schedule::{self, Mark};
use crate::store::study::StudyRow;
use crate::store::{Store, Tx, bundle, participant};

/// Why no letter of a rule comes that an amendment took out.
pub(super) const GONE: &str = "the rule is no more";

/// Plans for the next page of a study whose schedule is new or was amended.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn sweep(shelf: &Shelf, shelved: &ShelvedStudy, means: Means<'_>) -> Result<(), Failure> {
    if shelved.study.schedule.is_none() && passed_over(shelf, shelved).await? {
        return Ok(());
    }
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let row = page.row.clone();
    let before = schedule::mark(&mut *tx, shelved.id).await?;
    let since = before.map_or(Instant(i64::MIN), |mark| mark.since);
    let mut mark = Mark { version: shelved.version, cursor: Some(0), since };
    match before.filter(|mark| mark.version == shelved.version) {
        Some(under_way) => mark = under_way,
        None => begin(tx, shelved, since).await?,
    }
    let Some(cursor) = mark.cursor else { return Ok(()) };
    mark.cursor = match &shelved.study.schedule {
        None => end_all(tx, shelved, means.now).await?,
        Some(own) => {
            let rows = participant::list(&mut *tx, shelved.id, cursor, limits::SCHEDULE_PAGE).await?;
            // Numbers of subjects run beside those of participants.
            let end = cursor.saturating_add(limits::SCHEDULE_PAGE);
            let goes_on = row.participants.max(row.subjects) > end;
            let office = office(tx, shelf.store(), (shelved, own), row, means).await?;
            let mut people = people::participants(tx, &office, rows).await?;
            people.extend(subjects::page(tx, &office, (cursor, end)).await?);
            if cursor == 0 {
                people.extend(subjects::staff(tx, &office).await?);
            }
            plan(tx, &office, people).await?;
            goes_on.then_some(end)
        }
    };
    schedule::save_mark(tx, shelved.id, mark).await?;
    ledger.commit().await
}

/// Whether a study has no schedule and never had one: then there is nothing to plan, nor a key to wait for.
async fn passed_over(shelf: &Shelf, shelved: &ShelvedStudy) -> Result<bool, Failure> {
    let mut tx = shelf.store().begin().await?;
    if planned_letter::is_any(&mut tx, shelved.id).await? || !schedule::rules(&mut tx, shelved.id).await?.is_empty() {
        return Ok(false);
    }
    let since = schedule::mark(&mut tx, shelved.id).await?.map_or(Instant(i64::MIN), |mark| mark.since);
    schedule::save_mark(&mut tx, shelved.id, Mark { version: shelved.version, cursor: None, since }).await?;
    tx.commit().await?;
    Ok(true)
}

/// Notes which rules there are by the version in force.
pub(super) async fn begin(tx: &mut Tx, shelved: &ShelvedStudy, since: Instant) -> Result<(), Failure> {
    let activated = bundle::load(&mut *tx, shelved.id, shelved.version).await?.activated_at;
    let rules = shelved.study.schedule.iter().flat_map(|own| &own.rules);
    let ids: Vec<&str> = rules.map(|rule| rule.id.as_str()).collect();
    for gone in schedule::rules(&mut *tx, shelved.id).await?.iter().filter(|row| !ids.contains(&row.rule.as_str())) {
        schedule::end_rule(tx, shelved.id, &gone.rule).await?;
    }
    for id in ids {
        schedule::begin_rule(tx, shelved.id, id, activated.max(since)).await?;
    }
    Ok(())
}

/// Ends a page of the letters of a study that has no schedule any more; what is to be done next.
async fn end_all(tx: &mut Tx, shelved: &ShelvedStudy, now: Instant) -> Result<Option<i64>, Failure> {
    let mut rows = planned_letter::page(tx, shelved.id, (None, None), None, limits::SCHEDULE_PAGE).await?;
    rows.iter_mut().for_each(|row| end(row, GONE.to_string(), now));
    planned_letter::save(tx, &rows).await?;
    Ok((!rows.is_empty()).then_some(0))
}

/// Plans anew for a page of those to whom something happened; whether there was anybody.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn touched(shelf: &Shelf, shelved: &ShelvedStudy, means: Means<'_>) -> Result<bool, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let row = page.row.clone();
    if schedule::mark(&mut *tx, shelved.id).await?.is_none_or(|mark| mark.version != shelved.version) {
        return Ok(false);
    }
    let targets = schedule::touched(tx, shelved.id, limits::SCHEDULE_PAGE).await?;
    if let Some(own) = &shelved.study.schedule {
        let ids: Vec<i64> = of_kind(&targets, TargetKind::Participant).filter_map(Target::number).collect();
        let rows = participant::list_of_ids(tx, shelved.id, &ids).await?;
        let office = office(tx, shelf.store(), (shelved, own), row, means).await?;
        let mut people = people::participants(tx, &office, rows).await?;
        let ids: Vec<i64> = of_kind(&targets, TargetKind::Subject).filter_map(Target::number).collect();
        people.extend(subjects::of(tx, &office, &ids).await?);
        plan(tx, &office, people).await?;
    }
    for kind in TargetKind::ALL {
        let ids: Vec<String> = of_kind(&targets, kind).map(|target| target.id.clone()).collect();
        schedule::forget(tx, shelved.id, kind, &ids).await?;
    }
    ledger.commit().await?;
    Ok(!targets.is_empty())
}

fn of_kind(targets: &[Target], kind: TargetKind) -> impl Iterator<Item = &Target> {
    targets.iter().filter(move |target| target.kind == kind)
}

/// What of a study its letters depend on.
///
/// # Errors
/// The database.
pub(super) async fn office<'a>(
    tx: &mut Tx,
    store: &'a Store,
    (shelved, schedule): (&'a ShelvedStudy, &'a Schedule),
    row: StudyRow,
    means: Means<'a>,
) -> Result<Office<'a>, Failure> {
    let rules = schedule::rules(&mut *tx, shelved.id).await?;
    let rules = rules.into_iter().map(|own| (own.rule.clone(), own)).collect();
    Ok(Office { shelved, schedule, rules, store, row, now: means.now, key: &means.keys.address })
}

/// Plans, and writes what changes.
async fn plan(tx: &mut Tx, office: &Office<'_>, people: Vec<Somebody>) -> Result<(), Failure> {
    let (mut changed, mut settled) = (Vec::new(), Vec::new());
    for somebody in people {
        for rule in rules(office, &somebody) {
            let before = somebody.planned.get(&rule.id);
            let next = next(office, &somebody, rule, before, None, &mut settled);
            let past = next.as_ref().or(before).and_then(|row| row.past.as_ref());
            changed.extend(escalate::changes(office, &somebody, rule, past));
            changed.extend(next.filter(|next| before.is_none_or(|before| differs(before, next))));
        }
        let gone = somebody.planned.values().filter(|one| one.state != State::Ended);
        changed.extend(
            gone.filter(|one| rules(office, &somebody).all(|rule| rule.id != escalate::rule_of(&one.rule))).map(
                |one| {
                    let mut ended = one.clone();
                    end(&mut ended, GONE.to_string(), office.now);
                    ended
                },
            ),
        );
    }
    planned_letter::settle(tx, &settled).await?;
    Ok(planned_letter::save(tx, &changed).await?)
}

/// The rules whose letters are about that.
fn rules<'a>(office: &Office<'a>, somebody: &Somebody) -> impl Iterator<Item = &'a Rule> + use<'a> {
    let study = office.study();
    let target = somebody.target.clone();
    let (kind, person) = (target.kind, study.people.iter().find(|person| person.id == target.id).cloned());
    office.schedule.rules.iter().filter(move |rule| {
        let is_told = match (kind, &person) {
            (TargetKind::Person, Some(person)) => subjects::is_told(rule, person),
            (TargetKind::Person, None) => false,
            (TargetKind::Participant | TargetKind::Subject, _) => true,
        };
        rule.target() == kind && is_told
    })
}

/// Whether a row has to be written; when it was decided that none comes is no reason.
fn differs(before: &PlannedLetter, next: &PlannedLetter) -> bool {
    match (before.state, next.state) {
        (State::Ended, State::Ended) => before.why != next.why || before.past != next.past,
        _ => before != next,
    }
}

/// Says of a rule and target that no letter comes.
pub(super) fn end(row: &mut PlannedLetter, why: String, now: Instant) {
    row.state = State::Ended;
    row.occasion = None;
    row.urged = false;
    (row.due_at, row.wished_at) = (now, now);
    row.why = why;
}

/// What comes next of a rule for somebody, behind what stands there; what is left out on the way is settled. None where nothing comes and
/// nothing ever did. The condition is looked at where there is a scope.
pub(super) fn next(
    office: &Office<'_>,
    somebody: &Somebody,
    rule: &Rule,
    before: Option<&PlannedLetter>,
    scope: Option<&Scope>,
    settled: &mut Vec<SettledLetter>,
) -> Option<PlannedLetter> {
    let held = office.rules.get(&rule.id).is_some_and(|own| own.held);
    let mut row = before.cloned().unwrap_or_else(|| PlannedLetter {
        study_id: office.shelved.id,
        target: somebody.target.clone(),
        rule: rule.id.clone(),
        letter: rule.letter,
        state: State::Ended,
        occasion: None,
        due_at: office.now,
        wished_at: office.now,
        urged: false,
        why: String::new(),
        past: None,
        sent_at: None,
    });
    row.letter = rule.letter;
    let overtaken = Reason::Overtaken.to_string();
    for _ in 0..limits::SCHEDULE_SKIPS {
        match somebody.verdict(office, rule, row.past.clone(), scope) {
            Verdict::Skip(letter, why) => {
                let left_out = skipped(office, somebody, rule, &letter, why);
                // Of a year of letters that came while nothing ran the last stands for all.
                match settled
                    .last_mut()
                    .filter(|last| last.why == overtaken && left_out.why == overtaken && last.rule == rule.id)
                {
                    Some(last) if last.target == left_out.target => *last = left_out,
                    _ => settled.push(left_out),
                }
                row.past = Some(letter.past());
            }
            Verdict::Ended(why) => {
                if before.is_none() && row.past.is_none() {
                    return None;
                }
                end(&mut row, why, office.now);
                return Some(row);
            }
            Verdict::Next(letter) => {
                let same = row.occasion.as_ref() == Some(&letter.occasion);
                row.urged &= same;
                // Who is held with a mailing is held no longer than for its letter.
                let of_mailing = row.state == State::Held && row.why == planned_letter::WITH_MAILING;
                let stays = row.state == State::Held && (same || !of_mailing);
                row.state = if held || stays { State::Held } else { State::Waiting };
                if !row.urged {
                    row.due_at = letter.at;
                }
                row.wished_at = letter.wished;
                row.occasion = Some(letter.occasion);
                let moved: Vec<String> = letter.moved.iter().map(ToString::to_string).collect();
                if !(same && of_mailing) {
                    row.why = moved.join(", ");
                }
                return Some(row);
            }
        }
    }
    // There are more: at the next step.
    row.state = if held || row.state == State::Held { State::Held } else { State::Waiting };
    row.due_at = office.now.plus_seconds(1);
    Some(row)
}

/// A letter that is left out for good.
pub(super) fn skipped(
    office: &Office<'_>,
    somebody: &Somebody,
    rule: &Rule,
    letter: &Planned,
    why: String,
) -> SettledLetter {
    SettledLetter {
        study_id: office.shelved.id,
        target: somebody.target.clone(),
        rule: rule.id.clone(),
        occasion: letter.occasion.clone(),
        fate: Fate::Skipped,
        wished_at: letter.wished,
        settled_at: office.now,
        why,
        message_id: None,
    }
}
