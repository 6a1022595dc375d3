//! A form that the staff keep to go on another time: they alone are shown it again, in its place and in the list of their cases.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};

use super::entry::{Notice, Task};
use super::{CasePages, Room};
use crate::domain::answer::{self, Form};
use crate::domain::draft::DraftKeys;
use crate::domain::survey::Mark;
use crate::store::begun_form::Key;
use crate::web::questionnaire::posted::{Place, Posted, Step};
use crate::web::questionnaire::walk::Next;
use crate::workflow::Failure;
use crate::workflow::begun;
use crate::workflow::drafts::Keeping;

/// Where the registration of a new case is filled in, below the study's cases.
pub(super) const REGISTRATION: &str = "/new";

/// What was kept of a form.
pub(super) struct Resumed {
    pub(super) posted: Posted,
    /// When, as a clock in the study's zone shows it.
    since: String,
}

impl Task<'_> {
    /// Where what is kept of this form lies.
    fn key(&self) -> Key<'_> {
        let Room { shelved, visitor, .. } = self.room;
        Key { study_id: shelved.id, account: &visitor.account.id, place: &self.rest }
    }

    /// The form as it was kept, at its page.
    pub(super) fn resumed(&self, form: &Form, resumed: &Resumed, mark: &Mark) -> Response {
        let notice = Notice { kept_before: Some(resumed.since.clone()), ..Notice::default() };
        self.page(form, &resumed.posted, mark, &self.at_its_page(form, &resumed.posted, StatusCode::OK), &notice)
    }

    /// The page that was posted, where it is still asked; else the first.
    fn at_its_page(&self, form: &Form, posted: &Posted, status: StatusCode) -> Next<'static> {
        let asked = answer::pages_asked(self.instrument, form);
        let own = match posted.place() {
            Place::Page(at) => asked.iter().find(|page| **page == at),
            Place::Review | Place::Whole => None,
        };
        let at = own.or(asked.first()).copied().unwrap_or(0);
        Next::Page { status, at, faults: Vec::new(), more: false }
    }
}

impl CasePages {
    /// What seals forms that were begun; none without a key file, where none is kept.
    fn seals(&self) -> Option<DraftKeys> {
        DraftKeys::of_ring(&self.means().keys.ring)
    }

    /// Whether forms can be kept to go on later.
    pub(super) fn keeps(&self) -> bool {
        self.seals().is_some()
    }

    /// What was kept of a form.
    pub(super) async fn resume(&self, task: &Task<'_>) -> Result<Option<Resumed>, Failure> {
        let Some(keys) = self.seals().filter(|_| task.keeps) else { return Ok(None) };
        let Some(found) = begun::find(self.tools.shelf.store(), &keys, task.key()).await? else { return Ok(None) };
        let since = found.at.local(task.room.study().zone);
        Ok(Posted::of_kept(&found.text).map(|posted| Resumed { posted: posted.knowing(&found.version), since }))
    }

    /// Does what a button asks that neither goes on nor sends: keeps the form, or forgets what was kept of it. None of other buttons.
    pub(super) async fn kept(
        &self,
        task: &Task<'_>,
        form: &Form,
        posted: &Posted,
        mark: &Mark,
    ) -> Result<Option<Response>, Failure> {
        let Some(keys) = self.seals().filter(|_| task.keeps) else { return Ok(None) };
        let (shelf, shelved) = (&self.tools.shelf, &task.room.shelved);
        let shown = |status, posted: &Posted, notice: Notice| {
            task.page(form, posted, mark, &task.at_its_page(form, posted, status), &notice)
        };
        match posted.step() {
            Step::Forget => {
                begun::forget(shelf, shelved, task.key()).await?;
                Ok(Some(Redirect::to(&task.room.here(&task.rest)).into_response()))
            }
            Step::Keep => {
                let text = posted.to_keep(task.instrument, Some(mark));
                let kept =
                    begun::keep(shelf, shelved, self.means(), task.key(), posted.draft(), (&keys, &text)).await?;
                Ok(Some(match kept {
                    Keeping::Done(version) => {
                        let posted = posted.clone().knowing(&version);
                        shown(StatusCode::OK, &posted, Notice { kept: true, ..Notice::default() })
                    }
                    Keeping::Newer(version, _) => {
                        let posted = posted.clone().knowing(&version);
                        shown(StatusCode::CONFLICT, &posted, Notice { newer: true, ..Notice::default() })
                    }
                    Keeping::Not => {
                        let notice = Notice { problem: Some("begun_many"), ..Notice::default() };
                        shown(StatusCode::UNPROCESSABLE_ENTITY, posted, notice)
                    }
                }))
            }
            _ => Ok(None),
        }
    }

    /// Forgets what was kept of a form that was sent. That it was sent is recorded already: a failure here takes nothing back.
    pub(super) async fn sent(&self, task: &Task<'_>) {
        if !task.keeps {
            return;
        }
        if let Err(error) = begun::forget(&self.tools.shelf, &task.room.shelved, task.key()).await {
            tracing::warn!(%error, "what was kept of a form that was sent stays until it is forgotten");
        }
    }

    /// What they began and have not sent, as the list of cases shows it.
    pub(super) async fn begun(&self, room: &Room) -> Result<Vec<Value>, Failure> {
        if !room.may_enter() {
            return Ok(Vec::new());
        }
        let found = begun::list(self.tools.shelf.store(), room.shelved.id, &room.visitor.account.id).await?;
        let zone = room.study().zone;
        let row = |(place, at): &(String, crate::domain::time::Instant)| {
            let (number, title) = called(room, place);
            json!({ "link": room.here(place), "number": number, "title": title, "since": at.local(zone) })
        };
        Ok(found.iter().map(row).collect())
    }
}

/// The number of the case that a place is about, empty for a new one, and what is filled in there.
fn called(room: &Room, place: &str) -> (String, String) {
    let (study, language) = (room.study(), room.language);
    if place == REGISTRATION {
        return (String::new(), study.registration_instrument().title.in_language(language).to_string());
    }
    let parts: Vec<&str> = place.split('/').skip(1).collect();
    let [number, event, form, _] = parts.as_slice() else { return (String::new(), place.to_string()) };
    let number = number.parse().map_or_else(|_| (*number).to_string(), |number| study.subject_number(number));
    let event = study.events.iter().find(|one| one.id == *event).map(|event| event.name.in_language(language));
    let form = study.instruments.iter().find(|one| one.id == *form).map(|form| form.title.in_language(language));
    let title: Vec<&str> = event.into_iter().chain(form).collect();
    (number, title.join(" · "))
}
