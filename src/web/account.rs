//! Signing in with an account, and choosing its password.
//!
//! Every form carries a guard that is made from a cookie, before somebody is signed in as after: no other site can send one. The
//! link of a letter is itself the capability, as those of surveys are. What an address or a password is wrong about is not told.

mod browser;
mod second;
mod vouched;

pub use vouched::{PROXY_SECRET, ProxyTerms, Ways};

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{ConnectInfo, Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use browser::Browser;

use super::caller::{Cookie, minutes_until, origin};
use super::pages::{FORGET_PAGES, Pages, accepted};
use super::survey::Tools;
use crate::domain::credential::Secret;
use crate::domain::door::Door;
use crate::domain::election::phase::Phase;
use crate::domain::language::Language;
use crate::domain::password::Weak;
use crate::domain::survey::Responses;
use crate::domain::time::Zone;
use crate::letters::words;
use crate::limits;
use crate::store::account_act::{self, ActRow};
use crate::store::{account, credential, identity, participant, study, voter};
use crate::workflow::Failure;
use crate::workflow::accounts::{self, Asked, Chosen, Entered, Goal, Visitor};
use crate::workflow::election::public;
use crate::workflow::second_factor;

static PAGES: LazyLock<Pages> = LazyLock::new(|| {
    let templates = [
        ("top", include_str!("../../templates/pages/survey/top.hbs")),
        ("bottom", include_str!("../../templates/pages/survey/bottom.hbs")),
        ("sign_in", include_str!("../../templates/pages/account/sign_in.hbs")),
        ("ask", include_str!("../../templates/pages/account/ask.hbs")),
        ("choose", include_str!("../../templates/pages/account/choose.hbs")),
        ("home", include_str!("../../templates/pages/account/home.hbs")),
        ("code_field", include_str!("../../templates/pages/account/code_field.hbs")),
        ("code", include_str!("../../templates/pages/account/code.hbs")),
        ("second", include_str!("../../templates/pages/account/second.hbs")),
        ("set_up", include_str!("../../templates/pages/account/set_up.hbs")),
        ("codes", include_str!("../../templates/pages/account/codes.hbs")),
        ("confirm", include_str!("../../templates/pages/account/confirm.hbs")),
        ("told", include_str!("../../templates/pages/account/told.hbs")),
    ];
    let words = [
        (Language::En, include_str!("../../templates/pages/en/account.toml")),
        (Language::Ja, include_str!("../../templates/pages/ja/account.toml")),
    ];
    Pages::load(&templates, &words).expect("a test renders every page")
});

/// The pages of accounts.
#[derive(Clone)]
pub struct AccountPages {
    tools: Tools,
    ways: Arc<Ways>,
}

/// What a link may carry.
#[derive(Debug, Default, Deserialize)]
struct Wish {
    lang: Option<String>,
    /// Survey that is wanted.
    to: Option<String>,
    /// Something that was done.
    done: Option<String>,
}

/// What is typed to sign in.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "_guard", default)]
    guard: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
    lang: Option<String>,
    to: Option<String>,
}

/// A page that is about to be shown.
struct Sheet<'a> {
    language: Language,
    path: &'a str,
    to: Option<&'a str>,
    guard: Option<&'a str>,
    signed_in: bool,
}

impl AccountPages {
    /// The pages, which work with what those of surveys do.
    pub fn new(tools: Tools) -> AccountPages {
        AccountPages { tools, ways: Arc::default() }
    }

    /// With other ways to sign in beside a password of ours.
    pub fn with_ways(self, ways: Ways) -> AccountPages {
        AccountPages { ways: Arc::new(ways), ..self }
    }

    /// Their routes; the style is that of the surveys' pages.
    pub fn router(self) -> Router {
        let (own, url) = (self.clone(), self.tools.desk.public_url.clone());
        let pages = Router::new()
            .route("/sign-in", get(show_sign_in).post(try_in))
            .route("/sign-in/code", get(second::show_code).post(second::take_code))
            .route("/sign-in/provider", get(vouched::leave_for_provider))
            .route(super::provider::RETURN_PATH, get(vouched::come_back))
            .route("/sign-in/proxy", get(vouched::pass_proxy))
            .route("/confirm", get(second::show_confirm).post(second::confirm))
            .route("/account/second", get(second::show).post(second::change))
            .route("/sign-out", post(leave))
            .route("/account/others", post(leave_others))
            .route("/account", get(show_account).post(ask))
            .route("/account/{secret}", get(show_choice).post(choose))
            .with_state(self);
        super::same_site::own_pages_only(pages, url, move |status, headers| {
            own.told(status, language(None, headers), "elsewhere")
        })
    }

