//! The diary as a participant sees it in a real browser, and the cases as a physician does, on a phone and on a desk, in both languages.

use hagaki::workflow::life;

use super::survey::{begun, begun_for_one, once, responses};
use super::*;
use crate::chromium::{self, Chromium};

stories! {
    async fn every_page_can_be_used_by_everybody(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let bundle = edited(&unscheduled(&samples::wellbeing()), "study.toml", "responses = \"repeat\"", "responses = \"once\"\nedit = true");
        let (pages, paths) = begun(center, &bundle, 4).await;
        let screens = [("phone", 390, 844), ("desk", 1200, 900)];
        let visits = ["en", "ja"].into_iter().flat_map(|language| screens.map(|screen| (language, screen)));
        for ((language, (screen, width, height)), path) in visits.zip(&paths) {
            let url = pages.url(&format!("{path}?lang={language}"));
            let (sign_in, nowhere) = (pages.url(&format!("/s/wellbeing?lang={language}")), pages.url("/a/nothing"));
            let seen = tokio::task::spawn_blocking(move || {
                let mut browser = Chromium::start();
                browser.screen(width, height);
                // What looks for barriers finds some where there are some.
                browser.open("data:text/html,<html><body><img src=x><input></body></html>");
                assert!(browser.barriers().as_array().is_some_and(|found| found.len() > 2));
                let name = |page: &str| format!("{language}-{screen}-{page}");
                browser.open(&url);
                browser.look(&name("1-first"));
                browser.fill(&[("mood", "2"), ("pain", "yes")], "answer");
                browser.look(&name("2-faulty"));
                browser.fill(&[("day", "2026-11-01")], "keep");
                browser.look(&name("3-kept"));
                browser.open(&url);
                browser.look(&name("4-kept-before"));
                browser.fill(&[], "answer");
                browser.look(&name("5-pain"));
                browser.fill(&[("where", "head"), ("where", "other")], "answer");
                browser.look(&name("6-pain-faulty"));
                browser.fill(&[("where_other", "left ear")], "answer");
                browser.fill(&[("slept", "20"), ("napped", "6")], "answer");
                browser.look(&name("7-sleep-faulty"));
                browser.fill(&[("slept", "7"), ("napped", "")], "answer");
                browser.look(&name("8-matrix"));
                browser.fill(&[("tired", "1")], "answer");
                browser.look(&name("9-matrix-faulty"));
                browser.fill(&[("worried", "1"), ("met", "3"), ("remark", "one")], "answer");
                browser.look(&name("10-review"));
                browser.fill(&[], "send");
                browser.look(&name("11-thanks"));
                let thanks = browser.text();
                browser.open(&format!("{url}&mend=1"));
                browser.look(&name("12-mending"));
                browser.open(&sign_in);
                browser.look(&name("13-sign-in"));
                browser.open(&nowhere);
                browser.look(&name("14-nowhere"));
                thanks
            });
            let thanks = seen.await.unwrap();
            assert!(thanks.contains(if language == "en" { "Receipt number" } else { "受付番号" }), "{thanks}");
        }
        assert_eq!(responses(center).await.len(), 4);
    }

    async fn what_follows_from_an_answer_is_asked_at_once_and_what_was_typed_outlives_a_reload(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let since = "[[items]]\nid = \"since\"\nkind = \"integer\"\nlabel = { ja = \"何日前から\", en = \"For how many days?\" }\nrequired = true\nwhen = \"pain\"\n\n";
        let before = "# A heading with page = true begins a new page.";
        let bundle = edited(&unscheduled(&samples::wellbeing()), "instruments/weekly.toml", before, &format!("{since}{before}"));
        let bundle = edited(&bundle, "study.toml", "responses = \"repeat\"", "responses = \"once\"");
        let (_pages, url) = begun_for_one(center, &bundle).await;
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.screen(390, 844);
            browser.open(&url);
            let set = |name: &str, value: &str| {
                format!(
                    "(() => {{ const field = document.getElementsByName('{name}')[0]; field.value = '{value}'; \
                     field.dispatchEvent(new Event('input', {{ bubbles: true }})); \
                     field.dispatchEvent(new Event('change', {{ bubbles: true }})) }})()"
                )
            };
            let pain = |value: &str| format!("document.querySelector('[name=pain][value={value}]').click()");
            browser.run(&set("day", "2026-11-01"));
            browser.run(&pain("yes"));
            browser.wait_for("document.getElementById('since') !== null");
            browser.look("script-1-more");
            assert_eq!(browser.run("document.getElementsByName('day')[0].value"), serde_json::json!("2026-11-01"));
            assert_eq!(browser.run("document.getElementById('_news').textContent"), serde_json::json!("A question came up by what you answered."));
            browser.run(&set("since", "3"));
            browser.run(&pain("no"));
            browser.wait_for("document.getElementById('since') === null");
            browser.run(&pain("yes"));
            browser.wait_for("document.getElementById('since') !== null");
            browser.run(&set("since", "4"));
            browser.run("document.querySelector('[name=mood][value=\"7\"]').click()");
            // Long enough for it to be kept.
            browser.wait_for("Object.values(sessionStorage).some(kept => kept.includes('\"mood\",\"7\"'))");
            browser.open(&url);
            browser.wait_for("document.getElementsByName('since')[0]?.value === '4'");
            browser.look("script-2-restored");
            let restored = browser.text();
            browser.fill(&[], "answer");
            browser.fill(&[("where", "head")], "answer");
            browser.fill(&[("slept", "7")], "answer");
            browser.fill(&[("tired", "1"), ("worried", "1"), ("met", "3")], "answer");
            browser.fill(&[], "send");
            let thanks = browser.text();
            (restored, thanks, browser.run("Object.keys(sessionStorage).length"))
        });
        let (restored, thanks, left) = seen.await.unwrap();
        assert!(restored.contains("What you had typed before is here again"), "{restored}");
        assert!(thanks.contains("Receipt number"), "{thanks}");
        assert_eq!(left, serde_json::json!(0), "nothing of it stays in the browser");
        let sent = responses(center).await;
        assert_eq!(sent.len(), 1);
        assert!(sent[0].answers.contains("\"since\":\"4\"") && sent[0].answers.contains("\"day\":\"2026-11-01\""), "{}", sent[0].answers);
    }

    async fn a_browser_without_scripts_goes_the_whole_way(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let (_pages, url) = begun_for_one(center, &samples::wellbeing()).await;
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.screen(390, 844);
            browser.without_scripts();
            // Our script would take this word from the page's tab, and note what is typed.
            browser.open(&url);
            browser.run("sessionStorage.setItem('hagaki probe', '1')");
            browser.fill(&[("day", "2026-11-01"), ("mood", "2"), ("pain", "yes")], "answer");
            assert!(browser.text().contains("Your pain"), "the condition decides the page");
            browser.fill(&[("where", "head")], "answer");
            // Kept, left, and gone on with where it was.
            browser.fill(&[("slept", "7"), ("napped", "1")], "keep");
            assert!(browser.text().contains("Your answers are kept, but not sent yet"), "{}", browser.text());
            browser.open("about:blank");
            browser.open(&url);
            let kept = browser.text();
            assert!(kept.contains("These are the answers you kept"), "{kept}");
            assert_eq!(browser.run("document.getElementsByName('slept')[0].value"), serde_json::json!("7"));
            // Back to the first page: without pain another page follows, and what was asked there is asked no more.
            browser.fill(&[], "back");
            browser.fill(&[], "back");
            browser.fill(&[("pain", "no")], "answer");
            browser.fill(&[("slept", "7"), ("napped", "1")], "answer");
            browser.fill(&[("tired", "1")], "answer");
            assert!(browser.text().contains("Please mend these answers"), "{}", browser.text());
            browser.fill(&[("worried", "1"), ("met", "3"), ("remark", "without scripts")], "answer");
            let review = browser.text();
            assert!(review.contains("Are these your answers?") && !review.contains("Your pain"), "{review}");
            browser.fill(&[], "send");
            let thanks = browser.text();
            // The script of the page would have taken it away with the thanks.
            (thanks, browser.run("sessionStorage.getItem('hagaki probe')"))
        });
        let (thanks, probe) = seen.await.unwrap();
        assert!(thanks.contains("Receipt number") && thanks.contains("You can answer again from"), "{thanks}");
        assert_eq!(probe, serde_json::json!("1"), "a script ran");
        let sent = responses(center).await;
        assert_eq!(sent.len(), 1);
        assert!(sent[0].answers.contains("\"remark\":\"without scripts\"") && !sent[0].answers.contains("where"), "{}", sent[0].answers);
        assert_eq!(center.world.number("SELECT count(*) FROM draft").await, 0);
    }

    async fn a_physician_registers_without_scripts(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        aurora(center).await;
        let pages = std::sync::Arc::new(super::members::serve(center).await);
        let yamada = super::cases::Visit::begin(center, &pages, "aurora", "yamada@example.jp").await;
        let (new, cookie) = (pages.url("/c/aurora/new?lang=en"), yamada.cookie().to_owned());
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.without_scripts();
            browser.carry(&cookie);
            browser.open(&new);
            browser.fill(&[("subject_ref", "A-0777"), ("age", "158")], "answer");
            assert!(browser.text().contains("Please mend these answers"), "{}", browser.text());
            assert_eq!(browser.run("document.getElementsByName('subject_ref')[0].value"), serde_json::json!("A-0777"));
            browser.fill(&[("consent_date", "2026-11-18"), ("age", "58"), ("sex", "M"), ("stage", "III"), ("ecog_ps", "1")], "answer");
            let review = browser.text();
            assert!(review.contains("A-0777") && review.contains("58"), "{review}");
            browser.fill(&[], "send");
            browser.text()
        });
        let case = seen.await.unwrap();
        assert!(case.contains("The case is registered"), "{case}");
        center.settle().await;
        assert_eq!(center.enrolled("aurora").await.len(), 1);
    }

    async fn what_was_typed_stays_in_the_browser_where_nobody_was_let_in(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let (pages, url) = begun_for_one(center, &once()).await;
        let nowhere = pages.url("/a/nothing");
        let (paused, resumed) = (std::sync::mpsc::channel::<()>(), std::sync::mpsc::channel::<()>());
        let (typed, go_on) = (paused.0, resumed.1);
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.open(&url);
            browser.run(
                "(() => { const field = document.getElementsByName('day')[0]; field.value = '2026-11-01'; \
                 field.dispatchEvent(new Event('input', { bubbles: true })) })()",
            );
            browser.wait_for("Object.values(sessionStorage).some(kept => kept.includes('2026-11-01'))");
            typed.send(()).unwrap();
            go_on.recv().unwrap();
            let kept = "Object.values(sessionStorage).some(kept => kept.includes('2026-11-01'))";
            // A page that lets nobody in: what is kept in the tab is not thrown away.
            browser.fill(&[], "answer");
            let held = browser.text();
            browser.look("unsent-paused");
            let kept_when_paused = browser.run(kept);
            browser.open(&nowhere);
            assert!(browser.run("document.querySelector('main > .problem') !== null").as_bool().unwrap());
            (held, kept_when_paused, browser.run(kept))
        });
        tokio::task::spawn_blocking(move || paused.1.recv().unwrap()).await.unwrap();
        life::set_paused(center.store(), "wellbeing", true, center.act("look")).await.unwrap();
        resumed.0.send(()).unwrap();
        let (held, when_paused, when_nowhere) = seen.await.unwrap();
        assert!(held.contains("takes no answers at present") && held.contains("2026-11-01"), "{held}");
        assert_eq!((when_paused, when_nowhere), (serde_json::json!(true), serde_json::json!(true)));
        life::set_paused(center.store(), "wellbeing", false, center.act("looked")).await.unwrap();
    }

    async fn the_pages_of_the_staff_can_be_used_by_everybody(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        aurora(center).await;
        let pages = std::sync::Arc::new(super::members::serve(center).await);
        let yamada = super::cases::Visit::begin(center, &pages, "aurora", "yamada@example.jp").await;
        let opened = yamada.see("/c/aurora").await;
        assert!(opened.body.contains("There is no case yet"));
        let screens = [("phone", 390, 844), ("desk", 1200, 900)];
        let visits = ["en", "ja"].into_iter().flat_map(|language| screens.map(|screen| (language, screen)));
        for (number, (language, (screen, width, height))) in visits.enumerate() {
            let at = |path: &str| pages.url(&format!("{path}?lang={language}"));
            let cookie = yamada.cookie().to_owned();
            let (list, new) = (at("/c/aurora"), at("/c/aurora/new"));
            let own = at(&format!("/c/aurora/{}", number + 1)).replace(&format!("?lang={language}"), "");
            let reference = format!("A-000{number}");
            let seen = tokio::task::spawn_blocking(move || {
                let mut browser = Chromium::start();
                browser.screen(width, height);
                browser.carry(&cookie);
                let name = |page: &str| format!("cases-{language}-{screen}-{page}");
                let here = |rest: &str| format!("{own}{rest}?lang={language}");
                browser.open(&list);
                browser.look(&name("1-list"));
                browser.open(&new);
                browser.fill(&[("age", "158")], "answer");
                browser.look(&name("2-faulty"));
                let filled = [("subject_ref", reference.as_str()), ("consent_date", "2026-11-18"), ("age", "58"), ("sex", "M"), ("stage", "III"), ("ecog_ps", "1")];
                browser.fill(&filled, "answer");
                browser.look(&name("3-review"));
                browser.fill(&[], "send");
                browser.look(&name("4-case"));
                let case = browser.text();
                browser.open(&here("/adverse/adverse_event/new"));
                browser.fill(&[("began_on", "2026-11-18"), ("event_term", "headache"), ("grade", "2"), ("serious", "no")], "answer");
                browser.fill(&[], "send");
                browser.open(&here("/adverse/adverse_event/1/correct"));
                browser.fill(&[("grade", "3")], "answer");
                browser.look(&name("5-no-reason"));
                browser.fill(&[("_reason", "lab values came later")], "answer");
                browser.look(&name("6-changes"));
                browser.fill(&[], "send");
                browser.open(&here("/adverse/adverse_event/1"));
                browser.look(&name("7-history"));
                browser.open(&here("/week_4/visit/new"));
                browser.look(&name("8-visit"));
                browser.open(&here("/correct"));
                browser.look(&name("9-correct"));
                browser.open(&here("/withdraw"));
                browser.look(&name("10-withdraw"));
                browser.open(&list);
                browser.look(&name("11-list"));
                case
            });
            let case = seen.await.unwrap();
            assert!(case.contains(if language == "en" { "The case is registered" } else { "症例を登録しました" }), "{case}");
        }
        center.settle().await;
        assert_eq!(center.enrolled("aurora").await.len(), 4);
    }
}
