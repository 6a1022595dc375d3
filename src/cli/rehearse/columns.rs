//! The columns of a rehearsal's data: which item each means, and what a row asks for in further allocations.

use crate::cli::simulate::population::Row;
use crate::definition::nearest;
use crate::domain::answer::{self, Line};
use crate::domain::instrument::{Instrument, ItemKind};
use crate::domain::study::{Randomization, Study};
use crate::domain::time::Instant;
use crate::limits;

/// The column that tells when a further allocation is asked for.
const AT: &str = "at";

/// What stands behind the id of a further allocation in the name of a column.
pub(super) fn own_column<'c>(id: &str, column: &'c str) -> Option<&'c str> {
    column.split_once('.').filter(|(own, _)| own.trim() == id).map(|(_, key)| key.trim())
}

/// Whether a column belongs to a further allocation.
pub(super) fn is_of_further(study: &Study, column: &str) -> bool {
    study.randomizations.iter().any(|own| own_column(&own.id, column).is_some())
}

/// The keys that columns of a form may have, behind that prefix.
fn names(form: &Instrument, prefix: &str) -> Vec<String> {
    form.items.iter().filter(|item| item.kind.asks()).map(|item| format!("{prefix}{}", item.id)).collect()
}

/// What is to be said of columns that mean no item, each with what was perhaps meant.
pub(super) fn strays(study: &Study, columns: &[String]) -> Vec<String> {
    let form_of = |own: &Randomization| study.find_instrument(&own.instrument);
    let registration = study.registration_instrument();
    let mut known = names(registration, "");
    for own in &study.randomizations {
        let prefix = format!("{}.", own.id);
        known.extend(form_of(own).map(|form| names(form, &prefix)).unwrap_or_default());
        known.push(format!("{prefix}{AT}"));
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let stray = |column: &String| {
        let mut further = study.randomizations.iter();
        let own = further.find_map(|own| Some((own, form_of(own)?, own_column(&own.id, column)?)));
        let (form, key, whose) = match own {
            Some((_, _, AT)) => return None,
            Some((own, form, key)) => (form, key, format!("the form of the allocation {}", own.id)),
            None => (registration, column.as_str(), "the registration".to_string()),
        };
        let found = answer::find_named(form, key).map(|item| &item.kind);
        match found {
            Some(ItemKind::Calculation(_)) => {
                Some(format!("the column \"{column}\" is calculated in {whose}, and what stands there is not used"))
            }
            Some(_) => None,
            None => {
                let meant =
                    nearest(column, &known).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
                Some(format!("the column \"{column}\" is no item of {whose} and is not used{meant}"))
            }
        }
    };
    columns.iter().filter_map(stray).collect()
}

/// What a row asks for in a further allocation.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Answers to its form.
    pub(super) lines: Vec<Line>,
    /// When it is asked for, if the row says so.
    pub(super) at: Option<Instant>,
}

/// What each row asks for in a further allocation: nothing where it answers no item of its form.
///
/// # Errors
/// What is no moment, each with its line.
pub(super) fn read(
    study: &Study,
    own: &Randomization,
    columns: &[String],
    rows: &[Row],
) -> Result<Vec<Option<Asked>>, Vec<(u64, String)>> {
    let (mut all, mut wrong) = (Vec::with_capacity(rows.len()), Vec::new());
    for (line, record) in rows {
        let mut asked = Asked { lines: Vec::new(), at: None };
        for (number, (column, value)) in (1..).zip(columns.iter().zip(record)) {
            match own_column(&own.id, column) {
                None => {}
                Some(_) if value.is_empty() => {}
                Some(AT) => {
                    asked.at = study.zone.parse_moment(value);
                    if asked.at.is_none() && wrong.len() < limits::PROBLEMS {
                        let right = "write a day or a moment, such as 2027-01-15 or 2027-01-15T09:05";
                        wrong.push((*line, format!("{column}: \"{value}\" is no moment; {right}")));
                    }
                }
                Some(key) => asked.lines.push(Line { key: key.to_string(), value: value.to_string(), number }),
            }
        }
        all.push(Some(asked).filter(|asked| !asked.lines.is_empty()));
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}
