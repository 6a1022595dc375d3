//! The IMAP mailbox against a real Dovecot.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hagaki::limits;
use hagaki::mail::connection::ConnectError;
use hagaki::mail::mailbox::{Fetched, Folder, Imap, ItemKey, Mailbox, MailboxError, Position, Rang};
use hagaki::settings::{ImapSettings, Security};

use crate::harness::{Abilities, DEADLINE, SERVICE, Servers, free_ports, wait_until};

fn mail(subject: &str) -> Vec<u8> {
    format!("From: dr.sato@example.jp\r\nTo: {SERVICE}\r\nSubject: {subject}\r\n\r\nid: 1\r\n").into_bytes()
}

fn open(settings: ImapSettings) -> Mailbox {
    Mailbox::Imap(Imap::new(settings))
}

fn subjects(fetched: &Fetched) -> Vec<String> {
    let subject = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).expect("a subject")
    };
    fetched.items.iter().map(|item| subject(&item.bytes)).collect()
}

/// Waits by the doorbell, as the daemon does, until mail has come.
async fn next_mails(mailbox: &mut Mailbox, position: Position) -> Fetched {
    let started = Instant::now();
    loop {
        let fetched = mailbox.fetch(position, 100).await.unwrap();
        if !fetched.items.is_empty() {
            return fetched;
        }
        assert!(started.elapsed() < DEADLINE, "no mail came");
        mailbox.doorbell(Duration::from_secs(10)).await.unwrap();
    }
}

#[tokio::test]
async fn mail_submitted_at_the_border_is_read_over_tls_and_starttls() {
    let Some(servers) = Servers::start() else { return };
    for security in [Security::Tls, Security::StartTls] {
        let mut mailbox = open(servers.imap_settings(SERVICE, security));
        let before = mailbox.fetch(Position::default(), 100).await.unwrap();
        assert!(!before.epoch_changed);
        servers.submit("dr.sato@example.jp", "reg+aurora@example.jp", &mail("one"));
        let fetched = next_mails(&mut mailbox, before.position).await;
        assert_eq!(subjects(&fetched), ["one"]);
        let text = String::from_utf8(fetched.items[0].bytes.clone()).unwrap();
        assert!(text.contains("Delivered-To: reg+aurora@example.jp\r\n"), "{text}");
        assert!(text.contains("Return-Path: <dr.sato@example.jp>\r\n"), "{text}");
        assert!(text.ends_with("\r\nid: 1\r\n"), "{text}");
        assert_eq!(fetched.items[0].size, text.len() as u64);
        // The echo of the last mail (UID FETCH n:* is never empty) is no new mail.
        assert!(mailbox.fetch(fetched.position, 100).await.unwrap().items.is_empty());
        // Reading marks nothing as read.
        let on_disk = servers.path().join("mail").join(SERVICE).join("cur");
        let seen = std::fs::read_dir(on_disk).unwrap().flatten().any(|file| {
            file.file_name().to_string_lossy().rsplit_once(",").is_some_and(|(_, flags)| flags.contains('S'))
        });
        assert!(!seen, "a mail was marked as read");
        let key = fetched.items[0].key.clone();
        mailbox.file(&[(key, Folder::Processed)]).await.unwrap();
        assert!(servers.mails(SERVICE, "INBOX").is_empty());
    }
    assert_eq!(servers.mails(SERVICE, "Processed").len(), 2);
}

