//! The passage to the database: every statement, begin and commit goes through here, past the fuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgTransactionManager};
use sqlx::sqlite::{SqliteArguments, SqliteTransactionManager};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Postgres, SqlSafeStr, Sqlite, SqliteConnection};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::OwnedMutexGuard;

use super::engine::Connections;
use super::error::StoreError;
use super::fuse::{Fuse, Passage, Step};
use super::gathered::{Gathered, Turn};
pub(super) use super::queue::Expect;
use super::queue::Queue;
use super::sql::{self, Bind, Engine, Row, Sql};
use crate::domain::seal::KeyRing;
use crate::limits;

/// A database with its tables up to date. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Store {
    connections: Arc<Connections>,
    fuse: Option<Arc<Fuse>>,
    /// Something was overwritten or deleted that must not be found again; true at first, for nobody knows what was before.
    traces: Arc<AtomicBool>,
    /// Keys that stand outside the database, by which what is personal in it is sealed and opened.
    ring: Arc<KeyRing>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({:?})", self.engine())
    }
}

impl Store {
    /// Opens `sqlite:///path`, `sqlite://relative/path` or `postgres://user:password@host:port/name`; makes the file if
    /// there is none, and brings the tables up to date.
    ///
    /// # Errors
    /// One clear sentence each for an address, server, user, folder or version that does not fit; see [`StoreError`].
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        let traces = Arc::new(AtomicBool::new(true));
        let connections = Arc::new(Connections::open(url).await?);
        let store = Store { connections, fuse: None, traces, ring: Arc::default() };
        super::kit::rank_all(&store).await?;
        Ok(store)
    }

    /// The same store with the keys of the key file, which stand nowhere in the database.
    #[must_use]
    pub fn with_ring(self, ring: KeyRing) -> Store {
        Store { ring: Arc::new(ring), ..self }
    }

    /// The keys by which what is personal is sealed and opened; empty where there is no key file.
    pub fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// The same store with a fuse in its passage (tests).
    pub fn with_fuse(&self, fuse: Arc<Fuse>) -> Store {
        Store { fuse: Some(fuse), ..self.clone() }
    }

    /// Which engine it lives in.
    pub fn engine(&self) -> Engine {
        self.connections.engine()
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Busy or disconnected.
    pub async fn ping(&self) -> Result<(), StoreError> {
        super::study::fingerprint(self).await.map(drop)
    }

    /// Wipes what rows that must not be found again have left behind, if this process took any away since: pages in the
    /// write-ahead log of SQLite, dead rows of PostgreSQL. What the server archives or somebody copied before is out of reach.
    ///
    /// # Errors
    /// Those of the database; it is tried again at the next call.
    pub async fn wipe_traces(&self) -> Result<(), StoreError> {
        if !self.traces.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let passage = before(&self.fuse, Step::Plain).await?;
        let wiped = self.connections.wipe_traces().await;
        if !matches!(wiped, Ok(true)) {
            self.traces.store(true, Ordering::Release);
        }
        wiped?;
        after(&self.fuse, passage).await
    }

    /// Waits for work in progress and closes the connections; the store is of no use afterwards.
    pub async fn close(&self) {
        self.connections.close().await;
    }

    /// Prepares every statement of the store, so that one an engine does not understand shows; gives their number.
    ///
    /// # Errors
    /// The first statement that cannot be prepared, by name.
    pub async fn prepare_all(&self) -> Result<usize, StoreError> {
        let mut prepared = 0;
        for statement in super::statements() {
            for &rows in statement.sizes() {
                let text = statement.text(self.engine(), rows);
                let alone = (self.engine() == Engine::Sqlite).then(|| statement.text_alone(rows));
                for text in std::iter::once(text).chain(alone) {
                    let text = AssertSqlSafe(text.into_owned()).into_sql_str();
                    let done = match &*self.connections {
                        Connections::Sqlite { writer, .. } => (&mut *writer.lock().await).prepare(text).await.map(drop),
                        Connections::Postgres(pool) => pool.prepare(text).await.map(drop),
                    };
                    done.map_err(|error| StoreError::of(statement.name, error))?;
                }
                prepared += 1;
            }
        }
        Ok(prepared)
    }

    /// Begins a transaction that writes: on SQLite it holds the write lock from here on (BEGIN IMMEDIATE), on PostgreSQL
    /// it is READ COMMITTED. Dropping it undoes everything.
    ///
    /// # Errors
    /// Busy or disconnected.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let passage = before(&self.fuse, Step::Plain).await?;
        let connection = match &*self.connections {
            Connections::Sqlite { writer, .. } => {
                let mut guard = Arc::clone(writer).lock_owned().await;
                begin_sqlite(&mut guard).await.map_err(|error| StoreError::of("BEGIN", error))?;
                Connection::Sqlite { guard, queue: Queue::default() }
            }
            Connections::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err(|error| StoreError::of("BEGIN", error))?;
                within_time("BEGIN", PgTransactionManager::begin(&mut connection, None)).await?;
                Connection::Postgres(connection)
            }
        };
        let tx = Tx {
            engine: self.engine(),
            connection: Some(connection),
            fuse: self.fuse.clone(),
            busy: false,
            gathered: Gathered::default(),
            numbers: Numbers::default(),
            traces: (Arc::clone(&self.traces), false),
            ring: Arc::clone(&self.ring),
        };
        after(&self.fuse, passage).await?;
        Ok(tx)
    }

    /// A read that stands alone.
    pub(super) async fn read(&self, sql: &Sql, count: usize, binds: &[Bind<'_>]) -> Result<Vec<Row>, StoreError> {
        let passage = before(&self.fuse, Step::Plain).await?;
        let rows = match &*self.connections {
            Connections::Sqlite { readers, turn, .. } => {
                let reader = Connections::next_reader(readers, turn);
                let mut connection = reader.lock().await;
                fetch_sqlite(&mut connection, sql, count, binds).await?
            }
            Connections::Postgres(pool) => fetch_pool(pool, sql, count, binds).await?,
        };
        after(&self.fuse, passage).await?;
        Ok(rows)
    }

    /// A writing statement that is its own transaction.
    pub(super) async fn write(&self, sql: &Sql, binds: &[Bind<'_>]) -> Result<Vec<Row>, StoreError> {
        let passage = before(&self.fuse, Step::Commit).await?;
        let rows = match &*self.connections {
            Connections::Sqlite { writer, place, .. } => {
                let mut connection = writer.lock().await;
                fetch_sqlite(&mut connection, sql, 1, binds).await.map_err(|error| error.at_place(place))?
            }
            Connections::Postgres(pool) => fetch_pool(pool, sql, 1, binds).await?,
        };
        after(&self.fuse, passage).await?;
        Ok(rows)
    }
}

/// Begins with the write lock in hand.
async fn begin_sqlite(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let begun = SqliteTransactionManager::begin(connection, Some("BEGIN IMMEDIATE".into_sql_str())).await;
    if !matches!(begun, Err(sqlx::Error::InvalidSavePointStatement)) {
        return begun;
    }
    // SQLite undoes a transaction by itself when the disk is full or fails (sqlite.org/lang_transaction.html section 3).
    // The rollback that follows then finds none, fails, and the connection counts one as open for ever. So it is given
    // one to roll back; that beginning fails if there is one after all.
    let _ = (&mut *connection).execute("BEGIN").await;
    SqliteTransactionManager::rollback(connection).await?;
    SqliteTransactionManager::begin(connection, Some("BEGIN IMMEDIATE".into_sql_str())).await
}

/// A transaction that writes. Dropping it undoes everything. After an error nothing in it can be trusted: it is undone at
/// once, gives up its locks, and answers [`StoreError::Abandoned`] from then on.
pub struct Tx {
    engine: Engine,
    connection: Option<Connection>,
    fuse: Option<Arc<Fuse>>,
    /// A step is on its way; if this is found at the next one, its future was dropped.
    busy: bool,
    /// Rows that nobody waits for.
    gathered: Gathered,
    /// Numbers of subjects that were asked for ahead.
    pub(super) numbers: Numbers,
    /// The store's mark of traces, and whether it is to be set.
    traces: (Arc<AtomicBool>, bool),
    ring: Arc<KeyRing>,
}

/// Numbers that the database gave for rows which are still to be written.
#[derive(Default)]
pub(super) struct Numbers {
    /// The greatest first.
    pub(super) left: Vec<i64>,
    /// How many were asked for last.
    pub(super) asked: i64,
}

enum Connection {
    Sqlite { guard: OwnedMutexGuard<SqliteConnection>, queue: Queue },
    Postgres(PoolConnection<Postgres>),
}

/// Rows of one statement that are worth an errand of their own; see [`Sql::text_alone`].
const ROWS_ALONE: usize = 16;

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tx({:?})", self.engine)
    }
}

