//! What the machine can do at most, in the same run and folder as what is measured.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

/// How long each limit is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Writes of 4 kB made durable, one after another, in a second.
pub(crate) fn syncs(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("sync.limit")).expect("a file");
    file.write_all(&[0; 4096]).and_then(|()| file.sync_all()).expect("a write");
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < LOOK {
        file.rewind().and_then(|()| file.write_all(&[1; 4096])).and_then(|()| file.sync_data()).expect("a write");
        count += 1;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

/// Transactions of one small row, one after another, in a second: SQLite with WAL and synchronous FULL.
pub(crate) async fn sqlite_commits(folder: &Path) -> f64 {
    let options = SqliteConnectOptions::new()
        .filename(folder.join("limit.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let mut connection = options.connect().await.expect("a database");
    sqlx::raw_sql("CREATE TABLE row (id INTEGER PRIMARY KEY, text TEXT)")
        .execute(&mut connection)
        .await
        .expect("a table");
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < LOOK {
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.expect("begin");
        sqlx::query("INSERT INTO row (text) VALUES ($1)").bind("x").execute(&mut *tx).await.expect("insert");
        tx.commit().await.expect("commit");
        count += 1;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

/// The same on PostgreSQL with one connection.
pub(crate) async fn postgres_commits(url: &str) -> f64 {
    let mut connection = PgConnection::connect(url).await.expect("a database");
    let table = "CREATE TABLE IF NOT EXISTS limit_row (id BIGSERIAL PRIMARY KEY, text TEXT)";
    sqlx::raw_sql(table).execute(&mut connection).await.expect("a table");
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < LOOK {
        let mut tx = connection.begin().await.expect("begin");
        sqlx::query("INSERT INTO limit_row (text) VALUES ($1)").bind("x").execute(&mut *tx).await.expect("insert");
        tx.commit().await.expect("commit");
        count += 1;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

/// An empty database on a server, and its address; one of that name is dropped first.
pub(crate) async fn fresh_database(server: &str, name: &str) -> String {
    let server = server.trim_end_matches('/');
    let mut connection = PgConnection::connect(&format!("{server}/postgres")).await.expect("a server");
    for statement in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("a database");
    }
    format!("{server}/{name}")
}
