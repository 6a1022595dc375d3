//! What can be asked about one subject, or about kits, by mail after an enrollment, and who may ask it.
//!
//! In charge of the closed list of such acts and of the rule of roles. To add one: a variant of [`Deed`], its words in
//! `templates/words/`, its letters' words, and the arms of the matches the compiler then points at.

use std::collections::BTreeMap;

use super::study::{Arm, Person, Role, Study};
use super::text;

/// What is asked about one subject, or about kits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// To be told its arm.
    Unblind,
    /// To record that it withdrew.
    Withdraw,
    /// To record which of its answers were wrong, and what would be right.
    Correct,
    /// To be given another kit for it.
    ReplaceKit,
    /// To have kits kept back, so that nobody is given them.
    QuarantineKit,
    /// To record that it was enrolled by mistake, or randomized by mistake in a further allocation.
    InError,
    /// To record that it did not meet the criteria, or those of a further allocation.
    Ineligible,
}

impl Deed {
    /// Every deed.
    pub const ALL: [Deed; 7] = [
        Deed::Unblind,
        Deed::Withdraw,
        Deed::Correct,
        Deed::ReplaceKit,
        Deed::QuarantineKit,
        Deed::InError,
        Deed::Ineligible,
    ];

    /// Name in templates, tables, audit entries and logs.
    pub const fn key(self) -> &'static str {
        match self {
            Deed::Unblind => "unblind",
            Deed::Withdraw => "withdraw",
            Deed::Correct => "correct",
            Deed::ReplaceKit => "replace-kit",
            Deed::QuarantineKit => "quarantine-kit",
            Deed::InError => "randomized-in-error",
            Deed::Ineligible => "ineligible",
        }
    }

    /// Whether it can be about one of a subject's allocations alone.
    pub const fn of_allocation(self) -> bool {
        matches!(self, Deed::InError | Deed::Ineligible)
    }

    /// Whether it is about kits, which only blinded studies hand out.
    pub const fn concerns_kits(self) -> bool {
        matches!(self, Deed::ReplaceKit | Deed::QuarantineKit)
    }

    /// The deed of that name.
    pub fn find(key: &str) -> Option<Deed> {
        Deed::ALL.into_iter().find(|deed| deed.key() == key)
    }

    /// Whether a person of that study may ask for it, of subjects of the sites they act for.
    pub fn allowed(self, study: &Study, person: &Person) -> bool {
        match self {
            Deed::Unblind => study.unblinding.roles.iter().any(|role| person.has(*role)),
            Deed::Withdraw | Deed::Correct | Deed::InError | Deed::Ineligible => {
                person.roles.iter().any(|role| role.enrolls())
            }
            Deed::ReplaceKit | Deed::QuarantineKit => KIT_ROLES.iter().any(|role| person.has(*role)),
        }
    }
}

/// Who may ask for another kit, and keep kits back: whoever treats, or hands out.
pub const KIT_ROLES: [Role; 3] = [Role::Investigator, Role::Coordinator, Role::Pharmacist];

/// One deed as somebody asked for it: texts as typed, without control characters; empty where nothing was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What is asked.
    pub deed: Deed,
    /// Our subject number, or the site's own reference.
    pub subject: String,
    /// The site that the reference belongs to, if it was named.
    pub site: Option<String>,
    /// Why.
    pub reason: String,
    /// Items to be corrected, with what would have been right.
    pub changes: BTreeMap<String, String>,
    /// Codes of kits.
    pub kits: Vec<String>,
    /// Id of the allocation that an error is about, as far as it was named: a further one, or the first for the enrollment and so
    /// the subject as a whole.
    pub randomization: Option<String>,
    /// What was named as a randomization, where the study has none of that name; else empty.
    pub which: String,
    /// Lines of a correction whose keys mean nothing, with their values.
    pub unused: Vec<(String, String)>,
}

/// What a request lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Of which subject.
    Subject,
    /// Why.
    Reason,
    /// What is to be corrected.
    Changes,
    /// Other values than those that are on file.
    OnFile,
    /// A randomization that the study has.
    Randomization,
    /// Of which subject, or in place of which kit.
    SubjectOrKit,
    /// In place of which of the subject's kits.
    WhichKit,
    /// Which kits.
    Kits,
    /// Which of the subject's allocations it is about.
    WhichAllocation,
}

impl Lack {
    /// Key in templates (`lack-<key>`) and audit entries.
    pub const fn key(self) -> &'static str {
        match self {
            Lack::Subject => "subject",
            Lack::Reason => "reason",
            Lack::Changes => "changes",
            Lack::OnFile => "on-file",
            Lack::Randomization => "randomization",
            Lack::SubjectOrKit => "subject-or-kit",
            Lack::WhichKit => "which-kit",
            Lack::Kits => "kits",
            Lack::WhichAllocation => "which-allocation",
        }
    }
}

/// A name that means no item which can be corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misnamed {
    /// As it was given.
    pub name: String,
    /// Why not.
    pub why: Misname,
}

/// Why a name means no item which can be corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misname {
    /// No form of the study has it.
    Unknown,
    /// It is calculated, from the answers to these items.
    Calculated(Vec<String>),
    /// It stands in the forms of these randomizations, and the subject has none of them.
    NotThere(Vec<String>),
    /// It stands in the forms of these randomizations, all of which the subject has.
    Several(Vec<String>),
}

impl Misname {
    /// Key in templates (`misname-<key>`) and audit entries.
    pub const fn key(&self) -> &'static str {
        match self {
            Misname::Unknown => "unknown",
            Misname::Calculated(_) => "calculated",
            Misname::NotThere(_) => "not-there",
            Misname::Several(_) => "several",
        }
    }
}

