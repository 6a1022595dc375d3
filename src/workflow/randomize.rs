//! Randomizing a subject who is enrolled once more: asked by mail, answered at once, and done once.
//!
//! The same order as for enrolling: what was done before is told before anything can refuse it, every refusal comes before the
//! draw, and the shortage of one arm refuses everybody.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accept::{self, Asking};
use super::compose::{self, Addressing, Telling};
use super::confirm;
use super::deed::{self, Found};
use super::draw::{Wanted, draw, no_levels};
use super::enroll::{self, Confirmed, Enrolled, Further, append, refusal_keys};
use super::ledger::{Ledger, Page};
use super::stock::AtHand;
use super::{Failure, Settled};
use crate::domain::allocation::{Full, Levels, SITE};
use crate::domain::answer::{self, Answer, Form, Line, Value};
use crate::domain::expression::Scope;
use crate::domain::fact::FactKind;
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::request::{Act, Randomize};
use crate::domain::study::{Blinding, ENROLLED_ON, FIRST, Randomization, Study, arm_name, day_name};
use crate::letters::Facts;
use crate::letters::facts::{
    NotEntitled, RandomizationConfirm, RandomizationConflict, RandomizationForm, RandomizationRefused, Reason,
    StatusUnknown,
};
use crate::store::fact::FactRow;
use crate::store::kit::KitRow;
use crate::store::randomization::{self, RandomizationRow};
use crate::store::study::State as StudyState;

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

/// One subject and what is asked for it.
#[derive(Clone, Copy)]
struct Case<'a> {
    own: &'a Randomization,
    instrument: &'a Instrument,
    enrolled: &'a Enrolled,
    form: &'a Form,
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
    if !asking.person.acts_for(&found.site) {
        append_refusal(ledger, asking, wanted, Some(found.number), &["site-not-theirs".to_string()]).await?;
        return unknown(ledger, asking, wanted).await;
    }
    let site_token = asking.arrival.site_token == Some(found.site.as_str());
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
    let prepared = match prepare(ledger, asking, case).await? {
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

/// The form of a randomization.
fn form_of<'a>(study: &'a Study, own: &Randomization) -> Result<&'a Instrument, Failure> {
    study
        .find_instrument(&own.instrument)
        .ok_or_else(|| Failure::Contradiction(format!("the instrument {} is absent", own.instrument)))
}

/// A form read once more from what was typed, or from canonical answers.
fn read_again(study: &Study, instrument: &Instrument, values: BTreeMap<String, String>, day: NaiveDate) -> Form {
    let lines = values.into_iter().enumerate().map(|(at, (key, value))| Line { key, value, number: at + 1 });
    answer::read_form(study, instrument, &lines.collect::<Vec<Line>>(), day)
}

/// The registration as it is known by now: the answers that the audit chain holds, with what was corrected since. What was typed
/// stands outside of the chain, and decides nothing.
fn registered(study: &Study, enrolled: &Enrolled) -> Result<Form, Failure> {
    let broken = |error| Failure::Contradiction(format!("answers of subject {}: {error}", enrolled.subject.id));
    let mut answers = enrolled.answers()?;
    let corrects = |fact: &&FactRow| matches!(fact.kind, FactKind::WrongStratum | FactKind::Corrected);
    for fact in enrolled.facts.iter().filter(corrects) {
        let changes: BTreeMap<String, String> = serde_json::from_str(&fact.changes).map_err(broken)?;
        answers.extend(changes);
    }
    Ok(read_again(study, study.registration_instrument(), answers, enrolled.day(study.zone)))
}

/// What is known of a subject beside its forms: the arms given before, and the days they were given on.
fn known(study: &Study, enrolled: &Enrolled) -> BTreeMap<String, Answer> {
    let answer = |value: Value| Answer { typed: value.canonical(), value };
    let day = |at: crate::domain::time::Instant| answer(Value::Date(at.day_in(study.zone)));
    let enrolled_on = answer(Value::Date(enrolled.day(study.zone)));
    let mut known = BTreeMap::from([(ENROLLED_ON.to_string(), enrolled_on)]);
    for given in enrolled.allocations() {
        let id = given.randomization.as_str();
        known.insert(arm_name(id), answer(Value::Choice(given.arm.clone())));
        if id != FIRST {
            known.insert(day_name(id), day(given.allocated_at));
        }
    }
    known
}

