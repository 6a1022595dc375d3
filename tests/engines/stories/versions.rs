//! The files of a study beside what its chain tells: what somebody changed in the database is found, and decides nothing.

use hagaki::store::study::StudyRow;
use hagaki::store::{Store, audit, study};
use hagaki::workflow::Failure;
use hagaki::workflow::life;
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::versions::{self, Doubt, Why};

use super::*;

async fn row(store: &Store) -> StudyRow {
    study::find_current(store, "aurora").await.unwrap().unwrap()
}

/// AURORA with three versions, the first of which allocated somebody.
async fn amended(center: &mut Center) {
    aurora(center).await;
    center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
    for remark in ["# second", "# third"] {
        let bundle = edited(&samples::aurora(), "study.toml", "confirm = false", &format!("confirm = false {remark}"));
        center.amend(&bundle, center.act("a remark")).await.unwrap();
    }
}

stories! {
    async fn what_was_changed_in_the_database_is_found_and_not_loaded(center: &mut Center) {
        amended(center).await;
        let shelved = center.shelf_on(center.store()).load(&row(center.store()).await).await.unwrap();
        assert_eq!(versions::check(center.store(), &row(center.store()).await).await.unwrap(), None);
        let of = |what: &str, version: i64| format!("(SELECT {what} FROM bundle AS other WHERE other.version = {version})");
        // Files and digest of another version agree with each other, and not with the chain.
        let other = |version: i64| {
            let (digest, files) = (of("digest", 2), of("files", 2));
            format!("UPDATE bundle SET digest = {digest}, files = {files} WHERE version = {version}")
        };
        for (change, version, why, loads) in [
            ("UPDATE bundle SET files = replace(files, '4/5', '1/5') WHERE version = 3".to_owned(), 3, Why::Files, false),
            ("UPDATE bundle SET files = replace(files, '4/5', '1/5') WHERE version = 1".to_owned(), 1, Why::Files, true),
            (other(3), 3, Why::Digest, false),
            (other(1), 1, Why::Digest, true),
            ("DELETE FROM bundle WHERE version = 1".to_owned(), 1, Why::Absent, true),
            ("UPDATE study SET bundle_version = 1".to_owned(), 1, Why::InForce, false),
        ] {
            let copy = center.copy().await;
            copy.tamper(&change).await;
            let row = row(&copy.store).await;
            assert_eq!(versions::check(&copy.store, &row).await.unwrap(), Some(Doubt { version, why }), "{change}");
            let verdict = proof::verify(&copy.store, &shelved).await.unwrap();
            assert!(matches!(verdict, Verdict::Bundle(doubt) if doubt.why == why), "{verdict:?}");
            let loaded = center.shelf_on(&copy.store).load(&row).await;
            assert_eq!(loaded.is_ok(), loads, "{change}");
            assert!(loads || matches!(loaded, Err(Failure::Bundle { .. })), "{change}");
            // The chain itself is whole: nothing but the comparison finds it.
            assert!(audit::verify(&copy.store, row.id).await.unwrap().result.is_ok());
            copy.close().await;
            center.reconnect().await;
        }
    }

    async fn a_purge_begins_anew_and_is_believed(center: &mut Center) {
        center.activate(&samples::aurora(), Stage::Development).await;
        let bundle = edited(&samples::aurora(), "study.toml", "confirm = false", "confirm = false # again");
        let study = defined(&bundle);
        life::activate(center.store(), &bundle, &study, Stage::Development, center.act("again"), &*center.dice).await.unwrap();
        life::purge(center.store(), "aurora", center.act("done"), &*center.dice).await.unwrap();
        assert_eq!(versions::check(center.store(), &row(center.store()).await).await.unwrap(), None);
        center.shelf_on(center.store()).load(&row(center.store()).await).await.unwrap();
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        assert_eq!(reason(center).await, "enrolled");
    }
}
