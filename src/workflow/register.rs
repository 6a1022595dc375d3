//! Registering a subject on a page: the same decision, record and letters as by mail.
//!
//! The page has shown everything once more before it was sent, which is what a mail's confirmation asks for; and whoever signed in
//! is vouched for at least as well as by a site's token.

use super::accept::{assignment_letters, conflict_with, sameness};
use super::compose::Addressing;
use super::enroll::{self, Application, Confirmed, Enrolled, Enrollment, Way};
use super::ledger::Ledger;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, planned};
use crate::domain::answer::Form;
use crate::domain::language::Language;
use crate::domain::study::Person;

use crate::letters::facts::{Conflict, Reader, Reason, Sameness};

/// Somebody who registers on a page.
#[derive(Clone, Copy, Debug)]
pub struct Registrar<'a> {
    /// Who they are in the study.
    pub person: &'a Person,
    /// Address they signed in with; their letter goes there.
    pub address: &'a str,
    /// Language of the page.
    pub language: Language,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Registered {
    /// The subject is enrolled, and allocated where the study randomizes.
    Now(Box<Enrolled>),
    /// The same registration is on file.
    Before(Box<Enrolled>),
    /// The subject is on file with other data; its number in the study where the registrar may see it.
    Conflict(Option<i64>, Box<Conflict>),
    /// Not enrolled, for these reasons.
    Refused(Vec<Reason>),
}

/// Registers a subject by a form without faults.
///
/// # Errors
/// The database; [`crate::store::StoreError::Busy`] if the study was amended since the form was read.
pub async fn register(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    registrar: Registrar<'_>,
    form: &Form,
) -> Result<Registered, Failure> {
    let study = &shelved.study;
    let Registrar { person, address, language } = registrar;
    if !study.registers {
        return Err(Failure::Contradiction(format!("study {} registers nobody", study.slug)));
    }
    let site = enroll::site_of(study, form);
    let way = Way { inbox_id: None, vouched: site.as_deref() };
    let application = Application { person, form, confirmed: Confirmed::ByReply, participant: None };
    planned::come_into_force(shelf, means).await?;
    let mut ledger = Ledger::begin(shelf).await?;
    let enrollment = Box::pin(enroll::enroll(&mut ledger, shelved, means, way, application)).await?;
    let registered = match enrollment {
        Enrollment::Enrolled(enrolled) => {
            let to = Addressing { address: Some(address), language, ..Addressing::unasked(study, person) };
            let drafts = assignment_letters(shelved, means, to, form, &enrolled, language)?;
            ledger.put_aside(shelved.id, means, None, drafts);
            Registered::Now(enrolled)
        }
        Enrollment::Duplicate(enrolled) => Registered::Before(enrolled),
        Enrollment::Conflict { subject, registered, .. } => {
            let today = means.now.day_in(study.zone);
            let sameness = sameness(study, person, &subject, form);
            let reader = Reader { study, person, today, language };
            let conflict = conflict_with(&reader, (&subject, &registered), form, sameness);
            let number = (sameness == Sameness::SameSite).then_some(subject.number);
            Registered::Conflict(number, Box::new(conflict))
        }
        Enrollment::Refused(reasons) => Registered::Refused(reasons),
        // A page has nothing to ask it by; a mail has.
        Enrollment::ToConfirm(Some(earlier)) => {
            Registered::Refused(vec![Reason::EarlierReference(earlier.numbers(study, person).join(", "))])
        }
        Enrollment::ToConfirm(None) => {
            return Err(Failure::Contradiction("a confirmed form is to be confirmed".to_string()));
        }
    };
    ledger.commit().await?;
    Ok(registered)
}
