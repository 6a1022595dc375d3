//! Atkinson 1982: the biased coin of D_A-optimality, for any number of equal arms.
//!
//! F are the rows `x` of the subjects so far (a one and their levels), B the counts of each arm in each of their columns, N the
//! subjects of each arm. What is known of the differences of the arms is `C = N - B (F'F)⁻ B'`. The next subject, whose row is x,
//! would add to it under the arm j what lies along `u_j = e_j - B (F'F)⁻ x`, and the arm has a probability in proportion to
//! `d_j = u_j' C⁻ u_j`, the derivative of log det of the differences. With two arms that is `(1 - g)² : (1 + g)²`, where
//! `g = x' (F'F)⁻ F'b` and b is `+1` for the first arm and `-1` for the second; without covariates `d_j = 1 / n_j - 1 / n`.
//!
//! * Every level has a column of its own and none is a baseline, so the choice of one cannot matter. F'F is then singular; all of the above
//!   is the same for every generalized inverse as long as x lies in the span of the rows of F. If it does not (nobody had one of the
//!   subject's levels, or its levels cannot be told apart from each other so far), the subject says nothing of the differences,
//!   whichever arm it gets, and all are equally likely.
//! * As long as some difference cannot be told at all (an arm that nobody has, for one), whatever makes it known is worth more than
//!   anything else: the arms are then in proportion to the squared length of what of u_j lies outside of C, which is the limit of
//!   the above for `C + εI`.
//! * Arms that are closed have columns beside the levels': their subjects tell of the levels, and their differences are of no interest.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::law::Law;
use crate::domain::number::Rational;

/// F'F, and the arms of the subjects so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Information {
    /// For each dimension the column of each level, by the number of the level.
    columns: Vec<Vec<usize>>,
    /// F'F up to the diagonal: subjects with both levels.
    both: Vec<Vec<u32>>,
    /// Of each arm that somebody has, by its code, its subjects in each column; as many columns as it has met.
    arms: BTreeMap<String, Vec<u32>>,
}

/// A symmetric matrix that is being eliminated without fractions (Bareiss 1968): what stands in it is what stood in the reduced one
/// times the last pivot.
struct Elimination {
    cells: Vec<Vec<BigInt>>,
    /// The last pivot that was not 0.
    pivot: BigInt,
}

/// What a row that is 0 in the eliminated part still has in the columns behind it.
#[derive(PartialEq)]
enum Met {
    /// Nothing, or the pivot was none.
    Sound,
    /// Something: it cannot be told from those before.
    Untold,
}

impl Elimination {
    /// Eliminates one row; those from `border` on are what is asked. The rest of the matrix is positive semidefinite, and so is what is
    /// left of it at each step: where a pivot is 0, its whole row and column are, and it is passed over.
    fn step(&mut self, at: usize, border: usize) -> Option<Met> {
        let (done, rest) = self.cells.split_at_mut(at + 1);
        let pivots = done.last()?;
        let pivot = pivots.get(at)?;
        if pivot.is_zero() {
            let asked = pivots.get(border..)?;
            return Some(if asked.iter().all(Zero::is_zero) { Met::Sound } else { Met::Untold });
        }
        for line in rest.iter_mut() {
            let (head, tail) = line.split_at_mut(at + 1);
            let lead = head.last()?;
            for (cell, above) in tail.iter_mut().zip(pivots.iter().skip(at + 1)) {
                let mut next = &*cell * pivot;
                if !lead.is_zero() && !above.is_zero() {
                    next -= lead * above;
                }
                *cell = next / &self.pivot;
            }
        }
        self.pivot = pivot.clone();
        Some(Met::Sound)
    }

    fn cell(&self, line: usize, column: usize) -> BigInt {
        self.cells.get(line).and_then(|cells| cells.get(column)).cloned().unwrap_or_default()
    }
}

impl Information {
    /// Of nobody.
    pub(super) fn new(dimensions: usize) -> Information {
        Information { columns: vec![Vec::new(); dimensions], both: vec![vec![0]], arms: BTreeMap::new() }
    }

    /// How many columns there are.
    pub(super) fn columns(&self) -> usize {
        self.both.len()
    }

    /// Counts a subject of that arm with those numbers of levels; new ones follow the last.
    pub(super) fn record(&mut self, levels: &[u32], arm: &str) {
        let mut row = vec![0];
        for (columns, level) in self.columns.iter_mut().zip(levels) {
            if *level as usize >= columns.len() {
                let next = self.both.len();
                columns.push(next);
                self.both.push(vec![0; next + 1]);
            }
            row.extend(columns.get(*level as usize));
        }
        row.sort_unstable();
        if !self.arms.contains_key(arm) {
            self.arms.insert(arm.to_owned(), Vec::new());
        }
        let columns = self.both.len();
        let mut own = self.arms.get_mut(arm);
        if let Some(own) = &mut own {
            own.resize(columns, 0);
        }
        for (at, column) in row.iter().enumerate() {
            if let Some(counts) = self.both.get_mut(*column) {
                for other in row.iter().take(at + 1) {
                    if let Some(count) = counts.get_mut(*other) {
                        *count += 1;
                    }
                }
            }
            if let Some(count) = own.as_mut().and_then(|own| own.get_mut(*column)) {
                *count += 1;
            }
        }
    }

