//! `hagaki election registrar`: the credentials of a verifiable election, made and sent by somebody who takes no votes.
//!
//! In charge of a folder that stays with them: who has which credential in one file, and beside it the list that is handed over, which
//! tells neither a name nor a secret.

mod kept;
mod letters;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use secrecy::zeroize::Zeroizing;
use serde_json::json;

use super::audited::{self, Known};
use super::papers::{self, For};
use crate::cli::{End, Refused, counted};
use crate::daemon::machine::SystemDice;
use crate::definition::registrar_file;
use crate::domain::belenios::credential::Credential;
use crate::domain::belenios::element::Element;
use crate::domain::belenios::group::{Group, Version};
use crate::domain::belenios::json::base64_digest;
use crate::domain::belenios::problem::Code;
use crate::domain::belenios::setup::{Credentials, draw_uuid, is_uuid};
use crate::limits;
use kept::Kept;
use letters::LettersArgs;

/// Who has which credential.
const PRIVATE: &str = "private_creds.csv";
/// The list that is handed over.
const PUBLIC: &str = "public_creds.json";
/// What is told of it by another way.
const NOTICE: &str = "notice.json";

/// Commands of who makes credentials.
#[derive(Debug, Subcommand)]
pub enum RegistrarCommand {
    /// Make a credential for each voter of a list.
    Make(MakeArgs),
    /// Write the letters that bring the credentials, and a sheet to check off who got theirs.
    Letters(Box<LettersArgs>),
    /// Are the credentials whole, and is what was handed over, or published, the list that was made?
    Check(CheckArgs),
}

/// For whom credentials are made.
#[derive(Debug, Args)]
pub struct MakeArgs {
    /// The election's identifier; a new one is made and told if left out. The credentials are for it alone.
    #[arg(long)]
    uuid: Option<String>,
    /// The voters: a CSV with the columns number, name, email and perhaps language (ja, en) and weight.
    #[arg(long)]
    roll: PathBuf,
    /// Folder to make; must be absent or empty.
    #[arg(long)]
    dir: PathBuf,
}

/// What is compared.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The folder that was made.
    #[arg(long)]
    dir: PathBuf,
    /// A list of credentials to compare instead of the one in the folder.
    #[arg(long)]
    public: Option<PathBuf>,
    /// An archive: is its list the one that was made?
    #[arg(long)]
    bel: Option<PathBuf>,
}

pub(super) fn run(command: RegistrarCommand) -> anyhow::Result<End> {
    match command {
        RegistrarCommand::Make(args) => make(&args),
        RegistrarCommand::Letters(args) => letters::run(&args),
        RegistrarCommand::Check(args) => check(&args),
    }
}

/// The public keys of credentials, with their weights.
fn keys(uuid: &str, kept: &[Kept]) -> Vec<(Element, u64)> {
    kept.iter().map(|own| (own.credential.secret(uuid).public(), own.addressee.weight)).collect()
}

