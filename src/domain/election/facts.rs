//! What becomes known beside the ballots: the roll's numbers, the seed of lots, who declined, what was decided.

use std::collections::{BTreeMap, BTreeSet};

use super::ballot::Who;

/// Facts of a count. The same rules, ballots and facts give the same outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Voters on the roll, by district where there are districts; nothing where it is not known.
    pub roll: BTreeMap<Option<String>, u64>,
    /// The public value that lots are drawn from.
    pub seed: Option<String>,
    /// Who will not take a seat, by contest.
    pub declined: BTreeSet<(String, Who)>,
    /// Equals in the order that whoever decides gave them, by contest.
    pub decided: BTreeMap<String, Vec<Who>>,
    /// Names written in, folded, that mean somebody, by contest.
    pub same: BTreeMap<(String, String), Who>,
    /// Names written in, folded, that count for nobody, by contest.
    pub void: BTreeSet<(String, String)>,
}

impl Facts {
    /// Voters of a district, or of all; `None` where it is not known.
    pub fn roll_of(&self, district: Option<&str>) -> Option<u64> {
        match district {
            Some(_) => self.roll.get(&district.map(str::to_string)).copied(),
            None if self.roll.is_empty() => None,
            None => Some(self.roll.values().fold(0u64, |sum, own| sum.saturating_add(*own))),
        }
    }
}
