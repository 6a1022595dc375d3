//! A data center in a scratch folder: real mails in, a hand to wind the clock, three workers stepped one by one.
//!
//! Stories read like the protocol of a day. A story that ends with work left over fails: mails unread or not put away,
//! letters due and not sent, a chain that is not whole, an allocation that does not follow from the secret.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use hagaki::daemon::run::keys;
use hagaki::definition::{self, Bundle};
use hagaki::domain::deed::Deed;
use hagaki::domain::language::Language;
use hagaki::domain::openpgp::OwnKey;
use hagaki::domain::participant::Candidate;
use hagaki::domain::study::{Blinding, FIRST, Post, Stage};
use hagaki::domain::throttle::Throttle;
use hagaki::domain::time::{Clock, Dice, Instant, Zone};
use hagaki::domain::urgency::Lane;
use hagaki::files::Files;
use hagaki::letters::{Stationery, opened};
use hagaki::mail::calendar::Calendar;
use hagaki::mail::desk::{Counter, Desk};
use hagaki::mail::dispatch::{Dispatch, Pace};
use hagaki::mail::intake::Intake;
use hagaki::mail::mailbox::{Mailbox, Maildir, maildir};
use hagaki::mail::transport::{Memory, Transport};
use hagaki::mail::{Did, StepError};
use hagaki::store::fuse::Fuse;
use hagaki::store::inbox::{InboxRow, Which};
use hagaki::store::outbox::OutboxRow;
use hagaki::store::study::StudyRow;
use hagaki::store::subject::SubjectRow;
use hagaki::store::{Store, allocation, audit, inbox, kit, outbox, study, subject};
use hagaki::workflow::amending::{self, Amended, Version};
use hagaki::workflow::credentials::{self, Batch, Form, Terms};
use hagaki::workflow::disclosure;
use hagaki::workflow::ending::{self, Decision};
use hagaki::workflow::life::{self, Act, Activated, LifeError};
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::shelf::{Shelf, ShelvedStudy};
use hagaki::workflow::{DeskAddress, Keys, Means, Operator};
use mail_parser::MessageParser;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::world::{NOW, World, ring};

fn is_of_amendment(letter: &Received) -> bool {
    letter.kind.starts_with("study-amended")
        || ["amendment-planned", "amendment-withdrawn"].contains(&letter.kind.as_str())
}

/// How long a claim is good, in seconds.
pub(crate) const LEASE: i64 = 120;
/// Our service address.
pub(crate) const SERVICE: &str = "reg@example.jp";

/// Somebody who writes to us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) address: &'static str,
    pub(crate) study: &'static str,
}

/// Enrolls into AURORA at site 011.
pub(crate) const DR_YAMADA: Writer = Writer { address: "yamada@example.jp", study: "aurora" };
/// Enrolls into AURORA at sites 012 and 014.
pub(crate) const DR_SUZUKI: Writer = Writer { address: "suzuki@example.jp", study: "aurora" };
/// Enrolls into AURORA at site 021, in English.
pub(crate) const DR_MILLER: Writer = Writer { address: "miller@example.org", study: "aurora" };
/// Enrolls into BOREALIS at site 101.
pub(crate) const DR_KOBAYASHI: Writer = Writer { address: "kobayashi@example.jp", study: "borealis" };
/// Enrolls into CYGNUS at site 201.
pub(crate) const DR_MORI: Writer = Writer { address: "mori@example.jp", study: "cygnus" };
/// Enrolls into CYGNUS at site 202, in English.
pub(crate) const DR_NOVAK: Writer = Writer { address: "novak@example.org", study: "cygnus" };
/// Coordinates CYGNUS.
pub(crate) const CYGNUS_OFFICE: &str = "cygnus-office@example.jp";
/// Statistician of CYGNUS.
pub(crate) const CYGNUS_STATISTICIAN: &str = "cygnus-stat@example.org";
/// Enrolls into BOREALIS at site 103, in English.
pub(crate) const DR_LARSEN: Writer = Writer { address: "larsen@example.org", study: "borealis" };
/// Coordinates AURORA.
pub(crate) const CENTER: &str = "aurora-center@example.jp";
/// Statistician of AURORA.
pub(crate) const STATISTICIAN: &str = "aurora-stat@example.org";
/// Coordinates BOREALIS.
pub(crate) const OFFICE: &str = "borealis-office@example.jp";
/// Pharmacist of BOREALIS.
pub(crate) const PHARMACY: &str = "borealis-pharmacy@example.jp";
/// Statistician of BOREALIS.
pub(crate) const BLIND_STATISTICIAN: &str = "borealis-stat@example.org";

impl Writer {
    /// A mail to the study's address, vouched for by our border.
    pub(crate) fn writes(self, subject: &str, body: &str) -> Mail {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        Mail {
            from: self.address.to_owned(),
            to: format!("reg+{}@example.jp", self.study),
            subject: format!("[{}] {subject}", self.study.to_uppercase()),
            body: body.to_owned(),
            message_id: format!("{number}.{}@{}", std::process::id(), domain(self.address)),
            vouched: Vouched::Pass,
            more: String::new(),
        }
    }
}

