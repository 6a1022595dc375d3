//! Opening a database: the one place that knows how the two engines differ in address, connections and begin.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use tokio::sync::Mutex;

use super::error::StoreError;
use super::sql::Engine;
use crate::limits;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// The connections of a store.
pub(super) enum Connections {
    /// One writer, because SQLite has one write lock; readers beside it see the last commit (WAL).
    Sqlite {
        writer: Arc<Mutex<SqliteConnection>>,
        readers: Vec<Arc<Mutex<SqliteConnection>>>,
        turn: AtomicUsize,
        /// The file, for people.
        place: String,
    },
    /// A pool.
    Postgres(PgPool),
}

impl Connections {
    pub(super) fn engine(&self) -> Engine {
        match self {
            Connections::Sqlite { .. } => Engine::Sqlite,
            Connections::Postgres(_) => Engine::Postgres,
        }
    }

    /// Opens what `url` names and brings its tables up to date.
    pub(super) async fn open(url: &str) -> Result<Connections, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return open_sqlite(path).await;
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return open_postgres(url).await;
        }
        let scheme = url.split(':').next().unwrap_or_default();
        Err(StoreError::Address(format!("it begins with {:?}", scheme.chars().take(20).collect::<String>())))
    }

    /// A reader of SQLite, in turn.
    pub(super) fn next_reader(
        readers: &[Arc<Mutex<SqliteConnection>>],
        turn: &AtomicUsize,
    ) -> Arc<Mutex<SqliteConnection>> {
        let index = turn.fetch_add(1, Ordering::Relaxed) % readers.len().max(1);
        Arc::clone(readers.get(index).expect("open makes at least one reader"))
    }

    /// Wipes what deleted and overwritten rows left; whether all of it is gone. Deleted cells and free pages of SQLite are zeroed at
    /// once (`secure_delete`), what remains are older pages in its log. PostgreSQL keeps dead rows until they are vacuumed.
    pub(super) async fn wipe_traces(&self) -> Result<bool, StoreError> {
        match self {
            Connections::Sqlite { writer, .. } => {
                let mut writer = writer.lock().await;
                let checkpoint = sqlx::query_scalar::<_, i64>("PRAGMA wal_checkpoint(TRUNCATE)");
                let busy = checkpoint.fetch_one(&mut *writer).await;
                // A reader that still looks at an older state keeps it; it is tried again.
                Ok(busy.map_err(|error| StoreError::of("checkpoint", error))? == 0)
            }
            Connections::Postgres(pool) => {
                for table in [
                    "VACUUM urn",
                    "VACUUM voter",
                    "VACUUM outbox_raw",
                    "VACUUM outbox",
                    "VACUUM study",
                    "VACUUM session",
                    "VACUUM sign_in_failure",
                    "VACUUM account_session",
                    "VACUUM account_link",
                ] {
                    pool.execute(table).await.map_err(|error| StoreError::of("VACUUM", error))?;
                }
                Ok(true)
            }
        }
    }

    /// Closes every connection, waiting for those in use.
    pub(super) async fn close(&self) {
        match self {
            Connections::Sqlite { writer, readers, .. } => {
                for connection in readers.iter().chain(std::iter::once(writer)) {
                    // The connection itself is closed when the last store is dropped; nothing is pending after this.
                    let _ = connection.lock().await.ping().await;
                }
            }
            Connections::Postgres(pool) => pool.close().await,
        }
    }
}

async fn open_sqlite(path: &str) -> Result<Connections, StoreError> {
    if path.is_empty() || path.contains('?') || path.contains(":memory:") {
        return Err(StoreError::Address("a plain path to a file must follow sqlite://".to_owned()));
    }
    let path = PathBuf::from(path);
    let place = path.display().to_string();
    make_private_file(&path)?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is deleted or overwritten is zeroed, on free pages too: an answer or a secret is not found again in the file.
        .pragma("secure_delete", "1")
        .pragma("wal_autocheckpoint", limits::SQLITE_LOG_PAGES.to_string())
        .busy_timeout(Duration::from_secs(limits::LOCK_WAIT_SECONDS))
        .statement_cache_capacity(limits::PREPARED_STATEMENTS)
        .row_buffer_size(1_000)
        .disable_statement_logging();
    let open = async |options: &SqliteConnectOptions| {
        options.connect().await.map_err(|error| StoreError::of("opening", error).at_place(&place))
    };
    let writer = open_writer(&options).await.map_err(|error| error.at_place(&place))?;
    let mut readers = Vec::new();
    for _ in 0..limits::SQLITE_READERS {
        readers.push(Arc::new(Mutex::new(open(&options.clone().pragma("query_only", "1")).await?)));
    }
    Ok(Connections::Sqlite { writer: Arc::new(Mutex::new(writer)), readers, turn: AtomicUsize::new(0), place })
}

