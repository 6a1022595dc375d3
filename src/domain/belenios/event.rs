//! Events: the chain that gives an archive its order.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum EventKind {
    /// The election was set up.
    Setup,
    /// A ballot was accepted.
    Ballot,
    /// Voting ended.
    EndBallots,
    /// The encrypted sum was made.
    EncryptedTally,
    /// The ballots of a question that is not added up were shuffled.
    Shuffle,
    /// Shuffling ended.
    EndShuffles,
    /// A trustee decrypted.
    PartialDecryption,
    /// The result was made.
    Result,
}

impl EventKind {
    /// Its name in archives.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Setup => "Setup",
            EventKind::Ballot => "Ballot",
            EventKind::EndBallots => "EndBallots",
            EventKind::EncryptedTally => "EncryptedTally",
            EventKind::Shuffle => "Shuffle",
            EventKind::EndShuffles => "EndShuffles",
            EventKind::PartialDecryption => "PartialDecryption",
            EventKind::Result => "Result",
        }
    }
}

/// One event.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event<'a> {
    /// Digest of the one before; none for the first.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<Cow<'a, str>>,
    /// Its number, from 0.
    pub(super) height: u64,
    /// What happened.
    #[serde(rename = "type")]
    pub(super) kind: EventKind,
    /// Digest of the data it brings.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Cow<'a, str>>,
}

/// The first record's content.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    pub(super) version: u64,
    /// The time that all records carry, in seconds since 1970, as a text.
    #[serde(borrow)]
    pub(super) timestamp: Cow<'a, str>,
}
