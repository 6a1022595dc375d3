//! `hagaki allocation import`: the history of another system, counted back before it is taken.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::explain::{self, ExplainFault};
use super::installation::Opened;
use super::study::judged;
use super::{End, Installation, Output, Refused, counted};
use crate::domain::allocation::Scheme;
use crate::domain::study::Blinding;
use crate::store::kit;
use crate::workflow::import::{self, History, Line, Source};
use crate::workflow::life::Act;

/// What `hagaki allocation import` takes.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The study; nobody may be enrolled yet.
    slug: String,
    /// The subjects in the order of their allocation: a CSV with the columns `subject` and `arm`, one for each factor or stratum,
    /// `site` where the study has several, `block_size` for blocks (with the open ones last in their stratum), `slot` for
    /// dummy arms, `kit` in a blinded study.
    file: PathBuf,
    /// Only count back, which is what happens without --yes too.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// The counts are right: take it.
    #[arg(long)]
    yes: bool,
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

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<End> {
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study(&args.slug)?;
    let Some(scheme) = &shelved.study.scheme else {
        return Err(Refused(format!("study {} randomizes nobody; there is nothing to import", args.slug)).into());
    };
    let (lines, digest) = match read(args, scheme, shelved.study.blinding, shelved.study.sites.len()) {
        Ok(read) => read,
        Err(fault @ ExplainFault::File { .. }) => return Err(fault.into()),
        Err(fault) => return Err(Refused(fault.to_string()).into()),
    };
    let kits = opened.runtime.block_on(kit::list(&opened.store, shelved.id))?;
    let history = import::fit(&shelved, scheme, &kits, &lines)
        .map_err(|misfit| Refused(format!("{}:{}: {}", args.file.display(), misfit.line, misfit.wrong)))?;
    if args.yes {
        let name = args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let source = Source { name: &name, digest: &digest };
        let act = Act { actor: &opened.actor, at: opened.now(), reason: &args.reason };
        let importing = import::import(&opened.store, &shelved, &history, source, act, &*opened.dice);
        if judged(opened.runtime.block_on(importing))?.is_none() {
            return Ok(End::Refused);
        }
    }
    if args.output.json {
        println!("{}", to_json(&history, scheme, &digest, args.yes));
    } else {
        print!("{}", in_words(&history, scheme, &digest));
        match args.yes {
            true => println!("{}: {} imported", args.slug, counted(history.len() as u64, "subject")),
            false => println!("Nothing was changed. If the counts are right: the same again with --yes --reason WHY"),
        }
    }
    Ok(End::Done)
}

/// The lines of the file, and its SHA-256.
fn read(
    args: &ImportArgs,
    scheme: &Scheme,
    blinding: Blinding,
    sites: usize,
) -> Result<(Vec<Line>, String), ExplainFault> {
    let text = explain::read_file(&args.file)?;
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
    let (rows, numbers) = explain::read_history(scheme, &args.file, &text)?;
    let fault = |line: Option<u64>, wrong: String| ExplainFault::History { path: args.file.clone(), line, wrong };
    let mut reader = explain::reader(&text);
    let headers = reader.headers().map_err(|wrong| fault(None, wrong.to_string()))?.clone();
    let find = |name: &str| headers.iter().position(|header| header == name);
    let need = |name: &str| find(name).ok_or_else(|| fault(None, format!("there is no column \"{name}\"")));
    let subject = need("subject")?;
    let kit = if blinding == Blinding::Blinded { Some(need("kit")?) } else { None };
    let known = scheme.needs().any(|id| id == crate::domain::allocation::SITE);
    let site = if known || sites == 1 { None } else { find("site") };
    let mut lines = Vec::with_capacity(rows.len());
    for ((record, row), number) in reader.records().zip(rows).zip(numbers) {
        let record = record.map_err(|wrong| fault(Some(number), wrong.to_string()))?;
        let cell = |column: Option<usize>| {
            column.and_then(|column| record.get(column)).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let empty = || fault(Some(number), "the column \"subject\" is empty".to_owned());
        let subject = cell(Some(subject)).ok_or_else(empty)?;
        lines.push(Line { number, subject, site: cell(site), kit: cell(kit), row });
    }
    if lines.is_empty() {
        return Err(fault(None, "has no line with a subject".to_owned()));
    }
    Ok((lines, digest))
}

fn to_json(history: &History, scheme: &Scheme, digest: &str, imported: bool) -> Value {
    let strata = history.strata.iter().map(|(levels, arms)| {
        let named = scheme.strata().iter().zip(levels).map(|(id, level)| (id.clone(), json!(level)));
        json!({ "levels": Value::Object(named.collect()), "arms": arms })
    });
    let blocks = history.blocks.iter().map(|block| {
        let named = scheme.strata().iter().zip(&block.stratum).map(|(id, level)| (id.clone(), json!(level)));
        json!({ "levels": Value::Object(named.collect()), "size": block.size, "arms": block.arms })
    });
    json!({ "sha256": digest, "subjects": history.len(), "arms": history.arms, "strata": strata.collect::<Vec<Value>>(),
            "blocks": blocks.collect::<Vec<Value>>(), "imported": imported })
}

fn in_words(history: &History, scheme: &Scheme, digest: &str) -> String {
    let arms = |arms: &std::collections::BTreeMap<String, u64>| {
        let count = |code: &String| format!("{code} {}", arms.get(code).copied().unwrap_or(0));
        history.arms.keys().map(count).collect::<Vec<String>>().join(", ")
    };
    let place = |levels: &[String]| {
        let named = scheme.strata().iter().zip(levels).map(|(id, level)| format!("{id}={level}"));
        named.collect::<Vec<String>>().join(" ")
    };
    let mut text = format!("SHA-256 of the file: {digest}\n");
    text.push_str(&format!("{}: {}\n", counted(history.len() as u64, "subject"), arms(&history.arms)));
    for (levels, counts) in history.strata.iter().filter(|(levels, _)| !levels.is_empty()) {
        text.push_str(&format!("  {}: {}\n", place(levels), arms(counts)));
    }
    for block in &history.blocks {
        let given: u64 = block.arms.values().sum();
        let open = if given < block.size { format!(", open with {given} given") } else { String::new() };
        let place = place(&block.stratum);
        let space = if place.is_empty() { "" } else { " " };
        text.push_str(&format!("  block of {}{space}{place}: {}{open}\n", block.size, arms(&block.arms)));
    }
    text
}
