//! The post office: the demonstration's page of mails in and out, with a form to write another.
//!
//! Shows whole mails to whoever opens it, so it is served by `hagaki demo` alone, on loopback, behind
//! [`guard::loopback_only`]. Works without scripts.

mod page;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use handlebars::Handlebars;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::guard;
use crate::domain::language::{Language, Text};
use crate::domain::time::Zone;
use crate::letters::opened;
use crate::limits;
use crate::store::{Store, StoreError, inbox, outbox};
use crate::workflow::shelf::Shelf;
use words::Words;

/// Somebody the visitor can write as.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Value in the form.
    pub key: String,
    /// Their name.
    pub name: Text,
    /// Address the mail is from.
    pub address: String,
    /// Tag of their study.
    pub study: String,
    /// Keys of their roles.
    pub roles: Vec<String>,
}

/// A mail to start from.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Value in the link.
    pub key: String,
    /// Name of the link.
    pub name: Text,
    /// Key of its writer.
    pub writer: String,
    /// Address it is to.
    pub to: String,
    /// Subject line.
    pub subject: String,
    /// Text.
    pub body: String,
}

/// A mail as the visitor wrote it.
#[derive(Clone, Debug)]
pub struct Written {
    /// Address of the chosen writer.
    pub from: String,
    /// Their name.
    pub name: String,
    /// Address of ours.
    pub to: String,
    /// Subject line, one line.
    pub subject: String,
    /// Text.
    pub body: String,
    /// Message-ID of the letter it answers.
    pub in_reply_to: Option<String>,
}

/// Puts a written mail into the mailbox.
pub type Deliver = Arc<dyn Fn(Written) -> std::io::Result<()> + Send + Sync>;

/// Says whether an address is one of ours, and safe to stand in a header.
pub type IsOurs = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What the page shows and does.
#[derive(Clone)]
pub struct Rooms {
    /// Mails and letters.
    pub store: Store,
    /// Studies, for the labels of what was read.
    pub shelf: Arc<Shelf>,
    /// Service address.
    pub address: String,
    /// Folder for mail files of the visitor's own.
    pub drop: String,
    /// Who can be written as.
    pub writers: Vec<Writer>,
    /// What to start from.
    pub samples: Vec<Sample>,
    /// Zone of the times shown.
    pub zone: Zone,
    /// Takes a written mail.
    pub deliver: Deliver,
    /// Judges the address a mail is to.
    pub is_ours: IsOurs,
    /// Proof that a posted form came from this page: another site cannot read it.
    pub guard: String,
}

/// The page.
#[derive(Clone)]
pub struct PostOffice {
    rooms: Arc<Rooms>,
    words: Arc<Words>,
    pages: Arc<Handlebars<'static>>,
}