/// Creates the file so that only its owner can read it; SQLite gives its `-wal` and `-shm` files the same rights.
///
/// A file that exists is not even opened: closing it again would drop the locks that this process may hold on it
/// (sqlite.org/howtocorrupt.html section 2.2).
fn make_private_file(path: &Path) -> Result<(), StoreError> {
    use std::io::ErrorKind;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let Err(error) = options.open(path) else { return Ok(()) };
    let (place, cause) = (path.display().to_string(), error.to_string());
    match error.kind() {
        ErrorKind::AlreadyExists => Ok(()),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Err(StoreError::NotWritable { place, cause }),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Err(StoreError::DiskFull),
        _ => Err(StoreError::CannotOpen { path: place, cause }),
    }
}

/// Opens the connection that writes, and brings the file to this version.
///
/// Two processes that open a new file at once get into each other's way here: the migrator cannot lock SQLite, and a
/// change to write-ahead logging does not wait for others (sqlite.org/pragma.html#pragma_journal_mode answers "locked"
/// at once). The one that comes second finds the work done when it looks again.
async fn open_writer(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let attempt = async || {
        let mut writer = options.connect().await.map_err(|error| StoreError::of("opening", error))?;
        migrate(&SQLITE_MIGRATIONS, &mut writer).await?;
        Ok(writer)
    };
    for _ in 1..limits::OPENING_TRIES {
        match attempt().await {
            Err(StoreError::Other { .. } | StoreError::Busy(_) | StoreError::Conflict { .. }) => {
                tokio::time::sleep(Duration::from_millis(limits::OPENING_PAUSE_MILLISECONDS)).await;
            }
            done => return done,
        }
    }
    attempt().await
}

async fn open_postgres(url: &str) -> Result<Connections, StoreError> {
    // The parser's own message may repeat the address, and with it the password.
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Address("what follows postgres:// cannot be understood".to_owned()))?
        .application_name("hagaki")
        .statement_cache_capacity(limits::PREPARED_STATEMENTS)
        .options([("lock_timeout", format!("{}s", limits::LOCK_WAIT_SECONDS))])
        .disable_statement_logging();
    // One connection by hand first: a pool would wait and then only say that it waited.
    let connecting = tokio::time::timeout(Duration::from_secs(limits::DATABASE_CONNECT_SECONDS), options.connect());
    let mut first = match connecting.await {
        Ok(connected) => connected.map_err(|error| connect_error(&options, error))?,
        Err(_) => return Err(StoreError::Unreachable { server: server(&options), cause: "no answer".to_owned() }),
    };
    migrate(&POSTGRES_MIGRATIONS, &mut first).await.map_err(|error| error.at_place(&server(&options)))?;
    let _ = first.close().await;
    let pool = PgPoolOptions::new()
        .max_connections(limits::POSTGRES_CONNECTIONS)
        .acquire_timeout(Duration::from_secs(limits::DATABASE_CONNECT_SECONDS))
        // Each acquiring would cost a round trip; a dead connection shows at its first statement, which is tried again.
        .test_before_acquire(false)
        .connect_lazy_with(options);
    Ok(Connections::Postgres(pool))
}

/// Host, port and database; never the password.
fn server(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

fn connect_error(options: &PgConnectOptions, error: sqlx::Error) -> StoreError {
    let server = server(options);
    let code = error.as_database_error().and_then(|database| database.code().map(|code| code.into_owned()));
    match code.as_deref() {
        // Invalid password, invalid authorization (also: no such role, no pg_hba.conf entry).
        Some("28P01" | "28000") => StoreError::WrongPassword { server, user: options.get_username().to_owned() },
        Some("3D000") => StoreError::NoDatabase { server },
        _ => match error {
            sqlx::Error::Io(error) => StoreError::Unreachable { server, cause: error.to_string() },
            sqlx::Error::Tls(error) => StoreError::Unreachable { server, cause: error.to_string() },
            error => StoreError::of("connecting", error).at_place(&server),
        },
    }
}

async fn migrate<C>(migrator: &Migrator, connection: &mut C) -> Result<(), StoreError>
where
    C: sqlx::migrate::Migrate,
{
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    migrator.run_direct(None, connection, false).await.map_err(|error| StoreError::of_migration(error, known))
}
