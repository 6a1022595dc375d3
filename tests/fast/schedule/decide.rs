//! What is decided of the letters of one rule, step by step.

use std::collections::BTreeMap;

use hagaki::domain::expression::Scope;
use hagaki::domain::schedule::{
    Anchor, Decision, Facts, Forbidden, Mark, Past, Planned, Reason, Schedule, Stop, decide, escalation,
};
use hagaki::domain::time::{Instant, Zone};

use super::{at, schedule, shown, zone};

const REMIND: &str = "[[rules]]\nid = \"remind\"\naudience = \"participants\"\nletter = \"reminder\"\nafter = \"invitation\"\n\
                      days = 3\nat = \"09:00\"\nuntil = [\"response\"]\n";
const WORKING: &str = "weekdays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]\nholidays = [\"jp\"]\n";
const NIGHT: &str = "quiet = { from = \"21:00\", to = \"08:00\" }\n";

/// One participant and one rule.
struct Course {
    schedule: Schedule,
    zone: Zone,
    begins: Instant,
    happened: BTreeMap<Anchor, Mark>,
    answered: Option<Instant>,
    stops: BTreeMap<Stop, Instant>,
    past: Option<Past>,
    away_until: Option<chrono::NaiveDate>,
}

impl Course {
    fn new(text: &str) -> Course {
        Course {
            schedule: schedule(text),
            zone: zone("Asia/Tokyo"),
            begins: at(zone("Asia/Tokyo"), "2026-01-01 00:00"),
            happened: BTreeMap::new(),
            answered: None,
            stops: BTreeMap::new(),
            past: None,
            away_until: None,
        }
    }

    fn at(&self, shown: &str) -> Instant {
        at(self.zone, shown)
    }

    fn invited(mut self, when: &str) -> Course {
        let moment = self.at(when);
        self.happened
            .insert(Anchor::Invitation, Mark { day: moment.day_in(self.zone), at: Some(moment), closes: None });
        self
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            zone: self.zone,
            days: &self.schedule.days,
            begins: self.begins,
            happened: &self.happened,
            answered: self.answered,
            stops: &self.stops,
            away_until: self.away_until,
            past: self.past.clone(),
            scope: None,
        }
    }

    fn decide(&self, now: &str) -> Decision {
        decide(&self.schedule.rules[0], &self.facts(), self.at(now))
    }

    /// When the next letter comes.
    fn next(&self, now: &str) -> String {
        match self.decide(now) {
            Decision::Next(letter) => shown(self.zone, letter.at),
            Decision::Skip(_, reason) => format!("left out: {reason}"),
            Decision::Ended(reason) => format!("no more: {reason}"),
        }
    }

    /// The next letter goes out.
    fn send(&mut self, now: &str) -> Planned {
        match self.decide(now) {
            Decision::Next(letter) if letter.at <= self.at(now) => {
                self.past = Some(letter.past());
                letter
            }
            other => panic!("{now}: {other:?}"),
        }
    }

    /// The next letter is left out.
    fn skip(&mut self, now: &str) -> Reason {
        match self.decide(now) {
            Decision::Skip(letter, reason) => {
                self.past = Some(letter.past());
                reason
            }
            other => panic!("{now}: {other:?}"),
        }
    }
}

#[test]
fn a_reminder_waits_for_the_invitation_and_ends_with_the_answer() {
    let course = Course::new(REMIND);
    assert_eq!(course.next("2026-11-20 12:00"), "no more: waits for the invitation");
    let mut course = course.invited("2026-11-20 12:00");
    assert_eq!(course.next("2026-11-20 12:00"), "Mon 2026-11-23 09:00");
    // They answer after it was planned.
    course.answered = Some(course.at("2026-11-22 20:00"));
    assert_eq!(course.next("2026-11-23 09:00"), "no more: ended by response");
    // They are invited again, and that is not answered.
    let mut course = course.invited("2026-11-27 12:00");
    assert_eq!(course.next("2026-11-27 12:00"), "Mon 2026-11-30 09:00");
    course.send("2026-11-30 09:00");
    assert_eq!(course.next("2026-11-30 09:00"), "no more: was sent");
}