    fn cookie(&self, headers: &HeaderMap) -> Option<Secret> {
        Cookie::Account.read(headers, &self.tools.desk.public_url)
    }

    async fn visitor(&self, headers: &HeaderMap) -> Result<Option<(Visitor, Secret)>, Failure> {
        let Some(secret) = self.cookie(headers) else { return Ok(None) };
        let found = accounts::resume(self.tools.shelf.store(), &secret, self.tools.clock.now()).await?;
        Ok(found.map(|visitor| (visitor, secret)))
    }

    /// A page with what all of them state.
    fn respond(&self, status: StatusCode, sheet: &Sheet<'_>, page: &str, more: Value) -> Response {
        let Sheet { language, path, to, guard, signed_in } = sheet;
        let title = match page {
            "told" => "account",
            page => page,
        };
        let link = |other: Language| {
            let to = to.map(|to| format!("to={to}&")).unwrap_or_default();
            json!({ "code": other.code(), "link": format!("{path}?{to}lang={}", other.code()), "chosen": other == *language,
                    "name": match other { Language::En => "English", Language::Ja => "日本語" } })
        };
        let mut facts = json!({
            "study": { "title": self.tools.desk.display, "tag": "", "test": false },
            "title": PAGES.word(*language, title, &[]), "languages": Language::ALL.map(link), "several": true, "path": path,
            "to": to, "guard": guard, "leave": signed_in.then_some("/sign-out"), "answering": false, "number": 1, "of": 1,
            "least": limits::PASSWORD_CHARS_LEAST, "problem": null, "news": null, "first": false, "there": null,
        });
        if let (Some(facts), Some(more)) = (facts.as_object_mut(), more.as_object()) {
            facts.extend(more.clone());
        }
        PAGES.respond(status, *language, page, facts)
    }

    /// A page that says one thing.
    fn told(&self, status: StatusCode, language: Language, key: &str) -> Response {
        let sheet = Sheet { language, path: "/account", to: None, guard: None, signed_in: false };
        self.respond(status, &sheet, "told", json!({ "told": PAGES.word(language, key, &[]) }))
    }

    /// That somebody is signed out here, and not at their provider.
    fn left(&self, language: Language, (name, link): &(String, String)) -> Response {
        let sheet = Sheet { language, path: "/account", to: None, guard: None, signed_in: false };
        let told = PAGES.word(language, "left_here", &[("name", name)]);
        let there = json!({ "link": link, "text": PAGES.word(language, "left_there", &[("name", name)]) });
        self.respond(StatusCode::OK, &sheet, "told", json!({ "told": told, "there": there }))
    }

    /// Name of the provider by which somebody who is signed in may have come, and where they sign out there.
    async fn provider_of(&self, headers: &HeaderMap) -> Result<Option<(String, String)>, Failure> {
        let Some(provider) = &self.ways.provider else { return Ok(None) };
        let Some((visitor, _)) = self.visitor(headers).await? else { return Ok(None) };
        if identity::count(self.tools.shelf.store(), &visitor.account.id).await? == 0 {
            return Ok(None);
        }
        Ok(provider.leaving().await.map(|link| (provider.name().to_string(), link)))
    }

    fn unavailable(&self, failure: &Failure, headers: &HeaderMap) -> Response {
        tracing::error!(%failure, "a page of an account failed");
        self.told(StatusCode::SERVICE_UNAVAILABLE, language(None, headers), "unavailable")
    }

