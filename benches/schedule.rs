//! How fast schedules are: the next time of a rule, a rehearsal of 10,000 people and 90 days, and a step of the calendar that finds nothing
//! to send among a million letters that wait, on SQLite and on a PostgreSQL server of its own (or that of `HAGAKI_TEST_POSTGRES`).

mod load;
#[path = "../tests/engines/postgres.rs"]
mod postgres;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use hagaki::daemon::run::keys;
use hagaki::definition::{self, samples};
use hagaki::domain::schedule::rehearsal::{Assumed, Somebody, Stretch, rehearse};
use hagaki::domain::schedule::{Cron, Letter, Occasion, Series, Target};
use hagaki::domain::study::Stage;
use hagaki::domain::time::{Instant, Zone};
use hagaki::store::planned_letter::{self, PlannedLetter, State};
use hagaki::store::{Store, study};
use hagaki::workflow::life::{self, Act};
use hagaki::workflow::shelf::Shelf;
use hagaki::workflow::{DeskAddress, Means, schedule};

use self::load::limit;

fn cron(c: &mut Criterion) {
    let line = Cron::parse("0 9 * * mon-fri").expect("a line");
    let from = "2026-11-20T12:00:00".parse().expect("a time");
    c.bench_function("schedule/cron_next", |b| b.iter(|| line.next(black_box(from))));
}

fn rehearsal(c: &mut Criterion) {
    let (study, _) = definition::load(&samples::wellbeing()).expect("a sample");
    let schedule = study.schedule.expect("the sample has one");
    let one = |number| Somebody { name: format!("participant {number}"), rules: vec![0, 1], ..Somebody::default() };
    let people: Vec<Somebody> = (0..10_000).map(one).collect();
    let zone = Zone::find("Asia/Tokyo").expect("a zone");
    let from = zone.resolve("2026-04-20T00:00:00".parse().expect("a time"));
    let stretch = Stretch { from, until: from.plus_seconds(90 * 24 * 3600), zone, opens: None };
    let assumed = Assumed { percent: 60, delay_seconds: 48 * 3600, seed: "bench".to_owned() };
    let mut group = c.benchmark_group("schedule");
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    group.bench_function("rehearsal_10000_people_90_days", |b| {
        b.iter(|| {
            rehearse(black_box(&schedule), &people, &assumed, stretch, usize::MAX).expect("no limit").lines.len()
        });
    });
    group.finish();
}

/// A million letters to people of one study, a month from now.
async fn fill(store: &Store, study_id: i64, now: Instant) {
    const ROWS: i64 = 10_000;
    let letter = |id: i64| PlannedLetter {
        study_id,
        target: Target::participant(id),
        rule: "weekly".to_owned(),
        letter: Letter::Invitation,
        state: State::Waiting,
        occasion: Some(Occasion { series: Series::Rule, number: 1 }),
        due_at: now.plus_seconds(30 * 24 * 3600 + id % 1_000),
        wished_at: now.plus_seconds(30 * 24 * 3600),
        urged: false,
        why: String::new(),
        past: None,
        sent_at: None,
    };
    for first in (0..1_000_000).step_by(ROWS as usize) {
        let rows: Vec<PlannedLetter> = (first..first + ROWS).map(letter).collect();
        let mut tx = store.begin().await.expect("a transaction");
        planned_letter::save(&mut tx, &rows).await.expect("saved");
        tx.commit().await.expect("committed");
    }
}

fn waiting(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a scratch folder");
    let server = postgres::server();
    let mut places = vec![("sqlite", format!("sqlite://{}", folder.path().join("hagaki.db").display()))];
    match server {
        Ok(server) => {
            let engine = if server.own { "postgres" } else { "given_postgres" };
            places.push((engine, runtime.block_on(limit::fresh_database(&server.base, "hagaki_plan"))));
        }
        Err(why) => println!("PostgreSQL: left out: {why}"),
    }
    let (clock, dice) = (load::clock(), load::dice());
    let desk = DeskAddress {
        mailbox: "reg".to_owned(),
        address: "reg@example.jp".to_owned(),
        display: "Registration".to_owned(),
        message_id_domain: "reg.example.jp".to_owned(),
        public_url: "https://hagaki.example.jp".to_owned(),
        openpgp: None,
    };
    for (engine, url) in places {
        let (shelf, keys) = runtime.block_on(async {
            let store = Store::open(&url).await.expect("a database");
            let keys = keys(&store, &*dice).await.expect("keys");
            let (bundle, now) = (samples::wellbeing(), clock.now());
            let (study, _) = definition::load(&bundle).expect("a sample");
            let act = Act { actor: "load", at: now, reason: "load" };
            life::activate(&store, &bundle, &study, Stage::Development, act, &*dice).await.expect("activated");
            let shelf = Shelf::new(store);
            let means = Means { now, dice: &*dice, keys: &keys, desk: &desk };
            schedule::step(&shelf, means).await.expect("planned");
            let row = study::find_current(shelf.store(), "wellbeing").await.expect("read").expect("there");
            fill(shelf.store(), row.id, now).await;
            (shelf, keys)
        });
        c.bench_function(&format!("schedule/step_with_a_million_waiting_{engine}"), |b| {
            b.iter(|| {
                let means = Means { now: clock.now(), dice: &*dice, keys: &keys, desk: &desk };
                let stepped = runtime.block_on(schedule::step(&shelf, means)).expect("a step");
                assert!(!stepped.any, "nothing is due");
            });
        });
    }
}

criterion_group!(benches, cron, rehearsal, waiting);
criterion_main!(benches);