#[test]
fn what_ends_letters_ends_them_whatever_the_rule_says() {
    for stop in [Stop::Withdrawal, Stop::Death, Stop::Unsubscribe, Stop::Expiry, Stop::Close] {
        let mut course = Course::new(REMIND).invited("2026-11-20 12:00");
        course.stops.insert(stop, course.at("2026-11-23 09:00"));
        assert_eq!(course.next("2026-11-20 12:00"), format!("no more: ended by {}", stop.key()));
        course.stops.insert(stop, course.at("2026-11-23 09:01"));
        assert_eq!(course.next("2026-11-20 12:00"), "Mon 2026-11-23 09:00");
    }
}

#[test]
fn repeats_are_counted() {
    let told = "escalate = [{ after = 3, to = \"coordinator\" }, { after = 2, to = \"manager\" }]";
    let text = format!("{REMIND}every = \"7 days\"\ntimes = 3\n{told}\n");
    let told = |course: &Course| -> Vec<(&str, String)> {
        let rule = &course.schedule.rules[0];
        let told = rule.escalations.iter().filter_map(|own| Some((own, escalation(rule, own, &course.facts())?)));
        told.map(|(own, letter)| (own.to.key(), shown(course.zone, letter.at))).collect()
    };
    let mut course = Course::new(&text).invited("2026-11-20 12:00");
    let mut sent = Vec::new();
    for now in ["2026-11-23 09:00", "2026-11-30 09:00", "2026-12-07 09:05"] {
        // The manager hears of two, the coordinator of three.
        assert_eq!(told(&course).len(), usize::from(sent.len() >= 2));
        let letter = course.send(now);
        sent.push((letter.occasion.key(), shown(course.zone, letter.at)));
    }
    let expected = [("1", "Mon 2026-11-23 09:00"), ("2", "Mon 2026-11-30 09:00"), ("3", "Mon 2026-12-07 09:00")];
    assert_eq!(sent, expected.map(|(number, at)| (format!("2026-11-20/{number}"), at.to_owned())));
    assert_eq!(course.next("2026-12-07 09:05"), "no more: was sent 3 times");
    // Each when the letter after those would have come.
    let expected = [("coordinator", "Mon 2026-12-14 09:00"), ("manager", "Mon 2026-12-07 09:00")];
    assert_eq!(told(&course), expected.map(|(role, at)| (role, at.to_owned())));
    course.answered = Some(course.at("2026-12-10 09:00"));
    assert_eq!(told(&course), [("manager", "Mon 2026-12-07 09:00".to_owned())]);
}

#[test]
fn days_on_which_nothing_goes_out_are_passed_over() {
    // Three days after the last of April 2026 begins Golden Week: Sunday and holidays to the sixth of May.
    for (shift, next) in [
        ("next", "Thu 2026-05-07 09:00"),
        ("before", "Fri 2026-05-01 09:00"),
        ("drop", "left out: left out: day of the week"),
        ("stay", "Sun 2026-05-03 09:00"),
    ] {
        let course = Course::new(&format!("{WORKING}{REMIND}shift = \"{shift}\"\n")).invited("2026-04-30 12:00");
        assert_eq!(course.next("2026-04-30 12:00"), next, "{shift}");
    }
    let course = Course::new(&format!("{WORKING}{REMIND}")).invited("2026-04-30 12:00");
    let Decision::Next(letter) = course.decide("2026-04-30 12:00") else { panic!() };
    assert_eq!(shown(course.zone, letter.wished), "Sun 2026-05-03 09:00");
    let past: Vec<String> = letter.moved.iter().map(Forbidden::to_string).collect();
    assert_eq!(past, ["day of the week", "holiday (みどりの日)", "holiday (こどもの日)", "holiday (休日)"]);
    // A window that ends in them.
    let course = Course::new(&format!("{WORKING}{REMIND}window = \"3 days\"\n")).invited("2026-04-30 12:00");
    assert_eq!(course.next("2026-04-30 12:00"), "left out: would come after its last day 2026-05-06");
    // The day before lies before the invitation.
    let course = Course::new(&format!("{WORKING}{REMIND}shift = \"before\"\n")).invited("2026-05-02 12:00");
    assert_eq!(course.next("2026-05-02 12:00"), "Thu 2026-05-07 09:00");
    // An absence that was told.
    let mut course = Course::new(REMIND).invited("2026-11-20 12:00");
    course.away_until = Some("2026-11-26".parse().unwrap());
    assert_eq!(course.next("2026-11-20 12:00"), "Fri 2026-11-27 09:00");
}

