//! What was sent while something of ours failed: it is given back to whoever typed it, and to nobody else.

use std::sync::Arc;

use hagaki::limits;
use hagaki::store::{Engine, study};

use super::cases::{REGISTRATION, Visit};
use super::members::serve;
use super::survey::{invite, link_in, once, responses, with};
use super::*;
use crate::browser::Page;

const YAMADA: &str = "yamada@example.jp";
const SUZUKI: &str = "suzuki@example.jp";

/// Statements after which nothing can be recorded in a table, and by which it can again.
fn broken(center: &Center, table: &str) -> (String, String) {
    match center.store().engine() {
        Engine::Sqlite => (
            format!("CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'broken'); END"),
            "DROP TRIGGER broken".to_owned(),
        ),
        Engine::Postgres => (
            format!("ALTER TABLE {table} ADD CONSTRAINT broken CHECK (false) NOT VALID"),
            format!("ALTER TABLE {table} DROP CONSTRAINT broken"),
        ),
    }
}

/// What a page that was given back sends on.
fn kept(page: &Page) -> Vec<(String, String)> {
    assert!(page.status == 503 && page.body.contains("still on this page"), "{page:?}");
    assert!(page.body.contains("class=\"problem\""), "what a tab keeps is not forgotten: {page:?}");
    let fields = page.hidden();
    assert!(fields.iter().all(|(name, _)| name != "_guard"), "{fields:?}");
    fields
}

/// The same, to look at it once more.
fn looking(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    let own = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    own.chain([("_step", "look")]).collect()
}

stories! {
    async fn a_registration_that_fails_is_given_back_to_its_writer(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let suzuki = Visit::begin(center, &pages, "aurora", SUZUKI).await;
        let blank = yamada.see("/c/aurora/new").await;
        let review = yamada.fill("/c/aurora/new", &blank, &REGISTRATION, "answer").await;
        let (breaks, mends) = broken(center, "subject");
        center.world.tamper(&breaks).await;
        let failed = yamada.fill("/c/aurora/new", &review, &[], "send").await;
        let carried = kept(&failed);
        assert!(failed.body.contains("it is not known whether") && !failed.body.contains("Nothing was lost"), "{failed:?}");
        assert!(carried.contains(&("subject_ref".to_owned(), "A-0001".to_owned())), "{carried:?}");
        // Nobody else is shown it.
        let others = suzuki.post("/c/aurora/new", &looking(&carried)).await;
        assert!(others.status == 403 && others.body.contains("typed by somebody else"), "{others:?}");
        assert!(!others.body.contains("A-0001"), "{others:?}");
        center.world.tamper(&mends).await;
        let shown = yamada.post("/c/aurora/new", &looking(&carried)).await;
        assert!(shown.status == 200 && shown.body.contains("A-0001"), "{shown:?}");
        let review = yamada.fill("/c/aurora/new", &shown, &REGISTRATION, "answer").await;
        let sent = yamada.fill("/c/aurora/new", &review, &[], "send").await;
        assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=enrolled", "{sent:?}");

        // Where nothing was on its way to be recorded it is told as that, in the page's own language.
        let page = yamada.get("/c/aurora/1/withdraw?lang=ja").await;
        center.world.tamper("ALTER TABLE account RENAME TO account_away").await;
        let failed = yamada.send("/c/aurora/1/withdraw", &page, &[("_reason", "moved away")]).await;
        assert!(failed.status == 503 && failed.body.contains("記録はしていません"), "{failed:?}");
        assert!(failed.hidden().contains(&("_reason".to_owned(), "moved away".to_owned())), "{failed:?}");
        center.world.tamper("ALTER TABLE account_away RENAME TO account").await;
        let carried = failed.hidden();
        let shown = yamada.post("/c/aurora/1/withdraw", &looking(&carried)).await;
        assert!(shown.status == 200 && shown.body.contains("moved away"), "{shown:?}");
        assert_eq!(center.world.number("SELECT count(*) FROM subject_fact").await, 0);
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        assert_eq!(row.subjects, 1);
        center.settle().await;
    }

    async fn answers_behind_a_link_that_cannot_be_looked_up_are_given_back(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 1, None).await.remove(0);
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued.link.as_deref().unwrap());
        let form = pages.get(&format!("{path}?lang=en")).await;
        let mark = form.field("_mark");
        center.world.tamper("ALTER TABLE credential RENAME TO credential_away").await;
        let typed = with(&[("_mark", mark.as_str()), ("_step", "send"), ("_lang", "en"), ("remark", "a long text")]);
        let failed = pages.post(&path, &typed).await;
        let carried = kept(&failed);
        assert!(carried.contains(&("remark".to_owned(), "a long text".to_owned())), "{carried:?}");
        assert!(carried.contains(&("_mark".to_owned(), mark)) && failed.body.contains("was not recorded"), "{failed:?}");
        // So is what is longer than a form without long texts may be.
        let kanji = "漢".repeat(limits::ANSWER_CHARS);
        let long = with(&[("_lang", "en"), ("where_other", kanji.as_str()), ("remark", kanji.as_str())]);
        let failed = pages.post(&path, &long).await;
        assert!(kept(&failed).contains(&("remark".to_owned(), kanji.clone())), "{}", failed.head);
        center.world.tamper("ALTER TABLE credential_away RENAME TO credential").await;
        let shown = pages.post(&path, &looking(&carried)).await;
        assert!(shown.status == 200 && shown.body.contains("a long text"), "{shown:?}");
        assert!(responses(center).await.is_empty());
        let sent = pages.fill(&path, &shown, &[("day", "2026-11-01"), ("mood", "7"), ("pain", "no")], "send").await;
        assert!(sent.status == 303 && responses(center).await.len() == 1, "{sent:?}");
    }
}
