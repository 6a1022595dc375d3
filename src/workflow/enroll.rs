//! Enrolling a subject: duplicates, eligibility, caps, kits, the allocation, and the facts they leave.
//!
//! The order matters. What was enrolled before is answered before anything can refuse it; every refusal comes before
//! the draw, so that a refused mail consumes none (promise 5); arm-dependent shortages close the study for everybody,
//! so that no refusal tells an arm (promise 6).

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::json;

pub use super::binding::Earlier;
pub(super) use super::draw::Given;
use super::draw::{Drawn, Wanted, draw};
pub use super::entry::{append, record_digest};
use super::ledger::{Ledger, Page};
use super::obstacles::{refusals, unentitled};
pub use super::reference::{find_known, key_of, key_of_form, possible_keys, site_of};
use super::reference::{participant_key, reference_key};
use super::shelf::ShelvedStudy;
use super::stock::AtHand;
use super::when::When;
use super::{Arrival, Failure, Means, binding, cohorts, compose, correction, rescreen, schedule};
use crate::domain::allocation::{Levels, Origin, SITE, Scheme};
use crate::domain::answer::Form;
use crate::domain::cohort;
use crate::domain::kept::{KeptForm, KeptReference};
use crate::domain::study::{FIRST, Person, Stage, Study};
use crate::domain::time::Zone;
use crate::letters::facts::{Links, Reason};
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;
use crate::store::participant::ParticipantRow;
use crate::store::randomization::RandomizationRow;
use crate::store::subject::{NewSubject, SubjectRow};
use crate::store::{Reader, Tx, allocation, fact, kit, randomization, subject};

/// What speaks against an enrollment, as keys: `faults` with the faulty items, then the reasons.
pub fn refusal_keys(reasons: &[Reason], form: &Form) -> Vec<String> {
    let faults = form.faults.iter().map(|fault| format!("{}:{}", fault.code.key(), fault.item));
    let others = reasons.iter().map(|reason| match reason {
        Reason::NotEligible(ids)
        | Reason::CohortFull(ids)
        | Reason::DataMissing(ids)
        | Reason::AnswerNeeded(ids)
        | Reason::NoLevel(ids) => {
            format!("{}:{}", reason.key(), ids.join(","))
        }
        other => other.key().to_string(),
    });
    faults.chain(others).collect()
}

/// Whether the sender has been asked already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// First mail: ask where the study or a doubtful answer demands it.
    NotYet,
    /// By the reply to our one-time token.
    ByReply,
    /// Likewise, to the question whether this is another subject than those whose reference it was before: known up to the correction
    /// of that number.
    Apart(i64),
    /// By a reply to a token that was used before: what was done then is told again, and nothing is begun.
    Spent,
}

/// What came of an enrollment.
#[derive(Clone, Debug)]
pub enum Enrollment {
    /// Enrolled now.
    Enrolled(Box<Enrolled>),
    /// The same subject with the same data was enrolled before.
    Duplicate(Box<Enrolled>),
    /// The subject was enrolled before with other data; nothing was changed.
    Conflict {
        /// The subject on file.
        subject: Box<SubjectRow>,
        /// What is on file of it, as corrected since.
        registered: BTreeMap<String, String>,
        /// Ids of the items that differ.
        items: Vec<String>,
    },
    /// Nothing recorded; the sender must confirm first, and that it is another subject where the reference was another one's before.
    ToConfirm(Option<Earlier>),
    /// Refused, for the faults of the form or for these reasons; nothing recorded but the refusal.
    Refused(Vec<Reason>),
}

/// A subject on file with its allocation.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// The subject.
    pub subject: SubjectRow,
    /// Its allocation, in a study that randomizes: the one that came with enrolling.
    pub allocation: Option<AllocationRow>,
    /// Its further allocations, in order.
    pub further: Vec<Further>,
    /// Code of the kit it was given last, in a blinded study: not that of the allocation, if that was replaced.
    pub kit: Option<String>,
    /// Digest of the audit entry that recorded it, in lower-case hexadecimal.
    pub digest: String,
    /// What became known of it since; only where it was looked up.
    pub facts: Vec<FactRow>,
    /// The person's other screenings.
    pub links: Links,
    /// When the allocation was made, where it was recorded later: elsewhere, or by hand.
    pub allocated: Option<When>,
}

/// A further allocation of a subject.
#[derive(Clone, Debug)]
pub struct Further {
    /// The allocation.
    pub allocation: AllocationRow,
    /// What was sent for it.
    pub request: RandomizationRow,
    /// Code of the kit it was given last, in a blinded study.
    pub kit: Option<String>,
    /// When it was made, where it was recorded later: by hand.
    pub allocated: Option<When>,
}

