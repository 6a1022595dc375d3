//! Facts of a form: its lines as our own reader takes them, what was wrong, what would be right, what was read.

use std::collections::BTreeMap;

use num_traits::{One, Signed, Zero};
use serde::{Deserialize, Serialize};

use super::piped::{in_words, piped};
use super::short;
use crate::domain::answer::{Fault, FaultCode, Form};
use crate::domain::file::{FileAnswer, size_text};
use crate::domain::instrument::{Choices, DayBound, Instrument, Item, ItemKind, Limits, pipe};
use crate::domain::language::{Language, Text};
use crate::domain::number::{self, Rational};
use crate::domain::study::{Person, Randomization, Study};
use crate::letters::{clean, words};
use crate::limits;

/// For whom a form is worded, and on which day (relative day limits name the day they mean).
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The study.
    pub study: &'a Study,
    /// Who reads it: a choice of sites names theirs.
    pub person: &'a Person,
    /// Day of reading in the study's zone.
    pub today: chrono::NaiveDate,
    /// Language of the labels.
    pub language: Language,
}

/// What stands for a personal value (all letters but the sender's own form).
const MASK: &str = "●●●";

/// One registered answer, as a letter repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The item's label.
    pub label: String,
    /// The value in words; masked if personal.
    pub value: String,
    /// Unit behind it; empty if none.
    pub unit: String,
}

impl Shown {
    /// The answers in the order of the items, from canonical values by item id; personal ones masked.
    pub fn list(
        study: &Study,
        instrument: &Instrument,
        canonical: &BTreeMap<String, String>,
        language: Language,
    ) -> Vec<Shown> {
        let answered = instrument.items.iter().filter_map(|item| Some((item, canonical.get(&item.id)?)));
        let shown = |(item, value): (&Item, &String)| {
            let label = short(&piped(study, instrument, canonical, item.label.in_language(language), language));
            Shown { label, ..Shown::new(study, item, value, language) }
        };
        answered.map(shown).collect()
    }

    /// One answer for whoever gave it: nothing is masked or cut.
    pub fn own(
        study: &Study,
        instrument: &Instrument,
        item: &Item,
        canonical: &BTreeMap<String, String>,
        language: Language,
    ) -> Shown {
        let value = canonical.get(&item.id).map_or("", String::as_str);
        let shown = Shown::new(study, &Item { personal: false, ..item.clone() }, value, language);
        Shown {
            label: piped(study, instrument, canonical, item.label.in_language(language), language),
            value: match item.kind {
                ItemKind::Text { .. } | ItemKind::Note => value.to_string(),
                ItemKind::Choice(_) | ItemKind::Choices(_) if !value.is_empty() => {
                    in_words(study, item, value, language)
                }
                ItemKind::Calculation(_) if item.name_of(study, value, language).is_some() => {
                    in_words(study, item, value, language)
                }
                _ => shown.value,
            },
            ..shown
        }
    }

    fn new(study: &Study, item: &Item, canonical: &str, language: Language) -> Shown {
        let calculated = matches!(item.kind, ItemKind::Calculation(_));
        let named = calculated && !item.personal && item.name_of(study, canonical, language).is_some();
        Shown {
            label: short(item.label.in_language(language)),
            value: match calculated && !named && !item.personal {
                true => rounded(canonical),
                false => shown_value(study, item, canonical, language),
            },
            // Behind a name no unit makes sense.
            unit: if named { String::new() } else { in_language(item.unit.as_ref(), language) },
        }
    }
}

/// A canonical value in words: choices and calculated values that have a name by it and their code, personal values masked.
pub(super) fn shown_value(study: &Study, item: &Item, canonical: &str, language: Language) -> String {
    if item.personal {
        return MASK.to_string();
    }
    let named = |code: &str| match item.name_of(study, code, language) {
        Some(label) if label != code => format!("{label} ({code})"),
        _ => code.to_string(),
    };
    let comma = comma(language);
    match &item.kind {
        ItemKind::Choice(_) | ItemKind::Calculation(_) => short(&named(canonical)),
        ItemKind::Choices(_) => short(&canonical.split(';').map(named).collect::<Vec<_>>().join(comma)),
        ItemKind::YesNo => words::yes_no(language, canonical).to_string(),
        ItemKind::DateTime => short(&canonical.replace('T', " ")),
        ItemKind::File(_) => FileAnswer::parse(canonical).map_or_else(String::new, |file| short(&file.shown())),
        _ => short(canonical),
    }
}

