//! Temporary credentials: participants taken in, credentials issued and mailed.
//!
//! A secret exists in the letter (or the printed sheet) and nowhere else; the database keeps digests. Participants come in
//! batches, each one transaction with its letters, so that a list of 100,000 that breaks in the middle is taken up where it
//! stopped: who is known by reference or address is not asked twice.

use std::collections::BTreeSet;

use serde_json::json;

use super::compose::{self, Addressing};
use super::enroll::append;
use super::ledger::Ledger;
use super::life::Act;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means};
use crate::domain::credential::{Login, Secret, Validity};
use crate::domain::language::{Language, Text};
use crate::domain::study::{Person, Study};
use crate::domain::survey::{Mark, Privacy, Responses};
use crate::domain::time::Instant;
use crate::letters::Facts;
use crate::letters::facts::{Invitation, Invited};
use crate::limits;
use crate::store::credential::{self, CredentialRow, State};
use crate::store::participant::{self, NewParticipant};

/// Somebody who is to answer, as a list of participants has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// What the list calls them, or empty.
    pub reference: String,
    /// Name to greet, or empty.
    pub name: String,
    /// Folded address, or empty.
    pub address: String,
    /// Language of their letters, if the list says.
    pub language: Option<Language>,
    /// Further columns.
    pub attributes: std::collections::BTreeMap<String, String>,
    /// Not before, where the list says.
    pub from: Option<Instant>,
    /// Not from then on, where the list says.
    pub until: Option<Instant>,
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
}

/// The terms of credentials.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What each is made of.
    pub form: Form,
    /// Not before.
    pub from: Instant,
    /// Not from then on; none if it does not expire.
    pub until: Option<Instant>,
    /// Whether the daemon mails them to those who have an address.
    pub mailed: bool,
    /// What links begin with.
    pub public_url: &'a str,
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
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Those who got a credential.
    pub issued: Vec<Issued>,
    /// How many were known already and got none.
    pub known: usize,
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
    terms: Terms<'_>,
) -> Result<Batch, Failure> {
    let study = &shelved.study;
    let Some(survey) = &study.survey else {
        return Err(Failure::Contradiction(format!("study {} asks nobody", study.slug)));
    };
    debug_assert!(candidates.len() <= limits::CREDENTIAL_BATCH);
    let mut ledger = Ledger::begin(shelf).await?;
    ledger.lock(shelved).await?;
    let (candidates, known) = unknown(&mut ledger, shelved.id, candidates).await?;
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
        return Ok(Batch { issued: Vec::new(), known });
    }
    let ids = participant::insert(tx, shelved.id, &new, means.now).await?;
    page.row.participants += i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let anonymous = survey.privacy == Privacy::FullyAnonymous;
    let uses = match survey.responses {
        Responses::Once => 1,
        Responses::Repeated => 0,
    };
    let mut rows = Vec::with_capacity(ids.len());
    let mut issued = Vec::with_capacity(ids.len());
    let mut letters = Vec::new();
    for ((candidate, id), number) in candidates.into_iter().zip(ids).zip(first..) {
        let made = Made::new(terms.form, means);
        let validity = Validity { from: candidate.from.unwrap_or(terms.from), until: candidate.until.or(terms.until) };
        rows.push(CredentialRow {
            id: Mark::new(means.dice),
            study_id: shelved.id,
            participant_id: (!anonymous).then_some(id),
            link_digest: made.link.as_ref().map(Secret::link_digest),
            login: made.password.as_ref().map(|(login, _)| login.text().to_string()),
            password_digest: made.password.as_ref().map(|(login, secret)| secret.password_digest(login)),
            state: State::Active,
            uses,
            validity,
            issued_at: (!anonymous).then_some(means.now),
        });
        let one = Issued {
            number: (!anonymous).then_some(number),
            link: made.link.as_ref().map(|secret| link(terms.public_url, secret)),
            login: made.password.as_ref().map(|(login, _)| login.clone()),
            password: made.password.as_ref().map(|(_, secret)| secret.grouped()),
            validity,
            mailed: terms.mailed && !candidate.address.is_empty(),
            candidate,
        };
        if one.mailed {
            letters.push(invitation(shelved, means, &one, terms)?);
        }
        issued.push(one);
    }
    // In an order of their own, so that the order of credentials tells nothing of the list's.
    rows.sort_by_key(|row| row.id);
    credential::insert(tx, &rows).await?;
    let body = json!({
        "participants": issued.len(),
        "first": first,
        "mailed": letters.len(),
        "until": terms.until.map(Instant::utc),
        "reason": act.reason,
    });
    append(tx, page, means, act.actor, "issue-credentials", &body).await?;
    compose::post(tx, Some(shelved.id), means, None, &letters).await?;
    ledger.commit().await?;
    Ok(Batch { issued, known })
}

/// The candidates whom neither reference nor, without one, address shows to be known, and how many are.
async fn unknown(
    ledger: &mut Ledger<'_>,
    study_id: i64,
    candidates: &[Candidate],
) -> Result<(Vec<Candidate>, usize), Failure> {
    let mut new = Vec::with_capacity(candidates.len());
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for candidate in candidates {
        let Candidate { reference, address, .. } = candidate;
        let known = if !reference.is_empty() {
            !seen.insert((reference, ""))
                || participant::find_by_reference(&mut ledger.tx, study_id, reference).await?.is_some()
        } else if !address.is_empty() {
            !seen.insert(("", address))
                || !participant::list_by_address(&mut ledger.tx, study_id, address).await?.is_empty()
        } else {
            false
        };
        if !known {
            new.push(candidate.clone());
        }
    }
    let known = candidates.len() - new.len();
    Ok((new, known))
}

/// The secrets of one credential.
struct Made {
    link: Option<Secret>,
    password: Option<(Login, Secret)>,
}

impl Made {
    fn new(form: Form, means: Means<'_>) -> Made {
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

fn invitation(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    issued: &Issued,
    terms: Terms<'_>,
) -> Result<compose::Outgoing, Failure> {
    let study = &shelved.study;
    let person = addressee(study, &issued.candidate);
    let language = study.language_of(&person);
    let invited = Invited {
        link: issued.link.as_deref(),
        login: issued.login.as_ref(),
        password: issued.password.as_deref(),
        sign_in: &sign_in(terms.public_url, study),
        validity: issued.validity,
    };
    let facts = Invitation::new(study, &invited, language);
    compose::compose(shelved, means, Addressing::unasked(study, &person), Facts::Invitation(facts))
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
    }
}
