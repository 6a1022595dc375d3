//! Acts upon kits: quarantine, write-offs, and another kit for a subject. Lists that are added are [`super::kit_import`]'s, shipments
//! [`super::shipment`]'s.
//!
//! Each act is one entry in the study's chain, names every kit it concerns, and happens whole or not at all. Callers commit.
//! An act by mail calls the same functions as a command; only who asks differs.

use std::collections::BTreeSet;

use serde_json::json;

use super::compose::{self, Addressing, Outgoing};
use super::enroll::append;
use super::facts::standing;
use super::ledger::{Ledger, Page};
use super::shelf::ShelvedStudy;
use super::stock::{self, AtHand};
use super::{Failure, Means};
use crate::definition::Problem;
use crate::domain::deed::KIT_ROLES;
use crate::domain::fact::FactKind;
use crate::domain::kit::State;
use crate::domain::pool;
use crate::domain::study::{Person, Role, Stage, Study};
use crate::letters::facts::{KitReplacedBlinded, KitReplacedUnblinded, Replacement};
use crate::letters::{Facts, Kind};
use crate::limits;
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;
use crate::store::kit::{self, KitRow};
use crate::store::study::State as StudyState;
use crate::store::subject::SubjectRow;
use crate::store::{Tx, allocation, fact};

/// Who asks for an act, and why: stands in the audit chain.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// `operator:NAME`, or the id of a person of the study.
    pub actor: &'a str,
    /// Id of the person of the study who decided it, where the operator acts for somebody.
    pub by: Option<&'a str>,
    /// Why, in their words.
    pub reason: &'a str,
    /// The mail that asks, by its number in the inbox; none for a command.
    pub inbox_id: Option<i64>,
}

/// Why an act upon kits is refused. The texts are for a terminal; none tells an arm.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Kits are for blinded studies.
    #[error("study {0} hands out no kits: it is not blinded, or participants enroll themselves and it lists none")]
    NoKits(String),
    /// What only a study that goes on hands out.
    #[error("study {0} is closed: it hands out no kits any more; those there are can still be accounted for")]
    Closed(String),
    /// An act in production needs its reason.
    #[error("say why, with --reason: it stands in the audit chain")]
    NoReason,
    /// An act of the operator's in production needs somebody who decided it.
    #[error(
        "study {0} is in production: say who decided it with --by PERSON, an id of [[people]] in study.toml; it stands in the audit chain"
    )]
    Undecided(String),
    /// No such person.
    #[error("--by {0}: study.toml names no person of that id")]
    Person(String),
    /// Kits that speak against the act, one line for each.
    #[error("{}\nnothing was changed", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Kits(Vec<KitFault>),
    /// Too many at once.
    #[error("more than {} kits in one act; do it in several", limits::KIT_CODES)]
    TooMany,
    /// Nothing to act upon.
    #[error("no kit is meant: name codes, or where they lie")]
    None,
    /// A place that is no site.
    #[error(
        "the study has no site {0}; write the code of a section [[sites]] of study.toml, or \"central\" for the central stock"
    )]
    NoSite(String),
    /// The list of kits cannot be used.
    #[error("{}\nnothing was added", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    List(Vec<Problem>),
    /// The subject has no kit that could be replaced.
    #[error("{0} was given no kit, so there is none to replace; `hagaki subject show` tells what it has")]
    NotGiven(String),
    /// The subject has kits of several allocations.
    #[error("{0} has kits of several randomizations; name the one to be replaced by its code")]
    SeveralGiven(String),
    /// A person of the study whose roles or sites do not allow it.
    #[error(
        "{0} may not do that there: it takes an investigator, coordinator or pharmacist who acts for the site (roles and sites in study.toml)"
    )]
    NotEntitled(String),
    /// By mail nobody who was withdrawn is given another kit.
    #[error("{0} was withdrawn: another kit is given by command alone, with the reason why it is needed all the same")]
    Withdrawn(String),
    /// By mail as many were given as may be.
    #[error(
        "{0} was given {1} kits in place of others, as many as may be by mail ([kits] replacements in study.toml); more are given by command"
    )]
    Often(String, u32),
    /// No kit can be handed out.
    #[error("there is no kit to give now; send some to the site, or to the central stock, and try again")]
    Short,
}

