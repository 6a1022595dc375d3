//! `hagaki election`: counts of ballots, from files alone.

mod figures;
mod tally;
mod told;

use clap::Subcommand;

use super::End;
use tally::TallyArgs;

/// Commands on elections.
#[derive(Debug, Subcommand)]
pub enum ElectionCommand {
    /// Count ballots by the rules of an election, from files alone: whoever has them gets the same outcome. Writes nothing.
    Tally(Box<TallyArgs>),
}

pub(super) fn run(command: ElectionCommand) -> anyhow::Result<End> {
    match command {
        ElectionCommand::Tally(args) => tally::run(&args),
    }
}
