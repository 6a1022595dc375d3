//! What the audit chain tells of subjects, allocations and kits, beside what is on file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::binding::BIND;
use super::entry::is_record_digest;
use super::kits_left::{KitsLeft, Leaving};
use super::kits_told::{KitDiscrepancy, KitWhat, Stock};
use super::pages::Pages;
use super::replaying::Rows;
use super::texts::Texts;
use super::told_reference::References;
use super::told_study::{Course, StudyFault};
use super::{Failure, told_fact};
use crate::domain::allocation::Origin;
use crate::domain::study::{FIRST, Study};
use crate::limits;
use crate::store::Store;
use crate::store::allocation::{self, Recorded};
use crate::store::audit::{self, Unlinked};
use crate::store::fact::FactRow;
use crate::store::kit::KitRow;
use crate::store::randomization::{self, RandomizationRow};
use crate::store::study::StudyRow;
use crate::store::subject::{self, OnFile};

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
    /// What the subject is known by, which follows from its answers and their corrections; or a reference it had before.
    Reference = "reference",
    /// The subject's answers.
    Answers = "answers",
    /// The subject's site.
    Site = "site",
    /// The earlier subject that is screened again as this one.
    Rescreens = "rescreens",
    /// The participant who enrolled themself as this one.
    Participant = "participant",
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
    /// Which of the study's allocations it is.
    Randomization = "randomization",
    /// What was sent for a further allocation.
    Request = "request",
    /// The arm.
    Arm = "arm",
    /// The levels that were looked at.
    Levels = "levels",
    /// The kit's code.
    Kit = "kit",
    /// The row of one of its kits: absent, or not as the entries tell it.
    KitRow = "kit-row",
    /// One of its kits is not the one that had to leave, by the secret and the stock of that moment.
    KitOrder = "kit-order",
    /// The version of the rules.
    Bundle = "bundle",
    /// When it was allocated.
    AllocatedAt = "allocated-at",
    /// The record of how it came about.
    Record = "record",
    /// Whether it was drawn, imported or given by hand.
    Origin = "origin",
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
    /// How many kits left for subjects, by whether they could be found again.
    pub left: KitsLeft,
    /// The digests of secrets that the chain commits the study to, in lower-case hexadecimal, in order.
    pub commitments: Vec<String>,
    /// What of the study's row is not as the chain tells it.
    pub study: Option<StudyFault>,
}

/// An enrollment as its entry tells it.
#[derive(Deserialize)]
pub(super) struct Enrollment<'a> {
    pub(super) subject: i64,
    #[serde(borrow)]
    pub(super) site: Cow<'a, str>,
    /// Whose subject it is, where somebody else acted.
    person: Option<String>,
    /// Number of the earlier subject that is screened again.
    pub(super) rescreens: Option<i64>,
    /// Number of the participant who enrolled themself.
    pub(super) participant: Option<i64>,
    inbox: Option<i64>,
    #[serde(borrow)]
    pub(super) answers: Texts<'a>,
    /// The subject's key, where it does not follow from the answers: its reference is sealed, it is the participant, or the person was
    /// screened before.
    #[serde(borrow)]
    pub(super) reference: Option<Cow<'a, str>>,
    bundle: i64,
    allocation: Option<Told<'a>>,
}

/// An allocation as the entry tells it.
#[derive(Deserialize)]
struct Told<'a> {
    number: i64,
    #[serde(borrow)]
    arm: Cow<'a, str>,
    kit: Option<String>,
    /// The rule by which the stock gave the kit.
    kit_rule: Option<i64>,
    #[serde(borrow)]
    levels: Texts<'a>,
    #[serde(borrow)]
    record: Cow<'a, str>,
    #[serde(default)]
    imported: bool,
    /// By whom and why, if it was given by hand.
    forced: Option<Value>,
}

