//! Accounts of members and staff: a password that its owner chose, sessions, and the letter by which both begin and are begun
//! anew.
//!
//! Whoever stands on the roll of a study, or among its people, has an account as soon as they ask for it. Whether an address is
//! known is told to nobody but the one who reads its mail: pages say the same words in the same time.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::compose::{self, Addressing, Outgoing};
use super::group;
use super::second_factor::Given;
use super::shelf::{Shelf, ShelvedStudy};
use super::sign_in;
use super::{Failure, Means, credentials};
use crate::domain::chain::Sha256Digest;
use crate::domain::credential::Secret;
use crate::domain::language::Language;
use crate::domain::participant::Candidate;
use crate::domain::password::{Password, Weak};
use crate::domain::patience::Protected;
use crate::domain::study::Person;
use crate::domain::survey::Mark;
use crate::domain::text;
use crate::domain::time::{Dice, Instant};
use crate::letters::Facts;
use crate::letters::facts::AccountLink;
use crate::limits;
use crate::store::account::{self, AccountRow, SessionRow, State};
use crate::store::account_act::{self, Act, ActRow};
use crate::store::identity;
use crate::store::participant::{self, ParticipantRow};
use crate::store::second_factor as row;
use crate::store::session as patience;
use crate::store::study;
use crate::store::{Store, StoreError, Tx};

/// Each takes memory and a core: more at once would only make all of them late.
static HASHING: Semaphore = Semaphore::const_new(limits::PASSWORDS_AT_ONCE);

/// What came of asking for a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// One is sent to that address, if it is somebody's.
    Send(String),
    /// None is sent, for that address had enough; nobody is told.
    Enough,
    /// Too much was asked for from there: nothing before that moment.
    Wait(Instant),
}

/// What came of choosing a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It is from now on that of the account of this address; every session is over.
    Done(String),
    /// The link is none, or was used, or is over.
    Gone,
    /// It cannot be chosen.
    Weak(Weak),
}

/// What came of a try to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// A session was begun; this goes into the cookie and is not kept.
    In(Secret),
    /// The password is right; the session waits for the second factor.
    Waits(Secret),
    /// Address or password are wrong; which is not said.
    Wrong,
    /// Nothing is tried before that moment.
    Wait(Instant),
}

/// Somebody who signed in.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Their account.
    pub account: AccountRow,
    /// Their session.
    pub session: SessionRow,
}

/// Where somebody who signs in wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To the survey of a study.
    Survey(String),
    /// To a page of the cases of a study, by its address.
    Cases(String),
    /// To the ballots of an election.
    Election(String),
    /// To where the second factor of the account is set up.
    SecondFactor,
}

/// Address of the page where a second factor is set up.
const SECOND_FACTOR: &str = "/account/second";

impl Goal {
    /// The list of the cases of a study.
    pub fn cases(slug: &str) -> Goal {
        Goal::Cases(format!("/c/{slug}"))
    }

    /// The list of who has answered.
    pub fn participants(slug: &str) -> Goal {
        Goal::Cases(format!("/c/{slug}/participants"))
    }

    /// As links carry it.
    pub fn text(&self) -> String {
        match self {
            Goal::Survey(slug) => slug.clone(),
            page => page.path(),
        }
    }

    /// What a link carries, if it can be the name of a study or the address of a page of ours: nothing else may stand in a link
    /// or a header.
    pub fn parse(text: &str) -> Option<Goal> {
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
        };
        if text.len() > limits::GOAL_BYTES {
            return None;
        }
        if text == SECOND_FACTOR {
            return Some(Goal::SecondFactor);
        }
        if let Some(slug) = text.strip_prefix("/e/").and_then(|rest| rest.strip_suffix("/vote")) {
            return plain(slug).then(|| Goal::Election(slug.to_string()));
        }
        match text.strip_prefix("/c/") {
            Some(rest) => rest.split('/').all(plain).then(|| Goal::Cases(text.to_string())),
            None => plain(text).then(|| Goal::Survey(text.to_string())),
        }
    }

    /// Its page.
    pub fn path(&self) -> String {
        match self {
            Goal::Survey(slug) => format!("/s/{slug}/form"),
            Goal::Cases(path) => path.clone(),
            Goal::Election(slug) => format!("/e/{slug}/vote"),
            Goal::SecondFactor => SECOND_FACTOR.to_string(),
        }
    }
}

