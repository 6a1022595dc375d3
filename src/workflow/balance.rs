//! The balance of the arms: who may know it, and what it is.
//!
//! In an open study it is no secret whose arm is whose, but the counts make the next arm guessable. So nobody who enrolls as an
//! investigator is ever told, and of blinded studies only those who may know arms.

use std::collections::{BTreeMap, BTreeSet};

use super::Failure;
use super::amendment::{AllSchemes, Schemes};
use super::proof::{self, Following};
use crate::domain::allocation::{Counts, Levels, Method, Origin, SITE};
use crate::domain::language::Language;
use crate::domain::study::{Rules, Study};
pub use crate::letters::facts::may_know_balance as may_know;
use crate::letters::facts::{ArmBalance, Balance, EpochBalance, LevelCounts};
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;

/// Counts per arm (arms as in the study), in all and by level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balanced {
    /// Subjects of each arm.
    pub arms: Vec<u64>,
    /// How many of them were given by hand.
    pub forced: u64,
    /// How many were allocated by levels that turned out wrong; they are counted where they were allocated.
    pub mistaken: u64,
    /// How many of all are left out of what later decisions count.
    pub left_out: u64,
    /// Of each factor its levels, with the subjects of each arm as they were allocated; the site first.
    pub groups: Vec<(String, LevelCounts)>,
    /// The subjects of each arm by factor and level as corrected since, where later decisions count these and they differ.
    pub right: BTreeMap<(String, String), Vec<u64>>,
    /// Where the counts began anew: what decisions balance now. Then what became known since is told there alone.
    pub epoch: Option<Epoch>,
}

/// The counts since decisions balance anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Number of the epoch.
    pub number: u32,
    /// Number of its first allocation, or of the next one where it has none.
    pub from: u64,
    /// Its subjects alone.
    pub counted: Box<Balanced>,
}

/// Subjects of each arm by factor and level; the site first.
type Groups = BTreeMap<(bool, String), BTreeMap<String, Vec<u64>>>;

/// What facts say of the subjects of one allocation: the levels that would have been right, and who is left out.
#[derive(Default)]
struct Since {
    right: Option<Levels>,
    left_out: bool,
}

fn since(rules: Rules<'_>, row: &AllocationRow, facts: &[FactRow]) -> Result<Since, Failure> {
    let counts_facts = matches!(rules.scheme.method(), Method::Minimization(_));
    let mut since = Since::default();
    let mut following = Following::default();
    let own = |fact: &&FactRow| fact.subject_id == row.subject_id && fact.after_allocation >= row.number;
    for fact in facts.iter().filter(own) {
        since.right = proof::right_levels(rules.id, fact)?.or(since.right);
        match following.next(rules, fact)? {
            Some(Counts::Nowhere) => since.left_out = counts_facts,
            Some(Counts::Again) => since.left_out = false,
            Some(Counts::At(_)) | None => {}
        }
    }
    Ok(since)
}

/// Counts one of the study's allocations in the journal of all: everybody, and of a study whose counts began anew those of the
/// epoch in force beside. `schemes` are those of this allocation, `facts` all that became known.
///
/// # Errors
/// A row that cannot have been written by this program.
pub fn count(
    rules: Rules<'_>,
    schemes: &Schemes,
    journal: &[AllocationRow],
    facts: &[FactRow],
) -> Result<Balanced, Failure> {
    let all = count_from(rules, journal, 0, facts)?;
    let Some((number, from)) = schemes.epoch(journal) else { return Ok(all) };
    let counted = Box::new(count_from(rules, journal, from, facts)?);
    let epoch = Some(Epoch { number, from, counted });
    // No later decision asks about those of before.
    Ok(Balanced { mistaken: 0, left_out: 0, right: BTreeMap::new(), epoch, ..all })
}

/// Counts the allocations of that number and later ones.
fn count_from(rules: Rules<'_>, journal: &[AllocationRow], from: u64, facts: &[FactRow]) -> Result<Balanced, Failure> {
    let place = |code: &str| rules.arms.iter().position(|arm| arm.code == code);
    let mut arms = vec![0; rules.arms.len()];
    let mut forced = 0;
    let (mut mistaken, mut left_out) = (0, 0);
    let (mut given, mut right) = (Groups::new(), Groups::new());
    let none = || vec![0; rules.arms.len()];
    for fact in proof::own(rules, journal).filter(|row| row.number.unsigned_abs() >= from) {
        let row = proof::row_of(fact)?;
        let Some(arm) = place(&row.allotment.arm) else { continue };
        let add = |counts: &mut Vec<u64>| {
            if let Some(count) = counts.get_mut(arm) {
                *count += 1;
            }
        };
        let tally = |groups: &mut Groups, levels: &Levels| {
            for (factor, level) in levels {
                let levels = groups.entry((factor != SITE, factor.clone())).or_default();
                add(levels.entry(level.clone()).or_insert_with(none));
            }
        };
        add(&mut arms);
        forced += u64::from(fact.origin == Origin::Forced);
        let since = since(rules, fact, facts)?;
        let levels = since.right.filter(|right| *right != row.levels);
        mistaken += u64::from(levels.is_some());
        left_out += u64::from(since.left_out);
        tally(&mut given, &row.levels);
        tally(&mut right, levels.as_ref().unwrap_or(&row.levels));
    }
    let mut differing = BTreeMap::new();
    for (factor, levels) in right.iter_mut().filter(|_| rules.recounting.corrected) {
        let own = given.entry(factor.clone()).or_default();
        // Nobody may have been allocated by a level that is right now, and a level may be right for nobody any more.
        for level in own.keys().chain(levels.keys()).cloned().collect::<BTreeSet<String>>() {
            let [was, is] = [&mut *own, &mut *levels].map(|of| of.entry(level.clone()).or_insert_with(none).clone());
            if was != is {
                differing.insert((factor.1.clone(), level), is);
            }
        }
    }
    let groups = given.into_iter().map(|((_, factor), levels)| (factor, levels.into_iter().collect()));
    Ok(Balanced { arms, forced, mistaken, left_out, groups: groups.collect(), right: differing, epoch: None })
}

/// The balance of every allocation of the study, as letters tell it.
///
/// # Errors
/// As [`count`].
pub fn facts(
    study: &Study,
    schemes: &AllSchemes,
    journal: &[AllocationRow],
    known: &[FactRow],
    language: Language,
) -> Result<Balance, Failure> {
    let first = ArmBalance::new(study, &[], &[], &[], language);
    let mut balance = Balance { first, further: Vec::new() };
    for rules in study.allocations() {
        let counted = count(rules, schemes.of(rules.id)?, journal, known)?;
        let told = |counted: &Balanced| {
            ArmBalance::new(study, rules.arms, &counted.arms, &counted.groups, language).with_facts(
                counted.mistaken,
                counted.left_out,
                rules.recounting.corrected,
                &counted.right,
            )
        };
        let mut own = told(&counted).with_forced(counted.forced, rules.forcing.limit);
        if let Some(epoch) = &counted.epoch {
            own = own.since(EpochBalance { number: epoch.number, from: epoch.from, own: told(&epoch.counted) });
        }
        match study.find_randomization(rules.id) {
            Some(randomization) => balance.further.push(own.of(&randomization.title, language)),
            None => balance.first = own,
        }
    }
    Ok(balance)
}
