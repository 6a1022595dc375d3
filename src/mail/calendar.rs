//! The calendar: the loop that writes what nobody asked for just now. What is due is the database's to say.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{Did, StepError};
use crate::domain::time::{Clock, Dice};
use crate::files::Files;
use crate::limits;
use crate::store::{Store, calendar, urn};
use crate::workflow::election::rounds;
use crate::workflow::ledger::Ledger;
use crate::workflow::planned;
use crate::workflow::shelf::{Shelf, ShelvedStudy};
use crate::workflow::{
    DeskAddress, Failure, Keys, Means, account_notices, begun, binding, calendar as daily, schedule, sign_in, uploads,
};

/// The loop.
pub struct Calendar {
    /// Where marks and letters lie.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For Message-IDs.
    pub dice: Arc<dyn Dice>,
    /// The studies.
    pub shelf: Arc<Shelf>,
    /// The installation's keys.
    pub keys: Arc<Keys>,
    /// The mailbox that letters leave from.
    pub desk: DeskAddress,
    /// How long to wait when nothing is due.
    pub interval: Duration,
    /// Where the files of answers lie.
    pub files: Arc<Files>,
    /// Rung when there are letters.
    pub dispatch_bells: Vec<Arc<Notify>>,
}

impl Calendar {
    /// Attends to the studies that are due. One that fails is logged and left for the next step; the others go on.
    ///
    /// # Errors
    /// The database, if no study could be attended to.
    pub async fn step(&mut self) -> Result<Did, StepError> {
        let (mut did, mut failed) = (Did::Nothing, None);
        // Nothing of a study is decided before.
        match binding::bind_all(&self.shelf, self.clock.now(), &*self.dice).await {
            Ok(0) => {}
            Ok(studies) => {
                tracing::info!(studies, "corrections that an earlier version recorded bind now");
                did = Did::Something;
            }
            Err(error) => {
                tracing::error!(%error, "corrections that an earlier version recorded could not be bound; it is tried again");
                failed = Some(error);
            }
        }
        // What a day brings is decided by the rules of that day.
        match planned::settle_due(&self.shelf, self.means()).await {
            Ok(true) => did = Did::Something,
            Ok(false) => {}
            Err(error) => failed = Some(error),
        }
        let due = calendar::due(&self.store, self.clock.now(), limits::CALENDAR_BATCH).await?;
        for id in due {
            match self.attend(id).await {
                Ok(true) => did = Did::Something,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(study = id, %error, "the day's work of a study failed; it is tried again");
                    failed = Some(error);
                }
            }
        }
        for (id, _) in urn::studies(&self.store).await? {
            match self.open_urn(id).await {
                Ok(true) => did = Did::Something,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(study = id, %error, "the sealed answers of a study could not be opened; they stay, and it is tried again");
                    failed = Some(error);
                }
            }
        }
        let mut sends_on = false;
        match Box::pin(schedule::step(&self.shelf, self.means())).await {
            Ok(stepped) => {
                did = if stepped.any { Did::Something } else { did };
                sends_on = stepped.more;
            }
            Err(error) => failed = Some(error),
        }
        match Box::pin(rounds::step(&self.shelf, self.means())).await {
            Ok(stepped) => {
                did = if stepped.any { Did::Something } else { did };
                sends_on |= stepped.more;
            }
            Err(error) => failed = Some(error),
        }
        match account_notices::step(&self.shelf, self.means()).await {
            Ok(true) => did = Did::Something,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "owners could not be told what was done about their accounts; it is tried again");
                failed = Some(error);
            }
        }
        match uploads::sweep(&self.store, &self.files, self.means()).await {
            Ok(any) => did = if any { Did::Something } else { did },
            Err(error) => {
                tracing::error!(%error, "files that nobody sent off could not be deleted; it is tried again");
                failed = Some(error);
            }
        }
        if let Err(error) = sign_in::sweep(&self.store, self.clock.now()).await {
            tracing::warn!(%error, "sessions that are over could not be taken away yet");
        }
        if let Err(error) = begun::forget_old(&self.store, self.clock.now()).await {
            tracing::warn!(%error, "forms that nobody went on with could not be forgotten yet");
        }
        // Nothing waits for it, and it is tried again at the next step. It goes through all of the outbox: in the middle of a mailing, whose
        // letters leave their links behind one after another, it is left for the end.
        if !sends_on && let Err(error) = self.store.wipe_traces().await {
            tracing::warn!(%error, "what was taken away could not be wiped yet");
        }
        if did == Did::Something {
            self.dispatch_bells.iter().for_each(|bell| bell.notify_one());
        }
        match failed {
            Some(error) if did == Did::Nothing => Err(error.into()),
            _ => Ok(did),
        }
    }

    fn means(&self) -> Means<'_> {
        Means { now: self.clock.now(), dice: &*self.dice, keys: &self.keys, desk: &self.desk }
    }

    async fn attend(&self, id: i64) -> Result<bool, Failure> {
        let shelved = self.shelf.find_by_id(id).await?;
        match self.attend_with(&shelved).await {
            // The witness must leave the house, if not in the study's own words.
            Err(Failure::Letter(why)) => self.attend_with(&self.shelf.plain(&shelved, &why)?).await,
            other => other,
        }
    }

    async fn open_urn(&self, id: i64) -> Result<bool, Failure> {
        let shelved = self.shelf.find_by_id(id).await?;
        crate::workflow::urn::attend(&self.shelf, &shelved, self.means()).await
    }

    async fn attend_with(&self, shelved: &ShelvedStudy) -> Result<bool, Failure> {
        let mut ledger = Ledger::begin(&self.shelf).await?;
        let did = daily::attend(&mut ledger, shelved, self.means()).await?;
        ledger.commit().await?;
        Ok(did)
    }

    /// Waits until something may be due.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.interval.max(Duration::from_secs(limits::CALENDAR_SECONDS))).await;
    }
}