impl Further {
    /// The day on which it was made, which its answers and the rules of the subject's course go by.
    pub fn day(&self, zone: Zone) -> NaiveDate {
        self.allocated.map_or_else(|| self.allocation.allocated_at.day_in(zone), |allocated| allocated.day(zone))
    }

    /// What was sent: canonical answers by item id.
    ///
    /// # Errors
    /// Answers that cannot have been written by this program.
    pub fn answers(&self) -> Result<BTreeMap<String, String>, Failure> {
        let number = self.allocation.number;
        serde_json::from_str(&self.request.answers)
            .map_err(|error| Failure::Contradiction(format!("answers of allocation {number}: {error}")))
    }

    /// Whether its arm was given by hand.
    pub fn by_hand(&self) -> bool {
        self.allocation.origin == Origin::Forced
    }

    /// Digest of the entry that recorded it, in lower-case hexadecimal.
    pub fn digest(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.request.audit_digest)
    }
}

impl Enrolled {
    /// A subject enrolled just now.
    pub fn new(subject: SubjectRow, allocation: Option<AllocationRow>) -> Enrolled {
        let digest = data_encoding::HEXLOWER.encode(&subject.audit_digest);
        let kit = allocation.as_ref().and_then(|allocation| allocation.kit.clone());
        Enrolled {
            subject,
            allocation,
            further: Vec::new(),
            kit,
            digest,
            facts: Vec::new(),
            links: Links::default(),
            allocated: None,
        }
    }

    /// A subject as stored.
    ///
    /// # Errors
    /// The database.
    pub async fn load(tx: &mut Tx, subject: SubjectRow) -> Result<Enrolled, Failure> {
        let given = allocation::list_by_subject(&mut *tx, subject.id).await?;
        let (first, others): (Vec<_>, Vec<_>) = given.into_iter().partition(|given| given.randomization == FIRST);
        let links = rescreen::links(tx, &subject).await?;
        let mut enrolled = Enrolled { links, ..Enrolled::new(subject, first.into_iter().next()) };
        if let Some(given) = &enrolled.allocation {
            enrolled.kit = last_kit(tx, given).await?;
            enrolled.allocated = allocated(&mut *tx, given).await?;
        }
        for allocation in others {
            let request = randomization::find(&mut *tx, allocation.study_id, allocation.number).await?;
            let absent = || Failure::Contradiction(format!("allocation {}: its request is absent", allocation.number));
            let (request, kit) = (request.ok_or_else(absent)?, last_kit(tx, &allocation).await?);
            let allocated = allocated(&mut *tx, &allocation).await?;
            enrolled.further.push(Further { allocation, request, kit, allocated });
        }
        Ok(enrolled)
    }

    /// The day on which it was enrolled and allocated, which its answers and the rules of its course go by.
    pub fn day(&self, zone: Zone) -> NaiveDate {
        self.allocated.map_or_else(|| self.subject.enrolled_at.day_in(zone), |allocated| allocated.day(zone))
    }

    /// Its allocations, in order.
    pub fn allocations(&self) -> impl Iterator<Item = &AllocationRow> {
        self.allocation.iter().chain(self.further.iter().map(|further| &further.allocation))
    }

    /// Its further allocation of that id.
    pub fn find_further(&self, id: &str) -> Option<&Further> {
        self.further.iter().find(|further| further.allocation.randomization == id)
    }

    /// Its canonical answers by item id.
    ///
    /// # Errors
    /// Answers that cannot have been written by this program.
    pub fn answers(&self) -> Result<BTreeMap<String, String>, Failure> {
        stored_answers(&self.subject)
    }
}

/// When an allocation was made that was recorded later; none of one that was drawn here, or whose time is not known.
///
/// # Errors
/// The database.
pub async fn allocated<'a>(from: impl Into<Reader<'a>>, given: &AllocationRow) -> Result<Option<When>, Failure> {
    if given.origin == Origin::Drawn {
        return Ok(None);
    }
    Ok(When::of_record(&allocation::load_record(from, given.study_id, given.number).await?))
}

/// Code of the kit that an allocation's subject was given last.
async fn last_kit(tx: &mut Tx, given: &AllocationRow) -> Result<Option<String>, Failure> {
    if given.kit.is_none() {
        return Ok(None);
    }
    let kits = kit::list_of_allocation(tx, given.study_id, given.number).await?;
    Ok(kits.into_iter().next_back().map(|kit| kit.code).or_else(|| given.kit.clone()))
}

