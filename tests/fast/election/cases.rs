//! The known counts of `tests/data/election`.

use hagaki::domain::election::stv::Event;
use hagaki::domain::election::tie::Needs;
use hagaki::domain::election::{Quorum, StvQuota, outcome::Detail};
use serde_json::Value;

use super::*;

const CASES: &str = include_str!("../../data/election/tallies.json");

fn case(part: &str, id: &str) -> Value {
    let all: Value = serde_json::from_str(CASES).unwrap();
    all[part].as_array().unwrap().iter().find(|case| case["id"] == id).unwrap().clone()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// The candidates of a count of votes, and a ballot with the number of each.
fn given(votes: &Value) -> (Vec<String>, Vec<Ballot>) {
    let votes = votes.as_object().unwrap();
    let ballots = votes.iter().map(|(id, many)| times(many.as_u64().unwrap(), names("c", id)));
    (votes.keys().cloned().collect(), ballots.collect())
}

fn borrowed(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

/// Rankings of a case, with small letters.
fn rankings(case: &Value) -> Vec<Ballot> {
    let row = |row: &Value| times(row[0].as_u64().unwrap(), ranking("c", &row[1].as_str().unwrap().to_lowercase()));
    case["ballots"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn schulze_45() {
    let case = case("published", "schulze-45");
    let ids: Vec<String> = words(&case["candidates"]).iter().map(|id| id.to_lowercase()).collect();
    let election = election(vec![contest("c", Method::Schulze(any_order()), 1, &borrowed(&ids))]);
    let outcome = counted(&election, &Facts::default(), &rankings(&case));
    let Detail::Pairwise(pairs) = &race(&outcome).detail else { panic!() };
    let expected: Vec<Vec<u64>> = serde_json::from_value(case["pairwise"].clone()).unwrap();
    assert_eq!(pairs.prefer, expected);
    let order: Vec<String> = pairs.order().concat().iter().map(|id| id.to_uppercase()).collect();
    assert_eq!((order.len(), order), (5, words(&case["ranking"])));
    assert_eq!(elected(race(&outcome)), ["e"]);
}

#[test]
fn stv_57() {
    let case = case("published", "stv-57");
    let ids = ["andrea", "brad", "carter", "delilah"];
    let election = election(vec![contest("c", Method::Stv(any_order(), StvQuota::Droop), 2, &ids)]);
    let outcome = counted(&election, &Facts::default(), &rankings(&case));
    let Detail::Transfer(done) = &race(&outcome).detail else { panic!() };
    assert_eq!(done.quota, number::ratio(case["quota_value"].as_u64().unwrap(), 1));
    let events: Vec<&Event> = done.rounds.iter().map(|round| &round.event).collect();
    let surplus = Event::Surplus { of: "andrea".to_owned(), surplus: number::ratio(20, 1) };
    let names = |id: &str| vec![id.to_owned()];
    assert_eq!(
        events,
        [&Event::Elected(names("andrea")), &surplus, &Event::Excluded(names("brad")), &Event::Elected(names("carter"))]
    );
    // Of the surplus of 20, 12 went to Carter and 8 to Brad.
    let after = &done.rounds[2].votes;
    assert_eq!((&after["carter"], &after["brad"]), (&number::ratio(12, 1), &number::ratio(8, 1)));
    let winners: Vec<String> = words(&case["winners"]).iter().map(|id| id.to_lowercase()).collect();
    assert_eq!(elected(race(&outcome)), winners);
}

#[test]
fn several_names_with_a_tie_at_the_boundary() {
    let case = case("plural", "renki-tie-at-boundary");
    let expect = &case["expect"];
    let election = election(vec![contest("c", Method::Plural(up_to(3)), 3, &["c01", "c02", "c03", "c04", "c05"])]);
    let ballots: Vec<Ballot> =
        case["ballots"].as_array().unwrap().iter().map(|own| names("c", &words(own).join(" "))).collect();
    let outcome = counted(&election, &Facts::default(), &ballots);
    let numbers = numbers(&outcome);
    let number = |key: &str| expect[key].as_u64().unwrap();
    assert_eq!(numbers.cast.ballots, number("cast"));
    assert_eq!(numbers.valid.ballots, number("valid"));
    assert_eq!(numbers.blank.ballots, number("blank"));
    assert_eq!(numbers.all_invalid().ballots, number("invalid_overvote"));
    let race = race(&outcome);
    for (id, many) in votes(race) {
        assert_eq!(expect["votes"][&id].as_u64(), Some(many), "{id}");
    }
    // Four are equal for three seats: nobody is elected before the lot is drawn.
    assert_eq!(elected(race), [""; 0]);
    let open = race.undecided.as_ref().unwrap();
    assert_eq!((open.tied.len(), open.seats, open.needs), (4, 3, Needs::Seed));
    let drawn = counted(&election, &seeded("2027-02-01"), &ballots);
    assert_eq!(drawn.races().next().unwrap().elected.len(), 3);
    assert!(drawn.is_complete());
}

#[test]
fn the_elder_of_two_equals() {
    let case = case("plural", "renki-tie-elder");
    let (ids, ballots) = given(&case["votes"]);
    let mut contest = contest("c", Method::Single, 1, &borrowed(&ids));
    contest.tie = vec![TieRule::Elder, TieRule::Lot];
    for own in &mut contest.candidates {
        own.born = Some(case["birth"][&own.id].as_str().unwrap().parse().unwrap());
    }
    let outcome = counted(&election(vec![contest.clone()]), &Facts::default(), &ballots);
    assert_eq!(elected(race(&outcome)), words(&case["expect"]["winners"]));
    contest.tie = vec![TieRule::Younger];
    let outcome = counted(&election(vec![contest]), &Facts::default(), &ballots);
    assert_eq!(elected(race(&outcome)), ["a"]);
}

#[test]
fn a_tie_that_crosses_no_seat_is_none() {
    let case = case("plural", "renki-no-tie-problem");
    let (ids, ballots) = given(&case["votes"]);
    let election = election(vec![contest("c", Method::Single, 2, &borrowed(&ids))]);
    for facts in [Facts::default(), seeded("x")] {
        let outcome = counted(&election, &facts, &ballots);
        assert_eq!(elected(race(&outcome)), words(&case["expect"]["winners"]));
        assert_eq!(!race(&outcome).broken.is_empty(), case["expect"]["lot_used"]);
    }
}

#[test]
fn confidence_takes_more_than_half_of_the_marks() {
    for id in ["confidence-majority-of-valid", "confidence-same-tally-of-valid"] {
        let case = case("plural", id);
        let number = |key: &str| case["tally"][key].as_u64().unwrap();
        let ballots = [
            times(number("yes"), marks("c", "a+")),
            times(number("no"), marks("c", "a-")),
            times(number("blank"), marks("c", "")),
        ];
        let election = election(vec![contest("c", Method::Confidence, 1, &["a"])]);
        let outcome = counted(&election, &Facts::default(), &ballots);
        assert_eq!(race(&outcome).elects(&who("a")), case["expect"]["passed"], "{id}");
        assert_eq!(numbers(&outcome).blank.ballots, number("blank"));
    }
}

#[test]
fn a_quorum_that_is_not_met() {
    let case = case("plural", "quorum-not-met");
    let number = |key: &str| case[key].as_u64().unwrap();
    let mut contest = contest("c", Method::Single, 1, &["a", "b"]);
    contest.quorum = Some(Quorum { share: share(Bound::AtLeast, "1/3", Base::Roll), valid_only: false });
    let election = election(vec![contest]);
    let facts = Facts { roll: [(None, number("roll"))].into(), ..Facts::default() };
    let outcome = counted(&election, &facts, &[times(number("cast"), names("c", "a"))]);
    let own = race(&outcome);
    assert_eq!(Some(own.quorum.unwrap()), case["expect"]["valid_election"].as_bool());
    assert_eq!((own.elected.len(), own.vacant), (0, 1));
    assert_eq!(numbers(&outcome).abstained(), Some(67));
    let outcome = counted(&election, &facts, &[times(number("cast") + 1, names("c", "a"))]);
    assert_eq!(elected(race(&outcome)), ["a"]);
}

#[test]
fn uncontested_candidates_are_elected() {
    let case = case("plural", "uncontested");
    let ids = words(&case["candidates"]);
    let mut contest = contest("c", Method::Plural(up_to(5)), 5, &borrowed(&ids));
    contest.uncontested = Uncontested::Elected;
    let outcome = counted(&election(vec![contest]), &Facts::default(), &[]);
    assert_eq!(elected(race(&outcome)), words(&case["expect"]["winners"]));
    assert_eq!(Some(u64::from(race(&outcome).vacant)), case["expect"]["vacant"].as_u64());
}
