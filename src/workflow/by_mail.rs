//! Answers to a survey by mail: the same form, checks and record as on the page, from the address at which somebody was invited.
//!
//! A mail always shows who wrote it, so only a survey whose answers stand with the person takes any.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::accept::Asking;
use super::compose::Addressing;
use super::confirm::{self, Waiting};
use super::enroll::Confirmed;
use super::ledger::Ledger;
use super::respond::{Barred, Outcome, Submission, respond};
use super::{Failure, Settled, mend};
use crate::domain::answer::{self, Form, Line};
use crate::domain::credential::Unfit;
use crate::domain::instrument::{Instrument, ItemKind};
use crate::domain::language::Language;
use crate::domain::survey::{Access, Mark, Shut, Survey};
use crate::letters::Facts;
use crate::letters::facts::{SurveyConfirm, SurveyDone, SurveyForm, SurveyRefused};
use crate::store::credential::{self, CredentialRow, State};
use crate::store::participant;
use crate::store::response::Channel;

/// Answers that wait for a reply, because something in them is unusual.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WaitingResponse {
    /// Typed text by item id.
    respond: BTreeMap<String, String>,
    /// Day that relative limits meant, `2026-11-20`.
    day: String,
    /// Address they came from.
    sender: String,
    /// Code of the language they were asked about in: a plain yes is in none.
    language: String,
}

impl WaitingResponse {
    /// Whether it is the sender's own.
    pub(super) fn is_of(&self, asking: Asking<'_>) -> bool {
        self.sender == asking.arrival.sender
    }
}

/// The survey of a study with its form.
fn survey<'a>(asking: Asking<'a>) -> Result<(&'a Survey, &'a Instrument), Failure> {
    let study = asking.study();
    let found = study.survey.as_ref().and_then(|survey| Some((survey, study.find_instrument(&survey.instrument)?)));
    found.ok_or_else(|| Failure::Contradiction(format!("study {} asks nobody", study.slug)))
}

/// Why a survey takes no answers by mail, if it takes none.
pub(super) fn page_only(survey: &Survey, instrument: &Instrument) -> Option<&'static str> {
    match survey.access {
        _ if !survey.privacy.names() => Some("nameless"),
        // The form that comes before it allocates, and is shown once more before it does; what this one asks follows from it.
        _ if survey.enrolls => Some("enrolls"),
        // A mail comes from an address; that its writer knows the password of the account nobody can tell.
        Access::Members => Some("members"),
        // A mail may bring several files, and what it brings lies in the mailbox as well.
        _ if instrument.items.iter().any(|item| matches!(item.kind, ItemKind::File(_))) => Some("files"),
        Access::Credentials => None,
    }
}

/// Sends the blank form to whoever asks: it tells nothing of who is on the list.
pub(super) async fn blank(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Settled, Failure> {
    let (survey, instrument) = survey(asking)?;
    if let Some(reason) = page_only(survey, instrument) {
        return refuse(ledger, asking, instrument, reason, "").await;
    }
    let facts = Facts::SurveyForm(SurveyForm::new(&asking.reader(), instrument));
    asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "form")).await
}

/// Records a filled-in form, or says what is wrong with it.
pub(super) async fn take(ledger: &mut Ledger<'_>, asking: Asking<'_>, form: &Form) -> Result<Settled, Failure> {
    Box::pin(record(ledger, asking, form, mark_of_mail(asking), Confirmed::NotYet)).await
}

/// Goes on with answers that waited for the reply to a token of that digest.
pub(super) async fn resume(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    waiting: WaitingResponse,
    digest: &[u8],
) -> Result<Settled, Failure> {
    let asking = Asking { language: Language::find(&waiting.language).unwrap_or(asking.language), ..asking };
    let (_, instrument) = survey(asking)?;
    let Ok(day) = waiting.day.parse() else {
        return Err(Failure::Contradiction("the day of waiting answers cannot be read".to_string()));
    };
    let lines: Vec<Line> =
        (1..).zip(waiting.respond).map(|(number, (key, value))| Line { key, value, number }).collect();
    let form = answer::read_form(asking.study(), instrument, &lines, day);
    Box::pin(record(ledger, asking, &form, mark_of(digest), Confirmed::ByReply)).await
}

/// A mail as the mark of a page: come again, it is the same response.
pub(super) fn mark_of_mail(asking: Asking<'_>) -> Mark {
    mark_of(&Sha256::new_with_prefix("hagaki mail ").chain_update(asking.arrival.message_key).finalize())
}

/// The token that was replied to as such a mark, by its digest.
pub(super) fn mark_of(digest: &[u8]) -> Mark {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, from)| *byte = *from);
    Mark(bytes)
}

