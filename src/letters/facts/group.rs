//! Facts of letters to whoever speaks for a group that shares an account.

use serde::{Deserialize, Serialize};

/// A password of a group's account is to be chosen; a reply to the one-time address lets the group do so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupConfirm {
    /// Name of the group.
    pub group: String,
    /// Address of its account, to which the link would go.
    pub address: String,
    /// Address with the one-time token, to reply to.
    pub reply_to: String,
    /// Until when, in the study's zone.
    pub expires_at: String,
}

/// The link was sent to the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupConfirmed {
    /// Name of the group.
    pub group: String,
    /// Address to which it went.
    pub address: String,
}
