//! A trustee's own key: the secret that opens results together with all other trustees'.
//!
//! Its file and the file with the public key are those that `belenios-tool` writes and reads.

use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};

use super::element::Element;
use super::problem::Code;
use super::scalar::Scalar;
use super::secret::Secret;
use super::setup::Trustee;
use crate::domain::time::Dice;

/// Bytes of the digest that a key is called by.
const NAME_BYTES: usize = 4;

/// A trustee's key with its secret.
pub struct TrusteeKey {
    secret: Secret,
    public: Element,
}

impl TrusteeKey {
    /// A new one.
    pub fn draw(dice: &dyn Dice) -> TrusteeKey {
        TrusteeKey::of(Secret::draw(dice))
    }

    fn of(secret: Secret) -> TrusteeKey {
        TrusteeKey { public: secret.public(), secret }
    }

    /// Reads its file: the secret's digits as a JSON text.
    ///
    /// # Errors
    /// It is no such text, or no secret: neither 0 nor 1 is one.
    pub fn read(file: &str) -> Result<TrusteeKey, Code> {
        let digits = file.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or(Code::Unreadable)?;
        let exponent = Scalar::parse(digits).ok_or(Code::NotAnExponent)?;
        if exponent == Scalar::ZERO || exponent == Scalar::ONE {
            return Err(Code::OpenKey);
        }
        Ok(TrusteeKey::of(Secret::of(exponent)))
    }

    /// Its file.
    pub fn file(&self) -> Zeroizing<String> {
        let digits = self.secret.digits();
        let mut file = Zeroizing::new(String::with_capacity(digits.len() + 3));
        file.extend(["\"", digits.as_str(), "\"\n"]);
        file
    }

    /// Its secret.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Its public part.
    pub fn public(&self) -> &Element {
        &self.public
    }

    /// Its public part with the proof that somebody has the secret.
    pub fn proved(&self, dice: &dyn Dice) -> Trustee {
        Trustee::of(self.secret.exponent(), dice)
    }
}

/// What a public key is called: the first bytes of the digest of its digits, in capital hexadecimal.
pub fn name(public: &Element) -> String {
    let digest = Sha256::digest(public.to_string());
    data_encoding::HEXUPPER.encode(&digest[..NAME_BYTES])
}
