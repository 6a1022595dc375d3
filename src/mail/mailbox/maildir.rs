//! A mailbox on this machine: a Maildir, where another program or [`deliver`] puts one file per mail.
//!
//! Mails are read where they are, in `new` or, if some other mail program looked at them, in `cur`. They leave by a
//! rename into `.Processed` or `.Quarantine` (Maildir++), once they were dealt with. No inotify: the folders are looked
//! at every [`limits::MAILDIR_POLL_MILLISECONDS`], which also works on network file systems.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::{Fetched, Folder, Item, ItemKey, MailboxError, Position, Rang};
use crate::domain::time::{self, Dice};
use crate::limits;

type Result<T> = std::result::Result<T, MailboxError>;

/// A Maildir that mails arrive in.
#[derive(Debug)]
pub struct Maildir {
    folder: PathBuf,
    /// Random for each time it is opened: what was brought before is not remembered, so it is brought again.
    epoch: u64,
    serial: u64,
    /// Mails found and not yet brought.
    waiting: VecDeque<Found>,
    /// Mails brought, by the serial number of their bringing.
    brought: BTreeMap<u64, Found>,
    /// Base names of the mails waiting or brought.
    names: BTreeSet<String>,
    listed: Option<Listed>,
}

/// A mail's file: its folder (`new` or `cur`), its name there, and its base name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    base: String,
    path: PathBuf,
}

/// When the folders were listed last, as their change times tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listed {
    changed: Changed,
    /// Whether the listing came late enough after the change that no mail of the same clock tick was missed.
    settled: bool,
}

/// The change times of `new` and `cur`.
type Changed = (Option<SystemTime>, Option<SystemTime>);

impl Maildir {
    /// The Maildir at `folder`. The folder must be there when it is first used, so that a slip in its name is told; what
    /// is missing in it is made.
    pub fn new(folder: &Path, dice: &dyn Dice) -> Maildir {
        let mut epoch = [0; 8];
        dice.fill(&mut epoch);
        Maildir {
            folder: folder.to_owned(),
            // A database holds signed numbers.
            epoch: u64::from_le_bytes(epoch) >> 1,
            serial: 0,
            waiting: VecDeque::new(),
            brought: BTreeMap::new(),
            names: BTreeSet::new(),
            listed: None,
        }
    }

