//! `hagaki schedule rehearse --html`: a rehearsal as one page, such as to be shown to those who decide on a study.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDateTime};
use handlebars::Handlebars;
use serde_json::{Value, json};

use super::told::{Told, short};
use crate::domain::language::Language;
use crate::domain::schedule::rehearsal::{Fate, Line, Somebody};
use crate::domain::schedule::{After, Anchor, Audience, Forbidden, Letter, Moment, Offset, Reason, Rule, Weekdays};
use crate::domain::study::Role;

/// Letters on the page.
const SHOWN: usize = 5_000;

/// The page.
///
/// # Errors
/// A file of ours is broken.
pub(super) fn render(told: &Told<'_>, language: Language) -> anyhow::Result<String> {
    let (template, words) = match language {
        Language::En => (
            include_str!("../../../templates/pages/en/schedule.hbs"),
            include_str!("../../../templates/pages/en/schedule.toml"),
        ),
        Language::Ja => (
            include_str!("../../../templates/pages/ja/schedule.hbs"),
            include_str!("../../../templates/pages/ja/schedule.toml"),
        ),
    };
    let speech = Speech { told, words: toml::from_str(words)?, language };
    let mut pages = Handlebars::new();
    pages.set_strict_mode(true);
    pages.register_template_string("page", template)?;
    Ok(pages.render("page", &speech.facts())?)
}

struct Speech<'a> {
    told: &'a Told<'a>,
    words: BTreeMap<String, String>,
    language: Language,
}

