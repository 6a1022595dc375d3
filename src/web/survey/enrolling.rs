//! The form by which a participant enrolls themself, before the survey's own is asked.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::unsent::{Way, Why};
use super::visit::Visit;
use super::{PAGES, SurveyPages};
use crate::domain::answer;
use crate::domain::language::Language;
use crate::domain::study::Study;
use crate::domain::survey::Mark;
use crate::letters::facts::Reason;
use crate::store::StoreError;
use crate::web::questionnaire::filled::{self, Filled};
use crate::workflow::Failure;
use crate::workflow::self_enrollment::{self, Outcome};

/// What is told above the survey's form to somebody who comes from the form before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// They are enrolled now.
    Now,
    /// They were before, and what was sent then stays.
    Before,
}

impl News {
    const ALL: [News; 2] = [News::Now, News::Before];

    /// Name in the address of the page.
    const fn key(self) -> &'static str {
        match self {
            News::Now => "now",
            News::Before => "before",
        }
    }
}

/// What is told above the survey's form, if something is.
pub(super) fn news(visit: &Visit, wish: Option<&str>, language: Language) -> String {
    let known = News::ALL.into_iter().find(|news| wish == Some(news.key())).filter(|_| visit.entrant.is_some());
    known.map_or_else(String::new, |news| PAGES.word(language, &format!("enrolled_{}", news.key()), &[]))
}

/// To the form that is to be filled in now, away from the posted one, so that a reload sends nothing again.
pub(super) fn onward(visit: &Visit, language: Language, news: News) -> Response {
    Redirect::to(&format!("{}?enrolled={}&lang={}", visit.path, news.key(), language.code())).into_response()
}

impl SurveyPages {
    /// Why somebody who is to enroll cannot now, whatever they answer. Whether they were refused too often is not
    /// told yet to somebody who `sends`: what they were refused for last is answered as then.
    pub(super) fn shut(&self, visit: &Visit, language: Language, sends: bool) -> Option<Why> {
        if !visit.enrolls() {
            return None;
        }
        if !sends && visit.participant.as_ref().is_some_and(self_enrollment::is_spent) {
            return Some(spent(language));
        }
        let now = self.tools.means().now;
        let reason = self_enrollment::shut(&visit.shelved.study, &visit.row, now)?;
        let (key, at) = worded(&reason);
        let way = match reason {
            Reason::StudyFull
            | Reason::ArmFull
            | Reason::SiteFull
            | Reason::StratumFull
            | Reason::CohortFull(_)
            | Reason::EnrollmentEnded
            | Reason::Closed
            | Reason::SiteClosed(_) => Way::Never,
            _ => Way::Later,
        };
        Some(Why { told: PAGES.word(language, key, &[("at", &at)]), way })
    }

    /// Enrolls by a form without faults that was shown once more.
    pub(super) async fn enroll(&self, visit: &Visit, filled: &Filled<'_>, mark: &Mark) -> Result<Response, Failure> {
        let (means, language) = (self.tools.means(), filled.language);
        let (shelf, shelved) = (&self.tools.shelf, &visit.shelved);
        let done = self_enrollment::enroll(shelf, shelved, means, &visit.credential.id, filled.form).await;
        let mut facts = visit.head(language);
        Ok(match done {
            // Where it leads says nothing of the arm.
            Ok(Outcome::Now) => {
                self.tools.ring();
                onward(visit, language, News::Now)
            }
            Ok(Outcome::Before) => onward(visit, language, News::Before),
            Ok(Outcome::Barred(barred)) => self.unsent_barred(visit, filled.posted, language, barred).await?,
            Ok(Outcome::Spent) => {
                let shown = (StatusCode::FORBIDDEN, &[][..]);
                self.unsent(visit, filled.posted, language, spent(language), shown).await?
            }
            Ok(Outcome::Refused(reasons, mendable)) => {
                filled.review(&mut facts, mark);
                let said = reasons.iter().flat_map(|reason| sentences(&shelved.study, reason, language));
                filled::put(&mut facts, "reasons", json!(said.collect::<Vec<String>>()));
                filled::put(&mut facts, "mendable", json!(mendable));
                filled::put(&mut facts, "answering", json!(mendable));
                let status = if mendable { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::FORBIDDEN };
                PAGES.respond(status, language, "refused", facts)
            }
            // The study was amended since the form was read: it is shown again by the new rules, nothing lost.
            Err(Failure::Store(StoreError::Busy(why))) => {
                tracing::info!(why, "a form is to be sent once more");
                let first = answer::pages_asked(filled.instrument, filled.form).first().copied().unwrap_or(0);
                filled.page(&mut facts, mark, first, &[], false);
                filled::put(&mut facts, "again", json!(true));
                PAGES.respond(StatusCode::CONFLICT, language, "form", facts)
            }
            Err(failure) => return Err(failure),
        })
    }
}

/// That somebody was refused too often.
fn spent(language: Language) -> Why {
    Why { told: PAGES.word(language, "enroll_spent", &[]), way: Way::Never }
}

/// A reason in words for whoever wanted to enroll themself: of criteria the study's own.
fn sentences(study: &Study, reason: &Reason, language: Language) -> Vec<String> {
    match reason {
        Reason::NotEligible(ids) => {
            let unmet = study.eligibility.iter().filter(|criterion| ids.contains(&criterion.id));
            unmet.map(|criterion| criterion.message.in_language(language).to_string()).collect()
        }
        Reason::AnswerNeeded(ids) | Reason::NoLevel(ids) => {
            let label = |id: &String| study.find_item(id).map(|item| item.label.in_language(language).to_string());
            let labels: Vec<String> = ids.iter().filter_map(label).collect();
            vec![PAGES.word(language, "enroll_answer", &[("items", &labels.join(" / "))])]
        }
        other => {
            let (key, at) = worded(other);
            vec![PAGES.word(language, key, &[("at", &at)])]
        }
    }
}

/// Key of the words that state a reason, and the day they name.
fn worded(reason: &Reason) -> (&'static str, String) {
    match reason {
        Reason::StudyFull | Reason::ArmFull => ("enroll_full", String::new()),
        Reason::SiteFull => ("enroll_site_full", String::new()),
        Reason::StratumFull | Reason::CohortFull(_) => ("enroll_kind_full", String::new()),
        Reason::EnrollmentEnded => ("enroll_ended", String::new()),
        Reason::Closed => ("closed", String::new()),
        Reason::SiteNotOpen(day) => ("enroll_not_open", day.to_string()),
        Reason::SiteClosed(day) => ("enroll_over", day.to_string()),
        // Of kits nobody at home need know; and of other reasons there are none for whoever enrolls themself.
        _ => ("enroll_not_now", String::new()),
    }
}
