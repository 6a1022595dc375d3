//! Letters to the staff: about a subject, to those of its site, and about everything together. What is due, and how a study stands, is
//! computed for each reader when the letter leaves ([`due`](super::super::due), [`week`](super::super::week)).

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::super::compose::{self, Addressing, Outgoing};
use super::super::course::{self, Case, Record};
use super::super::enroll::stored_answers;
use super::super::week::Week;
use super::super::{Failure, Means, again, due};
use super::escalate::event_of;
use super::people::{self, About, Office, Somebody, closes};
use crate::domain::event::Window;
use crate::domain::expression::Scope;
use crate::domain::schedule::{After, Anchor, Audience, Letter, Mark, Moment, Rule, Target, TargetKind};
use crate::domain::study::Person;
use crate::domain::time::Instant;
use crate::letters::Facts;
use crate::store::planned_letter::{self, PlannedLetter};
use crate::store::{Tx, allocation, fact, participant, response, subject};

/// Whether a rule about everything together is to a person.
pub(super) fn is_told(rule: &Rule, person: &Person) -> bool {
    match &rule.audience {
        Audience::SiteStaff(role) | Audience::Role(role) => person.has(*role),
        Audience::People(ids) => ids.contains(&person.id),
        Audience::Participants | Audience::Members => false,
    }
}

fn wanted(office: &Office<'_>, kind: TargetKind) -> bool {
    office.schedule.rules.iter().any(|rule| rule.target() == kind)
}

/// What letters of these targets are about, whatever it is.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn find<'t>(
    tx: &mut Tx,
    office: &Office<'_>,
    targets: impl Iterator<Item = &'t Target>,
) -> Result<BTreeMap<Target, Somebody>, Failure> {
    let (mut participants, mut subjects, mut persons) = (Vec::new(), Vec::new(), false);
    for target in targets {
        match (target.kind, target.number()) {
            (TargetKind::Participant, Some(id)) => participants.push(id),
            (TargetKind::Subject, Some(id)) => subjects.push(id),
            _ => persons = true,
        }
    }
    for ids in [&mut participants, &mut subjects] {
        ids.sort_unstable();
        ids.dedup();
    }
    let rows = participant::list_of_ids(tx, office.shelved.id, &participants).await?;
    let mut found = people::participants(tx, office, rows).await?;
    found.extend(of(tx, office, &subjects).await?);
    if persons {
        found.extend(staff(tx, office).await?);
    }
    Ok(found.into_iter().map(|somebody| (somebody.target.clone(), somebody)).collect())
}

/// The subjects whose numbers in the study lie behind the one and no further than the other.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn page(tx: &mut Tx, office: &Office<'_>, (after, end): (i64, i64)) -> Result<Vec<Somebody>, Failure> {
    if !wanted(office, TargetKind::Subject) {
        return Ok(Vec::new());
    }
    let before = end.saturating_add(1);
    let mut cases = course::cases(office.store, office.shelved, &[], before, end.saturating_sub(after)).await?;
    cases.retain(|case| case.subject.number > after);
    known(tx, office, cases).await
}

/// The subjects of these numbers in the database.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn of(tx: &mut Tx, office: &Office<'_>, ids: &[i64]) -> Result<Vec<Somebody>, Failure> {
    let mut cases = Vec::new();
    for id in ids {
        let row = subject::load(&mut *tx, *id).await?;
        let found = course::cases(office.store, office.shelved, &[], row.number.saturating_add(1), 1).await?;
        cases.extend(found.into_iter().filter(|case| case.subject.id == *id));
    }
    known(tx, office, cases).await
}

async fn known(tx: &mut Tx, office: &Office<'_>, cases: Vec<Case<'_>>) -> Result<Vec<Somebody>, Failure> {
    let ids: Vec<String> = cases.iter().map(|case| case.subject.id.to_string()).collect();
    let mut planned: BTreeMap<String, BTreeMap<String, PlannedLetter>> = BTreeMap::new();
    for one in planned_letter::list_of(tx, office.shelved.id, TargetKind::Subject, &ids).await? {
        planned.entry(one.target.id.clone()).or_default().insert(one.rule.clone(), one);
    }
    let mut subjects = Vec::with_capacity(cases.len());
    for case in cases {
        let mut one = happened(office, &case);
        for given in allocation::list_by_subject(&mut *tx, case.subject.id).await? {
            one.happened.insert(Anchor::Randomized(given.randomization.clone()), mark(office, given.allocated_at));
        }
        one.planned = planned.remove(&one.target.id).unwrap_or_default();
        subjects.push(one);
    }
    Ok(subjects)
}

fn mark(office: &Office<'_>, at: Instant) -> Mark {
    Mark { day: at.day_in(office.study().zone), at: Some(at), closes: None }
}

