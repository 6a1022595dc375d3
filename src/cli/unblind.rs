//! `hagaki unblind`: one subject's arm to one person, with a reason; all of them only after the study is closed.

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::installation::Opened;
use super::{End, Installation, Output, Refused};
use crate::daemon::run::{desk_address, keys};
use crate::domain::study::FIRST;
use crate::store::allocation::AllocationRow;
use crate::workflow::Means;
use crate::workflow::command::{self, CommandError, Disclosed, Order};
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
    /// Id of the person who is told; the letter goes to them. With --all: who opens the blind.
    #[arg(long)]
    by: String,
    /// Why: stands in the audit chain, beside that person, and in the notices.
    #[arg(long)]
    reason: String,
    /// Print the arm here too. Without it the terminal shows no arm.
    #[arg(long)]
    show: bool,
    /// Print the arm of every subject; only after the study was closed. The first time the staff are told that it happened.
    #[arg(long, conflicts_with_all = ["subject", "show"])]
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
    let desk = desk_address(mailbox, &opened.settings.web);
    let means = Means { now: opened.now(), dice: &*opened.dice, keys: &keys, desk: &desk };
    let shelf = Shelf::new(opened.store.clone());
    let study = &shelved.study;
    if args.all {
        let listing = command::unblind_all(&shelf, &shelved, means, (&opened.actor, &args.by), &args.reason);
        let all = judged(opened.runtime.block_on(listing))?;
        let ids: Vec<&str> = study.randomizations.iter().map(|own| own.id.as_str()).collect();
        if !args.output.json {
            let more: String = ids.iter().map(|id| format!(",{id}_arm,{id}_kit")).collect();
            println!("subject,site,enrolled_at,arm,kit{more}");
        }
        for (subject, mut given) in all {
            let mut of = |id: &str| given.extract_if(.., |given| given.randomization == id).next();
            let told = |given: Option<AllocationRow>| given.map_or((String::new(), None), |one| (one.arm, one.kit));
            let (arm, kit) = told(of(FIRST));
            let further: Vec<(&str, String, Option<String>)> = ids
                .iter()
                .map(|id| {
                    let (arm, kit) = told(of(id));
                    (*id, arm, kit)
                })
                .collect();
            let (number, at) = (study.subject_number(subject.number), subject.enrolled_at.local(study.zone));
            if args.output.json {
                let mut line =
                    json!({ "subject": number, "site": subject.site, "enrolled_at": at, "arm": arm, "kit": kit });
                if let (Some(line), false) = (line.as_object_mut(), further.is_empty()) {
                    let own = further.iter().filter(|(_, arm, _)| !arm.is_empty());
                    let own = own.map(|(id, arm, kit)| ((*id).to_string(), json!({ "arm": arm, "kit": kit })));
                    line.insert("further".to_string(), own.collect());
                }
                println!("{line}");
            } else {
                let more = further.iter().map(|(_, arm, kit)| format!(",{arm},{}", kit.as_deref().unwrap_or_default()));
                let more: String = more.collect();
                println!("{number},{},{at},{arm},{}{more}", subject.site, kit.unwrap_or_default());
            }
        }
        return Ok(End::Done);
    }
    let by = &args.by;
    let Some(subject) = &args.subject else { return Err(anyhow!("a subject is needed")) };
    let order = Order { actor: &opened.actor, subject, reason: &args.reason };
    let disclosing = command::unblind(&shelf, &shelved, means, order, by);
    let Disclosed { subject: found, broken, given } = judged(opened.runtime.block_on(disclosing))?;
    let number = shelved.study.subject_number(found.number);
    let first = matches!(broken, Broken::Now(_));
    let first_given = given.iter().find(|given| given.randomization == FIRST);
    let shown = first_given.filter(|_| args.show);
    let further: Vec<&AllocationRow> = given.iter().filter(|given| args.show && given.randomization != FIRST).collect();
    if args.output.json {
        let mut report = json!({ "subject": number, "asked_for": subject, "site": found.site, "to": by, "first": first, "fact": broken.fact().number,
                                 "arm": shown.map(|given| &given.arm),
                                 "kit": shown.and_then(|given| given.kit.as_ref()) });
        if let (Some(report), false) = (report.as_object_mut(), further.is_empty()) {
            let own = further.iter();
            let own = own.map(|one| (one.randomization.clone(), json!({ "arm": one.arm, "kit": one.kit })));
            report.insert("further".to_string(), own.collect());
        }
        println!("{report}");
        return Ok(End::Done);
    }
    println!("the letter with the arm of {number} (site {}, asked for as {subject}) goes to {by}", found.site);
    if first {
        println!("those who must know are told that it happened, and not the arm");
    } else {
        println!("{by} had been told before; the look stands in the audit chain");
    }
    if let Some(given) = shown {
        let kit = given.kit.as_ref().map(|kit| format!(", kit {kit}")).unwrap_or_default();
        println!("arm {}{kit}", given.arm);
    }
    for given in further {
        let kit = given.kit.as_ref().map(|kit| format!(", kit {kit}")).unwrap_or_default();
        println!("{}: arm {}{kit}", given.randomization, given.arm);
    }
    Ok(End::Done)
}
