//! The pages of the second factor: its code after the password, setting an authenticator up, and doing without again.

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AccountPages, Cookie, PAGES, Sheet, Wish, goal, language, place};
use crate::domain::credential::Secret;
use crate::domain::language::Language;
use crate::domain::second_factor::{Authenticator, Proof, StepUp};
use crate::limits;
use crate::web::caller::minutes_until;
use crate::web::qr;
use crate::workflow::Failure;
use crate::workflow::accounts::{self, Goal, Visitor};
use crate::workflow::second_factor::{self, Demand, Given, SetUp, Standing};

/// What is shown before it is changed how somebody signs in.
const FRESH: StepUp = StepUp { proof: Proof::Password, seconds: limits::PROOF_SECONDS };

/// What is typed on these pages.
#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(rename = "_guard", default)]
    guard: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    step: String,
    lang: Option<String>,
    to: Option<String>,
}

impl AccountPages {
    /// What came of a code, as the sentence of a page; none if it was right.
    fn wrong(&self, language: Language, given: Given, key: &str) -> Option<(StatusCode, String)> {
        match given {
            Given::Right | Given::Recovered { .. } => None,
            Given::Wrong => Some((StatusCode::FORBIDDEN, PAGES.word(language, key, &[]))),
            Given::Locked => Some((StatusCode::SERVICE_UNAVAILABLE, PAGES.word(language, "code_locked", &[]))),
            Given::Wait(until) => {
                let minutes = minutes_until(until, self.tools.clock.now());
                Some((StatusCode::TOO_MANY_REQUESTS, PAGES.word(language, "wait", &[("minutes", &minutes)])))
            }
        }
    }

    /// A page of somebody who is signed in.
    fn own(&self, status: StatusCode, language: Language, secret: &Secret, page: &str, more: Value) -> Response {
        let guard = secret.guard();
        let path = if page == "confirm" { "/confirm" } else { "/account/second" };
        let sheet = Sheet { language, path, to: None, guard: Some(&guard), signed_in: true };
        self.respond(status, &sheet, page, more)
    }

    async fn standing(
        &self,
        status: StatusCode,
        language: Language,
        (visitor, secret): &(Visitor, Secret),
        problem: Option<String>,
        news: Option<&str>,
    ) -> Result<Response, Failure> {
        let store = self.tools.shelf.store();
        let standing = second_factor::standing(store, &visitor.account.id).await?;
        let facts = json!({
            "active": standing.active, "codes": standing.codes, "problem": problem, "last": self.used_the_last(visitor, standing),
            "offered": second_factor::is_offered(store), "news": news.map(|key| PAGES.word(language, key, &[])),
        });
        Ok(self.own(status, language, secret, "second", facts))
    }

    fn is_satisfied(&self, visitor: &Visitor, rule: StepUp) -> bool {
        rule.satisfied(self.tools.clock.now(), visitor.session.proved_at, visitor.session.second_at)
    }

    /// Whether somebody came in just now by their last recovery code.
    fn used_the_last(&self, visitor: &Visitor, standing: Standing) -> bool {
        let second = StepUp { proof: Proof::SecondFactor, ..FRESH };
        let session = &visitor.session;
        standing.codes == 0 && second.satisfied(self.tools.clock.now(), session.proved_at, session.second_at)
    }

    /// The picture that sets an authenticator up, its secret to be typed, and where its first code is typed.
    fn set_up(
        &self,
        status: StatusCode,
        language: Language,
        (visitor, secret): &(Visitor, Secret),
        authenticator: &Authenticator,
        problem: Option<String>,
    ) -> Response {
        let link = authenticator.link(&self.tools.desk.display, &visitor.account.address);
        // Without the picture the secret can be typed.
        let picture = qr::picture(&link).ok();
        let facts = json!({ "picture": picture, "link": link, "typed": authenticator.typed(), "problem": problem, "first": true });
        self.own(status, language, secret, "set_up", facts)
    }

