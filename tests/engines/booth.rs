//! The booth in a real browser: saved and opened from disk, served, from its archive, and without scripts; on a phone and on a desk.

mod voter;
#[path = "../fast/belenios/world.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod world;

use std::collections::VecDeque;
use std::future::ready;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hagaki::domain::belenios::audit::{self, Expected};
use hagaki::domain::belenios::ballot;
use hagaki::domain::belenios::element::Element;
use hagaki::domain::belenios::json::base64_digest;
use hagaki::web::booth::{BoothPage, BoothPlan};
use serde_json::json;
use voter::Voter;
use world::{SEED, World, question};

use crate::browser::Served;
use crate::chromium::{self, Chromium};

const SCREENS: [(&str, u32, u32); 2] = [("phone", 390, 844), ("desk", 1200, 900)];
const COUNCIL: [&str; 10] = [
    "佐藤",
    "鈴木",
    "高橋",
    "田中",
    "伊藤",
    "渡辺",
    "山本",
    "中村",
    "Kobayashi, a name that is longer than a line of a phone is",
    "加藤",
];

/// A council of ten candidates, and a confidence vote.
fn council() -> (World, Vec<String>) {
    World::with_credentials(&[question(&COUNCIL, true, 1, 3), question(&["信任", "不信任"], true, 1, 1)])
}

fn page(world: &World, cast: Option<&str>) -> BoothPage {
    let election = std::str::from_utf8(&world.parts.election).unwrap();
    let keys: Vec<Element> = world.keys.iter().map(|(key, _)| *key).collect();
    BoothPage::assemble(&BoothPlan { election: Some(election), keys: &keys, cast }).unwrap()
}

fn browser(width: u32, height: u32) -> Chromium {
    let mut browser = Chromium::start();
    browser.screen(width, height);
    browser
}

/// What was voted, if every ballot holds.
fn counted(world: &mut World, ballots: Vec<String>) -> Option<Vec<Vec<u64>>> {
    world.parts.ballots = ballots.into_iter().map(String::into_bytes).collect();
    world.close();
    let report = audit::check(&world.parts.write(), Expected::default(), SEED);
    assert_eq!(report.problems, []);
    report.result
}

/// Says that the vote is not cast, in the banner and in the title.
#[track_caller]
fn assert_not_cast(voter: &mut Voter, language: &str) {
    let expected = if language == "ja" { "まだ投票していません" } else { "You have NOT voted yet" };
    let banner = voter.text("state");
    assert!(banner.starts_with(expected), "{banner}");
    let title = voter.browser.run("document.title");
    assert!(title.as_str().is_some_and(|title| title.starts_with(expected)), "{title}");
    // On top, and in sight.
    let top = voter.browser.run("document.getElementById('state').getBoundingClientRect().top");
    let high = voter.browser.run("innerHeight").as_f64().unwrap();
    assert!(top.as_f64().is_some_and(|top| (0.0..high / 2.0).contains(&top)), "{top}");
}

