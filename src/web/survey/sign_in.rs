//! The page on which a login and a password are typed, and the session's cookie.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::{PAGES, SurveyPages, Wish};
use crate::domain::credential::Secret;
use crate::domain::language::Language;
use crate::limits;
use crate::store::session;
use crate::store::study;
use crate::web::pages::accepted;
use crate::workflow::Failure;
use crate::workflow::shelf::ShelvedStudy;
use crate::workflow::sign_in::{self, Tried};

/// Name of the cookie on plain http, which only loopback and closed networks speak.
const COOKIE: &str = "hagaki";
/// Its name on https: a browser takes it from this host alone (RFC 6265bis section 4.1.3.2).
const SECURE_COOKIE: &str = "__Host-hagaki";

impl SurveyPages {
    fn secure(&self) -> bool {
        self.tools.desk.public_url.starts_with("https://")
    }

    /// The secret in the session's cookie.
    pub(super) fn cookie(&self, headers: &HeaderMap) -> Option<Secret> {
        let name = if self.secure() { SECURE_COOKIE } else { COOKIE };
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut values = pairs.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        values.find(|(own, _)| *own == name).and_then(|(_, value)| Secret::parse(value))
    }

    /// The cookie of a session; none to take it away.
    fn set_cookie(&self, secret: Option<&Secret>) -> HeaderValue {
        let (name, secure) = if self.secure() { (SECURE_COOKIE, "; Secure") } else { (COOKIE, "") };
        let (value, age) = secret.map_or(("", 0), |secret| (secret.text(), limits::SESSION_SECONDS));
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}");
        HeaderValue::from_str(&cookie).expect("a secret is plain letters")
    }

    /// The study of a slug, if it asks anybody.
    async fn survey_of(&self, slug: &str) -> Result<Option<std::sync::Arc<ShelvedStudy>>, Failure> {
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
        let study = &shelved.study;
        let path = format!("/s/{}", study.slug);
        let instrument = study.survey.as_ref().and_then(|survey| study.find_instrument(&survey.instrument));
        let languages = super::languages(study, &path, language);
        let facts = json!({
            "study": { "title": study.title.in_language(language), "tag": study.tag,
                       "test": shelved.stage == study::Stage::Development },
            "title": instrument.map_or("", |instrument| instrument.title.in_language(language)),
            "languages": languages, "several": study.languages.len() > 1, "path": path, "guard": null, "leave": null,
            "answering": false, "number": 1, "of": 1, "login": login, "problem": problem,
        });
        PAGES.respond(status, language, "sign_in", facts)
    }
}

/// To the page on which one signs in.
pub(super) fn first(slug: &str) -> Response {
    // What is not a plain name is nobody's page, and never stands in a header.
    let plain = slug.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    Redirect::to(&format!("/s/{}", if plain { slug } else { "" })).into_response()
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
        Ok(Some(shelved)) => {
            let language = language(&shelved, wish.lang.as_deref(), &headers);
            pages.sign_in_page(StatusCode::OK, &shelved, language, "", None)
        }
        Ok(None) => pages.stranger(&headers),
        Err(failure) => pages.unavailable(&failure, &headers),
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
    let shelved = match pages.survey_of(&slug).await {
        Ok(Some(shelved)) => shelved,
        Ok(None) => return pages.stranger(&headers),
        Err(failure) => return pages.unavailable(&failure, &headers),
    };
    let language = language(&shelved, typed.lang.as_deref(), &headers);
    let means = pages.tools.means();
    let origin = origin(peer, &headers);
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
    let posted = fields.iter().find(|(name, _)| name == "_guard").map_or("", |(_, value)| value.as_str());
    if !bool::from(secret.guard().as_bytes().ct_eq(posted.as_bytes())) {
        return pages.bare(StatusCode::FORBIDDEN, "elsewhere", &headers);
    }
    match session::end(pages.tools.shelf.store(), &secret.session_digest()).await {
        Ok(()) => ([(header::SET_COOKIE, pages.set_cookie(None))], first(&slug)).into_response(),
        Err(error) => pages.unavailable(&error.into(), &headers),
    }
}

fn language(shelved: &ShelvedStudy, chosen: Option<&str>, headers: &HeaderMap) -> Language {
    let offered = &shelved.study.languages;
    let chosen = chosen.and_then(Language::find).filter(|language| offered.contains(language));
    chosen.or_else(|| accepted(headers, offered)).or(offered.first().copied()).unwrap_or(Language::En)
}

/// Where a try comes from: the last hop that a proxy on this machine names, since only its word can be believed; else the peer.
fn origin(peer: SocketAddr, headers: &HeaderMap) -> String {
    let named = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let last = named.and_then(|list| list.rsplit(',').next()).map(str::trim);
    match last.and_then(|last| last.parse::<std::net::IpAddr>().ok()) {
        Some(address) if peer.ip().is_loopback() => address.to_string(),
        _ => peer.ip().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_on_this_machine_is_believed() {
        let headers = |list: &'static str| {
            HeaderMap::from_iter([(header::HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(list))])
        };
        let near = SocketAddr::from(([127, 0, 0, 1], 1));
        let far = SocketAddr::from(([203, 0, 113, 9], 1));
        assert_eq!(origin(near, &headers("198.51.100.7, 192.0.2.1")), "192.0.2.1");
        assert_eq!(origin(near, &headers("nonsense")), "127.0.0.1");
        assert_eq!(origin(far, &headers("192.0.2.1")), "203.0.113.9");
        assert_eq!(origin(near, &HeaderMap::new()), "127.0.0.1");
    }
}
