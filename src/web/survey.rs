//! The questionnaire behind a link: the form, the answers once more, the receipt.
//!
//! A link is the capability: whoever has it may answer, and nobody who has it not can send a form in its name, so its pages
//! need neither cookie nor session. Whoever types a login and a password instead has a session, in a cookie, and a guard in
//! each form. A GET uses nothing up. Answers travel with the page until they are sent; everything works without scripts.

mod enrolling;
mod keeping;
mod mending;
mod opt_out;
mod rehearsal;
mod sign_in;
mod unsent;
mod visit;

pub use rehearsal::rehearse;

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, extract};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::assets;
use super::failed::Failed;
use super::pages::{Pages, accepted, in_language_of_address, speaking};
use super::questionnaire::PIECES;
use super::questionnaire::body::{self, Unread};
use super::questionnaire::filled::{self, Filled};
use super::questionnaire::posted::{Place, Posted, Step};
use super::questionnaire::walk::{self, Next};
use crate::domain::answer::{self, Uploads};
use crate::domain::credential::Secret;
use crate::domain::draft::{DraftKey, DraftKeys};
use crate::domain::file::FileAnswer;
use crate::domain::instrument::Item;
use crate::domain::language::Language;
use crate::domain::survey::Mark;
use crate::domain::time::{Clock, Dice};
use crate::files::Files;
use crate::store::StoreError;
use crate::store::arrival::{self, Arrival};
use crate::store::credential::AnsweredRow;
use crate::store::response::Channel;
use crate::workflow;
use crate::workflow::drafts::Kept;
use crate::workflow::respond::{self, Barred, Outcome, Submission};
use crate::workflow::shelf::Shelf;
use crate::workflow::{DeskAddress, Failure, Keys, Means, drafts, mend, self_enrollment};
use unsent::{Way, Why};
use visit::{Visit, head, read};

/// What the pages work with.
#[derive(Clone)]
pub struct Tools {
    /// Studies.
    pub shelf: Arc<Shelf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For marks and receipts.
    pub dice: Arc<dyn Dice>,
    /// The installation's keys.
    pub keys: Arc<Keys>,
    /// The mailbox that speaks for us, and what links begin with.
    pub desk: DeskAddress,
    /// Where the files of answers lie.
    pub files: Arc<Files>,
    /// Proxies on other machines whose word on where somebody comes from is believed.
    pub proxies: Vec<IpAddr>,
    /// Wakes whoever sends letters.
    pub dispatch_bells: Vec<Arc<Notify>>,
}

impl Tools {
    pub(super) fn means(&self) -> Means<'_> {
        Means { now: self.clock.now(), dice: &*self.dice, keys: &self.keys, desk: &self.desk }
    }

    /// Has the letters leave that were just written.
    pub(super) fn ring(&self) {
        self.dispatch_bells.iter().for_each(|bell| bell.notify_one());
    }
}

/// Compiled when the first page is asked for: a daemon that asks nobody keeps the memory.
static PAGES: LazyLock<Pages> = LazyLock::new(|| {
    let templates = [
        ("form", include_str!("../../templates/pages/survey/form.hbs")),
        ("review", include_str!("../../templates/pages/survey/review.hbs")),
        ("thanks", include_str!("../../templates/pages/survey/thanks.hbs")),
        ("barred", include_str!("../../templates/pages/survey/barred.hbs")),
        ("refused", include_str!("../../templates/pages/survey/refused.hbs")),
        ("sign_in", include_str!("../../templates/pages/survey/sign_in.hbs")),
        ("over", include_str!("../../templates/pages/survey/over.hbs")),
        ("unsent", include_str!("../../templates/pages/survey/unsent.hbs")),
        ("letters", include_str!("../../templates/pages/survey/letters.hbs")),
    ];
    let words = [
        (Language::En, include_str!("../../templates/pages/en/survey.toml")),
        (Language::Ja, include_str!("../../templates/pages/ja/survey.toml")),
    ];
    Pages::load(&[&PIECES[..], &templates[..]].concat(), &words).expect("a test renders every page")
});

