//! Proof after the fact: whoever changes what was recorded is found out, and where.

use hagaki::domain::allocation::HistoryRow;
use hagaki::domain::receipt::{Receipt, Told};
use hagaki::letters::opened;
use hagaki::limits;
use hagaki::store::{Engine, audit, study};
use hagaki::workflow::import::{self, Line, Source};
use hagaki::workflow::life;
use hagaki::workflow::proof::{self, SecretFault, Verdict};
use hagaki::workflow::told::{Discrepancy, What};
use hagaki::workflow::told_study::StudyFault;
use hagaki::workflow::versions::{self, Doubt, Why};

use sha2::{Digest, Sha256};

use super::*;
use crate::world::World;

async fn five(center: &mut Center) {
    aurora(center).await;
    for number in 0..5 {
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")))).await;
        center.wind(60);
    }
}

/// What a copy that was tampered with is found to be.
async fn verdict(center: &Center, world: &World, slug: &str) -> Verdict {
    let row = study::find_current(&world.store, slug).await.unwrap().unwrap();
    // As the command does: what is not the bundle that came into force is not loaded.
    if let Some(doubt) = versions::check(&world.store, &row).await.unwrap() {
        return Verdict::Bundle(doubt);
    }
    let shelved = center.shelf_on(&world.store).load(&row).await.unwrap();
    proof::verify(&world.store, &shelved).await.unwrap()
}

/// The number at which a tampered copy's allocations differ; none if they are proved.
async fn first_difference(center: &Center, world: &World) -> Option<u64> {
    match verdict(center, world, "aurora").await {
        Verdict::Proved(_) => None,
        Verdict::Differs(difference) => Some(difference.number),
        Verdict::Untold(found) => Some(found.number.unsigned_abs()),
        other => panic!("{other:?}"),
    }
}

/// That each of these changes to a copy leaves the chains whole, and is found to be that.
pub(super) async fn assert_found(center: &mut Center, slug: &str, changes: &[(String, Verdict)]) {
    for (change, expected) in changes {
        let copy = center.copy().await;
        copy.tamper(change).await;
        let found = verdict(center, &copy, slug).await;
        assert_eq!(&found, expected, "{change}");
        for report in audit::verify_all(&copy.store).await.unwrap() {
            assert!(report.result.is_ok(), "{change}");
        }
        copy.close().await;
        center.reconnect().await;
    }
}

pub(super) fn untold(change: &str, number: i64, what: What) -> (String, Verdict) {
    (change.to_owned(), Verdict::Untold(Discrepancy { number, what }))
}

