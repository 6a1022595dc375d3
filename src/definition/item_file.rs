//! One `[[items]]` section of an instrument.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::document::Section;
use super::named_values;
use super::study_file::{Codes, compile};
use crate::domain::file::{FileRule, FileType, read_size, size_text};
use crate::domain::instrument::{Choice, Choices, DayBound, Item, ItemKind, Limits, Pattern};
use crate::domain::language::Language;
use crate::domain::text;
use crate::limits;

/// An item, and whether something is wrong with its kind or its id.
#[derive(Debug)]
pub(super) struct ReadItem {
    pub item: Item,
    pub faulty: bool,
}

/// The words of `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Text,
    Note,
    Integer,
    Decimal,
    Date,
    Time,
    DateTime,
    YesNo,
    Choice,
    Choices,
    Scale,
    File,
    Heading,
    Calculation,
}

const WORDS: [(&str, Word); 14] = [
    ("text", Word::Text),
    ("note", Word::Note),
    ("integer", Word::Integer),
    ("decimal", Word::Decimal),
    ("date", Word::Date),
    ("time", Word::Time),
    ("datetime", Word::DateTime),
    ("yesno", Word::YesNo),
    ("choice", Word::Choice),
    ("choices", Word::Choices),
    ("scale", Word::Scale),
    ("file", Word::File),
    ("heading", Word::Heading),
    ("calculation", Word::Calculation),
];

/// Keys that go with some kinds only.
const PARTICULAR: [(&str, &[Word]); 16] = [
    ("types", &[Word::File]),
    ("max_size", &[Word::File]),
    ("pattern", &[Word::Text]),
    ("places", &[Word::Decimal]),
    ("choices", &[Word::Choice, Word::Choices]),
    ("page", &[Word::Heading]),
    ("matrix", &[Word::Choice, Word::Scale]),
    ("low", &[Word::Scale]),
    ("high", &[Word::Scale]),
    ("calculation", &[Word::Calculation]),
    ("values", &[Word::Calculation]),
    ("unit", &[Word::Integer, Word::Decimal, Word::Scale, Word::Calculation]),
    ("hard", &[Word::Integer, Word::Decimal, Word::Date, Word::DateTime, Word::Calculation]),
    ("soft", &[Word::Integer, Word::Decimal, Word::Scale, Word::Date, Word::DateTime, Word::Calculation]),
    (
        "required",
        &[
            Word::Text,
            Word::Note,
            Word::Integer,
            Word::Decimal,
            Word::Date,
            Word::Time,
            Word::DateTime,
            Word::YesNo,
            Word::Choice,
            Word::Choices,
            Word::Scale,
            Word::File,
        ],
    ),
    (
        "aliases",
        &[
            Word::Text,
            Word::Note,
            Word::Integer,
            Word::Decimal,
            Word::Date,
            Word::Time,
            Word::DateTime,
            Word::YesNo,
            Word::Choice,
            Word::Choices,
            Word::Scale,
        ],
    ),
];

/// Reads an item's section; where something is wrong, the item is as near as can be.
pub(super) fn read(section: &Section, languages: &[Language]) -> ReadItem {
    let id = section.need_name("id", "age", '_');
    let word = section.need_word("kind", &WORDS);
    let label = section.need_wording("label", languages);
    for (key, kinds) in PARTICULAR {
        section.skip(key);
        if let Some(word) = word
            && section.has(key)
            && !kinds.contains(&word)
        {
            let named = WORDS.iter().find(|(_, other)| *other == word).map_or("", |(name, _)| *name);
            section.wrong(key, format!("does not go with kind = \"{named}\""), "remove it, or choose another kind");
        }
    }
    let kind = word.and_then(|word| read_kind(section, word, languages));
    let when = section.text("when", "sex == 'F'");
    let hard = read_limits(section, "hard", word);
    let soft = read_limits(section, "soft", word);
    check_nesting(section, &hard, &soft);
    let values = match word {
        Some(Word::Calculation) => named_values::read(section, languages),
        _ => Vec::new(),
    };
    let item = Item {
        id,
        label,
        help: section.wording("help", languages),
        aliases: section.texts("aliases", "Age"),
        required: section.flag("required").unwrap_or(false),
        when: when.and_then(|written| compile(section, "when", &written)),
        unit: section.wording("unit", languages),
        personal: section.flag("personal").unwrap_or(false),
        hard,
        soft,
        begins_page: section.flag("page").unwrap_or(false),
        matrix: section.has("matrix").then(|| section.need_name("matrix", "symptoms", '_')),
        values,
        kind: kind.clone().unwrap_or(ItemKind::Note),
    };
    let faulty = kind.is_none() || item.id.is_empty();
    ReadItem { item, faulty }
}

