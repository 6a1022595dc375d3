//! Two daemons on one database: every place is given once, every number follows the one before.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hagaki::definition::{Bundle, samples};
use hagaki::domain::kit::State;
use hagaki::domain::study::Stage;
use hagaki::mail::{Did, StepError};
use hagaki::store::inbox::Which;
use hagaki::store::subject::SubjectRow;
use hagaki::store::{Engine, Store, inbox, kit, outbox, study};

use crate::harness::*;
use crate::world::{World, ring};

const SITES: usize = 20;
const SUBJECTS: usize = 300;
const PLACES: usize = 290;
const COPIES: usize = 10;

/// AURORA with twenty sites more, an investigator at each, and fewer places than will be asked for.
fn crowded() -> Bundle {
    let bundle = edited(&samples::aurora(), "allocation.toml", "total = 240", &format!("total = {PLACES}"));
    let mut study = bundle.file("study.toml").unwrap().to_owned();
    for site in 0..SITES {
        write!(
            study,
            "\n[[sites]]\ncode = \"{code}\"\nname = {{ ja = \"病院 {code}\", en = \"Hospital {code}\" }}\n\
             [[people]]\nid = \"dr{code}\"\nname = {{ ja = \"医師 {code}\", en = \"Dr {code}\" }}\n\
             addresses = [\"dr{code}@example.jp\"]\nroles = [\"investigator\"]\nsites = [\"{code}\"]\n",
            code = 500 + site
        )
        .unwrap();
    }
    with_file(&bundle, "study.toml", &study)
}

fn registration(number: usize) -> Mail {
    let site = 500 + number % SITES;
    let form = aurora_form(&site.to_string(), &format!("R-{number:04}"));
    // The levels differ, so that every decision depends on those before.
    let (sex, stage) = (["男", "女"][number % 2], ["II", "III", "IV"][number % 3]);
    let form = form.replace("性別: 男", &format!("性別: {sex}")).replace("病期: III", &format!("病期: {stage}"));
    Mail { from: format!("dr{site}@example.jp"), ..DR_YAMADA.writes("登録", &form) }
}

/// Steps a process until nothing is left, or until either of the two has failed; how many of the desk's steps did
/// something, and what went wrong.
async fn work(mut process: Process, store: Store, failed: Arc<AtomicBool>) -> (u32, Option<StepError>) {
    let mut decided = 0;
    while !failed.load(Ordering::SeqCst) {
        let steps = [process.intake.step().await, process.desk.step().await, process.dispatch.step().await];
        decided += u32::from(matches!(steps[1], Ok(Did::Something)));
        if let Some(error) = steps.into_iter().find_map(Result::err) {
            failed.store(true, Ordering::SeqCst);
            return (decided, Some(error));
        }
        let unread = inbox::waiting_count(&store).await.unwrap();
        if unread == 0 && outbox::waiting_count(&store).await.unwrap() == 0 {
            break;
        }
    }
    process.intake.stop().await;
    (decided, None)
}

/// Lets two processes work on what has arrived until nothing is left; how many batches each of them decided.
async fn race(center: &mut Center) -> Vec<u32> {
    // All mails are there before the race begins.
    while center.process.intake.step().await.unwrap() == Did::Something {}
    let failed = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let store = Store::open(&center.world.url).await.unwrap().with_ring(ring());
        let process = center.start_on(&store);
        tasks.push(tokio::spawn(work(process, store, failed.clone())));
    }
    center.process.intake.stop().await;
    let mut shares = Vec::new();
    for task in tasks {
        let (decided, error) = task.await.unwrap();
        assert!(error.is_none(), "{error:?}");
        shares.push(decided);
    }
    shares
}

