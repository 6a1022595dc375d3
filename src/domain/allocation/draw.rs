//! The draw: random integers as a function of the study's secret and the allocation number, and of nothing else.
//!
//! A crash between draw and commit therefore repeats the draw, a refused mail consumes none, and whoever holds the
//! secret can recompute every arm. **This convention is fixed for ever**; `tests/data/allocation/draw-vectors.json` pins it.
//!
//! # The convention
//! 1. *Key stream.* ChaCha with 20 rounds, Bernstein's layout: sixteen little-endian 32-bit words, namely the constants
//!    `expand 32-byte k` (words 0-3), the 32-byte secret as key (words 4-11), a 64-bit block counter that starts at 0 (words 12,
//!    13, low word first), and a 64-bit nonce, the allocation number (words 14, 15, low word first). In the words
//!    of RFC 8439 section 2.3: counter 0, and a 96-bit nonce whose first four bytes are zero and whose last eight are the
//!    allocation number in little-endian order. Allocation numbers start at 1.
//! 2. *An integer below `N`* (`N ≥ 1`). Let `n` be the least number of 64-bit words that can hold `N - 1` (so `n = 0` for
//!    `N = 1`: then the integer is 0 and no byte is used). Take the next `8 n` unused bytes of the key stream as one
//!    little-endian integer `R`. If `R ≥ N ⌊2^(64 n) / N⌋`, throw it away and take the next `8 n` bytes. The integer is
//!    `R mod N`. There is no modulo bias.
//! 3. *Which integers a decision draws, in this order:*
//!    - `block`, where a block opens: one for the block's size. The sizes in ascending order own as many consecutive
//!      integers as their weight says, `N` being the least common denominator of the sizes' probabilities.
//!    - always: one for the arm. The arms sorted by code (by Unicode scalar values, which is the order of their UTF-8 bytes), and
//!      under `ratio-arms` within an arm its dummy arms by number, own consecutive integers: the first owns `0 … a₁-1`, the next
//!      `a₁ … a₁+a₂-1`, and so on, where `aₖ / N` is its probability and `N` the least common denominator of all. Under `list` the
//!      arm is certain, so `N = 1` and no byte is used.

use num_bigint::BigUint;
use num_traits::{One, Zero};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The integers of one allocation, in order.
#[derive(Clone)]
pub struct Draw {
    stream: ChaCha20Rng,
}

impl std::fmt::Debug for Draw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Draw")
    }
}

impl Draw {
    /// The draw of that allocation number under that secret.
    pub fn new(secret: &[u8; 32], number: u64) -> Draw {
        let mut stream = ChaCha20Rng::from_seed(*secret);
        stream.set_stream(number);
        Draw { stream }
    }

    /// The next integer below `bound`, each equally likely; 0 for a bound of 0 or 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        // 2^64 mod bound; the accepted values are those below 2^64 - excess.
        let excess = (u64::MAX % bound + 1) % bound;
        loop {
            let value = self.word();
            if excess == 0 || value < 0u64.wrapping_sub(excess) {
                return value % bound;
            }
        }
    }

    /// As [`below`](Draw::below), for a bound of any size.
    pub fn below_any(&mut self, bound: &BigUint) -> BigUint {
        if bound <= &BigUint::one() {
            return BigUint::zero();
        }
        let words = (bound - 1u32).bits().div_ceil(64);
        let range = BigUint::one() << (64 * words);
        let limit = bound * (&range / bound);
        loop {
            let mut value = BigUint::zero();
            for place in 0..words {
                value |= BigUint::from(self.word()) << (64 * place);
            }
            if value < limit {
                return value % bound;
            }
        }
    }

    fn word(&mut self) -> u64 {
        let low = self.stream.next_u32();
        let high = self.stream.next_u32();
        u64::from(high) << 32 | u64::from(low)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_key_stream_is_that_of_rfc_8439() {
        // RFC 8439 appendix A.1, test vector 1: zero key, zero nonce, counter 0.
        let mut draw = Draw::new(&[0; 32], 0);
        assert_eq!(draw.word().to_le_bytes(), [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        assert_eq!(draw.word().to_le_bytes(), [0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28]);
        // Test vector 5: zero key, nonce 00 … 00 02 (last byte), counter 0.
        let mut draw = Draw::new(&[0; 32], 2 << 56);
        assert_eq!(draw.word().to_le_bytes(), [0xc2, 0xc6, 0x4d, 0x37, 0x8c, 0xd5, 0x36, 0x37]);
    }

    #[test]
    fn rejected_words_are_skipped() {
        // A bound just above 2^63 rejects almost half of all words.
        let bound = (1u64 << 63) + 1;
        let mut draw = Draw::new(&[7; 32], 1);
        let mut words = Draw::new(&[7; 32], 1);
        for _ in 0..100 {
            let value = draw.below(bound);
            let accepted = loop {
                let word = words.word();
                if word < bound {
                    break word;
                }
            };
            assert_eq!(value, accepted);
        }
    }

    proptest! {
        #[test]
        fn both_ways_agree(key in any::<[u8; 32]>(), number in any::<u64>(), bound in 1u64..) {
            let mut small = Draw::new(&key, number);
            let mut any = Draw::new(&key, number);
            for _ in 0..5 {
                prop_assert_eq!(BigUint::from(small.below(bound)), any.below_any(&BigUint::from(bound)));
            }
        }
    }
}
