//! One sample of every letter in every language: what `check` renders, `preview` shows and `--fields` lists.

mod amendment;
mod calendar;
mod correction;
mod election;
mod follow_up;
mod invented;
mod leave;
mod sealed;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use self::correction::{doubts, of_correction, unused};
use super::facts::{
    AllocationHad, ArmBalance, AssignmentBlinded, AssignmentFailedAlert, AssignmentOpen, Balance, BlankForm, Change,
    Confirm, Conflict, DeedConfirm, DeedForm, Disclosure, Dispute, Enrollment, EpochBalance, FactLine, Facts,
    FurtherBalance, FurtherBlinded, FurtherCount, FurtherOpen, Head, Help, KitReplaced, KitReplacedBlinded,
    KitReplacedUnblinded, KitsShortBlinded, KitsShortUnblinded, Lacking, Letter, Links, Noted, NoticeBlind, NoticeOpen,
    NoticeRandomized, NoticeRandomizedBlind, NoticeUnblinded, Opening, Phase, RandomizationConfirm,
    RandomizationConflict, RandomizationForm, RandomizationName, RandomizationRefused, Randomized, RandomizedBlinded,
    RandomizedOpen, Reader, Refusal, RegistrationDone, Replacement, Sameness, ShortArm, StatusUnknown, SurveyConfirm,
    SurveyDone, SurveyForm, SurveyRefused, Unblinded, UnblindedFurther, UnblindingNotice,
};
pub use invented::invented_form;
use invented::with_a_gap;

use super::kind::Kind;
use super::stationery::built_in_file;
use crate::domain::answer::Form;
use crate::domain::deed::Lack;
use crate::domain::fact::FactKind;
use crate::domain::language::Language;
use crate::domain::receipt::Told;
use crate::domain::study::{Arm, Person, Stage, Study};
use crate::domain::time::Instant;

/// The samples of a language, each as it stands in its file.
#[derive(Deserialize)]
struct Samples<'a> {
    #[serde(borrow)]
    head: &'a RawValue,
    #[serde(borrow)]
    letters: BTreeMap<&'a str, &'a RawValue>,
}

/// Gone through once: there is one for each of some hundred letters.
static SAMPLES: LazyLock<BTreeMap<Language, Samples<'static>>> = LazyLock::new(|| {
    let read = |language: Language| {
        let file = built_in_file(language, "samples.json").expect("the samples of every language are built in");
        (language, serde_json::from_str(file).expect("a test reads every sample"))
    };
    Language::ALL.into_iter().map(read).collect()
});

/// The built-in sample of a letter, from `templates/<language>/samples.json`.
pub fn sample(kind: Kind, language: Language) -> Letter {
    let samples = SAMPLES.get(&language).expect("there are samples of every language");
    let head: Head = serde_json::from_str(samples.head.get()).expect("a test reads every sample");
    let facts = samples.letters.get(base(kind).key()).map(|facts| serde_json::from_str(facts.get()));
    let facts: Value = facts.transpose().expect("a test reads every sample").unwrap_or_default();
    let facts = Value::Object([(kind.key().to_string(), facts)].into_iter().collect());
    let facts: Facts = serde_json::from_value(facts).expect("a test reads every sample");
    Letter::new(language, head, facts)
}

