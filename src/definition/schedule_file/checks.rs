//! What a rule of a schedule must agree with: the study's people, forms, events and privacy, and itself.

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::{Around, scope};
use crate::definition::document::{Section, quoted};
use crate::definition::rules::{self, Place};
use crate::definition::study_file::{Located, did_you_mean};
use crate::domain::instrument::{Item, ItemKind};
use crate::domain::schedule::{
    After, Anchor, Audience, Days, Letter, Moment, Offset, On, Repeat, Rule, Shift, TargetKind,
};
use crate::domain::survey::{Access, Privacy, Responses, Survey};

/// Times of a cron line that are tried for one that is not left out.
const TRIES: usize = 100;
/// From one time of a cron line to the next at least.
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// Checks one rule.
pub(super) fn check(section: &Section, rule: &Rule, days: &Days, around: &Around<'_>) {
    check_audience(section, rule, around);
    // Of a word that means nothing no more can be said.
    let is_known = section.peek_text("letter").is_some_and(|word| Letter::find(word.trim()).is_some())
        && section.peek_text("audience").is_none_or(|word| ["participants", "members"].contains(&word.trim()));
    if is_known {
        check_letter(section, rule, around);
    }
    check_repeat(section, rule);
    check_escalations(section, rule, around);
    match &rule.moment {
        Moment::After(after) => check_anchor(section, rule, after, around),
        Moment::At(_) | Moment::Cron(_) => check_times(section, rule, days, around),
    }
    check_hours(section, rule, days);
    if let Some(survey) = around.study.survey.as_ref().filter(|_| rule.audience.answers()) {
        check_privacy(section, rule, &survey.value);
    }
    check_condition(section, rule, around);
}

fn check_audience(section: &Section, rule: &Rule, around: &Around<'_>) {
    let survey = around.study.survey.as_ref().map(|survey| &survey.value);
    let wrong = |wrong: &str, right: &str| section.wrong("audience", wrong, right);
    match (&rule.audience, survey) {
        (Audience::Participants | Audience::Members, None) => {
            wrong(
                "the study asks nobody about themselves",
                "write a section [survey] in study.toml, or { site = \"investigator\" }",
            );
        }
        (Audience::Participants, Some(survey)) if survey.access == Access::Members => {
            wrong("the survey is answered by members", "write audience = \"members\"");
        }
        (Audience::Members, Some(survey)) if survey.access == Access::Credentials => {
            wrong("the survey is answered by participants with a credential", "write audience = \"participants\"");
        }
        (Audience::SiteStaff(_), _) if !around.study.registers || around.study.enrolls() => {
            wrong("no site registers subjects in this study", "write { role = \"coordinator\" }, or whoever is meant");
        }
        (Audience::SiteStaff(role) | Audience::Role(role), _)
            if !around.study.people.iter().any(|person| person.value.has(*role)) =>
        {
            section.warn(
                "audience",
                format!("nobody is {}, so nobody gets the letter", role.key()),
                "name a role that somebody has",
            );
        }
        (Audience::People(ids), _) if ids.is_empty() => {
            wrong("names nobody", "write { people = [\"office\"] }");
        }
        (Audience::People(ids), _) => {
            let known: Vec<&str> = around.study.people.iter().map(|person| person.value.id.as_str()).collect();
            for id in ids.iter().filter(|id| !known.contains(&id.as_str())) {
                section.wrong("audience", format!("nobody has the id \"{id}\""), did_you_mean(id, &known));
            }
        }
        _ => {}
    }
}

fn check_letter(section: &Section, rule: &Rule, around: &Around<'_>) {
    if !rule.letter.may_go_to(&rule.audience) {
        let fitting: Vec<&str> =
            Letter::ALL.into_iter().filter(|letter| letter.may_go_to(&rule.audience)).map(Letter::key).collect();
        let wrong = format!("\"{}\" is no letter to {}", rule.letter.key(), rule.audience);
        section.wrong("letter", wrong, format!("write one of {}", quoted(&fitting)));
        return;
    }
    match (rule.letter, rule.target()) {
        (Letter::Reminder, _) if !rule.until_response => {
            let right = "write until = [\"response\"], so that nobody is reminded after they answered";
            section.wrong("until", "a reminder that an answer does not end", right);
        }
        (Letter::FollowUpDue, _) if around.study.events.is_empty() => {
            section.wrong("letter", "nothing is ever due: the study has no events", "write [[events]] in study.toml");
        }
        (Letter::WeeklyReport, TargetKind::Subject) => {
            section.wrong("after", "a report is about the whole study", "write cron = \"0 9 * * mon\"");
        }
        _ => {}
    }
}