fn domain(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or_default()
}

/// What our border says of a mail's sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vouched {
    Pass,
    Fail,
    Nothing,
}

/// A mail on its way to us.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) body: String,
    pub(crate) message_id: String,
    pub(crate) vouched: Vouched,
    /// Further header fields, each ended by CRLF.
    pub(crate) more: String,
}

impl Mail {
    pub(crate) fn to(self, to: &str) -> Mail {
        Mail { to: to.to_owned(), ..self }
    }

    pub(crate) fn vouched(self, vouched: Vouched) -> Mail {
        Mail { vouched, ..self }
    }

    pub(crate) fn with(self, field: &str) -> Mail {
        Mail { more: format!("{}{field}\r\n", self.more), ..self }
    }

    /// The same words in a mail of its own.
    pub(crate) fn anew(&self) -> Mail {
        let fresh = DR_YAMADA.writes("", "").message_id;
        Mail { message_id: fresh, ..self.clone() }
    }

    /// The same mail with other words in it, and a Message-ID of its own.
    pub(crate) fn mended(&self, from: &str, to: &str) -> Mail {
        assert!(self.body.contains(from), "{from} is not in {}", self.body);
        Mail { body: self.body.replace(from, to), ..self.anew() }
    }

    pub(crate) fn bytes(&self, now: Instant) -> Vec<u8> {
        let vouched = match self.vouched {
            Vouched::Pass => {
                format!("Authentication-Results: mx.example.jp; dmarc=pass header.from={}\r\n", domain(&self.from))
            }
            Vouched::Fail => {
                format!("Authentication-Results: mx.example.jp; dmarc=fail header.from={}\r\n", domain(&self.from))
            }
            Vouched::Nothing => String::new(),
        };
        let subject = format!("=?utf-8?B?{}?=", data_encoding::BASE64.encode(self.subject.as_bytes()));
        let date = now.rfc5322(Zone::find("Asia/Tokyo").unwrap());
        format!(
            "Return-Path: <{from}>\r\nDelivered-To: {to}\r\n{vouched}Date: {date}\r\nFrom: <{from}>\r\nTo: {to}\r\n\
             Subject: {subject}\r\nMessage-ID: <{id}>\r\nMIME-Version: 1.0\r\n{more}\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}",
            from = self.from,
            to = self.to,
            id = self.message_id,
            more = self.more,
            body = self.body.replace('\n', "\r\n"),
        )
        .into_bytes()
    }
}

/// A registration for AURORA that nothing speaks against.
pub(crate) fn aurora_form(site: &str, reference: &str) -> String {
    format!(
        "施設コード: {site}\n識別番号: {reference}\n同意取得日: 2026-11-18\n年齢: 58\n性別: 男\n病期: III\nECOG PS: 1\n"
    )
}

/// A registration for BOREALIS that nothing speaks against.
pub(crate) fn borealis_form(site: &str, reference: &str) -> String {
    format!(
        "Site: {site}\nSubject ref: {reference}\nBirth date: 1985-04-12\nConsent date: 2026-11-18\n\
         Insomnia severity score: 19\nNight shifts: no\n"
    )
}

/// A registration for CYGNUS that nothing speaks against.
pub(crate) fn cygnus_form(site: &str, reference: &str) -> String {
    format!("施設コード: {site}\n識別番号: {reference}\n年齢: 48\n性別: 女\n")
}

/// What is sent for the second randomization of a subject of CYGNUS that nothing speaks against, eight weeks on.
pub(crate) fn response_form(subject: &str) -> String {
    format!("subject: {subject}\nAssessed on: 2027-01-12\nResponder: no\nInsomnia severity score: 23\n")
}

/// A letter of ours as it reached the other side.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) to: String,
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) reply_to: String,
    pub(crate) in_reply_to: String,
    pub(crate) message_id: String,
    /// Envelope sender.
    pub(crate) bounces_to: String,
    pub(crate) raw: Vec<u8>,
    /// Everything a reader could find in it, decoded, and the bytes as they are.
    pub(crate) everything: String,
    /// The texts of all parts and the subject, decoded: words that may stand in base64 or a boundary by chance are looked for here.
    pub(crate) words: String,
}

/// A clock that stands still until somebody winds it.
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn wind(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Instant {
        Instant(self.0.load(Ordering::SeqCst))
    }
}

/// Dice that fall the same in every run.
pub(crate) struct SeededDice(Mutex<u64>);

