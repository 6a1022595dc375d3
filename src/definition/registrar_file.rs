//! Who gets a credential, as a table for those who make them: a line for each voter.
//!
//! The columns are those of [`COLUMNS`], in any order, by their names in English or Japanese; separator and charset as people's programs
//! write them (see [`csv_file`]). A line that cannot be used is a problem with its number, and a table with one is not taken: somebody
//! left out silently would have lost their vote.

use std::collections::BTreeMap;

use super::csv_file::{self, Charset};
use super::document::{Report, nearest};
use super::participants_file::sound_address;
use super::problem::Problem;
use crate::domain::language::Language;
use crate::domain::text;
use crate::limits;

/// The columns, each with what it may be called, too. `number` and `name` must be there.
pub const COLUMNS: [(&str, &[&str]); 5] = [
    ("number", &["member", "会員番号", "番号"]),
    ("name", &["氏名", "名前"]),
    ("email", &["address", "mail", "メール", "メールアドレス"]),
    ("language", &["言語"]),
    ("weight", &["重み", "票数"]),
];

/// Somebody who gets a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// Member number; nobody else of the table has it.
    pub number: String,
    /// Name.
    pub name: String,
    /// Mail address; empty where there is none.
    pub address: String,
    /// Language of their letter, if it is said.
    pub language: Option<Language>,
    /// What their vote counts.
    pub weight: u64,
}

/// Reads a table.
///
/// # Errors
/// Every problem of the file.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<Addressee>, Vec<Problem>> {
    let report = Report::default();
    let people = match csv_file::decode(bytes, Charset::Guessed) {
        Ok(content) => Table { file, report: &report }.read(&content),
        Err(undecided) => {
            report.file(file, undecided.wrong(), "save it as UTF-8");
            Vec::new()
        }
    };
    let mut problems = report.into_problems();
    problems.sort();
    if problems.is_empty() { Ok(people) } else { Err(problems) }
}

struct Table<'a> {
    file: &'a str,
    report: &'a Report,
}

/// Where each column stands.
type Places = BTreeMap<&'static str, usize>;

impl Table<'_> {
    fn at(&self, line: usize, key: &str, wrong: impl Into<String>, right: impl Into<String>) {
        self.report.at(self.file, Some(line), key, wrong, right);
    }

    fn read(&self, content: &str) -> Vec<Addressee> {
        let mut rows = csv::ReaderBuilder::new()
            .delimiter(csv_file::separator(content))
            .flexible(true)
            .from_reader(content.as_bytes());
        let Ok(header) = rows.headers().cloned() else {
            self.at(1, "", "the first line cannot be read", "it names the columns");
            return Vec::new();
        };
        let Some(places) = self.places(&header) else { return Vec::new() };
        let (mut people, mut lines): (Vec<Addressee>, BTreeMap<String, usize>) = (Vec::new(), BTreeMap::new());
        for row in rows.records() {
            let line_of = |at: Option<&csv::Position>| at.and_then(|at| usize::try_from(at.line()).ok());
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    let line = line_of(error.position()).unwrap_or_default();
                    self.at(line, "", "the row cannot be read", "quotation marks stand in pairs");
                    continue;
                }
            };
            let line = line_of(row.position()).unwrap_or_default();
            if row.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            if row.len() != header.len() {
                let wrong = format!("has {} cells where the first line has {}", row.len(), header.len());
                self.at(line, "", wrong, "put cells with a separator in them into quotation marks");
                continue;
            }
            if people.len() >= limits::BEL_VALUES {
                self.at(line, "", format!("there are more than {} voters", limits::BEL_VALUES), "");
                break;
            }
            let Some(own) = self.addressee(line, &places, &row) else { continue };
            if let Some(above) = lines.insert(own.number.clone(), line) {
                let wrong = format!("\"{}\" stands in line {above}, too", own.number);
                self.at(line, "number", wrong, "give each voter the number that nobody else has");
            }
            people.push(own);
        }
        if people.is_empty() && self.report.is_sound(self.file) {
            self.report.file(self.file, "names nobody", "write a line for each voter below the names of the columns");
        }
        people
    }

    fn places(&self, header: &csv::StringRecord) -> Option<Places> {
        let mut places = Places::new();
        let known: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        for (at, written) in header.iter().enumerate() {
            let folded = text::fold(written);
            let is = |name: &str| text::fold(name) == folded;
            match COLUMNS.iter().find(|(name, others)| is(name) || others.iter().any(|other| is(other))) {
                Some((name, _)) => {
                    if places.insert(*name, at).is_some() {
                        self.at(1, name, "names two columns", "keep one of them");
                    }
                }
                None => {
                    let right = match nearest(&folded, &known) {
                        Some(near) => format!("did you mean {near}?"),
                        None => format!("take it out; known are {}", known.join(", ")),
                    };
                    self.at(1, written.trim(), "is no column of this table", right);
                }
            }
        }
        for column in ["number", "name"].into_iter().filter(|column| !places.contains_key(column)) {
            let right = format!("write a column {column} in the first line, and what it says of each voter below");
            self.at(1, column, "there is no such column", right);
        }
        self.report.is_sound(self.file).then_some(places)
    }

    /// One line; everything that is wrong with it is reported.
    fn addressee(&self, line: usize, places: &Places, row: &csv::StringRecord) -> Option<Addressee> {
        let cell = |name: &str| places.get(name).and_then(|at| row.get(*at)).unwrap_or_default().trim();
        let mut sound = true;
        let mut wrong = |key: &str, wrong: String, right: &str| {
            sound = false;
            self.at(line, key, wrong, right);
        };
        let number = text::squeeze(&text::fold_width(cell("number")));
        if !is_shown(&number, limits::MEMBER_NUMBER_CHARS) {
            let told = format!("is no number of at most {} visible characters", limits::MEMBER_NUMBER_CHARS);
            wrong("number", told, "write the voter's own");
        }
        let name = text::squeeze(cell("name"));
        if !is_shown(&name, limits::REPEATED_CHARS) {
            let told = format!("is no name of at most {} visible characters", limits::REPEATED_CHARS);
            wrong("name", told, "write it as letters address the voter");
        }
        let written = cell("email");
        let address = if written.is_empty() { Some(String::new()) } else { sound_address(written) };
        if address.is_none() {
            wrong("email", format!("\"{written}\" is no mail address"), "write it bare, as hana@example.jp");
        }
        let written = text::fold_width(cell("language")).to_lowercase();
        let language = Language::find(written.split(['-', '_']).next().unwrap_or_default());
        if language.is_none() && !written.is_empty() {
            wrong("language", format!("\"{written}\" is no language of letters"), "write ja or en, or leave it empty");
        }
        let written = text::fold_width(cell("weight"));
        let weight = if written.is_empty() { Some(1) } else { written.parse().ok() };
        let weight = weight.filter(|weight| (1..=u64::from(limits::VOTE_WEIGHT)).contains(weight));
        if weight.is_none() {
            let right = format!("write a whole number from 1 to {}", limits::VOTE_WEIGHT);
            wrong("weight", format!("\"{written}\" is no weight of a vote"), &right);
        }
        match (address, weight) {
            (Some(address), Some(weight)) if sound => Some(Addressee { number, name, address, language, weight }),
            _ => None,
        }
    }
}

/// Whether a text can be shown: there is something, not too much, and nothing that turns what stands beside it.
fn is_shown(written: &str, most: usize) -> bool {
    let turned = written.chars().any(|c| c.is_control() || text::is_bidi(c));
    !written.is_empty() && written.chars().count() <= most && !turned
}