    pub(super) async fn connect(&mut self) -> Result<()> {
        self.blocking(|folder| {
            fs::read_dir(folder).map_err(|error| trouble(folder, &error))?;
            for place in [folder.to_owned(), folder.join(".Processed"), folder.join(".Quarantine")] {
                create(&place).map_err(|error| trouble(&place, &error))?;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn fetch(&mut self, known: Position, limit: usize) -> Result<Fetched> {
        let recorded = if known.epoch == self.epoch { known.last } else { 0 };
        // What was brought but not recorded is brought again, in the old order.
        for (_, found) in self.brought.split_off(&(recorded + 1)).into_iter().rev() {
            self.waiting.push_front(found);
        }
        if self.waiting.is_empty() {
            self.list().await?;
        }
        let batch: Vec<Found> = self.waiting.iter().take(limit.max(1)).cloned().collect();
        let (read, used) = spawn_blocking(move || read_all(batch))
            .await
            .map_err(|error| trouble(&self.folder, &io::Error::other(error)))??;
        let mut items = Vec::with_capacity(read.len());
        for (found, item) in self.waiting.drain(..used).zip(read) {
            match item {
                Some(item) => {
                    self.serial += 1;
                    self.brought.insert(self.serial, found);
                    items.push(item);
                }
                // It was renamed or removed; the next listing tells.
                None => {
                    self.names.remove(&found.base);
                    self.listed = None;
                }
            }
        }
        Ok(Fetched {
            position: Position { epoch: self.epoch, last: self.serial },
            items,
            more: !self.waiting.is_empty(),
            epoch_changed: known != Position::default() && known.epoch != self.epoch,
        })
    }

    pub(super) async fn file(&mut self, items: &[(ItemKey, Folder)]) -> Result<u64> {
        let mut moves: BTreeMap<Folder, BTreeSet<String>> = BTreeMap::new();
        for (key, to) in items {
            if let ItemKey::Maildir(base) = key
                && is_base_name(base)
            {
                moves.entry(*to).or_default().insert(base.clone());
            }
        }
        if moves.is_empty() {
            return Ok(self.epoch);
        }
        let gone: BTreeSet<String> = moves.values().flatten().cloned().collect();
        self.blocking(move |folder| put_away(folder, &moves).map_err(|error| trouble(folder, &error))).await?;
        self.brought.retain(|_, found| !gone.contains(&found.base));
        self.waiting.retain(|found| !gone.contains(&found.base));
        self.names.retain(|name| !gone.contains(name));
        Ok(self.epoch)
    }

    pub(super) async fn doorbell(&mut self, longest: Duration, call: impl Future<Output = ()>) -> Result<Rang> {
        tokio::pin!(call);
        let until = Instant::now() + longest.min(Duration::from_secs(limits::IDLE_SECONDS));
        let pause = Duration::from_millis(limits::MAILDIR_POLL_MILLISECONDS);
        loop {
            if !self.waiting.is_empty() {
                return Ok(Rang::Mail);
            }
            let changed = changed(&self.folder);
            if self.listed != Some(Listed { changed, settled: true }) {
                self.list().await?;
                if !self.waiting.is_empty() {
                    return Ok(Rang::Mail);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Rang::Quiet);
            }
            tokio::select! {
                () = sleep(pause.min(left)) => {}
                () = &mut call => return Ok(Rang::Called),
            }
        }
    }

    /// Looks for mails that are not known yet.
    async fn list(&mut self) -> Result<()> {
        self.connect_once().await?;
        let before = changed(&self.folder);
        // Times have ticks of some milliseconds: only a second listing, a pause after the first that saw this time, is
        // sure to have seen all mails of the tick.
        let settled = self.listed.is_some_and(|listed| listed.changed == before);
        let found = self.blocking(list).await?;
        let present: BTreeSet<&str> = found.iter().map(|found| found.base.as_str()).collect();
        self.brought.retain(|_, found| present.contains(found.base.as_str()));
        let mut names: BTreeSet<String> = self.brought.values().map(|found| found.base.clone()).collect();
        let fresh: Vec<Found> = found.into_iter().filter(|found| names.insert(found.base.clone())).collect();
        self.names = names;
        self.waiting = fresh.into();
        self.listed = Some(Listed { changed: before, settled });
        Ok(())
    }

    /// Makes the folders before the first listing.
    async fn connect_once(&mut self) -> Result<()> {
        if self.listed.is_none() { self.connect().await } else { Ok(()) }
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Path) -> Result<T> + Send + 'static) -> Result<T> {
        let folder = self.folder.clone();
        match spawn_blocking(move || work(&folder)).await {
            Ok(result) => result,
            Err(error) => Err(trouble(&self.folder, &io::Error::other(error))),
        }
    }
}

/// Puts a mail into a Maildir, durably: `tmp`, sync, rename into `new`, sync. Makes the Maildir where it is missing.
/// Blocks; gives the file's name, which tells `now` first, so that names sort as mails arrived.
///
/// # Errors
/// Whatever the system says; then there is no such mail.
pub fn deliver(folder: &Path, now: time::Instant, bytes: &[u8]) -> io::Result<String> {
    deliver_all(folder, now, &[bytes]).pop().expect("one result for each mail")
}

/// As [`deliver`], for several mails that share the waiting: one result for each, in their order.
pub(crate) fn deliver_all<B: AsRef<[u8]>>(folder: &Path, now: time::Instant, mails: &[B]) -> Vec<io::Result<String>> {
    let written: Vec<io::Result<Written>> = mails.iter().map(|bytes| write_new(folder, now, bytes.as_ref())).collect();
    let synced = sync_files(written);
    let mut placed: Vec<io::Result<String>> =
        synced.into_iter().map(|written| written.and_then(|written| written.place(folder))).collect();
    if placed.iter().any(|placed| placed.is_ok())
        && let Err(error) = sync_folder(&folder.join("new"))
    {
        let again = || io::Error::new(error.kind(), error.to_string());
        placed.iter_mut().filter(|placed| placed.is_ok()).for_each(|placed| *placed = Err(again()));
    }
    placed
}

/// Makes files durable, some at a time: a journaling file system serves those that wait together with one commit, and one
/// after another each would wait for its own.
fn sync_files(mut written: Vec<io::Result<Written>>) -> Vec<io::Result<Written>> {
    for written in written.iter().flatten() {
        // Starts all of them on their way to the disk before the first is waited for; a hint, so it may fail.
        let _ = rustix::fs::fadvise(&written.file, 0, None, rustix::fs::Advice::DontNeed);
    }
    let sync = |slot: &mut io::Result<Written>| {
        if let Ok(written) = slot
            && let Err(error) = written.file.sync_all()
        {
            *slot = Err(error);
        }
    };
    let share = written.len().div_ceil(limits::FOLDER_SYNCS).max(1);
    std::thread::scope(|scope| {
        let mut shares = written.chunks_mut(share);
        let own = shares.next();
        for other in shares {
            scope.spawn(move || other.iter_mut().for_each(sync));
        }
        own.into_iter().flatten().for_each(sync);
    });
    written
}

/// A mail in `tmp`, not yet in `new`; dropped before it is there, it is gone, so that a full disk does not fill with halves.
struct Written {
    file: File,
    tmp: PathBuf,
    name: String,
    placed: bool,
}

impl Written {
    fn place(mut self, folder: &Path) -> io::Result<String> {
        fs::rename(&self.tmp, folder.join("new").join(&self.name))?;
        self.placed = true;
        Ok(std::mem::take(&mut self.name))
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.tmp);
        }
    }
}

fn write_new(folder: &Path, now: time::Instant, bytes: &[u8]) -> io::Result<Written> {
    static DELIVERIES: AtomicU64 = AtomicU64::new(0);
    let count = DELIVERIES.fetch_add(1, Ordering::Relaxed);
    // The process number may be the same in two containers that share the folder.
    let chance = getrandom::u32().map_err(io::Error::other)?;
    let (seconds, micros) = (now.0.div_euclid(1_000_000), now.0.rem_euclid(1_000_000));
    let process = std::process::id();
    let name = format!("{seconds}.M{micros:06}Q{count:08}P{process}R{chance:08x}.hagaki");
    let tmp = folder.join("tmp").join(&name);
    let file = match File::create_new(&tmp) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(folder)?;
            File::create_new(&tmp)?
        }
        opened => opened?,
    };
    let mut written = Written { file, tmp, name, placed: false };
    written.file.write_all(bytes)?;
    Ok(written)
}

