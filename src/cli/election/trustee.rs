//! `hagaki election trustee`: what a trustee of a verifiable election does, on a machine of their own, by files alone.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::audited::{self, Known};
use super::papers::{self, For, Held};
use crate::cli::{End, Refused, counted};
use crate::daemon::machine::SystemDice;
use crate::domain::belenios::element::Element;
use crate::domain::belenios::group::Group;
use crate::domain::belenios::problem::Code;
use crate::domain::belenios::setup::Trustee;
use crate::domain::belenios::trustee_key::{self, TrusteeKey};

/// How the file of a secret key ends.
const SECRET: &str = "privkey";
/// How the file of a public key ends.
const PUBLIC: &str = "pubkey";
/// How the file ends that says what a key was used for.
const USED: &str = "used";

/// Commands of trustees.
#[derive(Debug, Subcommand)]
pub enum TrusteeCommand {
    /// Make a key: its secret stays with you, the public key with its proof goes to those who set the election up.
    Key(KeyArgs),
    /// Look at a key, or at a list of trustees: are the proofs right, and whose is it? Never shows a secret.
    Check(CheckArgs),
    /// Make your part of opening the result of a closed archive, after checking all of it. A key opens one sum of an election alone.
    Decrypt(DecryptArgs),
}

/// A key to make.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The group of the election.
    #[arg(long, default_value = Group::Belenios2048.name())]
    group: String,
    /// Folder to write the two files to.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// A file to look at.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A public key (ID.pubkey), your secret key (ID.privkey), or a list of trustees.
    file: PathBuf,
    /// An archive: is the key one of its trustees'?
    #[arg(long)]
    bel: Option<PathBuf>,
}

/// What to open, and with which key.
#[derive(Debug, Args)]
pub struct DecryptArgs {
    /// The closed archive.
    #[arg(long)]
    bel: PathBuf,
    /// Your secret key (ID.privkey).
    #[arg(long)]
    key: PathBuf,
    /// File to write your part to; ID.partial.json if left out.
    #[arg(long)]
    out: Option<PathBuf>,
    /// A copy that was published while votes were taken: everything in it has to be in the archive still.
    #[arg(long, value_name = "OLD")]
    diff: Option<PathBuf>,
    /// What is known from elsewhere.
    #[command(flatten)]
    known: Known,
}

pub(super) fn run(command: TrusteeCommand) -> anyhow::Result<End> {
    match command {
        TrusteeCommand::Key(args) => key(&args),
        TrusteeCommand::Check(args) => check(&args),
        TrusteeCommand::Decrypt(args) => decrypt(&args),
    }
}

fn key(args: &KeyArgs) -> anyhow::Result<End> {
    if Group::find(&args.group).is_none() {
        let known = Group::Belenios2048.name();
        return Err(Refused(format!("the group \"{}\" is not known here; {known} is", args.group)).into());
    }
    papers::folder(&args.dir)?;
    let key = TrusteeKey::draw(&SystemDice);
    let name = trustee_key::name(key.public());
    let (secret, public) = (args.dir.join(format!("{name}.{SECRET}")), args.dir.join(format!("{name}.{PUBLIC}")));
    papers::write(&secret, key.file().as_bytes(), For::Owner)?;
    let proved = [&key.proved(&SystemDice).own_file()[..], b"\n"].concat();
    papers::write(&public, &proved, For::Everybody)?;
    println!("key {name}");
    println!(
        "  {}: keep it to yourself, with a copy in another safe place. Without it there is no result",
        secret.display()
    );
    println!(
        "  {}: send it to those who set the election up, and tell them its name {name} by another way",
        public.display()
    );
    Ok(End::Done)
}

/// A key that is not a trustee's as it should be.
fn wrong(path: &Path, code: Code) -> anyhow::Error {
    Refused(format!("{}: {} [{}]", path.display(), code.text(), code.name())).into()
}

/// Reads the public keys of a file: of one trustee, or of a list.
///
/// # Errors
/// There are none, or one is not proved.
pub(super) fn public_keys(path: &Path) -> anyhow::Result<Vec<Trustee>> {
    let bytes = papers::read(path)?;
    let bytes = bytes.trim_ascii();
    let trustees = match bytes.first() {
        Some(b'[') => Trustee::read_all(bytes),
        _ => Trustee::read(bytes).map(|trustee| vec![trustee]),
    };
    let trustees = trustees.map_err(|code| wrong(path, code))?;
    for trustee in &trustees {
        if trustee.key == Element::ONE {
            return Err(wrong(path, Code::OpenKey));
        }
        if !trustee.is_proved() {
            return Err(wrong(path, Code::TrusteeProof));
        }
    }
    Ok(trustees)
}

/// Reads a secret key.
fn secret_key(path: &Path) -> anyhow::Result<TrusteeKey> {
    TrusteeKey::read(&papers::text(path)?).map_err(|code| {
        Refused(format!("{} is no secret key of a trustee: {} [{}]", path.display(), code.text(), code.name())).into()
    })
}

