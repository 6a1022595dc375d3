//! Exponents: numbers below the order of the group, which is a prime of 256 bits.
//!
//! Secrets are among them, so that no step of the arithmetic depends on what the number is; reading and writing decimal digits does.

use std::fmt;

use secrecy::zeroize::Zeroize as _;
use sha2::{Digest, Sha256};

use super::group;
use crate::domain::time::Dice;

/// Bits of an exponent.
pub(super) const BITS: usize = 256;
const WORDS: usize = 4;

/// The order, least word first.
const ORDER: [u64; WORDS] =
    [0xe202_6338_7d55_c491, 0xf0fa_90c2_168b_c709, 0xf4da_a0f2_579d_b7f2, 0xadb6_066a_7352_2565];
/// 2^512 modulo the order.
const R_SQUARED: [u64; WORDS] =
    [0x86f9_7f21_e709_e1e9, 0x7dc1_a384_a29b_91b0, 0x0ad5_8bc1_dba6_f5c0, 0x8668_3023_35c7_b5bb];
/// -1/order modulo 2^64.
const MINUS_INVERSE: u64 = 0x27fd_9552_bdf1_838f;

/// A number below the order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scalar([u64; WORDS]);

impl Scalar {
    /// 0.
    pub const ZERO: Scalar = Scalar([0; WORDS]);
    /// 1.
    pub const ONE: Scalar = Scalar([1, 0, 0, 0]);

    /// Reads a number below the order, in decimal, without leading zeros.
    pub fn parse(text: &str) -> Option<Scalar> {
        let digits = text.as_bytes();
        let order = group::ORDER.as_bytes();
        let leads = digits.first()? == &b'0' && digits.len() > 1;
        if leads || digits.len() > order.len() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        if digits.len() == order.len() && digits >= order {
            return None;
        }
        let mut words = [0; WORDS];
        for digit in digits {
            let mut carry = u64::from(digit - b'0');
            for word in &mut words {
                let sum = u128::from(*word) * 10 + u128::from(carry);
                *word = sum as u64;
                carry = (sum >> 64) as u64;
            }
        }
        Some(Scalar(words))
    }