#[test]
fn nights_are_quiet() {
    let late = REMIND.replace("days = 3\nat = \"09:00\"", "hours = 12");
    for (invited, shift, next) in [
        ("2026-11-20 12:00", "next", "Sat 2026-11-21 08:00"),
        ("2026-11-20 12:00", "before", "Fri 2026-11-20 20:59"),
        ("2026-11-20 18:00", "next", "Sat 2026-11-21 08:00"),
        ("2026-11-20 18:00", "before", "Fri 2026-11-20 20:59"),
        ("2026-11-20 09:00", "next", "Sat 2026-11-21 08:00"),
        ("2026-11-20 08:59", "next", "Fri 2026-11-20 20:59"),
        ("2026-11-20 20:00", "next", "Sat 2026-11-21 08:00"),
        ("2026-11-20 18:00", "drop", "left out: left out: quiet hours"),
        ("2026-11-20 18:00", "stay", "Sat 2026-11-21 06:00"),
    ] {
        let course = Course::new(&format!("{NIGHT}{late}shift = \"{shift}\"\n")).invited(invited);
        assert_eq!(course.next(invited), next, "{invited} {shift}");
    }
    // Friday night and a weekend behind it.
    let course = Course::new(&format!("{WORKING}{NIGHT}{late}").replace("holidays = [\"jp\"]\nquiet", "quiet"));
    assert_eq!(course.invited("2026-11-27 12:00").next("2026-11-27 12:00"), "Mon 2026-11-30 08:00");
}

#[test]
fn clocks_that_are_put_forward_and_back() {
    let berlin = |text: &str, invited: &str| {
        let mut course = Course::new(text);
        course.zone = zone("Europe/Berlin");
        course.invited(invited)
    };
    // Days are days of the calendar: the time of the clock stays.
    let course = berlin(REMIND, "2026-03-27 12:00");
    assert_eq!(course.next("2026-03-27 12:00"), "Mon 2026-03-30 09:00");
    let text = REMIND.replace("days = 3\nat = \"09:00\"", "days = 1\nat = \"02:30\"");
    // Half past two is left out on one night, and comes twice on the other.
    let course = berlin(&text, "2026-03-28 12:00");
    assert_eq!(course.next("2026-03-28 12:00"), "Sun 2026-03-29 03:30");
    let mut course = berlin(&text, "2026-10-24 12:00");
    let first = Instant::parse_rfc3339("2026-10-25T02:30:00+02:00").unwrap();
    assert!(matches!(course.decide("2026-10-24 12:00"), Decision::Next(letter) if letter.at == first));
    let Decision::Next(letter) = decide(&course.schedule.rules[0], &course.facts(), first) else { panic!() };
    course.past = Some(letter.past());
    let again = Instant::parse_rfc3339("2026-10-25T02:30:00+01:00").unwrap();
    let decision = decide(&course.schedule.rules[0], &course.facts(), again);
    assert_eq!(decision, Decision::Ended(Reason::Exhausted(1)));
    // Hours are hours: the clock shows another time.
    let text = REMIND.replace("days = 3\nat = \"09:00\"", "hours = 24");
    assert_eq!(berlin(&text, "2026-03-28 12:00").next("2026-03-28 12:00"), "Sun 2026-03-29 13:00");
    assert_eq!(berlin(&text, "2026-10-24 12:00").next("2026-10-24 12:00"), "Sun 2026-10-25 11:00");
}

#[test]
fn a_cron_line_comes_once_each_time_and_in_the_overlap_once() {
    let text =
        "[[rules]]\nid = \"weekly\"\naudience = \"participants\"\nletter = \"invitation\"\ncron = \"30 2 * * *\"\n";
    let mut course = Course::new(text);
    course.zone = zone("Europe/Berlin");
    course.begins = course.at("2026-10-24 00:00");
    let mut now = course.begins;
    let mut sent = Vec::new();
    while sent.len() < 4 {
        let Decision::Next(letter) = decide(&course.schedule.rules[0], &course.facts(), now) else { panic!() };
        now = letter.at;
        sent.push(now.utc());
        course.past = Some(letter.past());
    }
    let expected = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z", "2026-10-27T01:30:00Z"];
    assert_eq!(sent, expected);
    assert_eq!(course.past.unwrap().occasion.key(), "rule/4");
}

