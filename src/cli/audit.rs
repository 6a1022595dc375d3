//! `hagaki audit verify`: is every chain whole, and if not, where does it break?

use clap::Subcommand;
use serde_json::json;

use super::installation::Opened;
use super::{End, Installation, Output};
use crate::domain::chain::INSTALLATION;
use crate::store::{audit, study};

/// Commands on the audit chain.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Follow every chain from its first entry to its recorded head.
    Verify {
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn run(command: AuditCommand) -> anyhow::Result<End> {
    let AuditCommand::Verify { installation, output } = command;
    let opened = Opened::open(&installation)?;
    opened.runtime.block_on(async {
        let studies = study::list(&opened.store).await?;
        let name = |id: i64| {
            let found = studies.iter().find(|row| row.id == id);
            found.map_or_else(|| "installation".to_string(), |row| format!("{} ({})", row.slug, row.stage.key()))
        };
        let mut whole = true;
        for report in audit::verify_all(&opened.store).await? {
            let chain =
                if report.study_id == INSTALLATION { "installation".to_string() } else { name(report.study_id) };
            match report.result {
                Ok(entries) if output.json => {
                    println!("{}", json!({ "chain": chain, "whole": true, "entries": entries }))
                }
                Ok(1) => println!("{chain}: whole, 1 entry"),
                Ok(entries) => println!("{chain}: whole, {entries} entries"),
                Err(at) => {
                    whole = false;
                    if output.json {
                        println!("{}", json!({ "chain": chain, "whole": false, "entry": at.seq, "why": at.why.key() }));
                    } else {
                        println!("{chain}: BROKEN at entry {}: {}", at.seq, at.why.key());
                    }
                }
            }
        }
        Ok(if whole { End::Done } else { End::Refused })
    })
}
