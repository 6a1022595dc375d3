//! The outcome that is put on record: only one that was counted by the election's rules and leaves nothing open.

use crate::definition::outcome_file::{self, Outcome};
use crate::domain::chain::Sha256Digest;

/// Why an outcome is not put on record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOutcome {
    /// It is nothing that a count printed.
    #[error("the file {0}")]
    Unread(String),
    /// It was counted by other rules.
    #[error("the outcome was not counted by the rules of this election: no file of it has the digest {0}")]
    OtherRules(String),
    /// Something is left to be decided.
    #[error("the outcome leaves something undecided: count again with what decides it")]
    Incomplete,
}

/// An outcome that was counted by the rules of that digest, and in which nothing is left open.
///
/// # Errors
/// Why it can be put on no record.
pub fn read(text: &str, rule: &Sha256Digest) -> Result<Outcome, NoOutcome> {
    let read = outcome_file::read(text).map_err(NoOutcome::Unread)?;
    let rule = data_encoding::HEXLOWER.encode(rule);
    if !read.counts(&rule) {
        return Err(NoOutcome::OtherRules(rule));
    }
    if read.complete { Ok(read) } else { Err(NoOutcome::Incomplete) }
}
