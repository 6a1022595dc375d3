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
     A-0001,F,011,STD,4\nB-0001,M,011,COMB,4\nA-0002,F,011,COMB,4\nA-0003,F,011,COMB,4\nA-0004,F,011,STD,4\n\
     B-0002,M,011,COMB,4\nB-0003,M,011,STD,4\nB-0004,M,011,STD,4\nB-0005,M,011,STD,6\nB-0006,M,011,STD,6\n";

/// AURORA by blocks, in production.
fn blocks() -> Place {
    let place = Place::new();
    let bundle = place.path("aurora");
    copy(&PathBuf::from(SAMPLES).join("aurora"), &bundle);
    fs::write(bundle.join("allocation.toml"), BLOCKS).unwrap();
    place.ends(0, "study activate aurora --production --reason go");
    place
}

/// CYGNUS whose arms can be given by hand, with a name and a telephone number that identify somebody, and one event.
pub(crate) fn by_hand() -> Place {
    let place = Place::new();
    copy(&PathBuf::from(SAMPLES).join("cygnus"), &place.path("cygnus"));
    let forced = "\n[forced]\nlimit = 3\nroles = [\"statistician\"]\n";
    let add = |file: &str, more: &str| {
        let path = place.path(&format!("cygnus/{file}"));
        fs::write(&path, fs::read_to_string(&path).unwrap() + more).unwrap();
    };
    add("allocation.toml", forced);
    add("allocation-second.toml", forced);
    let personal = |id: &str| {
        format!(
            "\n[[items]]\nid = \"{id}\"\nkind = \"text\"\nlabel = {{ ja = \"{id}\", en = \"{id}\" }}\npersonal = true\n"
        )
    };
    add("instruments/registration.toml", &personal("name"));
    add("instruments/response.toml", &personal("telephone"));
    // Whoever enrolls today cannot have been assessed seven weeks later.
    let study = place.path("cygnus/study.toml");
    fs::write(&study, fs::read_to_string(&study).unwrap().replace(">= 49", ">= -9999")).unwrap();
    place.ends(0, "study activate cygnus --production --reason go");
    let first = "site=201 subject_ref=201-001 age=50 sex=F name=Yamada";
    place.ends(0, &format!("allocation force cygnus {first} --arm CBT --by cygnus-stat --reason telephone"));
    let second =
        "assessed_on=2024-03-10 responder=no isi=23 telephone=03-1234-5678 --allocation second --subject CYGNUS-0001";
    place.ends(0, &format!("allocation force cygnus {second} --arm ADD --by cygnus-stat --reason telephone"));
    place
}

#[test]
fn a_subject_is_shown_as_a_person_reads_it() {
    let place = by_hand();
    let note = "subject note cygnus CYGNUS-0001 --kind wrong-stratum --by cygnus-stat --reason slip --set second.isi=12 --set name=Yamamoto";
    place.ends(0, note);
    let english = place.ends(0, "subject show cygnus CYGNUS-0001 --language en").out;
    for line in [
        "  site       201 Lakeside Hospital\n",
        "  Sex: female (F)\n",
        "  Age: 50 years\n",
        "  name: ●●●\n",
        "second randomization (second)\n",
        "  arm        ADD Add the other treatment\n",
        "  Responder: no\n",
        "  Insomnia severity score: 23\n",
        "  telephone: ●●●\n",
        "fact 1: wrong-stratum\n",
        "  Insomnia severity score: 12 (was 23)\n",
        "  Severity: moderate insomnia (moderate) (was severe insomnia (severe))\n",
        "  name: ●●● (was ●●●)\n",
    ] {
        assert!(english.contains(line), "{line}{english}");
    }
    let japanese = place.ends(0, "subject show cygnus 201-001").out;
    assert!(japanese.contains("  性別: 女 (F)\n") && japanese.contains("第二割付 (second)\n"), "{japanese}");
    let told = place.ends(0, "subject show cygnus CYGNUS-0001 --json");
    let found = told.json();
    assert_eq!((&found["answers"]["age"], &found["further"][0]["answers"]["isi"]), (&json!("50"), &json!("23")));
    assert_eq!(
        found["facts"][0]["changes"],
        json!({ "name": null, "second.isi": "12", "second.severity": "moderate" })
    );
    for secret in ["Yamada", "Yamamoto", "03-1234-5678"] {
        assert!(!english.contains(secret) && !japanese.contains(secret) && !told.out.contains(secret), "{secret}");
    }
    place.ends(2, "subject show cygnus CYGNUS-0001 --language fr");
    let study = place.ends(0, "study show cygnus").out;
    assert!(study.contains("allocates first (block): 1 of 120\n"), "{study}");
    assert!(study.contains("allocates second (minimization, 第二割付): 1 of 60\n"), "{study}");
    let shown = place.ends(0, "study show cygnus --json").json();
    assert_eq!(shown["allocations"][1], json!({ "id": "second", "method": "minimization", "allocated": 1, "cap": 60 }));
}

