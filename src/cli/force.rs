//! `hagaki allocation force`: a subject enrolled with an arm given by hand, or given one of a further allocation.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::installation::Opened;
use super::unblind::judged;
use super::{End, Installation, Output, Refused};
use crate::daemon::run::{desk_address, keys};
use crate::domain::answer::{self, Form, Line};
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::study::{FIRST, Study};
use crate::domain::time::Instant;
use crate::letters::words;
use crate::mail::reading;
use crate::workflow::Means;
use crate::workflow::force::{self, Again, Order};
use crate::workflow::shelf::Shelf;

/// What `hagaki allocation force` takes.
#[derive(Debug, Args)]
pub struct ForceArgs {
    /// The study.
    slug: String,
    /// The registration (or the form of the further allocation), item by item: ITEM=VALUE, under any key that a mail may use. Or
    /// give --form.
    answers: Vec<String>,
    /// The further allocation whose arm it is, by its id, for a --subject who is enrolled.
    #[arg(long, requires = "subject", conflicts_with_all = ["form", "rescreens"])]
    allocation: Option<String>,
    /// Number of the subject who is enrolled, for a further --allocation.
    #[arg(long, requires = "allocation")]
    subject: Option<String>,
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
    let instrument = match &args.allocation {
        None => study.registration_instrument(),
        // What there is none of is refused with the ids that there are.
        Some(own) => study
            .find_randomization(own)
            .and_then(|own| study.find_instrument(&own.instrument))
            .unwrap_or_else(|| study.registration_instrument()),
    };
    let form = form(args, study, instrument, happened_at)?;
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
    let again = args.allocation.as_deref().zip(args.subject.as_deref());
    let again = again.map(|(randomization, subject)| Again { randomization, subject });
    let done = judged(match again {
        Some(again) => opened.runtime.block_on(force::force_again(&shelf, &shelved, means, again, order)),
        None => opened.runtime.block_on(force::force(&shelf, &shelved, means, order)),
    })?;
    let subject = &done.enrolled.subject;
    let number = study.subject_number(subject.number);
    let further = again.and_then(|again| done.enrolled.find_further(again.randomization));
    let kit = further.map_or(done.enrolled.kit.as_deref(), |further| further.kit.as_deref());
    let person = further.map_or(&subject.person, |further| &further.request.person);
    let limit =
        study.find_rules(again.map_or(FIRST, |again| again.randomization)).map_or(0, |rules| rules.forcing.limit);
    if args.output.json {
        println!(
            "{}",
            json!({ "study": args.slug, "subject": number, "allocation": args.allocation, "site": subject.site,
                    "arm": args.arm, "kit": kit, "for": person, "forced": done.used, "limit": limit })
        );
        return Ok(End::Done);
    }
    match &args.allocation {
        Some(own) => println!("{number} of site {} has the arm {} of the allocation {own}", subject.site, args.arm),
        None => println!("{number} is enrolled at site {} with the arm {}", subject.site, args.arm),
    }
    if let Some(kit) = kit {
        println!("kit {kit}");
    }
    println!("the assignment letter goes to {person}");
    println!("{} of {limit} allocations of {} given by hand", done.used, args.slug);
    Ok(End::Done)
}

/// A moment as somebody in the study's time zone writes it, or with an offset.
fn moment(study: &Study, text: &str) -> anyhow::Result<Instant> {
    let found = study.zone.parse_moment(text);
    let wrong = || Refused(format!("--at {text}: write a day and time such as 2027-01-15T09:05, or 2027-01-15"));
    Ok(found.ok_or_else(wrong)?)
}

fn form(args: &ForceArgs, study: &Study, instrument: &Instrument, happened_at: Instant) -> anyhow::Result<Form> {
    let today = happened_at.day_in(study.zone);
    if let Some(path) = &args.form {
        let raw = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let held = |reason: reading::Reason| {
            let why = words::held(Language::En, reason.key()).unwrap_or_else(|| reason.key());
            Refused(format!("{}: such a mail would be held: {why}", path.display()))
        };
        return Ok(reading::form_in_file(study, &raw, today).map_err(held)?);
    }
    let mut lines = Vec::with_capacity(args.answers.len());
    for (number, answer) in (1..).zip(&args.answers) {
        let pair =
            answer.split_once('=').ok_or_else(|| Refused(format!("{answer}: write ITEM=VALUE, such as sex=F")))?;
        lines.push(Line { key: pair.0.trim().to_string(), value: pair.1.trim().to_string(), number });
    }
    let form = answer::read_form(study, instrument, &lines, today);
    let form = Form { rescreens: args.rescreens.clone(), ..form };
    if let Some((key, _)) = form.unknown.first() {
        let items = instrument.items.iter().map(|item| item.id.as_str());
        let known = items.collect::<Vec<&str>>().join(", ");
        return Err(Refused(format!("{key}: there is no such item; there are {known}")).into());
    }
    Ok(form)
}
