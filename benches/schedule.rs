//! How fast schedules are: the next time of a rule, and a rehearsal of 10,000 people and 90 days.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use hagaki::definition::{self, samples};
use hagaki::domain::schedule::Cron;
use hagaki::domain::schedule::rehearsal::{Assumed, Somebody, Stretch, rehearse};
use hagaki::domain::time::Zone;

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

criterion_group!(benches, cron, rehearsal);
criterion_main!(benches);
