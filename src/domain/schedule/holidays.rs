//! Holidays: Japan's as published by its Cabinet Office, and those of a calendar that a study brings.
//!
//! Beyond the last published year Japan's are computed by the law as it stands (Act on National Holidays, Act No. 178 of 1948) and are
//! provisional: the Diet moves holidays, and the days of the equinoxes are announced in February of the year before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use chrono::{Datelike, NaiveDate, Weekday};

/// The published days, `2026-01-01,元日` a line, with the source in its first lines.
const PUBLISHED: &str = include_str!("../../../config/holidays/jp.csv");

static JAPAN: LazyLock<BTreeMap<NaiveDate, &'static str>> = LazyLock::new(|| {
    let day = |line: &'static str| line.split_once(',').and_then(|(day, name)| Some((day.parse().ok()?, name)));
    PUBLISHED.lines().filter_map(day).collect()
});

/// A calendar of holidays.
#[derive(Clone, Debug, PartialEq)]
pub enum Holidays {
    /// Japan's.
    Japan,
    /// Those of a file of the bundle.
    Own(Arc<OwnHolidays>),
}

/// The holidays of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnHolidays {
    /// Path in the bundle.
    pub file: String,
    /// Their names by day.
    pub days: BTreeMap<NaiveDate, String>,
}

/// One holiday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holiday<'a> {
    /// As its calendar calls it.
    pub name: &'a str,
    /// Whether it was computed, and not published.
    pub provisional: bool,
}

impl Holidays {
    /// What it is called in `schedule.toml`.
    pub const JAPAN: &'static str = "jp";

    /// The holiday on that day, if it is one.
    pub fn find(&self, day: NaiveDate) -> Option<Holiday<'_>> {
        match self {
            Holidays::Japan => japan(day),
            Holidays::Own(own) => own.days.get(&day).map(|name| Holiday { name, provisional: false }),
        }
    }

    /// Whether it goes on behind its last year, by computing ([`Holiday::provisional`]).
    pub fn is_computed_beyond(&self) -> bool {
        matches!(self, Holidays::Japan)
    }

    /// The last year of which it tells what was published or written down; none if it holds no day.
    pub fn last_year(&self) -> Option<i32> {
        match self {
            Holidays::Japan => Some(last_published()),
            Holidays::Own(own) => own.days.keys().next_back().map(Datelike::year),
        }
    }
}

impl fmt::Display for Holidays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Holidays::Japan => Holidays::JAPAN,
            Holidays::Own(own) => &own.file,
        })
    }
}

/// The last year whose holidays the Cabinet Office has published.
pub fn last_published() -> i32 {
    JAPAN.keys().next_back().map_or(0, Datelike::year)
}

fn japan(day: NaiveDate) -> Option<Holiday<'static>> {
    if day.year() <= last_published() {
        return JAPAN.get(&day).map(|name| Holiday { name, provisional: false });
    }
    computed(day).map(|name| Holiday { name, provisional: true })
}

/// The holiday on that day by the law as it stands since 2022, be it a named one (article 2), the day in place of one on a Sunday
/// (article 3 paragraph 2), or one between two others (article 3 paragraph 3).
fn computed(day: NaiveDate) -> Option<&'static str> {
    if let Some(name) = named(day) {
        return Some(name);
    }
    let beside = |days: i64| day.checked_add_signed(chrono::TimeDelta::days(days));
    let is_named = |days: i64| beside(days).is_some_and(|day| named(day).is_some());
    let after_sunday = (1..7)
        .take_while(|back| is_named(-back))
        .any(|back| beside(-back).is_some_and(|day| day.weekday() == Weekday::Sun));
    let between = is_named(-1) && is_named(1);
    (after_sunday || between).then_some("休日")
}

