//! What the load programs share: an installation in a scratch folder, mails to enroll by, and the machine's own limits.

// Each program uses its part.
#![allow(dead_code)]

pub(crate) mod growth;
pub(crate) mod limit;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use hagaki::daemon::Daemon;
use hagaki::daemon::machine::{SystemClock, SystemDice};
use hagaki::daemon::run::open_store;
use hagaki::definition::{self, Bundle, samples};
use hagaki::domain::study::Stage;
use hagaki::domain::time::{Clock, Dice, Instant, Zone};
use hagaki::mail::mailbox::maildir;
use hagaki::settings::Settings;
use hagaki::store::Store;
use hagaki::web::{self, health};
use hagaki::workflow::life::{self, Act};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long anything may take before a program gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// Letters of one registration: the answer, the coordinator's notice, the statistician's notice.
pub(crate) const LETTERS: usize = 3;

/// The password of [`Installation::with_password`].
static PASSWORD: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// The machine's clock.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}

/// The machine's dice.
pub(crate) fn dice() -> Arc<dyn Dice> {
    Arc::new(SystemDice)
}

/// Folders of installations, which go when the program ends and not before: some file systems (ext4 without a journal) pass
/// over the inodes deleted in the last minutes one by one, so that clearing up after one part would slow the next one down.
static FOLDERS: std::sync::Mutex<Vec<Arc<TempDir>>> = std::sync::Mutex::new(Vec::new());

/// Removes the folders of all installations; to be called last.
pub(crate) fn clear_up() {
    FOLDERS.lock().expect("nobody panicked here").clear();
}

/// An installation in a folder of its own.
pub(crate) struct Installation {
    /// Its folder.
    pub(crate) folder: Arc<TempDir>,
    /// Its settings.
    pub(crate) settings: Settings,
}

impl Installation {
    /// With mails from a Maildir `mailbox` and letters into a Maildir `letters`.
    pub(crate) fn embedded(parent: &Path, database: Option<&str>) -> Installation {
        Installation::new(parent, database, "[maildir]\npath = \"../../mailbox\"\n[folder]\npath = \"../../letters\"\n")
    }

    /// With these sections for where mails come from and how letters leave.
    pub(crate) fn new(parent: &Path, database: Option<&str>, edges: &str) -> Installation {
        let folder = tempfile::Builder::new().prefix("hagaki-load").tempdir_in(parent).expect("a scratch folder");
        let folder = Arc::new(folder);
        FOLDERS.lock().expect("nobody panicked here").push(Arc::clone(&folder));
        let url = database.unwrap_or("sqlite:hagaki.db");
        let main = format!(
            "[database]\nurl = \"{url}\"\n[web]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1\"\n\
             [mailboxes]\nfolder = \"mailboxes\"\n[operator]\naddress = \"operator@example.jp\"\n"
        );
        let mailbox = format!(
            "address = \"reg@example.jp\"\ndisplay = \"load\"\nauthserv_ids = [\"mx.example.jp\"]\n\
             message_id_domain = \"load.example.jp\"\n{edges}"
        );
        fs::write(folder.path().join("hagaki.toml"), main).expect("hagaki.toml");
        fs::create_dir_all(folder.path().join("mailboxes/reg")).expect("a folder");
        fs::write(folder.path().join("mailboxes/reg/mailbox.toml"), mailbox).expect("mailbox.toml");
        if let Some(password) = PASSWORD.get() {
            use std::os::unix::fs::OpenOptionsExt as _;
            let path = folder.path().join("mailboxes/reg/password");
            let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            std::io::Write::write_all(&mut file.expect("a file"), password.as_bytes()).expect("written");
        }
        for name in ["mailbox", "letters"] {
            maildir::create(&folder.path().join(name)).expect("a Maildir");
        }
        let settings = Settings::load(&folder.path().join("hagaki.toml")).expect("settings");
        Installation { folder, settings }
    }

    /// With these sections, which name the file `password`.
    pub(crate) fn with_password(parent: &Path, edges: &str, password: &str) -> Installation {
        // The settings look for the file when they are read.
        PASSWORD.set(password.to_owned()).expect("one installation with a password");
        Installation::new(parent, None, edges)
    }

    /// Where mails are dropped.
    pub(crate) fn mailbox(&self) -> PathBuf {
        self.folder.path().join("mailbox")
    }

