//! Amendments: which versions of a bundle decided which allocations, and whether a study can go on by another.
//!
//! In charge of following the schemes of all versions in their order, for states, proofs and exports alike. What a change of scheme
//! does to the counts is `domain::allocation`'s to say.

use std::collections::{BTreeMap, BTreeSet};

use super::Failure;
use super::life::Refusal;
use super::proof;
use super::shelf::bundle_of;
use crate::definition::allocation_file;
use crate::domain::allocation::{
    Amendment, Break, FirstDifference, Follower, Method, Row, Scheme, State, Turn, replay_turns,
};
use crate::domain::study::Study;
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;
use crate::store::study::StudyRow;
use crate::store::{Reader, bundle};

/// Name of the statistician's file in a bundle.
const ALLOCATION: &str = "allocation.toml";

/// The schemes of a study in the order in which they came into force.
#[derive(Clone, Debug, PartialEq)]
pub struct Schemes {
    first: Scheme,
    /// First version of the bundle by a scheme that differs from the one before, and that scheme.
    later: Vec<(i64, Scheme)>,
}

impl Schemes {
    /// Those of a study whose scheme never changed.
    pub fn single(scheme: &Scheme) -> Schemes {
        Schemes { first: scheme.clone(), later: Vec::new() }
    }

    /// Of the versions' files, oldest first.
    fn of(row: &StudyRow, versions: &[String]) -> Result<Option<Schemes>, Failure> {
        let mut schemes: Option<Schemes> = None;
        let mut before: Option<BTreeMap<String, String>> = None;
        for (files, version) in versions.iter().zip(1..) {
            let mut own = bundle_of(row, files)?.files().clone();
            own.retain(|name, _| name == ALLOCATION || allocation_file::is_list(name));
            if before.as_ref() == Some(&own) {
                continue;
            }
            let mut problems = Vec::new();
            let beside = |name: &str| own.get(name).cloned();
            let text = own.get(ALLOCATION).map(String::as_str).unwrap_or_default();
            let read = allocation_file::read_with(text, ALLOCATION, &beside, &mut problems);
            // A study without subjects may have become another altogether; what it allocated, if anything, tells.
            if let Some(read) = read {
                match &mut schemes {
                    None => schemes = Some(Schemes::single(&read.scheme)),
                    Some(schemes) if *schemes.last() != read.scheme => schemes.later.push((version, read.scheme)),
                    Some(_) => {}
                }
            }
            before = Some(own);
        }
        Ok(schemes)
    }

    /// The schemes of all versions up to the one in force; `current` is that of the version in force.
    ///
    /// # Errors
    /// The database; stored bundles that this version cannot read.
    pub async fn load<'a>(from: impl Into<Reader<'a>>, row: &StudyRow, current: &Scheme) -> Result<Schemes, Failure> {
        let mut versions = Vec::new();
        // One version needs no look.
        if row.bundle_version > 1 && row.allocations > 0 {
            versions = bundle::files(from, row.id).await?;
        }
        Ok(Schemes::of(row, &versions)?.unwrap_or_else(|| Schemes::single(current)))
    }

    /// Whether the scheme never changed.
    pub fn is_single(&self) -> bool {
        self.later.is_empty()
    }

    /// The scheme that decided first.
    pub fn first(&self) -> &Scheme {
        &self.first
    }

    /// The scheme in force.
    pub fn last(&self) -> &Scheme {
        self.later.last().map_or(&self.first, |(_, scheme)| scheme)
    }

    /// From which allocation on each later scheme decides: the first that was made by its version, or a later one.
    pub fn turns(&self, allocations: &[AllocationRow]) -> Vec<Turn<'_>> {
        let after_all = allocations.last().map_or(1, |row| row.number + 1);
        let from = |version: i64| {
            let first = allocations.iter().find(|row| row.bundle_version >= version);
            first.map_or(after_all, |row| row.number).unsigned_abs()
        };
        self.later.iter().map(|(version, scheme)| Turn { from: from(*version), scheme }).collect()
    }

    /// As [`Schemes::turns`], from the number of the first allocation that each version made.
    pub fn turns_of(&self, beginnings: &[(i64, i64)]) -> Vec<Turn<'_>> {
        let from = |version: i64| {
            let later = beginnings.iter().filter(|(own, _)| *own >= version).map(|(_, first)| first.unsigned_abs());
            later.min().unwrap_or(u64::MAX)
        };
        self.later.iter().map(|(version, scheme)| Turn { from: from(*version), scheme }).collect()
    }

    /// The state at the end of a journal and its facts.
    ///
    /// # Errors
    /// A row that the schemes cannot have made.
    pub fn state(&self, study: &Study, allocations: &[AllocationRow], facts: &[FactRow]) -> Result<State, Failure> {
        let amendments = proof::amendments(study, facts, allocations)?;
        let turns = self.turns(allocations);
        let mut follower = Follower::new(&self.first, &turns, &amendments);
        let mut state = State::new(&self.first);
        let broken = |fault| Failure::Contradiction(format!("the journal cannot be counted: {fault}"));
        for row in allocations {
            let counted = proof::row_of(row)?;
            let scheme = follower.before(counted.number, &mut state).map_err(broken)?;
            proof::record(&mut state, scheme, row)?;
            follower.counted(&counted);
        }
        follower.finish(&mut state).map_err(broken)?;
        Ok(state)
    }

    /// Decides every allocation again, each by the scheme that was in force; what was given is counted as it is.
    ///
    /// # Errors
    /// The first that differs.
    pub fn replay(
        &self,
        turns: &[Turn<'_>],
        secret: &[u8; 32],
        rows: impl Iterator<Item = Row>,
        amendments: &[Amendment],
    ) -> Result<(), Box<FirstDifference>> {
        replay_turns(&self.first, turns, secret, rows, amendments).map(drop)
    }
}

