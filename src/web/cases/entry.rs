//! A form that the staff fill in, on its way through its pages: what stands on them, and what is told above it.

use std::collections::BTreeMap;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::chart::trail;
use super::list::days;
use super::{CasePages, Room, Wish, put};
use crate::domain::answer::{self, Form};
use crate::domain::event::{Event, Window};
use crate::domain::instrument::Instrument;
use crate::domain::survey::Mark;
use crate::domain::text;
use crate::domain::time::Instant;
use crate::letters::facts::{Conflict, Reader, Reason, Refusal, Shown};
use crate::limits;
use crate::store::subject::SubjectRow;
use crate::store::{StoreError, study};
use crate::web::caller::Call;
use crate::web::questionnaire::body::{self, Unread};
use crate::web::questionnaire::filled::{Filled, NOTHING};
use crate::web::questionnaire::posted::{Posted, Step};
use crate::web::questionnaire::walk::Next;
use crate::workflow::Failure;

/// A form on its way.
pub(super) struct Task<'a> {
    pub(super) room: &'a Room,
    /// Its address below the study's.
    pub(super) rest: String,
    pub(super) title: String,
    pub(super) instrument: &'a Instrument,
    pub(super) subject: Option<&'a SubjectRow>,
    /// What stands above the form.
    pub(super) event: Option<(&'a Event, Option<Window>)>,
    /// What is on file, where it is corrected: canonical answers.
    pub(super) before: Option<BTreeMap<String, String>>,
    /// Names the version that is corrected, so that nobody undoes unseen what somebody else corrected meanwhile.
    pub(super) base: String,
    /// The moment by whose day it is read.
    pub(super) now: Instant,
    /// Word on the last button.
    pub(super) send: &'static str,
    /// Whether it can be kept to go on later.
    pub(super) keeps: bool,
}

/// What is told above a form that was not taken.
#[derive(Default)]
pub(super) struct Notice {
    pub(super) reasons: Vec<Reason>,
    pub(super) conflict: Option<(Option<i64>, Conflict)>,
    /// Key of a sentence.
    pub(super) problem: Option<&'static str>,
    /// Answers of an event that are on file: where they are shown.
    pub(super) on_file: Option<String>,
    /// That it is kept now.
    pub(super) kept: bool,
    /// When it was kept, where it is shown as it was kept.
    pub(super) kept_before: Option<String>,
    /// That it is not kept: another version was, since the page was made.
    pub(super) newer: bool,
}

impl Task<'_> {
    pub(super) fn filled<'f>(&'f self, form: &'f Form, posted: &'f Posted) -> Filled<'f> {
        Filled {
            study: self.room.study(),
            instrument: self.instrument,
            form,
            posted,
            now: self.now,
            language: self.room.language,
            mends: false,
            files: self.event.is_some(),
            person: &self.room.person,
            told: &NOTHING,
        }
    }

    pub(super) fn facts(&self, posted: &Posted, notice: &Notice) -> Value {
        let Task { room, before, .. } = self;
        let mut facts = room.head(&self.title, &self.rest);
        put(&mut facts, "trail", trail(room, self.subject));
        let cancel = self.subject.map_or_else(String::new, |subject| format!("/{}", subject.number));
        put(&mut facts, "cancel", json!(room.here(&cancel)));
        let event = self
            .event
            .map(|(event, window)| json!({ "name": event.name.in_language(room.language), "window": days(window) }));
        put(&mut facts, "event", json!(event));
        put(&mut facts, "send", json!(room.word(self.send, &[])));
        let reason: String = posted.reason().chars().take(limits::DEED_REASON_CHARS).collect();
        let asked = before.is_some().then(|| json!({ "value": reason, "most": limits::DEED_REASON_CHARS }));
        put(&mut facts, "reason", json!(asked));
        put(&mut facts, "base", json!(self.base));
        let today = self.now.day_in(room.study().zone);
        let reader = Reader { study: room.study(), person: &room.person, today, language: room.language };
        let refusal = Refusal::new(&reader, self.instrument, &Form::default(), &notice.reasons);
        put(&mut facts, "reasons", json!(refusal.reasons));
        let conflict = notice.conflict.as_ref().map(|(number, conflict)| {
            json!({ "told": conflict, "link": number.map(|number| room.here(&format!("/{number}"))) })
        });
        put(&mut facts, "conflict", json!(conflict));
        put(&mut facts, "problem", json!(notice.problem.map(|key| room.word(key, &[]))));
        put(&mut facts, "on_file", json!(notice.on_file));
        facts
    }

    pub(super) fn page(&self, form: &Form, posted: &Posted, mark: &Mark, next: &Next<'_>, notice: &Notice) -> Response {
        let filled = self.filled(form, posted);
        let mut facts = self.facts(posted, notice);
        match next {
            Next::Page { status, at, faults, more } => {
                filled.page(&mut facts, mark, *at, faults, *more);
                put(&mut facts, "keeps", json!(self.keeps));
                let days = limits::BEGUN_FORM_DAYS.to_string();
                put(&mut facts, "kept", json!(notice.kept.then(|| self.room.word("kept", &[("days", &days)]))));
                put(&mut facts, "kept_before", json!(notice.kept_before));
                put(&mut facts, "newer", json!(notice.newer));
                self.room.respond(*status, "enter", facts)
            }
            Next::Review | Next::Send => {
                filled.review(&mut facts, mark);
                put(&mut facts, "changes", json!(self.changes(form)));
                self.room.respond(StatusCode::OK, "review", facts)
            }
        }
    }

    /// The form once more, for something that is told above it.
    pub(super) fn again(
        &self,
        status: StatusCode,
        form: &Form,
        posted: &Posted,
        mark: &Mark,
        notice: &Notice,
    ) -> Response {
        let at = answer::pages_asked(self.instrument, form).first().copied().unwrap_or(0);
        self.page(form, posted, mark, &Next::Page { status, at, faults: Vec::new(), more: false }, notice)
    }

    /// What a correction changes.
    pub(super) fn changes(&self, form: &Form) -> Vec<Value> {
        let Some(before) = &self.before else { return Vec::new() };
        changes(self.room, self.instrument, before, &form.canonical())
    }

    /// Whether a reason is missing where one is asked for.
    pub(super) fn lacks_reason(&self, posted: &Posted) -> bool {
        let going_on = matches!(posted.step(), Step::Answer | Step::Send);
        self.before.is_some() && going_on && text::clean(posted.reason(), limits::DEED_REASON_CHARS).is_empty()
    }
}

