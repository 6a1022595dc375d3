//! Participants who want no more invitations and reminders, of their study or of every one, by the page that such a letter leads to; and
//! those who want them again.
//!
//! The page's name carries a code by the installation's key: nothing is kept of a letter, and nobody stops another's. It names somebody on
//! the list of those who are asked and never an access, so that where nobody may know whose access is whose it joins nobody to an answer.
//! Whatever else is sent to them goes on: what they ask for themself, receipts, and what concerns their treatment.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::entry::append;
use super::ledger::Ledger;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, schedule};
use crate::domain::participant::Candidate;
use crate::domain::schedule::Target;
use crate::domain::study::PARTICIPANT;
use crate::domain::time::Instant;
use crate::domain::token::{self, AddressKey};
use crate::store::opt_out::{self, Scope, Way};
use crate::store::participant::{self, ParticipantRow};
use crate::store::{Reader, StoreError, Tx, schedule as marks, study};

/// The page on which a participant of that number in the database, who came in then, stops invitations and reminders.
pub fn page(means: Means<'_>, participant: i64, since: Instant) -> String {
    let name = token::opt_out(&means.keys.address, (participant, since));
    format!("{}/u/{name}", means.desk.public_url.trim_end_matches('/'))
}

/// The address that does the same as that page, for whoever writes to it (RFC 2369), where letters come from `from`.
pub(super) fn mailto(from: &str, page: &str) -> Option<String> {
    let ((local, domain), (_, name)) = (from.rsplit_once('@')?, page.rsplit_once("/u/")?);
    Some(format!("{local}+u.{name}@{domain}"))
}

/// Whose page has that name; none if it is none of ours.
///
/// # Errors
/// The database.
pub async fn find<'a>(
    from: impl Into<Reader<'a>>,
    key: &AddressKey,
    name: &str,
) -> Result<Option<ParticipantRow>, StoreError> {
    let Some(id) = token::opt_out_participant(name) else { return Ok(None) };
    let row = match participant::load(from, id).await {
        Err(StoreError::Missing { .. }) => return Ok(None),
        found => found?,
    };
    Ok(token::is_opt_out(key, (row.id, row.created_at), name).then_some(row))
}

/// Who of these participants (numbers in the database, and their addresses) wants no more, and of which studies.
///
/// # Errors
/// The database.
pub async fn among<'a>(
    from: impl Into<Reader<'a>>,
    key: &AddressKey,
    people: &[(i64, &str)],
) -> Result<BTreeMap<i64, Scope>, StoreError> {
    let coded: Vec<(i64, String)> =
        people.iter().map(|(id, address)| (*id, token::address_code(key, address))).collect();
    opt_out::among(from, &coded).await
}

/// Whether a participant wants no more, and of which studies.
///
/// # Errors
/// The database.
pub async fn of<'a>(
    from: impl Into<Reader<'a>>,
    key: &AddressKey,
    whose: &ParticipantRow,
) -> Result<Option<Scope>, StoreError> {
    Ok(among(from, key, &[(whose.id, whose.address.as_str())]).await?.remove(&whose.id))
}

/// Addresses of people on a list to which no study is to write.
///
/// # Errors
/// The database.
pub async fn addresses_among<'a>(
    from: impl Into<Reader<'a>>,
    key: &AddressKey,
    people: &[Candidate],
) -> Result<BTreeSet<String>, StoreError> {
    let code = |one: &Candidate| token::address_code(key, &one.address);
    let codes: Vec<String> = people.iter().map(code).collect();
    let found = opt_out::addresses_among(from, &codes).await?;
    let own = people.iter().zip(codes).filter(|(_, code)| found.contains(code));
    Ok(own.map(|(one, _)| one.address.clone()).collect())
}

/// Stops the invitations and reminders to a participant; whether they came until now.
///
/// # Errors
/// The database.
pub async fn stop(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    whose: &ParticipantRow,
    (scope, way): (Scope, Way),
) -> Result<bool, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let stopped = stop_in(&mut ledger, shelved, means, whose, (scope, way)).await?;
    ledger.commit().await?;
    Ok(stopped)
}

/// The same in the caller's transaction.
///
/// # Errors
/// The database.
pub(super) async fn stop_in(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    whose: &ParticipantRow,
    (scope, way): (Scope, Way),
) -> Result<bool, Failure> {
    // Without an address there is no other study to speak of.
    let scope = if whose.address.is_empty() { Scope::Study } else { scope };
    let (tx, page) = ledger.lock(shelved).await?;
    let before = of(&mut *tx, &means.keys.address, whose).await?;
    if before.is_some_and(|before| before >= scope) {
        return Ok(false);
    }
    let day = means.now.day_in(shelved.study.zone).to_string();
    // Of this one in any case: an address that is mended later has nothing come again.
    opt_out::insert(tx, (whose.id, shelved.id), &day, way).await?;
    if scope == Scope::All {
        opt_out::insert_address(tx, &token::address_code(&means.keys.address, &whose.address), &day).await?;
    }
    // Where answers stand without the person nothing keeps the moment: it is seen when the next letter's time has come.
    if names(shelved) {
        schedule::touch(tx, shelved, &[whose.id]).await?;
    }
    append(tx, page, means, PARTICIPANT, "unsubscribe", &entry(shelved, whose, scope)).await?;
    Ok(true)
}

/// Has the invitations and reminders come again that a participant stopped, of every study if they stopped those of every one; whether
/// they had.
///
/// # Errors
/// The database.
pub async fn resume(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    whose: &ParticipantRow,
) -> Result<bool, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let before = resume_in(&mut ledger, shelved, means, whose).await?;
    ledger.commit().await?;
    Ok(before.is_some())
}

/// The same in the caller's transaction; of which studies they had stopped them.
///
/// # Errors
/// The database.
pub(super) async fn resume_in(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    whose: &ParticipantRow,
) -> Result<Option<Scope>, Failure> {
    let (tx, page) = ledger.lock(shelved).await?;
    let Some(before) = of(&mut *tx, &means.keys.address, whose).await? else { return Ok(None) };
    opt_out::remove(tx, whose.id).await?;
    if before == Scope::All {
        opt_out::remove_address(tx, &token::address_code(&means.keys.address, &whose.address)).await?;
        touch_all(tx, &whose.address).await?;
    }
    schedule::touch(tx, shelved, &[whose.id]).await?;
    append(tx, page, means, PARTICIPANT, "subscribe", &entry(shelved, whose, before)).await?;
    Ok(Some(before))
}

/// Says of everybody at an address, in whichever study, that other letters of its schedule may come.
async fn touch_all(tx: &mut Tx, address: &str) -> Result<(), StoreError> {
    for row in study::list(&mut *tx).await? {
        let people = participant::list_by_address(&mut *tx, row.id, address).await?;
        let targets: Vec<Target> = people.iter().map(|one| Target::participant(one.id)).collect();
        marks::touch(tx, row.id, &targets).await?;
    }
    Ok(())
}

fn names(shelved: &ShelvedStudy) -> bool {
    shelved.study.survey.as_ref().is_some_and(|survey| survey.privacy.names())
}

/// What the chain holds of it. An entry has its moment: where answers stand without the person, nobody is to be found near one.
fn entry(shelved: &ShelvedStudy, whose: &ParticipantRow, scope: Scope) -> Value {
    match names(shelved) {
        true => json!({ "participant": whose.number, "scope": scope.key() }),
        false => json!({ "scope": scope.key() }),
    }
}
