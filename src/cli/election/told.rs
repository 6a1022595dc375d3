//! The outcome of a count, for people and for programs.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::figures::{rounds, standings, table};
use super::tally::Source;
use crate::cli::counted;
use crate::domain::election::outcome::{Counted, Detail, Numbers, Race, Sum};
use crate::domain::election::tie::{Needs, lot};
use crate::domain::election::{Contest, Election, Facts, Holding, Outcome, Seats, TieRule, Who};
use crate::domain::language::Language;
use crate::domain::number::{decimal, ratio};

/// What is told.
pub(super) struct Told<'a> {
    pub election: &'a Election,
    pub facts: &'a Facts,
    pub sources: &'a [Source],
    pub outcome: &'a Outcome,
}

/// A candidate with the name, `c01 (AOKI Keiko)`; of a name that was written in, that.
pub(super) fn named(contest: &Contest, who: &Who) -> String {
    match who.id().and_then(|id| contest.find(id)) {
        Some(candidate) => format!("{} ({})", candidate.id, candidate.name.in_language(Language::En)),
        None => who.to_string(),
    }
}

fn list(contest: &Contest, who: &[Who]) -> String {
    who.iter().map(|who| named(contest, who)).collect::<Vec<String>>().join(", ")
}

fn places(contest: &Contest, places: &[Vec<Who>]) -> String {
    let place = |equals: &Vec<Who>| {
        let names: Vec<String> = equals.iter().map(|who| named(contest, who)).collect();
        names.join(" = ")
    };
    places.iter().map(place).collect::<Vec<String>>().join(" > ")
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!(" ({} %)", decimal(&(ratio(part, whole) * ratio(100, 1)), 1)) }
}

