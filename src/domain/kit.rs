//! Kits of blinded studies: what can become of one, and until when it may be given.
//!
//! A kit that was handed out never becomes available again: whatever came back from a subject is not given to another.

use chrono::{Datelike, NaiveDate};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::limits;

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

/// In which order the kits of one arm and expiry leave a place: by a digest of their codes that only the study's secret gives.
///
/// Left in the order of the list, ascending codes would sort a site's subjects by arm. The secret makes no draw here: the
/// key is its own. The order is the same however often it is asked for, so a crash repeats the kit, too.
///
/// **This convention is fixed for ever**: the key is HMAC-SHA-256 of `hagaki kit order` under the secret, and a kit's rank the
/// first eight bytes of HMAC-SHA-256 of its code under that key, read with the greatest byte first, less its lowest bit.
#[derive(Clone)]
pub struct Order([u8; 32]);

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Order")
    }
}

impl Order {
    /// The order of a study of that secret.
    pub fn of(secret: &[u8; 32]) -> Order {
        Order(mac(secret, b"hagaki kit order"))
    }

    /// The rank of a kit: the least leaves first.
    pub fn rank(&self, code: &str) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = mac(&self.0, code.as_bytes());
        (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1).cast_signed()
    }
}

pub(super) fn mac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104 section 2)");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// What a study demands of its stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockRules {
    /// Days a kit must still be good for beyond the day it is given.
    pub minimum_days: u32,
    /// Usable kits of an arm at a site below which people are told; 0 for never.
    pub threshold: u32,
    /// The same of the central stock.
    pub central_threshold: u32,
    /// Kits that a subject may be given by mail in place of others, for each of its allocations; more takes a command.
    pub replacements: u32,
}

impl Default for StockRules {
    fn default() -> StockRules {
        let replacements = limits::KIT_REPLACEMENTS;
        StockRules { minimum_days: 0, threshold: 0, central_threshold: 0, replacements }
    }
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

    #[test]
    fn kits_leave_in_an_order_that_only_the_secret_gives() {
        let codes: Vec<String> = (1..=200).map(|n| format!("K{n:03}")).collect();
        let left = |secret: u8| {
            let order = Order::of(&[secret; 32]);
            let mut codes = codes.clone();
            codes.sort_by_key(|code| order.rank(code));
            codes
        };
        assert_eq!(left(1), left(1));
        assert_ne!(left(1), left(2));
        // Neighbors in the list are followed by a greater code as often as by a smaller one: 99.5, and four deviations of 4.1.
        for secret in 1..=20 {
            let rising = left(secret).windows(2).filter(|pair| pair[0] < pair[1]).count();
            assert!((83..=116).contains(&rising), "{rising}");
        }
        assert!(codes.iter().all(|code| Order::of(&[3; 32]).rank(code) >= 0));
    }

    #[test]
    fn the_order_is_pinned() {
        let order = Order::of(&[7; 32]);
        assert_eq!([order.rank("K001"), order.rank("K002")], [8_434_633_361_442_955_862, 8_007_732_014_712_801_249]);
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
