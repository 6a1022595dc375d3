//! One typed text → the value it means for one item, or what is wrong with it.

use chrono::NaiveDate;
use num_bigint::BigInt;

use super::number::{self, Digits, Kind};
use super::{Fault, FaultCode, Value};
use crate::domain::calendar;
use crate::domain::file::FileAnswer;
use crate::domain::instrument::{Choice, Choices, DayBound, Item, ItemKind, Limits};
use crate::domain::language::Text;
use crate::domain::number::Rational;
use crate::domain::study::Study;
use crate::domain::text;
use crate::limits;

const YES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/words/yes.txt"));
const NO: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/words/no.txt"));
const UNITS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/words/units.txt"));

/// What is wrong with one typed text, and what would be right (see [`super::Fault::expected`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub code: FaultCode,
    pub expected: String,
}

type Reading = Result<Value, Wrong>;

fn wrong(code: FaultCode, expected: impl Into<String>) -> Wrong {
    Wrong { code, expected: expected.into() }
}

/// What a typed text, not blank, means for an item; hard limits are kept.
pub(super) fn read(study: &Study, item: &Item, typed: &str, today: NaiveDate) -> Reading {
    if text::has_control(typed) || (text::has_bidi(typed) && is_coded(&item.kind)) {
        return Err(wrong(FaultCode::Control, ""));
    }
    if typed.chars().count() > limits::ANSWER_CHARS {
        return Err(wrong(FaultCode::Range, format!("..{}", limits::ANSWER_CHARS)));
    }
    let value = read_kind(study, item, typed)?;
    // Whoever asks for AURORA-0003 later, in an emergency too, must mean one subject.
    if item.id == study.registration.subject_item && study.parse_subject_number(typed).is_some() {
        return Err(wrong(FaultCode::OurNumber, ""));
    }
    match outside(&item.hard, &value, today) {
        Some(expected) => Err(wrong(FaultCode::Range, expected)),
        None => Ok(value),
    }
}

/// As `read`, of a single item and no form; what is wrong is told as of one.
pub fn read_one(study: &Study, item: &Item, typed: &str, today: NaiveDate) -> Result<Value, Fault> {
    let fault = |Wrong { code, expected }| Fault { item: item.id.clone(), code, typed: typed.to_string(), expected };
    read(study, item, typed, today).map_err(fault)
}

/// Whether a value of this kind is a code, number or day rather than free text.
fn is_coded(kind: &ItemKind) -> bool {
    !matches!(kind, ItemKind::Note | ItemKind::Text { pattern: None })
}

fn read_kind(study: &Study, item: &Item, typed: &str) -> Reading {
    match &item.kind {
        ItemKind::Text { pattern: None } => Ok(Value::Text(text::squeeze(&visible(typed)))),
        ItemKind::Text { pattern: Some(pattern) } => candidates(typed)
            .into_iter()
            .find(|candidate| pattern.compiled.is_match(candidate))
            .map(Value::Text)
            .ok_or_else(|| wrong(FaultCode::Pattern, pattern.source.clone())),
        ItemKind::Note => Ok(Value::Text(note(typed))),
        ItemKind::Integer => whole(item, typed).map(Value::Integer).ok_or_else(|| wrong(FaultCode::Type, "integer")),
        ItemKind::Scale { low, high } => {
            let step = whole(item, typed).ok_or_else(|| wrong(FaultCode::Type, "integer"))?;
            if (*low..=*high).contains(&step) {
                Ok(Value::Integer(step))
            } else {
                Err(wrong(FaultCode::Range, format!("{low}..{high}")))
            }
        }
        ItemKind::Decimal { places } => read_number(item, typed, Kind::Fraction)
            .filter(|digits| u32::try_from(digits.fraction.len()).is_ok_and(|used| used <= *places))
            .map(|digits| Value::Decimal(digits.canonical()))
            .ok_or_else(|| wrong(FaultCode::Type, format!("decimal:{places}"))),
        ItemKind::Date => calendar::read_day(typed).map(Value::Date).map_err(|_| wrong(FaultCode::Date, "date")),
        ItemKind::Time => calendar::read_time(typed).map(Value::Time).ok_or_else(|| wrong(FaultCode::Type, "time")),
        ItemKind::DateTime => {
            calendar::read_day_time(typed).map(Value::DateTime).ok_or_else(|| wrong(FaultCode::Date, "datetime"))
        }
        ItemKind::YesNo => yes_or_no(typed).map(Value::YesNo).ok_or_else(|| wrong(FaultCode::Type, "yesno")),
        ItemKind::Choice(Choices::Sites) => {
            site(study, typed).map(Value::Choice).ok_or_else(|| wrong(FaultCode::Unknown, ""))
        }
        ItemKind::Choice(Choices::Listed(listed)) => {
            one_choice(listed, typed).map(Value::Choice).ok_or_else(|| wrong(FaultCode::Code, codes(listed)))
        }
        ItemKind::Choices(Choices::Listed(listed)) => {
            several_choices(listed, typed).map(Value::Choices).ok_or_else(|| wrong(FaultCode::Code, codes(listed)))
        }
        ItemKind::Choices(Choices::Sites) => several(typed, |part| site(study, part))
            .map(|found| Value::Choices(in_order(study.sites.iter().map(|site| &site.code), &found)))
            .ok_or_else(|| wrong(FaultCode::Unknown, "")),
        // Never matched to a line: nothing is asked, or the answer is not typed.
        ItemKind::File(_) | ItemKind::Heading | ItemKind::Calculation(_) => Err(wrong(FaultCode::Type, "")),
    }
}

