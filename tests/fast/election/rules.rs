//! Each rule that a society may have, by a few ballots.

use std::collections::BTreeMap;

use hagaki::domain::election::judge::Invalid;
use hagaki::domain::election::outcome::{Detail, Sum};
use hagaki::domain::election::stv::Event;
use hagaki::domain::election::tie::{Needs, lot};
use hagaki::domain::election::{Fault, Holding, Least, Quorum, Quota, Quoted, Reelected, RunnerUp, StvQuota};

use super::*;

/// The reasons of invalid ballots, with their numbers.
fn invalid(outcome: &Outcome) -> Vec<(&'static str, u64)> {
    numbers(outcome).invalid.iter().map(|(reason, sum)| (reason.key(), sum.ballots)).collect()
}

/// The votes of a contest by that way of naming.
fn by(naming: Naming, ballots: &[&str]) -> Outcome {
    let contest = contest("c", Method::Plural(naming), 1, &["a", "b", "x", "y"]);
    let ballots: Vec<Ballot> = ballots.iter().map(|own| names("c", own)).collect();
    counted(&election(vec![contest]), &seeded("s"), &ballots)
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(id, many)| ((*id).to_owned(), *many)).collect()
}

#[test]
fn over_full_ballots() {
    let spoiled = by(up_to(2), &["a", "a b", "x y b"]);
    assert_eq!(invalid(&spoiled), [("over-full", 1)]);
    assert_eq!(votes(race(&spoiled)), pairs(&[("a", 2), ("b", 1), ("x", 0), ("y", 0)]));
    let first = by(Naming { over: Over::First, ..up_to(2) }, &["a", "a b", "x y b"]);
    assert_eq!(invalid(&first), []);
    assert_eq!(votes(race(&first)), pairs(&[("a", 2), ("b", 1), ("x", 1), ("y", 1)]));
    assert_eq!(numbers(&first).void_names.ballots, 1);
}

#[test]
fn under_full_ballots() {
    let exact = Naming { least: 2, under: Under::Invalid, ..up_to(3) };
    let outcome = by(exact.clone(), &["a", "a b", "a b x", ""]);
    assert_eq!(invalid(&outcome), [("under-full", 1)]);
    let own = numbers(&outcome);
    assert_eq!((own.cast.ballots, own.blank.ballots, own.valid.ballots, own.under_votes.ballots), (4, 1, 2, 1));
    let lenient = by(Naming { under: Under::Valid, ..exact }, &["a", "a b", "a b x", ""]);
    assert_eq!((invalid(&lenient), numbers(&lenient).under_votes.ballots), (vec![], 3));
}

#[test]
fn repeated_names() {
    for (repeated, a, b, wrong, void) in [
        (Repeated::Once, 2, 2, vec![], 0),
        (Repeated::Void, 1, 2, vec![], 1),
        (Repeated::Invalid, 1, 1, vec![("repeated", 1)], 0),
    ] {
        let outcome = by(Naming { repeated, ..up_to(3) }, &["a a b", "a b"]);
        assert_eq!(votes(race(&outcome))[..2].iter().map(|(_, many)| *many).max(), Some(a.max(b)), "{repeated:?}");
        let votes: BTreeMap<String, u64> = votes(race(&outcome)).into_iter().collect();
        assert_eq!((votes["a"], votes["b"]), (a, b), "{repeated:?}");
        assert_eq!((invalid(&outcome), numbers(&outcome).void_names.ballots), (wrong, void), "{repeated:?}");
    }
    // Nothing is left of it.
    let outcome = by(Naming { repeated: Repeated::Void, ..up_to(3) }, &["a a", "b"]);
    assert_eq!(invalid(&outcome), [("no-name-counts", 1)]);
}

#[test]
fn blank_ballots_where_there_are_none() {
    let mut contest = contest("c", Method::Single, 1, &["a", "b"]);
    contest.blank = false;
    let outcome = counted(&election(vec![contest]), &Facts::default(), &[names("c", ""), names("c", "a")]);
    assert_eq!((invalid(&outcome), numbers(&outcome).blank.ballots), (vec![("blank-not-allowed", 1)], 0));
}

#[test]
fn what_was_found_spoiled_counts_apart() {
    let spoiled = times(3, ballot("c", Choice::Spoiled));
    let election = election(vec![contest("c", Method::Single, 1, &["a"])]);
    let outcome = counted(&election, &Facts::default(), &[spoiled, names("c", "a")]);
    assert_eq!(invalid(&outcome), [("spoiled", 3)]);
}

