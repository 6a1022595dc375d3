//! A participant who takes part no more: asked for by mail, confirmed by a reply, recorded once. Nothing more is sent to them or taken
//! from them; what they answered stays, and those in charge are told.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accept::{self, Asking};
use super::compose::{self, Addressing};
use super::confirm::{self, Waiting};
use super::correction::Correction;
use super::enroll::{Confirmed, append};
use super::ledger::Ledger;
use super::note::{self, Note};
use super::{Failure, Settled, participants};
use crate::domain::fact::FactKind;
use crate::domain::language::Language;
use crate::domain::study::{PARTICIPANT, Person, Role, Study};
use crate::domain::survey::Privacy;
use crate::letters::Facts;
use crate::letters::facts::{LeaveConfirm, LeaveDone, LeaveNotice};
use crate::limits;
use crate::store::participant::{self, ParticipantRow, State};
use crate::store::subject;

/// Who hears that a participant takes part no more.
const TOLD: [Role; 2] = [Role::Coordinator, Role::Manager];

/// Those in charge of participants.
pub(super) fn told(study: &Study) -> impl Iterator<Item = &Person> {
    study.people.iter().filter(|person| TOLD.iter().any(|role| person.has(*role)))
}

/// A wish to take part no more that waits for a reply.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WaitingLeave {
    /// Address it came from.
    leaves: String,
    /// Code of the language they were asked in: a plain yes is in none.
    language: String,
}

impl WaitingLeave {
    /// Whether it is the sender's own.
    pub(super) fn is_of(&self, asking: Asking<'_>) -> bool {
        self.leaves == asking.arrival.sender
    }
}

/// Asks once more, whoever writes: an error costs a participant, and who is one is not told.
pub(super) async fn ask(ledger: &mut Ledger<'_>, asking: Asking<'_>) -> Result<Settled, Failure> {
    let study = asking.study();
    let waiting = Waiting::Leave(WaitingLeave {
        leaves: asking.arrival.sender.to_string(),
        language: asking.language.code().to_string(),
    });
    let (reply_to, expires_at) = confirm::wait(ledger, asking, &waiting).await?;
    let facts = LeaveConfirm {
        named: study.survey.as_ref().is_some_and(|survey| survey.privacy.names()),
        unknown: study.survey.as_ref().is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous),
        enrolls: study.enrolls_itself(),
        reply_to: reply_to.clone(),
        expires_at: expires_at.local(study.zone),
    };
    let to = Addressing { reply_to: Some(&reply_to), ..asking.to_sender() };
    asking.reply(ledger, to, Facts::LeaveConfirm(facts), asking.settled("reply", "to-confirm")).await
}

/// They said yes: whoever is the one participant at the address takes part no more.
pub(super) async fn resume(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    waiting: WaitingLeave,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let asking = Asking { language: Language::find(&waiting.language).unwrap_or(asking.language), ..asking };
    // Whoever left stays one of those at the address: else a second yes would send the next of a household away.
    let most = i64::try_from(limits::PARTICIPANTS_OF_AN_ADDRESS).unwrap_or(i64::MAX);
    let known = participant::list_alike(&mut ledger.tx, asking.shelved.id, ("", &waiting.leaves), most).await?;
    let settled = match known.as_slice() {
        [only] if only.state == State::Withdrawn => asking.settled("reply_duplicate", "left-before"),
        // Somebody was taken back since: an old yes does not send them away again.
        [_] if matches!(confirmed, Confirmed::Spent) => return confirm::expired(ledger, asking).await,
        [only] => {
            Box::pin(leave(ledger, asking, only)).await?;
            asking.settled("register", "left")
        }
        [] => asking.settled("reply", "left-stranger"),
        _ => asking.settled("reply", "left-shared"),
    };
    let facts = LeaveDone::new(asking.study(), known.len());
    asking.reply(ledger, asking.to_sender(), Facts::LeaveDone(facts), settled).await
}

/// Records it, and writes to those in charge. A subject who enrolled themself is withdrawn by the fact that the staff would record.
async fn leave(ledger: &mut Ledger<'_>, asking: Asking<'_>, whose: &ParticipantRow) -> Result<(), Failure> {
    let Asking { shelved, means, arrival, .. } = asking;
    let study = &shelved.study;
    let enrolled = match study.enrolls_itself() {
        true => subject::find_by_participant(&mut ledger.tx, whose.id).await?,
        false => None,
    };
    let mut letters = Vec::new();
    if let Some(subject) = enrolled {
        let enrolled = accept::load(ledger, subject.id).await?;
        let note = Note {
            kind: FactKind::Withdrawn,
            enrolled: &enrolled,
            randomization: None,
            person: PARTICIPANT,
            actor: PARTICIPANT,
            // What they wrote is theirs: nobody need say why.
            reason: "",
            correction: &Correction::default(),
            of: None,
            inbox_id: Some(arrival.inbox_id),
        };
        if note::known(ledger, &note).await?.is_none() {
            let fact = note::record(ledger, shelved, means, &note).await?;
            letters = note::notices(shelved, means, &note, &fact)?;
        }
    } else {
        let (tx, page) = ledger.lock(shelved).await?;
        append(tx, page, means, PARTICIPANT, "withdraw-participant", &json!({ "participant": whose.number })).await?;
        page.touch();
        for person in told(study) {
            let facts = LeaveNotice {
                participant: whose.number.to_string(),
                recorded_at: means.now.local(study.zone),
                named: study.survey.as_ref().is_some_and(|survey| survey.privacy.names()),
                unknown: study.survey.as_ref().is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous),
            };
            letters.push(compose::compose(
                shelved,
                means,
                Addressing::unasked(study, person),
                Facts::LeaveNotice(facts),
            )?);
        }
    }
    let tx = &mut ledger.tx;
    participants::take_out(tx, whose.id).await?;
    compose::post(tx, Some(shelved.id), means, Some(arrival.inbox_id), &letters).await
}
