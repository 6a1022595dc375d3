//! What the audit chain tells of subjects, allocations and kits, beside what is on file.

use std::collections::{BTreeMap, BTreeSet};
use std::vec::IntoIter;

use serde::Deserialize;
use serde_json::Value;

use super::enroll::{key_of, record_digest};
use super::kits_told::{KitDiscrepancy, Stock};
use super::{Failure, told_fact};
use crate::domain::allocation::Levels;
use crate::domain::chain::Entry;
use crate::domain::study::Study;
use crate::limits;
use crate::store::allocation::{self, AllocationRow};
use crate::store::fact::FactRow;
use crate::store::kit::KitRow;
use crate::store::study::StudyRow;
use crate::store::subject::{self, SubjectRow};
use crate::store::{Store, audit};

/// Where what is on file parts from the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// Number of the subject, or of the allocation if it is one of that; the two count together where all are randomized.
    pub number: i64,
    /// What differs.
    pub what: What,
}

macro_rules! whats {
    ($($(#[$doc:meta])* $name:ident = $key:literal,)*) => {
        /// What differs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum What {
            $($(#[$doc])* $name,)*
        }

        impl What {
            /// Name in reports for programs.
            pub const fn key(self) -> &'static str {
                match self {
                    $(What::$name => $key,)*
                }
            }
        }
    };
}

whats! {
    /// A subject or an allocation of which no entry tells.
    Entry = "entry",
    /// A subject of which an entry tells is absent.
    Subject = "subject",
    /// The subject's key, which follows from its answers.
    Reference = "reference",
    /// The subject's answers.
    Answers = "answers",
    /// The subject's site.
    Site = "site",
    /// Who enrolled it.
    Person = "person",
    /// When it was enrolled.
    EnrolledAt = "enrolled-at",
    /// The mail that enrolled it.
    Mail = "mail",
    /// The digest of the entry, in the subject's row.
    Digest = "digest",
    /// An allocation of which an entry tells is absent, or there is one where the entry tells of none.
    Allocation = "allocation",
    /// The allocation belongs to another subject.
    Allocated = "allocated-subject",
    /// The arm.
    Arm = "arm",
    /// The levels that were looked at.
    Levels = "levels",
    /// The kit's code.
    Kit = "kit",
    /// The row of one of its kits: absent, or not as the entries tell it.
    KitRow = "kit-row",
    /// The version of the rules.
    Bundle = "bundle",
    /// When it was allocated.
    AllocatedAt = "allocated-at",
    /// The record of how it came about.
    Record = "record",
    /// The journal's row cannot be read.
    Journal = "journal",
    /// A fact about a subject is not as its entry tells it, or there is one without the other.
    Fact = "fact",
    /// The study's counters are not at the last numbers.
    Counters = "counters",
}

/// What was heard from a chain.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The first discrepancy.
    pub first: Option<Discrepancy>,
    /// The first discrepancy of kits that belong to no allocation.
    pub kit: Option<KitDiscrepancy>,
    /// The digests of secrets that the chain commits the study to, in lower-case hexadecimal, in order.
    pub commitments: Vec<String>,
    /// Numbers of the allocations that the chain tells were made elsewhere and imported.
    pub imported: BTreeSet<i64>,
}

/// An enrollment as its entry tells it.
#[derive(Deserialize)]
struct Enrollment {
    subject: i64,
    site: String,
    inbox: Option<i64>,
    answers: BTreeMap<String, String>,
    bundle: i64,
    allocation: Option<Told>,
}

/// An allocation as the entry tells it.
#[derive(Deserialize)]
struct Told {
    number: i64,
    arm: String,
    kit: Option<String>,
    levels: Levels,
    record: String,
    #[serde(default)]
    imported: bool,
}

/// The enrollments of a chain, in order, page by page; what else is in it is passed over, but for the commitments and what
/// it tells of kits.
struct Chain<'a> {
    store: &'a Store,
    study_id: i64,
    stock: Stock<'a>,
    page: IntoIter<Entry>,
    seq: i64,
    commitments: Vec<String>,
    facts: Vec<Entry>,
}

