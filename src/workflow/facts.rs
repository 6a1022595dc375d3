//! Facts about subjects are recorded here, and nowhere else: a row, its entry in the chain, and what later decisions count.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::binding;
use super::enroll::{self, Enrolled};
use super::ledger::Ledger;
use super::participants;
use super::proof::{self, Following};
use super::schedule;
use super::shelf::ShelvedStudy;
use super::{Failure, Means};
use crate::domain::allocation::{Levels, Standing};
use crate::domain::fact::FactKind;
use crate::domain::kept::{Column, Kept, Place};
use crate::domain::study::{Blinding, PARTICIPANT, Person, Study};
use crate::store::fact::{self, FactRow};
use crate::store::participant;
use crate::store::response::ResponseRow;
use crate::store::subject::SubjectRow;

/// A fact to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct NewFact<'a> {
    /// What became known.
    pub kind: FactKind,
    /// Of which subject.
    pub enrolled: &'a Enrolled,
    /// Which of its allocations it is about; the subject as a whole where none.
    pub randomization: Option<&'a str>,
    /// Id of the person who learned the arm or told the fact.
    pub person: &'a str,
    /// Who has it recorded.
    pub actor: &'a str,
    /// Why, in their words.
    pub reason: &'a str,
    /// Items with the canonical values that would have been right.
    pub changes: &'a BTreeMap<String, String>,
    /// Levels that would have been right, where the allocation looked at others.
    pub levels: Option<&'a Levels>,
    /// The same of further randomizations, by their ids.
    pub further: &'a BTreeMap<String, Levels>,
    /// The subject enrolled before, of which it is a duplicate.
    pub of: Option<&'a SubjectRow>,
    /// Number of the fact about the subject that it takes back.
    pub takes_back: Option<i64>,
    /// The mail that asked, if it was one.
    pub inbox_id: Option<i64>,
}

/// Whether a fact among those of its subject was recorded in error, and taken back.
pub fn is_taken_back(facts: &[FactRow], number: i64) -> bool {
    facts.iter().any(|later| later.takes_back == Some(number))
}

/// The facts about a subject that count: neither those that were taken back, nor those that only take others back.
pub fn standing(facts: &[FactRow]) -> impl Iterator<Item = &FactRow> {
    facts.iter().filter(|fact| fact.takes_back.is_none() && !is_taken_back(facts, fact.number))
}

/// Whether a reason is kept from whoever must not know arms: that of somebody who may know them, which is the operator too, or who
/// was told this subject's arm `before`. Their words could tell it in ways that nobody can foresee
/// ([`tells_arm`](crate::domain::deed::tells_arm) knows names and codes alone). A participant knows no arm.
pub fn keeps_reason<'a>(study: &Study, person: &str, before: impl IntoIterator<Item = &'a FactRow>) -> bool {
    let told = |fact: &FactRow| fact.kind == FactKind::Unblinded && fact.person == person;
    study.blinding == Blinding::Blinded
        && person != PARTICIPANT
        && (study.people.iter().find(|one| one.id == person).is_none_or(Person::knows_arms)
            || before.into_iter().any(told))
}

/// The same of why the form of an event was corrected; `facts` are all that are known of its subject.
pub fn keeps_entry_reason(study: &Study, row: &ResponseRow, facts: &[FactRow]) -> bool {
    let before = facts.iter().filter(|known| row.answered_at.is_none_or(|at| known.recorded_at <= at));
    !row.reason.is_empty() && keeps_reason(study, &row.person, before)
}

/// What a fact's entry in the chain says, with its changes as they are kept.
fn entry(new: &NewFact<'_>, changes: &Kept, number: i64, after: i64) -> Value {
    let mut body = json!({
        "fact": number,
        "subject": new.enrolled.subject.number,
        "kind": new.kind.key(),
        "person": new.person,
        "reason": new.reason,
        "changes": changes.value(),
        "levels": new.levels,
        "of": new.of.map(|of| of.number),
        "after": after,
        "inbox": new.inbox_id,
    });
    if let (Some(facts), false) = (body.as_object_mut(), new.further.is_empty()) {
        facts.insert("further".to_string(), json!(new.further));
    }
    if let (Some(facts), Some(randomization)) = (body.as_object_mut(), new.randomization) {
        facts.insert("randomization".to_string(), json!(randomization));
    }
    if let (Some(facts), Some(in_error)) = (body.as_object_mut(), new.takes_back) {
        facts.insert("takes_back".to_string(), json!(in_error));
    }
    body
}

