//! What each letter may state: plain typed facts per letter and audience, in one language.
//!
//! In charge of turning a study's types into what templates read. A facts type for a blinded reader has no arm in it
//! and is built from types without one (promise 6). Field names are the templates' interface: `hagaki preview
//! --fields` prints them, and both languages use the same.

mod account;
mod amendment;
mod answer;
mod balance;
mod cohort;
mod correction;
mod deed;
mod due;
mod election;
mod enrollment;
mod follow_up;
mod form;
mod group;
mod invitation;
mod kit;
mod kit_deed;
mod leave;
mod milestone;
mod noted;
mod notice;
mod piped;
mod randomization;
mod reminder;
mod sealed;
mod survey;
mod unreached;
mod week;

pub use account::{AccountChange, AccountChanged, AccountLink};
pub use amendment::{Amendment, AmendmentFailed, AmendmentInFull, AmendmentPlan, AmendmentPlanned, AmendmentWithdrawn};
pub use answer::{
    BlankForm, Confirm, ConfirmExpired, Conflict, Difference, FactName, Help, NotEntitled, Phase, Reason, ReasonLine,
    Refusal, Sameness, StatusUnknown,
};
pub use balance::{
    ArmBalance, ArmCount, ArmTotal, Balance, BalanceGroup, BalanceLevel, Digest, DigestUnblinded, Dispute,
    EpochBalance, FurtherBalance, FurtherCount, LevelCounts, may_know_balance,
};
pub use cohort::{CohortFilling, CohortLevel};
pub use correction::{Change, FormNames, MisnamedLine, ReadCorrection};
pub use deed::{
    AllocationHad, DeedConfirm, DeedForm, Disclosed, Disclosure, Lacking, Opening, Unblinded, UnblindedFurther,
    UnblindingNotice,
};
pub use due::{DueEvent, DueForm, FollowUpDue, Missing};
pub use election::{
    ElectionNoLink, ElectionNotice, ElectionPage, ElectionReceipt, ElectionResult, VotersEntry, VotersLink,
};
pub use enrollment::{ArmName, AssignmentBlinded, AssignmentOpen, Enrollment, Links, RegistrationDone, Site};
pub use follow_up::{
    EventEntry, EventForm, EventName, FollowUpConfirm, FollowUpConflict, FollowUpDone, FollowUpForm, FollowUpRefused,
    WindowDays,
};
pub use form::{
    ChoiceName, Expected, FaultLine, FollowUpHead, FormFacts, FormHead, FormLine, Reader, Shown, UnknownKey,
};
pub use group::{GroupConfirm, GroupConfirmed};
pub use invitation::{AccessOver, AccessOverNotice, Invitation, Invited, LinkAsked};
pub use kit::{
    KitReplacedBlinded, KitReplacedUnblinded, KitsShortBlinded, KitsShortUnblinded, LotLine, Replacement, ShortArm,
};
pub use kit_deed::{KitLine, KitRefused, KitReplaced, KitsQuarantined};
pub use leave::{LeaveConfirm, LeaveDone, LeaveNotice, OptOutDone, ParticipantHelp};
pub use milestone::{Milestone, Step};
pub use noted::{FactLine, Noted};
pub use notice::{AssignmentFailedAlert, HeldFor, NoticeBlind, NoticeOpen, NoticeUnblinded, QuarantineNotice};
pub use piped::piped;
pub use randomization::{
    FurtherBlinded, FurtherOpen, NoticeRandomized, NoticeRandomizedBlind, RandomizationConfirm, RandomizationConflict,
    RandomizationForm, RandomizationName, RandomizationRefused, Randomized, RandomizedBlinded, RandomizedOpen,
};
pub use reminder::{Reminded, Reminder, Silent, Tried, Unanswered};
pub use sealed::{SealFaultLine, SealRefused, Withheld};
pub use survey::{SurveyConfirm, SurveyDone, SurveyForm, SurveyRefused};
pub use unreached::{AddressesStopped, StoppedAddress};
pub use week::{
    WeekBound, WeekCount, WeekDue, WeekEnrollment, WeekFollowUp, WeekLetters, WeekSite, WeekSurvey, WeeklyReport,
    WeeklyReportUnblinded, days as week_days, percent, site as week_site,
};

use serde::{Deserialize, Serialize};

use super::clean;
use super::kind::Kind;
use crate::domain::language::Language;
use crate::domain::study::{Blinding, Person, Role, Stage, Study};
use crate::domain::time::{Instant, Zone};
use crate::limits;

