//! Enrolling through a real Postfix and Dovecot on this machine, beside what the two carry without us.
//!
//! `cargo bench --bench servers -- [--count N] [--width CONNECTIONS]`; needs what the tests of the servers need.

#![allow(dead_code, clippy::unwrap_used, reason = "of the tests' servers it uses a part, and stops where they stop")]

#[path = "../tests/servers/harness.rs"]
mod harness;
mod load;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use futures::{StreamExt as _, stream};
use hagaki::mail::transport::{Envelope, Smtp, Transport, Verdict};
use hagaki::settings::Security;
use harness::{PASSWORD, SERVICE, Servers, bare_smtp};
use load::{Installation, LETTERS, Registration, clock, load_average, quantiles, until};

/// What to measure.
#[derive(Debug, Parser)]
struct Arguments {
    /// Registrations of a burst.
    #[arg(long, default_value_t = 500)]
    count: usize,
    /// Connections that mails are submitted on.
    #[arg(long, default_value_t = 8)]
    width: usize,
    /// Mails of the look at latency.
    #[arg(long, default_value_t = 60)]
    singles: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Everybody who gets a letter.
const READERS: [&str; 6] = [
    "yamada@example.jp",
    "suzuki@example.jp",
    "tanaka@example.jp",
    "miller@example.jp",
    "aurora-center@example.jp",
    "aurora-stat@example.jp",
];

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let without = without_us(&arguments).await;
        let with = with_us(&arguments).await;
        if let (Some(without), Some(with)) = (without, with) {
            println!("through Postfix and Dovecot: ratio {:.2} of what they carry without us", with / without);
        }
    });
    load::clear_up();
}

/// As many mails in and out as with us, at the same time, by the same transport; rounds of registration a second.
async fn without_us(arguments: &Arguments) -> Option<f64> {
    let servers = Servers::start()?;
    let (border, submission) = (at_border(&servers, arguments.width), at_submission(&servers, arguments.width));
    let letter = letter();
    // The servers start their processes with the first mails; with us that is over when the burst begins, too.
    submit(&border, Registration::of(1, 0, 20).map(|mail| (mail.sender().0, SERVICE, mail.letter(clock().now()))))
        .await;
    submit(&submission, (0..20).map(|n| (SERVICE, READERS[n % READERS.len()], letter.clone()))).await;
    let lying_in_all = async || arrived(&servers) + lying(&servers, SERVICE);
    until("the first mails", Duration::from_millis(20), 40, lying_in_all).await;
    let begun = Instant::now();
    let incoming = async {
        let mails =
            Registration::of(1, 0, arguments.count).map(|mail| (mail.sender().0, SERVICE, mail.letter(clock().now())));
        submit(&border, mails).await;
    };
    let outgoing = async {
        let letters = (0..arguments.count * LETTERS).map(|n| (SERVICE, READERS[n % READERS.len()], letter.clone()));
        submit(&submission, letters).await;
    };
    futures::join!(incoming, outgoing);
    let all = 40 + arguments.count * (1 + LETTERS);
    until("mails without us", Duration::from_millis(20), all, lying_in_all).await;
    let rate = arguments.count as f64 / begun.elapsed().as_secs_f64();
    println!(
        "without us: {rate:.0} times a second one mail in and {LETTERS} out, {:.0} mails/s; load {}",
        rate * (1 + LETTERS) as f64,
        load_average()
    );
    Some(rate)
}

