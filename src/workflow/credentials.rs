//! Temporary credentials: participants taken in, credentials issued and mailed.
//!
//! A secret exists in the letter (or the printed sheet) and nowhere else; the database keeps digests. Participants come in
//! batches, each one transaction with its letters, so that a list of 100,000 that breaks in the middle is taken up where it
//! stopped: who is known ([`super::recognize`]) is not asked twice.

use std::collections::BTreeSet;

use serde_json::json;

use super::compose::{self, Addressing};
use super::enroll::append;
use super::ledger::{Ledger, Page};
use super::life::Act;
use super::mend::may_mend;
use super::recognize::{self, PassedOver};
use super::respond::answers_once;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, accounts, addresses, drafts, opt_out, schedule};
use crate::domain::credential::{Login, Secret, Unfit, Validity};
use crate::domain::language::{Language, Text};
use crate::domain::participant::Candidate;
use crate::domain::study::{Person, Study};
use crate::domain::survey::{Access, Mark, Privacy, Survey};
use crate::domain::time::Instant;
use crate::letters::Facts;
use crate::letters::facts::{Invitation, Invited};
use crate::limits;
use crate::store::credential::{self, CredentialRow, State};
use crate::store::participant::{self, NewParticipant, ParticipantRow};
use crate::store::{StoreError, Tx, credential_wait, draft, session, subject};

/// A participant on file, as a list would have them.
pub fn on_file(row: &ParticipantRow) -> Candidate {
    Candidate {
        reference: row.reference.clone(),
        name: row.name.clone(),
        address: row.address.clone(),
        language: Language::find(&row.language),
        attributes: serde_json::from_str(&row.attributes).unwrap_or_default(),
        from: None,
        until: None,
        line: None,
    }
}

/// What a credential is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A link.
    Link,
    /// A login with a password.
    Password,
    /// Both, either of which opens.
    Both,
    /// Nothing that is sent: the member's account opens it.
    Account,
    /// Nothing yet: the letters of the schedule bring links, each its own.
    Scheduled,
}

/// The terms of credentials.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What each is made of.
    pub form: Form,
    /// Not before.
    pub from: Instant,
    /// Not from then on; none if it does not expire.
    pub until: Option<Instant>,
    /// Instead of an end: for how many days from the moment that a mail server takes the letter.
    pub days_from_sending: Option<u32>,
    /// Whether the daemon mails them to those who have an address.
    pub mailed: bool,
    /// Whether each is good for one response, though the survey takes more of a person.
    pub once: bool,
    /// Whether people of whom it cannot be told if they are on file are others, by the word of whoever issues.
    pub admits_unclear: bool,
}

/// A credential that was issued, with the secret that is not kept.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Number of the participant; none where nobody may know.
    pub number: Option<i64>,
    /// Who it is for.
    pub candidate: Candidate,
    /// The link, if there is one.
    pub link: Option<String>,
    /// What is typed beside the password, if there is one.
    pub login: Option<Login>,
    /// The password.
    pub password: Option<String>,
    /// When it is good.
    pub validity: Validity,
    /// Whether a letter with it waits in the outbox.
    pub mailed: bool,
    /// Where its time begins when that letter has left: which credential, and for how many days it is good then.
    pub waits: Option<(Mark, u32)>,
    /// Whether they are to enroll themself by it, and did not yet.
    pub joins: bool,
    /// Whether it is good for one response, however many the survey takes.
    pub once: bool,
    /// Whether they have answered already, so that it is for looking at their answers and changing them.
    pub answered: bool,
    /// Page on which they stop invitations and reminders; it names them, and no access.
    pub unsubscribe: String,
}

