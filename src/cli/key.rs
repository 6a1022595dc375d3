//! `hagaki key`: the file with the keys that seal what the database alone must not tell; and, in a file of its own, the key of a mailbox.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;

use super::openpgp::{self, OpenpgpCommand};
use super::{End, Refused};
use crate::daemon::machine::SystemDice;
use crate::domain::seal::KeyRing;

/// Commands on the key file.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key file; in one that is there, put a new key before the others: it seals from then on, all of them open.
    Make {
        /// The file, as [keys] file in hagaki.toml names it.
        file: PathBuf,
    },
    /// Our own OpenPGP key, of a mailbox.
    #[command(subcommand)]
    Openpgp(OpenpgpCommand),
}

pub(super) fn run(command: KeyCommand) -> anyhow::Result<End> {
    match command {
        KeyCommand::Make { file } => make(&file),
        KeyCommand::Openpgp(command) => openpgp::run(command),
    }
}

/// Makes a key file for a new installation.
pub(super) fn make_new(file: &Path) -> anyhow::Result<()> {
    put_first(file).map(drop)
}

fn make(file: &Path) -> anyhow::Result<End> {
    let (name, shown) = (put_first(file)?, file.display());
    println!("key {name} is the first in {shown}; keep a copy in a safe place, apart from copies of the database");
    println!("a daemon that runs takes it up when it is started again");
    Ok(End::Done)
}

/// Puts a new key before those of a file, if it is one, and makes the folder; the key's name.
fn put_first(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let old = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
    };
    // A file that holds something else is not written over.
    if !old.is_empty() && KeyRing::parse(&old).is_err() {
        return Err(Refused(format!("{shown} is there and is no key file; name another")).into());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let fresh = KeyRing::fresh_line(&SystemDice);
    let name = KeyRing::parse(&fresh).map(|ring| ring.names().concat()).unwrap_or_default();
    // Beside it first, so that a full disk costs no key.
    let beside = file.with_extension("new");
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        let mut new = options.write(true).create_new(true).mode(0o600).open(&beside)?;
        writeln!(new, "# {name}\n{fresh}")?;
        new.write_all(old.as_bytes())?;
        new.sync_all()?;
        fs::rename(&beside, file)
    })();
    written.with_context(|| format!("{shown} cannot be written by way of {}", beside.display()))?;
    Ok(name)
}
