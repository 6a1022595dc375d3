//! The pages of the staff: the cases of their sites, what is due, registering, follow-up forms, corrections; and for the managers of a
//! survey, who has answered.
//!
//! Whoever signs in with an account and stands among the people of a study sees the cases of their own sites. What a page does is
//! what a mail would have done: the same use cases, records and letters. What a blinded person sees of a subject is made from the
//! letters' own facts, which hold no arm.

mod begun;
mod chart;
mod entry;
mod files;
mod follow_up;
mod further;
mod list;
mod participants;
mod registration;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::caller::{Call, Cookie, minutes_until};
use super::failed::Failed;
use super::pages::{Pages, accepted, in_language_of_address, speaking};
use super::questionnaire::PIECES;
use super::questionnaire::posted::{Posted, Step};
use super::questionnaire::whose::whose;
use super::survey::Tools;
use crate::domain::credential::Secret;
use crate::domain::door::Door;
use crate::domain::language::Language;
use crate::domain::second_factor::StepUp;
use crate::domain::study::{Person, Stage, Study};
use crate::letters::facts::Contact;
use crate::store::subject::SubjectRow;
use crate::store::{study, subject};
use crate::workflow::accounts::{self, Goal, Visitor};
use crate::workflow::register::Registrar;
use crate::workflow::second_factor::{self, Demand, Given};
use crate::workflow::shelf::ShelvedStudy;
use crate::workflow::{Failure, Means};

static PAGES: LazyLock<Pages> = LazyLock::new(|| {
    let templates = [
        ("list", include_str!("../../templates/pages/cases/list.hbs")),
        ("participants", include_str!("../../templates/pages/cases/participants.hbs")),
        ("case", include_str!("../../templates/pages/cases/case.hbs")),
        ("trail", include_str!("../../templates/pages/cases/trail.hbs")),
        ("enter", include_str!("../../templates/pages/cases/enter.hbs")),
        ("review", include_str!("../../templates/pages/cases/review.hbs")),
        ("entry", include_str!("../../templates/pages/cases/entry.hbs")),
        ("withdraw", include_str!("../../templates/pages/cases/withdraw.hbs")),
        ("again", include_str!("../../templates/pages/cases/again.hbs")),
        ("told", include_str!("../../templates/pages/cases/told.hbs")),
        ("over", include_str!("../../templates/pages/survey/over.hbs")),
    ];
    let words = [
        (Language::En, include_str!("../../templates/pages/en/cases.toml")),
        (Language::Ja, include_str!("../../templates/pages/ja/cases.toml")),
    ];
    Pages::load(&[&PIECES[..], &templates[..]].concat(), &words).expect("a test renders every page")
});

/// The pages of the staff.
#[derive(Clone)]
pub struct CasePages {
    tools: Tools,
}

/// What a link may carry.
#[derive(Debug, Default, Deserialize)]
struct Wish {
    lang: Option<String>,
    /// Cases before that number.
    before: Option<i64>,
    /// Participants behind that number.
    after: Option<i64>,
    /// Something that was done.
    done: Option<String>,
}

/// Somebody of the staff in one study.
struct Room {
    shelved: Arc<ShelvedStudy>,
    visitor: Visitor,
    secret: Secret,
    person: Person,
    language: Language,
}

/// Who comes in, or the page that says why not.
type Entering = Result<Room, Response>;

impl Room {
    fn study(&self) -> &Study {
        &self.shelved.study
    }

    /// Whether they enter data, rather than look.
    fn may_enter(&self) -> bool {
        self.person.roles.iter().any(|role| role.enrolls())
    }

    /// The address of a page below the study's.
    fn link(&self, rest: &str) -> String {
        format!("/c/{}{rest}", self.study().slug)
    }

    /// The same in the language of this page.
    fn here(&self, rest: &str) -> String {
        format!("{}?lang={}", self.link(rest), self.language.code())
    }