/// A letter before it is worded: what every letter states, and what this one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Language of its facts and templates.
    pub language: Language,
    /// What every letter states.
    pub head: Head,
    /// What this one states.
    pub facts: Facts,
}

impl Letter {
    /// A letter in `language`; the recipient is not judged: for previews and the operator.
    pub const fn new(language: Language, head: Head, facts: Facts) -> Letter {
        Letter { language, head, facts }
    }

    /// States other facts of the same kind, so that whoever may read the one may read the other.
    pub fn retell(&mut self, facts: Facts) {
        debug_assert_eq!(self.facts.kind(), facts.kind(), "a letter of another kind has other readers");
        self.facts = facts;
    }

    /// A letter to `person`, if they may read it in a study blinded so (promise 6).
    ///
    /// # Errors
    /// [`NotForThem`] where the letter names an arm and the person is, or may be, blinded.
    pub fn to(
        person: &Person,
        blinding: Blinding,
        language: Language,
        head: Head,
        facts: Facts,
    ) -> Result<Letter, NotForThem> {
        let kind = facts.kind();
        if kind.may_go_to(blinding, person) {
            Ok(Letter::new(language, head, facts))
        } else {
            Err(NotForThem { kind, person: person.id.clone() })
        }
    }

    /// Its kind.
    pub const fn kind(&self) -> Kind {
        self.facts.kind()
    }
}

/// A letter that names an arm was about to go to somebody who must not know it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {} letter names the arm and must not go to {person}", .kind.key())]
pub struct NotForThem {
    /// Kind of letter.
    pub kind: Kind,
    /// Id of the person.
    pub person: String,
}

/// What every letter states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The study.
    pub study: StudyName,
    /// Who reads it.
    pub to: Reading,
    /// The address that forms are sent to.
    pub service: String,
    /// Whom a person may ask, other than the service.
    pub contact: Option<Contact>,
    /// When it was written, in the study's zone, with the offset.
    pub at: String,
}

/// The study, as letters name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyName {
    /// Name in subject lines.
    pub tag: String,
    /// Full name.
    pub title: String,
    /// Name in commands.
    pub slug: String,
    /// Whether it rehearses: every letter then says TEST.
    pub development: bool,
}

/// Who reads a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Name to greet; empty for the operator.
    pub name: String,
}

/// Somebody a person may write to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
}

impl Contact {
    /// Whom the person of that id may ask: the first coordinator who acts for `site`, and is not they; of an election else the first
    /// manager, for those are its committee.
    pub fn of(study: &Study, person: &str, site: Option<&str>, language: Language) -> Option<Contact> {
        let of = |role: Role| {
            let mut people = study.people.iter();
            people.find(|one| one.has(role) && one.id != person && site.is_none_or(|site| one.acts_for(site)))
        };
        let manager = || study.election.as_ref().and_then(|_| of(Role::Manager));
        let found = of(Role::Coordinator).or_else(manager)?;
        let address = found.addresses.first()?.clone();
        Some(Contact { name: short(found.name.in_language(language)), address })
    }
}

impl Head {
    /// What every letter to `person` states; the contact is the first coordinator who acts for `site`.
    ///
    /// `service` is the address that registration forms are sent to, sub-address included.
    pub fn new(
        study: &Study,
        stage: Stage,
        person: &Person,
        site: Option<&str>,
        service: &str,
        now: Instant,
        language: Language,
    ) -> Head {
        let contact = Contact::of(study, &person.id, site, language);
        let to = Reading { name: short(person.name.in_language(language)) };
        Head { to, contact, ..Head::to_operator(study, stage, service, now, language) }
    }

    /// What every letter to the operator states that concerns no study: the installation stands where the study does.
    pub fn of_installation(name: &str, service: &str, now: Instant) -> Head {
        Head {
            study: StudyName { tag: "hagaki".to_string(), title: short(name), slug: String::new(), development: false },
            to: Reading { name: String::new() },
            service: service.to_string(),
            contact: None,
            at: now.local(Zone::UTC),
        }
    }

    /// What every letter to the operator states, who is not of the study's staff.
    pub fn to_operator(study: &Study, stage: Stage, service: &str, now: Instant, language: Language) -> Head {
        Head {
            study: StudyName {
                tag: short(&study.tag),
                title: short(study.title.in_language(language)),
                slug: study.slug.clone(),
                development: stage == Stage::Development,
            },
            to: Reading { name: String::new() },
            service: service.to_string(),
            contact: None,
            at: now.local(study.zone),
        }
    }
}

