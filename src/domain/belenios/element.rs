//! Elements of the group, and their powers.
//!
//! A verifier raises the same bases to many exponents, and is in charge of keeping that cheap: [`Squares`] squares a base once for
//! all exponents, [`Comb`] has the powers of a base ready that whole archives share. Both take a time that depends on the exponent,
//! so they are for what is public. [`Element::power`] does not: it is for secrets.

use std::fmt;
use std::sync::LazyLock;

use super::group;
use super::montgomery::{self, LIMB_BITS, LIMBS, Limbs};
use super::scalar::{self, Scalar};

/// Words of 64 bits of a number below the prime.
const WORDS: usize = 32;
/// Digits that fit a word.
const CHUNK_DIGITS: usize = 19;
const CHUNK: u64 = 10_u64.pow(CHUNK_DIGITS as u32);
/// Digits of the prime.
const DIGITS: usize = group::PRIME.len();
/// Odd digits of an exponent, written in windows of four bits.
const ODD_DIGITS: usize = 8;
const WINDOW_BITS: usize = 4;
/// Bits of a digit of a comb that is used often, and of one that is not.
const MANY_DIGIT_BITS: usize = 8;
const FEW_DIGIT_BITS: usize = 4;
/// Uses from which on the larger digits take less time in all.
const MANY_USES: usize = 250;

/// A number from 1 to below the prime; an element of the group when it [belongs](super::membership) to it.
#[derive(Clone, Copy)]
pub struct Element(Limbs);

static GENERATOR: LazyLock<Element> = LazyLock::new(|| Element::parse(group::GENERATOR).expect("a number"));

impl Element {
    /// 1, the neutral element.
    pub const ONE: Element = Element(montgomery::ONE);

    /// The generator, g.
    pub fn generator() -> Element {
        *GENERATOR
    }

    /// Reads a number from 1 to below the prime, in decimal, without leading zeros.
    pub fn parse(text: &str) -> Option<Element> {
        let digits = text.as_bytes();
        if digits.is_empty() || digits.len() > DIGITS || digits[0] == b'0' || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        if digits.len() == DIGITS && digits >= group::PRIME.as_bytes() {
            return None;
        }
        let mut words = [0_u64; WORDS];
        let mut used = 0;
        let (first, rest) = digits.split_at(digits.len() % CHUNK_DIGITS);
        for chunk in std::iter::once(first).chain(rest.chunks(CHUNK_DIGITS)) {
            let mut carry = chunk.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
            for word in &mut words[..used] {
                let sum = u128::from(*word) * u128::from(CHUNK) + u128::from(carry);
                *word = sum as u64;
                carry = (sum >> 64) as u64;
            }
            if carry > 0 {
                words[used] = carry;
                used += 1;
            }
        }
        let limbs = std::array::from_fn(|i| {
            let (word, shift) = (i * LIMB_BITS / 64, i * LIMB_BITS % 64);
            let above = words.get(word + 1).copied().unwrap_or(0);
            let both = u128::from(words.get(word).copied().unwrap_or(0)) | (u128::from(above) << 64);
            (both >> shift) as u64 & ((1 << LIMB_BITS) - 1)
        });
        Some(Element(montgomery::multiply(&limbs, &montgomery::R_SQUARED)))
    }

    /// The product of the two.
    pub fn times(&self, other: &Element) -> Element {
        Element(montgomery::multiply(&self.0, &other.0))
    }

    /// The product with itself.
    pub fn squared(&self) -> Element {
        Element(montgomery::square(&self.0))
    }

