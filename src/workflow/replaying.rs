//! The replay beside the comparison: allocations that were compared with the audit chain are decided again on a thread of their
//! own, so that neither waits for the other and no more than a few pages are ever in memory.

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking};

use super::amendment::Schemes;
use super::proof::row_of;
use crate::domain::allocation::{Amendment, FirstDifference, Origin};
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

/// Begins a replay; `beginnings` holds the first number of each version, as [`crate::store::allocation::beginnings`] gives them.
pub(super) fn begin(
    schemes: Schemes,
    secret: [u8; 32],
    beginnings: Vec<(i64, i64)>,
    amendments: Vec<Amendment>,
) -> (Rows, Replaying) {
    let (to, from) = channel(limits::REPLAY_PAGES_AHEAD);
    let work = spawn_blocking(move || replay(&schemes, &secret, &beginnings, &amendments, from));
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

fn replay(
    schemes: &Schemes,
    secret: &[u8; 32],
    beginnings: &[(i64, i64)],
    amendments: &[Amendment],
    mut from: Receiver<Vec<AllocationRow>>,
) -> Replay {
    let (mut count, mut imported, mut forced, mut unreadable) = (0, 0, 0, None);
    let sent = std::iter::from_fn(|| from.blocking_recv()).flatten();
    let rows = sent.map_while(|fact| match row_of(&fact) {
        Ok(row) => {
            count += 1;
            imported += u64::from(row.origin == Origin::Imported);
            forced += u64::from(row.origin == Origin::Forced);
            Some(row)
        }
        Err(_) => {
            unreadable = Some(fact.number);
            None
        }
    });
    let result = schemes.replay(&schemes.turns_of(beginnings), secret, rows, amendments);
    Replay { result, count, imported, forced, unreadable }
}
