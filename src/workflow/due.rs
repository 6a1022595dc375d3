//! What is due in the courses of subjects, and the letter that tells a site of it.
//!
//! A course has no arm: which events a subject has follows from its registration, and their days from what its site knows. So pages and
//! letters tell everybody who acts for a site the same.

use chrono::NaiveDate;

use super::Failure;
use super::course::{self, Case, Progress, Station};
use super::shelf::ShelvedStudy;
use crate::domain::door::Door;
use crate::domain::event::Window;
use crate::domain::language::Language;
use crate::domain::study::Person;
use crate::domain::time::Instant;
use crate::letters::facts::{FollowUpDue, Missing};
use crate::limits;
use crate::store::Store;

/// An event of a case of which a form is missing, in or behind its days.
#[derive(Clone, Copy, Debug)]
pub struct Due<'c, 's> {
    /// The case.
    pub case: &'c Case<'s>,
    /// The event in its course.
    pub station: &'c Station<'s>,
    /// Its days.
    pub window: Window,
    /// Whether they are over.
    pub late: bool,
}

/// What is late and what is due among cases, the longest overdue first. Of who left the study nothing is.
pub fn among<'c, 's>(cases: &'c [Case<'s>], today: NaiveDate) -> Vec<Due<'c, 's>> {
    let mut due: Vec<Due<'c, 's>> = Vec::new();
    for case in cases.iter().filter(|case| case.out.is_none()) {
        for station in &case.stations {
            let progress = station.progress(today);
            if let (Progress::Late | Progress::Due, Some(window)) = (progress, station.window) {
                due.push(Due { case, station, window, late: progress == Progress::Late });
            }
        }
    }
    due.sort_by_key(|one| (one.window.closes, one.case.subject.number));
    due
}

/// How many cases are looked through for what is due.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Most that are read at once.
    pub page: i64,
    /// How often.
    pub pages: i64,
    /// Most that are kept.
    pub keep: usize,
}

/// The cases of some sites (of all if none is named) of which something is late or due, the longest overdue first; and whether some are older
/// than all that were looked through.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn longest<'s>(
    store: &Store,
    shelved: &'s ShelvedStudy,
    sites: &[String],
    today: NaiveDate,
    Look { page, pages, keep }: Look,
) -> Result<(Vec<Case<'s>>, bool), Failure> {
    let (mut kept, mut before): (Vec<(NaiveDate, Case<'s>)>, i64) = (Vec::new(), i64::MAX);
    let cases =
        |kept: Vec<(NaiveDate, Case<'s>)>| -> Vec<Case<'s>> { kept.into_iter().map(|(_, case)| case).collect() };
    for _ in 0..pages {
        let read = course::cases(store, shelved, sites, before, page).await?;
        let Some(last) = read.last() else { return Ok((cases(kept), false)) };
        before = last.subject.number;
        for case in read {
            let first = among(std::slice::from_ref(&case), today).first().map(|one| one.window.closes);
            kept.extend(first.map(|closes| (closes, case)));
        }
        kept.sort_by_key(|(closes, case)| (*closes, case.subject.number));
        kept.truncate(keep);
    }
    let older = course::cases(store, shelved, sites, before, 1).await?;
    Ok((cases(kept), !older.is_empty()))
}

impl<'c> Due<'c, '_> {
    fn missing(&self) -> Missing<'c> {
        let forms = self.station.forms.iter().filter(|(_, entries)| entries.is_empty());
        Missing {
            subject: self.case.subject.number,
            site: &self.case.subject.site,
            event: self.station.event,
            window: self.window,
            late: self.late,
            forms: forms.map(|(instrument, _)| *instrument).collect(),
        }
    }
}

/// For whom and when a letter on what is due is written.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// Now.
    pub now: Instant,
    /// What the addresses of pages begin with; empty where the reader comes to none ([`Door::Cases`]).
    pub public_url: &'a str,
    /// Language of the letter.
    pub language: Language,
}

/// Everything that is due for the subjects of the sites that a person acts for, as a letter tells it; none where nothing is.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn of_person(
    store: &Store,
    shelved: &ShelvedStudy,
    person: &Person,
    telling: Telling<'_>,
) -> Result<Option<FollowUpDue>, Failure> {
    let (mut cases, mut before) = (Vec::new(), i64::MAX);
    for _ in 0..limits::WEEK_CASES / limits::CASES_LOOKED_THROUGH {
        let page = course::cases(store, shelved, &person.sites, before, limits::CASES_LOOKED_THROUGH).await?;
        let Some(last) = page.last() else { break };
        before = last.subject.number;
        cases.extend(page);
    }
    let public_url = if Door::Cases.lets_in(person) { telling.public_url } else { "" };
    Ok(tell(shelved, &cases, (None, None), Telling { public_url, ..telling }))
}

/// What is due for the subject of that number in the study, or of one event of it alone, as a letter tells it; none where nothing is.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn of_subject(
    store: &Store,
    shelved: &ShelvedStudy,
    number: i64,
    event: Option<&str>,
    telling: Telling<'_>,
) -> Result<Option<FollowUpDue>, Failure> {
    // The latest before the next number is the one itself, if there is one of that number.
    let mut cases = course::cases(store, shelved, &[], number.saturating_add(1), 1).await?;
    cases.retain(|case| case.subject.number == number);
    Ok(tell(shelved, &cases, (Some(number), event), telling))
}

fn tell(
    shelved: &ShelvedStudy,
    cases: &[Case<'_>],
    (only, event): (Option<i64>, Option<&str>),
    Telling { now, public_url, language }: Telling<'_>,
) -> Option<FollowUpDue> {
    let study = &shelved.study;
    let today = now.day_in(study.zone);
    let mut due = among(cases, today);
    due.retain(|one| event.is_none_or(|event| one.station.event.id == event));
    let missing: Vec<Missing<'_>> = due.iter().map(Due::missing).collect();
    (!missing.is_empty()).then(|| FollowUpDue::new(study, today, only, &missing, public_url, language))
}