/// Free text without invisible characters at all.
fn visible(typed: &str) -> String {
    text::without_controls(typed).chars().filter(|c| !text::is_invisible(*c)).collect()
}

/// Lines of a note, each without blanks at its ends; none blank before the first or behind the last.
fn note(typed: &str) -> String {
    let visible = visible(typed);
    let lines: Vec<&str> = visible.lines().map(str::trim).collect();
    lines.join("\n").trim_matches('\n').to_string()
}

/// The forms in which an identifier is tried against its pattern, the most faithful first.
fn candidates(typed: &str) -> Vec<String> {
    let wide = text::squeeze(&text::fold_width(typed));
    let dashed = text::fold_dashes(&wide);
    let tight: String = dashed.chars().filter(|c| *c != ' ').collect();
    let mut forms = vec![wide, dashed, tight];
    for cased in [
        forms.iter().map(|form| form.to_uppercase()).collect::<Vec<_>>(),
        forms.iter().map(|form| form.to_lowercase()).collect(),
    ] {
        forms.extend(cased);
    }
    forms
}

fn read_number(item: &Item, typed: &str, kind: Kind) -> Option<Digits> {
    let folded = text::fold(typed);
    number::read(&folded, kind).or_else(|| {
        let bare = without_unit(&folded, item.unit.as_ref())?;
        number::read(bare, kind)
    })
}

fn whole(item: &Item, typed: &str) -> Option<i64> {
    let digits = read_number(item, typed, Kind::Whole)?;
    digits.canonical().parse().ok()
}

/// A folded number without the item's unit, one that means the same, or a unit that any number may carry.
fn without_unit<'t>(folded: &'t str, unit: Option<&Text>) -> Option<&'t str> {
    let own: Vec<String> = unit.iter().flat_map(|unit| unit.wordings()).map(|(_, unit)| text::fold(unit)).collect();
    let mut known = own.clone();
    for (at, group) in text::words(UNITS).enumerate() {
        let group: Vec<String> = group.split(',').map(text::fold).collect();
        if at == 0 || group.iter().any(|unit| own.contains(unit)) {
            known.extend(group);
        }
    }
    let longest = known.iter().filter_map(|unit| folded.strip_suffix(unit.as_str())).min_by_key(|rest| rest.len())?;
    Some(longest.trim_end())
}

fn yes_or_no(typed: &str) -> Option<bool> {
    let matches = |list: &str, folded: &str| text::words(list).any(|word| text::fold_tight(word) == folded);
    let meaning = |folded: &str| match (matches(YES, folded), matches(NO, folded)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    };
    in_one_or_two_parts(&text::fold(typed), meaning)
}

