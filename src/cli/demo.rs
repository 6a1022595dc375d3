//! `hagaki demo`: the whole exchange without any server. A scratch folder, the sample studies, sample mails dropped into a
//! mailbox folder, the daemon on SQLite, and a page to write more.
//!
//! The demonstration is an installation like any other: its `hagaki.toml` lies in its folder, and every command works on
//! it. Only the border is played: mails are dropped with the Authentication-Results that a real one would write.

mod mails;
mod show;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::End;
use super::installation::runtime;
use crate::daemon::machine::{SystemClock, SystemDice};
use crate::daemon::run::open_store;
use crate::daemon::{Daemon, logs};
use crate::definition::{self, samples};
use crate::domain::study::{Stage, Study};
use crate::domain::time::{Clock, Dice, Zone};
use crate::letters::opened;
use crate::mail::mailbox::maildir;
use crate::settings::Settings;
use crate::store::inbox::{InboxRow, State};
use crate::store::outbox::OutboxRow;
use crate::store::{Store, inbox, outbox};
use crate::web::post_office::{PostOffice, Written};
use crate::web::{self, health};
use crate::workflow::life::{self, Act};
use mails::SampleMail;

/// Arguments of `hagaki demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Print the exchange of the sample mails and leave.
    #[arg(long)]
    once: bool,
    /// Folder of the demonstration, absent or empty; else one is made among the temporary files.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Port of the post office on loopback; else a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// Service address of the demonstration.
const ADDRESS: &str = "reg@example.jp";
/// How long one sample mail may take before the demonstration says that something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(args: DemoArgs) -> anyhow::Result<End> {
    logs::start(logs::Format::Text, "warn");
    let dir = folder(args.dir.as_deref())?;
    let settings = install(&dir)?;
    runtime()?.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let dice: Arc<dyn Dice> = Arc::new(SystemDice);
        let studies = activate(&settings, &*clock, &*dice).await?;
        let daemon = Daemon::build(&settings, Arc::clone(&clock), Arc::clone(&dice)).await?;
        let store = daemon.store.clone();
        let inbox_folder = dir.join("mailbox");
        let office = office(&daemon, &studies, &inbox_folder, &clock, &dice)?;
        let listener = web::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, args.port))).await?;
        let address = listener.local_addr().context("the listener has no address")?;
        let pages = health::router(daemon.health()).merge(office.router());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(daemon.run(listener, pages, stopped));
        show::opening(&dir, &inbox_folder, &studies);
        let shown = exchange(&store, &inbox_folder, &studies, &*clock).await;
        if let Err(error) = shown {
            let _ = stop.send(true);
            running.await.context("the daemon ended badly")??;
            return Err(error);
        }
        if !args.once {
            show::invitation(&dir, &inbox_folder, address);
            let mut terminate = signal(SignalKind::terminate()).context("signals cannot be listened to")?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            println!("\nStopping. The folder stays: {}", dir.display());
        }
        let _ = stop.send(true);
        running.await.context("the daemon ended badly")??;
        Ok(End::Done)
    })
}

/// The folder of the demonstration, made; one that holds something is refused.
fn folder(wanted: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = match wanted {
        Some(dir) => dir.to_path_buf(),
        None => {
            let mut bytes = [0; 4];
            SystemDice.fill(&mut bytes);
            std::env::temp_dir().join(format!("hagaki-demo-{}", data_encoding::HEXLOWER.encode(&bytes)))
        }
    };
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty; name a new folder with --dir", dir.display());
    }
    std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    dir.canonicalize().with_context(|| format!("{} cannot be found", dir.display()))
}

/// Writes the operator's files of the demonstration and reads them back as any command would.
fn install(dir: &Path) -> anyhow::Result<Settings> {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        let parent = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("{} cannot be written", path.display()))
    };
    write("hagaki.toml", include_str!("../../config/demo/hagaki.toml"))?;
    write("mailboxes/demo/mailbox.toml", include_str!("../../config/demo/mailbox.toml"))?;
    maildir::create(&dir.join("mailbox")).context("the mailbox folder cannot be made")?;
    maildir::create(&dir.join("letters")).context("the letters' folder cannot be made")?;
    Settings::load(&dir.join("hagaki.toml")).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the demonstration's own files are broken:\n{}", lines.join("\n"))
    })
}