    /// A form that only this browser can send: the guard in it is made from a cookie, which is set if there is none.
    fn guarded(
        &self,
        headers: &HeaderMap,
        status: StatusCode,
        page: &str,
        (language, path, to): (Language, &str, Option<&str>),
        more: Value,
    ) -> Response {
        let old = self.cookie(headers);
        let secret = old.clone().unwrap_or_else(|| Secret::new(&*self.tools.dice));
        let guard = secret.guard();
        let sheet = Sheet { language, path, to, guard: Some(&guard), signed_in: false };
        let response = self.respond(status, &sheet, page, more);
        match old {
            Some(_) => response,
            None => {
                let cookie = Cookie::Account.write(Some(&secret), &self.tools.desk.public_url);
                ([(header::SET_COOKIE, cookie)], response).into_response()
            }
        }
    }

    /// Whether a form came from our own page in this browser.
    fn is_ours(&self, headers: &HeaderMap, guard: &str) -> bool {
        self.cookie(headers).is_some_and(|secret| secret.guard().as_bytes().ct_eq(guard.as_bytes()).into())
    }

    /// What was done about how an account signs in, the last first, and in how many other browsers it is in.
    async fn account_of(
        &self,
        language: Language,
        visitor: &Visitor,
        zone: Zone,
    ) -> Result<(Vec<Value>, i64), Failure> {
        let (store, id) = (self.tools.shelf.store(), &visitor.account.id);
        let acts = account_act::list(store, id, limits::ACCOUNT_ACTS_ON_PAGE).await?;
        let told = |act: ActRow| {
            let own = act.actor == account_act::OWNER;
            json!({ "at": act.at.local(zone), "what": words::act(language, act.act.key()), "own": own })
        };
        let sessions = account::count_sessions(store, id, self.tools.clock.now()).await?;
        Ok((acts.into_iter().map(told).collect(), sessions - 1))
    }

    /// Elections in which the voter of that address can vote now or later, or has voted.
    async fn elections_of(&self, language: Language, address: &str) -> Result<Vec<Value>, Failure> {
        let (store, now) = (self.tools.shelf.store(), self.tools.clock.now());
        let mut elections = Vec::new();
        for own in voter::list_everywhere(store, address, limits::ELECTIONS_OF_AN_ACCOUNT).await? {
            let shelved = self.tools.shelf.find_by_id(own.study_id).await?;
            let current = study::find_current(store, &shelved.study.slug).await?;
            let seen = public::look(store, &shelved, now).await?;
            let votes = seen.is_some_and(|seen| matches!(seen.phase, Phase::Frozen | Phase::Open));
            if votes && current.is_some_and(|row| row.id == shelved.id) {
                let voted = voter::find_vote(store, &own.id).await?.is_some();
                elections.push(json!({ "title": shelved.study.title.in_language(language), "voted": voted,
                                       "link": Goal::Election(shelved.study.slug.clone()).path() }));
            }
        }
        Ok(elections)
    }

    async fn home(&self, language: Language, (visitor, secret): (Visitor, Secret)) -> Result<Response, Failure> {
        let store = self.tools.shelf.store();
        let (mut studies, mut zone) = (Vec::new(), None);
        let most = i64::try_from(limits::STUDIES_OF_AN_ACCOUNT).unwrap_or(i64::MAX);
        for member in participant::list_of_account(store, &visitor.account.id, most).await? {
            let shelved = self.tools.shelf.find_by_id(member.study_id).await?;
            // Of a rehearsal that the real study has taken the place of, nothing is asked any more.
            let current = study::find_current(store, &shelved.study.slug).await?;
            zone.get_or_insert(shelved.study.zone);
            if member.state == participant::State::Active && current.is_some_and(|row| row.id == shelved.id) {
                let once = shelved.study.survey.as_ref().is_some_and(|survey| survey.responses == Responses::Once);
                let answered = once && !credential::uses_of_participant(store, member.id).await?.is_empty();
                studies.push(json!({ "title": shelved.study.title.in_language(language), "answered": answered,
                                     "link": format!("/s/{}/form", shelved.study.slug) }));
            }
        }
        let (mut cases, mut managed) = (Vec::new(), Vec::new());
        let address = &visitor.account.address;
        for shelved in accounts::staff_of(&self.tools.shelf, address).await? {
            let study = &shelved.study;
            let person = study.find_person_by_address(address);
            let leads_to = |door: Door| person.is_some_and(|person| door.opens(study, person));
            let to = |goal: Goal| json!({ "title": study.title.in_language(language), "link": goal.path() });
            zone.get_or_insert(study.zone);
            if leads_to(Door::Cases) {
                cases.push(to(Goal::cases(&study.slug)));
            }
            if leads_to(Door::Participants) {
                managed.push(to(Goal::participants(&study.slug)));
            }
        }
        let elections = self.elections_of(language, address).await?;
        let guard = secret.guard();
        let sheet = Sheet { language, path: "/account", to: None, guard: Some(&guard), signed_in: true };
        let second = second_factor::standing(store, &visitor.account.id).await?;
        let (acts, others) = self.account_of(language, &visitor, zone.unwrap_or(Zone::UTC)).await?;
        let others = (others > 0).then(|| PAGES.word(language, "others", &[("count", &others.to_string())]));
        let facts = json!({
            "acts": acts, "others": others,
            "address": visitor.account.address, "studies": studies, "cases": cases, "managed": managed, "elections": elections,
            "second": second.active,
            "offered": second.active || second_factor::is_offered(store),
        });
        Ok(self.respond(StatusCode::OK, &sheet, "home", facts))
    }
}