impl Dice for SeededDice {
    fn fill(&self, buffer: &mut [u8]) {
        let mut thrown = self.0.lock().unwrap();
        for chunk in buffer.chunks_mut(32) {
            *thrown += 1;
            let bytes = Sha256::digest(format!("seeded dice {thrown}"));
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// What dies with the process: workers and everything they hold in memory.
pub(crate) struct Process {
    pub(crate) intake: Intake,
    pub(crate) desk: Desk,
    /// Sends what somebody waits for.
    pub(crate) dispatch: Dispatch,
    pub(crate) mailings: Dispatch,
    pub(crate) calendar: Calendar,
}

/// What one round of the workers came to.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) something: bool,
    pub(crate) errors: Vec<StepError>,
}

impl Process {
    /// Steps each worker once.
    pub(crate) async fn round(&mut self) -> Round {
        let mut round = Round::default();
        let taken_in = [self.intake.step().await, self.desk.step().await];
        for done in taken_in.into_iter().chain([self.dispatch.step().await, self.mailings.step().await]) {
            match done {
                Ok(Did::Something) => round.something = true,
                Ok(Did::Nothing) => {}
                Err(error) => round.errors.push(error),
            }
        }
        round
    }
}

/// The data center.
pub(crate) struct Center {
    pub(crate) world: World,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) dice: Arc<SeededDice>,
    /// Where letters arrive.
    pub(crate) memory: Memory,
    transport: Transport,
    pub(crate) keys: Arc<Keys>,
    pub(crate) process: Process,
    folder: tempfile::TempDir,
    starts: u64,
    looked: usize,
    end: End,
}

impl Center {
    /// With no study yet.
    pub(crate) async fn open(world: World) -> Center {
        Center::with_dice(world, 0).await
    }

    /// In a database in which dice were thrown before: these begin elsewhere.
    pub(crate) async fn with_dice(world: World, thrown: u64) -> Center {
        let clock = Arc::new(HandClock(AtomicI64::new(NOW.0)));
        let dice = Arc::new(SeededDice(Mutex::new(thrown)));
        let memory = Memory::new();
        let keys = Arc::new(keys(&world.store, &*dice).await.unwrap().with_ring(ring()));
        let folder = tempfile::tempdir().unwrap();
        maildir::create(&folder.path().join("in")).unwrap();
        let transport = Transport::Memory(memory.clone());
        let parts = Parts {
            store: &world.store,
            clock: &clock,
            dice: &dice,
            keys: &keys,
            transport: &transport,
            inbox: folder.path().join("in"),
            owner: "daemon-1".to_owned(),
        };
        let process = parts.build();
        Center { world, clock, dice, memory, transport, keys, process, folder, starts: 1, looked: 0, end: End(false) }
    }

    /// Where the files of answers lie.
    pub(crate) fn files_folder(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// An empty shelf over a store.
    pub(crate) fn shelf_on(&self, store: &Store) -> Shelf {
        shelf(store)
    }

    /// The database as it is now, once more. The store is closed for it: call [`Center::reconnect`] afterwards.
    pub(crate) async fn copy(&self) -> World {
        self.world.store.close().await;
        self.world.copy().await
    }

    /// Opens the database again after [`Center::copy`].
    pub(crate) async fn reconnect(&mut self) {
        self.kill_and_restart().await;
    }

    pub(crate) fn store(&self) -> &Store {
        &self.world.store
    }

    /// Letters go into a Maildir from now on, as in the demonstration.
    pub(crate) fn send_into_a_folder(&mut self) -> PathBuf {
        let path = self.folder.path().join("out");
        let clock: Arc<dyn Clock> = self.clock.clone();
        self.transport = Transport::Folder(hagaki::mail::transport::Folder::new(&path, clock));
        self.process = self.start(None);
        path
    }

    /// Another process on the same database, mailbox and keys.
    pub(crate) fn start(&mut self, fuse: Option<Arc<Fuse>>) -> Process {
        self.starts += 1;
        let store = match fuse {
            Some(fuse) => self.world.store.with_fuse(fuse),
            None => self.world.store.clone(),
        };
        self.start_on(&store)
    }

    /// Another process on a store of its own.
    pub(crate) fn start_on(&mut self, store: &Store) -> Process {
        self.starts += 1;
        let parts = Parts {
            store,
            clock: &self.clock,
            dice: &self.dice,
            keys: &self.keys,
            transport: &self.transport,
            inbox: self.folder.path().join("in"),
            owner: format!("daemon-{}", self.starts),
        };
        parts.build()
    }

    /// The process is killed, and another started: everything it knew comes from the database and the folders.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.world.store = Store::open(&self.world.url).await.unwrap().with_ring(self.keys.ring.clone());
        let store = self.world.store.clone();
        let ring = self.keys.ring.clone();
        self.keys = Arc::new(keys(&store, &*self.dice).await.unwrap().with_ring(ring));
        self.process = self.start_on(&store);
    }

    pub(crate) fn wind(&self, seconds: i64) {
        self.clock.wind(seconds);
    }

    /// The night passes: what is due of a morning is done.
    pub(crate) async fn dawn(&mut self) {
        self.attend().await;
        self.wind(24 * 3600);
        self.attend().await;
    }

