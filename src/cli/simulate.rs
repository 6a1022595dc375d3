//! `hagaki allocation simulate`: what a scheme would do, before there is a study.

mod chart;
mod comers;
mod page;
mod people;
pub mod population;
pub mod run;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::people::Note;
use self::population::{Described, Stage, Subjects};
use super::{End, Output, Refused};
use crate::daemon::machine::{SystemClock, SystemDice};
use crate::definition::allocation_file::{self, AllocationFile};
use crate::definition::{self, Bundle, Problem, Weight};
use crate::domain::allocation::{SITE, Scheme};
use crate::domain::language::Language;
use crate::domain::simulation::{Population, Setup, Summary};
use crate::domain::study::{Caps, FIRST, SiteCaps, Study};
use crate::domain::time::{Clock, Dice};
use crate::limits;

/// Arguments of `hagaki allocation simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The scheme: an `allocation.toml`, or the folder of a study, whose further allocations are then simulated behind the first. Given
    /// several times, the schemes meet the same subjects and are compared. Two arms' difference is that of their numbers of
    /// subjects, whatever the ratio; imbalances are of numbers divided by the ratio.
    #[arg(long, required = true)]
    file: Vec<PathBuf>,
    /// Subjects who come to each trial.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=limits::SIMULATED_SUBJECTS))]
    subjects: u64,
    /// Trials.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=limits::SIMULATED_TRIALS))]
    trials: u64,
    /// What subjects are like: shares of levels, such as `sex=F:0.6,M:0.4;site=001:3,002:1`, or a CSV (as for `rehearse`) with a column per
    /// factor whose rows are drawn again and again. Levels are equally likely without it. Answers that the condition of a further
    /// allocation names have shares too (`responder=yes:0.4,no:0.6`), and so has who comes to it at all, under its id
    /// (`second=yes:0.9,no:0.1`).
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

pub(super) fn language(code: &str) -> Result<Language, String> {
    Language::find(code).ok_or_else(|| "no language of ours; write ja or en".to_string())
}

/// One `--file`: a scheme, or the allocations of a study, the first before the further ones.
struct Source {
    /// The study whose bundle it is, or in whose bundle it lies.
    study: Option<Study>,
    allocations: Vec<Given>,
}

/// One scheme as it was given.
struct Given {
    /// Its file.
    name: String,
    /// Id of the allocation.
    allocation: String,
    /// Whether it is the one that comes with enrolling, whatever it is simulated as.
    enrolls: bool,
    text: String,
    scheme: Scheme,
    caps: Caps,
    sites: SiteCaps,
    warnings: Vec<Problem>,
}

impl Given {
    fn digest(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(&self.text))
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Source {
    /// As what its allocations are simulated.
    fn subjects(&self) -> Vec<Subjects<'_>> {
        let subjects = |given: &'_ Given| -> Stage<'_> {
            let further = self.study.as_ref().and_then(|study| study.find_randomization(&given.allocation));
            match (self.allocations.len(), further) {
                (0 | 1, _) => Stage::Alone,
                (_, None) => Stage::First,
                (_, Some(own)) => Stage::Further(own),
            }
        };
        let all = self.allocations.iter();
        let cohorts = self.study.as_ref().map(|study| study.cohorts.as_slice()).unwrap_or_default();
        all.map(|given| Subjects {
            stage: subjects(given),
            // Cohorts are of those who enroll.
            cohorts: if given.enrolls { cohorts } else { &[] },
            ..Subjects::alone(&given.name, &given.scheme, self.study.as_ref())
        })
        .collect()
    }
}

/// One scheme with what came of it.
struct Simulated {
    given: Given,
    /// What a reader of its figures must know.
    notes: Vec<Note>,
    setup: Setup,
    summary: Summary,
}

/// What holds for all schemes of a simulation.
struct Frame {
    /// `--file` as typed.
    files: Vec<String>,
    subjects: u64,
    trials: u64,
    seed: String,
    /// `--population` as typed.
    population: Option<String>,
    described: Vec<Described>,
}

