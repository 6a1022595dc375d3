//! The next decision of a block sequence to somebody who knows the arms so far but not the sizes of the blocks.
//!
//! Every way to cut the history into blocks is weighted with its exact probability (sizes, then arms), and the law is the
//! mixture over the ways. One pass over the history suffices: what matters of the past is where blocks may begin.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::Fault;
use super::law::Law;
use super::plan::Plan;
use super::scheme::BlockSize;
use super::sequence::OpenBlock;
use crate::domain::number::{self, Rational};

/// A subject of the stratum: place of the arm, size of the block where it is known.
pub(super) type Given = (usize, Option<u64>);

/// A beginning of a block, with a number proportional to its probability.
struct Beginning {
    at: usize,
    weight: BigInt,
}

struct Sizes<'a> {
    plan: &'a Plan,
    /// Size and its probability.
    sizes: Vec<(usize, Rational)>,
    /// Size, and probability of the size and one full order of arms, times `unit`.
    whole: Vec<BigInt>,
    unit: BigInt,
    least: usize,
}

impl<'a> Sizes<'a> {
    fn new(plan: &'a Plan, sizes: &[BlockSize]) -> Sizes<'a> {
        let sum: Rational = sizes.iter().map(|size| &size.weight).sum();
        let sizes: Vec<(usize, Rational)> =
            sizes.iter().map(|size| (usize::try_from(size.size).unwrap_or(usize::MAX), &size.weight / &sum)).collect();
        let full: Vec<Rational> = match sizes.as_slice() {
            // With one size nothing is uncertain, and its probabilities need not be carried along.
            [_] => vec![Rational::one()],
            _ => sizes.iter().map(|(size, chance)| chance / orders(plan, *size)).collect(),
        };
        let unit = number::common_multiple(full.iter().map(Rational::denom));
        let whole = full.iter().map(|chance| chance.numer() * (&unit / chance.denom())).collect();
        let least = sizes.iter().map(|(size, _)| *size).min().unwrap_or(1).max(1);
        Sizes { plan, sizes, whole, unit, least }
    }

    /// Powers of `unit` in the weight of a beginning that many subjects after the origin.
    fn powers(&self, subjects: usize) -> usize {
        subjects / self.least
    }
}

/// How many orders of arms a block of that size has.
fn orders(plan: &Plan, size: usize) -> Rational {
    let block = OpenBlock { size: size as u64, arms: vec![0; plan.arms.len()] };
    let factorial = |count: u64| (1..=count).fold(BigInt::one(), |product, factor| product * factor);
    let same: BigInt = block.left(plan).into_iter().map(factorial).product();
    Rational::new(factorial(size as u64), same)
}

/// The law of the next arm of that stratum.
pub(super) fn law(plan: &Plan, sizes: &[BlockSize], history: &[Given]) -> Result<Law, Fault> {
    let sizes = Sizes::new(plan, sizes);
    let mut ahead: BTreeMap<usize, BigInt> = BTreeMap::from([(0, BigInt::one())]);
    let mut origin = 0;
    // Beginnings of blocks that may still be open at the end.
    let mut open: Vec<Beginning> = Vec::new();
    while let Some((at, weight)) = ahead.pop_first() {
        let certain = ahead.is_empty() && open.is_empty();
        let weight = if certain { BigInt::one() } else { weight };
        if certain {
            origin = at;
        }
        for ((size, _), whole) in sizes.sizes.iter().zip(&sizes.whole) {
            let end = at.saturating_add(*size);
            if end > history.len() || chance(plan, *size, history.get(at..end).unwrap_or_default()).is_none() {
                continue;
            }
            let lift = sizes.powers(end - origin) - sizes.powers(at - origin) - 1;
            *ahead.entry(end).or_insert_with(BigInt::zero) += &weight * whole * power(&sizes.unit, lift);
        }
        if sizes.sizes.iter().any(|(size, _)| at.saturating_add(*size) > history.len()) {
            open.push(Beginning { at, weight });
        }
    }
    mix(&sizes, history, origin, &open)
}

fn mix(sizes: &Sizes<'_>, history: &[Given], origin: usize, open: &[Beginning]) -> Result<Law, Fault> {
    let last = sizes.powers(history.len() - origin);
    let mut shares = vec![Rational::zero(); sizes.plan.open_arms];
    for beginning in open {
        let weight = &beginning.weight * power(&sizes.unit, last - sizes.powers(beginning.at - origin));
        let seen = history.get(beginning.at..).unwrap_or_default();
        for (size, probability) in &sizes.sizes {
            if *size <= seen.len() {
                continue;
            }
            let Some((chance, left)) = chance(sizes.plan, *size, seen) else { continue };
            let scale = probability * chance / number::ratio((size - seen.len()) as u64, 1);
            for (share, left) in shares.iter_mut().zip(left) {
                *share += &scale * (&weight * BigInt::from(left));
            }
        }
    }
    if shares.iter().all(Zero::is_zero) {
        return Err(Fault::Blocks);
    }
    Ok(Law::from_fractions(&shares))
}

/// Probability of those arms at the beginning of a block of that size, and the places left after them; `None` if they cannot
/// stand there.
fn chance(plan: &Plan, size: usize, seen: &[Given]) -> Option<(Rational, Vec<u64>)> {
    let mut left = OpenBlock { size: size as u64, arms: vec![0; plan.arms.len()] }.left(plan);
    let (mut above, mut below) = (BigInt::one(), BigInt::one());
    for (taken, (arm, known)) in seen.iter().enumerate() {
        if known.is_some_and(|known| known != size as u64) {
            return None;
        }
        let places = left.get_mut(*arm)?;
        above *= *places;
        below *= (size - taken) as u64;
        *places = places.checked_sub(1)?;
    }
    Some((Rational::new(above, below), left))
}

fn power(base: &BigInt, exponent: usize) -> BigInt {
    base.pow(u32::try_from(exponent).expect("a history is limited"))
}
