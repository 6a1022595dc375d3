//! Stories of enrolling, a second randomization, unblinding and another kit, disturbed at every single place in turn: each
//! statement, each commit, each reply of the mail server, and the death of the process after each step. Whatever happens, the
//! promises hold afterwards.

mod mailing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hagaki::definition::{Bundle, samples};
use hagaki::domain::fact::FactKind;
use hagaki::domain::study::Stage;
use hagaki::mail::StepError;
use hagaki::mail::transport::Order;
use hagaki::store::fuse::Fuse;
use hagaki::store::inbox::State;
use hagaki::store::{Engine, StoreError, audit, fact, kit, outbox, study, subject_reference};
use hagaki::workflow::Failure;

use crate::harness::*;
use crate::world::World;

/// What is told, and what must come of it.
struct Story {
    bundle: fn() -> Bundle,
    slug: &'static str,
    /// What was written and answered before anything goes wrong, each given where a reply to the answer before it goes.
    before: &'static [fn(&str) -> Mail],
    /// The mail, given where a reply to the last answer before it goes.
    mail: fn(&str) -> Mail,
    /// How it is settled.
    reason: &'static str,
    /// The entry it leaves in the chain, once.
    entry: &'static str,
    /// Letters by kind and recipient.
    letters: &'static [(&'static str, &'static str)],
}

const OPEN: Story = Story {
    bundle: samples::aurora,
    slug: "aurora",
    // A subject before, so that a draw made twice or left out would show.
    before: &[|_| DR_SUZUKI.writes("登録", &aurora_form("012", "S-0001"))],
    mail: |_| DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")),
    reason: "enrolled",
    entry: "enroll",
    letters: &[("assignment-open", DR_YAMADA.address), ("notice-open", CENTER), ("notice-open", STATISTICIAN)],
};

const BLINDED: Story = Story {
    bundle: samples::borealis,
    slug: "borealis",
    before: &[|_| DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))],
    mail: |_| DR_LARSEN.writes("enroll", &borealis_form("103", "103-002")),
    reason: "enrolled",
    entry: "enroll",
    letters: &[
        ("assignment-blinded", DR_LARSEN.address),
        ("notice-blind", OFFICE),
        ("notice-unblinded", PHARMACY),
        ("notice-unblinded", BLIND_STATISTICIAN),
    ],
};

const UNBLIND: Story = Story {
    bundle: samples::borealis,
    slug: "borealis",
    before: &[
        |_| DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001")),
        |_| DR_KOBAYASHI.writes("開鍵", "症例番号: BOREALIS-0001\n理由: ショック\n"),
    ],
    mail: |reply_to| DR_KOBAYASHI.writes("", "OK\n").to(reply_to),
    reason: "unblinded",
    entry: "fact",
    letters: &[("unblinded", DR_KOBAYASHI.address), ("unblinding-notice", OFFICE)],
};

const ANOTHER_KIT: Story = Story {
    bundle: samples::borealis,
    slug: "borealis",
    before: &[
        |_| DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001")),
        |_| DR_KOBAYASHI.writes("キット交換", "症例番号: BOREALIS-0001\n理由: 破損\n"),
    ],
    mail: |reply_to| DR_KOBAYASHI.writes("", "OK\n").to(reply_to),
    reason: "kit-replaced",
    entry: "kit-replace",
    letters: &[("kit-replaced", DR_KOBAYASHI.address), ("kit-replaced-unblinded", PHARMACY)],
};

const AGAIN: Story = Story {
    bundle: quickly,
    slug: "cygnus",
    before: &[
        |_| DR_MORI.writes("登録", &cygnus_form("201", "201-001")),
        |_| DR_NOVAK.writes("enroll", &cygnus_form("202", "202-001")),
        |_| DR_NOVAK.writes("randomize", &soon("CYGNUS-0002")),
    ],
    mail: |_| DR_MORI.writes("割付", &soon("CYGNUS-0001")),
    reason: "randomized",
    entry: "randomize",
    letters: &[
        ("notice-randomized-open", CYGNUS_OFFICE),
        ("notice-randomized-open", CYGNUS_STATISTICIAN),
        ("randomized-open", DR_MORI.address),
    ],
};

/// A reference is corrected.
const CORRECTED: Story = Story {
    bundle: samples::aurora,
    slug: "aurora",
    before: &[
        |_| DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")),
        |_| DR_YAMADA.writes("訂正", "症例番号: AURORA-0001\n理由: 誤記\n識別番号: Y-0077\n"),
    ],
    mail: |reply_to| DR_YAMADA.writes("", "OK\n").to(reply_to),
    reason: "corrected",
    entry: "fact",
    letters: &[("fact-done", DR_YAMADA.address), ("fact-notice", CENTER), ("fact-notice", STATISTICIAN)],
};

