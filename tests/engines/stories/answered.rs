//! Who has answered, as the managers of a survey see it: on a page, in every mode, and nobody else.

use std::sync::Arc;

use hagaki::domain::time::Clock;
use hagaki::limits;
use hagaki::store::{participant, roster, study};
use hagaki::workflow::credentials::{self, Change};
use hagaki::workflow::{Means, life};

use super::cases::Visit;
use super::members::{PASSWORD, choose, serve, sign_in};
use super::survey::{invite, link_in, once, with, withdraw};
use super::*;
use crate::chromium::{self, Chromium};

const OFFICE: &str = "wellbeing-office@example.jp";
const PAGE: &str = "/c/wellbeing/participants";

/// The manager, signed in to the page.
pub(super) async fn manager(center: &mut Center, pages: &Arc<crate::browser::Served>, address: &str) -> Visit {
    choose(center, pages, address, PASSWORD).await;
    let entered = sign_in(pages, PAGE, address, PASSWORD).await;
    assert_eq!(entered.location(), format!("{PAGE}?lang=en"));
    Visit::of(pages, entered.cookie())
}

/// WELLBEING with somebody among its people who does not manage it.
fn with_a_monitor(bundle: &Bundle) -> Bundle {
    let mail = "[mail]\naddress";
    let monitor = "[[people]]\nid = \"mori\"\nname = { ja = \"森\", en = \"Mori\" }\naddresses = [\"mori@example.jp\"]\nroles = [\"monitor\"]\n\n";
    edited(bundle, "study.toml", mail, &format!("{monitor}{mail}"))
}

/// Revokes the credential of a participant, or gives it another end.
async fn change(center: &Center, number: i64, change: Change) {
    let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
    let shelf = center.shelf_on(center.store());
    let shelved = shelf.current(row.id, row.bundle_version).await.unwrap();
    let desk = center.process.calendar.desk.clone();
    let means = Means { now: center.clock.now(), dice: &*center.dice, keys: &center.keys, desk: &desk };
    let whose = participant::find_by_number(center.store(), row.id, number).await.unwrap().unwrap();
    assert_eq!(credentials::change(&shelf, &shelved, means, center.act("so"), &whose, change).await.unwrap(), 1);
}

/// The part of a page about one participant.
fn card<'a>(body: &'a str, address: &str) -> &'a str {
    let cards: Vec<&str> = body.split("<li").filter(|card| card.contains(address)).collect();
    assert_eq!(cards.len(), 1, "{address}: {body}");
    cards[0]
}

/// What a count of a page says.
fn count(body: &str, word: &str) -> i64 {
    let rest = body.split(&format!("<dt>{word}</dt><dd>")).nth(1).unwrap_or_else(|| panic!("{word}: {body}"));
    rest.split('<').next().unwrap().parse().unwrap()
}

/// Five are asked: one answers, one withdraws, one's access is over, one's is called back, and one waits.
pub(super) async fn asked(center: &mut Center, bundle: &Bundle) -> Arc<crate::browser::Served> {
    center.activate(bundle, Stage::Production).await;
    let issued = invite(center, 5, None).await;
    center.settle().await;
    let pages = Arc::new(serve(center).await);
    let sent = pages.post(&link_in(issued[0].link.as_deref().unwrap()), &with(&[("_mark", &"ab".repeat(16))])).await;
    assert_eq!(sent.status, 303, "{sent:?}");
    withdraw(center, 2).await;
    change(center, 3, Change::Extend(Some(center.clock.now().plus_seconds(3600)))).await;
    center.wind(2 * 3600);
    change(center, 4, Change::Revoke).await;
    pages
}

