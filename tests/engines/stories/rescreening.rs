//! Somebody is screened again: another subject that points at the earlier one, once, whoever asks how often.

use hagaki::domain::fact::FactKind;
use hagaki::store::subject::NewSubject;
use hagaki::store::{StoreError, study, subject};
use hagaki::workflow::command::{CommandError, Order, Refusal};
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::rescreen;
use hagaki::workflow::told::What;
use hagaki::workflow::{journal, package};

use super::afterwards::verdict;
use super::facts::{Operating, ok};
use super::*;
use crate::world::kept;

fn again(most: u32) -> Bundle {
    let rules =
        format!("unique_within = \"site\"\nrescreening = [\"withdrawn\", \"ineligible\"]\nrescreenings = {most}");
    // Nobody sends the statistician a notice of each registration.
    let silent = edited(&samples::aurora(), "study.toml", "[[notices]]\nrole = \"statistician\"\n", "");
    edited(&silent, "study.toml", "unique_within = \"site\"", &rules)
}

fn registers(reference: &str, of: &str) -> Mail {
    DR_YAMADA.writes("登録", &format!("{}再登録元: {of}\n", aurora_form("011", reference)))
}

/// Somebody of the study office consents to another draw; whether that was new.
pub(super) async fn consent(center: &Center, number: &str, by: &str) -> Result<bool, CommandError> {
    let slug = number.split('-').next().unwrap_or_default().to_lowercase();
    let desk = Operating::of(center, &slug).await;
    let order = Order { actor: "operator:tester", subject: number, reason: "protocol, section 5.4" };
    rescreen::consent(&desk.shelf, &desk.shelved, desk.means(center), order, by).await
}

async fn withdraw(center: &mut Center, number: &str) {
    let asked = center.answer(&DR_YAMADA.writes("同意撤回", &format!("症例番号: {number}\n理由: 転居\n"))).await;
    center.exchange(&ok(&asked, DR_YAMADA)).await;
    assert_eq!(reason(center).await, "withdrawn");
}

