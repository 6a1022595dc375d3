//! Facts of the letters that ask once more, and of the one that says that nobody answered.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::follow_up::WindowDays;
use super::invitation::MASK;
use super::short;
use crate::domain::door::Door;
use crate::domain::event::{Event, Window};
use crate::domain::language::Language;
use crate::domain::study::{Person, Study};
use crate::domain::survey::{Access, Privacy};
use crate::domain::time::Instant;

/// Somebody who has not answered is asked once more. Where nobody knows who has, there are no reminders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// Heading of the form.
    pub form: String,
    /// Which reminder it is, from 1.
    pub number: u32,
    /// How many come at most; 0 where they come until there is an answer.
    pub of: u32,
    /// Whether no other comes.
    pub last: bool,
    /// Day on which they were asked; empty where it is not known.
    pub asked_on: String,
    /// Their own link; empty where they get none.
    pub link: String,
    /// Whether they have an ID and a password, which are not told again.
    pub login: bool,
    /// Page on which both are typed, or to which an account opens.
    pub sign_in: String,
    /// Page on which a password is chosen; empty where they answer without an account.
    pub account: String,
    /// Whether a fresh way in can be asked for by mail.
    pub renews: bool,
    /// Not from then on, in the study's zone; empty if it does not expire.
    pub until: String,
    /// Last day on which answers are taken; empty if there is none.
    pub closes: String,
    /// Whether answers can be saved and sent later.
    pub saves: bool,
    /// Whether they can write that they take part no more.
    pub leaves: bool,
    /// Whether answers stand with the person.
    pub named: bool,
    /// Whether that they answered is known, and on which day, and nothing else.
    pub anonymous: bool,
    /// How many answers are opened together at least, where they stand without the person.
    #[serde(default)]
    pub batch: u32,
    /// Page on which they stop invitations and reminders.
    #[serde(default)]
    pub unsubscribe: String,
}

/// The way in of somebody who is reminded, and how often they were.
#[derive(Clone, Copy, Debug)]
pub struct Reminded<'a> {
    /// Which reminder it is, from 1.
    pub number: u32,
    /// How many come at most; none where they come until there is an answer.
    pub of: Option<u32>,
    /// Day on which they were asked, where it is known.
    pub asked_on: Option<NaiveDate>,
    /// Their own link; none where they have none.
    pub link: Option<&'a str>,
    /// Whether they have an ID and a password.
    pub login: bool,
    /// Page on which both are typed, or to which an account opens.
    pub sign_in: &'a str,
    /// Page on which a password is chosen, for members.
    pub account: Option<&'a str>,
    /// Until when they can answer.
    pub until: Option<Instant>,
    /// Whether answers can be saved and sent later: by a link or a password always, by an account where the installation has a key file.
    pub saves: bool,
    /// Whether they can take their leave by mail: nobody can of several who share an address.
    pub leaves: bool,
    /// Page on which they stop invitations and reminders.
    pub unsubscribe: &'a str,
}

impl Reminder {
    /// Of a study's survey.
    pub fn new(study: &Study, reminded: &Reminded<'_>, language: Language) -> Reminder {
        let survey = study.survey.as_ref();
        let privacy = survey.map_or(Privacy::Named, |survey| survey.privacy);
        let members = survey.is_some_and(|survey| survey.access == Access::Members);
        Reminder {
            form: asked_form(study, language),
            number: reminded.number,
            of: reminded.of.unwrap_or_default(),
            last: reminded.of.is_some_and(|of| reminded.number >= of),
            asked_on: reminded.asked_on.map(|day| day.to_string()).unwrap_or_default(),
            link: reminded.link.unwrap_or_default().to_string(),
            login: reminded.login && !members,
            sign_in: reminded.sign_in.to_string(),
            account: reminded.account.filter(|_| members).unwrap_or_default().to_string(),
            renews: !members,
            until: reminded.until.map(|until| until.local(study.zone)).unwrap_or_default(),
            closes: survey.and_then(|survey| survey.closes).map(|day| day.to_string()).unwrap_or_default(),
            saves: reminded.saves,
            leaves: reminded.leaves,
            named: privacy == Privacy::Named,
            anonymous: privacy == Privacy::Anonymous,
            batch: survey.map(|survey| survey.batch).unwrap_or_default(),
            unsubscribe: reminded.unsubscribe.to_string(),
        }
    }

