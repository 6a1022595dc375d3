//! A fact about the wrong subject is taken back: both stay on file, and from then on the one that was in error counts in nothing.

use hagaki::domain::fact::FactKind;
use hagaki::store::fact::FactRow;
use hagaki::store::{fact, study};
use hagaki::workflow::command::{CommandError, Order, Refusal};
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::told::What;
use hagaki::workflow::{package, take_back};

use super::afterwards::verdict;
use super::facts::{Operating, enroll, ok};
use super::randomizing::eight_weeks_on;
use super::*;

async fn facts(center: &Center, slug: &str) -> Vec<FactRow> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    fact::list(center.store(), row.id, 0, 1_000).await.unwrap()
}

/// AURORA, in which whoever withdrew or was enrolled twice counts no more.
fn excluding() -> Bundle {
    edited(
        &samples::aurora(),
        "allocation.toml",
        "method =",
        "exclude = [\"withdrawn\", \"ineligible\", \"duplicate\"]\ncorrections = \"corrected\"\nmethod =",
    )
}

async fn withdraw(center: &mut Center, writer: Writer, number: &str) -> Mail {
    let asked = center.answer(&writer.writes("同意撤回", &format!("症例番号: {number}\n理由: 転居\n"))).await;
    let yes = ok(&asked, writer);
    center.exchange(&yes).await;
    assert_eq!(reason(center).await, "withdrawn");
    yes
}

/// Takes back the fact of that number about a subject.
pub(super) async fn take(
    center: &Center,
    subject: &str,
    in_error: i64,
    by: &str,
) -> Result<(FactRow, bool), CommandError> {
    let slug = subject.split('-').next().unwrap_or_default().to_lowercase();
    let desk = Operating::of(center, &slug).await;
    let order = Order { actor: "operator:tester", subject, reason: "another patient was meant" };
    take_back::take_back(&desk.shelf, &desk.shelved, desk.means(center), order, (in_error, by)).await
}

fn refusal(taken: Result<(FactRow, bool), CommandError>) -> String {
    match taken {
        Err(CommandError::Refused(Refusal::NotTakenBack(why))) => why,
        other => panic!("{other:?}"),
    }
}