    /// Steps the calendar until nothing is due.
    pub(crate) async fn attend(&mut self) {
        while self.process.calendar.step().await.unwrap() == Did::Something {}
    }

    /// Drops a mail into the mailbox.
    pub(crate) fn deliver(&self, mail: &Mail) {
        self.deliver_bytes(&mail.bytes(self.clock.now()));
    }

    pub(crate) fn deliver_bytes(&self, bytes: &[u8]) {
        maildir::deliver(&self.folder.path().join("in"), self.clock.now(), bytes).unwrap();
    }

    /// Steps the workers until none has anything to do. An error fails the story.
    pub(crate) async fn quiet(&mut self) {
        for _ in 0..10_000 {
            let round = self.process.round().await;
            assert!(round.errors.is_empty(), "{:?}", round.errors);
            if !round.something {
                return;
            }
        }
        panic!("the workers never come to rest");
    }

    /// Steps the workers until none has anything to do, winding the clock over leases, suspensions and failures until
    /// nothing is left. Gives the errors on the way.
    pub(crate) async fn recover(&mut self) -> Vec<StepError> {
        let mut errors = Vec::new();
        for _ in 0..40 {
            for _ in 0..1_000 {
                let round = self.process.round().await;
                let failed = !round.errors.is_empty();
                errors.extend(round.errors);
                if failed || !round.something {
                    break;
                }
            }
            if self.left_over(self.clock.now().plus_seconds(30 * 24 * 3600)).await.is_empty() {
                return errors;
            }
            self.wind(LEASE + 1);
        }
        panic!("left over for ever: {:?}; {errors:?}", self.left_over(self.clock.now()).await);
    }

    /// The letters that arrived since somebody last looked, but for those on amendments: [`Center::told_of_amendments`] gives them.
    pub(crate) async fn arrived(&mut self) -> Vec<Received> {
        let sent = self.memory.sent();
        let mut received = Vec::new();
        for letter in &sent[self.looked..] {
            received.push(self.receive(letter.envelope.from.as_deref(), &letter.envelope.to, &letter.raw).await);
        }
        self.looked = sent.len();
        received.retain(|letter| !is_of_amendment(letter));
        received
    }

    /// Every letter on an amendment that ever arrived.
    pub(crate) async fn told_of_amendments(&self) -> Vec<Received> {
        let mut all = self.all_letters().await;
        all.retain(is_of_amendment);
        all
    }

    /// Every letter that ever arrived.
    pub(crate) async fn all_letters(&self) -> Vec<Received> {
        let mut received = Vec::new();
        for letter in self.memory.sent() {
            received.push(self.receive(letter.envelope.from.as_deref(), &letter.envelope.to, &letter.raw).await);
        }
        received
    }

    async fn receive(&self, from: Option<&str>, to: &str, raw: &[u8]) -> Received {
        let mail = MessageParser::default().parse(raw).unwrap();
        let words = opened::open(raw);
        let message_id = mail.message_id().unwrap_or_default().to_owned();
        let row = outbox::find_by_message_id(self.store(), &format!("<{message_id}>")).await.unwrap();
        let texts = mail.parts.iter().filter_map(|part| part.text_contents());
        let decoded: String = texts.chain([&*words.subject]).map(|text| format!("{text}\n")).collect();
        let everything = format!("{}{decoded}", String::from_utf8_lossy(raw));
        Received {
            to: to.to_owned(),
            kind: row.map(|row| row.kind).unwrap_or_default(),
            subject: words.subject,
            text: words.text,
            reply_to: words.reply_to.unwrap_or_default(),
            in_reply_to: mail.in_reply_to().as_text().unwrap_or_default().to_owned(),
            message_id,
            bounces_to: from.unwrap_or_default().to_owned(),
            raw: raw.to_vec(),
            everything,
            words: decoded,
        }
    }

    /// Lets everybody work, and gives the letters that arrived from it.
    pub(crate) async fn settle(&mut self) -> Vec<Received> {
        self.quiet().await;
        self.arrived().await
    }

    /// Delivers a mail, lets everybody work, and gives the letters that arrived from it.
    pub(crate) async fn exchange(&mut self, mail: &Mail) -> Vec<Received> {
        self.deliver(mail);
        self.settle().await
    }

    /// As [`Center::exchange`], for a mail with one answer; gives it.
    pub(crate) async fn answer(&mut self, mail: &Mail) -> Received {
        let letters = self.exchange(mail).await;
        let answers: Vec<&Received> = letters.iter().filter(|letter| letter.to == mail.from).collect();
        assert_eq!(answers.len(), 1, "{}: {:?}", mail.subject, kinds(&letters));
        assert_eq!(answers[0].in_reply_to, mail.message_id);
        answers[0].clone()
    }

    /// Puts a study into force.
    pub(crate) async fn activate(&self, bundle: &Bundle, stage: Stage) -> Activated {
        let study = defined(bundle);
        let act = self.act("");
        life::activate(self.store(), bundle, &study, stage, act, &*self.dice).await.unwrap()
    }