stories! {
    async fn a_manager_sees_who_answered_and_nobody_else_does(center: &mut Center) {
        let pages = asked(center, &with_a_monitor(&once())).await;
        // Who is not signed in is sent there to sign in, and no further.
        let first = pages.get(PAGE).await;
        assert_eq!((first.status, first.location()), (303, format!("/sign-in?to={PAGE}")));
        let office = manager(center, &pages, OFFICE).await;
        let page = office.see(PAGE).await;
        for (word, expected) in [
            ("asked", 5), ("answered", 1), ("not answered yet", 1), ("access expired without an answer", 1),
            ("access called back without an answer", 1), ("withdrew without an answer", 1),
        ] {
            assert_eq!(count(&page.body, word), expected, "{word}");
        }
        let today = "2026-11-18";
        for (number, words) in [
            (0, ["answered</strong>", "answered on 2026-11-18"]), (1, ["withdrew", "asked on"]), (2, ["expired", "access until"]),
            (3, ["called back", "asked on"]), (4, ["not answered yet", "asked on"]),
        ] {
            let card = card(&page.body, &format!("p{number}@example.jp"));
            assert!(words.iter().all(|word| card.contains(word)) && card.contains(today), "{card}");
            assert!(card.contains(&format!("P {number}")), "{card}");
        }
        // Nothing of what was answered is there, nor a way to it.
        assert!(!page.body.contains("mood") && !page.body.contains("/a/"), "{page:?}");
        let ja = office.get(&format!("{PAGE}?lang=ja")).await;
        assert!(ja.body.contains("回答状況") && ja.body.contains("期限切れ（未回答）"), "{ja:?}");
        // The account leads there; the survey has no cases.
        let home = office.see("/account").await;
        assert!(home.body.contains(&format!("href=\"{PAGE}?lang=en\"")), "{home:?}");
        assert!(!home.body.contains("href=\"/c/wellbeing?"), "{home:?}");
        assert_eq!(office.get("/c/wellbeing").await.status, 404);
        assert_eq!(office.get("/c/nothing/participants").await.status, 404);

        // Whoever has an account by another study is a stranger here.
        aurora(center).await;
        for (address, said) in [("mori@example.jp", "Your role in this study"), ("yamada@example.jp", "not among the people")] {
            choose(center, &pages, address, PASSWORD).await;
            let cookie = sign_in(&pages, PAGE, address, PASSWORD).await.cookie();
            let refused = pages.get_with(&format!("{PAGE}?lang=en"), &cookie).await;
            assert!(refused.status == 403 && refused.body.contains(said), "{address}: {refused:?}");
            assert!(!refused.body.contains("p0@example.jp"), "{refused:?}");
        }
        life::set_paused(center.store(), "wellbeing", true, center.act("look")).await.unwrap();
        assert_eq!(office.see(PAGE).await.status, 200);
    }

    async fn what_a_study_demands_on_top_of_signing_in_it_demands_here(center: &mut Center) {
        let demand = "[pages]\nstep_up = \"password\"\nstep_up_minutes = 10\n\n[mail]\naddress";
        center.activate(&edited(&once(), "study.toml", "[mail]\naddress", demand), Stage::Production).await;
        invite(center, 1, None).await;
        center.settle().await;
        let pages = Arc::new(serve(center).await);
        let office = manager(center, &pages, OFFICE).await;
        assert!(office.see(PAGE).await.body.contains("p0@example.jp"));
        center.wind(11 * 60);
        let asked = office.get(&format!("{PAGE}?lang=en")).await;
        assert_eq!((asked.status, asked.location()), (303, format!("/confirm?to={PAGE}&lang=en")));
        let confirm = office.get(&asked.location()).await;
        let guard = confirm.field("_guard");
        let typed = [("_guard", guard.as_str()), ("lang", "en"), ("to", PAGE), ("code", PASSWORD)];
        let back = office.post("/confirm", &typed).await;
        assert!(back.status == 303 && back.location().starts_with(PAGE), "{back:?}");
        assert!(office.see(PAGE).await.body.contains("p0@example.jp"));
    }

    async fn a_long_list_is_shown_a_page_at_a_time(center: &mut Center) {
        center.activate(&samples::wellbeing(), Stage::Production).await;
        let many = usize::try_from(limits::PARTICIPANTS_SHOWN).unwrap() + 7;
        let issued = invite(center, many, None).await;
        center.settle().await;
        let pages = Arc::new(serve(center).await);
        // A diary is kept more than once.
        let path = link_in(issued[0].link.as_deref().unwrap());
        for (mark, days) in [("aa", 0), ("bb", 7)] {
            center.wind(days * 24 * 3600);
            let sent = pages.post(&path, &with(&[("_step", "send"), ("_mark", &mark.repeat(16))])).await;
            assert_eq!(sent.status, 303, "{sent:?}");
        }
        let office = manager(center, &pages, OFFICE).await;
        let first = office.see(PAGE).await;
        assert!(card(&first.body, "p0@example.jp").contains("answered 2 times, last on 2026-11-25"), "{first:?}");
        assert_eq!((count(&first.body, "asked"), first.body.matches("@example.jp").count()), (many as i64, many - 7));
        let next = first.body.split("after&#x3D;").nth(1).unwrap().split('"').next().unwrap();
        let second = office.see(&format!("{PAGE}?after={next}")).await;
        assert_eq!((second.body.matches("@example.jp").count(), second.body.contains("<dt>asked")), (7, false));
        assert!(second.body.contains("To the first participants") && !second.body.contains("Further participants"));
        assert!(office.see(&format!("{PAGE}?after=999999")).await.body.contains("Nobody has been asked yet"));
        let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
        let all = roster::list(center.store(), row.id, center.clock.now(), 0, 10_000).await.unwrap();
        assert_eq!((all.len(), all[0].days.len(), all[1].days.len()), (many, 2, 0));
    }

    async fn the_page_of_who_answered_can_be_used_by_everybody(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let pages = asked(center, &once()).await;
        let office = manager(center, &pages, OFFICE).await;
        for (language, screen, (width, height)) in
            [("en", "phone", (390, 844)), ("ja", "phone", (390, 844)), ("en", "desk", (1200, 900)), ("ja", "desk", (1200, 900))]
        {
            let (url, home) = (pages.url(&format!("{PAGE}?lang={language}")), pages.url(&format!("/account?lang={language}")));
            let cookie = office.cookie().to_owned();
            let seen = tokio::task::spawn_blocking(move || {
                let mut browser = Chromium::start();
                browser.screen(width, height);
                browser.carry(&cookie);
                browser.open(&url);
                browser.look(&format!("answered-{language}-{screen}-1-list"));
                let text = browser.text();
                browser.open(&home);
                browser.look(&format!("answered-{language}-{screen}-2-home"));
                text
            });
            let text = seen.await.unwrap();
            assert!(text.contains("p0@example.jp") && text.contains(if language == "en" { "answered on" } else { "回答日" }), "{text}");
        }
    }
}
