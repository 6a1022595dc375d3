//! `hagaki election verify`: is the archive of a verifiable election whole, and does its result follow from its ballots?

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::progress::Bar;
use crate::cli::{End, Output, counted};
use crate::daemon::machine::SystemDice;
use crate::domain::belenios::audit::{Audit, Expected, Report, Stage};
use crate::domain::belenios::problem::{Code, Place, Problem};
use crate::domain::belenios::tar::Splitter;
use crate::domain::text::clean;
use crate::domain::time::Dice;

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;
/// Longest text of an archive that is shown, in characters.
const SHOWN_CHARS: usize = 200;
/// Ballots that are checked at once, on all cores.
const BALLOTS_AT_ONCE: usize = 512;

/// What to check.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The archive, `….bel`.
    file: PathBuf,
    /// The election goes on: nothing is missing if there is no result yet.
    #[arg(long)]
    open: bool,
    /// A copy that was taken before: everything in it has to be in the archive still.
    #[arg(long, value_name = "OLD")]
    diff: Option<PathBuf>,
    /// The election's fingerprint as it was announced.
    #[arg(long)]
    fingerprint: Option<String>,
    /// The digest of the list of credentials as it was announced.
    #[arg(long, value_name = "DIGEST")]
    credentials: Option<String>,
    /// How many people may vote.
    #[arg(long, value_name = "NUMBER")]
    voters: Option<u64>,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<End> {
    let expected = Expected {
        fingerprint: args.fingerprint.clone(),
        credentials: args.credentials.clone(),
        voters: args.voters,
        open: args.open,
    };
    let mut report = check(&args.file, expected)?;
    if let Some(older) = &args.diff
        && !begins_with(&args.file, older)?
    {
        report.problems.push(Problem { place: Place::Archive, code: Code::NotAppended });
        report.result = None;
    }
    if args.output.json {
        println!("{}", as_json(&report))
    } else {
        tell(&report, args)
    }
    Ok(if report.problems.is_empty() { End::Done } else { End::Refused })
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads the archive through, checking what takes long on all cores.
fn check(path: &Path, expected: Expected) -> anyhow::Result<Report> {
    let mut file = open(path)?;
    let length = file.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
    let bar = Bar::new("verify", length);
    let (mut audit, mut splitter) = (Audit::begin(expected), Splitter::default());
    let mut piece = vec![0; PIECE];
    while !audit.is_over() {
        let read = file.read(&mut piece).with_context(|| format!("cannot read {}", path.display()))?;
        splitter.push(&piece[..read]);
        loop {
            match splitter.next_record() {
                Ok(Some(record)) => {
                    if audit.work().len() >= BALLOTS_AT_ONCE || audit.must_settle_before(&record) {
                        work_off(&mut audit);
                    }
                    audit.take(record);
                }
                Ok(None) => break,
                Err(code) => {
                    audit.note(Place::Archive, code);
                    audit.stop();
                }
            }
            if audit.is_over() {
                break;
            }
        }
        bar.advance(read as u64);
        if read == 0 {
            break;
        }
    }
    if !audit.is_over() && !splitter.is_empty() {
        audit.note(Place::Archive, Code::TarCut);
    }
    work_off(&mut audit);
    bar.clear();
    Ok(audit.finish())
}

/// Does what was put aside, each core taking the next piece when it is done with one.
fn work_off(audit: &mut Audit) {
    let Some(setup) = audit.setup() else { return };
    let work = audit.work();
    let mut seed = [0; 32];
    SystemDice.fill(&mut seed);
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        while let Some((place, work)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|place| Some((place, work.get(place)?)))
        {
            done.push((place, setup.check(work, seed)));
        }
        done
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(work.len());
    let mut outcomes = std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores).map(|_| scope.spawn(take)).collect();
        let mut outcomes = take();
        for other in others {
            match other.join() {
                Ok(done) => outcomes.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        outcomes
    });
    outcomes.sort_unstable_by_key(|(place, _)| *place);
    audit.settle(outcomes.into_iter().map(|(_, outcome)| outcome).collect());
}