impl Told<'_> {
    /// Each contest with what is counted together in it.
    fn parts(&self) -> impl Iterator<Item = (&Contest, &Counted)> {
        self.outcome
            .contests
            .iter()
            .filter_map(|own| Some((self.election.find(&own.contest)?, own)))
            .flat_map(|(contest, own)| own.counted.iter().map(move |counted| (contest, counted)))
    }

    /// What is left to decide.
    pub(super) fn open(&self) -> Vec<String> {
        let mut open = Vec::new();
        for (contest, race) in self.parts().flat_map(|(contest, own)| own.races.iter().map(move |race| (contest, race)))
        {
            let place = race.district.as_ref().map(|id| format!(", {id}")).unwrap_or_default();
            if let Some(undecided) = &race.undecided {
                let what = match (&race.detail, undecided.needs) {
                    (_, Needs::Seed) => "the public seed of the lot (--seed)".to_string(),
                    (Detail::Transfer(_), Needs::Decision) => "a decision who of them goes on".to_string(),
                    (_, Needs::Decision) => "a decision who of them is elected".to_string(),
                };
                let seats = counted(undecided.seats, "seat");
                let tied = list(contest, &undecided.tied);
                open.push(format!("{}{place}: {tied} are equal, with {seats} left; it takes {what}", contest.id));
            }
            for other in &race.depends_on {
                open.push(format!("{}{place}: who is elected as \"{other}\" is to be known first", contest.id));
            }
        }
        open
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::from("COUNT from files alone\n");
        for source in self.sources {
            let _ = writeln!(text, "SHA-256 {}  {}", source.digest, source.name);
        }
        if let Some(seed) = &self.facts.seed {
            let _ = writeln!(text, "seed of lots: {seed}");
        }
        for (contest, own) in self.parts() {
            let title = contest.title.in_language(Language::En);
            let voters = own.voters.as_ref().map(|id| format!(", {id}")).unwrap_or_default();
            let _ = writeln!(text, "\n== {}{voters}: {title}", contest.id);
            let withheld = self.is_withheld(own);
            if withheld {
                self.few(&mut text, &own.numbers);
            } else if own.races.iter().any(|race| race.holding != Holding::Elected) {
                self.numbers(&mut text, contest, &own.numbers);
            }
            for race in &own.races {
                self.race(&mut text, contest, race, withheld);
            }
        }
        for (id, contests) in self.outcome.elected_twice() {
            let _ = writeln!(text, "\nnote: {id} is elected in {}", contests.join(" and in "));
        }
        if !self.outcome.is_complete() {
            text.push('\n');
        }
        for open in self.open() {
            let _ = writeln!(text, "NOT DECIDED YET: {open}");
        }
        text
    }

    fn sum(&self, sum: Sum) -> String {
        if self.election.classes.is_empty() {
            sum.ballots.to_string()
        } else {
            format!("{} ({} votes)", sum.ballots, sum.weight)
        }
    }

    fn is_withheld(&self, own: &Counted) -> bool {
        own.is_withheld(self.election.terms.least_ballots)
    }

    /// What is told of so few ballots that more would tell how single people voted.
    fn few(&self, text: &mut String, numbers: &Numbers) {
        let _ = writeln!(
            text,
            "ballots cast        {}\nfewer than {}: how many there were for whom is not told",
            numbers.cast.ballots, self.election.terms.least_ballots
        );
    }

    fn numbers(&self, text: &mut String, contest: &Contest, numbers: &Numbers) {
        let reasons: Vec<String> =
            numbers.invalid.iter().map(|(reason, sum)| format!("{} {}", reason.key(), self.sum(*sum))).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
        let cast = numbers.roll.map(|roll| share(numbers.cast.ballots, roll)).unwrap_or_default();
        let unknown = || "not known".to_string();
        let mut rows = vec![
            ("voters on the roll", numbers.roll.map_or_else(unknown, |roll| roll.to_string())),
            ("ballots cast", format!("{}{cast}", self.sum(numbers.cast))),
            ("- valid", self.sum(numbers.valid)),
            ("- blank", self.sum(numbers.blank)),
            ("- invalid", format!("{}{reasons}", self.sum(numbers.all_invalid()))),
            ("abstentions", numbers.abstained().map_or_else(unknown, |many| many.to_string())),
        ];
        let counts_slots = contest.naming().is_none_or(|naming| naming.most.is_some());
        if counts_slots && !matches!(contest.method.key(), "schulze" | "stv") {
            rows.push(("slots left empty", numbers.under_votes.ballots.to_string()));
        }
        if numbers.void_names.ballots > 0 {
            rows.push(("names that are void", numbers.void_names.ballots.to_string()));
        }
        for (what, number) in rows {
            let _ = writeln!(text, "{what:<20}{number}");
        }
    }

    fn race(&self, text: &mut String, contest: &Contest, race: &Race, withheld: bool) {
        let how = match race.holding {
            Holding::Vote => format!("method {}", contest.method.key()),
            Holding::Confidence => "vote of confidence".to_string(),
            Holding::Elected => "elected without a vote: there are no more candidates than seats".to_string(),
        };
        let place = match (&contest.seats, &race.district) {
            (Seats::ByDistrict(_), Some(id)) => format!(" of {id}"),
            _ => String::new(),
        };
        let _ = writeln!(text, "{}{place}, {how}", counted(race.seats, "seat"));
        match race.quorum {
            Some(true) => text.push_str("the quorum is met\n"),
            Some(false) => text.push_str("THE QUORUM IS NOT MET: nobody is elected\n"),
            None => {}
        }
        if !withheld {
            text.push_str(&table(&standings(contest, race, !self.election.classes.is_empty())));
            text.push_str(&rounds(&race.detail));
        }
        let elected: Vec<String> = race
            .elected
            .iter()
            .map(|own| format!("{}{}", named(contest, &own.who), if own.moved_up { ", moved up" } else { "" }))
            .collect();
        let elected = if elected.is_empty() { "nobody".to_string() } else { elected.join("; ") };
        let _ = writeln!(text, "ELECTED: {elected}");
        if race.vacant > 0 {
            let _ = writeln!(text, "vacant: {}", counted(race.vacant, "seat"));
        }
        if withheld {
            return;
        }
        let mut note = |what: &str, names: String| {
            if !names.is_empty() {
                let _ = writeln!(text, "{what}: {names}");
            }
        };
        note("declined", list(contest, &race.declined));
        let elsewhere: Vec<String> =
            race.elsewhere.iter().map(|(who, other)| format!("{} ({other})", named(contest, who))).collect();
        note("elected elsewhere, and not counted here", elsewhere.join(", "));
        note("passed over, as too many would be reelected", list(contest, &race.capped));
        note("runners-up", places(contest, &race.runners_up));
        for broken in &race.broken {
            let by = match broken.rule {
                TieRule::Elder => "equal, the elder first",
                TieRule::Younger => "equal, the younger first",
                TieRule::Lot => "equal, by lot",
                TieRule::Decision => "equal, by decision",
            };
            note(by, places(contest, &broken.order));
            if let (TieRule::Lot, Some(seed)) = (broken.rule, &self.facts.seed) {
                for who in broken.order.iter().flatten() {
                    note(&format!("  lot|{seed}|{}|{who}", contest.id), lot(seed, &contest.id, who));
                }
            }
        }
    }

    pub(super) fn json(&self) -> Value {
        // Everybody may have the outcome: it tells no folders of whoever counted.
        let name = |own: &Source| own.name.rsplit('/').next().unwrap_or_default().to_string();
        let files = self.sources.iter().map(|own| json!({ "file": name(own), "sha256": own.digest }));
        let contests = self.outcome.contests.iter().filter_map(|own| {
            let contest = self.election.find(&own.contest)?;
            let counted = own.counted.iter().map(|counted| {
                let withheld = self.is_withheld(counted);
                let races: Vec<Value> =
                    counted.races.iter().map(|race| self.race_json(contest, race, withheld)).collect();
                let numbers = if withheld { few_json(&counted.numbers) } else { numbers_json(&counted.numbers) };
                let mut told = json!({ "voters": counted.voters, "numbers": numbers, "races": races });
                if withheld {
                    told["withheld"] = json!(true);
                }
                told
            });
            Some(json!({ "contest": own.contest, "method": own.method.key(), "counted": counted.collect::<Vec<Value>>() }))
        });
        let twice: Map<String, Value> =
            self.outcome.elected_twice().into_iter().map(|(id, contests)| (id, json!(contests))).collect();
        json!({
            "files": files.collect::<Vec<Value>>(),
            "seed": self.facts.seed,
            "complete": self.outcome.is_complete(),
            "contests": contests.collect::<Vec<Value>>(),
            "elected_twice": twice,
        })
    }

    fn race_json(&self, contest: &Contest, race: &Race, withheld: bool) -> Value {
        let elected =
            race.elected.iter().map(|own| json!({ "candidate": own.who.to_string(), "moved_up": own.moved_up }));
        let standing = race.standings.iter().map(|own| {
            let mut row =
                json!({ "candidate": own.who.to_string(), "votes": sum_json(own.votes), "eligible": own.eligible });
            if race.holding == Holding::Confidence {
                row["against"] = sum_json(own.against);
            }
            row
        });
        let broken = race.broken.iter().map(|own| {
            let mut tie = json!({ "by": own.rule.key(), "order": shown(&own.order) });
            if let (TieRule::Lot, Some(seed)) = (own.rule, &self.facts.seed) {
                let lots = own.order.iter().flatten().map(|who| (who.to_string(), json!(lot(seed, &contest.id, who))));
                tie["lots"] = Value::Object(lots.collect());
            }
            tie
        });
        let holding = match race.holding {
            Holding::Vote => contest.method.key(),
            Holding::Confidence => "confidence",
            Holding::Elected => "elected-without-vote",
        };
        let undecided = race
            .undecided
            .as_ref()
            .map(|own| json!({ "tied": names(&own.tied), "seats": own.seats, "needs": own.needs.key() }));
        let elsewhere = race.elsewhere.iter().map(|(who, id)| json!({ "candidate": who.to_string(), "contest": id }));
        if withheld {
            return json!({
                "district": race.district,
                "seats": race.seats,
                "held": holding,
                "quorum_met": race.quorum,
                "elected": elected.collect::<Vec<Value>>(),
                "vacant": race.vacant,
                "undecided": undecided,
                "depends_on": race.depends_on,
            });
        }
        json!({
            "district": race.district,
            "seats": race.seats,
            "held": holding,
            "quorum_met": race.quorum,
            "standings": standing.collect::<Vec<Value>>(),
            "detail": super::figures::detail_json(&race.detail),
            "elected": elected.collect::<Vec<Value>>(),
            "vacant": race.vacant,
            "undecided": undecided,
            "depends_on": race.depends_on,
            "ties": broken.collect::<Vec<Value>>(),
            "runners_up": shown(&race.runners_up),
            "declined": names(&race.declined),
            "elsewhere": elsewhere.collect::<Vec<Value>>(),
            "capped": names(&race.capped),
        })
    }
}

fn names(who: &[Who]) -> Vec<String> {
    who.iter().map(ToString::to_string).collect()
}

fn shown(places: &[Vec<Who>]) -> Vec<Vec<String>> {
    places.iter().map(|place| names(place)).collect()
}

fn sum_json(sum: Sum) -> Value {
    json!({ "ballots": sum.ballots, "weight": sum.weight })
}

fn few_json(numbers: &Numbers) -> Value {
    json!({ "roll": numbers.roll, "cast": { "ballots": numbers.cast.ballots }, "abstained": numbers.abstained() })
}

fn numbers_json(numbers: &Numbers) -> Value {
    let invalid: Map<String, Value> =
        numbers.invalid.iter().map(|(reason, sum)| (reason.key().to_string(), sum_json(*sum))).collect();
    json!({
        "roll": numbers.roll,
        "cast": sum_json(numbers.cast),
        "valid": sum_json(numbers.valid),
        "blank": sum_json(numbers.blank),
        "invalid": sum_json(numbers.all_invalid()),
        "invalid_by_reason": invalid,
        "abstained": numbers.abstained(),
        "empty_slots": sum_json(numbers.under_votes),
        "void_names": sum_json(numbers.void_names),
    })
}
