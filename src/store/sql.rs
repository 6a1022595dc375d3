//! Statements, what is bound to them, and the rows that come back: one form for both engines.
//!
//! A statement is written once, in the subset both engines understand (`$1`, RETURNING, ON CONFLICT, CTEs, BIGINT,
//! TEXT, BYTEA). Statements are declared with [`statements!`], which also puts them on the list that a test prepares on
//! both engines; SQL written anywhere else would escape that test.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Row as _};

use super::error::StoreError;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

/// Which database a store lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The embedded default: one file.
    Sqlite,
    /// A server that several daemons can share.
    Postgres,
}

/// Rows of one statement that takes many, in the sizes that are prepared: few statements, few shapes to keep prepared.
pub(super) const CHUNKS: [usize; 6] = [64, 16, 4, 3, 2, 1];

/// One statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sql {
    /// `noun NAME`, for error messages.
    pub(super) name: &'static str,
    text: Text,
}

#[derive(Clone, Copy, Debug)]
enum Text {
    Same(&'static str),
    Twin { sqlite: &'static str, postgres: &'static str },
    Rows { head: &'static str, first: usize, columns: usize, tail: &'static str, numbered: bool },
}

impl Sql {
    /// The same text for both engines.
    pub(super) const fn same(name: &'static str, text: &'static str) -> Sql {
        Sql { name, text: Text::Same(text) }
    }

    /// A text that differs by what only one engine has (row locks).
    pub(super) const fn twin(name: &'static str, texts: [&'static str; 2]) -> Sql {
        Sql { name, text: Text::Twin { sqlite: texts[0], postgres: texts[1] } }
    }

    /// `head ($first, …), (…) tail` with as many groups of `columns` parameters as there are rows.
    pub(super) const fn rows(name: &'static str, parts: Rows) -> Sql {
        Sql::many(name, parts, false)
    }

    /// As [`Sql::rows`], for an insert that brings numbers which the database gave beforehand; `head` ends before `VALUES`.
    pub(super) const fn numbered(name: &'static str, parts: Rows) -> Sql {
        Sql::many(name, parts, true)
    }

    const fn many(name: &'static str, parts: Rows, numbered: bool) -> Sql {
        let Rows { head, first, columns, tail } = parts;
        Sql { name, text: Text::Rows { head, first, columns, tail, numbered } }
    }

    /// Its text on that engine; `rows` counts only for statements that take many.
    pub(super) fn text(&self, engine: Engine, rows: usize) -> Cow<'static, str> {
        match self.text {
            Text::Same(text) => Cow::Borrowed(text),
            Text::Twin { sqlite, postgres } => Cow::Borrowed(match engine {
                Engine::Sqlite => sqlite,
                Engine::Postgres => postgres,
            }),
            Text::Rows { head, first, columns, tail, numbered } => {
                // PostgreSQL gives numbers by itself unless it is told not to.
                let between = match (numbered, engine) {
                    (false, _) => "",
                    (true, Engine::Sqlite) => " VALUES",
                    (true, Engine::Postgres) => " OVERRIDING SYSTEM VALUE VALUES",
                };
                Cow::Owned(with_rows(&[head, between], Some(first), columns, rows, tail))
            }
        }
    }

    /// Its text on SQLite where it is not joined with others: parameters without numbers, if they are in order. SQLite looks
    /// a numbered one up in the list of all of them, which for some hundred takes longer than writing the rows.
    pub(super) fn text_alone(&self, rows: usize) -> Cow<'static, str> {
        match self.text {
            Text::Rows { head, first: 1, columns, tail, numbered } => {
                let between = if numbered { " VALUES" } else { "" };
                Cow::Owned(with_rows(&[head, between], None, columns, rows, tail))
            }
            _ => self.text(Engine::Sqlite, rows),
        }
    }

    /// Every size it is prepared in.
    pub(super) fn sizes(&self) -> &'static [usize] {
        match self.text {
            Text::Rows { .. } => &CHUNKS,
            _ => &[1],
        }
    }
}

/// Parts of a statement that takes many rows.
pub(super) struct Rows {
    /// Text up to and with `VALUES`.
    pub(super) head: &'static str,
    /// Number of the first row's first parameter; smaller ones are shared by all rows.
    pub(super) first: usize,
    /// Parameters of a row.
    pub(super) columns: usize,
    /// Text after the rows.
    pub(super) tail: &'static str,
}

/// The parameters are numbered from `first` on, or by their order alone.
fn with_rows(head: &[&str], first: Option<usize>, columns: usize, rows: usize, tail: &str) -> String {
    use std::fmt::Write;
    let mut text = head.concat();
    text.reserve(tail.len() + rows * columns * 6 + 8);
    let mut number = first.unwrap_or_default();
    for row in 0..rows {
        text.push_str(if row == 0 { " (" } else { ", (" });
        for column in 0..columns {
            text.push_str(if column == 0 { "" } else { ", " });
            match first {
                Some(_) => write!(text, "${number}").expect("writing to a String cannot fail"),
                None => text.push('?'),
            }
            number += 1;
        }
        text.push(')');
    }
    text.push(' ');
    text.push_str(tail);
    text
}