#[test]
fn split_quotas() {
    let quota = |of: &str, least, most| Quota { of: Quoted::Group(of.to_owned()), least, most: Some(most) };
    let naming =
        Naming { under: Under::Invalid, quotas: vec![quota("clinical", 1, 2), quota("basic", 0, 1)], ..up_to(3) };
    let mut contest = contest("c", Method::Plural(naming.clone()), 2, &["a", "b", "x", "y"]);
    for own in &mut contest.candidates {
        own.group = Some(if ["a", "b"].contains(&own.id.as_str()) { "clinical" } else { "basic" }.to_owned());
    }
    let ballots = [names("c", "a b x"), names("c", "a x y"), names("c", "x"), names("c", "a")];
    let outcome = counted(&election(vec![contest.clone()]), &Facts::default(), &ballots);
    assert_eq!(invalid(&outcome), [("over-full", 1), ("under-full", 1)]);
    assert_eq!(elected(race(&outcome)), ["a"]);
    contest.method = Method::Plural(Naming { over: Over::First, ..naming });
    let outcome = counted(&election(vec![contest]), &seeded("s"), &ballots);
    assert_eq!(votes(race(&outcome)), pairs(&[("a", 3), ("x", 2), ("b", 1), ("y", 0)]));
}

#[test]
fn quotas_of_the_own_district_and_of_others() {
    let quota = |of, most| Quota { of, least: 0, most: Some(most) };
    let naming = Naming { quotas: vec![quota(Quoted::Own, 1), quota(Quoted::Other, 2)], ..up_to(3) };
    let mut contest = contest("c", Method::Plural(naming), 2, &["a", "b", "x", "y"]);
    for own in &mut contest.candidates {
        own.district = Some(if ["a", "b"].contains(&own.id.as_str()) { "east" } else { "west" }.to_owned());
    }
    let election = Election { districts: vec![district("east"), district("west")], ..election(vec![contest]) };
    let ballots = [of_district("east", names("c", "a x y")), of_district("west", names("c", "a x y"))];
    let outcome = counted(&election, &Facts::default(), &ballots);
    assert_eq!(invalid(&outcome), [("over-full", 1)]);
    assert_eq!(numbers(&outcome).valid.ballots, 1);
}

fn two_districts(reach: Reach) -> Election {
    let mut contest = contest("c", Method::Plural(up_to(2)), 0, &["a", "b", "x", "y"]);
    contest.seats = Seats::ByDistrict([("east".to_owned(), 1), ("west".to_owned(), 1)].into());
    contest.reach = reach;
    for own in &mut contest.candidates {
        own.district = Some(if ["a", "b"].contains(&own.id.as_str()) { "east" } else { "west" }.to_owned());
    }
    Election { districts: vec![district("east"), district("west")], ..election(vec![contest]) }
}

#[test]
fn seats_by_district() {
    let ballots = [
        times(2, of_district("east", names("c", "a"))),
        of_district("east", names("c", "b x")),
        of_district("west", names("c", "y")),
    ];
    let facts = Facts { roll: [(Some("east".to_owned()), 5), (Some("west".to_owned()), 2)].into(), ..Facts::default() };
    let outcome = counted(&two_districts(Reach::Own), &facts, &ballots);
    let counts = &outcome.contests[0].counted;
    let told: Vec<_> = counts.iter().map(|own| (own.voters.as_deref(), own.numbers.cast.ballots)).collect();
    assert_eq!(told, [(Some("east"), 3), (Some("west"), 1)]);
    assert_eq!(counts[0].numbers.invalid.keys().collect::<Vec<_>>(), [&Invalid::District]);
    assert_eq!((counts[0].numbers.abstained(), counts[1].numbers.abstained()), (Some(2), Some(1)));
    assert_eq!((elected(&counts[0].races[0]), elected(&counts[1].races[0])), (vec!["a".into()], vec!["y".into()]));
    // Everybody names everybody: the seats of each district go to its candidates by all votes.
    let outcome = counted(&two_districts(Reach::All), &facts, &ballots[1..]);
    let all = &outcome.contests[0].counted;
    assert_eq!((all.len(), all[0].numbers.roll, all[0].races.len()), (1, Some(7), 2));
    assert_eq!(elected(&all[0].races[0]), ["b"]);
    assert_eq!(all[0].races[1].undecided.as_ref().unwrap().tied, [who("x"), who("y")]);
}