/// A subject's canonical answers by item id.
///
/// # Errors
/// Answers that cannot have been written by this program.
pub fn stored_answers(subject: &SubjectRow) -> Result<BTreeMap<String, String>, Failure> {
    serde_json::from_str(&subject.answers)
        .map_err(|error| Failure::Contradiction(format!("answers of subject {}: {error}", subject.id)))
}

/// One person's application to enroll one subject.
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    /// Who asks.
    pub person: &'a Person,
    /// The form as read.
    pub form: &'a Form,
    /// Whether they were asked already.
    pub confirmed: Confirmed,
    /// The participant, where somebody enrolls themself.
    pub participant: Option<&'a ParticipantRow>,
}

/// Which way an application came.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// The mail that brought it; none from a page.
    pub inbox_id: Option<i64>,
    /// The site for which whoever sent it was vouched for: by a token, or by signing in.
    pub vouched: Option<&'a str>,
}

impl<'a> From<Arrival<'a>> for Way<'a> {
    fn from(arrival: Arrival<'a>) -> Way<'a> {
        Way { inbox_id: Some(arrival.inbox_id), vouched: arrival.site_token }
    }
}

/// Decides one application and records what came of it.
///
/// # Errors
/// The database, or records that contradict each other.
pub async fn enroll(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    way: Way<'_>,
    application: Application<'_>,
) -> Result<Enrollment, Failure> {
    let (tx, page) = ledger.lock(shelved).await?;
    let enrollment = decide(tx, page, shelved, means, way, application).await?;
    let actor = &application.person.id;
    match &enrollment {
        Enrollment::Conflict { subject, items, .. } => {
            let body = json!({ "subject": subject.number, "inbox": way.inbox_id, "items": items });
            append(tx, page, means, actor, "conflict", &body).await?;
        }
        Enrollment::Refused(reasons) => {
            let site = site_of(&shelved.study, application.form);
            // Beside a participant's number a criterion, a cohort or an item would tell of their health in plain words, for good.
            let body = match application.participant {
                Some(participant) => {
                    let kinds: BTreeSet<&str> = reasons.iter().map(Reason::key).collect();
                    json!({ "inbox": way.inbox_id, "reasons": kinds, "site": site, "participant": participant.number })
                }
                None => {
                    json!({ "inbox": way.inbox_id, "reasons": refusal_keys(reasons, application.form), "site": site })
                }
            };
            append(tx, page, means, actor, "refuse", &body).await?;
        }
        Enrollment::Enrolled(_) | Enrollment::Duplicate(_) | Enrollment::ToConfirm(_) => {}
    }
    Ok(enrollment)
}

async fn decide(
    tx: &mut Tx,
    page: &mut Page,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    way: Way<'_>,
    application: Application<'_>,
) -> Result<Enrollment, Failure> {
    let Application { person, form, confirmed, participant } = application;
    let study = &shelved.study;
    // Whoever is of the staff learns it before they mend a form in vain.
    if study.enrolls_itself() && participant.is_none() {
        return Ok(Enrollment::Refused(vec![Reason::EnrollsItself]));
    }
    if !form.faults.is_empty() {
        return Ok(Enrollment::Refused(Vec::new()));
    }
    let site = site_of(study, form)
        .ok_or_else(|| Failure::Contradiction("a form without faults names no site".to_string()))?;
    let key = match participant {
        Some(participant) => Some(participant_key(participant.number)),
        None => match unentitled(study, person, &site, way) {
            Some(reason) => return Ok(Enrollment::Refused(vec![reason])),
            None => reference_key(study, &site, form),
        },
    };
    let key = key.ok_or_else(|| Failure::Contradiction("a form without faults names no subject".to_string()))?;
    let mut earlier = None;
    let (key, again) = match Box::pin(rescreen::judge(tx, shelved.id, study, person, form)).await? {
        Err(reason) => return Ok(Enrollment::Refused(vec![reason])),
        Ok(None) => {
            if !page.take_unknown(&key) {
                if let Some(known) = subject::find_by_reference(&mut *tx, shelved.id, &key).await? {
                    return Box::pin(compare_all(tx, known, form)).await;
                }
                earlier = Box::pin(earlier_of(tx, page, &key)).await?;
            }
            (key, None)
        }
        Ok(Some(again)) => {
            if let Some(done) = again.done {
                return compare(tx, done, form).await;
            }
            let earlier = || study.subject_number(again.of.number);
            let Ok(key) = again.key(tx, shelved.id, &key).await? else {
                return Ok(Enrollment::Refused(vec![Reason::RescreeningTaken(earlier())]));
            };
            // Who names the subject names the person; what the reference should be they must look up.
            if let Some(before) = Box::pin(earlier_of(tx, page, &key)).await? {
                let of = before.numbers(study, person).join(", ");
                return Ok(Enrollment::Refused(vec![Reason::EarlierReference(of)]));
            }
            if page.row.stage == Stage::Production && rescreen::waits(tx, shelved.id, study, &again.of).await? {
                return Ok(Enrollment::Refused(vec![Reason::RescreeningWaits(earlier())]));
            }
            (key, Some(again.of))
        }
    };
    let at_hand = match refusals(tx, page, shelved, means, means.now, &site, form).await? {
        Ok(at_hand) => at_hand,
        Err(reasons) => return Ok(Enrollment::Refused(reasons)),
    };
    let asked =
        earlier.as_ref().is_none_or(|earlier| matches!(confirmed, Confirmed::Apart(fact) if fact >= earlier.fact));
    if !asked || confirmed == Confirmed::NotYet && (study.trust.confirm || !form.doubts.is_empty()) {
        return Ok(Enrollment::ToConfirm(earlier));
    }
    let apart = earlier.map(|earlier| earlier.fact);
    let place = Place { site, key, at_hand, given: None, again, apart };
    let recording = record(tx, page, shelved, means, way.inbox_id, application, place);
    let enrolled = Box::pin(recording).await?;
    Ok(Enrollment::Enrolled(Box::new(enrolled)))
}

