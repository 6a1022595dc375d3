//! A fresh database for each test, on either engine.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hagaki::domain::chain::Sha256Digest;
use hagaki::domain::kept::{KeptForm, KeptReference};
use hagaki::domain::seal::KeyRing;
use hagaki::domain::time::Instant;
use hagaki::store::study::{NewStudy, Stage, StudySecret};
use hagaki::store::{Engine, Store, StoreError, inbox, outbox, study, subject};
use sha2::{Digest, Sha256};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use crate::postgres;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// A database of a test's own.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) url: String,
    folder: Option<tempfile::TempDir>,
    /// A look from outside at PostgreSQL: to open a connection takes longer than most statements.
    outside: Mutex<Option<PgConnection>>,
}

/// The keys of the key file, which stands outside the database.
pub(crate) fn ring() -> KeyRing {
    KeyRing::parse(&"a".repeat(52)).unwrap()
}

/// A subject's reference and its form, with nothing personal in them, as they are kept.
pub(crate) fn kept(reference: &str) -> (&'static KeptReference, &'static KeptForm) {
    let reference = KeptReference::new(&KeyRing::default(), 1, false, reference).unwrap();
    // For as long as the test: what is to be stored borrows.
    (Box::leak(Box::new(reference)), Box::leak(Box::new(kept_form("sex", "F", "女"))))
}

/// A form with one answer, of which nothing is personal, as it is kept.
pub(crate) fn kept_form(item: &str, answer: &str, typed: &str) -> KeptForm {
    let study = hagaki::definition::load(&hagaki::definition::samples::aurora()).unwrap().0;
    let of = |value: &str| [(item.to_owned(), value.to_owned())].into();
    let columns = (1, subject::COLUMNS, "1");
    KeptForm::new(&KeyRing::default(), columns, study.registration_instrument(), &of(answer), &of(typed)).unwrap()
}

/// The moment the tests begin.
pub(crate) const NOW: Instant = Instant(1_795_000_000_000_000);

impl World {
    /// On that engine; nothing if there is no PostgreSQL and the tests need not be complete.
    pub(crate) async fn open(engine: Engine) -> Option<World> {
        let (url, folder) = migrated(engine).await?;
        Some(World::at(url, folder).await)
    }

    async fn at(url: String, folder: Option<tempfile::TempDir>) -> World {
        let store = Store::open(&url).await.unwrap().with_ring(ring());
        World { store, url, folder, outside: Mutex::default() }
    }

