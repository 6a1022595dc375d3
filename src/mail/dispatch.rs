//! The two dispatch loops of a mailbox: outbox row → transport → verdict.
//!
//! One sends what somebody waits for, the other mailings ([`Lane`]); each claims for itself, has connections of its own, and leaves the
//! server alone for itself. So nothing that happens to a letter of a mailing, however long the server is silent over it, keeps an
//! assignment waiting.
//!
//! A letter is claimed with a lease and its attempt counted before the attempt is made, so that a letter which crashes
//! the sender cannot loop for ever. A crash between the server's 250 and the record sends the same bytes, with the same
//! Message-ID, once more, and so does a database that cannot be written to for longer than a claim lasts; there is no other way in which
//! a letter arrives twice. When the server is away, the server is left alone, and no letter fails for it.
//!
//! Letters that somebody waits for go by their urgency ([`Urgency`](crate::domain::urgency::Urgency)), and are looked for every few
//! seconds while others are under way. Letters of mailings are claimed study by study in turn, and may be bounded in how fast they
//! leave ([`throttle`](crate::domain::throttle)), by the operator or, for a while, by what servers said
//! ([`slowing`](crate::domain::slowing)): what has to wait for that was not tried.

mod pace;
mod record;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::sync::{Notify, mpsc};

use super::transport::{Envelope, Scope, Transport, Verdict};
use super::{Did, StepError};
use crate::domain::retry::{self, Jitter};
use crate::domain::schedule::Letter;
use crate::domain::slowing::{Place, Sign, Slowing};
use crate::domain::throttle::{Accounts, Throttle, Wait, domain_of};
use crate::domain::time::{Clock, Dice, Instant};
use crate::domain::token;
use crate::domain::urgency::Lane;
use crate::limits;
use crate::store::outbox::{self, OutboxItem, Turn};
use crate::store::{Store, StoreError, host, throttle};
use crate::workflow::election::waiting;
use crate::workflow::schedule::Looked;
use crate::workflow::shelf::Shelf;
use crate::workflow::{DeskAddress, Keys, Means, outdated, schedule, unwanted};
pub use pace::Pace;
use pace::UnderWay;
use record::{LOST, bounded, is_busy};

/// Why a letter was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsent {
    /// There was no time for it, or the server is away.
    Late,
    /// Letters come too fast for its domain.
    TooFast,
}

/// By what it is known that the server of a mailbox is left alone for letters of that sort: what fails for a mailing says nothing to an
/// assignment, which finds out for itself. No name of a mailbox has this sign.
pub fn host_of(mailbox: &str, lane: Lane) -> String {
    match lane {
        Lane::Awaited => mailbox.to_owned(),
        Lane::Mailings => format!("{mailbox}/mailings"),
    }
}

