//! One case: its allocation as its reader may know it, what was registered, its events, what became known since.

use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::entry::admitted;
use super::list::days;
use super::{CasePages, Room, Wish, put};
use crate::domain::deed::Deed;
use crate::domain::event::Standing;
use crate::domain::fact::FactKind;
use crate::domain::instrument::ItemKind;
use crate::domain::study::Randomization;
use crate::letters::facts::Shown;
use crate::letters::{Facts, Kind};
use crate::limits;
use crate::store::outbox::{self, OutboxRow, State as Sending, Which};
use crate::store::response::ResponseRow;
use crate::store::subject::SubjectRow;
use crate::web::caller::Call;
use crate::web::failed::Failed;
use crate::web::questionnaire::posted::Posted;
use crate::workflow::Failure;
use crate::workflow::compose::{self, Telling};
use crate::workflow::course::{self, Progress, Station};
use crate::workflow::facts;
use crate::workflow::follow_up::Chart;
use crate::workflow::ledger::Ledger;
use crate::workflow::remark::{self, Remark, Remarked};

pub(super) async fn show(
    State(pages): State<CasePages>,
    Path((slug, number)): Path<(String, String)>,
    Query(wish): Query<Wish>,
    call: Call,
) -> Response {
    let shown = async {
        let room = admitted!(pages.enter(&slug, wish.lang.as_deref(), &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        pages.case(&room, &subject, wish.done.as_deref()).await
    };
    let shown = shown.await;
    pages.answer(shown, &call)
}

pub(super) async fn show_withdrawal(
    State(pages): State<CasePages>,
    Path((slug, number)): Path<(String, String)>,
    Query(wish): Query<Wish>,
    call: Call,
) -> Response {
    let shown = async {
        let room = admitted!(pages.enter(&slug, wish.lang.as_deref(), &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        Ok(withdrawal(&room, &subject, StatusCode::OK, "", None))
    };
    let shown = shown.await;
    pages.answer(shown, &call)
}

pub(super) async fn withdraw(
    State(pages): State<CasePages>,
    Path((slug, number)): Path<(String, String)>,
    call: Call,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let posted = Posted::new(fields);
    let done = async {
        let room = admitted!(pages.enter_sent(&slug, &posted, &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        let reason = posted.reason();
        if posted.only_looks() {
            return Ok(withdrawal(&room, &subject, StatusCode::OK, reason, None));
        }
        let remark = Remark { person: &room.person, subject_id: subject.id, reason, right: None, seen: None };
        let told = remark::remark(&pages.tools.shelf, &room.shelved, pages.means(), remark).await;
        Ok(match told.map_err(Failed::unsure)? {
            Remarked::Done => {
                pages.tools.ring();
                room.to_case(subject.number, "withdrawn")
            }
            Remarked::Before => room.to_case(subject.number, "withdrawn_before"),
            Remarked::NotTheirs => room.told(StatusCode::FORBIDDEN, "no_role"),
            Remarked::NoReason | Remarked::Nothing | Remarked::Faults(_) | Remarked::Taken | Remarked::Overtaken => {
                withdrawal(&room, &subject, StatusCode::UNPROCESSABLE_ENTITY, reason, Some("no_reason"))
            }
        })
    };
    let done = done.await;
    pages.answer_sent(done, &posted, &call)
}

fn withdrawal(room: &Room, subject: &SubjectRow, status: StatusCode, reason: &str, problem: Option<&str>) -> Response {
    if !Deed::Withdraw.allowed(room.study(), &room.person) {
        return room.told(StatusCode::FORBIDDEN, "no_role");
    }
    let rest = format!("/{}/withdraw", subject.number);
    let mut facts = room.head(&room.word("withdraw", &[]), &rest);
    put(&mut facts, "trail", trail(room, Some(subject)));
    let reason: String = reason.chars().take(limits::DEED_REASON_CHARS).collect();
    put(&mut facts, "reason", json!(reason));
    put(&mut facts, "most", json!(limits::DEED_REASON_CHARS));
    put(&mut facts, "problem", json!(problem.map(|key| room.word(key, &[]))));
    room.respond(status, "withdraw", facts)
}

/// Where a page stands.
pub(super) fn trail(room: &Room, subject: Option<&SubjectRow>) -> Value {
    let mut steps = vec![json!({ "text": room.word("cases", &[]), "link": room.here("") })];
    steps.extend(subject.map(|subject| {
        json!({ "text": room.study().subject_number(subject.number), "link": room.here(&format!("/{}", subject.number)) })
    }));
    json!(steps)
}

impl CasePages {
    /// All that is on file of a subject. Looking changes nothing.
    pub(super) async fn chart(&self, room: &Room, subject: &SubjectRow) -> Result<Chart, Failure> {
        let mut ledger = Ledger::begin(&self.tools.shelf).await?;
        Chart::load(&mut ledger, room.study(), subject.id).await
    }

    async fn case(&self, room: &Room, subject: &SubjectRow, done: Option<&str>) -> Result<Response, Failure> {
        let study = room.study();
        let chart = self.chart(room, subject).await?;
        let told =
            compose::assignment(&room.shelved, self.means(), &chart.enrolled, Telling::Status, None, room.language)?;
        let today = self.means().now.day_in(study.zone);
        let out = course::is_out(&chart.enrolled.facts).is_some();
        let mut facts = room.head(&study.subject_number(subject.number), &format!("/{}", subject.number));
        put(&mut facts, "trail", trail(room, None));
        put(&mut facts, "told", allocation(&told));
        let letters = outbox::list(self.tools.shelf.store(), Which::Subject(subject.id), None, limits::LISTED).await?;
        put(&mut facts, "letters", json!(letters.iter().rev().filter_map(|one| letter(room, one)).collect::<Vec<_>>()));
        put(&mut facts, "answers", json!(answers(room, &chart)));
        let stations = chart.stations(study);
        let shown: Vec<Value> = stations.iter().map(|one| station(room, subject, one, today, out)).collect();
        put(&mut facts, "events", json!(shown));
        let news = match done {
            Some("enrolled") => Some("now_enrolled"),
            Some("before") => Some("enrolled_before"),
            Some("entered") => Some("now_entered"),
            Some("randomized") => Some("now_randomized"),
            Some("randomized_before") => Some("randomized_before"),
            Some("withdrawn") => Some("now_withdrawn"),
            Some("withdrawn_before") => Some("withdrawn_before"),
            Some("corrected") => Some("now_corrected"),
            _ => None,
        };
        let mut standing = facts::standing(&chart.enrolled.facts);
        let withdrawn = standing.find(|fact| fact.kind == FactKind::Withdrawn);
        let day = withdrawn.map(|fact| fact.recorded_at.day_in(study.zone).to_string()).unwrap_or_default();
        put(&mut facts, "news", json!(news.map(|key| room.word(key, &[("day", &day)]))));
        let own = |rest: &str| room.here(&format!("/{}/{rest}", subject.number));
        put(&mut facts, "correct", json!(room.may_enter().then(|| own("correct"))));
        let waiting = study.randomizations.iter().filter(|one| chart.enrolled.find_further(&one.id).is_none());
        let offered = |one: &Randomization| json!({ "title": one.title.in_language(room.language), "link": own(&format!("randomize/{}", one.id)) });
        let offered: Vec<Value> = waiting.filter(|_| room.may_enter() && !out).map(offered).collect();
        put(&mut facts, "randomize", json!(offered));
        put(&mut facts, "withdraw", json!((room.may_enter() && !out).then(|| own("withdraw"))));
        Ok(room.respond(StatusCode::OK, "case", facts))
    }
}

/// What its reader may know of an allocation, from the facts of a letter to them.
fn allocation(told: &Facts) -> Value {
    let mut shown = match told {
        Facts::StatusOpen(facts) => json!(facts),
        Facts::StatusBlinded(facts) => json!(facts),
        Facts::StatusRegistration(facts) => json!(facts),
        _ => json!({}),
    };
    // A registry, or a blinded study without kits, tells of a registration alone.
    for (absent, nothing) in
        [("arm", Value::Null), ("code", Value::Null), ("further", json!([])), ("allocated_at", Value::Null)]
    {
        if shown.get(absent).is_none() {
            put(&mut shown, absent, nothing);
        }
    }
    shown
}

/// What became of a letter that tells the outcome of an allocation or registration; nothing of others. Which of the kinds it is stays
/// unsaid.
fn letter(room: &Room, letter: &OutboxRow) -> Option<Value> {
    if !Kind::find(&letter.kind).is_some_and(Kind::is_assignment) {
        return None;
    }
    let reader = room.study().find_person_by_address(&letter.recipient);
    let delay = letter.delay();
    let at = match letter.state {
        Sending::Sent if delay.is_none() => letter.sent_at,
        _ => letter.reported_at,
    };
    let at = at.map(|at| at.local(room.study().zone)).unwrap_or_default();
    let status = letter.failure();
    let key = match (letter.state, status.as_deref()) {
        (Sending::Failed, Some("")) => "letter_unsent".to_string(),
        _ if delay.is_some() => "letter_delayed".to_string(),
        (state, _) => format!("letter_{}", state.key()),
    };
    let told = delay.map(|(status, _)| status).or(status.as_deref());
    let said = room.word(&key, &[("status", told.unwrap_or_default()), ("at", at.as_str())]);
    let reader = reader.map(|person| person.name.in_language(room.language));
    Some(json!({ "to": reader, "said": said, "failed": status.is_some() }))
}

/// What was registered, as corrected since: everything for whoever enters data, the rest masked as in letters.
fn answers(room: &Room, chart: &Chart) -> Vec<Shown> {
    let study = room.study();
    let instrument = study.registration_instrument();
    let canonical = chart.registration.canonical();
    if !room.may_enter() {
        return Shown::list(study, instrument, &canonical, room.language);
    }
    let asked = instrument.items.iter().filter(|item| !matches!(item.kind, ItemKind::Heading));
    let answered = asked.filter(|item| canonical.contains_key(&item.id));
    answered.map(|item| Shown::own(study, instrument, item, &canonical, room.language)).collect()
}

fn station(room: &Room, subject: &SubjectRow, one: &Station<'_>, today: chrono::NaiveDate, out: bool) -> Value {
    let number = subject.number;
    let progress = match one.progress(today) {
        // Nothing more is asked for.
        Progress::Late | Progress::Due | Progress::Ahead | Progress::Waiting if out => Progress::Open,
        progress => progress,
    };
    let forms: Vec<Value> = one
        .forms
        .iter()
        .map(|(instrument, entries)| {
            let rest = |occasion: &str| format!("/{number}/{}/{}/{occasion}", one.event.id, instrument.id);
            let entry = |row: &ResponseRow| {
                let at = row.answered_at.map(|at| at.local(room.study().zone)).unwrap_or_default();
                json!({ "link": room.here(&rest(&row.occasion.to_string())), "at": at, "occasion": row.occasion,
                        "corrected": row.replaces.is_some() })
            };
            let may = room.may_enter() && (entries.is_empty() || one.event.repeats);
            json!({
                "title": instrument.title.in_language(room.language),
                "entries": entries.iter().map(entry).collect::<Vec<Value>>(),
                "enter": may.then(|| room.here(&rest("new"))), "numbered": one.event.repeats,
            })
        })
        .collect();
    let progress = if out && progress == Progress::Open { "closed" } else { progress.key() };
    json!({
        "name": one.event.name.in_language(room.language), "window": days(one.window), "forms": forms,
        "progress": progress, "said": room.word(&format!("progress_{progress}"), &[]),
        "took_place": one.took_place.map(|day| day.to_string()), "outside": outside(room, one.standing()),
    })
}

/// What is said of an event that took place outside of its window; it stays so, and whoever looks at the case is to see it.
pub(super) fn outside(room: &Room, standing: Option<Standing>) -> Option<String> {
    let standing = standing.filter(|standing| *standing != Standing::Within)?;
    Some(room.word(&format!("outside_{}", standing.key()), &[]))
}
