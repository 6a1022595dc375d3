//! The fate of addresses: a report or a refusal counts against one, a mail from there or a person with a reason makes it good again, and
//! invitations and reminders pass over those that are stopped. What is known lies beside a code of the address, of no study and nobody.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::json;

use super::ledger::Ledger;
use super::life::Act;
use super::shelf::ShelvedStudy;
use super::{Failure, Means, opt_out};
use crate::domain::address_fate::{AddressFate, Bounce};
use crate::domain::participant::Candidate;
use crate::domain::text::fold_address;
use crate::domain::time::Zone;
use crate::domain::token::{AddressKey, fate_code};
use crate::limits;
use crate::store::outbox;
use crate::store::{Reader, Store, StoreError, Tx, address, audit, participant};

/// What is known of addresses, each as it was given.
#[derive(Clone, Debug, Default)]
pub struct Fates(BTreeMap<String, AddressFate>);

impl Fates {
    /// Reads what is known of those addresses.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn read<'a>(
        from: impl Into<Reader<'a>>,
        key: &AddressKey,
        addresses: &[&str],
    ) -> Result<Fates, StoreError> {
        let mut by_code: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for address in addresses.iter().copied().filter(|address| !address.is_empty()) {
            by_code.entry(fate_code(key, address)).or_default().push(address);
        }
        let codes: Vec<String> = by_code.keys().cloned().collect();
        let mut fates = BTreeMap::new();
        for (code, fate) in address::list_of(from, &codes).await? {
            for address in by_code.remove(&code).unwrap_or_default() {
                fates.insert(address.to_string(), fate.clone());
            }
        }
        Ok(Fates(fates))
    }

    /// What is known of one; none where nothing is.
    pub fn find(&self, address: &str) -> Option<&AddressFate> {
        self.0.get(address)
    }

    /// Whether invitations and reminders pass it over.
    pub fn is_stopped(&self, address: &str) -> bool {
        self.find(address).is_some_and(AddressFate::is_stopped)
    }
}

/// Whose address something is known of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One of the staff, by id.
    Person(String),
    /// A participant, by number.
    Participant(i64),
}

/// The addresses of a study of which these fates tell: its staff's, then those of participants who were not withdrawn, by number.
///
/// # Errors
/// Those of the database.
pub async fn of_study(
    store: &Store,
    shelved: &ShelvedStudy,
    key: &AddressKey,
    fates: &BTreeMap<String, AddressFate>,
) -> Result<Vec<(Whose, String, AddressFate)>, StoreError> {
    let mut found = Vec::new();
    if fates.is_empty() {
        return Ok(found);
    }
    let known = |address: &str| fates.get(&fate_code(key, address)).cloned();
    for person in &shelved.study.people {
        for own in &person.addresses {
            found.extend(known(own).map(|fate| (Whose::Person(person.id.clone()), own.clone(), fate)));
        }
    }
    let mut after = 0;
    loop {
        let page = participant::list(store, shelved.id, after, limits::ROSTER_ROWS).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.number;
        for row in page.into_iter().filter(|row| row.state == participant::State::Active && !row.address.is_empty()) {
            found.extend(known(&row.address).map(|fate| (Whose::Participant(row.number), row.address, fate)));
        }
    }
}

/// How many participants of a study, of those who were not withdrawn, want no invitations and reminders, and how many have an address that is
/// stopped.
///
/// # Errors
/// Those of the database.
pub async fn count_passed_over(
    store: &Store,
    shelved: &ShelvedStudy,
    key: &AddressKey,
) -> Result<(u64, u64), StoreError> {
    let (mut unsubscribed, mut stopped, mut after) = (0, 0, 0);
    loop {
        let page = participant::list(store, shelved.id, after, limits::ROSTER_ROWS).await?;
        let Some(last) = page.last() else { return Ok((unsubscribed, stopped)) };
        after = last.number;
        let active = page.iter().filter(|row| row.state == participant::State::Active);
        let people: Vec<(i64, &str)> = active.map(|row| (row.id, row.address.as_str())).collect();
        unsubscribed += opt_out::among(store, key, &people).await?.len() as u64;
        let addresses: Vec<&str> = people.iter().map(|(_, address)| *address).collect();
        let fates = Fates::read(store, key, &addresses).await?;
        stopped += addresses.iter().filter(|address| fates.is_stopped(address)).count() as u64;
    }
}