/// What a letter states, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the Kind of the same name, which says what it is")]
pub enum Facts {
    AssignmentOpen(AssignmentOpen),
    AssignmentBlinded(AssignmentBlinded),
    RegistrationDone(RegistrationDone),
    DuplicateOpen(AssignmentOpen),
    DuplicateBlinded(AssignmentBlinded),
    DuplicateRegistration(RegistrationDone),
    StatusOpen(AssignmentOpen),
    StatusBlinded(AssignmentBlinded),
    StatusRegistration(RegistrationDone),
    StatusUnknown(StatusUnknown),
    Refusal(Refusal),
    Conflict(Conflict),
    Confirm(Confirm),
    ConfirmExpired(ConfirmExpired),
    BlankForm(BlankForm),
    Help(Help),
    NotEntitled(NotEntitled),
    DeedForm(DeedForm),
    DeedConfirm(DeedConfirm),
    Unblinded(Unblinded),
    UnblindOpen(AssignmentOpen),
    UnblindingNotice(UnblindingNotice),
    KitReplaced(KitReplaced),
    KitsQuarantined(KitsQuarantined),
    KitRefused(KitRefused),
    FactDone(Noted),
    FactNotice(Noted),
    NoticeBlind(NoticeBlind),
    NoticeOpen(NoticeOpen),
    NoticeUnblinded(NoticeUnblinded),
    QuarantineNotice(QuarantineNotice),
    AssignmentFailedAlert(AssignmentFailedAlert),
    KitReplacedBlinded(KitReplacedBlinded),
    KitReplacedUnblinded(KitReplacedUnblinded),
    KitsShortBlinded(KitsShortBlinded),
    KitsShortUnblinded(KitsShortUnblinded),
    CohortFilling(CohortFilling),
    AmendmentPlanned(AmendmentPlanned),
    AmendmentWithdrawn(AmendmentWithdrawn),
    AmendmentFailed(AmendmentFailed),
    StudyAmended(Amendment),
    StudyAmendedUnblinded(AmendmentInFull),
    Digest(Digest),
    DigestUnblinded(DigestUnblinded),
    Balance(Balance),
    Invitation(Invitation),
    Reminder(Reminder),
    Unanswered(Unanswered),
    FollowUpDue(FollowUpDue),
    WeeklyReport(Box<WeeklyReport>),
    WeeklyReportUnblinded(Box<WeeklyReportUnblinded>),
    RandomizedOpen(RandomizedOpen),
    RandomizedBlinded(RandomizedBlinded),
    RandomizedBeforeOpen(RandomizedOpen),
    RandomizedBeforeBlinded(RandomizedBlinded),
    RandomizationRefused(RandomizationRefused),
    RandomizationConflict(RandomizationConflict),
    RandomizationConfirm(RandomizationConfirm),
    RandomizationForm(RandomizationForm),
    NoticeRandomizedBlind(NoticeRandomizedBlind),
    NoticeRandomizedOpen(NoticeRandomized),
    NoticeRandomizedUnblinded(NoticeRandomized),
    FollowUpForm(FollowUpForm),
    FollowUpRefused(FollowUpRefused),
    FollowUpDone(FollowUpDone),
    FollowUpConflict(FollowUpConflict),
    FollowUpConfirm(FollowUpConfirm),
    LinkAsked(LinkAsked),
    /// A link was asked for after its end, to the participant and to those in charge.
    AccessOver(AccessOver),
    AccessOverNotice(AccessOverNotice),
    SurveyForm(SurveyForm),
    SurveyRefused(SurveyRefused),
    SurveyDone(SurveyDone),
    SurveyConfirm(SurveyConfirm),
    ParticipantHelp(ParticipantHelp),
    LeaveConfirm(LeaveConfirm),
    LeaveDone(LeaveDone),
    LeaveNotice(LeaveNotice),
    OptOutDone(OptOutDone),
    AddressesStopped(AddressesStopped),
    /// A link by which a password is chosen.
    AccountLink(AccountLink),
    /// What was done about how somebody signs in.
    AccountChanged(AccountChanged),
    GroupConfirm(GroupConfirm),
    GroupConfirmed(GroupConfirmed),
    EnrollmentEnded(Milestone),
    EnrollmentReopened(Milestone),
    StudyClosed(Milestone),
    AllUnblinded(Milestone),
    SecretRevealed(Milestone),
    ElectionNotice(ElectionNotice),
    ElectionCredential(VotersLink),
    ElectionRenewed(VotersLink),
    ElectionReminder(VotersLink),
    ElectionReceipt(ElectionReceipt),
    ElectionResult(ElectionResult),
    ElectionNoLink(ElectionNoLink),
    ElectionAsked(ElectionPage),
    ElectionRefused(ElectionPage),
    ElectionHelp(ElectionPage),
    SealRefused(SealRefused),
    AssignmentWithheld(Withheld),
    AnswerWithheld(Withheld),
    NoticeWithheld(Withheld),
}

