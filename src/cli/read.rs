//! `hagaki read`: the arguments; what it does is in [`reading`](super::reading).

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use super::reading::{self, Output};
use super::{End, Refused};
use crate::daemon::machine::SystemClock;
use crate::definition::{self, Bundle};
use crate::domain::time::{Clock, Instant};

/// Arguments of `hagaki read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// The bundle of the study they are for.
    #[arg(long)]
    bundle: PathBuf,
    /// Time of reading, such as 2026-11-20T09:05:00+09:00; else now.
    #[arg(long, value_parser = time)]
    now: Option<Instant>,
    /// Day on which the subject was enrolled, such as 2026-11-20: the days of events that count from it are judged. Which day an event
    /// is held on, and what is on file, only the daemon knows.
    #[arg(long)]
    enrolled: Option<chrono::NaiveDate>,
    /// Mail files; several are one inbox, in order.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// For people or for programs.
    #[command(flatten)]
    output: super::Output,
}

fn time(text: &str) -> Result<Instant, String> {
    Instant::parse_rfc3339(text).ok_or_else(|| "no time; write it like 2026-11-20T09:05:00+09:00".to_string())
}

pub(super) fn run(args: ReadArgs) -> anyhow::Result<End> {
    let now = args.now.unwrap_or_else(|| SystemClock::default().now());
    let (study, _) = definition::load(&Bundle::read(&args.bundle)).map_err(|problems| Refused::bundle(&problems))?;
    let output = if args.output.json { Output::Json } else { Output::Text };
    let code =
        reading::run(&study, (now, args.enrolled), &args.files, output, &mut std::io::stdout(), &mut std::io::stderr())
            .context("the report cannot be written")?;
    match code {
        0 => Ok(End::Done),
        1 => Ok(End::Refused),
        _ => bail!("not every file could be read"),
    }
}