impl Told<'_> {
    fn origin(&self) -> Origin {
        match (self.imported, &self.forced) {
            (true, _) => Origin::Imported,
            (false, Some(_)) => Origin::Forced,
            (false, None) => Origin::Drawn,
        }
    }
}

/// A further allocation as its entry tells it.
#[derive(Deserialize)]
struct Again<'a> {
    subject: i64,
    #[serde(borrow)]
    randomization: Cow<'a, str>,
    /// Whose request it is, where somebody else acted.
    person: Option<String>,
    inbox: Option<i64>,
    #[serde(borrow)]
    answers: Texts<'a>,
    bundle: i64,
    allocation: Told<'a>,
}

/// The enrollments and further allocations of a chain, in order; what else is in it is passed over, but for the commitments,
/// what became known of subjects, and what it tells of kits.
struct Chain<'a> {
    entries: Pages<Unlinked>,
    stock: Stock<'a>,
    commitments: Vec<String>,
    /// How far the study has come by the entries up to the head.
    course: Course,
    head: i64,
    /// Entries of facts, and of what corrections bind.
    facts: Vec<Unlinked>,
}

impl Chain<'_> {
    /// The next entry of an enrollment, whose kit is not heard yet, or of a further allocation: none if there is none now, though
    /// one may be put on later.
    async fn next(&mut self) -> Result<Option<Unlinked>, Failure> {
        while let Some(entry) = self.entries.next().await? {
            if entry.seq <= self.head {
                self.course.hear(&entry);
            }
            match entry.action.as_str() {
                "enroll" => return Ok(Some(entry)),
                "randomize" => {
                    self.stock.hear(&entry).await?;
                    return Ok(Some(entry));
                }
                "activate" | "purge" => {
                    let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
                    let secret = body.get("secret").and_then(Value::as_str).unwrap_or_default();
                    self.commitments.push(secret.to_string());
                }
                _ => {}
            }
            self.stock.hear(&entry).await?;
            if entry.action == "fact" || entry.action == BIND {
                self.facts.push(entry);
            }
        }
        Ok(None)
    }

    /// What an entry of an enrollment tells, and hears its kit; none if it is none that we wrote.
    async fn read<'e>(&mut self, entry: &'e Unlinked) -> Result<Option<Enrollment<'e>>, Failure> {
        let Ok(told) = serde_json::from_str::<Enrollment<'_>>(&entry.body) else {
            self.stock.hear(entry).await?;
            return Ok(None);
        };
        self.stock.hear_subject(told.subject, &told.site);
        if let Some((own, code)) = told.allocation.as_ref().and_then(|own| Some((own, own.kit.as_ref()?))) {
            let leaving = Leaving {
                code,
                number: own.number,
                arm: &own.arm,
                site: &told.site,
                randomization: FIRST,
                bundle: told.bundle,
                rule: own.kit_rule,
            };
            self.stock.hear_given(leaving, entry);
        }
        Ok(Some(told))
    }
}

/// What is on file and not yet compared.
struct Files<'a> {
    study: &'a Study,
    references: References<'a>,
    journal: Pages<Recorded>,
    next: Option<Recorded>,
    /// Where allocations go to be decided again, as far as they were compared.
    replay: Option<Rows>,
    requests: Pages<RandomizationRow>,
    next_request: Option<RandomizationRow>,
    /// Subjects' numbers in the database by their numbers in the study, where further allocations ask for them.
    subjects: BTreeMap<i64, i64>,
}

