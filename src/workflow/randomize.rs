//! Randomizing a subject who is enrolled once more: asked by mail, answered at once, and done once.
//!
//! The same order as for enrolling: what was done before is told before anything can refuse it, every refusal comes before the
//! draw, and the shortage of one arm refuses everybody.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accept::{self, Asking};
use super::again::{self, Asker, Case, Prepared, form_of, read_again};
use super::compose::{self, Addressing, Outgoing, Telling};
use super::confirm;
use super::deed::{self, Found};
use super::enroll::{Confirmed, Enrolled, Further, append, refusal_keys};
use super::ledger::{Ledger, Page};
use super::shelf::ShelvedStudy;
use super::{Failure, Means, Settled};
use crate::domain::language::Language;
use crate::domain::request::{Act, Randomize};
use crate::domain::study::Randomization;
use crate::letters::Facts;
use crate::letters::facts::{
    NotEntitled, RandomizationConfirm, RandomizationConflict, RandomizationForm, RandomizationRefused, Reason,
};

/// A request that waits for the reply: the randomization and the subject are known by now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WaitingRandomization {
    randomization: String,
    /// Number of the subject.
    number: i64,
    /// Typed text by item id.
    typed: BTreeMap<String, String>,
    /// Day its relative limits meant: `2026-11-20`.
    day: String,
    /// Language of the request: its confirmation is often too short to tell.
    language: String,
}

/// Carries a request out as far as it goes, and answers.
pub(super) async fn randomize(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Randomize,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let study = asking.study();
    if !asking.person.roles.iter().any(|role| role.enrolls()) {
        return not_entitled(ledger, asking, wanted, None, "no-role").await;
    }
    let own = wanted.randomization.as_ref().and_then(|id| study.find_randomization(id));
    let Some(own) = own else {
        let fits = wanted.fits.as_ref().and_then(|id| study.find_randomization(id));
        return form(ledger, asking, fits, wanted, "lacking:randomization").await;
    };
    if wanted.subject.is_empty() {
        return form(ledger, asking, Some(own), wanted, "lacking:subject").await;
    }
    let found = match deed::find_named(ledger, asking, &wanted.subject, wanted.site.as_deref()).await? {
        Found::One(found) => found,
        Found::None => return unknown(ledger, asking, wanted).await,
        Found::Several => return form(ledger, asking, Some(own), wanted, "lacking:subject").await,
    };
    if !asking.person.acts_for_any(found.sites()) {
        append_refusal(ledger, asking, wanted, Some(found.number), &["site-not-theirs".to_string()]).await?;
        return unknown(ledger, asking, wanted).await;
    }
    let site_token = found.sites().any(|site| asking.arrival.site_token == Some(site));
    if study.trust.token && confirmed == Confirmed::NotYet && !site_token {
        return not_entitled(ledger, asking, wanted, Some(found.number), "no-token").await;
    }
    let enrolled = accept::load(ledger, found.id).await?;
    let instrument = form_of(study, own)?;
    let case = Case { own, instrument, enrolled: &enrolled, form: &wanted.form };
    let known = enrolled.find_further(&own.id);
    if wanted.form.typed.is_empty() {
        return match known {
            Some(further) => tell(ledger, asking, case, further, "duplicate").await,
            None => {
                let number = study.subject_number(found.number);
                let named = Randomize { subject: number, ..wanted.clone() };
                form(ledger, asking, Some(own), &named, "form").await
            }
        };
    }
    if !wanted.form.faults.is_empty() {
        return refuse(ledger, asking, case, &[]).await;
    }
    if let Some(further) = known {
        return again(ledger, asking, case, further).await;
    }
    if confirmed == Confirmed::Spent {
        // It was refused then: whoever asks again is asked again.
        return confirm::expired(ledger, asking).await;
    }
    let (tx, page) = ledger.lock(asking.shelved).await?;
    let prepared = match again::prepare(tx, page, asking.shelved, asking.means, asking.means.now, case).await? {
        Ok(prepared) => prepared,
        Err(reasons) => return refuse(ledger, asking, case, &reasons).await,
    };
    if confirmed == Confirmed::NotYet && (study.trust.confirm || !wanted.form.doubts.is_empty()) {
        return ask(ledger, asking, case).await;
    }
    record(ledger, asking, case, prepared).await
}

