//! Allocation against published numbers, exact laws, an independent program and properties.

mod cases;
mod course;
mod designs;
mod exact;
mod files;
mod forced;
mod histories;
mod imported;
mod laws;
mod methods;
mod order;
mod properties;
mod several;
mod simulated;
mod simulation;
mod vectors;

use std::collections::BTreeMap;

use hagaki::cli::explain::explain;
use hagaki::definition::allocation_file;
use hagaki::definition::problem::{Problem, Weight};
use hagaki::domain::allocation::{Allotment, ArmOutlook, Levels, Scheme, State};
use hagaki::domain::number::{self, Rational};

/// Reads a scheme that must be right.
fn scheme(text: &str) -> Scheme {
    let mut problems = Vec::new();
    let file = allocation_file::read(text, "allocation.toml", &mut problems);
    file.unwrap_or_else(|| panic!("{text}\n{problems:#?}")).scheme
}

/// The problems of a file that must be wrong.
fn errors(text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    assert!(allocation_file::read(text, "allocation.toml", &mut problems).is_none(), "{text}");
    problems.into_iter().filter(|problem| problem.weight == Weight::Error).collect()
}

fn levels(pairs: &[(&str, &str)]) -> Levels {
    pairs.iter().map(|(factor, level)| ((*factor).to_owned(), (*level).to_owned())).collect()
}

fn given(arm: &str) -> Allotment {
    Allotment { arm: arm.to_owned(), slot: None, block_size: None }
}

fn fraction(text: &str) -> Rational {
    number::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

fn probabilities(arms: &[ArmOutlook]) -> Vec<String> {
    arms.iter().map(|arm| arm.probability.to_string()).collect()
}

fn imbalances(arms: &[ArmOutlook]) -> Vec<String> {
    arms.iter().map(|arm| arm.imbalance.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)).collect()
}

/// Codes, imbalances and probabilities as the command answers them.
type Answer = Vec<(String, Option<String>, String)>;

/// Asks as the command does: through files.
fn ask(allocation: &str, history: Option<&str>, next: Option<&str>) -> Result<Answer, String> {
    let folder = tempfile::tempdir().unwrap();
    let (file, csv) = (folder.path().join("allocation.toml"), folder.path().join("H.csv"));
    std::fs::write(&file, allocation).unwrap();
    if let Some(history) = history {
        std::fs::write(&csv, history).unwrap();
    }
    let found = explain(&file, history.is_some().then_some(csv.as_path()), next);
    let json = found.map_err(|fault| fault.to_string().replace(&*folder.path().to_string_lossy(), ""))?.to_json();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let arms = json["arms"].as_array().unwrap().iter();
    Ok(arms
        .map(|arm| (text(&arm["code"]).unwrap(), text(&arm["imbalance"]), text(&arm["probability"]).unwrap()))
        .collect())
}

fn chances(answer: Result<Answer, String>) -> Vec<String> {
    answer.unwrap().into_iter().map(|(_, _, probability)| probability).collect()
}

/// The arms of a sequence of subjects without covariates.
fn after(scheme: &Scheme, arms: &[&str]) -> State {
    let mut state = State::new(scheme);
    for arm in arms {
        state.record(scheme, &BTreeMap::new(), &given(arm)).unwrap();
    }
    state
}
