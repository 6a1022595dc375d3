//! Facts of letters on forms of events: the form, what to mend, what is on file. No arm is in any of them (promise 6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answer::{Difference, Reason, ReasonLine, differences};
use super::deed::Lacking;
use super::enrollment::Site;
use super::form::{FaultLine, FollowUpHead, FormFacts, Reader, Shown, UnknownKey};
use super::short;
use crate::domain::answer::Form;
use crate::domain::event::{Event, Window};
use crate::domain::instrument::Instrument;
use crate::domain::language::{Language, Text};
use crate::domain::request::FollowUp;
use crate::domain::study::Study;
use crate::domain::time::Instant;
use crate::letters::clean;
use crate::limits;

/// A form of an event of one subject, which a letter is about.
#[derive(Clone, Copy, Debug)]
pub struct EventForm<'a> {
    /// The event.
    pub event: &'a Event,
    /// The form as it is asked there.
    pub instrument: &'a Instrument,
    /// The days of the event, as far as they are known.
    pub window: Option<Window>,
    /// Our subject number.
    pub subject: &'a str,
    /// Code of the subject's site.
    pub site: &'a str,
}

impl EventForm<'_> {
    fn event(&self, language: Language) -> String {
        short(self.event.name.in_language(language))
    }

    fn title(&self, language: Language) -> String {
        short(self.instrument.title.in_language(language))
    }

    fn head(&self, reason: Option<&str>) -> FollowUpHead {
        let several = self.event.instruments.len() > 1;
        FollowUpHead {
            subject: short(self.subject),
            event: self.event.id.clone(),
            form: if several { self.instrument.id.clone() } else { String::new() },
            corrects: reason.is_some(),
            reason: clean::line(reason.unwrap_or_default(), limits::DEED_REASON_CHARS),
        }
    }

    fn filled(&self, reader: &Reader<'_>, form: &Form, reason: Option<&str>) -> FormFacts {
        FormFacts { follow_up: Some(self.head(reason)), ..FormFacts::filled(reader, self.instrument, form) }
    }
}

/// The days of an event, as letters name them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowDays {
    /// The planned day, `2026-12-18`.
    pub day: String,
    /// The first day that is tolerated.
    pub opens: String,
    /// The last day that is tolerated.
    pub closes: String,
}

impl WindowDays {
    pub(super) fn new(window: Window) -> WindowDays {
        let Window { day, opens, closes } = window;
        WindowDays { day: day.to_string(), opens: opens.to_string(), closes: closes.to_string() }
    }
}

/// An event or one of its forms, as letters name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventName {
    /// What to write in the form's line for it.
    pub id: String,
    /// Its name.
    pub title: String,
}

impl EventName {
    fn new(id: &str, name: &Text, language: Language) -> EventName {
        EventName { id: short(id), title: short(name.in_language(language)) }
    }

    /// The events of a study.
    pub(super) fn list(study: &Study, language: Language) -> Vec<EventName> {
        study.events.iter().map(|event| EventName::new(&event.id, &event.name, language)).collect()
    }
}

/// A form of an event, and what a request for it lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpForm {
    /// Our subject number, or what the subject was called; empty where it cannot be told which is meant.
    pub subject: String,
    /// Name of the event; empty where it cannot be told which is meant.
    pub event: String,
    /// Heading of the form; empty where it cannot be told which is meant.
    pub title: String,
    /// Its days; null where they are not known.
    pub window: Option<WindowDays>,
    /// Whether data were sent, of which nothing was recorded.
    pub sent: bool,
    /// What is lacking.
    pub lacks: Vec<Lacking>,
    /// What was named as the event and is none; empty otherwise.
    pub which: String,
    /// The events that can be meant, where it cannot be told.
    pub events: Vec<EventName>,
    /// The forms of the event that can be meant, where it cannot be told.
    pub forms: Vec<EventName>,
    /// The form; null where it cannot be told which.
    pub form: Option<FormFacts>,
}

impl FollowUpForm {
    /// The blank form of an event for a subject.
    pub fn blank(reader: &Reader<'_>, about: EventForm<'_>) -> FollowUpForm {
        let form = FormFacts { follow_up: Some(about.head(None)), ..FormFacts::blank(reader, about.instrument) };
        FollowUpForm {
            subject: short(about.subject),
            event: about.event(reader.language),
            title: about.title(reader.language),
            window: about.window.map(WindowDays::new),
            sent: false,
            lacks: Vec::new(),
            which: String::new(),
            events: Vec::new(),
            forms: Vec::new(),
            form: Some(form),
        }
    }

