//! Mending answers that were sent: a page names the version that it was made from, as corrections of the staff do.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::visit::Visit;
use super::{PAGES, SurveyPages};
use crate::domain::answer;
use crate::domain::instrument::Item;
use crate::domain::survey::Mark;
use crate::letters::facts::Shown;
use crate::web::questionnaire::filled::{self, Filled};
use crate::workflow::{Failure, mend};

impl SurveyPages {
    /// The page once more where the answers on file are not those any more that it was made from: what is on file stands beside what was
    /// typed, and whoever sends it now has seen both. None where nothing would be undone unseen.
    pub(super) async fn overtaken(
        &self,
        visit: &Visit,
        filled: &Filled<'_>,
        mark: &Mark,
    ) -> Result<Option<Response>, Failure> {
        let sent = mend::sent(self.tools.shelf.store(), visit.survey(), &visit.credential).await?;
        let Some(sent) = sent else { return Ok(None) };
        let on_file: BTreeMap<String, String> = serde_json::from_str(&sent.answers).unwrap_or_default();
        let Filled { study, instrument, form, language, .. } = *filled;
        let here = form.canonical();
        if sent.id.text() == filled.posted.base() || on_file == here {
            return Ok(None);
        }
        let differing = |item: &&Item| on_file.get(&item.id) != here.get(&item.id);
        let told = |item: &Item| {
            let [there, typed] = [&on_file, &here].map(|own| Shown::own(study, instrument, item, own, language));
            json!({ "label": typed.label, "on_file": there.value, "here": typed.value })
        };
        let differences: Vec<Value> = instrument.items.iter().filter(differing).map(told).collect();
        let mut facts = visit.head(language);
        let first = answer::pages_asked(instrument, form).first().copied().unwrap_or(0);
        filled.page(&mut facts, mark, first, &[], false);
        filled::put(&mut facts, "overtaken", json!(differences));
        filled::put(&mut facts, "mended", json!(sent.id.text()));
        Ok(Some(PAGES.respond(StatusCode::CONFLICT, language, "form", facts)))
    }
}