/// Makes what was renamed into a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Whether a text can be a mail's file name without its flags, and is safe to join to a folder.
pub(super) fn is_base_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && !text.starts_with('.')
        && !text.chars().any(|c| c == '/' || c == ':' || c.is_control())
}

/// The header block of a mail that is cut off: up to and with the empty line, or the last whole line within
/// [`limits::HEADER_BLOCK_BYTES`].
pub(super) fn header_block(bytes: &[u8]) -> &[u8] {
    let block = bytes.get(..limits::HEADER_BLOCK_BYTES).unwrap_or(bytes);
    let mut start = 0;
    for (at, byte) in block.iter().enumerate() {
        if *byte != b'\n' {
            continue;
        }
        let line = block.get(start..at).unwrap_or_default();
        start = at + 1;
        if line.is_empty() || line == b"\r" {
            break;
        }
    }
    block.get(..start).unwrap_or(block)
}

fn trouble(path: &Path, error: &io::Error) -> MailboxError {
    MailboxError::File { path: path.to_owned(), why: error.to_string() }
}

/// Makes a Maildir where there is none yet.
///
/// # Errors
/// Whatever the system says.
pub fn create(folder: &Path) -> io::Result<()> {
    for part in ["tmp", "new", "cur"] {
        fs::create_dir_all(folder.join(part))?;
    }
    Ok(())
}

fn changed(folder: &Path) -> Changed {
    let time = |part: &str| fs::metadata(folder.join(part)).and_then(|data| data.modified()).ok();
    (time("new"), time("cur"))
}

