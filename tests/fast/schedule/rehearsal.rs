//! A schedule gone through beforehand, for people who answer as is assumed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};
use hagaki::definition::samples;
use hagaki::domain::event::Window;
use hagaki::domain::schedule::rehearsal::{Assumed, Fate, Line, Rehearsed, Somebody, Stretch, rehearse};
use hagaki::domain::schedule::{Anchor, Letter, Mark, Reason, Schedule, Stop};
use hagaki::domain::time::{Instant, Zone};

use super::{at, diary_with, shown, study_of, zone};

const MOST: usize = 1_000_000;

fn assumed(percent: u32, hours: i64) -> Assumed {
    Assumed { percent, delay_seconds: hours * 3600, seed: "seed".to_owned() }
}

fn people(many: usize, zone: Option<Zone>, rules: &[usize]) -> Vec<Somebody> {
    let one = |number| Somebody { name: format!("P-{number:04}"), zone, rules: rules.to_vec(), ..Somebody::default() };
    (1..=many).map(one).collect()
}

/// From the Monday before Golden Week on.
fn weeks(many: u32) -> Stretch {
    let tokyo = zone("Asia/Tokyo");
    let from = at(tokyo, "2026-04-20 00:00");
    Stretch { from, until: from.plus_seconds(i64::from(many) * 7 * 24 * 3600), zone: tokyo, opens: None }
}

fn sent<'r>(schedule: &Schedule, rehearsed: &'r Rehearsed, letter: Letter) -> Vec<&'r Line> {
    let is = |line: &&Line| matches!(line.fate, Fate::Sent(_)) && schedule.rules[line.rule].letter == letter;
    rehearsed.lines.iter().filter(is).collect()
}

#[test]
fn twelve_weeks_of_a_diary() {
    let schedule = study_of(&samples::wellbeing()).schedule.unwrap();
    let everybody = people(50, None, &[0, 1]);
    let rehearsed = rehearse(&schedule, &everybody, &assumed(60, 24), weeks(12), MOST).unwrap();
    // The fourth of May 2026 is a holiday, as are the days after it, so that week's letter comes on Thursday.
    let days: BTreeSet<String> =
        sent(&schedule, &rehearsed, Letter::Invitation).iter().map(|line| shown(line.zone, line.at)).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    assert_eq!(days.len(), 12);
    assert!(days.contains(&"Thu 2026-05-07 09:00") && days.contains(&"Mon 2026-05-11 09:00"), "{days:?}");
    let reminders = sent(&schedule, &rehearsed, Letter::Reminder);
    assert!(reminders.len() > 100 && reminders.len() < 700, "{}", reminders.len());
    let mut seen = BTreeSet::new();
    for line in &rehearsed.lines {
        let clock = line.at.clock_in(line.zone);
        assert!(seen.insert((line.who, line.rule, line.occasion.clone())), "{line:?} comes twice");
        if matches!(line.fate, Fate::Sent(_)) {
            assert_eq!(schedule.days.forbids(clock, None), None, "{line:?}");
            assert!(clock.date().weekday().num_days_from_monday() < 5);
        }
    }
    // Everybody gets each week's letter, whether they answered or not.
    let mut weekly: BTreeMap<usize, usize> = BTreeMap::new();
    sent(&schedule, &rehearsed, Letter::Invitation).iter().for_each(|line| *weekly.entry(line.who).or_default() += 1);
    assert!(weekly.len() == 50 && weekly.values().all(|many| *many == 12), "{weekly:?}");
}

#[test]
fn whoever_answers_at_once_is_never_reminded() {
    let schedule = study_of(&samples::wellbeing()).schedule.unwrap();
    let rehearsed = rehearse(&schedule, &people(20, None, &[0, 1]), &assumed(100, 1), weeks(12), MOST).unwrap();
    assert_eq!(sent(&schedule, &rehearsed, Letter::Invitation).len(), 20 * 12);
    assert_eq!(sent(&schedule, &rehearsed, Letter::Reminder).len(), 0);
    assert_eq!(rehearsed.ended.get(&(1, Reason::Stopped(Stop::Response, Instant(0)))), Some(&20));
    // And whoever never does gets every reminder.
    let rehearsed = rehearse(&schedule, &people(1, None, &[0, 1]), &assumed(0, 1), weeks(3), MOST).unwrap();
    let told: Vec<(String, String)> = rehearsed
        .lines
        .iter()
        .map(|line| (shown(line.zone, line.at), schedule.rules[line.rule].letter.key().to_owned()))
        .collect();
    let told: Vec<(&str, &str)> = told.iter().map(|(at, letter)| (at.as_str(), letter.as_str())).collect();
    assert_eq!(
        told,
        [
            ("Mon 2026-04-20 09:00", "invitation"),
            ("Wed 2026-04-22 18:00", "reminder"),
            ("Fri 2026-04-24 18:00", "reminder"),
            ("Mon 2026-04-27 09:00", "invitation"),
            // Wednesday is a holiday, so one day later; the second keeps its day.
            ("Thu 2026-04-30 18:00", "reminder"),
            ("Fri 2026-05-01 18:00", "reminder"),
            ("Thu 2026-05-07 09:00", "invitation"),
        ]
    );
}