/// The dispatch of one mailbox's letters of one sort.
pub struct Dispatch {
    /// Which letters it sends.
    pub lane: Lane,
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
    /// What carries them, by connections that the other sort does not use up.
    pub transport: Transport,
    /// Its name in leases: of this process, and another for each sort.
    pub owner: String,
    /// How long a claimed letter is ours, in seconds.
    pub lease_seconds: i64,
    /// Longest wait for the doorbell.
    pub interval: Duration,
    /// Rung when a letter was written.
    pub bell: Arc<Notify>,
    /// The bell of what somebody waits for: rung when it is told that a letter failed.
    pub alert_bell: Arc<Notify>,
    /// Whether the server was away when it was last tried, as far as this process knows; true at first.
    pub away: AtomicBool,
    /// When the server last took a letter of this sort, in microseconds, as far as this process knows; 0 at first.
    pub taken_at: AtomicI64,
    /// How fast letters may leave.
    pub throttle: Throttle,
    /// How much slower servers want it for now; both sorts of a mailbox hear it.
    pub slowing: Arc<Mutex<Slowing>>,
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
        if let Some(away) = host::find(&self.store, &self.host()).await?
            && away.suspended_until > now
        {
            let seconds = u64::try_from(away.suspended_until.seconds_since(now)).unwrap_or_default() + 1;
            return Err(StepError::Away { seconds, why: "it did not take letters".to_string() });
        }
        let (mailbox, most) = (&self.desk.mailbox, self.pace.batch());
        let claimed = match self.lane {
            Lane::Awaited => outbox::claim(&self.store, mailbox, &self.owner, now, self.lease_seconds, most).await?,
            Lane::Mailings => self.claim_mass(now).await?,
        };
        if claimed.is_empty() {
            return Ok(Did::Nothing);
        }
        let (claimed, locked) = claimed.into_iter().partition(|letter| letter.raw.is_ok());
        self.put_off(locked).await?;
        let means = self.means(now);
        let certain = |letter: &&OutboxItem| !may_end(letter, now) && !waiting::is_doubtful(letter, means);
        let certain: Vec<i64> = claimed.iter().filter(certain).map(|letter| letter.id).collect();
        let claimed = match self.ready(claimed, now).await {
            Ok(claimed) => claimed,
            Err(error) => {
                // Nothing was sent yet. What nobody has to look at leaves with the next step; the others stay claimed for a while, so that
                // they do not stand in its way again.
                self.give_back(&certain).await;
                return Err(error);
            }
        };
        let many = claimed.len();
        let left_over = self.send_all(claimed, now).await?;
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
        let bounds = self.slowing().bounds(&self.throttle, now);
        if !studies.is_empty() && bounds.per_minute.is_some() {
            let used = throttle::list(&self.store, mailbox).await?;
            let room = Accounts::new(&bounds, now, used).room().unwrap_or(left);
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
    async fn within_bounds(&mut self, claimed: Vec<OutboxItem>, now: Instant) -> Result<Vec<OutboxItem>, StoreError> {
        let bounds = self.slowing().bounds(&self.throttle, now);
        if bounds.is_none() || claimed.is_empty() {
            return Ok(claimed);
        }
        let mailbox = &self.desk.mailbox;
        let mut tx = self.store.begin().await?;
        let used = throttle::lock(&mut tx, mailbox, now).await?;
        let mut accounts = Accounts::new(&bounds, now, used);
        let (mut leave, mut back, mut later) = (Vec::with_capacity(claimed.len()), Vec::new(), Vec::new());
        self.pace.forget(now);
        for letter in claimed {
            if self.lane == Lane::Awaited {
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
                    later.push((letter.id, self.pace.due_behind_others(&letter, until, apart, now)));
                }
            }
        }
        outbox::give_back(&mut tx, &self.owner, &back).await?;
        outbox::put_off(&mut tx, &self.owner, &later).await?;
        throttle::save(&mut tx, mailbox, now, &accounts.changed()).await?;
        tx.commit().await?;
        Ok(leave)
    }

    /// Those that are still wanted and may leave now.
    async fn ready(&mut self, claimed: Vec<OutboxItem>, now: Instant) -> Result<Vec<OutboxItem>, StepError> {
        let wanted = self.still_wanted(claimed, now).await?;
        Ok(self.within_bounds(wanted, now).await?)
    }