/// Chosen by link, else the browser's.
fn language(chosen: Option<&str>, headers: &HeaderMap) -> Language {
    let chosen = chosen.and_then(Language::find);
    chosen.or_else(|| accepted(headers, &Language::ALL)).unwrap_or(Language::En)
}

/// Where somebody wants to go, if that can be a page of ours.
fn goal(to: Option<&str>) -> Option<Goal> {
    to.and_then(Goal::parse)
}

async fn show_sign_in(State(pages): State<AccountPages>, Query(wish): Query<Wish>, headers: HeaderMap) -> Response {
    let goal = goal(wish.to.as_deref());
    let to = goal.as_ref().map(Goal::text);
    let to = to.as_deref();
    match pages.visitor(&headers).await {
        Ok(Some(_)) => return Redirect::to(&place(goal.as_ref())).into_response(),
        Ok(None) => {}
        Err(failure) => return pages.unavailable(&failure, &headers),
    }
    let language = language(wish.lang.as_deref(), &headers);
    let news = match wish.done.as_deref() {
        Some("chosen") => Some(PAGES.word(language, "chosen", &[])),
        _ => None,
    };
    let more = json!({ "address": "", "news": news, "ways": pages.buttons(language, to) });
    pages.guarded(&headers, StatusCode::OK, "sign_in", (language, "/sign-in", to), more)
}

/// Where somebody who signed in goes.
fn place(goal: Option<&Goal>) -> String {
    goal.map_or_else(|| "/account".to_string(), Goal::path)
}

