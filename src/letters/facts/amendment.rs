//! Facts of an amendment that is in force, of one that is planned for a moment, and of one that was and did not come into force.

use serde::{Deserialize, Serialize};

use super::short;
use crate::domain::deed::tells_arm;
use crate::domain::language::Language;
use crate::domain::study::{Blinding, Person, Role, Study};
use crate::domain::time::Instant;
use crate::letters::{Kind, clean};
use crate::limits;

/// An amendment that was planned for a moment, with who decided what the letter tells, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmendmentPlan {
    /// Its number among the planned ones, as the commands take it.
    pub id: String,
    /// When it is, or was, to come into force, in the study's zone.
    pub due_at: String,
    /// Name of the person of the study who decided it; empty where the operator did.
    pub by: String,
    /// Why, in their words; empty where they gave no reason, or their words could give an arm away.
    pub reason: String,
    /// Whether the reason is kept back for its words.
    pub kept_back: bool,
}

impl AmendmentPlan {
    /// The planned amendment of that number; decided by that person, or by the operator.
    pub fn new(
        study: &Study,
        (number, due_at): (i64, Instant),
        by: Option<&Person>,
        reason: &str,
        language: Language,
    ) -> AmendmentPlan {
        let kept_back = study.blinding == Blinding::Blinded && tells_arm(study, reason);
        AmendmentPlan {
            id: number.to_string(),
            due_at: due_at.local(study.zone),
            by: by.map(|person| short(person.name.in_language(language))).unwrap_or_default(),
            reason: if kept_back { String::new() } else { clean::line(reason, limits::DEED_REASON_CHARS) },
            kept_back,
        }
    }

    /// The same for whoever is blinded, where the words are those of somebody who may know arms.
    #[must_use]
    pub fn without_reason(self) -> AmendmentPlan {
        AmendmentPlan { kept_back: self.kept_back || !self.reason.is_empty(), reason: String::new(), ..self }
    }
}

/// An amendment that is to come into force, as far as everybody on the staff may know it: nothing of how subjects are allocated, and no arm
/// (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmendmentPlanned {
    /// Which, and when.
    pub plan: AmendmentPlan,
    /// What is to change, in the words of `hagaki study amend --dry-run`.
    pub changes: Vec<String>,
    /// How many more changes there are than a letter lists.
    pub more: usize,
    /// Whether the study allocates its subjects.
    pub allocates: bool,
}

impl AmendmentPlanned {
    /// A plan with what is to change by it, one line each, of which everybody on the staff may read all.
    pub fn new(study: &Study, plan: AmendmentPlan, lines: &[&str]) -> AmendmentPlanned {
        let changes: Vec<String> = lines.iter().take(limits::CHANGES_LISTED).map(|line| short(line)).collect();
        AmendmentPlanned { plan, more: lines.len() - changes.len(), changes, allocates: study.scheme.is_some() }
    }
}

/// An amendment that was planned and does not come into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmendmentWithdrawn {
    /// Which, and for when.
    pub plan: AmendmentPlan,
    /// Whether it could not come into force, rather than that somebody took it back; those in charge know why.
    pub failed: bool,
}

/// The amendment, and why nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmendmentFailed {
    /// Its number among the planned ones, as the commands take it.
    pub id: String,
    /// When it was to come into force, in the study's zone.
    pub due_at: String,
    /// Why it was planned, in the operator's words.
    pub reason: String,
    /// What the check said, in the words of `hagaki check` and `hagaki study amend`.
    pub why: Vec<String>,
}

impl AmendmentFailed {
    /// The planned amendment of that number; `why` in lines.
    pub fn new(number: i64, due_at: &str, reason: &str, why: &str) -> AmendmentFailed {
        let why = why.lines().take(limits::FAULTS_LISTED).map(short).collect();
        AmendmentFailed { id: number.to_string(), due_at: short(due_at), reason: short(reason), why }
    }
}

/// An amendment that is in force, as far as everybody on the staff may know it. In a blinded study there is no arm in this type
/// (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    /// Its number, which is that of the bundle's version.
    pub version: i64,
    /// Since when it is in force, in the study's zone.
    pub at: String,
    /// When it was planned for that moment, alike; empty where it was not.
    pub planned_at: String,
    /// Name of the person of the study who decided it; empty where the operator did.
    pub by: String,
    /// Why, in their words; empty where they gave no reason, or their words could give an arm away.
    pub reason: String,
    /// Whether the reason is kept back for its words.
    pub kept_back: bool,
    /// What changed, in the words of `hagaki study amend --dry-run`.
    pub changes: Vec<String>,
    /// How many more changes there are than a letter lists.
    pub more: usize,
    /// Whether the study allocates its subjects.
    pub allocates: bool,
}

impl Amendment {
    /// The amendment of that number, in force since a moment, planned at another if it was; decided by that person, or by the operator.
    pub fn new(
        study: &Study,
        (version, at, planned_at): (i64, Instant, Option<Instant>),
        by: Option<&Person>,
        reason: &str,
        language: Language,
    ) -> Amendment {
        let kept_back = study.blinding == Blinding::Blinded && tells_arm(study, reason);
        Amendment {
            version,
            at: at.local(study.zone),
            planned_at: planned_at.map(|at| at.local(study.zone)).unwrap_or_default(),
            by: by.map(|person| short(person.name.in_language(language))).unwrap_or_default(),
            reason: if kept_back { String::new() } else { clean::line(reason, limits::DEED_REASON_CHARS) },
            kept_back,
            changes: Vec::new(),
            more: 0,
            allocates: study.scheme.is_some(),
        }
    }

    /// The same for whoever is blinded, where the words are those of somebody who may know arms.
    #[must_use]
    pub fn without_reason(self) -> Amendment {
        Amendment { kept_back: self.kept_back || !self.reason.is_empty(), reason: String::new(), ..self }
    }

    /// Tells also what changed, one line each.
    #[must_use]
    pub fn with_changes(self, lines: &[&str]) -> Amendment {
        let changes: Vec<String> = lines.iter().take(limits::CHANGES_LISTED).map(|line| short(line)).collect();
        Amendment { more: lines.len() - changes.len(), changes, ..self }
    }
}

/// The same with what it changes of the allocation: for those who may know that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmendmentInFull {
    /// All of it.
    pub amendment: Amendment,
}

impl AmendmentInFull {
    /// An amendment with every line there is.
    pub fn new(amendment: Amendment, lines: &[&str]) -> AmendmentInFull {
        AmendmentInFull { amendment: amendment.with_changes(lines) }
    }

    /// Whether a person may know how subjects are allocated: nobody who enrolls, in an open study as well, for with blocks and ratios
    /// the next arm could be guessed.
    pub fn may_go_to(study: &Study, person: &Person) -> bool {
        let roles = [Role::Statistician, Role::Manager];
        !person.roles.iter().any(|role| role.enrolls())
            && match study.blinding {
                Blinding::Blinded => Kind::StudyAmendedUnblinded.may_go_to(study.blinding, person),
                Blinding::Open => roles.iter().any(|role| person.has(*role)),
            }
    }
}
