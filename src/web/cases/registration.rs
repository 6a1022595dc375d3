//! A registration on a page, and its correction.

use std::collections::BTreeMap;

use axum::extract::{self, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::begun::REGISTRATION;
use super::entry::{Notice, Task, admitted, busy, enter_with, look_with, mark_of, today};
use super::{CasePages, Room, Wish};
use crate::domain::answer;
use crate::domain::instrument::Item;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::store::subject::SubjectRow;
use crate::web::caller::Call;
use crate::web::failed::Failed;
use crate::web::questionnaire::posted::Posted;
use crate::web::questionnaire::walk::{self, Next};
use crate::workflow::follow_up::Chart;
use crate::workflow::register::{self, Registered};
use crate::workflow::remark::{self, Remark, Remarked};

fn registration<'a>(room: &'a Room, now: Instant, keeps: bool) -> Task<'a> {
    Task {
        room,
        rest: REGISTRATION.to_string(),
        title: room.study().registration_instrument().title.in_language(room.language).to_string(),
        instrument: room.study().registration_instrument(),
        subject: None,
        event: None,
        before: None,
        base: String::new(),
        now,
        send: "register",
        keeps,
    }
}

pub(super) async fn show_registration(
    State(pages): State<CasePages>,
    Path(slug): Path<String>,
    Query(wish): Query<Wish>,
    call: Call,
) -> Response {
    let shown = async {
        let room = admitted!(look_with(&pages, &slug, &wish, &call).await?);
        if room.study().enrolls_itself() {
            return Ok(room.told(StatusCode::FORBIDDEN, "enrolls_itself"));
        }
        let task = registration(&room, pages.means().now, pages.keeps());
        if let Some(resumed) = pages.resume(&task).await? {
            let form =
                answer::read_form(room.study(), task.instrument, &resumed.posted.lines(task.instrument), today(&task));
            return Ok(task.resumed(&form, &resumed, &mark_of(&resumed.posted, &pages)));
        }
        let blank = Posted::new(own_site(&room));
        let form = answer::read_form(room.study(), task.instrument, &blank.lines(task.instrument), today(&task));
        Ok(task.again(StatusCode::OK, &form, &blank, &Mark::new(&*pages.tools.dice), &Notice::default()))
    };
    let shown = shown.await;
    pages.answer(shown, &call)
}

/// Who acts for one site need not choose it.
fn own_site(room: &Room) -> Vec<(String, String)> {
    let item = room.study().registration.site_item.clone();
    let own = room.study().sites.iter().filter(|site| room.person.acts_for(&site.code));
    let codes: Vec<&str> = own.map(|site| site.code.as_str()).collect();
    match (item, codes.as_slice()) {
        (Some(item), [only]) => vec![(item, (*only).to_string())],
        _ => Vec::new(),
    }
}

pub(super) async fn register(
    State(pages): State<CasePages>,
    Path(slug): Path<String>,
    call: Call,
    request: extract::Request,
) -> Response {
    let posted = match pages.typed(&slug, None, request, &call).await {
        Ok(posted) => posted,
        Err(page) => return page,
    };
    let done = async {
        let room = admitted!(enter_with(&pages, &slug, &posted, &call).await?);
        if room.study().enrolls_itself() {
            return Ok(room.told(StatusCode::FORBIDDEN, "enrolls_itself"));
        }
        let mark = mark_of(&posted, &pages);
        let task = registration(&room, pages.means().now, pages.keeps());
        let form = answer::read_form(room.study(), task.instrument, &posted.lines(task.instrument), today(&task));
        if let Some(kept) = pages.kept(&task, &form, &posted, &mark).await? {
            return Ok(kept);
        }
        let next = walk::next(&task.filled(&form, &posted), true);
        if !matches!(next, Next::Send) {
            return Ok(task.page(&form, &posted, &mark, &next, &Notice::default()));
        }
        let refused = |notice: &Notice| task.again(StatusCode::UNPROCESSABLE_ENTITY, &form, &posted, &mark, notice);
        let registered =
            register::register(&pages.tools.shelf, &room.shelved, pages.means(), room.registrar(), &form).await;
        if matches!(registered, Ok(Registered::Now(_) | Registered::Before(_))) {
            pages.sent(&task).await;
        }
        Ok(match registered {
            Ok(Registered::Now(enrolled)) => {
                pages.tools.ring();
                room.to_case(enrolled.subject.number, "enrolled")
            }
            Ok(Registered::Before(enrolled)) => room.to_case(enrolled.subject.number, "before"),
            Ok(Registered::Conflict(number, conflict)) => {
                refused(&Notice { conflict: Some((number, *conflict)), ..Notice::default() })
            }
            Ok(Registered::Refused(reasons)) => refused(&Notice { reasons, ..Notice::default() }),
            Err(failure) => busy(failure, &task, (&form, &posted, &mark)).map_err(Failed::unsure)?,
        })
    };
    let done = done.await;
    pages.answer_sent(done, &posted, &call)
}