    /// The same with nothing that lets somebody in.
    pub fn masked(&self, public_url: &str) -> Reminder {
        let link = match self.link.is_empty() {
            true => String::new(),
            false => format!("{}/a/{MASK}", public_url.trim_end_matches('/')),
        };
        Reminder { link, ..self.clone() }
    }
}

/// Heading of the form that a study asks with; empty where it asks nobody.
fn asked_form(study: &Study, language: Language) -> String {
    let form = study.survey.as_ref().and_then(|survey| study.find_instrument(&survey.instrument));
    form.map(|form| short(form.title.in_language(language))).unwrap_or_default()
}

/// However often somebody was asked, there is no answer; or the letter that asked did not arrive. It tells of nobody's name and of no
/// answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// Number of the participant; empty where the letters were about a subject.
    pub participant: String,
    /// Our subject number; empty where the letters were to a participant.
    pub subject: String,
    /// Name of the event of the subject that is not told; empty where they were about none in particular.
    pub event: String,
    /// Its days; null where they are not known.
    pub window: Option<WindowDays>,
    /// Heading of the form that they ask for; empty where there are several.
    pub form: String,
    /// How many letters went out.
    pub letters: u32,
    /// Day of the first of them; empty where none went out.
    pub since: String,
    /// Whether one of them could not be delivered, which is why this is told.
    pub failed: bool,
    /// What the server said: an SMTP or enhanced status code (RFC 3463), never its text; empty where it said nothing.
    pub status: String,
    /// Page on which the reader sees how far it is; empty where there is none for them.
    pub page: String,
}

/// Who does not answer.
#[derive(Clone, Copy, Debug)]
pub enum Silent<'a> {
    /// The participant of that number.
    Participant(i64),
    /// Those who tell of a subject.
    Site {
        /// Its number in the study.
        subject: i64,
        /// The event that is not told, and its days, where the letters were about one.
        event: Option<(&'a Event, Option<Window>)>,
    },
}

/// What was tried.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// How many letters went out.
    pub letters: u32,
    /// Day of the first of them.
    pub since: Option<NaiveDate>,
    /// The status with which one of them failed, where that is what is told; it may be empty.
    pub failed: Option<&'a str>,
}

impl Unanswered {
    /// To `reader`, who finds the study's pages below `public_url`.
    pub fn new(
        study: &Study,
        reader: &Person,
        silent: Silent<'_>,
        tried: Tried<'_>,
        public_url: &str,
        language: Language,
    ) -> Unanswered {
        let pages = format!("{}/c/{}", public_url.trim_end_matches('/'), study.slug);
        let base = Unanswered {
            participant: String::new(),
            subject: String::new(),
            event: String::new(),
            window: None,
            form: String::new(),
            letters: tried.letters,
            since: tried.since.map(|day| day.to_string()).unwrap_or_default(),
            failed: tried.failed.is_some(),
            status: short(tried.failed.unwrap_or_default()),
            page: String::new(),
        };
        match silent {
            Silent::Participant(number) => Unanswered {
                participant: number.to_string(),
                form: asked_form(study, language),
                page: if Door::Participants.lets_in(reader) { format!("{pages}/participants") } else { String::new() },
                ..base
            },
            Silent::Site { subject, event } => {
                let only = event.and_then(|(event, _)| match event.instruments.as_slice() {
                    [only] => study.find_instrument(only),
                    _ => None,
                });
                Unanswered {
                    subject: study.subject_number(subject),
                    event: event.map(|(event, _)| short(event.name.in_language(language))).unwrap_or_default(),
                    window: event.and_then(|(_, window)| window).map(WindowDays::new),
                    form: only.map(|form| short(form.title.in_language(language))).unwrap_or_default(),
                    page: if Door::Cases.lets_in(reader) { format!("{pages}/{subject}") } else { String::new() },
                    ..base
                }
            }
        }
    }
}
