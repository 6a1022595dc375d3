//! Ballots of the booth's script, without a browser.

use hagaki::domain::belenios::audit::{self, Expected};
use hagaki::domain::belenios::element::Element;
use hagaki::domain::belenios::group::{GENERATOR, ORDER, PRIME};
use hagaki::domain::belenios::json::base64_digest;
use hagaki::domain::belenios::scalar::Scalar;
use hagaki::web::booth::{BoothPage, BoothPlan};
use serde_json::{Value, json};

use super::engine::Engine;
use super::world::{SEED, World, question};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/election/belenios");

#[test]
fn single_computations_are_those_of_everybody_else() {
    let Some(engine) = Engine::find() else { return };
    let cases: Value = serde_json::from_str(include_str!("../../data/election/belenios/primitives.json")).unwrap();
    assert_eq!(engine.ask("primitives", &cases), "same");
    let page = BoothPage::assemble(&BoothPlan::default()).unwrap();
    let plain: String = page.text().chars().filter(|c| !c.is_whitespace()).collect::<String>().replace("\"+\"", "");
    for number in [PRIME, GENERATOR, ORDER] {
        assert!(plain.contains(&format!("\"{number}\"")), "{number:.20}");
    }
}

#[test]
fn every_ballot_that_rules_allow_is_made_and_holds() {
    let Some(engine) = Engine::find() else { return };
    let questions = [
        question(&["佐藤", "鈴木", "</script>"], true, 1, 2),
        question(&["a", "b"], false, 0, 1),
        question(&["はい", "いいえ"], true, 1, 1),
        question(&["a", "b", "c"], false, 2, 3),
        question(&["a"], true, 0, 1),
    ];
    let ballots = [
        [vec![0, 1, 0, 1], vec![0, 0], vec![0, 1, 0], vec![1, 1, 0], vec![0, 0]],
        [vec![1, 0, 0, 0], vec![1, 0], vec![1, 0, 0], vec![1, 1, 1], vec![1, 0]],
        [vec![0, 0, 0, 1], vec![0, 1], vec![0, 0, 1], vec![0, 1, 1], vec![0, 1]],
    ];
    let mut world = World::new(&questions, &[1, 3, 1]);
    let secrets: Vec<String> = world.voters.iter().map(ToString::to_string).collect();
    // The first votes again, and the last ballot counts.
    let votes =
        [(0, 1), (0, 0), (1, 1), (2, 2)].map(|(voter, ballot)| (secrets[voter].clone(), ballots[ballot].to_vec()));
    world.parts.ballots = engine.ballots(&world.parts.election, &votes);
    world.close();
    let report = audit::check(&world.parts.write(), Expected::default(), SEED);
    assert_eq!(report.problems, []);
    let result = vec![vec![3, 1, 0, 2], vec![3, 1], vec![3, 1, 1], vec![4, 5, 4], vec![3, 1]];
    assert_eq!(report.result, Some(result));
    let file = std::str::from_utf8(&world.parts.election).unwrap();
    let wrong = |place: usize, votes: &[u64]| {
        let mut all = ballots[0].to_vec();
        all[place] = votes.to_vec();
        json!({ "file": file, "secret": secrets[0], "votes": all })
    };
    let wanted = json!([
        wrong(0, &[0, 1, 1, 1]),
        wrong(0, &[0, 0, 0, 0]),
        wrong(0, &[1, 1, 0, 0]),
        wrong(0, &[0, 2, 0, 0]),
        wrong(0, &[0, 1, 0]),
        wrong(1, &[1, 1]),
        wrong(3, &[1, 0, 0]),
    ]);
    for made in engine.ask("ballots", &wanted).as_array().unwrap() {
        assert_eq!(made, &json!({ "fault": "ballot_not_allowed" }));
    }
}

#[test]
fn slips_of_the_pen_are_told_and_other_ways_of_typing_are_not() {
    let Some(engine) = Engine::find() else { return };
    let credential = "q7q-6F8-SMX-tXL-QAY";
    let ask = |typed: &[String]| engine.ask("credentials", &json!({ "uuid": "FbtkWh9badwNaY", "typed": typed }));
    let same = ["q7q-6F8-SMX-tXL-QAY", "q7q6F8SMXtXLQAY", " ｑ７ｑ－６Ｆ８ーSMX—tXL　QAY\n", "q7q‐6F8‑SMX−tXL-QAY"];
    for told in ask(&same.map(str::to_owned)).as_array().unwrap() {
        assert_eq!(told["credential"], credential, "{told}");
    }
    let wrong = ["", "q7q-6F8-SMX-tXL-QA", "q7q-6F8-SMX-tXL-QA0", "q7q-6F8-SMX-tXL-QAY-1"].map(str::to_owned);
    let told = ask(&wrong);
    let codes: Vec<&str> = told.as_array().unwrap().iter().map(|one| one["fault"].as_str().unwrap()).collect();
    assert_eq!(codes, ["credential_empty", "credential_length", "credential_character", "credential_length"]);
    // Of characters with the wrong case and neighbors that are exchanged, one in fifty may go unseen; the list of keys finds those.
    let characters: Vec<char> = credential.chars().collect();
    let mut slips = Vec::new();
    for place in (0..characters.len()).filter(|place| characters[*place] != '-') {
        let mut slip = characters.clone();
        slip[place] = if slip[place].is_uppercase() {
            slip[place].to_ascii_lowercase()
        } else {
            slip[place].to_ascii_uppercase()
        };
        slips.push(slip.into_iter().collect::<String>());
        let mut slip = characters.clone();
        let next = (place + 1..characters.len()).find(|next| characters[*next] != '-').unwrap_or(place);
        slip.swap(place, next);
        slips.push(slip.into_iter().collect::<String>());
    }
    slips.retain(|slip| slip != credential);
    assert!(slips.len() > 20);
    let told = ask(&slips);
    let unseen = told.as_array().unwrap().iter().filter(|told| told["fault"].is_null());
    assert!(unseen.count() <= 1, "{told}");
}