/// Whether a file begins with all of an older one.
fn begins_with(newer: &Path, older: &Path) -> anyhow::Result<bool> {
    let (mut newer_file, mut older_file) = (open(newer)?, open(older)?);
    let (mut own, mut old) = (Vec::new(), Vec::new());
    loop {
        old.clear();
        own.clear();
        let failed = || format!("cannot compare {} with {}", newer.display(), older.display());
        Read::take(&mut older_file, PIECE as u64).read_to_end(&mut old).with_context(failed)?;
        Read::take(&mut newer_file, old.len() as u64).read_to_end(&mut own).with_context(failed)?;
        if old != own {
            return Ok(false);
        }
        if old.is_empty() {
            return Ok(true);
        }
    }
}

fn as_json(report: &Report) -> Value {
    let problem = |Problem { place, code }: &Problem| json!({ "record": place.to_string(), "code": code.name(), "text": code.text() });
    json!({
        "ok": report.problems.is_empty(),
        "problems": report.problems.iter().map(problem).collect::<Vec<_>>(),
        "more_problems": report.more_problems,
        "finished": report.stage == Stage::Finished,
        "fingerprint": report.election.as_ref().map(|election| &election.fingerprint),
        "credentials": report.credentials,
        "ballots": report.ballots,
        "voted": report.voted,
        "voters": report.voters,
        "result": report.result,
    })
}

/// What an archive says, fit for a terminal.
fn shown(text: &str) -> String {
    clean(text, SHOWN_CHARS)
}

fn tell(report: &Report, args: &VerifyArgs) {
    if let Some(election) = &report.election {
        println!("{}", shown(&election.name));
        println!("  fingerprint of the election     {}", election.fingerprint);
        println!("  digest of the credentials       {}", report.credentials);
        println!(
            "  {} may vote, {} voted, with {}",
            counted(report.voters, "credential"),
            report.voted,
            counted(report.ballots, "ballot")
        );
    }
    if let (Some(election), Some(result)) = (&report.election, &report.result) {
        for (question, votes) in election.questions.iter().zip(result) {
            println!("  {}", shown(&question.question));
            let blank = question.blank.then_some("(blank ballots)");
            for (answer, votes) in blank.into_iter().chain(question.answers.iter().map(String::as_str)).zip(votes) {
                println!("    {votes:>8}  {}", shown(answer));
            }
        }
    }
    for Problem { place, code } in &report.problems {
        println!("{place}: {} [{}]", code.text(), code.name());
    }
    if report.more_problems > 0 {
        println!("and {} more.", counted(report.more_problems, "problem"));
    }
    let all = |test: fn(Code) -> bool| report.problems.iter().all(|problem| test(problem.code));
    println!(
        "{}",
        match report.problems.is_empty() {
            true if report.stage == Stage::Finished =>
                "All checks passed: every ballot that counts is in the result, and nothing else is.",
            true => "Every ballot so far holds. There is no result yet: check again when there is one.",
            false if all(Code::is_not_known_here) =>
                "Not checked: elections of this kind cannot be checked here. `belenios-tool election verify` may know it.",
            false if all(|code| matches!(code, Code::ResultMissing | Code::SetupMissing)) =>
                "Not finished: what is there so far holds, but there is no result. With --open this is no error once the election is set up.",
            false => "Refused: the archive does not prove what it says. Keep this file, and ask whoever published it.",
        }
    );
    if report.problems.is_empty() && (args.fingerprint.is_none() || args.credentials.is_none()) {
        println!(
            "Compare the fingerprint and the digest above with the notice of the election (or give them with --fingerprint and \
             --credentials): somebody could have made up the whole archive."
        );
    }
    if report.problems.is_empty() && !report.credentials_sorted {
        println!(
            "Note: the credentials are not in sorted order; their order may tell who is who to somebody who knows the roll's."
        );
    }
}
