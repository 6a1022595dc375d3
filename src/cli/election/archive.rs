//! `hagaki election archive`: the archive of a verifiable election, step by step, from files alone.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::audited::{self, Known};
use super::papers::{self, Held};
use super::trustee::public_keys;
use super::{SHOWN_CHARS, begun};
use crate::cli::{End, Refused, counted};
use crate::domain::belenios::growing::{Growing, StepFault};
use crate::domain::belenios::tally::Votes;
use crate::domain::text::clean;

/// Commands on an archive that grows.
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Begin an archive: from the rules, the trustees' public keys and the list of credentials.
    Begin(Box<BeginArgs>),
    /// Check a ballot and append it.
    Append(AppendArgs),
    /// End the voting, and append the encrypted sum, which the trustees open then.
    Close(CloseArgs),
    /// Check a trustee's part and append it; with the last one the result.
    Decrypt(DecryptArgs),
}

/// What an archive is begun from.
#[derive(Debug, Args)]
pub struct BeginArgs {
    /// The rules (election.toml), or an election's file that is made already (election.json).
    #[arg(long)]
    pub(super) election: PathBuf,
    /// Files with the trustees' public keys, parted by commas; all of them will be needed for the result.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(super) trustees: Vec<PathBuf>,
    /// The list of credentials, as their maker handed it over (public_creds.json).
    #[arg(long)]
    pub(super) credentials: PathBuf,
    /// The archive to write.
    #[arg(long)]
    pub(super) out: PathBuf,
    /// Of rules: the election's identifier, for which the credentials were made.
    #[arg(long)]
    pub(super) uuid: Option<String>,
    /// Of rules: what the election is called.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Of rules: what it is about.
    #[arg(long)]
    pub(super) description: Option<String>,
    /// Of rules: the district whose voters this archive is for, where each has its own candidates.
    #[arg(long)]
    pub(super) district: Option<String>,
    /// Of rules: the language that questions are asked in, ja or en; in all that they are written in if left out.
    #[arg(long)]
    pub(super) language: Option<String>,
    /// Of rules: who runs the election.
    #[arg(long)]
    pub(super) administrator: Option<String>,
    /// Of rules: who made the credentials.
    #[arg(long)]
    pub(super) credential_authority: Option<String>,
}

/// A ballot, and where it goes.
#[derive(Debug, Args)]
pub struct AppendArgs {
    /// The archive.
    #[arg(long)]
    bel: PathBuf,
    /// Files with ballots, in the order they were handed in: of two of one credential the later one counts. What is refused is told,
    /// and the others are taken.
    #[arg(long, required = true, num_args = 1..)]
    ballot: Vec<PathBuf>,
}

/// An archive that is closed.
#[derive(Debug, Args)]
pub struct CloseArgs {
    /// The archive.
    #[arg(long)]
    bel: PathBuf,
}

/// Parts of trustees, and where they go.
#[derive(Debug, Args)]
pub struct DecryptArgs {
    /// The closed archive.
    #[arg(long)]
    bel: PathBuf,
    /// Files with trustees' parts.
    #[arg(long, required = true, num_args = 1..)]
    partial: Vec<PathBuf>,
}

pub(super) fn run(command: ArchiveCommand) -> anyhow::Result<End> {
    match command {
        ArchiveCommand::Begin(args) => begin(&args),
        ArchiveCommand::Append(args) => append(&args),
        ArchiveCommand::Close(args) => close(&args),
        ArchiveCommand::Decrypt(args) => decrypt(&args),
    }
}

