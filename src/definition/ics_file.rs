//! `holidays/*.ics`: holidays of other countries, or of a hospital, as iCalendar files (RFC 5545).
//!
//! Read are whole days with their names, and days that come each year. What would need more of the standard is a problem with its line
//! and never a holiday left out in silence.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate};

use super::document::Report;
use crate::domain::schedule::holidays::OwnHolidays;
use crate::domain::text;
use crate::limits;

/// A content line: name and value without parameters, and where it begins.
struct Line {
    number: usize,
    name: String,
    value: String,
}

/// What is known of one event.
#[derive(Default)]
struct Event {
    line: usize,
    from: Option<NaiveDate>,
    /// The day behind its last.
    to: Option<NaiveDate>,
    name: String,
    yearly: Option<Yearly>,
    except: BTreeSet<NaiveDate>,
    cancelled: bool,
    faulty: bool,
}

/// How long it comes each year.
#[derive(Clone, Copy)]
enum Yearly {
    Always,
    Until(NaiveDate),
    Times(u32),
}

/// Reads a calendar; `None` only if it is none at all.
pub(super) fn read(file: &str, content: &str, report: &Report) -> Option<OwnHolidays> {
    let lines = unfold(content);
    let begins = lines.first().is_some_and(|line| line.name == "BEGIN" && line.value.eq_ignore_ascii_case("VCALENDAR"));
    if !begins {
        report.file(
            file,
            "is no iCalendar file: it does not begin with BEGIN:VCALENDAR",
            "export the holidays as .ics once more",
        );
        return None;
    }
    let mut own = OwnHolidays { file: file.to_string(), ..OwnHolidays::default() };
    let mut event: Option<Event> = None;
    // Components inside of an event, or beside the events, such as alarms and time zones.
    let mut inner = 0_usize;
    let mut whole = false;
    for line in &lines {
        let component = line.value.to_ascii_uppercase();
        match (line.name.as_str(), component.as_str()) {
            ("BEGIN" | "END", "VCALENDAR") => whole = line.name == "END",
            ("BEGIN", "VEVENT") if event.is_none() && inner == 0 => {
                event = Some(Event { line: line.number, ..Event::default() });
            }
            ("END", "VEVENT") if inner == 0 => {
                if let Some(read) = event.take() {
                    add(&mut own, read, file, report);
                }
            }
            ("BEGIN", _) => inner += 1,
            ("END", _) => inner = inner.saturating_sub(1),
            _ if inner > 0 => {}
            _ => {
                if let Some(event) = &mut event {
                    property(event, line, file, report);
                }
            }
        }
    }
    if event.is_some() || inner > 0 || !whole {
        report.file(file, "ends in the middle", "copy the whole file here");
    }
    if own.days.is_empty() && report.is_sound(file) {
        report.file(file, "holds no day", "export the holidays as .ics once more, or remove the file");
    }
    Some(own)
}

/// Content lines without their folds (RFC 5545 section 3.1).
fn unfold(content: &str) -> Vec<Line> {
    let mut whole: Vec<(usize, String)> = Vec::new();
    for (at, line) in content.lines().enumerate() {
        match (line.strip_prefix([' ', '\t']), whole.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => whole.push((at + 1, line.to_string())),
        }
    }
    let split = |(number, line): (usize, String)| {
        // A colon in quotes belongs to a parameter.
        let mut quoted = false;
        let colon = line.char_indices().find(|(_, c)| {
            quoted ^= *c == '"';
            *c == ':' && !quoted
        });
        let (head, value) = colon.map_or((line.as_str(), ""), |(at, _)| (&line[..at], &line[at + 1..]));
        let name = head.split_once(';').map_or(head, |(name, _)| name);
        Line { number, name: name.trim().to_ascii_uppercase(), value: value.trim().to_string() }
    };
    whole.into_iter().map(split).collect()
}

