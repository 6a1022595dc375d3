//! Whoever writes and is none of the staff: a participant who asks for a fresh link, or a stranger.
//!
//! Both get the same answer. A participant gets the link in a letter of its own, to the address on file.

use super::accept::Asking;
use super::compose::{self, Addressing};
use super::credentials::{self, Withheld};
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{Failure, Means, Settled, accounts, by_mail, group, leave};
use crate::domain::language::Text;
use crate::domain::request::Act;
use crate::domain::study::{PARTICIPANT, Person, Study};
use crate::domain::survey::{Access, Privacy, Shut};
use crate::domain::text;
use crate::domain::time::Instant;
use crate::letters::Facts;
use crate::letters::facts::{AccessOver, AccessOverNotice, LinkAsked, NotEntitled, ParticipantHelp};
use crate::limits;
use crate::store::account::{self, State};
use crate::store::credential as row;
use crate::store::participant::{self, ParticipantRow};
use crate::store::study::State as StudyState;

/// A sender as the one an answer is written to: without a name, for none may be told.
pub(super) fn stranger(study: &Study, sender: &str) -> Person {
    Person {
        id: String::new(),
        name: Text::new(study.languages.iter().map(|language| (*language, String::new()))),
        addresses: vec![sender.to_string()],
        roles: Vec::new(),
        sites: Vec::new(),
        language: None,
        representative: None,
    }
}

/// Answers somebody of the staff with the link by which they come to the pages of their cases: they choose a password by it.
async fn staff_link(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Settled, Failure> {
    let Asking { shelved, means, arrival, language, .. } = asking;
    let address = text::fold_address(arrival.sender);
    let known = account::find_by_address(&mut ledger.tx, &address).await?;
    if known.as_ref().is_some_and(|account| account.state == State::Closed) {
        let facts = Facts::NotEntitled(NotEntitled::new(&Act::Link));
        return asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "not-entitled")).await;
    }
    if let Some(asked) = group::of_address(ledger.shelf(), &address).await? {
        let name = asked.representative.name.in_language(language).to_string();
        let facts = LinkAsked { anonymous: false, account: String::new(), representative: name, closed: false };
        let settled =
            asking.reply(ledger, asking.to_sender(), Facts::LinkAsked(facts), asking.settled("reply", "link")).await?;
        if settled.held == super::Held::No {
            group::ask(&mut ledger.tx, means, &asked, &address).await?;
        }
        return Ok(settled);
    }
    let again = known.is_some_and(|account| account.state == State::Active);
    let link = accounts::write_link(shelved, means, asking.to_sender(), again)?;
    let settled = asking.send(ledger, link.letter.clone(), asking.settled("reply", "link")).await?;
    // A letter that is not written must not end the link before it.
    if settled.held == super::Held::No {
        accounts::keep_link(&mut ledger.tx, means, &address, language.code(), &link).await?;
    }
    Ok(settled)
}

/// Tells a participant how to write to us; whoever asks is told the same.
pub(super) async fn help(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Settled, Failure> {
    let Asking { shelved, means, .. } = asking;
    let study = &shelved.study;
    let facts = study.survey.as_ref().map_or_else(
        || ParticipantHelp { link: false, by_mail: false, account: String::new() },
        |survey| {
            let members = survey.access == Access::Members;
            let instrument = study.find_instrument(&survey.instrument);
            ParticipantHelp {
                link: !members && survey.privacy != Privacy::FullyAnonymous,
                by_mail: instrument.is_some_and(|instrument| by_mail::page_only(survey, instrument).is_none()),
                account: if members { credentials::sign_in(&means.desk.public_url, study) } else { String::new() },
            }
        },
    );
    asking.reply(ledger, asking.to_sender(), Facts::ParticipantHelp(facts), asking.settled("reply", "help")).await
}

/// Answers whoever asks for a link, and sends one to every participant at that address.
pub(super) async fn link(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Settled, Failure> {
    let Asking { shelved, means, arrival, person, .. } = asking;
    if shelved.study.registers && !person.id.is_empty() {
        return staff_link(ledger, asking).await;
    }
    let anonymous = shelved.study.survey.as_ref().is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous);
    let members = shelved.study.survey.as_ref().is_some_and(|survey| survey.access == Access::Members);
    let account = if members { credentials::sign_in(&means.desk.public_url, &shelved.study) } else { String::new() };
    let closed = is_over(ledger, asking).await?;
    let facts = Facts::LinkAsked(LinkAsked { anonymous, account, representative: String::new(), closed });
    let settled = asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "link")).await?;
    if settled.held == super::Held::Yes || anonymous || members || closed {
        return Ok(settled);
    }
    let (tx, page) = ledger.lock(shelved).await?;
    let known = participant::list_by_address(&mut *tx, shelved.id, arrival.sender).await?;
    let mut letters = Vec::new();
    for one in known.iter().take(limits::PARTICIPANTS_OF_AN_ADDRESS) {
        match credentials::renew(tx, page, shelved, means, PARTICIPANT, (one, false)).await? {
            Ok(issued) => letters.push(credentials::invite(tx, shelved, means, &issued).await?),
            Err(Withheld::Over(credential, until)) => {
                let tells = row::tell_end(tx, &credential).await?;
                letters.extend(over(shelved, means, one, until, tells)?);
            }
            Err(Withheld::Answered | Withheld::Revoked | Withheld::Nobodys | Withheld::Withdrawn) => {}
        }
    }
    compose::post(tx, Some(shelved.id), means, Some(arrival.inbox_id), &letters).await?;
    Ok(settled)
}

/// Whether a survey takes no answers any more, whoever asks: then a fresh link would be a dead one for everybody.
async fn is_over(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<bool, Failure> {
    let Asking { shelved, means, .. } = asking;
    let Some(survey) = &shelved.study.survey else { return Ok(false) };
    let (_, page) = ledger.lock(shelved).await?;
    let shut = survey.open_on(means.now.day_in(shelved.study.zone));
    Ok(page.row.state == StudyState::Closed || matches!(shut, Err(Shut::Over(_))))
}

/// The letter to a participant whose access ended before they asked for a link, and, if they are to hear of it, to those in charge.
fn over(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    whose: &ParticipantRow,
    until: Instant,
    tells: bool,
) -> Result<Vec<compose::Outgoing>, Failure> {
    let study = &shelved.study;
    let person = credentials::addressee(study, &credentials::on_file(whose));
    let to = Addressing::unasked(study, &person);
    let own = AccessOver::new(study, until, to.language);
    let mut letters = vec![compose::compose(shelved, means, to, Facts::AccessOver(own))?];
    for person in leave::told(study).filter(|_| tells) {
        let facts = AccessOverNotice {
            participant: whose.number.to_string(),
            until: until.local(study.zone),
            asked_at: means.now.local(study.zone),
        };
        let to = Addressing::unasked(study, person);
        letters.push(compose::compose(shelved, means, to, Facts::AccessOverNotice(facts))?);
    }
    Ok(letters)
}
