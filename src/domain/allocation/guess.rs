//! How well blocks can be guessed: exact, from the law of a shuffled block.

use num_bigint::BigInt;
use num_traits::{One, Zero};

use crate::domain::number::Rational;
use crate::limits;

/// The expected number of right guesses in one block of that size, of somebody who guesses the arm that is farthest behind its
/// ratio (each of several with equal chance) and knows all subjects of the block. `None` if the block has too many states.
///
/// Under two equal arms and a block of 2b it is b + (4^b / C(2b, b) - 1) / 2.
pub fn right_guesses(ratios: &[u64], size: u64) -> Option<Rational> {
    let rounds = size / ratios.iter().sum::<u64>().max(1);
    let places: Vec<u64> = ratios.iter().map(|ratio| ratio * rounds).collect();
    let states = places.iter().try_fold(1u64, |states, places| states.checked_mul(places + 1));
    states.filter(|states| *states <= limits::BLOCK_STATES)?;
    let rows: Vec<Vec<BigInt>> = places.iter().map(|places| choices(*places)).collect();
    let all = choices(size);
    let mut right = Rational::zero();
    let mut taken = vec![0u64; places.len()];
    loop {
        let count: u64 = taken.iter().sum();
        if count < size {
            // Of all ways to take so many from the block, those that take these.
            let ways: BigInt = rows.iter().zip(&taken).filter_map(|(row, taken)| row.get(*taken as usize)).product();
            let behind = behind(&taken, ratios);
            let left: u64 = behind.iter().filter_map(|arm| Some(places.get(*arm)? - taken.get(*arm)?)).sum();
            let below = all.get(count as usize)? * BigInt::from(behind.len()) * BigInt::from(size - count);
            right += Rational::new(ways * BigInt::from(left), below);
        }
        let Some(arm) = (0..taken.len()).find(|arm| taken.get(*arm) < places.get(*arm)) else { return Some(right) };
        taken.iter_mut().take(arm).for_each(|taken| *taken = 0);
        if let Some(taken) = taken.get_mut(arm) {
            *taken += 1;
        }
    }
}

/// The expected share of right guesses when each block's size is drawn with those weights, in the long run.
pub fn right_share(ratios: &[u64], sizes: &[(u64, Rational)]) -> Option<Rational> {
    let (mut right, mut subjects) = (Rational::zero(), Rational::zero());
    for (size, weight) in sizes {
        right += right_guesses(ratios, *size)? * weight;
        subjects += Rational::from_integer(BigInt::from(*size)) * weight;
    }
    (!subjects.is_zero()).then(|| right / subjects)
}

/// The arms whose count by ratio is least.
fn behind(taken: &[u64], ratios: &[u64]) -> Vec<usize> {
    let less = |one: usize, other: usize| taken[one] * ratios[other] < taken[other] * ratios[one];
    (0..taken.len()).filter(|arm| (0..taken.len()).all(|other| !less(other, *arm))).collect()
}

/// C(n, 0) … C(n, n).
fn choices(n: u64) -> Vec<BigInt> {
    let mut row = vec![BigInt::one()];
    for k in 1..=n {
        let next = row.last().cloned().unwrap_or_else(BigInt::one) * BigInt::from(n - k + 1) / BigInt::from(k);
        row.push(next);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::number;

    #[test]
    fn blocks_of_two_arms_are_as_known() {
        for (size, known) in [(2, (3, 2)), (4, (17, 6)), (6, (41, 10)), (8, (373, 70))] {
            assert_eq!(right_guesses(&[1, 1], size), Some(number::ratio(known.0, known.1)), "block of {size}");
        }
        let mixed = [(2, number::ratio(1, 1)), (4, number::ratio(1, 1))];
        assert_eq!(right_share(&[1, 1], &mixed), Some(number::ratio(13, 18)));
    }

    #[test]
    fn a_block_with_one_place_per_arm_is_counted_by_hand() {
        // Three arms, one place each: 1/3, then 1/2, then certain.
        assert_eq!(right_guesses(&[1, 1, 1], 3), Some(number::ratio(11, 6)));
        // 1:2 in a block of three. First guess: either arm, right with (1/3 + 2/3) / 2. After the small arm (1/3): the large
        // one is behind and certain, twice. After the large one (2/3): counts by ratio 0 and 1/2, so the small one is guessed,
        // right with 1/2; then, after the large one again (0, 1), it is certain, and after the small one (1, 1/2) so is the large.
        assert_eq!(right_guesses(&[1, 2], 3), Some(number::ratio(1, 2) + number::ratio(2, 3) + number::ratio(1, 1)));
        assert_eq!(right_guesses(&[1; 10], 1_000), None);
    }
}
