//! The same where people are signed in with accounts while they answer: accounts, sessions and what is told of both lie in the same
//! database, with times.

use hagaki::store::study;

use super::*;
use crate::stories::members::{PASSWORD, admit, choose, header, serve, sign_in};

/// MEMBERS as it comes, anonymous; not shown again before it is sent, and over at the end of November.
fn bundle() -> Bundle {
    let bundle = edited(&samples::members(), "study.toml", "closes = 2036-03-31", "closes = 2026-11-30");
    let bundle = edited(&bundle, "study.toml", "batch = 20", &format!("batch = {BATCH}"));
    edited(&bundle, "study.toml", "review = true", "review = false")
}

async fn responses(center: &Center) -> i64 {
    study::find_current(center.store(), "members").await.unwrap().unwrap().responses
}

stories! {
    async fn signing_in_joins_nobody_to_an_answer(center: &mut Center) {
        let lines = Lines::default();
        let logging = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(lines.clone()).finish();
        let _logging = tracing::subscriber::set_default(logging);
        center.activate(&bundle(), Stage::Production).await;
        let addresses: Vec<String> = (0..MANY).map(address).collect();
        let all: Vec<&str> = addresses.iter().map(String::as_str).collect();
        admit(center, "members", &all).await;
        center.settle().await;
        let pages = serve(center).await;
        for address in &addresses {
            choose(center, &pages, address, PASSWORD).await;
        }
        // Each signs in, answers and stays signed in, a minute after the one before, in an order that is not the roll's.
        let mut people = Vec::new();
        for at in 0..MANY {
            let number = (at * 13 + 3) % MANY;
            center.wind(60);
            let cookie = sign_in(&pages, "members", &addresses[number], PASSWORD).await.cookie();
            let form = pages.get_with("/s/members/form?lang=en", &cookie).await;
            let (mark, guard, words) = (form.field("_mark"), form.field("_guard"), words(number));
            // Nothing of an answer that is not sent is kept here: the house's key would open it.
            assert!(!form.body.contains("value=\"keep\""), "{form:?}");
            let mut fields = vec![("_mark", mark.as_str()), ("_guard", guard.as_str()), ("_lang", "en"), ("wish", &words)];
            let kept: Vec<(&str, &str)> = fields.iter().copied().chain([("_step", "keep")]).collect();
            assert_eq!(pages.post_with("/s/members/form", &kept, &header(&cookie)).await.status, 303);
            fields.extend([("content", "7"), ("meeting", "both")]);
            let sent = pages.post_with("/s/members/form", &fields, &header(&cookie)).await;
            assert_eq!(sent.status, 303, "{sent:?}");
            let receipt = sent.location().split("receipt=").nth(1).unwrap().split('&').next().unwrap().to_owned();
            people.push(Person { address: addresses[number].clone(), receipt, words });
        }
        assert_eq!((responses(center).await, center.world.number("SELECT count(*) FROM draft").await), (MANY as i64, 0));
        // Those who answered long ago are signed out meanwhile.
        assert!(center.world.number("SELECT count(*) FROM account_session").await > BATCH as i64);
        assert_sealed(&dump(&center.world).await, &people);

        center.attend().await;
        center.settle().await;
        let half = dump(&center.world).await;
        assert_eq!((half.table("urn").count(), half.table("response").count()), (MANY - BATCH, BATCH));
        let open: Vec<Person> =
            people.iter().filter(|person| half.table("response").any(|row| row.holds(&person.words))).cloned().collect();
        assert_blind(&half, &open);
        center.wind(14 * 24 * 3600);
        center.attend().await;
        center.settle().await;
        let whole = dump(&center.world).await;
        assert_eq!((whole.table("urn").count(), whole.table("response").count()), (0, MANY));
        assert_blind(&whole, &people);
        let lines = lines.text();
        for person in &people {
            for told in [&person.receipt, &person.words] {
                assert!(!lines.contains(told.as_str()), "{told} stands in a log line");
            }
        }
    }
}
