//! Acts about subjects that an operator has done for somebody: the same records and letters as by mail.

use std::collections::BTreeMap;

use serde_json::json;

use super::accept;
use super::binding;
use super::compose::{self, Addressing};
use super::correction::{self, Corrected, Correction, Misread};
use super::ending::{self, Decision, Told};
use super::enroll::{self, Enrolled};
use super::ledger::Ledger;
use super::life::Act;
use super::note::{self, Note};
use super::shelf::{Shelf, ShelvedStudy};
use super::unblind::{self, Break, Broken};
use super::{Failure, Means};
use crate::domain::deed::{Deed, Misname, Misnamed};
use crate::domain::fact::FactKind;
use crate::domain::language::Language;
use crate::domain::study::{Blinding, Stage, Study};
use crate::domain::text;
use crate::letters::facts::Step;
use crate::letters::said::Said;
use crate::limits;
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;
use crate::store::study::State;
use crate::store::subject::SubjectRow;
use crate::store::{Store, allocation, kit, subject};

/// Why such an act is refused. The texts are for the operator's terminal.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No such subject.
    #[error("study {0} has no subject {1}; `hagaki subject list {0}` shows those it has")]
    Subject(String, String),
    /// It was a subject's reference until that was corrected.
    #[error("{0} was the reference of {1} until that was corrected; if that is meant, write the subject number")]
    Earlier(String, String),
    /// The reference that would be right is another subject's.
    #[error(
        "that reference is {0}'s already. If both are one patient, record whichever was enrolled later as a duplicate of the other first \
         (`hagaki subject note --kind duplicate --of`); if {0} has it by mistake, correct {0} first"
    )]
    ReferenceTaken(String),
    /// No such person.
    #[error("study {0} has no person \"{1}\"; --by takes an id of [[people]] in study.toml")]
    Person(String, String),
    /// An act in production needs somebody who decided it.
    #[error(
        "study {0} is in production: say who told it with --by PERSON, an id of [[people]] in study.toml; it stands in the audit chain and \
         in the letters"
    )]
    Untold(String),
    /// The study does not let them.
    #[error(
        "{0} may not be told arms of that subject: [unblinding] roles in study.toml, and the person's sites, say who may"
    )]
    NotEntitled(String),
    /// A reason is missing.
    #[error("write why with --reason: it stands in the audit chain")]
    NoReason,
    /// Nothing is concealed.
    #[error("study {0} is open: `hagaki subject show {0} {1}` shows the arm")]
    Open(String, String),
    /// Nothing was allocated.
    #[error("{0} was not randomized: there is nothing to disclose")]
    NotRandomized(String),
    /// Somebody may still be enrolled or treated blindly.
    #[error("study {0} is not closed: before that, arms are disclosed one subject at a time, for a reason")]
    NotClosed(String),
    /// Faults of the values that were to be right.
    #[error("these cannot be corrected so:\n{0}")]
    Values(String),
    /// A kind that needs something else.
    #[error("{0}")]
    Incomplete(&'static str),
    /// Digits that are one subject's number and another's reference.
    #[error(
        "\"{wanted}\" is the number of {counted} and the site's reference of {called}: write {counted} or {called}, and hold it against \
         `hagaki subject show`"
    )]
    TwoMeant {
        /// What was written.
        wanted: String,
        /// Number of the subject that a site calls so.
        called: String,
        /// Number of the subject that we count so.
        counted: String,
    },
    /// The study gives no arm by hand.
    #[error(
        "study {0} gives no arm by hand there: [forced] limit and roles in the allocation's file (allocation.toml) allow it"
    )]
    NeverForced(String),
    /// Not this person.
    #[error(
        "{0} may not give an arm: [forced] roles in the allocation's file say who may, and whoever enrolls never does"
    )]
    MayNotForce(String),
    /// As many were given as may be.
    #[error(
        "[forced] limit in the allocation's file allows {0} given by hand, and so many were; an amendment can raise it"
    )]
    ForcedLimit(u32),
    /// No such arm, or one that is closed.
    #[error("\"{0}\" is no open arm of the study; there are {1}")]
    NoArm(String, String),
    /// The registration has faults.
    #[error("nothing was recorded; mend these answers:\n{0}")]
    Form(String),
    /// The registration has answers outside of the soft limits.
    #[error("nothing was recorded; these answers are unusual (if they are right: the same again with --sure):\n{0}")]
    Unusual(String),
    /// The subject is there.
    #[error("the subject is enrolled already, as {0}; its allocation stays as it is")]
    EnrolledBefore(String),
    /// What speaks against enrolling, one line each.
    #[error("not enrolled:\n{0}")]
    NotEnrolled(String),
    /// What speaks against another allocation, one line each.
    #[error("{0} is not randomized again:\n{1}")]
    NotAgain(String, String),
    /// The subject has that allocation.
    #[error("{0} was allocated in \"{1}\" before; that stays as it is")]
    AllocatedBefore(String, String),
    /// No such further allocation.
    #[error("\"{0}\" is no further allocation of the study; [[allocation]] in study.toml names [{1}]")]
    NoRandomization(String, String),
    /// Such a kit cannot be handed out.
    #[error("{0} is no kit of that arm that can be handed out at site {1}; `hagaki kit show` tells what became of it")]
    KitNotThere(String, String),
    /// The subject has no such further allocation.
    #[error(
        "{0} was not allocated in \"{1}\"; --allocation takes a further allocation that the subject has, of [{2}]; what is said of the \
         first is said of the subject: leave it out"
    )]
    NotAllocated(String, String, String),
    /// That person does not enroll there.
    #[error("{0} does not enroll at site {1}; --for takes an investigator or coordinator of the site")]
    NotOfTheSite(String, String),
    /// Who enrolls does not decide on another randomization.
    #[error(
        "{0} enrolls at site {1}: --by takes somebody of the study who does not, for whoever is screened again is randomized again"
    )]
    EnrollsThere(String, String),
    /// Nothing that could be consented to.
    #[error(
        "{0} cannot be screened again: [registration] rescreening in study.toml says after what and how often; `hagaki subject show` \
         tells what is on file"
    )]
    NotRescreened(String),
    /// A fact stays, and why.
    #[error("{0}")]
    NotTakenBack(String),
    /// Nobody or several enroll there.
    #[error("say with --for whose subject it is, and who gets the letter: at site {0} enroll [{1}]")]
    WhoseSubject(String, String),
}

/// Refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// With a reason a person can act on.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// We could not.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<crate::store::StoreError> for CommandError {
    fn from(error: crate::store::StoreError) -> CommandError {
        CommandError::Failed(error.into())
    }
}

/// Who has it done, of which subject, and why.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The operator.
    pub actor: &'a str,
    /// Number of the subject, or its reference where those are unique in the study.
    pub subject: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// A subject by our number, or by its reference where that tells it. Digits alone can be either: where they mean two subjects, neither is
/// guessed.
///
/// # Errors
/// The database; a refusal if there is none, or if two are meant.
pub async fn find_subject(
    store: &Store,
    study: &Study,
    study_id: i64,
    wanted: &str,
) -> Result<SubjectRow, CommandError> {
    let number = study.parse_subject_number(wanted);
    let mut found = match number {
        Some(number) => subject::find_by_number(store, study_id, number).await?,
        None => None,
    };
    for site in study.sites.iter().filter(|_| number.is_none()) {
        let key = enroll::key_of(study, &site.code, wanted);
        let here = subject::find_by_reference(store, study_id, &key).await?;
        if let (Some(one), Some(other)) = (&found, &here)
            && one.id != other.id
        {
            return Err(Refusal::Incomplete("several subjects have that reference: write the subject number").into());
        }
        found = found.or(here);
    }
    // Of a person who was screened again the reference means the latest screening.
    while let (None, Some(row)) = (number, &found) {
        match subject::find_rescreening(store, row.id).await? {
            Some(later) => found = Some(later),
            None => break,
        }
    }
    let counted = match wanted.trim().parse().ok().filter(|_| number.is_none()) {
        Some(counted) => subject::find_by_number(store, study_id, counted).await?,
        None => None,
    };
    match (found, counted) {
        (Some(called), Some(counted)) if called.id != counted.id => {
            let [called, counted] = [&called, &counted].map(|row| study.subject_number(row.number));
            Err(Refusal::TwoMeant { wanted: wanted.trim().to_string(), called, counted }.into())
        }
        (Some(found), _) | (None, Some(found)) => Ok(found),
        (None, None) => Err(unknown(store, study, study_id, wanted).await?.into()),
    }
}

/// That there is no such subject; or of which it was the reference.
async fn unknown(store: &Store, study: &Study, study_id: i64, wanted: &str) -> Result<Refusal, CommandError> {
    let mut tx = store.begin().await?;
    let mut of = Vec::new();
    for site in &study.sites {
        let key = enroll::key_of(study, &site.code, wanted);
        if let Some(earlier) = binding::find_earlier(&mut tx, study_id, &key).await? {
            of.extend(earlier.subjects.iter().map(|subject| study.subject_number(subject.number)));
        }
    }
    of.sort_unstable();
    of.dedup();
    let wanted = wanted.to_string();
    Ok(match of.is_empty() {
        true => Refusal::Subject(study.slug.clone(), wanted),
        false => Refusal::Earlier(wanted, of.join(", ")),
    })
}

