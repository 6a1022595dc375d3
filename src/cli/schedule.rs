//! `hagaki schedule`: letters that go out by themselves: looked at, steered, and rehearsed.

mod compare;
mod invented;
mod known;
mod list;
mod page;
mod rehearse;
mod steer;
mod told;

use clap::Subcommand;

use crate::workflow::schedule::Steering;

use super::End;
use list::ListArgs;
use rehearse::RehearseArgs;
use steer::SteerArgs;

pub(super) use told::next_times;

/// Commands on schedules.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Who would get which letter on which day, and why: for the people of a study as they are on file, or for invented ones. Sends and
    /// writes nothing.
    Rehearse(Box<RehearseArgs>),
    /// The letters of a schedule: what waits and when it goes out, and what became of those before, with why.
    List(ListArgs),
    /// Stop letters that wait until they are released; of a rule or of all also those that are still to be planned.
    Hold(SteerArgs),
    /// Let held letters go out at their time after all.
    Release(SteerArgs),
    /// Leave out the next letter of each; those behind it come.
    Skip(SteerArgs),
    /// Send the next letter of each now, whatever its time and condition; nobody is written to who answered, withdrew, unsubscribed or may not
    /// answer.
    SendNow(SteerArgs),
}

pub(super) fn run(command: ScheduleCommand) -> anyhow::Result<End> {
    match command {
        ScheduleCommand::Rehearse(args) => rehearse::run(&args),
        ScheduleCommand::List(args) => list::run(&args),
        ScheduleCommand::Hold(args) => steer::run(&args, Some(Steering::Hold)),
        ScheduleCommand::Release(args) => steer::run(&args, Some(Steering::Release)),
        ScheduleCommand::SendNow(args) => steer::run(&args, Some(Steering::SendNow)),
        ScheduleCommand::Skip(args) => steer::run(&args, None),
    }
}
