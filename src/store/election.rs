//! Elections: the steps that two people take together, the ballots once the urn was opened, and the outcome on record.

use std::collections::BTreeSet;

use super::sql::{Row, binds, statements};
use super::tx::Expect;
use super::{Reader, StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::election::phase::Step;
use crate::domain::time::Instant;

/// What the ballots are sealed for.
const PURPOSE: &str = "hagaki opened ballots";

/// A step that somebody asked for, and perhaps another confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// Which.
    pub step: Step,
    /// Digest of what it is about; none of steps that are about nothing.
    pub about: Option<Sha256Digest>,
    /// Id of the person who asked for it.
    pub first_by: String,
    /// When.
    pub first_at: Instant,
    /// Who confirmed it, and when; nobody yet if none.
    pub second: Option<(String, Instant)>,
}

/// The steps that were taken, of all that were asked for.
pub fn taken(steps: &[StepRow]) -> BTreeSet<Step> {
    steps.iter().filter(|own| own.second.is_some()).map(|own| own.step).collect()
}

/// Since when the result stands, if it does.
pub fn certified_at(steps: &[StepRow]) -> Option<Instant> {
    let own = steps.iter().find(|own| own.step == Step::Certify)?;
    own.second.as_ref().map(|(_, at)| *at)
}

statements! { "election":
    STEPS = same "SELECT step, about, first_by, first_at, second_by, second_at FROM election_step WHERE study_id = $1 ORDER BY first_at, step";
    // What was taken stays as it was.
    ASK = same "INSERT INTO election_step (study_id, step, about, first_by, first_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (study_id, step) DO UPDATE SET about = excluded.about, first_by = excluded.first_by, first_at = excluded.first_at \
        WHERE election_step.second_by IS NULL";
    CONFIRM = same "UPDATE election_step SET second_by = $3, second_at = $4 WHERE study_id = $1 AND step = $2 AND second_by IS NULL";
    KEEP = same "INSERT INTO opened_ballots (study_id, sealed) VALUES ($1, $2)";
    SAVE_OUTCOME = same "INSERT INTO election_outcome (study_id, outcome) VALUES ($1, $2)";
    OUTCOME = same "SELECT outcome FROM election_outcome WHERE study_id = $1";
    BALLOTS = same "SELECT sealed FROM opened_ballots WHERE study_id = $1";
    PUBLISH = same "INSERT INTO election_file (study_id, name, content) VALUES ($1, $2, $3)";
    UNPUBLISH = same "DELETE FROM election_file WHERE study_id = $1";
    PUBLISHED = same "SELECT name FROM election_file WHERE study_id = $1 ORDER BY name";
    FILE = same "SELECT content FROM election_file WHERE study_id = $1 AND name = $2";
}

fn read(mut row: Row) -> Result<StepRow, StoreError> {
    let (step, about) = (row.word(Step::find)?, row.opt_digest()?);
    let (first_by, first_at) = (row.text()?, row.instant()?);
    let second = row.opt_text()?.zip(row.opt_instant()?);
    Ok(StepRow { step, about, first_by, first_at, second })
}

/// Every step that somebody asked for.
///
/// # Errors
/// Those of the database.
pub async fn steps<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<StepRow>, StoreError> {
    from.into().fetch(&STEPS, binds![study_id]).await?.into_iter().map(read).collect()
}

fn missing(step: Step) -> Expect {
    Expect::Present { noun: "open step of the election", key: step.key().to_string() }
}

/// Writes down that somebody asks for a step; who asked before and was not confirmed is forgotten.
///
/// # Errors
/// [`StoreError::Missing`] if it was taken; it may come from a later call.
pub async fn ask(tx: &mut Tx, study_id: i64, new: &StepRow) -> Result<(), StoreError> {
    let binds = binds![study_id, new.step.key(), &new.about, &new.first_by, new.first_at];
    tx.later(&ASK, binds, missing(new.step)).await
}

/// Writes down that another person confirmed a step, which is taken by that.
///
/// # Errors
/// [`StoreError::Missing`] if nobody asked for it, or it was taken; it may come from a later call.
pub async fn confirm(tx: &mut Tx, study_id: i64, step: Step, by: &str, at: Instant) -> Result<(), StoreError> {
    tx.later(&CONFIRM, binds![study_id, step.key(), by, at], missing(step)).await
}

/// Keeps the table of ballots that came out of the urn.
///
/// # Errors
/// [`StoreError::Conflict`] if it was opened before; it may come from a later call. There is no key.
pub async fn keep_ballots(tx: &mut Tx, study_id: i64, table: &str) -> Result<(), StoreError> {
    let sealed = tx.ring().keep(PURPOSE, &study_id.to_be_bytes(), table.as_bytes())?;
    tx.later(&KEEP, binds![study_id, &sealed], Expect::Any).await
}

/// Keeps the outcome that was put on record.
///
/// # Errors
/// [`StoreError::Conflict`] if one is on record; it may come from a later call.
pub async fn save_outcome(tx: &mut Tx, study_id: i64, outcome: &str) -> Result<(), StoreError> {
    tx.later(&SAVE_OUTCOME, binds![study_id, outcome], Expect::Any).await
}

/// The outcome on record, if there is one.
///
/// # Errors
/// Those of the database.
pub async fn outcome<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Option<String>, StoreError> {
    from.into().find(&OUTCOME, binds![study_id]).await?.map(|mut row| row.text()).transpose()
}

/// The table of ballots, if the urn was opened.
///
/// # Errors
/// Those of the database; a key that is missing.
pub async fn ballots<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Option<String>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    let Some(mut row) = from.find(&BALLOTS, binds![study_id]).await? else { return Ok(None) };
    let unopened = |why| StoreError::Unopened { what: "the opened ballots".to_string(), why };
    let table = ring.open(PURPOSE, &study_id.to_be_bytes(), &row.blob()?).map_err(unopened)?;
    let table = String::from_utf8(table);
    Ok(Some(table.map_err(|_| unopened(crate::domain::seal::Unopened::Damaged))?))
}

/// Keeps a file that is published with the result.
///
/// # Errors
/// [`StoreError::Conflict`] if there is one of that name; it may come from a later call.
pub async fn publish(tx: &mut Tx, study_id: i64, name: &str, content: &str) -> Result<(), StoreError> {
    tx.later(&PUBLISH, binds![study_id, name, content], Expect::Any).await
}

/// Deletes the files that are published with the result.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn unpublish(tx: &mut Tx, study_id: i64) -> Result<(), StoreError> {
    tx.later(&UNPUBLISH, binds![study_id], Expect::Any).await
}

/// The names of the files that are published with the result.
///
/// # Errors
/// Those of the database.
pub async fn published<'a>(from: impl Into<Reader<'a>>, study_id: i64) -> Result<Vec<String>, StoreError> {
    from.into().fetch(&PUBLISHED, binds![study_id]).await?.into_iter().map(|mut row| row.text()).collect()
}

/// A file that is published with the result.
///
/// # Errors
/// Those of the database.
pub async fn file<'a>(from: impl Into<Reader<'a>>, study_id: i64, name: &str) -> Result<Option<String>, StoreError> {
    from.into().find(&FILE, binds![study_id, name]).await?.map(|mut row| row.text()).transpose()
}