fn check_repeat(section: &Section, rule: &Rule) {
    let repeat = rule.repeat;
    let every = repeat.and_then(|repeat| repeat.every).is_some();
    if every && matches!(rule.moment, Moment::Cron(_)) {
        section.wrong("every", "the cron line repeats the letter already", "remove every");
        return;
    }
    let times = repeat.and_then(|repeat| repeat.times);
    if every && times.is_none() && !rule.until_response {
        section.wrong("every", "repeats the letter without end", "write times = 3, or until = [\"response\"]");
    }
    if !section.has("every") && times.is_some_and(|times| times > 1) && !matches!(rule.moment, Moment::Cron(_)) {
        section.wrong("times", "does not say when the letter comes again", "write every = \"7 days\"");
    }
}

fn check_escalations(section: &Section, rule: &Rule, around: &Around<'_>) {
    let repeat = rule.repeat;
    for own in &rule.escalations {
        let role = own.to;
        if !around.study.people.iter().any(|person| person.value.has(role)) {
            section.warn(
                "escalate",
                format!("nobody is {}, so nobody is told", role.key()),
                "name a role that somebody has",
            );
        }
        let On::Unanswered { after } = own.on else { continue };
        if !rule.until_response || !rule.letter.asks() {
            section.wrong(
                "escalate",
                "the letter waits for no answer",
                "write until = [\"response\"], or on = \"failed\"",
            );
        } else if repeat.and_then(|repeat| repeat.every).is_none() {
            let right = "write every = \"7 days\": that long after the last letter the answer is missed";
            section.wrong("escalate", "the rule does not say how long an answer is waited for", right);
        } else if repeat.and_then(|repeat| repeat.times).is_some_and(|times| after > times) {
            let wrong = format!("waits for {after} letters, and there are fewer");
            section.wrong("escalate", wrong, "write no more than times");
        }
    }
}

fn check_anchor(section: &Section, rule: &Rule, after: &After, around: &Around<'_>) {
    let wrong = |wrong: String, right: &str| section.wrong("after", wrong, right);
    let answers = rule.audience.answers();
    match &after.anchor {
        Anchor::Invitation | Anchor::LastResponse if !answers => {
            wrong("is about participants, and the letter is not".to_string(), "count from enrolled, or from an event");
        }
        Anchor::Invitation if rule.letter == Letter::Invitation => {
            wrong("an invitation after the invitation would never end".to_string(), "write letter = \"reminder\"");
        }
        Anchor::LastResponse if rule.until_response => {
            wrong("counts from the answer that ends it".to_string(), "count from \"invitation\", or remove until");
        }
        Anchor::Enrolled | Anchor::Randomized(_) if answers && !around.study.enrolls() => {
            wrong(
                "participants of this study do not enroll".to_string(),
                "count from \"invitation\", or write on = 2026-12-01",
            );
        }
        Anchor::Enrolled | Anchor::Randomized(_) if !answers && !around.study.registers => {
            wrong("the study registers nobody".to_string(), "write cron = \"0 9 * * mon\"");
        }
        Anchor::Event(_) | Anchor::Due(_) if answers => {
            wrong(
                "is of subjects, and the letter goes to participants".to_string(),
                "count from \"invitation\" or \"enrolled\"",
            );
        }
        Anchor::Due(id) if around.events.iter().any(|event| event.id == *id && event.timing.is_none()) => {
            wrong(
                format!("{id} has no planned day"),
                "write after = the event's id, for the day on which it took place",
            );
        }
        Anchor::Item { instrument, item } => check_item(section, rule, (instrument, item), around),
        _ => {}
    }
    if matches!(after.offset, Offset::Hours(_)) && !after.anchor.has_time() {
        section.wrong("hours", "only the day is known, not the hour", "write days = 1 and at = \"09:00\"");
    }
    if matches!(after.offset, Offset::Days { days, .. } if days < 0)
        && !matches!(after.anchor, Anchor::Due(_) | Anchor::Item { .. })
    {
        section.wrong(
            "days",
            "lies before it happens",
            "write days = 0 or more, or count from the planned day of an event",
        );
    }
    if scope::anchor_tells(&after.anchor, around) {
        let wrong = "the study is blinded, and whether this is asked follows from the arm: so whoever gets the letter would know it";
        section.wrong("after", wrong, "count from something that does not depend on the arm");
    }
}

