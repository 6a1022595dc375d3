//! Days and hours at which letters may go out.

use std::fmt;

use chrono::{Datelike, Days as Count, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

use super::Shift;
use super::holidays::Holidays;
use crate::limits;

/// When letters may go out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Days {
    /// Hours of the night.
    pub quiet: Option<Quiet>,
    /// Weekdays on which they may; all if none is named.
    pub weekdays: Weekdays,
    /// Calendars on whose holidays they may not.
    pub holidays: Vec<Holidays>,
    /// Other days on which they may not.
    pub avoid: Vec<Span>,
}

/// Hours in which nothing goes out: from the first to the second, over midnight where the first is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// First quiet minute.
    pub from: NaiveTime,
    /// First minute that is not.
    pub to: NaiveTime,
}

impl Quiet {
    /// Whether that time is quiet.
    pub fn holds(&self, time: NaiveTime) -> bool {
        match self.from <= self.to {
            true => time >= self.from && time < self.to,
            false => time >= self.from || time < self.to,
        }
    }
}

/// Weekdays, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekdays(u8);

impl Default for Weekdays {
    /// All of them.
    fn default() -> Weekdays {
        Weekdays(0b111_1111)
    }
}

impl Weekdays {
    /// Names in `schedule.toml`, from Monday.
    pub const NAMES: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// Those of that many days after Monday each.
    pub fn of(days: impl IntoIterator<Item = usize>) -> Weekdays {
        Weekdays(days.into_iter().filter(|day| *day < 7).fold(0, |set, day| set | (1 << day)))
    }

    /// Whether that one is among them.
    pub fn has(self, day: Weekday) -> bool {
        self.0 & (1 << day.num_days_from_monday()) != 0
    }
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named =
            Weekdays::NAMES.iter().enumerate().filter(|(day, _)| self.0 & (1 << day) != 0).map(|(_, name)| *name);
        f.write_str(&named.collect::<Vec<&str>>().join(", "))
    }
}

/// Days from the first to the last, both among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
}

/// Why a letter may not go out at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forbidden {
    /// The hour is quiet.
    Quiet,
    /// The weekday is none of those.
    Weekday,
    /// The day is a holiday of that name.
    Holiday {
        /// As its calendar calls it.
        name: String,
        /// Whether the day was computed, and not published.
        provisional: bool,
    },
    /// The study avoids the day.
    Avoided,
    /// Whoever gets the letter is away.
    Away,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Forbidden::Quiet => f.write_str("quiet hours"),
            Forbidden::Weekday => f.write_str("day of the week"),
            Forbidden::Holiday { name, provisional: false } => write!(f, "holiday ({name})"),
            Forbidden::Holiday { name, provisional: true } => write!(f, "holiday ({name}, provisional)"),
            Forbidden::Avoided => f.write_str("day to avoid"),
            Forbidden::Away => f.write_str("away"),
        }
    }
}

impl Days {
    /// Why no letter may go out on that day, if none may.
    pub fn forbids_day(&self, day: NaiveDate, away_until: Option<NaiveDate>) -> Option<Forbidden> {
        if away_until.is_some_and(|until| day <= until) {
            return Some(Forbidden::Away);
        }
        if !self.weekdays.has(day.weekday()) {
            return Some(Forbidden::Weekday);
        }
        if let Some(holiday) = self.holidays.iter().find_map(|calendar| calendar.find(day)) {
            return Some(Forbidden::Holiday { name: holiday.name.to_string(), provisional: holiday.provisional });
        }
        self.avoid.iter().any(|span| span.from <= day && day <= span.to).then_some(Forbidden::Avoided)
    }

    /// Why no letter may go out at that time, if none may.
    pub fn forbids(&self, at: NaiveDateTime, away_until: Option<NaiveDate>) -> Option<Forbidden> {
        let quiet = self.quiet.is_some_and(|quiet| quiet.holds(at.time()));
        self.forbids_day(at.date(), away_until).or(quiet.then_some(Forbidden::Quiet))
    }

    /// Where a letter of that time goes, and past what; none if nowhere, be it that it is left out or that no day is found within
    /// [`limits::SCHEDULE_SHIFT_DAYS`]. [`Shift::Before`] and [`Shift::Next`] keep the time of the day, unless it is quiet.
    pub fn shifted(
        &self,
        wished: NaiveDateTime,
        shift: Shift,
        away_until: Option<NaiveDate>,
    ) -> (Option<NaiveDateTime>, Vec<Forbidden>) {
        let Some(first) = self.forbids(wished, away_until) else { return (Some(wished), Vec::new()) };
        match shift {
            Shift::Stay => (Some(wished), Vec::new()),
            Shift::Drop => (None, vec![first]),
            Shift::Next => self.forward(wished, away_until),
            Shift::Before => self.back(wished, away_until),
        }
    }

    fn forward(&self, wished: NaiveDateTime, away: Option<NaiveDate>) -> (Option<NaiveDateTime>, Vec<Forbidden>) {
        let (mut at, mut past) = (wished, Vec::new());
        if let Some(quiet) = self.quiet.filter(|quiet| quiet.holds(at.time())) {
            past.push(Forbidden::Quiet);
            let over_midnight = at.time() >= quiet.to;
            let day = if over_midnight { at.date().checked_add_days(Count::new(1)) } else { Some(at.date()) };
            let Some(day) = day else { return (None, past) };
            at = day.and_time(quiet.to);
        }
        for _ in 0..=limits::SCHEDULE_SHIFT_DAYS {
            match self.forbids_day(at.date(), away) {
                None => return (Some(at), past),
                Some(why) if past.contains(&why) => {}
                Some(why) => past.push(why),
            }
            match at.checked_add_days(Count::new(1)) {
                Some(next) => at = next,
                None => break,
            }
        }
        (None, past)
    }

    fn back(&self, wished: NaiveDateTime, away: Option<NaiveDate>) -> (Option<NaiveDateTime>, Vec<Forbidden>) {
        let (mut at, mut past) = (wished, Vec::new());
        if let Some(quiet) = self.quiet.filter(|quiet| quiet.holds(at.time())) {
            past.push(Forbidden::Quiet);
            let before_midnight = at.time() < quiet.from;
            let day = if before_midnight { at.date().checked_sub_days(Count::new(1)) } else { Some(at.date()) };
            // The last minute before it is quiet.
            let last = day.and_then(|day| day.and_time(quiet.from).checked_sub_signed(chrono::TimeDelta::minutes(1)));
            let Some(last) = last else { return (None, past) };
            at = last;
        }
        for _ in 0..=limits::SCHEDULE_SHIFT_DAYS {
            match self.forbids_day(at.date(), away) {
                None => return (Some(at), past),
                // Nobody who is away now was there in time.
                Some(Forbidden::Away) => return (None, past),
                Some(why) if past.contains(&why) => {}
                Some(why) => past.push(why),
            }
            match at.checked_sub_days(Count::new(1)) {
                Some(earlier) => at = earlier,
                None => break,
            }
        }
        (None, past)
    }
}