/// The mails in `new` and `cur`, in the order of their names.
fn list(folder: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for part in ["new", "cur"] {
        let place = folder.join(part);
        let entries = fs::read_dir(&place).map_err(|error| trouble(&place, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| trouble(&place, &error))?;
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let Ok(name) = entry.file_name().into_string() else {
                tracing::warn!(folder = %place.display(), "a file is passed over: its name is no UTF-8");
                continue;
            };
            let base = name.split(':').next().unwrap_or_default().to_owned();
            if is_base_name(&base) {
                found.push(Found { base, path: entry.path() });
            } else if !name.starts_with('.') {
                tracing::warn!(folder = %place.display(), "a file is passed over: its name is no name of a mail");
            }
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.base == b.base);
    found.truncate(limits::LISTING_NAMES);
    Ok(found)
}

/// Reads mails until they are enough in volume: for each one used, the item, or none if its file has gone.
fn read_all(batch: Vec<Found>) -> Result<(Vec<Option<Item>>, usize)> {
    let mut volume = 0;
    let mut items = Vec::new();
    for found in batch {
        if volume >= limits::FETCH_BYTES {
            break;
        }
        let item = match read(&found) {
            Ok(item) => Some(item),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(trouble(&found.path, &error)),
        };
        volume += item.as_ref().map_or(0, |item| item.bytes.len() as u64);
        items.push(item);
    }
    let used = items.len();
    Ok((items, used))
}

fn read(found: &Found) -> io::Result<Item> {
    let file = File::open(&found.path)?;
    let size = file.metadata()?.len();
    let oversized = size > limits::MAIL_BYTES as u64;
    let most = if oversized { limits::HEADER_BLOCK_BYTES } else { limits::MAIL_BYTES };
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(most).min(most));
    file.take(most as u64).read_to_end(&mut bytes)?;
    if oversized {
        let length = header_block(&bytes).len();
        bytes.truncate(length);
    }
    Ok(Item { key: ItemKey::Maildir(found.base.clone()), size, bytes, oversized })
}

/// Renames mails into their folders' `cur`, then makes that durable, the new place first.
fn put_away(folder: &Path, moves: &BTreeMap<Folder, BTreeSet<String>>) -> io::Result<()> {
    // Some other program may have moved mails to `cur` and given them flags.
    let mut flagged: Option<BTreeMap<String, PathBuf>> = None;
    for (to, names) in moves {
        let target = match to {
            Folder::Processed => folder.join(".Processed"),
            Folder::Quarantine => folder.join(".Quarantine"),
        };
        create(&target)?;
        let target = target.join("cur");
        for name in names {
            let place = target.join(format!("{name}:2,S"));
            match fs::rename(folder.join("new").join(name), &place) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => {
                    moved?;
                    continue;
                }
            }
            let flagged = match &flagged {
                Some(flagged) => flagged,
                None => flagged.insert(list_flagged(&folder.join("cur"))?),
            };
            if let Some(path) = flagged.get(name) {
                match fs::rename(path, &place) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    moved => moved?,
                }
            }
        }
        sync_folder(&target)?;
    }
    sync_folder(&folder.join("new"))?;
    if flagged.is_some() {
        sync_folder(&folder.join("cur"))?;
    }
    Ok(())
}

