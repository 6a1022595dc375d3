//! What an operator sees: starting, stopping, trouble told in one sentence, and nothing lost by it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::house::{Engine, Installation, register, sql, wait_for_letter};
use crate::harness::{SERVICE, Servers, free_ports, wait_until};

const PROMPT: Duration = Duration::from_secs(5);

#[test]
fn stopping_takes_seconds_whatever_hangs() {
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::new(&servers, Engine::Sqlite) else { return };
    let daemon = house.serve();
    wait_until("readiness", || daemon.get("/readyz").filter(|(status, _)| *status == 200));
    assert_eq!(daemon.get("/healthz").unwrap(), (200, "ok\n".to_owned()));
    register(&servers, "tanaka@example.jp", "013", "T-0001");
    wait_for_letter(&servers, "tanaka@example.jp", "T-0001");
    let metrics = wait_until("metrics without a waiting letter", || {
        daemon.get("/metrics").filter(|(_, metrics)| metrics.contains("hagaki_outbox_waiting 0"))
    });
    assert_eq!(metrics.0, 200);
    let metrics = metrics.1;
    for line in ["hagaki_mails_received_total{mailbox=\"reg\"} 1", "hagaki_letters_total{verdict=\"accepted\"} 3"] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    assert!(!metrics.contains('@'), "{metrics}");
    let log = daemon.log();
    assert!(!log.contains('\u{1b}') && !log.contains("tanaka"), "{log}");
    // A client that says nothing keeps nobody.
    let _silent = TcpStream::connect(("127.0.0.1", house.web)).unwrap();
    let (status, took) = daemon.terminate();
    eprintln!("stopped after {took:?}");
    assert!(status.success() && took < Duration::from_secs(8), "{status} after {took:?}");

    // Neither does a mail server that says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    house.edit("mailboxes/reg/mailbox.toml", &format!("port = {}", servers.imaps), &format!("port = {port}"));
    let daemon = house.serve();
    let _connection = mute.accept().unwrap();
    let (status, took) = daemon.terminate();
    eprintln!("stopped after {took:?} with a mute mail server");
    assert!(status.success() && took < Duration::from_secs(8), "{status} after {took:?}");
}

#[test]
fn a_refused_password_is_told_and_not_hammered() {
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::new(&servers, Engine::Sqlite) else { return };
    house.set_password("imap", "wrong");
    house.edit("hagaki.toml", "interval_seconds = 60", "interval_seconds = 1");
    let daemon = house.serve();
    let (_, told) = wait_until("trouble at /readyz", || daemon.get("/readyz").filter(|(status, _)| *status == 503));
    assert!(told.contains("refused the login") && told.contains("are user and password right?"), "{told}");
    assert!(!told.contains("wrong\""), "{told}");
    let failures = || {
        let log = fs::read_to_string(servers.path().join("dovecot.log")).unwrap();
        log.lines().filter(|line| line.contains("imap-login") && line.contains("auth failed")).count()
    };
    wait_until("the failure in the server's log", || (failures() > 0).then_some(()));
    // The pause after the first refusal is three quarters of a minute at least; many intervals pass meanwhile.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(failures(), 1);
    let (status, took) = daemon.terminate();
    assert!(status.success() && took < PROMPT, "{status} after {took:?}");
    house.set_password("imap", crate::harness::PASSWORD);
    // Refused by the other server: the mail is decided, and the letter waits.
    house.set_password("smtp", "wrong");
    let daemon = house.serve();
    register(&servers, "tanaka@example.jp", "013", "T-0001");
    let (_, told) = wait_until("trouble at /readyz", || daemon.get("/readyz").filter(|(status, _)| *status == 503));
    assert!(told.contains("are user and password right?"), "{told}");
    servers.wait_for_mails(SERVICE, "Processed", 1);
    assert!(house.outbox().iter().all(|letter| letter["state"] == "waiting"), "{:?}", house.outbox());
    drop(daemon);
    house.set_password("smtp", crate::harness::PASSWORD);
    let _daemon = house.serve();
    wait_for_letter(&servers, "tanaka@example.jp", "T-0001");
    assert_eq!(house.prove("aurora"), 1);
}

