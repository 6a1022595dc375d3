//! Atkinson 1982: the biased coin of D_A-optimality.
//!
//! With F the rows `(1, x)` of the subjects so far, b their arms (`+1` for the first, `-1` for the second) and x the row of the
//! next subject, `g = x' (F'F)⁻ F'b`, and the first arm has the probability `(1 - g)² / [(1 - g)² + (1 + g)²]`.
//!
//! Every level has a column of its own and none is a baseline, so the choice of one cannot matter. F'F is then singular; `g` is the
//! same for every generalized inverse as long as x lies in the span of the rows of F. If it does not (nobody had one of
//! the subject's levels, or its levels cannot be told apart from each other so far), the subject says nothing of the
//! difference of the arms, whichever it gets, and both arms are equally likely.

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::law::Law;

/// F'F and F'b of the subjects so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Information {
    /// For each dimension the column of each level, by the number of the level.
    columns: Vec<Vec<usize>>,
    /// F'F up to the diagonal: subjects with both levels.
    both: Vec<Vec<u32>>,
    /// F'b: subjects of the first arm less those of the second.
    apart: Vec<i64>,
}

impl Information {
    /// Of nobody.
    pub(super) fn new(dimensions: usize) -> Information {
        Information { columns: vec![Vec::new(); dimensions], both: vec![vec![0]], apart: vec![0] }
    }

    /// How many columns there are.
    pub(super) fn columns(&self) -> usize {
        self.both.len()
    }

    /// Counts a subject with those numbers of levels; new ones follow the last.
    pub(super) fn record(&mut self, levels: &[u32], first_arm: bool) {
        let mut row = vec![0];
        for (columns, level) in self.columns.iter_mut().zip(levels) {
            if *level as usize >= columns.len() {
                let next = self.both.len();
                columns.push(next);
                self.both.push(vec![0; next + 1]);
                self.apart.push(0);
            }
            row.extend(columns.get(*level as usize));
        }
        row.sort_unstable();
        for (at, column) in row.iter().enumerate() {
            if let Some(counts) = self.both.get_mut(*column) {
                for other in row.iter().take(at + 1) {
                    if let Some(count) = counts.get_mut(*other) {
                        *count += 1;
                    }
                }
            }
            if let Some(apart) = self.apart.get_mut(*column) {
                *apart += if first_arm { 1 } else { -1 };
            }
        }
    }

    /// The law of the two arms for a subject with those numbers of levels; `None` where nobody had the level.
    pub(super) fn law(&self, levels: &[Option<u32>]) -> Law {
        let even = || Law::from_u64(&[1, 1]);
        let mut row = vec![0];
        for (columns, level) in self.columns.iter().zip(levels) {
            match level.and_then(|level| columns.get(level as usize)) {
                Some(column) => row.push(*column),
                None => return even(),
            }
        }
        let Some((above, below)) = self.solve(&row) else { return even() };
        let square = |number: BigInt| &number * &number;
        let weights = vec![square(&below - &above), square(below + above)];
        Law::from_weights(weights).expect("squares are not negative")
    }

    /// g as a fraction; `None` if the row is not in the span.
    ///
    /// Fraction-free elimination (Bareiss 1968) of F'F bordered by F'b and the row. F'F is positive semidefinite, and so is what is
    /// left of it at each step: where a pivot is 0, its whole row and column are, and it is passed over.
    fn solve(&self, row: &[usize]) -> Option<(BigInt, BigInt)> {
        let size = self.columns();
        let mut matrix: Vec<Vec<BigInt>> = Vec::with_capacity(size + 1);
        for one in 0..size {
            let count = |other: usize| {
                let (later, earlier) = (one.max(other), one.min(other));
                self.both.get(later).and_then(|counts| counts.get(earlier)).copied().unwrap_or(0)
            };
            let mut line: Vec<BigInt> = (0..size).map(|other| BigInt::from(count(other))).collect();
            line.push(BigInt::from(self.apart.get(one).copied().unwrap_or(0)));
            matrix.push(line);
        }
        let mut border = vec![BigInt::zero(); size + 1];
        for column in row {
            *border.get_mut(*column)? = BigInt::one();
        }
        matrix.push(border);
        let mut before = BigInt::one();
        for step in 0..size {
            let (done, rest) = matrix.split_at_mut(step + 1);
            let pivots = done.last()?;
            let pivot = pivots.get(step)?;
            if pivot.is_zero() {
                if !rest.last()?.get(step)?.is_zero() {
                    return None;
                }
                continue;
            }
            for line in rest.iter_mut() {
                let (head, tail) = line.split_at_mut(step + 1);
                let lead = head.last()?;
                for (cell, above) in tail.iter_mut().zip(pivots.iter().skip(step + 1)) {
                    let mut next = &*cell * pivot;
                    if !lead.is_zero() && !above.is_zero() {
                        next -= lead * above;
                    }
                    *cell = next / &before;
                }
            }
            before = pivot.clone();
        }
        // What is left in the corner is -g times the last pivot.
        let corner = matrix.last()?.last()?;
        Some((-corner, before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::number;

    fn after(subjects: &[(&[u32], bool)], dimensions: usize) -> Information {
        let mut information = Information::new(dimensions);
        for (levels, first) in subjects {
            information.record(levels, *first);
        }
        information
    }

    fn chance(information: &Information, levels: &[Option<u32>]) -> String {
        number::show(&information.law(levels).probabilities()[0])
    }

    #[test]
    fn without_covariates_g_is_the_difference_per_subject() {
        assert_eq!(chance(&Information::new(0), &[]), "1/2");
        let none: &[u32] = &[];
        let arms = [true, true, false, true, true];
        let subjects: Vec<(&[u32], bool)> = arms.into_iter().map(|arm| (none, arm)).collect();
        // g = 3/5: (2/5)² against (8/5)².
        assert_eq!(chance(&after(&subjects, 0), &[]), "1/17");
        assert_eq!(chance(&after(&subjects[..1], 0), &[]), "0");
    }

    #[test]
    fn what_cannot_be_estimated_is_even() {
        // The two factors always went together: level 0 of one with level 1 of the other is out of the span.
        let together = after(&[(&[0, 0], true), (&[0, 0], true), (&[1, 1], true)], 2);
        assert_eq!(chance(&together, &[Some(0), Some(1)]), "1/2");
        assert_eq!(chance(&together, &[Some(0), Some(0)]), "0");
        assert_eq!(chance(&together, &[Some(0), None]), "1/2");
    }
}