/// What parts the members of a list.
pub(super) const fn comma(language: Language) -> &'static str {
    match language {
        Language::En => ", ",
        Language::Ja => "、",
    }
}

/// Places behind the point of a computed value in a letter.
const COMPUTED_PLACES: usize = 2;

/// A computed value as a letter shows it: two places behind the point, more where it is so small that they would say
/// little. What is stored keeps every digit.
fn rounded(canonical: &str) -> String {
    let fraction = canonical.split_once('.').map_or("", |(_, fraction)| fraction);
    if fraction.len() <= COMPUTED_PLACES {
        return short(canonical);
    }
    let Ok(exact) = number::parse(canonical) else { return short(canonical) };
    let zeros = fraction.chars().take_while(|digit| *digit == '0').count();
    let small = exact.abs() < Rational::one();
    let shown = number::decimal(&exact, if small { zeros + COMPUTED_PLACES } else { COMPUTED_PLACES });
    let shown = shown.trim_end_matches('0').trim_end_matches('.');
    short(shown)
}

/// One choice, as letters name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceName {
    /// What to type.
    pub code: String,
    /// What it means; equal to the code if it has no name.
    pub label: String,
    /// Whether code and label are the same.
    pub plain: bool,
}

/// What an item takes: the templates `expected-<kind>` word it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Name of the template that words it.
    pub partial: String,
    /// Least value, inclusive; null if any.
    pub low: Option<String>,
    /// Greatest value, inclusive; null if any.
    pub high: Option<String>,
    /// Choices, at most [`limits::CHOICES_NAMED`].
    pub choices: Vec<ChoiceName>,
    /// Whether there are more choices than named.
    pub more: bool,
    /// Digits allowed behind the point.
    pub places: u32,
    /// Unit; empty if none.
    pub unit: String,
    /// Sentence of help of the item; empty if none.
    pub help: String,
    /// Pattern of a text, or types of a file; empty if none.
    pub pattern: String,
}

impl Expected {
    /// What `item` takes at all.
    pub fn of(reader: &Reader<'_>, item: &Item) -> Expected {
        Expected::new(reader, item, &item.hard)
    }

    /// What `item` takes within `limits` (its hard or its soft ones).
    fn new(reader: &Reader<'_>, item: &Item, bounds: &Limits) -> Expected {
        let (low, high) = bounds_of(&item.kind, bounds, reader.today);
        let (choices, more) = named_choices(reader, item);
        let pattern = match &item.kind {
            ItemKind::Text { pattern: Some(pattern) } => short(&pattern.source),
            ItemKind::File(rule) => {
                let types: Vec<String> = rule.types.iter().map(|one| one.name()).collect();
                short(&types.join(comma(reader.language)))
            }
            _ => String::new(),
        };
        Expected {
            partial: format!("expected-{}", item.kind.key()),
            low,
            high,
            choices,
            more,
            places: if let ItemKind::Decimal { places } = item.kind { places } else { 0 },
            unit: in_language(item.unit.as_ref(), reader.language),
            help: pipe::blank(&in_language(item.help.as_ref(), reader.language)),
            pattern,
        }
    }
}

/// One fault or doubt: the templates `fault-<code>` word it, and `doubt-range` a value outside of the soft limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultLine {
    /// Label of the item; empty for the mail as a whole.
    pub label: String,
    /// The fault's code.
    pub code: String,
    /// Name of the template that words it.
    pub partial: String,
    /// What was typed, in one line, cut if long; empty if nothing.
    pub typed: String,
    /// What would be right; null for the mail as a whole.
    pub expected: Option<Expected>,
    /// The study's own words for answers that do not go together; empty otherwise.
    #[serde(default)]
    pub message: String,
}

impl FaultLine {
    /// A fault against the hard limits.
    pub fn fault(reader: &Reader<'_>, instrument: &Instrument, fault: &Fault) -> FaultLine {
        FaultLine::new(reader, instrument, fault, |item| &item.hard)
    }

    /// A doubt about a value outside of the soft limits: it is unusual, and taken.
    pub fn doubt(reader: &Reader<'_>, instrument: &Instrument, fault: &Fault) -> FaultLine {
        let line = FaultLine::new(reader, instrument, fault, |item| &item.soft);
        match fault.code {
            FaultCode::Range => FaultLine { partial: "doubt-range".to_string(), ..line },
            _ => line,
        }
    }