/// Why one kit speaks against an act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KitFault {
    /// No kit has that code; or it lies where whoever asks has no business.
    #[error("there is no kit {0}; `hagaki kit list` shows those there are")]
    Unknown(String),
    /// Named more than once.
    #[error("kit {0} is named twice; name each once")]
    Twice(String),
    /// It is what cannot become what was asked for.
    #[error("kit {code} is {now} and cannot become {next}; leave it out, or look at it with `hagaki kit show`", code = .0, now = .1.key(), next = .2.key())]
    State(String, State, State),
    /// A shipment would not move it.
    #[error("kit {0} lies there already; leave it out")]
    There(String),
    /// It is what cannot be shipped.
    #[error("kit {code} is {now} and cannot be shipped; only kits that are available or quarantined can", code = .0, now = .1.key())]
    Fixed(String, State),
}

impl KitFault {
    /// The kit's code, as named.
    pub fn code(&self) -> &str {
        match self {
            KitFault::Unknown(code)
            | KitFault::Twice(code)
            | KitFault::State(code, ..)
            | KitFault::There(code)
            | KitFault::Fixed(code, _) => code,
        }
    }

    /// Key in templates (`kit-<key>`): letters tell what somebody at a site can mend, and nothing of a kit's way.
    pub const fn key(&self) -> &'static str {
        match self {
            KitFault::Unknown(_) => "unknown",
            KitFault::Twice(_) => "twice",
            KitFault::State(..) | KitFault::There(_) | KitFault::Fixed(..) => "taken",
        }
    }
}

/// An act's failure: refused, or failed.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// We say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// We could not.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<crate::store::StoreError> for KitError {
    fn from(error: crate::store::StoreError) -> KitError {
        KitError::Failed(Failure::Store(error))
    }
}

/// Who asks for an act upon kits.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// A command.
    Operator,
    /// A person of the study.
    Person(&'a Person),
}

impl Asker<'_> {
    /// Whether they may give a subject of that site another kit, or turn a kit that lies there into `next`: whoever treats
    /// or hands out there may replace and keep back, and whoever hands out may do all else.
    fn may(self, site: &str, next: State) -> bool {
        let Asker::Person(person) = self else { return true };
        let here = if site.is_empty() { person.sites.is_empty() } else { person.acts_for(site) };
        let roles: &[Role] = match next {
            State::Replaced | State::Quarantined => &KIT_ROLES,
            _ => &[Role::Pharmacist],
        };
        here && roles.iter().any(|role| person.has(*role))
    }

    /// Whether they may learn of arms.
    fn knows_arms(self, study: &Study) -> bool {
        match self {
            Asker::Operator => true,
            Asker::Person(person) => Kind::KitReplacedUnblinded.may_go_to(study.blinding, person),
        }
    }
}

/// Another kit was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The subject's number as people read it.
    pub subject: String,
    /// Code of the kit that was given before.
    pub old: String,
    /// Code of the kit to be given.
    pub new: String,
}

pub(super) fn check(shelved: &ShelvedStudy, order: Order<'_>) -> Result<(), Refusal> {
    if !shelved.study.hands_out_kits() {
        return Err(Refusal::NoKits(shelved.study.slug.clone()));
    }
    if shelved.stage == Stage::Production && order.reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    match order.by {
        Some(id) if shelved.study.people.iter().all(|person| person.id != id) => Err(Refusal::Person(id.to_string())),
        // A mail is its sender's own act.
        None if shelved.stage == Stage::Production && order.inbox_id.is_none() => {
            Err(Refusal::Undecided(shelved.study.slug.clone()))
        }
        _ => Ok(()),
    }
}

/// Whether a subject, of whom these facts are known, may be given one more kit of an allocation for which it was given so many: whoever
/// asks by mail is refused what a person should look at first, and a command takes its reason.
///
/// # Errors
/// A [`Refusal`].
pub(super) fn may_replace(
    study: &Study,
    number: i64,
    (facts, given): (&[FactRow], i64),
    by_mail: bool,
    reason: &str,
) -> Result<(), Refusal> {
    let withdrawn = standing(facts).any(|fact| fact.kind == FactKind::Withdrawn);
    let most = study.stock.replacements;
    match (by_mail, withdrawn) {
        (true, true) => Err(Refusal::Withdrawn(study.subject_number(number))),
        (true, false) if given > i64::from(most) => Err(Refusal::Often(study.subject_number(number), most)),
        (false, true) if reason.trim().is_empty() => Err(Refusal::NoReason),
        _ => Ok(()),
    }
}

/// After the close no kit leaves for a subject, however it is asked for.
pub(super) fn hands_out(page: &Page) -> Result<(), Refusal> {
    if page.row.state == StudyState::Closed { Err(Refusal::Closed(page.row.slug.clone())) } else { Ok(()) }
}

