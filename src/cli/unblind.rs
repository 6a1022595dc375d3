//! `hagaki unblind`: one subject's arm to one person, with a reason; all of them only after the study is closed.

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::installation::Opened;
use super::{End, Installation, Output, Refused};
use crate::daemon::run::{desk_address, keys};
use crate::workflow::Means;
use crate::workflow::command::{self, CommandError, Order};
use crate::workflow::shelf::Shelf;
use crate::workflow::unblind::Broken;

/// Arguments of `hagaki unblind`.
#[derive(Debug, Args)]
pub struct UnblindArgs {
    /// The study.
    slug: String,
    /// Number of the subject, or the site's reference of it.
    #[arg(required_unless_present = "all")]
    subject: Option<String>,
    /// Id of the person who is told; the letter goes to them.
    #[arg(long, required_unless_present = "all")]
    by: Option<String>,
    /// Why: stands in the audit chain and in the notices.
    #[arg(long)]
    reason: String,
    /// Print the arm here too. Without it the terminal shows no arm.
    #[arg(long)]
    show: bool,
    /// Print the arm of every subject; only after the study was closed.
    #[arg(long, conflicts_with_all = ["subject", "by", "show"])]
    all: bool,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// A refusal on its way up, or a failure.
pub(super) fn judged<T>(result: Result<T, CommandError>) -> anyhow::Result<T> {
    match result {
        Ok(done) => Ok(done),
        Err(CommandError::Refused(refusal)) => Err(Refused(refusal.to_string()).into()),
        Err(CommandError::Failed(failure)) => Err(failure.into()),
    }
}

pub(super) fn run(args: UnblindArgs) -> anyhow::Result<End> {
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study(&args.slug)?;
    let keys = opened.runtime.block_on(keys(&opened.store, &*opened.dice))?;
    let mailbox = opened.settings.mailboxes.first().ok_or_else(|| anyhow!("no mailbox is configured"))?;
    let desk = desk_address(mailbox);
    let means = Means { now: opened.now(), dice: &*opened.dice, keys: &keys, desk: &desk };
    let shelf = Shelf::new(opened.store.clone());
    let study = &shelved.study;
    if args.all {
        let listing = command::unblind_all(&shelf, &shelved, means, &opened.actor, &args.reason);
        let all = judged(opened.runtime.block_on(listing))?;
        if !args.output.json {
            println!("subject,site,enrolled_at,arm,kit");
        }
        for (subject, allocation) in all {
            let (arm, kit) = allocation.map_or((String::new(), None), |given| (given.arm, given.kit));
            let (number, at) = (study.subject_number(subject.number), subject.enrolled_at.local(study.zone));
            if args.output.json {
                println!(
                    "{}",
                    json!({ "subject": number, "site": subject.site, "enrolled_at": at, "arm": arm, "kit": kit })
                );
            } else {
                println!("{number},{},{at},{arm},{}", subject.site, kit.unwrap_or_default());
            }
        }
        return Ok(End::Done);
    }
    let (Some(subject), Some(by)) = (&args.subject, &args.by) else {
        return Err(anyhow!("a subject and --by are needed"));
    };
    let order = Order { actor: &opened.actor, subject, reason: &args.reason };
    let disclosing = command::unblind(&shelf, &shelved, means, order, by);
    let (broken, allocation) = judged(opened.runtime.block_on(disclosing))?;
    let first = matches!(broken, Broken::Now(_));
    let shown = args.show.then_some(&allocation);
    if args.output.json {
        println!(
            "{}",
            json!({ "subject": subject, "to": by, "first": first, "fact": broken.fact().number,
                    "arm": shown.map(|given| &given.arm), "kit": shown.and_then(|given| given.kit.as_ref()) })
        );
        return Ok(End::Done);
    }
    println!("the letter with the arm of {subject} goes to {by}");
    if first {
        println!("those who must know are told that it happened, and not the arm");
    } else {
        println!("{by} had been told before; the look stands in the audit chain");
    }
    if let Some(given) = shown {
        let kit = given.kit.as_ref().map(|kit| format!(", kit {kit}")).unwrap_or_default();
        println!("arm {}{kit}", given.arm);
    }
    Ok(End::Done)
}
