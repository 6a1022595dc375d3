//! Archives from files, checked on all cores.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use clap::Args;

use crate::cli::Refused;
use crate::cli::progress::Bar;
use crate::daemon::machine::SystemDice;
use crate::domain::belenios::audit::{Audit, Expected};
use crate::domain::belenios::growing::Growing;
use crate::domain::belenios::problem::{Code, Place, Problem};
use crate::domain::belenios::tar::Splitter;
use crate::domain::time::Dice;

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;
/// Ballots that are checked at once, on all cores.
const BALLOTS_AT_ONCE: usize = 512;

/// What is known of an election from elsewhere.
#[derive(Clone, Debug, Args)]
pub(super) struct Known {
    /// The election's fingerprint as it was announced.
    #[arg(long)]
    pub(super) fingerprint: Option<String>,
    /// The digest of the list of credentials as it was announced.
    #[arg(long, value_name = "DIGEST")]
    pub(super) credentials: Option<String>,
    /// How many people may vote.
    #[arg(long, value_name = "NUMBER")]
    pub(super) voters: Option<u64>,
}

impl Known {
    /// Nothing is.
    pub(super) const fn nothing() -> Known {
        Known { fingerprint: None, credentials: None, voters: None }
    }

    /// What an archive has to be like; `open` ones need no result.
    pub(super) fn expected(&self, open: bool) -> Expected {
        Expected {
            fingerprint: self.fingerprint.clone(),
            credentials: self.credentials.clone(),
            voters: self.voters,
            open,
        }
    }

    /// Whether it tells which election and whose votes are meant.
    pub(super) fn is_enough(&self) -> bool {
        self.fingerprint.is_some() && self.credentials.is_some()
    }
}

/// What is wrong, as a line.
pub(super) fn line(Problem { place, code }: &Problem) -> String {
    format!("{place}: {} [{}]", code.text(), code.name())
}

pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads an archive through, checking what takes long on all cores.
pub(super) fn audit(path: &Path, expected: Expected) -> anyhow::Result<Audit> {
    read(path, expected, |_| false)
}

/// Reads an archive up to its first ballot: what is to be known before one is made.
pub(super) fn set_up(path: &Path, expected: Expected) -> anyhow::Result<Audit> {
    let audit = read(path, expected, |audit| audit.setup().is_some())?;
    if audit.setup().is_some() && audit.problems().is_empty() { Ok(audit) } else { Err(refused(path, audit)) }
}

/// Reads an archive that is to be added to, or opened: nothing may be wrong with it, though it need not be finished.
pub(super) fn growing(path: &Path, known: &Known) -> anyhow::Result<Growing> {
    Growing::of(audit(path, known.expected(true))?).map_err(|audit| refused(path, *audit))
}

fn refused(path: &Path, audit: Audit) -> anyhow::Error {
    let lines: Vec<String> = audit.finish().problems.iter().map(line).collect();
    Refused(format!("nothing was done: {} does not hold\n{}", path.display(), lines.join("\n"))).into()
}

fn read(path: &Path, expected: Expected, enough: fn(&Audit) -> bool) -> anyhow::Result<Audit> {
    let mut file = open(path)?;
    let length = file.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
    let bar = Bar::new("verify", length);
    let (mut audit, mut splitter) = (Audit::begin(expected), Splitter::default());
    let mut piece = vec![0; PIECE];
    while !audit.is_over() && !enough(&audit) {
        let read = file.read(&mut piece).with_context(|| format!("cannot read {}", path.display()))?;
        splitter.push(&piece[..read]);
        while !audit.is_over() && !enough(&audit) {
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
        }
        bar.advance(read as u64);
        if read == 0 {
            break;
        }
    }
    if !audit.is_over() && !enough(&audit) && !splitter.is_empty() {
        audit.note(Place::Archive, Code::TarCut);
    }
    work_off(&mut audit);
    bar.clear();
    Ok(audit)
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