fn property(event: &mut Event, line: &Line, file: &str, report: &Report) {
    let mut wrong = |wrong: String, right: &str| {
        report.at(file, Some(line.number), line.name.clone(), wrong, right);
        event.faulty = true;
    };
    match line.name.as_str() {
        "DTSTART" => match day(&line.value) {
            Some(day) => event.from = Some(day),
            None => wrong(format!("\"{}\" is no whole day", line.value), "write DTSTART;VALUE=DATE:20261225"),
        },
        "DTEND" => match day(&line.value) {
            Some(day) => event.to = Some(day),
            None => wrong(
                format!("\"{}\" is no whole day", line.value),
                "write DTEND;VALUE=DATE:20261226, the day behind the last",
            ),
        },
        "SUMMARY" => event.name = plain(&line.value),
        "STATUS" => event.cancelled = line.value.eq_ignore_ascii_case("CANCELLED"),
        "RRULE" => match yearly(&line.value) {
            Some(own) => event.yearly = Some(own),
            None => wrong(
                format!("\"{}\" is not understood", line.value),
                "only FREQ=YEARLY on the same day is; write other days one by one",
            ),
        },
        "EXDATE" => {
            for written in line.value.split(',') {
                match day(written.trim()) {
                    Some(day) => {
                        event.except.insert(day);
                    }
                    None => wrong(format!("\"{written}\" is no whole day"), "write EXDATE;VALUE=DATE:20261225"),
                }
            }
        }
        "DURATION" if !line.value.eq_ignore_ascii_case("P1D") => {
            wrong(format!("\"{}\" is not understood", line.value), "write DTEND, the day behind the last");
        }
        "RDATE" | "RECURRENCE-ID" | "EXRULE" => {
            wrong("is not understood".to_string(), "write the days one by one");
        }
        _ => {}
    }
}

/// A day such as `20261225`.
fn day(value: &str) -> Option<NaiveDate> {
    let plain = value.len() == 8 && value.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| NaiveDate::parse_from_str(value, "%Y%m%d").ok()).flatten()
}

/// How long a day comes each year, of a rule that says nothing else.
fn yearly(value: &str) -> Option<Yearly> {
    let (mut each_year, mut how) = (false, Yearly::Always);
    for part in value.split(';').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=')?;
        match (key.to_ascii_uppercase().as_str(), value) {
            ("FREQ", value) if value.eq_ignore_ascii_case("YEARLY") => each_year = true,
            ("INTERVAL", "1") | ("WKST", _) => {}
            ("UNTIL", until) => how = Yearly::Until(day(until.get(..8)?)?),
            ("COUNT", times) => how = Yearly::Times(times.parse().ok()?),
            _ => return None,
        }
    }
    each_year.then_some(how)
}

/// A text without its escapes (RFC 5545 section 3.3.11), on one line.
fn plain(value: &str) -> String {
    let mut plain = String::new();
    let mut escaped = false;
    for c in value.chars() {
        match (escaped, c) {
            (false, '\\') => escaped = true,
            (true, 'n' | 'N') => {
                plain.push(' ');
                escaped = false;
            }
            _ => {
                plain.push(if c.is_control() { ' ' } else { c });
                escaped = false;
            }
        }
    }
    let shown = |c: &char| !text::has_bidi(c.encode_utf8(&mut [0; 4]));
    plain.trim().chars().filter(shown).take(limits::NAME_CHARS).collect()
}

fn add(own: &mut OwnHolidays, event: Event, file: &str, report: &Report) {
    if event.faulty || event.cancelled {
        return;
    }
    let Some(from) = event.from else {
        report.at(file, Some(event.line), "VEVENT", "has no DTSTART", "write DTSTART;VALUE=DATE:20261225");
        return;
    };
    let to = event.to.filter(|to| *to > from).or_else(|| from.checked_add_days(Days::new(1))).unwrap_or(from);
    let long = (to - from).num_days();
    let last = if event.yearly.is_some() { limits::HOLIDAY_LAST_YEAR.max(from.year()) } else { from.year() };
    let name = if event.name.is_empty() { file.to_string() } else { event.name };
    let mut times = 0;
    for year in from.year()..=last {
        // The 29 February is left out where there is none, and does not count (RFC 5545 section 3.3.10).
        let Some(first) = from.with_year(year) else { continue };
        times += 1;
        match event.yearly {
            Some(Yearly::Until(until)) if first > until => break,
            Some(Yearly::Times(most)) if times > most => break,
            _ if event.except.contains(&first) => continue,
            _ => {}
        }
        for day in (0..long).filter_map(|days| first.checked_add_days(Days::new(u64::try_from(days).ok()?))) {
            if own.days.len() >= limits::HOLIDAYS {
                let right = "keep the years that the study needs";
                report.at(
                    file,
                    Some(event.line),
                    "VEVENT",
                    format!("there are more than {} holidays", limits::HOLIDAYS),
                    right,
                );
                return;
            }
            own.days.entry(day).or_insert_with(|| name.clone());
        }
    }
}