    /// An act of the operator's, now.
    pub(crate) fn act<'a>(&self, reason: &'a str) -> Act<'a> {
        Act { actor: "operator:tester", at: self.clock.now(), reason }
    }

    /// What the daemon acts with, now.
    pub(crate) fn means(&self) -> Means<'_> {
        let desk = &self.process.calendar.desk;
        Means { now: self.clock.now(), dice: &*self.dice, keys: &self.keys, desk }
    }

    /// A study as it is in force.
    pub(crate) async fn shelved(&self, slug: &str) -> ShelvedStudy {
        let row = study::find_current(self.store(), slug).await.unwrap().unwrap();
        self.shelf_on(self.store()).load(&row).await.unwrap()
    }

    /// Terms of credentials that are mailed, are good from now on without end, and as often as the survey takes answers.
    pub(crate) fn terms(&self, form: Form) -> Terms {
        Terms {
            form,
            from: self.clock.now(),
            until: None,
            days_from_sending: None,
            mailed: true,
            once: false,
            admits_unclear: false,
        }
    }

    /// Takes participants in, and issues credentials to them.
    pub(crate) async fn issue(&self, slug: &str, candidates: &[Candidate], terms: Terms) -> Batch {
        let (shelved, shelf) = (self.shelved(slug).await, self.shelf_on(self.store()));
        credentials::issue(&shelf, &shelved, self.means(), self.act("wave"), candidates, terms).await.unwrap()
    }

    /// Amends a study in the name of the first of its people.
    pub(crate) async fn amend(&self, bundle: &Bundle, act: Act<'_>) -> Result<Amended, LifeError> {
        let study = defined(bundle);
        let by = self.somebody(&study.slug).await;
        let (shelf, new) = (self.shelf_on(self.store()), Version { bundle, study: &study });
        Box::pin(amending::amend(&shelf, new, self.means(), Decision { by: Some(&by), act })).await
    }

    /// What an amendment would change, and its number.
    pub(crate) async fn foresee(&self, bundle: &Bundle, act: Act<'_>) -> Result<(i64, Vec<String>), LifeError> {
        amending::foresee(self.store(), Version { bundle, study: &defined(bundle) }, act).await
    }

    /// The first of a study's people.
    pub(crate) async fn somebody(&self, slug: &str) -> String {
        self.shelved(slug).await.study.people[0].id.clone()
    }

    /// Ends enrollment, or opens it again.
    pub(crate) async fn set_enrollment(
        &self,
        slug: &str,
        ended: bool,
        by: Option<&str>,
        why: &str,
    ) -> Result<Stage, LifeError> {
        let (shelved, shelf) = (self.shelved(slug).await, self.shelf_on(self.store()));
        let decision = Decision { by, act: self.act(why) };
        Box::pin(ending::set_enrollment(&shelf, &shelved, self.means(), ended, decision)).await
    }

    /// Closes a study; the letters that arrived from it.
    pub(crate) async fn close(&mut self, slug: &str, why: &str) -> Vec<Received> {
        let (shelved, shelf) = (self.shelved(slug).await, self.shelf_on(self.store()));
        let decision = Decision { by: None, act: self.act(why) };
        Box::pin(ending::close(&shelf, &shelved, self.means(), decision)).await.unwrap();
        self.settle().await
    }

    /// Gives the secret of a closed study away; its staff are written to.
    pub(crate) async fn reveal(&mut self, slug: &str, by: &str, why: &str) -> Result<StudyRow, LifeError> {
        let (shelved, shelf) = (self.shelved(slug).await, self.shelf_on(self.store()));
        let revealed = Box::pin(disclosure::reveal(&shelf, &shelved, self.means(), by, self.act(why))).await;
        self.settle().await;
        revealed.map(|revealed| revealed.row)
    }

    /// Subjects of a study in order, each with its arm (empty in a registry) and kit.
    pub(crate) async fn enrolled(&self, slug: &str) -> Vec<(SubjectRow, String, Option<String>)> {
        let row = study::find_current(self.store(), slug).await.unwrap().unwrap();
        let mut all = Vec::new();
        for number in 1..=row.subjects {
            let subject = subject::find_by_number(self.store(), row.id, number).await.unwrap().unwrap();
            let given = allocation::list_by_subject(self.store(), subject.id).await.unwrap();
            let given = given.into_iter().find(|given| given.randomization == FIRST);
            let (arm, kit) = given.map_or((String::new(), None), |given| (given.arm, given.kit));
            all.push((subject, arm, kit));
        }
        all
    }

    /// Further allocations of a study in their order: subject, randomization, arm, kit.
    pub(crate) async fn randomized(&self, slug: &str) -> Vec<(i64, String, String, Option<String>)> {
        let row = study::find_current(self.store(), slug).await.unwrap().unwrap();
        let mut all = Vec::new();
        for given in allocation::journal(self.store(), row.id, 0).await.unwrap() {
            if given.randomization != FIRST {
                let subject = subject::load(self.store(), given.subject_id).await.unwrap();
                all.push((subject.number, given.randomization, given.arm, given.kit));
            }
        }
        all
    }

    /// The arms in the order of the numbers.
    pub(crate) async fn arms(&self, slug: &str) -> Vec<String> {
        self.enrolled(slug).await.into_iter().map(|(_, arm, _)| arm).collect()
    }

    /// The newest mail.
    pub(crate) async fn last_mail(&self) -> InboxRow {
        inbox::list(self.store(), Which::All, None, 1).await.unwrap().remove(0)
    }

    /// The letter with that Message-ID.
    pub(crate) async fn letter(&self, received: &Received) -> OutboxRow {
        outbox::find_by_message_id(self.store(), &format!("<{}>", received.message_id)).await.unwrap().unwrap()
    }

    /// Names of the mails in a folder of the mailbox.
    pub(crate) fn lying_in(&self, folder: &str) -> usize {
        let count = |part: &str| {
            std::fs::read_dir(self.folder.path().join("in").join(folder).join(part)).map_or(0, Iterator::count)
        };
        count("new") + count("cur")
    }

    /// Work that is there at a moment, in words.
    async fn left_over(&self, at: Instant) -> Vec<String> {
        let mut left = Vec::new();
        let lying = self.lying_in("");
        if lying > 0 {
            left.push(format!("{lying} mails in the mailbox"));
        }
        for (what, sql) in [
            ("mails to be read", "SELECT count(*) FROM inbox WHERE state = 'new'".to_owned()),
            ("mails not put away", "SELECT count(*) FROM inbox WHERE filed_at IS NULL".to_owned()),
            (
                "letters to be sent",
                // A story may end with an amendment: its letters need not have left, but none that was tried may be stuck.
                format!(
                    "SELECT count(*) FROM outbox WHERE state = 'waiting' AND next_attempt_at <= {} \
                     AND NOT ((kind LIKE 'study-amended%' OR kind IN ('amendment-planned', 'amendment-withdrawn')) AND attempts = 0)",
                    at.0
                ),
            ),
        ] {
            let count = self.world.number(&sql).await;
            if count > 0 {
                left.push(format!("{count} {what}"));
            }
        }
        left
    }

    /// That every chain is whole.
    pub(crate) async fn assert_whole(&self) {
        for report in audit::verify_all(self.store()).await.unwrap() {
            assert!(report.result.is_ok(), "{:?}", report.result);
        }
    }

    /// That every allocation follows from the secret.
    pub(crate) async fn assert_proved(&self) {
        let shelf = shelf(self.store());
        for row in study::list(self.store()).await.unwrap() {
            let shelved = shelf.load(&row).await.unwrap();
            let proof = proof::prove(self.store(), &shelved).await.unwrap();
            let by_hand = match proof.verdict {
                Verdict::Proved(count) => {
                    assert_eq!(count, row.allocations.unsigned_abs());
                    0
                }
                Verdict::ProvedBesides { proved, imported, forced } => {
                    assert_eq!(proved + imported + forced, row.allocations.unsigned_abs());
                    imported + forced
                }
                Verdict::NoScheme => {
                    assert_eq!(row.allocations, 0);
                    0
                }
                other => panic!("{}: {other:?}", row.slug),
            };
            // Every kit that left is found again, but for those that somebody named.
            let kits = kit::list(self.store(), shelved.id).await.unwrap();
            let left = kits.iter().filter(|kit| kit.allocation_number.is_some()).count() as u64;
            assert_eq!(proof.kits.found + proof.kits.told, left);
            assert!(proof.kits.told <= by_hand, "{:?}", proof.kits);
            if shelved.study.blinding == Blinding::Blinded {
                self.assert_concealed(&shelved).await;
            }
        }
    }

    /// That nobody who is blinded was written an arm's name or marked code.
    async fn assert_concealed(&self, shelved: &ShelvedStudy) {
        let study = &shelved.study;
        for letter in self.memory.sent() {
            let person = study.find_person_by_address(&letter.envelope.to);
            let unblinded = person.is_some_and(|person| person.roles.iter().any(|role| role.unblinded()));
            if unblinded {
                continue;
            }
            let received = self.receive(None, &letter.envelope.to, &letter.raw).await;
            // The answer to a request to be told, which only whom the study lets ask gets.
            if received.kind == "unblinded" {
                assert!(person.is_some_and(|person| Deed::Unblind.allowed(study, person)), "{}", received.to);
                continue;
            }
            for arm in &study.arms {
                let names = study.languages.iter().map(|language| arm.name.in_language(*language));
                let codes = std::iter::once(arm.code.as_str()).filter(|code| code.len() > 3);
                for word in names.chain(codes) {
                    assert!(!received.everything.contains(word), "{} reads {word:?}:\n{}", received.to, received.text);
                }
            }
        }
    }

    /// Ends a story: nothing may be left over, every promise must hold.
    pub(crate) async fn finish(self) {
        self.check().await;
        self.end.reached();
        drop(self.process);
        self.world.close().await;
    }

    /// Ends a story whose database is the beginning of others, to be copied with [`World::copy`].
    pub(crate) async fn into_world(self) -> World {
        self.check().await;
        self.end.reached();
        drop(self.process);
        self.world.store.close().await;
        self.world
    }

    /// As [`Center::into_world`], with letters that still wait.
    pub(crate) async fn into_unfinished_world(self) -> World {
        self.assert_whole().await;
        self.end.reached();
        drop(self.process);
        self.world.store.close().await;
        self.world
    }

    /// That nothing is left over and every promise holds.
    pub(crate) async fn check(&self) {
        let left = self.left_over(self.clock.now()).await;
        assert!(left.is_empty(), "left over: {left:?}");
        self.assert_whole().await;
        self.assert_proved().await;
    }
}

