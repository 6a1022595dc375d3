//! `hagaki election`: the roll and the steps of an election that is held here; counts, and what anyone can check, from files alone.

mod archive;
mod audited;
mod begun;
mod booth;
mod figures;
mod hall;
mod letters;
mod papers;
mod registrar;
mod roll;
mod step;
mod tally;
mod told;
mod trustee;
mod verify;
mod vote;

use clap::Subcommand;

use super::End;
use crate::domain::election::phase::Step;
use archive::ArchiveCommand;
use booth::BoothArgs;
use letters::{CredentialsArgs, SendArgs};
use registrar::RegistrarCommand;
use roll::RollCommand;
use step::{CloseArgs, FilesArgs, PhaseArgs, RecordArgs, StepArgs};
use tally::TallyArgs;
use trustee::TrusteeCommand;
use verify::VerifyArgs;
use vote::VoteArgs;

/// Longest text of an archive that is shown, in characters.
const SHOWN_CHARS: usize = 200;

/// Commands on elections.
#[derive(Debug, Subcommand)]
pub enum ElectionCommand {
    /// Who may vote: the roll, brought by a list, then changed voter by voter.
    #[command(subcommand)]
    Roll(RollCommand),
    /// Where an election stands, and what may be done next. Changes nothing.
    Phase(PhaseArgs),
    /// Write to everybody on the roll that an election is held, and how they stand on it.
    Notify(SendArgs),
    /// Send everybody on the web the link by which they vote.
    Credentials(CredentialsArgs),
    /// Remind whoever has not voted; at most once a day, and whoever votes before the letter leaves gets none.
    Remind(SendArgs),
    /// Write the result to everybody on the roll, once it stands.
    Announce(SendArgs),
    /// Lay the roll open to objections. Like each step it is asked for by one person and done when another does the same.
    Objection(StepArgs),
    /// Freeze rules and roll: votes are taken in the time of the rules.
    Open(StepArgs),
    /// Open the urn when nobody can vote any more: writes ballots, roll and receipts as files, and counts from them.
    Close(CloseArgs),
    /// Write the files of an urn that was opened once more, and count from them.
    Files(FilesArgs),
    /// Put the outcome of the count on record.
    Record(RecordArgs),
    /// Say that the result stands.
    Certify(StepArgs),
    /// Count ballots by the rules of an election, from files alone: whoever has them gets the same outcome. Writes nothing.
    Tally(Box<TallyArgs>),
    /// Check the archive of a verifiable election, as `belenios-tool` does and further. Needs no installation and no database.
    Verify(VerifyArgs),
    /// Make the credentials of a verifiable election, and the letters that bring them. For somebody who takes no votes, on a machine of
    /// their own; needs no installation and no database.
    #[command(subcommand)]
    Registrar(RegistrarCommand),
    /// Be a trustee of a verifiable election: make a key, check it, open the result together with the others. Offline.
    #[command(subcommand)]
    Trustee(TrusteeCommand),
    /// Build the archive of a verifiable election step by step, each checked before it is written.
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Make a ballot of a verifiable election offline: encrypted, proved and signed. It is not cast by that.
    Vote(VoteArgs),
    /// Write the page on which the voters of a verifiable election make their ballots, and tell its digest for the notice. Needs no installation and no database.
    Booth(BoothArgs),
}

pub(super) fn run(command: ElectionCommand) -> anyhow::Result<End> {
    match command {
        ElectionCommand::Roll(command) => roll::run(command),
        ElectionCommand::Phase(args) => step::phase(&args),
        ElectionCommand::Notify(args) => letters::notify(&args),
        ElectionCommand::Credentials(args) => letters::credentials(&args),
        ElectionCommand::Remind(args) => letters::remind(&args),
        ElectionCommand::Announce(args) => letters::announce(&args),
        ElectionCommand::Objection(args) => step::take(Step::Objection, &args),
        ElectionCommand::Open(args) => step::take(Step::Open, &args),
        ElectionCommand::Close(args) => step::close(&args),
        ElectionCommand::Files(args) => step::files(&args),
        ElectionCommand::Record(args) => step::record(&args),
        ElectionCommand::Certify(args) => step::take(Step::Certify, &args),
        ElectionCommand::Tally(args) => tally::run(&args),
        ElectionCommand::Verify(args) => verify::run(&args),
        ElectionCommand::Registrar(command) => registrar::run(command),
        ElectionCommand::Trustee(command) => trustee::run(command),
        ElectionCommand::Archive(command) => archive::run(command),
        ElectionCommand::Vote(args) => vote::run(&args),
        ElectionCommand::Booth(args) => booth::run(&args),
    }
}
