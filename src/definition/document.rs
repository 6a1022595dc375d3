//! A TOML file with the place of everything in it, read key by key so that all its problems are found in one go.

use std::cell::RefCell;
use std::collections::BTreeSet;

use chrono::NaiveDate;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Weight};
use crate::domain::answer;
use crate::domain::language::{Language, Text};
use crate::domain::number::Rational;
use crate::domain::text;
use crate::limits;

/// Problems found so far, of all files.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: RefCell<Vec<Problem>>,
    /// Whether the bundle is in force already.
    in_force: bool,
}

impl Report {
    /// A report on a bundle that is in force already.
    pub(super) fn of_one_in_force() -> Report {
        Report { in_force: true, ..Report::default() }
    }

    pub(super) fn add(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < limits::PROBLEMS && !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Whether that file has no error so far.
    pub(super) fn is_sound(&self, file: &str) -> bool {
        !self.problems.borrow().iter().any(|problem| problem.file == file && problem.weight == Weight::Error)
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    /// An error of a file as a whole.
    pub(super) fn file(&self, file: &str, wrong: impl Into<String>, right: impl Into<String>) {
        self.at(file, None, "", wrong, right);
    }

    /// An error at a line.
    pub(super) fn at(
        &self,
        file: &str,
        line: Option<usize>,
        key: impl Into<String>,
        wrong: impl Into<String>,
        right: impl Into<String>,
    ) {
        let (key, wrong, right) = (key.into(), wrong.into(), right.into());
        self.add(Problem { file: file.to_string(), line, key, wrong, right, weight: Weight::Error });
    }

    /// Something at a line that earlier versions of the program took: an error, but of a bundle in force a warning, for what we learn later
    /// must not keep a study that runs from its people.
    pub(super) fn newly(
        &self,
        file: &str,
        line: Option<usize>,
        key: impl Into<String>,
        wrong: impl Into<String>,
        right: impl Into<String>,
    ) {
        match self.in_force {
            true => self.warn(file, line, key, wrong, right),
            false => self.at(file, line, key, wrong, right),
        }
    }

    /// Something that works but should be looked at.
    pub(super) fn warn(
        &self,
        file: &str,
        line: Option<usize>,
        key: impl Into<String>,
        wrong: impl Into<String>,
        right: impl Into<String>,
    ) {
        let (key, wrong, right) = (key.into(), wrong.into(), right.into());
        self.add(Problem { file: file.to_string(), line, key, wrong, right, weight: Weight::Warning });
    }
}

/// A text file of the bundle.
#[derive(Debug)]
pub(super) struct Source<'t> {
    pub file: &'t str,
    text: &'t str,
}

impl<'t> Source<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Source<'t> {
        Source { file, text }
    }

    fn line(&self, offset: usize) -> usize {
        let end = offset.min(self.text.len());
        1 + self.text.as_bytes().get(..end).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
    }

    fn line_text(&self, line: usize) -> &'t str {
        self.text.lines().nth(line.saturating_sub(1)).unwrap_or("")
    }

    /// The file's table; `None` after reporting why it is no TOML.
    pub(super) fn parse(&self, report: &Report) -> Option<Spanned<DeTable<'t>>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mut last_line = 0;
        for (at, error) in errors.iter().enumerate() {
            // What follows a slip is often its consequence.
            if at > 0 && error.message().contains("duplicate key") {
                continue;
            }
            let line = self.line(error.span().map_or(0, |span| span.start));
            // One slip makes the parser stumble several times on its line.
            if line != last_line {
                report.at(self.file, Some(line), "", self.syntax(error.message(), line), self.syntax_hint(line));
            }
            last_line = line;
        }
        errors.is_empty().then_some(table)
    }

    fn syntax(&self, message: &str, line: usize) -> String {
        if message.contains("duplicate key") {
            let key = self.line_text(line).split('=').next().unwrap_or("").trim();
            return format!("`{key}` stands here a second time");
        }
        format!("this line cannot be read ({message})")
    }

    fn syntax_hint(&self, line: usize) -> String {
        let written = self.line_text(line);
        let wide: Vec<char> = written
            .chars()
            .filter(|c| matches!(c, '＝' | '“' | '”' | '［' | '］' | '，' | '｛' | '｝' | '＂' | '　'))
            .collect();
        if let Some(wide) = wide.first() {
            return format!("there is a full-width {wide} in it: write = \" [ ] , and blanks half-width");
        }
        "write key = \"text\", key = 12 or key = [\"one\", \"two\"]; texts stand in double quotes".to_string()
    }
}

