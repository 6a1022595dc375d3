//! Imbalances as integers, and their exact order.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::plan::Numbers;
use super::roots::{self, Term};
use super::scheme::Distance;
use super::whole::{Whole, common_divisor};

/// An imbalance times `Scales::imbalance_scale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Score<T> {
    /// An integer; for the `sd` of two arms to be divided by √2 too.
    Whole(T),
    /// A fraction: above, below (positive).
    Fraction(T, T),
    /// `Σ c √n`, to be divided by `√(K (K - 1))` too; sorted by term.
    Roots(Vec<Term<T>>),
}

/// The imbalance of each cell if it got the subject. `rows` holds, for each table, the counts of the subject's level;
/// `None` where nobody has had that level. `None` if a number does not fit.
pub(super) fn scores<T: Whole>(
    distance: Distance,
    numbers: &Numbers<T>,
    rows: &[Option<&[u32]>],
) -> Option<Vec<Score<T>>> {
    let cells = numbers.units.len();
    let zero = match distance {
        Distance::Range | Distance::Variance | Distance::MarginalTotal => Score::Whole(T::zero()),
        Distance::MarginalBalance => Score::Fraction(T::zero(), T::one()),
        // Of two arms the root is that of a square: Σ c |z₁ - z₂|, an integer.
        Distance::Sd if cells == 2 => Score::Whole(T::zero()),
        Distance::Sd => Score::Roots(Vec::new()),
    };
    let mut scores = vec![zero; cells];
    let mut counts: Vec<T> = Vec::with_capacity(cells);
    for (weight, row) in numbers.weights.iter().zip(rows) {
        if weight.is_zero() {
            continue;
        }
        counts.clear();
        match row {
            Some(row) => {
                for (count, unit) in row.iter().zip(&numbers.units) {
                    counts.push(T::from(*count).checked_mul(unit)?);
                }
            }
            None => counts.resize(cells, T::zero()),
        }
        for (place, (score, unit)) in scores.iter_mut().zip(&numbers.units).enumerate() {
            let own = counts.get(place)?.clone();
            *counts.get_mut(place)? = own.checked_add(unit)?;
            let added = add(score, distance, weight, &counts, &own);
            *counts.get_mut(place)? = own;
            added?;
        }
    }
    if let Distance::Sd = distance {
        for score in &mut scores {
            if let Score::Roots(terms) = score {
                terms.sort();
            }
        }
    }
    Some(scores)
}

/// Adds one factor's part to a cell's score. `counts` are scaled, with the subject in the cell; `own` is the cell's
/// without.
fn add<T: Whole>(score: &mut Score<T>, distance: Distance, weight: &T, counts: &[T], own: &T) -> Option<()> {
    match score {
        Score::Whole(sum) => {
            let part = match distance {
                Distance::MarginalTotal => own.clone(),
                Distance::Variance => spread(counts)?,
                _ => counts.iter().max()?.checked_sub(counts.iter().min()?)?,
            };
            *sum = sum.checked_add(&weight.checked_mul(&part)?)?;
        }
        Score::Fraction(above, below) => {
            let (pairs, whole) = (pairs(counts)?, sum(counts)?);
            // above / below + weight pairs / whole
            let shared = common_divisor(below, &whole);
            let (mine, other) = (below.clone() / shared.clone(), whole / shared);
            let part = weight.checked_mul(&pairs)?.checked_mul(&mine)?;
            *above = above.checked_mul(&other)?.checked_add(&part)?;
            *below = below.checked_mul(&other)?;
        }
        Score::Roots(terms) => {
            let radicand = spread(counts)?;
            if !radicand.is_zero() {
                terms.push((weight.clone(), radicand));
            }
        }
    }
    Some(())
}

fn sum<T: Whole>(counts: &[T]) -> Option<T> {
    counts.iter().try_fold(T::zero(), |sum, count| sum.checked_add(count))
}