async fn try_in(
    State(pages): State<AccountPages>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    let language = language(typed.lang.as_deref(), &headers);
    if !pages.is_ours(&headers, &typed.guard) {
        return pages.told(StatusCode::FORBIDDEN, language, "elsewhere");
    }
    let goal = goal(typed.to.as_deref());
    let to = goal.as_ref().map(Goal::text);
    let to = to.as_deref();
    let store = pages.tools.shelf.store();
    let origin = origin(peer, &headers, &pages.tools.proxies);
    let again = |status, problem: String| {
        // What was typed for an address is shown again, as far as one can be.
        let address: String = typed.address.chars().take(limits::ADDRESS_BYTES).collect();
        let more = json!({ "address": address, "problem": problem, "ways": pages.buttons(language, to) });
        pages.guarded(&headers, status, "sign_in", (language, "/sign-in", to), more)
    };
    let address = accounts::folded(&typed.address);
    let browser = Browser::known(&headers, &pages.tools, &address);
    let from = (origin.as_str(), browser.as_deref());
    let entered = accounts::sign_in(store, pages.tools.means(), from, &address, &typed.password).await;
    let knowing = |page| Browser::knowing(page, &headers, &pages.tools, &address);
    match entered {
        Ok(Entered::In(secret)) => knowing(pages.go_on(&headers, &secret, &place(goal.as_ref()), language).await),
        Ok(Entered::Waits(secret)) => {
            let to = to.map(|to| format!("to={to}&")).unwrap_or_default();
            knowing(pages.go_on(&headers, &secret, &format!("/sign-in/code?{to}"), language).await)
        }
        Ok(Entered::Wrong) => again(StatusCode::FORBIDDEN, PAGES.word(language, "wrong", &[])),
        Ok(Entered::Wait(until)) => {
            let minutes = minutes_until(until, pages.tools.clock.now());
            again(StatusCode::TOO_MANY_REQUESTS, PAGES.word(language, "wait_or_mail", &[("minutes", &minutes)]))
        }
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

impl AccountPages {
    /// Goes on in a session that was just begun; whoever was signed in before in this browser is not any more.
    async fn go_on(&self, headers: &HeaderMap, secret: &Secret, to: &str, language: Language) -> Response {
        let store = self.tools.shelf.store();
        if let Some(old) = self.cookie(headers)
            && let Err(error) = account::end_session(store, &old.account_session_digest()).await
        {
            return self.unavailable(&error.into(), headers);
        }
        let cookie = Cookie::Account.write(Some(secret), &self.tools.desk.public_url);
        let mark = if to.contains('?') { "" } else { "?" };
        ([(header::SET_COOKIE, cookie)], Redirect::to(&format!("{to}{mark}lang={}", language.code()))).into_response()
    }
}

async fn leave(State(pages): State<AccountPages>, headers: HeaderMap, Form(typed): Form<Typed>) -> Response {
    let Some(secret) = pages.cookie(&headers) else { return Redirect::to("/sign-in").into_response() };
    if !pages.is_ours(&headers, &typed.guard) {
        return pages.told(StatusCode::FORBIDDEN, language(None, &headers), "elsewhere");
    }
    let left = async {
        let language = language(typed.lang.as_deref(), &headers);
        let there = pages.provider_of(&headers).await?;
        account::end_session(pages.tools.shelf.store(), &secret.account_session_digest()).await?;
        let cookie = Cookie::Account.write(None, &pages.tools.desk.public_url);
        let next = match there {
            Some(there) => pages.left(language, &there),
            None => Redirect::to("/sign-in").into_response(),
        };
        Ok(([(header::SET_COOKIE, cookie)], [FORGET_PAGES], next).into_response())
    };
    let left: Result<Response, Failure> = left.await;
    left.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}

/// Signs out everywhere but in this browser.
async fn leave_others(State(pages): State<AccountPages>, headers: HeaderMap, Form(typed): Form<Typed>) -> Response {
    let language = language(typed.lang.as_deref(), &headers);
    if !pages.is_ours(&headers, &typed.guard) {
        return pages.told(StatusCode::FORBIDDEN, language, "elsewhere");
    }
    let left = async {
        if let Some((visitor, _)) = pages.visitor(&headers).await? {
            accounts::leave_others(pages.tools.shelf.store(), &visitor).await?;
        }
        Ok(Redirect::to(&format!("/account?lang={}", language.code())).into_response())
    };
    let left: Result<Response, Failure> = left.await;
    left.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}

async fn show_account(State(pages): State<AccountPages>, Query(wish): Query<Wish>, headers: HeaderMap) -> Response {
    let language = language(wish.lang.as_deref(), &headers);
    let shown = match pages.visitor(&headers).await {
        Ok(Some(visitor)) => pages.home(language, visitor).await,
        Ok(None) => {
            Ok(pages.guarded(&headers, StatusCode::OK, "ask", (language, "/account", None), json!({ "address": "" })))
        }
        Err(failure) => Err(failure),
    };
    shown.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}

async fn ask(
    State(pages): State<AccountPages>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    let language = language(typed.lang.as_deref(), &headers);
    if !pages.is_ours(&headers, &typed.guard) {
        return pages.told(StatusCode::FORBIDDEN, language, "elsewhere");
    }
    let asked = accounts::ask(
        pages.tools.shelf.store(),
        pages.tools.means(),
        &origin(peer, &headers, &pages.tools.proxies),
        &typed.address,
    )
    .await;
    match asked {
        Ok(Asked::Wait(until)) => {
            let minutes = minutes_until(until, pages.tools.clock.now());
            let problem = PAGES.word(language, "wait", &[("minutes", &minutes)]);
            let more = json!({ "address": "", "problem": problem });
            return pages.guarded(&headers, StatusCode::TOO_MANY_REQUESTS, "ask", (language, "/account", None), more);
        }
        Ok(Asked::Send(address)) => {
            // Apart from the answer, which takes as long for every address.
            let tools = pages.tools.clone();
            tokio::spawn(async move {
                match accounts::send_link(&tools.shelf, tools.means(), &address).await {
                    Ok(()) => tools.ring(),
                    Err(failure) => tracing::error!(%failure, "a letter for an account could not be written"),
                }
            });
        }
        Ok(Asked::Enough) => {}
        Err(failure) => return pages.unavailable(&failure, &headers),
    }
    pages.told(StatusCode::OK, language, "asked")
}

async fn show_choice(
    State(pages): State<AccountPages>,
    Path(secret): Path<String>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    let language = language(wish.lang.as_deref(), &headers);
    let Some(secret) = Secret::parse(&secret) else { return pages.told(StatusCode::NOT_FOUND, language, "gone") };
    match accounts::is_good(pages.tools.shelf.store(), &secret, pages.tools.clock.now()).await {
        Ok(true) => pages.choice(StatusCode::OK, language, &secret, None),
        Ok(false) => pages.told(StatusCode::NOT_FOUND, language, "gone"),
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

impl AccountPages {
    fn choice(&self, status: StatusCode, language: Language, secret: &Secret, problem: Option<&str>) -> Response {
        let path = format!("/account/{}", secret.text());
        let sheet = Sheet { language, path: &path, to: None, guard: None, signed_in: false };
        let numbers =
            [("least", limits::PASSWORD_CHARS_LEAST.to_string()), ("most", limits::PASSWORD_CHARS_MOST.to_string())];
        let fill: Vec<(&str, &str)> = numbers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let hint = PAGES.word(language, "choose_hint", &fill);
        let problem = problem.map(|key| PAGES.word(language, key, &fill));
        self.respond(status, &sheet, "choose", json!({ "problem": problem, "hint": hint }))
    }
}

async fn choose(
    State(pages): State<AccountPages>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    let language = language(typed.lang.as_deref(), &headers);
    let Some(secret) = Secret::parse(&secret) else { return pages.told(StatusCode::NOT_FOUND, language, "gone") };
    if typed.password != typed.again {
        return pages.choice(StatusCode::UNPROCESSABLE_ENTITY, language, &secret, Some("differs"));
    }
    let (store, now) = (pages.tools.shelf.store(), pages.tools.clock.now());
    match accounts::choose(store, now, pages.tools.dice.clone(), &secret, &typed.password).await {
        Ok(Chosen::Done(address)) => {
            if let Some(browser) = Browser::known(&headers, &pages.tools, &address)
                && let Err(error) = accounts::forgive(store, &address, &browser).await
            {
                // The password is chosen; they wait once more.
                tracing::warn!(%error, "wrong tries of an earlier password are still counted in a browser");
            }
            // Whoever has the link has the address: nobody who only knows it keeps them from signing in here.
            let page = Redirect::to(&format!("/sign-in?done=chosen&lang={}", language.code())).into_response();
            Browser::knowing(page, &headers, &pages.tools, &address)
        }
        Ok(Chosen::Gone) => pages.told(StatusCode::NOT_FOUND, language, "gone"),
        Ok(Chosen::Weak(weak)) => {
            let key = match weak {
                Weak::Short => "short",
                Weak::Long => "long",
                Weak::Guessable => "guessable",
            };
            pages.choice(StatusCode::UNPROCESSABLE_ENTITY, language, &secret, Some(key))
        }
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_name_leads_on() {
        assert_eq!(goal(Some("members-2026")).map(|goal| goal.path()), Some("/s/members-2026/form".to_string()));
        assert_eq!(
            goal(Some("/c/aurora/12/correct")).map(|goal| goal.path()),
            Some("/c/aurora/12/correct".to_string())
        );
        assert_eq!(goal(Some("/e/council/vote")).map(|goal| goal.path()), Some("/e/council/vote".to_string()));
        for hostile in [
            "",
            "//evil.example",
            "a/../b",
            "a\r\nb",
            "https:",
            "/c/",
            "/c//a",
            "/c/a?b",
            "/c/..",
            "/e/council",
            "/e//vote",
            "/e/a/../b/vote",
            "/account",
            "/sign-in",
            &"a".repeat(201),
        ] {
            assert_eq!(goal(Some(hostile)), None, "{hostile:?}");
        }
        assert_eq!(goal(None), None);
    }
}