/// After the first enrollment what is to come rests on what was decided: a scheme changes only so that its counts stay defined,
/// and what its levels mean and what makes a subject the same stay, in a registry too.
///
/// # Errors
/// What cannot change.
pub fn check(slug: &str, old: &Study, new: &Study) -> Result<(), Refusal> {
    let changed = |what| Refusal::SchemeChanged { slug: slug.to_string(), what };
    let caps_strata = new.caps.stratum.is_some();
    match (&old.scheme, &new.scheme) {
        (Some(old), Some(new)) => {
            let breaks = new.breaks(old);
            if !breaks.is_empty() {
                return Err(Refusal::Scheme(breaks.iter().map(told).collect()));
            }
            let sorted = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<String>>();
            if caps_strata && sorted(old.strata()) != sorted(new.strata()) {
                return Err(changed("the strata while [caps] stratum counts them"));
            }
        }
        (None, None) => {}
        _ => return Err(changed("whether subjects are allocated")),
    }
    if old.recounting != new.recounting {
        return Err(changed("how later decisions count corrected and excluded subjects"));
    }
    if old.blinding != new.blinding {
        return Err(changed("the blinding"));
    }
    if old.registration.subject_item != new.registration.subject_item
        || old.registration.site_item != new.registration.site_item
        || old.registration.unique_within != new.registration.unique_within
    {
        return Err(changed("what makes a subject the same"));
    }
    if old.sites.iter().any(|site| new.find_site(&site.code).is_none()) {
        return Err(changed("the list of sites (a site can be closed with `closes = 2026-12-01`, not removed)"));
    }
    Ok(())
}

fn told(broken: &Break) -> String {
    match broken {
        Break::ArmGone(code) => format!(
            "allocation.toml: arm {code} is gone from the list, but the study may have subjects in it; put it back with `closed = true`"
        ),
        Break::EpochBack => "allocation.toml: `epoch` is lower than it was; it can only rise".to_string(),
        Break::NeedsEpoch(what) => format!(
            "allocation.toml: {what} cannot change while counts go on; raise `epoch` by one to begin them anew, or put it back"
        ),
    }
}

/// What an amendment would change, in words for a terminal; one line each.
pub fn changes(
    old: &Study,
    new: &Study,
    old_files: &BTreeMap<String, String>,
    new_files: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(old), Some(new)) = (&old.scheme, &new.scheme) {
        scheme_changes(old, new, &mut lines);
    }
    cap_changes(old, new, &mut lines);
    for cohort in &new.cohorts {
        let known = old.cohorts.iter().find(|known| known.id == cohort.id);
        if known.is_some_and(|known| known.when != cohort.when) {
            lines.push(format!("cohort {}: its rule changes; everybody on file is counted by the new one", cohort.id));
        }
    }
    let (before, now) = (&old.registration.rescreening, &new.registration.rescreening);
    if before != now {
        let kinds: Vec<&str> = now.after.iter().map(|kind| kind.key()).collect();
        lines.push(match kinds.as_slice() {
            [] => "rescreening: never".to_string(),
            kinds => format!("rescreening: after {}, at most {} times", kinds.join(", "), now.most),
        });
    }
    if old.forcing != new.forcing {
        let roles: Vec<&str> = new.forcing.roles.iter().map(|role| role.key()).collect();
        lines.push(format!(
            "given by hand: at most {} instead of {}, by {}",
            new.forcing.limit,
            old.forcing.limit,
            if roles.is_empty() { "nobody".to_string() } else { roles.join(", ") }
        ));
    }
    site_changes(old, new, &mut lines);
    let names = old_files.keys().chain(new_files.keys().filter(|name| !old_files.contains_key(*name)));
    for name in names {
        match (old_files.get(name), new_files.get(name)) {
            (Some(before), Some(now)) if before != now => {
                let (gone, come) = line_counts(before, now);
                lines.push(format!("file {name}: {come} lines new or changed, {gone} gone"));
            }
            (Some(_), None) => lines.push(format!("file {name}: removed")),
            (None, Some(_)) => lines.push(format!("file {name}: new")),
            _ => {}
        }
    }
    lines
}

