//! `schedule.toml`: which letters go out by themselves, to whom and when.
//!
//! Here the file is read; whether its rules agree with the rest of the study is looked at in `checks`, and what a condition may name is
//! told by `scope`.

mod checks;
mod scope;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveTime;

use super::bundle::{Bundle, HOLIDAYS, SCHEDULE};
use super::document::{Report, Section, Source, nearest, quoted};
use super::ics_file;
use super::instrument_file::InstrumentFile;
use super::study_file::{Codes, Located, StudyFile, compile, did_you_mean};
use crate::domain::event::Event;
use crate::domain::expression::Type;
use crate::domain::schedule::holidays::Holidays;
use crate::domain::schedule::{
    After, Anchor, Audience, ClockOf, Cron, Days, Escalation, Every, Late, Letter, Moment, Offset, On, Quiet, Repeat,
    Rule, Schedule, Shift, Span, Stop, Weekdays,
};
use crate::domain::study::{FIRST, Role};
use crate::limits;

/// What a schedule is held against.
pub(super) struct Around<'a> {
    pub study: &'a StudyFile,
    pub instruments: &'a [InstrumentFile],
    pub registration: Option<&'a InstrumentFile>,
    pub types: &'a BTreeMap<String, BTreeMap<String, Type>>,
    pub events: &'a [Event],
    pub allocates: bool,
    pub bundle: &'a Bundle,
    pub report: &'a Report,
}

impl<'a> Around<'a> {
    /// What participants or members fill in.
    fn asked(&self) -> Option<&'a InstrumentFile> {
        let id = &self.study.survey.as_ref()?.value.instrument;
        self.instruments.iter().find(|read| read.instrument.id == *id)
    }

    fn find(&self, id: &str) -> Option<&'a InstrumentFile> {
        self.instruments.iter().find(|read| read.instrument.id == id)
    }
}

/// Reads the schedule, and checks it against the other files of the bundle; `None` if there is none that could be used.
pub(super) fn build(around: &Around<'_>) -> Option<Schedule> {
    let content = around.bundle.file(SCHEDULE)?;
    let source = Source::new(SCHEDULE, content);
    let table = source.parse(around.report)?;
    if table.get_ref().is_empty() {
        return None;
    }
    let root = Section::whole(&source, around.report, &table);
    let clock = root.word("zone", &[("study", ClockOf::Study), ("person", ClockOf::Person)]).unwrap_or(ClockOf::Study);
    let days = read_days(&root, around);
    let mut ids = Codes::default();
    let mut rules: Vec<Located<Rule>> = Vec::new();
    for section in root.sections("rules") {
        let rule = read_rule(&section, around);
        ids.add_key(&section, "id", &rule.id);
        checks::check(&section, &rule, &days, around);
        checks::check_accesses(&section, &rule, &rules, around);
        rules.push(Located { value: rule, line: section.line, key: section.key("") });
        section.close();
    }
    if rules.is_empty() && !root.has("rules") {
        root.wrong("rules", "there is no rule", "write a section [[rules]] for each letter, or remove the file");
    }
    if rules.len() > limits::SCHEDULE_RULES {
        root.wrong("rules", format!("there are more than {}", limits::SCHEDULE_RULES), "");
    }
    root.close();
    Some(Schedule { clock, days, rules: rules.into_iter().map(|rule| rule.value).collect() })
}

fn read_days(root: &Section, around: &Around<'_>) -> Days {
    let quiet = root.section("quiet").and_then(|section| {
        let times = (need_time(&section, "from", "21:00"), need_time(&section, "to", "08:00"));
        let quiet = match times {
            (Some(from), Some(to)) if from == to => {
                section.wrong(
                    "to",
                    "is the time of `from`, so no hour is quiet, or every one is",
                    "write another time",
                );
                None
            }
            (Some(from), Some(to)) => Some(Quiet { from, to }),
            _ => None,
        };
        section.close();
        quiet
    });
    root.skip("weekdays");
    let weekdays = if root.has("weekdays") { read_weekdays(root) } else { Weekdays::default() };
    Days { quiet, weekdays, holidays: read_holidays(root, around), avoid: read_avoided(root) }
}

