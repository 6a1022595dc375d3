//! Exact numbers: fractions of any size, read from decimals and fractions without rounding.

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{One, Pow, Signed, Zero};

use crate::limits;

/// An exact fraction in lowest terms.
pub type Rational = num_rational::BigRational;

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFault {
    /// Neither an integer, nor a decimal, nor a fraction of two of them.
    NotANumber,
    /// The denominator is zero.
    DivisionByZero,
    /// Longer than [`limits::NUMBER_CHARS`], or an exponent beyond [`limits::EXPONENT`].
    TooLong,
}

/// Reads `3`, `-0.25`, `1e-3` or `2/3` (each part of a fraction may be a decimal) exactly; `_` between digits is skipped
/// as in TOML.
pub fn parse(text: &str) -> Result<Rational, NumberFault> {
    let text = text.trim();
    if text.chars().count() > limits::NUMBER_CHARS {
        return Err(NumberFault::TooLong);
    }
    match text.split_once('/') {
        None => parse_decimal(text),
        Some((above, below)) => {
            let below = parse_decimal(below.trim())?;
            if below.is_zero() {
                return Err(NumberFault::DivisionByZero);
            }
            Ok(parse_decimal(above.trim())? / below)
        }
    }
}

fn parse_decimal(text: &str) -> Result<Rational, NumberFault> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (Sign::Minus, rest),
        None => (Sign::Plus, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().map_err(|_| NumberFault::NotANumber)?),
        None => (rest, 0),
    };
    if exponent.abs() > limits::EXPONENT {
        return Err(NumberFault::TooLong);
    }
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = whole.chars().chain(part.chars()).filter(|c| *c != '_').collect();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberFault::NotANumber);
    }
    let places = part.bytes().filter(u8::is_ascii_digit).count() as i64;
    let magnitude = BigUint::parse_bytes(digits.as_bytes(), 10).ok_or(NumberFault::NotANumber)?;
    let shift = exponent - places;
    let ten = Pow::pow(BigInt::from(10), shift.unsigned_abs());
    let value = BigInt::from_biguint(sign, magnitude);
    Ok(if shift < 0 { Rational::new(value, ten) } else { Rational::from_integer(value * ten) })
}

/// `3` or `4/5`: the fraction in lowest terms.
pub fn show(value: &Rational) -> String {
    value.to_string()
}

/// The nearest decimal of that many places, halves away from zero, such as `3.3094010768`.
pub fn decimal(value: &Rational, places: usize) -> String {
    let scale = Pow::pow(BigInt::from(10), places);
    let two = BigInt::from(2);
    let scaled = value.abs() * Rational::from_integer(scale);
    let rounded: BigInt = (scaled.numer() * &two + scaled.denom()) / (scaled.denom() * two);
    let digits = format!("{:0>width$}", rounded.to_string(), width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    let sign = if value.is_negative() && !rounded.is_zero() { "-" } else { "" };
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// The fraction `above / below`; `below` must not be zero.
pub fn ratio(above: u64, below: u64) -> Rational {
    Rational::new(above.into(), below.into())
}

/// The least common multiple of positive integers; 1 of none.
pub fn common_multiple<'a>(numbers: impl IntoIterator<Item = &'a BigInt>) -> BigInt {
    numbers.into_iter().fold(BigInt::one(), |multiple, number| {
        let fraction = Rational::new(multiple, number.clone());
        fraction.numer() * number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_and_fractions_are_read_exactly() {
        for (text, shown) in [
            ("0.8", "4/5"),
            ("4/5", "4/5"),
            ("1", "1"),
            (" 2 / 3 ", "2/3"),
            ("1e-3", "1/1000"),
            ("2.5E2", "250"),
            ("0.1/0.3", "1/3"),
            ("1_000.5", "2001/2"),
            ("-0.25", "-1/4"),
            ("+7", "7"),
            (".5", "1/2"),
            ("0.30000000000000004", "7500000000000001/25000000000000000"),
        ] {
            assert_eq!(parse(text).map(|value| show(&value)), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "x", "0x10", "1/2/3", "nan", "inf", "１", "1 2", "--1", "1e", "/", "1/"] {
            assert_eq!(parse(text), Err(NumberFault::NotANumber), "{text}");
        }
        assert_eq!(parse("1/0"), Err(NumberFault::DivisionByZero));
        assert_eq!(parse("1e999999"), Err(NumberFault::TooLong));
        assert_eq!(parse(&"9".repeat(500)), Err(NumberFault::TooLong));
    }

    #[test]
    fn decimals_round_to_the_nearest() {
        assert_eq!(decimal(&ratio(2, 3), 4), "0.6667");
        assert_eq!(decimal(&ratio(1, 8), 2), "0.13");
        assert_eq!(decimal(&-ratio(1, 8), 2), "-0.13");
        assert_eq!(decimal(&-ratio(1, 1000), 2), "0.00");
        assert_eq!(decimal(&ratio(5, 2), 0), "3");
        assert_eq!(decimal(&ratio(12, 1), 3), "12.000");
    }

    #[test]
    fn the_common_multiple_is_the_least() {
        let numbers: Vec<BigInt> = [4, 6, 10].into_iter().map(BigInt::from).collect();
        assert_eq!(common_multiple(&numbers), BigInt::from(60));
        assert_eq!(common_multiple(&[]), BigInt::one());
    }
}
