//! Letters on their way into the outbox: to whom, in which language, with which facts.
//!
//! Whoever may read of an arm is decided here by the kind of letter chosen, and checked once more against
//! [`Kind::may_go_to`] before a letter is stored (promise 6).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::accept::Asking;
use super::enroll::{Enrolled, Further};
use super::facts;
use super::sealing::{self, Seal, Sealed};
use super::shelf::ShelvedStudy;
use super::{Arrival, Failure, Means, again, opt_out};
use crate::domain::allocation::Origin;
use crate::domain::answer::Form;
use crate::domain::language::Language;
use crate::domain::receipt::Told;
use crate::domain::study::{Arm, Blinding, Person, Study};
use crate::domain::time::{Instant, Zone};
use crate::letters::facts::{
    AssignmentBlinded, AssignmentOpen, Enrollment, FactLine, FurtherBlinded, FurtherOpen, NoticeRandomized,
    NoticeRandomizedBlind, Randomized, RandomizedBlinded, RandomizedOpen, RegistrationDone,
};
use crate::letters::mail::MailFault;
use crate::letters::{self, Envelope, Facts, Finished, Head, Kind, Letter, Stationery};
use crate::store::Tx;
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;
use crate::store::outbox::{self, NewLetter};

/// A finished letter, to be stored.
#[derive(Clone, Debug)]
pub struct Outgoing {
    kind: Kind,
    message_id: String,
    recipient: String,
    raw: Vec<u8>,
    masked: Option<Vec<u8>>,
    personal: bool,
    subject_id: Option<i64>,
}

impl Outgoing {
    /// A finished letter about nobody, which holds no secret.
    pub(super) fn of(finished: Finished) -> Outgoing {
        let Finished { kind, message_id, recipient, raw, .. } = finished;
        Outgoing { kind, message_id, recipient, raw, masked: None, personal: false, subject_id: None }
    }

    /// Its Message-ID.
    pub(super) fn message_id(&self) -> &str {
        &self.message_id
    }

    /// The row it will be in the outbox.
    pub(super) fn row<'a>(
        &'a self,
        mailbox: &'a str,
        study_id: Option<i64>,
        inbox_id: Option<i64>,
        at: Instant,
    ) -> NewLetter<'a> {
        let urgency = if inbox_id.is_some() { self.kind.urgency_in_answer() } else { self.kind.urgency() };
        NewLetter {
            mailbox,
            message_id: &self.message_id,
            study_id,
            kind: self.kind.key(),
            recipient: &self.recipient,
            raw: &self.raw,
            masked: self.masked.as_deref(),
            personal: self.personal,
            priority: urgency.number(),
            created_at: at,
            next_attempt_at: at,
            inbox_id,
            subject_id: self.subject_id,
        }
    }
}

/// Whom a letter is for, and what it answers.
#[derive(Clone, Copy, Debug)]
pub struct Addressing<'a> {
    /// The person.
    pub person: &'a Person,
    /// Which of their addresses; the first where nothing was asked.
    pub address: Option<&'a str>,
    /// Language of the letter.
    pub language: Language,
    /// The mail it answers.
    pub answers: Option<Arrival<'a>>,
    /// Site it is about: whose coordinator is named as contact.
    pub site: Option<&'a str>,
    /// Where a reply goes, if not to the service address.
    pub reply_to: Option<&'a str>,
    /// Subject it is about.
    pub subject_id: Option<i64>,
}

impl<'a> Addressing<'a> {
    /// An answer to whoever wrote.
    pub fn answer(person: &'a Person, language: Language, arrival: Arrival<'a>) -> Addressing<'a> {
        Addressing {
            person,
            address: Some(arrival.sender),
            language,
            answers: Some(arrival),
            site: None,
            reply_to: None,
            subject_id: None,
        }
    }

    /// A letter nobody asked for.
    pub fn unasked(study: &Study, person: &'a Person) -> Addressing<'a> {
        Addressing {
            person,
            address: None,
            language: study.language_of(person),
            answers: None,
            site: None,
            reply_to: None,
            subject_id: None,
        }
    }
}

/// Everything a letter will say and where it goes, not yet worded. It needs nothing else, so that others can be worded at the
/// same time.
#[derive(Clone)]
pub struct Draft {
    stationery: Arc<Stationery>,
    letter: Letter,
    study: String,
    from: String,
    from_name: String,
    recipient: String,
    to_name: String,
    reply_to: String,
    /// Where a reply goes that is to no question of ours.
    service: String,
    message_id: String,
    in_reply_to: Option<String>,
    references: Vec<String>,
    at: Instant,
    zone: Zone,
    personal: bool,
    subject_id: Option<i64>,
    seal: Option<Seal>,
}

