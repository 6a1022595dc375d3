//! `hagaki allocation rerandomize`: the same subjects allocated many times more, for a re-randomization test.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::thread;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::export::{self, StageName, Whom};
use super::installation::Opened;
use super::{End, Installation, Output, Refused};
use crate::domain::allocation::{Allotment, Amendment, Fault, Method, Origin, Row, Scheme, Turn, rerandomize};
use crate::domain::study::{FIRST, Rules, Stage};
use crate::domain::time::Dice;
use crate::limits;
use crate::store::allocation::AllocationRow;
use crate::store::study;
use crate::workflow::amendment::{AllSchemes, Schemes};
use crate::workflow::journal::{self, Line};
use crate::workflow::proof;
use crate::workflow::shelf::ShelvedStudy;

/// What `hagaki allocation rerandomize` takes.
#[derive(Debug, Args)]
pub struct RerandomizeArgs {
    /// The study.
    slug: String,
    /// How many times.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=limits::RERANDOMIZATIONS))]
    times: u64,
    /// The file to write: a CSV with the columns `replicate` and one for each allocation number. The first line is what really was
    /// (replicate 0), each other one a replicate.
    #[arg(long)]
    out: PathBuf,
    /// Which of the study's allocations: "first", or the id of a section [[allocation]]. The subjects' levels stay as they were, an
    /// earlier arm among them.
    #[arg(long, default_value = FIRST)]
    allocation: String,
    /// Any text; the same text gives the same replicates. Drawn and told if left out.
    #[arg(long)]
    seed: Option<String>,
    /// Of which stage; the current one if left out.
    #[arg(long, value_enum)]
    stage: Option<StageName>,
    /// For whom.
    #[command(flatten)]
    whom: Whom,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &RerandomizeArgs) -> anyhow::Result<End> {
    if args.out.as_os_str() == "-" || args.out.exists() {
        let why = "name a file that does not exist yet";
        return Err(Refused(format!("--out {}: {why}", args.out.display())).into());
    }
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study_at(&args.slug, args.stage.map(Stage::from))?;
    args.whom.ask(&opened, &shelved, "rerandomize")?;
    let rules = export::find_rules(&shelved.study, &args.allocation)?;
    let lines = opened.runtime.block_on(journal::lines(&opened.store, shelved.id))?;
    let schemes = opened.runtime.block_on(schemes(&opened, &shelved))?;
    let amendments = opened.runtime.block_on(journal::amendments(&opened.store, &shelved, rules))?;
    let course = real(&args.slug, rules, &lines, schemes.of(rules.id)?, amendments)?;
    let rows = &course.rows;
    let seed = args.seed.clone().unwrap_or_else(|| {
        let mut bytes = [0; 16];
        opened.dice.fill(&mut bytes);
        data_encoding::HEXLOWER.encode(&bytes)
    });
    let digest = write(args, &course, &seed).with_context(|| format!("{} cannot be written", args.out.display()))?;
    let of = |origin: Origin| rows.iter().filter(|row| row.origin == origin).count();
    let (imported, forced) = (of(Origin::Imported), of(Origin::Forced));
    if args.output.json {
        println!(
            "{}",
            json!({ "study": args.slug, "stage": shelved.stage.key(), "times": args.times, "seed": seed,
                    "allocations": rows.len(), "imported": imported, "forced": forced, "file": args.out.display().to_string(),
                    "sha256": digest })
        );
    } else {
        println!("{}: {} allocations, {} times, seed {seed}", args.out.display(), rows.len(), args.times);
        for (count, how) in [(imported, "imported"), (forced, "given by hand")] {
            if count > 0 {
                println!("{count} of them, {how}, keep their arm in every replicate");
            }
        }
        println!("SHA-256: {digest}");
    }
    Ok(End::Done)
}

/// What really was: the subjects in their order, and what became known of them.
struct Real<'a> {
    first: &'a Scheme,
    turns: Vec<Turn<'a>>,
    rows: Vec<Row>,
    amendments: Vec<Amendment>,
}

