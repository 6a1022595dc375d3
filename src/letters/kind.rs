//! Which letters there are, whom each is for, and whether it may name an arm.

mod names;

use crate::domain::study::{Blinding, Person};
use crate::domain::urgency::Urgency;

/// A kind of letter: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The subject is enrolled and has this arm (open label).
    AssignmentOpen,
    /// The subject is enrolled and gets the kit of this code (blinded).
    AssignmentBlinded,
    /// The subject is registered (no randomization).
    RegistrationDone,
    /// The same registration came again: the assignment repeated, open label.
    DuplicateOpen,
    /// The same registration came again: the assignment repeated, blinded.
    DuplicateBlinded,
    /// The same registration came again, no randomization.
    DuplicateRegistration,
    /// What became of a subject: the assignment repeated, open label.
    StatusOpen,
    /// What became of a subject: the assignment repeated, blinded.
    StatusBlinded,
    /// What became of a subject, no randomization.
    StatusRegistration,
    /// No subject of that reference is known to the sender.
    StatusUnknown,
    /// Not enrolled: what to mend, and the form filled in again.
    Refusal,
    /// The same subject with other data: nothing was changed.
    Conflict,
    /// What was read; reply to go on.
    Confirm,
    /// The reply token is spent, expired or unknown.
    ConfirmExpired,
    /// The registration form, empty.
    BlankForm,
    /// How to write to us.
    Help,
    /// The sender may not ask for that.
    NotEntitled,
    /// What a request about a subject lacks, and the form to fill in.
    DeedForm,
    /// What was read of a request about a subject; reply to go on.
    DeedConfirm,
    /// One subject's arm, to the person who asked with a reason and may know.
    Unblinded,
    /// One subject's arm, in a study that conceals none (open label).
    UnblindOpen,
    /// A person was told a subject's arm: who, when, why, and never which.
    UnblindingNotice,
    /// A subject gets another kit: its code, to whoever asked (blinded).
    KitReplaced,
    /// Kits are kept back, to whoever asked (blinded).
    KitsQuarantined,
    /// An act upon kits was not done, and why.
    KitRefused,
    /// A fact about a subject was recorded, to whoever told it.
    FactDone,
    /// A fact about a subject was recorded, to those who must know.
    FactNotice,
    /// A subject was enrolled: number, site, time.
    NoticeBlind,
    /// A subject was enrolled, with its arm (open label).
    NoticeOpen,
    /// A subject was enrolled, with its arm and kit (unblinded staff of a blinded study).
    NoticeUnblinded,
    /// A mail is held for a person.
    QuarantineNotice,
    /// An assignment letter could not be delivered.
    AssignmentFailedAlert,
    /// A subject gets another kit: its code (blinded).
    KitReplacedBlinded,
    /// A subject gets another kit, with its arm (unblinded staff of a blinded study).
    KitReplacedUnblinded,
    /// Kits run short at a place: nothing but the place.
    KitsShortBlinded,
    /// Kits run short at a place, arm by arm (unblinded staff of a blinded study).
    KitsShortUnblinded,
    /// A cohort is filling, or full.
    CohortFilling,
    /// An amendment is planned for a moment.
    AmendmentPlanned,
    /// One that was planned does not come into force.
    AmendmentWithdrawn,
    /// An amendment planned for a day could not come into force, to whoever is in charge.
    AmendmentFailed,
    /// An amendment is in force.
    StudyAmended,
    /// The same, with what it changes of the allocation (those who may know it).
    StudyAmendedUnblinded,
    /// How far the study and its audit chain have come, once a day.
    Digest,
    /// The same, with the balance of the arms (those who may know it).
    DigestUnblinded,
    /// The balance of the arms, to those who asked and may know it.
    Balance,
    /// Somebody is asked to answer, with their own way in.
    Invitation,
    /// Somebody who has not answered is asked once more.
    Reminder,
    /// Somebody does not answer, or a letter that asks did not arrive, to those in charge.
    Unanswered,
    /// Forms of events are to be filled in, to the site.
    FollowUpDue,
    /// How a study stands, once a week.
    WeeklyReport,
    /// The same, with the balance of the arms (those who may know it).
    WeeklyReportUnblinded,
    /// The subject was randomized again and has this arm (open label).
    RandomizedOpen,
    /// The subject was randomized again and gets the kit of this code (blinded).
    RandomizedBlinded,
    /// The same request came again: the further allocation repeated, open label.
    RandomizedBeforeOpen,
    /// The same request came again: the further allocation repeated, blinded.
    RandomizedBeforeBlinded,
    /// Not randomized again: what to mend, and the form filled in again.
    RandomizationRefused,
    /// The subject was randomized before by other data: nothing was changed.
    RandomizationConflict,
    /// What was read of a request for a further randomization; reply to go on.
    RandomizationConfirm,
    /// The form of a further randomization, and what a request lacks.
    RandomizationForm,
    /// A subject was randomized again: number, site, time.
    NoticeRandomizedBlind,
    /// A subject was randomized again, with its arm (open label).
    NoticeRandomizedOpen,
    /// A subject was randomized again, with its arm and kit (unblinded staff of a blinded study).
    NoticeRandomizedUnblinded,
    /// A form of an event, blank, and what a request for it lacks.
    FollowUpForm,
    /// A form of an event was not recorded: what to mend, and the form filled in again.
    FollowUpRefused,
    /// A form of an event was recorded, now or before.
    FollowUpDone,
    /// Other answers to the form of an event are on file: nothing was changed.
    FollowUpConflict,
    /// What was read of a form of an event; reply to go on.
    FollowUpConfirm,
    /// A fresh link was asked for; whether one was sent is not told.
    LinkAsked,
    /// The form of a survey, to be answered by mail.
    SurveyForm,
    /// Answers by mail that were not recorded: why, or what to mend.
    SurveyRefused,
    /// Answers by mail were recorded, now or before.
    SurveyDone,
    /// Answers by mail are unusual; reply to go on.
    SurveyConfirm,
    /// How a participant writes to us.
    ParticipantHelp,
    /// Somebody wants to take part no more; reply to go on.
    LeaveConfirm,
    /// Whether a participant takes part no more, to whoever asked.
    LeaveDone,
    /// A participant takes part no more, to those in charge.
    LeaveNotice,
    /// Invitations and reminders were stopped by mail, or come again; or why not.
    OptOutDone,
    /// Addresses at which letters fail again and again, to those in charge.
    AddressesStopped,
    /// A link was asked for after its end, to the participant.
    AccessOver,
    /// A link was asked for after its end, to those in charge.
    AccessOverNotice,
    /// Somebody with an account chooses a password, by the link in it.
    AccountLink,
    /// What was done about how somebody signs in, to the owner of the account.
    AccountChanged,
    /// A password of a group's account is to be chosen: its representative replies to go on.
    GroupConfirm,
    /// The link went to the group, to its representative who confirmed it.
    GroupConfirmed,
    /// Enrollment has ended, and what goes on.
    EnrollmentEnded,
    /// Enrollment is open again.
    EnrollmentReopened,
    /// The study is closed, and what ended with it.
    StudyClosed,
    /// The blind was opened for all subjects of a closed study: that it was, and never how.
    AllUnblinded,
    /// The secret of the draws was given away for verification.
    SecretRevealed,
    /// An election is held, and the roll laid open, to everybody on it.
    ElectionNotice,
    /// The link by which a voter votes.
    ElectionCredential,
    /// Another link in place of the one before, which a voter asked for.
    ElectionRenewed,
    /// Somebody who has not voted is reminded, with a link.
    ElectionReminder,
    /// A vote is in: its receipt number, and neither when it was cast nor what was voted.
    ElectionReceipt,
    /// The result of an election, with every number.
    ElectionResult,
    /// A voter who asked for a link gets none, and why.
    ElectionNoLink,
    /// A link was asked for; whether the address is on the roll is not told.
    ElectionAsked,
    /// A mail that brought a vote, which is not repeated: none is taken by mail.
    ElectionRefused,
    /// How voters write to us.
    ElectionHelp,
    /// A mail was not acted on because of how it was sealed (OpenPGP).
    SealRefused,
    /// Stands for a letter that somebody waits for and that could not be encrypted.
    AssignmentWithheld,
    /// Stands for another answer that could not be encrypted.
    AnswerWithheld,
    /// Stands for a notice that could not be encrypted.
    NoticeWithheld,
}