/// The questionnaire's pages.
#[derive(Clone)]
pub struct SurveyPages {
    tools: Tools,
}

impl SurveyPages {
    /// The pages.
    pub fn new(tools: Tools) -> SurveyPages {
        SurveyPages { tools }
    }

    /// Their routes.
    pub fn router(self) -> Router {
        let (own, url) = (self.clone(), self.tools.desk.public_url.clone());
        // Providers of mail send for their users, from no page of ours.
        let opt_out = opt_out::router(self.clone());
        let pages = Router::new()
            .route("/a/{secret}", get(open).post(send))
            .route("/s/{slug}", get(sign_in::show).post(sign_in::try_in))
            .route("/s/{slug}/form", get(open_signed_in).post(send_signed_in))
            .route("/s/{slug}/leave", post(sign_in::leave))
            .with_state(self);
        let bare = move |status, headers: &HeaderMap| own.bare(status, "elsewhere", headers);
        in_language_of_address(super::same_site::own_pages_only(pages, url, bare).merge(opt_out))
            .merge(assets::router())
    }

    /// Whom a link lets in; none for what is no link of ours.
    async fn enter(&self, secret: &str) -> Result<Option<Visit>, Failure> {
        let Some(secret) = Secret::parse(secret) else { return Ok(None) };
        let found = arrival::by_link(self.tools.shelf.store(), &secret.link_digest()).await?;
        let Some(arrival) = found else { return Ok(None) };
        self.visit(arrival, format!("/a/{}", secret.text()), None, Some(secret.draft_key())).await
    }

    /// Whom a session lets in; none if it is over, or of another study.
    async fn resume(&self, slug: &str, headers: &HeaderMap) -> Result<Option<Visit>, Failure> {
        if let Some(shelved) = self.survey_of(slug).await?.filter(|shelved| sign_in::is_of_members(shelved)) {
            return self.resume_member(&shelved, headers).await;
        }
        let Some(secret) = self.cookie(headers) else { return Ok(None) };
        let store = self.tools.shelf.store();
        let Some(session) = workflow::sign_in::resume(store, &secret, self.tools.clock.now()).await? else {
            return Ok(None);
        };
        let Some(id) = session.credential_id else { return Ok(None) };
        let Some(arrival) = arrival::by_credential(store, &id).await? else { return Ok(None) };
        let sealed = session.draft_key.as_deref();
        let key = sealed.and_then(|sealed| secret.session_key().unwrap_key(&arrival.credential.id, sealed));
        let visit = self.visit(arrival, format!("/s/{slug}/form"), Some(secret.guard()), key).await?;
        Ok(visit.filter(|visit| visit.row.slug == slug))
    }

    async fn visit(
        &self,
        arrival: Arrival,
        path: String,
        guard: Option<String>,
        own: Option<DraftKey>,
    ) -> Result<Option<Visit>, Failure> {
        let store = self.tools.shelf.store();
        let Arrival { credential, study: row, participant, uses, keeps, keeps_elsewhere } = arrival;
        let shelved = self.tools.shelf.current(row.id, row.bundle_version).await?;
        let Some(survey) = &shelved.study.survey else { return Ok(None) };
        let (ring, named) = (&self.tools.keys.ring, survey.privacy.names());
        let (key, stays) = (DraftKeys::of_way(own, ring, named), named && !ring.is_empty());
        let entrant = match &participant {
            Some(whose) if shelved.study.enrolls_itself() => self_enrollment::find(store, &shelved, whose.id).await?,
            _ => None,
        };
        let holder = match credential.participant_id {
            Some(whose) => [&b"participant"[..], &whose.to_be_bytes()].concat(),
            None => credential.id.0.to_vec(),
        };
        let kept = (keeps, keeps_elsewhere);
        Ok(Some(Visit { path, guard, key, stays, row, shelved, credential, uses, kept, participant, holder, entrant }))
    }
}

/// What a link may carry.
#[derive(Debug, Deserialize)]
struct Wish {
    lang: Option<String>,
    receipt: Option<String>,
    /// Shows that an address with a receipt is ours.
    seal: Option<String>,
    mend: Option<String>,
    enrolled: Option<String>,
    again: Option<String>,
}

