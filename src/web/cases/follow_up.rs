//! A form of an event on a page: entered, shown with its history, corrected.

use std::collections::BTreeMap;

use axum::extract::{self, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};

use super::chart::trail;
use super::entry::{Notice, Task, admitted, busy, changes, enter_with, look_with, mark_of, today};
use super::list::days;
use super::{CasePages, Room, Wish, put};
use crate::domain::answer::{Form, Uploads};
use crate::domain::door::Door;
use crate::domain::event::{Event, Window};
use crate::domain::file::FileAnswer;
use crate::domain::instrument::{Instrument, Item, ItemKind};
use crate::domain::study::Blinding;
use crate::domain::survey::Mark;
use crate::domain::text;
use crate::domain::time::{Instant, Zone};
use crate::letters::facts::Shown;
use crate::limits;
use crate::store::response::{Channel, ResponseRow};
use crate::store::study;
use crate::store::subject::SubjectRow;
use crate::web::caller::Call;
use crate::web::failed::Failed;
use crate::web::questionnaire::body::{self, Desk};
use crate::web::questionnaire::posted::Posted;
use crate::web::questionnaire::walk::{self, Next};
use crate::workflow::Failure;
use crate::workflow::course;
use crate::workflow::facts::keeps_entry_reason;
use crate::workflow::follow_up::{self, Chart, Entered, Entry, Why};
use crate::workflow::ledger::Ledger;
use crate::workflow::uploads::Owner;

/// A form of an event of one subject.
struct Place<'a> {
    event: &'a Event,
    window: Option<Window>,
    /// As it is asked there.
    instrument: Instrument,
    /// Every entry of it, superseded ones among them, in the order of time.
    entries: Vec<ResponseRow>,
}

impl Place<'_> {
    /// The entry of an occasion that counts.
    fn current(&self, occasion: &str) -> Option<&ResponseRow> {
        let occasion: i64 = occasion.parse().ok()?;
        self.entries.iter().find(|row| row.occasion == occasion && row.current)
    }
}

#[expect(clippy::result_large_err, reason = "a page that is answered with at once")]
fn place<'a>(room: &'a Room, chart: &Chart, event: &str, form: &str) -> Result<Place<'a>, Response> {
    let study = room.study();
    let stations = chart.stations(study);
    let found = stations.iter().find(|one| one.event.id == event).and_then(|one| {
        let instrument = follow_up::instrument_at(study, one.event, form, one.window)?;
        one.event.instruments.iter().any(|id| id == form).then_some((one.event, one.window, instrument))
    });
    let Some((event, window, instrument)) = found else { return Err(room.told(StatusCode::NOT_FOUND, "no_form")) };
    let own = |row: &&ResponseRow| row.event == event.id && row.instrument == instrument.id;
    let entries = chart.responses.iter().filter(own).cloned().collect();
    Ok(Place { event, window, instrument, entries })
}

/// What a form starts from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// Nothing; it may be kept to go on later.
    Anew { keeps: bool },
    /// An entry, which is corrected.
    Entry(&'a ResponseRow),
}

fn follow_up_task<'a>(
    room: &'a Room,
    subject: &'a SubjectRow,
    place: &'a Place<'a>,
    occasion: &str,
    now: Instant,
    source: Source<'_>,
) -> Task<'a> {
    let (before, keeps) = match source {
        Source::Anew { keeps } => (None, keeps),
        Source::Entry(row) => (Some(row), false),
    };
    let tail = if before.is_some() { "/correct" } else { "" };
    Task {
        room,
        rest: format!("/{}/{}/{}/{occasion}{tail}", subject.number, place.event.id, place.instrument.id),
        title: place.instrument.title.in_language(room.language).to_string(),
        instrument: &place.instrument,
        subject: Some(subject),
        event: Some((place.event, place.window)),
        before: before.map(answers),
        base: before.map(|before| before.id.text()).unwrap_or_default(),
        now,
        send: if before.is_some() { "keep_correction" } else { "enter" },
        keeps,
    }
}

/// Canonical answers of an entry.
fn answers(row: &ResponseRow) -> BTreeMap<String, String> {
    serde_json::from_str(&row.answers).unwrap_or_default()
}