impl Draft {
    /// Words and finishes the letter.
    ///
    /// # Errors
    /// A study's own template that cannot state these facts.
    pub fn write(&self) -> Result<Outgoing, Failure> {
        let composed = self.stationery.compose(&self.letter).map_err(|fault| Failure::Letter(fault.to_string()))?;
        let unsubscribe = composed.unsubscribe.as_deref().and_then(|page| opt_out::mailto(&self.from, page));
        let envelope = Envelope {
            unsubscribe: unsubscribe.as_deref(),
            study: &self.study,
            from: &self.from,
            from_name: &self.from_name,
            to: &self.recipient,
            to_name: &self.to_name,
            reply_to: Some(&self.reply_to),
            message_id: &self.message_id,
            in_reply_to: self.in_reply_to.as_deref(),
            references: &self.references,
            at: self.at,
            zone: self.zone,
        };
        let finished = match &self.seal {
            Some(seal) => match letters::finish_sealed(&composed, &envelope, &seal.envelope) {
                Err(MailFault::Seal(fault)) => {
                    tracing::error!(kind = composed.kind.key(), %fault, "a letter with case data is withheld");
                    return self.instead(seal).write();
                }
                finished => finished,
            },
            None => letters::finish(&composed, &envelope),
        };
        let finished = finished.map_err(|fault| Failure::Letter(fault.to_string()))?;
        Ok(Outgoing { personal: self.personal, subject_id: self.subject_id, ..Outgoing::of(finished) })
    }

    /// What is sent where it cannot be sealed.
    fn instead(&self, seal: &Seal) -> Draft {
        let letter = Letter::new(self.letter.language, self.letter.head.clone(), seal.instead.clone());
        Draft { letter, seal: None, reply_to: self.service.clone(), ..self.clone() }
    }
}

/// Words and finishes a letter.
///
/// # Errors
/// A study's own template that cannot state these facts; a letter that its reader may not have.
pub fn compose(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    to: Addressing<'_>,
    facts: Facts,
) -> Result<Outgoing, Failure> {
    draft(shelved, means, to, facts)?.write()
}

/// Words and finishes a letter that lets its reader in, and the same letter with the secret masked, which takes its place once
/// it has left.
///
/// # Errors
/// As [`compose`].
pub fn compose_secret(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    to: Addressing<'_>,
    facts: Facts,
    masked: Facts,
) -> Result<Outgoing, Failure> {
    let whole = draft(shelved, means, to, facts)?;
    let mut blank = whole.clone();
    blank.letter.retell(masked);
    Ok(Outgoing { masked: Some(blank.write()?.raw), ..whole.write()? })
}

/// A letter to be worded later.
///
/// # Errors
/// A letter that its reader may not have.
pub fn draft(shelved: &ShelvedStudy, means: Means<'_>, to: Addressing<'_>, facts: Facts) -> Result<Draft, Failure> {
    let study = &shelved.study;
    let kind = facts.kind();
    if !kind.may_go_to(study.blinding, to.person) {
        return Err(Failure::Contradiction(format!("{} may not be sent a {} letter", to.person.id, kind.key())));
    }
    let Sealed { facts, seal } = sealing::decide(shelved, means, &to, facts);
    // Nobody confirms by a reply what they were not shown.
    let reply_to = to.reply_to.filter(|_| facts.kind() == kind);
    let service = means.desk.with(&study.slug);
    let head = Head::new(study, shelved.stage, to.person, to.site, &service, means.now, to.language);
    let recipient = to.address.or(to.person.addresses.first().map(String::as_str)).unwrap_or_default();
    let references = to.answers.iter().flat_map(|arrival| arrival.references).map(|id| format!("<{id}>")).collect();
    Ok(Draft {
        stationery: Arc::clone(&shelved.stationery),
        letter: Letter::new(to.language, head, facts),
        study: study.slug.clone(),
        from: means.desk.address.clone(),
        from_name: means.desk.display.clone(),
        recipient: recipient.to_string(),
        to_name: to.person.name.in_language(to.language).to_string(),
        reply_to: reply_to.map_or_else(|| service.clone(), str::to_string),
        service,
        message_id: fresh_message_id(means),
        in_reply_to: to.answers.and_then(|arrival| arrival.message_id).map(|id| format!("<{id}>")),
        references,
        at: means.now,
        zone: study.zone,
        personal: study.asks_personal(),
        subject_id: to.subject_id,
        seal,
    })
}

