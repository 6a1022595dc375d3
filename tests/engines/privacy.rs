//! Surveys without names hold against somebody who has the whole database (promise 7): what is stored is dumped after people have
//! answered in a known order, and every way we know to join them to their answers is tried. The same ways succeed on a survey
//! with names, so that they can be seen to work.

mod attack;
mod ballots;
pub(crate) mod dump;
mod letters;
mod members;
mod personal;
mod receipts;
mod roster;
mod scheduled;
mod urn;

use std::io::Write;
use std::sync::{Arc, Mutex};

use hagaki::definition::{Bundle, samples};
use hagaki::domain::credential::Secret;
use hagaki::domain::language::Language;
use hagaki::domain::participant::Candidate;
use hagaki::domain::study::Stage;
use hagaki::domain::survey::{Mark, Privacy};
use hagaki::store::{audit, response, study};
use hagaki::web::survey::{SurveyPages, Tools};
use hagaki::workflow::credentials::{Batch, Form, Issued};
use metrics_exporter_prometheus::PrometheusBuilder;
use sha2::{Digest, Sha256};
use tracing_subscriber::fmt::MakeWriter;

use crate::browser::Served;
use crate::harness::*;
use attack::{Person, Score, attack};
use dump::{Dump, dump};

/// How many answer.
const MANY: usize = 40;
/// How many answers are opened together.
const BATCH: usize = 20;
/// More than that many right in one way are no accident: of two batches about two are expected, whatever the way.
const ACCIDENTS: usize = 9;

/// WELLBEING, answered once, with that privacy, until the end of November.
fn bundle(privacy: Privacy, batch: usize) -> Bundle {
    let bundle =
        edited(&unscheduled(&samples::wellbeing()), "study.toml", "responses = \"repeat\"", "responses = \"once\"");
    let bundle = edited(&bundle, "study.toml", "review = true", "review = false");
    let bundle = edited(&bundle, "study.toml", "closes = 2036-03-31", "closes = 2026-11-30");
    let batch = if privacy.names() { String::new() } else { format!("\nbatch = {batch}") };
    let mode = format!("privacy = \"{}\"{batch}", privacy.key());
    edited(&bundle, "study.toml", "privacy = \"named\"", &mode)
}

async fn row(center: &Center) -> study::StudyRow {
    study::find_current(center.store(), "wellbeing").await.unwrap().unwrap()
}

/// Invites so many people.
async fn invite(center: &Center, many: usize) -> Batch {
    let candidate = |number: usize| Candidate {
        address: address(number),
        name: format!("Person {number}"),
        language: Some(Language::En),
        ..Candidate::default()
    };
    let candidates: Vec<Candidate> = (0..many).map(candidate).collect();
    center.issue("wellbeing", &candidates, center.terms(Form::Both)).await
}

fn address(number: usize) -> String {
    format!("person-{number:03}@example.jp")
}

async fn serve(center: &Center) -> Served {
    let tools = Tools {
        shelf: Arc::new(center.shelf_on(center.store())),
        clock: center.clock.clone(),
        dice: center.dice.clone(),
        keys: center.keys.clone(),
        desk: center.process.calendar.desk.clone(),
        files: center.process.calendar.files.clone(),
        proxies: Vec::new(),
        dispatch_bells: vec![center.process.dispatch.bell.clone()],
    };
    Served::start(SurveyPages::new(tools).router()).await
}

/// Words that nobody else writes; their order is not that of the numbers.
fn words(number: usize) -> String {
    let digest = Sha256::digest(format!("words of {number}"));
    format!("w{}", data_encoding::HEXLOWER.encode(&digest[..8]))
}

fn path(issued: &Issued) -> String {
    issued.link.as_deref().unwrap().strip_prefix("https://hagaki.example.jp").unwrap().to_owned()
}

/// Everybody answers, a minute apart, in an order that is not the list's; gives them in that order.
async fn answer(center: &Center, pages: &Served, issued: &[Issued]) -> Vec<Person> {
    let mut people = Vec::new();
    for at in 0..issued.len() {
        people.push(answer_one(center, pages, issued, at).await);
    }
    people
}

/// Whoever answers next after so many others does, a minute later.
async fn answer_one(center: &Center, pages: &Served, issued: &[Issued], at: usize) -> Person {
    let number = (at * 13 + 3) % issued.len();
    answer_by(center, pages, &path(&issued[number]), number).await
}