/// Fails a story that just stops.
struct End(bool);

impl End {
    fn reached(mut self) {
        self.0 = true;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        assert!(self.0 || std::thread::panicking(), "a story must be finished");
    }
}

/// An empty shelf. The built-in letters are compiled once, each when it is first written: they are part of the program, not of what it
/// knows. Every one of them is tried by `tests/fast/letters.rs`, which takes longer than most stories.
fn shelf(store: &Store) -> Shelf {
    static LETTERS: OnceLock<Arc<Stationery>> = OnceLock::new();
    let letters = LETTERS.get_or_init(|| Arc::new(Stationery::lean(&BTreeMap::new()).unwrap()));
    Shelf::new(store.clone()).with_letters(letters.clone())
}

struct Parts<'a> {
    store: &'a Store,
    clock: &'a Arc<HandClock>,
    dice: &'a Arc<SeededDice>,
    keys: &'a Arc<Keys>,
    transport: &'a Transport,
    inbox: PathBuf,
    owner: String,
}

impl Parts<'_> {
    /// Files lie beside the mails, sealed.
    fn files(&self) -> Arc<Files> {
        Arc::new(Files::folder(&self.inbox.with_file_name("files"), ring()))
    }

    fn build(self) -> Process {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let dice: Arc<dyn Dice> = self.dice.clone();
        let shelf = Arc::new(shelf(self.store));
        let desk = DeskAddress {
            mailbox: "reg".to_owned(),
            address: SERVICE.to_owned(),
            display: "Registration".to_owned(),
            message_id_domain: "reg.example.jp".to_owned(),
            public_url: "https://hagaki.example.jp".to_owned(),
            openpgp: Some(Arc::new(own_key())),
        };
        let post = Post {
            address: SERVICE.to_owned(),
            authserv_ids: vec!["mx.example.jp".to_owned()],
            message_id_domain: desk.message_id_domain.clone(),
        };
        let interval = Duration::from_secs(1);
        let bell = || Arc::new(Notify::new());
        let intake = Intake::new(
            self.store.clone(),
            clock.clone(),
            dice.clone(),
            "reg".to_owned(),
            Mailbox::Maildir(Maildir::new(&self.inbox, &*dice)),
            self.owner.clone(),
            LEASE,
            interval,
            bell(),
            bell(),
        );
        let counters = BTreeMap::from([("reg".to_owned(), Arc::new(Counter { desk: desk.clone(), post }))]);
        let calendar = Calendar {
            store: self.store.clone(),
            clock: clock.clone(),
            dice: dice.clone(),
            shelf: shelf.clone(),
            keys: self.keys.clone(),
            desk: desk.clone(),
            interval,
            files: self.files(),
            dispatch_bells: Vec::new(),
        };
        let (alert_bell, slowing) = (bell(), Arc::default());
        let sends = |lane: Lane| Dispatch {
            lane,
            store: self.store.clone(),
            clock: clock.clone(),
            dice: dice.clone(),
            keys: self.keys.clone(),
            shelf: shelf.clone(),
            desk: desk.clone(),
            transport: self.transport.clone(),
            owner: format!("{}/{lane:?}", self.owner),
            lease_seconds: LEASE,
            interval,
            bell: if lane == Lane::Awaited { alert_bell.clone() } else { bell() },
            alert_bell: alert_bell.clone(),
            away: AtomicBool::new(true),
            taken_at: AtomicI64::new(0),
            throttle: Throttle::default(),
            slowing: Arc::clone(&slowing),
            pace: Pace::default(),
        };
        let [dispatch, mailings] = Lane::ALL.map(sends);
        let desk = Desk {
            store: self.store.clone(),
            clock,
            dice,
            shelf,
            keys: self.keys.clone(),
            counters: Arc::new(counters),
            operator: Operator { address: "operator@example.jp".to_owned(), language: Language::En },
            owner: self.owner,
            lease_seconds: LEASE,
            interval,
            bell: bell(),
            dispatch_bells: Vec::new(),
            filing_bells: Vec::new(),
            ahead: None,
        };
        Process { intake, desk, dispatch, mailings, calendar }
    }
}

