//! Integers that either compute exactly or say that they cannot: `i64` and `i128` for speed, `BigInt` for the rest.
//!
//! Every formula is written once over [`Whole`] and tried with each type in turn, so that the fast and the slow way
//! cannot differ.

use std::fmt::Debug;
use std::ops::{Div, Rem};

use num_bigint::BigInt;
use num_traits::{CheckedAdd, CheckedMul, CheckedSub, One, ToPrimitive, Zero};

/// An integer whose arithmetic is exact or `None`.
pub(super) trait Whole:
    Clone
    + Ord
    + Debug
    + Zero
    + One
    + CheckedAdd
    + CheckedSub
    + CheckedMul
    + Div<Output = Self>
    + Rem<Output = Self>
    + From<u32>
{
    /// The same integer, if it fits.
    fn from_big(value: &BigInt) -> Option<Self>;
    /// The same integer.
    fn to_big(&self) -> BigInt;
    /// The same integer, if it fits.
    fn to_u64(&self) -> Option<u64>;
}

impl Whole for i64 {
    fn from_big(value: &BigInt) -> Option<i64> {
        value.to_i64()
    }
    fn to_big(&self) -> BigInt {
        BigInt::from(*self)
    }
    fn to_u64(&self) -> Option<u64> {
        u64::try_from(*self).ok()
    }
}

impl Whole for i128 {
    fn from_big(value: &BigInt) -> Option<i128> {
        value.to_i128()
    }
    fn to_big(&self) -> BigInt {
        BigInt::from(*self)
    }
    fn to_u64(&self) -> Option<u64> {
        u64::try_from(*self).ok()
    }
}

impl Whole for BigInt {
    fn from_big(value: &BigInt) -> Option<BigInt> {
        Some(value.clone())
    }
    fn to_big(&self) -> BigInt {
        self.clone()
    }
    fn to_u64(&self) -> Option<u64> {
        ToPrimitive::to_u64(self)
    }
}

/// Greatest common divisor of integers that are not negative (Euclid).
pub(super) fn common_divisor<T: Whole>(first: &T, second: &T) -> T {
    let (mut first, mut second) = (first.clone(), second.clone());
    while !second.is_zero() {
        let rest = first % second.clone();
        first = second;
        second = rest;
    }
    first
}