pub(super) fn reason_of(order: &Order<'_>) -> Result<String, Refusal> {
    let reason = text::clean(order.reason, limits::DEED_REASON_CHARS);
    if reason.is_empty() { Err(Refusal::NoReason) } else { Ok(reason) }
}

/// Discloses one subject's arm to one person; the letter goes to them, and notices to those who must know. Gives whether it
/// is the first time, with the allocations, each with the kit that the subject has now.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn unblind(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
    person: &str,
) -> Result<Disclosed, CommandError> {
    let study = &shelved.study;
    let reason = reason_of(&order)?;
    let unknown = || Refusal::Person(study.slug.clone(), person.to_string());
    let person = study.people.iter().find(|one| one.id == person).ok_or_else(unknown)?;
    let found = find_subject(shelf.store(), study, shelved.id, order.subject).await?;
    let mut ledger = Ledger::begin(shelf).await?;
    ledger.lock(shelved).await?;
    let enrolled = accept::load(&mut ledger, found.id).await?;
    let number = study.subject_number(found.number);
    let allocation = enrolled.allocation.clone().ok_or_else(|| Refusal::NotRandomized(number.clone()))?;
    if study.blinding == Blinding::Open {
        return Err(Refusal::Open(study.slug.clone(), number).into());
    }
    if !Deed::Unblind.allowed(study, person) || !person.acts_for_any(found.sites()) {
        return Err(Refusal::NotEntitled(person.id.clone()).into());
    }
    let what = Break { person, actor: order.actor, enrolled: &enrolled, reason: &reason, inbox_id: None };
    let broken = unblind::record(&mut ledger, shelved, means, what).await?;
    let to = Addressing { site: Some(&found.site), subject_id: Some(found.id), ..Addressing::unasked(study, person) };
    let language = study.language_of(person);
    let mut outgoing = vec![unblind::letter(shelved, means, what, &allocation, broken.fact(), to, language)?];
    if let Broken::Now(fact) = &broken {
        outgoing.extend(unblind::notices(shelved, means, what, fact)?);
    }
    compose::post(&mut ledger.tx, Some(shelved.id), means, None, &outgoing).await?;
    ledger.commit().await?;
    let first = AllocationRow { kit: enrolled.kit, ..allocation };
    let further = enrolled.further.into_iter().map(|own| AllocationRow { kit: own.kit, ..own.allocation });
    Ok(Disclosed { subject: found, broken, given: std::iter::once(first).chain(further).collect() })
}

/// A subject's arms told to somebody, by command.
#[derive(Clone, Debug)]
pub struct Disclosed {
    /// Whose.
    pub subject: SubjectRow,
    /// That it happened.
    pub broken: Broken,
    /// The first allocation and the further ones, each with the kit it had last.
    pub given: Vec<AllocationRow>,
}

/// Every subject of a closed study with its allocations, each with the kit it had last; who has it done for whom, and why, stands
/// in the chain. `by` is the id of the person of the study who opens the blind. The first time the staff hear that it happened.
///
/// # Errors
/// A [`Refusal`] unless the study is closed and names that person, or the database.
pub async fn unblind_all(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    (actor, by): (&str, &str),
    reason: &str,
) -> Result<Vec<(SubjectRow, Vec<AllocationRow>)>, CommandError> {
    let order = Order { actor, subject: "", reason };
    let reason = reason_of(&order)?;
    if !shelved.study.people.iter().any(|person| person.id == by) {
        return Err(Refusal::Person(shelved.study.slug.clone(), by.to_string()).into());
    }
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    if page.row.state != State::Closed {
        return Err(Refusal::NotClosed(shelved.study.slug.clone()).into());
    }
    let subjects = page.row.subjects;
    let first = ending::conceals(&shelved.study) && ending::is_first(tx, shelved.id, ending::UNBLIND_ALL).await?;
    let body = json!({ "by": by, "subjects": subjects, "reason": reason });
    enroll::append(tx, page, means, actor, ending::UNBLIND_ALL, &body).await?;
    if first {
        let decision = Decision { by: Some(by), act: Act { actor, at: means.now, reason: &reason } };
        let told = Told { step: Step::AllUnblinded, decision, subjects, waiting: 0, secret_digest: "" };
        ending::tell(tx, shelf, shelved, means, told).await?;
    }
    let journal = allocation::journal(&mut *tx, shelved.id, 0).await?;
    let mut given: BTreeMap<i64, Vec<AllocationRow>> = BTreeMap::new();
    for row in journal {
        given.entry(row.subject_id).or_default().push(row);
    }
    let mut kits = kit::list(&mut *tx, shelved.id).await?;
    kits.sort_by_key(|kit| kit.turn);
    let last: BTreeMap<i64, String> =
        kits.into_iter().filter_map(|kit| Some((kit.allocation_number?, kit.code))).collect();
    for row in given.values_mut().flatten() {
        row.kit = last.get(&row.number).cloned().or(row.kit.take());
    }
    let subjects = subject::list(&mut *tx, shelved.id, 0, i64::MAX).await?;
    ledger.commit().await?;
    let all = subjects.into_iter().map(|subject| {
        let own = given.remove(&subject.id).unwrap_or_default();
        (subject, own)
    });
    Ok(all.collect())
}

