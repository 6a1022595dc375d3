//! The second factor of an account: setting an authenticator up, giving its code or a recovery code, and doing without again.
//!
//! Its secret is sealed by a key outside the database, so that a stolen database gives no codes; where there is no key it is not
//! offered. Who knows the password alone may neither set one up nor take one away.

use super::accounts::{self, Entered, Visitor};
use super::sign_in;
use super::{Failure, Means};
use crate::domain::chain::Sha256Digest;
use crate::domain::credential::Secret;
use crate::domain::patience::Protected;
use crate::domain::seal::Unopened;
use crate::domain::second_factor::{Authenticator, Proof, StepUp};
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::Store;
use crate::store::account;
use crate::store::account_act::{self, Act};
use crate::store::second_factor::{self, State};

/// Purpose under which the secrets are sealed; their place is the account.
const PURPOSE: &str = "second factor";

/// What came of giving a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It is right, and used up.
    Right,
    /// It is a recovery code; so many are left.
    Recovered {
        /// Recovery codes that are left.
        left: usize,
    },
    /// It is none of now, or was used before.
    Wrong,
    /// Codes cannot be looked at, since a key is missing; recovery codes can.
    Locked,
    /// Nothing is tried before that moment.
    Wait(Instant),
}

impl Given {
    /// Whether it lets somebody in.
    pub fn is_right(self) -> bool {
        matches!(self, Given::Right | Given::Recovered { .. })
    }
}

/// What came of the first code of an authenticator that is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// It is asked for from now on; these stand in for it, each once, and are not kept.
    Done(Vec<Secret>),
    /// The code is wrong.
    Wrong,
    /// None is being set up.
    Gone,
    /// Nothing is tried before that moment.
    Wait(Instant),
}

/// What an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether codes are asked for.
    pub active: bool,
    /// Recovery codes that are left.
    pub codes: usize,
}

/// Whether an installation can keep second factors: only with a key.
pub fn is_offered(store: &Store) -> bool {
    !store.ring().is_empty()
}

/// What an account has.
///
/// # Errors
/// The database.
pub async fn standing(store: &Store, account: &Mark) -> Result<Standing, Failure> {
    let active = is_active(store, account).await?;
    let codes = if active { second_factor::count_codes(store, account).await? } else { 0 };
    Ok(Standing { active, codes: usize::try_from(codes).unwrap_or(0) })
}

/// Whether a code is asked for after the password.
///
/// # Errors
/// The database.
pub async fn is_active(store: &Store, account: &Mark) -> Result<bool, Failure> {
    Ok(second_factor::find(store, account).await?.is_some_and(|row| row.state == State::Active))
}

/// Begins to set one up, anew if one was begun before; none if one is in use.
///
/// # Errors
/// The database; there is no key.
pub async fn begin(store: &Store, means: Means<'_>, account: &Mark) -> Result<Option<Authenticator>, Failure> {
    let authenticator = Authenticator::new(means.dice);
    let sealed = store.ring().seal(means.dice, PURPOSE, &account.0, authenticator.bytes())?;
    let mut tx = store.begin().await?;
    if !second_factor::begin(&mut tx, account, &sealed, means.now).await? {
        return Ok(None);
    }
    tx.commit().await?;
    Ok(Some(authenticator))
}

/// The one that is being set up.
///
/// # Errors
/// The database; its key is lost.
pub async fn pending(store: &Store, account: &Mark) -> Result<Option<Authenticator>, Failure> {
    let found = second_factor::find(store, account).await?.filter(|row| row.state == State::Pending);
    found.map(|row| open(store, account, &row.secret)).transpose()
}

fn open(store: &Store, account: &Mark, sealed: &[u8]) -> Result<Authenticator, Failure> {
    let bytes = store.ring().open(PURPOSE, &account.0, sealed)?;
    Authenticator::of_bytes(&bytes)
        .ok_or_else(|| Failure::Contradiction("what was sealed as a second factor is none".to_string()))
}

fn guarded(account: &Mark) -> [(Protected, Sha256Digest); 1] {
    [(Protected::Login, sign_in::key("second factor", &[&account.text()]))]
}

