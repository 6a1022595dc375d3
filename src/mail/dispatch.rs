//! The dispatch loop of one mailbox: outbox row → transport → verdict.
//!
//! A letter is claimed with a lease and its attempt counted before the attempt is made, so that a letter which crashes
//! the sender cannot loop for ever. A crash between the server's 250 and the record sends the same bytes, with the same
//! Message-ID, once more; that is the only way a letter arrives twice. When the server is away, the server is left
//! alone, and no letter fails for it.
//!
//! What somebody waits for goes first ([`Urgency`](crate::domain::urgency::Urgency)), and is looked for every few seconds while others
//! are under way. Letters of mailings are claimed study by study in turn, and may be bounded in how fast they leave
//! ([`throttle`](crate::domain::throttle)): what has to wait for that was not tried.

mod pace;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::sync::{Notify, mpsc};

use super::transport::{Envelope, Reply, Transport, Verdict};
use super::{Did, StepError};
use crate::domain::retry::{self, Jitter, NextTry};
use crate::domain::schedule::Letter;
use crate::domain::throttle::{Accounts, Throttle, Wait};
use crate::domain::time::{Clock, Dice, Instant};
use crate::domain::token;
use crate::limits;
use crate::store::outbox::{self, OutboxItem, Turn};
use crate::store::{Store, StoreError, Tx, credential_wait, host, throttle};
use crate::workflow::addresses;
use crate::workflow::election::waiting;
use crate::workflow::ledger::Ledger;
use crate::workflow::report;
use crate::workflow::schedule::Looked;
use crate::workflow::shelf::Shelf;
use crate::workflow::{DeskAddress, Failure, Keys, Means, schedule};
pub use pace::Pace;
use pace::UnderWay;

/// The dispatch of one mailbox's letters.
pub struct Dispatch {
    /// Where letters wait.
    pub store: Store,
    /// Tells when a letter is due.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries.
    pub dice: Arc<dyn Dice>,
    /// Authenticates bounce addresses.
    pub keys: Arc<Keys>,
    /// Studies, for the alert when an assignment letter is refused.
    pub shelf: Arc<Shelf>,
    /// The mailbox whose letters these are.
    pub desk: DeskAddress,
    /// What carries them.
    pub transport: Transport,
    /// Name of this process in leases.
    pub owner: String,
    /// How long a claimed letter is ours, in seconds.
    pub lease_seconds: i64,
    /// Longest wait for the doorbell.
    pub interval: Duration,
    /// Rung when a letter was written.
    pub bell: Arc<Notify>,
    /// Whether the server was away when it was last tried, as far as this process knows; true at first.
    pub away: AtomicBool,
    /// How fast letters may leave.
    pub throttle: Throttle,
    /// How they go on.
    pub pace: Pace,
}

impl Dispatch {
    /// Claims a batch of due letters, sends them, and records every verdict.
    ///
    /// # Errors
    /// The database; letters sent but not recorded are sent again when the lease has run out. Or the server is away.
    pub async fn step(&mut self) -> Result<Did, StepError> {
        let now = self.clock.now();
        if let Some(away) = host::find(&self.store, &self.desk.mailbox).await?
            && away.suspended_until > now
        {
            let seconds = u64::try_from(away.suspended_until.seconds_since(now)).unwrap_or_default() + 1;
            return Err(StepError::Away { seconds, why: "it did not take letters".to_string() });
        }
        let mailbox = &self.desk.mailbox;
        let most = self.pace.batch();
        let urgent = outbox::claim(&self.store, mailbox, &self.owner, now, self.lease_seconds, most).await?;
        let mass = urgent.is_empty();
        let claimed = if mass { self.claim_mass(now).await? } else { urgent };
        if claimed.is_empty() {
            return Ok(Did::Nothing);
        }
        let (claimed, locked) = claimed.into_iter().partition(|letter| letter.raw.is_ok());
        self.put_off(locked).await?;
        let claimed = self.still_wanted(claimed, now).await?;
        let claimed = self.within_bounds(claimed, mass, now).await?;
        let many = claimed.len();
        let left_over = self.send_all(claimed).await?;
        if many > 0 {
            self.pace.learn(many.saturating_sub(left_over), left_over);
        }
        Ok(Did::Something)
    }

