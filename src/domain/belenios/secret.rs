//! Secrets: exponents of which nobody else may learn, wiped from their place in memory when they are done with.
//!
//! What is computed with them goes the same steps whatever they are ([`Element::power`], [`Scalar`]); to read and to write their
//! decimal digits does not, nor which branch of a proof is the true one ([`prove_branches`](super::proofs::prove_branches)). Copies that
//! arithmetic leaves in registers and on the stack are not wiped. So keys belong on a machine that nobody else works on meanwhile.

use std::fmt;

use secrecy::zeroize::Zeroizing;

use super::element::Element;
use super::scalar::Scalar;
use crate::domain::time::Dice;

/// A secret exponent.
pub struct Secret(Scalar);

impl Secret {
    /// A new one.
    pub fn draw(dice: &dyn Dice) -> Secret {
        Secret(Scalar::draw(dice))
    }

    /// Takes that exponent for a secret.
    pub fn of(exponent: Scalar) -> Secret {
        Secret(exponent)
    }

    /// Its number.
    pub fn exponent(&self) -> &Scalar {
        &self.0
    }

    /// The generator raised to it, which everybody may know.
    pub fn public(&self) -> Element {
        Element::generator().power(&self.0)
    }

    /// Its decimal digits.
    pub fn digits(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
