//! Facts of letters that answer a request without enrolling.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::balance::may_know_balance;
use super::follow_up::EventName;
use super::form::{FaultLine, FormFacts, Reader, Shown, UnknownKey, shown_value};
use super::randomization::RandomizationName;
use super::short;
use crate::domain::answer::Form;
use crate::domain::deed::Deed;
use crate::domain::fact::FactKind;
use crate::domain::instrument::{Instrument, Item};
use crate::domain::language::Language;
use crate::domain::request::Act;
use crate::domain::study::{Blinding, Study};
use crate::domain::time::Instant;
use crate::limits;

/// Why a registration is refused, other than by a fault in the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Criteria do not hold; their ids in the order of the study.
    NotEligible(Vec<String>),
    /// The study has as many subjects as planned. Also said when an arm is full, so that no refusal tells an arm.
    StudyFull,
    /// Some arm has as many subjects as planned, in a study that conceals none; nobody is enrolled then. Of blinded studies
    /// [`Reason::StudyFull`] is said.
    ArmFull,
    /// The site has as many subjects as planned.
    SiteFull,
    /// This kind of subject is there in the planned number.
    StratumFull,
    /// Of these cohorts, by id, there are as many subjects as planned.
    CohortFull(Vec<String>),
    /// Enrollment pauses.
    Paused,
    /// Enrollment has ended; the study goes on.
    EnrollmentEnded,
    /// The study is closed.
    Closed,
    /// No kit can be handed out. Never says of which arm.
    NoKits,
    /// The site enrolls from that day on.
    SiteNotOpen(NaiveDate),
    /// That was the last day on which the site enrolled.
    SiteClosed(NaiveDate),
    /// The study screens nobody again.
    RescreeningNever,
    /// The sender has no subject of that number or reference, which was to be screened again.
    RescreeningUnknown(String),
    /// Nothing of this became known of that subject, after which it might be screened again.
    RescreeningNoFact(String, Vec<FactKind>),
    /// The person was screened as often as may be, last as that subject.
    RescreeningSpent(String),
    /// The reference in the form is that of another person than that subject.
    RescreeningTaken(String),
    /// The reference in the form was that of these subjects until it was corrected; empty where the sender may not know of them.
    EarlierReference(String),
    /// It has an arm, and nobody consented yet to another randomization; the number of the earlier subject.
    RescreeningWaits(String),
    /// The sender does not act for that site.
    SiteNotTheirs(String),
    /// The sender has no role that enrolls.
    NoRole,
    /// Participants of the study enroll themselves; nobody does it for them.
    EnrollsItself,
    /// The study wants the site's token in the address, and it was not there.
    NoToken,
    /// The condition of the randomization of that id does not hold.
    Condition(String),
    /// Something is known of the subject by which it is randomized no more.
    SubjectOut(FactKind),
    /// The allocation of that id must come first.
    Earlier(String),
    /// What is on file of the subject lacks an answer to these items of the registration, which the randomization needs.
    DataMissing(Vec<String>),
    /// The allocation needs an answer to these items of the form, which may be left blank otherwise.
    AnswerNeeded(Vec<String>),
    /// Of these items the allocation needs a level, and the answers give none that it knows.
    NoLevel(Vec<String>),
    /// The event is not planned for the subject.
    NotPlanned,
    /// The form asks for a file, which only the page takes.
    OnPage,
    /// What was to be corrected was corrected meanwhile.
    Overtaken,
    /// The program could not decide the mail; a person looks at it.
    SetAside,
    /// The randomization has as many subjects as planned. Also said when an arm is full.
    RandomizationFull,
    /// An arm of this randomization has its planned number, in an open study: nobody more is randomized by it.
    RandomizationArmFull,
    /// The site has as many subjects in the randomization as planned.
    RandomizationSiteFull,
    /// This kind of subject is in the randomization in the planned number.
    RandomizationStratumFull,
}

