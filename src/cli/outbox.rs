//! `hagaki outbox`: every letter that goes out, and its fate.

mod progress;

use std::io::Write;

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use super::installation::Opened;
use super::{End, Installation, Output};
use crate::domain::time::{Instant, Zone};
use crate::letters::{Kind, opened};
use crate::limits;
use crate::store::outbox::{self, OutboxRow, Secret, State, Which};
use crate::store::{Tx, audit, study};

/// Commands on letters.
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// Letters, newest first.
    List {
        /// Only those: waiting, sent, delivered, bounced, failed, held or dropped.
        #[arg(long, value_parser = state)]
        state: Option<State>,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// One letter: what it says, every attempt to send it, every report on it.
    Show {
        /// Its number.
        id: i64,
        /// Print the mail itself, as it goes out.
        #[arg(long)]
        raw: bool,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// How far the letters of a study have come: how many of each kind wait, have left, failed.
    Progress {
        /// The study.
        slug: String,
        /// Show a bar until no letter of its mailings (invitations, reminders, reports) waits. Leaving it stops none.
        #[arg(long)]
        follow: bool,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Try a letter again at once, before every mailing, its attempts counted anew; also one that waits for its turn.
    Retry {
        /// Its number.
        id: i64,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
    },
    /// Stop a waiting letter.
    Hold {
        /// Its number.
        id: i64,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
    },
    /// Let a held letter go.
    Release {
        /// Its number.
        id: i64,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
    },
    /// Put a letter aside that was not sent.
    Drop {
        /// Its number.
        id: i64,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
    },
}

fn state(word: &str) -> Result<State, String> {
    State::find(word)
        .ok_or_else(|| "no state; write waiting, sent, delivered, bounced, failed, held or dropped".to_string())
}

pub(super) fn run(command: OutboxCommand) -> anyhow::Result<End> {
    match command {
        OutboxCommand::List { state, installation, output } => list(state, &installation, output),
        OutboxCommand::Show { id, raw, installation, output } => show(id, raw, &installation, output),
        OutboxCommand::Progress { slug, follow, installation, output } => {
            progress::run(&slug, follow, &installation, output)
        }
        OutboxCommand::Retry { id, installation } => steer(id, &installation, Steer::Retry),
        OutboxCommand::Hold { id, installation } => steer(id, &installation, Steer::Hold),
        OutboxCommand::Release { id, installation } => steer(id, &installation, Steer::Release),
        OutboxCommand::Drop { id, installation } => steer(id, &installation, Steer::Drop),
    }
}

#[derive(Clone, Copy)]
enum Steer {
    Retry,
    Hold,
    Release,
    Drop,
}

impl Steer {
    const fn word(self) -> &'static str {
        match self {
            Steer::Retry => "retry",
            Steer::Hold => "hold",
            Steer::Release => "release",
            Steer::Drop => "drop",
        }
    }

    async fn carry_out(self, tx: &mut Tx, id: i64, now: Instant) -> Result<bool, crate::store::StoreError> {
        match self {
            Steer::Retry => outbox::retry(tx, id, now).await,
            Steer::Hold => outbox::hold(tx, id).await,
            Steer::Release => outbox::release(tx, id, now).await,
            Steer::Drop => outbox::drop(tx, id).await,
        }
    }
}

/// Acts of a person on a letter stand in the installation's chain.
fn steer(id: i64, installation: &Installation, steer: Steer) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let now = opened.now();
    let done = opened.runtime.block_on(async {
        let mut tx = opened.store.begin().await?;
        let done = steer.carry_out(&mut tx, id, now).await?;
        if done {
            let body = json!({ "outbox": id }).to_string();
            audit::append_own(&mut tx, now, &opened.actor, &format!("outbox-{}", steer.word()), &body).await?;
            tx.commit().await?;
        }
        Ok::<_, crate::store::StoreError>(done)
    })?;
    if done {
        println!("letter {id}: {}", steer.word());
        return Ok(End::Done);
    }
    match opened.runtime.block_on(outbox::find(&opened.store, id))? {
        None => eprintln!("hagaki: there is no letter {id}"),
        Some(letter) if letter.secret == Secret::Gone && matches!(steer, Steer::Retry) => eprintln!(
            "hagaki: letter {id} let somebody in, and its secret was taken out when it had left; issue another with `hagaki \
             credentials reissue`"
        ),
        Some(letter) => {
            eprintln!("hagaki: letter {id} is {}; {} does not apply to it", letter.state.key(), steer.word());
        }
    }
    Ok(End::Refused)
}

