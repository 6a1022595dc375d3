//! One thing that is wrong with a bundle, said so that a project manager can mend it.

use std::fmt;

/// A problem: where it is, what is wrong, what would be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path inside the bundle, such as `study.toml`.
    pub file: String,
    /// Line, counted from 1, where it can be told.
    pub line: Option<usize>,
    /// Key, such as `sites[2].code`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right; empty where nothing better than "mend it" can be said.
    pub right: String,
    /// Whether the bundle cannot be used, or only would be better otherwise.
    pub weight: Weight,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The bundle cannot be used.
    Error,
    /// It can, but should be looked at.
    Warning,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.wrong)?;
        if !self.right.is_empty() {
            write!(f, " — {}", self.right)?;
        }
        Ok(())
    }
}