/// Why somebody gets no fresh credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// They have answered, and answers are not changed in this survey.
    Answered,
    /// None of theirs opens anything any more: it was called back.
    Revoked,
    /// Nobody may know whose credential is whose, or they sign in with accounts.
    Nobodys,
    /// They take part no more.
    Withdrawn,
    /// Theirs was good until then, and a fresh one would open nothing either.
    Over(Mark, Instant),
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Those who got a credential.
    pub issued: Vec<Issued>,
    /// Those who were known already, or may be, and got none.
    pub passed: Vec<PassedOver>,
    /// How many got none because too few came together: where nobody may know whose credential is whose, a few in one transaction
    /// could be told apart by it.
    pub too_few: usize,
    /// How many of those who were taken in are not written to, because no study is to invite anybody at their address.
    pub unsubscribed: usize,
    /// How many others are not, because letters to their address come back.
    pub unreached: usize,
}

/// Takes participants in and issues a credential to each, at most [`limits::CREDENTIAL_BATCH`] of them in one transaction.
///
/// # Errors
/// The database; a template that cannot state an invitation. Then nothing of the batch has happened.
pub async fn issue(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    candidates: &[Candidate],
    terms: Terms,
) -> Result<Batch, Failure> {
    let study = &shelved.study;
    let Some(survey) = &study.survey else {
        return Err(Failure::Contradiction(format!("study {} asks nobody", study.slug)));
    };
    debug_assert!(candidates.len() <= limits::CREDENTIAL_BATCH);
    let mut ledger = Ledger::begin(shelf).await?;
    ledger.lock(shelved).await?;
    let members = survey.access == Access::Members;
    if members != (terms.form == Form::Account) || (members && candidates.iter().any(|one| one.address.is_empty())) {
        return Err(Failure::Contradiction(format!("members of {} have accounts, and nobody else has", study.slug)));
    }
    let (candidates, passed) = match members {
        true => recognize::off_the_roll(&mut ledger.tx, shelved.id, candidates).await?,
        false => recognize::unknown(&mut ledger.tx, shelved.id, candidates, terms.admits_unclear).await?,
    };
    let (tx, page) = ledger.lock(shelved).await?;
    let first = page.row.participants + 1;
    let new: Vec<NewParticipant> = candidates
        .iter()
        .zip(first..)
        .map(|(candidate, number)| NewParticipant {
            number,
            reference: candidate.reference.clone(),
            name: candidate.name.clone(),
            address: candidate.address.clone(),
            language: candidate.language.map(Language::code).unwrap_or_default().to_string(),
            attributes: json!(candidate.attributes).to_string(),
        })
        .collect();
    if new.is_empty() {
        return Ok(Batch { passed, ..Batch::default() });
    }
    let anonymous = survey.privacy == Privacy::FullyAnonymous;
    let mut silent = match terms.mailed {
        true => opt_out::addresses_among(&mut *tx, &means.keys.address, &candidates).await?,
        false => BTreeSet::new(),
    };
    let count = |silent: &BTreeSet<String>| candidates.iter().filter(|one| silent.contains(&one.address)).count();
    let unsubscribed = count(&silent);
    silent.extend(addresses::stopped_among(&mut *tx, &means.keys.address, &candidates, terms.mailed).await?);
    let unreached = count(&silent) - unsubscribed;
    let least = usize::try_from(survey.batch).unwrap_or(usize::MAX);
    if anonymous && terms.form != Form::Scheduled && new.len() - unsubscribed - unreached < least {
        return Ok(Batch { passed, too_few: new.len(), ..Batch::default() });
    }
    let ids = participant::insert(tx, shelved.id, &new, means.now).await?;
    schedule::touch(tx, shelved, &ids).await?;
    if anonymous && terms.form != Form::Scheduled {
        // Who is not written to gets none; the schedule makes theirs once letters may go there.
        let given = candidates.iter().zip(&ids).filter(|(candidate, _)| !silent.contains(&candidate.address));
        let given: Vec<i64> = given.map(|(_, id)| *id).collect();
        schedule::note_accesses(tx, shelved.id, &given, means.now).await?;
    }
    page.row.participants += i64::try_from(ids.len()).unwrap_or(i64::MAX);
    if members {
        for (candidate, id) in candidates.iter().zip(&ids) {
            let language = candidate.language.map(Language::code).unwrap_or_default();
            let account = accounts::of_address(tx, means, &candidate.address, language).await?;
            participant::set_account(tx, *id, &account.id).await?;
        }
    }
    let mut rows = Vec::with_capacity(ids.len());
    let mut issued = Vec::with_capacity(ids.len());
    let mut letters = Vec::new();
    for ((candidate, id), number) in candidates.into_iter().zip(ids).zip(first..) {
        let made = Made::new(terms.form, means);
        let silenced = silent.contains(&candidate.address);
        let own = Validity { from: candidate.from.unwrap_or(terms.from), until: candidate.until.or(terms.until) };
        // Of one's own it would tell whose credential it is.
        let validity = if anonymous { Validity { from: terms.from, until: terms.until } } else { own };
        let mailed = terms.mailed && !candidate.address.is_empty() && !silenced;
        let id_of_credential = Mark::new(means.dice);
        let days = terms.days_from_sending.filter(|_| validity.until.is_none());
        // No letter of theirs leaves from which they could be counted.
        let end = days.filter(|_| silenced).map(|days| means.now.plus_seconds(i64::from(days) * 24 * 3600));
        let validity = Validity { until: validity.until.or(end), ..validity };
        let waits = days.filter(|_| !silenced).map(|days| (id_of_credential, days));
        if waits.is_some() && (anonymous || !mailed) {
            return Err(Failure::Contradiction(
                "days from a sending need a letter that is known to be theirs".to_string(),
            ));
        }
        // Who is told by the schedule was not told yet; and where nobody may know whose is whose, all are made when they leave.
        let told = mailed || (!silenced && (made.link.is_some() || made.password.is_some()));
        let later = anonymous && (silenced || terms.form == Form::Scheduled);
        rows.extend((!later).then(|| CredentialRow {
            id: id_of_credential,
            study_id: shelved.id,
            participant_id: (!anonymous).then_some(id),
            link_digest: made.link.as_ref().map(Secret::link_digest),
            login: made.password.as_ref().map(|(login, _)| login.text().to_string()),
            password_digest: made.password.as_ref().map(|(login, secret)| secret.password_digest(login)),
            state: State::Active,
            uses: i64::from(terms.once),
            validity,
            issued_at: (!anonymous && told).then_some(means.now),
        }));
        let one = Issued {
            number: (!anonymous).then_some(number),
            link: made.link.as_ref().map(|secret| link(&means.desk.public_url, secret)),
            login: made.password.as_ref().map(|(login, _)| login.clone()),
            password: made.password.as_ref().map(|(_, secret)| secret.grouped()),
            validity,
            mailed,
            waits,
            joins: shelved.study.enrolls_itself(),
            once: terms.once,
            answered: false,
            unsubscribe: opt_out::page(means, id, means.now),
            candidate,
        };
        issued.push(one);
    }
    // In an order of their own, so that the order of credentials tells nothing of the list's.
    rows.sort_by_key(|row| row.id);
    credential::insert(tx, &rows).await?;
    for one in issued.iter().filter(|one| one.mailed) {
        letters.push(invite(tx, shelved, means, one).await?);
    }
    let mut body = json!({
        "participants": issued.len(),
        "first": first,
        "mailed": letters.len(),
        "until": terms.until.map(Instant::utc),
        "reason": act.reason,
    });
    if let Some(days) = terms.days_from_sending {
        body["days_from_sending"] = json!(days);
    }
    if terms.from > means.now {
        body["from"] = json!(terms.from.utc());
    }
    if terms.once {
        body["uses"] = json!(1);
    }
    let action = if members { "admit-members" } else { "issue-credentials" };
    append(tx, page, means, act.actor, action, &body).await?;
    compose::post(tx, Some(shelved.id), means, None, &letters).await?;
    ledger.commit().await?;
    Ok(Batch { issued, passed, too_few: 0, unsubscribed, unreached })
}

