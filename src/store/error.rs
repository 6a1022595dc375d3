//! What can go wrong with the database, each said in one sentence that tells what to mend.

use sqlx::error::ErrorKind;
use sqlx::migrate::MigrateError;

use crate::domain::seal::{NoKey, Unopened};

/// Why the store could not do what it was asked. No text of it carries a password or a subject's data.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is of neither form.
    #[error(
        "the database address must be sqlite:///path/to/file, sqlite://relative/file or postgres://user@host/name: {0}"
    )]
    Address(String),
    /// The server does not answer.
    #[error(
        "the database server {server} cannot be reached ({cause}): start it, or correct the address in the settings"
    )]
    Unreachable {
        /// Host, port and database.
        server: String,
        /// What the network said.
        cause: String,
    },
    /// The server refuses the user.
    #[error("the database server {server} refuses user {user:?}: correct the user or password in the settings")]
    WrongPassword {
        /// Host, port and database.
        server: String,
        /// Name that was tried.
        user: String,
    },
    /// The server has no database of that name.
    #[error(
        "the database server {server} has no such database: create it (createdb), or correct the name in the settings"
    )]
    NoDatabase {
        /// Host, port and database.
        server: String,
    },
    /// File or server cannot be written to.
    #[error(
        "the database {place} cannot be written ({cause}): give this user the right to write the file and its folder, or use the primary server"
    )]
    NotWritable {
        /// Path or server.
        place: String,
        /// What the system said.
        cause: String,
    },
    /// The file cannot be opened at all.
    #[error(
        "the database file {path} cannot be opened ({cause}): its folder must exist, and this user must be able to write in it"
    )]
    CannotOpen {
        /// Path of the file.
        path: String,
        /// What the system said.
        cause: String,
    },
    /// The file is something else, or damaged.
    #[error(
        "{path} is not a sound SQLite database ({cause}): restore it from a backup, or point the settings elsewhere"
    )]
    NotADatabase {
        /// Path of the file.
        path: String,
        /// What SQLite said.
        cause: String,
    },
    /// A newer hagaki has used this database.
    #[error(
        "the database has been brought to version {found} by a newer hagaki; this one knows versions up to {known}: install the newer one"
    )]
    Newer {
        /// Greatest migration found that is unknown here.
        found: i64,
        /// Greatest migration known here.
        known: i64,
    },
    /// An applied migration is not the one this program carries.
    #[error(
        "migration {0} of the database differs from the one in this program: install a released hagaki, or restore the database"
    )]
    Altered(i64),
    /// No room left.
    #[error("the disk of the database is full: make room; nothing that was confirmed is lost")]
    DiskFull,
    /// Something of that key is there already.
    #[error("{what} exists already")]
    Conflict {
        /// Statement that met it.
        what: String,
    },
    /// A claim ran out, and somebody else may have taken the work.
    #[error("the lease on {noun} {id} is lost: somebody else works on it or has finished it")]
    LostLease {
        /// `inbox` or `outbox`.
        noun: &'static str,
        /// Its id.
        id: i64,
    },
    /// What is sealed cannot be opened with the keys that are there.
    #[error("{what} cannot be opened: {why}")]
    Unopened {
        /// What it is.
        what: String,
        /// Why.
        why: Unopened,
    },
    /// Something is to be sealed, and there is no key.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// What must be there is not.
    #[error("there is no {noun} {key}")]
    Missing {
        /// Kind of thing.
        noun: &'static str,
        /// What it was looked for by.
        key: String,
    },
    /// Somebody else holds what is needed; trying again helps.
    #[error("the database is busy ({0}): try again")]
    Busy(String),
    /// The connection broke, or the server is going down; trying again helps. A commit may have happened.
    #[error("the connection to the database broke ({0}): try again")]
    Disconnected(String),
    /// The transaction had failed before; it does nothing more.
    #[error("the transaction had failed before and was given up")]
    Abandoned,
    /// A row holds what no version writes.
    #[error("the database holds something unreadable, {what}: {cause}")]
    Unreadable {
        /// Where.
        what: String,
        /// What is wrong.
        cause: String,
    },
    /// A test's fuse struck at this step.
    #[error("the fuse struck at step {0}")]
    Struck(u64),
    /// Anything else.
    #[error("the database failed at {what}: {cause}")]
    Other {
        /// Statement or act.
        what: String,
        /// What the driver said.
        cause: String,
    },
}

