//! What becomes of letters: refused, deferred, bounced, kept while the server is away.

use hagaki::domain::time::Clock;
use hagaki::domain::token;
use hagaki::letters::opened;
use hagaki::limits;
use hagaki::mail::Did;
use hagaki::mail::transport::Order;
use hagaki::store::fuse::Fuse;
use hagaki::store::outbox::{self, State};
use hagaki::store::{audit, study};

use super::*;

/// A delivery report (RFC 3464) to the address a letter came from.
pub(super) fn report(to: &str, action: &str, status: &str, message_id: &str) -> Vec<u8> {
    format!(
        "Return-Path: <>\r\nDelivered-To: {to}\r\nDate: Wed, 18 Nov 2026 20:10:00 +0900\r\n\
         From: Mail Delivery System <MAILER-DAEMON@mx.example.jp>\r\nTo: {to}\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nMessage-ID: <{action}.{status}.{to}>\r\nMIME-Version: 1.0\r\n\
         Auto-Submitted: auto-replied\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.jp\r\n\r\n\
         Final-Recipient: rfc822; yamada@example.jp\r\nAction: {action}\r\nStatus: {status}\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{message_id}>\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

async fn chain_actions(center: &Center, slug: &str) -> Vec<String> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

async fn enroll(center: &mut Center) -> Received {
    let letters = center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))).await;
    letters.into_iter().find(|letter| letter.kind == "assignment-open").unwrap()
}

/// AURORA whose Dr Yamada reads mail at another address.
fn yamada_at(address: &str) -> Bundle {
    edited(&samples::aurora(), "study.toml", "\"yamada@example.jp\"", &format!("\"{address}\", \"yamada@example.jp\""))
}

