//! Reads the keys of one table of a TOML file and remembers every problem on the way.
//!
//! In charge of the words of the problems. Knows no key by name; a section's reader asks for its keys, then calls
//! [`Section::finish`], which names the keys that nobody asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Environment;
use super::problem::Problem;
use crate::domain::seal::{KeyFault, KeyRing};
use crate::limits;

/// A file and what was found wrong in it.
pub(super) struct Source<'a> {
    file: &'a Path,
    text: &'a str,
    environment: Environment<'a>,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str, environment: Environment<'a>) -> Source<'a> {
        Source { file, text, environment, problems: RefCell::default() }
    }

    /// The tables of the file; what is no TOML is a problem each, and the rest is read as well as it goes.
    pub(super) fn parse(&self) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.complain(error.span().map(|span| span.start), "", error.message(), "");
        }
        table
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    fn complain(&self, at: Option<usize>, key: &str, wrong: &str, right: &str) {
        let line = at.map(|at| 1 + self.text.bytes().take(at).filter(|&byte| byte == b'\n').count());
        self.problems.borrow_mut().push(Problem {
            file: self.file.to_owned(),
            line,
            key: key.to_owned(),
            wrong: wrong.to_owned(),
            right: right.to_owned(),
        });
    }
}

/// One table of a file.
pub(super) struct Section<'s, 'a> {
    source: &'s Source<'a>,
    table: &'s DeTable<'a>,
    /// Where the table begins.
    at: Option<usize>,
    path: String,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'s, 'a> Section<'s, 'a> {
    pub(super) fn root(source: &'s Source<'a>, table: &'s DeTable<'a>) -> Section<'s, 'a> {
        Section { source, table, at: None, path: String::new(), known: RefCell::default() }
    }

    /// The table under `key`, if it is there.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'s, 'a>> {
        let (at, value) = self.value(key)?;
        let DeValue::Table(table) = value else {
            self.wrong(at, key, "is no section", &format!("write [{}] on a line of its own", self.name(key)));
            return None;
        };
        Some(Section { source: self.source, table, at: Some(at), path: self.name(key), known: RefCell::default() })
    }

