//! The history of a further allocation: subjects of the same import who were allocated once more elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::names::Names;
use super::{History, Line, Misfit, OnFile, Placing, Subject, answers, kit_of, outside, unknown_levels, when};
use crate::domain::allocation::{Allotment, SITE};
use crate::domain::study::{FIRST, Randomization, Study, arm_name};
use crate::domain::time::Instant;
use crate::store::kit::KitRow;
use crate::workflow::shelf::ShelvedStudy;
use crate::workflow::when::When;

/// The history of a further allocation that fits, and where it came from.
#[derive(Clone, Debug)]
pub struct Further {
    /// Id of the allocation.
    pub id: String,
    /// Name of the file.
    pub file: String,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub digest: String,
    /// What is in it.
    pub history: History,
}

/// Whether a level that a further allocation looks at follows from the history of the allocations before: the site, an earlier arm, or
/// an item that the first one looks at, too.
pub fn is_known(study: &Study, id: &str) -> bool {
    let arms = std::iter::once(FIRST).chain(study.randomizations.iter().map(|own| own.id.as_str()));
    let first = study.scheme.as_ref().is_some_and(|scheme| scheme.needs().any(|need| need == id));
    id == SITE
        || study.registration.site_item.as_deref() == Some(id)
        || arms.into_iter().any(|own| arm_name(own) == id)
        || first && study.registration_instrument().find(id).is_some()
}

/// What is known of a subject from the histories before.
struct Before<'a> {
    subject: &'a Subject,
    /// Its arms, by the names that conditions and levels have for them.
    arms: BTreeMap<String, &'a str>,
    /// When it was allocated last, as far as that is known.
    at: Option<When>,
}

/// Fits the history of a further allocation to its scheme, line by line; `first` is that of the first allocation with those of the
/// further ones before, and whose subjects they are. Whether the allocation's condition held then is not asked.
///
/// # Errors
/// As [`super::fit`].
pub fn fit_further(
    shelved: &ShelvedStudy,
    own: &Randomization,
    on_file: OnFile<'_>,
    first: &History,
    lines: &[Line],
    now: Instant,
) -> Result<History, Vec<Misfit>> {
    let study = &shelved.study;
    let names = Names::new(study, on_file.participants);
    let kits: BTreeMap<&str, &KitRow> = on_file.kits.iter().map(|kit| (kit.code.as_str(), kit)).collect();
    let mut known: BTreeMap<&str, Before<'_>> = BTreeMap::new();
    let (mut used, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let earlier = first.further.iter().map(|one| (one.id.as_str(), &one.history));
    for (id, history) in std::iter::once((FIRST, first)).chain(earlier) {
        for subject in &history.subjects {
            let blank = Before { subject, arms: BTreeMap::new(), at: None };
            let before = known.entry(&subject.key).or_insert(blank);
            before.arms.insert(arm_name(id), &subject.allotment.arm);
            before.at = subject.at.or(before.at);
            used.extend(subject.kit.as_deref());
        }
    }
    let mut placing = Placing::new(&own.scheme);
    let mut misfits = Vec::new();
    let mut last: Option<When> = None;
    for line in lines {
        let mut wrong = Vec::new();
        let at = when(study, line, last, now, &mut wrong);
        last = at.or(last);
        if let Some(kit) = &line.kit
            && !used.insert(kit.as_str())
        {
            wrong.push(format!("the kit \"{kit}\" is that of another allocation"));
        }
        match before_of(&names, &known, line) {
            Err(fault) => wrong.push(fault),
            Ok(before) => {
                let mut subject = subject_of(shelved, own, &kits, before, line, at, &mut wrong);
                if let Some(form) = study.find_instrument(&own.instrument) {
                    subject.answers = answers::read(study, form, line, now.day_in(study.zone), &mut wrong);
                }
                if !seen.insert(subject.key.clone()) {
                    wrong.push(format!("the subject \"{}\" stands twice", subject.reference));
                }
                placing.place(subject, &mut wrong);
            }
        }
        misfits.extend(wrong.into_iter().map(|wrong| Misfit { line: line.number, wrong }));
    }
    if misfits.is_empty() { Ok(placing.history) } else { Err(misfits) }
}

/// The subject that a line means.
fn before_of<'k, 'a>(
    names: &Names<'_>,
    known: &'k BTreeMap<&str, Before<'a>>,
    line: &Line,
) -> Result<&'k Before<'a>, String> {
    let sites = names.study.sites.iter().filter(|site| line.site.as_ref().is_none_or(|named| *named == site.code));
    let keys = sites.map(|site| names.key(&site.code, &line.subject)).collect::<Result<BTreeSet<String>, String>>()?;
    let mut found = keys.iter().filter_map(|key| known.get(key.as_str()));
    match (found.next(), found.next()) {
        (Some(one), None) => match &line.site {
            Some(site) if *site != one.subject.site => {
                Err(format!("the subject \"{}\" is at the site {}, not {site}", line.subject, one.subject.site))
            }
            _ => Ok(one),
        },
        (Some(_), Some(_)) => {
            Err(format!("several sites have a subject \"{}\": name its site in a column \"site\"", line.subject))
        }
        (None, _) => Err(format!("the history of the first allocation has no subject \"{}\"", line.subject)),
    }
}

fn subject_of(
    shelved: &ShelvedStudy,
    own: &Randomization,
    kits: &BTreeMap<&str, &KitRow>,
    before: &Before<'_>,
    line: &Line,
    at: Option<When>,
    wrong: &mut Vec<String>,
) -> Subject {
    let study = &shelved.study;
    let site = before.subject.site.as_str();
    let mut levels = line.row.levels.clone();
    for id in own.scheme.needs().filter(|id| is_known(study, id)) {
        let on_site = id == SITE || study.registration.site_item.as_deref() == Some(id);
        let arm = before.arms.get(id).copied();
        let level = if on_site { Some(site) } else { arm.or(before.subject.levels.get(id).map(String::as_str)) };
        match (level, levels.get(id)) {
            (Some(level), Some(stated)) if stated != level => {
                wrong.push(format!(
                    "\"{stated}\" in the column \"{id}\" is not \"{level}\", which the history before has"
                ));
            }
            (Some(level), _) => drop(levels.insert(id.to_owned(), level.to_owned())),
            (None, _) => {
                wrong.push(format!("\"{id}\" is that of an allocation which the subject does not have before"))
            }
        }
    }
    levels.insert(SITE.to_owned(), site.to_owned());
    wrong.extend(unknown_levels(study, &own.scheme, &levels));
    if let (Some(at), Some(earlier)) = (at, before.at)
        && at.is_before(earlier, study)
    {
        wrong.push("the day in the column \"at\" is before that of the subject's earlier allocation".to_owned());
    }
    kit_of(study, kits, line, site, wrong);
    Subject {
        line: line.number,
        reference: before.subject.reference.clone(),
        key: before.subject.key.clone(),
        participant: before.subject.participant,
        site: site.to_owned(),
        kit: line.kit.clone(),
        at,
        levels,
        allotment: Allotment { arm: line.row.arm.clone(), slot: line.row.slot, block_size: line.row.block_size },
        outside: outside(Some(&own.scheme), line),
        answers: BTreeMap::new(),
    }
}