impl Reason {
    /// Key in templates (`reason-<key>`), audit entries and metrics.
    pub const fn key(&self) -> &'static str {
        match self {
            Reason::NotEligible(_) => "not-eligible",
            Reason::StudyFull => "study-full",
            Reason::ArmFull => "arm-full",
            Reason::SiteFull => "site-full",
            Reason::StratumFull => "stratum-full",
            Reason::CohortFull(_) => "cohort-full",
            Reason::Paused => "paused",
            Reason::EnrollmentEnded => "enrollment-ended",
            Reason::Closed => "closed",
            Reason::NoKits => "no-kits",
            Reason::SiteNotOpen(_) => "site-not-open",
            Reason::SiteClosed(_) => "site-closed",
            Reason::RescreeningNever => "rescreening-never",
            Reason::RescreeningUnknown(_) => "rescreening-unknown",
            Reason::RescreeningNoFact(..) => "rescreening-no-fact",
            Reason::RescreeningSpent(_) => "rescreening-spent",
            Reason::RescreeningTaken(_) => "rescreening-taken",
            Reason::EarlierReference(_) => "earlier-reference",
            Reason::RescreeningWaits(_) => "rescreening-waits",
            Reason::SiteNotTheirs(_) => "site-not-theirs",
            Reason::NoRole => "no-role",
            Reason::EnrollsItself => "enrolls-itself",
            Reason::NoToken => "no-token",
            Reason::Condition(_) => "condition",
            Reason::SubjectOut(FactKind::Withdrawn) => "subject-withdrawn",
            Reason::SubjectOut(FactKind::Duplicate) => "subject-duplicate",
            Reason::SubjectOut(_) => "subject-in-error",
            Reason::Earlier(_) => "earlier",
            Reason::DataMissing(_) => "data-missing",
            Reason::AnswerNeeded(_) => "answer-needed",
            Reason::NoLevel(_) => "no-level",
            Reason::NotPlanned => "not-planned",
            Reason::OnPage => "on-page",
            Reason::Overtaken => "overtaken",
            Reason::SetAside => "set-aside",
            Reason::RandomizationFull => "randomization-full",
            Reason::RandomizationArmFull => "randomization-arm-full",
            Reason::RandomizationSiteFull => "randomization-site-full",
            Reason::RandomizationStratumFull => "randomization-stratum-full",
        }
    }

    /// Whether mending the form, or waiting, can help.
    pub(super) const fn form_helps(&self) -> bool {
        !matches!(
            self,
            Reason::StudyFull
                | Reason::ArmFull
                | Reason::SiteFull
                | Reason::StratumFull
                | Reason::CohortFull(_)
                | Reason::EnrollmentEnded
                | Reason::Closed
                | Reason::SiteClosed(_)
                | Reason::RescreeningSpent(_)
                | Reason::NoRole
                | Reason::EnrollsItself
                | Reason::SubjectOut(_)
                | Reason::DataMissing(_)
                | Reason::NotPlanned
                | Reason::OnPage
                | Reason::SetAside
                | Reason::RandomizationFull
                | Reason::RandomizationArmFull
                | Reason::RandomizationSiteFull
                | Reason::RandomizationStratumFull
        )
    }
}

/// A reason, as a letter states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonLine {
    /// The reason's key.
    pub code: String,
    /// Name of the template that words it.
    pub partial: String,
    /// The study's own messages for criteria that do not hold, or the names of cohorts that are full; or the title of the
    /// randomization that must come first.
    pub messages: Vec<String>,
    /// Code of the site that is not theirs; empty otherwise.
    pub site: String,
    /// The day the site opens or closed (`2026-12-01`); empty otherwise.
    pub day: String,
    /// The subject that was to be screened again; empty otherwise.
    #[serde(default)]
    pub subject: String,
    /// What must become known before.
    #[serde(default)]
    pub facts: Vec<FactName>,
}

/// A kind of fact: the templates `fact-<code>` word it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactName {
    /// Its key.
    pub code: String,
    /// Name of the template that words it.
    pub partial: String,
}

