//! Corrections of a subject's reference, or of its site: what makes a subject the same is what would have been right.
//!
//! A registration under the right reference is one of that subject, whatever was typed at first, else a patient could be allocated
//! twice. The right reference takes the place of the old one in the subject's row, so that the same constraint of the database that
//! keeps two enrollments apart keeps a correction from taking another subject's. The old one stays known as an earlier one, in a
//! table of its own where several subjects may have it: it may be another patient's right one, so a registration under it is asked
//! about. Of the site the same holds where references are unique within a site only; the subject is that of both sites from then on.
//!
//! The fact's entry in the chain tells what it binds. Corrections that an earlier version recorded are bound when a study is looked
//! at for the first time ([`bind_all`]), each with an entry of its own; before that nothing of the study is decided.

use serde_json::{Value, json};

use super::correction::{self, Answers, changes};
use super::entry::salted;
use super::facts::standing;
use super::ledger::Page;
use super::reference::{key_of, possible_keys};
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, enroll, rescreen};
use crate::domain::fact::{self, FactKind};
use crate::domain::kept::{self, KeptReference};
use crate::domain::study::{Person, Study};
use crate::domain::text;
use crate::domain::time::{Dice, Instant};
use crate::limits;
use crate::store::fact::FactRow;
use crate::store::subject::{self, SubjectRow};
use crate::store::subject_reference::{State, SubjectReference};
use crate::store::{Store, StoreError, Tx, audit, fact as fact_rows, study, subject_reference};

/// The action of the entry by which a correction of an earlier version binds.
pub(super) const BIND: &str = "bind";

/// What makes a subject the same by a correction.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// The reference, in the clear and as it is kept; none where the subject is known by it already.
    reference: Option<(String, KeptReference)>,
    /// The site, if it is not the one the subject was enrolled at.
    site: Option<String>,
}

impl Binding {
    /// What the chain tells of it.
    pub(super) fn told(&self, subject: &SubjectRow) -> Value {
        let reference = self.reference.as_ref().map_or(subject.reference_key.as_str(), |(_, kept)| kept.text());
        json!({ "reference": reference, "site": self.site })
    }
}

/// What comes of a correction.
#[derive(Clone, Debug)]
pub(super) enum Judged {
    /// It touches neither reference nor site.
    Nothing,
    /// It binds.
    Binds(Binding),
    /// The reference is that of another person.
    Taken {
        /// The subject that has it.
        owner: Box<SubjectRow>,
        /// The reference.
        key: String,
    },
}

/// Whether what would have been right tells of the reference or the site of a subject that is known by these.
fn touches(study: &Study, subject: &SubjectRow, changes: &Answers) -> bool {
    let rules = &study.registration;
    subject.participant_id.is_none()
        && (changes.contains_key(&rules.subject_item)
            || rules.site_item.as_ref().is_some_and(|item| changes.contains_key(item)))
}

/// Judges what a subject is known by when `changes` would have been right, beside the facts `before`.
///
/// # Errors
/// The database; rows that cannot have been written by this program.
pub(super) async fn judge(
    tx: &mut Tx,
    study: &Study,
    subject: &SubjectRow,
    before: &[FactRow],
    changes: &Answers,
) -> Result<Judged, Failure> {
    let own = fact::changes_of(changes, None);
    if !touches(study, subject, &own) {
        return Ok(Judged::Nothing);
    }
    let mut answers = enroll::stored_answers(subject)?;
    correction::correct(&mut answers, before.iter(), None)?;
    answers.extend(own);
    let rules = &study.registration;
    let Some(reference) = answers.get(&rules.subject_item) else { return Ok(Judged::Nothing) };
    let site = rules.site_item.as_ref().and_then(|item| answers.get(item)).unwrap_or(&subject.site);
    let key = key_of(study, site, reference);
    let site = Some(site.clone()).filter(|site| *site != subject.site);
    let study_id = subject.study_id;
    let known = kept::without_screening(&subject.reference_key);
    if kept::references(tx.ring(), study_id, &key).iter().any(|text| text == known) {
        return Ok(Judged::Binds(Binding { reference: None, site }));
    }
    let key = match subject::find_by_reference(&mut *tx, study_id, &key).await? {
        None => key,
        Some(owner) if is_same_person(tx, subject, &owner).await? => free_key(tx, study_id, &key, 2).await?,
        Some(owner) => return Ok(Judged::Taken { owner: Box::new(owner), key }),
    };
    let kept = KeptReference::new(tx.ring(), study_id, study.names_personally(), &key)?;
    Ok(Judged::Binds(Binding { reference: Some((key, kept)), site }))
}

