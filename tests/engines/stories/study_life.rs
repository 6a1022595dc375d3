//! A study's life: rehearsed, purged, put into production, paused, amended, closed.

use hagaki::store::{audit, inbox, study};
use hagaki::workflow::Failure;
use hagaki::workflow::ending;
use hagaki::workflow::ledger::Ledger;
use hagaki::workflow::life::{self, LifeError, Refusal};

use super::*;

async fn pause(center: &mut Center, paused: bool) -> Result<Stage, LifeError> {
    center.wind(1);
    life::set_paused(center.store(), "aurora", paused, center.act("the committee decided")).await
}

async fn amend(center: &mut Center, bundle: &Bundle, why: &str) -> Result<i64, LifeError> {
    center.wind(1);
    center.amend(bundle, center.act(why)).await.map(|done| done.version)
}

stories! {
    async fn paused_resumed_and_closed(center: &mut Center) {
        aurora(center).await;
        let form = |number: u32| DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")));
        center.exchange(&form(1)).await;
        pause(center, true).await.unwrap();
        let paused = form(2);
        assert_eq!(center.answer(&paused).await.kind, "refusal");
        assert_eq!(reason(center).await, "paused");
        assert_eq!(center.answer(&form(1)).await.kind, "duplicate-open", "what was enrolled is told while paused");
        pause(center, false).await.unwrap();
        center.exchange(&paused.anew()).await;
        assert_eq!(reason(center).await, "enrolled");
        center.close("aurora", "the committee decided").await;
        center.exchange(&form(3)).await;
        assert_eq!(reason(center).await, "closed");
        let again = pause(center, false).await;
        assert!(matches!(again, Err(LifeError::Refused(Refusal::Closed(_)))), "{again:?}");
        let bundle = samples::aurora();
        let begun = life::activate(center.store(), &bundle, &defined(&bundle), Stage::Production, center.act("again"), &*center.dice).await;
        let Err(LifeError::Refused(over @ Refusal::Over(_))) = begun else { panic!("{begun:?}") };
        assert!(!over.to_string().contains("amend") && over.to_string().contains("is closed"), "{over}");
        assert_eq!(center.enrolled("aurora").await.len(), 2);
    }

    async fn enrollment_ends_and_everything_else_goes_on(center: &mut Center) {
        center.activate(&super::enrolling::marked(), Stage::Production).await;
        let form = |number: u32| DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")));
        center.exchange(&form(1)).await;
        center.wind(1);
        let end = async |center: &Center, ended, by, why| center.set_enrollment("borealis", ended, by, why).await;
        assert!(matches!(end(center, true, None, " ").await, Err(LifeError::Refused(Refusal::NoReason))));
        assert!(matches!(end(center, false, None, "why").await, Err(LifeError::Refused(Refusal::Unchanged))));
        let nobody = end(center, true, Some("nobody"), "all are in").await;
        assert!(matches!(nobody, Err(LifeError::Refused(Refusal::Person(_)))), "{nobody:?}");
        assert_eq!(kinds(&center.settle().await), [], "what is refused is told to nobody");
        end(center, true, Some("office"), "all are in").await.unwrap();
        // Everybody on the staff is written to, once.
        let people = defined(&samples::borealis()).people;
        let letters = center.settle().await;
        assert_eq!(letters.len(), people.len(), "{:?}", kinds(&letters));
        for letter in &letters {
            assert_eq!(letter.kind, "enrollment-ended");
            assert!(letter.text.contains("all are in") && !letter.text.contains("TEST"), "{}", letter.text);
        }
        let told = letters.iter().find(|letter| letter.to == DR_KOBAYASHI.address).unwrap();
        for part in ["本研究の症例登録は終了しました", "登録済み　1 例", "・必要な場合の 1 症例の開鍵", "・紛失や破損した薬剤の交換"] {
            assert!(told.text.contains(part), "{part}: {}", told.text);
        }
        assert!(!told.text.contains("運用担当者"), "{}", told.text);
        assert!(matches!(end(center, true, None, "twice").await, Err(LifeError::Refused(Refusal::Unchanged))));
        assert_eq!(kinds(&center.settle().await), []);
        // Whoever asks to enroll is told; the same again is told what was.
        let late = form(2);
        let answer = center.answer(&late).await;
        assert_eq!((answer.kind.as_str(), reason(center).await.as_str()), ("refusal", "enrollment-ended"));
        assert!(answer.text.contains("症例登録は締め切りました"), "{}", answer.text);
        assert_eq!(center.answer(&form(1)).await.kind, "duplicate-blinded");
        // A pause beside it changes neither what is said nor what is over.
        life::set_paused(center.store(), "borealis", true, center.act("audit")).await.unwrap();
        center.answer(&late.anew()).await;
        assert_eq!(reason(center).await, "enrollment-ended");
        life::set_paused(center.store(), "borealis", false, center.act("audited")).await.unwrap();
        center.answer(&late.anew()).await;
        assert_eq!(reason(center).await, "enrollment-ended");
        // Kits, corrections and one subject's arm go on.
        for (what, text, done) in [
            ("キット交換", "症例番号: BOREALIS-0001\n理由: 瓶が割れた\n", "kit-replaced"),
            ("訂正", "症例番号: BOREALIS-0001\n理由: 誤記\n生年月日: 1980-01-02\n", "corrected"),
            ("開鍵", "症例番号: BOREALIS-0001\n理由: 救急搬送\n", "unblinded"),
        ] {
            let asked = center.answer(&DR_KOBAYASHI.writes(what, text)).await;
            assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
            let yes = Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..DR_KOBAYASHI.writes("", "") };
            center.exchange(&yes).await;
            assert_eq!(reason(center).await, done);
        }
        // Reversible until the close.
        end(center, false, None, "ten more are wanted").await.unwrap();
        let letters = center.settle().await;
        assert!(letters.len() == people.len() && letters.iter().all(|letter| letter.kind == "enrollment-reopened"));
        assert!(letters.iter().any(|letter| letter.text.contains("運用担当者")), "nobody of the study was named");
        center.exchange(&late.anew()).await;
        assert_eq!(reason(center).await, "enrolled");
        center.assert_proved().await;
        let letters = center.close("borealis", "done").await;
        assert!(letters.len() == people.len() && letters.iter().all(|letter| letter.kind == "study-closed"));
        let late = end(center, true, None, "late").await;
        assert!(matches!(late, Err(LifeError::Refused(Refusal::Closed(_)))));
        let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
        let by = |action: &str| entries.iter().find(|entry| entry.action == action).unwrap().body.clone();
        assert!(by("end-enrollment").contains(r#""by":"office""#), "{}", by("end-enrollment"));
        assert!(by("close").contains(r#""by":null"#), "{}", by("close"));
    }

    async fn what_waits_for_a_yes_ends_with_the_study_and_facts_go_on(center: &mut Center) {
        center.activate(&super::randomizing::blinded(), Stage::Production).await;
        let form = |number: u32| DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")));
        center.exchange(&form(1)).await;
        center.exchange(&DR_KOBAYASHI.writes("割付", "症例番号: BOREALIS-0001\n効果あり: いいえ\n")).await;
        assert_eq!(reason(center).await, "randomized");
        // A kit and a withdrawal are asked for and not confirmed yet.
        let ask = async |center: &mut Center, what: &str, lines: &str| {
            let asked = center.answer(&DR_KOBAYASHI.writes(what, &format!("症例番号: BOREALIS-0001\n{lines}"))).await;
            assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
            Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..DR_KOBAYASHI.writes("", "") }
        };
        let withdrawn = ask(center, "同意撤回", "理由: 転居\n").await;
        let act = center.act("look");
        let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        let unanswered = ending::unanswered(&center.shelf_on(center.store()), row.id, act).await.unwrap();
        assert_eq!((unanswered.others, unanswered.ending()), (1, 0));
        let kit = ask(center, "キット交換", &format!("キット: {}\n理由: 瓶が割れた\n", center.enrolled("borealis").await[0].2.clone().unwrap())).await;
        let letters = center.close("borealis", "the last visit is done").await;
        for letter in &letters {
            let told = letter.text.contains("（1 件）") || letter.text.contains("wait for a confirmation: 1.");
            assert!(told, "{}", letter.text);
        }
        center.exchange(&kit).await;
        assert_eq!(reason(center).await, "kits:closed");
        // Facts are recorded all the same, and corrections of either form.
        center.exchange(&withdrawn).await;
        assert_eq!(reason(center).await, "withdrawn");
        for lines in ["生年月日: 1980-01-02\n", "効果あり: はい\n"] {
            let yes = ask(center, "訂正", &format!("理由: 誤記\n{lines}")).await;
            center.exchange(&yes).await;
            assert_eq!(reason(center).await, "corrected", "{lines}");
        }
        center.assert_proved().await;
    }

    async fn a_rehearsal_says_test_and_is_purged(center: &mut Center) {
        let rehearsal = center.activate(&samples::borealis(), Stage::Development).await;
        let form = DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"));
        let letters = center.exchange(&form).await;
        assert_eq!(letters.len(), 4);
        for letter in &letters {
            assert!(letter.subject.contains("TEST") && letter.text.contains("TEST"), "{}\n{}", letter.subject, letter.text);
        }
        center.set_enrollment("borealis", true, None, "").await.unwrap();
        let letters = center.settle().await;
        assert!(letters.len() == 6 && letters.iter().all(|letter| letter.kind == "enrollment-ended"), "{:?}", kinds(&letters));
        assert!(letters.iter().all(|letter| letter.text.contains("TEST") && letter.subject.contains("TEST")));
        // A mail that is held is one of the rehearsal's too.
        center.exchange(&form.mended("101-001", "101-002").vouched(Vouched::Nothing)).await;
        let purged = life::purge(center.store(), "borealis", center.act("done"), &*center.dice).await.unwrap();
        assert_eq!(purged, 1);
        assert!(center.enrolled("borealis").await.is_empty());
        for table in ["subject", "allocation", "outbox", "outbox_raw", "pending", "message"] {
            assert_eq!(center.world.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        for mail in inbox::list(center.store(), inbox::Which::All, None, 10).await.unwrap() {
            assert_eq!((mail.person, mail.reading), (None, None), "what the mail said is forgotten");
        }
        // The same mail acts anew.
        let letters = center.exchange(&form).await;
        assert_eq!(letters.iter().filter(|letter| letter.kind == "assignment-blinded").count(), 1);
        let real = center.activate(&samples::borealis(), Stage::Production).await;
        assert_ne!(real.secret_digest, rehearsal.secret_digest);
        center.wind(1);
        let letters = center.exchange(&form.anew()).await;
        let answer = letters.iter().find(|letter| letter.kind == "assignment-blinded").unwrap();
        assert!(answer.text.contains("BOREALIS-0001") && !answer.text.contains("TEST"), "{}", answer.text);
        assert!(!answer.subject.contains("TEST"));
        // The rehearsal that is over can be purged; production cannot.
        life::purge(center.store(), "borealis", center.act("done"), &*center.dice).await.unwrap();
        assert_eq!(center.enrolled("borealis").await.len(), 1);
        let twice = life::activate(
            center.store(),
            &samples::borealis(),
            &defined(&samples::borealis()),
            Stage::Development,
            center.act(""),
            &*center.dice,
        )
        .await;
        assert!(matches!(twice, Err(LifeError::Refused(Refusal::InProduction(_)))), "{twice:?}");
    }

    async fn an_amendment_may_change_everything_but_what_counts_rest_on(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        let scheme = with_file(&samples::aurora(), "allocation.toml", "method = \"simple\"\narms = [{ code = \"STD\" }, { code = \"COMB\" }]\n");
        let refused = amend(center, &scheme, "tuning").await;
        assert!(matches!(refused, Err(LifeError::Refused(Refusal::Scheme(_)))), "{refused:?}");
        let older = edited(&samples::aurora(), "study.toml", "age >= 20", "age >= 70");
        let silent = amend(center, &older, " ").await;
        assert!(matches!(silent, Err(LifeError::Refused(Refusal::NoReason))), "{silent:?}");
        assert_eq!(amend(center, &older, "protocol 1.2").await.unwrap(), 2);
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0002"))).await;
        assert!(reason(center).await.contains("not-eligible:adult"), "{}", reason(center).await);
        let unchanged = amend(center, &older, "again").await;
        assert!(matches!(unchanged, Err(LifeError::Refused(Refusal::Unchanged))), "{unchanged:?}");
        // And its letters are the study's own from then on.
        let worded = with_file(&samples::aurora(), "letters/ja/assignment-open/text.hbs", "お知らせ {{arm.code}} {{subject}}\n");
        assert_eq!(amend(center, &worded, "own words").await.unwrap(), 3);
        let letters = center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0002"))).await;
        let answer = letters.iter().find(|letter| letter.kind == "assignment-open").unwrap();
        assert!(answer.text.contains("お知らせ"), "{}", answer.text);
    }

    async fn what_was_read_before_an_amendment_is_not_decided_after_it(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        let shelf = center.process.desk.shelf.clone();
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let read = shelf.find_by_id(row.id).await.unwrap();
        amend(center, &edited(&samples::aurora(), "study.toml", "age >= 20", "age >= 70"), "protocol 1.2").await.unwrap();
        let mut ledger = Ledger::begin(&shelf).await.unwrap();
        let refused = ledger.lock(&read).await.err();
        assert!(matches!(&refused, Some(Failure::Store(error)) if error.is_transient()), "{refused:?}");
    }

    async fn before_the_first_allocation_the_scheme_may_change(center: &mut Center) {
        aurora(center).await;
        let scheme = capped("p = \"4/5\"", "p = \"3/4\"");
        assert_eq!(amend(center, &scheme, "tuning").await.unwrap(), 2);
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn what_makes_a_subject_the_same_stays_in_a_registry_too(center: &mut Center) {
        let registry = with_file(&samples::aurora(), "allocation.toml", "method = \"none\"\n");
        center.activate(&registry, Stage::Production).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        let wider = edited(&registry, "study.toml", "unique_within = \"site\"", "unique_within = \"study\"");
        let refused = amend(center, &wider, "references are unique").await;
        assert!(matches!(refused, Err(LifeError::Refused(Refusal::SchemeChanged { .. }))), "{refused:?}");
    }

    async fn an_amendment_counts_though_the_clock_went_back(center: &mut Center) {
        aurora(center).await;
        borealis(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        center.wind(-3600);
        let older = edited(&samples::aurora(), "study.toml", "age >= 20", "age >= 70");
        center.amend(&older, center.act("protocol 1.2")).await.unwrap();
        center.wind(LEASE + 1);
        center.recover().await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0002"))).await;
        center.recover().await;
        assert!(reason(center).await.contains("not-eligible:adult"), "{}", reason(center).await);
        center.wind(3600);
        center.recover().await;
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        assert_eq!((row.bundle_version, row.subjects), (2, 1));
    }
}