#[test]
fn one_district_is_voted_on_where_nobody_is_one_too_many_in_all() {
    // Three stand for four seats, and in the west there are two for one.
    let mut election = two_districts(Reach::All);
    let contest = &mut election.contests[0];
    contest.seats = Seats::ByDistrict([("east".to_owned(), 3), ("west".to_owned(), 1)].into());
    contest.candidates.retain(|own| own.id != "b");
    contest.uncontested = Uncontested::Elected;
    let contest = &election.contests[0];
    assert_eq!((contest.holding(None), contest.holding_for(Some("east"))), (Holding::Elected, Holding::Vote));
    let open: Vec<&str> =
        contest.candidates.iter().filter(|own| contest.is_voted_on(own)).map(|own| own.id.as_str()).collect();
    assert_eq!(open, ["x", "y"]);
    let ballots = [
        times(2, of_district("east", names("c", "x"))),
        of_district("west", names("c", "y")),
        of_district("west", names("c", "a")),
    ];
    let outcome = counted(&election, &Facts::default(), &ballots);
    assert_eq!((numbers(&outcome).valid.ballots, invalid(&outcome)), (3, vec![("no-name-counts", 1)]));
    let races = &outcome.contests[0].counted[0].races;
    assert_eq!((elected(&races[0]), elected(&races[1])), (vec!["a".into()], vec!["x".into()]));
}

#[test]
fn weights_are_told_beside_ballots() {
    let election = Election {
        classes: vec![class("full", 3), class("student", 1)],
        ..election(vec![contest("c", Method::Single, 1, &["a", "b"])])
    };
    let ballots = [of_class("full", names("c", "a")), times(2, of_class("student", names("c", "b")))];
    let outcome = counted(&election, &Facts::default(), &ballots);
    assert_eq!(votes(race(&outcome)), pairs(&[("a", 3), ("b", 2)]));
    assert_eq!(numbers(&outcome).cast, Sum { ballots: 3, weight: 5 });
    assert_eq!(elected(race(&outcome)), ["a"]);
    assert_eq!(count(&election, &Facts::default(), &[names("c", "a")]), Err(Fault::Class(None)));
}

#[test]
fn least_votes_and_least_shares() {
    let ballots = [times(4, names("c", "a")), times(3, names("c", "b")), times(2, names("c", ""))];
    for (least, expected) in [
        (Least::Votes(4), vec!["a"]),
        (Least::Share(share(Bound::MoreThan, "1/2", Base::Valid)), vec!["a"]),
        (Least::Share(share(Bound::MoreThan, "4/7", Base::Valid)), vec![]),
        (Least::Share(share(Bound::AtLeast, "1/3", Base::Cast)), vec!["a", "b"]),
        (Least::Share(share(Bound::AtLeast, "2/5", Base::Roll)), vec!["a"]),
    ] {
        let mut contest = contest("c", Method::Single, 3, &["a", "b", "x"]);
        contest.least = Some(least.clone());
        let facts = Facts { roll: [(None, 10)].into(), ..Facts::default() };
        let outcome = counted(&election(vec![contest]), &facts, &ballots);
        assert_eq!(elected(race(&outcome)), expected, "{least:?}");
        assert_eq!(race(&outcome).vacant as usize, 3 - expected.len());
    }
}

#[test]
fn nobody_is_elected_without_a_vote() {
    let election = election(vec![contest("c", Method::Plural(up_to(2)), 2, &["a", "b"])]);
    let outcome = counted(&election, &Facts::default(), &[names("c", "a")]);
    assert_eq!((elected(race(&outcome)), race(&outcome).vacant), (vec!["a".to_owned()], 1));
    let outcome = counted(&election, &Facts::default(), &[]);
    assert_eq!((elected(race(&outcome)), race(&outcome).vacant), (vec![], 2));
}

