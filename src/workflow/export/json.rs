//! JSON: an array with one object a line, so that it can be read whole or line by line.

use std::io::{self, Write};

use serde_json::Value;

use super::Column;
use super::cells::Cell;

/// A JSON file being written.
pub struct Json<W: Write> {
    out: W,
    names: Vec<String>,
    rows: u64,
}

impl<W: Write> Json<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of the file.
    pub fn begin(mut to: W, columns: &[Column]) -> io::Result<Json<W>> {
        to.write_all(b"[")?;
        let names = columns.iter().map(|column| Value::from(column.id.as_str()).to_string()).collect();
        Ok(Json { out: to, names, rows: 0 })
    }

    /// Writes a row: blank cells are null, numbers stay exact.
    ///
    /// # Errors
    /// Those of the file.
    pub fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.out.write_all(if self.rows == 0 { b"\n{" } else { b",\n{" })?;
        self.rows += 1;
        for (at, (name, cell)) in self.names.iter().zip(cells).enumerate() {
            let value = match cell {
                Cell::Blank => "null".to_string(),
                Cell::Flag(yes) => yes.to_string(),
                Cell::Number(digits) if is_number(digits) => digits.clone(),
                Cell::Moment(at) => Value::from(at.format("%Y-%m-%dT%H:%M:%S").to_string()).to_string(),
                other => Value::from(other.plain()).to_string(),
            };
            write!(self.out, "{}{name}:{value}", if at == 0 { "" } else { "," })?;
        }
        self.out.write_all(b"}")
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Those of the file.
    pub fn end(mut self) -> io::Result<()> {
        self.out.write_all(b"\n]\n")?;
        self.out.flush()
    }
}

/// Whether digits are a number as JSON writes it (RFC 8259 section 6).
fn is_number(digits: &str) -> bool {
    digits.parse::<serde_json::Number>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::export::What;
    use crate::workflow::export::cells::Kind;

    #[test]
    fn rows_are_objects_and_numbers_stay_exact() {
        let column = |id: &str| Column { id: id.to_string(), what: What::Own("subject"), kind: Kind::Text };
        let mut bytes = Vec::new();
        let mut file = Json::begin(&mut bytes, &["a", "b", "c", "d"].map(column)).unwrap();
        file.row(&[Cell::text("=\"1\""), Cell::Number("0.10000000000000000001".into()), Cell::Blank, Cell::Flag(true)])
            .unwrap();
        file.row(&[Cell::text("2"), Cell::Number("007".into()), Cell::Blank, Cell::Flag(false)]).unwrap();
        file.end().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("\"b\":0.10000000000000000001,") && text.contains("\"b\":\"007\""), "{text}");
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!((rows.len(), &rows[0]["a"], &rows[1]["d"]), (2, &Value::from("=\"1\""), &Value::from(false)));
    }
}
