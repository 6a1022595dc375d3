//! Facts of an enrollment: what the physician is told, once and whenever they ask again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::form::{Shown, UnknownKey};
use super::noted::FactLine;
use super::randomization::{FurtherBlinded, FurtherOpen};
use super::short;
use crate::domain::answer::Form;
use crate::domain::language::Language;
use crate::domain::receipt::{Again, Receipt, Told};
use crate::domain::study::{Arm, Stage, Study};
use crate::domain::time::Instant;

/// An enrollment as every audience may know it: no arm, no kit.
#[derive(Clone, Copy, Debug)]
pub struct Enrollment<'a> {
    /// The study.
    pub study: &'a Study,
    /// Whether it was rehearsing.
    pub stage: Stage,
    /// Our subject number.
    pub subject: &'a str,
    /// The site's code.
    pub site: &'a str,
    /// When it was recorded.
    pub at: Instant,
    /// Position among the study's enrollments, from 1.
    pub allocation: u64,
    /// Digest of its audit entry, in lower-case hexadecimal.
    pub chain: &'a str,
    /// Canonical answers by item id.
    pub answers: &'a BTreeMap<String, String>,
    /// Numbers of the subject's other screenings.
    pub links: Links,
}

/// A person who is screened again is another subject: which ones belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Number of the earlier subject that is screened again as this one.
    pub rescreens: Option<i64>,
    /// Number of the later subject as which this one was screened again.
    pub rescreened_as: Option<i64>,
}

impl Enrollment<'_> {
    pub(super) fn site(&self, language: Language) -> Site {
        let name = self.study.find_site(self.site).map_or("", |site| site.name.in_language(language));
        Site { code: short(self.site), name: short(name) }
    }

    /// What the site called the subject when it registered it; empty where that identifies a person.
    pub(super) fn reference(&self) -> String {
        let id = &self.study.registration.subject_item;
        let item = self.study.registration_instrument().find(id).filter(|item| !item.personal);
        item.and_then(|_| self.answers.get(id)).map(|reference| short(reference)).unwrap_or_default()
    }

    pub(super) fn at(&self) -> String {
        self.at.local(self.study.zone)
    }

    /// The earlier and the later subject, as people read them; empty where there is none.
    pub(super) fn linked(&self) -> (String, String) {
        let shown = |number: Option<i64>| number.map(|number| self.study.subject_number(number)).unwrap_or_default();
        (shown(self.links.rescreens), shown(self.links.rescreened_as))
    }

    fn shown(&self, language: Language) -> Vec<Shown> {
        Shown::list(self.study, self.study.registration_instrument(), self.answers, language)
    }

    /// The block for a reader who was told that, on every allocation of the subject.
    pub fn receipt(&self, told: Told, again: Vec<Again>, key: &[u8]) -> String {
        Receipt {
            again,
            study: self.study.slug.clone(),
            stage: self.stage,
            subject: self.subject.to_string(),
            told,
            at: self.at,
            allocation: self.allocation,
            chain: self.chain.to_string(),
        }
        .render(key)
    }
}

/// A site, as letters name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
}

/// An arm, as letters name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmName {
    /// Code.
    pub code: String,
    /// Public name.
    pub name: String,
}

impl ArmName {
    /// The arm in that language.
    pub fn new(arm: &Arm, language: Language) -> ArmName {
        ArmName { code: short(&arm.code), name: short(arm.name.in_language(language)) }
    }
}

/// The subject is enrolled and has this arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignmentOpen {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub enrolled_at: String,
    /// When it was allocated, where that was recorded later: a day or a moment, in the study's zone; else empty.
    #[serde(default)]
    pub allocated_at: String,
    /// Position among the study's enrollments.
    pub allocation: u64,
    /// The arm.
    pub arm: ArmName,
    /// Further allocations since; told in duplicate and status letters.
    #[serde(default)]
    pub further: Vec<FurtherOpen>,
    /// What was registered; personal items masked.
    pub answers: Vec<Shown>,
    /// The machine-readable block.
    pub receipt: String,
    /// Lines of the mail that match no item, and were not used.
    #[serde(default)]
    pub unused: Vec<UnknownKey>,
    /// What became known of the subject since; told in status letters.
    #[serde(default)]
    pub known: Vec<FactLine>,
    /// The earlier subject that is screened again as this one; empty if none.
    #[serde(default)]
    pub rescreens: String,
    /// The later subject as which this one was screened again; empty if none.
    #[serde(default)]
    pub rescreened_as: String,
    /// Whether it may be screened again; told where the same registration came again.
    #[serde(default)]
    pub may_rescreen: bool,
    /// Whether it is the reader's latest, because they asked and named none.
    #[serde(default)]
    pub latest: bool,
}

