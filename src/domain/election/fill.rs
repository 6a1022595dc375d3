//! Filling seats from an order in which some may be equal: who is in, who is not, and where it takes a decision.

use std::collections::BTreeSet;

use super::ballot::Who;
use super::tie::{Needs, Umpire};

/// Who gets the seats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Who is elected, the first first.
    pub elected: Vec<Who>,
    /// Who had the votes, but is one too many of those who held the post before.
    pub capped: Vec<Who>,
    /// A tie across the last seats that nothing has decided yet.
    pub undecided: Option<Undecided>,
}

/// Equals of whom only some can be elected. Nobody behind them is placed before they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// Who is equal.
    pub tied: Vec<Who>,
    /// Seats that are left for them, and for whoever comes behind.
    pub seats: u32,
    /// What it waits for.
    pub needs: Needs,
}

/// Fills seats.
pub(super) struct Filler<'a, 'c> {
    /// Seats left.
    seats: u32,
    /// How many more of those who held the post before.
    cap: u32,
    incumbents: &'a BTreeSet<Who>,
    umpire: &'a mut Umpire<'c>,
    filled: Filled,
}

/// Fills that many seats from an order in which those of one place are equal. At most `cap` of the elected are `incumbents`. A tie is
/// broken only where it crosses the last seat.
pub(super) fn fill(
    order: &[Vec<Who>],
    seats: u32,
    cap: Option<u32>,
    incumbents: &BTreeSet<Who>,
    umpire: &mut Umpire<'_>,
) -> Filled {
    let mut filler = Filler { seats, cap: cap.unwrap_or(u32::MAX), incumbents, umpire, filled: Filled::default() };
    for equals in order {
        filler.place(equals.clone(), 0);
        if filler.filled.undecided.is_some() || filler.seats == 0 {
            break;
        }
    }
    filler.filled
}

impl Filler<'_, '_> {
    /// Places equals by the rules from there on.
    fn place(&mut self, mut equals: Vec<Who>, from: usize) {
        if self.seats == 0 || self.filled.undecided.is_some() {
            return;
        }
        if self.cap == 0 {
            let (capped, free) = equals.into_iter().partition(|who| self.incumbents.contains(who));
            self.filled.capped.extend::<Vec<Who>>(capped);
            equals = free;
        }
        let old = equals.iter().filter(|who| self.incumbents.contains(*who)).count();
        if equals.len() <= self.seats as usize && old <= self.cap as usize {
            self.seats -= u32::try_from(equals.len()).unwrap_or(self.seats);
            self.cap -= u32::try_from(old).unwrap_or(self.cap);
            self.filled.elected.extend(equals);
            return;
        }
        let Some(rule) = self.umpire.rules().get(from).copied() else {
            let needs = self.umpire.needs();
            self.filled.undecided = Some(Undecided { tied: equals, seats: self.seats, needs });
            return;
        };
        for part in self.umpire.split(rule, &equals) {
            self.place(part, from + 1);
        }
    }
}