    /// The law of those arms, the open ones, for a subject with those numbers of levels; `None` where nobody had the level.
    pub(super) fn law(&self, levels: &[Option<u32>], open: &[&str]) -> Law {
        let even = || Law::from_u64(&vec![1; open.len()]);
        let mut row = vec![0];
        for (columns, level) in self.columns.iter().zip(levels) {
            match level.and_then(|level| columns.get(level as usize)) {
                Some(column) => row.push(*column),
                None => return even(),
            }
        }
        let weights = self.weights(&row, open);
        weights.map_or_else(even, |weights| Law::from_weights(weights).expect("squares are not negative"))
    }

    /// What each open arm is in proportion to; `None` if the row is not in the span.
    fn weights(&self, row: &[usize], open: &[&str]) -> Option<Vec<BigInt>> {
        let closed: Vec<&str> = self.arms.keys().map(String::as_str).filter(|arm| !open.contains(arm)).collect();
        let arms: Vec<&str> = closed.iter().chain(open).copied().collect();
        let (levels, told) = (self.columns(), self.columns() + closed.len());
        let border = levels + arms.len();
        let mut matrix = Elimination { cells: self.matrix(row, &arms, open.len()), pivot: BigInt::one() };
        for at in 0..told {
            if matrix.step(at, border)? == Met::Untold {
                return None;
            }
        }
        // Left are C, u and -x' (F'F)⁻ x, each times the pivot.
        let (pivot, before) = (matrix.pivot.clone(), matrix.cell(border, border));
        let places = 0..open.len();
        let apart: Vec<Vec<BigInt>> = places
            .clone()
            .map(|one| places.clone().map(|other| matrix.cell(told + one, told + other)).collect())
            .collect();
        let along: Vec<Vec<BigInt>> = places
            .clone()
            .map(|arm| places.clone().map(|place| matrix.cell(told + place, border + arm)).collect())
            .collect();
        for at in told..border {
            if matrix.step(at, border)? == Met::Untold {
                return Some(outside(&apart, &along));
            }
        }
        // In the corners is now the same less d_j, times the pivot of now.
        let left = |arm: usize| &before * &matrix.pivot - matrix.cell(border + arm, border + arm) * &pivot;
        Some(places.map(left).collect())
    }

    /// F'F and the arms' counts, bordered by the row of the subject under each open arm; the open arms are the last `open`.
    fn matrix(&self, row: &[usize], arms: &[&str], open: usize) -> Vec<Vec<BigInt>> {
        let levels = self.columns();
        let (border, size) = (levels + arms.len(), levels + arms.len() + open);
        let mut matrix = vec![vec![BigInt::zero(); size]; size];
        let mut put = |one: usize, other: usize, count: u32| {
            for (line, column) in [(one, other), (other, one)] {
                if let Some(cell) = matrix.get_mut(line).and_then(|cells| cells.get_mut(column)) {
                    *cell = BigInt::from(count);
                }
            }
        };
        for (one, counts) in self.both.iter().enumerate() {
            counts.iter().enumerate().for_each(|(other, count)| put(one, other, *count));
        }
        for (at, arm) in arms.iter().enumerate() {
            let Some(counts) = self.arms.get(*arm) else { continue };
            counts.iter().enumerate().for_each(|(column, count)| put(levels + at, column, *count));
            put(levels + at, levels + at, counts.first().copied().unwrap_or(0));
        }
        for arm in 0..open {
            row.iter().for_each(|column| put(border + arm, *column, 1));
            put(border + arm, border - open + arm, 1);
        }
        matrix
    }
}

/// The squared length of what of each of the vectors lies outside of a symmetric matrix, up to a common factor.
fn outside(matrix: &[Vec<BigInt>], vectors: &[Vec<BigInt>]) -> Vec<BigInt> {
    let fraction = |number: &BigInt| Rational::from_integer(number.clone());
    let mut lines: Vec<Vec<Rational>> = matrix.iter().map(|line| line.iter().map(fraction).collect()).collect();
    let pivots = reduce(&mut lines);
    let size = matrix.len();
    // One vector for each column without a pivot: what the matrix does not see.
    let free = (0..size).filter(|column| !pivots.contains(column));
    let unseen: Vec<Vec<Rational>> = free
        .map(|column| {
            let at = |place: usize| match pivots.iter().position(|pivot| *pivot == place) {
                Some(line) => lines.get(line).and_then(|cells| cells.get(column)).map(|cell| -cell).unwrap_or_default(),
                None if place == column => Rational::one(),
                None => Rational::zero(),
            };
            (0..size).map(at).collect()
        })
        .collect();
    let product =
        |one: &[Rational], other: &[Rational]| -> Rational { one.iter().zip(other).map(|(a, b)| a * b).sum() };
    let shares: Vec<Rational> = vectors
        .iter()
        .map(|vector| {
            let vector: Vec<Rational> = vector.iter().map(fraction).collect();
            let parts: Vec<Rational> = unseen.iter().map(|own| product(own, &vector)).collect();
            // Their products with each other, bordered by the parts: solved, that is how much of each the vector holds.
            let mut own: Vec<Vec<Rational>> = unseen
                .iter()
                .zip(&parts)
                .map(|(one, part)| unseen.iter().map(|other| product(one, other)).chain([part.clone()]).collect())
                .collect();
            reduce(&mut own);
            let held: Vec<Rational> = own.iter().filter_map(|line| line.last().cloned()).collect();
            product(&held, &parts)
        })
        .collect();
    let common = crate::domain::number::common_multiple(shares.iter().map(Rational::denom));
    shares.iter().map(|share| share.numer() * (&common / share.denom())).collect()
}