/// The first code of the one that is set up: from then on it is asked for, and every other session of the account ends.
///
/// # Errors
/// The database; its key is lost.
pub async fn set_up(store: &Store, means: Means<'_>, visitor: &Visitor, typed: &str) -> Result<SetUp, Failure> {
    let id = &visitor.account.id;
    let found = second_factor::find(store, id).await?.filter(|row| row.state == State::Pending);
    let Some(row) = found else { return Ok(SetUp::Gone) };
    let authenticator = open(store, id, &row.secret)?;
    if let Some(until) = sign_in::count_try(store, &guarded(id), means.now).await? {
        return Ok(SetUp::Wait(until));
    }
    let Some(step) = authenticator.step_of(typed, means.now) else { return Ok(SetUp::Wrong) };
    sign_in::went_well(store, &guarded(id), means.now).await?;
    let codes = fresh_codes(means);
    let mut tx = store.begin().await?;
    account::hold(&mut tx, id).await?;
    if !second_factor::activate(&mut tx, id, &row.secret, step, means.now).await? {
        return Ok(SetUp::Gone);
    }
    second_factor::replace_codes(&mut tx, id, &digests(&codes)).await?;
    account_act::insert_own(&mut tx, id, Act::SecondOn, means.now).await?;
    account::end_other_sessions(&mut tx, id, &visitor.session.digest).await?;
    account::prove(&mut tx, &visitor.session.digest, means.now, Some(means.now)).await?;
    tx.commit().await?;
    Ok(SetUp::Done(codes))
}

fn fresh_codes(means: Means<'_>) -> Vec<Secret> {
    (0..limits::RECOVERY_CODES).map(|_| Secret::new(means.dice)).collect()
}

fn digests(codes: &[Secret]) -> Vec<Sha256Digest> {
    codes.iter().map(Secret::recovery_digest).collect()
}

/// Gives a code of the authenticator, or a recovery code, which is used up; with it a session is proved, if one is named, so that
/// of two who give the same code at once both find it so.
///
/// # Errors
/// The database; what is sealed is damaged.
pub async fn give(
    store: &Store,
    means: Means<'_>,
    account: &Mark,
    typed: &str,
    session: Option<&Sha256Digest>,
) -> Result<Given, Failure> {
    let found = second_factor::find(store, account).await?.filter(|row| row.state == State::Active);
    let Some(row) = found else { return Ok(Given::Wrong) };
    let recovery = Secret::parse(typed);
    let authenticator = match open(store, account, &row.secret) {
        Ok(authenticator) => Some(authenticator),
        Err(Failure::SecondFactor(Unopened::NoKey(_))) => None,
        Err(failure) => return Err(failure),
    };
    // Not counted: nobody's guess was wrong.
    if recovery.is_none() && authenticator.is_none() {
        tracing::error!("a second factor cannot be opened: its key is not in the key file");
        return Ok(Given::Locked);
    }
    if let Some(until) = sign_in::count_try(store, &guarded(account), means.now).await? {
        return Ok(Given::Wait(until));
    }
    let step = authenticator.and_then(|authenticator| authenticator.step_of(typed, means.now));
    let mut tx = store.begin().await?;
    let given = match (recovery, step) {
        (Some(code), _) if second_factor::take_code(&mut tx, account, &code.recovery_digest()).await? => {
            let left = second_factor::count_codes(&mut tx, account).await?;
            account_act::insert_own(&mut tx, account, Act::Recovered, means.now).await?;
            Given::Recovered { left: usize::try_from(left).unwrap_or(0) }
        }
        (None, Some(step)) if second_factor::take_step(&mut tx, account, step).await? => Given::Right,
        _ => Given::Wrong,
    };
    if let Some(session) = session.filter(|_| given.is_right()) {
        account::prove(&mut tx, session, means.now, Some(means.now)).await?;
    }
    tx.commit().await?;
    match given.is_right() {
        true => sign_in::went_well(store, &guarded(account), means.now).await?,
        false => metrics::counter!("hagaki_sign_ins_failed_total").increment(1),
    }
    Ok(given)
}