async fn everybody_at_once(engine: Engine) {
    let Some(world) = World::open(engine).await else { return };
    let mut center = Center::open(world).await;
    center.activate(&crowded(), Stage::Production).await;
    let copied = registration(100);
    for number in 0..SUBJECTS {
        let mail = if number == 100 { copied.clone() } else { registration(number) };
        center.deliver(&mail);
        if (100..100 + COPIES - 1).contains(&number) {
            center.deliver(&copied);
        }
    }
    let shares = race(&mut center).await;
    println!("{engine:?}: the two desks decided {shares:?} batches");
    center.quiet().await;

    assert_eq!(center.enrolled("aurora").await.len(), PLACES, "numbers 1 to {PLACES}, none left out");
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for mail in inbox::list(center.store(), Which::All, None, 1_000).await.unwrap() {
        *reasons.entry(mail.reason).or_default() += 1;
    }
    let expected = [("enrolled", PLACES), ("same-message", COPIES - 1), ("study-full", SUBJECTS - PLACES)];
    assert_eq!(reasons, expected.map(|(reason, count)| (reason.to_owned(), count)).into());
    let mut letters: BTreeMap<String, usize> = BTreeMap::new();
    for letter in center.arrived().await {
        *letters.entry(letter.kind).or_default() += 1;
    }
    let expected = [
        ("assignment-open", PLACES),
        ("duplicate-open", COPIES - 1),
        ("notice-open", 2 * PLACES),
        ("refusal", SUBJECTS - PLACES),
    ];
    assert_eq!(letters, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
    // Replay equal, chain whole, nothing left over.
    center.finish().await;
}

#[test]
fn two_daemons_on_one_postgres() {
    tell_together(told_two_daemons_on_one_postgres);
}

async fn told_two_daemons_on_one_postgres() {
    everybody_at_once(Engine::Postgres).await;
}

#[test]
fn two_daemons_on_one_sqlite_file() {
    tell_together(told_two_daemons_on_one_sqlite_file);
}

async fn told_two_daemons_on_one_sqlite_file() {
    everybody_at_once(Engine::Sqlite).await;
}

/// Two desks hold one mail each and wait for the study's lock; there is one place left.
#[test]
fn the_last_place_is_given_once() {
    tell_together(told_the_last_place_is_given_once);
}

async fn told_the_last_place_is_given_once() {
    let Some(world) = World::open(Engine::Postgres).await else { return };
    let mut center = Center::open(world).await;
    let one_place = edited(&samples::aurora(), "allocation.toml", "total = 240", "total = 1");
    center.activate(&one_place, Stage::Production).await;
    let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
    let mut gate = center.store().begin().await.unwrap();
    study::lock(&mut gate, row.id).await.unwrap();
    let mut tasks = Vec::new();
    for claimed in 1..=2 {
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{claimed:04}"))));
        while center.process.intake.step().await.unwrap() == Did::Something {}
        let mut desk = center.start(None).desk;
        tasks.push(tokio::spawn(async move { desk.step().await }));
        while center.world.number("SELECT count(*) FROM inbox WHERE lease_owner <> ''").await < claimed {
            assert!(!tasks.iter().any(tokio::task::JoinHandle::is_finished), "a desk ended before the gate opened");
        }
    }
    drop(gate);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    center.quiet().await;
    let mails = inbox::list(center.store(), Which::All, None, 9).await.unwrap();
    let mut reasons: Vec<&str> = mails.iter().map(|mail| mail.reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["enrolled", "study-full"]);
    assert_eq!(center.enrolled("aurora").await.len(), 1);
    center.finish().await;
}

/// Two desks hold mails of two sites that live from one central stock, until one arm has nothing left.
#[test]
fn each_kit_is_given_once() {
    tell_together(told_each_kit_is_given_once);
}

async fn told_each_kit_is_given_once() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let Some(world) = World::open(engine).await else { continue };
        let mut center = Center::open(world).await;
        let bundle = edited(&samples::borealis(), "allocation.toml", "total = 96", "total = 960");
        let rules = format!("{}\n[kits]\ncentral_threshold = 6\n", bundle.file("study.toml").unwrap());
        center.activate(&with_file(&bundle, "study.toml", &rules), Stage::Production).await;
        const MAILS: usize = 120;
        for number in 0..MAILS {
            let (writer, site) = [(DR_KOBAYASHI, "101"), (DR_LARSEN, "103")][number % 2];
            center.deliver(&writer.writes("登録", &borealis_form(site, &format!("{site}-{number:03}"))));
        }
        race(&mut center).await;
        center.quiet().await;
        let enrolled = center.enrolled("borealis").await;
        let kits: std::collections::BTreeSet<String> =
            enrolled.iter().map(|(_, _, kit)| kit.clone().unwrap()).collect();
        assert_eq!(kits.len(), enrolled.len(), "no kit twice");
        // Enrollment closed for all arms when the first had nothing left, and not before.
        let id = study::find_current(center.store(), "borealis").await.unwrap().unwrap().id;
        let mut left: BTreeMap<String, usize> = ["P", "L", "H"].map(|arm| (arm.to_owned(), 0)).into();
        for kit in kit::list(center.store(), id).await.unwrap() {
            *left.get_mut(&kit.arm).unwrap() += usize::from(kit.state == State::Available);
        }
        assert!(enrolled.len() < MAILS && left.values().any(|left| *left == 0), "{left:?}");
        let mails = inbox::list(center.store(), Which::All, None, 1_000).await.unwrap();
        let refused = mails.iter().filter(|mail| mail.reason == "no-kits").count();
        assert_eq!((mails.len(), refused), (MAILS, MAILS - enrolled.len()));
        // The shortage was told once of each arm, and once to blinded people, however many kits were given at a time.
        let letters = center.arrived().await;
        let told = |kind: &str| letters.iter().filter(|letter| letter.kind == kind).count();
        let short = left.values().filter(|left| **left < 6).count();
        assert_eq!(told("kits-short-blinded"), 0, "blinded people are told by the day's look");
        assert!((1..=short).contains(&told("kits-short-unblinded")), "{} of {left:?}", told("kits-short-unblinded"));
        center.finish().await;
    }
}

