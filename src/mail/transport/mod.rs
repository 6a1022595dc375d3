//! How letters leave: SMTP, a folder, or memory.
//!
//! In charge of one try of one letter for one recipient, and of saying what its outcome means. Decides nothing about
//! the next try ([`retry`](crate::domain::retry)), keeps nothing in the database. To add a transport: a file, a variant
//! here, and its section in `mailbox.toml`.

mod folder;
mod memory;
mod smtp;
pub mod verdict;

use std::sync::Arc;

pub use folder::Folder;
pub use memory::{Memory, Order, Sent};
pub use smtp::{Smtp, for_mailings};
pub use verdict::{DISOWNED, Reply, Scope, Trouble, Verdict};

use crate::domain::time::Clock;
use crate::limits;
use crate::mail::connection::ConnectError;
use crate::settings::Delivery;

/// Who a letter is from and to, as mail servers see it. One recipient: a refusal concerns nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where reports of failure go (VERP); none for the null sender `<>`.
    pub from: Option<String>,
    /// The recipient.
    pub to: String,
}

/// A way for letters to leave. Cheap to clone; clones share connections and letters kept.
#[derive(Clone)]
pub enum Transport {
    /// Through a mail server.
    Smtp(Smtp),
    /// Into a Maildir.
    Folder(Folder),
    /// Kept in memory.
    Memory(Memory),
}

impl Transport {
    /// The transport that a `mailbox.toml` asks for. Connects to nothing yet.
    ///
    /// # Errors
    /// When the certificate authority's file cannot be used.
    pub fn open(delivery: &Delivery, clock: Arc<dyn Clock>) -> Result<Transport, ConnectError> {
        Ok(match delivery {
            Delivery::Smtp(settings) => Transport::Smtp(Smtp::new(settings.clone())?),
            Delivery::Folder { path } => Transport::Folder(Folder::new(path, clock)),
            Delivery::Memory => Transport::Memory(Memory::new()),
        })
    }

    /// Tries once to send a whole mail (lines ended by CRLF) to one recipient. Never waits without bound.
    pub async fn send(&self, envelope: &Envelope, raw: &[u8]) -> Verdict {
        match self {
            Transport::Smtp(smtp) => smtp.send(envelope, raw).await,
            Transport::Folder(folder) => folder.send(envelope, raw).await,
            Transport::Memory(memory) => memory.send(envelope, raw),
        }
    }

    /// The same for the letters of mailings: however long they keep the server, a connection is left for what somebody waits for.
    #[must_use]
    pub fn for_mailings(&self) -> Transport {
        match self {
            Transport::Smtp(smtp) => Transport::Smtp(smtp.for_mailings()),
            Transport::Folder(_) | Transport::Memory(_) => self.clone(),
        }
    }

    /// Whether the server can be reached and takes our login, for `hagaki doctor`; sends nothing.
    pub async fn probe(&self) -> Result<(), Verdict> {
        match self {
            Transport::Smtp(smtp) => smtp.probe().await,
            Transport::Folder(_) | Transport::Memory(_) => Ok(()),
        }
    }

    /// How many letters it can have under way at a time.
    pub fn width(&self) -> usize {
        match self {
            Transport::Smtp(smtp) => smtp.connections(),
            Transport::Folder(_) => limits::FOLDER_BATCH,
            Transport::Memory(_) => 1,
        }
    }
}
