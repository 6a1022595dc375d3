//! Facts of letters about one subject's acts: what is lacking, what was read, the arm disclosed, and that it was.

use serde::{Deserialize, Serialize};

use super::correction::{Change, FormNames, MisnamedLine, ReadCorrection};
use super::enrollment::{ArmName, Enrollment, Site};
use super::form::{FaultLine, FormLine, Reader, UnknownKey};
use super::randomization::RandomizationName;
use super::short;
use crate::domain::answer::Fault;
use crate::domain::deed::{Deed, Lack, Misnamed, Wanted, tells_arm};
use crate::domain::instrument::Instrument;
use crate::domain::language::{Language, Text};
use crate::domain::study::{Arm, FIRST, Person, Randomization, Study};
use crate::domain::time::Instant;
use crate::letters::clean;
use crate::limits;

/// Something that a request lacks: the templates `lack-<code>` word it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// Its key.
    pub code: String,
    /// Name of the template that words it.
    pub partial: String,
}

impl Lacking {
    /// What is lacking, as the templates word it.
    pub(in crate::letters) fn of(lack: Lack) -> Lacking {
        Lacking { code: lack.key().to_string(), partial: format!("lack-{}", lack.key()) }
    }

    /// The subject.
    pub(in crate::letters) fn subject() -> Lacking {
        Lacking::of(Lack::Subject)
    }
}

/// What a request about a subject lacks, and the form to fill in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeedForm {
    /// Key of what was asked for.
    pub act: String,
    /// What is lacking.
    pub lacks: Vec<Lacking>,
    /// Subject as typed; empty if none was, or it cannot be told which is meant.
    pub named: String,
    /// Reason as typed; empty if none was.
    pub reason: String,
    /// Codes of kits as typed, parted by commas; empty if none was.
    pub kits: String,
    /// What is wrong with the values that were to be right.
    pub faults: Vec<FaultLine>,
    /// Codes of the kits of which one is to be named.
    #[serde(default)]
    pub choices: Vec<String>,
    /// Names that mean no item which can be corrected.
    #[serde(default)]
    pub misnamed: Vec<MisnamedLine>,
    /// What was named with the value that is on file.
    #[serde(default)]
    pub same: Vec<Change>,
    /// Lines that match no item, and were not used.
    #[serde(default)]
    pub unused: Vec<UnknownKey>,
    /// What is to be corrected, as typed.
    #[serde(default)]
    pub typed: Vec<FormLine>,
    /// The names of the items that can be corrected, form by form.
    #[serde(default)]
    pub items: Vec<FormNames>,
    /// Whether the form has a line for the randomization that an error is about.
    #[serde(default)]
    pub allocations: bool,
    /// What stands in that line: an id, or empty.
    #[serde(default)]
    pub allocation: String,
    /// Whether the registration stands in that line, and so the subject as a whole.
    #[serde(default)]
    pub whole: bool,
    /// What the subject has, where it is known which subject is meant.
    #[serde(default)]
    pub had: Vec<AllocationHad>,
    /// Title of the randomization that was named and that the subject does not have; empty otherwise.
    #[serde(default)]
    pub absent: String,
    /// What was named as a randomization and is none; empty otherwise.
    #[serde(default)]
    pub which: String,
    /// The randomizations that there are.
    #[serde(default)]
    pub randomizations: Vec<RandomizationName>,
    /// Whether the reference that would be right is another subject's.
    #[serde(default)]
    pub taken: bool,
    /// The number of that subject; empty where the reader may not know of it.
    #[serde(default)]
    pub taken_by: String,
}

impl DeedForm {
    /// The form for what was wanted. Of several subjects of one reference, none is named.
    pub fn new(wanted: &Wanted, lacks: &[Lack]) -> DeedForm {
        let named = if lacks.contains(&Lack::Subject) { "" } else { wanted.subject.as_str() };
        DeedForm {
            act: wanted.deed.key().to_string(),
            lacks: lacks.iter().copied().map(Lacking::of).collect(),
            named: short(named),
            reason: words(&wanted.reason),
            kits: clean::line(&wanted.kits.join(", "), limits::DEED_REASON_CHARS),
            faults: Vec::new(),
            choices: Vec::new(),
            misnamed: Vec::new(),
            same: Vec::new(),
            unused: UnknownKey::of(&wanted.unused),
            typed: Vec::new(),
            items: Vec::new(),
            allocations: false,
            allocation: String::new(),
            whole: false,
            had: Vec::new(),
            absent: String::new(),
            which: short(&wanted.which),
            randomizations: Vec::new(),
            taken: false,
            taken_by: String::new(),
        }
    }

