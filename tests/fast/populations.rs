//! The people of simulations and rehearsals: files as Excel writes them, cohorts, and participants who enroll themselves.

use std::fs;
use std::path::Path;

use encoding_rs::SHIFT_JIS;
use serde_json::Value;

use crate::cli::{Place, copy};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies");

/// What Excel in Japan saves.
fn write_cp932(place: &Place, name: &str, text: &str) {
    let (bytes, _, _) = SHIFT_JIS.encode(text);
    fs::write(place.path(name), bytes).unwrap();
}

#[test]
fn participants_who_enroll_themselves_are_rehearsed() {
    let place = Place::new();
    let rows =
        "yes;41;no;8;23:30\r\nyes;19;no;8;23:30\r\nyes;300;no;8;23:30\r\nyes;41;no;8;23:30\r\nyes;52;yes;5;0:30\r\n";
    write_cp932(&place, "people.csv", &format!("agrees;年齢;shifts;insomnia;bedtime\r\n{rows}"));
    let line = format!(
        "allocation rehearse {SAMPLES}/somnus --covariates people.csv --seed 3 --now 2026-11-20T09:00:00+09:00"
    );
    let told = place.ends(0, &format!("{line} --json"));
    assert_eq!(told.out, place.ends(0, &format!("{line} --json")).out, "the same seed gives the same");
    let told = told.json();
    let outcomes: Vec<(&str, &str)> = told["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["outcome"].as_str().unwrap(), row["reason"].as_str().unwrap()))
        .collect();
    // Two who answer alike are two participants.
    let enrolled = ("enrolled", "enrolled");
    let expected = [enrolled, ("refused", "not-eligible:adult"), ("refused", "range:age"), enrolled, enrolled];
    assert_eq!(outcomes, expected);
    assert_eq!((&told["enrolled"], &told["refused"], &told["proved"]), (&3.into(), &2.into(), &true.into()));
    let of = |counts: &Value| counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    assert_eq!((of(&told["by_arm"]), of(&told["by_factor"]["shifts"]["yes"])), (3, 1));
    assert_eq!(told["rows"][0]["letters"], 1, "the coordinator is told");
    let early = line.replace("2026-11-20", "2025-11-20");
    let refused = place.ends(0, &early).out;
    assert!(refused.contains("the survey opens on 2026-04-01"), "{refused}");
}

/// The template with that cohort.
fn with_cohort(place: &Place, when: &str) -> String {
    let folder = place.path("study");
    copy(&Path::new(SAMPLES).join("template"), &folder);
    let file = folder.join("allocation.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n[[caps.cohort]]\nid = \"few\"\nwhen = \"{when}\"\ncap = 10\n")).unwrap();
    folder.display().to_string()
}

#[test]
fn the_cap_of_a_cohort_is_walked() {
    let place = Place::new();
    let folder = with_cohort(&place, "sex == 'F'");
    let line = format!("allocation simulate --subjects 80 --trials 20 --seed 1 --json --file {folder}");
    for line in [line.clone(), format!("{line}/allocation.toml")] {
        let ran = place.ends(0, &line);
        assert!(!ran.err.contains("cohort"), "{}", ran.err);
        let found = ran.json();
        let women = found["levels"]["sex"].as_array().unwrap().iter().find(|own| own["level"] == "F").unwrap();
        assert_eq!(women["subjects_mean"], 10.0, "{line}");
        let (allocated, away) =
            (found["allocated_mean"].as_f64().unwrap(), found["turned_away_mean"].as_f64().unwrap());
        assert!((allocated + away - 80.0).abs() < 1e-9 && (40.0..60.0).contains(&allocated), "{allocated} {away}");
    }
}

#[test]
fn a_cohort_that_nothing_tells_is_left_out_and_named() {
    let place = Place::new();
    let folder = with_cohort(&place, "age >= 65");
    let line = format!("allocation simulate --subjects 80 --trials 20 --seed 1 --json --file {folder}");
    let ran = place.ends(0, &line);
    assert!(ran.err.contains("the cap of the cohort \"few\" is not kept, for nothing tells `age`"), "{}", ran.err);
    assert_eq!(ran.json()["turned_away_mean"], 0.0);
    for language in ["en", "ja"] {
        place.ends(0, &format!("{line} --report page.html --language {language}"));
        let page = fs::read_to_string(place.path("page.html")).unwrap();
        assert!(page.contains("<code>age</code>") && page.contains("few"), "{language}");
    }
    // The population tells it, from a table with tabs.
    place.write("ages.csv", "age\tsex\n70\tF\n40\tM\n66\tM\n20\tF\n");
    let ran = place.ends(0, &format!("{line} --population @ages.csv"));
    assert!(!ran.err.contains("not kept"), "{}", ran.err);
    let away = ran.json()["turned_away_mean"].as_f64().unwrap();
    // Half of eighty are old, and ten of them are taken.
    assert!((25.0..36.0).contains(&away), "{away}");
}

#[test]
fn a_population_in_cp932_with_semicolons_is_drawn_from() {
    let place = Place::new();
    let file = place.write(
        "blocks.toml",
        "method = \"block\"\narms = [{ code = \"A\" }, { code = \"B\" }]\nfactors = [{ id = \"性別\" }]\nstrata = [\"性別\"]\n[block]\nsizes = [4]\n",
    );
    write_cp932(&place, "people.csv", "性別;名前\r\n女;山田\r\n女;佐藤\r\n男;鈴木\r\n");
    let line = format!("allocation simulate --file {file} --subjects 30 --trials 10 --seed 1 --json");
    let found = place.ends(0, &format!("{line} --population @people.csv")).json();
    let levels: Vec<&str> =
        found["levels"]["性別"].as_array().unwrap().iter().map(|own| own["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["女", "男"]);
    place.write("bad.csv", "");
    fs::write(place.path("bad.csv"), b"\xff\xff;\x80\n1;2\n").unwrap();
    let ran = place.ends(1, &format!("{line} --population @bad.csv"));
    assert!(ran.err.contains("in no charset that can be told"), "{}", ran.err);
}