/// Thirty-two zero bytes, or as many of another, as SQL.
fn bytes(center: &Center, byte: &str) -> String {
    match center.store().engine() {
        Engine::Sqlite => format!("x'{}'", byte.repeat(32)),
        Engine::Postgres => format!("decode(repeat('{byte}', 32), 'hex')"),
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

    async fn what_parts_cells_on_their_way_hides_nothing(center: &mut Center) {
        five(center).await;
        for (change, number) in [
            ("UPDATE subject SET person = person || '\u{1f}' WHERE number = 2", 2),
            ("UPDATE subject SET site = site || '\u{1f}' || person, person = '' WHERE number = 3", 3),
            ("UPDATE subject SET reference_key = reference_key || '\u{1e}' WHERE number = 4", 4),
            ("UPDATE allocation SET arm = arm || '\u{1f}' WHERE number = 2", 2),
            ("UPDATE allocation SET kit = '' WHERE number = 3", 3),
            ("UPDATE allocation SET levels = levels || '\u{1e}' WHERE number = 5", 5),
        ] {
            let copy = center.copy().await;
            copy.tamper(change).await;
            assert_eq!(first_difference(center, &copy).await, Some(number), "{change}");
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

    async fn whatever_is_changed_beside_the_chain_is_named(center: &mut Center) {
        five(center).await;
        let zeros = bytes(center, "00");
        let rest = "study_id, site, person, enrolled_at, answers, typed, inbox_id, audit_digest";
        let changes = [
            untold("UPDATE subject SET answers = replace(answers, '58', '57') WHERE number = 3", 3, What::Answers),
            untold("UPDATE subject SET answers = '{' WHERE number = 3", 3, What::Answers),
            untold("UPDATE subject SET site = '012' WHERE number = 2", 2, What::Site),
            untold("UPDATE subject SET person = 'somebody' WHERE number = 4", 4, What::Person),
            untold("UPDATE subject SET number = 9 WHERE number = 5", 5, What::Subject),
            untold("UPDATE subject SET number = 9 WHERE number = 2", 2, What::Subject),
            untold("UPDATE subject SET enrolled_at = enrolled_at - 1 WHERE number = 1", 1, What::EnrolledAt),
            untold("UPDATE subject SET inbox_id = inbox_id + 1 WHERE number = 1", 1, What::Mail),
            untold(&format!("UPDATE subject SET audit_digest = {zeros} WHERE number = 3"), 3, What::Digest),
            untold("UPDATE subject SET reference_key = 'y-9999' WHERE number = 3", 3, What::Reference),
            untold(
                &format!(
                    "INSERT INTO subject (number, reference_key, {rest}) SELECT 6, 'y-0006', {rest} FROM subject WHERE number = 5"
                ),
                6,
                What::Entry,
            ),
            untold("UPDATE allocation SET record = replace(record, ',', ' ,') WHERE number = 5", 5, What::Record),
            untold("UPDATE allocation SET allocated_at = allocated_at + 1 WHERE number = 5", 5, What::AllocatedAt),
            untold("UPDATE allocation SET bundle_version = 2 WHERE number = 4", 4, What::Bundle),
            untold("UPDATE allocation SET kit = 'GBNUW' WHERE number = 3", 3, What::Kit),
            untold("UPDATE allocation SET levels = '[' WHERE number = 3", 3, What::Levels),
            untold("UPDATE allocation SET slot = -1 WHERE number = 3", 3, What::Journal),
            untold("DELETE FROM allocation WHERE number = 5", 5, What::Allocation),
            untold(
                "DELETE FROM allocation WHERE number = 5; DELETE FROM subject WHERE number = 5; \
                 UPDATE study SET subjects = 4, allocations = 4",
                5,
                What::Subject,
            ),
            untold("UPDATE study SET allocations = 4", 5, What::Counters),
            untold("UPDATE study SET subjects = 6", 5, What::Counters),
        ];
        assert_found(center, "aurora", &changes).await;
    }

    async fn how_far_a_study_has_come_is_told_by_its_chain(center: &mut Center) {
        five(center).await;
        let later = "UPDATE bundle SET reason = 'another' WHERE version = 1";
        let someone = "UPDATE bundle SET actor = 'somebody' WHERE version = 1";
        let when = "UPDATE bundle SET activated_at = activated_at + 1 WHERE version = 1";
        let bundle = [later, someone, when]
            .map(|change| (change.to_owned(), Verdict::Bundle(Doubt { version: 1, why: Why::Circumstances })));
        assert_found(center, "aurora", &bundle).await;
        let study = |change: &str, fault| (format!("UPDATE study SET {change}"), Verdict::Study(fault));
        let changes = [
            study("state = 'paused'", StudyFault::State),
            study("state = 'closed'", StudyFault::State),
            study("enrollment_ended_at = 1", StudyFault::EnrollmentEnd),
        ];
        assert_found(center, "aurora", &changes).await;
        life::set_paused(center.store(), "aurora", true, center.act("audit")).await.unwrap();
        center.set_enrollment("aurora", true, None, "all are in").await.unwrap();
        center.settle().await;
        center.assert_proved().await;
        let changes = [
            study("state = 'open'", StudyFault::State),
            study("enrollment_ended_at = NULL", StudyFault::EnrollmentEnd),
            study("enrollment_ended_at = enrollment_ended_at + 1", StudyFault::EnrollmentEnd),
        ];
        assert_found(center, "aurora", &changes).await;
        life::set_paused(center.store(), "aurora", false, center.act("audited")).await.unwrap();
        center.set_enrollment("aurora", false, None, "ten more").await.unwrap();
        center.settle().await;
        center.assert_proved().await;
        center.close("aurora", "done").await;
        assert_found(center, "aurora", &[study("state = 'open'", StudyFault::State)]).await;
    }

    async fn a_change_on_a_later_page_is_named(center: &mut Center) {
        aurora(center).await;
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let shelved = center.shelf_on(center.store()).load(&row).await.unwrap();
        let count = limits::PROOF_PAGE_ROWS + 10;
        let line = |number: i64| {
            let levels = [("site", "011"), ("sex", ["F", "M"][number as usize % 2]), ("stage", "III"), ("ecog_ps", "1")];
            let levels = levels.map(|(id, level)| (id.to_owned(), level.to_owned())).into();
            let row = HistoryRow { levels, arm: "STD".to_owned(), slot: None, block_size: None, by_hand: false };
            Line { number: number.unsigned_abs(), subject: format!("Y-{number:04}"), site: None, kit: None, at: None, row, answers: Default::default() }
        };
        let lines: Vec<Line> = (1..=count).map(line).collect();
        let act = center.act("moved");
        let scheme = shelved.study.scheme.as_ref().unwrap();
        let history = import::fit(&shelved, scheme, import::OnFile::default(), &lines, act.at).unwrap();
        let source = Source { name: "old.csv", digest: "ab" };
        import::import(center.store(), &shelved, &history, source, act, &*center.dice).await.unwrap();
        let whole = Verdict::ProvedBesides { proved: 0, imported: count.unsigned_abs(), forced: 0 };
        let last = limits::PROOF_PAGE_ROWS;
        let changes = [
            ("UPDATE study SET changed_at = changed_at".to_owned(), whole),
            untold(&format!("UPDATE allocation SET record = record || ' ' WHERE number = {last}"), last, What::Record),
            untold(&format!("UPDATE subject SET site = '012' WHERE number = {}", last + 1), last + 1, What::Site),
            untold(&format!("UPDATE allocation SET slot = -1 WHERE number = {}", last + 2), last + 2, What::Journal),
        ];
        assert_found(center, "aurora", &changes).await;
    }

    async fn a_secret_is_the_one_committed_to(center: &mut Center) {
        aurora(center).await;
        // Nobody is enrolled: nothing but the commitments can tell.
        let zeros = bytes(center, "00");
        let digest = data_encoding::HEXLOWER.encode(&<[u8; 32]>::from(Sha256::digest([0; 32])));
        let digest = match center.store().engine() {
            Engine::Sqlite => format!("x'{digest}'"),
            Engine::Postgres => format!("decode('{digest}', 'hex')"),
        };
        let changes = [
            (format!("UPDATE study SET sealed_secret = NULL, clear_secret = {zeros}"), Verdict::Secret(SecretFault::Row)),
            (format!("UPDATE study SET secret_digest = {zeros}"), Verdict::Secret(SecretFault::Row)),
            (format!("UPDATE study SET sealed_secret = NULL, clear_secret = {zeros}, secret_digest = {digest}"), Verdict::Secret(SecretFault::Chain)),
            (
                format!("DELETE FROM audit WHERE study_id <> 0; UPDATE study SET chain_length = 0, chain_head = {zeros}"),
                Verdict::Bundle(Doubt { version: 1, why: Why::Entry }),
            ),
        ];
        assert_found(center, "aurora", &changes).await;
    }

    async fn a_purged_rehearsal_commits_to_its_new_secret(center: &mut Center) {
        center.activate(&samples::borealis(), Stage::Development).await;
        let form = DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"));
        center.exchange(&form).await;
        let before = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        life::purge(center.store(), "borealis", center.act("done"), &*center.dice).await.unwrap();
        let after = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        assert_ne!(before.secret, after.secret);
        center.assert_proved().await;
        center.exchange(&form).await;
        center.assert_proved().await;
        let copy = center.copy().await;
        assert_eq!(verdict(center, &copy, "borealis").await, Verdict::Proved(1));
        copy.close().await;
        center.reconnect().await;
        let change = format!("UPDATE study SET sealed_secret = NULL, clear_secret = {}", bytes(center, "07"));
        assert_found(center, "borealis", &[(change, Verdict::Secret(SecretFault::Row))]).await;
    }

    async fn a_kit_is_as_it_was_handed_out(center: &mut Center) {
        borealis(center).await;
        for number in 1..4 {
            center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", &format!("103-00{number}")))).await;
        }
        let second = "allocation_number = 2";
        let changes = [
            untold(
                &format!("UPDATE kit SET arm = (SELECT min(other.arm) FROM kit other WHERE other.arm <> kit.arm) WHERE {second}"),
                2,
                What::KitRow,
            ),
            untold(&format!("UPDATE kit SET allocation_number = NULL WHERE {second}"), 2, What::KitRow),
            untold(&format!("UPDATE kit SET allocation_number = 3 WHERE {second}"), 2, What::KitRow),
            untold(&format!("UPDATE kit SET code = code || 'X' WHERE {second}"), 2, What::KitRow),
            untold(&format!("UPDATE kit SET site = '102' WHERE {second}"), 2, What::KitRow),
            untold(
                "UPDATE kit SET allocation_number = 7 WHERE position = (SELECT max(position) FROM kit)",
                7,
                What::KitRow,
            ),
        ];
        assert_found(center, "borealis", &changes).await;
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
