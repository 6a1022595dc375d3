//! A mailing by a schedule, disturbed at every single place in turn: each letter is written once, under one Message-ID, with a link that
//! opens, whatever happens.

use hagaki::domain::participant::Candidate;
use hagaki::domain::time::{Clock, Zone};
use hagaki::mail::Did;
use hagaki::workflow::credentials::{Form, Terms};

use super::*;

const PEOPLE: i64 = 3;

/// WELLBEING, which asks everybody at one moment.
fn bundle() -> Bundle {
    let ask = "[[rules]]\nid = \"ask\"\naudience = \"participants\"\nletter = \"invitation\"\non = 2026-11-24\nat = \"09:00\"\n";
    with_file(&samples::wellbeing(), "schedule.toml", ask)
}

/// A database in which the letters are planned.
async fn template(engine: Engine) -> Option<World> {
    let mut center = Center::open(World::open(engine).await?).await;
    center.activate(&bundle(), Stage::Production).await;
    let candidate = |number: i64| Candidate {
        name: format!("P {number}"),
        address: format!("p{number}@example.jp"),
        ..Candidate::default()
    };
    let people: Vec<Candidate> = (0..PEOPLE).map(candidate).collect();
    center.issue("wellbeing", &people, Terms { mailed: false, ..center.terms(Form::Scheduled) }).await;
    center.attend().await;
    Some(center.into_world().await)
}

/// Steps the calendar and the sender; whether anything was done. Nobody writes to us meanwhile.
async fn work(process: &mut Process) -> Round {
    let mut round = Round::default();
    for done in [process.calendar.step().await, process.mailings.step().await] {
        match done {
            Ok(Did::Something) => round.something = true,
            Ok(Did::Nothing) => {}
            Err(error) => round.errors.push(error),
        }
    }
    round
}

/// Whether every letter has left.
async fn is_over(center: &Center) -> bool {
    center.world.number("SELECT count(*) FROM outbox WHERE state = 'sent'").await == PEOPLE
}

async fn run(template: &World, trouble: Trouble) -> bool {
    let mut center = Center::with_dice(template.copy().await, 1_000).await;
    let morning = Zone::find("Asia/Tokyo").unwrap().parse_moment("2026-11-24 09:00").unwrap();
    center.wind(morning.seconds_since(center.clock.now()));
    let fuse = trouble.fuse();
    center.process = center.start(Some(fuse.clone()));
    let mut disturbed = false;
    match trouble {
        Trouble::Server(n, order) => center.memory.order(n, order),
        Trouble::Killed(_) => {
            loop {
                let round = tokio::select! {
                    biased;
                    () = fuse.frozen() => None,
                    round = work(&mut center.process) => Some(round),
                };
                match round {
                    Some(round) if round.something && !is_over(&center).await => {
                        assert!(round.errors.is_empty(), "{trouble:?}: {:?}", round.errors)
                    }
                    Some(_) => break,
                    None => {
                        disturbed = true;
                        break;
                    }
                }
            }
            center.kill_and_restart().await;
        }
        _ => {}
    }
    let mut errors = Vec::new();
    for _ in 0..40 {
        loop {
            let round = work(&mut center.process).await;
            let goes_on = round.errors.is_empty() && round.something && !is_over(&center).await;
            errors.extend(round.errors);
            if !goes_on {
                break;
            }
        }
        if is_over(&center).await {
            break;
        }
        center.wind(LEASE + 1);
    }
    disturbed |= struck(&center, &fuse, trouble);
    assert_of_trouble(trouble, disturbed, &errors);
    let mut arrived: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for letter in center.all_letters().await {
        arrived.entry(letter.to).or_default().insert(letter.message_id);
    }
    assert_eq!(arrived.len() as i64, PEOPLE, "{trouble:?}: {arrived:?}");
    assert!(arrived.values().all(|ids| ids.len() == 1), "{trouble:?}: {arrived:?}");
    for (sql, count) in [
        ("SELECT count(*) FROM outbox", PEOPLE),
        ("SELECT count(*) FROM settled_letter WHERE state = 'written'", PEOPLE),
        ("SELECT count(*) FROM credential_link", PEOPLE),
        ("SELECT count(*) FROM planned_letter WHERE state = 'waiting'", 0),
        ("SELECT count(*) FROM audit WHERE action = 'send-letters'", 1),
    ] {
        assert_eq!(center.world.number(sql).await, count, "{trouble:?}: {sql}");
    }
    center.finish().await;
    disturbed
}

/// Runs the mailing with the trouble at place 1, 2, 3 … until a run is not disturbed any more.
pub(super) async fn series(engine: Engine, name: &str, trouble: impl Fn(u64) -> Trouble) {
    let Some(template) = template(engine).await else { return };
    run(&template, Trouble::Nothing).await;
    let mut n = 1;
    while run(&template, trouble(n)).await {
        n += 1;
        assert!(n < 1_000, "{name}: there is no end to it");
    }
    println!("a mailing on {engine:?}: {name} at {} places", n - 1);
    assert!(n > 3, "{name} disturbed only {} places", n - 1);
    template.close().await;
}