/// Another patient has the reference that was corrected.
const APART: Story = Story {
    bundle: samples::aurora,
    slug: "aurora",
    before: &[
        |_| DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")),
        |_| DR_YAMADA.writes("訂正", "症例番号: AURORA-0001\n理由: 誤記\n識別番号: Y-0077\n"),
        |reply_to| DR_YAMADA.writes("", "OK\n").to(reply_to),
        |_| DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031").replace("58", "44")),
    ],
    mail: |reply_to| DR_YAMADA.writes("", "OK\n").to(reply_to),
    reason: "enrolled",
    entry: "enroll",
    letters: &[("assignment-open", DR_YAMADA.address), ("notice-open", CENTER), ("notice-open", STATISTICIAN)],
};

/// CYGNUS without the weeks between its two randomizations.
fn quickly() -> Bundle {
    edited(&samples::cygnus(), "study.toml", " && days_between(enrolled_on, assessed_on) >= 49", "")
}

fn soon(subject: &str) -> String {
    response_form(subject).replace("2027-01-12", "2026-11-18")
}

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
    file: File,
}

/// What is on file in the end.
#[derive(Debug, PartialEq, Eq)]
struct File {
    /// Each subject's arm, with its kits in the order in which it was given them.
    subjects: Vec<(String, Vec<String>)>,
    /// Further allocations: subject, randomization, arm, kit.
    further: Vec<(i64, String, String, Option<String>)>,
    /// What each subject is known by, and what it was.
    references: Vec<(String, Option<String>)>,
    /// Each fact's kind, and whom it names.
    facts: Vec<(FactKind, String)>,
    /// The entries of the chain.
    entries: Vec<String>,
}

impl File {
    async fn read(center: &Center, slug: &str) -> File {
        let store = center.store();
        let row = study::find_current(store, slug).await.unwrap().unwrap();
        let (mut subjects, mut references) = (Vec::new(), Vec::new());
        let beside = subject_reference::list(store, row.id).await.unwrap();
        for (at, (subject, arm, _)) in (1..).zip(center.enrolled(slug).await) {
            let kits = kit::list_of_allocation(store, row.id, at).await.unwrap();
            let earlier = beside.iter().find(|own| own.subject == subject.number).map(|own| own.reference_key.clone());
            references.push((subject.reference_key, earlier));
            subjects.push((arm, kits.into_iter().map(|kit| kit.code).collect()));
        }
        let facts = fact::list(store, row.id, 0, 1_000).await.unwrap();
        let entries = audit::list(store, row.id, 0, 1_000).await.unwrap();
        File {
            subjects,
            references,
            further: center.randomized(slug).await,
            facts: facts.into_iter().map(|fact| (fact.kind, fact.person)).collect(),
            entries: entries.into_iter().map(|entry| entry.action).collect(),
        }
    }
}

/// A database with the study in force, to be copied for each run.
struct Template {
    world: World,
    before: File,
    /// Where a reply to the last answer goes.
    reply_to: String,
}

impl Template {
    async fn new(story: &Story, engine: Engine) -> Option<Template> {
        let mut center = Center::open(World::open(engine).await?).await;
        center.activate(&(story.bundle)(), Stage::Production).await;
        let mut reply_to = String::new();
        for mail in story.before {
            reply_to = center.answer(&mail(&reply_to)).await.reply_to;
        }
        let before = File::read(&center, story.slug).await;
        Some(Template { world: center.into_world().await, before, reply_to })
    }
}

/// Tells the story once, with that trouble, until nothing is left over.
async fn run(template: &Template, story: &Story, trouble: Trouble) -> Outcome {
    let mut center = Center::with_dice(template.world.copy().await, 1_000).await;
    // The first process's claims have run out by now.
    center.wind(10 * LEASE);
    let fuse = trouble.fuse();
    center.process = center.start(Some(fuse.clone()));
    center.deliver(&(story.mail)(&template.reply_to));
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
    disturbed |= struck(&center, &fuse, trouble);
    assert_of_trouble(trouble, disturbed, &errors);
    let file = assert_promises(&center, template, story, trouble).await;
    center.finish().await;
    Outcome { disturbed, file }
}

/// Whether the trouble came to pass.
fn struck(center: &Center, fuse: &Fuse, trouble: Trouble) -> bool {
    match trouble {
        Trouble::Server(n, _) => center.memory.shown() >= n,
        _ => fuse.struck(),
    }
}

/// Only the trouble itself may show, and what it leaves of the transaction or lease it struck.
fn assert_of_trouble(trouble: Trouble, disturbed: bool, errors: &[StepError]) {
    for error in errors {
        let away = matches!((trouble, error), (Trouble::Server(..), StepError::Away { .. }));
        assert!(away || is_of_trouble(error), "{trouble:?}: {error}");
    }
    assert!(disturbed || errors.is_empty(), "{trouble:?}: {errors:?}");
}