/// Whether two subjects are one person by what is on file: screenings of each other, or one a duplicate of the other.
async fn is_same_person(tx: &mut Tx, one: &SubjectRow, other: &SubjectRow) -> Result<bool, Failure> {
    let latest = rescreen::latest(tx, one.clone()).await?.id;
    if latest == rescreen::latest(tx, other.clone()).await?.id {
        return Ok(true);
    }
    for (of, first) in [(one, other), (other, one)] {
        let facts = fact_rows::list_by_subject(&mut *tx, of.id).await?;
        if standing(&facts).any(|fact| fact.kind == FactKind::Duplicate && fact.of_subject_id == Some(first.id)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a subject is known by now by the reference of another one, as only two subjects of one person may be.
///
/// # Errors
/// Rows that cannot have been written by this program.
pub(super) fn shares_reference(
    tx: &Tx,
    study: &Study,
    (subject, facts): (&SubjectRow, &[FactRow]),
    other: &SubjectRow,
) -> Result<bool, Failure> {
    let mut answers = enroll::stored_answers(subject)?;
    correction::correct(&mut answers, facts.iter(), None)?;
    let rules = &study.registration;
    let Some(reference) = answers.get(&rules.subject_item).filter(|_| subject.participant_id.is_none()) else {
        return Ok(false);
    };
    let site = rules.site_item.as_ref().and_then(|item| answers.get(item)).unwrap_or(&subject.site);
    let known = kept::without_screening(&other.reference_key);
    Ok(kept::references(tx.ring(), subject.study_id, &key_of(study, site, reference)).iter().any(|text| text == known))
}

/// A key that no subject has: that of a reference with a number behind it, from `first` on.
///
/// # Errors
/// The database.
pub(super) async fn free_key(tx: &mut Tx, study_id: i64, key: &str, first: usize) -> Result<String, Failure> {
    for number in first..first + limits::SUBJECTS_OF_REFERENCE {
        let own = format!("{key} {number}");
        if subject::find_by_reference(&mut *tx, study_id, &own).await?.is_none() {
            return Ok(own);
        }
    }
    Err(Failure::Contradiction(format!("more than {} subjects have one reference", limits::SUBJECTS_OF_REFERENCE)))
}

/// Binds by the correction of that number.
///
/// # Errors
/// The database; a conflict if the reference is another subject's by now.
pub(super) async fn bind(
    tx: &mut Tx,
    subject: &SubjectRow,
    Binding { reference, site }: &Binding,
    number: i64,
) -> Result<(), Failure> {
    let kept = reference.as_ref().map(|(_, kept)| kept);
    if kept.is_some() || *site != subject.site_corrected {
        subject::rebind(tx, subject.id, kept, site.as_deref()).await?;
    }
    let known = kept.map_or(subject.reference_key.as_str(), KeptReference::text);
    subject_reference::forget(tx, subject.study_id, subject.id, kept::without_screening(known)).await?;
    if kept.is_some() {
        put_beside(tx, subject, kept::without_screening(&subject.reference_key), number, State::Earlier).await?;
    }
    Ok(())
}

async fn put_beside(
    tx: &mut Tx,
    subject: &SubjectRow,
    reference_key: &str,
    fact: i64,
    state: State,
) -> Result<(), StoreError> {
    let reference = SubjectReference { subject: subject.number, reference_key: reference_key.to_string(), fact, state };
    subject_reference::save(tx, subject.study_id, subject.id, &reference).await
}

/// Judges a correction and binds it, in a study that is locked; what its entry tells of that, none where it tells of neither reference
/// nor site.
///
/// # Errors
/// As [`judge`]; a contradiction where the reference is taken, for who corrects is told of that before.
pub(super) async fn record(
    tx: &mut Tx,
    page: &mut Page,
    study: &Study,
    subject: &SubjectRow,
    before: &[FactRow],
    changes: &Answers,
) -> Result<Option<Value>, Failure> {
    match judge(tx, study, subject, before, changes).await? {
        Judged::Nothing => Ok(None),
        Judged::Taken { owner, .. } => {
            let (own, other) = (subject.number, owner.number);
            Err(Failure::Contradiction(format!("subject {own} cannot have the reference of subject {other}")))
        }
        Judged::Binds(binding) => {
            if let Some((key, _)) = &binding.reference {
                // Somebody may have looked for it ahead of time.
                page.take_unknown(key);
            }
            bind(tx, subject, &binding, page.row.facts + 1).await?;
            Ok(Some(binding.told(subject)))
        }
    }
}

/// The subject of another person that has the reference which would be right by a correction.
///
/// # Errors
/// As [`judge`].
pub(super) async fn find_taken(
    tx: &mut Tx,
    study: &Study,
    subject: &SubjectRow,
    changes: &Answers,
) -> Result<Option<SubjectRow>, Failure> {
    let before = fact_rows::list_by_subject(&mut *tx, subject.id).await?;
    Ok(match judge(tx, study, subject, &before, changes).await? {
        Judged::Taken { owner, .. } => Some(*owner),
        Judged::Nothing | Judged::Binds(_) => None,
    })
}

/// Subjects whose reference one was until it was corrected.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// Number of the latest of the corrections.
    pub fact: i64,
    /// The subjects.
    pub subjects: Vec<SubjectRow>,
}

impl Earlier {
    /// The numbers of those that a person may know of.
    pub fn numbers(&self, study: &Study, person: &Person) -> Vec<String> {
        let theirs = |subject: &&SubjectRow| person.acts_for_any(subject.sites());
        let own = self.subjects.iter().filter(theirs).take(limits::FAULTS_LISTED);
        own.map(|subject| study.subject_number(subject.number)).collect()
    }
}

/// The subjects whose reference that was until it was corrected, if there are any.
///
/// # Errors
/// The database.
pub(super) async fn find_earlier(tx: &mut Tx, study_id: i64, key: &str) -> Result<Option<Earlier>, Failure> {
    let mut earlier = Earlier { fact: 0, subjects: Vec::new() };
    let beside = subject_reference::list_by_reference(&mut *tx, study_id, key).await?;
    for own in beside.into_iter().filter(|own| own.state == State::Earlier) {
        let found = subject::find_by_number(&mut *tx, study_id, own.subject).await?;
        earlier.subjects.extend(found);
        earlier.fact = earlier.fact.max(own.fact);
    }
    Ok((!earlier.subjects.is_empty()).then_some(earlier))
}

/// The numbers of the subjects of a person's sites whose reference that was until it was corrected, as typed; of those of one site if
/// it is named.
///
/// # Errors
/// The database.
pub(super) async fn earlier_numbers(
    tx: &mut Tx,
    study_id: i64,
    study: &Study,
    person: &Person,
    (typed, site): (&str, Option<&str>),
) -> Result<Vec<String>, Failure> {
    let site = site.map(text::fold_tight);
    let mut keys = match study.sites.iter().find(|one| Some(text::fold_tight(&one.code)) == site) {
        Some(site) => vec![key_of(study, &site.code, typed)],
        None => possible_keys(study, person, &text::fold_tight(typed)),
    };
    keys.truncate(limits::SITES);
    let mut numbers = Vec::new();
    for key in keys {
        if let Some(earlier) = find_earlier(&mut *tx, study_id, &key).await? {
            numbers.extend(earlier.numbers(study, person));
        }
    }
    Ok(numbers)
}

/// Whether another subject should have the reference of that one by a correction: who names it may mean either.
///
/// # Errors
/// The database.
pub(super) async fn is_disputed(tx: &mut Tx, owner: &SubjectRow, key: &str) -> Result<bool, Failure> {
    let beside = subject_reference::list_by_reference(&mut *tx, owner.study_id, key).await?;
    for own in beside.into_iter().filter(|own| own.state == State::Taken) {
        if let Some(other) = subject::find_by_number(&mut *tx, owner.study_id, own.subject).await?
            && !is_same_person(tx, owner, &other).await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Two subjects of which both have one reference by now, one by a correction of an earlier version, and that are not known to be one
/// person: their numbers in the study, first the one whose correction does not bind.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn disputes(store: &Store, shelved: &ShelvedStudy) -> Result<Vec<(i64, i64)>, Failure> {
    let beside = subject_reference::list(store, shelved.id).await?;
    match beside.iter().any(|own| own.state == State::Taken) {
        true => disputes_in(&mut store.begin().await?, shelved).await,
        false => Ok(Vec::new()),
    }
}

/// As [`disputes`], inside a transaction.
///
/// # Errors
/// As [`disputes`].
pub(super) async fn disputes_in(tx: &mut Tx, shelved: &ShelvedStudy) -> Result<Vec<(i64, i64)>, Failure> {
    let mut found = Vec::new();
    let beside = subject_reference::list(&mut *tx, shelved.id).await?;
    for own in beside.into_iter().filter(|own| own.state == State::Taken) {
        let Some(one) = subject::find_by_number(&mut *tx, shelved.id, own.subject).await? else { continue };
        let facts = fact_rows::list_by_subject(&mut *tx, one.id).await?;
        let Some(at) = facts.iter().position(|fact| fact.number == own.fact) else { continue };
        let (before, rest) = facts.split_at(at);
        let judged = judge(tx, &shelved.study, &one, before, &changes(&rest[0])?).await?;
        if let Judged::Taken { owner, .. } = judged {
            found.push((one.number, owner.number));
        }
    }
    Ok(found)
}

/// What [`disputes`] found, with what to do, for a terminal.
pub fn in_words(study: &Study, disputes: &[(i64, i64)]) -> String {
    let line = |(one, other): &(i64, i64)| {
        let (one, other) = (study.subject_number(*one), study.subject_number(*other));
        format!("the reference of {one} was corrected to one that {other} has")
    };
    let lines: Vec<String> = disputes.iter().map(line).collect();
    format!(
        "{}. If both are one patient, record the later one as a duplicate (`hagaki subject note --kind duplicate --of`); if not, \
         correct whichever reference is wrong",
        lines.join("; ")
    )
}

/// The subjects whose reference, as it is known by now, reads as the study's number of another, so that whoever names it means that one.
/// Such references are refused; these were enrolled before they were.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn like_numbers(store: &Store, shelved: &ShelvedStudy) -> Result<Vec<i64>, Failure> {
    let study = &shelved.study;
    let (mut found, mut after) = (Vec::new(), 0);
    if !study.registers || study.enrolls_itself() {
        return Ok(found);
    }
    loop {
        let page = subject::list(store, shelved.id, after, limits::PAGE_ROWS).await?;
        let ids = page.iter().map(|subject| subject.id);
        let (Some(first), Some(last)) = (ids.clone().min(), ids.max()) else { return Ok(found) };
        let facts = fact_rows::list_of_subjects(store, shelved.id, first, last).await?;
        for subject in &page {
            after = subject.number;
            let mut answers = enroll::stored_answers(subject)?;
            correction::correct(&mut answers, facts.iter().filter(|fact| fact.subject_id == subject.id), None)?;
            let reference = answers.get(&study.registration.subject_item);
            let read = reference.and_then(|reference| study.parse_subject_number(reference));
            found.extend(read.filter(|read| *read != subject.number).map(|_| subject.number));
        }
    }
}

/// Binds what an earlier version of the program recorded, in every study; how many studies there were. One whose key is missing waits.
///
/// # Errors
/// Of one of those that could not be bound; all others are.
pub async fn bind_all(shelf: &Shelf, now: Instant, dice: &dyn Dice) -> Result<usize, Failure> {
    let (mut caught, mut failed) = (0, None);
    for id in study::unbound(shelf.store()).await? {
        // One that cannot be read keeps no other from deciding.
        match bind_one(shelf, id, now, dice).await {
            Ok(done) => caught += usize::from(done),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(caught), Err)
}

async fn bind_one(shelf: &Shelf, id: i64, now: Instant, dice: &dyn Dice) -> Result<bool, Failure> {
    let shelved = shelf.find_by_id(id).await?;
    if shelved.unlocked().is_err() {
        return Ok(false);
    }
    bind_earlier(shelf.store(), &shelved, now, dice).await?;
    Ok(true)
}

/// Binds the corrections of a study that an earlier version of the program recorded, in their order. What another subject has is
/// bound to nobody else: both subjects stay as they are, and [`disputes`] tells of them.
///
/// # Errors
/// The database; rows that cannot have been written by this program.
async fn bind_earlier(store: &Store, shelved: &ShelvedStudy, now: Instant, dice: &dyn Dice) -> Result<(), Failure> {
    let mut tx = store.begin().await?;
    let mut row = study::lock(&mut tx, shelved.id).await?;
    for new in fact_rows::list(&mut tx, shelved.id, row.facts_bound, i64::MAX).await? {
        if !matches!(new.kind, FactKind::WrongStratum | FactKind::Corrected) {
            continue;
        }
        let subject = subject::load(&mut tx, new.subject_id).await?;
        let mut before = fact_rows::list_by_subject(&mut tx, subject.id).await?;
        before.retain(|fact| fact.number < new.number);
        let mut body = json!({ "subject": subject.number, "fact": new.number });
        match judge(&mut tx, &shelved.study, &subject, &before, &changes(&new)?).await? {
            Judged::Nothing => continue,
            Judged::Binds(binding) => {
                bind(&mut tx, &subject, &binding, new.number).await?;
                body["binds"] = binding.told(&subject);
            }
            Judged::Taken { owner, key } => {
                let kept = KeptReference::new(tx.ring(), shelved.id, shelved.study.names_personally(), &key)?;
                put_beside(&mut tx, &subject, kept.text(), new.number, State::Taken).await?;
                body["taken"] = json!({ "reference": kept.text(), "by": owner.number });
                tracing::warn!(
                    study = shelved.study.slug,
                    subject = subject.number,
                    other = owner.number,
                    "a corrected reference is another subject's: `hagaki doctor` tells what to do"
                );
            }
        }
        audit::append(&mut tx, &mut row, now, "system", BIND, &salted(&body, dice)).await?;
    }
    row.facts_bound = row.facts;
    study::save_counters(&mut tx, &row).await?;
    tx.commit().await?;
    Ok(())
}
