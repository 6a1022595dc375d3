//! An election as its committee holds it from the command line.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cli::{Place, copy};

const COUNCIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies/council");

/// The sample in rehearsal, with votes from long ago to the end of the century, and no time for objections.
fn held() -> Place {
    let place = Place::new();
    copy(Path::new(COUNCIL), &place.path("council"));
    let mut rules = fs::read_to_string(place.path("council/election.toml")).unwrap();
    for (from, to) in [
        ("opens = \"2027-01-12 09:00\"", "opens = \"2020-01-12 09:00\""),
        ("closes = \"2027-01-31 17:00\"", "closes = \"2100-01-31 17:00\""),
        ("objections_until = \"2026-12-25 17:00\"", ""),
        ("additions_until = \"2027-01-24 17:00\"", "additions_until = \"2100-01-24 17:00\""),
    ] {
        assert!(rules.contains(from), "{from}");
        rules = rules.replace(from, to);
    }
    place.write("council/election.toml", &rules);
    place.ends(0, "study activate council --reason go");
    place
}

fn phase(place: &Place) -> Value {
    place.ends(0, "election phase council --json").json()
}

/// Both of the committee take a step.
fn both(place: &Place, step: &str, further: &str) -> Value {
    let asked = place.ends(0, &format!("election {step} council --by committee --reason rules --json{further}")).json();
    assert_eq!(asked["state"], "asked");
    let ran = place.ends(0, &format!("election {step} council --by scrutineer --reason rules --json{further}"));
    serde_json::from_str(ran.out.lines().next().unwrap()).unwrap()
}

