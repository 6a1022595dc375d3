//! What was typed and is not taken: shown again whole, with what happened and what can be done, so that nothing of it is lost.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::visit::{Visit, read};
use super::{PAGES, SurveyPages};
use crate::domain::credential::Unfit;
use crate::domain::language::Language;
use crate::domain::survey::{Mark, Shut};
use crate::limits;
use crate::store::credential::State;
use crate::web::failed::Failed;
use crate::web::pages::accepted;
use crate::web::questionnaire::body::{self, Unread};
use crate::web::questionnaire::filled;
use crate::web::questionnaire::posted::{Place, Posted, Step};
use crate::workflow::drafts::{self, Keeping, Kept};
use crate::workflow::respond::Barred;
use crate::workflow::{Failure, mend};

/// What can be done with answers that are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Sent later from here.
    Later,
    /// Sent once more from here: nobody knows whether it was recorded.
    Unsure,
    /// Taken along to the link that took this one's place.
    Link,
    /// Nothing more than to be copied.
    Never,
}

/// Why answers are not taken, in words, and what can be done with them.
#[derive(Clone, Debug)]
pub(super) struct Why {
    pub(super) told: String,
    pub(super) way: Way,
}

impl Why {
    /// That of somebody who is barred.
    pub(super) fn barred(visit: &Visit, language: Language, barred: Barred) -> Why {
        let zone = visit.shelved.study.zone;
        let replaced = visit.credential.state == State::Replaced;
        let (key, moment, way) = match barred {
            Barred::Revoked if replaced => ("replaced", String::new(), Way::Link),
            Barred::Revoked => ("revoked", String::new(), Way::Never),
            Barred::Unfit(Unfit::NotYet(from)) => ("not_yet", from.local(zone), Way::Later),
            Barred::Unfit(Unfit::Expired(until)) => ("expired", until.local(zone), Way::Never),
            Barred::Shut(Shut::NotYet(day)) => ("not_open", day.to_string(), Way::Later),
            Barred::Shut(Shut::Over(day)) => ("over", day.to_string(), Way::Never),
            Barred::Paused => ("paused", String::new(), Way::Later),
            Barred::Soon(day) => ("soon", day.to_string(), Way::Later),
            Barred::Closed => ("closed", String::new(), Way::Never),
            Barred::Full => ("full", String::new(), Way::Never),
            Barred::Withdrawn => ("withdrawn", String::new(), Way::Never),
            Barred::TooLong => ("too_long", String::new(), Way::Never),
        };
        Why { told: PAGES.word(language, key, &[("at", &moment)]), way }
    }
}

impl SurveyPages {
    /// The page that shows once more what was typed and not taken; where nothing was typed, one that says why alone.
    pub(super) async fn unsent(
        &self,
        visit: &Visit,
        posted: &Posted,
        language: Language,
        why: Why,
        (status, news): (StatusCode, &[(&str, Value)]),
    ) -> Result<Response, Failure> {
        let means = self.tools.means();
        let files = body::files_of(visit.desk(&self.tools), posted).await?;
        let form = read(visit, posted, &files, means);
        let mut facts = visit.head(language);
        filled::put(&mut facts, "why", json!(why.told));
        let filled = visit.filled(&form, posted, means, language);
        let shown = filled.typed();
        if shown.is_empty() {
            return Ok(PAGES.respond(status, language, "barred", facts));
        }
        let mark = posted.mark().unwrap_or_else(|| Mark::new(means.dice));
        filled.all_carried(&mut facts, &mark);
        let at = match posted.place() {
            Place::Page(at) => json!(at),
            Place::Review | Place::Whole => json!("review"),
        };
        let keeps = visit.key.is_some() && why.way == Way::Later && !posted.mends();
        for (key, value) in [
            ("at", at),
            ("shown", json!(shown)),
            ("later", json!(matches!(why.way, Way::Later | Way::Unsure))),
            ("unsure", json!(why.way == Way::Unsure)),
            ("to_link", json!(why.way == Way::Link)),
            ("keeps", json!(keeps)),
            // A link to the page in another language would leave what was typed behind.
            ("several", json!(false)),
            ("answering", json!(false)),
        ] {
            filled::put(&mut facts, key, value);
        }
        for (key, value) in news {
            filled::put(&mut facts, key, value.clone());
        }
        Ok(PAGES.respond(status, language, "unsent", facts))
    }

    /// What was sent where nobody can tell now who sent it, given back.
    pub(super) async fn give_back(
        &self,
        failure: Failure,
        path: &str,
        request: Request,
        headers: &HeaderMap,
    ) -> Response {
        // Which form it was cannot be told: what was typed comes back whole, as long as any may be.
        match body::read(request, limits::ANSWERS_BYTES, None).await {
            Ok(posted) => self.given_back(&Failed::from(failure), path, &posted, headers),
            Err(Unread::Refused(status)) => self.bare(status, Unread::word(status), headers),
            Err(Unread::Failed(failure)) => self.unread(&failure, headers),
        }
    }