fn named(day: NaiveDate) -> Option<&'static str> {
    // Number of its weekday in the month.
    let nth = (day.day() - 1) / 7 + 1;
    let is_monday = day.weekday() == Weekday::Mon;
    let spring = || equinox(day.year(), 20_843_100);
    let autumn = || equinox(day.year(), 23_248_800);
    match (day.month(), day.day()) {
        (1, 1) => Some("元日"),
        (1, _) if is_monday && nth == 2 => Some("成人の日"),
        (2, 11) => Some("建国記念の日"),
        (2, 23) => Some("天皇誕生日"),
        (3, of_month) if of_month == spring() => Some("春分の日"),
        (4, 29) => Some("昭和の日"),
        (5, 3) => Some("憲法記念日"),
        (5, 4) => Some("みどりの日"),
        (5, 5) => Some("こどもの日"),
        (7, _) if is_monday && nth == 3 => Some("海の日"),
        (8, 11) => Some("山の日"),
        (9, _) if is_monday && nth == 3 => Some("敬老の日"),
        (9, of_month) if of_month == autumn() => Some("秋分の日"),
        (10, _) if is_monday && nth == 2 => Some("スポーツの日"),
        (11, 3) => Some("文化の日"),
        (11, 23) => Some("勤労感謝の日"),
        _ => None,
    }
}

/// Day of the month of an equinox in Japan, 1980 to 2099, from where it was in 1980 in millionths of a day (the approximation in common
/// use, by Nagasawa; held against the published days in the tests).
fn equinox(year: i32, in_1980: i32) -> u32 {
    let years = year - 1980;
    let days = (in_1980 + 242_194 * years) / 1_000_000 - years.div_euclid(4);
    u32::try_from(days).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_published_days_are_all_there() {
        assert_eq!(JAPAN.len(), PUBLISHED.lines().filter(|line| !line.starts_with('#')).count());
        assert_eq!((JAPAN.keys().next().unwrap().year(), last_published()), (1955, 2027));
        let name = |on: &str| Holidays::Japan.find(day(on)).map(|holiday| (holiday.name, holiday.provisional));
        assert_eq!(name("2026-05-06"), Some(("休日", false)));
        // Between two others.
        assert_eq!(name("2026-09-22"), Some(("休日", false)));
        assert_eq!(name("2019-05-01"), Some(("休日（祝日扱い）", false)));
        // The year's end is none.
        assert_eq!([name("2026-12-29"), name("2027-01-02")], [None, None]);
        assert_eq!(name("2028-03-20"), Some(("春分の日", true)));
    }

    /// Every rule of the law is held against what was published; where the law was another, the test says how.
    #[test]
    fn what_is_computed_is_what_was_published() {
        let mut years = 0;
        for year in (2007..=last_published()).filter(|year| ![2019, 2020, 2021].contains(year)) {
            let first = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
            for on in first.iter_days().take_while(|on| on.year() == year) {
                let published = JAPAN.contains_key(&on);
                let otherwise = match (on.month(), on.day()) {
                    (8, 11 | 12) => year < 2016,
                    (2, 23 | 24) => year < 2020,
                    (12, 23 | 24) => year < 2019,
                    _ => false,
                };
                assert!(otherwise || published == computed(on).is_some(), "{on}: {published}");
            }
            years += 1;
        }
        assert!(years > 17);
        for (on, name) in JAPAN.iter().filter(|(on, _)| on.year() >= 1980) {
            for (wanted, month, in_1980) in [("春分の日", 3, 20_843_100), ("秋分の日", 9, 23_248_800)] {
                if *name == wanted {
                    assert_eq!((on.month(), on.day()), (month, equinox(on.year(), in_1980)), "{on}");
                }
            }
        }
    }

    #[test]
    fn years_to_come_are_told_as_provisional() {
        // In 2032 the autumnal equinox is the second day after the Monday of September, so the day between is one, too.
        for on in ["2032-09-20", "2032-09-21", "2032-09-22"] {
            assert!(Holidays::Japan.find(day(on)).is_some_and(|holiday| holiday.provisional), "{on}");
        }
        // 2029-02-11 is a Sunday, 2028-02-11 a Friday.
        assert_eq!(computed(day("2029-02-12")), Some("休日"));
        assert_eq!(computed(day("2028-02-12")), None);
    }
}
