//! The result as everybody sees it: every number of the outcome that is on record, in tables with bars beside them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::PAGES;
use crate::domain::election::{Contest, Election};
use crate::domain::language::Language;
use crate::workflow::election::public::{
    Certified, Contested, Counted, Detail, Numbers, OUTCOME, RULES, Race, Round, Sum, Tie,
};

/// Length of a bar that is full, in its own units.
const BAR: u64 = 1_000;

/// What a contest's figures are told with.
struct Told<'a> {
    election: &'a Election,
    contest: &'a Contest,
    language: Language,
}

/// A result that stands.
pub(super) fn facts(election: &Election, result: &Certified, language: Language) -> Value {
    let counted: Vec<Value> =
        result.outcome.contests.iter().flat_map(|own| contested(election, own, language)).collect();
    let word = |key: &str| PAGES.word(language, key, &[]);
    let named = |name: &str| {
        let key = name.split('.').next().unwrap_or_default();
        json!({ "name": name, "said": word(&format!("file_{key}")) })
    };
    let files = [RULES, OUTCOME].into_iter().chain(result.files.iter().map(String::as_str));
    json!({
        "digest": result.digest.map(|digest| data_encoding::HEXLOWER.encode(&digest)), "seed": result.outcome.seed,
        "counted": counted, "files": files.map(named).collect::<Vec<Value>>(),
    })
}

fn contested(election: &Election, own: &Contested, language: Language) -> Vec<Value> {
    // What the rules do not know is no contest of theirs.
    let Some(contest) = election.find(&own.contest) else { return Vec::new() };
    let told = Told { election, contest, language };
    own.counted.iter().map(|together| told.together(together)).collect()
}