#[test]
fn the_doctor_names_what_to_mend() {
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::new(&servers, Engine::Sqlite) else { return };
    let healthy = house.hagaki(&["doctor"]).well();
    assert!(!healthy.contains("TROUBLE") && healthy.contains("a letter to itself"), "{healthy}");
    assert!(healthy.trim_end().ends_with("All is well."), "{healthy}");
    // While the daemon runs, it may take the letter in first; and nobody answers it.
    let daemon = house.serve();
    house.hagaki(&["doctor"]).well();
    servers.wait_for_mails(SERVICE, "Processed", 2);
    assert!(house.outbox().is_empty(), "{:?}", house.outbox());
    drop(daemon);

    let file = "mailboxes/reg/mailbox.toml";
    let good = fs::read_to_string(house.path(file)).unwrap();
    let [nobody] = free_ports();
    let other_ca = servers.other_ca_file().display().to_string();
    let ca = servers.ca_file().display().to_string();
    let (imap, smtp) = (format!("port = {}", servers.imaps), format!("port = {}", servers.submission));
    let nowhere = format!("port = {nobody}");
    let imap_user = format!("user = \"{SERVICE}\"\npassword_file = \"imap\"");
    let cases: [(&str, &str, &[&str]); 6] = [
        (&imap, &nowhere, &["TROUBLE  mailbox reg: incoming", "localhost"]),
        (&smtp, &nowhere, &["TROUBLE  mailbox reg: outgoing", "is the mail server running"]),
        (&ca, &other_ca, &["incoming", "outgoing", "certificate"]),
        (
            &imap_user,
            &format!("{imap_user}\ninbox = \"Posteingang\""),
            &["Posteingang", "is its name in mailbox.toml right?"],
        ),
        ("host = \"localhost\"", "host = \"no-such-host.invalid\"", &["incoming", "no-such-host.invalid"]),
        ("security = \"starttls\"", "security = \"tls\"", &["outgoing"]),
    ];
    for (from, to, words) in cases {
        house.edit(file, from, to);
        let done = house.hagaki(&["doctor"]);
        eprintln!("{}", done.out.lines().filter(|line| line.starts_with("TROUBLE")).collect::<Vec<_>>().join("\n"));
        assert_eq!(done.code, 1, "{to}: {done:?}");
        for word in words {
            assert!(done.out.contains(word), "{to}: no {word} in {done:?}");
        }
        assert!(!done.out.contains("Some("), "{done:?}");
        house.write(file, &good);
    }
    for which in ["imap", "smtp"] {
        house.set_password(which, "wrong");
        let done = house.hagaki(&["doctor"]);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.out.contains("are user and password right?"), "{done:?}");
        house.set_password(which, crate::harness::PASSWORD);
    }
    house.hagaki(&["doctor"]).well();
}

/// Each command says it in one sentence, with 3; the daemon does not start.
#[track_caller]
fn told_by_all(house: &Installation, words: &[&str]) {
    let doctor = house.hagaki(&["doctor"]);
    assert_ne!(doctor.code, 0, "{doctor:?}");
    for word in words {
        assert!(doctor.out.contains(word) || doctor.err.contains(word), "no {word} in {doctor:?}");
    }
    for command in [&["serve"][..], &["study", "list"], &["inbox", "list"], &["audit", "verify"]] {
        let told = house.hagaki(command).failed();
        if command[0] == "serve" {
            eprintln!("{told}");
        }
        assert!(told.starts_with("hagaki: "), "{command:?}: {told}");
        for word in words {
            assert!(told.contains(word), "{command:?}: no {word} in: {told}");
        }
        // One sentence, or a heading with one problem a line.
        assert!(told.lines().count() <= 3, "{told}");
    }
}

