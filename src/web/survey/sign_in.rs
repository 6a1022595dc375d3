//! The page on which a login and a password are typed, and the session's cookie.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Form, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::visit::head;
use super::{PAGES, SurveyPages, Wish};
use crate::domain::credential::{Secret, parse_receipt};
use crate::domain::language::Language;
use crate::domain::survey::Access;
use crate::domain::token;
use crate::store::arrival;
use crate::store::credential;
use crate::store::participant;
use crate::store::session;
use crate::store::study;
use crate::web::caller::{Cookie, origin};
use crate::web::failed::Failed;
use crate::web::pages::{FORGET_PAGES, accepted, speaking};
use crate::web::questionnaire::body::{self, Unread};
use crate::web::questionnaire::filled::put;
use crate::web::questionnaire::posted::Posted;
use crate::workflow::Failure;
use crate::workflow::accounts;
use crate::workflow::shelf::ShelvedStudy;
use crate::workflow::sign_in::{self, Tried};

impl SurveyPages {
    /// The secret in the session's cookie.
    pub(super) fn cookie(&self, headers: &HeaderMap) -> Option<Secret> {
        Cookie::Credential.read(headers, &self.tools.desk.public_url)
    }

    /// The cookie of a session; none to take it away.
    fn set_cookie(&self, secret: Option<&Secret>) -> HeaderValue {
        Cookie::Credential.write(secret, &self.tools.desk.public_url)
    }

    /// Who is signed in with an account.
    pub(super) async fn visitor(&self, headers: &HeaderMap) -> Result<Option<(accounts::Visitor, Secret)>, Failure> {
        let Some(secret) = Cookie::Account.read(headers, &self.tools.desk.public_url) else { return Ok(None) };
        let found = accounts::resume(self.tools.shelf.store(), &secret, self.tools.clock.now()).await?;
        Ok(found.map(|visitor| (visitor, secret)))
    }

    /// The member of a study who is signed in: their one place on its roll, and the credential that stands there.
    pub(super) async fn resume_member(
        &self,
        shelved: &ShelvedStudy,
        headers: &HeaderMap,
    ) -> Result<Option<super::Visit>, Failure> {
        let Some((visitor, secret)) = self.visitor(headers).await? else { return Ok(None) };
        let store = self.tools.shelf.store();
        let found = participant::find_by_account(store, shelved.id, &visitor.account.id).await?;
        let Some(member) = found else { return Ok(None) };
        let mut own = credential::list_of(store, member.id).await?;
        own.sort_by_key(|one| one.state != credential::State::Active);
        let Some(credential) = own.into_iter().next() else { return Ok(None) };
        let Some(arrival) = arrival::by_credential(store, &credential.id).await? else { return Ok(None) };
        // A member has no secret of their own in this study. The house's key would let it read what was not sent, so nothing is kept where
        // nobody is to know who wrote what.
        self.visit(arrival, format!("/s/{}/form", shelved.study.slug), Some(secret.guard()), None).await
    }

    /// The study of a slug, if it asks anybody.
    pub(super) async fn survey_of(&self, slug: &str) -> Result<Option<std::sync::Arc<ShelvedStudy>>, Failure> {
        let Some(row) = study::find_current(self.tools.shelf.store(), slug).await? else { return Ok(None) };
        let shelved = self.tools.shelf.current(row.id, row.bundle_version).await?;
        Ok(Some(shelved).filter(|shelved| shelved.study.survey.is_some()))
    }

    fn sign_in_page(
        &self,
        status: StatusCode,
        shelved: &ShelvedStudy,
        language: Language,
        login: &str,
        problem: Option<String>,
    ) -> Response {
        let mut facts = head((&shelved.study, shelved.stage), &format!("/s/{}", shelved.study.slug), None, language);
        put(&mut facts, "login", json!(login));
        put(&mut facts, "problem", json!(problem));
        PAGES.respond(status, language, "sign_in", facts)
    }

    /// Ends the session of answers that were recorded, just now or before (`again`), and shows their receipt on a page that needs none.
    pub(super) async fn answered_and_left(
        &self,
        visit: &super::Visit,
        (receipt, again): (&str, bool),
        language: Language,
        headers: &HeaderMap,
    ) -> Response {
        if let Some(secret) = self.cookie(headers)
            && let Err(error) = session::end(self.tools.shelf.store(), &secret.session_digest()).await
        {
            // The answers are recorded, and it ends by itself.
            tracing::warn!(%error, "a session could not be ended with its answers");
        }
        let to = self.receipt_page(&visit.row.slug, receipt, again, language);
        ([(header::SET_COOKIE, self.set_cookie(None))], [FORGET_PAGES], Redirect::to(&to)).into_response()
    }

    /// The receipt of a page whose answers were recorded, and ended their session, before it came once more: a second tap, or a browser
    /// that tries again. Its mark is random, and known to nobody else.
    async fn sent_already(&self, shelved: &ShelvedStudy, posted: &Posted) -> Result<Option<String>, Failure> {
        let nameless = shelved.study.survey.as_ref().is_some_and(|survey| !survey.privacy.names());
        let Some(mark) = posted.mark().filter(|_| nameless) else { return Ok(None) };
        Ok(credential::receipt_of(self.tools.shelf.store(), shelved.id, &mark).await?)
    }

