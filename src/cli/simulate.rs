//! `hagaki allocation simulate`: what a scheme would do, before there is a study.

mod chart;
mod page;
mod people;
pub mod population;
pub(super) mod progress;
pub mod run;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::population::{Described, Subjects};
use super::{End, Output, Refused};
use crate::daemon::machine::{SystemClock, SystemDice};
use crate::definition::allocation_file::{self, AllocationFile};
use crate::definition::{self, Bundle, Problem, Weight};
use crate::domain::language::Language;
use crate::domain::simulation::{Setup, Summary};
use crate::domain::study::Study;
use crate::domain::time::{Clock, Dice};
use crate::limits;

/// Arguments of `hagaki allocation simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The scheme: an `allocation.toml`. Given several times, the schemes meet the same subjects and are compared.
    #[arg(long, required = true)]
    file: Vec<PathBuf>,
    /// Subjects who come to each trial.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=limits::SIMULATED_SUBJECTS))]
    subjects: u64,
    /// Trials.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=limits::SIMULATED_TRIALS))]
    trials: u64,
    /// What subjects are like: shares of levels, such as `sex=F:0.6,M:0.4;site=001:3,002:1`, or a CSV with a column per
    /// factor whose rows are drawn again and again. Levels are equally likely without it.
    #[arg(long)]
    population: Option<String>,
    /// What every draw follows from; the same seed gives the same figures on any number of cores. Without one a new one is
    /// made and told.
    #[arg(long)]
    seed: Option<String>,
    /// Cores to use, if not all.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=limits::SIMULATION_CORES as u64))]
    cores: Option<u64>,
    /// Write one page with plots and tables, such as for a protocol's appendix.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Language of the page: ja or en.
    #[arg(long, value_parser = language, default_value = "en")]
    language: Language,
    /// Day that stands on the page, as it is written there; today without it.
    #[arg(long)]
    date: Option<String>,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

fn language(code: &str) -> Result<Language, String> {
    Language::find(code).ok_or_else(|| "no language of ours; write ja or en".to_string())
}

/// One scheme as it was given.
struct Given {
    path: PathBuf,
    text: String,
    read: AllocationFile,
    warnings: Vec<Problem>,
    /// The study whose bundle it lies in.
    study: Option<Study>,
}

