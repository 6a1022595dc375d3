//! Follow-up: a form of an event of one subject, filled in by the staff of its site, and corrected with a reason.
//!
//! That a form of an event counts once is a constraint of the database. What was entered before stays: a correction is a response
//! of its own that points at it. The mark of a page, or of a mail, makes what is sent again the same response.

use chrono::NaiveDate;
use serde_json::json;

use super::course::{self, Record, Station};
use super::enroll::{Enrolled, append, record_digest};
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{Failure, Means, accept, respond, schedule, uploads};
use crate::domain::answer::{self, Fault, FaultCode, Form, Line, Uploads};
use crate::domain::event::{Event, Window};
use crate::domain::instrument::{Check, DayBound, Instrument, Limits};
use crate::domain::language::Language;
use crate::domain::study::{Person, Study};
use crate::domain::survey::Mark;
use crate::store::allocation::AllocationRow;
use crate::store::response::{self, Channel, ResponseRow};
use crate::store::study::State as StudyState;

/// A filled-in form of an event on its way.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Number of the subject in the database.
    pub subject_id: i64,
    /// The event.
    pub event: &'a Event,
    /// Id of the form.
    pub instrument: &'a str,
    /// The answers as read by [`read`].
    pub form: &'a Form,
    /// Who enters it.
    pub person: &'a Person,
    /// Language of the page or mail.
    pub language: Language,
    /// Which way it came.
    pub channel: Channel,
    /// Mark of the page or mail.
    pub mark: Mark,
    /// What it corrects, and why.
    pub corrects: Option<(Mark, &'a str)>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is on file.
    Recorded(Box<ResponseRow>),
    /// The same was on file already.
    Before(Box<ResponseRow>),
    /// Other answers to this form are on file; nothing was changed.
    Conflict(Box<ResponseRow>),
    /// It is not taken.
    Refused(Why),
}

/// Why nothing is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The person does not enter data for the site.
    NotTheirs,
    /// The study has ended.
    Closed,
    /// The event is not planned for the subject.
    NotPlanned,
    /// A correction says no reason.
    NoReason,
    /// What was to be corrected was corrected by somebody else meanwhile.
    Overtaken,
}

/// The form of an event as it is asked there: with the event's checks, and with its window as a soft limit of the day it takes place.
pub fn instrument_at(study: &Study, event: &Event, id: &str, window: Option<Window>) -> Option<Instrument> {
    let mut instrument = study.find_instrument(id)?.clone();
    for check in &event.checks {
        if check.items.iter().all(|item| instrument.find(item).is_some()) && !check.items.is_empty() {
            instrument.checks.push(Check { id: check_id(event, check), ..check.clone() });
        }
    }
    if let (Some(window), Some(day_item)) = (window, &event.day_item)
        && let Some(item) = instrument.items.iter_mut().find(|item| item.id == *day_item)
    {
        let bounds = Limits {
            earliest: Some(DayBound::On(window.opens)),
            latest: Some(DayBound::On(window.closes)),
            ..Limits::default()
        };
        if item.soft.earliest.is_none() && item.soft.latest.is_none() {
            item.soft = bounds;
        }
    }
    Some(instrument)
}

/// Apart from the ids of the form's own checks, which hold no point.
fn check_id(event: &Event, check: &Check) -> String {
    format!("{}.{}", event.id, check.id)
}

/// Reads the lines of a page, and the files that came with it, as a form of an event, with the checks against what was answered before.
pub fn read(
    study: &Study,
    event: &Event,
    instrument: &Instrument,
    (lines, files): (&[Line], &Uploads),
    record: Record<'_>,
    today: NaiveDate,
) -> Form {
    let mut form = answer::read_page(study, instrument, lines, files, today);
    let own = instrument.items.iter().map(|item| item.id.as_str());
    let mut scope = course::scope(study, record, today);
    own.for_each(|id| scope.clear(id));
    let scope = scope.with(&form.answers);
    let faulty: Vec<String> = form.faults.iter().map(|fault| fault.item.clone()).collect();
    for check in &event.checks {
        let Some(last) = check.items.last().filter(|last| instrument.find(last).is_some()) else { continue };
        let unsure = check.rule.names().any(|name| faulty.iter().any(|faulty| faulty == name));
        if unsure || check.rule.holds(&scope) != Ok(false) {
            continue;
        }
        let typed = form.typed.get(last).cloned().unwrap_or_default();
        let fault = Fault { item: last.clone(), code: FaultCode::Check, typed, expected: check_id(event, check) };
        if check.hard { form.faults.push(fault) } else { form.doubts.push(fault) }
    }
    form
}

