//! Another allocation of a subject who is enrolled: what is known of it, what speaks against it, and its record; the same whether
//! somebody asks by mail ([`super::randomize`]) or gives the arm by hand ([`super::force`]).

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::json;

use super::compose::Outgoing;
use super::draw::{Given, Wanted, draw, missing_levels, no_levels};
use super::enroll::{self, Enrolled, Further, append};
use super::ledger::Page;
use super::shelf::ShelvedStudy;
use super::stock::AtHand;
use super::{Failure, Means, correction, course};
use crate::domain::allocation::{Full, Levels, Origin, SITE};
use crate::domain::answer::{self, Answer, Form, Line, Value};
use crate::domain::expression::Scope;
use crate::domain::instrument::Instrument;
use crate::domain::kept::KeptForm;
use crate::domain::level;
use crate::domain::study::{Blinding, ENROLLED_ON, Randomization, Study, arm_name, day_name};
use crate::domain::time::Instant;
use crate::letters::facts::Reason;
use crate::store::Tx;
use crate::store::fact::FactRow;
use crate::store::kit::KitRow;
use crate::store::randomization::{self, RandomizationRow};
use crate::store::study::State as StudyState;

/// One subject and what is asked for it.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) own: &'a Randomization,
    pub(super) instrument: &'a Instrument,
    pub(super) enrolled: &'a Enrolled,
    pub(super) form: &'a Form,
}

/// Who asks, and the arm if it is given by hand.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    /// Id of the person whose request it is.
    pub(super) person: &'a str,
    /// The mail that asked, if it was one.
    pub(super) inbox_id: Option<i64>,
    /// The arm that is given instead of drawn.
    pub(super) given: Option<&'a Given<'a>>,
}

/// The form of a randomization.
pub(super) fn form_of<'a>(study: &'a Study, own: &Randomization) -> Result<&'a Instrument, Failure> {
    study
        .find_instrument(&own.instrument)
        .ok_or_else(|| Failure::Contradiction(format!("the instrument {} is absent", own.instrument)))
}

/// When a further allocation was made, in the study's zone, as letters tell it: what was imported by the history, what was given by hand
/// by the day it was given, which nobody who is blinded is told.
pub(super) fn told_at(study: &Study, further: &Further) -> String {
    let hidden = further.by_hand() && study.blinding == Blinding::Blinded;
    match further.allocated.filter(|_| !hidden) {
        Some(allocated) => allocated.local(study.zone),
        None => further.allocation.allocated_at.local(study.zone),
    }
}

/// The items in which what is sent now differs from what was sent for an allocation; of one that was imported only what it needed is
/// on file.
pub(super) fn differing<'a>(
    further: &Further,
    then: &'a BTreeMap<String, String>,
    now: &'a BTreeMap<String, String>,
) -> BTreeSet<&'a String> {
    let imported = further.allocation.origin == Origin::Imported;
    let new = now.keys().filter(|item| !imported && !then.contains_key(*item));
    then.keys().chain(new).filter(|item| then.get(*item) != now.get(*item)).collect()
}

/// A form read once more from what was typed, or from canonical answers.
pub(super) fn read_again(
    study: &Study,
    instrument: &Instrument,
    values: BTreeMap<String, String>,
    day: NaiveDate,
) -> Form {
    let lines = values.into_iter().enumerate().map(|(at, (key, value))| Line { key, value, number: at + 1 });
    answer::read_form(study, instrument, &lines.collect::<Vec<Line>>(), day)
}

/// The registration as it is known by now: the answers that the audit chain holds, with what was corrected since. What was typed
/// stands outside of the chain, and decides nothing.
pub(super) fn registered(study: &Study, enrolled: &Enrolled) -> Result<Form, Failure> {
    let answers = correction::on_file(enrolled, None, i64::MAX)?;
    Ok(read_again(study, study.registration_instrument(), answers, enrolled.day(study.zone)))
}

/// The same, from canonical answers and facts.
pub(super) fn registered_as(
    study: &Study,
    mut answers: BTreeMap<String, String>,
    facts: &[FactRow],
    day: NaiveDate,
) -> Result<Form, Failure> {
    correction::correct(&mut answers, facts.iter(), None)?;
    Ok(read_again(study, study.registration_instrument(), answers, day))
}

