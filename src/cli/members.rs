//! `hagaki members`: those who answer a survey with an account of their own.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::credentials::list::{self, Shape};
use super::credentials::{ListCharset, Office, passed};
use super::progress::Bar;
use super::{End, Installation, Output, Refused, counted};
use crate::definition::participants_file;
use crate::limits;
use crate::workflow::credentials::{self, Form, Terms};

/// Commands on members.
#[derive(Debug, Subcommand)]
pub enum MembersCommand {
    /// Put everybody on a list on the roll of a study; those who are on it stay as they are.
    Import(ImportArgs),
    /// Who is on the roll, and who has answered, as far as the study lets it be known.
    List {
        /// The study.
        slug: String,
        /// As CSV, for a spreadsheet.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
}

/// Arguments of `hagaki members import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The study.
    slug: String,
    /// List of members as `hagaki credentials issue` takes it; each has an address of their own, by which they sign in.
    #[arg(long)]
    csv: PathBuf,
    /// Charset of the list.
    #[arg(long, value_enum, default_value_t = ListCharset::Auto)]
    charset: ListCharset,
    /// Write to nobody: they are told in another way, or by a schedule that invites.
    #[arg(long)]
    no_mail: bool,
    /// Say who would be put on the roll, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Why; stands in the audit chain.
    #[arg(long, default_value = "")]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(command: MembersCommand) -> anyhow::Result<End> {
    match command {
        MembersCommand::Import(args) => import(&args),
        MembersCommand::List { slug, csv, installation, output } => {
            of_members(&slug, &installation)?;
            list::list(&slug, &installation, Shape::new(output.json, csv))
        }
    }
}

fn of_members(slug: &str, installation: &Installation) -> anyhow::Result<Office> {
    let office = Office::open(slug, installation)?;
    if !office.is_of_members() {
        let why = format!(
            "study {slug} has no members: its survey has access = \"credentials\", see `hagaki credentials issue {slug}`"
        );
        return Err(Refused(why).into());
    }
    Ok(office)
}

fn import(args: &ImportArgs) -> anyhow::Result<End> {
    let office = of_members(&args.slug, &args.installation)?;
    let study = &office.shelved.study;
    let bytes = std::fs::read(&args.csv).with_context(|| format!("{} cannot be read", args.csv.display()))?;
    let name = args.csv.display().to_string();
    let listed = participants_file::read(&name, &bytes, args.charset.charset(), study.zone, &study.languages);
    listed.problems.iter().for_each(|problem| eprintln!("{problem}"));
    let refused = |why: String| Err(Refused(format!("nobody was put on the roll: {why}")).into());
    if listed.is_broken() {
        return refused("mend these rows".to_string());
    }
    let mut addresses = BTreeSet::new();
    for one in &listed.candidates {
        let who = if one.reference.is_empty() { &one.name } else { &one.reference };
        if one.address.is_empty() {
            return refused(format!("\"{who}\" has no address to sign in by"));
        }
        if !addresses.insert(&one.address) {
            return refused(format!(
                "{} stands there twice; each member signs in by an address of their own",
                one.address
            ));
        }
    }
    let people = counted(listed.candidates.len() as u64, "person");
    if args.dry_run {
        match args.output.json {
            true => println!("{}", json!({ "candidates": listed.candidates.len(), "finished": listed.finished })),
            false => println!("{people} on the list; who is on the roll already stays as they are"),
        }
        return Ok(End::Done);
    }
    let terms = Terms {
        form: Form::Account,
        from: office.opened.now(),
        until: None,
        days_from_sending: None,
        mailed: !args.no_mail,
        once: false,
        admits_unclear: false,
    };
    let mut unreached = 0;
    let bar = Bar::new("members", listed.candidates.len() as u64);
    let (mut admitted, mut mailed, mut unsubscribed, mut passed) = (0, 0, 0, Vec::new());
    for run in listed.candidates.chunks(limits::CREDENTIAL_BATCH) {
        let admitting =
            credentials::issue(&office.shelf, &office.shelved, office.means(), office.act(&args.reason), run, terms);
        let batch = office.opened.runtime.block_on(admitting)?;
        unreached += batch.unreached;
        admitted += batch.issued.len();
        mailed += batch.issued.iter().filter(|one| one.mailed).count();
        unsubscribed += batch.unsubscribed;
        passed.extend(batch.passed);
        bar.advance(run.len() as u64);
    }
    bar.clear();
    let finished = listed.finished;
    if args.output.json {
        let (known, told) = (passed.len(), passed::json(&passed));
        println!(
            "{}",
            json!({ "admitted": admitted, "mailed": mailed, "unsubscribed": unsubscribed, "unreached": unreached, "known": known,
                    "finished": finished, "passed_over": told })
        );
        return Ok(End::Done);
    }
    println!("{} put on the roll, {mailed} of them are written to", counted(admitted as u64, "member"));
    passed::unsubscribed(unsubscribed);
    passed::tell(&args.slug, passed::Kind::Members, &passed);
    passed::unreached(&args.slug, unreached);
    if finished > 0 {
        println!("{finished} on the list have answered elsewhere, by the list's own word, and were passed over");
    }
    Ok(End::Done)
}
