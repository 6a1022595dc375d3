//! Rules: how ranked imbalances become probabilities.

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::law::Law;
use super::plan::{Cell, Numbers, narrow};
use super::scheme::Rule;
use super::whole::Whole;
use crate::domain::number::{self, Rational};

/// The integers of a rule.
#[derive(Clone, Debug)]
pub(super) enum RuleNumbers<T> {
    /// `best`, `ratio-coin`, `ratio-arms`: what a cell gets when another is best, and how much more when it is best itself.
    Coin {
        /// When another is best.
        low: Vec<T>,
        /// More when best.
        lift: Vec<T>,
    },
    /// `rank`: what each rank gets, the best first.
    Rank(Vec<T>),
    /// `proportional`: t = `cut` / `whole`.
    Proportional {
        /// Numerator of t.
        cut: T,
        /// Denominator of t.
        whole: T,
    },
}

impl RuleNumbers<BigInt> {
    pub(super) fn new(rule: &Rule, cells: &[Cell]) -> RuleNumbers<BigInt> {
        let count = cells.len() as u64;
        match rule {
            Rule::Best { p } | Rule::RatioArms { p } => {
                let low = (Rational::one() - p) / number::ratio(count.saturating_sub(1).max(1), 1);
                coin(&vec![low; cells.len()], &vec![p.clone(); cells.len()])
            }
            Rule::RatioCoin { p } => {
                // Han et al. 2009: P(j) = w_j / (W - w_h) (1 - p_h) with 1 - p_h = (W - w_h) / (W - w_s) (1 - p), so that
                // what a cell gets when another is best does not depend on which other.
                let sum: u64 = cells.iter().map(|cell| cell.ratio).sum();
                let smallest = cells.iter().map(|cell| cell.ratio).min().unwrap_or(1);
                let unit = (Rational::one() - p) / number::ratio((sum - smallest).max(1), 1);
                let low: Vec<Rational> = cells.iter().map(|cell| number::ratio(cell.ratio, 1) * &unit).collect();
                let high: Vec<Rational> =
                    cells.iter().map(|cell| Rational::one() - number::ratio(sum - cell.ratio, 1) * &unit).collect();
                coin(&low, &high)
            }
            Rule::Rank { q } => RuleNumbers::Rank(scale(&ranks(q, count)).0),
            Rule::Proportional { t } => RuleNumbers::Proportional { cut: t.numer().clone(), whole: t.denom().clone() },
        }
    }

    pub(super) fn narrow<T: Whole>(&self) -> Option<RuleNumbers<T>> {
        Some(match self {
            RuleNumbers::Coin { low, lift } => RuleNumbers::Coin { low: narrow(low)?, lift: narrow(lift)? },
            RuleNumbers::Rank(steps) => RuleNumbers::Rank(narrow(steps)?),
            RuleNumbers::Proportional { cut, whole } => {
                RuleNumbers::Proportional { cut: T::from_big(cut)?, whole: T::from_big(whole)? }
            }
        })
    }
}

/// The probability of each rank, the best first (Pocock & Simon 1975).
pub(super) fn ranks(q: &Rational, count: u64) -> Vec<Rational> {
    let cells = number::ratio(count, 1);
    let step = number::ratio(2, 1) * (&cells * q - Rational::one()) / (&cells * (&cells + Rational::one()));
    (1..=count).map(|rank| q - &step * number::ratio(rank, 1)).collect()
}

fn coin(low: &[Rational], high: &[Rational]) -> RuleNumbers<BigInt> {
    let lift: Vec<Rational> = high.iter().zip(low).map(|(high, low)| high - low).collect();
    let all: Vec<Rational> = low.iter().chain(&lift).cloned().collect();
    let mut low = scale(&all).0;
    let lift = low.split_off(high.len());
    RuleNumbers::Coin { low, lift }
}

/// Fractions as integers over their least common denominator, and that denominator.
fn scale(fractions: &[Rational]) -> (Vec<BigInt>, BigInt) {
    let below = number::common_multiple(fractions.iter().map(Rational::denom));
    (fractions.iter().map(|fraction| fraction.numer() * (&below / fraction.denom())).collect(), below)
}