#[test]
fn a_saved_page_makes_a_ballot_without_a_network() {
    if !chromium::is_there() {
        return;
    }
    let (mut world, credentials) = council();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("booth.html");
    std::fs::write(&file, page(&world, Some("https://vote.example.jp/e/council")).text()).unwrap();
    let mut ballots = Vec::new();
    let visits = ["ja", "en"].into_iter().zip(SCREENS).chain(["en", "ja"].into_iter().zip(SCREENS));
    for (language, (screen, width, height)) in visits {
        let mut browser = browser(width, height);
        if screen == "phone" {
            browser.slowed(4);
        }
        let mut voter = Voter::open(browser, &format!("file://{}", file.display()), language);
        let name = |page: &str| format!("booth-{language}-{screen}-{page}");
        voter.sees("start");
        assert_not_cast(&mut voter, language);
        assert_eq!(voter.text("fingerprint"), world.election.fingerprint);
        voter.browser.look(&name("1-start"));
        for (typed, fault) in [
            ("", "credential_empty"),
            ("111-111-111-111-11w", "credential_typo"),
            ("zzzzz-zzzzzz-zzzzz-zzzzzz", "credential_unknown"),
        ] {
            voter.types("credential", typed);
            voter.submit("start_form");
            voter.browser.wait_for(&format!("document.getElementById('credential_fault').dataset.word === '{fault}'"));
            assert_eq!(voter.browser.run("document.getElementById('credential').value"), json!(typed));
        }
        assert!(voter.browser.described("#credential").contains(&voter.text("credential_fault")));
        voter.browser.look(&name("2-start-faulty"));
        voter.enters(&credentials[0].replace('-', "　"));
        voter.ticks(0, &[0, 1, 2, 8]);
        voter.submit("vote_form");
        assert_not_cast(&mut voter, language);
        assert_eq!(voter.browser.run("document.querySelectorAll('#questions .faulty').length"), json!(2));
        voter.browser.look(&name("3-vote-faulty"));
        // A blank ballot and names exclude each other.
        voter.ticks(0, &[10]);
        assert_eq!(voter.browser.run("document.querySelectorAll('[name=question-0]:checked').length"), json!(1));
        voter.ticks(0, &[8, 1]);
        voter.ticks(1, &[2]);
        voter.browser.look(&name("4-vote"));
        voter.submit("vote_form");
        voter.sees("review");
        assert!(voter.text("chosen").contains(COUNCIL[8]) && !voter.text("chosen").contains(COUNCIL[0]));
        assert_not_cast(&mut voter, language);
        voter.browser.look(&name("5-review"));
        voter.click("change");
        voter.sees("vote");
        voter.submit("vote_form");
        let (took, beside) = voter.seals();
        eprintln!("{language} {screen}: encrypted in {took:.0} ms");
        assert!(took < 2_000.0, "{took} ms");
        assert!(beside, "made in the page itself");
        assert_not_cast(&mut voter, language);
        assert!(voter.text("where").contains("https://vote.example.jp/e/council"));
        voter.browser.look(&name("6-sealed"));
        voter.browser.run("const made = URL.createObjectURL; URL.createObjectURL = blob => { window.kept = blob; return made.call(URL, blob); }; 1");
        voter.click("download");
        assert_not_cast(&mut voter, language);
        let ballot = voter.browser.run("window.kept.text()").as_str().unwrap().to_owned();
        assert_eq!(voter.text("tracker"), base64_digest(ballot.as_bytes()));
        assert!(!voter.browser.run("document.getElementById('by_file').hidden").as_bool().unwrap());
        ballots.push(ballot);
    }
    // Four times the same voter: the last ballot counts.
    assert_eq!(counted(&mut world, ballots), Some(vec![vec![0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0], vec![1, 0, 0]]));
}

/// What a server answers in turn; when nothing is prepared, it takes the ballot.
#[derive(Default)]
struct Urn {
    answers: Mutex<VecDeque<Response>>,
    ballots: Mutex<Vec<String>>,
}

