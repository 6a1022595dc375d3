//! Whether many numbers are all elements of the group, for less than a power of each.
//!
//! The numbers modulo the prime that are no elements fall apart into classes, of which the quotient group has 2 × 3 × c. A product
//! with small random exponents, as one checks many signatures at once, would miss classes of order 2 and 3 far too often. So here
//! products of randomly chosen halves are looked at: whatever class a number is of, the products of a choice with it and of the
//! same choice without it cannot both be elements. One round misses it with a chance of at most one half, so all 80 rounds with
//! at most 2^-80; whoever made the numbers cannot know the choices, which are drawn when they are there.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::element::Element;

/// Random halves that are looked at.
const ROUNDS: usize = 80;
/// Numbers whose 32 products are made ready, so that each round takes one multiplication for all of them.
const GROUP: usize = 5;
/// Fewer numbers than this are looked at one by one: a round ends with a power too.
const FEW: usize = 96;

/// Whether all are elements of the group; `seed` is random, and drawn after the numbers were there.
pub fn all_belong(numbers: &[Element], seed: [u8; 32]) -> bool {
    if numbers.len() < FEW {
        return numbers.iter().all(Element::belongs);
    }
    let mut random = ChaCha20Rng::from_seed(seed);
    let mut rounds = [Element::ONE; ROUNDS];
    let mut bytes = [0; ROUNDS];
    for group in numbers.chunks(GROUP) {
        let mut products = [Element::ONE; 1 << GROUP];
        for (place, number) in group.iter().enumerate() {
            let ready = 1 << place;
            for i in 0..ready {
                products[ready + i] = if i == 0 { *number } else { products[i].times(number) };
            }
        }
        random.fill_bytes(&mut bytes);
        for (round, byte) in rounds.iter_mut().zip(bytes) {
            let chosen = usize::from(byte) % (1 << group.len());
            if chosen > 0 {
                *round = round.times(&products[chosen]);
            }
        }
    }
    rounds.iter().all(Element::belongs)
}

#[cfg(test)]
mod tests {
    use super::super::group;
    use super::*;

    #[test]
    fn one_stranger_among_many_is_found() {
        let mut numbers: Vec<Element> = Vec::new();
        for i in 1..=101_u64 {
            numbers.push(Element::generator().small_power(i));
        }
        assert!(all_belong(&numbers, [7; 32]));
        assert!(all_belong(&numbers[..3], [7; 32]));
        let prime: num_bigint::BigUint = group::PRIME.parse().unwrap();
        let one: num_bigint::BigUint = 1_u8.into();
        // Classes of order 2 and 3, and one of a large order.
        for stranger in
            [&prime - &one, num_bigint::BigUint::from(5_u8).modpow(&((&prime - &one) / 3_u8), &prime), 2_u8.into()]
        {
            let stranger = Element::parse(&stranger.to_string()).unwrap();
            for place in [0, 51, 100] {
                let mut mixed = numbers.clone();
                mixed[place] = mixed[place].times(&stranger);
                assert!(!all_belong(&mixed, [place as u8; 32]), "place {place}");
                assert!(!all_belong(&mixed[place..=place], [0; 32]), "one by one");
            }
        }
    }
}
