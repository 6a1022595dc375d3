//! `[list]`: an imported list of arms, in this program's columns or in those of a REDCap allocation table.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use toml::de::DeValue;

use super::table::{self, Desk, Section, suggestion};
use crate::definition::problem::{Problem, Weight};
use crate::domain::allocation::{Arm, ArmList, Factor, Levels, SITE};
use crate::limits;

/// Columns of the arm and of the number, in either shape.
const ARM_COLUMNS: [&str; 2] = ["arm", "redcap_randomization_group"];
const NUMBER: &str = "number";
/// REDCap's own number is a code that its users choose; only its order of lines is a sequence. Where codes that count upwards do not
/// ascend, the list was most likely sorted otherwise after it was made.
const REDCAP_NUMBER: &str = "redcap_randomization_number";
const REDCAP_GROUP: &str = "redcap_data_access_group";

/// Whether a file can be a list.
pub(super) fn is_name(name: &str) -> bool {
    let middle = name.strip_prefix("list").and_then(|rest| rest.strip_suffix(".csv"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    middle.is_some_and(|rest| rest.is_empty() || (rest.starts_with(['-', '_']) && rest.chars().all(plain)))
}

/// The list that the section names.
pub(super) fn read(
    desk: &mut Desk<'_>,
    section: &Section<'_, '_>,
    arms: &[Arm],
    factors: &[Factor],
    strata: &[String],
    beside: &dyn Fn(&str) -> Option<String>,
) -> Option<ArmList> {
    let renamed = columns(desk, section, strata);
    let (name, span) = section.need_name(desk, "file", "the name of a CSV file, such as \"list.csv\"")?;
    let path = section.path_of("file");
    if !is_name(&name) {
        desk.error(Some(span), &path, format!("\"{name}\" is no name of a list"), "list.csv, or list-….csv");
        return None;
    }
    let Some(text) = beside(&name) else {
        let right = "put it beside this file, in UTF-8";
        desk.error(Some(span), &path, format!("there is no file {name} that can be read"), right);
        return None;
    };
    let sheet = Sheet { name: &name, arms, factors, strata, renamed };
    let (list, problems) = sheet.read(text.strip_prefix('\u{feff}').unwrap_or(&text), digest(&text));
    let broken = problems.iter().any(|problem| problem.weight == Weight::Error);
    problems.into_iter().for_each(|problem| desk.elsewhere(problem));
    if broken {
        return None;
    }
    warn_of_ratio(desk, span, &list, arms);
    Some(list)
}

fn digest(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// `columns = { sex = "gender" }`: what the columns of strata are called in the file, if not as the strata.
fn columns(desk: &mut Desk<'_>, section: &Section<'_, '_>, strata: &[String]) -> BTreeMap<String, String> {
    let mut renamed = BTreeMap::new();
    let Some(value) = section.get("columns") else { return renamed };
    let path = section.path_of("columns");
    let DeValue::Table(entries) = value.get_ref() else {
        desk.error(Some(value.span()), &path, "is no table", "columns = { sex = \"gender\" }");
        return renamed;
    };
    for (key, value) in entries {
        let id: &str = key.get_ref();
        let path = format!("{path}.{id}");
        if !strata.iter().any(|stratum| stratum == id) {
            let known: Vec<&str> = strata.iter().map(String::as_str).collect();
            desk.error(Some(key.span()), &path, format!("\"{id}\" is no stratum"), suggestion(id, &known));
        } else if let Some(name) = table::name(desk, &path, value) {
            renamed.insert(id.to_owned(), name);
        }
    }
    renamed
}

/// A list in another ratio than the arms' is most often the wrong list.
fn warn_of_ratio(desk: &mut Desk<'_>, span: std::ops::Range<usize>, list: &ArmList, arms: &[Arm]) {
    let counts = list.arm_counts();
    let of = |arm: &Arm| counts.iter().find(|(code, _)| *code == arm.code).map_or(0, |(_, count)| *count as u64);
    let sum: u64 = arms.iter().map(|arm| arm.ratio).sum();
    if arms.iter().any(|arm| of(arm) * sum != arm.ratio * list.places() as u64) {
        let found: Vec<String> = arms.iter().map(|arm| format!("{} {}", arm.code, of(arm))).collect();
        let asked: Vec<String> = arms.iter().map(|arm| arm.ratio.to_string()).collect();
        let wrong = format!("{} has the arms {}, which is not {}", list.file(), found.join(", "), asked.join(":"));
        desk.warn(Some(span), "list.file", wrong, "look whether it is the right list");
    }
}

struct Sheet<'a> {
    name: &'a str,
    arms: &'a [Arm],
    factors: &'a [Factor],
    strata: &'a [String],
    renamed: BTreeMap<String, String>,
}

/// Where the columns stand.
struct Places {
    arm: usize,
    number: Option<usize>,
    code: Option<usize>,
    strata: Vec<(String, usize)>,
}

impl Sheet<'_> {
    fn read(&self, text: &str, digest: String) -> (ArmList, Vec<Problem>) {
        let mut list = ArmList::new(self.name, digest, self.strata, self.arms);
        let mut problems = Vec::new();
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
        let header: Vec<String> = match reader.headers() {
            Ok(header) => header.iter().map(str::to_owned).collect(),
            Err(fault) => {
                problems.push(self.problem(None, "", format!("cannot be read ({fault})"), ""));
                return (list, problems);
            }
        };
        let Some(places) = self.places(&header, &mut problems) else { return (list, problems) };
        let mut last: BTreeMap<Vec<String>, u64> = BTreeMap::new();
        let (mut codes, mut counted) = (BTreeSet::new(), BTreeMap::new());
        let mut unsorted = None;
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(fault) => {
                    problems.push(self.problem(None, "", format!("cannot be read ({fault})"), ""));
                    break;
                }
            };
            let line = record.position().map(csv::Position::line);
            if problems.len() >= limits::PROBLEMS {
                break;
            }
            if list.places() >= limits::LIST_PLACES {
                let right = format!("at most {}", limits::LIST_PLACES);
                problems.push(self.problem(line, "", "too many places".to_owned(), &right));
                break;
            }
            if record.len() != header.len() {
                let wrong = format!("has {} columns, the first line has {}", record.len(), header.len());
                problems.push(self.problem(line, "", wrong, ""));
                continue;
            }
            let Some(levels) = self.levels(&places, &record, line, &mut problems) else { continue };
            let (arm_key, arm) = cell(&header, &record, places.arm);
            if list.push(&levels, arm).is_err() {
                let known: Vec<&str> = self.arms.iter().map(|arm| arm.code.as_str()).collect();
                let right = format!("write one of {}", known.join(", "));
                problems.push(self.problem(line, arm_key, format!("there is no arm \"{arm}\""), &right));
                continue;
            }
            let stratum: Vec<String> = levels.into_values().collect();
            if let Some(place) = places.code {
                let (_, code) = cell(&header, &record, place);
                unsorted = unsorted.or_else(|| self.follows(&mut counted, stratum.clone(), code, line));
            }
            if let Some(place) = places.number {
                let (_, number) = cell(&header, &record, place);
                self.check_number(&mut last, stratum, number, line, &mut problems);
            }
            if let Some(place) = places.code {
                let (key, code) = cell(&header, &record, place);
                if !code.is_empty() && !codes.insert(code.to_owned()) {
                    problems.push(self.problem(line, key, format!("\"{code}\" stands twice"), "each number once"));
                }
            }
        }
        if problems.is_empty() && list.places() == 0 {
            problems.push(self.problem(None, "", "has no line with an arm".to_owned(), "one line for each subject"));
        }
        problems.extend(unsorted);
        (list, problems)
    }

    fn problem(&self, line: Option<u64>, key: &str, wrong: String, right: &str) -> Problem {
        Problem {
            file: self.name.to_owned(),
            line: line.and_then(|line| usize::try_from(line).ok()),
            key: key.to_owned(),
            wrong,
            right: right.to_owned(),
            weight: Weight::Error,
        }
    }

    /// Finds the columns; every other one is a slip.
    fn places(&self, header: &[String], problems: &mut Vec<Problem>) -> Option<Places> {
        let find = |name: &str| header.iter().position(|column| column == name);
        let mut strata = Vec::new();
        for id in self.strata {
            let renamed = self.renamed.get(id).map_or(id.as_str(), String::as_str);
            let group = || (id == SITE && !self.renamed.contains_key(id)).then(|| find(REDCAP_GROUP)).flatten();
            match find(renamed).or_else(group) {
                Some(place) => strata.push((id.clone(), place)),
                None => {
                    let wrong = format!("there is no column \"{renamed}\"");
                    let right = "the strata of allocation.toml, or list.columns there";
                    problems.push(self.problem(Some(1), renamed, wrong, right));
                }
            }
        }
        let arm = ARM_COLUMNS.into_iter().find_map(find);
        if arm.is_none() {
            let (wrong, right) = ("there is no column \"arm\"", "number,(strata),arm, or a REDCap allocation table");
            problems.push(self.problem(Some(1), "arm", wrong.to_owned(), right));
        }
        let (number, code) = (find(NUMBER), find(REDCAP_NUMBER));
        let known: Vec<usize> = strata.iter().map(|(_, place)| *place).chain(arm).chain(number).chain(code).collect();
        for (place, column) in header.iter().enumerate() {
            if header.iter().take(place).any(|before| before == column) {
                problems.push(self.problem(Some(1), column, "stands twice".to_owned(), "each column once"));
            } else if !known.contains(&place) && problems.is_empty() {
                let wrong = "is neither the arm nor a stratum";
                let right = "name it in strata, or leave the column out: the list must be sorted as it is used";
                problems.push(self.problem(Some(1), column, wrong.to_owned(), right));
            }
        }
        problems.is_empty().then_some(Places { arm: arm?, number, code, strata })
    }

    fn levels(
        &self,
        places: &Places,
        record: &csv::StringRecord,
        line: Option<u64>,
        problems: &mut Vec<Problem>,
    ) -> Option<Levels> {
        let mut levels = Levels::new();
        let before = problems.len();
        for (id, place) in &places.strata {
            let level = record.get(*place).unwrap_or_default();
            let listed = self.factors.iter().find(|factor| factor.id == *id).and_then(|factor| factor.levels.as_ref());
            let unknown = listed.filter(|listed| !listed.iter().any(|known| known == level));
            if level.is_empty() {
                problems.push(self.problem(line, id, "is empty".to_owned(), "a level in every line"));
            } else if let Some(listed) = unknown {
                let known: Vec<&str> = listed.iter().map(String::as_str).collect();
                problems.push(self.problem(
                    line,
                    id,
                    format!("\"{level}\" is no level of \"{id}\""),
                    &suggestion(level, &known),
                ));
            }
            levels.insert(id.clone(), level.to_owned());
        }
        (problems.len() == before).then_some(levels)
    }

    /// A warning if that code counts less far than the one before in its stratum.
    fn follows(
        &self,
        counted: &mut BTreeMap<Vec<String>, String>,
        stratum: Vec<String>,
        code: &str,
        line: Option<u64>,
    ) -> Option<Problem> {
        let (begin, number) = counter(code)?;
        let last = counted.insert(stratum, code.to_owned())?;
        let (before, most) = counter(&last)?;
        (before == begin && most > number).then(|| {
            let wrong = format!(
                "\"{code}\" stands behind \"{last}\": arms are given in the order of the lines, whatever the numbers"
            );
            let right = "look whether the list was sorted otherwise after it was made; if so, sort it by these numbers";
            Problem { weight: Weight::Warning, ..self.problem(line, REDCAP_NUMBER, wrong, right) }
        })
    }

    /// Numbers ascend by one in each stratum: a list that was sorted wrongly is the known disaster of imports.
    fn check_number(
        &self,
        last: &mut BTreeMap<Vec<String>, u64>,
        stratum: Vec<String>,
        number: &str,
        line: Option<u64>,
        problems: &mut Vec<Problem>,
    ) {
        let Ok(number) = number.parse::<u64>() else {
            problems.push(self.problem(
                line,
                NUMBER,
                format!("\"{number}\" is no number"),
                "1, 2, 3 … in each stratum",
            ));
            return;
        };
        let expected = last.get(&stratum).map(|last| last.saturating_add(1));
        if let Some(expected) = expected.filter(|expected| *expected != number) {
            let right = "sort the list as it is to be used; numbers of a stratum ascend without gaps";
            problems.push(self.problem(line, NUMBER, format!("is {number} where {expected} comes next"), right));
        }
        last.insert(stratum, number);
    }
}

/// `R-017` as `R-` and 17; `None` of a code that does not end in a number.
fn counter(code: &str) -> Option<(&str, u64)> {
    let begin = code.trim_end_matches(|c: char| c.is_ascii_digit());
    Some((begin, code.strip_prefix(begin)?.parse().ok()?))
}

fn cell<'r>(header: &'r [String], record: &'r csv::StringRecord, place: usize) -> (&'r str, &'r str) {
    (header.get(place).map_or("", String::as_str), record.get(place).unwrap_or_default())
}
