//! What `schedule.toml` and calendars of holidays say, and what is said of those that are wrong.

use hagaki::definition::{self, Bundle, samples};
use hagaki::domain::schedule::holidays::Holidays;
use hagaki::domain::schedule::{Anchor, Audience, Late, Letter, Moment, Offset, TargetKind};
use hagaki::domain::study::Role;

use super::{SCHEDULE, study_of, with};
use crate::randomization::{problems, told};

const S: &str = "study.toml";

#[test]
fn the_samples_have_their_schedules() {
    let schedule = study_of(&samples::wellbeing()).schedule.unwrap();
    let remind = schedule.find("remind").unwrap();
    assert_eq!((remind.letter, &remind.audience, remind.late), (Letter::Reminder, &Audience::Participants, Late::Drop));
    assert!(remind.until_response);
    let Moment::After(after) = &remind.moment else { panic!() };
    assert_eq!(after.anchor, Anchor::Invitation);
    assert_eq!(after.offset, Offset::Days { days: 2, at: "18:00:00".parse().unwrap() });
    assert_eq!(schedule.find("weekly").unwrap().late, Late::Within(2 * 24 * 3600));
    assert_eq!(schedule.days.holidays, [Holidays::Japan]);
    let schedule = study_of(&samples::aurora()).schedule.unwrap();
    let kinds: Vec<TargetKind> = schedule.rules.iter().map(|rule| rule.target()).collect();
    assert_eq!(kinds, [TargetKind::Person, TargetKind::Subject, TargetKind::Person]);
    assert_eq!(schedule.find("due").unwrap().audience, Audience::SiteStaff(Role::Investigator));
    assert!(study_of(&samples::somnus()).schedule.is_some());
    // A file in which everything is a comment is no schedule.
    assert!(study_of(&samples::template()).schedule.is_none());
    assert!(samples::template().file(SCHEDULE).is_some());
}

#[test]
fn the_rule_that_the_template_shows_is_good() {
    let shown = samples::template().file(SCHEDULE).unwrap().to_owned();
    let is_key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
            || line.starts_with("[[")
    };
    let bare = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if is_key(rest) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let text: Vec<String> = shown.lines().map(bare).filter(|line| !line.contains("pain >= 7")).collect();
    let mut bundle = with(&samples::wellbeing(), &text.join("\n")).files().clone();
    bundle.insert("holidays/de.ics".to_owned(), DE.to_owned());
    let study = study_of(&Bundle::from_files(bundle));
    let schedule = study.schedule.unwrap();
    assert_eq!((schedule.rules.len(), schedule.days.holidays.len()), (1, 2));
    assert_eq!(schedule.rules[0].escalations.len(), 2);
}

