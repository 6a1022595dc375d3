//! A corrected reference is the subject's: the same patient is known under it, and the old one is asked about.

use hagaki::domain::fact::FactKind;
use hagaki::domain::kept::{Column, Kept, Place};
use hagaki::mail::StepError;
use hagaki::store::fact::FactRow;
use hagaki::store::subject_reference::State;
use hagaki::store::{StoreError, audit, fact, study, subject_reference};
use hagaki::workflow::Failure;
use hagaki::workflow::binding;
use hagaki::workflow::command::{CommandError, Refusal, find_subject};
use hagaki::workflow::told::What;

use super::facts::{Operating, ok};
use super::proofs::{assert_found, untold};
use super::rescreening::consent;
use super::*;

/// A correction, asked for and confirmed; how it was settled.
async fn correct(center: &mut Center, writer: Writer, subject: &str, lines: &str) -> String {
    let asked = center.answer(&writer.writes("訂正", &format!("症例番号: {subject}\n理由: 誤記\n{lines}"))).await;
    assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
    center.exchange(&ok(&asked, writer)).await;
    reason(center).await
}

async fn enrolls(center: &mut Center, writer: Writer, form: &str) -> Received {
    center.answer(&writer.writes("登録", form)).await
}

/// AURORA with the subjects Y-0031 and Y-0032 of one site.
async fn two(center: &mut Center) {
    center.activate(&samples::aurora(), Stage::Production).await;
    for reference in ["Y-0031", "Y-0032"] {
        assert_eq!(enrolls(center, DR_YAMADA, &aurora_form("011", reference)).await.kind, "assignment-open");
    }
}

async fn keys(center: &Center, slug: &str) -> Vec<String> {
    center.enrolled(slug).await.into_iter().map(|one| one.0.reference_key).collect()
}

async fn beside(center: &Center, slug: &str) -> Vec<(i64, String, State)> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    let all = subject_reference::list(center.store(), row.id).await.unwrap();
    all.into_iter().map(|own| (own.subject, own.reference_key, own.state)).collect()
}

