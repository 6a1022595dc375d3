//! Sums of square roots, compared exactly.
//!
//! Square roots of integers no two of which have a square product are linearly independent over the rationals
//! (Besicovitch 1940). So a difference of two sums is zero exactly if, after roots of the same class are gathered, every
//! coefficient is zero; and if it is not zero, enclosing it more and more tightly ends with its sign.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};

use crate::domain::number::Rational;

/// One term: coefficient, radicand (not negative).
pub(super) type Term<T> = (T, T);

/// Compares `Σ c √n` with `Σ c' √n'`.
pub(super) fn compare(first: &[Term<BigInt>], second: &[Term<BigInt>]) -> Ordering {
    let signed = first.iter().cloned().chain(second.iter().map(|(factor, root)| (-factor, root.clone())));
    let gathered = gather(signed);
    if gathered.is_empty() {
        return Ordering::Equal;
    }
    let mut bits = 64u64;
    loop {
        let (low, high) = enclose(&gathered, bits);
        if low.is_positive() {
            return Ordering::Greater;
        }
        if high.is_negative() {
            return Ordering::Less;
        }
        bits *= 2;
    }
}

/// Terms of different classes, with coefficients other than zero.
fn gather(terms: impl Iterator<Item = Term<BigInt>>) -> Vec<(Rational, BigInt)> {
    let mut classes: Vec<(Rational, BigInt)> = Vec::new();
    for (factor, root) in terms {
        if factor.is_zero() || root.is_zero() {
            continue;
        }
        let shared = classes.iter_mut().find_map(|(sum, own)| {
            let product = &root * &*own;
            // √root = √(root · own) / own · √own
            exact_root(&product).map(|side| (Rational::new(side, own.clone()), sum))
        });
        match shared {
            Some((part, sum)) => *sum += part * factor,
            None => classes.push((Rational::from_integer(factor), root)),
        }
    }
    classes.retain(|(factor, _)| !factor.is_zero());
    classes
}

/// Bounds of the sum times a common positive scale.
fn enclose(terms: &[(Rational, BigInt)], bits: u64) -> (BigInt, BigInt) {
    let scale = crate::domain::number::common_multiple(terms.iter().map(|(factor, _)| factor.denom()));
    let (mut low, mut high) = (BigInt::zero(), BigInt::zero());
    for (factor, root) in terms {
        let factor = factor.numer() * (&scale / factor.denom());
        let floor = ((&factor * &factor * root) << (2 * bits)).sqrt();
        let above = &floor + BigInt::one();
        if factor.is_negative() {
            low -= above;
            high -= floor;
        } else {
            low += floor;
            high += above;
        }
    }
    (low, high)
}

/// The square root of an integer that is a square.
pub(super) fn exact_root(value: &BigInt) -> Option<BigInt> {
    let side = value.sqrt();
    (&side * &side == *value).then_some(side)
}

/// Compares quickly where 128 bits suffice to tell the sums apart; `None` where they do not.
pub(super) fn compare_roughly(first: &[Term<BigInt>], second: &[Term<BigInt>]) -> Option<Ordering> {
    let squares = |terms: &[Term<BigInt>]| {
        terms.iter().map(|(factor, root)| u128::try_from(factor * factor * root).ok()).collect::<Option<Vec<u128>>>()
    };
    let (first, second) = (squares(first)?, squares(second)?);
    let most = first.iter().chain(&second).copied().max().unwrap_or(0);
    let shift = most.max(1).leading_zeros() & !1;
    let sum = |squares: &[u128]| {
        squares.iter().map(|square| (square << shift).isqrt()).fold(0u128, |sum, root| sum.saturating_add(root))
    };
    let (low, other) = (sum(&first), sum(&second));
    if low.saturating_add(first.len() as u128) < other {
        return Some(Ordering::Less);
    }
    (other.saturating_add(second.len() as u128) < low).then_some(Ordering::Greater)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(terms: &[(i64, i64)]) -> Vec<Term<BigInt>> {
        terms.iter().map(|(factor, root)| (BigInt::from(*factor), BigInt::from(*root))).collect()
    }

    #[test]
    fn equal_sums_are_found_equal() {
        // √8 + √18 = 5 √2; √2 + √3 ≠ √5 + a little.
        assert_eq!(compare(&terms(&[(1, 8), (1, 18)]), &terms(&[(5, 2)])), Ordering::Equal);
        assert_eq!(compare(&terms(&[(3, 12), (2, 75)]), &terms(&[(16, 3)])), Ordering::Equal);
        assert_eq!(compare(&terms(&[]), &terms(&[(0, 5), (3, 0)])), Ordering::Equal);
        assert_eq!(compare(&terms(&[(1, 4), (1, 9)]), &terms(&[(1, 25)])), Ordering::Equal);
    }

    /// The even and the odd terms of the k-th difference of √ at m: `Σ (-1)^i C(k, i) √(m + i)`. All derivatives of √ alternate in sign, so
    /// the even side is the lesser one, whatever k and m.
    fn difference(order: u32, from: i64) -> [Vec<Term<BigInt>>; 2] {
        let mut sides = [Vec::new(), Vec::new()];
        let mut factor = BigInt::one();
        for place in 0..=order {
            let side = if place % 2 == 0 { 0 } else { 1 };
            sides[side].push((factor.clone(), BigInt::from(from + i64::from(place))));
            factor = factor * BigInt::from(order - place) / BigInt::from(place + 1);
        }
        sides
    }

    #[test]
    fn sums_that_nearly_agree_are_ordered() {
        // By decimals of 120 places the sides differ by 1e-13, 5e-43 and 1e-97.
        for (order, from) in [(5, 1_000), (8, 1_000_000), (12, 1_000_000_000), (5, 1_000_000_000)] {
            let [even, odd] = difference(order, from);
            let expected = Ordering::Less;
            assert_eq!(compare(&even, &odd), expected, "{order} {from}");
            assert_eq!(compare(&odd, &even), expected.reverse(), "{order} {from}");
            assert!(compare_roughly(&even, &odd).is_none_or(|rough| rough == expected), "{order} {from}");
            // Every root in another form, 5 √n as √(25 n), and the sides are equal; one unit more, and they are not.
            let times = |terms: &[Term<BigInt>], inside: bool| -> Vec<Term<BigInt>> {
                let part = |(factor, root): &Term<BigInt>| match inside {
                    true => (factor.clone(), root * 25),
                    false => (factor * 5, root.clone()),
                };
                terms.iter().map(part).collect()
            };
            assert_eq!(compare(&times(&even, true), &times(&even, false)), Ordering::Equal);
            let mut more = times(&even, true);
            more.push((BigInt::one(), BigInt::one()));
            assert_eq!(compare(&times(&even, false), &more), Ordering::Less);
        }
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_reals(first in proptest::collection::vec((0i64..50, 0i64..5000), 0..5), second in proptest::collection::vec((0i64..50, 0i64..5000), 0..5)) {
            let real = |terms: &[(i64, i64)]| terms.iter().map(|(factor, root)| *factor as f64 * (*root as f64).sqrt()).sum::<f64>();
            let difference = real(&first) - real(&second);
            let order = compare(&terms(&first), &terms(&second));
            if difference.abs() > 1e-6 {
                prop_assert_eq!(order, difference.total_cmp(&0.0));
            }
            if let Some(rough) = compare_roughly(&terms(&first), &terms(&second)) {
                prop_assert_eq!(rough, order);
            }
        }
    }
}
