//! `hagaki election verify`, as it is typed.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const COUNCIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/election/belenios/h-council-tool.bel");

fn verify(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hagaki")).args(["election", "verify"]).args(args).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_returning_officer_is_told_who_won_and_what_was_proved() {
    let output = verify(&[COUNCIL]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    for line in [
        "Sample council election",
        "6 credentials may vote, 5 voted, with 6 ballots",
        "       3  Takahashi",
        "       1  (blank ballots)",
        "All checks passed",
        "Note: the credentials are not in sorted order",
    ] {
        assert!(told.contains(line), "{line}:\n{told}");
    }
    let output = verify(&[COUNCIL, "--json", "--voters", "6"]);
    let report = json(&output);
    assert_eq!(report["ok"], true);
    assert_eq!(report["problems"], json!([]));
    assert_eq!((&report["ballots"], &report["voters"], &report["voted"]), (&json!(6), &json!(6), &json!(5)));
    assert_eq!(report["result"], json!([[1, 1, 1, 3, 2], [2, 2]]));
}

#[test]
fn voters_find_their_ballots() {
    let list = json(&verify(&[COUNCIL, "--json", "--trackers"]))["trackers"].clone();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 6);
    let replaced: Vec<&Value> = list.iter().filter(|own| own["counts"] == false).collect();
    assert_eq!(replaced.len(), 1, "{list:?}");
    let asked = |tracker: &str| {
        let output = verify(&[COUNCIL, "--tracker", tracker]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let tracker = |own: &Value| own["tracker"].as_str().unwrap().to_owned();
    let counts = tracker(list.iter().find(|own| own["counts"] == true).unwrap());
    let (code, told) = asked(&counts);
    assert!(code == Some(0) && told.contains("is there, and counts"), "{told}");
    let (code, told) = asked(&tracker(replaced[0]));
    assert!(code == Some(0) && told.contains("counts in its place"), "{told}");
    let (code, told) = asked(&counts[1..]);
    assert!(code == Some(1) && told.contains("NO ballot with that tracker"), "{told}");
    let told = String::from_utf8(verify(&[COUNCIL, "--trackers"]).stdout).unwrap();
    assert!(list.iter().all(|own| told.contains(&tracker(own))), "{told}");
    assert_eq!(told.matches("(replaced by a later one)").count(), 1);
    assert_eq!(json(&verify(&[COUNCIL, "--json", "--tracker", &counts]))["tracker"], "counts");
    // They are the digests that voters were shown.
    let whole = std::fs::read(COUNCIL).unwrap();
    let digest = data_encoding::BASE64_NOPAD.decode(counts.as_bytes()).unwrap();
    let name = format!("{}.data.json", data_encoding::HEXLOWER.encode(&digest));
    assert!(whole.windows(name.len()).any(|window| window == name.as_bytes()));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_ends_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(COUNCIL).unwrap();
    // Set-up and first ballot: the rest was not there yet when the copy was taken.
    let cut = 27_648;
    let write = |name: &str, bytes: &[u8]| -> String {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let (older, other) = (write("older.bel", &whole[..cut]), write("other.bel", &[&whole[1..cut], b"\0"].concat()));
    assert_eq!(verify(&[COUNCIL, "--diff", &older]).status.code(), Some(0));
    let output = verify(&[COUNCIL, "--diff", &other, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["problems"][0]["code"], "not-appended");
    assert_eq!(json(&output)["result"], Value::Null);
    // Of nothing every file is the continuation.
    assert_eq!(verify(&[COUNCIL, "--diff", &write("empty.bel", b"")]).status.code(), Some(1));
    let output = verify(&[COUNCIL, "--voters", "7"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("event 0 (Setup): The number of credentials is not the number of voters"), "{told}");
    assert!(told.contains("[other-voters]") && !told.contains("Takahashi"), "{told}");
    let shuffled = verify(&[&COUNCIL.replace("h-council", "nh-rank")]);
    assert_eq!(shuffled.status.code(), Some(1));
    let told = String::from_utf8(shuffled.stdout).unwrap();
    assert!(told.contains("[mixnet]") && told.contains("Not checked") && !told.contains("Refused"), "{told}");
    let told = String::from_utf8(verify(&[&older]).stdout).unwrap();
    assert!(told.contains("[result-missing]") && told.contains("Not finished"), "{told}");
    assert_eq!(verify(&[&older, "--open"]).status.code(), Some(0));
    // Of a file that is not set up nothing was compared with what was expected.
    let begun = write("begun.bel", &whole[..1_024]);
    let output = verify(&[&begun, "--open", "--voters", "7", "--json"]);
    assert_eq!((output.status.code(), json(&output)["problems"][0]["code"].as_str()), (Some(1), Some("setup-missing")));
    let cut_off = write("cut.bel", &whole[..whole.len() - 1]);
    let output = verify(&[&cut_off, "--json"]);
    assert_eq!(json(&output)["problems"][0]["code"], "tar-cut");
    let missing = verify(&[Path::new(&older).with_file_name("none.bel").to_str().unwrap()]);
    assert_eq!(missing.status.code(), Some(3));
}
