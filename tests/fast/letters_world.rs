//! A blinded study with names that can be looked for, and the letters of a day in it.

use std::collections::BTreeMap;

use hagaki::domain::answer::{Answer, Fault, FaultCode, Form, Value};
use hagaki::domain::deed::{Deed, Lack, Misname, Misnamed, Unblinding, Wanted};
use hagaki::domain::event::{Anchor, Event, Timing};
use hagaki::domain::fact::{FactKind, Recounting};
use hagaki::domain::instrument::{Choice, Choices, DayBound, Instrument, Item, ItemKind, Keys, Limits};
use hagaki::domain::kit::{Day, StockRules};
use hagaki::domain::language::{Language, Text};
use hagaki::domain::study::{
    Arm, Authentication, Blinding, Caps, Forcing, Kit, Person, Registration, Rescreening, Role, Site, Stage, Study,
    Trust, UniqueWithin,
};
use hagaki::domain::time::{Instant, Zone};
use hagaki::letters::facts::{
    Amendment, AmendmentInFull, AmendmentPlan, AmendmentPlanned, AmendmentWithdrawn, ArmBalance, AssignmentBlinded,
    AssignmentFailedAlert, Balance, BlankForm, Change, Confirm, Conflict, DeedConfirm, DeedForm, Digest,
    DigestUnblinded, Disclosure, Enrollment, EventEntry, EventForm, Facts, FollowUpConfirm, FollowUpDone, FollowUpForm,
    Head, Help, KitRefused, KitReplaced, KitReplacedBlinded, KitReplacedUnblinded, KitsQuarantined, KitsShortBlinded,
    KitsShortUnblinded, Links, Milestone, Noted, NoticeBlind, NoticeUnblinded, Opening, Phase, ReadCorrection, Reader,
    Reason, Refusal, Replacement, Sameness, ShortArm, Step, Unblinded, UnblindingNotice, WeeklyReportUnblinded,
};
use hagaki::letters::{Kind, Letter, samples};

pub(crate) const SERVICE: &str = "reg+borealis@example.jp";
pub(crate) const KEY: &[u8] = b"installation key";
/// Nothing but an unblinded letter may hold any of these.
pub(crate) const ARM_WORDS: [&str; 6] = ["ZZRED", "ZZBLUE", "Crimson", "Cobalt", "紅の群", "藍の群"];

pub(crate) fn both(en: &str, ja: &str) -> Text {
    Text::new([(Language::En, en.to_string()), (Language::Ja, ja.to_string())])
}

pub(crate) fn item(id: &str, en: &str, ja: &str, kind: ItemKind) -> Item {
    Item {
        id: id.into(),
        kind,
        label: both(en, ja),
        help: None,
        aliases: vec![],
        required: true,
        when: None,
        unit: None,
        personal: false,
        hard: Limits::default(),
        soft: Limits::default(),
        begins_page: false,
        matrix: None,
        values: vec![],
    }
}

fn integer(number: i64) -> Option<hagaki::domain::number::Rational> {
    Some(hagaki::domain::number::Rational::from_integer(number.into()))
}

