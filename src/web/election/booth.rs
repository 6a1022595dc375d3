//! Voting: the ballots, the marks once more, the vote, the receipt. By a link; [`super::member`] comes to the same by an account.

use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Form, FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};

use super::voter::Voter;
use super::{ElectionPages, PAGES, Wish, ballot, bare_head, check, marked, put};
use crate::domain::language::Language;
use crate::domain::survey::Mark;
use crate::limits;
use crate::store::StoreError;
use crate::store::credential::State as Credential;
use crate::web::failed::Failed;
use crate::web::pages::{FORGET_PAGES, accepted, speaking};
use crate::web::questionnaire::posted::{Posted, Step};
use crate::workflow::Failure;
use crate::workflow::election::cast::{self, Barred, Outcome, Paper};

/// Where a page stands: the ballots, or what was marked.
const AT: &str = "_at";
/// That the voter wants it so.
const KNOWING: &str = "_knowing";

pub(super) async fn open(
    State(pages): State<ElectionPages>,
    Path(secret): Path<String>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    match pages.enter(&secret).await {
        Ok(Some(voter)) => pages.shown(&voter, &wish, &headers),
        Ok(None) => pages.stranger(&headers),
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

pub(super) async fn send(
    State(pages): State<ElectionPages>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let posted = match read(request).await {
        Ok(posted) => posted,
        Err(status) => return pages.unread(status, &headers),
    };
    let headers = speaking(&headers, posted.language());
    match pages.enter(&secret).await {
        Ok(Some(voter)) => pages.sent(&voter, &posted, &headers).await,
        Ok(None) => pages.stranger(&headers),
        Err(failure) => pages.given_back(&Failed::from(failure), &format!("/v/{secret}"), &posted, &headers),
    }
}

/// Reads a posted ballot whole: of one that is cut off the rest would be lost unseen.
pub(super) async fn read(mut request: Request) -> Result<Posted, StatusCode> {
    DefaultBodyLimit::max(limits::ANSWERS_BYTES).apply(&mut request);
    let form: Result<Form<Vec<(String, String)>>, FormRejection> = Form::from_request(request, &()).await;
    match form {
        Ok(Form(fields)) if fields.len() > limits::FORM_FIELDS => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Form(fields)) => Ok(Posted::new(fields)),
        Err(rejection) => Err(rejection.status()),
    }
}

impl ElectionPages {
    /// What was sent and is no ballot of ours.
    pub(super) fn unread(&self, status: StatusCode, headers: &HeaderMap) -> Response {
        let large = status == StatusCode::PAYLOAD_TOO_LARGE;
        self.bare(status, if large { "body_large" } else { "body_broken" }, headers)
    }

    pub(super) fn shown(&self, voter: &Voter, wish: &Wish, headers: &HeaderMap) -> Response {
        let language = voter.language(wish.lang.as_deref(), headers);
        if voter.vote_on_file().is_some() {
            return receipt(voter, wish.done.as_deref(), language);
        }
        if let Some(barred) = voter.barred(self.tools.clock.now()) {
            return barred_page(voter, barred, language);
        }
        self.ballot(voter, &Posted::new(Vec::new()), None, None, StatusCode::OK, language)
    }

    /// Takes what was posted as far as it goes.
    pub(super) async fn sent(&self, voter: &Voter, posted: &Posted, headers: &HeaderMap) -> Response {
        let language = voter.language(posted.language(), headers);
        if !voter.guards(posted.guard()) {
            // Made before somebody signed in anew, it may be: nothing is cast, nothing lost, and nothing shown to anybody else.
            match posted.whose() == Some(voter.whose().as_str()) {
                true if posted.only_looks() => {}
                true => return held(voter, posted, ("over_earlier", StatusCode::FORBIDDEN), false, language),
                false => return others(voter, language),
            }
        }
        match self.take(voter, posted, headers).await {
            Ok(taken) => taken,
            Err(Failed { failure, unsure }) => {
                tracing::error!(%failure, unsure, "what was sent to an election could not be taken");
                let word = if unsure { "unsure" } else { "not_now" };
                held(voter, posted, (word, StatusCode::SERVICE_UNAVAILABLE), unsure, language)
            }
        }
    }

    async fn take(&self, voter: &Voter, posted: &Posted, headers: &HeaderMap) -> Result<Response, Failed> {
        let spoken = match posted.step() {
            Step::Speak(language) => Some(language.code()),
            _ => posted.language(),
        };
        let language = voter.language(spoken, headers);
        let mark = posted.mark().unwrap_or_else(|| Mark::new(&*self.tools.dice));
        if let Some(before) = voter.vote_on_file() {
            return Ok(seen(voter, if before.submission == mark { "again" } else { "before" }, language));
        }
        if let Some(barred) = voter.barred(self.tools.clock.now()) {
            return Ok(held_barred(voter, posted, barred, language));
        }
        let sheets = voter.sheets();
        let mut marked = marked::read(&sheets, posted);
        let paper = marked::paper(voter.election(), voter.own(), &mut marked);
        let on_ballot = posted.find(AT) == Some("ballot");
        let ballots = match (posted.step(), paper) {
            (Step::Change(_) | Step::Back, _) => {
                return Ok(self.ballot(voter, posted, Some(mark), None, StatusCode::OK, language));
            }
            (Step::Speak(_), _) if on_ballot => {
                return Ok(self.ballot(voter, posted, Some(mark), None, StatusCode::OK, language));
            }
            (_, Err(wrong)) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                return Ok(self.ballot(voter, posted, Some(mark), Some(wrong), status, language));
            }
            (_, Ok(ballots)) => ballots,
        };
        let checked = |unasked: bool, again: bool, status: StatusCode| {
            let mut facts = check::facts(voter, (&marked, &ballots), posted, &mark, language, unasked);
            put(&mut facts, "again", json!(again));
            PAGES.respond(status, language, "check", facts)
        };
        if posted.step() != Step::Send {
            return Ok(checked(false, false, StatusCode::OK));
        }
        let knowing = posted.find(KNOWING).is_some();
        if !knowing && check::must_know(&marked, &ballots) {
            return Ok(checked(true, false, StatusCode::UNPROCESSABLE_ENTITY));
        }
        let choices = marked::choices(&marked);
        let paper = Paper { credential: voter.credential.id, mark, choices: &choices, knowing };
        match cast::cast(&self.tools.shelf, &voter.shelved, self.tools.means(), paper).await {
            Ok(Outcome::Cast(_)) => Ok(seen(voter, "now", language)),
            Ok(Outcome::Again(_)) => Ok(seen(voter, "again", language)),
            Ok(Outcome::Before(_)) => Ok(seen(voter, "before", language)),
            Ok(Outcome::Spoils(_)) => Ok(checked(true, false, StatusCode::UNPROCESSABLE_ENTITY)),
            Ok(Outcome::Unfit(_)) => {
                let wrong = Some(Some("slip_unread"));
                Ok(self.ballot(voter, posted, Some(mark), wrong, StatusCode::UNPROCESSABLE_ENTITY, language))
            }
            Ok(Outcome::Barred(barred)) => Ok(held_barred(voter, posted, barred, language)),
            // The study was amended since the page was made: it is shown once more, nothing lost.
            Err(Failure::Store(StoreError::Busy(why))) => {
                tracing::info!(why, "a vote is to be sent once more");
                Ok(checked(false, true, StatusCode::CONFLICT))
            }
            Err(failure) => Err(Failed::unsure(failure)),
        }
    }

    /// The page with the ballots; `wrong` where they could not be taken, with the key of what is wrong with all of it, if that is so.
    fn ballot(
        &self,
        voter: &Voter,
        posted: &Posted,
        mark: Option<Mark>,
        wrong: Option<Option<&str>>,
        status: StatusCode,
        language: Language,
    ) -> Response {
        let sheets = voter.sheets();
        let mut marked = marked::read(&sheets, posted);
        // Whoever only came back to mend something is told of slips when they go on.
        let general = match wrong {
            Some(general) => {
                let _told = marked::paper(voter.election(), voter.own(), &mut marked);
                general
            }
            None => {
                marked.iter_mut().for_each(|own| own.slips.clear());
                None
            }
        };
        let mark = mark.unwrap_or_else(|| Mark::new(&*self.tools.dice));
        let facts = ballot::facts(voter, &marked, posted, &mark, language, general);
        PAGES.respond(status, language, "ballot", facts)
    }

    /// What was marked, unseen in a form to go on with it, for whoever sent it: a page that is made without the database.
    pub(super) fn given_back(&self, failed: &Failed, path: &str, posted: &Posted, headers: &HeaderMap) -> Response {
        let Failed { failure, unsure } = failed;
        tracing::error!(%failure, unsure, "what was sent to an election is given back");
        let spoken = posted.language().and_then(Language::find);
        let language = spoken.or_else(|| accepted(headers, &Language::ALL)).unwrap_or(Language::En);
        let mut facts = bare_head(path, language);
        put(&mut facts, "why", json!(PAGES.word(language, "not_now", &[])));
        put(&mut facts, "retry", json!(true));
        put(&mut facts, "fields", kept(posted));
        PAGES.respond(StatusCode::SERVICE_UNAVAILABLE, language, "held", facts)
    }
}