#[test]
fn a_cap_on_reelection() {
    let mut contest = contest("c", Method::Plural(up_to(4)), 3, &["a", "b", "d", "x", "y"]);
    contest.reelected = Some(Reelected::Share(number::parse("2/3").unwrap()));
    contest.runner_up = Some(RunnerUp { keep: None, at_least: None });
    for own in &mut contest.candidates {
        own.incumbent = ["a", "b", "d"].contains(&own.id.as_str());
    }
    let ballots = [
        times(5, names("c", "a")),
        times(4, names("c", "b")),
        times(3, names("c", "d")),
        times(2, names("c", "x")),
        names("c", "y"),
    ];
    let mut facts = Facts::default();
    let outcome = counted(&election(vec![contest.clone()]), &facts, &ballots);
    assert_eq!(elected(race(&outcome)), ["a", "b", "x"]);
    assert_eq!(race(&outcome).capped, [who("d")]);
    // Whoever was one too many moves up for another who held the post.
    facts.declined.insert(("c".to_owned(), who("b")));
    let outcome = counted(&election(vec![contest.clone()]), &facts, &ballots);
    assert_eq!(elected(race(&outcome)), ["a", "d", "x"]);
    // Of equals too many of whom held the post, only some can be elected: that is a tie.
    let equal = ["a", "b", "d", "x"].map(|id| names("c", id));
    let outcome = counted(&election(vec![contest]), &Facts::default(), &equal);
    assert_eq!(race(&outcome).undecided.as_ref().unwrap().tied.len(), 4);
}

#[test]
fn a_cap_that_leaves_no_choice_is_no_tie() {
    let mut contest = contest("c", Method::Plural(up_to(4)), 2, &["a", "b", "x"]);
    contest.reelected = Some(Reelected::Number(0));
    for own in &mut contest.candidates {
        own.incumbent = own.id != "x";
    }
    let outcome = counted(&election(vec![contest]), &Facts::default(), &["a", "b", "x"].map(|id| names("c", id)));
    assert_eq!((elected(race(&outcome)), race(&outcome).vacant), (vec!["x".to_owned()], 1));
    assert_eq!(race(&outcome).capped, [who("a"), who("b")]);
}

#[test]
fn runners_up_move_up_for_whoever_declines() {
    let mut contest = contest("c", Method::Plural(up_to(1)), 2, &["a", "b", "d", "x", "y"]);
    contest.runner_up = Some(RunnerUp { keep: Some(2), at_least: Some(number::parse("1/2").unwrap()) });
    let ballots = [
        times(9, names("c", "a")),
        times(6, names("c", "b")),
        times(4, names("c", "d")),
        times(3, names("c", "x")),
        times(2, names("c", "y")),
    ];
    let mut facts = Facts::default();
    let outcome = counted(&election(vec![contest.clone()]), &facts, &ballots);
    assert_eq!(shown(&race(&outcome).runners_up), [["d"], ["x"]]);
    let mut decline = |id: &str| {
        facts.declined.insert(("c".to_owned(), who(id)));
        counted(&election(vec![contest.clone()]), &facts, &ballots)
    };
    let outcome = decline("a");
    assert_eq!(elected(race(&outcome)), ["b", "d"]);
    assert!(race(&outcome).elected[1].moved_up && !race(&outcome).elected[0].moved_up);
    assert_eq!(
        (shown(&race(&outcome).runners_up), &race(&outcome).declined),
        (vec![vec!["x".into()]], &vec![who("a")])
    );
    // Who moves up may decline as well.
    let outcome = decline("d");
    assert_eq!(
        (elected(race(&outcome)), &race(&outcome).declined[..]),
        (vec!["b".into(), "x".into()], &[who("a"), who("d")][..])
    );
    // Nobody is left with half of the votes of the last who was elected.
    let outcome = decline("x");
    assert_eq!((elected(race(&outcome)), race(&outcome).vacant), (vec!["b".to_owned()], 1));
}

#[test]
fn nobody_moves_up_where_no_rule_says_so() {
    let election = election(vec![contest("c", Method::Single, 1, &["a", "b"])]);
    let facts = Facts { declined: [("c".to_owned(), who("a"))].into(), ..Facts::default() };
    let outcome = counted(&election, &facts, &[times(2, names("c", "a")), names("c", "b")]);
    assert_eq!((elected(race(&outcome)), race(&outcome).vacant), (vec![], 1));
}

#[test]
fn a_seat_that_somebody_declined_does_not_go_past_an_open_tie() {
    let mut contest = contest("c", Method::Plural(up_to(1)), 2, &["a", "x", "y", "z"]);
    contest.tie = vec![TieRule::Lot];
    let ballots = [times(5, names("c", "a")), times(3, names("c", "x")), times(3, names("c", "y")), names("c", "z")];
    let declined = [("c".to_owned(), who("a"))];
    let open = Facts { declined: declined.clone().into(), ..Facts::default() };
    let outcome = counted(&election(vec![contest.clone()]), &open, &ballots);
    // Two seats, and the two who are equal for one of them: which of them has it is told by the lot alone.
    assert!(elected(race(&outcome)).is_empty() && !outcome.is_complete(), "{:?}", elected(race(&outcome)));
    let drawn = Facts { declined: declined.into(), ..seeded("7") };
    let outcome = counted(&election(vec![contest]), &drawn, &ballots);
    let first = if lot("7", "c", &who("x")) < lot("7", "c", &who("y")) { "x" } else { "y" };
    assert_eq!((elected(race(&outcome)), race(&outcome).vacant), (vec![first.to_owned()], 1));
}

