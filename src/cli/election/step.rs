//! `hagaki election phase·objection·open·close·record·certify·files`: where an election stands, and what two people do together.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::{Value, json};

use super::hall::{Hall, digests, digests_json};
use super::tally::{self, TallyArgs};
use crate::cli::{End, Installation, Output, Refused};
use crate::definition::ballots_file;
use crate::domain::chain::Sha256Digest;
use crate::domain::election::letters::Round;
use crate::domain::election::phase::Step;
use crate::domain::time::{Instant, Zone};
use crate::limits;
use crate::store::election::StepRow;
use crate::store::voter_letter::RoundRow;
use crate::workflow::election::count;
use crate::workflow::election::roll::{self, Seen};
use crate::workflow::election::steps::{self, Outcome, Taken, Wish};

/// Arguments of a step.
#[derive(Debug, Args)]
pub struct StepArgs {
    /// The study.
    slug: String,
    /// Who takes it: id of a person of the study with the role "manager". One asks; the same command by another confirms.
    #[arg(long, value_name = "PERSON")]
    by: String,
    /// Why; stands in the audit chain.
    #[arg(long, default_value = "")]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// Arguments of `hagaki election close`.
#[derive(Debug, Args)]
pub struct CloseArgs {
    /// Who, and why.
    #[command(flatten)]
    step: StepArgs,
    /// Folder for the files, absent or empty; they are written once the second person has confirmed.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
}

/// Arguments of `hagaki election record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Who, and why.
    #[command(flatten)]
    step: StepArgs,
    /// The outcome, as `hagaki election tally --json` printed it: it is put on record by its digest, and shown once it is certified.
    #[arg(long, value_name = "FILE")]
    outcome: PathBuf,
    /// ballots.csv or facts.toml, as it was counted: everybody may have it with the result. ballots.csv is refused where it would
    /// tell of so few as are withheld; names that were written in stand there as they were written.
    #[arg(long, value_name = "FILE")]
    publish: Vec<PathBuf>,
}

