//! The list of who answered is watched by a manager while people answer: what it shows, and what looking at it leaves, joins nobody to
//! an answer.

use super::*;
use crate::browser::Page;
use crate::stories::members::{PASSWORD, choose, serve, sign_in};

const OFFICE: &str = "wellbeing-office@example.jp";
const PAGE: &str = "/c/wellbeing/participants";

stories! {
    async fn the_list_of_who_answered_joins_nobody_to_an_answer(center: &mut Center) {
        center.activate(&bundle(Privacy::Anonymous, BATCH), Stage::Production).await;
        let issued = invite(center, MANY).await.issued;
        center.settle().await;
        let pages = serve(center).await;
        choose(center, &pages, OFFICE, PASSWORD).await;
        let cookie = sign_in(&pages, PAGE, OFFICE, PASSWORD).await.cookie();
        let mut people = Vec::new();
        for one in 0..MANY {
            people.push(answer_one(center, &pages, &issued, one).await);
            let page = pages.get_with(&format!("{PAGE}?lang=en"), &cookie).await;
            assert_eq!(page.status, 200, "{page:?}");
            assert!(page.body.contains(&format!("<dt>answered</dt><dd>{}</dd>", one + 1)), "{page:?}");
            // Of each only whether, and the day: no receipt, no time, nothing that the answer holds.
            for person in &people {
                assert!(!page.body.contains(&person.receipt) && !page.body.contains(&person.words), "{page:?}");
            }
            assert!(!page.body.contains("UTC") && !page.body.contains("+09:00"), "{page:?}");
        }
        center.attend().await;
        center.wind(14 * 24 * 3600);
        center.attend().await;
        center.settle().await;
        let whole = dump(&center.world).await;
        assert_eq!((whole.table("urn").count(), whole.table("response").count()), (0, MANY));
        assert_blind(&whole, &people);
    }

    async fn of_a_fully_anonymous_survey_there_is_no_list(center: &mut Center) {
        center.activate(&bundle(Privacy::FullyAnonymous, BATCH), Stage::Production).await;
        let issued = invite(center, MANY).await.issued;
        center.settle().await;
        let pages = serve(center).await;
        choose(center, &pages, OFFICE, PASSWORD).await;
        let cookie = sign_in(&pages, PAGE, OFFICE, PASSWORD).await.cookie();
        let before = pages.get_with(&format!("{PAGE}?lang=en"), &cookie).await;
        assert!(before.status == 200 && before.body.contains("no list is kept of who answered"), "{before:?}");
        answer(center, &pages, &issued).await;
        // Nobody was signed in for so long.
        let cookie = sign_in(&pages, PAGE, OFFICE, PASSWORD).await.cookie();
        let after = pages.get_with(&format!("{PAGE}?lang=en"), &cookie).await;
        assert!(!after.body.contains("person-0"), "{after:?}");
        // Not even how many: the page is the same.
        let main = |page: &Page| page.body.split_once("<main").unwrap().1.split_once("</main>").unwrap().0.to_owned();
        assert_eq!(main(&before), main(&after));
    }
}
