//! Confirmation by reply: a one-time token is mailed to the address on file, and the reply to it goes on.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::accept::{Asking, enrollment};
use super::by_mail::{self, WaitingResponse};
use super::compose::{self, Addressing};
use super::deed::{self, WaitingDeed};
use super::enroll::{Confirmed, Earlier};
use super::follow_up_mail::{self, WaitingFollowUp};
use super::group::{self, WaitingGroup};
use super::leave::{self, WaitingLeave};
use super::ledger::Ledger;
use super::randomize::{self, WaitingRandomization};
use super::shelf::ShelvedStudy;
use super::{Failure, Means, Settled, apart};
use crate::domain::answer::{self, Form, Line};
use crate::domain::chain::Sha256Digest;
use crate::domain::kept::{Column, Kept, Place};
use crate::domain::time::Instant;
use crate::domain::token::{ReplyToken, reply_digest, reply_sub_address};
use crate::letters::facts::{Confirm, ConfirmExpired};
use crate::letters::{Facts, Kind};
use crate::limits;
use crate::store::pending::{self, PendingRow};
use crate::store::{Reader, Store, Tx, outbox};

/// What waits for the reply.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Waiting {
    /// A participant who wants to take part no more.
    Leave(WaitingLeave),
    /// Answers to a survey.
    Respond(WaitingResponse),
    /// A form of an event. Before the enrollment, as the next.
    FollowUp(WaitingFollowUp),
    /// A further randomization. Before the enrollment, which would take what it knows of it for its own.
    Randomization(WaitingRandomization),
    /// An enrollment: the form as typed, and the day its relative limits meant.
    Enroll {
        /// Typed text by item id.
        typed: BTreeMap<String, String>,
        /// `2026-11-20`.
        day: String,
        /// The earlier subject that is screened again, as typed.
        #[serde(default)]
        rescreens: Option<String>,
        /// Number of the latest correction by which its reference is an earlier one of another subject, if it was asked about that.
        #[serde(default)]
        apart: Option<i64>,
    },
    /// A group's account whose password is to be chosen.
    Group(WaitingGroup),
    /// An act about a subject.
    Deed(WaitingDeed),
}

/// How many requests of a study wait for the reply, by what a close does to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unanswered {
    /// Enrollments.
    pub enrollments: u64,
    /// Further randomizations.
    pub randomizations: u64,
    /// Other kits.
    pub kits: u64,
    /// Answers to a survey.
    pub responses: u64,
    /// Forms of events.
    pub follow_ups: u64,
    /// What a close leaves alone: facts, unblindings, kits that are kept back.
    pub others: u64,
}

impl Unanswered {
    /// Those that end with the study.
    pub const fn ending(self) -> u64 {
        self.enrollments + self.randomizations + self.kits + self.responses + self.follow_ups
    }
}

/// Counts the requests that wait at that moment.
///
/// # Errors
/// The database; a request that cannot be read.
pub(super) async fn unanswered<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    at: Instant,
) -> Result<Unanswered, Failure> {
    let mut all = Unanswered::default();
    for row in pending::waiting(from, study_id, at).await? {
        let broken = |error| Failure::Contradiction(format!("a waiting request cannot be read: {error}"));
        *match serde_json::from_str(&row.body).map_err(broken)? {
            Waiting::Enroll { .. } => &mut all.enrollments,
            Waiting::Randomization(_) => &mut all.randomizations,
            Waiting::Respond(_) => &mut all.responses,
            Waiting::FollowUp(_) => &mut all.follow_ups,
            Waiting::Deed(waiting) if waiting.ends_with_study() => &mut all.kits,
            Waiting::Deed(_) | Waiting::Group(_) | Waiting::Leave(_) => &mut all.others,
        } += 1;
    }
    Ok(all)
}

