//! `hagaki demo`: the whole exchange without any server. A scratch folder, the sample studies, sample mails dropped into a
//! mailbox folder, the daemon on SQLite, and a page to write more.
//!
//! The demonstration is an installation like any other: its `hagaki.toml` lies in its folder, and every command works on
//! it. Only the border is played: mails get the Authentication-Results that a real one would write.

mod border;
mod election;
mod mails;
mod show;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::installation::runtime;
use super::{End, Refused};
use crate::daemon::machine::{SystemClock, SystemDice};
use crate::daemon::run::{desk_address, open_store};
use crate::daemon::{Daemon, logs};
use crate::definition::csv_file::Charset;
use crate::definition::participants_file;
use crate::definition::{self, samples};
use crate::domain::language::Language;
use crate::domain::participant::Candidate;
use crate::domain::study::{Stage, Study};
use crate::domain::survey::Access;
use crate::domain::time::{Clock, Dice, Zone};
use crate::letters::opened;
use crate::limits;
use crate::mail::mailbox::maildir;
use crate::settings::Settings;
use crate::store::inbox::{InboxRow, State};
use crate::store::outbox::OutboxRow;
use crate::store::{Store, inbox, outbox, study};
use crate::web::guard;
use crate::web::health;
use crate::web::post_office::{PostOffice, Rooms, Written};
use crate::workflow::Means;
use crate::workflow::accounts;
use crate::workflow::credentials::{self, Form, Terms};
use crate::workflow::life::{self, Act};
use border::Border;
use mails::SampleMail;
use show::say;

/// Arguments of `hagaki demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Print the exchange of the sample mails and leave; fails if one does not come out as it should.
    #[arg(long)]
    once: bool,
    /// Folder of the demonstration, absent or empty; else one is made among the temporary files.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Port of the post office on loopback, 0 for a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// Service address of the demonstration.
const ADDRESS: &str = "reg@example.jp";
/// Name of the border's mail server, as `config/demo/mailbox.toml` trusts it.
const AUTHSERV_ID: &str = "mx.example.jp";
/// What comes of a mail that asks for a fresh link.
const LINK: &str = "reply link";
/// Who acts in the audit chains of the demonstration.
const DESK: &str = "demo";
/// Somebody's address, and where they answer or vote.
type Demonstrated = (String, String);
/// How long one sample mail may take before the demonstration says that something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(args: DemoArgs) -> anyhow::Result<End> {
    logs::start(logs::Format::Text, "warn");
    // Before anything is written: a taken port must leave nothing behind.
    let listener = listen(args.port)?;
    let dir = folder(args.dir.as_deref())?;
    let port = listener.local_addr().context("the listener has no address")?.port();
    let settings = install(&dir, port)?;
    runtime()?.block_on(async {
        let listener = TcpListener::from_std(listener).context("the listener cannot be used")?;
        let address = listener.local_addr().context("the listener has no address")?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let dice: Arc<dyn Dice> = Arc::new(SystemDice);
        let studies = activate(&settings, &*clock, &*dice).await?;
        let daemon = Daemon::build(&settings, Arc::clone(&clock), Arc::clone(&dice)).await?;
        let store = daemon.store.clone();
        let invited = invite(&daemon, &settings, &studies, &*clock, &*dice).await?;
        let voters = elect(&daemon, &settings, &studies, &*clock, &*dice).await?;
        let mailbox = dir.join("mailbox");
        let mut border = Border::new(&dir, &mailbox).context("the folder `drop` cannot be made")?;
        let office = office(&daemon, &studies, &mailbox, border.folder(), &clock, &dice)?;
        let mut pages = health::router(daemon.health()).merge(office.router());
        if let Some(own) = daemon.pages(&settings)? {
            pages = pages.merge(own);
        }
        let pages = guard::loopback_only(pages);
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(daemon.run(listener, pages, stopped));
        show::opening(&dir, &studies);
        let acting = async {
            let end = exchange(&store, &mailbox, &studies, &*clock).await?;
            if args.once {
                return Ok(end);
            }
            show::invited(&invited);
            show::voters(&voters, address);
            show::nameless(&studies, participants(Zone::UTC, &[Language::Ja, Language::En]).len());
            show::invitation(&dir, &mailbox, border.folder(), address);
            follow(&store, &mut border, &dir.join("letters/new"), &*clock).await
        };
        let ended = tokio::select! {
            ended = acting => ended,
            stopping = interrupted() => stopping.map(|()| {
                say!("\nStopping. The folder stays: {}", dir.display());
                End::Done
            }),
        };
        let _ = stop.send(true);
        running.await.context("the daemon ended badly")?;
        ended
    })
}

