//! `hagaki schedule rehearse`, as a manager types it.

use std::fs;

use serde_json::Value;

use crate::cli::Place;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies");
const WEEKS: &str = "--from 2026-04-20 --days 28 --people 3 --seed 7";

fn samples(name: &str) -> String {
    format!("{SAMPLES}/{name}")
}

#[test]
fn a_folder_is_rehearsed_with_invented_people() {
    let place = Place::keyless();
    let ran = place.ends(0, &format!("schedule rehearse {} {WEEKS}", samples("wellbeing")));
    insta::assert_snapshot!(ran.out);
    let ran = place.ends(
        0,
        &format!(
            "schedule rehearse {} --from 2026-11-20 --days 60 --people 4 --answering 20 --seed 7",
            samples("aurora")
        ),
    );
    insta::assert_snapshot!("sites", ran.out);
    assert!(ran.out.contains("week_4_missing") && ran.out.contains("AURORA-0002  week_4_missing  unanswered"));
}

#[test]
fn csv_and_json_tell_the_same_letters() {
    let place = Place::keyless();
    let line = format!("schedule rehearse {} {WEEKS}", samples("wellbeing"));
    let told = place.ends(0, &format!("{line} --json")).json();
    let letters = told["letters"].as_array().unwrap();
    let table = place.ends(0, &format!("{line} --csv")).out;
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let head: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(head, ["day", "time", "zone", "instant", "person", "rule", "letter", "occasion", "sent", "why"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), letters.len());
    for (row, letter) in rows.iter().zip(letters) {
        for (at, key) in [(0, "day"), (1, "time"), (3, "at"), (4, "person"), (5, "rule"), (9, "why")] {
            assert_eq!(Value::from(&row[at]), letter[key]);
        }
    }
    let weekly = &told["rules"][0];
    assert_eq!((weekly["rule"].as_str(), weekly["sent"].as_u64()), (Some("weekly"), Some(12)));
    // The Monday of Golden Week.
    assert_eq!(weekly["moved"], 3);
    assert!(letters.iter().any(|letter| {
        letter["why"].as_str().unwrap().contains("moved from Mon 2026-05-04 09:00: holiday (みどりの日)")
    }));
}

#[test]
fn the_page_speaks_both_languages() {
    let place = Place::keyless();
    let line =
        |name: &str, more: &str| format!("schedule rehearse {} --people 2 --seed 7 --html {more}", samples(name));
    let english = place.ends(0, &line("wellbeing", "--from 2026-04-20 --days 21")).out;
    assert!(english.contains("moved from Mon 2026-05-04 09:00: holiday (みどりの日)"), "{english}");
    assert!(english.contains(">participant 1</td>") && english.contains("by the line 0 9 * * mon"));
    let japanese = place.ends(0, &line("wellbeing", "--from 2026-04-20 --days 21 --language ja")).out;
    assert!(japanese.contains("2026-05-04（月） 09:00 から移動：休日（みどりの日）"), "{japanese}");
    assert!(japanese.contains(">参加者 1</td>") && japanese.contains("回答のお願いの 2 日後、18:00"));
    let sites = place.ends(0, &line("aurora", "--from 2026-11-20 --days 60 --language ja")).out;
    assert!(sites.contains("4週後の予定日の 3 日後、08:00") && sites.contains("症例の施設の担当医師"), "{sites}");
    // Beyond what is published.
    let far = place.ends(0, &line("wellbeing", "--from 2028-01-04 --days 21 --language ja")).out;
    assert!(far.contains("2027 年の末まで公表されています"), "{far}");
    // No gap is left open.
    for page in [english, japanese, sites, far] {
        assert!(!page.contains("{anchor}") && !page.contains("{role}") && !page.contains("{day}"));
    }
}

