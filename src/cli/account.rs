//! `hagaki account`: how somebody signs in, and what an operator does when a phone is lost or somebody leaves.

use clap::{Args, Subcommand};
use serde_json::json;

use super::installation::Opened;
use super::{End, Installation, Output, Refused};
use crate::domain::text;
use crate::domain::time::{Clock, Zone};
use crate::limits;
use crate::store::account::{self, AccountRow};
use crate::store::{account_act, identity};
use crate::workflow::accounts::{self, Care};
use crate::workflow::second_factor;

/// Commands on accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// How somebody signs in, and what was done about it.
    Show {
        /// Mail address of the account.
        address: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Let nobody in by an account any more; whoever is signed in is not any more.
    Close(CareArgs),
    /// Let the owner of a closed account in again.
    Reopen(CareArgs),
    /// Do without the second factor of an account whose owner lost phone and recovery codes. Make sure first who they are.
    DropSecondFactor(CareArgs),
    /// Let no identity of a provider in by an account, so that its owner's new one can be.
    DropIdentities(CareArgs),
}

/// Arguments of what is done about an account.
#[derive(Debug, Args)]
pub struct CareArgs {
    /// Mail address of the account.
    address: String,
    /// Why; is kept with your name.
    #[arg(long)]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
}

pub(super) fn run(command: &AccountCommand) -> anyhow::Result<End> {
    match command {
        AccountCommand::Show { address, installation, output } => show(address, installation, output),
        AccountCommand::Close(args) => care(args, Care::Close, "closed", "is closed already"),
        AccountCommand::Reopen(args) => care(args, Care::Reopen, "opened again", "is not closed"),
        AccountCommand::DropSecondFactor(args) => {
            care(args, Care::DropSecondFactor, "without a second factor now", "has no second factor")
        }
        AccountCommand::DropIdentities(args) => {
            care(args, Care::DropIdentities, "without identities of providers now", "has no identity of a provider")
        }
    }
}

fn find(opened: &Opened, address: &str) -> anyhow::Result<AccountRow> {
    let found = opened.runtime.block_on(account::find_by_address(&opened.store, &text::fold_address(address)))?;
    found.ok_or_else(|| {
        Refused(format!("{address} has no account: one begins when its owner asks for a link at /account")).into()
    })
}

fn show(address: &str, installation: &Installation, output: &Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let found = find(&opened, address)?;
    let (standing, identities, acts) = opened.runtime.block_on(async {
        anyhow::Ok((
            second_factor::standing(&opened.store, &found.id).await?,
            identity::count(&opened.store, &found.id).await?,
            account_act::list(&opened.store, &found.id, limits::ACCOUNT_ACTS_SHOWN).await?,
        ))
    })?;
    if output.json {
        let acts: Vec<_> = acts
            .iter()
            .map(|act| json!({ "at": act.at.utc(), "actor": act.actor, "act": act.act.key(), "reason": act.reason }))
            .collect();
        let told = json!({
            "address": found.address, "state": found.state.key(), "password": found.password.is_some(),
            "second_factor": standing.active, "recovery_codes": standing.codes, "identities": identities, "acts": acts,
        });
        println!("{told:#}");
        return Ok(End::Done);
    }
    println!("{}: {}", found.address, found.state.key());
    println!("password: {}", if found.password.is_some() { "chosen" } else { "none" });
    match standing.active {
        true => println!("second factor: on, {} recovery codes left", standing.codes),
        false => println!("second factor: off"),
    }
    println!("identities of providers: {identities}");
    for act in acts {
        let reason = if act.reason.is_empty() { String::new() } else { format!(" ({})", act.reason) };
        println!("{}  {}  {}{reason}", act.at.local(Zone::UTC), act.actor, act.act.key());
    }
    Ok(End::Done)
}

fn care(args: &CareArgs, care: Care, done: &str, nothing: &str) -> anyhow::Result<End> {
    if args.reason.trim().is_empty() {
        return Err(Refused("a reason is kept with it; give one with --reason".to_string()).into());
    }
    let opened = Opened::open(&args.installation)?;
    let found = find(&opened, &args.address)?;
    let now = opened.clock.now();
    let acted = opened.runtime.block_on(accounts::care(
        &opened.store,
        now,
        &opened.actor,
        args.reason.trim(),
        &found.id,
        care,
    ))?;
    if !acted {
        return Err(Refused(format!("{} {nothing}; nothing was changed", found.address)).into());
    }
    println!("{} is {done}; whoever was signed in to it is not any more", found.address);
    Ok(End::Done)
}
