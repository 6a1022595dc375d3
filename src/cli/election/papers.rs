//! The files of those who hold a verifiable election: each is written once and never over another, and an archive grows whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use secrecy::zeroize::Zeroizing;

use crate::cli::Refused;
use crate::limits;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Its owner alone.
    Owner,
    /// Everybody.
    Everybody,
}

/// What a file holds.
pub(super) fn read(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let shown = path.display();
    let cannot = || format!("{shown} cannot be read");
    let file = File::open(path).with_context(cannot)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(limits::BEL_FILE_BYTES + 1).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() as u64 > limits::BEL_FILE_BYTES {
        return Err(Refused(format!("{shown} is larger than {} MB", limits::BEL_FILE_BYTES / 1024 / 1024)).into());
    }
    Ok(bytes)
}

/// The text that a file holds.
pub(super) fn text(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let bytes = read(path)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Refused(format!("{} is not in UTF-8", path.display())).into()),
    }
}

/// Writes a file that must not be there yet; on disk when this returns.
pub(super) fn write(path: &Path, bytes: &[u8], readers: For) -> anyhow::Result<()> {
    let mode = if readers == For::Owner { 0o600 } else { 0o644 };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let cannot = || format!("{} cannot be written (it must not be there yet)", path.display());
    let mut file = options.open(path).with_context(cannot)?;
    // The folder, too: after a loss of power a file without a name is gone, and a key whose public part was sent is needed.
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| File::open(folder_of(path))?.sync_all()) {
        // Half of it would be taken for the whole.
        let _ = fs::remove_file(path);
        return Err(error).with_context(cannot);
    }
    Ok(())
}

/// The folder that a file lies in.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a folder, which only its owner can look into, unless it is there.
pub(super) fn folder(path: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("{} cannot be made", path.display()))
}

/// A file that changes, which nobody else writes meanwhile: its folder is locked until this is dropped.
pub(super) struct Held {
    file: PathBuf,
    folder: File,
}

impl Held {
    /// Waits for whoever writes there.
    pub(super) fn of(file: &Path) -> anyhow::Result<Held> {
        // By a link it is the file behind it that is held: in the place of the link a second one would go on from here.
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
        let folder = folder_of(&file);
        let cannot = || format!("the folder {} cannot be used", folder.display());
        let locked = File::open(folder).with_context(cannot)?;
        locked.lock().with_context(cannot)?;
        Ok(Held { folder: locked, file })
    }

    /// Writes it for its owner alone, in the place of what was there.
    pub(super) fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        self.replace(|beside| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(beside)?;
            file.write_all(bytes)?;
            file.sync_all()
        })
    }

    /// Writes it for the first time.
    pub(super) fn begin(&self, bytes: &[u8]) -> anyhow::Result<()> {
        if self.file.exists() {
            return Err(Refused(format!("{} is there already; name another file", self.file.display())).into());
        }
        self.replace(|beside| {
            let mut file = File::create(beside)?;
            file.write_all(bytes)?;
            file.sync_all()
        })
    }

    /// Appends to it: whatever is killed, there is the file of before or the file of after.
    pub(super) fn append(&self, bytes: &[u8]) -> anyhow::Result<()> {
        self.replace(|beside| {
            fs::copy(&self.file, beside)?;
            let mut file = OpenOptions::new().append(true).open(beside)?;
            file.write_all(bytes)?;
            file.sync_all()
        })
    }

    fn replace(&self, write: impl FnOnce(&Path) -> std::io::Result<()>) -> anyhow::Result<()> {
        let mut name = self.file.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = self.file.with_file_name(name);
        let written = write(&beside).and_then(|()| fs::rename(&beside, &self.file));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
            .and_then(|()| self.folder.sync_all())
            .with_context(|| format!("{} cannot be written by way of {}", self.file.display(), beside.display()))
    }
}