/// Goes through a study's subjects and its chain together. `head`, `kits`, `last` (the greatest number of an allocation) and `known`
/// were read before, in that order: a row and its entry commit together, so that every row read has its entry by now, and every
/// entry that `head` knows of its rows. What was enrolled in between is compared as far as it was read. Allocations go on to
/// `replay`, up to the first discrepancy.
///
/// # Errors
/// The database.
pub(super) async fn compare(
    store: &Store,
    study: &Study,
    head: &StudyRow,
    kits: Vec<KitRow>,
    last: i64,
    known: &[FactRow],
    replay: Option<Rows>,
) -> Result<Heard, Failure> {
    const ROWS: i64 = limits::PROOF_PAGE_ROWS;
    let id = head.id;
    let own = store.clone();
    let entries = Pages::new(
        |entry: &Unlinked| entry.seq,
        move |after| {
            let store = own.clone();
            Box::pin(async move { audit::list_unlinked(&store, id, after, ROWS).await })
        },
    );
    let own = store.clone();
    let journal = Pages::new(
        |recorded: &Recorded| recorded.row.number,
        move |after| {
            let store = own.clone();
            Box::pin(async move { allocation::list_recorded(&store, id, after, last, ROWS).await })
        },
    );
    let own = store.clone();
    let subjects = Pages::new(
        |subject: &OnFile| subject.number,
        move |after| {
            let store = own.clone();
            Box::pin(async move { subject::list_on_file(&store, id, after, ROWS).await })
        },
    );
    let own = store.clone();
    let requests = Pages::new(
        |request: &RandomizationRow| request.allocation_number,
        move |after| {
            let store = own.clone();
            Box::pin(async move { randomization::list_kept(&store, id, after, ROWS).await })
        },
    );
    let mut chain = Chain {
        entries,
        stock: Stock::new(store, head)?,
        commitments: Vec::new(),
        course: Course::new(),
        head: head.chain.length,
        facts: Vec::new(),
    };
    let subject_ids = BTreeMap::new();
    let references = References::new(study, known);
    let mut files =
        Files { study, references, journal, next: None, replay, requests, next_request: None, subjects: subject_ids };
    let mut first = first_discrepancy(&mut chain, &mut files, subjects, head).await?;
    files.send_up_to(first).await?;
    // The commitments and the stock are of the whole chain, wherever the comparison ended.
    while let Some(entry) = chain.next().await? {
        if entry.action == "enroll" {
            chain.read(&entry).await?;
        }
    }
    let reference = files.references.first_discrepancy(store, head, &chain.facts).await?;
    first = match (first, reference) {
        (Some(first), Some(reference)) if reference.number < first.number => Some(reference),
        (first, reference) => first.or(reference),
    };
    if first.is_none() {
        first = told_fact::first_discrepancy(store, head, &chain.facts, known).await?;
    }
    let study = chain.course.fault(head);
    let mut heard = Heard { first, kit: None, left: chain.stock.left(), commitments: chain.commitments, study };
    match chain.stock.compare(kits) {
        Some(KitDiscrepancy { allocation: Some(number), what, .. }) => {
            let what = if what == KitWhat::Order { What::KitOrder } else { What::KitRow };
            let found = Discrepancy { number, what };
            heard.first = Some(heard.first.filter(|first| first.number <= number).unwrap_or(found));
        }
        other => heard.kit = other,
    }
    Ok(heard)
}