#[tokio::test]
async fn the_bell_rings_during_idle_and_not_otherwise() {
    let Some(servers) = Servers::start_dovecot(Abilities::All) else { return };
    let mut mailbox = open(servers.imap_settings(SERVICE, Security::Tls));
    let mut position = mailbox.fetch(Position::default(), 10).await.unwrap().position;
    assert_eq!(mailbox.doorbell(Duration::from_millis(300)).await.unwrap(), Rang::Quiet);
    assert_eq!(mailbox.doorbell_or(DEADLINE, async {}).await.unwrap(), Rang::Called);
    for round in 0..3 {
        let started = Instant::now();
        let (rang, ()) = tokio::join!(mailbox.doorbell(DEADLINE), async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            servers.drop_into(SERVICE, &mail(&format!("ring {round}")));
        });
        assert_eq!(rang.unwrap(), Rang::Mail);
        eprintln!("the bell rang {:?} after the delivery", started.elapsed() - Duration::from_millis(200));
        let fetched = mailbox.fetch(position, 10).await.unwrap();
        assert_eq!(subjects(&fetched), [format!("ring {round}")]);
        position = fetched.position;
    }
    // A future dropped half-way loses the connection and nothing else.
    let dropped = tokio::time::timeout(Duration::from_millis(200), mailbox.doorbell(DEADLINE)).await;
    assert!(dropped.is_err());
    servers.drop_into(SERVICE, &mail("after"));
    assert_eq!(subjects(&next_mails(&mut mailbox, position).await), ["after"]);
}

#[tokio::test]
async fn a_mail_between_fetch_and_idle_rings_at_once() {
    let Some(servers) = Servers::start_dovecot(Abilities::All) else { return };
    let mut mailbox = open(servers.imap_settings(SERVICE, Security::Tls));
    let position = mailbox.fetch(Position::default(), 10).await.unwrap().position;
    servers.drop_into(SERVICE, &mail("between"));
    assert_eq!(mailbox.doorbell(DEADLINE).await.unwrap(), Rang::Mail);
    assert_eq!(subjects(&mailbox.fetch(position, 10).await.unwrap()), ["between"]);
}

#[tokio::test]
async fn a_server_without_idle_is_polled() {
    let Some(servers) = Servers::start_dovecot(Abilities::WithoutIdle) else { return };
    let mut mailbox = open(servers.imap_settings(SERVICE, Security::Tls));
    let position = mailbox.fetch(Position::default(), 10).await.unwrap().position;
    assert_eq!(mailbox.doorbell(Duration::from_millis(100)).await.unwrap(), Rang::Quiet);
    servers.drop_into(SERVICE, &mail("polled"));
    assert_eq!(subjects(&mailbox.fetch(position, 10).await.unwrap()), ["polled"]);
}

/// Lets a misfortune happen while the mailbox idles; the loss must be told, and the next mail must come.
async fn misfortune_during_idle(misfortune: impl FnOnce(&Servers)) {
    let Some(servers) = Servers::start_dovecot(Abilities::All) else { return };
    let mut mailbox = open(servers.imap_settings(SERVICE, Security::Tls));
    let position = mailbox.fetch(Position::default(), 10).await.unwrap().position;
    let started = Instant::now();
    let (rang, ()) = tokio::join!(mailbox.doorbell(DEADLINE), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        misfortune(&servers);
    });
    let error = rang.expect_err("the connection is lost");
    assert!(matches!(error, MailboxError::Lost(_)) && error.is_transient(), "{error}");
    assert!(started.elapsed() < DEADLINE, "the loss was not noticed");
    servers.drop_into(SERVICE, &mail("after"));
    let fetched = mailbox.fetch(position, 10).await.unwrap();
    assert_eq!((subjects(&fetched), fetched.epoch_changed), (vec!["after".to_owned()], false));
}

#[tokio::test]
async fn a_kick_during_idle_is_survived() {
    misfortune_during_idle(|servers| servers.kick(SERVICE)).await;
}

#[tokio::test]
async fn a_silent_end_during_idle_is_survived() {
    misfortune_during_idle(|servers| servers.kill_imap(SERVICE)).await;
}

#[tokio::test]
async fn a_server_restart_is_survived() {
    let Some(servers) = Servers::start_dovecot(Abilities::All) else { return };
    let mut mailbox = open(servers.imap_settings(SERVICE, Security::StartTls));
    servers.drop_into(SERVICE, &mail("before"));
    let position = mailbox.fetch(Position::default(), 10).await.unwrap().position;
    servers.stop_dovecot();
    assert!(mailbox.fetch(position, 10).await.unwrap_err().is_transient());
    let error = mailbox.fetch(position, 10).await.unwrap_err();
    assert!(matches!(error, MailboxError::Connect(ConnectError::Unreachable { .. })), "{error}");
    assert!(error.is_transient());
    servers.start_dovecot_again();
    servers.drop_into(SERVICE, &mail("after"));
    let fetched = mailbox.fetch(position, 10).await.unwrap();
    assert_eq!((subjects(&fetched), fetched.epoch_changed), (vec!["after".to_owned()], false));
}