/// Whose way in is to be changed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing opens any more.
    Revoke,
    /// It is good until then, or for good.
    Extend(Option<Instant>),
}

/// Calls back or prolongs every good credential of a participant; how many there were. Sessions begun with one called back end.
///
/// # Errors
/// The database.
pub async fn change(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    whose: &ParticipantRow,
    change: Change,
) -> Result<usize, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let own = credential::list_of(&mut *tx, whose.id).await?;
    let good: Vec<&CredentialRow> = own.iter().filter(|one| one.state == State::Active).collect();
    for one in &good {
        match change {
            Change::Revoke => {
                credential::set_state(tx, &one.id, State::Revoked).await?;
                session::end_of_credential(tx, &one.id).await?;
                draft::forget_all(tx, one).await?;
            }
            Change::Extend(until) => {
                // Whatever it waited for: its end is said now.
                credential_wait::forget(tx, &one.id).await?;
                credential::set_expiry(tx, &one.id, until).await?;
            }
        }
    }
    if !good.is_empty() {
        schedule::touch(tx, shelved, &[whose.id]).await?;
        let (action, until) = match change {
            Change::Revoke => ("revoke-credentials", None),
            Change::Extend(until) => ("extend-credentials", until),
        };
        let body = json!({ "participant": whose.number, "credentials": good.len(), "until": until.map(Instant::utc),
                           "reason": act.reason });
        append(tx, page, means, act.actor, action, &body).await?;
    }
    let many = good.len();
    ledger.commit().await?;
    Ok(many)
}

