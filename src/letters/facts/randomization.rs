//! Facts of letters on further randomizations: what came of a request, what to mend, what is told of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answer::{Difference, Reason, ReasonLine, differences};
use super::deed::Lacking;
use super::enrollment::{ArmName, Enrollment, Site};
use super::form::{FaultLine, FormFacts, Reader, Shown, UnknownKey};
use super::short;
use crate::domain::answer::Form;
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::receipt::{Again, Told};
use crate::domain::study::{Arm, Randomization};
use crate::domain::time::Instant;
use crate::limits;

/// A further randomization of an enrolled subject as every audience may know it: no arm, no kit.
#[derive(Clone, Copy, Debug)]
pub struct Randomized<'a> {
    /// Of which subject.
    pub enrollment: &'a Enrollment<'a>,
    /// Which.
    pub own: &'a Randomization,
    /// When it was recorded.
    pub at: Instant,
    /// When it was made, in words, where that was earlier and may be told; else empty.
    pub made_at: &'a str,
    /// Number of the allocation in the study: their order, which is no secret.
    pub allocation: u64,
    /// Digest of its audit entry, in lower-case hexadecimal.
    pub chain: &'a str,
    /// Canonical answers by item id.
    pub answers: &'a BTreeMap<String, String>,
}

impl Randomized<'_> {
    fn title(&self, language: Language) -> String {
        short(self.own.title.in_language(language))
    }

    fn at(&self) -> String {
        if self.made_at.is_empty() { self.at.local(self.enrollment.study.zone) } else { self.made_at.to_string() }
    }

    fn shown(&self, language: Language) -> Vec<Shown> {
        let study = self.enrollment.study;
        let instrument = study.find_instrument(&self.own.instrument);
        instrument.map(|instrument| Shown::list(study, instrument, self.answers, language)).unwrap_or_default()
    }

    /// What a receipt says of it to a reader who was told that.
    pub fn again(&self, told: Told) -> Again {
        let (randomization, chain) = (self.own.id.clone(), self.chain.to_string());
        Again { randomization, told, at: self.at, allocation: self.allocation, chain }
    }
}

/// A further allocation in a letter on the subject as a whole (open label).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherOpen {
    /// Title of the randomization.
    pub randomization: String,
    /// The arm.
    pub arm: ArmName,
    /// When it was recorded, in the study's zone.
    pub randomized_at: String,
    /// Number of the allocation in the study.
    pub allocation: u64,
}

impl FurtherOpen {
    /// That randomization, into `arm`.
    pub fn new(randomized: &Randomized<'_>, arm: &Arm, language: Language) -> FurtherOpen {
        FurtherOpen {
            randomization: randomized.title(language),
            arm: ArmName::new(arm, language),
            randomized_at: randomized.at(),
            allocation: randomized.allocation,
        }
    }
}

/// A further allocation in a letter on the subject as a whole. There is no arm in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherBlinded {
    /// Title of the randomization.
    pub randomization: String,
    /// Code of the kit.
    pub code: String,
    /// When it was recorded, in the study's zone.
    pub randomized_at: String,
    /// Number of the allocation in the study.
    pub allocation: u64,
}

impl FurtherBlinded {
    /// That randomization, and the code handed out for it.
    pub fn new(randomized: &Randomized<'_>, code: &str, language: Language) -> FurtherBlinded {
        FurtherBlinded {
            randomization: randomized.title(language),
            code: short(code),
            randomized_at: randomized.at(),
            allocation: randomized.allocation,
        }
    }
}

/// The subject was randomized again and has this arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomizedOpen {
    /// Our subject number.
    pub subject: String,
    /// Title of the randomization.
    pub randomization: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub randomized_at: String,
    /// Number of the allocation in the study.
    pub allocation: u64,
    /// The arm.
    pub arm: ArmName,
    /// What was sent; personal items masked.
    pub answers: Vec<Shown>,
    /// The machine-readable block, on every allocation of the subject.
    pub receipt: String,
    /// Lines of the mail that match no item, and were not used.
    #[serde(default)]
    pub unused: Vec<UnknownKey>,
}

impl RandomizedOpen {
    /// That randomization, into `arm`; `receipt` is the finished block, `form` what was sent, where it is at hand.
    pub fn new(
        randomized: &Randomized<'_>,
        arm: &Arm,
        receipt: String,
        form: Option<&Form>,
        language: Language,
    ) -> RandomizedOpen {
        RandomizedOpen {
            subject: short(randomized.enrollment.subject),
            randomization: randomized.title(language),
            site: randomized.enrollment.site(language),
            randomized_at: randomized.at(),
            allocation: randomized.allocation,
            arm: ArmName::new(arm, language),
            answers: randomized.shown(language),
            receipt,
            unused: form.map(UnknownKey::list).unwrap_or_default(),
        }
    }
}

