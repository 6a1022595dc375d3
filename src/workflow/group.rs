//! A group's account: several people share its address, so a password of it is chosen only after their representative confirmed by
//! mail that one is meant to be.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::accept::Asking;
use super::accounts;
use super::compose::{self, Addressing};
use super::confirm::{self, Waiting};
use super::enroll::Confirmed;
use super::ledger::Ledger;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means, Settled};
use crate::domain::language::Language;
use crate::domain::study::{Person, Study};
use crate::domain::text;
use crate::domain::time::Instant;
use crate::letters::Facts;
use crate::letters::facts::{GroupConfirm, GroupConfirmed};
use crate::limits;
use crate::store::Tx;
use crate::store::account::{self, State};

/// A group's account whose password waits for the representative's word.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WaitingGroup {
    /// Id of the group among the study's people.
    group: String,
    /// Address to which the link goes.
    group_address: String,
}

/// A group in the study for which it is one, and whoever speaks for it there.
pub(super) struct Group {
    pub(super) shelved: Arc<ShelvedStudy>,
    group: Person,
    pub(super) representative: Person,
}

/// The group that an address is; none where it is a person's. In any study that has it among its people: an account is one for all of
/// them, so a study in which somebody is a participant, or which knows no group, opens no way around.
pub(super) async fn of_address(shelf: &Shelf, address: &str) -> Result<Option<Group>, Failure> {
    let found = accounts::among_people(shelf, address, limits::STUDIES_OF_AN_ACCOUNT).await?;
    Ok(found.into_iter().find_map(|shelved| {
        let group = shelved.study.find_person_by_address(address)?.clone();
        let representative = representative(&shelved.study, &group)?.clone();
        Some(Group { shelved, group, representative })
    }))
}

fn representative<'s>(study: &'s Study, person: &Person) -> Option<&'s Person> {
    let id = person.representative.as_deref()?;
    study.people.iter().find(|one| one.id == id)
}

/// Asks the representative whether a password of a group's account is to be chosen.
pub(super) async fn ask(tx: &mut Tx, means: Means<'_>, asked: &Group, address: &str) -> Result<(), Failure> {
    let Group { shelved, group, representative } = asked;
    let waiting = WaitingGroup { group: group.id.clone(), group_address: address.to_string() };
    let (reply_to, expires_at) =
        confirm::keep(tx, shelved, means, (&representative.id, None), &Waiting::Group(waiting.clone())).await?;
    let to = Addressing { reply_to: Some(&reply_to), ..Addressing::unasked(&shelved.study, representative) };
    let facts = question(shelved, &waiting, to.language, (&reply_to, expires_at));
    let letter = compose::compose(shelved, means, to, Facts::GroupConfirm(facts))?;
    compose::post(tx, Some(shelved.id), means, None, &[letter]).await
}

fn question(
    shelved: &ShelvedStudy,
    waiting: &WaitingGroup,
    language: Language,
    (reply_to, expires_at): (&str, Instant),
) -> GroupConfirm {
    let group = shelved.study.people.iter().find(|person| person.id == waiting.group);
    GroupConfirm {
        group: group.map(|group| group.name.in_language(language).to_string()).unwrap_or_default(),
        address: waiting.group_address.clone(),
        reply_to: reply_to.to_string(),
        expires_at: expires_at.local(shelved.study.zone),
    }
}

/// Asks again, with the token that is good still: what the representative replied was no plain yes.
pub(super) async fn ask_again(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    waiting: &WaitingGroup,
    (reply_to, expires_at): (&str, Instant),
) -> Result<Settled, Failure> {
    let to = Addressing { reply_to: Some(reply_to), ..asking.to_sender() };
    let facts = question(asking.shelved, waiting, to.language, (reply_to, expires_at));
    asking.reply(ledger, to, Facts::GroupConfirm(facts), asking.settled("reply", "unconfirmed")).await
}

/// The representative said yes: the group gets the link, once, and the representative hears of it.
pub(super) async fn resume(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    waiting: WaitingGroup,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let Asking { shelved, means, person, language, .. } = asking;
    let study = &shelved.study;
    let address = text::fold_address(&waiting.group_address);
    // The study may have changed since: somebody else may speak for the group by now, or the address be another's.
    let group = study.people.iter().find(|one| {
        one.id == waiting.group && one.representative.as_ref() == Some(&person.id) && one.addresses.contains(&address)
    });
    let Some(group) = group else { return confirm::expired(ledger, asking).await };
    let known = account::find_by_address(&mut ledger.tx, &address).await?;
    if known.as_ref().is_some_and(|account| account.state == State::Closed) {
        return confirm::expired(ledger, asking).await;
    }
    let facts = GroupConfirmed { group: group.name.in_language(language).to_string(), address: address.clone() };
    let settled = asking.settled("reply", "group-confirmed");
    let settled = asking.reply(ledger, asking.to_sender(), Facts::GroupConfirmed(facts), settled).await?;
    if confirmed == Confirmed::ByReply {
        let to = Addressing { address: Some(&address), ..Addressing::unasked(study, group) };
        let link =
            accounts::write_link(shelved, means, to, known.is_some_and(|account| account.state == State::Active))?;
        accounts::keep_link(&mut ledger.tx, means, &address, to.language.code(), &link).await?;
        let inbox_id = Some(asking.arrival.inbox_id);
        compose::post(&mut ledger.tx, Some(shelved.id), means, inbox_id, std::slice::from_ref(&link.letter)).await?;
    }
    Ok(settled)
}
