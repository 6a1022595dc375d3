//! One request of one person: looked up, carried out, answered, in the caller's transaction.

use std::collections::BTreeMap;

use super::amendment::Schemes;
use super::compose::{self, Addressing, Draft, Outgoing, Telling};
use super::election::by_mail as voters;
use super::enroll::{self, Application, Confirmed, Enrolled, Enrollment};
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{
    Arrival, Failure, Held, Means, Operator, Settled, apart, balance, binding, by_mail, confirm, deed, follow_up_mail,
    leave, notices, opt_out_mail, proof, randomize, rescreen, sealing, to_operator, visitor,
};
use crate::domain::answer::Form;
use crate::domain::deed::Deed;
use crate::domain::language::Language;
use crate::domain::request::{Act, Request};
use crate::domain::study::{Person, Role, Study};
use crate::domain::text;
use crate::domain::time::{Instant, Zone};
use crate::letters::facts::{
    self, BlankForm, Conflict, Help, NotEntitled, Phase, Reader, Reason, Refusal, Sameness, StatusUnknown,
};
use crate::letters::{Facts, Kind};
use crate::limits;
use crate::store::inbox::{self, FirstSight};
use crate::store::study::State as StudyState;
use crate::store::subject::{self, SubjectRow};
use crate::store::{allocation, fact, outbox};

/// Who asks, of which study, in answer to which mail.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) shelved: &'a ShelvedStudy,
    pub(super) means: Means<'a>,
    pub(super) arrival: Arrival<'a>,
    pub(super) person: &'a Person,
    pub(super) language: Language,
    /// Whether somebody may wait for the answer to treat a patient, or answers a question of ours.
    pub(super) urgent: bool,
}

impl<'a> Asking<'a> {
    pub(super) fn study(&self) -> &'a Study {
        &self.shelved.study
    }

    pub(super) fn reader(&self) -> Reader<'a> {
        Reader {
            study: self.study(),
            person: self.person,
            today: self.means.now.day_in(self.study().zone),
            language: self.language,
        }
    }

    pub(super) fn to_sender(self) -> Addressing<'a> {
        Addressing::answer(self.person, self.language, self.arrival)
    }

    pub(super) fn settled(&self, disposition: &'static str, reason: impl Into<String>) -> Settled {
        Settled {
            held: Held::No,
            disposition,
            reason: reason.into(),
            study_id: Some(self.shelved.id),
            subject_id: None,
            person: Some(self.person.id.clone()),
        }
    }

    pub(super) fn held(&self, reason: &str) -> Settled {
        Settled { held: Held::Yes, ..self.settled("quarantine", reason) }
    }

    /// Composes an answer and stores it, unless the sender's budget of answers is spent: then a person looks.
    pub(super) async fn reply(
        &self,
        ledger: &mut Ledger<'_>,
        to: Addressing<'_>,
        facts: Facts,
        settled: Settled,
    ) -> Result<Settled, Failure> {
        let letter = compose::compose(self.shelved, self.means, to, facts)?;
        self.send(ledger, letter, settled).await
    }

    pub(super) async fn send(
        &self,
        ledger: &mut Ledger<'_>,
        letter: Outgoing,
        settled: Settled,
    ) -> Result<Settled, Failure> {
        if !self.arrival.released && !budget_left(ledger, self.means, self.arrival.sender, self.urgent).await? {
            return Ok(self.held("reply-budget"));
        }
        let inbox_id = Some(self.arrival.inbox_id);
        compose::post(&mut ledger.tx, Some(self.shelved.id), self.means, inbox_id, std::slice::from_ref(&letter))
            .await?;
        Ok(settled)
    }
}

