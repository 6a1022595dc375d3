//! Forms that the staff begin, keep and send another time.

use std::sync::Arc;

use super::cases::{REGISTRATION, Visit};
use super::members::{PASSWORD, serve, sign_in};
use super::*;
use crate::chromium::{self, Chromium};

const YAMADA: &str = "yamada@example.jp";
const SUZUKI: &str = "suzuki@example.jp";
const NEW: &str = "/c/aurora/new";
const WEEK_4: &str = "/c/aurora/1/week_4/visit/new";

stories! {
    async fn a_form_that_was_begun_is_gone_on_with_by_who_began_it(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let suzuki = Visit::begin(center, &pages, "aurora", SUZUKI).await;
        let blank = yamada.see(NEW).await;
        assert!(blank.body.contains("Save and go on later") && !blank.body.contains("This is what you kept"));
        let begun = [("subject_ref", "A-0001"), ("age", "not yet known")];
        let kept = yamada.fill(NEW, &blank, &begun, "keep").await;
        assert!(kept.status == 200 && kept.body.contains("It is kept, but not sent yet"), "{kept:?}");
        assert!(center.enrolled("aurora").await.is_empty());

        // Whoever began it finds it again in their list, in another session; nobody else does, not in the list nor in the form.
        let yamada = Visit::of(&pages, sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie());
        let list = yamada.see("/c/aurora").await;
        assert!(list.body.contains("Begun, not sent yet") && list.body.matches("/c/aurora/new?lang").count() == 2, "{list:?}");
        assert!(!suzuki.see("/c/aurora").await.body.contains("Begun, not sent yet"));
        assert!(!suzuki.see(NEW).await.body.contains("A-0001"));
        let resumed = yamada.see(NEW).await;
        for part in ["This is what you kept", r#"value="A-0001""#, r#"value="not yet known""#] {
            assert!(resumed.body.contains(part), "{part}: {resumed:?}");
        }

        // Two tabs: what was kept in the other is not undone unseen; kept once more, it takes its place.
        let other = yamada.see(NEW).await;
        let first = yamada.fill(NEW, &resumed, &[("age", "57")], "keep").await;
        assert!(first.status == 200 && first.body.contains("It is kept"), "{first:?}");
        let second = yamada.fill(NEW, &other, &[("age", "59")], "keep").await;
        assert!(second.status == 409 && second.body.contains("Something else was kept meanwhile"), "{second:?}");
        assert!(yamada.see(NEW).await.body.contains(r#"value="57""#));
        assert_eq!(yamada.fill(NEW, &second, &[("age", "59")], "keep").await.status, 200);
        assert!(yamada.see(NEW).await.body.contains(r#"value="59""#));

        // Sent, it is over: the next form is blank.
        let resumed = yamada.see(NEW).await;
        let review = yamada.fill(NEW, &resumed, &REGISTRATION, "answer").await;
        assert!(review.body.contains("Is this right?"), "{review:?}");
        assert_eq!(yamada.fill(NEW, &review, &[], "send").await.location(), "/c/aurora/1?lang=en&done=enrolled");
        assert!(!yamada.see("/c/aurora").await.body.contains("Begun, not sent yet"));
        assert!(!yamada.see(NEW).await.body.contains("This is what you kept"));
        center.settle().await;
        center.assert_proved().await;
    }

    async fn a_follow_up_that_was_begun_is_sent_once_or_forgotten(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        let pages = Arc::new(serve(center).await);
        Visit::begin(center, &pages, "aurora", YAMADA).await;
        center.wind(28 * 24 * 3600);
        let yamada = Visit::of(&pages, sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie());
        let visit = [("visit_date", "2026-12-16"), ("weight", "60.0"), ("ecog", "1"), ("treatment_given", "yes")];
        let blank = yamada.see(WEEK_4).await;
        assert_eq!(yamada.fill(WEEK_4, &blank, &visit[..2], "keep").await.status, 200);
        let list = yamada.get("/c/aurora?lang=ja").await;
        assert!(list.body.contains("入力途中のもの（未送信）") && list.body.contains("AURORA-0001"), "{list:?}");

        // Meanwhile the form is filled in by mail or by somebody else: what was kept is still shown, and refused when it is sent.
        let tab = yamada.see(WEEK_4).await;
        assert!(tab.body.contains(r#"value="60.0""#), "{tab:?}");
        let review = yamada.fill(WEEK_4, &tab, &visit, "answer").await;
        assert_eq!(yamada.fill(WEEK_4, &review, &[], "send").await.status, 303);
        // The same page sent once more is the same entry.
        assert_eq!(yamada.fill(WEEK_4, &review, &[], "send").await.status, 303);
        assert_eq!(yamada.get(&format!("{WEEK_4}?lang=en")).await.location(), "/c/aurora/1/week_4/visit/1?lang=en");
        let late = yamada.fill(WEEK_4, &tab, &[("weight", "71.0")], "keep").await;
        assert_eq!(late.status, 200, "{late:?}");
        let kept = yamada.see(WEEK_4).await;
        let other = [("visit_date", "2026-12-16"), ("weight", "71.0"), ("ecog", "1"), ("treatment_given", "yes")];
        let review = yamada.fill(WEEK_4, &kept, &other, "answer").await;
        let told = yamada.fill(WEEK_4, &review, &[], "send").await;
        assert!(told.status == 422 && told.body.contains("is on file already"), "{told:?}");

        // Forgotten, it is gone.
        let gone = yamada.fill(WEEK_4, &kept, &[], "forget").await;
        assert_eq!(gone.location(), format!("{WEEK_4}?lang=en"));
        assert_eq!(yamada.get(&format!("{WEEK_4}?lang=en")).await.location(), "/c/aurora/1/week_4/visit/1?lang=en");
        assert!(!yamada.see("/c/aurora").await.body.contains("Begun, not sent yet"));
        // A correction is kept nowhere.
        let page = yamada.see("/c/aurora/1/week_4/visit/1/correct").await;
        assert!(!page.body.contains("Save and go on later"));
        center.settle().await;
    }

    async fn a_begun_form_is_kept_and_gone_on_with_in_a_browser(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        for (language, width, height) in [("ja", 390, 844), ("en", 1200, 900)] {
            let address = |path: &str| pages.url(&format!("{path}?lang={language}"));
            let (list, new, cookie) = (address("/c/aurora"), address(NEW), yamada.cookie().to_owned());
            let again = tokio::task::spawn_blocking(move || {
                let mut browser = Chromium::start();
                browser.screen(width, height);
                browser.carry(&cookie);
                let name = |page: &str| format!("begun-{language}-{page}");
                browser.open(&new);
                browser.fill(&[("subject_ref", "A-0007"), ("age", "58")], "keep");
                browser.look(&name("1-kept"));
                browser.open(&list);
                browser.look(&name("2-list"));
                browser.press("main .cards a");
                browser.look(&name("3-resumed"));
                let typed = browser.run("document.getElementsByName('subject_ref')[0].value");
                assert_eq!(typed, serde_json::json!("A-0007"));
                browser.fill(&[], "forget");
                browser.run("document.getElementsByName('subject_ref')[0].value")
            });
            assert_eq!(again.await.unwrap(), serde_json::json!(""), "what was forgotten is not brought back");
        }
        assert!(center.enrolled("aurora").await.is_empty());
    }

    async fn what_nobody_goes_on_with_is_forgotten(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let blank = yamada.see(NEW).await;
        let kept = yamada.fill(NEW, &blank, &[("subject_ref", "A-0001")], "keep").await;
        assert!(kept.status == 200 && kept.body.contains("it is kept for 90 days"), "{kept:?}");
        // Whether or not whoever began it comes again.
        for (days, left) in [(89, 1), (2, 0)] {
            center.wind(days * 24 * 3600);
            center.attend().await;
            assert_eq!(center.world.number("SELECT count(*) FROM begun_form").await, left);
        }
        center.settle().await;
    }
}
