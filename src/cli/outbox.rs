//! `hagaki outbox`: every letter that goes out, and its fate.

mod addresses;
mod mailings;
mod progress;
mod resend;

use std::io::Write;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::credentials::{Office, whose};
use super::installation::Opened;
use super::unblind::judged;
use super::{End, Installation, Output, Refused};
use crate::domain::time::{Instant, Zone};
use crate::letters::{Kind, opened, sealed};
use crate::limits;
use crate::store::outbox::{self, OutboxRow, Secret, State, Which};
use crate::store::{Tx, audit, study};
use crate::workflow::command;
use crate::workflow::mailings::{Name, Steering};

/// Commands on letters.
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// Letters, newest first, and what became of each: all, those of a study, about a subject or to a person.
    List(ListArgs),
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
    /// Send a letter once more, as it was, as a new one that is linked to the first.
    Resend(resend::ResendArgs),
    /// Addresses of a study at which letters do not arrive, so that invitations and reminders pass them over.
    Addresses(addresses::AddressesArgs),
    /// Mailings of a study (invitations and reminders of one day, by a rule or by commands) and how far their letters have come.
    Mailings(mailings::MailingsArgs),
    /// Say that an address is good again; or let a held mailing go.
    Resume(addresses::ResumeArgs),
    /// Have no letter of a mailing leave that has not left.
    Stop(mailings::StopArgs),
    /// Stop a waiting letter, or a mailing, until it is released.
    Hold {
        /// Its number.
        #[arg(required_unless_present = "mailing", conflicts_with = "mailing")]
        id: Option<i64>,
        /// All letters of that mailing that have not left, as `hagaki outbox mailings` names it.
        #[arg(long, value_name = "NAME", value_parser = mailings::name, requires = "reason")]
        mailing: Option<Name>,
        /// Why a mailing is held; stands in the audit chain.
        #[arg(long, requires = "mailing")]
        reason: Option<String>,
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

/// Arguments of `hagaki outbox list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those: waiting, sent, delivered, bounced, failed, held or dropped.
    #[arg(long, value_parser = state)]
    state: Option<State>,
    /// Only those of that study.
    #[arg(long, value_name = "SLUG", conflicts_with = "state")]
    study: Option<String>,
    /// Only those about that subject of the study: its number, or the site's reference.
    #[arg(long, requires = "study", conflicts_with = "person")]
    subject: Option<String>,
    /// Only those of the study to that person: id of one of its staff, or number, address or name on the list of a participant.
    #[arg(long, requires = "study")]
    person: Option<String>,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

fn state(word: &str) -> Result<State, String> {
    State::find(word)
        .ok_or_else(|| "no state; write waiting, sent, delivered, bounced, failed, held or dropped".to_string())
}

pub(super) fn run(command: OutboxCommand) -> anyhow::Result<End> {
    match command {
        OutboxCommand::List(args) => list(&args),
        OutboxCommand::Show { id, raw, installation, output } => show(id, raw, &installation, output),
        OutboxCommand::Progress { slug, follow, installation, output } => {
            progress::run(&slug, follow, &installation, output)
        }
        OutboxCommand::Retry { id, installation } => steer(id, &installation, Steer::Retry),
        OutboxCommand::Resend(args) => resend::run(&args),
        OutboxCommand::Addresses(args) => addresses::list(&args),
        OutboxCommand::Resume(args) => addresses::resume(&args),
        OutboxCommand::Mailings(args) => mailings::list(&args),
        OutboxCommand::Stop(args) => mailings::stop(&args),
        OutboxCommand::Hold { id: Some(id), installation, .. } => steer(id, &installation, Steer::Hold),
        OutboxCommand::Hold { id: None, mailing, reason, installation } => {
            let Some(name) = mailing else { return Err(Refused(NO_LETTER.to_string()).into()) };
            mailings::steer(&name, reason.as_deref(), &installation, Steering::Hold)
        }
        OutboxCommand::Release { id, installation } => steer(id, &installation, Steer::Release),
        OutboxCommand::Drop { id, installation } => steer(id, &installation, Steer::Drop),
    }
}

const NO_LETTER: &str = "name a letter by its number, or a mailing with --mailing";

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
            Steer::Drop => outbox::put_aside(tx, id, now).await,
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
    let found = opened.runtime.block_on(outbox::find(&opened.store, id))?;
    let under_way = found.as_ref().is_some_and(|letter| letter.lease_until > now);
    if done {
        println!("letter {id}: {}", steer.word());
        if under_way && matches!(steer, Steer::Hold) {
            println!("it is under way at this moment: if the server takes it, it has left, and otherwise it is held");
        }
        return Ok(End::Done);
    }
    match found {
        None => eprintln!("hagaki: there is no letter {id}"),
        Some(letter) if letter.secret == Secret::Gone && matches!(steer, Steer::Retry) => eprintln!(
            "hagaki: letter {id} let somebody in, and its secret was taken out when it had left; issue another with `hagaki \
             credentials reissue`"
        ),
        Some(_) if under_way && matches!(steer, Steer::Drop) => eprintln!(
            "hagaki: letter {id} is under way at this moment and may have left; `hagaki outbox hold` keeps it from being tried again, \
             and it can be dropped then if it did not leave"
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
            "report": letter.report_status, "reported_at": letter.reported_at.map(Instant::utc), "resends": letter.resends })
}

