//! The cases of somebody's sites, the latest first, and what is due.

use axum::extract::{self, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
use serde_json::{Value, json};

use super::entry::admitted;
use super::{CasePages, Room, Wish, participants, put};
use crate::domain::door::Door;
use crate::domain::event::Window;
use crate::domain::text;
use crate::limits;
use crate::store::subject;
use crate::web::caller::Call;
use crate::web::questionnaire::posted::Posted;
use crate::workflow::course::{self, Case, Progress};
use crate::workflow::due::{self, Due, Look};
use crate::workflow::{Failure, enroll};

/// The days of a window, as pages say them.
pub(super) fn days(window: Option<Window>) -> Value {
    window.map_or(Value::Null, |window| {
        let several = window.opens != window.closes;
        json!({ "day": window.day.to_string(), "opens": window.opens.to_string(), "closes": window.closes.to_string(),
                "several": several })
    })
}

pub(super) async fn show(
    State(pages): State<CasePages>,
    Path(slug): Path<String>,
    Query(wish): Query<Wish>,
    call: Call,
) -> Response {
    let shown = async {
        let room = admitted!(pages.enter(&slug, wish.lang.as_deref(), &call).await?);
        pages.list(&room, wish.before, None).await
    };
    let shown = shown.await;
    pages.answer(shown, &call)
}

/// Looks for a case. What is looked for may be of a patient, so it stands in no address: not in a proxy's log, nor in a history.
pub(super) async fn find(
    State(pages): State<CasePages>,
    Path(slug): Path<String>,
    call: Call,
    extract::Form(fields): extract::Form<Vec<(String, String)>>,
) -> Response {
    let posted = Posted::new(fields);
    let found = async {
        let room = admitted!(pages.enter_sent(&slug, &posted, &call).await?);
        let wanted = text::without_controls(posted.find("find").unwrap_or_default());
        let wanted = wanted.trim();
        match pages.find(&room, wanted).await? {
            Some(number) => Ok(Redirect::to(&room.here(&format!("/{number}"))).into_response()),
            None => pages.list(&room, None, Some(wanted).filter(|wanted| !wanted.is_empty())).await,
        }
    };
    let found = found.await;
    pages.answer(found, &call)
}

impl CasePages {
    /// The cases before a number, the latest if there is none; `missed` was looked for, and is not among them.
    async fn list(&self, room: &Room, earlier: Option<i64>, missed: Option<&str>) -> Result<Response, Failure> {
        let store = self.tools.shelf.store();
        let today = self.means().now.day_in(room.study().zone);
        let before = earlier.unwrap_or(i64::MAX);
        let most = limits::CASES_SHOWN;
        let cases = course::cases(store, &room.shelved, &room.person.sites, before, most + 1).await?;
        let further = cases.len() > usize::try_from(most).unwrap_or(usize::MAX);
        let shown: Vec<&Case<'_>> = cases.iter().take(usize::try_from(most).unwrap_or(usize::MAX)).collect();
        let next = shown.last().filter(|_| further).map(|case| case.subject.number);
        let rows: Vec<Value> = shown.iter().map(|case| self.row(room, case, today)).collect();
        let (mut due, mut older) = (Vec::new(), false);
        if earlier.is_none() && !room.study().events.is_empty() {
            let pages = limits::DUE_CASES / limits::CASES_LOOKED_THROUGH;
            let look = Look { page: limits::CASES_LOOKED_THROUGH, pages, keep: limits::DUE_SHOWN + 1 };
            let (looked, left) = due::longest(store, &room.shelved, &room.person.sites, today, look).await?;
            (due, older) = (due_of(room, &looked, today), left);
        }
        let mut facts = room.head(&room.word("cases", &[]), "");
        put(&mut facts, "cases", json!(rows));
        let begun = if earlier.is_none() { self.begun(room).await? } else { Vec::new() };
        put(&mut facts, "begun", json!(begun));
        put(&mut facts, "next", json!(next.map(|next| format!("{}&before={next}", room.here("")))));
        put(&mut facts, "later", json!(earlier.map(|_| room.here(""))));
        put(&mut facts, "more_due", json!(due.len() > limits::DUE_SHOWN));
        let most = limits::DUE_CASES.to_string();
        put(&mut facts, "unlooked", json!(older.then(|| room.word("unlooked", &[("most", &most)]))));
        due.truncate(limits::DUE_SHOWN);
        put(&mut facts, "due", json!(due));
        put(&mut facts, "events", json!(!room.study().events.is_empty()));
        put(
            &mut facts,
            "register",
            json!((room.may_enter() && !room.study().enrolls_itself()).then(|| room.here("/new"))),
        );
        let answered = Door::Participants.opens(room.study(), &room.person).then(|| room.here(participants::PLACE));
        put(&mut facts, "participants", json!(answered));
        put(&mut facts, "find", json!(missed.unwrap_or_default()));
        put(&mut facts, "missed", json!(missed.is_some()));
        Ok(room.respond(StatusCode::OK, "list", facts))
    }

    fn row(&self, room: &Room, case: &Case<'_>, today: NaiveDate) -> Value {
        let study = room.study();
        let late = case.out.is_none() && case.stations.iter().any(|one| one.progress(today) == Progress::Late);
        let due = case.out.is_none() && case.stations.iter().any(|one| one.progress(today) == Progress::Due);
        let state = match (case.out, late, due) {
            (Some(kind), ..) => format!("out_{}", kind.key().replace('-', "_")),
            (None, true, _) => "has_late".to_string(),
            (None, false, true) => "has_due".to_string(),
            (None, false, false) => String::new(),
        };
        // As on the page of the case: masked for whoever enters nothing.
        let item = study.registration_instrument().find(&study.registration.subject_item);
        let told = item.is_some_and(|item| room.may_enter() || !item.personal);
        let site = study.find_site(&case.subject.site).map_or("", |site| site.name.in_language(room.language));
        json!({
            "number": study.subject_number(case.subject.number), "link": room.here(&format!("/{}", case.subject.number)),
            "reference": if told { case.reference.as_str() } else { "" }, "site": site, "day": case.subject.enrolled_at.day_in(study.zone).to_string(),
            "state": if state.is_empty() { String::new() } else { room.word(&state, &[]) }, "late": late,
        })
    }

    /// The number of the case that somebody looks for by our number or by their own reference.
    async fn find(&self, room: &Room, wanted: &str) -> Result<Option<i64>, Failure> {
        let (store, study) = (self.tools.shelf.store(), room.study());
        let plain = wanted.parse::<i64>().ok();
        if let Some(number) = study.parse_subject_number(wanted) {
            let found = subject::find_by_number(store, room.shelved.id, number).await?;
            return Ok(found.filter(|found| room.person.acts_for_any(found.sites())).map(|found| found.number));
        }
        let reference = text::fold_tight(wanted);
        for key in enroll::possible_keys(study, &room.person, &reference) {
            if let Some(mut found) = subject::find_by_reference(store, room.shelved.id, &key).await? {
                while let Some(later) = subject::find_rescreening(store, found.id).await? {
                    found = later;
                }
                if room.person.acts_for_any(found.sites()) {
                    return Ok(Some(found.number));
                }
            }
        }
        let found = match plain {
            Some(number) => subject::find_by_number(store, room.shelved.id, number).await?,
            None => None,
        };
        Ok(found.filter(|found| room.person.acts_for_any(found.sites())).map(|found| found.number))
    }
}

/// What is late and what is due, the longest overdue first.
fn due_of(room: &Room, cases: &[Case<'_>], today: NaiveDate) -> Vec<Value> {
    let row = |one: &Due<'_, '_>| {
        let Due { case, station, window, late } = *one;
        let number = case.subject.number;
        let missing = station.forms.iter().filter(|(_, entries)| entries.is_empty());
        let forms: Vec<Value> = missing
            .map(|(instrument, _)| {
                let rest = format!("/{number}/{}/{}/new", station.event.id, instrument.id);
                json!({ "title": instrument.title.in_language(room.language), "link": room.here(&rest) })
            })
            .collect();
        json!({
            "number": room.study().subject_number(number), "link": room.here(&format!("/{number}")),
            "event": station.event.name.in_language(room.language), "window": days(Some(window)), "late": late, "forms": forms,
        })
    };
    due::among(cases, today).iter().map(row).collect()
}