/// A subject with all that is on file of it, for whoever may see it.
#[derive(Debug)]
pub struct Chart {
    /// The subject and its allocations.
    pub enrolled: Enrolled,
    /// Every response about it, superseded ones among them.
    pub responses: Vec<ResponseRow>,
    /// Its registration as it is known by now.
    pub registration: Form,
}

impl Chart {
    /// Reads it.
    ///
    /// # Errors
    /// The database; records that contradict each other.
    pub async fn load(ledger: &mut Ledger<'_>, study: &Study, subject_id: i64) -> Result<Chart, Failure> {
        let enrolled = accept::load(ledger, subject_id).await?;
        let responses = match study.events.is_empty() {
            true => Vec::new(),
            false => response::list_about(&mut ledger.tx, subject_id).await?,
        };
        let (registration, _) = course::of(study, &enrolled, &[])?;
        Ok(Chart { enrolled, responses, registration })
    }

    /// Calls with what the course is made from.
    pub fn with_record<T>(&self, study: &Study, call: impl FnOnce(Record<'_>) -> T) -> T {
        let allocations: Vec<&AllocationRow> = self.enrolled.allocations().collect();
        let current: Vec<ResponseRow> = self.responses.iter().filter(|row| row.current).cloned().collect();
        call(Record {
            enrolled_on: self.enrolled.day(study.zone),
            registration: &self.registration,
            allocations: &allocations,
            responses: &current,
        })
    }

    /// Its events.
    pub fn stations<'s>(&self, study: &'s Study) -> Vec<Station<'s>> {
        self.with_record(study, |record| course::stations(study, record))
    }
}

/// What is on file of a form of an event, or speaks against it; none where it would be recorded. Changes nothing.
///
/// # Errors
/// As [`enter`].
pub async fn foresee(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    chart: &Chart,
    entry: Entry<'_>,
) -> Result<Option<Entered>, Failure> {
    let (_, page) = ledger.lock(shelved).await?;
    Ok(decide(&shelved.study, page.row.state, chart, entry)?.err())
}

/// Records a form of an event, once.
///
/// # Errors
/// The database; [`crate::store::StoreError::Busy`] if the study was amended since the form was read.
pub async fn enter(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    entry: Entry<'_>,
) -> Result<Entered, Failure> {
    let (_, page) = ledger.lock(shelved).await?;
    let state = page.row.state;
    let chart = Chart::load(ledger, &shelved.study, entry.subject_id).await?;
    let Place { occasion, replaces } = match decide(&shelved.study, state, &chart, entry)? {
        Ok(place) => place,
        Err(entered) => return Ok(entered),
    };
    let Entry { event, form, person, .. } = entry;
    let subject = &chart.enrolled.subject;
    let row = ResponseRow {
        id: entry.mark,
        study_id: shelved.id,
        instrument: entry.instrument.to_string(),
        bundle_version: shelved.version,
        participant_id: None,
        subject_id: Some(subject.id),
        event: event.id.clone(),
        occasion,
        person: person.id.clone(),
        channel: entry.channel,
        language: entry.language.code().to_string(),
        typed: serde_json::to_string(&form.typed).expect("a map of texts is JSON"),
        answers: answers_of(form),
        answered_at: Some(means.now),
        replaces,
        reason: entry.corrects.map_or("", |(_, reason)| reason).to_string(),
        current: true,
        audit_digest: None,
    };
    let recorded = record(ledger, shelved, means, subject.number, row, form).await?;
    Ok(Entered::Recorded(Box::new(recorded)))
}

/// Where an entry goes.
struct Place {
    occasion: i64,
    replaces: Option<Mark>,
}

fn answers_of(form: &Form) -> String {
    serde_json::to_string(&form.canonical()).expect("a map of texts is JSON")
}