    fn new(reader: &Reader<'_>, instrument: &Instrument, fault: &Fault, bounds: fn(&Item) -> &Limits) -> FaultLine {
        let item = instrument.find(&fault.item);
        let check = instrument.checks.iter().find(|check| fault.code == FaultCode::Check && check.id == fault.expected);
        FaultLine {
            label: item.map_or_else(String::new, |item| short(&pipe::blank(item.label.in_language(reader.language)))),
            code: fault.code.key().to_string(),
            partial: format!("fault-{}", fault.code.key()),
            typed: short(&fault.typed),
            expected: item.map(|item| Expected::new(reader, item, bounds(item))),
            message: check.map_or_else(String::new, |check| {
                clean::line(check.message.in_language(reader.language), limits::WORDING_CHARS)
            }),
        }
    }
}

/// A key that matches no item, with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownKey {
    /// As typed.
    pub key: String,
    /// As typed.
    pub value: String,
}

impl UnknownKey {
    /// The unknown keys of a form, bounded.
    pub fn list(form: &Form) -> Vec<UnknownKey> {
        UnknownKey::of(&form.unknown)
    }

    /// Keys with their values, bounded.
    pub fn of(unknown: &[(String, String)]) -> Vec<UnknownKey> {
        let named = unknown.iter().take(limits::FAULTS_LISTED);
        named.map(|(key, value)| UnknownKey { key: short(key), value: short(value) }).collect()
    }
}

/// A form to send back, blank or filled in; the template `form` makes its text, the renderer its `mailto:` link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormFacts {
    /// What a form of a further randomization says before its items; null in a registration.
    #[serde(default)]
    pub randomize: Option<FormHead>,
    /// What a form of an event says before its items; null in every other.
    #[serde(default)]
    pub follow_up: Option<FollowUpHead>,
    /// Whether it is the form of a survey.
    #[serde(default)]
    pub survey: bool,
    /// One entry per item that can be typed.
    pub lines: Vec<FormLine>,
}

/// What a form of a further randomization says before its items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormHead {
    /// Our subject number; empty where the sender must fill it in.
    pub subject: String,
    /// Id of the randomization, where a study has several; else empty.
    pub id: String,
}

/// What a form of an event of a subject's course says before its items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpHead {
    /// Our subject number; empty where the sender must fill it in.
    pub subject: String,
    /// Id of the event; empty where the sender must fill it in.
    pub event: String,
    /// Id of the form, where events have several; else empty.
    pub form: String,
    /// Whether it asks why what is on file is corrected.
    pub corrects: bool,
    /// The reason as typed.
    pub reason: String,
}

/// One item's line in a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormLine {
    /// The key, as our reader takes it: the label, or the id where the label could be misread.
    pub key: String,
    /// First line of what was typed; empty in a blank form.
    pub value: String,
    /// Further lines, to be indented.
    pub more: Vec<String>,
    /// Whether an answer is needed.
    pub required: bool,
    /// Faults to be marked above the line.
    pub faults: Vec<FaultLine>,
    /// What the item takes, said above the line of a blank form; null in a filled-in one.
    pub expected: Option<Expected>,
    /// The question, where the key does not say it; else empty.
    #[serde(default)]
    pub question: String,
}

impl FormFacts {
    /// The blank form, each line with what it takes.
    pub fn blank(reader: &Reader<'_>, instrument: &Instrument) -> FormFacts {
        let lines = typed_items(instrument).map(|item| FormLine {
            expected: Some(Expected::new(reader, item, &item.hard)),
            question: question_of(item, reader.language, pipe::blank),
            ..FormLine::new(item, "", reader.language)
        });
        FormFacts { randomize: None, follow_up: None, survey: false, lines: lines.collect() }
    }

    /// The same as the form of a further randomization of that subject.
    pub(super) fn of_randomization(self, study: &Study, own: &Randomization, subject: &str) -> FormFacts {
        let id = if study.randomizations.len() > 1 { short(&own.id) } else { String::new() };
        FormFacts { randomize: Some(FormHead { subject: short(subject), id }), ..self }
    }

    /// The sender's own form again: every value as typed, faulty lines marked. Personal values are shown: they are
    /// the sender's own words, and the form must be ready to send back.
    pub fn filled(reader: &Reader<'_>, instrument: &Instrument, form: &Form) -> FormFacts {
        let canonical = form.canonical();
        let lines = typed_items(instrument).map(|item| {
            let typed = form.typed.get(&item.id).or_else(|| form.answers.get(&item.id).map(|answer| &answer.typed));
            let own = form.faults.iter().filter(|fault| fault.item == item.id);
            FormLine {
                faults: own.map(|fault| FaultLine::fault(reader, instrument, fault)).collect(),
                question: question_of(item, reader.language, |text| {
                    piped(reader.study, instrument, &canonical, text, reader.language)
                }),
                ..FormLine::new(item, typed.map_or("", String::as_str), reader.language)
            }
        });
        let earlier = form.rescreens.iter().map(|earlier| FormLine {
            key: words::rescreening_key(reader.language).to_string(),
            value: clean::line(earlier, limits::DEED_SUBJECT_CHARS),
            more: Vec::new(),
            required: false,
            faults: Vec::new(),
            expected: None,
            question: String::new(),
        });
        FormFacts { randomize: None, follow_up: None, survey: false, lines: lines.chain(earlier).collect() }
    }
}

