//! Cohorts: only so many of a kind, exactly, and who hears when one is filling.

use hagaki::store::study;
use hagaki::workflow::cohorts;

use super::*;

/// AURORA with so many women at most, and so many at site 011.
fn limited(women: u32, here: u32) -> Bundle {
    let cohorts = format!(
        "total = 240\n[[caps.cohort]]\nid = \"women\"\nname = {{ ja = \"女性\", en = \"Women\" }}\nwhen = \"sex == 'F'\"\ncap = {women}\nnotify = \"75%\"\n\
         [[caps.cohort]]\nid = \"first\"\nwhen = \"site == '011' && age >= 50\"\ncap = {here}\n"
    );
    edited(&samples::aurora(), "allocation.toml", "total = 240", &cohorts)
}

fn woman(number: usize) -> Mail {
    DR_YAMADA.writes(
        "登録",
        &aurora_form("011", &format!("W-{number:04}")).replace("性別: 男", "性別: 女\n妊娠の有無: いいえ"),
    )
}

async fn filled(center: &Center) -> Vec<u64> {
    let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
    let shelved = center.shelf_on(center.store()).load(&row).await.unwrap();
    cohorts::count(center.store(), &shelved).await.unwrap()
}

stories! {
    async fn a_cohort_is_exact_and_its_name_is_told(center: &mut Center) {
        center.activate(&limited(4, 100), Stage::Production).await;
        // Nine at once for four places.
        for number in 1..=9 {
            center.deliver(&woman(number));
        }
        let letters = center.settle().await;
        assert_eq!(center.enrolled("aurora").await.len(), 4);
        assert_eq!(filled(center).await, [4, 4]);
        let refused: Vec<&Received> = letters.iter().filter(|letter| letter.kind == "refusal").collect();
        assert_eq!(refused.len(), 5);
        assert!(refused.iter().all(|letter| letter.text.contains("女性")), "{}", refused[0].text);
        // Three of four is the part at which people hear; once.
        let mut told: Vec<&str> = letters.iter().filter(|one| one.kind == "cohort-filling").map(|one| one.to.as_str()).collect();
        told.sort_unstable();
        assert_eq!(told, [CENTER, STATISTICIAN]);
        assert!(letters.iter().any(|one| one.kind == "cohort-filling" && one.text.contains("4 例中 3 例")));
        // Men go on; a process that held nothing in memory knows as much.
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "M-0001"))).await;
        assert_eq!(reason(center).await, "enrolled");
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        center.exchange(&woman(20)).await;
        assert_eq!(reason(center).await, "cohort-full:women");
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "M-0002"))).await;
        assert_eq!((reason(center).await.as_str(), filled(center).await), ("enrolled", vec![4, 6]));
    }

    async fn an_amendment_counts_everybody_by_the_new_rule(center: &mut Center) {
        center.activate(&limited(4, 5), Stage::Production).await;
        center.attend().await;
        for number in 1..=5 {
            center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("M-{number:04}")))).await;
        }
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "M-0006"))).await;
        assert_eq!(reason(center).await, "cohort-full:first");
        let wider = limited(4, 6);
        let (_, told) = center.foresee(&wider, center.act("look")).await.unwrap();
        assert!(told.contains(&"cap of cohort first: 6 instead of 5".to_owned()), "{told:?}");
        center.amend(&wider, center.act("protocol 2")).await.unwrap();
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "M-0006"))).await;
        assert_eq!(reason(center).await, "enrolled");
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "M-0007"))).await;
        assert_eq!(reason(center).await, "cohort-full:first");
        // Another rule under the same name: all six are counted by it.
        let other = edited(&wider, "allocation.toml", "age >= 50", "age >= 60");
        center.amend(&other, center.act("protocol 3")).await.unwrap();
        assert_eq!(filled(center).await, [0, 0]);
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "M-0007"))).await;
        assert_eq!(reason(center).await, "enrolled");
        // The day's digest tells how full they are.
        center.dawn().await;
        let letters = center.settle().await;
        let digest = letters.iter().find(|one| one.kind == "digest-unblinded").unwrap();
        assert!(digest.text.contains("0 of 4") || digest.text.contains("4 例中 0 例"), "{}", digest.text);
    }
}
