//! Where mails come from: a mailbox on an IMAP server, or a Maildir on this machine.
//!
//! In charge of bringing mails whole and in order, of putting them away when they were dealt with, and of ringing when
//! there are new ones. Remembers nothing that matters: how far a mailbox was read stands in the database, and a mail
//! may be brought twice. To add a kind of mailbox: a file, a variant here, and its section in `mailbox.toml`.

pub mod imap;
pub mod maildir;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

pub use imap::Imap;
pub use maildir::Maildir;

use crate::domain::retry::{self, Jitter};
use crate::domain::time::Dice;
use crate::mail::connection::ConnectError;
use crate::settings::MailSource;

/// A mailbox. Every method may fail and be called again: what is lost is reconnected with the next call.
#[derive(Debug)]
pub enum Mailbox {
    /// On a server.
    Imap(Imap),
    /// On this machine.
    Maildir(Maildir),
}

/// How far a mailbox was read. Begin with the default; keep what [`Fetched`] gives, in the transaction that keeps its
/// items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// IMAP: UIDVALIDITY. Maildir: a random number for each time it is opened. A change means that everything is
    /// brought again.
    pub epoch: u64,
    /// The last item of that epoch that was brought (IMAP: its UID).
    pub last: u64,
}

/// Names a mail within its mailbox; its printed form goes into the database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKey {
    /// Printed `uidvalidity:uid`.
    Imap {
        /// UIDVALIDITY of the folder.
        epoch: u32,
        /// UID within it.
        uid: u32,
    },
    /// The file's name without flags; holds no colon.
    Maildir(String),
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ItemKey::Imap { epoch, uid } => write!(f, "{epoch}:{uid}"),
            ItemKey::Maildir(name) => f.write_str(name),
        }
    }
}

impl ItemKey {
    /// The key of a printed form; none if it is not one.
    pub fn parse(text: &str) -> Option<ItemKey> {
        match text.split_once(':') {
            Some((epoch, uid)) => Some(ItemKey::Imap { epoch: epoch.parse().ok()?, uid: uid.parse().ok()? }),
            None if maildir::is_base_name(text) => Some(ItemKey::Maildir(text.to_owned())),
            None => None,
        }
    }
}

/// A mail as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name in the mailbox.
    pub key: ItemKey,
    /// Its whole size in bytes, as the mailbox tells it.
    pub size: u64,
    /// The whole mail; of an oversized one the header block only.
    pub bytes: Vec<u8>,
    /// Whether it is larger than [`limits::MAIL_BYTES`](crate::limits::MAIL_BYTES), so that only its headers are here.
    pub oversized: bool,
}

/// What a fetch brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// To be given to the next fetch once the items are durable. If they are not, give the old one again.
    pub position: Position,
    /// The mails, oldest first.
    pub items: Vec<Item>,
    /// Whether more are waiting: fetch again rather than wait for the doorbell.
    pub more: bool,
    /// Whether the known position was of another epoch: these items may have been brought before under other keys.
    pub epoch_changed: bool,
}

/// Where mails are put away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folder {
    /// They were dealt with.
    Processed,
    /// A person must look at them.
    Quarantine,
}

/// Why the doorbell stopped waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rang {
    /// There may be new mail.
    Mail,
    /// Nothing was heard for the longest time; look all the same, doorbells are not to be trusted.
    Quiet,
    /// The caller called.
    Called,
}

/// Why a mailbox could not be used. Each text says what to look at.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// The server could not be reached, or not safely.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// User or password refused.
    #[error("{host} refused the login of {user} ({why}); are user and password right?")]
    Authentication {
        /// Host as configured.
        host: String,
        /// User as configured.
        user: String,
        /// What the server said.
        why: String,
    },
    /// The folder that mails arrive in is not there, or Processed or Quarantine cannot be made.
    #[error("folder {folder}: {why}; is its name in mailbox.toml right?")]
    Folder {
        /// The folder as configured.
        folder: String,
        /// What the server said.
        why: String,
    },
    /// The connection was lost while it was used.
    #[error("the connection to the mailbox was lost ({0})")]
    Lost(String),
    /// The server did not answer a command in time.
    #[error("the mailbox did not answer {0} in time")]
    TimedOut(&'static str),
    /// The server refused a command.
    #[error("the mailbox refused {command}: {why}")]
    Refused {
        /// Which command.
        command: &'static str,
        /// What it said.
        why: String,
    },
    /// A file or folder of a Maildir cannot be used.
    #[error(
        "{path}: {why}; [maildir] path must name a folder that holds new, cur and tmp, and the daemon must be allowed to write there"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

impl MailboxError {
    /// Whether waiting may help; if not, a person must mend something (and waiting does no harm).
    pub fn is_transient(&self) -> bool {
        match self {
            MailboxError::Connect(ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. }) => true,
            MailboxError::Lost(_) | MailboxError::TimedOut(_) | MailboxError::Refused { .. } => true,
            MailboxError::Connect(_)
            | MailboxError::Authentication { .. }
            | MailboxError::Folder { .. }
            | MailboxError::File { .. } => false,
        }
    }

    /// Whether the password was refused: trying often may lock the account.
    pub fn is_authentication(&self) -> bool {
        matches!(self, MailboxError::Authentication { .. })
    }
}