    /// Raised to a secret exponent: the same steps and the same memory are used whatever it is.
    pub fn power(&self, exponent: &Scalar) -> Element {
        const ENTRIES: usize = 1 << WINDOW_BITS;
        let mut table = [Element::ONE; ENTRIES];
        for i in 1..ENTRIES {
            table[i] = table[i - 1].times(self);
        }
        let mut result = Element::ONE;
        for window in (0..scalar::BITS / WINDOW_BITS).rev() {
            for _ in 0..WINDOW_BITS {
                result = result.squared();
            }
            let digit = exponent.window(window * WINDOW_BITS, WINDOW_BITS);
            let mut factor = [0; LIMBS];
            for (i, entry) in (0_u64..).zip(&table) {
                // All ones at the one entry that is meant.
                let mask = std::hint::black_box(((i ^ digit).wrapping_sub(1) >> 63).wrapping_neg());
                for (limb, own) in factor.iter_mut().zip(&entry.0) {
                    *limb |= own & mask;
                }
            }
            result = result.times(&Element(factor));
        }
        result
    }

    /// Raised to a small public exponent.
    pub fn small_power(&self, exponent: u64) -> Element {
        let mut result = Element::ONE;
        for bit in (0..64 - exponent.leading_zeros()).rev() {
            result = result.squared();
            if exponent >> bit & 1 == 1 {
                result = result.times(self);
            }
        }
        result
    }

    /// The inverse of an element of the group, which has the group's order.
    pub fn inverse(&self) -> Element {
        Squares::of(*self).power(&Scalar::ONE.negated())
    }

    /// Whether it is of the group: its power to the group's order is 1.
    pub fn belongs(&self) -> bool {
        Squares::of(*self).belongs()
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Element) -> bool {
        montgomery::below_prime(&self.0) == montgomery::below_prime(&other.0)
    }
}

impl Eq for Element {}