/// Records a fact. The enrollment and its allocation stay as they are; decisions from the next on count as the study
/// declared, and the subject is known by a reference that was corrected.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn record(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    new: NewFact<'_>,
) -> Result<FactRow, Failure> {
    let before = fact::list_by_subject(&mut ledger.tx, new.enrolled.subject.id).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let (number, after) = (page.row.facts + 1, page.row.allocations);
    let which = number.to_string();
    let place = Place { study: shelved.id, column: Column::FactChanges, key: &which };
    let changes = Kept::answers(tx.ring(), place, shelved.study.registration_instrument(), new.changes)?;
    let mut body = entry(&new, &changes, number, after);
    let binds = binding::record(tx, page, &shelved.study, &new.enrolled.subject, &before, new.changes).await?;
    if let Some(binds) = binds {
        body["binds"] = binds;
    }
    let audit_digest = enroll::append(tx, page, means, new.actor, "fact", &body).await?;
    let row = FactRow {
        study_id: shelved.id,
        number,
        subject_id: new.enrolled.subject.id,
        kind: new.kind,
        randomization: new.randomization.map(str::to_string),
        person: new.person.to_string(),
        actor: new.actor.to_string(),
        reason: new.reason.to_string(),
        changes: serde_json::to_string(new.changes).expect("a map of texts is JSON"),
        levels: new.levels.map(|levels| serde_json::to_string(levels).expect("a map of texts is JSON")),
        further: Some(new.further)
            .filter(|further| !further.is_empty())
            .map(|further| serde_json::to_string(further).expect("a map of maps of texts is JSON")),
        of_subject_id: new.of.map(|of| of.id),
        takes_back: new.takes_back,
        after_allocation: after,
        recorded_at: means.now,
        inbox_id: new.inbox_id,
        audit_digest,
    };
    (page.row.facts, page.row.facts_bound) = (number, number);
    for allocation in new.enrolled.allocations() {
        let Some(rules) = shelved.study.find_rules(&allocation.randomization) else { continue };
        let state = page.state_mut(rules.id)?;
        let given = proof::row_of(allocation)?;
        let balanced = state.balances(given.number);
        let (mut following, mut counted) = (Following::default(), Standing::new(given.levels));
        // What became known before the allocation, the decision knew.
        for fact in before.iter().filter(|fact| fact.after_allocation >= allocation.number) {
            if let Some(counts) = following.next(rules, fact)? {
                counted.amend(&counts);
            }
        }
        if let (true, Some(counts)) = (balanced, following.next(rules, &row)?) {
            let from = counted.clone();
            counted.amend(&counts);
            state
                .recount(rules.scheme, from.levels(), counted.levels(), &given.allotment)
                .map_err(|fault| Failure::Contradiction(format!("fact {number}: {fault}")))?;
        }
    }
    fact::insert(tx, &row, &changes).await?;
    let about = &new.enrolled.subject;
    schedule::touch_subject(tx, shelved, about.id, about.participant_id).await?;
    // Whoever withdraws a subject that enrolled itself withdraws the participant, who is asked no more.
    if let (FactKind::Withdrawn, None, Some(participant)) =
        (new.kind, new.randomization, new.enrolled.subject.participant_id)
    {
        participants::take_out(tx, participant).await?;
    }
    // If that was in error, they take part as before.
    let in_error = before.iter().find(|fact| Some(fact.number) == new.takes_back);
    if let (Some(FactKind::Withdrawn), Some(participant)) =
        (in_error.map(|fact| fact.kind), new.enrolled.subject.participant_id)
    {
        participant::readmit(tx, participant).await?;
    }
    Ok(row)
}