/// A Message-ID nobody had before: 120 random bits.
pub(super) fn fresh_message_id(means: Means<'_>) -> String {
    let mut bytes = [0; 15];
    means.dice.fill(&mut bytes);
    format!("<{}@{}>", data_encoding::HEXLOWER.encode(&bytes), means.desk.message_id_domain)
}

/// A letter sent before, once more: the same words under a Message-ID of its own, in answer to the latest mail.
pub(super) fn again(asking: Asking<'_>, kind: Kind, subject_id: Option<i64>, raw: &[u8]) -> Outgoing {
    let Asking { means, arrival, .. } = asking;
    let message_id = fresh_message_id(means);
    let raw = letters::mail::readdress(raw, &message_id, arrival.message_id.map(|id| format!("<{id}>")).as_deref());
    let personal = asking.study().asks_personal();
    Outgoing { kind, message_id, recipient: arrival.sender.to_string(), raw, masked: None, personal, subject_id }
}

/// Stores letters; they leave when the transaction has committed.
///
/// # Errors
/// The database.
pub async fn post(
    tx: &mut Tx,
    study_id: Option<i64>,
    means: Means<'_>,
    inbox_id: Option<i64>,
    outgoing: &[Outgoing],
) -> Result<(), Failure> {
    let rows: Vec<NewLetter<'_>> =
        outgoing.iter().map(|letter| letter.row(&means.desk.mailbox, study_id, inbox_id, means.now)).collect();
    outbox::insert_many(tx, &rows).await?;
    Ok(())
}

/// Whether an assignment is told for the first time, again because the registration came again, or on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// The registration itself.
    First,
    /// The same registration came again.
    Duplicate {
        /// Whether the subject may be screened again, which would be another registration.
        may_rescreen: bool,
    },
    /// Somebody asked for this subject.
    Status,
    /// Somebody asked and named none: it is their latest.
    Latest,
}

/// The facts of an enrollment for whoever enrolls: the arm in the open, a code when blinded. `form` is what enrolled,
/// where it is at hand: the letter lists its lines that were not used.
///
/// # Errors
/// Records that contradict each other.
pub fn assignment(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    enrolled: &Enrolled,
    telling: Telling,
    form: Option<&Form>,
    language: Language,
) -> Result<Facts, Failure> {
    let study = &shelved.study;
    let again = telling == (Telling::Duplicate { may_rescreen: true });
    let latest = telling == Telling::Latest;
    let allocated_at = enrolled.allocated.map(|allocated| allocated.local(study.zone)).unwrap_or_default();
    let answers = enrolled.answers()?;
    let number = study.subject_number(enrolled.subject.number);
    let enrollment = enrollment(shelved, enrolled, &number, &answers);
    let key = &means.keys.receipt[..];
    // Of somebody who enrolled themself and was given no kit, whoever is blinded knows that much and no more.
    let silent = study.blinding == Blinding::Blinded && study.enrolls_itself() && enrolled.kit.is_none();
    let Some(allocation) = enrolled.allocation.as_ref().filter(|_| !silent) else {
        let facts = RegistrationDone::new(&enrollment, key, language)
            .with_unused(form)
            .with_known(known(study, enrolled, telling, language))
            .with_rescreening(again)
            .with_latest(latest);
        return Ok(match telling {
            Telling::First => Facts::RegistrationDone(facts),
            Telling::Duplicate { .. } => Facts::DuplicateRegistration(facts),
            Telling::Status | Telling::Latest => Facts::StatusRegistration(facts),
        });
    };
    match study.blinding {
        Blinding::Open => {
            let arm = study.find_arm(&allocation.arm).ok_or_else(|| no_arm(&allocation.arm))?;
            let mut facts = AssignmentOpen::new(&enrollment, arm, key, language)
                .with_unused(form)
                .with_known(known(study, enrolled, telling, language))
                .with_rescreening(again)
                .with_allocated_at(allocated_at)
                .with_latest(latest);
            if !enrolled.further.is_empty() {
                let mut told = Vec::new();
                each_further(study, enrolled, &enrollment, |randomized, own| {
                    told.push(FurtherOpen::new(&randomized, arm_of(study, own)?, language));
                    Ok(())
                })?;
                facts = facts.with_further(told, receipt(shelved, means, enrolled, &enrollment)?);
            }
            Ok(match telling {
                Telling::First => Facts::AssignmentOpen(facts),
                Telling::Duplicate { .. } => Facts::DuplicateOpen(facts),
                Telling::Status | Telling::Latest => Facts::StatusOpen(facts),
            })
        }
        Blinding::Blinded => {
            let code = enrolled.kit.as_deref().ok_or_else(|| Failure::Contradiction("no kit".to_string()))?;
            // Nobody who is blinded can tell an arm that was given by hand from one that was drawn.
            let imported = allocation.origin == Origin::Imported;
            let mut facts = AssignmentBlinded::new(&enrollment, code, key, language)
                .with_unused(form)
                .with_known(known(study, enrolled, telling, language))
                .with_rescreening(again)
                .with_allocated_at(if imported { allocated_at } else { String::new() })
                .with_latest(latest);
            if !enrolled.further.is_empty() {
                let mut told = Vec::new();
                each_further(study, enrolled, &enrollment, |randomized, own| {
                    told.push(FurtherBlinded::new(&randomized, code_of(own)?, language));
                    Ok(())
                })?;
                facts = facts.with_further(told, receipt(shelved, means, enrolled, &enrollment)?);
            }
            Ok(match telling {
                Telling::First => Facts::AssignmentBlinded(facts),
                Telling::Duplicate { .. } => Facts::DuplicateBlinded(facts),
                Telling::Status | Telling::Latest => Facts::StatusBlinded(facts),
            })
        }
    }
}