/// Waits until a person or the system asks to leave.
async fn interrupted() -> anyhow::Result<()> {
    let unheard = "signals cannot be listened to";
    let mut terminate = signal(SignalKind::terminate()).context(unheard)?;
    let mut hang_up = signal(SignalKind::hangup()).context(unheard)?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed.context(unheard),
    }
}

/// Takes the port of the post office.
fn listen(port: u16) -> anyhow::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .map_err(|error| anyhow!("port {port} of this machine cannot be used ({error}); choose another with --port"))?;
    listener.set_nonblocking(true).context("the listener cannot be used")?;
    Ok(listener)
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
    if dir.exists() && !dir.is_dir() {
        return Err(Refused(format!("{} is a file; name a new folder with --dir", dir.display())).into());
    }
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Refused(format!("{} is not empty; name a new folder with --dir", dir.display())).into());
    }
    let unusable = || format!("{} cannot be used as the folder of the demonstration", dir.display());
    std::fs::create_dir_all(&dir).with_context(unusable)?;
    dir.canonicalize().with_context(unusable)
}

/// Writes the operator's files of the demonstration and reads them back as any command would.
fn install(dir: &Path, port: u16) -> anyhow::Result<Settings> {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        let parent = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("{} cannot be written", path.display()))
    };
    // Links in letters lead to the very pages that are served now.
    write("hagaki.toml", &include_str!("../../config/demo/hagaki.toml").replace(":8080", &format!(":{port}")))?;
    super::key::make_new(&dir.join("secrets/keys"))?;
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
    for bundle in samples::all().into_iter().chain([samples::members(), election::bundle(clock.now())]) {
        let (study, _) = definition::load(&bundle)
            .map_err(|problems| anyhow::anyhow!("a sample study is broken: {}", problems[0]))?;
        let act = Act { actor: DESK, at: clock.now(), reason: "demonstration" };
        let done = life::activate(&store, &bundle, &study, Stage::Production, act, dice).await?;
        show::activated(&study, &done);
        studies.push(study);
    }
    store.close().await;
    Ok(studies)
}

/// The participants of the sample surveys.
fn participants(zone: Zone, languages: &[Language]) -> Vec<Candidate> {
    let list = include_bytes!("../../config/demo/participants.csv");
    participants_file::read("participants.csv", list, Charset::Utf8, zone, languages).candidates
}