/// What became known.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its kind.
    pub kind: FactKind,
    /// Items with the values that would have been right, as typed.
    pub set: &'a BTreeMap<String, String>,
    /// The subject enrolled before, of which it is a duplicate.
    pub of: Option<&'a str>,
    /// Id of the further allocation that it is about alone.
    pub randomization: Option<&'a str>,
    /// Whether unusual values are right.
    pub sure: bool,
    /// Id of the person of the study who told it; needed in production.
    pub by: Option<&'a str>,
}

/// Notes a fact about a subject, or about one of its further allocations alone. Gives its record, and whether it
/// is new.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn note(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
    known: Known<'_>,
) -> Result<(FactRow, bool), CommandError> {
    let study = &shelved.study;
    let Known { kind, set, of, randomization, sure, by } = known;
    let reason = reason_of(&order)?;
    let person = match by {
        Some(id) if study.people.iter().any(|person| person.id == id) => id,
        Some(id) => return Err(Refusal::Person(study.slug.clone(), id.to_string()).into()),
        None if shelved.stage == Stage::Production => return Err(Refusal::Untold(study.slug.clone()).into()),
        None => order.actor,
    };
    let found = find_subject(shelf.store(), study, shelved.id, order.subject).await?;
    let of = match of {
        Some(of) => Some(find_subject(shelf.store(), study, shelved.id, of).await?),
        None => None,
    };
    match (kind, &of) {
        (FactKind::Unblinded, _) => {
            return Err(Refusal::Incomplete("an arm is disclosed with `hagaki unblind`").into());
        }
        (FactKind::TakenBack, _) => {
            return Err(Refusal::Incomplete("a fact is taken back with `hagaki subject take-back`").into());
        }
        (FactKind::Duplicate, None) => {
            return Err(Refusal::Incomplete("write with --of which subject it is a duplicate of").into());
        }
        (FactKind::Duplicate, Some(first)) if first.number >= found.number => {
            return Err(
                Refusal::Incomplete("the duplicate is the one that was enrolled later: exchange the two").into()
            );
        }
        (FactKind::Duplicate, Some(_)) | (_, None) => {}
        (_, Some(_)) => return Err(Refusal::Incomplete("--of is for duplicates only").into()),
    }
    let mut ledger = Ledger::begin(shelf).await?;
    ledger.lock(shelved).await?;
    let enrolled = accept::load(&mut ledger, found.id).await?;
    if let Some(id) = randomization {
        of_allocation(study, &enrolled, kind, id)?;
    }
    let Corrected { correction, doubts } = correction_of(study, &enrolled, kind, set)?;
    let note = Note {
        kind,
        enrolled: &enrolled,
        randomization,
        person,
        actor: order.actor,
        reason: &reason,
        correction: &correction,
        of: of.as_ref(),
        inbox_id: None,
    };
    if let Some(known) = note::known(&mut ledger, &note).await? {
        return Ok((known, false));
    }
    check_correction(kind, &correction)?;
    if !doubts.is_empty() && !sure {
        let said = Said::new(study, Language::En, enrolled.day(study.zone));
        let lines = doubts.iter().map(|(form, doubt)| said.doubt(form, doubt));
        return Err(Refusal::Unusual(lines.collect::<Vec<String>>().join("\n")).into());
    }
    let changes = &correction.changes;
    if let Some(owner) = binding::find_taken(&mut ledger.tx, study, &enrolled.subject, changes).await? {
        return Err(Refusal::ReferenceTaken(study.subject_number(owner.number)).into());
    }
    let fact = note::record(&mut ledger, shelved, means, &note).await?;
    let outgoing = note::notices(shelved, means, &note, &fact)?;
    compose::post(&mut ledger.tx, Some(shelved.id), means, None, &outgoing).await?;
    ledger.commit().await?;
    Ok((fact, true))
}