    /// A digest as a number, most significant byte first, modulo the order.
    pub fn of_digest(digest: &[u8; 32]) -> Scalar {
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(digest.rchunks(8)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        // The order is above 2^255, so one subtraction is enough.
        Scalar(below_order(words, 0))
    }

    /// Two digests, one behind the other, as one number modulo the order.
    pub(super) fn of_two_digests(high: &[u8; 32], low: &[u8; 32]) -> Scalar {
        let above = montgomery_product(&Scalar::of_digest(high).0, &R_SQUARED);
        Scalar(above).plus(&Scalar::of_digest(low))
    }

    /// The digest of what was hashed, as a number.
    pub(super) fn of_hash(hash: Sha256) -> Scalar {
        Scalar::of_digest(&hash.finalize().into())
    }

    /// An unpredictable number.
    pub fn draw(dice: &dyn Dice) -> Scalar {
        let (mut high, mut low) = ([0; 32], [0; 32]);
        dice.fill(&mut high);
        dice.fill(&mut low);
        // 512 bits modulo the order, which differ from evenly drawn ones by less than 2^-256.
        let drawn = Scalar::of_two_digests(&high, &low);
        high.zeroize();
        low.zeroize();
        drawn
    }

    /// Leaves nothing of it where it stands.
    pub(super) fn wipe(&mut self) {
        self.0.zeroize();
    }

    /// A small number.
    pub fn small(number: u64) -> Scalar {
        Scalar([number, 0, 0, 0])
    }

    /// Their sum.
    pub fn plus(&self, other: &Scalar) -> Scalar {
        let mut carry = false;
        let sum = std::array::from_fn(|i| {
            let word;
            (word, carry) = self.0[i].carrying_add(other.0[i], carry);
            word
        });
        Scalar(below_order(sum, u64::from(carry)))
    }

    /// The number that adds up with it to 0.
    pub fn negated(&self) -> Scalar {
        // Of 0 the order itself is left, which is 0.
        Scalar(below_order(less(&ORDER, &self.0).0, 0))
    }

    /// Their difference.
    pub fn minus(&self, other: &Scalar) -> Scalar {
        self.plus(&other.negated())
    }

    /// Their product.
    pub fn times(&self, other: &Scalar) -> Scalar {
        Scalar(montgomery_product(&montgomery_product(&self.0, &other.0), &R_SQUARED))
    }

    /// `length` bits from bit `from` on, as a number; zeros beyond the end.
    pub(super) fn window(&self, from: usize, length: usize) -> u64 {
        let (word, shift) = (from / 64, from % 64);
        let low = self.0.get(word).copied().unwrap_or(0) >> shift;
        let high = if shift == 0 { 0 } else { self.0.get(word + 1).copied().unwrap_or(0) << (64 - shift) };
        (low | high) & ((1 << length) - 1)
    }
}

/// `a - b`, and whether it is below 0.
fn less(a: &[u64; WORDS], b: &[u64; WORDS]) -> ([u64; WORDS], bool) {
    let mut borrow = false;
    let difference = std::array::from_fn(|i| {
        let word;
        (word, borrow) = a[i].borrowing_sub(b[i], borrow);
        word
    });
    (difference, borrow)
}

/// Takes the order away once from a number below twice the order, unless it is smaller; `carry` is what stands above the words.
fn below_order(number: [u64; WORDS], carry: u64) -> [u64; WORDS] {
    let (difference, borrow) = less(&number, &ORDER);
    // All ones where it could not be taken away.
    let keep = std::hint::black_box((u64::from(borrow) & !carry).wrapping_neg());
    std::array::from_fn(|i| (number[i] & keep) | (difference[i] & !keep))
}

/// `a × b / 2^256` modulo the order.
#[allow(clippy::needless_range_loop, reason = "several arrays are gone through together")]
fn montgomery_product(a: &[u64; WORDS], b: &[u64; WORDS]) -> [u64; WORDS] {
    let mut sum = [0_u64; WORDS + 1];
    let mut top = 0_u64;
    for factor in b {
        let mut carry = 0;
        for i in 0..WORDS {
            (sum[i], carry) = a[i].carrying_mul_add(*factor, sum[i], carry);
        }
        let (word, over) = sum[WORDS].overflowing_add(carry);
        (sum[WORDS], top) = (word, top + u64::from(over));
        let factor = sum[0].wrapping_mul(MINUS_INVERSE);
        let (_, mut carry) = ORDER[0].carrying_mul_add(factor, sum[0], 0);
        for i in 1..WORDS {
            (sum[i - 1], carry) = ORDER[i].carrying_mul_add(factor, sum[i], carry);
        }
        let (word, over) = sum[WORDS].overflowing_add(carry);
        (sum[WORDS - 1], sum[WORDS], top) = (word, top + u64::from(over), 0);
    }
    below_order([sum[0], sum[1], sum[2], sum[3]], sum[WORDS])
}

impl fmt::Display for Scalar {
    /// In decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.0;
        let mut text = [b'0'; group::ORDER.len()];
        for digit in text.iter_mut().rev() {
            let mut rest = 0_u64;
            for half in words.iter_mut().rev() {
                let high = rest << 32 | *half >> 32;
                let low = (high % 10) << 32 | (*half & 0xffff_ffff);
                *half = ((high / 10) << 32) | (low / 10);
                rest = low % 10;
            }
            *digit += rest as u8;
        }
        let text = std::str::from_utf8(&text).unwrap_or_default().trim_start_matches('0');
        f.write_str(if text.is_empty() { "0" } else { text })
    }
}

impl fmt::Debug for Scalar {
    /// Not the number: it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalar(..)")
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;
    use proptest::prelude::*;

    use super::*;

    fn big(text: &str) -> BigUint {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_no_number_below_the_order_is_refused() {
        for text in ["", "00", "01", "-1", "+1", " 1", "1 ", "1.0", "１", group::ORDER] {
            assert!(Scalar::parse(text).is_none(), "{text}");
        }
        assert_eq!(Scalar::parse("0"), Some(Scalar::ZERO));
        let last = (big(group::ORDER) - 1_u8).to_string();
        assert_eq!(Scalar::parse(&last).unwrap().to_string(), last);
        assert_eq!(Scalar::ONE.negated().to_string(), last);
        assert_eq!(Scalar::ZERO.negated(), Scalar::ZERO);
        assert_eq!(
            Scalar::of_digest(&[255; 32]).to_string(),
            (BigUint::from_bytes_be(&[255; 32]) % big(group::ORDER)).to_string()
        );
    }

    proptest! {
        #[test]
        fn arithmetic_is_that_of_big_integers(a in prop::array::uniform32(any::<u8>()), b in prop::array::uniform32(any::<u8>())) {
            let order = big(group::ORDER);
            let (big_a, big_b) = (BigUint::from_bytes_be(&a) % &order, BigUint::from_bytes_be(&b) % &order);
            let (a, b) = (Scalar::of_digest(&a), Scalar::of_digest(&b));
            prop_assert_eq!(a.to_string(), big_a.to_string());
            prop_assert_eq!(Scalar::parse(&big_a.to_string()), Some(a));
            prop_assert_eq!(a.plus(&b).to_string(), ((&big_a + &big_b) % &order).to_string());
            prop_assert_eq!(a.minus(&b).to_string(), ((&big_a + &order - &big_b) % &order).to_string());
            prop_assert_eq!(a.times(&b).to_string(), (&big_a * &big_b % &order).to_string());
        }
    }
}