/// Sends the participants of the sample surveys their links, and members word of where they sign in: who answers where. Links of
/// those who ask for another in a sample mail are dead by the time somebody reads of them.
async fn invite(
    daemon: &Daemon,
    settings: &Settings,
    studies: &[Study],
    clock: &dyn Clock,
    dice: &dyn Dice,
) -> anyhow::Result<Vec<Demonstrated>> {
    let mailbox = settings.mailboxes.first().context("the demonstration has a mailbox")?;
    let desk = desk_address(mailbox, &settings.web);
    let means = Means { now: clock.now(), dice, keys: &daemon.keys, desk: &desk };
    let (mails, mut links) = (mails::all()?, Vec::new());
    for defined in studies {
        let row = study::find_current(&daemon.store, &defined.slug).await?;
        let (Some(survey), Some(row)) = (&defined.survey, row) else { continue };
        let form = match survey.access {
            Access::Members => Form::Account,
            _ => Form::Link,
        };
        let shelved = daemon.shelf.current(row.id, row.bundle_version).await?;
        let candidates = participants(defined.zone, &defined.languages);
        let terms = Terms {
            form,
            from: means.now,
            until: None,
            days_from_sending: None,
            mailed: true,
            once: false,
            admits_unclear: false,
        };
        let act = Act { actor: DESK, at: means.now, reason: "demonstration" };
        let issued = credentials::issue(&daemon.shelf, &shelved, means, act, &candidates, terms).await?;
        if form == Form::Account {
            let page = accounts::page(&desk.public_url);
            links.extend(issued.issued.into_iter().map(|one| (one.candidate.address, page.clone())));
            continue;
        }
        let asks = |address: &str| mails.iter().any(|mail| mail.from == address && mail.expect == LINK);
        let stays = issued.issued.into_iter().filter(|one| !asks(&one.candidate.address));
        links.extend(stays.filter_map(|one| Some((one.candidate.address, one.link?))));
    }
    Ok(links)
}

/// Opens the sample election; gives who votes where.
async fn elect(
    daemon: &Daemon,
    settings: &Settings,
    studies: &[Study],
    clock: &dyn Clock,
    dice: &dyn Dice,
) -> anyhow::Result<Vec<Demonstrated>> {
    let mailbox = settings.mailboxes.first().context("the demonstration has a mailbox")?;
    let desk = desk_address(mailbox, &settings.web);
    let means = Means { now: clock.now(), dice, keys: &daemon.keys, desk: &desk };
    let mut links = Vec::new();
    for defined in studies.iter().filter(|study| study.election.is_some()) {
        let Some(row) = study::find_current(&daemon.store, &defined.slug).await? else { continue };
        let shelved = daemon.shelf.current(row.id, row.bundle_version).await?;
        links.extend(election::open(&daemon.shelf, &shelved, means).await?);
    }
    Ok(links)
}

fn office(
    daemon: &Daemon,
    studies: &[Study],
    mailbox: &Path,
    drop: &Path,
    clock: &Arc<dyn Clock>,
    dice: &Arc<dyn Dice>,
) -> anyhow::Result<PostOffice> {
    let (folder, at) = (mailbox.to_path_buf(), Arc::clone(clock));
    let deliver = Arc::new(move |written: Written| {
        let now = at.now();
        maildir::deliver(&folder, now, &mails::from_visitor(&written, now)).map(|_| ())
    });
    let mut bytes = [0; 16];
    dice.fill(&mut bytes);
    let rooms = Rooms {
        store: daemon.store.clone(),
        shelf: Arc::clone(&daemon.shelf),
        address: ADDRESS.to_string(),
        drop: drop.display().to_string(),
        writers: mails::writers(studies),
        samples: mails::samples(studies, clock.now())?,
        zone: mails::zone(),
        deliver,
        is_ours: Arc::new(|address| border::is_ours(ADDRESS, address)),
        guard: data_encoding::HEXLOWER.encode(&bytes),
    };
    PostOffice::new(rooms).context("the post office page is broken")
}

/// Drops the sample mails one after another, shows what comes of each, and compares it with what their data say.
async fn exchange(store: &Store, mailbox: &Path, studies: &[Study], clock: &dyn Clock) -> anyhow::Result<End> {
    let (mut place, mut enrolled, mut surprises) = (0, Vec::new(), Vec::new());
    for sample in mails::all()? {
        let mut next = Some((sample.clone(), sample.encode(clock.now()), sample.expect.clone()));
        while let Some((mail, raw, expected)) = next.take() {
            place += 1;
            let now = clock.now();
            let (row, letters) = one(store, mailbox, &raw, clock).await?;
            show::sample(place, &mail, now, &row, &letters);
            let came = format!("{} {}", row.disposition, row.reason);
            if came != expected {
                surprises.push(format!("{}: expected {expected}, came {came}", mail.key));
            }
            if row.disposition == "register" {
                enrolled.extend(letters.first().map(|(_, letter)| letter.subject.clone()));
            }
            let asks = letters.iter().find(|(letter, _)| letter.kind == "confirm");
            if let (Some((_, letter)), Some(then)) = (asks, &sample.confirmed) {
                let to = letter.reply_to.clone().unwrap_or_default();
                let reply = SampleMail::confirmation(&sample, &letter.subject);
                let raw = reply.encode_to(&to, clock.now());
                // Only a first mail asks; its reply is the last of the exchange.
                next = (mail.key == sample.key).then(|| (reply, raw, then.clone()));
            } else if sample.confirmed.is_some() && mail.key == sample.key {
                surprises.push(format!("{}: no letter asked for a confirmation", mail.key));
            }
        }
    }
    show::summary(store, studies, &enrolled).await?;
    show::surprises(&surprises);
    Ok(if surprises.is_empty() { End::Done } else { End::Refused })
}