    /// Letters of mailings, of each study in its turn: what one does not use of its share goes to those behind it.
    async fn claim_mass(&mut self, now: Instant) -> Result<Vec<OutboxItem>, StoreError> {
        let mailbox = &self.desk.mailbox;
        let studies = outbox::turns(&self.store, mailbox, now).await?;
        let mut left = self.pace.batch();
        if !studies.is_empty() && self.throttle.per_minute.is_some() {
            let used = throttle::list(&self.store, mailbox).await?;
            let room = Accounts::new(&self.throttle, now, used).room().unwrap_or(left);
            if room < left {
                // The minute that they wait for passes; whether they still do then is seen then.
                self.pace.wait_until(now.plus_seconds(60));
            }
            left = left.min(room);
        }
        let mut claimed = Vec::new();
        let mut others = i64::try_from(studies.len()).unwrap_or(i64::MAX);
        for study in self.pace.in_turn(studies) {
            if left == 0 {
                break;
            }
            let limit = (left / others.max(1)).max(limits::DISPATCH_BATCH_LEAST).min(left);
            let turn = Turn { mailbox, study, limit };
            let letters = outbox::claim_mass(&self.store, turn, &self.owner, now, self.lease_seconds).await?;
            others -= 1;
            if !letters.is_empty() {
                self.pace.had(study);
                left -= i64::try_from(letters.len()).unwrap_or(left);
                claimed.push(letters);
            }
        }
        Ok(pace::alternate(claimed))
    }

    /// Gives back letters of mailings that may not leave yet; none of them was tried. What somebody waits for leaves, and counts.
    async fn within_bounds(
        &mut self,
        claimed: Vec<OutboxItem>,
        mass: bool,
        now: Instant,
    ) -> Result<Vec<OutboxItem>, StoreError> {
        if self.throttle.is_none() || claimed.is_empty() {
            return Ok(claimed);
        }
        let mailbox = &self.desk.mailbox;
        let mut tx = self.store.begin().await?;
        let used = throttle::lock(&mut tx, mailbox, now).await?;
        let mut accounts = Accounts::new(&self.throttle, now, used);
        let (mut leave, mut back, mut later) = (Vec::with_capacity(claimed.len()), Vec::new(), Vec::new());
        self.pace.forget(now);
        for letter in claimed {
            if !mass {
                accounts.count(&letter.recipient);
                leave.push(letter);
                continue;
            }
            match accounts.take(&letter.recipient) {
                Ok(()) => leave.push(letter),
                Err(Wait::ForAll(until)) => {
                    self.pace.wait_until(until);
                    back.push(letter.id);
                }
                Err(Wait::ForDomain { until, apart }) => {
                    later.push((letter.id, self.pace.queue(&letter, until, apart, now)));
                }
            }
        }
        outbox::give_back(&mut tx, &self.owner, &back).await?;
        outbox::put_off(&mut tx, &self.owner, &later).await?;
        throttle::save(&mut tx, mailbox, now, &accounts.changed()).await?;
        tx.commit().await?;
        Ok(leave)
    }