    /// What a request lacks that names no subject (an empty `subject`), no event or none of its forms: with what was sent filled in where
    /// it fits.
    pub fn lacking(reader: &Reader<'_>, wanted: &FollowUp, subject: &str) -> FollowUpForm {
        let Reader { study, language, .. } = *reader;
        let event = wanted.event.as_ref().and_then(|id| study.find_event(id));
        let instrument = wanted.instrument.as_ref().and_then(|id| study.find_instrument(id));
        let sent = !wanted.form.typed.is_empty();
        let forms = event.into_iter().flat_map(|event| &event.instruments);
        let forms = forms.filter_map(|id| study.find_instrument(id)).filter(|_| wanted.fits);
        let several = match event {
            Some(event) => event.instruments.len() > 1,
            None => study.events.iter().any(|event| event.instruments.len() > 1),
        };
        let head = |instrument: &Instrument| FollowUpHead {
            subject: short(subject),
            event: event.map(|event| event.id.clone()).unwrap_or_default(),
            form: if several { instrument.id.clone() } else { String::new() },
            corrects: !wanted.reason.is_empty(),
            reason: clean::line(&wanted.reason, limits::DEED_REASON_CHARS),
        };
        let form = |instrument: &Instrument| {
            let form = match sent {
                true => FormFacts::filled(reader, instrument, &wanted.form),
                false => FormFacts::blank(reader, instrument),
            };
            FormFacts { follow_up: Some(head(instrument)), ..form }
        };
        FollowUpForm {
            subject: short(subject),
            event: event.map(|event| short(event.name.in_language(language))).unwrap_or_default(),
            title: instrument.map(|form| short(form.title.in_language(language))).unwrap_or_default(),
            window: None,
            sent,
            lacks: subject.is_empty().then(Lacking::subject).into_iter().collect(),
            which: short(&wanted.which),
            events: if event.is_some() { Vec::new() } else { EventName::list(study, language) },
            forms: forms.map(|form| EventName::new(&form.id, &form.title, language)).collect(),
            form: instrument.map(form),
        }
    }
}

/// A form of an event that was not recorded: why, what to mend, and the form filled in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpRefused {
    /// Our subject number.
    pub subject: String,
    /// Name of the event.
    pub event: String,
    /// Heading of the form.
    pub title: String,
    /// Faults of the mail as a whole and of its items.
    pub faults: Vec<FaultLine>,
    /// Whether there are more faults than listed.
    pub more: bool,
    /// Other reasons.
    pub reasons: Vec<ReasonLine>,
    /// Keys that were not understood.
    pub unknown: Vec<UnknownKey>,
    /// The form filled in again; null where sending it again cannot help.
    pub form: Option<FormFacts>,
}

impl FollowUpRefused {
    /// The refusal of `form`, sent with that reason for a correction, for its faults and for `reasons`.
    pub fn new(
        reader: &Reader<'_>,
        about: EventForm<'_>,
        form: &Form,
        reason: &str,
        reasons: &[Reason],
    ) -> FollowUpRefused {
        let faults = form.faults.iter().take(limits::FAULTS_LISTED);
        let helps = reasons.iter().all(Reason::form_helps);
        FollowUpRefused {
            subject: short(about.subject),
            event: about.event(reader.language),
            title: about.title(reader.language),
            faults: faults.map(|fault| FaultLine::fault(reader, about.instrument, fault)).collect(),
            more: form.faults.len() > limits::FAULTS_LISTED,
            reasons: reasons.iter().map(|reason| ReasonLine::new(reader.study, reason, reader.language)).collect(),
            unknown: UnknownKey::list(form),
            form: helps.then(|| about.filled(reader, form, Some(reason).filter(|reason| !reason.is_empty()))),
        }
    }
}

/// What is on file of a form of an event.
#[derive(Clone, Copy, Debug)]
pub struct EventEntry<'a> {
    /// When it was recorded.
    pub at: Option<Instant>,
    /// Id of whoever entered it.
    pub person: &'a str,
    /// Counted from 1, where the event repeats.
    pub occasion: Option<i64>,
    /// Digest of its audit entry, in lower-case hexadecimal.
    pub digest: &'a str,
    /// Canonical answers by item id.
    pub answers: &'a BTreeMap<String, String>,
    /// Why it corrects an earlier entry; empty if it corrects none.
    pub reason: &'a str,
}

impl EventEntry<'_> {
    fn at(&self, study: &Study) -> String {
        self.at.map(|at| at.local(study.zone)).unwrap_or_default()
    }

    fn by(&self, study: &Study, language: Language) -> String {
        let person = study.people.iter().find(|person| person.id == self.person);
        short(person.map_or(self.person, |person| person.name.in_language(language)))
    }
}

/// A form of an event was recorded, now or before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpDone {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// Name of the event.
    pub event: String,
    /// Heading of the form.
    pub title: String,
    /// How many entries of the event there are with this one; 0 where it does not repeat.
    pub occasion: i64,
    /// Its days; null where they are not known.
    pub window: Option<WindowDays>,
    /// When it was recorded, in the study's zone.
    pub recorded_at: String,
    /// Who entered it.
    pub by: String,
    /// Whether it was on file already, and nothing was changed.
    pub before: bool,
    /// Whether it was corrected since.
    pub superseded: bool,
    /// Why it corrects what was on file; empty if it corrects nothing, or their words could give an arm away.
    pub reason: String,
    /// Whether the reason is kept back for that.
    #[serde(default)]
    pub kept_back: bool,
    /// What that changed, personal values masked.
    pub differences: Vec<Difference>,
    /// What is on file; personal items masked.
    pub answers: Vec<Shown>,
    /// Digest of its entry in the audit chain.
    pub digest: String,
    /// Lines of the mail that match no item, and were not used.
    pub unused: Vec<UnknownKey>,
}