#[test]
fn equal_runners_up_are_told_apart_when_one_moves_up() {
    let mut contest = contest("c", Method::Plural(up_to(1)), 1, &["a", "b", "x"]);
    contest.runner_up = Some(RunnerUp { keep: Some(1), at_least: None });
    let ballots = [times(3, names("c", "a")), names("c", "b"), names("c", "x")];
    let mut facts = seeded("7");
    let outcome = counted(&election(vec![contest.clone()]), &facts, &ballots);
    assert_eq!(
        (shown(&race(&outcome).runners_up), race(&outcome).broken.len()),
        (vec![vec!["b".into(), "x".into()]], 0)
    );
    facts.declined.insert(("c".to_owned(), who("a")));
    let outcome = counted(&election(vec![contest]), &facts, &ballots);
    let first = if lot("7", "c", &who("b")) < lot("7", "c", &who("x")) { "b" } else { "x" };
    assert_eq!((elected(race(&outcome)), race(&outcome).broken.len()), (vec![first.to_owned()], 1));
}

#[test]
fn both_posts_won() {
    let president = contest("president", Method::Single, 1, &["a", "b"]);
    let mut council = contest("council", Method::Plural(up_to(2)), 2, &["a", "b", "x"]);
    council.yields_to = vec!["president".to_owned()];
    // The contest that yields stands first: the order of the file means nothing.
    let election = election(vec![council, president]);
    let mut ballots = vec![times(2, names("president", "a")), names("president", "b")];
    ballots.extend([times(3, names("council", "a b")), names("council", "x")]);
    let mut facts = Facts::default();
    let outcome = counted(&election, &facts, &ballots);
    let council = outcome.races().next().unwrap();
    assert_eq!(elected(council), ["b", "x"]);
    assert_eq!(council.elsewhere, [(who("a"), "president".to_owned())]);
    assert_eq!(outcome.elected_twice(), []);
    // Whoever declines the higher post has the other.
    facts.declined.insert(("president".to_owned(), who("a")));
    let outcome = counted(&election, &facts, &ballots);
    assert_eq!(elected(outcome.races().next().unwrap()), ["a", "b"]);
    // As long as the higher post is undecided, so is what follows from it.
    ballots.push(names("president", "b"));
    let outcome = counted(&election, &Facts::default(), &ballots);
    let council = outcome.races().next().unwrap();
    assert_eq!((&council.depends_on[..], council.is_complete()), (&["president".to_owned()][..], false));
}

#[test]
fn two_posts_that_do_not_exclude_each_other_are_told() {
    let both = [contest("p", Method::Single, 1, &["a"]), contest("q", Method::Single, 1, &["a"])];
    let outcome = counted(&election(both.to_vec()), &Facts::default(), &[names("p", "a"), names("q", "a")]);
    assert_eq!(outcome.elected_twice(), [("a".to_owned(), vec!["p".to_owned(), "q".to_owned()])]);
}

#[test]
fn contests_that_yield_in_a_circle_are_refused() {
    let mut both = [contest("p", Method::Single, 1, &["a"]), contest("q", Method::Single, 1, &["a"])];
    both[0].yields_to = vec!["q".to_owned()];
    both[1].yields_to = vec!["p".to_owned()];
    assert!(matches!(count(&election(both.to_vec()), &Facts::default(), &[]), Err(Fault::Circle(_))));
}

