//! Checks an archive from its first byte to its last, record by record as they come.
//!
//! What takes long, ballots and the list of credentials, is put aside as [`Work`]: whoever drives the check does it, on as many
//! threads as there are, and brings the outcomes back in order. Everything that is wrong is told, not only the first thing.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::archive::{DATA_SUFFIX, EVENT_SUFFIX, HEADER_NAME, SetupText, Tip};
use super::ballot::{self, Ballot, Numbers};
use super::event::{Event, EventKind, Header};
use super::group::Version;
use super::json::{self, hex_digest};
use super::membership;
use super::problem::{Code, Place, Problem};
use super::proofs::Bases;
use super::setup::{self, Credentials, Election, Trustee};
use super::tally::{self, Decryption, Owned, SizedTally, Votes};
use super::tar::{Record, Splitter};
use crate::limits;

/// Credentials that are looked at together.
const CREDENTIALS_AT_ONCE: usize = 2_048;

/// What somebody who checks knows from elsewhere: the notice of the election, the frozen roll.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Fingerprint of the election.
    pub fingerprint: Option<String>,
    /// Digest of the list of credentials.
    pub credentials: Option<String>,
    /// How many may vote.
    pub voters: Option<u64>,
    /// No result is needed yet.
    pub open: bool,
}

/// How far an election has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing is known of it yet.
    Nothing,
    /// Votes are taken.
    Voting,
    /// No votes are taken any more.
    Ended,
    /// The encrypted sum is there.
    Tallied,
    /// The result is there.
    Finished,
}

/// What the ballots are checked against.
pub struct Setup {
    /// The election.
    pub election: Election,
    /// Those who open the result.
    pub trustees: Vec<Trustee>,
    /// Those who may vote.
    pub credentials: Credentials,
    bases: Bases,
}

/// Something to check that takes long.
pub enum Work {
    /// The ballot of the event of that height.
    Ballot(u64, Vec<u8>),
    /// Credentials, by their places.
    Credentials(Range<usize>),
}

/// What came of it.
pub struct Outcome(Result<Option<Ballot>, Code>);

impl Outcome {
    /// The ballot, if it was one and holds.
    ///
    /// # Errors
    /// What is wrong.
    pub fn ballot(&self) -> Result<Option<&Ballot>, Code> {
        self.0.as_ref().map(Option::as_ref).map_err(|code| *code)
    }
}

impl Setup {
    /// Checks a ballot, whether or not it was there before.
    pub fn check_ballot(&self, bytes: &[u8]) -> Outcome {
        Outcome(ballot::check(&self.election, &self.credentials, &self.bases, bytes).map(Some))
    }

    /// Does one piece of work; `seed` is random.
    pub fn check(&self, work: &Work, seed: [u8; 32]) -> Outcome {
        Outcome(match work {
            Work::Ballot(_, bytes) => return self.check_ballot(bytes),
            Work::Credentials(places) => match membership::all_belong(&self.credentials.keys[places.clone()], seed) {
                true => Ok(None),
                false => Err(Code::OutsideGroup),
            },
        })
    }
}

/// The ballots that count.
#[derive(Clone, Debug)]
pub struct Counted {
    /// How many.
    pub ballots: u64,
    /// The weight of those who cast them.
    pub weight: u64,
    /// Their encrypted sum.
    pub sum: Numbers,
}

/// A ballot as its voter looks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Its digest.
    pub tracker: String,
    /// Whether no later ballot of the same credential counts in its place.
    pub counts: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What is wrong, in the order it was found; empty if all is well.
    pub problems: Vec<Problem>,
    /// Problems that were found after there were too many to be kept.
    pub more_problems: u64,
    /// The election, if it could be read.
    pub election: Option<Election>,
    /// How far it has come.
    pub stage: Stage,
    /// Ballots that were accepted, revotes among them.
    pub ballots: u64,
    /// Those of them that hold, in their order.
    pub tracked: Vec<Tracked>,
    /// People who voted.
    pub voted: u64,
    /// People who may vote.
    pub voters: u64,
    /// Digest of the list of credentials.
    pub credentials: String,
    /// Whether the list is in an order that can tell nothing.
    pub credentials_sorted: bool,
    /// The result, if it is proved.
    pub result: Option<Votes>,
}

