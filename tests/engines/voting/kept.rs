//! What the store keeps of an election, on both engines.

use hagaki::domain::seal::KeyRing;
use hagaki::store::election::{self, StepRow};
use hagaki::store::voter::{VotedRow, VoterRow};

use super::*;
use crate::world::{NOW, World, on_both};

fn voter_row(study_id: i64, at: usize) -> VoterRow {
    VoterRow { id: page(at), study_id, entry: entry(at) }
}

async fn on_the_roll(world: &World, many: usize) -> i64 {
    let study_id = world.study("council").await;
    let rows: Vec<VoterRow> = (0..many).map(|at| voter_row(study_id, at)).collect();
    let mut tx = world.store.begin().await.unwrap();
    voter::insert(&mut tx, &rows).await.unwrap();
    tx.commit().await.unwrap();
    study_id
}

on_both! {
    async fn a_voter_comes_back_and_is_sealed(world: &World) {
        let study_id = on_the_roll(world, 70).await;
        let own = voter::find_by_number(&world.store, study_id, &number(7)).await.unwrap().unwrap();
        assert_eq!(own, voter_row(study_id, 7));
        let plain = "SELECT count(*) FROM voter WHERE CAST(name AS TEXT) LIKE '%Member%' OR CAST(address AS TEXT) LIKE '%example%'";
        assert_eq!(world.number(plain).await, 0);
        let (mut all, mut after) = (Vec::new(), Mark([0; 16]));
        loop {
            let some = voter::list(&world.store, study_id, &after, 30).await.unwrap();
            let Some(last) = some.last() else { break };
            after = last.id;
            all.extend(some);
        }
        assert_eq!((all.len(), all.iter().all(|row| all.iter().filter(|other| other.id == row.id).count() == 1)), (70, true));

        // Without the key nobody is read, and nobody is taken for somebody else.
        let other = world.store.clone().with_ring(KeyRing::parse(&format!("{}a", "b".repeat(51))).unwrap());
        let lost = voter::find_by_number(&other, study_id, &number(7)).await.unwrap_err();
        assert!(matches!(lost, StoreError::Unopened { .. }) && lost.waits_for_key(), "{lost}");
        let mut tx = world.store.clone().with_ring(KeyRing::default()).begin().await.unwrap();
        assert!(matches!(voter::insert(&mut tx, &[voter_row(study_id, 99)]).await, Err(StoreError::NoKey(_))));
    }

    async fn a_number_stands_on_the_roll_once(world: &World) {
        let study_id = on_the_roll(world, 2).await;
        let mut tx = world.store.begin().await.unwrap();
        let again = VoterRow { id: page(50), ..voter_row(study_id, 1) };
        let stored = match voter::insert(&mut tx, &[again]).await {
            Ok(()) => tx.commit().await,
            failed => failed,
        };
        assert!(matches!(stored, Err(StoreError::Conflict { .. })), "{stored:?}");

        let mut row = voter_row(study_id, 1);
        (row.entry.name, row.entry.postal) = ("Another".to_owned(), true);
        let mut tx = world.store.begin().await.unwrap();
        voter::correct(&mut tx, &row).await.unwrap();
        voter::delete(&mut tx, &page(0)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(voter::list(&world.store, study_id, &Mark([0; 16]), 9).await.unwrap(), [row]);
        let turnout = voter::turnout(&world.store, study_id).await.unwrap();
        assert_eq!((turnout.voters, turnout.postal, turnout.voted, turnout.left), (1, 1, 0, 0));
    }

    async fn a_voter_votes_once(world: &World) {
        let study_id = on_the_roll(world, 3).await;
        let vote = |receipt: &str| VotedRow { submission: page(9), receipt: receipt.to_owned(), day: "2027-01-12".to_owned() };
        let mut tx = world.store.begin().await.unwrap();
        assert!(voter::record_vote(&mut tx, &page(1), &vote("AAAA-BBBB-CCCC")).await.unwrap());
        assert!(!voter::record_vote(&mut tx, &page(1), &vote("DDDD-EEEE-FFFF")).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(voter::find_vote(&world.store, &page(1)).await.unwrap(), Some(vote("AAAA-BBBB-CCCC")));
        assert_eq!(voter::find_vote(&world.store, &page(2)).await.unwrap(), None);
        assert_eq!(voter::who_voted(&world.store, study_id).await.unwrap(), [page(1)]);
        assert_eq!(voter::receipts(&world.store, study_id).await.unwrap(), ["AAAA-BBBB-CCCC"]);
        let turnout = voter::turnout(&world.store, study_id).await.unwrap();
        assert_eq!((turnout.voters, turnout.postal, turnout.voted, turnout.left), (3, 0, 1, 2));
    }

    async fn a_step_that_was_taken_stays(world: &World) {
        let study_id = world.study("council").await;
        let row = StepRow { step: Step::Open, about: Some([7; 32]), first_by: CHAIR.to_owned(), first_at: NOW, second: None };
        // Each act is a transaction of its own, and its error may come with the commit.
        let ask = async |row: &StepRow| {
            let mut tx = world.store.begin().await.unwrap();
            election::ask(&mut tx, study_id, row).await?;
            tx.commit().await
        };
        let confirm = async |by: &str| {
            let mut tx = world.store.begin().await.unwrap();
            election::confirm(&mut tx, study_id, Step::Open, by, NOW).await?;
            tx.commit().await
        };
        assert!(matches!(confirm(SCRUTINEER).await, Err(StoreError::Missing { .. })));
        ask(&row).await.unwrap();
        assert!(confirm(CHAIR).await.is_err(), "one person alone");
        ask(&StepRow { first_by: SCRUTINEER.to_owned(), ..row.clone() }).await.unwrap();
        ask(&row).await.unwrap();
        confirm(SCRUTINEER).await.unwrap();
        assert!(matches!(ask(&row).await, Err(StoreError::Missing { .. })));
        assert!(matches!(confirm(SCRUTINEER).await, Err(StoreError::Missing { .. })));
        let steps = election::steps(&world.store, study_id).await.unwrap();
        assert_eq!(steps, [StepRow { second: Some((SCRUTINEER.to_owned(), NOW)), ..row }]);
        assert_eq!(election::taken(&steps).into_iter().collect::<Vec<Step>>(), [Step::Open]);
    }

    async fn the_table_of_ballots_is_kept_once_and_sealed(world: &World) {
        let study_id = world.study("council").await;
        let keep = async |table: &str| {
            let mut tx = world.store.begin().await.unwrap();
            election::keep_ballots(&mut tx, study_id, table).await?;
            tx.commit().await
        };
        assert_eq!(election::ballots(&world.store, study_id).await.unwrap(), None);
        keep("contest,votes\nc,a\n").await.unwrap();
        assert!(matches!(keep("contest,votes\nc,b\n").await, Err(StoreError::Conflict { .. })));
        assert_eq!(election::ballots(&world.store, study_id).await.unwrap().as_deref(), Some("contest,votes\nc,a\n"));
        assert_eq!(world.number("SELECT count(*) FROM opened_ballots WHERE CAST(sealed AS TEXT) LIKE '%contest%'").await, 0);
    }
}