impl fmt::Display for Element {
    /// In decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limbs = montgomery::leave(&self.0);
        let mut words = [0_u64; WORDS];
        for (i, limb) in limbs.iter().enumerate() {
            let (word, shift) = (i * LIMB_BITS / 64, i * LIMB_BITS % 64);
            let both = u128::from(*limb) << shift;
            words[word] |= both as u64;
            if let Some(above) = words.get_mut(word + 1) {
                *above |= (both >> 64) as u64;
            }
        }
        let mut chunks = [0_u64; DIGITS.div_ceil(CHUNK_DIGITS)];
        let (mut length, mut used) = (WORDS, 0);
        while length > 0 {
            let mut rest = 0;
            for word in words[..length].iter_mut().rev() {
                (*word, rest) = divide_by_chunk(rest, *word);
            }
            chunks[used] = rest;
            used += 1;
            while length > 0 && words[length - 1] == 0 {
                length -= 1;
            }
        }
        let mut text = [b'0'; DIGITS.next_multiple_of(CHUNK_DIGITS)];
        let places = text[..used * CHUNK_DIGITS].chunks_mut(CHUNK_DIGITS);
        for (place, chunk) in places.zip(chunks[..used].iter().rev()) {
            let mut rest = *chunk;
            for digit in place.iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        let text = std::str::from_utf8(&text[..used * CHUNK_DIGITS]).unwrap_or_default();
        f.write_str(text.trim_start_matches('0'))
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Quotient and rest of `high × 2^64 + low` by [`CHUNK`], for a `high` below it: two multiplications by its inverse, since a division
/// of two words takes as long as twenty of them.
fn divide_by_chunk(high: u64, low: u64) -> (u64, u64) {
    // CHUNK is above 2^63, so no shift is needed (Möller and Granlund, "Improved division by invariant integers", 2011).
    const INVERSE: u64 = (u128::MAX / CHUNK as u128 - (1 << 64)) as u64;
    let estimate = (u128::from(INVERSE) * u128::from(high)).wrapping_add((u128::from(high) << 64) | u128::from(low));
    let mut quotient = ((estimate >> 64) as u64).wrapping_add(1);
    let mut rest = low.wrapping_sub(quotient.wrapping_mul(CHUNK));
    if rest > estimate as u64 {
        quotient = quotient.wrapping_sub(1);
        rest = rest.wrapping_add(CHUNK);
    }
    if rest >= CHUNK {
        quotient = quotient.wrapping_add(1);
        rest -= CHUNK;
    }
    (quotient, rest)
}

/// A base with all its powers to powers of two, from which every exponent is made without a squaring.
pub struct Squares(Vec<Element>);

impl Squares {
    /// Squares it, as often as an exponent has bits.
    pub fn of(base: Element) -> Squares {
        let mut squares = Vec::with_capacity(scalar::BITS);
        squares.push(base);
        for i in 1..scalar::BITS {
            squares.push(squares[i - 1].squared());
        }
        Squares(squares)
    }

    /// The base raised to a public exponent.
    pub fn power(&self, exponent: &Scalar) -> Element {
        Squares::product_power(&[self], exponent)
    }

    /// The product of the bases raised to a public exponent. The exponent is cut in windows that end with a one; what is to be raised
    /// to the same odd digit is multiplied up first (Yao, "On the evaluation of powers", 1976).
    pub fn product_power(bases: &[&Squares], exponent: &Scalar) -> Element {
        let mut buckets: [Option<Element>; ODD_DIGITS] = [None; ODD_DIGITS];
        let mut bit = 0;
        while bit < scalar::BITS {
            if exponent.window(bit, 1) == 0 {
                bit += 1;
                continue;
            }
            let digit = exponent.window(bit, WINDOW_BITS) as usize;
            let bucket = &mut buckets[digit / 2];
            for base in bases {
                *bucket = Some(times(*bucket, base.0[bit]));
            }
            bit += WINDOW_BITS;
        }
        // The bucket of 2k + 1 counts twice in each of the k products that reach it from above, and once in the product of all.
        let mut reached = None;
        let mut twice = None;
        for bucket in buckets[1..].iter().rev() {
            reached = bucket.map_or(reached, |own| Some(times(reached, own)));
            twice = reached.map_or(twice, |own| Some(times(twice, own)));
        }
        let once = buckets[0].map_or(reached, |own| Some(times(reached, own)));
        match (twice, once) {
            (Some(twice), Some(once)) => twice.squared().times(&once),
            (_, once) => once.unwrap_or(Element::ONE),
        }
    }

    /// Whether the base is of the group.
    pub fn belongs(&self) -> bool {
        // The power to q, which is one more than the largest exponent there is.
        self.power(&Scalar::ONE.negated()).times(self.base()) == Element::ONE
    }

    /// The base itself.
    pub fn base(&self) -> &Element {
        &self.0[0]
    }
}

fn times(product: Option<Element>, factor: Element) -> Element {
    product.map_or(factor, |product| product.times(&factor))
}

/// A base with its powers to every digit at every place, from which an exponent is made with one multiplication a digit.
pub struct Comb {
    digit_bits: usize,
    rows: Vec<Vec<Element>>,
}

impl Comb {
    /// Makes the powers ready for about `uses` exponents: larger digits take longer to make, and less to use.
    pub fn of(base: Element, uses: usize) -> Comb {
        let digit_bits = if uses < MANY_USES { FEW_DIGIT_BITS } else { MANY_DIGIT_BITS };
        let mut rows = Vec::with_capacity(scalar::BITS / digit_bits);
        let mut unit = base;
        for _ in 0..scalar::BITS / digit_bits {
            let mut row = vec![Element::ONE, unit];
            while row.len() < 1 << digit_bits {
                row.push(row[row.len() - 1].times(&unit));
            }
            unit = row[row.len() - 1].times(&unit);
            rows.push(row);
        }
        Comb { digit_bits, rows }
    }

    /// `factor` times the base raised to a public exponent.
    pub fn times_power(&self, factor: &Element, exponent: &Scalar) -> Element {
        let mut product = *factor;
        for (place, row) in self.rows.iter().enumerate() {
            let digit = exponent.window(place * self.digit_bits, self.digit_bits);
            if digit > 0 {
                product = product.times(&row[digit as usize]);
            }
        }
        product
    }

    /// The base raised to a public exponent.
    pub fn power(&self, exponent: &Scalar) -> Element {
        self.times_power(&Element::ONE, exponent)
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

    fn element(bytes: &[u8]) -> (Element, BigUint) {
        let number = BigUint::from_bytes_be(bytes) % (big(group::PRIME) - 1_u8) + 1_u8;
        (Element::parse(&number.to_string()).unwrap(), number)
    }

    #[test]
    fn what_is_no_number_below_the_prime_is_refused() {
        for text in ["", "0", "01", "-1", "+1", " 1", "1 ", "1.0", "0x1", "１", group::PRIME] {
            assert!(Element::parse(text).is_none(), "{text}");
        }
        assert!(Element::parse(&(big(group::PRIME) + 1_u8).to_string()).is_none());
        let last = (big(group::PRIME) - 1_u8).to_string();
        assert_eq!(Element::parse(&last).unwrap().to_string(), last);
        assert_eq!(Element::parse("1"), Some(Element::ONE));
    }

    #[test]
    fn only_powers_of_the_generator_belong() {
        assert!(Element::generator().belongs() && Element::ONE.belongs());
        let minus_one = Element::parse(&(big(group::PRIME) - 1_u8).to_string()).unwrap();
        assert!(!minus_one.belongs() && !Element::parse("2").unwrap().belongs());
        // Of order 3: none that a random exponent would find out every time.
        let third = big("5").modpow(&((big(group::PRIME) - 1_u8) / 3_u8), &big(group::PRIME));
        assert!(!Element::parse(&third.to_string()).unwrap().belongs());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]

        #[test]
        fn arithmetic_is_that_of_big_integers(
            a in prop::collection::vec(any::<u8>(), 0..256),
            b in prop::collection::vec(any::<u8>(), 256),
            exponent in prop::array::uniform32(any::<u8>()),
        ) {
            let ((a, big_a), (b, big_b)) = (element(&a), element(&b));
            let prime = big(group::PRIME);
            prop_assert_eq!(a.to_string(), big_a.to_string());
            prop_assert_eq!(a.times(&b).to_string(), (&big_a * &big_b % &prime).to_string());
            prop_assert_eq!(b.squared().to_string(), (&big_b * &big_b % &prime).to_string());
            prop_assert_eq!(b.squared(), b.times(&b));
            prop_assert_eq!(b.small_power(u64::from(exponent[0])), {
                let power = big_b.modpow(&BigUint::from(exponent[0]), &prime);
                Element::parse(&power.to_string()).unwrap()
            });
            let exponent = Scalar::of_digest(&exponent);
            let expected = big_a.modpow(&big(&exponent.to_string()), &prime);
            prop_assert_eq!(a.power(&exponent).to_string(), expected.to_string());
            prop_assert_eq!(Squares::of(a).power(&exponent).to_string(), expected.to_string());
            for uses in [1, 1_000] {
                prop_assert_eq!(Comb::of(a, uses).power(&exponent).to_string(), expected.to_string());
            }
            let both = Squares::product_power(&[&Squares::of(a), &Squares::of(b)], &exponent);
            prop_assert_eq!(both, a.times(&b).power(&exponent));
        }
    }

    #[test]
    fn the_ends_of_what_an_exponent_can_be() {
        let base = Element::generator();
        let (squares, comb) = (Squares::of(base), Comb::of(base, 1));
        for (exponent, power) in [(Scalar::ZERO, Element::ONE), (Scalar::ONE, base)] {
            assert_eq!(base.power(&exponent), power);
            assert_eq!(squares.power(&exponent), power);
            assert_eq!(comb.power(&exponent), power);
        }
        assert_eq!(base.inverse().times(&base), Element::ONE);
        assert_eq!(*squares.base(), base);
    }
}
