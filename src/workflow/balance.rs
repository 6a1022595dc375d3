//! The balance of the arms: who may know it, and what it is.
//!
//! In an open study it is no secret whose arm is whose, but the counts make the next arm guessable. So nobody who enrolls as an
//! investigator is ever told, and of blinded studies only those who may know arms.

use std::collections::BTreeMap;

use super::Failure;
use super::proof;
use crate::domain::allocation::{Origin, SITE};
use crate::domain::language::Language;
use crate::domain::study::{Rules, Study};
pub use crate::letters::facts::may_know_balance as may_know;
use crate::letters::facts::{Balance, LevelCounts};
use crate::store::allocation::AllocationRow;

/// Counts per arm (arms as in the study), in all and by level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balanced {
    /// Subjects of each arm.
    pub arms: Vec<u64>,
    /// How many of them were given by hand.
    pub forced: u64,
    /// Of each factor its levels, with the subjects of each arm; the site first.
    pub groups: Vec<(String, LevelCounts)>,
}

/// Counts one of the study's allocations in the journal of all.
///
/// # Errors
/// A row that cannot have been written by this program.
pub fn count(rules: Rules<'_>, journal: &[AllocationRow]) -> Result<Balanced, Failure> {
    let place = |code: &str| rules.arms.iter().position(|arm| arm.code == code);
    let mut arms = vec![0; rules.arms.len()];
    let mut forced = 0;
    let mut groups: BTreeMap<(bool, String), BTreeMap<String, Vec<u64>>> = BTreeMap::new();
    for fact in proof::own(rules, journal) {
        let row = proof::row_of(fact)?;
        let Some(arm) = place(&row.allotment.arm) else { continue };
        let add = |counts: &mut Vec<u64>| {
            if let Some(count) = counts.get_mut(arm) {
                *count += 1;
            }
        };
        add(&mut arms);
        forced += u64::from(fact.origin == Origin::Forced);
        for (factor, level) in row.levels {
            let levels = groups.entry((factor != SITE, factor)).or_default();
            add(levels.entry(level).or_insert_with(|| vec![0; rules.arms.len()]));
        }
    }
    let groups = groups.into_iter().map(|((_, factor), levels)| (factor, levels.into_iter().collect()));
    Ok(Balanced { arms, forced, groups: groups.collect() })
}

/// The balance of every allocation of the study, as letters tell it.
///
/// # Errors
/// As [`count`].
pub fn facts(study: &Study, journal: &[AllocationRow], language: Language) -> Result<Balance, Failure> {
    let mut balance = Balance::new(study, &[], &[], &[], language);
    for rules in study.allocations() {
        let counted = count(rules, journal)?;
        let own = Balance::new(study, rules.arms, &counted.arms, &counted.groups, language)
            .with_forced(counted.forced, rules.forcing.limit);
        match study.find_randomization(rules.id) {
            Some(randomization) => balance.further.push(own.of(&randomization.title, language)),
            None => balance = own,
        }
    }
    Ok(balance)
}