    /// The page of a receipt that needs no session; a seal shows that we made it.
    fn receipt_page(&self, slug: &str, receipt: &str, again: bool, language: Language) -> String {
        let again = if again { "&again=1" } else { "" };
        let seal = token::receipt_seal(&self.tools.means().keys.address, slug, receipt);
        format!("/s/{slug}?receipt={receipt}&seal={seal}{again}&lang={}", language.code())
    }

    /// The receipt of answers whose session ended with them. It says nothing but what its address says, so that nothing is looked up.
    fn thanks_for(&self, shelved: &ShelvedStudy, receipt: &str, language: Language, again: bool) -> Response {
        let mut facts = head((&shelved.study, shelved.stage), &format!("/s/{}", shelved.study.slug), None, language);
        for (key, value) in [("receipt", json!(receipt)), ("day", json!("")), ("next", json!(""))] {
            put(&mut facts, key, value);
        }
        let word = if again { "recorded_again" } else { "recorded" };
        put(&mut facts, "told", json!(PAGES.word(language, word, &[])));
        for key in ["may_mend", "repeated", "several"] {
            put(&mut facts, key, json!(false));
        }
        PAGES.respond(StatusCode::OK, language, "thanks", facts)
    }

    /// A page that somebody else typed on than who is signed in: neither their words nor their form.
    pub(super) fn others(&self, shelved: &ShelvedStudy, posted: &Posted, headers: &HeaderMap) -> Response {
        let study = &shelved.study;
        let language = language(shelved, posted.language(), headers);
        let mut facts = head((study, shelved.stage), &format!("/s/{}/form", study.slug), None, language);
        put(&mut facts, "why", json!(PAGES.word(language, "others", &[])));
        put(&mut facts, "others", json!(true));
        PAGES.respond(StatusCode::FORBIDDEN, language, "over", facts)
    }

    /// What was typed on a page that is not taken as it came, to be looked at again from a page of this session. `why` is the key of a
    /// sentence; `signs_in` says that somebody has to sign in before.
    pub(super) fn once_more(
        &self,
        shelved: &ShelvedStudy,
        posted: &Posted,
        why: &str,
        signs_in: bool,
        headers: &HeaderMap,
    ) -> Response {
        let study = &shelved.study;
        let language = language(shelved, posted.language(), headers);
        let mut facts = head((study, shelved.stage), &format!("/s/{}/form", study.slug), None, language);
        let kept: Vec<Value> =
            posted.without_session().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        put(&mut facts, "several", json!(false));
        put(&mut facts, "why", json!(PAGES.word(language, why, &[])));
        put(&mut facts, "others", json!(false));
        put(&mut facts, "unsure", json!(false));
        put(&mut facts, "kept", json!(kept));
        put(&mut facts, "signs_in", json!(signs_in.then(|| format!("/s/{}?lang={}", study.slug, language.code()))));
        PAGES.respond(StatusCode::FORBIDDEN, language, "over", facts)
    }
}

/// To the page on which one signs in.
pub(super) fn first(slug: &str) -> Response {
    // What is not a plain name is nobody's page, and never stands in a header.
    let plain = slug.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    Redirect::to(&format!("/s/{}", if plain { slug } else { "" })).into_response()
}

/// Whether its members sign in with their accounts.
pub(super) fn is_of_members(shelved: &ShelvedStudy) -> bool {
    shelved.study.survey.as_ref().is_some_and(|survey| survey.access == Access::Members)
}

/// To the page on which members sign in.
fn to_account(shelved: &ShelvedStudy) -> Response {
    Redirect::to(&format!("/sign-in?to={}", shelved.study.slug)).into_response()
}

