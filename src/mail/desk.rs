//! The desk loop: inbox row → reading → outcome, in one transaction for each study of a claimed batch.
//!
//! Reading needs no database and contains its own panics; while a full batch is decided, the next one is read on another
//! core. If anything fails in a batch, the batch is rolled back and each
//! mail is tried alone, so that one bad mail cannot hold up its neighbors; a mail that still fails is tried again, and
//! after [`limits::READ_TRIES`] tries it is set aside for a person.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::json;
use tokio::sync::Notify;

use super::reading::{self, Disposition, Reading, Seal, SubAddress, Unsealed, Vouched, World};
use super::{Did, StepError};
use crate::domain::chain::Sha256Digest;
use crate::domain::request::Act;
use crate::domain::study::{Post, Study};
use crate::domain::time::{Clock, Dice, Instant};
use crate::domain::token;
use crate::limits;
use crate::store::Store;
use crate::store::inbox::{self, InboxItem, Outcome, State};
use crate::workflow::accept::{self, HeldMail};
use crate::workflow::addresses;
use crate::workflow::confirm;
use crate::workflow::enroll;
use crate::workflow::ledger::Ledger;
use crate::workflow::opt_out;
use crate::workflow::planned;
use crate::workflow::report::{self, Delivery};
use crate::workflow::shelf::{Shelf, ShelvedStudy};
use crate::workflow::{Arrival, DeskAddress, Failure, Held, Keys, Means, Operator, Settled};

/// An address of ours with the facts its mails are judged by.
#[derive(Clone, Debug)]
pub struct Counter {
    /// As letters show it.
    pub desk: DeskAddress,
    /// Service address, trusted servers, Message-ID domain.
    pub post: Post,
}

/// The desk.
pub struct Desk {
    /// Where mails wait.
    pub store: Store,
    /// The time of reading.
    pub clock: Arc<dyn Clock>,
    /// Tokens and Message-IDs.
    pub dice: Arc<dyn Dice>,
    /// Studies.
    pub shelf: Arc<Shelf>,
    /// The installation's keys.
    pub keys: Arc<Keys>,
    /// Our addresses, by mailbox name.
    pub counters: Arc<BTreeMap<String, Arc<Counter>>>,
    /// Hears of held mails that belong to no study.
    pub operator: Operator,
    /// Name of this process in leases.
    pub owner: String,
    /// How long a claimed mail is ours, in seconds.
    pub lease_seconds: i64,
    /// Longest wait for the doorbell.
    pub interval: Duration,
    /// Rung when a mail was taken in.
    pub bell: Arc<Notify>,
    /// To be rung when letters were written.
    pub dispatch_bells: Vec<Arc<Notify>>,
    /// To be rung when mails can be moved.
    pub filing_bells: Vec<Arc<Notify>>,
    /// Mails that were claimed and read while those before them were decided; none at first.
    pub ahead: Option<Batch>,
}

/// Claimed mails with their readings, in their order.
#[derive(Default)]
pub struct Batch {
    reads: Vec<Read>,
    /// How many were claimed; some may have to wait, unread.
    claimed: usize,
}

impl Batch {
    /// Whether there are likely to be more mails behind it.
    fn is_full(&self) -> bool {
        i64::try_from(self.claimed).is_ok_and(|claimed| claimed >= limits::DESK_BATCH)
    }
}

/// A claimed mail with its reading.
struct Read {
    item: InboxItem,
    reading: Reading,
    counter: Arc<Counter>,
    study: Option<Arc<ShelvedStudy>>,
}

/// A claimed mail with the studies that it can mean.
struct Unread {
    item: InboxItem,
    raw: Vec<u8>,
    seal: Seal,
    cut_off: bool,
    counter: Arc<Counter>,
    studies: BTreeMap<String, Arc<ShelvedStudy>>,
}