/// Calls with each further allocation of a subject, as everybody may know it.
fn each_further(
    study: &Study,
    enrolled: &Enrolled,
    enrollment: &Enrollment<'_>,
    mut call: impl FnMut(Randomized<'_>, &Further) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for further in &enrolled.further {
        let given = &further.allocation;
        let own = study.find_randomization(&given.randomization).ok_or_else(|| no_randomization(given))?;
        let (answers, chain) = (further.answers()?, further.digest());
        let (at, allocation) = (given.allocated_at, given.number.unsigned_abs());
        let made_at = &again::told_at(study, further);
        call(Randomized { enrollment, own, at, made_at, allocation, chain: &chain, answers: &answers }, further)?;
    }
    Ok(())
}

fn no_randomization(given: &AllocationRow) -> Failure {
    let (number, id) = (given.number, &given.randomization);
    Failure::Contradiction(format!("allocation {number} is of {id}, which the study does not have"))
}

fn arm_of<'a>(study: &'a Study, further: &Further) -> Result<&'a Arm, Failure> {
    study.find_arm(&further.allocation.arm).ok_or_else(|| no_arm(&further.allocation.arm))
}

fn code_of(further: &Further) -> Result<&str, Failure> {
    further.kit.as_deref().ok_or_else(|| Failure::Contradiction("no kit".to_string()))
}

/// The block on every allocation of a subject: arms in the open, codes when blinded.
fn receipt(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    enrolled: &Enrolled,
    enrollment: &Enrollment<'_>,
) -> Result<String, Failure> {
    let study = &shelved.study;
    let blinded = study.blinding == Blinding::Blinded;
    let mut again = Vec::new();
    each_further(study, enrolled, enrollment, |randomized, own| {
        let told = if blinded { Told::Code(code_of(own)?.to_string()) } else { Told::Arm(own.allocation.arm.clone()) };
        again.push(randomized.again(told));
        Ok(())
    })?;
    let told = match (&enrolled.allocation, &enrolled.kit) {
        (None, _) => Told::Registered,
        (Some(_), Some(code)) if blinded => Told::Code(code.clone()),
        (Some(_), None) if blinded => Told::Registered,
        (Some(given), _) => Told::Arm(given.arm.clone()),
    };
    Ok(enrollment.receipt(told, again, &means.keys.receipt[..]))
}

