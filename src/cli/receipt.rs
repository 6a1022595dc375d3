//! `hagaki receipt`: is the block in a letter ours, and does it say what is on file? And what stands behind the receipt number of a page?

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use super::audit::RESTORED;
use super::installation::Opened;
use super::{End, Installation, Output, Refused};
use crate::daemon::run::keys;
use crate::domain::credential;
use crate::domain::receipt::{Receipt, Told};
use crate::domain::study::{FIRST, Stage};
use crate::letters::opened;
use crate::store::allocation::{self, AllocationRow};
use crate::store::{self, StoreError, kit, participant, randomization, study, subject};

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
    /// Find what was recorded under the receipt number that a participant was shown.
    Find {
        /// The study.
        slug: String,
        /// The number, as ABCD-EFGH-2345.
        number: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn run(command: ReceiptCommand) -> anyhow::Result<End> {
    match command {
        ReceiptCommand::Verify { file, installation, output } => verify(&file, &installation, output),
        ReceiptCommand::Find { slug, number, installation, output } => find(&slug, &number, &installation, output),
    }
}

/// Says what was recorded under a number; whose it is only where answers stand with the person.
fn find(slug: &str, number: &str, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let shelved = opened.study(slug)?;
    let study = &shelved.study;
    let Some(survey) = &study.survey else {
        let why = format!("study {slug} asks nobody; `hagaki receipt verify` looks at the block at a letter's foot");
        return Err(Refused(why).into());
    };
    let Some(number) = credential::parse_receipt(number) else {
        return Err(Refused(format!("\"{number}\" is no receipt number: it has twelve letters and digits")).into());
    };
    let (store, named) = (&opened.store, survey.privacy.names());
    let found = opened.runtime.block_on(async {
        if let Some((whose, used)) = store::credential::find_use_by_receipt(store, shelved.id, &number).await? {
            let whose = match whose.filter(|_| named) {
                Some(id) => Some(participant::load(store, id).await?.number),
                None => None,
            };
            return Ok(Some(
                json!({ "recorded": "response", "participant": whose, "occasion": used.occasion, "day": used.day }),
            ));
        }
        let Some(whose) = participant::find_by_receipt(store, shelved.id, &number).await? else { return Ok(None) };
        let own = subject::find_by_participant(store, whose.id).await?;
        let day = own.as_ref().map(|own| own.enrolled_at.day_in(study.zone).to_string());
        let own = own.map(|own| study.subject_number(own.number));
        Ok::<_, StoreError>(Some(
            json!({ "recorded": "enrollment", "participant": whose.number, "subject": own, "day": day }),
        ))
    })?;
    let Some(found) = found else {
        return Err(Refused(format!("nothing was recorded in study {slug} under {number}")).into());
    };
    if output.json {
        println!("{found}");
        return Ok(End::Done);
    }
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_string();
    let on = Some(text("day")).filter(|day| !day.is_empty()).map(|day| format!(", on {day}")).unwrap_or_default();
    match (text("recorded").as_str(), found["participant"].as_i64()) {
        ("enrollment", Some(whose)) => println!("participant {whose} enrolled themself as {}{on}", text("subject")),
        (_, Some(whose)) => println!("response {} of participant {whose}{on}", found["occasion"]),
        _ => println!("a response was recorded{on}; answers stand without names, so whose it is is not told"),
    }
    Ok(End::Done)
}

fn verify(file: &Path, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).context("standard input cannot be read")?;
    } else {
        bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    let opened = Opened::open(installation)?;
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
        let last = format!("No. {}", row.subjects);
        return Ok(Err(newer(receipt.stage, &receipt.subject, &last)));
    };
    let mut same_entry = data_encoding::HEXLOWER.encode(&on_file.audit_digest) == receipt.chain;
    let given = allocation::list_by_subject(&opened.store, on_file.id).await?;
    let of = |id: &str| given.iter().find(|given| given.randomization == id);
    for again in &receipt.again {
        if again.allocation > row.allocations.unsigned_abs() {
            let what = format!("allocation {} of {}", again.allocation, receipt.subject);
            return Ok(Err(newer(receipt.stage, &what, &format!("allocation {}", row.allocations))));
        }
        let Some(own) = of(&again.randomization).filter(|own| own.number.unsigned_abs() == again.allocation) else {
            return Ok(Err(OTHER.to_string()));
        };
        if !was_told(opened, row.id, &again.told, Some(own)).await? {
            return Ok(Err(OTHER.to_string()));
        }
        let request = randomization::find(&opened.store, row.id, own.number).await?;
        let digest = request.map(|request| data_encoding::HEXLOWER.encode(&request.audit_digest));
        same_entry &= digest.as_ref() == Some(&again.chain);
    }
    if !was_told(opened, row.id, &receipt.told, of(FIRST)).await? {
        return Ok(Err(OTHER.to_string()));
    }
    Ok(match same_entry {
        true => Ok(receipt),
        false => Err(format!(
            "genuine, but the audit entry it names is another one now: a backup was restored, or the chain was changed. What the letter \
             says of the allocation of {0} is on file; whether {0} is the same patient, its reference tells (`hagaki subject show`)",
            receipt.subject
        )),
    })
}

/// What is said of a receipt that names something else than what is on file.
const OTHER: &str = "genuine, but another allocation is on file: a backup was restored and another patient enrolled under that number, or \
                     records were changed";

/// What is said of a receipt that tells of more than is on file, the last of which is named.
fn newer(stage: Stage, what: &str, last: &str) -> String {
    match stage {
        Stage::Production => format!(
            "genuine, but {what} is not on file, and the last on file is {last}: this receipt is newer than the database. {RESTORED}"
        ),
        Stage::Development => format!("genuine, but {what} is not on file: development data may have been purged"),
    }
}

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
