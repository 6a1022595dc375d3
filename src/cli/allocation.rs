//! `hagaki allocation`: the next decision explained, and past ones proved.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::explain::{self, ExplainFault};
use super::installation::Opened;
use super::{End, Installation, Output, Refused};
use crate::workflow::proof::{self, Verdict};

/// Commands on allocations.
#[derive(Debug, Subcommand)]
pub enum AllocationCommand {
    /// What would the next decision be? From a scheme and a history, without any installation.
    Explain {
        /// The scheme: an `allocation.toml`.
        #[arg(long)]
        file: PathBuf,
        /// The subjects so far: a CSV with a column per factor and `arm`.
        #[arg(long)]
        history: Option<PathBuf>,
        /// The next subject's levels, such as `sex=F,site=012`; left out where the scheme has no factors.
        #[arg(long)]
        next: Option<String>,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Replay every allocation of a study from its journal and its secret; names the first that differs.
    Verify {
        /// The study.
        slug: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn run(command: AllocationCommand) -> anyhow::Result<End> {
    match command {
        AllocationCommand::Explain { file, history, next, output } => {
            let explanation = match explain::explain(&file, history.as_deref(), next.as_deref()) {
                Ok(explanation) => explanation,
                Err(fault @ ExplainFault::File { .. }) => return Err(fault.into()),
                Err(fault) => return Err(Refused(fault.to_string()).into()),
            };
            for warning in &explanation.warnings {
                eprintln!("warning: {warning}");
            }
            if output.json {
                println!("{}", explanation.to_json());
            } else {
                print!("{}", explanation.to_table());
            }
            Ok(End::Done)
        }
        AllocationCommand::Verify { slug, installation, output } => verify(&slug, &installation, output),
    }
}

fn verify(slug: &str, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let shelved = opened.study(slug)?;
    let verdict = opened.runtime.block_on(proof::verify(&opened.store, &shelved))?;
    let stage = shelved.stage.key();
    Ok(match verdict {
        Verdict::Proved(count) => {
            if output.json {
                println!("{}", json!({ "study": slug, "stage": stage, "proved": true, "allocations": count }));
            } else {
                let all = if count == 1 {
                    "its allocation follows".to_string()
                } else {
                    format!("all {count} allocations follow")
                };
                println!("{slug} ({stage}): {all} from the secret and the journal");
            }
            End::Done
        }
        Verdict::NoScheme => {
            if output.json {
                println!("{}", json!({ "study": slug, "stage": stage, "proved": true, "allocations": 0 }));
            } else {
                println!("{slug} ({stage}) randomizes nobody");
            }
            End::Done
        }
        Verdict::Unrecorded(number) => {
            if output.json {
                println!("{}", json!({ "study": slug, "stage": stage, "proved": false, "number": number }));
            } else {
                println!("{slug} ({stage}): allocation {number} is not as the audit chain tells it");
            }
            End::Refused
        }
        Verdict::Differs(difference) => {
            let (expected, found) = (format!("{:?}", difference.expected), format!("{:?}", difference.found));
            if output.json {
                println!(
                    "{}",
                    json!({ "study": slug, "stage": stage, "proved": false, "number": difference.number,
                                       "expected": expected, "found": found })
                );
            } else {
                println!(
                    "{slug} ({stage}): allocation {} differs: expected {expected}, found {found}",
                    difference.number
                );
            }
            End::Refused
        }
    })
}
