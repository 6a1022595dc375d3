//! A form that is sent after the session has ended, or from a page of an older one: nothing is recorded, and nothing lost.

use std::sync::Arc;

use hagaki::limits;
use hagaki::store::study;

use super::cases::{REGISTRATION, Visit};
use super::members::{FILLED, PASSWORD, admit, choose, header, letters, named, serve, sign_in};
use super::survey::{invite, once};
use super::*;
use crate::browser::Page;

const HANA: &str = "hana@example.jp";
const TARO: &str = "taro@example.jp";
const YAMADA: &str = "yamada@example.jp";
const SUZUKI: &str = "suzuki@example.jp";

async fn recorded(center: &Center) -> i64 {
    center.world.number("SELECT count(*) FROM response").await
}

/// What is typed on a page, as it is sent once more from the page that says the session is over.
fn kept(page: &Page) -> Vec<(String, String)> {
    assert!(page.status == 403 && page.body.contains("still on this page"), "{page:?}");
    let fields = page.hidden();
    assert!(fields.iter().all(|(name, _)| name != "_guard"), "{fields:?}");
    fields
}

/// The page of somebody who is not whoever typed `words`: it has neither them nor a form to send them by.
fn kept_from_others(page: &Page, words: &[&str]) {
    assert!(page.status == 403 && page.body.contains("typed by somebody else"), "{page:?}");
    assert!(!page.body.contains("id=\"kept\"") && !page.body.contains("id=\"answers\""), "{page:?}");
    assert!(words.iter().all(|word| !page.body.contains(word)), "{page:?}");
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

stories! {
    async fn a_member_who_was_signed_out_loses_nothing(center: &mut Center) {
        center.activate(&named(), Stage::Production).await;
        admit(center, "members", &[HANA]).await;
        center.settle().await;
        let pages = serve(center).await;
        choose(center, &pages, HANA, PASSWORD).await;
        let cookie = sign_in(&pages, "members", HANA, PASSWORD).await.cookie();
        let form = pages.get_with("/s/members/form?lang=en", &cookie).await;
        let hidden = form.hidden();
        let typed: Vec<(&str, &str)> = borrowed(&hidden).into_iter().chain(FILLED.into_iter().skip(1)).collect();
        center.wind(limits::SESSION_IDLE_SECONDS + 1);
        let sending: Vec<(&str, &str)> = typed.iter().copied().chain([("_step", "send")]).collect();
        let over = pages.post_with("/s/members/form", &sending, &header(&cookie)).await;
        let carried = kept(&over);
        assert!(over.body.contains("href=\"/s/members?lang") && over.body.contains("target=\"_blank\""), "{over:?}");
        assert!(carried.contains(&("wish".to_owned(), "more of it".to_owned())), "{carried:?}");
        // Pressed before anybody signed in: the same page again.
        let looking: Vec<(&str, &str)> = borrowed(&carried).into_iter().chain([("_step", "look")]).collect();
        assert_eq!(kept(&pages.post_with("/s/members/form", &looking, &header(&cookie)).await), carried);

        // Signed in anew, the page shows what was typed and sends nothing by itself, whatever it was sent as.
        let anew = sign_in(&pages, "members", HANA, PASSWORD).await.cookie();
        for step in ["send", "answer", "keep", "forget"] {
            let fields: Vec<(&str, &str)> = borrowed(&carried).into_iter().chain([("_step", step)]).collect();
            kept(&pages.post_with("/s/members/form", &fields, &header(&anew)).await);
        }
        assert_eq!((recorded(center).await, center.world.number("SELECT count(*) FROM draft").await), (0, 0));
        let shown = pages.post_with("/s/members/form", &looking, &header(&anew)).await;
        assert!(shown.status == 200 && shown.body.contains("more of it") && recorded(center).await == 0, "{shown:?}");
        let hidden = shown.hidden();
        let again: Vec<(&str, &str)> = borrowed(&hidden).into_iter().chain(FILLED.into_iter().skip(1)).chain([("_step", "send")]).collect();
        let sent = pages.post_with("/s/members/form", &again, &header(&anew)).await;
        assert!(sent.status == 303 && recorded(center).await == 1, "{sent:?}");

        // A page that an older session left open is answered like that, too.
        let old = pages.post_with("/s/members/form", &sending, &header(&anew)).await;
        assert!(kept(&old).len() > 3 && !old.body.contains("target=\"_blank\""), "{old:?}");
    }

    async fn a_login_that_was_signed_out_loses_nothing(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let (login, password) = (issued[0].login.clone().unwrap().grouped(), issued[0].password.clone().unwrap());
        let typed_in = [("login", login.as_str()), ("password", password.as_str()), ("lang", "ja")];
        let cookie = pages.post("/s/wellbeing", &typed_in).await.cookie();
        let form = pages.get_with("/s/wellbeing/form?lang=ja", &cookie).await;
        let hidden = form.hidden();
        center.wind(limits::SESSION_IDLE_SECONDS + 1);
        let typed: Vec<(&str, &str)> = borrowed(&hidden).into_iter().chain([("mood", "3"), ("_step", "answer")]).collect();
        let over = pages.post_with("/s/wellbeing/form", &typed, &header(&cookie)).await;
        assert!(over.status == 403 && over.body.contains("このページに残っています"), "{over:?}");
        // So is what is longer than a form without long texts may be.
        let kanji = "漢".repeat(limits::ANSWER_CHARS);
        let long: Vec<(&str, &str)> = typed.iter().copied().chain([("where_other", kanji.as_str()), ("remark", kanji.as_str())]).collect();
        let whole = pages.post_with("/s/wellbeing/form", &long, &header(&cookie)).await;
        assert!(whole.status == 403 && whole.hidden().contains(&("remark".to_owned(), kanji.clone())), "{}", whole.head);
        let anew = pages.post("/s/wellbeing", &typed_in).await.cookie();
        let carried = over.hidden();
        let looking: Vec<(&str, &str)> = borrowed(&carried).into_iter().chain([("_step", "look")]).collect();
        let shown = pages.post_with("/s/wellbeing/form", &looking, &header(&anew)).await;
        assert!(shown.status == 200 && shown.body.contains("name=\"mood\" value=\"3\" checked"), "{shown:?}");
        // Nobody's study keeps nothing, and tells nothing.
        assert_eq!(pages.post("/s/nothing/form", &typed).await.status, 404);
    }

    async fn members_keep_answers_that_the_key_file_opens(center: &mut Center) {
        center.activate(&named(), Stage::Production).await;
        admit(center, "members", &[HANA]).await;
        center.settle().await;
        let pages = serve(center).await;
        choose(center, &pages, HANA, PASSWORD).await;
        let cookie = sign_in(&pages, "members", HANA, PASSWORD).await.cookie();
        let form = pages.get_with("/s/members/form?lang=en", &cookie).await;
        let hidden = form.hidden();
        let typed: Vec<(&str, &str)> = borrowed(&hidden).into_iter().chain([("wish", "not yet"), ("_step", "keep")]).collect();
        let done = pages.post_with("/s/members/form", &typed, &header(&cookie)).await;
        assert!(done.status == 200 && done.body.contains("Sign in with your account to go on"), "{done:?}");
        let dump = crate::privacy::dump::dump(&center.world).await;
        assert!(dump.table("draft").count() == 1 && !dump.rows.iter().any(|row| row.holds("not yet")));
        let later = sign_in(&pages, "members", HANA, PASSWORD).await.cookie();
        let form = pages.get_with("/s/members/form?lang=en", &later).await;
        assert!(form.body.contains("These are the answers you kept") && form.body.contains("not yet"), "{form:?}");
    }

    async fn the_staff_lose_nothing_either(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let blank = yamada.see("/c/aurora/new").await;
        let review = yamada.fill("/c/aurora/new", &blank, &REGISTRATION, "answer").await;
        center.wind(limits::SESSION_IDLE_SECONDS + 1);
        let over = yamada.fill("/c/aurora/new", &review, &[], "send").await;
        let carried = kept(&over);
        assert!(over.body.contains("href=\"/sign-in?to") && over.body.contains("/c/aurora/new\" target"), "{over:?}");
        assert!(carried.contains(&("subject_ref".to_owned(), "A-0001".to_owned())), "{carried:?}");
        let anew = Visit::of(&pages, sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie());
        let sending: Vec<(&str, &str)> = borrowed(&carried).into_iter().chain([("_step", "send")]).collect();
        kept(&anew.post("/c/aurora/new", &sending).await);
        let looking: Vec<(&str, &str)> = borrowed(&carried).into_iter().chain([("_step", "look")]).collect();
        let shown = anew.post("/c/aurora/new", &looking).await;
        assert!(shown.status == 200 && shown.body.contains("A-0001"), "{shown:?}");
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        assert_eq!(row.subjects, 0);
        let review = anew.fill("/c/aurora/new", &shown, &REGISTRATION, "answer").await;
        assert_eq!(anew.fill("/c/aurora/new", &review, &[], "send").await.status, 303);

        // A withdrawal says why; what was written is there, and nobody is withdrawn by looking.
        let page = anew.see("/c/aurora/1/withdraw").await;
        center.wind(limits::SESSION_IDLE_SECONDS + 1);
        let over = anew.send("/c/aurora/1/withdraw", &page, &[("_reason", "moved away")]).await;
        let carried = kept(&over);
        let again = Visit::of(&pages, sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie());
        let looking: Vec<(&str, &str)> = borrowed(&carried).into_iter().chain([("_step", "look")]).collect();
        let shown = again.post("/c/aurora/1/withdraw", &looking).await;
        assert!(shown.status == 200 && shown.body.contains("moved away"), "{shown:?}");
        assert_eq!(center.world.number("SELECT count(*) FROM subject_fact").await, 0);
        assert_eq!(again.send("/c/aurora/1/withdraw", &shown, &[("_reason", "moved away")]).await.status, 303);
        assert_eq!(center.world.number("SELECT count(*) FROM subject_fact").await, 1);
        center.settle().await;
    }

    async fn what_a_member_typed_is_never_another_members(center: &mut Center) {
        // Nobody is to know who answered what, least of all whoever sits down at the computer next.
        center.activate(&samples::members(), Stage::Production).await;
        admit(center, "members", &[HANA, TARO]).await;
        letters(center, 2).await;
        let pages = serve(center).await;
        choose(center, &pages, HANA, PASSWORD).await;
        choose(center, &pages, TARO, PASSWORD).await;
        let cookie = sign_in(&pages, "members", HANA, PASSWORD).await.cookie();
        let form = pages.get_with("/s/members/form?lang=en", &cookie).await;
        let hidden = form.hidden();
        let typed: Vec<(&str, &str)> = borrowed(&hidden).into_iter().chain(FILLED.into_iter().skip(1)).collect();
        center.wind(limits::SESSION_IDLE_SECONDS + 1);
        let sending: Vec<(&str, &str)> = typed.iter().copied().chain([("_step", "answer")]).collect();
        let carried = kept(&pages.post_with("/s/members/form", &sending, &header(&cookie)).await);

        let other = sign_in(&pages, "members", TARO, PASSWORD).await.cookie();
        let nameless: Vec<(String, String)> = carried.iter().filter(|(name, _)| name != "_whose").cloned().collect();
        for step in ["look", "answer", "send", "keep"] {
            for fields in [&carried, &nameless] {
                let fields: Vec<(&str, &str)> = borrowed(fields).into_iter().chain([("_step", step)]).collect();
                let shown = pages.post_with("/s/members/form", &fields, &header(&other)).await;
                kept_from_others(&shown, &["more of it"]);
            }
        }
        // The page that was open since before tells as little.
        kept_from_others(&pages.post_with("/s/members/form", &sending, &header(&other)).await, &["more of it"]);
        assert_eq!(center.world.number("SELECT count(*) FROM urn").await, 0);

        let anew = sign_in(&pages, "members", HANA, PASSWORD).await.cookie();
        let looking: Vec<(&str, &str)> = borrowed(&carried).into_iter().chain([("_step", "look")]).collect();
        let shown = pages.post_with("/s/members/form", &looking, &header(&anew)).await;
        assert!(shown.status == 200 && shown.body.contains("more of it"), "{shown:?}");
    }

    async fn what_one_of_the_staff_typed_is_never_anothers(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let suzuki = Visit::begin(center, &pages, "aurora", SUZUKI).await;
        let words = ["A-0001", "2026-11-18", "2026/11/18"];
        let blank = yamada.see("/c/aurora/new").await;
        let review = yamada.fill("/c/aurora/new", &blank, &REGISTRATION, "answer").await;
        let sending: Vec<(String, String)> = review.hidden().into_iter().chain([("_step".to_owned(), "send".to_owned())]).collect();
        // The session of another is in the same browser by now, because of another tab.
        kept_from_others(&suzuki.post("/c/aurora/new", &borrowed(&sending)).await, &words);
        center.wind(limits::SESSION_IDLE_SECONDS + 1);
        let carried = kept(&yamada.post("/c/aurora/new", &borrowed(&sending)).await);
        let next = Visit::of(&pages, sign_in(&pages, "/c/aurora", SUZUKI, PASSWORD).await.cookie());
        for step in ["look", "answer", "send"] {
            let fields: Vec<(&str, &str)> = borrowed(&carried).into_iter().chain([("_step", step)]).collect();
            kept_from_others(&next.post("/c/aurora/new", &fields).await, &words);
        }
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        assert_eq!(row.subjects, 0);
        let anew = Visit::of(&pages, sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie());
        let looking: Vec<(&str, &str)> = borrowed(&carried).into_iter().chain([("_step", "look")]).collect();
        let shown = anew.post("/c/aurora/new", &looking).await;
        assert!(shown.status == 200 && shown.body.contains("A-0001"), "{shown:?}");
    }
}
