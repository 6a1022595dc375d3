//! The page that invitations and reminders lead to for whoever wants no more of them, and the button that mail programs show for it
//! (RFC 8058).
//!
//! A GET changes nothing, for whatever looks into mails opens every link. A POST acts at once, wherever it comes from: a provider of mail
//! sends it for its user, with no cookie and from no page of ours. What it needs is the page's name, which nobody guesses. It is answered with
//! the page itself, for providers follow no redirection.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::visit::{head, language};
use super::{PAGES, SurveyPages, Wish};
use crate::domain::language::Language;
use crate::domain::survey::Privacy;
use crate::limits;
use crate::store::opt_out::{Scope, Way};
use crate::store::participant::ParticipantRow;
use crate::web::questionnaire::body::{self, Unread};
use crate::web::questionnaire::filled::put;
use crate::web::questionnaire::posted::Posted;
use crate::workflow::shelf::ShelvedStudy;
use crate::workflow::{Failure, opt_out};

/// Its route.
pub(super) fn router(pages: SurveyPages) -> Router {
    Router::new().route("/u/{name}", get(show).post(act)).with_state(pages)
}

/// Whose page it is, and the study that writes to them.
struct Addressed {
    /// The page's name.
    name: String,
    whose: ParticipantRow,
    shelved: Arc<ShelvedStudy>,
}

impl Addressed {
    fn language(&self, chosen: Option<&str>, headers: &HeaderMap) -> Language {
        language(&self.shelved.study, Some(&self.whose), chosen, headers)
    }
}

/// What a form, or a mail program, asks for.
#[derive(Clone, Copy)]
enum Asked {
    Stop(Scope, Way),
    Resume,
}

fn asked(posted: &Posted) -> Option<Asked> {
    match posted.find("letters") {
        Some("study") => Some(Asked::Stop(Scope::Study, Way::Page)),
        Some("all") => Some(Asked::Stop(Scope::All, Way::Page)),
        Some("again") => Some(Asked::Resume),
        _ => {
            let one_click = posted.find("List-Unsubscribe").is_some_and(|sent| sent.eq_ignore_ascii_case("One-Click"));
            one_click.then_some(Asked::Stop(Scope::Study, Way::OneClick))
        }
    }
}

async fn show(
    State(pages): State<SurveyPages>,
    Path(name): Path<String>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let Some(addressed) = pages.addressed(name).await? else { return Ok(pages.stranger(&headers)) };
        let language = addressed.language(wish.lang.as_deref(), &headers);
        pages.letters(&addressed, language, StatusCode::OK, false).await
    };
    let shown: Result<Response, Failure> = shown.await;
    shown.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}

async fn act(
    State(pages): State<SurveyPages>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let acted = async {
        let Some(mut addressed) = pages.addressed(name).await? else { return Ok(pages.stranger(&headers)) };
        let posted = match body::read(request, 0, None).await {
            Ok(posted) => posted,
            Err(Unread::Refused(status)) => return Ok(pages.bare(status, Unread::word(status), &headers)),
            Err(Unread::Failed(failure)) => return Err(failure),
        };
        let language = addressed.language(posted.language(), &headers);
        let Some(asked) = asked(&posted) else {
            return pages.letters(&addressed, language, StatusCode::BAD_REQUEST, false).await;
        };
        pages.settle(&mut addressed, asked).await?;
        pages.letters(&addressed, language, StatusCode::OK, true).await
    };
    let acted: Result<Response, Failure> = acted.await;
    acted.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}

impl SurveyPages {
    async fn addressed(&self, name: String) -> Result<Option<Addressed>, Failure> {
        let found = opt_out::find(self.tools.shelf.store(), &self.tools.keys.address, &name).await?;
        let Some(whose) = found else { return Ok(None) };
        let shelved = self.tools.shelf.find_by_id(whose.study_id).await?;
        Ok(Some(Addressed { name, whose, shelved }))
    }

    /// Does what is asked for; a mail program asks once, so that a study that was amended in that moment is looked at again.
    async fn settle(&self, addressed: &mut Addressed, asked: Asked) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            let Addressed { whose, shelved, .. } = &*addressed;
            let (shelf, means) = (&self.tools.shelf, self.tools.means());
            let done = match asked {
                Asked::Stop(scope, way) => opt_out::stop(shelf, shelved, means, whose, (scope, way)).await,
                Asked::Resume => opt_out::resume(shelf, shelved, means, whose).await,
            };
            match done {
                Ok(_) => return Ok(()),
                Err(Failure::Store(error)) if error.is_transient() && tries < limits::OPT_OUT_TRIES => tries += 1,
                Err(failure) => return Err(failure),
            }
            addressed.shelved = self.tools.shelf.find_by_id(addressed.whose.study_id).await?;
        }
    }

    /// The page as things stand.
    async fn letters(
        &self,
        Addressed { name, whose, shelved }: &Addressed,
        language: Language,
        status: StatusCode,
        done: bool,
    ) -> Result<Response, Failure> {
        let scope = opt_out::of(self.tools.shelf.store(), &self.tools.keys.address, whose).await?;
        let study = &shelved.study;
        let nobodys = study.survey.as_ref().is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous);
        let mut facts = head((study, shelved.stage), &format!("/u/{name}"), None, language);
        put(&mut facts, "title", json!(PAGES.word(language, "letters_title", &[])));
        put(&mut facts, "stopped", json!(scope.is_some()));
        put(&mut facts, "all", json!(scope == Some(Scope::All)));
        put(&mut facts, "address", json!(!whose.address.is_empty()));
        put(&mut facts, "nobodys", json!(nobodys));
        put(&mut facts, "done", json!(done));
        Ok(PAGES.respond(status, language, "letters", facts))
    }
}