impl FormLine {
    /// What was typed under a name that need not be an item's.
    pub(super) fn named(study: &Study, name: &str, typed: &str, language: Language) -> FormLine {
        let bare = name.split_once('.').filter(|(form, _)| study.find_randomization(form).is_some());
        let item = study.find_item(bare.map_or(name, |(_, item)| item));
        let line = item.map(|item| FormLine::new(item, typed, language));
        let key = match (bare, &line) {
            (None, Some(line)) => line.key.clone(),
            _ => clean::line(name, usize::MAX),
        };
        match line {
            Some(line) => FormLine { key, required: false, ..line },
            None => FormLine {
                key,
                value: clean::line(typed, usize::MAX),
                more: Vec::new(),
                required: false,
                faults: Vec::new(),
                expected: None,
                question: String::new(),
            },
        }
    }

    fn new(item: &Item, typed: &str, language: Language) -> FormLine {
        let (value, more) = match item.kind {
            ItemKind::Note => {
                let mut lines = clean::lines(typed).into_iter();
                (lines.next().unwrap_or_default(), lines.collect())
            }
            _ => (clean::line(typed, usize::MAX), Vec::new()),
        };
        FormLine {
            key: key_of(item, language),
            value,
            more,
            // What is asked in some cases only may stay empty.
            required: item.required && item.when.is_none(),
            faults: Vec::new(),
            expected: None,
            question: String::new(),
        }
    }
}

/// Items that a mail can answer.
pub(super) fn typed_items(instrument: &Instrument) -> impl Iterator<Item = &Item> {
    instrument
        .items
        .iter()
        .filter(|item| !matches!(item.kind, ItemKind::Heading | ItemKind::Calculation(_) | ItemKind::File(_)))
}

/// The label, unless our reader would split it, cut it or take it for a comment.
pub(super) fn key_of(item: &Item, language: Language) -> String {
    let label = clean::line(item.label.in_language(language), usize::MAX);
    let misread = label.is_empty()
        || pipe::names(&label).next().is_some()
        || label.contains([':', '：', '=', '＝'])
        || label.starts_with(['#', '＃', '>', '＞', '|', '｜', '-', '―', '━', '─']);
    if misread { item.id.clone() } else { label }
}

/// The question with the answers that stand in it, where they keep it from being a key.
fn question_of(item: &Item, language: Language, fill: impl Fn(&str) -> String) -> String {
    let label = item.label.in_language(language);
    if pipe::names(label).next().is_none() { String::new() } else { clean::line(&fill(label), limits::WORDING_CHARS) }
}

fn bounds_of(kind: &ItemKind, bounds: &Limits, today: chrono::NaiveDate) -> (Option<String>, Option<String>) {
    match kind {
        ItemKind::Scale { low, high } => {
            let low = bounds.min.as_ref().map_or_else(|| low.to_string(), decimal_text);
            let high = bounds.max.as_ref().map_or_else(|| high.to_string(), decimal_text);
            (Some(low), Some(high))
        }
        ItemKind::Date | ItemKind::DateTime => {
            let day = |bound: DayBound| match bound {
                DayBound::On(day) => day,
                DayBound::Today(days) => {
                    chrono::TimeDelta::try_days(days).and_then(|delta| today.checked_add_signed(delta)).unwrap_or(today)
                }
            };
            let text = |bound: Option<DayBound>| bound.map(|bound| day(bound).format("%Y-%m-%d").to_string());
            (text(bounds.earliest), text(bounds.latest))
        }
        ItemKind::File(rule) => (None, Some(size_text(rule.most_bytes))),
        _ => (bounds.min.as_ref().map(decimal_text), bounds.max.as_ref().map(decimal_text)),
    }
}

