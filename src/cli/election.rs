//! `hagaki election`: counts, and what anyone can check, from files alone.

mod figures;
mod tally;
mod told;
mod verify;

use clap::Subcommand;

use super::End;
use tally::TallyArgs;
use verify::VerifyArgs;

/// Commands on elections.
#[derive(Debug, Subcommand)]
pub enum ElectionCommand {
    /// Count ballots by the rules of an election, from files alone: whoever has them gets the same outcome. Writes nothing.
    Tally(Box<TallyArgs>),
    /// Check the archive of a verifiable election, as `belenios-tool` does and further. Needs no installation and no database.
    Verify(VerifyArgs),
}

pub(super) fn run(command: ElectionCommand) -> anyhow::Result<End> {
    match command {
        ElectionCommand::Tally(args) => tally::run(&args),
        ElectionCommand::Verify(args) => verify::run(&args),
    }
}
