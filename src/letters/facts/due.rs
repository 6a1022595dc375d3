//! Facts of the letter to a site that forms of events are to be filled in.

use serde::{Deserialize, Serialize};

use super::enrollment::Site;
use super::follow_up::WindowDays;
use super::short;
use crate::domain::event::{Event, Window};
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::study::Study;
use crate::limits;

/// What is to be filled in about the subjects of a site, or about one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpDue {
    /// The day it is told of, year-month-day in the study's zone.
    pub day: String,
    /// Our number of the one subject it is about; empty where it is about all.
    pub subject: String,
    /// What is to be filled in, the longest overdue first.
    pub due: Vec<DueEvent>,
    /// How many events that are, with those that are not listed.
    pub count: usize,
    /// How many of them are overdue.
    pub late: usize,
    /// How many of them are not listed.
    pub more: usize,
    /// Page on which all of them stand; empty where it is closed to the reader, who then fills in nothing.
    pub page: String,
}

/// An event of a subject of which a form is missing. It has no arm: which events a subject has follows from its registration alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueEvent {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// Name of the event.
    pub event: String,
    /// What to call it in a mail.
    pub event_id: String,
    /// Its days.
    pub window: WindowDays,
    /// Whether these are more than one.
    pub several: bool,
    /// Whether they are over.
    pub late: bool,
    /// The forms that are missing.
    pub forms: Vec<DueForm>,
}

/// A form that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueForm {
    /// Its heading.
    pub title: String,
    /// Page on which it is filled in; empty where it is closed to the reader.
    pub link: String,
}

/// An event of a subject of which forms are missing.
#[derive(Clone, Debug)]
pub struct Missing<'a> {
    /// Number of the subject in the study.
    pub subject: i64,
    /// Code of its site.
    pub site: &'a str,
    /// The event.
    pub event: &'a Event,
    /// Its days.
    pub window: Window,
    /// Whether they are over.
    pub late: bool,
    /// The forms that are missing.
    pub forms: Vec<&'a Instrument>,
}

impl FollowUpDue {
    /// Of that day: what is missing, in the order in which it is listed. Pages are below `public_url`, which is empty for whoever comes to
    /// none.
    pub fn new(
        study: &Study,
        day: chrono::NaiveDate,
        only: Option<i64>,
        missing: &[Missing<'_>],
        public_url: &str,
        language: Language,
    ) -> FollowUpDue {
        let pages = match public_url.trim_end_matches('/') {
            "" => String::new(),
            url => format!("{url}/c/{}", study.slug),
        };
        let page = |rest: String| if pages.is_empty() { String::new() } else { format!("{pages}{rest}") };
        let listed = missing.iter().take(limits::DUE_SHOWN);
        let due: Vec<DueEvent> = listed.map(|one| DueEvent::new(study, one, page, language)).collect();
        FollowUpDue {
            day: day.to_string(),
            subject: only.map(|number| study.subject_number(number)).unwrap_or_default(),
            count: missing.len(),
            late: missing.iter().filter(|one| one.late).count(),
            more: missing.len() - due.len(),
            due,
            page: page(only.map(|number| format!("/{number}")).unwrap_or_default()),
        }
    }
}

impl DueEvent {
    fn new(study: &Study, missing: &Missing<'_>, page: impl Fn(String) -> String, language: Language) -> DueEvent {
        let Missing { subject, site, event, window, late, ref forms } = *missing;
        let name = study.find_site(site).map_or("", |site| site.name.in_language(language));
        let form = |form: &&Instrument| DueForm {
            title: short(form.title.in_language(language)),
            link: page(format!("/{subject}/{}/{}/new", event.id, form.id)),
        };
        DueEvent {
            subject: study.subject_number(subject),
            site: Site { code: short(site), name: short(name) },
            event: short(event.name.in_language(language)),
            event_id: short(&event.id),
            window: WindowDays::new(window),
            several: window.opens != window.closes,
            late,
            forms: forms.iter().map(form).collect(),
        }
    }
}