/// Keeps the form and mails the token to the sender's address on file.
///
/// `earlier` are subjects whose reference it was: whether this is another one is asked, too.
pub(super) async fn ask(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    form: &Form,
    earlier: Option<&Earlier>,
) -> Result<Settled, Failure> {
    let study = asking.study();
    let waiting = Waiting::Enroll {
        typed: form.typed.clone(),
        day: asking.means.now.day_in(study.zone).to_string(),
        rescreens: form.rescreens.clone(),
        apart: earlier.map(|earlier| earlier.fact),
    };
    let (reply_to, expires_at) = wait(ledger, asking, &waiting).await?;
    let facts =
        Confirm::new(&asking.reader(), study.registration_instrument(), form, &reply_to, expires_at).with_unused(form);
    let facts = match earlier {
        Some(earlier) => facts.with_earlier(earlier.numbers(study, asking.person)),
        None => facts,
    };
    let to = Addressing { reply_to: Some(&reply_to), ..asking.to_sender() };
    asking.reply(ledger, to, Facts::Confirm(facts), asking.settled("reply", "to-confirm")).await
}

/// Keeps what waits under a fresh token: the address with it, and until when it is good.
pub(super) async fn wait(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    waiting: &Waiting,
) -> Result<(String, Instant), Failure> {
    let Asking { shelved, means, arrival, person, .. } = asking;
    keep(&mut ledger.tx, shelved, means, (&person.id, Some(arrival.inbox_id)), waiting).await
}

/// Keeps what waits for the word of a person under a fresh token: the address with it, and until when it is good.
pub(super) async fn keep(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    (person, inbox_id): (&str, Option<i64>),
    waiting: &Waiting,
) -> Result<(String, Instant), Failure> {
    let token = ReplyToken::new(means.dice);
    let expires_at = means.now.plus_seconds(limits::CONFIRM_SECONDS);
    let row = PendingRow {
        token_digest: digest_of(&token.text),
        study_id: shelved.id,
        person: person.to_string(),
        inbox_id,
        body: serde_json::to_string(waiting).expect("a map of texts is JSON"),
        created_at: means.now,
        expires_at,
        used_at: None,
    };
    let which = pending::place(&row.token_digest);
    let place = Place { study: shelved.id, column: Column::PendingBody, key: &which };
    let body = Kept::whole(tx.ring(), place, shelved.study.asks_personal(), &row.body)?;
    pending::insert(tx, &row, &body).await?;
    Ok((means.desk.with(&token.sub_address()), expires_at))
}

/// Goes on with what waited. Spent, expired and foreign tokens get one and the same answer.
pub(super) async fn confirm(ledger: &mut Ledger<'_>, asking: Asking<'_>, secret: &str) -> Result<Settled, Failure> {
    let Asking { shelved, means, person, .. } = asking;
    let digest = digest_of(secret);
    let found = pending::find(&mut ledger.tx, &digest).await?;
    let Some(row) = found.filter(|row| row.study_id == shelved.id && row.person == person.id) else {
        return expired(ledger, asking).await;
    };
    let broken = |why: String| Failure::Contradiction(format!("a waiting request cannot be read: {why}"));
    let (form, confirmed) = match serde_json::from_str(&row.body).map_err(|error| broken(error.to_string()))? {
        Waiting::Enroll { typed, day, rescreens, apart } => {
            let day = day.parse().map_err(|_| broken("its day".to_string()))?;
            (Form { rescreens, ..reread(asking, typed, day) }, apart.map_or(Confirmed::ByReply, Confirmed::Apart))
        }
        // Nobody else's reply spends it.
        Waiting::Respond(waiting) if waiting.is_of(asking) => {
            return match spend(ledger, asking, &row).await? {
                Some(_) => apart(|| by_mail::resume(ledger, asking, waiting, &digest)).await,
                None => expired(ledger, asking).await,
            };
        }
        Waiting::Leave(waiting) if waiting.is_of(asking) => {
            return match spend(ledger, asking, &row).await? {
                Some(confirmed) => apart(|| leave::resume(ledger, asking, waiting, confirmed)).await,
                None => expired(ledger, asking).await,
            };
        }
        Waiting::Respond(_) | Waiting::Leave(_) => return expired(ledger, asking).await,
        Waiting::Group(waiting) => {
            return match spend(ledger, asking, &row).await? {
                Some(confirmed) => apart(|| group::resume(ledger, asking, waiting, confirmed)).await,
                None => expired(ledger, asking).await,
            };
        }
        Waiting::Deed(waiting) => {
            return match spend(ledger, asking, &row).await? {
                Some(confirmed) => apart(|| deed::resume(ledger, asking, waiting, confirmed)).await,
                None => expired(ledger, asking).await,
            };
        }
        Waiting::FollowUp(waiting) => {
            return match spend(ledger, asking, &row).await? {
                Some(confirmed) => {
                    apart(|| follow_up_mail::resume(ledger, asking, waiting, (confirmed, &digest))).await
                }
                None => expired(ledger, asking).await,
            };
        }
        Waiting::Randomization(waiting) => {
            return match spend(ledger, asking, &row).await? {
                Some(confirmed) => apart(|| randomize::resume(ledger, asking, waiting, confirmed)).await,
                None => expired(ledger, asking).await,
            };
        }
    };
    if row.used_at.is_some() {
        // The reply came twice: whoever is on file gets the same answer again, and nothing new is begun.
        let known = super::enroll::find_known(ledger, shelved, person, &form).await?;
        return match known {
            Some(_) => apart(|| enrollment(ledger, asking, &form, confirmed)).await,
            None => expired(ledger, asking).await,
        };
    }
    if row.expires_at < means.now {
        return expired(ledger, asking).await;
    }
    pending::record_used(&mut ledger.tx, &digest, means.now).await?;
    apart(|| enrollment(ledger, asking, &form, confirmed)).await
}