/// How many lines of each text the other has not.
fn line_counts(before: &str, now: &str) -> (usize, usize) {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    before.lines().for_each(|line| *counts.entry(line).or_default() -= 1);
    now.lines().for_each(|line| *counts.entry(line).or_default() += 1);
    let sum = |sign: i64| counts.values().map(|count| (count * sign).max(0)).sum::<i64>().unsigned_abs();
    (usize::try_from(sum(-1)).unwrap_or(usize::MAX), usize::try_from(sum(1)).unwrap_or(usize::MAX))
}

fn scheme_changes(old: &Scheme, new: &Scheme, lines: &mut Vec<String>) {
    if old == new {
        return;
    }
    for arm in new.arms() {
        let code = &arm.code;
        match old.arms().iter().find(|known| known.code == *code) {
            None => lines.push(format!("arm {code}: added, ratio {}; it begins without subjects", arm.ratio)),
            Some(known) => {
                if known.closed != arm.closed {
                    lines.push(if arm.closed {
                        format!("arm {code}: closed; nobody gets it any more, its subjects stay")
                    } else {
                        format!("arm {code}: open again")
                    });
                }
                if known.ratio != arm.ratio {
                    lines.push(format!("arm {code}: ratio {} instead of {}", arm.ratio, known.ratio));
                }
            }
        }
    }
    if old.method().key() != new.method().key() {
        lines.push(format!("method: {} instead of {}", new.method().key(), old.method().key()));
    } else if old.method() != new.method() {
        lines.push(format!("method {}: its settings change", new.method().key()));
    }
    if old.factors() != new.factors() || old.strata() != new.strata() {
        lines.push("factors or strata: change".to_string());
    }
    let anew = new.epoch() > old.epoch();
    let arms_change = old.arms() != new.arms();
    lines.push(match new.method() {
        _ if anew => format!(
            "counts: epoch {} begins; everything decisions balance starts from zero, caps go on counting everybody",
            new.epoch()
        ),
        Method::Block(_) => {
            "counts: open blocks end as they are; the next subject of each stratum opens a new one".to_string()
        }
        Method::BlockUrn { .. } => {
            "counts: strata go on with their urns if arms were only closed, and begin new ones else".to_string()
        }
        Method::Simple | Method::None => {
            "counts: the method has no memory; the next subject is decided by the new ratios".to_string()
        }
        _ if arms_change => "counts: all subjects of open arms go on counting; an arm that is behind by the new list is favored until it \
                             has caught up (raise `epoch` if that is not wanted)"
            .to_string(),
        _ => "counts: go on".to_string(),
    });
}

fn cap_changes(old: &Study, new: &Study, lines: &mut Vec<String>) {
    let shown = |cap: Option<u32>| cap.map_or_else(|| "none".to_string(), |cap| cap.to_string());
    let mut told = |what: String, before: Option<u32>, now: Option<u32>| {
        if before != now {
            lines.push(format!("cap {what}: {} instead of {}", shown(now), shown(before)));
        }
    };
    told("in all".to_string(), old.caps.total, new.caps.total);
    told("of each stratum".to_string(), old.caps.stratum, new.caps.stratum);
    let of =
        |study: &Study, code: &str| study.caps.arms.iter().filter(|(own, _)| own == code).map(|(_, cap)| *cap).min();
    for arm in &new.arms {
        told(format!("of arm {}", arm.code), of(old, &arm.code), of(new, &arm.code));
    }
    for cohort in &new.cohorts {
        let before = old.cohorts.iter().find(|known| known.id == cohort.id);
        told(format!("of cohort {}", cohort.id), before.map(|known| known.cap), Some(cohort.cap));
    }
    for gone in old.cohorts.iter().filter(|known| !new.cohorts.iter().any(|cohort| cohort.id == known.id)) {
        told(format!("of cohort {}", gone.id), Some(gone.cap), None);
    }
    for site in &new.sites {
        let before = old.find_site(&site.code).and_then(|site| site.cap);
        if old.find_site(&site.code).is_some() {
            told(format!("of site {}", site.code), before, site.cap);
        }
    }
}

fn site_changes(old: &Study, new: &Study, lines: &mut Vec<String>) {
    let added = new.sites.iter().filter(|site| old.find_site(&site.code).is_none());
    lines.extend(added.map(|site| format!("site {}: added", site.code)));
    let people = |study: &Study| study.people.iter().map(|person| person.id.clone()).collect::<Vec<String>>();
    let (before, now) = (people(old), people(new));
    lines.extend(now.iter().filter(|id| !before.contains(id)).map(|id| format!("person {id}: added")));
    lines.extend(before.iter().filter(|id| !now.contains(id)).map(|id| format!("person {id}: removed")));
}