/// An item that a rule counts from.
fn check_item(section: &Section, rule: &Rule, (instrument, id): (&str, &str), around: &Around<'_>) {
    let known: Vec<&str> = around.instruments.iter().map(|read| read.instrument.id.as_str()).collect();
    let Some(read) = around.find(instrument) else {
        section.wrong("after", format!("there is no form \"{instrument}\""), did_you_mean(instrument, &known));
        return;
    };
    let own = match rule.audience.answers() {
        true => around.asked().is_some_and(|asked| asked.instrument.id == instrument),
        false => {
            let registers = around.registration.is_some_and(|read| read.instrument.id == instrument);
            registers || around.events.iter().any(|event| event.instruments.iter().any(|own| own == instrument))
        }
    };
    if !own {
        section.wrong(
            "after",
            format!("\"{instrument}\" is not what they answer"),
            "name the form that the letter is about",
        );
        return;
    }
    let Some(item) = read.instrument.find(id) else {
        let known: Vec<&str> = read.instrument.items.iter().map(|item| item.id.as_str()).collect();
        section.wrong("after", format!("{instrument} has no item \"{id}\""), did_you_mean(id, &known));
        return;
    };
    if !matches!(item.kind, ItemKind::Date) {
        section.wrong("after", format!("`{id}` is no date"), "name an item of kind \"date\"");
    } else if item.personal {
        let wrong = format!("`{id}` is personal, and when the letter comes would tell it");
        section.wrong("after", wrong, "count from something that is not personal");
    }
}

/// A rule with times of its own: they come, while answers are taken, and not all of them are left out.
fn check_times(section: &Section, rule: &Rule, days: &Days, around: &Around<'_>) {
    let survey = around.study.survey.as_ref().map(|survey| &survey.value).filter(|_| rule.audience.answers());
    match &rule.moment {
        Moment::At(on) if section.has("on") => {
            if let Some(closes) = survey.and_then(|survey| survey.closes).filter(|closes| on.date() > *closes) {
                section.wrong(
                    "on",
                    format!("lies after the survey's last day {closes}"),
                    "write a day on which answers are taken",
                );
            }
            if let Some(opens) = survey.and_then(|survey| survey.opens).filter(|opens| on.date() < *opens) {
                section.wrong(
                    "on",
                    format!("lies before the survey's first day {opens}"),
                    "write a day on which answers are taken",
                );
            }
            if days.shifted(*on, rule.shift, None).0.is_none() {
                let (_, past) = days.shifted(*on, rule.shift, None);
                let past: Vec<String> = past.iter().map(ToString::to_string).collect();
                section.wrong(
                    "on",
                    format!("nothing may go out then: {}", past.join(", ")),
                    "write another day, or shift = \"next\"",
                );
            }
        }
        Moment::Cron(cron) => {
            let mut at = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN);
            let mut times = 0;
            let mut goes = false;
            while let Some(next) = cron.next(at).filter(|_| times < TRIES && !goes) {
                times += 1;
                goes = days.shifted(next, rule.shift, None).0.is_some();
                // From there on to when something may go out again: a line can name every minute of a night.
                let free = days.shifted(next, Shift::Next, None).0.and_then(|free| free.checked_sub_signed(MINUTE));
                at = free.map_or(next, |free| free.max(next));
            }
            if times == 0 {
                section.wrong("cron", "never comes: no month has that day", "write a day that there is");
            } else if !goes {
                section.wrong("cron", "every time of it is left out", "write shift = \"next\", or another time");
            }
        }
        _ => {}
    }
    let once = survey.is_some_and(|survey| survey.responses == Responses::Once);
    if once && rule.letter == Letter::Invitation && matches!(rule.moment, Moment::Cron(_)) && !rule.until_response {
        let wrong = "people answer once, and would be invited again and again";
        section.wrong("until", wrong, "write until = [\"response\"], or on = 2026-12-01");
    }
}

