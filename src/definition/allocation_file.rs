//! allocation.toml

use super::problem::Problem;
use crate::domain::allocation::Scheme;
use crate::domain::study::Caps;

/// Reads the statistician's file.
pub fn read(_text: &str, _file: &str, _problems: &mut Vec<Problem>) -> Option<(Scheme, Caps)> {
    Some((Scheme {}, Caps::default()))
}