/// Whom a kind of letter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever wrote to us: a person on file, answered at the address on file.
    Sender,
    /// Staff who are told of what happened.
    Staff,
    /// Staff who may know the arm in a blinded study.
    Unblinded,
    /// Whoever asked for one subject's arm and may be told it: judged where the letter's facts are made.
    Entitled,
    /// Participants, who answer about themselves, voters, and whoever signs in.
    Participant,
}

impl Kind {
    /// Whom it is for.
    pub const fn audience(self) -> Audience {
        match self {
            Kind::NoticeUnblinded
            | Kind::NoticeRandomizedUnblinded
            | Kind::KitReplacedUnblinded
            | Kind::KitsShortUnblinded
            | Kind::DigestUnblinded
            | Kind::WeeklyReportUnblinded
            | Kind::StudyAmendedUnblinded
            | Kind::Balance => Audience::Unblinded,
            Kind::Unblinded => Audience::Entitled,
            Kind::Invitation
            | Kind::Reminder
            | Kind::AccessOver
            | Kind::AccountLink
            | Kind::AccountChanged
            | Kind::ElectionNotice
            | Kind::ElectionCredential
            | Kind::ElectionRenewed
            | Kind::ElectionReminder
            | Kind::ElectionReceipt
            | Kind::ElectionResult
            | Kind::ElectionNoLink => Audience::Participant,
            Kind::NoticeBlind
            | Kind::NoticeOpen
            | Kind::NoticeRandomizedBlind
            | Kind::NoticeRandomizedOpen
            | Kind::UnblindingNotice
            | Kind::FactNotice
            | Kind::QuarantineNotice
            | Kind::AssignmentFailedAlert
            | Kind::KitReplacedBlinded
            | Kind::KitsShortBlinded
            | Kind::CohortFilling
            | Kind::AmendmentPlanned
            | Kind::AmendmentWithdrawn
            | Kind::AmendmentFailed
            | Kind::StudyAmended
            | Kind::GroupConfirm
            | Kind::LeaveNotice
            | Kind::AddressesStopped
            | Kind::AccessOverNotice
            | Kind::Unanswered
            | Kind::FollowUpDue
            | Kind::WeeklyReport
            | Kind::EnrollmentEnded
            | Kind::EnrollmentReopened
            | Kind::StudyClosed
            | Kind::AllUnblinded
            | Kind::SecretRevealed
            | Kind::NoticeWithheld
            | Kind::Digest => Audience::Staff,
            _ => Audience::Sender,
        }
    }

