//! `hagaki outbox addresses SLUG` and `resume ADDRESS`: where letters do not arrive, and that they do again. `resume --mailing` is another
//! act of that word ([`mailings`]).

use clap::Args;
use serde_json::json;

use super::mailings;
use crate::cli::credentials::Office;
use crate::cli::installation::Opened;
use crate::cli::{End, Installation, Output, Refused};
use crate::domain::text::fold_address;
use crate::domain::time::{Instant, Zone};
use crate::store::address;
use crate::workflow::addresses::{self, Whose};
use crate::workflow::ledger::Ledger;
use crate::workflow::life::Act;
use crate::workflow::mailings::{Name, Steering};
use crate::workflow::shelf::Shelf;

/// Arguments of `hagaki outbox addresses`.
#[derive(Debug, Args)]
pub struct AddressesArgs {
    /// The study.
    slug: String,
    /// Also those at which letters failed, but not often enough.
    #[arg(long)]
    all: bool,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// Arguments of `hagaki outbox resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The address.
    #[arg(required_unless_present = "mailing", conflicts_with = "mailing")]
    address: Option<String>,
    /// A mailing that was held, as `hagaki outbox mailings` names it.
    #[arg(long, value_name = "NAME", value_parser = mailings::name)]
    mailing: Option<Name>,
    /// Why; stands in the audit chain.
    #[arg(long)]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
}

fn named(whose: &Whose) -> String {
    match whose {
        Whose::Person(id) => id.clone(),
        Whose::Participant(number) => format!("participant {number}"),
    }
}

pub(super) fn list(args: &AddressesArgs) -> anyhow::Result<End> {
    let office = Office::of_any(&args.slug, &args.installation)?;
    let (opened, study) = (&office.opened, &office.shelved.study);
    let fates = opened.runtime.block_on(address::list(&opened.store, !args.all))?;
    let today = opened.now().day_in(Zone::UTC);
    let key = &office.means().keys.address;
    let found = addresses::of_study(&opened.store, &office.shelved, key, &fates);
    let mut found = opened.runtime.block_on(found)?;
    found.retain(|(_, _, fate)| fate.is_stopped() || fate.score_on(today) > 0);
    for (whose, own, fate) in &found {
        let state = if fate.is_stopped() { "stopped" } else { "failing" };
        let (score, bounced_on) = (fate.score_on(today), fate.bounced_on.map(|day| day.to_string()));
        if args.output.json {
            let (person, participant) = match whose {
                Whose::Person(id) => (Some(id), None),
                Whose::Participant(number) => (None, Some(number)),
            };
            println!(
                "{}",
                json!({ "person": person, "participant": participant, "address": own, "state": state,
                        "score": f64::from(score) / 10.0, "status": fate.status, "bounced_on": bounced_on,
                        "stopped_at": fate.stopped_at.map(Instant::utc) })
            );
            continue;
        }
        let since = match fate.stopped_at {
            Some(at) => at.day_in(study.zone).to_string(),
            None => bounced_on.unwrap_or_default(),
        };
        println!("{:<20} {own:<32} {state:<8} {since}  {}", named(whose), fate.status);
    }
    if args.output.json {
        return Ok(End::Done);
    }
    if found.is_empty() {
        println!("letters arrive at every address of {}, as far as reports tell", args.slug);
        return Ok(End::Done);
    }
    println!(
        "invitations and reminders pass over stopped addresses; answers, assignments and what somebody asks for go there as ever. Correct \
         an address with `hagaki participant correct`, or that of staff in study.toml; if it is right, `hagaki outbox resume ADDRESS \
         --reason …`, or a mail from there, makes it good again"
    );
    Ok(End::Done)
}

pub(super) fn resume(args: &ResumeArgs) -> anyhow::Result<End> {
    if args.reason.trim().is_empty() {
        return Err(Refused("say why with --reason; it stands in the audit chain".to_string()).into());
    }
    if let Some(name) = &args.mailing {
        return mailings::steer(name, Some(&args.reason), &args.installation, Steering::Resume);
    }
    let Some(typed) = &args.address else {
        return Err(Refused("name an address, or a mailing with --mailing".to_string()).into());
    };
    let opened = Opened::open(&args.installation)?;
    let pen = opened.pen()?;
    let shelf = Shelf::new(opened.store.clone());
    let act = Act { actor: &opened.actor, at: opened.now(), reason: &args.reason };
    let good = opened.runtime.block_on(async {
        let mut ledger = Ledger::begin(&shelf).await?;
        let was = addresses::resume(&mut ledger, pen.means(&opened), typed, act).await?;
        ledger.commit().await?;
        Ok::<bool, crate::workflow::Failure>(was)
    })?;
    let address = fold_address(typed);
    if !good {
        let why = format!("nothing speaks against {address}: letters go there as ever");
        return Err(Refused(why).into());
    }
    println!("{address} is good again; what a schedule held back for it is planned anew");
    Ok(End::Done)
}
