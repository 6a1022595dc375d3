//! The dispatch loop: outbox row → transport → verdict.
//!
//! A letter is claimed with a lease and its attempt counted before the attempt is made, so that a letter which crashes
//! the sender cannot loop for ever. A crash between the server's 250 and the record sends the same bytes, with the same
//! Message-ID, once more; that is the only way a letter arrives twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::Semaphore;

use super::transport::{Envelope, Transport, Verdict};
use crate::domain::retry;
use crate::domain::time::{Clock, Dice, Instant};
use crate::domain::token::{self, Key};
use crate::limits;
use crate::store::outbox::{self, Claimed};
use crate::store::{Store, StoreError, host};

/// How one address of ours sends.
#[derive(Clone)]
pub struct Sender {
    /// Service address; bounces come back to a sub-address of it.
    pub address: String,
    /// What carries its letters.
    pub transport: Arc<Transport>,
}

/// The dispatch loop's means.
pub struct Dispatch {
    /// Where letters wait.
    pub store: Store,
    /// Tells when a letter is due.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries.
    pub dice: Arc<dyn Dice>,
    /// Authenticates bounce addresses.
    pub key: Arc<Key>,
    /// Senders by mailbox name.
    pub senders: BTreeMap<String, Sender>,
    /// Name of this process in leases.
    pub owner: String,
    /// Letters handed to transports at the same time.
    pub parallel: usize,
}
