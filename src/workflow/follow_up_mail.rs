//! Forms of events by mail: asked for, filled in, corrected. What is taken, and once only, is decided where it is for the pages
//! ([`super::follow_up`]); here is who may ask, what is asked back, and what is answered.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accept::{self, Asking};
use super::by_mail::{mark_of, mark_of_mail};
use super::compose::{self, Addressing};
use super::confirm;
use super::deed::{self, Found};
use super::enroll::{Confirmed, append, refusal_keys};
use super::facts::keeps_entry_reason;
use super::follow_up::{self, Chart, Entered, Entry, Why};
use super::ledger::Ledger;
use super::{Failure, Settled};
use crate::domain::answer::{Form, Line, Uploads};
use crate::domain::event::{Event, Window};
use crate::domain::instrument::{Instrument, ItemKind};
use crate::domain::language::Language;
use crate::domain::request::{Act, FollowUp};
use crate::domain::survey::Mark;
use crate::letters::facts::{
    EventEntry, EventForm, FollowUpConfirm, FollowUpConflict, FollowUpDone, FollowUpForm, FollowUpRefused, NotEntitled,
    Reason,
};
use crate::letters::{Facts, words};
use crate::store::response::{Channel, ResponseRow};
use crate::store::study::State as StudyState;

/// A form that waits for the reply: its subject and event are known by now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WaitingFollowUp {
    event: String,
    instrument: String,
    /// Number of the subject.
    number: i64,
    /// Typed text by item id.
    typed: BTreeMap<String, String>,
    /// Day its relative limits meant: `2026-11-20`.
    day: String,
    /// Language of the request: its confirmation is often too short to tell.
    language: String,
    /// The entry that it corrects, and why.
    #[serde(default)]
    corrects: Option<(String, String)>,
}

/// How far the sender has been asked, and what makes the form the same when it comes again.
#[derive(Clone, Copy)]
struct Course<'a> {
    confirmed: Confirmed,
    mark: Mark,
    /// The day by which the form is read.
    day: NaiveDate,
    /// The entry that the sender was asked about correcting.
    corrects: Option<&'a Mark>,
}

/// One form of an event of one subject.
#[derive(Clone, Copy)]
struct Case<'a> {
    event: &'a Event,
    /// As it is asked there.
    instrument: &'a Instrument,
    window: Option<Window>,
    chart: &'a Chart,
    /// Our subject number.
    subject: &'a str,
}

impl Case<'_> {
    fn about(&self) -> EventForm<'_> {
        let Case { event, instrument, window, chart, subject } = *self;
        EventForm { event, instrument, window, subject, site: &chart.enrolled.subject.site }
    }

    /// The entry that counts, where there can be but one.
    fn on_file(&self) -> Option<&ResponseRow> {
        let own = |row: &&ResponseRow| row.event == self.event.id && row.instrument == self.instrument.id;
        self.chart.responses.iter().filter(own).find(|row| row.current && !self.event.repeats)
    }

    fn to<'a>(&'a self, asking: Asking<'a>) -> Addressing<'a> {
        let subject = &self.chart.enrolled.subject;
        Addressing { site: Some(&subject.site), subject_id: Some(subject.id), ..asking.to_sender() }
    }

    fn settled(&self, asking: Asking<'_>, disposition: &'static str, reason: impl Into<String>) -> Settled {
        Settled { subject_id: Some(self.chart.enrolled.subject.id), ..asking.settled(disposition, reason) }
    }
}

/// Takes a form, or sends the one that is asked for.
pub(super) async fn take(ledger: &mut Ledger<'_>, asking: Asking<'_>, wanted: &FollowUp) -> Result<Settled, Failure> {
    let day = asking.means.now.day_in(asking.study().zone);
    let course = Course { confirmed: Confirmed::NotYet, mark: mark_of_mail(asking), day, corrects: None };
    go_on(ledger, asking, wanted, course).await
}

/// Goes on with a form that waited for the reply to a token of that digest.
pub(super) async fn resume(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    waiting: WaitingFollowUp,
    (confirmed, digest): (Confirmed, &[u8]),
) -> Result<Settled, Failure> {
    let broken = |why: &str| Failure::Contradiction(format!("a waiting form cannot be read: {why}"));
    let day: NaiveDate = waiting.day.parse().map_err(|_| broken("its day"))?;
    let lines = (1..).zip(waiting.typed).map(|(number, (key, value))| Line { key, value, number });
    let (corrects, reason) = waiting.corrects.unzip();
    let corrects = match corrects {
        Some(mark) => Some(Mark::parse(&mark).ok_or_else(|| broken("what it corrects"))?),
        None => None,
    };
    let wanted = FollowUp {
        event: Some(waiting.event),
        instrument: Some(waiting.instrument),
        subject: asking.study().subject_number(waiting.number),
        lines: lines.collect(),
        reason: reason.unwrap_or_default(),
        ..FollowUp::default()
    };
    let asking = Asking { language: Language::find(&waiting.language).unwrap_or(asking.language), ..asking };
    let course = Course { confirmed, mark: mark_of(digest), day, corrects: corrects.as_ref() };
    go_on(ledger, asking, &wanted, course).await
}

