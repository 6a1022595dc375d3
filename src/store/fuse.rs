//! A fuse in the store's one passage to the database, so that tests can break a run at every single step.
//!
//! It counts what crosses the passage (each statement, begin and commit is one step, the same on both engines) and
//! strikes once, as it is told to. The daemon runs without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use super::error::StoreError;

/// Breaks a run at a chosen step; counts steps from 1.
#[derive(Debug)]
pub struct Fuse {
    strike: Strike,
    steps: AtomicU64,
    commits: AtomicU64,
    struck: AtomicBool,
    frozen: Notify,
}

/// What a fuse does, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strike {
    Never,
    Refuse(u64),
    LoseCommit(u64),
    HideCommit(u64),
    Freeze(u64),
}

/// What crosses the passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A begin, or a statement inside a transaction, or a read.
    Plain,
    /// A commit, or a writing statement of its own.
    Commit,
}

/// A step on its way: its number, and the commit's number if it is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    step: u64,
    commit: Option<u64>,
}

impl Fuse {
    /// Counts and never strikes.
    pub fn counting() -> Arc<Fuse> {
        Fuse::with(Strike::Never)
    }

    /// The `n`-th step fails before it is done.
    pub fn refuse(n: u64) -> Arc<Fuse> {
        Fuse::with(Strike::Refuse(n))
    }

    /// The `n`-th commit does not happen and is reported as failed.
    pub fn lose_commit(n: u64) -> Arc<Fuse> {
        Fuse::with(Strike::LoseCommit(n))
    }

    /// The `n`-th commit does happen and is reported as failed.
    pub fn hide_commit(n: u64) -> Arc<Fuse> {
        Fuse::with(Strike::HideCommit(n))
    }

    /// The `n`-th step is done, and neither it nor any later one ever returns: what a killed process looks like from
    /// outside. Wait for [`Fuse::frozen`], then drop everything that uses the store.
    pub fn freeze(n: u64) -> Arc<Fuse> {
        Fuse::with(Strike::Freeze(n))
    }

    fn with(strike: Strike) -> Arc<Fuse> {
        Arc::new(Fuse {
            strike,
            steps: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            struck: AtomicBool::new(false),
            frozen: Notify::new(),
        })
    }

    /// Whether it has struck; a run that it did not disturb is the last of a series.
    pub fn struck(&self) -> bool {
        self.struck.load(Ordering::SeqCst)
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::SeqCst)
    }

    /// Commits so far, writing statements of their own among them.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Returns once the run is frozen; never for other fuses.
    pub async fn frozen(&self) {
        loop {
            let waiting = self.frozen.notified();
            if matches!(self.strike, Strike::Freeze(_)) && self.struck() {
                return;
            }
            waiting.await;
        }
    }

    pub(super) async fn before(&self, step: Step) -> Result<Passage, StoreError> {
        if matches!(self.strike, Strike::Freeze(_)) && self.struck() {
            std::future::pending::<()>().await;
        }
        let passage = Passage {
            step: self.steps.fetch_add(1, Ordering::SeqCst) + 1,
            commit: (step == Step::Commit).then(|| self.commits.fetch_add(1, Ordering::SeqCst) + 1),
        };
        let strikes = match self.strike {
            Strike::Refuse(n) => passage.step == n,
            Strike::LoseCommit(n) => passage.commit == Some(n),
            _ => false,
        };
        if strikes {
            self.struck.store(true, Ordering::SeqCst);
            return Err(StoreError::Struck(passage.step));
        }
        Ok(passage)
    }

    pub(super) async fn after(&self, passage: Passage) -> Result<(), StoreError> {
        match self.strike {
            Strike::HideCommit(n) if passage.commit == Some(n) => {
                self.struck.store(true, Ordering::SeqCst);
                Err(StoreError::Struck(passage.step))
            }
            Strike::Freeze(n) if passage.step >= n => {
                self.struck.store(true, Ordering::SeqCst);
                self.frozen.notify_waiters();
                std::future::pending::<()>().await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