    /// Leaves out letters of schedules that waited for long and whose reason is over: whoever answered meanwhile is not reminded. Where
    /// that cannot be told now they wait, for what is known may change.
    async fn still_wanted(&self, claimed: Vec<OutboxItem>, now: Instant) -> Result<Vec<OutboxItem>, StepError> {
        let waited = |letter: &OutboxItem| now.seconds_since(letter.created_at) > limits::SCHEDULE_FRESH_SECONDS;
        let may_end = |letter: &&OutboxItem| Letter::find(&letter.kind).is_some() && waited(letter);
        let means = Means { now, dice: &*self.dice, keys: &self.keys, desk: &self.desk };
        let named = |letter: &OutboxItem| (letter.id, letter.message_id.clone());
        let doubtful: Vec<(i64, String)> = claimed.iter().filter(may_end).map(named).collect();
        let of_voters: Vec<(i64, String)> =
            claimed.iter().filter(|letter| waiting::is_doubtful(letter, means)).map(named).collect();
        if doubtful.is_empty() && of_voters.is_empty() {
            return Ok(claimed);
        }
        let mut looked = Looked::default();
        if !doubtful.is_empty() {
            looked = Box::pin(schedule::drop_stopped(&self.shelf, means, &borrowed(&doubtful))).await?;
        }
        if !of_voters.is_empty() {
            let own = Box::pin(waiting::erase_unwanted(&self.shelf, means, &borrowed(&of_voters))).await?;
            looked.ended.extend(own.ended);
            looked.undecided.extend(own.undecided);
        }
        let ended = |letter: &OutboxItem| looked.ended.contains(&letter.message_id);
        let claimed = claimed.into_iter().filter(|letter| !ended(letter));
        let undecided = |letter: &OutboxItem| looked.undecided.contains(&letter.message_id);
        let (wait, wanted): (Vec<OutboxItem>, Vec<OutboxItem>) = claimed.partition(undecided);
        if wait.is_empty() {
            return Ok(wanted);
        }
        let mut tx = self.store.begin().await?;
        for letter in &wait {
            let why = "it cannot be told whether it is still wanted";
            let (later, said) = (now.plus_seconds(limits::KEY_WAIT_SECONDS), outbox::Verdict { code: 0, text: why });
            outbox::record_retry(&mut tx, letter.id, &self.owner, now, later, said).await?;
        }
        tx.commit().await?;
        Ok(wanted)
    }