    /// Whether its facts have an arm in them.
    pub const fn names_arm(self) -> bool {
        matches!(
            self,
            Kind::AssignmentOpen
                | Kind::DuplicateOpen
                | Kind::StatusOpen
                | Kind::Unblinded
                | Kind::UnblindOpen
                | Kind::NoticeOpen
                | Kind::NoticeUnblinded
                | Kind::RandomizedOpen
                | Kind::RandomizedBeforeOpen
                | Kind::NoticeRandomizedOpen
                | Kind::NoticeRandomizedUnblinded
                | Kind::KitReplacedUnblinded
                | Kind::KitsShortUnblinded
                | Kind::DigestUnblinded
                | Kind::WeeklyReportUnblinded
                | Kind::StudyAmendedUnblinded
                | Kind::Balance
        )
    }

    /// Whether it tells the outcome of an enrollment or a further randomization to the one who asked.
    pub const fn is_assignment(self) -> bool {
        matches!(
            self,
            Kind::AssignmentOpen
                | Kind::AssignmentBlinded
                | Kind::RegistrationDone
                | Kind::RandomizedOpen
                | Kind::RandomizedBlinded
                | Kind::AssignmentWithheld
        )
    }

    /// Whether it asks for a reply to the one-time address in it.
    pub const fn asks(self) -> bool {
        matches!(
            self,
            Kind::Confirm
                | Kind::DeedConfirm
                | Kind::RandomizationConfirm
                | Kind::FollowUpConfirm
                | Kind::SurveyConfirm
                | Kind::LeaveConfirm
        )
    }

    /// Whether its loss must alert somebody, and no budget of answers holds it back: somebody waits to treat a patient by it.
    pub const fn must_arrive(self) -> bool {
        self.is_assignment() || matches!(self, Kind::Unblinded | Kind::KitReplaced)
    }