pub(crate) fn study() -> Study {
    let sex = [("F", "Female", "女"), ("M", "Male", "男")];
    let choice = |(code, en, ja): (&str, &str, &str)| Choice {
        code: code.into(),
        label: both(en, ja),
        aliases: vec![],
        other: false,
    };
    let items = vec![
        item("site_code", "Site", "施設コード", ItemKind::Choice(Choices::Sites)),
        Item { personal: true, ..item("subject_ref", "Subject ref", "識別番号", ItemKind::Text { pattern: None }) },
        Item {
            unit: Some(both("years", "歳")),
            hard: Limits { min: integer(20), max: integer(99), ..Limits::default() },
            soft: Limits { min: integer(20), max: integer(85), ..Limits::default() },
            ..item("age", "Age", "年齢", ItemKind::Integer)
        },
        item("sex", "Sex", "性別", ItemKind::Choice(Choices::Listed(sex.map(choice).to_vec()))),
        Item {
            hard: Limits {
                earliest: Some(DayBound::Today(-30)),
                latest: Some(DayBound::Today(0)),
                ..Limits::default()
            },
            ..item("consent_date", "Consent date", "同意取得日", ItemKind::Date)
        },
        Item { required: false, ..item("remarks", "Remarks", "備考", ItemKind::Note) },
    ];
    let person = |id: &str, en: &str, ja: &str, roles: &[Role], sites: &[&str]| Person {
        id: id.into(),
        name: both(en, ja),
        addresses: vec![format!("{id}@example.jp")],
        roles: roles.to_vec(),
        sites: sites.iter().map(|site| site.to_string()).collect(),
        language: None,
        representative: None,
    };
    Study {
        planned_subjects: None,
        slug: "borealis".into(),
        tag: "BOREALIS".into(),
        former_tags: Vec::new(),
        title: both("The Borealis Trial", "ボレアリス試験"),
        languages: vec![Language::Ja, Language::En],
        zone: Zone::find("Asia/Tokyo").expect("a zone"),
        blinding: Blinding::Blinded,
        arms: vec![
            Arm { code: "ZZRED".into(), name: both("Crimson", "紅の群") },
            Arm { code: "ZZBLUE".into(), name: both("Cobalt", "藍の群") },
        ],
        sites: ["012", "013"]
            .map(|code| Site {
                code: code.into(),
                name: both(&format!("Hospital {code}"), &format!("第{code}病院")),
                cap: None,
                opens: None,
                closes: None,
            })
            .to_vec(),
        people: vec![
            person("yamada", "Taro Yamada", "山田 太郎", &[Role::Investigator], &["012"]),
            person("sato", "Hanako Sato", "佐藤 花子", &[Role::Coordinator], &[]),
            person("kato", "Jiro Kato", "加藤 次郎", &[Role::Pharmacist], &[]),
        ],
        trust: Trust {
            authentication: Authentication::Dmarc,
            token: false,
            confirm: true,
            openpgp: Default::default(),
            encrypt_letters: false,
        },
        certificates: Default::default(),
        registration: Registration {
            instrument: "registration".into(),
            site_item: Some("site_code".into()),
            subject_item: "subject_ref".into(),
            unique_within: UniqueWithin::Site,
            rescreening: Rescreening::default(),
        },
        registers: true,
        survey: None,
        instruments: vec![Instrument {
            id: "registration".into(),
            title: both("Registration", "症例登録"),
            items,
            checks: vec![],
            keys: Keys::default(),
        }],
        eligibility: vec![],
        scheme: None,
        recounting: Recounting::default(),
        forcing: Forcing { limit: 5, roles: vec![Role::Pharmacist] },
        caps: Caps { total: None, arms: vec![("ZZRED".into(), 7)], stratum: None },
        cohorts: vec![],
        randomizations: vec![],
        schedule: None,
        election: None,
        events: Vec::new(),
        kits: vec![Kit { code: "K-4711".into(), arm: "ZZRED".into(), site: None, expires: None, lot: String::new() }],
        digest: hagaki::domain::study::Digest::default(),
        stock: StockRules { threshold: 3, central_threshold: 5, ..StockRules::default() },
        notices: vec![],
        unblinding: Unblinding::default(),
        step_up: None,
        post: None,
    }
}

pub(crate) fn now() -> Instant {
    Instant::parse_rfc3339("2026-11-20T09:05:00+09:00").expect("an instant")
}

pub(crate) fn good_form() -> Form {
    let mut form = Form::default();
    let mut answer = |item: &str, typed: &str, value: Value| {
        form.typed.insert(item.into(), typed.into());
        form.answers.insert(item.into(), Answer { typed: typed.into(), value });
    };
    answer("site_code", "０１２", Value::Choice("012".into()));
    answer("subject_ref", "A-0031", Value::Text("A-0031".into()));
    answer("age", "９７", Value::Integer(97));
    answer("sex", "女", Value::Choice("F".into()));
    answer("consent_date", "R8.11.1", Value::Date(chrono::NaiveDate::from_ymd_opt(2026, 11, 1).expect("a day")));
    answer("remarks", "first\n\n> third: x\n-- \n# fifth", Value::Text("first".into()));
    form
}

