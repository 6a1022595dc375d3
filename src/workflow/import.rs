//! The history of another system: an ongoing trial moves here, and its allocations count from the first decision on.
//!
//! Only a study without subjects takes one, and of a blinded one only from somebody who may know its arms: whether a kit fits an
//! arm is told, and whoever may try could find out. Each line becomes a subject and an allocation as an enrollment would make them,
//! with an audit entry of its own, so that the same subject is known when it is mailed again; the record says that it was
//! imported, and nobody recomputes it.

mod answers;
mod further;
mod names;
mod record;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use names::{Named, Names};
use record::{record, record_further, told_of};

pub use answers::is_answer;
pub use further::{Further, fit_further, is_known};

use super::Failure;
use super::disclosure::{self, Wish};
use super::life::{Act, LifeError, Refusal, log};
use super::shelf::ShelvedStudy;
use super::when::When;
use crate::domain::allocation::{Allotment, Fault, HistoryRow, Levels, Method, Origin, Row, SITE, Scheme, State};
use crate::domain::kit::State as KitState;
use crate::domain::level;
use crate::domain::study::{Blinding, Study};
use crate::domain::time::{Dice, Instant};
use crate::store::kit::KitRow;
use crate::store::participant::ParticipantRow;
use crate::store::study::{State as StudyState, StudyRow};
use crate::store::{Store, StoreError, study};

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
    /// When it was allocated there: a day, or a moment.
    pub at: Option<String>,
    /// Levels and arm.
    pub row: HistoryRow,
    /// What was typed for items of the form that are no levels, by id.
    pub answers: BTreeMap<String, String>,
}

/// A line that does not fit, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Line of the file, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub wrong: String,
}

/// Subjects of each arm, by code.
pub type ArmCounts = BTreeMap<String, u64>;

/// A history that fits the study, with its counts.
#[derive(Clone, Debug, Default)]
pub struct History {
    subjects: Vec<Subject>,
    /// Subjects of each arm with each level of each factor, where a method balances factors.
    pub margins: BTreeMap<String, BTreeMap<String, ArmCounts>>,
    /// Subjects of each arm, by code; those of none, too.
    pub arms: ArmCounts,
    /// Subjects of each arm in each combination of levels of the strata; one combination where there are none.
    pub strata: BTreeMap<Vec<String>, ArmCounts>,
    /// The blocks in the order they were opened; empty for other methods.
    pub blocks: Vec<Block>,
    /// Subjects whose dummy arm was not known (`ratio-arms`): each was supposed to be on the one that minimization would have ranked
    /// best among those of its arm.
    pub supposed_slots: usize,
    /// Subjects who were given an arm by hand, outside of every block.
    pub outside: usize,
    /// The histories of further allocations, in the order of the study.
    pub further: Vec<Further>,
}

/// A block of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Levels of its stratum.
    pub stratum: Vec<String>,
    /// Its size.
    pub size: u64,
    /// Its subjects of each arm, by code.
    pub arms: ArmCounts,
}

#[derive(Clone, Debug)]
struct Subject {
    line: u64,
    reference: String,
    key: String,
    /// The participant who enrolled themself: number in the study, and in the database.
    participant: Option<(i64, i64)>,
    site: String,
    kit: Option<String>,
    /// When it was allocated elsewhere.
    at: Option<When>,
    levels: Levels,
    allotment: Allotment,
    /// Whether it was given by hand outside of every block.
    outside: bool,
    /// Canonical answers to items of the form that are no levels, by id.
    answers: BTreeMap<String, String>,
}

impl History {
    /// How many of its subjects have a date.
    pub fn dated(&self) -> usize {
        self.subjects.iter().filter(|subject| subject.at.is_some()).count()
    }

    /// How many subjects it has.
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }
}

/// What is on file of a study that takes a history.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnFile<'a> {
    /// Its kits, for a blinded study.
    pub kits: &'a [KitRow],
    /// Its participants, where they enroll themselves.
    pub participants: &'a [ParticipantRow],
}

