//! `hagaki receipt verify`: is the block in a letter ours, and does it say what is on file?

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use super::installation::Opened;
use super::{End, Installation, Output};
use crate::daemon::run::keys;
use crate::domain::receipt::{Receipt, Told};
use crate::domain::study::FIRST;
use crate::letters::opened;
use crate::store::allocation::{self, AllocationRow};
use crate::store::{kit, randomization, study, subject};

/// Commands on receipts.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Check the receipt in a text or mail file (or standard input, as `-`).
    Verify {
        /// The letter, or the text copied from it.
        file: PathBuf,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn run(command: ReceiptCommand) -> anyhow::Result<End> {
    let ReceiptCommand::Verify { file, installation, output } = command;
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).context("standard input cannot be read")?;
    } else {
        bytes = std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    let opened = Opened::open(&installation)?;
    let verdict = opened.runtime.block_on(judge(&opened, &bytes))?;
    let (good, words) = match &verdict {
        Ok(receipt) => (true, format!("genuine: {} {} of study {}", receipt.subject, receipt.at.utc(), receipt.study)),
        Err(why) => (false, why.clone()),
    };
    if output.json {
        println!("{}", json!({ "genuine": good, "says": words }));
    } else {
        println!("{words}");
    }
    Ok(if good { End::Done } else { End::Refused })
}

/// The receipt, or what is wrong with it.
async fn judge(opened: &Opened, bytes: &[u8]) -> anyhow::Result<Result<Receipt, String>> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let found = Receipt::parse(&text).or_else(|fault| {
        // A whole mail: its text is encoded.
        Receipt::parse(&opened::open(bytes).text).map_err(|_| fault)
    });
    let claimed = match found {
        Ok(claimed) => claimed,
        Err(fault) => return Ok(Err(fault.to_string())),
    };
    let keys = keys(&opened.store, &*opened.dice).await?;
    if !claimed.check(&keys.receipt) {
        return Ok(Err("not genuine: this installation did not write it, or it was changed".to_string()));
    }
    let receipt = claimed.receipt;
    let Some(row) = study::find(&opened.store, &receipt.study, receipt.stage).await? else {
        return Ok(Err(format!("genuine, but there is no study {} here any more", receipt.study)));
    };
    let number = receipt.subject.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let Some(on_file) = subject::find_by_number(&opened.store, row.id, number).await? else {
        return Ok(Err(format!(
            "genuine, but {} is not on file: development data may have been purged",
            receipt.subject
        )));
    };
    if data_encoding::HEXLOWER.encode(&on_file.audit_digest) != receipt.chain {
        return Ok(Err("genuine, but the audit entry it names is another one now".to_string()));
    }
    let given = allocation::list_by_subject(&opened.store, on_file.id).await?;
    let of = |id: &str| given.iter().find(|given| given.randomization == id);
    for again in &receipt.again {
        let Some(own) = of(&again.randomization).filter(|own| own.number.unsigned_abs() == again.allocation) else {
            return Ok(Err(OTHER.to_string()));
        };
        let request = randomization::find(&opened.store, row.id, own.number).await?;
        let digest = request.map(|request| data_encoding::HEXLOWER.encode(&request.audit_digest));
        if digest.as_ref() != Some(&again.chain) || !was_told(opened, row.id, &again.told, Some(own)).await? {
            return Ok(Err(OTHER.to_string()));
        }
    }
    let told = was_told(opened, row.id, &receipt.told, of(FIRST)).await?;
    Ok(if told { Ok(receipt) } else { Err(OTHER.to_string()) })
}

/// What is said of a receipt that names something else than what is on file.
const OTHER: &str = "genuine, but another allocation is on file";

/// Whether an allocation on file is what a receipt tells of it.
async fn was_told(opened: &Opened, study_id: i64, told: &Told, given: Option<&AllocationRow>) -> anyhow::Result<bool> {
    Ok(match (told, given) {
        (Told::Arm(arm), Some(row)) => *arm == row.arm,
        // A letter after a replacement names another kit of the same allocation.
        (Told::Code(code), Some(given)) => {
            let kits = kit::list_of_allocation(&opened.store, study_id, given.number).await?;
            kits.iter().any(|kit| kit.code == *code)
        }
        (Told::Registered, None) => true,
        _ => false,
    })
}
