//! What leaves a study in one piece: its journal, its secret. Each act of it is an entry of the audit chain.
//!
//! The operator holds the database, so nothing here can keep the arms from them; what is owed is that it leaves a trace, and
//! that nobody does it by mistake.

use serde_json::json;

use super::Means;
use super::ending::{self, Decision, Told, person};
use super::life::{Act, LifeError, REVEAL, Refusal, log};
use super::shelf::{Shelf, ShelvedStudy};
use crate::domain::study::{Blinding, Person, Stage};
use crate::letters::facts::Step;
use crate::store::study::{State, StudyRow};
use crate::store::{Store, study};

/// What is asked for, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What leaves, as a key.
    pub what: &'a str,
    /// Id of the person who gets it; may be empty where nobody needs to be named.
    pub by: &'a str,
}

/// Lets the journal of a study out, or refuses: that of a blinded one tells every arm, so it must be closed. While an open
/// study goes on an entry tells who got it and why.
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
        return Err(Refusal::Blinded(row.slug).into());
    }
    if row.stage == Stage::Production && (wish.by.is_empty() || act.reason.trim().is_empty()) {
        return Err(Refusal::Unaccounted(row.slug).into());
    }
    // Who enrolls could tell the next arm from blocks and counts.
    if !wish.by.is_empty() && person(&shelved.study, wish.by)?.roles.iter().any(|role| role.enrolls()) {
        return Err(
            Refusal::Person(format!("--by {}: whoever enrolls learns no blocks, counts or draws", wish.by)).into()
        );
    }
    let body = json!({ "what": wish.what, "by": wish.by, "reason": act.reason, "allocations": row.allocations });
    log(&mut tx, row, act, "export", &body).await?;
    tx.commit().await?;
    Ok(())
}

/// Lets the data of a study out: in production an entry tells who got them and why, whatever became of the study.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn permit_data(
    store: &Store,
    shelved: &ShelvedStudy,
    wish: Wish<'_>,
    tables: &[&str],
    deidentified: bool,
    act: Act<'_>,
) -> Result<(), LifeError> {
    let mut tx = store.begin().await?;
    let row = study::lock(&mut tx, shelved.id).await?;
    if row.stage == Stage::Production {
        if wish.by.is_empty() || act.reason.trim().is_empty() {
            return Err(Refusal::Unaccounted(row.slug).into());
        }
        person(&shelved.study, wish.by)?;
    }
    let body = json!({
        "what": wish.what, "by": wish.by, "reason": act.reason, "tables": tables, "deidentified": deidentified,
    });
    log(&mut tx, row, act, "export-data", &body).await?;
    tx.commit().await?;
    Ok(())
}

/// Lets somebody who may know arms read what tells them, or lets them be found out by comparing (which kits of the stock belong to
/// which; how many subjects each has), with an entry of who and why; freely after the close.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn permit_unblinded(
    store: &Store,
    shelved: &ShelvedStudy,
    Wish { what, by }: Wish<'_>,
    act: Act<'_>,
) -> Result<(), LifeError> {
    let mut tx = store.begin().await?;
    let row = study::lock(&mut tx, shelved.id).await?;
    if row.state == State::Closed {
        return Ok(());
    }
    if by.is_empty() || act.reason.trim().is_empty() {
        return Err(Refusal::Unaccounted(row.slug).into());
    }
    if !person(&shelved.study, by)?.knows_arms() {
        return Err(
            Refusal::Person(format!("--by {by}: has no role that may know arms while the study goes on")).into()
        );
    }
    let body = json!({ "what": what, "by": by, "reason": act.reason });
    log(&mut tx, row, act, "export", &body).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether answers by which arms can be told apart leave a blinded study that goes on: to somebody who may know arms, with an entry
/// of who and why. To others they do not, which is no refusal, for the rest is theirs.
///
/// # Errors
/// A [`Refusal`] of somebody who may know arms and gives no reason, or the database.
pub async fn permit_telling(
    store: &Store,
    shelved: &ShelvedStudy,
    wish: Wish<'_>,
    act: Act<'_>,
) -> Result<bool, LifeError> {
    if !person(&shelved.study, wish.by).is_ok_and(Person::knows_arms) {
        return Ok(false);
    }
    if act.reason.trim().is_empty() {
        let why = "may know arms, so that answers by which they can be told apart leave: say why with --reason";
        return Err(Refusal::Person(format!("--by {}: {why}; both stand in the audit chain", wish.by)).into());
    }
    permit_unblinded(store, shelved, wish, act).await?;
    Ok(true)
}

/// A secret that was revealed.
#[derive(Clone, Debug)]
pub struct Revealed {
    /// The study with it; its chain ends with the entry that tells of it.
    pub row: StudyRow,
    /// Whether that was the first time.
    pub first: bool,
}

/// Reveals the secret of a closed study. The first time the staff hear of it.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn reveal(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    by: &str,
    act: Act<'_>,
) -> Result<Revealed, LifeError> {
    let mut tx = shelf.store().begin().await?;
    let row = study::lock(&mut tx, shelved.id).await?;
    if row.state != State::Closed {
        return Err(Refusal::NotClosed(row.slug).into());
    }
    if row.stage == Stage::Production && act.reason.trim().is_empty() {
        return Err(Refusal::NoReason.into());
    }
    person(&shelved.study, by)?;
    let (id, subjects) = (row.id, row.subjects);
    let commitment = data_encoding::HEXLOWER.encode(&row.secret_digest);
    let first = ending::is_first(&mut tx, id, REVEAL).await?;
    let body = json!({ "by": by, "reason": act.reason, "digest": commitment, "allocations": row.allocations });
    log(&mut tx, row, act, REVEAL, &body).await?;
    if first {
        let decision = Decision { by: Some(by), act };
        let told = Told { step: Step::SecretRevealed, decision, subjects, waiting: 0, secret_digest: &commitment };
        ending::tell(&mut tx, shelf, shelved, means, told).await?;
    }
    let row = study::lock(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Revealed { row, first })
}