/// The facts of a further randomization for whoever asked: the arm in the open, a code when blinded. `form` is what was sent,
/// where it is at hand.
///
/// # Errors
/// Records that contradict each other.
pub(super) fn randomized(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    enrolled: &Enrolled,
    further: &Further,
    telling: Telling,
    form: Option<&Form>,
    language: Language,
) -> Result<Facts, Failure> {
    let study = &shelved.study;
    let answers = enrolled.answers()?;
    let number = study.subject_number(enrolled.subject.number);
    let enrollment = enrollment(shelved, enrolled, &number, &answers);
    let receipt = receipt(shelved, means, enrolled, &enrollment)?;
    let mut facts = None;
    each_further(study, enrolled, &enrollment, |randomized, own| {
        if own.allocation.number == further.allocation.number {
            facts = Some(match (study.blinding, telling) {
                (Blinding::Open, telling) => {
                    let arm = arm_of(study, own)?;
                    let facts = RandomizedOpen::new(&randomized, arm, receipt.clone(), form, language);
                    match telling {
                        Telling::First => Facts::RandomizedOpen(facts),
                        Telling::Duplicate { .. } | Telling::Status | Telling::Latest => {
                            Facts::RandomizedBeforeOpen(facts)
                        }
                    }
                }
                (Blinding::Blinded, telling) => {
                    let facts = RandomizedBlinded::new(&randomized, code_of(own)?, receipt.clone(), form, language);
                    match telling {
                        Telling::First => Facts::RandomizedBlinded(facts),
                        Telling::Duplicate { .. } | Telling::Status | Telling::Latest => {
                            Facts::RandomizedBeforeBlinded(facts)
                        }
                    }
                }
            });
        }
        Ok(())
    })?;
    facts.ok_or_else(|| no_randomization(&further.allocation))
}

/// The notices the study sends of a further randomization: as those of an enrollment.
///
/// # Errors
/// As [`compose`].
pub(super) fn randomization_notices(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    enrolled: &Enrolled,
    further: &Further,
) -> Result<Vec<Outgoing>, Failure> {
    let study = &shelved.study;
    let site = enrolled.subject.site.as_str();
    let number = study.subject_number(enrolled.subject.number);
    let answers = enrolled.answers()?;
    let enrollment = enrollment(shelved, enrolled, &number, &answers);
    let arm = arm_of(study, further)?;
    let mut outgoing = Vec::new();
    each_further(study, enrolled, &enrollment, |randomized, own| {
        if own.allocation.number != further.allocation.number {
            return Ok(());
        }
        for person in &study.people {
            let told = study.notices.iter().any(|notice| person.has(notice.role)) && person.acts_for(site);
            if !told || person.id == further.request.person {
                continue;
            }
            let language = study.language_of(person);
            let full = || NoticeRandomized::new(&randomized, arm, own.kit.as_deref(), language).by_hand(own.by_hand());
            let facts = match study.blinding {
                Blinding::Open => Facts::NoticeRandomizedOpen(full()),
                Blinding::Blinded if Kind::NoticeRandomizedUnblinded.may_go_to(study.blinding, person) => {
                    Facts::NoticeRandomizedUnblinded(full())
                }
                Blinding::Blinded => Facts::NoticeRandomizedBlind(NoticeRandomizedBlind::new(&randomized, language)),
            };
            let to = Addressing {
                site: Some(site),
                subject_id: Some(enrolled.subject.id),
                ..Addressing::unasked(study, person)
            };
            outgoing.push(compose(shelved, means, to, facts)?);
        }
        Ok(())
    })?;
    Ok(outgoing)
}

/// What became known of a subject since, for whoever asks after it.
fn known(study: &Study, enrolled: &Enrolled, telling: Telling, language: Language) -> Vec<FactLine> {
    match telling {
        Telling::First | Telling::Duplicate { .. } => Vec::new(),
        Telling::Status | Telling::Latest => {
            let line = |fact: &FactRow| fact_line(study, fact, &enrolled.facts, language);
            enrolled.facts.iter().map(line).collect()
        }
    }
}

/// One fact as letters tell it; whether it was taken back, the others of its subject say.
pub(super) fn fact_line(study: &Study, fact: &FactRow, all: &[FactRow], language: Language) -> FactLine {
    let line = FactLine::new(study, fact.kind, fact.recorded_at);
    let line = FactLine { taken_back: facts::is_taken_back(all, fact.number), ..line };
    match fact.randomization.as_deref().and_then(|id| study.find_randomization(id)) {
        Some(own) => line.of_allocation(&own.title, language),
        None => line,
    }
}

/// What everybody may know of an enrollment.
pub fn enrollment<'a>(
    shelved: &'a ShelvedStudy,
    enrolled: &'a Enrolled,
    number: &'a str,
    answers: &'a BTreeMap<String, String>,
) -> Enrollment<'a> {
    Enrollment {
        study: &shelved.study,
        stage: shelved.stage,
        subject: number,
        site: &enrolled.subject.site,
        at: enrolled.subject.enrolled_at,
        allocation: enrolled.subject.number.unsigned_abs(),
        chain: &enrolled.digest,
        answers,
        links: enrolled.links,
    }
}

/// An arm on file that the study does not have.
pub(super) fn no_arm(code: &str) -> Failure {
    Failure::Contradiction(format!("arm {code} is on file but not in the study"))
}
