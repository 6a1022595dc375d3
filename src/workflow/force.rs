//! An arm given by hand: the daemon could not be reached and the site opened an envelope, or the sponsor decided.
//!
//! In charge of who may, how often, and for whose subject; everything else is an enrollment like any other, with the same
//! checks, letters and notices, so that nobody who is blinded can tell it from one. The study's lock makes the limit exact. At a
//! further allocation it is likewise one like any other, of a subject who is there.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::accept;
use super::again::{self, Asker, Case};
use super::command::{self, CommandError, Refusal};
use super::compose::{self, Addressing, Telling};
use super::enroll::{self, Application, Confirmed, Enrolled, Given, Place};
use super::ledger::Ledger;
use super::shelf::{Shelf, ShelvedStudy};
use super::stock::AtHand;
use super::when::When;
use super::{Failure, Means, binding, obstacles, reference, rescreen};
use crate::domain::answer::Form;
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::study::{Blinding, FIRST, Person, Rules, Study};
use crate::domain::text;
use crate::domain::time::Instant;
use crate::letters::facts::Reason;
use crate::letters::said::Said;
use crate::limits;
use crate::store::kit::KitRow;
use crate::store::study::StudyRow;
use crate::store::{Tx, allocation, kit, subject};

/// What is to be given, by whom, to whom.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The operator.
    pub actor: &'a str,
    /// Id of the person who decided it.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Code of the arm.
    pub arm: &'a str,
    /// Code of the kit that was handed out already, in a blinded study; else the next one is.
    pub kit: Option<&'a str>,
    /// Id of the person whose subject it is; whoever alone enrolls at the site if left out.
    pub enrolled_by: Option<&'a str>,
    /// When it happened.
    pub happened_at: Instant,
    /// The registration, or the form of the further allocation.
    pub form: &'a Form,
    /// Whether unusual answers are right.
    pub sure: bool,
}

/// Which further allocation of whom.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// Id of the allocation.
    pub randomization: &'a str,
    /// Number of the subject, or its reference where that tells it.
    pub subject: &'a str,
}

/// A subject with an arm given by hand.
#[derive(Clone, Debug)]
pub struct Forced {
    /// The subject with its allocation.
    pub enrolled: Enrolled,
    /// How many arms of that allocation were given by hand, this one among them.
    pub used: i64,
}

/// Enrolls a subject with an arm given by hand; the letters go out as after any enrollment.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn force(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
) -> Result<Forced, CommandError> {
    let study = &shelved.study;
    let rules = study.find_rules(FIRST).ok_or_else(|| Refusal::NeverForced(study.slug.clone()))?;
    let told = check_order(study, rules, &order, means.now)?;
    check_form(study, study.registration_instrument(), &order)?;
    let site = enroll::site_of(study, order.form).ok_or(Refusal::Incomplete("the form names no site"))?;
    let person = whose(study, &site, order.enrolled_by)?;
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    check_began(study, &page.row, &order)?;
    let used = used(tx, shelved, rules).await?;
    let key = reference::reference_key(study, &site, order.form)
        .ok_or_else(|| Failure::Contradiction("a form without faults names no subject".to_string()))?;
    let mut apart = None;
    let (key, again) = match rescreen::judge(tx, shelved.id, study, person, order.form).await? {
        Err(reason) => return Err(Refusal::NotEnrolled(in_words(study, &[reason])).into()),
        Ok(None) => match subject::find_by_reference(&mut *tx, shelved.id, &key).await? {
            None => {
                let earlier = binding::find_earlier(&mut *tx, shelved.id, &key).await?;
                if let Some(earlier) = earlier.as_ref().filter(|_| !order.sure) {
                    let of = earlier.subjects.iter().map(|subject| study.subject_number(subject.number));
                    let of = of.collect::<Vec<String>>().join(", ");
                    return Err(Refusal::Unusual(in_words(study, &[Reason::EarlierReference(of)])).into());
                }
                apart = earlier.map(|earlier| earlier.fact);
                (key, None)
            }
            Some(known) => return Err(Refusal::EnrolledBefore(study.subject_number(known.number)).into()),
        },
        Ok(Some(again)) => {
            let known = again.done.clone();
            match (known, again.key(tx, shelved.id, &key).await?) {
                (None, Ok(key)) => {
                    if let Some(earlier) = binding::find_earlier(&mut *tx, shelved.id, &key).await? {
                        let of = earlier.subjects.iter().map(|subject| study.subject_number(subject.number));
                        let of = of.collect::<Vec<String>>().join(", ");
                        return Err(Refusal::NotEnrolled(in_words(study, &[Reason::EarlierReference(of)])).into());
                    }
                    (key, Some(again.of))
                }
                (None, Err(_)) => {
                    let earlier = study.subject_number(again.of.number);
                    let taken = in_words(study, &[Reason::RescreeningTaken(earlier)]);
                    return Err(Refusal::NotEnrolled(taken).into());
                }
                (Some(known), _) => {
                    return Err(Refusal::EnrolledBefore(study.subject_number(known.number)).into());
                }
            }
        }
    };
    // What had to hold then is judged by the day on which it happened.
    let then = Means { now: order.happened_at, ..means };
    let at_hand = match obstacles::refusals(tx, page, shelved, then, means.now, &site, order.form).await? {
        Ok(at_hand) => at_hand,
        Err(reasons) => return Err(Refusal::NotEnrolled(in_words(study, &reasons)).into()),
    };
    let kit = kit_of(tx, shelved, &order, at_hand.as_ref(), &site).await?;
    let given = Given { arm: order.arm, kit, actor: order.actor, told };
    let application = Application { person, form: order.form, confirmed: Confirmed::ByReply, participant: None };
    let place = Place { site, key, at_hand, given: Some(given), again, apart };
    let enrolled = enroll::record(tx, page, shelved, means, None, application, place).await?;
    let enrolled = Enrolled { allocated: Some(When::Moment(order.happened_at)), ..enrolled };
    let language = study.language_of(person);
    let facts = compose::assignment(shelved, means, &enrolled, Telling::First, None, language)?;
    let to = Addressing {
        site: Some(&enrolled.subject.site),
        subject_id: Some(enrolled.subject.id),
        ..Addressing::unasked(study, person)
    };
    let mut drafts = vec![compose::draft(shelved, means, to, facts)?];
    drafts.extend(super::notices::notices(shelved, means, &enrolled)?);
    let outgoing = drafts.iter().map(compose::Draft::write).collect::<Result<Vec<_>, _>>()?;
    compose::post(&mut ledger.tx, Some(shelved.id), means, None, &outgoing).await?;
    ledger.commit().await?;
    metrics::counter!("hagaki_enrollments_total", "study" => study.slug.clone()).increment(1);
    Ok(Forced { enrolled, used: used + 1 })
}