/// The levels that a randomization looks at; those that the subject does not have are absent.
fn levels_of(study: &Study, own: &Randomization, enrolled: &Enrolled, registration: &Form, form: &Form) -> Levels {
    let site = enroll::site_of(study, registration).filter(|site| study.find_site(site).is_some());
    let site = site.unwrap_or_else(|| enrolled.subject.site.clone());
    let site_item = study.registration.site_item.as_deref();
    let known = known(study, enrolled);
    let level = |id: &str| {
        if id == SITE || Some(id) == site_item {
            return Some(site.clone());
        }
        let known = known.get(id).map(|answer| answer.value.canonical());
        known.or_else(|| registration.value(id)).or_else(|| form.value(id))
    };
    let mut levels: Levels = own.scheme.needs().filter_map(|id| Some((id.to_string(), level(id)?))).collect();
    levels.insert(SITE.to_string(), site);
    levels
}

/// The levels that a further allocation would have looked at, had the registration been as `registration` says.
pub(super) fn levels_again(
    study: &Study,
    own: &Randomization,
    enrolled: &Enrolled,
    further: &Further,
    registration: &Form,
) -> Result<Levels, Failure> {
    let day = further.allocation.allocated_at.day_in(study.zone);
    let form = read_again(study, form_of(study, own)?, further.answers()?, day);
    Ok(levels_of(study, own, enrolled, registration, &form))
}

/// What a randomization needs when nothing speaks against it.
struct Prepared {
    levels: Levels,
    at_hand: Option<AtHand>,
}

/// Everything that speaks against randomizing this subject now, all reasons at once, none of which tells an arm to somebody
/// blinded; if nothing does, what is needed to go on.
async fn prepare(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    case: Case<'_>,
) -> Result<Result<Prepared, Vec<Reason>>, Failure> {
    let Case { own, enrolled, form, .. } = case;
    let study = asking.study();
    let site = enrolled.subject.site.as_str();
    let registration = registered(study, enrolled)?;
    let levels = levels_of(study, own, enrolled, &registration, form);
    let (tx, page) = ledger.lock(asking.shelved).await?;
    match page.row.state {
        StudyState::Paused => return Ok(Err(vec![Reason::Paused])),
        StudyState::Closed => return Ok(Err(vec![Reason::Closed])),
        StudyState::Open => {}
    }
    let mut reasons: Vec<Reason> = Vec::new();
    let gone = [FactKind::Withdrawn, FactKind::RandomizedInError, FactKind::Ineligible, FactKind::Duplicate];
    let out = gone.into_iter().find(|kind| enrolled.facts.iter().any(|fact| fact.kind == *kind));
    reasons.extend(out.map(Reason::SubjectOut));
    reasons.extend(unmet(asking, case, &registration));
    let absent: Vec<&str> = own.scheme.needs().filter(|id| !levels.contains_key(*id)).collect();
    let before = study.allocations().find(|rules| absent.contains(&arm_name(rules.id).as_str()));
    match before {
        Some(rules) => reasons.push(Reason::Earlier(rules.id.to_string())),
        None if !absent.is_empty() => reasons.push(Reason::DataMissing),
        None => {}
    }
    if !reasons.is_empty() {
        return Ok(Err(reasons));
    }
    let state = page.state(&own.id)?;
    let site_cap = own.site_caps.of(site);
    // Caps of a site are those of where the subject is; where it was allocated by is its level.
    match state.find_full(&own.scheme, &own.caps, site_cap, &levels).map_err(no_levels)? {
        Some(Full::Total | Full::Arm) => reasons.push(Reason::RandomizationFull),
        Some(Full::Site) => reasons.push(Reason::RandomizationSiteFull),
        Some(Full::List) if own.scheme.strata().is_empty() => reasons.push(Reason::RandomizationFull),
        Some(Full::Stratum | Full::List) => reasons.push(Reason::RandomizationStratumFull),
        None => {}
    }
    let mut at_hand = None;
    if study.blinding == Blinding::Blinded && reasons.is_empty() {
        let counted = AtHand::count(tx, asking.shelved, &own.arms, asking.means.now, site).await?;
        if !counted.covers_open_arms(&own.scheme, &own.arms) {
            reasons.push(Reason::NoKits);
        }
        at_hand = Some(counted);
    }
    Ok(if reasons.is_empty() { Ok(Prepared { levels, at_hand }) } else { Err(reasons) })
}

