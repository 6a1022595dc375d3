//! Votes at the same moment: of one voter from several sides, beside the end of voting, beside a change of the roll. Each side has a store of
//! its own, as another daemon has.

use std::collections::BTreeMap;

use hagaki::store::Engine;
use hagaki::workflow::election::cast::Barred;
use tokio::task::JoinHandle;

use super::*;
use crate::world::{World, ring};

/// How many vote.
const VOTERS: usize = 24;
/// From how many sides each of them does.
const SIDES: usize = 4;

/// Another daemon's store on the same database.
async fn another(center: &Center) -> Store {
    Store::open(&center.world.url).await.unwrap().with_ring(ring())
}

fn casting(booth: &Booth, credential: Mark, mark: Mark, own: Vec<(String, Choice)>) -> JoinHandle<Outcome> {
    let booth = booth.clone();
    tokio::spawn(async move { busily(&booth, credential, mark, &own).await })
}

/// Casts a vote, however often the database is busy.
async fn busily(booth: &Booth, credential: Mark, mark: Mark, own: &[(String, Choice)]) -> Outcome {
    for _ in 0..100 {
        match booth.cast(credential, mark, own).await {
            Ok(outcome) => return outcome,
            Err(Failure::Store(error)) if error.is_transient() => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the database is busy for ever");
}

/// Ballots in a table of the contest in which everybody writes a name of their own, by name.
fn written(table: &str) -> BTreeMap<String, u64> {
    let own = table.lines().filter(|line| line.starts_with("auditor,"));
    let cells = own.map(|line| line.split(',').collect::<Vec<&str>>());
    cells.map(|cells| (cells[4].to_owned(), cells[6].parse().unwrap())).collect()
}

async fn election(engine: Engine, voters: usize) -> Option<(Center, Booth, Vec<Mark>)> {
    let center = Center::open(World::open(engine).await?).await;
    opened(&center, voters).await;
    let booth = Booth::of(&center);
    let mut credentials = Vec::new();
    for at in 0..voters {
        credentials.push(booth.credential(&number(at)).await);
    }
    Some((center, booth, credentials))
}

async fn count_up(mut center: Center, papers: usize) -> BTreeMap<String, u64> {
    let booth = Booth::of(&center).at(CLOSES);
    let voted = center.world.number("SELECT count(*) FROM voted").await;
    assert_eq!((voted, center.world.number("SELECT count(*) FROM urn").await), (papers as i64, papers as i64));
    booth.both(Step::Close).await;
    let table = booth.package().await.unwrap().ballots;
    // Letters with newer links leave.
    center.quiet().await;
    center.finish().await;
    written(&table)
}

async fn from_several_sides(engine: Engine) {
    let Some((center, booth, credentials)) = election(engine, VOTERS).await else { return };
    let other = Booth::on(&center, &another(&center).await);
    let mut tasks = Vec::new();
    for (at, credential) in credentials.iter().enumerate() {
        for side in 0..SIDES {
            let own = choices(at, &format!("Name {at} of {side}"));
            let booth = if side.is_multiple_of(2) { &booth } else { &other };
            tasks.push((at, side, casting(booth, *credential, page(at * SIDES + side), own)));
        }
    }
    let mut cast: BTreeMap<usize, (usize, String)> = BTreeMap::new();
    let mut others = Vec::new();
    for (at, side, task) in tasks {
        match task.await.unwrap() {
            Outcome::Cast(receipt) => assert!(cast.insert(at, (side, receipt)).is_none(), "{at} has voted twice"),
            Outcome::Before(receipt) => others.push((at, receipt)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((cast.len(), others.len()), (VOTERS, VOTERS * (SIDES - 1)));
    assert!(others.iter().all(|(at, receipt)| cast[at].1 == *receipt));
    let expected: BTreeMap<String, u64> =
        cast.iter().map(|(at, (side, _))| (format!("Name {at} of {side}"), 1)).collect();
    assert_eq!(count_up(center, VOTERS).await, expected);
}

/// Votes of the last moment beside the opening of the urn: each is in it or was not taken.
async fn beside_the_end(engine: Engine) {
    let Some((center, booth, credentials)) = election(engine, VOTERS).await else { return };
    let committee = Booth::on(&center, &another(&center).await).at(CLOSES);
    committee.take(Step::Close, CHAIR).await.unwrap();
    let mut tasks = Vec::new();
    let mut closing = None;
    for (at, credential) in credentials.iter().enumerate() {
        tasks.push((at, casting(&booth, *credential, page(at), choices(at, &format!("Name {at}")))));
        if at == VOTERS / 2 {
            let committee = committee.clone();
            closing = Some(tokio::spawn(async move {
                for _ in 0..100 {
                    match committee.take(Step::Close, SCRUTINEER).await {
                        Ok(done) => return done,
                        Err(ElectionError::Failed(Failure::Store(error))) if error.is_transient() => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                panic!("the database is busy for ever");
            }));
        }
    }
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for (at, task) in tasks {
        match task.await.unwrap() {
            Outcome::Cast(_) => {
                expected.insert(format!("Name {at}"), 1);
            }
            Outcome::Barred(Barred::Phase(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    let Taken::Done { opened: Some(out), .. } = closing.unwrap().await.unwrap() else { panic!() };
    assert_eq!(out.papers, expected.len() as u64);
    let table = committee.package().await.unwrap().ballots;
    assert_eq!(written(&table), expected);
    assert_eq!(center.world.number("SELECT count(*) FROM voted").await, expected.len() as i64);
    assert_eq!(center.world.number("SELECT count(*) FROM urn").await, 0);
    center.finish().await;
}

/// Somebody votes while they are let vote by post, taken off the roll, or given another credential: one of the two is refused.
async fn beside_a_change(engine: Engine) {
    let Some((center, booth, credentials)) = election(engine, VOTERS).await else { return };
    let office = Booth::on(&center, &another(&center).await);
    let mut tasks = Vec::new();
    for (at, credential) in credentials.iter().enumerate() {
        let office = office.clone();
        let changing = tokio::spawn(async move {
            let own = number(at);
            for _ in 0..100 {
                let done = match at % 3 {
                    0 => office.change(Change::Postal(&own, true), "asked for paper").await.map(drop),
                    1 => office.change(Change::Remove(&own), "resigned").await.map(drop),
                    _ => office.reissue(&own).await.map(drop),
                };
                match done {
                    Err(ElectionError::Failed(Failure::Store(error))) if error.is_transient() => {}
                    done => return done,
                }
            }
            panic!("the database is busy for ever");
        });
        tasks.push((at, casting(&booth, *credential, page(at), choices(at, &format!("Name {at}"))), changing));
    }
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for (at, casting, changing) in tasks {
        match (casting.await.unwrap(), changing.await.unwrap()) {
            (Outcome::Cast(_), Err(ElectionError::Refused(Refusal::Voted(_)))) => {
                expected.insert(format!("Name {at}"), 1);
            }
            (Outcome::Barred(Barred::Postal | Barred::Revoked), Ok(())) => {}
            other => panic!("{at}: {other:?}"),
        }
    }
    assert_eq!(count_up(center, expected.len()).await, expected);
}

macro_rules! races {
    ($($name:ident)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn sqlite() {
                tell_together(|| super::$name(Engine::Sqlite));
            }

            #[test]
            fn postgres() {
                tell_together(|| super::$name(Engine::Postgres));
            }
        })*
    };
}

races! {
    from_several_sides
    beside_the_end
    beside_a_change
}
