//! A letter sent once more because a person says so, as it was: the bytes that are kept, under a Message-ID of their own. Not what lets
//! somebody in or asks for one reply, for that is used up, and not to somebody who may no longer know what it says.

use serde_json::json;

use super::ledger::Ledger;
use super::life::Act;
use super::sealing::{self, Stale};
use super::shelf::Shelf;
use super::{Failure, Means, compose};
use crate::domain::deed::Deed;
use crate::domain::text::fold_address;
use crate::domain::time::Instant;
use crate::letters::{self, Audience, Kind};
use crate::store::outbox::{self, OutboxRow, Secret, State};
use crate::store::{audit, participant, subject};

/// Why a letter is not sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotResent {
    /// There is none of that number.
    Unknown,
    /// It did not leave, or a person put it aside.
    Unsent(State),
    /// It let somebody in, by what is not kept.
    Secret,
    /// It asks for a reply to an address that is good once.
    Asks,
    /// It asks for an answer, and whether that is still wanted the schedule alone looks at.
    Reminds,
    /// Nobody of its study reads mail at that address any more.
    Nobody,
    /// It stands in the clear, and its study wants such letters encrypted by now.
    InTheClear,
    /// It is sealed for a key that is not on file any more, or good no more.
    OtherKey,
    /// Whoever reads mail there may not have it any more: their site, their role or the study's blinding is another one.
    MayNotKnow,
}

/// Sends a letter once more; the number of the new one, which is linked to the first.
///
/// # Errors
/// The database; a key that is missing.
pub async fn resend(shelf: &Shelf, means: Means<'_>, id: i64, act: Act<'_>) -> Result<Result<i64, NotResent>, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let Some(letter) = outbox::find(ledger.outbox().await?, id).await? else { return Ok(Err(NotResent::Unknown)) };
    if let Some(why) = speaks_against(&mut ledger, &letter, means.now).await? {
        return Ok(Err(why));
    }
    let message_id = compose::fresh_message_id(means);
    let readdressed = |raw: &[u8]| letters::mail::readdress(raw, &message_id, None);
    let again = outbox::resend(&mut ledger.tx, id, &message_id, means.now, readdressed).await?;
    let Some(again) = again else { return Ok(Err(NotResent::Secret)) };
    let body = json!({ "outbox": again, "resends": id, "reason": act.reason }).to_string();
    audit::append_own(&mut ledger.tx, act.at, act.actor, "outbox-resend", &body).await?;
    ledger.commit().await?;
    Ok(Ok(again))
}

async fn speaks_against(
    ledger: &mut Ledger<'_>,
    letter: &OutboxRow,
    now: Instant,
) -> Result<Option<NotResent>, Failure> {
    match letter.state {
        State::Sent | State::Delivered | State::Bounced | State::Failed => {}
        State::Waiting | State::Held | State::Dropped => return Ok(Some(NotResent::Unsent(letter.state))),
    }
    if letter.secret != Secret::None {
        return Ok(Some(NotResent::Secret));
    }
    let Some(kind) = Kind::find(&letter.kind) else { return Ok(Some(NotResent::MayNotKnow)) };
    if kind.asks() || kind == Kind::GroupConfirm {
        return Ok(Some(NotResent::Asks));
    }
    if matches!(kind, Kind::Invitation | Kind::Reminder) {
        return Ok(Some(NotResent::Reminds));
    }
    // Of no study are letters on accounts, and those to whoever runs the installation.
    let Some(study_id) = letter.study_id else { return Ok(None) };
    let shelved = ledger.shelf().find_by_id(study_id).await?;
    let address = fold_address(&letter.recipient);
    let Some(person) = shelved.study.find_person_by_address(&address) else {
        let theirs = participant::list_by_address(&mut ledger.tx, study_id, &address).await?;
        let known = !theirs.is_empty() && kind.audience() == Audience::Participant;
        return Ok((!known).then_some(NotResent::Nobody));
    };
    let raw = outbox::find_raw(ledger.outbox().await?, letter.id).await?.unwrap_or_default();
    match sealing::stale(&shelved.study, person, now, (kind, &raw)) {
        Some(Stale::InTheClear) => return Ok(Some(NotResent::InTheClear)),
        Some(Stale::OtherKey) => return Ok(Some(NotResent::OtherKey)),
        None => {}
    }
    let mut may = kind.may_go_to(shelved.study.blinding, person);
    if kind == Kind::Unblinded {
        may &= Deed::Unblind.allowed(&shelved.study, person);
    }
    if let Some(subject_id) = letter.subject_id {
        may &= person.acts_for_any(subject::load(&mut ledger.tx, subject_id).await?.sites());
    }
    Ok((!may).then_some(NotResent::MayNotKnow))
}