#[test]
fn ties_are_decided_by_the_rules_one_after_the_other() {
    let mut contest = contest("c", Method::Single, 1, &["a", "b", "x"]);
    contest.tie = vec![TieRule::Elder, TieRule::Lot];
    let days = ["1960-01-01", "1958-01-01", "1958-01-01"];
    for (own, day) in contest.candidates.iter_mut().zip(days) {
        own.born = Some(day.parse().unwrap());
    }
    let ballots = ["a", "b", "x"].map(|id| names("c", id));
    let outcome = counted(&election(vec![contest.clone()]), &Facts::default(), &ballots);
    // The two who were born first remain, and wait for the seed.
    let open = race(&outcome).undecided.clone().unwrap();
    assert_eq!((open.tied, open.needs), (vec![who("b"), who("x")], Needs::Seed));
    // A decision does not take the place of a lot that the rules ask for.
    let decided = Facts { decided: [("c".to_owned(), vec![who("x"), who("b")])].into(), ..Facts::default() };
    assert!(race(&counted(&election(vec![contest.clone()]), &decided, &ballots)).undecided.is_some());
    let drawn = counted(&election(vec![contest.clone()]), &seeded("7"), &ballots);
    let rules: Vec<TieRule> = race(&drawn).broken.iter().map(|own| own.rule).collect();
    assert_eq!(rules, [TieRule::Elder, TieRule::Lot]);
    contest.tie = vec![TieRule::Decision];
    let outcome = counted(&election(vec![contest.clone()]), &seeded("7"), &ballots);
    assert_eq!(race(&outcome).undecided.as_ref().unwrap().needs, Needs::Decision);
    let all = Facts { decided: [("c".to_owned(), ["x", "b", "a"].map(who).to_vec())].into(), ..Facts::default() };
    assert_eq!(elected(race(&counted(&election(vec![contest.clone()]), &all, &ballots))), ["x"]);
    // A decision that leaves one of the equals out decides nothing.
    assert!(!counted(&election(vec![contest]), &decided, &ballots).is_complete());
}

#[test]
fn the_lot_can_be_drawn_by_hand() {
    // printf '%s' 'lot|2027-02-01 12 5 33 40 7 18|council|c01' | sha256sum
    let digest = lot("2027-02-01 12 5 33 40 7 18", "council", &who("c01"));
    assert_eq!(digest, "3c306ebec9a7975fa3fe7915e981110e7554b80d071b69d30e9cff036b81305d");
    let digest = lot("宝くじ", "council", &who("+山田 太郎"));
    assert_eq!(digest, "99018e65b42ae1f0bd134a74e474c1d56ca0a161cd36b1f851eb5f1de01daa2c");
}

#[test]
fn confidence_in_both_styles() {
    let mut contest = contest("c", Method::Confidence, 2, &["a", "b"]);
    let ballots = [marks("c", "a+ b-"), marks("c", "a+"), marks("c", "b- b+"), marks("c", "")];
    let outcome = counted(&election(vec![contest.clone()]), &Facts::default(), &ballots);
    let told: Vec<(u64, u64)> =
        race(&outcome).standings.iter().map(|own| (own.votes.ballots, own.against.ballots)).collect();
    assert_eq!((told, elected(race(&outcome))), (vec![(2, 0), (0, 1)], vec!["a".to_owned()]));
    let own = numbers(&outcome);
    assert_eq!((own.valid.ballots, own.blank.ballots, own.under_votes.ballots), (2, 1, 1));
    assert_eq!(invalid(&outcome), [("repeated", 1)]);
    // Where only those are marked whom one does not want, an empty ballot has confidence in all.
    contest.confidence.style = Style::Reject;
    contest.confidence.pass = share(Bound::AtLeast, "2/3", Base::Valid);
    let ballots = [marks("c", "a-"), marks("c", ""), marks("c", "")];
    let outcome = counted(&election(vec![contest]), &Facts::default(), &ballots);
    assert_eq!((numbers(&outcome).valid.ballots, elected(race(&outcome))), (3, vec!["b".to_owned(), "a".to_owned()]));
}

#[test]
fn an_uncontested_district_is_confirmed_while_others_vote() {
    let mut election = two_districts(Reach::Own);
    let contest = &mut election.contests[0];
    contest.uncontested = Uncontested::Confidence;
    contest.candidates.retain(|own| own.id != "y");
    let mut ballots = vec![of_district("east", names("c", "a")), of_district("west", marks("c", "x-"))];
    let outcome = counted(&election, &Facts::default(), &ballots);
    let races: Vec<_> = outcome.races().collect();
    assert_eq!((races[0].holding, elected(races[0])), (Holding::Vote, vec!["a".to_owned()]));
    assert_eq!((races[1].holding, races[1].vacant), (Holding::Confidence, 1));
    ballots.push(of_district("west", names("c", "x")));
    assert_eq!(count(&election, &Facts::default(), &ballots), Err(Fault::Kind));
    election.contests[0].uncontested = Uncontested::Elected;
    assert_eq!(count(&election, &Facts::default(), &ballots[1..]), Err(Fault::NoVote("c".to_owned())));
    assert_eq!(elected(counted(&election, &Facts::default(), &ballots[..1]).races().nth(1).unwrap()), ["x"]);
}