fn line(letter: &OutboxRow) -> serde_json::Value {
    json!({ "id": letter.id, "created_at": letter.created_at.utc(), "kind": letter.kind, "to": letter.recipient,
            "state": letter.state.key(), "attempts": letter.attempts, "message_id": letter.message_id,
            "sent_at": letter.sent_at.map(Instant::utc), "code": letter.verdict_code, "said": letter.verdict_text,
            "report": letter.report_status })
}

fn list(state: Option<State>, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let which = match state {
        None => Which::All,
        Some(state) => Which::State(state),
    };
    let opened = Opened::open(installation)?;
    for letter in opened.runtime.block_on(outbox::list(&opened.store, which, None, limits::LISTED))? {
        if output.json {
            println!("{}", line(&letter));
        } else {
            let said = letter.report_status.or(letter.verdict_text).unwrap_or_default();
            println!(
                "{:>7}  {}  {:<9} {:<24} {:<32} {said}",
                letter.id,
                letter.created_at.local(Zone::UTC),
                letter.state.key(),
                letter.kind,
                letter.recipient
            );
        }
    }
    Ok(End::Done)
}

fn show(id: i64, raw: bool, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let (letter, bytes, attempts) = opened.runtime.block_on(async {
        let letter = outbox::find(&opened.store, id).await?;
        let bytes = outbox::find_raw(&opened.store, id).await?.unwrap_or_default();
        let attempts = outbox::list_attempts(&opened.store, id).await?;
        Ok::<_, crate::store::StoreError>((letter, bytes, attempts))
    })?;
    let Some(letter) = letter else {
        eprintln!("hagaki: there is no letter {id}");
        return Ok(End::Refused);
    };
    let withheld = opened.runtime.block_on(withholds(&opened, &letter))?;
    if raw && withheld {
        eprintln!("hagaki: letter {id} {WITHHELD}");
        return Ok(End::Refused);
    }
    if raw {
        std::io::stdout().write_all(&bytes).context("the letter cannot be printed")?;
        return Ok(End::Done);
    }
    let words = opened::open(&bytes);
    if output.json {
        let attempts: Vec<_> = attempts
            .iter()
            .map(|attempt| {
                json!({ "attempt": attempt.attempt, "at": attempt.attempted_at.utc(), "code": attempt.code,
                                   "said": attempt.text })
            })
            .collect();
        let mut facts = line(&letter);
        facts["attempts_failed"] = json!(attempts);
        facts["subject"] = json!(words.subject);
        facts["text"] = if withheld { json!(null) } else { json!(words.text) };
        facts["withheld"] = json!(withheld);
        println!("{facts}");
        return Ok(End::Done);
    }
    println!("letter {} ({}) to {}, written {}", letter.id, letter.kind, letter.recipient, letter.created_at.utc());
    for attempt in &attempts {
        println!("attempt {} at {}: {} {}", attempt.attempt, attempt.attempted_at.utc(), attempt.code, attempt.text);
    }
    let said = letter.verdict_text.clone().unwrap_or_default();
    let sent = letter.sent_at.map(|at| format!(" at {}", at.utc())).unwrap_or_default();
    println!("{}{sent}: {} {said}", letter.state.key(), letter.verdict_code.unwrap_or_default());
    if let (Some(status), Some(at)) = (&letter.report_status, letter.reported_at) {
        println!("delivery report at {}: {status}", at.utc());
    }
    println!("\nSubject: {}\n", words.subject);
    if withheld {
        println!("(this letter {WITHHELD})");
    } else {
        println!("{}", words.text);
    }
    Ok(End::Done)
}

const WITHHELD: &str =
    "tells an arm of a blinded study; its reader has it, and it is shown here after `hagaki study close`";

/// Whether a letter is for somebody who may know arms, in a blinded study that goes on: nobody else reads it (promise 6).
async fn withholds(opened: &Opened, letter: &OutboxRow) -> anyhow::Result<bool> {
    let tells = matches!(
        Kind::find(&letter.kind),
        Some(Kind::NoticeUnblinded | Kind::Unblinded | Kind::KitReplacedUnblinded | Kind::KitsShortUnblinded)
    );
    let Some(study_id) = letter.study_id.filter(|_| tells) else { return Ok(false) };
    Ok(study::load(&opened.store, study_id).await?.state != study::State::Closed)
}