    /// Tells also that the reference which would be right is another subject's, and whose where the reader may know of it.
    #[must_use]
    pub fn with_taken(self, by: Option<&str>) -> DeedForm {
        DeedForm { taken: true, taken_by: by.map(short).unwrap_or_default(), ..self }
    }

    /// The form of a correction, with what was typed: names the items of these forms, of the registration and of further randomizations, and the
    /// randomizations there are.
    #[must_use]
    pub fn with_items(
        self,
        reader: &Reader<'_>,
        wanted: &Wanted,
        forms: &[(Option<&Randomization>, &Instrument)],
    ) -> DeedForm {
        let language = reader.language;
        let own = reader.study.randomizations.iter();
        let typed = wanted.changes.iter().map(|(name, typed)| FormLine::named(reader.study, name, typed, language));
        DeedForm {
            typed: typed.collect(),
            items: forms.iter().map(|(own, form)| FormNames::new(*own, form, language)).collect(),
            randomizations: own.map(|own| RandomizationName::new(own, language)).collect(),
            ..self
        }
    }

    /// The form of an error, with a line for the randomization it is about where the study has further ones.
    #[must_use]
    pub fn with_allocations(self, study: &Study, wanted: &Wanted, language: Language) -> DeedForm {
        let own = wanted.randomization.as_deref().and_then(|id| study.find_randomization(id));
        DeedForm {
            allocations: !study.randomizations.is_empty(),
            allocation: own.map(|own| short(&own.id)).unwrap_or_default(),
            whole: wanted.randomization.as_deref() == Some(FIRST),
            randomizations: study.randomizations.iter().map(|own| RandomizationName::new(own, language)).collect(),
            ..self
        }
    }

    /// Tells also what the subject has, of which alone an error can be about.
    #[must_use]
    pub fn with_had(mut self, had: Vec<AllocationHad>) -> DeedForm {
        let has = |own: &RandomizationName| had.iter().any(|one| one.id == own.id);
        let (theirs, others): (Vec<RandomizationName>, Vec<RandomizationName>) =
            self.randomizations.into_iter().partition(has);
        if let Some(named) = others.into_iter().find(|own| own.id == self.allocation) {
            (self.absent, self.allocation) = (named.title, String::new());
        }
        DeedForm { randomizations: theirs, had, ..self }
    }

    /// Tells also which names mean no item that can be corrected.
    #[must_use]
    pub fn with_misnamed(self, reader: &Reader<'_>, misnamed: &[Misnamed]) -> DeedForm {
        let named = misnamed.iter().take(limits::FAULTS_LISTED);
        DeedForm { misnamed: named.map(|one| MisnamedLine::new(reader.study, one, reader.language)).collect(), ..self }
    }

    /// Tells also what is on file already.
    #[must_use]
    pub fn with_same(self, same: Vec<Change>) -> DeedForm {
        DeedForm { same, ..self }
    }

    /// Tells also what is wrong with the values that were to be right.
    #[must_use]
    pub fn with_faults(self, reader: &Reader<'_>, faults: &[(&Instrument, Fault)]) -> DeedForm {
        let faults = faults.iter().take(limits::FAULTS_LISTED);
        DeedForm { faults: faults.map(|(form, fault)| FaultLine::fault(reader, form, fault)).collect(), ..self }
    }

    /// Tells also which kits the subject has, where it cannot be told which is meant.
    #[must_use]
    pub fn with_choices(self, kits: &[String]) -> DeedForm {
        DeedForm { choices: kits.iter().map(|code| short(code)).collect(), ..self }
    }
}

/// One thing that an error can be about: the registration, or a further randomization that the subject has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationHad {
    /// Id of the randomization; empty for the registration, and so the subject as a whole.
    pub id: String,
    /// Its title; empty for the registration.
    pub title: String,
    /// Day on which it was made, year-month-day.
    pub day: String,
}

