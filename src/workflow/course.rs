//! A subject's course: which events there are, which forms of them came in, and what is due.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::enroll::{Enrolled, stored_answers};
use super::facts;
use super::shelf::ShelvedStudy;
use super::{Failure, again, correction};
use crate::domain::answer::{Form, Value, of_canonical};
use crate::domain::event::{Anchor, Event, Standing, Window};
use crate::domain::expression::Scope;
use crate::domain::fact::{FactKind, tells_of_death};
use crate::domain::instrument::Instrument;
use crate::domain::schedule::Stop;
use crate::domain::study::{FIRST, Study};
use crate::domain::time::Zone;
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;
use crate::store::response::{self, ResponseRow};
use crate::store::subject::SubjectRow;
use crate::store::{Store, allocation, fact, subject};

/// What became known of a subject after which nothing more is due.
const OUT: [FactKind; 4] =
    [FactKind::Withdrawn, FactKind::RandomizedInError, FactKind::Ineligible, FactKind::Duplicate];

/// One event in a subject's course.
#[derive(Clone, Debug)]
pub struct Station<'s> {
    /// The event.
    pub event: &'s Event,
    /// Its days; none where it has no planned day, or what it is counted from has not come yet.
    pub window: Option<Window>,
    /// The day on which it took place, as far as its forms tell.
    pub took_place: Option<NaiveDate>,
    /// Its forms in order, each with what came in and counts, by occasion.
    pub forms: Vec<(&'s Instrument, Vec<ResponseRow>)>,
}

/// How far an event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Its last day is over, and a form is missing.
    Late,
    /// It is due, and a form is missing.
    Due,
    /// Its first day is to come.
    Ahead,
    /// It cannot be told when it is due.
    Waiting,
    /// It happens or does not.
    Open,
    /// Every form came in.
    Done,
}

impl Progress {
    /// Name in templates.
    pub const fn key(self) -> &'static str {
        match self {
            Progress::Late => "late",
            Progress::Due => "due",
            Progress::Ahead => "ahead",
            Progress::Waiting => "waiting",
            Progress::Open => "open",
            Progress::Done => "done",
        }
    }
}

impl Station<'_> {
    /// Where the day that its forms tell stands to its window; none where either cannot be told.
    pub fn standing(&self) -> Option<Standing> {
        against(self.event, self.window, self.took_place)
    }

    /// How far it has come on that day.
    pub fn progress(&self, today: NaiveDate) -> Progress {
        let complete = self.forms.iter().all(|(_, entries)| !entries.is_empty());
        match (&self.event.timing, self.window) {
            (None, _) if self.event.repeats || !complete => Progress::Open,
            _ if complete => Progress::Done,
            (_, None) => Progress::Waiting,
            (_, Some(window)) => match window.standing(today) {
                Standing::Late => Progress::Late,
                Standing::Within => Progress::Due,
                Standing::Early => Progress::Ahead,
            },
        }
    }
}

/// What the course of a subject is made from.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The day of its enrollment.
    pub enrolled_on: NaiveDate,
    /// Its registration as it is known by now.
    pub registration: &'a Form,
    /// Its allocations.
    pub allocations: &'a [&'a AllocationRow],
    /// The responses about it that count.
    pub responses: &'a [ResponseRow],
}

/// The events of a study as one subject goes through them; those that are not planned for it are left out, unless a form came in.
pub fn stations<'s>(study: &'s Study, record: Record<'_>) -> Vec<Station<'s>> {
    let mut took_place: BTreeMap<&str, NaiveDate> = BTreeMap::new();
    let mut stations = Vec::new();
    for event in &study.events {
        let forms: Vec<(&Instrument, Vec<ResponseRow>)> = event
            .instruments
            .iter()
            .filter_map(|id| study.find_instrument(id))
            .map(|instrument| {
                let own = |row: &&ResponseRow| row.event == event.id && row.instrument == instrument.id && row.current;
                let mut entries: Vec<ResponseRow> = record.responses.iter().filter(own).cloned().collect();
                entries.sort_by_key(|row| row.occasion);
                (instrument, entries)
            })
            .collect();
        let on = forms.iter().flat_map(|(_, entries)| entries).filter_map(|row| day_of(study, event, row)).min();
        if let Some(day) = on {
            took_place.insert(&event.id, day);
        }
        let came_in = forms.iter().any(|(_, entries)| !entries.is_empty());
        if !came_in && !is_planned(study, event, record) {
            continue;
        }
        let window = event.timing.as_ref().and_then(|timing| {
            let anchor = match &timing.after {
                Anchor::Enrolled => Some(record.enrolled_on),
                Anchor::Randomized(id) => {
                    let given = record.allocations.iter().find(|given| given.randomization == *id);
                    given.map(|given| given.allocated_at.day_in(study.zone))
                }
                Anchor::Event(id) => took_place.get(id.as_str()).copied(),
            };
            timing.window(anchor?)
        });
        stations.push(Station { event, window, took_place: on, forms });
    }
    stations
}

