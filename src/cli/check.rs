//! `hagaki check BUNDLE…`: every problem at once, then every letter and every page of a survey rendered with every sample.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::schedule::next_times;
use super::{End, Output, counted};
use crate::daemon::machine::SystemClock;
use crate::definition::{self, Bundle, Problem, Weight};
use crate::domain::allocation::ArmList;
use crate::domain::time::Clock;
use crate::letters::{Kind, Stationery};
use crate::web;

pub(super) fn run(bundles: &[PathBuf], output: Output) -> anyhow::Result<End> {
    let mut sound = true;
    for mut checked in definition::check(bundles, SystemClock::default().now()) {
        let bundle = Bundle::read(&checked.folder);
        let letters = match Stationery::load(&bundle.letters()) {
            // Where there is no bundle the built-in letters would be rendered, which says nothing of it.
            _ if bundle.files().is_empty() => 0,
            Ok(_) => Kind::ALL.len(),
            Err(problems) => {
                checked.problems.extend(problems);
                0
            }
        };
        let pages =
            match checked.asking.as_ref().map(|study| web::survey::rehearse(study, SystemClock::default().now())) {
                Some(Ok(pages)) => pages,
                Some(Err(wrong)) => {
                    let (file, right) =
                        ("study.toml".to_string(), "this is a fault of the program: please report it".to_string());
                    checked.problems.push(Problem {
                        file,
                        line: None,
                        key: "survey".to_string(),
                        wrong,
                        right,
                        weight: Weight::Error,
                    });
                    0
                }
                None => 0,
            };
        let now = SystemClock::default().now();
        let times = checked.scheduled.as_ref().map(|study| next_times(study, now)).unwrap_or_default();
        sound &= checked.problems.iter().all(|problem| problem.weight == Weight::Warning);
        if output.json {
            println!("{}", report(&checked, letters, pages, &times));
        } else {
            print(&checked, letters, pages, &times);
        }
    }
    Ok(if sound { End::Done } else { End::Refused })
}

fn report(checked: &definition::Checked, letters: usize, pages: usize, times: &[String]) -> Value {
    let problem = |problem: &Problem| {
        json!({ "file": problem.file, "line": problem.line, "key": problem.key, "wrong": problem.wrong,
                "right": problem.right, "weight": weight(problem) })
    };
    json!({
        "bundle": checked.folder.display().to_string(),
        "sound": checked.problems.iter().all(|problem| problem.weight == Weight::Warning),
        "slug": checked.study.as_ref().map(|(slug, _)| slug),
        "tag": checked.study.as_ref().map(|(_, tag)| tag),
        "digest": checked.digest,
        "letters": letters,
        "pages": pages,
        "schedule": times,
        "list": checked.list.as_ref().map(|list| list_report(list)),
        "problems": checked.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

fn print(checked: &definition::Checked, letters: usize, pages: usize, times: &[String]) {
    let errors = checked.problems.iter().filter(|problem| problem.weight == Weight::Error).count();
    let warnings = checked.problems.len() - errors;
    for problem in &checked.problems {
        println!("{}: {}/{problem}", weight(problem), checked.folder.display());
    }
    if let Some(list) = &checked.list {
        print_list(list);
    }
    for time in times {
        println!("schedule.toml: {time}");
    }
    let name = checked.study.as_ref().map_or("no study", |(slug, _)| slug.as_str());
    let verdict = if errors == 0 { "sound" } else { "cannot be used" };
    let rendered = match letters {
        0 => "no letter rendered".to_string(),
        kinds => format!("{kinds} kinds of letters rendered in every language"),
    };
    let rendered =
        if pages == 0 { rendered } else { format!("{rendered}; {} rendered with samples", counted(pages, "page")) };
    let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
    println!("{} ({name}): {verdict}; {errors}, {warnings}; {rendered}", checked.folder.display());
}

/// What is to be held against the sender's own counts: nothing of it tells the order of the arms.
fn list_report(list: &ArmList) -> Value {
    let arms: serde_json::Map<String, Value> =
        list.arm_counts().into_iter().map(|(code, count)| (code.to_string(), json!(count))).collect();
    let strata = list.sequences().map(|(levels, places)| {
        let levels: serde_json::Map<String, Value> =
            list.strata().iter().zip(levels).map(|(id, level)| (id.clone(), json!(level))).collect();
        json!({ "levels": levels, "places": places })
    });
    json!({ "file": list.file(), "digest": list.digest(), "places": list.places(), "arms": arms,
            "strata": strata.collect::<Vec<_>>() })
}

fn print_list(list: &ArmList) {
    println!("{}: SHA-256 {}", list.file(), list.digest());
    println!(
        "{}: a rehearsal gives the arms of this very list, and production refuses a list that was rehearsed: rehearse with a made-up one",
        list.file()
    );
    let arms: Vec<String> = list.arm_counts().into_iter().map(|(code, count)| format!("{code} {count}")).collect();
    println!("{}: {}; arms {}", list.file(), counted(list.places(), "place"), arms.join(", "));
    for (levels, places) in list.sequences().filter(|(levels, _)| !levels.is_empty()) {
        let levels: Vec<String> = list.strata().iter().zip(levels).map(|(id, level)| format!("{id}={level}")).collect();
        println!("{}: {}: {}", list.file(), levels.join(","), counted(places, "place"));
    }
}

pub(super) fn weight(problem: &Problem) -> &'static str {
    match problem.weight {
        Weight::Error => "error",
        Weight::Warning => "warning",
    }
}
