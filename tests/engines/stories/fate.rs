//! The fate of addresses and of single letters: what comes back counts, what does not arrive is left alone, and a case says so.

use std::sync::Arc;

use hagaki::domain::token::fate_code;
use hagaki::store::outbox::{self, OutboxRow, State as Sending};
use hagaki::store::planned_letter::State;
use hagaki::workflow::addresses;
use hagaki::workflow::credentials::Form;
use hagaki::workflow::ledger::Ledger;
use hagaki::workflow::resend::{self, NotResent};

use super::cases::{Visit, at_the_command_line, shown};
use super::letters_out::report;
use super::members::serve;
use super::scheduled::{once_by, planned, somebody, take_in, tokyo, wind_to};
use super::survey::once;
use super::*;

const A: Writer = Writer { address: "a@example.jp", study: "wellbeing" };

/// Everybody once, and on each of the days after.
const DAILY: &str = "[[rules]]\nid = \"ask\"\naudience = \"participants\"\nletter = \"invitation\"\non = 2026-11-24\nat = \"09:00\"\n\n\
    [[rules]]\nid = \"remind\"\naudience = \"participants\"\nletter = \"reminder\"\nafter = \"invitation\"\ndays = 1\nat = \"18:00\"\n\
    every = \"1 day\"\ntimes = 9\nuntil = [\"response\"]\n";

/// Goes to that time in Tokyo; the letters that leave then.
async fn at(center: &mut Center, shown: &str) -> Vec<Received> {
    wind_to(center, shown);
    center.attend().await;
    center.settle().await
}

/// A letter comes back.
async fn bounce(center: &mut Center, letter: &Received, status: &str) {
    center.deliver_bytes(&report(&letter.bounces_to, "failed", status, &letter.message_id));
    assert!(center.settle().await.is_empty());
}

