//! What another schedule would change: letters that it adds, takes away or moves, and letters that are worded otherwise.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::told::Told;
use crate::cli::{Output, counted};
use crate::domain::schedule::rehearsal::{Fate, Line};

/// Letters that are listed one by one.
const LISTED: usize = 200;

/// One letter's name: whose, by which rule, which of them, and whether it tells somebody else.
type Name = (String, String, String, bool);

/// Prints the difference.
pub(super) fn print(before: &Told<'_>, now: &Told<'_>, files: &[String], output: Output) {
    let changes = Changes::between(before, now);
    if output.json {
        println!("{}", changes.json(before, now, files));
    } else {
        changes.print(before, now, files);
    }
}

struct Changes<'a> {
    added: Vec<&'a Line>,
    gone: Vec<&'a Line>,
    moved: Vec<(&'a Line, &'a Line)>,
    same: usize,
}

/// The letters that go out, by name.
fn named<'a>(told: &Told<'a>) -> BTreeMap<Name, &'a Line> {
    let going = told.report.lines.iter().filter(|line| !matches!(line.fate, Fate::Left(_)));
    let name = |line: &Line| {
        let who = told.people.get(line.who).map(|one| one.name.clone()).unwrap_or_default();
        let rule = told.schedule.rules.get(line.rule).map(|rule| rule.id.clone()).unwrap_or_default();
        (who, rule, line.occasion.key(), matches!(line.fate, Fate::Told(_)))
    };
    going.map(|line| (name(line), line)).collect()
}

impl<'a> Changes<'a> {
    fn between(before: &Told<'a>, now: &Told<'a>) -> Changes<'a> {
        let (old, new) = (named(before), named(now));
        let mut changes = Changes { added: Vec::new(), gone: Vec::new(), moved: Vec::new(), same: 0 };
        for (name, line) in &new {
            match old.get(name) {
                None => changes.added.push(*line),
                Some(known) if known.at != line.at => changes.moved.push((*known, *line)),
                Some(_) => changes.same += 1,
            }
        }
        changes.gone.extend(old.iter().filter(|(name, _)| !new.contains_key(*name)).map(|(_, line)| *line));
        changes.added.sort_by_key(|line| line.at);
        changes.gone.sort_by_key(|line| line.at);
        changes.moved.sort_by_key(|(known, _)| known.at);
        changes
    }

    fn json(&self, before: &Told<'_>, now: &Told<'_>, files: &[String]) -> Value {
        let moved =
            |(known, line): &(&Line, &Line)| json!({ "before": before.line_json(known), "now": now.line_json(line) });
        json!({
            "added": self.added.iter().map(|line| now.line_json(line)).collect::<Vec<Value>>(),
            "gone": self.gone.iter().map(|line| before.line_json(line)).collect::<Vec<Value>>(),
            "moved": self.moved.iter().map(moved).collect::<Vec<Value>>(),
            "same": self.same,
            "reworded": files,
            "notes": now.notes(),
        })
    }

    fn print(&self, before: &Told<'_>, now: &Told<'_>, files: &[String]) {
        let (from, until) = now.days();
        println!("REHEARSAL of another schedule for {}, {from} to {until}: nothing is sent.\n", now.study.slug);
        let mut listed: Vec<(crate::domain::time::Instant, String)> = Vec::new();
        let short = |told: &Told<'_>, line: &Line| {
            let row = told.row(line);
            format!("{} {}  {}  {}  {}", row.day, row.time, row.who, row.rule, row.letter)
        };
        listed.extend(self.added.iter().map(|line| (line.at, format!("+ {}", short(now, line)))));
        listed.extend(self.gone.iter().map(|line| (line.at, format!("- {}", short(before, line)))));
        listed.extend(self.moved.iter().map(|(known, line)| {
            let row = before.row(known);
            (line.at, format!("~ {}  instead of {} {}", short(now, line), row.day, row.time))
        }));
        listed.sort();
        for (_, line) in listed.iter().take(LISTED) {
            println!("{line}");
        }
        if listed.len() > LISTED {
            println!("… and {} more: --json lists them all", listed.len() - LISTED);
        }
        println!(
            "\n{} added, {} gone, {} moved, {} unchanged",
            counted(self.added.len() as u64, "letter"),
            self.gone.len(),
            self.moved.len(),
            self.same
        );
        for file in files {
            println!("{file}");
        }
        for note in now.notes() {
            println!("note: {note}");
        }
    }
}