type Answered = (InboxRow, Vec<(OutboxRow, opened::Opened)>);

/// Drops one mail and waits until it is decided and its letters have left.
async fn one(store: &Store, mailbox: &Path, raw: &[u8], clock: &dyn Clock) -> anyhow::Result<Answered> {
    let before = newest(store).await?;
    maildir::deliver(mailbox, clock.now(), raw).context("the mail cannot be put into the mailbox")?;
    let waiting = async {
        loop {
            for answered in answered_after(store, before).await? {
                if answered.1.iter().all(|(letter, _)| letter.state != outbox::State::Waiting) {
                    return Ok::<_, anyhow::Error>(answered);
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.context("a sample mail was not answered in time")?
}

/// Shows every mail that comes in from now on and every letter that leaves unasked, such as one with a link that a page was asked
/// for, and takes what is dropped, until the demonstration is left.
async fn follow(store: &Store, border: &mut Border, letters: &Path, clock: &dyn Clock) -> anyhow::Result<End> {
    let mut last = newest(store).await?;
    let mut seen = files_in(letters)?;
    loop {
        let there = files_in(letters)?;
        for path in there.difference(&seen) {
            // As it left: what lets somebody in is kept nowhere else.
            let raw = std::fs::read(path).context("a letter cannot be read")?;
            let text = String::from_utf8_lossy(&raw);
            let newest = outbox::list(store, outbox::Which::All, None, limits::POST_OFFICE_MAILS).await?;
            let unasked = newest.iter().find(|row| row.inbox_id.is_none() && text.contains(&row.message_id));
            if let Some(row) = unasked {
                show::unasked(row, &opened::open(&raw));
            }
        }
        seen = there;
        for dropped in border.look(clock.now()) {
            show::dropped(&dropped);
        }
        for (mail, letters) in answered_after(store, last).await? {
            last = mail.id;
            show::arrived(&mail, &letters);
        }
        tokio::time::sleep(Duration::from_millis(limits::DEMO_POLL_MILLISECONDS)).await;
    }
}

fn files_in(folder: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let entries = std::fs::read_dir(folder).context("the letters' folder cannot be read")?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

/// The mails behind that number that are decided, up to the first that is not, each with its letters.
async fn answered_after(store: &Store, last: i64) -> anyhow::Result<Vec<Answered>> {
    let mut mails = inbox::list(store, inbox::Which::All, None, limits::POST_OFFICE_MAILS).await?;
    mails.retain(|mail| mail.id > last);
    let mut answered = Vec::new();
    for mail in mails.into_iter().rev() {
        if mail.state == State::New {
            break;
        }
        let mut letters = Vec::new();
        for row in outbox::find_by_inbox(store, mail.id).await? {
            let raw = outbox::find_raw(store, row.id).await?.unwrap_or_default();
            letters.push((row, opened::open(&raw)));
        }
        answered.push((mail, letters));
    }
    Ok(answered)
}

async fn newest(store: &Store) -> anyhow::Result<i64> {
    Ok(inbox::list(store, inbox::Which::All, None, 1).await?.first().map_or(0, |mail| mail.id))
}
