//! `hagaki subject`: who is enrolled, what became known since, and noting more of it. No arm is shown of a blinded study.

use std::collections::BTreeMap;

use anyhow::anyhow;
use clap::Subcommand;
use serde_json::{Value, json};

use super::installation::Opened;
use super::unblind::judged;
use super::{End, Installation, Output};
use crate::daemon::run::{desk_address, keys};
use crate::domain::allocation::Origin;
use crate::domain::fact::FactKind;
use crate::domain::study::{Blinding, FIRST, Study};
use crate::limits;
use crate::store::allocation::{self, AllocationRow};
use crate::store::fact::{self, FactRow};
use crate::store::subject;
use crate::store::subject::SubjectRow;
use crate::workflow::Means;
use crate::workflow::command::{self, Known, Order};
use crate::workflow::enroll;
use crate::workflow::shelf::Shelf;

/// Commands on subjects.
#[derive(Debug, Subcommand)]
pub enum SubjectCommand {
    /// Every subject of a study.
    List {
        /// The study.
        slug: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// One subject: its registration, and what became known since.
    Show {
        /// The study.
        slug: String,
        /// Its number, or the site's reference of it.
        subject: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Note an error or a withdrawal as a new fact; the registration stays as it was.
    Note {
        /// The study.
        slug: String,
        /// Its number, or the site's reference of it.
        subject: String,
        /// randomized-in-error, ineligible, wrong-stratum, duplicate, withdrawn or corrected.
        #[arg(long, value_parser = kind)]
        kind: FactKind,
        /// Why: stands in the audit chain and in the letters.
        #[arg(long)]
        reason: String,
        /// What would have been right: ITEM=VALUE, or second.ITEM=VALUE of the form of a further allocation; may be given several
        /// times.
        #[arg(long, value_parser = pair)]
        set: Vec<(String, String)>,
        /// The subject enrolled before, of which it is a duplicate.
        #[arg(long)]
        of: Option<String>,
        /// The further allocation that was in error, or for which it was ineligible; the subject as a whole if left out.
        #[arg(long)]
        allocation: Option<String>,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
}

fn kind(word: &str) -> Result<FactKind, String> {
    let known = FactKind::ALL.into_iter().filter(|kind| *kind != FactKind::Unblinded);
    let words: Vec<&str> = known.map(FactKind::key).collect();
    let found = FactKind::find(word).filter(|kind| *kind != FactKind::Unblinded);
    found.ok_or_else(|| format!("no kind; there are {}", words.join(", ")))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (item, value) = text.split_once('=').ok_or_else(|| "write ITEM=VALUE, such as sex=F".to_string())?;
    Ok((item.trim().to_string(), value.trim().to_string()))
}

pub(super) fn run(command: SubjectCommand) -> anyhow::Result<End> {
    match command {
        SubjectCommand::List { slug, installation, output } => list(&slug, &installation, output),
        SubjectCommand::Show { slug, subject, installation, output } => show(&slug, &subject, &installation, output),
        SubjectCommand::Note { slug, subject, kind, reason, set, of, allocation, installation, output } => {
            let opened = Opened::open(&installation)?;
            let shelved = opened.study(&slug)?;
            let keys = opened.runtime.block_on(keys(&opened.store, &*opened.dice))?;
            let mailbox = opened.settings.mailboxes.first().ok_or_else(|| anyhow!("no mailbox is configured"))?;
            let desk = desk_address(mailbox, &opened.settings.web);
            let means = Means { now: opened.now(), dice: &*opened.dice, keys: &keys, desk: &desk };
            let shelf = Shelf::new(opened.store.clone());
            let order = Order { actor: &opened.actor, subject: &subject, reason: &reason };
            let set: BTreeMap<String, String> = set.into_iter().collect();
            let known = Known { kind, set: &set, of: of.as_deref(), randomization: allocation.as_deref() };
            let noting = command::note(&shelf, &shelved, means, order, known);
            let (fact, new) = judged(opened.runtime.block_on(noting))?;
            if output.json {
                println!("{}", json!({ "fact": fact_json(&shelved.study, &fact), "new": new }));
            } else if new {
                println!("{subject}: noted as fact {} ({})", fact.number, fact.kind.key());
            } else {
                println!("{subject}: that was on file already, as fact {} ({})", fact.number, fact.kind.key());
            }
            Ok(End::Done)
        }
    }
}

fn list(slug: &str, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let shelved = opened.study(slug)?;
    let study = &shelved.study;
    let mut facts: BTreeMap<i64, Vec<FactRow>> = BTreeMap::new();
    for fact in opened.runtime.block_on(fact::list(&opened.store, shelved.id, 0, i64::MAX))? {
        facts.entry(fact.subject_id).or_default().push(fact);
    }
    let mut after = 0;
    loop {
        let page = opened.runtime.block_on(subject::list(&opened.store, shelved.id, after, limits::PAGE_ROWS))?;
        let Some(last) = page.last() else { return Ok(End::Done) };
        after = last.number;
        for row in &page {
            let known: Vec<String> = facts.get(&row.id).into_iter().flatten().map(about).collect();
            if output.json {
                println!(
                    "{}",
                    json!({ "subject": study.subject_number(row.number), "site": row.site,
                    "person": row.person, "enrolled_at": row.enrolled_at.local(study.zone), "facts": known })
                );
            } else {
                println!(
                    "{:<20} {:<8} {}  {}",
                    study.subject_number(row.number),
                    row.site,
                    row.enrolled_at.local(study.zone),
                    known.join(", ")
                );
            }
        }
    }
}

fn show(slug: &str, wanted: &str, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let shelved = opened.study(slug)?;
    let study = &shelved.study;
    let finding = command::find_subject(&opened.store, study, shelved.id, wanted);
    let row = judged(opened.runtime.block_on(finding))?;
    let facts = opened.runtime.block_on(fact::list_by_subject(&opened.store, row.id))?;
    let given = opened.runtime.block_on(allocation::list_by_subject(&opened.store, row.id))?;
    let shown = |given: &AllocationRow| (study.blinding == Blinding::Open).then(|| given.arm.clone());
    let first = given.iter().find(|given| given.randomization == FIRST);
    let arm = first.and_then(shown);
    let origin = first.map(|given| given.origin);
    let allocated = match first {
        Some(given) => opened.runtime.block_on(enroll::allocated(&opened.store, given))?,
        None => None,
    };
    let allocated = allocated.map(|allocated| allocated.local(study.zone));
    let kit = first.and_then(|given| given.kit.as_deref());
    let further: Vec<&AllocationRow> = given.iter().filter(|given| given.randomization != FIRST).collect();
    let answers = shown_answers(study, &row)?;
    let earlier = match row.rescreens_id {
        Some(id) => Some(opened.runtime.block_on(subject::load(&opened.store, id))?),
        None => None,
    };
    let later = opened.runtime.block_on(subject::find_rescreening(&opened.store, row.id))?;
    let [earlier, later] = [earlier, later].map(|other| other.map(|other| study.subject_number(other.number)));
    if output.json {
        let facts: Vec<Value> = facts.iter().map(|fact| fact_json(study, fact)).collect();
        println!(
            "{}",
            json!({ "subject": study.subject_number(row.number), "site": row.site, "person": row.person,
            "enrolled_at": row.enrolled_at.local(study.zone), "answers": answers, "arm": arm, "kit": kit,
            "origin": origin.map(Origin::key), "allocated_at": allocated, "rescreens": earlier, "rescreened_as": later,
            "further": further.iter().map(|own| json!({
                "randomization": own.randomization, "arm": shown(own), "kit": own.kit, "origin": own.origin.key(),
                "randomized_at": own.allocated_at.local(study.zone) })).collect::<Vec<Value>>(),
            "facts": facts })
        );
        return Ok(End::Done);
    }
    println!("{}", study.subject_number(row.number));
    println!("  site         {}", row.site);
    println!("  enrolled     {} by {}", row.enrolled_at.local(study.zone), row.person);
    if let Some(earlier) = earlier {
        println!("  rescreens    {earlier}");
    }
    if let Some(later) = later {
        println!("  screened again as {later}");
    }
    let at = allocated.unwrap_or_else(|| "an unknown time".to_string());
    match origin {
        Some(Origin::Imported) => println!("  allocated    at {at}, elsewhere; its history was imported"),
        Some(Origin::Forced) => println!("  allocated    at {at}, by hand"),
        Some(Origin::Drawn) | None => {}
    }
    if let Some(arm) = arm {
        println!("  arm          {arm}");
    }
    if let Some(kit) = kit {
        println!("  kit          {kit}");
    }
    for own in further {
        let told = shown(own).map(|arm| format!("arm {arm}"));
        let kit = own.kit.as_ref().map(|kit| format!("kit {kit}"));
        let told: Vec<String> = told.into_iter().chain(kit).collect();
        let by_hand = opened.runtime.block_on(enroll::allocated(&opened.store, own))?;
        let at = by_hand
            .map_or_else(|| own.allocated_at.local(study.zone), |at| format!("{}, by hand", at.local(study.zone)));
        println!("  {:<12} {} at {at}", own.randomization, told.join(", "));
    }
    for (item, value) in &answers {
        println!("  {item:<12} {value}");
    }
    for fact in &facts {
        println!(
            "  fact {}: {} at {}, by {}: {}",
            fact.number,
            about(fact),
            fact.recorded_at.local(study.zone),
            fact.person,
            fact.reason
        );
        if fact.changes != "{}" {
            println!("    would have been right: {}", fact.changes);
        }
    }
    Ok(End::Done)
}

/// Canonical answers, without those that identify somebody.
fn shown_answers(study: &Study, row: &SubjectRow) -> anyhow::Result<BTreeMap<String, String>> {
    let answers: BTreeMap<String, String> = serde_json::from_str(&row.answers)?;
    let instrument = study.registration_instrument();
    let plain = |item: &str| instrument.find(item).is_some_and(|item| !item.personal);
    Ok(answers.into_iter().filter(|(item, _)| plain(item)).collect())
}

/// What became known, with the further allocation that it is about alone.
fn about(fact: &FactRow) -> String {
    let own = fact.randomization.as_ref().map(|own| format!(" ({own})")).unwrap_or_default();
    format!("{}{own}", fact.kind.key())
}

fn fact_json(study: &Study, fact: &FactRow) -> Value {
    let changes: Value = serde_json::from_str(&fact.changes).unwrap_or_default();
    json!({ "number": fact.number, "kind": fact.kind.key(), "allocation": fact.randomization, "person": fact.person, "actor": fact.actor,
            "reason": fact.reason, "changes": changes, "after_allocation": fact.after_allocation,
            "recorded_at": fact.recorded_at.local(study.zone) })
}
