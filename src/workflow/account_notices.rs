//! Letters that tell the owner of an account what was done about how they sign in, whoever did it.
//!
//! Whoever got into a mailbox or a browser could otherwise change a password or take a second factor away unseen. The acts wait in
//! the database until they are told of, several in one letter, so neither a crash nor two daemons lose or double one.

use super::accounts;
use super::compose::{self, Addressing};
use super::shelf::Shelf;
use super::{Failure, Means};
use crate::domain::survey::Mark;
use crate::letters::Facts;
use crate::letters::facts::{AccountChange, AccountChanged};
use crate::limits;
use crate::store::account;
use crate::store::account_act::{self, ActRow, OWNER};

/// Writes one letter for each of some accounts of which there is something to tell; whether there was any.
///
/// # Errors
/// The database; a template that cannot state the letter.
pub async fn step(shelf: &Shelf, means: Means<'_>) -> Result<bool, Failure> {
    let waiting = account_act::untold(shelf.store(), limits::CALENDAR_BATCH).await?;
    let mut failed = None;
    // One that cannot be written holds up nobody else's.
    for id in &waiting {
        if let Err(failure) = tell(shelf, means, id).await {
            failed = Some(failure);
        }
    }
    match failed {
        Some(failure) => Err(failure),
        None => Ok(!waiting.is_empty()),
    }
}

async fn tell(shelf: &Shelf, means: Means<'_>, id: &Mark) -> Result<(), Failure> {
    let store = shelf.store();
    let found = account::find(store, id).await?;
    let to = match &found {
        Some(account) => accounts::whose(shelf, Some(account), &account.address).await?,
        None => None,
    };
    let mut tx = store.begin().await?;
    account::hold(&mut tx, id).await?;
    let acts = account_act::take_untold(&mut tx, id).await?;
    // Somebody whom no study writes to any more has no words of ours, either.
    if let (Some(account), Some((shelved, person)), false) = (&found, &to, acts.is_empty()) {
        let study = &shelved.study;
        let language = study.language_of(person);
        let change =
            |act: &ActRow| AccountChange::new(act.act.key(), act.actor == OWNER, act.at.local(study.zone), language);
        let facts = AccountChanged {
            address: account.address.clone(),
            changes: acts.iter().map(change).collect(),
            page: accounts::page(&means.desk.public_url),
        };
        let to = Addressing { address: Some(&account.address), ..Addressing::unasked(study, person) };
        let letter = compose::compose(shelved, means, to, Facts::AccountChanged(facts))?;
        compose::post(&mut tx, Some(shelved.id), means, None, &[letter]).await?;
    }
    Ok(tx.commit().await?)
}