impl ReasonLine {
    pub(in crate::letters) fn new(study: &Study, reason: &Reason, language: Language) -> ReasonLine {
        let messages = match reason {
            Reason::NotEligible(ids) => {
                let failed = study.eligibility.iter().filter(|criterion| ids.contains(&criterion.id));
                failed.map(|criterion| short(criterion.message.in_language(language))).collect()
            }
            Reason::CohortFull(ids) => {
                let full = study.cohorts.iter().filter(|cohort| ids.contains(&cohort.id));
                full.map(|cohort| short(cohort.label(language))).collect()
            }
            Reason::Condition(id) => {
                let condition = study.find_randomization(id).and_then(|own| own.condition.as_ref());
                condition.map(|condition| short(condition.message.in_language(language))).into_iter().collect()
            }
            Reason::DataMissing(ids) | Reason::AnswerNeeded(ids) | Reason::NoLevel(ids) => {
                let item = |id: &String| study.find_item(id).map(|item| item.label.in_language(language).to_string());
                ids.iter().map(|id| short(&item(id).unwrap_or_else(|| id.clone()))).collect()
            }
            Reason::Earlier(id) => {
                let title = study.find_randomization(id).map(|own| own.title.in_language(language));
                title.map(short).into_iter().collect()
            }
            _ => Vec::new(),
        };
        let site = if let Reason::SiteNotTheirs(site) = reason { short(site) } else { String::new() };
        let day = match reason {
            Reason::SiteNotOpen(day) | Reason::SiteClosed(day) => day.to_string(),
            _ => String::new(),
        };
        let subject = match reason {
            Reason::RescreeningUnknown(subject)
            | Reason::RescreeningNoFact(subject, _)
            | Reason::RescreeningSpent(subject)
            | Reason::RescreeningTaken(subject)
            | Reason::EarlierReference(subject)
            | Reason::RescreeningWaits(subject) => short(subject),
            _ => String::new(),
        };
        let facts = match reason {
            Reason::RescreeningNoFact(_, kinds) => kinds
                .iter()
                .map(|kind| FactName { code: kind.key().to_string(), partial: format!("fact-{}", kind.key()) })
                .collect(),
            _ => Vec::new(),
        };
        // Where an arm has a cap and nobody may know arms, one sentence tells of both.
        let conceals = study.blinding == Blinding::Blinded
            && match reason {
                Reason::StudyFull => !study.caps.arms.is_empty(),
                Reason::RandomizationFull => study.randomizations.iter().any(|own| !own.caps.arms.is_empty()),
                _ => false,
            };
        let partial = format!("reason-{}{}", reason.key(), if conceals { "-blinded" } else { "" });
        ReasonLine { code: reason.key().into(), partial, messages, site, day, subject, facts }
    }
}

/// Not enrolled: why, what to mend, and the form filled in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
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

impl Refusal {
    /// The refusal of `form` for its faults and for `reasons`.
    pub fn new(reader: &Reader<'_>, instrument: &Instrument, form: &Form, reasons: &[Reason]) -> Refusal {
        let faults = form.faults.iter().take(limits::FAULTS_LISTED);
        let helps = reasons.iter().all(Reason::form_helps);
        Refusal {
            faults: faults.map(|fault| FaultLine::fault(reader, instrument, fault)).collect(),
            more: form.faults.len() > limits::FAULTS_LISTED,
            reasons: reasons.iter().map(|reason| ReasonLine::new(reader.study, reason, reader.language)).collect(),
            unknown: UnknownKey::list(form),
            form: helps.then(|| FormFacts::filled(reader, instrument, form)),
        }
    }
}

/// Whether the sender of a conflicting registration acts for the site that enrolled the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// They do: they may see the values registered before.
    SameSite,
    /// They do not: they learn that the reference is another site's subject's, and nothing of the subject.
    OtherSite,
}

/// The same subject, other data: nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Our subject number; empty for a sender of another site.
    pub subject: String,
    /// When the first registration was recorded; empty for a sender of another site.
    pub enrolled_at: String,
    /// The items that differ, in the order of the form; none for a sender of another site, who could guess at a patient by trying.
    pub differences: Vec<Difference>,
    /// Whether the subject may be screened again, which would be another registration.
    #[serde(default)]
    pub may_rescreen: bool,
}

/// One item that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Its label.
    pub label: String,
    /// Whether the values may be shown to this reader.
    pub shown: bool,
    /// As registered; empty where not shown or not answered.
    pub registered: String,
    /// As sent now; empty where not shown or not answered.
    pub sent: String,
}