/// Gives a subject who is enrolled an arm of a further allocation by hand; the letters go out as after any other.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn force_again(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    again: Again<'_>,
    order: Order<'_>,
) -> Result<Forced, CommandError> {
    let study = &shelved.study;
    let known = || study.randomizations.iter().map(|own| own.id.as_str()).collect::<Vec<&str>>().join(", ");
    let own = study
        .find_randomization(again.randomization)
        .ok_or_else(|| Refusal::NoRandomization(again.randomization.to_string(), known()))?;
    let rules = own.rules();
    let told = check_order(study, rules, &order, means.now)?;
    check_form(study, again::form_of(study, own)?, &order)?;
    let found = command::find_subject(shelf.store(), study, shelved.id, again.subject).await?;
    let mut ledger = Ledger::begin(shelf).await?;
    ledger.lock(shelved).await?;
    let enrolled = accept::load(&mut ledger, found.id).await?;
    let number = study.subject_number(found.number);
    if enrolled.find_further(&own.id).is_some() {
        return Err(Refusal::AllocatedBefore(number, own.id.clone()).into());
    }
    let enrolled_at = enrolled.day(study.zone);
    if order.happened_at.day_in(study.zone) < enrolled_at {
        let before = "--at lies before the day on which the subject was enrolled: write when the arm was given";
        return Err(Refusal::Incomplete(before).into());
    }
    let site = found.site.as_str();
    let own_person = study.people.iter().any(|person| person.id == found.person).then_some(found.person.as_str());
    let person = whose(study, site, order.enrolled_by.or(own_person))?;
    let (tx, page) = ledger.lock(shelved).await?;
    check_began(study, &page.row, &order)?;
    let used = used(tx, shelved, rules).await?;
    let case = Case { own, instrument: again::form_of(study, own)?, enrolled: &enrolled, form: order.form };
    // What had to hold then is judged by the day on which it happened.
    let then = Means { now: order.happened_at, ..means };
    let prepared = match again::prepare(tx, page, shelved, then, means.now, case).await? {
        Ok(prepared) => prepared,
        Err(reasons) => return Err(Refusal::NotAgain(number, in_words(study, &reasons)).into()),
    };
    let kit = kit_of(tx, shelved, &order, prepared.at_hand.as_ref(), site).await?;
    let given = Given { arm: order.arm, kit, actor: order.actor, told };
    let asker = Asker { person: &person.id, inbox_id: None, given: Some(&given) };
    let (mut enrolled, mut outgoing) = again::record(tx, page, shelved, means, case, prepared, asker).await?;
    if let Some(further) = enrolled.further.last_mut() {
        further.allocated = Some(When::Moment(order.happened_at));
    }
    let further = enrolled.find_further(&own.id).expect("put there just now");
    let language = study.language_of(person);
    let facts = compose::randomized(shelved, means, &enrolled, further, Telling::First, None, language)?;
    let to = Addressing { site: Some(site), subject_id: Some(found.id), ..Addressing::unasked(study, person) };
    outgoing.insert(0, compose::compose(shelved, means, to, facts)?);
    outgoing.extend(compose::randomization_notices(shelved, means, &enrolled, further)?);
    compose::post(&mut ledger.tx, Some(shelved.id), means, None, &outgoing).await?;
    ledger.commit().await?;
    Ok(Forced { enrolled, used: used + 1 })
}

