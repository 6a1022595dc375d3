//! Whatever breaks, and whenever the daemon is killed: no enrollment is lost, none made twice, every letter goes out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use hagaki::daemon::machine::SystemDice;
use hagaki::domain::time::Dice as _;

use super::house::{Engine, Installation, letters, register, wait_for_letter, wait_longer};
use super::relay::{Taker, relay};
use crate::harness::{SERVICE, Servers, free_ports, wait_until};

const TANAKA: &str = "tanaka@example.jp";

/// How many letters a physician got for each of these subjects.
fn answers(servers: &Servers, user: &str, subjects: &[String]) -> BTreeMap<String, usize> {
    let letters = letters(servers, user);
    let count = |subject: &String| letters.iter().filter(|letter| letter.text.contains(subject.as_str())).count();
    subjects.iter().map(|subject| (subject.clone(), count(subject))).collect()
}

#[test]
fn after_each_misfortune_of_the_mailbox_the_next_mail_is_answered_and_none_twice() {
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::new(&servers, Engine::Sqlite) else { return };
    let daemon = house.serve();
    let mut subjects = Vec::new();
    let mut enroll = |what: &str| {
        let subject = format!("T-{:04}", subjects.len() + 1);
        let started = Instant::now();
        register(&servers, TANAKA, "013", &subject);
        wait_for_letter(&servers, TANAKA, &subject);
        eprintln!("{what}: answered after {:?}", started.elapsed());
        subjects.push(subject);
        subjects.len()
    };
    let filed = |count: usize| {
        servers.wait_for_mails(SERVICE, "Processed", count);
        wait_until("an empty INBOX", || servers.mails(SERVICE, "INBOX").is_empty().then_some(()));
    };
    filed(enroll("at first"));
    servers.kick(SERVICE);
    filed(enroll("kicked while listening"));
    servers.kill_imap(SERVICE);
    filed(enroll("connection lost without a word"));
    servers.stop_dovecot();
    let (_, told) = wait_until("trouble at /readyz", || daemon.get("/readyz").filter(|(status, _)| *status == 503));
    assert!(told.contains("localhost"), "{told}");
    servers.start_dovecot_again();
    wait_until("readiness", || daemon.get("/readyz").filter(|(status, _)| *status == 200));
    filed(enroll("server away and back"));

    // A mail is decided, but cannot be moved away.
    let processed = servers.path().join("mail").join(SERVICE).join(".Processed");
    let lock = |mode: u32| {
        for folder in ["", "cur", "new", "tmp"] {
            fs::set_permissions(processed.join(folder), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    lock(0);
    enroll("Processed is locked");
    let count = enroll("Processed is still locked");
    assert_eq!(servers.mails(SERVICE, "INBOX").len(), 2);
    servers.change_uidvalidity(SERVICE);
    assert_eq!(servers.mails(SERVICE, "INBOX").len(), 2);
    enroll("UIDVALIDITY changed");
    lock(0o700);
    wait_longer("the mails to be filed", Duration::from_secs(60), || {
        servers.mails(SERVICE, "INBOX").is_empty().then_some(())
    });
    filed(enroll("all is well"));
    assert_eq!(count, 6);

    assert!(answers(&servers, TANAKA, &subjects).values().all(|count| *count == 1), "{subjects:?}");
    assert_eq!(house.inbox().len(), subjects.len(), "a mail was taken in twice: {:?}", house.inbox());
    assert_eq!(house.prove("aurora"), subjects.len() as u64);
    drop(daemon);
}

#[test]
fn letters_wait_while_the_mail_server_is_away() {
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::new(&servers, Engine::Sqlite) else { return };
    let [away] = free_ports();
    house.edit("mailboxes/reg/mailbox.toml", &format!("port = {}", servers.submission), &format!("port = {away}"));
    let daemon = house.serve();
    let subjects: Vec<String> = (1..=5).map(|number| format!("T-{number:04}")).collect();
    for subject in &subjects {
        register(&servers, TANAKA, "013", subject);
    }
    servers.wait_for_mails(SERVICE, "Processed", 5);
    // The server was tried and found away; that is told, and no letter failed for it.
    let (_, told) = wait_until("trouble at /readyz", || daemon.get("/readyz").filter(|(status, _)| *status == 503));
    assert!(told.contains("is the mail server running"), "{told}");
    let waiting = house.outbox();
    assert_eq!(waiting.len(), 15, "{waiting:?}");
    assert!(waiting.iter().all(|letter| letter["state"] == "waiting"), "{waiting:?}");

    relay(away, servers.submission);
    let back = Instant::now();
    for subject in &subjects {
        wait_for_letter(&servers, TANAKA, subject);
    }
    eprintln!("the letters left {:?} after the server was back", back.elapsed());
    wait_until("every letter sent", || house.outbox().iter().all(|letter| letter["state"] == "sent").then_some(()));
    wait_until("readiness", || daemon.get("/readyz").filter(|(status, _)| *status == 200));
    assert!(answers(&servers, TANAKA, &subjects).values().all(|count| *count == 1));
    assert_eq!(house.prove("aurora"), 5);
}

#[test]
fn killed_between_the_servers_word_and_the_record_the_same_letter_goes_again() {
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::new(&servers, Engine::Sqlite) else { return };
    let taker = Taker::start();
    let file = "mailboxes/reg/mailbox.toml";
    let text = fs::read_to_string(house.path(file)).unwrap();
    let imap = text.split("[smtp]").next().unwrap();
    house.write(
        file,
        &format!("{imap}[smtp]\nhost = \"localhost\"\nsecurity = \"none\"\nport = {}\nconnections = 1\n", taker.port),
    );
    house.edit("hagaki.toml", "interval_seconds = 60", "interval_seconds = 1");
    let daemon = house.serve();
    taker.kill_next(daemon.pid());
    register(&servers, TANAKA, "013", "T-0001");
    daemon.wait();
    let before = taker.taken();
    assert_eq!(before.len(), 1);
    let _daemon = house.serve();
    wait_until("every letter sent", || house.outbox().iter().all(|letter| letter["state"] == "sent").then_some(()));
    let after = taker.taken();
    // Each letter came once, and the one under way came twice, byte for byte.
    assert_eq!(after.len(), 3 + 1, "{:?}", after.iter().map(|(to, _)| to).collect::<Vec<_>>());
    assert_eq!(after.iter().filter(|mail| **mail == before[0]).count(), 2);
    assert_eq!(house.prove("aurora"), 1);
}

#[test]
fn killed_again_and_again_nothing_is_lost_or_made_twice() {
    const COUNT: usize = 60;
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::new(&servers, Engine::Sqlite) else { return };
    house.edit("hagaki.toml", "interval_seconds = 60", "interval_seconds = 1");
    let subjects: Vec<String> = (1..=COUNT).map(|number| format!("T-{number:04}")).collect();
    let mut seed = [0; 4];
    SystemDice.fill(&mut seed);
    let seed = u32::from_le_bytes(seed);
    eprintln!("moments of death from seed {seed}");
    let mut random = u64::from(seed) | 1;
    let mut deaths = 0;
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for subject in &subjects {
                register(&servers, TANAKA, "013", subject);
                std::thread::sleep(Duration::from_millis(150));
            }
        });
        while !sending.is_finished() || deaths < 6 {
            let daemon = house.serve();
            // Xorshift (Marsaglia 2003).
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            std::thread::sleep(Duration::from_millis(200 + random % 1500));
            daemon.kill();
            deaths += 1;
        }
    });
    let _daemon = house.serve();
    wait_longer("an answer for every subject", Duration::from_secs(60), || {
        let all = answers(&servers, TANAKA, &subjects);
        all.values().all(|count| *count >= 1).then_some(())
    });
    let twice: usize = answers(&servers, TANAKA, &subjects).values().map(|count| count - 1).sum();
    eprintln!("killed {deaths} times; {twice} of {COUNT} answers came twice");
    // One enrollment for each subject, and all letters of one subject say the same.
    let mut told: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for letter in letters(&servers, TANAKA) {
        let subject = subjects.iter().find(|subject| letter.text.contains(subject.as_str())).expect("one of ours");
        let receipt = letter.receipt.expect("a receipt");
        let fact = (receipt.allocation, format!("{} {:?}", receipt.subject, receipt.told));
        assert_eq!(*told.entry(subject.clone()).or_insert_with(|| fact.clone()), fact, "{subject}");
    }
    let mut numbers: Vec<u64> = told.values().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=COUNT as u64).collect::<Vec<_>>());
    assert_eq!((house.subjects("aurora"), house.prove("aurora")), (COUNT as u64, COUNT as u64));
    wait_longer("every letter sent", Duration::from_secs(30), || {
        house.outbox().iter().all(|letter| letter["state"] == "sent").then_some(())
    });
}
