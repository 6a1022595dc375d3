//! Amendments: which versions of a bundle decided which allocations, and whether a study can go on by another.
//!
//! In charge of following the schemes of all versions in their order, for states, proofs and exports alike. What a change of scheme
//! does to the counts is `domain::allocation`'s to say.

use std::collections::{BTreeMap, BTreeSet};

use super::Failure;
use super::life::Refusal;
use super::shelf::bundle_of;
use super::{likeness, proof};
use crate::definition::allocation_file::{self, AllocationFile};
use crate::definition::{self, Bundle};
use crate::domain::allocation::{Break, Follower, Scheme, State, Turn};
use crate::domain::fact::Recounting;
use crate::domain::level::{self, Recalculated};
use crate::domain::study::{FIRST, Rules, Study};
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;
use crate::store::study::StudyRow;
use crate::store::{Reader, bundle};

/// Facts change no counts: what is left where no version says otherwise.
static ORIGINAL: Recounting = Recounting { corrected: false, exclude: Vec::new() };

/// The schemes of each of a study's allocations, by id.
#[derive(Clone, Debug)]
pub struct AllSchemes(BTreeMap<String, Schemes>);

impl AllSchemes {
    /// Those of one allocation.
    ///
    /// # Errors
    /// A contradiction where the study has none of that id.
    pub fn of(&self, id: &str) -> Result<&Schemes, Failure> {
        self.0.get(id).ok_or_else(|| absent(id))
    }

    /// As [`AllSchemes::of`], and takes them out.
    ///
    /// # Errors
    /// As there.
    pub fn take(&mut self, id: &str) -> Result<Schemes, Failure> {
        self.0.remove(id).ok_or_else(|| absent(id))
    }
}

fn absent(id: &str) -> Failure {
    Failure::Contradiction(format!("the study has no allocation \"{id}\""))
}

/// The allocations that leave nothing to chance, by id, each with why it is meant so if its file says it.
pub(super) fn deterministic(study: &Study) -> BTreeMap<&str, Option<&str>> {
    let own = study.allocations().filter(|rules| rules.scheme.is_deterministic());
    own.map(|rules| (rules.id, rules.scheme.deterministic_reason())).collect()
}

/// That whatever leaves nothing to chance in production says why.
///
/// # Errors
/// A [`Refusal`] that names the files which do not.
pub(super) fn check_chance(bundle: &Bundle, study: &Study) -> Result<(), Refusal> {
    let silent = deterministic(study).into_iter().filter(|(_, reason)| reason.is_none());
    let silent: BTreeSet<&str> = silent.map(|(id, _)| id).collect();
    let files = definition::allocation_files(bundle).into_iter().filter(|(id, _)| silent.contains(id.as_str()));
    match files.map(|(_, file)| file).collect::<Vec<String>>() {
        files if files.is_empty() => Ok(()),
        files => Err(Refusal::Deterministic(files)),
    }
}

/// The schemes of one of a study's allocations in the order in which they came into force.
#[derive(Clone, Debug, PartialEq)]
pub struct Schemes {
    first: Scheme,
    /// First version of the bundle by a scheme that differs from the one before, and that scheme.
    later: Vec<(i64, Scheme)>,
    /// The same of how facts are counted, beginning with the version that decided first. It changes with an epoch alone.
    recountings: Vec<(i64, Recounting)>,
}

impl Schemes {
    /// Those of a study whose scheme never changed.
    pub fn single(scheme: &Scheme, recounting: &Recounting) -> Schemes {
        Schemes { first: scheme.clone(), later: Vec::new(), recountings: vec![(1, recounting.clone())] }
    }

    /// Of the versions' files, oldest first.
    fn among(versions: &[Bundle], id: &str) -> Option<Schemes> {
        let mut schemes: Option<Schemes> = None;
        let mut before: Option<BTreeMap<String, String>> = None;
        for (bundle, version) in versions.iter().zip(1..) {
            let files = definition::allocation_files(bundle);
            // A version without that allocation decided nothing of it.
            let Some((_, file)) = files.iter().find(|(own, _)| own == id) else { continue };
            let mut own = bundle.files().clone();
            own.retain(|name, _| name == file || allocation_file::is_list(name));
            if before.as_ref() == Some(&own) {
                continue;
            }
            // A study without subjects may have become another altogether; what it allocated, if anything, tells.
            if let Some(AllocationFile { scheme, recounting, .. }) = definition::read_allocation(bundle, file) {
                let Some(known) = &mut schemes else {
                    schemes = Some(Schemes::single(&scheme, &recounting));
                    before = Some(own);
                    continue;
                };
                if known.recountings.last().is_some_and(|(_, last)| *last != recounting) {
                    known.recountings.push((version, recounting));
                }
                if *known.last() != scheme {
                    known.later.push((version, scheme));
                }
            }
            before = Some(own);
        }
        schemes
    }