    fn codes(&self, language: Language, secret: &Secret, codes: &[Secret]) -> Response {
        let codes: Vec<String> = codes.iter().map(Secret::grouped).collect();
        self.own(StatusCode::OK, language, secret, "codes", json!({ "codes": codes }))
    }

    /// Somebody who is signed in, or the page on which one signs in.
    async fn somebody(&self, headers: &HeaderMap, goal: &Goal) -> Result<Result<(Visitor, Secret), Response>, Failure> {
        let found = self.visitor(headers).await?;
        Ok(found.ok_or_else(|| Redirect::to(&format!("/sign-in?to={}", goal.text())).into_response()))
    }

    /// What a study, or this page itself, demands before a goal.
    async fn rule(&self, goal: &Goal) -> Result<Option<StepUp>, Failure> {
        let slug = match goal {
            Goal::SecondFactor => return Ok(Some(FRESH)),
            Goal::Survey(_) | Goal::Election(_) => return Ok(None),
            Goal::Cases(path) => path.split('/').nth(2).unwrap_or_default(),
        };
        let Some(row) = crate::store::study::find_current(self.tools.shelf.store(), slug).await? else {
            return Ok(None);
        };
        Ok(self.tools.shelf.current(row.id, row.bundle_version).await?.study.step_up)
    }
}

