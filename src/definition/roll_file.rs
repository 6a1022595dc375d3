//! The roll of an election as a table: a line for each voter.
//!
//! The columns are those of [`COLUMNS`], in any order, by their names in English or Japanese; separator and charset as people's programs
//! write them (see [`csv_file`]). A line that cannot be used is a problem with its number, and a roll with one is not taken: somebody
//! left out silently would have lost their vote.

use std::collections::BTreeMap;

use super::csv_file::{self, Charset};
use super::document::{Report, nearest};
use super::participants_file::{full_name, sound_address};
use super::problem::Problem;
use super::study_file::did_you_mean;
use crate::domain::election::Election;
use crate::domain::election::roll::{Entry, EntryFault};
use crate::domain::language::Language;
use crate::domain::text;
use crate::limits;

/// The columns, each with what it may be called, too. `number` and `name` (or the two parts of a name) must be there; where the election
/// has districts or classes, theirs.
pub const COLUMNS: [(&str, &[&str]); 9] = [
    ("number", &["member", "token", "会員番号", "番号"]),
    ("name", &["氏名", "名前"]),
    ("lastname", &["family name", "姓"]),
    ("firstname", &["given name", "名"]),
    ("email", &["address", "mail", "メール", "メールアドレス"]),
    ("language", &["言語"]),
    ("district", &["選挙区", "地区"]),
    ("class", &["会員種別", "種別"]),
    ("postal", &["郵便", "郵送"]),
];

/// What stands in the column `postal` for somebody who votes by post, and for somebody who does not.
const YES: [&str; 6] = ["1", "y", "yes", "true", "○", "郵送"];
const NO: [&str; 5] = ["", "0", "n", "no", "false"];

/// Reads a roll. `languages` are the study's.
///
/// # Errors
/// Every problem of the file.
pub fn read(
    file: &str,
    bytes: &[u8],
    charset: Charset,
    election: &Election,
    languages: &[Language],
) -> Result<Vec<Entry>, Vec<Problem>> {
    let report = Report::default();
    let roll = match csv_file::decode(bytes, charset) {
        Ok(content) => Table { file, election, languages, report: &report }.read(&content),
        Err(undecided) => {
            report.file(file, undecided.wrong(), "save it as UTF-8, or name its charset with --charset");
            Vec::new()
        }
    };
    let mut problems = report.into_problems();
    problems.sort();
    if problems.is_empty() { Ok(roll) } else { Err(problems) }
}

struct Table<'a> {
    file: &'a str,
    election: &'a Election,
    languages: &'a [Language],
    report: &'a Report,
}

/// Where each column stands.
type Places = BTreeMap<&'static str, usize>;