async fn go_on(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &FollowUp,
    course: Course<'_>,
) -> Result<Settled, Failure> {
    let study = asking.study();
    if !asking.person.roles.iter().any(|role| role.enrolls()) {
        return not_entitled(ledger, asking, wanted, None, "no-role").await;
    }
    let found = match wanted.subject.as_str() {
        "" => None,
        named => match deed::find_named(ledger, asking, named, wanted.site.as_deref()).await? {
            Found::One(found) => Some(found),
            Found::None => return unknown(ledger, asking, wanted).await,
            Found::Several => None,
        },
    };
    if let Some(found) = found.as_ref().filter(|found| !asking.person.acts_for_any(found.sites())) {
        append_refusal(ledger, asking, wanted, Some(found.number), "site-not-theirs").await?;
        return unknown(ledger, asking, wanted).await;
    }
    if let Some(found) = &found
        && study.trust.token
        && course.confirmed == Confirmed::NotYet
        && !found.sites().any(|site| asking.arrival.site_token == Some(site))
    {
        return not_entitled(ledger, asking, wanted, Some(found.number), "no-token").await;
    }
    let number = found.as_ref().map(|found| study.subject_number(found.number)).unwrap_or_default();
    let event = wanted.event.as_ref().and_then(|id| study.find_event(id));
    let form = wanted.instrument.as_deref().filter(|_| !wanted.fits);
    let (Some(found), Some(event), Some(form)) = (found, event, form) else {
        return lacking(ledger, asking, wanted, &number).await;
    };
    let chart = Chart::load(ledger, study, found.id).await?;
    let stations = chart.stations(study);
    let station = stations.iter().find(|station| station.event.id == event.id);
    let window = station.and_then(|station| station.window);
    let instrument = follow_up::instrument_at(study, event, form, window)
        .filter(|_| event.instruments.iter().any(|id| id == form))
        .ok_or_else(|| Failure::Contradiction(format!("event {} has no form {form}", event.id)))?;
    let case = Case { event, instrument: &instrument, window, chart: &chart, subject: &number };
    if station.is_none() {
        return refuse(ledger, asking, case, (&wanted.form, &wanted.reason), &[Reason::NotPlanned]).await;
    }
    // A mail may bring several files, and what it brings lies in the mailbox as well.
    if instrument.items.iter().any(|item| matches!(item.kind, ItemKind::File(_))) {
        return refuse(ledger, asking, case, (&wanted.form, &wanted.reason), &[Reason::OnPage]).await;
    }
    if wanted.lines.is_empty() {
        return blank(ledger, asking, case).await;
    }
    let sent = (wanted.lines.as_slice(), &Uploads::new());
    let form = chart.with_record(study, |record| follow_up::read(study, event, &instrument, sent, record, course.day));
    // On the heap: what is recorded or asked back holds letters and forms, and the stack of a worker does not grow.
    Box::pin(record(ledger, asking, case, (&form, &wanted.reason), course)).await
}

/// The blank form; where it was filled in already, what is on file.
async fn blank(ledger: &mut Ledger<'_>, asking: Asking<'_>, case: Case<'_>) -> Result<Settled, Failure> {
    if let Some(row) = case.on_file() {
        let done = done(asking, case, row, None)?;
        let settled = case.settled(asking, "reply", "entered-before");
        return asking.reply(ledger, case.to(asking), Facts::FollowUpDone(done), settled).await;
    }
    let (_, page) = ledger.lock(asking.shelved).await?;
    if page.row.state == StudyState::Closed {
        return refuse(ledger, asking, case, (&Form::default(), ""), &[Reason::Closed]).await;
    }
    let facts = FollowUpForm::blank(&asking.reader(), case.about());
    let settled = case.settled(asking, "reply", "form");
    asking.reply(ledger, case.to(asking), Facts::FollowUpForm(facts), settled).await
}