/// The day on which an event took place, by one of its forms.
fn day_of(study: &Study, event: &Event, row: &ResponseRow) -> Option<NaiveDate> {
    let told = event.day_item.as_ref().and_then(|item| {
        let answers: BTreeMap<String, String> = serde_json::from_str(&row.answers).ok()?;
        answers.get(item)?.get(..10)?.parse().ok()
    });
    match (told, &event.day_item) {
        (Some(day), _) => Some(day),
        // Its day stands on another of its forms.
        (None, Some(item)) if study.find_instrument(&row.instrument)?.find(item).is_none() => None,
        _ => row.answered_at.map(|at| at.day_in(study.zone)),
    }
}

/// Where the day that a form of an event tells stands to the event's window. The day on which a form was entered is no such day.
pub fn standing(study: &Study, event: &Event, window: Option<Window>, row: &ResponseRow) -> Option<Standing> {
    against(event, window, day_of(study, event, row))
}

/// The same of a day that is known already.
fn against(event: &Event, window: Option<Window>, day: Option<NaiveDate>) -> Option<Standing> {
    event.day_item.as_ref()?;
    Some(window?.standing(day?))
}

/// Whether an event is planned for a subject; where that cannot be told it is.
fn is_planned(study: &Study, event: &Event, record: Record<'_>) -> bool {
    let Some(when) = &event.when else { return true };
    let items = study.registration_instrument().items.iter().map(|item| item.id.as_str());
    let scope = Scope::blank(items, record.enrolled_on).with(&record.registration.answers);
    when.holds(&scope).unwrap_or(true)
}

/// The names that checks between events know, with what is on file of this subject: its registration, and answers of events.
pub fn scope(study: &Study, record: Record<'_>, today: NaiveDate) -> Scope {
    let registration = study.registration_instrument().items.iter().map(|item| item.id.clone());
    let mut names: Vec<String> = registration.collect();
    let mut known: Vec<(String, Value)> = Vec::new();
    for event in &study.events {
        for instrument in event.instruments.iter().filter_map(|id| study.find_instrument(id)) {
            let row = record.responses.iter().rfind(|row| row.event == event.id && row.instrument == instrument.id);
            let answers: BTreeMap<String, String> =
                row.and_then(|row| serde_json::from_str(&row.answers).ok()).unwrap_or_default();
            for item in &instrument.items {
                let name = format!("{}_{}", event.id, item.id);
                let value = answers.get(&item.id).and_then(|answer| of_canonical(&item.kind, answer));
                known.extend(value.map(|value| (name.clone(), value)));
                names.push(name);
            }
        }
    }
    let mut scope = Scope::blank(names.iter().map(String::as_str), today).with(&record.registration.answers);
    for (name, value) in &known {
        scope.set(name, value);
    }
    scope
}

/// A subject with its course.
#[derive(Clone, Debug)]
pub struct Case<'s> {
    /// The subject.
    pub subject: SubjectRow,
    /// Its site's own reference, as it is known by now; empty where participants enroll themselves.
    pub reference: String,
    /// Its events.
    pub stations: Vec<Station<'s>>,
    /// What became known after which nothing more is due.
    pub out: Option<FactKind>,
    /// What has ended the letters about it, if anything has.
    pub ended: Option<Stop>,
}

/// The latest cases of some sites (of all if none is named) before that number, with their courses, the latest first.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn cases<'s>(
    store: &Store,
    shelved: &'s ShelvedStudy,
    sites: &[String],
    before: i64,
    most: i64,
) -> Result<Vec<Case<'s>>, Failure> {
    let study = &shelved.study;
    let mut subjects = Vec::new();
    if sites.is_empty() {
        subjects = subject::list_latest(store, shelved.id, None, before, most).await?;
    }
    for site in sites {
        subjects.extend(subject::list_latest(store, shelved.id, Some(site), before, most).await?);
    }
    subjects.sort_by_key(|subject| std::cmp::Reverse(subject.number));
    subjects.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let ids = subjects.iter().map(|subject| subject.id);
    let (Some(first), Some(last)) = (ids.clone().min(), ids.max()) else { return Ok(Vec::new()) };
    let mut responses: BTreeMap<i64, Vec<ResponseRow>> = BTreeMap::new();
    if !study.events.is_empty() {
        for row in response::list_of_subjects(store, shelved.id, first, last).await? {
            responses.entry(row.subject_id.unwrap_or_default()).or_default().push(row);
        }
    }
    let mut given: BTreeMap<i64, Vec<AllocationRow>> = BTreeMap::new();
    for row in allocation::list_of_subjects(store, shelved.id, first, last).await? {
        given.entry(row.subject_id).or_default().push(row);
    }
    let mut facts: BTreeMap<i64, Vec<FactRow>> = BTreeMap::new();
    for row in fact::list_of_subjects(store, shelved.id, first, last).await? {
        facts.entry(row.subject_id).or_default().push(row);
    }
    let mut cases = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let facts = facts.remove(&subject.id).unwrap_or_default();
        let given = given.remove(&subject.id).unwrap_or_default();
        let own = responses.remove(&subject.id).unwrap_or_default();
        cases.push(case(store, shelved, subject, (&facts, &given, &own)).await?);
    }
    Ok(cases)
}