    /// They, as somebody who registers or randomizes.
    fn registrar(&self) -> Registrar<'_> {
        Registrar { person: &self.person, address: &self.visitor.account.address, language: self.language }
    }

    /// On to a case, which tells what was done.
    fn to_case(&self, number: i64, done: &str) -> Response {
        Redirect::to(&format!("{}&done={done}", self.here(&format!("/{number}")))).into_response()
    }

    /// Whose the page of an address is.
    fn whose(&self, path: &str) -> String {
        whose(&[&self.shelved.id.to_be_bytes()[..], &self.visitor.account.id.0, path.as_bytes()])
    }

    /// What every page states; `rest` is its address below the study's.
    fn head(&self, title: &str, rest: &str) -> Value {
        let study = self.study();
        let path = self.link(rest);
        let language = |other: &Language| {
            json!({ "code": other.code(), "link": format!("{path}?lang={}", other.code()), "chosen": *other == self.language,
                    "name": match other { Language::En => "English", Language::Ja => "日本語" } })
        };
        json!({
            "study": { "title": study.title.in_language(self.language), "tag": study.tag,
                       "test": self.shelved.stage == Stage::Development },
            "whose": self.whose(&path), "title": title, "languages": study.languages.iter().map(language).collect::<Vec<Value>>(),
            "several": study.languages.len() > 1, "path": path, "guard": self.secret.guard(), "leave": "/sign-out",
            "answering": false, "number": 1, "of": 1, "home": self.here(""), "trail": [],
            "registers": study.registers, "contact": Contact::of(study, &self.person.id, self.person.sites.first().map(String::as_str), self.language),
        })
    }

    fn respond(&self, status: StatusCode, page: &str, facts: Value) -> Response {
        PAGES.respond(status, self.language, page, facts)
    }

    fn word(&self, key: &str, fill: &[(&str, &str)]) -> String {
        PAGES.word(self.language, key, fill)
    }

    /// A page that says one thing.
    fn told(&self, status: StatusCode, key: &str) -> Response {
        let mut facts = self.head(&self.word("cases", &[]), "");
        put(&mut facts, "told", json!(self.word(key, &[])));
        put(&mut facts, "failed", json!(status.is_server_error()));
        self.respond(status, "told", facts)
    }
}

impl CasePages {
    /// The pages, which work with what those of surveys do.
    pub fn new(tools: Tools) -> CasePages {
        CasePages { tools }
    }

    /// Their routes; the style is that of the surveys' pages.
    pub fn router(self) -> Router {
        let (own, url) = (self.clone(), self.tools.desk.public_url.clone());
        let pages = Router::new()
            .route("/c/{slug}", get(list::show).post(list::find))
            .route("/c/{slug}/participants", get(participants::show))
            .route("/c/{slug}/new", get(registration::show_registration).post(registration::register))
            .route("/c/{slug}/{number}", get(chart::show))
            .route("/c/{slug}/{number}/correct", get(registration::show_correction).post(registration::correct))
            .route("/c/{slug}/{number}/withdraw", get(chart::show_withdrawal).post(chart::withdraw))
            .route("/c/{slug}/{number}/randomize/{randomization}", get(further::show).post(further::randomize))
            .route("/c/{slug}/{number}/{event}/{form}/{occasion}", get(follow_up::show_entry).post(follow_up::enter))
            .route(
                "/c/{slug}/{number}/{event}/{form}/{occasion}/correct",
                get(follow_up::show_entry_correction).post(follow_up::correct_entry),
            )
            .route("/c/{slug}/{number}/-/{response}/{item}", get(files::download))
            .with_state(self);
        let bare = move |status, headers: &HeaderMap| own.bare(status, "elsewhere", headers);
        in_language_of_address(super::same_site::own_pages_only(pages, url, bare))
    }

