//! `hagaki schedule`: letters that go out by themselves, and a rehearsal of them.

mod compare;
mod invented;
mod known;
mod page;
mod rehearse;
mod told;

use clap::Subcommand;

use super::End;
use rehearse::RehearseArgs;

pub(super) use told::next_times;

/// Commands on schedules.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Who would get which letter on which day, and why: for the people of a study as they are on file, or for invented ones. Sends and
    /// writes nothing.
    Rehearse(Box<RehearseArgs>),
}

pub(super) fn run(command: ScheduleCommand) -> anyhow::Result<End> {
    match command {
        ScheduleCommand::Rehearse(args) => rehearse::run(&args),
    }
}