impl Tx {
    /// Makes everything durable. When this returns, it is on the disk.
    ///
    /// # Errors
    /// After an error it is unknown whether the commit happened, if the connection broke; otherwise it did not.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.write_gathered().await?;
        self.flush().await?;
        let passage = before(&self.fuse, Step::Commit).await?;
        match self.open()? {
            Connection::Sqlite { guard, .. } => {
                SqliteTransactionManager::commit(guard).await.map_err(|error| StoreError::of("COMMIT", error))?
            }
            Connection::Postgres(connection) => {
                within_time("COMMIT", PgTransactionManager::commit(connection)).await?;
            }
        }
        if self.traces.1 {
            self.traces.0.store(true, Ordering::Release);
        }
        // The connection goes back before a fuse can freeze this step for ever.
        self.connection = None;
        after(&self.fuse, passage).await
    }

    /// Which engine it is in.
    pub(super) fn engine(&self) -> Engine {
        self.engine
    }

    /// The keys by which what is personal is sealed and opened; see [`Store::ring`].
    pub fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// Says that this transaction takes away what must not be found again: [`Store::wipe_traces`] has work then.
    pub(super) fn leaves_traces(&mut self) {
        self.traces.1 = true;
    }

    /// Runs a statement and gives its rows.
    pub(super) async fn fetch(&mut self, sql: &Sql, binds: &[Bind<'_>]) -> Result<Vec<Row>, StoreError> {
        self.fetch_rows(sql, 1, binds).await
    }

    /// Runs a statement that takes `count` rows of binds, and gives its rows.
    pub(super) async fn fetch_rows(
        &mut self,
        sql: &Sql,
        count: usize,
        binds: &[Bind<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.write_gathered().await?;
        let passage = self.enter().await?;
        let fetched = match self.open()? {
            Connection::Sqlite { guard, queue } => match std::mem::take(queue) {
                queue if queue.is_empty() => fetch_sqlite(guard, sql, count, binds).await,
                queue => queue.send_with(guard, sql, count, binds).await.map(|(rows, _)| rows),
            },
            Connection::Postgres(connection) => fetch_postgres(connection, sql, count, binds).await,
        };
        self.leave(passage, fetched).await
    }

    /// Runs a statement and gives the number of rows it touched.
    pub(super) async fn execute(&mut self, sql: &Sql, binds: &[Bind<'_>]) -> Result<u64, StoreError> {
        self.execute_rows(sql, 1, binds).await
    }

    /// Runs a statement that takes `count` rows of binds, and gives the number of rows it touched.
    pub(super) async fn execute_rows(
        &mut self,
        sql: &Sql,
        count: usize,
        binds: &[Bind<'_>],
    ) -> Result<u64, StoreError> {
        self.write_gathered().await?;
        let passage = self.enter().await?;
        let touched = match self.open()? {
            Connection::Sqlite { guard, queue } => match std::mem::take(queue) {
                queue if queue.is_empty() => execute_sqlite(guard, sql, count, binds).await,
                queue => queue.send_with(guard, sql, count, binds).await.map(|(_, touched)| touched),
            },
            Connection::Postgres(connection) => execute_postgres(connection, sql, count, binds).await,
        };
        self.leave(passage, touched).await
    }

    /// Runs a statement nobody waits for, at the latest before the next read or the commit; what it touches is checked
    /// then. Errors may therefore come from a later call.
    pub(super) async fn later(&mut self, sql: &Sql, binds: &[Bind<'_>], expect: Expect) -> Result<(), StoreError> {
        self.later_rows(sql, 1, binds, expect).await
    }

    /// As [`Tx::later`], for a statement that takes `count` rows of binds.
    pub(super) async fn later_rows(
        &mut self,
        sql: &Sql,
        count: usize,
        binds: &[Bind<'_>],
        expect: Expect,
    ) -> Result<(), StoreError> {
        self.write_gathered().await?;
        self.queue(sql, count, binds, expect).await
    }

    /// Puts a row aside for a statement that takes many. The rows of one statement go together, in the order of their
    /// [`Turn`], at the latest before anything else is done in this transaction, the commit among it; what they touch is
    /// checked then. Errors may therefore come from a later call.
    pub(super) async fn gather(
        &mut self,
        turn: Turn,
        sql: &'static Sql,
        binds: &[Bind<'_>],
        expect: Expect,
    ) -> Result<(), StoreError> {
        self.refuse_if_busy()?;
        self.gathered.add(turn, sql, binds, expect);
        if self.gathered.is_full() { self.write_gathered().await } else { Ok(()) }
    }

    /// Queues what was gathered.
    async fn write_gathered(&mut self) -> Result<(), StoreError> {
        for rows in self.gathered.take() {
            for run in sql::chunks(&rows.rows) {
                let binds: Vec<Bind<'_>> = run.iter().flat_map(|row| row.binds()).collect();
                self.queue(rows.sql, run.len(), &binds, rows.expect_of(run)).await?;
            }
        }
        Ok(())
    }

    async fn queue(&mut self, sql: &Sql, count: usize, binds: &[Bind<'_>], expect: Expect) -> Result<(), StoreError> {
        let passage = self.enter().await?;
        let done = match self.open()? {
            Connection::Sqlite { guard, queue } if count >= ROWS_ALONE => match std::mem::take(queue).send(guard).await
            {
                Ok(_) => execute_sqlite(guard, sql, count, binds).await.and_then(|touched| expect.check(touched)),
                Err(error) => Err(error),
            },
            Connection::Sqlite { queue, .. } => queue.push(sql, count, binds, expect),
            Connection::Postgres(connection) => match execute_postgres(connection, sql, count, binds).await {
                Ok(touched) => expect.check(touched),
                Err(error) => Err(error),
            },
        };
        self.leave(passage, done).await
    }

    /// Sends what is queued.
    async fn flush(&mut self) -> Result<(), StoreError> {
        self.refuse_if_busy()?;
        let Connection::Sqlite { queue, .. } = self.open()? else { return Ok(()) };
        if queue.is_empty() {
            return Ok(());
        }
        let queue = std::mem::take(queue);
        self.busy = true;
        let Connection::Sqlite { guard, .. } = self.open()? else { return Ok(()) };
        let sent = queue.send(guard).await;
        self.busy = false;
        if sent.is_err() {
            self.abandon();
        }
        sent.map(drop)
    }

    fn open(&mut self) -> Result<&mut Connection, StoreError> {
        self.connection.as_mut().ok_or(StoreError::Abandoned)
    }

    fn refuse_if_busy(&mut self) -> Result<(), StoreError> {
        if self.busy {
            self.abandon();
        }
        self.open().map(drop)
    }

    async fn enter(&mut self) -> Result<Option<Passage>, StoreError> {
        self.refuse_if_busy()?;
        let passage = before(&self.fuse, Step::Plain).await;
        match passage {
            Ok(_) => self.busy = true,
            Err(_) => self.abandon(),
        }
        passage
    }

    async fn leave<T>(&mut self, passage: Option<Passage>, done: Result<T, StoreError>) -> Result<T, StoreError> {
        let done = match done {
            Ok(value) => after(&self.fuse, passage).await.map(|()| value),
            error => error,
        };
        self.busy = false;
        if done.is_err() {
            self.abandon();
        }
        done
    }

    /// Undoes everything and gives the connection back.
    fn abandon(&mut self) {
        match &mut self.connection {
            Some(Connection::Sqlite { guard, .. }) => SqliteTransactionManager::start_rollback(guard),
            Some(Connection::Postgres(connection)) => PgTransactionManager::start_rollback(connection),
            None => {}
        }
        self.connection = None;
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        self.abandon();
    }
}

async fn before(fuse: &Option<Arc<Fuse>>, step: Step) -> Result<Option<Passage>, StoreError> {
    match fuse {
        Some(fuse) => fuse.before(step).await.map(Some),
        None => Ok(None),
    }
}

async fn after(fuse: &Option<Arc<Fuse>>, passage: Option<Passage>) -> Result<(), StoreError> {
    match (fuse, passage) {
        (Some(fuse), Some(passage)) => fuse.after(passage).await,
        _ => Ok(()),
    }
}

async fn execute_sqlite(
    connection: &mut SqliteConnection,
    sql: &Sql,
    count: usize,
    binds: &[Bind<'_>],
) -> Result<u64, StoreError> {
    let mut arguments = SqliteArguments::default();
    sql::add_sqlite(&mut arguments, binds).map_err(|error| StoreError::of(sql.name, error))?;
    let query = sqlx::query_with::<Sqlite, _>(AssertSqlSafe(sql.text_alone(count)), arguments);
    let done = query.execute(connection).await.map_err(|error| StoreError::of(sql.name, error))?;
    Ok(done.rows_affected())
}

async fn execute_postgres(
    connection: &mut PoolConnection<Postgres>,
    sql: &Sql,
    count: usize,
    binds: &[Bind<'_>],
) -> Result<u64, StoreError> {
    let arguments = sql::to_postgres(binds).map_err(|error| StoreError::of(sql.name, error))?;
    let query = sqlx::query_with::<Postgres, PgArguments>(AssertSqlSafe(sql.text(Engine::Postgres, count)), arguments);
    let inner: &mut PgConnection = &mut *connection;
    let done = within_time(sql.name, query.execute(inner)).await;
    if matches!(done, Err(StoreError::Disconnected(_))) {
        connection.close_on_drop();
    }
    Ok(done?.rows_affected())
}

async fn fetch_sqlite(
    connection: &mut SqliteConnection,
    sql: &Sql,
    count: usize,
    binds: &[Bind<'_>],
) -> Result<Vec<Row>, StoreError> {
    let mut arguments = SqliteArguments::default();
    sql::add_sqlite(&mut arguments, binds).map_err(|error| StoreError::of(sql.name, error))?;
    let query = sqlx::query_with::<Sqlite, _>(AssertSqlSafe(sql.text_alone(count)), arguments);
    let rows = query.fetch_all(connection).await.map_err(|error| StoreError::of(sql.name, error))?;
    Ok(rows.into_iter().map(Row::sqlite).collect())
}

async fn fetch_postgres(
    connection: &mut PoolConnection<Postgres>,
    sql: &Sql,
    count: usize,
    binds: &[Bind<'_>],
) -> Result<Vec<Row>, StoreError> {
    let arguments = sql::to_postgres(binds).map_err(|error| StoreError::of(sql.name, error))?;
    let query = sqlx::query_with::<Postgres, PgArguments>(AssertSqlSafe(sql.text(Engine::Postgres, count)), arguments);
    let inner: &mut PgConnection = &mut *connection;
    let fetched = within_time(sql.name, query.fetch_all(inner)).await;
    if matches!(fetched, Err(StoreError::Disconnected(_))) {
        connection.close_on_drop();
    }
    Ok(fetched?.into_iter().map(Row::postgres).collect())
}

async fn fetch_pool(pool: &sqlx::PgPool, sql: &Sql, count: usize, binds: &[Bind<'_>]) -> Result<Vec<Row>, StoreError> {
    let mut connection = pool.acquire().await.map_err(|error| StoreError::of(sql.name, error))?;
    fetch_postgres(&mut connection, sql, count, binds).await
}

/// A server that has gone silent counts as gone.
async fn within_time<T>(
    what: &str,
    work: impl std::future::Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(Duration::from_secs(limits::STATEMENT_SECONDS), work).await {
        Ok(done) => done.map_err(|error| StoreError::of(what, error)),
        Err(_) => Err(StoreError::Disconnected(format!("no answer to {what}"))),
    }
}