#[test]
fn a_broken_configuration_is_told_by_every_command() {
    let Some(servers) = Servers::start_dovecot(crate::harness::Abilities::All) else { return };
    let Some(house) = Installation::new(&servers, Engine::Sqlite) else { return };
    let file = house.path("hagaki.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    told_by_all(&house, &["hagaki.toml"]);
    house.write("hagaki.toml", &good.replace("[web]", "[web"));
    told_by_all(&house, &["hagaki.toml:"]);
    house.write("hagaki.toml", &good.replace("interval_seconds", "intervall_seconds"));
    told_by_all(&house, &["hagaki.toml:", "did you mean interval_seconds"]);
    house.write("hagaki.toml", &good);
    fs::remove_file(house.path("mailboxes/reg/smtp")).unwrap();
    told_by_all(&house, &["password_file", "create it"]);
    house.set_password("smtp", crate::harness::PASSWORD);
    // The address of the pages is taken.
    let _taken = TcpListener::bind(("127.0.0.1", house.web)).unwrap();
    let told = house.hagaki(&["serve"]).failed();
    assert!(told.contains("choose another address under [web] listen"), "{told}");
    assert_eq!(house.hagaki(&["study", "list"]).well().lines().count(), 1);
}

#[test]
fn an_unusable_database_is_told_by_every_command() {
    let Some(servers) = Servers::start_dovecot(crate::harness::Abilities::All) else { return };
    let Some(house) = Installation::new(&servers, Engine::Sqlite) else { return };
    let good = fs::read_to_string(house.path("hagaki.toml")).unwrap();
    let point = |url: &str| house.write("hagaki.toml", &good.replace("sqlite:data/hagaki.db", url));
    let database = house.path("data/hagaki.db");
    // Another program's file.
    house.write("other.db", &"This is no database. ".repeat(500));
    point("sqlite:other.db");
    told_by_all(&house, &["other.db", "is not a sound SQLite database"]);
    // A file system that only reads; the rights of root reach everywhere else.
    let mount = Mount::new(house.path("readonly"), "size=8m");
    for part in ["hagaki.db", "hagaki.db-wal", "hagaki.db-shm"] {
        let from = database.with_file_name(part);
        if from.exists() {
            fs::copy(from, mount.0.join(part)).unwrap();
        }
    }
    mount.again("remount,ro");
    point("sqlite:readonly/hagaki.db");
    // Whether SQLite opens it at all depends on what a process before left beside it.
    let told = house.hagaki(&["serve"]).failed();
    assert!(told.contains("readonly/hagaki.db cannot be"), "{told}");
    let done = house.hagaki(&["doctor"]);
    assert!(done.code != 0 && (done.out + &done.err).contains("readonly/hagaki.db cannot be"));
    drop(mount);
    let [nobody] = free_ports();
    point(&format!("postgres://app@127.0.0.1:{nobody}/hagaki"));
    told_by_all(&house, &["cannot be reached", &nobody.to_string(), "start it"]);
    if let Some(other) = Installation::bare(&servers, Engine::Postgres) {
        let text = fs::read_to_string(other.path("hagaki.toml")).unwrap();
        let url = text.lines().find_map(|line| line.strip_prefix("url = \"")).unwrap().trim_end_matches('"').to_owned();
        point(&format!("{url}_absent"));
        told_by_all(&house, &["has no such database", "createdb"]);
        other.hagaki(&["study", "list"]).well();
        assert!(sql(&url, NEWER));
        point(&url);
        told_by_all(&house, &["by a newer hagaki", "99999999999999"]);
    }
    house.write("hagaki.toml", &good);
    assert_eq!(house.hagaki(&["study", "list"]).well().lines().count(), 1);
}

/// What a later version's migration would leave behind.
const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     VALUES (99999999999999, 'later', true, '', 0)";

/// A small file system in memory, away when dropped.
struct Mount(std::path::PathBuf);

impl Mount {
    fn new(place: std::path::PathBuf, options: &str) -> Mount {
        fs::create_dir_all(&place).unwrap();
        mount(&["-t", "tmpfs", "-o", options, "tmpfs"], &place);
        Mount(place)
    }

    fn again(&self, options: &str) {
        mount(&["-o", options], &self.0);
    }
}

fn mount(arguments: &[&str], place: &Path) {
    assert!(Command::new("mount").args(arguments).arg(place).status().unwrap().success());
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, because a daemon of a failed test may still use it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::bare(&servers, Engine::Sqlite) else { return };
    let small = Mount::new(house.path("data"), "size=6m");
    house.edit("hagaki.toml", "interval_seconds = 60", "interval_seconds = 1");
    house.hagaki(&["study", "activate", &house.aurora().display().to_string()]).well();
    let daemon = house.serve();
    register(&servers, "tanaka@example.jp", "013", "T-0001");
    wait_for_letter(&servers, "tanaka@example.jp", "T-0001");
    // Somebody else fills the disk.
    let filler = small.0.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[7; 4096]).is_ok() {}
    for number in 2..6 {
        register(&servers, "tanaka@example.jp", "013", &format!("T-{number:04}"));
    }
    let (_, told) = wait_until("trouble at /readyz", || daemon.get("/readyz").filter(|(status, _)| *status == 503));
    eprintln!("{told}");
    assert!(told.contains("the disk of the database is full"), "{told}");
    let done = house.hagaki(&["doctor"]);
    assert!(done.code != 0 && (done.out.contains("MB are free") || done.err.contains("disk")), "{done:?}");
    drop(file);
    fs::remove_file(filler).unwrap();
    for number in 2..6 {
        super::house::wait_longer("the answers that waited for room", Duration::from_secs(60), || {
            let subject = format!("T-{number:04}");
            super::house::letters(&servers, "tanaka@example.jp")
                .iter()
                .any(|letter| letter.text.contains(&subject))
                .then_some(())
        });
    }
    assert_eq!((house.subjects("aurora"), house.prove("aurora")), (5, 5));
    let (status, _) = daemon.terminate();
    assert!(status.success(), "{status}");
}