/// A correction as an earlier version recorded it: its entry tells nothing of what it binds, and nothing is bound.
async fn corrected_before(center: &Center, slug: &str, subject: i64, item: &str, value: &str) {
    let store = center.store();
    let shelved = center.shelved(slug).await;
    let own = center.enrolled(slug).await.remove(usize::try_from(subject).unwrap() - 1).0;
    let mut tx = store.begin().await.unwrap();
    let mut row = study::lock(&mut tx, shelved.id).await.unwrap();
    let number = row.facts + 1;
    let (changes, which) = ([(item.to_owned(), value.to_owned())].into(), number.to_string());
    let place = Place { study: shelved.id, column: Column::FactChanges, key: &which };
    let kept = Kept::answers(tx.ring(), place, shelved.study.registration_instrument(), &changes).unwrap();
    let kind = FactKind::Corrected;
    let body = serde_json::json!({
        "fact": number, "subject": subject, "kind": kind.key(), "person": "yamada", "reason": "slip", "changes": kept.value(),
        "levels": null, "of": null, "after": row.allocations, "inbox": null,
    });
    let now = center.act("").at;
    let audit_digest = audit::append(&mut tx, &mut row, now, "yamada", "fact", &body.to_string()).await.unwrap();
    let new = FactRow {
        study_id: shelved.id,
        number,
        subject_id: own.id,
        kind,
        randomization: None,
        person: "yamada".to_owned(),
        actor: "yamada".to_owned(),
        reason: "slip".to_owned(),
        changes: String::new(),
        levels: None,
        further: None,
        of_subject_id: None,
        takes_back: None,
        after_allocation: row.allocations,
        recorded_at: now,
        inbox_id: None,
        audit_digest,
    };
    fact::insert(&mut tx, &new, &kept).await.unwrap();
    row.facts = number;
    study::save_counters(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
}

stories! {
    async fn under_the_right_reference_the_subject_is_known(center: &mut Center) {
        two(center).await;
        assert_eq!(correct(center, DR_YAMADA, "AURORA-0001", "識別番号: Y-0077\n").await, "corrected");
        assert_eq!(keys(center, "aurora").await, ["011/y-0077", "011/y-0032"]);
        let status = center.answer(&DR_YAMADA.writes("照会 Ｙ－００７７", "")).await;
        assert!(status.kind == "status-open" && status.text.contains("AURORA-0001"), "{}", status.text);
        let right = aurora_form("011", "Y-0077");
        let known = enrolls(center, DR_YAMADA, &right).await;
        assert!(known.kind == "duplicate-open" && known.text.contains("AURORA-0001"), "{}", known.text);
        // What differs is what differs from what is right by now.
        let other = enrolls(center, DR_YAMADA, &right.replace("58", "59")).await;
        assert_eq!(other.kind, "conflict");
        assert!(other.text.contains("年齢") && !other.text.contains("識別番号 …"), "{}", other.text);
        // What was corrected beside is no other datum, either.
        assert_eq!(correct(center, DR_YAMADA, "Y-0077", "年齢: 59\n").await, "corrected");
        for form in [right.clone(), right.replace("58", "59")] {
            assert_eq!(enrolls(center, DR_YAMADA, &form).await.kind, "duplicate-open");
        }
        // Whoever sends many at once has no other answer.
        for number in 0..3 {
            center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-010{number}"))));
            center.deliver(&DR_YAMADA.writes("登録", &right));
        }
        center.settle().await;
        assert_eq!(center.enrolled("aurora").await.len(), 5);
    }

    async fn whose_an_earlier_reference_is_is_asked(center: &mut Center) {
        two(center).await;
        correct(center, DR_YAMADA, "AURORA-0001", "識別番号: Y-0077\n").await;
        assert_eq!(beside(center, "aurora").await, [(1, "011/y-0031".to_owned(), State::Earlier)]);
        // Neither of that subject nor of none: its number is to be written.
        for (subject, body) in [("照会 Y-0031", ""), ("同意撤回", "症例番号: Y-0031\n理由: 転居\n")] {
            let told = center.answer(&DR_YAMADA.writes(subject, body)).await;
            assert_eq!(told.kind, "status-unknown");
            assert!(told.text.contains("AURORA-0001") && !told.text.contains("もう一度お送り"), "{}", told.text);
        }
        let desk = Operating::of(center, "aurora").await;
        let shelved = center.shelved("aurora").await;
        let found = find_subject(center.store(), &shelved.study, shelved.id, "Y-0031").await;
        assert!(matches!(found, Err(CommandError::Refused(Refusal::Earlier(_, ref of))) if of == "AURORA-0001"), "{found:?}");
        // The same form as at first, in a mail of its own, and with another patient's data.
        let old = aurora_form("011", "Y-0031");
        for form in [old.clone(), old.replace("58", "44")] {
            let asked = enrolls(center, DR_YAMADA, &form).await;
            assert!(asked.kind == "confirm" && asked.text.contains("AURORA-0001") && asked.text.contains("訂正されるまで"), "{}", asked.text);
        }
        assert_eq!(center.enrolled("aurora").await.len(), 2);
        // A question that was asked before another correction is asked again.
        let asked = enrolls(center, DR_YAMADA, &old.replace("58", "45")).await;
        desk.note(center, "AURORA-0002", FactKind::Corrected, &[("subject_ref", "Y-0031")], None).await.unwrap();
        desk.note(center, "AURORA-0002", FactKind::Corrected, &[("subject_ref", "Y-0033")], None).await.unwrap();
        center.settle().await;
        let again = center.answer(&ok(&asked, DR_YAMADA)).await;
        assert!(again.kind == "confirm" && again.text.contains("AURORA-0001, AURORA-0002"), "{}", again.text);
        let reply = ok(&again, DR_YAMADA);
        assert_eq!(center.answer(&reply).await.kind, "assignment-open");
        // The chain tells that somebody said so.
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let entries = audit::list(center.store(), row.id, 0, 1_000).await.unwrap();
        let apart: Vec<bool> = entries.iter().filter(|one| one.action == "enroll").map(|one| one.body.contains(r#""apart":3"#)).collect();
        assert_eq!(apart, [false, false, true]);
        // From then on it is that one's, whoever asks and however often.
        let third = center.answer(&reply.anew()).await;
        assert!(third.kind == "duplicate-open" && third.text.contains("AURORA-0003"), "{}", third.text);
        let third = enrolls(center, DR_YAMADA, &old.replace("58", "45")).await;
        assert!(third.kind == "duplicate-open" && third.text.contains("AURORA-0003"), "{}", third.text);
        let status = center.answer(&DR_YAMADA.writes("照会 Y-0031", "")).await;
        assert!(status.kind == "status-open" && status.text.contains("AURORA-0003"), "{}", status.text);
        assert_eq!(keys(center, "aurora").await, ["011/y-0077", "011/y-0033", "011/y-0031"]);
        // It cannot be taken back from there.
        let back = center.answer(&DR_YAMADA.writes("訂正", "症例番号: AURORA-0001\n理由: 誤記\n識別番号: Y-0031\n")).await;
        assert_eq!((back.kind.as_str(), reason(center).await.as_str()), ("deed-form", "reference-taken"));
        assert!(back.text.contains("AURORA-0003") && back.text.contains("重複"), "{}", back.text);
    }

    async fn a_reference_that_is_anothers_is_refused_until_both_are_known_to_be_one(center: &mut Center) {
        two(center).await;
        let wish = DR_YAMADA.writes("訂正", "症例番号: AURORA-0002\n理由: 誤記\n識別番号: Y-0031\n");
        let refused = center.answer(&wish).await;
        assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("deed-form", "reference-taken"), "{}", refused.text);
        assert!(refused.text.contains("\n識別番号: Y-0031\n"), "{}", refused.text);
        // Asked about while it was free, it is no more when the reply comes.
        let asked = center.answer(&DR_YAMADA.writes("訂正", "症例番号: AURORA-0002\n理由: 誤記\n識別番号: Y-0040\n")).await;
        enrolls(center, DR_YAMADA, &aurora_form("011", "Y-0040")).await;
        let late = center.answer(&ok(&asked, DR_YAMADA)).await;
        assert!(late.kind == "deed-form" && late.text.contains("AURORA-0003"), "{}", late.text);
        let desk = Operating::of(center, "aurora").await;
        let set = [("subject_ref", "Y-0031")];
        let refused = desk.note(center, "AURORA-0002", FactKind::Corrected, &set, None).await;
        let Err(CommandError::Refused(Refusal::ReferenceTaken(of))) = refused else { panic!("{refused:?}") };
        assert_eq!(of, "AURORA-0001");
        desk.note(center, "AURORA-0002", FactKind::Duplicate, &[], Some("AURORA-0001")).await.unwrap();
        desk.note(center, "AURORA-0002", FactKind::Corrected, &set, None).await.unwrap();
        assert_eq!(keys(center, "aurora").await, ["011/y-0031", "011/y-0031 2", "011/y-0040"]);
        center.settle().await;
        let known = enrolls(center, DR_YAMADA, &aurora_form("011", "Y-0031")).await;
        assert!(known.text.contains("AURORA-0001"), "{}", known.text);
        // There and back again.
        desk.note(center, "AURORA-0003", FactKind::Corrected, &[("subject_ref", "Y-0041")], None).await.unwrap();
        desk.note(center, "AURORA-0003", FactKind::Corrected, &[("subject_ref", "Y-0040")], None).await.unwrap();
        center.settle().await;
        let beside: Vec<String> = beside(center, "aurora").await.into_iter().map(|own| own.1).collect();
        assert_eq!(beside, ["011/y-0032", "011/y-0041"]);
    }

    async fn a_subject_whose_site_was_wrong_is_the_right_ones(center: &mut Center) {
        two(center).await;
        assert_eq!(correct(center, DR_YAMADA, "AURORA-0001", "施設コード: 012\n").await, "wrong-stratum");
        // The right hospital sends the form, asks, and tells of the subject.
        let right = aurora_form("012", "Y-0031");
        let known = enrolls(center, DR_SUZUKI, &right).await;
        assert!(known.kind == "duplicate-open" && known.text.contains("AURORA-0001"), "{}", known.text);
        let status = center.answer(&DR_SUZUKI.writes("照会 Y-0031", "")).await;
        assert_eq!(status.kind, "status-open", "{}", status.text);
        assert_eq!(correct(center, DR_SUZUKI, "Y-0031", "年齢: 60\n").await, "corrected");
        // So may the one that enrolled it.
        assert_eq!(center.answer(&DR_YAMADA.writes("照会 AURORA-0001", "")).await.kind, "status-open");
        assert_eq!(center.answer(&DR_MILLER.writes("status AURORA-0001", "")).await.kind, "status-unknown");
        // Under the old site it may be another patient.
        let asked = enrolls(center, DR_YAMADA, &aurora_form("011", "Y-0031")).await;
        assert_eq!(asked.kind, "confirm", "{}", asked.text);
        assert_eq!(center.answer(&ok(&asked, DR_YAMADA)).await.kind, "assignment-open");
        assert_eq!(keys(center, "aurora").await, ["012/y-0031", "011/y-0032", "011/y-0031"]);
    }

    async fn the_right_hospital_opens_the_blind_of_its_subject(center: &mut Center) {
        let bundle = edited(&samples::borealis(), "study.toml", "unique_within = \"study\"", "unique_within = \"site\"");
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        correct(center, DR_KOBAYASHI, "BOREALIS-0001", "施設コード: 103\n").await;
        let asked = center.answer(&DR_LARSEN.writes("unblind", "subject: BOREALIS-0001\nreason: anaphylaxis\n")).await;
        assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
        let letters = center.exchange(&ok(&asked, DR_LARSEN)).await;
        assert!(kinds(&letters).contains(&("unblinded", DR_LARSEN.address)), "{:?}", kinds(&letters));
    }

    async fn somebody_screened_again_is_one_person_under_every_reference(center: &mut Center) {
        let rules = "unique_within = \"site\"\nrescreening = [\"withdrawn\"]\nrescreenings = 3";
        center.activate(&edited(&samples::aurora(), "study.toml", "unique_within = \"site\"", rules), Stage::Production).await;
        let desk = Operating::of(center, "aurora").await;
        enrolls(center, DR_YAMADA, &aurora_form("011", "Y-0031")).await;
        desk.note(center, "AURORA-0001", FactKind::Withdrawn, &[], None).await.unwrap();
        center.settle().await;
        consent(center, "AURORA-0001", "stat").await.unwrap();
        let again = format!("{}再登録元: AURORA-0001\n", aurora_form("011", "Y-0031"));
        assert_eq!(enrolls(center, DR_YAMADA, &again).await.kind, "assignment-open");
        // The first is corrected, and another patient has the old reference, and is screened again, too.
        correct(center, DR_YAMADA, "AURORA-0001", "識別番号: Y-0077\n").await;
        let asked = enrolls(center, DR_YAMADA, &aurora_form("011", "Y-0031")).await;
        assert_eq!(center.answer(&ok(&asked, DR_YAMADA)).await.kind, "assignment-open", "{}", asked.text);
        desk.note(center, "AURORA-0003", FactKind::Withdrawn, &[], None).await.unwrap();
        center.settle().await;
        consent(center, "AURORA-0003", "stat").await.unwrap();
        let other = format!("{}再登録元: AURORA-0003\n", aurora_form("011", "Y-0031"));
        assert_eq!(enrolls(center, DR_YAMADA, &other).await.kind, "assignment-open");
        // The second screening is corrected to what the first has by now.
        correct(center, DR_YAMADA, "AURORA-0002", "識別番号: Y-0077\n").await;
        assert_eq!(keys(center, "aurora").await, ["011/y-0077", "011/y-0077 2", "011/y-0031", "011/y-0031 3"]);
        let status = center.answer(&DR_YAMADA.writes("照会 Y-0077", "")).await;
        assert!(status.text.contains("AURORA-0002"), "{}", status.text);
        // Nobody is screened again under a reference that was wrong.
        desk.note(center, "AURORA-0002", FactKind::Withdrawn, &[], None).await.unwrap();
        desk.note(center, "AURORA-0004", FactKind::Corrected, &[("subject_ref", "Y-0055")], None).await.unwrap();
        desk.note(center, "AURORA-0004", FactKind::Corrected, &[("subject_ref", "Y-0056")], None).await.unwrap();
        center.settle().await;
        let wrong = format!("{}再登録元: AURORA-0002\n", aurora_form("011", "Y-0055"));
        let refused = enrolls(center, DR_YAMADA, &wrong).await;
        assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("refusal", "earlier-reference"), "{}", refused.text);
        assert!(refused.text.contains("AURORA-0004"), "{}", refused.text);
    }

    async fn a_personal_reference_stays_sealed(center: &mut Center) {
        let form = "instruments/registration.toml";
        let bundle = edited(&samples::borealis(), form, "id = \"subject_ref\"", "id = \"subject_ref\"\npersonal = true");
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        assert_eq!(correct(center, DR_KOBAYASHI, "BOREALIS-0001", "識別コード: 101-077\n").await, "corrected");
        let key = keys(center, "borealis").await.remove(0);
        assert!(key.starts_with("= ") && !key.contains("101"), "{key}");
        let [(1, earlier, State::Earlier)] = &beside(center, "borealis").await[..] else { panic!() };
        assert!(earlier.starts_with("= ") && *earlier != key, "{earlier}");
        let known = center.answer(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-077"))).await;
        assert_eq!(known.kind, "duplicate-blinded", "{}", known.text);
        let asked = center.answer(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        assert!(asked.kind == "confirm" && asked.text.contains("BOREALIS-0001"), "{}", asked.text);
        // Another site learns nothing of whose it is.
        let elsewhere = center.answer(&DR_LARSEN.writes("enroll", &borealis_form("103", "101-001"))).await;
        assert!(elsewhere.kind == "confirm" && !elsewhere.text.contains("BOREALIS-0001"), "{}", elsewhere.text);
        assert!(elsewhere.text.contains("a subject of another site"), "{}", elsewhere.text);
        let taken = center.answer(&DR_LARSEN.writes("enroll", &borealis_form("103", "101-077"))).await;
        assert_eq!(taken.kind, "conflict");
        for part in ["BOREALIS-0001", "Birth date", "Site"] {
            assert!(!taken.text.contains(part), "{part}: {}", taken.text);
        }
        // What an earlier version recorded is bound under its code, too.
        corrected_before(center, "borealis", 1, "subject_ref", "101-078").await;
        center.attend().await;
        assert_ne!(keys(center, "borealis").await[0], key);
        let known = center.answer(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-078"))).await;
        assert_eq!(known.kind, "duplicate-blinded", "{}", known.text);
        let earlier = format!("DELETE FROM subject_reference WHERE reference_key = '{earlier}'");
        let change = format!("UPDATE subject SET reference_key = '{key}' WHERE number = 1");
        assert_found(center, "borealis", &[untold(&earlier, 1, What::Reference), untold(&change, 1, What::Reference)]).await;
    }

    async fn whoever_changes_what_subjects_are_known_by_is_found_out(center: &mut Center) {
        two(center).await;
        correct(center, DR_YAMADA, "AURORA-0001", "識別番号: Y-0077\n").await;
        correct(center, DR_YAMADA, "AURORA-0002", "施設コード: 012\n").await;
        let changes = [
            ("UPDATE subject SET reference_key = '011/y-0031' WHERE number = 1", 1),
            ("UPDATE subject SET reference_key = '011/y-0078' WHERE number = 1", 1),
            ("UPDATE subject SET reference_key = reference_key || ' 2' WHERE number = 1", 1),
            ("UPDATE subject SET reference_key = reference_key || ' 2' WHERE number = 2", 2),
            ("UPDATE subject SET site_corrected = NULL WHERE number = 2", 2),
            ("UPDATE subject SET site_corrected = '013' WHERE number = 1", 1),
            ("DELETE FROM subject_reference WHERE reference_key = '011/y-0031'", 1),
            ("UPDATE subject_reference SET reference_key = '011/y-0030' WHERE reference_key = '011/y-0031'", 1),
            ("UPDATE subject_reference SET state = 'taken' WHERE reference_key = '011/y-0032'", 2),
            ("UPDATE subject_reference SET fact_number = 9 WHERE reference_key = '011/y-0032'", 2),
            (
                "INSERT INTO subject_reference (study_id, reference_key, subject_id, fact_number, state) \
                 SELECT study_id, '011/y-0099', subject_id, 1, 'earlier' FROM subject_reference WHERE reference_key = '011/y-0032'",
                2,
            ),
        ];
        let changes = changes.map(|(change, number)| untold(change, number, What::Reference));
        assert_found(center, "aurora", &changes).await;
    }

    async fn what_an_earlier_version_corrected_binds_before_anything_is_decided(center: &mut Center) {
        two(center).await;
        corrected_before(center, "aurora", 1, "subject_ref", "Y-0077").await;
        corrected_before(center, "aurora", 1, "age", "60").await;
        corrected_before(center, "aurora", 2, "subject_ref", "Y-0077").await;
        corrected_before(center, "aurora", 2, "site", "013").await;
        center.assert_proved().await;
        let right = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0077"));
        center.deliver(&right);
        center.process.intake.step().await.unwrap();
        let early = center.process.desk.step().await;
        assert!(matches!(early, Err(StepError::Workflow(Failure::Store(StoreError::Busy(_))))), "{early:?}");
        center.wind(10 * LEASE);
        center.attend().await;
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [("duplicate-open", DR_YAMADA.address)]);
        // The second was another one at another site.
        assert_eq!(keys(center, "aurora").await, ["011/y-0077", "013/y-0077"]);
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        assert_eq!((row.facts, row.facts_bound), (4, 4));
        let entries = audit::list(center.store(), row.id, 0, 1_000).await.unwrap();
        assert_eq!(entries.iter().filter(|entry| entry.action == "bind").count(), 3);
        center.assert_proved().await;
        let lost = "DELETE FROM subject_reference WHERE state = 'taken' OR reference_key = '011/y-0031'";
        assert_found(center, "aurora", &[untold(lost, 1, What::Reference)]).await;
    }

    async fn references_that_read_as_numbers_of_others_are_found(center: &mut Center) {
        aurora(center).await;
        super::facts::enroll(center, 1..4).await;
        let shelved = center.shelved("aurora").await;
        assert!(binding::like_numbers(center.store(), &shelved).await.unwrap().is_empty());
        // As a version wrote it that did not refuse such; one that is the subject's own number means nobody else.
        let renamed = |number: i64, from: &str, to: &str| {
            format!("UPDATE subject SET answers = replace(answers, '{from}', '{to}') WHERE number = {number}")
        };
        for (number, reference) in [(2, "AURORA-0001"), (3, "AURORA-0003")] {
            center.world.tamper(&renamed(number, &format!("Y-{number:04}"), reference)).await;
        }
        assert_eq!(binding::like_numbers(center.store(), &shelved).await.unwrap(), [2]);
        let desk = Operating::of(center, "aurora").await;
        desk.note(center, "AURORA-0002", FactKind::Corrected, &[("subject_ref", "Y-0099")], None).await.unwrap();
        center.settle().await;
        assert!(binding::like_numbers(center.store(), &shelved).await.unwrap().is_empty());
        for (number, reference) in [(2, "AURORA-0001"), (3, "AURORA-0003")] {
            center.world.tamper(&renamed(number, reference, &format!("Y-{number:04}"))).await;
        }
    }

    async fn two_that_have_one_reference_already_are_told_of(center: &mut Center) {
        two(center).await;
        corrected_before(center, "aurora", 1, "subject_ref", "Y-0032").await;
        center.attend().await;
        assert_eq!(keys(center, "aurora").await, ["011/y-0031", "011/y-0032"], "nothing is lost");
        let shelved = center.shelved("aurora").await;
        let disputes = binding::disputes(center.store(), &shelved).await.unwrap();
        assert_eq!(disputes, [(1, 2)]);
        let told = binding::in_words(&shelved.study, &disputes);
        assert!(told.contains("AURORA-0001") && told.contains("AURORA-0002") && told.contains("duplicate"), "{told}");
        // Which of the two is meant is not guessed.
        let asked = center.answer(&DR_YAMADA.writes("同意撤回", "症例番号: Y-0032\n理由: 転居\n")).await;
        assert_eq!((asked.kind.as_str(), reason(center).await.as_str()), ("deed-form", "lacking:subject"));
        let known = enrolls(center, DR_YAMADA, &aurora_form("011", "Y-0032")).await;
        assert_eq!(known.kind, "duplicate-open");
        let forgotten = "DELETE FROM subject_reference WHERE state = 'taken'";
        assert_found(center, "aurora", &[untold(forgotten, 1, What::Reference)]).await;
        let desk = Operating::of(center, "aurora").await;
        desk.note(center, "AURORA-0002", FactKind::Duplicate, &[], Some("AURORA-0001")).await.unwrap();
        center.settle().await;
        assert_eq!(binding::disputes(center.store(), &shelved).await.unwrap(), []);
        assert_eq!(center.enrolled("aurora").await.len(), 2);
    }
}
