//! A thousand people whose form is sent twice at once, over real connections to the real pages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hagaki::domain::participant::Candidate;
use hagaki::limits;
use hagaki::workflow::credentials::{Form, Terms};
use tokio::sync::{Barrier, Semaphore};

use super::survey::{link_in, once, responses, serve, with};
use super::*;
use crate::browser::Page;

const PAIRS: usize = 1_000;
/// Pairs under way at the same time: each takes two connections, and each of these two files of this process.
const AT_ONCE: usize = 150;
/// More than enough on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(240);

/// Links for so many people, written to nobody.
async fn links(center: &Center) -> Vec<String> {
    let terms = Terms { mailed: false, ..center.terms(Form::Link) };
    let people: Vec<Candidate> =
        (0..PAIRS).map(|number| Candidate { reference: format!("P-{number}"), ..Candidate::default() }).collect();
    let mut links = Vec::with_capacity(PAIRS);
    for wave in people.chunks(limits::CREDENTIAL_BATCH) {
        let issued = center.issue("wellbeing", wave, terms).await.issued;
        links.extend(issued.iter().map(|one| link_in(one.link.as_deref().unwrap())));
    }
    links
}

/// The receipt that somebody is led to; none where other answers count than those that were sent.
fn receipt(page: &Page) -> Option<String> {
    let place = page.location();
    Some(place.split("receipt=").nth(1)?.split('&').next()?.to_owned())
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
                let same = number % 2 == 0;
                let marks = if same { ["aa", "aa"] } else { ["aa", "bb"] }.map(|mark| mark.repeat(16));
                let send = async |mark: &str, remark: &str| {
                    start.wait().await;
                    pages.post(&path, &with(&[("_mark", mark), ("remark", remark), ("_step", "send")])).await
                };
                let told = tokio::join!(send(&marks[0], "one"), send(&marks[1], "two"));
                (path.clone(), same, told)
            });
        }
        let all = async {
            let mut receipts = BTreeMap::new();
            while let Some(done) = pairs.join_next().await {
                let (path, same, (one, two)) = done.unwrap();
                assert_eq!((one.status, two.status), (303, 303), "{one:?} {two:?}");
                let (first, second) = (receipt(&one), receipt(&two));
                // A page that came twice has one receipt; of two pages the one that counts.
                match same {
                    true => assert!(first.is_some() && first == second, "{one:?} {two:?}"),
                    false => assert!(first.is_some() != second.is_some(), "{one:?} {two:?}"),
                }
                receipts.insert(first.or(second).unwrap(), path);
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
        let (number, path) = receipts.first_key_value().unwrap();
        assert!(pages.get(path).await.body.contains(number));
    }
}
