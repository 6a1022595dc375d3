//! How well blocks can be guessed: exact, from the law of shuffled blocks.

use num_bigint::BigInt;
use num_traits::{One, Zero};

use crate::domain::number::{self, Rational};
use crate::limits;

/// The expected share of right guesses, in the long run, of the best guesser of blocks whose sizes are drawn with those weights:
/// somebody who knows design, allocations so far and where each block began, but not how large it was drawn, and names the arm that
/// is likeliest then. `None` if a block has too many states.
///
/// Nobody who knows less guesses better. Under equal ratios the likeliest arm is the one that is behind, whatever the size, so that
/// counting along is enough; under blocks of one size, counting from the first subject is. Under two equal arms and blocks of 2b
/// the expected number is b + (4^b / C(2b, b) - 1) / 2 (Blackwell & Hodges 1957).
pub fn best_share(ratios: &[u64], sizes: &[(u64, Rational)]) -> Option<Rational> {
    let sum: u64 = ratios.iter().sum::<u64>().max(1);
    let largest = sizes.iter().map(|(size, _)| *size).max()?;
    let most: Vec<u64> = ratios.iter().map(|ratio| ratio * (largest / sum)).collect();
    let states = most.iter().try_fold(1u64, |states, places| states.checked_mul(places + 1));
    states.filter(|states| *states <= limits::BLOCK_STATES)?;
    let blocks: Vec<Block> = sizes.iter().map(|(size, weight)| Block::new(ratios, *size, weight, largest)).collect();
    // For each number of allocations what all sizes' terms are brought over, so that what follows adds integers.
    let below: Vec<BigInt> =
        (0..largest).map(|count| number::common_multiple(blocks.iter().map(|block| block.below(count)))).collect();
    let mut right = vec![BigInt::zero(); below.len()];
    let mut taken = vec![0u64; most.len()];
    let mut likely = vec![BigInt::zero(); most.len()];
    loop {
        let count: u64 = taken.iter().sum();
        if let Some((right, below)) = right.get_mut(count as usize).zip(below.get(count as usize)) {
            likely.iter_mut().for_each(|arm| *arm = BigInt::zero());
            blocks.iter().for_each(|block| block.add(&taken, count, below, &mut likely));
            *right += likely.iter().max().cloned().unwrap_or_default();
        }
        let Some(arm) = (0..taken.len()).find(|arm| taken.get(*arm) < most.get(*arm)) else { break };
        taken.iter_mut().take(arm).for_each(|taken| *taken = 0);
        if let Some(taken) = taken.get_mut(arm) {
            *taken += 1;
        }
    }
    let right: Rational = right.into_iter().zip(below).map(|(right, below)| Rational::new(right, below)).sum();
    let subjects: Rational =
        sizes.iter().map(|(size, weight)| Rational::from_integer(BigInt::from(*size)) * weight).sum();
    (!subjects.is_zero()).then(|| right / subjects)
}

/// The share of right guesses of somebody who knows the ratios alone and always names the largest arm.
pub fn largest_share(ratios: &[u64]) -> Rational {
    let sum: u64 = ratios.iter().sum::<u64>().max(1);
    number::ratio(ratios.iter().copied().max().unwrap_or(0), sum)
}

/// The probability from which on an arm is as good as certain: at most that part is left of the chance which the ratio alone leaves.
pub fn near_certain(ratios: &[u64]) -> Rational {
    let left = Rational::one() - largest_share(ratios);
    Rational::one() - left * number::ratio(limits::CHANCE_LEFT_PERCENT, 100)
}

/// One size of blocks.
struct Block {
    size: u64,
    weight: Rational,
    /// Places of each arm.
    places: Vec<u64>,
    /// Of each arm, in how many ways so many of its places are chosen.
    ways: Vec<Vec<BigInt>>,
    /// What the terms at so many allocations are divided by; 1 where the block has ended.
    below: Vec<BigInt>,
}

impl Block {
    fn new(ratios: &[u64], size: u64, weight: &Rational, largest: u64) -> Block {
        let rounds = size / ratios.iter().sum::<u64>().max(1);
        let places: Vec<u64> = ratios.iter().map(|ratio| ratio * rounds).collect();
        let all = choices(size);
        let below = (0..largest).map(|count| match all.get(count as usize) {
            Some(all) if count < size => all * BigInt::from(size - count) * weight.denom(),
            _ => BigInt::one(),
        });
        let (ways, below) = (places.iter().map(|places| choices(*places)).collect(), below.collect());
        Block { size, weight: weight.clone(), places, ways, below }
    }