/// Records a form with the reason that was sent for correcting what is on file, or answers why it is not recorded.
async fn record(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    case: Case<'_>,
    (form, reason): (&Form, &str),
    course: Course<'_>,
) -> Result<Settled, Failure> {
    let Asking { shelved, means, .. } = asking;
    if !form.faults.is_empty() {
        return refuse(ledger, asking, case, (form, reason), &[]).await;
    }
    let corrected = match course.corrects {
        Some(mark) => case.chart.responses.iter().find(|row| row.id == *mark),
        None => case.on_file().filter(|_| !reason.is_empty()),
    };
    let entry = Entry {
        subject_id: case.chart.enrolled.subject.id,
        event: case.event,
        instrument: &case.instrument.id,
        form,
        person: asking.person,
        language: asking.language,
        channel: Channel::Mail,
        mark: course.mark,
        corrects: corrected.map(|row| (row.id, reason)),
    };
    let entered = match follow_up::foresee(ledger, shelved, case.chart, entry).await? {
        Some(entered) => entered,
        // It was refused then: whoever asks again is asked again.
        None if course.confirmed == Confirmed::Spent => return confirm::expired(ledger, asking).await,
        None if course.confirmed == Confirmed::NotYet
            && (asking.study().trust.confirm || !form.doubts.is_empty() || corrected.is_some()) =>
        {
            return ask(ledger, asking, case, form, corrected.map(|row| (row, reason))).await;
        }
        None => follow_up::enter(ledger, shelved, means, entry).await?,
    };
    let refused = |reason| [reason];
    match entered {
        Entered::Recorded(row) => {
            let before = corrected.map(answers).transpose()?;
            let unused = Form { unknown: unused(asking, form, reason, corrected.is_some()), ..form.clone() };
            let facts = done(asking, case, &row, Some((&unused, before.as_ref())))?;
            // Never held back by a budget: whoever entered data is always told.
            let letter = compose::compose(shelved, means, case.to(asking), Facts::FollowUpDone(facts))?;
            let inbox_id = Some(asking.arrival.inbox_id);
            compose::post(&mut ledger.tx, Some(shelved.id), means, inbox_id, &[letter]).await?;
            let reason = if corrected.is_some() { "entry-corrected" } else { "entered" };
            Ok(case.settled(asking, "register", reason))
        }
        Entered::Before(row) => {
            let facts = done(asking, case, &row, None)?;
            let settled = case.settled(asking, "reply_duplicate", "entered-before");
            asking.reply(ledger, case.to(asking), Facts::FollowUpDone(facts), settled).await
        }
        Entered::Conflict(row) => {
            let (before, digest) = (answers(&row)?, digest(&row));
            let on_file = on_file(case, &row, (&before, &digest));
            let facts = FollowUpConflict::new(&asking.reader(), case.about(), on_file, form);
            let settled = case.settled(asking, "reply_error", "conflict");
            asking.reply(ledger, case.to(asking), Facts::FollowUpConflict(facts), settled).await
        }
        Entered::Refused(why) => {
            let reasons = refused(match why {
                Why::Closed => Reason::Closed,
                Why::NotPlanned => Reason::NotPlanned,
                Why::Overtaken | Why::NoReason => Reason::Overtaken,
                Why::NotTheirs => Reason::NoRole,
            });
            refuse(ledger, asking, case, (form, reason), &reasons).await
        }
    }
}

/// Lines that were not used, a reason among them where nothing was there to be corrected.
fn unused(asking: Asking<'_>, form: &Form, reason: &str, corrects: bool) -> Vec<(String, String)> {
    let mut unused = form.unknown.clone();
    if !reason.is_empty() && !corrects {
        unused.push((words::correction_reason_key(asking.language).to_string(), reason.to_string()));
    }
    unused
}

/// What is on file of an entry; with the form that was sent, and what it took the place of, if it was recorded just now.
fn done(
    asking: Asking<'_>,
    case: Case<'_>,
    row: &ResponseRow,
    sent: Option<(&Form, Option<&BTreeMap<String, String>>)>,
) -> Result<FollowUpDone, Failure> {
    let (canonical, digest) = (answers(row)?, digest(row));
    let (form, before) = sent.unzip();
    let entry = on_file(case, row, (&canonical, &digest));
    let facts = FollowUpDone::new(&asking.reader(), case.about(), entry, form, before.flatten());
    let facts = FollowUpDone { superseded: !row.current, ..facts };
    // Whoever gave it reads their own words.
    let keeps = row.person != asking.person.id
        && !asking.person.knows_arms()
        && keeps_entry_reason(asking.study(), row, &case.chart.enrolled.facts);
    Ok(if keeps { facts.without_reason() } else { facts })
}

