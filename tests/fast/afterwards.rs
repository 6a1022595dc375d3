//! The commands on what a study leaves: exports, the package of a revealed secret, a history from elsewhere, re-randomization.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::cli::{Place, copy};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies");

const BLOCKS: &str = "method = \"block\"\narms = [{ code = \"STD\" }, { code = \"COMB\" }]\n\
     factors = [{ id = \"site\" }, { id = \"sex\", levels = [\"F\", \"M\"] }]\nstrata = [\"site\", \"sex\"]\n[block]\nsizes = [4, 6]\n";

/// Ten subjects of two strata; the second stratum's second block is open.
const HISTORY: &str = "# from the old system\nsubject,sex,site,arm,block_size\n\
     A-01,F,011,STD,4\nB-01,M,011,COMB,4\nA-02,F,011,COMB,4\nA-03,F,011,COMB,4\nA-04,F,011,STD,4\n\
     B-02,M,011,COMB,4\nB-03,M,011,STD,4\nB-04,M,011,STD,4\nB-05,M,011,STD,6\nB-06,M,011,STD,6\n";

/// AURORA by blocks, in production.
fn blocks() -> Place {
    let place = Place::new();
    let bundle = place.path("aurora");
    copy(&PathBuf::from(SAMPLES).join("aurora"), &bundle);
    fs::write(bundle.join("allocation.toml"), BLOCKS).unwrap();
    place.ends(0, "study activate aurora --production --reason go");
    place
}

#[test]
fn a_history_is_counted_back_before_it_is_taken() {
    let place = blocks();
    place.write("h.csv", HISTORY);
    let counted = place.ends(0, "allocation import aurora h.csv --dry-run --json").json();
    assert_eq!((&counted["subjects"], &counted["imported"]), (&json!(10), &json!(false)));
    assert_eq!(counted["arms"], json!({ "STD": 6, "COMB": 4 }));
    assert_eq!(
        counted["strata"][0],
        json!({ "levels": { "site": "011", "sex": "F" }, "arms": { "STD": 2, "COMB": 2 } })
    );
    let last = json!({ "levels": { "site": "011", "sex": "M" }, "size": 6, "arms": { "STD": 2 } });
    assert_eq!(counted["blocks"][2], last);
    let words = place.ends(0, "allocation import aurora h.csv").out;
    assert!(words.contains(counted["sha256"].as_str().unwrap()) && words.contains("open with 2 given"), "{words}");
    assert_eq!(place.ends(0, "study show aurora --json").json()["subjects"], 0);
    place.ends(1, "allocation import aurora h.csv --yes");
    place.ends(2, "allocation import aurora h.csv --yes --dry-run");
    place.ends(3, "allocation import aurora nosuch.csv");
    for (from, to, line, wrong) in [
        ("B-04,M,011,STD,4", "B-04,M,011,COMB,4", 10, "no place left"),
        ("A-02,F,011,COMB,4", "A-02,F,011,COMB,6", 5, "block size"),
        ("A-02,F,011,COMB,4", "A-02,F,011,COMB,", 5, "block size"),
        ("A-02,F", "A-01,F", 5, "twice"),
        ("A-02,F", ",F", 5, "empty"),
        ("A-02,F,011", "A-02,X,011", 5, "level"),
        ("A-02,F,011", "A-02,F,900", 5, "site"),
    ] {
        place.write("bad.csv", &HISTORY.replace(from, to));
        let said = place.ends(1, "allocation import aurora bad.csv --yes --reason moved").err;
        assert!(said.contains(&format!("bad.csv:{line}: ")) && said.contains(wrong), "{said}");
    }
    place.write("bad.csv", &HISTORY.replace("subject,", "who,"));
    assert!(place.ends(1, "allocation import aurora bad.csv").err.contains("no column \"subject\""));
    place.ends(0, "allocation import aurora h.csv --yes --reason moved");
    place.ends(1, "allocation import aurora h.csv --yes --reason moved");
    let proved = place.ends(0, "allocation verify aurora --json").json();
    assert_eq!((&proved["allocations"], &proved["imported"]), (&json!(10), &json!(10)));
    place.ends(0, "audit verify");
}

