//! A fact that was recorded in error, most often about the wrong subject, is taken back: by a new fact that names it. Both stay on file
//! (promise 4); from then on the one that was in error counts no more.
//!
//! In charge of which facts can be taken back, and of what must be put right before: of one person no two subjects are to count.

use super::command::{self, CommandError, Order, Refusal};
use super::correction::Correction;
use super::facts::{self, NewFact};
use super::ledger::Ledger;
use super::note::{self, Note};
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, accept, binding, compose, course, rescreen};
use crate::domain::fact::FactKind;
use crate::domain::study::Study;
use crate::store::fact::{self as fact_rows, FactRow};
use crate::store::subject;

/// Takes back a fact about a subject, by its number; who heard of it hears of that. Gives the record, and whether it is new.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn take_back(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
    (in_error, by): (i64, &str),
) -> Result<(FactRow, bool), CommandError> {
    let study = &shelved.study;
    let reason = command::reason_of(&order)?;
    if !study.people.iter().any(|person| person.id == by) {
        return Err(Refusal::Person(study.slug.clone(), by.to_string()).into());
    }
    let found = command::find_subject(shelf.store(), study, shelved.id, order.subject).await?;
    let mut ledger = Ledger::begin(shelf).await?;
    ledger.lock(shelved).await?;
    let enrolled = accept::load(&mut ledger, found.id).await?;
    let number = study.subject_number(found.number);
    let Some(known) = enrolled.facts.iter().find(|fact| fact.number == in_error) else {
        let none = format!(
            "no fact {in_error} is on file of {number}; `hagaki subject show` lists its facts with their numbers"
        );
        return Err(Refusal::NotTakenBack(none).into());
    };
    if let Some(before) = enrolled.facts.iter().find(|fact| fact.takes_back == Some(in_error)) {
        return Ok((before.clone(), false));
    }
    if let Some(why) = stays(known) {
        return Err(Refusal::NotTakenBack(why).into());
    }
    if let Some(first) = known.of_subject_id {
        let first = subject::load(&mut ledger.tx, first).await?;
        if binding::shares_reference(&ledger.tx, study, (&enrolled.subject, &enrolled.facts), &first)? {
            let other = study.subject_number(first.number);
            let shared = format!(
                "{number} has the reference of {other} by a correction, as only a duplicate may; correct the reference of whichever is wrong \
                 first, and take the fact back then"
            );
            return Err(Refusal::NotTakenBack(shared).into());
        }
    }
    if let Some(why) = counts_twice(&mut ledger, study, &enrolled.subject, &enrolled.facts, in_error).await? {
        return Err(Refusal::NotTakenBack(why).into());
    }
    let correction = Correction::default();
    let note = Note {
        kind: FactKind::TakenBack,
        enrolled: &enrolled,
        randomization: None,
        person: by,
        actor: order.actor,
        reason: &reason,
        correction: &correction,
        of: None,
        inbox_id: None,
    };
    let new = NewFact { takes_back: Some(in_error), ..note.fact() };
    let row = facts::record(&mut ledger, shelved, means, new).await?;
    let outgoing = note::notices(shelved, means, &note, &row)?;
    compose::post(&mut ledger.tx, Some(shelved.id), means, None, &outgoing).await?;
    ledger.commit().await?;
    Ok((row, true))
}

/// Why a fact cannot be taken back, whatever was meant.
fn stays(known: &FactRow) -> Option<String> {
    if known.kind.can_be_taken_back() {
        return None;
    }
    let number = known.number;
    Some(match known.kind {
        FactKind::Unblinded => {
            format!("fact {number} is that somebody was told the arm: what was told was told, and this stays")
        }
        FactKind::TakenBack => format!(
            "fact {number} takes another one back; if that one was right after all, note it once more (`hagaki subject note`)"
        ),
        _ => format!(
            "fact {number} is a correction; correct the same items once more, with the values that are right (`hagaki subject note \
             --kind … --set ITEM=VALUE`, or by mail)"
        ),
    })
}

/// Whether two screenings of one person would count if that fact did not, and what to do before.
async fn counts_twice(
    ledger: &mut Ledger<'_>,
    study: &Study,
    of: &subject::SubjectRow,
    known: &[FactRow],
    in_error: i64,
) -> Result<Option<String>, Failure> {
    let left: Vec<FactRow> = facts::standing(known).filter(|fact| fact.number != in_error).cloned().collect();
    if course::is_out_altogether(&left).is_some() {
        return Ok(None);
    }
    for other in rescreen::others(&mut ledger.tx, of).await? {
        let facts = fact_rows::list_by_subject(&mut ledger.tx, other.id).await?;
        if course::is_out_altogether(&facts).is_none() {
            let [own, other] = [of, &other].map(|one| study.subject_number(one.number));
            return Ok(Some(format!(
                "{own} and {other} are screenings of one person, and {other} counts: note first what is right of {other}, such as \
                 randomized-in-error (`hagaki subject note`), and take the fact back then"
            )));
        }
    }
    Ok(None)
}