#[test]
fn an_election_is_held_by_two_people() {
    let place = held();
    let list = "number,name,district,postal\nA1,Hana,east,1\nA2,Kim,west,1\n";
    place.write("roll.csv", list);
    place.write("bad.csv", &list.replace("west", "north"));
    let ran = place.ends(1, "election roll import council bad.csv");
    assert!(ran.err.contains("bad.csv:3: district: is in the district \"north\""), "{}", ran.err);
    let tried = place.ends(0, "election roll import council roll.csv --dry-run --json").json();
    assert_eq!((&tried["added"], &tried["dry_run"]), (&json!(2), &json!(true)));
    assert_eq!(phase(&place)["voters"], 0);
    assert!(place.ends(1, "election open council --by committee").err.contains("nobody is on the roll"));
    place.ends(0, "election roll import council roll.csv --reason list");
    let shown = place.ends(0, "election roll show council --json").json();
    assert_eq!((&shown["voters"], &shown["postal"]), (&json!(2), &json!(2)));
    assert_eq!(phase(&place)["postal"], 2);
    assert_eq!(shown["districts"], json!({ "east": 1, "west": 1 }));
    assert_eq!(shown["digests"], tried["digests"]);
    let lines = place.ends(0, "election roll show council --lines").out;
    assert_eq!(lines, "A1\tHana\teast\t\t1\nA2\tKim\twest\t\t1\n");
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
    let rules = fs::read(place.path("council/election.toml")).unwrap();
    let (rule, roll) = (hex(&rules), hex(lines.as_bytes()));
    assert_eq!((&shown["digests"]["rule"], &shown["digests"]["roll"]), (&json!(rule), &json!(roll)));
    let both_of = format!("hagaki election 1\nrule {rule}\nroll {roll}\n");
    assert_eq!(shown["digests"]["whole"], json!(hex(both_of.as_bytes())));

    let refused = place.ends(1, "election roll add council A1 --name Abe --district east --reason forgotten");
    assert!(refused.err.contains("has the number A1"), "{}", refused.err);
    let refused = place.ends(1, "election roll add council A3 --name Abe --reason forgotten");
    assert!(refused.err.contains("the voter is in no district"), "{}", refused.err);
    place.ends(2, "election roll remove council A1");
    place.ends(0, "election roll add council A3 --name Abe --district east --email abe@example.jp --reason forgotten");
    place.ends(0, "election roll remove council Ａ3 --reason resigned");
    place.ends(0, "election roll postal council A1 --off --reason asked");
    let refused = place.ends(1, "election roll correct council A1 --reason wrong");
    assert!(refused.err.contains("--name or --email"), "{}", refused.err);
    place.ends(1, "election roll correct council A1 --email nowhere --reason wrong");
    place.ends(0, "election roll correct council A1 --email hana@example.jp --reason wrong");
    assert!(
        place
            .ends(1, "election roll correct council A1 --email hana@example.jp --reason wrong")
            .err
            .contains("already")
    );
    let listed = place.ends(0, "election roll list council").out;
    assert!(listed.contains("A1\tHana\thana@example.jp\teast\tweb\tno letter yet"), "{listed}");
    assert!(!place.ends(0, "election roll list council --unreached").out.contains("A1"));
    for command in ["notify", "credentials", "remind", "announce"] {
        let early = place.ends(1, &format!("election {command} council --reason early"));
        assert!(early.err.contains("comes first"), "{}", early.err);
    }
    let back = place.ends(0, "election roll postal council A1 --reason asked --json").json();
    assert_eq!((&back["late"], &back["digests"]), (&json!(false), &shown["digests"]));

    // Nothing counts what is in the urn: it would tell how many have voted.
    assert_eq!(place.ends(0, "study show council --json").json()["sealed"], Value::Null);
    let doctor = place.run("doctor --json").out;
    assert!(doctor.contains("\"sealed ballots of council\"") && !doctor.contains("sealed answers of"), "{doctor}");

    assert_eq!((&phase(&place)["phase"], &phase(&place)["next"]["step"]), (&json!("setup"), &json!("open")));
    place.ends(0, "election open council --by committee --reason settled");
    let alone = place.ends(1, "election open council --by committee --reason settled");
    assert!(alone.err.contains("another person of the committee confirms it"), "{}", alone.err);
    place.ends(1, "election open council --by nobody --reason settled");
    let done = place.ends(0, "election open council --by scrutineer --reason settled --json").json();
    assert_eq!((&done["state"], &done["about"]), (&json!("done"), &shown["digests"]["whole"]));
    assert_eq!(phase(&place)["phase"], "open");
    assert!(place.ends(0, "election phase council").out.contains("committee asked at"));
    let late =
        place.ends(0, "election roll add council A4 --name Sato --district west --postal --reason late --json").json();
    assert_eq!(late["late"], true);

    // Everybody votes by post, so that nobody is left to vote here.
    assert!(place.ends(1, "election files council --dir out").err.contains("not opened yet"));
    let done = both(&place, "close", " --dir out");
    assert_eq!((&done["state"], &done["papers"]), (&json!("done"), &json!(0)));
    assert_eq!(phase(&place)["phase"], "closed");
    let file = |name: &str| fs::read_to_string(place.path(&format!("out/{name}"))).unwrap();
    assert_eq!(file("ballots.csv"), "contest,district,class,votes,write_in,invalid,count\n");
    assert_eq!(
        file("roll.csv"),
        "number,name,district,postal,voted\nA1,Hana,east,1,\nA2,Kim,west,1,\nA4,Sato,west,1,\n"
    );
    assert!(file("facts.toml").ends_with("roll = { \"east\" = 1, \"west\" = 2 }\n"), "{}", file("facts.toml"));
    assert_eq!((file("election.toml").as_bytes(), file("receipts.txt").as_str()), (&rules[..], ""));
    place.ends(1, "election files council --dir out");
    let counted = place.ends(0, "election files council --dir again --json").out;
    place.write("outcome.json", &counted);
    let recorded = both(&place, "record", " --outcome outcome.json");
    assert_eq!(recorded["about"], json!(hex(counted.as_bytes())));
    both(&place, "certify", "");
    let after = phase(&place);
    assert_eq!((&after["phase"], &after["voted"], &after["next"]), (&json!("certified"), &json!(0), &Value::Null));
    place.ends(0, "audit verify");
}

#[test]
fn a_study_without_an_election_has_no_roll() {
    let place = Place::new();
    place.ends(0, concat!("study activate ", env!("CARGO_MANIFEST_DIR"), "/config/studies/wellbeing --reason go"));
    for line in ["election phase wellbeing", "election roll show wellbeing", "election phase nosuch"] {
        let ran = place.ends(1, line);
        assert!(ran.err.contains("holds no election") || ran.err.contains("nosuch"), "{}", ran.err);
    }
}