/// The page that asks for the code after the password.
pub(super) async fn show_code(
    State(pages): State<AccountPages>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    let language = language(wish.lang.as_deref(), &headers);
    let goal = goal(wish.to.as_deref());
    match pages.waiting(&headers).await {
        Ok(Some(_)) => pages.ask_code(&headers, StatusCode::OK, language, goal.as_ref(), None),
        Ok(None) => Redirect::to(&sign_in_for(goal.as_ref())).into_response(),
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

fn sign_in_for(goal: Option<&Goal>) -> String {
    goal.map_or_else(|| "/sign-in".to_string(), |goal| format!("/sign-in?to={}", goal.text()))
}

impl AccountPages {
    async fn waiting(&self, headers: &HeaderMap) -> Result<Option<Visitor>, Failure> {
        let Some(secret) = self.cookie(headers) else { return Ok(None) };
        accounts::find_waiting(self.tools.shelf.store(), &secret, self.tools.clock.now()).await
    }

    fn ask_code(
        &self,
        headers: &HeaderMap,
        status: StatusCode,
        language: Language,
        goal: Option<&Goal>,
        problem: Option<String>,
    ) -> Response {
        let to = goal.map(Goal::text);
        self.guarded(headers, status, "code", (language, "/sign-in/code", to.as_deref()), json!({ "problem": problem }))
    }
}

/// Takes the code after the password.
pub(super) async fn take_code(
    State(pages): State<AccountPages>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    let language = language(typed.lang.as_deref(), &headers);
    if !pages.is_ours(&headers, &typed.guard) {
        return pages.told(StatusCode::FORBIDDEN, language, "elsewhere");
    }
    let goal = goal(typed.to.as_deref());
    let taken = async {
        let Some(waiting) = pages.waiting(&headers).await? else {
            return Ok(Redirect::to(&sign_in_for(goal.as_ref())).into_response());
        };
        let store = pages.tools.shelf.store();
        let (given, secret) = second_factor::come_in(store, pages.tools.means(), &waiting, &typed.code).await?;
        let Some(secret) = secret else {
            let (status, problem) =
                pages.wrong(language, given, "wrong_code").unwrap_or((StatusCode::FORBIDDEN, String::new()));
            return Ok(pages.ask_code(&headers, status, language, goal.as_ref(), Some(problem)));
        };
        let cookie = Cookie::Account.write(Some(&secret), &pages.tools.desk.public_url);
        let to = match given {
            // So that they see how many are left.
            Given::Recovered { .. } => format!("/account/second?done=recovered&lang={}", language.code()),
            _ => format!("{}?lang={}", place(goal.as_ref()), language.code()),
        };
        Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response())
    };
    let taken: Result<Response, Failure> = taken.await;
    taken.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}

/// What an account has, and what can be done about it.
pub(super) async fn show(State(pages): State<AccountPages>, Query(wish): Query<Wish>, headers: HeaderMap) -> Response {
    let language = language(wish.lang.as_deref(), &headers);
    let news = wish.done.as_deref().filter(|done| ["recovered", "ended"].contains(done));
    let shown = async {
        let visitor = match pages.somebody(&headers, &Goal::SecondFactor).await? {
            Ok(visitor) => visitor,
            Err(page) => return Ok(page),
        };
        pages.standing(StatusCode::OK, language, &visitor, None, news).await
    };
    let shown: Result<Response, Failure> = shown.await;
    shown.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}

/// Sets one up, gives new recovery codes, or does without again, as the button says.
pub(super) async fn change(
    State(pages): State<AccountPages>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    let language = language(typed.lang.as_deref(), &headers);
    if !pages.is_ours(&headers, &typed.guard) {
        return pages.told(StatusCode::FORBIDDEN, language, "elsewhere");
    }
    let changed = async {
        let visitor = match pages.somebody(&headers, &Goal::SecondFactor).await? {
            Ok(visitor) => visitor,
            Err(page) => return Ok(page),
        };
        pages.changed(language, &visitor, &typed).await
    };
    let changed: Result<Response, Failure> = changed.await;
    changed.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}

impl AccountPages {
    async fn changed(
        &self,
        language: Language,
        visitor: &(Visitor, Secret),
        typed: &Typed,
    ) -> Result<Response, Failure> {
        let (store, means) = (self.tools.shelf.store(), self.tools.means());
        let (somebody, secret) = visitor;
        let id = &somebody.account.id;
        match typed.step.as_str() {
            "begin" | "confirm" => {
                if !second_factor::is_offered(store) {
                    return self.standing(StatusCode::CONFLICT, language, visitor, None, None).await;
                }
                let session = &somebody.session;
                if !FRESH.satisfied(means.now, session.proved_at, session.second_at) {
                    let to = format!("/confirm?to={}&lang={}", Goal::SecondFactor.text(), language.code());
                    return Ok(Redirect::to(&to).into_response());
                }
                if typed.step == "begin" {
                    return match second_factor::begin(store, means, id).await? {
                        Some(begun) => Ok(self.set_up(StatusCode::OK, language, visitor, &begun, None)),
                        None => self.standing(StatusCode::CONFLICT, language, visitor, None, None).await,
                    };
                }
                let given = match second_factor::set_up(store, means, somebody, &typed.code).await? {
                    SetUp::Done(codes) => return Ok(self.codes(language, secret, &codes)),
                    SetUp::Gone => return self.standing(StatusCode::CONFLICT, language, visitor, None, None).await,
                    SetUp::Wrong => Given::Wrong,
                    SetUp::Wait(until) => Given::Wait(until),
                };
                let (status, problem) = self.wrong(language, given, "wrong_first").unzip();
                let Some(begun) = second_factor::pending(store, id).await? else {
                    return self.standing(StatusCode::CONFLICT, language, visitor, None, None).await;
                };
                Ok(self.set_up(status.unwrap_or(StatusCode::FORBIDDEN), language, visitor, &begun, problem))
            }
            "renew" | "end" => {
                // Whoever came in just now by the last recovery code has no other one to show.
                let standing = second_factor::standing(store, id).await?;
                let given = match typed.code.is_empty() && self.used_the_last(somebody, standing) {
                    true => Given::Right,
                    false => second_factor::give(store, means, id, &typed.code, None).await?,
                };
                if let Some((status, problem)) = self.wrong(language, given, "wrong_code") {
                    return self.standing(status, language, visitor, Some(problem), None).await;
                }
                if typed.step == "end" {
                    second_factor::end(store, means, id).await?;
                    let to = format!("/account/second?done=ended&lang={}", language.code());
                    return Ok(Redirect::to(&to).into_response());
                }
                match second_factor::renew_codes(store, means, id).await? {
                    Some(codes) => Ok(self.codes(language, secret, &codes)),
                    None => self.standing(StatusCode::CONFLICT, language, visitor, None, None).await,
                }
            }
            _ => self.standing(StatusCode::BAD_REQUEST, language, visitor, None, None).await,
        }
    }

    /// The page that asks once more who somebody is, before it leads on.
    fn confirm(
        &self,
        status: StatusCode,
        language: Language,
        secret: &Secret,
        (goal, demand): (&Goal, Demand),
        problem: Option<String>,
    ) -> Response {
        let provider = self.ways.provider.as_ref().map(|way| {
            let link = format!("/sign-in/provider?to={}&again=1&lang={}", goal.text(), language.code());
            let label = PAGES.word(language, "confirm_provider", &[("name", way.name())]);
            json!({ "label": label, "link": link })
        });
        let facts = json!({
            "to": goal.text(), "code": demand == Demand::Code, "missing": demand == Demand::Missing,
            "bare": demand == Demand::NoPassword, "problem": problem, "provider": provider,
        });
        self.own(status, language, secret, "confirm", facts)
    }
}

/// Asks once more who somebody is.
pub(super) async fn show_confirm(
    State(pages): State<AccountPages>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    let language = language(wish.lang.as_deref(), &headers);
    let shown = async {
        let Some(goal) = goal(wish.to.as_deref()) else { return Ok(Redirect::to("/account").into_response()) };
        let (visitor, secret) = match pages.somebody(&headers, &goal).await? {
            Ok(visitor) => visitor,
            Err(page) => return Ok(page),
        };
        let Some(rule) = pages.rule(&goal).await? else { return Ok(Redirect::to(&goal.path()).into_response()) };
        let demand = second_factor::demand(pages.tools.shelf.store(), &visitor, rule).await?;
        Ok(pages.confirm(StatusCode::OK, language, &secret, (&goal, demand), None))
    };
    let shown: Result<Response, Failure> = shown.await;
    shown.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}

/// Takes what was asked for once more, and leads on.
pub(super) async fn confirm(
    State(pages): State<AccountPages>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    let language = language(typed.lang.as_deref(), &headers);
    if !pages.is_ours(&headers, &typed.guard) {
        return pages.told(StatusCode::FORBIDDEN, language, "elsewhere");
    }
    let taken = async {
        let Some(goal) = goal(typed.to.as_deref()) else { return Ok(Redirect::to("/account").into_response()) };
        let (visitor, secret) = match pages.somebody(&headers, &goal).await? {
            Ok(visitor) => visitor,
            Err(page) => return Ok(page),
        };
        let store = pages.tools.shelf.store();
        let Some(rule) = pages.rule(&goal).await? else { return Ok(Redirect::to(&goal.path()).into_response()) };
        let demand = second_factor::demand(store, &visitor, rule).await?;
        let given =
            second_factor::prove(store, pages.tools.means(), &visitor, rule, &demand.typed(&typed.code)).await?;
        let key = if demand == Demand::Code { "wrong_code" } else { "wrong_password" };
        // Pressed twice: the code is used up, and by it the session is proved.
        let given = match pages.visitor(&headers).await? {
            Some((again, _)) if pages.is_satisfied(&again, rule) => Given::Right,
            _ => given,
        };
        Ok(match pages.wrong(language, given, key) {
            Some((status, problem)) => pages.confirm(status, language, &secret, (&goal, demand), Some(problem)),
            None => Redirect::to(&format!("{}?lang={}", goal.path(), language.code())).into_response(),
        })
    };
    let taken: Result<Response, Failure> = taken.await;
    taken.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}
