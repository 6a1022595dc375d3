//! Mailings: what somebody waits for goes before them, studies take turns, and bounds hold without a letter that is lost or tried in vain.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hagaki::domain::participant::Candidate;
use hagaki::domain::throttle::Throttle;
use hagaki::domain::time::{Clock, Instant};
use hagaki::limits;
use hagaki::mail::transport::{Order, Transport};
use hagaki::mail::{Did, StepError};
use hagaki::settings::{Delivery, Security, SmtpSettings};
use hagaki::store::outbox::{self, State, Which};
use hagaki::workflow::credentials::Form;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::survey::once;
use super::*;

const P0: Writer = Writer { address: "p0@example.jp", study: "wellbeing" };

async fn invite(center: &Center, slug: &str, addresses: &[String]) {
    let candidate =
        |address: &String| Candidate { name: address.clone(), address: address.clone(), ..Candidate::default() };
    let people: Vec<Candidate> = addresses.iter().map(candidate).collect();
    assert_eq!(center.issue(slug, &people, center.terms(Form::Link)).await.issued.len(), people.len());
}

fn at(domain: &str, many: usize) -> Vec<String> {
    (0..many).map(|number| format!("p{number}@{domain}")).collect()
}

fn bound(per_minute: u32) -> Throttle {
    Throttle { per_minute: Some(per_minute), ..Throttle::default() }
}

/// Invitations that arrived, with the moment.
fn invited(center: &Center, letters: Vec<Received>) -> Vec<(Instant, String)> {
    let now = center.clock.now();
    letters.into_iter().filter(|letter| letter.kind == "invitation").map(|letter| (now, letter.to)).collect()
}

/// The most that arrived in any minute.
fn most_in_a_minute<'a>(left: impl Iterator<Item = &'a (Instant, String)> + Clone) -> usize {
    let within = |from: Instant| left.clone().filter(|(at, _)| (0..60).contains(&at.seconds_since(from))).count();
    left.clone().map(|(from, _)| within(*from)).max().unwrap_or_default()
}

/// A letter that would wait for ever.
async fn put_aside(center: &Center, id: i64) {
    let mut tx = center.store().begin().await.unwrap();
    assert!(outbox::drop(&mut tx, id).await.unwrap());
    tx.commit().await.unwrap();
}

/// The recipients whose letters a server took, in order.
type Taken = Arc<Mutex<Vec<String>>>;

/// A mail server that takes its time for every letter; its port.
async fn slow_server(pause: Duration) -> (u16, Taken) {
    server(move |_| ("250 2.0.0 well\r\n", pause)).await
}

/// A mail server that says of a letter to an address, and of a sender, what it is told to; for a letter it takes as long. Its port, and whose
/// letters it had.
async fn server(says: impl Fn(&str) -> (&'static str, Duration) + Send + Sync + Clone + 'static) -> (u16, Taken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = Taken::default();
    let own = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, says.clone(), Arc::clone(&own)));
        }
    });
    (port, taken)
}

