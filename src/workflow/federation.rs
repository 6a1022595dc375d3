//! Signing in by what somebody else vouches for: an identity provider (OpenID Connect), or a proxy in front of us.
//!
//! An address opens an account only the first time; from then on the provider's own name of the person does, so that an address
//! which went over to somebody else does not take the account with it.

use super::accounts::{self, Entered, Visitor};
use super::group;
use super::shelf::Shelf;
use super::{Failure, Means};
use crate::domain::credential::Secret;
use crate::domain::text;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::account::{self, AccountRow, State};
use crate::store::account_act::{self, Act};
use crate::store::identity;
use crate::store::second_factor as row;

/// Who somebody is, as it was vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// Who vouches and what they call the person; none if only the address is vouched for, each time anew.
    pub identity: Option<(String, String)>,
    /// Address that is the person's, verified by whoever vouches.
    pub address: Option<String>,
    /// When the person last showed there who they are.
    pub proved_at: Instant,
    /// Whether they did so by more than one factor.
    pub several_factors: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// A session was begun; this goes into the cookie and is not kept.
    In(Secret),
    /// The account has a second factor of ours; the session waits for it.
    Waits(Secret),
    /// They are signed in already; their session goes on.
    Still,
    /// No address was vouched for.
    NoAddress,
    /// The address is on none of our lists.
    Unknown(String),
    /// The account was closed.
    Closed,
    /// The account is a group's, whose representative's word is needed; a provider knows nothing of that.
    Group,
    /// Another identity of that provider signs in to the account of this address.
    Taken,
}

/// Admits somebody who is vouched for; `current` is who is signed in in this browser already: if it is they, their session goes on,
/// proved anew, and with it the forms that are open.
///
/// # Errors
/// The database; a stored bundle this version cannot read.
pub async fn admit(
    shelf: &Shelf,
    means: Means<'_>,
    vouched: &Vouched,
    current: Option<&Visitor>,
) -> Result<Admitted, Failure> {
    let store = shelf.store();
    let known = match &vouched.identity {
        Some((issuer, subject)) => identity::account_of(store, issuer, subject).await?,
        None => None,
    };
    let account = match known {
        Some(id) => account::find(store, &id).await?,
        None => match by_address(shelf, means, vouched).await? {
            Ok(account) => Some(account),
            Err(refused) => return Ok(refused),
        },
    };
    let Some(account) = account.filter(|account| account.state == State::Active) else { return Ok(Admitted::Closed) };
    // Let in before several people shared the address.
    if group::of_address(shelf, &account.address).await?.is_some() {
        return Ok(Admitted::Group);
    }
    let second_at = vouched.several_factors.then_some(vouched.proved_at);
    if let Some(current) = current.filter(|current| current.account.id == account.id) {
        let mut tx = store.begin().await?;
        account::prove(&mut tx, &current.session.digest, vouched.proved_at, second_at).await?;
        tx.commit().await?;
        return Ok(Admitted::Still);
    }
    Ok(match accounts::begin_session(store, means, &account, vouched.proved_at, second_at).await? {
        Some(Entered::In(secret)) => Admitted::In(secret),
        Some(Entered::Waits(secret)) => Admitted::Waits(secret),
        _ => Admitted::Closed,
    })
}

/// The account of the address, which is opened for the identity if it is somebody's on our lists.
async fn by_address(
    shelf: &Shelf,
    means: Means<'_>,
    vouched: &Vouched,
) -> Result<Result<AccountRow, Admitted>, Failure> {
    // What is folded into another's letters is another's address.
    let plain = vouched.address.as_deref().filter(|address| address.is_ascii() && address.contains('@'));
    let address = plain.map(text::fold_address).filter(|address| address.len() <= limits::ADDRESS_BYTES);
    let Some(address) = address else { return Ok(Err(Admitted::NoAddress)) };
    let store = shelf.store();
    let known = account::find_by_address(store, &address).await?;
    if known.as_ref().is_some_and(|account| account.state == State::Closed) {
        return Ok(Err(Admitted::Closed));
    }
    if !accounts::is_listed(shelf, known.as_ref(), &address).await? {
        return Ok(Err(Admitted::Unknown(address)));
    }
    if group::of_address(shelf, &address).await?.is_some() {
        return Ok(Err(Admitted::Group));
    }
    let mut tx = store.begin().await?;
    let account = accounts::of_address(&mut tx, means, &address, "").await?;
    account::open(&mut tx, &account.id).await?;
    if let Some((issuer, subject)) = &vouched.identity {
        if identity::has_other(&mut tx, issuer, subject, &account.id).await? {
            return Ok(Err(Admitted::Taken));
        }
        // Where a second factor of ours is asked for it is asked for each time: an address alone opens nothing for good.
        let asked = row::find(&mut tx, &account.id).await?.is_some_and(|row| row.state == row::State::Active);
        if !asked && identity::insert(&mut tx, issuer, subject, &account.id).await? {
            account_act::insert_own(&mut tx, &account.id, Act::Identity, means.now).await?;
        }
    }
    tx.commit().await?;
    Ok(Ok(AccountRow { state: State::Active, ..account }))
}
