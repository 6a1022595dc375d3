//! `hagaki allocation …`: the statistician's commands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::definition::allocation_file::{self, AllocationFile};
use crate::definition::csv_file::{self, Charset};
use crate::definition::problem::{Problem, Weight};
use crate::domain::allocation::{self, Fault, HistoryRow, Levels, Method, Origin, Outcome, Scheme};
use crate::limits;

/// Columns of a history beside the factors.
const ARM: &str = "arm";
const SLOT: &str = "slot";
const BLOCK_SIZE: &str = "block_size";
const ORIGIN: &str = "origin";

/// What [`explain`] found: the answer, and what to say beside it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The arms ahead, and what had to be supposed.
    pub outcome: Outcome,
    /// Warnings about the scheme.
    pub warnings: Vec<Problem>,
    /// Levels of the next subject that nobody in the history has, where the file lists none: they may be mistyped.
    pub unseen: Vec<String>,
}

/// Why the next decision cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainFault {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The scheme has problems.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Scheme(Vec<Problem>),
    /// The history cannot be read, or does not fit the scheme.
    #[error("{path}{}: {wrong}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
    History {
        /// Its path.
        path: PathBuf,
        /// Line, counted from 1.
        line: Option<u64>,
        /// What is wrong.
        wrong: String,
    },
    /// The next subject cannot be read, or does not fit the scheme.
    #[error("--next: {0}")]
    Next(String),
}

impl Explanation {
    /// `{arms: [{code, imbalance, probability}]}`: fractions in lowest terms as text, imbalance null where the method has
    /// none.
    pub fn to_json(&self) -> Value {
        let arms = self.outcome.arms.iter().map(|arm| {
            json!({
                "code": arm.code,
                "imbalance": arm.imbalance.as_ref().map(ToString::to_string),
                "probability": arm.probability.to_string(),
            })
        });
        json!({ "arms": arms.collect::<Vec<Value>>() })
    }

    /// The same as a table for people, with a line for each thing that had to be supposed.
    pub fn to_table(&self) -> String {
        let mut rows = vec![["arm".to_owned(), "imbalance".to_owned(), "probability".to_owned()]];
        rows.extend(self.outcome.arms.iter().map(|arm| {
            let imbalance = arm.imbalance.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            [arm.code.clone(), imbalance, arm.probability.to_string()]
        }));
        let width =
            |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..3).map(|column| width(column).unwrap_or(0)).collect();
        let mut table = String::new();
        for row in &rows {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
            table.push_str(line.join("  ").trim_end());
            table.push('\n');
        }
        if self.outcome.supposed_slots > 0 {
            table.push_str(&format!(
                "{} subjects have no slot: each was supposed to be on the dummy arm that was best for them.\n",
                self.outcome.supposed_slots
            ));
        }
        if self.outcome.unknown_sizes > 0 {
            table.push_str(&format!(
                "{} subjects have no block size: all possible sizes are weighted with their exact probability.\n",
                self.outcome.unknown_sizes
            ));
        }
        table
    }
}

/// Says what the next decision would be: `history` is a CSV file with a column per factor and `arm`, `next` the next
/// subject's levels such as `sex=F,site=012`.
pub fn explain(allocation: &Path, history: Option<&Path>, next: Option<&str>) -> Result<Explanation, ExplainFault> {
    let mut problems = Vec::new();
    let file = |source| ExplainFault::File { path: allocation.to_owned(), source };
    let Some(AllocationFile { scheme, .. }) = allocation_file::open(allocation, &mut problems).map_err(file)? else {
        problems.retain(|problem| problem.weight == Weight::Error);
        return Err(ExplainFault::Scheme(problems));
    };
    let next = read_next(next.unwrap_or_default())?;
    let (rows, lines) = match history {
        Some(path) => read_history(&scheme, path, &read_file(path)?.0)?,
        None => (Vec::new(), Vec::new()),
    };
    let outcome = allocation::explain(&scheme, &rows, &next).map_err(|(row, fault)| match (row, history) {
        (Some(row), Some(path)) => {
            ExplainFault::History { path: path.to_owned(), line: lines.get(row).copied(), wrong: fault.to_string() }
        }
        (None, Some(path)) if matches!(fault, Fault::Blocks | Fault::NoPlace(_)) => {
            ExplainFault::History { path: path.to_owned(), line: None, wrong: fault.to_string() }
        }
        _ => ExplainFault::Next(fault.to_string()),
    })?;
    Ok(Explanation { outcome, warnings: problems, unseen: unseen(&scheme, &rows, &next) })
}

