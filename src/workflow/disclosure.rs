//! What leaves a study in one piece: its journal, its secret. Each act of it is an entry of the audit chain.
//!
//! The operator holds the database, so nothing here can keep the arms from them; what is owed is that it leaves a trace, and
//! that nobody does it by mistake.

use serde_json::json;

use super::life::{Act, LifeError, REVEAL, Refusal, log};
use super::shelf::ShelvedStudy;
use crate::domain::study::{Blinding, Stage};
use crate::store::study::{State, StudyRow};
use crate::store::{Store, study};

/// What is asked for, for whom, and whether they know that it tells the arms.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What leaves, as a key.
    pub what: &'a str,
    /// Id of the person who gets it; may be empty where nobody needs to be named.
    pub by: &'a str,
    /// Whether arms of a blinded study are asked for in so many words.
    pub unblinded: bool,
}

/// Lets the journal of a study out, or refuses. While the study goes on an entry tells who got it and why; of a blinded one
/// only people whose role is unblinded get it, and only if it is asked for in so many words.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn permit(store: &Store, shelved: &ShelvedStudy, wish: Wish<'_>, act: Act<'_>) -> Result<(), LifeError> {
    let mut tx = store.begin().await?;
    let row = study::lock(&mut tx, shelved.id).await?;
    if row.state == State::Closed {
        return Ok(());
    }
    if shelved.study.blinding == Blinding::Blinded {
        if !wish.unblinded || wish.by.is_empty() || act.reason.trim().is_empty() {
            return Err(Refusal::Blinded(row.slug).into());
        }
        if !person(shelved, wish.by)? {
            let why = format!("{} has no role that may know the arms while the study goes on", wish.by);
            return Err(Refusal::Person(why).into());
        }
    } else if !wish.by.is_empty() {
        person(shelved, wish.by)?;
    }
    let body = json!({ "what": wish.what, "by": wish.by, "reason": act.reason, "allocations": row.allocations });
    log(&mut tx, row, act, "export", &body).await?;
    tx.commit().await?;
    Ok(())
}

/// Reveals the secret of a closed study: the row with it, whose chain ends with the entry that tells of it.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn reveal(store: &Store, shelved: &ShelvedStudy, by: &str, act: Act<'_>) -> Result<StudyRow, LifeError> {
    let mut tx = store.begin().await?;
    let row = study::lock(&mut tx, shelved.id).await?;
    if row.state != State::Closed {
        return Err(Refusal::NotClosed(row.slug).into());
    }
    if row.stage == Stage::Production && act.reason.trim().is_empty() {
        return Err(Refusal::NoReason.into());
    }
    person(shelved, by)?;
    let commitment = data_encoding::HEXLOWER.encode(&row.secret_digest);
    let body = json!({ "by": by, "reason": act.reason, "digest": commitment, "allocations": row.allocations });
    let id = row.id;
    log(&mut tx, row, act, REVEAL, &body).await?;
    let row = study::lock(&mut tx, id).await?;
    tx.commit().await?;
    Ok(row)
}

/// Whether the person of that id may know arms while the study goes on.
fn person(shelved: &ShelvedStudy, id: &str) -> Result<bool, Refusal> {
    let found = shelved.study.people.iter().find(|person| person.id == id);
    let unknown = || Refusal::Person(format!("--by {id}: study.toml names no person of that id"));
    Ok(found.ok_or_else(unknown)?.roles.iter().any(|role| role.unblinded()))
}
