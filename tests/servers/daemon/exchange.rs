//! Mails in, letters out, reports back.

use std::time::{Duration, Instant};

use encoding_rs::{ISO_2022_JP, UTF_8};

use super::house::{Engine, Installation, letters, mail, register, registration, wait_for_letter};
use crate::harness::{SERVICE, Servers, Sink, wait_until};

/// What a physician waits at most; the daemon's interval is a minute.
const PROMPT: Duration = Duration::from_secs(15);

#[test]
fn a_registration_is_answered_on_sqlite() {
    exchange(Engine::Sqlite);
}

#[test]
fn a_registration_is_answered_on_postgres() {
    exchange(Engine::Postgres);
}

fn exchange(engine: Engine) {
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::new(&servers, engine) else { return };
    let daemon = house.serve();
    wait_until("readiness", || daemon.get("/readyz").filter(|(status, _)| *status == 200));
    let today = registration("011", "A-0001");
    let day = today.lines().find_map(|line| line.strip_prefix("Consent date: ")).unwrap();
    let japanese = format!(
        "データセンター 御中\n\n施設コード：０１１\n識別番号：Ｙ－００３１\n同意取得日：{day}\n年齢：５８歳\n性別：男\n病期：ＩＩ期\n\
         ECOG PS：０\n\nよろしくお願いいたします。\n"
    );
    let mails = [
        (
            "yamada@example.jp",
            "Y-0031",
            mail("yamada@example.jp", SERVICE, "[AURORA] 症例登録", &japanese, ISO_2022_JP),
        ),
        (
            "miller@example.jp",
            "M-0107",
            mail("miller@example.jp", SERVICE, "[AURORA] enroll", &registration("021", "M-0107"), UTF_8),
        ),
        (
            "tanaka@example.jp",
            "T-0001",
            mail("tanaka@example.jp", SERVICE, "[AURORA] enroll", &registration("013", "T-0001"), UTF_8),
        ),
    ];
    for (count, (from, subject, raw)) in mails.iter().enumerate() {
        let submitted = Instant::now();
        servers.submit(from, "reg+aurora@example.jp", raw);
        let answer = wait_for_letter(&servers, from, subject);
        eprintln!("{engine:?}: answered into the mailbox after {:?}", submitted.elapsed());
        // Each comes while the daemon listens; the interval would take a minute.
        assert!(submitted.elapsed() < PROMPT, "the doorbell did not ring");
        assert!(answer.subject.contains("TEST"), "{answer:?}");
        let receipt = answer.receipt.expect("a receipt");
        assert_eq!(receipt.allocation, count as u64 + 1);
        house.write("answer.txt", &answer.text);
        let verdict = house.hagaki(&["receipt", "verify", "answer.txt"]).well();
        assert!(verdict.starts_with("genuine"), "{verdict}");
        servers.wait_for_mails(SERVICE, "Processed", count + 1);
        assert!(servers.mails(SERVICE, "INBOX").is_empty());
        wait_for_letter(&servers, "aurora-center@example.jp", &receipt.subject);
        wait_for_letter(&servers, "aurora-stat@example.jp", &receipt.subject);
    }
    assert!(
        letters(&servers, "yamada@example.jp")[0].text.contains("標準治療")
            || letters(&servers, "yamada@example.jp")[0].text.contains("併用治療")
    );
    let id = held(&servers, &house);
    let (status, took) = daemon.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
    // A command is another process: it cannot ring the daemon's bell, and the daemon finds its work after the interval.
    house.edit("hagaki.toml", "interval_seconds = 60", "interval_seconds = 1");
    let _daemon = house.serve();
    released(&servers, &house, &id);
    assert_eq!((house.subjects("aurora"), house.prove("aurora")), (4, 4));
    wait_until("every letter sent", || house.outbox().iter().all(|letter| letter["state"] == "sent").then_some(()));
}

