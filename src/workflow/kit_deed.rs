//! Kits by mail: another one for a subject, and kits kept back. What is done is that of the commands ([`kits`]).
//!
//! Every request for another kit is one in place of a certain kit: the one that the subject had when it was asked for. So a
//! request acts once, whichever way it is repeated: once that kit is replaced, it tells which one the subject has.

use super::accept::Asking;
use super::compose::{self, Addressing};
use super::confirm;
use super::deed::{self, Found, WaitingDeed};
use super::enroll::{Confirmed, Enrolled};
use super::kits::{self, Asker, KitError, KitFault, Order, Refusal};
use super::ledger::Ledger;
use super::{Failure, Settled};
use crate::domain::deed::{Lack, Wanted};
use crate::domain::kit::State;
use crate::domain::text;
use crate::letters::Facts;
use crate::letters::facts::{DeedConfirm, DeedForm, KitRefused, KitReplaced, KitsQuarantined, ReadCorrection};
use crate::limits;
use crate::store::kit::{self, KitRow};
use crate::store::{allocation, subject};

/// The kit of a code as somebody typed it.
async fn find_kit(ledger: &mut Ledger<'_>, study_id: i64, typed: &str) -> Result<Option<KitRow>, Failure> {
    if let Some(found) = kit::find_by_code(&mut ledger.tx, study_id, typed).await? {
        return Ok(Some(found));
    }
    let tight = text::fold_tight(typed);
    let codes = kit::codes(&mut ledger.tx, study_id).await?;
    match codes.iter().find(|code| text::fold_tight(code) == tight) {
        Some(code) => Ok(kit::find_by_code(&mut ledger.tx, study_id, code).await?),
        None => Ok(None),
    }
}

/// The subject that was given the one kit that is named.
pub(super) async fn whose(ledger: &mut Ledger<'_>, asking: Asking<'_>, codes: &[String]) -> Result<Found, Failure> {
    let id = asking.shelved.id;
    let [code] = codes else { return Ok(Found::None) };
    let Some(number) = find_kit(ledger, id, code).await?.and_then(|kit| kit.allocation_number) else {
        return Ok(Found::None);
    };
    let Some(given) = allocation::find(&mut ledger.tx, id, number).await? else { return Ok(Found::None) };
    Ok(Found::One(Box::new(subject::load(&mut ledger.tx, given.subject_id).await?)))
}