/// Arguments of `hagaki election files`.
#[derive(Debug, Args)]
pub struct FilesArgs {
    /// The study.
    slug: String,
    /// Folder for them, absent or empty.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// Arguments of `hagaki election phase`.
#[derive(Debug, Args)]
pub struct PhaseArgs {
    /// The study.
    slug: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// Where an election stands.
pub(super) fn phase(args: &PhaseArgs) -> anyhow::Result<End> {
    let hall = Hall::open(&args.slug, &args.installation)?;
    let seen = hall.done(roll::see(&hall.shelf, &hall.shelved, hall.means()))?;
    let (terms, zone) = (&hall.election()?.terms, hall.shelved.study.zone);
    if args.output.json {
        let moment = |at: Option<Instant>| at.map(Instant::utc);
        println!(
            "{}",
            json!({ "phase": seen.phase.key(), "objections_until": moment(terms.objections_until),
                    "opens": terms.opens.utc(), "additions_until": moment(terms.additions_until),
                    "closes": terms.closes.utc(), "voters": seen.roll.len(), "postal": seen.postal, "voted": seen.voted,
                    "letters": seen.rounds.iter().map(round_json).collect::<Vec<Value>>(), "deleted_at": moment(seen.deleted_at),
                    "steps": seen.steps.iter().map(step_json).collect::<Vec<Value>>(),
                    "next": seen.next.map(|(step, why)| json!({ "step": step.key(), "not_yet": why.map(|why| why.told(zone)) })),
                    "digests": digests_json(&seen.frozen) })
        );
        return Ok(End::Done);
    }
    println!("phase: {}", seen.phase.key());
    if let Some(until) = terms.objections_until {
        println!("  objections until  {}", until.local(zone));
    }
    println!("  votes from        {}", terms.opens.local(zone));
    if let Some(until) = terms.additions_until {
        println!("  additions until   {}", until.local(zone));
    }
    println!("  votes until       {}", terms.closes.local(zone));
    println!("  on the roll       {}", seen.roll.len());
    if seen.postal > 0 {
        println!("  of them by post   {}", seen.postal);
    }
    if let Some(voted) = seen.voted {
        println!("  voted on the web  {voted}");
    }
    if let Some(at) = seen.deleted_at {
        println!("  deleted           {} (roll, marks, letters and ballots)", at.local(zone));
    }
    seen.rounds.iter().for_each(|own| println!("{}", round_told(own, zone)));
    seen.steps.iter().for_each(|own| println!("{}", step_told(own, zone)));
    println!("{}", next_told(&seen, zone));
    print!("{}", digests(&seen.frozen));
    Ok(End::Done)
}

fn step_told(own: &StepRow, zone: Zone) -> String {
    let asked = format!("{}: {} asked at {}", own.step.key(), own.first_by, own.first_at.local(zone));
    match &own.second {
        Some((by, at)) => format!("{asked}, {by} confirmed at {}", at.local(zone)),
        None => format!("{asked}; nobody has confirmed it yet"),
    }
}

fn step_json(own: &StepRow) -> Value {
    json!({ "step": own.step.key(), "asked_by": own.first_by, "asked_at": own.first_at.utc(),
            "confirmed_by": own.second.as_ref().map(|(by, _)| by), "confirmed_at": own.second.as_ref().map(|(_, at)| at.utc()),
            "about": own.about.as_ref().map(|digest| data_encoding::HEXLOWER.encode(digest)) })
}

fn round_told(own: &RoundRow, zone: Zone) -> String {
    let what = if own.round == Round::Deletion { "" } else { "letters: " };
    let state = if own.done { "done" } else { "under way" };
    format!("{what}{}, begun at {}, {state}", own.round.key(), own.begun_at.local(zone))
}

fn round_json(own: &RoundRow) -> Value {
    json!({ "round": own.round.key(), "begun_at": own.begun_at.utc(), "done": own.done })
}

fn next_told(seen: &Seen, zone: Zone) -> String {
    match seen.next {
        None => "nothing is left to be done".to_string(),
        Some((step, None)) => format!("next: {}", step.key()),
        Some((step, Some(why))) => format!("next: {}, not yet: {}", step.key(), why.told(zone)),
    }
}

/// Any step without arguments of its own.
pub(super) fn take(step: Step, args: &StepArgs) -> anyhow::Result<End> {
    let hall = Hall::open(&args.slug, &args.installation)?;
    let taken = wish(&hall, step, args, None)?;
    tell(&hall, step, &taken, args.output);
    Ok(End::Done)
}

/// The urn is opened; once both want it, its files are written and counted.
pub(super) fn close(args: &CloseArgs) -> anyhow::Result<End> {
    let hall = Hall::open(&args.step.slug, &args.step.installation)?;
    must_be_new(&args.dir)?;
    let taken = wish(&hall, Step::Close, &args.step, None)?;
    tell(&hall, Step::Close, &taken, args.step.output);
    match taken {
        Taken::Asked { .. } => Ok(End::Done),
        Taken::Done { .. } => write(&hall, &args.dir, args.step.output),
    }
}

/// The outcome of the count is put on record, and with it what everybody may have.
pub(super) fn record(args: &RecordArgs) -> anyhow::Result<End> {
    let text = text_of(&args.outcome, limits::OUTCOME_BYTES as u64)?;
    let mut published = Vec::new();
    for path in &args.publish {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        published.push((name, text_of(path, limits::BALLOT_FILE_BYTES)?));
    }
    let hall = Hall::open(&args.step.slug, &args.step.installation)?;
    let outcome = Outcome { text: &text, published: &published };
    let taken = wish(&hall, Step::Record, &args.step, Some(outcome))?;
    tell(&hall, Step::Record, &taken, args.step.output);
    Ok(End::Done)
}

fn text_of(path: &Path, most: u64) -> anyhow::Result<String> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("{shown} cannot be read"))?.len();
    if size > most {
        return Err(Refused(format!("nothing was changed: {shown} is larger than {} MB", most / 1024 / 1024)).into());
    }
    std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))
}

