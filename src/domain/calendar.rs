//! Days and times as people type them, read strictly: what is impossible or could mean two days is refused.
//!
//! Days: `2026-11-01`, `2026/11/1`, `2026.11.1`, `20261101`, `2026年11月1日`, eras (`令和8年11月1日`, `R8.11.1`, `元年`),
//! English months (`1 Nov 2026`, `Nov 1, 2026`), each with an optional weekday in parentheses that must be the right one.
//! Times: `9:05`, `9時5分`, `午後3時半`, `3:05 pm`. Width does not matter.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

use super::text;
use crate::limits;

/// Why a text is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayFault {
    /// In no form that we know.
    Unreadable,
    /// There is no such day, or not in that era.
    Impossible,
    /// It may mean two different days, as `01/02/2026` does.
    Ambiguous,
}

/// An era of the Japanese calendar: names, first and last day (Gregorian).
struct Era {
    names: [&'static str; 3],
    first: (i32, u32, u32),
    last: (i32, u32, u32),
}

/// The eras since the Gregorian calendar came to Japan (1 January of Meiji 6).
const ERAS: [Era; 5] = [
    Era { names: ["令和", "r", "令"], first: (2019, 5, 1), last: (9999, 12, 31) },
    Era { names: ["平成", "h", "平"], first: (1989, 1, 8), last: (2019, 4, 30) },
    Era { names: ["昭和", "s", "昭"], first: (1926, 12, 25), last: (1989, 1, 7) },
    Era { names: ["大正", "t", "大"], first: (1912, 7, 30), last: (1926, 12, 24) },
    Era { names: ["明治", "m", "明"], first: (1873, 1, 1), last: (1912, 7, 29) },
];

/// Meiji 1 is 1868, five years before its first Gregorian day.
const MEIJI_START_YEAR: i32 = 1868;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [(&str, &str); 7] = [
    ("月", "monday"),
    ("火", "tuesday"),
    ("水", "wednesday"),
    ("木", "thursday"),
    ("金", "friday"),
    ("土", "saturday"),
    ("日", "sunday"),
];

/// Years that a day may lie in.
const YEARS: std::ops::RangeInclusive<i32> = 1868..=2199;

/// The day a text means.
///
/// # Errors
/// [`DayFault`], when it means none or could mean two.
pub fn read_day(typed: &str) -> Result<NaiveDate, DayFault> {
    if typed.chars().count() > limits::DAY_CHARS {
        return Err(DayFault::Unreadable);
    }
    let folded = text::fold(typed);
    let (rest, weekday) = split_weekday(&folded);
    let day = read_plain_day(rest)?;
    match weekday {
        Some(weekday) if weekday != day.weekday() => Err(DayFault::Impossible),
        _ => Ok(day),
    }
}

fn read_plain_day(folded: &str) -> Result<NaiveDate, DayFault> {
    if let Some(result) = read_era_day(folded) {
        return result;
    }
    if let Some(result) = read_english_day(folded) {
        return result;
    }
    if folded.len() == 8
        && let Some(all) = number(folded)
    {
        return day(year_of(all / 10_000)?, all / 100 % 100, all % 100);
    }
    let Some([first, second, third]) = three_numbers(folded) else { return Err(DayFault::Unreadable) };
    let parsed = (number(first), number(second), number(third));
    let (Some(a), Some(b), Some(c)) = parsed else { return Err(DayFault::Unreadable) };
    if first.len() == 4 {
        return day(year_of(a)?, b, c);
    }
    if third.len() != 4 || first.len() > 2 || second.len() > 2 {
        return Err(if first.len() <= 2 && third.len() <= 2 { DayFault::Ambiguous } else { DayFault::Unreadable });
    }
    // Year last: day first in Europe, month first in America.
    let year = year_of(c)?;
    match (day(year, b, a), day(year, a, b)) {
        (Ok(european), Ok(american)) if european != american => Err(DayFault::Ambiguous),
        (Ok(only), _) | (_, Ok(only)) => Ok(only),
        _ => Err(DayFault::Impossible),
    }
}

/// `2026年11月1日` and the same parted by `-`, `/` or `.`; only one kind of separator.
fn three_numbers(folded: &str) -> Option<[&str; 3]> {
    if let Some((year, rest)) = folded.split_once('年') {
        let (month, rest) = rest.split_once('月')?;
        let day = rest.trim().strip_suffix('日')?;
        return Some([year.trim(), month.trim(), day.trim()]);
    }
    ['-', '/', '.'].into_iter().find_map(|separator| {
        let mut parts = folded.split(separator).map(str::trim);
        let three = [parts.next()?, parts.next()?, parts.next()?];
        parts.next().is_none().then_some(three)
    })
}

/// `None` where the text does not begin with an era.
fn read_era_day(folded: &str) -> Option<Result<NaiveDate, DayFault>> {
    let (era, rest) = ERAS.iter().find_map(|era| {
        let rest = era.names.iter().find_map(|name| folded.strip_prefix(name))?;
        let rest = rest.trim_start_matches([' ', '.']);
        (rest.starts_with(|c: char| c.is_ascii_digit()) || rest.starts_with('元')).then_some((era, rest))
    })?;
    let Some([year, month, dom]) = three_numbers(rest) else { return Some(Err(DayFault::Unreadable)) };
    let year = if year == "元" { Some(1) } else { number(year).filter(|_| year.len() <= 2) };
    let (Some(year), Some(month), Some(dom)) = (year, number(month), number(dom)) else {
        return Some(Err(DayFault::Unreadable));
    };
    Some(day_of_era(era, year, month, dom))
}

fn day_of_era(era: &Era, year: u32, month: u32, dom: u32) -> Result<NaiveDate, DayFault> {
    if year == 0 {
        return Err(DayFault::Impossible);
    }
    let first_year = if era.names[0] == "明治" { MEIJI_START_YEAR } else { era.first.0 };
    let year = i32::try_from(year).ok().and_then(|year| year.checked_add(first_year - 1));
    let found = day(year.ok_or(DayFault::Impossible)?, month, dom)?;
    let ymd = (found.year(), found.month(), found.day());
    if era.first <= ymd && ymd <= era.last { Ok(found) } else { Err(DayFault::Impossible) }
}

/// `1 nov 2026`, `1-nov-2026`, `nov 1, 2026`, `1st november 2026`; `None` where no month's name stands in it.
fn read_english_day(folded: &str) -> Option<Result<NaiveDate, DayFault>> {
    let words: Vec<&str> = folded.split([' ', ',', '.', '-', '/']).filter(|word| !word.is_empty()).collect();
    let month_at = words.iter().position(|word| month_of(word).is_some())?;
    let month = month_of(words.get(month_at)?)?;
    let numbers: Vec<&str> =
        words.iter().enumerate().filter(|(at, _)| *at != month_at).map(|(_, word)| *word).collect();
    let [first, second] = numbers[..] else { return Some(Err(DayFault::Unreadable)) };
    let (dom, year) = match month_at {
        0 | 1 if second.len() == 4 => (first, second),
        1 if first.len() == 4 => (second, first),
        _ => return Some(Err(DayFault::Unreadable)),
    };
    let dom = ["st", "nd", "rd", "th"].iter().find_map(|suffix| dom.strip_suffix(suffix)).unwrap_or(dom);
    let (Some(dom), Some(year)) = (number(dom), number(year)) else { return Some(Err(DayFault::Unreadable)) };
    Some(year_of(year).and_then(|year| day(year, month, dom)))
}

/// Number 1-12 of a month's name, or of its first three letters (`sept` too).
fn month_of(word: &str) -> Option<u32> {
    let found = MONTHS.iter().position(|month| {
        *month == word || (word.len() == 3 && month.starts_with(word)) || (word == "sept" && *month == "september")
    })?;
    u32::try_from(found).ok().map(|month| month + 1)
}

/// The text without a weekday behind (in parentheses) or an English one before, and that weekday.
fn split_weekday(folded: &str) -> (&str, Option<Weekday>) {
    if let Some(inner) = folded.strip_suffix(')')
        && let Some((before, name)) = inner.rsplit_once('(')
        && let Some(weekday) = weekday_of(name.trim())
    {
        return (before.trim_end(), Some(weekday));
    }
    if let Some((name, after)) = folded.split_once([',', ' '])
        && let Some(weekday) = weekday_of(name)
    {
        return (after.trim_start(), Some(weekday));
    }
    (folded, None)
}

fn weekday_of(name: &str) -> Option<Weekday> {
    let bare = name.trim_end_matches('.');
    let at = WEEKDAYS.iter().position(|(japanese, english)| {
        bare.trim_end_matches("曜日").trim_end_matches('曜') == *japanese
            || bare == *english
            || (bare.len() == 3 && english.starts_with(bare))
    });
    u8::try_from(at?).ok().and_then(|at| Weekday::try_from(at).ok())
}

fn year_of(year: u32) -> Result<i32, DayFault> {
    i32::try_from(year).ok().filter(|year| YEARS.contains(year)).ok_or(DayFault::Impossible)
}

fn day(year: i32, month: u32, dom: u32) -> Result<NaiveDate, DayFault> {
    NaiveDate::from_ymd_opt(year, month, dom).ok_or(DayFault::Impossible)
}

/// A number of ASCII digits only.
fn number(digits: &str) -> Option<u32> {
    (!digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// The time of day a text means, to the minute; `None` if it means none.
pub fn read_time(typed: &str) -> Option<NaiveTime> {
    if typed.chars().count() > limits::DAY_CHARS {
        return None;
    }
    read_folded_time(&text::fold(typed))
}

fn read_folded_time(folded: &str) -> Option<NaiveTime> {
    let (rest, half) = split_half_day(folded);
    let (hour, minute) = if let Some((hour, rest)) = rest.split_once('時') {
        let minute = match rest.trim() {
            "" => 0,
            "半" => 30,
            minutes => number(minutes.strip_suffix('分')?.trim())?,
        };
        (number(hour.trim())?, minute)
    } else if let Some((hour, rest)) = rest.split_once(':') {
        let (minute, seconds) = rest.split_once(':').unwrap_or((rest, "00"));
        if minute.len() != 2 || seconds.len() != 2 || number(seconds)? > 59 {
            return None;
        }
        (number(hour.trim())?, number(minute)?)
    } else {
        // A bare number is a time only where it says which half of the day it is in.
        half?;
        (number(rest)?, 0)
    };
    let hour = match half {
        None => hour,
        Some(Half::Japanese(afternoon)) => (hour < 12).then_some(hour + afternoon)?,
        Some(Half::English(afternoon)) => (1..=12).contains(&hour).then_some(hour % 12 + afternoon)?,
    };
    NaiveTime::from_hms_opt(hour, minute, 0)
}

/// Half of the day and what it adds to the hour; noon is 午後0時 but 12 pm.
#[derive(Clone, Copy)]
enum Half {
    Japanese(u32),
    English(u32),
}

fn split_half_day(folded: &str) -> (&str, Option<Half>) {
    for (prefix, half) in [("午前", Half::Japanese(0)), ("午後", Half::Japanese(12))] {
        if let Some(rest) = folded.strip_prefix(prefix) {
            return (rest.trim_start(), Some(half));
        }
    }
    for (suffix, half) in
        [("am", Half::English(0)), ("a.m.", Half::English(0)), ("pm", Half::English(12)), ("p.m.", Half::English(12))]
    {
        if let Some(rest) = folded.strip_suffix(suffix) {
            return (rest.trim_end(), Some(half));
        }
    }
    (folded, None)
}

/// The day and time a text means: a day, then a time, parted by a blank, `T` or nothing (`2026年11月1日15時`).
pub fn read_day_time(typed: &str) -> Option<NaiveDateTime> {
    if typed.chars().count() > 2 * limits::DAY_CHARS {
        return None;
    }
    let folded = text::fold(typed);
    folded.char_indices().skip(1).find_map(|(at, c)| {
        let left = folded[..at].trim_end();
        // Only these can begin a time: anything else is tried in vain.
        let right = match c {
            't' => &folded[at + 1..],
            ' ' => folded[at..].trim_start(),
            '午' => &folded[at..],
            _ if left.ends_with(['日', ')']) => &folded[at..],
            _ => return None,
        };
        let time = read_folded_time(right)?;
        read_day(left).ok().map(|day| day.and_time(time))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ymd(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn one_day_in_many_forms() {
        for typed in [
            "2026-11-01",
            "2026/11/1",
            "2026.11.01",
            "２０２６／１１／０１",
            "2026−11−01",
            "20261101",
            "2026年11月1日",
            "2026 年 11 月 1 日",
            "令和8年11月1日",
            "令和８年１１月１日",
            "R8.11.1",
            "Ｒ８．１１．１",
            "R8/11/1",
            "r08-11-01",
            "R.8.11.1",
            "1 Nov 2026",
            "Nov 1, 2026",
            "November 1st 2026",
            "1-Nov-2026",
            "2026 Nov 1",
            "2026/11/01(日)",
            "2026年11月1日（日曜日）",
            "Sun, 1 Nov 2026",
            "Nov. 1, 2026",
            "01/11/2026(Sun)",
        ] {
            let expected = if typed == "01/11/2026(Sun)" { Err(DayFault::Ambiguous) } else { Ok(ymd(2026, 11, 1)) };
            assert_eq!(read_day(typed), expected, "{typed}");
        }
        assert_eq!(read_day("25/12/2026"), Ok(ymd(2026, 12, 25)));
        assert_eq!(read_day("12.25.2026"), Ok(ymd(2026, 12, 25)));
        assert_eq!(read_day("05/05/2026"), Ok(ymd(2026, 5, 5)));
    }

    #[test]
    fn eras_begin_and_end() {
        assert_eq!(read_day("令和元年5月1日"), Ok(ymd(2019, 5, 1)));
        assert_eq!(read_day("R1.4.30"), Err(DayFault::Impossible));
        assert_eq!(read_day("平成31年4月30日"), Ok(ymd(2019, 4, 30)));
        assert_eq!(read_day("H31.5.1"), Err(DayFault::Impossible));
        assert_eq!(read_day("S64/1/7"), Ok(ymd(1989, 1, 7)));
        assert_eq!(read_day("昭和元年12月25日"), Ok(ymd(1926, 12, 25)));
        assert_eq!(read_day("M45.7.29"), Ok(ymd(1912, 7, 29)));
        assert_eq!(read_day("R0.5.1"), Err(DayFault::Impossible));
    }

    #[test]
    fn what_is_no_day_or_two() {
        for typed in ["2026-02-29", "2026/13/01", "2026-11-31", "31/31/2026", "R8.2.30", "2026/11/01(月)", "0001-01-01"]
        {
            assert_eq!(read_day(typed), Err(DayFault::Impossible), "{typed}");
        }
        for typed in ["01/02/2026", "1.2.2026", "26/11/01", "1/2/3"] {
            assert_eq!(read_day(typed), Err(DayFault::Ambiguous), "{typed}");
        }
        for typed in
            ["", "yesterday", "2026-11", "2026/11-01", "11/01", "2026年11月", "-1-1-2026", "2026-11-01x", "20266-1-1"]
        {
            assert_eq!(read_day(typed), Err(DayFault::Unreadable), "{typed}");
        }
    }

    #[test]
    fn times() {
        for (typed, hour, minute) in [
            ("9:05", 9, 5),
            ("09:05", 9, 5),
            ("９：０５", 9, 5),
            ("9時5分", 9, 5),
            ("15時", 15, 0),
            ("午後3時", 15, 0),
            ("午前 9時半", 9, 30),
            ("午後0時10分", 12, 10),
            ("3:05 PM", 15, 5),
            ("12 am", 0, 0),
            ("12pm", 12, 0),
            ("9:05:59", 9, 5),
            ("午後3:05", 15, 5),
        ] {
            assert_eq!(read_time(typed), NaiveTime::from_hms_opt(hour, minute, 0), "{typed}");
        }
        for typed in ["", "9", "24:00", "9:5", "9:60", "午後12時", "13pm", "9時61分", "905"] {
            assert_eq!(read_time(typed), None, "{typed}");
        }
    }

    #[test]
    fn day_times() {
        let at = ymd(2026, 11, 1).and_hms_opt(15, 0, 0).unwrap();
        for typed in [
            "2026-11-01T15:00",
            "2026/11/1 15:00",
            "2026年11月1日15時",
            "2026年11月1日 午後3時",
            "R8.11.1 午後3時",
            "2026/11/01(日) 15:00",
            "1 Nov 2026 3pm",
            "Nov 1, 2026 3:00 pm",
        ] {
            assert_eq!(read_day_time(typed), Some(at), "{typed}");
        }
        assert_eq!(read_day_time("2026-11-01"), None);
        assert_eq!(read_day_time("15:00"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = (read_day(&text), read_time(&text), read_day_time(&text));
        }

        #[test]
        fn any_day_like_text_is_read_without_panic(text in "[0-9年月日/.\\-令和元RHSnovT: 午後時分(]{0,24}") {
            let _ = (read_day(&text), read_time(&text), read_day_time(&text));
        }

        #[test]
        fn printed_days_are_read_back(days in 0i64..100_000) {
            let day = ymd(1900, 1, 1) + chrono::Days::new(u64::try_from(days).unwrap());
            prop_assume!(day.year() < 2200);
            for form in ["%Y-%m-%d", "%Y/%-m/%-d", "%Y年%-m月%-d日", "%-d %b %Y", "%B %-d, %Y", "%Y%m%d", "%Y-%m-%d (%a)"] {
                let text = day.format(form).to_string();
                prop_assert_eq!(read_day(&text), Ok(day), "{}", text);
            }
        }
    }
}
