//! `[[events]]`: what a bundle says of a subject's course, what is said of one that contradicts itself, and what comes of it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hagaki::definition::{self, Bundle, samples};
use hagaki::domain::answer::{Form, Line, Uploads, read_form};
use hagaki::domain::event::{Anchor, Timing};
use hagaki::domain::study::Study;
use hagaki::workflow::course::{self, Progress, Record};
use hagaki::workflow::follow_up;

use crate::randomization::{problems, told};
use crate::schedule::unscheduled;

const S: &str = "study.toml";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn study_of(bundle: &Bundle) -> Study {
    definition::load(bundle).unwrap_or_else(|problems| panic!("{problems:#?}")).0
}

fn filled(study: &Study, answers: &[(&str, &str)]) -> Form {
    let line = |(at, (key, value)): (usize, &(&str, &str))| Line {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        number: at + 1,
    };
    let lines: Vec<Line> = answers.iter().enumerate().map(line).collect();
    read_form(study, study.registration_instrument(), &lines, day("2026-11-20"))
}

/// A registration in AURORA.
fn registration(study: &Study, sex: &str) -> Form {
    let answers = [
        ("site", "011"),
        ("subject_ref", "A-0001"),
        ("consent_date", "2026-11-18"),
        ("age", "58"),
        ("sex", sex),
        ("stage", "III"),
        ("ecog_ps", "1"),
    ];
    filled(study, &answers)
}

#[test]
fn the_sample_has_its_events() {
    let study = study_of(&samples::aurora());
    let ids: Vec<&str> = study.events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["week_4", "week_8", "adverse"]);
    let after = Anchor::Event("week_4".to_owned());
    assert_eq!(study.find_event("week_8").unwrap().timing, Some(Timing { after, days: 28, early: 3, late: 7 }));
    let adverse = study.find_event("adverse").unwrap();
    assert!(adverse.repeats && adverse.timing.is_none());
}

#[test]
fn the_section_that_the_template_shows_is_good() {
    let mut files = samples::template().files().clone();
    let study = files.get_mut(S).unwrap();
    let begin = study.find("# [[events]]").unwrap();
    let end = begin + study[begin..].find("\n\n").unwrap();
    let keys = ["[[", "id = ", "name = ", "instruments = ", "day = ", "after = ", "early = ", "late = ", "day_item = "];
    let bare = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if keys.iter().any(|key| rest.starts_with(key)) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let shown: Vec<String> =
        study[begin..end].lines().take_while(|line| *line != "# [[events.checks]]").map(bare).collect();
    study.replace_range(begin..end, &(shown.join("\n") + "\n\n"));
    files.insert(
        "instruments/visit.toml".to_owned(),
        samples::aurora().file("instruments/visit.toml").unwrap().to_owned(),
    );
    let study = study_of(&Bundle::from_files(files));
    assert_eq!(
        study.find_event("week_4").unwrap().timing,
        Some(Timing { after: Anchor::Enrolled, days: 28, early: 3, late: 7 })
    );
}

#[test]
fn slips_are_told() {
    let check = "rule = \"!answered(weight) || !answered(week_4_weight)";
    insta::assert_snapshot!(told(
        &unscheduled(&samples::aurora()),
        &[
            (S, "id = \"week_8\"", "id = \"week_4\""),
            (S, "instruments = [\"visit\"]", "instruments = [\"visits\"]"),
            (S, "instruments = [\"visit\"]", "instruments = []"),
            (S, "instruments = [\"visit\"]", "instruments = [\"visit\", \"visit\"]"),
            (S, "instruments = [\"adverse_event\"]", "instruments = [\"registration\"]"),
            (S, "after = \"week_4\"", "after = \"week_8\""),
            (S, "after = \"week_4\"", "after = \"week4\""),
            (S, "day = 28\nearly", "day = -28\nearly"),
            (S, "day = 28\nearly = 3", "early = 3"),
            (S, "early = 3\nlate = 7\nday_item", "early = 3\nlate = 7\nrepeats = true\nday_item"),
            (S, "day_item = \"visit_date\"", "day_item = \"visit\""),
            (S, "day_item = \"visit_date\"", "day_item = \"ecog\""),
            (S, "repeats = true", "repeats = true\nwhen = \"sexx == 'F'\""),
            (S, "repeats = true", "repeats = true\nwhen = \"age\""),
            (S, "repeats = true", "repeat = true"),
            (S, check, "rule = \"!answered(week_4_weight) || week_4_weight > 0.0\"\n# "),
            (S, check, "rule = \"!answered(weight) || !answered(week_12_weight)"),
            (S, "soft = true", "soft = true\nitems = [\"wait\"]"),
        ],
    ));
    let mut files = unscheduled(&samples::wellbeing()).files().clone();
    files.get_mut(S).unwrap().push_str(
        "\n[[events]]\nid = \"later\"\nname = { ja = \"後\", en = \"Later\" }\ninstruments = [\"weekly\"]\nday = 3\n",
    );
    let found = problems(&Bundle::from_files(files));
    assert!(
        found.len() == 1 && found[0].contains("the study registers nobody whose course this could be"),
        "{found:#?}"
    );
}

