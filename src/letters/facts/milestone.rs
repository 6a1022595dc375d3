//! Facts of the steps by which a study ends: enrollment, the study, the blind, the secrecy of the draws.

use serde::{Deserialize, Serialize};

use super::{Facts, short};
use crate::domain::deed::tells_arm;
use crate::domain::language::Language;
use crate::domain::study::{Blinding, Person, Study};
use crate::domain::time::Instant;
use crate::letters::clean;
use crate::limits;

/// A step by which a study ends, or goes on after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nobody more is enrolled.
    EnrollmentEnded,
    /// Subjects are enrolled again.
    EnrollmentReopened,
    /// The study is closed.
    StudyClosed,
    /// The arms of all subjects were listed for somebody.
    AllUnblinded,
    /// The secret that the allocations were drawn from was given away.
    SecretRevealed,
}

/// Such a step, and what it means for this study. There is no arm in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// When, in the study's zone.
    pub at: String,
    /// Name of the person of the study who decided it; empty where the operator did.
    pub by: String,
    /// Why, in their words; empty where they gave no reason, or their words would give an arm away.
    pub reason: String,
    /// Whether the reason is kept back for its words.
    pub kept_back: bool,
    /// Subjects enrolled.
    pub subjects: i64,
    /// Requests that wait for a confirmation which comes too late now.
    pub waiting: u64,
    /// Whether arms are concealed.
    pub blinded: bool,
    /// Whether subjects are enrolled.
    pub registers: bool,
    /// Whether they are randomized further.
    pub further: bool,
    /// Whether forms of events are filled in.
    pub events: bool,
    /// Whether participants are asked.
    pub survey: bool,
    /// SHA-256 of the secret, in lower-case hexadecimal, where the secret was given away.
    #[serde(default)]
    pub secret_digest: String,
}

impl Milestone {
    /// At that moment, decided by that person, or by the operator.
    pub fn new(study: &Study, at: Instant, by: Option<&Person>, reason: &str, language: Language) -> Milestone {
        let kept_back = study.blinding == Blinding::Blinded && tells_arm(study, reason);
        Milestone {
            at: at.local(study.zone),
            by: by.map(|person| short(person.name.in_language(language))).unwrap_or_default(),
            reason: if kept_back { String::new() } else { clean::line(reason, limits::DEED_REASON_CHARS) },
            kept_back,
            subjects: 0,
            waiting: 0,
            blinded: study.blinding == Blinding::Blinded,
            registers: study.registers,
            further: !study.randomizations.is_empty(),
            events: !study.events.is_empty(),
            survey: study.survey.is_some(),
            secret_digest: String::new(),
        }
    }

    /// The same for whoever is blinded, where the words are those of somebody who may know arms.
    #[must_use]
    pub fn without_reason(self) -> Milestone {
        Milestone { kept_back: self.kept_back || !self.reason.is_empty(), reason: String::new(), ..self }
    }

    /// Tells also how many subjects there are, and how many requests wait for a confirmation which comes too late now.
    #[must_use]
    pub fn with_counts(self, subjects: i64, waiting: u64) -> Milestone {
        Milestone { subjects, waiting, ..self }
    }

    /// Tells also the digest that the secret was bound to when the study was activated.
    #[must_use]
    pub fn with_secret_digest(self, digest: &str) -> Milestone {
        Milestone { secret_digest: short(digest), ..self }
    }
}

impl Facts {
    /// The letter on a step.
    pub fn of_step(step: Step, milestone: Milestone) -> Facts {
        match step {
            Step::EnrollmentEnded => Facts::EnrollmentEnded(milestone),
            Step::EnrollmentReopened => Facts::EnrollmentReopened(milestone),
            Step::StudyClosed => Facts::StudyClosed(milestone),
            Step::AllUnblinded => Facts::AllUnblinded(milestone),
            Step::SecretRevealed => Facts::SecretRevealed(milestone),
        }
    }
}