/// Carries a request out and writes its answer; what the mail's row will say.
///
/// # Errors
/// The database, a broken template, contradicting records: the caller rolls back and tries again.
pub async fn accept(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    arrival: Arrival<'_>,
    request: &Request,
) -> Result<Settled, Failure> {
    let study = &shelved.study;
    let stranger = visitor::stranger(study, arrival.sender);
    let person = study
        .people
        .iter()
        .chain(request.person.is_empty().then_some(&stranger))
        .find(|person| person.id == request.person)
        .ok_or_else(|| Failure::Contradiction(format!("{} is not in study {}", request.person, study.slug)))?;
    let asking =
        Asking { shelved, means, arrival, person, language: request.language, urgent: is_urgent(&request.act) };
    // One writer per study from here on: what is looked up below cannot change under us.
    ledger.lock(shelved).await?;
    let sight = match &request.act {
        // Once the study has the right key, the same mail is taken: so it counts as not seen.
        Act::Unsealed(_) => FirstSight::New,
        _ => ledger.first_sight(shelved.id, arrival, means.now).await?,
    };
    match sight {
        FirstSight::Same(first) if first != arrival.inbox_id => return apart(|| repeat(ledger, asking, first)).await,
        FirstSight::Different(_) => return Ok(asking.held("message-id-reused")),
        FirstSight::Elsewhere => return Ok(asking.held("signed-elsewhere")),
        FirstSight::New | FirstSight::Same(_) => {}
    }
    match &request.act {
        Act::Enroll(form) => apart(|| enrollment(ledger, asking, form, Confirmed::NotYet)).await,
        Act::Randomize(wanted) => apart(|| randomize::randomize(ledger, asking, wanted, Confirmed::NotYet)).await,
        Act::FollowUp(wanted) => apart(|| follow_up_mail::take(ledger, asking, wanted)).await,
        Act::Deed(wanted) => apart(|| deed::deed(ledger, asking, wanted, Confirmed::NotYet)).await,
        Act::Confirm(token) => apart(|| confirm::confirm(ledger, asking, token)).await,
        Act::Unconfirmed(token) => apart(|| confirm::unconfirmed(ledger, asking, token)).await,
        Act::Link => apart(|| visitor::link(ledger, asking)).await,
        Act::Credential => apart(|| voters::link(ledger, asking)).await,
        Act::VoteByMail => apart(|| voters::refuse(ledger, asking)).await,
        Act::Leave => apart(|| leave::ask(ledger, asking)).await,
        Act::Letters(wanted) => apart(|| opt_out_mail::take(ledger, asking, wanted)).await,
        Act::SurveyForm => apart(|| by_mail::blank(ledger, asking)).await,
        Act::Respond(form) => apart(|| by_mail::take(ledger, asking, form)).await,
        Act::Status(wanted) => apart(|| status(ledger, asking, wanted.as_deref())).await,
        Act::Balance => {
            if !balance::may_know(study, person) {
                let facts = Facts::NotEntitled(NotEntitled::new(&request.act));
                return asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "not-entitled")).await;
            }
            let journal = allocation::journal(&mut ledger.tx, shelved.id, 0).await?;
            let known = proof::all_facts(&mut ledger.tx, shelved.id).await?;
            let (tx, page) = ledger.lock(shelved).await?;
            let schemes = Schemes::load(&mut *tx, &page.row, study).await?;
            let facts = balance::facts(study, &schemes, &journal, &known, request.language)?;
            asking.reply(ledger, asking.to_sender(), Facts::Balance(facts), asking.settled("reply", "balance")).await
        }
        // Nobody of the staff could fill it in: what they can ask for is told.
        Act::BlankForm if study.enrolls_itself() => {
            let phase = phase(ledger, shelved).await?;
            let facts = Facts::Help(Help::new(&asking.reader(), phase));
            asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "help")).await
        }
        Act::BlankForm => {
            let phase = phase(ledger, shelved).await?;
            let facts = BlankForm::new(&asking.reader(), study.registration_instrument(), phase);
            asking.reply(ledger, asking.to_sender(), Facts::BlankForm(facts), asking.settled("reply", "form")).await
        }
        Act::Help if study.election.is_some() => apart(|| voters::help(ledger, asking)).await,
        Act::Unsealed(faults) => apart(|| sealing::refuse(ledger, asking, faults)).await,
        Act::Help if person.id.is_empty() => apart(|| visitor::help(ledger, asking)).await,
        Act::Help => {
            let facts = Help::new(&asking.reader(), phase(ledger, shelved).await?);
            asking.reply(ledger, asking.to_sender(), Facts::Help(facts), asking.settled("reply", "help")).await
        }
    }
}

/// Tells whoever sent a registration that could not be decided that nothing is recorded, and that a person looks at it.
///
/// # Errors
/// As [`accept`].
pub async fn set_aside(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    arrival: Arrival<'_>,
    request: &Request,
) -> Result<(), Failure> {
    let study = &shelved.study;
    let person = study.people.iter().find(|person| person.id == request.person);
    let (Act::Enroll(form), Some(person)) = (&request.act, person) else { return Ok(()) };
    let asking =
        Asking { shelved, means, arrival, person, language: request.language, urgent: is_urgent(&request.act) };
    let facts = Refusal::new(&asking.reader(), study.registration_instrument(), form, &[Reason::SetAside]);
    asking.reply(ledger, asking.to_sender(), Facts::Refusal(facts), asking.held("poison")).await.map(drop)
}