/// The page on which a letter is asked for.
pub fn page(public_url: &str) -> String {
    format!("{}/account", public_url.trim_end_matches('/'))
}

/// The account of an address, which is made if there is none.
pub(super) async fn of_address(
    tx: &mut Tx,
    means: Means<'_>,
    address: &str,
    language: &str,
) -> Result<AccountRow, Failure> {
    account::insert(tx, &Mark::new(means.dice), address, language, means.now).await?;
    let found = account::find_by_address(tx, address).await?;
    Ok(found.ok_or_else(|| StoreError::Missing { noun: "account", key: "just made".to_string() })?)
}

/// Whether a letter may be sent to an address; the same for those that are known and those that are not.
///
/// # Errors
/// The database.
pub async fn ask(store: &Store, means: Means<'_>, origin: &str, address: &str) -> Result<Asked, Failure> {
    let by_origin = [(Protected::Origin, sign_in::key("account letters from", &[origin]))];
    if let Some(until) = sign_in::count_try(store, &by_origin, means.now).await? {
        return Ok(Asked::Wait(until));
    }
    let address = text::fold_address(address);
    if address.len() > limits::ADDRESS_BYTES || !address.contains('@') || text::has_control(&address) {
        return Ok(Asked::Enough);
    }
    let by_address = [(Protected::Letters, sign_in::key("account letters to", &[&address]))];
    Ok(match sign_in::count_try(store, &by_address, means.now).await? {
        Some(_) => Asked::Enough,
        None => Asked::Send(address),
    })
}

/// Sends the letter by which a password is chosen, if the address is somebody's.
///
/// # Errors
/// The database; a template that cannot state the letter.
pub async fn send_link(shelf: &Shelf, means: Means<'_>, address: &str) -> Result<(), Failure> {
    let store = shelf.store();
    let known = account::find_by_address(store, address).await?;
    if known.as_ref().is_some_and(|account| account.state == State::Closed) {
        return Ok(());
    }
    if let Some(asked) = group::of_address(shelf, address).await? {
        let mut tx = store.begin().await?;
        group::ask(&mut tx, means, &asked, address).await?;
        return Ok(tx.commit().await?);
    }
    let Some((shelved, person)) = whose(shelf, known.as_ref(), address).await? else { return Ok(()) };
    let to = Addressing { address: Some(address), ..Addressing::unasked(&shelved.study, &person) };
    let link = write_link(&shelved, means, to, known.is_some_and(|account| account.state == State::Active))?;
    let mut tx = store.begin().await?;
    let language = person.language.map(Language::code).unwrap_or_default();
    keep_link(&mut tx, means, address, language, &link).await?;
    compose::post(&mut tx, Some(shelved.id), means, None, std::slice::from_ref(&link.letter)).await?;
    Ok(tx.commit().await?)
}

/// A link by which a password is chosen, in the letter that brings it.
pub(super) struct WrittenLink {
    /// The letter.
    pub(super) letter: Outgoing,
    digest: Sha256Digest,
    until: Instant,
}

/// Writes the letter with a fresh link; `again` if a password was chosen before. Nothing is kept of it yet.
pub(super) fn write_link(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    to: Addressing<'_>,
    again: bool,
) -> Result<WrittenLink, Failure> {
    let secret = Secret::new(means.dice);
    let until = means.now.plus_seconds(limits::ACCOUNT_LINK_SECONDS);
    let facts = AccountLink {
        link: format!("{}/{}", page(&means.desk.public_url), secret.text()),
        until: until.local(shelved.study.zone),
        again,
    };
    let masked = facts.masked(&means.desk.public_url);
    let letter = compose::compose_secret(shelved, means, to, Facts::AccountLink(facts), Facts::AccountLink(masked))?;
    Ok(WrittenLink { letter, digest: secret.account_digest(), until })
}

/// Lets a written link work for the account of an address, which is made if there is none; the links before it do no more.
pub(super) async fn keep_link(
    tx: &mut Tx,
    means: Means<'_>,
    address: &str,
    language: &str,
    link: &WrittenLink,
) -> Result<(), Failure> {
    let account = of_address(tx, means, address, language).await?;
    Ok(account::insert_link(tx, &link.digest, &account.id, link.until).await?)
}