impl AssignmentOpen {
    /// The facts of `enrollment` into `arm`; `key` authenticates the receipt.
    pub fn new(enrollment: &Enrollment<'_>, arm: &Arm, key: &[u8], language: Language) -> AssignmentOpen {
        let (rescreens, rescreened_as) = enrollment.linked();
        AssignmentOpen {
            subject: short(enrollment.subject),
            site: enrollment.site(language),
            enrolled_at: enrollment.at(),
            allocated_at: String::new(),
            allocation: enrollment.allocation,
            arm: ArmName::new(arm, language),
            further: Vec::new(),
            answers: enrollment.shown(language),
            receipt: enrollment.receipt(Told::Arm(arm.code.clone()), Vec::new(), key),
            unused: Vec::new(),
            known: Vec::new(),
            rescreens,
            rescreened_as,
            may_rescreen: false,
            latest: false,
        }
    }

    /// Tells also which lines of the mail's `form` were not used.
    #[must_use]
    pub fn with_unused(self, form: Option<&Form>) -> AssignmentOpen {
        AssignmentOpen { unused: form.map(UnknownKey::list).unwrap_or_default(), ..self }
    }

    /// Tells also what became known since.
    #[must_use]
    pub fn with_known(self, known: Vec<FactLine>) -> AssignmentOpen {
        AssignmentOpen { known, ..self }
    }

    /// Tells also whether it may be screened again.
    #[must_use]
    pub fn with_rescreening(self, may_rescreen: bool) -> AssignmentOpen {
        AssignmentOpen { may_rescreen, ..self }
    }

    /// Tells also when it was allocated, where that was recorded later.
    #[must_use]
    pub fn with_allocated_at(self, allocated_at: String) -> AssignmentOpen {
        AssignmentOpen { allocated_at, ..self }
    }

    /// Tells also that it is the reader's latest, because they named none.
    #[must_use]
    pub fn with_latest(self, latest: bool) -> AssignmentOpen {
        AssignmentOpen { latest, ..self }
    }

    /// Tells also of further allocations, with the block that is on all of them.
    #[must_use]
    pub fn with_further(self, further: Vec<FurtherOpen>, receipt: String) -> AssignmentOpen {
        AssignmentOpen { further, receipt, ..self }
    }
}

/// The subject is enrolled and gets the kit of this code. There is no arm in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignmentBlinded {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub enrolled_at: String,
    /// When it was allocated, where that was recorded later: a day or a moment, in the study's zone; else empty.
    #[serde(default)]
    pub allocated_at: String,
    /// Position among the study's enrollments.
    pub allocation: u64,
    /// Code of the kit to hand out.
    pub code: String,
    /// Further allocations since; told in duplicate and status letters.
    #[serde(default)]
    pub further: Vec<FurtherBlinded>,
    /// What was registered; personal items masked.
    pub answers: Vec<Shown>,
    /// The machine-readable block.
    pub receipt: String,
    /// Lines of the mail that match no item, and were not used.
    #[serde(default)]
    pub unused: Vec<UnknownKey>,
    /// What became known of the subject since; told in status letters.
    #[serde(default)]
    pub known: Vec<FactLine>,
    /// The earlier subject that is screened again as this one; empty if none.
    #[serde(default)]
    pub rescreens: String,
    /// The later subject as which this one was screened again; empty if none.
    #[serde(default)]
    pub rescreened_as: String,
    /// Whether it may be screened again; told where the same registration came again.
    #[serde(default)]
    pub may_rescreen: bool,
    /// Whether it is the reader's latest, because they asked and named none.
    #[serde(default)]
    pub latest: bool,
}