/// Gives the subject another kit, once that is confirmed.
pub(super) async fn replace(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    enrolled: &Enrolled,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let id = asking.shelved.id;
    let mut had = kits::had(&mut ledger.tx, &enrolled.subject).await?;
    if had.is_empty() {
        let facts = KitRefused::new(wanted.deed, "not-given");
        return refuse(ledger, asking, wanted, Some(enrolled), facts).await;
    }
    let code = wanted.kits.first().map(|code| text::fold_tight(code));
    let named = |kit: &KitRow| code.as_ref().is_none_or(|code| text::fold_tight(&kit.code) == *code);
    had.retain(|(_, kits)| kits.iter().any(named));
    if had.len() > 1 {
        // Kits of several randomizations: which one is meant is not guessed.
        let codes: Vec<String> = had.iter().filter_map(|(_, kits)| Some(kits.last()?.code.clone())).collect();
        let facts = Facts::DeedForm(DeedForm::new(wanted, &[Lack::WhichKit]).with_choices(&codes));
        let settled = asking.settled("reply_error", "lacking:which-kit");
        return asking.reply(ledger, asking.to_sender(), facts, settled).await;
    }
    let given = had.pop().map(|(_, kits)| kits).unwrap_or_default();
    let now = given.last();
    let meant = if code.is_none() { now } else { given.iter().find(|kit| named(kit)) };
    let (Some(meant), Some(now)) = (meant, now) else {
        let fault = KitFault::Unknown(wanted.kits.concat());
        let facts = refused_kits(wanted, std::slice::from_ref(&fault));
        return refuse(ledger, asking, wanted, Some(enrolled), facts).await;
    };
    let site = enrolled.subject.site.as_str();
    let to = Addressing { site: Some(site), subject_id: Some(enrolled.subject.id), ..asking.to_sender() };
    let settled = |reason: &str| Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply", reason) };
    let number = asking.study().subject_number(enrolled.subject.number);
    let told = |old: &str, new: &str, before: bool| {
        Facts::KitReplaced(KitReplaced::new(asking.study(), &number, site, old, new, before, asking.language))
    };
    if meant.code != now.code {
        let facts = told(&meant.code, &now.code, true);
        return asking.reply(ledger, to, facts, settled("kit-replaced-before")).await;
    }
    if let Err(closed) = kits::hands_out(ledger.lock(asking.shelved).await?.1) {
        return refused_by(ledger, asking, wanted, Some(enrolled), closed.into()).await;
    }
    let had = (enrolled.facts.as_slice(), now.turn);
    if let Err(refusal) = kits::may_replace(asking.study(), enrolled.subject.number, had, true, &wanted.reason) {
        return refused_by(ledger, asking, wanted, Some(enrolled), refusal.into()).await;
    }
    match confirmed {
        Confirmed::NotYet => {
            let wanted = Wanted { kits: vec![now.code.clone()], ..wanted.clone() };
            deed::ask(ledger, asking, &wanted, enrolled, ReadCorrection::default()).await
        }
        // It was refused then: whoever asks again is asked again.
        Confirmed::Spent => confirm::expired(ledger, asking).await,
        Confirmed::ByReply | Confirmed::Apart(_) => {
            let (order, asker) = (order(asking, wanted), Asker::Person(asking.person));
            match kits::replace(ledger, asking.shelved, asking.means, order, &enrolled.subject, Some(&now.code), asker)
                .await
            {
                Ok(done) => {
                    // Somebody waits to treat a patient by it: told, whatever they asked before.
                    let facts = told(&done.old, &done.new, false);
                    let letter = compose::compose(asking.shelved, asking.means, to, facts)?;
                    let inbox_id = Some(asking.arrival.inbox_id);
                    compose::post(&mut ledger.tx, Some(id), asking.means, inbox_id, &[letter]).await?;
                    Ok(settled("kit-replaced"))
                }
                Err(error) => refused_by(ledger, asking, wanted, Some(enrolled), error).await,
            }
        }
    }
}

/// Keeps kits back, once that is confirmed.
pub(super) async fn quarantine(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let (study, id) = (asking.study(), asking.shelved.id);
    if wanted.kits.len() > limits::DEED_KITS {
        let facts = KitRefused::new(wanted.deed, "too-many");
        return refuse(ledger, asking, wanted, None, facts).await;
    }
    let mut codes = Vec::new();
    for typed in &wanted.kits {
        let found = find_kit(ledger, id, typed).await?;
        codes.push(found.map_or_else(|| typed.clone(), |kit| kit.code));
    }
    let asker = Asker::Person(asking.person);
    let judged = kits::judge(&mut ledger.tx, id, asker, &codes, State::Quarantined).await;
    let (kits, mut faults) = match judged {
        Ok(judged) => judged,
        Err(error) => return refused_by(ledger, asking, wanted, None, error).await,
    };
    let tokened = |kit: &KitRow| asking.arrival.site_token == Some(kit.site.as_str());
    if study.trust.token && confirmed == Confirmed::NotYet && !kits.iter().all(tokened) {
        return deed::refused(ledger, asking, wanted, None, "no-token").await;
    }
    faults.retain(|fault| !matches!(fault, KitFault::State(_, State::Quarantined, _)));
    if !faults.is_empty() {
        return refuse(ledger, asking, wanted, None, refused_kits(wanted, &faults)).await;
    }
    let free = kits.iter().filter(|kit| kit.state != State::Quarantined);
    let free: Vec<String> = free.map(|kit| kit.code.clone()).collect();
    if free.is_empty() {
        let facts = Facts::KitsQuarantined(KitsQuarantined::new(&codes, true));
        return asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "quarantined-before")).await;
    }
    match confirmed {
        Confirmed::NotYet => ask(ledger, asking, &Wanted { kits: codes, ..wanted.clone() }).await,
        // They were released since, or it was refused then.
        Confirmed::Spent => confirm::expired(ledger, asking).await,
        Confirmed::ByReply | Confirmed::Apart(_) => {
            let order = order(asking, wanted);
            let next = State::Quarantined;
            if let Err(error) = kits::change(ledger, asking.shelved, asking.means, order, asker, &free, next).await {
                return refused_by(ledger, asking, wanted, None, error).await;
            }
            let facts = Facts::KitsQuarantined(KitsQuarantined::new(&codes, false));
            let letter = compose::compose(asking.shelved, asking.means, asking.to_sender(), facts)?;
            let inbox_id = Some(asking.arrival.inbox_id);
            compose::post(&mut ledger.tx, Some(id), asking.means, inbox_id, &[letter]).await?;
            Ok(asking.settled("reply", "quarantined"))
        }
    }
}