impl FollowUpDone {
    /// The entry; `form` is what was sent, where it was recorded now, and `corrected` the answers that it took the place of.
    pub fn new(
        reader: &Reader<'_>,
        about: EventForm<'_>,
        entry: EventEntry<'_>,
        form: Option<&Form>,
        corrected: Option<&BTreeMap<String, String>>,
    ) -> FollowUpDone {
        let Reader { study, language, .. } = *reader;
        let name = study.find_site(about.site).map_or("", |site| site.name.in_language(language));
        let changed = |before| differences(reader, about.instrument, before, entry.answers);
        FollowUpDone {
            subject: short(about.subject),
            site: Site { code: short(about.site), name: short(name) },
            event: about.event(language),
            title: about.title(language),
            occasion: entry.occasion.unwrap_or(0),
            window: about.window.map(WindowDays::new),
            recorded_at: entry.at(study),
            by: entry.by(study, language),
            before: form.is_none(),
            superseded: false,
            reason: short(entry.reason),
            kept_back: false,
            differences: corrected.map(changed).unwrap_or_default(),
            answers: Shown::list(study, about.instrument, entry.answers, language),
            digest: entry.digest.to_string(),
            unused: form.map(UnknownKey::list).unwrap_or_default(),
        }
    }
}

impl FollowUpDone {
    /// The same for whoever is blinded, where the words are those of somebody else who may know the arm.
    #[must_use]
    pub fn without_reason(self) -> FollowUpDone {
        FollowUpDone { reason: String::new(), kept_back: true, ..self }
    }
}

/// Other answers to the form are on file: nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpConflict {
    /// Our subject number.
    pub subject: String,
    /// Name of the event.
    pub event: String,
    /// Heading of the form.
    pub title: String,
    /// When what is on file was recorded, in the study's zone.
    pub recorded_at: String,
    /// Who entered it.
    pub by: String,
    /// The items that differ, in the order of the form.
    pub differences: Vec<Difference>,
    /// The form as sent now, with a line for the reason of a correction.
    pub form: FormFacts,
}

impl FollowUpConflict {
    /// The differences between what is on file and the `form` that was sent.
    pub fn new(reader: &Reader<'_>, about: EventForm<'_>, entry: EventEntry<'_>, form: &Form) -> FollowUpConflict {
        FollowUpConflict {
            subject: short(about.subject),
            event: about.event(reader.language),
            title: about.title(reader.language),
            recorded_at: entry.at(reader.study),
            by: entry.by(reader.study, reader.language),
            differences: differences(reader, about.instrument, entry.answers, &form.canonical()),
            form: about.filled(reader, form, Some("")),
        }
    }
}

/// What was read of a form of an event; a reply to the one-time address goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpConfirm {
    /// Our subject number.
    pub subject: String,
    /// Name of the event.
    pub event: String,
    /// Heading of the form.
    pub title: String,
    /// Its days; null where they are not known.
    pub window: Option<WindowDays>,
    /// What was read; personal items masked.
    pub answers: Vec<Shown>,
    /// Values outside the soft limits, and days outside the event's.
    pub doubts: Vec<FaultLine>,
    /// Why what is on file is to be corrected; empty if it is not.
    pub reason: String,
    /// What that would change, personal values masked.
    pub differences: Vec<Difference>,
    /// Address with the one-time token, to reply to.
    pub reply_to: String,
    /// Until when, in the study's zone.
    pub expires_at: String,
    /// Lines of the mail that match no item, and were not used.
    pub unused: Vec<UnknownKey>,
}

impl FollowUpConfirm {
    /// What was read in `form`, the reason and the answers on file if those are to be corrected, the address that carries the token and
    /// when it expires.
    pub fn new(
        reader: &Reader<'_>,
        about: EventForm<'_>,
        form: &Form,
        corrects: Option<(&str, &BTreeMap<String, String>)>,
        (reply_to, expires_at): (&str, Instant),
    ) -> FollowUpConfirm {
        let canonical = form.canonical();
        let doubts = form.doubts.iter().take(limits::FAULTS_LISTED);
        let changed = |(_, before)| differences(reader, about.instrument, before, &canonical);
        FollowUpConfirm {
            subject: short(about.subject),
            event: about.event(reader.language),
            title: about.title(reader.language),
            window: about.window.map(WindowDays::new),
            answers: Shown::list(reader.study, about.instrument, &canonical, reader.language),
            doubts: doubts.map(|doubt| FaultLine::doubt(reader, about.instrument, doubt)).collect(),
            reason: corrects.map(|(reason, _)| short(reason)).unwrap_or_default(),
            differences: corrects.map(changed).unwrap_or_default(),
            reply_to: reply_to.to_string(),
            expires_at: expires_at.local(reader.study.zone),
            unused: UnknownKey::list(form),
        }
    }
}