/// Fits a history to the study's scheme, line by line; `now` is the moment that nothing in it can be later than.
///
/// # Errors
/// Everything that does not fit, in the order of the lines. Of a stratum whose sequence is broken only the first is told: what
/// comes behind it there follows from it.
pub fn fit(
    shelved: &ShelvedStudy,
    scheme: &Scheme,
    on_file: OnFile<'_>,
    lines: &[Line],
    now: Instant,
) -> Result<History, Vec<Misfit>> {
    let study = &shelved.study;
    let names = Names::new(study, on_file.participants);
    let kits: BTreeMap<&str, &KitRow> = on_file.kits.iter().map(|kit| (kit.code.as_str(), kit)).collect();
    let mut placing = Placing::new(scheme);
    let mut misfits = answers::lacking(study, lines);
    let (mut keys, mut used) = (BTreeSet::new(), BTreeSet::new());
    let mut before: Option<When> = None;
    for line in lines {
        let mut wrong = Vec::new();
        let at = when(study, line, before, now, &mut wrong);
        before = at.or(before);
        if let Some(kit) = &line.kit
            && !used.insert(kit.as_str())
        {
            wrong.push(format!("the kit \"{kit}\" stands twice"));
        }
        let answers = answers::read(study, study.registration_instrument(), line, now.day_in(study.zone), &mut wrong);
        let Some(mut subject) = subject_of(&names, &kits, line, at, &mut wrong) else {
            misfits.extend(wrong.into_iter().map(|wrong| Misfit { line: line.number, wrong }));
            continue;
        };
        subject.answers = answers;
        if !keys.insert(subject.key.clone()) {
            wrong.push(format!("the subject \"{}\" stands twice", subject.reference));
        }
        placing.place(subject, &mut wrong);
        misfits.extend(wrong.into_iter().map(|wrong| Misfit { line: line.number, wrong }));
    }
    if misfits.is_empty() { Ok(placing.history) } else { Err(misfits) }
}

/// Subjects are counted one after the other, as the allocation counts them.
struct Placing<'a> {
    scheme: &'a Scheme,
    state: State,
    /// Strata whose sequence is broken.
    broken: BTreeSet<Vec<String>>,
    history: History,
}