/// A check that goes on.
pub struct Audit {
    expected: Expected,
    problems: Vec<Problem>,
    more_problems: u64,
    time: Option<u64>,
    records: u64,
    /// Data that no event spoke of yet, in the order they came.
    waiting: Vec<(String, Vec<u8>)>,
    /// Digests of all data that an event spoke of.
    used: HashSet<String>,
    head: Option<String>,
    height: u64,
    stage: Stage,
    setup: Option<Setup>,
    work: Vec<Work>,
    ballots: u64,
    /// Last ballots by place on the list of credentials.
    last: HashMap<usize, Numbers>,
    /// Trackers of all ballots that hold, each with the place of its credential.
    trackers: Vec<(String, usize)>,
    /// The sum of the ballots, once one is announced.
    counted: Option<Counted>,
    decryptions: Vec<Option<Decryption>>,
    result: Option<Votes>,
    over: bool,
}

impl Audit {
    /// Begins with what is known from elsewhere.
    pub fn begin(expected: Expected) -> Audit {
        Audit {
            expected,
            problems: Vec::new(),
            more_problems: 0,
            time: None,
            records: 0,
            waiting: Vec::new(),
            used: HashSet::new(),
            head: None,
            height: 0,
            stage: Stage::Nothing,
            setup: None,
            work: Vec::new(),
            ballots: 0,
            last: HashMap::new(),
            trackers: Vec::new(),
            counted: None,
            decryptions: Vec::new(),
            result: None,
            over: false,
        }
    }

    /// Notes something wrong.
    pub fn note(&mut self, place: Place, code: Code) {
        if self.problems.len() < limits::BEL_PROBLEMS {
            self.problems.push(Problem { place, code });
        } else {
            self.more_problems += 1;
        }
        self.over |= code.ends_reading();
    }

    /// Reads no further.
    pub fn stop(&mut self) {
        self.over = true;
    }

    /// What was found to be wrong so far.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How far the election has come.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Where the archive ends, if everything in it belongs to an event; nothing is to be appended otherwise.
    pub fn tip(&self) -> Option<Tip> {
        let whole = self.waiting.is_empty() && self.work.is_empty();
        let time = self.time.filter(|_| whole)?;
        Some(Tip { time, head: self.head.clone(), height: self.height })
    }

    /// Whether an event spoke of data with that digest.
    pub(super) fn has(&self, digest: &str) -> bool {
        self.used.contains(digest)
    }

    /// Whether a ballot of that credential counts, by its place on the list.
    pub(super) fn has_voted(&self, credential: usize) -> bool {
        self.last.contains_key(&credential)
    }

    /// The parts of the trustees, in their order.
    pub(super) fn parts(&self) -> &[Option<Decryption>] {
        &self.decryptions
    }

    /// Whether reading on makes no sense.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What to check before anything that depends on ballots can be; empty when nothing is put aside.
    pub fn work(&self) -> &[Work] {
        &self.work
    }

    /// What ballots are checked against, once it was read.
    pub fn setup(&self) -> Option<&Setup> {
        self.setup.as_ref()
    }

    /// Takes the outcomes of all work that was put aside, in its order.
    pub fn settle(&mut self, outcomes: Vec<Outcome>) {
        let work = std::mem::take(&mut self.work);
        for (work, Outcome(outcome)) in work.into_iter().zip(outcomes) {
            let place = match &work {
                Work::Ballot(height, _) => Place::Event(*height, EventKind::Ballot),
                Work::Credentials(_) => Place::Event(0, EventKind::Setup),
            };
            match (outcome, work) {
                (Ok(Some(ballot)), Work::Ballot(_, bytes)) => {
                    self.trackers.push((json::base64_digest(&bytes), ballot.credential));
                    self.last.insert(ballot.credential, ballot.numbers);
                }
                (Ok(_), _) => {}
                (Err(code), _) => self.note(place, code),
            }
        }
    }