/// The sample, and what differs most from it: in development, to the operator, with nobody to ask, with nothing listed.
pub(super) fn variants(kind: Kind, language: Language) -> Vec<Letter> {
    let full = sample(kind, language);
    let mut bare = full.clone();
    bare.head.study.development = true;
    bare.head.to.name = String::new();
    bare.head.contact = None;
    let mut more = Vec::new();
    match &mut bare.facts {
        Facts::Refusal(refusal) => {
            refusal.form = None;
            refusal.faults.clear();
            refusal.unknown.clear();
        }
        Facts::Confirm(confirm) => {
            confirm.doubts.clear();
            confirm.rescreens = "A-0003".to_string();
            confirm.unused.clear();
            confirm.earlier = true;
            more.push(Letter { facts: Facts::Confirm(confirm.clone()), ..full.clone() });
            confirm.earlier_of = vec!["A-0003".to_string(), "A-0007".to_string()];
        }
        Facts::AssignmentOpen(facts) | Facts::StatusOpen(facts) | Facts::DuplicateOpen(facts) => {
            facts.unused.clear();
            facts.known.clear();
            facts.may_rescreen = false;
            facts.latest = true;
            facts.allocated_at.clone_from(&facts.enrolled_at);
            (facts.rescreens, facts.rescreened_as) = (facts.subject.clone(), facts.subject.clone());
        }
        Facts::AssignmentBlinded(facts) | Facts::StatusBlinded(facts) | Facts::DuplicateBlinded(facts) => {
            facts.unused.clear();
            facts.known.clear();
            facts.may_rescreen = false;
            facts.latest = true;
            facts.allocated_at.clone_from(&facts.enrolled_at);
            (facts.rescreens, facts.rescreened_as) = (facts.subject.clone(), facts.subject.clone());
        }
        Facts::RegistrationDone(facts) | Facts::StatusRegistration(facts) | Facts::DuplicateRegistration(facts) => {
            facts.unused.clear();
            facts.known.clear();
            facts.may_rescreen = false;
            facts.latest = true;
            (facts.rescreens, facts.rescreened_as) = (facts.subject.clone(), facts.subject.clone());
        }
        Facts::NoticeBlind(notice) => notice.rescreens = notice.subject.clone(),
        Facts::NoticeOpen(notice) => notice.rescreens = notice.subject.clone(),
        Facts::Conflict(conflict) => {
            conflict.may_rescreen = false;
            conflict.subject = String::new();
            conflict.enrolled_at = String::new();
            conflict.differences.clear();
        }
        Facts::StatusUnknown(status) => {
            for asked in [status.asked.as_str(), ""] {
                let earlier = StatusUnknown { asked: asked.to_string(), earlier_of: vec!["A-0003".into()] };
                more.push(Letter { facts: Facts::StatusUnknown(earlier), ..full.clone() });
            }
            status.asked = String::new();
        }
        Facts::NoticeUnblinded(notice) => {
            notice.kit = String::new();
            notice.rescreens = notice.subject.clone();
        }
        Facts::KitReplacedBlinded(facts) => facts.reason = String::new(),
        Facts::KitReplacedUnblinded(facts) => facts.reason = String::new(),
        Facts::CohortFilling(facts) => facts.full = true,
        Facts::AmendmentPlanned(facts) => amendment::bare_plan(facts),
        Facts::AmendmentWithdrawn(facts) => facts.failed = true,
        Facts::AmendmentFailed(facts) => facts.reason = String::new(),
        Facts::StudyAmended(facts) => amendment::bare(facts),
        Facts::StudyAmendedUnblinded(facts) => amendment::bare(&mut facts.amendment),
        Facts::EnrollmentEnded(facts)
        | Facts::EnrollmentReopened(facts)
        | Facts::StudyClosed(facts)
        | Facts::AllUnblinded(facts)
        | Facts::SecretRevealed(facts) => {
            (facts.by, facts.reason, facts.kept_back) = (String::new(), String::new(), true);
            (facts.waiting, facts.blinded, facts.registers, facts.further) = (0, false, false, false);
            (facts.events, facts.survey) = (false, false);
        }
        Facts::Digest(facts) => {
            facts.cohorts.clear();
            facts.disputes = vec![Dispute { corrected: "A-0003".into(), other: "A-0007".into() }];
        }
        Facts::KitsShortBlinded(facts) => facts.central = true,
        Facts::KitsShortUnblinded(facts) => {
            facts.central = true;
            for line in facts.arms.iter_mut().flat_map(|short| &mut short.lots) {
                (line.lot, line.expires) = (String::new(), String::new());
            }
        }
        Facts::FactDone(facts) | Facts::FactNotice(facts) => {
            for kind in [FactKind::RandomizedInError, FactKind::Ineligible] {
                let partial = format!("fact-{}-again", kind.key());
                let own = Noted { partial, randomization: "second randomization".into(), ..facts.clone() };
                let done = matches!(full.facts, Facts::FactDone(_));
                let facts = if done { Facts::FactDone(own) } else { Facts::FactNotice(own) };
                more.push(Letter { facts, ..full.clone() });
            }
            let kind = FactKind::TakenBack;
            let line = FactLine {
                fact: FactKind::Ineligible.key().to_string(),
                partial: format!("fact-{}-again", FactKind::Ineligible.key()),
                recorded_at: facts.recorded_at.clone(),
                randomization: "second randomization".into(),
                taken_back: false,
            };
            let (fact, partial) = (kind.key().to_string(), format!("fact-{}", kind.key()));
            let (of, in_error) = (String::new(), Some(line));
            let own = Noted { fact, partial, of, in_error, changes: Vec::new(), ..facts.clone() };
            let done = matches!(full.facts, Facts::FactDone(_));
            let taken_back = if done { Facts::FactDone(own) } else { Facts::FactNotice(own) };
            more.push(Letter { facts: taken_back, ..full.clone() });
            (facts.reason, facts.kept_back) = (String::new(), true);
            facts.of = String::new();
            facts.changes.clear();
        }
        Facts::RandomizedOpen(facts) => facts.unused.clear(),
        Facts::RandomizedBlinded(facts) => facts.unused.clear(),
        Facts::RandomizationRefused(refusal) => {
            refusal.form = None;
            refusal.faults.clear();
            refusal.unknown.clear();
        }
        Facts::RandomizationConfirm(confirm) => confirm.unused.clear(),
        Facts::RandomizationForm(facts) => {
            let lacking = RandomizationForm { lacks: vec![Lacking::subject()], ..facts.clone() };
            more.push(Letter { facts: Facts::RandomizationForm(lacking), ..full.clone() });
            facts.choices = vec![RandomizationName { id: "second".into(), title: "second".into() }];
            more.push(Letter { facts: Facts::RandomizationForm(facts.clone()), ..full.clone() });
            facts.form = None;
        }
        Facts::NoticeRandomizedUnblinded(notice) => notice.kit = String::new(),
        Facts::NotEntitled(facts) => facts.no_token = true,
        Facts::Unblinded(facts) => facts.kit = String::new(),
        Facts::KitReplaced(facts) => facts.before = true,
        Facts::KitsQuarantined(facts) => facts.before = true,
        Facts::KitRefused(facts) => {
            facts.partial = "kits-short".to_string();
            facts.kits.clear();
        }
        Facts::UnblindingNotice(facts) => facts.reason = String::new(),
        Facts::DeedForm(facts) => {
            let choices = DeedForm {
                act: "replace-kit".to_string(),
                lacks: vec![Lacking::of(Lack::WhichKit)],
                choices: vec!["K-4711".into(), "K-4712".into()],
                ..facts.clone()
            };
            more.push(Letter { facts: Facts::DeedForm(choices), ..full.clone() });
            for act in ["randomized-in-error", "ineligible"] {
                let named = RandomizationName { id: "second".into(), title: "second randomization".into() };
                let error = DeedForm {
                    act: act.to_string(),
                    lacks: vec![Lacking::of(Lack::WhichAllocation), Lacking::of(Lack::Randomization)],
                    which: "third".into(),
                    allocations: true,
                    randomizations: vec![named],
                    faults: Vec::new(),
                    ..facts.clone()
                };
                let of = |id: &str, title: &str| AllocationHad {
                    id: id.into(),
                    title: title.into(),
                    day: "2026-11-20".into(),
                };
                let had = vec![of("", ""), of("second", "second randomization")];
                let known = DeedForm { had, absent: "third randomization".into(), whole: true, ..error.clone() };
                more.extend([error, known].map(|own| Letter { facts: Facts::DeedForm(own), ..full.clone() }));
            }
            facts.act = "correct".to_string();
            more.push(Letter { facts: Facts::DeedForm(of_correction(facts)), ..full.clone() });
            let taken = [None, Some("A-0007")].map(|by| facts.clone().with_taken(by));
            more.extend(taken.map(|own| Letter { facts: Facts::DeedForm(own), ..full.clone() }));
            facts.faults.clear();
        }
        Facts::DeedConfirm(facts) => {
            facts.act = "correct".to_string();
            let change = Change {
                label: "Age".into(),
                shown: true,
                was: "56".into(),
                is: "65".into(),
                randomization: String::new(),
            };
            facts.changes.push(Change { randomization: "second randomization".into(), ..change.clone() });
            facts.changes.push(change.clone());
            let read = DeedConfirm { same: vec![change], doubts: doubts(), unused: unused(), ..facts.clone() };
            more.push(Letter { facts: Facts::DeedConfirm(read), ..full.clone() });
            let kits = DeedConfirm { act: "quarantine-kit".to_string(), subject: String::new(), ..facts.clone() };
            let kits = DeedConfirm { changes: Vec::new(), kits: vec!["K-4711".into()], ..kits };
            more.push(Letter { facts: Facts::DeedConfirm(kits), ..full.clone() });
            for act in ["randomized-in-error", "ineligible"] {
                let error =
                    DeedConfirm { act: act.to_string(), changes: Vec::new(), kits: Vec::new(), ..facts.clone() };
                let again = DeedConfirm { randomization: "second randomization".into(), ..error.clone() };
                more.extend([error, again].map(|own| Letter { facts: Facts::DeedConfirm(own), ..full.clone() }));
            }
        }
        Facts::BlankForm(facts) => {
            let Facts::FollowUpRefused(refused) = sample(Kind::FollowUpRefused, language).facts else {
                return vec![full, bare];
            };
            (facts.form, facts.reasons) = (None, refused.reasons);
        }
        Facts::SurveyForm(facts) => facts.closes = String::new(),
        Facts::SurveyRefused(facts) => {
            (facts.reason, facts.form) = (String::new(), None);
            facts.faults.clear();
            facts.unknown.clear();
        }
        Facts::SurveyDone(facts) => {
            facts.before = true;
            facts.answers.clear();
            facts.unused.clear();
            more.push(Letter {
                facts: Facts::SurveyDone(SurveyDone { before: false, mended: true, ..facts.clone() }),
                ..full.clone()
            });
        }
        Facts::SurveyConfirm(facts) => facts.unused.clear(),
        Facts::Help(help) => {
            let over = [(true, false), (true, true)].map(|(ended, closed)| Help { ended, closed, ..help.clone() });
            more.extend(over.map(|own| Letter { facts: Facts::Help(own), ..full.clone() }));
            help.confirm = !help.confirm;
            help.enrolls = false;
            help.unblinds = false;
            help.kits = false;
            help.balance = false;
            help.randomizations.clear();
            help.events.clear();
        }
        _ => {
            let own = [follow_up::variants, leave::variants, calendar::variants, election::variants, sealed::variants]
                .map(|of| of(&full.facts))
                .concat();
            more.extend(own.into_iter().map(|facts| Letter { facts, ..full.clone() }));
        }
    }
    more.extend(with_further(&full).map(|facts| Letter { facts, ..full.clone() }));
    more.extend([full, bare]);
    more
}

