//! `hagaki inbox`: every mail that came in, and its fate.

use std::io::Write;

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};

use super::installation::Opened;
use super::{End, Installation, Output};
use crate::domain::time::Zone;
use crate::limits;
use crate::store::inbox::{self, InboxRow, State, Which};
use crate::store::{audit, outbox};

/// Commands on mails received.
#[derive(Debug, Subcommand)]
pub enum InboxCommand {
    /// Mails, newest first.
    List {
        /// Only those: new, done, held or dropped.
        #[arg(long, value_parser = state)]
        state: Option<State>,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// One mail: how it was read, what was decided, what was answered.
    Show {
        /// Its number.
        id: i64,
        /// Print the mail itself, as it came.
        #[arg(long)]
        raw: bool,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Let a held mail be read again, vouching for its sender and date; what it says is judged as ever.
    Release {
        /// Its number.
        id: i64,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
    },
    /// Read a held or dropped mail again: the same as `release`.
    Retry {
        /// Its number.
        id: i64,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
    },
    /// Keep a mail from being read until somebody looks at it.
    Hold {
        /// Its number.
        id: i64,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
    },
    /// Put a mail aside for good; it stays on file.
    Drop {
        /// Its number.
        id: i64,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
    },
}

fn state(word: &str) -> Result<State, String> {
    State::find(word).ok_or_else(|| "no state; write new, done, held or dropped".to_string())
}

pub(super) fn run(command: InboxCommand) -> anyhow::Result<End> {
    match command {
        InboxCommand::List { state, installation, output } => list(state, &installation, output),
        InboxCommand::Show { id, raw, installation, output } => show(id, raw, &installation, output),
        InboxCommand::Release { id, installation } | InboxCommand::Retry { id, installation } => {
            steer(id, &installation, Steer::Release)
        }
        InboxCommand::Hold { id, installation } => steer(id, &installation, Steer::Hold),
        InboxCommand::Drop { id, installation } => steer(id, &installation, Steer::Drop),
    }
}

#[derive(Clone, Copy)]
enum Steer {
    Release,
    Hold,
    Drop,
}

/// Acts of a person on a mail stand in the installation's chain.
fn steer(id: i64, installation: &Installation, steer: Steer) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let now = opened.now();
    let (word, done) = opened.runtime.block_on(async {
        let mut tx = opened.store.begin().await?;
        let (word, done) = match steer {
            Steer::Release => ("release", inbox::release(&mut tx, id, &opened.actor).await?),
            Steer::Hold => ("hold", inbox::hold(&mut tx, id, "by-hand", now).await?),
            Steer::Drop => ("drop", inbox::drop(&mut tx, id, now).await?),
        };
        if done {
            let body = json!({ "inbox": id }).to_string();
            audit::append_own(&mut tx, now, &opened.actor, &format!("inbox-{word}"), &body).await?;
            tx.commit().await?;
        }
        Ok::<_, crate::store::StoreError>((word, done))
    })?;
    if done {
        println!(
            "mail {id}: {}",
            match steer {
                Steer::Release => "the daemon will read it again; what it says is judged as ever",
                Steer::Hold => "held until somebody releases it",
                Steer::Drop => "put aside for good; it stays on file",
            }
        );
        return Ok(End::Done);
    }
    let found = opened.runtime.block_on(inbox::find(&opened.store, id))?;
    match found {
        None => eprintln!("hagaki: there is no mail {id}"),
        Some(mail) => eprintln!("hagaki: mail {id} is {}; {word} does not apply to it", mail.state.key()),
    }
    Ok(End::Refused)
}

fn reading_of(mail: &InboxRow) -> Value {
    mail.reading.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

/// How a mail was sealed by OpenPGP.
fn sealed_in_words(sealed: &Value) -> String {
    let encrypted = sealed.get("encrypted").and_then(Value::as_bool) == Some(true);
    let mut words = vec![if encrypted { "encrypted" } else { "not encrypted" }.to_string()];
    words.push(match sealed.get("signed_by").and_then(Value::as_str) {
        Some(key) => format!("signed by the sender's key {key}"),
        None => "not signed by the sender's key".to_string(),
    });
    let faults = sealed.get("faults").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    words.extend(faults.map(|fault| format!("refused: {fault}")));
    words.join(", ")
}

fn list(state: Option<State>, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let which = match state {
        None => Which::All,
        Some(state) => Which::State(state),
    };
    let opened = Opened::open(installation)?;
    for mail in opened.runtime.block_on(inbox::list(&opened.store, which, None, limits::LISTED))? {
        let read = reading_of(&mail);
        let subject = read.get("subject").and_then(Value::as_str).unwrap_or_default();
        if output.json {
            println!(
                "{}",
                json!({ "id": mail.id, "received_at": mail.received_at.utc(), "state": mail.state.key(),
                "disposition": mail.disposition, "reason": mail.reason, "person": mail.person, "subject": subject })
            );
        } else {
            println!(
                "{:>7}  {}  {:<8} {:<16} {:<28} {}",
                mail.id,
                mail.received_at.local(Zone::UTC),
                mail.state.key(),
                mail.disposition,
                mail.reason,
                subject
            );
        }
    }
    Ok(End::Done)
}

fn show(id: i64, raw: bool, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let (mail, bytes, letters) = opened.runtime.block_on(async {
        let mail = inbox::find(&opened.store, id).await?;
        let bytes = inbox::find_raw(&opened.store, id).await?;
        let letters = outbox::find_by_inbox(&opened.store, id).await?;
        Ok::<_, crate::store::StoreError>((mail, bytes, letters))
    })?;
    let Some(mail) = mail else {
        eprintln!("hagaki: there is no mail {id}");
        return Ok(End::Refused);
    };
    if raw {
        std::io::stdout().write_all(&bytes.unwrap_or_default()).context("the mail cannot be printed")?;
        return Ok(End::Done);
    }
    let letters: Vec<Value> = letters
        .iter()
        .map(|letter| {
            json!({ "id": letter.id, "kind": letter.kind, "to": letter.recipient, "state": letter.state.key(),
                    "report": letter.report_status })
        })
        .collect();
    let facts = json!({
        "id": mail.id, "mailbox": mail.mailbox, "received_at": mail.received_at.utc(), "size": mail.size,
        "state": mail.state.key(), "disposition": mail.disposition, "reason": mail.reason, "tries": mail.tries,
        "person": mail.person, "released_by": mail.released_by, "folder": mail.filed_folder,
        "reading": reading_of(&mail), "letters": letters,
    });
    if output.json {
        println!("{facts}");
        return Ok(End::Done);
    }
    println!(
        "mail {} from mailbox {}, received {}, {} bytes",
        mail.id,
        mail.mailbox,
        mail.received_at.utc(),
        mail.size
    );
    println!("{}: {} {}", mail.state.key(), mail.disposition, mail.reason);
    for key in ["unopened", "sender", "subject"] {
        if let Some(text) = facts.pointer(&format!("/reading/{key}")).and_then(Value::as_str) {
            println!("{key}: {text}");
        }
    }
    if let Some(sealed) = facts.pointer("/reading/openpgp") {
        println!("{}", sealed_in_words(sealed));
    }
    for (item, value) in facts.pointer("/reading/fields").and_then(Value::as_object).into_iter().flatten() {
        println!("  {item} = {}", value.as_str().unwrap_or_default());
    }
    for fault in facts.pointer("/reading/faults").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| fault.get(key).and_then(Value::as_str).unwrap_or_default();
        println!("  {}: {} {}", text("code"), text("item"), text("typed"));
    }
    let text = facts.pointer("/reading/text").and_then(Value::as_str).unwrap_or_default();
    if !text.is_empty() {
        println!("text:");
        for line in text.lines() {
            // Control characters of a foreign mail stay off the terminal.
            println!("  | {}", line.chars().filter(|c| !c.is_control()).collect::<String>());
        }
    } else if mail.reading.is_some() {
        println!("no text was kept readable; `hagaki inbox show {id} --raw` prints the mail itself");
    }
    for letter in &letters {
        let report = letter["report"].as_str().map(|status| format!(" ({status})")).unwrap_or_default();
        println!(
            "letter {} ({}) to {}: {}{report}",
            letter["id"],
            letter["kind"].as_str().unwrap_or_default(),
            letter["to"].as_str().unwrap_or_default(),
            letter["state"].as_str().unwrap_or_default()
        );
    }
    Ok(End::Done)
}
