//! One thing that is wrong with the operator's files, said so that it can be mended without this program's source.

use std::fmt;
use std::path::PathBuf;

/// A problem: where it is, what is wrong, what would be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as the operator named it.
    pub file: PathBuf,
    /// Line, counted from 1, where it can be told.
    pub line: Option<usize>,
    /// Key, such as `imap.port`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right; empty where nothing better than "mend it" can be said.
    pub right: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
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
