//! What an amendment changes of the letters that go out by themselves.

use super::told;
use crate::domain::schedule::{Audience, ClockOf, Days, Every, Late, On, Rule, Schedule};

/// One line for each change.
pub(super) fn changes(old: Option<&Schedule>, new: Option<&Schedule>, lines: &mut Vec<String>) {
    match (old, new) {
        (None, None) => {}
        (None, Some(new)) => {
            lines.push("schedule: new".to_string());
            lines.extend(new.rules.iter().map(added));
        }
        (Some(_), None) => lines.push("schedule: removed; no letter goes out by itself any more".to_string()),
        (Some(old), Some(new)) => {
            if old.clock != new.clock {
                told(lines, "schedule: zone", clock(old.clock), clock(new.clock));
            }
            for ((key, before), (_, now)) in days(&old.days).into_iter().zip(days(&new.days)) {
                told(lines, &format!("schedule: {key}"), &before, &now);
            }
            for rule in &new.rules {
                match old.find(&rule.id) {
                    None => lines.push(added(rule)),
                    Some(known) => rule_changes(known, rule, lines),
                }
            }
            let gone = old.rules.iter().filter(|known| new.find(&known.id).is_none());
            lines
                .extend(gone.map(|known| format!("schedule: rule {}: removed; what it planned is not sent", known.id)));
        }
    }
}

fn added(rule: &Rule) -> String {
    format!("schedule: rule {}: added; {} to {}, {}", rule.id, rule.letter.key(), rule.audience, rule.moment)
}

fn rule_changes(old: &Rule, new: &Rule, lines: &mut Vec<String>) {
    for ((key, before), (_, now)) in settings(old).into_iter().zip(settings(new)) {
        told(lines, &format!("schedule: rule {}: {key}", new.id), &before, &now);
    }
}

const fn clock(of: ClockOf) -> &'static str {
    match of {
        ClockOf::Study => "study",
        ClockOf::Person => "person",
    }
}

fn none() -> String {
    "none".to_string()
}

fn days(own: &Days) -> [(&'static str, String); 4] {
    let listed = |all: Vec<String>| if all.is_empty() { none() } else { all.join(", ") };
    let quiet =
        own.quiet.map_or_else(none, |own| format!("{} to {}", own.from.format("%H:%M"), own.to.format("%H:%M")));
    [
        ("quiet", quiet),
        ("weekdays", own.weekdays.to_string()),
        // Two calendars of one name can hold other days.
        ("holidays", listed(own.holidays.iter().map(ToString::to_string).collect())),
        ("avoid", listed(own.avoid.iter().map(|span| format!("{} to {}", span.from, span.to)).collect())),
    ]
}

/// A rule's settings, by their keys in `schedule.toml`.
fn settings(rule: &Rule) -> [(&'static str, String); 11] {
    let every = |own: Every| match own {
        Every::Days(days) => format!("{days} days"),
        Every::Hours(hours) => format!("{hours} hours"),
    };
    let repeat = rule.repeat;
    let late = match rule.late {
        Late::Send => "send".to_string(),
        Late::Within(seconds) => format!("send within {} hours", seconds / 3600),
        Late::Drop => "drop".to_string(),
    };
    let escalations = rule.escalations.iter().map(|own| match own.on {
        On::Unanswered { after } => format!("after {after} to {}", own.to.key()),
        On::Failed => format!("on failure to {}", own.to.key()),
    });
    let escalations: Vec<String> = escalations.collect();
    let audience = match &rule.audience {
        Audience::People(ids) => format!("people {}", ids.join(", ")),
        other => other.to_string(),
    };
    [
        ("audience", audience),
        ("letter", rule.letter.key().to_string()),
        ("time", rule.moment.to_string()),
        ("every", repeat.and_then(|own| own.every).map_or_else(none, every)),
        ("times", repeat.and_then(|own| own.times).map_or_else(none, |times| times.to_string())),
        ("window", rule.window.map_or_else(none, |days| format!("{days} days"))),
        ("when", rule.when.as_ref().map_or_else(none, |when| format!("`{}`", when.source))),
        ("until", if rule.until_response { "response".to_string() } else { none() }),
        ("shift", rule.shift.key().to_string()),
        ("late", late),
        ("escalate", if escalations.is_empty() { none() } else { escalations.join("; ") }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{self, Bundle, samples};

    fn schedule(change: impl Fn(&str) -> String) -> Option<Schedule> {
        let mut files = samples::wellbeing().files().clone();
        let text = files.get_mut("schedule.toml").unwrap();
        *text = change(text);
        definition::load(&Bundle::from_files(files)).unwrap().0.schedule
    }

    fn told(old: Option<&Schedule>, new: Option<&Schedule>) -> Vec<String> {
        let mut lines = Vec::new();
        changes(old, new, &mut lines);
        lines
    }

    #[test]
    fn what_changes_is_told_by_name() {
        let old = schedule(str::to_string);
        assert_eq!(told(old.as_ref(), old.as_ref()), Vec::<String>::new());
        let new = schedule(|text| {
            let text = text.replace("to = \"08:00\"", "to = \"07:00\"").replace("0 9 * * mon", "0 9 * * tue");
            let text = text.replace("times = 2", "times = 1").replace("id = \"report\"", "id = \"status\"");
            text.replace("zone = \"study\"", "zone = \"person\"")
        });
        assert_eq!(
            told(old.as_ref(), new.as_ref()),
            [
                "schedule: zone person instead of study",
                "schedule: quiet 21:00 to 07:00 instead of 21:00 to 08:00",
                "schedule: rule weekly: time cron 0 9 * * tue instead of cron 0 9 * * mon",
                "schedule: rule remind: times 1 instead of 2",
                "schedule: rule status: added; weekly-report to each manager, cron 0 8 * * mon",
                "schedule: rule report: removed; what it planned is not sent",
            ]
        );
        let added = told(None, old.as_ref());
        assert_eq!(added.len(), 4);
        assert_eq!(
            added[2],
            "schedule: rule remind: added; reminder to participants, 2 days after the invitation, 18:00"
        );
        assert_eq!(told(old.as_ref(), None), ["schedule: removed; no letter goes out by itself any more"]);
    }
}