#[tokio::test]
async fn after_a_change_of_uidvalidity_everything_comes_again() {
    let Some(servers) = Servers::start_dovecot(Abilities::All) else { return };
    let mut mailbox = open(servers.imap_settings(SERVICE, Security::Tls));
    for subject in ["one", "two"] {
        servers.drop_into(SERVICE, &mail(subject));
    }
    let old = mailbox.fetch(Position::default(), 10).await.unwrap();
    assert_eq!(old.items.len(), 2);
    servers.change_uidvalidity(SERVICE);
    servers.drop_into(SERVICE, &mail("three"));
    let new = wait_until_fetched(&mut mailbox, old.position).await;
    assert!(new.epoch_changed);
    assert_ne!(new.position.epoch, old.position.epoch);
    assert_eq!(subjects(&new).into_iter().collect::<BTreeSet<_>>(), ["one", "three", "two"].map(str::to_owned).into());
    // Keys of the old epoch move nothing, even where the number is a mail's again.
    let stale: Vec<_> = old.items.iter().map(|item| (item.key.clone(), Folder::Quarantine)).collect();
    mailbox.file(&stale).await.unwrap();
    assert_eq!((servers.mails(SERVICE, "INBOX").len(), servers.mails(SERVICE, "Quarantine").len()), (3, 0));
    let next = mailbox.fetch(new.position, 10).await.unwrap();
    assert!(!next.epoch_changed && next.items.is_empty());
}

/// The first fetch after the server went away meets the dead connection; the next one connects.
async fn wait_until_fetched(mailbox: &mut Mailbox, position: Position) -> Fetched {
    match mailbox.fetch(position, 10).await {
        Ok(fetched) => fetched,
        Err(error) => {
            assert!(error.is_transient(), "{error}");
            mailbox.fetch(position, 10).await.unwrap()
        }
    }
}

async fn five_hundred_mails_are_put_away(abilities: Abilities) {
    let Some(servers) = Servers::start_dovecot(abilities) else { return };
    let mut mailbox = open(servers.imap_settings(SERVICE, Security::Tls));
    for number in 0..500 {
        servers.drop_into(SERVICE, &mail(&format!("mail {number}")));
    }
    let mut position = Position::default();
    let mut keys: Vec<ItemKey> = Vec::new();
    loop {
        let fetched = mailbox.fetch(position, 120).await.unwrap();
        keys.extend(fetched.items.iter().map(|item| item.key.clone()));
        position = fetched.position;
        assert!(fetched.items.len() <= 120);
        if !fetched.more {
            break;
        }
    }
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 500);
    // Every fifth to quarantine, so that the sets are no plain ranges.
    let folder = |at: usize| if at.is_multiple_of(5) { Folder::Quarantine } else { Folder::Processed };
    let away: Vec<_> = keys.into_iter().enumerate().map(|(at, key)| (key, folder(at))).collect();
    let started = Instant::now();
    mailbox.file(&away).await.unwrap();
    eprintln!("500 mails were put away in {:?}", started.elapsed());
    let left = ["INBOX", "Processed", "Quarantine"].map(|folder| servers.mails(SERVICE, folder).len());
    assert_eq!(left, [0, 400, 100]);
    // Again, as after a crash before the move was recorded.
    mailbox.file(&away).await.unwrap();
    let left = ["INBOX", "Processed", "Quarantine"].map(|folder| servers.mails(SERVICE, folder).len());
    assert_eq!(left, [0, 400, 100]);
    // What the moves made the server say does not keep the bell from ringing.
    servers.drop_into(SERVICE, &mail("after"));
    assert_eq!(subjects(&next_mails(&mut mailbox, position).await), ["after"]);
}

#[tokio::test]
async fn five_hundred_mails_are_put_away_in_batches() {
    five_hundred_mails_are_put_away(Abilities::All).await;
}