/// The condition, if it does not hold, or cannot be told because the registration does not hold what it names.
fn unmet(asking: Asking<'_>, case: Case<'_>, registration: &Form) -> Option<Reason> {
    let Case { own, instrument, enrolled, form } = case;
    let study = asking.study();
    let condition = own.condition.as_ref()?;
    let items = study.registration_instrument().items.iter().chain(&instrument.items).map(|item| item.id.as_str());
    let names: Vec<String> = study.allocations().flat_map(|rules| [arm_name(rules.id), day_name(rules.id)]).collect();
    let today = asking.means.now.day_in(study.zone);
    let known = known(study, enrolled);
    let scope = Scope::blank(items.chain(names.iter().map(String::as_str)), today)
        .with(&registration.answers)
        .with(&form.answers)
        .with(&known);
    match condition.rule.holds(&scope) {
        Ok(true) => None,
        Ok(false) => Some(Reason::Condition(own.id.clone())),
        Err(_) => Some(Reason::DataMissing),
    }
}

/// The draw and everything it leaves.
async fn record(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    case: Case<'_>,
    Prepared { levels, at_hand }: Prepared,
) -> Result<Settled, Failure> {
    let Asking { shelved, means, arrival, person, .. } = asking;
    let Case { own, enrolled, form, .. } = case;
    let rules = own.rules();
    let subject = &enrolled.subject;
    let wanted = Wanted { levels, site: &subject.site, at_hand: at_hand.as_ref(), given: None };
    let (tx, page) = ledger.lock(shelved).await?;
    let drawn = draw(tx, page, shelved, rules, wanted).await?;
    let body = json!({
        "subject": subject.number,
        "randomization": own.id,
        "inbox": arrival.inbox_id,
        "answers": form.canonical(),
        "bundle": shelved.version,
        "allocation": drawn.told(),
    });
    let audit_digest = append(tx, page, means, &person.id, "randomize", &body).await?;
    let (number, kit): (i64, Option<KitRow>) = (drawn.number(), drawn.kit().cloned());
    let allocation = drawn.commit(tx, page, shelved, rules, means, subject.id).await?;
    let request = RandomizationRow {
        study_id: shelved.id,
        allocation_number: number,
        person: person.id.clone(),
        answers: serde_json::to_string(&form.canonical()).expect("a map of texts is JSON"),
        typed: serde_json::to_string(&form.typed).expect("a map of texts is JSON"),
        inbox_id: Some(arrival.inbox_id),
        audit_digest,
    };
    randomization::insert(tx, &request).await?;
    let mut outgoing = Vec::new();
    if let (Some(at_hand), Some(kit)) = (at_hand, &kit) {
        outgoing.extend(at_hand.tell_without(tx, shelved, means, kit).await?);
    }
    let mut enrolled = enrolled.clone();
    enrolled.further.push(Further { allocation, request, kit: kit.map(|kit| kit.code) });
    let further = enrolled.further.last().expect("put there just now");
    let facts = compose::randomized(shelved, means, &enrolled, further, Telling::First, Some(form), asking.language)?;
    // Never held back by a budget: whoever randomized is always told.
    outgoing.insert(0, compose::compose(shelved, means, about(asking, &enrolled), facts)?);
    outgoing.extend(compose::randomization_notices(shelved, means, &enrolled, further)?);
    compose::post(&mut ledger.tx, Some(shelved.id), means, Some(arrival.inbox_id), &outgoing).await?;
    metrics::counter!("hagaki_randomizations_total", "study" => shelved.study.slug.clone()).increment(1);
    Ok(Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("register", "randomized") })
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
    let items: Vec<&String> = then.keys().chain(now.keys()).filter(|item| then.get(*item) != now.get(*item)).collect();
    if items.is_empty() {
        return tell(ledger, asking, case, further, "duplicate").await;
    }
    let body = json!({ "subject": enrolled.subject.number, "randomization": own.id, "inbox": asking.arrival.inbox_id,
                       "items": items.into_iter().collect::<std::collections::BTreeSet<&String>>() });
    let (tx, page) = ledger.lock(asking.shelved).await?;
    append(tx, page, asking.means, &asking.person.id, "conflict", &body).await?;
    let number = asking.study().subject_number(enrolled.subject.number);
    let at = further.allocation.allocated_at;
    let facts = RandomizationConflict::new(&asking.reader(), own, instrument, &number, at, &then, &now);
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
    let facts = Facts::StatusUnknown(StatusUnknown::new(asking.study(), Some(&wanted.subject)));
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
