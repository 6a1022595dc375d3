//! Facts about subjects, as letters tell that they were recorded. There is no arm and no kit in these types (promise 6).

use serde::{Deserialize, Serialize};

use super::correction::Change;
use super::deed::words;
use super::enrollment::{Enrollment, Site};
use super::short;
use crate::domain::deed::tells_arm;
use crate::domain::fact::FactKind;
use crate::domain::language::{Language, Text};
use crate::domain::study::Study;
use crate::domain::time::Instant;

/// A fact about a subject was recorded. There is no arm and no kit in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// Our subject number.
    pub subject: String,
    /// Title of the further allocation that it is about alone; else empty.
    #[serde(default)]
    pub randomization: String,
    /// Where.
    pub site: Site,
    /// Key of what became known.
    pub fact: String,
    /// Name of the template that words it.
    pub partial: String,
    /// Who told it.
    pub person: String,
    /// When it was recorded, in the study's zone.
    pub recorded_at: String,
    /// Why, in their words; empty where those could give an arm away.
    pub reason: String,
    /// Whether the reason is kept back for that.
    #[serde(default)]
    pub kept_back: bool,
    /// Number of the subject enrolled before, of which it is a duplicate; else empty.
    pub of: String,
    /// What was recorded in error, where it is taken back.
    #[serde(default)]
    pub in_error: Option<FactLine>,
    /// What would have been right.
    pub changes: Vec<Change>,
}

impl Noted {
    /// What everybody on the staff may know of a fact.
    #[expect(clippy::too_many_arguments, reason = "each is one line of the letter")]
    pub fn new(
        enrollment: &Enrollment<'_>,
        kind: FactKind,
        by: &str,
        at: Instant,
        reason: &str,
        of: &str,
        changes: Vec<Change>,
        language: Language,
    ) -> Noted {
        let telling = tells_arm(enrollment.study, reason);
        Noted {
            subject: short(enrollment.subject),
            randomization: String::new(),
            site: enrollment.site(language),
            fact: kind.key().to_string(),
            partial: format!("fact-{}", kind.key()),
            person: short(by),
            recorded_at: at.local(enrollment.study.zone),
            reason: if telling { String::new() } else { words(reason) },
            kept_back: telling,
            of: short(of),
            in_error: None,
            changes,
        }
    }

    /// The same for whoever is blinded, where the words are those of somebody who may know arms.
    #[must_use]
    pub fn without_reason(self) -> Noted {
        Noted { kept_back: self.kept_back || !self.reason.is_empty(), reason: String::new(), ..self }
    }

    /// The same of the further allocation of that title alone.
    #[must_use]
    pub fn of_allocation(self, title: &Text, language: Language) -> Noted {
        Noted { randomization: short(title.in_language(language)), partial: again(&self.fact), ..self }
    }
}

/// Name of the template that words a fact of that key about a further allocation alone.
fn again(key: &str) -> String {
    format!("fact-{key}-again")
}

/// One fact in a status letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactLine {
    /// Key of what became known.
    pub fact: String,
    /// Name of the template that words it.
    pub partial: String,
    /// When it was recorded, in the study's zone.
    pub recorded_at: String,
    /// Title of the further allocation that it is about alone; else empty.
    #[serde(default)]
    pub randomization: String,
    /// Whether it was recorded in error, and counts no more.
    #[serde(default)]
    pub taken_back: bool,
}

impl FactLine {
    /// A fact of that kind, recorded then.
    pub fn new(study: &Study, kind: FactKind, at: Instant) -> FactLine {
        FactLine {
            fact: kind.key().to_string(),
            partial: format!("fact-{}", kind.key()),
            recorded_at: at.local(study.zone),
            randomization: String::new(),
            taken_back: false,
        }
    }

    /// The same of the further allocation of that title alone.
    #[must_use]
    pub fn of_allocation(self, title: &Text, language: Language) -> FactLine {
        FactLine { randomization: short(title.in_language(language)), partial: again(&self.fact), ..self }
    }
}
