//! Proof after the fact: whoever changes what was recorded is found out, and where.

use hagaki::domain::receipt::{Receipt, Told};
use hagaki::letters::opened;
use hagaki::store::{audit, study};
use hagaki::workflow::proof::{self, Verdict};

use super::*;
use crate::world::World;

async fn five(center: &mut Center) {
    aurora(center).await;
    for number in 0..5 {
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")))).await;
        center.wind(60);
    }
}

/// The number at which a tampered copy's allocations differ; none if they are proved.
async fn first_difference(center: &Center, world: &World) -> Option<u64> {
    let row = study::find_current(&world.store, "aurora").await.unwrap().unwrap();
    let shelved = center.shelf_on(&world.store).load(&row).await.unwrap();
    match proof::verify(&world.store, &shelved).await.unwrap() {
        Verdict::Proved(_) => None,
        Verdict::Differs(difference) => Some(difference.number),
        Verdict::Unrecorded(number) => Some(number.unsigned_abs()),
        other => panic!("{other:?}"),
    }
}

stories! {
    async fn a_changed_chain_breaks_where_it_was_changed(center: &mut Center) {
        five(center).await;
        let id = study::find_current(center.store(), "aurora").await.unwrap().unwrap().id;
        let flipped = |column: &str| match center.store().engine() {
            hagaki::store::Engine::Sqlite => format!("zeroblob(32) WHERE {column} IS NOT NULL AND"),
            hagaki::store::Engine::Postgres => format!("decode(repeat('00', 32), 'hex') WHERE {column} IS NOT NULL AND"),
        };
        let third = format!("study_id = {id} AND seq = 3");
        for change in [
            format!("UPDATE audit SET at = at + 1 WHERE {third}"),
            format!("UPDATE audit SET actor = replace(actor, 'y', 'z') WHERE {third}"),
            format!("UPDATE audit SET action = 'enrol' WHERE {third}"),
            format!("UPDATE audit SET body = replace(body, 'Y-', 'Z-') WHERE {third}"),
            format!("UPDATE audit SET previous = {} {third}", flipped("previous")),
            format!("UPDATE audit SET digest = {} {third}", flipped("digest")),
            format!("DELETE FROM audit WHERE {third}"),
            format!("DELETE FROM audit WHERE study_id = {id} AND seq = 6"),
            format!("UPDATE study SET chain_length = chain_length - 1 WHERE id = {id}"),
            format!("UPDATE study SET chain_head = {} id = {id}", flipped("chain_head")),
            "UPDATE audit SET body = replace(body, 'aurora', 'auroro') WHERE study_id = 0".to_owned(),
            "UPDATE installation SET chain_length = chain_length + 1".to_owned(),
        ] {
            let copy = center.copy().await;
            copy.tamper(&change).await;
            let reports = audit::verify_all(&copy.store).await.unwrap();
            assert!(reports.iter().any(|report| report.result.is_err()), "{change}");
            copy.close().await;
            center.reconnect().await;
        }
    }

    async fn a_changed_allocation_is_named(center: &mut Center) {
        five(center).await;
        let copy = center.copy().await;
        assert_eq!(first_difference(center, &copy).await, None);
        copy.close().await;
        center.reconnect().await;
        for (change, number) in [
            ("UPDATE allocation SET arm = CASE arm WHEN 'STD' THEN 'COMB' ELSE 'STD' END WHERE number = 3", 3),
            ("UPDATE allocation SET levels = replace(levels, 'III', 'IV') WHERE number = 2", 2),
            ("UPDATE allocation SET number = 9 WHERE number = 4", 4),
            ("UPDATE allocation SET kit = 'GBNUW' WHERE number = 3", 3),
            ("DELETE FROM allocation WHERE number = 2", 2),
            ("DELETE FROM allocation WHERE number = 5", 5),
        ] {
            let copy = center.copy().await;
            copy.tamper(change).await;
            let found = first_difference(center, &copy).await;
            assert_eq!(found, Some(number), "{change}");
            copy.close().await;
            center.reconnect().await;
        }
    }

    async fn receipts_are_ours_and_say_what_is_on_file(center: &mut Center) {
        aurora(center).await;
        borealis(center).await;
        let open = center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))).await;
        let blinded = center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", "103-001"))).await;
        for (letters, slug) in [(open, "aurora"), (blinded, "borealis")] {
            let letter = letters.iter().find(|letter| letter.kind.starts_with("assignment")).unwrap();
            let text = opened::open(&letter.raw).text;
            let claimed = Receipt::parse(&text).unwrap();
            assert!(claimed.check(&center.keys.receipt));
            let receipt = claimed.receipt;
            let (subject, arm, kit) = center.enrolled(slug).await.remove(0);
            assert_eq!((receipt.study.as_str(), receipt.stage, receipt.allocation), (slug, Stage::Production, 1));
            assert_eq!(receipt.at.utc(), subject.enrolled_at.utc());
            assert_eq!(receipt.chain, data_encoding::HEXLOWER.encode(&subject.audit_digest));
            match receipt.told {
                Told::Arm(told) => assert_eq!((told, kit), (arm, None)),
                Told::Code(told) => assert_eq!(Some(told), kit),
                Told::Registered => panic!("it was randomized"),
            }
            for (from, to) in [("0001", "0002"), (slug, "another")] {
                let forged = text.replace(from, to);
                assert!(Receipt::parse(&forged).map_or(true, |forged| !forged.check(&center.keys.receipt)), "{from}");
            }
            assert!(!Receipt::parse(&text).unwrap().check(&[0; 32]), "another installation's");
        }
    }
}