/// The credential whose place a fresh one would take, and whether answers were sent with it and can be changed; or why there is to be
/// no fresh one. What was called back stays so, but for whoever decides otherwise (`again`).
async fn renewable(
    tx: &mut Tx,
    survey: &Survey,
    now: Instant,
    (whose, again): (&ParticipantRow, bool),
) -> Result<Result<(CredentialRow, bool), Withheld>, StoreError> {
    if survey.privacy == Privacy::FullyAnonymous || survey.access == Access::Members {
        return Ok(Err(Withheld::Nobodys));
    }
    if whose.state == participant::State::Withdrawn {
        return Ok(Err(Withheld::Withdrawn));
    }
    let own = credential::list_of(&mut *tx, whose.id).await?;
    let used = !credential::uses_of_participant(&mut *tx, whose.id).await?.is_empty();
    let last = |state| own.iter().rfind(|one| one.state == state);
    let before = last(State::Active).or_else(|| last(State::Revoked).filter(|_| again));
    let Some(before) = before else { return Ok(Err(Withheld::Revoked)) };
    let answered = used && answers_once(survey, before);
    if answered && !may_mend(survey) {
        return Ok(Err(Withheld::Answered));
    }
    if let Err(Unfit::Expired(until)) = before.validity.at(now) {
        return Ok(Err(Withheld::Over(before.id, until)));
    }
    Ok(Ok((before.clone(), answered)))
}

/// Whether a participant would get a fresh credential; see [`reissue`].
///
/// # Errors
/// The database.
pub async fn may_reissue(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    now: Instant,
    whose: &ParticipantRow,
    again: bool,
) -> Result<Result<(), Withheld>, Failure> {
    let Some(survey) = &shelved.study.survey else { return Ok(Err(Withheld::Nobodys)) };
    let mut tx = shelf.store().begin().await?;
    Ok(renewable(&mut tx, survey, now, (whose, again)).await?.map(drop))
}

