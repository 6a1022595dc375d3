//! Letters put into a Maildir, for the demo and for rehearsals; durable before they count as sent.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Envelope;
use super::verdict::{Reply, Trouble, Verdict};
use crate::domain::time::Clock;
use crate::mail::mailbox::maildir;

/// A transport that writes each letter into a Maildir, with `Return-Path` and `Delivered-To` in front as a mail
/// server's delivery would.
#[derive(Clone)]
pub struct Folder {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// Letters renamed into place so far.
    placed: AtomicU64,
    /// How many of those the folder's last sync covers.
    synced: Mutex<u64>,
}

impl Folder {
    /// A transport into the Maildir at `path`, which is created with the first letter.
    pub fn new(path: &Path, clock: Arc<dyn Clock>) -> Folder {
        let shared = Shared { path: path.to_owned(), clock, placed: AtomicU64::new(0), synced: Mutex::new(0) };
        Folder { shared: Arc::new(shared) }
    }

    pub(super) async fn send(&self, envelope: &Envelope, raw: &[u8]) -> Verdict {
        let from = envelope.from.as_deref().unwrap_or_default();
        let mut bytes = format!("Return-Path: <{from}>\r\nDelivered-To: {}\r\n", envelope.to).into_bytes();
        bytes.extend_from_slice(raw);
        let shared = Arc::clone(&self.shared);
        match tokio::task::spawn_blocking(move || shared.deliver(&bytes)).await {
            Ok(Ok(name)) => Verdict::Accepted(Reply::new(250, format!("2.0.0 {name}"))),
            Ok(Err(error)) => self.trouble(&error),
            Err(error) => self.trouble(&error),
        }
    }

    fn trouble(&self, error: &dyn std::fmt::Display) -> Verdict {
        let text =
            format!("{}: {error}; can the daemon write there, and is the disk full?", self.shared.path.display());
        Verdict::Unreachable { trouble: Trouble::Own, text }
    }
}

impl Shared {
    fn deliver(&self, bytes: &[u8]) -> io::Result<String> {
        let name = maildir::place(&self.path, self.clock.now(), bytes)?;
        // Senders at the same time share one sync of the folder: it covers every letter placed before it began.
        let mine = self.placed.fetch_add(1, Ordering::SeqCst) + 1;
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if *synced < mine {
            let covered = self.placed.load(Ordering::SeqCst);
            maildir::sync_folder(&self.path.join("new"))?;
            *synced = covered;
        }
        Ok(name)
    }
}
