//! `hagaki key openpgp`: our own key, by which mails come encrypted and letters leave signed.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{End, Output, Refused};
use crate::daemon::machine::{SystemClock, SystemDice};
use crate::domain::openpgp::{OwnKey, generate};
use crate::domain::time::{Clock, Dice, Zone};
use crate::letters::header;

/// Bytes of chance in a passphrase that nobody has to type.
const PASSPHRASE_BYTES: usize = 20;

/// Commands on our own OpenPGP key.
#[derive(Debug, Subcommand)]
pub enum OpenpgpCommand {
    /// Make a secret key for an address, locked by a passphrase; no file is written over.
    Make {
        /// The service address that it is for, such as reg@example.jp.
        #[arg(long)]
        address: String,
        /// The name beside the address.
        #[arg(long, default_value = "")]
        name: String,
        /// Where it lies.
        #[command(flatten)]
        files: Files,
    },
    /// Print the public part, to be handed out with its fingerprint.
    Show {
        /// Where it lies.
        #[command(flatten)]
        files: Files,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
}

/// The two files of a key, as [openpgp] in mailbox.toml names them.
#[derive(Args, Debug)]
pub struct Files {
    /// The secret key.
    #[arg(long)]
    file: PathBuf,
    /// Its passphrase, alone in a file; made by chance if it is not there.
    #[arg(long)]
    password_file: PathBuf,
}

pub(super) fn run(command: OpenpgpCommand) -> anyhow::Result<End> {
    match command {
        OpenpgpCommand::Make { address, name, files } => make(&address, &name, &files),
        OpenpgpCommand::Show { files, output } => show(&files, output),
    }
}

fn make(address: &str, name: &str, files: &Files) -> anyhow::Result<End> {
    let named = name.chars().all(|c| !c.is_control() && !matches!(c, '<' | '>'));
    if !header::is_address(address) || !named {
        return Err(Refused(format!("{address} is no address that a key can be for")).into());
    }
    if files.file.exists() {
        return Err(Refused(format!("{} is there; name another file", files.file.display())).into());
    }
    let passphrase = match passphrase(&files.password_file)? {
        Some(passphrase) => passphrase,
        None => {
            let mut bytes = [0; PASSPHRASE_BYTES];
            SystemDice.fill(&mut bytes);
            let made = data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase();
            write_private(&files.password_file, &format!("{made}\n"))?;
            made
        }
    };
    let mut seed = [0; 32];
    SystemDice.fill(&mut seed);
    let armored = generate(name, address, &passphrase, SystemClock::default().now(), seed)?;
    let own = OwnKey::parse(&armored, &passphrase)?;
    write_private(&files.file, &armored)?;
    println!("key {} for {address} is in {}", own.certificate().fingerprint(), files.file.display());
    println!(
        "keep a copy of it and of {} in a safe place: without both, mails encrypted to it stay closed",
        files.password_file.display()
    );
    println!("name both in [openpgp] of mailbox.toml; hand out what hagaki key openpgp show prints");
    Ok(End::Done)
}

fn show(files: &Files, output: Output) -> anyhow::Result<End> {
    let shown = files.file.display();
    let armored = fs::read_to_string(&files.file).with_context(|| format!("{shown} cannot be read"))?;
    let passphrase = passphrase(&files.password_file)?.unwrap_or_default();
    let own = OwnKey::parse(&armored, &passphrase).map_err(|fault| Refused(format!("{shown} {fault}")))?;
    let certificate = own.certificate();
    let expires = certificate.expires().map(|end| end.local(Zone::UTC));
    match output.json {
        true => println!(
            "{}",
            json!({ "fingerprint": certificate.fingerprint(), "addresses": certificate.addresses(), "expires": expires,
                    "public_key": certificate.armored() })
        ),
        // The armor is made for text around it, and programs that import it pass over that.
        false => println!("Fingerprint: {}\n\n{}", certificate.fingerprint(), certificate.armored().trim_end()),
    }
    Ok(End::Done)
}

/// The first line of the file; none if there is no file.
fn passphrase(file: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.lines().next().unwrap_or_default().to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

/// A new file that its owner alone can read.
fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    let written = (|| {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        new.write_all(text.as_bytes())?;
        new.sync_all()
    })();
    written.with_context(|| format!("{} cannot be written", file.display()))
}
