//! `hagaki study amend`: at once, on a day, tried, or taken back.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::ending::{Decided, ask, letters};
use super::{Why, has_key, judged, sound};
use crate::cli::installation::Opened;
use crate::cli::{End, Refused};
use crate::definition::Bundle;
use crate::domain::study::{Stage, Study};
use crate::domain::time::Instant;
use crate::workflow::amending::{self, Version};
use crate::workflow::life::Act;
use crate::workflow::planned as planned_acts;
use crate::workflow::shelf::Shelf;

/// The study, if it was named, and the bundle's folder.
pub(super) fn named(what: &[PathBuf]) -> (Option<String>, &Path) {
    match what {
        [slug, bundle, ..] => (Some(slug.to_string_lossy().into_owned()), bundle),
        [bundle] => (None, bundle),
        [] => (None, Path::new("")),
    }
}

/// A sound bundle of the study that was named, if one was.
fn sound_of(slug: Option<&str>, folder: &Path) -> anyhow::Result<(Bundle, Study)> {
    let (bundle, study) = sound(folder)?;
    if let Some(slug) = slug.filter(|slug| study.slug != *slug) {
        let other = format!("{} is a bundle of the study {}, not of {slug}", folder.display(), study.slug);
        return Err(Refused(other).into());
    }
    Ok((bundle, study))
}

/// The moment that `--on` names.
fn moment(study: &Study, text: &str) -> anyhow::Result<Instant> {
    let wrong = || Refused(format!("--on {text}: write a day such as 2027-01-15, or with the time 2027-01-15T09:00"));
    Ok(study.zone.parse_moment(text).ok_or_else(wrong)?)
}

/// Says what an amendment changes, and in production asks whether it may; the lines that were said. What would be refused anyway is not
/// asked about.
fn agreed(opened: &Opened, new: Version<'_>, yes: bool, decided: &Decided) -> anyhow::Result<Vec<String>> {
    let (slug, json) = (new.study.slug.as_str(), decided.why.output.json);
    let in_force = opened.study(slug)?;
    let asks = in_force.stage == Stage::Production;
    if asks && !decided.is_accounted(&in_force.study.people) {
        return Ok(Vec::new());
    }
    let foresee = || judged(opened.runtime.block_on(amending::foresee(&opened.store, new, decided.by(opened).act)));
    let (version, changes) = foresee()?;
    eprintln!("{slug}: amendment {version} changes");
    for change in &changes {
        eprintln!("  {change}");
    }
    if asks && !yes {
        ask(slug, json, ["amend", "amended", "change"])?;
        // Somebody may have taken their time.
        if foresee()? != (version, changes.clone()) {
            let how =
                format!("{slug} was not amended: meanwhile the amendment would change something else; look again");
            return Err(Refused(how).into());
        }
    }
    Ok(changes)
}

pub(super) fn plan(
    slug: Option<&str>,
    folder: &Path,
    (on, yes): (&str, bool),
    decided: &Decided,
) -> anyhow::Result<End> {
    let why = &decided.why;
    let (bundle, study) = sound_of(slug, folder)?;
    let due_at = moment(&study, on)?;
    let opened = Opened::open(&why.installation)?;
    has_key(&opened, &study)?;
    let new = Version { bundle: &bundle, study: &study };
    let changes = agreed(&opened, new, yes, decided)?;
    let (pen, shelf) = (opened.pen()?, Shelf::new(opened.store.clone()));
    let planning = planned_acts::plan(&shelf, new, due_at, pen.means(&opened), decided.by(&opened));
    let number = judged(opened.runtime.block_on(planning))?;
    let waiting = opened.runtime.block_on(planned_acts::waiting_in(&opened.store, &study.slug))?;
    let at = due_at.local(study.zone);
    if why.output.json {
        println!(
            "{}",
            json!({ "study": study.slug, "planned": number, "on": at, "changes": changes,
                                 "bundle_digest": bundle.digest() })
        );
    } else {
        println!("{}: planned as No. {number}; it comes into force on {at}", study.slug);
        println!("{}", letters(opened.study(&study.slug)?.study.people.len()));
        for one in waiting.iter().filter(|one| one.number != number) {
            let due = one.due_at.local(study.zone);
            println!(
                "No. {} waits as well, for {due}: whichever comes first keeps the other from coming into force.",
                one.number
            );
        }
        println!("Take it back with `hagaki study amend {} --withdraw {number}`.", study.slug);
    }
    Ok(End::Done)
}

