//! What the store promises, on both engines.

use std::collections::BTreeSet;

use hagaki::domain::allocation::Origin;
use hagaki::domain::chain::{Head, INSTALLATION, Why};
use hagaki::domain::kept::{Column, Kept, Place};
use hagaki::domain::kit::{Day, Order, State};
use hagaki::domain::seal::KeyRing;
use hagaki::domain::time::Instant;
use hagaki::store::allocation::AllocationRow;
use hagaki::store::fuse::Fuse;
use hagaki::store::inbox::{FirstSight, Outcome};
use hagaki::store::outbox::{Report, Verdict};
use hagaki::store::randomization::{self, RandomizationRow};
use hagaki::store::study::{NewStudy, Stage, State as StudyState, StudySecret};
use hagaki::store::subject::NewSubject;
use hagaki::store::{
    Engine, Store, StoreError, allocation, audit, bundle, host, inbox, kit, mailbox, outbox, pending, secret, study,
    subject,
};

use crate::world::{NOW, World, digest, item, kept, kept_form, letter, on_both};

const LEASE: i64 = 60;

fn later(seconds: i64) -> Instant {
    NOW.plus_seconds(seconds)
}

/// Everything one enrollment writes, as the workflow will: lock, first sight, look-up, subject, allocation, audit, two
/// letters, counters, outcome, commit.
async fn enroll(store: &Store, study_id: i64, mail: i64, reference: &str) -> Result<i64, StoreError> {
    let mut tx = store.begin().await?;
    let mut row = study::lock(&mut tx, study_id).await?;
    let key = format!("<{reference}@hospital.example>");
    if inbox::first_sight(&mut tx, &key, &digest(reference), mail, NOW).await? != FirstSight::New {
        let known = subject::find_by_reference(&mut tx, study_id, reference).await?;
        let known = known.ok_or(StoreError::Missing { noun: "subject", key: reference.to_owned() })?;
        inbox::record_outcome(&mut tx, &outcome(mail, "reply_duplicate", Some(known.id))).await?;
        tx.commit().await?;
        return Ok(known.number);
    }
    assert!(subject::find_by_reference(&mut tx, study_id, reference).await?.is_none());
    row.subjects += 1;
    row.allocations += 1;
    let subject_id = subject::insert(&mut tx, &new_subject(study_id, row.subjects, reference)).await?;
    let decision = decision(study_id, row.allocations, subject_id);
    allocation::insert(&mut tx, &decision, r#"{"method":"minimization"}"#).await?;
    let body = format!("{{\"subject\":{}}}", row.subjects);
    audit::append(&mut tx, &mut row, NOW, "tanaka", "enroll", &body).await?;
    let ids = [format!("<{reference}.1@example.jp>"), format!("<{reference}.2@example.jp>")];
    let letters = ids.each_ref().map(|id| outbox::NewLetter { inbox_id: Some(mail), ..letter(id, "assignment") });
    outbox::insert_many(&mut tx, &letters).await?;
    study::save_counters(&mut tx, &row).await?;
    inbox::record_outcome(&mut tx, &outcome(mail, "register", Some(subject_id))).await?;
    tx.commit().await?;
    Ok(row.subjects)
}

fn outcome(id: i64, disposition: &'static str, subject_id: Option<i64>) -> Outcome<'static> {
    Outcome {
        id,
        owner: "d1",
        state: inbox::State::Done,
        disposition,
        reason: "",
        study_id: None,
        subject_id,
        person: Some("tanaka"),
        reading: r#"{"text":"施設コード: 012"}"#,
        at: NOW,
    }
}

fn new_subject(study_id: i64, number: i64, reference: &str) -> NewSubject<'static> {
    let (reference_key, form) = kept(reference);
    NewSubject {
        study_id,
        number,
        reference_key,
        site: "012",
        person: "tanaka",
        enrolled_at: NOW,
        form,
        inbox_id: None,
        audit_digest: &[3; 32],
        rescreens_id: None,
        participant_id: None,
    }
}

fn decision(study_id: i64, number: i64, subject_id: i64) -> AllocationRow {
    AllocationRow {
        study_id,
        number,
        subject_id,
        randomization: "first".to_owned(),
        arm: if number % 2 == 0 { "A" } else { "B" }.to_owned(),
        slot: None,
        block_size: Some(4),
        levels: r#"{"site":"012","sex":"F"}"#.to_owned(),
        kit: None,
        bundle_version: 1,
        allocated_at: NOW,
        origin: Origin::Drawn,
    }
}

/// What an enrollment leaves behind, counted from outside: subjects, allocations, entries, letters, decided mails.
async fn left_behind(world: &World) -> [i64; 5] {
    [
        world.number("SELECT count(*) FROM subject").await,
        world.number("SELECT count(*) FROM allocation").await,
        world.number("SELECT count(*) FROM audit").await,
        world.number("SELECT count(*) FROM outbox o JOIN outbox_raw r ON r.outbox_id = o.id").await,
        world.number("SELECT count(*) FROM inbox WHERE state = 'done'").await,
    ]
}

const TODAY: Day = Day(20_261_120);

/// In which order kits leave.
fn order() -> Order {
    Order::of(&[7; 32])
}

/// A kit (code, arm, site) that never expires.
fn new_kit((code, arm, site): (&'static str, &'static str, &'static str)) -> kit::NewKit<'static> {
    kit::NewKit { code, arm, site, lot: "", expires_on: Day::NEVER }
}

/// A key file with a key for each letter; that of `a` is the one of [`ring`](crate::world::ring).
fn other_ring(letters: &str) -> KeyRing {
    let lines: Vec<String> = letters.chars().map(|letter| format!("{}a", letter.to_string().repeat(51))).collect();
    KeyRing::parse(&lines.join("\n")).unwrap()
}

/// How many secrets stand in the clear.
async fn clear_secrets(world: &World) -> i64 {
    world.number("SELECT count(*) FROM study WHERE sealed_secret IS NULL").await
}

on_both! {
    async fn what_draws_are_made_from_is_sealed_with_the_key_file(world: &World) {
        let id = world.study("aurora").await;
        assert_eq!(clear_secrets(world).await, 0);
        let zeros = match world.store.engine() {
            Engine::Sqlite => "clear_secret = zeroblob(32)",
            Engine::Postgres => "clear_secret = decode(repeat('00', 32), 'hex')",
        };
        assert_eq!(world.number(&format!("SELECT count(*) FROM study WHERE {zeros}")).await, 1);
        // Another key, or none: all else is read, and the key is named.
        for ring in [other_ring("e"), KeyRing::default()] {
            let store = world.store.clone().with_ring(ring);
            let row = study::load(&store, id).await.unwrap();
            assert_eq!(row.slug, "aurora");
            let error = row.secret.bytes().unwrap_err();
            assert!(error.waits_for_key(), "{error}");
            let name = &world.store.ring().names()[0];
            assert!(error.to_string().contains("study aurora") && error.to_string().contains(name), "{error}");
            // A key file that may be a wrong one seals nothing.
            assert_eq!(study::seal_secrets(&store).await.unwrap(), 0);
        }
        // What is moved to another study does not open there.
        world.study("borealis").await;
        world.tamper("UPDATE study SET sealed_secret = (SELECT sealed_secret FROM study WHERE slug = 'aurora')").await;
        let other = study::find(&world.store, "borealis", Stage::Development).await.unwrap().unwrap();
        assert!(other.secret.bytes().is_err() && study::load(&world.store, id).await.unwrap().secret.bytes().is_ok());
    }

    async fn secrets_of_before_there_was_a_key_are_sealed_whatever_stops_it(world: &World) {
        let bare = world.store.clone().with_ring(KeyRing::default());
        let slugs = ["aurora", "borealis", "cygnus"];
        for slug in slugs {
            let mut tx = bare.begin().await.unwrap();
            let new = NewStudy {
                slug,
                stage: Stage::Production,
                secret: &StudySecret::new([7; 32]),
                secret_digest: &digest("secret"),
                at: NOW,
            };
            study::insert(&mut tx, &new).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!((clear_secrets(world).await, study::seal_secrets(&bare).await.unwrap()), (3, 0), "there is no key yet");
        let opens = async |store: &Store| {
            let rows = study::list(store).await.unwrap();
            rows.len() == slugs.len() && rows.iter().all(|row| row.secret.bytes().is_ok_and(|bytes| *bytes == [7; 32]))
        };
        // Where something was sealed with a key that is not in the file, that file may be a wrong one.
        let id = study::list(&bare).await.unwrap()[0].id;
        world.tamper(&format!("INSERT INTO study_key (study_id, name) VALUES ({id}, '0123456789abcdef')")).await;
        assert_eq!((study::seal_secrets(&world.store).await.unwrap(), clear_secrets(world).await), (0, 3));
        world.tamper("DELETE FROM study_key").await;
        // The n-th statement or commit fails: whatever was done, every secret is there.
        let mut left = 3;
        for n in 1.. {
            let fuse = Fuse::refuse(n);
            let done = study::seal_secrets(&world.store.with_fuse(fuse.clone())).await;
            assert!(opens(&world.store).await, "after statement {n}");
            let now = clear_secrets(world).await;
            assert!(now <= left, "{now} of {left} after statement {n}");
            left = now;
            if !fuse.struck() {
                done.unwrap();
                break;
            }
        }
        assert_eq!((clear_secrets(world).await, study::seal_secrets(&world.store).await.unwrap()), (0, 0));
        // A new key takes over what the older one sealed, which can go then.
        let rotated = world.store.clone().with_ring(other_ring("ea"));
        assert!(opens(&rotated).await);
        assert_eq!(study::seal_secrets(&rotated).await.unwrap(), 3);
        assert!(opens(&world.store.clone().with_ring(other_ring("e"))).await);
        assert!(!opens(&world.store).await);
    }

    async fn a_study_is_kept(world: &World) {
        let id = world.study("aurora").await;
        let row = study::load(&world.store, id).await.unwrap();
        assert_eq!((row.slug.as_str(), row.stage, row.state), ("aurora", Stage::Development, StudyState::Open));
        assert_eq!((row.subjects, row.allocations, row.chain, row.bundle_version), (0, 0, Head::EMPTY, 1));
        assert_eq!(row.secret.bytes().unwrap(), &[7; 32]);
        assert!(!format!("{row:?}").contains('7'.to_string().repeat(2).as_str()), "a secret is not printed");

        let conflict = world.study_at("aurora", Stage::Development).await.unwrap_err();
        assert!(matches!(conflict, StoreError::Conflict { .. }), "{conflict:?}");
        assert!(!conflict.is_transient());
        assert!(matches!(study::load(&world.store, 99).await, Err(StoreError::Missing { noun: "study", .. })));

        assert_eq!(study::find_current(&world.store, "aurora").await.unwrap().unwrap().id, id);
        let real = world.study_at("aurora", Stage::Production).await.unwrap();
        assert_eq!(study::find_current(&world.store, "aurora").await.unwrap().unwrap().id, real);
        assert_eq!(study::find(&world.store, "aurora", Stage::Development).await.unwrap().unwrap().id, id);
        assert!(study::find_current(&world.store, "borealis").await.unwrap().is_none());

        let mut tx = world.store.begin().await.unwrap();
        study::set_state(&mut tx, id, StudyState::Paused, later(5)).await.unwrap();
        study::set_bundle(&mut tx, id, 3, later(6)).await.unwrap();
        let inside = study::load(&mut tx, id).await.unwrap();
        assert_eq!((inside.state, inside.bundle_version, inside.changed_at), (StudyState::Paused, 3, later(6)));
        tx.commit().await.unwrap();
        let states: Vec<_> = study::list(&world.store).await.unwrap().iter().map(|row| row.state).collect();
        assert_eq!(states, [StudyState::Paused, StudyState::Open]);

        let mut tx = world.store.begin().await.unwrap();
        study::set_state(&mut tx, 99, StudyState::Paused, NOW).await.ok();
        assert!(matches!(tx.commit().await, Err(StoreError::Missing { .. } | StoreError::Abandoned)));
    }

    async fn a_bundle_is_kept_by_version(world: &World) {
        let study_id = world.study("aurora").await;
        let version = |version: i64, files: &str| bundle::BundleRow {
            study_id,
            version,
            digest: digest(files),
            files: files.to_owned(),
            activated_at: NOW,
            actor: "operator:suzuki".to_owned(),
            reason: "症例数".to_owned(),
        };
        let mut tx = world.store.begin().await.unwrap();
        for number in [1, 2] {
            bundle::insert(&mut tx, &version(number, &format!("{{\"study.toml\":\"{number}\"}}"))).await.unwrap();
        }
        tx.commit().await.unwrap();
        let loaded = bundle::load(&world.store, study_id, 2).await.unwrap();
        assert_eq!(loaded, version(2, r#"{"study.toml":"2"}"#));
        let versions: Vec<i64> =
            bundle::list(&world.store, study_id).await.unwrap().iter().map(|row| row.version).collect();
        assert_eq!(versions, [1, 2]);
        assert!(bundle::load(&world.store, study_id, 3).await.is_err());
        let mut tx = world.store.begin().await.unwrap();
        bundle::insert(&mut tx, &version(2, "{}")).await.ok();
        assert!(tx.commit().await.is_err(), "a version is never replaced");
        assert_eq!(bundle::load(&world.store, study_id, 2).await.unwrap().files, loaded.files);
    }

    async fn the_lock_serializes(world: &World) {
        let id = world.study("aurora").await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = world.store.clone();
            tasks.spawn(async move {
                for _ in 0..10 {
                    let mut tx = store.begin().await.unwrap();
                    let mut row = study::lock(&mut tx, id).await.unwrap();
                    row.subjects += 1;
                    audit::append(&mut tx, &mut row, NOW, "tanaka", "count", "{}").await.unwrap();
                    study::save_counters(&mut tx, &row).await.unwrap();
                    tx.commit().await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        let row = study::load(&world.store, id).await.unwrap();
        assert_eq!((row.subjects, row.chain.length), (80, 80));
        assert_eq!(audit::verify(&world.store, id).await.unwrap().result, Ok(80));
    }

    async fn racing_copies_of_a_mail_enroll_once(world: &World) {
        let id = world.study("aurora").await;
        world.mails(0..8).await;
        let mails = inbox::claim(&world.store, "d1", NOW, LEASE, 20).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for mail in mails.iter().map(|mail| mail.id).collect::<Vec<_>>() {
            let store = world.store.clone();
            tasks.spawn(async move { enroll(&store, id, mail, "P-001").await.unwrap() });
        }
        assert_eq!(tasks.join_all().await, [1; 8]);
        assert_eq!(left_behind(world).await, [1, 1, 1, 2, 8]);
    }

    async fn first_sight_tells_same_from_different(world: &World) {
        let mails = world.mails(0..2).await;
        let mut tx = world.store.begin().await.unwrap();
        let mut answers = Vec::new();
        for content in ["one", "one", "two"] {
            answers.push(inbox::first_sight(&mut tx, "<a@b>", &digest(content), mails[0], NOW).await.unwrap());
        }
        tx.commit().await.unwrap();
        assert_eq!(answers, [FirstSight::New, FirstSight::Same(mails[0]), FirstSight::Different(mails[0])]);
    }

    async fn first_sight_without_a_common_lock_still_tells_one_first(world: &World) {
        let mails = world.mails(0..6).await;
        let mut tasks = tokio::task::JoinSet::new();
        for &mail in &mails {
            let store = world.store.clone();
            tasks.spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let sight = inbox::first_sight(&mut tx, "<a@b>", &digest("one"), mail, NOW).await.unwrap();
                tx.commit().await.unwrap();
                (mail, sight)
            });
        }
        let sights = tasks.join_all().await;
        let first: Vec<i64> = sights.iter().filter(|(_, sight)| *sight == FirstSight::New).map(|(mail, _)| *mail).collect();
        assert_eq!(first.len(), 1, "{sights:?}");
        assert!(sights.iter().all(|(mail, sight)| *mail == first[0] || *sight == FirstSight::Same(first[0])));
    }

    async fn mails_are_taken_in_once(world: &World) {
        assert_eq!(world.mails(0..150).await.len(), 150);
        assert_eq!(world.mails(100..170).await.len(), 20);
        let rows = inbox::list(&world.store, inbox::Which::State(inbox::State::New), None, 1_000).await.unwrap();
        assert_eq!(rows.len(), 170);
        for row in &rows {
            let raw = inbox::find_raw(&world.store, row.id).await.unwrap().unwrap();
            let number = row.item_key.strip_prefix("7:").unwrap();
            assert_eq!(String::from_utf8(raw).unwrap(), format!("Subject: mail {number}\r\n\r\n"));
        }
        let keys: Vec<String> = (160..180).map(|number| format!("7:{number}")).collect();
        let known = inbox::known_keys(&world.store, "reg", &keys).await.unwrap();
        assert_eq!(known, keys[..10].iter().cloned().collect::<BTreeSet<_>>());
        assert!(inbox::known_keys(&world.store, "other", &keys).await.unwrap().is_empty());
        assert_eq!(inbox::waiting_count(&world.store).await.unwrap(), 170);
        let page = inbox::list(&world.store, inbox::Which::All, Some(rows[4].id), 3).await.unwrap();
        assert_eq!(page, rows[5..8]);
    }

    async fn claimers_get_disjoint_mails(world: &World) {
        let all = world.mails(0..60).await;
        let mut tasks = tokio::task::JoinSet::new();
        for claimer in 0..4 {
            let store = world.store.clone();
            tasks.spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = inbox::claim(&store, &format!("d{claimer}"), NOW, LEASE, 7).await.unwrap();
                    if claimed.is_empty() {
                        return mine;
                    }
                    assert!(claimed.len() <= 7 && claimed.is_sorted_by_key(|mail| mail.id));
                    assert!(claimed.iter().all(|mail| mail.tries == 1 && mail.raw.as_ref().is_ok_and(|raw| !raw.is_empty())));
                    mine.extend(claimed.into_iter().map(|mail| mail.id));
                }
            });
        }
        let mut claimed: Vec<i64> = tasks.join_all().await.concat();
        claimed.sort_unstable();
        // A claimer may find rows locked that then go free; what is left over is due again at once.
        claimed.extend(inbox::claim(&world.store, "last", NOW, LEASE, 100).await.unwrap().iter().map(|mail| mail.id));
        assert_eq!(claimed, all);
    }

    async fn a_lease_runs_out_and_is_then_lost(world: &World) {
        let mail = world.mails(0..1).await[0];
        let store = &world.store;
        assert_eq!(inbox::claim(store, "d1", NOW, LEASE, 5).await.unwrap()[0].tries, 1);
        assert!(inbox::claim(store, "d2", later(LEASE - 1), LEASE, 5).await.unwrap().is_empty());
        assert_eq!(inbox::claim(store, "d2", later(LEASE), LEASE, 5).await.unwrap()[0].tries, 2);
        let mut tx = store.begin().await.unwrap();
        let lost = match inbox::record_outcome(&mut tx, &outcome(mail, "register", None)).await {
            Ok(()) => tx.commit().await,
            early => early,
        };
        assert!(matches!(lost, Err(StoreError::LostLease { noun: "inbox", id }) if id == mail), "{lost:?}");
        inbox::give_back(store, mail, "d1").await.unwrap();
        assert!(inbox::claim(store, "d1", later(LEASE), LEASE, 5).await.unwrap().is_empty(), "not d1's to give back");
        inbox::give_back(store, mail, "d2").await.unwrap();
        let again = inbox::claim(store, "d1", later(LEASE), LEASE, 5).await.unwrap();
        assert_eq!(again[0].tries, 2, "a try given back does not count");
        let mut tx = store.begin().await.unwrap();
        inbox::record_outcome(&mut tx, &outcome(mail, "register", None)).await.unwrap();
        tx.commit().await.unwrap();
        let row = inbox::find(store, mail).await.unwrap().unwrap();
        assert_eq!((row.state, row.disposition.as_str(), row.decided_at), (inbox::State::Done, "register", Some(NOW)));
        assert!(inbox::claim(store, "d1", later(1_000_000), LEASE, 5).await.unwrap().is_empty());
    }

    async fn a_person_steers_mails(world: &World) {
        let mails = world.mails(0..3).await;
        let store = &world.store;
        let mut tx = store.begin().await.unwrap();
        assert!(inbox::hold(&mut tx, mails[0], "unknown_sender", NOW).await.unwrap());
        assert!(!inbox::hold(&mut tx, mails[0], "unknown_sender", NOW).await.unwrap());
        assert!(inbox::drop(&mut tx, mails[1], NOW).await.unwrap());
        assert!(!inbox::release(&mut tx, mails[2], "suzuki").await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(inbox::held_count(store).await.unwrap(), 1);
        let held = inbox::list(store, inbox::Which::State(inbox::State::Held), None, 9).await.unwrap();
        assert_eq!((held[0].id, held[0].reason.as_str()), (mails[0], "unknown_sender"));
        let dropped = inbox::list(store, inbox::Which::State(inbox::State::Dropped), None, 9).await.unwrap();
        assert_eq!(dropped[0].id, mails[1]);
        let mut tx = store.begin().await.unwrap();
        assert!(inbox::release(&mut tx, mails[0], "suzuki").await.unwrap());
        tx.commit().await.unwrap();
        let claimed = inbox::claim(store, "d1", NOW, LEASE, 9).await.unwrap();
        let released: Vec<_> = claimed.iter().map(|mail| (mail.id, mail.tries, mail.released_by.as_deref())).collect();
        assert_eq!(released, [(mails[0], 1, Some("suzuki")), (mails[2], 1, None)]);
    }

    async fn decided_mails_are_filed_and_found_again_under_new_places(world: &World) {
        let store = &world.store;
        let twins = ["7:1", "7:2"].map(|key| item(key, "the same bytes"));
        let other = item("7:3", "other bytes");
        let mut tx = store.begin().await.unwrap();
        let mut ids = inbox::insert_many(&mut tx, &[twins[0], twins[1], other]).await.unwrap();
        tx.commit().await.unwrap();
        ids.sort_unstable();
        assert!(inbox::unfiled(store, "reg", 0, 9).await.unwrap().is_empty(), "nothing is decided yet");
        inbox::claim(store, "d1", NOW, LEASE, 1).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        inbox::record_outcome(&mut tx, &outcome(ids[0], "register", None)).await.unwrap();
        inbox::hold(&mut tx, ids[2], "poison", NOW).await.unwrap();
        tx.commit().await.unwrap();
        let unfiled = inbox::unfiled(store, "reg", 0, 9).await.unwrap();
        let states: Vec<_> = unfiled.iter().map(|mail| (mail.id, mail.state)).collect();
        assert_eq!(states, [(ids[0], inbox::State::Done), (ids[2], inbox::State::Held)]);

        // UIDVALIDITY changes: the two that are alike each get one place, a fourth mail is new.
        let place = |raw: &str, key: &str| (digest(raw), key.to_owned());
        let places = [
            place("the same bytes", "8:1"),
            place("the same bytes", "8:2"),
            place("the same bytes", "8:3"),
            place("other bytes", "8:4"),
        ];
        let mut tx = store.begin().await.unwrap();
        let known = inbox::rekey(&mut tx, "reg", "7:", &places).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(known, [true, true, false, true]);
        let keys: Vec<String> =
            inbox::list(store, inbox::Which::All, None, 9).await.unwrap().into_iter().map(|row| row.item_key).collect();
        assert_eq!(keys, ["8:4", "8:2", "8:1"]);

        let mut tx = store.begin().await.unwrap();
        inbox::mark_filed(&mut tx, &[ids[0], ids[2]], "Processed", later(3)).await.unwrap();
        tx.commit().await.unwrap();
        assert!(inbox::unfiled(store, "reg", 0, 9).await.unwrap().is_empty());
        let row = inbox::find(store, ids[0]).await.unwrap().unwrap();
        assert_eq!((row.filed_folder.as_deref(), row.filed_at), (Some("Processed"), Some(later(3))));
    }

    async fn letters_go_by_priority_and_are_marked_in_batches(world: &World) {
        let store = &world.store;
        let ids = world.letters(0..150).await;
        assert!(ids.is_sorted() && ids.len() == 150);
        let urgent = outbox::NewLetter { priority: 0, next_attempt_at: later(-5), ..letter("<u@example.jp>", "urgent") };
        let tomorrow = outbox::NewLetter { priority: 0, next_attempt_at: later(86_400), ..letter("<t@example.jp>", "t") };
        let mut tx = store.begin().await.unwrap();
        let extra = outbox::insert_many(&mut tx, &[urgent, tomorrow]).await.unwrap();
        tx.commit().await.unwrap();
        let claimed = outbox::claim(store, "reg", "d1", NOW, LEASE, 120).await.unwrap();
        assert_eq!(claimed.len(), 120);
        assert_eq!((claimed[0].id, claimed[0].raw.as_deref()), (extra[0], Ok("urgent".as_bytes())));
        assert_eq!(claimed[1..].iter().map(|letter| letter.id).collect::<Vec<_>>(), ids[..119]);
        assert!(claimed.iter().all(|letter| letter.attempts == 1));
        let rest = outbox::claim(store, "reg", "d2", NOW, LEASE, 500).await.unwrap();
        assert_eq!(rest.iter().map(|letter| letter.id).collect::<Vec<_>>(), ids[119..]);

        let texts: Vec<String> = claimed.iter().map(|letter| format!("2.0.0 queued as {}", letter.id)).collect();
        let verdicts: Vec<(i64, Verdict<'_>)> =
            claimed.iter().zip(&texts).map(|(letter, text)| (letter.id, Verdict { code: 250, text })).collect();
        let mut tx = store.begin().await.unwrap();
        outbox::record_sent_many(&mut tx, later(1), &verdicts).await.unwrap();
        tx.commit().await.unwrap();
        for (id, verdict) in &verdicts {
            let row = outbox::find(store, *id).await.unwrap().unwrap();
            assert_eq!((row.state, row.sent_at, row.verdict_code), (outbox::State::Sent, Some(later(1)), Some(250)));
            assert_eq!(row.verdict_text.as_deref(), Some(verdict.text));
        }
        assert_eq!(outbox::waiting_count(store).await.unwrap(), 32);
        let back: Vec<i64> = rest.iter().map(|letter| letter.id).collect();
        let mut tx = store.begin().await.unwrap();
        outbox::give_back(&mut tx, "d2", &back).await.unwrap();
        tx.commit().await.unwrap();
        let again = outbox::claim(store, "reg", "d1", NOW, LEASE, 500).await.unwrap();
        assert_eq!(again.len(), back.len());
        assert!(again.iter().all(|letter| letter.attempts == 1), "an attempt given back does not count");
    }

    async fn a_letter_is_tried_again_until_it_fails(world: &World) {
        let store = &world.store;
        let id = world.letters(0..1).await[0];
        outbox::claim(store, "reg", "d1", NOW, LEASE, 1).await.unwrap();
        let deferred = Verdict { code: 451, text: "4.7.1 greylisted" };
        let mut tx = store.begin().await.unwrap();
        outbox::record_retry(&mut tx, id, "d1", later(1), later(300), deferred).await.unwrap();
        tx.commit().await.unwrap();
        assert!(outbox::claim(store, "reg", "d1", later(299), LEASE, 1).await.unwrap().is_empty());
        assert_eq!(outbox::claim(store, "reg", "d1", later(300), LEASE, 1).await.unwrap()[0].attempts, 2);
        let refused = Verdict { code: 550, text: "5.1.1 no such user" };
        let mut tx = store.begin().await.unwrap();
        let lost = match outbox::record_failed(&mut tx, id, "d2", later(301), refused).await {
            Ok(()) => tx.commit().await,
            early => early,
        };
        assert!(matches!(lost, Err(StoreError::LostLease { noun: "outbox", .. })), "{lost:?}");
        let mut tx = store.begin().await.unwrap();
        outbox::record_failed(&mut tx, id, "d1", later(301), refused).await.unwrap();
        tx.commit().await.unwrap();
        let attempts = outbox::list_attempts(store, id).await.unwrap();
        let seen: Vec<_> = attempts.iter().map(|attempt| (attempt.attempt, attempt.code)).collect();
        assert_eq!(seen, [(1, 451), (2, 550)], "an attempt whose transaction was undone leaves no trace");
        let failed = outbox::list(store, outbox::Which::State(outbox::State::Failed), None, 9).await.unwrap();
        assert_eq!(failed[0].verdict_text.as_deref(), Some("5.1.1 no such user"));

        let mut tx = store.begin().await.unwrap();
        assert!(outbox::retry(&mut tx, id, later(400)).await.unwrap());
        assert!(outbox::hold(&mut tx, id).await.unwrap());
        tx.commit().await.unwrap();
        assert!(outbox::claim(store, "reg", "d1", later(400), LEASE, 1).await.unwrap().is_empty());
        let mut tx = store.begin().await.unwrap();
        assert!(outbox::release(&mut tx, id, later(500)).await.unwrap());
        assert!(!outbox::release(&mut tx, id, later(500)).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(outbox::claim(store, "reg", "d1", later(500), LEASE, 1).await.unwrap()[0].attempts, 1);
        let mut tx = store.begin().await.unwrap();
        assert!(outbox::drop(&mut tx, id).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(outbox::find(store, id).await.unwrap().unwrap().state, outbox::State::Dropped);
    }

    async fn reports_set_the_state_of_letters(world: &World) {
        let store = &world.store;
        let ids = world.letters(0..2).await;
        let mut tx = store.begin().await.unwrap();
        assert!(!outbox::record_report(&mut tx, ids[0], Report::Bounced, "5.1.1", NOW).await.unwrap(), "not sent yet");
        let sent = ids.iter().map(|&id| (id, Verdict { code: 250, text: "ok" })).collect::<Vec<_>>();
        outbox::record_sent_many(&mut tx, NOW, &sent).await.unwrap();
        assert!(outbox::record_report(&mut tx, ids[1], Report::Delayed, "4.4.1", later(1)).await.unwrap());
        assert!(outbox::record_report(&mut tx, ids[1], Report::Delayed, "4.4.7", later(2)).await.unwrap());
        assert!(outbox::record_report(&mut tx, ids[0], Report::Delivered, "2.0.0", later(1)).await.unwrap());
        assert!(outbox::record_report(&mut tx, ids[0], Report::Bounced, "5.1.1", later(2)).await.unwrap());
        assert!(!outbox::record_report(&mut tx, ids[0], Report::Bounced, "5.1.1", later(3)).await.unwrap());
        assert!(!outbox::record_report(&mut tx, ids[0], Report::Delivered, "2.0.0", later(3)).await.unwrap());
        assert!(!outbox::record_report(&mut tx, ids[0], Report::Delayed, "4.4.1", later(3)).await.unwrap());
        tx.commit().await.unwrap();
        let row = outbox::find(store, ids[0]).await.unwrap().unwrap();
        assert_eq!((row.state, row.report_status.as_deref()), (outbox::State::Bounced, Some("5.1.1")));
        assert_eq!(row.reported_at, Some(later(2)));
        let bounced = outbox::list(store, outbox::Which::State(outbox::State::Bounced), None, 9).await.unwrap();
        assert_eq!(bounced.len(), 1);
        // A delay stands until an end is reported, and is no failure; nor is the bounce of an earlier sending a delay.
        let delayed = outbox::find(store, ids[1]).await.unwrap().unwrap();
        assert_eq!((delayed.state, delayed.failure()), (outbox::State::Sent, None));
        assert_eq!(delayed.delay(), Some(("4.4.7", later(2))));
        let mut tx = store.begin().await.unwrap();
        assert!(outbox::record_report(&mut tx, ids[1], Report::Delivered, "2.0.0", later(4)).await.unwrap());
        assert!(outbox::retry(&mut tx, ids[0], later(5)).await.unwrap());
        let again = [(ids[0], Verdict { code: 250, text: "ok" })];
        outbox::record_sent_many(&mut tx, later(6), &again).await.unwrap();
        tx.commit().await.unwrap();
        for (id, state) in [(ids[1], outbox::State::Delivered), (ids[0], outbox::State::Sent)] {
            let row = outbox::find(store, id).await.unwrap().unwrap();
            assert_eq!((row.state, row.delay()), (state, None));
        }
    }

    async fn answers_are_counted_and_found_by_mail(world: &World) {
        let store = &world.store;
        let mail = world.mails(0..1).await[0];
        let study_id = world.study("aurora").await;
        let answer = |id: &'static str, kind: &'static str, at: i64| outbox::NewLetter {
            kind,
            created_at: later(at),
            inbox_id: Some(mail),
            study_id: Some(study_id),
            ..letter(id, "x")
        };
        let letters = [answer("<1@x>", "refusal", 0), answer("<2@x>", "help", 10), answer("<3@x>", "refusal", 20)];
        let mut tx = store.begin().await.unwrap();
        let ids = outbox::insert_many(&mut tx, &letters).await.unwrap();
        tx.commit().await.unwrap();
        let count = async |kinds: &[&str], since: i64| {
            outbox::count_recent(store, "tanaka@example.jp", kinds, later(since)).await.unwrap()
        };
        assert_eq!(count(&[], 0).await, 3);
        assert_eq!(count(&["refusal"], 0).await, 2);
        assert_eq!(count(&["refusal", "help"], 10).await, 2);
        assert_eq!(count(&["assignment"], 0).await, 0);
        assert_eq!(outbox::count_recent(store, "other@example.jp", &[], NOW).await.unwrap(), 0);
        let found: Vec<i64> = outbox::find_by_inbox(store, mail).await.unwrap().iter().map(|row| row.id).collect();
        assert_eq!(found, ids);
        assert_eq!(outbox::find_by_message_id(store, "<2@x>").await.unwrap().unwrap().id, ids[1]);
        assert_eq!(outbox::list(store, outbox::Which::Study(study_id), None, 9).await.unwrap().len(), 3);
        let mut tx = store.begin().await.unwrap();
        let conflict = outbox::insert_many(&mut tx, &letters[..1]).await.unwrap_err();
        assert!(matches!(conflict, StoreError::Conflict { .. }), "{conflict:?}");
    }

    async fn subjects_and_allocations_are_kept(world: &World) {
        let store = &world.store;
        let study_id = world.study("aurora").await;
        let mut tx = store.begin().await.unwrap();
        for number in 1..=5 {
            let reference = format!("012/P-{number:03}");
            let id = subject::insert(&mut tx, &new_subject(study_id, number, &reference)).await.unwrap();
            allocation::insert(&mut tx, &decision(study_id, number, id), &format!("{{\"n\":{number}}}")).await.unwrap();
        }
        tx.commit().await.unwrap();
        let found = subject::find_by_reference(store, study_id, "012/P-003").await.unwrap().unwrap();
        assert_eq!((found.number, found.typed.as_str()), (3, r#"{"sex":"女"}"#));
        assert_eq!(subject::load(store, found.id).await.unwrap(), found);
        assert_eq!(subject::find_by_number(store, study_id, 3).await.unwrap().unwrap(), found);
        assert_eq!(subject::find_latest_of(store, study_id, "tanaka").await.unwrap().unwrap().number, 5);
        assert!(subject::find_latest_of(store, study_id, "sato").await.unwrap().is_none());
        assert_eq!(subject::count_at_site(store, study_id, "012").await.unwrap(), 5);
        assert_eq!(subject::list(store, study_id, 3, 10).await.unwrap().len(), 2);
        let journal = allocation::journal(store, study_id, 2).await.unwrap();
        assert_eq!(journal.iter().map(|row| row.number).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(journal[0], decision(study_id, 3, found.id));
        assert_eq!(allocation::list_by_subject(store, found.id).await.unwrap(), [journal[0].clone()]);
        assert_eq!(allocation::find(store, study_id, 3).await.unwrap().unwrap(), journal[0]);
        assert_eq!(allocation::load_record(store, study_id, 3).await.unwrap(), r#"{"n":3}"#);
        let arms = allocation::count_arms(store, study_id).await.unwrap();
        assert_eq!(arms, [("A".to_owned(), 2), ("B".to_owned(), 3)]);

        for (number, reference) in [(3, "new"), (6, "012/P-003")] {
            let mut tx = store.begin().await.unwrap();
            let conflict = match subject::insert(&mut tx, &new_subject(study_id, number, reference)).await {
                Ok(_) => tx.commit().await,
                Err(early) => Err(early),
            };
            assert!(matches!(conflict, Err(StoreError::Conflict { .. })), "{conflict:?}");
        }
        let mut tx = store.begin().await.unwrap();
        let twice = match allocation::insert(&mut tx, &decision(study_id, 6, found.id), "{}").await {
            Ok(()) => tx.commit().await,
            early => early,
        };
        assert!(matches!(twice, Err(StoreError::Conflict { .. })), "one subject has one of each kind: {twice:?}");
        let second = AllocationRow { randomization: "second".to_owned(), ..decision(study_id, 6, found.id) };
        let request = RandomizationRow {
            study_id,
            allocation_number: 6,
            person: "tanaka".to_owned(),
            answers: r#"{"responder":"no"}"#.to_owned(),
            typed: r#"{"responder":"いいえ"}"#.to_owned(),
            inbox_id: None,
            audit_digest: [4; 32],
        };
        let mut tx = store.begin().await.unwrap();
        allocation::insert(&mut tx, &second, "{}").await.unwrap();
        randomization::insert(&mut tx, &request, &kept_form("responder", "no", "いいえ")).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(allocation::list_by_subject(store, found.id).await.unwrap(), [journal[0].clone(), second.clone()]);
        assert_eq!(randomization::find(store, study_id, 6).await.unwrap(), Some(request.clone()));
        assert_eq!(randomization::list(store, study_id, 5, 10).await.unwrap(), [request]);
        let kinds = allocation::count_kinds(store, study_id).await.unwrap();
        assert_eq!(kinds, [("first".to_owned(), 5), ("second".to_owned(), 1)]);
        let mut tx = store.begin().await.unwrap();
        let again = AllocationRow { number: 7, ..second };
        let twice = match allocation::insert(&mut tx, &again, "{}").await {
            Ok(()) => tx.commit().await,
            early => early,
        };
        assert!(matches!(twice, Err(StoreError::Conflict { .. })), "no subject is randomized twice: {twice:?}");
    }

    async fn many_rows_are_written_together_and_number_on(world: &World) {
        let store = &world.store;
        let study_id = world.study("aurora").await;
        let mails = world.mails(0..100).await;
        inbox::claim(store, "d1", NOW, LEASE, 100).await.unwrap();
        let fuse = Fuse::counting();
        let mut tx = store.with_fuse(fuse.clone()).begin().await.unwrap();
        let mut row = study::lock(&mut tx, study_id).await.unwrap();
        let keys: BTreeSet<String> = mails.iter().map(|mail| format!("<{mail}@hospital.example>")).collect();
        assert_eq!(inbox::unseen(&mut tx, &keys).await.unwrap(), keys);
        subject::reserve(&mut tx, 100).await.unwrap();
        let mut ids = Vec::new();
        for (number, mail) in (1..).zip(&mails) {
            let key = format!("<{mail}@hospital.example>");
            inbox::note_first_sight(&mut tx, &key, &digest(&key), *mail, NOW).await.unwrap();
            let id = subject::insert(&mut tx, &new_subject(study_id, number, &key)).await.unwrap();
            allocation::insert(&mut tx, &decision(study_id, number, id), "{}").await.unwrap();
            audit::append(&mut tx, &mut row, NOW, "tanaka", "enroll", "{}").await.unwrap();
            inbox::record_outcome(&mut tx, &outcome(*mail, "register", Some(id))).await.unwrap();
            ids.push(id);
        }
        study::save_counters(&mut tx, &row).await.unwrap();
        tx.commit().await.unwrap();
        // Of 64 rows each one statement, of 36 three; and what begins, locks, asks, counts and commits.
        assert!(fuse.steps() <= 5 + 15 + 12, "{} steps", fuse.steps());
        let on_file = subject::list(store, study_id, 0, 200).await.unwrap();
        assert_eq!(on_file.iter().map(|subject| subject.id).collect::<Vec<_>>(), ids);
        assert!(ids.is_sorted());
        let journal = allocation::journal(store, study_id, 0).await.unwrap();
        assert_eq!(journal.iter().map(|row| row.subject_id).collect::<Vec<_>>(), ids);
        assert_eq!(audit::verify(store, study_id).await.unwrap().result, Ok(100));
        for (mail, id) in mails.iter().zip(&ids) {
            let settled = inbox::find(store, *mail).await.unwrap().unwrap();
            assert_eq!((settled.state, settled.subject_id), (inbox::State::Done, Some(*id)));
        }
        // Numbers go on where they ended.
        let mut tx = store.begin().await.unwrap();
        let next = subject::insert(&mut tx, &new_subject(study_id, 101, "next")).await.unwrap();
        tx.commit().await.unwrap();
        assert!(next > *ids.last().unwrap());
        // One mail of several that is not the owner's any more undoes them all.
        let more = world.mails(100..103).await;
        inbox::claim(store, "d1", NOW, LEASE, 2).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        for mail in &more {
            inbox::record_outcome(&mut tx, &outcome(*mail, "register", None)).await.unwrap();
        }
        assert!(tx.commit().await.is_err());
        assert_eq!(inbox::waiting_count(store).await.unwrap(), 3);
    }

    async fn kits_leave_a_place_by_rank(world: &World) {
        let store = &world.store;
        let study_id = world.study("borealis").await;
        let kits = [("K1", "A", ""), ("K2", "A", "012"), ("K3", "B", ""), ("K4", "A", "012"), ("K5", "A", "")].map(new_kit);
        let mut tx = store.begin().await.unwrap();
        kit::insert_many(&mut tx, study_id, &order(), &kits).await.unwrap();
        let mut handed = Vec::new();
        let mut number = 0;
        for place in ["012", ""] {
            while let Some(next) = kit::next_kit(&mut tx, study_id, "A", place, TODAY).await.unwrap() {
                number += 1;
                kit::record_use(&mut tx, &next, number, 1).await.unwrap();
                handed.push(next.code);
            }
        }
        let by_rank = |mut codes: [&'static str; 2]| {
            codes.sort_by_key(|code| order().rank(code));
            codes
        };
        assert_eq!(handed, [by_rank(["K2", "K4"]), by_rank(["K1", "K5"])].concat());
        assert_eq!(kit::next_kit(&mut tx, study_id, "B", "099", TODAY).await.unwrap(), None);
        assert_eq!(kit::next_kit(&mut tx, study_id, "B", "", TODAY).await.unwrap().unwrap().code, "K3");
        tx.commit().await.unwrap();
        assert_eq!(kit::left(store, study_id).await.unwrap(), [("B".to_owned(), String::new(), 1)]);
        let used = kit::find_by_code(store, study_id, "K4").await.unwrap().unwrap();
        let turn = handed.iter().position(|code| code == "K4").unwrap();
        assert_eq!(used.allocation_number, Some(1 + turn as i64));
        let mut tx = store.begin().await.unwrap();
        kit::record_use(&mut tx, &used, 9, 1).await.ok();
        assert!(tx.commit().await.is_err(), "a kit goes out once");
        let mut tx = store.begin().await.unwrap();
        kit::insert_many(&mut tx, study_id, &order(), &[new_kit(("K6", "B", ""))]).await.unwrap();
        assert!(matches!(
            kit::insert_many(&mut tx, study_id, &order(), &[new_kit(("K1", "B", ""))]).await,
            Err(StoreError::Conflict { .. })
        ));
    }

    async fn the_kit_that_expires_first_goes_out_first_and_none_after_its_day(world: &World) {
        let study_id = world.study("borealis").await;
        let kit = |code, site, expires_on| kit::NewKit { expires_on: Day(expires_on), ..new_kit((code, "A", site)) };
        let kits = [
            kit("LATE", "012", 20_270_401),
            kit("GONE", "012", 20_261_119),
            kit("SOON", "012", 20_270_301),
            kit("SAME", "012", 20_270_301),
            kit("LAST", "012", 20_261_120),
            kit("FIRST", "", 20_261_121),
        ];
        let mut tx = world.store.begin().await.unwrap();
        kit::insert_many(&mut tx, study_id, &order(), &kits).await.unwrap();
        let places = [("A", "012"), ("A", ""), ("B", "012"), ("A", "013")];
        let counted = |stocks: Vec<kit::Stock>| -> Vec<(i64, bool, Option<i64>)> {
            stocks.into_iter().map(|stock| (stock.usable, stock.keeps, stock.first.map(|day| day.0))).collect()
        };
        let stocks = kit::usable(&mut tx, study_id, TODAY, 3, &places).await.unwrap();
        let (last, first) = (Some(20_261_120), Some(20_261_121));
        let expected = [(3, true, last), (1, true, first), (0, true, None), (0, false, None)];
        assert_eq!(counted(stocks), expected, "counting stops at three");
        let mut days = kit::first_days(&mut tx, study_id, &["A", "B"], "012", Day(20_261_121)).await.unwrap();
        days.sort_unstable();
        assert_eq!(days, [None, Some(Day(20_270_301))]);
        let stocks = kit::usable(&mut tx, study_id, Day(20_270_301), 3, &places).await.unwrap();
        let expected = [(3, true, Some(20_270_301)), (0, true, None), (0, true, None), (0, false, None)];
        assert_eq!(counted(stocks), expected);
        let mut handed = Vec::new();
        while let Some(next) = kit::next_kit(&mut tx, study_id, "A", "012", TODAY).await.unwrap() {
            kit::record_use(&mut tx, &next, 1 + handed.len() as i64, 1).await.unwrap();
            handed.push(next.code);
        }
        let mut same = ["SOON", "SAME"];
        same.sort_by_key(|code| order().rank(code));
        assert_eq!(handed, ["LAST", same[0], same[1], "LATE"]);
        let gone = kit::find_by_code(&mut tx, study_id, "GONE").await.unwrap().unwrap();
        kit::record_state(&mut tx, &gone, State::Quarantined).await.unwrap();
        assert_eq!(kit::next_kit(&mut tx, study_id, "A", "012", Day(0)).await.unwrap(), None);
        tx.commit().await.unwrap();
        let mut tx = world.store.begin().await.unwrap();
        kit::record_state(&mut tx, &gone, State::Lost).await.ok();
        assert!(tx.commit().await.is_err(), "it is not as it was read");
    }

    async fn a_token_is_used_once(world: &World) {
        let store = &world.store;
        let row = pending::PendingRow {
            token_digest: digest("token"),
            study_id: world.study("aurora").await,
            person: "tanaka".to_owned(),
            inbox_id: None,
            body: "{}".to_owned(),
            created_at: NOW,
            expires_at: later(600),
            used_at: None,
        };
        let mut tx = store.begin().await.unwrap();
        let place = Place { study: row.study_id, column: Column::PendingBody, key: &pending::place(&row.token_digest) };
        let body = Kept::whole(store.ring(), place, false, &row.body).unwrap();
        pending::insert(&mut tx, &row, &body).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(pending::find(store, &row.token_digest).await.unwrap(), Some(row.clone()));
        assert_eq!(pending::find(store, &digest("guess")).await.unwrap(), None);
        for expected in [true, false] {
            let mut tx = store.begin().await.unwrap();
            let done = match pending::record_used(&mut tx, &row.token_digest, later(5)).await {
                Ok(()) => tx.commit().await,
                early => early,
            };
            assert_eq!(done.is_ok(), expected, "{done:?}");
        }
        assert_eq!(pending::find(store, &row.token_digest).await.unwrap().unwrap().used_at, Some(later(5)));
    }

    async fn a_mailbox_has_one_reader(world: &World) {
        let store = &world.store;
        assert!(mailbox::find(store, "reg").await.unwrap().is_none());
        assert_eq!(mailbox::claim(store, "reg", "d1", NOW, LEASE).await.unwrap().unwrap().last_uid, 0);
        assert!(mailbox::claim(store, "reg", "d2", later(LEASE - 1), LEASE).await.unwrap().is_none());
        let mut tx = store.begin().await.unwrap();
        mailbox::save_position(&mut tx, "reg", 77, 1_234).await.unwrap();
        tx.commit().await.unwrap();
        let kept = mailbox::claim(store, "reg", "d1", later(30), LEASE).await.unwrap().unwrap();
        assert_eq!((kept.uid_validity, kept.last_uid, kept.lease_until), (77, 1_234, later(30 + LEASE)));
        assert!(mailbox::claim(store, "reg", "d2", later(30 + LEASE), LEASE).await.unwrap().is_some());
        mailbox::release(store, "reg", "d1").await.unwrap();
        assert_eq!(mailbox::find(store, "reg").await.unwrap().unwrap().lease_owner, "d2");
        mailbox::release(store, "reg", "d2").await.unwrap();
        assert!(mailbox::claim(store, "reg", "d1", later(31 + LEASE), LEASE).await.unwrap().is_some());
    }

    async fn a_host_is_suspended_and_comes_back(world: &World) {
        let store = &world.store;
        assert_eq!(host::record_failure(store, "smtp:25", later(60)).await.unwrap(), 1);
        assert_eq!(host::record_failure(store, "smtp:25", later(120)).await.unwrap(), 2);
        assert_eq!(host::find(store, "smtp:25").await.unwrap().unwrap().suspended_until, later(120));
        host::record_success(store, "smtp:25").await.unwrap();
        assert!(host::find(store, "smtp:25").await.unwrap().is_none());
    }

    async fn a_secret_is_made_once(world: &World) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..6u8 {
            let store = world.store.clone();
            tasks.spawn(async move { secret::secret_or_insert(&store, "mac", &[number; 32]).await.unwrap() });
        }
        let secrets: BTreeSet<Vec<u8>> = tasks.join_all().await.into_iter().collect();
        assert_eq!(secrets.len(), 1);
        assert_eq!(secret::secret_or_insert(&world.store, "mac", b"other").await.unwrap(), *secrets.first().unwrap());
    }

    async fn chains_are_verified_and_tampering_shows(world: &World) {
        let store = &world.store;
        let (one, two) = (world.study("aurora").await, world.study("borealis").await);
        let mut tx = store.begin().await.unwrap();
        for id in [one, two] {
            let mut row = study::lock(&mut tx, id).await.unwrap();
            for number in 0..10 {
                audit::append(&mut tx, &mut row, later(number), "tanaka", "enroll", "{\"名\":1}").await.unwrap();
            }
            study::save_counters(&mut tx, &row).await.unwrap();
        }
        for _ in 0..3 {
            audit::append_own(&mut tx, NOW, "operator:suzuki", "study activate", "{}").await.unwrap();
        }
        tx.commit().await.unwrap();
        let results = async || {
            let reports = audit::verify_all(store).await.unwrap();
            reports
                .into_iter()
                .map(|report| (report.study_id, report.result.map_err(|broken| (broken.seq, broken.why))))
                .collect::<Vec<_>>()
        };
        assert_eq!(results().await, [(INSTALLATION, Ok(3)), (one, Ok(10)), (two, Ok(10))]);
        assert_eq!(audit::list(store, one, 8, 10).await.unwrap().len(), 2);

        world.tamper(&format!("UPDATE audit SET body = '{{}}' WHERE study_id = {one} AND seq = 4")).await;
        world.tamper(&format!("DELETE FROM audit WHERE study_id = {two} AND seq > 8")).await;
        world.tamper("DELETE FROM audit WHERE study_id = 0 AND seq = 2").await;
        let broken = [(INSTALLATION, Err((2, Why::Absent))), (one, Err((4, Why::Changed))), (two, Err((9, Why::Head)))];
        assert_eq!(results().await, broken);
        // A chain whose study is gone is still looked at.
        world.tamper(&format!("UPDATE audit SET study_id = 99 WHERE study_id = {two}")).await;
        assert_eq!(results().await.last().unwrap(), &(99, Err((1, Why::Changed))));
    }

    async fn a_rehearsal_is_purged_and_production_is_not(world: &World) {
        let store = &world.store;
        let id = world.study("aurora").await;
        world.mails(0..2).await;
        let mail = inbox::claim(store, "d1", NOW, LEASE, 1).await.unwrap()[0].id;
        enroll(store, id, mail, "P-001").await.unwrap();
        world.tamper(&format!("UPDATE inbox SET study_id = {id} WHERE id = {mail}")).await;
        world.tamper(&format!("UPDATE outbox SET study_id = {id}")).await;
        let real = world.study_at("aurora", Stage::Production).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        kit::insert_many(&mut tx, id, &order(), &[new_kit(("K1", "A", ""))]).await.unwrap();
        let next = kit::next_kit(&mut tx, id, "A", "", TODAY).await.unwrap().unwrap();
        kit::record_use(&mut tx, &next, 1, 1).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = store.begin().await.unwrap();
        let (secret, digest_of_it) = (StudySecret::new([9; 32]), digest("another secret"));
        let refused = study::purge(&mut tx, real, &secret, &digest_of_it, NOW).await;
        assert!(matches!(refused, Err(StoreError::Missing { .. })));
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        study::purge(&mut tx, id, &secret, &digest_of_it, NOW).await.unwrap();
        tx.commit().await.unwrap();
        let row = study::load(store, id).await.unwrap();
        assert_eq!((row.subjects, row.allocations, row.chain), (0, 0, Head::EMPTY));
        assert_eq!(row.secret, secret, "new numbers come from a new secret");
        assert_eq!(kit::left(store, id).await.unwrap().len(), 0, "those of the bundle are listed anew by the workflow");
        assert_eq!(left_behind(world).await, [0, 0, 0, 0, 1]);
        assert_eq!(inbox::find_raw(store, mail).await.unwrap(), None);
        assert_eq!(inbox::find(store, mail).await.unwrap().unwrap().person, None);
        assert_eq!(world.mails(0..2).await.len(), 0, "a purged mail is not taken in again");
        assert_eq!(world.number("SELECT count(*) FROM inbox_raw").await, 1, "other mails keep their bytes");
        // The same message acts anew.
        let mail = inbox::claim(store, "d1", NOW, LEASE, 1).await.unwrap()[0].id;
        assert_eq!(enroll(store, id, mail, "P-001").await.unwrap(), 1);
    }

    async fn a_dropped_transaction_leaves_nothing(world: &World) {
        let store = &world.store;
        let id = world.study("aurora").await;
        let mut tx = store.begin().await.unwrap();
        study::set_state(&mut tx, id, StudyState::Closed, NOW).await.unwrap();
        assert_eq!(study::load(&mut tx, id).await.unwrap().state, StudyState::Closed);
        drop(tx);
        assert_eq!(study::load(store, id).await.unwrap().state, StudyState::Open);
        let mut tx = store.begin().await.unwrap();
        study::lock(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn a_failed_transaction_does_nothing_more(world: &World) {
        let store = &world.store;
        let id = world.study("aurora").await;
        let mut tx = store.begin().await.unwrap();
        subject::insert(&mut tx, &new_subject(id, 1, "P")).await.unwrap();
        // Rows are written together, before the next look at the database at the latest.
        subject::insert(&mut tx, &new_subject(id, 1, "Q")).await.unwrap();
        assert!(matches!(study::lock(&mut tx, id).await, Err(StoreError::Conflict { .. })));
        assert!(matches!(study::lock(&mut tx, id).await, Err(StoreError::Abandoned)));
        assert!(matches!(tx.commit().await, Err(StoreError::Abandoned)));
        assert_eq!(left_behind(world).await, [0; 5]);
        // A study that does not exist is refused by its foreign key.
        let mut tx = store.begin().await.unwrap();
        let orphan = match subject::insert(&mut tx, &new_subject(99, 1, "P")).await {
            Ok(_) => tx.commit().await,
            Err(error) => Err(error),
        };
        assert!(matches!(orphan, Err(StoreError::Other { .. })), "{orphan:?}");
    }

    async fn a_cancelled_transaction_leaves_nothing_and_frees_the_writer(world: &World) {
        let id = world.study("aurora").await;
        let mail = world.mails(0..1).await[0];
        inbox::claim(&world.store, "d1", NOW, LEASE, 1).await.unwrap();
        for micros in (0..3_000).step_by(150) {
            let enrolling = enroll(&world.store, id, mail, "P-001");
            if tokio::time::timeout(std::time::Duration::from_micros(micros), enrolling).await.is_ok() {
                break;
            }
            // A commit that was under way may still come through: whoever has the lock next sees the end of it.
            let mut tx = world.store.begin().await.unwrap();
            study::lock(&mut tx, id).await.unwrap();
            drop(tx);
            let seen = left_behind(world).await;
            assert!(seen == [0; 5] || seen == [1, 1, 1, 2, 1], "half an enrollment: {seen:?}");
            if seen[0] == 1 {
                return;
            }
        }
    }

    async fn every_step_can_fail_and_nothing_is_half_done(world: &World) {
        let id = world.study("aurora").await;
        let mail = world.mails(0..1).await[0];
        inbox::claim(&world.store, "d1", NOW, LEASE, 1).await.unwrap();
        let mut n = 1;
        loop {
            let fuse = Fuse::refuse(n);
            let done = enroll(&world.store.with_fuse(fuse.clone()), id, mail, "P-001").await;
            if !fuse.struck() {
                assert_eq!(done.unwrap(), 1);
                break;
            }
            assert!(matches!(done, Err(StoreError::Struck(step)) if step == n), "{done:?}");
            assert!(done.unwrap_err().is_transient());
            assert_eq!(left_behind(world).await, [0; 5], "after step {n}");
            n += 1;
        }
        assert_eq!(n, 14, "begin, twelve statements, commit: the same on both engines");
        assert_eq!(left_behind(world).await, [1, 1, 1, 2, 1]);
        assert_eq!(audit::verify(&world.store, id).await.unwrap().result, Ok(1));
    }

    async fn a_commit_can_be_lost_or_hidden(world: &World) {
        let id = world.study("aurora").await;
        world.mails(0..2).await;
        let mails = inbox::claim(&world.store, "d1", NOW, LEASE, 2).await.unwrap();
        let fuse = Fuse::lose_commit(1);
        assert!(enroll(&world.store.with_fuse(fuse.clone()), id, mails[0].id, "P-001").await.is_err());
        assert!(fuse.struck());
        assert_eq!(left_behind(world).await, [0; 5]);
        let fuse = Fuse::hide_commit(1);
        assert!(enroll(&world.store.with_fuse(fuse.clone()), id, mails[0].id, "P-001").await.is_err());
        assert!(fuse.struck());
        assert_eq!(left_behind(world).await, [1, 1, 1, 2, 1]);
        // A claim is a commit of its own: hidden, the mail stays claimed until the lease runs out.
        world.mails(2..3).await;
        let store = world.store.with_fuse(Fuse::hide_commit(1));
        assert!(inbox::claim(&store, "d1", NOW, LEASE, 1).await.is_err());
        assert!(inbox::claim(&store, "d1", NOW, LEASE, 1).await.unwrap().is_empty());
        assert_eq!(inbox::claim(&store, "d1", later(LEASE), LEASE, 1).await.unwrap()[0].tries, 2);
    }

    async fn a_run_can_be_killed_after_every_step(world: &World) {
        let id = world.study("aurora").await;
        let mail = world.mails(0..1).await[0];
        inbox::claim(&world.store, "d1", NOW, LEASE, 1).await.unwrap();
        for n in 1.. {
            let fuse = Fuse::freeze(n);
            let store = world.store.with_fuse(fuse.clone());
            tokio::select! {
                done = enroll(&store, id, mail, "P-001") => panic!("step {n} was never reached: {done:?}"),
                () = fuse.frozen() => {}
            }
            // Whatever was on its way when the process died is undone, or all of it is there.
            let seen = left_behind(world).await;
            if fuse.commits() == 1 {
                assert_eq!(seen, [1, 1, 1, 2, 1]);
                break;
            }
            assert_eq!(seen, [0; 5], "after step {n}");
        }
        let mut tx = world.store.begin().await.unwrap();
        assert_eq!(study::lock(&mut tx, id).await.unwrap().subjects, 1);
    }

    async fn a_broken_connection_is_told_and_mends_itself(world: &World) {
        if world.store.engine() == Engine::Sqlite {
            return;
        }
        let id = world.study("aurora").await;
        let mut tx = world.store.begin().await.unwrap();
        study::lock(&mut tx, id).await.unwrap();
        world
            .tamper("SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()")
            .await;
        let broken = study::lock(&mut tx, id).await.unwrap_err();
        assert!(matches!(broken, StoreError::Disconnected(_)), "{broken:?}");
        assert!(broken.is_transient());
        drop(tx);
        let mut tries = 0;
        while study::load(&world.store, id).await.is_err() {
            tries += 1;
            assert!(tries < 20, "the pool does not mend itself");
        }
    }

    async fn two_daemons_share_one_database(world: &World) {
        let other = Store::open(&world.url).await.unwrap();
        let id = world.study("aurora").await;
        world.mails(0..40).await;
        let mut tasks = tokio::task::JoinSet::new();
        for store in [world.store.clone(), other.clone()] {
            tasks.spawn(async move {
                loop {
                    let claimed = inbox::claim(&store, "d1", NOW, LEASE, 3).await.unwrap();
                    if claimed.is_empty() {
                        break;
                    }
                    for mail in claimed {
                        enroll(&store, id, mail.id, &format!("P-{}", mail.id)).await.unwrap();
                    }
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(left_behind(world).await, [40, 40, 40, 80, 40]);
        assert_eq!(audit::verify(&other, id).await.unwrap().result, Ok(40));
        let numbers: Vec<i64> =
            allocation::journal(&other, id, 0).await.unwrap().iter().map(|row| row.number).collect();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
        other.close().await;
    }
}
