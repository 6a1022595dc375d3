//! How long `hagaki election verify` takes, beside `belenios-tool election verify` on the same archives in the same run, and the arithmetic
//! below it.
//!
//! `cargo bench --bench belenios -- [--ballots N] [--runs N]`

#![allow(clippy::unwrap_used, reason = "what it shares with tests may stop where it is")]

#[path = "../tests/fast/belenios/world.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod world;

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant as Moment;

use hagaki::domain::belenios::ballot;
use hagaki::domain::belenios::element::{Comb, Element, Squares};
use hagaki::domain::belenios::scalar::Scalar;
use world::{Seeded, World, question};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let after = |name: &str, otherwise: usize| {
        let value = words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
        value.map_or(otherwise, |value| value.parse().expect("a number"))
    };
    let (ballots, runs) = (after("--ballots", 1_000), after("--runs", 3));
    arithmetic();
    let council: Vec<String> = (1..=10).map(|number| format!("候補者{number}")).collect();
    let council: Vec<&str> = council.iter().map(String::as_str).collect();
    let choose = |voter: usize| (0..11).map(|at| u64::from(at > 0 && (at + voter).is_multiple_of(5))).collect();
    compare("2 answers, none or one", question(&["信任", "不信任"], false, 0, 1), ballots, runs, |voter| {
        [[1, 0], [0, 1], [0, 0]][voter % 3].to_vec()
    });
    compare("10 candidates or blank, up to 3", question(&council, true, 1, 3), ballots / 10, runs, choose);
}

fn arithmetic() {
    let exponent = Scalar::draw(&Seeded::new(1));
    let base = Element::generator().power(&exponent);
    let (squares, comb) = (Squares::of(base), Comb::of(base, 1_000));
    time("product", 20_000, || base.times(&base));
    time("square", 20_000, || base.squared());
    time("power, secret exponent", 200, || base.power(&exponent));
    time("256 squares", 200, || *Squares::of(base).base());
    time("power from squares", 1_000, || squares.power(&exponent));
    time("power from a comb", 1_000, || comb.power(&exponent));
    let text = base.to_string();
    time("decimal", 5_000, || base.to_string().len());
    time("from decimal", 5_000, || Element::parse(&text).is_some());
}

fn time<T>(what: &str, times: u32, mut run: impl FnMut() -> T) {
    let best = (0..5).map(|_| {
        let begun = Moment::now();
        for _ in 0..times {
            black_box(run());
        }
        begun.elapsed() / times
    });
    println!("  {what:<28}{:>12.2?}", best.min().expect("five runs"));
}

fn compare(
    what: &str,
    asked: hagaki::domain::belenios::setup::Question,
    ballots: usize,
    runs: usize,
    votes: impl Fn(usize) -> Vec<u64> + Sync,
) {
    let mut world = World::new(&[asked], &vec![1; ballots]);
    let begun = Moment::now();
    let voters: Vec<usize> = (0..ballots).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    world.parts.ballots = std::thread::scope(|scope| {
        let (world, votes) = (&world, &votes);
        let make = |voter: &usize| {
            ballot::make(&world.election, &world.voters[*voter], &[votes(*voter)], &world.dice).expect("allowed")
        };
        let parts: Vec<_> = voters
            .chunks(ballots.div_ceil(cores))
            .map(|part| scope.spawn(move || part.iter().map(make).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("made")).collect()
    });
    let made = begun.elapsed();
    world.close();
    let bytes = world.parts.write();
    println!("{what}: {ballots} ballots, {} kB each, made in {made:.1?}", bytes.len() / ballots / 1000);
    let folder = tempfile::tempdir().expect("a scratch folder");
    let file = folder.path().join("election.bel");
    std::fs::write(&file, &bytes).expect("written");
    let path = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let ours = [env!("CARGO_BIN_EXE_hagaki"), "election", "verify", &path(&file)].map(str::to_owned);
    let theirs = ["belenios-tool", "election", "verify", "--dir", &path(folder.path())].map(str::to_owned);
    let there = Path::new("/usr/bin/belenios-tool").exists();
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        own.push(run(&ours));
        if there {
            other.push(run(&theirs));
        }
    }
    let own = median(own);
    println!("  hagaki election verify        {:>7.2} s, {:>7.2} s of processor", own.wall, own.processor);
    if there {
        let other = median(other);
        println!("  belenios-tool election verify {:>7.2} s, {:>7.2} s of processor", other.wall, other.processor);
        println!(
            "  the tool takes {:.1} times as long, and {:.1} times as much processor",
            other.wall / own.wall,
            other.processor / own.processor
        );
    }
}

/// What a command took, in seconds.
#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    processor: f64,
}

fn median(mut all: Vec<Took>) -> Took {
    all.sort_by(|one, other| one.wall.total_cmp(&other.wall));
    all[all.len() / 2]
}

/// Runs a command, which has to succeed, below a shell that says what it took.
fn run(command: &[String]) -> Took {
    let begun = Moment::now();
    let script = "\"$@\" >/dev/null 2>&1 && times";
    let output = Command::new("sh").args(["-c", script, "sh"]).args(command).output().expect("a shell");
    let wall = begun.elapsed().as_secs_f64();
    assert!(output.status.success(), "{command:?}");
    // The second line is of children: `0m4.020000s 0m0.010000s`.
    let told = String::from_utf8(output.stdout).expect("times");
    let seconds = |text: &str| {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m').expect("minutes");
        minutes.parse::<f64>().expect("minutes") * 60.0 + seconds.parse::<f64>().expect("seconds")
    };
    let processor = told.lines().nth(1).expect("children").split_whitespace().map(seconds).sum();
    Took { wall, processor }
}