async fn take(State(urn): State<Arc<Urn>>, ballot: String) -> Response {
    urn.ballots.lock().unwrap().push(ballot.clone());
    let prepared = urn.answers.lock().unwrap().pop_front();
    prepared.unwrap_or_else(|| Json(json!({ "tracker": base64_digest(ballot.as_bytes()) })).into_response())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ballot_is_cast_when_the_server_says_so_and_never_before() {
    if !chromium::is_there() {
        return;
    }
    let (mut world, credentials) = council();
    let served = page(&world, Some("/booth"));
    let urn = Arc::new(Urn::default());
    *urn.answers.lock().unwrap() = VecDeque::from([
        (StatusCode::CONFLICT, Json(json!({ "refused": "not-open" }))).into_response(),
        StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Json(json!({ "tracker": "another" })).into_response(),
        // Of something on the way that answers in the server's place.
        StatusCode::FORBIDDEN.into_response(),
        (StatusCode::GONE, Json(json!({ "refused": "closed" }))).into_response(),
    ]);
    let pages = Router::new().route("/booth", get(move || ready(served.answer())).post(take)).with_state(urn.clone());
    let pages = Served::start(pages).await;
    let url = pages.url("/booth");
    let credential = credentials[1].clone();
    let tracker = tokio::task::spawn_blocking(move || {
        let mut voter = Voter::open(browser(390, 844), &url, "en");
        voter.browser.look("booth-cast-1-start");
        voter.enters(&credential);
        voter.ticks(0, &[10]);
        voter.ticks(1, &[0]);
        voter.submit("vote_form");
        voter.sees("review");
        let (_, beside) = voter.seals();
        assert!(beside, "made in the page itself");
        let tracker = voter.text("tracker");
        voter.browser.look("booth-cast-2-sealed");
        let mut cast = |kind: &str, fault: &str| {
            voter.click("cast");
            voter.browser.wait_for(&format!(
                "document.getElementById('state').dataset.kind === '{kind}' && document.getElementById('cast_fault').dataset.word === '{fault}'"
            ));
            assert_eq!(voter.text("tracker"), tracker);
            voter.browser.look(&format!("booth-cast-3-{kind}-{fault}"));
        };
        cast("not", "refused_not_open");
        cast("unsure", "not_answered");
        cast("unsure", "not_answered");
        cast("unsure", "not_answered");
        // It may have arrived before.
        cast("unsure", "refused_closed");
        voter.click("cast");
        voter.sees("voted");
        assert!(voter.text("state").starts_with("You have voted"));
        assert_eq!(voter.text("voted_tracker"), tracker);
        assert_eq!(voter.browser.run("document.getElementById('credential').value"), json!(""));
        assert_eq!(voter.browser.run("document.querySelectorAll('#questions :checked').length"), json!(0));
        voter.browser.look("booth-cast-4-voted");
        tracker
    })
    .await
    .unwrap();
    let ballots = urn.ballots.lock().unwrap().clone();
    assert_eq!(ballots.len(), 6);
    assert!(ballots.iter().all(|ballot| *ballot == ballots[0] && base64_digest(ballot.as_bytes()) == tracker));
    assert_eq!(
        counted(&mut world, vec![ballots[0].clone()]),
        Some(vec![vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], vec![0, 1, 0]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ballot_that_was_made_elsewhere_is_handed_in() {
    if !chromium::is_there() {
        return;
    }
    let (mut world, _) = council();
    let votes = [vec![0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], vec![0, 0, 1]];
    let made =
        String::from_utf8(ballot::make(&world.election, &world.voters[2], &votes, &world.dice).unwrap()).unwrap();
    let served = page(&world, Some(""));
    let urn = Arc::new(Urn::default());
    let pages = Router::new().route("/booth", get(move || ready(served.answer())).post(take)).with_state(urn.clone());
    let pages = Served::start(pages).await;
    let url = pages.url("/booth");
    let ballot = made.clone();
    tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ballot.json");
        let mut voter = Voter::open(browser(1200, 900), &url, "ja");
        voter.browser.run("document.getElementById('elsewhere').open = true");
        let mut hand_in = |text: &str, told: &str| {
            std::fs::write(&file, text).unwrap();
            voter.browser.run("delete document.getElementById('elsewhere_fault').dataset.word");
            voter.browser.choose("#elsewhere_file", &file);
            voter.submit("elsewhere_form");
            voter.browser.wait_for(told);
        };
        let fault = |code: &str| format!("document.getElementById('elsewhere_fault').dataset.word === '{code}'");
        hand_in(&ballot[..1_000], &fault("ballot_unreadable"));
        hand_in(&ballot.replacen("\"beta\":\"", "\"beta\":\"1", 1), &fault("ballot_unreadable"));
        hand_in(&ballot.replace("\"election_hash\":\"", "\"election_hash\":\"x"), &fault("ballot_other_election"));
        hand_in(&ballot, "!document.getElementById('sealed').hidden");
        assert_eq!(voter.text("tracker"), base64_digest(ballot.as_bytes()));
        assert_not_cast(&mut voter, "ja");
        voter.browser.look("booth-elsewhere-1-sealed");
        voter.click("cast");
        voter.sees("voted");
    })
    .await
    .unwrap();
    assert_eq!(*urn.ballots.lock().unwrap(), std::slice::from_ref(&made));
    assert_eq!(counted(&mut world, vec![made]), Some(vec![vec![0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], vec![0, 0, 1]]));
}

#[test]
fn a_page_without_an_election_takes_one_from_its_archive() {
    if !chromium::is_there() {
        return;
    }
    let (world, credentials) = council();
    let folder = tempfile::tempdir().unwrap();
    let (file, archive) = (folder.path().join("booth.html"), folder.path().join("council.bel"));
    std::fs::write(&file, BoothPage::assemble(&BoothPlan::default()).unwrap().text()).unwrap();
    std::fs::write(&archive, world.parts.voting().bytes()).unwrap();
    let mut voter = Voter::open(browser(390, 844), &format!("file://{}", file.display()), "ja");
    voter.sees("load");
    assert_not_cast(&mut voter, "ja");
    voter.submit("load_form");
    voter.browser.wait_for("document.getElementById('load_fault').dataset.word === 'load_empty'");
    voter.browser.look("booth-load");
    voter.browser.choose("#load_file", &archive);
    voter.submit("load_form");
    voter.sees("start");
    assert_eq!(voter.text("fingerprint"), world.election.fingerprint);
    voter.types("credential", "zzzzz-zzzzzz-zzzzz-zzzzzz");
    voter.submit("start_form");
    voter.browser.wait_for("document.getElementById('credential_fault').dataset.word === 'credential_unknown'");
    voter.enters(&credentials[2]);
}

#[test]
fn without_scripts_the_page_says_why_it_needs_them_and_how_else_to_vote() {
    if !chromium::is_there() {
        return;
    }
    let (world, _) = council();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("booth.html");
    std::fs::write(&file, page(&world, None).text()).unwrap();
    let mut browser = browser(390, 844);
    browser.without_scripts();
    browser.open(&format!("file://{}", file.display()));
    let text = browser.text();
    for told in [
        "You have NOT voted yet",
        "まだ投票していません",
        "JavaScript",
        "How to vote all the same",
        "投票するには",
        "選挙事務局",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(!text.contains("English"), "a button that does nothing: {text}");
}
