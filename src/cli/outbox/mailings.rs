//! `hagaki outbox mailings SLUG`, and `hold`, `resume` and `stop --mailing NAME`: many letters that are one act.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use crate::cli::credentials::Office;
use crate::cli::progress::Bar;
use crate::cli::{End, Installation, Output, Refused, counted};
use crate::store::outbox::State;
use crate::workflow::mailings::{self, Mailing, Name, Steered, Steering};

/// Arguments of `hagaki outbox mailings`.
#[derive(Debug, Args)]
pub struct MailingsArgs {
    /// The study.
    slug: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// Arguments of `hagaki outbox stop`.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// The mailing, as `hagaki outbox mailings` names it.
    #[arg(long, value_name = "NAME", value_parser = name)]
    mailing: Name,
    /// Why; stands in the audit chain and beside each letter.
    #[arg(long)]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
}

/// The name of a mailing as it was typed.
pub(super) fn name(written: &str) -> Result<Name, String> {
    Name::find(written).ok_or_else(|| {
        "no mailing; write it as `hagaki outbox mailings SLUG` lists it: SLUG/2026-12-01/RULE or SLUG/2026-12-01/+command"
            .to_string()
    })
}

pub(super) fn list(args: &MailingsArgs) -> anyhow::Result<End> {
    let office = Office::of_any(&args.slug, &args.installation)?;
    let now = office.opened.now();
    let found = office.opened.runtime.block_on(mailings::list(&office.shelf, &office.shelved, now))?;
    for (name, mailing) in &found {
        if args.output.json {
            println!("{}", line(name, mailing));
            continue;
        }
        let kinds: Vec<&str> = mailing.kinds.iter().map(String::as_str).collect();
        println!("{:<44} {:<20} {}  {}", name.to_string(), kinds.join(", "), by(name, mailing), fate(mailing));
    }
    if found.is_empty() && !args.output.json {
        println!("no letter of a mailing was written in {} yet", args.slug);
    }
    Ok(End::Done)
}

fn line(name: &Name, mailing: &Mailing) -> serde_json::Value {
    let letters: BTreeMap<&str, u64> = mailing.letters.iter().map(|(state, many)| (state.key(), *many)).collect();
    json!({ "mailing": name.to_string(), "day": name.day.to_string(), "rule": name.rule, "by": mailing.actors, "kinds": mailing.kinds,
            "written": mailing.letters.values().sum::<u64>(), "letters": letters, "planned": mailing.planned,
            "planned_held": mailing.planned_held })
}

fn by(name: &Name, mailing: &Mailing) -> String {
    match &name.rule {
        Some(rule) => format!("by the rule {rule}"),
        None if mailing.actors.is_empty() => "by command".to_string(),
        None => format!("by {}", mailing.actors.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
    }
}

/// How many were written, and what became of them.
fn fate(mailing: &Mailing) -> String {
    let mut told = vec![format!("{} written", mailing.letters.values().sum::<u64>())];
    for state in
        [State::Waiting, State::Held, State::Sent, State::Delivered, State::Bounced, State::Failed, State::Dropped]
    {
        told.extend(mailing.letters.get(&state).map(|many| format!("{many} {}", state.key())));
    }
    if mailing.planned > 0 {
        told.push(format!("{} to be written ({} of them held)", mailing.planned, mailing.planned_held));
    }
    told.join(", ")
}

pub(super) fn stop(args: &StopArgs) -> anyhow::Result<End> {
    steer(&args.mailing, Some(&args.reason), &args.installation, Steering::Stop)
}

/// Does it to all letters of a mailing that have not left.
pub(super) fn steer(
    name: &Name,
    reason: Option<&str>,
    installation: &Installation,
    what: Steering,
) -> anyhow::Result<End> {
    let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) else {
        return Err(Refused("say why with --reason; it stands in the audit chain".to_string()).into());
    };
    let office = Office::of_any(&name.slug, installation)?;
    let now = office.opened.now();
    let known = office.opened.runtime.block_on(mailings::list(&office.shelf, &office.shelved, now))?;
    // One of which nothing was written yet can be held as well.
    let mailing = known.get(name).cloned().unwrap_or_default();
    let of = |states: &[State]| states.iter().filter_map(|state| mailing.letters.get(state)).sum::<u64>();
    let all = match what {
        Steering::Hold => of(&[State::Waiting]) + mailing.planned - mailing.planned_held,
        Steering::Resume => of(&[State::Held]) + mailing.planned_held,
        Steering::Stop => of(&[State::Waiting, State::Held]) + mailing.planned,
    };
    let bar = Bar::new(&name.to_string(), all);
    let act = office.act(reason);
    let steering =
        mailings::steer(&office.shelf, &office.shelved, office.means(), act, (name, what), |more| bar.advance(more));
    let done = office.opened.runtime.block_on(steering);
    bar.clear();
    tell(name, what, done?)
}

fn tell(name: &Name, what: Steering, done: Steered) -> anyhow::Result<End> {
    let Steered { letters, planned, under_way } = done;
    if letters + planned + under_way == 0 {
        let which = if what == Steering::Resume { "is held" } else { "waits" };
        let why = format!("no letter of {name} {which}; `hagaki outbox mailings {}` lists the mailings", name.slug);
        return Err(Refused(why).into());
    }
    let (letters, planned) = (counted(letters, "letter"), counted(planned, "letter"));
    match what {
        Steering::Hold => println!(
            "{letters} held, and {planned} to be written; `hagaki outbox resume --mailing {name} --reason …` lets them go. One that is \
             under way at this moment may leave"
        ),
        Steering::Resume => println!("{letters} released, and {planned} to be written"),
        Steering::Stop => {
            println!("{letters} will never leave, and {planned} will not be written");
            if under_way > 0 {
                println!(
                    "{} under way: what the server does not take is held; stop the mailing again in a few minutes",
                    counted(under_way, "letter")
                );
            }
            match &name.rule {
                None => println!("whoever was not written to has no way in until `hagaki credentials reissue`"),
                Some(_) => println!(
                    "what is counted from them, such as reminders after an invitation, still comes: `hagaki schedule hold {} --rule …`",
                    name.slug
                ),
            }
        }
    }
    Ok(End::Done)
}
