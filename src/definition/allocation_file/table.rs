//! Walks a parsed TOML file and collects every problem with its line.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::definition::problem::{Problem, Weight};
use crate::domain::number::{self, NumberFault, Rational};
use crate::limits;

/// A value with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Collects problems of one file.
pub(super) struct Desk<'p> {
    file: &'p str,
    /// Byte at which each line begins.
    lines: Vec<usize>,
    problems: &'p mut Vec<Problem>,
    errors: usize,
}

impl<'p> Desk<'p> {
    pub(super) fn new(file: &'p str, text: &str, problems: &'p mut Vec<Problem>) -> Desk<'p> {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Desk { file, lines, problems, errors: 0 }
    }

    /// How many problems make the file unusable.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    pub(super) fn error(
        &mut self,
        span: Option<Range<usize>>,
        key: &str,
        wrong: impl Into<String>,
        right: impl Into<String>,
    ) {
        self.errors += 1;
        self.note(span, key, wrong.into(), right.into(), Weight::Error);
    }

    pub(super) fn warn(
        &mut self,
        span: Option<Range<usize>>,
        key: &str,
        wrong: impl Into<String>,
        right: impl Into<String>,
    ) {
        self.note(span, key, wrong.into(), right.into(), Weight::Warning);
    }

    /// Adds a problem of another file.
    pub(super) fn elsewhere(&mut self, problem: Problem) {
        self.errors += usize::from(problem.weight == Weight::Error);
        self.problems.push(problem);
    }

    fn note(&mut self, span: Option<Range<usize>>, key: &str, wrong: String, right: String, weight: Weight) {
        let line = span.map(|span| self.lines.partition_point(|start| *start <= span.start));
        self.problems.push(Problem { file: self.file.to_owned(), line, key: key.to_owned(), wrong, right, weight });
    }
}

/// The known name that looks most like a wrong one.
pub(super) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_lowercase();
    let likeness = |known: &str| {
        let known = known.to_lowercase();
        // The first is good with letters that changed places in short names, the second with long names cut short.
        strsim::normalized_damerau_levenshtein(&name, &known).max(strsim::jaro_winkler(&name, &known) - 0.15)
    };
    let best = known.into_iter().map(|known| (likeness(known), known)).max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness > 0.6).map(|(_, known)| known)
}

/// `did you mean "x"?`, or the list of what is known.
pub(super) fn suggestion(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if known.is_empty() => String::new(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// A table of the file and where it stands.
#[derive(Clone)]
pub(super) struct Section<'a, 't> {
    pub(super) path: String,
    pub(super) span: Range<usize>,
    table: &'a DeTable<'t>,
}

impl<'a, 't> Section<'a, 't> {
    /// The file as a whole.
    pub(super) fn root(table: &'a DeTable<'t>) -> Section<'a, 't> {
        Section { path: String::new(), span: 0..0, table }
    }

    /// A value that must be a table, all of whose keys must be known.
    pub(super) fn open(
        desk: &mut Desk<'_>,
        path: &str,
        value: &'a Value<'t>,
        known: &[&str],
    ) -> Option<Section<'a, 't>> {
        let DeValue::Table(table) = value.get_ref() else {
            desk.error(
                Some(value.span()),
                path,
                format!("{} instead of a table", kind(value)),
                format!("a table with {}", known.join(", ")),
            );
            return None;
        };
        let section = Section { path: path.to_owned(), span: value.span(), table };
        section.know(desk, known);
        Some(section)
    }

    /// Refuses keys that are not known.
    pub(super) fn know(&self, desk: &mut Desk<'_>, known: &[&str]) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                desk.error(Some(key.span()), &self.path_of(name), "unknown key", suggestion(name, known));
            }
        }
    }

    /// The keys with their places.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Range<usize>, &'a Value<'t>)> + use<'a, 't> {
        let text = |name: &'a Cow<'t, str>| -> &'a str { name };
        self.table.iter().map(move |(key, value)| (text(key.get_ref()), key.span(), value))
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value<'t>> {
        self.table.get(key)
    }

    /// The value of that key, or a problem that says what it should be.
    pub(super) fn need(&self, desk: &mut Desk<'_>, key: &str, right: &str) -> Option<&'a Value<'t>> {
        let found = self.get(key);
        if found.is_none() {
            let span = (!self.path.is_empty()).then(|| self.span.clone());
            desk.error(span, &self.path_of(key), "is missing", right);
        }
        found
    }

    /// The name (text, or an integer taken as text) of that key.
    pub(super) fn need_name(&self, desk: &mut Desk<'_>, key: &str, right: &str) -> Option<(String, Range<usize>)> {
        let value = self.need(desk, key, right)?;
        Some((name(desk, &self.path_of(key), value)?, value.span()))
    }
}

