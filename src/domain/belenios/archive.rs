//! Writes archives: records with their digests, and the chain of events over them.

use super::event::{Event, EventKind, Header};
use super::group::Version;
use super::json::{self, Count, hex_digest};
use super::tally::{Owned, SizedTally};
use super::tar;

/// The name of the first record.
pub const HEADER_NAME: &str = "BELENIOS";
/// How the names of data end.
pub const DATA_SUFFIX: &str = ".data.json";
/// How the names of events end.
pub const EVENT_SUFFIX: &str = ".event.json";

/// Where an archive ends: what the next event follows.
#[derive(Clone, Debug)]
pub struct Tip {
    pub(super) time: u64,
    pub(super) head: Option<String>,
    pub(super) height: u64,
}

/// An archive that grows. What was written never changes.
#[derive(Clone, Debug)]
pub struct Archive {
    time: u64,
    bytes: Vec<u8>,
    head: Option<String>,
    height: u64,
}

impl Archive {
    /// Begins one; all its records carry that time, in seconds since 1970, so that none tells when it was written.
    pub fn begin(time: u64) -> Archive {
        let mut archive = Archive { time, bytes: Vec::new(), head: None, height: 0 };
        let header = Header { version: Version::V1.number(), timestamp: time.to_string().into() };
        archive.record(HEADER_NAME, &json::write(&header));
        archive
    }

    /// What is to be appended to an archive that ends there, and is kept elsewhere.
    pub fn after(tip: Tip) -> Archive {
        Archive { time: tip.time, bytes: Vec::new(), head: tip.head, height: tip.height }
    }

    /// The file as it is now, or what is to be appended.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn record(&mut self, name: &str, body: &[u8]) {
        let record = tar::record(name, body, self.time).expect("a short name, less than 8 GiB, before the year 2242");
        self.bytes.extend(record);
    }

    fn data(&mut self, body: &[u8]) -> String {
        let digest = hex_digest(body);
        self.record(&format!("{digest}{DATA_SUFFIX}"), body);
        digest
    }

    fn event(&mut self, kind: EventKind, payload: Option<String>) {
        let event = Event {
            parent: self.head.take().map(Into::into),
            height: self.height,
            kind,
            payload: payload.map(Into::into),
        };
        let body = json::write(&event);
        let digest = hex_digest(&body);
        self.record(&format!("{digest}{EVENT_SUFFIX}"), &body);
        self.head = Some(digest);
        self.height += 1;
    }

    /// Sets the election up, from its three files.
    pub fn set_up(&mut self, election: &[u8], trustees: &[u8], credentials: &[u8]) {
        let setup = SetupText {
            election: self.data(election),
            trustees: self.data(trustees),
            credentials: self.data(credentials),
        };
        let payload = self.data(&json::write(&setup));
        self.event(EventKind::Setup, Some(payload));
    }

    /// Appends a ballot.
    pub fn add_ballot(&mut self, ballot: &[u8]) {
        let payload = self.data(ballot);
        self.event(EventKind::Ballot, Some(payload));
    }

    /// Ends the voting.
    pub fn end_ballots(&mut self) {
        self.event(EventKind::EndBallots, None);
    }

    /// Appends the encrypted sum, of how many ballots and of what weight in all.
    pub fn add_tally(&mut self, sum: &[u8], ballots: u64, weight: u64) {
        let encrypted_tally = self.data(sum).into();
        let sized = SizedTally { num_tallied: ballots, total_weight: Count(weight), encrypted_tally };
        let payload = self.data(&json::write(&sized));
        self.event(EventKind::EncryptedTally, Some(payload));
    }

    /// Appends the part of a trustee, who are counted from 1.
    pub fn add_decryption(&mut self, owner: u64, decryption: &[u8]) {
        let owned = Owned { owner, payload: self.data(decryption).into() };
        let payload = self.data(&json::write(&owned));
        self.event(EventKind::PartialDecryption, Some(payload));
    }

    /// Appends the result.
    pub fn add_result(&mut self, result: &[u8]) {
        let payload = self.data(result);
        self.event(EventKind::Result, Some(payload));
    }
}

/// The three files of a set-up.
#[derive(serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetupText {
    pub(super) election: String,
    pub(super) trustees: String,
    pub(super) credentials: String,
}
