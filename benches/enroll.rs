//! How fast enrolling is, whole: mails in a Maildir in, SQLite with full synchronization, letters in a folder out. Prints
//! each figure beside what the same disk allowed in the same run. `postgres` is the same on a PostgreSQL server of its own
//! on loopback (or of `HAGAKI_TEST_POSTGRES=postgres://user@host:port`), beside what that server allowed.
//!
//! `cargo bench --bench enroll -- [--only plain,one,group,latency,letters,growth,postgres] [--count N] [--dir FOLDER]`

mod load;
#[allow(dead_code, reason = "of the tests' server it uses a part")]
#[path = "../tests/engines/postgres.rs"]
mod postgres;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use futures::{StreamExt as _, stream};
use hagaki::definition::Bundle;
use hagaki::mail::mailbox::maildir;
use hagaki::mail::transport::{Envelope, Transport, Verdict};
use hagaki::store::outbox;
use load::{Installation, LETTERS, Registration, clock, limit, load_average, memory_mb, quantiles, until};

/// What to measure.
#[derive(Debug, Parser)]
struct Arguments {
    /// Parts to run; all if none is named.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Registrations of a burst.
    #[arg(long, default_value_t = 3_000)]
    count: usize,
    /// Mails of the look at latency.
    #[arg(long, default_value_t = 300)]
    singles: usize,
    /// Studies of the look at growth.
    #[arg(long, default_value_t = 3_000)]
    studies: usize,
    /// Subjects on file in the look at growth.
    #[arg(long, default_value_t = 1_000_000)]
    subjects: usize,
    /// Letters to the sink.
    #[arg(long, default_value_t = 20_000)]
    letters: usize,
    /// Folder on the disk to measure; else below target/.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let parent = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    std::fs::create_dir_all(&parent).expect("the folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let wanted = |part: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == part);
        if wanted("plain") {
            let studies = [load::plain_study(0)].into();
            burst("one study, the answer alone", &parent, None, (studies, 1), arguments.count).await;
        }
        if wanted("one") {
            burst("one study", &parent, None, told(1), arguments.count).await;
        }
        if wanted("group") {
            burst("8 studies", &parent, None, told(8), arguments.count).await;
        }
        if wanted("latency") {
            latency("one at a time", &parent, arguments.singles).await;
        }
        if wanted("letters") {
            letters(&parent, arguments.letters).await;
        }
        if wanted("growth") {
            growth(&parent, arguments.studies, arguments.subjects, arguments.singles).await;
        }
        if wanted("postgres") {
            match postgres::server() {
                Ok(server) => {
                    let plain = ([load::plain_study(0)].into(), 1);
                    for (what, studies) in
                        [("one study, the answer alone, PostgreSQL", plain), ("one study, PostgreSQL", told(1))]
                    {
                        let url = limit::fresh_database(&server.base, "hagaki_load").await;
                        burst(what, &parent, Some(&url), studies, arguments.count).await;
                    }
                }
                Err(why) => println!("PostgreSQL: left out: {why}"),
            }
        }
    });
    load::clear_up();
}

/// So many studies whose coordinator and statistician are told of each registration, with the letters of one.
fn told(studies: usize) -> (Vec<Bundle>, usize) {
    ((0..studies).map(load::study).collect(), LETTERS)
}

/// Registrations that lie in the mailbox when the daemon starts, until every letter lies in the folder.
async fn burst(
    what: &str,
    parent: &Path,
    database: Option<&str>,
    (bundles, letters): (Vec<Bundle>, usize),
    count: usize,
) {
    let installation = Installation::embedded(parent, database);
    let studies = bundles.len();
    installation.activate_all(bundles.into_iter()).await;
    let (syncs, commits) = limits(&installation, database).await;
    installation.drop_mails(Registration::of(studies, 0, count));
    load::forget_peak();
    let cpu = load::cpu_seconds();
    let begun = Instant::now();
    let running = installation.start().await;
    until(what, Duration::from_millis(100), count * letters, async || installation.letters()).await;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = load::cpu_seconds() - cpu;
    let peak = memory_mb("VmHWM");
    running.stop().await;
    let rate = count as f64 / seconds;
    println!(
        "{what}: {rate:.0} registrations/s, {:.0} letters/s ({count} in {seconds:.2} s; {:.2} ms of processor each); \
         single-row durable commits {commits:.0}/s, ratio {:.2}; syncs {syncs:.0}/s; peak {peak:.0} MB; load {}",
        rate * letters as f64,
        cpu * 1_000.0 / count as f64,
        rate / commits,
        load_average(),
    );
    assert!(peak < load::MEMORY_MB, "more memory than {} MB", load::MEMORY_MB);
}