#[test]
fn an_amended_time_brings_no_second_letter_on_a_day() {
    let text =
        "[[rules]]\nid = \"weekly\"\naudience = \"participants\"\nletter = \"invitation\"\ncron = \"0 9 * * *\"\n";
    let mut course = Course::new(text);
    course.begins = course.at("2026-11-20 00:00");
    course.send("2026-11-20 09:00");
    course.schedule = schedule(&text.replace("0 9", "0 18"));
    assert_eq!(course.next("2026-11-20 10:00"), "Sat 2026-11-21 18:00");
    // A reminder that was sent stays sent, if the rule counts other days now.
    let mut course = Course::new(REMIND).invited("2026-11-20 12:00");
    course.send("2026-11-23 09:00");
    course.schedule = schedule(&REMIND.replace("days = 3", "days = 5"));
    assert_eq!(course.next("2026-11-23 10:00"), "no more: was sent");
}

#[test]
fn letters_of_before_the_rule_are_not_made_up_for() {
    let mut course = Course::new(REMIND).invited("2026-11-20 12:00");
    course.begins = course.at("2026-11-24 00:00");
    assert_eq!(course.next("2026-11-24 00:00"), "no more: its time was before the rule began");
    let mut course = Course::new(&format!("{REMIND}every = \"7 days\"\ntimes = 3\n")).invited("2026-11-20 12:00");
    course.begins = course.at("2026-11-24 00:00");
    assert_eq!(course.next("2026-11-24 00:00"), "Mon 2026-11-30 09:00");
}

/// The daemon was down.
#[test]
fn what_is_late_is_sent_or_dropped_as_the_rule_says() {
    let repeated = format!("{REMIND}every = \"1 days\"\ntimes = 5\n");
    // Four of five went by: the last of them goes out, and the fifth in its time.
    let mut course = Course::new(&repeated).invited("2026-11-20 12:00");
    for _ in 0..3 {
        assert_eq!(course.skip("2026-11-26 15:00"), Reason::Overtaken);
    }
    assert_eq!(course.send("2026-11-26 15:00").occasion.number, 4);
    assert_eq!(course.next("2026-11-26 15:00"), "Fri 2026-11-27 09:00");
    for (rule, now, next) in [
        ("", "2026-12-23 09:00", "Mon 2026-11-23 09:00"),
        ("grace = \"2 days\"\n", "2026-11-25 09:00", "Mon 2026-11-23 09:00"),
        ("grace = \"2 days\"\n", "2026-11-25 09:01", "left out: late by 48 h"),
        ("late = \"drop\"\n", "2026-11-23 09:15", "Mon 2026-11-23 09:00"),
        ("late = \"drop\"\n", "2026-11-23 10:16", "left out: late by 1 h"),
        ("window = \"1 days\"\n", "2026-11-25 09:00", "left out: would come after its last day 2026-11-24"),
    ] {
        let course = Course::new(&format!("{REMIND}{rule}")).invited("2026-11-20 12:00");
        assert_eq!(course.next(now), next, "{rule} {now}");
    }
    // It is back in the night, before a holiday.
    let course = Course::new(&format!("{WORKING}{NIGHT}{REMIND}")).invited("2026-11-16 12:00");
    assert_eq!(course.next("2026-11-20 22:00"), "Tue 2026-11-24 08:00");
    assert_eq!(course.next("2026-11-24 08:00"), "Thu 2026-11-19 09:00");
}

#[test]
fn a_condition_is_looked_at_when_the_letter_leaves() {
    let text = format!("{REMIND}when = \"answered(mood) && mood >= 3\"\n");
    let course = Course::new(&text).invited("2026-11-20 12:00");
    let rule = &course.schedule.rules[0];
    let items = ["mood"];
    let mut scope = Scope::blank(items, "2026-11-23".parse().unwrap());
    let decided =
        |scope: &Scope, now: &str| decide(rule, &Facts { scope: Some(scope), ..course.facts() }, course.at(now));
    assert!(matches!(decided(&scope, "2026-11-20 12:00"), Decision::Next(_)));
    assert!(matches!(decided(&scope, "2026-11-23 09:00"), Decision::Skip(_, Reason::Condition)));
    scope.set("mood", &hagaki::domain::answer::Value::Integer(4));
    assert!(matches!(decided(&scope, "2026-11-23 09:00"), Decision::Next(_)));
}
