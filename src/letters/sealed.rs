//! Letters that are sealed by OpenPGP: which tell of cases, and how a sealed one stands in a mail (RFC 3156).
//!
//! Only what is below the header is sealed. Subjects hold nothing personal anyway, and everybody on the way needs the rest.

use sha2::{Digest, Sha256};

use super::kind::Kind;
use crate::domain::openpgp::{Envelope, SealFault};

/// Media type of a sealed body.
const MEDIA: &str = "multipart/encrypted";

impl Kind {
    /// Whether it tells of a case, or repeats what was written of one: where a study wants such letters encrypted, it leaves so or not at
    /// all.
    pub const fn tells_of_case(self) -> bool {
        match self {
            Kind::AssignmentOpen
            | Kind::AssignmentBlinded
            | Kind::RegistrationDone
            | Kind::DuplicateOpen
            | Kind::DuplicateBlinded
            | Kind::DuplicateRegistration
            | Kind::StatusOpen
            | Kind::StatusBlinded
            | Kind::StatusRegistration
            | Kind::StatusUnknown
            | Kind::Refusal
            | Kind::Conflict
            | Kind::Confirm
            | Kind::DeedForm
            | Kind::DeedConfirm
            | Kind::Unblinded
            | Kind::UnblindOpen
            | Kind::UnblindingNotice
            | Kind::KitReplaced
            | Kind::KitsQuarantined
            | Kind::KitRefused
            | Kind::FactDone
            | Kind::FactNotice
            | Kind::NoticeBlind
            | Kind::NoticeOpen
            | Kind::NoticeUnblinded
            | Kind::AssignmentFailedAlert
            | Kind::KitReplacedBlinded
            | Kind::KitReplacedUnblinded
            | Kind::FollowUpDue
            | Kind::RandomizedOpen
            | Kind::RandomizedBlinded
            | Kind::RandomizedBeforeOpen
            | Kind::RandomizedBeforeBlinded
            | Kind::RandomizationRefused
            | Kind::RandomizationConflict
            | Kind::RandomizationConfirm
            | Kind::RandomizationForm
            | Kind::NoticeRandomizedBlind
            | Kind::NoticeRandomizedOpen
            | Kind::NoticeRandomizedUnblinded
            | Kind::FollowUpForm
            | Kind::FollowUpRefused
            | Kind::FollowUpDone
            | Kind::FollowUpConflict
            | Kind::FollowUpConfirm
            | Kind::SurveyRefused
            | Kind::SurveyDone
            | Kind::SurveyConfirm
            | Kind::Unanswered
            | Kind::LeaveNotice
            | Kind::AccessOverNotice => true,
            // Numbers of a whole study, forms without answers, ways in, and what concerns nobody's case.
            Kind::ConfirmExpired
            | Kind::BlankForm
            | Kind::Help
            | Kind::NotEntitled
            | Kind::QuarantineNotice
            | Kind::KitsShortBlinded
            | Kind::KitsShortUnblinded
            | Kind::CohortFilling
            | Kind::AmendmentPlanned
            | Kind::AmendmentWithdrawn
            | Kind::AmendmentFailed
            | Kind::StudyAmended
            | Kind::StudyAmendedUnblinded
            | Kind::Digest
            | Kind::DigestUnblinded
            | Kind::Balance
            | Kind::Invitation
            | Kind::Reminder
            | Kind::WeeklyReport
            | Kind::WeeklyReportUnblinded
            | Kind::LinkAsked
            | Kind::SurveyForm
            | Kind::ParticipantHelp
            | Kind::LeaveConfirm
            | Kind::LeaveDone
            | Kind::AccessOver
            | Kind::AccountLink
            | Kind::AccountChanged
            | Kind::GroupConfirm
            | Kind::GroupConfirmed
            | Kind::EnrollmentEnded
            | Kind::EnrollmentReopened
            | Kind::StudyClosed
            | Kind::AllUnblinded
            | Kind::SecretRevealed
            | Kind::OptOutDone
            | Kind::AddressesStopped
            | Kind::ElectionNotice
            | Kind::ElectionCredential
            | Kind::ElectionRenewed
            | Kind::ElectionReminder
            | Kind::ElectionReceipt
            | Kind::ElectionResult
            | Kind::ElectionNoLink
            | Kind::ElectionAsked
            | Kind::ElectionRefused
            | Kind::ElectionHelp
            | Kind::SealRefused
            | Kind::AssignmentWithheld
            | Kind::AnswerWithheld
            | Kind::NoticeWithheld => false,
        }
    }

    /// The kind that is sent in its place where it must not leave in the clear: as urgent, and as much waited for.
    pub const fn withheld(self) -> Kind {
        match self {
            _ if self.must_arrive() => Kind::AssignmentWithheld,
            _ if self.answers() => Kind::AnswerWithheld,
            _ => Kind::NoticeWithheld,
        }
    }
}

/// A body with its own header, sealed: header and parts that take its place. `key` is the letter's own, so that the same letter has the
/// same bytes.
///
/// # Errors
/// It could not be sealed.
pub fn seal(envelope: &Envelope, body: Vec<u8>, key: &str) -> Result<Vec<u8>, SealFault> {
    let armored = envelope.seal(body)?;
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(key.as_bytes()));
    let boundary = format!("=_{}", digest.get(..32).unwrap_or_default());
    let armored = armored.trim_end().replace("\r\n", "\n").replace('\n', "\r\n");
    Ok(format!(
        "Content-Type: {MEDIA}; protocol=\"application/pgp-encrypted\";\r\n boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
         --{boundary}\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\
         Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n{armored}\r\n\
         --{boundary}--\r\n"
    )
    .into_bytes())
}

/// What is sealed in a letter of ours, in ASCII armor; none if it is in the clear.
pub fn armored(raw: &[u8]) -> Option<&str> {
    const END: &str = "-----END PGP MESSAGE-----";
    let text = std::str::from_utf8(raw).ok().filter(|_| is_sealed(raw))?;
    let from = text.get(text.find("-----BEGIN PGP MESSAGE-----")?..)?;
    from.get(..from.find(END)? + END.len())
}

/// Whether a letter of ours left sealed.
pub fn is_sealed(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw);
    let header = text.split("\r\n\r\n").next().unwrap_or_default();
    header.lines().any(|line| line.strip_prefix("Content-Type: ").is_some_and(|media| media.starts_with(MEDIA)))
}
