//! A further randomization on a page.

use axum::extract::{self, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::entry::{Notice, Task, admitted, busy, enter_with, look_with, mark_of, today};
use super::{CasePages, Room, Wish};
use crate::domain::answer;
use crate::domain::study::Randomization;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::store::subject::SubjectRow;
use crate::web::caller::Call;
use crate::web::failed::Failed;
use crate::web::questionnaire::posted::Posted;
use crate::web::questionnaire::walk::{self, Next};
use crate::workflow::Failure;
use crate::workflow::further::{self, Randomized};

fn task<'a>(
    room: &'a Room,
    subject: &'a SubjectRow,
    wanted: &str,
    now: Instant,
) -> Option<(&'a Randomization, Task<'a>)> {
    let study = room.study();
    let own = study.find_randomization(wanted)?;
    let instrument = study.find_instrument(&own.instrument)?;
    let task = Task {
        room,
        rest: format!("/{}/randomize/{}", subject.number, own.id),
        title: own.title.in_language(room.language).to_string(),
        instrument,
        subject: Some(subject),
        event: None,
        before: None,
        base: String::new(),
        now,
        send: "randomize",
        keeps: false,
    };
    Some((own, task))
}

pub(super) async fn show(
    State(pages): State<CasePages>,
    Path((slug, number, wanted)): Path<(String, String, String)>,
    Query(wish): Query<Wish>,
    call: Call,
) -> Response {
    let shown = async {
        let room = admitted!(look_with(&pages, &slug, &wish, &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        let Some((own, task)) = task(&room, &subject, &wanted, pages.means().now) else {
            return Ok(room.told(StatusCode::NOT_FOUND, "no_randomization"));
        };
        if pages.chart(&room, &subject).await?.enrolled.find_further(&own.id).is_some() {
            return Ok(room.to_case(subject.number, "randomized_before"));
        }
        let blank = Posted::new(Vec::new());
        let form = answer::read_form(room.study(), task.instrument, &[], today(&task));
        Ok(task.again(StatusCode::OK, &form, &blank, &Mark::new(&*pages.tools.dice), &Notice::default()))
    };
    let shown: Result<Response, Failure> = shown.await;
    pages.answer(shown, &call)
}

pub(super) async fn randomize(
    State(pages): State<CasePages>,
    Path((slug, number, wanted)): Path<(String, String, String)>,
    call: Call,
    request: extract::Request,
) -> Response {
    let posted = match pages.typed(&slug, Some(&wanted), request, &call).await {
        Ok(posted) => posted,
        Err(page) => return page,
    };
    let done = async {
        let room = admitted!(enter_with(&pages, &slug, &posted, &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        let mark = mark_of(&posted, &pages);
        let Some((own, task)) = task(&room, &subject, &wanted, pages.means().now) else {
            return Ok(room.told(StatusCode::NOT_FOUND, "no_randomization"));
        };
        let form = answer::read_form(room.study(), task.instrument, &posted.lines(task.instrument), today(&task));
        let next = walk::next(&task.filled(&form, &posted), true);
        if !matches!(next, Next::Send) {
            return Ok(task.page(&form, &posted, &mark, &next, &Notice::default()));
        }
        let refused = |notice: &Notice| task.again(StatusCode::UNPROCESSABLE_ENTITY, &form, &posted, &mark, notice);
        let (shelf, shelved) = (&pages.tools.shelf, &room.shelved);
        let asked = (subject.id, own.id.as_str());
        Ok(match further::randomize(shelf, shelved, pages.means(), room.registrar(), asked, &form).await {
            Ok(Randomized::Now) => {
                pages.tools.ring();
                room.to_case(subject.number, "randomized")
            }
            Ok(Randomized::Before) => room.to_case(subject.number, "randomized_before"),
            Ok(Randomized::Conflict) => refused(&Notice { problem: Some("randomized_otherwise"), ..Notice::default() }),
            Ok(Randomized::Refused(reasons)) => refused(&Notice { reasons, ..Notice::default() }),
            Ok(Randomized::NotTheirs) => room.told(StatusCode::FORBIDDEN, "no_role"),
            Err(failure) => busy(failure, &task, (&form, &posted, &mark)).map_err(Failed::unsure)?,
        })
    };
    let done: Result<Response, Failed> = done.await;
    pages.answer_sent(done, &posted, &call)
}
