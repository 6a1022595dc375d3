//! What nobody may join to a person: responses of surveys, sealed on arrival, opened only shuffled and in batches; ballots, opened all at
//! once ([`super::election`]).
//!
//! What a credential's use and a response share is the transaction that wrote both: its place in tables, logs and backups. So the
//! response goes in sealed, by a key that stands outside the database, under a random name and of one length; later many of
//! them are taken out, opened, shuffled and written as responses with fresh names, in one transaction. Somebody with the
//! database alone learns which batch an answer came in, and who may have been in it: never fewer than the study's `batch`.
//! ARCHITECTURE.md, "What anonymity rests on", says who is trusted with what.

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::entry::append;
use super::ledger::{Ledger, Page};
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means};
use crate::domain::answer::Form;
use crate::domain::chain::Sha256Digest;
use crate::domain::kept::KeptForm;
use crate::domain::seal::{self, KeyRing, NoKey};
use crate::domain::survey::{Mark, Survey};
use crate::domain::time::Dice;
use crate::store::response::{self, Channel, ResponseRow};
use crate::store::study::State;
use crate::store::{Store, Tx, urn};

/// What the seal is for; bound to it with the study.
const PURPOSE: &str = "hagaki urn";

/// How many are tried by somebody who only wants to know whether they open.
const TRIED: i64 = 20;

/// Who opens the urn, in the audit chain.
const ACTOR: &str = "urn";

/// Whether a response was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It was.
    In,
    /// It is longer than others of the study may be, and would be known by that.
    TooLong,
}

/// Puts the answers of a form into the urn of a locked study.
///
/// # Errors
/// There is no key; the database.
pub(super) async fn put(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    survey: &Survey,
    form: &Form,
) -> Result<Put, Failure> {
    let answers = serde_json::to_vec(&form.canonical()).expect("a map of texts is JSON");
    let size = shelved.study.find_instrument(&survey.instrument).map_or(0, Survey::sealed_bytes);
    put_bytes(tx, shelved.id, means, &answers, size).await
}

/// Puts bytes in that are filled up to `size`, under a random name.
///
/// # Errors
/// There is no key; the database.
pub(super) async fn put_bytes(
    tx: &mut Tx,
    study_id: i64,
    means: Means<'_>,
    plain: &[u8],
    size: usize,
) -> Result<Put, Failure> {
    let Some(padded) = seal::pad(plain, size) else { return Ok(Put::TooLong) };
    let id = Mark::new(means.dice);
    let sealed = means.keys.ring.seal(means.dice, PURPOSE, &place(study_id, &id), &padded)?;
    urn::put(tx, &id, study_id, &sealed).await?;
    Ok(Put::In)
}

/// Takes out what was put in under these names, and opens it.
///
/// # Errors
/// A key that is lost, something that is damaged or not there; the database.
pub(super) async fn take_out(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    ids: &[Mark],
) -> Result<Vec<String>, Failure> {
    let mut texts = Vec::with_capacity(ids.len());
    for (id, sealed) in urn::take(tx, ids).await? {
        let opened = means.keys.ring.open(PURPOSE, &place(shelved.id, &id), &sealed);
        let padded = opened.map_err(|why| Failure::Unopened { slug: shelved.study.slug.clone(), why })?;
        let text = seal::unpad(&padded).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| Failure::Contradiction("what was sealed holds no text".to_string()))?;
        texts.push(text.to_string());
    }
    if texts.len() != ids.len() {
        return Err(Failure::Contradiction(format!("{} of {} that were sealed were there", texts.len(), ids.len())));
    }
    Ok(texts)
}