impl Chain<'_> {
    /// The next entry of an enrollment: none if there is none now, though one may be put on later.
    async fn next(&mut self) -> Result<Option<Entry>, Failure> {
        loop {
            for entry in self.page.by_ref() {
                self.seq = entry.seq;
                self.stock.hear(&entry).await?;
                match entry.action.as_str() {
                    "enroll" => return Ok(Some(entry)),
                    "activate" | "purge" => {
                        let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
                        let secret = body.get("secret").and_then(Value::as_str).unwrap_or_default();
                        self.commitments.push(secret.to_string());
                    }
                    "fact" => self.facts.push(entry),
                    _ => {}
                }
            }
            let page = audit::list(self.store, self.study_id, self.seq, limits::PAGE_ROWS).await?;
            if page.is_empty() {
                return Ok(None);
            }
            self.page = page.into_iter();
        }
    }
}

/// The records of a study's decisions, in order, page by page.
struct Records<'a> {
    store: &'a Store,
    study_id: i64,
    page: IntoIter<(i64, String)>,
    last: i64,
}

impl Records<'_> {
    /// The record of that number, which is greater than that of the call before.
    async fn find(&mut self, number: i64) -> Result<Option<String>, Failure> {
        loop {
            for (found, record) in self.page.by_ref() {
                self.last = found;
                if found >= number {
                    return Ok((found == number).then_some(record));
                }
            }
            let page = allocation::list_records(self.store, self.study_id, self.last, limits::PAGE_ROWS).await?;
            if page.is_empty() {
                return Ok(None);
            }
            self.page = page.into_iter();
        }
    }
}

/// What is on file and not yet compared.
struct Files<'a> {
    study: &'a Study,
    facts: std::iter::Peekable<std::slice::Iter<'a, AllocationRow>>,
    records: Records<'a>,
    imported: BTreeSet<i64>,
}

/// Goes through a study's subjects and its chain together. `head`, `kits` and `facts` were read before, in that order:
/// a row and its entry commit together, so that every row read has its entry by now, and every entry that `head` knows of
/// its rows. What was enrolled in between is compared as far as it was read.
///
/// # Errors
/// The database.
pub async fn compare(
    store: &Store,
    study: &Study,
    head: &StudyRow,
    kits: Vec<KitRow>,
    facts: &[AllocationRow],
    known: &[FactRow],
) -> Result<Heard, Failure> {
    let mut chain = Chain {
        store,
        study_id: head.id,
        stock: Stock::new(store, head),
        page: Vec::new().into_iter(),
        seq: 0,
        commitments: Vec::new(),
        facts: Vec::new(),
    };
    let mut files = Files {
        study,
        facts: facts.iter().peekable(),
        records: Records { store, study_id: head.id, page: Vec::new().into_iter(), last: i64::MIN },
        imported: BTreeSet::new(),
    };
    let mut first = first_discrepancy(&mut chain, &mut files, head).await?;
    // The commitments and the stock are of the whole chain, wherever the comparison ended.
    while chain.next().await?.is_some() {}
    if first.is_none() {
        first = told_fact::first_discrepancy(store, head, &chain.facts, known).await?;
    }
    let mut heard = Heard { first, kit: None, commitments: chain.commitments, imported: files.imported };
    match chain.stock.compare(kits) {
        Some(KitDiscrepancy { allocation: Some(number), .. }) => {
            let found = Discrepancy { number, what: What::KitRow };
            heard.first = Some(heard.first.filter(|first| first.number <= number).unwrap_or(found));
        }
        other => heard.kit = other,
    }
    Ok(heard)
}

