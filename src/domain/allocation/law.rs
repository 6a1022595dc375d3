//! The law of one decision: the exact probability of every cell, and the pick of one.

use num_bigint::{BigInt, BigUint};
use num_traits::Zero;

use super::draw::Draw;
use super::whole::{Whole, common_divisor};
use crate::domain::number::{self, Rational};

/// Probabilities over their least common denominator, so that equal laws are equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Law {
    /// Numerators and denominator fit in 64 bits.
    Small {
        /// Numerator of each cell.
        weights: Vec<u64>,
        /// Their sum, the denominator.
        total: u64,
    },
    /// They do not.
    Large {
        /// Numerator of each cell.
        weights: Vec<BigUint>,
        /// Their sum, the denominator.
        total: BigUint,
    },
}

/// An integer that was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// Bound and value fit in 64 bits.
    Small {
        /// How many integers were equally likely.
        below: u64,
        /// The one drawn.
        value: u64,
    },
    /// They do not.
    Large {
        /// How many integers were equally likely.
        below: BigUint,
        /// The one drawn.
        value: BigUint,
    },
}

impl Drawn {
    /// Bound and value in decimal digits.
    pub fn digits(&self) -> (String, String) {
        match self {
            Drawn::Small { below, value } => (below.to_string(), value.to_string()),
            Drawn::Large { below, value } => (below.to_string(), value.to_string()),
        }
    }
}

impl Law {
    /// The law with probabilities proportional to weights that are not negative and not all zero; `None` if their sum
    /// does not fit the type.
    pub(super) fn from_weights<T: Whole>(weights: Vec<T>) -> Option<Law> {
        let mut total = T::zero();
        let mut divisor = T::zero();
        for weight in &weights {
            total = total.checked_add(weight)?;
            divisor = common_divisor(&divisor, weight);
        }
        if divisor.is_zero() {
            // No cells: the method `none` of a registry. Nothing is ever picked from it.
            divisor = T::one();
        }
        let reduce = |number: &T| number.clone() / divisor.clone();
        if let Some(total) = reduce(&total).to_u64() {
            let weights = weights.iter().map(|weight| reduce(weight).to_u64()).collect::<Option<Vec<u64>>>()?;
            return Some(Law::Small { weights, total });
        }
        let natural = |number: T| number.to_big().to_biguint();
        let total = natural(reduce(&total))?;
        let weights = weights.iter().map(|weight| natural(reduce(weight))).collect::<Option<Vec<BigUint>>>()?;
        Some(Law::Large { weights, total })
    }

    /// The law with those weights, which are not negative and not all zero.
    pub(super) fn from_u64(weights: &[u64]) -> Law {
        Law::from_weights(weights.iter().map(|weight| BigInt::from(*weight)).collect())
            .expect("weights are not negative")
    }

    /// The law with probabilities proportional to fractions that are not negative and not all zero.
    pub(super) fn from_fractions(fractions: &[Rational]) -> Law {
        let scale = number::common_multiple(fractions.iter().map(Rational::denom));
        let weights = fractions.iter().map(|fraction| fraction.numer() * (&scale / fraction.denom())).collect();
        Law::from_weights::<BigInt>(weights).expect("fractions are not negative")
    }

    /// The same probabilities for the cells in the opposite order.
    pub(super) fn reversed(mut self) -> Law {
        match &mut self {
            Law::Small { weights, .. } => weights.reverse(),
            Law::Large { weights, .. } => weights.reverse(),
        }
        self
    }

    /// How many cells it has.
    pub fn cells(&self) -> usize {
        match self {
            Law::Small { weights, .. } => weights.len(),
            Law::Large { weights, .. } => weights.len(),
        }
    }

    /// Probability of each cell.
    pub fn probabilities(&self) -> Vec<Rational> {
        let fraction = |above: &BigUint, below: &BigUint| Rational::new(above.clone().into(), below.clone().into());
        match self {
            Law::Small { weights, total } => weights.iter().map(|weight| number::ratio(*weight, *total)).collect(),
            Law::Large { weights, total } => weights.iter().map(|weight| fraction(weight, total)).collect(),
        }
    }

    /// Whether a cell can come out at all.
    pub(super) fn admits(&self, cell: usize) -> bool {
        match self {
            Law::Small { weights, .. } => weights.get(cell).is_some_and(|weight| *weight > 0),
            Law::Large { weights, .. } => weights.get(cell).is_some_and(|weight| !weight.is_zero()),
        }
    }

    /// Draws an integer below the denominator and returns the cell that owns it.
    pub(super) fn pick(&self, draw: &mut Draw) -> (usize, Drawn) {
        match self {
            Law::Small { weights, total } => {
                let value = draw.below(*total);
                let mut left = value;
                let cell = weights.iter().position(|weight| match left.checked_sub(*weight) {
                    Some(rest) => {
                        left = rest;
                        false
                    }
                    None => true,
                });
                (cell.expect("the draw is below the sum"), Drawn::Small { below: *total, value })
            }
            Law::Large { weights, total } => {
                let value = draw.below_any(total);
                let mut edge = BigUint::zero();
                let cell = weights.iter().position(|weight| {
                    edge += weight;
                    value < edge
                });
                (cell.expect("the draw is below the sum"), Drawn::Large { below: total.clone(), value })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_reduced_to_the_least_denominator() {
        assert_eq!(Law::from_u64(&[20, 0, 10]), Law::Small { weights: vec![2, 0, 1], total: 3 });
        let fractions = [number::ratio(1, 6), number::ratio(1, 6), number::ratio(2, 3)];
        assert_eq!(Law::from_fractions(&fractions), Law::Small { weights: vec![1, 1, 4], total: 6 });
        let large: Vec<BigInt> = vec![BigInt::from(3) << 100, BigInt::from(6) << 100];
        assert_eq!(Law::from_weights(large), Some(Law::Small { weights: vec![1, 2], total: 3 }));
        assert_eq!(Law::from_weights(vec![i64::MAX, 1]), None);
    }

    #[test]
    fn cells_own_their_integers_in_order() {
        let law = Law::from_u64(&[2, 0, 3]);
        let large = Law::Large { weights: vec![2u32.into(), 0u32.into(), 3u32.into()], total: 5u32.into() };
        for number in 0..50 {
            let (cell, drawn) = law.pick(&mut Draw::new(&[3; 32], number));
            let Drawn::Small { value, below: 5 } = drawn else { panic!("{drawn:?}") };
            assert_eq!(cell, if value < 2 { 0 } else { 2 });
            assert_eq!(large.pick(&mut Draw::new(&[3; 32], number)).0, cell);
        }
        assert!(law.admits(0) && !law.admits(1) && !law.admits(9));
    }
}