/// Why the page cannot be built: a file of ours is broken.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A template.
    #[error(transparent)]
    Template(#[from] Box<handlebars::TemplateError>),
    /// The words.
    #[error(transparent)]
    Words(#[from] toml::de::Error),
}

impl PostOffice {
    /// The page; its templates are compiled once.
    ///
    /// # Errors
    /// A template or a words file of ours is broken.
    pub fn new(rooms: Rooms) -> Result<PostOffice, PageError> {
        let mut pages = Handlebars::new();
        pages.set_strict_mode(true);
        pages
            .register_template_string("en", include_str!("../../templates/pages/en/post_office.hbs"))
            .map_err(Box::new)?;
        pages
            .register_template_string("ja", include_str!("../../templates/pages/ja/post_office.hbs"))
            .map_err(Box::new)?;
        Ok(PostOffice { rooms: Arc::new(rooms), words: Arc::new(Words::load()?), pages: Arc::new(pages) })
    }

    /// Its routes.
    pub fn router(self) -> Router {
        let style = || async { asset("text/css", include_str!("../../templates/pages/post_office.css")) };
        let script = || async { asset("text/javascript", include_str!("../../templates/pages/post_office.js")) };
        Router::new()
            .route("/", get(show).post(write))
            .route("/post-office/count", get(count))
            .route("/letters/{id}/html", get(letter_html))
            .route("/post-office.css", get(style))
            .route("/post-office.js", get(script))
            .with_state(self)
    }

    /// The draft a link asks for: a reply to a letter, a sample, or the first sample.
    async fn draft(&self, wish: &Wish) -> Result<Draft, StoreError> {
        if let Some(id) = wish.reply()
            && let Some(letter) = outbox::find(&self.rooms.store, id).await?
        {
            let open = opened::open(&outbox::find_raw(&self.rooms.store, id).await?.unwrap_or_default());
            let writer = self.rooms.writers.iter().find(|writer| writer.address == letter.recipient);
            return Ok(Draft {
                writer: writer.map_or_else(String::new, |writer| writer.key.clone()),
                to: open.reply_to.unwrap_or_else(|| self.rooms.address.clone()),
                subject: format!("Re: {}", open.subject),
                body: String::new(),
                reply: Some(id),
                sample: String::new(),
            });
        }
        let named = |sample: &&Sample| wish.sample.as_deref() == Some(sample.key.as_str());
        let sample = self.rooms.samples.iter().find(named).or_else(|| self.rooms.samples.first());
        Ok(sample.map_or_else(Draft::default, |sample| Draft {
            writer: sample.writer.clone(),
            to: sample.to.clone(),
            subject: sample.subject.clone(),
            body: sample.body.clone(),
            reply: None,
            sample: sample.key.clone(),
        }))
    }

    async fn render(&self, wish: &Wish, draft: &Draft, problem: Option<&str>) -> Result<String, StoreError> {
        let language = wish.language();
        let rooms = &self.rooms;
        let writers: Vec<Value> = rooms
            .writers
            .iter()
            .map(|writer| {
                let roles = writer.roles.iter().map(|role| self.words.word(language, "role", role));
                json!({ "key": writer.key, "name": writer.name.in_language(language), "address": writer.address,
                        "study": writer.study, "roles": roles.collect::<Vec<_>>(), "chosen": draft.writer == writer.key })
            })
            .collect();
        let samples: Vec<Value> = rooms
            .samples
            .iter()
            .map(|sample| {
                let link = wish.link(language, &[("sample", &sample.key)]);
                json!({ "name": sample.name.in_language(language), "link": link, "chosen": draft.sample == sample.key })
            })
            .collect();
        let exchanges = page::exchanges(self, language, wish.since()).await?;
        let newest = exchanges.first().and_then(|mail| mail.get("id")).and_then(Value::as_i64).unwrap_or(0);
        let links = |language: Language| wish.link(language, &wish.place());
        let facts = json!({
            "address": rooms.address, "drop": rooms.drop, "writers": writers, "samples": samples,
            "draft": { "to": draft.to, "subject": draft.subject, "body": draft.body, "reply": draft.reply },
            "problem": problem.map(|key| self.words.word(language, "problem", key)),
            "exchanges": exchanges, "many": exchanges.len() as i64 >= limits::POST_OFFICE_MAILS,
            "count": total(self).await, "guard": rooms.guard, "newest": newest,
            "english": links(Language::En), "japanese": links(Language::Ja),
            "look": wish.link(language, &[("since", &newest.to_string())]),
            "text_chars": limits::POST_OFFICE_CHARS, "subject_chars": limits::POST_OFFICE_SUBJECT_CHARS,
        });
        Ok(self.pages.render(language.code(), &facts).unwrap_or_else(|error| {
            // A test renders both; a template of ours that fails on real facts is worth a log line and an empty page.
            tracing::error!(%error, "the post office page cannot be rendered");
            String::new()
        }))
    }

    async fn respond(&self, status: StatusCode, wish: &Wish, draft: &Draft, problem: Option<&str>) -> Response {
        match self.render(wish, draft, problem).await {
            Ok(page) if page.is_empty() => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Ok(page) => (status, Html(page)).into_response(),
            Err(error) => unreadable(&error),
        }
    }
}

fn unreadable(error: &StoreError) -> Response {
    tracing::error!(%error, "the post office cannot read the store");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))], text)
}

/// What the form holds.
#[derive(Clone, Debug, Default)]
struct Draft {
    writer: String,
    to: String,
    subject: String,
    body: String,
    /// The letter that is replied to.
    reply: Option<i64>,
    sample: String,
}

/// What a link asks for. Numbers are texts, so that a mistyped one is passed over.
#[derive(Clone, Debug, Default, Deserialize)]
struct Wish {
    lang: Option<String>,
    sample: Option<String>,
    reply: Option<String>,
    since: Option<String>,
}

impl Wish {
    fn language(&self) -> Language {
        self.lang.as_deref().and_then(Language::find).unwrap_or(Language::En)
    }

    fn reply(&self) -> Option<i64> {
        self.reply.as_deref()?.parse().ok()
    }

    fn since(&self) -> Option<i64> {
        self.since.as_deref()?.parse().ok()
    }

    /// What another language's link keeps.
    fn place(&self) -> Vec<(&str, &str)> {
        let kept = [("sample", &self.sample), ("reply", &self.reply), ("since", &self.since)];
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        kept.into_iter().filter_map(|(key, value)| Some((key, value.as_deref().filter(|text| plain(text))?))).collect()
    }

    fn link(&self, language: Language, kept: &[(&str, &str)]) -> String {
        let kept: String = kept.iter().map(|(key, value)| format!("&{key}={value}")).collect();
        format!("/?lang={language}{kept}")
    }
}

