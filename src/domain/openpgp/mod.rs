//! OpenPGP (RFC 9580): whose key is whose, what was sealed for us, and what we seal for others.
//!
//! In charge of what keys and signatures mean: the library reads packets and does the arithmetic, and leaves expiry, revocation, flags
//! and weak algorithms to its users. The moment and what is random come as arguments. It knows nothing of mails: whoever reads them takes them
//! apart, whoever words letters puts them together.
//!
//! Bytes of strangers go through a library whose authors may have missed something: whoever calls [`open`] contains its panics.

mod certificate;
mod fault;
mod open;
mod own;
mod seal;

pub use certificate::{Certificate, CertificateFault, Unusable};
pub use fault::Fault;
pub use open::{Claim, Opened, open, signed_apart, signed_text};
pub use own::{OwnKey, OwnKeyFault, generate};
pub use seal::{Envelope, SealFault};

use pgp::crypto::hash::HashAlgorithm;
use pgp::types::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::time::Instant;

/// Random numbers in the shape that the library takes, from a seed: sealed again with the same seed, a letter has the same bytes.
struct Stream(ChaCha20Rng);

impl Stream {
    fn new(seed: [u8; 32]) -> Stream {
        Stream(ChaCha20Rng::from_seed(seed))
    }
}

impl rand_core::RngCore for Stream {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core::CryptoRng for Stream {}

/// Whether nobody can make two texts of one digest by it; SHA-1 and what is older are out.
const fn is_sound(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}

fn instant_of(at: Timestamp) -> Instant {
    Instant(0).plus_seconds(i64::from(at.as_secs()))
}

/// The moment to the second; what no field of the format can hold is its beginning.
fn timestamp_of(at: Instant) -> Timestamp {
    Timestamp::from_secs(u32::try_from(at.seconds_since(Instant(0))).unwrap_or_default())
}