/// Our OpenPGP key.
fn own_key() -> OwnKey {
    OwnKey::parse(include_str!("../data/openpgp/ours.secret.asc"), "").unwrap()
}

/// The definition of a bundle that must be right.
pub(crate) fn defined(bundle: &Bundle) -> hagaki::domain::study::Study {
    definition::load(bundle).unwrap_or_else(|problems| panic!("{problems:#?}")).0
}

/// A bundle with one of its files changed.
pub(crate) fn edited(bundle: &Bundle, file: &str, from: &str, to: &str) -> Bundle {
    let mut files = bundle.files().clone();
    let text = files.get_mut(file).unwrap_or_else(|| panic!("no {file}"));
    assert!(text.contains(from), "{from} is not in {file}");
    *text = text.replace(from, to);
    Bundle::from_files(files)
}

/// A bundle without its schedule, for a story that changes what it must agree with.
pub(crate) fn unscheduled(bundle: &Bundle) -> Bundle {
    let mut files = bundle.files().clone();
    files.remove("schedule.toml");
    Bundle::from_files(files)
}

/// A bundle with one more file.
pub(crate) fn with_file(bundle: &Bundle, file: &str, text: &str) -> Bundle {
    let mut files = bundle.files().clone();
    files.insert(file.to_owned(), text.to_owned());
    Bundle::from_files(files)
}