impl AllocationHad {
    /// What was made on that day: the registration, or that randomization.
    pub fn new(own: Option<&Randomization>, day: &str, language: Language) -> AllocationHad {
        AllocationHad {
            id: own.map(|own| short(&own.id)).unwrap_or_default(),
            title: own.map(|own| short(own.title.in_language(language))).unwrap_or_default(),
            day: short(day),
        }
    }
}

/// What was read of a request about a subject; a reply to the one-time address goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeedConfirm {
    /// Key of what was asked for.
    pub act: String,
    /// Our subject number; empty where it is about kits alone.
    pub subject: String,
    /// What the site called it when it registered it; empty where that identifies a person.
    #[serde(default)]
    pub reference: String,
    /// Where; empty where it is about kits alone.
    pub site: Site,
    /// Why.
    pub reason: String,
    /// What is to be corrected.
    pub changes: Vec<Change>,
    /// What is unusual of it.
    #[serde(default)]
    pub doubts: Vec<FaultLine>,
    /// What was named with the value that is on file.
    #[serde(default)]
    pub same: Vec<Change>,
    /// Lines that match no item, and were not used.
    #[serde(default)]
    pub unused: Vec<UnknownKey>,
    /// Codes of the kits to be replaced or kept back.
    pub kits: Vec<String>,
    /// Title of the further randomization that it is about alone; else empty.
    #[serde(default)]
    pub randomization: String,
    /// Address with the one-time token, to reply to.
    pub reply_to: String,
    /// Until when, in the study's zone.
    pub expires_at: String,
}

impl DeedConfirm {
    /// What was read of `deed` for `enrollment`, the address that carries the token and when it expires.
    pub fn new(
        enrollment: &Enrollment<'_>,
        deed: Deed,
        reason: &str,
        read: ReadCorrection,
        reply_to: &str,
        expires_at: Instant,
        language: Language,
    ) -> DeedConfirm {
        let ReadCorrection { changes, doubts, same, unused } = read;
        DeedConfirm {
            act: deed.key().to_string(),
            subject: short(enrollment.subject),
            reference: enrollment.reference(),
            site: enrollment.site(language),
            reason: words(reason),
            changes,
            doubts,
            same,
            unused,
            kits: Vec::new(),
            randomization: String::new(),
            reply_to: reply_to.to_string(),
            expires_at: expires_at.local(enrollment.study.zone),
        }
    }

    /// The same of the further randomization of that title alone.
    #[must_use]
    pub fn of_allocation(self, title: &Text, language: Language) -> DeedConfirm {
        DeedConfirm { randomization: short(title.in_language(language)), ..self }
    }

    /// What was read of `deed`, which is about kits alone.
    pub fn of_kits(study: &Study, deed: Deed, reason: &str, reply_to: &str, expires_at: Instant) -> DeedConfirm {
        DeedConfirm {
            act: deed.key().to_string(),
            subject: String::new(),
            reference: String::new(),
            site: Site { code: String::new(), name: String::new() },
            reason: words(reason),
            changes: Vec::new(),
            doubts: Vec::new(),
            same: Vec::new(),
            unused: Vec::new(),
            kits: Vec::new(),
            randomization: String::new(),
            reply_to: reply_to.to_string(),
            expires_at: expires_at.local(study.zone),
        }
    }

    /// With the kits that it is about.
    #[must_use]
    pub fn with_kits(self, kits: &[String]) -> DeedConfirm {
        DeedConfirm { kits: kits.iter().map(|code| short(code)).collect(), ..self }
    }
}

/// The leave to tell one person one subject's arm. Letters that tell it are made from this alone, and this is made only
/// where the study's rule says yes (promise 6).
#[derive(Clone, Copy, Debug)]
pub struct Disclosure<'a> {
    arm: &'a Arm,
    kit: Option<&'a str>,
    further: &'a [Disclosed<'a>],
}

/// The arm and kit of a further allocation.
#[derive(Clone, Copy, Debug)]
pub struct Disclosed<'a> {
    /// Which randomization.
    pub own: &'a Randomization,
    /// The arm.
    pub arm: &'a Arm,
    /// Code of the kit.
    pub kit: Option<&'a str>,
}

