//! Cron lines: five fields with the weekdays that everybody knows, read here and evaluated by the crate `cron`.
//!
//! That crate wants seconds, counts weekdays from 1 for Sunday, and demands both of the day's fields; here, as in crontab(5), 0 and 7 are
//! Sunday, and where day of the month and weekday are both restricted a day is meant that meets either. So each field is read as a set
//! of numbers, and what the crate gets are lists; it sees the clock's times only, and zones are none of its business.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::NaiveDateTime;

use crate::limits;

/// A line such as `0 9 * * mon`.
#[derive(Clone)]
pub struct Cron {
    source: String,
    /// One, or two of which the earlier counts.
    schedules: Arc<[cron::Schedule]>,
    /// Whether it means no more than one time a day.
    daily_at_most: bool,
}

/// Why a line is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// A name for a line.
    #[error("\"{name}\" is no line of five fields")]
    Nickname {
        /// As written.
        name: String,
        /// What to write instead, if it has a meaning here.
        instead: Option<&'static str>,
    },
    /// There are not five fields.
    #[error("has {0} fields, not five")]
    Fields(usize),
    /// Its fields mean something, and their times cannot be computed.
    #[error("is not understood")]
    Refused,
    /// A part of a field means nothing.
    #[error("\"{part}\" is no {field}")]
    Part {
        /// As written.
        part: String,
        /// Name of the field.
        field: &'static str,
        /// What would be right.
        right: String,
    },
    /// Both fields of the day are there, one with a step: what that means differs from one cron to the other.
    #[error(
        "has both a day of the month and a weekday, one of them with \"*/\", which is not understood everywhere alike"
    )]
    Ambiguous,
}

impl CronError {
    /// What to write instead.
    pub fn right(&self) -> String {
        match self {
            CronError::Nickname { instead: Some(line), .. } => format!("write \"{line}\""),
            CronError::Nickname { .. } | CronError::Fields(_) | CronError::Refused => {
                "write minute, hour, day of the month, month and weekday, such as \"0 9 * * mon\"".to_string()
            }
            CronError::Part { right, .. } => right.clone(),
            CronError::Ambiguous => "write the days one by one, such as 1,3,5, or * for one of the two".to_string(),
        }
    }
}

/// A field, with the numbers it may hold and their names from the first on.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of the month", least: 1, most: 31, names: &[] },
    Field { name: "month", least: 1, most: 12, names: &MONTHS },
    // 7 is Sunday, as 0 is.
    Field { name: "weekday", least: 0, most: 7, names: &WEEKDAYS },
];

impl Field {
    fn wrong(&self, part: &str, right: String) -> CronError {
        CronError::Part { part: part.to_string(), field: self.name, right }
    }

    fn number(&self, part: &str, whole: &str) -> Result<u32, CronError> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(part));
        let named = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + self.least);
        let digits = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        named.or(digits).filter(|number| (self.least..=self.most).contains(number)).ok_or_else(|| {
            let names = match (self.names.first(), self.names.last()) {
                (Some(first), Some(last)) => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            let signs =
                if part.contains(['L', 'W', '#', '?', 'l', 'w']) { "; L, W, # and ? are not known" } else { "" };
            self.wrong(whole, format!("write numbers from {} to {}{names}{signs}", self.least, self.most))
        })
    }

    /// The numbers of a field; none if it holds every one.
    fn read(&self, text: &str) -> Result<Option<BTreeSet<u32>>, CronError> {
        if text == "*" {
            return Ok(None);
        }
        let mut numbers = BTreeSet::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let step = match step.map(|step| step.parse::<u32>().ok().filter(|step| (1..=self.most).contains(step))) {
                None => 1,
                Some(Some(step)) => step,
                Some(None) => {
                    return Err(self.wrong(part, format!("behind / write a step from 1 to {}", self.most)));
                }
            };
            let is_weekday = self.names.len() == WEEKDAYS.len();
            let (first, last) = match range.split_once('-') {
                // A week has one Sunday.
                _ if range == "*" => (self.least, if is_weekday { 6 } else { self.most }),
                Some((first, last)) => (self.number(first, part)?, self.number(last, part)?),
                None if part.contains('/') => {
                    let right = format!("write from where to where, such as {range}-{}/{step}, or */{step}", self.most);
                    return Err(self.wrong(part, right));
                }
                None => {
                    let only = self.number(range, part)?;
                    (only, only)
                }
            };
            if first <= last {
                numbers.extend((first..=last).step_by(step as usize));
            } else if is_weekday {
                // From Friday to Monday.
                numbers.extend((first..=last + 7).step_by(step as usize).map(|day| day % 7));
            } else {
                return Err(self.wrong(part, format!("write the smaller number first: {last}-{first}")));
            }
        }
        if self.names.len() == WEEKDAYS.len() && numbers.remove(&7) {
            numbers.insert(0);
        }
        Ok(Some(numbers))
    }
}