fn on_file<'a>(
    case: Case<'_>,
    row: &'a ResponseRow,
    (answers, digest): (&'a BTreeMap<String, String>, &'a str),
) -> EventEntry<'a> {
    let occasion = case.event.repeats.then_some(row.occasion);
    EventEntry { at: row.answered_at, person: &row.person, occasion, digest, answers, reason: &row.reason }
}

/// Canonical answers of an entry.
fn answers(row: &ResponseRow) -> Result<BTreeMap<String, String>, Failure> {
    serde_json::from_str(&row.answers)
        .map_err(|error| Failure::Contradiction(format!("answers of response {}: {error}", row.id.text())))
}

fn digest(row: &ResponseRow) -> String {
    row.audit_digest.map(|digest| data_encoding::HEXLOWER.encode(&digest)).unwrap_or_default()
}

/// Keeps the form and mails the token to the sender's address on file.
async fn ask(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    case: Case<'_>,
    form: &Form,
    corrects: Option<(&ResponseRow, &str)>,
) -> Result<Settled, Failure> {
    let waiting = WaitingFollowUp {
        event: case.event.id.clone(),
        instrument: case.instrument.id.clone(),
        number: case.chart.enrolled.subject.number,
        typed: form.typed.clone(),
        day: asking.means.now.day_in(asking.study().zone).to_string(),
        language: asking.language.code().to_string(),
        corrects: corrects.map(|(row, reason)| (row.id.text(), reason.to_string())),
    };
    let (reply_to, expires_at) = confirm::wait(ledger, asking, &confirm::Waiting::FollowUp(waiting)).await?;
    let before = corrects.map(|(row, _)| answers(row)).transpose()?;
    let corrects = corrects.map(|(_, reason)| reason).zip(before.as_ref());
    let facts = FollowUpConfirm::new(&asking.reader(), case.about(), form, corrects, (&reply_to, expires_at));
    let to = Addressing { reply_to: Some(&reply_to), ..case.to(asking) };
    asking.reply(ledger, to, Facts::FollowUpConfirm(facts), case.settled(asking, "reply", "to-confirm")).await
}

/// Says no, with the form filled in again.
async fn refuse(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    case: Case<'_>,
    (form, reason): (&Form, &str),
    reasons: &[Reason],
) -> Result<Settled, Failure> {
    let keys = refusal_keys(reasons, form).join(" ");
    let facts = FollowUpRefused::new(&asking.reader(), case.about(), form, reason, reasons);
    let settled = case.settled(asking, "reply_error", keys);
    asking.reply(ledger, case.to(asking), Facts::FollowUpRefused(facts), settled).await
}

/// The form to fill in, blank or with what was typed, where subject, event or form cannot be told.
async fn lacking(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &FollowUp,
    subject: &str,
) -> Result<Settled, Failure> {
    let mut lacks = Vec::new();
    lacks.extend(subject.is_empty().then_some("subject"));
    lacks.extend(wanted.event.is_none().then_some("event"));
    lacks.extend((wanted.event.is_some() && (wanted.fits || wanted.instrument.is_none())).then_some("form"));
    let disposition = if wanted.lines.is_empty() { "reply" } else { "reply_error" };
    let facts = FollowUpForm::lacking(&asking.reader(), wanted, subject);
    let settled = asking.settled(disposition, format!("lacking:{}", lacks.join(",")));
    asking.reply(ledger, asking.to_sender(), Facts::FollowUpForm(facts), settled).await
}

async fn unknown(ledger: &mut Ledger<'_>, asking: Asking<'_>, wanted: &FollowUp) -> Result<Settled, Failure> {
    let named = (Some(wanted.subject.as_str()), wanted.site.as_deref());
    let facts = Facts::StatusUnknown(accept::unknown(ledger, asking, named).await?);
    asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "status-unknown")).await
}

async fn not_entitled(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &FollowUp,
    subject: Option<i64>,
    why: &str,
) -> Result<Settled, Failure> {
    append_refusal(ledger, asking, wanted, subject, why).await?;
    let act = Act::FollowUp(FollowUp::default());
    let facts = if why == "no-token" { NotEntitled::without_token(&act) } else { NotEntitled::new(&act) };
    asking.reply(ledger, asking.to_sender(), Facts::NotEntitled(facts), asking.settled("reply", "not-entitled")).await
}

async fn append_refusal(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &FollowUp,
    subject: Option<i64>,
    why: &str,
) -> Result<(), Failure> {
    let (tx, page) = ledger.lock(asking.shelved).await?;
    let body = json!({ "event": wanted.event, "subject": subject, "inbox": asking.arrival.inbox_id, "reasons": [why] });
    append(tx, page, asking.means, &asking.person.id, "refuse", &body).await.map(drop)
}