impl<'a> Disclosure<'a> {
    /// The leave to tell `person` the arm and kit of a subject of `site`; none where the study does not allow it.
    pub fn to(
        study: &Study,
        person: &Person,
        site: &str,
        arm: &'a Arm,
        kit: Option<&'a str>,
    ) -> Option<Disclosure<'a>> {
        let may = Deed::Unblind.allowed(study, person) && person.acts_for(site);
        may.then_some(Disclosure { arm, kit, further: &[] })
    }

    /// The same leave for the subject's further allocations too.
    #[must_use]
    pub fn with_further(self, further: &'a [Disclosed<'a>]) -> Disclosure<'a> {
        Disclosure { further, ..self }
    }

    /// For samples: nobody is told anything by it.
    pub(in crate::letters) fn of_sample(arm: &'a Arm, kit: Option<&'a str>) -> Disclosure<'a> {
        Disclosure { arm, kit, further: &[] }
    }
}

/// Who was told an arm, when, and why they asked.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Who.
    pub by: &'a Person,
    /// When.
    pub at: Instant,
    /// Why, in their words.
    pub reason: &'a str,
}

/// One subject's arm, to the person who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unblinded {
    /// Our subject number.
    pub subject: String,
    /// What the site called it when it registered it; empty where that identifies a person.
    #[serde(default)]
    pub reference: String,
    /// The arm.
    pub arm: ArmName,
    /// Code of the kit; empty where the study has none.
    pub kit: String,
    /// The arms of further allocations.
    #[serde(default)]
    pub further: Vec<UnblindedFurther>,
    /// Where.
    pub site: Site,
    /// When it was enrolled, in the study's zone.
    pub enrolled_at: String,
    /// When the arm was first told to this person, in the study's zone.
    pub unblinded_at: String,
    /// Why they asked.
    pub reason: String,
}

/// The arm of a further allocation, to the person who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnblindedFurther {
    /// Title of the randomization.
    pub randomization: String,
    /// The arm.
    pub arm: ArmName,
    /// Code of the kit; empty where the study has none.
    pub kit: String,
}

impl UnblindedFurther {
    fn new(own: &Disclosed<'_>, language: Language) -> UnblindedFurther {
        UnblindedFurther {
            randomization: short(own.own.title.in_language(language)),
            arm: ArmName::new(own.arm, language),
            kit: short(own.kit.unwrap_or_default()),
        }
    }
}

impl Unblinded {
    /// What `disclosure` allows to tell of `enrollment`.
    pub fn new(
        enrollment: &Enrollment<'_>,
        opening: Opening<'_>,
        disclosure: &Disclosure<'_>,
        language: Language,
    ) -> Unblinded {
        Unblinded {
            subject: short(enrollment.subject),
            reference: enrollment.reference(),
            arm: ArmName::new(disclosure.arm, language),
            kit: short(disclosure.kit.unwrap_or_default()),
            further: disclosure.further.iter().map(|own| UnblindedFurther::new(own, language)).collect(),
            site: enrollment.site(language),
            enrolled_at: enrollment.at(),
            unblinded_at: opening.at.local(enrollment.study.zone),
            reason: words(opening.reason),
        }
    }
}

/// A person was told a subject's arm. There is no arm and no kit in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnblindingNotice {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// When, in the study's zone.
    pub unblinded_at: String,
    /// Name of the person who was told.
    pub person: String,
    /// Why they asked; empty where their words could give an arm away.
    pub reason: String,
}

impl UnblindingNotice {
    /// The same for whoever is blinded, where the words are those of somebody who may know arms.
    #[must_use]
    pub fn without_reason(self) -> UnblindingNotice {
        UnblindingNotice { reason: String::new(), ..self }
    }

    /// What everybody on the staff may know of it.
    pub fn new(enrollment: &Enrollment<'_>, opening: Opening<'_>, language: Language) -> UnblindingNotice {
        let telling = tells_arm(enrollment.study, opening.reason);
        UnblindingNotice {
            subject: short(enrollment.subject),
            site: enrollment.site(language),
            unblinded_at: opening.at.local(enrollment.study.zone),
            person: short(opening.by.name.in_language(language)),
            reason: if telling { String::new() } else { words(opening.reason) },
        }
    }
}

/// A reason in one line, whole.
pub(super) fn words(reason: &str) -> String {
    clean::line(reason, limits::DEED_REASON_CHARS)
}