/// Goes on with a request that waited.
pub(super) async fn resume(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    waiting: WaitingRandomization,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let study = asking.study();
    let broken = |why: &str| Failure::Contradiction(format!("a waiting request cannot be read: {why}"));
    let day: NaiveDate = waiting.day.parse().map_err(|_| broken("its day"))?;
    let own = study.find_randomization(&waiting.randomization).ok_or_else(|| broken("its randomization"))?;
    let wanted = Randomize {
        randomization: Some(own.id.clone()),
        subject: study.subject_number(waiting.number),
        site: None,
        form: read_again(study, form_of(study, own)?, waiting.typed, day),
        fits: None,
    };
    let asking = Asking { language: Language::find(&waiting.language).unwrap_or(asking.language), ..asking };
    randomize(ledger, asking, &wanted, confirmed).await
}

/// The draw and everything it leaves.
async fn record(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    case: Case<'_>,
    prepared: Prepared,
) -> Result<Settled, Failure> {
    let Asking { shelved, means, arrival, person, .. } = asking;
    let (tx, page) = ledger.lock(shelved).await?;
    let asker = Asker { person: &person.id, inbox_id: Some(arrival.inbox_id), given: None };
    let (enrolled, mut outgoing) = again::record(tx, page, shelved, means, case, prepared, asker).await?;
    // Never held back by a budget: whoever randomized is always told.
    add_letters(&mut outgoing, (shelved, means), about(asking, &enrolled), (case, &enrolled))?;
    compose::post(&mut ledger.tx, Some(shelved.id), means, Some(arrival.inbox_id), &outgoing).await?;
    Ok(Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("register", "randomized") })
}