/// A fresh credential for a participant whose study is locked: those before open nothing any more. It has the time and the uses of the
/// one before.
///
/// # Errors
/// The database.
pub(super) async fn renew(
    tx: &mut Tx,
    page: &mut Page,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    actor: &str,
    (whose, again): (&ParticipantRow, bool),
) -> Result<Result<Issued, Withheld>, Failure> {
    let Some(survey) = &shelved.study.survey else { return Ok(Err(Withheld::Nobodys)) };
    let (before, answered) = match renewable(tx, survey, means.now, (whose, again)).await? {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let own = credential::list_of(&mut *tx, whose.id).await?;
    let form = match (before.link_digest.is_some(), before.login.is_some()) {
        (true, true) => Form::Both,
        (false, true) => Form::Password,
        _ => Form::Link,
    };
    let made = Made::new(form, means);
    // The letter never left, or its address was wrong: the fresh one's days are counted from its own.
    let mailed = !whose.address.is_empty();
    let days = credential_wait::days(&mut *tx, &before.id).await?;
    for one in own.iter().filter(|one| one.state == State::Active) {
        session::end_of_credential(tx, &one.id).await?;
        credential_wait::forget(tx, &one.id).await?;
    }
    // It may be one that was called back before its letter left.
    credential_wait::forget(tx, &before.id).await?;
    credential::replace_all(tx, whose.id).await?;
    let now_on = days.filter(|_| !mailed).map(|days| means.now.plus_seconds(i64::from(days) * 24 * 3600));
    let from = before.validity.from.max(means.now);
    let validity = Validity { from, until: before.validity.until.or(now_on) };
    let row = CredentialRow {
        id: Mark::new(means.dice),
        link_digest: made.link.as_ref().map(Secret::link_digest),
        login: made.password.as_ref().map(|(login, _)| login.text().to_string()),
        password_digest: made.password.as_ref().map(|(login, secret)| secret.password_digest(login)),
        validity,
        issued_at: Some(means.now),
        state: State::Active,
        ..before
    };
    credential::insert(tx, std::slice::from_ref(&row)).await?;
    drafts::follow(tx, means, survey, &own, &row.id).await?;
    schedule::touch(tx, shelved, &[whose.id]).await?;
    append(tx, page, means, actor, "renew-credential", &json!({ "participant": whose.number })).await?;
    let joins = shelved.study.enrolls_itself() && subject::find_by_participant(&mut *tx, whose.id).await?.is_none();
    Ok(Ok(Issued {
        number: Some(whose.number),
        candidate: on_file(whose),
        link: made.link.as_ref().map(|secret| link(&means.desk.public_url, secret)),
        login: made.password.as_ref().map(|(login, _)| login.clone()),
        password: made.password.as_ref().map(|(_, secret)| secret.grouped()),
        validity,
        mailed,
        waits: days.filter(|_| mailed).map(|days| (row.id, days)),
        joins,
        once: row.is_for_one_use(),
        answered,
        unsubscribe: opt_out::page(means, whose.id, whose.created_at),
    }))
}

/// A fresh credential for a participant, mailed if they have an address, or why there is none; `again` lets in again who
/// was called back. Whoever was refused as often as may be when they wanted to enroll themself can try anew: somebody has
/// looked at it.
///
/// # Errors
/// The database; a template that cannot state an invitation.
pub async fn reissue(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    whose: &ParticipantRow,
    again: bool,
) -> Result<Result<Issued, Withheld>, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let issued = match renew(tx, page, shelved, means, act.actor, (whose, again)).await? {
        Ok(issued) => issued,
        Err(why) => return Ok(Err(why)),
    };
    let refusals = participant::load(&mut *tx, whose.id).await?.refusals;
    if refusals > 0 {
        participant::forgive(tx, whose.id).await?;
        let body = json!({ "participant": whose.number, "refusals": refusals, "reason": act.reason });
        append(tx, page, means, act.actor, "forgive-refusals", &body).await?;
    }
    if issued.mailed {
        let letter = invite(tx, shelved, means, &issued).await?;
        compose::post(tx, Some(shelved.id), means, None, std::slice::from_ref(&letter)).await?;
    }
    ledger.commit().await?;
    Ok(Ok(issued))
}

