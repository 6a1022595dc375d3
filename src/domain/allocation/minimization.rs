//! Minimization: the law of the next decision from the margins.

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::distance::{self, Score};
use super::law::Law;
use super::plan::{Numbers, Scales};
use super::roots::{self, Term};
use super::rule::{self, RuleNumbers};
use super::scheme::{Distance, Rule};
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
        let root = |terms: &[Term<BigInt>]| {
            let (sum, exact) = distance::decimal_root(terms, cells, IMBALANCE_PLACES);
            let pairs = BigInt::from(cells) * (BigInt::from(cells) - BigInt::one());
            (Rational::new(sum, &scale * pairs * BigInt::from(10).pow(IMBALANCE_PLACES)), exact)
        };
        let value = |score: &Score<BigInt>| match score {
            Score::Whole(value) if scales.distance == Distance::Sd => root(&[(value.clone(), BigInt::one())]),
            Score::Whole(value) => (Rational::new(value.clone(), scale.clone()), true),
            Score::Fraction(above, below) => (Rational::new(above.clone(), below * &scale), true),
            Score::Roots(terms) => root(terms),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::allocation::plan::Plan;
    use crate::domain::allocation::scheme::{Arm, Factor, Method, Minimization};

    fn plan(ratios: &[u64], weights: &[u64], distance: Distance, rule: Rule) -> Plan {
        let arms: Vec<Arm> = ratios
            .iter()
            .zip('a'..)
            .map(|(ratio, code)| Arm { code: code.to_string(), ratio: *ratio, closed: false })
            .collect();
        let factor = |(at, weight): (usize, &u64)| Factor {
            id: format!("f{at}"),
            levels: None,
            weight: number::ratio(*weight, 1000),
        };
        let factors: Vec<Factor> = weights.iter().enumerate().map(factor).collect();
        Plan::new(&arms, &factors, &[], &Method::Minimization(Minimization { distance, rule, burn_in: 0 }))
    }

    fn rules() -> impl Strategy<Value = Rule> {
        prop_oneof![
            Just(Rule::Best { p: number::ratio(9, 10) }),
            Just(Rule::Rank { q: number::ratio(1, 2) }),
            Just(Rule::Proportional { t: number::ratio(3, 7) }),
            Just(Rule::RatioCoin { p: number::ratio(9, 10) }),
        ]
    }

    fn distances() -> impl Strategy<Value = Distance> {
        prop_oneof![
            Just(Distance::Range),
            Just(Distance::Variance),
            Just(Distance::Sd),
            Just(Distance::MarginalTotal),
            Just(Distance::MarginalBalance),
        ]
    }

    proptest! {
        #[test]
        fn all_widths_agree(
            ratios in prop_oneof![Just(vec![1u64, 1, 1]), proptest::collection::vec(1u64..1000, 3)],
            weights in proptest::collection::vec(0u64..2000, 4),
            rows in proptest::collection::vec(proptest::collection::vec(0u32..4_000_000, 3), 4),
            distance in distances(),
            rule in rules(),
        ) {
            let plan = plan(&ratios, &weights, distance, rule);
            let scales = plan.minimization.as_ref().unwrap();
            let rows: Vec<Option<&[u32]>> = rows.iter().map(|row| Some(row.as_slice())).collect();
            let (law, scores) = attempt(scales, &scales.large, &plan.by_ratio, &rows).unwrap();
            let values = Scores::Large(scores).imbalances(scales);
            let small = attempt(scales, scales.small.as_ref().unwrap(), &plan.by_ratio, &rows);
            let medium = attempt(scales, scales.medium.as_ref().unwrap(), &plan.by_ratio, &rows);
            if let Some((own, scores)) = small {
                prop_assert_eq!(&own, &law);
                prop_assert_eq!(&Scores::Small(scores).imbalances(scales), &values);
            }
            if let Some((own, scores)) = medium {
                prop_assert_eq!(&own, &law);
                prop_assert_eq!(&Scores::Medium(scores).imbalances(scales), &values);
            }
        }
    }

    #[test]
    fn each_width_is_needed_and_used() {
        let width = |ratios: &[u64], count: u32| {
            let plan = plan(ratios, &[1000, 1], Distance::MarginalBalance, Rule::Best { p: number::ratio(4, 5) });
            let (first, second) = ([count, count + 1, count + 7], [count + 2, count, count + 3]);
            let rows: [Option<&[u32]>; 2] = [Some(&first), Some(&second)];
            match decide(plan.minimization.as_ref().unwrap(), &plan.by_ratio, &rows).1 {
                Scores::Small(_) => 64,
                Scores::Medium(_) => 128,
                Scores::Large(_) => 0,
            }
        };
        assert_eq!(width(&[1, 1, 1], 100), 64);
        assert_eq!(width(&[991, 983, 977], 100), 128);
        assert_eq!(width(&[991, 983, 977], 4_000_000_000), 0);
    }
}
