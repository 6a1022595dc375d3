//! The pages of an election: the ballots behind a voter's link, and what everybody may know.
//!
//! A link is the capability, as in surveys: whoever has it may vote, so its pages need no cookie. A member with an account comes to the same
//! pages by signing in. A GET changes nothing. What is marked travels with the page until it is cast: it stands in no address, header,
//! log or session, and the server keeps nothing of it before.

mod ballot;
mod booth;
mod check;
mod marked;
mod member;
mod public;
mod result;
mod rules;
mod voter;

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::{Pages, accepted, in_language_of_address};
use super::survey::Tools;
use crate::domain::language::Language;
use crate::domain::study::{Role, Stage, Study};
use crate::letters::facts::Contact;
use crate::workflow::Failure;

/// Compiled when the first page is asked for: a daemon without elections keeps the memory.
static PAGES: LazyLock<Pages> = LazyLock::new(|| {
    let templates = [
        ("top", include_str!("../../templates/pages/survey/top.hbs")),
        ("bottom", include_str!("../../templates/pages/survey/bottom.hbs")),
        ("candidate", include_str!("../../templates/pages/election/candidate.hbs")),
        ("carried", include_str!("../../templates/pages/election/carried.hbs")),
        ("marks", include_str!("../../templates/pages/election/marks.hbs")),
        ("ballot", include_str!("../../templates/pages/election/ballot.hbs")),
        ("check", include_str!("../../templates/pages/election/check.hbs")),
        ("receipt", include_str!("../../templates/pages/election/receipt.hbs")),
        ("held", include_str!("../../templates/pages/election/held.hbs")),
        ("about", include_str!("../../templates/pages/election/about.hbs")),
        ("result", include_str!("../../templates/pages/election/result.hbs")),
    ];
    let words = [
        (Language::En, include_str!("../../templates/pages/en/election.toml")),
        (Language::Ja, include_str!("../../templates/pages/ja/election.toml")),
    ];
    Pages::load(&templates, &words).expect("a test renders every page")
});

/// The pages of elections.
#[derive(Clone)]
pub struct ElectionPages {
    tools: Tools,
}

/// What a link may carry.
#[derive(Debug, Default, Deserialize)]
struct Wish {
    lang: Option<String>,
    /// What became of a vote that was just sent.
    done: Option<String>,
}

impl ElectionPages {
    /// The pages, which work with what those of surveys do.
    pub fn new(tools: Tools) -> ElectionPages {
        ElectionPages { tools }
    }

    /// Their routes; the style is that of the surveys' pages.
    pub fn router(self) -> Router {
        let (own, url) = (self.clone(), self.tools.desk.public_url.clone());
        let pages = Router::new()
            .route("/v/{secret}", get(booth::open).post(booth::send))
            .route("/e/{slug}", get(public::show))
            .route("/e/{slug}/vote", get(member::open).post(member::send))
            .route("/e/{slug}/pictures/{name}", get(public::picture))
            .route("/e/{slug}/files/{name}", get(public::file))
            .with_state(self);
        let bare = move |status, headers: &HeaderMap| own.bare(status, "elsewhere", headers);
        in_language_of_address(super::same_site::own_pages_only(pages, url, bare))
    }

    /// What is no page of ours: nothing is told but that.
    fn stranger(&self, headers: &HeaderMap) -> Response {
        self.bare(StatusCode::NOT_FOUND, "unknown", headers)
    }

    fn unavailable(&self, failure: &Failure, headers: &HeaderMap) -> Response {
        tracing::error!(%failure, "a page of an election failed");
        self.bare(StatusCode::SERVICE_UNAVAILABLE, "unavailable", headers)
    }

    /// A page that is no election's, and says one thing.
    fn bare(&self, status: StatusCode, key: &str, headers: &HeaderMap) -> Response {
        let language = accepted(headers, &Language::ALL).unwrap_or(Language::En);
        let mut facts = bare_head("", language);
        put(&mut facts, "why", json!(PAGES.word(language, key, &[])));
        PAGES.respond(status, language, "held", facts)
    }
}

/// What a page states that is made without knowing whose, or of which election.
fn bare_head(path: &str, language: Language) -> Value {
    json!({
        "study": { "title": "hagaki", "tag": "", "test": false }, "title": PAGES.word(language, "not_here", &[]), "languages": [],
        "several": false, "path": path, "guard": Value::Null, "leave": Value::Null, "answering": false, "number": 1, "of": 1,
        "others": false, "signs_in": Value::Null, "contests": [], "retry": false, "unsure": false, "fields": [], "about": Value::Null,
    })
}

/// What every page of an election states; `path` is its address.
fn head(study: &Study, stage: Stage, title: &str, path: &str, language: Language) -> Value {
    let link = |other: &Language| {
        json!({ "code": other.code(), "link": format!("{path}?lang={}", other.code()), "chosen": *other == language,
                "name": match other { Language::En => "English", Language::Ja => "日本語" } })
    };
    json!({
        "study": { "title": study.title.in_language(language), "tag": study.tag, "test": stage == Stage::Development },
        "title": title, "languages": study.languages.iter().map(link).collect::<Vec<Value>>(),
        "several": study.languages.len() > 1, "path": path, "guard": Value::Null, "leave": Value::Null, "answering": false,
        "number": 1, "of": 1, "contact": contact(study, language), "about": about(study),
    })
}

/// Where everybody may look at an election.
fn about(study: &Study) -> String {
    format!("/e/{}", study.slug)
}

/// Whom voters write to: the first of the committee.
fn contact(study: &Study, language: Language) -> Option<Contact> {
    let person = study.people.iter().find(|person| person.has(Role::Manager))?;
    Some(Contact { name: person.name.in_language(language).to_string(), address: person.addresses.first()?.clone() })
}

/// The language of a page: chosen by link, else the voter's, else the browser's, else the study's first.
fn language(study: &Study, own: Option<Language>, chosen: Option<&str>, headers: &HeaderMap) -> Language {
    let offered = &study.languages;
    let of_study = |language: &Language| offered.contains(language);
    chosen
        .and_then(Language::find)
        .filter(of_study)
        .or(own.filter(of_study))
        .or_else(|| accepted(headers, offered))
        .or(offered.first().copied())
        .unwrap_or(Language::En)
}

fn put(facts: &mut Value, key: &str, value: Value) {
    if let Some(object) = facts.as_object_mut() {
        object.insert(key.to_string(), value);
    }
}