/// The same of a subject, or a study, with a further randomization; none where the letter does not tell of it.
fn with_further(letter: &Letter) -> Option<Facts> {
    let mut facts = letter.facts.clone();
    let Facts::RandomizedOpen(open) = sample(Kind::RandomizedOpen, letter.language).facts else { return None };
    let Facts::RandomizedBlinded(blinded) = sample(Kind::RandomizedBlinded, letter.language).facts else { return None };
    match &mut facts {
        Facts::DuplicateOpen(own) | Facts::StatusOpen(own) | Facts::UnblindOpen(own) => own.further.push(FurtherOpen {
            randomization: open.randomization,
            arm: open.arm,
            randomized_at: open.randomized_at,
            allocation: open.allocation,
        }),
        Facts::DuplicateBlinded(own) | Facts::StatusBlinded(own) => own.further.push(FurtherBlinded {
            randomization: blinded.randomization,
            code: blinded.code,
            randomized_at: blinded.randomized_at,
            allocation: blinded.allocation,
        }),
        Facts::Unblinded(own) => {
            own.further.push(UnblindedFurther { randomization: open.randomization, arm: open.arm, kit: blinded.code })
        }
        Facts::Balance(own) => again(own, open.randomization),
        Facts::DigestUnblinded(own) => {
            again(&mut own.balance, open.randomization.clone());
            own.digest.further.push(FurtherCount { randomization: open.randomization, count: 3 });
        }
        Facts::Digest(own) => own.further.push(FurtherCount { randomization: open.randomization, count: 3 }),
        _ => return None,
    }
    Some(facts)
}

