//! The history of another system: an ongoing trial moves here, and its allocations count from the first decision on.
//!
//! Only a study without subjects takes one. Each line becomes a subject and an allocation as an enrollment would make them,
//! with an audit entry of its own, so that the same subject is known when it is mailed again; the record says that it was
//! imported, and nobody recomputes it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Failure;
use super::enroll::{key_of, record_digest, salted, sign};
use super::life::{Act, LifeError, Refusal, log};
use super::shelf::ShelvedStudy;
use crate::domain::allocation::{Allotment, HistoryRow, Levels, Method, SITE, Scheme, State};
use crate::domain::study::Blinding;
use crate::domain::time::Dice;
use crate::store::allocation::AllocationRow;
use crate::store::kit::KitRow;
use crate::store::study::{State as StudyState, StudyRow};
use crate::store::subject::NewSubject;
use crate::store::{Store, StoreError, Tx, allocation, audit, kit, study, subject};

/// One line of a history.
#[derive(Clone, Debug)]
pub struct Line {
    /// Line of the file, counted from 1.
    pub number: u64,
    /// The site's own reference of the subject.
    pub subject: String,
    /// Code of the site, where it is no factor.
    pub site: Option<String>,
    /// Code of the kit, in a blinded study.
    pub kit: Option<String>,
    /// Levels and arm.
    pub row: HistoryRow,
}

/// A line that does not fit, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Line of the file, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub wrong: String,
}

/// A history that fits the study, with its counts.
#[derive(Clone, Debug)]
pub struct History {
    subjects: Vec<Subject>,
    /// Subjects of each arm, by code.
    pub arms: BTreeMap<String, u64>,
    /// Subjects of each arm in each combination of levels of the strata; one combination where there are none.
    pub strata: BTreeMap<Vec<String>, BTreeMap<String, u64>>,
    /// The blocks in the order they were opened; empty for other methods.
    pub blocks: Vec<Block>,
}

/// A block of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Levels of its stratum.
    pub stratum: Vec<String>,
    /// Its size.
    pub size: u64,
    /// Its subjects of each arm, by code.
    pub arms: BTreeMap<String, u64>,
}

#[derive(Clone, Debug)]
struct Subject {
    line: u64,
    reference: String,
    key: String,
    site: String,
    kit: Option<String>,
    levels: Levels,
    allotment: Allotment,
}

impl History {
    /// How many subjects it has.
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }
}

/// Fits a history to the study's scheme, line by line; `kits` are those on file, for a blinded study.
///
/// # Errors
/// The first line that does not fit.
pub fn fit(shelved: &ShelvedStudy, scheme: &Scheme, kits: &[KitRow], lines: &[Line]) -> Result<History, Misfit> {
    let mut state = State::new(scheme);
    let mut history =
        History { subjects: Vec::new(), arms: BTreeMap::new(), strata: BTreeMap::new(), blocks: Vec::new() };
    let (mut keys, mut used) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        let misfit = |wrong: String| Misfit { line: line.number, wrong };
        let subject = subject_of(shelved, kits, line).map_err(misfit)?;
        if !keys.insert(subject.key.clone()) {
            return Err(misfit(format!("the subject \"{}\" stands twice", subject.reference)));
        }
        if let Some(kit) = &subject.kit
            && !used.insert(kit.clone())
        {
            return Err(misfit(format!("the kit \"{kit}\" stands twice")));
        }
        let fault = |fault: crate::domain::allocation::Fault| misfit(fault.to_string());
        state.record(scheme, &subject.levels, &subject.allotment).map_err(fault)?;
        history.count(scheme, &subject);
        history.subjects.push(subject);
    }
    Ok(history)
}

fn subject_of(shelved: &ShelvedStudy, kits: &[KitRow], line: &Line) -> Result<Subject, String> {
    let study = &shelved.study;
    let site_item = study.registration.site_item.as_deref();
    let named = line.row.levels.iter().find(|(id, _)| *id == SITE || Some(id.as_str()) == site_item);
    let site = match (named.map(|(_, level)| level).or(line.site.as_ref()), study.sites.as_slice()) {
        (Some(site), _) => site.clone(),
        (None, [only]) => only.code.clone(),
        (None, _) => return Err("the column \"site\" is empty".to_owned()),
    };
    if study.find_site(&site).is_none() {
        return Err(format!("\"{site}\" is no site of the study"));
    }
    let mut levels = line.row.levels.clone();
    levels.insert(SITE.to_owned(), site.clone());
    if study.blinding == Blinding::Blinded {
        let code = line.kit.as_ref().ok_or("the column \"kit\" is empty; the study is blinded")?;
        let free = kits.iter().find(|kit| kit.code == *code && kit.allocation_number.is_none());
        if free.is_none_or(|kit| kit.arm != line.row.arm) {
            return Err(format!("\"{code}\" is no free kit of that arm"));
        }
    } else if line.kit.is_some() {
        return Err("a kit is given, but the study hands out none".to_owned());
    }
    let allotment = Allotment { arm: line.row.arm.clone(), slot: line.row.slot, block_size: line.row.block_size };
    let key = key_of(study, &site, &line.subject);
    let (reference, kit) = (line.subject.clone(), line.kit.clone());
    Ok(Subject { line: line.number, reference, key, site, kit, levels, allotment })
}

