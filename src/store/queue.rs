//! Statements of a transaction on SQLite that nobody waits for, and what is expected of statements.

use futures::StreamExt;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Either, Executor, Sqlite, SqliteConnection};

use super::error::StoreError;
use super::sql::{self, Bind, Engine, Row, Sql};

/// Statements of SQLite whose result nobody waits for. They are sent together with the next one that somebody waits for,
/// or before the commit, because each errand to the connection's thread costs several times what the statement itself
/// does.
#[derive(Default)]
pub(super) struct Queue {
    text: String,
    arguments: SqliteArguments,
    binds: usize,
    expected: Vec<(&'static str, Expect)>,
}

/// How many rows a statement must touch.
#[derive(Clone, Debug)]
pub(super) enum Expect {
    /// Any number.
    Any,
    /// At least one, else the lease on that row is lost.
    Lease { noun: &'static str, id: i64 },
    /// At least one, else there is no such thing.
    Present { noun: &'static str, key: String },
    /// So many: each row of a statement that takes several.
    Each(u64),
}

impl Expect {
    pub(super) fn check(&self, touched: u64) -> Result<(), StoreError> {
        match self {
            Expect::Each(rows) if touched != *rows => {
                let cause = format!("{touched} of {rows} rows were as expected");
                Err(StoreError::Other { what: "writing several rows".to_owned(), cause })
            }
            Expect::Any | Expect::Each(_) => Ok(()),
            _ if touched > 0 => Ok(()),
            Expect::Lease { noun, id } => Err(StoreError::LostLease { noun, id: *id }),
            Expect::Present { noun, key } => Err(StoreError::Missing { noun, key: key.clone() }),
        }
    }
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    pub(super) fn push(
        &mut self,
        sql: &Sql,
        count: usize,
        binds: &[Bind<'_>],
        expect: Expect,
    ) -> Result<(), StoreError> {
        if !self.is_empty() {
            self.text.push_str(";\n");
        }
        sql::renumber(&sql.text(Engine::Sqlite, count), self.binds, &mut self.text);
        sql::add_sqlite(&mut self.arguments, binds).map_err(|error| StoreError::of(sql.name, error))?;
        self.binds += binds.len();
        self.expected.push((sql.name, expect));
        Ok(())
    }

    /// Sends what is queued and one statement behind it; gives the rows of that one and the number it touched.
    pub(super) async fn send_with(
        mut self,
        connection: &mut SqliteConnection,
        sql: &Sql,
        count: usize,
        binds: &[Bind<'_>],
    ) -> Result<(Vec<Row>, u64), StoreError> {
        self.push(sql, count, binds, Expect::Any)?;
        self.send(connection).await
    }

    /// Sends what is queued; gives the rows of the last statement and the number it touched.
    pub(super) async fn send(self, connection: &mut SqliteConnection) -> Result<(Vec<Row>, u64), StoreError> {
        if self.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let query = sqlx::query_with::<Sqlite, _>(AssertSqlSafe(self.text), self.arguments);
        let mut results = connection.fetch_many(query);
        let mut expected = self.expected.into_iter();
        let (mut rows, mut touched) = (Vec::new(), 0);
        while let Some(result) = results.next().await {
            match result {
                Ok(Either::Left(done)) => {
                    let (_, expect) = expected.next().ok_or(StoreError::Abandoned)?;
                    touched = done.rows_affected();
                    expect.check(touched)?;
                }
                Ok(Either::Right(row)) if expected.len() == 1 => rows.push(Row::sqlite(row)),
                Ok(Either::Right(_)) => {}
                Err(error) => {
                    let name = expected.next().map_or("a statement", |(name, _)| name);
                    return Err(StoreError::of(name, error));
                }
            }
        }
        match expected.next() {
            Some((name, _)) => Err(StoreError::Other { what: name.to_owned(), cause: "it was not run".to_owned() }),
            None => Ok((rows, touched)),
        }
    }
}