async fn first_discrepancy(
    chain: &mut Chain<'_>,
    files: &mut Files<'_>,
    head: &StudyRow,
) -> Result<Option<Discrepancy>, Failure> {
    let (mut subjects, mut allocations) = (0, 0);
    let mut after = i64::MIN;
    loop {
        let page = subject::list(chain.store, head.id, after, limits::PAGE_ROWS).await?;
        let Some(end) = page.last() else { break };
        after = end.number;
        for row in &page {
            let Some(entry) = chain.next().await? else {
                return Ok(Some(Discrepancy { number: row.number, what: What::Entry }));
            };
            let Ok(told) = serde_json::from_str::<Enrollment>(&entry.body) else {
                return Ok(Some(Discrepancy { number: row.number, what: What::Entry }));
            };
            if let Some(found) = files.differ(&entry, &told, row, head).await? {
                return Ok(Some(found));
            }
            if entry.seq <= head.chain.length {
                subjects = told.subject;
                allocations = told.allocation.map_or(allocations, |told| told.number);
            }
        }
    }
    while let Some(entry) = chain.next().await? {
        if entry.seq <= head.chain.length {
            let told = serde_json::from_str::<Enrollment>(&entry.body);
            let number = told.map_or(subjects + 1, |told| told.subject);
            return Ok(Some(Discrepancy { number, what: What::Subject }));
        }
    }
    if let Some(fact) = files.facts.next() {
        return Ok(Some(Discrepancy { number: fact.number, what: What::Entry }));
    }
    let counted = (subjects, allocations) == (head.subjects, head.allocations);
    Ok((!counted).then_some(Discrepancy { number: subjects, what: What::Counters }))
}

impl Files<'_> {
    /// How one subject and its allocation differ from their entry.
    async fn differ(
        &mut self,
        entry: &Entry,
        told: &Enrollment,
        row: &SubjectRow,
        head: &StudyRow,
    ) -> Result<Option<Discrepancy>, Failure> {
        if told.subject != row.number {
            let (number, what) =
                if told.subject < row.number { (told.subject, What::Subject) } else { (row.number, What::Entry) };
            return Ok(Some(Discrepancy { number, what }));
        }
        if let Some(what) = subject_differs(self.study, entry, told, row) {
            return Ok(Some(Discrepancy { number: row.number, what }));
        }
        let Some(given) = &told.allocation else { return Ok(None) };
        if given.imported {
            self.imported.insert(given.number);
        }
        let fact = match self.facts.peek() {
            Some(fact) if fact.number == given.number => *fact,
            Some(fact) if fact.number < given.number => {
                return Ok(Some(Discrepancy { number: fact.number, what: What::Entry }));
            }
            // It was allocated after the journal was read.
            None if entry.seq > head.chain.length => return Ok(None),
            _ => return Ok(Some(Discrepancy { number: given.number, what: What::Allocation })),
        };
        self.facts.next();
        let mut what = allocation_differs(entry, told, given, row, fact);
        if what.is_none() {
            let record = self.records.find(fact.number).await?;
            let same = record.is_some_and(|record| record_digest(&record) == given.record);
            what = (!same).then_some(What::Record);
        }
        Ok(what.map(|what| Discrepancy { number: fact.number, what }))
    }
}

fn subject_differs(study: &Study, entry: &Entry, told: &Enrollment, row: &SubjectRow) -> Option<What> {
    let answers: Option<BTreeMap<String, String>> = serde_json::from_str(&row.answers).ok();
    let reference = told.answers.get(&study.registration.subject_item);
    [
        (What::Answers, answers.as_ref() == Some(&told.answers)),
        (What::Site, row.site == told.site),
        (What::Person, row.person == entry.actor),
        (What::EnrolledAt, row.enrolled_at == entry.at),
        (What::Mail, row.inbox_id == told.inbox),
        (What::Digest, row.audit_digest == entry.digest),
        (What::Reference, reference.is_some_and(|text| key_of(study, &told.site, text) == row.reference_key)),
    ]
    .into_iter()
    .find_map(|(what, same)| (!same).then_some(what))
}

fn allocation_differs(
    entry: &Entry,
    told: &Enrollment,
    given: &Told,
    row: &SubjectRow,
    fact: &AllocationRow,
) -> Option<What> {
    let levels: Option<Levels> = serde_json::from_str(&fact.levels).ok();
    [
        (What::Allocated, fact.subject_id == row.id),
        (What::Arm, fact.arm == given.arm),
        (What::Kit, fact.kit == given.kit),
        (What::Levels, levels.as_ref() == Some(&given.levels)),
        (What::Bundle, fact.bundle_version == told.bundle),
        (What::AllocatedAt, fact.allocated_at == entry.at),
    ]
    .into_iter()
    .find_map(|(what, same)| (!same).then_some(what))
}