fn list_flagged(place: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut flagged = BTreeMap::new();
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            let base = name.split(':').next().unwrap_or_default().to_owned();
            flagged.insert(base, entry.path());
        }
    }
    Ok(flagged)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct NoDice(u8);

    impl Dice for NoDice {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    const NOW: time::Instant = time::Instant(1_763_600_000_000_007);

    fn open(folder: &TempDir) -> Maildir {
        Maildir::new(folder.path(), &NoDice(1))
    }

    fn bodies(fetched: &Fetched) -> Vec<String> {
        fetched.items.iter().map(|item| String::from_utf8(item.bytes.clone()).unwrap()).collect()
    }

    fn files(folder: &TempDir, part: &str) -> usize {
        fs::read_dir(folder.path().join(part)).map_or(0, Iterator::count)
    }

    #[tokio::test]
    async fn mails_come_in_order_and_leave_when_put_away() {
        let folder = TempDir::new().unwrap();
        for text in ["one", "two", "three"] {
            deliver(folder.path(), NOW, text.as_bytes()).unwrap();
        }
        let mut maildir = open(&folder);
        let first = maildir.fetch(Position::default(), 2).await.unwrap();
        assert_eq!((bodies(&first), first.more, first.epoch_changed), (vec!["one".into(), "two".into()], true, false));
        let second = maildir.fetch(first.position, 2).await.unwrap();
        assert_eq!((bodies(&second), second.more), (vec!["three".into()], false));
        assert!(maildir.fetch(second.position, 2).await.unwrap().items.is_empty());
        let away: Vec<_> = first.items.iter().map(|item| (item.key.clone(), Folder::Processed)).collect();
        maildir.file(&away).await.unwrap();
        maildir.file(&[(second.items[0].key.clone(), Folder::Quarantine)]).await.unwrap();
        // Once more, as after a crash: passed over.
        maildir.file(&away).await.unwrap();
        assert_eq!([".Processed/cur", ".Quarantine/cur", "new"].map(|part| files(&folder, part)), [2, 1, 0]);
        assert!(maildir.fetch(second.position, 2).await.unwrap().items.is_empty());
    }

    #[tokio::test]
    async fn what_was_not_recorded_is_brought_again() {
        let folder = TempDir::new().unwrap();
        for text in ["one", "two", "three"] {
            deliver(folder.path(), NOW, text.as_bytes()).unwrap();
        }
        let mut maildir = open(&folder);
        let start = maildir.fetch(Position::default(), 1).await.unwrap();
        maildir.fetch(start.position, 1).await.unwrap();
        let again = maildir.fetch(start.position, 5).await.unwrap();
        assert_eq!(bodies(&again), ["two", "three"]);
        // A new process knows nothing: everything that was not put away comes again, under the same keys.
        let mut next = Maildir::new(folder.path(), &NoDice(2));
        let all = next.fetch(again.position, 5).await.unwrap();
        assert!(all.epoch_changed);
        assert_eq!(bodies(&all), ["one", "two", "three"]);
        assert_eq!(all.items[0].key, start.items[0].key);
    }

    #[tokio::test]
    async fn a_mail_that_another_program_looked_at_is_the_same_mail() {
        let folder = TempDir::new().unwrap();
        let name = deliver(folder.path(), NOW, b"one").unwrap();
        let mut maildir = open(&folder);
        let first = maildir.fetch(Position::default(), 5).await.unwrap();
        let flagged = folder.path().join("cur").join(format!("{name}:2,RS"));
        fs::rename(folder.path().join("new").join(&name), &flagged).unwrap();
        assert!(maildir.fetch(first.position, 5).await.unwrap().items.is_empty());
        // Moved before it was ever read:
        let mut other = open(&folder);
        let read = other.fetch(Position::default(), 5).await.unwrap();
        assert_eq!(read.items[0].key, first.items[0].key);
        maildir.file(&[(first.items[0].key.clone(), Folder::Processed)]).await.unwrap();
        assert_eq!((files(&folder, "cur"), files(&folder, ".Processed/cur")), (0, 1));
    }

    #[tokio::test]
    async fn a_mail_that_vanishes_or_moves_on_is_no_error() {
        let folder = TempDir::new().unwrap();
        let names: Vec<String> =
            ["one", "two", "three"].map(|text| deliver(folder.path(), NOW, text.as_bytes()).unwrap()).to_vec();
        let mut maildir = open(&folder);
        maildir.list().await.unwrap();
        let new = folder.path().join("new");
        fs::remove_file(new.join(&names[0])).unwrap();
        fs::rename(new.join(&names[1]), folder.path().join("cur").join(format!("{}:2,S", names[1]))).unwrap();
        let first = maildir.fetch(Position::default(), 5).await.unwrap();
        assert_eq!(bodies(&first), ["three"]);
        let second = maildir.fetch(first.position, 5).await.unwrap();
        assert_eq!(bodies(&second), ["two"]);
    }

    #[tokio::test]
    async fn strange_files_are_passed_over() {
        let folder = TempDir::new().unwrap();
        let mut maildir = open(&folder);
        maildir.connect().await.unwrap();
        let new = folder.path().join("new");
        fs::write(new.join(".hidden"), "x").unwrap();
        fs::write(folder.path().join("tmp").join("half"), "x").unwrap();
        fs::create_dir(new.join("folder")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", new.join("link")).unwrap();
        fs::write(new.join("with\nbreak"), "x").unwrap();
        assert!(maildir.fetch(Position::default(), 5).await.unwrap().items.is_empty());
        // Keys that would lead out of the folder move nothing.
        fs::write(folder.path().join("outside"), "x").unwrap();
        maildir.file(&[(ItemKey::Maildir("../outside".to_owned()), Folder::Processed)]).await.unwrap();
        assert!(folder.path().join("outside").exists());
    }

    #[tokio::test]
    async fn of_a_giant_only_the_headers_are_read() {
        let folder = TempDir::new().unwrap();
        let mut giant = b"Subject: giant\r\nX: y\r\n\r\n".to_vec();
        giant.resize(limits::MAIL_BYTES + 1, b'x');
        deliver(folder.path(), NOW, &giant).unwrap();
        giant.truncate(limits::MAIL_BYTES);
        deliver(folder.path(), NOW, &giant).unwrap();
        let fetched = open(&folder).fetch(Position::default(), 5).await.unwrap();
        let [large, whole] = fetched.items.as_slice() else { panic!("two mails") };
        assert_eq!((large.oversized, large.bytes.as_slice()), (true, b"Subject: giant\r\nX: y\r\n\r\n".as_slice()));
        assert_eq!(large.size, limits::MAIL_BYTES as u64 + 1);
        assert_eq!((whole.oversized, whole.bytes.len()), (false, limits::MAIL_BYTES));
    }

    #[tokio::test]
    async fn the_bell_rings_for_new_mail_and_for_nothing_else() {
        let folder = TempDir::new().unwrap();
        let mut maildir = open(&folder);
        let none = std::future::pending;
        let quiet = maildir.doorbell(Duration::from_millis(120), none()).await.unwrap();
        assert_eq!(quiet, Rang::Quiet);
        assert_eq!(maildir.doorbell(Duration::from_secs(60), async {}).await.unwrap(), Rang::Called);
        let path = folder.path().to_owned();
        let (rang, name) = tokio::join!(maildir.doorbell(Duration::from_secs(60), none()), async move {
            sleep(Duration::from_millis(150)).await;
            deliver(&path, NOW, b"one").unwrap()
        });
        assert_eq!(rang.unwrap(), Rang::Mail);
        let fetched = maildir.fetch(Position::default(), 5).await.unwrap();
        assert_eq!(fetched.items[0].key, ItemKey::Maildir(name));
        // Recorded, but not yet put away: no reason to ring.
        assert_eq!(maildir.doorbell(Duration::from_millis(200), none()).await.unwrap(), Rang::Quiet);
    }

    /// Mails that come within one tick of the file system's clock after a listing are heard all the same.
    #[tokio::test]
    async fn no_mail_of_the_same_clock_tick_is_missed() {
        let folder = TempDir::new().unwrap();
        let mut maildir = open(&folder);
        let mut position = Position::default();
        for count in 1..=50 {
            deliver(folder.path(), NOW, b"a").unwrap();
            let fetched = maildir.fetch(position, 10).await.unwrap();
            deliver(folder.path(), NOW, b"b").unwrap();
            position = fetched.position;
            let rang = maildir.doorbell(Duration::from_secs(10), std::future::pending()).await.unwrap();
            assert_eq!(rang, Rang::Mail, "round {count}");
            let fetched = maildir.fetch(position, 10).await.unwrap();
            assert_eq!(fetched.items.len(), 1, "round {count}");
            position = fetched.position;
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_used_is_told() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("new"), "no folder").unwrap();
        let error = open(&folder).fetch(Position::default(), 5).await.unwrap_err();
        assert!(error.to_string().contains("a folder that holds new, cur and tmp"), "{error}");
        let none = folder.path().join("slip");
        let error = Maildir::new(&none, &NoDice(1)).connect().await.unwrap_err();
        assert!(error.to_string().contains("slip: No such file"), "{error}");
        assert!(!error.is_transient() && !none.exists());
    }

    #[test]
    fn header_blocks_end_where_they_end() {
        assert_eq!(header_block(b"a: b\n\nbody"), b"a: b\n\n");
        assert_eq!(header_block(b"a: b\r\n\r\nbody"), b"a: b\r\n\r\n");
        assert_eq!(header_block(b"a: b\r\nc: d"), b"a: b\r\n");
        assert_eq!(header_block(b""), b"");
    }
}