async fn serve(
    stream: TcpStream,
    says: impl Fn(&str) -> (&'static str, Duration) + Send + Sync,
    taken: Taken,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 slow.example.jp\r\n").await.ok()?;
    let (mut to, mut line) = (String::new(), Vec::new());
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        let said = String::from_utf8_lossy(&line).to_ascii_uppercase();
        let path = String::from_utf8_lossy(&line);
        let address = path.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        if said.starts_with("MAIL") {
            stream.write_all(says(&address).0.as_bytes()).await.ok()?;
            continue;
        }
        if said.starts_with("RCPT") {
            to = address;
        }
        if said.starts_with("DATA") {
            stream.write_all(b"354 go on\r\n").await.ok()?;
            while line != b".\r\n" {
                line.clear();
                stream.read_until(b'\n', &mut line).await.ok().filter(|read| *read > 0)?;
            }
            let (answer, pause) = says(&to);
            tokio::time::sleep(pause).await;
            taken.lock().unwrap().push(to.clone());
            stream.write_all(answer.as_bytes()).await.ok()?;
            continue;
        }
        let ehlo = said.starts_with("EHLO");
        let answer = if ehlo { "250-slow.example.jp\r\n250 8BITMIME\r\n" } else { "250 2.0.0 well\r\n" };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// Letters leave by a server on this machine from now on.
fn send_by(center: &mut Center, port: u16) {
    let transport = Transport::open(&Delivery::Smtp(bare(port)), center.clock.clone()).unwrap();
    center.process.mailings.transport = transport.for_mailings();
    center.process.dispatch.transport = transport;
}

/// And from now on into memory again.
fn send_by_memory(center: &mut Center) {
    for dispatch in [&mut center.process.dispatch, &mut center.process.mailings] {
        dispatch.transport = Transport::Memory(center.memory.clone());
    }
}

/// One connection to a server on this machine.
fn bare(port: u16) -> SmtpSettings {
    SmtpSettings {
        outbound: Vec::new(),
        host: "127.0.0.1".to_owned(),
        port,
        security: Security::Bare,
        login: None,
        ca_file: None,
        ehlo: "client.example.jp".to_owned(),
        connections: 1,
        timeout_seconds: 60,
        dkim: None,
    }
}

stories! {
    async fn a_slow_server_holds_no_assignment(center: &mut Center) {
        aurora(center).await;
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &at("example.jp", 60)).await;
        let (port, taken) = slow_server(Duration::from_millis(40)).await;
        send_by(center, port);
        // Time goes by while letters leave.
        let clock = center.clock.clone();
        let winding = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                clock.wind(1);
            }
        });
        assert_eq!(center.process.mailings.step().await.unwrap(), Did::Something);
        let before = taken.lock().unwrap().len();
        assert!((1..40).contains(&before), "the mailing is under way: {before}");
        // What waits was given back, and whoever enrolls now has their letter at once.
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")));
        center.process.intake.step().await.unwrap();
        while center.process.desk.step().await.unwrap() == Did::Something {}
        assert_eq!(center.process.dispatch.step().await.unwrap(), Did::Something);
        winding.abort();
        let taken = taken.lock().unwrap().clone();
        assert_eq!(taken[before], DR_YAMADA.address, "{taken:?}");
        // What was given back leaves, each letter once, at its first attempt.
        send_by_memory(center);
        let rest = center.settle().await;
        assert_eq!(taken.len() + rest.len(), 60 + 3);
        let letters = outbox::list(center.store(), Which::All, None, 100).await.unwrap();
        assert!(letters.iter().all(|letter| (letter.state, letter.attempts) == (State::Sent, 1)), "{letters:?}");
    }

    async fn a_server_that_hangs_over_a_mailing_holds_no_assignment(center: &mut Center) {
        aurora(center).await;
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &at("example.jp", 3)).await;
        let hanging = Arc::new(AtomicBool::new(false));
        let own = hanging.clone();
        let (port, taken) = server(move |to| {
            let hangs = to.starts_with('p');
            own.fetch_or(hangs, Ordering::SeqCst);
            ("250 2.0.0 well\r\n", if hangs { Duration::from_secs(3600) } else { Duration::ZERO })
        })
        .await;
        send_by(center, port);
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")));
        let Process { intake, desk, dispatch, mailings, .. } = &mut center.process;
        let enrolled = async {
            while !hanging.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            intake.step().await.unwrap();
            while desk.step().await.unwrap() == Did::Something {}
            dispatch.step().await.unwrap()
        };
        // The server's patience is far longer than this: five times a minute.
        let sent = tokio::select! {
            stepped = mailings.step() => panic!("the server says nothing: {stepped:?}"),
            sent = tokio::time::timeout(Duration::from_secs(30), enrolled) => sent,
        };
        assert_eq!(sent.expect("an assignment waits for a mailing"), Did::Something);
        let taken = taken.lock().unwrap().clone();
        assert!(taken.len() == 3 && taken[0] == DR_YAMADA.address, "one connection was kept for them: {taken:?}");
        // What was under way is as after a crash.
        send_by_memory(center);
        center.wind(LEASE + 1);
        assert_eq!(center.settle().await.len(), 3);
    }

    async fn a_mailing_for_which_the_server_is_away_suspends_no_assignment(center: &mut Center) {
        aurora(center).await;
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &at("example.jp", 3)).await;
        for _ in 0..4 {
            center.memory.order(1, Order::Lose);
            assert!(center.process.mailings.step().await.is_err());
            assert!(center.process.mailings.step().await.is_err(), "it is left alone");
            center.wind(60);
        }
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")));
        center.process.intake.step().await.unwrap();
        while center.process.desk.step().await.unwrap() == Did::Something {}
        let before = center.memory.sent().len();
        assert_eq!(center.process.dispatch.step().await.unwrap(), Did::Something);
        assert_eq!(center.memory.sent()[before].envelope.to, DR_YAMADA.address);
        assert_eq!(center.process.dispatch.step().await.unwrap(), Did::Nothing, "of a mailing it takes nothing");
        center.wind(3600);
        center.quiet().await;
    }

    async fn a_server_that_does_not_take_our_address_fails_no_letter(center: &mut Center) {
        aurora(center).await;
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &at("example.jp", 3)).await;
        let mended = Arc::new(AtomicBool::new(false));
        let own = mended.clone();
        let (port, taken) = server(move |address| {
            let refused = address.starts_with("reg+") && !own.load(Ordering::SeqCst);
            (if refused { "553 5.7.1 not owned by this user\r\n" } else { "250 2.0.0 well\r\n" }, Duration::ZERO)
        })
        .await;
        send_by(center, port);
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")));
        center.process.intake.step().await.unwrap();
        while center.process.desk.step().await.unwrap() == Did::Something {}
        for _ in 0..10 {
            for dispatch in [&mut center.process.dispatch, &mut center.process.mailings] {
                let Err(StepError::Away { why, .. }) = dispatch.step().await else { panic!("nothing can leave") };
                assert!(why.contains("553 5.7.1 not owned") && why.contains("from our address"), "{why}");
            }
            center.wind(24 * 3600);
        }
        assert!(taken.lock().unwrap().is_empty());
        let letters = outbox::list(center.store(), Which::All, None, 100).await.unwrap();
        assert!(letters.len() == 6 && letters.iter().all(|letter| letter.state == State::Waiting), "{letters:?}");
        mended.store(true, Ordering::SeqCst);
        center.quiet().await;
        assert_eq!(taken.lock().unwrap().len(), 6);
    }

    async fn a_domain_for_which_letters_come_too_fast_gets_them_slowly(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &at("docomo.ne.jp", 20)).await;
        invite(center, "wellbeing", &at("example.jp", 5)).await;
        let hasty = Arc::new(AtomicBool::new(true));
        let own = hasty.clone();
        let (port, taken) = server(move |to| {
            let fast = to.ends_with("@docomo.ne.jp") && own.load(Ordering::SeqCst);
            (if fast { "450 4.7.28 too many at once\r\n" } else { "250 2.0.0 well\r\n" }, Duration::ZERO)
        })
        .await;
        send_by(center, port);
        assert_eq!(center.process.mailings.step().await.unwrap(), Did::Something);
        let shown = taken.lock().unwrap().clone();
        assert!(shown.len() == 6 && shown[0] == "p0@docomo.ne.jp", "none but the first is tried in vain: {shown:?}");
        let letters = outbox::list(center.store(), Which::All, None, 100).await.unwrap();
        assert_eq!(letters.iter().map(|letter| letter.attempts).sum::<i64>(), 6, "waiting is no attempt: {letters:?}");
        hasty.store(false, Ordering::SeqCst);
        center.quiet().await;
        let few = taken.lock().unwrap().len() - shown.len();
        assert!((1..10).contains(&few), "the others leave, and not all at once: {few}");
        let waiting = outbox::waiting_mass(center.store(), "reg", center.clock.now()).await.unwrap();
        assert!(waiting.throttled > 0, "{waiting:?}");
        for _ in 0..40 {
            center.wind(4);
            center.quiet().await;
        }
        let letters = outbox::list(center.store(), Which::All, None, 100).await.unwrap();
        assert!(letters.iter().all(|letter| letter.state == State::Sent), "{letters:?}");
        assert_eq!(letters.iter().map(|letter| letter.attempts).sum::<i64>(), 25 + 1);
        // It is over after a while: those of later go at once.
        center.wind(10 * limits::SLOWED_EASE_SECONDS);
        let before = taken.lock().unwrap().len();
        let later: Vec<String> = (30..50).map(|number| format!("p{number}@docomo.ne.jp")).collect();
        invite(center, "wellbeing", &later).await;
        center.quiet().await;
        assert_eq!(taken.lock().unwrap().len() - before, 20);
    }

    async fn what_a_server_takes_its_time_over_is_sent_by_nobody_else(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &at("example.jp", 1)).await;
        let (port, taken) = slow_server(Duration::from_secs(3)).await;
        let store = center.store().clone();
        let mut other = center.start_on(&store);
        let (clock, world) = (center.clock.clone(), &center.world);
        let mailings = &mut center.process.mailings;
        mailings.transport = Transport::open(&Delivery::Smtp(bare(port)), clock.clone()).unwrap();
        mailings.lease_seconds = 4;
        let meanwhile = async {
            let ours = async |seconds: i64| {
                let since = clock.now().plus_seconds(seconds).0;
                while world.number("SELECT max(lease_until) FROM outbox").await < since {
                    assert!(taken.lock().unwrap().is_empty(), "it has left, and was not kept for us");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            ours(4).await;
            clock.wind(3);
            ours(4).await;
            clock.wind(3);
            assert_eq!(other.mailings.step().await.unwrap(), Did::Nothing, "it would leave twice");
        };
        let (stepped, ()) = tokio::join!(mailings.step(), meanwhile);
        drop(other);
        assert_eq!(stepped.unwrap(), Did::Something);
        assert_eq!(taken.lock().unwrap().len(), 1);
        send_by_memory(center);
        assert!(center.settle().await.is_empty());
    }

    async fn what_somebody_waits_for_goes_before_a_mailing(center: &mut Center) {
        aurora(center).await;
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &at("example.jp", 30)).await;
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031")));
        center.deliver(&P0.writes("link", "please"));
        center.process.intake.step().await.unwrap();
        while center.process.desk.step().await.unwrap() == Did::Something {}
        assert_eq!(center.process.dispatch.step().await.unwrap(), Did::Something);
        assert_eq!(center.process.dispatch.step().await.unwrap(), Did::Nothing, "of a mailing it takes nothing");
        let first = center.arrived().await;
        assert_eq!(first[0].kind, "assignment-open", "{:?}", kinds(&first));
        assert_eq!(kinds(&first)[1..], [
            ("invitation", P0.address),
            ("link-asked", P0.address),
            ("notice-open", CENTER),
            ("notice-open", STATISTICIAN),
        ]);
        let rest = center.settle().await;
        assert!(rest.len() == 30 && rest.iter().all(|letter| letter.kind == "invitation"), "{:?}", kinds(&rest));
    }

    async fn a_bounded_mailing_leaves_evenly_and_nothing_fails(center: &mut Center) {
        aurora(center).await;
        center.activate(&once(), Stage::Production).await;
        let domains = [("docomo.ne.jp".to_owned(), 12)].into();
        center.process.mailings.throttle = Throttle { domains, ..bound(60) };
        invite(center, "wellbeing", &at("docomo.ne.jp", 20)).await;
        invite(center, "wellbeing", &at("example.com", 40)).await;
        let begun = center.clock.now();
        let mut left = Vec::new();
        for round in 0..80 {
            let mut letters = center.settle().await;
            if round == 5 {
                let waiting = outbox::waiting_mass(center.store(), "reg", center.clock.now()).await.unwrap();
                assert!(0 < waiting.throttled && waiting.throttled < waiting.all, "{waiting:?}");
                // Whoever treats a patient does not wait.
                let own = center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))).await;
                assert!(own.iter().any(|letter| letter.kind == "assignment-open"), "{:?}", kinds(&own));
                letters.extend(own);
            }
            left.extend(invited(center, letters));
            center.wind(4);
        }
        assert_eq!(left.len(), 60);
        assert!(left.iter().any(|(at, _)| at.seconds_since(begun) >= 60), "they were bounded");
        assert!(most_in_a_minute(left.iter()) <= 60, "{left:?}");
        let docomo = left.iter().filter(|(_, to)| to.ends_with("@docomo.ne.jp"));
        assert!(docomo.clone().count() == 20 && most_in_a_minute(docomo) <= 12, "{left:?}");
        for letter in outbox::list(center.store(), Which::All, None, 100).await.unwrap() {
            assert_eq!((letter.state, letter.attempts), (State::Sent, 1), "waiting is no attempt: {letter:?}");
            assert!(outbox::list_attempts(center.store(), letter.id).await.unwrap().is_empty());
        }
    }

    async fn daemons_share_one_bound(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &at("example.jp", 40)).await;
        let store = center.store().clone();
        let mut other = center.start_on(&store);
        center.process.mailings.throttle = bound(60);
        other.mailings.throttle = bound(60);
        let begun = center.clock.now();
        let mut left = Vec::new();
        for _ in 0..30 {
            for _ in 0..3 {
                let (one, two) = tokio::join!(center.process.mailings.step(), other.mailings.step());
                one.unwrap();
                two.unwrap();
            }
            let letters = center.arrived().await;
            left.extend(invited(center, letters));
            center.wind(4);
        }
        drop(other);
        let early = left.iter().filter(|(at, _)| at.seconds_since(begun) <= 20).count();
        assert!((15..=24).contains(&early), "{early}");
        let mut to: Vec<&str> = left.iter().map(|(_, to)| to.as_str()).collect();
        to.sort_unstable();
        to.dedup();
        assert_eq!((left.len(), to.len()), (40, 40));
    }

    async fn a_small_mailing_does_not_stand_behind_a_large_one(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        center.activate(&unscheduled(&samples::somnus()), Stage::Production).await;
        center.process.mailings.throttle = bound(60);
        invite(center, "wellbeing", &at("example.jp", 40)).await;
        invite(center, "somnus", &at("example.com", 10)).await;
        let (mut left, mut small) = (Vec::new(), 0);
        for round in 0..30 {
            let letters = center.settle().await;
            left.extend(invited(center, letters));
            if round == 6 {
                small = left.iter().filter(|(_, to)| to.ends_with("@example.com")).count();
            }
            center.wind(4);
        }
        // In that time half of the large one would have left, and nothing of the small.
        assert!(small >= 6, "{small} of {left:?}");
        assert_eq!(left.len(), 50);
    }

    async fn a_letter_that_waited_for_days_is_tried_for_days(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &["deferred@example.jp".to_owned()]).await;
        center.wind(limits::LETTER_AGE_SECONDS + 3600);
        center.quiet().await;
        let letter = outbox::list(center.store(), Which::All, None, 9).await.unwrap().remove(0);
        assert_eq!((letter.state, letter.attempts), (State::Waiting, 1), "it is not given up at its first attempt");
        for _ in 0..40 {
            center.wind(4 * 3600);
            center.quiet().await;
        }
        let letter = outbox::find(center.store(), letter.id).await.unwrap().unwrap();
        assert_eq!(letter.state, State::Failed);
        let tried = outbox::list_attempts(center.store(), letter.id).await.unwrap();
        let lasted = tried[tried.len() - 1].attempted_at.seconds_since(tried[0].attempted_at);
        assert!(lasted >= limits::LETTER_AGE_SECONDS, "{lasted}");
    }

    async fn whoever_has_a_letter_tried_again_has_it_tried_for_days(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &["deferred@example.jp".to_owned()]).await;
        center.quiet().await;
        let letter = outbox::list(center.store(), Which::All, None, 9).await.unwrap().remove(0);
        // It would be given up within a day.
        for _ in 0..20 {
            center.wind(4 * 3600);
            center.quiet().await;
        }
        let mut tx = center.store().begin().await.unwrap();
        assert!(outbox::retry(&mut tx, letter.id, center.clock.now()).await.unwrap());
        tx.commit().await.unwrap();
        for _ in 0..20 {
            center.quiet().await;
            let letter = outbox::find(center.store(), letter.id).await.unwrap().unwrap();
            assert_eq!(letter.state, State::Waiting);
            center.wind(4 * 3600);
        }
        for _ in 0..20 {
            center.wind(4 * 3600);
            center.quiet().await;
        }
        assert_eq!(outbox::find(center.store(), letter.id).await.unwrap().unwrap().state, State::Failed);
        // Its secret went when it was given up: without it nobody would be served.
        let mut tx = center.store().begin().await.unwrap();
        assert!(!outbox::retry(&mut tx, letter.id, center.clock.now()).await.unwrap());
    }

    async fn days_in_which_the_server_was_away_are_no_tries(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, "wellbeing", &["deferred@example.jp".to_owned()]).await;
        center.memory.order(1, Order::TimeOut);
        assert!(center.process.mailings.step().await.is_err(), "it is away");
        center.wind(limits::LETTER_AGE_SECONDS + 3600);
        // It is back, and busy.
        center.quiet().await;
        let letter = outbox::list(center.store(), Which::All, None, 9).await.unwrap().remove(0);
        assert_eq!((letter.state, letter.attempts), (State::Waiting, 2), "{letter:?}");
        let tried = outbox::list_attempts(center.store(), letter.id).await.unwrap();
        assert_eq!(tried.iter().map(|attempt| attempt.code).collect::<Vec<_>>(), [0, 451]);
        put_aside(center, letter.id).await;
    }
}