stories! {
    async fn a_bounced_assignment_alerts_the_center(center: &mut Center) {
        aurora(center).await;
        let letter = enroll(center).await;
        center.deliver_bytes(&report(&letter.bounces_to, "failed", "5.1.1", &letter.message_id));
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [("assignment-failed-alert", CENTER)]);
        assert!(letters[0].text.contains("AURORA-0001") && letters[0].text.contains("5.1.1"), "{}", letters[0].text);
        let row = center.letter(&letter).await;
        assert_eq!((row.state, row.report_status.as_deref()), (State::Bounced, Some("5.1.1")));
        assert_eq!(chain_actions(center, "aurora").await, ["activate", "enroll", "letter-failed"]);
        // The report again changes nothing.
        center.deliver_bytes(&report(&letter.bounces_to, "failed", "5.1.1", "another"));
        assert!(center.settle().await.is_empty());
        // Delays are no end, and arrival does not undo a failure.
        for (action, status) in [("delayed", "4.4.1"), ("delivered", "2.0.0")] {
            center.deliver_bytes(&report(&letter.bounces_to, action, status, &letter.message_id));
            assert!(center.settle().await.is_empty());
        }
        assert_eq!(center.letter(&letter).await.state, State::Bounced);
    }

    async fn a_delayed_letter_says_so_until_it_arrives(center: &mut Center) {
        aurora(center).await;
        let letter = enroll(center).await;
        center.deliver_bytes(&report(&letter.bounces_to, "delayed", "4.4.1", &letter.message_id));
        assert!(center.settle().await.is_empty(), "nobody is alerted: the other server goes on trying");
        let row = center.letter(&letter).await;
        assert_eq!((row.state, row.failure()), (State::Sent, None));
        assert_eq!(row.delay().map(|(status, _)| status), Some("4.4.1"));
        center.deliver_bytes(&report(&letter.bounces_to, "delivered", "2.0.0", &letter.message_id));
        assert!(center.settle().await.is_empty());
        let row = center.letter(&letter).await;
        assert_eq!((row.state, row.delay()), (State::Delivered, None));
    }

    async fn a_report_that_is_faster_than_the_record_of_its_letter_counts(center: &mut Center) {
        aurora(center).await;
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")));
        center.process.intake.step().await.unwrap();
        center.process.desk.step().await.unwrap();
        // Another daemon sends them, and has not written yet that they left.
        let now = center.clock.now();
        let claimed = outbox::claim(center.store(), "reg", "another", now, LEASE, 9).await.unwrap();
        let letter = claimed.iter().find(|letter| letter.kind == "assignment-open").unwrap();
        let to = format!("reg+{}@example.jp", token::verp(&center.keys.address, letter.id));
        center.deliver_bytes(&report(&to, "failed", "5.1.1", &letter.message_id));
        assert_eq!(kinds(&center.settle().await), [("assignment-failed-alert", CENTER)]);
        let taken = outbox::Verdict { code: 250, text: "2.0.0 well" };
        let left: Vec<(i64, outbox::Verdict<'_>)> = claimed.iter().map(|letter| (letter.id, taken)).collect();
        let mut tx = center.store().begin().await.unwrap();
        outbox::record_sent_many(&mut tx, now, &left).await.unwrap();
        tx.commit().await.unwrap();
        let row = outbox::find(center.store(), letter.id).await.unwrap().unwrap();
        assert_eq!((row.state, row.report_status.as_deref()), (State::Bounced, Some("5.1.1")));
        center.wind(LEASE + 1);
        assert!(center.settle().await.is_empty());
    }

    async fn a_forged_report_is_not_believed(center: &mut Center) {
        aurora(center).await;
        let letter = enroll(center).await;
        let (head, code) = letter.bounces_to.split_once("+b.1.").unwrap();
        let other = if code.starts_with('a') { "b" } else { "a" };
        let forged = [
            format!("{head}+b.1.{other}{}", &code[1..]),
            format!("{head}+b.2.{code}"),
            "reg+b.1.@example.jp".to_owned(),
            "reg@example.jp".to_owned(),
        ];
        for to in forged {
            center.deliver_bytes(&report(&to, "failed", "5.1.1", &letter.message_id));
            // Nobody is answered; the operator hears of a mail that belongs to no study.
            let letters = center.settle().await;
            assert_eq!(kinds(&letters), [("quarantine-notice", "operator@example.jp")], "{to}");
            assert_eq!(reason(center).await, "bounce-unverified", "{to}");
        }
        assert_eq!(center.letter(&letter).await.state, State::Sent);
    }

    async fn a_refused_assignment_alerts_the_center_at_once(center: &mut Center) {
        center.activate(&yamada_at("refused@example.jp"), Stage::Production).await;
        let mail = Mail {
            from: "refused@example.jp".to_owned(),
            ..DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))
        };
        let letters = center.exchange(&mail).await;
        assert_eq!(kinds(&letters), [
            ("assignment-failed-alert", CENTER),
            ("notice-open", CENTER),
            ("notice-open", STATISTICIAN),
        ]);
        assert_eq!(chain_actions(center, "aurora").await, ["activate", "enroll", "letter-failed"]);
        // Asked for from another address, it arrives.
        assert_eq!(center.answer(&DR_YAMADA.writes("状況", "")).await.kind, "status-open");
    }

    async fn a_daemon_that_only_sends_alerts_too(center: &mut Center) {
        aurora(center).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        center.deliver(&mail);
        center.process.intake.step().await.unwrap();
        center.process.desk.step().await.unwrap();
        // Another process, whose desk never saw a mail of this study, sends the letter.
        center.kill_and_restart().await;
        center.memory.order(1, Order::Refuse);
        center.process.dispatch.step().await.unwrap();
        center.wind(LEASE + 1);
        let letters = center.settle().await;
        assert!(kinds(&letters).contains(&("assignment-failed-alert", CENTER)), "{:?}", kinds(&letters));
    }

    async fn a_deferred_letter_is_tried_until_it_is_given_up(center: &mut Center) {
        center.activate(&yamada_at("deferred@example.jp"), Stage::Production).await;
        let mail = Mail {
            from: "deferred@example.jp".to_owned(),
            ..DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))
        };
        let letters = center.exchange(&mail).await;
        assert_eq!(letters.len(), 2, "notices do not wait for it: {:?}", kinds(&letters));
        let row = outbox::list(center.store(), outbox::Which::State(State::Waiting), None, 9).await.unwrap().remove(0);
        let begun = hagaki::domain::time::Clock::now(&*center.clock);
        let mut tries = 1;
        let alert = loop {
            let waiting = outbox::find(center.store(), row.id).await.unwrap().unwrap();
            if waiting.state != State::Waiting {
                break center.arrived().await;
            }
            assert_eq!(waiting.attempts, tries);
            let pause = waiting.next_attempt_at.seconds_since(hagaki::domain::time::Clock::now(&*center.clock));
            assert!(pause <= 4 * 3600, "{pause}");
            center.wind(pause - 1);
            center.quiet().await;
            assert_eq!(outbox::find(center.store(), row.id).await.unwrap().unwrap().attempts, tries, "not before it is due");
            center.wind(2);
            center.quiet().await;
            tries += 1;
        };
        assert_eq!(kinds(&alert), [("assignment-failed-alert", CENTER)]);
        let lasted = hagaki::domain::time::Clock::now(&*center.clock).seconds_since(begun);
        assert!((limits::LETTER_AGE_SECONDS..limits::LETTER_AGE_SECONDS + 100).contains(&lasted), "{lasted}");
        assert!(tries > 25, "{tries}");
        let attempts = outbox::list_attempts(center.store(), row.id).await.unwrap();
        assert_eq!(attempts.len(), tries as usize, "every attempt is on file");
    }

    async fn while_the_server_is_away_no_letter_fails(center: &mut Center) {
        aurora(center).await;
        // Two days of nothing but time-outs.
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")));
        let mut tried = 0;
        for _ in 0..2 * 24 * 12 {
            for n in 1..=3 {
                center.memory.order(n, Order::TimeOut);
                center.process.round().await;
            }
            center.wind(300);
            tried = center.memory.shown();
        }
        assert!(tried < 800, "the server is left alone: {tried} tries");
        let waiting = outbox::list(center.store(), outbox::Which::State(State::Waiting), None, 9).await.unwrap();
        let sent = center.memory.sent().len();
        assert_eq!(waiting.len() + sent, 3, "nothing failed");
        center.wind(3600);
        center.recover().await;
        let letters = center.arrived().await;
        assert!(letters.iter().any(|letter| letter.kind == "assignment-open"), "{:?}", kinds(&letters));
        assert_eq!(letters.len(), 3);
    }

    async fn a_letter_alone_over_which_our_address_is_refused_keeps_no_other_waiting(center: &mut Center) {
        center.activate(&yamada_at("disowned@example.jp"), Stage::Production).await;
        let mail = Mail {
            from: "disowned@example.jp".to_owned(),
            ..DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))
        };
        center.deliver(&mail);
        let errors = center.recover().await;
        assert_eq!(errors.len(), limits::DISOWNED_TRIES as usize, "the server is left alone each time: {errors:?}");
        assert_eq!(kinds(&center.arrived().await), [
            ("assignment-failed-alert", CENTER),
            ("notice-open", CENTER),
            ("notice-open", STATISTICIAN),
        ]);
        let failed = outbox::list(center.store(), outbox::Which::State(State::Failed), None, 9).await.unwrap().remove(0);
        assert_eq!(failed.attempts, i64::from(limits::DISOWNED_TRIES));
        assert_eq!((failed.recipient.as_str(), failed.failure().as_deref()), ("disowned@example.jp", Some("")));
        assert!(failed.verdict_text.unwrap().contains("550 5.7.1"));
    }

    async fn while_our_address_is_refused_altogether_no_letter_fails(center: &mut Center) {
        aurora(center).await;
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")));
        for _ in 0..2 * 24 * 4 {
            center.memory.order(1, Order::Disown);
            center.process.round().await;
            center.wind(900);
        }
        let failed = outbox::list(center.store(), outbox::Which::State(State::Failed), None, 9).await.unwrap();
        assert!(failed.is_empty(), "{failed:?}");
        center.wind(limits::DISOWNED_WAIT_SECONDS);
        center.recover().await;
        assert_eq!(center.arrived().await.len(), 3);
    }

    async fn a_failure_that_cannot_be_told_ends_all_the_same(center: &mut Center) {
        aurora(center).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        center.deliver(&mail);
        center.process.intake.step().await.unwrap();
        center.process.desk.step().await.unwrap();
        let answers = center.enrolled("aurora").await.remove(0).0.answers;
        center.world.tamper("UPDATE subject SET answers = 'no JSON'").await;
        center.memory.order(1, Order::Refuse);
        center.recover().await;
        assert_eq!(kinds(&center.arrived().await), [("notice-open", CENTER), ("notice-open", STATISTICIAN)], "each once");
        let failed = outbox::list(center.store(), outbox::Which::State(State::Failed), None, 9).await.unwrap();
        assert_eq!(failed.len(), 1);
        // Mended by hand, or the proof at the end would rightly say that the records were changed.
        center.world.tamper(&format!("UPDATE subject SET answers = '{answers}'")).await;
    }

    async fn one_bad_letter_does_not_send_its_neighbors_again(center: &mut Center) {
        // Own words for the alert that this very subject cannot be told in.
        let own = "{{#if (eq subject \"AURORA-0001\")}}{{no_such_fact}}{{/if}} {{subject}}\n";
        let mut bundle = yamada_at("refused@example.jp");
        for language in ["ja", "en"] {
            bundle = with_file(&bundle, &format!("letters/{language}/assignment-failed-alert/text.hbs"), own);
        }
        center.activate(&bundle, Stage::Production).await;
        let mail = Mail {
            from: "refused@example.jp".to_owned(),
            ..DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))
        };
        center.deliver(&mail);
        center.recover().await;
        let letters = center.arrived().await;
        assert_eq!(kinds(&letters), [
            ("assignment-failed-alert", CENTER),
            ("notice-open", CENTER),
            ("notice-open", STATISTICIAN),
        ]);
        let failed = outbox::list(center.store(), outbox::Which::State(State::Failed), None, 9).await.unwrap();
        assert_eq!(failed.len(), 1);
        assert_eq!(chain_actions(center, "aurora").await, ["activate", "enroll", "letter-failed"]);
    }

    async fn a_study_that_cannot_be_written_to_has_no_letter_sent_again(center: &mut Center) {
        center.activate(&yamada_at("refused@example.jp"), Stage::Production).await;
        let mail = Mail {
            from: "refused@example.jp".to_owned(),
            ..DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))
        };
        center.deliver(&mail);
        center.process.intake.step().await.unwrap();
        center.process.desk.step().await.unwrap();
        // As after an upgrade, until the corrections of the earlier version are bound.
        center.world.tamper("UPDATE study SET facts = facts + 1").await;
        assert!(center.process.dispatch.step().await.is_err(), "the refusal cannot be told");
        assert_eq!(kinds(&center.arrived().await), [("notice-open", CENTER), ("notice-open", STATISTICIAN)]);
        center.wind(LEASE + 1);
        assert!(center.process.dispatch.step().await.is_err());
        assert!(center.arrived().await.is_empty(), "what was taken is on file");
        center.world.tamper("UPDATE study SET facts = facts - 1").await;
        center.wind(LEASE + 1);
        assert_eq!(kinds(&center.settle().await), [("assignment-failed-alert", CENTER)]);
    }

    async fn an_assignment_does_not_wait_because_another_letter_cannot_be_looked_at(center: &mut Center) {
        aurora(center).await;
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")));
        center.process.intake.step().await.unwrap();
        center.process.desk.step().await.unwrap();
        // One of them is a reminder that waited, and nobody can tell whether it is still wanted.
        let turn = |from: &str, to: &str| format!("UPDATE outbox SET kind = '{to}' WHERE kind = '{from}' AND recipient = '{CENTER}'");
        center.world.tamper(&turn("notice-open", "reminder")).await;
        center.world.tamper("ALTER TABLE settled_letter RENAME TO settled_elsewhere").await;
        center.wind(limits::SCHEDULE_FRESH_SECONDS + 1);
        center.process.dispatch.step().await.unwrap_err();
        center.world.tamper("ALTER TABLE settled_elsewhere RENAME TO settled_letter").await;
        let now = center.clock.now();
        for letter in outbox::list(center.store(), outbox::Which::State(State::Waiting), None, 9).await.unwrap() {
            let doubtful = letter.kind == "reminder";
            assert_eq!((letter.lease_until > now, letter.attempts), (doubtful, i64::from(doubtful)), "{}", letter.kind);
        }
        center.process.dispatch.step().await.unwrap();
        assert!(kinds(&center.arrived().await).contains(&("assignment-open", "yamada@example.jp")));
        center.world.tamper(&turn("reminder", "notice-open")).await;
        center.wind(LEASE + 1);
        assert_eq!(kinds(&center.settle().await), [("notice-open", CENTER)]);
    }

    async fn letters_that_left_are_recorded_though_the_database_fails_for_a_moment(center: &mut Center) {
        aurora(center).await;
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")));
        center.process.intake.step().await.unwrap();
        center.process.desk.step().await.unwrap();
        // The first commit is the claim, the next one tells that letters left.
        let fuse = Fuse::lose_commit(2);
        let mut sender = center.start(Some(fuse.clone()));
        assert_eq!(sender.dispatch.step().await.unwrap(), Did::Something);
        assert!(fuse.struck());
        let left = center.arrived().await;
        assert_eq!(kinds(&left), [("assignment-open", "yamada@example.jp"), ("notice-open", CENTER), ("notice-open", STATISTICIAN)]);
        for letter in &left {
            assert_eq!(center.letter(letter).await.state, State::Sent);
        }
        center.wind(LEASE + 1);
        assert!(center.settle().await.is_empty(), "none leaves a second time");
    }

    async fn letters_into_a_folder(center: &mut Center) {
        let folder = center.send_into_a_folder();
        borealis(center).await;
        center.deliver(&DR_LARSEN.writes("enroll", &borealis_form("103", "103-001")));
        center.quiet().await;
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        center.quiet().await;
        let mut to: Vec<String> = std::fs::read_dir(folder.join("new"))
            .unwrap()
            .map(|entry| opened::open(&std::fs::read(entry.unwrap().path()).unwrap()).to)
            .collect();
        to.sort();
        assert_eq!(to, [OFFICE, PHARMACY, BLIND_STATISTICIAN, DR_LARSEN.address]);
    }
}