/// A table of a file; remembers which of its keys were asked for, so that all others are unknown.
#[derive(Debug)]
pub(super) struct Section<'d> {
    pub source: &'d Source<'d>,
    pub report: &'d Report,
    table: &'d DeTable<'d>,
    path: String,
    /// Where it begins.
    pub line: usize,
    asked: RefCell<BTreeSet<&'static str>>,
    /// Keys that must be there and are not, with an example.
    missing: RefCell<Vec<(&'static str, String)>>,
}

impl<'d> Section<'d> {
    /// The whole file.
    pub(super) fn whole(source: &'d Source<'d>, report: &'d Report, table: &'d Spanned<DeTable<'d>>) -> Section<'d> {
        Section::new(source, report, table.get_ref(), String::new(), 1)
    }

    fn new(
        source: &'d Source<'d>,
        report: &'d Report,
        table: &'d DeTable<'d>,
        path: String,
        line: usize,
    ) -> Section<'d> {
        Section { source, report, table, path, line, asked: RefCell::default(), missing: RefCell::default() }
    }

    /// The full key of one of its keys: `sites[2].code`.
    pub(super) fn key(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_string(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        }
    }

    fn get(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    /// Whether the key is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Line of a key's value, else of the section.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.line, |value| self.source.line(value.span().start))
    }

    /// Reports a problem of one of its keys.
    pub(super) fn wrong(&self, key: &str, wrong: impl Into<String>, right: impl Into<String>) {
        self.report.at(self.source.file, Some(self.line_of(key)), self.key(key), wrong, right);
    }

    /// The same of something that earlier versions of the program took.
    pub(super) fn newly_wrong(&self, key: &str, wrong: impl Into<String>, right: impl Into<String>) {
        self.report.newly(self.source.file, Some(self.line_of(key)), self.key(key), wrong, right);
    }

    /// Reports something to look at.
    pub(super) fn warn(&self, key: &str, wrong: impl Into<String>, right: impl Into<String>) {
        self.report.warn(self.source.file, Some(self.line_of(key)), self.key(key), wrong, right);
    }