fn read_weekdays(root: &Section) -> Weekdays {
    let mut days = Vec::new();
    for written in root.texts("weekdays", "mon") {
        match Weekdays::NAMES.iter().position(|name| name.eq_ignore_ascii_case(&written)) {
            Some(day) => days.push(day),
            None => {
                let right = format!("write some of {}", quoted(&Weekdays::NAMES));
                root.wrong("weekdays", format!("\"{written}\" is no weekday"), right);
            }
        }
    }
    if days.is_empty() {
        root.wrong("weekdays", "names no day, so nothing would ever go out", "leave the key out to send on every day");
        return Weekdays::default();
    }
    Weekdays::of(days)
}

fn read_holidays(root: &Section, around: &Around<'_>) -> Vec<Holidays> {
    let mut calendars = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let files: Vec<&str> =
        around.bundle.files().keys().map(String::as_str).filter(|path| path.starts_with(HOLIDAYS)).collect();
    for written in root.texts("holidays", Holidays::JAPAN) {
        if seen.contains(&written) {
            root.wrong("holidays", format!("\"{written}\" stands in it twice"), "name each calendar once");
            continue;
        }
        seen.push(written.clone());
        if written == Holidays::JAPAN {
            calendars.push(Holidays::Japan);
            continue;
        }
        match around.bundle.file(&written).filter(|_| written.starts_with(HOLIDAYS)) {
            Some(content) => {
                calendars
                    .extend(ics_file::read(&written, content, around.report).map(|own| Holidays::Own(Arc::new(own))));
            }
            None => {
                let known: Vec<&str> = [Holidays::JAPAN].into_iter().chain(files.iter().copied()).collect();
                let right = match nearest(&written, &known) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => {
                        format!("write \"{}\" for Japan's, or add a file such as {HOLIDAYS}de.ics", Holidays::JAPAN)
                    }
                };
                root.wrong("holidays", format!("there are no holidays \"{written}\""), right);
            }
        }
    }
    if calendars.len() > limits::HOLIDAY_FILES {
        root.wrong("holidays", format!("there are more than {}", limits::HOLIDAY_FILES), "");
    }
    for unused in files.into_iter().filter(|path| !seen.iter().any(|own| own == path)) {
        let right = format!("name it in holidays of {SCHEDULE}, or remove it");
        around.report.warn(unused, None, "", "is a calendar that is not used", right);
    }
    calendars
}

fn read_avoided(root: &Section) -> Vec<Span> {
    let mut spans = Vec::new();
    for section in root.sections("avoid") {
        if section.need("from", "2026-12-29")
            && let Some(from) = section.day("from")
        {
            let to = section.day("to");
            if to.is_some_and(|to| to < from) {
                section.wrong("to", format!("lies before from = {from}"), "the last day to avoid");
            }
            spans.push(Span { from, to: to.unwrap_or(from) });
        } else {
            section.skip("to");
        }
        section.close();
    }
    if spans.len() > limits::AVOIDED {
        root.wrong("avoid", format!("there are more than {}", limits::AVOIDED), "");
    }
    spans
}

fn need_time(section: &Section, key: &'static str, example: &str) -> Option<NaiveTime> {
    if !section.need(key, &format!("\"{example}\"")) {
        return None;
    }
    time(section, key, example)
}

/// A time of the day, such as `09:00`.
fn time(section: &Section, key: &'static str, example: &str) -> Option<NaiveTime> {
    let text = section.text(key, example)?;
    let plain = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let time = plain.then(|| NaiveTime::parse_from_str(&text, "%H:%M").ok()).flatten();
    if time.is_none() {
        let right = format!("write hours and minutes, such as \"{example}\"");
        section.wrong(key, format!("\"{text}\" is no time of day"), right);
    }
    time
}

