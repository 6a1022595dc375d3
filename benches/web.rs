//! How fast participants answer on pages, whole: each opens a personal link, sends five answers, and is thanked, over real HTTP
//! to the daemon on SQLite with full synchronization. Prints the rate beside what the same disk allowed in the same run.
//!
//! `cargo bench --bench web -- [--count N] [--clients N] [--dir FOLDER]`

mod load;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use hagaki::daemon::run::{desk_address, keys};
use hagaki::definition::{Bundle, samples};
use hagaki::domain::participant::Candidate;
use hagaki::limits;
use hagaki::store::study;
use hagaki::workflow::Means;
use hagaki::workflow::credentials::{self, Form, Terms};
use hagaki::workflow::life::Act;
use hagaki::workflow::shelf::Shelf;
use load::{Installation, clock, dice, limit, load_average, memory_mb};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A number, yes or no, a list, a short text and a long one: the survey that others were measured with.
const FORM: &str = r#"
title = { ja = "五つの質問", en = "Five questions" }
[[items]]
id = "age"
kind = "integer"
label = { ja = "年齢", en = "Your age" }
required = true
hard = { min = 0, max = 130 }
[[items]]
id = "pain"
kind = "yesno"
label = { ja = "痛みがありましたか", en = "Did you have pain?" }
required = true
[[items]]
id = "where"
kind = "choice"
label = { ja = "どこで暮らしていますか", en = "Where do you live?" }
choices = [
  { code = "city", label = { ja = "市街地", en = "In a city" } },
  { code = "town", label = { ja = "町", en = "In a town" } },
  { code = "country", label = { ja = "村", en = "In the country" } },
]
[[items]]
id = "word"
kind = "text"
label = { ja = "今日をひと言で", en = "Today in a word" }
[[items]]
id = "remark"
kind = "note"
label = { ja = "ほかに気になったこと", en = "Anything else?" }
"#;

/// What to measure.
#[derive(Debug, Parser)]
struct Arguments {
    /// Responses.
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Participants at the same time.
    #[arg(long, default_value_t = 8)]
    clients: usize,
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
        let installation = Installation::embedded(&parent, None);
        let links = invite(&installation, arguments.count).await;
        let syncs = limit::syncs(installation.folder.path());
        let commits = limit::sqlite_commits(installation.folder.path()).await;
        measure(&installation, links, arguments.clients, syncs, commits).await;
    });
    load::clear_up();
}

/// WELLBEING with those five questions, each person once.
fn five() -> Bundle {
    let mut files = samples::wellbeing().files().clone();
    files.insert("instruments/weekly.toml".to_owned(), FORM.to_owned());
    let text = files.get_mut("study.toml").expect("a sample study has one");
    for (from, to) in [("responses = \"repeat\"", "responses = \"once\""), ("review = true", "review = false")] {
        assert!(text.contains(from), "study.toml has no {from}");
        *text = text.replace(from, to);
    }
    Bundle::from_files(files)
}

/// The paths of so many personal links.
async fn invite(installation: &Installation, count: usize) -> VecDeque<String> {
    installation.activate_all([five()].into_iter()).await;
    let store = installation.store().await;
    let (clock, dice) = (clock(), dice());
    let keys = keys(&store, &*dice).await.expect("keys");
    let desk = desk_address(&installation.settings.mailboxes[0], &installation.settings.web);
    let row = study::find_current(&store, "wellbeing").await.expect("a database").expect("the study");
    let shelf = Shelf::new(store.clone());
    let shelved = shelf.current(row.id, row.bundle_version).await.expect("the study");
    let people = vec![Candidate::default(); count];
    let mut links = VecDeque::with_capacity(count);
    for run in people.chunks(limits::CREDENTIAL_BATCH) {
        let now = clock.now();
        let means = Means { now, dice: &*dice, keys: &keys, desk: &desk };
        let act = Act { actor: "load", at: now, reason: "load" };
        let terms = Terms {
            form: Form::Link,
            from: now,
            until: None,
            days_from_sending: None,
            mailed: false,
            once: false,
            admits_unclear: false,
        };
        let batch = credentials::issue(&shelf, &shelved, means, act, run, terms).await.expect("issued");
        let links_of = batch.issued.into_iter().filter_map(|one| one.link);
        links.extend(links_of.filter_map(|link| link.strip_prefix("http://127.0.0.1").map(str::to_owned)));
    }
    assert_eq!(links.len(), count);
    store.close().await;
    links
}

async fn measure(installation: &Installation, links: VecDeque<String>, clients: usize, syncs: f64, commits: f64) {
    let count = links.len();
    let running = installation.start().await;
    let address = running.address;
    let links = Arc::new(Mutex::new(links));
    load::forget_peak();
    let cpu = load::cpu_seconds();
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let links = Arc::clone(&links);
        tasks.spawn(async move {
            let mut times = Vec::new();
            loop {
                let next = links.lock().expect("nobody panicked here").pop_front();
                let Some(path) = next else { return times };
                let begun = Instant::now();
                respond(address, &path).await;
                times.push(begun.elapsed());
            }
        });
    }
    let all = tokio::time::timeout(load::PATIENCE, tasks.join_all()).await.expect("it ends in time");
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = load::cpu_seconds() - cpu;
    let (resident, peak) = (memory_mb("VmRSS"), memory_mb("VmHWM"));
    let row = study::find_current(&running.store, "wellbeing").await.expect("a database").expect("the study");
    assert_eq!(usize::try_from(row.responses), Ok(count), "each response counts once");
    running.stop().await;
    let mut times = all.concat();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let rate = count as f64 / seconds;
    println!(
        "complete responses on pages: {rate:.0}/s with {clients} clients ({count} in {seconds:.2} s; p50 {:.1} ms, p95 {:.1} ms, \
         p99 {:.1} ms; {:.2} ms of processor each, clients included); single-row durable commits {commits:.0}/s, ratio {:.2}; \
         syncs {syncs:.0}/s; resident {resident:.0} MB, peak {peak:.0} MB, clients included; load {}",
        ms(at(50)),
        ms(at(95)),
        ms(at(99)),
        cpu * 1_000.0 / count as f64,
        rate / commits,
        load_average(),
    );
}

/// One participant: a connection of their own, the form, the answers, the thanks.
async fn respond(address: SocketAddr, path: &str) {
    let mut browser = TcpStream::connect(address).await.expect("the daemon listens");
    browser.set_nodelay(true).expect("a socket");
    let form = ask(&mut browser, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).await;
    let mark = form.split("name=\"_mark\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let mark = mark.unwrap_or_else(|| panic!("no form: {form}"));
    let body = format!(
        "_mark={mark}&_lang=en&age=58&pain=no&where=town&word=calm&remark=Nothing+happened+today%2C+which+was+welcome.%0D%0AI+slept+well."
    );
    let sent = ask(
        &mut browser,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
    .await;
    let to = sent.lines().find_map(|line| line.strip_prefix("location: "));
    let to = to.unwrap_or_else(|| panic!("not taken: {sent}"));
    let thanks = ask(&mut browser, &format!("GET {to} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).await;
    assert!(thanks.contains("class=\"receipt\""), "not thanked: {thanks}");
}

/// Sends a request and reads its answer, whose length is named.
async fn ask(browser: &mut TcpStream, request: &str) -> String {
    browser.write_all(request.as_bytes()).await.expect("sent");
    let mut bytes = Vec::with_capacity(16 * 1024);
    loop {
        assert!(browser.read_buf(&mut bytes).await.expect("an answer") > 0, "the daemon hung up");
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
}
