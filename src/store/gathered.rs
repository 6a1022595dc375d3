//! Rows that a transaction puts aside to write many of them with one statement: each statement costs several times what a row
//! does, on SQLite for the errand to the connection's thread, on PostgreSQL for the round trip.

use std::collections::BTreeMap;

use super::queue::Expect;
use super::sql::{Bind, Sql};
use crate::limits;

/// In which order gathered rows are written: what others refer to comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// First sights of messages.
    Message,
    /// Entries of audit chains.
    Entry,
    /// Subjects.
    Subject,
    /// Allocations, which refer to subjects.
    Allocation,
    /// What became of mails.
    Outcome,
}

/// What is put aside, one statement for each turn.
#[derive(Default)]
pub(super) struct Gathered {
    turns: BTreeMap<Turn, Rows>,
    count: usize,
}

/// Rows of one statement.
pub(super) struct Rows {
    pub(super) sql: &'static Sql,
    pub(super) rows: Vec<GatheredRow>,
}

/// One row, with what is expected of it.
pub(super) struct GatheredRow {
    cells: Vec<Cell>,
    expect: Expect,
}

/// A bound value that outlives its caller.
enum Cell {
    Int(Option<i64>),
    Text(Option<String>),
    Blob(Option<Vec<u8>>),
}

impl Gathered {
    pub(super) fn add(&mut self, turn: Turn, sql: &'static Sql, binds: &[Bind<'_>], expect: Expect) {
        let cells = binds.iter().map(|bind| match *bind {
            Bind::Int(value) => Cell::Int(value),
            Bind::Text(value) => Cell::Text(value.map(str::to_owned)),
            Bind::Blob(value) => Cell::Blob(value.map(<[u8]>::to_vec)),
        });
        let rows = self.turns.entry(turn).or_insert(Rows { sql, rows: Vec::new() });
        debug_assert_eq!(rows.sql.name, sql.name, "a turn has one statement");
        rows.rows.push(GatheredRow { cells: cells.collect(), expect });
        self.count += 1;
    }

    /// Whether so much is put aside that it should be written, to stay small in memory.
    pub(super) fn is_full(&self) -> bool {
        self.count >= limits::GATHERED_ROWS
    }

    /// Everything that was put aside, in its order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Rows> + use<> {
        std::mem::take(self).turns.into_values()
    }
}

impl Rows {
    /// What is expected of some of the rows together.
    pub(super) fn expect_of(&self, run: &[GatheredRow]) -> Expect {
        match run {
            [one] => one.expect.clone(),
            several if several.iter().all(|row| matches!(row.expect, Expect::Any)) => Expect::Any,
            several => Expect::Each(several.len() as u64),
        }
    }
}

impl GatheredRow {
    pub(super) fn binds(&self) -> impl Iterator<Item = Bind<'_>> {
        self.cells.iter().map(|cell| match cell {
            Cell::Int(value) => Bind::Int(*value),
            Cell::Text(value) => Bind::Text(value.as_deref()),
            Cell::Blob(value) => Bind::Blob(value.as_deref()),
        })
    }
}
