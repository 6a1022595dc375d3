//! How fast allocation is: one decision, a replay of 100,000, and 1,000 trials of 500 subjects on one core.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use hagaki::cli::simulate::population::{self, Subjects};
use hagaki::cli::simulate::run::simulate;
use hagaki::definition::allocation_file;
use hagaki::domain::allocation::draw::Draw;
use hagaki::domain::allocation::{Levels, Origin, Row, Scheme, State, replay};
use hagaki::domain::simulation::Setup;

const MINIMIZATION: &str = "method = \"minimization\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\n\
     factors = [ { id = \"site\" }, { id = \"sex\", levels = [\"F\", \"M\"], weight = 2 }, { id = \"age\" }, { id = \"stage\", weight = 0.5 } ]\n\
     [minimization]\ndistance = \"DISTANCE\"\nrule = \"best\"\np = \"4/5\"";

fn scheme(distance: &str) -> Scheme {
    let mut problems = Vec::new();
    let text = MINIMIZATION.replace("DISTANCE", distance);
    allocation_file::read(&text, "allocation.toml", &mut problems).expect("the scheme is right").scheme
}

/// The other methods that balance factors, over the same ones.
const OTHERS: [&str; 2] = [
    "method = \"hu-hu\"\nREST\n[hu-hu]\np = 0.85\ntotal_weight = 0.2\nstratum_weight = 0.3",
    "method = \"atkinson\"\nREST",
];

/// Subjects of 10 sites, 2 sexes, 3 ages and 2 stages.
fn subjects(count: u64) -> Vec<Levels> {
    let subject = |number| {
        let mut draw = Draw::new(&[1; 32], number);
        let mut level = |levels: &[&str]| levels[draw.below(levels.len() as u64) as usize].to_owned();
        Levels::from([
            ("site".to_owned(), level(&["001", "002", "003", "004", "005", "006", "007", "008", "009", "010"])),
            ("sex".to_owned(), level(&["F", "M"])),
            ("age".to_owned(), level(&["-49", "50-64", "65-"])),
            ("stage".to_owned(), level(&["II", "III"])),
        ])
    };
    (1..=count).map(subject).collect()
}

fn allocate(scheme: &Scheme, secret: &[u8; 32], subjects: &[Levels]) -> (State, Vec<Row>) {
    let mut state = State::new(scheme);
    let mut rows = Vec::new();
    for (number, levels) in (1..).zip(subjects) {
        let decision = state.decide(scheme, levels, secret, number).expect("every level is known");
        state.record(scheme, levels, &decision.allotment).expect("it was just decided");
        rows.push(Row { number, levels: levels.clone(), allotment: decision.allotment, origin: Origin::Drawn });
    }
    (state, rows)
}

fn decisions(criterion: &mut Criterion) {
    let subjects = subjects(1_000);
    for distance in ["range", "variance", "sd", "marginal-total", "marginal-balance"] {
        let scheme = scheme(distance);
        let (state, _) = allocate(&scheme, &[2; 32], &subjects);
        let mut number = 1_000;
        criterion.bench_function(&format!("one decision, minimization, 4 factors, 2 arms, {distance}"), |bencher| {
            bencher.iter(|| {
                number += 1;
                let levels = &subjects[number as usize % subjects.len()];
                black_box(state.decide(&scheme, levels, &[2; 32], number).expect("every level is known"))
            });
        });
    }
}

fn other_decisions(criterion: &mut Criterion) {
    let subjects = subjects(1_000);
    let rest = "arms = [ { code = \"A\" }, { code = \"B\" } ]\nfactors = [ { id = \"site\" }, { id = \"sex\" }, { id = \"age\" }, { id = \"stage\" } ]";
    for text in OTHERS {
        let mut problems = Vec::new();
        let file = allocation_file::read(&text.replace("REST", rest), "allocation.toml", &mut problems);
        let scheme = file.expect("the scheme is right").scheme;
        let (state, _) = allocate(&scheme, &[2; 32], &subjects);
        let mut number = 1_000;
        criterion.bench_function(&format!("one decision, {}, 4 factors", scheme.method().key()), |bencher| {
            bencher.iter(|| {
                number += 1;
                let levels = &subjects[number as usize % subjects.len()];
                black_box(state.decide(&scheme, levels, &[2; 32], number).expect("every level is known"))
            });
        });
    }
}

fn replays(criterion: &mut Criterion) {
    let scheme = scheme("range");
    let (_, rows) = allocate(&scheme, &[3; 32], &subjects(100_000));
    let mut group = criterion.benchmark_group("replay");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("100,000 allocations", |bencher| {
        bencher.iter_batched(
            || rows.clone(),
            |rows| black_box(replay(&scheme, &[3; 32], rows).expect("nothing was changed")),
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn simulations(criterion: &mut Criterion) {
    let scheme = scheme("range");
    let subjects = subjects(500);
    let mut group = criterion.benchmark_group("simulation");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("1,000 trials of 500 subjects", |bencher| {
        bencher.iter(|| {
            let mut first = 0;
            for trial in 0u64..1_000 {
                let mut secret = [4; 32];
                secret[..8].copy_from_slice(&trial.to_le_bytes());
                let mut state = State::new(&scheme);
                for (number, levels) in (1..).zip(&subjects) {
                    let decision = state.decide(&scheme, levels, &secret, number).expect("every level is known");
                    state.record(&scheme, levels, &decision.allotment).expect("it was just decided");
                }
                first += state.of_arm(&scheme, "A");
            }
            black_box(first)
        });
    });
    group.finish();
}

/// The simulator of `hagaki allocation simulate`, which draws the subjects and keeps the books as well.
fn simulators(criterion: &mut Criterion) {
    let scheme = scheme("range");
    let shares = "site=1,2,3,4,5,6,7,8,9,10;sex=F,M;age=1,2,3;stage=II,III";
    let own = Subjects::alone("allocation.toml", &scheme, None);
    let given = population::open(Some(shares)).expect("the shares are right");
    let (population, _) = population::build(&[own], given).expect("the levels are known");
    let setups = [Setup::alone(scheme.clone(), population, 500, "bench")];
    let mut group = criterion.benchmark_group("simulator");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("1,000 trials of 500 subjects, one core", |bencher| {
        bencher.iter(|| black_box(simulate(&setups, 1_000, 1, &|_| {}).expect("every level is known")));
    });
    group.finish();
}

criterion_group!(benches, decisions, other_decisions, replays, simulations, simulators);
criterion_main!(benches);