fn list(numbers: Option<&BTreeSet<u32>>, more: u32) -> String {
    let Some(numbers) = numbers else { return "*".to_string() };
    numbers.iter().map(|number| (number + more).to_string()).collect::<Vec<String>>().join(",")
}

impl Cron {
    /// Reads a line.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(source: &str) -> Result<Cron, CronError> {
        let source = source.trim();
        if source.starts_with('@') {
            let instead = match source {
                "@yearly" | "@annually" => Some("0 9 1 1 *"),
                "@monthly" => Some("0 9 1 * *"),
                "@weekly" => Some("0 9 * * mon"),
                "@daily" | "@midnight" => Some("0 9 * * *"),
                "@hourly" => Some("0 * * * *"),
                _ => None,
            };
            return Err(CronError::Nickname { name: source.to_string(), instead });
        }
        let parts: Vec<&str> = source.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts[..] else { return Err(CronError::Fields(parts.len())) };
        let mut sets = Vec::with_capacity(FIELDS.len());
        for (field, part) in FIELDS.iter().zip([minute, hour, day, month, weekday]) {
            sets.push(field.read(part)?);
        }
        let [minutes, hours, days, months, weekdays] = &sets[..] else { return Err(CronError::Refused) };
        if days.is_some() && weekdays.is_some() && [day, weekday].iter().any(|part| part.contains('*')) {
            return Err(CronError::Ambiguous);
        }
        let times = format!("0 {} {}", list(minutes.as_ref(), 0), list(hours.as_ref(), 0));
        let months = list(months.as_ref(), 0);
        // The crate calls Sunday 1.
        let (days, weekdays) =
            (days.as_ref().map(|days| list(Some(days), 0)), weekdays.as_ref().map(|own| list(Some(own), 1)));
        let lines = match (days, weekdays) {
            (Some(days), Some(weekdays)) => {
                vec![format!("{times} {days} {months} *"), format!("{times} * {months} {weekdays}")]
            }
            (days, weekdays) => {
                let any = || "*".to_string();
                vec![format!("{times} {} {months} {}", days.unwrap_or_else(any), weekdays.unwrap_or_else(any))]
            }
        };
        let schedules = lines.iter().map(|line| cron::Schedule::from_str(line)).collect::<Result<Vec<_>, _>>();
        // What stands in the lists has been counted; that the crate refuses them has not happened yet.
        let Ok(schedules) = schedules else { return Err(CronError::Refused) };
        let one = |set: &Option<BTreeSet<u32>>| set.as_ref().is_some_and(|set| set.len() == 1);
        Ok(Cron { source: source.to_string(), schedules: schedules.into(), daily_at_most: one(minutes) && one(hours) })
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it means no more than one time a day.
    pub fn is_daily_at_most(&self) -> bool {
        self.daily_at_most
    }