/// The same balance once more, as that of a further randomization.
fn again(balance: &mut Balance, randomization: String) {
    let mut own = ArmBalance {
        forced: 1,
        forced_limit: 2,
        mistaken: 1,
        as_corrected: true,
        left_out: 1,
        ..balance.first.clone()
    };
    own.groups.iter_mut().flat_map(|group| &mut group.levels).for_each(|level| level.right.clone_from(&level.counts));
    let own = own.since(EpochBalance { number: 2, from: 2, own: balance.first.clone() });
    balance.further.push(FurtherBalance { randomization, own });
    (balance.first.mistaken, balance.first.left_out) = (1, 1);
}

/// Repeated assignments have the same facts as the first.
const fn base(kind: Kind) -> Kind {
    match kind {
        Kind::DuplicateOpen | Kind::StatusOpen | Kind::UnblindOpen => Kind::AssignmentOpen,
        Kind::DuplicateBlinded | Kind::StatusBlinded => Kind::AssignmentBlinded,
        Kind::RandomizedBeforeOpen => Kind::RandomizedOpen,
        Kind::RandomizedBeforeBlinded => Kind::RandomizedBlinded,
        Kind::NoticeRandomizedOpen => Kind::NoticeRandomizedUnblinded,
        Kind::DuplicateRegistration | Kind::StatusRegistration => Kind::RegistrationDone,
        Kind::FactNotice => Kind::FactDone,
        Kind::EnrollmentReopened | Kind::StudyClosed | Kind::AllUnblinded | Kind::SecretRevealed => {
            Kind::EnrollmentEnded
        }
        Kind::ElectionRenewed | Kind::ElectionReminder => Kind::ElectionCredential,
        Kind::ElectionRefused | Kind::ElectionHelp => Kind::ElectionAsked,
        other => other,
    }
}