    fn mistyped(&self, key: &str, value: &DeValue, right: &str) {
        let found = match value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date without quotes",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a section",
        };
        self.wrong(key, format!("is {found}"), right);
    }

    /// An optional text; never blank.
    pub(super) fn text(&self, key: &'static str, example: &str) -> Option<String> {
        let value = self.get(key)?.get_ref();
        let Some(text) = value.as_str() else {
            self.mistyped(key, value, &format!("write {key} = \"{example}\""));
            return None;
        };
        self.sound(key, text, example).then(|| text.trim().to_string())
    }

    /// Whether a text is neither blank, nor too long, nor broken.
    fn sound(&self, key: &str, written: &str, example: &str) -> bool {
        if written.trim().is_empty() {
            self.wrong(key, "is empty", format!("write something such as \"{example}\", or leave the key out"));
            return false;
        }
        if written.chars().count() > limits::WORDING_CHARS {
            self.wrong(key, format!("is longer than {} characters", limits::WORDING_CHARS), "shorten it");
            return false;
        }
        if text::has_control(written) || text::has_bidi(written) {
            self.wrong(key, "holds an invisible control character", "delete the text and type it anew");
            return false;
        }
        true
    }

    /// A text that must be there; empty after reporting that it is not.
    pub(super) fn need_text(&self, key: &'static str, example: &str) -> String {
        if !self.need(key, &format!("\"{example}\"")) {
            return String::new();
        }
        self.text(key, example).unwrap_or_default()
    }

    /// Whether a key is there; if not, [`Section::close`] reports it.
    pub(super) fn need(&self, key: &'static str, example: &str) -> bool {
        self.asked.borrow_mut().insert(key);
        if !self.has(key) {
            self.missing.borrow_mut().push((key, example.to_string()));
        }
        self.has(key)
    }

    /// A code that must be there: ASCII letters, digits, `-`, `_` and `.`.
    pub(super) fn need_code(&self, key: &'static str, example: &str) -> String {
        let code = self.need_text(key, example);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !code.is_empty() && (!code.chars().all(fits) || code.chars().count() > 40) {
            let half_width = text::fold_width(&code);
            let right = if half_width != code && half_width.chars().all(fits) {
                format!("write it half-width: \"{half_width}\"")
            } else {
                format!("use at most 40 plain letters, digits, - and _, such as \"{example}\"")
            };
            self.wrong(key, format!("\"{code}\" is no code"), right);
        }
        code
    }

    /// A short name that must be there: lower-case letters, digits and one more character.
    pub(super) fn need_name(&self, key: &'static str, example: &str, also: char) -> String {
        let name = self.need_text(key, example);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == also;
        let sound = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fits) && name.len() <= 40;
        if !name.is_empty() && !sound {
            self.wrong(
                key,
                format!("\"{name}\" cannot be used here"),
                format!("use at most 40 small letters, digits and {also}, a letter first, such as \"{example}\""),
            );
        }
        name
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?.get_ref();
        let flag = value.as_bool();
        if flag.is_none() {
            self.mistyped(key, value, &format!("write {key} = true or {key} = false, without quotes"));
        }
        flag
    }

    /// A whole number.
    pub(super) fn whole_number(&self, key: &'static str) -> Option<i64> {
        let value = self.get(key)?.get_ref();
        let number = value.as_integer().and_then(|digits| i64::from_str_radix(digits.as_str(), digits.radix()).ok());
        if number.is_none() {
            self.mistyped(key, value, &format!("write a whole number, such as {key} = 100"));
        }
        number
    }

    /// A whole number from 1 up.
    pub(super) fn count(&self, key: &'static str) -> Option<u32> {
        let number = self.whole_number(key)?;
        let count = u32::try_from(number).ok().filter(|count| *count > 0);
        if count.is_none() {
            self.wrong(key, format!("{number} is too small or too large"), "write a number from 1 up");
        }
        count
    }

    /// A list of whole numbers from 1 up.
    pub(super) fn whole_numbers(&self, key: &'static str) -> Vec<u32> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let right = format!("write a list of whole numbers from 1 up: {key} = [7, 1]");
        let Some(values) = value.get_ref().as_array() else {
            self.mistyped(key, value.get_ref(), &right);
            return Vec::new();
        };
        let mut numbers = Vec::new();
        for value in values.iter() {
            let digits = value.get_ref().as_integer();
            let number = digits.and_then(|digits| u32::from_str_radix(digits.as_str(), digits.radix()).ok());
            match number.filter(|number| *number > 0) {
                Some(number) => numbers.push(number),
                None => self.wrong(key, "holds something that is no whole number from 1 up", right.clone()),
            }
        }
        numbers
    }

    /// A day, with or without quotes: `2026-12-01`.
    pub(super) fn day(&self, key: &'static str) -> Option<NaiveDate> {
        let written = match self.get(key)?.get_ref() {
            DeValue::Datetime(day) => day.to_string(),
            DeValue::String(text) => text.to_string(),
            _ => String::new(),
        };
        let day = NaiveDate::parse_from_str(written.trim(), "%Y-%m-%d").ok();
        if day.is_none() {
            self.wrong(key, "is no day", "write a day such as 2026-12-01");
        }
        day
    }

    /// An exact number: whole, or decimal, with or without quotes.
    pub(super) fn number(&self, key: &'static str) -> Option<Rational> {
        let value = self.get(key)?.get_ref();
        let digits = match value {
            DeValue::Integer(digits) if digits.radix() == 10 => Some(digits.as_str()),
            DeValue::Float(digits) => Some(digits.as_str()),
            DeValue::String(digits) => Some(digits.as_ref()),
            _ => None,
        };
        let number = digits.and_then(answer::exact);
        if number.is_none() {
            self.mistyped(key, value, &format!("write a number, such as {key} = 20 or {key} = 1.5"));
        }
        number
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let written = self.text(key, names.first().copied().unwrap_or(""))?;
        let found = words.iter().find(|(name, _)| *name == written).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.wrong(key, format!("\"{written}\" is not known"), format!("write one of {}", quoted(&names)));
        }
        found
    }

    /// One of a few words that must be there.
    pub(super) fn need_word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        if !self.need(key, &format!("one of {}", quoted(&names))) {
            return None;
        }
        self.word(key, words)
    }

    /// A list of texts; empty where it is absent.
    pub(super) fn texts(&self, key: &'static str, example: &str) -> Vec<String> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let right = format!("write a list: {key} = [\"{example}\"]");
        let Some(values) = value.get_ref().as_array() else {
            self.mistyped(key, value.get_ref(), &right);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for value in values.iter() {
            match value.get_ref().as_str() {
                Some(text) if self.sound(key, text, example) => texts.push(text.trim().to_string()),
                Some(_) => {}
                None => self.wrong(key, "holds something that is no text", right.clone()),
            }
        }
        texts
    }

    /// An optional text for people: one for all languages, or one per language of the study.
    pub(super) fn wording(&self, key: &'static str, languages: &[Language]) -> Option<Text> {
        let value = self.get(key)?.get_ref();
        if let Some(text) = value.as_str() {
            let all = if languages.is_empty() { &Language::ALL[..] } else { languages };
            let sound = self.sound(key, text, "…");
            return sound.then(|| Text::new(all.iter().map(|language| (*language, text.trim().to_string()))));
        }
        let section = self.section(key)?;
        let mut wordings = Vec::new();
        for language in Language::ALL {
            match section.text(language.code(), "…") {
                Some(text) => wordings.push((language, text)),
                None if !section.has(language.code()) && languages.contains(&language) => self.wrong(
                    key,
                    format!("has no wording in {} ({language})", name_of(language)),
                    format!("write {language} = \"…\" beside the other, or one text for all languages: {key} = \"…\""),
                ),
                None => {}
            }
        }
        section.close();
        Some(Text::new(wordings))
    }

    /// A text for people that must be there.
    pub(super) fn need_wording(&self, key: &'static str, languages: &[Language]) -> Text {
        let example = match languages {
            [only] => format!("{{ {only} = \"…\" }}"),
            _ => "{ ja = \"…\", en = \"…\" }".to_string(),
        };
        if !self.need(key, &example) {
            return Text::default();
        }
        self.wording(key, languages).unwrap_or_default()
    }

    /// A section of its own: `[trust]`.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'d>> {
        let value = self.get(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.mistyped(key, value.get_ref(), &format!("write a section: [{}]", self.key(key)));
            return None;
        };
        Some(Section::new(self.source, self.report, table, self.key(key), self.line_of(key)))
    }

    /// Sections of one name: `[[sites]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'d>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let right = format!("write each as a section of its own: [[{}]]", self.key(key));
        let Some(values) = value.get_ref().as_array() else {
            self.mistyped(key, value.get_ref(), &right);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (at, value) in values.iter().enumerate() {
            match value.get_ref().as_table() {
                Some(table) => {
                    let path = format!("{}[{}]", self.key(key), at + 1);
                    let line = self.source.line(value.span().start);
                    sections.push(Section::new(self.source, self.report, table, path, line));
                }
                None => self.mistyped(key, value.get_ref(), &right),
            }
        }
        sections
    }

    /// The text of a key that may be a text or something else; not asked for by this.
    pub(super) fn peek_text(&self, key: &str) -> Option<&'d str> {
        self.table.get(key).and_then(|value| value.get_ref().as_str())
    }

    /// Whether a key holds a section of its own, such as `{ east = 2, west = 3 }`; not asked for by this.
    pub(super) fn is_section(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().as_table().is_some())
    }

    /// All its keys with whole numbers from 1 up, where the keys are names of something else; with their lines.
    pub(super) fn counts(&self) -> Vec<(String, u32, usize)> {
        let mut counts = Vec::new();
        for (key, value) in self.table.iter() {
            let name: &str = key.get_ref();
            let digits = value.get_ref().as_integer();
            let number = digits.and_then(|digits| u32::from_str_radix(digits.as_str(), digits.radix()).ok());
            match number.filter(|number| *number > 0) {
                Some(number) => counts.push((name.to_string(), number, self.line_of(name))),
                None => self.wrong(name, "is no whole number from 1 up", format!("write {name} = 2")),
            }
        }
        counts
    }

    /// Makes a key known without reading it.
    pub(super) fn skip(&self, key: &'static str) {
        self.asked.borrow_mut().insert(key);
    }

    /// Reports every key that nobody asked for, with the nearest known one, and every missing key that is not such a
    /// nearest one.
    pub(super) fn close(self) {
        let asked = self.asked.borrow();
        let mut suggested = BTreeSet::new();
        for (key, _) in self.table.iter() {
            let name: &str = key.get_ref();
            if asked.contains(name) {
                continue;
            }
            let line = self.source.line(key.span().start);
            let known: Vec<&str> = asked.iter().copied().collect();
            let right = match nearest(name, &known) {
                Some(near) => {
                    suggested.insert(near);
                    format!("did you mean `{near}`?")
                }
                None => format!("known here: {}", known.join(", ")),
            };
            self.report.at(self.source.file, Some(line), self.key(name), "is not known", right);
        }
        for (key, example) in self.missing.borrow().iter().filter(|(key, _)| !suggested.contains(key)) {
            self.wrong(key, "is missing", format!("write {key} = {example}"));
        }
    }
}

/// The known word that is nearest to what was written, if one is near enough to be meant.
pub fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    // In a word of one or two letters each other such word is near.
    let reach = match written.chars().count() {
        0..=2 => 0,
        letters => (letters / 3).max(1),
    };
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&text::fold(written), &known.to_lowercase()), *known))
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, known)| known)
}

/// `"a", "b"`.
pub(super) fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

fn name_of(language: Language) -> &'static str {
    match language {
        Language::En => "English",
        Language::Ja => "Japanese",
    }
}
