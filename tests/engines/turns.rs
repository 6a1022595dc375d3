//! Letters of mailings are claimed by study in turn, beside everything else, and put off without being tried.

use std::collections::{BTreeMap, BTreeSet};

use hagaki::domain::time::Instant;
use hagaki::domain::urgency::Urgency;
use hagaki::store::outbox::{self, NewLetter, State, THROTTLED, Turn};
use hagaki::store::{Engine, Store, throttle};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

use crate::world::{NOW, World, letter, on_both};

const LEASE: i64 = 60;

fn later(seconds: i64) -> Instant {
    NOW.plus_seconds(seconds)
}

/// So many letters of a mailing of that study.
async fn mailing(store: &Store, study: Option<i64>, many: usize) -> Vec<i64> {
    let names: Vec<String> = (0..many).map(|n| format!("<{}.{n}@example.jp>", study.unwrap_or_default())).collect();
    let new: Vec<NewLetter<'_>> = names
        .iter()
        .map(|name| NewLetter {
            study_id: study,
            priority: Urgency::Mass.number(),
            kind: "reminder",
            ..letter(name, "mass")
        })
        .collect();
    let mut tx = store.begin().await.unwrap();
    let ids = outbox::insert_many(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    ids
}

async fn claim(store: &Store, owner: &str, study: i64, limit: i64, now: Instant) -> Vec<i64> {
    let turn = Turn { mailbox: "reg", study, limit };
    let claimed = outbox::claim_mass(store, turn, owner, now, LEASE).await.unwrap();
    assert!(claimed.iter().all(|letter| letter.attempts == 1 && letter.raw.is_ok()));
    claimed.into_iter().map(|letter| letter.id).collect()
}

/// Whatever was claimed before, and is nobody's any more.
async fn claim_again(store: &Store, owner: &str, now: Instant) -> Vec<i64> {
    let turn = Turn { mailbox: "reg", study: 5, limit: 9 };
    let claimed = outbox::claim_mass(store, turn, owner, now, LEASE).await.unwrap();
    claimed.into_iter().map(|letter| letter.id).collect()
}

async fn turns(store: &Store, now: Instant) -> Vec<i64> {
    outbox::turns(store, "reg", now).await.unwrap()
}

on_both! {
    async fn mailings_stand_beside_what_is_urgent(world: &World) {
        let store = &world.store;
        let large = mailing(store, Some(5), 40).await;
        let small = mailing(store, Some(9), 3).await;
        let nobodys = mailing(store, None, 2).await;
        assert_eq!(turns(store, later(-1)).await, [0_i64; 0], "none is due yet");
        assert_eq!(turns(store, NOW).await, [0, 5, 9]);
        // Written last, and first all the same: what is no mailing is found without looking at one.
        let urgent = world.letters(0..2).await;
        let claimed = outbox::claim(store, "reg", "d1", NOW, LEASE, 500).await.unwrap();
        assert_eq!(claimed.iter().map(|letter| letter.id).collect::<Vec<_>>(), urgent);
        assert_eq!(outbox::waiting_count(store).await.unwrap(), 47);
        let waiting = outbox::list(store, outbox::Which::State(State::Waiting), None, 100).await.unwrap();
        assert!(waiting.len() == 47 && waiting.is_sorted_by(|a, b| a.id > b.id));

        assert_eq!(claim(store, "d1", 5, 10, NOW).await, large[..10]);
        assert_eq!(claim(store, "d2", 5, 100, NOW).await, large[10..], "another daemon gets the others");
        assert_eq!(claim(store, "d2", 9, 2, NOW).await, small[..2]);
        assert_eq!(turns(store, NOW).await, [0, 9], "what is claimed has no turn");
        assert_eq!(claim(store, "d2", 0, 100, NOW).await, nobodys);
        let other = Turn { mailbox: "other", study: 9, limit: 9 };
        assert!(outbox::claim_mass(store, other, "d1", NOW, LEASE).await.unwrap().is_empty());
        let mut tx = store.begin().await.unwrap();
        outbox::give_back(&mut tx, "d1", &large[..10]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(turns(store, NOW).await, [5, 9]);
        assert_eq!(claim(store, "d2", 5, 100, NOW).await, large[..10]);
        // Whoever claimed the others is gone: nothing is lost.
        outbox::free_all(store).await.unwrap();
        assert_eq!(turns(store, NOW).await, [0, 5, 9]);
    }

    async fn claimers_of_a_mailing_get_disjoint_letters(world: &World) {
        let all: BTreeSet<i64> = mailing(&world.store, Some(5), 200).await.into_iter().collect();
        let mut tasks = tokio::task::JoinSet::new();
        for claimer in 0..4 {
            let store = world.store.clone();
            tasks.spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = claim(&store, &format!("d{claimer}"), 5, 7, NOW).await;
                    if claimed.is_empty() {
                        return mine;
                    }
                    mine.extend(claimed);
                }
            });
        }
        let mut claimed: Vec<i64> = tasks.join_all().await.concat();
        // A claimer may find rows locked that then go free; what is left over is due again at once.
        claimed.extend(claim(&world.store, "last", 5, 200, NOW).await);
        assert_eq!(claimed.len(), 200);
        assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), all);
    }

    async fn what_is_put_off_was_not_tried(world: &World) {
        let store = &world.store;
        let ids = mailing(store, Some(5), 3).await;
        assert_eq!(claim(store, "d1", 5, 9, NOW).await, ids);
        let mut tx = store.begin().await.unwrap();
        // Not the second daemon's to put off.
        outbox::put_off(&mut tx, "d2", &[(ids[0], later(5))]).await.unwrap();
        outbox::put_off(&mut tx, "d1", &[(ids[1], later(90)), (ids[2], later(30))]).await.unwrap();
        tx.commit().await.unwrap();
        assert!(turns(store, later(29)).await.is_empty());
        let waiting = outbox::waiting_mass(store, "reg", NOW).await.unwrap();
        assert_eq!((waiting.all, waiting.throttled), (3, 2));
        let row = outbox::find(store, ids[1]).await.unwrap().unwrap();
        assert_eq!((row.state, row.attempts, row.verdict_text.as_deref()), (State::Waiting, 0, Some(THROTTLED)));
        assert!(outbox::list_attempts(store, ids[1]).await.unwrap().is_empty());
        assert_eq!(claim(store, "d1", 5, 9, later(30)).await, [ids[2]], "it is its first attempt");
        let waiting = outbox::waiting_mass(store, "reg", later(90)).await.unwrap();
        assert_eq!((waiting.all, waiting.throttled), (3, 0), "whose time has come waits for nothing");
    }

    async fn what_a_person_asks_for_leaves_its_mailing(world: &World) {
        let store = &world.store;
        let ids = mailing(store, Some(5), 3).await;
        let mut tx = store.begin().await.unwrap();
        assert!(outbox::retry(&mut tx, ids[2], NOW).await.unwrap());
        tx.commit().await.unwrap();
        let claimed = outbox::claim(store, "reg", "d1", NOW, LEASE, 9).await.unwrap();
        assert_eq!(claimed.iter().map(|letter| (letter.id, letter.priority)).collect::<Vec<_>>(), [(ids[2], 1)]);
        assert_eq!(claim(store, "d1", 5, 9, NOW).await, ids[..2]);
        let mut tx = store.begin().await.unwrap();
        let again = outbox::resend(&mut tx, ids[0], "<again@example.jp>", NOW, <[u8]>::to_vec).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let claimed = outbox::claim(store, "reg", "d1", NOW, LEASE, 9).await.unwrap();
        assert_eq!(claimed.iter().map(|letter| (letter.id, letter.priority)).collect::<Vec<_>>(), [(again, 1)]);
    }

    async fn what_is_under_way_is_left_to_whoever_has_it(world: &World) {
        let store = &world.store;
        let ids = mailing(store, Some(5), 2).await;
        assert_eq!(claim(store, "d1", 5, 9, NOW).await, ids);
        let mut tx = store.begin().await.unwrap();
        for id in &ids {
            assert!(outbox::retry(&mut tx, *id, later(1)).await.unwrap());
        }
        tx.commit().await.unwrap();
        assert!(outbox::claim(store, "reg", "d2", later(1), LEASE, 9).await.unwrap().is_empty(), "it would leave twice");
        let mut tx = store.begin().await.unwrap();
        outbox::give_back(&mut tx, "d1", &ids[..1]).await.unwrap();
        tx.commit().await.unwrap();
        let claimed = outbox::claim(store, "reg", "d2", later(1), LEASE, 9).await.unwrap();
        assert_eq!(claimed.iter().map(|letter| (letter.id, letter.attempts)).collect::<Vec<_>>(), [(ids[0], 1)]);
        let claimed = outbox::claim(store, "reg", "d2", later(LEASE), LEASE, 9).await.unwrap();
        let free: Vec<_> = claimed.iter().map(|letter| (letter.id, letter.attempts)).collect();
        assert_eq!(free, [(ids[1], 2)], "d1 is gone");
    }

    async fn who_holds_a_letter_that_is_under_way_does_not_have_it_sent_twice(world: &World) {
        let store = &world.store;
        let ids = mailing(store, Some(5), 5).await;
        assert_eq!(claim(store, "d1", 5, 9, NOW).await, ids);
        let mut tx = store.begin().await.unwrap();
        for id in &ids {
            assert!(outbox::hold(&mut tx, *id).await.unwrap());
            assert!(!outbox::put_aside(&mut tx, *id, later(1)).await.unwrap(), "it may have left");
        }
        assert!(outbox::release(&mut tx, ids[0], later(1)).await.unwrap());
        tx.commit().await.unwrap();
        assert!(claim_again(store, "d2", later(1)).await.is_empty(), "it would leave twice");
        // Whoever has them says what became of them, and keeps those that take long.
        outbox::renew(store, "d1", &ids[..2], later(2 * LEASE)).await.unwrap();
        let said = |code, text| outbox::Verdict { code, text };
        let mut tx = store.begin().await.unwrap();
        outbox::record_retry(&mut tx, ids[2], "d1", later(2), later(9), said(451, "4.2.1 later")).await.unwrap();
        outbox::record_failed(&mut tx, ids[3], "d1", later(2), said(550, "5.1.1 never")).await.unwrap();
        outbox::give_back(&mut tx, "d1", &ids[4..]).await.unwrap();
        tx.commit().await.unwrap();
        let mut states = Vec::new();
        for id in &ids {
            let row = outbox::find(store, *id).await.unwrap().unwrap();
            states.push((row.state, row.attempts, row.lease_until.0 > 0));
        }
        assert_eq!(states, [
            (State::Waiting, 1, true),
            (State::Held, 1, true),
            (State::Held, 1, false),
            (State::Failed, 1, false),
            (State::Held, 0, false),
        ]);
        let mut tx = store.begin().await.unwrap();
        outbox::record_sent_many(&mut tx, later(3), &[(ids[1], said(250, "ok"))]).await.unwrap();
        for id in [ids[2], ids[4]] {
            assert!(outbox::release(&mut tx, id, later(3)).await.unwrap());
        }
        tx.commit().await.unwrap();
        assert_eq!(claim_again(store, "d2", later(3)).await, [ids[2], ids[4]]);
        assert_eq!(claim_again(store, "d3", later(2 * LEASE)).await, [ids[0], ids[2], ids[4]], "d1 is gone");
        let mut tx = store.begin().await.unwrap();
        assert!(outbox::hold(&mut tx, ids[0]).await.unwrap());
        tx.commit().await.unwrap();
        outbox::free_all(store).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        assert!(outbox::put_aside(&mut tx, ids[0], later(2 * LEASE)).await.unwrap(), "nobody has it");
        tx.commit().await.unwrap();
    }

    async fn what_takes_long_stays_with_whoever_has_it(world: &World) {
        let store = &world.store;
        let ids = mailing(store, Some(5), 3).await;
        assert_eq!(claim(store, "d1", 5, 2, NOW).await, ids[..2]);
        assert_eq!(claim(store, "d2", 5, 1, NOW).await, ids[2..]);
        // Of what another has claimed nothing changes.
        outbox::renew(store, "d1", &ids[1..], later(2 * LEASE)).await.unwrap();
        assert_eq!(claim_again(store, "d3", later(LEASE)).await, [ids[0], ids[2]]);
        assert_eq!(claim_again(store, "d3", later(2 * LEASE)).await, ids);
    }

    async fn what_was_used_is_shared_and_forgotten(world: &World) {
        let store = &world.store;
        let mut tx = store.begin().await.unwrap();
        assert_eq!(throttle::lock(&mut tx, "reg", NOW).await.unwrap(), BTreeMap::from([(String::new(), NOW)]));
        let used = [("", later(4)), ("docomo.ne.jp", later(9)), ("example.jp", later(2))];
        throttle::save(&mut tx, "reg", NOW, &used).await.unwrap();
        tx.commit().await.unwrap();
        let kept: BTreeMap<String, Instant> = used.iter().map(|(domain, until)| ((*domain).to_owned(), *until)).collect();
        assert_eq!(throttle::list(store, "reg").await.unwrap(), kept);
        assert!(throttle::list(store, "other").await.unwrap().is_empty());
        let mut tx = store.begin().await.unwrap();
        assert_eq!(throttle::lock(&mut tx, "reg", later(3)).await.unwrap(), kept, "looking changes nothing");
        throttle::save(&mut tx, "reg", later(3), &[("", later(5))]).await.unwrap();
        tx.commit().await.unwrap();
        let kept: Vec<(String, Instant)> = throttle::list(store, "reg").await.unwrap().into_iter().collect();
        assert_eq!(kept, [(String::new(), later(5)), ("docomo.ne.jp".to_owned(), later(9))]);
    }

    async fn a_kind_is_counted_in_each_state(world: &World) {
        let store = &world.store;
        let ids = mailing(store, Some(5), 4).await;
        mailing(store, Some(9), 2).await;
        let mut tx = store.begin().await.unwrap();
        assert!(outbox::hold(&mut tx, ids[0]).await.unwrap());
        tx.commit().await.unwrap();
        let counted = outbox::progress(store, 5).await.unwrap();
        assert_eq!(counted, [("reminder".to_owned(), State::Held, 1), ("reminder".to_owned(), State::Waiting, 3)]);
    }

    async fn a_turn_is_found_by_an_index_however_much_waits(world: &World) {
        world
            .tamper(&format!(
                "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000) \
                 INSERT INTO outbox (message_id, mailbox, study_id, kind, recipient, priority, next_attempt_at, created_at) \
                 SELECT '<' || n || '@example.jp>', 'reg', 5 + n % 2, 'reminder', 'p@example.jp', 3, {0}, {0} FROM n",
                NOW.0
            ))
            .await;
        assert_eq!(turns(&world.store, NOW).await, [5, 6]);
        let claimed = "SELECT id FROM outbox WHERE mailbox = 'reg' AND state = 'waiting' AND next_attempt_at <= 1795000000000000 \
                       AND lease_until <= 1795000000000000";
        let next = "SELECT COALESCE(study_id, 0) FROM outbox WHERE mailbox = 'reg' AND state = 'waiting' AND priority >= 3 \
                    AND COALESCE(study_id, 0) > 5 ORDER BY COALESCE(study_id, 0) LIMIT 1";
        for (sql, index) in [
            (format!("{claimed} AND priority < 3 ORDER BY priority, next_attempt_at, id LIMIT 9"), "outbox_waiting"),
            (
                format!("{claimed} AND priority >= 3 AND COALESCE(study_id, 0) = 6 ORDER BY next_attempt_at, id LIMIT 9"),
                "outbox_mass",
            ),
            (next.to_owned(), "outbox_mass"),
        ] {
            let plan = plan(world, &sql).await;
            assert!(plan.contains(index), "{sql}: {plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort"), "the index is in order: {sql}: {plan}");
        }
    }
}

/// How the engine would find the rows of a statement.
async fn plan(world: &World, sql: &str) -> String {
    match world.store.engine() {
        Engine::Sqlite => {
            let mut outside = SqliteConnection::connect(&world.url).await.unwrap();
            let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(sql).fetch_all(&mut outside).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>("detail") + "\n").collect()
        }
        Engine::Postgres => {
            let mut outside = PgConnection::connect(&world.url).await.unwrap();
            sqlx::raw_sql("ANALYZE outbox").execute(&mut outside).await.unwrap();
            let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN {sql}"))).fetch_all(&mut outside).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
        }
    }
}
