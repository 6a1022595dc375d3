//! The figures of a count: votes, comparisons by pairs, rounds of transfer.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::domain::election::outcome::{Detail, Race, Sum};
use crate::domain::election::schulze::Strength;
use crate::domain::election::stv::{Event, Round, Transfer};
use crate::domain::election::{Contest, Holding};
use crate::domain::language::Language;
use crate::domain::number::{Rational, decimal};

/// Decimals of a fraction of votes, where people read it.
const PLACES: usize = 4;

/// Lines of a table, each cell as wide as the widest above and below it; the last cell is free, for names are of any width.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let last = row.len().saturating_sub(1);
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match at {
            0 => format!("{cell:<width$}"),
            at if at == last => cell.clone(),
            _ => format!("{cell:>width$}"),
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<String>>().join("  ").trim_end());
    }
    text
}

/// Everybody with their votes; empty where candidates are ranked.
pub(super) fn standings(contest: &Contest, race: &Race, weighted: bool) -> Vec<Vec<String>> {
    if race.standings.is_empty() {
        return Vec::new();
    }
    let confirms = race.holding == Holding::Confidence;
    let mut head = vec!["candidate"];
    head.extend(if confirms { vec!["yes", "no"] } else { vec!["votes"] });
    head.push("");
    let number =
        |sum: Sum| if weighted { format!("{} ({})", sum.weight, sum.ballots) } else { sum.ballots.to_string() };
    let mut rows = vec![head.into_iter().map(str::to_string).collect::<Vec<String>>()];
    for own in &race.standings {
        let listed = own.who.id().and_then(|id| contest.find(id));
        let mut row = vec![listed.map_or_else(|| "written in".to_string(), |candidate| candidate.id.clone())];
        row.push(number(own.votes));
        row.extend(confirms.then(|| number(own.against)));
        let name = listed.map_or_else(|| own.who.to_string(), |own| own.name.in_language(Language::En).to_string());
        let mark = if race.elects(&own.who) { "elected, " } else { "" };
        row.push(format!("{mark}{name}"));
        rows.push(row);
    }
    rows
}

/// How rankings were counted, for people.
pub(super) fn rounds(detail: &Detail) -> String {
    match detail {
        Detail::Plain => String::new(),
        Detail::Pairwise(pairs) => {
            let mut rows = vec![std::iter::once("prefer".to_string()).chain(pairs.candidates.clone()).collect()];
            rows.extend(pairs.candidates.iter().zip(&pairs.prefer).map(|(id, row)| {
                let cells = row.iter().map(ToString::to_string);
                std::iter::once(id.clone()).chain(cells).collect::<Vec<String>>()
            }));
            let order: Vec<String> = pairs.order().iter().map(|place| place.join(" = ")).collect();
            format!("{}order: {}\n", table(&rows), order.join(" > "))
        }
        Detail::Transfer(done) => transfer(done),
    }
}

fn shortly(votes: &Rational) -> String {
    if votes.is_integer() { votes.to_string() } else { decimal(votes, PLACES) }
}

fn told(event: &Event) -> String {
    match event {
        Event::Elected(ids) => format!("{} reached the quota", ids.join(", ")),
        Event::Surplus { of, surplus } => format!("the surplus of {of}, {}, is passed on", shortly(surplus)),
        Event::Excluded(ids) => format!("{} excluded", ids.join(", ")),
        Event::Left(ids) => format!("{} elected: no more are left than seats", ids.join(", ")),
    }
}

fn transfer(done: &Transfer) -> String {
    let mut text = format!("quota {}\n", shortly(&done.quota));
    for (at, Round { votes, exhausted, event }) in done.rounds.iter().enumerate() {
        let held: Vec<String> = votes.iter().map(|(id, votes)| format!("{id} {}", shortly(votes))).collect();
        let _ = writeln!(text, "round {}: {}; exhausted {}", at + 1, held.join(", "), shortly(exhausted));
        let _ = writeln!(text, "  {}", told(event));
    }
    text
}

/// Votes for and against along the weakest part of a path.
fn strength(path: &Option<Strength>) -> Value {
    path.map_or(Value::Null, |own| json!([own.winning, own.losing.0]))
}

/// How rankings were counted, for programs; fractions in lowest terms as text.
pub(super) fn detail_json(detail: &Detail) -> Value {
    match detail {
        Detail::Plain => Value::Null,
        Detail::Pairwise(pairs) => json!({
            "candidates": pairs.candidates,
            "prefer": pairs.prefer,
            "strongest_paths": pairs.paths.iter().map(|row| row.iter().map(strength).collect()).collect::<Vec<Value>>(),
            "order": pairs.order(),
        }),
        Detail::Transfer(done) => {
            let rounds = done.rounds.iter().map(|round| {
                let votes: Map<String, Value> =
                    round.votes.iter().map(|(id, votes)| (id.clone(), json!(votes.to_string()))).collect();
                let event = match &round.event {
                    Event::Elected(ids) => json!({ "elected": ids }),
                    Event::Surplus { of, surplus } => json!({ "surplus_of": of, "surplus": surplus.to_string() }),
                    Event::Excluded(ids) => json!({ "excluded": ids }),
                    Event::Left(ids) => json!({ "left": ids }),
                };
                json!({ "votes": votes, "exhausted": round.exhausted.to_string(), "event": event })
            });
            json!({ "quota": done.quota.to_string(), "rounds": rounds.collect::<Vec<Value>>() })
        }
    }
}
