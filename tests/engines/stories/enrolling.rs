//! Enrolling: once, whatever is sent how often; refusals that consume nothing; caps and kits to the last place.

use super::*;
use crate::world::World;
use hagaki::domain::time::Zone;
use hagaki::store::{audit, inbox, study};
use hagaki::workflow::life;

pub(super) const MARKS: [&str; 3] = ["ZQPLACEBO", "ZQLOWER", "ZQHIGHER"];

/// BOREALIS with arms that cannot be overlooked in a letter.
pub(super) fn marked() -> Bundle {
    let mut bundle = samples::borealis();
    for (code, marked) in ["P", "L", "H"].into_iter().zip(MARKS) {
        bundle = edited(&bundle, "study.toml", &format!("code = \"{code}\""), &format!("code = \"{marked}\""));
        bundle = edited(&bundle, "allocation.toml", &format!("code = \"{code}\""), &format!("code = \"{marked}\""));
        bundle = edited(&bundle, "kits.csv", &format!(",{code}\n"), &format!(",{marked}\n"));
    }
    bundle
}

/// Enrolls subjects `Y-0100 …` of site 011 until `count` mails were sent; the reasons.
async fn enroll_many(center: &mut Center, count: usize) -> Vec<String> {
    let mut reasons = Vec::new();
    for number in 0..count {
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{:04}", 100 + number)))).await;
        reasons.push(reason(center).await);
        center.wind(60);
    }
    reasons
}

/// The day so many days from the center's today, in Japan.
fn today_and(days: i64) -> String {
    crate::world::NOW.plus_seconds(days * 24 * 3600).day_in(Zone::find("Asia/Tokyo").unwrap()).to_string()
}