impl Table<'_> {
    fn at(&self, line: usize, key: &str, wrong: impl Into<String>, right: impl Into<String>) {
        self.report.at(self.file, Some(line), key, wrong, right);
    }

    fn read(&self, content: &str) -> Vec<Entry> {
        let mut rows = csv::ReaderBuilder::new()
            .delimiter(csv_file::separator(content))
            .flexible(true)
            .from_reader(content.as_bytes());
        let Ok(header) = rows.headers().cloned() else {
            self.at(1, "", "the first line cannot be read", "it names the columns");
            return Vec::new();
        };
        let Some(places) = self.places(&header) else { return Vec::new() };
        let (mut roll, mut lines): (Vec<Entry>, BTreeMap<String, usize>) = (Vec::new(), BTreeMap::new());
        for row in rows.records() {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    let line = error.position().and_then(|at| usize::try_from(at.line()).ok()).unwrap_or_default();
                    self.at(line, "", "the row cannot be read", "quotation marks stand in pairs");
                    continue;
                }
            };
            let line = row.position().and_then(|at| usize::try_from(at.line()).ok()).unwrap_or_default();
            if row.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            if row.len() != header.len() {
                let wrong = format!("has {} cells where the first line has {}", row.len(), header.len());
                self.at(line, "", wrong, "put cells with a separator in them into quotation marks");
                continue;
            }
            if roll.len() >= limits::ROLL {
                self.at(line, "", format!("there are more than {} voters", limits::ROLL), "");
                break;
            }
            let Some(entry) = self.entry(line, &places, &row) else { continue };
            if let Some(above) = lines.insert(entry.number.clone(), line) {
                let wrong = format!("\"{}\" stands in line {above}, too", entry.number);
                self.at(line, "number", wrong, "give each voter the number that nobody else has");
            }
            roll.push(entry);
        }
        if roll.is_empty() && self.report.is_sound(self.file) {
            self.report.file(self.file, "names nobody", "write a line for each voter below the names of the columns");
        }
        roll
    }

    fn places(&self, header: &csv::StringRecord) -> Option<Places> {
        let mut places = Places::new();
        let known: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        for (at, written) in header.iter().enumerate() {
            let folded = text::fold(written);
            let is = |name: &str| text::fold(name) == folded;
            let found = COLUMNS.iter().find(|(name, others)| is(name) || others.iter().any(|other| is(other)));
            match found {
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
                    self.at(1, written.trim(), "is no column of a roll", right);
                }
            }
        }
        let named = ["name", "lastname", "firstname"].iter().any(|column| places.contains_key(column));
        let needed = [
            ("number", true, places.contains_key("number")),
            ("name", true, named),
            ("district", !self.election.districts.is_empty(), places.contains_key("district")),
            ("class", !self.election.classes.is_empty(), places.contains_key("class")),
        ];
        for (column, _, _) in needed.iter().filter(|(_, needed, there)| *needed && !there) {
            let right = format!("write a column {column} in the first line, and what it says of each voter below");
            self.at(1, column, "there is no such column", right);
        }
        self.report.is_sound(self.file).then_some(places)
    }

    /// One line; everything that is wrong with it is reported.
    fn entry(&self, line: usize, places: &Places, row: &csv::StringRecord) -> Option<Entry> {
        let cell = |name: &str| places.get(name).and_then(|at| row.get(*at)).unwrap_or_default().trim();
        let optional = |name: &str| Some(text::fold_width(cell(name))).filter(|cell| !cell.is_empty());
        let name = match cell("name") {
            "" => full_name(cell("lastname"), cell("firstname")),
            whole => text::squeeze(whole),
        };
        let mut sound = true;
        let address = match cell("email") {
            "" => String::new(),
            written => sound_address(written).unwrap_or_else(|| {
                sound = false;
                self.at(
                    line,
                    "email",
                    format!("\"{written}\" is no mail address"),
                    "write it bare, as hana@example.jp",
                );
                String::new()
            }),
        };
        let language = optional("language").and_then(|written| {
            let primary = written.split(['-', '_']).next().unwrap_or_default().to_lowercase();
            let found = Language::find(&primary).filter(|language| self.languages.contains(language));
            if found.is_none() {
                sound = false;
                let right = "write one of the study's, or leave the cell empty for its first";
                self.at(line, "language", format!("\"{written}\" is no language of the study"), right);
            }
            found
        });
        let folded = text::fold(cell("postal"));
        let postal = YES.iter().any(|word| text::fold(word) == folded);
        if !postal && !NO.contains(&folded.as_str()) {
            sound = false;
            let wrong = format!("\"{}\" says neither yes nor no", cell("postal"));
            self.at(line, "postal", wrong, "write 1 for somebody who votes by post, else nothing");
        }
        let entry = Entry {
            number: text::squeeze(&text::fold_width(cell("number"))),
            name,
            address,
            language,
            district: optional("district"),
            class: optional("class"),
            postal,
        };
        if let Err(fault) = entry.check(self.election) {
            self.tell(line, &fault);
            return None;
        }
        sound.then_some(entry)
    }

    fn tell(&self, line: usize, fault: &EntryFault) {
        let districts: Vec<&str> = self.election.districts.iter().map(|own| own.id.as_str()).collect();
        let classes: Vec<&str> = self.election.classes.iter().map(|own| own.id.as_str()).collect();
        let (key, right) = match fault {
            EntryFault::Number => ("number", String::new()),
            EntryFault::Name => ("name", String::new()),
            EntryFault::District(_) if districts.is_empty() => ("district", "leave it empty".to_string()),
            EntryFault::District(id) => ("district", meant(id.as_deref(), &districts)),
            EntryFault::Class(_) if classes.is_empty() => ("class", "leave it empty".to_string()),
            EntryFault::Class(id) => ("class", meant(id.as_deref(), &classes)),
        };
        self.at(line, key, fault.to_string(), right);
    }
}

/// Which of the ids was meant.
fn meant(written: Option<&str>, known: &[&str]) -> String {
    did_you_mean(written.unwrap_or_default(), known)
}
