//! `hagaki credentials revoke`, `extend` and `reissue`: what is done to credentials that there are, of one participant, of several, or of
//! all.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use super::whose::Whose;
use super::written::{Paper, Written};
use super::{Office, moment};
use crate::cli::progress::Bar;
use crate::cli::study::confirm;
use crate::cli::{End, Installation, Output, Refused, counted};
use crate::limits;
use crate::store::credential::{self, State};
use crate::store::participant::ParticipantRow;
use crate::workflow::credentials::{self, Change, Withheld, on_file};

/// Whose credentials, and how it is asked.
#[derive(Debug, Args)]
pub struct SeveralArgs {
    /// The study.
    slug: String,
    /// Whose.
    #[command(flatten)]
    whose: Whose,
    /// Say of how many something would be changed, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Change those of several without asking.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Why; stands in the audit chain.
    #[arg(long, default_value = "")]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// Goes on with what concerns several only if somebody at a terminal says so.
fn agreed(args: &SeveralArgs, what: &str, many: usize) -> anyhow::Result<()> {
    if args.yes || many <= 1 {
        return Ok(());
    }
    let wish = format!("to have the credentials of {many} participants {what}");
    confirm(
        "yes",
        args.output.json,
        &format!("Write yes {wish}: "),
        &format!("nothing was changed; {wish}: the same again with --yes"),
        "nothing was changed",
    )
}

pub(super) fn revoke(args: &SeveralArgs) -> anyhow::Result<End> {
    change(args, &Office::open(&args.slug, &args.installation)?, Change::Revoke)
}

pub(super) fn extend(args: &SeveralArgs, until: Option<&str>) -> anyhow::Result<End> {
    let office = Office::open(&args.slug, &args.installation)?;
    let until = until.map(|written| moment(written, office.shelved.study.zone)).transpose()?;
    if until.is_some_and(|until| until <= office.opened.now()) {
        return Err(Refused("--until is over already; `revoke` calls a credential back".to_string()).into());
    }
    change(args, &office, Change::Extend(until))
}

fn change(args: &SeveralArgs, office: &Office, change: Change) -> anyhow::Result<End> {
    let people = args.whose.find(office)?;
    let mut open: Vec<&ParticipantRow> = Vec::new();
    for one in &people {
        let own = office.opened.runtime.block_on(credential::list_of(&office.opened.store, one.id))?;
        let active = || own.iter().filter(|own| own.state == State::Active);
        // One that ended before it began would be good never.
        if let Change::Extend(Some(until)) = change
            && let Some(later) = active().find(|own| own.validity.from >= until)
        {
            let from = later.validity.from.local(office.shelved.study.zone);
            let why = format!(
                "participant {}: their credential is good from {from} on, which is not before --until; nothing was changed",
                one.number
            );
            return Err(Refused(why).into());
        }
        open.extend(active().next().map(|_| one));
    }
    let none = people.len() - open.len();
    if let ([only], true) = (people.as_slice(), open.is_empty()) {
        return Err(Refused(format!("participant {} has no credential that opens anything", only.number)).into());
    }
    let what = match change {
        Change::Revoke => "called back".to_string(),
        Change::Extend(None) => "good for good".to_string(),
        Change::Extend(Some(until)) => format!("good until {}", until.local(office.shelved.study.zone)),
    };
    if args.dry_run {
        return told(args, &what, &open, none);
    }
    agreed(args, &what, open.len())?;
    let bar = Bar::new("participants", open.len() as u64);
    let mut changed = BTreeSet::new();
    for one in &open {
        let changing =
            credentials::change(&office.shelf, &office.shelved, office.means(), office.act(&args.reason), one, change);
        if office.opened.runtime.block_on(changing)? > 0 {
            changed.insert(one.number);
        }
        bar.advance(1);
    }
    bar.clear();
    open.retain(|one| changed.contains(&one.number));
    told(args, &what, &open, people.len() - open.len())
}

/// Says whose credentials are (or would be) what, and of how many nothing could be changed.
fn told(args: &SeveralArgs, what: &str, open: &[&ParticipantRow], others: usize) -> anyhow::Result<End> {
    if args.output.json {
        let numbers: Vec<i64> = open.iter().map(|one| one.number).collect();
        println!("{}", json!({ "participants": numbers, "others": others, "dry_run": args.dry_run }));
        return Ok(End::Done);
    }
    let would = if args.dry_run { "would be: " } else { "" };
    match open {
        [only] => println!("{would}credentials of participant {} {what}", only.number),
        _ => println!("{would}credentials of {} {what}", counted(open.len() as u64, "participant")),
    }
    left_out(others);
    Ok(End::Done)
}

fn left_out(others: usize) {
    if others > 0 {
        println!("{} left as they were: nothing of theirs can be changed so", counted(others as u64, "participant"));
    }
}

/// Why a participant gets no fresh credential, and what can be done.
fn why(args: &SeveralArgs, office: &Office, number: i64, withheld: Withheld) -> String {
    let slug = &args.slug;
    match withheld {
        Withheld::Answered => format!("participant {number} has answered, and answers to {slug} are not changed"),
        Withheld::Revoked => {
            format!("the credential of participant {number} was called back; --revoked lets them in again")
        }
        Withheld::Nobodys => "members sign in with their accounts".to_string(),
        // Who enrolled themself and withdrew as a subject comes back as one.
        Withheld::Withdrawn if office.shelved.study.enrolls_itself() => {
            format!(
                "participant {number} takes part no more (if that was recorded in error: `hagaki subject take-back`)"
            )
        }
        Withheld::Withdrawn => {
            format!(
                "participant {number} takes part no more; `hagaki participant readmit {slug} {number}` takes them back"
            )
        }
        Withheld::Over(_, until) => format!(
            "the credential of participant {number} was good until {}; give it another end first with `hagaki credentials extend {slug} \
             {number} --until DAY`",
            until.local(office.shelved.study.zone)
        ),
    }
}

pub(super) fn reissue(args: &SeveralArgs, again: bool, paper: &Paper) -> anyhow::Result<End> {
    let office = Office::open(&args.slug, &args.installation)?;
    if office.is_of_members() {
        let why =
            "members sign in with their accounts; whoever forgot the password has a link sent from the page /account";
        return Err(Refused(why.to_string()).into());
    }
    let people = args.whose.find(&office)?;
    let (mut open, mut none): (Vec<&ParticipantRow>, Vec<String>) = (Vec::new(), Vec::new());
    for one in &people {
        let now = office.opened.now();
        let may = credentials::may_reissue(&office.shelf, &office.shelved, now, one, again);
        match office.opened.runtime.block_on(may)? {
            Ok(()) => open.push(one),
            Err(withheld) => none.push(why(args, &office, one.number, withheld)),
        }
    }
    if let ([_], [why]) = (people.as_slice(), none.as_slice()) {
        return Err(Refused(format!("none is issued: {why}")).into());
    }
    if !paper.is_there() && open.iter().any(|one| one.address.is_empty()) {
        let why = match open.as_slice() {
            [_] => "there is no address: name a file for the credential with --out or --sheet",
            _ => "some have no address: name a file for their credentials with --out or --sheet",
        };
        return Err(Refused(why.to_string()).into());
    }
    if args.dry_run {
        let mailed = open.iter().filter(|one| !one.address.is_empty()).count();
        return anew(args, &open, mailed, &none);
    }
    agreed(args, "issued anew", open.len())?;
    let candidates: Vec<_> = open.iter().map(|one| on_file(one)).collect();
    let mut written = Written::begin(&office, paper, candidates.iter())?;
    let bar = Bar::new("participants", open.len() as u64);
    let (mut issued, mut mailed) = (BTreeSet::new(), 0);
    for one in &open {
        let issuing =
            credentials::reissue(&office.shelf, &office.shelved, office.means(), office.act(&args.reason), one, again);
        match office.opened.runtime.block_on(issuing)? {
            Ok(fresh) => {
                written.add(&office, std::slice::from_ref(&fresh))?;
                issued.insert(one.number);
                mailed += usize::from(fresh.mailed);
            }
            // Somebody was quicker.
            Err(withheld) => none.push(why(args, &office, one.number, withheld)),
        }
        bar.advance(1);
    }
    bar.clear();
    written.end()?;
    open.retain(|one| issued.contains(&one.number));
    if let ([_], [why]) = (people.as_slice(), none.as_slice()) {
        return Err(Refused(format!("none is issued: {why}")).into());
    }
    anew(args, &open, mailed, &none)
}

/// Says who gets (or would get) a fresh credential.
fn anew(args: &SeveralArgs, open: &[&ParticipantRow], mailed: usize, none: &[String]) -> anyhow::Result<End> {
    if args.output.json {
        println!(
            "{}",
            json!({ "issued": open.len(), "mailed": mailed, "others": none.len(), "why": none, "dry_run": args.dry_run })
        );
        return Ok(End::Done);
    }
    let would = if args.dry_run { "would be: " } else { "" };
    match (open, mailed) {
        ([only], 0) => println!("{would}participant {} has a fresh credential; the old one is dead", only.number),
        ([only], _) => {
            println!("{would}participant {} gets a fresh credential by mail; the old one is dead", only.number);
        }
        (several, _) => {
            let many = counted(several.len() as u64, "participant");
            println!("{would}fresh credentials for {many}, {mailed} of them by mail; the old ones are dead");
        }
    }
    if !none.is_empty() {
        println!("{} left as they were:", counted(none.len() as u64, "participant"));
    }
    for why in none.iter().take(limits::PEOPLE_NAMED) {
        println!("  {why}");
    }
    if none.len() > limits::PEOPLE_NAMED {
        println!("  and {} more; --json names all", none.len() - limits::PEOPLE_NAMED);
    }
    Ok(End::Done)
}
