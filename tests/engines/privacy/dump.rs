//! Everything that somebody finds who takes the whole database away: each row of each table with its physical place, and the
//! bytes of the files.

use std::collections::BTreeMap;

use hagaki::store::Engine;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

use crate::world::World;

/// A row: cells by column, and besides those what the engine tells of its place and its transaction.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) table: String,
    pub(crate) cells: BTreeMap<String, String>,
}

impl Found {
    pub(crate) fn cell(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    pub(crate) fn holds(&self, text: &str) -> bool {
        self.cells.values().any(|cell| cell.contains(text))
    }
}

/// Rows in the order in which a scan finds them, and files.
pub(crate) struct Dump {
    pub(crate) rows: Vec<Found>,
    /// Name and bytes: database and log of SQLite; the tables' own files of PostgreSQL, in which dead rows lie.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

impl Dump {
    pub(crate) fn table<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Found> {
        self.rows.iter().filter(move |row| row.table == name)
    }

    /// Whether bytes lie anywhere in the files.
    pub(crate) fn lies_in_files(&self, bytes: &[u8]) -> bool {
        self.files.iter().any(|(_, file)| find(file, bytes).is_some())
    }
}

/// Where `wanted` first lies in `bytes`.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == first) {
        let at = from + at;
        if bytes.get(at..at + wanted.len()) == Some(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Takes everything.
pub(crate) async fn dump(world: &World) -> Dump {
    match world.store.engine() {
        Engine::Sqlite => sqlite(world).await,
        Engine::Postgres => postgres(world).await,
    }
}

async fn sqlite(world: &World) -> Dump {
    let path = world.url.strip_prefix("sqlite://").unwrap();
    // The bytes first: looking with SQLite could change the log.
    let file = |suffix: &str| {
        let name = format!("{path}{suffix}");
        std::fs::read(&name).map(|bytes| (suffix.to_owned(), bytes)).ok()
    };
    let files = ["-wal", ""].into_iter().filter_map(file).collect();
    let mut outside = SqliteConnection::connect(&world.url).await.unwrap();
    let tables: Vec<(String, i64)> =
        sqlx::query_as("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
            .fetch_all(&mut outside)
            .await
            .unwrap();
    let mut rows = Vec::new();
    for (table, without_rowid) in tables {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)")
            .bind(&table)
            .fetch_all(&mut outside)
            .await
            .unwrap();
        let mut asked: Vec<(String, String)> = columns
            .iter()
            .map(|column| {
                let text = format!("CASE typeof(\"{column}\") WHEN 'blob' THEN lower(hex(\"{column}\")) ELSE CAST(\"{column}\" AS TEXT) END");
                (column.clone(), text)
            })
            .collect();
        if without_rowid == 0 {
            asked.push(("(rowid)".to_owned(), "CAST(rowid AS TEXT)".to_owned()));
        }
        let list: Vec<&str> = asked.iter().map(|(_, text)| text.as_str()).collect();
        let sql = format!("SELECT {} FROM \"{table}\"", list.join(", "));
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut outside).await.unwrap() {
            let cell = |(at, (name, _)): (usize, &(String, String))| {
                row.get::<Option<String>, _>(at).map(|value| (name.clone(), value))
            };
            rows.push(Found { table: table.clone(), cells: asked.iter().enumerate().filter_map(cell).collect() });
        }
    }
    Dump { rows, files }
}

async fn postgres(world: &World) -> Dump {
    let mut outside = PgConnection::connect(&world.url).await.unwrap();
    // What is only in memory yet goes into the files.
    sqlx::raw_sql("CHECKPOINT").execute(&mut outside).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1",
    )
    .fetch_all(&mut outside)
    .await
    .unwrap();
    let (mut rows, mut files) = (Vec::new(), Vec::new());
    for table in tables {
        let columns: Vec<(String, String)> = sqlx::query_as(
            "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a \
             WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        )
        .bind(&table)
        .fetch_all(&mut outside)
        .await
        .unwrap();
        let mut asked: Vec<(String, String)> = columns
            .iter()
            .map(|(column, kind)| match kind.as_str() {
                "bytea" => (column.clone(), format!("encode(\"{column}\", 'hex')")),
                _ => (column.clone(), format!("\"{column}\"::text")),
            })
            .collect();
        asked.push(("(xmin)".to_owned(), "xmin::text".to_owned()));
        asked.push(("(ctid)".to_owned(), "ctid::text".to_owned()));
        let list: Vec<&str> = asked.iter().map(|(_, text)| text.as_str()).collect();
        let sql = format!("SELECT {} FROM \"{table}\"", list.join(", "));
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut outside).await.unwrap() {
            let cell = |(at, (name, _)): (usize, &(String, String))| {
                row.get::<Option<String>, _>(at).map(|value| (name.clone(), value))
            };
            rows.push(Found { table: table.clone(), cells: asked.iter().enumerate().filter_map(cell).collect() });
        }
        let bytes: Vec<Option<Vec<u8>>> = sqlx::query_scalar(
            "SELECT pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class \
             WHERE oid IN (SELECT unnest(ARRAY[c.oid, c.reltoastrelid]) FROM pg_class c WHERE c.oid = $1::regclass)",
        )
        .bind(&table)
        .fetch_all(&mut outside)
        .await
        .unwrap();
        files.extend(bytes.into_iter().flatten().map(|bytes| (table.clone(), bytes)));
    }
    Dump { rows, files }
}