    fn means(&self, now: Instant) -> Means<'_> {
        Means { now, dice: &*self.dice, keys: &self.keys, desk: &self.desk }
    }

    /// Gives letters back that were not begun. Where that fails, they are due again when their lease has run out.
    async fn give_back(&self, ids: &[i64]) {
        let giving = async {
            let mut tx = self.store.begin().await?;
            outbox::give_back(&mut tx, &self.owner, ids).await?;
            tx.commit().await
        };
        if let Err(error) = giving.await {
            tracing::warn!(%error, letters = ids.len(), "claimed letters could not be given back; they wait for the end of their lease");
        }
    }

    /// Leaves out letters of schedules that waited for long and whose reason is over: whoever answered meanwhile is not reminded. Where
    /// that cannot be told now they wait, for what is known may change. Nor do letters of commands leave to whoever was taken out meanwhile,
    /// or wants no more; and what is sealed for a key of before gives way to a letter that says so.
    async fn still_wanted(&self, claimed: Vec<OutboxItem>, now: Instant) -> Result<Vec<OutboxItem>, StepError> {
        let may_end = |letter: &&OutboxItem| may_end(letter, now);
        let means = self.means(now);
        let named = |letter: &OutboxItem| (letter.id, letter.message_id.clone());
        let doubtful: Vec<(i64, String)> = claimed.iter().filter(may_end).map(named).collect();
        let of_voters: Vec<&OutboxItem> = claimed.iter().filter(|letter| waiting::is_doubtful(letter, means)).collect();
        let of_cases = claimed.iter().any(|letter| outdated::is_doubtful(letter, now));
        if doubtful.is_empty() && of_voters.is_empty() && !of_cases {
            return Ok(claimed);
        }
        let mut looked = Looked::default();
        if !doubtful.is_empty() {
            looked = Box::pin(schedule::drop_stopped(&self.shelf, means, &borrowed(&doubtful))).await?;
            let by_command = |letter: &&OutboxItem| {
                let asks = matches!(Letter::find(&letter.kind), Some(Letter::Invitation | Letter::Reminder));
                asks && self.lane == Lane::Mailings
                    && letter.inbox_id.is_none()
                    && !looked.of_rules.contains(&letter.message_id)
            };
            let written: Vec<&OutboxItem> = claimed.iter().filter(may_end).filter(by_command).collect();
            let own = Box::pin(unwanted::drop_unwanted(&self.store, means, &self.owner, &written)).await?;
            looked.ended.extend(own);
        }
        if !of_voters.is_empty() {
            let own = Box::pin(waiting::erase_unwanted(&self.shelf, means, &of_voters)).await?;
            looked.ended.extend(own.ended);
            looked.undecided.extend(own.undecided);
        }
        if of_cases {
            let waited: Vec<&OutboxItem> = claimed.iter().filter(|letter| outdated::is_doubtful(letter, now)).collect();
            let own = Box::pin(outdated::replace(&self.shelf, means, &self.owner, &waited)).await?;
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

    fn slowing(&self) -> MutexGuard<'_, Slowing> {
        self.slowing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears what a verdict says of the pace.
    fn hear(&self, letter: &OutboxItem, verdict: &Verdict) {
        let domain = domain_of(&letter.recipient);
        let (place, sign) = match verdict {
            Verdict::Accepted(_) => return self.slowing().taken(&domain),
            Verdict::Deferred { reply: Some(reply), scope: Scope::Host, .. } => {
                (Place::Server, Sign::of_server(reply.enhanced()))
            }
            Verdict::Deferred { reply: Some(reply), scope: Scope::Letter, .. } => {
                (Place::Domain(&domain), Sign::of_letter(reply.enhanced()))
            }
            Verdict::Deferred { reply: None, .. } | Verdict::Refused(_) | Verdict::Unreachable { .. } => return,
        };
        let slowed = self.slowing().put_off(place, sign, &self.throttle, self.clock.now());
        if let Some(per_minute) = slowed {
            let mailbox = &self.desk.mailbox;
            let to = if place == Place::Server { "all domains" } else { domain.as_str() };
            tracing::warn!(
                mailbox,
                to,
                per_minute,
                "letters come too fast for a server; mailings leave more slowly for a while"
            );
        }
    }

    /// By what it is known that the server is left alone for letters of this sort.
    fn host(&self) -> String {
        host_of(&self.desk.mailbox, self.lane)
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
    /// Letters are no longer begun once the server is seen to be away, or after a few seconds, or when half of their lease is over: they
    /// are given back, so that nobody else sends what we still might, and what is more urgent by now goes first. Gives the number of
    /// these. Given back as well are letters of mailings for which a server has just said that they come too fast. Those over which the
    /// server takes its time stay ours for as long.
    async fn send_all(&self, claimed: Vec<OutboxItem>, claimed_at: Instant) -> Result<usize, StepError> {
        let width = self.transport.width().max(1);
        let under_way = &UnderWay::default();
        let away = &AtomicBool::new(false);
        // To see whether they are still wanted may have taken long, where somebody held a study.
        let half = claimed_at.plus_seconds(self.lease_seconds / 2);
        let deadline = self.clock.now().plus_seconds(limits::DISPATCH_STEP_SECONDS).min(half);
        let changes = self.slowing().changes();
        let too_fast = move |letter: &OutboxItem| {
            self.lane == Lane::Mailings && self.slowing().changed_after(&domain_of(&letter.recipient), changes)
        };
        let (done, mut finished) = mpsc::channel(limits::VERDICT_BATCH);
        let sends = stream::iter(claimed.into_iter().map(|letter| async move {
            if away.load(Ordering::Relaxed) || self.clock.now() >= deadline {
                return (letter, Err(Unsent::Late));
            }
            if too_fast(&letter) {
                return (letter, Err(Unsent::TooFast));
            }
            let Ok(raw) = &letter.raw else { return (letter, Err(Unsent::Late)) };
            under_way.begin(letter.id);
            let verdict = self.send(&letter, raw).await;
            self.hear(&letter, &verdict);
            if verdict.suspends_host() {
                away.store(true, Ordering::Relaxed);
            }
            (letter, Ok(verdict))
        }));
        let sending = async move {
            let mut sent = sends.buffer_unordered(width);
            while let Some(outcome) = sent.next().await {
                done.send(outcome).await.expect("the receiver outlives this: both are dropped together");
            }
            Ok::<(), StepError>(())
        };
        let recording = async {
            let (mut trouble, mut untried, mut late, mut failed) = (None, Vec::new(), 0, None);
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
                    return Ok::<_, StepError>((trouble, (untried, late), failed));
                }
                let mut judged = Vec::with_capacity(chunk.len());
                for (letter, verdict) in chunk {
                    under_way.end(letter.id);
                    let verdict = match verdict {
                        Ok(verdict) => verdict,
                        Err(why) => {
                            late += usize::from(why == Unsent::Late);
                            untried.push(letter.id);
                            continue;
                        }
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
        let ((), (trouble, (untried, late), failed)) = futures::try_join!(sending, recording)?;
        if !untried.is_empty() {
            let mut tx = self.store.begin().await?;
            outbox::give_back(&mut tx, &self.owner, &untried).await?;
            tx.commit().await?;
        }
        match (trouble, failed) {
            (Some(why), _) => Err(self.suspend(why).await?),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(late),
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

    /// Leaves the server alone for a while; gives the error that says so.
    async fn suspend(&self, why: String) -> Result<StepError, StepError> {
        let now = self.clock.now();
        let failures = host::find(&self.store, &self.host()).await?.map_or(0, |row| row.failures) + 1;
        let pause = retry::host(u32::try_from(failures).unwrap_or(u32::MAX), self.jitter());
        let until = now.plus_seconds(i64::try_from(pause.as_secs()).unwrap_or(i64::MAX).max(1));
        host::record_failure(&self.store, &self.host(), until).await?;
        self.away.store(true, Ordering::Relaxed);
        Ok(StepError::Away { seconds: pause.as_secs().max(1), why })
    }

    fn jitter(&self) -> Jitter {
        let mut bytes = [0; 4];
        self.dice.fill(&mut bytes);
        Jitter(u32::from_le_bytes(bytes))
    }
}

/// Whether a letter is of a kind that schedules write, and waited for so long that its reason may be over.
fn may_end(letter: &OutboxItem, now: Instant) -> bool {
    Letter::find(&letter.kind).is_some() && now.seconds_since(letter.created_at) > limits::SCHEDULE_FRESH_SECONDS
}

/// Numbers and Message-IDs of letters.
fn borrowed(named: &[(i64, String)]) -> Vec<(i64, &str)> {
    named.iter().map(|(id, message_id)| (*id, message_id.as_str())).collect()
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