pub(crate) fn faulty_form() -> Form {
    let mut form = good_form();
    for (item, code, typed) in [
        ("body", FaultCode::Control, ""),
        ("age", FaultCode::Range, "650"),
        ("sex", FaultCode::Code, "<b>X</b>{{arm}}"),
        ("consent_date", FaultCode::Date, "2026/2/30\u{202e}\r\nBcc: x"),
        ("subject_ref", FaultCode::Missing, ""),
    ] {
        form.answers.remove(item);
        if item != "body" {
            form.typed.insert(item.into(), typed.into());
        }
        form.faults.push(Fault { item: item.into(), code, typed: typed.into(), expected: String::new() });
    }
    form.unknown.push(("差出人".into(), "<i>somebody</i>".into()));
    form
}

/// Every letter a blinded study sends, from its own types; to whom.
pub(crate) fn letters(study: &Study, language: Language) -> Vec<(Letter, Person)> {
    let stage = Stage::Production;
    let [yamada, sato, kato] = study.people.as_slice() else { panic!("three people") };
    let instrument = study.registration_instrument();
    let form = good_form();
    let answers = form.canonical();
    let chain = "0123456789abcdef".repeat(4);
    let enrollment = Enrollment {
        study,
        stage,
        subject: "B-0003",
        site: "012",
        at: now(),
        allocation: 3,
        chain: &chain,
        answers: &answers,
        links: Links::default(),
    };
    let reader = Reader { study, person: yamada, today: now().day_in(study.zone), language };
    let mut doubtful = form.clone();
    doubtful.doubts.push(Fault {
        item: "age".into(),
        code: FaultCode::Range,
        typed: "９７".into(),
        expected: "20..85".into(),
    });
    let mut changed: BTreeMap<String, String> = answers.clone();
    changed.insert("age".into(), "66".into());
    changed.insert("subject_ref".into(), "A-0032".into());
    let conflict = |sameness| Conflict::new(&reader, instrument, "B-0003", now(), &answers, &changed, sameness);
    let blinded = || AssignmentBlinded::new(&enrollment, "K-4711", KEY, language);
    let reasons = [
        Reason::StudyFull,
        Reason::SiteFull,
        Reason::SiteNotOpen("2026-12-01".parse().expect("a day")),
        Reason::SiteClosed("2026-11-19".parse().expect("a day")),
        Reason::StratumFull,
        Reason::Paused,
        Reason::Closed,
        Reason::EnrollmentEnded,
        Reason::NoKits,
        Reason::SiteNotTheirs("013".into()),
        Reason::NoRole,
    ];
    let reply_to = "reg+borealis+c.abc@example.jp";
    let facts = vec![
        (Facts::AssignmentBlinded(blinded()), yamada),
        (Facts::DuplicateBlinded(blinded()), yamada),
        (Facts::StatusBlinded(blinded()), yamada),
        (Facts::Refusal(Refusal::new(&reader, instrument, &faulty_form(), &[])), yamada),
        (Facts::Refusal(Refusal::new(&reader, instrument, &form, &reasons)), yamada),
        (Facts::Conflict(conflict(Sameness::SameSite)), yamada),
        (Facts::Conflict(conflict(Sameness::OtherSite)), yamada),
        (Facts::Confirm(Confirm::new(&reader, instrument, &doubtful, reply_to, now().plus_seconds(86_400))), yamada),
        (Facts::BlankForm(BlankForm::new(&reader, instrument, Phase::Enrolling)), yamada),
        (Facts::Help(Help::new(&reader, Phase::Enrolling)), yamada),
        (Facts::NoticeBlind(NoticeBlind::new(&enrollment, language)), sato),
        (Facts::NoticeUnblinded(NoticeUnblinded::new(&enrollment, &study.arms[0], Some("K-4711"), language)), kato),
        (Facts::AssignmentFailedAlert(AssignmentFailedAlert::new(&enrollment, yamada, "43", "5.1.1", language)), sato),
    ];
    let replaced = Replacement {
        study,
        subject: "B-0003",
        site: "012",
        at: now(),
        old: "K-4711",
        new: "K-4802",
        reason: "冷蔵庫の故障",
    };
    let lots = [("L77".to_string(), Day(20_270_331), 2)];
    let short = |place: usize, left: i64, lots: &[_]| ShortArm::new(&study.arms[place], left, lots, language);
    let both_short = vec![short(0, 2, &lots), short(1, 0, &[])];
    let kits = [
        (Facts::KitReplacedBlinded(KitReplacedBlinded::new(&replaced, language)), yamada),
        (Facts::KitReplacedUnblinded(KitReplacedUnblinded::new(&replaced, &study.arms[0], language)), kato),
        (Facts::KitsShortBlinded(KitsShortBlinded::new(study, "012", language)), sato),
        (Facts::KitsShortBlinded(KitsShortBlinded::new(study, "", language)), sato),
        (Facts::KitsShortUnblinded(KitsShortUnblinded::new(study, "012", both_short, language)), kato),
        (Facts::KitsShortUnblinded(KitsShortUnblinded::new(study, "", vec![short(0, 1, &[])], language)), kato),
    ];
    let letter = |(facts, person): (Facts, &Person)| {
        let head = Head::new(study, stage, person, Some("012"), SERVICE, now(), language);
        (Letter::to(person, study.blinding, language, head, facts).expect("they may read it"), person.clone())
    };
    let mut all: Vec<(Letter, Person)> = facts.into_iter().map(letter).collect();
    for kind in [Kind::StatusUnknown, Kind::ConfirmExpired, Kind::NotEntitled, Kind::QuarantineNotice] {
        let letter = hagaki::letters::samples::for_study(kind, study, stage, yamada, SERVICE, now(), language);
        all.push((letter, yamada.clone()));
    }
    for (facts, person) in kits {
        let head = Head::new(study, stage, person, Some("012"), SERVICE, now(), language);
        all.push((
            Letter::to(person, study.blinding, language, head, facts).expect("they may read it"),
            person.clone(),
        ));
    }
    all.extend(deeds(study, &enrollment, &reader, &changed).into_iter().map(letter));
    let digest = Digest::new(study, stage, "2026-11-20", (3, 3), (9, &"5f".repeat(32)));
    let levels = vec![("012".to_owned(), vec![1, 2])];
    let first = ArmBalance::new(study, &study.arms, &[1, 2], &[("site".to_owned(), levels)], language)
        .with_forced(0, study.forcing.limit);
    let balance = Balance { first, further: Vec::new() };
    let daily = [
        (Facts::Digest(digest.clone()), sato),
        (Facts::DigestUnblinded(DigestUnblinded { digest, balance: balance.clone() }), kato),
        (Facts::Balance(balance.clone()), kato),
    ];
    all.extend(daily.into_iter().map(letter));
    let step = |by, reason: &str| {
        Milestone::new(study, now(), by, reason, language).with_counts(3, 1).with_secret_digest(&"5f".repeat(32))
    };
    let steps = [
        (Facts::of_step(Step::EnrollmentEnded, step(Some(sato), "Cobalt does harm, the board says")), yamada),
        (Facts::of_step(Step::EnrollmentReopened, step(None, "<i>{{arm}}\r\nBcc: x")), yamada),
        (Facts::of_step(Step::StudyClosed, step(Some(sato), "the last visit is done")), yamada),
        (Facts::of_step(Step::AllUnblinded, step(Some(kato), "analysis: 紅の群")), yamada),
        (Facts::of_step(Step::SecretRevealed, step(Some(kato), "for the report")), sato),
    ];
    all.extend(steps.into_iter().map(letter));
    all.extend(follow_ups(study, &reader, &form).into_iter().map(letter));
    let noted = Noted::new(&enrollment, FactKind::Withdrawn, "Taro Yamada", now(), "Moved", "", Vec::new(), language);
    all.push(letter((Facts::FactNotice(noted.without_reason()), sato)));
    let amended = |by, reason: &str| Amendment::new(study, (2, now(), Some(now())), by, reason, language);
    let told = ["eligibility adult: rule `age >= 18` instead of `age >= 20`", "<b>{{arm}}</b>\r\nBcc: x"];
    all.push(letter((Facts::StudyAmended(amended(Some(sato), "Cobalt does harm").with_changes(&told)), yamada)));
    all.push(letter((Facts::StudyAmended(amended(None, "a word").without_reason()), yamada)));
    let full = AmendmentInFull::new(
        amended(Some(kato), "protocol 2.0"),
        &[told[0], "arm C: called \"Cobalt\" instead of \"Copper\" (en)"],
    );
    all.push(letter((Facts::StudyAmendedUnblinded(full), kato)));
    let Facts::WeeklyReport(report) = samples::sample(Kind::WeeklyReport, language).facts else { panic!("a report") };
    let weekly = [
        (Facts::WeeklyReport(report.clone()), sato),
        (Facts::WeeklyReportUnblinded(Box::new(WeeklyReportUnblinded { report: *report, balance })), kato),
    ];
    all.extend(weekly.into_iter().map(letter));
    let plan = |by, reason: &str| AmendmentPlan::new(study, (2, now()), by, reason, language);
    let planned = AmendmentPlanned::new(study, plan(Some(sato), "Cobalt does harm"), &told);
    let withdrawn = |plan, failed| Facts::AmendmentWithdrawn(AmendmentWithdrawn { plan, failed });
    all.push(letter((Facts::AmendmentPlanned(planned), yamada)));
    all.push(letter((withdrawn(plan(None, "a word").without_reason(), false), yamada)));
    all.push(letter((withdrawn(plan(None, ""), true), yamada)));
    all
}

