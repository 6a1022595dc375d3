//! Facts in their order among the allocations: from which decision on a subject counts otherwise, or nowhere.

use std::collections::{BTreeMap, BTreeSet};

use super::replay::Row;
use super::scheme::Scheme;
use super::state::State;
use super::{Allotment, Fault, Levels};

/// Where a subject counts from some decision on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counts {
    /// At these levels.
    At(Levels),
    /// Nowhere, for good: no correction brings it back.
    Nowhere,
    /// Again, at the levels by which it was allocated as corrected since: what had it count nowhere was recorded in error.
    Again,
}

/// Where an allocation counts by what became known so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    levels: Levels,
    nowhere: bool,
}

impl Standing {
    /// At the levels by which it was allocated.
    pub fn new(levels: Levels) -> Standing {
        Standing { levels, nowhere: false }
    }

    /// The levels at which it counts; none where it counts nowhere.
    pub fn levels(&self) -> Option<&Levels> {
        Some(&self.levels).filter(|_| !self.nowhere)
    }

    /// Takes what became known. A correction of what counts nowhere waits until that counts again.
    pub fn amend(&mut self, counts: &Counts) {
        match counts {
            Counts::At(levels) => self.levels.clone_from(levels),
            Counts::Nowhere => self.nowhere = true,
            Counts::Again => self.nowhere = false,
        }
    }
}

/// A fact, as far as later decisions know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// Number of the last allocation before the fact.
    pub after: u64,
    /// Number of the allocation it is about.
    pub allocation: u64,
    /// Where that counts from now on.
    pub counts: Counts,
}

/// Brings amendments into a state in their order, while the journal goes by.
#[derive(Debug)]
pub struct Amender<'a> {
    left: std::slice::Iter<'a, Amendment>,
    next: Option<&'a Amendment>,
    wanted: BTreeSet<u64>,
    counted: BTreeMap<u64, (Standing, Allotment)>,
}

impl<'a> Amender<'a> {
    /// Of amendments in the order of their facts.
    pub fn new(amendments: &'a [Amendment]) -> Amender<'a> {
        let mut left = amendments.iter();
        let next = left.next();
        let wanted = amendments.iter().map(|amendment| amendment.allocation).collect();
        Amender { left, next, wanted, counted: BTreeMap::new() }
    }

    /// Remembers a row that was counted, if an amendment is about it.
    pub fn counted(&mut self, row: &Row) {
        if self.wanted.contains(&row.number) {
            self.counted.insert(row.number, (Standing::new(row.levels.clone()), row.allotment.clone()));
        }
    }

    /// Brings in what became known before the decision of that number.
    ///
    /// # Errors
    /// Levels or an allotment that the scheme does not have.
    pub fn before(&mut self, number: u64, scheme: &Scheme, state: &mut State) -> Result<(), Fault> {
        while let Some(amendment) = self.next.filter(|amendment| amendment.after < number) {
            self.next = self.left.next();
            let Some((standing, allotment)) = self.counted.get_mut(&amendment.allocation) else { continue };
            let before = standing.clone();
            standing.amend(&amendment.counts);
            state.recount(scheme, before.levels(), standing.levels(), allotment)?;
        }
        Ok(())
    }

    /// What was counted so far counts no more, whatever becomes known of it.
    pub(super) fn forget(&mut self) {
        self.counted.clear();
    }

    /// Brings in everything that is left.
    ///
    /// # Errors
    /// As [`Amender::before`].
    pub fn finish(mut self, scheme: &Scheme, state: &mut State) -> Result<(), Fault> {
        self.before(u64::MAX, scheme, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{self, samples};
    use crate::domain::allocation::Origin;

    fn levels(stage: &str, sex: &str) -> Levels {
        [("site", "011"), ("sex", sex), ("stage", stage), ("ecog_ps", "1")]
            .into_iter()
            .map(|(factor, level)| (factor.to_owned(), level.to_owned()))
            .collect()
    }

    fn rows(scheme: &Scheme) -> Vec<Row> {
        let arms = ["STD", "STD", "COMB", "STD", "COMB"];
        let rows = arms.into_iter().zip(1..).map(|(arm, number)| {
            let allotment = Allotment { arm: arm.to_owned(), slot: None, block_size: None };
            let sex = if number % 2 == 0 { "F" } else { "M" };
            Row { number, levels: levels("III", sex), allotment, origin: Origin::Drawn }
        });
        assert!(!scheme.has_slots());
        rows.collect()
    }

    fn after(scheme: &Scheme, rows: &[Row], amendments: &[Amendment]) -> State {
        let mut amender = Amender::new(amendments);
        let mut state = State::new(scheme);
        for row in rows {
            amender.before(row.number, scheme, &mut state).expect("sound");
            state.record(scheme, &row.levels, &row.allotment).expect("sound");
            amender.counted(row);
        }
        amender.finish(scheme, &mut state).expect("sound");
        state
    }

    #[test]
    fn a_recounted_subject_counts_as_if_it_had_been_so_from_the_first() {
        let scheme = definition::load(&samples::aurora()).expect("a sample").0.scheme.expect("it randomizes");
        let all = rows(&scheme);
        let corrected = Amendment { after: 4, allocation: 2, counts: Counts::At(levels("IV", "M")) };
        let void = Amendment { after: 5, allocation: 2, counts: Counts::Nowhere };
        let late = Amendment { after: 5, allocation: 2, counts: Counts::At(levels("III", "M")) };
        let again = Amendment { after: 5, allocation: 2, counts: Counts::Again };
        let mut right = all.clone();
        right[1].levels = levels("IV", "M");
        let mut late_from_the_first = all.clone();
        late_from_the_first[1].levels = levels("III", "M");
        let without: Vec<Row> = all.iter().filter(|row| row.number != 2).cloned().collect();
        for (amendments, same) in [
            (vec![], all.clone()),
            (vec![corrected.clone()], right),
            (vec![void.clone()], without.clone()),
            (vec![corrected, void.clone()], without.clone()),
            // What counts nowhere is not brought back by a correction, but by what took it out being in error.
            (vec![void.clone(), late.clone()], without.clone()),
            (vec![void.clone(), again.clone()], all.clone()),
            (vec![void.clone(), late.clone(), again.clone()], late_from_the_first.clone()),
            (vec![again.clone(), late], late_from_the_first),
            (vec![void.clone(), again, void], without),
        ] {
            let (amended, direct) = (after(&scheme, &all, &amendments), after(&scheme, &same, &[]));
            for next in [levels("III", "M"), levels("III", "F"), levels("IV", "M"), levels("IV", "F")] {
                let one = amended.outlook(&scheme, &next).expect("sound");
                assert_eq!(one, direct.outlook(&scheme, &next).expect("sound"), "{amendments:?} {next:?}");
            }
            assert_eq!(amended.total(), 5, "caps count every allocation");
        }
    }

    #[test]
    fn a_fact_is_known_to_the_decisions_after_it_only() {
        let scheme = definition::load(&samples::aurora()).expect("a sample").0.scheme.expect("it randomizes");
        let rows = rows(&scheme);
        let void = [Amendment { after: 3, allocation: 1, counts: Counts::Nowhere }];
        let mut amender = Amender::new(&void);
        let (mut amended, mut plain) = (State::new(&scheme), State::new(&scheme));
        for row in &rows {
            amender.before(row.number, &scheme, &mut amended).expect("sound");
            assert_eq!(amended == plain, row.number <= 3, "before {}", row.number);
            for state in [&mut amended, &mut plain] {
                state.record(&scheme, &row.levels, &row.allotment).expect("sound");
            }
            amender.counted(row);
        }
    }
}