fn correction_of<'s>(
    study: &'s Study,
    enrolled: &Enrolled,
    kind: FactKind,
    set: &BTreeMap<String, String>,
) -> Result<Corrected<'s>, CommandError> {
    let corrects = matches!(kind, FactKind::WrongStratum | FactKind::Corrected);
    if set.is_empty() {
        let lacks = Refusal::Incomplete("write with --set ITEM=VALUE what would have been right");
        return if corrects { Err(lacks.into()) } else { Ok(Corrected::default()) };
    }
    if !corrects {
        return Err(Refusal::Incomplete("--set is for the kinds wrong-stratum and corrected").into());
    }
    Ok(correction::read(study, enrolled, set)?.map_err(|misread| match misread {
        Misread::Names(misnamed) => {
            let lines = misnamed.iter().map(|one| misnamed_line(study, enrolled, one));
            let known = note::forms(study, Some(enrolled)).into_iter().flat_map(|(own, form)| {
                let prefix = own.map(|own| format!("{}.", own.id)).unwrap_or_default();
                let items = form.items.iter().filter(|item| item.kind.asks());
                items.map(|item| format!("{prefix}{}", item.id)).collect::<Vec<String>>()
            });
            let known = known.collect::<Vec<String>>().join(", ");
            let lines = lines.collect::<Vec<String>>().join("\n");
            Refusal::Values(format!("{lines}\nof this subject can be corrected: {known}"))
        }
        Misread::Faults(faults) => {
            let said = Said::new(study, Language::En, enrolled.day(study.zone));
            let lines = faults.iter().map(|(form, fault)| said.fault(form, fault));
            Refusal::Values(lines.collect::<Vec<String>>().join("\n"))
        }
    })?)
}

/// Why a name means no item of the subject, for a terminal.
fn misnamed_line(study: &Study, enrolled: &Enrolled, misnamed: &Misnamed) -> String {
    let Misnamed { name, why } = misnamed;
    match why {
        Misname::Unknown => format!("{name}: no form of the study has such an item"),
        Misname::Calculated(from) => {
            format!(
                "{name}: is calculated, and follows from what it is calculated from; correct that: {}",
                from.join(", ")
            )
        }
        Misname::NotThere(ids) => {
            let number = study.subject_number(enrolled.subject.number);
            format!("{name}: {number} was not allocated in {}, whose form asks for it", ids.join(" or "))
        }
        Misname::Several(ids) => {
            let bare = name.split_once('.').map_or(name.as_str(), |(_, item)| item);
            let ways = ids.iter().map(|id| format!("{id}.{bare}")).collect::<Vec<String>>();
            format!("{name}: several forms have it; write {}", ways.join(" or "))
        }
    }
}

/// Whether a correction changes something, and is called what it is.
fn check_correction(kind: FactKind, correction: &Correction) -> Result<(), Refusal> {
    let corrects = matches!(kind, FactKind::WrongStratum | FactKind::Corrected);
    if corrects && correction.changes.is_empty() {
        return Err(Refusal::Incomplete("these values are on file already: nothing to correct"));
    }
    if kind == FactKind::WrongStratum && !correction.moves() {
        return Err(Refusal::Incomplete("no allocation looks at any of these items: use --kind corrected"));
    }
    if kind == FactKind::Corrected && correction.moves() {
        return Err(Refusal::Incomplete("an allocation looks at one of these items: use --kind wrong-stratum"));
    }
    Ok(())
}

/// Whether a fact of that kind can be about the subject's further allocation of that id alone.
fn of_allocation(study: &Study, enrolled: &Enrolled, kind: FactKind, id: &str) -> Result<(), Refusal> {
    if !kind.of_allocation() {
        let other = "--allocation is for randomized-in-error and ineligible: a correction names the items (second.isi=12), \
                     everything else is about the subject";
        return Err(Refusal::Incomplete(other));
    }
    if enrolled.find_further(id).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = study.randomizations.iter().map(|own| own.id.as_str()).collect();
    Err(Refusal::NotAllocated(study.subject_number(enrolled.subject.number), id.to_string(), known.join(", ")))
}
