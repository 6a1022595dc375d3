//! The use cases: one function per thing a person can ask for, one transaction per request.
//!
//! In charge of the order of things: deduplicate, check, decide (through `domain`), record (through `store`), write
//! letters (through `letters`), all in one transaction. Never speaks IMAP, SMTP or HTTP, and never waits for a network
//! while a transaction is open. To add a request: a variant of [`Act`](crate::domain::request::Act), a file here, an arm
//! in [`accept::accept`].

pub mod accept;
pub mod account_notices;
pub mod accounts;
pub mod addresses;
mod again;
pub mod amending;
pub mod amendment;
pub mod balance;
pub mod begun;
pub mod binding;
mod by_mail;
pub mod calendar;
mod catch_up;
pub mod changes;
pub mod cohorts;
pub mod command;
pub mod compose;
pub mod confirm;
pub mod correction;
pub mod course;
pub mod credentials;
pub mod deed;
pub mod disclosure;
pub mod drafts;
mod draw;
pub mod due;
pub mod election;
pub mod ending;
pub mod enroll;
mod entry;
pub mod export;
pub mod facts;
pub mod federation;
pub mod follow_up;
pub mod follow_up_mail;
pub mod force;
pub mod further;
mod group;
pub mod import;
pub mod journal;
pub mod kit_deed;
pub mod kit_import;
pub mod kits;
pub mod kits_left;
pub mod kits_told;
mod known_places;
mod leave;
pub mod ledger;
pub mod life;
mod likeness;
pub mod mailings;
pub mod mend;
mod names;
pub mod note;
pub mod notices;
mod obstacles;
pub mod opt_out;
mod opt_out_mail;
pub mod outdated;
pub mod package;
mod pages;
pub mod participants;
pub mod planned;
pub mod proof;
pub mod randomize;
mod reached;
pub mod recognize;
mod reference;
pub mod register;
pub mod remark;
mod replaying;
pub mod report;
pub mod rescreen;
pub mod resend;
pub mod respond;
pub mod schedule;
mod sealing;
pub mod second_factor;
pub mod self_enrollment;
pub mod shelf;
pub mod shipment;
pub mod sign_in;
pub mod stock;
pub mod take_back;
mod texts;
mod to_operator;
pub mod told;
mod told_fact;
mod told_reference;
pub mod told_study;
pub mod trail;
pub mod unblind;
mod unreached;
pub mod unwanted;
pub mod uploads;
pub mod urn;
pub mod versions;
pub mod visitor;
pub mod week;
pub mod when;
mod wording;

use std::pin::Pin;
use std::sync::Arc;

use crate::domain::chain::Sha256Digest;
use crate::domain::language::Language;
use crate::domain::openpgp::OwnKey;
use crate::domain::seal::{KeyRing, NoKey, Unopened};
use crate::domain::time::{Dice, Instant};
use crate::domain::token::AddressKey;
use crate::files::FilesError;
use crate::store::StoreError;

/// What a use case needs beside the transaction: the time, the dice, the installation's key, and the address we are.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The moment of deciding.
    pub now: Instant,
    /// For tokens and Message-IDs; never for draws.
    pub dice: &'a dyn Dice,
    /// Authenticates the tokens in our addresses and the receipts.
    pub keys: &'a Keys,
    /// The mailbox that speaks for us.
    pub desk: &'a DeskAddress,
}

/// The installation's keys: derived from the one secret that the store keeps, and those of the key file.
#[derive(Clone)]
pub struct Keys {
    /// Of the codes in our addresses.
    pub address: AddressKey,
    /// Of receipts.
    pub receipt: [u8; 32],
    /// Of the codes beside files in forms.
    pub file: [u8; 32],
    /// Those of the key file, which stand outside the database; empty where there is none.
    pub ring: KeyRing,
}

impl Keys {
    /// The keys of an installation's secret; each use has its own.
    pub fn derive(secret: &[u8]) -> Keys {
        use sha2::{Digest, Sha256};
        let of =
            |purpose: &str| -> [u8; 32] { Sha256::new().chain_update(purpose).chain_update(secret).finalize().into() };
        Keys {
            address: AddressKey::new(&of("hagaki address ")),
            receipt: of("hagaki receipt "),
            file: of("hagaki file "),
            ring: KeyRing::default(),
        }
    }