impl Speech<'_> {
    fn facts(&self) -> Value {
        let told = self.told;
        let (from, until) = told.days();
        let lines = &told.report.lines;
        let zones: BTreeSet<&str> = lines.iter().map(|line| line.zone.name()).collect();
        json!({
            "style": include_str!("../../../templates/pages/simulation.css"),
            "version": env!("CARGO_PKG_VERSION"),
            "study": told.study.title.in_language(self.language),
            "from": from,
            "until": until,
            "seed": told.assumed.seed,
            "percent": told.assumed.percent,
            "hours": told.assumed.delay_seconds / 3600,
            "people": told.people.len(),
            "invented": told.invented,
            "conditions": told.schedule.rules.iter().any(|rule| rule.when.is_some()),
            "lists_due": told.lists_due(),
            "notes": self.notes(),
            "rules": self.rules(),
            "zones": zones.len() > 1,
            "letters": lines.iter().take(SHOWN).map(|line| self.letter(line)).collect::<Vec<Value>>(),
            "more": lines.len().saturating_sub(SHOWN),
        })
    }

    /// A wording with its gaps filled.
    fn say(&self, key: &str, gaps: &[(&str, &str)]) -> String {
        // A test looks for every key in every language.
        let mut text = self.words.get(key).cloned().unwrap_or_else(|| key.to_string());
        for (gap, filling) in gaps {
            text = text.replace(&format!("{{{gap}}}"), filling);
        }
        text
    }

    fn notes(&self) -> Vec<String> {
        let stretch = self.told.stretch;
        short(self.told.schedule, stretch.until, stretch.zone)
            .map(|(own, last)| {
                let key = if own.is_computed_beyond() { "published" } else { "reaches" };
                self.say(key, &[("year", &last.to_string()), ("file", &own.to_string())])
            })
            .collect()
    }

    fn rules(&self) -> Vec<Value> {
        let told = self.told;
        let rows = told.schedule.rules.iter().zip(told.sums()).enumerate();
        rows.map(|(place, (rule, sum))| {
            let ended = told.report.ended.iter().filter(|((own, _), _)| *own == place);
            let ended = ended.map(|((_, reason), many)| json!({ "why": self.reason(reason), "many": many }));
            json!({
                "rule": rule.id,
                "letter": self.say(&format!("letter_{}", rule.letter.key()), &[]),
                "to": self.audience(&rule.audience),
                "when": self.moment(&rule.moment),
                "sent": sum.sent,
                "moved": sum.moved,
                "left": sum.left,
                "escalated": sum.escalated,
                "ended": ended.collect::<Vec<Value>>(),
            })
        })
        .collect()
    }

    fn letter(&self, line: &Line) -> Value {
        let rule = &self.told.schedule.rules[line.rule];
        let shown = line.at.clock_in(line.zone);
        let (letter, why) = match &line.fate {
            Fate::Told(role) => {
                let number = line.occasion.number.to_string();
                (Letter::Unanswered, self.say("told", &[("role", &self.role(*role)), ("number", &number)]))
            }
            fate => (rule.letter, self.why(rule, line, fate)),
        };
        json!({
            "day": shown.date().to_string(),
            "weekday": self.weekday(shown),
            "time": shown.format("%H:%M").to_string(),
            "zone": line.zone.name(),
            "who": self.told.people.get(line.who).map(|one| self.name(one)).unwrap_or_default(),
            "rule": rule.id,
            "letter": self.say(&format!("letter_{}", letter.key()), &[]),
            "goes": !matches!(line.fate, Fate::Left(_)),
            "why": why,
        })
    }

    /// A name that we made speaks the page's language; people's own stay.
    fn name(&self, somebody: &Somebody) -> String {
        let name = somebody.called();
        match name.strip_prefix("participant ") {
            Some(number) if number.parse::<u64>().is_ok() => self.say("participant", &[("number", number)]),
            _ => name.to_string(),
        }
    }

    fn why(&self, rule: &Rule, line: &Line, fate: &Fate) -> String {
        let mut parts = vec![self.moment(&rule.moment)];
        if line.occasion.number > 1 && !matches!(rule.moment, Moment::Cron(_)) {
            parts.push(self.say("number", &[("number", &line.occasion.number.to_string())]));
        }
        match fate {
            Fate::Sent(past) if line.at != line.wished && !past.is_empty() => {
                let wished = line.wished.clock_in(line.zone);
                let (day, time) = (self.day(wished), wished.format("%H:%M").to_string());
                parts.push(self.say("moved", &[("day", &day), ("time", &time), ("past", &self.past(past))]));
            }
            Fate::Left(reason) => parts.push(self.reason(reason)),
            _ => {}
        }
        if let Some(when) = &rule.when {
            parts.push(self.say("condition", &[("condition", &when.source)]));
        }
        parts.join("; ")
    }

    fn weekday(&self, shown: NaiveDateTime) -> String {
        let key = Weekdays::NAMES[shown.weekday().num_days_from_monday() as usize];
        self.say(key, &[])
    }

    fn day(&self, shown: NaiveDateTime) -> String {
        match self.language {
            Language::En => format!("{} {}", self.weekday(shown), shown.date()),
            Language::Ja => format!("{}（{}）", shown.date(), self.weekday(shown)),
        }
    }

    fn role(&self, role: Role) -> String {
        self.say(&format!("role_{}", role.key()), &[])
    }

    fn audience(&self, audience: &Audience) -> String {
        match audience {
            Audience::Participants => self.say("to_participants", &[]),
            Audience::Members => self.say("to_members", &[]),
            Audience::SiteStaff(role) => self.say("to_site", &[("role", &self.role(*role))]),
            Audience::Role(role) => self.say("to_role", &[("role", &self.role(*role))]),
            Audience::People(ids) => self.say("to_people", &[("people", &ids.join(", "))]),
        }
    }

    fn moment(&self, moment: &Moment) -> String {
        match moment {
            Moment::At(shown) => {
                self.say("moment_at", &[("day", &self.day(*shown)), ("time", &shown.format("%H:%M").to_string())])
            }
            Moment::Cron(cron) => self.say("moment_cron", &[("line", cron.source())]),
            Moment::After(After { anchor, offset: Offset::Hours(hours) }) => {
                self.say("moment_hours", &[("hours", &hours.to_string()), ("anchor", &self.anchor(anchor))])
            }
            Moment::After(After { anchor, offset: Offset::Days { days, at } }) => {
                let key = match days {
                    0 => "moment_day",
                    1.. => "moment_days",
                    _ => "moment_before",
                };
                let (many, time) = (days.unsigned_abs().to_string(), at.format("%H:%M").to_string());
                self.say(key, &[("days", &many), ("anchor", &self.anchor(anchor)), ("time", &time)])
            }
        }
    }

    fn anchor(&self, anchor: &Anchor) -> String {
        let event = |id: &str| {
            let name = self.told.study.find_event(id).map(|event| event.name.in_language(self.language).to_string());
            name.unwrap_or_else(|| id.to_string())
        };
        match anchor {
            Anchor::Enrolled => self.say("anchor_enrolled", &[]),
            Anchor::Randomized(id) => self.say("anchor_randomized", &[("id", id)]),
            Anchor::Event(id) => self.say("anchor_event", &[("id", &event(id))]),
            Anchor::Due(id) => self.say("anchor_due", &[("id", &event(id))]),
            Anchor::Invitation => self.say("anchor_invitation", &[]),
            Anchor::LastResponse => self.say("anchor_last_response", &[]),
            Anchor::Item { instrument, item } => {
                let found = self.told.study.find_instrument(instrument).and_then(|form| form.find(item));
                let label = found.map_or(item.as_str(), |item| item.label.in_language(self.language));
                self.say("anchor_item", &[("id", label)])
            }
        }
    }

    fn past(&self, past: &[Forbidden]) -> String {
        let one = |forbidden: &Forbidden| match forbidden {
            Forbidden::Quiet => self.say("forbidden_quiet", &[]),
            Forbidden::Weekday => self.say("forbidden_weekday", &[]),
            Forbidden::Holiday { name, provisional } => {
                let key = if *provisional { "forbidden_provisional" } else { "forbidden_holiday" };
                self.say(key, &[("name", name)])
            }
            Forbidden::Avoided => self.say("forbidden_avoided", &[]),
            Forbidden::Away => self.say("forbidden_away", &[]),
        };
        let listed: Vec<String> = past.iter().map(one).collect();
        listed.join(if self.language == Language::Ja { "、" } else { ", " })
    }

    fn reason(&self, reason: &Reason) -> String {
        match reason {
            Reason::NotYet(anchor) => self.say("reason_not_yet", &[("anchor", &self.anchor(anchor))]),
            Reason::Stopped(stop, _) => {
                let stop = self.say(&format!("stop_{}", stop.key()), &[]);
                self.say("reason_stopped", &[("stop", &stop)])
            }
            Reason::Exhausted(1) => self.say("reason_once", &[]),
            Reason::Exhausted(times) => self.say("reason_exhausted", &[("times", &times.to_string())]),
            Reason::Condition => self.say("reason_condition", &[]),
            Reason::Untold(_) => self.say("reason_untold", &[]),
            Reason::Forbidden(past) => self.say("reason_forbidden", &[("past", &self.past(past))]),
            Reason::Behind(day) => self.say("reason_behind", &[("day", &day.to_string())]),
            Reason::Overtaken => self.say("reason_overtaken", &[]),
            Reason::TooLate(seconds) => self.say("reason_too_late", &[("hours", &(seconds / 3600).to_string())]),
            Reason::Before => self.say("reason_before", &[]),
            Reason::Never => self.say("reason_never", &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a page could have to say is there in both languages, with the same gaps.
    #[test]
    fn both_languages_say_the_same() {
        let words = |text: &str| -> BTreeMap<String, String> { toml::from_str(text).unwrap() };
        let en = words(include_str!("../../../templates/pages/en/schedule.toml"));
        let ja = words(include_str!("../../../templates/pages/ja/schedule.toml"));
        let gaps = |text: &str| -> BTreeSet<String> {
            text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(gap, _)| gap.to_string()).collect()
        };
        assert_eq!(en.keys().collect::<Vec<_>>(), ja.keys().collect::<Vec<_>>());
        for (key, text) in &en {
            assert_eq!(gaps(text), gaps(&ja[key]), "{key}");
        }
        let source = include_str!("page.rs");
        let keys = source.split("self.say(\"").skip(1).filter_map(|part| part.split_once('"')).map(|(key, _)| key);
        for key in keys.chain(["published", "moment_day", "moment_before", "forbidden_provisional"]) {
            assert!(en.contains_key(key), "{key}");
        }
        for letter in Letter::ALL {
            assert!(en.contains_key(&format!("letter_{}", letter.key())));
        }
        for stop in crate::domain::schedule::Stop::ALL {
            assert!(en.contains_key(&format!("stop_{}", stop.key())));
        }
        for role in Role::ALL {
            assert!(en.contains_key(&format!("role_{}", role.key())));
        }
    }
}
