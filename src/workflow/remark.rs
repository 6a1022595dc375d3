//! What somebody tells of a subject on a page: a withdrawal, or what would have been right. The same facts and letters as by mail.

use std::collections::BTreeMap;

use super::accept;
use super::binding;
use super::compose;
use super::correction::{self, Correction, Misread};
use super::enroll::Enrolled;
use super::ledger::Ledger;
use super::note::{self, Note};
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means};
use crate::domain::answer::Fault;
use crate::domain::deed::Deed;
use crate::domain::fact::FactKind;
use crate::domain::study::Person;
use crate::domain::text;
use crate::limits;
use crate::store::fact::FactRow;

/// What is told.
#[derive(Clone, Copy, Debug)]
pub struct Remark<'a> {
    /// Who tells it.
    pub person: &'a Person,
    /// Number of the subject in the database.
    pub subject_id: i64,
    /// Why, as typed.
    pub reason: &'a str,
    /// Items of the registration with what would have been right, as typed; none tells a withdrawal.
    pub right: Option<&'a BTreeMap<String, String>>,
    /// How many facts were known of the subject when it was made, so that nobody undoes unseen what somebody else told meanwhile;
    /// none where that is no matter.
    pub seen: Option<usize>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remarked {
    /// It is on file: now, or from before in the very same words of theirs.
    Done,
    /// It was told before, by somebody else or for another reason; what was told then stays.
    Before,
    /// Something else became known of the subject since it was made.
    Overtaken,
    /// The person may not, for subjects of that site.
    NotTheirs,
    /// It says no reason.
    NoReason,
    /// Nothing differs from what is on file.
    Nothing,
    /// What would have been right cannot be.
    Faults(Vec<Fault>),
    /// The reference that would have been right is another subject's.
    Taken,
}

/// Whether somebody told a correction for that reason right after so many facts were known of a subject: then it may be the same one,
/// sent once more.
pub fn corrected_after(enrolled: &Enrolled, seen: usize, person: &Person, reason: &str) -> bool {
    let reason = text::clean(reason, limits::DEED_REASON_CHARS);
    let corrects = |fact: &&FactRow| matches!(fact.kind, FactKind::Corrected | FactKind::WrongStratum);
    let next = enrolled.facts.get(seen).filter(corrects);
    next.is_some_and(|fact| fact.person == person.id && fact.reason == reason)
}

/// Records a fact once, and tells those who must know.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn remark(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    remark: Remark<'_>,
) -> Result<Remarked, Failure> {
    let study = &shelved.study;
    let Remark { person, subject_id, right, .. } = remark;
    let mut ledger = Ledger::begin(shelf).await?;
    ledger.lock(shelved).await?;
    let enrolled = accept::load(&mut ledger, subject_id).await?;
    let deed = if right.is_some() { Deed::Correct } else { Deed::Withdraw };
    if !deed.allowed(study, person) || !person.acts_for_any(enrolled.subject.sites()) {
        return Ok(Remarked::NotTheirs);
    }
    let reason = text::clean(remark.reason, limits::DEED_REASON_CHARS);
    if reason.is_empty() {
        return Ok(Remarked::NoReason);
    }
    let overtaken = remark.seen.filter(|seen| *seen != enrolled.facts.len());
    let correction = match right {
        None => Correction::default(),
        // What is unusual of it, the page has asked about.
        Some(right) => match (correction::read(study, &enrolled, right)?, overtaken) {
            // Pressed twice: all that would have been right is on file by now, by their own word.
            (Ok(read), Some(seen))
                if read.correction.changes.is_empty() && corrected_after(&enrolled, seen, person, &reason) =>
            {
                return Ok(Remarked::Done);
            }
            (_, Some(_)) => return Ok(Remarked::Overtaken),
            (Ok(read), None) if read.correction.changes.is_empty() => return Ok(Remarked::Nothing),
            (Ok(read), None) => read.correction,
            (Err(Misread::Faults(faults)), None) => {
                return Ok(Remarked::Faults(faults.into_iter().map(|(_, fault)| fault).collect()));
            }
            (Err(Misread::Names(_)), None) => return Ok(Remarked::Nothing),
        },
    };
    let kind = match right {
        None => FactKind::Withdrawn,
        Some(_) if correction.moves() => FactKind::WrongStratum,
        Some(_) => FactKind::Corrected,
    };
    let note = Note {
        kind,
        enrolled: &enrolled,
        randomization: None,
        person: &person.id,
        actor: &person.id,
        reason: &reason,
        correction: &correction,
        of: None,
        inbox_id: None,
    };
    if let Some(known) = note::known(&mut ledger, &note).await? {
        let same = known.person == person.id && known.reason == reason;
        return Ok(if same { Remarked::Done } else { Remarked::Before });
    }
    let changes = &correction.changes;
    if binding::find_taken(&mut ledger.tx, study, &enrolled.subject, changes).await?.is_some() {
        return Ok(Remarked::Taken);
    }
    let fact = note::record(&mut ledger, shelved, means, &note).await?;
    let outgoing = note::notices(shelved, means, &note, &fact)?;
    compose::post(&mut ledger.tx, Some(shelved.id), means, None, &outgoing).await?;
    ledger.commit().await?;
    Ok(Remarked::Done)
}
