//! Facts of letters that staff get unasked.

use serde::{Deserialize, Serialize};

use super::enrollment::{ArmName, Enrollment, Site};
use super::short;
use crate::domain::language::Language;
use crate::domain::study::{Arm, Person};
use crate::letters::words;

/// A subject was enrolled. There is no arm and no kit in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeBlind {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub enrolled_at: String,
    /// The earlier subject that is screened again as this one; empty if none.
    #[serde(default)]
    pub rescreens: String,
}

impl NoticeBlind {
    /// The facts of `enrollment` that everybody on the staff may know.
    pub fn new(enrollment: &Enrollment<'_>, language: Language) -> NoticeBlind {
        NoticeBlind {
            subject: short(enrollment.subject),
            site: enrollment.site(language),
            enrolled_at: enrollment.at(),
            rescreens: enrollment.linked().0,
        }
    }
}

/// A subject was enrolled into an arm, open label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeOpen {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub enrolled_at: String,
    /// The arm.
    pub arm: ArmName,
    /// The earlier subject that is screened again as this one; empty if none.
    #[serde(default)]
    pub rescreens: String,
    /// Whether the arm was given by hand.
    #[serde(default)]
    pub by_hand: bool,
}

impl NoticeOpen {
    /// The facts of `enrollment` into `arm`.
    pub fn new(enrollment: &Enrollment<'_>, arm: &Arm, language: Language) -> NoticeOpen {
        let NoticeBlind { subject, site, enrolled_at, rescreens } = NoticeBlind::new(enrollment, language);
        NoticeOpen { subject, site, enrolled_at, arm: ArmName::new(arm, language), rescreens, by_hand: false }
    }

    /// Tells also whether the arm was given by hand.
    #[must_use]
    pub fn by_hand(self, by_hand: bool) -> NoticeOpen {
        NoticeOpen { by_hand, ..self }
    }
}

/// A subject was enrolled into an arm and given a kit: for unblinded staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeUnblinded {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub enrolled_at: String,
    /// The arm.
    pub arm: ArmName,
    /// Code of the kit; empty where the study has none.
    pub kit: String,
    /// The earlier subject that is screened again as this one; empty if none.
    #[serde(default)]
    pub rescreens: String,
    /// Whether the arm was given by hand.
    #[serde(default)]
    pub by_hand: bool,
}

impl NoticeUnblinded {
    /// The facts of `enrollment` into `arm`, with the code of the kit handed out, if the study has kits.
    pub fn new(enrollment: &Enrollment<'_>, arm: &Arm, kit: Option<&str>, language: Language) -> NoticeUnblinded {
        let NoticeBlind { subject, site, enrolled_at, rescreens } = NoticeBlind::new(enrollment, language);
        let kit = short(kit.unwrap_or_default());
        let arm = ArmName::new(arm, language);
        NoticeUnblinded { subject, site, enrolled_at, arm, kit, rescreens, by_hand: false }
    }

    /// Tells also whether the arm was given by hand.
    #[must_use]
    pub fn by_hand(self, by_hand: bool) -> NoticeUnblinded {
        NoticeUnblinded { by_hand, ..self }
    }
}

/// A mail is held for a person: nothing of what it says, and not who sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineNotice {
    /// Number of the mail in the inbox, as the commands take it.
    pub id: String,
    /// When it came in, in the study's zone.
    pub received_at: String,
    /// Why it is held.
    pub reasons: Vec<HeldFor>,
}

/// One reason for holding a mail: the templates `held-<code>` word it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFor {
    /// The reason's key.
    pub code: String,
    /// Name of the template that words it.
    pub partial: String,
}

impl QuarantineNotice {
    /// The mail of that number, when it came in (already in the study's zone) and the keys of the reasons.
    pub fn new(id: &str, received_at: &str, reasons: &[&str]) -> QuarantineNotice {
        QuarantineNotice {
            id: short(id),
            received_at: short(received_at),
            reasons: reasons
                .iter()
                .map(|reason| HeldFor { code: short(reason), partial: words::held_piece(reason) })
                .collect(),
        }
    }
}

/// An assignment letter could not be delivered: somebody must tell the site in another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignmentFailedAlert {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// When the subject was enrolled, in the study's zone.
    pub enrolled_at: String,
    /// Name of the person the letter was for.
    pub person: String,
    /// Number of the letter in the outbox, as the commands take it.
    pub id: String,
    /// What the server said: an SMTP or enhanced status code (RFC 3463), never its text.
    pub status: String,
}

impl AssignmentFailedAlert {
    /// The letter of that outbox number, to `person`, about `enrollment`, and the status it failed with.
    pub fn new(
        enrollment: &Enrollment<'_>,
        person: &Person,
        id: &str,
        status: &str,
        language: Language,
    ) -> AssignmentFailedAlert {
        let NoticeBlind { subject, site, enrolled_at, .. } = NoticeBlind::new(enrollment, language);
        let person = short(person.name.in_language(language));
        AssignmentFailedAlert { subject, site, enrolled_at, person, id: short(id), status: short(status) }
    }
}
