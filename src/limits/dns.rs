//! Limits of what is asked of DNS, and of the records that are judged.

/// Patience of `hagaki doctor` for one answer of a name server, before it asks once more, in seconds.
pub const DNS_SECONDS: u64 = 3;
/// Patience of `hagaki doctor` for all that it asks DNS about one mailbox, in seconds.
pub const DNS_MAILBOX_SECONDS: u64 = 60;
/// Most questions that `hagaki doctor` asks DNS about one mailbox.
pub const DNS_QUESTIONS: usize = 300;
/// Most lookups that an SPF record may take (RFC 7208 section 4.6.4).
pub const SPF_LOOKUPS: usize = 10;
/// Most mail servers of a domain that an SPF record names (RFC 7208 section 4.6.4).
pub const SPF_EXCHANGES: usize = 10;
/// Most names, from a domain upwards, at which its DMARC record is looked for (RFC 9989).
pub const DMARC_STEPS: usize = 8;
/// Most names of an address that are followed back to it.
pub const REVERSE_NAMES: usize = 10;
