//! How long a booth takes for a ballot of ten candidates, of whom up to three are chosen or none, in Chromium: on this machine, and with
//! scripts slowed down as they are on a phone.
//!
//! `cargo bench --bench booth -- [--runs N]`

#![allow(clippy::unwrap_used, reason = "what it shares with tests may stop where it is")]

#[path = "../tests/engines/chromium.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod chromium;
#[path = "../tests/engines/booth/voter.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod voter;
#[path = "../tests/fast/belenios/world.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod world;

use chromium::Chromium;
use hagaki::web::booth::{BoothPage, BoothPlan};
use voter::Voter;
use world::{World, question};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let runs = words.iter().position(|word| word == "--runs").and_then(|at| words.get(at + 1));
    let runs = runs.map_or(9, |runs| runs.parse().expect("a number"));
    if !chromium::is_there() {
        return;
    }
    let candidates: Vec<String> = (1..=10).map(|number| format!("候補者{number}")).collect();
    let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
    let (world, credentials) = World::with_credentials(&[question(&candidates, true, 1, 3)]);
    let election = std::str::from_utf8(&world.parts.election).expect("JSON");
    let page = BoothPage::assemble(&BoothPlan { election: Some(election), keys: &[], cast: None }).expect("a page");
    let folder = tempfile::tempdir().expect("a scratch folder");
    let file = folder.path().join("booth.html");
    std::fs::write(&file, page.text()).expect("written");
    println!("page: {} bytes", page.text().len());
    for times in [1, 4] {
        let mut took: Vec<f64> = (0..runs).map(|_| once(&file.display().to_string(), &credentials[0], times)).collect();
        took.sort_by(f64::total_cmp);
        println!(
            "ten candidates or blank, up to three, scripts {times} times as slow: median {:.0} ms, longest {:.0} ms of {runs}",
            took[took.len() / 2],
            took[took.len() - 1]
        );
    }
}

/// Votes in a browser of its own; how long the encryption took, in milliseconds.
fn once(file: &str, credential: &str, times: u32) -> f64 {
    let mut browser = Chromium::start();
    browser.slowed(times);
    let mut voter = Voter::open(browser, &format!("file://{file}"), "en");
    voter.enters(credential);
    voter.ticks(0, &[0, 3, 9]);
    voter.submit("vote_form");
    voter.sees("review");
    voter.seals().0
}