async fn open(
    State(pages): State<SurveyPages>,
    Path(secret): Path<String>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    match pages.enter(&secret).await {
        Ok(Some(visit)) => pages.shown(&visit, &wish, &headers).await,
        Ok(None) => pages.stranger(&headers),
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

async fn open_signed_in(
    State(pages): State<SurveyPages>,
    Path(slug): Path<String>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    match pages.resume(&slug, &headers).await {
        Ok(Some(visit)) => pages.shown(&visit, &wish, &headers).await,
        Ok(None) => sign_in::first(&slug),
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

async fn send_signed_in(
    State(pages): State<SurveyPages>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    request: extract::Request,
) -> Response {
    match pages.resume(&slug, &headers).await {
        Ok(Some(visit)) => pages.sent(&visit, request, &headers).await,
        Ok(None) => sign_in::over(&pages, &slug, request, &headers).await,
        Err(failure) => pages.give_back(failure, &format!("/s/{slug}/form"), request, &headers).await,
    }
}

async fn send(
    State(pages): State<SurveyPages>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    request: extract::Request,
) -> Response {
    match pages.enter(&secret).await {
        Ok(Some(visit)) => pages.sent(&visit, request, &headers).await,
        Ok(None) => pages.stranger(&headers),
        Err(failure) => pages.give_back(failure, &format!("/a/{secret}"), request, &headers).await,
    }
}

impl SurveyPages {
    async fn shown(&self, visit: &Visit, wish: &Wish, headers: &HeaderMap) -> Response {
        let shown = self.show(visit, wish, headers).await;
        shown.unwrap_or_else(|failure| self.unavailable(&failure, headers))
    }

    /// Reads what was posted, and takes it as far as it goes.
    async fn sent(&self, visit: &Visit, request: extract::Request, headers: &HeaderMap) -> Response {
        let desk = Some(visit.desk(&self.tools)).filter(|_| visit.takes_files(self.tools.means()));
        let posted = match body::read(request, body::texts(visit.instrument()), desk).await {
            Ok(posted) => posted.without_dropped(visit.instrument()),
            Err(Unread::Refused(status)) => return self.bare(status, Unread::word(status), headers),
            Err(Unread::Failed(failure)) => return self.unread(&failure, headers),
        };
        let headers = &speaking(headers, posted.language());
        if !visit.guards(posted.guard()) {
            // Typed before somebody signed in anew, it may be: nothing is recorded, nothing lost, and nothing shown to anybody else.
            match visit.wrote(self.tools.shelf.store(), &posted).await {
                Ok(true) if posted.only_looks() => {}
                Ok(true) => return self.once_more(&visit.shelved, &posted, "over_earlier", false, headers),
                Ok(false) => return self.others(&visit.shelved, &posted, headers),
                Err(failure) => return self.given_back(&Failed::from(failure), &visit.path, &posted, headers),
            }
        }
        match self.take(visit, &posted, headers).await {
            Ok(taken) => taken,
            Err(Failed { failure, unsure }) => {
                tracing::error!(%failure, unsure, "what was sent to a survey could not be taken");
                let language = visit.language(posted.language(), headers);
                let (word, way) = if unsure { ("unsure", Way::Unsure) } else { ("not_now", Way::Later) };
                let why = Why { told: PAGES.word(language, word, &[]), way };
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let shown = self.unsent(visit, &posted, language, why, (status, &[])).await;
                // Not even that can be shown as a form.
                shown.unwrap_or_else(|failure| {
                    self.given_back(&Failed { failure, unsure }, &visit.path, &posted, headers)
                })
            }
        }
    }

    async fn show(&self, visit: &Visit, wish: &Wish, headers: &HeaderMap) -> Result<Response, Failure> {
        let language = visit.language(wish.lang.as_deref(), headers);
        let (means, survey) = (self.tools.means(), visit.survey());
        if wish.mend.is_some() && mend::may_mend(survey) && visit.barred(means, true).is_none() {
            let sent = mend::sent(self.tools.shelf.store(), survey, &visit.credential).await?;
            if let Some(sent) = sent {
                let answers = serde_json::from_str(&sent.answers).unwrap_or_default();
                let desk = visit.desk(&self.tools);
                let token = |item: &str, file: &FileAnswer| desk.owner.token(means, item, file);
                let posted = Posted::of_answers(visit.instrument(), &answers).with_tokens(visit.instrument(), token);
                let posted = posted.based_on(sent.id.text());
                let files = body::files_of(desk, &posted).await?;
                return Ok(visit.form_page(
                    means,
                    language,
                    (&posted, &files),
                    0,
                    |filled| Filled { mends: true, ..filled },
                    &[],
                ));
            }
        }
        let told = wish.receipt.as_deref().and_then(|receipt| visit.uses.iter().find(|used| used.receipt == receipt));
        let only = visit.uses.first().filter(|_| respond::answers_once(survey, &visit.credential));
        if let Some(used) = told.or(only) {
            let word = match told {
                None if mend::may_mend(survey) => "answered_on_file",
                None => "answered_before",
                Some(_) if wish.again.is_some() => "recorded_again",
                Some(_) => "recorded",
            };
            return Ok(self.thanks(visit, language, used, word));
        }
        if let Some(barred) = visit.barred(means, false) {
            if let Some(kept) = self.kept_back(visit, (wish.lang.as_deref(), headers), barred).await? {
                return Ok(kept);
            }
            return Ok(self.told(visit, language, &Why::barred(visit, language, barred)));
        }
        if let Some(why) = self.shut(visit, language, false) {
            return Ok(self.told(visit, language, &why));
        }
        let told = enrolling::news(visit, wish.enrolled.as_deref(), language);
        let receipt =
            visit.participant.as_ref().and_then(|whose| whose.receipt.as_deref()).filter(|_| !told.is_empty());
        let (keeps, keeps_elsewhere) = visit.kept;
        let (kept, version) = match &visit.key {
            Some(key) if keeps => drafts::find(self.tools.shelf.store(), key, &visit.credential.id).await?,
            _ => (Kept::Nothing, String::new()),
        };
        let (blank, none) = (Posted::new(Vec::new()).knowing(&version), Uploads::new());
        Ok(match kept {
            Kept::Nothing => {
                let earlier = keeps_elsewhere && !visit.stays;
                let more =
                    [("enrolled", json!(told)), ("enrolled_receipt", json!(receipt)), ("earlier", json!(earlier))];
                visit.form_page(means, language, (&blank, &none), 0, |filled| filled, &more)
            }
            Kept::OtherWay => {
                visit.form_page(means, language, (&blank, &none), 0, |filled| filled, &[("other_way", json!(true))])
            }
            Kept::Text(text, day) => {
                let posted = Posted::of_kept(&text).map_or(blank, |posted| posted.knowing(&version));
                // The language that was chosen before it was kept, unless one is chosen now.
                let language = visit.language(wish.lang.as_deref().or(posted.language()), headers);
                let at = match posted.place() {
                    Place::Page(at) => at,
                    Place::Review | Place::Whole => usize::MAX,
                };
                let since = if day.is_empty() { json!(true) } else { json!(day) };
                let files = body::files_of(visit.desk(&self.tools), &posted).await?;
                let more = [("kept_before", since)];
                visit.form_page(means, language, (&posted, &files), at, |filled| filled, &more)
            }
        })
    }

    async fn take(&self, visit: &Visit, posted: &Posted, headers: &HeaderMap) -> Result<Response, Failed> {
        let spoken = match posted.step() {
            Step::Speak(language) => Some(language.code()),
            _ => posted.language(),
        };
        let language = visit.language(spoken, headers);
        let means = self.tools.means();
        let survey = visit.survey();
        let mark = posted.mark().unwrap_or_else(|| Mark::new(means.dice));
        let mends = posted.mends() && mend::may_mend(survey) && !visit.uses.is_empty();
        let before = respond::sent_before(survey, &visit.credential, &visit.uses, &mark);
        if let Some(before) = before.filter(|_| !mends) {
            return Ok(self.settled(visit, &before, language, headers).await);
        }
        if let Some(barred) = visit.barred(means, mends) {
            return Ok(self.held_back(visit, posted, language, barred).await?);
        }
        // The form before it, sent once more; or this one, before there is anybody whom it could be asked.
        if posted.enrolls() != visit.enrolls() {
            return Ok(enrolling::onward(visit, language, enrolling::News::Before));
        }
        if let Some(why) = self.shut(visit, language, posted.step() == Step::Send) {
            return Ok(self.unsent(visit, posted, language, why, (StatusCode::FORBIDDEN, &[])).await?);
        }
        let files = body::files_of(visit.desk(&self.tools), posted).await?;
        let form = read(visit, posted, &files, means);
        let filled = visit.filled(&form, posted, means, language);
        let mut facts = visit.head(language);
        let instrument = visit.instrument();
        let first = answer::pages_asked(instrument, &form).first().copied().unwrap_or(0);
        match (posted.step(), posted.place()) {
            (Step::Keep, place) if !mends => {
                let at = if let Place::Page(at) = place { at } else { first };
                return Ok(self.keep_and_show(visit, &filled, &mark, at).await?);
            }
            (Step::Forget, _) => {
                drafts::forget(&self.tools.shelf, &visit.shelved, &visit.credential).await?;
                return Ok(Redirect::to(&format!("{}?lang={}", visit.path, language.code())).into_response());
            }
            _ => {}
        }
        let next = walk::next(&filled, survey.review || visit.enrolls());
        if mends
            && matches!(next, Next::Review | Next::Send)
            && let Some(overtaken) = self.overtaken(visit, &filled, &mark).await?
        {
            return Ok(overtaken);
        }
        match next {
            Next::Page { status, at, faults, more } => {
                filled.page(&mut facts, &mark, at, &faults, more);
                return Ok(PAGES.respond(status, language, "form", facts));
            }
            Next::Review => {
                filled.review(&mut facts, &mark);
                return Ok(PAGES.respond(StatusCode::OK, language, "review", facts));
            }
            Next::Send => {}
        }
        if visit.enrolls() {
            return self.enroll(visit, &filled, &mark).await.map_err(Failed::unsure);
        }
        let credential = visit.credential.id;
        let submission = Submission { credential, mark, form: &form, language, channel: Channel::Web };
        let done = match mends {
            true => mend::mend(&self.tools.shelf, &visit.shelved, means, submission, Some(posted.base())).await,
            false => respond::submit(&self.tools.shelf, &visit.shelved, means, submission).await,
        };
        match done {
            // The very same answers are on file, whichever page brought them.
            Ok(Outcome::Again(receipt)) if mends => Ok(seen(visit, &Outcome::Recorded(receipt), language)),
            Ok(Outcome::Overtaken) => {
                let overtaken = self.overtaken(visit, &filled, &mark).await?;
                let contradiction = || Failure::Contradiction("a response was overtaken and was not".to_string());
                Ok(overtaken.ok_or_else(contradiction)?)
            }
            Ok(Outcome::Barred(Barred::TooLong)) => {
                let answers = form.canonical();
                let longest = answers.iter().max_by_key(|(_, answer)| answer.len()).map(|(id, _)| id.as_str());
                let holds = |page: &&[Item]| page.iter().any(|item| longest == Some(item.id.as_str()));
                let at = instrument.pages().iter().position(|page| holds(&&page[..])).unwrap_or(first);
                filled.page(&mut facts, &mark, at, &[], false);
                if let Some(object) = facts.as_object_mut() {
                    object.insert("long".to_string(), json!(true));
                }
                Ok(PAGES.respond(StatusCode::UNPROCESSABLE_ENTITY, language, "form", facts))
            }
            Ok(Outcome::Barred(barred)) => Ok(self.unsent_barred(visit, posted, language, barred).await?),
            Ok(sent) => Ok(self.settled(visit, &sent, language, headers).await),
            // The study was amended since the form was read: it is shown again by the new rules, nothing lost.
            Err(Failure::Store(StoreError::Busy(why))) => {
                tracing::info!(why, "a response is to be sent once more");
                filled.page(&mut facts, &mark, first, &[], false);
                if let Some(object) = facts.as_object_mut() {
                    object.insert("again".to_string(), json!(true));
                }
                Ok(PAGES.respond(StatusCode::CONFLICT, language, "form", facts))
            }
            Err(failure) => Err(Failed::unsure(failure)),
        }
    }

    /// Away from a form whose answers are on file, and out of the session where nothing of it may stay.
    async fn settled(&self, visit: &Visit, sent: &Outcome, language: Language, headers: &HeaderMap) -> Response {
        match sent {
            Outcome::Recorded(receipt) | Outcome::Again(receipt) if visit.leaves_no_trace() => {
                let again = matches!(sent, Outcome::Again(_));
                self.answered_and_left(visit, (receipt, again), language, headers).await
            }
            _ => seen(visit, sent, language),
        }
    }

    fn thanks(&self, visit: &Visit, language: Language, used: &AnsweredRow, word: &str) -> Response {
        let mut facts = visit.head(language);
        if let Some(object) = facts.as_object_mut() {
            object.insert("receipt".to_string(), json!(used.receipt));
            object.insert("day".to_string(), json!(used.day));
            object.insert("told".to_string(), json!(PAGES.word(language, word, &[])));
            let may_mend = mend::may_mend(visit.survey()) && visit.barred(self.tools.means(), true).is_none();
            object.insert("may_mend".to_string(), json!(may_mend));
            object.insert("repeated".to_string(), json!(!respond::answers_once(visit.survey(), &visit.credential)));
            let next = match visit.barred(self.tools.means(), false) {
                Some(Barred::Soon(day)) => PAGES.word(language, "next", &[("at", &day.to_string())]),
                _ => String::new(),
            };
            object.insert("next".to_string(), json!(next));
        }
        PAGES.respond(StatusCode::OK, language, "thanks", facts)
    }

    /// A page that says one thing.
    fn told(&self, visit: &Visit, language: Language, why: &Why) -> Response {
        let mut facts = visit.head(language);
        filled::put(&mut facts, "why", json!(why.told));
        PAGES.respond(StatusCode::FORBIDDEN, language, "barred", facts)
    }

    /// What is no link of ours: nothing is told but that.
    fn stranger(&self, headers: &HeaderMap) -> Response {
        self.bare(StatusCode::NOT_FOUND, "unknown", headers)
    }

    fn unavailable(&self, failure: &Failure, headers: &HeaderMap) -> Response {
        tracing::error!(%failure, "a page of a survey failed");
        self.bare(StatusCode::SERVICE_UNAVAILABLE, "unavailable", headers)
    }

    fn bare(&self, status: StatusCode, key: &str, headers: &HeaderMap) -> Response {
        let language = accepted(headers, &Language::ALL).unwrap_or(Language::En);
        let facts = json!({
            "study": { "title": "hagaki", "tag": "", "test": false }, "title": "", "languages": [], "several": false, "path": "",
            "promise": "", "named": false, "guard": Value::Null, "leave": Value::Null, "answering": false, "number": 1, "of": 1, "why": PAGES.word(language, key, &[]),
        });
        PAGES.respond(status, language, "barred", facts)
    }
}

/// Away from the posted form, so that a reload sends nothing again. A receipt is told to whoever sent what it stands for; where other
/// answers count, those that were sent just now are not said to.
fn seen(visit: &Visit, sent: &Outcome, language: Language) -> Response {
    let told = match sent {
        Outcome::Recorded(receipt) => format!("receipt={receipt}&"),
        Outcome::Again(receipt) => format!("receipt={receipt}&again=1&"),
        Outcome::Before(_) | Outcome::Overtaken | Outcome::Barred(_) => String::new(),
    };
    Redirect::to(&format!("{}?{told}lang={}", visit.path, language.code())).into_response()
}