#[test]
fn the_same_seed_tells_the_same() {
    let schedule = study_of(&samples::wellbeing()).schedule.unwrap();
    let of = |seed: &str| {
        let assumed = Assumed { seed: seed.to_owned(), ..assumed(50, 48) };
        rehearse(&schedule, &people(30, None, &[0, 1]), &assumed, weeks(8), MOST).unwrap().lines
    };
    assert_eq!(of("one"), of("one"));
    assert_ne!(of("one"), of("two"));
}

#[test]
fn each_in_their_own_zone() {
    let text = "zone = \"person\"\n[[rules]]\nid = \"weekly\"\naudience = \"participants\"\nletter = \"invitation\"\ncron = \"0 9 * * sun\"\n";
    let schedule = study_of(&diary_with(text)).schedule.unwrap();
    let (tokyo, berlin) = (zone("Asia/Tokyo"), zone("Europe/Berlin"));
    let everybody: Vec<Somebody> =
        [Some(tokyo), Some(berlin)].into_iter().flat_map(|zone| people(1, zone, &[0])).collect();
    let from = at(tokyo, "2026-10-19 00:00");
    let stretch = Stretch { from, until: from.plus_seconds(14 * 24 * 3600), zone: tokyo, opens: None };
    let rehearsed = rehearse(&schedule, &everybody, &assumed(0, 1), stretch, MOST).unwrap();
    let told: Vec<String> = rehearsed.lines.iter().map(|line| line.at.utc()).collect();
    // On the twenty-fifth Berlin puts its clocks back.
    let expected = ["2026-10-25T00:00:00Z", "2026-10-25T08:00:00Z", "2026-11-01T00:00:00Z", "2026-11-01T08:00:00Z"];
    assert_eq!(told, expected);
}

#[test]
fn sites_are_told_of_what_is_missing_until_it_is_there() {
    let schedule = study_of(&samples::aurora()).schedule.unwrap();
    let tokyo = zone("Asia/Tokyo");
    let planned: NaiveDate = "2026-12-01".parse().unwrap();
    let closes: NaiveDate = "2026-12-08".parse().unwrap();
    let window = Window { day: planned, opens: planned, closes };
    let mark = Mark { day: window.day, at: None, closes: Some(window.closes) };
    let subject = |name: &str, form: Option<&str>| Somebody {
        name: name.to_owned(),
        rules: vec![1],
        happened: BTreeMap::from([(Anchor::Due("week_4".to_owned()), mark)]),
        forms: form.map(|form| ("week_4".to_owned(), at(tokyo, form))).into_iter().collect(),
        ..Somebody::default()
    };
    let everybody =
        [subject("1", None), subject("2", Some("2026-12-05 10:00")), subject("3", Some("2026-12-01 10:00"))];
    let from = at(tokyo, "2026-11-20 00:00");
    let stretch = Stretch { from, until: from.plus_seconds(60 * 24 * 3600), zone: tokyo, opens: None };
    let rehearsed = rehearse(&schedule, &everybody, &assumed(0, 1), stretch, MOST).unwrap();
    let told: Vec<(String, usize, bool)> = rehearsed
        .lines
        .iter()
        .map(|line| (shown(line.zone, line.at), line.who + 1, matches!(line.fate, Fate::Told(_))))
        .collect();
    let told: Vec<(&str, usize, bool)> = told.iter().map(|(at, who, up)| (at.as_str(), *who, *up)).collect();
    assert_eq!(
        told,
        [
            ("Fri 2026-12-04 08:00", 1, false),
            ("Fri 2026-12-04 08:00", 2, false),
            ("Mon 2026-12-07 08:00", 1, false),
            ("Thu 2026-12-10 08:00", 1, true),
        ]
    );
}

#[test]
fn a_rehearsal_has_a_limit() {
    let schedule = study_of(&samples::wellbeing()).schedule.unwrap();
    assert!(rehearse(&schedule, &people(50, None, &[0, 1]), &assumed(0, 1), weeks(12), 100).is_none());
}
