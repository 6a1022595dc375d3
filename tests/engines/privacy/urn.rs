//! The urn is disturbed at every step: nothing sealed is lost, nothing counts twice, nothing small is opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use hagaki::definition;
use hagaki::domain::seal::KeyRing;
use hagaki::mail::Did;
use hagaki::store::fuse::Fuse;
use hagaki::store::{Engine, urn};
use hagaki::workflow::life;

use super::*;
use crate::world::World;

/// How many are opened together here.
const FEW: usize = 5;

/// A database in which so many have answered, and the words of each; the survey is over by the first of December.
async fn answered(engine: Engine, many: usize) -> Option<(World, Vec<String>)> {
    let mut center = Center::open(World::open(engine).await?).await;
    center.activate(&bundle(Privacy::Anonymous, FEW), Stage::Production).await;
    let issued = invite(&center, many).await.issued;
    center.settle().await;
    let pages = serve(&center).await;
    let people = answer(&center, &pages, &issued).await;
    drop(pages);
    Some((center.into_world().await, people.into_iter().map(|person| person.words).collect()))
}

/// What is on file: how often each answer is, how many are sealed, how many each opening brought.
async fn file(center: &Center) -> (BTreeMap<String, usize>, i64, Vec<i64>) {
    let row = row(center).await;
    let mut found = BTreeMap::new();
    for one in response::list(center.store(), row.id, &Mark([0; 16]), 1_000).await.unwrap() {
        let answers: BTreeMap<String, String> = serde_json::from_str(&one.answers).unwrap();
        *found.entry(answers["remark"].clone()).or_default() += 1;
    }
    let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
    let opened = entries.iter().filter(|entry| entry.action == "open-urn");
    let opened = opened
        .map(|entry| serde_json::from_str::<serde_json::Value>(&entry.body).unwrap()["responses"].as_i64().unwrap());
    (found, urn::count(center.store(), row.id).await.unwrap(), opened.collect())
}

/// Opens the urn with that fuse in the way, then without.
async fn opened_past(template: &World, fuse: Arc<Fuse>, words: &[String]) -> bool {
    let mut center = Center::with_dice(template.copy().await, 10_000).await;
    center.wind(14 * 24 * 3600);
    let mut process = center.start(Some(fuse.clone()));
    let mut frozen = false;
    loop {
        let step = tokio::select! {
            biased;
            () = fuse.frozen() => None,
            step = process.calendar.step() => Some(step),
        };
        match step {
            None => frozen = true,
            Some(Ok(Did::Something)) => continue,
            Some(Ok(Did::Nothing)) => {}
            Some(Err(error)) => assert!(fuse.struck(), "{error}"),
        }
        break;
    }
    drop(process);
    center.kill_and_restart().await;
    center.attend().await;
    let (found, sealed, opened) = file(&center).await;
    let expected: BTreeMap<String, usize> = words.iter().map(|words| (words.clone(), 1)).collect();
    assert_eq!((found, sealed), (expected, 0));
    assert!(opened.iter().all(|many| *many >= FEW as i64), "{opened:?}");
    assert_eq!(opened.iter().sum::<i64>(), words.len() as i64);
    center.settle().await;
    center.finish().await;
    frozen || fuse.struck()
}

async fn disturbed(engine: Engine, trouble: fn(u64) -> Arc<Fuse>, least: u64) {
    let Some((template, words)) = answered(engine, 3 * FEW - 1).await else { return };
    at_each_place(least, async |n: u64| opened_past(&template, trouble(n), &words).await).await;
    template.close().await;
}

disturbances! {
    disturbed:
    a_step_fails(Fuse::refuse, 8)
    a_commit_is_lost(Fuse::lose_commit, 1)
    a_commit_is_hidden(Fuse::hide_commit, 1)
    the_process_dies(Fuse::freeze, 8)
}

/// A line of a key file.
fn another() -> String {
    format!("{}a", "b".repeat(51))
}