/// The levels that nobody in a history has. What a file lists can have no other ones, and is judged by it.
fn unseen(scheme: &Scheme, history: &[HistoryRow], next: &Levels) -> Vec<String> {
    let listed = |id: &str| scheme.factors().iter().any(|factor| factor.id == id && factor.levels.is_some());
    let told = scheme.needs().filter(|id| !history.is_empty() && !listed(id)).filter_map(|id| {
        let level = next.get(id)?;
        let known: BTreeSet<&str> = history.iter().filter_map(|row| row.levels.get(id)).map(String::as_str).collect();
        let some = known.iter().take(limits::FAULTS_LISTED).copied().collect::<Vec<&str>>().join(", ");
        let more = if known.len() > limits::FAULTS_LISTED { " …" } else { "" };
        (!known.contains(level.as_str()))
            .then(|| format!("--next: nobody in the history has the level {id}={level}; there are {some}{more}"))
    });
    told.collect()
}

/// The text of a history, in whatever charset, and the SHA-256 of its bytes.
pub(super) fn read_file(path: &Path) -> Result<(String, String), ExplainFault> {
    let fault = |source| ExplainFault::File { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(fault)?;
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
    match csv_file::decode(&bytes, Charset::Guessed) {
        Ok(text) => Ok((text, digest)),
        Err(undecided) => {
            let wrong = format!("{}; save it as UTF-8", undecided.wrong());
            Err(ExplainFault::History { path: path.to_owned(), line: None, wrong })
        }
    }
}

/// `sex=F,site=012`; a pair with a comma in it is put in double quotes. Names the scheme does not know are ignored.
fn read_next(text: &str) -> Result<Levels, ExplainFault> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut levels = Levels::new();
    for record in reader.records() {
        let record = record.map_err(|wrong| ExplainFault::Next(wrong.to_string()))?;
        for pair in record.iter().filter(|pair| !pair.is_empty()) {
            let Some((factor, level)) = pair.split_once('=') else {
                return Err(ExplainFault::Next(format!("\"{pair}\" is not of the form factor=level")));
            };
            let (factor, level) = (factor.trim(), level.trim());
            if level.is_empty() {
                return Err(ExplainFault::Next(format!("no level is given for \"{factor}\"")));
            }
            if levels.insert(factor.to_owned(), level.to_owned()).is_some() {
                return Err(ExplainFault::Next(format!("\"{factor}\" stands twice")));
            }
        }
    }
    Ok(levels)
}

/// The columns of a history that are read.
struct Columns {
    arm: usize,
    slot: Option<usize>,
    block_size: Option<usize>,
    origin: Option<usize>,
    factors: Vec<(String, usize)>,
}

impl Columns {
    /// Where each column is; `also` are others that must be there, and `known` levels follow from elsewhere. Everything that is wrong with them at once.
    fn find(
        scheme: &Scheme,
        headers: &csv::StringRecord,
        also: &[&str],
        known: &dyn Fn(&str) -> bool,
    ) -> Result<Columns, String> {
        let find = |name: &str| headers.iter().position(|header| header == name);
        let needs = || scheme.needs().filter(|id| !known(id));
        let mut wrong = Vec::new();
        for name in also.iter().copied().chain(needs()).chain([ARM]) {
            match headers.iter().filter(|header| *header == name).count() {
                0 => wrong.push(format!("there is no column \"{name}\"")),
                1 => {}
                _ => wrong.push(format!("the column \"{name}\" stands twice")),
            }
        }
        let factors: Vec<(String, usize)> = needs().filter_map(|id| Some((id.to_owned(), find(id)?))).collect();
        let slot = find(SLOT).filter(|_| scheme.has_slots());
        let block_size = find(BLOCK_SIZE).filter(|_| matches!(scheme.method(), Method::Block(_)));
        match find(ARM).filter(|_| wrong.is_empty()) {
            Some(arm) => Ok(Columns { arm, slot, block_size, origin: find(ORIGIN), factors }),
            None => Err(wrong.join("; ")),
        }
    }
}

/// Reads a history's records; lines that begin with `#` are comments.
fn reader(text: &str) -> csv::Reader<&[u8]> {
    let mut reader = csv::ReaderBuilder::new();
    reader.delimiter(csv_file::separator(text)).comment(Some(b'#')).trim(csv::Trim::All);
    reader.from_reader(text.as_bytes())
}

/// The rows of a history and the line of each; of what is wrong with its lines, the first.
fn read_history(scheme: &Scheme, path: &Path, text: &str) -> Result<(Vec<HistoryRow>, Vec<u64>), ExplainFault> {
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    let history = read_lines(scheme, path, text, &[], &|_| false)?;
    let origin = history.find(ORIGIN).filter(|_| matches!(scheme.method(), Method::Block(_)));
    for read in history.lines {
        // In a journal of ours what was imported without a block was given by hand where it came from.
        let imported = read.cell(origin) == Some(Origin::Imported.key());
        let fault = |wrong| ExplainFault::History { path: path.to_owned(), line: Some(read.line), wrong };
        let mut row = read.row.map_err(|wrong| fault(wrong.into_iter().next().unwrap_or_default()))?;
        row.by_hand |= imported;
        rows.push(row);
        lines.push(read.line);
    }
    Ok((rows, lines))
}