fn begin(args: &BeginArgs) -> anyhow::Result<End> {
    let mut trustees = Vec::new();
    for path in &args.trustees {
        trustees.extend(public_keys(path)?);
    }
    let begun = begun::archive(args, &trustees)?;
    Held::of(&args.out)?.begin(&begun.bytes)?;
    let election = &begun.election;
    println!("{}: begun, for {}", args.out.display(), clean(&election.name, SHOWN_CHARS));
    for (at, question) in (1..).zip(&election.questions) {
        println!("  question {at}: {}", clean(&question.question, SHOWN_CHARS));
    }
    println!("  identifier                      {}", election.uuid);
    println!("  fingerprint of the election     {}", election.fingerprint);
    println!("  digest of the credentials       {}", begun.credentials);
    println!("  {} may vote, {}", counted(begun.voters, "credential"), counted(trustees.len() as u64, "trustee"));
    println!(
        "Put fingerprint, digest and number into the notice of the election, and compare digest and number with what the maker of the"
    );
    println!(
        "credentials told you by another way. Publish the archive, and let others keep copies of it while votes are taken."
    );
    if trustees.len() == 1 {
        println!(
            "Note: one trustee alone can open every ballot. Two or more who do not work together keep them secret."
        );
    }
    Ok(End::Done)
}

fn refused(path: &Path, fault: StepFault) -> Refused {
    Refused(format!("{}: not taken: {fault}", path.display()))
}

fn append(args: &AppendArgs) -> anyhow::Result<End> {
    let held = Held::of(&args.bel)?;
    let mut growing = audited::growing(&args.bel, &Known::nothing())?;
    let (mut bytes, mut taken, mut end) = (Vec::new(), Vec::new(), End::Done);
    for path in &args.ballot {
        let cast = papers::read(path)
            .and_then(|ballot| growing.add_ballot(ballot.trim_ascii()).map_err(|fault| refused(path, fault).into()));
        match cast {
            Ok(cast) => {
                bytes.extend(cast.bytes);
                let again =
                    if cast.replaces { "; an earlier ballot of the same credential counts no more" } else { "" };
                taken.push(format!("{}: taken, tracker {}{again}", path.display(), cast.tracker));
            }
            Err(fault) => {
                end = End::Refused;
                eprintln!("{fault:#}");
            }
        }
    }
    if !taken.is_empty() {
        held.append(&bytes)?;
    }
    for line in taken {
        println!("{line}");
    }
    Ok(end)
}

fn close(args: &CloseArgs) -> anyhow::Result<End> {
    let held = Held::of(&args.bel)?;
    let mut growing = audited::growing(&args.bel, &Known::nothing())?;
    let (ballots, weight) = growing.counted();
    let bytes = growing.close().map_err(|fault| refused(&args.bel, fault))?;
    held.append(&bytes)?;
    println!("{}: closed; {} of the weight {weight} added up", args.bel.display(), counted(ballots, "ballot"));
    println!(
        "Send this archive to every trustee. Each runs `hagaki election trustee decrypt` on it and sends back a file for"
    );
    println!("`hagaki election archive decrypt`.");
    Ok(End::Done)
}

fn decrypt(args: &DecryptArgs) -> anyhow::Result<End> {
    let held = Held::of(&args.bel)?;
    let mut growing = audited::growing(&args.bel, &Known::nothing())?;
    for path in &args.partial {
        let bytes = papers::read(path)?;
        let taken = growing.add_decryption(&bytes).map_err(|fault| refused(path, fault))?;
        held.append(&taken.bytes)?;
        println!("{}: taken, the part of trustee {}", path.display(), taken.owner);
        match taken.votes {
            Some(votes) => tell(&growing, &votes),
            None => {
                let missing: Vec<String> = taken.missing.iter().map(u64::to_string).collect();
                println!("missing: trustee {}", missing.join(", "));
            }
        }
    }
    Ok(End::Done)
}

fn tell(growing: &Growing, votes: &Votes) {
    println!("{}", clean(&growing.setup().election.name, SHOWN_CHARS));
    super::verify::tell_votes(&growing.setup().election, votes);
    println!(
        "The result is in the archive. Publish it; `hagaki election verify` and `belenios-tool election verify` check all of it."
    );
}