#[test]
fn a_credential_that_is_typed_signs_a_ballot_that_counts() {
    let Some(engine) = Engine::find() else { return };
    let (mut world, credentials) = World::with_credentials(&[question(&["a", "b"], false, 1, 1)]);
    let secrets = engine.secrets(&world.election.uuid, &credentials);
    let votes: Vec<_> = secrets.into_iter().map(|secret| (secret, vec![vec![0, 1]])).collect();
    world.parts.ballots = engine.ballots(&world.parts.election, &votes);
    world.close();
    let report = audit::check(&world.parts.write(), Expected::default(), SEED);
    assert_eq!((report.problems, report.result), (vec![], Some(vec![vec![0, 3]])));
}

#[test]
fn archives_are_read_as_far_as_the_election_is_set_up() {
    let Some(engine) = Engine::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(format!("{DATA}/h-council-tool.bel")).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let changed = String::from_utf8_lossy(&whole).replacen("Takahashi", "Takahasi!", 1).into_bytes();
    let paths = [
        format!("{DATA}/h-council-tool.bel"),
        format!("{DATA}/nh-rank-tool.bel"),
        write("cut.bel", &whole[..3_000]),
        write("changed.bel", &changed),
        write("other.bel", b"{}"),
    ];
    let told = engine.ask("archives", &json!(paths));
    let report = audit::check(&whole, Expected::default(), SEED);
    let fingerprint = report.election.map(|election| election.fingerprint);
    assert_eq!(told[0], json!({ "fingerprint": fingerprint, "name": "Sample council election", "keys": 6 }));
    let codes: Vec<&Value> = told.as_array().unwrap().iter().skip(1).map(|one| &one["fault"]).collect();
    assert_eq!(codes, ["election_other_kind", "archive_cut", "archive_changed", "archive_cut"]);
}

#[test]
fn a_key_that_opens_ballots_is_refused() {
    let Some(engine) = Engine::find() else { return };
    let world = World::new(&[question(&["a"], false, 0, 1)], &[1]);
    let file = std::str::from_utf8(&world.parts.election).unwrap();
    let key = world.election.key.to_string();
    // The neutral element, the number below the prime, one above it, and one of another order.
    let minus_one = format!("{}8", &PRIME[..PRIME.len() - 1]);
    for other in ["1", &minus_one, &format!("{PRIME}0"), "2"] {
        let wanted = json!([{ "file": file.replace(&key, other), "secret": "5", "votes": [[0]] }]);
        let told = engine.ask("ballots", &wanted);
        assert_eq!(told[0]["fault"], "election_key", "{other:.20}");
    }
}

#[test]
fn the_longer_credentials_of_later_versions_are_taken() {
    let Some(engine) = Engine::find() else { return };
    let mut world = World::new(&[question(&["a", "b"], true, 1, 1)], &[1]);
    let credential = "abcde-FGHJKm-12345-zyxwvu".to_owned();
    let secret = engine.secrets(&world.election.uuid, std::slice::from_ref(&credential)).remove(0);
    let key = Element::generator().power(&Scalar::parse(&secret).unwrap());
    world.parts.credentials = hagaki::domain::belenios::setup::Credentials::file(&[(key, 1)]);
    world.parts.ballots = engine.ballots(&world.parts.election, &[(secret, vec![vec![0, 1, 0]])]);
    world.close();
    let report = audit::check(&world.parts.write(), Expected::default(), SEED);
    assert_eq!((report.problems, report.result), (vec![], Some(vec![vec![0, 1, 0]])));
}

#[test]
fn the_command_writes_the_page_and_tells_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("booth.html");
    let bel = format!("{DATA}/h-council-tool.bel");
    let booth = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_hagaki"))
            .args(["election", "booth", "--out", out.to_str().unwrap()])
            .args(args)
            .output()
            .unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), told)
    };
    let (code, told) = booth(&["--bel", &bel, "--cast-url", "/cast", "--json"]);
    assert_eq!(code, Some(0), "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let page = std::fs::read(&out).unwrap();
    let digest = data_encoding::BASE64_NOPAD.decode(base64_digest(&page).as_bytes()).unwrap();
    assert_eq!(told["sha256"], data_encoding::HEXLOWER.encode(&digest));
    assert_eq!((&told["voters"], &told["bytes"]), (&json!(6), &json!(page.len())));
    assert!(String::from_utf8(page).unwrap().contains("Sample council election"));
    // A page whose digest was told is not written over.
    let (code, told) = booth(&["--bel", &bel]);
    assert_eq!(code, Some(3), "{told}");
    std::fs::remove_file(&out).unwrap();
    let (code, told) = booth(&["--bel", &bel.replace("h-council", "nh-rank")]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("[mixnet]") && !out.exists(), "{told}");
    let (code, told) = booth(&["--cast-url", "http://vote.example.jp/"]);
    assert_eq!(code, Some(1), "{told}");
    let (code, told) = booth(&[]);
    assert!(code == Some(0) && told.contains("sha256sum") && told.contains("handed in"), "{told}");
}
