//! CSV (RFC 4180), for programs and for Excel as it opens such files in Japan.

use std::io::{self, Write};

use encoding_rs::SHIFT_JIS;

use super::Column;
use super::cells::Cell;

/// Charset of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8.
    Utf8,
    /// UTF-8 behind a byte order mark, by which Excel knows it.
    Utf8Marked,
    /// Windows code page 932: Shift_JIS with its extensions.
    Cp932,
}

/// Stands where a charset has no place for a character (JIS row 2, as typesetters do).
const GETA: &str = "〓";

/// A CSV file being written.
pub struct Delimited<W: Write> {
    out: csv::Writer<W>,
    charset: Charset,
    replaced: u64,
}

impl<W: Write> Delimited<W> {
    /// Begins a file with its header.
    ///
    /// # Errors
    /// Those of the file.
    pub fn begin(to: W, charset: Charset, columns: &[Column]) -> io::Result<Delimited<W>> {
        Delimited::headed(to, charset, columns.iter().map(|column| column.id.clone()))
    }

    /// Begins a file whose columns are called so.
    ///
    /// # Errors
    /// Those of the file.
    pub fn headed(mut to: W, charset: Charset, columns: impl Iterator<Item = String>) -> io::Result<Delimited<W>> {
        if charset == Charset::Utf8Marked {
            to.write_all("\u{FEFF}".as_bytes())?;
        }
        let out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(to);
        let mut file = Delimited { out, charset, replaced: 0 };
        file.line(columns)?;
        Ok(file)
    }

    /// Writes a row of texts.
    ///
    /// # Errors
    /// Those of the file.
    pub fn texts<'a>(&mut self, cells: impl Iterator<Item = &'a str>) -> io::Result<()> {
        self.line(cells.map(harmless))
    }

    /// Has what was written reach the file.
    ///
    /// # Errors
    /// Those of the file.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes a row.
    ///
    /// # Errors
    /// Those of the file.
    pub fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.line(cells.iter().map(|cell| match cell {
            Cell::Text(text) => harmless(text),
            other => other.plain(),
        }))
    }

    /// Ends the file: how many characters the charset had no place for.
    ///
    /// # Errors
    /// Those of the file.
    pub fn end(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.replaced)
    }

    fn line(&mut self, cells: impl Iterator<Item = String>) -> io::Result<()> {
        match self.charset {
            Charset::Utf8 | Charset::Utf8Marked => self.out.write_record(cells)?,
            Charset::Cp932 => {
                let cells: Vec<Vec<u8>> = cells.map(|cell| self.encoded(&cell)).collect();
                self.out.write_record(cells)?;
            }
        }
        Ok(())
    }

    fn encoded(&mut self, text: &str) -> Vec<u8> {
        let (bytes, _, lossy) = SHIFT_JIS.encode(text);
        if !lossy {
            return bytes.into_owned();
        }
        let mut kept = String::with_capacity(text.len());
        let mut one = [0; 4];
        for c in text.chars().map(as_windows_has_it) {
            if SHIFT_JIS.encode(c.encode_utf8(&mut one)).2 {
                self.replaced += 1;
                kept.push_str(GETA);
            } else {
                kept.push(c);
            }
        }
        SHIFT_JIS.encode(&kept).0.into_owned()
    }
}

/// The character that CP932 has for one of the same look: Unicode has two for some signs of JIS X 0208, and systems differ in which they
/// write (the tables of Microsoft against those of JIS and Apple).
const fn as_windows_has_it(c: char) -> char {
    match c {
        '\u{301C}' => '\u{FF5E}',
        '\u{2016}' => '\u{2225}',
        '\u{2212}' | '\u{2013}' => '\u{FF0D}',
        '\u{2014}' => '\u{2015}',
        '\u{00A2}' => '\u{FFE0}',
        '\u{00A3}' => '\u{FFE1}',
        '\u{00AC}' => '\u{FFE2}',
        '\u{00A5}' => '\u{FFE5}',
        '\u{00A6}' => '\u{FFE4}',
        c => c,
    }
}

/// A spreadsheet takes text that begins so for a formula and carries it out (OWASP, "CSV Injection"): an apostrophe keeps it text.
pub fn harmless(text: &str) -> String {
    const BEGINNINGS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    if text.starts_with(BEGINNINGS) { format!("'{text}") } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::export::What;
    use crate::workflow::export::cells::Kind;

    fn written(charset: Charset, cells: &[Cell]) -> (Vec<u8>, u64) {
        let column = |id: &str| Column { id: id.to_string(), what: What::Own("subject"), kind: Kind::Text };
        let columns: Vec<Column> = (0..cells.len()).map(|at| column(&format!("c{at}"))).collect();
        let mut bytes = Vec::new();
        let mut file = Delimited::begin(&mut bytes, charset, &columns).unwrap();
        file.row(cells).unwrap();
        let replaced = file.end().unwrap();
        (bytes, replaced)
    }

    #[test]
    fn formulas_are_text_and_numbers_stay() {
        for evil in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"] {
            let (bytes, _) = written(Charset::Utf8, &[Cell::text(evil), Cell::number(-1)]);
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.starts_with("c0,c1\r\n") && text.contains(&format!("'{evil}")), "{text}");
            assert!(text.ends_with(",-1\r\n"), "{text}");
        }
    }

    #[test]
    fn charsets() {
        let cells = [Cell::text("髙橋, \"太郎\"\n🙂 ①")];
        assert!(written(Charset::Utf8Marked, &cells).0.starts_with(&[0xEF, 0xBB, 0xBF]));
        let (bytes, replaced) = written(Charset::Cp932, &cells);
        let (text, _, broken) = SHIFT_JIS.decode(&bytes);
        assert!(!broken && replaced == 1, "{text}");
        assert_eq!(text, "c0\r\n\"髙橋, \"\"太郎\"\"\n〓 ①\"\r\n");
        // Signs that Unicode has twice arrive as those that Windows has.
        let (bytes, replaced) = written(Charset::Cp932, &[Cell::text("0〜24、A–B、‖—¢£¬¥¦")]);
        assert_eq!(
            (SHIFT_JIS.decode(&bytes).0.into_owned(), replaced),
            ("c0\r\n0～24、A－B、∥―￠￡￢￥￤\r\n".to_owned(), 0)
        );
    }
}
