//! What a study is called: by one name one study, and whoever has a number keeps it.

use hagaki::store::Store;
use hagaki::workflow::command;
use hagaki::workflow::life::{self, LifeError, Refusal};

use super::amending::amend;
use super::*;

/// AURORA under another slug and tag.
fn called(slug: &str, tag: &str) -> Bundle {
    let bundle = edited(&samples::aurora(), "study.toml", "slug = \"aurora\"", &format!("slug = \"{slug}\""));
    edited(&bundle, "study.toml", "tag = \"AURORA\"", &format!("tag = \"{tag}\""))
}

async fn activate(center: &Center, store: &Store, bundle: &Bundle, stage: Stage) -> Result<i64, LifeError> {
    let study = defined(bundle);
    life::activate(store, bundle, &study, stage, center.act("begin"), &*center.dice).await.map(|done| done.version)
}

/// Which of the two words is taken, and by which study.
fn taken(result: Result<i64, LifeError>) -> (&'static str, String) {
    match result {
        Err(LifeError::Refused(ref refusal @ Refusal::Named { key, ref other, .. })) => {
            let told = refusal.to_string();
            assert!(
                told.contains(&format!("of the study {other}")) && told.contains(&format!("another {key}")),
                "{told}"
            );
            (key, other.clone())
        }
        other => panic!("{other:?}"),
    }
}