/// An exact number in the digits a person types: `36.5`; a fraction where decimals do not end.
fn decimal_text(number: &Rational) -> String {
    let ten = num_bigint::BigInt::from(10);
    let mut scale = num_bigint::BigInt::one();
    let mut places = 0;
    while !(&scale % number.denom()).is_zero() {
        if places == 20 {
            return number.to_string();
        }
        scale *= &ten;
        places += 1;
    }
    let digits = (number.numer().abs() * &scale / number.denom()).to_string();
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    let sign = if number.is_negative() { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// The choices named to this reader, and whether there are more.
fn named_choices(reader: &Reader<'_>, item: &Item) -> (Vec<ChoiceName>, bool) {
    let (ItemKind::Choice(choices) | ItemKind::Choices(choices)) = &item.kind else { return (Vec::new(), false) };
    let mut named: Vec<ChoiceName> = match choices {
        Choices::Sites => {
            let own = reader.study.sites.iter().filter(|site| reader.person.acts_for(&site.code));
            own.take(limits::CHOICES_NAMED + 1).map(|site| choice(&site.code, &site.name, reader.language)).collect()
        }
        Choices::Listed(listed) => {
            let some = listed.iter().take(limits::CHOICES_NAMED + 1);
            some.map(|one| choice(&one.code, &one.label, reader.language)).collect()
        }
    };
    let more = named.len() > limits::CHOICES_NAMED;
    named.truncate(limits::CHOICES_NAMED);
    (named, more)
}

fn choice(code: &str, label: &Text, language: Language) -> ChoiceName {
    let label = label.in_language(language);
    let label = if label.is_empty() { code } else { label };
    ChoiceName { code: short(code), label: short(label), plain: label == code }
}

fn in_language(text: Option<&Text>, language: Language) -> String {
    text.map_or_else(String::new, |text| short(text.in_language(language)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{self, samples};

    #[test]
    fn a_personal_calculation_is_masked_for_all_but_the_sender() {
        let (study, _) = definition::load(&samples::aurora()).unwrap();
        let mut form = study.registration_instrument().clone();
        form.items.iter_mut().for_each(|item| item.personal |= item.id == "bmi");
        let canonical = BTreeMap::from([("bmi".to_string(), "24.414062".to_string())]);
        let values = |listed: &[Shown]| listed.iter().map(|shown| shown.value.clone()).collect::<Vec<_>>();
        assert_eq!(values(&Shown::list(&study, &form, &canonical, Language::En)), [MASK]);
        let own = Shown::own(&study, &form, form.find("bmi").unwrap(), &canonical, Language::En);
        assert_eq!(own.value, "24.41");
    }

    #[test]
    fn a_calculated_value_is_told_by_its_name() {
        let (study, _) = definition::load(&samples::cygnus()).unwrap();
        let mut form = study.find_instrument("response").unwrap().clone();
        let unit = Text::new([(Language::En, "points".to_string())]);
        form.items.iter_mut().for_each(|item| item.unit = (item.id == "severity").then(|| unit.clone()));
        for (value, listed, own, unit) in [
            ("severe", "severe insomnia (severe)", "severe insomnia", ""),
            ("other", "other", "other", "points"),
            ("1.2345", "1.23", "1.23", "points"),
        ] {
            let canonical = BTreeMap::from([("severity".to_string(), value.to_string())]);
            let shown = Shown::list(&study, &form, &canonical, Language::En).remove(0);
            assert_eq!((shown.value.as_str(), shown.unit.as_str()), (listed, unit));
            let item = form.find("severity").unwrap();
            assert_eq!(Shown::own(&study, &form, item, &canonical, Language::En).value, own);
        }
        let canonical = BTreeMap::from([("severity".to_string(), "moderate".to_string())]);
        assert_eq!(piped(&study, &form, &canonical, "（{{severity}}）", Language::Ja), "（中等症）");
    }

    #[test]
    fn a_computed_value_is_shown_with_few_places() {
        for (canonical, shown) in [
            ("24.635475", "24.64"),
            ("24.995", "25"),
            ("-0.0034567", "-0.0035"),
            ("0.5", "0.5"),
            ("18", "18"),
            ("120000.125", "120000.13"),
            ("severe", "severe"),
            ("not.a.number", "not.a.number"),
        ] {
            assert_eq!(rounded(canonical), shown);
        }
    }

    #[test]
    fn limits_are_told_in_the_digits_a_person_types() {
        for (numer, denom, text) in [
            (20, 1, "20"),
            (-5, 1, "-5"),
            (73, 2, "36.5"),
            (-1, 8, "-0.125"),
            (1, 40, "0.025"),
            (0, 1, "0"),
            (1, 3, "1/3"),
        ] {
            assert_eq!(decimal_text(&Rational::new(numer.into(), denom.into())), text);
        }
    }
}
