//! A rehearsal of a schedule told: for people as text, as CSV, as JSON.

use std::collections::BTreeSet;
use std::fmt::Write;

use chrono::Datelike;
use serde_json::{Value, json};

use crate::cli::counted;
use crate::domain::schedule::holidays::Holidays;
use crate::domain::schedule::rehearsal::{Assumed, Fate, Line, Rehearsed, Somebody, Stretch};
use crate::domain::schedule::{ClockOf, Decision, Facts, Letter, Moment, Rule, Schedule, TargetKind, decide};
use crate::domain::study::Study;
use crate::domain::time::{Instant, Zone};
use crate::workflow::export::delimited::{Charset, Delimited};

/// Letters that are listed one by one in the text; all are in the CSV.
const LISTED: usize = 400;
/// Times that `hagaki check` tells of each rule.
const NEXT: usize = 3;

/// A rehearsal, and of what.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub study: &'a Study,
    pub schedule: &'a Schedule,
    pub people: &'a [Somebody],
    pub report: &'a Rehearsed,
    pub stretch: Stretch,
    pub assumed: &'a Assumed,
    pub invented: bool,
}

/// One letter in words.
pub(super) struct Row {
    pub day: String,
    pub time: String,
    pub zone: &'static str,
    pub who: String,
    pub rule: String,
    pub letter: String,
    pub occasion: String,
    pub goes: bool,
    pub why: String,
}

/// What became of one rule's letters.
pub(super) struct Sum {
    pub rule: String,
    pub letter: &'static str,
    pub to: String,
    pub when: String,
    pub sent: usize,
    pub moved: usize,
    pub left: usize,
    pub escalated: usize,
    pub people: usize,
    /// Why no more come at the end, and for how many.
    pub ended: Vec<(String, usize)>,
}