/// Splits `items` into runs of the prepared sizes, greatest first.
pub(super) fn chunks<T>(mut items: &[T]) -> Vec<&[T]> {
    let mut runs = Vec::new();
    for size in CHUNKS {
        while items.len() >= size {
            let (run, rest) = items.split_at(size);
            runs.push(run);
            items = rest;
        }
    }
    runs
}

/// Declares a module's statements and the list `STATEMENTS` of all of them.
macro_rules! statements {
    ($noun:literal: $($name:ident = $kind:ident $value:expr;)*) => {
        $(const $name: $crate::store::sql::Sql =
            $crate::store::sql::Sql::$kind(concat!($noun, " ", stringify!($name)), $value);)*
        /// Every statement of this module, for the test that prepares them all.
        pub(in crate::store) const STATEMENTS: &[$crate::store::sql::Sql] = &[$($name),*];
    };
}
pub(super) use statements;

/// A value bound to a parameter; an absent one keeps its type, which PostgreSQL wants to know.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bind<'a> {
    Int(Option<i64>),
    Text(Option<&'a str>),
    Blob(Option<&'a [u8]>),
}

macro_rules! bind_from {
    ($($from:ty => |$value:ident| $to:expr;)*) => {
        $(impl<'a> From<$from> for Bind<'a> {
            fn from($value: $from) -> Bind<'a> {
                $to
            }
        })*
    };
}

bind_from! {
    i64 => |value| Bind::Int(Some(value));
    Option<i64> => |value| Bind::Int(value);
    Instant => |value| Bind::Int(Some(value.0));
    Option<Instant> => |value| Bind::Int(value.map(|at| at.0));
    &'a str => |value| Bind::Text(Some(value));
    &'a String => |value| Bind::Text(Some(value));
    Option<&'a str> => |value| Bind::Text(value);
    &'a [u8] => |value| Bind::Blob(Some(value));
    &'a Vec<u8> => |value| Bind::Blob(Some(value));
    Option<&'a [u8]> => |value| Bind::Blob(value);
    &'a [u8; 32] => |value| Bind::Blob(Some(value));
    &'a Option<[u8; 32]> => |value| Bind::Blob(value.as_ref().map(<[u8; 32]>::as_slice));
    &'a Mark => |value| Bind::Blob(Some(&value.0));
    &'a Option<Mark> => |value| Bind::Blob(value.as_ref().map(|mark| mark.0.as_slice()));
}

/// The binds of a statement: `binds![id, &name, at]`.
macro_rules! binds {
    ($($value:expr),* $(,)?) => { &[$($crate::store::sql::Bind::from($value)),*] };
}
pub(super) use binds;