stories! {
    async fn the_subject_counts_again_from_the_next_decision_on(center: &mut Center) {
        center.activate(&excluding(), Stage::Production).await;
        enroll(center, 1..7).await;
        let yes = withdraw(center, DR_YAMADA, "AURORA-0002").await;
        enroll(center, 7..10).await;
        // Corrected while it counts nowhere: known when it counts again.
        let desk = Operating::of(center, "aurora").await;
        desk.note(center, "AURORA-0002", FactKind::WrongStratum, &[("stage", "IV")], None).await.unwrap();
        center.settle().await;
        for (subject, in_error, by, part) in [
            ("AURORA-0002", 9, "center", "no fact 9 is on file of AURORA-0002"),
            ("AURORA-0001", 1, "center", "no fact 1 is on file of AURORA-0001"),
            ("AURORA-0002", 2, "center", "fact 2 is a correction"),
        ] {
            let why = refusal(take(center, subject, in_error, by).await);
            assert!(why.contains(part), "{why}");
        }
        let nobody = take(center, "AURORA-0002", 1, "nobody").await;
        assert!(matches!(nobody, Err(CommandError::Refused(Refusal::Person(..)))), "{nobody:?}");
        let (taken, new) = take(center, "AURORA-0002", 1, "center").await.unwrap();
        assert_eq!((new, taken.number, taken.kind, taken.takes_back), (true, 3, FactKind::TakenBack, Some(1)));
        // Everybody who heard of it hears of that, and whoever told it.
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [
            ("fact-notice", CENTER),
            ("fact-notice", STATISTICIAN),
            ("fact-notice", DR_YAMADA.address),
        ]);
        let told = letters.iter().find(|letter| letter.to == DR_YAMADA.address).unwrap();
        assert!(told.text.contains("誤った記録が取り消されました") && told.text.contains("同意が撤回されました"), "{}", told.text);
        let (again, new) = take(center, "AURORA-0002", 1, "center").await.unwrap();
        assert_eq!((new, again.number, center.settle().await.len()), (false, 3, 0));
        assert!(refusal(take(center, "AURORA-0002", 3, "center").await).contains("takes another one back"));
        let status = center.answer(&DR_YAMADA.writes("状況 AURORA-0002", "")).await;
        assert!(status.text.contains("同意が撤回されました（誤記録のため取り消し済み）"), "{}", status.text);
        // The process that saw it and one that did not decide alike; the proof and the independent verifier know it too.
        enroll(center, 10..14).await;
        center.check().await;
        center.world.store.close().await;
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        enroll(center, 14..17).await;
        center.check().await;
        // The old yes does not bring it back; a new request can.
        assert_eq!(center.answer(&yes.anew()).await.kind, "confirm-expired");
        assert_eq!(facts(center, "aurora").await.len(), 3);
        withdraw(center, DR_YAMADA, "AURORA-0002").await;
        enroll(center, 17..19).await;
        center.check().await;
        let desk = Operating::of(center, "aurora").await;
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let package = package::pack(center.store(), &desk.shelved, &row, true).await.unwrap();
        assert!(package.files["recounts.jsonl"].contains("\"again\":true"), "{}", package.files["recounts.jsonl"]);
        if let Some((code, report)) = verdict(&package, None) {
            assert_eq!(code, 0, "{report}");
            let other = Some(("recounts.jsonl", "{\"after\":9,\"allocation\":2,\"again\":true}\n", ""));
            let (code, report) = verdict(&package, other).unwrap();
            assert_eq!((code, &report["what"]), (1, &serde_json::json!("recount")), "{report}");
        }
        // Changed behind our back, the fact that differs is named.
        center.world.tamper("UPDATE subject_fact SET takes_back = 2 WHERE number = 3").await;
        match proof::verify(center.store(), &desk.shelved).await.unwrap() {
            Verdict::Untold(found) => assert_eq!((found.number, found.what), (2, What::Fact)),
            Verdict::Differs(found) => assert!(found.number > 9),
            other => panic!("{other:?}"),
        }
        center.world.tamper("UPDATE subject_fact SET takes_back = 1 WHERE number = 3").await;
    }

    async fn another_exclusion_goes_on(center: &mut Center) {
        center.activate(&excluding(), Stage::Production).await;
        enroll(center, 1..5).await;
        let desk = Operating::of(center, "aurora").await;
        desk.note(center, "AURORA-0003", FactKind::Withdrawn, &[], None).await.unwrap();
        desk.note(center, "AURORA-0003", FactKind::Ineligible, &[], None).await.unwrap();
        take(center, "AURORA-0003", 1, "center").await.unwrap();
        center.settle().await;
        enroll(center, 5..9).await;
        center.check().await;
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let packed = async |center: &Center| package::pack(center.store(), &desk.shelved, &row, true).await.unwrap();
        assert!(!packed(center).await.files["recounts.jsonl"].contains("again"));
        take(center, "AURORA-0003", 2, "center").await.unwrap();
        center.settle().await;
        enroll(center, 9..12).await;
        center.check().await;
    }

    async fn it_is_randomized_again_and_asked_for_what_is_due(center: &mut Center) {
        eight_weeks_on(center).await;
        withdraw(center, DR_MORI, "CYGNUS-0001").await;
        center.answer(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        assert_eq!(reason(center).await, "subject-withdrawn");
        take(center, "CYGNUS-0001", 1, "cygnus-stat").await.unwrap();
        center.settle().await;
        center.answer(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        assert_eq!(reason(center).await, "randomized");
    }

    async fn no_person_counts_twice_by_it(center: &mut Center) {
        let rules = "unique_within = \"site\"\nrescreening = [\"withdrawn\"]\nrescreenings = 2";
        let bundle = edited(&samples::aurora(), "study.toml", "unique_within = \"site\"", rules);
        center.activate(&bundle, Stage::Production).await;
        let form = |reference: &str| aurora_form("011", reference);
        center.exchange(&DR_YAMADA.writes("登録", &form("Y-0001"))).await;
        withdraw(center, DR_YAMADA, "AURORA-0001").await;
        // Consent to another draw that was given for what was in error serves for nothing later.
        super::rescreening::consent(center, "AURORA-0001", "stat").await.unwrap();
        center.wind(60);
        take(center, "AURORA-0001", 1, "stat").await.unwrap();
        center.settle().await;
        let again = |of: &str| DR_YAMADA.writes("登録", &format!("{}再登録元: {of}\n", form("Y-0001")));
        center.answer(&again("AURORA-0001")).await;
        assert_eq!(reason(center).await, "rescreening-no-fact");
        center.wind(60);
        withdraw(center, DR_YAMADA, "AURORA-0001").await;
        center.answer(&again("AURORA-0001")).await;
        assert_eq!(reason(center).await, "rescreening-waits");
        super::rescreening::consent(center, "AURORA-0001", "stat").await.unwrap();
        center.exchange(&again("AURORA-0001")).await;
        assert_eq!(reason(center).await, "enrolled");
        // The person is screened again by now: first that is put right.
        let why = refusal(take(center, "AURORA-0001", 3, "stat").await);
        assert!(why.contains("AURORA-0002 counts"), "{why}");
        let desk = Operating::of(center, "aurora").await;
        desk.note(center, "AURORA-0002", FactKind::RandomizedInError, &[], None).await.unwrap();
        take(center, "AURORA-0001", 3, "stat").await.unwrap();
        let why = refusal(take(center, "AURORA-0002", 4, "stat").await);
        assert!(why.contains("AURORA-0001 counts"), "{why}");
        center.settle().await;
    }

    async fn a_third_screening_that_counts_bars_both_before_it(center: &mut Center) {
        let rules = "unique_within = \"site\"\nrescreening = [\"withdrawn\"]\nrescreenings = 2";
        let bundle = edited(&samples::aurora(), "study.toml", "unique_within = \"site\"", rules);
        center.activate(&bundle, Stage::Production).await;
        let form = aurora_form("011", "Y-0001");
        center.exchange(&DR_YAMADA.writes("登録", &form)).await;
        for of in ["AURORA-0001", "AURORA-0002"] {
            withdraw(center, DR_YAMADA, of).await;
            super::rescreening::consent(center, of, "stat").await.unwrap();
            center.exchange(&DR_YAMADA.writes("登録", &format!("{form}再登録元: {of}\n"))).await;
            assert_eq!(reason(center).await, "enrolled");
        }
        // Whichever of the two were to count again: the third does.
        for (subject, in_error) in [("AURORA-0001", 1), ("AURORA-0002", 2)] {
            let why = refusal(take(center, subject, in_error, "stat").await);
            assert!(why.contains("AURORA-0003 counts"), "{why}");
        }
        let desk = Operating::of(center, "aurora").await;
        desk.note(center, "AURORA-0003", FactKind::RandomizedInError, &[], None).await.unwrap();
        take(center, "AURORA-0002", 2, "stat").await.unwrap();
        // Of three one counts by now, and it bars the others.
        for (subject, in_error) in [("AURORA-0001", 1), ("AURORA-0003", 3)] {
            let why = refusal(take(center, subject, in_error, "stat").await);
            assert!(why.contains("AURORA-0002 counts"), "{why}");
        }
        center.settle().await;
    }

    async fn a_duplicate_is_one_no_more_once_its_reference_is_its_own(center: &mut Center) {
        aurora(center).await;
        enroll(center, 1..3).await;
        let desk = Operating::of(center, "aurora").await;
        desk.note(center, "AURORA-0002", FactKind::Duplicate, &[], Some("AURORA-0001")).await.unwrap();
        desk.note(center, "AURORA-0002", FactKind::Corrected, &[("subject_ref", "Y-0001")], None).await.unwrap();
        center.settle().await;
        let why = refusal(take(center, "AURORA-0002", 1, "center").await);
        assert!(why.contains("has the reference of AURORA-0001"), "{why}");
        desk.note(center, "AURORA-0002", FactKind::Corrected, &[("subject_ref", "Y-0002")], None).await.unwrap();
        take(center, "AURORA-0002", 1, "center").await.unwrap();
        center.settle().await;
        // Now it is another patient's reference, and refused.
        center.answer(&DR_YAMADA.writes("訂正", "症例番号: AURORA-0002\n理由: 確認\n識別番号: Y-0001\n")).await;
        assert_eq!(reason(center).await, "reference-taken");
    }

    async fn a_wrong_correction_is_corrected_once_more(center: &mut Center) {
        aurora(center).await;
        enroll(center, 1..2).await;
        let desk = Operating::of(center, "aurora").await;
        for (age, number) in [("60", 1), ("61", 2), ("60", 3)] {
            let (noted, new) = desk.note(center, "AURORA-0001", FactKind::Corrected, &[("age", age)], None).await.unwrap();
            assert_eq!((noted.number, new), (number, true), "{age}");
        }
        let (noted, new) = desk.note(center, "AURORA-0001", FactKind::Corrected, &[("age", "60")], None).await.unwrap();
        assert_eq!((noted.number, new), (3, false), "it is on file");
        center.settle().await;
        // An old yes to what was corrected since brings nothing back.
        let asked = center.answer(&DR_YAMADA.writes("訂正", "症例番号: AURORA-0001\n理由: 誤記\n年齢: 62\n")).await;
        center.exchange(&ok(&asked, DR_YAMADA)).await;
        assert_eq!(reason(center).await, "corrected");
        desk.note(center, "AURORA-0001", FactKind::Corrected, &[("age", "63")], None).await.unwrap();
        center.settle().await;
        assert_eq!(center.answer(&ok(&asked, DR_YAMADA)).await.kind, "confirm-expired");
        assert_eq!(facts(center, "aurora").await.len(), 5);
    }

    async fn what_was_told_of_an_arm_stays_told(center: &mut Center) {
        center.activate(&super::enrolling::marked(), Stage::Production).await;
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        let desk = Operating::of(center, "borealis").await;
        let order = Order { actor: "operator:tester", subject: "BOREALIS-0001", reason: "telephone call" };
        let means = desk.means(center);
        hagaki::workflow::command::unblind(&desk.shelf, &desk.shelved, means, order, "kobayashi").await.unwrap();
        center.settle().await;
        assert!(refusal(take(center, "BOREALIS-0001", 1, "office").await).contains("what was told was told"));
    }
}