/// A number of days or hours: `"3 days"`, `"12 hours"`, `"2 weeks"`.
fn duration(section: &Section, key: &'static str, example: &str) -> Option<Every> {
    let text = section.text(key, example)?;
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = number.parse::<u32>().ok().filter(|number| *number > 0);
    let (most_days, most_hours) = (limits::EVENT_DAYS, limits::SCHEDULE_HOURS);
    let every = match (number, unit.trim()) {
        (Some(days), "day" | "days") if days <= most_days => Some(Every::Days(days)),
        (Some(weeks), "week" | "weeks") if weeks <= most_days / 7 => Some(Every::Days(weeks * 7)),
        (Some(hours), "hour" | "hours") if hours <= most_hours => Some(Every::Hours(hours)),
        _ => None,
    };
    if every.is_none() {
        let right =
            format!("write a number of days, weeks or hours (at most {most_hours} hours), such as \"{example}\"");
        section.wrong(key, format!("\"{text}\" is no time that passes"), right);
    }
    every
}

fn days_of(section: &Section, key: &'static str, example: &str) -> Option<u32> {
    match duration(section, key, example)? {
        Every::Days(days) => Some(days),
        Every::Hours(_) => {
            section.wrong(key, "counts hours", format!("write whole days, such as {key} = \"{example}\""));
            None
        }
    }
}

/// Reads a rule; where something is wrong, whatever keeps the other checks going.
fn read_rule(section: &Section, around: &Around<'_>) -> Rule {
    let id = section.need_name("id", "remind", '_');
    let audience = read_audience(section);
    let letters: Vec<(&str, Letter)> = Letter::ALL
        .into_iter()
        .filter(|letter| *letter != Letter::Unanswered)
        .map(|letter| (letter.key(), letter))
        .collect();
    let letter = section.need_word("letter", &letters).unwrap_or(Letter::Invitation);
    let moment = read_moment(section, around);
    let (every, times) = (duration(section, "every", "7 days"), section.count("times"));
    if times.is_some_and(|times| times > limits::SCHEDULE_TIMES) {
        section.wrong("times", format!("is more than {}", limits::SCHEDULE_TIMES), "write a smaller number");
    }
    let repeat = (every.is_some() || times.is_some()).then_some(Repeat { every, times });
    let window = days_of(section, "window", "5 days");
    let when = section.text("when", "pain >= 7").and_then(|written| compile(section, "when", &written));
    let until_response = read_until(section) || letter == Letter::FollowUpDue;
    let shifts = Shift::ALL.map(|shift| (shift.key(), shift));
    let shift = section.word("shift", &shifts).unwrap_or(Shift::Next);
    let late = read_late(section);
    let escalations = read_escalations(section);
    Rule { id, audience, letter, moment, repeat, window, when, until_response, shift, late, escalations }
}

fn read_audience(section: &Section) -> Audience {
    let example = "one of \"participants\", \"members\", { site = \"investigator\" }, { role = \"manager\" }, { people = [\"office\"] }";
    if !section.need("audience", example) {
        return Audience::Participants;
    }
    if section.peek_text("audience").is_some() {
        let words = [("participants", false), ("members", true)];
        return match section.word("audience", &words) {
            Some(true) => Audience::Members,
            _ => Audience::Participants,
        };
    }
    let Some(inner) = section.section("audience") else { return Audience::Participants };
    let site = role(&inner, "site");
    let all = role(&inner, "role");
    let people = inner.texts("people", "office");
    let many = ["site", "role", "people"].iter().filter(|key| inner.has(key)).count();
    if many != 1 {
        section.wrong("audience", "does not say who gets the letter in one way", format!("write {example}"));
    }
    inner.close();
    match (site, all) {
        (Some(role), _) => Audience::SiteStaff(role),
        (_, Some(role)) => Audience::Role(role),
        _ => Audience::People(people),
    }
}