    /// The schemes of each allocation in all versions up to the one in force; `current` is that version.
    ///
    /// # Errors
    /// The database; stored bundles that this version cannot read.
    pub async fn load<'a>(from: impl Into<Reader<'a>>, row: &StudyRow, current: &Study) -> Result<AllSchemes, Failure> {
        let mut versions = Vec::new();
        // One version needs no look.
        if row.bundle_version > 1 && row.allocations > 0 {
            for (digest, files) in bundle::files(from, row.id).await? {
                versions.push(bundle_of(row, &digest, &files)?);
            }
        }
        let own = |rules: Rules<'_>| {
            let only = || Schemes::single(rules.scheme, rules.recounting);
            let schemes = Schemes::among(&versions, rules.id).unwrap_or_else(only);
            (rules.id.to_string(), schemes)
        };
        Ok(AllSchemes(current.allocations().map(own).collect()))
    }

    /// Whether the scheme never changed, nor how facts are counted.
    pub fn is_single(&self) -> bool {
        self.later.is_empty() && self.recountings.len() == 1
    }

    /// How a fact that became known after that number of an allocation is counted: as the rules said that decided last before it.
    /// `beginnings` are the numbers of the first allocation that each version made.
    pub fn recounting_after(&self, after: i64, beginnings: &[(i64, i64)]) -> &Recounting {
        let begun = |version: i64| beginnings.iter().any(|(own, first)| *own >= version && *first <= after);
        let last = self.recountings.iter().rev().find(|(version, _)| begun(*version));
        last.or(self.recountings.first()).map_or(&ORIGINAL, |(_, recounting)| recounting)
    }

    /// The scheme that decided first.
    pub fn first(&self) -> &Scheme {
        &self.first
    }

    /// The scheme in force.
    pub fn last(&self) -> &Scheme {
        self.later.last().map_or(&self.first, |(_, scheme)| scheme)
    }

    /// From which allocation on each later scheme decides: the first that was made by its version, or a later one. `journal` is
    /// that of all allocations of the study.
    pub fn turns(&self, journal: &[AllocationRow]) -> Vec<Turn<'_>> {
        let after_all = journal.last().map_or(1, |row| row.number + 1);
        let from = |version: i64| {
            let first = journal.iter().find(|row| row.bundle_version >= version);
            first.map_or(after_all, |row| row.number).unsigned_abs()
        };
        self.later.iter().map(|(version, scheme)| Turn { from: from(*version), scheme }).collect()
    }

    /// The epoch in force and the number of its first allocation, or of the next one; none where the counts never began anew.
    pub fn epoch(&self, journal: &[AllocationRow]) -> Option<(u32, u64)> {
        let epoch = self.last().epoch();
        let turn = self.turns(journal).into_iter().find(|turn| turn.scheme.epoch() == epoch);
        turn.filter(|_| self.first.epoch() < epoch).map(|turn| (epoch, turn.from))
    }

    /// As [`Schemes::turns`], from the number of the first allocation that each version made.
    pub fn turns_of(&self, beginnings: &[(i64, i64)]) -> Vec<Turn<'_>> {
        let from = |version: i64| {
            let later = beginnings.iter().filter(|(own, _)| *own >= version).map(|(_, first)| first.unsigned_abs());
            later.min().unwrap_or(u64::MAX)
        };
        self.later.iter().map(|(version, scheme)| Turn { from: from(*version), scheme }).collect()
    }

    /// The state at the end of the study's journal and its facts.
    ///
    /// # Errors
    /// A row that the schemes cannot have made.
    pub fn state(&self, rules: Rules<'_>, journal: &[AllocationRow], facts: &[FactRow]) -> Result<State, Failure> {
        let amendments = proof::amendments(rules, self, facts, journal)?;
        let turns = self.turns(journal);
        let mut follower = Follower::new(&self.first, &turns, &amendments);
        let mut state = State::new(&self.first);
        let broken = |fault| Failure::Contradiction(format!("the journal cannot be counted: {fault}"));
        for row in proof::own(rules, journal) {
            let counted = proof::row_of(row)?;
            let scheme = follower.before(counted.number, &mut state).map_err(broken)?;
            proof::record(&mut state, scheme, row)?;
            follower.counted(&counted);
        }
        follower.finish(&mut state).map_err(broken)?;
        Ok(state)
    }
}