#[test]
fn slips_are_told() {
    const D: &str = SCHEDULE;
    insta::assert_snapshot!(told(
        &samples::wellbeing(),
        &[
            (D, "zone = \"study\"", "zone = \"participant\""),
            (D, "quiet = {", "quite = {"),
            (D, "to = \"08:00\"", "to = \"8 o'clock\""),
            (D, "to = \"08:00\"", "to = \"21:00\""),
            (D, "[\"mon\", \"tue\"", "[\"monday\", \"tue\""),
            (D, "weekdays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]", "weekdays = []"),
            (D, "holidays = [\"jp\"]", "holidays = [\"japan\"]"),
            (D, "holidays = [\"jp\"]", "holidays = [\"jp\", \"jp\"]"),
            (D, "holidays = [\"jp\"]", "holidays = [\"holidays/de.ics\"]"),
            (D, "to = 2027-01-03", "to = 2026-01-03"),
            (D, "id = \"remind\"", "id = \"weekly\""),
            (D, "id = \"remind\"", "id = \"Remind\""),
            (D, "audience = { role = \"manager\" }", "audience = \"managers\""),
            (D, "audience = { role = \"manager\" }", "audience = { role = \"boss\" }"),
            (D, "audience = { role = \"manager\" }", "audience = { role = \"monitor\" }"),
            (D, "audience = { role = \"manager\" }", "audience = { people = [\"offices\"] }"),
            (D, "audience = { role = \"manager\" }", "audience = { people = [] }"),
            (D, "audience = { role = \"manager\" }", "audience = { site = \"investigator\" }"),
            (D, "audience = { role = \"manager\" }", "audience = { role = \"manager\", people = [\"office\"] }"),
            (D, "audience = \"participants\"", "audience = \"members\""),
            (D, "letter = \"weekly-report\"", "letter = \"invitation\""),
            (D, "letter = \"weekly-report\"", "letter = \"weekly\""),
            (D, "cron = \"0 9 * * mon\"", "cron = \"0 9 * * monday\""),
            (D, "cron = \"0 9 * * mon\"", "cron = \"0 9 31 feb *\""),
            (
                D,
                "cron = \"0 9 * * mon\"\n# A Monday that is a holiday: the next working day.\nshift = \"next\"",
                "cron = \"0 9 * * sun\"\nshift = \"drop\""
            ),
            (D, "cron = \"0 9 * * mon\"", "cron = \"@weekly\""),
            (D, "cron = \"0 9 * * mon\"", "cron = \"0 9 * * mon\"\nat = \"09:00\""),
            (D, "cron = \"0 9 * * mon\"", "cron = \"0 9 * * mon\"\nevery = \"7 days\""),
            (D, "cron = \"0 9 * * mon\"", ""),
            (
                D,
                "cron = \"0 9 * * mon\"\n# A Monday that is a holiday: the next working day.\nshift = \"next\"",
                "on = 2026-12-30\nat = \"09:00\"\nshift = \"drop\"",
            ),
            (D, "cron = \"0 9 * * mon\"", "on = 2037-01-05\nat = \"09:00\""),
            (D, "cron = \"0 9 * * mon\"", "on = 2026-12-01"),
            (D, "after = \"invitation\"", "after = \"invitations\""),
            (D, "after = \"invitation\"", "after = \"enrolled\""),
            (D, "after = \"invitation\"", "after = \"last_response\""),
            (D, "after = \"invitation\"", "after = { due = \"week_4\" }"),
            (D, "after = \"invitation\"", "after = { item = \"weekly.mood\" }"),
            (D, "after = \"invitation\"", "after = { item = \"weekly.dya\" }"),
            (D, "after = \"invitation\"", "after = { item = \"weekly.day\" }\ncron = \"0 9 * * *\""),
            (D, "days = 2\nat = \"18:00\"", "days = -2\nat = \"18:00\""),
            (D, "days = 2\nat = \"18:00\"", "days = 2\nhours = 3"),
            (D, "days = 2\nat = \"18:00\"", "hours = 3000"),
            (D, "days = 2\nat = \"18:00\"", "days = 2"),
            (D, "days = 2\nat = \"18:00\"", "days = 2\nat = \"22:00\""),
            (D, "days = 2\nat = \"18:00\"", "days = 2\nat = \"22:00\"\nshift = \"drop\""),
            (D, "every = \"2 days\"", "every = \"two days\""),
            (D, "every = \"2 days\"\n", ""),
            (D, "until = [\"response\"]", ""),
            (D, "until = [\"response\"]", "until = [\"answer\"]"),
            (D, "times = 2\nuntil = [\"response\"]", "times = 2000\nuntil = [\"response\"]"),
            (D, "late = \"drop\"", "late = \"drop\"\ngrace = \"2 days\""),
            (D, "late = \"drop\"", "when = \"mod >= 3\""),
            (D, "late = \"drop\"", "when = \"mood\""),
            (D, "late = \"drop\"", "escalate = [{ after = 3, to = \"coordinator\" }]"),
            (D, "late = \"drop\"", "escalate = [{ to = \"coordinator\" }, { on = \"failed\", to = \"boss\" }]"),
            (
                D,
                "letter = \"weekly-report\"",
                "letter = \"weekly-report\"\nescalate = [{ after = 1, to = \"coordinator\" }]"
            ),
        ],
    ));
    insta::assert_snapshot!(
        "slips_of_sites",
        told(
            &samples::aurora(),
            &[
                (D, "after = { due = \"week_4\" }", "after = { due = \"adverse\" }"),
                (D, "after = { due = \"week_4\" }", "after = { due = \"week4\" }"),
                (D, "after = { due = \"week_4\" }\ndays = 3", "after = \"week_4\"\ndays = -3"),
                (D, "after = { due = \"week_4\" }", "after = \"invitation\""),
                (D, "after = { due = \"week_4\" }", "after = { item = \"registration.subject_ref\" }"),
                (D, "times = 2", "times = 2\nwhen = \"sex == 'X'\""),
                (D, "times = 2", "times = 2\nwhen = \"!answered(week_4_weight)\""),
                (D, "letter = \"follow-up-due\"", "letter = \"reminder\""),
                (S, "[[events]]\nid = \"week_4\"", "[[events]]\nid = \"week_five\""),
            ],
        )
    );
}