#[test]
fn another_schedule_is_compared() {
    let place = Place::keyless();
    let other = place.path("other");
    fs::create_dir_all(other.join("instruments")).unwrap();
    fs::create_dir_all(other.join("letters/en/invitation")).unwrap();
    for name in ["study.toml", "instruments/weekly.toml", "schedule.toml"] {
        fs::copy(format!("{}/{name}", samples("wellbeing")), other.join(name)).unwrap();
    }
    let schedule = fs::read_to_string(other.join("schedule.toml")).unwrap();
    let schedule =
        schedule.replace("cron = \"0 8 * * mon\"", "cron = \"0 8 * * tue\"").replace("times = 2", "times = 1");
    fs::write(other.join("schedule.toml"), schedule).unwrap();
    fs::write(other.join("letters/en/invitation/subject.hbs"), "Your diary").unwrap();
    let line =
        format!("schedule rehearse {} {WEEKS} --answering 0 --against {}", samples("wellbeing"), other.display());
    let told = place.ends(0, &format!("{line} --json")).json();
    let many = |key: &str| told[key].as_array().unwrap().len();
    // Three reports on another day, for that of Golden Week moves to the same; second reminders gone; nothing new.
    assert_eq!((many("added"), many("moved")), (0, 3));
    assert!(many("gone") > 0 && told["gone"].as_array().unwrap().iter().all(|one| one["rule"] == "remind"));
    assert_eq!(told["reworded"], serde_json::json!(["file letters/en/invitation/subject.hbs: new"]));
    let shown = place.ends(0, &line).out;
    assert!(
        shown.contains("~ Tue 2026-04-21 08:00  office  report  weekly-report  instead of Mon 2026-04-20 08:00"),
        "{shown}"
    );
    assert!(shown.contains("0 letters added"), "{shown}");
}

#[test]
fn what_cannot_be_rehearsed_is_refused() {
    let place = Place::keyless();
    for (line, wanted) in [
        (format!("schedule rehearse {}", samples("members")), "has no schedule"),
        (
            format!("schedule rehearse {} --against {}", samples("wellbeing"), samples("members")),
            "--against: has no schedule",
        ),
        ("schedule rehearse nosuch".to_owned(), "nosuch"),
    ] {
        let ran = place.ends(1, &line);
        assert!(ran.err.contains(wanted), "{}", ran.err);
    }
    for line in
        ["--days 0", "--answering 101", "--delay 2", "--delay 日", "--zones Tokyo", "--from today", "--csv --json"]
    {
        place.ends(2, &format!("schedule rehearse {} {line}", samples("wellbeing")));
    }
}

#[test]
fn check_tells_the_next_times() {
    let place = Place::keyless();
    let ran = place.ends(0, &format!("check {} --json", samples("wellbeing")));
    let times: Vec<String> = serde_json::from_value(ran.json()["schedule"].clone()).unwrap();
    assert!(times[0].starts_with("weekly (invitation): Mon ") || times[0].contains("moved"), "{times:?}");
    assert_eq!(times[0].matches(" 09:00").count(), 3, "{times:?}");
    assert_eq!(times[1], "remind (reminder): 2 days after the invitation, 18:00");
}

#[test]
fn the_people_on_file_are_rehearsed() {
    let place = Place::new();
    place.ends(0, &format!("study activate {} --json", samples("wellbeing")));
    let people = place.write(
        "people.csv",
        "firstname,lastname,email\nHanako,Yamada,hanako@example.jp\nJiro,Suzuki,jiro@example.jp\n",
    );
    place.ends(0, &format!("credentials issue wellbeing --csv {people} --json"));
    let ends = "schedule rehearse wellbeing --days 28 --answering 0";
    let told = place.ends(0, &format!("{ends} --json")).json();
    assert_eq!((&told["invented"], &told["people"]), (&Value::Bool(false), &Value::from(3)));
    let of = |told: &Value, rule: &str| {
        let own = told["letters"].as_array().unwrap().iter().filter(|one| one["rule"] == rule && one["sent"] == true);
        own.map(|one| one["person"].as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    // They were invited just now, so the reminders of that come, too; nobody's name is shown unasked.
    let reminded = of(&told, "remind");
    assert!(reminded.contains(&"participant 1".to_owned()) && reminded.contains(&"participant 2".to_owned()), "{told}");
    let named = place.ends(0, &format!("{ends} --names --json")).json();
    assert!(of(&named, "weekly").iter().any(|name| name.contains("Hanako")), "{named}");
    assert!(!told.to_string().contains("Hanako"));
    // A list of its own is invented if asked for.
    let invented = place.ends(0, &format!("{ends} --people 5 --json")).json();
    assert_eq!((&invented["invented"], &invented["people"]), (&Value::Bool(true), &Value::from(6)));
}
