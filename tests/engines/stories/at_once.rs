//! Letters that a page has written leave at once, however seldom whoever sends them looks by themself.

use std::sync::Arc;
use std::time::Duration;

use super::cases::{REGISTRATION, Visit};
use super::members::{ask, serve};
use super::*;
use crate::browser::Page;

const YAMADA: &str = "yamada@example.jp";

/// Whether whoever sends letters is woken in less than so many milliseconds.
async fn woken(center: &mut Center, milliseconds: u64) -> bool {
    tokio::time::timeout(Duration::from_millis(milliseconds), center.process.dispatch.wait()).await.is_ok()
}

/// Nobody has rung, or it was heard.
async fn silence(center: &mut Center) {
    center.settle().await;
    while woken(center, 50).await {}
}

/// An act on a page wakes whoever sends letters, and has written some.
async fn leaves_at_once(center: &mut Center, page: &Page, location: &str) {
    assert_eq!(page.location(), location, "{page:?}");
    assert!(woken(center, 20_000).await, "nobody rang after {location}");
    assert!(!center.settle().await.is_empty(), "no letter after {location}");
}

stories! {
    async fn a_letter_of_an_act_on_a_page_leaves_at_once(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        center.process.dispatch.interval = Duration::from_secs(3600);
        silence(center).await;

        let enrolled = yamada.record("/c/aurora/new", &REGISTRATION).await;
        leaves_at_once(center, &enrolled, "/c/aurora/1?lang=en&done=enrolled").await;
        silence(center).await;
        let page = yamada.see("/c/aurora/1/correct").await;
        let right: Vec<(&str, &str)> = REGISTRATION
            .into_iter()
            .map(|(name, value)| (name, if name == "age" { "61" } else { value }))
            .chain([("_reason", "misread")])
            .collect();
        let review = yamada.fill("/c/aurora/1/correct", &page, &right, "answer").await;
        let corrected = yamada.fill("/c/aurora/1/correct", &review, &[], "send").await;
        leaves_at_once(center, &corrected, "/c/aurora/1?lang=en&done=corrected").await;
        silence(center).await;
        let page = yamada.see("/c/aurora/1/withdraw").await;
        let withdrawn = yamada.send("/c/aurora/1/withdraw", &page, &[("_reason", "moved abroad")]).await;
        leaves_at_once(center, &withdrawn, "/c/aurora/1?lang=en&done=withdrawn").await;
        silence(center).await;

        // The letter of an account is written apart from its page.
        assert_eq!(ask(&pages, "suzuki@example.jp").await.status, 200);
        assert!(woken(center, 20_000).await, "nobody rang after a letter of an account");
        assert_eq!(kinds(&center.settle().await), [("account-link", "suzuki@example.jp")]);
        // Whoever is nobody's gets none.
        silence(center).await;
        assert_eq!(ask(&pages, "nobody@example.net").await.status, 200);
        assert!(center.settle().await.is_empty());
    }
}