/// Where an entry goes, if nothing speaks against it and it is not on file. What is on file is told before anything can refuse it.
fn decide(
    study: &Study,
    state: StudyState,
    chart: &Chart,
    entry: Entry<'_>,
) -> Result<Result<Place, Entered>, Failure> {
    let Entry { event, form, person, .. } = entry;
    if let Some(fault) = form.faults.first() {
        return Err(Failure::Contradiction(format!("a form with a fault of {} is not recorded", fault.item)));
    }
    let refused = |why| Ok(Err(Entered::Refused(why)));
    let subject = &chart.enrolled.subject;
    if !person.acts_for_any(subject.sites()) || !person.roles.iter().any(|role| role.enrolls()) {
        return refused(Why::NotTheirs);
    }
    let answers = answers_of(form);
    let own = |row: &&ResponseRow| row.event == event.id && row.instrument == entry.instrument;
    let entries: Vec<&ResponseRow> = chart.responses.iter().filter(own).collect();
    // The same page once more; filled in otherwise, because somebody went back to it, it is another entry.
    match entries.iter().find(|row| row.id == entry.mark) {
        Some(same) if same.answers == answers => return Ok(Err(Entered::Before(Box::new((*same).clone())))),
        Some(_) if entry.corrects.is_some() => return refused(Why::Overtaken),
        Some(other) => return Ok(Err(Entered::Conflict(Box::new((*other).clone())))),
        None => {}
    }
    let current = || entries.iter().filter(|row| row.current);
    let replaced = match entry.corrects {
        Some((id, _)) => match current().find(|row| row.id == id) {
            Some(row) => Some(*row),
            None => return refused(Why::Overtaken),
        },
        None => None,
    };
    // Mails are sent again by whoever is not sure that the first arrived: one that says what an occasion did is that occasion.
    let repeated = || current().find(|row| entry.channel == Channel::Mail && row.answers == answers).copied();
    let before = replaced.or_else(|| current().find(|_| !event.repeats).copied()).or_else(repeated);
    match (before, replaced) {
        (Some(before), _) if before.answers == answers => return Ok(Err(Entered::Before(Box::new(before.clone())))),
        (Some(before), None) => return Ok(Err(Entered::Conflict(Box::new(before.clone())))),
        _ => {}
    }
    if state == StudyState::Closed {
        return refused(Why::Closed);
    }
    if entry.corrects.is_some_and(|(_, reason)| reason.is_empty()) {
        return refused(Why::NoReason);
    }
    if before.is_none() && !chart.stations(study).iter().any(|station| station.event.id == event.id) {
        return refused(Why::NotPlanned);
    }
    let occasion = match replaced {
        Some(before) => before.occasion,
        None => current().map(|row| row.occasion).max().unwrap_or(0) + 1,
    };
    Ok(Ok(Place { occasion, replaces: replaced.map(|before| before.id) }))
}

async fn record(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    subject: i64,
    row: ResponseRow,
    form: &Form,
) -> Result<ResponseRow, Failure> {
    let (tx, page) = ledger.lock(shelved).await?;
    // A page may name its response as it likes: where the name is another's it gets one of its own.
    let id = match response::find(&mut *tx, &row.id).await? {
        Some(_) => Mark::new(means.dice),
        None => row.id,
    };
    let kept = respond::kept(tx, shelved, &row.instrument, &id, form)?;
    let mut body = json!({
        "response": id.text(),
        "subject": subject,
        "event": row.event,
        "instrument": row.instrument,
        "occasion": row.occasion,
        "bundle": shelved.version,
        "answers": record_digest(kept.answers.text()),
    });
    let action = match row.replaces {
        None => "follow-up",
        Some(before) => {
            body["replaces"] = json!(before.text());
            body["reason"] = json!(row.reason);
            response::supersede(tx, &before).await?;
            "correct-follow-up"
        }
    };
    let audit_digest = append(tx, page, means, &row.person, action, &body).await?;
    let row = ResponseRow { id, audit_digest: Some(audit_digest), ..row };
    response::insert(tx, &row, &kept).await?;
    if let Some(subject) = row.subject_id {
        schedule::touch_subject(tx, shelved, subject, None).await?;
    }
    uploads::keep(tx, shelved.id, form).await?;
    page.touch();
    metrics::counter!("hagaki_follow_ups_total", "study" => shelved.study.slug.clone()).increment(1);
    Ok(row)
}