/// What a folded text means as a whole, or what both its parts mean if it is said twice: `F (女)`, `1: yes`, `012 Ward`.
/// `meaning` gets a text without blanks.
fn in_one_or_two_parts<T: PartialEq>(folded: &str, meaning: impl Fn(&str) -> Option<T>) -> Option<T> {
    let tight = |part: &str| -> String { part.trim_matches(is_between).chars().filter(|c| *c != ' ').collect() };
    if let Some(found) = meaning(&folded.replace(' ', "")) {
        return Some(found);
    }
    // A text longer than any choice would be tried at every blank.
    folded.char_indices().filter(|(_, c)| is_between(*c)).take(20).find_map(|(at, c)| {
        let left = meaning(&tight(&folded[..at]))?;
        let right = meaning(&tight(&folded[at + c.len_utf8()..]))?;
        (left == right).then_some(left)
    })
}

fn is_between(c: char) -> bool {
    matches!(c, ' ' | '(' | ')' | ':' | '=' | '.' | ',' | '/' | '、' | '・' | '-' | '[' | ']' | '「' | '」' | '<' | '>')
}

fn one_choice(listed: &[Choice], typed: &str) -> Option<String> {
    in_one_or_two_parts(&text::fold(typed), |folded| {
        only(listed.iter().filter(|choice| means(choice, folded))).map(|choice| choice.code.clone())
    })
}

fn means(choice: &Choice, tight: &str) -> bool {
    !tight.is_empty()
        && (text::fold_tight(&choice.code) == tight
            || choice.label.wordings().any(|(_, label)| text::fold_tight(label) == tight)
            || choice.aliases.iter().any(|alias| text::fold_tight(alias) == tight))
}

fn only<T>(mut found: impl Iterator<Item = T>) -> Option<T> {
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn several_choices(listed: &[Choice], typed: &str) -> Option<Vec<String>> {
    let found = match one_choice(listed, typed) {
        Some(code) => vec![code],
        None => several(typed, |part| one_choice(listed, part))?,
    };
    Some(in_order(listed.iter().map(|choice| &choice.code), &found))
}

/// Every part of an enumeration, read.
fn several(typed: &str, read_part: impl Fn(&str) -> Option<String>) -> Option<Vec<String>> {
    let lines = typed.replace(['\n', ';'], ",");
    let parts: Vec<String> = text::fold(&lines)
        .split([',', '、', '/', '・', '+', ';'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_string)
        .collect();
    if parts.is_empty() || parts.len() > limits::CHOICES {
        return None;
    }
    parts.iter().map(|part| read_part(part)).collect()
}

/// The found codes in the order of the item, each once.
fn in_order<'c>(offered: impl Iterator<Item = &'c String>, found: &[String]) -> Vec<String> {
    offered.filter(|code| found.contains(code)).cloned().collect()
}

/// The code of a site by its code or name; a number without its leading zeros will do where it is the only such.
fn site(study: &Study, typed: &str) -> Option<String> {
    let exact = |tight: &str| {
        only(study.sites.iter().filter(|site| {
            !tight.is_empty()
                && (text::fold_tight(&site.code) == tight
                    || site.name.wordings().any(|(_, name)| text::fold_tight(name) == tight))
        }))
        .map(|site| site.code.clone())
    };
    let folded = text::fold(typed);
    in_one_or_two_parts(&folded, exact).or_else(|| {
        let number = |code: &str| -> Option<String> {
            let digits = !code.is_empty() && code.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| code.trim_start_matches('0').to_string())
        };
        let wanted = number(&folded)?;
        only(study.sites.iter().filter(|site| number(&text::fold(&site.code)) == Some(wanted.clone())))
            .map(|site| site.code.clone())
    })
}

/// The codes offered, for the fault; empty where they are too many to be of use.
fn codes(listed: &[Choice]) -> String {
    if listed.len() > limits::EXPECTED_CODES {
        return String::new();
    }
    listed.iter().map(|choice| choice.code.as_str()).collect::<Vec<_>>().join(";")
}

