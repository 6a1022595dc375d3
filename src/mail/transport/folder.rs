//! Letters put into a Maildir, for the demo and for rehearsals; durable before they count as sent.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::Envelope;
use super::verdict::{Reply, Trouble, Verdict};
use crate::domain::time::Clock;
use crate::limits;
use crate::mail::mailbox::maildir;

/// A transport that writes each letter into a Maildir, with `Return-Path` and `Delivered-To` in front as a mail
/// server's delivery would. Letters sent at the same time are made durable together.
#[derive(Clone)]
pub struct Folder {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    waiting: Mutex<Waiting>,
}

/// Letters that wait to be written.
#[derive(Default)]
struct Waiting {
    letters: Vec<Job>,
    /// Somebody is writing, and will come back for what waits.
    written: bool,
}

struct Job {
    bytes: Vec<u8>,
    done: oneshot::Sender<io::Result<String>>,
}

impl Folder {
    /// A transport into the Maildir at `path`, which is created with the first letter.
    pub fn new(path: &Path, clock: Arc<dyn Clock>) -> Folder {
        Folder { shared: Arc::new(Shared { path: path.to_owned(), clock, waiting: Mutex::default() }) }
    }

    pub(super) async fn send(&self, envelope: &Envelope, raw: &[u8]) -> Verdict {
        let from = envelope.from.as_deref().unwrap_or_default();
        let mut bytes = format!("Return-Path: <{from}>\r\nDelivered-To: {}\r\n", envelope.to).into_bytes();
        bytes.extend_from_slice(raw);
        let (done, outcome) = oneshot::channel();
        if self.shared.join_queue(Job { bytes, done }) {
            let shared = Arc::clone(&self.shared);
            tokio::task::spawn_blocking(move || shared.write_all());
        }
        match outcome.await {
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
    /// Puts a letter into the queue; whether the caller must see that it is written.
    fn join_queue(&self, job: Job) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.letters.push(job);
        !std::mem::replace(&mut waiting.written, true)
    }

    /// What waits, no more than one batch; nothing ends the writing.
    fn take_batch(&self) -> Vec<Job> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.written = !waiting.letters.is_empty();
        let batch = waiting.letters.len().min(limits::FOLDER_BATCH);
        waiting.letters.drain(..batch).collect()
    }

    fn write_all(&self) {
        let _guard = Guard(self);
        loop {
            let batch = self.take_batch();
            if batch.is_empty() {
                return;
            }
            let (letters, done): (Vec<_>, Vec<_>) = batch.into_iter().map(|job| (job.bytes, job.done)).unzip();
            let placed = maildir::deliver_all(&self.path, self.clock.now(), &letters);
            for (done, placed) in done.into_iter().zip(placed) {
                // A sender that has gone away records nothing; the letter goes again, as after a crash.
                let _ = done.send(placed);
            }
        }
    }
}

/// Lets the next letter find a writer even if this one panicked: whoever waited is told that it failed.
struct Guard<'a>(&'a Shared);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Waiting::default();
        }
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