stories! {
    async fn a_lost_key_loses_no_answer(center: &mut Center) {
        center.activate(&bundle(Privacy::Anonymous, FEW), Stage::Production).await;
        let issued = invite(center, 2 * FEW).await.issued;
        center.settle().await;
        let pages = serve(center).await;
        let people = answer(center, &pages, &issued[..FEW]).await;
        let ring = center.keys.ring.clone();

        // Another key in the file, the old one lost: what it sealed stays, and the log says which key is missing.
        let lines = Lines::default();
        let logging = tracing_subscriber::fmt().with_writer(lines.clone()).finish();
        let logging = tracing::subscriber::set_default(logging);
        center.wind(14 * 24 * 3600);
        let other = KeyRing::parse(&another()).unwrap();
        center.process.calendar.keys = Arc::new((*center.keys).clone().with_ring(other.clone()));
        assert_eq!(center.process.calendar.step().await.unwrap(), Did::Something, "the day's work goes on");
        center.process.calendar.step().await.unwrap_err();
        assert_eq!(file(center).await.1, FEW as i64);
        assert!(lines.text().contains(&ring.names()[0]), "{}", lines.text());
        drop(logging);

        // The old line is put back behind the new one.
        let both = KeyRing::parse(&format!("{}\n{}", another(), "a".repeat(52))).unwrap();
        center.process.calendar.keys = Arc::new((*center.keys).clone().with_ring(both));
        center.attend().await;
        let (found, sealed, opened) = file(center).await;
        assert_eq!((found.len(), sealed, opened), (people.len(), 0, vec![FEW as i64]));
    }

    async fn fewer_than_a_batch_are_never_opened(center: &mut Center) {
        center.activate(&bundle(Privacy::Anonymous, FEW), Stage::Production).await;
        let issued = invite(center, FEW).await.issued;
        center.settle().await;
        let pages = serve(center).await;
        answer(center, &pages, &issued[..FEW - 1]).await;
        center.wind(14 * 24 * 3600);
        center.attend().await;
        assert_eq!(file(center).await, (BTreeMap::new(), FEW as i64 - 1, Vec::new()));
    }

    async fn without_a_key_nothing_is_taken(center: &mut Center) {
        center.activate(&bundle(Privacy::Anonymous, FEW), Stage::Production).await;
        let issued = invite(center, FEW).await.issued;
        center.settle().await;
        center.keys = Arc::new((*center.keys).clone().with_ring(KeyRing::default()));
        let pages = serve(center).await;
        let page = pages.get(&path(&issued[0])).await;
        assert!(page.status == 403 && page.body.contains("takes no answers at present"), "{page:?}");
        let sent = pages.post(&path(&issued[0]), &[("day", "2026-11-01"), ("mood", "7"), ("pain", "no"), ("tired", "2"), ("worried", "1"), ("met", "3")]).await;
        assert_eq!(sent.status, 403);
        assert_eq!((file(center).await.1, row(center).await.responses), (0, 0));
    }

    async fn what_is_too_long_is_shown_again(center: &mut Center) {
        center.activate(&bundle(Privacy::Anonymous, FEW), Stage::Production).await;
        let issued = invite(center, FEW).await.issued;
        center.settle().await;
        let pages = serve(center).await;
        let long = "あ".repeat(11_000);
        let fields = [("_lang", "ja"), ("day", "2026-11-01"), ("mood", "7"), ("pain", "no"), ("tired", "2"), ("worried", "1"), ("met", "3"), ("remark", long.as_str())];
        let page = pages.post(&path(&issued[0]), &fields).await;
        assert!(page.status == 422 && page.body.contains("回答全体が長すぎます") && page.body.contains(&long), "{}", page.head);
        assert_eq!((file(center).await.1, row(center).await.responses), (0, 0));
        let shorter = "あ".repeat(10_000);
        let fields = [("_lang", "ja"), ("day", "2026-11-01"), ("mood", "7"), ("pain", "no"), ("tired", "2"), ("worried", "1"), ("met", "3"), ("remark", shorter.as_str())];
        assert_eq!(pages.post(&path(&issued[0]), &fields).await.status, 303);
        assert_eq!((file(center).await.1, row(center).await.responses), (1, 1));
    }

    async fn a_closed_study_and_a_full_one_are_over(center: &mut Center) {
        let full = edited(&bundle(Privacy::Anonymous, FEW), "study.toml", "responses = \"once\"", "responses = \"once\"\ncap = 7");
        center.activate(&full, Stage::Production).await;
        let issued = invite(center, 8).await.issued;
        center.settle().await;
        let pages = serve(center).await;
        answer(center, &pages, &issued[..6]).await;
        center.attend().await;
        assert_eq!(file(center).await.1, 6);
        let path = path(&issued[6]);
        let mark = pages.get(&path).await.field("_mark");
        let fields = [("_mark", mark.as_str()), ("day", "2026-11-01"), ("mood", "7"), ("pain", "no"), ("tired", "2"), ("worried", "1"), ("met", "3"), ("remark", "the seventh")];
        assert_eq!(pages.post(&path, &fields).await.status, 303);
        center.attend().await;
        assert_eq!((file(center).await.1, file(center).await.2), (0, vec![7]));
    }

    async fn a_promise_made_to_participants_stays(center: &mut Center) {
        let first = bundle(Privacy::Anonymous, FEW);
        center.activate(&first, Stage::Production).await;
        let amended = |from: &str, to: &str| edited(&first, "study.toml", from, to);
        let act = || center.act("why not");
        // Nobody was asked yet: it may still change.
        let other = amended("batch = 5", "batch = 6");
        center.amend(&other, act()).await.unwrap();
        center.amend(&first, act()).await.unwrap();
        invite(center, FEW).await;
        for other in [
            amended("privacy = \"anonymous\"\nbatch = 5", "privacy = \"named\""),
            amended("privacy = \"anonymous\"", "privacy = \"fully-anonymous\""),
            amended("batch = 5", "batch = 6"),
        ] {
            let refused = center.amend(&other, act()).await.unwrap_err();
            assert!(refused.to_string().contains("on that promise"), "{refused}");
        }
        let longer = amended("closes = 2026-11-30", "closes = 2026-12-31");
        center.amend(&longer, act()).await.unwrap();
        center.settle().await;
    }

    async fn no_amendment_marks_the_answers_between(center: &mut Center) {
        let form = "instruments/weekly.toml";
        let level = "[[items]]\nid = \"level\"\nkind = \"calculation\"\nlabel = { ja = \"区分\", en = \"Level\" }\n\
                     calculation = \"mood > 5 ? 'high' : 'low'\"\n\n";
        let hours = "[[checks]]\nid = \"hours\"";
        let first = edited(&bundle(Privacy::Anonymous, FEW), form, hours, &format!("{level}{hours}"));
        center.activate(&first, Stage::Production).await;
        let amended = |from: &str, to: &str| edited(&first, form, from, to);
        // Nobody was asked yet: it may still change.
        center.amend(&amended("'high'", "'v0'"), center.act("why not")).await.unwrap();
        center.amend(&first, center.act("why not")).await.unwrap();
        let issued = invite(center, 2 * FEW).await.issued;
        center.settle().await;
        let pages = serve(center).await;
        answer_one(center, &pages, &issued, 0).await;
        for (from, to, what) in [
            ("'high'", "'v1'", "`calculation` of `level`"),
            ("when = \"pain\"", "when = \"mood < 5\"", "`when` of `where`"),
            ("code = \"joint\"", "code = \"joints\"", "the codes of `choices`, and their order, of `where`"),
            ("low = 0\nhigh = 10", "low = 0\nhigh = 11", "`low` or `high` of `mood`"),
            ("places = 1", "places = 2", "`places` of `slept`"),
            ("soft = { min = 3, max = 12 }", "soft = { min = 3, max = 13 }", "`soft` of `slept`"),
            ("earliest = \"2026-04-01\"", "earliest = \"2026-04-02\"", "`hard` of `day`"),
            ("kind = \"note\"", "kind = \"text\"", "`kind` of `remark`"),
            ("kind = \"note\"", "kind = \"note\"\nrequired = true", "`required` of `remark`"),
            ("slept + napped <= 24", "slept + napped <= 23", "what [[checks]] ask for"),
            ("id = \"level\"", "id = \"grade\"", "which items there are"),
        ] {
            let refused = center.amend(&amended(from, to), center.act("wording")).await.unwrap_err().to_string();
            assert!(refused.contains(what) && refused.contains("begin a study with another slug"), "{to}: {refused}");
        }
        // So that the values of a calculation get names, too.
        let named = "'high' : 'low'\"\nvalues = [{ code = \"high\", label = { ja = \"高い\", en = \"High\" } }, \
                     { code = \"low\", label = { ja = \"低い\", en = \"Low\" } }]\n";
        let mut words = amended("Did you have pain?", "Were you in pain?");
        for (from, to) in [("en = \"Joints\"", "en = \"Any joint\""), ("'high' : 'low'\"\n", named), ("are more than 24 together", "are more than a day has")] {
            words = edited(&words, form, from, to);
        }
        center.amend(&words, center.act("wording")).await.unwrap();
        for at in 1..2 * FEW {
            answer_one(center, &pages, &issued, at).await;
        }
        center.wind(14 * 24 * 3600);
        center.attend().await;
        let kept = response::list(center.store(), row(center).await.id, &Mark([0; 16]), 1_000).await.unwrap();
        let levels: std::collections::BTreeSet<String> = kept
            .iter()
            .map(|one| serde_json::from_str::<BTreeMap<String, String>>(&one.answers).unwrap()["level"].clone())
            .collect();
        assert_eq!((kept.len(), levels), (2 * FEW, ["high".to_owned()].into()));
        center.settle().await;
    }

    async fn what_tells_the_day_from_before_goes_on_and_can_be_taken_out(center: &mut Center) {
        let form = "instruments/weekly.toml";
        let age = "[[items]]\nid = \"age\"\nkind = \"calculation\"\nlabel = { ja = \"日数\", en = \"Days\" }\n\
                   calculation = \"days_between(day, today)\"\n\n";
        let (hours, near) = ("[[checks]]\nid = \"hours\"", "earliest = \"today-60\", latest = \"today\"");
        let first = edited(&bundle(Privacy::Anonymous, FEW), form, hours, &format!("{age}{hours}"));
        let first = edited(&first, form, "earliest = \"2026-04-01\", latest = \"today\"", near);
        assert!(definition::load(&first).is_err());
        // An earlier version of the program took it into force.
        let (study, act) = (definition::load_in_force(&first).unwrap().0, center.act("before"));
        life::activate(center.store(), &first, &study, Stage::Production, act, &*center.dice).await.unwrap();
        let issued = invite(center, 2 * FEW).await.issued;
        center.settle().await;
        let pages = serve(center).await;
        answer_one(center, &pages, &issued, 0).await;
        let out = edited(&first, form, "days_between(day, today)", "days_between(day, day)");
        let out = edited(&out, form, near, "earliest = \"2026-04-01\", latest = \"today\"");
        let more = edited(&out, form, "low = 0\nhigh = 10", "low = 0\nhigh = 11");
        let refused = center.amend(&more, center.act("the day")).await.unwrap_err().to_string();
        assert!(refused.contains("`low` or `high` of `mood`") && !refused.contains("`age`"), "{refused}");
        assert!(!refused.contains("`day`"), "{refused}");
        center.amend(&out, center.act("the day")).await.unwrap();
        for at in 1..2 * FEW {
            answer_one(center, &pages, &issued, at).await;
        }
        center.wind(14 * 24 * 3600);
        center.attend().await;
        let kept = response::list(center.store(), row(center).await.id, &Mark([0; 16]), 1_000).await.unwrap();
        assert_eq!(kept.len(), 2 * FEW);
        center.settle().await;
    }
}