    /// Does all work that was put aside, here and now.
    pub fn work_off(&mut self, seed: [u8; 32]) {
        let Some(setup) = &self.setup else { return };
        let outcomes = self.work.iter().map(|work| setup.check(work, seed)).collect();
        self.settle(outcomes);
    }

    /// Whether the record can only be judged when all work was done: the ones after the last ballot.
    pub fn must_settle_before(&self, record: &Record) -> bool {
        !self.work.is_empty()
            && self.stage >= Stage::Ended
            && record.name().is_some_and(|name| name.ends_with(EVENT_SUFFIX))
    }

    /// Takes the next record.
    pub fn take(&mut self, record: Record) {
        self.records += 1;
        let place = Place::Record(self.records);
        let Some(time) = self.time else {
            match header_time(&record) {
                Ok(time) => self.time = Some(time),
                Err(code) => self.note(place, code),
            }
            return;
        };
        if let Err(code) = record.check(time) {
            self.note(place, code);
        }
        let name = record.name().unwrap_or_default().to_owned();
        let (digest, is_event) = match (name.strip_suffix(DATA_SUFFIX), name.strip_suffix(EVENT_SUFFIX)) {
            (Some(digest), _) => (digest, false),
            (_, Some(digest)) => (digest, true),
            _ => return self.note(place, Code::RecordName),
        };
        if digest != hex_digest(&record.body) {
            self.note(place, Code::Digest);
        }
        if is_event {
            self.take_event(digest.to_owned(), &record.body, place);
        } else if self.waiting.len() < limits::BEL_DATA_WAITING {
            self.waiting.push((digest.to_owned(), record.body));
        } else {
            self.note(place, Code::UnusedData);
        }
    }

