//! The post office: the demonstration's page of mails in and out, with a form to write another.
//!
//! Shows whole mails to whoever opens it, so it is served by `hagaki demo` alone, on loopback.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use handlebars::Handlebars;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::language::Language;
use crate::domain::time::Zone;
use crate::letters::opened;
use crate::limits;
use crate::store::{Store, inbox, outbox};

/// Somebody the visitor can write as.
#[derive(Clone, Debug, Serialize)]
pub struct Writer {
    /// Value in the form.
    pub key: String,
    /// As letters greet them.
    pub name: String,
    /// Address the mail is from.
    pub address: String,
    /// Tag of their study.
    pub study: String,
    /// Their role.
    pub role: String,
}

/// A mail to start from.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Value in the link.
    pub key: String,
    /// Name of the link.
    pub name: String,
    /// Key of its writer.
    pub writer: String,
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
    /// Subject line.
    pub subject: String,
    /// Text.
    pub body: String,
}

/// Puts a written mail into the mailbox.
pub type Deliver = Arc<dyn Fn(Written) -> std::io::Result<()> + Send + Sync>;

/// What the page shows and does.
#[derive(Clone)]
pub struct PostOffice {
    /// Mails and letters.
    pub store: Store,
    /// Service address.
    pub address: String,
    /// The mailbox's folder, for mails of the visitor's own.
    pub folder: String,
    /// Who can be written as.
    pub writers: Vec<Writer>,
    /// What to start from.
    pub samples: Vec<Sample>,
    /// Zone of the times shown.
    pub zone: Zone,
    /// Takes a written mail.
    pub deliver: Deliver,
    /// Proof that a posted form came from this page: another site cannot read it.
    pub guard: String,
    pages: Arc<Handlebars<'static>>,
}

impl PostOffice {
    /// The page; its templates are compiled once.
    ///
    /// # Errors
    /// A template of ours is broken.
    #[expect(clippy::too_many_arguments, reason = "they are the fields")]
    pub fn new(
        store: Store,
        address: String,
        folder: String,
        writers: Vec<Writer>,
        samples: Vec<Sample>,
        zone: Zone,
        deliver: Deliver,
        guard: String,
    ) -> Result<PostOffice, Box<handlebars::TemplateError>> {
        let mut pages = Handlebars::new();
        pages.set_strict_mode(true);
        pages
            .register_template_string("en", include_str!("../../templates/pages/en/post_office.hbs"))
            .map_err(Box::new)?;
        pages
            .register_template_string("ja", include_str!("../../templates/pages/ja/post_office.hbs"))
            .map_err(Box::new)?;
        Ok(PostOffice { store, address, folder, writers, samples, zone, deliver, guard, pages: Arc::new(pages) })
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(show).post(write))
            .route("/post-office/count", get(count))
            .route(
                "/post-office.css",
                get(|| async { asset("text/css", include_str!("../../templates/pages/post_office.css")) }),
            )
            .route(
                "/post-office.js",
                get(|| async { asset("text/javascript", include_str!("../../templates/pages/post_office.js")) }),
            )
            .with_state(self)
    }

    async fn exchanges(&self) -> Result<Vec<Value>, crate::store::StoreError> {
        let mut exchanges = Vec::new();
        for (place, mail) in
            inbox::list(&self.store, inbox::Which::All, None, limits::POST_OFFICE_MAILS).await?.into_iter().enumerate()
        {
            let read: Value =
                mail.reading.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
            let mut letters = Vec::new();
            for letter in outbox::find_by_inbox(&self.store, mail.id).await? {
                let open = opened::open(&outbox::find_raw(&self.store, letter.id).await?.unwrap_or_default());
                letters.push(json!({ "recipient": letter.recipient, "kind": letter.kind, "state": letter.state.key(),
                                     "subject": open.subject, "text": open.text }));
            }
            let text = |key: &str| read.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
            let fields: Vec<Value> = read
                .get("fields")
                .and_then(Value::as_object)
                .map(|fields| fields.iter().map(|(item, value)| json!({ "item": item, "value": value })).collect())
                .unwrap_or_default();
            exchanges.push(json!({
                "id": mail.id,
                "newest": place == 0,
                "subject": text("subject"),
                "sender": text("sender"),
                "text": text("text"),
                "received": mail.received_at.local(self.zone),
                "decided": mail.state != inbox::State::New,
                "disposition": mail.disposition,
                "reason": mail.reason,
                "fields": fields,
                "faults": read.get("faults").cloned().unwrap_or_else(|| json!([])),
                "letters": letters,
            }));
        }
        Ok(exchanges)
    }
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))], text)
}

#[derive(Debug, Deserialize)]
struct Wish {
    lang: Option<String>,
    sample: Option<String>,
}

async fn show(State(office): State<PostOffice>, Query(wish): Query<Wish>) -> Response {
    let language = wish.lang.as_deref().and_then(Language::find).unwrap_or(Language::En);
    let sample = wish
        .sample
        .and_then(|key| office.samples.iter().find(|sample| sample.key == key).cloned())
        .or_else(|| office.samples.first().cloned());
    let writers: Vec<Value> = office
        .writers
        .iter()
        .map(|writer| {
            let chosen = sample.as_ref().is_some_and(|sample| sample.writer == writer.key);
            json!({ "key": writer.key, "name": writer.name, "address": writer.address, "study": writer.study,
                    "role": writer.role, "chosen": chosen })
        })
        .collect();
    let exchanges = match office.exchanges().await {
        Ok(exchanges) => exchanges,
        Err(error) => {
            tracing::error!(%error, "the post office cannot read the store");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let count = total(&office).await;
    let facts = json!({
        "address": office.address, "folder": office.folder, "writers": writers, "samples": office.samples,
        "draft": sample, "exchanges": exchanges, "count": count, "guard": office.guard,
    });
    match office.pages.render(language.code(), &facts) {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::error!(%error, "the post office page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn total(office: &PostOffice) -> String {
    // Letters count too, so that the visitor hears of an answer as well as of a mail.
    match (inbox::count(&office.store).await, outbox::count(&office.store).await) {
        (Ok(mails), Ok(letters)) => format!("{mails}-{letters}"),
        _ => String::new(),
    }
}

async fn count(State(office): State<PostOffice>) -> String {
    total(&office).await
}

#[derive(Debug, Deserialize)]
struct Posted {
    lang: String,
    guard: String,
    writer: String,
    subject: String,
    body: String,
}

async fn write(State(office): State<PostOffice>, Form(posted): Form<Posted>) -> Response {
    let writer = office.writers.iter().find(|writer| writer.key == posted.writer);
    let (Some(writer), true) = (writer, posted.guard == office.guard) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let written = Written {
        from: writer.address.clone(),
        name: writer.name.clone(),
        subject: posted.subject.chars().filter(|c| !c.is_control()).collect(),
        body: posted.body,
    };
    let before = total(&office).await;
    if let Err(error) = (office.deliver)(written) {
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
    let language = Language::find(&posted.lang).unwrap_or(Language::En);
    Redirect::to(&format!("/?lang={language}#news")).into_response()
}

async fn waiting(office: &PostOffice) -> bool {
    let mails = inbox::list(&office.store, inbox::Which::All, None, 1).await.unwrap_or_default();
    mails.first().is_some_and(|mail| mail.state == inbox::State::New)
}
