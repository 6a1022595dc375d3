//! What every command on an installation needs: its settings, its store, the clock, the dice, and whose name acts are
//! recorded under.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio::runtime::{Builder, Runtime};

use super::{Installation, Refused, operator};
use crate::daemon::machine::{SystemClock, SystemDice};
use crate::daemon::run::{desk_address, keys, open_store};
use crate::domain::study::Stage;
use crate::domain::time::{Clock, Instant};
use crate::limits;
use crate::settings::Settings;
use crate::store::{Store, study};
use crate::workflow::life::Refusal;
use crate::workflow::shelf::{Shelf, ShelvedStudy};
use crate::workflow::{DeskAddress, Keys, Means, binding};

/// An installation opened by a command.
pub(super) struct Opened {
    pub(super) runtime: Runtime,
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) clock: Arc<SystemClock>,
    pub(super) dice: Arc<SystemDice>,
    /// Who acts, as the system knows them: `operator:NAME`.
    pub(super) actor: String,
}

/// What a command writes letters with.
pub(super) struct Pen {
    keys: Keys,
    desk: DeskAddress,
}

impl Pen {
    /// The means of an act now.
    pub(super) fn means<'a>(&'a self, opened: &'a Opened) -> Means<'a> {
        Means { now: opened.now(), dice: &*opened.dice, keys: &self.keys, desk: &self.desk }
    }
}

/// The operator's file, or every problem of it in one error.
pub(super) fn settings(installation: &Installation) -> anyhow::Result<Settings> {
    Settings::load(&installation.config).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the installation cannot be used:\n{}", lines.join("\n"))
    })
}

/// A runtime for one command.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    // Each thread keeps memory of its own: a few are enough for what blocks.
    let few = Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(limits::WORKER_STACK_BYTES)
        .max_blocking_threads(limits::BLOCKING_THREADS)
        .build();
    few.context("the system gives no threads")
}

impl Opened {
    /// Opens the installation's settings and store.
    pub(super) fn open(installation: &Installation) -> anyhow::Result<Opened> {
        let settings = settings(installation)?;
        let runtime = runtime()?;
        let store = runtime.block_on(open_store(&settings))?;
        let (clock, dice) = (Arc::new(SystemClock::default()), Arc::new(SystemDice));
        let shelf = Shelf::new(store.clone());
        if let Err(error) = runtime.block_on(binding::bind_all(&shelf, clock.now(), &*dice)) {
            tracing::warn!(%error, "corrections that an earlier version recorded could not be bound");
        }
        Ok(Opened { runtime, settings, store, clock, dice, actor: operator::actor() })
    }

    /// What letters are written with; fails where no mailbox is configured.
    pub(super) fn pen(&self) -> anyhow::Result<Pen> {
        let keys = self.runtime.block_on(keys(&self.store, &*self.dice))?;
        let mailbox = self.settings.mailboxes.first().ok_or_else(|| anyhow!("no mailbox is configured"))?;
        Ok(Pen { keys, desk: desk_address(mailbox, &self.settings.web) })
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The current study of a slug, with its definition; refused if there is none.
    pub(super) fn study(&self, slug: &str) -> anyhow::Result<ShelvedStudy> {
        self.study_at(slug, None)
    }

    /// The study of a slug at that stage, or the current one; refused if there is none.
    pub(super) fn study_at(&self, slug: &str, stage: Option<Stage>) -> anyhow::Result<ShelvedStudy> {
        self.runtime.block_on(async {
            let found = match stage {
                Some(stage) => study::find(&self.store, slug, stage).await?,
                None => study::find_current(&self.store, slug).await?,
            };
            let Some(row) = found else {
                return Err(Refused(Refusal::Unknown(slug.to_string()).to_string()).into());
            };
            Ok(Shelf::new(self.store.clone()).load(&row).await?)
        })
    }
}