/// The second randomization of each of many subjects is asked for by several mails; there are fewer places than subjects.
#[test]
fn each_subject_is_randomized_again_once() {
    tell_together(told_each_subject_is_randomized_again_once);
}

async fn told_each_subject_is_randomized_again_once() {
    const ASKED: usize = 40;
    const TAKEN: usize = 37;
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let Some(world) = World::open(engine).await else { continue };
        let mut center = Center::open(world).await;
        let places = format!("total = {TAKEN}");
        center
            .activate(&edited(&samples::cygnus(), "allocation-second.toml", "total = 60", &places), Stage::Production)
            .await;
        let writer = |number: usize| [(DR_MORI, "201"), (DR_NOVAK, "202")][number % 2];
        for number in 1..=ASKED {
            let (writer, site) = writer(number);
            center.deliver(&writer.writes("登録", &cygnus_form(site, &format!("{site}-{number:03}"))));
        }
        center.settle().await;
        center.wind(56 * 24 * 3600);
        let subjects = center.enrolled("cygnus").await;
        let asks = |(subject, ..): &(SubjectRow, String, Option<String>)| {
            let writer = if subject.site == "201" { DR_MORI } else { DR_NOVAK };
            // The levels differ, so that every decision depends on those before.
            let score = if subject.number % 3 == 0 { "score: 15" } else { "score: 23" };
            let form = response_form(&format!("CYGNUS-{:04}", subject.number));
            writer.writes("randomize", &form.replace("score: 23", score))
        };
        let mails: Vec<Mail> = subjects.iter().map(asks).collect();
        for mail in &mails {
            center.deliver(mail);
            center.deliver(mail);
        }
        for mail in mails.iter().rev() {
            center.deliver(&mail.anew());
            center.deliver(&mail.mended("2027-01-12", "2027-01-11"));
        }
        let shares = race(&mut center).await;
        println!("{engine:?}: the two desks decided {shares:?} batches");
        center.quiet().await;
        let given = center.randomized("cygnus").await;
        let once: std::collections::BTreeSet<i64> = given.iter().map(|(number, ..)| *number).collect();
        assert_eq!((given.len(), once.len()), (TAKEN, TAKEN));
        let told = inbox::list(center.store(), Which::All, None, 1_000).await.unwrap();
        let of = |reason: &str| told.iter().filter(|mail| mail.reason == reason).count();
        assert_eq!(of("randomized"), TAKEN);
        center.finish().await;
    }
}

/// References are corrected while others register subjects under the right ones.
#[test]
fn each_reference_is_one_subjects() {
    tell_together(told_each_reference_is_one_subjects);
}

async fn told_each_reference_is_one_subjects() {
    const SUBJECTS: usize = 60;
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let Some(world) = World::open(engine).await else { continue };
        let mut center = Center::open(world).await;
        center.activate(&crowded(), Stage::Production).await;
        let first: Vec<Mail> = (0..SUBJECTS).map(registration).collect();
        first.iter().for_each(|mail| center.deliver(mail));
        center.settle().await;
        let wish = |(number, mail): (usize, &Mail)| {
            let lines = format!("症例番号: R-{number:04}\n理由: 誤記\n識別番号: Z-{number:04}\n");
            Mail { from: mail.from.clone(), ..DR_YAMADA.writes("訂正", &lines) }
        };
        let wishes: Vec<Mail> = first.iter().enumerate().map(wish).collect();
        wishes.iter().for_each(|mail| center.deliver(mail));
        let asked = center.settle().await;
        for (number, wish) in wishes.iter().enumerate() {
            let asked = asked.iter().find(|letter| letter.in_reply_to == wish.message_id).unwrap();
            let reply = Mail { from: wish.from.clone(), ..DR_YAMADA.writes("", "OK\n").to(&asked.reply_to) };
            let form = first[number].mended(&format!("R-{number:04}"), &format!("Z-{number:04}"));
            let (one, other) = if number % 2 == 0 { (&reply, &form) } else { (&form, &reply) };
            center.deliver(one);
            center.deliver(other);
        }
        let shares = race(&mut center).await;
        println!("{engine:?}: the two desks decided {shares:?} batches");
        center.quiet().await;
        let enrolled = center.enrolled("aurora").await;
        for number in 0..SUBJECTS {
            let right = format!("{}/z-{number:04}", 500 + number % SITES);
            assert_eq!(enrolled.iter().filter(|one| one.0.reference_key == right).count(), 1, "{right}");
        }
        let told = inbox::list(center.store(), Which::All, None, 1_000).await.unwrap();
        let of = |reason: &str| told.iter().filter(|mail| mail.reason == reason).count();
        let (bound, taken) = (of("corrected"), of("reference-taken"));
        assert_eq!((bound + taken, of("duplicate")), (SUBJECTS, bound));
        assert_eq!(enrolled.len(), SUBJECTS + taken);
        center.finish().await;
    }
}
