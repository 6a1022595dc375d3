//! Notices of an enrollment to the study's staff, each told what its reader may know.
//!
//! Of a person who was screened again and so randomized again, statisticians hear whatever notices the study sends.

use super::compose::{Addressing, Draft, draft, enrollment, no_arm};
use super::enroll::Enrolled;
use super::shelf::ShelvedStudy;
use super::{Failure, Means};
use crate::domain::allocation::Origin;
use crate::domain::study::{Blinding, Role};
use crate::letters::facts::{NoticeBlind, NoticeOpen, NoticeUnblinded};
use crate::letters::{Facts, Kind};

/// The notices the study sends of an enrollment: the arm to those who may know it, the bare fact to everybody else.
///
/// # Errors
/// As [`draft`].
pub fn notices(shelved: &ShelvedStudy, means: Means<'_>, enrolled: &Enrolled) -> Result<Vec<Draft>, Failure> {
    let study = &shelved.study;
    let site = enrolled.subject.site.as_str();
    let number = study.subject_number(enrolled.subject.number);
    let answers = enrolled.answers()?;
    let enrollment = enrollment(shelved, enrolled, &number, &answers);
    let arm = match &enrolled.allocation {
        None => None,
        Some(allocation) => Some(study.find_arm(&allocation.arm).ok_or_else(|| no_arm(&allocation.arm))?),
    };
    let kit = enrolled.kit.as_deref();
    // Nobody who is blinded is told: a drawn arm and a given one look the same to them.
    let by_hand = enrolled.allocation.as_ref().is_some_and(|given| given.origin == Origin::Forced);
    let drawn_again = arm.is_some() && enrolled.links.rescreens.is_some();
    let mut drafts = Vec::new();
    for person in &study.people {
        let due =
            study.notices.iter().any(|notice| person.has(notice.role)) || drawn_again && person.has(Role::Statistician);
        let told = due && person.acts_for(site);
        if !told || person.id == enrolled.subject.person {
            continue;
        }
        let language = study.language_of(person);
        let facts = match (study.blinding, arm) {
            (_, None) => Facts::NoticeBlind(NoticeBlind::new(&enrollment, language)),
            (Blinding::Open, Some(arm)) => {
                Facts::NoticeOpen(NoticeOpen::new(&enrollment, arm, language).by_hand(by_hand))
            }
            (Blinding::Blinded, Some(arm)) if Kind::NoticeUnblinded.may_go_to(study.blinding, person) => {
                Facts::NoticeUnblinded(NoticeUnblinded::new(&enrollment, arm, kit, language).by_hand(by_hand))
            }
            (Blinding::Blinded, Some(_)) => Facts::NoticeBlind(NoticeBlind::new(&enrollment, language)),
        };
        let to = Addressing {
            site: Some(site),
            subject_id: Some(enrolled.subject.id),
            ..Addressing::unasked(study, person)
        };
        drafts.push(draft(shelved, means, to, facts)?);
    }
    Ok(drafts)
}