    fn take_event(&mut self, digest: String, body: &[u8], place: Place) {
        let event: Event<'_> = match json::read_exact(body) {
            Ok(event) => event,
            Err(code) => return self.note(place, code),
        };
        let place = Place::Event(event.height, event.kind);
        if event.parent.as_deref() != self.head.as_deref() {
            self.note(place, Code::Parent);
        }
        if event.height != self.height {
            self.note(place, Code::Height);
        }
        self.head = Some(digest);
        self.height += 1;
        let payload = match (event.kind, &event.payload) {
            (EventKind::EndBallots | EventKind::EndShuffles, None) => None,
            (EventKind::EndBallots | EventKind::EndShuffles, Some(_)) => {
                self.note(place, Code::PayloadUnexpected);
                None
            }
            (kind, Some(payload)) => match self.data(payload, kind) {
                Ok(data) => Some(data),
                Err(code) => return self.note(place, code),
            },
            (_, None) => return self.note(place, Code::PayloadMissing),
        };
        if let Err(code) = self.act(&event, payload.unwrap_or_default()) {
            self.note(place, code);
        }
        if !self.waiting.is_empty() {
            self.waiting.clear();
            self.note(place, Code::UnusedData);
        }
    }

    /// The data of that digest, which came since the last event.
    fn data(&mut self, digest: &str, kind: EventKind) -> Result<Vec<u8>, Code> {
        let twice = if kind == EventKind::Ballot { Code::BallotTwice } else { Code::DataTwice };
        let found = self.waiting.iter().position(|(own, _)| own == digest).map(|at| self.waiting.remove(at).1);
        if !self.used.insert(digest.to_owned()) {
            return Err(twice);
        }
        found.ok_or(Code::PayloadMissing)
    }

    /// What an event does, if it may stand here.
    fn act(&mut self, event: &Event<'_>, payload: Vec<u8>) -> Result<(), Code> {
        let (height, kind) = (event.height, event.kind);
        match (kind, self.stage) {
            (EventKind::Setup, Stage::Nothing) => {
                self.stage = Stage::Voting;
                // Without a set-up there is nothing that ballots could be checked against.
                self.set_up(&payload).inspect_err(|_| self.over = true)
            }
            (EventKind::Ballot, Stage::Voting) => {
                // Some hundreds are kept to be checked together.
                if payload.len() > limits::BEL_BALLOT_BYTES {
                    return Err(Code::TooLarge);
                }
                self.ballots += 1;
                if self.setup.is_some() {
                    self.work.push(Work::Ballot(height, payload));
                }
                Ok(())
            }
            (EventKind::EndBallots, Stage::Voting) => {
                self.stage = Stage::Ended;
                Ok(())
            }
            (EventKind::EncryptedTally, Stage::Ended) => {
                self.stage = Stage::Tallied;
                self.take_tally(&payload, Place::Event(height, kind))
            }
            (EventKind::PartialDecryption, Stage::Tallied) => self.take_decryption(&payload),
            (EventKind::Result, Stage::Tallied) => {
                self.stage = Stage::Finished;
                self.take_result(&payload)
            }
            (EventKind::Shuffle | EventKind::EndShuffles, _) => Err(Code::Mixnet),
            _ => Err(Code::EventOrder),
        }
    }

    fn set_up(&mut self, payload: &[u8]) -> Result<(), Code> {
        let place = Place::Event(0, EventKind::Setup);
        let text: SetupText = json::read_exact(payload)?;
        let election = self.data(&text.election, EventKind::Setup)?;
        let trustees = self.data(&text.trustees, EventKind::Setup)?;
        let credentials = self.data(&text.credentials, EventKind::Setup)?;
        let election = Election::read(&election)?;
        let trustees = Trustee::read_all(&trustees)?;
        let credentials = Credentials::read(&credentials)?;
        for code in setup::check_trustees(&election, &trustees) {
            self.note(place, code);
        }
        if !election.key.belongs() {
            self.note(place, Code::OutsideGroup);
        }
        let differs = |expected: &Option<String>, found: &str| expected.as_deref().is_some_and(|own| own != found);
        if differs(&self.expected.fingerprint, &election.fingerprint) {
            self.note(place, Code::OtherFingerprint);
        }
        if differs(&self.expected.credentials, &credentials.digest) {
            self.note(place, Code::OtherCredentials);
        }
        let voters = credentials.keys.len();
        if self.expected.voters.is_some_and(|expected| expected != voters as u64) {
            self.note(place, Code::OtherVoters);
        }
        self.work = (0..voters)
            .step_by(CREDENTIALS_AT_ONCE)
            .map(|from| Work::Credentials(from..voters.min(from + CREDENTIALS_AT_ONCE)))
            .collect();
        let bases = Bases::of(election.key, voters);
        self.decryptions = trustees.iter().map(|_| None).collect();
        self.setup = Some(Setup { election, trustees, credentials, bases });
        Ok(())
    }

    /// The ballots that count: of each credential the last one that holds. Everything put aside has to be settled.
    pub fn counted(&self) -> Option<Counted> {
        let setup = self.setup.as_ref()?;
        let weights = &setup.credentials.weights;
        let weight = self.last.keys().map(|place| weights[*place]).sum();
        let sum = tally::sum(&setup.election, self.last.iter().map(|(place, numbers)| (numbers, weights[*place])));
        Some(Counted { ballots: self.last.len() as u64, weight, sum })
    }

    fn take_tally(&mut self, payload: &[u8], place: Place) -> Result<(), Code> {
        let text: SizedTally<'_> = json::read_exact(payload)?;
        let file = self.data(&text.encrypted_tally, EventKind::EncryptedTally)?;
        let Some(counted) = self.counted() else { return Ok(()) };
        if text.num_tallied != counted.ballots {
            self.note(place, Code::NumTallied);
        }
        if text.total_weight.0 != counted.weight {
            self.note(place, Code::TotalWeight);
        }
        // The sum has one form only, so it need not be read.
        let right = tally::sum_file(&counted.sum) == file;
        self.counted = Some(counted);
        if right { Ok(()) } else { Err(Code::Tally) }
    }

    fn take_decryption(&mut self, payload: &[u8]) -> Result<(), Code> {
        let text: Owned<'_> = json::read_exact(payload)?;
        let file = self.data(&text.payload, EventKind::PartialDecryption)?;
        let (Some(setup), Some(counted)) = (&self.setup, &self.counted) else { return Ok(()) };
        let place = usize::try_from(text.owner).ok().and_then(|owner| owner.checked_sub(1));
        let Some((place, trustee)) = place.and_then(|place| Some((place, setup.trustees.get(place)?))) else {
            return Err(Code::OwnerUnknown);
        };
        if self.decryptions[place].is_some() {
            return Err(Code::OwnerTwice);
        }
        self.decryptions[place] = Some(Decryption::read(&file, &setup.election, &counted.sum, &trustee.key)?);
        Ok(())
    }

    fn take_result(&mut self, payload: &[u8]) -> Result<(), Code> {
        let Some(counted) = &self.counted else { return Ok(()) };
        let parts: Option<Vec<Decryption>> = self.decryptions.iter().cloned().collect();
        let parts = parts.ok_or(Code::DecryptionMissing)?;
        self.result = Some(tally::check_result(payload, &counted.sum, &parts, counted.weight)?);
        Ok(())
    }

    /// Ends the check: no more records come, and everything put aside is settled.
    pub fn finish(mut self) -> Report {
        if self.records == 0 {
            self.note(Place::Archive, Code::Header);
        }
        if !self.waiting.is_empty() {
            self.note(Place::Archive, Code::UnusedData);
        }
        if self.setup.is_none() && self.problems.is_empty() {
            // Nothing of what was expected of it was compared.
            self.note(Place::Archive, Code::SetupMissing);
        }
        if self.stage != Stage::Finished && !self.over && !self.expected.open {
            self.note(Place::Archive, Code::ResultMissing);
        }
        let well = self.problems.is_empty();
        // From the last one back, the first that is met of each credential is the one that counts.
        let mut met = HashSet::new();
        let mut tracked: Vec<Tracked> = self
            .trackers
            .into_iter()
            .rev()
            .map(|(tracker, credential)| Tracked { tracker, counts: met.insert(credential) })
            .collect();
        tracked.reverse();
        let setup = self.setup;
        Report {
            problems: self.problems,
            more_problems: self.more_problems,
            stage: self.stage,
            ballots: self.ballots,
            tracked,
            voted: self.last.len() as u64,
            voters: setup.as_ref().map_or(0, |setup| setup.credentials.keys.len() as u64),
            credentials: setup.as_ref().map(|setup| setup.credentials.digest.clone()).unwrap_or_default(),
            credentials_sorted: setup.as_ref().is_none_or(|setup| setup.credentials.sorted),
            election: setup.map(|setup| setup.election),
            result: self.result.filter(|_| well),
        }
    }
}