/// Gauss and Jordan: brings lines to reduced echelon form and tells the columns of their pivots, of as many columns as there are lines.
fn reduce(lines: &mut [Vec<Rational>]) -> Vec<usize> {
    let mut pivots = Vec::new();
    for column in 0..lines.len() {
        let at = pivots.len();
        let Some(found) = (at..lines.len())
            .find(|line| lines.get(*line).and_then(|cells| cells.get(column)).is_some_and(|cell| !cell.is_zero()))
        else {
            continue;
        };
        lines.swap(at, found);
        let Some(own) = lines.get_mut(at) else { continue };
        let Some(lead) = own.get(column).cloned() else { continue };
        own.iter_mut().for_each(|cell| *cell /= &lead);
        let own = own.clone();
        for (_, line) in lines.iter_mut().enumerate().filter(|(line, _)| *line != at) {
            let Some(factor) = line.get(column).filter(|cell| !cell.is_zero()).cloned() else { continue };
            line.iter_mut().zip(&own).for_each(|(cell, above)| *cell -= &factor * above);
        }
        pivots.push(column);
    }
    pivots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::number;

    fn after(subjects: &[(&[u32], &str)], dimensions: usize) -> Information {
        let mut information = Information::new(dimensions);
        for (levels, arm) in subjects {
            information.record(levels, arm);
        }
        information
    }

    fn chances(information: &Information, levels: &[Option<u32>], open: &[&str]) -> Vec<String> {
        information.law(levels, open).probabilities().iter().map(number::show).collect()
    }

    fn nobody_apart(arms: &[&'static str]) -> Information {
        let none: &[u32] = &[];
        after(&arms.iter().map(|arm| (none, *arm)).collect::<Vec<_>>(), 0)
    }

    #[test]
    fn without_covariates_g_is_the_difference_per_subject() {
        let two = ["A", "B"];
        assert_eq!(chances(&Information::new(0), &[], &two), ["1/2", "1/2"]);
        // g = 3/5: (2/5)² against (8/5)².
        assert_eq!(chances(&nobody_apart(&["A", "A", "B", "A", "A"]), &[], &two), ["1/17", "16/17"]);
        assert_eq!(chances(&nobody_apart(&["A"]), &[], &two), ["0", "1"]);
    }

    #[test]
    fn without_covariates_each_arm_counts_by_its_share() {
        let three = ["A", "B", "C"];
        // d = 1/n_j - 1/n: 1/3 - 1/6, 1/2 - 1/6, 1 - 1/6.
        assert_eq!(chances(&nobody_apart(&["A", "B", "A", "C", "B", "A"]), &[], &three), ["1/8", "1/4", "5/8"]);
        // Arms that nobody has come first.
        assert_eq!(chances(&nobody_apart(&["A"]), &[], &three), ["0", "1/2", "1/2"]);
        assert_eq!(chances(&nobody_apart(&["A", "B", "B"]), &[], &three), ["0", "0", "1"]);
        // Of a closed arm only the others' differences are left.
        let closed = nobody_apart(&["A", "B", "A", "C", "B", "A"]);
        assert_eq!(chances(&closed, &[], &["A", "B"]), ["4/13", "9/13"]);
        assert_eq!(chances(&nobody_apart(&["C", "C"]), &[], &["A", "B"]), ["1/2", "1/2"]);
    }

    #[test]
    fn what_cannot_be_estimated_is_even() {
        // The two factors always went together: level 0 of one with level 1 of the other is out of the span.
        let together = after(&[(&[0, 0], "A"), (&[0, 0], "A"), (&[1, 1], "A")], 2);
        let two = ["A", "B"];
        assert_eq!(chances(&together, &[Some(0), Some(1)], &two), ["1/2", "1/2"]);
        assert_eq!(chances(&together, &[Some(0), Some(0)], &two), ["0", "1"]);
        assert_eq!(chances(&together, &[Some(0), None], &two), ["1/2", "1/2"]);
    }
}