/// Opens what is due of a study's urn: all at the end, before that only what leaves enough behind; whether anything was.
///
/// # Errors
/// A key that is lost or a response that is damaged: then nothing is opened. The database.
pub async fn attend(shelf: &Shelf, shelved: &ShelvedStudy, means: Means<'_>) -> Result<bool, Failure> {
    let Some(survey) = &shelved.study.survey else { return Ok(false) };
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let mut ids = urn::ids(&mut *tx, shelved.id).await?;
    let many = survey.opens_now(ids.len(), is_over(survey, shelved, page, means));
    if many == 0 {
        return Ok(false);
    }
    shuffle(&mut ids, means.dice);
    ids.truncate(many);
    let answers = take_out(tx, shelved, means, &ids).await?;
    let mut rows: Vec<ResponseRow> =
        answers.iter().map(|answers| opened_row(shelved, survey, means.dice, answers)).collect();
    // By their new names, which are random: neither the order of rows nor of bytes is that of arrival.
    rows.sort_by_key(|row| row.id);
    let body = json!({ "instrument": survey.instrument, "responses": many, "bundle": shelved.version,
                       "answers": data_encoding::HEXLOWER.encode(&digest(&rows)) });
    append(tx, page, means, ACTOR, "open-urn", &body).await?;
    let absent = || Failure::Contradiction(format!("the instrument {} is absent", survey.instrument));
    let instrument = shelved.study.find_instrument(&survey.instrument).ok_or_else(absent)?;
    for row in &rows {
        let broken = |error| Failure::Contradiction(format!("the answers of a sealed response: {error}"));
        let answers: BTreeMap<String, String> = serde_json::from_str(&row.answers).map_err(broken)?;
        let columns = (shelved.id, response::COLUMNS, &*row.id.text());
        let kept = KeptForm::new(tx.ring(), columns, instrument, &answers, &BTreeMap::new())?;
        response::insert(tx, row, &kept).await?;
    }
    ledger.commit().await?;
    // Here and not when they were sent: a counter that is read every few seconds is a clock.
    metrics::counter!("hagaki_responses_total", "study" => shelved.study.slug.clone())
        .increment(u64::try_from(many).unwrap_or_default());
    Ok(true)
}

/// Why sealed responses of a study could not be opened, if a few that are tried are any sign.
pub async fn unopened(store: &Store, shelved: &ShelvedStudy, ring: &KeyRing) -> Option<String> {
    if ring.is_empty() {
        return Some(NoKey.to_string());
    }
    match urn::sealed(store, shelved.id, TRIED).await {
        Err(error) => Some(error.to_string()),
        Ok(some) => some.into_iter().find_map(|(id, sealed)| {
            let opened = ring.open(PURPOSE, &place(shelved.id, &id), &sealed);
            opened.err().map(|why| why.to_string())
        }),
    }
}

/// Whether no more answers are to come.
fn is_over(survey: &Survey, shelved: &ShelvedStudy, page: &Page, means: Means<'_>) -> bool {
    let day = means.now.day_in(shelved.study.zone);
    page.row.state == State::Closed
        || survey.closes.is_some_and(|closes| day > closes)
        || survey.cap.is_some_and(|cap| page.row.responses >= i64::from(cap))
}

/// A response without anything by which it could be told from others of its batch but the answers. Its version is that of the day
/// on which it was opened: the one by which it was sent would tell those before an amendment from those after.
fn opened_row(shelved: &ShelvedStudy, survey: &Survey, dice: &dyn Dice, answers: &str) -> ResponseRow {
    ResponseRow {
        id: Mark::new(dice),
        study_id: shelved.id,
        instrument: survey.instrument.clone(),
        bundle_version: shelved.version,
        participant_id: None,
        subject_id: None,
        event: String::new(),
        occasion: 1,
        person: String::new(),
        channel: Channel::Web,
        language: String::new(),
        answers: answers.to_string(),
        typed: "{}".to_string(),
        answered_at: None,
        replaces: None,
        reason: String::new(),
        current: true,
        audit_digest: None,
    }
}

/// One digest of a batch: which responses came of it can be proved, by name and answers.
fn digest(rows: &[ResponseRow]) -> Sha256Digest {
    let mut hash = Sha256::new_with_prefix("hagaki batch ");
    for row in rows {
        hash.update(row.id.0);
        hash.update(Sha256::digest(row.answers.as_bytes()));
    }
    hash.finalize().into()
}

/// Study and name: a sealed response that is moved opens nowhere else.
fn place(study_id: i64, id: &Mark) -> Vec<u8> {
    [&study_id.to_be_bytes()[..], &id.0].concat()
}

/// Every order is as likely as any other, as far as 64 bits for each place can tell (Fisher and Yates).
fn shuffle(ids: &mut [Mark], dice: &dyn Dice) {
    for last in (1..ids.len()).rev() {
        let mut bytes = [0; 8];
        dice.fill(&mut bytes);
        let places = u64::try_from(last + 1).unwrap_or(u64::MAX);
        let chosen = u64::from_be_bytes(bytes) % places;
        ids.swap(last, usize::try_from(chosen).unwrap_or_default());
    }
}
