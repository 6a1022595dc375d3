//! How long the whole of `hagaki allocation verify` takes: replay, chain, subjects, records, facts and kits of 100,000 allocations,
//! drawn here and imported from elsewhere, beside a plain scan of the same rows and SHA-256 of the same records.
//!
//! `cargo bench --bench verify -- [--count N] [--only drawn|imported] [--parent FOLDER] [--keep]`

mod load;

use std::path::Path;
use std::time::{Duration, Instant as Moment};

use futures::StreamExt as _;
use hagaki::daemon::run::keys;
use hagaki::definition;
use hagaki::domain::allocation::{HistoryRow, Levels};
use hagaki::domain::answer::{self, Line};
use hagaki::domain::study::Stage;
use hagaki::store::{Store, study};
use hagaki::workflow::enroll::{self, Application, Confirmed, Enrollment};
use hagaki::workflow::import::{self, Source};
use hagaki::workflow::ledger::Ledger;
use hagaki::workflow::life::{self, Act};
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::shelf::{Shelf, ShelvedStudy};
use hagaki::workflow::{Arrival, DeskAddress, Means};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use self::load::{Registration, clock, dice, plain_study};

/// Enrollments of one transaction while the database is filled.
const BATCH: usize = 1_000;
/// Times that each thing is measured; the median counts.
const RUNS: usize = 5;
const SLUG: &str = "aurora0";

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let after = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let count: usize = after("--count").map_or(100_000, |count| count.parse().expect("--count: a number"));
    let parent = after("--parent").map_or_else(std::env::temp_dir, std::path::PathBuf::from);
    for kind in ["drawn", "imported"] {
        if after("--only").is_some_and(|only| only != kind) {
            continue;
        }
        let folder = tempfile::Builder::new().prefix("hagaki-verify").tempdir_in(&parent).expect("a scratch folder");
        let file = folder.path().join("hagaki.db");
        let begun = Moment::now();
        let store = open(&file).await;
        let shelved = activate(&store).await;
        match kind {
            "drawn" => draw(&store, &shelved, count).await,
            _ => import(&store, &shelved, count).await,
        }
        store.close().await;
        drop(store);
        println!("{kind}: {count} allocations, {} MB, made in {:.1?}", size(&file) >> 20, begun.elapsed());
        let scan = median(async || scan(&file).await).await;
        let digests = median(async || digest(&file).await).await;
        let verify = median(async || verify(&file, kind, count as u64).await).await;
        let limit = scan + digests;
        println!("  plain scan of the rows      {scan:>9.3?}");
        println!("  SHA-256 of the records      {digests:>9.3?}");
        println!(
            "  hagaki allocation verify    {verify:>9.3?}  {:.2} of the two",
            verify.as_secs_f64() / limit.as_secs_f64()
        );
        if words.iter().any(|word| word == "--keep") {
            println!("  kept in {}", folder.keep().display());
        }
    }
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}

async fn median(measure: impl AsyncFn() -> Duration) -> Duration {
    let mut found = Vec::new();
    for _ in 0..RUNS {
        found.push(measure().await);
    }
    found.sort();
    found[RUNS / 2]
}

async fn open(file: &Path) -> Store {
    Store::open(&format!("sqlite://{}", file.display())).await.expect("a database")
}

async fn activate(store: &Store) -> ShelvedStudy {
    let bundle = plain_study(0);
    let (study, _) = definition::load(&bundle).expect("the sample study");
    let act = Act { actor: "load", at: clock().now(), reason: "load" };
    life::activate(store, &bundle, &study, Stage::Production, act, &*dice()).await.expect("activated");
    load(store).await
}

async fn load(store: &Store) -> ShelvedStudy {
    let row = study::find_current(store, SLUG).await.expect("the database").expect("it was activated");
    Shelf::new(store.clone()).load(&row).await.expect("a study")
}