/// The letters on a form of an event that has the items of the registration, personal ones among them.
fn follow_ups<'a>(study: &'a Study, reader: &Reader<'_>, form: &Form) -> Vec<(Facts, &'a Person)> {
    let yamada = &study.people[0];
    let event = Event {
        id: "week_4".into(),
        name: both("Week 4", "4週後"),
        instruments: vec![study.registration.instrument.clone()],
        timing: Some(Timing { after: Anchor::Enrolled, days: 28, early: 3, late: 7 }),
        repeats: false,
        day_item: None,
        when: None,
        checks: Vec::new(),
    };
    let window = event.timing.as_ref().and_then(|timing| timing.window(reader.today));
    let instrument = study.registration_instrument();
    let about = EventForm { event: &event, instrument, window, subject: "B-0003", site: "012" };
    let (answers, reason) = (form.canonical(), "<i>somebody\r\nBcc: x {{arm}}");
    let mut before = answers.clone();
    before.values_mut().for_each(|value| value.push('9'));
    let digest = "5f".repeat(32);
    let entry =
        EventEntry { at: Some(now()), person: "yamada", occasion: None, digest: &digest, answers: &answers, reason };
    let corrects = Some((reason, &before));
    let to = ("reg+c.abc@example.jp", now().plus_seconds(86_400));
    vec![
        (Facts::FollowUpDone(FollowUpDone::new(reader, about, entry, Some(form), Some(&before))), yamada),
        (Facts::FollowUpDone(FollowUpDone::new(reader, about, entry, None, None)), yamada),
        (Facts::FollowUpConfirm(FollowUpConfirm::new(reader, about, form, corrects, to)), yamada),
        (Facts::FollowUpForm(FollowUpForm::blank(reader, about)), yamada),
    ]
}