/// `K Σ z² - (Σ z)²`, which is K (K - 1) times the variance.
fn spread<T: Whole>(counts: &[T]) -> Option<T> {
    let squares = counts.iter().try_fold(T::zero(), |sum, count| sum.checked_add(&count.checked_mul(count)?))?;
    let whole = sum(counts)?;
    T::from(u32::try_from(counts.len()).ok()?).checked_mul(&squares)?.checked_sub(&whole.checked_mul(&whole)?)
}

/// `Σ |z_a - z_b|` over all pairs: over the sorted counts, the r-th of K is added r times and taken away K - 1 - r times.
fn pairs<T: Whole>(counts: &[T]) -> Option<T> {
    if let [first, second] = counts {
        return if first > second { first.checked_sub(second) } else { second.checked_sub(first) };
    }
    let mut sorted = counts.to_vec();
    sorted.sort();
    let mut pairs = T::zero();
    let mut below = T::zero();
    for (rank, count) in sorted.iter().enumerate() {
        let above = T::from(u32::try_from(rank).ok()?).checked_mul(count)?;
        pairs = pairs.checked_add(&above.checked_sub(&below)?)?;
        below = below.checked_add(count)?;
    }
    Some(pairs)
}

/// The class of each cell: 0 for the least imbalance, equal numbers for equal imbalances. `None` if a number does not fit.
pub(super) fn classes<T: Whole>(scores: &[Score<T>]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let mut fits = true;
    let mut compare_at = |one: usize, other: usize| match (scores.get(one), scores.get(other)) {
        (Some(first), Some(second)) => compare(first, second).unwrap_or_else(|| {
            fits = false;
            Ordering::Equal
        }),
        _ => Ordering::Equal,
    };
    order.sort_by(|one, other| compare_at(*one, *other));
    let mut classes = vec![0; scores.len()];
    let mut class = 0;
    for pair in order.windows(2) {
        if let [before, after] = pair {
            class += usize::from(compare_at(*before, *after) != Ordering::Equal);
            *classes.get_mut(*after)? = class;
        }
    }
    fits.then_some(classes)
}

fn compare<T: Whole>(first: &Score<T>, second: &Score<T>) -> Option<Ordering> {
    match (first, second) {
        (Score::Whole(first), Score::Whole(second)) => Some(first.cmp(second)),
        (Score::Fraction(above, below), Score::Fraction(other, under)) => {
            if below == under {
                return Some(above.cmp(other));
            }
            Some(above.checked_mul(under)?.cmp(&other.checked_mul(below)?))
        }
        (Score::Roots(first), Score::Roots(second)) => {
            if first == second {
                return Some(Ordering::Equal);
            }
            let big = |terms: &[Term<T>]| -> Vec<Term<BigInt>> {
                terms.iter().map(|(factor, root)| (factor.to_big(), root.to_big())).collect()
            };
            let (first, second) = (big(first), big(second));
            Some(roots::compare_roughly(&first, &second).unwrap_or_else(|| roots::compare(&first, &second)))
        }
        _ => unreachable!("all scores of a decision are of one kind"),
    }
}

impl<T: Whole> Score<T> {
    /// The same score in integers of any size.
    pub(super) fn to_big(&self) -> Score<BigInt> {
        match self {
            Score::Whole(value) => Score::Whole(value.to_big()),
            Score::Fraction(above, below) => Score::Fraction(above.to_big(), below.to_big()),
            Score::Roots(terms) => {
                Score::Roots(terms.iter().map(|(factor, root)| (factor.to_big(), root.to_big())).collect())
            }
        }
    }
}

/// `⌊Σ c √(n K (K - 1)) · 10^places⌋` within the number of terms, and whether every root is an integer (then it is exact).
pub(super) fn decimal_root(terms: &[Term<BigInt>], cells: usize, places: u32) -> (BigInt, bool) {
    let pairs = BigInt::from(cells) * (BigInt::from(cells) - BigInt::one());
    let scale = BigInt::from(10).pow(2 * places);
    let mut exact = true;
    let mut sum = BigInt::zero();
    for (factor, root) in terms {
        let radicand = factor * factor * root * &pairs;
        exact &= roots::exact_root(&radicand).is_some();
        sum += (radicand * &scale).sqrt();
    }
    (sum, exact)
}