/// A time of the day at which a letter never goes out, whatever the day.
fn check_hours(section: &Section, rule: &Rule, days: &Days) {
    let time = match &rule.moment {
        Moment::After(After { offset: Offset::Days { at, .. }, .. }) => Some(*at),
        Moment::At(shown) if section.has("on") => Some(shown.time()),
        _ => None,
    };
    let quiet = days.quiet.filter(|quiet| time.is_some_and(|time| quiet.holds(time)));
    let (Some(time), Some(quiet), true) = (time, quiet, section.has("at")) else { return };
    let (time, from, to) = (time.format("%H:%M"), quiet.from.format("%H:%M"), quiet.to.format("%H:%M"));
    match rule.shift {
        Shift::Drop => section.wrong(
            "at",
            format!("{time} is always quiet ({from} to {to}), so nothing ever goes out"),
            "write another time",
        ),
        Shift::Next => {
            section.warn("at", format!("{time} is always quiet, so the letter goes out at {to}"), "write that time")
        }
        Shift::Before => section.warn(
            "at",
            format!("{time} is always quiet, so the letter goes out before {from}"),
            "write that time",
        ),
        Shift::Stay => {}
    }
}

/// Where it is not known who answers, or what, no letter may depend on it.
fn check_privacy(section: &Section, rule: &Rule, survey: &Survey) {
    let privacy = survey.privacy;
    if privacy.names() {
        return;
    }
    let called = privacy.key();
    if matches!(&rule.moment, Moment::After(After { anchor: Anchor::LastResponse | Anchor::Item { .. }, .. })) {
        let wrong = format!("the survey is \"{called}\": when somebody answered is not kept, nor what");
        section.wrong("after", wrong, "count from \"invitation\"");
    }
    if rule.when.as_ref().is_some_and(|when| when.names().any(|name| name != crate::domain::expression::TODAY)) {
        let wrong = format!("the survey is \"{called}\": nobody's answers are known");
        section.wrong("when", wrong, "remove when");
    }
    if privacy == Privacy::FullyAnonymous {
        if rule.until_response {
            let wrong = format!("the survey is \"{called}\": who answered is not known, so no answer can end letters");
            section.wrong(
                "until",
                wrong,
                "write privacy = \"anonymous\", which keeps a list of who answered, or send no reminder",
            );
        }
        let again = |own: Repeat| own.every.is_some() || own.times.is_some_and(|times| times > 1);
        if rule.letter == Letter::Invitation && rule.repeat.is_some_and(again) {
            let wrong = format!("the survey is \"{called}\": each invitation would bring another access");
            section.newly_wrong("every", wrong, "remove every and times");
        }
        if rule.letter == Letter::Invitation && !matches!(rule.moment, Moment::At(_)) {
            let wrong = format!("the survey is \"{called}\": whose time has come must not tell who they are");
            section.wrong("letter", wrong, "invite everybody at once: on = 2026-12-01 and at = \"09:00\"");
        }
    }
}

/// Where nobody knows whose access is whose, one rule invites: each invitation brings an access.
pub(super) fn check_accesses(section: &Section, rule: &Rule, before: &[Located<Rule>], around: &Around<'_>) {
    let survey = around.study.survey.as_ref().map(|survey| &survey.value);
    let Some(survey) = survey.filter(|survey| survey.privacy == Privacy::FullyAnonymous) else { return };
    let invites = |rule: &Rule| rule.audience.answers() && rule.letter == Letter::Invitation;
    let says = section.peek_text("letter").is_some_and(|word| word.trim() == Letter::Invitation.key());
    if !says || !invites(rule) {
        return;
    }
    if let Some(first) = before.iter().map(|own| &own.value).find(|own| invites(own)) {
        let (called, id) = (survey.privacy.key(), &first.id);
        let wrong =
            format!("the survey is \"{called}\": the rule {id} invites already, and this would bring a second access");
        section.newly_wrong("letter", wrong, "keep one of the two; whoever comes in later is invited by it, too");
    }
}

fn check_condition(section: &Section, rule: &Rule, around: &Around<'_>) {
    let Some(when) = &rule.when else { return };
    if rule.target() == TargetKind::Person {
        section.wrong(
            "when",
            "the letter is about everything together, and a condition about one subject",
            "remove when",
        );
        return;
    }
    let telling = scope::arm_names(rule, around);
    if let Some(name) = telling.first() {
        let wrong =
            format!("the study is blinded, and `{name}` would tell the arm to whoever gets the letter, or none");
        section.wrong("when", wrong, "write a condition that does not depend on the arm");
        return;
    }
    if !around.report.is_sound(crate::definition::bundle::STUDY) && around.types.is_empty() {
        return;
    }
    let known = scope::of(rule, around);
    let place =
        Place { file: crate::definition::bundle::SCHEDULE, line: section.line_of("when"), key: section.key("when") };
    rules::check_further(when, &place, &known.types, &known.items.iter().collect::<Vec<&Item>>(), around.report);
}
