//! A database older than letters that left: whoever holds one against it is told so, and whether what it tells was recorded again.

use std::fs;

use serde_json::Value;

use crate::afterwards::by_hand;
use crate::cli::Place;

const SECOND: &str =
    "allocation force cygnus site=201 subject_ref=201-002 age=51 sex=F name=Sato --by cygnus-stat --reason telephone";

/// The newest letter with an arm, as it goes out.
fn letter(place: &Place, file: &str) {
    let letters = place.ends(0, "outbox list --json").out;
    let mut lines = letters.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = lines.find(|letter| letter["kind"].as_str().unwrap().starts_with("assignment")).unwrap();
    place.write(file, &place.ends(0, &format!("outbox show {} --raw", found["id"])).out);
}

fn copied(place: &Place, from: &str, to: &str) {
    for end in ["", "-wal", "-shm"] {
        let (from, to) = (place.path(&format!("{from}{end}")), place.path(&format!("{to}{end}")));
        if from.exists() {
            fs::copy(from, to).unwrap();
        } else if to.exists() {
            fs::remove_file(to).unwrap();
        }
    }
}

#[test]
fn a_letter_that_is_newer_than_the_database_says_so() {
    let place = by_hand();
    copied(&place, "hagaki.db", "backup.db");
    place.ends(0, &format!("{SECOND} --arm CBT"));
    letter(&place, "letter.eml");
    assert!(place.ends(0, "receipt verify letter.eml").out.starts_with("genuine: CYGNUS-0002"));
    let entries = place.ends(0, "study show cygnus --json").json()["chain"]["length"].as_i64().unwrap();
    let seen = format!(
        "-----BEGIN HAGAKI WITNESS-----\nhagaki 1\nstudy cygnus\nstage production\nentries {entries}\nhead {}\n-----END HAGAKI WITNESS-----\n",
        "ab".repeat(32)
    );
    place.write("witness.txt", &seen);

    copied(&place, "backup.db", "hagaki.db");
    let said = place.run("receipt verify letter.eml");
    assert_eq!(said.code, 1);
    for part in [
        "CYGNUS-0002 is not on file, and the last on file is No. 1",
        "newer than the database",
        "deploy/restore/README.md",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let said = place.run("audit witness witness.txt");
    assert!(said.code == 1 && said.out.contains("the letter is newer than the database"), "{}", said.out);

    // Recorded again with the same arm, and with another one; the witness finds another entry in its place.
    place.ends(0, &format!("{SECOND} --arm CBT"));
    let said = place.run("receipt verify letter.eml");
    assert!(
        said.code == 1
            && said.out.contains("is another one now")
            && said.out.contains("is on file; whether CYGNUS-0002"),
        "{}",
        said.out
    );
    let said = place.run("audit witness witness.txt");
    assert!(said.code == 1 && said.out.contains("a backup was restored and the study went on"), "{}", said.out);
    copied(&place, "backup.db", "hagaki.db");
    place.ends(0, &format!("{SECOND} --arm MED"));
    let said = place.run("receipt verify letter.eml");
    assert!(said.code == 1 && said.out.contains("another allocation is on file"), "{}", said.out);
}