impl StoreError {
    /// Whether the fault is not the request's own: it may succeed if it is tried again as it is, here or by whoever holds
    /// the lease now.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            StoreError::Busy(_)
                | StoreError::Disconnected(_)
                | StoreError::Unreachable { .. }
                | StoreError::DiskFull
                | StoreError::LostLease { .. }
                | StoreError::Struck(_)
        )
    }

    /// Whether it passes when the key file is mended: what it concerns waits until then.
    pub fn waits_for_key(&self) -> bool {
        matches!(self, StoreError::NoKey(_) | StoreError::Unopened { why: Unopened::NoKey(_), .. })
    }

    /// The error of a statement or act called `what`.
    pub(super) fn of(what: &str, error: sqlx::Error) -> StoreError {
        let cause = error.to_string();
        match error {
            sqlx::Error::Database(database) => {
                if database.kind() == ErrorKind::UniqueViolation {
                    return StoreError::Conflict { what: what.to_owned() };
                }
                let code = database.code().map(|code| code.into_owned()).unwrap_or_default();
                StoreError::of_code(what, &code, cause)
            }
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => {
                StoreError::Disconnected(cause)
            }
            sqlx::Error::PoolTimedOut => StoreError::Busy("no connection came free".to_owned()),
            sqlx::Error::Migrate(migrate) => StoreError::of_migration(*migrate, 0),
            _ => StoreError::Other { what: what.to_owned(), cause },
        }
    }

    /// By SQLSTATE (five characters, PostgreSQL appendix A) or SQLite's extended result code (a number).
    fn of_code(what: &str, code: &str, cause: String) -> StoreError {
        // SQLite's codes have at most four digits.
        if code.len() == 5 {
            return match code {
                "53100" => StoreError::DiskFull,
                "40001" | "40P01" | "55P03" | "53300" | "57014" => StoreError::Busy(cause),
                "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => StoreError::Disconnected(cause),
                "25006" | "42501" => StoreError::NotWritable { place: what.to_owned(), cause },
                _ if code.starts_with("08") => StoreError::Disconnected(cause),
                _ => StoreError::Other { what: what.to_owned(), cause },
            };
        }
        // The low byte is the primary code (sqlite.org/rescode.html).
        match code.parse::<u32>().map(|number| number & 0xff) {
            Ok(5 | 6) => StoreError::Busy(cause),
            Ok(8) => StoreError::NotWritable { place: what.to_owned(), cause },
            Ok(11 | 26) => StoreError::NotADatabase { path: what.to_owned(), cause },
            Ok(13) => StoreError::DiskFull,
            Ok(14) => StoreError::CannotOpen { path: what.to_owned(), cause },
            _ => StoreError::Other { what: what.to_owned(), cause },
        }
    }

    /// The error of bringing the database up to date; `known` is the greatest migration of this program.
    pub(super) fn of_migration(error: MigrateError, known: i64) -> StoreError {
        match error {
            MigrateError::VersionMissing(found) => StoreError::Newer { found, known },
            MigrateError::VersionMismatch(version) => StoreError::Altered(version),
            MigrateError::Execute(error) => StoreError::of("migrating", error),
            MigrateError::ExecuteMigration(error, version) => StoreError::of(&format!("migration {version}"), error),
            other => StoreError::Other { what: "migrating".to_owned(), cause: other.to_string() },
        }
    }

    /// Says the place where an error that knows none names the act.
    pub(super) fn at_place(self, at: &str) -> StoreError {
        match self {
            StoreError::NotWritable { cause, .. } => StoreError::NotWritable { place: at.to_owned(), cause },
            StoreError::NotADatabase { cause, .. } => StoreError::NotADatabase { path: at.to_owned(), cause },
            StoreError::CannotOpen { cause, .. } => StoreError::CannotOpen { path: at.to_owned(), cause },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    async fn full_or_read_only(pragma: &'static str) -> StoreError {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = SqliteConnectOptions::new()
            .filename(folder.path().join("t.db"))
            .create_if_missing(true)
            .connect()
            .await
            .unwrap();
        sqlx::raw_sql("CREATE TABLE t (x BLOB NOT NULL) STRICT").execute(&mut connection).await.unwrap();
        sqlx::raw_sql(pragma).execute(&mut connection).await.unwrap();
        let error = sqlx::query("INSERT INTO t (x) VALUES (zeroblob(1000000))").execute(&mut connection).await;
        StoreError::of("t INSERT", error.unwrap_err())
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_may_pass() {
        let error = full_or_read_only("PRAGMA max_page_count = 4").await;
        assert!(matches!(error, StoreError::DiskFull), "{error:?}");
        assert!(error.is_transient());
    }

    #[tokio::test]
    async fn a_read_only_database_is_told() {
        let error = full_or_read_only("PRAGMA query_only = 1").await;
        assert!(matches!(error, StoreError::NotWritable { .. }), "{error:?}");
        assert!(!error.is_transient());
    }

    #[test]
    fn codes_of_both_engines_keep_apart() {
        for (code, transient) in
            [("5", true), ("517", true), ("13", true), ("40P01", true), ("57P01", true), ("08006", true)]
        {
            assert_eq!(StoreError::of_code("x", code, String::new()).is_transient(), transient, "{code}");
        }
        assert!(matches!(StoreError::of_code("x", "53100", String::new()), StoreError::DiskFull));
        assert!(matches!(StoreError::of_code("x", "42501", String::new()), StoreError::NotWritable { .. }));
        assert!(matches!(StoreError::of_code("x", "42P01", String::new()), StoreError::Other { .. }));
    }
}