/// What a correction of a registration starts from: it is read by the day of the enrollment.
fn correction<'a>(room: &'a Room, subject: &'a SubjectRow, chart: &Chart) -> Task<'a> {
    Task {
        room,
        rest: format!("/{}/correct", subject.number),
        title: room.word("correct_registration", &[]),
        instrument: room.study().registration_instrument(),
        subject: Some(subject),
        event: None,
        before: Some(chart.registration.canonical()),
        base: chart.enrolled.facts.len().to_string(),
        now: subject.enrolled_at,
        send: "keep_correction",
        keeps: false,
    }
}

pub(super) async fn show_correction(
    State(pages): State<CasePages>,
    Path((slug, number)): Path<(String, String)>,
    Query(wish): Query<Wish>,
    call: Call,
) -> Response {
    let shown = async {
        let room = admitted!(look_with(&pages, &slug, &wish, &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        let chart = pages.chart(&room, &subject).await?;
        let task = correction(&room, &subject, &chart);
        let posted = Posted::of_answers(task.instrument, &chart.registration.canonical());
        let mark = Mark::new(&*pages.tools.dice);
        Ok(task.again(StatusCode::OK, &chart.registration, &posted, &mark, &Notice::default()))
    };
    let shown = shown.await;
    pages.answer(shown, &call)
}

pub(super) async fn correct(
    State(pages): State<CasePages>,
    Path((slug, number)): Path<(String, String)>,
    call: Call,
    request: extract::Request,
) -> Response {
    let posted = match pages.typed(&slug, None, request, &call).await {
        Ok(posted) => posted,
        Err(page) => return page,
    };
    let done = async {
        let room = admitted!(enter_with(&pages, &slug, &posted, &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        let chart = pages.chart(&room, &subject).await?;
        let task = correction(&room, &subject, &chart);
        let mark = mark_of(&posted, &pages);
        let day = chart.enrolled.day(room.study().zone);
        let form = answer::read_form(room.study(), task.instrument, &posted.lines(task.instrument), day);
        let refused = |problem| {
            let notice = Notice { problem: Some(problem), ..Notice::default() };
            task.again(StatusCode::UNPROCESSABLE_ENTITY, &form, &posted, &mark, &notice)
        };
        let next = walk::next(&task.filled(&form, &posted), true);
        let seen = posted.base().parse::<usize>().ok();
        // Pressed twice, or sent once more: it is recorded, and nothing that it would change is left.
        let told = |seen| remark::corrected_after(&chart.enrolled, seen, &room.person, posted.reason());
        let sent = matches!(next, Next::Send) || posted.only_looks();
        if sent && seen.is_some_and(told) && task.changes(&form).is_empty() {
            return Ok(room.to_case(subject.number, "corrected"));
        }
        if posted.base() != task.base {
            return Ok(refused("overtaken"));
        }
        if task.lacks_reason(&posted) {
            return Ok(refused("no_reason"));
        }
        if matches!(next, Next::Review | Next::Send) && task.changes(&form).is_empty() {
            return Ok(refused("nothing_changed"));
        }
        let before = chart.registration.canonical();
        // What would have been right is a value: that there was none cannot be said of a registration.
        let blanked = |item: &Item| {
            let asked = item.kind.asks() && !form.unasked.contains(&item.id);
            asked && before.contains_key(&item.id) && form.value(&item.id).is_none()
        };
        if matches!(next, Next::Review | Next::Send) && task.instrument.items.iter().any(blanked) {
            return Ok(refused("not_blank"));
        }
        if !matches!(next, Next::Send) {
            return Ok(task.page(&form, &posted, &mark, &next, &Notice::default()));
        }
        let differing = task.instrument.items.iter().filter(|item| {
            item.kind.asks() && before.get(&item.id).map(String::as_str) != form.value(&item.id).as_deref()
        });
        let right: BTreeMap<String, String> =
            differing.map(|item| (item.id.clone(), form.typed.get(&item.id).cloned().unwrap_or_default())).collect();
        let remark = Remark {
            person: &room.person,
            subject_id: subject.id,
            reason: posted.reason(),
            right: Some(&right),
            seen: Some(chart.enrolled.facts.len()),
        };
        Ok(match remark::remark(&pages.tools.shelf, &room.shelved, pages.means(), remark).await {
            Ok(Remarked::Done | Remarked::Before) => {
                pages.tools.ring();
                room.to_case(subject.number, "corrected")
            }
            Ok(Remarked::Overtaken) => refused("overtaken"),
            Ok(Remarked::NotTheirs) => room.told(StatusCode::FORBIDDEN, "no_role"),
            Ok(Remarked::NoReason) => refused("no_reason"),
            Ok(Remarked::Nothing) => refused("nothing_changed"),
            Ok(Remarked::Faults(_)) => refused("not_so"),
            Ok(Remarked::Taken) => refused("reference_taken"),
            Err(failure) => busy(failure, &task, (&form, &posted, &mark)).map_err(Failed::unsure)?,
        })
    };
    let done = done.await;
    pages.answer_sent(done, &posted, &call)
}