async fn first_discrepancy(
    chain: &mut Chain<'_>,
    files: &mut Files<'_>,
    mut on_file: Pages<OnFile>,
    head: &StudyRow,
) -> Result<Option<Discrepancy>, Failure> {
    let (mut subjects, mut allocations) = (0, 0);
    while let Some(row) = on_file.next().await? {
        let mut next = chain.next().await?;
        while let Some(entry) = next.take_if(|entry| entry.action == "randomize") {
            match files.differ_again(&entry, head).await? {
                Ok(number) if entry.seq <= head.chain.length => allocations = number,
                Ok(_) => {}
                Err(found) => return Ok(Some(found)),
            }
            next = chain.next().await?;
        }
        let Some(entry) = next else {
            return Ok(Some(Discrepancy { number: row.number, what: What::Entry }));
        };
        if !files.study.randomizations.is_empty() {
            files.subjects.insert(row.number, row.id);
        }
        let Some(told) = chain.read(&entry).await? else {
            return Ok(Some(Discrepancy { number: row.number, what: What::Entry }));
        };
        if let Some(found) = files.differ(&entry, &told, &row, head).await? {
            return Ok(Some(found));
        }
        if entry.seq <= head.chain.length {
            subjects = told.subject;
            allocations = told.allocation.map_or(allocations, |told| told.number);
        }
    }
    while let Some(entry) = chain.next().await? {
        if entry.action == "randomize" {
            match files.differ_again(&entry, head).await? {
                Ok(number) if entry.seq <= head.chain.length => allocations = number,
                Ok(_) => {}
                Err(found) => return Ok(Some(found)),
            }
            continue;
        }
        let told = chain.read(&entry).await?;
        if entry.seq <= head.chain.length {
            let number = told.map_or(subjects + 1, |told| told.subject);
            return Ok(Some(Discrepancy { number, what: What::Subject }));
        }
    }
    if let Some(request) = files.peek_request().await? {
        return Ok(Some(Discrepancy { number: request.allocation_number, what: What::Entry }));
    }
    if let Some(fact) = files.peek().await? {
        return Ok(Some(Discrepancy { number: fact.row.number, what: What::Entry }));
    }
    let counted = (subjects, allocations) == (head.subjects, head.allocations);
    Ok((!counted).then_some(Discrepancy { number: subjects, what: What::Counters }))
}

impl Files<'_> {
    /// The next allocation.
    async fn peek(&mut self) -> Result<Option<&Recorded>, Failure> {
        if self.next.is_none() {
            self.next = self.journal.next().await?;
        }
        Ok(self.next.as_ref())
    }

    /// What was sent for the next further allocation.
    async fn peek_request(&mut self) -> Result<Option<&RandomizationRow>, Failure> {
        if self.next_request.is_none() {
            self.next_request = self.requests.next().await?;
        }
        Ok(self.next_request.as_ref())
    }

    /// Sends what is left on to be decided again: all, or up to the number of a discrepancy. What comes behind that is told
    /// of in no case.
    async fn send_up_to(&mut self, first: Option<Discrepancy>) -> Result<(), Failure> {
        let Some(mut replay) = self.replay.take() else { return Ok(()) };
        while let Some(fact) = self.peek().await? {
            if first.is_some_and(|first| fact.row.number > first.number) {
                break;
            }
            if let Some(fact) = self.next.take() {
                replay.send(fact.row).await;
            }
        }
        replay.finish().await;
        Ok(())
    }

    /// How one subject and its allocation differ from their entry.
    async fn differ(
        &mut self,
        entry: &Unlinked,
        told: &Enrollment<'_>,
        row: &OnFile,
        head: &StudyRow,
    ) -> Result<Option<Discrepancy>, Failure> {
        if told.subject != row.number {
            let (number, what) =
                if told.subject < row.number { (told.subject, What::Subject) } else { (row.number, What::Entry) };
            return Ok(Some(Discrepancy { number, what }));
        }
        if row.rescreens != told.rescreens {
            return Ok(Some(Discrepancy { number: row.number, what: What::Rescreens }));
        }
        let named = self.references.is_told(told, row);
        if let Some(what) = subject_differs(entry, told, row, named) {
            return Ok(Some(Discrepancy { number: row.number, what }));
        }
        let Some(given) = &told.allocation else { return Ok(None) };
        let fact = match self.take(entry, given.number, head).await? {
            Ok(Some(fact)) => fact,
            Ok(None) => return Ok(None),
            Err(found) => return Ok(Some(found)),
        };
        let what = allocation_differs(entry, told.bundle, given, (row.id, FIRST), &fact);
        Ok(self.send(fact, what).await.err())
    }

    /// The row of an allocation that the chain tells next; none if it was allocated after the journal was read.
    async fn take(
        &mut self,
        entry: &Unlinked,
        number: i64,
        head: &StudyRow,
    ) -> Result<Result<Option<Recorded>, Discrepancy>, Failure> {
        Ok(match self.peek().await? {
            Some(fact) if fact.row.number == number => Ok(self.next.take()),
            Some(fact) if fact.row.number < number => Err(Discrepancy { number: fact.row.number, what: What::Entry }),
            None if entry.seq > head.chain.length => Ok(None),
            _ => Err(Discrepancy { number, what: What::Allocation }),
        })
    }

    /// Sends an allocation that was compared on to be decided again; its number, if nothing differs.
    async fn send(&mut self, fact: Recorded, what: Option<What>) -> Result<i64, Discrepancy> {
        let number = fact.row.number;
        if let Some(replay) = &mut self.replay {
            replay.send(fact.row).await;
        }
        what.map_or(Ok(number), |what| Err(Discrepancy { number, what }))
    }

    /// The number of a further allocation, or how it differs from its entry.
    async fn differ_again(&mut self, entry: &Unlinked, head: &StudyRow) -> Result<Result<i64, Discrepancy>, Failure> {
        let Ok(told) = serde_json::from_str::<Again<'_>>(&entry.body) else {
            let number = self.peek().await?.map_or(0, |fact| fact.row.number);
            return Ok(Err(Discrepancy { number, what: What::Entry }));
        };
        let given = &told.allocation;
        let Some(id) = self.subjects.get(&told.subject).copied() else {
            return Ok(Err(Discrepancy { number: given.number, what: What::Allocated }));
        };
        let fact = match self.take(entry, given.number, head).await? {
            Ok(Some(fact)) => fact,
            Ok(None) => return Ok(Ok(given.number)),
            Err(found) => return Ok(Err(found)),
        };
        // Those of earlier allocations stay, and are missed here.
        let own = self.peek_request().await?.is_some_and(|request| request.allocation_number == given.number);
        let request = if own { self.next_request.take() } else { None };
        let asked = |request: &RandomizationRow| {
            request.person == *told.person.as_ref().unwrap_or(&entry.actor)
                && request.inbox_id == told.inbox
                && request.audit_digest == entry.digest
                && told.answers.is(&request.answers)
        };
        let what = allocation_differs(entry, told.bundle, given, (id, &told.randomization), &fact);
        let what = what.or_else(|| (!request.as_ref().is_some_and(asked)).then_some(What::Request));
        Ok(self.send(fact, what).await)
    }
}

