//! When and how often credentials are good, as whoever issues them says it.

use crate::cli::Place;
use crate::schedule::unscheduled;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies/wellbeing");

#[test]
fn access_begins_on_a_day_and_is_for_one_use_or_many() {
    let place = Place::new();
    place.ends(0, &format!("study activate {SAMPLE} --production --reason go"));
    place.ends(
        0,
        "credentials issue wellbeing --count 1 --from 2035-12-01 --days 14 --uses once --out one.csv --sheet one.html",
    );
    let row = std::fs::read_to_string(place.path("one.csv")).unwrap();
    // From the beginning of the day in Japan, and the days are counted from there.
    assert!(row.contains(",2035-12-01 00:00 +09:00,2035-12-15 00:00 +09:00"), "{row}");
    let sheet = std::fs::read_to_string(place.path("one.html")).unwrap();
    assert!(
        sheet.contains("利用開始： <strong>2035-12-01 00:00") && sheet.contains("回答は一回分だけ有効です"),
        "{sheet}"
    );
    place.ends(0, "credentials issue wellbeing --count 1 --uses many --out many.csv --sheet many.html");
    let sheet = std::fs::read_to_string(place.path("many.html")).unwrap();
    assert!(!sheet.contains("利用開始") && sheet.contains("何度でも回答できます"), "{sheet}");

    let listed = place.ends(0, "credentials list wellbeing --csv").out;
    let mut rows = csv::Reader::from_reader(listed.as_bytes());
    let standings: Vec<String> = rows.records().map(|row| row.unwrap()[4].to_owned()).collect();
    assert_eq!(standings, ["to-come", "waiting"], "{listed}");
    let shown = place.ends(0, "credentials list wellbeing").out;
    assert!(shown.contains("to-come") && shown.contains("2035-12-15 00:00"), "{shown}");

    for (line, why) in [
        ("--from 2035-12-02 --until 2035-12-01", "does not lie after --from"),
        ("--from 2036-04-01", "lies after 2036-03-31, the last day"),
        ("--from tomorrow", "is no moment"),
    ] {
        let refused = place.ends(1, &format!("credentials issue wellbeing --count 1 --out no.csv {line}")).err;
        assert!(refused.contains(why) && !place.path("no.csv").exists(), "{line}: {refused}");
    }
    let list = place.write("people.csv", "email,firstname\na@example.jp,A\n=1@example.jp,=cmd\n");
    place.ends(2, &format!("credentials issue wellbeing --csv {list} --from 2035-12-01 --days 3 --from-sending"));
    let over = place.write("over.csv", "email,validuntil\nb@example.jp,2035-11-01\n");
    let refused = place.ends(1, &format!("credentials issue wellbeing --csv {over} --from 2035-12-01")).err;
    assert!(refused.contains("line 2: validuntil does not lie after --from"), "{refused}");
    place.ends(0, &format!("credentials issue wellbeing --csv {list} --from 2035-12-01"));
    let letter = place.ends(0, "outbox show 1").out;
    assert!(letter.contains("ご利用いただけるのは 2035-12-01 00:00"), "{letter}");
    // What a spreadsheet would carry out is text.
    let listed = place.ends(0, "credentials list wellbeing --csv").out;
    assert!(listed.contains("'=cmd") && listed.contains("a@example.jp"), "{listed}");
    place.ends(2, "credentials list wellbeing --csv --json");
}

#[test]
fn a_survey_that_takes_one_response_gives_no_credential_for_more() {
    let place = Place::new();
    let folder = place.path("study");
    let mut files = hagaki::definition::samples::wellbeing().files().clone();
    let text = files.get_mut("study.toml").unwrap();
    *text = text.replace("responses = \"repeat\"", "responses = \"once\"");
    let bundle = unscheduled(&hagaki::definition::Bundle::from_files(files));
    hagaki::definition::samples::write(&bundle, &folder).unwrap();
    place.ends(0, "study activate study --production --reason go");
    let refused = place.ends(1, "credentials issue wellbeing --count 1 --uses many --out no.csv").err;
    assert!(refused.contains("takes one response of each person"), "{refused}");
    place.ends(0, "credentials issue wellbeing --count 1 --uses once --out one.csv");
}

#[test]
fn a_mailing_is_listed_held_and_stopped() {
    let place = Place::new();
    place.ends(0, &format!("study activate {SAMPLE} --production --reason go"));
    let told = place.ends(0, "outbox mailings wellbeing").out;
    assert!(told.contains("no letter of a mailing was written"), "{told}");
    let list = place.write("three.csv", "email\na@example.jp\nb@example.jp\nc@example.jp\n");
    place.ends(0, &format!("credentials issue wellbeing --csv {list} --reason wave"));
    let listed = place.ends(0, "outbox mailings wellbeing --json").json();
    let name = listed["mailing"].as_str().unwrap().to_owned();
    assert!(name.starts_with("wellbeing/") && name.ends_with("/+command"), "{listed}");
    assert_eq!((&listed["written"], &listed["letters"]["waiting"]), (&3.into(), &3.into()));
    assert!(listed["by"][0].as_str().unwrap().starts_with("operator:"), "{listed}");
    place.ends(2, &format!("outbox hold --mailing {name}"));
    place.ends(2, "outbox hold --mailing wellbeing/soon/+command --reason typo");
    let refused = place.ends(1, &format!("outbox resume --mailing {name} --reason typo")).err;
    assert!(refused.contains("is held"), "{refused}");
    let told = place.ends(0, &format!("outbox hold --mailing {name} --reason typo")).out;
    assert!(told.starts_with("3 letters held"), "{told}");
    let told = place.ends(0, &format!("outbox resume --mailing {name} --reason mended")).out;
    assert!(told.starts_with("3 letters released"), "{told}");
    let told = place.ends(0, &format!("outbox stop --mailing {name} --reason typo")).out;
    assert!(told.starts_with("3 letters will never leave") && told.contains("credentials reissue"), "{told}");
    let told = place.ends(0, "outbox mailings wellbeing").out;
    assert!(told.contains("3 written, 3 dropped"), "{told}");
    place.ends(1, &format!("outbox stop --mailing {name} --reason again"));
    place.ends(1, "outbox mailings nosuch");
}
