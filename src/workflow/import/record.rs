//! An imported history on file: a subject and an allocation for each line, as enrolling and randomizing would leave them.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::{History, Source, Subject};
use crate::domain::allocation::{Origin, Scheme};
use crate::domain::instrument::Instrument;
use crate::domain::kept::{KeptForm, KeptReference};
use crate::domain::study::{FIRST, Randomization};
use crate::domain::time::Dice;
use crate::store::allocation::AllocationRow;
use crate::store::kit::KitRow;
use crate::store::randomization::{self, RandomizationRow};
use crate::store::study::StudyRow;
use crate::store::subject::NewSubject;
use crate::store::{Tx, allocation, audit, kit, subject};
use crate::workflow::entry::{record_digest, salted, sign};
use crate::workflow::life::{Act, LifeError};
use crate::workflow::shelf::ShelvedStudy;
use crate::workflow::when::When;
use crate::workflow::{Failure, again, schedule};

/// What the entry of an import tells of a file.
pub(super) fn told_of(history: &History, file: &str, digest: &str) -> Value {
    let mut told = json!({ "file": file, "sha256": digest, "subjects": history.len(), "arms": history.arms,
                           "dated": history.dated() });
    if history.supposed_slots > 0 {
        told["supposed_slots"] = json!(history.supposed_slots);
    }
    told
}

/// Numbers of a recorded subject: in the study, and in the database.
pub(super) type Numbers = (i64, i64);

pub(super) async fn record(
    tx: &mut Tx,
    row: &mut StudyRow,
    shelved: &ShelvedStudy,
    subject: &Subject,
    source: Source<'_>,
    act: Act<'_>,
    dice: &dyn Dice,
) -> Result<Numbers, LifeError> {
    row.subjects += 1;
    let scheme = shelved.study.scheme.as_ref();
    let taken = take(tx, row, shelved, (FIRST, scheme), subject, source.digest).await?;
    let (study, which) = (&shelved.study, row.subjects.to_string());
    // The day by which its answers are read ever after.
    let day = subject.at.map_or_else(|| act.at.day_in(study.zone), |at| at.day(study.zone));
    let answers = answers(shelved, subject, day);
    let columns = (row.id, subject::COLUMNS, &*which);
    let kept = KeptForm::new(tx.ring(), columns, study.registration_instrument(), &answers, &answers);
    let kept = kept.map_err(Failure::from)?;
    let reference = KeptReference::new(tx.ring(), row.id, study.names_personally(), &subject.key);
    let reference = reference.map_err(Failure::from)?;
    let mut body = json!({
        "subject": row.subjects,
        "site": subject.site,
        "inbox": Value::Null,
        "answers": kept.answers.value(),
        "bundle": shelved.version,
        "allocation": taken.told(),
    });
    if study.names_personally() || subject.participant.is_some() {
        body["reference"] = json!(reference.text());
    }
    if let Some((participant, _)) = subject.participant {
        body["participant"] = json!(participant);
    }
    let digest = audit::append(tx, row, act.at, act.actor, "enroll", &salted(&body, dice)).await?;
    let new = NewSubject {
        study_id: row.id,
        number: row.subjects,
        reference_key: &reference,
        site: &subject.site,
        person: act.actor,
        enrolled_at: act.at,
        form: &kept,
        inbox_id: None,
        audit_digest: &digest,
        rescreens_id: None,
        participant_id: subject.participant.map(|(_, id)| id),
    };
    let subject_id = subject::insert(tx, &new).await?;
    schedule::touch_subject(tx, shelved, subject_id, new.participant_id).await?;
    taken.commit(tx, row, shelved, act, subject_id).await?;
    Ok((row.subjects, subject_id))
}

/// The allocation of a line, with its number; its subject may be still to be recorded.
struct Taken<'a> {
    number: i64,
    allocation: &'a str,
    subject: &'a Subject,
    kit: Option<KitRow>,
    /// The journal's record of it.
    record: String,
}

/// Takes the next number for the allocation of a line.
async fn take<'a>(
    tx: &mut Tx,
    row: &mut StudyRow,
    shelved: &ShelvedStudy,
    (allocation, scheme): (&'a str, Option<&Scheme>),
    subject: &'a Subject,
    sha256: &str,
) -> Result<Taken<'a>, LifeError> {
    row.allocations += 1;
    let (number, given) = (row.allocations, &subject.allotment);
    let kit = free_kit(tx, row.id, subject).await?;
    let method = scheme.map(|scheme| scheme.method().key());
    let mut told = json!({ "number": number, "method": method, "levels": subject.levels, "arm": given.arm,
                           "imported": { "sha256": sha256, "line": subject.line, "at": subject.at.map(When::kept) } });
    for (key, value) in [("slot", given.slot.map(u64::from)), ("block_size", given.block_size)] {
        if let Some(value) = value {
            told[key] = json!(value);
        }
    }
    if allocation != FIRST {
        told["randomization"] = json!(allocation);
    }
    sign(&mut told, shelved);
    Ok(Taken { number, allocation, subject, kit, record: told.to_string() })
}

