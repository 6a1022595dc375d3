//! The pages of the staff: the cases of their sites, what is due, registering, follow-up forms, corrections.
//!
//! Whoever signs in with an account and stands among the people of a study sees the cases of their own sites. What a page does is
//! what a mail would have done: the same use cases, records and letters. What a blinded person sees of a subject is made from the
//! letters' own facts, which hold no arm.

mod chart;
mod entry;
mod follow_up;
mod list;
mod registration;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::caller::Cookie;
use super::pages::{Pages, accepted};
use super::questionnaire::PIECES;
use super::survey::Tools;
use crate::domain::credential::Secret;
use crate::domain::language::Language;
use crate::domain::study::{Person, Role, Stage, Study};
use crate::store::subject::SubjectRow;
use crate::store::{study, subject};
use crate::workflow::accounts::{self, Visitor};
use crate::workflow::shelf::ShelvedStudy;
use crate::workflow::{Failure, Means};

static PAGES: LazyLock<Pages> = LazyLock::new(|| {
    let templates = [
        ("list", include_str!("../../templates/pages/cases/list.hbs")),
        ("case", include_str!("../../templates/pages/cases/case.hbs")),
        ("trail", include_str!("../../templates/pages/cases/trail.hbs")),
        ("enter", include_str!("../../templates/pages/cases/enter.hbs")),
        ("review", include_str!("../../templates/pages/cases/review.hbs")),
        ("entry", include_str!("../../templates/pages/cases/entry.hbs")),
        ("withdraw", include_str!("../../templates/pages/cases/withdraw.hbs")),
        ("told", include_str!("../../templates/pages/cases/told.hbs")),
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
    /// A case that is looked for.
    find: Option<String>,
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
            "title": title, "languages": study.languages.iter().map(language).collect::<Vec<Value>>(),
            "several": study.languages.len() > 1, "path": path, "guard": self.secret.guard(), "leave": "/sign-out",
            "answering": false, "number": 1, "of": 1, "home": self.here(""), "trail": [],
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
            .route("/c/{slug}", get(list::show))
            .route("/c/{slug}/new", get(registration::show_registration).post(registration::register))
            .route("/c/{slug}/{number}", get(chart::show))
            .route("/c/{slug}/{number}/correct", get(registration::show_correction).post(registration::correct))
            .route("/c/{slug}/{number}/withdraw", get(chart::show_withdrawal).post(chart::withdraw))
            .route("/c/{slug}/{number}/{event}/{form}/{occasion}", get(follow_up::show_entry).post(follow_up::enter))
            .route(
                "/c/{slug}/{number}/{event}/{form}/{occasion}/correct",
                get(follow_up::show_entry_correction).post(follow_up::correct_entry),
            )
            .with_state(self);
        super::same_site::own_pages_only(pages, url, move |status, headers| own.bare(status, "elsewhere", headers))
    }

    fn means(&self) -> Means<'_> {
        self.tools.means()
    }

    /// Who comes to the pages of a study.
    async fn enter(&self, slug: &str, wish: Option<&str>, headers: &HeaderMap) -> Result<Entering, Failure> {
        let store = self.tools.shelf.store();
        let Some(row) = study::find_current(store, slug).await? else {
            return Ok(Err(self.bare(StatusCode::NOT_FOUND, "unknown", headers)));
        };
        let shelved = self.tools.shelf.current(row.id, row.bundle_version).await?;
        if !shelved.study.registers {
            return Ok(Err(self.bare(StatusCode::NOT_FOUND, "unknown", headers)));
        }
        let secret = Cookie::Account.read(headers, &self.tools.desk.public_url);
        let visitor = match &secret {
            Some(secret) => accounts::resume(store, secret, self.tools.clock.now()).await?,
            None => None,
        };
        let (Some(visitor), Some(secret)) = (visitor, secret) else {
            let to = format!("/sign-in?to={}", accounts::Goal::Cases(shelved.study.slug.clone()).text());
            return Ok(Err(Redirect::to(&to).into_response()));
        };
        let Some(person) = shelved.study.find_person_by_address(&visitor.account.address).cloned() else {
            return Ok(Err(self.bare(StatusCode::FORBIDDEN, "not_staff", headers)));
        };
        let offered = &shelved.study.languages;
        let known = |code: &str| Language::find(code).filter(|language| offered.contains(language));
        let language = wish
            .and_then(known)
            .or(person.language.filter(|language| offered.contains(language)))
            .or_else(|| accepted(headers, offered))
            .or(offered.first().copied())
            .unwrap_or(Language::En);
        let sees = person.roles.iter().any(|role| role.enrolls() || *role == Role::Monitor);
        let room = Room { shelved, visitor, secret, person, language };
        if !sees {
            return Ok(Err(room.told(StatusCode::FORBIDDEN, "no_role")));
        }
        Ok(Ok(room))
    }

    /// A subject of the person's sites; whoever asks for another is told the same as for one that there is not.
    async fn subject(&self, room: &Room, number: &str) -> Result<Result<SubjectRow, Response>, Failure> {
        let number = number.parse::<i64>().ok();
        let found = match number {
            Some(number) => subject::find_by_number(self.tools.shelf.store(), room.shelved.id, number).await?,
            None => None,
        };
        let found = found.filter(|subject| room.person.acts_for(&subject.site));
        Ok(found.ok_or_else(|| room.told(StatusCode::NOT_FOUND, "no_case")))
    }

    fn bare(&self, status: StatusCode, key: &str, headers: &HeaderMap) -> Response {
        let language = accepted(headers, &Language::ALL).unwrap_or(Language::En);
        let facts = json!({
            "study": { "title": self.tools.desk.display, "tag": "", "test": false }, "title": "", "languages": [], "several": false,
            "path": "", "guard": null, "leave": null, "answering": false, "number": 1, "of": 1, "home": "/account", "trail": [],
            "told": PAGES.word(language, key, &[]),
        });
        PAGES.respond(status, language, "told", facts)
    }

    fn answer(&self, made: Result<Response, Failure>, headers: &HeaderMap) -> Response {
        made.unwrap_or_else(|failure| {
            tracing::error!(%failure, "a page of the staff failed");
            self.bare(StatusCode::SERVICE_UNAVAILABLE, "unavailable", headers)
        })
    }
}

/// Whether a form came from our own page in this session.
fn is_ours(room: &Room, guard: Option<&str>) -> bool {
    guard.is_some_and(|guard| room.secret.guard().as_bytes().ct_eq(guard.as_bytes()).into())
}

fn put(facts: &mut Value, key: &str, value: Value) {
    super::questionnaire::filled::put(facts, key, value);
}