pub(super) fn run(args: SimulateArgs) -> anyhow::Result<End> {
    let seed = seed(args.seed.as_deref())?;
    let sources = args.file.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<Source>>>()?;
    let count = sources.iter().map(|source| source.allocations.len()).sum::<usize>();
    let all = args.subjects.saturating_mul(args.trials).saturating_mul(count as u64);
    if count > limits::SIMULATED_SCHEMES {
        return Err(Refused(format!("--file: at most {} schemes at a time", limits::SIMULATED_SCHEMES)).into());
    }
    if all > limits::SIMULATED_ALLOCATIONS {
        let most = limits::SIMULATED_ALLOCATIONS;
        return Err(Refused(format!("{all} allocations are too many; at most {most}: fewer trials")).into());
    }
    for scheme in sources.iter().flat_map(|source| &source.allocations) {
        scheme.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    }
    let schemes: Vec<Subjects<'_>> = sources.iter().flat_map(Source::subjects).collect();
    let source = population::open(args.population.as_deref())?;
    let (population, described) = population::build(&schemes, source).map_err(Refused)?;
    for own in described.iter().filter(|own| own.is_supposed()) {
        eprintln!("note: {}", people::supposed(own));
    }
    if args.population.is_some() {
        unmatched(&described, &schemes).iter().for_each(|note| eprintln!("note: {note}"));
    }
    let files = args.file.iter().map(|path| path.display().to_string()).collect();
    let (subjects, trials) = (args.subjects, args.trials);
    let frame = Frame { files, subjects, trials, seed, population: args.population, described };
    let cores = args.cores.and_then(|cores| usize::try_from(cores).ok()).unwrap_or_else(run::all_cores);
    let mut ready = Vec::new();
    for source in &sources {
        let own = setups(&frame, source, &schemes, &population)?;
        for ((_, notes), given) in own.iter().zip(&source.allocations) {
            notes.iter().for_each(|note| eprintln!("note: {}", note.in_words(&given.name)));
        }
        ready.push(own);
    }
    let mut done = Vec::new();
    for (source, ready) in sources.into_iter().zip(ready) {
        let (setups, notes): (Vec<Setup>, Vec<Vec<Note>>) = ready.into_iter().unzip();
        let name = source.allocations.first().map(Given::name).unwrap_or_default();
        let bar = super::progress::Bar::new(&name, frame.trials);
        let found = run::simulate(&setups, frame.trials, cores, &|trials| bar.advance(trials));
        bar.clear();
        let found = found.map_err(|fault| Refused(format!("{name}: {fault}")))?;
        let all = source.allocations.into_iter().zip(setups).zip(found).zip(notes);
        done.extend(all.map(|(((given, setup), summary), notes)| Simulated { given, notes, setup, summary }));
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

/// The allocations of one `--file`, ready to be walked, each with what must be known of its figures.
fn setups(
    frame: &Frame,
    source: &Source,
    schemes: &[Subjects<'_>],
    population: &Population,
) -> anyhow::Result<Vec<(Setup, Vec<Note>)>> {
    let study = source.study.as_ref();
    let sites = population.find(SITE).and_then(|at| population.characteristics().get(at));
    let mut setups = Vec::new();
    for (given, subjects) in source.allocations.iter().zip(source.subjects()) {
        let (mut comers, mut notes) = (None, Vec::new());
        let mut kept = Vec::new();
        if let Some(study) = study {
            let (told, untold) = comers::cohorts(study, &subjects, population);
            kept = told;
            notes.extend(untold.into_iter().map(|(cohort, names)| Note::CohortLeftOut { cohort, names }));
        }
        if let (Some(study), Stage::Further(own)) = (study, subjects.stage) {
            let told = comers::of(study, own, &subjects, population).map_err(Refused)?;
            if !told.unknown.is_empty() {
                let names = told.unknown.into_iter().collect();
                notes.push(Note::TakenAsMet { allocation: own.id.clone(), names });
            }
            comers = Some(told.comers);
        }
        let cap = |code: &String| {
            let site = study.and_then(|study| study.find_site(code)).filter(|_| given.allocation == FIRST);
            Some((code.clone(), site.and_then(|site| site.cap).or(given.sites.of(code))?))
        };
        let setup = Setup {
            allocation: given.allocation.clone(),
            comers,
            caps: given.caps.clone(),
            cohorts: kept,
            site_caps: sites.map(|own| own.levels.iter().filter_map(cap).collect()).unwrap_or_default(),
            watched: population::watched(&subjects, schemes, population),
            ..Setup::alone(given.scheme.clone(), population.clone(), frame.subjects, &frame.seed)
        };
        setups.push((setup, notes));
    }
    Ok(setups)
}

/// What the population says of factors that no scheme has, and does not say of those that one has.
fn unmatched(described: &[population::Described], schemes: &[Subjects<'_>]) -> Vec<String> {
    let deciding: BTreeSet<String> = schemes.iter().flat_map(Subjects::deciding).collect();
    let looked_at: BTreeSet<&str> =
        schemes.iter().flat_map(|own| own.scheme.needs()).chain(deciding.iter().map(String::as_str)).collect();
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

/// A scheme, or the allocations of the study whose folder it is.
fn read(path: &Path) -> anyhow::Result<Source> {
    let source = if path.is_dir() { read_study(path)? } else { read_scheme(path)? };
    if let Some(none) = source.allocations.iter().find(|given| given.scheme.arms().is_empty()) {
        return Err(Refused(format!("{}: allocates no arm; there is nothing to simulate", none.name)).into());
    }
    Ok(source)
}

fn read_study(folder: &Path) -> anyhow::Result<Source> {
    let bundle = Bundle::read(folder);
    let (study, warnings) = definition::load(&bundle).map_err(|problems| Refused::bundle(&problems))?;
    let Some(scheme) = &study.scheme else {
        return Err(Refused(format!(
            "{}: the study randomizes nobody; there is nothing to simulate",
            folder.display()
        ))
        .into());
    };
    let first = (scheme, &study.caps, SiteCaps::default());
    let further = study.randomizations.iter().map(|own| (&own.scheme, &own.caps, own.site_caps.clone()));
    let all = definition::allocation_files(&bundle).into_iter().zip(std::iter::once(first).chain(further));
    let allocations = all.map(|((allocation, file), (scheme, caps, sites))| Given {
        name: folder.join(&file).display().to_string(),
        enrolls: allocation == FIRST,
        allocation,
        text: bundle.file(&file).unwrap_or_default().to_string(),
        // Nobody to come gets an arm that is closed.
        scheme: scheme.open_part(),
        caps: caps.clone(),
        sites,
        warnings: warnings.iter().filter(|warning| warning.file == file).cloned().collect(),
    });
    Ok(Source { allocations: allocations.collect(), study: Some(study) })
}

fn read_scheme(path: &Path) -> anyhow::Result<Source> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut problems = Vec::new();
    let read = allocation_file::open(path, &mut problems).with_context(|| path.display().to_string())?;
    let Some(AllocationFile { scheme, caps, sites, .. }) = read else {
        problems.retain(|problem| problem.weight == Weight::Error);
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        return Err(Refused(lines.join("\n")).into());
    };
    // A scheme that lies in a bundle is simulated with the sites and answers of its study.
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = folder.join("study.toml").is_file().then(|| Bundle::read(folder));
    let loaded = beside.as_ref().and_then(|bundle| definition::load(bundle).ok()).map(|(study, _)| study);
    let files = beside.as_ref().map(definition::allocation_files).unwrap_or_default();
    let study = loaded.filter(|_| files.iter().any(|(_, file)| *file == name));
    if study.as_ref().is_some_and(|study| !study.randomizations.is_empty()) {
        eprintln!(
            "note: {} is simulated by itself; --file {} simulates all allocations of its study, one after another",
            path.display(),
            folder.display()
        );
    }
    let scheme = scheme.open_part();
    let allocation = FIRST.to_string();
    let enrolls = files.iter().any(|(id, file)| *file == name && id == FIRST);
    let name = path.display().to_string();
    let given = Given { name, allocation, enrolls, text, scheme, caps, sites, warnings: problems };
    Ok(Source { study, allocations: vec![given] })
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
                      "site_correct_mean": summary.right_by_site, "stratum_correct_mean": summary.right_by_stratum,
                      "best_mean": summary.right_at_best, "largest_arm_share": summary.largest_share() },
        "deterministic_mean": summary.deterministic_mean,
        "near_certain_mean": summary.near_certain_mean,
        "level_imbalance": of_factors(&|own| json!({ "mean_abs": own.mean_abs, "max_abs": own.max_abs })),
        "arm_probability_by_step": summary.probability_by_step,
        "arms": arms.iter().map(|arm| json!({ "code": arm.code, "ratio": arm.ratio })).collect::<Vec<Value>>(),
        "over_time": over_time.collect::<Vec<Value>>(),
        "levels": of_factors(&|own| json!(own.levels.iter().map(|level| json!({
            "level": level.level, "subjects_mean": level.subjects_mean, "mean_abs": level.mean_abs,
            "max_abs": level.max_abs })).collect::<Vec<Value>>())),
        "came_mean": summary.came_mean,
        "allocated_mean": summary.allocated_mean,
        "turned_away_mean": summary.turned_away_mean,
        "ended_early": { "trials": summary.ended.trials, "by_total": summary.ended.by_total, "by_arm": summary.ended.by_arm,
                         "by_list": summary.ended.by_list, "allocated_mean": summary.ended.allocated_mean },
        "population": frame.described.iter().map(Described::to_json).collect::<Vec<Value>>(),
        "seed": frame.seed,
        "file": one.given.name(),
        "allocation": one.given.allocation,
        "method": one.setup.scheme.method().key(),
        "digest": one.given.digest(),
        "program": env!("HAGAKI_VERSION"),
        "notes": one.notes.iter().map(|note| note.in_words(&one.given.name)).collect::<Vec<String>>(),
        "warnings": one.given.warnings.iter().map(ToString::to_string).collect::<Vec<String>>(),
    })
}
