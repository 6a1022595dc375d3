//! The same thing told twice, or two things at once, on pages of the staff: each is recorded once, and nobody undoes unseen what
//! somebody else told.

use std::collections::BTreeMap;
use std::sync::Arc;

use hagaki::workflow::remark::{self, Remark, Remarked};

use super::cases::{REGISTRATION, Visit};
use super::members::serve;
use super::*;

const YAMADA: &str = "yamada@example.jp";
const CORRECT: &str = "/c/aurora/1/correct";
const WITHDRAW: &str = "/c/aurora/1/withdraw";

/// The registration with another age, and why.
fn aged(age: &'static str) -> Vec<(&'static str, &'static str)> {
    let right = REGISTRATION.into_iter().map(|(name, value)| (name, if name == "age" { age } else { value }));
    right.chain([("_reason", "misread")]).collect()
}

async fn facts(center: &Center) -> i64 {
    center.world.number("SELECT count(*) FROM subject_fact").await
}

/// What comes of a correction of the age by Yamada, made when so many facts were known.
async fn tell(center: &Center, age: &str, seen: usize) -> Remarked {
    let shelf = center.shelf_on(center.store());
    let shelved = center.shelved("aurora").await;
    let person = shelved.study.people.iter().find(|person| person.id == "yamada").unwrap();
    let subject_id = center.enrolled("aurora").await[0].0.id;
    let right: BTreeMap<String, String> = [("age".to_owned(), age.to_owned())].into();
    let told = Remark { person, subject_id, reason: "misread", right: Some(&right), seen: Some(seen) };
    remark::remark(&shelf, &shelved, center.means(), told).await.unwrap()
}

stories! {
    async fn of_corrections_at_once_one_is_recorded(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Arc::new(Visit::begin(center, &pages, "aurora", YAMADA).await);
        let page = yamada.see(CORRECT).await;
        let (mut tabs, mut reviews) = (tokio::task::JoinSet::new(), Vec::new());
        for age in ["41", "42", "43", "44", "45", "46"] {
            let review = yamada.fill(CORRECT, &page, &aged(age), "answer").await;
            assert!(review.status == 200 && review.body.contains("What changes"), "{review:?}");
            reviews.push(review);
        }
        for review in reviews {
            let yamada = Arc::clone(&yamada);
            tabs.spawn(async move { yamada.fill(CORRECT, &review, &[], "send").await.status });
        }
        let mut statuses = tabs.join_all().await;
        statuses.sort_unstable();
        assert_eq!((statuses.as_slice(), facts(center).await), (&[303, 422, 422, 422, 422, 422][..], 1));

        // One that was looked at a moment before the other was recorded is found out under the lock.
        assert_eq!(tell(center, "61", 0).await, Remarked::Overtaken);
        assert_eq!((tell(center, "61", 1).await, facts(center).await), (Remarked::Done, 2));
        assert_eq!(tell(center, "61", 1).await, Remarked::Done, "the same once more");
        assert_eq!((tell(center, "61", 2).await, facts(center).await), (Remarked::Nothing, 2));
        center.settle().await;
        center.assert_proved().await;
    }

    async fn a_correction_that_is_sent_twice_is_theirs(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let page = yamada.see(CORRECT).await;
        let review = yamada.fill(CORRECT, &page, &aged("61"), "answer").await;
        for _ in 0..3 {
            let sent = yamada.fill(CORRECT, &review, &[], "send").await;
            assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=corrected", "{sent:?}");
        }
        assert_eq!(facts(center).await, 1);
        // With another reason it is another correction, of which nothing is left.
        let other = yamada.fill(CORRECT, &review, &[("_reason", "another")], "send").await;
        assert!(other.status == 422 && other.body.contains("Somebody else corrected"), "{other:?}");
        // What was corrected once more since is not what was sent.
        let page = yamada.see(CORRECT).await;
        let once_more = yamada.fill(CORRECT, &page, &aged("62"), "answer").await;
        let again = yamada.fill(CORRECT, &once_more, &[], "send").await;
        assert_eq!(again.location(), "/c/aurora/1?lang=en&done=corrected", "{again:?}");
        let late = yamada.fill(CORRECT, &review, &[], "send").await;
        assert!(late.status == 422 && late.body.contains("Somebody else corrected") && facts(center).await == 2, "{late:?}");
        center.settle().await;
        center.assert_proved().await;
    }

    async fn a_second_withdrawal_is_told_as_that(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let page = yamada.see(WITHDRAW).await;
        for _ in 0..2 {
            let sent = yamada.send(WITHDRAW, &page, &[("_reason", "moved abroad")]).await;
            assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=withdrawn", "{sent:?}");
        }
        let other = yamada.send(WITHDRAW, &page, &[("_reason", "another reason")]).await;
        assert_eq!(other.location(), "/c/aurora/1?lang=en&done=withdrawn_before", "{other:?}");
        let case = yamada.get(&other.location()).await;
        assert!(case.body.contains("A withdrawal was recorded before, on 2026-11-18"), "{case:?}");
        assert!(case.body.contains("was not recorded") && facts(center).await == 1, "{case:?}");
        center.settle().await;
    }
}
