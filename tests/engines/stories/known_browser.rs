//! Whoever signed in from a browser before can go on there, however often somebody else tries the password of their address.

use hagaki::limits;

use super::members::{PASSWORD, admit, ask, choose, header, letters, link_in, named, serve, sign_in};
use super::*;
use crate::browser::{Page, Served};

const HANA: &str = "hana@example.jp";
const TARO: &str = "taro@example.jp";
const ANOTHER: &str = "vier blaue Karten im Schnee";

/// The cookie by which a browser is known.
fn known(page: &Page) -> String {
    let mut fields = page.head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let field = fields.find(|field| field.starts_with("__Host-hagaki-browser="));
    let field = field.unwrap_or_else(|| panic!("the browser is not known: {page:?}"));
    assert!(field.contains("HttpOnly") && field.contains("Secure"), "{field}");
    field.split(';').next().unwrap_or_default().to_owned()
}

/// Signs in from a browser with that cookie.
async fn from(pages: &Served, browser: &str, address: &str, password: &str) -> Page {
    let page = pages.get("/sign-in?to=members&lang=en").await;
    let (cookie, guard) = (format!("{}; {browser}", page.cookie()), page.field("_guard"));
    let typed =
        [("_guard", guard.as_str()), ("lang", "en"), ("to", "members"), ("address", address), ("password", password)];
    pages.post_with("/sign-in", &typed, &header(&cookie)).await
}

stories! {
    async fn whoever_knows_an_address_keeps_its_owner_out_of_no_browser_of_theirs(center: &mut Center) {
        center.activate(&named(), Stage::Production).await;
        admit(center, "members", &[HANA, TARO]).await;
        letters(center, 2).await;
        let pages = serve(center).await;
        choose(center, &pages, HANA, PASSWORD).await;
        choose(center, &pages, TARO, PASSWORD).await;
        let own = known(&sign_in(&pages, "members", HANA, PASSWORD).await);
        let others = known(&sign_in(&pages, "members", TARO, PASSWORD).await);
        assert!(!own.contains("hana"), "{own}");

        for _ in 0..=limits::SIGN_IN_FREE_TRIES {
            assert_eq!(sign_in(&pages, "members", HANA, "a wrong password").await.status, 403);
        }
        let name = own.split('.').next().unwrap();
        let mark = own.rsplit('.').next().unwrap();
        let forged = [others.clone(), name.to_owned(), format!("{name}.{}", "a".repeat(mark.len())), format!("{others}.{mark}")];
        for forged in &forged {
            let late = from(&pages, forged, HANA, PASSWORD).await;
            assert!(late.status == 429 && late.body.contains("tried too often"), "{forged}: {late:?}");
            assert!(late.body.contains("have a link sent") && late.body.contains("href=\"/account?lang"), "{late:?}");
        }
        // The owner goes on in the browser they had used.
        let again = from(&pages, &own, HANA, PASSWORD).await;
        assert_eq!((again.status, known(&again)), (303, own.clone()));
        // Whose owners share a computer are both known there.
        let shared = known(&from(&pages, &own, TARO, PASSWORD).await);
        assert_eq!(from(&pages, &shared, HANA, PASSWORD).await.status, 303);

        // Guessing there is slowed down as everywhere.
        for _ in 0..=limits::SIGN_IN_FREE_TRIES {
            assert_eq!(from(&pages, &own, HANA, "a wrong password").await.status, 403);
        }
        assert_eq!(from(&pages, &own, HANA, PASSWORD).await.status, 429);
        center.wind(limits::SIGN_IN_WAIT_SECONDS + 1);
        assert_eq!(from(&pages, &own, HANA, PASSWORD).await.status, 303);
        // Whoever forgot the password, and tried too often there, chooses another and need not wait.
        for _ in 0..=limits::SIGN_IN_FREE_TRIES {
            assert_eq!(from(&pages, &own, HANA, "a wrong password").await.status, 403);
        }
        assert_eq!(from(&pages, &own, HANA, PASSWORD).await.status, 429);
        assert_eq!(ask(&pages, HANA).await.status, 200);
        let link = link_in(&letters(center, 1).await[0].text);
        let typed = [("password", ANOTHER), ("again", ANOTHER), ("lang", "en")];
        let chosen = pages.post_with(&link, &typed, &header(&own)).await;
        assert_eq!((chosen.location(), known(&chosen)), ("/sign-in?done=chosen&lang=en".to_owned(), own.clone()));
        assert_eq!(from(&pages, &own, HANA, ANOTHER).await.status, 303);
    }
}
