//! How full each cohort is, and who hears when one is filling.
//!
//! The counts are a function of the subjects up to a number, so they are kept in memory beside the allocation state and made
//! anew where an amendment changes what a cohort is. A subject counts from its enrollment on, whatever becomes known of it.

use super::Failure;
use super::Means;
use super::compose::{self, Addressing, Outgoing};
use super::enroll::stored_answers;
use super::shelf::ShelvedStudy;
use crate::domain::cohort;
use crate::domain::study::{Person, Role, Study};
use crate::letters::Facts;
use crate::letters::facts::CohortFilling;
use crate::limits;
use crate::store::subject::{self, SubjectRow};
use crate::store::{Reader, Store, Tx, cohort as told};

/// Who hears.
const TOLD: [Role; 2] = [Role::Coordinator, Role::Statistician];

/// Counts a subject into the cohorts it is of.
///
/// # Errors
/// Answers that cannot have been written by this program.
pub(super) fn add(study: &Study, counts: &mut [u64], row: &SubjectRow) -> Result<(), Failure> {
    let members = cohort::members(study, &stored_answers(row)?, row.enrolled_at.day_in(study.zone));
    counts.iter_mut().zip(members).for_each(|(count, member)| *count += u64::from(member));
    Ok(())
}

/// The counts with a place for each cohort of the study.
pub(super) fn sized(study: &Study, mut counts: Vec<u64>) -> Vec<u64> {
    counts.resize(study.cohorts.len(), 0);
    counts
}

/// Counts the subjects behind number `after` to those before, cohorts as in the study.
///
/// # Errors
/// The database; answers that cannot have been written by this program.
pub(super) async fn count_on(
    tx: &mut Tx,
    study_id: i64,
    study: &Study,
    mut after: i64,
    mut counts: Vec<u64>,
) -> Result<Vec<u64>, Failure> {
    counts.resize(study.cohorts.len(), 0);
    loop {
        let page = subject::list(Reader::from(&mut *tx), study_id, after, limits::PAGE_ROWS).await?;
        let Some(last) = page.last() else { return Ok(counts) };
        after = last.number;
        for row in &page {
            add(study, &mut counts, row)?;
        }
    }
}

/// How many subjects each cohort has, cohorts as in the study.
///
/// # Errors
/// The database; answers that cannot have been written by this program.
pub async fn count(store: &Store, shelved: &ShelvedStudy) -> Result<Vec<u64>, Failure> {
    let (study, mut after) = (&shelved.study, 0);
    let mut counts = vec![0; study.cohorts.len()];
    while !counts.is_empty() {
        let page = subject::list(store, shelved.id, after, limits::PAGE_ROWS).await?;
        let Some(last) = page.last() else { break };
        after = last.number;
        for row in &page {
            add(study, &mut counts, row)?;
        }
    }
    Ok(counts)
}

/// The letters on cohorts that a new subject brought to the part of their cap at which people hear of it; once for each, however
/// many enroll.
///
/// # Errors
/// The database; a study's own template that cannot state these facts.
pub(super) async fn tell(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    counts: &[u64],
    members: &[bool],
) -> Result<Vec<Outgoing>, Failure> {
    let study = &shelved.study;
    let mut outgoing = Vec::new();
    for ((cohort, count), member) in study.cohorts.iter().zip(counts).zip(members) {
        if !member || cohort.threshold().is_none_or(|threshold| *count < threshold) {
            continue;
        }
        if !told::tell_once(tx, shelved.id, &cohort.id, means.now).await? {
            continue;
        }
        let readers = study.people.iter().filter(|person| TOLD.iter().any(|role| person.has(*role)));
        for person in readers.collect::<Vec<&Person>>() {
            let to = Addressing::unasked(study, person);
            let facts = CohortFilling::new(cohort, *count, to.language);
            outgoing.push(compose::compose(shelved, means, to, Facts::CohortFilling(facts))?);
        }
    }
    Ok(outgoing)
}
