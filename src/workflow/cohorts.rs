//! How full each cohort is, and who hears when one is filling.
//!
//! The counts are a function of the subjects up to a number, so they are kept in memory beside the allocation state and made
//! anew where an amendment changes what a cohort is. A subject counts from its enrollment on, whatever becomes known of it.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::Failure;
use super::Means;
use super::compose::{self, Addressing, Outgoing};
use super::enroll::{self, stored_answers};
use super::shelf::ShelvedStudy;
use crate::domain::allocation::Origin;
use crate::domain::cohort;
use crate::domain::study::{FIRST, Person, Role, Study};
use crate::letters::Facts;
use crate::letters::facts::CohortFilling;
use crate::limits;
use crate::store::subject::{self, SubjectRow};
use crate::store::{Reader, Store, Tx, allocation, cohort as told};

/// Who hears.
const TOLD: [Role; 2] = [Role::Coordinator, Role::Statistician];

/// Counts a subject into the cohorts it is of.
///
/// # Errors
/// Answers that cannot have been written by this program.
fn add(study: &Study, counts: &mut [u64], row: &SubjectRow, elsewhere: &Elsewhere) -> Result<(), Failure> {
    let day = elsewhere.get(&row.id).copied().unwrap_or_else(|| row.enrolled_at.day_in(study.zone));
    let members = cohort::members(study, &stored_answers(row)?, day);
    counts.iter_mut().zip(members).for_each(|(count, member)| *count += u64::from(member));
    Ok(())
}

/// Days on which subjects were allocated elsewhere, by the subject's number in the database: by them their answers are read ever after.
type Elsewhere = BTreeMap<i64, NaiveDate>;

/// The days of those subjects of a page who came with a history, where a rule of the study looks at the day at all.
async fn elsewhere(mut from: Reader<'_>, study: &Study, page: &[SubjectRow]) -> Result<Elsewhere, Failure> {
    let mut days = Elsewhere::new();
    let (Some(first), Some(last), true) = (page.first(), page.last(), cohort::look_at_the_day(study)) else {
        return Ok(days);
    };
    for given in allocation::list_of_subjects(from.again(), first.study_id, first.id, last.id).await? {
        if given.origin == Origin::Imported
            && given.randomization == FIRST
            && let Some(when) = enroll::allocated(from.again(), &given).await?
        {
            days.insert(given.subject_id, when.day(study.zone));
        }
    }
    Ok(days)
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
    from: impl Into<Reader<'_>>,
    study_id: i64,
    study: &Study,
    mut after: i64,
    counts: Vec<u64>,
) -> Result<Vec<u64>, Failure> {
    let (mut from, mut counts) = (from.into(), sized(study, counts));
    while !counts.is_empty() {
        let page = subject::list(from.again(), study_id, after, limits::PAGE_ROWS).await?;
        let Some(last) = page.last() else { break };
        after = last.number;
        let days = elsewhere(from.again(), study, &page).await?;
        for row in &page {
            add(study, &mut counts, row, &days)?;
        }
    }
    Ok(counts)
}

/// How many subjects each cohort has, cohorts as in the study.
///
/// # Errors
/// The database; answers that cannot have been written by this program.
pub async fn count(store: &Store, shelved: &ShelvedStudy) -> Result<Vec<u64>, Failure> {
    count_on(store, shelved.id, &shelved.study, 0, Vec::new()).await
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
