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