/// After the first enrollment what is to come rests on what was decided: a scheme changes only so that its counts stay defined,
/// and what its levels mean and what makes a subject the same stay, in a registry too.
///
/// # Errors
/// What cannot change.
pub fn check(slug: &str, old: &Study, new: &Study) -> Result<(), Refusal> {
    let changed = |what| Refusal::SchemeChanged { slug: slug.to_string(), what };
    if old.scheme.is_some() != new.scheme.is_some() {
        return Err(changed("whether subjects are allocated"));
    }
    for before in old.allocations() {
        let Some(now) = new.find_rules(before.id) else {
            return Err(Refusal::Scheme(vec![format!(
                "study.toml: the section [[allocation]] with id = \"{}\" is gone, but subjects may have been allocated by it; put it back (when = \"false\" ends it)",
                before.id
            )]));
        };
        let file = if before.id == FIRST { "allocation.toml".to_string() } else { format!("allocation {}", before.id) };
        let breaks = now.scheme.breaks(before.scheme);
        if !breaks.is_empty() {
            return Err(Refusal::Scheme(breaks.iter().map(|broken| told(broken, &file)).collect()));
        }
        let sorted = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<String>>();
        let again = recalculated(old, new, before, now);
        if now.scheme.epoch() <= before.scheme.epoch() && !again.is_empty() {
            let line = |one: &Recalculated| {
                format!(
                    "{file}: the level `{}` would be {}, while those allocated before count by the calculation of before; raise \
                     `epoch` by one to begin the counts anew, or put the calculation back",
                    one.level,
                    calculated(one)
                )
            };
            return Err(Refusal::Scheme(again.iter().map(line).collect()));
        }
        if now.caps.stratum.is_some() && sorted(before.scheme.strata()) != sorted(now.scheme.strata()) {
            return Err(changed("the strata while [caps] stratum counts them"));
        }
        if before.recounting != now.recounting && now.scheme.epoch() <= before.scheme.epoch() {
            return Err(Refusal::Scheme(vec![format!(
                "{file}: how later decisions count corrected and excluded subjects (`corrections`, `exclude`) cannot change while counts \
                 go on; raise `epoch` by one to begin them anew, or put it back"
            )]));
        }
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

/// What of an allocation's levels a version calculates otherwise than the one before.
pub(super) fn recalculated(old: &Study, new: &Study, before: Rules<'_>, now: Rules<'_>) -> Vec<Recalculated> {
    level::recalculated(&old.forms_of(before.id), &new.forms_of(now.id), now.scheme.needs())
}

/// How, behind the level's name.
pub(super) fn calculated(one: &Recalculated) -> String {
    let shown =
        |source: &Option<String>| source.as_ref().map_or_else(|| "as typed".to_string(), |of| format!("`{of}`"));
    let through = if one.level == one.item { String::new() } else { format!(" through `{}`", one.item) };
    format!("calculated otherwise{through} ({} instead of {})", shown(&one.now), shown(&one.before))
}

/// What participants were promised when they were asked stays, in whatever version they answer.
///
/// # Errors
/// What cannot change.
pub fn check_promises(slug: &str, old: &Study, new: &Study) -> Result<(), Refusal> {
    let Some(before) = &old.survey else { return Ok(()) };
    let promised = |what| Refusal::Promised { slug: slug.to_string(), what };
    let Some(now) = &new.survey else { return Err(promised("that there is a survey")) };
    if before.privacy != now.privacy {
        return Err(promised("the privacy of the survey"));
    }
    if before.enrolls != now.enrolls {
        return Err(promised("whether participants enroll themselves (enrolls)"));
    }
    if before.access != now.access {
        return Err(promised("how somebody shows that they may answer the survey (access)"));
    }
    if !before.privacy.names() && before.batch != now.batch {
        return Err(promised("how many answers are opened together"));
    }
    if !before.privacy.names() && before.instrument != now.instrument {
        return Err(promised("the instrument of a survey without names"));
    }
    if !before.privacy.names() {
        let what = likeness::differences(old, new, &before.instrument);
        if !what.is_empty() {
            return Err(Refusal::TellsApart { instrument: before.instrument.clone(), what });
        }
    }
    Ok(())
}

fn told(broken: &Break, file: &str) -> String {
    match broken {
        Break::ArmGone(code) => format!(
            "{file}: arm {code} is gone from the list, but the study may have subjects in it; put it back with `closed = true`"
        ),
        Break::EpochBack => format!("{file}: `epoch` is lower than it was; it can only rise"),
        Break::NeedsEpoch(what) => format!(
            "{file}: {what} cannot change while counts go on; raise `epoch` by one to begin them anew, or put it back"
        ),
    }
}
