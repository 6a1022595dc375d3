//! The maximal procedure: every sequence whose arms never differ by more than a limit, and that ends in balance, is equally
//! likely (Berger, Ivanova & Knoll 2003).

use std::sync::OnceLock;

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::law::Law;

/// The sequences of a scheme, counted once.
#[derive(Clone, Debug)]
pub(super) struct Maximal {
    subjects: u64,
    /// For each number of subjects left and each difference of the same parity, from the least.
    cells: Vec<Vec<Cell>>,
}

/// Where a sequence may stand.
#[derive(Clone, Debug)]
struct Cell {
    /// Ways to the end in balance.
    ways: BigInt,
    /// The law while the first arm is ahead, worked out when it is first asked for: reducing large fractions takes longer than
    /// counting.
    law: OnceLock<Law>,
}

impl Maximal {
    /// Counts the sequences of that even number of subjects.
    pub(super) fn new(limit: u64, subjects: u64) -> Maximal {
        // No sequence that ends in balance is ever further apart than half its length.
        let limit = limit.min(subjects / 2);
        let mut cells: Vec<Vec<Cell>> = Vec::new();
        for left in 0..=subjects {
            let row = (left % 2..=limit.min(left)).step_by(2).map(|apart| {
                let ways = match left.checked_sub(1) {
                    Some(next) => find(&cells, next, apart + 1) + find(&cells, next, apart.abs_diff(1)),
                    None => BigInt::one(),
                };
                Cell { ways, law: OnceLock::new() }
            });
            let row = row.collect();
            cells.push(row);
        }
        Maximal { subjects, cells }
    }

    /// How many sequences there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> BigInt {
        find(&self.cells, self.subjects, 0)
    }

    /// The law of the next arm after those counts of the two arms. When a sequence is full, another begins.
    pub(super) fn law(&self, first: u64, second: u64) -> Law {
        let left = self.subjects - (first + second) % self.subjects;
        let apart = first.abs_diff(second);
        let law = match at(&self.cells, left, apart) {
            Some(cell) => cell
                .law
                .get_or_init(|| {
                    let ahead = find(&self.cells, left - 1, apart + 1);
                    let behind = find(&self.cells, left - 1, apart.abs_diff(1));
                    Law::from_weights(vec![ahead, behind]).expect("ways are not negative")
                })
                .clone(),
            // Only a history of other origin can be as far apart that balance is out of reach: back to it, then.
            None => Law::from_u64(&[0, 1]),
        };
        if first < second { law.reversed() } else { law }
    }
}

fn at(cells: &[Vec<Cell>], left: u64, apart: u64) -> Option<&Cell> {
    if left % 2 != apart % 2 {
        return None;
    }
    cells.get(usize::try_from(left).ok()?)?.get(usize::try_from(apart / 2).ok()?)
}

fn find(cells: &[Vec<Cell>], left: u64, apart: u64) -> BigInt {
    at(cells, left, apart).map_or_else(BigInt::zero, |cell| cell.ways.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::number;

    #[test]
    fn sequences_are_as_many_as_counted_elsewhere() {
        let text = include_str!("../../../tests/data/allocation/maximal-procedure-counts.csv");
        let mut checked = 0;
        for line in text.lines().skip(2) {
            let cells: Vec<&str> = line.split(',').collect();
            let (subjects, limit): (u64, u64) = (cells[0].parse().unwrap(), cells[1].parse().unwrap());
            let maximal = Maximal::new(limit, subjects);
            assert_eq!(maximal.count().to_string(), cells[2], "{line}");
            checked += 1;
        }
        assert_eq!(checked, 44);
    }

    #[test]
    fn probabilities_are_the_known_ones() {
        let chance = |limit, subjects, first, second| {
            number::show(&Maximal::new(limit, subjects).law(first, second).probabilities()[0])
        };
        assert_eq!(chance(2, 8, 1, 0), "1/3");
        assert_eq!(chance(2, 8, 0, 1), "2/3");
        assert_eq!(chance(3, 10, 1, 0), "12/29");
        assert_eq!(chance(3, 10, 0, 0), "1/2");
        let near = |first, wanted: &str| {
            assert_eq!(number::decimal(&Maximal::new(3, 50).law(first, 0).probabilities()[0], 8), wanted);
        };
        near(1, "0.41421356");
        near(2, "0.29289322");
        near(3, "0.00000000");
    }

    #[test]
    fn a_full_sequence_is_followed_by_another_and_a_foreign_history_is_led_back() {
        let maximal = Maximal::new(2, 8);
        assert_eq!(maximal.law(4, 4), maximal.law(0, 0));
        assert_eq!(maximal.law(5, 4), maximal.law(1, 0));
        assert_eq!(maximal.law(6, 0), Law::from_u64(&[0, 1]));
        assert_eq!(maximal.law(0, 6), Law::from_u64(&[1, 0]));
        // A sequence of another origin may have ended apart; the next one brings it to balance.
        assert_eq!(number::show(&maximal.law(5, 3).probabilities()[1]), "1");
    }
}