pub(super) async fn show(
    State(pages): State<SurveyPages>,
    Path(slug): Path<String>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    match pages.resume(&slug, &headers).await {
        Ok(Some(visit)) => return Redirect::to(&visit.path).into_response(),
        Ok(None) => {}
        Err(failure) => return pages.unavailable(&failure, &headers),
    }
    match pages.survey_of(&slug).await {
        Ok(Some(shelved)) if is_of_members(&shelved) => match pages.visitor(&headers).await {
            Ok(Some(_)) => pages.bare(StatusCode::FORBIDDEN, "not_on_roll", &headers),
            Ok(None) => to_account(&shelved),
            Err(failure) => pages.unavailable(&failure, &headers),
        },
        Ok(Some(shelved)) => {
            let language = language(&shelved, wish.lang.as_deref(), &headers);
            let nameless = shelved.study.survey.as_ref().is_some_and(|survey| !survey.privacy.names());
            let sealed = |receipt: &String| {
                let seal = wish.seal.as_deref().unwrap_or_default();
                token::check_receipt_seal(&pages.tools.means().keys.address, (&slug, receipt), seal)
            };
            if let Some(receipt) = wish.receipt.as_deref().and_then(parse_receipt).filter(|_| nameless).filter(sealed) {
                return pages.thanks_for(&shelved, &receipt, language, wish.again.is_some());
            }
            pages.sign_in_page(StatusCode::OK, &shelved, language, "", None)
        }
        Ok(None) => pages.stranger(&headers),
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

/// What was sent after the session had ended.
pub(super) async fn over(pages: &SurveyPages, slug: &str, request: Request, headers: &HeaderMap) -> Response {
    let shelved = match pages.survey_of(slug).await {
        Ok(Some(shelved)) => shelved,
        Ok(None) => return pages.stranger(headers),
        Err(failure) => return pages.give_back(failure, &format!("/s/{slug}/form"), request, headers).await,
    };
    let back = |failure: Failure, posted: &Posted| {
        pages.given_back(&Failed::from(failure), &format!("/s/{slug}/form"), posted, headers)
    };
    // Nobody is known any more who sent it, but which forms they may have had: what was typed on one comes back whole.
    let texts = shelved.study.instruments.iter().map(body::texts).max().unwrap_or_default();
    match body::read(request, texts, None).await {
        Ok(posted) => match pages.sent_already(&shelved, &posted).await {
            Ok(Some(receipt)) => {
                let language = language(&shelved, posted.language(), headers);
                Redirect::to(&pages.receipt_page(&shelved.study.slug, &receipt, true, language)).into_response()
            }
            // Whoever is signed in with an account and still not let in is none of the members, so that none of it is theirs.
            Ok(None) if is_of_members(&shelved) => match pages.visitor(headers).await {
                Ok(Some(_)) => pages.others(&shelved, &posted, headers),
                Ok(None) => pages.once_more(&shelved, &posted, "session_over", true, headers),
                Err(failure) => back(failure, &posted),
            },
            Ok(None) => pages.once_more(&shelved, &posted, "session_over", true, headers),
            Err(failure) => back(failure, &posted),
        },
        Err(Unread::Refused(status)) => pages.bare(status, Unread::word(status), headers),
        Err(Unread::Failed(failure)) => pages.unread(&failure, headers),
    }
}

/// What is typed.
#[derive(Deserialize)]
pub(super) struct Typed {
    login: String,
    password: String,
    lang: Option<String>,
}

pub(super) async fn try_in(
    State(pages): State<SurveyPages>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    let headers = speaking(&headers, typed.lang.as_deref());
    let shelved = match pages.survey_of(&slug).await {
        Ok(Some(shelved)) => shelved,
        Ok(None) => return pages.stranger(&headers),
        Err(failure) => return pages.unavailable(&failure, &headers),
    };
    if is_of_members(&shelved) {
        return to_account(&shelved);
    }
    let language = language(&shelved, typed.lang.as_deref(), &headers);
    let means = pages.tools.means();
    let origin = origin(peer, &headers, &pages.tools.proxies);
    let store = pages.tools.shelf.store();
    let tried = sign_in::sign_in(store, &shelved, means, &origin, &typed.login, &typed.password).await;
    // What was typed for an ID is shown again; it is no secret, and bounded by its field.
    let login: String = typed.login.chars().take(40).collect();
    match tried {
        Ok(Tried::In(secret)) => {
            let to = format!("/s/{}/form?lang={}", shelved.study.slug, language.code());
            ([(header::SET_COOKIE, pages.set_cookie(Some(&secret)))], Redirect::to(&to)).into_response()
        }
        Ok(Tried::Wrong) => {
            let problem = PAGES.word(language, "wrong", &[]);
            pages.sign_in_page(StatusCode::FORBIDDEN, &shelved, language, &login, Some(problem))
        }
        Ok(Tried::Wait(until)) => {
            let at = until.local(shelved.study.zone);
            let problem = PAGES.word(language, "wait", &[("at", &at)]);
            pages.sign_in_page(StatusCode::TOO_MANY_REQUESTS, &shelved, language, &login, Some(problem))
        }
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

pub(super) async fn leave(
    State(pages): State<SurveyPages>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let Some(secret) = pages.cookie(&headers) else { return first(&slug) };
    let field = |own: &str| fields.iter().find(|(name, _)| name == own).map(|(_, value)| value.as_str());
    let headers = speaking(&headers, field("_lang"));
    let posted = field("_guard").unwrap_or_default();
    if !bool::from(secret.guard().as_bytes().ct_eq(posted.as_bytes())) {
        return pages.bare(StatusCode::FORBIDDEN, "elsewhere", &headers);
    }
    match session::end(pages.tools.shelf.store(), &secret.session_digest()).await {
        Ok(()) => ([(header::SET_COOKIE, pages.set_cookie(None))], [FORGET_PAGES], first(&slug)).into_response(),
        Err(error) => pages.unavailable(&error.into(), &headers),
    }
}

fn language(shelved: &ShelvedStudy, chosen: Option<&str>, headers: &HeaderMap) -> Language {
    let offered = &shelved.study.languages;
    let chosen = chosen.and_then(Language::find).filter(|language| offered.contains(language));
    chosen.or_else(|| accepted(headers, offered)).or(offered.first().copied()).unwrap_or(Language::En)
}
