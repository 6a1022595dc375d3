//! Facts of an amendment that was planned for a day and could not come into force.

use serde::{Deserialize, Serialize};

use super::short;
use crate::limits;

/// The amendment, and why nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmendmentFailed {
    /// Its number among the planned ones, as the commands take it.
    pub id: String,
    /// When it was to come into force, in the study's zone.
    pub due_at: String,
    /// Why it was planned, in the operator's words.
    pub reason: String,
    /// What the check said, in the words of `hagaki check` and `hagaki study amend`.
    pub why: Vec<String>,
}

impl AmendmentFailed {
    /// The planned amendment of that number; `why` in lines.
    pub fn new(number: i64, due_at: &str, reason: &str, why: &str) -> AmendmentFailed {
        let why = why.lines().take(limits::FAULTS_LISTED).map(short).collect();
        AmendmentFailed { id: number.to_string(), due_at: short(due_at), reason: short(reason), why }
    }
}
