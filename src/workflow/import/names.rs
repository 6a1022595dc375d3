//! How a history names its subjects: by the site's own reference, or by the participant who enrolled themself.

use std::collections::BTreeMap;

use crate::domain::answer::{self, FaultCode};
use crate::domain::study::Study;
use crate::domain::text;
use crate::limits;
use crate::store::participant::ParticipantRow;
use crate::workflow::reference::{key_of, participant_key};

/// Who may be named, and how.
pub(super) struct Names<'a> {
    pub(super) study: &'a Study,
    /// By what names them: their reference, else their number.
    participants: BTreeMap<String, &'a ParticipantRow>,
}

/// A subject as a line names it.
pub(super) struct Named {
    /// The site's own reference as it is kept; empty of a participant.
    pub(super) reference: String,
    /// The business key.
    pub(super) key: String,
    /// Number of the participant in the study, and in the database.
    pub(super) participant: Option<(i64, i64)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(study: &'a Study, participants: &'a [ParticipantRow]) -> Names<'a> {
        let name = |one: &ParticipantRow| match one.reference.as_str() {
            // A number that somebody else is called by would be ambiguous, so it names those alone who are called nothing.
            "" => one.number.to_string(),
            reference => reference.to_string(),
        };
        // Who is called by a reference comes last, and is meant where it looks like a number of somebody else.
        let (unnamed, named): (Vec<_>, Vec<_>) = participants.iter().partition(|one| one.reference.is_empty());
        Names { study, participants: unnamed.into_iter().chain(named).map(|one| (name(one), one)).collect() }
    }

    /// The subject of a line.
    ///
    /// # Errors
    /// Why it can be none.
    pub(super) fn read(&self, site: &str, typed: &str) -> Result<Named, String> {
        if self.study.enrolls_itself() {
            let one = self.participant(typed)?;
            let key = participant_key(one.number);
            return Ok(Named { reference: typed.to_string(), key, participant: Some((one.number, one.id)) });
        }
        Ok(Named { reference: self.reference(typed)?, key: key_of(self.study, site, typed), participant: None })
    }

    /// The business key of somebody at that site.
    ///
    /// # Errors
    /// As [`Names::read`] of a participant.
    pub(super) fn key(&self, site: &str, typed: &str) -> Result<String, String> {
        match self.study.enrolls_itself() {
            true => self.participant(typed).map(|one| participant_key(one.number)),
            false => Ok(key_of(self.study, site, typed)),
        }
    }

    fn participant(&self, typed: &str) -> Result<&'a ParticipantRow, String> {
        self.participants.get(typed.trim()).copied().ok_or_else(|| {
            format!(
                "\"{typed}\" is no participant, and those of this study enroll themselves: take them in first with \
                 `hagaki credentials issue`, and name each by the reference in that list, or by the number where it has none"
            )
        })
    }

    /// The reference as the registration would have kept it.
    fn reference(&self, typed: &str) -> Result<String, String> {
        let item_id = &self.study.registration.subject_item;
        let Some(item) = self.study.registration_instrument().find(item_id) else { return Ok(typed.to_string()) };
        let read = answer::read_one(self.study, item, typed, chrono::NaiveDate::default());
        read.map(|value| value.canonical()).map_err(|fault| {
            let shown = text::clean(typed, limits::NAME_CHARS);
            let form = &self.study.registration.instrument;
            match fault.code {
                FaultCode::Pattern => format!(
                    "the subject \"{shown}\" does not match {}, the pattern of `{item_id}` in instruments/{form}.toml: write it as a \
                     mail would have to, or widen the pattern",
                    fault.expected
                ),
                FaultCode::OurNumber => format!("the subject \"{shown}\" reads as one of our own subject numbers: write it another way"),
                code => format!(
                    "the subject \"{shown}\" is no answer to `{item_id}` in instruments/{form}.toml ({}{}{})",
                    code.key(),
                    if fault.expected.is_empty() { "" } else { ": " },
                    fault.expected
                ),
            }
        })
    }
}
