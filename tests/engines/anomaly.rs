//! The enroll story, disturbed at every single place in turn: each statement, each commit, each reply of the mail
//! server, and the death of the process after each step. Whatever happens, the promises hold afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hagaki::definition::{Bundle, samples};
use hagaki::domain::study::Stage;
use hagaki::mail::StepError;
use hagaki::mail::transport::Order;
use hagaki::store::fuse::Fuse;
use hagaki::store::inbox::State;
use hagaki::store::{Engine, StoreError, outbox};
use hagaki::workflow::Failure;

use crate::harness::*;
use crate::world::World;

/// What is told, and what must come of it.
struct Story {
    bundle: fn() -> Bundle,
    slug: &'static str,
    mail: fn() -> Mail,
    /// Letters by kind and recipient.
    letters: &'static [(&'static str, &'static str)],
}

const OPEN: Story = Story {
    bundle: samples::aurora,
    slug: "aurora",
    mail: || DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")),
    letters: &[("assignment-open", DR_YAMADA.address), ("notice-open", CENTER), ("notice-open", STATISTICIAN)],
};

const BLINDED: Story = Story {
    bundle: samples::borealis,
    slug: "borealis",
    mail: || DR_LARSEN.writes("enroll", &borealis_form("103", "103-002")),
    letters: &[
        ("assignment-blinded", DR_LARSEN.address),
        ("notice-blind", OFFICE),
        ("notice-unblinded", PHARMACY),
        ("notice-unblinded", BLIND_STATISTICIAN),
    ],
};

/// What goes wrong at the n-th place.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Nothing,
    /// The n-th step at the database fails.
    Refused(u64),
    /// The n-th commit does not happen.
    Lost(u64),
    /// The n-th commit happens and is reported as failed.
    Hidden(u64),
    /// The process dies after the n-th step.
    Killed(u64),
    /// The server treats the n-th letter so.
    Server(u64, Order),
}

impl Trouble {
    fn fuse(self) -> Arc<Fuse> {
        match self {
            Trouble::Nothing | Trouble::Server(..) => Fuse::counting(),
            Trouble::Refused(n) => Fuse::refuse(n),
            Trouble::Lost(n) => Fuse::lose_commit(n),
            Trouble::Hidden(n) => Fuse::hide_commit(n),
            Trouble::Killed(n) => Fuse::freeze(n),
        }
    }
}

/// What one run came to.
struct Outcome {
    disturbed: bool,
    allocated: (String, Option<String>),
}

/// A database with the study in force, to be copied for each run.
async fn template(story: &Story, engine: Engine) -> Option<World> {
    let center = Center::open(World::open(engine).await?).await;
    // A subject before, so that a draw made twice or left out would show.
    center.activate(&(story.bundle)(), Stage::Production).await;
    let mut center = center;
    let before = match story.slug {
        "aurora" => DR_SUZUKI.writes("登録", &aurora_form("012", "S-0001")),
        _ => DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001")),
    };
    center.exchange(&before).await;
    Some(center.into_world().await)
}

/// Tells the story once, with that trouble, until nothing is left over.
async fn run(template: &World, story: &Story, trouble: Trouble) -> Outcome {
    let mut center = Center::with_dice(template.copy().await, 1_000).await;
    // The first process's claims have run out by now.
    center.wind(10 * LEASE);
    let fuse = trouble.fuse();
    center.process = center.start(Some(fuse.clone()));
    center.deliver(&(story.mail)());
    let mut disturbed = false;
    match trouble {
        Trouble::Server(n, order) => center.memory.order(n, order),
        Trouble::Killed(_) => {
            loop {
                let round = tokio::select! {
                    biased;
                    () = fuse.frozen() => None,
                    round = center.process.round() => Some(round),
                };
                match round {
                    None => disturbed = true,
                    Some(round) => {
                        assert!(round.errors.is_empty(), "{trouble:?}: {:?}", round.errors);
                        if round.something {
                            continue;
                        }
                    }
                }
                break;
            }
            center.kill_and_restart().await;
        }
        _ => {}
    }
    let errors = center.recover().await;
    // Only the trouble itself may show, and what it leaves of the transaction or lease it struck.
    for error in &errors {
        let away = matches!((trouble, error), (Trouble::Server(..), StepError::Away { .. }));
        assert!(away || is_of_trouble(error), "{trouble:?}: {error}");
    }
    disturbed |= match trouble {
        Trouble::Server(n, _) => center.memory.shown() >= n,
        _ => fuse.struck(),
    };
    assert!(disturbed || errors.is_empty(), "{trouble:?}: {errors:?}");
    let allocated = assert_promises(&center, story, trouble).await;
    center.finish().await;
    Outcome { disturbed, allocated }
}

