//! `hagaki audit`: is every chain whole, and if not, where does it break? And what does a study's tell?

mod list;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use super::installation::Opened;
use super::{End, Installation, Output};
use crate::domain::chain::{INSTALLATION, Why};
use crate::domain::witness::Witness;
use crate::letters::opened;
use crate::store::{audit, study};
use crate::workflow::versions;

/// What is asked, and advised, where a letter of ours tells of more than is on file.
pub(super) const RESTORED: &str = "Was a backup restored? Then enroll nobody before what is missing was brought back \
                                   (deploy/restore/README.md)";

/// Commands on the audit chain.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Follow every chain from its first entry to its recorded head, and compare each study's bundles with it.
    Verify {
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// What a study's chain tells: who did what, when, about which subject. Of a blinded study nothing that could tell an arm, nor reasons in
    /// somebody's own words, but with --unblinded. Personal answers stay sealed.
    List(list::ListArgs),
    /// Does a chain still hold what a digest letter saw of it? The letter is a text or mail file (or standard input, as `-`).
    Witness {
        /// The letter.
        file: PathBuf,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn run(command: AuditCommand) -> anyhow::Result<End> {
    let (installation, output) = match command {
        AuditCommand::Verify { installation, output } => (installation, output),
        AuditCommand::List(args) => return list::run(&args),
        AuditCommand::Witness { file, installation, output } => return witness(&file, &installation, output),
    };
    let opened = Opened::open(&installation)?;
    opened.runtime.block_on(async {
        let studies = study::list(&opened.store).await?;
        let name = |id: i64| {
            let found = studies.iter().find(|row| row.id == id);
            found.map_or_else(|| "installation".to_string(), |row| format!("{} ({})", row.slug, row.stage.key()))
        };
        let mut whole = true;
        for report in audit::verify_all(&opened.store).await? {
            let chain =
                if report.study_id == INSTALLATION { "installation".to_string() } else { name(report.study_id) };
            match report.result {
                Ok(entries) if output.json => {
                    println!("{}", json!({ "chain": chain, "whole": true, "entries": entries }))
                }
                Ok(1) => println!("{chain}: whole, 1 entry"),
                Ok(entries) => println!("{chain}: whole, {entries} entries"),
                Err(at) => {
                    whole = false;
                    if output.json {
                        println!("{}", json!({ "chain": chain, "whole": false, "entry": at.seq, "why": at.why.key() }));
                    } else {
                        println!("{chain}: BROKEN at entry {}: {}", at.seq, in_words(at.why));
                    }
                }
            }
        }
        // A chain may be whole, and the files of a version be others than it tells.
        for row in &studies {
            let Some(doubt) = versions::check(&opened.store, row).await? else { continue };
            whole = false;
            if output.json {
                let (version, why) = (doubt.version, doubt.why.key());
                println!("{}", json!({ "chain": name(row.id), "whole": false, "bundle": version, "why": why }));
            } else {
                println!("{}: FALSE: {doubt}", name(row.id));
            }
        }
        Ok(if whole { End::Done } else { End::Refused })
    })
}

fn witness(file: &Path, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).context("standard input cannot be read")?;
    } else {
        bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    let opened = Opened::open(installation)?;
    let (holds, words) = opened.runtime.block_on(compare(&opened, &bytes))?;
    if output.json {
        println!("{}", json!({ "holds": holds, "says": words }));
    } else {
        println!("{words}");
    }
    Ok(if holds { End::Done } else { End::Refused })
}

/// Where a chain breaks, as a sentence goes on behind the entry's number.
const fn in_words(why: Why) -> &'static str {
    match why {
        Why::Foreign => "it belongs to another chain",
        Why::Absent => "it is absent",
        Why::Unlinked => "it does not hold the digest of the entry before; one of the two was replaced",
        Why::Changed => "it was changed after it was written",
        Why::Head => "entries at the end are absent, or were put on behind the recorded head",
    }
}

/// Whether the chain holds what the letter saw, and what to say of it.
async fn compare(opened: &Opened, bytes: &[u8]) -> anyhow::Result<(bool, String)> {
    // Else it is a whole mail, whose text is encoded.
    let seen = Witness::parse(&String::from_utf8_lossy(bytes)).or_else(|| Witness::parse(&opened::open(bytes).text));
    let Some(seen) = seen else { return Ok((false, "there is no whole witness block in this text".to_string())) };
    let Witness { study: slug, entries, .. } = &seen;
    let Some(row) = study::find(&opened.store, slug, seen.stage).await? else {
        return Ok((false, format!("there is no study {slug} in {} here", seen.stage.key())));
    };
    let entry = audit::list(&opened.store, row.id, entries - 1, 1).await?.into_iter().next();
    let Some(entry) = entry.filter(|entry| entry.seq == *entries) else {
        let length = row.chain.length;
        return Ok((
            false,
            match length < *entries {
                true => format!(
                    "{slug}: the chain has {length} entries, the letter saw {entries}: the letter is newer than the database. {RESTORED}"
                ),
                false => format!("{slug}: entry {entries} of the chain, which the letter saw, is absent"),
            },
        ));
    };
    if data_encoding::HEXLOWER.encode(&entry.digest) != seen.head {
        return Ok((
            false,
            format!(
                "{slug}: entry {entries} is not the one that the letter saw: the chain was changed, or a backup was restored and the study \
                 went on from there"
            ),
        ));
    }
    Ok(match audit::verify(&opened.store, row.id).await?.result {
        Ok(whole) => (
            true,
            format!("{slug}: the chain holds entry {entries} as the letter saw it, and is whole ({whole} entries)"),
        ),
        Err(at) => (false, format!("{slug}: BROKEN at entry {}: {}", at.seq, in_words(at.why))),
    })
}