impl Told<'_> {
    pub(super) fn row(&self, line: &Line) -> Row {
        let rule = &self.schedule.rules[line.rule];
        let clock = line.at.clock_in(line.zone);
        let (letter, why) = match &line.fate {
            Fate::Told(role) => {
                let why = format!("to {}: {} letters without an answer", role.key(), line.occasion.number);
                (Letter::Unanswered.key().to_string(), why)
            }
            fate => (rule.letter.key().to_string(), self.why(rule, line, fate)),
        };
        Row {
            day: clock.format("%a %Y-%m-%d").to_string(),
            time: clock.format("%H:%M").to_string(),
            zone: line.zone.name(),
            who: self.people.get(line.who).map(|one| one.called().to_string()).unwrap_or_default(),
            rule: rule.id.clone(),
            letter,
            occasion: line.occasion.key(),
            goes: !matches!(line.fate, Fate::Left(_)),
            why,
        }
    }

    fn why(&self, rule: &Rule, line: &Line, fate: &Fate) -> String {
        let mut why = rule.moment.to_string();
        if line.occasion.number > 1 && !matches!(rule.moment, Moment::Cron(_)) {
            let _ = write!(why, ", number {}", line.occasion.number);
        }
        match fate {
            Fate::Sent(past) if line.at != line.wished && !past.is_empty() => {
                let wished = line.wished.clock_in(line.zone).format("%a %Y-%m-%d %H:%M");
                let past: Vec<String> = past.iter().map(ToString::to_string).collect();
                let _ = write!(why, "; moved from {wished}: {}", past.join(", "));
            }
            Fate::Left(reason) => {
                let _ = write!(why, "; {reason}");
            }
            _ => {}
        }
        if let Some(when) = &rule.when {
            let _ = write!(why, "; if {}", when.source);
        }
        why
    }

    pub(super) fn sums(&self) -> Vec<Sum> {
        let sum = |(place, rule): (usize, &Rule)| {
            let own: Vec<&Line> = self.report.lines.iter().filter(|line| line.rule == place).collect();
            let many = |is: fn(&Fate) -> bool| own.iter().filter(|line| is(&line.fate)).count();
            let sent = own.iter().filter(|line| matches!(line.fate, Fate::Sent(_)));
            let people: BTreeSet<usize> = sent.map(|line| line.who).collect();
            let ended = self.report.ended.iter().filter(|((rule, _), _)| *rule == place);
            Sum {
                rule: rule.id.clone(),
                letter: rule.letter.key(),
                to: rule.audience.to_string(),
                when: rule.moment.to_string(),
                sent: many(|fate| matches!(fate, Fate::Sent(_))),
                moved: many(|fate| matches!(fate, Fate::Sent(past) if !past.is_empty())),
                left: many(|fate| matches!(fate, Fate::Left(_))),
                escalated: many(|fate| matches!(fate, Fate::Told(_))),
                people: people.len(),
                ended: ended.map(|((_, reason), many)| (reason.to_string(), *many)).collect(),
            }
        };
        self.schedule.rules.iter().enumerate().map(sum).collect()
    }

    /// What is assumed, and what is not known.
    pub(super) fn notes(&self) -> Vec<String> {
        let (assumed, people) = (self.assumed, self.people.len());
        let who = if self.invented { "invented, and those of the staff" } else { "on file" };
        let mut notes = vec![
            format!("{people} people and subjects, {who}"),
            format!(
                "{} of 100 letters that ask are answered, after {} hours on average (seed {})",
                assumed.percent,
                assumed.delay_seconds / 3600,
                assumed.seed
            ),
        ];
        if self.schedule.rules.iter().any(|rule| rule.when.is_some()) {
            notes.push("conditions are taken as met".to_string());
        }
        if !self.invented && self.schedule.clock == ClockOf::Person {
            notes.push("zones of people are not known here: the study's is taken".to_string());
        }
        if self.lists_due() {
            notes.push("a list of what is due goes out if something is".to_string());
        }
        notes.extend(provisional(self.schedule, self.stretch.until, self.stretch.zone));
        notes
    }

    /// Whether a rule sends lists of what is due, of which a rehearsal does not know whether they hold anything.
    pub(super) fn lists_due(&self) -> bool {
        let is = |rule: &Rule| rule.letter == Letter::FollowUpDue && rule.target() == TargetKind::Person;
        self.schedule.rules.iter().any(is)
    }

    pub(super) fn text(&self) -> String {
        let (from, until) = self.days();
        let mut text =
            format!("REHEARSAL of the schedule of {}, {from} to {until}: nothing is sent.\n\n", self.study.slug);
        let rows: Vec<Row> = self.report.lines.iter().take(LISTED).map(|line| self.row(line)).collect();
        let shown = |row: &Row| {
            let letter = if row.goes { row.letter.clone() } else { format!("({})", row.letter) };
            [format!("{} {}", row.day, row.time), row.who.clone(), row.rule.clone(), letter]
        };
        let cells: Vec<[String; 4]> = rows.iter().map(shown).collect();
        let width = |at: usize| cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);
        let zones: BTreeSet<&str> = rows.iter().map(|row| row.zone).collect();
        for (row, cells) in rows.iter().zip(&cells) {
            for (cell, width) in cells.iter().zip(widths) {
                let _ = write!(text, "{cell:<width$}  ");
            }
            let zone = if zones.len() > 1 { format!("{}; ", row.zone) } else { String::new() };
            let _ = writeln!(text, "{zone}{}", row.why);
        }
        if self.report.lines.len() > LISTED {
            let _ = writeln!(text, "… and {} more: --csv lists them all", self.report.lines.len() - LISTED);
        }
        text.push('\n');
        for sum in self.sums() {
            let mut told = vec![format!("{} to {}", counted(sum.sent as u64, "letter"), sum.people)];
            told.extend((sum.moved > 0).then(|| format!("{} moved", sum.moved)));
            told.extend((sum.left > 0).then(|| format!("{} left out", sum.left)));
            told.extend((sum.escalated > 0).then(|| format!("{} told to somebody else", sum.escalated)));
            told.extend(sum.ended.iter().map(|(reason, many)| format!("{many}: {reason}")));
            let _ = writeln!(text, "{} ({}, {}): {}", sum.rule, sum.letter, sum.when, told.join("; "));
        }
        for note in self.notes() {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    pub(super) fn write_csv(&self, to: impl std::io::Write) -> anyhow::Result<()> {
        let columns = ["day", "time", "zone", "instant", "person", "rule", "letter", "occasion", "sent", "why"];
        let mut table = Delimited::headed(to, Charset::Utf8, columns.into_iter().map(str::to_string))?;
        for line in &self.report.lines {
            let row = self.row(line);
            let day = line.at.clock_in(line.zone).format("%Y-%m-%d").to_string();
            let sent = if row.goes { "yes" } else { "no" };
            let instant = line.at.utc();
            let cells: [&str; 10] =
                [&day, &row.time, row.zone, &instant, &row.who, &row.rule, &row.letter, &row.occasion, sent, &row.why];
            table.texts(cells.into_iter())?;
        }
        table.end()?;
        Ok(())
    }

    pub(super) fn days(&self) -> (String, String) {
        let day = |at: Instant| at.day_in(self.stretch.zone).to_string();
        (day(self.stretch.from), day(self.stretch.until))
    }

    pub(super) fn line_json(&self, line: &Line) -> Value {
        let row = self.row(line);
        let day = line.at.clock_in(line.zone).format("%Y-%m-%d").to_string();
        json!({ "at": line.at.utc(), "day": day, "time": row.time, "zone": row.zone, "person": row.who, "rule": row.rule,
                "letter": row.letter, "occasion": row.occasion, "sent": row.goes, "why": row.why })
    }

    pub(super) fn json(&self) -> Value {
        let (from, until) = self.days();
        let sum = |sum: Sum| {
            let ended: serde_json::Map<String, Value> =
                sum.ended.into_iter().map(|(why, many)| (why, json!(many))).collect();
            json!({ "rule": sum.rule, "letter": sum.letter, "to": sum.to, "when": sum.when, "sent": sum.sent, "moved": sum.moved,
                    "left_out": sum.left, "escalated": sum.escalated, "people": sum.people, "ended": ended })
        };
        json!({
            "rehearsal": true,
            "study": self.study.slug,
            "from": from,
            "until": until,
            "people": self.people.len(),
            "invented": self.invented,
            "answering": self.assumed.percent,
            "delay_seconds": self.assumed.delay_seconds,
            "seed": self.assumed.seed,
            "letters": self.report.lines.iter().map(|line| self.line_json(line)).collect::<Vec<Value>>(),
            "rules": self.sums().into_iter().map(sum).collect::<Vec<Value>>(),
            "notes": self.notes(),
        })
    }
}

