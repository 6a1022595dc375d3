//! `hagaki credentials`: temporary credentials for participants, issued and handed out.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::installation::Opened;
use super::simulate::progress::Bar;
use super::{End, Installation, Output, Refused, counted};
use crate::daemon::run::{desk_address, keys};
use crate::domain::time::Instant;
use crate::limits;
use crate::workflow::Means;
use crate::workflow::credentials::{self, Candidate, Form, Issued, Terms};
use crate::workflow::life::Act;
use crate::workflow::shelf::Shelf;

/// Commands on credentials.
#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Issue credentials to so many, or to everybody on a list.
    Issue(IssueArgs),
}

/// Arguments of `hagaki credentials issue`.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// The study.
    slug: String,
    /// How many, for people who are not on a list.
    #[arg(long, required_unless_present = "csv", conflicts_with = "csv")]
    count: Option<u32>,
    /// List of participants, with a column email and any of firstname, lastname, language.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// A link, an ID with a password, or both.
    #[arg(long, value_enum, default_value_t = Kind::Link)]
    kind: Kind,
    /// How many days they are good for; without it until the survey closes.
    #[arg(long)]
    days: Option<u32>,
    /// File to write them to, as CSV: this is the only time that they can be read. Needed for those without an address.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Do not mail them, only write them to --out.
    #[arg(long, requires = "out")]
    no_mail: bool,
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

/// What a credential is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A link.
    Link,
    /// An ID with a password.
    Password,
    /// Both; either opens the form.
    Both,
}

pub(super) fn run(command: CredentialsCommand) -> anyhow::Result<End> {
    match command {
        CredentialsCommand::Issue(args) => issue(&args),
    }
}

fn issue(args: &IssueArgs) -> anyhow::Result<End> {
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study(&args.slug)?;
    if shelved.study.survey.is_none() {
        return Err(Refused(format!("study {} asks nobody: there is no [survey] in its study.toml", args.slug)).into());
    }
    let candidates = match (&args.csv, args.count) {
        (Some(path), _) => read_list(path)?,
        (None, count) => vec![Candidate::default(); count.unwrap_or(0) as usize],
    };
    if args.out.is_none() && candidates.iter().any(|candidate| candidate.address.is_empty()) {
        return Err(Refused("some have no address: name a file for their credentials with --out".to_string()).into());
    }
    let mut out = match &args.out {
        Some(path) => Some(sheet(path)?),
        None => None,
    };
    let keys = opened.runtime.block_on(keys(&opened.store, &*opened.dice))?;
    let mailbox = opened.settings.mailboxes.first().ok_or_else(|| anyhow!("no mailbox is configured"))?;
    let desk = desk_address(mailbox);
    let shelf = Shelf::new(opened.store.clone());
    let until = args.days.map(|days| opened.now().plus_seconds(i64::from(days) * 24 * 3600));
    let terms = Terms {
        form: match args.kind {
            Kind::Link => Form::Link,
            Kind::Password => Form::Password,
            Kind::Both => Form::Both,
        },
        from: opened.now(),
        until,
        mailed: !args.no_mail,
        public_url: &opened.settings.web.public_url,
    };
    let bar = Bar::new("credentials", candidates.len() as u64);
    let (mut issued, mut mailed, mut known) = (0, 0, 0);
    for run in candidates.chunks(limits::CREDENTIAL_BATCH) {
        let means = Means { now: opened.now(), dice: &*opened.dice, keys: &keys, desk: &desk };
        let act = Act { actor: &opened.actor, at: means.now, reason: &args.reason };
        let batch = opened.runtime.block_on(credentials::issue(&shelf, &shelved, means, act, run, terms))?;
        if let Some(out) = &mut out {
            batch.issued.iter().try_for_each(|one| out.write_record(row(one)))?;
            // What is not on the disk when the next batch fails is lost for good.
            out.flush().context("the credentials cannot be written")?;
        }
        issued += batch.issued.len();
        mailed += batch.issued.iter().filter(|one| one.mailed).count();
        known += batch.known;
        bar.advance(run.len() as u64);
    }
    bar.clear();
    if args.output.json {
        println!("{}", json!({ "issued": issued, "mailed": mailed, "known": known }));
    } else {
        println!("{} issued, {mailed} of them go out by mail", counted(issued as u64, "credential"));
        if known > 0 {
            println!("{known} on the list were known already and got none");
        }
        if let Some(path) = &args.out {
            println!("{}: keep it safe; the database holds only digests", path.display());
        }
    }
    Ok(End::Done)
}

/// A new file that only its owner can read.
fn sheet(path: &std::path::Path) -> anyhow::Result<csv::Writer<std::fs::File>> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.with_context(|| format!("{} cannot be written (it must not be there yet)", path.display()))?;
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(["number", "reference", "name", "email", "link", "login", "password", "from", "until"])?;
    writer.get_ref().flush()?;
    Ok(writer)
}

fn row(one: &Issued) -> [String; 9] {
    [
        one.number.map(|number| number.to_string()).unwrap_or_default(),
        one.candidate.reference.clone(),
        one.candidate.name.clone(),
        one.candidate.address.clone(),
        one.link.clone().unwrap_or_default(),
        one.login.as_ref().map(|login| login.grouped()).unwrap_or_default(),
        one.password.clone().unwrap_or_default(),
        one.validity.from.utc(),
        one.validity.until.map(Instant::utc).unwrap_or_default(),
    ]
}

fn read_list(path: &std::path::Path) -> anyhow::Result<Vec<Candidate>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let headers = reader.headers()?.clone();
    let place = |name: &str| headers.iter().position(|header| header.trim_start_matches('\u{feff}').trim() == name);
    let email = place("email").ok_or_else(|| Refused(format!("{}: there is no column email", path.display())))?;
    let (first, last, token) = (place("firstname"), place("lastname"), place("token"));
    let mut list = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default().trim().to_string();
        let name = [cell(last), cell(first)].join(" ").trim().to_string();
        list.push(Candidate {
            reference: cell(token),
            name,
            address: cell(Some(email)).to_lowercase(),
            ..Candidate::default()
        });
    }
    Ok(list)
}