stories! {
    async fn a_question_is_answered_for_the_subject_it_names(center: &mut Center) {
        aurora(center).await;
        for number in 1..=3 {
            center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")))).await;
        }
        for (subject, body) in [
            ("照会", "subject: AURORA-0001\n"),
            ("status", "症例番号：ＡＵＲＯＲＡ－０００１\n"),
            ("照会", "症例番号: Y-0001\n"),
            ("照会", "AURORA-0001\n"),
            ("照会", "お世話になっております。AURORA-0001の登録状況を教えてください。\n"),
            ("照会", "識別番号: Y-0001\n"),
            ("照会 Y-0002", "症例番号: AURORA-0001\n"),
            ("照会 AURORA-0001", ""),
        ] {
            let status = center.answer(&DR_YAMADA.writes(subject, body)).await;
            assert_eq!(status.kind, "status-open", "{subject} {body}");
            assert!(status.subject.contains("AURORA-0001"), "{subject} {body}: {}", status.text);
            assert!(status.text.contains("お問い合わせの症例"), "{}", status.text);
        }
        // Who names none is told of their latest, as that.
        let latest = center.answer(&DR_YAMADA.writes("照会", "")).await;
        assert!(latest.subject.contains("AURORA-0003"), "{}", latest.subject);
        assert!(latest.text.contains("最後に登録された症例") && !latest.text.contains("お問い合わせの症例"), "{}", latest.text);
        // Of several none is taken.
        for body in ["症例番号: AURORA-0001\n症例番号: AURORA-0002\n", "AURORA-0001, AURORA-0002\n"] {
            let several = center.answer(&DR_YAMADA.writes("照会", body)).await;
            assert_eq!(several.kind, "status-unknown", "{}", several.text);
            assert!(several.text.contains("AURORA-0001, AURORA-0002"), "{}", several.text);
        }
    }

    async fn dr_yamada_enrolls_in_the_open(center: &mut Center) {
        aurora(center).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let letters = center.exchange(&mail).await;
        assert_eq!(kinds(&letters), [
            ("assignment-open", DR_YAMADA.address),
            ("notice-open", CENTER),
            ("notice-open", STATISTICIAN),
        ]);
        let arm = center.arms("aurora").await.remove(0);
        let answer = letters.iter().find(|letter| letter.to == DR_YAMADA.address).unwrap();
        assert_eq!(answer.in_reply_to, mail.message_id);
        assert!(answer.text.contains(&format!("({arm})")) && answer.text.contains("AURORA-0001"), "{}", answer.text);
        assert!(!answer.subject.contains(&arm) && !answer.subject.contains("TEST"), "{}", answer.subject);
        assert_eq!(answer.reply_to, "reg+aurora@example.jp");
        assert_eq!(center.lying_in(".Processed"), 1);
    }

    async fn a_line_that_was_not_used_is_told_once(center: &mut Center) {
        aurora(center).await;
        let form = format!("{}\n血液型: AB\n", aurora_form("011", "Y-0031"));
        let mail = DR_YAMADA.writes("登録", &form);
        let letters = center.exchange(&mail).await;
        let told: Vec<_> = letters.iter().filter(|letter| letter.text.contains("- 血液型 … AB")).collect();
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].kind.as_str(), told[0].to.as_str()), ("assignment-open", DR_YAMADA.address));
        let again = center.answer(&mail.anew()).await;
        assert!(again.kind == "duplicate-open" && !again.text.contains("血液型"), "{}", again.text);
    }

    async fn a_line_that_was_not_used_is_told_before_confirming(center: &mut Center) {
        center.activate(&confirming(), Stage::Production).await;
        let form = format!("{}\n血液型: AB\n", aurora_form("011", "Y-0031"));
        let asked = center.answer(&DR_YAMADA.writes("登録", &form)).await;
        assert!(asked.kind == "confirm" && asked.text.contains("- 血液型 … AB"), "{}", asked.text);
    }

    async fn nobody_blinded_reads_of_an_arm(center: &mut Center) {
        let bundle = marked();
        center.activate(&bundle, Stage::Production).await;
        let mut seen = std::collections::BTreeSet::new();
        for number in 1..=12 {
            let mail = DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")));
            let letters = center.exchange(&mail).await;
            assert_eq!(kinds(&letters), [
                ("assignment-blinded", DR_KOBAYASHI.address),
                ("notice-blind", OFFICE),
                ("notice-unblinded", PHARMACY),
                ("notice-unblinded", BLIND_STATISTICIAN),
            ]);
            let (_, arm, kit) = center.enrolled("borealis").await.pop().unwrap();
            let kit = kit.unwrap();
            for letter in &letters {
                let told = letter.everything.contains(&arm);
                let may = letter.to == PHARMACY || letter.to == BLIND_STATISTICIAN;
                assert_eq!(told, may, "{} of {arm}:\n{}", letter.to, letter.text);
                let wants_kit = letter.to == DR_KOBAYASHI.address || letter.to == PHARMACY;
                assert!(!wants_kit || letter.text.contains(&kit), "{} does not read of kit {kit}", letter.to);
            }
            seen.insert(arm);
        }
        assert_eq!(seen.len(), 3, "each arm was given: {seen:?}");
        // Nor from any other answer: again, status, conflict, a fault.
        let again = DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"));
        let others = [
            again.clone(),
            again.mended("1985-04-12", "1985-04-13"),
            again.mended("101-001", "???"),
            DR_KOBAYASHI.writes("状況 101-002", ""),
        ];
        for mail in others {
            let answer = center.answer(&mail).await;
            assert!(MARKS.iter().all(|mark| !answer.everything.contains(mark)), "{}", answer.text);
        }
    }

    async fn a_receipt_does_not_tell_the_arm_to_who_tries_them_all(center: &mut Center) {
        center.activate(&samples::borealis(), Stage::Production).await;
        for number in 1..=3 {
            center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")))).await;
        }
        let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        let letters = center.all_letters().await;
        let mut salts = std::collections::BTreeSet::new();
        for entry in audit::list(center.store(), row.id, 0, 100).await.unwrap() {
            if entry.action != "enroll" {
                continue;
            }
            let body: serde_json::Value = serde_json::from_str(&entry.body).unwrap();
            let salt = body["salt"].as_str().unwrap().to_owned();
            assert_eq!(salt.len(), 32);
            assert!(letters.iter().all(|letter| !letter.everything.contains(&salt)));
            // The arm is in the entry; what keeps it from being found by trying is the salt in front of the digest.
            assert!(body["allocation"]["arm"].is_string());
            salts.insert(salt);
        }
        assert_eq!(salts.len(), 3);
    }

    async fn a_faulty_form_comes_back_and_is_mended(center: &mut Center) {
        aurora(center).await;
        let faulty = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031").replace("年齢: 58", "年齢: 5x"));
        let answer = center.answer(&faulty).await;
        assert_eq!(answer.kind, "refusal");
        assert!(answer.text.contains("年齢: 5x") && answer.text.contains('▲'), "{}", answer.text);
        assert!(center.enrolled("aurora").await.is_empty());
        // The answer is sent back as a mail program quotes nothing: the form with one line mended.
        let form: String = answer.text.lines().skip_while(|line| !line.starts_with("施設コード")).fold(
            String::new(),
            |form, line| form + line + "\n",
        );
        let mended = Mail { body: form.replace("年齢: 5x", "年齢: 58"), ..faulty.anew() };
        let letters = center.exchange(&mended).await;
        assert_eq!(letters.iter().filter(|letter| letter.kind == "assignment-open").count(), 1, "{:?}", kinds(&letters));
    }

    async fn reply_is_pressed_and_the_form_mended_in_the_quotation(center: &mut Center) {
        aurora(center).await;
        let faulty = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031").replace("年齢: 58", "年齢: 5x"));
        let answer = center.answer(&faulty).await;
        let quoted = answer.text.replace("年齢: 5x", "年齢: 58").lines().fold(String::new(), |text, line| text + "> " + line + "\n");
        let body = format!("直しました。山田\n\n2026年11月20日 9:00 データセンター <reg@example.jp>:\n{quoted}");
        let reply = Mail { subject: format!("Re: {}", answer.subject), body, ..faulty.anew() };
        // A stranger's quotation is no data: only what answers a letter of ours is looked into.
        let stray = center.answer(&reply.clone().anew()).await;
        assert_eq!(stray.kind, "refusal");
        let reply = reply.to(&answer.reply_to).with(&format!("In-Reply-To: <{}>", answer.message_id.trim_matches(['<', '>'])));
        let letters = center.exchange(&reply).await;
        assert_eq!(reason(center).await, "enrolled", "{}", reply.body);
        assert_eq!(letters.iter().filter(|letter| letter.kind == "assignment-open").count(), 1, "{:?}", kinds(&letters));
        assert_eq!(center.enrolled("aurora").await.len(), 1);
    }

    async fn a_refused_mail_consumes_no_draw(center: &mut Center) {
        let other = World::open(center.store().engine()).await.unwrap();
        let mut other = Center::open(other).await;
        let (one, same) = (
            center.activate(&samples::aurora(), Stage::Production).await,
            other.activate(&samples::aurora(), Stage::Production).await,
        );
        assert_eq!(one.secret_digest, same.secret_digest, "seeded dice make the same secret");
        for number in 0..8 {
            let good = DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")));
            other.exchange(&good).await;
            // Here each is preceded by what cannot be enrolled.
            center.exchange(&good.mended("年齢: 58", "年齢: 12")).await;
            assert!(reason(center).await.contains("not-eligible"), "{}", reason(center).await);
            center.exchange(&good.mended("病期: III", "病期: 9")).await;
            center.exchange(&good.mended("施設コード: 011", "施設コード: 012")).await;
            assert_eq!(center.enrolled("aurora").await.len(), number);
            center.exchange(&good).await;
            center.exchange(&good.anew()).await;
            center.wind(1800);
        }
        assert_eq!(center.arms("aurora").await, other.arms("aurora").await);
        other.finish().await;
    }

    async fn the_same_mail_acts_once(center: &mut Center) {
        aurora(center).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        for _ in 0..10 {
            center.deliver(&mail);
        }
        center.quiet().await;
        let letters = center.arrived().await;
        let arm = center.arms("aurora").await;
        assert_eq!(arm.len(), 1);
        let answers: Vec<_> = letters.iter().filter(|letter| letter.to == DR_YAMADA.address).collect();
        assert_eq!(answers.len(), 10, "every copy is answered");
        assert!(answers.iter().all(|letter| letter.text.contains(&format!("({})", arm[0]))), "and alike");
        assert_eq!(answers.iter().filter(|letter| letter.kind == "assignment-open").count(), 1);
        assert_eq!(answers.iter().filter(|letter| letter.kind == "duplicate-open").count(), 9);
        assert_eq!(letters.len(), 12, "notices go out once: {:?}", kinds(&letters));
        // And once more later, after a restart.
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        assert_eq!(center.answer(&mail).await.kind, "duplicate-open");
        assert_eq!(reason(center).await, "same-message");
        assert_eq!(center.arms("aurora").await, arm);
    }

    async fn a_refusal_is_repeated_for_each_copy(center: &mut Center) {
        aurora(center).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031").replace("年齢: 58", "年齢: 12"));
        let first = center.answer(&mail).await;
        let second = center.answer(&mail).await;
        assert_eq!((first.kind.as_str(), &first.text), (second.kind.as_str(), &second.text));
        assert_ne!(first.message_id, second.message_id);
    }

    async fn the_same_data_again_is_a_duplicate_and_other_data_a_conflict(center: &mut Center) {
        aurora(center).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        center.exchange(&mail).await;
        let before = center.enrolled("aurora").await;
        let again = center.answer(&mail.mended("識別番号: Y-0031", "識別番号: ｙ－００３１")).await;
        assert_eq!((again.kind.as_str(), reason(center).await.as_str()), ("duplicate-open", "duplicate"));
        let conflict = center.answer(&mail.mended("病期: III", "病期: IV")).await;
        assert_eq!((conflict.kind.as_str(), reason(center).await.as_str()), ("conflict", "conflict"));
        assert_eq!(center.enrolled("aurora").await, before, "nothing was changed");
        // A Message-ID that comes again with other words is not believed.
        let reused = Mail { body: mail.body.replace("Y-0031", "Y-0032"), ..mail };
        center.deliver(&reused);
        center.quiet().await;
        assert_eq!(reason(center).await, "message-id-reused");
        assert_eq!(kinds(&center.arrived().await), [("quarantine-notice", CENTER)]);
        assert_eq!(center.enrolled("aurora").await, before);
    }

    async fn a_copy_to_another_study_is_a_request_of_its_own(center: &mut Center) {
        aurora(center).await;
        let other = edited(&samples::aurora(), "study.toml", "slug = \"aurora\"", "slug = \"zephyr\"");
        let other = edited(&other, "study.toml", "tag = \"AURORA\"", "tag = \"ZEPHYR\"");
        center.activate(&other, Stage::Production).await;
        let mail = Mail { subject: "登録".into(), ..DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")) };
        let first = center.answer(&mail.clone().to("reg+aurora@example.jp")).await;
        assert!(first.subject.contains("[AURORA]") && first.text.contains("AURORA-0001"), "{}", first.text);
        let second = center.answer(&mail.clone().to("reg+zephyr@example.jp")).await;
        assert_eq!((second.kind.as_str(), reason(center).await.as_str()), ("assignment-open", "enrolled"));
        assert!(second.subject.contains("[ZEPHYR]") && second.text.contains("ZEPHYR-0001"), "{}", second.text);
        // And each of them acts once.
        for (to, number) in [("reg+aurora@example.jp", "AURORA-0001"), ("reg+zephyr@example.jp", "ZEPHYR-0001")] {
            let again = center.answer(&mail.clone().to(to)).await;
            assert_eq!((again.kind.as_str(), reason(center).await.as_str()), ("duplicate-open", "same-message"));
            assert!(again.text.contains(number), "{}", again.text);
        }
        assert_eq!((center.enrolled("aurora").await.len(), center.enrolled("zephyr").await.len()), (1, 1));
    }

    async fn what_was_rehearsed_is_not_answered_for_in_production(center: &mut Center) {
        let bundle = samples::aurora();
        center.activate(&bundle, Stage::Development).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let rehearsed = center.answer(&mail).await;
        assert!(rehearsed.subject.contains("TEST"), "{}", rehearsed.subject);
        center.activate(&bundle, Stage::Production).await;
        let real = center.answer(&mail).await;
        assert_eq!((real.kind.as_str(), reason(center).await.as_str()), ("assignment-open", "enrolled"));
        assert!(!real.subject.contains("TEST"), "{}", real.subject);
    }

    async fn a_person_can_release_a_message_id_that_was_used_before(center: &mut Center) {
        aurora(center).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        center.exchange(&mail).await;
        let other = Mail { body: mail.body.replace("Y-0031", "Y-0032"), ..mail };
        for copy in 0..2 {
            center.deliver(&other);
            center.quiet().await;
            assert_eq!(reason(center).await, "message-id-reused");
            center.arrived().await;
            let held = center.last_mail().await.id;
            let mut tx = center.store().begin().await.unwrap();
            assert!(inbox::release(&mut tx, held, "operator:sato").await.unwrap());
            tx.commit().await.unwrap();
            let answer = center.settle().await.remove(0);
            let expected = if copy == 0 { ("assignment-open", "enrolled") } else { ("duplicate-open", "same-message") };
            assert_eq!((answer.kind.as_str(), reason(center).await.as_str()), expected);
            assert!(answer.text.contains("AURORA-0002"), "{}", answer.text);
        }
        assert_eq!(center.enrolled("aurora").await.len(), 2);
    }

    async fn notes_are_stored_whole(center: &mut Center) {
        aurora(center).await;
        let form = format!("{}\n備考: 一行目\n二行目\n  三行目\n\n山田", aurora_form("011", "Y-0031"));
        center.exchange(&DR_YAMADA.writes("登録", &form)).await;
        let (subject, ..) = center.enrolled("aurora").await.remove(0);
        assert!(subject.answers.contains("一行目\\n二行目\\n三行目"), "{}", subject.answers);
    }

    async fn who_may_not_is_told_so(center: &mut Center) {
        aurora(center).await;
        let good = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        for (mail, why) in [
            (good.mended("年齢: 58", "年齢: 12"), "not-eligible:adult"),
            (good.mended("ECOG PS: 1", "ECOG PS: 4"), "not-eligible:fit"),
            (good.mended("施設コード: 011", "施設コード: 999"), "site"),
            (good.mended("施設コード: 011", "施設コード: 012"), "site-not-theirs"),
            (Mail { from: STATISTICIAN.to_owned(), ..good.anew() }, "no-role"),
        ] {
            let answer = center.answer(&mail).await;
            assert_eq!(answer.kind, "refusal", "{why}");
            assert!(reason(center).await.contains(why), "{why}: {}", reason(center).await);
        }
        assert!(center.enrolled("aurora").await.is_empty());
    }

    async fn the_whole_study_is_capped(center: &mut Center) {
        center.activate(&capped("total = 240", "total = 3"), Stage::Production).await;
        let reasons = enroll_many(center, 5).await;
        assert_eq!(reasons, ["enrolled", "enrolled", "enrolled", "study-full", "study-full"]);
        // Whoever is on file is answered all the same.
        let again = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0101"));
        assert_eq!(center.answer(&again).await.kind, "duplicate-open");
    }

    async fn a_site_is_capped(center: &mut Center) {
        center.activate(&capped("total = 240", "total = 240\nsite = { 011 = 2 }"), Stage::Production).await;
        assert_eq!(enroll_many(center, 3).await, ["enrolled", "enrolled", "site-full"]);
        let elsewhere = DR_MILLER.writes("enroll", &aurora_form("021", "M-0001"));
        center.exchange(&elsewhere).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn a_site_enrolls_between_its_days(center: &mut Center) {
        let (yesterday, tomorrow) = (today_and(-1), today_and(1));
        let with = |days: &str| edited(&samples::aurora(), "study.toml", "code = \"011\"\n", &format!("code = \"011\"\n{days}\n"));
        center.activate(&with(&format!("opens = {tomorrow}\ncloses = \"{tomorrow}\"")), Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0100"));
        let refusal = center.answer(&mail).await;
        assert_eq!(reason(center).await, "site-not-open");
        assert!(refusal.text.contains(&format!("{tomorrow} に始まります")), "{}", refusal.text);
        assert!(!refusal.text.contains(&yesterday));
        center.wind(24 * 3600);
        assert_eq!(enroll_many(center, 1).await, ["enrolled"]);
        center.wind(24 * 3600);
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0102"))).await;
        assert_eq!(reason(center).await, "site-closed");
        // Whoever is on file is answered all the same, and other sites go on.
        let again = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0100"));
        assert_eq!(center.answer(&again).await.kind, "duplicate-open");
        center.exchange(&DR_MILLER.writes("enroll", &aurora_form("021", "M-0001"))).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn an_arm_is_capped_and_closes_for_all(center: &mut Center) {
        center.activate(&capped("total = 240", "total = 240\narms = { STD = 2 }"), Stage::Production).await;
        let reasons = enroll_many(center, 12).await;
        let first = reasons.iter().position(|reason| reason == "arm-full").unwrap();
        assert!(reasons[first..].iter().all(|reason| reason == "arm-full"), "{reasons:?}");
        let arms = center.arms("aurora").await;
        assert_eq!(arms.iter().filter(|arm| *arm == "STD").count(), 2, "{arms:?}");
        assert_eq!(arms.last().unwrap(), "STD", "the last place of the arm was given before anything closed");
    }

    async fn a_stratum_is_capped(center: &mut Center) {
        let bundle = edited(&samples::borealis(), "allocation.toml", "total = 96", "total = 96\nstratum = 2");
        center.activate(&bundle, Stage::Production).await;
        let mut reasons = Vec::new();
        for number in 1..=3 {
            center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")))).await;
            reasons.push(reason(center).await);
        }
        assert_eq!(reasons, ["enrolled", "enrolled", "stratum-full"]);
        let severe = borealis_form("101", "101-009").replace("score: 19", "score: 24");
        center.exchange(&DR_KOBAYASHI.writes("登録", &severe)).await;
        assert_eq!(reason(center).await, "enrolled", "another stratum is open");
    }

    async fn an_imported_list_is_used_up_and_prolonged(center: &mut Center) {
        let settings = "method = \"list\"\narms = [{ code = \"P\" }, { code = \"L\" }, { code = \"H\" }]\n\
            factors = [{ id = \"site\" }, { id = \"severity\", levels = [\"moderate\", \"severe\"] }]\n\
            strata = [\"site\", \"severity\"]\n[list]\nfile = \"list.csv\"\n";
        let list = "site,severity,arm\n101,moderate,L\n101,severe,H\n101,moderate,P\n102,severe,P\n";
        let bundle = with_file(&with_file(&samples::borealis(), "allocation.toml", settings), "list.csv", list);
        center.activate(&bundle, Stage::Production).await;
        let severe = |form: String| form.replace("score: 19", "score: 24");
        let mut reasons = Vec::new();
        for number in 1..=3 {
            center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")))).await;
            reasons.push(reason(center).await);
        }
        assert_eq!(reasons, ["enrolled", "enrolled", "stratum-full"]);
        center.exchange(&DR_KOBAYASHI.writes("登録", &severe(borealis_form("101", "101-009")))).await;
        assert_eq!(reason(center).await, "enrolled", "another stratum has a place left");
        assert_eq!(center.arms("borealis").await, ["L", "P", "H"]);
        // More lines at the end, and the study goes on where it was.
        let longer = with_file(&bundle, "list.csv", &format!("{list}101,moderate,H\n"));
        let amend = async |bundle: &Bundle| {
            center.amend(bundle, center.act("list prolonged")).await
        };
        let other = with_file(&bundle, "list.csv", &list.replace("moderate,P", "moderate,H"));
        let refused = amend(&other).await;
        assert!(matches!(refused, Err(life::LifeError::Refused(life::Refusal::Scheme(_)))), "{refused:?}");
        amend(&longer).await.unwrap();
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-003"))).await;
        assert_eq!(center.arms("borealis").await, ["L", "P", "H", "H"]);
    }

    async fn when_one_arms_kits_are_gone_nobody_is_enrolled(center: &mut Center) {
        let mut kits = "code,arm\n".to_owned();
        for (place, (code, arm)) in samples::borealis()
            .file("kits.csv")
            .unwrap()
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(','))
            .enumerate()
        {
            // One kit of P, plenty of the others.
            let p_before = kits.matches(",P\n").count();
            if place < 60 && !(arm == "P" && p_before == 1) {
                kits.push_str(&format!("{code},{arm}\n"));
            }
        }
        let bundle = with_file(&samples::borealis(), "kits.csv", &kits);
        center.activate(&bundle, Stage::Production).await;
        let mut reasons = Vec::new();
        for number in 1..=12 {
            center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")))).await;
            reasons.push(reason(center).await);
        }
        let first = reasons.iter().position(|reason| reason == "no-kits").unwrap();
        assert!(first > 0 && reasons[first..].iter().all(|reason| reason == "no-kits"), "{reasons:?}");
        let arms = center.arms("borealis").await;
        assert_eq!(arms.iter().filter(|arm| *arm == "P").count(), 1, "{arms:?}");
        assert_eq!(arms.last().unwrap(), "P");
    }

    async fn a_registry_numbers_and_draws_nothing(center: &mut Center) {
        let bundle = with_file(
            &edited(&samples::aurora(), "study.toml", "[[arms]]\ncode = \"STD\"", "[[arms]]\ncode = \"STD\""),
            "allocation.toml",
            "method = \"none\"\n[caps]\ntotal = 3\nsite = { 011 = 2 }\n",
        );
        center.activate(&bundle, Stage::Production).await;
        let letters = center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        assert_eq!(kinds(&letters), [
            ("notice-blind", CENTER),
            ("notice-blind", STATISTICIAN),
            ("registration-done", DR_YAMADA.address),
        ]);
        for (mail, why) in [
            (DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001")), "duplicate"),
            (DR_YAMADA.writes("登録", &aurora_form("011", "Y-0002")), "enrolled"),
            (DR_YAMADA.writes("登録", &aurora_form("011", "Y-0003")), "site-full"),
            (DR_MILLER.writes("enroll", &aurora_form("021", "M-0001")), "enrolled"),
            (DR_MILLER.writes("enroll", &aurora_form("021", "M-0002")), "study-full"),
        ] {
            center.exchange(&mail).await;
            assert_eq!(reason(center).await, why);
        }
        assert_eq!(center.arms("aurora").await, ["", "", ""]);
        // An amendment says what its caps end, or leave ended.
        for (caps, told) in [
            ("total = 2\nsite = { 011 = 2 }", "still: 3 are enrolled and the cap in all is 2: nobody more is taken"),
            ("total = 9\nsite = { 011 = 1 }", "still: 2 are enrolled at site 011 and its cap is 1: nobody more is taken there"),
            ("total = 9\nsite = { 021 = 1 }", "at once: 1 are enrolled at site 021 and its cap is 1: nobody more is taken there"),
            ("total = 9", "cap in all: 9 instead of 3"),
        ] {
            let other = edited(&bundle, "allocation.toml", "total = 3\nsite = { 011 = 2 }", caps);
            let (_, lines) = center.foresee(&other, center.act("look")).await.unwrap();
            assert_eq!(lines[0], told, "{lines:?}");
        }
    }
}