impl Conflict {
    /// The differences between canonical answers `registered` for `subject` and `sent` now.
    pub fn new(
        reader: &Reader<'_>,
        instrument: &Instrument,
        subject: &str,
        enrolled_at: Instant,
        registered: &BTreeMap<String, String>,
        sent: &BTreeMap<String, String>,
        sameness: Sameness,
    ) -> Conflict {
        let same_site = sameness == Sameness::SameSite;
        Conflict {
            subject: if same_site { short(subject) } else { String::new() },
            enrolled_at: if same_site { enrolled_at.local(reader.study.zone) } else { String::new() },
            differences: match sameness {
                Sameness::SameSite => differences(reader, instrument, registered, sent),
                Sameness::OtherSite => Vec::new(),
            },
            may_rescreen: false,
        }
    }

    /// Tells also whether the subject may be screened again, to a sender of its own site.
    #[must_use]
    pub fn with_rescreening(self, may_rescreen: bool) -> Conflict {
        Conflict { may_rescreen: may_rescreen && !self.subject.is_empty(), ..self }
    }
}

/// The items that differ, in the order of the form; personal values are never told.
pub(super) fn differences(
    reader: &Reader<'_>,
    instrument: &Instrument,
    registered: &BTreeMap<String, String>,
    sent: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let differing = instrument.items.iter().filter(|item| registered.get(&item.id) != sent.get(&item.id));
    let difference = |item: &Item| {
        let shown = !item.personal;
        let value = |values: &BTreeMap<String, String>| match values.get(&item.id) {
            Some(value) if shown => shown_value(reader.study, item, value, reader.language),
            _ => String::new(),
        };
        let label = short(item.label.in_language(reader.language));
        Difference { label, shown, registered: value(registered), sent: value(sent) }
    };
    differing.map(difference).collect()
}

/// What was read; a reply to the one-time address goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// What was read; personal items masked.
    pub answers: Vec<Shown>,
    /// Values outside the soft limits.
    pub doubts: Vec<FaultLine>,
    /// Address with the one-time token, to reply to.
    pub reply_to: String,
    /// Until when, in the study's zone.
    pub expires_at: String,
    /// The earlier subject that is screened again, as typed; empty if none.
    #[serde(default)]
    pub rescreens: String,
    /// Lines of the mail that match no item, and were not used.
    #[serde(default)]
    pub unused: Vec<UnknownKey>,
    /// Whether the reference was another subject's until it was corrected, and so whether this is that subject is to be said.
    #[serde(default)]
    pub earlier: bool,
    /// The numbers of those subjects, where the reader may know of them.
    #[serde(default)]
    pub earlier_of: Vec<String>,
}

impl Confirm {
    /// What was read in `form`, the address that carries the token and when it expires.
    pub fn new(
        reader: &Reader<'_>,
        instrument: &Instrument,
        form: &Form,
        reply_to: &str,
        expires_at: Instant,
    ) -> Confirm {
        let doubts = form.doubts.iter().take(limits::FAULTS_LISTED);
        Confirm {
            answers: Shown::list(reader.study, instrument, &form.canonical(), reader.language),
            doubts: doubts.map(|doubt| FaultLine::doubt(reader, instrument, doubt)).collect(),
            reply_to: reply_to.to_string(),
            expires_at: expires_at.local(reader.study.zone),
            rescreens: form.rescreens.as_deref().map(short).unwrap_or_default(),
            unused: Vec::new(),
            earlier: false,
            earlier_of: Vec::new(),
        }
    }

    /// Asks also whether it is another subject than these, whose reference it was until it was corrected.
    #[must_use]
    pub fn with_earlier(self, numbers: Vec<String>) -> Confirm {
        Confirm { earlier: true, earlier_of: numbers, ..self }
    }

    /// Tells also which lines of the mail's `form` were not used.
    #[must_use]
    pub fn with_unused(self, form: &Form) -> Confirm {
        Confirm { unused: UnknownKey::list(form), ..self }
    }
}

/// The reply token is spent, expired or unknown: which of them is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmExpired {}

/// How far a study has come: what a letter may still offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Subjects are enrolled.
    Enrolling,
    /// Enrollment has ended; everything else goes on.
    EnrollmentEnded,
    /// The study is closed.
    Closed,
}

impl Phase {
    const fn reason(self) -> Option<Reason> {
        match self {
            Phase::Enrolling => None,
            Phase::EnrollmentEnded => Some(Reason::EnrollmentEnded),
            Phase::Closed => Some(Reason::Closed),
        }
    }
}

