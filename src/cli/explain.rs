//! `hagaki allocation …`: the statistician's commands.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::definition::allocation_file::{self, AllocationFile};
use crate::definition::problem::{Problem, Weight};
use crate::domain::allocation::{self, Fault, HistoryRow, Levels, Method, Outcome, Scheme};
use crate::limits;

/// Columns of a history beside the factors.
const ARM: &str = "arm";
const SLOT: &str = "slot";
const BLOCK_SIZE: &str = "block_size";

/// What [`explain`] found: the answer, and what to say beside it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The arms ahead, and what had to be supposed.
    pub outcome: Outcome,
    /// Warnings about the scheme.
    pub warnings: Vec<Problem>,
}

/// Why the next decision cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainFault {
    /// A file cannot be read.
    #[error("{path}: {source}")]
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
        Some(path) => read_history(&scheme, path, &read_file(path)?)?,
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
    Ok(Explanation { outcome, warnings: problems })
}

pub(super) fn read_file(path: &Path) -> Result<String, ExplainFault> {
    let fault = |source| ExplainFault::File { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(fault)?;
    String::from_utf8(bytes).map_err(|wrong| fault(std::io::Error::new(std::io::ErrorKind::InvalidData, wrong)))
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
    factors: Vec<(String, usize)>,
}

impl Columns {
    fn find(scheme: &Scheme, headers: &csv::StringRecord) -> Result<Columns, String> {
        let find = |name: &str| headers.iter().position(|header| header == name);
        let need = |name: &str| find(name).ok_or_else(|| format!("there is no column \"{name}\""));
        let mut read: Vec<&str> = scheme.needs().collect();
        read.push(ARM);
        if let Some(twice) = read.iter().find(|name| headers.iter().filter(|header| header == *name).count() > 1) {
            return Err(format!("the column \"{twice}\" stands twice"));
        }
        let factors = scheme.needs().map(|id| Ok((id.to_owned(), need(id)?))).collect::<Result<_, String>>()?;
        let slot = find(SLOT).filter(|_| scheme.has_slots());
        let block_size = find(BLOCK_SIZE).filter(|_| matches!(scheme.method(), Method::Block(_)));
        Ok(Columns { arm: need(ARM)?, slot, block_size, factors })
    }
}

/// Reads a history's records; lines that begin with `#` are comments.
pub(super) fn reader(text: &str) -> csv::Reader<&[u8]> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes())
}

/// The rows of a history and the line of each.
pub(super) fn read_history(
    scheme: &Scheme,
    path: &Path,
    text: &str,
) -> Result<(Vec<HistoryRow>, Vec<u64>), ExplainFault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
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
    let columns = Columns::find(scheme, headers).map_err(|wrong| fault(line_of(headers.position()), wrong))?;
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = line_of(record.position());
        if rows.len() >= limits::HISTORY_ROWS {
            return Err(fault(line, format!("more than {} subjects", limits::HISTORY_ROWS)));
        }
        rows.push(read_row(&columns, &record).map_err(|wrong| fault(line, wrong))?);
        lines.push(line.unwrap_or(0));
    }
    Ok((rows, lines))
}

fn csv_fault(wrong: &csv::Error) -> String {
    match wrong.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} values where the first line has {expected_len} columns")
        }
        _ => wrong.to_string(),
    }
}

fn read_row(columns: &Columns, record: &csv::StringRecord) -> Result<HistoryRow, String> {
    let value = |name: &str, column: usize| match record.get(column).unwrap_or_default() {
        "" => Err(format!("the column \"{name}\" is empty")),
        value => Ok(value.to_owned()),
    };
    let mut levels = Levels::new();
    for (id, column) in &columns.factors {
        levels.insert(id.clone(), value(id, *column)?);
    }
    Ok(HistoryRow {
        levels,
        arm: value(ARM, columns.arm)?,
        slot: optional(SLOT, columns.slot, record)?,
        block_size: optional(BLOCK_SIZE, columns.block_size, record)?,
    })
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
