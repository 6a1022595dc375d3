//! The replay beside the comparison: allocations that were compared with the audit chain are decided again on a thread of their
//! own, so that neither waits for the other and no more than a few pages are ever in memory.

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking};

use super::amendment::Schemes;
use super::proof::row_of;
use crate::domain::allocation::{Amendment, Course, FirstDifference, Origin, Row, Turn, replay_among};
use crate::limits;
use crate::store::allocation::AllocationRow;

/// Where allocations go in, in order.
pub(super) struct Rows {
    page: Vec<AllocationRow>,
    /// None once the replay wants no more.
    to: Option<Sender<Vec<AllocationRow>>>,
}

/// What came of a replay.
pub(super) struct Replay {
    /// The first allocation that does not follow.
    pub(super) result: Result<(), Box<FirstDifference>>,
    /// How many allocations could be read, up to the first that does not follow.
    pub(super) count: u64,
    /// How many of them were made elsewhere.
    pub(super) imported: u64,
    /// How many of them were given by hand.
    pub(super) forced: u64,
    /// Number of the first that cannot be read.
    pub(super) unreadable: Option<i64>,
}

/// A replay at work.
pub(super) struct Replaying(JoinHandle<Replay>);

/// One of the study's allocations, to be decided again.
pub(super) struct Own {
    /// Its id.
    pub(super) id: String,
    /// Its schemes.
    pub(super) schemes: Schemes,
    /// What became known and changes its counts.
    pub(super) amendments: Vec<Amendment>,
}

/// Begins a replay; `beginnings` holds the first number of each version, as [`crate::store::allocation::beginnings`] gives them.
pub(super) fn begin(own: Vec<Own>, secret: [u8; 32], beginnings: Vec<(i64, i64)>) -> (Rows, Replaying) {
    let (to, from) = channel(limits::REPLAY_PAGES_AHEAD);
    let work = spawn_blocking(move || replay(&own, &secret, &beginnings, from));
    (Rows { page: Vec::new(), to: Some(to) }, Replaying(work))
}

impl Rows {
    /// Takes the next allocation.
    pub(super) async fn send(&mut self, row: AllocationRow) {
        self.page.push(row);
        if self.page.len() as i64 >= limits::PROOF_PAGE_ROWS {
            self.pass_on().await;
        }
    }

    /// There are no more.
    pub(super) async fn finish(mut self) {
        self.pass_on().await;
    }

    async fn pass_on(&mut self) {
        let page = std::mem::take(&mut self.page);
        if let Some(to) = &self.to
            && to.send(page).await.is_err()
        {
            // It found a difference, and what comes behind that does not matter.
            self.to = None;
        }
    }
}

impl Replaying {
    /// Waits until every allocation that went in was decided.
    pub(super) async fn end(self) -> Replay {
        self.0.await.unwrap_or_else(|fault| std::panic::resume_unwind(fault.into_panic()))
    }
}

fn replay(own: &[Own], secret: &[u8; 32], beginnings: &[(i64, i64)], mut from: Receiver<Vec<AllocationRow>>) -> Replay {
    let (mut count, mut imported, mut forced, mut unreadable) = (0, 0, 0, None);
    let sent = std::iter::from_fn(|| from.blocking_recv()).flatten();
    let read = |fact: &AllocationRow| -> Option<(usize, Row)> {
        Some((own.iter().position(|own| own.id == fact.randomization)?, row_of(fact).ok()?))
    };
    let rows = sent.map_while(|fact| {
        let Some((place, row)) = read(&fact) else {
            unreadable = Some(fact.number);
            return None;
        };
        count += 1;
        imported += u64::from(row.origin == Origin::Imported);
        forced += u64::from(row.origin == Origin::Forced);
        Some((place, row))
    });
    let turns: Vec<Vec<Turn<'_>>> = own.iter().map(|own| own.schemes.turns_of(beginnings)).collect();
    let courses: Vec<Course<'_>> = own
        .iter()
        .zip(&turns)
        .map(|(own, turns)| Course { first: own.schemes.first(), turns, amendments: &own.amendments })
        .collect();
    let result = replay_among(&courses, secret, rows).map(drop);
    Replay { result, count, imported, forced, unreadable }
}