    fn below(&self, count: u64) -> &BigInt {
        &self.below[count as usize]
    }

    /// Adds to each arm how likely a block is of this size, has given what was taken, and gives that arm next; times `below`.
    fn add(&self, taken: &[u64], count: u64, below: &BigInt, likely: &mut [BigInt]) {
        if count >= self.size || taken.iter().zip(&self.places).any(|(taken, places)| taken > places) {
            return;
        }
        let ways: BigInt = self.ways.iter().zip(taken).filter_map(|(row, taken)| row.get(*taken as usize)).product();
        let one = ways * self.weight.numer() * (below / self.below(count));
        for ((arm, places), taken) in likely.iter_mut().zip(&self.places).zip(taken) {
            *arm += &one * BigInt::from(places - taken);
        }
    }
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

    fn fixed(ratios: &[u64], size: u64) -> Option<Rational> {
        best_share(ratios, &[(size, Rational::one())])
    }

    #[test]
    fn blocks_of_two_arms_are_as_known() {
        for (size, known) in [(2, (3, 2)), (4, (17, 6)), (6, (41, 10)), (8, (373, 70))] {
            let share = number::ratio(known.0, known.1 * size);
            assert_eq!(fixed(&[1, 1], size), Some(share), "block of {size}");
        }
        let mixed = [(2, number::ratio(1, 1)), (4, number::ratio(1, 1))];
        assert_eq!(best_share(&[1, 1], &mixed), Some(number::ratio(13, 18)));
    }

    #[test]
    fn a_block_with_one_place_per_arm_is_counted_by_hand() {
        // Three arms, one place each: 1/3, then 1/2, then certain.
        assert_eq!(fixed(&[1, 1, 1], 3), Some(number::ratio(11, 18)));
        // 1:2 in a block of three. First the large arm, 2/3. After the small one (1/3) all is certain; after the large one (2/3)
        // each arm has one place, 1/2; the last is certain.
        assert_eq!(fixed(&[1, 2], 3), Some(number::ratio(2 + 2 + 3, 9)));
        assert_eq!(fixed(&[1; 10], 1_000), None);
    }

    /// Found by an independent program that goes through all orders of all blocks.
    #[test]
    fn unequal_ratios_are_guessed_better_than_by_always_naming_the_largest_arm() {
        let fixed_sizes: [(&[u64], u64, (u64, u64)); 3] =
            [(&[1, 3], 4, (13, 16)), (&[1, 3], 8, (177, 224)), (&[1, 2], 6, (67, 90))];
        for (ratios, size, (above, below)) in fixed_sizes {
            assert_eq!(fixed(ratios, size), Some(number::ratio(above, below)), "{ratios:?} in blocks of {size}");
        }
        type Sizes<'a> = &'a [(u64, (u64, u64))];
        let mixed: [(&[u64], Sizes<'_>, (u64, u64)); 4] = [
            (&[1, 2], &[(3, (1, 1)), (6, (1, 1))], (34, 45)),
            (&[1, 2], &[(6, (1, 1)), (9, (1, 1))], (257, 350)),
            (&[2, 1], &[(3, (1, 3)), (6, (1, 1)), (9, (2, 1))], (638, 875)),
            (&[1, 1, 2], &[(4, (1, 1)), (8, (2, 1))], (733, 1_200)),
        ];
        for (ratios, sizes, (above, below)) in mixed {
            let sizes: Vec<(u64, Rational)> =
                sizes.iter().map(|(size, (above, below))| (*size, number::ratio(*above, *below))).collect();
            let best = best_share(ratios, &sizes);
            assert_eq!(best, Some(number::ratio(above, below)), "{ratios:?} in blocks of {sizes:?}");
            assert!(best > Some(largest_share(ratios)));
        }
        assert_eq!(largest_share(&[1, 3]), number::ratio(3, 4));
    }

    #[test]
    fn certainty_begins_where_a_tenth_of_the_chance_is_left() {
        assert_eq!(near_certain(&[1, 1]), number::ratio(19, 20));
        assert_eq!(near_certain(&[1, 1, 1]), number::ratio(14, 15));
        assert_eq!(near_certain(&[1, 3]), number::ratio(39, 40));
    }
}
