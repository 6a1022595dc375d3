//! Facts of the weekly report.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::balance::Balance;
use super::enrollment::Site;
use super::short;
use crate::domain::language::{Language, Text};
use crate::domain::study::Study;

/// How a study stands, once a week. There is no arm in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeeklyReport {
    /// First day of the week it tells of, year-month-day in the study's zone.
    pub first_day: String,
    /// Its last day.
    pub last_day: String,
    /// How many subjects; null where the study registers none.
    pub enrollment: Option<WeekEnrollment>,
    /// How many answered; null where the study asks nobody.
    pub survey: Option<WeekSurvey>,
    /// How many forms are due; null where subjects have no planned events.
    pub follow_up: Option<WeekFollowUp>,
    /// What became of the week's letters.
    pub letters: WeekLetters,
    /// Whether each allocation keeps to its ratio; empty where nothing is allocated, or the totals cannot tell.
    pub bounds: Vec<WeekBound>,
}

/// The same with the balance of the arms: for those who may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeeklyReportUnblinded {
    /// How the study stands.
    pub report: WeeklyReport,
    /// The balance.
    pub balance: Balance,
}

/// The enrollment of a week, and its course.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekEnrollment {
    /// Subjects of the week.
    pub week: u64,
    /// Subjects in all.
    pub total: u64,
    /// How many the protocol plans; 0 where it does not say.
    pub planned: u32,
    /// How many of a hundred planned ones are enrolled.
    pub percent: u64,
    /// Whether enrollment has ended.
    pub ended: bool,
    /// Each site.
    pub sites: Vec<WeekSite>,
    /// Each week of the picture, the earliest first.
    pub course: Vec<WeekCount>,
    /// First day of the picture.
    pub since: String,
    /// The highest that the picture shows.
    pub highest: u64,
}

/// A site's subjects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekSite {
    /// The site; its code is empty where participants enroll themselves.
    pub site: Site,
    /// Subjects of the week.
    pub week: u64,
    /// Subjects in all.
    pub total: u64,
}

/// A week's subjects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekCount {
    /// Its last day.
    pub day: String,
    /// Subjects of the week.
    pub count: u64,
    /// Subjects in all at its end.
    pub total: u64,
}

/// Who has answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekSurvey {
    /// Participants who were asked.
    pub asked: u64,
    /// Whether nobody knows who has answered; then nothing else is told.
    pub unknown: bool,
    /// Participants who have answered, once at least.
    pub answered: u64,
    /// How many of a hundred that is.
    pub answered_percent: u64,
    /// Participants who answered in the week.
    pub week: u64,
    /// Participants who can answer and did not.
    pub waiting: u64,
    /// Participants who can answer later.
    pub to_come: u64,
    /// Participants who could answer and can no more.
    pub over: u64,
    /// Participants who take part no more, and have not answered.
    pub left: u64,
    /// How many of a hundred that is.
    pub left_percent: u64,
    /// Participants who want no invitations and reminders.
    #[serde(default)]
    pub unsubscribed: u64,
    /// Participants at whose address letters fail again and again.
    #[serde(default)]
    pub unreached: u64,
}

/// What is to be filled in about subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekFollowUp {
    /// Events that are due.
    pub due: u64,
    /// Events that are overdue.
    pub late: u64,
    /// Each site of which something is.
    pub sites: Vec<WeekDue>,
    /// Whether only the latest subjects were looked through.
    pub partial: bool,
}

/// What is to be filled in at a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekDue {
    /// The site.
    pub site: Site,
    /// Events that are due.
    pub due: u64,
    /// Events that are overdue.
    pub late: u64,
}

/// What became of the letters that were written in the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekLetters {
    /// All of them.
    pub written: u64,
    /// Those that the next server took and that no report speaks against.
    pub sent: u64,
    /// Those that were refused, came back, or were given up.
    pub failed: u64,
    /// Those that are still to leave.
    pub waiting: u64,
}

/// Whether the subjects of one allocation keep to its ratio, and never how many an arm has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekBound {
    /// Title of a further randomization; empty for the first.
    pub randomization: String,
    /// Whether there are too few of them to tell.
    pub few: bool,
    /// Whether they are as near to it as chance alone would bring them ninety-nine times of a hundred.
    pub held: bool,
}

/// How many of a hundred, rounded; 0 of none.
pub fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(200).checked_div(whole).map_or(0, |doubled| doubled.div_ceil(2))
}

/// The days of a week that ends on that one.
pub fn days(last: NaiveDate) -> (String, String) {
    let first = last.checked_sub_days(chrono::Days::new(6)).unwrap_or(last);
    (first.to_string(), last.to_string())
}

/// A site, as letters name it.
pub fn site(study: &Study, code: &str, language: Language) -> Site {
    let name = study.find_site(code).map_or("", |site| site.name.in_language(language));
    Site { code: short(code), name: short(name) }
}

impl WeekBound {
    /// That of an allocation of that title, or the first.
    pub fn new(title: Option<&Text>, held: Option<bool>, language: Language) -> WeekBound {
        WeekBound {
            randomization: title.map(|title| short(title.in_language(language))).unwrap_or_default(),
            few: held.is_none(),
            held: held.unwrap_or_default(),
        }
    }
}