    /// The connection from outside.
    async fn outside(&self) -> MappedMutexGuard<'_, PgConnection> {
        let mut kept = self.outside.lock().await;
        if kept.is_none() {
            *kept = Some(PgConnection::connect(&self.url).await.unwrap());
        }
        MutexGuard::map(kept, |kept| kept.as_mut().unwrap())
    }

    /// Ends it: a database that somebody looks at is neither copied nor dropped.
    async fn look_away(&self) {
        if let Some(outside) = self.outside.lock().await.take() {
            outside.close().await.unwrap();
        }
    }

    /// Runs a statement from outside, as somebody with access to the database could.
    pub(crate) async fn tamper(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.store.engine() {
            Engine::Sqlite => {
                let mut outside = SqliteConnection::connect(&self.url).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut outside).await.unwrap();
            }
            Engine::Postgres => {
                sqlx::raw_sql(sql).execute(&mut *self.outside().await).await.unwrap();
            }
        }
    }

    /// The only integer a query from outside gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.store.engine() {
            Engine::Sqlite => {
                let mut outside = SqliteConnection::connect(&self.url).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut outside).await.unwrap()
            }
            Engine::Postgres => sqlx::query_scalar(sql).fetch_one(&mut *self.outside().await).await.unwrap(),
        }
    }

    /// A study of that slug in development.
    pub(crate) async fn study(&self, slug: &str) -> i64 {
        self.study_at(slug, Stage::Development).await.unwrap()
    }

    /// A study of that slug and stage.
    pub(crate) async fn study_at(&self, slug: &str, stage: Stage) -> Result<i64, StoreError> {
        let mut tx = self.store.begin().await?;
        let secret = StudySecret::new([7; 32]);
        let new = NewStudy { slug, stage, secret: &secret, secret_digest: &digest("secret"), at: NOW };
        let id = study::insert(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Takes mails in, one for each number, and gives their ids.
    pub(crate) async fn mails(&self, numbers: std::ops::Range<i64>) -> Vec<i64> {
        let mails: Vec<(String, String)> =
            numbers.map(|number| (format!("7:{number}"), format!("Subject: mail {number}\r\n\r\n"))).collect();
        let items: Vec<inbox::NewItem<'_>> = mails.iter().map(|(key, raw)| item(key, raw)).collect();
        let mut tx = self.store.begin().await.unwrap();
        let mut ids = inbox::insert_many(&mut tx, &items).await.unwrap();
        tx.commit().await.unwrap();
        ids.sort_unstable();
        ids
    }

    /// Stores letters, one for each number, and gives their ids.
    pub(crate) async fn letters(&self, numbers: std::ops::Range<i64>) -> Vec<i64> {
        let letters: Vec<(String, String)> =
            numbers.map(|number| (format!("<{number}@example.jp>"), format!("letter {number}"))).collect();
        let new: Vec<outbox::NewLetter<'_>> = letters.iter().map(|(id, raw)| letter(id, raw)).collect();
        let mut tx = self.store.begin().await.unwrap();
        let ids = outbox::insert_many(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        ids
    }

    /// Another database with the same contents.
    pub(crate) async fn copy(&self) -> World {
        let (url, folder) = match self.store.engine() {
            Engine::Sqlite => {
                let (url, folder) = fresh_url(Engine::Sqlite).await.unwrap();
                let path = url.strip_prefix("sqlite://").unwrap().to_owned();
                self.tamper(&format!("PRAGMA secure_delete = 1; VACUUM INTO '{path}'")).await;
                (url, folder)
            }
            Engine::Postgres => {
                self.look_away().await;
                let (base, template) = self.url.rsplit_once('/').unwrap();
                (fresh_database(base, &format!("TEMPLATE {template} STRATEGY FILE_COPY")).await, None)
            }
        };
        World::at(url, folder).await
    }

    /// Takes the database away.
    pub(crate) async fn close(self) {
        self.look_away().await;
        self.store.close().await;
        drop(self.folder);
        if self.store.engine() == Engine::Postgres {
            let (base, name) = self.url.rsplit_once('/').unwrap();
            let mut server = PgConnection::connect(&format!("{base}/postgres")).await.unwrap();
            let sql = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
            sqlx::raw_sql(sql).execute(&mut server).await.unwrap();
        }
    }
}

/// The address of an empty database.
pub(crate) async fn fresh_url(engine: Engine) -> Option<(String, Option<tempfile::TempDir>)> {
    match engine {
        Engine::Sqlite => {
            let folder = in_memory();
            Some((format!("sqlite://{}", folder.path().join("hagaki.db").display()), Some(folder)))
        }
        Engine::Postgres => {
            let server = server()?;
            Some((fresh_database(&server.base, "STRATEGY FILE_COPY").await, None))
        }
    }
}

/// The address of a database with all its tables and nothing in them: a copy of one that was migrated once. To migrate each of them took
/// longer than most tests.
async fn migrated(engine: Engine) -> Option<(String, Option<tempfile::TempDir>)> {
    match engine {
        Engine::Sqlite => {
            let folder = in_memory();
            let path = folder.path().join("hagaki.db");
            std::fs::copy(sqlite_template().await, &path).unwrap();
            Some((format!("sqlite://{}", path.display()), Some(folder)))
        }
        Engine::Postgres => {
            let server = server()?;
            // A server that is not ours is left as it was.
            if !server.own {
                return fresh_url(engine).await;
            }
            let template = postgres_template(&server.base).await;
            Some((fresh_database(&server.base, &format!("TEMPLATE {template} STRATEGY FILE_COPY")).await, None))
        }
    }
}

/// A file that was migrated, for every test of this checkout.
async fn sqlite_template() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("migrated-{}.db", version(&SQLITE_MIGRATIONS)));
    if !path.exists() {
        let (url, _scratch) = fresh_url(Engine::Sqlite).await.unwrap();
        let store = Store::open(&url).await.unwrap();
        let making = tempfile::tempdir_in(folder).unwrap();
        let whole = making.path().join("hagaki.db");
        let mut outside = SqliteConnection::connect(&url).await.unwrap();
        let sql = AssertSqlSafe(format!("PRAGMA secure_delete = 1; VACUUM INTO '{}'", whole.display()));
        sqlx::raw_sql(sql).execute(&mut outside).await.unwrap();
        store.close().await;
        #[cfg(unix)]
        std::fs::set_permissions(&whole, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        // Whole or not there, also where several tests make one at the same moment.
        std::fs::rename(whole, &path).unwrap();
    }
    path
}

/// The name of a database that was migrated, for every test on that server.
async fn postgres_template(base: &str) -> String {
    const LOCK: i64 = 0x6861_6761_6b69;
    let name = format!("migrated_{}", version(&POSTGRES_MIGRATIONS));
    let mut server = PgConnection::connect(&format!("{base}/postgres")).await.unwrap();
    if !is_there(&mut server, &name).await {
        // One test makes it, and the others wait for it; the lock ends with the connection.
        sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut server).await.unwrap();
        if !is_there(&mut server, &name).await {
            let url = fresh_database(base, "STRATEGY FILE_COPY").await;
            Store::open(&url).await.unwrap().close().await;
            let (_, made) = url.rsplit_once('/').unwrap();
            let sql = AssertSqlSafe(format!("ALTER DATABASE {made} RENAME TO {name}"));
            sqlx::raw_sql(sql).execute(&mut server).await.unwrap();
        }
    }
    server.close().await.unwrap();
    name
}

