//! What voters ask for by mail: another link to vote. A vote is never taken by mail.
//!
//! Whoever writes gets the same answer, on the roll or not; what comes of it goes in a letter of its own, to the address on the roll.

use serde_json::json;

use super::credentials::{make, validity};
use super::letters::{Office, good_credential};
use super::{call_back, of};
use crate::domain::election::letters::Occasion;
use crate::domain::election::phase::{Change, Phase, Standing, Unlawful};
use crate::domain::text::fold_address;
use crate::letters::Facts;
use crate::letters::facts::ElectionPage;
use crate::limits;
use crate::store::credential::{self, State as CredentialState};
use crate::store::study::State;
use crate::store::voter::{self, VoterRow};
use crate::store::{Tx, election as kept, voter_letter};
use crate::workflow::accept::Asking;
use crate::workflow::compose::{self, Outgoing};
use crate::workflow::entry::append;
use crate::workflow::ledger::{Ledger, Page};
use crate::workflow::{Failure, Held, Settled};

/// Who asked, in the chain.
const ACTOR: &str = "voter";

fn office<'a>(asking: Asking<'a>) -> Result<Office<'a>, Failure> {
    let election = of(asking.shelved).map_err(|refusal| Failure::Contradiction(refusal.to_string()))?;
    Ok(Office { shelved: asking.shelved, election, means: asking.means })
}

fn page(asking: Asking<'_>) -> Result<ElectionPage, Failure> {
    let Office { shelved, election, means } = office(asking)?;
    let study = &shelved.study;
    Ok(ElectionPage::new((election, &study.slug, study.zone), &means.desk.public_url, means.now))
}

/// Tells whoever asks how to write to us.
pub(in crate::workflow) async fn help(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Settled, Failure> {
    let facts = Facts::ElectionHelp(page(asking)?);
    asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "help")).await
}

/// Refuses a mail that brings a vote. Nothing of it is repeated, nor noted but that it came.
pub(in crate::workflow) async fn refuse(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Settled, Failure> {
    let facts = Facts::ElectionRefused(page(asking)?);
    asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply_error", "refused:vote-by-mail")).await
}

/// Answers whoever asks for a link, and sends one to everybody on the roll with that address who can still vote.
pub(in crate::workflow) async fn link(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Settled, Failure> {
    let office = office(asking)?;
    let facts = Facts::ElectionAsked(page(asking)?);
    let settled = asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "credential")).await?;
    if settled.held == Held::Yes {
        return Ok(settled);
    }
    let (tx, page) = ledger.lock(office.shelved).await?;
    let address = fold_address(asking.arrival.sender);
    let known = voter::list_by_address(&mut *tx, office.shelved.id, &address).await?;
    let mut letters = Vec::new();
    for own in known.iter().take(limits::PARTICIPANTS_OF_AN_ADDRESS) {
        letters.extend(of_voter(tx, page, &office, own).await?);
    }
    compose::post(tx, Some(office.shelved.id), office.means, Some(asking.arrival.inbox_id), &letters).await?;
    Ok(settled)
}

/// The letter to one voter who asked for a link.
async fn of_voter(
    tx: &mut Tx,
    page: &mut Page,
    office: &Office<'_>,
    own: &VoterRow,
) -> Result<Option<Outgoing>, Failure> {
    let Office { shelved, election, means } = *office;
    let zone = shelved.study.zone;
    if page.row.state != State::Open {
        return Ok(None);
    }
    let none = |reason: &str, moment: String| office.no_link(own, reason, moment).map(Some);
    if voter::find_vote(&mut *tx, &own.id).await?.is_some() {
        return none("voted", String::new());
    }
    if own.entry.postal {
        return none("postal", String::new());
    }
    let terms = &election.terms;
    let taken = kept::taken(&kept::steps(&mut *tx, shelved.id).await?);
    let standing = Standing { terms, taken, now: means.now };
    if standing.phase() >= Phase::Closed {
        return none("over", terms.closes.local(zone));
    }
    let is_early = standing.phase() < Phase::Open && good_credential(tx, &own.id).await?.is_none();
    match standing.may_change_roll() {
        _ if is_early => return none("not-yet", terms.opens.local(zone)),
        Ok(Change::Free) => return none("not-yet", terms.opens.local(zone)),
        Ok(Change::Late) => {}
        Err(Unlawful::CutOff(until)) => return none("cut-off", until.local(zone)),
        Err(_) => return none("frozen", String::new()),
    }
    call_back(tx, &own.id, CredentialState::Replaced).await?;
    let (row, issued) = make(shelved, means, own.entry.clone(), validity(terms, means.now));
    credential::insert(tx, std::slice::from_ref(&row)).await?;
    voter::link(tx, &[(row.id, own.id)]).await?;
    let letter = office.with_link(own, Occasion::Renewed, (&issued.secret, issued.validity))?;
    voter_letter::insert(tx, &[(own.id, Occasion::Renewed, letter.message_id().to_string())]).await?;
    let body = json!({ "number": own.entry.number, "reason": "asked for by mail" });
    append(tx, page, means, ACTOR, "renew-voter-credential", &body).await?;
    Ok(Some(letter))
}