/// The registration form, empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlankForm {
    /// Heading of the form.
    pub title: String,
    /// Why nobody is enrolled any more; empty where subjects are.
    #[serde(default)]
    pub reasons: Vec<ReasonLine>,
    /// Its lines; null where nobody is enrolled any more.
    pub form: Option<FormFacts>,
}

impl BlankForm {
    /// The form of `instrument`, in a study that has come so far.
    pub fn new(reader: &Reader<'_>, instrument: &Instrument, phase: Phase) -> BlankForm {
        let title = short(instrument.title.in_language(reader.language));
        let over = phase.reason();
        BlankForm {
            title,
            form: over.is_none().then(|| FormFacts::blank(reader, instrument)),
            reasons: over.iter().map(|reason| ReasonLine::new(reader.study, reason, reader.language)).collect(),
        }
    }
}

/// How to write to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Help {
    /// Whether the study asks for a confirmation of each registration.
    pub confirm: bool,
    /// Whether the sender may enroll.
    pub enrolls: bool,
    /// Whether the sender may ask for one subject's arm, which the study conceals.
    pub unblinds: bool,
    /// Whether the sender may ask for another kit, and have kits kept back.
    pub kits: bool,
    /// Whether the sender may ask how many subjects each arm has.
    #[serde(default)]
    pub balance: bool,
    /// Further randomizations that the sender may ask for.
    #[serde(default)]
    pub randomizations: Vec<RandomizationName>,
    /// Events whose forms the sender may fill in.
    #[serde(default)]
    pub events: Vec<EventName>,
    /// Whether nobody is enrolled any more.
    #[serde(default)]
    pub ended: bool,
    /// Whether the study is closed.
    #[serde(default)]
    pub closed: bool,
}

impl Help {
    /// The help for this reader, in a study that has come so far.
    pub fn new(reader: &Reader<'_>, phase: Phase) -> Help {
        let Reader { study, person, .. } = reader;
        let enters = phase != Phase::Closed && person.roles.iter().any(|role| role.enrolls());
        let blinded = study.blinding == Blinding::Blinded;
        let allowed = |deed: Deed| deed.allowed(study, person);
        Help {
            confirm: study.trust.confirm,
            enrolls: study.registers && !study.enrolls_itself() && person.roles.iter().any(|role| role.enrolls()),
            unblinds: blinded && allowed(Deed::Unblind),
            kits: study.hands_out_kits() && allowed(Deed::ReplaceKit),
            balance: may_know_balance(study, person),
            randomizations: match enters {
                true => study.randomizations.iter().map(|own| RandomizationName::new(own, reader.language)).collect(),
                false => Vec::new(),
            },
            events: if enters { EventName::list(study, reader.language) } else { Vec::new() },
            ended: phase != Phase::Enrolling,
            closed: phase == Phase::Closed,
        }
    }
}

/// No subject of that reference is known to the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusUnknown {
    /// What was asked for, as typed; empty if their latest.
    pub asked: String,
    /// The numbers of the subjects whose reference it was until it was corrected.
    #[serde(default)]
    pub earlier_of: Vec<String>,
}

impl StatusUnknown {
    /// The reference as typed, if one was; left out where the study's references identify a person.
    pub fn new(study: &Study, asked: Option<&str>) -> StatusUnknown {
        let item = study.registration_instrument().find(&study.registration.subject_item);
        let asked = asked.filter(|_| item.is_some_and(|item| !item.personal));
        StatusUnknown { asked: short(asked.unwrap_or_default()), earlier_of: Vec::new() }
    }

    /// Tells also of which subjects it was the reference until that was corrected.
    #[must_use]
    pub fn with_earlier(self, numbers: Vec<String>) -> StatusUnknown {
        StatusUnknown { earlier_of: numbers, ..self }
    }
}

/// The sender may not ask for that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotEntitled {
    /// Key of what was asked for.
    pub act: String,
    /// Whether the role would do, and only the site's token in the address is missing.
    pub no_token: bool,
}

impl NotEntitled {
    /// What was asked for.
    pub fn new(act: &Act) -> NotEntitled {
        NotEntitled { act: act.key().to_string(), no_token: false }
    }

    /// The same, to somebody whose role would do, but who wrote to an address without the site's token.
    pub fn without_token(act: &Act) -> NotEntitled {
        NotEntitled { no_token: true, ..NotEntitled::new(act) }
    }
}
