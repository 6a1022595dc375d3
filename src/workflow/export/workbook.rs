//! Excel workbooks: a sheet for each table, written row by row.

use std::io::{Seek, Write};

use chrono::Datelike;
use rust_xlsxwriter::{Format, Workbook, XlsxError};

use super::Column;
use super::cells::Cell;
use crate::limits;

/// Days before it have no number in a sheet.
const FIRST_YEAR: i32 = 1900;

/// A workbook being written.
pub struct Book {
    book: Workbook,
    names: Vec<String>,
    sheet: usize,
    row: u32,
    /// The name of the table and its columns' headings, for sheets that go on.
    table: (String, Vec<String>),
    formats: Formats,
    cut: u64,
}

struct Formats {
    heading: Format,
    day: Format,
    clock: Format,
    moment: Format,
}

impl Book {
    /// An empty one.
    pub fn begin() -> Book {
        let formats = Formats {
            heading: Format::new().set_bold(),
            day: Format::new().set_num_format("yyyy-mm-dd"),
            clock: Format::new().set_num_format("hh:mm"),
            moment: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
        };
        let table = (String::new(), Vec::new());
        Book { book: Workbook::new(), names: Vec::new(), sheet: 0, row: 0, table, formats, cut: 0 }
    }

    /// Begins a table on a sheet of its own.
    ///
    /// # Errors
    /// More columns than a sheet has.
    pub fn table(&mut self, id: &str, columns: &[Column]) -> Result<(), XlsxError> {
        self.table = (id.to_string(), columns.iter().map(|column| column.id.clone()).collect());
        self.sheet()
    }

    /// Writes a row; one more than a sheet has goes on the next.
    ///
    /// # Errors
    /// Those of the scratch file.
    pub fn row(&mut self, cells: &[Cell]) -> Result<(), XlsxError> {
        if self.row >= limits::SHEET_ROWS {
            self.sheet()?;
        }
        let (row, formats) = (self.row, &self.formats);
        let sheet = self.book.worksheet_from_index(self.sheet)?;
        for (at, cell) in (0u16..).zip(cells) {
            match cell {
                Cell::Blank => continue,
                Cell::Text(text) | Cell::File(text, _) => {
                    let whole = text.chars().take(limits::SHEET_CELL_CHARS).collect::<String>();
                    self.cut += u64::from(whole.len() < text.len());
                    sheet.write_string(row, at, whole)?
                }
                // A sheet's numbers have 15 digits: longer ones stay as they are, as text.
                Cell::Number(digits) => match digits.parse::<f64>() {
                    Ok(number) if digits.chars().filter(char::is_ascii_digit).count() <= 15 => {
                        sheet.write_number(row, at, number)?
                    }
                    _ => sheet.write_string(row, at, digits)?,
                },
                Cell::Flag(yes) => sheet.write_number(row, at, f64::from(u8::from(*yes)))?,
                Cell::Day(day) if day.year() >= FIRST_YEAR => {
                    sheet.write_datetime_with_format(row, at, day, &formats.day)?
                }
                Cell::Moment(moment) if moment.year() >= FIRST_YEAR => {
                    sheet.write_datetime_with_format(row, at, moment, &formats.moment)?
                }
                Cell::Clock(time) => sheet.write_datetime_with_format(row, at, time, &formats.clock)?,
                Cell::Day(_) | Cell::Moment(_) => sheet.write_string(row, at, cell.plain())?,
            };
        }
        self.row += 1;
        Ok(())
    }

    /// Writes it all: how many cells were cut because a sheet takes no longer ones.
    ///
    /// # Errors
    /// Those of the file.
    pub fn end(mut self, to: impl Write + Seek + Send) -> Result<u64, XlsxError> {
        self.book.save_to_writer(to)?;
        Ok(self.cut)
    }

    fn sheet(&mut self) -> Result<(), XlsxError> {
        let name = self.name();
        let sheet = self.book.add_worksheet_with_constant_memory();
        sheet.set_name(&name)?;
        sheet.set_freeze_panes(1, 0)?;
        for (at, heading) in (0u16..).zip(&self.table.1) {
            sheet.write_string_with_format(0, at, heading, &self.formats.heading)?;
        }
        self.sheet = self.names.len();
        self.names.push(name);
        self.row = 1;
        Ok(())
    }

    /// A sheet's name has at most 31 characters, and none twice.
    fn name(&self) -> String {
        let id = &self.table.0;
        (1..)
            .map(|turn| if turn == 1 { String::new() } else { format!(" ({turn})") })
            .map(|end| id.chars().take(limits::SHEET_NAME_CHARS - end.len()).collect::<String>() + &end)
            .find(|name| !self.names.iter().any(|other| other.eq_ignore_ascii_case(name)))
            .unwrap_or_else(|| id.clone())
    }
}