/// Whether the order may be carried out by those rules, whatever its form; what records tell of it.
fn check_order(study: &Study, rules: Rules<'_>, order: &Order<'_>, now: Instant) -> Result<Value, Refusal> {
    let reason = text::clean(order.reason, limits::DEED_REASON_CHARS);
    if reason.is_empty() {
        return Err(Refusal::NoReason);
    }
    let by = find_person(study, order.by)?;
    if rules.forcing.limit == 0 {
        return Err(Refusal::NeverForced(study.slug.clone()));
    }
    if !rules.forcing.allows(study.blinding, by) {
        return Err(Refusal::MayNotForce(by.id.clone()));
    }
    check_arm(rules, order.arm)?;
    if order.happened_at > now {
        return Err(Refusal::Incomplete("--at lies in the future: write when the arm was given"));
    }
    Ok(json!({ "by": by.id, "reason": reason, "at": order.happened_at.utc() }))
}

/// Nobody was given an arm of a study before the day on which it was activated here.
fn check_began(study: &Study, row: &StudyRow, order: &Order<'_>) -> Result<(), Refusal> {
    if order.happened_at.day_in(study.zone) < row.activated_at.day_in(study.zone) {
        let early = "--at lies before the day on which the study was activated: write when the arm was given";
        return Err(Refusal::Incomplete(early));
    }
    Ok(())
}

/// How many arms of an allocation were given by hand, if one more may be.
async fn used(tx: &mut Tx, shelved: &ShelvedStudy, rules: Rules<'_>) -> Result<i64, CommandError> {
    let used = allocation::count_forced(&mut *tx, shelved.id, rules.id).await?;
    if used >= i64::from(rules.forcing.limit) {
        return Err(Refusal::ForcedLimit(rules.forcing.limit).into());
    }
    Ok(used)
}

/// The kit that was handed out already, if it can have been.
async fn kit_of(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    order: &Order<'_>,
    at_hand: Option<&AtHand>,
    site: &str,
) -> Result<Option<KitRow>, CommandError> {
    match (order.kit, at_hand) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(Refusal::Incomplete("--kit: the study hands out no kits").into()),
        (Some(code), Some(at_hand)) => {
            let found = kit::find_by_code(&mut *tx, shelved.id, code).await?;
            let fits = found.filter(|kit| kit.arm == order.arm && at_hand.holds(kit, site));
            Ok(Some(fits.ok_or_else(|| Refusal::KitNotThere(code.to_string(), site.to_string()))?))
        }
    }
}

fn find_person<'a>(study: &'a Study, id: &str) -> Result<&'a Person, Refusal> {
    let found = study.people.iter().find(|person| person.id == id);
    found.ok_or_else(|| Refusal::Person(study.slug.clone(), id.to_string()))
}

fn check_arm(rules: Rules<'_>, arm: &str) -> Result<(), Refusal> {
    if rules.scheme.is_open(arm) {
        return Ok(());
    }
    let open = rules.scheme.arms().iter().filter(|arm| !arm.closed).map(|arm| arm.code.as_str());
    Err(Refusal::NoArm(arm.to_string(), open.collect::<Vec<&str>>().join(", ")))
}

/// Whether there is nothing to mend in a form.
fn check_form(study: &Study, instrument: &Instrument, order: &Order<'_>) -> Result<(), Refusal> {
    let form = order.form;
    let said = Said::new(study, Language::En, order.happened_at.day_in(study.zone));
    if !form.faults.is_empty() {
        let lines = form.faults.iter().map(|fault| said.fault(instrument, fault));
        return Err(Refusal::Form(lines.collect::<Vec<String>>().join("\n")));
    }
    if !form.doubts.is_empty() && !order.sure {
        let lines = form.doubts.iter().map(|fault| said.doubt(instrument, fault));
        return Err(Refusal::Unusual(lines.collect::<Vec<String>>().join("\n")));
    }
    Ok(())
}