/// The events of one subject, whatever sites it is of.
///
/// # Errors
/// As [`cases`].
pub async fn of_subject<'s>(
    store: &Store,
    shelved: &'s ShelvedStudy,
    about: &SubjectRow,
) -> Result<Vec<Station<'s>>, Failure> {
    let facts = fact::list_of_subjects(store, shelved.id, about.id, about.id).await?;
    let given = allocation::list_of_subjects(store, shelved.id, about.id, about.id).await?;
    let own = response::list_of_subjects(store, shelved.id, about.id, about.id).await?;
    Ok(case(store, shelved, about.clone(), (&facts, &given, &own)).await?.stations)
}

/// A subject with its course, from its facts, allocations and responses.
async fn case<'s>(
    store: &Store,
    shelved: &'s ShelvedStudy,
    subject: SubjectRow,
    (facts, given, own): (&[FactRow], &[AllocationRow], &[ResponseRow]),
) -> Result<Case<'s>, Failure> {
    let study = &shelved.study;
    let out = is_out(facts);
    let mut answers = stored_answers(&subject)?;
    correction::correct(&mut answers, facts.iter(), None)?;
    let reference = answers.get(&study.registration.subject_item).cloned().unwrap_or_default();
    // Conditions are rare, and reading a registration again is not cheap.
    let registration = match study.events.iter().any(|event| event.when.is_some()) {
        true => again::registered_as(study, answers, &[], subject.enrolled_at.day_in(study.zone))?,
        false => Form::default(),
    };
    let record = Record {
        enrolled_on: enrolled_on(store, given, &subject, study.zone).await?,
        registration: &registration,
        allocations: &given.iter().collect::<Vec<&AllocationRow>>(),
        responses: own,
    };
    let stations = stations(study, record);
    Ok(Case { subject, reference, stations, out, ended: ended_by(facts) })
}

async fn enrolled_on(
    store: &Store,
    given: &[AllocationRow],
    subject: &SubjectRow,
    zone: Zone,
) -> Result<NaiveDate, Failure> {
    let first = given.iter().find(|given| given.randomization == FIRST);
    let recorded = match first {
        Some(first) => super::enroll::allocated(store, first).await?,
        None => None,
    };
    Ok(recorded.map_or_else(|| subject.enrolled_at.day_in(zone), |when| when.day(zone)))
}

/// The course of one subject, from all that is on file of it.
///
/// # Errors
/// Records that contradict each other.
pub fn of<'s>(
    study: &'s Study,
    enrolled: &Enrolled,
    responses: &[ResponseRow],
) -> Result<(Form, Vec<Station<'s>>), Failure> {
    let registration = again::registered(study, enrolled)?;
    let allocations: Vec<&AllocationRow> = enrolled.allocations().collect();
    let record = Record {
        enrolled_on: enrolled.day(study.zone),
        registration: &registration,
        allocations: &allocations,
        responses,
    };
    let stations = stations(study, record);
    Ok((registration, stations))
}

/// What became known of a subject after which nothing more is due, if anything did.
pub fn is_out(facts: &[FactRow]) -> Option<FactKind> {
    OUT.into_iter().find(|kind| facts::standing(facts).any(|fact| fact.kind == *kind))
}

/// What ends every letter about a subject, if anything does: its death, where that is why it was withdrawn, else that it is out.
pub(super) fn ended_by(facts: &[FactRow]) -> Option<Stop> {
    let died = |fact: &FactRow| fact.kind == FactKind::Withdrawn && tells_of_death(&fact.reason);
    match facts::standing(facts).any(died) {
        true => Some(Stop::Death),
        false => is_out(facts).map(|_| Stop::Withdrawal),
    }
}

/// The same of the subject as a whole, not of one of its further allocations alone.
pub(super) fn is_out_altogether(facts: &[FactRow]) -> Option<FactKind> {
    OUT.into_iter().find(|kind| facts::standing(facts).any(|fact| fact.kind == *kind && fact.randomization.is_none()))
}