/// Who has that address: a member on the roll of a study, or somebody among the people of one; with the study that writes to them.
pub(super) async fn whose(
    shelf: &Shelf,
    known: Option<&AccountRow>,
    address: &str,
) -> Result<Option<(Arc<ShelvedStudy>, Person)>, Failure> {
    if let Some(account) = known
        && let Some(member) = participant::list_of_account(shelf.store(), &account.id, 1).await?.first()
    {
        let shelved = shelf.find_by_id(member.study_id).await?;
        let person = credentials::addressee(&shelved.study, &on_roll(member));
        return Ok(Some((shelved, person)));
    }
    let found = among_people(shelf, address, 1).await?.into_iter().next();
    Ok(found.and_then(|shelved| {
        let person = shelved.study.find_person_by_address(address)?.clone();
        Some((shelved, person))
    }))
}

/// Whether that address is somebody's: of a member on a roll, or of the people of a study.
pub(super) async fn is_listed(shelf: &Shelf, known: Option<&AccountRow>, address: &str) -> Result<bool, Failure> {
    Ok(whose(shelf, known, address).await?.is_some())
}

/// At most so many studies that have somebody of that address among their people, by slug; not all studies are looked through for it.
pub(super) async fn among_people(shelf: &Shelf, address: &str, most: usize) -> Result<Vec<Arc<ShelvedStudy>>, Failure> {
    let words = BTreeSet::from([address.to_string()]);
    let told = shelf.candidates(&words, most).await?.of(&words);
    Ok(told.into_values().filter(|shelved| shelved.study.find_person_by_address(address).is_some()).collect())
}

/// The studies in force that have somebody of that address among their people.
///
/// # Errors
/// The database; a stored bundle this version cannot read.
pub async fn staff_of(shelf: &Shelf, address: &str) -> Result<Vec<Arc<ShelvedStudy>>, Failure> {
    let mut own = Vec::new();
    for told in among_people(shelf, address, limits::STUDIES_OF_AN_ACCOUNT).await? {
        // Of a rehearsal that the real study has taken the place of, nothing is shown any more.
        let Some(row) = study::find_current(shelf.store(), &told.study.slug).await? else { continue };
        let shelved = shelf.current(row.id, row.bundle_version).await?;
        if shelved.study.find_person_by_address(address).is_some() {
            own.push(shelved);
        }
    }
    Ok(own)
}

fn on_roll(member: &ParticipantRow) -> Candidate {
    Candidate {
        name: member.name.clone(),
        address: member.address.clone(),
        language: Language::find(&member.language),
        ..Candidate::default()
    }
}

/// Whether a link lets a password be chosen now. Looking uses nothing up.
///
/// # Errors
/// The database.
pub async fn is_good(store: &Store, secret: &Secret, now: Instant) -> Result<bool, Failure> {
    let found = account::find_link(store, &secret.account_digest()).await?;
    Ok(found.is_some_and(|(_, until)| now < until))
}

/// Chooses a password by a link, which is used up; every older session and link of the account ends.
///
/// # Errors
/// The database.
pub async fn choose(
    store: &Store,
    now: Instant,
    dice: Arc<dyn Dice>,
    secret: &Secret,
    typed: &str,
) -> Result<Chosen, Failure> {
    let digest = secret.account_digest();
    let found = account::find_link(store, &digest).await?.filter(|(_, until)| now < *until);
    let Some((id, _)) = found else { return Ok(Chosen::Gone) };
    let found = account::find(store, &id).await?.filter(|account| account.state != State::Closed);
    let Some(account) = found else { return Ok(Chosen::Gone) };
    let password = match Password::choose(typed, &account.address) {
        Ok(password) => password,
        Err(weak) => return Ok(Chosen::Weak(weak)),
    };
    let hash = hashing(move || password.hash(&*dice)).await?;
    let mut tx = store.begin().await?;
    if !account::take_link(&mut tx, &digest).await? {
        return Ok(Chosen::Gone);
    }
    account::choose(&mut tx, &id, &hash, now).await?;
    account_act::insert_own(&mut tx, &id, Act::Password, now).await?;
    account::end_all(&mut tx, &id).await?;
    // Whoever was let in by a provider under this address is known by it anew.
    if identity::end(&mut tx, &id).await? > 0 {
        account_act::insert_own(&mut tx, &id, Act::NoIdentity, now).await?;
    }
    tx.commit().await?;
    patience::forgive(store, &tries_of(&account.address, None)).await?;
    Ok(Chosen::Done(account.address))
}