#[tokio::test]
async fn a_server_without_move_copies_and_expunges() {
    five_hundred_mails_are_put_away(Abilities::WithoutMove).await;
}

#[tokio::test]
async fn of_a_giant_only_the_headers_come() {
    let Some(servers) = Servers::start_dovecot(Abilities::All) else { return };
    let mut giant = mail("giant");
    giant.extend(b"0123456789abcdef0123456789abcdef\r\n".repeat(limits::MAIL_BYTES / 34 + 1));
    servers.drop_into(SERVICE, &giant);
    servers.drop_into(SERVICE, &mail("small"));
    let mut mailbox = open(servers.imap_settings(SERVICE, Security::Tls));
    let fetched = mailbox.fetch(Position::default(), 10).await.unwrap();
    assert_eq!(subjects(&fetched).into_iter().collect::<BTreeSet<_>>(), ["giant", "small"].map(str::to_owned).into());
    let large = fetched.items.iter().find(|item| item.oversized).expect("one is oversized");
    assert_eq!(large.size, giant.len() as u64);
    assert!(large.bytes.ends_with(b"Subject: giant\r\n\r\n") && large.bytes.len() < 1_000);
    assert_eq!(fetched.items.iter().filter(|item| item.oversized).count(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_told_in_one_sentence() {
    let Some(servers) = Servers::start_dovecot(Abilities::All) else { return };
    let usual = servers.imap_settings(SERVICE, Security::Tls);
    let wrong = |settings: ImapSettings| async { open(settings).connect().await.expect_err("it is wrong") };

    let error = wrong(ImapSettings { password: "wrong".into(), ..usual.clone() }).await;
    assert!(error.is_authentication() && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("are user and password right?"), "{error}");
    assert!(!error.to_string().contains("wrong\""), "the password is in: {error}");

    let error = wrong(ImapSettings { ca_file: Some(servers.other_ca_file()), ..usual.clone() }).await;
    assert!(matches!(error, MailboxError::Connect(ConnectError::Certificate { .. })), "{error}");
    assert!(error.to_string().contains("ca_file") && !error.is_transient(), "{error}");

    let [nobody] = free_ports();
    let error = wrong(ImapSettings { port: nobody, ..usual.clone() }).await;
    assert!(error.to_string().contains("is the mail server running") && error.is_transient(), "{error}");

    let error = wrong(ImapSettings { port: servers.imap, ..usual.clone() }).await;
    assert!(error.to_string().contains("starttls"), "{error}");

    let error = wrong(ImapSettings { inbox: "Post".to_owned(), ..usual.clone() }).await;
    assert!(matches!(&error, MailboxError::Folder { folder, .. } if folder == "Post"), "{error}");

    let error = wrong(ImapSettings { ca_file: Some(servers.path().join("none.pem")), ..usual.clone() }).await;
    assert!(error.to_string().contains("none.pem"), "{error}");

    open(usual).connect().await.unwrap();
}

/// Mails that vanish between being listed and being brought are passed over.
#[tokio::test]
async fn mails_that_vanish_are_no_error() {
    let Some(servers) = Servers::start_dovecot(Abilities::All) else { return };
    for number in 0..3 {
        servers.drop_into(SERVICE, &mail(&format!("mail {number}")));
    }
    let mut mailbox = open(servers.imap_settings(SERVICE, Security::Tls));
    let first = mailbox.fetch(Position::default(), 1).await.unwrap();
    assert!(first.more);
    // Another client takes the rest away.
    let mut other = open(servers.imap_settings(SERVICE, Security::StartTls));
    let all = other.fetch(Position::default(), 10).await.unwrap();
    let rest: Vec<_> = all.items.iter().skip(1).map(|item| (item.key.clone(), Folder::Processed)).collect();
    other.file(&rest).await.unwrap();
    let second = mailbox.fetch(first.position, 10).await.unwrap();
    assert!(second.items.is_empty() && !second.more);
    assert_eq!(second.position, all.position);
    wait_until("the moved mails", || (servers.mails(SERVICE, "Processed").len() == 2).then_some(()));
}