stories! {
    async fn a_tag_stays_once_somebody_is_called_by_it(center: &mut Center) {
        aurora(center).await;
        assert_eq!(amend(center, &called("aurora", "NORTH")).await.unwrap(), 2);
        // Forms with the tag of before are on their way still.
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")).to("reg@example.jp");
        assert!(mail.subject.contains("[AURORA]"), "{}", mail.subject);
        let answer = center.answer(&mail).await;
        assert!(answer.subject.contains("[NORTH]") && answer.text.contains("NORTH-0001"), "{}", answer.text);
        for number in ["NORTH-0001", "AURORA-0001"] {
            let asked = center.answer(&DR_YAMADA.writes("照会", &format!("症例番号: {number}\n"))).await;
            assert!(asked.kind == "status-open" && asked.text.contains("NORTH-0001"), "{}", asked.text);
            let shelved = center.shelved("aurora").await;
            let found = command::find_subject(center.store(), &shelved.study, shelved.id, number).await.unwrap();
            assert_eq!(found.number, 1);
        }
        let other = called("aurora", "SOUTH");
        let refused = |result: Result<i64, LifeError>| match result {
            Err(LifeError::Refused(refusal @ Refusal::Tagged { .. })) => refusal.to_string(),
            other => panic!("{other:?}"),
        };
        let foreseen = refused(center.foresee(&other, center.act("")).await.map(|(version, _)| version));
        assert!(foreseen.contains("write tag = \"NORTH\" again") && !foreseen.contains("purge"), "{foreseen}");
        assert_eq!(refused(amend(center, &other).await), foreseen);
        center.assert_proved().await;
    }

    async fn a_rehearsal_is_called_otherwise_once_it_is_purged(center: &mut Center) {
        center.activate(&samples::aurora(), Stage::Development).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))).await;
        let other = called("aurora", "NORTH");
        let Err(LifeError::Refused(refusal)) = activate(center, center.store(), &other, Stage::Development).await else {
            panic!("called otherwise with a subject in it")
        };
        assert!(refusal.to_string().contains("hagaki study purge aurora"), "{refusal}");
        life::purge(center.store(), "aurora", center.act(""), &*center.dice).await.unwrap();
        activate(center, center.store(), &other, Stage::Development).await.unwrap();
        // What a rehearsal was called once, anybody can be called.
        activate(center, center.store(), &called("aurora", "SOUTH"), Stage::Development).await.unwrap();
        activate(center, center.store(), &called("zephyr", "NORTH"), Stage::Production).await.unwrap();
        assert_eq!(taken(activate(center, center.store(), &other, Stage::Development).await), ("tag", "zephyr".into()));
    }

    async fn a_name_is_that_of_one_study(center: &mut Center) {
        aurora(center).await;
        for stage in [Stage::Development, Stage::Production] {
            for tag in ["AURORA", "Aurora"] {
                let result = activate(center, center.store(), &called("zephyr", tag), stage).await;
                assert_eq!(taken(result), ("tag", "aurora".into()));
            }
        }
        amend(center, &called("aurora", "NORTH")).await.unwrap();
        amend(center, &called("aurora", "SOUTH")).await.unwrap();
        activate(center, center.store(), &called("zephyr", "ZEPHYR"), Stage::Production).await.unwrap();
        // Its slug, its tag and every tag it had.
        for tag in ["AURORA", "NORTH", "SOUTH"] {
            assert_eq!(taken(amend(center, &called("zephyr", tag)).await), ("tag", "aurora".into()), "{tag}");
        }
        let slug = activate(center, center.store(), &called("north", "BORA"), Stage::Production).await;
        assert_eq!(taken(slug), ("slug", "aurora".into()));
        assert_eq!(taken(amend(center, &called("aurora", "ZEPHYR")).await), ("tag", "zephyr".into()));
        // What it had itself it can have again.
        amend(center, &called("aurora", "NORTH")).await.unwrap();
        // A study that is over keeps its name: its papers are still read.
        center.close("zephyr", "done").await;
        assert_eq!(taken(amend(center, &called("aurora", "ZEPHYR")).await), ("tag", "zephyr".into()));
    }

    async fn of_two_who_take_a_name_at_once_one_gets_it(center: &mut Center) {
        let other = Store::open(&center.world.url).await.unwrap().with_ring(crate::world::ring());
        for round in 0..8 {
            let [one, two] = ["one", "two"].map(|side| called(&format!("{side}-{round}"), &format!("ROUND-{round}")));
            let (first, second) = tokio::join!(
                activate(center, center.store(), &one, Stage::Production),
                activate(center, &other, &two, Stage::Production)
            );
            match (first, second) {
                (Ok(_), lost) => assert_eq!(taken(lost), ("tag", format!("one-{round}"))),
                (lost, Ok(_)) => assert_eq!(taken(lost), ("tag", format!("two-{round}"))),
                both => panic!("{both:?}"),
            }
        }
    }

    async fn a_mail_that_two_studies_claim_is_held(center: &mut Center) {
        aurora(center).await;
        // As it could be before names were looked at.
        center.world.tamper("DELETE FROM study_name").await;
        center.activate(&called("zephyr", "AURORA"), Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        center.exchange(&mail.clone().to("reg@example.jp")).await;
        assert_eq!(reason(center).await, "shared-name");
        assert_eq!((center.enrolled("aurora").await.len(), center.enrolled("zephyr").await.len()), (0, 0));
        let notice = center.exchange(&mail.anew().to("reg@example.jp")).await;
        assert_eq!(kinds(&notice), [("quarantine-notice", "operator@example.jp")]);
        assert!(notice[0].text.contains("Two studies here are called") && notice[0].text.contains("plus sign"), "{}", notice[0].text);
        // Which is meant, the address tells.
        for (number, slug) in ["zephyr", "aurora"].into_iter().enumerate() {
            let answer = center.answer(&mail.anew().to(&format!("reg+{slug}@example.jp"))).await;
            assert_eq!(answer.kind, "assignment-open");
            let enrolled = [center.enrolled("zephyr").await.len(), center.enrolled("aurora").await.len()];
            assert_eq!(enrolled, [[1, 0], [1, 1]][number]);
        }
        // Both can be amended as before.
        for slug in ["zephyr", "aurora"] {
            let bundle = edited(&called(slug, "AURORA"), "study.toml", "[[sites]]", "\n[[sites]]");
            assert_eq!(amend(center, &bundle).await.unwrap(), 2);
        }
    }
}