/// Whose subject it is: the person named, or the only investigator of the site.
fn whose<'a>(study: &'a Study, site: &str, named: Option<&str>) -> Result<&'a Person, Refusal> {
    let enrolls = |person: &&Person| person.roles.iter().any(|role| role.enrolls()) && person.acts_for(site);
    if let Some(id) = named {
        let person = find_person(study, id)?;
        return if enrolls(&person) {
            Ok(person)
        } else {
            Err(Refusal::NotOfTheSite(person.id.clone(), site.to_string()))
        };
    }
    // Whoever acts for every site is of none in particular.
    let own: Vec<&Person> = study
        .people
        .iter()
        .filter(|person| enrolls(person) && (!person.sites.is_empty() || study.sites.len() == 1))
        .collect();
    match own.as_slice() {
        [only] => Ok(only),
        several => {
            let ids: Vec<&str> = several.iter().map(|person| person.id.as_str()).collect();
            Err(Refusal::WhoseSubject(site.to_string(), ids.join(", ")))
        }
    }
}

/// Reasons for a terminal, one line each.
fn in_words(study: &Study, reasons: &[Reason]) -> String {
    let said = Said::new(study, Language::En, NaiveDate::default());
    let line = |reason: &Reason| match reason {
        Reason::NotEligible(ids) => format!("not eligible ({}): {}", ids.join(", "), said.reason(reason)),
        Reason::CohortFull(ids) => format!("full cohorts: {}", ids.join(", ")),
        Reason::StudyFull if study.blinding == Blinding::Blinded => {
            "the study is full (an arm that is full closes it to everybody)".to_string()
        }
        Reason::StudyFull => "the study is full".to_string(),
        Reason::ArmFull => "an arm is full, which closes the study to everybody".to_string(),
        Reason::SiteFull => "the site is full".to_string(),
        Reason::StratumFull => "the stratum is full".to_string(),
        Reason::Paused => format!("enrollment is paused; `hagaki study resume {}` opens it again", study.slug),
        Reason::EnrollmentEnded => {
            format!("enrollment has ended; `hagaki study reopen-enrollment {}` takes that back", study.slug)
        }
        Reason::Closed => "the study is closed".to_string(),
        Reason::NoKits => "kits of some arm are out at the site; `hagaki kit list` shows what is there".to_string(),
        Reason::SiteNotOpen(day) => format!("the site enrolls from {day} on"),
        Reason::SiteClosed(day) => format!("the site enrolled until {day}"),
        Reason::RescreeningNever => {
            "the study screens nobody again: [registration] rescreening in study.toml".to_string()
        }
        Reason::RescreeningUnknown(typed) => format!("there is no subject {typed} at that person's sites"),
        Reason::RescreeningNoFact(subject, kinds) => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.key()).collect();
            format!("nothing of this is recorded of {subject}: {}; `hagaki subject note` records it", kinds.join(", "))
        }
        Reason::RescreeningTaken(subject) => format!("the reference is that of another person than {subject}"),
        Reason::EarlierReference(subject) => {
            format!("the reference was that of {subject} until it was corrected: it is that subject, or another one")
        }
        Reason::RescreeningSpent(subject) => format!("{subject} was screened as often as may be"),
        Reason::Condition(id) => {
            format!(
                "the condition of the allocation {id} does not hold (`when` in study.toml): {}",
                said.reason(reason)
            )
        }
        Reason::Earlier(id) => {
            format!("it looks at the arm of the allocation {id}, which the subject does not have yet")
        }
        Reason::DataMissing(ids) => format!("what it looks at is absent from the registration: {}", ids.join(", ")),
        Reason::AnswerNeeded(ids) => format!("the allocation needs an answer that is blank: {}", ids.join(", ")),
        Reason::NoLevel(ids) => {
            let file = "a level that these answers give is none that the allocation's file knows, or is blank";
            format!("{file}: {}", ids.join(", "))
        }
        Reason::SubjectOut(kind) => format!("of the subject is recorded: {}", kind.key()),
        Reason::RandomizationArmFull => "an arm is full, which closes the allocation to everybody".to_string(),
        Reason::RandomizationFull => {
            "the allocation is full (an arm that is full closes it to everybody, and a list may be used up)".to_string()
        }
        Reason::RandomizationSiteFull => "the allocation is full at the site".to_string(),
        Reason::RandomizationStratumFull => "the stratum is full".to_string(),
        other => said.reason(other),
    };
    reasons.iter().map(line).collect::<Vec<String>>().join("\n")
}