/// One mail after another, each when the letters of the one before are out: from its delivery to its answer.
async fn latency(what: &str, parent: &Path, count: usize) {
    let installation = Installation::embedded(parent, None);
    installation.activate(1).await;
    let running = installation.start().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let times = singles(&installation, 0, 0, count).await;
    running.stop().await;
    let (half, most) = quantiles(times);
    println!(
        "{what}: p50 {half:.1?}, p99 {most:.1?} from the mail's delivery to all its letters; load {}",
        load_average()
    );
}

/// The time each of some single registrations takes.
async fn singles(installation: &Installation, study: usize, first: usize, count: usize) -> Vec<Duration> {
    let clock = clock();
    let mut times = Vec::new();
    let before = installation.letters();
    for place in 0..count {
        let mail = Registration { study, subject: first + place }.encode(clock.now());
        let begun = Instant::now();
        maildir::deliver(&installation.mailbox(), clock.now(), &mail).expect("delivered");
        let wanted = before + (place + 1) * LETTERS;
        until("one mail", Duration::from_millis(1), wanted, async || installation.letters()).await;
        times.push(begun.elapsed());
        // Not in step with the intake's looking.
        tokio::time::sleep(Duration::from_millis(20 + (place as u64 * 7) % 50)).await;
    }
    times
}

/// Start-up and single registrations with much on file, against the same with nothing.
async fn growth(parent: &Path, studies: usize, subjects: usize, count: usize) {
    let installation = Installation::embedded(parent, None);
    installation.activate(1).await;
    let running = installation.start().await;
    let begun = singles(&installation, 0, 0, count).await;
    running.stop().await;
    let (half, most) = quantiles(begun);
    println!("growth: with 1 study and nobody enrolled: p50 {half:.1?}, p99 {most:.1?}");

    let filling = Instant::now();
    let database = installation.folder.path().join("hagaki.db");
    load::growth::fill(&database, studies - 1, subjects).await;
    // What was filled in without synchronization must not be written back while single mails are measured.
    std::fs::File::open(&database).and_then(|file| file.sync_all()).expect("written back");
    let megabytes = std::fs::metadata(&database).map_or(0, |data| data.len() / 1_000_000);
    println!("growth: {studies} studies, {subjects} subjects filled in, {megabytes} MB, {:.1?}", filling.elapsed());

    load::forget_peak();
    let before = installation.letters();
    let begun = Instant::now();
    // The study that has most on file is asked first: its allocation state is rebuilt from the journal.
    installation.drop_mails(Registration::of(1, 1_000, 1).map(|mail| Registration { study: studies - 1, ..mail }));
    let running = installation.start().await;
    let built = begun.elapsed();
    until("the first", Duration::from_millis(2), before + LETTERS, async || installation.letters()).await;
    let first = begun.elapsed();
    let times = singles(&installation, studies - 1, 2_000, count).await;
    let (_, slowest) = quantiles(times.clone());
    let mut spread = Vec::new();
    for place in 0..count {
        let study = 1 + place * (studies - 2) / count;
        spread.extend(singles(&installation, study, 3_000, 1).await);
    }
    let peak = memory_mb("VmHWM");
    running.stop().await;
    let (half_then, most_then) = quantiles(times);
    let (half_spread, most_spread) = quantiles(spread);
    println!(
        "growth: built in {built:.1?}, first answer {first:.1?} after the start; one study: p50 {half_then:.1?}, \
         p99 {most_then:.1?}, ratio {:.2} to the empty database; each mail the first of its study: p50 {half_spread:.1?}, \
         p99 {most_spread:.1?}; peak {peak:.0} MB; load {}",
        slowest.as_secs_f64() / most.as_secs_f64(),
        load_average()
    );
}