#[test]
fn names_that_are_written_in() {
    let mut contest = contest("c", Method::Plural(up_to(2)), 1, &["a", "b"]);
    contest.write_in = 1;
    let written = |names: &[&str]| ballot("c", Choice::Names(names.iter().map(|own| who(own)).collect()));
    let ballots = [
        written(&["+山田 太郎"]),
        written(&["+山田太郎", "a"]),
        written(&["+山田太郎"]),
        // Somebody who stands, by name.
        written(&["+Ａ", "a"]),
        written(&["+佐藤", "+鈴木"]),
        written(&["+佐藤"]),
        written(&["+ヤマダ"]),
    ];
    let mut facts = Facts::default();
    let outcome = counted(&election(vec![contest.clone()]), &facts, &ballots);
    let expected = [("+山田太郎", 3), ("a", 2), ("+ヤマダ", 1), ("+佐藤", 1), ("b", 0)];
    let sorted = |mut votes: Vec<(String, u64)>| {
        votes.sort();
        votes
    };
    assert_eq!(sorted(votes(race(&outcome))), sorted(pairs(&expected)));
    assert_eq!(
        (elected(race(&outcome)), invalid(&outcome)),
        (vec!["+山田太郎".into()], vec![("too-many-written-in", 1)])
    );
    // What else means the same, and who cannot be elected, people decide.
    facts.same.insert(("c".to_owned(), "ヤマダ".to_owned()), who("+山田太郎"));
    facts.void.insert(("c".to_owned(), "佐藤".to_owned()));
    let outcome = counted(&election(vec![contest]), &facts, &ballots);
    assert_eq!(votes(race(&outcome))[0], ("+山田太郎".to_owned(), 4));
    assert_eq!(invalid(&outcome), [("too-many-written-in", 1), ("no-name-counts", 1)]);
}

#[test]
fn rankings_that_share_or_repeat_a_place() {
    let strict = Ranking { least: 2, under: Under::Invalid, equal: false, repeated: Repeated::Invalid };
    let method = Method::Stv(strict.clone(), StvQuota::Hare);
    let ballots = ["a>b", "a=b>x", "a>b>a", "b", ""].map(|own| ranking("c", own));
    let outcome = counted(&election(vec![contest("c", method, 1, &["a", "b", "x"])]), &Facts::default(), &ballots);
    assert_eq!(invalid(&outcome), [("repeated", 1), ("under-full", 1), ("shared-place", 1)]);
    assert_eq!((numbers(&outcome).blank.ballots, elected(race(&outcome))), (1, vec!["a".to_owned()]));
    let lenient = Ranking { repeated: Repeated::Once, ..strict };
    let method = Method::Schulze(Ranking { equal: true, ..lenient });
    let outcome = counted(&election(vec![contest("c", method, 1, &["a", "b", "x"])]), &Facts::default(), &ballots);
    assert_eq!(invalid(&outcome), [("under-full", 1)]);
}

#[test]
fn an_exclusion_that_must_be_decided_stops_the_count() {
    let method = Method::Stv(any_order(), StvQuota::Droop);
    let ballots = [times(4, ranking("c", "a")), times(2, ranking("c", "b>x")), times(2, ranking("c", "x>b"))];
    let election = election(vec![contest("c", method, 1, &["a", "b", "x", "z"])]);
    let outcome = counted(&election, &Facts::default(), &ballots);
    let open = race(&outcome).undecided.as_ref().unwrap();
    assert_eq!((&open.tied[..], open.needs), (&[who("b"), who("x")][..], Needs::Seed));
    let outcome = counted(&election, &seeded("7"), &ballots);
    let Detail::Transfer(done) = &race(&outcome).detail else { panic!() };
    // Nobody voted for z, who goes without a lot.
    assert_eq!(done.rounds[0].event, Event::Excluded(vec!["z".to_owned()]));
    let last = if lot("7", "c", &who("b")) < lot("7", "c", &who("x")) { "x" } else { "b" };
    assert_eq!(done.rounds[1].event, Event::Excluded(vec![last.to_owned()]));
    // Four against four: the lot once more.
    assert!(outcome.is_complete());
    assert_eq!(done.elected.len(), 1);
}

