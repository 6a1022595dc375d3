//! Until when somebody is away, as an automatic answer says: `until 5 Dec`, `back on December 6`, `12月5日まで`. Whatever is not clear is
//! nothing: a reminder then comes at its time, as if nobody had answered.

use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate};
use regex::{Captures, Regex};

use crate::domain::text;
use crate::limits;

/// Words by which an answer speaks of an absence at all, in lower case.
const AWAY: [&str; 18] = [
    "out of office",
    "out of the office",
    "out-of-office",
    "away",
    "absen",
    "vacation",
    "holiday",
    "on leave",
    "annual leave",
    "be back",
    "return",
    "不在",
    "休暇",
    "休み",
    "休業",
    "出張",
    "外出",
    "留守",
];

/// Months by their first letters.
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A day as it is written: `2026-12-05`, `2026/12/5`, `5 December 2026`, `5th of Dec`, `December 5, 2026`. A day and a month by numbers
/// alone mean different things in different countries.
const DAY: &str = concat!(
    r"(?:(?P<iy>20\d\d)[-/.](?P<im>\d{1,2})[-/.](?P<id>\d{1,2})",
    r"|(?P<dd>\d{1,2})(?:st|nd|rd|th)?\.?(?: of)? ",
    r"(?P<dm>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?(?:,? (?P<dy>20\d\d))?",
    r"|(?P<mm>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? ",
    r"(?P<md>\d{1,2})(?:st|nd|rd|th)?\b(?:,? (?P<my>20\d\d))?)",
);
/// A weekday before it.
const WEEKDAY: &str = r"(?: (?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?)?(?: the)?";
/// A day in Japanese, perhaps with its weekday: `2026年12月5日(土)`, `12月5日`, `12/5`.
const JAPANESE_DAY: &str =
    r"(?:(?P<jy>20\d\d)[年/])?(?P<jm>\d{1,2})[月/](?P<jd>\d{1,2})日?(?:\([日月火水木金土](?:曜日?)?(?:・祝)?\))?";

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a test compiles it")
}

/// The last day of the absence.
static UNTIL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"\b(?:until|till|til|through|thru|up to)(?: and including| the| end of)?{WEEKDAY} {DAY}"))
});
/// The first day after it.
static BACK: LazyLock<Regex> = LazyLock::new(|| {
    let place = r"(?: (?:to|in|at|into)(?: the| my)?(?: [a-z]+)?)?";
    pattern(&format!(r"\b(?:back|return|returning){place}(?: again)? on{WEEKDAY} {DAY}"))
});
/// The last day of it in Japanese; what is wanted by then (までに) is no absence.
static MADE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"{JAPANESE_DAY}(?:まで|迄)(?P<ni>に)?")));
/// The first day after it in Japanese.
static MODORU: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"{JAPANESE_DAY}(?:から|より|に)(?:は)?(?:通常)?(?:どおり|通り)?(?:の)?(?:出社|出勤|復帰|勤務|戻り|業務|診療)"
    ))
});

/// The last day of the absence that an automatic answer of `written` tells: one day, not before `written` and at most
/// [`limits::ABSENCE_DAYS`] ahead. None where it tells none, or several.
pub(super) fn until(subject: &str, text: &str, written: NaiveDate) -> Option<NaiveDate> {
    let own = own_words(text);
    let spaced = text::squeeze(&text::fold_width(&format!("{subject}\n{own}")).to_lowercase());
    if !AWAY.iter().any(|word| spaced.contains(word)) {
        return None;
    }
    // Blanks between Japanese characters are a matter of taste.
    let tight = spaced.replace(' ', "");
    let until = UNTIL.captures_iter(&spaced).map(|found| english(&found, written));
    let back = BACK.captures_iter(&spaced).map(|found| english(&found, written).and_then(|day| day.pred_opt()));
    let made = MADE.captures_iter(&tight).filter(|found| found.name("ni").is_none());
    let made = made.map(|found| japanese(&found, written));
    let modoru = MODORU.captures_iter(&tight).map(|found| japanese(&found, written).and_then(|day| day.pred_opt()));
    let told: Vec<Option<NaiveDate>> = until.chain(back).chain(made).chain(modoru).collect();
    // A day that is none, or two that differ, leave it open.
    let first = (*told.first()?)?;
    let ahead = first.signed_duration_since(written).num_days();
    (told.iter().all(|day| *day == Some(first)) && (0..=limits::ABSENCE_DAYS).contains(&ahead)).then_some(first)
}

