//! Signing in with a login and a password: guarded against guessing, the same answer for whatever is wrong.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::shelf::ShelvedStudy;
use super::{Failure, Means};
use crate::domain::chain::Sha256Digest;
use crate::domain::credential::{Login, Secret};
use crate::domain::patience::{Failures, Protected};
use crate::domain::time::Instant;
use crate::limits;
use crate::store::credential::{self, State};
use crate::store::session::{self, FailureRow, SessionRow};
use crate::store::{Store, StoreError, account};

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// A session was begun; this goes into the cookie and is not kept.
    In(Secret),
    /// Login or password are wrong; which is not said.
    Wrong,
    /// Nothing is tried before that moment.
    Wait(Instant),
}

/// Tries to sign in to a study; `origin` is where the try comes from.
///
/// # Errors
/// The database.
pub async fn sign_in(
    store: &Store,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    origin: &str,
    login: &str,
    password: &str,
) -> Result<Tried, Failure> {
    let login = Login::parse(login);
    let by_origin = key("origin", &[origin]);
    // What cannot be a login of ours is counted against where it comes from, and nothing else.
    let by_login = login.as_ref().map(|login| key("login", &[&shelved.id.to_string(), login.text()]));
    let guarded: Vec<(Protected, Sha256Digest)> = [(Protected::Origin, Some(by_origin)), (Protected::Login, by_login)]
        .into_iter()
        .filter_map(|(what, key)| Some((what, key?)))
        .collect();
    let mut before = Vec::with_capacity(guarded.len());
    for (_, key) in &guarded {
        before.push(session::failures(store, key).await?.map(failures));
    }
    let wait = before.iter().flatten().map(|failed| failed.until).filter(|until| means.now < *until).max();
    if let Some(until) = wait {
        return Ok(Tried::Wait(until));
    }
    let found = match &login {
        Some(login) => credential::find_by_login(store, shelved.id, login.text()).await?,
        None => None,
    };
    let typed = login.as_ref().zip(Secret::parse(password)).map(|(login, secret)| secret.password_digest(login));
    let kept = found.as_ref().and_then(|credential| credential.password_digest);
    let right = match (kept, typed) {
        (Some(kept), Some(typed)) => bool::from(kept.ct_eq(&typed)),
        _ => false,
    };
    match found.filter(|credential| right && credential.state == State::Active) {
        None => {
            for ((what, key), before) in guarded.iter().zip(before) {
                let Failures { count, last, until } = what.after(before, means.now);
                let row = FailureRow { failures: i64::from(count), last_at: last, until };
                session::record_failure(store, key, &row).await?;
            }
            metrics::counter!("hagaki_sign_ins_failed_total").increment(1);
            Ok(Tried::Wrong)
        }
        Some(credential) => {
            for (_, key) in guarded.iter().filter(|(what, _)| *what == Protected::Login) {
                session::forgive(store, key).await?;
            }
            // Always a new one: what a stranger may have put into the browser before is worth nothing.
            let secret = Secret::new(means.dice);
            // The password is known now and not kept: its key waits, sealed by the new secret.
            let draft_key = Secret::parse(password)
                .map(|password| secret.session_key().wrap(means.dice, &credential.id, &password.draft_key()));
            let row = SessionRow {
                digest: secret.session_digest(),
                study_id: shelved.id,
                credential_id: Some(credential.id),
                idle_at: means.now.plus_seconds(limits::SESSION_IDLE_SECONDS),
                ends_at: means.now.plus_seconds(limits::SESSION_SECONDS),
                draft_key,
            };
            session::insert(store, &row).await?;
            Ok(Tried::In(secret))
        }
    }
}

/// Takes away sessions that are over and failures that are forgiven, of credentials and of accounts. Not left to the next who signs
/// in: after the last one of a survey there is none, and the times would stay.
///
/// # Errors
/// The database.
pub async fn sweep(store: &Store, now: Instant) -> Result<(), StoreError> {
    session::sweep(store, now, now.plus_seconds(-limits::SIGN_IN_QUIET_SECONDS)).await?;
    account::sweep_away(store, now).await.map(drop)
}

/// The session of a cookie's secret, if it is not over; it goes on.
///
/// # Errors
/// The database.
pub async fn resume(store: &Store, secret: &Secret, now: Instant) -> Result<Option<SessionRow>, StoreError> {
    let digest = secret.session_digest();
    let found = session::find(store, &digest).await?;
    let Some(row) = found.filter(|row| now < row.idle_at && now < row.ends_at) else { return Ok(None) };
    // Not with every page: a write each would cost more than it is worth.
    let idle_at = now.plus_seconds(limits::SESSION_IDLE_SECONDS);
    if idle_at.seconds_since(row.idle_at) > limits::SESSION_IDLE_SECONDS / 10 {
        session::prolong(store, &digest, idle_at).await?;
    }
    Ok(Some(row))
}

/// Held while tries are counted, so that of many at once each is; with several daemons one more each may pass.
static COUNTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Counts a try before it is known how it goes, so that of many at once no more pass than one after another; none may be
/// made before the moment given.
pub(super) async fn count_try(
    store: &Store,
    guarded: &[(Protected, Sha256Digest)],
    now: Instant,
) -> Result<Option<Instant>, StoreError> {
    let _counting = COUNTING.lock().await;
    let mut before = Vec::with_capacity(guarded.len());
    for (_, key) in guarded {
        before.push(session::failures(store, key).await?.map(failures));
    }
    // Where nothing is to be waited for, a try that was counted a moment later than ours began keeps nobody.
    let waits = before.iter().flatten().filter(|failed| failed.last < failed.until);
    let wait = waits.map(|failed| failed.until).filter(|until| now < *until).max();
    if wait.is_some() {
        return Ok(wait);
    }
    for ((what, key), before) in guarded.iter().zip(before) {
        let Failures { count, last, until } = what.after(before, now);
        let row = FailureRow { failures: i64::from(count), last_at: last, until };
        session::record_failure(store, key, &row).await?;
    }
    Ok(None)
}

/// A counted try has gone well: what it protects is as before, and of the place it came from it was no failure.
pub(super) async fn went_well(
    store: &Store,
    guarded: &[(Protected, Sha256Digest)],
    now: Instant,
) -> Result<(), StoreError> {
    let _counting = COUNTING.lock().await;
    for (what, key) in guarded {
        match what {
            Protected::Login => session::forgive(store, key).await?,
            Protected::Origin => session::take_back(store, key, now).await?,
            Protected::Letters => {}
        }
    }
    Ok(())
}

fn failures(row: FailureRow) -> Failures {
    Failures { count: u32::try_from(row.failures).unwrap_or(u32::MAX), last: row.last_at, until: row.until }
}

/// Kept as a digest, so that the table holds neither logins nor addresses.
pub(super) fn key(kind: &str, parts: &[&str]) -> Sha256Digest {
    let mut hash = Sha256::new_with_prefix("hagaki sign-in ");
    for part in [kind].iter().chain(parts) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}