/// What an operator does about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// It lets nobody in any more; whoever is in is out.
    Close,
    /// It lets its owner in again.
    Reopen,
    /// The second factor is done without, since it was lost; whoever is in is out.
    DropSecondFactor,
    /// No provider's identity is let in any more, so that another one can be; whoever is in is out.
    DropIdentities,
}

/// Takes care of an account, with a record of who did and why; whether there was anything to do.
///
/// # Errors
/// The database.
pub async fn care(
    store: &Store,
    now: Instant,
    actor: &str,
    reason: &str,
    id: &Mark,
    care: Care,
) -> Result<bool, Failure> {
    let mut tx = store.begin().await?;
    account::hold(&mut tx, id).await?;
    let (act, done) = match care {
        Care::Close => (Act::Closed, account::close(&mut tx, id).await?),
        Care::Reopen => (Act::Reopened, account::reopen(&mut tx, id).await?),
        Care::DropSecondFactor => (Act::SecondOff, row::end(&mut tx, id).await?),
        Care::DropIdentities => (Act::NoIdentity, identity::end(&mut tx, id).await? > 0),
    };
    if !done {
        return Ok(false);
    }
    account::end_all(&mut tx, id).await?;
    let row = ActRow { at: now, actor: actor.to_string(), act, reason: reason.to_string() };
    account_act::insert(&mut tx, id, &row).await?;
    tx.commit().await?;
    Ok(true)
}

/// An address as it is kept, from what somebody typed: without control characters, which none has and not every database holds.
pub fn folded(typed: &str) -> String {
    text::fold_address(&text::without_controls(&typed.chars().take(limits::ADDRESS_BYTES).collect::<String>()))
}

/// What tries to sign in to the account of that (folded) address are counted by: from a browser in which its owner signed in before, or
/// from anywhere else.
fn tries_of(address: &str, browser: Option<&str>) -> Sha256Digest {
    match browser {
        Some(browser) => sign_in::key("account in a browser", &[address, browser]),
        None => sign_in::key("account", &[address]),
    }
}

/// Forgets the wrong tries of such a browser: another password was chosen there.
///
/// # Errors
/// The database.
pub async fn forgive(store: &Store, address: &str, browser: &str) -> Result<(), StoreError> {
    patience::forgive(store, &tries_of(address, Some(browser))).await
}

/// Tries to sign in; `origin` is where the try comes from, `browser` the name of one in which the account's owner signed in before. Such a
/// browser has a count of its own, so that nobody who knows an address alone keeps its owner out. Unknown addresses and wrong passwords
/// take as long and are told alike.
///
/// # Errors
/// The database.
pub async fn sign_in(
    store: &Store,
    means: Means<'_>,
    (origin, browser): (&str, Option<&str>),
    address: &str,
    typed: &str,
) -> Result<Entered, Failure> {
    let address = folded(address);
    let login = tries_of(&address, browser);
    let guarded = [(Protected::Origin, sign_in::key("origin", &[origin])), (Protected::Login, login)];
    if let Some(until) = sign_in::count_try(store, &guarded, means.now).await? {
        return Ok(Entered::Wait(until));
    }
    let found = account::find_by_address(store, &address).await?.filter(|account| account.state == State::Active);
    let right = is_password(found.as_ref(), typed).await?;
    let Some(account) = found.filter(|_| right) else {
        metrics::counter!("hagaki_sign_ins_failed_total").increment(1);
        return Ok(Entered::Wrong);
    };
    sign_in::went_well(store, &guarded, means.now).await?;
    // Chosen anew or closed while the old password was looked at: then that is wrong by now.
    Ok(begin_session(store, means, &account, means.now, None).await?.unwrap_or(Entered::Wrong))
}

/// Whether somebody typed the password of an account; for an account without one it takes as long to say no.
async fn is_password(account: Option<&AccountRow>, typed: &str) -> Result<bool, Failure> {
    let kept = account.and_then(|account| account.password.clone());
    let typed = Password::typed(typed);
    hashing(move || typed.is_some_and(|typed| typed.matches(kept.as_deref()))).await
}