/// A mail that claims to be a physician's, and that the border says is not; its number.
fn held(servers: &Servers, house: &Installation) -> String {
    let raw = mail("suzuki@example.jp", SERVICE, "[AURORA] enroll", &registration("012", "S-0001"), UTF_8);
    let before = house.outbox().len();
    servers.submit("mallory@elsewhere.example", SERVICE, &raw);
    servers.wait_for_mails(SERVICE, "Quarantine", 1);
    let held = house.hagaki(&["inbox", "list", "--state", "held", "--json"]).lines();
    assert_eq!(held.len(), 1, "{held:?}");
    let id = held[0]["id"].to_string();
    let shown = house.hagaki(&["inbox", "show", &id]).well();
    assert!(shown.contains("suzuki@example.jp") && shown.contains("auth-fail"), "{shown}");
    let raw_shown = house.hagaki(&["inbox", "show", &id, "--raw"]).well();
    assert!(raw_shown.contains("dmarc=fail"), "{raw_shown}");
    // Nothing went out but a notice to the coordinator.
    let after = house.outbox();
    assert!(after.iter().take(after.len() - before).all(|letter| letter["kind"] == "quarantine-notice"), "{after:?}");
    assert!(servers.mails("suzuki@example.jp", "INBOX").is_empty());
    assert!(servers.mails("mallory@elsewhere.example", "INBOX").is_empty());
    let notice = wait_for_letter(servers, "aurora-center@example.jp", &id);
    assert!(!notice.text.contains("S-0001"), "{notice:?}");
    id
}

/// A person vouches for it.
fn released(servers: &Servers, house: &Installation, id: &str) {
    house.hagaki(&["inbox", "release", id]).well();
    let answer = wait_for_letter(servers, "suzuki@example.jp", "S-0001");
    assert!(answer.receipt.is_some());
    assert_eq!(house.hagaki(&["inbox", "release", id]).code, 1);
    let shown = house.hagaki(&["inbox", "show", id, "--json"]).lines().remove(0);
    assert_eq!(shown["state"], "done", "{shown}");
    let letter =
        shown["letters"].as_array().unwrap().iter().find(|letter| letter["to"] == "suzuki@example.jp").unwrap();
    let shown = house.hagaki(&["outbox", "show", &letter["id"].to_string()]).well();
    assert!(shown.contains("S-0001") && shown.contains("sent at"), "{shown}");
}

#[test]
fn an_answer_that_comes_back_alerts_the_coordinator() {
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::bare(&servers, Engine::Sqlite) else { return };
    let bundle = house.bundle("aurora", |file, text| match file {
        "study.toml" => {
            text.replace("@example.org", "@example.jp").replace("tanaka@example.jp", "tanaka@refused.example")
        }
        _ => text,
    });
    house.hagaki(&["study", "activate", &bundle.display().to_string()]).well();
    let _sink = Sink::start_at(servers.refusing, &["-f", "RCPT"]);
    let _daemon = house.serve();
    register(&servers, "tanaka@refused.example", "013", "T-0001");
    let bounced = wait_until("the letter to come back", || {
        house.outbox().into_iter().find(|letter| letter["state"] == "bounced")
    });
    assert_eq!(bounced["to"], "tanaka@refused.example", "{bounced}");
    assert!(bounced["kind"].as_str().unwrap().starts_with("assignment"), "{bounced}");
    assert!(bounced["report"].as_str().unwrap().starts_with("5."), "{bounced}");
    let alert = wait_until("the alert", || {
        let kind =
            |letter: &serde_json::Value| letter["kind"] == "assignment-failed-alert" && letter["state"] == "sent";
        house.outbox().into_iter().find(kind)
    });
    assert_eq!(alert["to"], "aurora-center@example.jp");
    wait_for_letter(&servers, "aurora-center@example.jp", bounced["report"].as_str().unwrap());
    // The report is dealt with like any other mail, and nobody answers it.
    servers.wait_for_mails(SERVICE, "Processed", 2);
    assert!(servers.mails(SERVICE, "INBOX").is_empty() && servers.mails(SERVICE, "Quarantine").is_empty());
    assert_eq!(house.prove("aurora"), 1);
}