impl<'a> Placing<'a> {
    fn new(scheme: &'a Scheme) -> Placing<'a> {
        let history = History { arms: nobody(scheme), ..History::default() };
        Placing { scheme, state: State::new(scheme), broken: BTreeSet::new(), history }
    }

    /// Counts a subject; says what is wrong if it cannot be.
    fn place(&mut self, mut subject: Subject, wrong: &mut Vec<String>) {
        let Placing { scheme, state, broken, history } = self;
        if subject.allotment.slot.is_none() {
            let likely = state.likely_slot(scheme, &subject.levels, &subject.allotment.arm);
            // What keeps it from being known keeps the subject from being counted, and is told there.
            subject.allotment.slot = likely.unwrap_or_default();
            history.supposed_slots += usize::from(subject.allotment.slot.is_some());
        }
        let stratum = stratum_of(scheme, &subject.levels);
        let origin = if subject.outside { Origin::Forced } else { Origin::Drawn };
        let (levels, allotment) = (subject.levels.clone(), subject.allotment.clone());
        match state.record_row(scheme, &Row { number: state.total() + 1, levels, allotment, origin }) {
            Ok(()) => {
                history.count(scheme, &subject);
                history.outside += usize::from(subject.outside);
            }
            Err(Fault::NoPlace(_) | Fault::BlockSize { .. } | Fault::ListUsedUp) if broken.contains(&stratum) => {}
            Err(fault) => {
                wrong.push(in_words(scheme, &fault, &stratum));
                if matches!(fault, Fault::NoPlace(_) | Fault::BlockSize { .. } | Fault::ListUsedUp) {
                    broken.insert(stratum);
                }
            }
        }
        history.subjects.push(subject);
    }
}

/// What is wrong with a line that the lines above leave no place for; whoever imports may know the sizes of blocks.
fn in_words(scheme: &Scheme, fault: &Fault, stratum: &[String]) -> String {
    let (Fault::BlockSize { given, open }, Method::Block(sizes)) = (fault, scheme.method()) else {
        return fault.to_string();
    };
    let wrong = match given {
        Some(given) => format!("the block size is {given}"),
        None => "the column \"block_size\" is empty".to_owned(),
    };
    let named = scheme.strata().iter().zip(stratum).map(|(id, level)| format!("{id}={level}"));
    let named: Vec<String> = named.collect();
    let place = if named.is_empty() { String::new() } else { format!(" of {}", named.join(", ")) };
    match open {
        Some((size, given)) => {
            format!("{wrong}, but the open block{place} has the size {size}, with {given} given above")
        }
        None => {
            let sizes: Vec<String> = sizes.iter().map(|own| own.size.to_string()).collect();
            format!("{wrong}, where a block{place} begins; [block] sizes are {}", sizes.join(", "))
        }
    }
}

/// When a line says that it was allocated; what is wrong with that.
fn when(study: &Study, line: &Line, before: Option<When>, now: Instant, wrong: &mut Vec<String>) -> Option<When> {
    let text = line.at.as_ref()?;
    let Some(at) = When::read(study, text) else {
        wrong.push(format!(
            "\"{text}\" in the column \"at\" is no date such as 2026-11-20 or 2026-11-20T09:05:00+09:00"
        ));
        return None;
    };
    if When::Moment(now).is_before(at, study) {
        wrong.push(format!("\"{text}\" in the column \"at\" is yet to come"));
        return None;
    }
    if before.is_some_and(|before| at.is_before(before, study)) {
        wrong.push(format!(
            "\"{text}\" in the column \"at\" is before a line above: put the lines in the order of allocation"
        ));
    }
    Some(at)
}

fn subject_of(
    names: &Names<'_>,
    kits: &BTreeMap<&str, &KitRow>,
    line: &Line,
    at: Option<When>,
    wrong: &mut Vec<String>,
) -> Option<Subject> {
    let study = names.study;
    let site_item = study.registration.site_item.as_deref();
    let named = line.row.levels.iter().find(|(id, _)| *id == SITE || Some(id.as_str()) == site_item);
    let site = match (named.map(|(_, level)| level).or(line.site.as_ref()), study.sites.as_slice()) {
        (Some(site), _) => site.clone(),
        (None, [only]) => only.code.clone(),
        (None, _) => {
            wrong.push("the column \"site\" is empty".to_owned());
            return None;
        }
    };
    if study.find_site(&site).is_none() {
        wrong.push(format!("\"{site}\" is no site of the study"));
        return None;
    }
    let mut levels = line.row.levels.clone();
    levels.insert(SITE.to_owned(), site.clone());
    wrong.extend(names.study.scheme.iter().flat_map(|scheme| unknown_levels(study, scheme, &levels)));
    kit_of(study, kits, line, &site, wrong);
    let allotment = Allotment { arm: line.row.arm.clone(), slot: line.row.slot, block_size: line.row.block_size };
    let Named { reference, key, participant } = match names.read(&site, &line.subject) {
        Ok(named) => named,
        Err(fault) => {
            wrong.push(fault);
            return None;
        }
    };
    let (kit, outside) = (line.kit.clone(), outside(study.scheme.as_ref(), line));
    let (number, answers) = (line.number, BTreeMap::new());
    Some(Subject { line: number, reference, key, participant, site, kit, at, levels, allotment, outside, answers })
}

/// Whether a line tells of an arm that was given by hand outside of every block.
fn outside(scheme: Option<&Scheme>, line: &Line) -> bool {
    let blocks = scheme.is_some_and(|scheme| matches!(scheme.method(), Method::Block(_)));
    blocks && line.row.by_hand && line.row.block_size.is_none()
}

/// What is wrong with levels of which the scheme says nothing: those that it lists are held against it with the whole history.
fn unknown_levels(study: &Study, scheme: &Scheme, levels: &Levels) -> Vec<String> {
    let listed = |id: &str| scheme.factors().iter().any(|factor| factor.id == id && factor.levels.is_some());
    let own = levels.iter().map(|(id, level)| (id.as_str(), level.as_str()));
    level::unknown(study, own.filter(|(id, _)| !listed(id)))
}

/// What is wrong with the kit of a line.
fn kit_of(study: &Study, kits: &BTreeMap<&str, &KitRow>, line: &Line, site: &str, wrong: &mut Vec<String>) {
    match (study.hands_out_kits(), &line.kit) {
        (true, None) => wrong.push("the column \"kit\" is empty; the study is blinded".to_owned()),
        (true, Some(code)) => {
            wrong.extend(kit_fault(kits.get(code.as_str()).copied(), code, &line.row.arm, site));
        }
        (false, Some(_)) => wrong.push("a kit is given, but the study hands out none".to_owned()),
        (false, None) => {}
    }
}

/// Why a subject of that arm at that site cannot have that kit.
fn kit_fault(kit: Option<&KitRow>, code: &str, arm: &str, site: &str) -> Option<String> {
    let Some(kit) = kit else {
        return Some(format!(
            "there is no kit \"{code}\": list every kit that a subject has in kits.csv, or with `hagaki kit import`"
        ));
    };
    if kit.allocation_number.is_some() {
        return Some(format!("the kit \"{code}\" was handed out here"));
    }
    if kit.state != KitState::Available {
        let state = kit.state.key();
        return Some(format!("the kit \"{code}\" is {state}: the subject has it, so `hagaki kit release` it first"));
    }
    if !kit.site.is_empty() && kit.site != site {
        return Some(format!(
            "the kit \"{code}\" lies at the site {}: `hagaki kit move --codes {code} --to {site}` first",
            kit.site
        ));
    }
    (kit.arm != arm).then(|| format!("the kit \"{code}\" is not of the arm that the line names"))
}

/// The subject's levels of the strata.
fn stratum_of(scheme: &Scheme, levels: &Levels) -> Vec<String> {
    scheme.strata().iter().map(|id| levels.get(id).cloned().unwrap_or_default()).collect()
}

/// Every arm of a scheme with no subject: an arm that nobody has is told, too.
fn nobody(scheme: &Scheme) -> ArmCounts {
    scheme.arms().iter().map(|arm| (arm.code.clone(), 0)).collect()
}

impl History {
    fn count(&mut self, scheme: &Scheme, subject: &Subject) {
        let arm = &subject.allotment.arm;
        let add = |counts: &mut ArmCounts| *counts.entry(arm.clone()).or_default() += 1;
        add(&mut self.arms);
        if matches!(scheme.method(), Method::Minimization(_) | Method::HuHu(_) | Method::Atkinson) {
            for factor in scheme.factors() {
                let Some(level) = subject.levels.get(&factor.id) else { continue };
                let levels = self.margins.entry(factor.id.clone()).or_default();
                add(levels.entry(level.clone()).or_insert_with(|| nobody(scheme)));
            }
        }
        let stratum = stratum_of(scheme, &subject.levels);
        add(self.strata.entry(stratum.clone()).or_insert_with(|| nobody(scheme)));
        let (Method::Block(_), Some(size)) = (scheme.method(), subject.allotment.block_size) else { return };
        let open = self.blocks.iter_mut().rev().find(|block| block.stratum == stratum);
        match open.filter(|block| block.arms.values().sum::<u64>() < block.size) {
            Some(block) => add(&mut block.arms),
            None => {
                let mut arms = nobody(scheme);
                add(&mut arms);
                self.blocks.push(Block { stratum, size, arms });
            }
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

/// Whether the study may take a history, and from whom: `by` is a person of the study, needed where it is blinded. Asked before
/// anything is compared, so that nobody finds out the arms of kits by trying; an entry of the chain tells of it.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn admit(store: &Store, shelved: &ShelvedStudy, by: &str, act: Act<'_>) -> Result<(), LifeError> {
    let row = study::load(store, shelved.id).await?;
    empty(&row)?;
    if shelved.study.blinding == Blinding::Blinded {
        disclosure::permit_unblinded(store, shelved, Wish { what: "import", by }, act).await?;
    }
    Ok(())
}

/// A study takes a history while it is open and nobody is enrolled.
fn empty(row: &StudyRow) -> Result<(), Refusal> {
    if row.state == StudyState::Closed {
        return Err(Refusal::Closed(row.slug.clone()));
    }
    if row.subjects > 0 || row.allocations > 0 {
        return Err(Refusal::NotEmpty(row.slug.clone()));
    }
    Ok(())
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
    empty(&row)?;
    if act.reason.trim().is_empty() {
        return Err(Refusal::NoReason.into());
    }
    let mut recorded = BTreeMap::new();
    for subject in &history.subjects {
        let numbers = record(&mut tx, &mut row, shelved, subject, source, act, dice).await?;
        recorded.insert(subject.key.as_str(), numbers);
    }
    for Further { id, digest, history, .. } in &history.further {
        let absent = || Failure::Contradiction(format!("the study has no allocation {id}"));
        let own = shelved.study.find_randomization(id).ok_or_else(absent)?;
        for subject in &history.subjects {
            let absent = || Failure::Contradiction(format!("line {}: no such subject", subject.line));
            let numbers = recorded.get(subject.key.as_str()).copied().ok_or_else(absent)?;
            record_further(&mut tx, &mut row, shelved, own, (subject, numbers), digest, act, dice).await?;
        }
    }
    let further: BTreeMap<&str, Value> =
        history.further.iter().map(|own| (own.id.as_str(), told_of(&own.history, &own.file, &own.digest))).collect();
    let mut body = told_of(history, source.name, source.digest);
    if !further.is_empty() {
        body["further"] = json!(further);
    }
    body["reason"] = json!(act.reason);
    log(&mut tx, row, act, "import", &body).await?;
    tx.commit().await?;
    Ok(())
}