async fn is_there(server: &mut PgConnection, name: &str) -> bool {
    let sql = "SELECT count(*) FROM pg_database WHERE datname = $1";
    sqlx::query_scalar::<_, i64>(sql).bind(name).fetch_one(server).await.unwrap() > 0
}

/// Names the tables that these migrations make.
fn version(migrations: &Migrator) -> String {
    let mut digest = Sha256::new();
    for migration in migrations.iter() {
        digest.update(&migration.checksum);
    }
    data_encoding::HEXLOWER.encode(&digest.finalize()[..8])
}

/// A folder in memory where the system has one: waiting for the disk took most of the time, and no test cuts the power.
pub(crate) fn in_memory() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

async fn fresh_database(base: &str, options: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(&format!("{base}/postgres")).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name} {options}"))).execute(&mut connection).await.unwrap();
    format!("{base}/{name}")
}

/// The server; tells if the PostgreSQL half is left out, and fails then if the tests must be complete.
pub(crate) fn server() -> Option<&'static postgres::Server> {
    match postgres::server() {
        Ok(server) => Some(server),
        Err(why) if std::env::var_os("HAGAKI_TESTS_COMPLETE").is_some_and(|value| value == "1") => {
            panic!("the PostgreSQL half of the tests cannot run: {why}")
        }
        Err(why) => {
            eprintln!("LEFT OUT: the PostgreSQL half of this test: {why}");
            None
        }
    }
}

/// SHA-256 of a text.
pub(crate) fn digest(text: &str) -> Sha256Digest {
    Sha256::digest(text.as_bytes()).into()
}

/// A mail to be taken in.
pub(crate) fn item<'a>(key: &'a str, raw: &'a str) -> inbox::NewItem<'a> {
    inbox::NewItem {
        mailbox: "reg",
        item_key: key,
        raw_digest: digest(raw),
        raw: raw.as_bytes(),
        size: raw.len() as i64,
        received_at: NOW,
    }
}

/// A letter to be stored.
pub(crate) fn letter<'a>(message_id: &'a str, raw: &'a str) -> outbox::NewLetter<'a> {
    outbox::NewLetter {
        mailbox: "reg",
        message_id,
        study_id: None,
        kind: "assignment",
        recipient: "tanaka@example.jp",
        raw: raw.as_bytes(),
        personal: false,
        masked: None,
        priority: 1,
        created_at: NOW,
        next_attempt_at: NOW,
        inbox_id: None,
        subject_id: None,
    }
}

/// Makes two tests of one: the same on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: &World) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn check($world: &$crate::world::World) $body

            async fn run(engine: hagaki::store::Engine) {
                let Some(world) = $crate::world::World::open(engine).await else { return };
                check(&world).await;
                world.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                run(hagaki::store::Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                run(hagaki::store::Engine::Postgres).await;
            }
        })*
    };
}
pub(crate) use on_both;