fn subject_differs(entry: &Unlinked, told: &Enrollment<'_>, row: &OnFile, named: bool) -> Option<What> {
    [
        (What::Answers, told.answers.is(&row.answers)),
        (What::Site, row.site == told.site),
        (What::Participant, row.participant == told.participant),
        (What::Person, row.person == *told.person.as_ref().unwrap_or(&entry.actor)),
        (What::EnrolledAt, row.enrolled_at == entry.at),
        (What::Mail, row.inbox_id == told.inbox),
        (What::Digest, row.audit_digest == entry.digest),
        (What::Reference, named),
    ]
    .into_iter()
    .find_map(|(what, same)| (!same).then_some(what))
}

fn allocation_differs(
    entry: &Unlinked,
    bundle: i64,
    given: &Told<'_>,
    (subject, randomization): (i64, &str),
    Recorded { row, record }: &Recorded,
) -> Option<What> {
    [
        (What::Allocated, row.subject_id == subject),
        (What::Randomization, row.randomization == randomization),
        (What::Arm, row.arm == given.arm),
        (What::Kit, row.kit == given.kit),
        (What::Levels, given.levels.is(&row.levels)),
        (What::Origin, row.origin == given.origin()),
        (What::Bundle, row.bundle_version == bundle),
        (What::AllocatedAt, row.allocated_at == entry.at),
        (What::Record, is_record_digest(&given.record, record)),
    ]
    .into_iter()
    .find_map(|(what, same)| (!same).then_some(what))
}