fn is_of_trouble(error: &StepError) -> bool {
    let (StepError::Store(error) | StepError::Workflow(Failure::Store(error))) = error else { return false };
    matches!(error, StoreError::Struck(_) | StoreError::LostLease { .. })
}

/// Done once, every letter out, copies only under one Message-ID, the mail put away.
async fn assert_promises(center: &Center, template: &Template, story: &Story, trouble: Trouble) -> File {
    let file = File::read(center, story.slug).await;
    let (old, new) = file.entries.split_at(template.before.entries.len());
    assert_eq!((old, new), (&template.before.entries[..], &[story.entry.to_owned()][..]), "{trouble:?}");
    let mail = center.last_mail().await;
    assert_eq!((mail.state, mail.reason.as_str()), (State::Done, story.reason), "{trouble:?}");
    assert_eq!(mail.filed_folder.as_deref(), Some("Processed"), "{trouble:?}");
    assert_eq!((center.lying_in(".Processed"), center.lying_in(".Quarantine")), (1, 0), "{trouble:?}");
    let mails = i64::try_from(story.before.len()).unwrap() + 1;
    assert_eq!(center.world.number("SELECT count(*) FROM inbox").await, mails, "{trouble:?}");

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
    file
}

/// Runs the story with the trouble at place 1, 2, 3 … until a run is not disturbed any more.
async fn series(story: &Story, engine: Engine, name: &str, trouble: impl Fn(u64) -> Trouble) {
    let Some(template) = Template::new(story, engine).await else { return };
    let undisturbed = run(&template, story, Trouble::Nothing).await.file;
    assert_ne!(undisturbed, template.before);
    let mut n = 0;
    loop {
        n += 1;
        let outcome = run(&template, story, trouble(n)).await;
        assert_eq!(outcome.file, undisturbed, "{name} {n}");
        if !outcome.disturbed {
            break;
        }
        assert!(n < 1_000, "{name}: there is no end to it");
    }
    println!("{} on {engine:?}: {name} at {} places", story.slug, n - 1);
    // The server can be disturbed at every letter, the database at many more places.
    let least = if matches!(trouble(1), Trouble::Server(..)) { story.letters.len() } else { 3 };
    assert!(usize::try_from(n).unwrap() > least, "{name} disturbed only {} places", n - 1);
    template.world.close().await;
}

macro_rules! anomalies {
    ($($name:ident($trouble:expr))*) => {
        $(mod $name {
            use super::*;

            async fn told(story: &Story, engine: Engine) {
                series(story, engine, stringify!($name), $trouble).await;
            }

            #[test]
            fn open_sqlite() {
                tell(|| told(&OPEN, Engine::Sqlite));
            }

            #[test]
            fn open_postgres() {
                tell(|| told(&OPEN, Engine::Postgres));
            }

            #[test]
            fn blinded_sqlite() {
                tell(|| told(&BLINDED, Engine::Sqlite));
            }

            #[test]
            fn blinded_postgres() {
                tell(|| told(&BLINDED, Engine::Postgres));
            }

            #[test]
            fn unblinded_sqlite() {
                tell(|| told(&UNBLIND, Engine::Sqlite));
            }

            #[test]
            fn unblinded_postgres() {
                tell(|| told(&UNBLIND, Engine::Postgres));
            }

            #[test]
            fn another_kit_sqlite() {
                tell(|| told(&ANOTHER_KIT, Engine::Sqlite));
            }

            #[test]
            fn another_kit_postgres() {
                tell(|| told(&ANOTHER_KIT, Engine::Postgres));
            }

            #[test]
            fn corrected_sqlite() {
                tell(|| told(&CORRECTED, Engine::Sqlite));
            }

            #[test]
            fn corrected_postgres() {
                tell(|| told(&CORRECTED, Engine::Postgres));
            }

            #[test]
            fn apart_sqlite() {
                tell(|| told(&APART, Engine::Sqlite));
            }

            #[test]
            fn apart_postgres() {
                tell(|| told(&APART, Engine::Postgres));
            }

            #[test]
            fn again_sqlite() {
                tell(|| told(&AGAIN, Engine::Sqlite));
            }

            #[test]
            fn again_postgres() {
                tell(|| told(&AGAIN, Engine::Postgres));
            }

            #[test]
            fn mailing_sqlite() {
                tell(|| mailing::series(Engine::Sqlite, stringify!($name), $trouble));
            }

            #[test]
            fn mailing_postgres() {
                tell(|| mailing::series(Engine::Postgres, stringify!($name), $trouble));
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
