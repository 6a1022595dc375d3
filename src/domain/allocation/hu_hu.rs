//! Hu & Hu 2012: a biased coin by the weighted sum of the differences in the whole study, in the subject's stratum and in
//! its level of each factor.
//!
//! If an arm got the subject, the imbalance would be `Σ w (D ± 1)²`; of the two arms' imbalances the difference is `4 Λ` with
//! `Λ = Σ w D`, so its sign decides.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::law::Law;
use super::scheme::{Factor, HuHu};
use crate::domain::number::{self, Rational};

/// The settings worked out.
#[derive(Clone, Debug)]
pub(super) struct HuHuPlan {
    /// Scaled weights: of the whole study, of the stratum, of each table.
    weights: Vec<BigInt>,
    /// The same, if they are small enough that no sum of theirs can overflow.
    small: Option<Vec<i128>>,
    /// Scaled weight = weight × this.
    scale: BigInt,
    /// While the first arm is behind, level, ahead.
    laws: [Law; 3],
}

impl HuHuPlan {
    /// `factors` as the plan's tables.
    pub(super) fn new(settings: &HuHu, factors: &[&Factor]) -> HuHuPlan {
        let all: Vec<&Rational> = [&settings.total_weight, &settings.stratum_weight]
            .into_iter()
            .chain(factors.iter().map(|factor| &factor.weight))
            .collect();
        let scale = number::common_multiple(all.iter().map(|weight| weight.denom()));
        let weights: Vec<BigInt> = all.iter().map(|weight| weight.numer() * (&scale / weight.denom())).collect();
        // Differences are below 2^32 and weights few: 2^80 leaves room for their sum.
        let fits = |weight: &BigInt| i128::try_from(weight).ok().filter(|weight| *weight < 1 << 80);
        let small = weights.iter().map(fits).collect();
        let rest = Rational::one() - &settings.p;
        let laws = [
            Law::from_fractions(&[settings.p.clone(), rest.clone()]),
            Law::from_u64(&[1, 1]),
            Law::from_fractions(&[rest, settings.p.clone()]),
        ];
        HuHuPlan { weights, small, scale, laws }
    }

    /// The law after those differences, first arm less second, in the order of the weights.
    pub(super) fn law(&self, apart: &[i64]) -> Law {
        let sign = match &self.small {
            Some(weights) => {
                weights.iter().zip(apart).map(|(weight, apart)| weight * i128::from(*apart)).sum::<i128>().cmp(&0)
            }
            None => {
                let products = self.weights.iter().zip(apart).map(|(weight, apart)| weight * BigInt::from(*apart));
                products.sum::<BigInt>().cmp(&BigInt::zero())
            }
        };
        let [behind, level, ahead] = &self.laws;
        match sign {
            Ordering::Less => behind.clone(),
            Ordering::Equal => level.clone(),
            Ordering::Greater => ahead.clone(),
        }
    }

    /// The imbalance of each arm if it got the subject.
    pub(super) fn imbalances(&self, apart: &[i64]) -> Vec<Rational> {
        let with = |step: i64| -> BigInt {
            let part = |(weight, apart): (&BigInt, &i64)| {
                let apart = BigInt::from(*apart) + step;
                weight * &apart * apart
            };
            self.weights.iter().zip(apart).map(part).sum()
        };
        [1, -1].into_iter().map(|step| Rational::new(with(step), self.scale.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(weights: [&str; 3]) -> HuHuPlan {
        let weight = |text: &str| number::parse(text).unwrap();
        let [total, stratum, factor] = weights.map(weight);
        let factor = Factor { id: "f".to_owned(), levels: None, weight: factor };
        let settings = HuHu { p: number::ratio(17, 20), total_weight: total, stratum_weight: stratum };
        HuHuPlan::new(&settings, &[&factor])
    }

    #[test]
    fn the_imbalances_differ_by_four_lambda() {
        let plan = plan(["0.3", "0.5", "1/5"]);
        for apart in [[3, -1, -2], [0, 0, 0], [2, -2, 2], [-7, 1, 9]] {
            let lambda = number::ratio(3, 10) * Rational::from_integer(apart[0].into())
                + number::ratio(1, 2) * Rational::from_integer(apart[1].into())
                + number::ratio(1, 5) * Rational::from_integer(apart[2].into());
            let found = plan.imbalances(&apart);
            assert_eq!(&found[0] - &found[1], &lambda * number::ratio(4, 1));
            let chance = number::show(&plan.law(&apart).probabilities()[0]);
            let expected = match lambda.cmp(&Rational::zero()) {
                Ordering::Less => "17/20",
                Ordering::Equal => "1/2",
                Ordering::Greater => "3/20",
            };
            assert_eq!(chance, expected, "{apart:?}");
        }
        // 0.3 · 3 = 0.5 + 0.2 · 2 is a tie in fractions, and none in floating point.
        assert_eq!(number::show(&plan.law(&[3, -1, -2]).probabilities()[0]), "1/2");
    }

    #[test]
    fn weights_of_any_size_agree() {
        let mut large = plan(["1e-40", "1e-39", "2e-40"]);
        assert!(large.small.is_some());
        large.small = None;
        let small = plan(["1", "10", "2"]);
        for apart in [[3, -1, -2], [10, -1, 0], [10, -1, 1], [-8, 1, -1], [-9, 1, -1]] {
            assert_eq!(large.law(&apart), small.law(&apart), "{apart:?}");
        }
        assert!(plan(["1e-40", "1000", "1"]).small.is_none());
    }
}