    fn means(&self) -> Means<'_> {
        self.tools.means()
    }

    /// Who comes to a page of a study to look at it; what the study demands on top of signing in is asked for on a page apart.
    async fn enter(&self, slug: &str, wish: Option<&str>, call: &Call) -> Result<Entering, Failure> {
        self.enter_by(Door::Cases, slug, wish, call).await
    }

    /// The same for other pages than those of cases.
    async fn enter_by(&self, door: Door, slug: &str, wish: Option<&str>, call: &Call) -> Result<Entering, Failure> {
        Ok(match self.admit(door, slug, wish, call, None).await? {
            Ok(room) if self.lacks(&room).is_some() => {
                let there = format!("/confirm?to={}&lang={}", call.path, room.language.code());
                Err(Redirect::to(&there).into_response())
            }
            entering => entering,
        })
    }

    /// Who sent a form of a page of a study. What the study demands on top of signing in is asked for with all that was typed, so
    /// that none of it is lost.
    async fn enter_sent(&self, slug: &str, posted: &Posted, call: &Call) -> Result<Entering, Failure> {
        let spoken = match posted.step() {
            Step::Speak(language) => Some(language.code()),
            _ => posted.language(),
        };
        let room = match self.admit(Door::Cases, slug, spoken, call, Some(posted)).await? {
            Ok(room) => room,
            Err(page) => return Ok(Err(page)),
        };
        if !is_ours(&room, posted.guard()) {
            // Typed before somebody signed in anew, it may be: nothing is recorded, nothing lost, and nothing shown to anybody else.
            let study = (room.study(), room.shelved.stage);
            if posted.whose() != Some(room.whose(&call.path).as_str()) {
                return Ok(Err(others(study, room.language, call)));
            }
            if !posted.only_looks() {
                return Ok(Err(once_more(study, room.language, posted, call, "over_earlier", None)));
            }
        }
        let Some(rule) = self.lacks(&room) else { return Ok(Ok(room)) };
        let store = self.tools.shelf.store();
        let demand = second_factor::demand(store, &room.visitor, rule).await?;
        let given = match posted.proof() {
            Some(typed) => {
                Some(second_factor::prove(store, self.means(), &room.visitor, rule, &demand.typed(typed)).await?)
            }
            None => None,
        };
        // Pressed twice: the code is used up, and by it the session is proved.
        let proved = match given {
            Some(given) if given.is_right() => true,
            Some(_) => {
                let again = accounts::resume(store, &room.secret, self.tools.clock.now()).await?;
                let fresh = |visitor: Visitor| {
                    let session = visitor.session;
                    rule.satisfied(self.tools.clock.now(), session.proved_at, session.second_at)
                };
                again.is_some_and(fresh)
            }
            None => false,
        };
        Ok(if proved { Ok(room) } else { Err(self.ask_again(&room, posted, call, demand, given)) })
    }

    /// What the study demands and was not shown lately.
    fn lacks(&self, room: &Room) -> Option<StepUp> {
        let session = &room.visitor.session;
        let now = self.tools.clock.now();
        room.study().step_up.filter(|rule| !rule.satisfied(now, session.proved_at, session.second_at))
    }

    /// The page that asks once more who sends a form, with all that was typed in it.
    fn ask_again(&self, room: &Room, posted: &Posted, call: &Call, demand: Demand, given: Option<Given>) -> Response {
        let mut facts = room.head(&room.word("proof", &[]), "");
        let kept: Vec<Value> =
            posted.without_proof().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        put(&mut facts, "path", json!(call.path));
        put(&mut facts, "kept", json!(kept));
        put(&mut facts, "code", json!(demand == Demand::Code));
        put(&mut facts, "missing", json!(matches!(demand, Demand::Missing | Demand::NoPassword)));
        put(&mut facts, "list", json!(room.link("")));
        let (status, problem) = match given {
            Some(Given::Wait(until)) => {
                let minutes = minutes_until(until, self.tools.clock.now());
                (StatusCode::TOO_MANY_REQUESTS, Some(room.word("proof_wait", &[("minutes", &minutes)])))
            }
            Some(Given::Locked) => (StatusCode::SERVICE_UNAVAILABLE, Some(room.word("proof_locked", &[]))),
            Some(_) => (StatusCode::FORBIDDEN, Some(room.word("proof_wrong", &[]))),
            None => (StatusCode::FORBIDDEN, None),
        };
        put(&mut facts, "problem", json!(problem));
        room.respond(status, "again", facts)
    }

    /// Whoever is signed in and stands among the people of a study; what was `posted` by somebody who is not any more is not lost.
    async fn admit(
        &self,
        door: Door,
        slug: &str,
        wish: Option<&str>,
        call: &Call,
        posted: Option<&Posted>,
    ) -> Result<Entering, Failure> {
        let headers = &speaking(&call.headers, wish);
        let store = self.tools.shelf.store();
        let Some(row) = study::find_current(store, slug).await? else {
            return Ok(Err(self.bare(StatusCode::NOT_FOUND, "unknown", headers)));
        };
        let shelved = self.tools.shelf.current(row.id, row.bundle_version).await?;
        if !door.is_there(&shelved.study) {
            return Ok(Err(self.bare(StatusCode::NOT_FOUND, "unknown", headers)));
        }
        let offered = &shelved.study.languages;
        let known = |code: &str| Language::find(code).filter(|language| offered.contains(language));
        let Some((visitor, secret)) = self.visitor(headers).await? else {
            // What a form was sent to may be no page to look at.
            let goal = Goal::parse(&call.path).unwrap_or_else(|| Goal::cases(&shelved.study.slug));
            let to = format!("/sign-in?to={}", goal.text());
            let Some(posted) = posted else { return Ok(Err(Redirect::to(&to).into_response())) };
            let spoken = wish.and_then(known).or_else(|| accepted(headers, offered)).or(offered.first().copied());
            let study = (&*shelved.study, shelved.stage);
            return Ok(Err(once_more(study, spoken.unwrap_or(Language::En), posted, call, "session_over", Some(&to))));
        };
        let Some(person) = shelved.study.find_person_by_address(&visitor.account.address).cloned() else {
            return Ok(Err(self.bare(StatusCode::FORBIDDEN, "not_staff", headers)));
        };
        let language = wish
            .and_then(known)
            .or(person.language.filter(|language| offered.contains(language)))
            .or_else(|| accepted(headers, offered))
            .or(offered.first().copied())
            .unwrap_or(Language::En);
        let room = Room { shelved, visitor, secret, person, language };
        if !door.lets_in(&room.person) {
            return Ok(Err(room.told(StatusCode::FORBIDDEN, "no_role")));
        }
        Ok(Ok(room))
    }

    /// Who is signed in with an account, and the secret of the session.
    async fn visitor(&self, headers: &HeaderMap) -> Result<Option<(Visitor, Secret)>, Failure> {
        let Some(secret) = Cookie::Account.read(headers, &self.tools.desk.public_url) else { return Ok(None) };
        let found = accounts::resume(self.tools.shelf.store(), &secret, self.tools.clock.now()).await?;
        Ok(found.map(|visitor| (visitor, secret)))
    }

    /// A subject of the person's sites; whoever asks for another is told the same as for one that there is not.
    async fn subject(&self, room: &Room, number: &str) -> Result<Result<SubjectRow, Response>, Failure> {
        let number = number.parse::<i64>().ok();
        let found = match number {
            Some(number) => subject::find_by_number(self.tools.shelf.store(), room.shelved.id, number).await?,
            None => None,
        };
        let found = found.filter(|subject| room.person.acts_for_any(subject.sites()));
        Ok(found.ok_or_else(|| room.told(StatusCode::NOT_FOUND, "no_case")))
    }

    fn bare(&self, status: StatusCode, key: &str, headers: &HeaderMap) -> Response {
        let language = accepted(headers, &Language::ALL).unwrap_or(Language::En);
        let facts = json!({
            "study": { "title": self.tools.desk.display, "tag": "", "test": false }, "title": "", "languages": [], "several": false,
            "path": "", "guard": null, "leave": null, "answering": false, "number": 1, "of": 1, "home": "/account", "trail": [],
            "registers": false, "told": PAGES.word(language, key, &[]), "failed": status.is_server_error(),
        });
        PAGES.respond(status, language, "told", facts)
    }

    fn answer(&self, made: Result<Response, Failure>, call: &Call) -> Response {
        made.unwrap_or_else(|failure| {
            tracing::error!(%failure, "a page of the staff failed");
            self.bare(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &call.headers)
        })
    }

    /// The same of a form that was sent. Where it could not be taken, what was typed goes back unseen, to be looked at again by whoever
    /// typed it: nothing is lost, and whose it is, it still names.
    fn answer_sent(&self, made: Result<Response, Failed>, posted: &Posted, call: &Call) -> Response {
        made.unwrap_or_else(|Failed { failure, unsure }| {
            tracing::error!(%failure, unsure, "what was sent to a page of the staff could not be taken");
            if posted.whose().is_none() {
                let key = if unsure { "unsure_bare" } else { "not_read" };
                return self.bare(StatusCode::SERVICE_UNAVAILABLE, key, &call.headers);
            }
            let spoken = posted.language().and_then(Language::find);
            let language = spoken.or_else(|| accepted(&call.headers, &Language::ALL)).unwrap_or(Language::En);
            let kept: Vec<Value> =
                posted.without_session().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            let why = if unsure { "unsure" } else { "not_taken" };
            let facts = json!({
                "study": { "title": self.tools.desk.display, "tag": "", "test": false },
                "title": PAGES.word(language, "later", &[]), "languages": [], "several": false, "path": call.path,
                "guard": null, "leave": null, "answering": false, "number": 1, "of": 1, "home": "/account", "trail": [],
                "why": PAGES.word(language, why, &[]), "others": false, "kept": kept, "signs_in": null, "unsure": unsure,
            });
            PAGES.respond(StatusCode::SERVICE_UNAVAILABLE, language, "over", facts)
        })
    }
}