#[test]
fn what_is_planned_depends_on_what_is_known() {
    let bundle = &samples::aurora();
    let text = bundle.file(S).unwrap().replace("repeats = true", "repeats = true\nwhen = \"sex == 'F'\"");
    let mut files = bundle.files().clone();
    files.insert(S.to_owned(), text);
    let study = study_of(&Bundle::from_files(files));
    for (sex, planned) in [("F", vec!["week_4", "week_8", "adverse"]), ("M", vec!["week_4", "week_8"])] {
        let registration = registration(&study, sex);
        let record =
            Record { enrolled_on: day("2026-11-20"), registration: &registration, allocations: &[], responses: &[] };
        let stations = course::stations(&study, record);
        assert_eq!(stations.iter().map(|one| one.event.id.as_str()).collect::<Vec<_>>(), planned);
        let progress = |on: &str| stations[0].progress(day(on));
        assert_eq!(progress("2026-12-14"), Progress::Ahead);
        assert_eq!([progress("2026-12-15"), progress("2026-12-25")], [Progress::Due; 2]);
        assert_eq!(progress("2026-12-26"), Progress::Late);
        assert_eq!(
            stations[1].progress(day("2030-01-01")),
            Progress::Waiting,
            "counted from a visit that has not been"
        );
    }
}

#[test]
fn a_check_between_events_knows_what_came_before() {
    let study = study_of(&samples::aurora());
    let registration = registration(&study, "M");
    let event = study.find_event("week_8").unwrap();
    let instrument = follow_up::instrument_at(&study, event, "visit", None).unwrap();
    let lines: Vec<Line> = [("visit_date", "2026-11-19"), ("weight", "90"), ("ecog", "1"), ("treatment_given", "yes")]
        .iter()
        .enumerate()
        .map(|(at, (key, value))| Line { key: (*key).to_owned(), value: (*value).to_owned(), number: at + 1 })
        .collect();
    let read = |before: Option<&str>| {
        let answers = before.map(|weight| BTreeMap::from([("weight", weight)]));
        let row = answers.map(|answers| hagaki::store::response::ResponseRow {
            id: hagaki::domain::survey::Mark([1; 16]),
            study_id: 1,
            instrument: "visit".to_owned(),
            bundle_version: 1,
            participant_id: None,
            subject_id: Some(1),
            event: "week_4".to_owned(),
            occasion: 1,
            person: "yamada".to_owned(),
            channel: hagaki::store::response::Channel::Web,
            language: "en".to_owned(),
            answers: serde_json::to_string(&answers).unwrap(),
            typed: "{}".to_owned(),
            answered_at: None,
            replaces: None,
            reason: String::new(),
            current: true,
            audit_digest: None,
        });
        let rows: Vec<_> = row.into_iter().collect();
        let record =
            Record { enrolled_on: day("2026-09-20"), registration: &registration, allocations: &[], responses: &rows };
        follow_up::read(&study, event, &instrument, (&lines, &Uploads::new()), record, day("2026-11-20"))
    };
    let doubts =
        |form: &Form| form.doubts.iter().map(|doubt| format!("{} {}", doubt.item, doubt.expected)).collect::<Vec<_>>();
    assert_eq!(doubts(&read(Some("60"))), ["weight week_8.weight"]);
    assert_eq!(doubts(&read(Some("88.5"))), [""; 0]);
    assert_eq!(doubts(&read(None)), [""; 0], "nothing to look back at");
    assert!(read(Some("60")).faults.is_empty());
}