/// The person of that number answers by their link, a minute later.
async fn answer_by(center: &Center, pages: &Served, path: &str, number: usize) -> Person {
    center.wind(60);
    let mark = pages.get(path).await.field("_mark");
    let words = words(number);
    let fields = [
        ("_mark", mark.as_str()),
        ("_lang", "en"),
        ("day", "2026-11-01"),
        ("mood", "7"),
        ("pain", "no"),
        ("tired", "2"),
        ("worried", "1"),
        ("met", "3"),
        ("remark", &words),
    ];
    let sent = pages.post(path, &fields).await;
    assert_eq!(sent.status, 303, "{sent:?}");
    let receipt = sent.location().split("receipt=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    Person { address: address(number), receipt, words }
}

/// Whoever writes a line writes it here.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// The best ways, for a message.
fn best(scores: &[Score]) -> Vec<&Score> {
    let mut best: Vec<&Score> = scores.iter().collect();
    best.sort_by_key(|score| std::cmp::Reverse(score.right));
    best.truncate(5);
    best
}

fn assert_blind(dump: &Dump, people: &[Person]) {
    let scores = attack(dump, people);
    assert!(scores.len() > 20, "{scores:?}");
    assert!(scores.iter().all(|score| score.right <= ACCIDENTS), "{:?}", best(&scores));
}

/// That nothing of anybody stands in plain bytes.
fn assert_sealed(dump: &Dump, people: &[Person]) {
    for person in people {
        assert!(!dump.rows.iter().any(|row| row.holds(&person.words)), "{person:?}");
        assert!(!dump.lies_in_files(person.words.as_bytes()), "{person:?}");
    }
}

/// People answer a survey without names; at every stage nobody can be joined to an answer.
async fn without_names(center: &mut Center, privacy: Privacy) {
    let lines = Lines::default();
    let logging = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(lines.clone()).finish();
    let _logging = tracing::subscriber::set_default(logging);
    let recorder = PrometheusBuilder::new().build_recorder();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let counted = || recorder.handle().render().contains("hagaki_responses_total");
    center.activate(&bundle(privacy, BATCH), Stage::Production).await;
    let issued = invite(center, MANY).await.issued;
    center.settle().await;
    center.attend().await;
    let pages = serve(center).await;
    let people = answer(center, &pages, &issued).await;
    assert_eq!(row(center).await.responses, MANY as i64);

    let sealed = dump(&center.world).await;
    assert_eq!((sealed.table("urn").count(), sealed.table("response").count()), (MANY, 0));
    assert_sealed(&sealed, &people);
    let lengths: std::collections::BTreeSet<usize> = sealed.table("urn").map(|row| row.cell("sealed").len()).collect();
    assert_eq!(lengths.len(), 1, "the length tells something");
    assert!(!counted(), "a counter that moves with each answer is a clock");

    center.attend().await;
    let half = dump(&center.world).await;
    assert_eq!((half.table("urn").count(), half.table("response").count()), (MANY - BATCH, BATCH));
    let open: Vec<Person> =
        people.iter().filter(|person| half.table("response").any(|row| row.holds(&person.words))).cloned().collect();
    assert_eq!(open.len(), BATCH);
    assert_blind(&half, &open);
    let rest: Vec<Person> =
        people.iter().filter(|person| !open.iter().any(|other| other.words == person.words)).cloned().collect();
    assert_sealed(&half, &rest);

    center.wind(14 * 24 * 3600);
    center.attend().await;
    let whole = dump(&center.world).await;
    assert_eq!((whole.table("urn").count(), whole.table("response").count()), (0, MANY));
    assert!(counted());
    assert_blind(&whole, &people);
    for sealed in sealed.table("urn") {
        let bytes = data_encoding::HEXLOWER.decode(sealed.cell("sealed").as_bytes()).unwrap();
        // The first bytes name the key, the next are random; of a text out of line they begin a piece.
        assert!(!whole.lies_in_files(&bytes[8..72]), "a sealed response is left over");
    }
    let all = response::list(center.store(), row(center).await.id, &Mark([0; 16]), 100).await.unwrap();
    assert!(
        all.iter().all(|one| one.participant_id.is_none() && one.answered_at.is_none() && one.audit_digest.is_none())
    );
    assert!(all.iter().all(|one| one.typed == "{}" && one.language.is_empty()));
    let entries = audit::list(center.store(), row(center).await.id, 0, 100).await.unwrap();
    let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["activate", "issue-credentials", "open-urn", "open-urn"]);

    let lines = lines.text();
    for (person, issued) in people.iter().zip(&issued) {
        for told in [&person.address, &person.receipt, &person.words, issued.link.as_ref().unwrap()] {
            assert!(!lines.contains(told.as_str()), "{told} stands in a log line");
        }
    }
    let told = pages.get(&format!("{}?lang=en", path(&issued[0]))).await.body;
    assert!(
        told.contains("opened only shuffled, 20 or more together") && told.contains("Nobody can find them by it"),
        "{told}"
    );
    let told = pages.get(&format!("{}?lang=ja", path(&issued[0]))).await.body;
    assert!(
        told.contains("20 人分以上が集まってから順番を混ぜて")
            && told.contains("番号から回答を探し出すことは誰にもできない"),
        "{told}"
    );
}