    /// What was typed, unseen in a form to look at it again, for whoever sent it: a page that is made without the database. A session's
    /// form still names whose it is, and has nothing that would let somebody else look.
    pub(super) fn given_back(&self, failed: &Failed, path: &str, posted: &Posted, headers: &HeaderMap) -> Response {
        let Failed { failure, unsure } = failed;
        tracing::error!(%failure, unsure, "what was sent to a survey is given back");
        let spoken = posted.language().and_then(Language::find);
        let language = spoken.or_else(|| accepted(headers, &Language::ALL)).unwrap_or(Language::En);
        let kept: Vec<Value> =
            posted.without_session().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let why = if *unsure { "unsure" } else { "not_taken" };
        let facts = json!({
            "study": { "title": "hagaki", "tag": "", "test": false }, "title": PAGES.word(language, "later", &[]),
            "languages": [], "several": false, "path": path, "promise": "", "named": false, "guard": Value::Null,
            "leave": Value::Null, "answering": false, "number": 1, "of": 1, "why": PAGES.word(language, why, &[]),
            "others": false, "kept": kept, "signs_in": Value::Null, "unsure": unsure,
        });
        PAGES.respond(StatusCode::SERVICE_UNAVAILABLE, language, "over", facts)
    }

    /// What was sent and could not be read.
    pub(super) fn unread(&self, failure: &Failure, headers: &HeaderMap) -> Response {
        tracing::error!(%failure, "what was sent to a survey could not be read");
        self.bare(StatusCode::SERVICE_UNAVAILABLE, "not_read", headers)
    }

    /// The same of somebody who is barred.
    pub(super) async fn unsent_barred(
        &self,
        visit: &Visit,
        posted: &Posted,
        language: Language,
        barred: Barred,
    ) -> Result<Response, Failure> {
        let why = Why::barred(visit, language, barred);
        self.unsent(visit, posted, language, why, (StatusCode::FORBIDDEN, &[])).await
    }

    /// The same of what was posted, which may have said what is to be done with it.
    pub(super) async fn held_back(
        &self,
        visit: &Visit,
        posted: &Posted,
        language: Language,
        barred: Barred,
    ) -> Result<Response, Failure> {
        let why = Why::barred(visit, language, barred);
        match (why.way, posted.step(), posted.other_link()) {
            (Way::Link, _, Some(pasted)) => return self.go_over(visit, posted, pasted, language).await,
            (Way::Later, Step::Keep, _) if !posted.mends() => {
                match self.keep(visit, posted, self.tools.means()).await? {
                    Keeping::Done(version) => {
                        let news = [("kept", json!(true)), ("draft", json!(version))];
                        return self.unsent(visit, posted, language, why, (StatusCode::OK, &news)).await;
                    }
                    Keeping::Newer(version, _) => {
                        let news = [("newer", json!(true)), ("draft", json!(version))];
                        return self.unsent(visit, posted, language, why, (StatusCode::CONFLICT, &news)).await;
                    }
                    Keeping::Not => {}
                }
            }
            _ => {}
        }
        self.unsent(visit, posted, language, why, (StatusCode::FORBIDDEN, &[])).await
    }

    /// What was kept with a link through which nothing is taken now, if it opens anything that was kept.
    pub(super) async fn kept_back(
        &self,
        visit: &Visit,
        (chosen, headers): (Option<&str>, &HeaderMap),
        barred: Barred,
    ) -> Result<Option<Response>, Failure> {
        let Some(key) = &visit.key else { return Ok(None) };
        let found = drafts::find(self.tools.shelf.store(), key, &visit.credential.id).await?;
        let (Kept::Text(text, _), version) = found else { return Ok(None) };
        let Some(posted) = Posted::of_kept(&text).map(|posted| posted.knowing(&version)) else { return Ok(None) };
        let language = visit.language(chosen.or(posted.language()), headers);
        let why = Why::barred(visit, language, barred);
        let news = [("kept_before", json!(true))];
        self.unsent(visit, &posted, language, why, (StatusCode::FORBIDDEN, &news)).await.map(Some)
    }

    /// Takes what was typed along to the link that was pasted in place of this one: to its form, where nothing is sent yet.
    pub(super) async fn go_over(
        &self,
        visit: &Visit,
        posted: &Posted,
        pasted: &str,
        language: Language,
    ) -> Result<Response, Failure> {
        let means = self.tools.means();
        // As a mail shows it: in angle brackets, or at the end of a sentence.
        let around = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '.' | ',' | '。' | '、' | '＜' | '＞');
        let link = pasted.trim_matches(around);
        let secret = link.rsplit('/').next().unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
        let own = |fresh: &Visit| {
            let same = fresh.credential.participant_id == visit.credential.participant_id;
            same && fresh.row.id == visit.row.id && fresh.credential.id != visit.credential.id
        };
        let Some(fresh) = self.enter(secret).await?.filter(own) else {
            let why = Why::barred(visit, language, Barred::Revoked);
            let news = [("not_a_link", json!(true))];
            return self.unsent(visit, posted, language, why, (StatusCode::UNPROCESSABLE_ENTITY, &news)).await;
        };
        let mends = posted.mends() && mend::may_mend(fresh.survey()) && !fresh.uses.is_empty();
        if let Some(barred) = fresh.barred(means, mends) {
            return self.unsent_barred(&fresh, posted, language, barred).await;
        }
        let files = body::files_of(fresh.desk(&self.tools), posted).await?;
        let at = match posted.place() {
            Place::Page(at) => at,
            Place::Review | Place::Whole => 0,
        };
        Ok(fresh.form_page(means, language, (posted, &files), at, |filled| filled, &[]))
    }
}
