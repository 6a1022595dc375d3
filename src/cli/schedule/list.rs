//! `hagaki schedule list SLUG`: what waits, and what became of each letter.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use clap::Args;
use serde_json::json;

use super::steer::about;
use crate::cli::credentials::Office;
use crate::cli::{End, Installation, Output, Refused};
use crate::domain::schedule::{Occasion, Target, TargetKind};
use crate::domain::time::Instant;
use crate::limits;
use crate::store::planned_letter::{self, State, Which};
use crate::store::{participant, subject};
use crate::workflow::opt_out;

/// Arguments of `hagaki schedule list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The study.
    slug: String,
    /// Only about that one: number of a participant, what the list calls them, their address, number of a subject, or id of a person of
    /// the study.
    #[arg(long)]
    person: Option<String>,
    /// Only of that rule, by its id.
    #[arg(long)]
    rule: Option<String>,
    /// From that day on, by the study's clock.
    #[arg(long)]
    from: Option<NaiveDate>,
    /// Until that day, itself among them.
    #[arg(long)]
    to: Option<NaiveDate>,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// One letter of the list.
struct Line {
    at: Instant,
    state: &'static str,
    rule: String,
    target: Target,
    occasion: Option<Occasion>,
    wished: Instant,
    why: String,
    /// How far it has come in the outbox.
    sent: Option<&'static str>,
}

pub(super) fn run(args: &ListArgs) -> anyhow::Result<End> {
    let office = Office::of_any(&args.slug, &args.installation)?;
    let (store, study) = (&office.opened.store, &office.shelved.study);
    if study.schedule.is_none() {
        let why =
            format!("study {} has no schedule; letters of an earlier one went the way of its amendment", args.slug);
        return Err(Refused(why).into());
    }
    let target = args.person.as_deref().map(|person| about(&office, person)).transpose()?;
    let begin = |day: Option<NaiveDate>, or: Instant| day.map_or(or, |day| study.zone.resolve(day.into()));
    let which = Which {
        target: target.as_ref().map(|(target, _)| target),
        rule: args.rule.as_deref(),
        from: begin(args.from, Instant(i64::MIN)),
        to: begin(args.to.and_then(|day| day.succ_opt()), Instant(i64::MAX)),
    };
    let (id, most) = (office.shelved.id, limits::SCHEDULE_LISTED);
    let runtime = &office.opened.runtime;
    let settled = runtime.block_on(planned_letter::list_settled(store, id, which, most))?;
    let planned = runtime.block_on(planned_letter::list(store, id, which, most))?;
    let cut = [settled.len(), planned.len()].into_iter().any(|many| i64::try_from(many).is_ok_and(|many| many >= most));
    let mut lines: Vec<Line> = settled
        .into_iter()
        .map(|(one, sent)| Line {
            at: one.settled_at,
            state: one.fate.key(),
            rule: one.rule,
            target: one.target,
            occasion: Some(one.occasion),
            wished: one.wished_at,
            why: one.why,
            sent: sent.map(|state| state.key()),
        })
        .collect();
    lines.extend(planned.into_iter().map(|one| Line {
        at: one.due_at,
        state: one.state.key(),
        rule: one.rule,
        target: one.target,
        occasion: one.occasion,
        wished: one.wished_at,
        why: one.why,
        sent: None,
    }));
    // Of whoever unsubscribed meanwhile it is noted once their next letter's time has come.
    for line in lines.iter_mut().filter(|line| line.state == State::Waiting.key()) {
        if line.target.kind == TargetKind::Participant && unsubscribed(&office, &line.target)? {
            line.why = "will not be sent: they unsubscribed".to_string();
        }
    }
    lines.sort_by_key(|line| line.at);
    let mut names: BTreeMap<Target, String> = BTreeMap::new();
    for line in &lines {
        if !names.contains_key(&line.target) {
            names.insert(line.target.clone(), named(&office, &line.target)?);
        }
        let about = names.get(&line.target).map_or("", String::as_str);
        let at = line.at.local(study.zone);
        let occasion = line.occasion.as_ref().map(Occasion::key);
        if args.output.json {
            println!(
                "{}",
                json!({ "at": at, "state": line.state, "rule": line.rule, "about": about, "occasion": occasion,
                        "wished": line.wished.local(study.zone), "why": line.why, "outbox": line.sent })
            );
        } else {
            let said = match (line.why.as_str(), line.sent) {
                ("", Some(sent)) => sent,
                (why, _) => why,
            };
            let (occasion, rule) = (occasion.unwrap_or_default(), &line.rule);
            println!("{at:<26} {:<8} {rule:<16} {about:<20} {occasion:<14} {said}", line.state);
        }
    }
    if cut && !args.output.json {
        println!("only the first {most} are shown: name a --person, a --rule, --from or --to");
    }
    Ok(End::Done)
}

/// Whether a participant wants no more letters.
fn unsubscribed(office: &Office, target: &Target) -> anyhow::Result<bool> {
    let (store, runtime) = (&office.opened.store, &office.opened.runtime);
    let Some(id) = target.number() else { return Ok(false) };
    let whose = runtime.block_on(participant::load(store, id))?;
    Ok(runtime.block_on(opt_out::of(store, &office.means().keys.address, &whose))?.is_some())
}

/// What reports call it: never by a name.
fn named(office: &Office, target: &Target) -> anyhow::Result<String> {
    let (store, runtime) = (&office.opened.store, &office.opened.runtime);
    Ok(match (target.kind, target.number()) {
        (TargetKind::Participant, Some(id)) => {
            format!("participant {}", runtime.block_on(participant::load(store, id))?.number)
        }
        (TargetKind::Subject, Some(id)) => {
            office.shelved.study.subject_number(runtime.block_on(subject::load(store, id))?.number)
        }
        _ => target.id.clone(),
    })
}
