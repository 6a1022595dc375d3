//! `hagaki election`: elections, looked at from outside.

mod verify;

use clap::Subcommand;

use super::End;
use verify::VerifyArgs;

/// Commands on elections.
#[derive(Debug, Subcommand)]
pub enum ElectionCommand {
    /// Check the archive of a verifiable election, as `belenios-tool` does and further. Needs no installation and no database.
    Verify(VerifyArgs),
}

pub(super) fn run(command: ElectionCommand) -> anyhow::Result<End> {
    match command {
        ElectionCommand::Verify(args) => verify::run(&args),
    }
}