/// What is known of a subject beside its forms: the arms given before, and the days they were given on.
fn known(study: &Study, enrolled: &Enrolled) -> BTreeMap<String, Answer> {
    let answer = |value: Value| Answer { typed: value.canonical(), value };
    let enrolled_on = answer(Value::Date(enrolled.day(study.zone)));
    let mut known = BTreeMap::from([(ENROLLED_ON.to_string(), enrolled_on)]);
    for given in enrolled.allocations() {
        known.insert(arm_name(&given.randomization), answer(Value::Choice(given.arm.clone())));
    }
    for own in &enrolled.further {
        known.insert(day_name(&own.allocation.randomization), answer(Value::Date(own.day(study.zone))));
    }
    known
}

/// The levels that a randomization looks at; those that the subject does not have are absent.
pub(super) fn levels_of(
    study: &Study,
    own: &Randomization,
    enrolled: &Enrolled,
    registration: &Form,
    form: &Form,
) -> Levels {
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

/// What a randomization needs when nothing speaks against it.
pub(super) struct Prepared {
    levels: Levels,
    pub(super) at_hand: Option<AtHand>,
}

/// Everything that speaks against randomizing this subject now, all reasons at once, none of which tells an arm to somebody
/// blinded; if nothing does, what is needed to go on. The condition is judged at `means.now`, kits as they are recorded.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn prepare(
    tx: &mut Tx,
    page: &Page,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    recorded_at: Instant,
    case: Case<'_>,
) -> Result<Result<Prepared, Vec<Reason>>, Failure> {
    let Case { own, enrolled, form, .. } = case;
    let study = &shelved.study;
    let site = enrolled.subject.site.as_str();
    let registration = registered(study, enrolled)?;
    let levels = levels_of(study, own, enrolled, &registration, form);
    match page.row.state {
        StudyState::Paused => return Ok(Err(vec![Reason::Paused])),
        StudyState::Closed => return Ok(Err(vec![Reason::Closed])),
        StudyState::Open => {}
    }
    let mut reasons: Vec<Reason> = Vec::new();
    reasons.extend(course::is_out_altogether(&enrolled.facts).map(Reason::SubjectOut));
    reasons.extend(unmet(study, means, case, &registration));
    let absent: Vec<&str> = own.scheme.needs().filter(|id| !levels.contains_key(*id)).collect();
    let before = study.allocations().find(|rules| absent.contains(&arm_name(rules.id).as_str()));
    match before {
        Some(rules) => reasons.push(Reason::Earlier(rules.id.to_string())),
        None => {
            let answered = |id: &str| registration.answers.contains_key(id) || form.answers.contains_key(id);
            let lacking = missing_levels(study, &own.scheme, &levels, &own.id, &answered);
            // What the condition lacks already is told once.
            let new: Vec<Reason> = lacking.into_iter().filter(|reason| !reasons.contains(reason)).collect();
            reasons.extend(new);
        }
    }
    if !reasons.is_empty() {
        return Ok(Err(reasons));
    }
    let state = page.state(&own.id)?;
    // A site's cap counts who was allocated by it: the subject counts where its level says, not where it was enrolled.
    let site_cap = levels.get(SITE).and_then(|site| own.site_caps.of(site));
    match state.find_full(&own.scheme, &own.caps, site_cap, &levels).map_err(no_levels)? {
        Some(Full::Arm) if study.blinding == Blinding::Open => reasons.push(Reason::RandomizationArmFull),
        Some(Full::Total | Full::Arm) => reasons.push(Reason::RandomizationFull),
        Some(Full::Site) => reasons.push(Reason::RandomizationSiteFull),
        Some(Full::List) if own.scheme.strata().is_empty() => reasons.push(Reason::RandomizationFull),
        Some(Full::Stratum | Full::List) => reasons.push(Reason::RandomizationStratumFull),
        None => {}
    }
    let mut at_hand = None;
    if study.hands_out_kits() && reasons.is_empty() {
        let counted = AtHand::count(tx, shelved, &own.arms, recorded_at, site).await?;
        if !counted.covers_open_arms(&own.scheme, &own.arms) {
            reasons.push(Reason::NoKits);
        }
        at_hand = Some(counted);
    }
    Ok(if reasons.is_empty() { Ok(Prepared { levels, at_hand }) } else { Err(reasons) })
}