impl Given {
    fn digest(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(&self.text))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// One scheme with what came of it.
struct Simulated {
    given: Given,
    setup: Setup,
    summary: Summary,
}

/// What holds for all schemes of a simulation.
struct Frame {
    subjects: u64,
    trials: u64,
    seed: String,
    /// `--population` as typed.
    population: Option<String>,
    described: Vec<Described>,
}

pub(super) fn run(args: SimulateArgs) -> anyhow::Result<End> {
    let all = args.subjects.saturating_mul(args.trials).saturating_mul(args.file.len() as u64);
    if args.file.len() > limits::SIMULATED_SCHEMES {
        return Err(Refused(format!("--file: at most {} schemes at a time", limits::SIMULATED_SCHEMES)).into());
    }
    if all > limits::SIMULATED_ALLOCATIONS {
        let most = limits::SIMULATED_ALLOCATIONS;
        return Err(Refused(format!("{all} allocations are too many; at most {most}: fewer trials")).into());
    }
    let seed = seed(args.seed.as_deref())?;
    let given = args.file.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<Given>>>()?;
    for scheme in &given {
        scheme.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    }
    let schemes: Vec<Subjects<'_>> = given
        .iter()
        .map(|given| Subjects { name: given.name(), scheme: &given.read.scheme, study: given.study.as_ref() })
        .collect();
    let source = population::open(args.population.as_deref())?;
    let (population, described) = population::build(&schemes, source).map_err(Refused)?;
    for own in described.iter().filter(|own| own.is_supposed()) {
        eprintln!("note: {}", people::supposed(own));
    }
    if args.population.is_some() {
        unmatched(&described, &schemes).iter().for_each(|note| eprintln!("note: {note}"));
    }
    let frame = Frame { subjects: args.subjects, trials: args.trials, seed, population: args.population, described };
    let cores = args.cores.and_then(|cores| usize::try_from(cores).ok()).unwrap_or_else(run::all_cores);
    let mut done = Vec::new();
    for given in given {
        let study = given.study.as_ref();
        let codes =
            population.find(crate::domain::allocation::SITE).and_then(|at| population.characteristics().get(at));
        let cap = |code: &String| {
            let own = study.and_then(|study| study.find_site(code)).and_then(|site| site.cap);
            Some((code.clone(), own.or(given.read.sites.of(code))?))
        };
        let setup = Setup {
            scheme: given.read.scheme.clone(),
            caps: given.read.caps.clone(),
            site_caps: codes.map(|own| own.levels.iter().filter_map(cap).collect()).unwrap_or_default(),
            population: population.clone(),
            subjects: frame.subjects,
            seed: frame.seed.clone(),
        };
        let bar = progress::Bar::new(&given.name(), frame.trials);
        let found = run::simulate(&setup, frame.trials, cores, &|trials| bar.advance(trials));
        bar.clear();
        let summary = found.map_err(|fault| Refused(format!("{}: {fault}", given.name())))?;
        done.push(Simulated { given, setup, summary });
    }
    if let Some(path) = &args.report {
        let day = args.date.unwrap_or_else(|| SystemClock::default().now().utc().chars().take(10).collect());
        let page = page::render(&frame, &done, args.language, &day).context("the report cannot be written")?;
        std::fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if args.output.json {
        let objects: Vec<Value> = done.iter().map(|one| to_json(&frame, one)).collect();
        match objects.as_slice() {
            [one] => println!("{one}"),
            all => println!(
                "{}",
                json!({ "seed": frame.seed, "subjects": frame.subjects, "trials": frame.trials, "schemes": all })
            ),
        }
    } else {
        print!("{}", people::tables(&frame, &done));
        if let Some(path) = &args.report {
            println!("report: {}", path.display());
        }
    }
    Ok(End::Done)
}

/// What the population says of factors that no scheme has, and does not say of those that one has.
fn unmatched(described: &[population::Described], schemes: &[Subjects<'_>]) -> Vec<String> {
    let looked_at: BTreeSet<&str> = schemes.iter().flat_map(|own| own.scheme.needs()).collect();
    let note = |own: &population::Described| match (own.is_given(), looked_at.contains(own.id.as_str())) {
        (true, false) => {
            let known = looked_at.iter().copied().collect::<Vec<_>>().join(", ");
            Some(format!(
                "--population: \"{}\" is looked at by no scheme, and only watched; they look at {known}",
                own.id
            ))
        }
        (false, true) if !own.is_supposed() => {
            Some(format!("--population: says nothing of \"{}\"; its levels are taken as equally likely", own.id))
        }
        _ => None,
    };
    described.iter().filter_map(note).collect()
}

/// The seed given, or a fresh one.
pub(super) fn seed(given: Option<&str>) -> Result<String, Refused> {
    match given {
        Some("") => Err(Refused("--seed: write a number or a text, or leave it out".to_string())),
        Some(seed) if seed.chars().count() > limits::SEED_CHARS => {
            Err(Refused(format!("--seed: at most {} characters", limits::SEED_CHARS)))
        }
        Some(seed) => Ok(seed.to_string()),
        None => {
            let mut bytes = [0; 8];
            SystemDice.fill(&mut bytes);
            Ok(data_encoding::HEXLOWER.encode(&bytes))
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Given> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut problems = Vec::new();
    let read = allocation_file::open(path, &mut problems).with_context(|| path.display().to_string())?;
    let Some(mut read) = read else {
        problems.retain(|problem| problem.weight == Weight::Error);
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        return Err(Refused(lines.join("\n")).into());
    };
    if read.scheme.arms().is_empty() {
        return Err(Refused(format!("{}: allocates no arm; there is nothing to simulate", path.display())).into());
    }
    // Nobody to come gets an arm that is closed.
    read.scheme = read.scheme.open_part();
    // A scheme that lies in a bundle is simulated with the sites and answers of its study.
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let lies_in_bundle =
        path.file_name().is_some_and(|name| name == "allocation.toml") && folder.join("study.toml").is_file();
    let study = lies_in_bundle.then(|| definition::load(&Bundle::read(folder)).ok()).flatten().map(|(study, _)| study);
    Ok(Given { path: path.to_path_buf(), text, read, warnings: problems, study })
}

/// One scheme's figures.
fn to_json(frame: &Frame, one: &Simulated) -> Value {
    let summary = &one.summary;
    let arms = &summary.arms;
    let of_factors = |value: &dyn Fn(&crate::domain::simulation::Balance) -> Value| {
        summary.balances.iter().map(|own| (own.id.clone(), value(own))).collect::<Map<String, Value>>()
    };
    let over_time = summary.moments.iter().map(|moment| {
        let [p5, p25, p50, p75, p95] = moment.quantiles;
        json!({ "subjects": moment.subjects, "imbalance": { "mean": moment.mean, "p5": p5, "p25": p25, "p50": p50, "p75": p75, "p95": p95 },
                "correct_share": moment.right, "deterministic_share": moment.deterministic })
    });
    json!({
        "subjects": summary.subjects,
        "trials": summary.trials,
        "arm_counts_mean": arms.iter().map(|arm| arm.mean).collect::<Vec<f64>>(),
        "arm_counts_sd": arms.iter().map(|arm| arm.sd).collect::<Vec<f64>>(),
        "difference": summary.difference.map(|found| json!({
            "p_zero": found.p_zero, "mean_abs": found.mean_abs, "variance": found.variance, "max_abs": found.max_abs })),
        "guessing": { "correct_mean": summary.right_mean, "correct_sd": summary.right_sd,
                      "site_correct_mean": summary.right_by_site, "stratum_correct_mean": summary.right_by_stratum },
        "deterministic_mean": summary.deterministic_mean,
        "level_imbalance": of_factors(&|own| json!({ "mean_abs": own.mean_abs, "max_abs": own.max_abs })),
        "arm_probability_by_step": summary.probability_by_step,
        "arms": arms.iter().map(|arm| json!({ "code": arm.code, "ratio": arm.ratio })).collect::<Vec<Value>>(),
        "over_time": over_time.collect::<Vec<Value>>(),
        "levels": of_factors(&|own| json!(own.levels.iter().map(|level| json!({
            "level": level.level, "subjects_mean": level.subjects_mean, "mean_abs": level.mean_abs,
            "max_abs": level.max_abs })).collect::<Vec<Value>>())),
        "turned_away_mean": summary.turned_away_mean,
        "population": frame.described.iter().map(Described::to_json).collect::<Vec<Value>>(),
        "seed": frame.seed,
        "file": one.given.name(),
        "method": one.setup.scheme.method().key(),
        "digest": one.given.digest(),
        "program": env!("CARGO_PKG_VERSION"),
        "warnings": one.given.warnings.iter().map(ToString::to_string).collect::<Vec<String>>(),
    })
}
