//! Limits of what comes encrypted or signed by OpenPGP, and of keys.

/// Largest key file, in bytes.
pub const OPENPGP_KEY_BYTES: usize = 256 * 1024;
/// Most layers of a message that are taken off: compression in encryption in encoding, with room for what programs add. What is in it must
/// not be larger than [`MAIL_BYTES`](super::MAIL_BYTES), however small it is packed.
pub const OPENPGP_LAYERS: usize = 5;
/// Most signatures over one text that are looked at.
pub const OPENPGP_SIGNATURES: usize = 4;
/// Most recipients of one encrypted message among whom ours is looked for.
pub const OPENPGP_RECIPIENTS: usize = 100;
/// Days before a key expires from which on doctor and check warn of it.
pub const OPENPGP_WARN_DAYS: i64 = 30;
