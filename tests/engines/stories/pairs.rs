//! A thousand people whose form is sent twice at once, over real connections to the real pages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hagaki::domain::participant::Candidate;
use hagaki::domain::time::Clock;
use hagaki::limits;
use hagaki::store::study;
use hagaki::workflow::Means;
use hagaki::workflow::credentials::{self, Form, Terms};
use tokio::sync::{Barrier, Semaphore};

use super::survey::{link_in, once, responses, serve, with};
use super::*;

const PAIRS: usize = 1_000;
/// Pairs under way at the same time: each takes two connections, and each of these two files of this process.
const AT_ONCE: usize = 150;
/// More than enough on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(240);

/// Links for so many people, written to nobody.
async fn links(center: &Center) -> Vec<String> {
    let row = study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
    let shelf = center.shelf_on(center.store());
    let shelved = shelf.current(row.id, row.bundle_version).await.unwrap();
    let desk = center.process.calendar.desk.clone();
    let means = Means { now: center.clock.now(), dice: &*center.dice, keys: &center.keys, desk: &desk };
    let terms = Terms {
        form: Form::Link,
        from: means.now,
        until: None,
        days_from_sending: None,
        mailed: false,
        once: false,
        admits_unclear: false,
    };
    let people: Vec<Candidate> =
        (0..PAIRS).map(|number| Candidate { reference: format!("P-{number}"), ..Candidate::default() }).collect();
    let mut links = Vec::with_capacity(PAIRS);
    for wave in people.chunks(limits::CREDENTIAL_BATCH) {
        let issued = credentials::issue(&shelf, &shelved, means, center.act("wave"), wave, terms).await.unwrap().issued;
        links.extend(issued.iter().map(|one| link_in(one.link.as_deref().unwrap())));
    }
    links
}

stories! {
    async fn of_a_thousand_pairs_each_counts_once(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let links = links(center).await;
        let pages = Arc::new(serve(center).await);
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let mut pairs = tokio::task::JoinSet::new();
        for (number, path) in links.into_iter().enumerate() {
            let (pages, room) = (Arc::clone(&pages), Arc::clone(&room));
            pairs.spawn(async move {
                let _place = room.acquire().await.unwrap();
                let start = Barrier::new(2);
                // A button pressed twice sends one page twice; two tabs send two.
                let marks = if number % 2 == 0 { ["aa", "aa"] } else { ["aa", "bb"] }.map(|mark| mark.repeat(16));
                let send = async |mark: &str, remark: &str| {
                    start.wait().await;
                    pages.post(&path, &with(&[("_mark", mark), ("remark", remark), ("_step", "send")])).await
                };
                let told = tokio::join!(send(&marks[0], "one"), send(&marks[1], "two"));
                (path.clone(), told)
            });
        }
        let all = async {
            let mut receipts = BTreeMap::new();
            while let Some(done) = pairs.join_next().await {
                let (path, (one, two)) = done.unwrap();
                assert_eq!((one.status, two.status), (303, 303), "{one:?} {two:?}");
                assert_eq!(one.location(), two.location(), "both are told the same");
                receipts.insert(one.location(), path);
            }
            receipts
        };
        let receipts = tokio::time::timeout(PATIENCE, all).await.expect("nobody waits for ever");
        assert_eq!(receipts.len(), PAIRS, "each has a receipt of their own");
        let recorded = responses(center).await;
        assert_eq!(recorded.len(), PAIRS);
        assert!(recorded.iter().all(|one| one.occasion == 1 && (one.answers.contains("one") || one.answers.contains("two"))));
        let people: std::collections::BTreeSet<_> = recorded.iter().map(|one| one.participant_id).collect();
        assert_eq!((people.len(), center.world.number("SELECT count(*) FROM answered").await), (PAIRS, PAIRS as i64));
        // The receipt is shown to whoever comes again.
        let (place, path) = receipts.first_key_value().unwrap();
        let number = place.split("receipt=").nth(1).unwrap().split('&').next().unwrap();
        assert!(pages.get(path).await.body.contains(number));
    }
}
