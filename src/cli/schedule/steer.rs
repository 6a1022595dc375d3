//! `hagaki schedule hold`, `release`, `skip` and `send-now`: what people do about letters that wait.

use clap::Args;
use serde_json::json;

use crate::cli::credentials::{Office, whose};
use crate::cli::{End, Installation, Output, Refused, counted};
use crate::domain::schedule::{Target, TargetKind};
use crate::domain::survey::Privacy;
use crate::store::subject;
use crate::workflow::schedule::{self, Steering, Whose};

/// Which letters, and why.
#[derive(Debug, Args)]
pub struct SteerArgs {
    /// The study.
    slug: String,
    /// Those about one: number of a participant, what the list calls them, their address, number of a subject, or id of a person of the
    /// study.
    #[arg(long, required_unless_present_any = ["rule", "all"])]
    person: Option<String>,
    /// Those of one rule, by its id.
    #[arg(long, conflicts_with = "all")]
    rule: Option<String>,
    /// All of the study.
    #[arg(long, conflicts_with = "person")]
    all: bool,
    /// Why; stands in the audit chain.
    #[arg(long)]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// Steers letters; leaves the next of each out where there is no other act.
pub(super) fn run(args: &SteerArgs, act: Option<Steering>) -> anyhow::Result<End> {
    if args.reason.trim().is_empty() {
        return Err(Refused("say why with --reason; it stands in the audit chain".to_string()).into());
    }
    let office = Office::of_any(&args.slug, &args.installation)?;
    let study = &office.shelved.study;
    let Some(own) = &study.schedule else {
        return Err(Refused(format!("study {} has no schedule", args.slug)).into());
    };
    if let Some(rule) = args.rule.as_deref().filter(|rule| own.find(rule).is_none()) {
        let known: Vec<&str> = own.rules.iter().map(|rule| rule.id.as_str()).collect();
        return Err(Refused(format!("there is no rule \"{rule}\"; there are {}", known.join(", "))).into());
    }
    let nobodys = study.survey.as_ref().is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous);
    if nobodys && args.person.is_some() {
        let why = "the survey is fully anonymous: a letter on its own would tell whose access is whose; name a --rule, or --all";
        return Err(Refused(why.to_string()).into());
    }
    let target = args.person.as_deref().map(|person| about(&office, person)).transpose()?;
    let whose =
        Whose { target: target.as_ref().map(|(target, name)| (target, name.as_str())), rule: args.rule.as_deref() };
    let (shelf, shelved, means, reason) = (&office.shelf, &office.shelved, office.means(), office.act(&args.reason));
    let letters = match act {
        Some(act) => office.opened.runtime.block_on(schedule::steer(shelf, shelved, means, reason, whose, act))?,
        None => office.opened.runtime.block_on(schedule::skip(shelf, shelved, means, reason, whose))?,
    };
    if args.output.json {
        println!("{}", json!({ "letters": letters }));
        return Ok(End::Done);
    }
    let (letters, all) = (counted(letters, "letter"), args.person.is_none());
    match act {
        Some(Steering::Hold) if all => {
            println!("{letters} held, and those to come; `hagaki schedule release` lets them go")
        }
        Some(Steering::Hold) => println!("{letters} held; `hagaki schedule release` lets them go"),
        Some(Steering::Release) => println!("{letters} released"),
        Some(Steering::SendNow) => println!("{letters} sent now, but for those whose reason is over"),
        None => println!("{letters} left out"),
    }
    Ok(End::Done)
}

/// What letters are about by what was typed, and how the chain and reports call it.
pub(super) fn about(office: &Office, typed: &str) -> anyhow::Result<(Target, String)> {
    if office.shelved.study.people.iter().any(|person| person.id == typed) {
        return Ok((Target { kind: TargetKind::Person, id: typed.to_string() }, typed.to_string()));
    }
    let study = &office.shelved.study;
    if study.survey.is_none() {
        let number = typed.strip_prefix(&study.tag).and_then(|rest| rest.strip_prefix('-')).unwrap_or(typed).parse();
        let found = match number {
            Ok(number) => {
                let found = subject::find_by_number(&office.opened.store, office.shelved.id, number);
                office.opened.runtime.block_on(found)?
            }
            Err(_) => None,
        };
        let why = || Refused(format!("\"{typed}\" is neither a person of {} nor one of its subjects", study.slug));
        let row = found.ok_or_else(why)?;
        let target = Target { kind: TargetKind::Subject, id: row.id.to_string() };
        return Ok((target, study.subject_number(row.number)));
    }
    let row = whose::find(office, typed)?;
    Ok((Target::participant(row.id), format!("participant {}", row.number)))
}
