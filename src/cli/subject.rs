//! `hagaki subject`: who is enrolled, what became known since, and noting more of it. No arm is shown of a blinded study.

mod show;

use std::collections::BTreeMap;

use anyhow::anyhow;
use clap::Subcommand;
use serde_json::json;

use super::installation::Opened;
use super::unblind::judged;
use super::{End, Installation, Output};
use crate::daemon::run::{desk_address, keys};
use crate::domain::fact::FactKind;
use crate::domain::language::Language;
use crate::limits;
use crate::store::fact::{self, FactRow};
use crate::store::subject;
use crate::workflow::Means;
use crate::workflow::command::{self, Known, Order};
use crate::workflow::facts::is_taken_back;
use crate::workflow::rescreen;
use crate::workflow::shelf::Shelf;
use crate::workflow::take_back;

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
    /// One subject: every form about it, and what became known since. Personal answers are masked.
    Show {
        /// The study.
        slug: String,
        /// Its number, or the site's reference of it.
        subject: String,
        /// Language of labels and answers: ja or en; the study's first if left out.
        #[arg(long, value_parser = super::simulate::language)]
        language: Option<Language>,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Consent to screening a subject again who has an arm, so that the person is randomized again: once, in production. The site then sends
    /// the form with `rescreening of: …` (again).
    Rescreen {
        /// The study.
        slug: String,
        /// Its number, or the site's reference of it.
        subject: String,
        /// Id of the person of the study who consents: somebody who does not enroll at the site.
        #[arg(long, value_name = "PERSON")]
        by: String,
        /// Why: stands in the audit chain.
        #[arg(long)]
        reason: String,
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
        /// Id of the person of the study who told it: stands in the audit chain and in the letters, beside whoever ran this. Needed in
        /// production.
        #[arg(long, value_name = "PERSON")]
        by: Option<String>,
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
        /// Unusual values are right.
        #[arg(long)]
        sure: bool,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Take back a fact that was recorded in error, such as a withdrawal of the wrong subject: by a new fact, for whoever asks after the
    /// subject sees both. From then on the fact in error counts no more, in anything that is decided. Withdrawn, ineligible,
    /// randomized-in-error and duplicate can be taken back, by this command and not by mail; what somebody was told of an arm cannot.
    TakeBack {
        /// The study.
        slug: String,
        /// Its number, or the site's reference of it.
        subject: String,
        /// Number of the fact in error, as `hagaki subject show` tells it.
        #[arg(long, value_name = "NUMBER")]
        fact: i64,
        /// Id of the person of the study who decided it: stands in the audit chain and in the letters, beside whoever ran this.
        #[arg(long, value_name = "PERSON")]
        by: String,
        /// Why: stands in the audit chain and in the letters.
        #[arg(long)]
        reason: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
}

fn kind(word: &str) -> Result<FactKind, String> {
    let is_noted = |kind: &FactKind| !matches!(kind, FactKind::Unblinded | FactKind::TakenBack);
    let words: Vec<&str> = FactKind::ALL.into_iter().filter(is_noted).map(FactKind::key).collect();
    let found = FactKind::find(word).filter(is_noted);
    found.ok_or_else(|| format!("no kind; there are {}", words.join(", ")))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (item, value) = text.split_once('=').ok_or_else(|| "write ITEM=VALUE, such as sex=F".to_string())?;
    Ok((item.trim().to_string(), value.trim().to_string()))
}

pub(super) fn run(command: SubjectCommand) -> anyhow::Result<End> {
    match command {
        SubjectCommand::List { slug, installation, output } => list(&slug, &installation, output),
        SubjectCommand::Show { slug, subject, language, installation, output } => {
            show::show(&slug, &subject, language, &installation, output)
        }
        SubjectCommand::Rescreen { slug, subject, by, reason, installation, output } => {
            let opened = Opened::open(&installation)?;
            let shelved = opened.study(&slug)?;
            let pen = opened.pen()?;
            let shelf = Shelf::new(opened.store.clone());
            let order = Order { actor: &opened.actor, subject: &subject, reason: &reason };
            let consenting = rescreen::consent(&shelf, &shelved, pen.means(&opened), order, &by);
            let new = judged(opened.runtime.block_on(consenting))?;
            if output.json {
                println!("{}", json!({ "subject": subject, "new": new }));
            } else if new {
                println!("{subject}: may be screened again, once; the site can send the form now");
            } else {
                println!("{subject}: that was on file already");
            }
            Ok(End::Done)
        }
        SubjectCommand::Note { slug, subject, kind, reason, by, set, of, allocation, sure, installation, output } => {
            let opened = Opened::open(&installation)?;
            let shelved = opened.study(&slug)?;
            let keys = opened.runtime.block_on(keys(&opened.store, &*opened.dice))?;
            let mailbox = opened.settings.mailboxes.first().ok_or_else(|| anyhow!("no mailbox is configured"))?;
            let desk = desk_address(mailbox, &opened.settings.web);
            let means = Means { now: opened.now(), dice: &*opened.dice, keys: &keys, desk: &desk };
            let shelf = Shelf::new(opened.store.clone());
            let order = Order { actor: &opened.actor, subject: &subject, reason: &reason };
            let set: BTreeMap<String, String> = set.into_iter().collect();
            let (of, randomization) = (of.as_deref(), allocation.as_deref());
            let known = Known { kind, set: &set, of, randomization, sure, by: by.as_deref() };
            let noting = command::note(&shelf, &shelved, means, order, known);
            let (fact, new) = judged(opened.runtime.block_on(noting))?;
            if output.json {
                println!("{}", json!({ "fact": show::fact_json(&shelved.study, &fact), "new": new }));
            } else if new {
                println!("{subject}: noted as fact {} ({})", fact.number, fact.kind.key());
            } else {
                println!("{subject}: that was on file already, as fact {} ({})", fact.number, fact.kind.key());
            }
            Ok(End::Done)
        }
        SubjectCommand::TakeBack { slug, subject, fact, by, reason, installation, output } => {
            let opened = Opened::open(&installation)?;
            let shelved = opened.study(&slug)?;
            let pen = opened.pen()?;
            let shelf = Shelf::new(opened.store.clone());
            let order = Order { actor: &opened.actor, subject: &subject, reason: &reason };
            let taking = take_back::take_back(&shelf, &shelved, pen.means(&opened), order, (fact, by.as_str()));
            let (taken, new) = judged(opened.runtime.block_on(taking))?;
            if output.json {
                println!("{}", json!({ "fact": show::fact_json(&shelved.study, &taken), "new": new }));
            } else if new {
                println!("{subject}: fact {fact} is taken back, by fact {}; it counts no more", taken.number);
            } else {
                println!("{subject}: fact {fact} was taken back already, by fact {}", taken.number);
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
            let own = facts.get(&row.id).map_or(&[][..], Vec::as_slice);
            let known: Vec<String> = own.iter().map(|fact| about(fact, own)).collect();
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

/// What became known, with the further allocation that it is about alone, and whether it was in error; `all` is known of the subject.
fn about(fact: &FactRow, all: &[FactRow]) -> String {
    let own = fact.randomization.as_ref().map(|own| format!(" ({own})")).unwrap_or_default();
    let in_error = if is_taken_back(all, fact.number) { ", in error" } else { "" };
    format!("{}{own}{in_error}", fact.kind.key())
}