/// The condition, if it does not hold, or cannot be told because the registration does not hold what it names.
fn unmet(study: &Study, means: Means<'_>, case: Case<'_>, registration: &Form) -> Vec<Reason> {
    let Case { own, instrument, enrolled, form } = case;
    let Some(condition) = &own.condition else { return Vec::new() };
    let items = study.registration_instrument().items.iter().chain(&instrument.items).map(|item| item.id.as_str());
    let names: Vec<String> = study.allocations().flat_map(|rules| [arm_name(rules.id), day_name(rules.id)]).collect();
    let today = means.now.day_in(study.zone);
    let known = known(study, enrolled);
    let scope = Scope::blank(items.chain(names.iter().map(String::as_str)), today)
        .with(&registration.answers)
        .with(&form.answers)
        .with(&known);
    match condition.rule.holds(&scope) {
        Ok(true) => Vec::new(),
        Ok(false) => vec![Reason::Condition(own.id.clone())],
        Err(_) => {
            let forms = study.forms_of(&own.id);
            let answered = |id: &str| registration.answers.contains_key(id) || form.answers.contains_key(id);
            let named = condition.rule.names().filter(|id| study.find_item(id).is_some() && !answered(id));
            let blank: BTreeSet<String> = named.flat_map(|id| level::wanting(&forms, id, &answered)).collect();
            let registered = |id: &String| study.registration_instrument().find(id).is_some();
            let (on_file, asked): (Vec<String>, Vec<String>) = blank.into_iter().partition(registered);
            match asked.is_empty() {
                // Where nothing is blank it cannot be told either, and nobody but the study's office can mend that.
                true => vec![Reason::DataMissing(on_file)],
                false if on_file.is_empty() => vec![Reason::AnswerNeeded(asked)],
                false => vec![Reason::DataMissing(on_file), Reason::AnswerNeeded(asked)],
            }
        }
    }
}

/// The draw, or the arm that is given, and everything it leaves but the letters to whoever asked. The subject with its new
/// allocation, and letters about the stock.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn record(
    tx: &mut Tx,
    page: &mut Page,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    case: Case<'_>,
    Prepared { levels, at_hand }: Prepared,
    asker: Asker<'_>,
) -> Result<(Enrolled, Vec<Outgoing>), Failure> {
    let Case { own, enrolled, form, instrument } = case;
    let rules = own.rules();
    let subject = &enrolled.subject;
    let wanted = Wanted { levels, site: &subject.site, at_hand: at_hand.as_ref(), given: asker.given };
    let drawn = draw(tx, page, shelved, rules, wanted).await?;
    let (canonical, which) = (form.canonical(), drawn.number().to_string());
    let columns = (shelved.id, randomization::COLUMNS, &*which);
    let kept = KeptForm::new(tx.ring(), columns, instrument, &canonical, &form.typed)?;
    let mut body = json!({
        "subject": subject.number,
        "randomization": own.id,
        "inbox": asker.inbox_id,
        "answers": kept.answers.value(),
        "bundle": shelved.version,
        "allocation": drawn.told(),
    });
    if let Some(given) = asker.given {
        // The entry's actor is whoever acted; whose request it is stands beside.
        body["person"] = json!(asker.person);
        body["allocation"]["forced"] = given.told.clone();
    }
    let actor = asker.given.map_or(asker.person, |given| given.actor);
    let audit_digest = append(tx, page, means, actor, "randomize", &body).await?;
    let (number, kit): (i64, Option<KitRow>) = (drawn.number(), drawn.kit().cloned());
    let allocation = drawn.commit(tx, page, shelved, rules, means, subject.id).await?;
    let request = RandomizationRow {
        study_id: shelved.id,
        allocation_number: number,
        person: asker.person.to_string(),
        answers: serde_json::to_string(&canonical).expect("a map of texts is JSON"),
        typed: serde_json::to_string(&form.typed).expect("a map of texts is JSON"),
        inbox_id: asker.inbox_id,
        audit_digest,
    };
    randomization::insert(tx, &request, &kept).await?;
    let mut outgoing = Vec::new();
    if let (Some(at_hand), Some(kit)) = (at_hand, &kit) {
        outgoing.extend(at_hand.tell_without(tx, shelved, means, kit).await?);
    }
    let mut enrolled = enrolled.clone();
    enrolled.further.push(Further { allocation, request, kit: kit.map(|kit| kit.code), allocated: None });
    metrics::counter!("hagaki_randomizations_total", "study" => shelved.study.slug.clone()).increment(1);
    Ok((enrolled, outgoing))
}