/// The subjects whose reference a new one's was until it was corrected: it may be that of one of them all the same.
async fn earlier_of(tx: &mut Tx, page: &Page, key: &str) -> Result<Option<Earlier>, Failure> {
    match page.row.facts {
        0 => Ok(None),
        _ => binding::find_earlier(tx, page.row.id, key).await,
    }
}

/// As [`compare`], where the person may have been screened several times: a copy of any registration is known as what it is;
/// other data conflict with the latest.
async fn compare_all(tx: &mut Tx, known: SubjectRow, form: &Form) -> Result<Enrollment, Failure> {
    let latest = rescreen::latest(tx, known.clone()).await?;
    let of_latest = compare(tx, latest.clone(), form).await?;
    if latest.id == known.id || matches!(of_latest, Enrollment::Duplicate(_)) {
        return Ok(of_latest);
    }
    match compare(tx, known, form).await? {
        duplicate @ Enrollment::Duplicate(_) => Ok(duplicate),
        _ => Ok(of_latest),
    }
}

/// The same subject again: with the same data, as they were at first or as corrected since, it is a duplicate, with other data a
/// conflict.
async fn compare(tx: &mut Tx, known: SubjectRow, form: &Form) -> Result<Enrollment, Failure> {
    let now: BTreeMap<String, String> = form.canonical();
    let mut then = stored_answers(&known)?;
    let facts = fact::list_by_subject(&mut *tx, known.id).await?;
    let enrolled = Enrolled::load(tx, known).await?;
    // Of a subject whose allocation was imported only what the allocation needed is on file.
    let imported = enrolled.allocation.as_ref().is_some_and(|given| given.origin == Origin::Imported);
    let differing = |then: &BTreeMap<String, String>| -> Vec<String> {
        then.keys()
            .chain(now.keys().filter(|item| !imported && !then.contains_key(*item)))
            .filter(|item| then.get(*item) != now.get(*item))
            .cloned()
            .collect()
    };
    let mut items = differing(&then);
    for fact in &facts {
        if items.is_empty() {
            break;
        }
        correction::correct(&mut then, std::iter::once(fact), None)?;
        items = differing(&then);
    }
    if !items.is_empty() {
        return Ok(Enrollment::Conflict { subject: Box::new(enrolled.subject), registered: then, items });
    }
    Ok(Enrollment::Duplicate(Box::new(enrolled)))
}

/// The levels an allocation looks at: the site, and the canonical answers of the factors' and strata's items.
pub fn levels_of(study: &Study, scheme: &Scheme, site: &str, form: &Form) -> Levels {
    let site_item = study.registration.site_item.as_deref();
    let mut levels: Levels = scheme
        .needs()
        .filter_map(|id| {
            let level = if id == SITE || Some(id) == site_item { Some(site.to_string()) } else { form.value(id) };
            Some((id.to_string(), level?))
        })
        .collect();
    levels.insert(SITE.to_string(), site.to_string());
    levels
}

/// Where a new subject belongs, the kits at hand there, and the arm if it is given by hand.
pub(super) struct Place<'a> {
    pub(super) site: String,
    pub(super) key: String,
    pub(super) at_hand: Option<AtHand>,
    pub(super) given: Option<Given<'a>>,
    /// The earlier subject that is screened again.
    pub(super) again: Option<SubjectRow>,
    /// Number of the correction until which its reference was that of a subject which it is not, as somebody said.
    pub(super) apart: Option<i64>,
}

