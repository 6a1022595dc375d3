//! The twins: both engines have the same tables and columns, with the same comments, and understand every statement.

use std::collections::BTreeMap;

use hagaki::store::{Engine, Store};
use sqlx::{Connection, PgConnection, Row, SqliteConnection};

use crate::world::{fresh_url, on_both};

type Schema = BTreeMap<String, BTreeMap<String, String>>;

on_both! {
    async fn every_statement_prepares(world: &World) {
        assert!(world.store.prepare_all().await.unwrap() > 100);
    }
}

#[tokio::test]
async fn the_twins_have_the_same_tables_columns_and_comments() {
    let Some((sqlite, _folder)) = fresh_url(Engine::Sqlite).await else { return };
    let Some((postgres, _)) = fresh_url(Engine::Postgres).await else { return };
    Store::open(&sqlite).await.unwrap();
    Store::open(&postgres).await.unwrap();
    let (one, other) = (sqlite_schema(&sqlite).await, postgres_schema(&postgres).await);
    assert!(one.len() >= 15, "{:?}", one.keys());
    assert_eq!(one, other);
    for (table, columns) in &one {
        for (column, comment) in columns {
            assert!(comment.contains(" -- ") && !comment.ends_with("-- "), "{table}.{column} has no comment");
        }
    }
}

#[tokio::test]
async fn every_sqlite_table_is_strict() {
    let Some((sqlite, _folder)) = fresh_url(Engine::Sqlite).await else { return };
    Store::open(&sqlite).await.unwrap();
    let mut connection = SqliteConnection::connect(&sqlite).await.unwrap();
    let loose: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 \
         AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(loose, [""; 0]);
}

/// Table to column to `type null? -- comment`; the empty column holds the table's comment.
async fn sqlite_schema(url: &str) -> Schema {
    let mut connection = SqliteConnection::connect(url).await.unwrap();
    let tables = sqlx::query(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut schema = Schema::new();
    for table in tables {
        let (name, sql): (String, String) = (table.get(0), table.get(1));
        // SQLite keeps the text of the statement, comments included.
        let comment_of = |start: &str| {
            // A column added later stands behind the last one, before that one's comment, with its own between stars.
            let added = sql.split_once(&format!(", {start}")).and_then(|(_, rest)| rest.split_once(" /* "));
            let added = added.filter(|(column, _)| !column.contains([',', '\n']));
            let line = sql.lines().find(|line| line.trim_start().starts_with(start));
            match added.and_then(|(_, rest)| rest.split_once(" */")) {
                Some((comment, _)) => comment.to_owned(),
                None => line
                    .and_then(|line| line.split_once(" -- "))
                    .map(|(_, comment)| comment.to_owned())
                    .unwrap_or_default(),
            }
        };
        let mut columns = BTreeMap::from([(String::new(), format!(" -- {}", comment_of("CREATE TABLE")))]);
        let infos = sqlx::query("SELECT name, type, \"notnull\", pk FROM pragma_table_info($1)")
            .bind(&name)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        for info in infos {
            let (column, kind): (String, String) = (info.get(0), info.get(1));
            let required = info.get::<i64, _>(2) == 1 || info.get::<i64, _>(3) > 0;
            let comment = comment_of(&format!("{column} "));
            columns.insert(column, format!("{kind} {} -- {comment}", if required { "required" } else { "optional" }));
        }
        schema.insert(name, columns);
    }
    schema
}

async fn postgres_schema(url: &str) -> Schema {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let rows = sqlx::query(
        "SELECT c.relname::text, coalesce(obj_description(c.oid), ''), a.attname::text, \
         format_type(a.atttypid, a.atttypmod), a.attnotnull, coalesce(col_description(c.oid, a.attnum), '') \
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE '\\_sqlx\\_%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut schema = Schema::new();
    for row in rows {
        let (table, about): (String, String) = (row.get(0), row.get(1));
        let (column, kind, required, comment): (String, String, bool, String) =
            (row.get(2), row.get(3), row.get(4), row.get(5));
        let kind = match kind.as_str() {
            "bigint" => "INTEGER",
            "bytea" => "BLOB",
            "text" => "TEXT",
            other => panic!("{table}.{column} is {other}: SQLite has no twin of it"),
        };
        let columns = schema.entry(table).or_default();
        columns.insert(String::new(), format!(" -- {about}"));
        columns.insert(column, format!("{kind} {} -- {comment}", if required { "required" } else { "optional" }));
    }
    schema
}