/// How far the study has come.
async fn phase(ledger: &mut Ledger<'_>, shelved: &ShelvedStudy) -> Result<Phase, Failure> {
    let (_, page) = ledger.lock(shelved).await?;
    Ok(match page.row.state {
        StudyState::Closed => Phase::Closed,
        _ if page.row.enrollment_ended_at.is_some() => Phase::EnrollmentEnded,
        _ => Phase::Enrolling,
    })
}

/// Enrolls, and answers whatever comes of it.
pub(super) async fn enrollment(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    form: &Form,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let Asking { shelved, means, arrival, person, .. } = asking;
    if !shelved.study.registers {
        return Err(Failure::Contradiction(format!("study {} registers nobody", shelved.study.slug)));
    }
    let application = Application { person, form, confirmed, participant: None };
    match apart(|| enroll::enroll(ledger, shelved, means, arrival.into(), application)).await? {
        Enrollment::Enrolled(enrolled) => enrolled_now(ledger, asking, form, &enrolled),
        Enrollment::Duplicate(enrolled) => {
            let settled =
                Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply_duplicate", "duplicate") };
            let may_rescreen = rescreen::may(&mut ledger.tx, asking.study(), &enrolled.subject).await?;
            tell(ledger, asking, &enrolled, Telling::Duplicate { may_rescreen }, settled).await
        }
        Enrollment::Conflict { subject, registered, .. } => {
            conflict(ledger, asking, (&subject, &registered), form).await
        }
        Enrollment::ToConfirm(earlier) => confirm::ask(ledger, asking, form, earlier.as_ref()).await,
        Enrollment::Refused(reasons) => {
            let keys = enroll::refusal_keys(&reasons, form).join(" ");
            let facts = Refusal::new(&asking.reader(), asking.study().registration_instrument(), form, &reasons);
            let settled = asking.settled("reply_error", keys);
            asking.reply(ledger, asking.to_sender(), Facts::Refusal(facts), settled).await
        }
    }
}

/// The assignment letter is never held back by a budget: whoever enrolled is always told.
fn enrolled_now(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    form: &Form,
    enrolled: &Enrolled,
) -> Result<Settled, Failure> {
    let Asking { shelved, means, arrival, language, .. } = asking;
    let drafts = assignment_letters(shelved, means, asking.to_sender(), form, enrolled, language)?;
    ledger.put_aside(shelved.id, means, Some(arrival.inbox_id), drafts);
    Ok(Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("register", "enrolled") })
}

/// The letters of a new enrollment: to whoever enrolled, and the study's notices.
pub(super) fn assignment_letters(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    to: Addressing<'_>,
    form: &Form,
    enrolled: &Enrolled,
    language: Language,
) -> Result<Vec<Draft>, Failure> {
    let facts = compose::assignment(shelved, means, enrolled, Telling::First, Some(form), language)?;
    let to = Addressing { site: Some(&enrolled.subject.site), subject_id: Some(enrolled.subject.id), ..to };
    let mut drafts = vec![compose::draft(shelved, means, to, facts)?];
    drafts.extend(notices::notices(shelved, means, enrolled)?);
    metrics::counter!("hagaki_enrollments_total", "study" => shelved.study.slug.clone()).increment(1);
    Ok(drafts)
}

pub(super) async fn tell(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    enrolled: &Enrolled,
    telling: Telling,
    settled: Settled,
) -> Result<Settled, Failure> {
    let facts = compose::assignment(asking.shelved, asking.means, enrolled, telling, None, asking.language)?;
    let to =
        Addressing { site: Some(&enrolled.subject.site), subject_id: Some(enrolled.subject.id), ..asking.to_sender() };
    asking.reply(ledger, to, facts, settled).await
}

async fn conflict(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    (known, registered): (&SubjectRow, &BTreeMap<String, String>),
    form: &Form,
) -> Result<Settled, Failure> {
    let study = asking.study();
    let own = enroll::site_of(study, form);
    let sameness = sameness(study, asking.person, known, form);
    let facts = conflict_with(&asking.reader(), (known, registered), form, sameness);
    let facts = facts.with_rescreening(rescreen::may(&mut ledger.tx, study, known).await?);
    let to = Addressing { site: own.as_deref(), ..asking.to_sender() };
    let settled = Settled { subject_id: Some(known.id), ..asking.settled("reply_error", "conflict") };
    asking.reply(ledger, to, Facts::Conflict(facts), settled).await
}

/// Whether whoever sent a conflicting form may see what is on file.
pub(super) fn sameness(study: &Study, person: &Person, known: &SubjectRow, form: &Form) -> Sameness {
    let own = enroll::site_of(study, form);
    let same = own.is_some_and(|own| known.sites().any(|site| site == own) && person.acts_for(&own));
    if same { Sameness::SameSite } else { Sameness::OtherSite }
}