fn order<'a>(asking: Asking<'a>, wanted: &'a Wanted) -> Order<'a> {
    Order { actor: &asking.person.id, by: None, reason: &wanted.reason, inbox_id: Some(asking.arrival.inbox_id) }
}

/// Keeps a request about kits and mails the token to the sender's address on file.
async fn ask(ledger: &mut Ledger<'_>, asking: Asking<'_>, wanted: &Wanted) -> Result<Settled, Failure> {
    let waiting = WaitingDeed::new(wanted, None, asking.language);
    let (reply_to, expires_at) = confirm::wait(ledger, asking, &confirm::Waiting::Deed(waiting)).await?;
    let facts = DeedConfirm::of_kits(asking.study(), wanted.deed, &wanted.reason, &reply_to, expires_at);
    let to = Addressing { reply_to: Some(&reply_to), ..asking.to_sender() };
    let facts = Facts::DeedConfirm(facts.with_kits(&wanted.kits));
    asking.reply(ledger, to, facts, asking.settled("reply", "to-confirm")).await
}

fn refused_kits(wanted: &Wanted, faults: &[KitFault]) -> KitRefused {
    let faults = faults.iter().map(|fault| (fault.code(), fault.key()));
    KitRefused::new(wanted.deed, "kits").with_kits(faults)
}

/// The answer to what an act upon kits was refused for; what failed stays a failure.
async fn refused_by(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    enrolled: Option<&Enrolled>,
    error: KitError,
) -> Result<Settled, Failure> {
    let why = match error {
        KitError::Failed(failure) => return Err(failure),
        KitError::Refused(Refusal::Kits(faults)) => {
            return refuse(ledger, asking, wanted, enrolled, refused_kits(wanted, &faults)).await;
        }
        KitError::Refused(Refusal::Short) => "short",
        KitError::Refused(Refusal::NotGiven(_)) => "not-given",
        KitError::Refused(Refusal::NoKits(_)) => "none",
        KitError::Refused(Refusal::Closed(_)) => "closed",
        KitError::Refused(Refusal::Withdrawn(_)) => "withdrawn",
        KitError::Refused(Refusal::Often(..)) => "often",
        KitError::Refused(Refusal::TooMany) => "too-many",
        KitError::Refused(Refusal::NotEntitled(_)) => {
            let subject = enrolled.map(|enrolled| &enrolled.subject);
            return deed::refused(ledger, asking, wanted, subject, "no-role").await;
        }
        KitError::Refused(other) => {
            return Err(Failure::Contradiction(format!("a mail was refused for {other}")));
        }
    };
    refuse(ledger, asking, wanted, enrolled, KitRefused::new(wanted.deed, why)).await
}

/// Says no, and puts it on file.
pub(super) async fn refuse(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    enrolled: Option<&Enrolled>,
    facts: KitRefused,
) -> Result<Settled, Failure> {
    let why = facts.code.clone();
    let subject = enrolled.map(|enrolled| &enrolled.subject);
    deed::append_refusal(ledger, asking, wanted, subject, &format!("kits-{why}")).await?;
    let subject_id = subject.map(|subject| subject.id);
    let to = Addressing { site: subject.map(|subject| subject.site.as_str()), subject_id, ..asking.to_sender() };
    let settled = Settled { subject_id, ..asking.settled("reply_error", format!("kits:{why}")) };
    asking.reply(ledger, to, Facts::KitRefused(facts), settled).await
}
