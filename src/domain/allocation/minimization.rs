//! Minimization: the law of the next decision from the margins.

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::distance::{self, Score};
use super::law::Law;
use super::plan::{Numbers, Scales};
use super::roots::{self, Term};
use super::rule::{self, RuleNumbers};
use super::scheme::Rule;
use super::whole::Whole;
use crate::domain::number::{self, Rational};

/// Decimal places to which irrational probabilities (`proportional` with `sd`) are taken.
const PROBABILITY_PLACES: u32 = 30;
/// Decimal places that are computed of an irrational imbalance, many more than are ever shown.
const IMBALANCE_PLACES: u32 = 40;

/// The imbalances of a decision, in the width that sufficed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scores {
    /// 64 bits.
    Small(Vec<Score<i64>>),
    /// 128 bits.
    Medium(Vec<Score<i128>>),
    /// Any size.
    Large(Vec<Score<BigInt>>),
}

/// The law of the next decision and the imbalances behind it, in the first width that suffices.
pub(super) fn decide(scales: &Scales, by_ratio: &Law, rows: &[Option<&[u32]>]) -> (Law, Scores) {
    let small = scales.small.as_ref().and_then(|numbers| attempt(scales, numbers, by_ratio, rows));
    if let Some((law, scores)) = small {
        return (law, Scores::Small(scores));
    }
    let medium = scales.medium.as_ref().and_then(|numbers| attempt(scales, numbers, by_ratio, rows));
    if let Some((law, scores)) = medium {
        return (law, Scores::Medium(scores));
    }
    let (law, scores) = attempt(scales, &scales.large, by_ratio, rows).expect("integers of any size fit");
    (law, Scores::Large(scores))
}

fn attempt<T: Whole>(
    scales: &Scales,
    numbers: &Numbers<T>,
    by_ratio: &Law,
    rows: &[Option<&[u32]>],
) -> Option<(Law, Vec<Score<T>>)> {
    let scores = distance::scores(scales.distance, numbers, rows)?;
    let classes = distance::classes(&scores)?;
    let law = if classes.iter().all(|class| *class == 0) {
        by_ratio.clone()
    } else if let RuleNumbers::Proportional { cut, whole } = &numbers.rule {
        proportional(cut, whole, &scores)?
    } else {
        rule::law_of_order(numbers, &classes)?
    };
    Some((law, scores))
}

/// `(1 - t G / ΣG) / (K - t)` is proportional to `whole ΣG - cut G`.
fn proportional<T: Whole>(cut: &T, whole: &T, scores: &[Score<T>]) -> Option<Law> {
    let integers: Option<Vec<T>> =
        scores.iter().map(|score| if let Score::Whole(value) = score { Some(value.clone()) } else { None }).collect();
    if let Some(integers) = integers {
        return Law::from_weights(complement(cut, whole, &integers)?);
    }
    let big: Vec<Score<BigInt>> = scores.iter().map(Score::to_big).collect();
    Law::from_weights(complement(&cut.to_big(), &whole.to_big(), &proportions(&big).0)?)
}

fn complement<T: Whole>(cut: &T, whole: &T, values: &[T]) -> Option<Vec<T>> {
    let sum = values.iter().try_fold(T::zero(), |sum, value| sum.checked_add(value))?;
    let all = whole.checked_mul(&sum)?;
    values.iter().map(|value| all.checked_sub(&cut.checked_mul(value)?)).collect()
}

/// Integers in the proportions of the scores, and whether they are exact. Only sums of roots of different classes have no
/// rational proportions: those are taken to thirty places, in which sums that are equal in different forms (√8 and 2 √2)
/// come out equal.
fn proportions(scores: &[Score<BigInt>]) -> (Vec<BigInt>, bool) {
    let below = number::common_multiple(scores.iter().filter_map(|score| match score {
        Score::Fraction(_, below) => Some(below),
        _ => None,
    }));
    let first = scores.iter().find_map(|score| if let Score::Roots(terms) = score { terms.first() } else { None });
    let mut exact = true;
    let mut root_of = |terms: &[Term<BigInt>]| {
        let Some((_, base)) = first else { return BigInt::zero() };
        let mut sum = BigInt::zero();
        for (factor, root) in terms {
            match roots::exact_root(&(root * base)) {
                Some(side) => sum += factor * side,
                None => exact = false,
            }
        }
        sum
    };
    let values = scores
        .iter()
        .map(|score| match score {
            Score::Whole(value) => value.clone(),
            Score::Fraction(above, under) => above * (&below / under),
            Score::Roots(terms) => root_of(terms),
        })
        .collect();
    if exact { (values, true) } else { (rounded(scores), false) }
}

fn rounded(scores: &[Score<BigInt>]) -> Vec<BigInt> {
    let unit = BigInt::from(10).pow(PROBABILITY_PLACES);
    let round = |score: &Score<BigInt>| match score {
        Score::Roots(terms) => {
            let (sum, _) = distance::decimal_root(terms, scores.len(), 2 * PROBABILITY_PLACES);
            (sum + &unit / BigInt::from(2)) / &unit
        }
        Score::Whole(value) | Score::Fraction(value, _) => value.clone(),
    };
    scores.iter().map(round).collect()
}

/// Whether the probabilities of that decision are rounded ones (see [`proportions`]).
pub(super) fn is_rounded(scales: &Scales, scores: &Scores) -> bool {
    matches!(scales.rule, Rule::Proportional { .. }) && !proportions(&scores.to_big()).1
}

impl Scores {
    /// The same in integers of any size.
    pub(super) fn to_big(&self) -> Vec<Score<BigInt>> {
        match self {
            Scores::Small(scores) => scores.iter().map(Score::to_big).collect(),
            Scores::Medium(scores) => scores.iter().map(Score::to_big).collect(),
            Scores::Large(scores) => scores.clone(),
        }
    }

    /// Each cell's imbalance, and whether it is exact (else it is right to forty places).
    pub(super) fn imbalances(&self, scales: &Scales) -> Vec<(Rational, bool)> {
        let scores = self.to_big();
        let cells = scores.len();
        let scale = scales.imbalance_scale(cells);
        let value = |score: &Score<BigInt>| match score {
            Score::Whole(value) => (Rational::new(value.clone(), scale.clone()), true),
            Score::Fraction(above, below) => (Rational::new(above.clone(), below * &scale), true),
            Score::Roots(terms) => {
                let (sum, exact) = distance::decimal_root(terms, cells, IMBALANCE_PLACES);
                let pairs = BigInt::from(cells) * (BigInt::from(cells) - BigInt::one());
                (Rational::new(sum, &scale * pairs * BigInt::from(10).pow(IMBALANCE_PLACES)), exact)
            }
        };
        scores.iter().map(value).collect()
    }
}

/// The class of each cell, 0 for the least imbalance.
pub(super) fn classes(scales: &Scales, rows: &[Option<&[u32]>]) -> Vec<usize> {
    fn attempt<T: Whole>(scales: &Scales, numbers: &Numbers<T>, rows: &[Option<&[u32]>]) -> Option<Vec<usize>> {
        distance::classes(&distance::scores(scales.distance, numbers, rows)?)
    }
    let medium = scales.medium.as_ref().and_then(|numbers| attempt(scales, numbers, rows));
    medium.or_else(|| attempt(scales, &scales.large, rows)).expect("integers of any size fit")
}
