//! Facts of the letter on addresses at which letters do not arrive.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::short;
use crate::limits;

/// Addresses that get no more invitations and reminders, because letters to them fail again and again; to those in charge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressesStopped {
    /// Whose they are, as far as that is told.
    pub lines: Vec<StoppedAddress>,
    /// How many more there are than lines.
    pub more: u64,
    /// How many addresses of participants there are, where answers stand without the person and nobody is named; else 0.
    pub unnamed: u64,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedAddress {
    /// Number of the participant; empty for one of the staff.
    pub participant: String,
    /// Name of one of the staff; empty for a participant.
    pub person: String,
    /// Day since when, year-month-day in the study's zone.
    pub since: String,
    /// What a server said last: an enhanced status code (RFC 3463), never its text; empty where it said nothing.
    pub status: String,
}

impl StoppedAddress {
    /// Of a participant of that number, or of somebody of the staff of that name.
    pub fn new(whose: Result<i64, &str>, since: NaiveDate, status: &str) -> StoppedAddress {
        StoppedAddress {
            participant: whose.map(|number| number.to_string()).unwrap_or_default(),
            person: whose.err().map(short).unwrap_or_default(),
            since: since.to_string(),
            status: short(status),
        }
    }
}

impl AddressesStopped {
    /// Of all that can be told, the first [`limits::STOPPED_ADDRESSES_TOLD`].
    pub fn new(mut lines: Vec<StoppedAddress>, unnamed: u64) -> AddressesStopped {
        let more = lines.len().saturating_sub(limits::STOPPED_ADDRESSES_TOLD);
        lines.truncate(limits::STOPPED_ADDRESSES_TOLD);
        AddressesStopped { lines, more: more as u64, unnamed }
    }
}