/// What an answering machine writes to a letter.
fn out_of_office(to: &str, text: &str) -> Vec<u8> {
    format!(
        "Return-Path: <>\r\nDelivered-To: {to}\r\nDate: Tue, 24 Nov 2026 09:10:00 +0900\r\nFrom: <a@example.jp>\r\nTo: {to}\r\n\
         Subject: Automatic reply: out of office\r\nMessage-ID: <away.{to}>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

async fn stopped(center: &Center) -> i64 {
    center.world.number("SELECT count(*) FROM address_fate WHERE stopped_at IS NOT NULL").await
}

/// Says that nothing arrives at an address.
pub(super) async fn stop(center: &Center, address: &str) {
    let code = fate_code(&center.keys.address, address);
    let row = format!("VALUES ('{code}', 30, '2026-11-17', '5.1.1', 1794900000000000)");
    let sql = format!("INSERT INTO address_fate (code, score, bounced_on, status, stopped_at) {row}");
    center.world.tamper(&sql).await;
}

stories! {
    async fn an_address_at_which_nothing_arrives_is_left_alone(center: &mut Center) {
        center.activate(&once_by(DAILY), Stage::Production).await;
        take_in(center, &[somebody("a", ""), somebody("b", "")]).await;
        let both = |kind| [(kind, "a@example.jp"), (kind, "b@example.jp")];
        for (day, kind) in [("2026-11-24 09:00", "invitation"), ("2026-11-25 18:00", "reminder"), ("2026-11-26 18:00", "reminder")] {
            assert_eq!(stopped(center).await, 0);
            let letters = at(center, day).await;
            assert_eq!(kinds(&letters), both(kind), "{day}");
            for letter in &letters {
                // The other's mail is unwelcome where it goes: that says nothing of the address.
                let status = if letter.to == "a@example.jp" { "5.1.1" } else { "5.7.1" };
                bounce(center, letter, status).await;
            }
        }
        assert_eq!(stopped(center).await, 1);
        // Whoever manages the survey sees it.
        let pages = Arc::new(serve(center).await);
        let office = super::answered::manager(center, &pages, "wellbeing-office@example.jp").await;
        let page = office.see("/c/wellbeing/participants").await;
        assert_eq!(page.body.matches("letters come back (5.1.1)").count(), 1, "{}", page.body);
        let letters = at(center, "2026-11-27 18:00").await;
        let reminders: Vec<&str> = letters.iter().filter(|one| one.kind == "reminder").map(|one| one.to.as_str()).collect();
        assert_eq!(reminders, ["b@example.jp"]);
        // Those in charge are told on the next day, once.
        let told: Vec<&Received> = letters.iter().filter(|one| one.kind == "addresses-stopped").collect();
        let [told] = told[..] else { panic!("{:?}", kinds(&letters)) };
        assert!(told.to == "wellbeing-office@example.jp" && !told.words.contains("a@example.jp"), "{}", told.words);
        assert!(told.text.contains("参加者 1　2026-11-26 から、最後の理由 5.1.1"), "{}", told.text);
        assert!(told.text.contains("hagaki outbox addresses wellbeing"), "{}", told.text);
        let ended: Vec<String> = planned(center).await.into_iter().filter(|one| one.rule == "remind" && one.state == State::Ended).map(|one| one.why).collect();
        assert_eq!(ended, ["letters to the address come back"]);
        if let Some(output) = at_the_command_line(center, &["outbox", "addresses", "wellbeing"]) {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains("participant 1") && text.contains("stopped") && text.contains("5.1.1"), "{text}{output:?}");
            assert!(!text.contains("b@example.jp"), "{text}");
        }
        // A mail from there proves that somebody reads it, and what was held back for it comes.
        assert_eq!(center.answer(&A.writes("ヘルプ", "")).await.kind, "participant-help");
        assert_eq!(center.world.number("SELECT count(*) FROM address_fate").await, 0);
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("reminder", "a@example.jp")]);
        assert_eq!(kinds(&at(center, "2026-11-28 18:00").await), both("reminder"));
    }

    async fn a_letter_that_waited_is_not_sent_to_an_address_that_is_stopped(center: &mut Center) {
        center.activate(&once_by(DAILY), Stage::Production).await;
        take_in(center, &[somebody("a", "")]).await;
        center.attend().await;
        center.memory.order(1, hagaki::mail::transport::Order::Defer);
        assert!(at(center, "2026-11-24 09:00").await.is_empty(), "it is deferred");
        stop(center, "a@example.jp").await;
        center.wind(3600);
        assert!(center.settle().await.is_empty());
        let dropped = outbox::list(center.store(), outbox::Which::State(Sending::Dropped), None, 9).await.unwrap();
        assert_eq!(dropped.len(), 1);
        // Whoever runs the study says that it is good again.
        let shelf = center.shelf_on(center.store());
        for was_bad in [true, false] {
            let mut ledger = Ledger::begin(&shelf).await.unwrap();
            let act = center.act("the hospital's server is mended");
            assert_eq!(addresses::resume(&mut ledger, center.means(), " A@example.jp", act).await.unwrap(), was_bad);
            ledger.commit().await.unwrap();
        }
        assert_eq!((stopped(center).await, center.world.number("SELECT count(*) FROM audit WHERE action = 'outbox-resume'").await), (0, 1));
        assert_eq!(kinds(&at(center, "2026-11-25 18:00").await), [("reminder", "a@example.jp")]);
    }

    async fn where_answers_stand_without_the_person_addresses_are_counted(center: &mut Center) {
        center.activate(&with_file(&super::survey::nameless(), "schedule.toml", DAILY), Stage::Production).await;
        take_in(center, &[somebody("a", ""), somebody("b", "")]).await;
        for day in ["2026-11-24 09:00", "2026-11-25 18:00", "2026-11-26 18:00"] {
            for letter in at(center, day).await {
                bounce(center, &letter, "5.1.1").await;
            }
        }
        let letters = at(center, "2026-11-27 18:00").await;
        assert_eq!(kinds(&letters), [("addresses-stopped", "wellbeing-office@example.jp")]);
        assert!(letters[0].text.contains("参加者 2 名") && !letters[0].text.contains("参加者 1　"), "{}", letters[0].text);
        assert_eq!(kinds(&at(center, "2026-11-29 18:00").await), []);
    }

    async fn credentials_are_not_mailed_to_an_address_that_is_stopped(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        stop(center, "a@example.jp").await;
        let people = [somebody("a", ""), somebody("b", "")];
        let issued = center.issue("wellbeing", &people, center.terms(Form::Link)).await.issued;
        assert_eq!(issued.iter().map(|one| one.mailed).collect::<Vec<_>>(), [false, true]);
        assert_eq!(kinds(&center.settle().await), [("invitation", "b@example.jp")]);
        // What somebody asks for is sent, and their mail shows that it arrives.
        let letters = center.exchange(&A.writes("リンク", "")).await;
        assert!(letters.iter().any(|letter| letter.to == "a@example.jp"), "{:?}", kinds(&letters));
        assert_eq!(stopped(center).await, 0);
    }

    async fn a_reminder_waits_for_whoever_is_away(center: &mut Center) {
        let weekly = DAILY.replace("every = \"1 day\"\ntimes = 9", "every = \"7 days\"\ntimes = 2");
        center.activate(&once_by(&weekly), Stage::Production).await;
        take_in(center, &[somebody("a", "")]).await;
        let letters = at(center, "2026-11-24 09:00").await;
        assert_eq!(kinds(&letters), [("invitation", "a@example.jp")]);
        // Only the address that the letter came from makes an answer to it believed.
        for (to, known) in [("reg@example.jp", 0), (letters[0].bounces_to.as_str(), 1)] {
            center.deliver_bytes(&out_of_office(to, "I am out of the office until 30 Nov and answer afterwards."));
            assert!(center.settle().await.is_empty());
            assert_eq!(center.last_mail().await.disposition, "no_reply");
            let told = "SELECT count(*) FROM address_fate WHERE away_until = '2026-11-30' AND score = 0";
            assert_eq!(center.world.number(told).await, known, "{to}");
        }
        assert!(at(center, "2026-11-25 18:00").await.is_empty());
        let next = planned(center).await.into_iter().find(|one| one.rule == "remind").unwrap();
        assert_eq!((next.state, next.due_at, next.why.as_str()), (State::Waiting, tokyo("2026-12-01 18:00"), "away"));
        assert_eq!(kinds(&at(center, "2026-12-01 18:00").await), [("reminder", "a@example.jp")]);
    }

    async fn a_case_tells_that_its_letter_was_refused_and_the_letter_goes_once_more(center: &mut Center) {
        aurora(center).await;
        let letters = center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))).await;
        let letter = letters.into_iter().find(|letter| letter.kind == "assignment-open").unwrap();
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", DR_YAMADA.address).await;
        assert!(yamada.see("/c/aurora/1").await.body.contains("sent 2026-11-"));
        center.deliver_bytes(&report(&letter.bounces_to, "failed", "5.1.1", &letter.message_id));
        assert_eq!(kinds(&center.settle().await), [("assignment-failed-alert", CENTER)]);
        assert!(yamada.see("/c/aurora/1").await.body.contains("<strong>refused (5.1.1) 2026-11-"));
        let japanese = yamada.get("/c/aurora/1?lang=ja").await;
        assert!(japanese.body.contains("届きませんでした（5.1.1）"), "{}", japanese.body);
        if let Some(text) = shown(center, &["aurora", "AURORA-0001"]) {
            assert!(text.contains("to yamada@example.jp: bounced (5.1.1)"), "{text}");
        }

        let (shelf, first) = (center.shelf_on(center.store()), center.letter(&letter).await);
        // One that no server answered for was not refused.
        let given_up = OutboxRow { state: Sending::Failed, verdict_code: Some(0), verdict_text: None, ..first.clone() };
        assert_eq!(given_up.failure().as_deref(), Some(""));
        let refused = OutboxRow { verdict_code: Some(550), ..given_up };
        assert_eq!(refused.failure().as_deref(), Some("550"));
        let again = resend::resend(&shelf, center.means(), first.id, center.act("mailbox mended")).await.unwrap().unwrap();
        let resent = center.settle().await;
        assert_eq!(kinds(&resent), [("assignment-open", DR_YAMADA.address)]);
        assert_eq!((&resent[0].text, &resent[0].subject), (&letter.text, &letter.subject));
        assert_ne!(resent[0].message_id, letter.message_id);
        let row = center.letter(&resent[0]).await;
        assert_eq!((row.id, row.resends, row.subject_id), (again, Some(first.id), first.subject_id));
        if let Some(output) = at_the_command_line(center, &["outbox", "list", "--study", "aurora", "--subject", "AURORA-0001"]) {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains(&format!("letter {} once more", first.id)) && text.contains("(5.1.1)"), "{text}{output:?}");
        }

        // Nothing goes to an address that is nobody's any more, and nothing that is good once goes twice.
        let moved = edited(&samples::aurora(), "study.toml", "\"yamada@example.jp\"", "\"yamada@example.net\"");
        center.amend(&moved, center.act("moved")).await.unwrap();
        let mut refused = Vec::new();
        let link = outbox::list(center.store(), outbox::Which::All, None, 99).await.unwrap();
        let link = link.iter().find(|letter| letter.kind == "account-link").unwrap().id;
        for id in [first.id, link, 9_999] {
            let tried = resend::resend(&shelf, center.means(), id, center.act("again")).await.unwrap();
            refused.push(tried.unwrap_err());
        }
        assert_eq!(refused, [NotResent::Nobody, NotResent::Secret, NotResent::Unknown]);
        assert!(center.settle().await.is_empty());
    }
}