pub(super) fn withdraw_planned(what: &[PathBuf], number: i64, decided: &Decided) -> anyhow::Result<End> {
    let why = &decided.why;
    let [slug] = what else {
        return Err(Refused("--withdraw takes the study's name and no bundle".to_string()).into());
    };
    let slug = slug.to_string_lossy();
    let opened = Opened::open(&why.installation)?;
    let (pen, shelf) = (opened.pen()?, Shelf::new(opened.store.clone()));
    let withdrawing = planned_acts::withdraw(&shelf, &slug, number, pen.means(&opened), decided.by(&opened));
    judged(opened.runtime.block_on(withdrawing))?;
    let told = opened.study(&slug)?.study.people.len();
    if why.output.json {
        println!("{}", json!({ "study": slug, "planned": number, "state": "withdrawn" }));
    } else {
        println!("{slug}: planned amendment No. {number} is withdrawn");
        println!("{}", letters(told));
    }
    Ok(End::Done)
}

pub(super) fn amend(slug: Option<&str>, folder: &Path, yes: bool, decided: &Decided) -> anyhow::Result<End> {
    let why = &decided.why;
    let (bundle, study) = sound_of(slug, folder)?;
    let opened = Opened::open(&why.installation)?;
    has_key(&opened, &study)?;
    let (pen, shelf) = (opened.pen()?, Shelf::new(opened.store.clone()));
    let new = Version { bundle: &bundle, study: &study };
    let changes = agreed(&opened, new, yes, decided)?;
    let amending = amending::amend(&shelf, new, pen.means(&opened), decided.by(&opened));
    let amended = judged(opened.runtime.block_on(amending))?;
    let version = amended.version;
    let waiting = opened.runtime.block_on(planned_acts::waiting_in(&opened.store, &study.slug))?;
    if why.output.json {
        let numbers: Vec<i64> = waiting.iter().map(|one| one.number).collect();
        println!(
            "{}",
            json!({ "study": study.slug, "version": version, "bundle_digest": bundle.digest(), "outdated": numbers,
                    "changes": changes, "ended": amended.ended, "renamed": amended.renamed, "told": amended.told })
        );
    } else {
        println!("{}: amendment {version} is in force", study.slug);
        // What a blinded study tells only of an amendment in force.
        for line in amended.ended.iter().filter(|line| !changes.contains(line)) {
            println!("  {line}");
        }
        println!("{}", letters(amended.told));
        for one in &waiting {
            println!(
                "Planned amendment No. {} of {} was checked against an earlier version and will not come into force; plan it anew \
                 with what changed now, and take it back with `hagaki study amend {} --withdraw {}`.",
                one.number,
                one.due_at.local(study.zone),
                study.slug,
                one.number
            );
        }
    }
    Ok(End::Done)
}

pub(super) fn foresee(slug: Option<&str>, folder: &Path, on: Option<&str>, why: &Why) -> anyhow::Result<End> {
    let (bundle, study) = sound_of(slug, folder)?;
    let due_at = on.map(|on| moment(&study, on)).transpose()?;
    let opened = Opened::open(&why.installation)?;
    let act = Act { actor: &opened.actor, at: opened.now(), reason: &why.reason };
    let foreseeing = amending::foresee(&opened.store, Version { bundle: &bundle, study: &study }, act);
    let (version, changes) = judged(opened.runtime.block_on(foreseeing))?;
    if why.output.json {
        println!(
            "{}",
            json!({ "study": study.slug, "version": version, "changes": changes,
                                 "on": due_at.map(|at| at.local(study.zone)) })
        );
        return Ok(End::Done);
    }
    let then = due_at.map(|at| format!(", on {},", at.local(study.zone))).unwrap_or_default();
    println!("{}: amendment {version}{then} would change", study.slug);
    for change in &changes {
        println!("  {change}");
    }
    for one in opened.runtime.block_on(planned_acts::waiting_in(&opened.store, &study.slug))? {
        let due = one.due_at.local(study.zone);
        println!(
            "Planned amendment No. {} waits for {due}: whichever comes first keeps the other from coming into force.",
            one.number
        );
    }
    println!("Nothing was changed; leave --dry-run out to put it into force.");
    Ok(End::Done)
}