    /// The first time of the clock behind that one that it means; none within [`limits::SCHEDULE_YEARS`].
    pub fn next(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let horizon = after.checked_add_months(chrono::Months::new(12 * limits::SCHEDULE_YEARS))?;
        let from = after.and_utc();
        let next = self.schedules.iter().filter_map(|schedule| schedule.after(&from).next()).min()?;
        Some(next.naive_utc()).filter(|next| *next <= horizon)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cron").field(&self.source).finish()
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Cron) -> bool {
        self.source == other.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(line: &str, after: &str, many: usize) -> Vec<String> {
        let cron = Cron::parse(line).unwrap();
        let mut at: NaiveDateTime = after.parse().unwrap();
        let mut next = || {
            at = cron.next(at)?;
            Some(at.format("%a %Y-%m-%d %H:%M").to_string())
        };
        (0..many).filter_map(|_| next()).collect()
    }

    #[test]
    fn weekdays_are_those_that_everybody_knows() {
        let monday = ["Mon 2026-11-30 09:00", "Mon 2026-12-07 09:00"];
        for line in ["0 9 * * 1", "0 9 * * mon", "0 9 * * MON", " 0  9 * * 1 "] {
            assert_eq!(times(line, "2026-11-28T12:00:00", 2), monday, "{line}");
        }
        for line in ["0 9 * * 0", "0 9 * * 7", "0 9 * * sun", "0 9 * * 7-7", "0 9 * * 0,7"] {
            assert_eq!(
                times(line, "2026-11-28T12:00:00", 2),
                ["Sun 2026-11-29 09:00", "Sun 2026-12-06 09:00"],
                "{line}"
            );
        }
        let ends = ["Fri 2026-12-04 09:00", "Sat 2026-12-05 09:00", "Sun 2026-12-06 09:00", "Fri 2026-12-11 09:00"];
        for line in ["0 9 * * 5-7", "0 9 * * fri-sun", "0 9 * * 5,6,0"] {
            assert_eq!(times(line, "2026-11-30T12:00:00", 4), ends, "{line}");
        }
        // Steps count from Sunday, and a week has one.
        let every_other =
            ["Sun 2026-11-29 09:00", "Tue 2026-12-01 09:00", "Thu 2026-12-03 09:00", "Sat 2026-12-05 09:00"];
        assert_eq!(times("0 9 * * */2", "2026-11-28T12:00:00", 4), every_other);
    }

    #[test]
    fn a_day_meets_either_of_both_fields() {
        // The 13th, and every Friday.
        let either = ["Fri 2026-12-04 09:00", "Fri 2026-12-11 09:00", "Sun 2026-12-13 09:00", "Fri 2026-12-18 09:00"];
        assert_eq!(times("0 9 13 * 5", "2026-11-28T12:00:00", 4), either);
        assert_eq!(times("30 8 29 2 *", "2026-11-28T12:00:00", 2), ["Tue 2028-02-29 08:30", "Sun 2032-02-29 08:30"]);
        assert_eq!(times("0 9 30 feb *", "2026-11-28T12:00:00", 1), Vec::<String>::new());
        assert_eq!(times("*/30 8-9 1 jan,jul *", "2026-11-28T12:00:00", 5).last().unwrap(), "Thu 2027-07-01 08:00");
    }

    #[test]
    fn what_is_no_line_is_told_with_what_would_be() {
        for (line, wrong, right) in [
            ("", "has 0 fields, not five", "such as \"0 9 * * mon\""),
            ("0 0 9 * * 1", "has 6 fields", "minute, hour"),
            ("@daily", "\"@daily\" is no line", "write \"0 9 * * *\""),
            ("@reboot", "\"@reboot\" is no line", "minute, hour"),
            ("60 9 * * *", "\"60\" is no minute", "numbers from 0 to 59"),
            ("0 24 * * *", "\"24\" is no hour", "numbers from 0 to 23"),
            ("0 9 0 * *", "\"0\" is no day of the month", "numbers from 1 to 31"),
            ("0 9 L * *", "\"L\" is no day of the month", "L, W, # and ? are not known"),
            ("0 9 * * 5#2", "\"5#2\" is no weekday", "L, W, # and ? are not known"),
            ("0 9 * * 8", "\"8\" is no weekday", "numbers from 0 to 7, or sun to sat"),
            ("0 9 * 13 *", "\"13\" is no month", "or jan to dec"),
            ("5/10 9 * * *", "\"5/10\" is no minute", "such as 5-59/10"),
            ("*/0 9 * * *", "\"*/0\" is no minute", "a step from 1 to 59"),
            ("0 17-9 * * *", "\"17-9\" is no hour", "write the smaller number first: 9-17"),
            ("0 9 */2 * 1", "has both a day of the month and a weekday", "one by one"),
            ("0 9 1, * *", "\"\" is no day of the month", "numbers from 1 to 31"),
        ] {
            let error = Cron::parse(line).unwrap_err();
            assert!(error.to_string().contains(wrong), "{line}: {error}");
            assert!(error.right().contains(right), "{line}: {}", error.right());
        }
    }
}
