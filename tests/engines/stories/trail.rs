//! The audit trail, read while a blinded study goes on: everything that happened, and no arm.

use hagaki::store::{audit, study};
use hagaki::workflow::trail::{self, Line};

use super::enrolling::MARKS;
use super::facts::ok;
use super::forcing::{Hand, give};
use super::*;

async fn read(center: &Center, concealed: bool) -> Vec<Line> {
    let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
    let (mut all, mut after) = (Vec::new(), 0);
    while let Some((lines, last)) = trail::page(center.store(), row.id, after, concealed).await.unwrap() {
        all.extend(lines);
        after = last;
    }
    assert_eq!(all.len() as i64, audit::head(center.store(), row.id).await.unwrap().length);
    all
}

stories! {
    async fn whoever_is_blinded_reads_who_did_what_and_no_arm(center: &mut Center) {
        let table = "[forced]\nlimit = 3\nroles = [\"pharmacist\"]\n\n[caps]";
        center.activate(&edited(&samples::borealis(), "allocation.toml", "[caps]", table), Stage::Production).await;
        for number in 1..=2 {
            center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", &format!("103-{number:03}")))).await;
        }
        let form = borealis_form("103", "103-003").trim_end().to_owned();
        give(center, "borealis", &Hand::by("pharmacy", "H", form)).await.unwrap();
        center.settle().await;
        let asked = center.answer(&DR_LARSEN.writes("unblind", "subject: BOREALIS-0001\nreason: seizure, on arm H surely\n")).await;
        assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
        center.exchange(&ok(&asked, DR_LARSEN)).await;
        let (shown, whole) = (read(center, true).await, read(center, false).await);
        let enrolled: Vec<&Line> = shown.iter().filter(|line| line.action == "enroll").collect();
        assert_eq!(enrolled.iter().map(|line| (line.actor.as_str(), line.subject)).collect::<Vec<_>>(), [
            ("larsen", Some(1)), ("larsen", Some(2)), ("larsen", Some(3)),
        ]);
        assert!(enrolled.windows(2).all(|pair| pair[0].particulars == pair[1].particulars), "{enrolled:?}");
        let broken = shown.iter().find(|line| line.action == "fact").unwrap();
        assert_eq!((broken.subject, broken.particulars["kind"].as_str()), (Some(1), Some("unblinded")));
        for line in &shown {
            let text = format!("{line:?}");
            assert!(!text.contains("seizure") && !text.contains("operator:tester\", action: \"enroll"), "{text}");
            assert!(MARKS.iter().all(|mark| !text.contains(mark)), "{text}");
            for hidden in ["arm", "allocation", "kit", "levels", "answers", "salt", "counts", "after", "reason"] {
                assert!(!line.particulars.contains_key(hidden), "{text}");
            }
        }
        // Whoever may know arms reads it all, but what would let the digests in receipts be tried.
        let forced = whole.iter().filter(|line| line.action == "enroll").nth(2).unwrap();
        assert_eq!((forced.actor.as_str(), &forced.particulars["allocation"]["arm"]), ("operator:tester", &serde_json::json!("H")));
        assert!(whole.iter().all(|line| !line.particulars.contains_key("salt")));
        assert!(whole.iter().any(|line| format!("{line:?}").contains("seizure")));
    }
}