impl Mailbox {
    /// The mailbox that a `mailbox.toml` asks for. Connects to nothing and reads nothing yet.
    pub fn open(source: &MailSource, dice: &dyn Dice) -> Mailbox {
        match source {
            MailSource::Imap(settings) => Mailbox::Imap(Imap::new(settings.clone())),
            MailSource::Maildir { path } => Mailbox::Maildir(Maildir::new(path, dice)),
        }
    }

    /// Connects, logs in and makes the folders Processed and Quarantine where they are missing. The other methods do it
    /// when needed; this is for `hagaki doctor`.
    ///
    /// # Errors
    /// Whatever keeps the mailbox from being used.
    pub async fn connect(&mut self) -> Result<(), MailboxError> {
        match self {
            Mailbox::Imap(imap) => imap.connect().await,
            Mailbox::Maildir(maildir) => maildir.connect().await,
        }
    }

    /// The mails after `known`, at most `limit` of them and about
    /// [`limits::FETCH_BYTES`](crate::limits::FETCH_BYTES). Changes nothing in the mailbox.
    ///
    /// # Errors
    /// When the mailbox cannot be used; then nothing was brought, and the next call connects anew.
    pub async fn fetch(&mut self, known: Position, limit: usize) -> Result<Fetched, MailboxError> {
        match self {
            Mailbox::Imap(imap) => imap.fetch(known, limit).await,
            Mailbox::Maildir(maildir) => maildir.fetch(known, limit).await,
        }
    }

    /// Puts mails away, and gives the epoch of the mailbox. Mails that are no longer there, or of another epoch, are
    /// passed over: they were put away before, or lie there under another key.
    ///
    /// # Errors
    /// When the mailbox cannot be used; some may have been moved, and the whole may be repeated.
    pub async fn file(&mut self, items: &[(ItemKey, Folder)]) -> Result<u64, MailboxError> {
        match self {
            Mailbox::Imap(imap) => imap.file(items).await,
            Mailbox::Maildir(maildir) => maildir.file(items).await,
        }
    }

    /// Waits until there may be new mail, at most `longest` (and at most
    /// [`limits::IDLE_SECONDS`](crate::limits::IDLE_SECONDS)). Dropping the future is safe; an IMAP mailbox then
    /// connects anew with the next call.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn doorbell(&mut self, longest: Duration) -> Result<Rang, MailboxError> {
        self.doorbell_or(longest, std::future::pending()).await
    }

    /// As [`doorbell`](Mailbox::doorbell), but also stops, without losing the connection, when `call` is done.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn doorbell_or(
        &mut self,
        longest: Duration,
        call: impl Future<Output = ()>,
    ) -> Result<Rang, MailboxError> {
        match self {
            Mailbox::Imap(imap) => imap.doorbell(longest, call).await,
            Mailbox::Maildir(maildir) => maildir.doorbell(longest, call).await,
        }
    }
}

/// Counts failures running and says how long to leave the mailbox alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackOff {
    failures: u32,
    refused_logins: u32,
}

impl BackOff {
    /// The mailbox works.
    pub fn succeeded(&mut self) {
        *self = BackOff::default();
    }

    /// The mailbox failed: how long to leave it alone (1 s to 5 min; after a refused password 1 min to 1 h).
    pub fn failed(&mut self, error: &MailboxError, dice: &dyn Dice) -> Duration {
        let mut bytes = [0; 4];
        dice.fill(&mut bytes);
        let jitter = Jitter(u32::from_le_bytes(bytes));
        if error.is_authentication() {
            self.refused_logins = self.refused_logins.saturating_add(1);
            return retry::login(self.refused_logins, jitter);
        }
        self.failures = self.failures.saturating_add(1);
        retry::mailbox(self.failures, jitter)
    }

    /// Failures running, of either kind.
    pub fn failures(&self) -> u32 {
        self.failures.saturating_add(self.refused_logins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoDice;

    impl Dice for NoDice {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0);
        }
    }

    #[test]
    fn keys_survive_being_printed() {
        let keys = [ItemKey::Imap { epoch: 1_700_000_000, uid: 42 }, ItemKey::Maildir("1763.M1P2.host".to_owned())];
        for key in keys {
            assert_eq!(ItemKey::parse(&key.to_string()), Some(key));
        }
        for text in ["", "1:", ":1", "a:b", "1:2:3", "1:99999999999", ".hidden", "a/b", "..", "a\0b", "a\nb"] {
            assert_eq!(ItemKey::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_refused_password_is_not_hammered() {
        let mut back_off = BackOff::default();
        let refused = MailboxError::Authentication { host: "h".to_owned(), user: "u".to_owned(), why: String::new() };
        assert_eq!(back_off.failed(&refused, &NoDice).as_secs(), 60);
        assert_eq!(back_off.failed(&refused, &NoDice).as_secs(), 120);
        assert_eq!(back_off.failed(&MailboxError::Lost(String::new()), &NoDice).as_secs(), 1);
        assert_eq!(back_off.failed(&MailboxError::Lost(String::new()), &NoDice).as_secs(), 2);
        assert_eq!(back_off.failures(), 4);
        back_off.succeeded();
        assert_eq!(back_off.failed(&MailboxError::Lost(String::new()), &NoDice).as_secs(), 1);
    }
}