/// Kind and recipient of each letter, sorted.
pub(crate) fn kinds(letters: &[Received]) -> Vec<(&str, &str)> {
    let mut all: Vec<_> = letters.iter().map(|letter| (letter.kind.as_str(), letter.to.as_str())).collect();
    all.sort_unstable();
    all
}

/// Tells a story on a stack of its own: one of many steps, with code that is not optimized, is itself longer than that of a program. What the
/// daemon's workers have is tried by [`tell_together`], and by the real daemon in `tests/servers`.
pub(crate) fn tell<F: Future<Output = ()>>(story: impl FnOnce() -> F + Send + 'static) {
    on_stack(move || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story()));
}

/// The same on several threads, each with the stack that a worker of the daemon has.
pub(crate) fn tell_together<F: Future<Output = ()>>(story: impl FnOnce() -> F + Send + 'static) {
    on_stack(move || {
        let mut several = tokio::runtime::Builder::new_multi_thread();
        let several = several.enable_all().worker_threads(4).thread_stack_size(hagaki::limits::WORKER_STACK_BYTES);
        several.build().unwrap().block_on(story());
    });
}

fn on_stack(told: impl FnOnce() + Send + 'static) {
    const STACK: usize = 32 * 1024 * 1024;
    let told = std::thread::Builder::new().stack_size(STACK).name(name_of_test()).spawn(told);
    if let Err(panic) = told.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

fn name_of_test() -> String {
    std::thread::current().name().unwrap_or("story").to_owned()
}

/// Makes two tests of each story: the same on SQLite and on PostgreSQL. Each ends with nothing left over.
macro_rules! stories {
    ($($(#[$meta:meta])* async fn $name:ident($center:ident: &mut Center) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn story($center: &mut Center) $body

            async fn run(engine: hagaki::store::Engine) {
                let Some(world) = $crate::world::World::open(engine).await else { return };
                let mut center = $crate::harness::Center::open(world).await;
                story(&mut center).await;
                center.finish().await;
            }

            #[test]
            fn sqlite() {
                $crate::harness::tell(|| run(hagaki::store::Engine::Sqlite));
            }

            #[test]
            fn postgres() {
                $crate::harness::tell(|| run(hagaki::store::Engine::Postgres));
            }
        })*
    };
}
pub(crate) use stories;

/// Does something with trouble at place 1, 2, 3 … until nothing disturbs it any more; it is disturbed at `least` so many places.
pub(crate) async fn at_each_place(least: u64, mut disturbed: impl AsyncFnMut(u64) -> bool) {
    let mut n = 0;
    while disturbed(n + 1).await {
        n += 1;
        assert!(n < 500, "there is no end to it");
    }
    assert!(n >= least, "disturbed at {n} places only");
}

/// Makes two tests of each trouble, the same on SQLite and on PostgreSQL: by what, and at how many places at least.
macro_rules! disturbances {
    ($disturbed:ident: $($name:ident($trouble:expr, $least:literal))*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn sqlite() {
                $crate::harness::tell(|| $disturbed(hagaki::store::Engine::Sqlite, $trouble, $least));
            }

            #[test]
            fn postgres() {
                $crate::harness::tell(|| $disturbed(hagaki::store::Engine::Postgres, $trouble, $least));
            }
        })*
    };
}
pub(crate) use disturbances;
