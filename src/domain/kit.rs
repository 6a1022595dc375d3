//! Kits of blinded studies: what can become of one, and until when it may be given.
//!
//! A kit that was handed out never becomes available again: whatever came back from a subject is not given to another.

use chrono::{Datelike, NaiveDate};

/// What became of a kit. That it expired is not written down; the day tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It can be handed out.
    Available,
    /// A subject has it.
    Dispensed,
    /// A subject had it and got another instead.
    Replaced,
    /// It is kept back until somebody releases it or writes it off.
    Quarantined,
    /// It is of no use any more.
    Damaged,
    /// Nobody knows where it is.
    Lost,
    /// It went back to whoever keeps the books.
    Returned,
    /// An amendment took it off the list.
    Withdrawn,
}

impl State {
    /// Every state.
    pub const ALL: [State; 8] = [
        State::Available,
        State::Dispensed,
        State::Replaced,
        State::Quarantined,
        State::Damaged,
        State::Lost,
        State::Returned,
        State::Withdrawn,
    ];

    /// Its word in tables, commands and the audit chain.
    pub const fn key(self) -> &'static str {
        match self {
            State::Available => "available",
            State::Dispensed => "dispensed",
            State::Replaced => "replaced",
            State::Quarantined => "quarantined",
            State::Damaged => "damaged",
            State::Lost => "lost",
            State::Returned => "returned",
            State::Withdrawn => "withdrawn",
        }
    }

    /// The state of that word.
    pub fn find(key: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.key() == key)
    }

    /// Whether somebody may turn a kit from this state into `next` by an act of its own. Dispensing and replacing are
    /// acts upon subjects and not among them.
    pub const fn may_become(self, next: State) -> bool {
        let with_us = matches!(self, State::Available | State::Quarantined);
        match next {
            State::Available => matches!(self, State::Quarantined),
            State::Quarantined => matches!(self, State::Available),
            State::Withdrawn => with_us,
            State::Damaged | State::Lost | State::Returned => {
                with_us || matches!(self, State::Dispensed | State::Replaced)
            }
            State::Dispensed | State::Replaced => false,
        }
    }

    /// Whether it can be shipped.
    pub const fn may_move(self) -> bool {
        matches!(self, State::Available | State::Quarantined)
    }
}

/// A day of the calendar as a number that sorts: `year * 10000 + month * 100 + day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

impl Day {
    /// What stands for "it does not expire".
    pub const NEVER: Day = Day(99_991_231);

    /// The number of a date.
    pub fn of(date: NaiveDate) -> Day {
        Day(i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day()))
    }

    /// The last day of a kit, or [`Day::NEVER`].
    pub fn of_expiry(expires: Option<NaiveDate>) -> Day {
        expires.map_or(Day::NEVER, Day::of)
    }

    /// The date, unless it is [`Day::NEVER`] or none.
    pub fn date(self) -> Option<NaiveDate> {
        let part = |divisor: i64, modulus: i64| u32::try_from(self.0 / divisor % modulus).ok();
        let year = i32::try_from(self.0 / 10_000).ok()?;
        NaiveDate::from_ymd_opt(year, part(100, 100)?, part(1, 100)?).filter(|_| self != Day::NEVER)
    }
}

/// What a study demands of its stock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockRules {
    /// Days a kit must still be good for beyond the day it is given.
    pub minimum_days: u32,
    /// Usable kits of an arm at a site below which people are told; 0 for never.
    pub threshold: u32,
    /// The same of the central stock.
    pub central_threshold: u32,
}

impl StockRules {
    /// The least expiry that a kit given on `today` must have.
    pub fn least_expiry(self, today: NaiveDate) -> Day {
        Day::of(today.checked_add_days(chrono::Days::new(u64::from(self.minimum_days))).unwrap_or(NaiveDate::MAX))
    }

    /// The threshold at a place (an empty site is the central stock).
    pub const fn threshold_at(self, site: &str) -> u32 {
        if site.is_empty() { self.central_threshold } else { self.threshold }
    }

    /// Whether anybody is told of anything.
    pub const fn tells(self) -> bool {
        self.threshold > 0 || self.central_threshold > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_and_states_are_the_same() {
        for state in State::ALL {
            assert_eq!(State::find(state.key()), Some(state));
        }
    }

    #[test]
    fn what_left_the_shelf_for_a_subject_or_for_good_never_comes_back() {
        use State::*;
        let mut reached = vec![Dispensed, Replaced, Damaged, Lost, Returned, Withdrawn];
        let mut at = 0;
        while let Some(from) = reached.get(at).copied() {
            let next = State::ALL.into_iter().filter(|next| from.may_become(*next) && !reached.contains(next));
            reached.extend(next.collect::<Vec<_>>());
            at += 1;
        }
        assert!(!reached.contains(&Available) && !reached.contains(&Quarantined), "{reached:?}");
        assert!(Quarantined.may_become(Available) && Available.may_become(Quarantined));
    }

    #[test]
    fn the_last_day_counts() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let rules = StockRules { minimum_days: 30, ..StockRules::default() };
        assert_eq!(rules.least_expiry(day("2027-12-02")), Day(20_280_101));
        assert_eq!(StockRules::default().least_expiry(day("2027-12-31")), Day(20_271_231));
        assert!(Day::of(day("9998-12-31")) < Day::NEVER);
    }

    proptest! {
        #[test]
        fn days_sort_as_dates_do(one in 0i32..3_000_000, other in 0i32..3_000_000) {
            let date = |days| NaiveDate::from_num_days_from_ce_opt(days + 1).unwrap();
            let (one, other) = (date(one), date(other));
            prop_assert_eq!(one.cmp(&other), Day::of(one).cmp(&Day::of(other)));
            prop_assert_eq!(Day::of(one).date(), Some(one));
        }
    }
}