/// What was typed on a page that is not taken as it came, to be looked at again from a page of this session. `why` is the key of a
/// sentence; `signs_in` leads to where somebody has to sign in before.
fn once_more(
    (study, stage): (&Study, Stage),
    language: Language,
    posted: &Posted,
    call: &Call,
    why: &str,
    signs_in: Option<&str>,
) -> Response {
    let kept: Vec<Value> =
        posted.without_session().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let mut facts = nobodys((study, stage), language, call);
    put(&mut facts, "why", json!(PAGES.word(language, why, &[])));
    put(&mut facts, "others", json!(false));
    put(&mut facts, "unsure", json!(false));
    put(&mut facts, "kept", json!(kept));
    put(&mut facts, "signs_in", json!(signs_in));
    PAGES.respond(StatusCode::FORBIDDEN, language, "over", facts)
}

/// A page that somebody else typed on than who is signed in: neither their words nor their form.
fn others(study: (&Study, Stage), language: Language, call: &Call) -> Response {
    let mut facts = nobodys(study, language, call);
    put(&mut facts, "why", json!(PAGES.word(language, "others", &[])));
    put(&mut facts, "others", json!(true));
    PAGES.respond(StatusCode::FORBIDDEN, language, "over", facts)
}

/// What a page of a study states that is nobody's yet.
fn nobodys((study, stage): (&Study, Stage), language: Language, call: &Call) -> Value {
    json!({
        "study": { "title": study.title.in_language(language), "tag": study.tag, "test": stage == Stage::Development },
        "title": study.title.in_language(language), "languages": [], "several": false, "path": call.path, "guard": null,
        "leave": null, "answering": false, "number": 1, "of": 1, "home": "/account", "trail": [],
    })
}

/// Whether a form came from our own page in this session.
fn is_ours(room: &Room, guard: Option<&str>) -> bool {
    guard.is_some_and(|guard| room.secret.guard().as_bytes().ct_eq(guard.as_bytes()).into())
}

fn put(facts: &mut Value, key: &str, value: Value) {
    super::questionnaire::filled::put(facts, key, value);
}