impl Taken<'_> {
    /// What the entry in the chain tells of it.
    fn told(&self) -> Value {
        json!({ "number": self.number, "arm": self.subject.allotment.arm, "kit": self.subject.kit,
                "levels": self.subject.levels, "record": record_digest(&self.record), "imported": true })
    }

    /// Records it for a subject.
    async fn commit(
        self,
        tx: &mut Tx,
        row: &StudyRow,
        shelved: &ShelvedStudy,
        act: Act<'_>,
        subject_id: i64,
    ) -> Result<(), LifeError> {
        let Taken { number, allocation, subject, kit, record } = self;
        if let Some(kit) = &kit {
            kit::record_use(tx, kit, number, 1).await?;
        }
        let given = &subject.allotment;
        let fact = AllocationRow {
            study_id: row.id,
            number,
            subject_id,
            randomization: allocation.to_string(),
            arm: given.arm.clone(),
            slot: given.slot.map(i64::from),
            block_size: given.block_size.and_then(|size| i64::try_from(size).ok()),
            levels: serde_json::to_string(&subject.levels).expect("a map of texts is JSON"),
            kit: subject.kit.clone(),
            bundle_version: shelved.version,
            allocated_at: act.at,
            origin: Origin::Imported,
        };
        Ok(allocation::insert(tx, &fact, &record).await?)
    }
}

/// Records a line of a further allocation for a subject recorded just now, as a granted request is recorded: of its form, what the
/// history tells.
#[expect(clippy::too_many_arguments, reason = "as for the first allocation, and whose it is")]
pub(super) async fn record_further(
    tx: &mut Tx,
    row: &mut StudyRow,
    shelved: &ShelvedStudy,
    own: &Randomization,
    (subject, (subject_number, subject_id)): (&Subject, Numbers),
    sha256: &str,
    act: Act<'_>,
    dice: &dyn Dice,
) -> Result<(), LifeError> {
    let taken = take(tx, row, shelved, (own.id.as_str(), Some(&own.scheme)), subject, sha256).await?;
    let instrument = again::form_of(&shelved.study, own)?;
    let answers = with_levels(subject, instrument);
    let (number, which) = (taken.number, taken.number.to_string());
    let columns = (row.id, randomization::COLUMNS, &*which);
    let kept = KeptForm::new(tx.ring(), columns, instrument, &answers, &answers).map_err(Failure::from)?;
    let body = json!({ "subject": subject_number, "randomization": own.id, "inbox": Value::Null,
                       "answers": kept.answers.value(), "bundle": shelved.version, "allocation": taken.told() });
    let audit_digest = audit::append(tx, row, act.at, act.actor, "randomize", &salted(&body, dice)).await?;
    taken.commit(tx, row, shelved, act, subject_id).await?;
    schedule::touch_subject(tx, shelved, subject_id, subject.participant.map(|(_, id)| id)).await?;
    let answers = serde_json::to_string(&answers).expect("a map of texts is JSON");
    let request = RandomizationRow {
        study_id: row.id,
        allocation_number: number,
        person: act.actor.to_string(),
        typed: answers.clone(),
        answers,
        inbox_id: None,
        audit_digest,
    };
    Ok(randomization::insert(tx, &request, &kept).await?)
}

async fn free_kit(tx: &mut Tx, study_id: i64, subject: &Subject) -> Result<Option<KitRow>, LifeError> {
    let Some(code) = &subject.kit else { return Ok(None) };
    let found = kit::find_by_code(tx, study_id, code).await?;
    let absent = || Failure::Contradiction(format!("the kit {code} is in the study's list, but not on file"));
    Ok(Some(found.ok_or_else(absent)?))
}

/// What the registration would have asked, as far as the history tells.
fn answers(shelved: &ShelvedStudy, subject: &Subject, day: NaiveDate) -> BTreeMap<String, String> {
    let study = &shelved.study;
    let registration = &study.registration;
    let items = study.registration_instrument();
    let mut answers = with_levels(subject, items);
    if subject.participant.is_none() {
        answers.insert(registration.subject_item.clone(), subject.reference.clone());
    }
    if let Some(item) = &registration.site_item {
        answers.insert(item.clone(), subject.site.clone());
    }
    if !study.cohorts.is_empty() {
        // A cohort counts by what was calculated when the subject came.
        let calculated = again::read_again(study, items, answers.clone(), day).canonical();
        let is_calculated = |id: &str| items.find(id).is_some_and(|item| !item.kind.asks());
        for (id, value) in calculated.into_iter().filter(|(id, _)| is_calculated(id)) {
            answers.entry(id).or_insert(value);
        }
    }
    answers
}

/// The answers of a subject to the items of a form, and its levels that are such.
fn with_levels(subject: &Subject, form: &Instrument) -> BTreeMap<String, String> {
    let mut answers = subject.answers.clone();
    let levels = subject.levels.iter().filter(|(id, _)| form.find(id).is_some());
    answers.extend(levels.map(|(id, level)| (id.clone(), level.clone())));
    answers
}