#[test]
fn what_is_exported_can_be_read_again() {
    let place = blocks();
    place.write("h.csv", HISTORY);
    place.ends(0, "allocation import aurora h.csv --yes --reason moved");
    for format in ["journal-csv", "journal-jsonl", "redcap"] {
        place.ends(0, &format!("allocation export aurora --format {format} --out files --by stat --reason look"));
    }
    place.ends(1, "allocation export aurora --format redcap --out files --stage development");
    place.ends(1, "allocation export aurora --format redcap --out files --by nobody");
    place.ends(2, "allocation export aurora --format nosuch --out files");
    let lines = fs::read_to_string(place.path("files/aurora-production-journal.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    assert_eq!(
        (&lines[8]["arm"], &lines[8]["block_size"], &lines[8]["origin"]),
        (&json!("STD"), &json!(6), &json!("imported"))
    );
    assert_eq!(lines[8]["program"], json!(env!("CARGO_PKG_VERSION")));
    // The journal is a history for `explain`: two places of six are taken, both by one arm.
    place.write("allocation.toml", BLOCKS);
    let explained = place.ends(
        0,
        "allocation explain --file allocation.toml --history files/aurora-production-journal.csv --next sex=M,site=011 --json",
    );
    assert_eq!(explained.json()["arms"][0]["probability"], "1/4");
    // The REDCap table is a list as it is: its first place is the first arm.
    let list = place.path("files/aurora-production-redcap.csv");
    fs::copy(list, place.path("list.csv")).unwrap();
    place.write(
        "allocation.toml",
        &BLOCKS.replace("\"block\"", "\"list\"").replace("[block]\nsizes = [4, 6]", "[list]\nfile = \"list.csv\""),
    );
    let explained = place.ends(0, "allocation explain --file allocation.toml --next sex=M,site=011 --json").json();
    assert_eq!(explained["arms"][1], json!({ "code": "COMB", "imbalance": null, "probability": "1" }));
    // While the study goes on, each export left an entry.
    let shown = place.ends(0, "study show aurora --json").json();
    assert_eq!(shown["chain"]["length"], 1 + 10 + 1 + 3);
}

#[test]
fn a_secret_is_revealed_after_the_close_and_anybody_can_recompute() {
    let place = Place::new();
    place.ends(0, "demo --once --dir demo");
    let on = "--config demo/hagaki.toml";
    assert!(
        place
            .ends(1, &format!("allocation reveal aurora --by stat --reason r --out package {on}"))
            .err
            .contains("close")
    );
    assert!(!place.path("package").exists());
    // Who runs the machine learns no arm of a blinded study by looking at letters or at the stock.
    let letters = place.ends(0, &format!("outbox list --json {on}")).out;
    let unblinded: Vec<Value> = letters
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|letter| letter["kind"] == "notice-unblinded")
        .collect();
    assert!(!unblinded.is_empty());
    let id = &unblinded[0]["id"];
    let shown = place.ends(0, &format!("outbox show {id} {on}")).out;
    assert!(shown.contains("tells an arm of a blinded study") && !shown.contains("BRL-7, "), "{shown}");
    let shown = place.ends(0, &format!("outbox show {id} --json {on}")).json();
    assert_eq!((&shown["text"], &shown["withheld"]), (&Value::Null, &json!(true)));
    assert!(place.ends(1, &format!("outbox show {id} --raw {on}")).out.is_empty());
    let entries = || place.ends(0, &format!("study show borealis --json {on}")).json()["chain"]["length"].as_u64();
    let before = entries().unwrap();
    for whom in ["", " --by pharmacy", " --by kobayashi --reason r", " --by office --reason r"] {
        let refused = place.ends(1, &format!("kit list borealis --unblinded{whom} {on}"));
        assert!(refused.out.is_empty(), "{whom}: {}", refused.out);
    }
    assert_eq!(entries(), Some(before));
    place.ends(0, &format!("kit list borealis --unblinded --by pharmacy --reason stocktaking {on}"));
    assert_eq!(entries(), Some(before + 1));
    let refused =
        place.ends(1, &format!("allocation export borealis --format redcap --out - --by stat --reason r {on}"));
    assert!(refused.out.is_empty() && refused.err.contains("blinded and not closed"), "{}", refused.err);
    place.ends(0, &format!("study close borealis --reason done {on}"));
    let shown = place.ends(0, &format!("outbox show {id} --json {on}")).json();
    assert!(shown["text"].as_str().unwrap().contains("BOREALIS-"));
    let told = place.ends(0, &format!("allocation export borealis --format redcap --out - {on}"));
    assert!(
        told.out
            .starts_with("redcap_randomization_number,redcap_randomization_group,severity,redcap_data_access_group\n")
    );
    place.ends(0, &format!("study close aurora --reason done {on}"));
    let revealed = place
        .ends(0, &format!("allocation reveal aurora --by stat --reason r --with-chain --out package --json {on}"))
        .json();
    place.ends(1, &format!("allocation reveal aurora --by stat --reason r --out package {on}"));
    let digest = place.ends(0, &format!("study show aurora --json {on}")).json()["secret_digest"].clone();
    assert_eq!(revealed["secret_digest"], digest);
    for readme in ["README.md", "README.ja.md"] {
        let text = fs::read_to_string(place.path("package").join(readme)).unwrap();
        assert!(text.contains(revealed["secret"].as_str().unwrap()) && !text.contains("{{"), "{text}");
    }
    let Ok(output) = Command::new("python3")
        .arg("-B")
        .arg(place.path("package/hagaki_verify.py"))
        .arg(place.path("package"))
        .output()
    else {
        assert!(std::env::var_os("HAGAKI_TESTS_COMPLETE").is_none(), "python3 is missing");
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.contains(&format!("{} allocations recomputed", revealed["allocations"])),
        "{said}"
    );
    // The audit of the demonstration stays whole, and the seed alone makes the replicates.
    place.ends(0, &format!("audit verify {on}"));
    let again = |seed: &str, times: u64| {
        let line = format!("allocation rerandomize aurora --times {times} --out r.csv --seed {seed} --json {on}");
        let report = place.ends(0, &line).json();
        // What was written before is not written over.
        assert!(place.ends(1, &line).err.contains("does not exist yet"));
        let text = fs::read_to_string(place.path("r.csv")).unwrap();
        fs::remove_file(place.path("r.csv")).unwrap();
        (report["sha256"].clone(), text)
    };
    let (first, rows) = again("one", 300);
    assert_eq!(rows.lines().count(), 302);
    let arms = |row: &str| row.split(',').skip(1).map(str::to_owned).collect::<Vec<String>>();
    let journal = place.ends(0, &format!("allocation export aurora --format journal-jsonl --out - {on}")).out;
    let real: Vec<String> = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["arm"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(arms(rows.lines().nth(1).unwrap()), real);
    assert!(rows.lines().skip(2).any(|row| arms(row) != real));
    assert_eq!(again("one", 300).0, first);
    assert_ne!(again("two", 300).0, first);
    assert!(again("one", 7).1.lines().zip(rows.lines()).all(|(short, long)| short == long));
    place.ends(2, &format!("allocation rerandomize aurora --times 0 --out r.csv {on}"));
}