/// Away from the posted form, so that a reload sends nothing again. The address tells what became of it, and neither vote nor receipt.
fn seen(voter: &Voter, done: &str, language: Language) -> Response {
    Redirect::to(&format!("{}?done={done}&lang={}", voter.path, language.code())).into_response()
}

/// The receipt; what the browser kept of the ballots goes.
fn receipt(voter: &Voter, done: Option<&str>, language: Language) -> Response {
    let Some(voted) = voter.vote_on_file() else { return StatusCode::NOT_FOUND.into_response() };
    let key = match done {
        Some("now") => "voted_now",
        Some("again") => "voted_again",
        Some("before") => "voted_before",
        _ => "voted_on_file",
    };
    let mut facts = voter.head("voted", language);
    put(&mut facts, "told", json!(PAGES.word(language, key, &[])));
    put(&mut facts, "receipt", json!(voted.receipt));
    put(&mut facts, "day", json!(voted.day));
    ([FORGET_PAGES], PAGES.respond(StatusCode::OK, language, "receipt", facts)).into_response()
}

/// What a page that holds something back states.
fn holding(voter: &Voter, why: &str, language: Language) -> Value {
    let mut facts = voter.head("held", language);
    for (key, value) in [
        ("why", json!(why)),
        ("others", json!(false)),
        ("signs_in", Value::Null),
        ("contests", json!([])),
        ("retry", json!(false)),
        ("unsure", json!(false)),
        ("fields", json!([])),
    ] {
        put(&mut facts, key, value);
    }
    facts
}

