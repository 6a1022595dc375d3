//! Facts of letters about accounts.

use serde::{Deserialize, Serialize};

use super::invitation::MASK;

/// A link by which a password is chosen, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLink {
    /// The link.
    pub link: String,
    /// Not from then on, in the study's zone.
    pub until: String,
    /// Whether a password was chosen before.
    pub again: bool,
}

impl AccountLink {
    /// The same with nothing that lets somebody in.
    pub fn masked(&self, public_url: &str) -> AccountLink {
        AccountLink { link: format!("{}/account/{MASK}", public_url.trim_end_matches('/')), ..self.clone() }
    }
}
