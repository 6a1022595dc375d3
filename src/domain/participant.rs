//! Participants as a list of them has them, before they are taken in.

use std::collections::BTreeMap;

use super::language::Language;
use super::time::Instant;

/// Somebody who is to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// What the list calls them, or empty.
    pub reference: String,
    /// Name to greet, or empty.
    pub name: String,
    /// Folded address, or empty.
    pub address: String,
    /// Language of their letters, if the list says.
    pub language: Option<Language>,
    /// Further columns.
    pub attributes: BTreeMap<String, String>,
    /// Not before, where the list says.
    pub from: Option<Instant>,
    /// Not from then on, where the list says.
    pub until: Option<Instant>,
}
