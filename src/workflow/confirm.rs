//! Confirmation by reply: a one-time token is mailed to the address on file, and the reply to it goes on.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::Failure;
use super::Settled;
use super::accept::{Asking, enrollment};
use super::compose::{self, Addressing};
use super::enroll::Confirmed;
use super::ledger::Ledger;
use crate::domain::answer::{self, Form, Line};
use crate::domain::chain::Sha256Digest;
use crate::domain::token::{ReplyToken, reply_digest};
use crate::letters::facts::{Confirm, ConfirmExpired};
use crate::letters::{Facts, Kind};
use crate::limits;
use crate::store::outbox;
use crate::store::pending::{self, PendingRow};

/// What waits for the reply: the form as typed, and the day its relative limits meant.
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    typed: BTreeMap<String, String>,
    day: String,
}

/// Keeps the form and mails the token to the sender's address on file.
pub(super) async fn ask(ledger: &mut Ledger<'_>, asking: Asking<'_>, form: &Form) -> Result<Settled, Failure> {
    let Asking { shelved, means, arrival, person, .. } = asking;
    let study = &shelved.study;
    let token = ReplyToken::new(means.dice);
    let expires_at = means.now.plus_seconds(limits::CONFIRM_SECONDS);
    let waiting = Waiting { typed: form.typed.clone(), day: means.now.day_in(study.zone).to_string() };
    let row = PendingRow {
        token_digest: digest_of(&token.text),
        study_id: shelved.id,
        person: person.id.clone(),
        inbox_id: Some(arrival.inbox_id),
        body: serde_json::to_string(&waiting).expect("a map of texts is JSON"),
        created_at: means.now,
        expires_at,
        used_at: None,
    };
    pending::insert(&mut ledger.tx, &row).await?;
    let reply_to = means.desk.with(&token.sub_address());
    let facts =
        Confirm::new(&asking.reader(), study.registration_instrument(), form, &reply_to, expires_at).with_unused(form);
    let to = Addressing { reply_to: Some(&reply_to), ..asking.to_sender() };
    asking.reply(ledger, to, Facts::Confirm(facts), asking.settled("reply", "to-confirm")).await
}

/// Goes on with what waited. Spent, expired and foreign tokens get one and the same answer.
pub(super) async fn confirm(ledger: &mut Ledger<'_>, asking: Asking<'_>, secret: &str) -> Result<Settled, Failure> {
    let Asking { shelved, means, person, .. } = asking;
    let digest = digest_of(secret);
    let found = pending::find(&mut ledger.tx, &digest).await?;
    let Some(row) = found.filter(|row| row.study_id == shelved.id && row.person == person.id) else {
        return expired(ledger, asking).await;
    };
    let form = reread(asking, &row)?;
    if row.used_at.is_some() {
        // The reply came twice: whoever is on file gets the same answer again, and nothing new is begun.
        let known = super::enroll::find_known(ledger, shelved, &form).await?;
        return match known {
            Some(_) => enrollment(ledger, asking, &form, Confirmed::ByReply).await,
            None => expired(ledger, asking).await,
        };
    }
    if row.expires_at < means.now {
        return expired(ledger, asking).await;
    }
    pending::record_used(&mut ledger.tx, &digest, means.now).await?;
    enrollment(ledger, asking, &form, Confirmed::ByReply).await
}

/// The letter that asked once more, with its token: what was replied was no plain yes, so nothing is done.
pub(super) async fn unconfirmed(ledger: &mut Ledger<'_>, asking: Asking<'_>, secret: &str) -> Result<Settled, Failure> {
    let Asking { shelved, means, person, arrival, .. } = asking;
    let found = pending::find(&mut ledger.tx, &digest_of(secret)).await?;
    let found = found.filter(|row| row.study_id == shelved.id && row.person == person.id && row.used_at.is_none());
    let Some(asked) = found.filter(|row| row.expires_at >= means.now).and_then(|row| row.inbox_id) else {
        return expired(ledger, asking).await;
    };
    for letter in outbox::find_by_inbox(&mut ledger.tx, asked).await? {
        if letter.kind == Kind::Confirm.key()
            && let Some(raw) = outbox::find_raw(&mut ledger.tx, letter.id).await?
        {
            let again = compose::again(means, Kind::Confirm, arrival, letter.subject_id, &raw);
            return asking.send(ledger, again, asking.settled("reply", "unconfirmed")).await;
        }
    }
    expired(ledger, asking).await
}

async fn expired(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Settled, Failure> {
    let facts = Facts::ConfirmExpired(ConfirmExpired {});
    asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "confirm-expired")).await
}

fn reread(asking: Asking<'_>, row: &PendingRow) -> Result<Form, Failure> {
    let broken = |why: String| Failure::Contradiction(format!("a waiting request cannot be read: {why}"));
    let waiting: Waiting = serde_json::from_str(&row.body).map_err(|error| broken(error.to_string()))?;
    let day = waiting.day.parse().map_err(|_| broken("its day".to_string()))?;
    let study = asking.study();
    let lines: Vec<Line> = waiting
        .typed
        .into_iter()
        .enumerate()
        .map(|(number, (key, value))| Line { key, value, number: number + 1 })
        .collect();
    Ok(answer::read_form(study, study.registration_instrument(), &lines, day))
}

fn digest_of(token: &str) -> Sha256Digest {
    let mut digest = Sha256Digest::default();
    let decoded = data_encoding::HEXLOWER.decode(reply_digest(token).as_bytes());
    digest.copy_from_slice(&decoded.expect("a reply digest is SHA-256 in hexadecimal"));
    digest
}