fn make(args: &MakeArgs) -> anyhow::Result<End> {
    let uuid = args.uuid.clone().unwrap_or_else(|| draw_uuid(&SystemDice));
    if !is_uuid(&uuid) {
        return Err(Refused(format!("nothing was made: --uuid: {}", Code::Uuid.text())).into());
    }
    let voters =
        registrar_file::read(&args.roll.display().to_string(), &papers::read(&args.roll)?).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Refused(format!("nothing was made:\n{}", lines.join("\n")))
        })?;
    if std::fs::read_dir(&args.dir).is_ok_and(|mut inside| inside.next().is_some()) {
        return Err(Refused(format!("nothing was made: {} is not empty; name a new folder", args.dir.display())).into());
    }
    let kept: Vec<Kept> =
        voters.into_iter().map(|addressee| Kept { addressee, credential: Credential::draw(&SystemDice) }).collect();
    let keys = keys(&uuid, &kept);
    let public = Credentials::file(&keys);
    // As everybody will read it.
    let list = Credentials::read(&public).map_err(|code| Refused(format!("nothing was made: {}", code.text())))?;
    let weight: u64 = list.weights.iter().sum();
    let notice = json!({
        "uuid": uuid,
        "version": Version::V1.number(),
        "group": Group::Belenios2048.name(),
        "voters": kept.len(),
        "weight": weight,
        "digest": list.digest,
    });
    papers::folder(&args.dir)?;
    let place = |name: &str| args.dir.join(name);
    papers::write(&place(PRIVATE), &kept::file(&kept)?, For::Owner)?;
    papers::write(&place(NOTICE), format!("{notice:#}\n").as_bytes(), For::Everybody)?;
    papers::write(&place(PUBLIC), &public, For::Everybody)?;
    println!("{} for the election {uuid}", counted(kept.len() as u64, "credential"));
    println!("  {}: keep it to yourself; it says who has which credential", place(PRIVATE).display());
    println!("  {}: hand this over, and nothing else, to those who set the election up", place(PUBLIC).display());
    println!("  digest of the credentials       {}", list.digest);
    println!("Tell them the identifier, the digest and the number by another way too ({NOTICE}).");
    println!(
        "Next: `hagaki election registrar letters`. Destroy {PRIVATE} when the election is over and no letter is lost any more: with the"
    );
    println!(
        "published archive it tells who voted, though not what, and with it anybody can vote for those who have not yet."
    );
    warn_of_weights(&kept);
    Ok(End::Done)
}

/// Weights stand on the public list: one that few have tells who they are.
fn warn_of_weights(kept: &[Kept]) {
    let mut by_weight = std::collections::BTreeMap::new();
    for own in kept {
        *by_weight.entry(own.addressee.weight).or_insert(0_usize) += 1;
    }
    for (weight, many) in by_weight.iter().filter(|(_, many)| **many < limits::BEL_WEIGHT_SHARED && kept.len() > **many)
    {
        eprintln!(
            "warning: {} the weight {weight}, which everybody can read in the archive: it tells whose ballot is whose",
            if *many == 1 { "1 voter has".to_owned() } else { format!("{many} voters have") }
        );
    }
}

/// The identifier that credentials of a folder were made for.
fn uuid_of(dir: &Path) -> anyhow::Result<String> {
    let path = dir.join(NOTICE);
    let notice: Option<serde_json::Value> = serde_json::from_str(&papers::text(&path)?).ok();
    let uuid = notice.as_ref().and_then(|notice| notice["uuid"].as_str()).filter(|uuid| is_uuid(uuid));
    Ok(uuid
        .map(str::to_owned)
        .ok_or_else(|| Refused(format!("{} does not say the identifier of an election", path.display())))?)
}

/// The credentials of a folder.
fn kept_in(dir: &Path) -> anyhow::Result<Vec<Kept>> {
    let path = dir.join(PRIVATE);
    let bytes: Zeroizing<Vec<u8>> = papers::read(&path)?;
    Ok(kept::read(&bytes).map_err(|wrong| Refused(format!("{}: {wrong}", path.display())))?)
}

fn check(args: &CheckArgs) -> anyhow::Result<End> {
    let uuid = uuid_of(&args.dir)?;
    let kept = kept_in(&args.dir)?;
    let own = Credentials::file(&keys(&uuid, &kept));
    let mut end = End::Done;
    let mut compare = |what: String, same: bool| {
        println!("{what}: {}", if same { "the list that was made" } else { "NOT the list that was made" });
        if !same {
            end = End::Refused;
        }
    };
    let public = args.public.clone().unwrap_or_else(|| args.dir.join(PUBLIC));
    compare(public.display().to_string(), papers::read(&public)?.trim_ascii() == own);
    if let Some(bel) = &args.bel {
        let audit = audited::set_up(bel, Known::nothing().expected(true))?;
        let same = audit.setup().is_some_and(|setup| {
            let published = Credentials::file(&setup.credentials.all());
            setup.election.uuid == uuid && published == own
        });
        compare(bel.display().to_string(), same);
    }
    println!("{} for the election {uuid}", counted(kept.len() as u64, "credential"));
    println!("  digest of the credentials       {}", base64_digest(&own));
    Ok(end)
}