    /// With those of a key file.
    pub fn with_ring(self, ring: KeyRing) -> Keys {
        Keys { ring, ..self }
    }
}

/// A mailbox of ours as letters show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskAddress {
    /// Name of the mailbox: which transport a letter takes.
    pub mailbox: String,
    /// Service address, such as `reg@example.jp`.
    pub address: String,
    /// Name shown beside it.
    pub display: String,
    /// Right-hand side of our Message-IDs.
    pub message_id_domain: String,
    /// What links in letters begin with.
    pub public_url: String,
    /// The key that letters are signed with and mails are encrypted to, where there is one.
    pub openpgp: Option<Arc<OwnKey>>,
}

impl DeskAddress {
    /// The address with a sub-address (RFC 5233): `reg+sub@example.jp`.
    pub fn with(&self, sub: &str) -> String {
        match self.address.rsplit_once('@') {
            Some((local, domain)) => format!("{local}+{sub}@{domain}"),
            None => self.address.clone(),
        }
    }
}

/// Whoever runs the installation: hears of mails that belong to no study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Their address.
    pub address: String,
    /// Language of their letters.
    pub language: Language,
}

/// What a mail that asks for something brought with it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its inbox row.
    pub inbox_id: i64,
    /// Address on file that it was written from; answers go there and nowhere else.
    pub sender: &'a str,
    /// Its Message-ID without brackets, if it has a valid one.
    pub message_id: Option<&'a str>,
    /// Message-IDs of the thread it belongs to, oldest first.
    pub references: &'a [String],
    /// What identifies the message wherever it is seen: its Message-ID, else a digest.
    pub message_key: &'a str,
    /// Digest of what it says.
    pub content_digest: &'a Sha256Digest,
    /// Whether a person let it out of quarantine.
    pub released: bool,
    /// Site whose token stood in the address, if its code was right.
    pub site_token: Option<&'a str>,
    /// Whether it came encrypted: then nothing of it goes back in the clear.
    pub encrypted: bool,
}

/// How a mail was settled: what its inbox row will say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Decided, or kept for a person.
    pub held: Held,
    /// One of the dispositions of DESIGN section 6.
    pub disposition: &'static str,
    /// Why, as a key for people and programs: `enrolled`, `refused:range`, `conflict`, …
    pub reason: String,
    /// Study it concerned.
    pub study_id: Option<i64>,
    /// Subject it concerned.
    pub subject_id: Option<i64>,
    /// Person who asked.
    pub person: Option<String>,
}

/// Whether a mail is decided or waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Decided; it goes to Processed.
    No,
    /// Kept for a person; it goes to Quarantine.
    Yes,
}

/// Why a use case failed (not: refused). The transaction is rolled back and the mail tried again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A letter could not be written: a study's own template is broken for these facts.
    #[error("letter cannot be written: {0}")]
    Letter(String),
    /// A stored bundle can no longer be read by this version.
    #[error("study {slug} version {version} cannot be read: {why}")]
    Bundle {
        /// Which study.
        slug: String,
        /// Which version.
        version: i64,
        /// First problem.
        why: String,
    },
    /// Something has to be sealed, and there is no key.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// Something sealed does not open.
    #[error("what is sealed of study {slug} cannot be opened: {why}")]
    Unopened {
        /// Which study.
        slug: String,
        /// Why.
        why: Unopened,
    },
    /// The second factor of an account does not open.
    #[error("the second factor of an account cannot be opened: {0}")]
    SecondFactor(#[from] Unopened),
    /// A file cannot be stored or given back.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// What the database holds contradicts itself; a person must look.
    #[error("the records contradict each other: {0}")]
    Contradiction(String),
}

impl Failure {
    /// Whether it passes when the key file is mended: what it concerns waits until then.
    pub fn waits_for_key(&self) -> bool {
        match self {
            Failure::NoKey(_)
            | Failure::Unopened { why: Unopened::NoKey(_), .. }
            | Failure::SecondFactor(Unopened::NoKey(_)) => true,
            Failure::Store(error) => error.waits_for_key(),
            _ => false,
        }
    }
}

/// A step on the heap: what a request waits in grows with every use case, and the stack of a worker does not. It is made there, too; what
/// is made first and then moved takes its room on the stack of everybody who waits for it.
#[inline(never)]
fn apart<F: Future>(step: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(step())
}