/// A history as it stands in its file.
pub(super) struct ReadHistory {
    headers: csv::StringRecord,
    /// Its lines, in order.
    pub(super) lines: Vec<ReadLine>,
}

/// A line of a history.
pub(super) struct ReadLine {
    /// Its number, counted from 1.
    pub(super) line: u64,
    cells: csv::StringRecord,
    /// The subject, or everything that is wrong with it.
    pub(super) row: Result<HistoryRow, Vec<String>>,
}

impl ReadHistory {
    /// The names of its columns.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.headers.iter()
    }

    /// Where the column of that name is.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.headers.iter().position(|header| header == name)
    }
}

impl ReadLine {
    /// What stands in a column, if anything does.
    pub(super) fn cell(&self, column: Option<usize>) -> Option<&str> {
        column.and_then(|column| self.cells.get(column)).filter(|text| !text.is_empty())
    }
}

/// The lines of a history, each with everything that is wrong with it; `also` are columns that must be there beside those of
/// the scheme, and of levels that are `known` from elsewhere no column is needed.
///
/// # Errors
/// A file without the columns, or that is too long.
pub(super) fn read_lines(
    scheme: &Scheme,
    path: &Path,
    text: &str,
    also: &[&str],
    known: &dyn Fn(&str) -> bool,
) -> Result<ReadHistory, ExplainFault> {
    let mut reader = reader(text);
    let texts: Vec<&str> = text.lines().collect();
    // The reader counts comments and empty lines to the record that follows them.
    let line_of = |position: Option<&csv::Position>| {
        let start = position?.line();
        let skipped = texts.iter().skip(usize::try_from(start).ok()?.saturating_sub(1));
        let skipped = skipped.take_while(|line| line.is_empty() || line.starts_with('#')).count();
        Some(start + skipped as u64)
    };
    let fault = |line: Option<u64>, wrong: String| ExplainFault::History { path: path.to_owned(), line, wrong };
    let broken = |wrong: csv::Error| fault(line_of(wrong.position()), csv_fault(&wrong));
    let headers = reader.headers().map_err(broken)?;
    let columns =
        Columns::find(scheme, headers, also, known).map_err(|wrong| fault(line_of(headers.position()), wrong))?;
    let headers = headers.clone();
    let mut lines = Vec::new();
    for record in reader.records() {
        let (cells, line, row) = match record {
            Ok(record) => {
                let (line, row) = (line_of(record.position()), read_row(&columns, &record));
                (record, line, row)
            }
            Err(wrong) => (csv::StringRecord::new(), line_of(wrong.position()), Err(vec![csv_fault(&wrong)])),
        };
        if lines.len() >= limits::HISTORY_ROWS {
            return Err(fault(line, format!("more than {} subjects", limits::HISTORY_ROWS)));
        }
        lines.push(ReadLine { line: line.unwrap_or(0), cells, row });
    }
    Ok(ReadHistory { headers, lines })
}

fn csv_fault(wrong: &csv::Error) -> String {
    match wrong.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} values where the first line has {expected_len} columns")
        }
        _ => wrong.to_string(),
    }
}

fn read_row(columns: &Columns, record: &csv::StringRecord) -> Result<HistoryRow, Vec<String>> {
    let mut wrong = Vec::new();
    let mut value = |name: &str, column: usize| match record.get(column).unwrap_or_default() {
        "" => {
            wrong.push(format!("the column \"{name}\" is empty"));
            String::new()
        }
        value => value.to_owned(),
    };
    let levels: Levels = columns.factors.iter().map(|(id, column)| (id.clone(), value(id, *column))).collect();
    let arm = value(ARM, columns.arm);
    let slot = optional(SLOT, columns.slot, record).unwrap_or_else(|fault| {
        wrong.push(fault);
        None
    });
    let block_size = optional(BLOCK_SIZE, columns.block_size, record).unwrap_or_else(|fault| {
        wrong.push(fault);
        None
    });
    let origin = columns.origin.and_then(|column| record.get(column)).unwrap_or_default();
    let by_hand = origin == Origin::Forced.key();
    if !origin.is_empty() && Origin::find(origin).is_none() {
        wrong.push(format!("\"{origin}\" in the column \"{ORIGIN}\" is none of drawn, imported and forced"));
    }
    if wrong.is_empty() { Ok(HistoryRow { levels, arm, slot, block_size, by_hand }) } else { Err(wrong) }
}

fn optional<T: std::str::FromStr>(
    name: &str,
    column: Option<usize>,
    record: &csv::StringRecord,
) -> Result<Option<T>, String> {
    match column.and_then(|column| record.get(column)).unwrap_or_default() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("\"{text}\" in the column \"{name}\" is no integer from 0")),
    }
}