impl Wanted {
    /// What must be told before anything can be done.
    pub fn lacks(&self) -> Vec<Lack> {
        let mut lacks = Vec::new();
        match self.deed {
            // One kit tells whose it is; of several none is taken.
            Deed::ReplaceKit if self.kits.len() > 1 || self.kits.is_empty() && self.subject.is_empty() => {
                lacks.push(Lack::SubjectOrKit);
            }
            Deed::QuarantineKit if self.kits.is_empty() => lacks.push(Lack::Kits),
            Deed::ReplaceKit | Deed::QuarantineKit => {}
            _ if self.subject.is_empty() => lacks.push(Lack::Subject),
            _ => {}
        }
        if self.reason.is_empty() {
            lacks.push(Lack::Reason);
        }
        if self.deed == Deed::Correct && self.changes.is_empty() {
            lacks.push(Lack::Changes);
        }
        if !self.which.is_empty() {
            lacks.push(Lack::Randomization);
        }
        lacks
    }
}

/// Who may be told one subject's arm by request, who hears of it, and how sure they must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unblinding {
    /// Roles that may ask, of subjects of their sites.
    pub roles: Vec<Role>,
    /// Roles that are told that it happened, and never the arm.
    pub tell: Vec<Role>,
    /// Whether a request by mail is confirmed by replying to a one-time token.
    pub confirm: bool,
}

impl Default for Unblinding {
    /// The investigator of the site and the pharmacist may ask, coordinator and manager hear of it, and it is confirmed.
    fn default() -> Unblinding {
        Unblinding {
            roles: vec![Role::Investigator, Role::Pharmacist],
            tell: vec![Role::Coordinator, Role::Manager],
            confirm: true,
        }
    }
}

/// Words beside which a single letter means an arm.
const ARM_NOUNS: [&str; 4] = ["arm", "group", "群", "treatment"];

/// Whether a text gives away an arm: its name in any language, or its code standing by itself. A code of one letter counts
/// only in a text that speaks of arms, as it is written: most texts hold an `a`.
pub fn tells_arm(study: &Study, reason: &str) -> bool {
    find_arm_told(study.every_arm(), reason).is_some()
}

/// The arm that a text gives away, of these.
pub fn find_arm_told<'a>(arms: impl IntoIterator<Item = &'a Arm>, reason: &str) -> Option<&'a Arm> {
    let wide = text::fold_width(reason);
    let folded = text::fold(reason);
    let speaks_of_arms = ARM_NOUNS.iter().any(|noun| folded.contains(noun));
    arms.into_iter().find(|arm| {
        let named = arm.name.wordings().map(|(_, name)| text::fold(name));
        let coded = match arm.code.chars().count() {
            1 => speaks_of_arms && stands_alone(&wide, &arm.code),
            _ => stands_alone(&folded, &text::fold(&arm.code)),
        };
        coded || named.into_iter().any(|name| !name.is_empty() && folded.contains(&name))
    })
}

/// Whether a word stands in a text without Latin letters or digits beside it.
fn stands_alone(text: &str, word: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric();
    text.match_indices(word).any(|(at, found)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let behind = text.get(at + found.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(letter) && !behind.is_some_and(letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(deed: Deed, subject: &str, reason: &str) -> Wanted {
        let (subject, reason) = (subject.to_owned(), reason.to_owned());
        let (which, unused) = (String::new(), Vec::new());
        let (changes, kits, randomization) = (BTreeMap::new(), Vec::new(), None);
        Wanted { deed, subject, site: None, reason, changes, kits, randomization, which, unused }
    }

    #[test]
    fn every_deed_has_a_name_of_its_own() {
        for deed in Deed::ALL {
            assert_eq!(Deed::find(deed.key()), Some(deed));
        }
    }

    #[test]
    fn what_is_lacking_is_told_at_once() {
        assert_eq!(wanted(Deed::Unblind, "", "").lacks(), [Lack::Subject, Lack::Reason]);
        assert_eq!(wanted(Deed::Correct, "A-1", "typing error").lacks(), [Lack::Changes]);
        assert_eq!(wanted(Deed::Withdraw, "A-1", "moved away").lacks(), []);
        assert_eq!(wanted(Deed::InError, "", "").lacks(), [Lack::Subject, Lack::Reason]);
        assert_eq!(wanted(Deed::ReplaceKit, "", "").lacks(), [Lack::SubjectOrKit, Lack::Reason]);
        assert_eq!(wanted(Deed::ReplaceKit, "A-1", "broken").lacks(), []);
        assert_eq!(wanted(Deed::QuarantineKit, "A-1", "too warm").lacks(), [Lack::Kits]);
        let kits = |deed, kits: &[&str]| {
            let kits = kits.iter().map(|code| (*code).to_owned()).collect();
            Wanted { kits, ..wanted(deed, "", "too warm") }.lacks()
        };
        assert_eq!(kits(Deed::ReplaceKit, &["K-1"]), []);
        assert_eq!(kits(Deed::ReplaceKit, &["K-1", "K-2"]), [Lack::SubjectOrKit]);
        assert_eq!(kits(Deed::QuarantineKit, &["K-1", "K-2"]), []);
    }

    #[test]
    fn a_text_that_names_an_arm_is_known() {
        let study = crate::definition::load(&crate::definition::samples::borealis()).expect("a sample").0;
        for text in ["gets Placebo", "プラセボ群と聞いた", "arm P?", "群はＰ"] {
            assert!(tells_arm(&study, text), "{text}");
        }
        for text in ["anaphylaxis, patient in shock", "アナフィラキシーのため", "PPI taken"] {
            assert!(!tells_arm(&study, text), "{text}");
        }
    }
}