    /// How many letters have come out.
    pub(crate) fn letters(&self) -> usize {
        fs::read_dir(self.folder.path().join("letters/new")).map_or(0, Iterator::count)
    }

    /// Its store, opened beside the daemon.
    pub(crate) async fn store(&self) -> Store {
        open_store(&self.settings).await.expect("a database")
    }

    /// Activates so many studies, `aurora0`, `aurora1` and so on, each with [`LETTERS`] for a registration.
    pub(crate) async fn activate(&self, studies: usize) {
        self.activate_all((0..studies).map(study)).await;
    }

    /// Activates these studies.
    pub(crate) async fn activate_all(&self, bundles: impl Iterator<Item = Bundle>) {
        let store = self.store().await;
        let (clock, dice) = (clock(), dice());
        for bundle in bundles {
            let (study, _) = definition::load(&bundle).expect("the sample study");
            let act = Act { actor: "load", at: clock.now(), reason: "load" };
            life::activate(&store, &bundle, &study, Stage::Production, act, &*dice).await.expect("activated");
        }
        store.close().await;
    }

    /// Starts the daemon.
    pub(crate) async fn start(&self) -> Running {
        let daemon = Daemon::build(&self.settings, clock(), dice()).await.expect("a daemon");
        let store = daemon.store.clone();
        let listener = web::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut pages = health::router(daemon.health());
        if let Some(own) = daemon.pages(&self.settings).expect("the settings offer no other way to sign in") {
            pages = pages.merge(own);
        }
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move { daemon.run(listener, pages, stopped).await });
        Running { store, address, stop, task }
    }

    /// Drops registrations into the mailbox, not durably: they are the load, not what is measured.
    pub(crate) fn drop_mails(&self, mails: impl Iterator<Item = Registration>) {
        let now = clock().now();
        for (place, mail) in mails.enumerate() {
            let name = format!("{}.M{:06}L{place:08}.load", now.0 / 1_000_000, now.0 % 1_000_000);
            let tmp = self.mailbox().join("tmp").join(&name);
            fs::write(&tmp, mail.encode(now)).expect("a mail");
            fs::rename(tmp, self.mailbox().join("new").join(name)).expect("a mail");
        }
    }
}

/// A daemon at work.
pub(crate) struct Running {
    /// Its store.
    pub(crate) store: Store,
    /// Where its pages are.
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops it in order.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        self.task.await.expect("the daemon ends well");
    }
}

/// The sample study `aurora` under another name, with room for everybody.
pub(crate) fn study(number: usize) -> Bundle {
    let mut files = samples::aurora().files().clone();
    let mut edit = |path: &str, from: &str, to: &str| {
        let text = files.get_mut(path).expect("a file of the sample study");
        assert!(text.contains(from), "{path} has no {from}");
        *text = text.replace(from, to);
    };
    edit("allocation.toml", "total = 240", "total = 100000000");
    edit("study.toml", "slug = \"aurora\"", &format!("slug = \"aurora{number}\""));
    edit("study.toml", "tag = \"AURORA\"", &format!("tag = \"AURORA{number}\""));
    edit("study.toml", "cap = 40\n", "");
    // Everybody has a mailbox at the servers of the load.
    edit("study.toml", "@example.org", "@example.jp");
    Bundle::from_files(files)
}

/// As [`study`], with nobody to be told but the sender: one letter for a registration.
pub(crate) fn plain_study(number: usize) -> Bundle {
    let mut files = study(number).files().clone();
    let text = files.get_mut("study.toml").expect("a sample study has one");
    let (before, after) = text.split_once("[[notices]]").expect("the sample study has notices");
    let after = after.split_once("[mail]").expect("the sample study names its address").1;
    *text = format!("{before}[mail]{after}");
    Bundle::from_files(files)
}

/// One registration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration {
    /// Which study.
    pub(crate) study: usize,
    /// Which subject of it; no two alike.
    pub(crate) subject: usize,
}

impl Registration {
    /// Registrations of so many studies in turn, from a first subject on.
    pub(crate) fn of(studies: usize, first: usize, count: usize) -> impl Iterator<Item = Registration> {
        (0..count).map(move |place| Registration { study: place % studies, subject: first + place / studies })
    }