/// Letters that wait in the outbox when the daemon starts, until the server has taken every one and that is recorded.
async fn letters(parent: &Path, count: usize) {
    let sink = Sink::start();
    let smtp = format!(
        "[maildir]\npath = \"../../mailbox\"\n[smtp]\nhost = \"localhost\"\nport = {}\nsecurity = \"none\"\n\
         connections = 8\n",
        sink.port
    );
    let installation = Installation::new(parent, None, &smtp);
    let (syncs, commits) = limits(&installation, None).await;
    let bare = bare_letters(&installation, count).await;
    let store = installation.store().await;
    let raw = letter();
    let now = clock().now();
    for from in (0..count).step_by(500) {
        let ids: Vec<String> = (from..(from + 500).min(count)).map(|n| format!("<{n}@load.example.jp>")).collect();
        let new: Vec<outbox::NewLetter<'_>> = ids
            .iter()
            .map(|id| outbox::NewLetter {
                mailbox: "reg",
                message_id: id,
                study_id: None,
                kind: "help",
                recipient: "yamada@example.jp",
                raw: &raw,
                personal: false,
                masked: None,
                priority: 1,
                created_at: now,
                next_attempt_at: now,
                inbox_id: None,
                subject_id: None,
            })
            .collect();
        let mut tx = store.begin().await.expect("begin");
        outbox::insert_many(&mut tx, &new).await.expect("letters");
        tx.commit().await.expect("commit");
    }
    store.close().await;
    load::forget_peak();
    let cpu = load::cpu_seconds();
    let begun = Instant::now();
    let running = installation.start().await;
    let taken = async || {
        let waiting = outbox::waiting_count(&running.store).await.expect("a number");
        count - usize::try_from(waiting).expect("a number of letters")
    };
    until("letters", Duration::from_millis(50), count, taken).await;
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    let cpu = (load::cpu_seconds() - cpu) * 1_000.0 / count as f64;
    let peak = memory_mb("VmHWM");
    running.stop().await;
    println!(
        "letters to smtp-sink: {rate:.0}/s with their state durable ({count} of {} bytes; {cpu:.2} ms of processor each); \
         without any state {bare:.0}/s, ratio {:.2}; syncs {syncs:.0}/s, single-row durable commits {commits:.0}/s; \
         peak {peak:.0} MB; load {}",
        raw.len(),
        rate / bare,
        load_average()
    );
    assert!(peak < load::MEMORY_MB, "more memory than {} MB", load::MEMORY_MB);
}

/// What the same transport and sink carry when nothing is recorded.
async fn bare_letters(installation: &Installation, count: usize) -> f64 {
    let transport = Transport::open(&installation.settings.mailboxes[0].delivery, clock()).expect("a transport");
    let raw = letter();
    let begun = Instant::now();
    let sends = (0..count).map(|_| async {
        let envelope = Envelope { from: Some("reg@example.jp".to_owned()), to: "yamada@example.jp".to_owned() };
        let verdict = transport.send(&envelope, &raw).await;
        assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
    });
    stream::iter(sends).buffer_unordered(transport.width()).count().await;
    count as f64 / begun.elapsed().as_secs_f64()
}

/// A letter of the usual size.
fn letter() -> Vec<u8> {
    let line = "Assignment: subject AURORA-0001 was allocated to the arm STD; keep this letter.\r\n";
    format!("From: reg@example.jp\r\nTo: yamada@example.jp\r\nSubject: load\r\n\r\n{}", line.repeat(24)).into_bytes()
}

/// Postfix's smtp-sink, which takes mails and throws them away; gone when dropped.
struct Sink {
    port: u16,
    child: std::process::Child,
}

impl Sink {
    fn start() -> Sink {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let child = std::process::Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "smtp-sink", "-u", "nobody", &format!("127.0.0.1:{port}"), "100"])
            .spawn()
            .expect("smtp-sink of Debian's package postfix");
        let sink = Sink { port, child };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        sink
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Syncs and single-row commits a second.
async fn limits(installation: &Installation, database: Option<&str>) -> (f64, f64) {
    let syncs = limit::syncs(installation.folder.path());
    let commits = match database {
        None => limit::sqlite_commits(installation.folder.path()).await,
        Some(url) => limit::postgres_commits(url).await,
    };
    (syncs, commits)
}