fn is_of_trouble(error: &StepError) -> bool {
    let (StepError::Store(error) | StepError::Workflow(Failure::Store(error))) = error else { return false };
    matches!(error, StoreError::Struck(_) | StoreError::LostLease { .. })
}

/// One subject, one allocation, every letter out, copies only under one Message-ID, the mail put away.
async fn assert_promises(center: &Center, story: &Story, trouble: Trouble) -> (String, Option<String>) {
    let enrolled = center.enrolled(story.slug).await;
    assert_eq!(enrolled.len(), 2, "{trouble:?}");
    let mail = center.last_mail().await;
    assert_eq!((mail.state, mail.reason.as_str()), (State::Done, "enrolled"), "{trouble:?}");
    assert_eq!(mail.filed_folder.as_deref(), Some("Processed"), "{trouble:?}");
    assert_eq!((center.lying_in(".Processed"), center.lying_in(".Quarantine")), (1, 0), "{trouble:?}");
    assert_eq!(center.world.number("SELECT count(*) FROM inbox").await, 2, "{trouble:?}");

    let mut arrived: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for letter in center.all_letters().await {
        arrived.entry((letter.kind, letter.to)).or_default().insert(letter.message_id);
    }
    let expected: Vec<(String, String)> =
        story.letters.iter().map(|(kind, to)| ((*kind).to_owned(), (*to).to_owned())).collect();
    assert_eq!(arrived.keys().cloned().collect::<Vec<_>>(), expected, "{trouble:?}");
    for ((kind, to), ids) in arrived {
        assert_eq!(ids.len(), 1, "{trouble:?}: {kind} to {to} came under several Message-IDs");
    }
    let letters = outbox::find_by_inbox(center.store(), mail.id).await.unwrap();
    assert_eq!(letters.len(), story.letters.len(), "{trouble:?}");
    assert!(letters.iter().all(|letter| letter.state == outbox::State::Sent), "{trouble:?}: {letters:?}");
    let (_, arm, kit) = enrolled.into_iter().nth(1).unwrap();
    (arm, kit)
}

/// Runs the story with the trouble at place 1, 2, 3 … until a run is not disturbed any more.
async fn series(story: &Story, engine: Engine, name: &str, trouble: impl Fn(u64) -> Trouble) {
    let Some(template) = template(story, engine).await else { return };
    let undisturbed = run(&template, story, Trouble::Nothing).await.allocated;
    let mut n = 0;
    loop {
        n += 1;
        let outcome = run(&template, story, trouble(n)).await;
        assert_eq!(outcome.allocated, undisturbed, "{name} {n}");
        if !outcome.disturbed {
            break;
        }
        assert!(n < 1_000, "{name}: there is no end to it");
    }
    println!("{} on {engine:?}: {name} at {} places", story.slug, n - 1);
    assert!(n > 3, "{name} disturbed only {} places", n - 1);
    template.close().await;
}

macro_rules! anomalies {
    ($($name:ident($trouble:expr))*) => {
        $(mod $name {
            use super::*;

            async fn told(story: &Story, engine: Engine) {
                series(story, engine, stringify!($name), $trouble).await;
            }

            #[tokio::test]
            async fn open_sqlite() {
                told(&OPEN, Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn open_postgres() {
                told(&OPEN, Engine::Postgres).await;
            }

            #[tokio::test]
            async fn blinded_sqlite() {
                told(&BLINDED, Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn blinded_postgres() {
                told(&BLINDED, Engine::Postgres).await;
            }
        })*
    };
}

anomalies! {
    a_step_fails(Trouble::Refused)
    a_commit_is_lost(Trouble::Lost)
    a_commit_is_hidden(Trouble::Hidden)
    the_process_dies(Trouble::Killed)
    the_server_defers_a_letter(|n| Trouble::Server(n, Order::Defer))
    the_server_is_busy(|n| Trouble::Server(n, Order::Busy))
    the_server_does_not_answer(|n| Trouble::Server(n, Order::TimeOut))
    the_reply_is_lost(|n| Trouble::Server(n, Order::Lose))
}