    /// Who writes, and for which site.
    pub(crate) fn sender(self) -> (&'static str, &'static str) {
        [
            ("yamada@example.jp", "011"),
            ("suzuki@example.jp", "012"),
            ("tanaka@example.jp", "013"),
            ("suzuki@example.jp", "014"),
            ("miller@example.jp", "021"),
        ][self.subject % 5]
    }

    /// The site's own reference of the subject.
    pub(crate) fn reference(self) -> String {
        let own = self.subject / 5;
        assert!(own < 260_000, "the sample study knows no more references");
        format!("{}-{:04}", char::from(b'A' + (own / 10_000) as u8), own % 10_000)
    }

    /// The mail without what the border adds.
    pub(crate) fn letter(self, now: Instant) -> Vec<u8> {
        let (from, site) = self.sender();
        let zone = Zone::find("Asia/Tokyo").expect("a zone");
        let n = self.subject;
        let (sex, pregnant) = if n.is_multiple_of(2) { ("女", "妊娠の有無: いいえ\r\n") } else { ("男", "") };
        let text = format!(
            "AURORA 症例登録票\r\n\r\n施設コード: {site}\r\n識別番号: {reference}\r\n同意取得日: {today}\r\n年齢: {age}\r\n\
             性別: {sex}\r\n{pregnant}病期: {stage}\r\nPS: {ps}\r\n体重: {weight}\r\n身長: 160.5\r\n血清クレアチニン: 0.8\r\n",
            reference = self.reference(),
            today = now.day_in(zone),
            age = 30 + n % 50,
            stage = ["II", "III", "IV"][n % 3],
            ps = n % 3,
            weight = 45 + n % 30,
        );
        let head = format!(
            "Date: {date}\r\nFrom: {from}\r\nTo: reg+aurora{study}@example.jp\r\n\
             Subject: =?UTF-8?B?{subject}?=\r\nMessage-ID: <load.{study}.{n}.{id}@example.jp>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            date = now.rfc5322(zone),
            study = self.study,
            subject = data_encoding::BASE64.encode(format!("[AURORA{}] 症例登録", self.study).as_bytes()),
            id = now.0,
        );
        (head + &text).into_bytes()
    }

    /// The mail as the border hands it over.
    pub(crate) fn encode(self, now: Instant) -> Vec<u8> {
        let (from, _) = self.sender();
        let domain = from.rsplit('@').next().unwrap_or_default();
        let border = format!(
            "Return-Path: <{from}>\r\nDelivered-To: reg+aurora{}@example.jp\r\n\
             Authentication-Results: mx.example.jp; dmarc=pass header.from={domain}\r\n",
            self.study
        );
        [border.into_bytes(), self.letter(now)].concat()
    }
}

/// Waits until something counts as many, and gives the time it took.
pub(crate) async fn until(
    what: &str,
    pause: Duration,
    wanted: usize,
    mut count: impl AsyncFnMut() -> usize,
) -> Duration {
    let begun = Moment::now();
    loop {
        let now = count().await;
        if now >= wanted {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {now} of {wanted}");
        tokio::time::sleep(pause).await;
    }
}

/// The values at a half and at 99 of 100.
pub(crate) fn quantiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    (at(50), at(99))
}

/// A field of /proc/self/status in MB.
pub(crate) fn memory_mb(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    let kb = line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
    kb.map_or(f64::NAN, |kb| kb / 1024.0)
}

/// The most memory the daemon may hold while it does any of this, in MB (the numbers to reach); what plays its clients is counted, too.
pub(crate) const MEMORY_MB: f64 = 60.0;

/// Forgets the peak of memory so far (Linux: /proc/self/clear_refs).
pub(crate) fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The machine's load average of the last minute.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// Processor time of this process so far, in seconds, without that of its first thread, which looks how far things are.
pub(crate) fn cpu_seconds() -> f64 {
    ticks("/proc/self/stat") - ticks(&format!("/proc/self/task/{}/stat", std::process::id()))
}

/// The processor time in a `stat` file of /proc, in seconds.
fn ticks(path: &str) -> f64 {
    let stat = fs::read_to_string(path).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // utime and stime, the 14th and 15th field; ticks are hundredths of a second on Linux.
    let ticks = |place: usize| fields.get(place).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
