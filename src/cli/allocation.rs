//! `hagaki allocation`: the next decision explained, and past ones proved.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::explain::{self, ExplainFault};
use super::export::Whom;
use super::installation::Opened;
use super::rehearse::{self, RehearseArgs};
use super::simulate::{self, SimulateArgs};
use super::{End, Installation, Output, Refused, counted, export, force, import, rerandomize, reveal};
use crate::domain::allocation::{Allotment, Replayed};
use crate::domain::study::{Blinding, FIRST, Rules};
use crate::store::{allocation, study};
use crate::workflow::amendment::Schemes;
use crate::workflow::balance::{self, Balanced};
use crate::workflow::kits_left::KitsLeft;
use crate::workflow::kits_told::{KitDiscrepancy, KitWhat};
use crate::workflow::proof::{self, Proof, SecretFault, Verdict};
use crate::workflow::told::{Discrepancy, What};
use crate::workflow::told_study::StudyFault;
use crate::workflow::{binding, versions};

/// Commands on allocations.
#[derive(Debug, Subcommand)]
pub enum AllocationCommand {
    /// How many subjects each arm has, in all and by level. Keep it from anybody who enrolls. In a blinded study that goes on, two
    /// of them before and after an allocation tell its arm: so they are for somebody who may know arms, by name and with a reason.
    Balance {
        /// The study.
        slug: String,
        /// For whom.
        #[command(flatten)]
        whom: Whom,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// What would the next decision be? From a scheme and a history, without any installation.
    Explain {
        /// The scheme: an `allocation.toml`.
        #[arg(long)]
        file: PathBuf,
        /// The subjects so far: a CSV with a column per factor and `arm`.
        #[arg(long)]
        history: Option<PathBuf>,
        /// The next subject's levels, such as `sex=F,site=012`; left out where the scheme has no factors.
        #[arg(long)]
        next: Option<String>,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// What would a scheme do? Many trials with subjects drawn from a population: balance, predictability, arm counts.
    Simulate(Box<SimulateArgs>),
    /// Walk a bundle through a CSV of subjects, in a scratch database with a secret of its own: who would be enrolled or
    /// refused, and which arms could come out.
    Rehearse(RehearseArgs),
    /// Replay every allocation of a study from its journal and its secret, and compare subjects, allocations and kits with
    /// the audit chain; names the first that differs. Whether the chain is whole, `hagaki audit verify` tells. Not compared, as the
    /// chain holds nothing of it: texts as they were typed, beside the answers that were read from them; letters, mails and accounts.
    Verify {
        /// The study.
        slug: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Enroll a subject with an arm given by hand, for a reason: the daemon could not be reached, or the sponsor decided.
    Force(force::ForceArgs),
    /// Every allocation, with how it came about, as a file.
    Export(export::ExportArgs),
    /// Publish the secret of a closed study, with everything an independent verifier needs.
    Reveal(reveal::RevealArgs),
    /// Take over the history of another system, before the first enrollment.
    Import(import::ImportArgs),
    /// Allocate the same subjects again from other seeds, many times, for a re-randomization test.
    Rerandomize(rerandomize::RerandomizeArgs),
}

pub(super) fn run(command: AllocationCommand) -> anyhow::Result<End> {
    match command {
        AllocationCommand::Explain { file, history, next, output } => {
            let explanation = match explain::explain(&file, history.as_deref(), next.as_deref()) {
                Ok(explanation) => explanation,
                Err(fault @ ExplainFault::File { .. }) => return Err(fault.into()),
                Err(fault) => return Err(Refused(fault.to_string()).into()),
            };
            for warning in &explanation.warnings {
                eprintln!("warning: {warning}");
            }
            for level in &explanation.unseen {
                eprintln!("warning: {level}");
            }
            if output.json {
                println!("{}", explanation.to_json());
            } else {
                print!("{}", explanation.to_table());
            }
            Ok(End::Done)
        }
        AllocationCommand::Simulate(args) => simulate::run(*args),
        AllocationCommand::Rehearse(args) => rehearse::run(args),
        AllocationCommand::Balance { slug, whom, installation, output } => {
            balance_of(&slug, &whom, &installation, output)
        }
        AllocationCommand::Verify { slug, installation, output } => verify(&slug, &installation, output),
        AllocationCommand::Force(args) => force::run(&args),
        AllocationCommand::Export(args) => export::run(&args),
        AllocationCommand::Reveal(args) => reveal::run(&args),
        AllocationCommand::Import(args) => import::run(&args),
        AllocationCommand::Rerandomize(args) => rerandomize::run(&args),
    }
}

fn verify(slug: &str, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    // Rules that somebody changed are not loaded for anything else.
    let row = opened.runtime.block_on(study::find_current(&opened.store, slug))?;
    if let Some(row) = row
        && let Some(doubt) = opened.runtime.block_on(versions::check(&opened.store, &row))?
    {
        let proof = Proof { verdict: Verdict::Bundle(doubt), kits: KitsLeft::default() };
        return Ok(tell((slug, row.stage.key()), &proof, false, None, output));
    }
    let shelved = opened.study(slug)?;
    let proof = opened.runtime.block_on(proof::prove(&opened.store, &shelved))?;
    let stage = shelved.stage.key();
    let closed = opened.runtime.block_on(study::load(&opened.store, shelved.id))?.state == study::State::Closed;
    let told = closed || shelved.study.blinding == Blinding::Open;
    let disputes = opened.runtime.block_on(binding::disputes(&opened.store, &shelved))?;
    let disputed = (!disputes.is_empty()).then(|| binding::in_words(&shelved.study, &disputes));
    Ok(tell((slug, stage), &proof, told, disputed, output))
}

/// Tells a verdict; `disputed` are references that two subjects have, which is no fault of the records.
fn tell((slug, stage): (&str, &str), proof: &Proof, told: bool, disputed: Option<String>, output: Output) -> End {
    let Proof { verdict, kits } = proof;
    let end = match verdict {
        Verdict::Proved(_) | Verdict::ProvedBesides { .. } | Verdict::NoScheme => End::Done,
        Verdict::Untold(_)
        | Verdict::Kit(_)
        | Verdict::Study(_)
        | Verdict::Bundle(_)
        | Verdict::Secret(_)
        | Verdict::Differs(_) => End::Refused,
    };
    let kits = Some(kits).filter(|kits| end == End::Done && **kits != KitsLeft::default());
    if output.json {
        let mut report = json!({ "study": slug, "stage": stage });
        if let Some(kits) = kits {
            report["kits"] = json!({ "found": kits.found, "told": kits.told });
        }
        if let Some(disputed) = disputed {
            report["references"] = json!(disputed);
        }
        if let (Some(report), Value::Object(more)) = (report.as_object_mut(), to_json(verdict, told)) {
            report.extend(more);
        }
        println!("{report}");
    } else {
        println!("{slug} ({stage}): {}", in_words(verdict, told));
        if let Some(kits) = kits {
            println!("{slug} ({stage}): {}", kits_in_words(kits));
        }
        if let Some(disputed) = disputed {
            println!("{slug} ({stage}): {disputed}");
        }
    }
    end
}

/// What was found of the kits that left, and what could not be.
fn kits_in_words(kits: &KitsLeft) -> String {
    let found = counted(kits.found, "kit");
    let found = format!("{found} left in the order that the secret and the stock of each moment give");
    match kits.told {
        0 => found,
        told => format!(
            "{found}; {} cannot be found again: named by hand, imported, or handed out before the audit chain told the rule",
            counted(told, "kit")
        ),
    }
}

/// A verdict for programs; `what` is a key. Arms and blocks of a blinded study that goes on are not `told`.
fn to_json(verdict: &Verdict, told: bool) -> Value {
    match verdict {
        Verdict::Proved(count) => json!({ "proved": true, "allocations": count }),
        Verdict::ProvedBesides { proved, imported, forced } => {
            json!({ "proved": true, "allocations": proved + imported + forced, "imported": imported, "forced": forced })
        }
        Verdict::NoScheme => json!({ "proved": true, "allocations": 0, "randomizes": false }),
        Verdict::Kit(found) => json!({ "proved": false, "number": null, "what": found.what.key(), "kit": found.code }),
        Verdict::Untold(found) => json!({ "proved": false, "number": found.number, "what": found.what.key() }),
        Verdict::Study(fault) => json!({ "proved": false, "number": null, "what": fault.key() }),
        Verdict::Bundle(doubt) => {
            json!({ "proved": false, "number": null, "what": "bundle", "version": doubt.version, "why": doubt.why.key() })
        }
        Verdict::Secret(fault) => {
            let what = match fault {
                SecretFault::Row => "secret-digest",
                SecretFault::Chain => "secret",
                SecretFault::Uncommitted => "secret-uncommitted",
            };
            json!({ "proved": false, "number": null, "what": what })
        }
        Verdict::Differs(difference) if !told => {
            json!({ "proved": false, "number": difference.number, "what": "draw" })
        }
        Verdict::Differs(difference) => {
            let expected = match &difference.expected {
                Replayed::Allotted(allotment) => allotment_json(allotment),
                Replayed::Impossible(fault) => json!({ "fault": fault.to_string() }),
                Replayed::Number(number) => json!({ "number": number }),
            };
            json!({ "proved": false, "number": difference.number, "what": "draw", "expected": expected,
                    "found": allotment_json(&difference.found) })
        }
    }
}

fn allotment_json(allotment: &Allotment) -> Value {
    json!({ "arm": allotment.arm, "slot": allotment.slot, "block_size": allotment.block_size })
}

/// A verdict for people.
fn in_words(verdict: &Verdict, told: bool) -> String {
    match verdict {
        Verdict::Proved(count) => format!("all {count} allocations follow from the secret and the journal"),
        Verdict::ProvedBesides { proved, imported, forced } => {
            let parts = [(*imported, "imported"), (*forced, "forced")];
            let given = parts.iter().filter(|(count, _)| *count > 0);
            let given: Vec<String> = given.map(|(count, how)| format!("{count} {how}")).collect();
            format!(
                "{proved} proved: they follow from the secret and the journal; {}: as the audit chain tells them",
                given.join(", ")
            )
        }
        Verdict::NoScheme => "randomizes nobody; its subjects are as the audit chain tells them".to_string(),
        Verdict::Untold(found) => discrepancy_in_words(found),
        Verdict::Kit(found) => kit_in_words(found),
        Verdict::Study(StudyFault::State) => {
            "whether the study is open, paused or closed is not as the audit chain tells it".to_string()
        }
        Verdict::Study(StudyFault::EnrollmentEnd) => {
            "whether and when enrollment ended is not as the audit chain tells it".to_string()
        }
        Verdict::Bundle(doubt) => doubt.to_string(),
        Verdict::Secret(SecretFault::Row) => "SHA-256 of the secret is not the digest stored beside it".to_string(),
        Verdict::Secret(SecretFault::Chain) => {
            "SHA-256 of the secret is not the digest that the audit chain holds".to_string()
        }
        Verdict::Secret(SecretFault::Uncommitted) => "the audit chain holds no digest of the secret".to_string(),
        Verdict::Differs(difference) if !told => format!(
            "allocation {} does not follow from the secret and the journal; what was expected and found is told after the close",
            difference.number
        ),
        Verdict::Differs(difference) => {
            let expected = match &difference.expected {
                Replayed::Allotted(allotment) => allotment_in_words(allotment),
                Replayed::Impossible(fault) => format!("none, for {fault}"),
                Replayed::Number(number) => format!("allocation {number} first"),
            };
            let found = allotment_in_words(&difference.found);
            format!("allocation {} differs: expected {expected}; found {found}", difference.number)
        }
    }
}

fn allotment_in_words(allotment: &Allotment) -> String {
    let slot = allotment.slot.map(|slot| format!(", slot {slot}")).unwrap_or_default();
    let block = allotment.block_size.map(|size| format!(", block of {size}")).unwrap_or_default();
    format!("arm {}{slot}{block}", allotment.arm)
}

fn kit_in_words(found: &KitDiscrepancy) -> String {
    let code = &found.code;
    let kit = |what: &str| format!("{what} of kit {code} is not as the audit chain tells it");
    match found.what {
        KitWhat::Entry => format!("kit {code} is on file, but no list of kits that the audit chain tells of names it"),
        KitWhat::Absent => format!("the audit chain tells of kit {code}, which is not on file"),
        KitWhat::Arm => kit("the arm"),
        KitWhat::Site => kit("the place"),
        KitWhat::Lot => kit("the lot"),
        KitWhat::Expires => kit("the last day"),
        KitWhat::State => kit("the state"),
        KitWhat::Allocation => kit("the allocation"),
        KitWhat::Rank => format!("the rank of kit {code} is not the one that the secret gives it"),
        KitWhat::Order => {
            format!("kit {code} left out of its turn: by the secret and the stock of that moment, another one had to")
        }
        KitWhat::List => format!("the kits in {code} are not those whose digest the audit chain holds"),
    }
}

fn discrepancy_in_words(found: &Discrepancy) -> String {
    let number = found.number;
    let subject = |what: &str| format!("{what} of subject {number} is not as the audit chain tells it");
    let allocation = |what: &str| format!("{what} of allocation {number} is not as the audit chain tells it");
    match found.what {
        What::Entry => format!("number {number} is on file, but no entry of the audit chain tells of it"),
        What::Subject => format!("the audit chain tells of subject {number}, which is not on file"),
        What::Reference => {
            format!("what subject {number} is or was known by does not follow from its answers and their corrections")
        }
        What::Answers => format!("the answers of subject {number} are not as the audit chain tells them"),
        What::Site => subject("the site"),
        What::Rescreens => subject("the earlier screening"),
        What::Participant => subject("the participant who enrolled themself"),
        What::Person => subject("the person who enrolled"),
        What::EnrolledAt => subject("the time of enrollment"),
        What::Mail => subject("the number of the mail"),
        What::Digest => format!("the audit digest of subject {number} is not that of its entry"),
        What::Allocation => format!("the audit chain tells of allocation {number}, which is not on file"),
        What::Allocated => format!("allocation {number} belongs to another subject than the audit chain tells"),
        What::Randomization => {
            format!("allocation {number} is of another of the study's randomizations than the audit chain tells")
        }
        What::Request => format!("what was sent for allocation {number} is not as the audit chain tells it"),
        What::Arm => allocation("the arm"),
        What::Levels => format!("the levels of allocation {number} are not as the audit chain tells them"),
        What::Kit => allocation("the kit"),
        What::KitOrder => {
            format!(
                "a kit of allocation {number} left out of its turn: by the secret and the stock of that moment, another one had to"
            )
        }
        What::KitRow => {
            format!("a kit of allocation {number} is not in the list of kits as the audit chain tells it")
        }
        What::Bundle => allocation("the version of the bundle"),
        What::AllocatedAt => allocation("the time"),
        What::Record => allocation("the record"),
        What::Origin => {
            format!("whether allocation {number} was drawn, imported or forced is not as the audit chain tells it")
        }
        What::Journal => format!("the journal's row of allocation {number} cannot be read"),
        What::Fact => format!("what was recorded of subject {number} later is not as the audit chain tells it"),
        What::Counters => format!("the study's counters do not stand at number {number}, the last in the audit chain"),
    }
}

fn balance_of(slug: &str, whom: &Whom, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let shelved = opened.study(slug)?;
    if shelved.study.blinding == Blinding::Blinded {
        whom.ask_unblinded(&opened, &shelved, "balance")?;
    }
    let journal = opened.runtime.block_on(allocation::journal(&opened.store, shelved.id, 0))?;
    let facts = opened.runtime.block_on(proof::all_facts(&opened.store, shelved.id))?;
    let study = &shelved.study;
    let row = opened.runtime.block_on(study::load(&opened.store, shelved.id))?;
    let schemes = opened.runtime.block_on(Schemes::load(&opened.store, &row, study))?;
    let mut further = serde_json::Map::new();
    let mut first = Value::Null;
    for rules in study.allocations() {
        let counted = balance::count(rules, schemes.of(rules.id)?, &journal, &facts)?;
        if output.json {
            let mut told = balance_json(rules, &counted);
            told["forced_limit"] = json!(rules.forcing.limit);
            told["counts"] = json!(if rules.recounting.corrected { "corrected" } else { "original" });
            if let Some(epoch) = &counted.epoch {
                told["epoch"] = balance_json(rules, &epoch.counted);
                told["epoch"]["number"] = json!(epoch.number);
                told["epoch"]["from"] = json!(epoch.from);
            }
            match rules.id {
                FIRST => first = told,
                id => drop(further.insert(id.to_string(), told)),
            }
            continue;
        }
        if !study.randomizations.is_empty() {
            let gap = if rules.id == FIRST { "" } else { "\n" };
            println!("{gap}allocation {}", rules.id);
        }
        if counted.epoch.is_some() {
            println!("all subjects, in whatever epoch they were allocated");
        }
        print_balance(rules, &counted);
        if counted.forced > 0 || rules.forcing.limit > 0 {
            println!("{} given by hand, at most {}", counted.forced, rules.forcing.limit);
        }
        print_known(rules, &counted);
        if let Some(epoch) = &counted.epoch {
            println!(
                "\nepoch {}, from allocation {} on: these subjects alone are what the next allocations balance",
                epoch.number, epoch.from
            );
            print_balance(rules, &epoch.counted);
            print_known(rules, &epoch.counted);
        }
    }
    if output.json {
        let mut report = json!({ "study": slug, "allocations": 0, "arms": {}, "by": {} });
        if let (Some(report), Value::Object(told)) = (report.as_object_mut(), first) {
            report.extend(told);
            if !further.is_empty() {
                report.insert("further".to_string(), Value::Object(further));
            }
        }
        println!("{report}");
    }
    Ok(End::Done)
}

/// `{allocations, arms, by}` of one of the study's allocations.
fn balance_json(rules: Rules<'_>, counted: &Balanced) -> Value {
    let own = |counts: &[u64]| -> serde_json::Map<String, Value> {
        rules.arms.iter().zip(counts).map(|(arm, count)| (arm.code.clone(), json!(count))).collect()
    };
    let groups: serde_json::Map<String, Value> = counted
        .groups
        .iter()
        .map(|(factor, levels)| {
            let levels = levels.iter().map(|(level, counts)| (level.clone(), Value::Object(own(counts))));
            (factor.clone(), Value::Object(levels.collect()))
        })
        .collect();
    let mut right: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    for ((factor, level), counts) in &counted.right {
        right.entry(factor).or_default().insert(level, Value::Object(own(counts)));
    }
    json!({ "allocations": counted.arms.iter().sum::<u64>(), "arms": own(&counted.arms), "by": groups,
            "corrected": right, "forced": counted.forced, "mistaken": counted.mistaken, "left_out": counted.left_out })
}

/// What became known of these subjects since.
fn print_known(rules: Rules<'_>, counted: &Balanced) {
    if counted.mistaken > 0 {
        let way = match rules.recounting.corrected {
            true => {
                "above as they were allocated; later decisions count them as corrected (corrections = \"corrected\")"
            }
            false => "above, as in later decisions, as they were allocated (corrections = \"original\")",
        };
        println!("{} allocated by levels that turned out wrong: {way}", counted.mistaken);
    }
    if counted.left_out > 0 {
        println!("{} counted above, but left out of what later decisions count (exclude)", counted.left_out);
    }
}

fn print_balance(rules: Rules<'_>, counted: &Balanced) {
    let line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
        println!("{name:<28}{cells}");
    };
    let texts = |counts: &[u64]| counts.iter().map(u64::to_string).collect::<Vec<String>>();
    line("", rules.arms.iter().map(|arm| arm.code.clone()).collect());
    line("all", texts(&counted.arms));
    for (factor, levels) in &counted.groups {
        println!("{factor}");
        for (level, counts) in levels {
            line(&format!("  {level}"), texts(counts));
            if let Some(right) = counted.right.get(&(factor.clone(), level.clone())) {
                line("    as corrected", texts(right));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::allocation::FirstDifference;

    #[test]
    fn a_difference_is_told_in_words_and_keys() {
        let allotment = |arm: &str, slot, block_size| Allotment { arm: arm.to_string(), slot, block_size };
        let expected = Replayed::Allotted(allotment("STD", Some(2), Some(8)));
        let difference = FirstDifference { number: 3, expected, found: allotment("COMB", None, None) };
        let verdict = Verdict::Differs(Box::new(difference));
        let blinded = format!("{} {}", in_words(&verdict, false), to_json(&verdict, false));
        assert!(blinded.contains("allocation 3") && !blinded.contains("STD") && !blinded.contains("COMB"), "{blinded}");
        assert!(!blinded.contains("block") && !blinded.contains('8'), "{blinded}");
        assert_eq!(
            in_words(&verdict, true),
            "allocation 3 differs: expected arm STD, slot 2, block of 8; found arm COMB"
        );
        let report = to_json(&verdict, true);
        assert_eq!((&report["what"], &report["expected"]["block_size"]), (&json!("draw"), &json!(8)));
        let untold = Verdict::Untold(Discrepancy { number: 4, what: What::AllocatedAt });
        assert_eq!(to_json(&untold, true), json!({ "proved": false, "number": 4, "what": "allocated-at" }));
        assert_eq!(to_json(&Verdict::NoScheme, true)["proved"], json!(true));
    }
}
