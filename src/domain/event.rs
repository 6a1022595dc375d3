//! Events: the planned moments of a subject's course, each with its forms, its day and its tolerance.

use chrono::{Days, NaiveDate};

use super::expression::Expression;
use super::instrument::Check;
use super::language::Text;

/// A moment of a subject's course at which forms are filled in.
#[derive(Clone, Debug)]
pub struct Event {
    /// Lower-case letters, digits and `_`; unique in the study.
    pub id: String,
    /// What people read.
    pub name: Text,
    /// Ids of its forms, in order; at least one.
    pub instruments: Vec<String>,
    /// When it is due; none where it happens or does not.
    pub timing: Option<Timing>,
    /// Whether each of its forms may be filled in several times.
    pub repeats: bool,
    /// Item of a form that tells the day on which it took place; the day of entry if none.
    pub day_item: Option<String>,
    /// For which subjects it is planned, by their registration; for all if none.
    pub when: Option<Expression>,
    /// What must hold between its answers and those given before.
    pub checks: Vec<Check>,
}

/// When an event is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// What it is counted from.
    pub after: Anchor,
    /// So many days later.
    pub days: u32,
    /// So many days earlier are tolerated.
    pub early: u32,
    /// So many days later are tolerated.
    pub late: u32,
}

/// What the day of an event is counted from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// The day of enrolling, and of the allocation that comes with it.
    Enrolled,
    /// The day of the further randomization of that id.
    Randomized(String),
    /// The day on which the event of that id took place.
    Event(String),
}

/// The days on which an event is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Planned day.
    pub day: NaiveDate,
    /// First day tolerated.
    pub opens: NaiveDate,
    /// Last day tolerated.
    pub closes: NaiveDate,
}

/// Where a day stands to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Behind its last day.
    Late,
    /// In it.
    Within,
    /// Before its first day.
    Early,
}

impl Standing {
    /// Name in exports and words.
    pub const fn key(self) -> &'static str {
        match self {
            Standing::Late => "late",
            Standing::Within => "within",
            Standing::Early => "early",
        }
    }
}

impl Timing {
    /// Its window, where what it is counted from was on that day; none beyond the calendar.
    pub fn window(&self, anchor: NaiveDate) -> Option<Window> {
        let day = anchor.checked_add_days(Days::new(self.days.into()))?;
        let opens = day.checked_sub_days(Days::new(self.early.into()))?;
        let closes = day.checked_add_days(Days::new(self.late.into()))?;
        Some(Window { day, opens, closes })
    }
}

impl Window {
    /// Where that day stands.
    pub fn standing(&self, day: NaiveDate) -> Standing {
        if day > self.closes {
            Standing::Late
        } else if day < self.opens {
            Standing::Early
        } else {
            Standing::Within
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_lies_around_its_day() {
        let timing = Timing { after: Anchor::Enrolled, days: 28, early: 3, late: 7 };
        let window = timing.window(day("2026-02-01")).unwrap();
        assert_eq!(window, Window { day: day("2026-03-01"), opens: day("2026-02-26"), closes: day("2026-03-08") });
        let standing = |on| window.standing(day(on));
        assert_eq!(standing("2026-02-25"), Standing::Early);
        assert_eq!([standing("2026-02-26"), standing("2026-03-08")], [Standing::Within; 2]);
        assert_eq!(standing("2026-03-09"), Standing::Late);
        assert_eq!(timing.window(NaiveDate::MAX), None);
    }
}