fn read_kind(section: &Section, word: Word, languages: &[Language]) -> Option<ItemKind> {
    Some(match word {
        Word::Text => ItemKind::Text { pattern: read_pattern(section)? },
        Word::Note => ItemKind::Note,
        Word::Integer => ItemKind::Integer,
        Word::Decimal => ItemKind::Decimal { places: read_places(section)? },
        Word::Date => ItemKind::Date,
        Word::Time => ItemKind::Time,
        Word::DateTime => ItemKind::DateTime,
        Word::YesNo => ItemKind::YesNo,
        Word::Choice => ItemKind::Choice(read_choices(section, languages)?),
        Word::Choices => ItemKind::Choices(read_choices(section, languages)?),
        Word::Scale => {
            let present = section.need("low", "0") & section.need("high", "10");
            let (low, high) = (section.whole_number("low"), section.whole_number("high"));
            let (low, high) = (low.filter(|_| present)?, high?);
            if low >= high {
                section.wrong("high", "is not above low", "write the larger number here");
                return None;
            }
            ItemKind::Scale { low, high }
        }
        Word::File => ItemKind::File(read_file_rule(section)?),
        Word::Heading => ItemKind::Heading,
        Word::Calculation => {
            let written = section.need_text("calculation", "weight / (height * height)");
            ItemKind::Calculation(compile(section, "calculation", &written)?)
        }
    })
}

/// Which files an item takes: only such as can be told by their first bytes.
fn read_file_rule(section: &Section) -> Option<FileRule> {
    let known = FileType::ALL.map(|one| format!("\"{}\"", one.key())).join(", ");
    let usual = [FileType::Pdf, FileType::Jpeg, FileType::Png];
    let mut types = if section.has("types") { Vec::new() } else { usual.to_vec() };
    for written in section.texts("types", "pdf") {
        match FileType::find(&written) {
            Some(found) if types.contains(&found) => {
                section.wrong("types", format!("\"{written}\" stands there twice"), "write it once");
            }
            Some(found) => types.push(found),
            None => {
                let right = format!("there are {known}; other files cannot be told by what is in them");
                section.wrong("types", format!("\"{written}\" is no type of file that we can tell"), right);
                return None;
            }
        }
    }
    if types.is_empty() {
        section.wrong("types", "no file would be taken", format!("name at least one of {known}"));
    }
    let most_bytes = match section.text("max_size", "5 MB") {
        None => limits::FILE_BYTES_USUAL,
        Some(written) => match read_size(&written) {
            Some(bytes) if bytes <= limits::FILE_BYTES => bytes,
            Some(_) => {
                let most = size_text(limits::FILE_BYTES);
                section.wrong("max_size", format!("\"{written}\" is too much"), format!("at most \"{most}\""));
                return None;
            }
            None => {
                section.wrong("max_size", format!("\"{written}\" is no size"), "write \"5 MB\" or \"800 KB\"");
                return None;
            }
        },
    };
    (!types.is_empty()).then_some(FileRule { types, most_bytes })
}

/// `Some(None)` where there is no pattern, `None` where it is faulty.
fn read_pattern(section: &Section) -> Option<Option<Pattern>> {
    if !section.has("pattern") {
        return Some(None);
    }
    let source = section.text("pattern", "[A-Z]-[0-9]{4}")?;
    if source.chars().count() > limits::PATTERN_CHARS {
        section.wrong("pattern", format!("is longer than {} characters", limits::PATTERN_CHARS), "shorten it");
        return None;
    }
    match regex::RegexBuilder::new(&format!("^(?:{source})$")).size_limit(limits::PATTERN_BYTES).build() {
        Ok(compiled) => Some(Some(Pattern { source, compiled })),
        Err(error) => {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or("").trim_start_matches("error: ").to_string();
            section.wrong(
                "pattern",
                format!("is no regular expression ({last})"),
                "write it in single quotes, such as '[A-Z]-[0-9]{4}'",
            );
            None
        }
    }
}

fn read_places(section: &Section) -> Option<u32> {
    if !section.has("places") {
        return Some(2);
    }
    let written = section.whole_number("places")?;
    let places =
        u32::try_from(written).ok().filter(|places| (1..=limits::DECIMAL_PLACES).contains(&i64::from(*places)));
    if places.is_none() {
        section.wrong(
            "places",
            format!("{written} is not possible"),
            format!("write a number from 1 to {}", limits::DECIMAL_PLACES),
        );
    }
    places
}