fn role(section: &Section, key: &'static str) -> Option<Role> {
    section.word(key, &Role::ALL.map(|role| (role.key(), role)))
}

/// `on` and `at`, `cron`, or `after` with `days` and `at` or with `hours`.
fn read_moment(section: &Section, around: &Around<'_>) -> Moment {
    let example = "on = 2026-12-01 with at = \"09:00\", cron = \"0 9 * * mon\", or after = \"invitation\" with days = 3 and at = \"09:00\"";
    let at = time(section, "at", "09:00");
    let (on, line) = (section.day("on"), section.text("cron", "0 9 * * mon"));
    let (days, hours) = (section.whole_number("days"), section.whole_number("hours"));
    section.skip("after");
    let after = section.has("after").then(|| read_anchor(section, around)).flatten();
    let said: Vec<&str> = ["on", "cron", "after"].into_iter().filter(|key| section.has(key)).collect();
    let never = Moment::At(chrono::NaiveDateTime::default());
    match said[..] {
        [] => {
            section.wrong("", "the rule does not say when", format!("write {example}"));
            return never;
        }
        [_] => {}
        [_, second, ..] => {
            section.wrong(second, "the rule says when in more than one way", "keep one of on, cron and after");
            return never;
        }
    }
    for key in ["days", "hours"].into_iter().filter(|key| section.has(key) && !section.has("after")) {
        section.wrong(
            key,
            "the rule does not say after what",
            "write after = \"invitation\", or whatever it is counted from",
        );
    }
    if let Some(line) = line {
        if section.has("at") {
            section.wrong("at", "the cron line says the time already", "remove at");
        }
        return match Cron::parse(&line) {
            Ok(cron) => Moment::Cron(cron),
            Err(error) => {
                section.wrong("cron", error.to_string(), error.right());
                never
            }
        };
    }
    if section.has("hours") {
        if let Some(key) = ["days", "at"].into_iter().find(|key| section.has(key)) {
            section.wrong(key, "the rule counts hours, which say the time", format!("remove {key}, or hours"));
        }
        let most = i64::from(limits::SCHEDULE_HOURS);
        let hours = hours.filter(|hours| (0..=most).contains(hours)).and_then(|hours| u32::try_from(hours).ok());
        if hours.is_none() {
            section.wrong(
                "hours",
                "is too small or too large",
                format!("write a number from 0 to {most}, or count days"),
            );
        }
        let offset = Offset::Hours(hours.unwrap_or(0));
        return after.map_or(never, |anchor| Moment::After(After { anchor, offset }));
    }
    if !section.has("at") {
        section.wrong("at", "is missing: the rule does not say the time of day", "write at = \"09:00\"");
    }
    let at = at.unwrap_or_default();
    if let Some(on) = on {
        return Moment::At(on.and_time(at));
    }
    let most = i64::from(limits::EVENT_DAYS);
    let days = days.unwrap_or(0);
    if !(-most..=most).contains(&days) {
        section.wrong("days", "is too small or too large", format!("write a number of days up to {most}"));
    }
    let offset = Offset::Days { days: i32::try_from(days).unwrap_or(0), at };
    after.map_or(never, |anchor| Moment::After(After { anchor, offset }))
}