/// Registrations submitted until every letter lies in its reader's mailbox; a second.
async fn with_us(arguments: &Arguments) -> Option<f64> {
    let servers = Servers::start()?;
    let ca = servers.ca_file();
    let edges = format!(
        "[imap]\nhost = \"localhost\"\nport = {}\nsecurity = \"tls\"\nuser = \"{SERVICE}\"\npassword_file = \"password\"\n\
         ca_file = \"{ca}\"\n[smtp]\nhost = \"localhost\"\nport = {}\nsecurity = \"starttls\"\nuser = \"{SERVICE}\"\n\
         password_file = \"password\"\nca_file = \"{ca}\"\nconnections = {}\n",
        servers.imaps,
        servers.submission,
        arguments.width,
        ca = ca.display(),
    );
    let installation = Installation::with_password(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")), &edges, PASSWORD);
    installation.activate(1).await;
    let running = installation.start().await;
    let border = at_border(&servers, arguments.width);

    let mut times = Vec::new();
    for place in 0..arguments.singles {
        let mail = Registration { study: 0, subject: place };
        let reader = mail.sender().0;
        let wanted = lying(&servers, reader) + 1;
        let begun = Instant::now();
        submit(&border, [(reader, "reg+aurora0@example.jp", mail.letter(clock().now()))].into_iter()).await;
        until("one answer", Duration::from_millis(2), wanted, async || lying(&servers, reader)).await;
        times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if !times.is_empty() {
        let (half, most) = quantiles(times);
        println!("one at a time: p50 {half:.1?}, p99 {most:.1?} from submission to the answer in the mailbox");
    }

    until("the last notices", Duration::from_millis(20), arguments.singles * LETTERS, async || arrived(&servers)).await;
    let before = arrived(&servers);
    let cpu = load::cpu_seconds();
    let begun = Instant::now();
    let mails = Registration::of(1, 1_000, arguments.count)
        .map(|mail| (mail.sender().0, "reg+aurora0@example.jp", mail.letter(clock().now())));
    submit(&border, mails).await;
    let submitted = begun.elapsed();
    let wanted = before + arguments.count * LETTERS;
    until("letters with us", Duration::from_millis(20), wanted, async || arrived(&servers)).await;
    let rate = arguments.count as f64 / begun.elapsed().as_secs_f64();
    let cpu = (load::cpu_seconds() - cpu) * 1_000.0 / arguments.count as f64;
    println!(
        "with us: {rate:.0} registrations/s, {:.0} mails/s in and out ({} submitted in {submitted:.1?}; {cpu:.1} ms of \
         our processor time each, the submitting included); peak {:.0} MB; load {}",
        rate * (1 + LETTERS) as f64,
        arguments.count,
        load::memory_mb("VmHWM"),
        load_average()
    );
    running.stop().await;
    Some(rate)
}

fn at_border(servers: &Servers, width: usize) -> Transport {
    let settings = hagaki::settings::SmtpSettings { connections: width, ..bare_smtp(servers.border, Security::Bare) };
    Transport::Smtp(Smtp::new(settings).expect("a transport"))
}

fn at_submission(servers: &Servers, width: usize) -> Transport {
    let settings = servers.smtp_settings(Security::StartTls);
    let settings = hagaki::settings::SmtpSettings { connections: width, ..settings };
    Transport::Smtp(Smtp::new(settings).expect("a transport"))
}

/// Sends mails (from, to, bytes) on all connections of a transport.
async fn submit<'a>(transport: &Transport, mails: impl Iterator<Item = (&'a str, &'a str, Vec<u8>)>) {
    let sends = mails.map(|(from, to, raw)| async move {
        let envelope = Envelope { from: Some(from.to_owned()), to: to.to_owned() };
        let verdict = transport.send(&envelope, &raw).await;
        assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
    });
    stream::iter(sends).buffer_unordered(transport.width()).count().await;
}

/// How many letters lie in the mailboxes of those who get them.
fn arrived(servers: &Servers) -> usize {
    READERS.iter().map(|reader| lying(servers, reader)).sum()
}

fn lying(servers: &Servers, user: &str) -> usize {
    let folder = servers.path().join("mail").join(user);
    ["new", "cur"].iter().map(|part| fs::read_dir(folder.join(part)).map_or(0, Iterator::count)).sum()
}

/// A letter of the size that ours have.
fn letter() -> Vec<u8> {
    let line = "Assignment: subject AURORA-0001 was allocated to the arm STD; keep this letter.\r\n";
    format!("From: {SERVICE}\r\nSubject: load\r\n\r\n{}", line.repeat(60)).into_bytes()
}