impl Facts {
    /// What is sent in place of a letter of that kind, which must not leave in the clear.
    pub const fn in_place_of(kind: Kind, withheld: Withheld) -> Facts {
        match kind.withheld() {
            Kind::AssignmentWithheld => Facts::AssignmentWithheld(withheld),
            Kind::AnswerWithheld => Facts::AnswerWithheld(withheld),
            _ => Facts::NoticeWithheld(withheld),
        }
    }

    /// Page on which their reader stops letters like this, where they can.
    pub fn unsubscribe(&self) -> Option<&str> {
        let page = match self {
            Facts::Invitation(facts) => &facts.unsubscribe,
            Facts::Reminder(facts) => &facts.unsubscribe,
            _ => return None,
        };
        Some(page.as_str()).filter(|page| !page.is_empty())
    }

    /// The kind of letter that states them.
    pub const fn kind(&self) -> Kind {
        match self {
            Facts::AssignmentOpen(_) => Kind::AssignmentOpen,
            Facts::AssignmentBlinded(_) => Kind::AssignmentBlinded,
            Facts::RegistrationDone(_) => Kind::RegistrationDone,
            Facts::DuplicateOpen(_) => Kind::DuplicateOpen,
            Facts::DuplicateBlinded(_) => Kind::DuplicateBlinded,
            Facts::DuplicateRegistration(_) => Kind::DuplicateRegistration,
            Facts::StatusOpen(_) => Kind::StatusOpen,
            Facts::StatusBlinded(_) => Kind::StatusBlinded,
            Facts::StatusRegistration(_) => Kind::StatusRegistration,
            Facts::StatusUnknown(_) => Kind::StatusUnknown,
            Facts::Refusal(_) => Kind::Refusal,
            Facts::Conflict(_) => Kind::Conflict,
            Facts::Confirm(_) => Kind::Confirm,
            Facts::ConfirmExpired(_) => Kind::ConfirmExpired,
            Facts::BlankForm(_) => Kind::BlankForm,
            Facts::Help(_) => Kind::Help,
            Facts::NotEntitled(_) => Kind::NotEntitled,
            Facts::DeedForm(_) => Kind::DeedForm,
            Facts::DeedConfirm(_) => Kind::DeedConfirm,
            Facts::Unblinded(_) => Kind::Unblinded,
            Facts::UnblindOpen(_) => Kind::UnblindOpen,
            Facts::UnblindingNotice(_) => Kind::UnblindingNotice,
            Facts::KitReplaced(_) => Kind::KitReplaced,
            Facts::KitsQuarantined(_) => Kind::KitsQuarantined,
            Facts::KitRefused(_) => Kind::KitRefused,
            Facts::FactDone(_) => Kind::FactDone,
            Facts::FactNotice(_) => Kind::FactNotice,
            Facts::NoticeBlind(_) => Kind::NoticeBlind,
            Facts::NoticeOpen(_) => Kind::NoticeOpen,
            Facts::NoticeUnblinded(_) => Kind::NoticeUnblinded,
            Facts::QuarantineNotice(_) => Kind::QuarantineNotice,
            Facts::AssignmentFailedAlert(_) => Kind::AssignmentFailedAlert,
            Facts::KitReplacedBlinded(_) => Kind::KitReplacedBlinded,
            Facts::KitReplacedUnblinded(_) => Kind::KitReplacedUnblinded,
            Facts::KitsShortBlinded(_) => Kind::KitsShortBlinded,
            Facts::KitsShortUnblinded(_) => Kind::KitsShortUnblinded,
            Facts::CohortFilling(_) => Kind::CohortFilling,
            Facts::AmendmentPlanned(_) => Kind::AmendmentPlanned,
            Facts::AmendmentWithdrawn(_) => Kind::AmendmentWithdrawn,
            Facts::AmendmentFailed(_) => Kind::AmendmentFailed,
            Facts::StudyAmended(_) => Kind::StudyAmended,
            Facts::StudyAmendedUnblinded(_) => Kind::StudyAmendedUnblinded,
            Facts::Digest(_) => Kind::Digest,
            Facts::DigestUnblinded(_) => Kind::DigestUnblinded,
            Facts::Balance(_) => Kind::Balance,
            Facts::Invitation(_) => Kind::Invitation,
            Facts::Reminder(_) => Kind::Reminder,
            Facts::Unanswered(_) => Kind::Unanswered,
            Facts::FollowUpDue(_) => Kind::FollowUpDue,
            Facts::WeeklyReport(_) => Kind::WeeklyReport,
            Facts::WeeklyReportUnblinded(_) => Kind::WeeklyReportUnblinded,
            Facts::RandomizedOpen(_) => Kind::RandomizedOpen,
            Facts::RandomizedBlinded(_) => Kind::RandomizedBlinded,
            Facts::RandomizedBeforeOpen(_) => Kind::RandomizedBeforeOpen,
            Facts::RandomizedBeforeBlinded(_) => Kind::RandomizedBeforeBlinded,
            Facts::RandomizationRefused(_) => Kind::RandomizationRefused,
            Facts::RandomizationConflict(_) => Kind::RandomizationConflict,
            Facts::RandomizationConfirm(_) => Kind::RandomizationConfirm,
            Facts::RandomizationForm(_) => Kind::RandomizationForm,
            Facts::NoticeRandomizedBlind(_) => Kind::NoticeRandomizedBlind,
            Facts::NoticeRandomizedOpen(_) => Kind::NoticeRandomizedOpen,
            Facts::NoticeRandomizedUnblinded(_) => Kind::NoticeRandomizedUnblinded,
            Facts::FollowUpForm(_) => Kind::FollowUpForm,
            Facts::FollowUpRefused(_) => Kind::FollowUpRefused,
            Facts::FollowUpDone(_) => Kind::FollowUpDone,
            Facts::FollowUpConflict(_) => Kind::FollowUpConflict,
            Facts::FollowUpConfirm(_) => Kind::FollowUpConfirm,
            Facts::LinkAsked(_) => Kind::LinkAsked,
            Facts::AccessOver(_) => Kind::AccessOver,
            Facts::AccessOverNotice(_) => Kind::AccessOverNotice,
            Facts::SurveyForm(_) => Kind::SurveyForm,
            Facts::SurveyRefused(_) => Kind::SurveyRefused,
            Facts::SurveyDone(_) => Kind::SurveyDone,
            Facts::SurveyConfirm(_) => Kind::SurveyConfirm,
            Facts::ParticipantHelp(_) => Kind::ParticipantHelp,
            Facts::LeaveConfirm(_) => Kind::LeaveConfirm,
            Facts::LeaveDone(_) => Kind::LeaveDone,
            Facts::LeaveNotice(_) => Kind::LeaveNotice,
            Facts::OptOutDone(_) => Kind::OptOutDone,
            Facts::AddressesStopped(_) => Kind::AddressesStopped,
            Facts::AccountLink(_) => Kind::AccountLink,
            Facts::AccountChanged(_) => Kind::AccountChanged,
            Facts::GroupConfirm(_) => Kind::GroupConfirm,
            Facts::GroupConfirmed(_) => Kind::GroupConfirmed,
            Facts::EnrollmentEnded(_) => Kind::EnrollmentEnded,
            Facts::EnrollmentReopened(_) => Kind::EnrollmentReopened,
            Facts::StudyClosed(_) => Kind::StudyClosed,
            Facts::AllUnblinded(_) => Kind::AllUnblinded,
            Facts::SecretRevealed(_) => Kind::SecretRevealed,
            Facts::ElectionNotice(_) => Kind::ElectionNotice,
            Facts::ElectionCredential(_) => Kind::ElectionCredential,
            Facts::ElectionRenewed(_) => Kind::ElectionRenewed,
            Facts::ElectionReminder(_) => Kind::ElectionReminder,
            Facts::ElectionReceipt(_) => Kind::ElectionReceipt,
            Facts::ElectionResult(_) => Kind::ElectionResult,
            Facts::ElectionNoLink(_) => Kind::ElectionNoLink,
            Facts::ElectionAsked(_) => Kind::ElectionAsked,
            Facts::ElectionRefused(_) => Kind::ElectionRefused,
            Facts::ElectionHelp(_) => Kind::ElectionHelp,
            Facts::SealRefused(_) => Kind::SealRefused,
            Facts::AssignmentWithheld(_) => Kind::AssignmentWithheld,
            Facts::AnswerWithheld(_) => Kind::AnswerWithheld,
            Facts::NoticeWithheld(_) => Kind::NoticeWithheld,
        }
    }
}

/// One line of foreign or configured text, bounded.
fn short(text: &str) -> String {
    clean::line(text, limits::REPEATED_CHARS)
}