impl Told<'_> {
    fn word(&self, key: &str, fill: &[(&str, &str)]) -> String {
        PAGES.word(self.language, key, fill)
    }

    /// The contest's title, with a district where there is one.
    fn titled(&self, district: Option<&str>) -> String {
        let title = self.contest.title.in_language(self.language);
        let named = district.map(|id| self.district(id));
        named.map_or_else(
            || title.to_string(),
            |district| self.word("title_of", &[("title", title), ("district", &district)]),
        )
    }

    fn district(&self, id: &str) -> String {
        let own = self.election.districts.iter().find(|own| own.id == id);
        own.map_or_else(|| id.to_string(), |own| own.name.in_language(self.language).to_string())
    }

    /// A candidate's name, or one that was written in.
    fn name(&self, candidate: &str) -> String {
        match (candidate.strip_prefix('+'), self.contest.find(candidate)) {
            (Some(written), _) => self.word("written_in", &[("name", written)]),
            (None, Some(own)) => own.name.in_language(self.language).to_string(),
            (None, None) => candidate.to_string(),
        }
    }

    fn names<'n>(&self, candidates: impl IntoIterator<Item = &'n String>) -> String {
        let names: Vec<String> = candidates.into_iter().map(|own| self.name(own)).collect();
        names.join(&self.word("list_comma", &[]))
    }

    /// Votes: what they weigh, and how many ballots that are where votes weigh differently.
    fn sum(&self, sum: Sum) -> String {
        match self.election.classes.is_empty() {
            true => sum.ballots.to_string(),
            false => {
                self.word("weighed", &[("weight", &sum.weight.to_string()), ("ballots", &sum.ballots.to_string())])
            }
        }
    }

    fn together(&self, own: &Counted) -> Value {
        let voted = own.races.iter().any(|race| race.held != "elected-without-vote");
        let races: Vec<Value> = own.races.iter().map(|race| self.race(own, race)).collect();
        json!({
            "title": self.titled(own.voters.as_deref()), "races": races,
            "numbers": if voted { self.numbers(&own.numbers) } else { Vec::new() },
            "withheld": own.withheld.then(|| self.word("withheld", &[])),
        })
    }

    fn numbers(&self, own: &Numbers) -> Vec<Value> {
        let row = |label: String, value: String| json!({ "label": label, "value": value });
        let known = |key: &str, many: Option<u64>| many.map(|many| row(self.word(key, &[]), many.to_string()));
        let sum = |key: &str, sum: Option<Sum>| sum.map(|sum| row(self.word(key, &[]), self.sum(sum)));
        let invalid = own.invalid_by_reason.iter().map(|(reason, sum)| {
            let why = self.word(&format!("why_{reason}"), &[]);
            Some(row(self.word("numbers_invalid", &[("why", &why)]), self.sum(*sum)))
        });
        let first = [
            known("numbers_roll", own.roll),
            sum("numbers_cast", Some(own.cast)),
            sum("numbers_valid", own.valid),
            sum("numbers_blank", own.blank),
        ];
        let last = [
            known("numbers_abstained", own.abstained),
            sum("numbers_empty", own.empty_slots),
            sum("numbers_void", own.void_names),
        ];
        first.into_iter().chain(invalid).chain(last).flatten().collect()
    }

    fn race(&self, together: &Counted, race: &Race) -> Value {
        let confirms = race.held == "confidence";
        let held = match race.held.as_str() {
            "confidence" => "held_confidence",
            "elected-without-vote" => "held_elected",
            _ => "held_vote",
        };
        let quorum = race.quorum_met.map(|met| self.word(if met { "quorum_met" } else { "quorum_missed" }, &[]));
        let said = [Some(self.word(held, &[("seats", &race.seats.to_string())])), quorum];
        let said: Vec<String> = said.into_iter().flatten().collect();
        let elected = race.elected.iter().map(|own| {
            let name = self.name(&own.candidate);
            if own.moved_up { self.word("moved_up", &[("name", &name)]) } else { name }
        });
        let place = self.titled(race.district.as_deref().or(together.voters.as_deref()));
        let several = together.races.len() > 1;
        let (pairs, rounds) = match &race.detail {
            Some(Detail::Pairs { candidates, prefer }) => (self.pairs(candidates, prefer, &place), Value::Null),
            Some(Detail::Rounds { quota, rounds }) => (Value::Null, self.rounds(quota, rounds, &place)),
            None => (Value::Null, Value::Null),
        };
        json!({
            "title": race.district.as_deref().filter(|_| several).map(|id| self.district(id)), "said": said.join(" "),
            "elected": elected.collect::<Vec<String>>(), "confirms": confirms, "standings": self.standings(race, confirms),
            "caption": self.word("votes_of", &[("title", &place)]), "pairs": pairs, "rounds": rounds, "notes": self.notes(race),
        })
    }

    fn standings(&self, race: &Race, confirms: bool) -> Vec<Value> {
        let elected: BTreeSet<&str> = race.elected.iter().map(|own| own.candidate.as_str()).collect();
        let most = race.standings.iter().map(|own| own.votes.weight).max().unwrap_or(0);
        let rows = race.standings.iter().map(|own| {
            let against = own.against.unwrap_or_default();
            let whole = if confirms { own.votes.weight.saturating_add(against.weight) } else { most };
            let bar = own.votes.weight.saturating_mul(BAR).checked_div(whole).unwrap_or(0);
            let rest = if whole == 0 { 0 } else { BAR.saturating_sub(bar) };
            json!({ "name": self.name(&own.candidate), "votes": self.sum(own.votes), "against": self.sum(against),
                    "bar": bar, "rest": rest, "elected": elected.contains(own.candidate.as_str()) })
        });
        rows.collect()
    }

    fn pairs(&self, candidates: &[String], prefer: &[Vec<u64>], place: &str) -> Value {
        let rows = candidates.iter().zip(prefer).enumerate().map(|(at, (candidate, row))| {
            // Nobody is compared with themself.
            let cells =
                row.iter().enumerate().map(|(other, many)| if other == at { String::new() } else { many.to_string() });
            json!({ "name": self.name(candidate), "cells": cells.collect::<Vec<String>>() })
        });
        let names: Vec<String> = candidates.iter().map(|own| self.name(own)).collect();
        json!({ "caption": self.word("pairs_of", &[("title", place)]), "names": names, "rows": rows.collect::<Vec<Value>>() })
    }

    fn rounds(&self, quota: &str, rounds: &[Round], place: &str) -> Value {
        let first: BTreeMap<&String, &String> =
            rounds.first().map(|round| round.votes.iter().collect()).unwrap_or_default();
        let row = |name: String, cells: Vec<String>| json!({ "name": name, "cells": cells });
        let held = |id: &String| rounds.iter().map(|round| round.votes.get(id).cloned().unwrap_or_default()).collect();
        let mut rows: Vec<Value> = first.keys().map(|id| row(self.name(id), held(id))).collect();
        rows.push(row(self.word("exhausted", &[]), rounds.iter().map(|round| round.exhausted.clone()).collect()));
        let numbers = (1..=rounds.len()).map(|number| self.word("round", &[("number", &number.to_string())]));
        json!({ "caption": self.word("rounds_of", &[("quota", quota), ("title", place)]),
                "numbers": numbers.collect::<Vec<String>>(), "rows": rows })
    }

    /// What else decided.
    fn notes(&self, race: &Race) -> Vec<String> {
        let mut notes = Vec::new();
        if race.vacant > 0 {
            notes.push(self.word("note_vacant", &[("seats", &race.vacant.to_string())]));
        }
        race.ties.iter().for_each(|tie| self.tie(tie, &mut notes));
        if !race.runners_up.is_empty() {
            let places: Vec<String> = race.runners_up.iter().map(|place| self.equals(place)).collect();
            notes.push(self.word("note_runners", &[("names", &places.join(&self.word("list_comma", &[])))]));
        }
        if !race.declined.is_empty() {
            notes.push(self.word("note_declined", &[("names", &self.names(&race.declined))]));
        }
        for own in &race.elsewhere {
            let title = self.election.find(&own.contest).map_or("", |contest| contest.title.in_language(self.language));
            notes.push(self.word("note_elsewhere", &[("name", &self.name(&own.candidate)), ("title", title)]));
        }
        if !race.capped.is_empty() {
            notes.push(self.word("note_capped", &[("names", &self.names(&race.capped))]));
        }
        notes
    }

    /// Those of one place.
    fn equals(&self, place: &[String]) -> String {
        place.iter().map(|own| self.name(own)).collect::<Vec<String>>().join(" = ")
    }

    fn tie(&self, tie: &Tie, notes: &mut Vec<String>) {
        let by = self.word(&format!("tie_{}", tie.by), &[]);
        let order: Vec<String> = tie.order.iter().map(|place| self.equals(place)).collect();
        notes.push(self.word("note_tie", &[("by", &by), ("order", &order.join(" > "))]));
        for (candidate, lot) in &tie.lots {
            notes.push(self.word("note_lot", &[("name", &self.name(candidate)), ("lot", lot)]));
        }
    }
}
