//! A vote, and the opening of the urn, disturbed at every single place in turn: each statement, each commit, the death of the process after
//! each step. Whoever got no answer does the same again; in the end each vote is in once, and nothing of the urn is lost.

use std::collections::BTreeMap;

use hagaki::store::fuse::Fuse;
use hagaki::store::{Engine, audit};

use super::*;
use crate::world::World;

/// How many have voted before, or vote after.
const OTHERS: usize = 2;

type Trouble = fn(u64) -> Arc<Fuse>;

/// A database at the first moment of voting.
async fn voting(engine: Engine) -> Option<World> {
    let center = Center::open(World::open(engine).await?).await;
    opened(&center, OTHERS + 1).await;
    vote(&center, 1..2).await;
    Some(center.into_world().await)
}

/// What a step came to with that fuse in the way; nothing where the process was killed.
async fn past<T>(fuse: &Fuse, step: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = fuse.frozen() => None,
        done = step => Some(done),
    }
}

/// Member 0 votes past that fuse, and sends the same page again.
async fn cast_past(template: &World, fuse: Arc<Fuse>) -> bool {
    let mut center = Center::with_dice(template.copy().await, 10_000).await;
    wind_to(&center, OPENS);
    let credential = Booth::of(&center).credential(&number(0)).await;
    let own = choices(0, "Name 0");
    let struck = Booth::on(&center, &center.store().with_fuse(fuse.clone()));
    let first = past(&fuse, struck.cast(credential, page(0), &own)).await;
    drop(struck);
    center.kill_and_restart().await;
    let again = Booth::of(&center).cast(credential, page(0), &own).await.unwrap();
    match (first, again) {
        (Some(Ok(Outcome::Cast(one))), Outcome::Again(other)) => assert_eq!(one, other),
        (Some(Err(_)) | None, Outcome::Cast(_) | Outcome::Again(_)) => assert!(fuse.struck()),
        other => panic!("{other:?}"),
    }
    vote(&center, 2..3).await;
    let voters = OTHERS as i64 + 1;
    for sql in ["SELECT count(*) FROM voted", "SELECT count(*) FROM urn"] {
        assert_eq!(center.world.number(sql).await, voters, "{sql}");
    }
    wind_to(&center, CLOSES);
    Booth::of(&center).both(Step::Close).await;
    assert_told(&center).await;
    center.finish().await;
    fuse.struck()
}

/// The urn is opened past that fuse, and by whoever has to do it again.
async fn opened_past(template: &World, fuse: Arc<Fuse>) -> bool {
    let mut center = Center::with_dice(template.copy().await, 10_000).await;
    wind_to(&center, CLOSES);
    let struck = Booth::on(&center, &center.store().with_fuse(fuse.clone()));
    for by in [CHAIR, SCRUTINEER] {
        match past(&fuse, struck.take(Step::Close, by)).await {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break,
        }
    }
    drop(struck);
    center.kill_and_restart().await;
    let booth = Booth::of(&center);
    for by in [CHAIR, SCRUTINEER] {
        if let Err(error) = booth.take(Step::Close, by).await {
            assert!(is_past(&error), "{error}");
        }
    }
    assert_told(&center).await;
    let row = study::find_current(center.store(), "council").await.unwrap().unwrap();
    let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
    let closed =
        entries.iter().filter(|entry| entry.action == "take-election-step" && entry.body.contains("\"close\""));
    assert_eq!(closed.count(), 1);
    center.finish().await;
    fuse.struck()
}

/// Every vote is in the table once, and none anywhere else.
async fn assert_told(center: &Center) {
    let table = Booth::of(center).package().await.unwrap().ballots;
    let names: BTreeMap<String, usize> =
        (0..=OTHERS).map(|at| (format!("Name {at}"), table.matches(&format!(",Name {at},,1")).count())).collect();
    assert!(names.values().all(|many| *many == 1), "{table}");
    assert_eq!(table.lines().filter(|line| line.starts_with("auditor,")).count(), OTHERS + 1);
    assert_eq!(center.world.number("SELECT count(*) FROM urn").await, 0);
    assert_eq!(center.world.number("SELECT count(*) FROM voted").await, OTHERS as i64 + 1);
}

async fn cast_disturbed(engine: Engine, trouble: Trouble, least: u64) {
    let Some(template) = voting(engine).await else { return };
    at_each_place(least, async |n: u64| cast_past(&template, trouble(n)).await).await;
    template.close().await;
}

async fn opening_disturbed(engine: Engine, trouble: Trouble, least: u64) {
    let Some(world) = voting(engine).await else { return };
    let center = Center::with_dice(world.copy().await, 5_000).await;
    world.close().await;
    wind_to(&center, OPENS);
    vote(&center, [0, 2]).await;
    let template = center.into_world().await;
    at_each_place(least, async |n: u64| opened_past(&template, trouble(n)).await).await;
    template.close().await;
}

mod casting {
    use super::*;

    disturbances! {
        cast_disturbed:
        a_step_fails(Fuse::refuse, 8)
        a_commit_is_lost(Fuse::lose_commit, 1)
        a_commit_is_hidden(Fuse::hide_commit, 1)
        the_process_dies(Fuse::freeze, 8)
    }
}

mod opening {
    use super::*;

    disturbances! {
        opening_disturbed:
        a_step_fails(Fuse::refuse, 8)
        a_commit_is_lost(Fuse::lose_commit, 1)
        a_commit_is_hidden(Fuse::hide_commit, 1)
        the_process_dies(Fuse::freeze, 8)
    }
}
