//! `hagaki allocation export`: the journal as CSV or JSON lines, and the list in the shape of a REDCap allocation table.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::installation::Opened;
use super::study::judged;
use super::{End, Installation, Refused, counted};
use crate::domain::allocation::SITE;
use crate::domain::study::{FIRST, Rules, Stage, Study};
use crate::workflow::disclosure::{self, Wish};
use crate::workflow::journal::{self, Line};
use crate::workflow::life::Act;
use crate::workflow::shelf::ShelvedStudy;

/// What `hagaki allocation export` takes.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The study.
    slug: String,
    /// Shape of the file.
    #[arg(long, value_enum)]
    format: Format,
    /// Folder to write it into (made if it is absent), or `-` to print it.
    #[arg(long)]
    out: PathBuf,
    /// Of which stage; the current one if left out.
    #[arg(long, value_enum)]
    stage: Option<StageName>,
    /// For whom.
    #[command(flatten)]
    whom: Whom,
    /// Which of the study's allocations a REDCap table is of: "first", or the id of a section [[allocation]]. The journals hold
    /// all of them.
    #[arg(long, default_value = FIRST)]
    allocation: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
}

/// Who gets what tells the arms, and why.
#[derive(Debug, Args)]
pub struct Whom {
    /// Id of the person of the study who asked for it; stands in the audit chain.
    #[arg(long, default_value = "")]
    by: String,
    /// Why; stands in the audit chain.
    #[arg(long, default_value = "")]
    reason: String,
}

impl Whom {
    /// Id of the person, or empty.
    pub(super) fn by(&self) -> &str {
        &self.by
    }

    /// Why, or empty.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// Asks for leave to tell somebody who may know arms.
    pub(super) fn ask_unblinded(&self, opened: &Opened, shelved: &ShelvedStudy, what: &str) -> anyhow::Result<()> {
        let wish = Wish { what, by: &self.by };
        let act = Act { actor: &opened.actor, at: opened.now(), reason: &self.reason };
        judged(opened.runtime.block_on(disclosure::permit_unblinded(&opened.store, shelved, wish, act)))
    }

    /// Asks for leave to let answers out by which arms can be told apart; whether they go.
    pub(super) fn ask_telling(&self, opened: &Opened, shelved: &ShelvedStudy) -> anyhow::Result<bool> {
        let wish = Wish { what: "data that tell arms apart", by: &self.by };
        let act = Act { actor: &opened.actor, at: opened.now(), reason: &self.reason };
        judged(opened.runtime.block_on(disclosure::permit_telling(&opened.store, shelved, wish, act)))
    }

    /// Asks for leave to let the journal out.
    pub(super) fn ask(&self, opened: &Opened, shelved: &ShelvedStudy, what: &str) -> anyhow::Result<()> {
        let wish = Wish { what, by: &self.by };
        let act = Act { actor: &opened.actor, at: opened.now(), reason: &self.reason };
        let asking = disclosure::permit(&opened.store, shelved, wish, act);
        judged(opened.runtime.block_on(asking))
    }
}

/// Shapes of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One line for each allocation, one column for each level.
    JournalCsv,
    /// One JSON object for each allocation.
    JournalJsonl,
    /// A REDCap allocation table, one file for the stage.
    Redcap,
}

impl Format {
    const fn key(self) -> &'static str {
        match self {
            Format::JournalCsv => "journal-csv",
            Format::JournalJsonl => "journal-jsonl",
            Format::Redcap => "redcap",
        }
    }
}

/// Stages, as options name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StageName {
    /// The rehearsal.
    Development,
    /// The real thing.
    Production,
}

impl From<StageName> for Stage {
    fn from(name: StageName) -> Stage {
        match name {
            StageName::Development => Stage::Development,
            StageName::Production => Stage::Production,
        }
    }
}

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<End> {
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study_at(&args.slug, args.stage.map(Stage::from))?;
    args.whom.ask(&opened, &shelved, args.format.key())?;
    find_rules(&shelved.study, &args.allocation)?;
    if args.format != Format::Redcap && args.allocation != FIRST {
        let whole = format!("a journal holds every allocation: leave out --allocation {}", args.allocation);
        return Err(Refused(whole).into());
    }
    let lines = opened.runtime.block_on(journal::lines(&opened.store, shelved.id))?;
    let text = match args.format {
        Format::JournalCsv => journal_csv(&shelved.study, &lines)?,
        Format::JournalJsonl => lines.iter().map(|line| format!("{}\n", line.to_json())).collect(),
        Format::Redcap => redcap(&shelved.study, &args.allocation, &lines)?,
    };
    if args.out == Path::new("-") {
        std::io::stdout().write_all(text.as_bytes()).context("the journal cannot be printed")?;
        return Ok(End::Done);
    }
    // A table is of one allocation: those of others must not take its place.
    let end = match args.format {
        Format::JournalCsv => "journal.csv".to_owned(),
        Format::JournalJsonl => "journal.jsonl".to_owned(),
        Format::Redcap if args.allocation == FIRST => "redcap.csv".to_owned(),
        Format::Redcap => format!("{}-redcap.csv", args.allocation),
    };
    let told = lines.iter().filter(|line| args.format != Format::Redcap || line.fact.randomization == args.allocation);
    let told = told.count();
    let path = args.out.join(format!("{}-{}-{end}", args.slug, shelved.stage.key()));
    fs::create_dir_all(&args.out)
        .and_then(|()| fs::write(&path, text))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    eprintln!("{}: {}", path.display(), counted(told as u64, "allocation"));
    Ok(End::Done)
}