/// The calendars that do not reach so far, and the last year of each.
pub(super) fn short(schedule: &Schedule, until: Instant, zone: Zone) -> impl Iterator<Item = (&Holidays, i32)> {
    let year = until.day_in(zone).year();
    schedule.days.holidays.iter().filter_map(|own| Some((own, own.last_year()?))).filter(move |(_, last)| *last < year)
}

fn provisional(schedule: &Schedule, until: Instant, zone: Zone) -> Vec<String> {
    short(schedule, until, zone)
        .map(|(own, last)| match own.is_computed_beyond() {
            true => {
                format!("holidays of {own} are published to the end of {last}; later ones are computed and provisional")
            }
            false => format!("{own} holds no holiday after {last}"),
        })
        .collect()
}

/// The next times of the rules that have times of their own, for `hagaki check`.
pub(in crate::cli) fn next_times(study: &Study, now: Instant) -> Vec<String> {
    let Some(schedule) = &study.schedule else { return Vec::new() };
    let opens = study.survey.as_ref().and_then(|survey| survey.opens).map(|day| study.zone.resolve(day.into()));
    let mut lines = Vec::new();
    let mut last = now;
    for rule in &schedule.rules {
        let mut facts = Facts {
            zone: study.zone,
            days: &schedule.days,
            begins: opens.filter(|_| rule.audience.answers()).unwrap_or(now).max(now),
            happened: &std::collections::BTreeMap::new(),
            answered: None,
            stops: &std::collections::BTreeMap::new(),
            away_until: None,
            past: None,
            scope: None,
        };
        let mut times = Vec::new();
        for _ in 0..NEXT {
            let (letter, left) = match decide(rule, &facts, now) {
                Decision::Next(letter) => (letter, false),
                Decision::Skip(letter, _) => (letter, true),
                Decision::Ended(_) => break,
            };
            last = last.max(letter.at);
            let shown = letter.at.clock_in(study.zone).format("%a %Y-%m-%d %H:%M");
            let past: Vec<String> = letter.moved.iter().map(ToString::to_string).collect();
            times.push(match (left, past.is_empty()) {
                (true, _) => format!("{shown} (left out)"),
                (false, true) => shown.to_string(),
                (false, false) => format!("{shown} (moved: {})", past.join(", ")),
            });
            facts.past = Some(letter.past());
        }
        let told = if times.is_empty() { rule.moment.to_string() } else { times.join("; ") };
        lines.push(format!("{} ({}): {told}", rule.id, rule.letter.key()));
    }
    lines.extend(provisional(schedule, last, study.zone));
    lines
}
