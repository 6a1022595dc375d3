//! Keeping answers that are not sent: a page names the version of what was kept that it knows, so that none is undone unseen.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::visit::{Visit, read};
use super::{PAGES, SurveyPages};
use crate::domain::language::Language;
use crate::domain::survey::Mark;
use crate::letters::facts::Shown;
use crate::web::questionnaire::body;
use crate::web::questionnaire::filled::{self, Filled};
use crate::web::questionnaire::posted::Posted;
use crate::workflow::drafts::{self, Keeping};
use crate::workflow::{Failure, Means};

impl SurveyPages {
    /// Keeps what was typed, and shows its page once more: with the same button to go on, or beside what was kept meanwhile elsewhere.
    pub(super) async fn keep_and_show(
        &self,
        visit: &Visit,
        filled: &Filled<'_>,
        mark: &Mark,
        at: usize,
    ) -> Result<Response, Failure> {
        let language = filled.language;
        let mut facts = visit.head(language);
        match self.keep(visit, filled.posted, self.tools.means()).await? {
            Keeping::Done(version) => {
                filled.page(&mut facts, mark, at, &filled.untaken(), false);
                filled::put(&mut facts, "kept", json!(true));
                filled::put(&mut facts, "draft", json!(version));
                Ok(PAGES.respond(StatusCode::OK, language, "form", facts))
            }
            Keeping::Newer(version, text) => {
                let shown = self.kept_elsewhere(visit, text.as_deref(), language).await?;
                filled.page(&mut facts, mark, at, &filled.untaken(), false);
                filled::put(&mut facts, "newer", json!({ "shown": shown }));
                filled::put(&mut facts, "draft", json!(version));
                Ok(PAGES.respond(StatusCode::CONFLICT, language, "form", facts))
            }
            Keeping::Not => Ok(Redirect::to(&format!("{}?lang={}", visit.path, language.code())).into_response()),
        }
    }

    /// Seals what was typed with the key of the way in.
    pub(super) async fn keep(&self, visit: &Visit, posted: &Posted, means: Means<'_>) -> Result<Keeping, Failure> {
        let Some(key) = &visit.key else { return Ok(Keeping::Not) };
        let credential = &visit.credential.id;
        let text = posted.to_keep(visit.instrument(), None);
        let of = drafts::Of { credential, uses: visit.uses.len(), first: visit.enrolls(), base: posted.draft() };
        drafts::keep(&self.tools.shelf, &visit.shelved, means, visit.survey(), of, (key, &text)).await
    }

    /// What was kept since the page was made, in words; nothing of what this way in does not open.
    async fn kept_elsewhere(
        &self,
        visit: &Visit,
        text: Option<&[u8]>,
        language: Language,
    ) -> Result<Vec<Shown>, Failure> {
        let Some(there) = text.and_then(Posted::of_kept) else { return Ok(Vec::new()) };
        let means = self.tools.means();
        let files = body::files_of(visit.desk(&self.tools), &there).await?;
        let form = read(visit, &there, &files, means);
        Ok(visit.filled(&form, &there, means, language).typed())
    }
}