    /// Names the keys that are none of ours.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if known.contains(name) {
                continue;
            }
            let nearest = known.iter().max_by(|a, b| {
                strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)).then_with(|| b.cmp(a))
            });
            let right = match nearest {
                Some(nearest) if strsim::jaro_winkler(name, nearest) > 0.75 => format!("did you mean {nearest}?"),
                _ => format!("known here: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            self.wrong(key.span().start, name, "unknown key", &right);
        }
    }

    /// A text that must be there.
    pub(super) fn text(&self, key: &'static str, example: &str) -> Option<String> {
        let text = self.optional_text(key);
        if !self.table.contains_key(key) {
            self.missing(key, &format!("for example {key} = \"{example}\""));
        }
        text
    }

    /// A text that may be left out; an empty one is a problem.
    pub(super) fn optional_text(&self, key: &'static str) -> Option<String> {
        let (at, value) = self.value(key)?;
        let DeValue::String(text) = value else {
            self.wrong(at, key, "is no text", "put it in \"quotes\"");
            return None;
        };
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            self.wrong(at, key, "is empty or holds control characters", "write one line of text, or leave the key out");
            return None;
        }
        Some(text.to_string())
    }

    /// A mail address that must be there.
    pub(super) fn address(&self, key: &'static str, example: &str) -> Option<String> {
        let address = self.text(key, example)?;
        let plain = address.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && is_domain(domain)
                && !local.contains(|c: char| c.is_whitespace() || "<>\",;".contains(c))
        });
        if !plain {
            self.wrong_value(
                key,
                &format!("\"{address}\" is no mail address"),
                &format!("write it bare, as {example}"),
            );
            return None;
        }
        Some(address)
    }

    /// A domain name, or `fallback` where the key is left out.
    pub(super) fn domain(&self, key: &'static str, fallback: Option<&str>) -> Option<String> {
        match self.optional_text(key) {
            Some(domain) if is_domain(&domain) => Some(domain.to_ascii_lowercase()),
            Some(domain) => {
                self.wrong_value(key, &format!("\"{domain}\" is no domain name"), "write it as mail.example.jp");
                None
            }
            None => fallback.map(str::to_owned),
        }
    }

    /// Texts that may be left out.
    pub(super) fn texts(&self, key: &'static str) -> Vec<String> {
        let Some((at, value)) = self.value(key) else { return Vec::new() };
        let texts = value.as_array().and_then(|array| {
            array.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        match texts {
            Some(texts) if texts.iter().all(|text| !text.trim().is_empty()) => texts,
            _ => {
                self.wrong(at, key, "is no list of texts", &format!("write {key} = [\"one\", \"two\"]"));
                Vec::new()
            }
        }
    }

    /// IP addresses that may be left out.
    pub(super) fn addresses(&self, key: &'static str, example: &str) -> Option<Vec<IpAddr>> {
        let address = |text: &String| {
            let address = text.parse::<IpAddr>().map(|address| address.to_canonical());
            if address.is_err() {
                let right = format!("write addresses alone, as [\"{example}\"]");
                self.wrong_value(key, &format!("\"{text}\" is no IP address"), &right);
            }
            address.ok()
        };
        self.texts(key).iter().map(address).collect()
    }

    /// A whole number between bounds, or `fallback` where the key is left out.
    pub(super) fn integer(&self, key: &'static str, fallback: i64, least: i64, most: i64) -> Option<i64> {
        let Some((at, value)) = self.value(key) else { return Some(fallback) };
        let number = whole(value, least, most);
        if number.is_none() {
            self.wrong(
                at,
                key,
                "is no number that fits",
                &format!("a whole number from {least} to {most}, without quotes"),
            );
        }
        number
    }

    /// The table's keys as domain names, each with a whole number from 1 to `most`.
    pub(super) fn of_domains(&self, most: i64) -> BTreeMap<String, u32> {
        let right =
            format!("write the domain in quotes and a whole number from 1 to {most}, as \"mail.example.jp\" = 60");
        let mut numbers = BTreeMap::new();
        for (key, value) in self.table {
            let name: &str = key.get_ref();
            let number = whole(value.get_ref(), 1, most).and_then(|number| u32::try_from(number).ok());
            match number.filter(|_| is_domain(name)) {
                Some(number) => {
                    numbers.insert(name.to_ascii_lowercase(), number);
                }
                None if is_domain(name) => self.wrong(key.span().start, name, "is no number that fits", &right),
                None => self.wrong(key.span().start, name, "is no domain name", &right),
            }
        }
        numbers
    }

    /// Whether there is no key in it.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// One of a few words, or the first of them where the key is left out.
    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        if !self.table.contains_key(key) {
            self.known.borrow_mut().insert(key);
            return words.first().map(|(_, value)| *value);
        }
        let text = self.optional_text(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let names = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
            self.wrong_value(key, &format!("\"{text}\" is not known"), &format!("one of {names}"));
        }
        found
    }

    /// A path, taken from the folder of the file where it is relative.
    pub(super) fn path(&self, key: &'static str) -> Option<PathBuf> {
        let path = self.optional_text(key)?;
        Some(self.resolve(&path))
    }

    /// A path relative to the folder of the file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        match self.source.file.parent() {
            Some(folder) => folder.join(path),
            None => PathBuf::from(path),
        }
    }

    /// The text of a file that not everybody may read, which must be named; `create` tells how it is made.
    pub(super) fn private_text(&self, key: &'static str, create: &str) -> Option<SecretString> {
        let Some(file) = self.path(key) else {
            if !self.has(key) {
                self.missing(key, create);
            }
            return None;
        };
        let text = read_private(&file, create.to_owned());
        let told = |(wrong, right): (String, String)| {
            self.wrong_value(key, &format!("{}: {wrong}", file.display()), &right);
        };
        text.map_err(told).ok().map(SecretString::from)
    }

    /// A secret: the first line of the file in `password_file`, or the variable named by `password_env`.
    pub(super) fn secret(&self) -> Option<SecretString> {
        let file = self.path("password_file");
        let variable = self.optional_text("password_env");
        if self.table.contains_key("password") {
            self.known.borrow_mut().insert("password");
            let right = "put it alone into a file and name that with password_file, or use password_env";
            self.wrong_value("password", "passwords do not belong here", right);
        }
        match (file, variable) {
            (Some(_), Some(_)) => {
                self.wrong_value("password_env", "there is password_file, too", "keep one of the two");
                None
            }
            (Some(file), None) => match read_secret(&file) {
                Ok(secret) => Some(secret),
                Err((wrong, right)) => {
                    self.wrong_value("password_file", &format!("{}: {wrong}", file.display()), &right);
                    None
                }
            },
            (None, Some(variable)) => match (self.source.environment)(&variable).filter(|value| !value.is_empty()) {
                Some(value) => Some(SecretString::from(value)),
                None => {
                    let wrong = format!("the environment variable {variable} is not set");
                    self.wrong_value("password_env", &wrong, "set it for the daemon, or use password_file");
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// The keys in the file under `key`, if it is named.
    pub(super) fn key_ring(&self, key: &'static str) -> Option<KeyRing> {
        let file = self.path(key)?;
        let create = format!("make it with `hagaki key make {}`", file.display());
        let read = read_private(&file, create.clone()).and_then(|text| {
            KeyRing::parse(&text).map_err(|fault| match fault {
                KeyFault::Line(line) => {
                    (format!("line {line} is no key"), "put the line back as it was made".to_owned())
                }
                KeyFault::Empty => ("there is no key in it".to_owned(), create),
                KeyFault::Many => {
                    let right = format!("take old ones out; at most {} fit", limits::KEYS_KEPT);
                    ("there are too many keys in it".to_owned(), right)
                }
            })
        });
        read.map_err(|(wrong, right)| self.wrong_value(key, &format!("{}: {wrong}", file.display()), &right)).ok()
    }

    /// A secret that must be there.
    pub(super) fn required_secret(&self) -> Option<SecretString> {
        let secret = self.secret();
        let named = ["password", "password_file", "password_env"];
        if !named.iter().any(|key| self.table.contains_key(*key)) {
            self.missing("password_file", "for example password_file = \"/etc/hagaki/password\"");
        }
        secret
    }

    /// Whether the key stands in the file.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.known.borrow_mut().insert(key);
        self.table.contains_key(key)
    }

    /// Complains that a key is not there.
    pub(super) fn missing(&self, key: &'static str, right: &str) {
        self.known.borrow_mut().insert(key);
        self.source.complain(self.at, &self.name(key), "is missing", right);
    }

    /// Complains about the value of a key that is there.
    pub(super) fn wrong_value(&self, key: &'static str, wrong: &str, right: &str) {
        let at = self.table.get_key_value(key).map(|(key, _)| key.span().start).or(self.at);
        self.source.complain(at, &self.name(key), wrong, right);
    }

    fn wrong(&self, at: usize, key: &str, wrong: &str, right: &str) {
        self.source.complain(Some(at), &self.name(key), wrong, right);
    }

    fn value(&self, key: &'static str) -> Option<(usize, &'s DeValue<'a>)> {
        self.known.borrow_mut().insert(key);
        self.table.get_key_value(key).map(|(key, value)| (key.span().start, value.get_ref()))
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// A whole number between bounds.
fn whole(value: &DeValue<'_>, least: i64, most: i64) -> Option<i64> {
    let number = value.as_integer().and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
    number.filter(|number| (least..=most).contains(number))
}

/// Whether a text can be the domain of a mail address: dot-separated labels, or a bare host name on closed networks.
pub(super) fn is_domain(text: &str) -> bool {
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    text.len() <= 253 && text.split('.').all(label)
}

/// The first line of a secret's file, or what is wrong and what would be right.
fn read_secret(file: &Path) -> Result<SecretString, (String, String)> {
    let create = || "create it with the password alone in it, readable by the daemon only (chmod 600)".to_owned();
    let text = read_private(file, create())?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(SecretString::from(line)),
        None => Err(("its first line is empty".to_owned(), create())),
    }
}

/// The text of a file that not everybody may read, or what is wrong and what would be right: `create` where there is none.
fn read_private(file: &Path, create: String) -> Result<String, (String, String)> {
    let create = || create.clone();
    let mut opened = fs::File::open(file).map_err(|error| (error.to_string(), create()))?;
    let metadata = opened.metadata().map_err(|error| (error.to_string(), create()))?;
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(("everybody on this machine can use it".to_owned(), format!("chmod o= {}", file.display())));
    }
    let mut text = String::new();
    let read = opened.by_ref().take(limits::SECRET_FILE_BYTES).read_to_string(&mut text);
    read.map_err(|error| (error.to_string(), create()))?;
    Ok(text)
}
