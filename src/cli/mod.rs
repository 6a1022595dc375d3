//! The command line: what an operator, a manager and a statistician type (DESIGN section 7).
//!
//! In charge of arguments, of printing, and of exit codes: 0 done, 1 refused or problems found, 2 usage, 3 failure.
//! Decides nothing. To add a command: a variant in [`Command`], a file beside this one with its `run`.

mod account;
mod allocation;
mod audit;
mod check;
mod credentials;
mod data;
mod demo;
mod doctor;
mod election;
pub mod explain;
mod export;
mod force;
mod import;
mod inbox;
mod init;
mod installation;
mod key;
mod kit;
mod members;
mod openpgp;
mod operator;
mod outbox;
mod participant;
mod preview;
mod progress;
mod read;
pub mod reading;
mod receipt;
mod rehearse;
mod rerandomize;
mod reveal;
mod schedule;
mod serve;
pub mod simulate;
mod study;
mod subject;
mod unblind;

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::definition::Problem;

/// Everything that can be typed.
#[derive(Debug, Parser)]
#[command(
    name = "hagaki",
    version = env!("HAGAKI_VERSION"),
    about = "Enroll patients, survey participants and hold elections by mail"
)]
pub struct Line {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The installation a command works on.
#[derive(Clone, Debug, Args)]
pub struct Installation {
    /// The operator's file.
    #[arg(long, env = "HAGAKI_CONFIG", default_value = "hagaki.toml")]
    pub config: PathBuf,
}

/// Whether to print for people or for programs.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Print JSON, one object a line or one for the whole report.
    #[arg(long)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole exchange without any server: sample studies, sample mails, the daemon, a page to write more.
    Demo(demo::DemoArgs),
    /// Write a commented bundle to start from.
    Init {
        /// Folder to make; must be absent or empty.
        dir: PathBuf,
        /// Write the operator's file and a mailbox to fill in, instead of a study.
        #[arg(long)]
        installation: bool,
    },
    /// Write what a study holds as tables for a statistics program or for Excel, with a codebook.
    Export(data::DataArgs),
    /// Find every problem of one or more bundles, then render every letter with every sample.
    Check {
        /// Folders with a `study.toml`.
        #[arg(required = true)]
        bundles: Vec<PathBuf>,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Say how mails would be read; changes nothing.
    Read(read::ReadArgs),
    /// Run the daemon.
    Serve {
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
    },
    /// Try what `check` cannot: mailboxes, mail servers, database, clock, disk, a letter to itself, and what DNS says of our domains.
    Doctor {
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// A study's life.
    #[command(subcommand)]
    Study(study::StudyCommand),
    /// Letters that go out by themselves: what waits and what became of each, and a rehearsal.
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Elections: the roll, the steps of the committee, a count of ballots, and what anyone can check of one.
    #[command(subcommand)]
    Election(election::ElectionCommand),
    /// Every mail that came in, and its fate.
    #[command(subcommand)]
    Inbox(inbox::InboxCommand),
    /// Every letter that goes out, and its fate.
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// Who is enrolled, what became known since, and noting more of it.
    #[command(subcommand)]
    Subject(subject::SubjectCommand),
    /// The key file, which stands outside the database.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Temporary credentials for participants.
    #[command(subcommand)]
    Credentials(credentials::CredentialsCommand),
    /// Those who answer, one by one: take out, let in again, correct.
    #[command(subcommand)]
    Participant(participant::ParticipantCommand),
    /// Members: those who answer with an account of their own.
    #[command(subcommand)]
    Members(members::MembersCommand),
    /// How members and staff sign in, and help when they cannot.
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Disclose one subject's arm to one person, for a reason.
    Unblind(unblind::UnblindArgs),
    /// Show one letter as it would go out.
    Preview(preview::PreviewArgs),
    /// The next decision explained, and past ones proved.
    #[command(subcommand)]
    Allocation(allocation::AllocationCommand),
    /// Kits of blinded studies: where each lies, and what became of it.
    #[command(subcommand)]
    Kit(kit::KitCommand),
    /// The audit chain.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The receipts in assignment letters.
    #[command(subcommand)]
    Receipt(receipt::ReceiptCommand),
}

/// How a command ended when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Done as asked.
    Done,
    /// Refused, or problems found.
    Refused,
}

/// A refusal on its way up as an error: it ends with 1, where every other error is a failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl Refused {
    /// The bundle has these problems.
    fn bundle(problems: &[Problem]) -> Refused {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Refused(format!("the bundle cannot be used:\n{}", lines.join("\n")))
    }
}

/// A number with its noun, which takes an `s` unless it is one.
fn counted<N: Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    format!("{number} {noun}{}", if number == N::from(1) { "" } else { "s" })
}

/// Parses what was typed and runs it; the process's exit code. A refusal is told on the terminal, and to programs that asked for JSON
/// as one object on standard output: `{"refused": …}`.
pub fn main() -> ExitCode {
    let matches = Line::command().get_matches();
    let line = Line::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    run(line, asks_for_json(&matches))
}

/// Whether the innermost command was given `--json`.
fn asks_for_json(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, inner)) => asks_for_json(inner),
        None => matches.try_get_one::<bool>("json").ok().flatten().copied().unwrap_or(false),
    }
}

fn run(line: Line, json: bool) -> ExitCode {
    let ended = match line.command {
        Command::Demo(args) => demo::run(args),
        Command::Init { dir, installation } => init::run(&dir, installation),
        Command::Export(args) => data::run(&args),
        Command::Check { bundles, output } => check::run(&bundles, output),
        Command::Read(args) => read::run(args),
        Command::Serve { installation } => serve::run(&installation),
        Command::Doctor { installation, output } => doctor::run(&installation, output),
        Command::Study(command) => study::run(command),
        Command::Schedule(command) => schedule::run(command),
        Command::Election(command) => election::run(command),
        Command::Subject(command) => subject::run(command),
        Command::Credentials(command) => credentials::run(command),
        Command::Participant(command) => participant::run(command),
        Command::Members(command) => members::run(command),
        Command::Account(command) => account::run(&command),
        Command::Unblind(args) => unblind::run(args),
        Command::Inbox(command) => inbox::run(command),
        Command::Outbox(command) => outbox::run(command),
        Command::Preview(args) => preview::run(args),
        Command::Allocation(command) => allocation::run(command),
        Command::Key(command) => key::run(command),
        Command::Kit(command) => kit::run(command),
        Command::Audit(command) => audit::run(command),
        Command::Receipt(command) => receipt::run(command),
    };
    match ended {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Refused) => ExitCode::from(1),
        Err(error) => {
            eprintln!("hagaki: {error:#}");
            if json && error.is::<Refused>() {
                println!("{}", serde_json::json!({ "refused": format!("{error:#}") }));
            }
            ExitCode::from(if error.is::<Refused>() { 1 } else { 3 })
        }
    }
}