#[test]
fn where_nobody_is_known_nothing_depends_on_them() {
    let bundle = |privacy: &str, schedule: &str| {
        let mut files = with(&samples::wellbeing(), schedule).files().clone();
        let study = files.get_mut(S).unwrap();
        *study = study
            .replace("privacy = \"named\"", &format!("privacy = \"{privacy}\""))
            .replace("responses = \"repeat\"", "responses = \"once\"");
        Bundle::from_files(files)
    };
    let nameless = |privacy: &str, schedule: &str| {
        let said = problems(&bundle(privacy, schedule));
        said.into_iter().filter(|one| one.starts_with(SCHEDULE)).collect::<Vec<String>>()
    };
    let rule = |letter: &str, rest: &str| {
        format!("[[rules]]\nid = \"one\"\naudience = \"participants\"\nletter = \"{letter}\"\n{rest}\n")
    };
    let at_once = rule("invitation", "on = 2026-12-01\nat = \"09:00\"");
    let remind = rule("reminder", "after = \"invitation\"\ndays = 3\nat = \"09:00\"\nuntil = [\"response\"]");
    let condition = rule("invitation", "on = 2026-12-01\nat = \"09:00\"\nwhen = \"mood > 3\"");
    let anchored = rule("invitation", "after = { item = \"weekly.day\" }\ndays = 3\nat = \"09:00\"");
    let second = at_once.replace("\"one\"", "\"two\"").replace("2026-12-01", "2026-12-08");
    let twice = format!("{at_once}\n{second}");
    for (privacy, schedule, said) in [
        ("anonymous", &at_once, None),
        ("anonymous", &remind, None),
        ("anonymous", &condition, Some("nobody's answers are known")),
        ("anonymous", &anchored, Some("when somebody answered is not kept, nor what")),
        ("fully-anonymous", &at_once, None),
        ("anonymous", &twice, None),
        ("fully-anonymous", &twice, Some("the rule one invites already")),
        ("fully-anonymous", &remind, Some("no answer can end letters")),
        ("fully-anonymous", &anchored, Some("whose time has come must not tell who they are")),
    ] {
        let found = nameless(privacy, schedule);
        match said {
            None => assert_eq!(found, Vec::<String>::new(), "{privacy} {schedule}"),
            Some(said) => assert!(found.iter().any(|one| one.contains(said)), "{privacy} {schedule}: {found:?}"),
        }
    }
    // A survey that runs by what an earlier version of the program took keeps its schedule; nobody gets a second access by it.
    let again = rule("invitation", "on = 2026-12-01\nat = \"09:00\"\nevery = \"7 days\"\ntimes = 2");
    for (schedule, said) in [(&twice, "the rule one invites already"), (&again, "would bring another access")] {
        let bundle = bundle("fully-anonymous", schedule);
        assert!(definition::load(&bundle).is_err(), "{schedule}");
        let (study, warnings) = definition::load_in_force(&bundle).unwrap();
        assert!(study.schedule.is_some() && warnings.iter().any(|one| one.to_string().contains(said)), "{warnings:?}");
    }
}

/// A letter that comes, or not, by the arm would tell it.
#[test]
fn no_letter_tells_the_arm_of_a_blinded_study() {
    let mut files = samples::somnus().files().clone();
    let study = files.get_mut(S).unwrap();
    *study = study.replace("blinding = \"open\"", "blinding = \"blinded\"");
    let schedule = files.get_mut(SCHEDULE).unwrap();
    *schedule = schedule.replace("until = [\"response\"]", "until = [\"response\"]\nwhen = \"arm == 'TIPS'\"");
    let said = problems(&Bundle::from_files(files));
    assert!(said.iter().any(|one| one.contains("`arm` would tell the arm")), "{said:?}");
}

const DE: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\n\
                  DTSTART:19701025T030000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n\
                  BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20261003\r\nDTEND;VALUE=DATE:20261004\r\nRRULE:FREQ=YEARLY\r\n\
                  EXDATE;VALUE=DATE:20291003\r\nSUMMARY:Tag der Deutschen\r\n  Einheit\\, überall\r\nEND:VEVENT\r\n\
                  BEGIN:VEVENT\r\nUID:2\r\nDTSTART;VALUE=DATE:20261225\r\nDTEND;VALUE=DATE:20261227\r\nSUMMARY:Weihnachten\r\n\
                  BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT\r\n\
                  BEGIN:VEVENT\r\nUID:3\r\nDTSTART;VALUE=DATE:20260501\r\nSTATUS:CANCELLED\r\nSUMMARY:Nie\r\nEND:VEVENT\r\n\
                  BEGIN:VEVENT\r\nUID:4\r\nDTSTART;VALUE=DATE:20240229\r\nRRULE:FREQ=YEARLY;UNTIL=20301231\r\nSUMMARY:Schalttag\r\nEND:VEVENT\r\n\
                  END:VCALENDAR\r\n";

fn with_calendar(calendar: &str) -> Bundle {
    let mut files = samples::wellbeing().files().clone();
    let schedule = files.get_mut(SCHEDULE).unwrap();
    *schedule = schedule.replace("holidays = [\"jp\"]", "holidays = [\"jp\", \"holidays/de.ics\"]");
    files.insert("holidays/de.ics".to_owned(), calendar.to_owned());
    Bundle::from_files(files)
}