/// What was said of a letter, behind the reply code where it was a server that said it.
fn spoken(code: i64, said: &str) -> String {
    if code == 0 { said.to_string() } else { format!("{code} {said}").trim().to_string() }
}

/// What became of a letter, as far as is known: tried, accepted, refused, arrived or come back.
fn life(letter: &OutboxRow) -> String {
    let at = |at: Option<Instant>| at.map(|at| format!(" {}", at.local(Zone::UTC))).unwrap_or_default();
    let mut told = Vec::new();
    if letter.attempts > 1 {
        told.push(format!("tried {} times", letter.attempts));
    }
    if letter.sent_at.is_some() {
        told.push(format!("accepted{}", at(letter.sent_at)));
    }
    match (&letter.report_status, letter.state) {
        (Some(status), State::Bounced) => told.push(format!("bounced{} ({status})", at(letter.reported_at))),
        (Some(_), State::Delivered) => told.push(format!("delivered{}", at(letter.reported_at))),
        _ if letter.delay().is_some() => {
            let delay = letter.delay();
            told.extend(delay.map(|(status, since)| format!("delayed{} ({status})", at(Some(since)))));
        }
        _ if letter.sent_at.is_none() => {
            let said = letter.verdict_text.as_deref().unwrap_or_default();
            told.extend(letter.verdict_code.map(|code| spoken(code, said)));
        }
        _ => {}
    }
    told.extend(letter.resends.map(|first| format!("letter {first} once more")));
    told.join(", ")
}

/// The letters that were asked for.
fn listed(args: &ListArgs) -> anyhow::Result<Vec<OutboxRow>> {
    let Some(slug) = &args.study else {
        let which = args.state.map_or(Which::All, Which::State);
        let opened = Opened::open(&args.installation)?;
        return Ok(opened.runtime.block_on(outbox::list(&opened.store, which, None, limits::LISTED))?);
    };
    let office = Office::of_any(slug, &args.installation)?;
    let (opened, shelved) = (&office.opened, &office.shelved);
    let which = match (&args.subject, &args.person) {
        (Some(wanted), _) => {
            let finding = command::find_subject(&opened.store, &shelved.study, shelved.id, wanted);
            Which::Subject(judged(opened.runtime.block_on(finding))?.id)
        }
        (None, Some(typed)) => return to(&office, typed),
        (None, None) => Which::Study(shelved.id),
    };
    Ok(opened.runtime.block_on(outbox::list(&opened.store, which, None, limits::LISTED))?)
}

/// The letters to a person of the staff, or to a participant's address.
fn to(office: &Office, typed: &str) -> anyhow::Result<Vec<OutboxRow>> {
    let (opened, shelved) = (&office.opened, &office.shelved);
    let addresses = match shelved.study.people.iter().find(|person| person.id == typed) {
        Some(person) => person.addresses.clone(),
        None if shelved.study.survey.is_none() => {
            return Err(Refused(format!("\"{typed}\" is no person of {}", shelved.study.slug)).into());
        }
        None => vec![whose::find(office, typed)?.address],
    };
    let mut letters = Vec::new();
    for address in addresses.iter().filter(|address| !address.is_empty()) {
        let theirs = outbox::list_of_recipient(&opened.store, shelved.id, address, limits::LISTED);
        letters.extend(opened.runtime.block_on(theirs)?);
    }
    letters.sort_by_key(|letter| std::cmp::Reverse(letter.id));
    Ok(letters)
}

fn list(args: &ListArgs) -> anyhow::Result<End> {
    for letter in listed(args)? {
        if args.output.json {
            println!("{}", line(&letter));
        } else {
            println!(
                "{:>7}  {}  {:<9} {:<24} {:<32} {}",
                letter.id,
                letter.created_at.local(Zone::UTC),
                letter.state.key(),
                letter.kind,
                letter.recipient,
                life(&letter)
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
    let encrypted = sealed::is_sealed(&bytes);
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
        facts["text"] = if withheld || encrypted { json!(null) } else { json!(words.text) };
        facts["withheld"] = json!(withheld);
        facts["encrypted"] = json!(encrypted);
        println!("{facts}");
        return Ok(End::Done);
    }
    println!("letter {} ({}) to {}, written {}", letter.id, letter.kind, letter.recipient, letter.created_at.utc());
    if let Some(first) = letter.resends {
        println!("sends letter {first} once more");
    }
    for attempt in &attempts {
        let said = spoken(attempt.code, &attempt.text);
        println!("attempt {} at {}: {said}", attempt.attempt, attempt.attempted_at.utc());
    }
    let said = letter.verdict_text.clone().unwrap_or_default();
    let sent = letter.sent_at.map(|at| format!(" at {}", at.utc())).unwrap_or_default();
    println!("{}{sent}: {}", letter.state.key(), spoken(letter.verdict_code.unwrap_or_default(), &said));
    if let Some((status, at)) = letter.delay() {
        println!("delayed ({status}) at {}: the other server goes on trying", at.utc());
    } else if let (Some(status), Some(at)) = (&letter.report_status, letter.reported_at) {
        println!("delivery report at {}: {status}", at.utc());
    }
    println!("\nSubject: {}\n", words.subject);
    if withheld {
        println!("(this letter {WITHHELD})");
    } else if encrypted {
        println!(
            "(this letter is encrypted to its reader's OpenPGP key; it is kept as it was sent, and its reader alone can open it)"
        );
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
