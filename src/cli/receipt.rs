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
use crate::letters::opened;
use crate::store::{allocation, kit, study, subject};

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
    let allocation = allocation::find_by_subject(&opened.store, on_file.id).await?;
    let told = match (&receipt.told, &allocation) {
        (Told::Arm(arm), Some(row)) => *arm == row.arm,
        // A letter after a replacement names another kit of the same allocation.
        (Told::Code(code), Some(given)) => {
            let kits = kit::list_of_allocation(&opened.store, row.id, given.number).await?;
            kits.iter().any(|kit| kit.code == *code)
        }
        (Told::Registered, None) => true,
        _ => false,
    };
    Ok(if told { Ok(receipt) } else { Err("genuine, but another allocation is on file".to_string()) })
}