fn read_anchor(section: &Section, around: &Around<'_>) -> Option<Anchor> {
    let study = around.study;
    let events: Vec<&str> = study.events.iter().map(|event| event.value.event.id.as_str()).collect();
    if section.peek_text("after").is_some() {
        let further = study.randomizations.iter().map(|own| own.value.id.as_str());
        let further: Vec<&str> = [FIRST].into_iter().filter(|_| around.allocates).chain(further).collect();
        let written = section.text("after", "invitation")?;
        return match written.as_str() {
            "enrolled" => Some(Anchor::Enrolled),
            "invitation" => Some(Anchor::Invitation),
            "last_response" => Some(Anchor::LastResponse),
            id if further.contains(&id) => Some(Anchor::Randomized(id.to_string())),
            id if events.contains(&id) => Some(Anchor::Event(id.to_string())),
            id => {
                let known = ["enrolled", "invitation", "last_response"].into_iter().chain(further).chain(events);
                let known: Vec<&str> = known.collect();
                let right = match did_you_mean(id, &known) {
                    right if right.is_empty() => {
                        format!("write one of {}, or {{ item = \"visit.next_on\" }}", quoted(&known))
                    }
                    right => right,
                };
                section.wrong("after", format!("\"{id}\" is nothing to count from"), right);
                None
            }
        };
    }
    let inner = section.section("after")?;
    let (due, item) = (inner.text("due", "week_4"), inner.text("item", "visit.next_on"));
    let anchor = match (due, item) {
        (Some(id), None) if events.contains(&id.as_str()) => Some(Anchor::Due(id)),
        (Some(id), None) => {
            inner.wrong("due", format!("there is no event \"{id}\""), did_you_mean(&id, &events));
            None
        }
        (None, Some(written)) => match written.split_once('.') {
            Some((instrument, item)) => {
                Some(Anchor::Item { instrument: instrument.to_string(), item: item.to_string() })
            }
            None => {
                let right = "write the form and the item, such as \"visit.next_on\"";
                inner.wrong("item", format!("\"{written}\" names no item"), right);
                None
            }
        },
        _ => {
            let right = "write { due = \"week_4\" } for the planned day of an event, or { item = \"visit.next_on\" } for an answer";
            section.wrong("after", "does not say in one way what is counted from", right);
            None
        }
    };
    inner.close();
    anchor
}

/// `until`: whether an answer ends the rule. All else that ends letters does so unasked and may be named.
fn read_until(section: &Section) -> bool {
    let mut response = false;
    for written in section.texts("until", Stop::Response.key()) {
        match Stop::find(&written) {
            Some(stop) => response |= stop == Stop::Response,
            None => {
                let known = Stop::ALL.map(Stop::key);
                let right = match did_you_mean(&written, &known) {
                    right if right.is_empty() => format!("write some of {}", quoted(&known)),
                    right => right,
                };
                section.wrong("until", format!("\"{written}\" ends nothing"), right);
            }
        }
    }
    response
}

fn read_late(section: &Section) -> Late {
    let sends = section.word("late", &[("send", true), ("drop", false)]).unwrap_or(true);
    let grace = duration(section, "grace", "2 days");
    if !sends && section.has("grace") {
        section.wrong("grace", "late letters are dropped, so none is waited for", "remove grace, or late = \"drop\"");
    }
    match (sends, grace) {
        (false, _) => Late::Drop,
        (true, None) => Late::Send,
        (true, Some(Every::Days(days))) => Late::Within(i64::from(days) * 24 * 3600),
        (true, Some(Every::Hours(hours))) => Late::Within(i64::from(hours) * 3600),
    }
}

fn read_escalations(section: &Section) -> Vec<Escalation> {
    let mut escalations = Vec::new();
    for inner in section.sections("escalate") {
        let after = inner.count("after");
        let failed = inner.word("on", &[("failed", ())]);
        // There is one letter for it, which may be named.
        inner.word("letter", &[(Letter::Unanswered.key(), ())]);
        let to = match inner.need("to", "\"coordinator\"") {
            true => role(&inner, "to"),
            false => None,
        };
        if inner.has("after") == inner.has("on") {
            inner.wrong(
                "after",
                "does not say in one way when somebody is told",
                "write after = 3, letters without an answer, or on = \"failed\"",
            );
        }
        let on = after.map(|after| On::Unanswered { after }).or(failed.map(|()| On::Failed));
        if let (Some(on), Some(to)) = (on, to) {
            escalations.push(Escalation { on, to });
        }
        inner.close();
    }
    escalations
}
