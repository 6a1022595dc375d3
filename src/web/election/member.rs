//! Voting with an account: who is signed in by an address that one voter of the roll has comes to the ballots of that voter.
//!
//! The roll holds addresses sealed, and no account is made from it, so that the database tells of nobody whether they may vote: who has an
//! account already is found by a code of their address under a key outside the database.

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};

use super::voter::Voter;
use super::{ElectionPages, PAGES, Wish, about, booth, head, language, put};
use crate::domain::language::Language;
use crate::store::credential::{self, State as Credential};
use crate::store::{study, voter};
use crate::web::caller::Cookie;
use crate::web::failed::Failed;
use crate::web::pages::speaking;
use crate::web::questionnaire::posted::Posted;
use crate::workflow::Failure;
use crate::workflow::accounts::{self, Goal};
use crate::workflow::election::public;
use crate::workflow::shelf::ShelvedStudy;

/// Who comes to vote with an account.
enum Coming {
    /// A voter.
    In(Box<Voter>),
    /// Nobody is signed in.
    SignedOut(std::sync::Arc<ShelvedStudy>),
    /// Whoever is signed in has no ballot to come to; the key of the words that say why.
    Without(std::sync::Arc<ShelvedStudy>, &'static str),
    /// There is no such election, or nobody may see it yet.
    Nothing,
}

pub(super) async fn open(
    State(pages): State<ElectionPages>,
    Path(slug): Path<String>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    match pages.come(&slug, &headers).await {
        Ok(Coming::In(voter)) => pages.shown(&voter, &wish, &headers),
        Ok(Coming::SignedOut(shelved)) => {
            let language = language(&shelved.study, None, wish.lang.as_deref(), &headers);
            Redirect::to(&sign_in(&shelved, language)).into_response()
        }
        Ok(Coming::Without(shelved, why)) => {
            without(&shelved, why, language(&shelved.study, None, wish.lang.as_deref(), &headers))
        }
        Ok(Coming::Nothing) => pages.stranger(&headers),
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

pub(super) async fn send(
    State(pages): State<ElectionPages>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let posted = match booth::read(request).await {
        Ok(posted) => posted,
        Err(status) => return pages.unread(status, &headers),
    };
    let headers = speaking(&headers, posted.language());
    match pages.come(&slug, &headers).await {
        Ok(Coming::In(voter)) => pages.sent(&voter, &posted, &headers).await,
        Ok(Coming::SignedOut(shelved)) => {
            let language = language(&shelved.study, None, posted.language(), &headers);
            signed_out(&shelved, &posted, language)
        }
        Ok(Coming::Without(shelved, why)) => {
            without(&shelved, why, language(&shelved.study, None, posted.language(), &headers))
        }
        Ok(Coming::Nothing) => pages.stranger(&headers),
        Err(failure) => pages.given_back(&Failed::from(failure), &format!("/e/{slug}/vote"), &posted, &headers),
    }
}

impl ElectionPages {
    async fn come(&self, slug: &str, headers: &HeaderMap) -> Result<Coming, Failure> {
        let Some((shelved, _)) = self.election_of(slug).await? else { return Ok(Coming::Nothing) };
        let (store, now) = (self.tools.shelf.store(), self.tools.clock.now());
        if !public::is_seen(store, &shelved, now).await? {
            return Ok(Coming::Nothing);
        }
        let Some(secret) = Cookie::Account.read(headers, &self.tools.desk.public_url) else {
            return Ok(Coming::SignedOut(shelved));
        };
        let Some(visitor) = accounts::resume(store, &secret, now).await? else { return Ok(Coming::SignedOut(shelved)) };
        let Some(own) = voter::find_by_address(store, shelved.id, &visitor.account.address).await? else {
            return Ok(Coming::Without(shelved, "not_on_roll"));
        };
        let mut credentials = Vec::new();
        for id in voter::credentials(store, &own.id).await? {
            credentials.extend(credential::find(store, &id).await?);
        }
        credentials.sort_by_key(|one| one.state != Credential::Active);
        let Some(credential) = credentials.into_iter().next() else {
            return Ok(Coming::Without(shelved, if own.entry.postal { "postal" } else { "no_way_yet" }));
        };
        let row = study::load(store, shelved.id).await?;
        let voter = self.voter((row, credential, own), format!("/e/{slug}/vote"), Some(secret.guard())).await?;
        Ok(voter.map_or(Coming::Nothing, |voter| Coming::In(Box::new(voter))))
    }
}

/// Where somebody signs in, to come back.
fn sign_in(shelved: &ShelvedStudy, language: Language) -> String {
    format!("/sign-in?to={}&lang={}", Goal::Election(shelved.study.slug.clone()).text(), language.code())
}

/// What a page states that holds something back, and knows no voter.
fn page(shelved: &ShelvedStudy, why: &str, language: Language) -> Value {
    let study = &shelved.study;
    let path = format!("{}/vote", about(study));
    let mut facts = head(study, shelved.stage, &PAGES.word(language, "held", &[]), &path, language);
    for (key, value) in [
        ("why", json!(PAGES.word(language, why, &[]))),
        ("others", json!(false)),
        ("signs_in", Value::Null),
        ("contests", json!([])),
        ("retry", json!(false)),
        ("unsure", json!(false)),
        ("fields", json!([])),
    ] {
        put(&mut facts, key, value);
    }
    facts
}

/// Somebody is signed in who has no ballot.
fn without(shelved: &ShelvedStudy, why: &str, language: Language) -> Response {
    let mut facts = page(shelved, why, language);
    put(&mut facts, "title", json!(PAGES.word(language, "not_here", &[])));
    PAGES.respond(StatusCode::FORBIDDEN, language, "held", facts)
}

/// The session was over when a ballot was sent: it is carried along unseen, for whoever made it to go on.
fn signed_out(shelved: &ShelvedStudy, posted: &Posted, language: Language) -> Response {
    let mut facts = page(shelved, "signed_out", language);
    put(&mut facts, "signs_in", json!(sign_in(shelved, language)));
    put(&mut facts, "retry", json!(true));
    put(&mut facts, "fields", booth::kept(posted));
    put(&mut facts, "several", json!(false));
    PAGES.respond(StatusCode::FORBIDDEN, language, "held", facts)
}