/// A subject with its course.
fn happened(office: &Office<'_>, case: &Case<'_>) -> Somebody {
    let target = Target { kind: TargetKind::Subject, id: case.subject.id.to_string() };
    let sites = case.subject.sites().map(ToString::to_string).collect();
    let mut one = Somebody::new(target, About::Subject(case.subject.number, sites), office.study().zone);
    one.happened.insert(Anchor::Enrolled, mark(office, case.subject.enrolled_at));
    one.stops = closes(office, None);
    one.stops.extend(case.ended.map(|stop| (stop, Instant(i64::MIN))));
    for station in &case.stations {
        let id = station.event.id.clone();
        if let Some(Window { day, closes, .. }) = station.window {
            one.happened.insert(Anchor::Due(id.clone()), Mark { day, at: None, closes: Some(closes) });
        }
        if let Some(day) = station.took_place {
            one.happened.insert(Anchor::Event(id.clone()), Mark { day, at: None, closes: None });
        }
        let entries = station.forms.iter().flat_map(|(_, entries)| entries);
        let complete = station.forms.iter().all(|(_, entries)| !entries.is_empty());
        if let Some(at) = entries.filter_map(|entry| entry.answered_at).max().filter(|_| complete) {
            one.forms.insert(id, at);
        }
    }
    for (anchor, instrument, item) in items(office) {
        let of_events = case.stations.iter().flat_map(|station| &station.forms);
        let of_events = of_events.filter(|(own, _)| own.id == *instrument).flat_map(|(_, entries)| entries);
        let last = of_events.max_by_key(|entry| entry.answered_at).map(|entry| entry.answers.as_str());
        let registers = office.study().registration_instrument().id == *instrument;
        let answers = last.or(registers.then_some(case.subject.answers.as_str()));
        if let Some(day) = answers.and_then(|answers| day_of(answers, item)) {
            one.happened.insert(anchor.clone(), Mark { day, at: None, closes: None });
        }
    }
    one
}

/// The items that rules about subjects count from.
fn items<'a>(office: &'a Office<'_>) -> impl Iterator<Item = (&'a Anchor, &'a String, &'a String)> {
    let own = office.schedule.rules.iter().filter(|rule| rule.target() == TargetKind::Subject);
    own.filter_map(|rule| match &rule.moment {
        Moment::After(After { anchor: anchor @ Anchor::Item { instrument, item }, .. }) => {
            Some((anchor, instrument, item))
        }
        _ => None,
    })
}

fn day_of(answers: &str, item: &str) -> Option<NaiveDate> {
    let answers: BTreeMap<String, String> = serde_json::from_str(answers).ok()?;
    answers.get(item)?.parse().ok()
}

/// The people of the study, for what is about everything together.
///
/// # Errors
/// The database.
pub(super) async fn staff(tx: &mut Tx, office: &Office<'_>) -> Result<Vec<Somebody>, Failure> {
    let mut planned: BTreeMap<String, BTreeMap<String, PlannedLetter>> = BTreeMap::new();
    // Of those who left the study's people letters may stand that are to be ended.
    for one in planned_letter::list_of_kind(tx, office.shelved.id, TargetKind::Person).await? {
        planned.entry(one.target.id.clone()).or_default().insert(one.rule.clone(), one);
    }
    for person in office.study().people.iter().filter(|_| wanted(office, TargetKind::Person)) {
        planned.entry(person.id.clone()).or_default();
    }
    let one = |(id, planned)| {
        let target = Target { kind: TargetKind::Person, id };
        let mut one = Somebody::new(target, About::Person, office.study().zone);
        one.stops = closes(office, None);
        one.planned = planned;
        one
    };
    Ok(planned.into_iter().map(one).collect())
}

/// The letters of a rule to the staff; none where there is nothing to tell.
///
/// # Errors
/// The database; a template that cannot state the letter.
pub(super) async fn letters(
    office: &Office<'_>,
    means: Means<'_>,
    somebody: &Somebody,
    rule: &Rule,
) -> Result<Vec<Outgoing>, Failure> {
    let week = match rule.letter {
        Letter::FollowUpDue => None,
        Letter::WeeklyReport => Some(Week::load(office.store, office.shelved, office.key, office.now).await?),
        other => return Err(Failure::Contradiction(format!("{} is no letter to the staff", other.key()))),
    };
    let told = |person: &&Person| match &somebody.about {
        About::Subject(_, sites) => is_told(rule, person) && sites.iter().any(|site| person.acts_for(site)),
        About::Person => person.id == somebody.target.id && is_told(rule, person),
        About::Participant(_) => false,
    };
    let mut outgoing = Vec::new();
    for person in office.study().people.iter().filter(told) {
        let to = Addressing::unasked(office.study(), person);
        if let Some(week) = &week {
            let facts = week.report(office.study(), person, to.language)?;
            outgoing.push(compose::compose(office.shelved, means, to, facts)?);
            continue;
        }
        let telling = due::Telling { now: office.now, public_url: &means.desk.public_url, language: to.language };
        let facts = match &somebody.about {
            About::Subject(number, _) => {
                let event = event_of(rule).map(String::as_str);
                due::of_subject(office.store, office.shelved, *number, event, telling).await?
            }
            About::Person | About::Participant(_) => {
                due::of_person(office.store, office.shelved, person, telling).await?
            }
        };
        if let Some(facts) = facts {
            outgoing.push(compose::compose(office.shelved, means, to, Facts::FollowUpDue(facts))?);
        }
    }
    Ok(outgoing)
}

/// What the condition of a rule can name of a subject: its registration, and answers of events.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn scope(tx: &mut Tx, office: &Office<'_>, number: i64, today: NaiveDate) -> Result<Scope, Failure> {
    let study = office.study();
    let missing = || Failure::Contradiction(format!("there is no subject {number}"));
    let row = subject::find_by_number(&mut *tx, office.shelved.id, number).await?.ok_or_else(missing)?;
    let facts = fact::list_by_subject(&mut *tx, row.id).await?;
    let enrolled_on = row.enrolled_at.day_in(study.zone);
    let registration = again::registered_as(study, stored_answers(&row)?, &facts, enrolled_on)?;
    let given = allocation::list_by_subject(&mut *tx, row.id).await?;
    let responses = response::list_about(&mut *tx, row.id).await?;
    let record = Record {
        enrolled_on,
        registration: &registration,
        allocations: &given.iter().collect::<Vec<_>>(),
        responses: &responses,
    };
    Ok(course::scope(study, record, today))
}
