//! `hagaki study`: a study's life, from rehearsal to close.

mod amending;
mod ending;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Subcommand;
use serde_json::json;

pub(in crate::cli) use ending::confirm;

use super::check::weight;
use super::installation::Opened;
use super::{End, Installation, Output, Refused, counted};
use crate::daemon::run::{desk_address, keys};
use crate::definition::{self, Bundle, Problem, Weight};
use crate::domain::seal::NoKey;
use crate::domain::second_factor::Proof;
use crate::domain::study::{Stage, Study};
use crate::domain::token;
use crate::letters::Stationery;
use crate::store::study::{self, State};
use crate::store::{allocation, bundle, kit, planned, urn};
use crate::workflow::life::{self, Act, LifeError};
use crate::workflow::{cohorts, planned as planned_acts};

/// Commands on a study's life.
#[derive(Debug, Subcommand)]
pub enum StudyCommand {
    /// Every study here.
    List {
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// One study: stage, state, counts, bundle versions, kits.
    Show {
        /// The study.
        slug: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Put a bundle into force: for rehearsal, or with --production for good.
    Activate {
        /// The bundle's folder.
        bundle: PathBuf,
        /// Begin the real thing: new secret, numbers from 1; from here on the bundle changes only by amendment.
        #[arg(long)]
        production: bool,
        /// Why, and where.
        #[command(flatten)]
        why: Why,
    },
    /// Change the bundle by a numbered amendment, at once or on a day; the staff are told by letter when it is planned and when it comes into
    /// force.
    Amend {
        /// The changed bundle's folder, with the study before it if you like; with --withdraw the study alone.
        #[arg(required = true, num_args = 1..=2, value_name = "[STUDY] BUNDLE")]
        what: Vec<PathBuf>,
        /// Put it into force then and not now: a day (its first moment in the study's time zone), or 2027-01-15T09:00.
        #[arg(long, value_name = "WHEN", conflicts_with = "withdraw")]
        on: Option<String>,
        /// Take back the planned amendment of that number.
        #[arg(long, value_name = "NUMBER", conflicts_with = "dry_run")]
        withdraw: Option<i64>,
        /// Show what would change, and whether it can, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// In production: amend without asking; what changes is said all the same.
        #[arg(long)]
        yes: bool,
        /// Who decided, why, and where.
        #[command(flatten)]
        decided: ending::Decided,
    },
    /// Take no enrollments, randomizations and answers to surveys for the time being.
    Pause {
        /// The study.
        slug: String,
        /// Why, and where.
        #[command(flatten)]
        why: Why,
    },
    /// Go on after a pause.
    Resume {
        /// The study.
        slug: String,
        /// Why, and where.
        #[command(flatten)]
        why: Why,
    },
    /// End enrollment; everything else goes on: further randomizations, forms, corrections, kits, unblinding one subject.
    EndEnrollment {
        /// The study.
        slug: String,
        /// Who decided, why, and where.
        #[command(flatten)]
        decided: ending::Decided,
    },
    /// Take back the end of enrollment.
    ReopenEnrollment {
        /// The study.
        slug: String,
        /// Who decided, why, and where.
        #[command(flatten)]
        decided: ending::Decided,
    },
    /// End the study for good: enrollment, data entry and the blind. Says what ends, and asks first.
    Close {
        /// The study.
        slug: String,
        /// Close it without asking; what ends is said all the same.
        #[arg(long)]
        yes: bool,
        /// Who decided, why, and where.
        #[command(flatten)]
        decided: ending::Decided,
    },
    /// Forget everything a rehearsal brought; production is never purged.
    Purge {
        /// The study.
        slug: String,
        /// Why, and where.
        #[command(flatten)]
        why: Why,
    },
    /// The addresses that sites write to in a study that wants a site's token.
    Addresses {
        /// The study.
        slug: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
}

impl Why {
    fn lacks_reason(&self) -> bool {
        self.reason.trim().is_empty()
    }
}

/// Why, where, and how to tell it.
#[derive(Debug, clap::Args)]
pub struct Why {
    /// Why: stands in the audit chain, and letters to the staff repeat it, so that it names no arm, ratio or block. Needed to change a study in production.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(command: StudyCommand) -> anyhow::Result<End> {
    match command {
        StudyCommand::List { installation, output } => list(&installation, output),
        StudyCommand::Show { slug, installation, output } => show(&slug, &installation, output),
        StudyCommand::Activate { bundle, production, why } => {
            activate(&bundle, if production { Stage::Production } else { Stage::Development }, &why)
        }
        StudyCommand::Amend { what, withdraw: Some(number), decided, .. } => {
            amending::withdraw_planned(&what, number, &decided)
        }
        StudyCommand::Amend { what, on, withdraw: None, dry_run, yes, decided } => {
            let (slug, bundle) = amending::named(&what);
            match (dry_run, on) {
                (true, on) => amending::foresee(slug.as_deref(), bundle, on.as_deref(), &decided.why),
                (false, None) => amending::amend(slug.as_deref(), bundle, yes, &decided),
                (false, Some(on)) => amending::plan(slug.as_deref(), bundle, (&on, yes), &decided),
            }
        }
        StudyCommand::Pause { slug, why } => set_paused(&slug, true, &why),
        StudyCommand::Resume { slug, why } => set_paused(&slug, false, &why),
        StudyCommand::EndEnrollment { slug, decided } => ending::set_enrollment(&slug, true, &decided),
        StudyCommand::ReopenEnrollment { slug, decided } => ending::set_enrollment(&slug, false, &decided),
        StudyCommand::Close { slug, yes, decided } => ending::close(&slug, yes, &decided),
        StudyCommand::Purge { slug, why } => purge(&slug, &why),
        StudyCommand::Addresses { slug, installation, output } => addresses(&slug, &installation, output),
    }
}

/// A refusal on its way up, or a failure.
pub(super) fn judged<T>(result: Result<T, LifeError>) -> anyhow::Result<T> {
    match result {
        Ok(done) => Ok(done),
        Err(LifeError::Refused(refusal)) => Err(Refused(refusal.to_string()).into()),
        Err(LifeError::Failed(failure)) => Err(failure.into()),
    }
}

/// A bundle that is sound in itself and in its letters; else its problems are the refusal.
fn sound(folder: &Path) -> anyhow::Result<(Bundle, Study)> {
    let bundle = Bundle::read(folder);
    let mut problems = Vec::new();
    let study = match definition::load(&bundle) {
        Ok((study, mut warnings)) => {
            warnings.extend(definition::judge_predictability(&bundle, &study, &warnings));
            for warning in warnings {
                eprintln!("warning: {}/{warning}", folder.display());
            }
            Some(study)
        }
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    problems.extend(Stationery::load(&bundle.letters()).err().unwrap_or_default());
    match study.filter(|_| problems.is_empty()) {
        Some(study) => Ok((bundle, study)),
        None => {
            let line = |problem: &Problem| format!("{}: {}/{problem}", weight(problem), folder.display());
            let (errors, warnings): (Vec<&Problem>, Vec<&Problem>) =
                problems.iter().partition(|problem| problem.weight == Weight::Error);
            let lines: Vec<String> = errors.into_iter().chain(warnings).map(line).collect();
            let lines = lines.join("\n");
            Err(Refused(format!("nothing was changed; mend the errors and try again:\n{lines}")).into())
        }
    }
}

/// A survey without names, items marked `personal` and second factors need a key outside the database.
fn has_key(opened: &Opened, study: &Study) -> anyhow::Result<()> {
    if !opened.settings.keys.is_empty() {
        return Ok(());
    }
    if study.survey.as_ref().is_some_and(|survey| !survey.privacy.names()) {
        return Err(Refused(format!("the survey is kept without names, and {NoKey}")).into());
    }
    if study.election.is_some() {
        return Err(
            Refused(format!("the study holds an election, whose roll and votes are sealed, and {NoKey}")).into()
        );
    }
    if study.asks_personal() {
        return Err(Refused(format!("the study asks for items marked personal, and {NoKey}")).into());
    }
    if study.step_up.is_some_and(|rule| rule.proof == Proof::SecondFactor) {
        return Err(Refused(format!("the study demands second factors, and {NoKey}")).into());
    }
    Ok(())
}

/// What is to be said where pages go through a network in the clear.
pub(super) const NO_HTTPS: &str = "[web] public_url begins with http://, so that links, passwords and answers go through the network in the \
     clear, for whoever listens: give it an address with https:// (a proxy in front holds the certificate)";

/// What is to be said where the secret of a study is kept without a key.
pub(super) const CLEAR: &str = "the secret that all draws come from stands in the clear in the database, so that whoever has a copy of it \
     can foresee them: make a key file with `hagaki key make FILE`, name it in hagaki.toml with [keys] file, and start the daemon again; \
     the secret is sealed then";

fn activate(folder: &Path, stage: Stage, why: &Why) -> anyhow::Result<End> {
    let (bundle, study) = sound(folder)?;
    let opened = Opened::open(&why.installation)?;
    has_key(&opened, &study)?;
    if stage == Stage::Production && opened.settings.web.is_in_the_clear() {
        return Err(Refused(format!("nothing was changed: {NO_HTTPS}")).into());
    }
    let act = Act { actor: &opened.actor, at: opened.now(), reason: &why.reason };
    let activating = life::activate(&opened.store, &bundle, &study, stage, act, &*opened.dice);
    let done = judged(opened.runtime.block_on(activating))?;
    if why.output.json {
        println!(
            "{}",
            json!({ "study": study.slug, "stage": done.stage.key(), "version": done.version,
                    "bundle_digest": done.bundle_digest, "secret_digest": done.secret_digest })
        );
        return Ok(End::Done);
    }
    println!("{} runs in {}, bundle version {}", study.slug, done.stage.key(), done.version);
    println!("bundle digest (SHA-256):  {}", done.bundle_digest);
    println!("digest of the secret:     {}", done.secret_digest);
    println!(
        "Keep both with the protocol: the secret that all draws come from can be proved against its digest later."
    );
    if stage == Stage::Production && study.scheme.is_some() && opened.settings.keys.is_empty() {
        eprintln!("warning: {CLEAR}");
    }
    if stage == Stage::Development {
        println!(
            "This is a rehearsal: every letter says TEST. Begin with `hagaki study activate {} --production`.",
            folder.display()
        );
    }
    Ok(End::Done)
}

fn set_paused(slug: &str, paused: bool, why: &Why) -> anyhow::Result<End> {
    let opened = Opened::open(&why.installation)?;
    let act = Act { actor: &opened.actor, at: opened.now(), reason: &why.reason };
    let setting = life::set_paused(&opened.store, slug, paused, act);
    let stage = judged(opened.runtime.block_on(setting))?;
    let state = if paused { State::Paused } else { State::Open };
    if why.output.json {
        println!("{}", json!({ "study": slug, "stage": stage.key(), "state": state.key() }));
    } else {
        println!("{slug} ({}) is {}", stage.key(), state.key());
    }
    Ok(End::Done)
}

fn purge(slug: &str, why: &Why) -> anyhow::Result<End> {
    let opened = Opened::open(&why.installation)?;
    let act = Act { actor: &opened.actor, at: opened.now(), reason: &why.reason };
    let purging = life::purge(&opened.store, slug, act, &*opened.dice);
    let subjects = judged(opened.runtime.block_on(purging))?;
    if why.output.json {
        println!("{}", json!({ "study": slug, "stage": Stage::Development.key(), "subjects": subjects }));
    } else {
        let subjects = counted(subjects, "subject");
        println!("{slug}: {subjects} of the rehearsal forgotten; a new secret was drawn");
    }
    Ok(End::Done)
}

fn list(installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let rows = opened.runtime.block_on(study::list(&opened.store))?;
    for row in &rows {
        if output.json {
            println!(
                "{}",
                json!({ "study": row.slug, "stage": row.stage.key(), "state": row.state.key(),
                                   "enrollment_ended": row.enrollment_ended_at.is_some(), "subjects": row.subjects, "bundle_version": row.bundle_version })
            );
        } else {
            println!(
                "{:<20} {:<12} {:<16} {:>16}  bundle version {}",
                row.slug,
                row.stage.key(),
                match row.enrollment_ended_at {
                    Some(_) if row.state == State::Open => "enrollment ended",
                    _ => row.state.key(),
                },
                counted(row.subjects, "subject"),
                row.bundle_version
            );
        }
    }
    if rows.is_empty() && !output.json {
        println!("No study yet: hagaki init my-study, then hagaki study activate my-study");
    }
    Ok(End::Done)
}

fn show(slug: &str, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let shelved = opened.study(slug)?;
    let (row, versions, kits, sealed, given) = opened.runtime.block_on(async {
        let row = study::load(&opened.store, shelved.id).await?;
        let sealed = urn::count(&opened.store, shelved.id).await?;
        let versions = bundle::list(&opened.store, shelved.id).await?;
        let kits = kit::left(&opened.store, shelved.id).await?;
        let given = allocation::count_kinds(&opened.store, shelved.id).await?;
        Ok::<_, crate::store::StoreError>((row, versions, kits, sealed, given))
    })?;
    let filled = opened.runtime.block_on(cohorts::count(&opened.store, &shelved))?;
    let planned_rows = opened.runtime.block_on(planned::list(&opened.store, shelved.id))?;
    let overtaken = opened.runtime.block_on(planned_acts::overtaken(&opened.store, &row, &planned_rows))?;
    let zone = shelved.study.zone;
    let hex = |digest: &[u8]| data_encoding::HEXLOWER.encode(digest);
    let given_in = |id: &str| given.iter().find(|(own, _)| own == id).map_or(0, |(_, count)| *count);
    // How many kits are left per arm tells what was allocated; the operator sees the sum.
    let kits_left: i64 = kits.iter().map(|(_, _, left)| left).sum();
    if output.json {
        // How many have voted is told to nobody before the urn is opened.
        let sealed = shelved.study.election.is_none().then_some(sealed);
        let versions: Vec<_> = versions
            .iter()
            .map(|version| {
                json!({ "version": version.version, "digest": hex(&version.digest),
                                   "at": version.activated_at.utc(), "actor": version.actor, "reason": version.reason })
            })
            .collect();
        let levels = shelved.study.cohorts.iter().zip(&filled);
        let levels: Vec<_> = levels
            .map(|(cohort, count)| json!({ "cohort": cohort.id, "subjects": count, "cap": cohort.cap }))
            .collect();
        let amendments: Vec<_> = planned_rows
            .iter()
            .map(|one| {
                json!({ "number": one.number, "state": one.state.key(), "on": one.due_at.local(zone), "reason": one.reason,
                        "actor": one.actor, "digest": hex(&one.digest), "why": one.note,
                        "overtaken": overtaken.contains_key(&one.number) })
            })
            .collect();
        println!(
            "{}",
            json!({ "study": row.slug, "tag": shelved.study.tag, "stage": row.stage.key(),
            "state": row.state.key(), "enrollment_ended": row.enrollment_ended_at.map(|at| at.local(zone)),
            "subjects": row.subjects, "planned": shelved.study.planned_subjects,
            "responses": row.responses, "sealed": sealed,
            "secret_digest": hex(&row.secret_digest), "chain": { "length": row.chain.length, "head": hex(&row.chain.digest) },
            "allocations": shelved.study.allocations().map(|rules| json!({
                "id": rules.id, "method": rules.scheme.method().key(), "allocated": given_in(rules.id), "cap": rules.caps.total,
            })).collect::<Vec<_>>(),
            "kits_left": kits_left, "cohorts": levels, "planned_amendments": amendments, "versions": versions })
        );
        return Ok(End::Done);
    }
    println!("{} [{}] — {}", row.slug, shelved.study.tag, shelved.study.title.in_language(shelved.study.languages[0]));
    let ended = row.enrollment_ended_at.map(|at| format!("; enrollment ended {}", at.local(zone))).unwrap_or_default();
    println!("stage     {} ({}{ended})", row.stage.key(), row.state.key());
    let planned = shelved.study.planned_subjects.map(|planned| format!(" of {planned} planned")).unwrap_or_default();
    println!("subjects  {}{planned}", row.subjects);
    if let Some(survey) = &shelved.study.survey {
        let still = match survey.privacy.names() {
            true => String::new(),
            false => format!(
                " ({}), {sealed} of them sealed; opened {} or more together",
                survey.privacy.key(),
                survey.batch
            ),
        };
        println!("responses {}{still}", row.responses);
    }
    for rules in shelved.study.allocations() {
        let own = shelved.study.find_randomization(rules.id);
        let title = own.map_or(String::new(), |own| format!(", {}", own.title.in_language(shelved.study.languages[0])));
        let cap = rules.caps.total.map(|cap| format!(" of {cap}")).unwrap_or_default();
        println!("allocates {} ({}{title}): {}{cap}", rules.id, rules.scheme.method().key(), given_in(rules.id));
    }
    println!("secret    {} (SHA-256)", hex(&row.secret_digest));
    println!("chain     {} entries, head {}", row.chain.length, hex(&row.chain.digest));
    if !shelved.study.kits.is_empty() {
        println!("kits      {kits_left} left");
    }
    for (cohort, count) in shelved.study.cohorts.iter().zip(&filled) {
        println!("cohort    {} {count} of {}", cohort.id, cohort.cap);
    }
    for one in &planned_rows {
        let note = if one.note.is_empty() { String::new() } else { format!(" — {}", one.note.replace('\n', "; ")) };
        println!(
            "planned   No. {} for {} ({}) {}{note}",
            one.number,
            one.due_at.local(zone),
            match overtaken.get(&one.number) {
                Some(base) => format!("overtaken: checked against version {base}, it will not come into force"),
                None => one.state.key().to_string(),
            },
            one.reason
        );
    }
    for version in versions {
        println!(
            "bundle    version {} {} by {} {}",
            version.version,
            version.activated_at.local(shelved.study.zone),
            version.actor,
            version.reason
        );
    }
    Ok(End::Done)
}

fn addresses(slug: &str, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let shelved = opened.study(slug)?;
    let keys = opened.runtime.block_on(keys(&opened.store, &*opened.dice))?;
    let mailbox = opened.settings.mailboxes.first().ok_or_else(|| anyhow!("no mailbox is configured"))?;
    let desk = desk_address(mailbox, &opened.settings.web);
    for site in &shelved.study.sites {
        let address = desk.with(&token::site_token(&keys.address, slug, &site.code, None));
        if output.json {
            println!("{}", json!({ "site": site.code, "address": address }));
        } else {
            println!("{:<12} {address}", site.code);
        }
    }
    opened.runtime.block_on(opened.store.ping()).context("the database went away")?;
    Ok(End::Done)
}