/// The files of an urn that was opened, once more.
pub(super) fn files(args: &FilesArgs) -> anyhow::Result<End> {
    let hall = Hall::open(&args.slug, &args.installation)?;
    must_be_new(&args.dir)?;
    write(&hall, &args.dir, args.output)
}

fn wish(hall: &Hall, step: Step, args: &StepArgs, outcome: Option<Outcome<'_>>) -> anyhow::Result<Taken> {
    let wish = Wish { step, by: &args.by, outcome, act: hall.act(&args.reason) };
    hall.done(steps::take(&hall.shelf, &hall.shelved, hall.means(), wish))
}

fn tell(hall: &Hall, step: Step, taken: &Taken, output: Output) {
    let hex = |digest: &Sha256Digest| data_encoding::HEXLOWER.encode(digest);
    match taken {
        Taken::Asked { until, lapsed } if output.json => println!(
            "{}",
            json!({ "step": step.key(), "state": "asked", "until": until.utc(), "earlier_lapsed": lapsed })
        ),
        Taken::Asked { until, lapsed } => {
            if *lapsed {
                println!(
                    "what was asked for before was about something else by now, or too long ago: it is asked for anew"
                );
            }
            let until = until.local(hall.shelved.study.zone);
            println!("asked for; it is done when another person of the committee does the same until {until}");
        }
        Taken::Done { first, about, opened } if output.json => println!(
            "{}",
            json!({ "step": step.key(), "state": "done", "asked_by": first, "about": about.as_ref().map(hex),
                    "papers": opened.as_ref().map(|own| own.papers), "ballots": opened.as_ref().map(|own| &own.ballots) })
        ),
        Taken::Done { about, opened, .. } => {
            println!("done: {}", step.key());
            if let Some(about) = about {
                println!("digest on record: {}", hex(about));
            }
            if let Some(opened) = opened {
                println!(
                    "papers in the urn: {}; SHA-256 of all ballots as one table: {}",
                    opened.papers, opened.ballots
                );
            }
        }
    }
}

/// A folder in which nothing is overwritten.
fn must_be_new(dir: &Path) -> anyhow::Result<()> {
    let inside = match std::fs::read_dir(dir) {
        Ok(inside) => inside.count(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error).with_context(|| format!("{} cannot be looked into", dir.display())),
    };
    match inside {
        0 => Ok(()),
        _ => Err(Refused(format!("nothing was changed: {} is not empty", dir.display())).into()),
    }
}

/// Writes the files, each readable by whoever runs this alone, and counts from them.
fn write(hall: &Hall, dir: &Path, output: Output) -> anyhow::Result<End> {
    let package = hall.done(count::package(&hall.shelf, &hall.shelved))?;
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let election = hall.election()?;
    let all = ballots_file::read("ballots", package.ballots.as_bytes(), election)
        .map_err(|_| anyhow!("the ballots that came out of the urn cannot be read"))?;
    let (shown, withheld) = ballots_file::part(&all, election.terms.least_ballots);
    let mut files = vec![
        ("election.toml", &package.rule),
        (tally::BALLOTS, &shown),
        ("facts.toml", &package.facts),
        ("roll.csv", &package.roll),
        ("receipts.txt", &package.receipts),
    ];
    if !withheld.is_empty() {
        files.push((tally::WITHHELD, &withheld));
    }
    for (name, text) in &files {
        let path = dir.join(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written =
            options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        written.with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if !output.json {
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        println!("written to {}: {}", dir.display(), names.join(", "));
        if !withheld.is_empty() {
            println!(
                "{} holds the ballots of districts with fewer than {}: it is for whoever counts, and not to be published",
                tally::WITHHELD,
                election.terms.least_ballots
            );
        }
        println!();
    }
    // What is left undecided is told by the count, and nothing that was asked for here has failed.
    tally::run(&TallyArgs::of(dir, output))?;
    Ok(End::Done)
}