#[test]
fn candidates_without_a_vote_are_excluded_together() {
    let method = Method::Stv(any_order(), StvQuota::Droop);
    let ballots = [times(2, ranking("c", "a>y")), times(3, ranking("c", "b"))];
    let outcome = counted(&election(vec![contest("c", method, 1, &["a", "b", "y", "z"])]), &Facts::default(), &ballots);
    // No vote moves by it, so that nothing is decided between them, though one of them was named.
    let Detail::Transfer(done) = &race(&outcome).detail else { panic!() };
    assert_eq!((elected(race(&outcome)), done.rounds.len()), (vec!["b".to_owned()], 1));
    let ballots = [times(2, ranking("c", "a>y")), times(2, ranking("c", "b")), times(2, ranking("c", "x>b"))];
    let method = Method::Stv(any_order(), StvQuota::Droop);
    let all = ["a", "b", "x", "y", "z"];
    let outcome = counted(&election(vec![contest("c", method, 1, &all)]), &Facts::default(), &ballots);
    let Detail::Transfer(done) = &race(&outcome).detail else { panic!() };
    assert_eq!(done.rounds[0].event, Event::Excluded(vec!["y".to_owned(), "z".to_owned()]));
    assert_eq!(race(&outcome).undecided.as_ref().unwrap().tied.len(), 3);
}

#[test]
fn a_share_of_nothing_is_not_reached() {
    let mut contest = contest("c", Method::Confidence, 2, &["a", "b"]);
    contest.confidence.pass.bound = Bound::AtLeast;
    let outcome = counted(&election(vec![contest]), &Facts::default(), &[marks("c", "a+")]);
    assert_eq!((elected(race(&outcome)), race(&outcome).vacant), (vec!["a".to_owned()], 1));
}

#[test]
fn a_name_that_two_candidates_have_means_neither() {
    let mut contest = contest("c", Method::Single, 1, &["a", "b"]);
    contest.write_in = 1;
    for own in &mut contest.candidates {
        own.name = text("Hana");
    }
    let ballots = [ballot("c", Choice::Names(vec![who("+hana")])), names("c", "a")];
    let outcome = counted(&election(vec![contest]), &Facts::default(), &ballots);
    assert!(votes(race(&outcome)).contains(&("+hana".to_owned(), 1)));
}

#[test]
fn stv_seats_go_on_to_whoever_left_last() {
    let mut contest = contest("c", Method::Stv(any_order(), StvQuota::Droop), 1, &["a", "b", "x"]);
    contest.runner_up = Some(RunnerUp { keep: None, at_least: None });
    let ballots = [times(5, ranking("c", "a")), times(3, ranking("c", "b")), times(2, ranking("c", "x"))];
    let mut facts = Facts::default();
    let outcome = counted(&election(vec![contest.clone()]), &facts, &ballots);
    assert_eq!(elected(race(&outcome)), ["a"]);
    assert_eq!(shown(&race(&outcome).runners_up), [["b"], ["x"]]);
    facts.declined.insert(("c".to_owned(), who("a")));
    assert_eq!(elected(race(&counted(&election(vec![contest]), &facts, &ballots))), ["b"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut own = contest("c", Method::Single, 1, &["a"]);
    own.quorum = Some(Quorum { share: share(Bound::AtLeast, "1/3", Base::Roll), valid_only: true });
    let election = election(vec![own]);
    let refused = |facts: &Facts, ballot: Ballot| count(&election, facts, &[ballot]).unwrap_err();
    let none = Facts::default();
    assert_eq!(refused(&none, names("d", "a")), Fault::Contest("d".to_owned()));
    assert_eq!(refused(&none, names("c", "b")), Fault::Candidate("b".to_owned()));
    assert_eq!(refused(&none, marks("c", "a+")), Fault::Kind);
    assert_eq!(refused(&none, of_district("east", names("c", "a"))), Fault::District(Some("east".to_owned())));
    assert_eq!(refused(&none, names("c", "a")), Fault::RollUnknown("c".to_owned()));
    let few = Facts { roll: [(None, 1)].into(), ..Facts::default() };
    let fault = Fault::Roll { contest: "c".to_owned(), roll: 1, cast: 2 };
    assert_eq!(refused(&few, times(2, names("c", "a"))), fault);
    // Valid ballots alone count toward this quorum.
    let all = Facts { roll: [(None, 4)].into(), ..Facts::default() };
    let outcome = counted(&election, &all, &[names("c", "a"), names("c", "")]);
    assert_eq!(race(&outcome).quorum, Some(false));
}
