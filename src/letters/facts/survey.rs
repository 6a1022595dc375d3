//! Facts of letters about answers to a survey by mail.

use serde::{Deserialize, Serialize};

use super::form::{FaultLine, FormFacts, Reader, Shown, UnknownKey};
use super::short;
use crate::domain::answer::Form;
use crate::domain::instrument::Instrument;
use crate::domain::time::Instant;
use crate::limits;

/// The form of a survey, empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyForm {
    /// Heading of the form.
    pub title: String,
    /// Last day on which answers are taken; empty if there is none.
    pub closes: String,
    /// Its lines.
    pub form: FormFacts,
}

impl SurveyForm {
    /// The form of `instrument`.
    pub fn new(reader: &Reader<'_>, instrument: &Instrument) -> SurveyForm {
        let closes = reader.study.survey.as_ref().and_then(|survey| survey.closes);
        SurveyForm {
            title: short(instrument.title.in_language(reader.language)),
            closes: closes.map(|day| day.to_string()).unwrap_or_default(),
            form: FormFacts { survey: true, ..FormFacts::blank(reader, instrument) },
        }
    }
}

/// Answers that were not recorded: why, what to mend, and the form filled in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyRefused {
    /// Heading of the form.
    pub title: String,
    /// Name of the template that says why nothing is taken, `barred-<key>`; empty where answers are to be mended.
    pub reason: String,
    /// The day or time that it names; empty if none.
    pub moment: String,
    /// What is to be mended.
    pub faults: Vec<FaultLine>,
    /// Whether there are more than are listed.
    pub more: bool,
    /// Keys that match no item.
    pub unknown: Vec<UnknownKey>,
    /// The form filled in again; null where that would not help.
    pub form: Option<FormFacts>,
}

impl SurveyRefused {
    /// The faults of a filled-in form.
    pub fn faulty(reader: &Reader<'_>, instrument: &Instrument, form: &Form) -> SurveyRefused {
        let faults = form.faults.iter().take(limits::FAULTS_LISTED);
        SurveyRefused {
            title: short(instrument.title.in_language(reader.language)),
            reason: String::new(),
            moment: String::new(),
            faults: faults.map(|fault| FaultLine::fault(reader, instrument, fault)).collect(),
            more: form.faults.len() > limits::FAULTS_LISTED,
            unknown: UnknownKey::list(form),
            form: Some(FormFacts { survey: true, ..FormFacts::filled(reader, instrument, form) }),
        }
    }

    /// Nothing is taken, whatever the answers are; `moment` is the day or time that the reason names.
    pub fn barred(reader: &Reader<'_>, instrument: &Instrument, reason: &str, moment: &str) -> SurveyRefused {
        SurveyRefused {
            title: short(instrument.title.in_language(reader.language)),
            reason: format!("barred-{reason}"),
            moment: moment.to_string(),
            faults: Vec::new(),
            more: false,
            unknown: Vec::new(),
            form: None,
        }
    }
}

/// Answers were recorded, now or before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyDone {
    /// Heading of the form.
    pub title: String,
    /// Receipt number.
    pub number: String,
    /// Day of the first record in the study's zone.
    pub day: String,
    /// Whether an earlier response counts and these answers do not.
    pub before: bool,
    /// Whether these answers took the place of earlier ones.
    pub mended: bool,
    /// What was recorded, personal items masked; empty if nothing was.
    pub answers: Vec<Shown>,
    /// Keys that match no item, and were not used.
    pub unused: Vec<UnknownKey>,
}

impl SurveyDone {
    /// A filled-in form with its receipt number and day.
    pub fn new(reader: &Reader<'_>, instrument: &Instrument, form: &Form, number: &str, day: &str) -> SurveyDone {
        SurveyDone {
            title: short(instrument.title.in_language(reader.language)),
            number: number.to_string(),
            day: day.to_string(),
            before: false,
            mended: false,
            answers: Shown::list(reader.study, instrument, &form.canonical(), reader.language),
            unused: UnknownKey::list(form),
        }
    }
}

/// Something in the answers is unusual; a reply to the one-time address goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyConfirm {
    /// Heading of the form.
    pub title: String,
    /// What was read; personal items masked.
    pub answers: Vec<Shown>,
    /// What is unusual.
    pub doubts: Vec<FaultLine>,
    /// Address with the one-time token, to reply to.
    pub reply_to: String,
    /// Until when, in the study's zone.
    pub expires_at: String,
    /// Keys that match no item, and were not used.
    pub unused: Vec<UnknownKey>,
}

impl SurveyConfirm {
    /// What was read in `form`, the address that carries the token and when it expires.
    pub fn new(
        reader: &Reader<'_>,
        instrument: &Instrument,
        form: &Form,
        reply_to: &str,
        expires_at: Instant,
    ) -> SurveyConfirm {
        let doubts = form.doubts.iter().take(limits::FAULTS_LISTED);
        SurveyConfirm {
            title: short(instrument.title.in_language(reader.language)),
            answers: Shown::list(reader.study, instrument, &form.canonical(), reader.language),
            doubts: doubts.map(|doubt| FaultLine::doubt(reader, instrument, doubt)).collect(),
            reply_to: reply_to.to_string(),
            expires_at: expires_at.local(reader.study.zone),
            unused: UnknownKey::list(form),
        }
    }
}