fn read_choices(section: &Section, languages: &[Language]) -> Option<Choices> {
    if let Some(word) = section.peek_text("choices") {
        if word != "sites" {
            section.wrong("choices", format!("\"{word}\" is not known"), "write choices = \"sites\", or list them");
            return None;
        }
        return Some(Choices::Sites);
    }
    if !section.need("choices", "[{ code = \"F\", label = { ja = \"女\", en = \"female\" } }, …]") {
        return None;
    }
    let mut codes = Codes::default();
    let mut listed: Vec<Choice> = Vec::new();
    let mut words: BTreeMap<String, String> = BTreeMap::new();
    for choice in section.sections("choices") {
        let code = choice.need_code("code", "F");
        codes.add(&choice, &code);
        let read = Choice {
            code,
            label: choice.need_wording("label", languages),
            aliases: choice.texts("aliases", "female"),
            other: choice.flag("other").unwrap_or(false),
        };
        if let Some(first) = listed.iter().find(|one| one.other && read.other) {
            choice.wrong(
                "other",
                format!("\"{}\" has a text beside it already", first.code),
                "one choice can have one",
            );
        }
        let labels = read.label.wordings().map(|(_, label)| ("label", label));
        let aliases = read.aliases.iter().map(|alias| ("aliases", alias.as_str()));
        claim_words(&choice, "choice", &read.code, labels.chain(aliases), &mut words);
        choice.close();
        listed.push(read);
    }
    if listed.is_empty() {
        section.wrong("choices", "offers nothing", "list at least one choice with code and label");
        return None;
    }
    let distinct: BTreeSet<String> = listed.iter().map(|choice| text::fold_tight(&choice.code)).collect();
    if distinct.len() < listed.len() {
        return None;
    }
    if listed.len() > limits::CHOICES {
        section.wrong("choices", format!("there are more than {} choices", limits::CHOICES), "");
        return None;
    }
    Some(Choices::Listed(listed))
}

/// Each word of a choice, or of another `thing` with a code, must mean it alone; `others` are its words beside the code, by key.
pub(super) fn claim_words<'w>(
    section: &Section,
    thing: &str,
    code: &'w str,
    others: impl Iterator<Item = (&'static str, &'w str)>,
    words: &mut BTreeMap<String, String>,
) {
    for (key, word) in [("code", code)].into_iter().chain(others) {
        match words.get(&text::fold_tight(word)) {
            // Two codes alike have been told of as such.
            Some(other) if text::fold_tight(other) == text::fold_tight(code) => {}
            Some(other) if key != "code" => section.wrong(
                key,
                format!("\"{word}\" already means the {thing} \"{other}\""),
                format!("give each {thing} its own words; width and case do not matter"),
            ),
            Some(other) => {
                section.wrong(key, format!("\"{word}\" is a word of the {thing} \"{other}\""), "choose another code")
            }
            None => {
                words.insert(text::fold_tight(word), code.to_string());
            }
        }
    }
}

fn read_limits(section: &Section, key: &'static str, word: Option<Word>) -> Limits {
    let mut limits = Limits::default();
    let Some(table) = section.section(key) else { return limits };
    if matches!(word, Some(Word::Date | Word::DateTime)) {
        limits.earliest = read_bound(&table, "earliest");
        limits.latest = read_bound(&table, "latest");
        if let (Some(DayBound::On(earliest)), Some(DayBound::On(latest))) = (limits.earliest, limits.latest)
            && earliest > latest
        {
            table.wrong("latest", "comes before earliest", "write the later day here");
        }
        if let (Some(DayBound::Today(earliest)), Some(DayBound::Today(latest))) = (limits.earliest, limits.latest)
            && earliest > latest
        {
            table.wrong("latest", "comes before earliest", "write the later day here");
        }
    } else {
        limits.min = table.number("min");
        limits.max = table.number("max");
        if let (Some(min), Some(max)) = (&limits.min, &limits.max)
            && min > max
        {
            table.wrong("max", "is smaller than min", "write the larger number here");
        }
    }
    table.close();
    limits
}

/// `2026-04-01`, `today`, `today-30` or `today+7`.
fn read_bound(table: &Section, key: &'static str) -> Option<DayBound> {
    let written = table.text(key, "today")?;
    let tight: String = text::fold_width(&written).chars().filter(|c| *c != ' ').collect();
    let bound = match tight.strip_prefix("today") {
        Some("") => Some(DayBound::Today(0)),
        Some(days) if days.starts_with(['+', '-']) => {
            days.parse().ok().filter(|days| (-100_000..=100_000).contains(days)).map(DayBound::Today)
        }
        Some(_) => None,
        None => NaiveDate::parse_from_str(&tight, "%Y-%m-%d").ok().map(DayBound::On),
    };
    if bound.is_none() {
        table.wrong(
            key,
            format!("\"{written}\" is no day"),
            "write \"2026-04-01\", \"today\", \"today-30\" or \"today+7\"",
        );
    }
    bound
}

/// Soft limits outside of the hard ones are never reached.
fn check_nesting(section: &Section, hard: &Limits, soft: &Limits) {
    let below = matches!((&hard.min, &soft.min), (Some(hard), Some(soft)) if soft < hard);
    let above = matches!((&hard.max, &soft.max), (Some(hard), Some(soft)) if soft > hard);
    if below || above {
        section.wrong(
            "soft",
            "reaches beyond hard, where answers are refused already",
            "draw the soft limits inside the hard ones",
        );
    }
}
