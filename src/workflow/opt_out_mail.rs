//! Somebody writes that they want no more invitations and reminders, or wants them again: what the page does ([`super::opt_out`]), by mail.
//!
//! The name of the page in the address that was written to suffices, as it does for the page. Without it a mail acts for everybody at its
//! sender's address, where it is shown that they wrote it as the study demands; else they are told how, once a day, if they take part.

use super::accept::Asking;
use super::compose::Addressing;
use super::ledger::Ledger;
use super::{Failure, Settled, credentials, opt_out};
use crate::domain::request::Letters;
use crate::letters::facts::OptOutDone;
use crate::letters::{Facts, Kind};
use crate::limits;
use crate::store::opt_out::{Scope, Way};
use crate::store::outbox;
use crate::store::participant::{self, ParticipantRow};

/// Does what a mail asks for, and answers it in words; what a program wrote is not answered.
pub(super) async fn take(ledger: &mut Ledger<'_>, asking: Asking<'_>, wanted: &Letters) -> Result<Settled, Failure> {
    let Asking { shelved, means, arrival, .. } = asking;
    if let Some(page) = &wanted.page
        && let Some(whose) = opt_out::find(&mut ledger.tx, &means.keys.address, page).await?
        && whose.study_id == shelved.id
    {
        let (settled, every) = set(ledger, asking, wanted, std::slice::from_ref(&whose)).await?;
        if wanted.automatic || whose.address.is_empty() {
            return Ok(settled);
        }
        // Whoever wrote, it is about the one on file.
        let person = credentials::addressee(asking.study(), &credentials::on_file(&whose));
        let language = asking.study().language_of(&person);
        let to = Addressing { address: None, ..Addressing::answer(&person, language, arrival) };
        let facts = OptOutDone { every, ..done(asking, wanted, Some(&whose)) };
        return asking.reply(ledger, to, Facts::OptOutDone(facts), settled).await;
    }
    if wanted.automatic {
        return Ok(asking.settled("no_reply", "opt-out-unknown"));
    }
    let mut known = participant::list_by_address(&mut ledger.tx, shelved.id, arrival.sender).await?;
    known.truncate(limits::PARTICIPANTS_OF_AN_ADDRESS);
    if let Some(doubt) = wanted.doubt {
        if known.is_empty() || told_lately(ledger, asking).await? {
            return Ok(asking.held(doubt));
        }
        let facts = OptOutDone { unproved: true, again: wanted.again, ..OptOutDone::default() };
        let settled = asking.settled("reply", "opt-out-unproved");
        return asking.reply(ledger, asking.to_sender(), Facts::OptOutDone(facts), settled).await;
    }
    if known.is_empty() {
        let facts = OptOutDone { unknown: true, ..OptOutDone::default() };
        let settled = asking.settled("reply", "opt-out-unknown");
        return asking.reply(ledger, asking.to_sender(), Facts::OptOutDone(facts), settled).await;
    }
    let (settled, every) = set(ledger, asking, wanted, &known).await?;
    let only = if let [only] = known.as_slice() { Some(only) } else { None };
    let facts = OptOutDone { every, ..done(asking, wanted, only) };
    asking.reply(ledger, asking.to_sender(), Facts::OptOutDone(facts), settled).await
}

/// Does it for these participants; whether letters of every study come again by it.
async fn set(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Letters,
    known: &[ParticipantRow],
) -> Result<(Settled, bool), Failure> {
    let Asking { shelved, means, .. } = asking;
    let (mut changed, mut every) = (false, false);
    for whose in known {
        if wanted.again {
            let before = opt_out::resume_in(ledger, shelved, means, whose).await?;
            changed |= before.is_some();
            every |= before == Some(Scope::All);
        } else {
            changed |= opt_out::stop_in(ledger, shelved, means, whose, (Scope::Study, Way::OneClick)).await?;
        }
    }
    let reason = if wanted.again { "subscribed" } else { "unsubscribed" };
    let disposition = match (wanted.automatic, changed) {
        (true, _) => "no_reply",
        (false, true) => "register",
        (false, false) => "reply_duplicate",
    };
    Ok((asking.settled(disposition, reason), every))
}

/// What is told of it; with the page of the only one whom it is about.
fn done(asking: Asking<'_>, wanted: &Letters, only: Option<&ParticipantRow>) -> OptOutDone {
    let page = only.map(|whose| opt_out::page(asking.means, whose.id, whose.created_at));
    OptOutDone {
        stopped: !wanted.again,
        resumed: wanted.again,
        page: page.unwrap_or_default(),
        ..OptOutDone::default()
    }
}

/// Whether such a letter went to the sender within a day: whoever writes in somebody's name has no more of them sent.
async fn told_lately(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<bool, Failure> {
    let since = asking.means.now.plus_seconds(-24 * 3600);
    let kinds = [Kind::OptOutDone.key()];
    Ok(outbox::count_recent(ledger.outbox().await?, asking.arrival.sender, &kinds, since).await? > 0)
}