/// The limits as `20..99` or `2026-04-01..2026-11-20`, if the value lies outside of them.
pub(super) fn outside(limits: &Limits, value: &Value, today: NaiveDate) -> Option<String> {
    let day = match value {
        Value::Integer(number) => return outside_numbers(limits, &Rational::from_integer(BigInt::from(*number))),
        Value::Decimal(digits) => return outside_numbers(limits, &exact(digits)?),
        Value::Date(day) => *day,
        Value::DateTime(at) => at.date(),
        _ => return None,
    };
    let earliest = limits.earliest.and_then(|bound| resolve(bound, today));
    let latest = limits.latest.and_then(|bound| resolve(bound, today));
    let inside = earliest.is_none_or(|bound| bound <= day) && latest.is_none_or(|bound| day <= bound);
    let iso = |bound: Option<NaiveDate>| bound.map(|day| day.format("%Y-%m-%d").to_string()).unwrap_or_default();
    (!inside).then(|| format!("{}..{}", iso(earliest), iso(latest)))
}

fn outside_numbers(limits: &Limits, number: &Rational) -> Option<String> {
    let inside = limits.min.as_ref().is_none_or(|bound| bound <= number)
        && limits.max.as_ref().is_none_or(|bound| number <= bound);
    let printed = |bound: &Option<Rational>| bound.as_ref().map(decimal).unwrap_or_default();
    (!inside).then(|| format!("{}..{}", printed(&limits.min), printed(&limits.max)))
}

/// The day a bound means on the day of reading.
fn resolve(bound: DayBound, today: NaiveDate) -> Option<NaiveDate> {
    match bound {
        DayBound::On(day) => Some(day),
        DayBound::Today(days) => today.checked_add_signed(chrono::TimeDelta::try_days(days)?),
    }
}

/// What a stored answer means: the value whose [canonical](Value::canonical) form the text is; `None` for texts that are none, and
/// for kinds without answers or whose answers are computed.
pub fn of_canonical(kind: &ItemKind, text: &str) -> Option<Value> {
    Some(match kind {
        ItemKind::Text { .. } | ItemKind::Note => Value::Text(text.to_string()),
        ItemKind::Integer | ItemKind::Scale { .. } => Value::Integer(text.parse().ok()?),
        ItemKind::Decimal { .. } => Value::Decimal(text.to_string()),
        ItemKind::Date => Value::Date(text.parse().ok()?),
        ItemKind::Time => Value::Time(chrono::NaiveTime::parse_from_str(text, "%H:%M").ok()?),
        ItemKind::DateTime => Value::DateTime(chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok()?),
        ItemKind::YesNo => Value::YesNo(match text {
            "yes" => true,
            "no" => false,
            _ => return None,
        }),
        ItemKind::Choice(_) => Value::Choice(text.to_string()),
        ItemKind::Choices(_) => Value::Choices(text.split(';').map(str::to_string).collect()),
        ItemKind::File(_) => Value::File(FileAnswer::parse(text)?),
        ItemKind::Heading | ItemKind::Calculation(_) => return None,
    })
}

/// The exact number of canonical digits such as `-12.5`.
pub fn exact(digits: &str) -> Option<Rational> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if digits.len() > limits::NUMBER_DIGITS + 2 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scaled: BigInt = format!("{whole}{fraction}").parse().ok()?;
    let power = u32::try_from(fraction.len()).ok()?;
    Some(Rational::new(scaled, BigInt::from(10).pow(power)))
}

/// A bound as a decimal where it is one, which all bounds of a bundle are.
fn decimal(number: &Rational) -> String {
    if number.is_integer() {
        return number.to_string();
    }
    let mut scaled = number.clone();
    for places in 1..=limits::NUMBER_DIGITS {
        scaled *= BigInt::from(10);
        if scaled.is_integer() {
            let digits = scaled.to_integer().magnitude().to_string();
            let padded = format!("{digits:0>width$}", width = places + 1);
            let sign = if scaled < Rational::from_integer(BigInt::from(0)) { "-" } else { "" };
            let (whole, fraction) = padded.split_at(padded.len() - places);
            return format!("{sign}{whole}.{fraction}");
        }
    }
    number.to_string()
}
