//! `hagaki election verify`: is the archive of a verifiable election whole, and does its result follow from its ballots?

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::SHOWN_CHARS;
use super::audited::{Known, audit, line, open};
use crate::cli::{End, Output, counted};
use crate::domain::belenios::audit::{Report, Stage};
use crate::domain::belenios::problem::{Code, Place, Problem};
use crate::domain::belenios::setup::Election;
use crate::domain::belenios::tally::Votes;
use crate::domain::text::clean;

/// Bytes that are compared at once.
const PIECE: usize = 1 << 20;
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
    /// A tracker, as it was shown to a voter: is that ballot there, and does it count?
    #[arg(long)]
    tracker: Option<String>,
    /// Tell the trackers of all ballots, in the order of the archive, as a list to publish.
    #[arg(long)]
    trackers: bool,
    /// What is known from elsewhere.
    #[command(flatten)]
    known: Known,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<End> {
    let mut report = audit(&args.file, args.known.expected(args.open))?.finish();
    if let Some(older) = &args.diff
        && !begins_with(&args.file, older)?
    {
        report.problems.push(Problem { place: Place::Archive, code: Code::NotAppended });
        report.result = None;
    }
    // Of an archive that does not hold nothing is said.
    let holds = report.problems.iter().all(|problem| problem.code == Code::ResultMissing);
    let found = args.tracker.as_deref().filter(|_| holds).map(|tracker| Found::of(&report, tracker));
    if args.output.json {
        println!("{}", as_json(&report, found, args))
    } else {
        tell(&report, args);
        if let Some(found) = found {
            println!("{}", found.text());
        }
    }
    Ok(if report.problems.is_empty() && found != Some(Found::Missing) { End::Done } else { End::Refused })
}

/// What became of a voter's ballot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Counts,
    Replaced,
    Missing,
}

impl Found {
    fn of(report: &Report, tracker: &str) -> Found {
        // As some write it, with the padding.
        let tracker = tracker.trim().trim_end_matches('=');
        match report.tracked.iter().find(|own| own.tracker == tracker) {
            Some(own) if own.counts => Found::Counts,
            Some(_) => Found::Replaced,
            None => Found::Missing,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Found::Counts => "counts",
            Found::Replaced => "replaced",
            Found::Missing => "missing",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Found::Counts => "The ballot with that tracker is there, and counts.",
            Found::Replaced => {
                "The ballot with that tracker is there; a later one of the same credential counts in its place. If that one is \
                 not yours, somebody else has your credential: tell those who hold the election."
            }
            Found::Missing => {
                "NO ballot with that tracker is there. Compare it character by character; if the vote was cast, tell those who \
                 hold the election."
            }
        }
    }
}

/// Whether a file begins with all of an older one, which is not empty.
pub(super) fn begins_with(newer: &Path, older: &Path) -> anyhow::Result<bool> {
    let (mut newer_file, mut older_file) = (open(newer)?, open(older)?);
    let (mut own, mut old, mut some) = (Vec::new(), Vec::new(), false);
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
            return Ok(some);
        }
        some = true;
    }
}

fn as_json(report: &Report, found: Option<Found>, args: &VerifyArgs) -> Value {
    let problem = |Problem { place, code }: &Problem| json!({ "record": place.to_string(), "code": code.name(), "text": code.text() });
    let mut told = json!({
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
    });
    if let Some(found) = found {
        told["tracker"] = found.name().into();
    }
    if args.trackers {
        let tracked = report.tracked.iter().map(|own| json!({ "tracker": own.tracker, "counts": own.counts }));
        told["trackers"] = tracked.collect();
    }
    told
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
        tell_votes(election, result);
    }
    for own in report.tracked.iter().filter(|_| args.trackers) {
        println!("  {}{}", own.tracker, if own.counts { "" } else { "  (replaced by a later one)" });
    }
    for problem in &report.problems {
        println!("{}", line(problem));
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
    if report.problems.is_empty() && !args.known.is_enough() {
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

/// Prints how many votes each answer has.
pub(super) fn tell_votes(election: &Election, votes: &Votes) {
    for (question, votes) in election.questions.iter().zip(votes) {
        println!("  {}", shown(&question.question));
        let blank = question.blank.then_some("(blank ballots)");
        for (answer, votes) in blank.into_iter().chain(question.answers.iter().map(String::as_str)).zip(votes) {
            println!("    {votes:>8}  {}", shown(answer));
        }
    }
}