/// What a value is, as a person would say it.
pub(super) fn kind(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A name: text, or an integer taken as text; not empty, without spaces at its ends or control characters.
pub(super) fn name(desk: &mut Desk<'_>, path: &str, value: &Value<'_>) -> Option<String> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        _ => {
            desk.error(Some(value.span()), path, format!("{} instead of a text", kind(value)), "a text in quotes");
            return None;
        }
    };
    let wrong = if text.is_empty() {
        "is empty"
    } else if text.trim() != text {
        "has spaces at its ends"
    } else if text.chars().any(char::is_control) {
        "has a control character in it"
    } else if text.chars().count() > limits::NAME_CHARS {
        "is too long"
    } else {
        return Some(text);
    };
    desk.error(Some(value.span()), path, wrong, format!("1 to {} characters", limits::NAME_CHARS));
    None
}

/// A list of values.
pub(super) fn list<'a, 't>(desk: &mut Desk<'_>, path: &str, value: &'a Value<'t>) -> Option<&'a [Value<'t>]> {
    match value.get_ref() {
        DeValue::Array(values) => Some(values),
        _ => {
            desk.error(Some(value.span()), path, format!("{} instead of a list", kind(value)), "a list: [ … ]");
            None
        }
    }
}

/// An exact number, read from its digits and never through floating point.
pub(super) fn exact(desk: &mut Desk<'_>, path: &str, value: &Value<'_>) -> Option<Rational> {
    let parsed = match value.get_ref() {
        DeValue::Integer(number) if number.radix() == 10 => number::parse(number.as_str()),
        DeValue::Float(number) => number::parse(number.as_str()),
        DeValue::String(text) => number::parse(text),
        _ => Err(NumberFault::NotANumber),
    };
    let wrong = match parsed {
        Ok(number) => return Some(number),
        Err(NumberFault::NotANumber) => "is no number",
        Err(NumberFault::DivisionByZero) => "divides by zero",
        Err(NumberFault::TooLong) => "has too many digits",
    };
    desk.error(Some(value.span()), path, wrong, "a number such as 2 or 0.8, or a fraction in quotes such as \"4/5\"");
    None
}

/// An integer from `least` to `most`.
pub(super) fn whole(desk: &mut Desk<'_>, path: &str, value: &Value<'_>, least: u64, most: u64) -> Option<u64> {
    let number = exact(desk, path, value)?;
    let integer = number.is_integer().then(|| u64::try_from(number.numer()).ok()).flatten();
    let inside = integer.filter(|integer| (least..=most).contains(integer));
    if inside.is_none() {
        desk.error(
            Some(value.span()),
            path,
            format!("is {}", number::show(&number)),
            format!("an integer from {least} to {most}"),
        );
    }
    inside
}

/// Yes or no.
pub(super) fn flag(desk: &mut Desk<'_>, path: &str, value: &Value<'_>) -> Option<bool> {
    match value.get_ref() {
        DeValue::Boolean(flag) => Some(*flag),
        _ => {
            desk.error(Some(value.span()), path, format!("{} instead of yes or no", kind(value)), "true or false");
            None
        }
    }
}
