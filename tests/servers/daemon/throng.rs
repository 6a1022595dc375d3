//! Many sites at once, two daemons on one database and one mailbox, one of which is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use encoding_rs::UTF_8;
use hagaki::domain::receipt::Receipt;
use hagaki::letters::opened;

use super::house::{Engine, Installation, mail, registration, wait_longer};
use crate::harness::{SERVICE, Servers};

const SITES: usize = 20;
const SUBJECTS: usize = 500;
/// The most memory the shipped daemon may ever hold, in MB; `benches/enroll.rs` holds it to the same.
const MEMORY: f64 = 60.0;
/// The most of it that may be its own, in MB, however it was built. The rest are pages of the program, and an unoptimized one has
/// three times as many as what is shipped.
const OWN_MEMORY: f64 = 24.0;

fn site(number: usize) -> String {
    format!("{:03}", 101 + number % SITES)
}

fn physician(number: usize) -> String {
    format!("p{}@example.jp", site(number))
}

fn subject(number: usize) -> String {
    format!("Q-{number:04}")
}

/// The sample study with twenty sites, one physician at each.
fn bundle(house: &Installation) -> String {
    let sites: String = (0..SITES)
        .map(|number| {
            let (site, address) = (site(number), physician(number));
            format!(
                "[[sites]]\ncode = \"{site}\"\nname = {{ ja = \"第{site}病院\", en = \"Hospital {site}\" }}\n\n\
                 [[people]]\nid = \"p{site}\"\nname = {{ ja = \"医師{site}\", en = \"Physician {site}\" }}\n\
                 addresses = [\"{address}\"]\nroles = [\"investigator\"]\nsites = [\"{site}\"]\nlanguage = \"en\"\n\n"
            )
        })
        .collect();
    let folder = house.bundle("throng", |file, text| match file {
        "study.toml" => {
            let (before, rest) = text.split_once("[[sites]]").unwrap();
            let after = &rest[rest.find("[[people]]\nid = \"center\"").unwrap()..];
            format!("{before}{sites}{after}")
                .replace("@example.org", "@example.jp")
                .replace("planned_subjects = 240", "planned_subjects = 500")
        }
        "allocation.toml" => text.replace("total = 240", "total = 500"),
        _ => text,
    });
    folder.display().to_string()
}

#[test]
fn five_hundred_from_twenty_sites_through_two_daemons() {
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::bare(&servers, Engine::Postgres) else { return };
    house.hagaki(&["study", "activate", &bundle(&house)]).well();
    house.edit("hagaki.toml", "interval_seconds = 60", "interval_seconds = 2");
    house.edit("second.toml", "interval_seconds = 60", "interval_seconds = 2");
    let first = house.serve();
    let second = house.serve_second();
    let started = Instant::now();
    std::thread::scope(|scope| {
        let sending: Vec<_> = (0..4)
            .map(|sender| {
                let servers = &servers;
                scope.spawn(move || (sender..SUBJECTS).step_by(4).for_each(|number| send(servers, number)))
            })
            .collect();
        // The one that reads the mailbox is killed in the middle.
        wait_longer("a third of the subjects", Duration::from_secs(100), || {
            (house.subjects("aurora") >= SUBJECTS as u64 / 3).then_some(())
        });
        eprintln!("the first daemon is killed after {:?}", started.elapsed());
        first.kill();
        sending.into_iter().for_each(|sending| sending.join().unwrap());
    });
    eprintln!("submitted after {:?}", started.elapsed());
    wait_longer("every subject enrolled", Duration::from_secs(120), || {
        (house.subjects("aurora") >= SUBJECTS as u64).then_some(())
    });
    eprintln!("enrolled after {:?}", started.elapsed());
    let receipts = wait_longer("an answer for every subject", Duration::from_secs(120), || {
        let receipts = receipts(&servers);
        (receipts.len() == SUBJECTS).then_some(receipts)
    });
    eprintln!("answered after {:?}", started.elapsed());
    let numbers: BTreeSet<u64> = receipts.values().map(|receipt| receipt.allocation).collect();
    assert_eq!(numbers, (1..=SUBJECTS as u64).collect());
    wait_longer("an empty INBOX", Duration::from_secs(60), || servers.mails(SERVICE, "INBOX").is_empty().then_some(()));
    assert!(servers.mails(SERVICE, "Quarantine").is_empty());
    let proving = Instant::now();
    assert_eq!((house.subjects("aurora"), house.prove("aurora")), (SUBJECTS as u64, SUBJECTS as u64));
    eprintln!("proved in {:?}", proving.elapsed());
    let (own, peak) = (second.own_megabytes(), second.peak_megabytes());
    eprintln!("the second daemon held {own:.1} MB of its own, with the pages of the program {peak:.1} MB at most");
    assert!(own < OWN_MEMORY && (cfg!(debug_assertions) || peak < MEMORY), "{own} of {peak} MB");
    let (status, _) = second.terminate();
    assert!(status.success(), "{status}");
}

/// A registration; of some the same mail once more, of others another mail that says the same.
fn send(servers: &Servers, number: usize) {
    let from = physician(number);
    let write = || mail(&from, SERVICE, "[AURORA] enroll", &registration(&site(number), &subject(number)), UTF_8);
    let raw = write();
    servers.submit(&from, SERVICE, &raw);
    if number.is_multiple_of(5) {
        servers.submit(&from, SERVICE, &raw);
    }
    if number.is_multiple_of(7) {
        servers.submit(&from, SERVICE, &write());
    }
}

/// The receipt for each subject, which is the same in each letter about it.
fn receipts(servers: &Servers) -> BTreeMap<String, Receipt> {
    let mut receipts: BTreeMap<String, Receipt> = BTreeMap::new();
    for number in 0..SITES {
        for raw in servers.mails(&physician(number), "INBOX") {
            let text = opened::open(&raw).text;
            let reference = text.find("Q-").and_then(|at| text.get(at..at + 6)).expect("a subject").to_owned();
            let Ok(claimed) = Receipt::parse(&text) else { continue };
            let known = receipts.entry(reference).or_insert_with(|| claimed.receipt.clone());
            assert_eq!(*known, claimed.receipt);
        }
    }
    receipts
}
