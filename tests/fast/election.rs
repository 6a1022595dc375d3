//! Elections: what ballots mean, who is elected, and every number on the way.

mod cases;
mod files;
mod held;
mod letters;
mod properties;
mod roll;
mod rules;
mod tally;

use std::collections::BTreeMap;

use hagaki::domain::election::{
    Ballot, Base, Bound, Candidate, Choice, Class, Confidence, Contest, District, Election, Facts, Letters, Mark,
    Method, Naming, Outcome, Over, Ranking, Reach, Repeated, Seats, Share, Style, Terms, TieRule, Uncontested, Under,
    Who, count, outcome,
};
use hagaki::domain::language::{Language, Text};
use hagaki::domain::number;
use hagaki::domain::time::Instant;

fn text(said: &str) -> Text {
    Text::new([(Language::En, said.to_owned())])
}

fn candidate(id: &str) -> Candidate {
    Candidate {
        id: id.to_owned(),
        name: text(&id.to_uppercase()),
        district: None,
        group: None,
        born: None,
        incumbent: false,
        statement: None,
        picture: None,
    }
}

fn share(bound: Bound, fraction: &str, of: Base) -> Share {
    Share { bound, share: number::parse(fraction).unwrap(), of }
}

/// A contest of that method with the plainest rules.
fn contest(id: &str, method: Method, seats: u32, candidates: &[&str]) -> Contest {
    Contest {
        id: id.to_owned(),
        title: text(id),
        seats: Seats::Whole(seats),
        reach: Reach::Own,
        method,
        blank: true,
        write_in: 0,
        quorum: None,
        least: None,
        reelected: None,
        tie: vec![TieRule::Lot],
        runner_up: None,
        uncontested: Uncontested::Vote,
        confidence: Confidence { style: Style::Informed, pass: share(Bound::MoreThan, "1/2", Base::Marks) },
        yields_to: Vec::new(),
        candidates: candidates.iter().map(|id| candidate(id)).collect(),
    }
}

/// At most so many names; more spoil the ballot.
fn up_to(most: u32) -> Naming {
    Naming {
        least: 1,
        most: Some(most),
        over: Over::Invalid,
        under: Under::Valid,
        repeated: Repeated::Once,
        quotas: Vec::new(),
    }
}

fn any_order() -> Ranking {
    Ranking { least: 1, under: Under::Valid, equal: true, repeated: Repeated::Invalid }
}

fn election(contests: Vec<Contest>) -> Election {
    let terms = Terms {
        opens: Instant(0),
        closes: Instant(1),
        objections_until: None,
        additions_until: None,
        revote: false,
        shuffled: false,
        seed: None,
        deleted_after_days: None,
        least_ballots: 5,
    };
    Election {
        terms,
        districts: Vec::new(),
        classes: Vec::new(),
        contests,
        letters: Letters::default(),
        pictures: BTreeMap::new(),
    }
}

fn district(id: &str) -> District {
    District { id: id.to_owned(), name: text(id) }
}

fn class(id: &str, weight: u32) -> Class {
    Class { id: id.to_owned(), weight }
}

/// `c01`, or `+Name` of one that is written in.
fn who(written: &str) -> Who {
    match written.strip_prefix('+') {
        Some(name) => Who::Written(name.to_owned()),
        None => Who::Listed(written.to_owned()),
    }
}

fn ballot(contest: &str, choice: Choice) -> Ballot {
    Ballot { contest: contest.to_owned(), district: None, class: None, choice, count: 1 }
}

/// A ballot of names, parted by blanks.
fn names(contest: &str, written: &str) -> Ballot {
    ballot(contest, Choice::Names(written.split_whitespace().map(who).collect()))
}

/// A ballot of marks: `a+ b-`.
fn marks(contest: &str, written: &str) -> Ballot {
    let mark = |word: &str| {
        let (id, sign) = word.split_at(word.len() - 1);
        (id.to_owned(), if sign == "+" { Mark::Yes } else { Mark::No })
    };
    ballot(contest, Choice::Marks(written.split_whitespace().map(mark).collect()))
}

/// A ballot of an order: `a>b=c`.
fn ranking(contest: &str, written: &str) -> Ballot {
    let places = written.split('>').filter(|place| !place.is_empty());
    ballot(contest, Choice::Ranking(places.map(|place| place.split('=').map(str::to_owned).collect()).collect()))
}

fn times(count: u64, ballot: Ballot) -> Ballot {
    Ballot { count, ..ballot }
}

fn of_district(district: &str, ballot: Ballot) -> Ballot {
    Ballot { district: Some(district.to_owned()), ..ballot }
}

fn of_class(class: &str, ballot: Ballot) -> Ballot {
    Ballot { class: Some(class.to_owned()), ..ballot }
}

fn counted(election: &Election, facts: &Facts, ballots: &[Ballot]) -> Outcome {
    count(election, facts, ballots).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The only race of an outcome.
fn race(outcome: &Outcome) -> &outcome::Race {
    let races: Vec<&outcome::Race> = outcome.races().collect();
    assert_eq!(races.len(), 1);
    races[0]
}

fn numbers(outcome: &Outcome) -> &outcome::Numbers {
    &outcome.contests[0].counted[0].numbers
}

fn elected(race: &outcome::Race) -> Vec<String> {
    race.elected.iter().map(|own| own.who.to_string()).collect()
}

fn votes(race: &outcome::Race) -> Vec<(String, u64)> {
    race.standings.iter().map(|own| (own.who.to_string(), own.votes.weight)).collect()
}

fn shown(places: &[Vec<Who>]) -> Vec<Vec<String>> {
    places.iter().map(|place| place.iter().map(ToString::to_string).collect()).collect()
}

fn seeded(seed: &str) -> Facts {
    Facts { seed: Some(seed.to_owned()), ..Facts::default() }
}
