//! Cron lines against an independent reader of them.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use hagaki::domain::schedule::{Cron, CronError};
use proptest::prelude::*;

/// One part of a field: a number, a range, a step over all or over a range; `name` writes a number.
fn part(least: u32, most: u32, name: fn(u32, u32) -> String) -> impl Strategy<Value = String> {
    let ends = (least..=most, least..=most, 0_u32..4, 1..=(most / 2).max(2), any::<u32>());
    ends.prop_map(move |(one, other, kind, step, form)| {
        let (first, last) = (one.min(other), one.max(other));
        match kind {
            0 => name(first, form),
            1 => format!("{}-{}", name(first, form), name(last, form)),
            2 => format!("*/{step}"),
            _ => format!("{}-{}/{step}", name(first, form), name(last, form)),
        }
    })
}

fn field(least: u32, most: u32, name: fn(u32, u32) -> String) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just("*".to_owned()),
        3 => prop::collection::vec(part(least, most, name), 1..4).prop_map(|parts| parts.join(",")),
    ]
}

fn digits(number: u32, _: u32) -> String {
    number.to_string()
}

fn month(number: u32, form: u32) -> String {
    let names = ["jan", "FEB", "Mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    if form.is_multiple_of(2) { number.to_string() } else { names[number as usize - 1].to_owned() }
}

fn weekday(number: u32, form: u32) -> String {
    let names = ["sun", "MON", "Tue", "wed", "thu", "fri", "sat"];
    match form % 2 {
        1 if number < 7 => names[number as usize].to_owned(),
        _ => number.to_string(),
    }
}

fn line() -> impl Strategy<Value = String> {
    let day = field(1, 31, digits);
    (field(0, 59, digits), field(0, 23, digits), day, field(1, 12, month), field(0, 7, weekday))
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"))
}

fn moment() -> impl Strategy<Value = NaiveDateTime> {
    (0_i64..40 * 365 * 24 * 60).prop_map(|minutes| {
        let first = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        first + chrono::TimeDelta::minutes(minutes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// Both find the same times, one after the other.
    #[test]
    fn times_are_those_that_another_reader_finds(line in line(), start in moment()) {
        let cron = match Cron::parse(&line) {
            Ok(cron) => cron,
            Err(CronError::Ambiguous) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(format!("{line}: {error}"))),
        };
        // The other reader takes "sun" as the last day of a range for 7, so that this is its whole week.
        prop_assume!(!line.to_lowercase().contains("sun-sun"));
        let oracle = croner::Cron::from_str(&line).unwrap();
        let mut at = start;
        for _ in 0..4 {
            let from: DateTime<Utc> = at.and_utc();
            let theirs = oracle.find_next_occurrence(&from, false).ok().map(|next| next.naive_utc());
            match cron.next(at) {
                Some(next) => {
                    prop_assert_eq!(Some(next), theirs, "{} after {}", line, at);
                    at = next;
                }
                // A day that no month has, or none for years.
                None => {
                    prop_assert!(theirs.is_none_or(|next| (next - at).num_days() > 9 * 365), "{} after {}: {:?}", line, at, theirs);
                    break;
                }
            }
        }
    }

    /// Whatever is written, the reader ends and says what is wrong.
    #[test]
    fn any_text_is_read_or_refused(text in "[0-9*/,a-zLW#?@ -]{0,40}") {
        if let Err(error) = Cron::parse(&text) {
            prop_assert!(!error.to_string().is_empty() && !error.right().is_empty());
        }
    }
}