/// Why no vote is taken, where nothing was sent.
fn barred_page(voter: &Voter, barred: Barred, language: Language) -> Response {
    let mut facts = holding(voter, &voter.told(barred, language).0, language);
    put(&mut facts, "title", json!(PAGES.word(language, "not_here", &[])));
    PAGES.respond(StatusCode::FORBIDDEN, language, "held", facts)
}

/// What was marked and is not cast: shown, and carried along.
fn held(
    voter: &Voter,
    posted: &Posted,
    (why, status): (&str, StatusCode),
    unsure: bool,
    language: Language,
) -> Response {
    let told = PAGES.word(language, why, &[]);
    kept_page(voter, posted, (&told, status), (true, unsure), language)
}

fn held_barred(voter: &Voter, posted: &Posted, barred: Barred, language: Language) -> Response {
    let (told, later) = voter.told(barred, language);
    // Whose link was called back is told what they marked all the same: it came from them just now.
    let may_retry = later && voter.credential.state == Credential::Active;
    kept_page(voter, posted, (&told, StatusCode::FORBIDDEN), (may_retry, false), language)
}

fn kept_page(
    voter: &Voter,
    posted: &Posted,
    (why, status): (&str, StatusCode),
    (retry, unsure): (bool, bool),
    language: Language,
) -> Response {
    let sheets = voter.sheets();
    let marked = marked::read(&sheets, posted);
    let mut facts = holding(voter, why, language);
    put(&mut facts, "contests", check::contests(&marked, &[], language));
    put(&mut facts, "retry", json!(retry));
    put(&mut facts, "unsure", json!(unsure));
    put(&mut facts, "fields", kept(posted));
    // A link to the page in another language would leave the marks behind.
    put(&mut facts, "several", json!(false));
    PAGES.respond(status, language, "held", facts)
}

/// Another person's page in this browser.
fn others(voter: &Voter, language: Language) -> Response {
    let mut facts = holding(voter, &PAGES.word(language, "others", &[]), language);
    put(&mut facts, "others", json!(true));
    put(&mut facts, "signs_in", Value::Null);
    PAGES.respond(StatusCode::FORBIDDEN, language, "held", facts)
}

/// Every field but the button's and the session's.
pub(super) fn kept(posted: &Posted) -> Value {
    json!(posted.without_session().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<Value>>())
}