/// The schemes of all versions of the study's bundle.
async fn schemes(opened: &Opened, shelved: &ShelvedStudy) -> anyhow::Result<AllSchemes> {
    let row = study::load(&opened.store, shelved.id).await?;
    Ok(Schemes::load(&opened.store, &row, &shelved.study).await?)
}

fn real<'a>(
    slug: &str,
    rules: Rules<'_>,
    lines: &[Line],
    schemes: &'a Schemes,
    amendments: Vec<Amendment>,
) -> anyhow::Result<Real<'a>> {
    let own: Vec<&Line> = lines.iter().filter(|line| line.fact.randomization == rules.id).collect();
    if own.is_empty() {
        return Err(Refused(format!("study {slug} has no allocations")).into());
    }
    let facts: Vec<AllocationRow> = lines.iter().map(|line| line.fact.clone()).collect();
    let (first, turns) = (schemes.first(), schemes.turns(&facts));
    for scheme in turns.iter().map(|turn| turn.scheme).chain([first]) {
        if matches!(scheme.method(), Method::List(_) | Method::None) {
            let why = format!("nothing was drawn: the method \"{}\" cannot be re-randomized", scheme.method().key());
            return Err(Refused(why).into());
        }
    }
    let rows = own.iter().map(|line| Ok(proof::row_of(&line.fact)?)).collect::<anyhow::Result<_>>()?;
    Ok(Real { first, turns, rows, amendments })
}

/// The secret of a replicate: SHA-256 of a label, the seed and its number.
fn secret(seed: &str, replicate: u64) -> [u8; 32] {
    Sha256::digest(format!("hagaki rerandomize 1\n{seed}\n{replicate}")).into()
}

/// Writes the file; its SHA-256. Each batch is worked out on all cores and written in order.
fn write(args: &RerandomizeArgs, real: &Real<'_>, seed: &str) -> anyhow::Result<String> {
    let mut file = BufWriter::new(File::create(&args.out)?);
    let mut hash = Sha256::new();
    let mut put = |line: Vec<String>| -> anyhow::Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&line)?;
        let bytes = writer.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?;
        hash.update(&bytes);
        Ok(file.write_all(&bytes)?)
    };
    let numbers = real.rows.iter().map(|row| row.number.to_string());
    put(std::iter::once("replicate".to_owned()).chain(numbers).collect())?;
    let arms = real.rows.iter().map(|row| row.allotment.arm.clone());
    put(std::iter::once("0".to_owned()).chain(arms).collect())?;
    let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
    let shown = std::io::stderr().is_terminal();
    let mut done = 0;
    while done < args.times {
        let batch = (cores * limits::RERANDOMIZATION_BATCH).min(args.times - done);
        for (replicate, course) in (done + 1..).zip(courses(real, seed, done + 1..done + 1 + batch, cores)) {
            let course = course
                .map_err(|(number, fault)| Refused(format!("replicate {replicate}, allocation {number}: {fault}")))?;
            let arms = course.into_iter().map(|allotment| allotment.arm);
            put(std::iter::once(replicate.to_string()).chain(arms).collect())?;
        }
        done += batch;
        if shown {
            eprint!("\r{done} of {}", args.times);
        }
    }
    if shown {
        eprintln!();
    }
    file.flush()?;
    Ok(data_encoding::HEXLOWER.encode(&hash.finalize()))
}

type Course = Result<Vec<Allotment>, (u64, Fault)>;

/// The courses of those replicates, in order, each core taking its share.
fn courses(real: &Real<'_>, seed: &str, replicates: std::ops::Range<u64>, cores: u64) -> Vec<Course> {
    let all: Vec<u64> = replicates.collect();
    let share = all.len().div_ceil(usize::try_from(cores).unwrap_or(1)).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = all
            .chunks(share)
            .map(|own| {
                let course = |replicate: &u64| {
                    rerandomize(real.first, &real.turns, &real.rows, &real.amendments, &secret(seed, *replicate))
                };
                scope.spawn(move || own.iter().map(course).collect::<Vec<Course>>())
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a course does not panic")).collect()
    })
}