stories! {
    async fn a_person_is_screened_again_once_and_both_numbers_are_shown(center: &mut Center) {
        center.activate(&again(1), Stage::Production).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        // Nothing is known of it yet: the refusal says what would have to be, and the form keeps its line.
        let refused = center.answer(&registers("Y-0001", "AURORA-0001")).await;
        assert_eq!((reason(center).await.as_str(), refused.kind.as_str()), ("rescreening-no-fact", "refusal"));
        assert!(refused.text.contains("同意が撤回されました") && refused.text.contains("再登録元: AURORA-0001"), "{}", refused.text);
        let known = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        assert!(!known.text.contains("再登録元"), "{}", known.text);
        withdraw(center, "AURORA-0001").await;
        // The person has an arm: another draw waits for somebody who does not enroll there, and names no arm meanwhile.
        let waits = center.answer(&registers("Y-0001", "AURORA-0001")).await;
        assert_eq!((reason(center).await.as_str(), waits.kind.as_str()), ("rescreening-waits", "refusal"));
        assert!(waits.text.contains("承認") && waits.text.contains("再登録元: AURORA-0001"), "{}", waits.text);
        for by in ["yamada", "center"] {
            let refused = consent(center, "AURORA-0001", by).await;
            assert!(matches!(refused, Err(CommandError::Refused(Refusal::EnrollsThere(..)))), "{by}: {refused:?}");
        }
        assert!(matches!(consent(center, "AURORA-0001", "nobody").await, Err(CommandError::Refused(Refusal::Person(..)))));
        assert!(consent(center, "AURORA-0001", "stat").await.unwrap());
        assert!(!consent(center, "AURORA-0001", "stat").await.unwrap(), "it serves once, however often it is said");
        // Where it is allowed the letters on a known subject say how.
        let younger = aurora_form("011", "Y-0001").replace("年齢: 58", "年齢: 59");
        for (form, kind) in [(aurora_form("011", "Y-0001"), "duplicate-open"), (younger.clone(), "conflict")] {
            let known = center.answer(&DR_YAMADA.writes("登録", &form)).await;
            assert_eq!(known.kind, kind);
            assert!(known.text.contains("再登録元: AURORA-0001"), "{}", known.text);
        }
        // Two mails at once, with different data: one is enrolled, the other conflicts with it.
        let mail = registers("Y-0001", "aurora 1");
        center.deliver(&mail);
        center.deliver(&mail.mended("年齢: 58", "年齢: 60"));
        let letters = center.settle().await;
        let mut kinds: Vec<&str> = letters.iter().filter(|one| one.to == DR_YAMADA.address).map(|one| one.kind.as_str()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["assignment-open", "conflict"]);
        let enrolled = center.enrolled("aurora").await;
        assert_eq!(enrolled.len(), 2);
        assert_eq!(enrolled[1].0.rescreens_id, Some(enrolled[0].0.id));
        let told = letters.iter().find(|one| one.kind == "assignment-open").unwrap();
        assert!(told.text.contains("AURORA-0002") && told.text.contains("AURORA-0001"), "{}", told.text);
        // The statistician hears of every further draw, whatever notices the study sends.
        let notice = letters.iter().find(|one| one.kind.starts_with("notice") && one.to.starts_with("aurora-stat")).unwrap();
        assert!(notice.text.contains("AURORA-0001"), "{}", notice.text);
        // The same again in any way is the same; by reference the latest is meant.
        let first = if enrolled[1].0.answers.contains("\"58\"") { mail.anew() } else { mail.mended("年齢: 58", "年齢: 60") };
        assert_eq!(center.answer(&first).await.kind, "duplicate-open");
        assert_eq!(center.answer(&first.mended("再登録元: aurora 1", "再登録元: Y-0001")).await.kind, "duplicate-open");
        let status = center.answer(&DR_YAMADA.writes("状況 Y-0001", "")).await;
        assert!(status.text.contains("再登録元　　AURORA-0001"), "{}", status.text);
        let status = center.answer(&DR_YAMADA.writes("状況 AURORA-0001", "")).await;
        assert!(status.text.contains("再登録先　　AURORA-0002"), "{}", status.text);
        // A copy of either registration is known as what it is.
        let old = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        assert_eq!(old.kind, "duplicate-open");
        assert_eq!(center.answer(&DR_YAMADA.writes("登録", &younger)).await.kind, "conflict");
        // Once more is once too often.
        withdraw(center, "AURORA-0002").await;
        let refused = consent(center, "AURORA-0002", "stat").await;
        assert!(matches!(refused, Err(CommandError::Refused(Refusal::NotRescreened(_)))), "{refused:?}");
        let spent = center.answer(&registers("Y-0001", "AURORA-0002")).await;
        assert_eq!(reason(center).await, "rescreening-spent");
        assert!(spent.text.contains("AURORA-0002"), "{}", spent.text);
        assert_eq!(center.enrolled("aurora").await.len(), 2);
    }

    async fn the_database_keeps_the_links_and_the_chain_tells_them(center: &mut Center) {
        center.activate(&again(2), Stage::Production).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        let desk = Operating::of(center, "aurora").await;
        desk.note(center, "AURORA-0001", FactKind::Ineligible, &[], None).await.unwrap();
        center.settle().await;
        consent(center, "AURORA-0001", "stat").await.unwrap();
        // Another reference of the site, and then the first one again.
        assert_eq!(center.answer(&registers("Y-0007", "AURORA-0001")).await.kind, "assignment-open");
        withdraw(center, "AURORA-0002").await;
        center.answer(&registers("Y-0001", "AURORA-0002")).await;
        assert_eq!(reason(center).await, "rescreening-waits", "what was consented to was the screening before");
        consent(center, "AURORA-0002", "stat").await.unwrap();
        assert_eq!(center.answer(&registers("Y-0001", "AURORA-0002")).await.kind, "assignment-open");
        let enrolled = center.enrolled("aurora").await;
        let keys: Vec<&str> = enrolled.iter().map(|one| one.0.reference_key.as_str()).collect();
        assert_eq!(keys, ["011/y-0001", "011/y-0007", "011/y-0001 3"]);
        // Neither a second link to one subject nor a second subject of one key can be written, whatever the program does.
        for (key, earlier) in [("011/other", Some(enrolled[0].0.id)), ("011/y-0001 3", None)] {
            let mut tx = center.store().begin().await.unwrap();
            let (reference_key, form) = kept(key);
            let new = NewSubject {
                study_id: enrolled[0].0.study_id, number: 99, reference_key, site: "011", person: "yamada",
                enrolled_at: enrolled[0].0.enrolled_at, form, inbox_id: None,
                audit_digest: &[7; 32], rescreens_id: earlier, participant_id: None,
            };
            // Rows are written many at a time: the conflict may come with the commit.
            let wrong = match subject::insert(&mut tx, &new).await {
                Ok(_) => tx.commit().await,
                Err(error) => Err(error),
            };
            assert!(matches!(wrong, Err(StoreError::Conflict { .. })), "{wrong:?}");
        }
        // Somebody else's reference is not taken over.
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0020"))).await;
        withdraw(center, "AURORA-0003").await;
        let late = center.answer(&registers("Y-0020", "AURORA-0003")).await;
        assert_eq!((late.kind.as_str(), reason(center).await.as_str()), ("refusal", "rescreening-spent"));
        desk.note(center, "AURORA-0004", FactKind::Ineligible, &[], None).await.unwrap();
        center.settle().await;
        let taken = center.answer(&registers("Y-0001", "AURORA-0004")).await;
        assert_eq!((taken.kind.as_str(), reason(center).await.as_str()), ("refusal", "rescreening-taken"));
        // Changed behind our back it is found.
        for (column, number) in [("rescreens_id = NULL", 2), ("rescreens_id = NULL", 3)] {
            let own = enrolled[number - 1].0.id;
            center.world.tamper(&format!("UPDATE subject SET {column} WHERE id = {own}")).await;
            match proof::verify(center.store(), &desk.shelved).await.unwrap() {
                Verdict::Untold(found) => assert_eq!((found.number, found.what), (number as i64, What::Rescreens)),
                other => panic!("{other:?}"),
            }
            let earlier = enrolled[number - 2].0.id;
            center.world.tamper(&format!("UPDATE subject SET rescreens_id = {earlier} WHERE id = {own}")).await;
        }
        let lines = journal::lines(center.store(), enrolled[0].0.study_id).await.unwrap();
        assert_eq!(lines.iter().map(|line| line.rescreens).collect::<Vec<_>>(), [None, Some(1), Some(2), None]);
        center.close("aurora", "done").await;
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let closed = center.shelf_on(center.store()).load(&row).await.unwrap();
        let row = center.reveal("aurora", "stat", "report").await.unwrap();
        let package = package::pack(center.store(), &closed, &row, true).await.unwrap();
        let Some((code, report)) = verdict(&package, None) else { return };
        assert_eq!(code, 0, "{report}");
        let (code, report) = verdict(&package, Some(("journal.jsonl", "\"rescreens\":1", "\"rescreens\":3"))).unwrap();
        assert_eq!((code, &report["what"]), (1, &serde_json::json!("rescreens")), "{report}");
    }

    async fn who_may_not_is_told_what_to_do(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        withdraw(center, "AURORA-0001").await;
        center.answer(&registers("Y-0001", "AURORA-0001")).await;
        assert_eq!(reason(center).await, "rescreening-never");
        let bundle = again(1);
        center.amend(&bundle, center.act("protocol 2")).await.unwrap();
        // Another site's subject, and one that is not there, are told apart from nothing.
        let foreign = DR_SUZUKI.writes("登録", &format!("{}再登録元: AURORA-0001\n", aurora_form("012", "S-0001")));
        let refused = center.answer(&foreign).await;
        assert_eq!(reason(center).await, "rescreening-unknown");
        assert!(refused.text.contains("AURORA-0001") && !refused.text.contains("Y-0001"), "{}", refused.text);
        let english = DR_MILLER.writes("enroll", "Site: 021\nSubject ref: M-0001\nConsent date: 2026-11-18\nAge: 58\nSex: M\nStage: III\nECOG PS: 1\nRescreening of: AURORA-0099\n");
        let refused = center.answer(&english).await;
        assert_eq!(reason(center).await, "rescreening-unknown");
        assert!(refused.text.contains("rescreening of: AURORA-0099"), "{}", refused.text);
        let two = registers("Y-0001", "AURORA-0001").mended("再登録元: AURORA-0001\n", "再登録元: AURORA-0001\n再登録元: AURORA-0002\n");
        center.answer(&two).await;
        assert_eq!(reason(center).await, "rescreening-unknown");
        assert_eq!(center.enrolled("aurora").await.len(), 1);
        consent(center, "AURORA-0001", "stat").await.unwrap();
        assert_eq!(center.answer(&registers("Y-0001", "AURORA-0001")).await.kind, "assignment-open");
    }

    async fn the_link_waits_for_the_confirmation_with_the_form(center: &mut Center) {
        let bundle = edited(&again(1), "study.toml", "confirm = false", "confirm = true");
        center.activate(&bundle, Stage::Production).await;
        let asked = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        center.exchange(&ok(&asked, DR_YAMADA)).await;
        withdraw(center, "AURORA-0001").await;
        consent(center, "AURORA-0001", "stat").await.unwrap();
        let asked = center.answer(&registers("Y-0001", "AURORA-0001")).await;
        assert_eq!(asked.kind, "confirm");
        assert_eq!(center.answer(&ok(&asked, DR_YAMADA)).await.kind, "assignment-open");
        assert_eq!(center.answer(&ok(&asked, DR_YAMADA)).await.kind, "duplicate-open", "the reply came twice");
        let enrolled = center.enrolled("aurora").await;
        assert_eq!((enrolled.len(), enrolled[1].0.rescreens_id), (2, Some(enrolled[0].0.id)));
    }
}