    /// Which goes first.
    pub const fn urgency(self) -> Urgency {
        match self {
            Kind::UnblindOpen | Kind::AssignmentFailedAlert => Urgency::Treatment,
            _ if self.must_arrive() => Urgency::Treatment,
            // A participant asks for a way in on a page, a voter by mail or of the committee.
            Kind::AccountLink | Kind::ElectionRenewed => Urgency::Asked,
            _ if self.answers() => Urgency::Asked,
            Kind::Invitation
            | Kind::Reminder
            | Kind::Unanswered
            | Kind::FollowUpDue
            | Kind::WeeklyReport
            | Kind::WeeklyReportUnblinded
            | Kind::Digest
            | Kind::DigestUnblinded
            | Kind::ElectionNotice
            | Kind::ElectionCredential
            | Kind::ElectionReminder
            | Kind::ElectionReceipt
            | Kind::ElectionResult => Urgency::Mass,
            _ => Urgency::Notice,
        }
    }

    /// Which goes first where it was written because of a mail: what a participant asked for is no mailing.
    pub const fn urgency_in_answer(self) -> Urgency {
        match (self.audience(), self.urgency()) {
            (Audience::Participant, Urgency::Mass | Urgency::Notice) => Urgency::Asked,
            (_, urgency) => urgency,
        }
    }

    /// Whether it answers a mail, rather than being written unasked (RFC 3834 section 5).
    pub const fn answers(self) -> bool {
        matches!(self.audience(), Audience::Sender | Audience::Entitled) || matches!(self, Kind::Balance)
    }

    /// Whether `person` may be sent it in a study blinded so (promise 6).
    ///
    /// In a blinded study whoever enrolls is blinded, whatever other role they have. Who may be told one subject's arm by
    /// request is the study's to say: [`Disclosure`](crate::letters::facts::Disclosure) asks it.
    pub fn may_go_to(self, blinding: Blinding, person: &Person) -> bool {
        match blinding {
            Blinding::Open => true,
            Blinding::Blinded => match self.audience() {
                Audience::Entitled => true,
                Audience::Unblinded => person.knows_arms(),
                Audience::Sender | Audience::Staff | Audience::Participant => !self.names_arm(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::study::Role;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::find(kind.key()), Some(kind));
        }
    }

    #[test]
    fn who_waits_is_served_before_mailings() {
        let of = |urgency: Urgency| Kind::ALL.into_iter().filter(move |kind| kind.urgency() == urgency);
        assert!(Kind::ALL.into_iter().all(|kind| !kind.must_arrive() || kind.urgency() == Urgency::Treatment));
        assert!(of(Urgency::Mass).all(|kind| !kind.answers() && !kind.asks()));
        assert_eq!(of(Urgency::Mass).count(), 13);
        assert_eq!((Kind::AccountLink.urgency(), Kind::Confirm.urgency()), (Urgency::Asked, Urgency::Asked));
        // Whoever asks for a link by mail gets it at once; whoever is invited waits for their turn.
        assert_eq!((Kind::Invitation.urgency(), Kind::Invitation.urgency_in_answer()), (Urgency::Mass, Urgency::Asked));
        assert_eq!(Kind::NoticeBlind.urgency_in_answer(), Urgency::Notice);
        assert!(Urgency::Treatment.number() < Urgency::Mass.number());
    }

    #[test]
    fn in_a_blinded_study_only_unblinded_staff_may_read_of_an_arm() {
        let person = |roles: &[Role]| Person {
            id: "p".into(),
            name: Default::default(),
            addresses: vec![],
            roles: roles.to_vec(),
            sites: vec![],
            language: None,
            representative: None,
        };
        let naming: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.names_arm()).collect();
        assert_eq!(naming.len(), 17);
        for kind in naming.into_iter().filter(|kind| kind.audience() != Audience::Entitled) {
            let unblinded = kind.audience() == Audience::Unblinded;
            for (roles, expected) in [
                (&[Role::Pharmacist][..], unblinded),
                (&[Role::Statistician, Role::Manager], unblinded),
                (&[Role::Pharmacist, Role::Investigator], false),
                (&[Role::Statistician, Role::Monitor], false),
                (&[Role::Coordinator], false),
                (&[], false),
            ] {
                assert_eq!(kind.may_go_to(Blinding::Blinded, &person(roles)), expected, "{kind:?} {roles:?}");
                assert!(kind.may_go_to(Blinding::Open, &person(roles)));
            }
        }
    }
}