#[test]
fn holidays_of_a_calendar() {
    for calendar in [DE.to_owned(), DE.replace("\r\n", "\n")] {
        let schedule = study_of(&with_calendar(&calendar)).schedule.unwrap();
        let own = &schedule.days.holidays[1];
        let name = |day: &str| own.find(day.parse().unwrap()).map(|holiday| holiday.name.to_owned());
        assert_eq!(name("2026-10-03").as_deref(), Some("Tag der Deutschen Einheit, überall"));
        assert!(name("2040-10-03").is_some() && name("2029-10-03").is_none() && name("2025-10-03").is_none());
        assert_eq!(
            ["2026-12-24", "2026-12-25", "2026-12-26", "2026-12-27"].map(|day| name(day).is_some()),
            [false, true, true, false]
        );
        assert_eq!(
            ["2024-02-29", "2028-02-29", "2025-03-01", "2032-02-29"].map(|day| name(day).is_some()),
            [true, true, false, false]
        );
        assert_eq!(name("2026-05-01"), None);
    }
}

#[test]
fn a_holiday_of_each_year_is_written_out_to_its_last() {
    let found = |start: &str, rule: &str| {
        let calendar = format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:{start}\nRRULE:FREQ=YEARLY{rule}\nEND:VEVENT\nEND:VCALENDAR\n"
        );
        let schedule = study_of(&with_calendar(&calendar)).schedule.unwrap();
        let own = schedule.days.holidays[1].clone();
        move |day: &str| own.find(day.parse().unwrap()).is_some()
    };
    let old = found("19010501", "");
    assert!(old("2026-05-01") && old("2099-05-01"));
    // A day that is not there is no time of it.
    let leap = found("20240229", ";COUNT=3");
    assert!(leap("2024-02-29") && leap("2028-02-29") && leap("2032-02-29") && !leap("2036-02-29"));
    let until = found("20260501", ";UNTIL=20280501");
    assert!(until("2028-05-01") && !until("2029-05-01"));
}

#[test]
fn every_minute_of_a_night_is_no_line_that_is_always_left_out() {
    let mut files = samples::wellbeing().files().clone();
    let schedule = files.get_mut(SCHEDULE).unwrap();
    let from = "cron = \"0 9 * * mon\"\n# A Monday that is a holiday: the next working day.\nshift = \"next\"";
    assert!(schedule.contains(from));
    *schedule = schedule.replace(from, "cron = \"*/5 * * * *\"\nshift = \"drop\"");
    let found = problems(&Bundle::from_files(files));
    assert!(!found.iter().any(|one| one.contains("left out")), "{found:?}");
}

#[test]
fn what_of_a_calendar_is_not_understood_is_told_with_its_line() {
    let said = |from: &str, to: &str| {
        let found = problems(&with_calendar(&DE.replace(from, to)));
        found.into_iter().filter(|one| one.starts_with("holidays/")).collect::<Vec<String>>().join("\n")
    };
    assert_eq!(said("no such", ""), "");
    for (from, to, wanted) in [
        (
            "DTSTART;VALUE=DATE:20261225",
            "DTSTART:20261225T090000Z",
            "holidays/de.ics:22: DTSTART: \"20261225T090000Z\" is no whole day",
        ),
        (
            "RRULE:FREQ=YEARLY\r\n",
            "RRULE:FREQ=YEARLY;BYDAY=1MO\r\n",
            "holidays/de.ics:15: RRULE: \"FREQ=YEARLY;BYDAY=1MO\" is not understood",
        ),
        ("RRULE:FREQ=YEARLY\r\n", "RRULE:FREQ=WEEKLY\r\n", "is not understood"),
        ("DTSTART;VALUE=DATE:20261003\r\n", "", "holidays/de.ics:11: VEVENT: has no DTSTART"),
        ("DTSTART;VALUE=DATE:20261003", "DTSTART;VALUE=DATE:20261303", "is no whole day"),
        ("EXDATE;VALUE=DATE:20291003", "RDATE;VALUE=DATE:20291004", "holidays/de.ics:16: RDATE: is not understood"),
        ("BEGIN:VCALENDAR", "BEGIN:VCARD", "is no iCalendar file"),
        ("END:VEVENT\r\nEND:VCALENDAR", "", "ends in the middle"),
        ("END:VCALENDAR", "", "ends in the middle"),
    ] {
        let found = said(from, to);
        assert!(found.contains(wanted), "{from} → {to}: {found}");
    }
    let unused = {
        let mut files = samples::wellbeing().files().clone();
        files.insert("holidays/de.ics".to_owned(), DE.to_owned());
        problems(&Bundle::from_files(files))
    };
    assert!(unused.iter().any(|one| one.contains("holidays/de.ics: is a calendar that is not used")), "{unused:?}");
}