async fn show(State(office): State<PostOffice>, Query(mut wish): Query<Wish>, headers: HeaderMap) -> Response {
    wish.lang = wish.lang.or_else(|| preferred(&headers));
    match office.draft(&wish).await {
        Ok(draft) => office.respond(StatusCode::OK, &wish, &draft, None).await,
        Err(error) => unreadable(&error),
    }
}

/// The language a browser asks for first, if it is one of ours (RFC 9110 section 12.5.4).
fn preferred(headers: &HeaderMap) -> Option<String> {
    let first = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?.split([',', ';', '-']).next()?;
    Language::find(first.trim()).map(|language| language.code().to_string())
}

async fn total(office: &PostOffice) -> String {
    // Letters count too, so that the visitor hears of an answer as well as of a mail.
    match (inbox::count(&office.rooms.store).await, outbox::count(&office.rooms.store).await) {
        (Ok(mails), Ok(letters)) => format!("{mails}-{letters}"),
        _ => String::new(),
    }
}

async fn count(State(office): State<PostOffice>) -> String {
    total(&office).await
}

/// A letter's HTML part by itself, for a frame that may do nothing.
async fn letter_html(State(office): State<PostOffice>, Path(id): Path<i64>) -> Response {
    match outbox::find_raw(&office.rooms.store, id).await {
        Ok(raw) => match opened::open(&raw.unwrap_or_default()).html {
            Some(html) => ([(header::CONTENT_SECURITY_POLICY, guard::LETTER_POLICY)], Html(html)).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Err(error) => unreadable(&error),
    }
}

#[derive(Debug, Deserialize)]
struct Posted {
    lang: String,
    guard: String,
    writer: String,
    to: String,
    subject: String,
    body: String,
    #[serde(default)]
    reply: String,
}

async fn write(State(office): State<PostOffice>, Form(posted): Form<Posted>) -> Response {
    let wish = Wish { lang: Some(posted.lang.clone()), ..Wish::default() };
    let draft = Draft {
        writer: posted.writer.clone(),
        to: posted.to.trim().to_string(),
        subject: posted.subject.chars().filter(|c| !c.is_control()).collect(),
        body: posted.body,
        reply: posted.reply.parse().ok(),
        sample: String::new(),
    };
    let refuse = async |status, problem| office.respond(status, &wish, &draft, Some(problem)).await;
    if !bool::from(posted.guard.as_bytes().ct_eq(office.rooms.guard.as_bytes())) {
        return refuse(StatusCode::FORBIDDEN, "stale").await;
    }
    let Some(writer) = office.rooms.writers.iter().find(|writer| writer.key == draft.writer) else {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "writer").await;
    };
    if !(office.rooms.is_ours)(&draft.to) {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "to").await;
    }
    if draft.body.chars().count() > limits::POST_OFFICE_CHARS
        || draft.subject.chars().count() > limits::POST_OFFICE_SUBJECT_CHARS
    {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "long").await;
    }
    let (before, newest) = (total(&office).await, newest(&office).await);
    let written = Written {
        from: writer.address.clone(),
        name: writer.name.in_language(wish.language()).to_string(),
        to: draft.to.clone(),
        subject: draft.subject.clone(),
        body: draft.body.clone(),
        in_reply_to: answered(&office, draft.reply).await,
    };
    if let Err(error) = (office.rooms.deliver)(written) {
        tracing::error!(%error, "the mail cannot be put into the mailbox");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    // Most answers are there within a blink; the page shows the rest when it is loaded again.
    let patience = tokio::time::Duration::from_millis(limits::POST_OFFICE_PATIENCE_MS);
    let _ = tokio::time::timeout(patience, async {
        while total(&office).await == before || waiting(&office).await {
            tokio::time::sleep(tokio::time::Duration::from_millis(25)).await;
        }
    })
    .await;
    Redirect::to(&format!("{}#mails", wish.link(wish.language(), &[("since", &newest.to_string())]))).into_response()
}

/// Message-ID of the letter that is replied to.
async fn answered(office: &PostOffice, letter: Option<i64>) -> Option<String> {
    let letter = outbox::find(&office.rooms.store, letter?).await.ok()??;
    Some(letter.message_id.trim_matches(['<', '>']).to_string())
}

async fn newest(office: &PostOffice) -> i64 {
    let mails = inbox::list(&office.rooms.store, inbox::Which::All, None, 1).await.unwrap_or_default();
    mails.first().map_or(0, |mail| mail.id)
}

/// Whether the newest mail is undecided, or an answer to it has not left.
async fn waiting(office: &PostOffice) -> bool {
    let mails = inbox::list(&office.rooms.store, inbox::Which::All, None, 1).await.unwrap_or_default();
    let Some(mail) = mails.first() else { return false };
    let letters = outbox::find_by_inbox(&office.rooms.store, mail.id).await.unwrap_or_default();
    mail.state == inbox::State::New || letters.iter().any(|letter| letter.state == outbox::State::Waiting)
}