/// The sample of a letter as this study would send it to `person`: its names, form, sites and arms, invented answers.
pub fn for_study(
    kind: Kind,
    study: &Study,
    stage: Stage,
    person: &Person,
    service: &str,
    now: Instant,
    language: Language,
) -> Letter {
    let site = study.sites.iter().find(|site| person.acts_for(&site.code)).map_or("", |site| site.code.as_str());
    let head = Head::new(study, stage, person, Some(site), service, now, language);
    let reader = Reader { study, person, today: now.day_in(study.zone), language };
    let instrument = study.registration_instrument();
    let asked =
        study.survey.as_ref().and_then(|survey| study.find_instrument(&survey.instrument)).unwrap_or(instrument);
    let form = invented_form(instrument, site, reader.today);
    let answers = form.canonical();
    let number = study.subject_number(1);
    let (links, chain) = (Links::default(), "00");
    let enrollment =
        Enrollment { study, stage, subject: &number, site, at: now, allocation: 1, chain, answers: &answers, links };
    let invented = sample(kind, language).facts;
    let arm = study.arms.first();
    let kit = study.kits.first().map(|kit| kit.code.as_str());
    let key = b"sample";
    let open = |arm: &Arm| AssignmentOpen::new(&enrollment, arm, key, language);
    let blinded = || AssignmentBlinded::new(&enrollment, kit.unwrap_or("K-0001"), key, language);
    let registered = || RegistrationDone::new(&enrollment, key, language);
    let [old, new] = [0, 1].map(|place| study.kits.get(place).map_or("K-0001", |kit| kit.code.as_str()));
    let replaced = Replacement { study, subject: &number, site, at: now, old, new, reason: "" };
    let further = of_randomization(kind, &reader, &enrollment, service, now);
    let further = further.or_else(|| calendar::of_study(kind, &reader, now));
    let further = further.or_else(|| election::of_study(kind, study, now, language));
    if let Some(facts) = further.or_else(|| follow_up::of_study(kind, &reader, &enrollment, service, now)) {
        return Letter::new(language, head, facts);
    }
    let facts = match (kind, arm) {
        (Kind::AssignmentOpen, Some(arm)) => Facts::AssignmentOpen(open(arm)),
        (Kind::DuplicateOpen, Some(arm)) => Facts::DuplicateOpen(open(arm)),
        (Kind::StatusOpen, Some(arm)) => Facts::StatusOpen(open(arm)),
        (Kind::UnblindOpen, Some(arm)) => Facts::UnblindOpen(open(arm)),
        (Kind::Unblinded, Some(arm)) => {
            let opening = Opening { by: person, at: now, reason: "Anaphylaxis" };
            let disclosure = Disclosure::of_sample(arm, kit);
            Facts::Unblinded(Unblinded::new(&enrollment, opening, &disclosure, language))
        }
        (Kind::FactDone | Kind::FactNotice, _) => {
            let by = person.name.in_language(language);
            let noted = Noted::new(&enrollment, FactKind::Withdrawn, by, now, "Moved away", "", Vec::new(), language);
            if kind == Kind::FactDone { Facts::FactDone(noted) } else { Facts::FactNotice(noted) }
        }
        (Kind::UnblindingNotice, _) => {
            let opening = Opening { by: person, at: now, reason: "Anaphylaxis" };
            Facts::UnblindingNotice(UnblindingNotice::new(&enrollment, opening, language))
        }
        (Kind::AssignmentBlinded, _) => Facts::AssignmentBlinded(blinded()),
        (Kind::DuplicateBlinded, _) => Facts::DuplicateBlinded(blinded()),
        (Kind::StatusBlinded, _) => Facts::StatusBlinded(blinded()),
        (Kind::RegistrationDone, _) => Facts::RegistrationDone(registered()),
        (Kind::DuplicateRegistration, _) => Facts::DuplicateRegistration(registered()),
        (Kind::StatusRegistration, _) => Facts::StatusRegistration(registered()),
        (Kind::NoticeBlind, _) => Facts::NoticeBlind(NoticeBlind::new(&enrollment, language)),
        (Kind::NoticeOpen, Some(arm)) => Facts::NoticeOpen(NoticeOpen::new(&enrollment, arm, language)),
        (Kind::NoticeUnblinded, Some(arm)) => {
            Facts::NoticeUnblinded(NoticeUnblinded::new(&enrollment, arm, kit, language))
        }
        (Kind::KitReplacedBlinded, _) => Facts::KitReplacedBlinded(KitReplacedBlinded::new(&replaced, language)),
        (Kind::KitReplaced, _) => {
            let Replacement { subject, old, new, .. } = replaced;
            Facts::KitReplaced(KitReplaced::new(study, subject, site, old, new, false, language))
        }
        (Kind::KitReplacedUnblinded, Some(arm)) => {
            Facts::KitReplacedUnblinded(KitReplacedUnblinded::new(&replaced, arm, language))
        }
        (Kind::KitsShortBlinded, _) => Facts::KitsShortBlinded(KitsShortBlinded::new(study, site, language)),
        (Kind::KitsShortUnblinded, Some(arm)) => {
            let facts = KitsShortUnblinded::new(study, site, vec![ShortArm::new(arm, 0, &[], language)], language);
            Facts::KitsShortUnblinded(KitsShortUnblinded { threshold: facts.threshold.max(1), ..facts })
        }
        (Kind::AssignmentFailedAlert, _) => {
            Facts::AssignmentFailedAlert(AssignmentFailedAlert::new(&enrollment, person, "1", "5.1.1", language))
        }
        (Kind::BlankForm, _) => Facts::BlankForm(BlankForm::new(&reader, instrument, Phase::Enrolling)),
        (Kind::Help, _) => Facts::Help(Help::new(&reader, Phase::Enrolling)),
        (Kind::Refusal, _) => Facts::Refusal(Refusal::new(&reader, instrument, &with_a_gap(form), &[])),
        (Kind::Confirm, _) => {
            let reply_to = service.replacen('@', "+TOKEN@", 1);
            Facts::Confirm(Confirm::new(&reader, instrument, &form, &reply_to, now.plus_seconds(86_400)))
        }
        (Kind::SurveyForm, _) => Facts::SurveyForm(SurveyForm::new(&reader, asked)),
        (Kind::SurveyRefused, _) => {
            let form = with_a_gap(invented_form(asked, site, reader.today));
            Facts::SurveyRefused(SurveyRefused::faulty(&reader, asked, &form))
        }
        (Kind::SurveyDone, _) => {
            let form = invented_form(asked, site, reader.today);
            Facts::SurveyDone(SurveyDone::new(&reader, asked, &form, "ABCD-EFGH-IJKL", &reader.today.to_string()))
        }
        (Kind::SurveyConfirm, _) => {
            let form = invented_form(asked, site, reader.today);
            let (reply_to, until) = (service.replacen('@', "+TOKEN@", 1), now.plus_seconds(86_400));
            Facts::SurveyConfirm(SurveyConfirm::new(&reader, asked, &form, &reply_to, until))
        }
        (Kind::Conflict, _) => {
            let registered = with_a_gap(form.clone()).canonical();
            Facts::Conflict(Conflict::new(&reader, instrument, &number, now, &registered, &answers, Sameness::SameSite))
        }
        _ => invented,
    };
    Letter::new(language, head, facts)
}