async fn record(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    form: &Form,
    mark: Mark,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let (survey, instrument) = survey(asking)?;
    let Asking { shelved, means, language, .. } = asking;
    if let Some(reason) = page_only(survey, instrument) {
        return refuse(ledger, asking, instrument, reason, "").await;
    }
    if let Some(fault) = form.faults.first() {
        let settled = asking.settled("reply_error", format!("refused:{}", fault.code.key()));
        let facts = Facts::SurveyRefused(SurveyRefused::faulty(&asking.reader(), instrument, form));
        return asking.reply(ledger, asking.to_sender(), facts, settled).await;
    }
    let credential = match whose(ledger, asking).await? {
        Ok(credential) => credential,
        Err(reason) => return refuse(ledger, asking, instrument, reason, "").await,
    };
    let uses = credential::uses(&mut ledger.tx, &credential).await?;
    let mends = mend::may_mend(survey) && !uses.is_empty();
    let before = !mends && super::respond::sent_before(survey, &credential, &uses, &mark).is_some();
    if !before && !form.doubts.is_empty() && matches!(confirmed, Confirmed::NotYet) {
        return ask(ledger, asking, instrument, form).await;
    }
    let submission = Submission { credential: credential.id, mark, form, language, channel: Channel::Mail };
    let outcome = match mends {
        // A mail tells every answer, and was made from no page.
        true => mend::mend_in(ledger, shelved, means, submission, None).await?,
        false => respond(ledger, shelved, means, submission).await?,
    };
    let reader = asking.reader();
    let (number, recorded) = match outcome {
        Outcome::Recorded(number) => (number, true),
        Outcome::Again(number) => (number, true),
        Outcome::Before(number) => (number, false),
        Outcome::Overtaken => return Err(Failure::Contradiction("a mail mends no version".to_string())),
        Outcome::Barred(barred) => {
            let (reason, at) = worded(barred, asking);
            return refuse(ledger, asking, instrument, reason, &at).await;
        }
    };
    let day = match uses.iter().find(|used| used.receipt == number) {
        Some(used) => used.day.clone(),
        None => means.now.day_in(shelved.study.zone).to_string(),
    };
    let done = SurveyDone::new(&reader, instrument, form, &number, &day);
    let done = match recorded {
        true => SurveyDone { mended: mends, ..done },
        false => SurveyDone { before: true, answers: Vec::new(), ..done },
    };
    let settled = match recorded {
        true => asking.settled("register", "responded"),
        false => asking.settled("reply_duplicate", "responded-before"),
    };
    asking.reply(ledger, asking.to_sender(), Facts::SurveyDone(done), settled).await
}

/// The good credential of the one participant at the sender's address, or why there is none.
async fn whose(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Result<CredentialRow, &'static str>, Failure> {
    let Asking { shelved, arrival, .. } = asking;
    let known = participant::list_by_address(&mut ledger.tx, shelved.id, arrival.sender).await?;
    let only = match known.as_slice() {
        [] => return Ok(Err("stranger")),
        [only] => only,
        _ => return Ok(Err("shared")),
    };
    if only.state == participant::State::Withdrawn {
        return Ok(Err("withdrawn"));
    }
    let own = credential::list_of(&mut ledger.tx, only.id).await?;
    Ok(own.into_iter().rfind(|one| one.state == State::Active).ok_or("revoked"))
}

async fn refuse(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    instrument: &Instrument,
    reason: &str,
    at: &str,
) -> Result<Settled, Failure> {
    let facts = Facts::SurveyRefused(SurveyRefused::barred(&asking.reader(), instrument, reason, at));
    let settled = asking.settled("reply_error", format!("refused:{reason}"));
    asking.reply(ledger, asking.to_sender(), facts, settled).await
}

/// Keeps the answers and mails the token to the sender.
async fn ask(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    instrument: &Instrument,
    form: &Form,
) -> Result<Settled, Failure> {
    let waiting = Waiting::Respond(WaitingResponse {
        respond: form.typed.clone(),
        day: asking.means.now.day_in(asking.study().zone).to_string(),
        sender: asking.arrival.sender.to_string(),
        language: asking.language.code().to_string(),
    });
    let (reply_to, expires_at) = confirm::wait(ledger, asking, &waiting).await?;
    let facts = SurveyConfirm::new(&asking.reader(), instrument, form, &reply_to, expires_at);
    let to = Addressing { reply_to: Some(&reply_to), ..asking.to_sender() };
    asking.reply(ledger, to, Facts::SurveyConfirm(facts), asking.settled("reply", "to-confirm")).await
}

/// Key of the words that say why nothing is taken, and the moment they name.
fn worded(barred: Barred, asking: Asking<'_>) -> (&'static str, String) {
    let zone = asking.study().zone;
    match barred {
        Barred::Revoked => ("revoked", String::new()),
        Barred::Unfit(Unfit::NotYet(from)) => ("not-yet", from.local(zone)),
        Barred::Unfit(Unfit::Expired(until)) => ("expired", until.local(zone)),
        Barred::Shut(Shut::NotYet(day)) => ("not-open", day.to_string()),
        Barred::Shut(Shut::Over(day)) => ("over", day.to_string()),
        Barred::Paused => ("paused", String::new()),
        Barred::Soon(day) => ("soon", day.to_string()),
        Barred::Closed => ("closed", String::new()),
        Barred::Full => ("full", String::new()),
        Barred::Withdrawn => ("withdrawn", String::new()),
        // Only of answers without names, which no mail brings.
        Barred::TooLong => ("nameless", String::new()),
    }
}