/// What differs between a registration on file and another of the same subject.
pub(super) fn conflict_with(
    reader: &Reader<'_>,
    (known, registered): (&SubjectRow, &BTreeMap<String, String>),
    form: &Form,
    sameness: Sameness,
) -> Conflict {
    let study = reader.study;
    Conflict::new(
        reader,
        study.registration_instrument(),
        &study.subject_number(known.number),
        known.enrolled_at,
        registered,
        &form.canonical(),
        sameness,
    )
}

/// The same message once more: the same answer, and nothing else.
async fn repeat(ledger: &mut Ledger<'_>, asking: Asking<'_>, first: i64) -> Result<Settled, Failure> {
    let earlier = inbox::find(&mut ledger.tx, first).await?;
    let Some(earlier) = earlier.filter(|mail| mail.state == inbox::State::Done) else {
        return Ok(asking.held("copy-of-held-mail"));
    };
    let settled = Settled { subject_id: earlier.subject_id, ..asking.settled("reply_duplicate", "same-message") };
    if earlier.reason == "enrolled"
        && let Some(id) = earlier.subject_id
    {
        let enrolled = load(ledger, id).await?;
        return tell(ledger, asking, &enrolled, Telling::Duplicate { may_rescreen: false }, settled).await;
    }
    let answers = outbox::find_by_inbox(ledger.outbox().await?, first).await?;
    for answer in answers.iter().filter(|answer| answer.recipient == asking.arrival.sender) {
        let Some(kind) = Kind::find(&answer.kind).filter(|kind| kind.answers()) else { continue };
        if let Some(raw) = outbox::find_raw(ledger.outbox().await?, answer.id).await? {
            let letter = match sealing::stale(asking.study(), asking.person, asking.means.now, (kind, &raw)) {
                None => compose::again(asking, kind, answer.subject_id, &raw),
                Some(_) => {
                    let to = Addressing { subject_id: answer.subject_id, ..asking.to_sender() };
                    let facts = sealing::in_place_of(asking.study(), asking.means, asking.person, kind);
                    compose::compose(asking.shelved, asking.means, to, facts)?
                }
            };
            return asking.send(ledger, letter, settled).await;
        }
    }
    Ok(settled)
}

/// What became of a subject: by our number, by the site's reference, or the sender's latest.
async fn status(ledger: &mut Ledger<'_>, asking: Asking<'_>, wanted: Option<&str>) -> Result<Settled, Failure> {
    let study = asking.study();
    let found = match wanted {
        None => subject::find_latest_of(&mut ledger.tx, asking.shelved.id, &asking.person.id).await?,
        Some(wanted) => find_wanted(ledger, asking, wanted).await?,
    };
    let theirs = |subject: &SubjectRow| asking.person.acts_for_any(subject.sites());
    let Some(found) = found.filter(theirs) else {
        let facts = Facts::StatusUnknown(unknown(ledger, asking, (wanted, None)).await?);
        return asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "status-unknown")).await;
    };
    if !asking.person.roles.iter().any(|role| role.enrolls()) {
        let facts = Facts::NotEntitled(NotEntitled::new(&Act::Status(None)));
        return asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "not-entitled")).await;
    }
    let enrolled = load(ledger, found.id).await?;
    let settled = Settled { subject_id: Some(found.id), ..asking.settled("reply", "status") };
    debug_assert_eq!(enrolled.subject.study_id, asking.shelved.id, "found in {}", study.slug);
    let telling = if wanted.is_some() { Telling::Status } else { Telling::Latest };
    tell(ledger, asking, &enrolled, telling, settled).await
}

async fn find_wanted(ledger: &mut Ledger<'_>, asking: Asking<'_>, wanted: &str) -> Result<Option<SubjectRow>, Failure> {
    let (study, id) = (asking.study(), asking.shelved.id);
    if let Some(number) = study.parse_subject_number(wanted) {
        return Ok(subject::find_by_number(&mut ledger.tx, id, number).await?);
    }
    let reference = text::fold_tight(wanted);
    // Where references are unique per site only, the sender's own sites are looked through.
    for key in enroll::possible_keys(study, asking.person, &reference) {
        if let Some(found) = subject::find_by_reference(&mut ledger.tx, id, &key).await? {
            return Ok(Some(rescreen::latest(&mut ledger.tx, found).await?));
        }
    }
    Ok(None)
}