/// New recovery codes in place of those before; none if there is no authenticator in use.
///
/// # Errors
/// The database.
pub async fn renew_codes(store: &Store, means: Means<'_>, account: &Mark) -> Result<Option<Vec<Secret>>, Failure> {
    if !is_active(store, account).await? {
        return Ok(None);
    }
    let codes = fresh_codes(means);
    let mut tx = store.begin().await?;
    second_factor::replace_codes(&mut tx, account, &digests(&codes)).await?;
    account_act::insert_own(&mut tx, account, Act::Codes, means.now).await?;
    tx.commit().await?;
    Ok(Some(codes))
}

/// Does without one again; whether there was one.
///
/// # Errors
/// The database.
pub async fn end(store: &Store, means: Means<'_>, account: &Mark) -> Result<bool, Failure> {
    let mut tx = store.begin().await?;
    let ended = second_factor::end(&mut tx, account).await?;
    if ended {
        account::forget_second(&mut tx, account).await?;
        account_act::insert_own(&mut tx, account, Act::SecondOff, means.now).await?;
    }
    tx.commit().await?;
    Ok(ended)
}

/// The password is right already, in a session that waits: with the code another one begins, which lets somebody in.
///
/// # Errors
/// The database; the key of the second factor is lost.
pub async fn come_in(
    store: &Store,
    means: Means<'_>,
    waiting: &Visitor,
    typed: &str,
) -> Result<(Given, Option<Secret>), Failure> {
    let given = give(store, means, &waiting.account.id, typed, None).await?;
    if !given.is_right() {
        return Ok((given, None));
    }
    let begun =
        accounts::begin_session(store, means, &waiting.account, waiting.session.proved_at, Some(means.now)).await?;
    account::end_session(store, &waiting.session.digest).await?;
    Ok(match begun {
        Some(Entered::In(secret)) => (given, Some(secret)),
        _ => (Given::Wrong, None),
    })
}

/// Somebody who is signed in shows once more who they are: by the code where they have an authenticator, else by the password
/// where that is enough.
///
/// # Errors
/// The database; the key of the second factor is lost.
pub async fn prove(
    store: &Store,
    means: Means<'_>,
    visitor: &Visitor,
    rule: StepUp,
    typed: &Typed,
) -> Result<Given, Failure> {
    let session = &visitor.session.digest;
    let password = match typed {
        Typed::Code(code) => return give(store, means, &visitor.account.id, code, Some(session)).await,
        Typed::Password(_) if rule.proof == Proof::SecondFactor => return Ok(Given::Wrong),
        Typed::Password(password) => password,
    };
    let given = accounts::confirm(store, means, &visitor.account, password).await?;
    if given.is_right() {
        let mut tx = store.begin().await?;
        account::prove(&mut tx, session, means.now, None).await?;
        tx.commit().await?;
    }
    Ok(given)
}

/// What somebody is asked for once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// A code of their authenticator, or a recovery code.
    Code,
    /// Their password.
    Password,
    /// The second factor, which they have to set up first.
    Missing,
    /// The password, and they have none: they came in by a provider or a proxy.
    NoPassword,
}

impl Demand {
    /// What was typed for it.
    pub fn typed(self, text: &str) -> Typed {
        match self {
            Demand::Password => Typed::Password(text.to_string()),
            Demand::Code | Demand::Missing | Demand::NoPassword => Typed::Code(text.to_string()),
        }
    }
}

/// What somebody is asked for by a rule: the code where they have an authenticator, since it is the stronger and the shorter.
///
/// # Errors
/// The database.
pub async fn demand(store: &Store, visitor: &Visitor, rule: StepUp) -> Result<Demand, Failure> {
    Ok(match rule.proof {
        _ if is_active(store, &visitor.account.id).await? => Demand::Code,
        Proof::Password if visitor.account.password.is_some() => Demand::Password,
        Proof::Password => Demand::NoPassword,
        Proof::SecondFactor => Demand::Missing,
    })
}

/// What somebody typed to show who they are.
#[derive(Clone, PartialEq, Eq)]
pub enum Typed {
    /// The password.
    Password(String),
    /// A code of the authenticator, or a recovery code.
    Code(String),
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Typed::Password(_) => "Password(…)",
            Typed::Code(_) => "Code(…)",
        })
    }
}
