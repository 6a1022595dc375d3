//! The intake loop: mailbox → inbox row. Decides nothing.
//!
//! One mailbox has one reader at a time, by a lease. A mail becomes a row, whole and durable, before anything else; it
//! is moved out of the mailbox only after its row was decided, in batches. A crash anywhere in between leaves a mail in
//! the mailbox that is already known, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::mailbox::{BackOff, Fetched, Folder, ItemKey, Mailbox, MailboxError, Position, Rang};
use super::{Did, StepError};
use crate::domain::time::{Clock, Dice};
use crate::limits;
use crate::store::inbox::{self, NewItem, State};
use crate::store::{Store, mailbox, study_key};

/// The intake of one mailbox.
pub struct Intake {
    /// Where rows are made.
    pub store: Store,
    /// When a mail was taken in.
    pub clock: Arc<dyn Clock>,
    /// Spreads reconnections.
    pub dice: Arc<dyn Dice>,
    /// Name of the mailbox, and of its rows.
    pub name: String,
    /// Where mails come from.
    pub mailbox: Mailbox,
    /// Name of this process in leases.
    pub owner: String,
    /// How long the mailbox is ours without a sign of life, in seconds.
    pub lease_seconds: i64,
    /// Longest wait for the doorbell.
    pub interval: Duration,
    /// Rung when a mail was taken in.
    pub desk_bell: Arc<Notify>,
    /// Rung when mails were decided and can be moved.
    pub filing_bell: Arc<Notify>,
    back_off: BackOff,
    position: Option<Position>,
    /// The epoch in which the mailbox was read to its end. Until then a place of another epoch may belong to a mail that
    /// lies there under a new one.
    settled: Option<u64>,
    ours: bool,
}