/// The law of the rules that only look at the order. `classes` holds for each cell the number of its class of equally good
/// ones, from 0 for the best, and there are at least two classes. `None` if a number does not fit, and for
/// [`RuleNumbers::Proportional`].
pub(super) fn law_of_order<T: Whole>(numbers: &Numbers<T>, classes: &[usize]) -> Option<Law> {
    match &numbers.rule {
        RuleNumbers::Coin { low, lift } => {
            let best = |place: usize| classes.get(place) == Some(&0);
            let mut share = T::zero();
            for (place, ratio) in numbers.ratios.iter().enumerate() {
                if best(place) {
                    share = share.checked_add(ratio)?;
                }
            }
            // Each best cell is first with probability ratio / share: everything is multiplied by share.
            let mut weights = Vec::with_capacity(low.len());
            for (place, ((low, lift), ratio)) in low.iter().zip(lift).zip(&numbers.ratios).enumerate() {
                let mut weight = low.checked_mul(&share)?;
                if best(place) {
                    weight = weight.checked_add(&lift.checked_mul(ratio)?)?;
                }
                weights.push(weight);
            }
            Law::from_weights(weights)
        }
        RuleNumbers::Rank(steps) => {
            let distinct = classes.iter().max().map_or(0, |last| last + 1);
            if distinct == classes.len() {
                return Law::from_weights(classes.iter().filter_map(|class| steps.get(*class).cloned()).collect());
            }
            let steps: Vec<Rational> = steps.iter().map(|step| Rational::from_integer(step.to_big())).collect();
            let ratios: Vec<BigInt> = numbers.ratios.iter().map(Whole::to_big).collect();
            Some(Law::from_fractions(&mixture(&steps, classes, &ratios)))
        }
        RuleNumbers::Proportional { .. } => None,
    }
}

/// What each cell gets when equal cells share their ranks in random order, each next one drawn by ratio among those left.
fn mixture(steps: &[Rational], classes: &[usize], ratios: &[BigInt]) -> Vec<Rational> {
    let mut shares = vec![Rational::zero(); classes.len()];
    let mut first = 0;
    for class in 0..classes.len() {
        let members: Vec<usize> = (0..classes.len()).filter(|cell| classes.get(*cell) == Some(&class)).collect();
        let Some(own) = steps.get(first..first + members.len()) else { break };
        first += members.len();
        let weights: Vec<&BigInt> = members.iter().filter_map(|cell| ratios.get(*cell)).collect();
        for (member, share) in members.iter().zip(ordered(own, &weights)) {
            if let Some(place) = shares.get_mut(*member) {
                *place = share;
            }
        }
    }
    shares
}

/// Expected step of each member when members take the steps in order, each drawn by weight among those left.
fn ordered(steps: &[Rational], weights: &[&BigInt]) -> Vec<Rational> {
    let count = weights.len();
    if weights.iter().all(|weight| weights.first() == Some(weight)) {
        let mean = steps.iter().sum::<Rational>() / number::ratio(count.max(1) as u64, 1);
        return vec![mean; count];
    }
    // reach[taken]: probability that exactly the members in the bit set `taken` have taken the first steps.
    let mut reach = vec![Rational::zero(); 1 << count];
    let mut shares = vec![Rational::zero(); count];
    if let Some(start) = reach.first_mut() {
        *start = Rational::one();
    }
    for taken in 0..(1usize << count) - 1 {
        let Some(step) = steps.get(taken.count_ones() as usize) else { break };
        let here = std::mem::replace(&mut reach[taken], Rational::zero());
        let left = || weights.iter().enumerate().filter(|(member, _)| taken >> member & 1 == 0);
        let sum: BigInt = left().map(|(_, weight)| *weight).sum();
        for (member, weight) in left() {
            let chance = &here * Rational::new((*weight).clone(), sum.clone());
            shares[member] += &chance * step;
            reach[taken | 1 << member] += chance;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[Rational]) -> Vec<String> {
        values.iter().map(number::show).collect()
    }

    #[test]
    fn ranks_are_those_of_pocock_and_simon() {
        assert_eq!(shown(&ranks(&number::ratio(1, 2), 4)), ["2/5", "3/10", "1/5", "1/10"]);
        assert_eq!(shown(&ranks(&number::ratio(2, 3), 3)), ["1/2", "1/3", "1/6"]);
        assert_eq!(shown(&ranks(&number::ratio(2, 5), 5)), ["1/3", "4/15", "1/5", "2/15", "1/15"]);
    }

    #[test]
    fn equal_arms_share_their_ranks_by_ratio() {
        let steps = [number::ratio(1, 2), number::ratio(1, 3), number::ratio(1, 6)];
        let weights = [BigInt::from(2), BigInt::from(1)];
        let weights: Vec<&BigInt> = weights.iter().collect();
        // First with 2/3 and 1/3, else second: 2/3 1/2 + 1/3 1/3 and 1/3 1/2 + 2/3 1/3.
        assert_eq!(shown(&ordered(&steps[..2], &weights)), ["4/9", "7/18"]);
        let equal = mixture(&steps, &[1, 0, 1], &[BigInt::one(), BigInt::one(), BigInt::one()]);
        assert_eq!(shown(&equal), ["1/4", "1/2", "1/4"]);
    }

    #[test]
    fn shares_of_equal_arms_sum_to_their_steps() {
        let steps: Vec<Rational> = ranks(&number::ratio(1, 3), 5);
        let weights: Vec<BigInt> = [1, 2, 3, 5, 7].into_iter().map(BigInt::from).collect();
        let shares = ordered(&steps, &weights.iter().collect::<Vec<_>>());
        assert_eq!(shares.iter().sum::<Rational>(), Rational::one());
        assert!(shares.is_sorted());
    }
}