/// Adds `binds` to `arguments` of SQLite.
pub(super) fn add_sqlite(arguments: &mut SqliteArguments, binds: &[Bind<'_>]) -> Result<(), sqlx::Error> {
    for bind in binds {
        match *bind {
            Bind::Int(value) => arguments.add(value),
            Bind::Text(value) => arguments.add(value.map(str::to_owned)),
            Bind::Blob(value) => arguments.add(value.map(<[u8]>::to_vec)),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(())
}

/// `binds` as arguments of PostgreSQL.
pub(super) fn to_postgres(binds: &[Bind<'_>]) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for bind in binds {
        match *bind {
            Bind::Int(value) => arguments.add(value),
            Bind::Text(value) => arguments.add(value),
            Bind::Blob(value) => arguments.add(value),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// `text` with every parameter's number raised by `offset`, so that statements can be joined.
pub(super) fn renumber(text: &str, offset: usize, into: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at + 1);
        into.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = after.split_at(digits);
        match number.parse::<usize>() {
            Ok(number) => into.push_str(&(number + offset).to_string()),
            Err(_) => into.push_str(number),
        }
        rest = tail;
    }
    into.push_str(rest);
}

/// A row that is read column by column, in the order of the statement's column list.
pub(crate) struct Row {
    cells: Cells,
    next: usize,
}

enum Cells {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! cell {
    ($row:ident, $type:ty) => {{
        let index = $row.next;
        $row.next += 1;
        match &$row.cells {
            Cells::Sqlite(cells) => cells.try_get::<$type, usize>(index),
            Cells::Postgres(cells) => cells.try_get::<$type, usize>(index),
        }
        .map_err(|error| StoreError::Unreadable { what: format!("column {}", index + 1), cause: error.to_string() })
    }};
}

impl Row {
    pub(super) fn sqlite(row: SqliteRow) -> Row {
        Row { cells: Cells::Sqlite(row), next: 0 }
    }

    pub(super) fn postgres(row: PgRow) -> Row {
        Row { cells: Cells::Postgres(row), next: 0 }
    }

    /// The next column, an integer.
    pub(super) fn int(&mut self) -> Result<i64, StoreError> {
        cell!(self, i64)
    }

    /// The next column, an integer or nothing.
    pub(super) fn opt_int(&mut self) -> Result<Option<i64>, StoreError> {
        cell!(self, Option<i64>)
    }

    /// The next column, a text.
    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        cell!(self, String)
    }

    /// The next column, a text or nothing.
    pub(super) fn opt_text(&mut self) -> Result<Option<String>, StoreError> {
        cell!(self, Option<String>)
    }

    /// The next column, bytes.
    pub(super) fn blob(&mut self) -> Result<Vec<u8>, StoreError> {
        cell!(self, Vec<u8>)
    }

    /// The next column, bytes or nothing.
    pub(super) fn opt_blob(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        cell!(self, Option<Vec<u8>>)
    }

    /// The next column, 32 bytes.
    pub(super) fn digest(&mut self) -> Result<[u8; 32], StoreError> {
        let bytes = cell!(self, &[u8])?;
        self.exactly(bytes)
    }

    /// The next column, 32 bytes or nothing.
    pub(super) fn opt_digest(&mut self) -> Result<Option<[u8; 32]>, StoreError> {
        self.opt_blob()?.map(|bytes| self.exactly(&bytes)).transpose()
    }

    /// The next column, a random mark.
    pub(super) fn mark(&mut self) -> Result<Mark, StoreError> {
        let bytes = self.blob()?;
        self.exactly(&bytes).map(Mark)
    }

    /// The next column, a random mark or nothing.
    pub(super) fn opt_mark(&mut self) -> Result<Option<Mark>, StoreError> {
        self.opt_blob()?.map(|bytes| self.exactly(&bytes).map(Mark)).transpose()
    }

    fn exactly<const N: usize>(&self, bytes: &[u8]) -> Result<[u8; N], StoreError> {
        <[u8; N]>::try_from(bytes).map_err(|_| StoreError::Unreadable {
            what: format!("column {}", self.next),
            cause: format!("{} bytes where there should be {N}", bytes.len()),
        })
    }

    /// The next column, an instant.
    pub(super) fn instant(&mut self) -> Result<Instant, StoreError> {
        self.int().map(Instant)
    }

    /// The next column, an instant or nothing.
    pub(super) fn opt_instant(&mut self) -> Result<Option<Instant>, StoreError> {
        self.opt_int().map(|at| at.map(Instant))
    }

    /// The next column, a word of a closed list.
    pub(super) fn word<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let word = self.text()?;
        find(&word).ok_or_else(|| StoreError::Unreadable {
            what: format!("column {}", self.next),
            cause: format!("the word {word:?} is unknown to this version"),
        })
    }
}

/// Declares a closed list of words that are stored as text.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            /// Every one, in order.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// Its word in the database, in reports and on the command line.
            pub const fn key(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// The one of that word.
            pub fn find(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)* _ => None }
            }
        }
    };
}
pub(super) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_are_numbered_on() {
        let sql = Sql::rows("t", Rows { head: "VALUES", first: 2, columns: 2, tail: "RETURNING id" });
        assert_eq!(sql.text(Engine::Sqlite, 2), "VALUES ($2, $3), ($4, $5) RETURNING id");
        // The first parameter is shared, so the others must be numbered.
        assert_eq!(sql.text_alone(2), "VALUES ($2, $3), ($4, $5) RETURNING id");
    }

    #[test]
    fn rows_alone_need_no_numbers() {
        let rows = || Rows { head: "INSERT INTO t (a, b)", first: 1, columns: 2, tail: "RETURNING a" };
        let sql = Sql::numbered("t", rows());
        assert_eq!(sql.text_alone(2), "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) RETURNING a");
        assert_eq!(
            sql.text(Engine::Postgres, 1),
            "INSERT INTO t (a, b) OVERRIDING SYSTEM VALUE VALUES ($1, $2) RETURNING a"
        );
    }

    #[test]
    fn runs_use_prepared_sizes_and_lose_nothing() {
        let items: Vec<usize> = (0..150).collect();
        let runs = chunks(&items);
        assert!(runs.iter().all(|run| CHUNKS.contains(&run.len())));
        assert_eq!(runs.concat(), items);
        assert_eq!(runs.iter().map(|run| run.len()).collect::<Vec<_>>(), [64, 64, 16, 4, 2]);
    }

    #[test]
    fn parameters_are_renumbered_for_joining() {
        let mut text = String::new();
        renumber("SET a = $1, b = $12 WHERE c = $2", 5, &mut text);
        assert_eq!(text, "SET a = $6, b = $17 WHERE c = $7");
    }
}
