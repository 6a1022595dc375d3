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

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::domain::time::Instant;

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Instant {
            Instant(1_763_600_000_000_000)
        }
    }

    #[tokio::test]
    async fn letters_sent_at_once_all_lie_in_the_folder() {
        let scratch = TempDir::new().unwrap();
        let folder = Folder::new(&scratch.path().join("out"), Arc::new(Stopped));
        let sends: Vec<_> = (0..20)
            .map(|number| {
                let folder = folder.clone();
                let envelope = Envelope { from: None, to: format!("p{number}@example.jp") };
                tokio::spawn(async move { folder.send(&envelope, b"Subject: x\r\n\r\nbody\r\n").await })
            })
            .collect();
        for send in sends {
            let verdict = send.await.unwrap();
            assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
        }
        let mut texts: Vec<String> = fs::read_dir(scratch.path().join("out/new"))
            .unwrap()
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        texts.sort();
        assert_eq!(texts.len(), 20);
        assert_eq!(texts[0], "Return-Path: <>\r\nDelivered-To: p0@example.jp\r\nSubject: x\r\n\r\nbody\r\n");
        assert_eq!(fs::read_dir(scratch.path().join("out/tmp")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_suspends_it_and_fails_no_letter() {
        let scratch = TempDir::new().unwrap();
        fs::write(scratch.path().join("out"), "no folder").unwrap();
        let folder = Folder::new(&scratch.path().join("out"), Arc::new(Stopped));
        let verdict = folder.send(&Envelope { from: None, to: "a@example.jp".to_owned() }, b"x").await;
        assert!(matches!(verdict, Verdict::Unreachable { trouble: Trouble::Own, .. }), "{verdict:?}");
        assert!(!verdict.counts_as_try());
    }
}