/// The subject was randomized again and gets the kit of this code. There is no arm in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomizedBlinded {
    /// Our subject number.
    pub subject: String,
    /// Title of the randomization.
    pub randomization: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub randomized_at: String,
    /// Number of the allocation in the study.
    pub allocation: u64,
    /// Code of the kit to hand out.
    pub code: String,
    /// What was sent; personal items masked.
    pub answers: Vec<Shown>,
    /// The machine-readable block, on every allocation of the subject.
    pub receipt: String,
    /// Lines of the mail that match no item, and were not used.
    #[serde(default)]
    pub unused: Vec<UnknownKey>,
}

impl RandomizedBlinded {
    /// That randomization, and the code handed out (not the kit: a kit knows its arm); else as [`RandomizedOpen::new`].
    pub fn new(
        randomized: &Randomized<'_>,
        code: &str,
        receipt: String,
        form: Option<&Form>,
        language: Language,
    ) -> RandomizedBlinded {
        RandomizedBlinded {
            subject: short(randomized.enrollment.subject),
            randomization: randomized.title(language),
            site: randomized.enrollment.site(language),
            randomized_at: randomized.at(),
            allocation: randomized.allocation,
            code: short(code),
            answers: randomized.shown(language),
            receipt,
            unused: form.map(UnknownKey::list).unwrap_or_default(),
        }
    }
}

/// Not randomized again: why, what to mend, and the form filled in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomizationRefused {
    /// Our subject number.
    pub subject: String,
    /// Title of the randomization.
    pub randomization: String,
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

impl RandomizationRefused {
    /// The refusal of `form` for its faults and for `reasons`.
    pub fn new(
        reader: &Reader<'_>,
        own: &Randomization,
        instrument: &Instrument,
        subject: &str,
        form: &Form,
        reasons: &[Reason],
    ) -> RandomizationRefused {
        let faults = form.faults.iter().take(limits::FAULTS_LISTED);
        let helps = reasons.iter().all(Reason::form_helps);
        RandomizationRefused {
            subject: short(subject),
            randomization: short(own.title.in_language(reader.language)),
            faults: faults.map(|fault| FaultLine::fault(reader, instrument, fault)).collect(),
            more: form.faults.len() > limits::FAULTS_LISTED,
            reasons: reasons.iter().map(|reason| ReasonLine::new(reader.study, reason, reader.language)).collect(),
            unknown: UnknownKey::list(form),
            form: helps
                .then(|| FormFacts::filled(reader, instrument, form).of_randomization(reader.study, own, subject)),
        }
    }
}

/// The subject was randomized before by other data: nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomizationConflict {
    /// Our subject number.
    pub subject: String,
    /// Title of the randomization.
    pub randomization: String,
    /// When it was recorded, in the study's zone.
    pub randomized_at: String,
    /// The items that differ, in the order of the form.
    pub differences: Vec<Difference>,
}

impl RandomizationConflict {
    /// The differences between canonical answers `registered` and `sent` now.
    pub fn new(
        reader: &Reader<'_>,
        own: &Randomization,
        instrument: &Instrument,
        subject: &str,
        at: String,
        registered: &BTreeMap<String, String>,
        sent: &BTreeMap<String, String>,
    ) -> RandomizationConflict {
        RandomizationConflict {
            subject: short(subject),
            randomization: short(own.title.in_language(reader.language)),
            randomized_at: at,
            differences: differences(reader, instrument, registered, sent),
        }
    }
}

/// What was read; a reply to the one-time address goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomizationConfirm {
    /// Our subject number.
    pub subject: String,
    /// Title of the randomization.
    pub randomization: String,
    /// What was read; personal items masked.
    pub answers: Vec<Shown>,
    /// Values outside the soft limits.
    pub doubts: Vec<FaultLine>,
    /// Address with the one-time token, to reply to.
    pub reply_to: String,
    /// Until when, in the study's zone.
    pub expires_at: String,
    /// Lines of the mail that match no item, and were not used.
    #[serde(default)]
    pub unused: Vec<UnknownKey>,
}

