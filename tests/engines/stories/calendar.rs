//! What is done of a morning: the digest with the chain's end, once whatever daemons there are; and the balance by mail.

use hagaki::domain::study::Stage;
use hagaki::domain::witness::Witness;
use hagaki::store::{audit, study};

use super::*;

const AURORA_STATISTICIAN: Writer = Writer { address: STATISTICIAN, study: "aurora" };
const AURORA_CENTER: Writer = Writer { address: CENTER, study: "aurora" };
const BLIND: Writer = Writer { address: BLIND_STATISTICIAN, study: "borealis" };
const BLIND_OFFICE: Writer = Writer { address: OFFICE, study: "borealis" };

async fn enroll(center: &mut Center, number: usize) {
    center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")))).await;
    assert_eq!(reason(center).await, "enrolled");
}

stories! {
    async fn the_digest_goes_out_once_a_day_if_anything_happened(center: &mut Center) {
        aurora(center).await;
        center.dawn().await;
        assert_eq!(kinds(&center.settle().await), [], "nothing happened since the study was first looked at");
        enroll(center, 1).await;
        enroll(center, 2).await;
        center.wind(24 * 3600);
        // Two daemons at the same moment.
        let store = center.store().clone();
        let mut other = center.start_on(&store);
        let (one, two) = tokio::join!(center.process.calendar.step(), other.calendar.step());
        one.unwrap();
        two.unwrap();
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [("digest-unblinded", STATISTICIAN)]);
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let seen = Witness::parse(&letters[0].text).unwrap();
        let entries = audit::list(center.store(), row.id, seen.entries - 1, 1).await.unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(&entries[0].digest), seen.head);
        assert_eq!((seen.study.as_str(), seen.stage, seen.entries), ("aurora", Stage::Production, row.chain.length));
        for arm in center.arms("aurora").await {
            assert!(letters[0].text.contains(&format!("({arm})")), "{}", letters[0].text);
        }
        center.dawn().await;
        assert_eq!(kinds(&center.settle().await), [], "a quiet day");
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        enroll(center, 3).await;
        center.dawn().await;
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("digest-unblinded", STATISTICIAN)]);
        // A study that is closed has a last word, and no more.
        center.close("aurora", "done").await;
        center.dawn().await;
        assert_eq!(kinds(&center.settle().await), [("digest-unblinded", STATISTICIAN)]);
        center.dawn().await;
        assert_eq!(kinds(&center.settle().await), []);
    }

    async fn a_blinded_reader_of_the_digest_learns_no_counts(center: &mut Center) {
        let text = format!("{}\n[digest]\nroles = [\"statistician\", \"coordinator\"]\nat = \"06:30\"\n", samples::borealis().file("study.toml").unwrap());
        center.activate(&with_file(&samples::borealis(), "study.toml", &text), Stage::Production).await;
        center.attend().await;
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        center.dawn().await;
        let mut letters = center.settle().await;
        letters.sort_by(|one, other| one.kind.cmp(&other.kind));
        assert_eq!(kinds(&letters), [("digest", OFFICE), ("digest-unblinded", BLIND_STATISTICIAN)]);
        let arms = &defined(&samples::borealis()).arms;
        assert!(arms.iter().all(|arm| !letters[0].text.contains(&format!("({})", arm.code))), "{}", letters[0].text);
        assert!(arms.iter().all(|arm| letters[1].text.contains(&format!("({})", arm.code))), "{}", letters[1].text);
    }

    async fn another_time_of_day_counts_at_once(center: &mut Center) {
        aurora(center).await;
        center.attend().await;
        enroll(center, 1).await;
        // It is morning in Tokyo, and the digest is due tomorrow at seven; by the amendment it is due in the next hours.
        let text = format!("{}\n[digest]\nat = \"23:00\"\n", samples::aurora().file("study.toml").unwrap());
        let bundle = with_file(&samples::aurora(), "study.toml", &text);
        center.amend(&bundle, center.act("later")).await.unwrap();
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let next = hagaki::store::calendar::find(center.store(), row.id).await.unwrap().unwrap().next_at;
        assert!(next.local(defined(&bundle).zone).contains(" 23:00 "), "{}", next.local(defined(&bundle).zone));
        center.wind(24 * 3600);
        center.attend().await;
        assert_eq!(kinds(&center.settle().await), [("digest-unblinded", STATISTICIAN)]);
    }

    async fn the_digest_can_be_left_out(center: &mut Center) {
        let text = format!("{}\n[digest]\nroles = []\n", samples::aurora().file("study.toml").unwrap());
        center.activate(&with_file(&samples::aurora(), "study.toml", &text), Stage::Production).await;
        center.attend().await;
        enroll(center, 1).await;
        center.dawn().await;
        assert_eq!(kinds(&center.settle().await), []);
    }

    async fn the_balance_is_for_those_who_cannot_use_it(center: &mut Center) {
        aurora(center).await;
        borealis(center).await;
        enroll(center, 1).await;
        for (writer, subject, kind) in [
            (AURORA_STATISTICIAN, "[AURORA] balance", "balance"),
            (AURORA_CENTER, "[AURORA] 割付状況", "not-entitled"),
            (DR_YAMADA, "[AURORA] 割付状況", "not-entitled"),
            (BLIND, "[BOREALIS] balance", "balance"),
            (BLIND_OFFICE, "[BOREALIS] 割付状況", "not-entitled"),
            (DR_KOBAYASHI, "[BOREALIS] 割付状況", "not-entitled"),
        ] {
            center.wind(60);
            let answer = center.answer(&writer.writes(subject, "\n")).await;
            assert_eq!(answer.kind, kind, "{} {subject}\n{}", writer.address, answer.text);
            if kind == "balance" && writer.study == "aurora" {
                let arm = center.arms("aurora").await.remove(0);
                assert!(answer.text.contains(&format!("{arm} 1")) && answer.text.contains("011"), "{}", answer.text);
            }
        }
    }
}