/// The letters on further randomizations, as a study that has one would send them.
fn of_randomization(
    kind: Kind,
    reader: &Reader<'_>,
    enrollment: &Enrollment<'_>,
    service: &str,
    now: Instant,
) -> Option<Facts> {
    let (study, language) = (reader.study, reader.language);
    let own = study.randomizations.first()?;
    let instrument = study.find_instrument(&own.instrument)?;
    let form = invented_form(instrument, enrollment.site, reader.today);
    let (answers, number, key) = (form.canonical(), enrollment.subject, b"sample");
    let randomized =
        Randomized { enrollment, own, at: now, made_at: "", allocation: 2, chain: "00", answers: &answers };
    let arm = own.arms.first()?;
    let kit = study.kits.iter().find(|kit| kit.arm == arm.code).map_or("K-0002", |kit| kit.code.as_str());
    let open = || {
        let told = study.arms.first().map_or(Told::Registered, |arm| Told::Arm(arm.code.clone()));
        let receipt = enrollment.receipt(told, vec![randomized.again(Told::Arm(arm.code.clone()))], key);
        RandomizedOpen::new(&randomized, arm, receipt, None, language)
    };
    let blinded = || {
        let told = Told::Code("K-0001".to_string());
        let receipt = enrollment.receipt(told, vec![randomized.again(Told::Code(kit.to_string()))], key);
        RandomizedBlinded::new(&randomized, kit, receipt, None, language)
    };
    let notice = |kit| NoticeRandomized::new(&randomized, arm, kit, language);
    Some(match kind {
        Kind::RandomizedOpen => Facts::RandomizedOpen(open()),
        Kind::RandomizedBeforeOpen => Facts::RandomizedBeforeOpen(open()),
        Kind::RandomizedBlinded => Facts::RandomizedBlinded(blinded()),
        Kind::RandomizedBeforeBlinded => Facts::RandomizedBeforeBlinded(blinded()),
        Kind::NoticeRandomizedBlind => Facts::NoticeRandomizedBlind(NoticeRandomizedBlind::new(&randomized, language)),
        Kind::NoticeRandomizedOpen => Facts::NoticeRandomizedOpen(notice(None)),
        Kind::NoticeRandomizedUnblinded => Facts::NoticeRandomizedUnblinded(notice(Some(kit))),
        Kind::RandomizationForm => {
            let blank = Form::default();
            Facts::RandomizationForm(RandomizationForm::new(reader, Some((own, instrument)), number, &blank))
        }
        Kind::RandomizationRefused => {
            let form = with_a_gap(form);
            Facts::RandomizationRefused(RandomizationRefused::new(reader, own, instrument, number, &form, &[]))
        }
        Kind::RandomizationConflict => {
            let then = with_a_gap(form).canonical();
            Facts::RandomizationConflict(RandomizationConflict::new(
                reader,
                own,
                instrument,
                number,
                now.local(reader.study.zone),
                &then,
                &answers,
            ))
        }
        Kind::RandomizationConfirm => {
            let (reply_to, until) = (service.replacen('@', "+TOKEN@", 1), now.plus_seconds(86_400));
            let facts = RandomizationConfirm::new(reader, own, instrument, number, &form, &reply_to, until);
            Facts::RandomizationConfirm(facts)
        }
        _ => return None,
    })
}

/// Every sample by kind and language.
pub fn all() -> BTreeMap<(Kind, Language), Letter> {
    let kinds = Kind::ALL.into_iter().flat_map(|kind| Language::ALL.map(|language| (kind, language)));
    kinds.map(|(kind, language)| ((kind, language), sample(kind, language))).collect()
}