impl History {
    fn count(&mut self, scheme: &Scheme, subject: &Subject) {
        let arm = &subject.allotment.arm;
        *self.arms.entry(arm.clone()).or_default() += 1;
        let level = |id: &String| subject.levels.get(id).cloned().unwrap_or_default();
        let stratum: Vec<String> = scheme.strata().iter().map(level).collect();
        *self.strata.entry(stratum.clone()).or_default().entry(arm.clone()).or_default() += 1;
        let (Method::Block(_), Some(size)) = (scheme.method(), subject.allotment.block_size) else { return };
        let open = self.blocks.iter_mut().rev().find(|block| block.stratum == stratum);
        match open.filter(|block| block.arms.values().sum::<u64>() < block.size) {
            Some(block) => *block.arms.entry(arm.clone()).or_default() += 1,
            None => self.blocks.push(Block { stratum, size, arms: BTreeMap::from([(arm.clone(), 1)]) }),
        }
    }
}

/// The file a history came from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub digest: &'a str,
}

/// Records a history that fits, whole or not at all.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn import(
    store: &Store,
    shelved: &ShelvedStudy,
    history: &History,
    source: Source<'_>,
    act: Act<'_>,
    dice: &dyn Dice,
) -> Result<(), LifeError> {
    let mut tx = store.begin().await?;
    let mut row = study::lock(&mut tx, shelved.id).await?;
    if row.bundle_version != shelved.version {
        let moment = format!("study {} was amended a moment ago", row.slug);
        return Err(StoreError::Busy(moment).into());
    }
    if row.state == StudyState::Closed {
        return Err(Refusal::Closed(row.slug).into());
    }
    if row.subjects > 0 || row.allocations > 0 {
        return Err(Refusal::NotEmpty(row.slug).into());
    }
    if act.reason.trim().is_empty() {
        return Err(Refusal::NoReason.into());
    }
    for subject in &history.subjects {
        record(&mut tx, &mut row, shelved, subject, source, act, dice).await?;
    }
    let body = json!({ "file": source.name, "sha256": source.digest, "subjects": history.len(), "arms": history.arms,
                       "reason": act.reason });
    log(&mut tx, row, act, "import", &body).await?;
    tx.commit().await?;
    Ok(())
}

async fn record(
    tx: &mut Tx,
    row: &mut StudyRow,
    shelved: &ShelvedStudy,
    subject: &Subject,
    source: Source<'_>,
    act: Act<'_>,
    dice: &dyn Dice,
) -> Result<(), LifeError> {
    row.subjects += 1;
    row.allocations += 1;
    let (number, given) = (row.allocations, &subject.allotment);
    let kit = free_kit(tx, row.id, subject).await?;
    let method = shelved.study.scheme.as_ref().map(|scheme| scheme.method().key());
    let mut told = json!({ "number": number, "method": method, "levels": subject.levels, "arm": given.arm,
                           "imported": { "sha256": source.digest, "line": subject.line } });
    for (key, value) in [("slot", given.slot.map(u64::from)), ("block_size", given.block_size)] {
        if let (Some(facts), Some(value)) = (told.as_object_mut(), value) {
            facts.insert(key.to_owned(), json!(value));
        }
    }
    sign(&mut told, shelved);
    let told = told.to_string();
    let answers = answers(shelved, subject);
    let body = json!({
        "subject": row.subjects,
        "site": subject.site,
        "inbox": Value::Null,
        "answers": answers,
        "bundle": shelved.version,
        "allocation": { "number": number, "arm": given.arm, "kit": subject.kit, "levels": subject.levels,
                        "record": record_digest(&told), "imported": true },
    });
    let digest = audit::append(tx, row, act.at, act.actor, "enroll", &salted(&body, dice)).await?;
    let answers = serde_json::to_string(&answers).expect("a map of texts is JSON");
    let new = NewSubject {
        study_id: row.id,
        number: row.subjects,
        reference_key: &subject.key,
        site: &subject.site,
        person: act.actor,
        enrolled_at: act.at,
        answers: &answers,
        typed: &answers,
        inbox_id: None,
        audit_digest: &digest,
    };
    let subject_id = subject::insert(tx, &new).await?;
    if let Some(kit) = &kit {
        kit::record_use(tx, kit, number, 1).await?;
    }
    let fact = AllocationRow {
        study_id: row.id,
        number,
        subject_id,
        arm: given.arm.clone(),
        slot: given.slot.map(i64::from),
        block_size: given.block_size.and_then(|size| i64::try_from(size).ok()),
        levels: serde_json::to_string(&subject.levels).expect("a map of texts is JSON"),
        kit: subject.kit.clone(),
        bundle_version: shelved.version,
        allocated_at: act.at,
    };
    allocation::insert(tx, &fact, &told).await?;
    Ok(())
}

async fn free_kit(tx: &mut Tx, study_id: i64, subject: &Subject) -> Result<Option<KitRow>, LifeError> {
    let Some(code) = &subject.kit else { return Ok(None) };
    let found = kit::find_by_code(tx, study_id, code).await?;
    let absent = || Failure::Contradiction(format!("the kit {code} is in the study's list, but not on file"));
    Ok(Some(found.ok_or_else(absent)?))
}

/// What the registration would have asked, as far as the history tells.
fn answers(shelved: &ShelvedStudy, subject: &Subject) -> BTreeMap<String, String> {
    let registration = &shelved.study.registration;
    let items = shelved.study.registration_instrument();
    let mut answers: BTreeMap<String, String> = subject
        .levels
        .iter()
        .filter(|(id, _)| items.items.iter().any(|item| item.id == **id))
        .map(|(id, level)| (id.clone(), level.clone()))
        .collect();
    answers.insert(registration.subject_item.clone(), subject.reference.clone());
    if let Some(item) = &registration.site_item {
        answers.insert(item.clone(), subject.site.clone());
    }
    answers
}