/// The password of somebody who is signed in, once more; as slow to guess as it was.
pub(super) async fn confirm(
    store: &Store,
    means: Means<'_>,
    account: &AccountRow,
    typed: &str,
) -> Result<Given, Failure> {
    // Apart from signing in, so that nobody outside keeps somebody from it who is inside.
    let guarded = [(Protected::Login, sign_in::key("account confirmed", &[&account.address]))];
    if let Some(until) = sign_in::count_try(store, &guarded, means.now).await? {
        return Ok(Given::Wait(until));
    }
    if !is_password(Some(account), typed).await? {
        metrics::counter!("hagaki_sign_ins_failed_total").increment(1);
        return Ok(Given::Wrong);
    }
    sign_in::went_well(store, &guarded, means.now).await?;
    Ok(Given::Right)
}

/// Begins a session of somebody who showed at a moment who they are; `second_at` says when by a second factor. Without one it
/// waits for it where the account has one. None if the account was changed since it was read.
pub(super) async fn begin_session(
    store: &Store,
    means: Means<'_>,
    account: &AccountRow,
    proved_at: Instant,
    second_at: Option<Instant>,
) -> Result<Option<Entered>, Failure> {
    let mut tx = store.begin().await?;
    account::sweep(&mut tx, means.now).await?;
    if !account::is_still(&mut tx, account).await? {
        return Ok(None);
    }
    let second = row::find(&mut tx, &account.id).await?.is_some_and(|row| row.state == row::State::Active);
    let waiting = second && second_at.is_none();
    let (idle, whole) = match waiting {
        true => (limits::SECOND_FACTOR_SECONDS, limits::SECOND_FACTOR_SECONDS),
        false => (limits::SESSION_IDLE_SECONDS, limits::SESSION_SECONDS),
    };
    // Always a new one: what a stranger may have put into the browser before is worth nothing.
    let secret = Secret::new(means.dice);
    let session = SessionRow {
        digest: secret.account_session_digest(),
        account_id: account.id,
        idle_at: means.now.plus_seconds(idle),
        ends_at: means.now.plus_seconds(whole),
        waiting,
        proved_at,
        second_at,
    };
    account::insert_session(&mut tx, &session).await?;
    tx.commit().await?;
    Ok(Some(if waiting { Entered::Waits(secret) } else { Entered::In(secret) }))
}

/// Whose session a cookie's secret is, if it is not over and lets somebody in; it goes on.
///
/// # Errors
/// The database.
pub async fn resume(store: &Store, secret: &Secret, now: Instant) -> Result<Option<Visitor>, Failure> {
    let Some(visitor) = find_visitor(store, secret, now).await?.filter(|visitor| !visitor.session.waiting) else {
        return Ok(None);
    };
    // Not with every page: a write each would cost more than it is worth.
    let idle_at = now.plus_seconds(limits::SESSION_IDLE_SECONDS);
    if idle_at.seconds_since(visitor.session.idle_at) > limits::SESSION_IDLE_SECONDS / 10 {
        account::prolong(store, &visitor.session.digest, idle_at).await?;
    }
    Ok(Some(visitor))
}

/// Ends every session of an account but the one its owner is in.
///
/// # Errors
/// The database.
pub async fn leave_others(store: &Store, visitor: &Visitor) -> Result<(), Failure> {
    let mut tx = store.begin().await?;
    account::end_other_sessions(&mut tx, &visitor.account.id, &visitor.session.digest).await?;
    Ok(tx.commit().await?)
}

/// Who gave the password in a session that waits for the second factor.
///
/// # Errors
/// The database.
pub async fn find_waiting(store: &Store, secret: &Secret, now: Instant) -> Result<Option<Visitor>, Failure> {
    Ok(find_visitor(store, secret, now).await?.filter(|visitor| visitor.session.waiting))
}

async fn find_visitor(store: &Store, secret: &Secret, now: Instant) -> Result<Option<Visitor>, Failure> {
    let found = account::find_session(store, &secret.account_session_digest()).await?;
    let Some(session) = found.filter(|row| now < row.idle_at && now < row.ends_at) else { return Ok(None) };
    let found = account::find(store, &session.account_id).await?.filter(|account| account.state == State::Active);
    Ok(found.map(|account| Visitor { account, session }))
}

/// Works on a password beside the threads that serve pages, one after another.
async fn hashing<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let failed = || Failure::Contradiction("the work on a password was given up".to_string());
    let _turn = HASHING.acquire().await.map_err(|_| failed())?;
    tokio::task::spawn_blocking(work).await.map_err(|_| failed())
}