impl AssignmentBlinded {
    /// The facts of `enrollment` and the code handed out (not the kit: a kit knows its arm).
    pub fn new(enrollment: &Enrollment<'_>, code: &str, key: &[u8], language: Language) -> AssignmentBlinded {
        let (rescreens, rescreened_as) = enrollment.linked();
        AssignmentBlinded {
            subject: short(enrollment.subject),
            site: enrollment.site(language),
            enrolled_at: enrollment.at(),
            allocated_at: String::new(),
            allocation: enrollment.allocation,
            code: short(code),
            further: Vec::new(),
            answers: enrollment.shown(language),
            receipt: enrollment.receipt(Told::Code(code.to_string()), Vec::new(), key),
            unused: Vec::new(),
            known: Vec::new(),
            rescreens,
            rescreened_as,
            may_rescreen: false,
            latest: false,
        }
    }

    /// Tells also which lines of the mail's `form` were not used.
    #[must_use]
    pub fn with_unused(self, form: Option<&Form>) -> AssignmentBlinded {
        AssignmentBlinded { unused: form.map(UnknownKey::list).unwrap_or_default(), ..self }
    }

    /// Tells also what became known since.
    #[must_use]
    pub fn with_known(self, known: Vec<FactLine>) -> AssignmentBlinded {
        AssignmentBlinded { known, ..self }
    }

    /// Tells also whether it may be screened again.
    #[must_use]
    pub fn with_rescreening(self, may_rescreen: bool) -> AssignmentBlinded {
        AssignmentBlinded { may_rescreen, ..self }
    }

    /// Tells also when it was allocated, where that was recorded later.
    #[must_use]
    pub fn with_allocated_at(self, allocated_at: String) -> AssignmentBlinded {
        AssignmentBlinded { allocated_at, ..self }
    }

    /// Tells also that it is the reader's latest, because they named none.
    #[must_use]
    pub fn with_latest(self, latest: bool) -> AssignmentBlinded {
        AssignmentBlinded { latest, ..self }
    }

    /// Tells also of further allocations, with the block that is on all of them.
    #[must_use]
    pub fn with_further(self, further: Vec<FurtherBlinded>, receipt: String) -> AssignmentBlinded {
        AssignmentBlinded { further, receipt, ..self }
    }
}

/// The subject is registered; the study does not randomize.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationDone {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub enrolled_at: String,
    /// Position among the study's enrollments.
    pub allocation: u64,
    /// What was registered; personal items masked.
    pub answers: Vec<Shown>,
    /// The machine-readable block.
    pub receipt: String,
    /// Lines of the mail that match no item, and were not used.
    #[serde(default)]
    pub unused: Vec<UnknownKey>,
    /// What became known of the subject since; told in status letters.
    #[serde(default)]
    pub known: Vec<FactLine>,
    /// The earlier subject that is screened again as this one; empty if none.
    #[serde(default)]
    pub rescreens: String,
    /// The later subject as which this one was screened again; empty if none.
    #[serde(default)]
    pub rescreened_as: String,
    /// Whether it may be screened again; told where the same registration came again.
    #[serde(default)]
    pub may_rescreen: bool,
    /// Whether it is the reader's latest, because they asked and named none.
    #[serde(default)]
    pub latest: bool,
}

impl RegistrationDone {
    /// The facts of `enrollment`.
    pub fn new(enrollment: &Enrollment<'_>, key: &[u8], language: Language) -> RegistrationDone {
        let (rescreens, rescreened_as) = enrollment.linked();
        RegistrationDone {
            subject: short(enrollment.subject),
            site: enrollment.site(language),
            enrolled_at: enrollment.at(),
            allocation: enrollment.allocation,
            answers: enrollment.shown(language),
            receipt: enrollment.receipt(Told::Registered, Vec::new(), key),
            unused: Vec::new(),
            known: Vec::new(),
            rescreens,
            rescreened_as,
            may_rescreen: false,
            latest: false,
        }
    }

    /// Tells also which lines of the mail's `form` were not used.
    #[must_use]
    pub fn with_unused(self, form: Option<&Form>) -> RegistrationDone {
        RegistrationDone { unused: form.map(UnknownKey::list).unwrap_or_default(), ..self }
    }

    /// Tells also what became known since.
    #[must_use]
    pub fn with_known(self, known: Vec<FactLine>) -> RegistrationDone {
        RegistrationDone { known, ..self }
    }

    /// Tells also whether it may be screened again.
    #[must_use]
    pub fn with_rescreening(self, may_rescreen: bool) -> RegistrationDone {
        RegistrationDone { may_rescreen, ..self }
    }

    /// Tells also that it is the reader's latest, because they named none.
    #[must_use]
    pub fn with_latest(self, latest: bool) -> RegistrationDone {
        RegistrationDone { latest, ..self }
    }
}