/// The letters of acts about one subject.
fn deeds<'a>(
    study: &'a Study,
    enrollment: &Enrollment<'_>,
    reader: &Reader<'_>,
    changed: &BTreeMap<String, String>,
) -> Vec<(Facts, &'a Person)> {
    let [yamada, sato, _] = study.people.as_slice() else { panic!("three people") };
    let language = reader.language;
    let typed = "Anaphylaxis\r\nBcc: x <b>{{arm}}</b>";
    let wanted = Wanted {
        deed: Deed::Unblind,
        subject: String::new(),
        site: None,
        reason: typed.into(),
        changes: BTreeMap::new(),
        kits: Vec::new(),
        randomization: None,
        which: String::new(),
        unused: Vec::new(),
    };
    let unused = vec![("Colour of <b>eyes</b>".to_string(), "{{arm}}\r\nBcc: x".to_string())];
    let changes = BTreeMap::from([("sex".to_string(), "<i>{{arm}}\r\nBcc: x".to_string())]);
    let subject = "B-0003".to_string();
    let correcting = Wanted { deed: Deed::Correct, subject, unused, changes, ..wanted.clone() };
    let registration = study.registration_instrument();
    let misnamed = Misnamed { name: "age".into(), why: Misname::Calculated(vec!["sex".into()]) };
    let read = ReadCorrection {
        same: Change::list(reader, registration, enrollment.answers, enrollment.answers),
        ..ReadCorrection::default()
    };
    let replacing = Wanted { deed: Deed::ReplaceKit, ..wanted.clone() };
    let kits = vec!["K-4711".to_string(), "K-4802".to_string()];
    let keeping = Wanted { deed: Deed::QuarantineKit, reason: String::new(), kits, ..wanted.clone() };
    let until = now().plus_seconds(86_400);
    let reply_to = "reg+c.abc@example.jp";
    let read = ReadCorrection { changes: Change::list(reader, registration, enrollment.answers, changed), ..read };
    let opening = Opening { by: yamada, at: now(), reason: typed };
    let telling = Opening { reason: "the nurse says that he gets crimson", ..opening };
    let disclosure = Disclosure::to(study, yamada, "012", &study.arms[0], Some("K-4711")).expect("they may");
    assert!(Disclosure::to(study, yamada, "013", &study.arms[0], None).is_none(), "not their site");
    assert!(Disclosure::to(study, sato, "012", &study.arms[0], None).is_none(), "not their role");
    vec![
        (Facts::DeedForm(DeedForm::new(&wanted, &[Lack::Subject])), yamada),
        (
            Facts::DeedForm(
                DeedForm::new(&correcting, &[Lack::Changes])
                    .with_items(reader, &correcting, &[(None, registration)])
                    .with_misnamed(reader, &[misnamed]),
            ),
            yamada,
        ),
        (
            Facts::DeedConfirm(DeedConfirm::new(enrollment, Deed::Correct, typed, read, reply_to, until, language)),
            yamada,
        ),
        (
            Facts::FactNotice(Noted::new(
                enrollment,
                FactKind::Duplicate,
                "Taro Yamada",
                now(),
                typed,
                "B-0001",
                Vec::new(),
                language,
            )),
            sato,
        ),
        (Facts::DeedForm(DeedForm::new(&replacing, &[Lack::SubjectOrKit])), yamada),
        (Facts::DeedForm(DeedForm::new(&keeping, &[Lack::Reason])), yamada),
        (
            Facts::DeedConfirm(
                DeedConfirm::of_kits(study, Deed::QuarantineKit, typed, reply_to, until).with_kits(&keeping.kits),
            ),
            yamada,
        ),
        (Facts::KitReplaced(KitReplaced::new(study, "B-0003", "012", "K-4711", "K-4802", false, language)), yamada),
        (Facts::KitsQuarantined(KitsQuarantined::new(&keeping.kits, false)), yamada),
        (Facts::KitRefused(KitRefused::new(Deed::ReplaceKit, "short")), yamada),
        (
            Facts::KitRefused(
                KitRefused::new(Deed::QuarantineKit, "kits")
                    .with_kits([("K-1<b>", "unknown"), ("K-4711", "taken"), ("K-4802", "twice")].into_iter()),
            ),
            yamada,
        ),
        (Facts::Unblinded(Unblinded::new(enrollment, opening, &disclosure, language)), yamada),
        (Facts::UnblindingNotice(UnblindingNotice::new(enrollment, opening, language)), sato),
        (Facts::UnblindingNotice(UnblindingNotice::new(enrollment, telling, language)), sato),
    ]
}
