//! `hagaki allocation force`: a subject enrolled with an arm given by hand.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::installation::Opened;
use super::unblind::judged;
use super::{End, Installation, Output, Refused};
use crate::daemon::run::{desk_address, keys};
use crate::domain::answer::{self, Form, Line};
use crate::domain::study::Study;
use crate::domain::time::Instant;
use crate::mail::reading;
use crate::workflow::Means;
use crate::workflow::force::{self, Order};
use crate::workflow::shelf::Shelf;

/// What `hagaki allocation force` takes.
#[derive(Debug, Args)]
pub struct ForceArgs {
    /// The study.
    slug: String,
    /// The registration, item by item: ITEM=VALUE, under any key that a mail may use. Or give --form.
    answers: Vec<String>,
    /// The registration as a file: the lines of a form, or the mail as it was saved.
    #[arg(long, conflicts_with = "answers")]
    form: Option<PathBuf>,
    /// Code of the arm.
    #[arg(long)]
    arm: String,
    /// Id of the person who decided it; [forced] roles in allocation.toml say who may.
    #[arg(long)]
    by: String,
    /// Why: stands in the audit chain and in the record of the allocation.
    #[arg(long)]
    reason: String,
    /// Id of the person whose subject it is, who gets the assignment letter; the only one who enrolls at the site if left out.
    #[arg(long = "for")]
    enrolled_by: Option<String>,
    /// Code of the kit that was handed out already, in a blinded study; else the next one is.
    #[arg(long)]
    kit: Option<String>,
    /// Number of the earlier subject that is screened again; with --form the file tells it.
    #[arg(long, conflicts_with = "form")]
    rescreens: Option<String>,
    /// When it happened, such as 2027-01-15T09:05 (in the study's time zone); now if left out. Criteria are judged by that day.
    #[arg(long)]
    at: Option<String>,
    /// Unusual answers are right.
    #[arg(long)]
    sure: bool,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &ForceArgs) -> anyhow::Result<End> {
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study(&args.slug)?;
    let study = &shelved.study;
    let now = opened.now();
    let happened_at = match &args.at {
        None => now,
        Some(text) => moment(study, text)?,
    };
    let form = form(args, study, happened_at)?;
    let keys = opened.runtime.block_on(keys(&opened.store, &*opened.dice))?;
    let mailbox = opened.settings.mailboxes.first().ok_or_else(|| anyhow!("no mailbox is configured"))?;
    let desk = desk_address(mailbox, &opened.settings.web);
    let means = Means { now, dice: &*opened.dice, keys: &keys, desk: &desk };
    let shelf = Shelf::new(opened.store.clone());
    let order = Order {
        actor: &opened.actor,
        by: &args.by,
        reason: &args.reason,
        arm: &args.arm,
        kit: args.kit.as_deref(),
        enrolled_by: args.enrolled_by.as_deref(),
        happened_at,
        form: &form,
        sure: args.sure,
    };
    let forcing = force::force(&shelf, &shelved, means, order);
    let done = judged(opened.runtime.block_on(forcing))?;
    let subject = &done.enrolled.subject;
    let number = study.subject_number(subject.number);
    let kit = done.enrolled.kit.as_deref();
    let limit = study.forcing.limit;
    if args.output.json {
        println!(
            "{}",
            json!({ "study": args.slug, "subject": number, "site": subject.site, "arm": args.arm, "kit": kit,
                    "for": subject.person, "forced": done.used, "limit": limit })
        );
        return Ok(End::Done);
    }
    println!("{number} is enrolled at site {} with the arm {}", subject.site, args.arm);
    if let Some(kit) = kit {
        println!("kit {kit}");
    }
    println!("the assignment letter goes to {}", subject.person);
    println!("{} of {limit} allocations of {} given by hand", done.used, args.slug);
    Ok(End::Done)
}

/// A moment as somebody in the study's time zone writes it, or with an offset.
fn moment(study: &Study, text: &str) -> anyhow::Result<Instant> {
    let found = study.zone.parse_moment(text);
    let wrong = || Refused(format!("--at {text}: write a day and time such as 2027-01-15T09:05, or 2027-01-15"));
    Ok(found.ok_or_else(wrong)?)
}

fn form(args: &ForceArgs, study: &Study, happened_at: Instant) -> anyhow::Result<Form> {
    let today = happened_at.day_in(study.zone);
    if let Some(path) = &args.form {
        let raw = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let held = |reason: reading::Reason| {
            Refused(format!("{}: such a mail would be held: {}", path.display(), reason.key()))
        };
        return Ok(reading::form_in_file(study, &raw, today).map_err(held)?);
    }
    let mut lines = Vec::with_capacity(args.answers.len());
    for (number, answer) in (1..).zip(&args.answers) {
        let pair =
            answer.split_once('=').ok_or_else(|| Refused(format!("{answer}: write ITEM=VALUE, such as sex=F")))?;
        lines.push(Line { key: pair.0.trim().to_string(), value: pair.1.trim().to_string(), number });
    }
    let form = answer::read_form(study, study.registration_instrument(), &lines, today);
    let form = Form { rescreens: args.rescreens.clone(), ..form };
    if let Some((key, _)) = form.unknown.first() {
        let items = study.registration_instrument().items.iter().map(|item| item.id.as_str());
        let known = items.collect::<Vec<&str>>().join(", ");
        return Err(Refused(format!("{key}: there is no such item; there are {known}")).into());
    }
    Ok(form)
}