fn check(args: &CheckArgs) -> anyhow::Result<End> {
    let shown = args.file.display();
    let is_secret = papers::read(&args.file)?.trim_ascii().starts_with(b"\"");
    let keys: Vec<Element> = if is_secret {
        vec![*secret_key(&args.file)?.public()]
    } else {
        public_keys(&args.file)?.iter().map(|trustee| trustee.key).collect()
    };
    let setup = match &args.bel {
        Some(bel) => Some(audited::set_up(bel, Known::nothing().expected(true))?),
        None => None,
    };
    let mut end = End::Done;
    for (at, key) in keys.iter().enumerate() {
        let what = if is_secret { "a secret key; keep it to yourself" } else { "a public key, and its proof is right" };
        println!("{shown}: key {}, {what}", trustee_key::name(key));
        if keys[..at].contains(key) {
            end = End::Refused;
            println!("  it stands there twice");
        }
        let trustees = setup.as_ref().and_then(|audit| audit.setup()).map(|setup| &setup.trustees);
        match trustees.map(|trustees| (1..).zip(trustees).find(|(_, trustee)| trustee.key == *key)) {
            Some(Some((owner, _))) => println!("  trustee {owner} of the election"),
            Some(None) => {
                end = End::Refused;
                println!("  of no trustee of the election");
            }
            None => {}
        }
    }
    Ok(end)
}

fn decrypt(args: &DecryptArgs) -> anyhow::Result<End> {
    let key = secret_key(&args.key)?;
    let name = trustee_key::name(key.public());
    let growing = audited::growing(&args.bel, &args.known)?;
    if let Some(older) = &args.diff
        && !super::verify::begins_with(&args.bel, older)?
    {
        // Of the few ballots that somebody picked out the sum would tell what is in them.
        let (bel, code) = (args.bel.display(), Code::NotAppended);
        return Err(Refused(format!("nothing was opened: {bel}: {} [{}]", code.text(), code.name())).into());
    }
    let part = growing.decrypt(&key, &SystemDice).map_err(|fault| {
        let bel = args.bel.display();
        Refused(format!("nothing was opened: {bel}, key {name}: {fault}"))
    })?;
    let election = &growing.setup().election;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.partial.json")));
    if out.exists() {
        return Err(Refused(format!("nothing was opened: {} is there already", out.display())).into());
    }
    note_use(&used_beside(&args.key, &name)?, &election.fingerprint, &part.sum)?;
    papers::write(&out, &part.file, For::Everybody)?;
    let (ballots, weight) = growing.counted();
    println!("{}", crate::domain::text::clean(&election.name, super::SHOWN_CHARS));
    println!("  fingerprint of the election     {}", election.fingerprint);
    println!("  digest of the credentials       {}", growing.setup().credentials.digest);
    println!(
        "  the sum of {}, of the weight {weight}, was checked, and nothing else is opened",
        counted(ballots, "ballot")
    );
    if ballots == 1 {
        println!("  Note: one ballot alone counts, so the result will tell what is in it.");
    }
    println!("  digest of the encrypted sum     {}", part.sum);
    println!("{}: your part, as trustee {}; send it to those who close the archive", out.display(), part.owner);
    if growing.setup().trustees.len() > 1 {
        println!(
            "Before you send it, compare the digest of the sum with the other trustees by another way: all of you have to open the same one."
        );
    }
    if args.diff.is_none() {
        println!(
            "Compare the number of ballots with what was published while votes were taken, too (or give a copy of then with --diff): \
             somebody could have left some out."
        );
    }
    if !args.known.is_enough() {
        println!(
            "Before you send it, compare fingerprint and digest with the notice of the election (or give them with --fingerprint and \
             --credentials): somebody could have made up the whole archive."
        );
    }
    Ok(End::Done)
}

/// The file beside a key that says what it was used for: called by the key, whatever its own file or a link to it is called.
fn used_beside(key: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let key = key.canonicalize().with_context(|| format!("{} cannot be read", key.display()))?;
    Ok(key.with_file_name(format!("{name}.{USED}")))
}

/// Puts on file that a key opens that sum, and refuses another one of the same election: two sums that differ by one ballot would
/// tell what is in it, though each of them is proved.
fn note_use(path: &Path, fingerprint: &str, sum: &str) -> anyhow::Result<()> {
    let shown = path.display();
    let held = Held::of(path)?;
    let mut uses: Vec<[String; 2]> = match path.exists() {
        true => serde_json::from_str(&papers::text(path)?).map_err(|_| {
            Refused(format!("nothing was opened: {shown} cannot be read; it says what the key was used for"))
        })?,
        false => Vec::new(),
    };
    match uses.iter().find(|[election, _]| election == fingerprint) {
        Some([_, opened]) if opened == sum => return Ok(()),
        Some([_, opened]) => {
            let told = format!(
                "nothing was opened: with this key you opened another sum of this election before ({opened}, now {sum}; {shown}). Both \
                 together could tell what single voters chose. Ask why there are two archives"
            );
            return Err(Refused(told).into());
        }
        None => uses.push([fingerprint.to_owned(), sum.to_owned()]),
    }
    let text = Value::from(uses.into_iter().map(|own| Value::from(own.to_vec())).collect::<Vec<_>>()).to_string();
    held.write(text.as_bytes()).with_context(|| {
        format!("nothing was opened: beside the key it has to be put on file what it was used for ({shown})")
    })
}