impl Intake {
    /// An intake that has done nothing yet.
    #[expect(clippy::too_many_arguments, reason = "they are the fields")]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
        name: String,
        mailbox: Mailbox,
        owner: String,
        lease_seconds: i64,
        interval: Duration,
        desk_bell: Arc<Notify>,
        filing_bell: Arc<Notify>,
    ) -> Intake {
        Intake {
            store,
            clock,
            dice,
            name,
            mailbox,
            owner,
            lease_seconds,
            interval,
            desk_bell,
            filing_bell,
            back_off: BackOff::default(),
            position: None,
            settled: None,
            ours: false,
        }
    }

    /// Moves decided mails away, then takes a batch of new ones in.
    ///
    /// # Errors
    /// The mailbox or the database; nothing is lost, and the next step begins anew.
    pub async fn step(&mut self) -> Result<Did, StepError> {
        let now = self.clock.now();
        self.ours = mailbox::claim(&self.store, &self.name, &self.owner, now, self.lease_seconds).await?.is_some();
        if !self.ours {
            self.position = None;
            self.settled = None;
            return Ok(Did::Nothing);
        }
        let filed = self.file().await;
        if let Err(error) = &filed
            && !is_about_filing(error)
        {
            return filed;
        }
        // A full or locked Processed keeps nobody's new mail waiting.
        let taken = self.take().await?;
        if taken == Did::Something && filed.is_err() {
            return Ok(taken);
        }
        let filed = filed?;
        self.back_off.succeeded();
        Ok(if filed == Did::Something || taken == Did::Something { Did::Something } else { Did::Nothing })
    }

    /// Waits for new mail, for decided mails to move, or for the interval.
    pub async fn wait(&mut self) {
        if !self.ours {
            tokio::time::sleep(self.interval).await;
            return;
        }
        // The lease must not run out while we listen.
        let lease = Duration::from_secs(u64::try_from(self.lease_seconds / 2).unwrap_or(1).max(1));
        let longest = self.interval.min(lease);
        match self.mailbox.doorbell_or(longest, self.filing_bell.notified()).await {
            Ok(Rang::Mail | Rang::Quiet | Rang::Called) => {}
            Err(error) => {
                tracing::warn!(mailbox = self.name, %error, "the doorbell is broken; connecting anew");
                tokio::time::sleep(self.back_off.failed(&error, &*self.dice)).await;
            }
        }
    }

    /// How long to leave the mailbox alone after a failed step.
    pub fn pause_after(&mut self, error: &StepError) -> Option<Duration> {
        match error {
            StepError::Mailbox(error) => Some(self.back_off.failed(error, &*self.dice)),
            _ => None,
        }
    }

    /// Gives the mailbox back, so that another daemon need not wait for the lease.
    pub async fn stop(&mut self) {
        if self.ours
            && let Err(error) = mailbox::release(&self.store, &self.name, &self.owner).await
        {
            tracing::warn!(mailbox = self.name, %error, "the mailbox could not be given back; its lease will run out");
        }
    }

    async fn file(&mut self) -> Result<Did, StepError> {
        let Some(settled) = self.settled else { return Ok(Did::Nothing) };
        let batch = i64::try_from(limits::MOVE_BATCH).unwrap_or(i64::MAX);
        let decided = inbox::unfiled(&self.store, &self.name, 0, batch).await?;
        if decided.is_empty() {
            return Ok(Did::Nothing);
        }
        let mut moves = Vec::with_capacity(decided.len());
        let (mut processed, mut quarantined) = (Vec::new(), Vec::new());
        for mail in &decided {
            let folder = match mail.state {
                State::Held => Folder::Quarantine,
                _ => Folder::Processed,
            };
            match folder {
                Folder::Processed => processed.push(mail.id),
                Folder::Quarantine => quarantined.push(mail.id),
            }
            if let Some(key) = ItemKey::parse(&mail.item_key) {
                moves.push((key, folder));
            }
        }
        if self.mailbox.file(&moves).await? != settled && matches!(self.mailbox, Mailbox::Imap(_)) {
            // The mails lie there under other numbers; they are looked at again before any counts as moved.
            self.settled = None;
            return Ok(Did::Something);
        }
        let mut tx = self.store.begin().await?;
        let now = self.clock.now();
        inbox::mark_filed(&mut tx, &processed, "Processed", now).await?;
        inbox::mark_filed(&mut tx, &quarantined, "Quarantine", now).await?;
        tx.commit().await?;
        Ok(Did::Something)
    }

    async fn take(&mut self) -> Result<Did, StepError> {
        if self.store.ring().is_empty() && study_key::any(&self.store).await? {
            // Whatever came in now would stand in the clear for ever.
            tracing::error!(
                mailbox = self.name,
                "there is no key file, but a study needs its key; mails stay in the mailbox"
            );
            return Ok(Did::Nothing);
        }
        let known = match self.position {
            Some(position) => position,
            None => self.stored_position().await?,
        };
        let fetched = self.mailbox.fetch(known, limits::INTAKE_BATCH).await?;
        let settled = (!fetched.more).then_some(fetched.position.epoch);
        let news = settled.is_some() && self.settled != settled;
        if fetched.items.is_empty() && fetched.position == known {
            self.position = Some(known);
            self.settled = settled;
            return Ok(if news { Did::Something } else { Did::Nothing });
        }
        let taken = self.store_items(known, &fetched).await?;
        self.position = Some(fetched.position);
        self.settled = settled;
        if taken > 0 {
            metrics::counter!("hagaki_mails_received_total", "mailbox" => self.name.clone()).increment(taken as u64);
            self.desk_bell.notify_one();
        }
        Ok(if taken > 0 || fetched.more || news { Did::Something } else { Did::Nothing })
    }

    async fn stored_position(&self) -> Result<Position, StepError> {
        // A Maildir begins a new epoch each time it is opened, so its stored position never matches and all is looked
        // at again; the rows' keys tell what is known.
        let row = mailbox::find(&self.store, &self.name).await?;
        Ok(row.map_or_else(Position::default, |row| Position {
            epoch: u64::try_from(row.uid_validity).unwrap_or_default(),
            last: u64::try_from(row.last_uid).unwrap_or_default(),
        }))
    }

    /// Epochs of mails that were not moved away before the mailbox began a new one (RFC 9051 section 2.3.1.1).
    async fn old_epochs(&self, known: Position, epoch: u64) -> Result<BTreeSet<u64>, StepError> {
        let mut epochs = BTreeSet::new();
        if !matches!(self.mailbox, Mailbox::Imap(_)) || self.settled == Some(epoch) {
            return Ok(epochs);
        }
        if known.epoch != 0 && known.epoch != epoch {
            tracing::warn!(mailbox = self.name, "UIDVALIDITY changed; looking at every mail again");
            epochs.insert(known.epoch);
        }
        let batch = i64::try_from(limits::MOVE_BATCH).unwrap_or(i64::MAX);
        for mail in inbox::unfiled(&self.store, &self.name, 0, batch).await? {
            if let Some(ItemKey::Imap { epoch: old, .. }) = ItemKey::parse(&mail.item_key)
                && u64::from(old) != epoch
            {
                epochs.insert(u64::from(old));
            }
        }
        Ok(epochs)
    }

    /// Makes rows of the items that are not known yet, and keeps the position with them; how many were new.
    async fn store_items(&self, known: Position, fetched: &Fetched) -> Result<usize, StepError> {
        let digests: Vec<[u8; 32]> = fetched.items.iter().map(|item| Sha256::digest(&item.bytes).into()).collect();
        let keys: Vec<String> = fetched.items.iter().map(|item| item.key.to_string()).collect();
        let now = self.clock.now();
        let old_epochs = self.old_epochs(known, fetched.position.epoch).await?;
        let mut tx = self.store.begin().await?;
        let mut moved = vec![false; keys.len()];
        for epoch in old_epochs {
            // A mail that still lies here under its old number is not a second delivery: it gets its new number.
            let left: Vec<usize> = (0..keys.len()).filter(|place| !moved[*place]).collect();
            let places: Vec<_> = left.iter().map(|place| (digests[*place], keys[*place].clone())).collect();
            let found = inbox::rekey(&mut tx, &self.name, &format!("{epoch}:"), &places).await?;
            left.iter().zip(found).for_each(|(place, found)| moved[*place] = found);
        }
        let fresh: Vec<NewItem<'_>> = fetched
            .items
            .iter()
            .enumerate()
            .filter(|(place, _)| !moved.get(*place).copied().unwrap_or(false))
            .map(|(place, item)| NewItem {
                mailbox: &self.name,
                item_key: &keys[place],
                raw_digest: digests[place],
                raw: &item.bytes,
                size: i64::try_from(item.size).unwrap_or(i64::MAX),
                received_at: now,
            })
            .collect();
        let taken = inbox::insert_many(&mut tx, &fresh).await?.len();
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        mailbox::save_position(&mut tx, &self.name, signed(fetched.position.epoch), signed(fetched.position.last))
            .await?;
        tx.commit().await?;
        Ok(taken)
    }
}

/// Whether the mailbox works, and only what was asked of it is refused.
fn is_about_filing(error: &StepError) -> bool {
    use MailboxError::{File, Folder, Refused};
    matches!(error, StepError::Mailbox(Refused { .. } | Folder { .. } | File { .. }))
}

impl From<MailboxError> for StepError {
    fn from(error: MailboxError) -> StepError {
        StepError::Mailbox(error)
    }
}