impl Place<'_> {
    /// The decision that is wanted there.
    fn wanted(&self, levels: Levels) -> Wanted<'_> {
        Wanted { levels, site: &self.site, at_hand: self.at_hand.as_ref(), given: self.given.as_ref() }
    }
}

pub(super) async fn record(
    tx: &mut Tx,
    page: &mut Page,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    inbox_id: Option<i64>,
    application: Application<'_>,
    place: Place<'_>,
) -> Result<Enrolled, Failure> {
    let Application { person, form, participant, .. } = application;
    let number = page.row.subjects + 1;
    let rules = shelved.study.find_rules(FIRST);
    let drawn = match rules {
        None => None,
        Some(rules) => {
            let levels = levels_of(&shelved.study, rules.scheme, &place.site, form);
            Some(draw(tx, page, shelved, rules, place.wanted(levels)).await?)
        }
    };
    let study = &shelved.study;
    let (canonical, row) = (form.canonical(), number.to_string());
    let columns = (shelved.id, subject::COLUMNS, &*row);
    let kept = KeptForm::new(tx.ring(), columns, study.registration_instrument(), &canonical, &form.typed)?;
    let reference = KeptReference::new(tx.ring(), shelved.id, study.names_personally(), &place.key)?;
    let mut body = json!({
        "subject": number,
        "site": place.site,
        "inbox": inbox_id,
        "answers": kept.answers.value(),
        "bundle": shelved.version,
        "allocation": drawn.as_ref().map(Drawn::told),
    });
    if study.names_personally() || participant.is_some() || place.again.is_some() {
        // It does not follow from what the entry shows of the answers alone.
        body["reference"] = json!(reference.text());
    }
    if let Some(participant) = participant {
        body["participant"] = json!(participant.number);
    }
    if let Some(fact) = place.apart {
        body["apart"] = json!(fact);
    }
    if let Some(earlier) = &place.again {
        body["rescreens"] = json!(earlier.number);
    }
    if let Some(given) = &place.given {
        // The entry's actor is whoever acted; whose subject it is stands beside.
        body["person"] = json!(person.id);
        body["allocation"]["forced"] = given.told.clone();
    }
    let actor = place.given.as_ref().map_or(person.id.as_str(), |given| given.actor);
    let digest = append(tx, page, means, actor, "enroll", &body).await?;
    page.row.subjects = number;
    let new = NewSubject {
        study_id: shelved.id,
        number,
        reference_key: &reference,
        site: &place.site,
        person: &person.id,
        enrolled_at: means.now,
        form: &kept,
        inbox_id,
        audit_digest: &digest,
        rescreens_id: place.again.as_ref().map(|earlier| earlier.id),
        participant_id: participant.map(|participant| participant.id),
    };
    let id = subject::insert(tx, &new).await?;
    schedule::touch_subject(tx, shelved, id, None).await?;
    let kit = drawn.as_ref().and_then(|drawn| drawn.kit().cloned());
    let allocation = match (drawn, rules) {
        (Some(drawn), Some(rules)) => Some(drawn.commit(tx, page, shelved, rules, means, id).await?),
        _ => None,
    };
    let members = cohort::members(study, &canonical, means.now.day_in(study.zone));
    page.cohorts.iter_mut().zip(&members).for_each(|(count, member)| *count += u64::from(*member));
    let filling = cohorts::tell(tx, shelved, means, &page.cohorts, &members).await?;
    compose::post(tx, Some(shelved.id), means, inbox_id, &filling).await?;
    if let (Some(at_hand), Some(kit)) = (place.at_hand, &kit) {
        let letters = at_hand.tell_without(tx, shelved, means, kit).await?;
        compose::post(tx, Some(shelved.id), means, inbox_id, &letters).await?;
    }
    let subject = SubjectRow {
        id,
        study_id: shelved.id,
        number,
        reference_key: reference.text().to_string(),
        site: place.site,
        person: person.id.clone(),
        enrolled_at: means.now,
        answers: serde_json::to_string(&canonical).expect("a map of texts is JSON"),
        typed: serde_json::to_string(&form.typed).expect("a map of texts is JSON"),
        inbox_id,
        audit_digest: digest,
        rescreens_id: place.again.as_ref().map(|earlier| earlier.id),
        participant_id: participant.map(|participant| participant.id),
        site_corrected: None,
    };
    let links = Links { rescreens: place.again.map(|earlier| earlier.number), rescreened_as: None };
    Ok(Enrolled { links, ..Enrolled::new(subject, allocation) })
}
