//! Exact numbers: fractions of any size, read from decimals and fractions without rounding.

/// An exact fraction in lowest terms.
pub type Rational = num_rational::BigRational;
