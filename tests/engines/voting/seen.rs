//! The ballots as a voter sees them in a real browser: on a phone and a desk, in both languages, with scripts and without, by every method.

use serde_json::json;

use super::pages::{EVERY, opened_kinds, path_of, serve};
use super::*;
use crate::chromium::{self, Chromium};

stories! {
    async fn every_page_of_an_election_can_be_used_by_everybody(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let issued = opened_kinds(center, 4).await;
        let pages = serve(center).await;
        let screens = [("phone", 390, 844), ("desk", 1200, 900)];
        let visits = ["en", "ja"].into_iter().flat_map(|language| screens.map(|screen| (language, screen)));
        for (at, (language, (screen, width, height))) in visits.enumerate() {
            let (url, about) = (pages.url(&format!("{}?lang={language}", path_of(&issued, at))), pages.url(&format!("/e/council?lang={language}")));
            let nowhere = pages.url("/v/nothing");
            let seen = tokio::task::spawn_blocking(move || {
                let mut browser = Chromium::start();
                browser.screen(width, height);
                let name = |page: &str| format!("{language}-{screen}-election-{page}");
                browser.open(&about);
                browser.look(&name("0-about"));
                browser.open(&url);
                browser.look(&name("1-ballot"));
                browser.fill(&[("place:moved:moved-a", "x")], "answer");
                browser.look(&name("2-faulty"));
                browser.fill(&[("place:moved:moved-a", "")], "answer");
                browser.look(&name("3-empty"));
                browser.fill(&[], "send");
                browser.look(&name("4-unasked"));
                browser.fill(&[], "change");
                browser.fill(&EVERY, "answer");
                browser.look(&name("5-check"));
                let check = browser.text();
                browser.fill(&[], "send");
                browser.look(&name("6-receipt"));
                let receipt = browser.text();
                // Nothing of the vote is left for whoever goes back.
                browser.open(&url);
                let again = browser.text();
                browser.open(&nowhere);
                browser.look(&name("7-nowhere"));
                (check, receipt, again)
            });
            let (check, receipt, again) = seen.await.unwrap();
            let (undone, done) = if language == "en" { ("You have not voted yet.", "You have voted") } else { ("まだ投票は済んでいません。", "投票が済みました") };
            assert!(check.contains(undone), "{check}");
            assert!(receipt.contains(done) && again.contains(done), "{receipt} {again}");
        }
        assert_eq!(center.world.number("SELECT count(*) FROM voted").await, 4);
    }

    async fn votes_are_cast_without_scripts(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let issued = opened_kinds(center, 1).await;
        let pages = serve(center).await;
        let url = pages.url(&format!("{}?lang=en", path_of(&issued, 0)));
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.without_scripts();
            browser.screen(390, 844);
            browser.open(&url);
            browser.fill(&EVERY, "answer");
            // Enter in a field casts nothing: the first button of the form leads to this page again.
            let first = browser.run("document.querySelector('button[form=answers], #answers button').value");
            assert_eq!(first, json!("answer"));
            browser.fill(&[], "send");
            browser.text()
        });
        let receipt = seen.await.unwrap();
        assert!(receipt.contains("Your vote is in, and counts."), "{receipt}");
        assert_eq!(center.world.number("SELECT count(*) FROM urn").await, 1);
    }
}