/// The items that differ, in words.
pub(super) fn changes(
    room: &Room,
    instrument: &Instrument,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<Value> {
    let differing = instrument.items.iter().filter(|item| before.get(&item.id) != after.get(&item.id));
    let shown = |values, item| Shown::own(room.study(), instrument, item, values, room.language);
    differing
        .map(|item| {
            let (old, new) = (shown(before, item), shown(after, item));
            json!({ "label": new.label, "before": old.value, "after": new.value })
        })
        .collect()
}

pub(super) fn mark_of(posted: &Posted, pages: &CasePages) -> Mark {
    posted.mark().unwrap_or_else(|| Mark::new(&*pages.tools.dice))
}

impl CasePages {
    /// What was posted to the registration of a study, or to the form of one of its further randomizations, with room for the longest texts
    /// of that form if somebody is known who sends it; else the page that says why it is not looked at.
    pub(super) async fn typed(
        &self,
        slug: &str,
        further: Option<&str>,
        request: Request,
        call: &Call,
    ) -> Result<Posted, Response> {
        let (texts, failed) = match self.texts(slug, further, call).await {
            Ok(texts) => (texts, None),
            Err(failure) => (0, Some(failure)),
        };
        self.taken(body::read(request, texts, None).await, failed, call).map_err(|page| *page)
    }

    async fn texts(&self, slug: &str, further: Option<&str>, call: &Call) -> Result<usize, Failure> {
        if self.visitor(&call.headers).await?.is_none() {
            return Ok(0);
        }
        let Some(row) = study::find_current(self.tools.shelf.store(), slug).await? else { return Ok(0) };
        let shelved = self.tools.shelf.current(row.id, row.bundle_version).await?;
        let study = &shelved.study;
        let instrument = match further {
            None => Some(study.registration_instrument()),
            Some(id) => study.find_randomization(id).and_then(|own| study.find_instrument(&own.instrument)),
        };
        Ok(instrument.map(body::texts).unwrap_or_default())
    }

    /// What was read of a posted page; where it was not, or who sends it could not be told, the page that says so.
    pub(super) fn taken(
        &self,
        read: Result<Posted, Unread>,
        failed: Option<Failure>,
        call: &Call,
    ) -> Result<Posted, Box<Response>> {
        let told = |status, key| Err(Box::new(self.bare(status, key, &call.headers)));
        match read {
            Ok(posted) => match failed {
                None => Ok(posted),
                Some(failure) => Err(Box::new(self.answer_sent(Err(failure.into()), &posted, call))),
            },
            Err(Unread::Refused(status)) => told(status, Unread::word(status)),
            Err(Unread::Failed(failure)) => {
                tracing::error!(%failure, "what was sent to a page of the staff could not be read");
                told(StatusCode::SERVICE_UNAVAILABLE, "not_read")
            }
        }
    }
}

/// Who posted a form from our own page.
pub(super) async fn enter_with(
    pages: &CasePages,
    slug: &str,
    posted: &Posted,
    call: &Call,
) -> Result<Result<Room, Response>, Failure> {
    Ok(match pages.enter_sent(slug, posted, call).await? {
        Ok(room) if !room.may_enter() => Err(room.told(StatusCode::FORBIDDEN, "no_role")),
        other => other,
    })
}

pub(super) async fn look_with(
    pages: &CasePages,
    slug: &str,
    wish: &Wish,
    call: &Call,
) -> Result<Result<Room, Response>, Failure> {
    Ok(match pages.enter(slug, wish.lang.as_deref(), call).await? {
        Ok(room) if !room.may_enter() => Err(room.told(StatusCode::FORBIDDEN, "no_role")),
        other => other,
    })
}

/// Goes on with what `$made` gives, or answers with the page that it gives instead.
macro_rules! admitted {
    ($made:expr) => {
        match $made {
            Ok(admitted) => admitted,
            Err(page) => return Ok(page),
        }
    };
}
pub(super) use admitted;

pub(super) fn today(task: &Task<'_>) -> chrono::NaiveDate {
    task.now.day_in(task.room.study().zone)
}

/// The study was amended since the form was read: it is shown again by the new rules, nothing lost.
pub(super) fn busy(
    failure: Failure,
    task: &Task<'_>,
    (form, posted, mark): (&Form, &Posted, &Mark),
) -> Result<Response, Failure> {
    match failure {
        Failure::Store(StoreError::Busy(why)) => {
            tracing::info!(why, "a form is to be sent once more");
            let notice = Notice { problem: Some("again"), ..Notice::default() };
            Ok(task.again(StatusCode::CONFLICT, form, posted, mark, &notice))
        }
        failure => Err(failure),
    }
}