/// That no subject of that name, at that site if one is named, is known; and of which it was the reference until that was corrected.
pub(super) async fn unknown(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    (wanted, site): (Option<&str>, Option<&str>),
) -> Result<StatusUnknown, Failure> {
    let facts = StatusUnknown::new(asking.study(), wanted);
    let Some(typed) = wanted.filter(|typed| asking.study().parse_subject_number(typed).is_none()) else {
        return Ok(facts);
    };
    let (id, study) = (asking.shelved.id, asking.study());
    let earlier = binding::earlier_numbers(&mut ledger.tx, id, study, asking.person, (typed, site)).await?;
    Ok(facts.with_earlier(earlier))
}

/// A subject with its allocation, and what became known since.
pub(super) async fn load(ledger: &mut Ledger<'_>, subject_id: i64) -> Result<Enrolled, Failure> {
    let subject = subject::load(&mut ledger.tx, subject_id).await?;
    let facts = fact::list_by_subject(&mut ledger.tx, subject_id).await?;
    Ok(Enrolled { facts, ..Enrolled::load(&mut ledger.tx, subject).await? })
}

/// Whether somebody may wait for the answer to treat a patient, or answers a question of ours.
fn is_urgent(act: &Act) -> bool {
    match act {
        Act::Deed(wanted) => matches!(wanted.deed, Deed::Unblind | Deed::ReplaceKit),
        Act::Confirm(_) | Act::Unconfirmed(_) => true,
        _ => false,
    }
}

/// Whether one more answer may go to this sender: every sender has a budget, so that two machines cannot talk for ever. Harmless
/// answers use nothing up of what is kept for urgent ones, and a mail that a person let go is answered in any case.
async fn budget_left(ledger: &mut Ledger<'_>, means: Means<'_>, sender: &str, urgent: bool) -> Result<bool, Failure> {
    let kinds: Vec<&str> =
        Kind::ALL.into_iter().filter(|kind| kind.answers() && !kind.must_arrive()).map(Kind::key).collect();
    let more = if urgent { limits::URGENT_ANSWERS_PER_HOUR } else { 0 };
    for (seconds, most) in [(3600, limits::ANSWERS_PER_HOUR + more), (24 * 3600, limits::ANSWERS_PER_DAY + 2 * more)] {
        let since = means.now.plus_seconds(-seconds);
        if outbox::count_recent(ledger.outbox().await?, sender, &kinds, since).await? >= most {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A mail that is kept for a person: the study's coordinators are told, or the operator where no study (or nobody in it)
/// can be; each within their own budget.
///
/// # Errors
/// The database, a broken template.
pub async fn hold(
    ledger: &mut Ledger<'_>,
    shelved: Option<&ShelvedStudy>,
    means: Means<'_>,
    operator: &Operator,
    mail: HeldMail<'_>,
) -> Result<(), Failure> {
    let number = mail.inbox_id.to_string();
    let facts = |zone: Zone| {
        let at = mail.received_at.local(zone);
        Facts::QuarantineNotice(facts::QuarantineNotice::new(&number, &at, mail.reasons))
    };
    let mut outgoing = Vec::new();
    if let Some(shelved) = shelved {
        let study = &shelved.study;
        for person in study.people.iter().filter(|person| person.has(Role::Coordinator)) {
            let Some(address) = person.addresses.first() else { continue };
            if notices_left(ledger, means, address).await? {
                outgoing.push(compose::compose(shelved, means, Addressing::unasked(study, person), facts(study.zone))?);
            }
        }
    }
    let coordinated = shelved.is_some_and(|one| one.study.people.iter().any(|person| person.has(Role::Coordinator)));
    if !coordinated && notices_left(ledger, means, &operator.address).await? {
        let stationery = ledger.shelf().common()?;
        outgoing.push(to_operator::to_operator(&stationery, means, operator, facts(Zone::UTC))?);
    }
    compose::post(&mut ledger.tx, shelved.map(|one| one.id), means, Some(mail.inbox_id), &outgoing).await
}

/// A mail that is kept for a person.
#[derive(Clone, Copy, Debug)]
pub struct HeldMail<'a> {
    /// Its inbox row.
    pub inbox_id: i64,
    /// When it was taken in.
    pub received_at: Instant,
    /// Keys of the reasons.
    pub reasons: &'a [&'a str],
}

async fn notices_left(ledger: &mut Ledger<'_>, means: Means<'_>, address: &str) -> Result<bool, Failure> {
    let since = means.now.plus_seconds(-3600);
    let kinds = [Kind::QuarantineNotice.key()];
    Ok(outbox::count_recent(ledger.outbox().await?, address, &kinds, since).await? < limits::HOLD_NOTICES_PER_HOUR)
}