/// Spends a token. What was done by a spent one is told again; it begins nothing new. None where its time is over.
async fn spend(ledger: &mut Ledger<'_>, asking: Asking<'_>, row: &PendingRow) -> Result<Option<Confirmed>, Failure> {
    if row.used_at.is_some() {
        return Ok(Some(Confirmed::Spent));
    }
    if row.expires_at < asking.means.now {
        return Ok(None);
    }
    pending::record_used(&mut ledger.tx, &row.token_digest, asking.means.now).await?;
    Ok(Some(Confirmed::ByReply))
}

/// The letter that asked once more, with its token: what was replied was no plain yes, so nothing is done.
pub(super) async fn unconfirmed(ledger: &mut Ledger<'_>, asking: Asking<'_>, secret: &str) -> Result<Settled, Failure> {
    let Asking { shelved, means, person, .. } = asking;
    let found = pending::find(&mut ledger.tx, &digest_of(secret)).await?;
    let found = found.filter(|row| row.study_id == shelved.id && row.person == person.id && row.used_at.is_none());
    let Some(row) = found.filter(|row| row.expires_at >= means.now) else { return expired(ledger, asking).await };
    if let Ok(Waiting::Group(waiting)) = serde_json::from_str(&row.body) {
        let reply_to = means.desk.with(&reply_sub_address(secret));
        return group::ask_again(ledger, asking, &waiting, (&reply_to, row.expires_at)).await;
    }
    let Some(asked) = row.inbox_id else { return expired(ledger, asking).await };
    for letter in outbox::find_by_inbox(ledger.outbox().await?, asked).await? {
        let asked = Kind::ALL.into_iter().filter(|kind| kind.asks()).find(|kind| kind.key() == letter.kind);
        if let Some(kind) = asked
            && let Some(raw) = outbox::find_raw(ledger.outbox().await?, letter.id).await?
        {
            let again = compose::again(asking, kind, letter.subject_id, &raw);
            return asking.send(ledger, again, asking.settled("reply", "unconfirmed")).await;
        }
    }
    expired(ledger, asking).await
}

/// Spent, expired and foreign tokens: the request must be sent anew.
pub(super) async fn expired(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Settled, Failure> {
    let facts = Facts::ConfirmExpired(ConfirmExpired {});
    asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "confirm-expired")).await
}

fn reread(asking: Asking<'_>, typed: BTreeMap<String, String>, day: NaiveDate) -> Form {
    let study = asking.study();
    let lines: Vec<Line> =
        typed.into_iter().enumerate().map(|(number, (key, value))| Line { key, value, number: number + 1 }).collect();
    answer::read_form(study, study.registration_instrument(), &lines, day)
}

/// The study in which something waits, or waited, for a reply to that token.
///
/// # Errors
/// The database.
pub async fn study_of(store: &Store, token: &str) -> Result<Option<i64>, Failure> {
    Ok(pending::find_study(store, &digest_of(token)).await?)
}

fn digest_of(token: &str) -> Sha256Digest {
    let mut digest = Sha256Digest::default();
    let decoded = data_encoding::HEXLOWER.decode(reply_digest(token).as_bytes());
    digest.copy_from_slice(&decoded.expect("a reply digest is SHA-256 in hexadecimal"));
    digest
}