/// The time that all records carry, from the first.
fn header_time(record: &Record) -> Result<u64, Code> {
    if record.name() != Some(HEADER_NAME) {
        return Err(Code::Header);
    }
    let header: Header<'_> = json::read_exact(&record.body).map_err(|_| Code::Header)?;
    Version::find(header.version).ok_or(Code::UnknownVersion)?;
    let time = json::parse_count(&header.timestamp).ok_or(Code::Header)?;
    record.check(time).map_err(|_| Code::Header)?;
    Ok(time)
}

/// Checks a whole archive that is in memory; `seed` is random.
pub fn check(bytes: &[u8], expected: Expected, seed: [u8; 32]) -> Report {
    let mut audit = Audit::begin(expected);
    let mut splitter = Splitter::default();
    splitter.push(bytes);
    loop {
        match splitter.next_record() {
            Ok(Some(record)) => {
                audit.work_off(seed);
                audit.take(record);
                if audit.is_over() {
                    break;
                }
            }
            Ok(None) if splitter.is_empty() => break,
            Ok(None) => {
                audit.note(Place::Archive, Code::TarCut);
                break;
            }
            Err(code) => {
                audit.note(Place::Archive, code);
                break;
            }
        }
    }
    audit.work_off(seed);
    audit.finish()
}
