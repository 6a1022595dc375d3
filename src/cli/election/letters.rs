//! `hagaki election notify·credentials·remind·announce`: letters to everybody on the roll. A command that is broken off is gone on with by
//! the daemon, or by the same command: nobody gets a letter twice.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::hall::Hall;
use crate::cli::progress::Bar;
use crate::cli::{End, Installation, Output, Refused, counted};
use crate::domain::election::letters::Round;
use crate::workflow::election::credentials::{self, Issued};
use crate::workflow::election::rounds;

/// Of the whole roll, in a bar.
const WHOLE: u64 = 1_000;

/// Arguments of letters to everybody.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// The study.
    slug: String,
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

/// Arguments of `hagaki election credentials`.
#[derive(Debug, Args)]
pub struct CredentialsArgs {
    /// Of which study, and why.
    #[command(flatten)]
    send: SendArgs,
    /// Another link for the voter of that member number alone; the one before ends. It takes a reason.
    #[arg(long, value_name = "NUMBER", conflicts_with = "print")]
    again: Option<String>,
    /// Write the links of those whom no letter reaches, because they have no address, into this file (CSV), to be handed over by hand.
    #[arg(long, value_name = "FILE")]
    print: Option<PathBuf>,
}

pub(super) fn notify(args: &SendArgs) -> anyhow::Result<End> {
    send(&Hall::open(&args.slug, &args.installation)?, args, Round::Notice)
}

pub(super) fn announce(args: &SendArgs) -> anyhow::Result<End> {
    send(&Hall::open(&args.slug, &args.installation)?, args, Round::Result)
}

pub(super) fn remind(args: &SendArgs) -> anyhow::Result<End> {
    let hall = Hall::open(&args.slug, &args.installation)?;
    let today = hall.opened.now().day_in(hall.shelved.study.zone);
    send(&hall, args, Round::Reminder(today))
}

pub(super) fn credentials(args: &CredentialsArgs) -> anyhow::Result<End> {
    let hall = Hall::open(&args.send.slug, &args.send.installation)?;
    if let Some(number) = &args.again {
        return again(&hall, &args.send, number);
    }
    let Some(path) = &args.print else { return send(&hall, &args.send, Round::Credentials) };
    // The file is there before a secret is made that is kept nowhere else.
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).with_context(|| format!("{} cannot be written", path.display()))?;
    send(&hall, &args.send, Round::Credentials)?;
    let mut table = csv::Writer::from_writer(file);
    table.write_record(["number", "name", "link", "from", "until"])?;
    let mut printed = 0;
    loop {
        let issuing = credentials::issue(&hall.shelf, &hall.shelved, hall.means(), hall.act(&args.send.reason));
        let batch = hall.done(issuing)?;
        if batch.is_empty() {
            break;
        }
        for own in &batch {
            table.write_record(record(&hall, own))?;
        }
        table.flush()?;
        printed += batch.len() as u64;
    }
    table.get_ref().sync_all()?;
    if args.send.output.json {
        println!("{}", json!({ "printed": printed }));
    } else {
        println!("{} without an address: {}; keep it safe, and delete it", counted(printed, "link"), path.display());
    }
    Ok(End::Done)
}

fn record(hall: &Hall, own: &Issued) -> [String; 5] {
    let zone = hall.shelved.study.zone;
    let until = own.validity.until.map(|until| until.local(zone)).unwrap_or_default();
    let link = own.link(&hall.means().desk.public_url);
    [own.entry.number.clone(), own.entry.name.clone(), link, own.validity.from.local(zone), until]
}

/// Another link for one voter, by letter or on the terminal.
fn again(hall: &Hall, args: &SendArgs, number: &str) -> anyhow::Result<End> {
    let renewing =
        credentials::reissue(&hall.shelf, &hall.shelved, hall.means(), hall.act(&args.reason), number.trim());
    let issued = hall.done(renewing)?;
    let mailed = !issued.entry.address.is_empty();
    let link = (!mailed).then(|| issued.link(&hall.means().desk.public_url));
    if args.output.json {
        println!("{}", json!({ "number": issued.entry.number, "mailed": mailed, "link": link }));
        return Ok(End::Done);
    }
    match link {
        None => println!("another link goes to the address on the roll; the one before does not work any more"),
        Some(link) => println!("there is no address on the roll; hand this link over: {link}"),
    }
    Ok(End::Done)
}

/// Begins a round and goes on until everybody was passed. How many letters there are is not told: of reminders it would tell how many have
/// not voted yet.
fn send(hall: &Hall, args: &SendArgs, round: Round) -> anyhow::Result<End> {
    hall.done(rounds::begin(&hall.shelf, &hall.shelved, hall.means(), hall.act(&args.reason), round))?;
    let bar = Bar::new("letters", WHOLE);
    let mut before = 0;
    loop {
        let passed =
            hall.done(rounds::page(&hall.shelf, &hall.shelved, hall.means(), round)).map_err(|error| match error
                .downcast::<Refused>()
            {
                Ok(refused) => anyhow::Error::from(Refused(format!("{refused}; what is left goes on later"))),
                Err(error) => error,
            })?;
        bar.advance(passed.thousandths.saturating_sub(before));
        before = passed.thousandths.max(before);
        if passed.done {
            break;
        }
    }
    bar.clear();
    if args.output.json {
        println!("{}", json!({ "round": round.key(), "done": true }));
    } else {
        println!(
            "everybody on the roll was looked at: the letters wait in the outbox, and leave with the daemon; \
             `hagaki election roll list {} --unreached` shows who has none",
            args.slug
        );
    }
    Ok(End::Done)
}