/// Enrolls by the workflow's own function; only the letters are left out.
async fn draw(store: &Store, shelved: &ShelvedStudy, count: usize) {
    let (clock, dice) = (clock(), dice());
    let keys = keys(store, &*dice).await.expect("keys");
    let shelf = Shelf::new(store.clone());
    let desk = DeskAddress {
        mailbox: "reg".to_owned(),
        address: "reg@example.jp".to_owned(),
        display: String::new(),
        message_id_domain: "example.jp".to_owned(),
        public_url: "http://localhost".to_string(),
        openpgp: None,
    };
    let registrations: Vec<Registration> = Registration::of(1, 0, count).collect();
    for batch in registrations.chunks(BATCH) {
        let mut ledger = Ledger::begin(&shelf).await.expect("a transaction");
        for registration in batch {
            let now = clock.now();
            let means = Means { now, dice: &*dice, keys: &keys, desk: &desk };
            let text = String::from_utf8(registration.letter(now)).expect("UTF-8");
            let body = text.split_once("\r\n\r\n").expect("a letter has a head").1;
            let pairs = body.lines().filter_map(|line| line.split_once(": "));
            let lines: Vec<Line> = (1..)
                .zip(pairs)
                .map(|(number, (key, value))| Line { key: key.to_owned(), value: value.to_owned(), number })
                .collect();
            let study = &shelved.study;
            let form = answer::read_form(study, study.registration_instrument(), &lines, now.day_in(study.zone));
            let (sender, _) = registration.sender();
            let person = study.people.iter().find(|person| person.addresses.iter().any(|own| own == sender));
            let arrival = Arrival {
                inbox_id: registration.subject as i64 + 1,
                sender,
                message_id: None,
                references: &[],
                message_key: "",
                content_digest: &[0; 32],
                released: false,
                site_token: None,
                encrypted: false,
            };
            let application = Application {
                person: person.expect("a person"),
                form: &form,
                confirmed: Confirmed::ByReply,
                participant: None,
            };
            let came = enroll::enroll(&mut ledger, shelved, means, arrival.into(), application).await.expect("decided");
            assert!(matches!(came, Enrollment::Enrolled(_)), "{came:?}");
        }
        ledger.commit().await.expect("committed");
    }
}

async fn import(store: &Store, shelved: &ShelvedStudy, count: usize) {
    let scheme = shelved.study.scheme.as_ref().expect("the study randomizes");
    let mut bytes = vec![0; count];
    dice().fill(&mut bytes);
    let line = |registration: Registration| {
        let n = registration.subject;
        let (_, site) = registration.sender();
        let levels: Levels = [
            ("site", site),
            ("sex", ["F", "M"][n % 2]),
            ("stage", ["II", "III", "IV"][n % 3]),
            ("ecog_ps", ["0", "1", "2"][n % 3]),
        ]
        .map(|(id, level)| (id.to_owned(), level.to_owned()))
        .into();
        let arm = if bytes[n].is_multiple_of(2) { "STD" } else { "COMB" };
        let row = HistoryRow { levels, arm: arm.to_owned(), slot: None, block_size: None, by_hand: false };
        let (subject, answers) = (registration.reference(), Default::default());
        import::Line { number: n as u64 + 2, subject, site: None, kit: None, at: None, row, answers }
    };
    let lines: Vec<import::Line> = Registration::of(1, 0, count).map(line).collect();
    let history = import::fit(shelved, scheme, import::OnFile::default(), &lines, clock().now()).expect("it fits");
    let act = Act { actor: "load", at: clock().now(), reason: "load" };
    let source = Source { name: "old.csv", digest: "00" };
    import::import(store, shelved, &history, source, act, &*dice()).await.expect("imported");
}

/// What the command does, from opening the database to the verdict.
async fn verify(file: &Path, kind: &str, count: u64) -> Duration {
    let begun = Moment::now();
    let store = open(file).await;
    let shelved = load(&store).await;
    let verdict = proof::verify(&store, &shelved).await.expect("a verdict");
    let took = begun.elapsed();
    match kind {
        "drawn" => assert_eq!(verdict, Verdict::Proved(count)),
        _ => assert_eq!(verdict, Verdict::ProvedBesides { proved: 0, imported: count, forced: 0 }),
    }
    store.close().await;
    took
}

/// Every row that is compared, read once and thrown away.
async fn scan(file: &Path) -> Duration {
    let begun = Moment::now();
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.expect("the file");
    let mut sum = 0;
    for statement in [
        "SELECT seq, at, actor, action, body, digest FROM audit WHERE study_id > 0 ORDER BY study_id, seq",
        "SELECT number, enrolled_at, site, person, reference_key, answers, inbox_id, audit_digest FROM subject ORDER BY study_id, number",
        "SELECT number, allocated_at, arm, levels, record, subject_id, bundle_version, slot, block_size, kit FROM allocation \
         ORDER BY study_id, number",
    ] {
        let mut rows = sqlx::query(statement).fetch(&mut connection);
        while let Some(row) = rows.next().await {
            sum += row.expect("a row").get::<i64, usize>(0);
        }
    }
    assert!(sum > 0);
    begun.elapsed()
}

/// SHA-256 of every record of an allocation.
async fn digest(file: &Path) -> Duration {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.expect("the file");
    let rows = sqlx::query("SELECT record FROM allocation").fetch_all(&mut connection).await.expect("rows");
    let records: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let begun = Moment::now();
    let sum = records.iter().fold(0, |sum, record| sum ^ Sha256::digest(record)[0]);
    std::hint::black_box(sum);
    begun.elapsed()
}