stories! {
    async fn the_ways_to_join_succeed_where_names_are_kept(center: &mut Center) {
        center.activate(&bundle(Privacy::Named, BATCH), Stage::Production).await;
        let issued = invite(center, MANY).await.issued;
        center.settle().await;
        center.attend().await;
        let pages = serve(center).await;
        let people = answer(center, &pages, &issued).await;
        let scores = attack(&dump(&center.world).await, &people);
        let right = |part: &str| scores.iter().filter(|score| score.way.contains(part)).map(|score| score.right).max();
        for way in ["shared values, from the answer", "shared values, from the address", "people at the door", "answers by answered_at"] {
            assert_eq!(right(way), Some(MANY), "{way}: {:?}", best(&scores));
        }
        // What the engines themselves tell.
        let engine = match center.store().engine() {
            hagaki::store::Engine::Sqlite => "place in the files",
            hagaki::store::Engine::Postgres => "answers by (xmin)",
        };
        assert_eq!(right(engine), Some(MANY), "{:?}", best(&scores));
    }

    async fn anonymous_answers_are_nobodys(center: &mut Center) {
        without_names(center, Privacy::Anonymous).await;
        // Who answered is known, to the day.
        let dump = dump(&center.world).await;
        assert!(dump.table("answered").all(|row| row.cell("day").len() == 10));
        assert!(dump.table("credential").all(|row| !row.cell("participant_id").is_empty()));
    }

    async fn of_fully_anonymous_answers_nobody_knows_who_gave_any(center: &mut Center) {
        without_names(center, Privacy::FullyAnonymous).await;
        let dump = dump(&center.world).await;
        assert!(dump.table("answered").all(|row| row.cell("day").is_empty()));
        assert!(dump.table("credential").all(|row| !row.cells.contains_key("participant_id") && !row.cells.contains_key("issued_at")));
    }

    async fn whose_a_credential_is_cannot_be_told(center: &mut Center) {
        // Fewer than a batch could be told apart by their transaction.
        center.activate(&bundle(Privacy::FullyAnonymous, BATCH), Stage::Production).await;
        let batch = invite(center, BATCH - 1).await;
        assert_eq!((batch.issued.len(), batch.too_few), (0, BATCH - 1));
        let issued = invite(center, MANY).await.issued;
        center.settle().await;
        center.attend().await;
        let dump = dump(&center.world).await;
        let digest_of = |issued: &Issued| {
            let secret = Secret::parse(issued.link.as_deref().unwrap().rsplit('/').next().unwrap()).unwrap();
            data_encoding::HEXLOWER.encode(&secret.link_digest())
        };
        // A credential stands for its owner's answer here: the ways are the same.
        let people: Vec<Person> = issued
            .iter()
            .map(|one| Person { address: one.candidate.address.clone(), receipt: "-".repeat(40), words: digest_of(one) })
            .collect();
        let credentials = Dump {
            rows: dump
                .rows
                .iter()
                .cloned()
                .map(|mut row| {
                    if row.table == "credential" {
                        row.table = "response".to_owned();
                    }
                    row
                })
                .collect(),
            files: dump.files.clone(),
        };
        assert_blind(&credentials, &people);
        assert_eq!(credentials.table("response").count(), MANY);
    }
}
