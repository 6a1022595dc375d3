//! `hagaki allocation rehearse BUNDLE --covariates C.csv`: a bundle walked through its data before there is an installation.
//!
//! The walk is the workflow of a real study in a scratch database; what is invented is who writes, and the secret. So this
//! shows arms to the statistician, and says nothing of the arms that the study will draw; those of an imported list are the study's own.

mod columns;
mod themselves;
mod walk;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::installation::runtime;
use super::simulate::{population, seed};
use super::{End, Output, Refused, counted};
use crate::daemon::machine::SystemClock;
use crate::definition::{self, Bundle};
use crate::domain::allocation::{Method, SITE};
use crate::domain::study::{Arm, FIRST, Study};
use crate::domain::time::{Clock, Instant};
use crate::limits;
use walk::{Came, Given, Rehearsed, Step};

/// Arguments of `hagaki allocation rehearse`.
#[derive(Debug, Args)]
pub struct RehearseArgs {
    /// The bundle's folder.
    bundle: PathBuf,
    /// A CSV (UTF-8, CP932 or EUC-JP, with commas, semicolons or tabs) with a line per subject, in the order of their coming; its columns
    /// are items of the registration, by id, label or alias. Where participants enroll themselves, each line is a participant who sends
    /// the first form. Of a further allocation second.ITEM are items of its form, and second.at is when it is asked for; who answers none
    /// is not randomized again. Further allocations come when everybody is enrolled, one after another.
    #[arg(long)]
    covariates: PathBuf,
    /// What the rehearsal's secret follows from; without one a new one is made and told.
    #[arg(long)]
    seed: Option<String>,
    /// The moment the first subject comes, such as 2026-11-20T09:00:00+09:00, for rules that ask for the day; now without it.
    #[arg(long, value_parser = moment)]
    now: Option<Instant>,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

fn moment(text: &str) -> Result<Instant, String> {
    Instant::parse_rfc3339(text).ok_or_else(|| "no moment; write it as 2026-11-20T09:00:00+09:00".to_string())
}

pub(super) fn run(args: RehearseArgs) -> anyhow::Result<End> {
    let seed = seed(args.seed.as_deref())?;
    let bundle = Bundle::read(&args.bundle);
    let (study, warnings) = definition::load(&bundle).map_err(|problems| Refused::bundle(&problems))?;
    for warning in &warnings {
        eprintln!("warning: {}/{warning}", args.bundle.display());
    }
    if !study.registers {
        return Err(Refused(format!(
            "study {} registers no subjects, so there is nothing to rehearse here; `hagaki study activate` puts it into force to try it \
             out",
            study.slug
        ))
        .into());
    }
    let (columns, rows) = population::read_csv(&args.covariates)?;
    for stray in columns::strays(&study, &columns) {
        eprintln!("note: {stray}");
    }
    for own in study
        .randomizations
        .iter()
        .filter(|own| !columns.iter().any(|column| columns::own_column(&own.id, column).is_some()))
    {
        eprintln!("note: no column begins with \"{0}.\", so the allocation {0} is not rehearsed", own.id);
    }
    if rows.is_empty() {
        let file = args.covariates.display();
        return Err(Refused(format!(
            "{file}: holds no subject: write a line of items' ids, then one line for each subject"
        ))
        .into());
    }
    let (mut asked, mut wrong) = (Vec::new(), Vec::new());
    for own in &study.randomizations {
        match columns::read(&study, own, &columns, &rows) {
            Ok(own) => asked.push(own),
            Err(found) => wrong.extend(found),
        }
    }
    if !wrong.is_empty() {
        wrong.sort();
        let file = args.covariates.display();
        let lines = wrong.iter().map(|(line, wrong)| format!("{file}:{line}: {wrong}"));
        return Err(Refused(lines.collect::<Vec<String>>().join("\n")).into());
    }
    let begin = args.now.unwrap_or_else(|| SystemClock::default().now());
    let rehearsed = runtime()?.block_on(walk::walk(
        &bundle,
        &study,
        Given { seed: &seed, begin, columns: &columns, rows: &rows, asked: &asked },
    ))?;
    if args.output.json {
        println!("{}", to_json(&study, &seed, &rehearsed));
    } else {
        print!("{}", to_text(&study, &seed, &rehearsed));
    }
    Ok(if rehearsed.proved { End::Done } else { End::Refused })
}

/// Subjects by arm, of all, of a site or of a level.
type ByArm = BTreeMap<String, u64>;

/// Subjects by site and arm, and by factor, level and arm.
#[derive(Default)]
struct Counts {
    arms: ByArm,
    sites: BTreeMap<String, ByArm>,
    factors: BTreeMap<String, BTreeMap<String, ByArm>>,
}

impl Counts {
    /// Of those in one of the study's allocations; each of its arms and every site is there, even with nobody.
    fn of(study: &Study, (allocation, arms): (&str, &[Arm]), rehearsed: &Rehearsed) -> Counts {
        let mut counts = Counts::default();
        let none: ByArm = arms.iter().map(|arm| (arm.code.clone(), 0)).collect();
        counts.arms.clone_from(&none);
        counts.sites = study.sites.iter().map(|site| (site.code.clone(), none.clone())).collect();
        let counted =
            |step: &&Step| matches!(step.came, Came::Enrolled | Came::Randomized) && step.allocation == allocation;
        for step in rehearsed.steps.iter().filter(counted) {
            // A registry allocates no arm, and counts all the same.
            let arm = step.arm.clone().unwrap_or_default();
            *counts.arms.entry(arm.clone()).or_default() += 1;
            let site = counts.sites.entry(step.site.clone()).or_insert_with(|| none.clone());
            *site.entry(arm.clone()).or_default() += 1;
            for (factor, level) in &step.levels {
                let levels = counts.factors.entry(factor.clone()).or_default();
                *levels.entry(level.clone()).or_insert_with(|| none.clone()).entry(arm.clone()).or_default() += 1;
            }
        }
        counts
    }
}

fn to_json(study: &Study, seed: &str, rehearsed: &Rehearsed) -> Value {
    let counts = Counts::of(study, (FIRST, &study.arms), rehearsed);
    let further = study.randomizations.iter().map(|own| {
        let counts = Counts::of(study, (&own.id, &own.arms), rehearsed);
        let many = |came: Came| rehearsed.many(&own.id, came);
        let told = json!({ "by_arm": counts.arms, "by_site": counts.sites, "by_factor": counts.factors,
                           "randomized": many(Came::Randomized), "refused": many(Came::Refused),
                           "moved": rehearsed.moved_in(&own.id) });
        (own.id.clone(), told)
    });
    let further: serde_json::Map<String, Value> = further.collect();
    let row = |step: &Step| {
        json!({ "line": step.line, "allocation": step.allocation, "outcome": step.came.key(), "reason": step.reason, "subject": step.subject, "site": step.site,
                "arm": step.arm, "kit": step.kit, "letters": step.letters })
    };
    let many = |came: Came| rehearsed.many(FIRST, came);
    json!({
        "rehearsal": true,
        "study": study.slug,
        "seed": seed,
        "secret_digest": rehearsed.secret_digest,
        "bundle_digest": rehearsed.bundle_digest,
        "rows": rehearsed.steps.iter().map(row).collect::<Vec<Value>>(),
        "enrolled": many(Came::Enrolled),
        "duplicates": many(Came::Duplicate),
        "conflicts": many(Came::Conflict),
        "refused": many(Came::Refused),
        "letters": rehearsed.steps.iter().map(|step| step.letters).sum::<usize>(),
        "by_arm": counts.arms,
        "by_site": counts.sites,
        "by_factor": counts.factors,
        "randomized_again": rehearsed.steps.iter().filter(|step| step.came == Came::Randomized).count(),
        "further": further,
        "proved": rehearsed.proved,
    })
}

fn to_text(study: &Study, seed: &str, rehearsed: &Rehearsed) -> String {
    let lists = study.allocations().any(|rules| matches!(rules.scheme.method(), Method::List(_)));
    let warning = if lists {
        " The arms below are those of the imported list itself: show them to nobody who enrolls, or rehearse with a made-up list."
    } else {
        " The secret tells no arm that the study itself will draw."
    };
    let shuffled = if study.hands_out_kits() { " The arms of kits are shuffled among their codes." } else { "" };
    let mut text =
        format!("REHEARSAL of {}: a scratch database and a secret of its own.{warning}{shuffled}\n\n", study.slug);
    for step in &rehearsed.steps {
        let subject = step.subject.map(|number| study.subject_number(number)).unwrap_or_default();
        let arm = step.arm.as_ref().map(|arm| format!("arm {arm}")).unwrap_or_default();
        let kit = step.kit.as_ref().map(|kit| format!("kit {kit}")).unwrap_or_default();
        let reason = if step.came == Came::Refused { step.reason.as_str() } else { "" };
        let told: Vec<&str> = [subject.as_str(), arm.as_str(), kit.as_str(), reason]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        let again = if step.allocation == FIRST { "" } else { step.allocation.as_str() };
        let told: Vec<&str> = [again].into_iter().filter(|again| !again.is_empty()).chain(told).collect();
        let _ = writeln!(text, "line {:<6} {:<10} {}", step.line, step.came.key(), told.join("  "));
    }
    text.push_str(&table(study, (FIRST, &study.arms), rehearsed));
    for own in &study.randomizations {
        let _ = write!(text, "\nallocation {}\n", own.id);
        text.push_str(&table(study, (&own.id, &own.arms), rehearsed));
        let moved: Vec<String> = rehearsed.moved_in(&own.id).iter().map(u64::to_string).collect();
        if !moved.is_empty() {
            let told = moved.iter().take(limits::LINES_NAMED).cloned().collect::<Vec<String>>().join(", ");
            let more = if moved.len() > limits::LINES_NAMED { ", …" } else { "" };
            let _ = writeln!(
                text,
                "note: {}.at of {} ({told}{more}) lies before everybody was through the allocation before; it was asked for after \
                 that, on that day",
                own.id,
                counted(moved.len() as u64, "line"),
            );
        }
    }
    let many = |came: Came| rehearsed.many(FIRST, came);
    let further = study.randomizations.iter().map(|own| {
        let [again, refused] = [Came::Randomized, Came::Refused].map(|came| rehearsed.many(&own.id, came));
        format!("; {}: {again} randomized again, {refused} refused", own.id)
    });
    let letters: usize = rehearsed.steps.iter().map(|step| step.letters).sum();
    let _ = writeln!(
        text,
        "\n{}: {} enrolled, {} refused, {}, {}{}; {} written; {}.",
        counted(rehearsed.steps.iter().filter(|step| step.allocation == FIRST).count() as u64, "line"),
        many(Came::Enrolled),
        many(Came::Refused),
        counted(many(Came::Duplicate) as u64, "duplicate"),
        counted(many(Came::Conflict) as u64, "conflict"),
        further.collect::<String>(),
        counted(letters as u64, "letter"),
        if rehearsed.proved {
            "all allocations follow from secret and journal"
        } else {
            "THE JOURNAL CANNOT BE PROVED"
        }
    );
    let _ = writeln!(text, "seed: {seed} (the same seed, bundle and file give the same arms)");
    text
}

/// How many of one of the study's allocations have each arm, in all and by level.
fn table(study: &Study, (allocation, own): (&str, &[Arm]), rehearsed: &Rehearsed) -> String {
    let counts = Counts::of(study, (allocation, own), rehearsed);
    // As in the study's file; a registry has one column without a code.
    let place = |code: &str| own.iter().position(|arm| arm.code == code);
    let mut arms: Vec<String> = counts.arms.keys().cloned().collect();
    arms.sort_by_key(|code| place(code));
    let mut rows: Vec<Vec<String>> =
        vec![[String::new()].into_iter().chain(arms.iter().map(|arm| head(arm))).collect()];
    let mut row = |name: String, of: &ByArm| {
        let own = arms.iter().map(|arm| of.get(arm).copied().unwrap_or(0).to_string());
        rows.push([name].into_iter().chain(own).collect());
    };
    row("all".to_string(), &counts.arms);
    counts.sites.iter().for_each(|(site, of)| row(format!("site {site}"), of));
    for (factor, levels) in counts.factors.iter().filter(|(factor, _)| *factor != SITE) {
        levels.iter().for_each(|(level, of)| row(format!("{factor} {level}"), of));
    }
    let mut text = "\n".to_string();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    for row in &rows {
        let cells = row.iter().enumerate().map(|(at, cell)| {
            let width = width(at).unwrap_or(0);
            if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<String>>().join("  ").trim_end());
    }
    text
}

fn head(arm: &str) -> String {
    if arm.is_empty() { "subjects".to_string() } else { arm.to_string() }
}
