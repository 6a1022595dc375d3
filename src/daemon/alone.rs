//! One daemon for each embedded database, kept by a lock that dies with its process.
//!
//! PostgreSQL is shared by daemons, so work that one of them claimed waits for its lease after a crash. An embedded
//! database has one daemon, and it can prove that it is alone: what lies claimed there was claimed by a daemon that is
//! dead, and is taken up at once.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Held as long as this daemon lives.
#[derive(Debug)]
pub struct Alone {
    _file: File,
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum NotAlone {
    /// Another daemon holds it.
    #[error("{}: another daemon runs on this database; stop it first, or use PostgreSQL for several", .0.display())]
    Another(PathBuf),
    /// The lock's file cannot be made.
    #[error(
        "{} cannot be used: the daemon's lock beside it cannot be made ({source}); may the daemon write there?",
        database.display()
    )]
    File {
        /// Beside which database.
        database: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Alone {
    /// Takes the lock beside an embedded database; it is let go when the process ends, however it ends.
    ///
    /// # Errors
    /// Another daemon holds it, or its file cannot be made.
    pub fn with(database: &Path) -> Result<Alone, NotAlone> {
        let mut path = database.as_os_str().to_owned();
        path.push(".daemon");
        let failed = |source| NotAlone::File { database: database.to_path_buf(), source };
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Alone { _file: file }),
            Err(TryLockError::WouldBlock) => Err(NotAlone::Another(database.to_path_buf())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_daemon_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("hagaki.db");
        let first = Alone::with(&database).unwrap();
        assert!(matches!(Alone::with(&database), Err(NotAlone::Another(_))));
        drop(first);
        Alone::with(&database).unwrap();
        assert!(matches!(Alone::with(&folder.path().join("no/where.db")), Err(NotAlone::File { .. })));
    }
}
