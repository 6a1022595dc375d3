//! Facts of letters about accounts.

use serde::{Deserialize, Serialize};

use super::invitation::MASK;
use crate::domain::language::Language;
use crate::letters::words;

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

/// What was done about how somebody signs in, to the owner of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChanged {
    /// The account's address.
    pub address: String,
    /// What was done, in the order of doing.
    pub changes: Vec<AccountChange>,
    /// The page of the account.
    pub page: String,
}

/// One of the acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChange {
    /// What was done, in words.
    pub what: String,
    /// Whether it was done by somebody who was signed in, or had the link; else by the study center.
    pub own: bool,
    /// When, in the study's zone.
    pub at: String,
}

impl AccountChange {
    /// An act, by its key.
    pub fn new(act: &str, own: bool, at: String, language: Language) -> AccountChange {
        AccountChange { what: words::act(language, act), own, at }
    }
}