/// Adds the letter to whoever randomized, before others, and the notices of it.
pub(super) fn add_letters(
    outgoing: &mut Vec<Outgoing>,
    (shelved, means): (&ShelvedStudy, Means<'_>),
    to: Addressing<'_>,
    (case, enrolled): (Case<'_>, &Enrolled),
) -> Result<(), Failure> {
    let further = enrolled.find_further(&case.own.id).expect("put there just now");
    let facts = compose::randomized(shelved, means, enrolled, further, Telling::First, Some(case.form), to.language)?;
    outgoing.insert(0, compose::compose(shelved, means, to, facts)?);
    outgoing.extend(compose::randomization_notices(shelved, means, enrolled, further)?);
    Ok(())
}

fn about<'a>(asking: Asking<'a>, enrolled: &'a Enrolled) -> Addressing<'a> {
    Addressing { site: Some(&enrolled.subject.site), subject_id: Some(enrolled.subject.id), ..asking.to_sender() }
}

/// The same subject again: with the same data it is told again, with other data nothing is changed.
async fn again(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    case: Case<'_>,
    further: &Further,
) -> Result<Settled, Failure> {
    let Case { own, instrument, enrolled, form } = case;
    let (then, now) = (further.answers()?, form.canonical());
    let items = again::differing(further, &then, &now);
    if items.is_empty() {
        return tell(ledger, asking, case, further, "duplicate").await;
    }
    let body = json!({ "subject": enrolled.subject.number, "randomization": own.id, "inbox": asking.arrival.inbox_id,
                       "items": items });
    let (tx, page) = ledger.lock(asking.shelved).await?;
    append(tx, page, asking.means, &asking.person.id, "conflict", &body).await?;
    let number = asking.study().subject_number(enrolled.subject.number);
    let at = again::told_at(asking.study(), further);
    // Of an allocation that was imported only what it needed is on file: what was never sent does not differ.
    let of = |values: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        values
            .iter()
            .filter(|(item, _)| items.contains(item))
            .map(|(item, value)| (item.clone(), value.clone()))
            .collect()
    };
    let facts = RandomizationConflict::new(&asking.reader(), own, instrument, &number, at, &of(&then), &of(&now));
    let settled = Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply_error", "conflict") };
    asking.reply(ledger, about(asking, enrolled), Facts::RandomizationConflict(facts), settled).await
}

/// Tells once more what was allocated.
async fn tell(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    case: Case<'_>,
    further: &Further,
    reason: &str,
) -> Result<Settled, Failure> {
    let Asking { shelved, means, language, .. } = asking;
    let enrolled = case.enrolled;
    let facts = compose::randomized(
        shelved,
        means,
        enrolled,
        further,
        Telling::Duplicate { may_rescreen: false },
        None,
        language,
    )?;
    let settled = Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply_duplicate", reason) };
    asking.reply(ledger, about(asking, enrolled), facts, settled).await
}

/// Keeps the form and mails the token to the sender's address on file.
async fn ask(ledger: &mut Ledger<'_>, asking: Asking<'_>, case: Case<'_>) -> Result<Settled, Failure> {
    let Case { own, instrument, enrolled, form } = case;
    let study = asking.study();
    let waiting = WaitingRandomization {
        randomization: own.id.clone(),
        number: enrolled.subject.number,
        typed: form.typed.clone(),
        day: asking.means.now.day_in(study.zone).to_string(),
        language: asking.language.code().to_string(),
    };
    let waiting = confirm::Waiting::Randomization(waiting);
    let (reply_to, expires_at) = confirm::wait(ledger, asking, &waiting).await?;
    let number = study.subject_number(enrolled.subject.number);
    let facts = RandomizationConfirm::new(&asking.reader(), own, instrument, &number, form, &reply_to, expires_at);
    let to = Addressing { reply_to: Some(&reply_to), ..about(asking, enrolled) };
    let settled = Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply", "to-confirm") };
    asking.reply(ledger, to, Facts::RandomizationConfirm(facts), settled).await
}

/// Says no, with the form filled in again, and puts it on file.
async fn refuse(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    case: Case<'_>,
    reasons: &[Reason],
) -> Result<Settled, Failure> {
    let Case { own, instrument, enrolled, form } = case;
    let keys = refusal_keys(reasons, form);
    let wanted = Randomize { randomization: Some(own.id.clone()), ..Randomize::default() };
    append_refusal(ledger, asking, &wanted, Some(enrolled.subject.number), &keys).await?;
    let number = asking.study().subject_number(enrolled.subject.number);
    let facts = RandomizationRefused::new(&asking.reader(), own, instrument, &number, form, reasons);
    let settled = Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply_error", keys.join(" ")) };
    asking.reply(ledger, about(asking, enrolled), Facts::RandomizationRefused(facts), settled).await
}

/// The form to fill in: blank, or with what was typed where only the subject, or which randomization is meant, cannot be told.
async fn form(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    own: Option<&Randomization>,
    wanted: &Randomize,
    reason: &str,
) -> Result<Settled, Failure> {
    let study = asking.study();
    let instrument = match own {
        Some(own) => Some((own, form_of(study, own)?)),
        None => None,
    };
    let subject = if reason == "lacking:subject" { "" } else { wanted.subject.as_str() };
    let facts = RandomizationForm::new(&asking.reader(), instrument, subject, &wanted.form);
    let facts = if wanted.fits.is_some() { facts.with_choices(&asking.reader()) } else { facts };
    let disposition = if reason == "form" || wanted.form.typed.is_empty() { "reply" } else { "reply_error" };
    let settled = asking.settled(disposition, reason);
    asking.reply(ledger, asking.to_sender(), Facts::RandomizationForm(facts), settled).await
}

async fn unknown(ledger: &mut Ledger<'_>, asking: Asking<'_>, wanted: &Randomize) -> Result<Settled, Failure> {
    let named = (Some(wanted.subject.as_str()), wanted.site.as_deref());
    let facts = Facts::StatusUnknown(accept::unknown(ledger, asking, named).await?);
    asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "status-unknown")).await
}

async fn not_entitled(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Randomize,
    subject: Option<i64>,
    why: &str,
) -> Result<Settled, Failure> {
    append_refusal(ledger, asking, wanted, subject, &[why.to_string()]).await?;
    let act = Act::Randomize(Randomize::default());
    let facts = if why == "no-token" { NotEntitled::without_token(&act) } else { NotEntitled::new(&act) };
    asking.reply(ledger, asking.to_sender(), Facts::NotEntitled(facts), asking.settled("reply", "not-entitled")).await
}

async fn append_refusal(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Randomize,
    subject: Option<i64>,
    reasons: &[String],
) -> Result<(), Failure> {
    let (tx, page): (_, &mut Page) = ledger.lock(asking.shelved).await?;
    let body = json!({ "randomization": wanted.randomization, "subject": subject, "inbox": asking.arrival.inbox_id,
                       "reasons": reasons });
    append(tx, page, asking.means, &asking.person.id, "refuse", &body).await.map(drop)
}