/// The rules of the allocation of that id.
pub(super) fn find_rules<'s>(study: &'s Study, id: &str) -> anyhow::Result<Rules<'s>> {
    let known: Vec<&str> = study.allocations().map(|rules| rules.id).collect();
    let wrong = || match known.as_slice() {
        [] => format!("study {} has no allocations", study.slug),
        known => format!("--allocation {id}: study {} has {}", study.slug, known.join(", ")),
    };
    study.find_rules(id).ok_or_else(|| Refused(wrong()).into())
}

/// Columns of the journal that are no levels.
const COLUMNS: [&str; 23] = [
    "number",
    "subject",
    "at",
    "originally_at",
    "origin",
    "arm",
    "slot",
    "block_size",
    "place_in_block",
    "kit",
    "method",
    "probabilities",
    "imbalances",
    "counts",
    "draws",
    "bundle_version",
    "bundle_digest",
    "program",
    "forced_by",
    "forced_reason",
    "forced_at",
    "rescreens",
    "randomization",
];

/// Factors and strata, the site among them, of all lines.
fn factors(lines: &[Line]) -> BTreeSet<String> {
    let levels = |line: &Line| serde_json::from_str::<Map<String, Value>>(&line.fact.levels).unwrap_or_default();
    lines.iter().flat_map(|line| levels(line).into_iter().map(|(id, _)| id)).collect()
}

/// `number … randomization`; `originally_at` is when another system made what was imported at `at`. With one column for each factor behind `origin`; one whose id is the name of a column has `level_`
/// before it.
fn journal_csv(study: &Study, lines: &[Line]) -> anyhow::Result<String> {
    let factors = factors(lines);
    let (before, behind) = COLUMNS.split_at(5);
    let column = |id: &String| if COLUMNS.contains(&id.as_str()) { format!("level_{id}") } else { id.clone() };
    let header = before.iter().map(ToString::to_string).chain(factors.iter().map(column));
    let header: Vec<String> = header.chain(behind.iter().map(ToString::to_string)).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    for line in lines {
        let entry = line.to_json();
        let cell = |key: &str| match key {
            "subject" => study.subject_number(line.subject),
            "rescreens" => line.rescreens.map(|earlier| study.subject_number(earlier)).unwrap_or_default(),
            "probabilities" => pairs(&entry, "arms", "code", "probability", "="),
            "imbalances" => pairs(&entry, "arms", "code", "imbalance", "="),
            "draws" => pairs(&entry, "draws", "value", "below", " of "),
            "counts" => entry.get("counts").map(Value::to_string).unwrap_or_default(),
            "originally_at" => plain(entry.get("imported").and_then(|imported| imported.get("at"))),
            "forced_by" | "forced_reason" | "forced_at" => {
                let told = entry.get("forced").and_then(|told| told.get(key.trim_start_matches("forced_")));
                plain(told)
            }
            "bundle_version" => line.fact.bundle_version.to_string(),
            "bundle_digest" => line.bundle_digest.clone(),
            _ => plain(entry.get(key)),
        };
        let levels = factors.iter().map(|id| plain(entry.get("levels").and_then(|levels| levels.get(id))));
        let cells = before.iter().map(|key| cell(key)).chain(levels).chain(behind.iter().map(|key| cell(key)));
        writer.write_record(cells.collect::<Vec<String>>())?;
    }
    finished(writer)
}

/// `A=1/2; B=1/2`: two entries of each object of a list.
fn pairs(entry: &Value, list: &str, first: &str, second: &str, between: &str) -> String {
    let objects = entry.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let pair = |object: &Value| {
        let second = object.get(second).filter(|value| !value.is_null())?;
        Some(format!("{}{between}{}", plain(object.get(first)), plain(Some(second))))
    };
    objects.iter().filter_map(pair).collect::<Vec<String>>().join("; ")
}

fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// `redcap_randomization_number, redcap_randomization_group`, a column for each stratum or factor, and
/// `redcap_data_access_group` for the site. Numbers are those of the allocations, kits' codes in a blinded study.
fn redcap(study: &Study, id: &str, lines: &[Line]) -> anyhow::Result<String> {
    let scheme = study.find_rules(id).map(|rules| rules.scheme);
    let needed: Vec<&str> = scheme.map(|scheme| scheme.needs().collect()).unwrap_or_default();
    let column = |id: &str| if id == SITE { "redcap_data_access_group".to_owned() } else { id.to_owned() };
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["redcap_randomization_number", "redcap_randomization_group"].map(str::to_owned);
    writer.write_record(header.into_iter().chain(needed.iter().map(|id| column(id))))?;
    for line in lines.iter().filter(|line| line.fact.randomization == id) {
        let levels: Value = serde_json::from_str(&line.fact.levels).unwrap_or_default();
        let number = line.fact.kit.clone().unwrap_or_else(|| line.fact.number.to_string());
        let cells = [number, line.fact.arm.clone()].into_iter();
        writer.write_record(cells.chain(needed.iter().map(|id| plain(levels.get(*id)))))?;
    }
    finished(writer)
}

fn finished(writer: csv::Writer<Vec<u8>>) -> anyhow::Result<String> {
    let bytes = writer.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(String::from_utf8(bytes)?)
}
