//! People of a rehearsal who are not there: participants, and subjects who enroll evenly over its days. The staff is the study's own.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::domain::event::{self, Event};
use crate::domain::schedule::rehearsal::{Assumed, Somebody, Stretch};
use crate::domain::schedule::{Anchor, Audience, ClockOf, Mark, Rule, Schedule, Stop, TargetKind};
use crate::domain::study::{FIRST, Study};
use crate::domain::time::{Instant, Zone};

/// How many are invented where nobody says.
pub(super) const USUAL: u32 = 20;

/// What is invented.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    pub stretch: Stretch,
    pub zones: &'a [Zone],
    pub many: u32,
    pub assumed: &'a Assumed,
}

/// Places of the rules that are about those.
pub(super) fn rules_of(schedule: &Schedule, is: impl Fn(&Rule) -> bool) -> Vec<usize> {
    schedule.rules.iter().enumerate().filter(|(_, rule)| is(rule)).map(|(place, _)| place).collect()
}

/// When no letter of a survey goes out any more.
pub(super) fn closes(study: &Study) -> BTreeMap<Stop, Instant> {
    let behind = study.survey.as_ref().and_then(|survey| survey.closes).and_then(|day| day.succ_opt());
    behind.map(|behind| (Stop::Close, study.zone.resolve(behind.into()))).into_iter().collect()
}

/// Participants and subjects.
pub(super) fn people(study: &Study, schedule: &Schedule, plan: &Plan<'_>) -> Vec<Somebody> {
    let participants = rules_of(schedule, |rule| rule.target() == TargetKind::Participant);
    let subjects = rules_of(schedule, |rule| rule.target() == TargetKind::Subject);
    let mut people = Vec::new();
    let invites = schedule.rules.iter().any(|rule| rule.letter == crate::domain::schedule::Letter::Invitation);
    if !participants.is_empty() {
        for number in 1..=plan.many {
            let mut happened = BTreeMap::new();
            let joined = entered(plan, number);
            let mark = |at: Instant, zone: Zone| Mark { day: at.day_in(zone), at: Some(at), closes: None };
            if study.enrolls_itself() {
                happened.insert(Anchor::Enrolled, mark(joined, study.zone));
                happened.insert(Anchor::Randomized(FIRST.to_string()), mark(joined, study.zone));
            }
            if !invites {
                // `hagaki credentials issue`, on the first morning.
                let nine = plan.stretch.from.plus_seconds(9 * 3600);
                happened.insert(Anchor::Invitation, mark(nine, study.zone));
            }
            let zone = match schedule.clock {
                ClockOf::Study => None,
                ClockOf::Person if plan.zones.is_empty() => None,
                ClockOf::Person => Some(plan.zones[(number as usize - 1) % plan.zones.len()]),
            };
            let (name, stops) = (format!("participant {number}"), closes(study));
            people.push(Somebody { name, zone, rules: participants.clone(), happened, stops, ..Somebody::default() });
        }
    }
    if !subjects.is_empty() {
        for number in 1..=plan.many {
            people.push(subject(study, &subjects, plan, number));
        }
    }
    people
}

/// Evenly over the rehearsal's days, at noon.
fn entered(plan: &Plan<'_>, number: u32) -> Instant {
    let days = plan.stretch.until.seconds_since(plan.stretch.from) / (24 * 3600);
    let day = days * i64::from(number - 1) / i64::from(plan.many);
    plan.stretch.from.plus_seconds(day * 24 * 3600 + 12 * 3600)
}

/// A subject and its course: each event takes place on its planned day, and the form comes in if its letters are answered.
fn subject(study: &Study, rules: &[usize], plan: &Plan<'_>, number: u32) -> Somebody {
    let name = study.subject_number(number.into());
    let enrolled = entered(plan, number);
    let mark = Mark { day: enrolled.day_in(study.zone), at: Some(enrolled), closes: None };
    let mut happened = BTreeMap::from([(Anchor::Enrolled, mark), (Anchor::Randomized(FIRST.to_string()), mark)]);
    let mut forms = BTreeMap::new();
    for event in &study.events {
        let Some(window) = planned(event, &happened) else { continue };
        happened.insert(Anchor::Due(event.id.clone()), Mark { day: window.day, at: None, closes: Some(window.closes) });
        let morning = study.zone.resolve(window.day.into()).plus_seconds(9 * 3600);
        if let Some(form) = plan.assumed.answer(morning, &[&name, &event.id]) {
            forms.insert(event.id.clone(), form);
            happened.insert(Anchor::Event(event.id.clone()), Mark { day: window.day, at: None, closes: None });
        }
    }
    Somebody { name, rules: rules.to_vec(), happened, forms, ..Somebody::default() }
}

/// The days of an event, as far as what it is counted from has happened.
fn planned(event: &Event, happened: &BTreeMap<Anchor, Mark>) -> Option<event::Window> {
    let timing = event.timing.as_ref()?;
    let anchor = match &timing.after {
        event::Anchor::Enrolled => Anchor::Enrolled,
        event::Anchor::Randomized(id) => Anchor::Randomized(id.clone()),
        event::Anchor::Event(id) => Anchor::Event(id.clone()),
    };
    let day: NaiveDate = happened.get(&anchor)?.day;
    timing.window(day)
}

/// Those of the study's people who get letters about everything together.
pub(super) fn staff(study: &Study, schedule: &Schedule) -> Vec<Somebody> {
    let one = |person: &crate::domain::study::Person| {
        let gets = |rule: &Rule| match &rule.audience {
            Audience::SiteStaff(role) | Audience::Role(role) => person.has(*role),
            Audience::People(ids) => ids.contains(&person.id),
            Audience::Participants | Audience::Members => false,
        };
        let rules = rules_of(schedule, |rule| rule.target() == TargetKind::Person && gets(rule));
        (!rules.is_empty()).then(|| Somebody { name: person.id.clone(), rules, ..Somebody::default() })
    };
    study.people.iter().filter_map(one).collect()
}