impl Desk {
    /// Claims a batch of mails, reads them, decides them; if it was full, reads the next one meanwhile.
    ///
    /// # Errors
    /// The database. What was not decided is claimed again when the lease has run out.
    pub async fn step(&mut self) -> Result<Did, StepError> {
        // What was read ahead by rules that an amendment ended a moment ago is given back, to be read again.
        if self.ahead.is_some() && self.come_into_force().await {
            self.stop().await;
        }
        let batch = match self.ahead.take() {
            Some(batch) => batch,
            None => {
                let claimed = self.claim().await?;
                if !claimed.is_empty() {
                    self.come_into_force().await;
                }
                self.read_all(claimed).await?
            }
        };
        if batch.claimed == 0 {
            return Ok(Did::Nothing);
        }
        // Claimed before deciding begins: on SQLite it would have to wait for the end of that.
        let next = match batch.is_full() {
            true => self.claim().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the next mails could not be claimed yet");
                Vec::new()
            }),
            false => Vec::new(),
        };
        let (decided, ahead) = futures::join!(self.decide_all(&batch.reads), self.read_all(next));
        for bell in self.dispatch_bells.iter().chain(&self.filing_bells) {
            bell.notify_one();
        }
        self.ahead = Some(ahead?).filter(|ahead| ahead.claimed > 0);
        decided.map(|()| Did::Something)
    }

    /// Puts the planned amendments in force whose moment has come, so that no mail that came after it is decided by the rules of before;
    /// whether there was any. The calendar does the same where no mail comes.
    async fn come_into_force(&self) -> bool {
        let Some(counter) = self.counters.values().next() else { return false };
        planned::come_into_force(&self.shelf, self.means(counter)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "it cannot be told whether an amendment is due before the mails; the calendar looks again");
            false
        })
    }

    /// Gives back what was read ahead.
    pub async fn stop(&mut self) {
        for read in self.ahead.take().into_iter().flat_map(|batch| batch.reads) {
            if let Err(error) = inbox::give_back(&self.store, read.item.id, &self.owner).await {
                tracing::warn!(mail = read.item.id, %error, "the mail waits until its lease runs out");
            }
        }
    }

    async fn claim(&self) -> Result<Vec<InboxItem>, StepError> {
        let now = self.clock.now();
        Ok(inbox::claim(&self.store, &self.owner, now, self.lease_seconds, limits::DESK_BATCH).await?)
    }

    async fn decide_all(&self, reads: &[Read]) -> Result<(), StepError> {
        let mut groups: BTreeMap<Option<i64>, Vec<&Read>> = BTreeMap::new();
        for read in reads {
            groups.entry(read.study.as_ref().map(|study| study.id)).or_default().push(read);
        }
        let mut failed = None;
        for group in groups.values() {
            if let Err(error) = self.decide(group).await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Waits for a mail.
    pub async fn wait(&mut self) {
        let _ = tokio::time::timeout(self.interval, self.bell.notified()).await;
    }

    /// Reads the mails, each against the studies that it can mean; without those that must wait, because their mailbox
    /// is not configured or their study cannot be read.
    async fn read_all(&self, items: Vec<InboxItem>) -> Result<Batch, StepError> {
        let claimed = items.len();
        if claimed == 0 {
            return Ok(Batch::default());
        }
        let counters = Arc::clone(&self.counters);
        let signed = aside(claimed, move || signed(items, &counters)).await?;
        let names = signed.iter().flat_map(|one| one.signs.names.iter().cloned()).collect();
        let named = self.shelf.candidates(&names, limits::STUDIES_OF_A_NAME).await?;
        // A sender tells the study only of a mail that names none, and only if it is no more than one.
        let nameless = signed.iter().filter(|one| named.of(&one.signs.names).is_empty());
        let senders = nameless.filter_map(|one| one.signs.sender.clone()).collect();
        let sent = self.shelf.candidates(&senders, 2).await?;
        let mut only = None;
        let mut unread = Vec::with_capacity(signed.len());
        for Signed { item, raw, seal, cut_off, counter, signs } in signed {
            if named.is_unreadable(&signs.names) || sent.is_unreadable(&signs.sender) {
                continue;
            }
            let mut studies = named.of(&signs.names);
            if let Some(page) = &signs.opt_out
                && let Some(whose) = opt_out::find(&self.store, &self.keys.address, page).await?
            {
                let own = self.shelf.told_by(page, whose.study_id).await?;
                if own.is_unreadable([page]) {
                    continue;
                }
                studies = own.of([page]);
            }
            if let (Some(token), true) = (&signs.token, studies.is_empty())
                && let Some(id) = confirm::study_of(&self.store, token).await?
            {
                let own = self.shelf.told_by(token, id).await?;
                if own.is_unreadable([token]) {
                    continue;
                }
                studies = own.of([token]);
            }
            if studies.is_empty() {
                studies = sent.of(&signs.sender);
            }
            if studies.is_empty() {
                let only = match &only {
                    Some(only) => only,
                    None => only.insert(self.shelf.only().await?),
                };
                studies = only.of(std::iter::once(&String::new()));
            }
            unread.push(Unread { item, raw, seal, cut_off, counter, studies });
        }
        let now = self.clock.now();
        let reads = aside(unread.len(), move || unread.into_iter().map(|unread| unread.read(now)).collect()).await?;
        Ok(Batch { reads, claimed })
    }

    /// Decides the mails of one study together; if that fails, each alone.
    async fn decide(&self, group: &[&Read]) -> Result<(), StepError> {
        match self.attempt(group).await {
            Ok(()) => return Ok(()),
            Err(error) if group.len() > 1 => {
                tracing::warn!(%error, mails = group.len(), "a batch failed; trying each mail alone");
            }
            Err(error) => return self.set_aside_or(group, error).await,
        }
        let mut failed = None;
        for read in group {
            let alone = std::slice::from_ref(read);
            if let Err(error) = self.attempt(alone).await
                && let Err(error) = self.set_aside_or(alone, error).await
            {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// A mail that failed for the last time goes to quarantine; otherwise the failure stands and it is tried again.
    async fn set_aside_or(&self, group: &[&Read], error: StepError) -> Result<(), StepError> {
        let transient = matches!(&error, StepError::Store(error) | StepError::Workflow(Failure::Store(error))
            if error.is_transient());
        let [read] = group else { return Err(error) };
        if matches!(&error, StepError::Workflow(failure) if failure.waits_for_key())
            || matches!(&error, StepError::Store(failure) if failure.waits_for_key())
        {
            // It is the key file that is to be mended, and no fault of the mail: it waits until its lease has run out, however often.
            tracing::error!(mail = read.item.id, %error, "a mail cannot be decided without the key; it waits");
            return Ok(());
        }
        if transient || read.item.tries < limits::READ_TRIES {
            // Best effort, so that the next try need not wait for the lease: a try that the database spoiled does not
            // count, one that the mail spoiled does.
            let freed = if transient {
                inbox::give_back(&self.store, read.item.id, &self.owner).await
            } else {
                inbox::set_free(&self.store, read.item.id, &self.owner).await
            };
            if let Err(lease) = freed {
                tracing::warn!(mail = read.item.id, error = %lease, "the mail waits until its lease runs out");
            }
            return Err(error);
        }
        tracing::error!(mail = read.item.id, %error, "a mail cannot be decided; it is set aside for a person");
        let mut ledger = Ledger::begin(&self.shelf).await?;
        let told = AssertUnwindSafe(self.tell_set_aside(&mut ledger, read)).catch_unwind().await;
        if !matches!(told, Ok(Ok(()))) {
            // What spoils the mail may spoil the letter, too: it is set aside all the same.
            tracing::warn!(mail = read.item.id, "the sender of a mail that is set aside could not be told");
            drop(ledger);
            ledger = Ledger::begin(&self.shelf).await?;
        }
        let settled = quarantined(&read.reading, "poison".to_string(), read.study.as_deref());
        self.settle(&mut ledger, read, &settled).await?;
        ledger.commit().await?;
        Ok(())
    }

    /// Tells a sender who is known that their mail waits for a person.
    async fn tell_set_aside(&self, ledger: &mut Ledger<'_>, read: &Read) -> Result<(), Failure> {
        let Read { item, reading, counter, study } = read;
        let (Some(request), Some(study)) = (&reading.request, study) else { return Ok(()) };
        if matches!(reading.disposition, Disposition::Quarantine | Disposition::NoReply | Disposition::Bounce) {
            return Ok(());
        }
        let arrival = Arrival {
            inbox_id: item.id,
            sender: reading.sender.as_deref().unwrap_or_default(),
            message_id: reading.message_id.as_deref(),
            references: &reading.references,
            message_key: &reading.message_key,
            content_digest: &digest_of(&reading.content_digest),
            released: item.released_by.is_some(),
            site_token: None,
            encrypted: reading.openpgp.encrypted,
        };
        Box::pin(accept::set_aside(ledger, study, self.means(counter), arrival, request)).await
    }

    async fn attempt(&self, group: &[&Read]) -> Result<(), StepError> {
        let attempt = AssertUnwindSafe(self.transact(group)).catch_unwind();
        attempt.await.unwrap_or_else(|_| {
            Err(StepError::Workflow(Failure::Contradiction("deciding a mail panicked".to_string())))
        })
    }

    async fn transact(&self, group: &[&Read]) -> Result<(), StepError> {
        let mut ledger = Ledger::begin(&self.shelf).await?;
        if let [first, _, ..] = group
            && let Some(study) = &first.study
        {
            let (messages, references) = asked_for(study, group);
            ledger.foresee(study, &messages, &references).await?;
        }
        // What somebody wrote just now proves that mail reaches them, whatever came back before.
        let asked = group.iter().filter(|read| read.study.is_some() && read.reading.is_believed());
        let senders: Vec<&str> = asked.filter_map(|read| read.reading.sender.as_deref()).collect();
        addresses::heard_of(&mut ledger.tx, &self.keys.address, &senders).await?;
        for read in group {
            let settled = self.settle_one(&mut ledger, read).await?;
            self.settle(&mut ledger, read, &settled).await?;
        }
        ledger.commit().await?;
        for read in group {
            metrics::counter!("hagaki_mails_decided_total", "disposition" => read.reading.disposition.key())
                .increment(1);
        }
        Ok(())
    }

    async fn settle(&self, ledger: &mut Ledger<'_>, read: &Read, settled: &Settled) -> Result<(), StepError> {
        let state = match settled.held {
            Held::No => State::Done,
            Held::Yes => State::Held,
        };
        let outcome = Outcome {
            id: read.item.id,
            owner: &self.owner,
            state,
            disposition: settled.disposition,
            reason: &settled.reason,
            study_id: settled.study_id,
            subject_id: settled.subject_id,
            person: settled.person.as_deref(),
            reading: &summary(&read.reading, !self.keys.ring.is_empty()),
            at: self.clock.now(),
        };
        inbox::record_outcome(&mut ledger.tx, &outcome).await?;
        if settled.held == Held::Yes {
            let means = self.means(&read.counter);
            let reasons: Vec<&str> = settled.reason.split(' ').collect();
            let mail = HeldMail { inbox_id: read.item.id, received_at: read.item.received_at, reasons: &reasons };
            accept::hold(ledger, read.study.as_deref(), means, &self.operator, mail).await?;
        }
        Ok(())
    }

    fn means<'a>(&'a self, counter: &'a Counter) -> Means<'a> {
        Means { now: self.clock.now(), dice: &*self.dice, keys: &self.keys, desk: &counter.desk }
    }

    async fn settle_one(&self, ledger: &mut Ledger<'_>, read: &Read) -> Result<Settled, StepError> {
        let Read { item, reading, counter, study } = read;
        let means = self.means(counter);
        let reasons = || reading.reasons.iter().map(|reason| reason.key()).collect::<Vec<_>>().join(" ");
        match (reading.disposition, &reading.request, study) {
            (Disposition::Quarantine, _, study) => Ok(quarantined(reading, reasons(), study.as_deref())),
            (Disposition::NoReply, None, _) => {
                self.absence(ledger, reading, means).await?;
                Ok(Settled {
                    held: Held::No,
                    disposition: Disposition::NoReply.key(),
                    reason: reasons(),
                    study_id: None,
                    subject_id: None,
                    person: None,
                })
            }
            (Disposition::Bounce, ..) => self.bounce(ledger, reading, means).await,
            (_, Some(request), Some(study)) => {
                let site_token = reading.site_token().and_then(|text| {
                    let sites = study.study.sites.iter().map(|site| site.code.as_str());
                    token::check_site_token(&self.keys.address, &study.study.slug, sites, text, means.now)
                });
                let arrival = Arrival {
                    inbox_id: item.id,
                    sender: reading.sender.as_deref().unwrap_or_default(),
                    message_id: reading.message_id.as_deref(),
                    references: &reading.references,
                    message_key: &reading.message_key,
                    content_digest: &digest_of(&reading.content_digest),
                    released: item.released_by.is_some(),
                    site_token,
                    encrypted: reading.openpgp.encrypted,
                };
                Ok(Box::pin(accept::accept(ledger, study, means, arrival, request)).await?)
            }
            (_, _, study) => Ok(quarantined(reading, "no-request".to_string(), study.as_deref())),
        }
    }

    /// The letter of ours that a mail came back from, where the address it came to carries our own code.
    fn returned(&self, reading: &Reading) -> Option<i64> {
        match &reading.sub_address {
            Some(SubAddress::Bounce(text)) => token::check_verp(&self.keys.address, text),
            _ => None,
        }
    }

    /// An automatic answer to a letter may say until when its reader is away; it is neither data nor a bounce.
    async fn absence(&self, ledger: &mut Ledger<'_>, reading: &Reading, means: Means<'_>) -> Result<(), StepError> {
        let Some(letter) = self.returned(reading) else { return Ok(()) };
        if let Some(until) = reading.away_until {
            addresses::is_away(ledger, means, letter, until).await?;
        }
        Ok(())
    }

    /// A delivery report counts only if the address it came to carries our own code.
    async fn bounce(&self, ledger: &mut Ledger<'_>, reading: &Reading, means: Means<'_>) -> Result<Settled, StepError> {
        let letter = self.returned(reading);
        let (Some(letter), Some(found)) = (letter, &reading.bounce) else {
            return Ok(quarantined(reading, "bounce-unverified".to_string(), None));
        };
        let delivery = Delivery {
            letter,
            action: found.action.key().to_string(),
            status: found.status.clone().unwrap_or_default(),
        };
        Ok(report::record(ledger, means, &delivery).await?)
    }
}

impl Unread {
    fn read(self, now: Instant) -> Read {
        let Unread { item, raw, seal, cut_off, counter, studies } = self;
        let vouched = match &item.released_by {
            Some(_) => Vouched::ByPerson,
            None => Vouched::ByNobody,
        };
        let definitions: Vec<&Study> = studies.values().map(|shelved| &*shelved.study).collect();
        let world = World { studies: &definitions, post: &counter.post, now, vouched };
        let mut reading = reading::read_unsealed(&world, &Unsealed { raw: raw.as_slice().into(), seal });
        if cut_off {
            reading = reading.too_large();
        }
        let study = reading.study.as_ref().and_then(|slug| studies.get(slug)).cloned();
        Read { item, reading, counter, study }
    }
}

/// A claimed mail with what it tells of its study.
struct Signed {
    item: InboxItem,
    /// As it came, or what was in it where it was sealed.
    raw: Vec<u8>,
    seal: Seal,
    /// Whether only its header was kept.
    cut_off: bool,
    counter: Arc<Counter>,
    signs: reading::Signs,
}

/// The mails of mailboxes that are configured, as far as a key opens them.
fn signed(items: Vec<InboxItem>, counters: &BTreeMap<String, Arc<Counter>>) -> Vec<Signed> {
    let mut signed = Vec::with_capacity(items.len());
    for mut item in items {
        let raw = match std::mem::replace(&mut item.raw, Ok(Vec::new())) {
            Ok(raw) => raw,
            Err(why) => {
                tracing::error!(mail = item.id, %why, "a mail cannot be opened; it waits");
                continue;
            }
        };
        match counters.get(&item.mailbox) {
            Some(counter) => {
                let cut_off = i64::try_from(raw.len()).is_ok_and(|kept| kept < item.size);
                let Unsealed { raw, seal } = reading::unseal_contained(counter.desk.openpgp.as_deref(), &raw);
                let raw = raw.into_owned();
                let signs = reading::signs_contained(&counter.post, &raw);
                signed.push(Signed { item, raw, seal, cut_off, counter: Arc::clone(counter), signs });
            }
            None => {
                tracing::warn!(mail = item.id, mailbox = item.mailbox, "no such mailbox is configured; the mail waits")
            }
        }
    }
    signed
}

/// Does work on several mails on another core; on a single one here, because the way there takes as long.
async fn aside<T: Send + 'static>(mails: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T, StepError> {
    if mails < 2 {
        return Ok(work());
    }
    let lost = |_| StepError::Workflow(Failure::Contradiction("reading a mail panicked".to_string()));
    tokio::task::spawn_blocking(work).await.map_err(lost)
}

/// The messages and the references of subjects that a group of mails to one study will ask the database for.
fn asked_for(study: &ShelvedStudy, group: &[&Read]) -> (BTreeSet<String>, BTreeSet<String>) {
    let requests = group.iter().filter_map(|read| Some((read, read.reading.request.as_ref()?)));
    let (mut messages, mut references) = (BTreeSet::new(), BTreeSet::new());
    for (read, request) in requests {
        messages.insert(read.reading.message_key.clone());
        if let Act::Enroll(form) = &request.act {
            references.extend(enroll::key_of_form(&study.study, form));
        }
    }
    (messages, references)
}

fn quarantined(reading: &Reading, reason: String, study: Option<&ShelvedStudy>) -> Settled {
    Settled {
        held: Held::Yes,
        disposition: Disposition::Quarantine.key(),
        reason,
        study_id: study.map(|study| study.id),
        subject_id: None,
        person: reading.person.clone(),
    }
}

/// How a mail was read, for people who look at it later; no more text than a person needs. What was decrypted is kept only where the
/// database keeps it sealed.
fn summary(reading: &Reading, sealed: bool) -> String {
    let openpgp = reading.openpgp.is_sealed().then(|| {
        json!({
            "encrypted": reading.openpgp.encrypted,
            "signed_by": reading.openpgp.signed_by,
            "faults": reading.openpgp.faults.iter().map(|fault| fault.key()).collect::<Vec<_>>(),
        })
    });
    if reading.openpgp.encrypted && !sealed {
        return json!({ "sender": reading.sender, "openpgp": openpgp }).to_string();
    }
    let (fields, faults) = reading.form().map_or((json!({}), json!([])), |form| {
        let faults: Vec<_> = form
            .faults
            .iter()
            .map(|fault| json!({ "item": fault.item, "code": fault.code.key(), "typed": fault.typed }))
            .collect();
        (json!(form.canonical()), json!(faults))
    });
    let mut summary = json!({
        "subject": reading.subject,
        "sender": reading.sender,
        "text": reading.text.chars().take(limits::SUMMARY_CHARS).collect::<String>(),
        "fields": fields,
        "faults": faults,
        "charset_guess": reading.charset_guess,
    });
    if let (Some(openpgp), Some(fields)) = (openpgp, summary.as_object_mut()) {
        fields.insert("openpgp".to_string(), openpgp);
    }
    summary.to_string()
}

fn digest_of(hexadecimal: &str) -> Sha256Digest {
    let mut digest = Sha256Digest::default();
    if let Ok(bytes) = data_encoding::HEXLOWER.decode(hexadecimal.as_bytes())
        && bytes.len() == digest.len()
    {
        digest.copy_from_slice(&bytes);
    }
    digest
}