    /// Letters that no key opens wait: they are tried again later, and never given up for it.
    async fn put_off(&self, locked: Vec<OutboxItem>) -> Result<(), StepError> {
        if locked.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        for letter in &locked {
            let why = letter.raw.as_ref().err().map(ToString::to_string).unwrap_or_default();
            tracing::error!(letter = letter.id, why, "a letter cannot be opened; it waits");
            let (later, said) = (now.plus_seconds(limits::KEY_WAIT_SECONDS), outbox::Verdict { code: 0, text: &why });
            outbox::record_retry(&mut tx, letter.id, &self.owner, now, later, said).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Waits for a letter, or until one is due again.
    pub async fn wait(&mut self) {
        // Due times lie in the database; the interval is short enough for retries, the bell for everything else.
        let longest = self.pace.nap(self.clock.now(), self.interval);
        let _ = tokio::time::timeout(longest, self.bell.notified()).await;
    }

    /// Sends with as many connections as the transport has, and records meanwhile what is finished: while one record is
    /// being made durable the next letters are on their way, and the more there are, the more share a record.
    ///
    /// Letters are no longer begun once the server is seen to be away, or after a few seconds, at most half of the lease: they are given
    /// back, so that nobody else sends what we still might, and what is more urgent by now goes first. Gives the number of these. Those
    /// over which the server takes its time stay ours for as long.
    async fn send_all(&self, claimed: Vec<OutboxItem>) -> Result<usize, StepError> {
        let width = self.transport.width().max(1);
        let under_way = &UnderWay::default();
        let away = &AtomicBool::new(false);
        let deadline = self.clock.now().plus_seconds(limits::DISPATCH_STEP_SECONDS.min(self.lease_seconds / 2));
        let (done, mut finished) = mpsc::channel(limits::VERDICT_BATCH);
        let sends = stream::iter(claimed.into_iter().map(|letter| async move {
            if away.load(Ordering::Relaxed) || self.clock.now() >= deadline {
                return (letter, None);
            }
            let Ok(raw) = &letter.raw else { return (letter, None) };
            under_way.begin(letter.id);
            let verdict = self.send(&letter, raw).await;
            if verdict.suspends_host() {
                away.store(true, Ordering::Relaxed);
            }
            (letter, Some(verdict))
        }));
        let sending = async move {
            let mut sent = sends.buffer_unordered(width);
            while let Some(outcome) = sent.next().await {
                done.send(outcome).await.expect("the receiver outlives this: both are dropped together");
            }
            Ok::<(), StepError>(())
        };
        let recording = async {
            let (mut trouble, mut untried, mut failed) = (None, Vec::new(), None);
            let patience = Duration::from_secs((self.lease_seconds / 4).max(1).unsigned_abs());
            let mut renewal = tokio::time::Instant::now() + patience;
            loop {
                let mut chunk = Vec::with_capacity(limits::VERDICT_BATCH);
                let receiving = finished.recv_many(&mut chunk, limits::VERDICT_BATCH);
                let Ok(received) = tokio::time::timeout_at(renewal, receiving).await else {
                    self.renew(&under_way.list()).await;
                    renewal = tokio::time::Instant::now() + patience;
                    continue;
                };
                if received == 0 {
                    return Ok::<_, StepError>((trouble, untried, failed));
                }
                let mut judged = Vec::with_capacity(chunk.len());
                for (letter, verdict) in chunk {
                    under_way.end(letter.id);
                    let Some(verdict) = verdict else {
                        untried.push(letter.id);
                        continue;
                    };
                    if verdict.suspends_host() {
                        trouble.get_or_insert_with(|| told(&verdict));
                    }
                    judged.push((letter, verdict));
                }
                match self.record(judged).await {
                    // A study that cannot be written to now ends nothing of the others'.
                    Err(error) if is_busy(&error) => failed = failed.or(Some(error)),
                    recorded => recorded?,
                }
            }
        };
        // The first record that fails otherwise ends both; what was sent and not recorded is sent again.
        let ((), (trouble, untried, failed)) = futures::try_join!(sending, recording)?;
        if !untried.is_empty() {
            let mut tx = self.store.begin().await?;
            outbox::give_back(&mut tx, &self.owner, &untried).await?;
            tx.commit().await?;
        }
        match (trouble, failed) {
            (Some(why), _) => Err(self.suspend(why).await?),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(untried.len()),
        }
    }

    /// Keeps letters that are under way from other daemons for another lease. Where that fails they go on all the same.
    async fn renew(&self, under_way: &[i64]) {
        let until = self.clock.now().plus_seconds(self.lease_seconds);
        if let Err(error) = outbox::renew(&self.store, &self.owner, under_way, until).await {
            tracing::warn!(%error, letters = under_way.len(), "letters under way could not be kept from other daemons");
        }
    }

    async fn send(&self, letter: &OutboxItem, raw: &[u8]) -> Verdict {
        let from = Some(self.desk.with(&token::verp(&self.keys.address, letter.id)));
        let envelope = Envelope { from, to: letter.recipient.clone() };
        self.transport.send(&envelope, raw).await
    }

    /// Records what became of a few letters together; if that fails for one of them, each alone, because what is not
    /// recorded is sent again.
    async fn record(&self, chunk: Vec<(OutboxItem, Verdict)>) -> Result<(), StepError> {
        if chunk.is_empty() {
            return Ok(());
        }
        let busy = match self.record_together(&chunk).await {
            Err(error) if chunk.len() > 1 && (is_of_one_letter(&error) || is_busy(&error)) => {
                tracing::warn!(%error, letters = chunk.len(), "verdicts could not be recorded together; recording each alone");
                is_busy(&error)
            }
            Err(error) => return self.fail_unalerted_or(&chunk, error).await,
            Ok(()) => return Ok(()),
        };
        // What the server took needs no study, and it is a study that cannot be written to now, unless it is the whole database.
        let is_taken = |(_, verdict): &(OutboxItem, Verdict)| busy && matches!(verdict, Verdict::Accepted(_));
        let (taken, rest): (Vec<_>, Vec<_>) = chunk.into_iter().partition(is_taken);
        if !taken.is_empty() {
            self.record_together(&taken).await?;
        }
        let mut failed = None;
        for one in &rest {
            let alone = std::slice::from_ref(one);
            if let Err(error) = self.record_together(alone).await
                && let Err(error) = self.fail_unalerted_or(alone, error).await
            {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// A letter whose failure cannot be told (the records contradict each other) has failed all the same: trying it again
    /// would not mend them.
    async fn fail_unalerted_or(&self, chunk: &[(OutboxItem, Verdict)], error: StepError) -> Result<(), StepError> {
        let [(letter, verdict)] = chunk else { return Err(error) };
        if matches!(error, StepError::Store(_) | StepError::Workflow(Failure::Store(_))) {
            return Err(error);
        }
        tracing::error!(letter = letter.id, %error, "a letter failed, and nobody could be told; look at `hagaki outbox list`");
        let (code, text) = match verdict {
            Verdict::Refused(reply) | Verdict::Deferred { reply: Some(reply), .. } => said(reply),
            _ => (0, "it was given up".to_string()),
        };
        let mut ledger = Ledger::begin(&self.shelf).await?;
        let said = outbox::Verdict { code, text: &text };
        outbox::record_failed(&mut ledger.tx, letter.id, &self.owner, self.clock.now(), said).await?;
        mask(&mut ledger, [letter]).await?;
        Ok(ledger.commit().await?)
    }

    /// Records what became of a few letters in one transaction, with the alerts that follow from it.
    async fn record_together(&self, chunk: &[(OutboxItem, Verdict)]) -> Result<(), StepError> {
        let now = self.clock.now();
        let mut ledger = Ledger::begin(&self.shelf).await?;
        let mut accepted: Vec<(i64, i64, String)> = Vec::new();
        for (letter, verdict) in chunk {
            match verdict {
                Verdict::Accepted(reply) => accepted.push((letter.id, i64::from(reply.code), bounded(&reply.text))),
                Verdict::Deferred { reply, .. } => {
                    let lost = || (0, LOST.to_string());
                    let (code, text) = reply.as_ref().map_or_else(lost, said);
                    self.retry(&mut ledger, letter, code, &text, now).await?;
                }
                Verdict::Unreachable { text, .. } => {
                    // No try of the letter's: the server is left alone, and the letter is due as soon as that is over,
                    // however long it takes. No letter fails because a server was away.
                    let said = outbox::Verdict { code: 0, text: &bounded(text) };
                    outbox::record_retry(&mut ledger.tx, letter.id, &self.owner, now, now, said).await?;
                }
                Verdict::Refused(reply) => {
                    let (code, text) = said(reply);
                    self.fail(&mut ledger, letter, outbox::Verdict { code, text: &text }, now).await?;
                }
            }
        }
        let sent: Vec<(i64, outbox::Verdict<'_>)> =
            accepted.iter().map(|(id, code, text)| (*id, outbox::Verdict { code: *code, text })).collect();
        outbox::record_sent_many(&mut ledger.tx, now, &sent).await?;
        let left = chunk.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Accepted(_)));
        let ways_in = left.clone().filter(|(letter, _)| letter.secret).map(|(letter, _)| letter.message_id.as_str());
        credential_wait::begin(&mut ledger.tx, now, &ways_in.collect::<Vec<_>>()).await?;
        mask(&mut ledger, left.map(|(letter, _)| letter)).await?;
        ledger.commit().await?;
        if !sent.is_empty() && self.away.swap(false, Ordering::Relaxed) {
            host::record_success(&self.store, &self.desk.mailbox).await?;
        }
        for (_, verdict) in chunk {
            metrics::counter!("hagaki_letters_total", "verdict" => word(verdict)).increment(1);
        }
        Ok(())
    }

    async fn retry(
        &self,
        ledger: &mut Ledger<'_>,
        letter: &OutboxItem,
        code: i64,
        text: &str,
        now: Instant,
    ) -> Result<(), StepError> {
        let tries = u32::try_from(letter.attempts).unwrap_or(u32::MAX);
        let said = outbox::Verdict { code, text };
        let begun = begun(&mut ledger.tx, letter, now).await?;
        match retry::letter(begun, tries, now, self.jitter()) {
            NextTry::At(at) => outbox::record_retry(&mut ledger.tx, letter.id, &self.owner, now, at, said).await?,
            NextTry::GiveUp => self.fail(ledger, letter, said, now).await?,
        }
        Ok(())
    }

    /// There will be no other attempt; whoever must know is told in the same transaction.
    async fn fail(
        &self,
        ledger: &mut Ledger<'_>,
        letter: &OutboxItem,
        said: outbox::Verdict<'_>,
        now: Instant,
    ) -> Result<(), StepError> {
        tracing::warn!(letter = letter.id, kind = letter.kind, code = said.code, "a letter failed for good");
        outbox::record_failed(&mut ledger.tx, letter.id, &self.owner, now, said).await?;
        mask(ledger, [letter]).await?;
        let means = Means { now, dice: &*self.dice, keys: &self.keys, desk: &self.desk };
        let status = outbox::status_of(said.code, said.text);
        addresses::count_refusal(&mut ledger.tx, means, &letter.recipient, &status).await?;
        report::alert(ledger, means, letter.id, &status).await?;
        // The alert is a letter too.
        self.bell.notify_one();
        Ok(())
    }

    /// Leaves the server alone for a while; gives the error that says so.
    async fn suspend(&self, why: String) -> Result<StepError, StepError> {
        let now = self.clock.now();
        let failures = host::find(&self.store, &self.desk.mailbox).await?.map_or(0, |row| row.failures) + 1;
        let pause = retry::host(u32::try_from(failures).unwrap_or(u32::MAX), self.jitter());
        let until = now.plus_seconds(i64::try_from(pause.as_secs()).unwrap_or(i64::MAX).max(1));
        host::record_failure(&self.store, &self.desk.mailbox, until).await?;
        self.away.store(true, Ordering::Relaxed);
        Ok(StepError::Away { seconds: pause.as_secs().max(1), why })
    }

    fn jitter(&self) -> Jitter {
        let mut bytes = [0; 4];
        self.dice.fill(&mut bytes);
        Jitter(u32::from_le_bytes(bytes))
    }
}

/// Numbers and Message-IDs of letters.
fn borrowed(named: &[(i64, String)]) -> Vec<(i64, &str)> {
    named.iter().map(|(id, message_id)| (*id, message_id.as_str())).collect()
}

/// What is said of a letter whose connection broke; it may be the letter's own fault.
const LOST: &str = "the connection was lost";

/// Whether somebody else holds what a record needs: it passes.
fn is_busy(error: &StepError) -> bool {
    matches!(error, StepError::Store(StoreError::Busy(_)) | StepError::Workflow(Failure::Store(StoreError::Busy(_))))
}

/// Since when a letter is tried: when it was written, unless it waited for days before a server said anything to it, or a person has it
/// tried anew. That a server was away, or a key missing, is no try of the letter's.
async fn begun(tx: &mut Tx, letter: &OutboxItem, now: Instant) -> Result<Instant, StoreError> {
    if now.seconds_since(letter.created_at) < limits::LETTER_AGE_SECONDS {
        return Ok(letter.created_at);
    }
    let (mut begun, mut later) = (now, letter.attempts);
    for attempt in outbox::list_attempts(tx, letter.id).await?.into_iter().rev() {
        // They are counted anew where a person has the letter tried again.
        if attempt.attempt >= later {
            break;
        }
        later = attempt.attempt;
        if attempt.code != 0 || attempt.text == LOST {
            begun = attempt.attempted_at;
        }
    }
    Ok(begun)
}

/// Takes the secrets out of letters that are sent no more, in the transaction that says so.
async fn mask<'a>(
    ledger: &mut Ledger<'_>,
    letters: impl IntoIterator<Item = &'a OutboxItem>,
) -> Result<(), StoreError> {
    let ids: Vec<i64> = letters.into_iter().filter(|letter| letter.secret).map(|letter| letter.id).collect();
    if ids.is_empty() { Ok(()) } else { outbox::mask(&mut ledger.tx, &ids).await }
}

/// Whether an error concerns one letter of several, and not the database.
fn is_of_one_letter(error: &StepError) -> bool {
    match error {
        StepError::Store(error) | StepError::Workflow(Failure::Store(error)) => {
            matches!(error, StoreError::LostLease { .. }) || !error.is_transient()
        }
        _ => true,
    }
}

/// Why a server is left alone, without what it says of a letter's reader.
fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Unreachable { text, .. } => bounded(text),
        Verdict::Deferred { reply: Some(reply), .. } | Verdict::Accepted(reply) | Verdict::Refused(reply) => {
            format!("it said {}", reply.code)
        }
        Verdict::Deferred { reply: None, .. } => LOST.to_string(),
    }
}

fn said(reply: &Reply) -> (i64, String) {
    (i64::from(reply.code), bounded(&reply.text))
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(limits::VERDICT_CHARS).collect()
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted(_) => "accepted",
        Verdict::Deferred { .. } => "deferred",
        Verdict::Refused(_) => "refused",
        Verdict::Unreachable { .. } => "unreachable",
    }
}
