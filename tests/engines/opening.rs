//! Opening what cannot be opened: one clear sentence each, and never a password in it.

use hagaki::store::{Engine, Store, StoreError, inbox};
use sqlx::{Connection, PgConnection};

use crate::world::{fresh_url, on_both, server};

async fn refusal(url: &str) -> StoreError {
    let error = Store::open(url).await.expect_err(url);
    let text = error.to_string();
    assert!(!text.contains("geheim"), "{text}");
    assert!(!text.contains('\n') && text.len() > 30, "{text}");
    error
}

on_both! {
    async fn a_database_opens_again_with_what_it_holds(world: &World) {
        let ids = world.mails(0..3).await;
        let again = Store::open(&world.url).await.unwrap();
        assert_eq!(inbox::list(&again, inbox::Which::All, None, 10).await.unwrap().len(), ids.len());
        again.close().await;
    }

    async fn a_database_of_a_newer_version_is_refused(world: &World) {
        world
            .tamper(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 SELECT 9001, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
            )
            .await;
        let error = refusal(&world.url).await;
        assert!(matches!(error, StoreError::Newer { found: 9001, known } if known >= 2), "{error:?}");
    }

    async fn an_edited_migration_is_refused(world: &World) {
        let zero = match world.store.engine() {
            Engine::Sqlite => "x'00'",
            Engine::Postgres => "decode('00', 'hex')",
        };
        world.tamper(&format!("UPDATE _sqlx_migrations SET checksum = {zero} WHERE version = 1")).await;
        let error = refusal(&world.url).await;
        assert!(matches!(error, StoreError::Altered(1)), "{error:?}");
    }
}

/// The ways in which they meet differ from round to round.
const ROUNDS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_daemons_may_open_a_new_database_at_once() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        for _ in 0..ROUNDS {
            let Some((url, _folder)) = fresh_url(engine).await else { return };
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..4 {
                let url = url.clone();
                tasks.spawn(async move { Store::open(&url).await.unwrap() });
            }
            assert_eq!(tasks.join_all().await.len(), 4);
        }
    }
}

#[tokio::test]
async fn an_address_of_neither_form_is_refused() {
    for url in
        ["mysql://root:geheim@localhost/x", "", "hagaki.db", "sqlite::memory:", "sqlite://", "sqlite://a?mode=rw"]
    {
        let error = refusal(url).await;
        assert!(matches!(error, StoreError::Address(_)), "{url}: {error:?}");
    }
    let error = refusal("postgres://app:geheim@localhost:notaport/x").await;
    assert!(matches!(error, StoreError::Address(_)), "{error:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let missing = refusal(&format!("sqlite://{}/absent/hagaki.db", folder.path().display())).await;
    assert!(matches!(missing, StoreError::CannotOpen { .. }), "{missing:?}");
    assert!(missing.to_string().contains("absent/hagaki.db"));
    let is_folder = refusal(&format!("sqlite://{}", folder.path().display())).await;
    assert!(matches!(is_folder, StoreError::CannotOpen { .. }), "{is_folder:?}");
}

#[tokio::test]
async fn a_file_that_is_something_else_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    std::fs::write(&path, "Dear colleague, ".repeat(500)).unwrap();
    let error = refusal(&format!("sqlite://{}", path.display())).await;
    assert!(matches!(error, StoreError::NotADatabase { .. }), "{error:?}");
    assert!(error.to_string().contains("letter.txt"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_read_only_file_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hagaki.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        eprintln!("LEFT OUT: the superuser may write everything; run the tests as somebody else to see this one");
        return;
    }
    let error = refusal(&format!("sqlite://{}", path.display())).await;
    assert!(matches!(error, StoreError::NotWritable { .. }), "{error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let (url, _folder) = fresh_url(Engine::Sqlite).await.unwrap();
    let store = Store::open(&url).await.unwrap();
    let tx = store.begin().await.unwrap();
    tx.commit().await.unwrap();
    let path = url.strip_prefix("sqlite://").unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{path}{suffix}")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{suffix}: {mode:o}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let begun = std::time::Instant::now();
    let error = refusal(&format!("postgres://app:geheim@127.0.0.1:{port}/hagaki")).await;
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert!(error.is_transient());
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}/hagaki")));
    assert!(begun.elapsed().as_secs() < 8, "a refused connection must not wait for the time-out");
}

#[tokio::test]
async fn a_server_that_refuses_is_told() {
    let Some(server) = server() else { return };
    let host = server.base.rsplit_once('@').unwrap().1;
    let error = refusal(&format!("postgres://nobody_here:geheim@{host}/postgres")).await;
    assert!(matches!(error, StoreError::WrongPassword { .. }), "{error:?}");
    let error = refusal(&format!("{}/no_such_database", server.base)).await;
    assert!(matches!(error, StoreError::NoDatabase { .. }), "{error:?}");
    if server.own {
        let error = refusal(&format!("postgres://locked:geheim@{host}/postgres")).await;
        assert!(matches!(error, StoreError::WrongPassword { ref user, .. } if user == "locked"), "{error:?}");
        let (url, _) = fresh_url(Engine::Postgres).await.unwrap();
        let name = url.rsplit_once('/').unwrap().1;
        let mut owner = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC").execute(&mut owner).await.unwrap();
        let error = refusal(&format!("postgres://locked:right@{host}/{name}")).await;
        assert!(matches!(error, StoreError::NotWritable { .. }), "{error:?}");
    }
}