/// Addresses of people on a list that are stopped; none where nobody is written to.
///
/// # Errors
/// Those of the database.
pub async fn stopped_among<'a>(
    from: impl Into<Reader<'a>>,
    key: &AddressKey,
    people: &[Candidate],
    mailed: bool,
) -> Result<BTreeSet<String>, StoreError> {
    let addresses: Vec<&str> = people.iter().filter(|_| mailed).map(|one| one.address.as_str()).collect();
    let fates = Fates::read(from, key, &addresses).await?;
    Ok(fates.0.into_iter().filter(|(_, fate)| fate.is_stopped()).map(|(address, _)| address).collect())
}

/// Counts that a letter to an address failed, where that says something of the address.
///
/// # Errors
/// Those of the database.
pub(super) async fn count(
    tx: &mut Tx,
    means: Means<'_>,
    address: &str,
    (bounce, status): (Option<Bounce>, &str),
) -> Result<(), StoreError> {
    let Some(bounce) = bounce else { return Ok(()) };
    let code = fate_code(&means.keys.address, address);
    let before = address::list_of(&mut *tx, std::slice::from_ref(&code)).await?.remove(&code).unwrap_or_default();
    let fate = before.bounced(bounce, status, (means.now.day_in(Zone::UTC), means.now));
    if fate.is_stopped() && !before.is_stopped() {
        tracing::warn!(
            status,
            "letters to an address fail again and again; no invitation or reminder goes there any more: `hagaki outbox addresses`"
        );
    }
    address::save(tx, &code, &fate).await
}

/// A letter was refused for good when it was handed over, or given up.
///
/// # Errors
/// Those of the database.
pub async fn count_refusal(tx: &mut Tx, means: Means<'_>, address: &str, status: &str) -> Result<(), StoreError> {
    count(tx, means, address, (Bounce::of_refusal(status), status)).await
}

/// Mails came from these addresses, so that there is somebody: whatever speaks against them is forgotten.
///
/// # Errors
/// Those of the database.
pub async fn heard_of(tx: &mut Tx, key: &AddressKey, senders: &[&str]) -> Result<(), StoreError> {
    let fates = Fates::read(&mut *tx, key, senders).await?;
    for address in fates.0.keys() {
        address::forget(tx, &fate_code(key, address), &fold_address(address)).await?;
    }
    Ok(())
}

/// An automatic answer to a letter of that number tells until when whoever got it is away: reminders wait for their return.
///
/// # Errors
/// The database.
pub async fn is_away(ledger: &mut Ledger<'_>, means: Means<'_>, letter: i64, until: NaiveDate) -> Result<(), Failure> {
    let Some(letter) = outbox::find(ledger.outbox().await?, letter).await? else { return Ok(()) };
    let far = until.signed_duration_since(means.now.day_in(Zone::UTC)).num_days() > limits::ABSENCE_DAYS;
    if far {
        return Ok(());
    }
    let code = fate_code(&means.keys.address, &letter.recipient);
    let tx = &mut ledger.tx;
    let before = address::list_of(&mut *tx, std::slice::from_ref(&code)).await?.remove(&code).unwrap_or_default();
    address::save(tx, &code, &AddressFate { away_until: Some(until), ..before }).await?;
    Ok(())
}

/// A person says that an address is good again; whether anything spoke against it. The chain names it by its code.
///
/// # Errors
/// The database.
pub async fn resume(ledger: &mut Ledger<'_>, means: Means<'_>, typed: &str, act: Act<'_>) -> Result<bool, Failure> {
    let address = fold_address(typed);
    let code = fate_code(&means.keys.address, &address);
    let tx = &mut ledger.tx;
    if address::list_of(&mut *tx, std::slice::from_ref(&code)).await?.is_empty() {
        return Ok(false);
    }
    address::forget(tx, &code, &address).await?;
    let body = json!({ "address": code, "reason": act.reason }).to_string();
    audit::append_own(tx, act.at, act.actor, "outbox-resume", &body).await?;
    Ok(true)
}