type EntryPath = (String, String, String, String, String);

pub(super) async fn show_entry(
    State(pages): State<CasePages>,
    Path((slug, number, event, form, occasion)): Path<EntryPath>,
    Query(wish): Query<Wish>,
    call: Call,
) -> Response {
    let shown = async {
        let room = admitted!(pages.enter(&slug, wish.lang.as_deref(), &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        let chart = pages.chart(&room, &subject).await?;
        let place = admitted!(place(&room, &chart, &event, &form));
        if occasion != "new" {
            return Ok(match place.current(&occasion) {
                Some(row) => {
                    let conceals = pages.conceals(&room).await?;
                    let keeps = |row: &ResponseRow| {
                        let facts = &chart.enrolled.facts;
                        conceals && row.person != room.person.id && keeps_entry_reason(room.study(), row, facts)
                    };
                    view(&room, &subject, &place, row, keeps)
                }
                None => room.told(StatusCode::NOT_FOUND, "no_form"),
            });
        }
        if !room.may_enter() {
            return Ok(room.told(StatusCode::FORBIDDEN, "no_role"));
        }
        let task =
            follow_up_task(&room, &subject, &place, "new", pages.means().now, Source::Anew { keeps: pages.keeps() });
        // What they kept is shown even where somebody else was faster: they see what differs when they send it, and may forget it.
        if let Some(resumed) = pages.resume(&task).await? {
            let who = who(&room, &subject);
            let files = body::files_of(desk(&pages, &room, task.instrument, &who), &resumed.posted).await?;
            let read = read(&task, &chart, &place, &resumed.posted, &files);
            return Ok(task.resumed(&read, &resumed, &mark_of(&resumed.posted, &pages)));
        }
        if let Some(there) = place.entries.iter().find(|row| row.current && !place.event.repeats) {
            let rest = format!("/{number}/{event}/{form}/{}", there.occasion);
            return Ok(Redirect::to(&room.here(&rest)).into_response());
        }
        let blank = Posted::new(Vec::new());
        let read = read(&task, &chart, &place, &blank, &Uploads::new());
        Ok(task.again(StatusCode::OK, &read, &blank, &Mark::new(&*pages.tools.dice), &Notice::default()))
    };
    let shown = shown.await;
    pages.answer(shown, &call)
}

fn read(task: &Task<'_>, chart: &Chart, place: &Place<'_>, posted: &Posted, files: &Uploads) -> Form {
    let study = task.room.study();
    let lines = posted.lines(task.instrument);
    let today = today(task);
    let sent = (lines.as_slice(), files);
    chart.with_record(study, |record| follow_up::read(study, place.event, task.instrument, sent, record, today))
}

/// Whose form its files come with, and how it is asked.
struct Seat {
    study: i64,
    zone: Zone,
    instrument: Instrument,
    who: Vec<u8>,
    guard: String,
}

/// What nobody else's form has: whoever fills it in, and of which subject.
fn who(room: &Room, subject: &SubjectRow) -> Vec<u8> {
    format!("{}\n{}", room.person.id, subject.id).into_bytes()
}

/// Where the files of a form go.
fn desk<'a>(pages: &'a CasePages, room: &'a Room, instrument: &'a Instrument, who: &'a [u8]) -> Desk<'a> {
    let owner = Owner { study: room.shelved.id, who };
    Desk { tools: &pages.tools, zone: room.study().zone, instrument, owner, guard: None }
}

impl CasePages {
    /// Whether words that could tell an arm are kept from this reader: of their own nobody keeps any from them.
    async fn conceals(&self, room: &Room) -> Result<bool, Failure> {
        if room.study().blinding == Blinding::Open || room.person.knows_arms() {
            return Ok(false);
        }
        Ok(study::load(self.tools.shelf.store(), room.shelved.id).await?.state != study::State::Closed)
    }
}

/// What was entered, and every version of it before, with the reasons that are not kept from the reader.
fn view(
    room: &Room,
    subject: &SubjectRow,
    place: &Place<'_>,
    row: &ResponseRow,
    keeps: impl Fn(&ResponseRow) -> bool,
) -> Response {
    let study = room.study();
    let instrument = &place.instrument;
    let rest = format!("/{}/{}/{}/{}", subject.number, place.event.id, instrument.id, row.occasion);
    let mut facts = room.head(instrument.title.in_language(room.language), &rest);
    put(&mut facts, "trail", trail(room, Some(subject)));
    let window = days(place.window);
    put(&mut facts, "event", json!({ "name": place.event.name.in_language(room.language), "window": window }));
    let standing = course::standing(study, place.event, place.window, row);
    put(&mut facts, "outside", json!(super::chart::outside(room, standing)));
    let canonical = answers(row);
    let answered: Vec<&Item> = instrument.items.iter().filter(|item| canonical.contains_key(&item.id)).collect();
    let shown: Vec<Shown> = match room.may_enter() {
        true => answered.iter().map(|item| Shown::own(study, instrument, item, &canonical, room.language)).collect(),
        false => Shown::list(study, instrument, &canonical, room.language),
    };
    let link = |item: &Item| {
        let file = matches!(item.kind, ItemKind::File(_)) && super::files::may_have(room, item);
        file.then(|| room.link(&format!("/{}/-/{}/{}", subject.number, row.id.text(), item.id)))
    };
    let shown = answered.iter().zip(shown).map(|(item, shown)| {
        let mut shown = json!(shown);
        put(&mut shown, "link", json!(link(item)));
        shown
    });
    put(&mut facts, "answers", json!(shown.collect::<Vec<Value>>()));
    let versions: Vec<&ResponseRow> = place.entries.iter().filter(|one| one.occasion == row.occasion).collect();
    let by_id: BTreeMap<Mark, &ResponseRow> = versions.iter().map(|one| (one.id, *one)).collect();
    let told = |one: &&ResponseRow| {
        let who = study.people.iter().find(|person| person.id == one.person);
        let who = who.map_or(one.person.as_str(), |person| person.name.in_language(room.language));
        let before = one.replaces.and_then(|before| by_id.get(&before));
        // Personal answers are masked for whoever only looks.
        let changed = before.filter(|_| room.may_enter());
        let changed = changed.map(|before| changes(room, instrument, &answers(before), &answers(one)));
        let reason = if keeps(one) { room.word("reason_kept_back", &[]) } else { one.reason.clone() };
        json!({
            "at": one.answered_at.map(|at| at.local(study.zone)).unwrap_or_default(), "by": who, "reason": reason,
            "channel": room.word(&format!("channel_{}", one.channel.key()), &[]), "changes": changed.unwrap_or_default(),
        })
    };
    put(&mut facts, "versions", json!(versions.iter().map(told).collect::<Vec<Value>>()));
    put(&mut facts, "correct", json!(room.may_enter().then(|| room.here(&format!("{rest}/correct")))));
    room.respond(StatusCode::OK, "entry", facts)
}

pub(super) async fn enter(
    State(pages): State<CasePages>,
    Path((slug, number, event, form, occasion)): Path<EntryPath>,
    call: Call,
    request: extract::Request,
) -> Response {
    if occasion != "new" {
        return pages.bare(StatusCode::NOT_FOUND, "unknown", &call.headers);
    }
    let posted = match pages.posted((&slug, &number, &event, &form), request, &call).await {
        Ok(posted) => posted,
        Err(page) => return page,
    };
    let done = async {
        let room = admitted!(enter_with(&pages, &slug, &posted, &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        let chart = pages.chart(&room, &subject).await?;
        let place = admitted!(place(&room, &chart, &event, &form));
        let task =
            follow_up_task(&room, &subject, &place, "new", pages.means().now, Source::Anew { keeps: pages.keeps() });
        pages.take(&task, &subject, &chart, &place, &posted, None).await
    };
    let done = done.await;
    pages.answer_sent(done, &posted, &call)
}

pub(super) async fn show_entry_correction(
    State(pages): State<CasePages>,
    Path((slug, number, event, form, occasion)): Path<EntryPath>,
    Query(wish): Query<Wish>,
    call: Call,
) -> Response {
    let shown = async {
        let room = admitted!(look_with(&pages, &slug, &wish, &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        let chart = pages.chart(&room, &subject).await?;
        let place = admitted!(place(&room, &chart, &event, &form));
        let Some(row) = place.current(&occasion) else { return Ok(room.told(StatusCode::NOT_FOUND, "no_form")) };
        let task = follow_up_task(&room, &subject, &place, &occasion, pages.means().now, Source::Entry(row));
        let who = who(&room, &subject);
        let desk = desk(&pages, &room, task.instrument, &who);
        let token = |item: &str, file: &FileAnswer| desk.owner.token(pages.means(), item, file);
        let posted = Posted::of_answers(task.instrument, &answers(row)).with_tokens(task.instrument, token);
        let files = body::files_of(desk, &posted).await?;
        let read = read(&task, &chart, &place, &posted, &files);
        Ok(task.again(StatusCode::OK, &read, &posted, &Mark::new(&*pages.tools.dice), &Notice::default()))
    };
    let shown = shown.await;
    pages.answer(shown, &call)
}

pub(super) async fn correct_entry(
    State(pages): State<CasePages>,
    Path((slug, number, event, form, occasion)): Path<EntryPath>,
    call: Call,
    request: extract::Request,
) -> Response {
    let posted = match pages.posted((&slug, &number, &event, &form), request, &call).await {
        Ok(posted) => posted,
        Err(page) => return page,
    };
    let done = async {
        let room = admitted!(enter_with(&pages, &slug, &posted, &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        let chart = pages.chart(&room, &subject).await?;
        let place = admitted!(place(&room, &chart, &event, &form));
        let Some(row) = place.current(&occasion) else { return Ok(room.told(StatusCode::NOT_FOUND, "no_form")) };
        let task = follow_up_task(&room, &subject, &place, &occasion, pages.means().now, Source::Entry(row));
        pages.take(&task, &subject, &chart, &place, &posted, Some(row)).await
    };
    let done = done.await;
    pages.answer_sent(done, &posted, &call)
}

impl CasePages {
    /// What was posted, or the page that says why it is not looked at.
    async fn posted(
        &self,
        form: (&str, &str, &str, &str),
        request: extract::Request,
        call: &Call,
    ) -> Result<Posted, Response> {
        let mut failed = None;
        let read = match body::is_multipart(&call.headers) {
            false => {
                // Long texts are read of whoever is known.
                let texts = match self.visitor(&call.headers).await {
                    Ok(Some(_)) => limits::ANSWERS_BYTES,
                    Ok(None) => 0,
                    Err(failure) => {
                        failed = Some(failure);
                        0
                    }
                };
                body::read(request, texts, None).await
            }
            true => match self.seat(form, call).await {
                Ok(Err(page)) => return Err(page),
                Ok(Ok(None)) => body::read(request, 0, None).await,
                Ok(Ok(Some(seat))) => {
                    let owner = Owner { study: seat.study, who: &seat.who };
                    let instrument = &seat.instrument;
                    let desk =
                        Desk { tools: &self.tools, zone: seat.zone, instrument, owner, guard: Some(&seat.guard) };
                    let read = body::read(request, body::texts(instrument), Some(desk)).await;
                    read.map(|posted| posted.without_dropped(instrument))
                }
                // Who sends it cannot be told now: nothing of it is stored, and what was typed goes back.
                Err(failure) => {
                    failed = Some(failure);
                    body::read(request, 0, None).await
                }
            },
        };
        self.taken(read, failed, call).map_err(|page| *page)
    }

    /// Where the files of a form go: before the first byte of one is stored it is known who sends it, for which subject. None of somebody
    /// who is signed out; what else they typed is not lost.
    ///
    /// What the study demands on top of signing in is asked for afterwards, for a browser sends a file once, and whoever is asked would
    /// have to choose it anew. A file that was stored is nobody's answer yet, is shown to nobody else, and goes after a while
    /// ([`uploads`](crate::workflow::uploads)); it is recorded with the form alone, once that was shown.
    async fn seat(
        &self,
        (slug, number, event, form): (&str, &str, &str, &str),
        call: &Call,
    ) -> Result<Result<Option<Seat>, Response>, Failure> {
        if self.visitor(&call.headers).await?.is_none() {
            return Ok(Ok(None));
        }
        let room = match self.admit(Door::Cases, slug, None, call, None).await? {
            Ok(room) if room.may_enter() => room,
            Ok(room) => return Ok(Err(room.told(StatusCode::FORBIDDEN, "no_role"))),
            Err(page) => return Ok(Err(page)),
        };
        let subject = match self.subject(&room, number).await? {
            Ok(subject) => subject,
            Err(page) => return Ok(Err(page)),
        };
        let chart = self.chart(&room, &subject).await?;
        let Place { instrument, .. } = match place(&room, &chart, event, form) {
            Ok(place) => place,
            Err(page) => return Ok(Err(page)),
        };
        let (study, zone) = (room.shelved.id, room.study().zone);
        let seat = Seat { study, zone, instrument, who: who(&room, &subject), guard: room.secret.guard() };
        Ok(Ok(Some(seat)))
    }

    /// Takes a posted form of an event as far as it goes.
    async fn take(
        &self,
        task: &Task<'_>,
        subject: &SubjectRow,
        chart: &Chart,
        place: &Place<'_>,
        posted: &Posted,
        corrects: Option<&ResponseRow>,
    ) -> Result<Response, Failed> {
        let room = task.room;
        let mark = mark_of(posted, self);
        let who = who(room, subject);
        let files = body::files_of(desk(self, room, task.instrument, &who), posted).await?;
        let form = read(task, chart, place, posted, &files);
        if let Some(kept) = self.kept(task, &form, posted, &mark).await? {
            return Ok(kept);
        }
        let refused = |notice: &Notice| task.again(StatusCode::UNPROCESSABLE_ENTITY, &form, posted, &mark, notice);
        let because = |problem| refused(&Notice { problem: Some(problem), ..Notice::default() });
        let sent_before = corrects.is_some_and(|row| row.id == mark && answers(row) == form.canonical());
        if posted.base() != task.base && !sent_before {
            return Ok(because("overtaken"));
        }
        if task.lacks_reason(posted) {
            return Ok(because("no_reason"));
        }
        let next = walk::next(&task.filled(&form, posted), true);
        let complete = matches!(next, Next::Review | Next::Send);
        if corrects.is_some() && !sent_before && complete && task.changes(&form).is_empty() {
            return Ok(because("nothing_changed"));
        }
        if !matches!(next, Next::Send) {
            return Ok(task.page(&form, posted, &mark, &next, &Notice::default()));
        }
        let reason = text::clean(posted.reason(), limits::DEED_REASON_CHARS);
        let entry = Entry {
            subject_id: subject.id,
            event: place.event,
            instrument: &place.instrument.id,
            form: &form,
            person: &room.person,
            language: room.language,
            channel: Channel::Web,
            mark,
            corrects: corrects.map(|row| (row.id, reason.as_str())),
        };
        let mut ledger = Ledger::begin(&self.tools.shelf).await?;
        let entered = follow_up::enter(&mut ledger, &room.shelved, self.means(), entry).await;
        let entered = match entered {
            Ok(entered) => entered,
            Err(failure) => return busy(failure, task, (&form, posted, &mark)).map_err(Failed::from),
        };
        let rest = |row: &ResponseRow| format!("/{}/{}/{}/{}", subject.number, row.event, row.instrument, row.occasion);
        Ok(match entered {
            Entered::Recorded(_) | Entered::Before(_) => {
                match entered {
                    Entered::Recorded(_) => ledger.commit().await.map_err(Failed::unsure)?,
                    // What is forgotten now takes the same lock.
                    _ => drop(ledger),
                }
                self.sent(task).await;
                let done = if corrects.is_some() { "corrected" } else { "entered" };
                room.to_case(subject.number, done)
            }
            Entered::Conflict(row) => refused(&Notice { on_file: Some(room.here(&rest(&row))), ..Notice::default() }),
            Entered::Refused(Why::NotTheirs) => room.told(StatusCode::FORBIDDEN, "no_role"),
            Entered::Refused(why) => because(match why {
                Why::Closed => "study_closed",
                Why::NotPlanned | Why::NotTheirs => "not_planned",
                Why::NoReason => "no_reason",
                Why::Overtaken => "overtaken",
            }),
        })
    }
}
