//! A study's life: rehearsed, purged, put into production, paused, amended, closed.

use hagaki::store::study::State;
use hagaki::store::{inbox, study};
use hagaki::workflow::Failure;
use hagaki::workflow::ledger::Ledger;
use hagaki::workflow::life::{self, LifeError, Refusal};

use super::*;

async fn turn(center: &mut Center, state: State) {
    center.wind(1);
    life::set_state(center.store(), "aurora", state, center.act("the committee decided")).await.unwrap();
}

async fn amend(center: &mut Center, bundle: &Bundle, why: &str) -> Result<i64, LifeError> {
    center.wind(1);
    life::amend(center.store(), bundle, &defined(bundle), center.act(why)).await.map(|done| done.version)
}

stories! {
    async fn paused_resumed_and_closed(center: &mut Center) {
        aurora(center).await;
        let form = |number: u32| DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")));
        center.exchange(&form(1)).await;
        turn(center, State::Paused).await;
        let paused = form(2);
        assert_eq!(center.answer(&paused).await.kind, "refusal");
        assert_eq!(reason(center).await, "paused");
        assert_eq!(center.answer(&form(1)).await.kind, "duplicate-open", "what was enrolled is told while paused");
        turn(center, State::Open).await;
        center.exchange(&paused.anew()).await;
        assert_eq!(reason(center).await, "enrolled");
        turn(center, State::Closed).await;
        center.exchange(&form(3)).await;
        assert_eq!(reason(center).await, "closed");
        let again = life::set_state(center.store(), "aurora", State::Open, center.act("regret")).await;
        assert!(matches!(again, Err(LifeError::Refused(Refusal::Closed(_)))), "{again:?}");
        assert_eq!(center.enrolled("aurora").await.len(), 2);
    }

    async fn enrollment_ends_and_everything_else_goes_on(center: &mut Center) {
        center.activate(&super::enrolling::marked(), Stage::Production).await;
        let form = |number: u32| DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")));
        center.exchange(&form(1)).await;
        center.wind(1);
        let end = |center: &Center, ended, why: &'static str| {
            let (store, act) = (center.store().clone(), center.act(why));
            async move { life::set_enrollment(&store, "borealis", ended, act).await }
        };
        assert!(matches!(end(center, true, " ").await, Err(LifeError::Refused(Refusal::NoReason))));
        assert!(matches!(end(center, false, "why").await, Err(LifeError::Refused(Refusal::Unchanged))));
        end(center, true, "all are in").await.unwrap();
        assert!(matches!(end(center, true, "twice").await, Err(LifeError::Refused(Refusal::Unchanged))));
        // Whoever asks to enroll is told; the same again is told what was.
        let late = form(2);
        let answer = center.answer(&late).await;
        assert_eq!((answer.kind.as_str(), reason(center).await.as_str()), ("refusal", "enrollment-ended"));
        assert!(answer.text.contains("症例登録は締め切りました"), "{}", answer.text);
        assert_eq!(center.answer(&form(1)).await.kind, "duplicate-blinded");
        // A pause beside it changes neither what is said nor what is over.
        life::set_state(center.store(), "borealis", State::Paused, center.act("audit")).await.unwrap();
        center.answer(&late.anew()).await;
        assert_eq!(reason(center).await, "enrollment-ended");
        life::set_state(center.store(), "borealis", State::Open, center.act("audited")).await.unwrap();
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
        end(center, false, "ten more are wanted").await.unwrap();
        center.exchange(&late.anew()).await;
        assert_eq!(reason(center).await, "enrolled");
        center.assert_proved().await;
        life::set_state(center.store(), "borealis", State::Closed, center.act("done")).await.unwrap();
        assert!(matches!(end(center, true, "late").await, Err(LifeError::Refused(Refusal::Closed(_)))));
    }

    async fn a_rehearsal_says_test_and_is_purged(center: &mut Center) {
        let rehearsal = center.activate(&samples::borealis(), Stage::Development).await;
        let form = DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"));
        let letters = center.exchange(&form).await;
        assert_eq!(letters.len(), 4);
        for letter in &letters {
            assert!(letter.subject.contains("TEST") && letter.text.contains("TEST"), "{}\n{}", letter.subject, letter.text);
        }
        life::set_enrollment(center.store(), "borealis", true, center.act("tried")).await.unwrap();
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
        life::amend(center.store(), &older, &defined(&older), center.act("protocol 1.2")).await.unwrap();
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