impl RandomizationConfirm {
    /// What was read in `form`, the address that carries the token and when it expires.
    pub fn new(
        reader: &Reader<'_>,
        own: &Randomization,
        instrument: &Instrument,
        subject: &str,
        form: &Form,
        reply_to: &str,
        expires_at: Instant,
    ) -> RandomizationConfirm {
        let doubts = form.doubts.iter().take(limits::FAULTS_LISTED);
        RandomizationConfirm {
            subject: short(subject),
            randomization: short(own.title.in_language(reader.language)),
            answers: Shown::list(reader.study, instrument, &form.canonical(), reader.language),
            doubts: doubts.map(|doubt| FaultLine::doubt(reader, instrument, doubt)).collect(),
            reply_to: reply_to.to_string(),
            expires_at: expires_at.local(reader.study.zone),
            unused: UnknownKey::list(form),
        }
    }
}

/// A randomization, as letters name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomizationName {
    /// What to write behind the word in the subject line.
    pub id: String,
    /// Its title.
    pub title: String,
}

impl RandomizationName {
    /// The randomization in that language.
    pub(super) fn new(own: &Randomization, language: Language) -> RandomizationName {
        RandomizationName { id: short(&own.id), title: short(own.title.in_language(language)) }
    }
}

/// The form of a randomization, and what a request lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomizationForm {
    /// Title of the randomization whose form it is; empty where nothing tells which is meant.
    pub randomization: String,
    /// Those that can be meant, where it cannot be told.
    pub choices: Vec<RandomizationName>,
    /// What is lacking, where data were sent.
    pub lacks: Vec<Lacking>,
    /// The form; null where it cannot be told which.
    pub form: Option<FormFacts>,
}

impl RandomizationForm {
    /// The form of `own`, for `subject` if that is known: filled in with what was sent, if anything was.
    pub fn new(
        reader: &Reader<'_>,
        own: Option<(&Randomization, &Instrument)>,
        subject: &str,
        sent: &Form,
    ) -> RandomizationForm {
        let study = reader.study;
        let Some((own, instrument)) = own else {
            let (lacks, choices) = (Vec::new(), Vec::new());
            let facts = RandomizationForm { randomization: String::new(), choices, lacks, form: None };
            return facts.with_choices(reader);
        };
        let lacks = (!sent.typed.is_empty() && subject.is_empty()).then(Lacking::subject);
        let form = match sent.typed.is_empty() {
            true => FormFacts::blank(reader, instrument),
            false => FormFacts::filled(reader, instrument, sent),
        };
        RandomizationForm {
            randomization: short(own.title.in_language(reader.language)),
            choices: Vec::new(),
            lacks: lacks.into_iter().collect(),
            form: Some(form.of_randomization(study, own, subject)),
        }
    }

    /// Tells also which ones can be meant: what was sent is filled in where it fits best, but it was not said.
    #[must_use]
    pub fn with_choices(self, reader: &Reader<'_>) -> RandomizationForm {
        let choices = reader.study.randomizations.iter();
        let choices = choices.map(|own| RandomizationName::new(own, reader.language)).collect();
        RandomizationForm { choices, ..self }
    }
}

/// A subject was randomized again. There is no arm and no kit in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRandomizedBlind {
    /// Our subject number.
    pub subject: String,
    /// Title of the randomization.
    pub randomization: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub randomized_at: String,
}

impl NoticeRandomizedBlind {
    /// What everybody on the staff may know of it.
    pub fn new(randomized: &Randomized<'_>, language: Language) -> NoticeRandomizedBlind {
        NoticeRandomizedBlind {
            subject: short(randomized.enrollment.subject),
            randomization: randomized.title(language),
            site: randomized.enrollment.site(language),
            randomized_at: randomized.at(),
        }
    }
}

/// A subject was randomized again, with its arm and kit: of an open study, or for unblinded staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRandomized {
    /// Our subject number.
    pub subject: String,
    /// Title of the randomization.
    pub randomization: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub randomized_at: String,
    /// The arm.
    pub arm: ArmName,
    /// Code of the kit; empty where the study has none.
    pub kit: String,
    /// Whether the arm was given by hand.
    #[serde(default)]
    pub by_hand: bool,
}

impl NoticeRandomized {
    /// That randomization into `arm`, with the code of the kit handed out, if the study has kits.
    pub fn new(randomized: &Randomized<'_>, arm: &Arm, kit: Option<&str>, language: Language) -> NoticeRandomized {
        let NoticeRandomizedBlind { subject, randomization, site, randomized_at } =
            NoticeRandomizedBlind::new(randomized, language);
        let (arm, kit) = (ArmName::new(arm, language), short(kit.unwrap_or_default()));
        NoticeRandomized { subject, randomization, site, randomized_at, arm, kit, by_hand: false }
    }

    /// Tells also whether the arm was given by hand.
    #[must_use]
    pub fn by_hand(self, by_hand: bool) -> NoticeRandomized {
        NoticeRandomized { by_hand, ..self }
    }
}