#[test]
fn what_a_command_refuses_is_a_sentence() {
    let place = by_hand();
    let force = |answers: &str, rest: &str| {
        let arm = if rest.is_empty() { "CBT" } else { "ADD" };
        format!("allocation force cygnus {answers}{rest} --arm {arm} --by cygnus-stat --reason telephone --json")
    };
    let again = " --allocation second --subject CYGNUS-0001";
    for (line, said) in [
        (
            force("site=201 subject_ref=201-002 age=500 sex=F", ""),
            "age: “500” is outside of the limits. Expected: a whole number from 0 to 120 (years).",
        ),
        (force("site=201 subject_ref=201-002 age=50 sex=X", ""), "sex: "),
        (force("site=201 subject_ref=201-002 sex=F", ""), "age: An answer is needed"),
        (
            force("site=201 subject_ref=201-002 age=15 sex=F", ""),
            "not eligible (adult): The subject does not meet the criteria of the study. Subjects must be",
        ),
        (
            force("assessed_on=2024-03-10 responder=no isi=99", again),
            "isi: “99” is outside of the limits. Expected: a whole number from 0 to 28.",
        ),
        (
            "subject note cygnus CYGNUS-0001 --kind wrong-stratum --by cygnus-stat --reason slip --set second.isi=99 --json".to_owned(),
            "isi: “99” is outside of the limits. Expected: a whole number from 0 to 28.",
        ),
    ] {
        let ran = place.ends(1, &line);
        assert!(ran.err.contains(said), "{line}: {}", ran.err);
        let refused = ran.json()["refused"].as_str().unwrap().to_owned();
        assert!(ran.err.contains(&refused), "{refused}");
        assert!(!ran.err.contains("range:") && !ran.err.contains(": range "), "{}", ran.err);
    }
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
    let last = json!({ "levels": { "site": "011", "sex": "M" }, "size": 6, "arms": { "COMB": 0, "STD": 2 } });
    assert_eq!(counted["blocks"][2], last);
    let words = place.ends(0, "allocation import aurora h.csv").out;
    assert!(words.contains(counted["sha256"].as_str().unwrap()) && words.contains("open with 2 given"), "{words}");
    assert_eq!(place.ends(0, "study show aurora --json").json()["subjects"], 0);
    place.ends(1, "allocation import aurora h.csv --yes");
    place.ends(2, "allocation import aurora h.csv --yes --dry-run");
    place.ends(3, "allocation import aurora nosuch.csv");
    for (from, to, line, wrong) in [
        ("B-0004,M,011,STD,4", "B-0004,M,011,COMB,4", 10, "no place left"),
        (
            "A-0002,F,011,COMB,4",
            "A-0002,F,011,COMB,6",
            5,
            "the block size is 6, but the open block of site=011, sex=F has the size 4, with 1 given above",
        ),
        (
            "A-0002,F,011,COMB,4",
            "A-0002,F,011,COMB,",
            5,
            "the column \"block_size\" is empty, but the open block of site=011, sex=F has the size 4",
        ),
        (
            "A-0001,F,011,STD,4",
            "A-0001,F,011,STD,5",
            3,
            "the block size is 5, where a block of site=011, sex=F begins; [block] sizes are 4, 6",
        ),
        ("A-0002,F", "A-0001,F", 5, "twice"),
        ("A-0002,F", ",F", 5, "empty"),
        ("A-0002,F,011", "A-0002,X,011", 5, "level"),
        ("A-0002,F,011", "A-0002,F,900", 5, "site"),
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
fn an_arm_that_was_given_by_hand_elsewhere_stands_outside_of_its_blocks() {
    let place = blocks();
    let history = "subject,sex,site,arm,block_size,origin\nA-0001,F,011,STD,4,drawn\nA-0002,F,011,STD,,forced\n\
         A-0003,F,011,STD,4,drawn\nA-0004,F,011,COMB,4,drawn\n";
    place.write("h.csv", &history.replace("forced", "drawn"));
    let said = place.ends(1, "allocation import aurora h.csv --yes --reason moved").err;
    assert!(said.contains("h.csv:3: the column \"block_size\" is empty"), "{said}");
    place.write("h.csv", &history.replace("forced", "by_hand"));
    let said = place.ends(1, "allocation import aurora h.csv").err;
    assert!(
        said.contains("h.csv:3: \"by_hand\" in the column \"origin\" is none of drawn, imported and forced"),
        "{said}"
    );
    place.write("h.csv", history);
    let counted = place.ends(0, "allocation import aurora h.csv --yes --reason moved --json").json();
    assert_eq!(counted["arms"], json!({ "STD": 3, "COMB": 1 }));
    assert_eq!(counted["blocks"][0]["arms"], json!({ "STD": 2, "COMB": 1 }));
    assert_eq!(counted["outside"], json!(1));
    let proved = place.ends(0, "allocation verify aurora --json").json();
    assert_eq!((&proved["allocations"], &proved["imported"]), (&json!(4), &json!(4)));
}

#[test]
fn a_history_tells_the_answers_that_cohorts_count_by() {
    let place = Place::new();
    copy(&PathBuf::from(SAMPLES).join("aurora"), &place.path("aurora"));
    let cohorts = "[[caps.cohort]]\nid = \"old\"\nwhen = \"age >= 65\"\ncap = 1\n\
         [[caps.cohort]]\nid = \"light\"\nwhen = \"answered(bmi) && bmi < 20\"\ncap = 5\n";
    place.write("aurora/allocation.toml", &format!("{BLOCKS}{cohorts}"));
    place.ends(0, "study activate aurora --production --reason go");
    place.write("h.csv", "subject,sex,site,arm,block_size\nA-0001,F,011,STD,4\n");
    let said = place.ends(1, "allocation import aurora h.csv").err;
    for lacking in ["age", "height", "weight"] {
        assert!(said.contains(&format!("add a column \"{lacking}\"")), "{said}");
    }
    let head = "subject,sex,site,arm,block_size,age,height,weight";
    place.write("h.csv", &format!("{head},ages\nA-0001,F,011,STD,4,70,160,45,70\n"));
    assert!(place.ends(1, "allocation import aurora h.csv").err.contains("nothing reads the column \"ages\""));
    place.write("h.csv", &format!("{head}\nA-0001,F,011,STD,4,seventy,160,45\n"));
    let said = place.ends(1, "allocation import aurora h.csv").err;
    assert!(said.contains("h.csv:2: \"seventy\" in the column \"age\" is no answer to that item"), "{said}");
    place.write("h.csv", &format!("{head}\nA-0001,F,011,STD,4,70,160,45\nA-0002,F,011,COMB,4,40,,\n"));
    place.ends(0, "allocation import aurora h.csv --yes --reason moved");
    let shown = place.ends(0, "study show aurora --json").json();
    assert_eq!(
        shown["cohorts"],
        json!([{ "cohort": "old", "subjects": 1, "cap": 1 }, { "cohort": "light", "subjects": 1, "cap": 5 }])
    );
    place.ends(0, "allocation verify aurora --json");
}

#[test]
fn a_history_is_calculated_by_the_day_of_its_allocations() {
    let place = Place::new();
    copy(&PathBuf::from(SAMPLES).join("aurora"), &place.path("aurora"));
    let form = place.path("aurora/instruments/registration.toml");
    let since = "\n[[items]]\nid = \"since\"\nkind = \"calculation\"\nlabel = { ja = \"同意からの日数\", en = \"Days since the consent\" }\n\
         calculation = \"days_between(consent_date, today)\"\n";
    fs::write(&form, fs::read_to_string(&form).unwrap() + since).unwrap();
    let cohort = "[[caps.cohort]]\nid = \"soon\"\nwhen = \"answered(since) && since < 30\"\ncap = 5\n";
    place.write("aurora/allocation.toml", &format!("{BLOCKS}{cohort}"));
    place.ends(0, "study activate aurora --production --reason go");
    // The import is more than thirty days later than either consent.
    place.write(
        "h.csv",
        "subject,sex,site,arm,block_size,at,consent_date\nA-0001,F,011,STD,4,2024-05-05,2024-05-01\n\
         A-0002,F,011,COMB,4,2024-06-20,2024-05-01\n",
    );
    place.ends(0, "allocation import aurora h.csv --yes --reason moved");
    let shown = place.ends(0, "study show aurora --json").json();
    assert_eq!(shown["cohorts"], json!([{ "cohort": "soon", "subjects": 1, "cap": 5 }]));
}

#[test]
fn a_history_has_no_level_that_nobody_can_have() {
    let place = Place::new();
    copy(&PathBuf::from(SAMPLES).join("aurora"), &place.path("aurora"));
    let scheme = std::fs::read_to_string(place.path("aurora/allocation.toml")).unwrap();
    // Which levels there are is left to the form.
    let open = scheme.replace(", levels = [\"F\", \"M\"]", "");
    std::fs::write(place.path("aurora/allocation.toml"), open).unwrap();
    place.ends(0, "study activate aurora --production --reason go");
    place.write("h.csv", "subject,site,sex,stage,ecog_ps,arm\nA-0001,011,女,II,0,STD\nA-0002,011,Martian,II,0,COMB\nA-0003,011,F,IV,7,STD\n");
    let said = place.ends(1, "allocation import aurora h.csv --yes --reason moved").err;
    assert!(said.contains("h.csv:2: nobody can have \"女\" in the column \"sex\": write F"), "{said}");
    assert!(said.contains("h.csv:3: nobody can have \"Martian\" in the column \"sex\": it is one of"), "{said}");
    assert_eq!(place.ends(0, "study show aurora --json").json()["subjects"], 0);
}

#[test]
fn everything_that_is_wrong_with_a_history_is_told_at_once() {
    let place = blocks();
    let text = "subject,sex,site,arm,block_size,at\n\
         A-0001,F,011,STD,4,2024-05-01\nA-0001,F,011,COMB,4,2024-05-02\nA-0003,X,011,STD,4,2024-05-02\n,,011,STD,six,\n\
         A-0005,F,011,COMB\nA-0006,F,900,COMB,4,soon\nA-0007,F,011,NEW,4,2024-05-01\nA-0008,F,011,STD,5,2999-01-01\nA-0009,F,011,STD,5,\n\
         B-0001,M,011,STD,4,2024-05-03T09:00\nB-0002,M,011,STD,4,2024-05-03 08:00\n";
    place.write("bad.csv", text);
    let said = place.ends(1, "allocation import aurora bad.csv --yes --reason moved").err;
    for wrong in [
        "bad.csv:3: the subject \"A-0001\" stands twice",
        "bad.csv:4: \"X\" is no level of the factor \"sex\"",
        "bad.csv:5: the column \"sex\" is empty",
        "bad.csv:5: \"six\" in the column \"block_size\" is no integer",
        "bad.csv:6: 4 values where the first line has 6 columns",
        "bad.csv:7: \"soon\" in the column \"at\" is no date",
        "bad.csv:7: \"900\" is no site of the study",
        "bad.csv:8: \"2024-05-01\" in the column \"at\" is before a line above",
        "bad.csv:8: \"NEW\" is no arm of the scheme",
        "bad.csv:9: \"2999-01-01\" in the column \"at\" is yet to come",
        "bad.csv:9: the block size is 5, but the open block of site=011, sex=F has the size 4, with 2 given above",
        "bad.csv:12: \"2024-05-03 08:00\" in the column \"at\" is before a line above",
    ] {
        assert!(said.contains(wrong), "{wrong} is not in\n{said}");
    }
    // What follows from a sequence that is broken is not told once more.
    assert!(!said.contains("bad.csv:10:") && !said.contains("bad.csv:11:"), "{said}");
    assert_eq!(said.matches("bad.csv:").count(), 12, "{said}");
    place.write("bad.csv", "sex,site,sex,block_size\nF,011,F,4\n");
    let said = place.ends(1, "allocation import aurora bad.csv").err;
    for wrong in ["no column \"subject\"", "no column \"arm\"", "column \"sex\" stands twice"] {
        assert!(said.contains(wrong), "{said}");
    }
    assert_eq!(place.ends(0, "study show aurora --json").json()["subjects"], 0);
}

#[test]
fn a_history_keeps_its_dates_and_is_counted_by_levels_under_minimization() {
    let place = Place::new();
    copy(&PathBuf::from(SAMPLES).join("aurora"), &place.path("aurora"));
    place.ends(0, "study activate aurora --production --reason go");
    let text = "subject,site,sex,stage,ecog_ps,arm,at\nA-0001,011,F,II,0,STD,2024-05-01\n\
         A-0002,012,M,II,1,COMB,2024-05-01T09:30:00+09:00\nA-0003,011,F,IV,0,COMB,2024-05-02 08:15\nA-0004,011,M,II,0,STD,\n";
    place.write("h.csv", text);
    let counted = place.ends(0, "allocation import aurora h.csv --json").json();
    assert_eq!(counted["margins"]["sex"], json!({ "F": { "STD": 1, "COMB": 1 }, "M": { "STD": 1, "COMB": 1 } }));
    assert_eq!(counted["margins"]["stage"], json!({ "II": { "STD": 2, "COMB": 1 }, "IV": { "COMB": 1, "STD": 0 } }));
    assert_eq!((&counted["dated"], &counted["subjects"]), (&json!(3), &json!(4)));
    let words = place.ends(0, "allocation import aurora h.csv").out;
    assert!(words.contains("site=011: COMB 1, STD 2") && words.contains("3 with the date"), "{words}");
    place.ends(0, "allocation import aurora h.csv --yes --reason moved");
    place.ends(0, "allocation verify aurora");
    place.ends(0, "audit verify");
    let export = |format: &str| {
        place.ends(0, &format!("allocation export aurora --format {format} --out - --by stat --reason look")).out
    };
    let lines: Vec<Value> = export("journal-jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let originally: Vec<&Value> = lines.iter().map(|line| &line["imported"]["at"]).collect();
    let expected = [json!("2024-05-01"), json!("2024-05-01T00:30:00Z"), json!("2024-05-01T23:15:00Z"), Value::Null];
    assert_eq!(originally, expected.iter().collect::<Vec<_>>());
    // Beside it stands the time of the import, which is the same for all.
    assert!(lines.iter().all(|line| line["at"] == lines[0]["at"] && line["at"] != "2024-05-01"));
    let table = export("journal-csv");
    let mut table = csv::Reader::from_reader(table.as_bytes());
    let column = table.headers().unwrap().iter().position(|name| name == "originally_at").unwrap();
    let cells: Vec<String> = table.records().map(|row| row.unwrap()[column].to_owned()).collect();
    assert_eq!(cells, ["2024-05-01", "2024-05-01T00:30:00Z", "2024-05-01T23:15:00Z", ""]);
}

#[test]
fn a_history_of_a_blinded_study_names_kits_and_tells_no_arm() {
    let place = Place::new();
    let bundle = place.path("borealis");
    copy(&PathBuf::from(SAMPLES).join("borealis"), &bundle);
    place.ends(0, "study activate borealis --production --reason go");
    let listed = fs::read_to_string(bundle.join("kits.csv")).unwrap();
    let of = |arm: &str| -> Vec<String> {
        let own = listed.lines().skip(1).filter_map(|line| line.split_once(',')).filter(|(_, own)| *own == arm);
        own.map(|(code, _)| code.to_owned()).collect()
    };
    let (p, h) = (of("P"), of("H"));
    let text = |rows: &[(&str, &str)]| -> String {
        let rows = rows.iter().enumerate();
        let line = |(at, (arm, kit)): (usize, &(&str, &str))| format!("101-{:03},101,severe,{arm},8,{kit}\n", at + 1);
        "subject,site,severity,arm,block_size,kit\n".to_owned() + &rows.map(line).collect::<String>()
    };
    place.write("h.csv", &text(&[("P", &p[0]), ("H", &h[0]), ("H", &h[1])]));
    let entries = || place.ends(0, "study show borealis --json").json()["chain"]["length"].as_i64().unwrap();
    let before = entries();
    // Whoever compares kits with arms could find out by trying: it is for those who may know, and leaves its trace.
    for whom in [
        "",
        " --by stat",
        " --by kobayashi --reason moved",
        " --by office --reason moved",
        " --by nobody --reason moved",
    ] {
        let said = place.ends(1, &format!("allocation import borealis h.csv --dry-run{whom}"));
        assert!(said.out.is_empty(), "{whom}: {}", said.out);
    }
    assert_eq!(entries(), before);
    let whom = "--by stat --reason moved";
    let counted = place.ends(0, &format!("allocation import borealis h.csv --dry-run --json {whom}")).json();
    assert_eq!(entries(), before + 1);
    assert_eq!((&counted["subjects"], &counted["arms"]), (&json!(3), &Value::Null));
    assert_eq!(counted["strata"], json!([{ "levels": { "site": "101", "severity": "severe" }, "subjects": 3 }]));
    assert_eq!(counted["blocks"][0]["subjects"], json!(3));
    let words = place.ends(0, &format!("allocation import borealis h.csv {whom}")).out;
    for arm in ["P ", "H ", "L "] {
        assert!(!words.contains(arm), "{words}");
    }
    // What a kit must be: listed, free, fit to be handed out, at hand for the site, of the arm.
    let moved = place.ends(0, &format!("kit move borealis --codes {} --to 102 --by pharmacy --reason ship", p[1]));
    assert!(moved.err.contains("site \"102\" has kits of its own, but not of every arm"), "{}", moved.err);
    assert!(!moved.err.contains("\"P\""), "{}", moved.err);
    place.ends(0, &format!("kit quarantine borealis {} --by pharmacy --reason warm", h[2]));
    place.write(
        "bad.csv",
        &text(&[("P", "NOSUCH"), ("P", &p[1]), ("H", &h[2]), ("H", &p[2]), ("H", &h[0]), ("H", &h[0])]),
    );
    let said = place.ends(1, &format!("allocation import borealis bad.csv {whom}")).err;
    for wrong in [
        "bad.csv:2: there is no kit \"NOSUCH\": list every kit".to_owned(),
        format!("bad.csv:3: the kit \"{}\" lies at the site 102: `hagaki kit move", p[1]),
        format!("bad.csv:4: the kit \"{}\" is quarantined", h[2]),
        format!("bad.csv:5: the kit \"{}\" is not of the arm", p[2]),
        format!("bad.csv:7: the kit \"{}\" stands twice", h[0]),
    ] {
        assert!(said.contains(&wrong), "{wrong} is not in\n{said}");
    }
    place.write("bare.csv", "subject,site,severity,arm,block_size\n101-001,101,severe,P,8\n");
    let said = place.ends(1, &format!("allocation import borealis bare.csv {whom}")).err;
    assert!(said.contains("no column \"kit\"") && said.contains("kits.csv lists it"), "{said}");
    place.ends(0, &format!("allocation import borealis h.csv --yes {whom}"));
    let proved = place.ends(0, "allocation verify borealis --json").json();
    assert_eq!((&proved["proved"], &proved["imported"]), (&json!(true), &json!(3)));
    assert_eq!(proved["kits"], json!({ "found": 0, "told": 3 }), "what a history names cannot be found again");
    // Who got another kit since is shown with both.
    let first = place.ends(0, "subject show borealis BOREALIS-0001 --json").json()["kit"].as_str().unwrap().to_owned();
    place.ends(0, "kit replace borealis --subject BOREALIS-0001 --by pharmacy --reason broken");
    let shown = place.ends(0, "subject show borealis BOREALIS-0001 --json").json();
    assert_eq!(shown["kit"], json!(first));
    let now = shown["kit_now"].as_str().unwrap();
    assert_ne!(now, first);
    let proved = place.ends(0, "allocation verify borealis").out;
    let told =
        "1 kit left in the order that the secret and the stock of each moment give; 3 kits cannot be found again";
    assert!(proved.contains(told), "{proved}");
    let text = place.ends(0, "subject show borealis BOREALIS-0001").out;
    assert!(
        text.contains(&format!("  kit        {now} (in place of {first})\n")) && !text.contains("  arm "),
        "{text}"
    );
    // Whoever decided or told something is named, beside whoever ran the command.
    let bare = format!("kit release borealis {} --reason cool", h[2]);
    assert!(place.ends(1, &bare).err.contains("--by PERSON"));
    assert!(place.ends(1, &format!("{bare} --by nobody")).err.contains("no person of that id"));
    place.ends(0, &format!("{bare} --by pharmacy"));
    let story = place.ends(0, &format!("kit show borealis {}", h[2])).out;
    assert!(story.contains("operator:") && story.contains("available: for pharmacy: cool"), "{story}");
    let note = "subject note borealis BOREALIS-0002 --kind withdrawn --reason never-the-large-one";
    assert!(place.ends(1, note).err.contains("--by PERSON"));
    assert!(place.ends(1, &format!("{note} --by nobody")).err.contains("no person \"nobody\""));
    // What somebody says who may know arms could tell the arm.
    place.ends(0, &format!("{note} --by pharmacy"));
    let text = place.ends(0, "subject show borealis BOREALIS-0002").out;
    assert!(!text.contains("large-one") && text.contains("kept back while the study is blinded"), "{text}");
    let told = place.ends(0, "subject show borealis BOREALIS-0002 --json").json();
    assert_eq!((&told["facts"][0]["kind"], &told["facts"][0]["reason"]), (&json!("withdrawn"), &json!(null)));
    assert_eq!(told["facts"][0]["person"], "pharmacy");
    assert!(told["facts"][0]["actor"].as_str().unwrap().starts_with("operator:"), "{told}");
    // About the wrong subject: it is taken back by its number, and both are shown.
    let number = told["facts"][0]["number"].as_i64().unwrap();
    let back = format!("subject take-back borealis BOREALIS-0002 --fact {number} --reason wrong-number");
    assert!(place.ends(2, &back).err.contains("--by"));
    let taken = place.ends(0, &format!("{back} --by pharmacy --json")).json();
    assert_eq!(
        (&taken["new"], &taken["fact"]["kind"], &taken["fact"]["takes_back"]),
        (&json!(true), &json!("taken-back"), &json!(number))
    );
    assert_eq!(place.ends(0, &format!("{back} --by pharmacy --json")).json()["new"], json!(false));
    let text = place.ends(0, "subject show borealis BOREALIS-0002").out;
    let by = format!("taken back by fact {}", taken["fact"]["number"]);
    assert!(
        text.contains(&by) && text.contains(&format!("takes back fact {number}, which was recorded in error")),
        "{text}"
    );
    assert!(place.ends(0, "subject list borealis").out.contains("withdrawn, in error, taken-back"));
    // Once somebody is enrolled there is nothing left to try.
    assert!(place.ends(1, &format!("allocation import borealis bad.csv --dry-run {whom}")).err.contains("borealis"));
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
    place.ends(0, &format!("study close borealis --yes --reason done {on}"));
    let shown = place.ends(0, &format!("outbox show {id} --json {on}")).json();
    assert!(shown["text"].as_str().unwrap().contains("BOREALIS-"));
    let told = place.ends(0, &format!("allocation export borealis --format redcap --out - {on}"));
    assert!(
        told.out
            .starts_with("redcap_randomization_number,redcap_randomization_group,severity,redcap_data_access_group\n")
    );
    place.ends(0, &format!("study close aurora --yes --reason done {on}"));
    let revealed = place
        .ends(0, &format!("allocation reveal aurora --by stat --reason r --with-chain --out package --json {on}"))
        .json();
    place.ends(1, &format!("allocation reveal aurora --by stat --reason r --out package {on}"));
    let again = place.ends(0, &format!("allocation reveal aurora --by stat --reason r --out again {on}"));
    assert!(
        again.out.contains("this time none is written") && !again.out.contains("are told by letter"),
        "{}",
        again.out
    );
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

#[test]
fn data_leave_as_files_with_a_name_and_a_reason() {
    let place = blocks();
    place.write("h.csv", HISTORY);
    place.ends(0, "allocation import aurora h.csv --yes --reason moved");
    // In production it is told who wants them and why; a person the study does not know is refused.
    for refused in ["--by center", "--reason x", "--by nobody --reason x"] {
        let said = place.ends(1, &format!("export aurora --format csv --out out {refused}")).err;
        assert!(said.contains("--by"), "{said}");
    }
    assert!(!place.path("out").exists());
    let why = "--by center --reason report";
    let done = place.ends(0, &format!("export aurora --format csv --out out {why} --json")).out;
    let tables: Vec<Value> = done.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let counts: Vec<(&str, u64)> =
        tables.iter().map(|table| (table["table"].as_str().unwrap(), table["rows"].as_u64().unwrap())).collect();
    assert_eq!(counts[..3], [("subjects", 10), ("allocations", 10), ("facts", 0)]);
    let text = fs::read(place.path("out/aurora-production-subjects.csv")).unwrap();
    assert!(text.starts_with(b"\xEF\xBB\xBFsubject,person,site,"), "{}", String::from_utf8_lossy(&text));
    assert!(fs::read_dir(place.path("out")).unwrap().all(|file| !file.unwrap().path().ends_with(".part")));
    // One table to the terminal, exact.
    let printed = place.ends(0, &format!("export aurora --format json --out - --table subjects {why}")).out;
    let rows: Vec<Value> = serde_json::from_str(&printed).unwrap();
    assert_eq!((rows.len(), &rows[0]["subject"]), (10, &json!("AURORA-0001")));
    let said = place.ends(1, &format!("export aurora --format csv --out - {why}")).err;
    assert!(said.contains("--table") && said.contains("codebook"), "{said}");
    assert!(
        place.ends(1, &format!("export aurora --format csv --out out --table nosuch {why}")).err.contains("subjects")
    );
    // A workbook that another program reads.
    place.ends(0, "export aurora --format xlsx --out out --arms --by stat --reason report");
    let listing = Command::new("python3")
        .args(["-c", "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), z.read('xl/workbook.xml').decode(), z.read('xl/worksheets/sheet1.xml').decode())"])
        .arg(place.path("out/aurora-production.xlsx"))
        .output()
        .expect("python3 runs");
    let listing = String::from_utf8(listing.stdout).unwrap();
    assert!(listing.starts_with("None ") && listing.contains("AURORA-0010"), "{listing}");
    for sheet in ["subjects", "allocations", "facts", "codebook"] {
        assert!(listing.contains(&format!("name=\"{sheet}\"")), "{sheet}: {listing}");
    }
    // Each act is an entry of the chain.
    let chain = place.ends(0, "audit verify").out;
    assert!(chain.contains("whole"), "{chain}");
}

#[test]
fn arms_of_a_blinded_study_leave_after_the_close() {
    let place = Place::new();
    place.ends(0, &format!("study activate {SAMPLES}/borealis --production --reason go"));
    let said = place.ends(1, "export borealis --format csv --out out --arms --by stat --reason x").err;
    assert!(said.contains("blinded"), "{said}");
    place.ends(0, "export borealis --format csv --out out --by stat --reason x");
    let header = fs::read_to_string(place.path("out/borealis-production-subjects.csv")).unwrap();
    assert!(header.contains(",kit,") && !header.contains("arm"), "{header}");
    place.ends(0, "study close borealis --yes --reason done");
    place.ends(0, "export borealis --format csv --out out --arms --by stat --reason x");
    let header = fs::read_to_string(place.path("out/borealis-production-subjects.csv")).unwrap();
    assert!(header.contains(",arm,kit,"), "{header}");
}