async fn activate(settings: &Settings, clock: &dyn Clock, dice: &dyn Dice) -> anyhow::Result<Vec<Study>> {
    let store = open_store(settings).await?;
    let mut studies = Vec::new();
    for bundle in samples::all() {
        let (study, _) = definition::load(&bundle)
            .map_err(|problems| anyhow::anyhow!("a sample study is broken: {}", problems[0]))?;
        let act = Act { actor: "demo", at: clock.now(), reason: "demonstration" };
        let done = life::activate(&store, &bundle, &study, Stage::Production, act, dice).await?;
        show::activated(&study, &done);
        studies.push(study);
    }
    store.close().await;
    Ok(studies)
}

fn office(
    daemon: &Daemon,
    studies: &[Study],
    inbox_folder: &Path,
    clock: &Arc<dyn Clock>,
    dice: &Arc<dyn Dice>,
) -> anyhow::Result<PostOffice> {
    let (folder, at) = (inbox_folder.to_path_buf(), Arc::clone(clock));
    let deliver = Arc::new(move |written: Written| {
        let now = at.now();
        let mail = mails::from_visitor(&written, now);
        maildir::deliver(&folder, now, &mail).map(drop)
    });
    let mut bytes = [0; 16];
    dice.fill(&mut bytes);
    let (today, zone) = (clock.now(), Zone::find("Asia/Tokyo").unwrap_or(Zone::UTC));
    let office = PostOffice::new(
        daemon.store.clone(),
        ADDRESS.to_string(),
        inbox_folder.display().to_string(),
        mails::writers(studies),
        mails::samples(studies, today, zone)?,
        zone,
        deliver,
        data_encoding::HEXLOWER.encode(&bytes),
    );
    office.context("the post office page is broken")
}

/// Drops the sample mails one after another and shows what comes of each.
async fn exchange(store: &Store, inbox_folder: &Path, studies: &[Study], clock: &dyn Clock) -> anyhow::Result<()> {
    for (place, sample) in mails::all()?.iter().enumerate() {
        let now = clock.now();
        let (mail, letters) = one(store, inbox_folder, &sample.encode(now), clock).await?;
        show::exchange(place + 1, sample, now, &mail, &letters);
        if let Some(token_address) = letters.iter().find_map(|(row, letter)| confirm_address(row, letter)) {
            let reply = SampleMail::confirmation(sample, &letters[0].1.subject);
            let (mail, letters) =
                one(store, inbox_folder, &reply.encode_to(&token_address, clock.now()), clock).await?;
            show::exchange(place + 1, &reply, clock.now(), &mail, &letters);
        }
    }
    show::summary(store, studies).await
}

/// Where a reply to this letter goes, if it asks for a confirmation.
fn confirm_address(row: &OutboxRow, letter: &opened::Opened) -> Option<String> {
    (row.kind == "confirm").then(|| letter.reply_to.clone()).flatten()
}

type Answered = (InboxRow, Vec<(OutboxRow, opened::Opened)>);

/// Drops one mail and waits until it is decided and its letters have left.
async fn one(store: &Store, inbox_folder: &Path, raw: &[u8], clock: &dyn Clock) -> anyhow::Result<Answered> {
    let before = newest(store).await?;
    maildir::deliver(inbox_folder, clock.now(), raw).context("the mail cannot be put into the mailbox")?;
    let waiting = async {
        loop {
            let mail = inbox::list(store, inbox::Which::All, None, 1).await?.into_iter().next();
            if let Some(mail) = mail.filter(|mail| mail.id > before && mail.state != State::New) {
                let rows = outbox::find_by_inbox(store, mail.id).await?;
                if rows.iter().all(|letter| letter.state != outbox::State::Waiting) {
                    let mut letters = Vec::new();
                    for row in rows {
                        let raw = outbox::find_raw(store, row.id).await?.unwrap_or_default();
                        letters.push((row, opened::open(&raw)));
                    }
                    return Ok::<_, anyhow::Error>((mail, letters));
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.context("a sample mail was not answered in time")?
}

async fn newest(store: &Store) -> anyhow::Result<i64> {
    Ok(inbox::list(store, inbox::Which::All, None, 1).await?.first().map_or(0, |mail| mail.id))
}