/// The kits of these codes, and what speaks against turning each into `next`.
///
/// # Errors
/// A [`Refusal`] where there is none or too many, or the database.
pub(super) async fn judge(
    tx: &mut Tx,
    id: i64,
    asker: Asker<'_>,
    codes: &[String],
    next: State,
) -> Result<(Vec<KitRow>, Vec<KitFault>), KitError> {
    let (mut kits, mut faults) = find_all(tx, id, codes).await?;
    // What lies where somebody has no business is told from what is not there by nothing.
    let foreign = kits.extract_if(.., |kit| !asker.may(&kit.site, next));
    faults.extend(foreign.map(|kit| KitFault::Unknown(kit.code)));
    for kit in kits.iter().filter(|kit| !kit.state.may_become(next)) {
        faults.push(KitFault::State(kit.code.clone(), kit.state, next));
    }
    Ok((kits, faults))
}

/// The kits of these codes, and a fault for each code that is none.
pub(super) async fn find_all(tx: &mut Tx, id: i64, codes: &[String]) -> Result<(Vec<KitRow>, Vec<KitFault>), KitError> {
    if codes.is_empty() {
        return Err(Refusal::None.into());
    }
    if codes.len() > limits::KIT_CODES {
        return Err(Refusal::TooMany.into());
    }
    let (mut kits, mut faults, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for code in codes {
        match kit::find_by_code(&mut *tx, id, code).await? {
            Some(_) if !seen.insert(code) => faults.push(KitFault::Twice(code.clone())),
            Some(kit) => kits.push(kit),
            None => faults.push(KitFault::Unknown(code.clone())),
        }
    }
    Ok((kits, faults))
}

/// Turns kits from what they are into `next`, if all of them may become that.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn change(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
    asker: Asker<'_>,
    codes: &[String],
    next: State,
) -> Result<Vec<KitRow>, KitError> {
    check(shelved, order)?;
    let (tx, page) = ledger.lock(shelved).await?;
    let (kits, faults) = judge(tx, shelved.id, asker, codes, next).await?;
    if !faults.is_empty() {
        return Err(Refusal::Kits(faults).into());
    }
    for kit in &kits {
        kit::record_state(tx, kit, next).await?;
    }
    let action = match next {
        State::Available => "kit-release",
        State::Quarantined => "kit-quarantine",
        _ => "kit-mark",
    };
    let body =
        json!({ "state": next.key(), "codes": codes, "by": order.by, "reason": order.reason, "inbox": order.inbox_id });
    append(tx, page, means, order.actor, action, &body).await?;
    tell(ledger, shelved, means, order).await?;
    Ok(kits)
}

/// The allocations of a subject for which it was given kits, each with its kits in their order.
pub(super) async fn had(tx: &mut Tx, subject: &SubjectRow) -> Result<Vec<(AllocationRow, Vec<KitRow>)>, Failure> {
    let mut had = Vec::new();
    for given in allocation::list_by_subject(&mut *tx, subject.id).await? {
        let kits = kit::list_of_allocation(&mut *tx, given.study_id, given.number).await?;
        if !kits.is_empty() {
            had.push((given, kits));
        }
    }
    Ok(had)
}

