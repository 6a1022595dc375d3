//! `hagaki serve`: the daemon, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::installation::{runtime, settings};
use super::{End, Installation};
use crate::daemon::machine::{SystemClock, SystemDice};
use crate::daemon::{Daemon, logs};
use crate::settings::LogFormat;
use crate::store::study;
use crate::web::{self, health};

pub(super) fn run(installation: &Installation) -> anyhow::Result<End> {
    let settings = settings(installation)?;
    let format = match settings.logs.format {
        LogFormat::Text => logs::Format::Text,
        LogFormat::Json => logs::Format::Json,
    };
    logs::start(format, &settings.logs.level);
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let daemon = Daemon::build(&settings, Arc::new(SystemClock::default()), Arc::new(SystemDice)).await?;
        let studies = study::list(&daemon.store).await?.len();
        let listener = web::listen(settings.web.listen).await?;
        let address = listener.local_addr().context("the listener has no address")?;
        let mut pages = health::router(daemon.health());
        if let Some(own) = daemon.pages(&settings)? {
            pages = pages.merge(own);
        }
        let (stop, stopped) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate()).context("signals cannot be listened to")?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            tracing::info!("stopping: every loop finishes its step");
            // An error means that the daemon is gone already.
            let _ = stop.send(true);
        });
        tracing::info!(studies, mailboxes = settings.mailboxes.len(), %address, "hagaki runs");
        daemon.run(listener, pages, stopped).await;
        Ok(End::Done)
    });
    // A look-up of a host's name cannot be called off, and keeps nobody.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}
