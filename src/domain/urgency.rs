//! What leaves first: the letters that somebody waits for, before those that nobody does.

/// How urgent a letter is. The first three go before mailings, and no mailing's bound holds them; the letters of mailings take turns
/// by study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// A patient is treated by it, or it tells that such a letter was lost.
    Treatment,
    /// Somebody asked for it.
    Asked,
    /// It tells of something that happened.
    Notice,
    /// One of many that are written together.
    Mass,
}

/// Who sends a letter of a mailbox: two that do not wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What somebody waits for: the first three urgencies.
    Awaited,
    /// The letters of mailings.
    Mailings,
}

impl Lane {
    /// Both.
    pub const ALL: [Lane; 2] = [Lane::Awaited, Lane::Mailings];
}

impl Urgency {
    /// Its number in the database: the smaller goes first.
    pub const fn number(self) -> i64 {
        match self {
            Urgency::Treatment => 0,
            Urgency::Asked => 1,
            Urgency::Notice => 2,
            Urgency::Mass => 3,
        }
    }
}