/// Gives a subject another kit of its arm; the one it had is not to be used any more. The allocation stays as it is.
///
/// Where a blinded person asks, the shortage of any open arm refuses, as it does an enrollment: otherwise they could learn which
/// subjects share the arm that is short. A closed arm refuses nobody but its own subjects: its kits are recalled as a rule, for
/// good, and every other subject would go without as long as the study lasts. Its own subjects are refused as all are while an open
/// arm is short, else only if none of its kits is left; that this tells them apart then is the price of treating the others, and
/// whoever recalls a treatment has to tell its subjects' sites anyhow. Whoever may know arms, and the operator, are refused by the
/// subject's own arm only.
/// `code` is that of a kit it was given, which tells for which of its allocations another one is wanted.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn replace(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
    subject: &SubjectRow,
    code: Option<&str>,
    asker: Asker<'_>,
) -> Result<Replaced, KitError> {
    check(shelved, order)?;
    let study = &shelved.study;
    if let Asker::Person(person) = asker
        && !subject.sites().any(|site| asker.may(site, State::Replaced))
    {
        return Err(Refusal::NotEntitled(person.id.clone()).into());
    }
    let number = study.subject_number(subject.number);
    let (tx, page) = ledger.lock(shelved).await?;
    hands_out(page)?;
    let mut had = had(tx, subject).await?;
    if let Some(code) = code {
        had.retain(|(_, kits)| kits.iter().any(|kit| kit.code == code));
    }
    if had.len() > 1 {
        return Err(Refusal::SeveralGiven(number).into());
    }
    let Some((given, Some(old))) = had.pop().map(|(given, mut kits)| (given, kits.pop())) else {
        return Err(Refusal::NotGiven(number).into());
    };
    let facts = fact::list_by_subject(&mut *tx, subject.id).await?;
    may_replace(study, subject.number, (&facts, old.turn), order.inbox_id.is_some(), order.reason)?;
    let rules = study.find_rules(&given.randomization);
    let arms = rules.map_or(&study.arms[..], |rules| rules.arms);
    let at_hand = AtHand::count(tx, shelved, arms, means.now, &subject.site).await?;
    let covered = rules.is_none_or(|rules| at_hand.covers_open_arms(rules.scheme, arms));
    if !asker.knows_arms(study) && !covered {
        return Err(Refusal::Short.into());
    }
    // Subjects of closed arms ask for kits, too.
    let next = at_hand.next(tx, shelved, &given.arm, &subject.site, |_| true).await?.ok_or(Refusal::Short)?;
    if old.state == State::Dispensed {
        kit::record_state(tx, &old, State::Replaced).await?;
    }
    let turn = old.turn + 1;
    kit::record_use(tx, &next, given.number, turn).await?;
    let body = json!({ "subject": subject.number, "allocation": given.number, "from": old.code, "to": next.code,
                       "turn": turn, "kit_rule": pool::RULE, "bundle": shelved.version,
                       "by": order.by, "reason": order.reason, "inbox": order.inbox_id });
    append(tx, page, means, order.actor, "kit-replace", &body).await?;
    let replacement = Replacement {
        study,
        subject: &number,
        site: &subject.site,
        at: means.now,
        old: &old.code,
        new: &next.code,
        reason: order.reason,
    };
    let mut outgoing =
        replaced_letters(shelved, means, &replacement, subject, &given.arm, (asker, order.inbox_id.is_some()))?;
    outgoing.extend(at_hand.tell_without(tx, shelved, means, &next).await?);
    compose::post(tx, Some(shelved.id), means, order.inbox_id, &outgoing).await?;
    Ok(Replaced { subject: number.clone(), old: old.code, new: next.code })
}

/// To whoever enrolled the subject: the code. To whoever hands out kits: the arm too. Whoever asks by mail is answered
/// elsewhere, with the code.
fn replaced_letters(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    replacement: &Replacement<'_>,
    subject: &SubjectRow,
    arm: &str,
    (asker, by_mail): (Asker<'_>, bool),
) -> Result<Vec<Outgoing>, Failure> {
    let study = &shelved.study;
    let site = subject.site.as_str();
    let arm = study
        .find_arm(arm)
        .ok_or_else(|| Failure::Contradiction(format!("arm {arm} is on file but not in the study")))?;
    let keepers = stock::keepers(study, Kind::KitReplacedUnblinded, site);
    // What somebody who may know the arm has to say could tell it.
    let concealed =
        Replacement { reason: if asker.knows_arms(study) { "" } else { replacement.reason }, ..*replacement };
    let asked = |person: &Person| matches!(asker, Asker::Person(one) if one.id == person.id);
    let answered = |person: &Person| by_mail && asked(person);
    let enrolled_by = |person: &Person| person.id == subject.person && person.acts_for(site);
    let reachable = study.people.iter().any(enrolled_by);
    let mut outgoing = Vec::new();
    for person in &study.people {
        let keeps = keepers.iter().any(|keeper| keeper.id == person.id);
        // Where whoever enrolled is gone, everybody who could have enrolled there.
        let treats = if reachable {
            enrolled_by(person)
        } else {
            person.acts_for(site) && person.roles.iter().any(|role| role.enrolls())
        };
        if !keeps && (answered(person) || !treats && !asked(person)) {
            continue;
        }
        let language = study.language_of(person);
        let facts = if Kind::KitReplacedUnblinded.may_go_to(study.blinding, person) {
            Facts::KitReplacedUnblinded(KitReplacedUnblinded::new(replacement, arm, language))
        } else {
            Facts::KitReplacedBlinded(KitReplacedBlinded::new(&concealed, language))
        };
        let to = Addressing { site: Some(site), subject_id: Some(subject.id), ..Addressing::unasked(study, person) };
        outgoing.push(compose::compose(shelved, means, to, facts)?);
    }
    Ok(outgoing)
}

pub(super) async fn tell(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
) -> Result<(), Failure> {
    let letters = stock::tell_all(&mut ledger.tx, shelved, means).await?;
    compose::post(&mut ledger.tx, Some(shelved.id), means, order.inbox_id, &letters).await
}