/// The secrets of one credential.
pub(super) struct Made {
    pub(super) link: Option<Secret>,
    password: Option<(Login, Secret)>,
}

impl Made {
    pub(super) fn new(form: Form, means: Means<'_>) -> Made {
        let link = matches!(form, Form::Link | Form::Both).then(|| Secret::new(means.dice));
        let password =
            matches!(form, Form::Password | Form::Both).then(|| (Login::new(means.dice), Secret::new(means.dice)));
        Made { link, password }
    }
}

/// The link of a secret.
pub fn link(public_url: &str, secret: &Secret) -> String {
    format!("{}/a/{}", public_url.trim_end_matches('/'), secret.text())
}

/// The page on which login and password are typed.
pub fn sign_in(public_url: &str, study: &Study) -> String {
    format!("{}/s/{}", public_url.trim_end_matches('/'), study.slug)
}

/// The letter with somebody's credential; where its time is to begin with the sending, it waits for that from now on.
pub(super) async fn invite(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    issued: &Issued,
) -> Result<compose::Outgoing, Failure> {
    let letter = invitation(shelved, means, issued, greeting(tx, shelved, issued).await?)?;
    if let Some((credential, days)) = &issued.waits {
        credential_wait::insert(tx, credential, letter.message_id(), *days).await?;
    }
    Ok(letter)
}

/// Whom a letter greets: their name, so that those who share an address know whose it is; without one, but only where several share
/// the address, what the list calls them, else their number.
pub(super) async fn greeting(tx: &mut Tx, shelved: &ShelvedStudy, issued: &Issued) -> Result<String, StoreError> {
    let Candidate { reference, name, address, .. } = &issued.candidate;
    if !name.is_empty() || address.is_empty() {
        return Ok(name.clone());
    }
    let several = participant::list_alike(tx, shelved.id, ("", address), 2).await?.len() > 1;
    let number = || issued.number.map(|number| format!("{}-{number}", shelved.study.tag)).unwrap_or_default();
    Ok(match several {
        true if reference.is_empty() => number(),
        true => reference.clone(),
        false => String::new(),
    })
}

/// The letter itself, to somebody of that name.
pub(super) fn invitation(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    issued: &Issued,
    name: String,
) -> Result<compose::Outgoing, Failure> {
    let study = &shelved.study;
    let person = addressee(study, &Candidate { name, ..issued.candidate.clone() });
    let language = study.language_of(&person);
    let members = study.survey.as_ref().is_some_and(|survey| survey.access == Access::Members);
    let account = members.then(|| accounts::page(&means.desk.public_url));
    let invited = Invited {
        account: account.as_deref(),
        link: issued.link.as_deref(),
        login: issued.login.as_ref(),
        password: issued.password.as_deref(),
        sign_in: &sign_in(&means.desk.public_url, study),
        validity: issued.validity,
        days: issued.waits.map(|(_, days)| days),
        joins: issued.joins,
        once: issued.once,
        answered: issued.answered,
        unsubscribe: Some(&issued.unsubscribe),
        now: means.now,
    };
    let facts = Invitation::new(study, &invited, language);
    let masked = Facts::Invitation(facts.masked(&means.desk.public_url));
    let to = Addressing::unasked(study, &person);
    compose::compose_secret(shelved, means, to, Facts::Invitation(facts), masked)
}

/// A participant as the one a letter is written to: nobody of the staff.
pub fn addressee(study: &Study, candidate: &Candidate) -> Person {
    let name = candidate.name.clone();
    Person {
        id: "participant".to_string(),
        name: Text::new(study.languages.iter().map(|language| (*language, name.clone()))),
        addresses: vec![candidate.address.clone()],
        roles: Vec::new(),
        sites: Vec::new(),
        language: candidate.language.filter(|language| study.languages.contains(language)),
        representative: None,
    }
}