/// What stands before a copy of our letter, whose days mean something else.
fn own_words(text: &str) -> String {
    let quoted = |line: &&str| {
        let line = line.trim_start();
        line.starts_with(['>', '|', '＞'])
    };
    let copy = |line: &&str| {
        let line = line.trim();
        line.starts_with("-----")
            || line.starts_with("_____")
            || line.starts_with("From:")
            || line.starts_with("差出人")
    };
    let before: Vec<&str> = text.lines().take_while(|line| !copy(line)).filter(|line| !quoted(line)).collect();
    before.join("\n")
}

fn number(found: &Captures<'_>, name: &str) -> Option<u32> {
    found.name(name)?.as_str().parse().ok()
}

fn month(found: &Captures<'_>, name: &str) -> Option<u32> {
    let word = found.name(name)?.as_str();
    let at = MONTHS.iter().position(|month| word.starts_with(month))?;
    u32::try_from(at + 1).ok()
}

fn english(found: &Captures<'_>, written: NaiveDate) -> Option<NaiveDate> {
    if let Some(year) = number(found, "iy") {
        return date(Some(year), number(found, "im")?, number(found, "id")?, written);
    }
    match month(found, "dm") {
        Some(month) => date(number(found, "dy"), month, number(found, "dd")?, written),
        None => date(number(found, "my"), month(found, "mm")?, number(found, "md")?, written),
    }
}

fn japanese(found: &Captures<'_>, written: NaiveDate) -> Option<NaiveDate> {
    date(number(found, "jy"), number(found, "jm")?, number(found, "jd")?, written)
}

/// The day; without a year the next one that is so called.
fn date(year: Option<u32>, month: u32, day: u32, written: NaiveDate) -> Option<NaiveDate> {
    let of = |year: i32| NaiveDate::from_ymd_opt(year, month, day);
    match year {
        Some(year) => of(i32::try_from(year).ok()?),
        None => of(written.year()).filter(|day| *day >= written).or_else(|| of(written.year().checked_add(1)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(subject: &str, text: &str) -> Option<String> {
        until(subject, text, "2026-11-20".parse().unwrap()).map(|day| day.to_string())
    }

    #[test]
    fn a_day_of_return_is_read() {
        for (text, day) in [
            ("I am out of the office until 5 Dec and answer afterwards.", "2026-12-05"),
            ("I am away until Saturday, 5th of December 2026.", "2026-12-05"),
            ("Away till December 5th.", "2026-12-05"),
            ("On leave through 2026-12-05; urgent matters: the ward.", "2026-12-05"),
            ("On vacation until the 3 January", "2027-01-03"),
            ("I am away and will be back in the office on Monday, 7 December.", "2026-12-06"),
            ("Out of office. I return on Dec 7, 2026", "2026-12-06"),
            ("Out of the office. I will be returning to work on 7 December 2026.", "2026-12-06"),
            ("12月5日まで不在にしております。", "2026-12-05"),
            ("１２月５日（土）まで休暇をいただいております。", "2026-12-05"),
            ("出張のため 12/5 まで不在です", "2026-12-05"),
            ("11月24日から2026年12月5日まで休みます。", "2026-12-05"),
            ("休暇中です。12月7日より出社いたします。", "2026-12-06"),
            ("不在にしております。12月7日(月)に復帰します。", "2026-12-06"),
            ("12月5日まで不在です。\nI am away until 5 December.", "2026-12-05"),
        ] {
            assert_eq!(told("Automatic reply", text).as_deref(), Some(day), "{text}");
        }
        assert_eq!(told("不在通知(12月5日まで)", "").as_deref(), Some("2026-12-05"));
    }

    #[test]
    fn what_is_not_clear_is_nothing() {
        for text in [
            "",
            "I am out of the office.",
            // The day is over, or too far away, or none.
            "I am away until 19 November 2026.",
            "I am away until 1 June.",
            "I am away until 31 November.",
            // The month and the day can be taken for each other.
            "I am away until 5/12.",
            // Two days.
            "I am away until 5 December; the ward is closed until 7 December.",
            // Something is asked for until then.
            "不在です。お急ぎの方は12月5日までにご連絡ください。",
            // The day of our own letter.
            "I am away.\n> Please answer until 5 December.",
            "不在です。\n-----Original Message-----\n回答期限は12月5日まで",
        ] {
            assert_eq!(told("Out of Office", text), None, "{text}");
        }
        assert_eq!(told("Automatic reply", "Thank you. Your mail will be answered until 5 December."), None);
    }
}
