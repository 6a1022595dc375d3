//! What holds of every count, whatever the ballots.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hagaki::domain::election::outcome::{Detail, Elected, Race, Sum};
use hagaki::domain::election::schulze::{Pairwise, Strength};
use hagaki::domain::election::{Reelected, RunnerUp, StvQuota};
use num_traits::Zero;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Rules drawn from a few bits, so that many meet.
fn rules(method: Method, seats: u32, bits: u32) -> Contest {
    let bit = |at: u32| bits >> at & 1 == 1;
    let mut contest = contest("c", method, seats, &IDS);
    contest.blank = bit(0);
    contest.tie = if bit(1) { vec![TieRule::Elder, TieRule::Lot] } else { vec![TieRule::Decision] };
    contest.runner_up = bit(2).then(|| RunnerUp { keep: bit(3).then_some(1), at_least: None });
    contest.reelected = bit(4).then(|| Reelected::Share(number::parse("2/3").unwrap()));
    for (at, own) in contest.candidates.iter_mut().enumerate() {
        own.incumbent = bits >> (8 + at) & 1 == 1;
        own.born = Some(format!("19{}0-01-01", 5 + (bits >> (16 + 2 * at) & 1)).parse().unwrap());
    }
    contest
}

fn method(at: u32, bits: u32) -> Method {
    let bit = |at: u32| bits >> at & 1 == 1;
    let naming = Naming {
        least: 1 + u32::from(bit(5)),
        under: if bit(6) { Under::Invalid } else { Under::Valid },
        over: Over::Invalid,
        repeated: [Repeated::Once, Repeated::Void, Repeated::Invalid][(bits >> 7) as usize % 3],
        ..up_to(2)
    };
    let ranking = Ranking { equal: bit(5), ..any_order() };
    match at {
        0 => Method::Single,
        1 => Method::Plural(naming),
        2 => Method::Approval,
        3 => Method::Confidence,
        4 => Method::Schulze(ranking),
        _ => Method::Stv(ranking, if bit(6) { StvQuota::Droop } else { StvQuota::Hare }),
    }
}

/// A ballot of the method from a list of draws.
fn drawn(method: &Method, draws: &[(usize, bool)], count: u64) -> Ballot {
    let ids: Vec<&str> = draws.iter().map(|(at, _)| IDS[*at]).collect();
    let own = match method {
        Method::Confidence => {
            let signs = draws.iter().map(|(at, yes)| format!("{}{}", IDS[*at], if *yes { '+' } else { '-' }));
            marks("c", &signs.collect::<Vec<String>>().join(" "))
        }
        Method::Schulze(_) | Method::Stv(..) => {
            let mut places: Vec<Vec<String>> = Vec::new();
            for (id, (_, shares)) in ids.iter().zip(draws) {
                match places.last_mut() {
                    Some(place) if *shares => place.push((*id).to_owned()),
                    _ => places.push(vec![(*id).to_owned()]),
                }
            }
            ballot("c", Choice::Ranking(places))
        }
        _ => names("c", &ids.join(" ")),
    };
    times(count, own)
}

fn draws() -> impl Strategy<Value = Vec<(Vec<(usize, bool)>, u64)>> {
    let one = prop::collection::vec((0..IDS.len(), prop::bool::weighted(0.3)), 0..5);
    prop::collection::vec((one, 1u64..4), 0..12)
}

/// A race without what only follows the order of the file.
fn meant(race: &Race) -> Race {
    let mut race = race.clone();
    race.elected.sort_by(|one: &Elected, other| one.who.cmp(&other.who));
    race
}

/// The strongest path by looking at every one that visits nobody twice.
fn strongest(pairs: &Pairwise, from: usize, to: usize, seen: &mut Vec<usize>) -> Option<Strength> {
    seen.push(from);
    let mut best = None;
    for next in (0..pairs.candidates.len()).filter(|next| !seen.contains(next)).collect::<Vec<usize>>() {
        let (winning, losing) = (pairs.prefer[from][next], pairs.prefer[next][from]);
        let step = (winning > losing).then_some(Strength { winning, losing: Reverse(losing) });
        let path = if next == to { step } else { step.min(strongest(pairs, next, to, seen)) };
        best = best.max(path);
    }
    seen.pop();
    best
}

proptest! {
    #[test]
    fn paths_are_the_strongest_there_are(bits: u32, drawn_ballots in draws()) {
        let method = method(4, bits | 32);
        let ballots: Vec<Ballot> =
            drawn_ballots.iter().map(|(draws, count)| drawn(&method, draws, *count)).collect();
        let outcome = counted(&election(vec![contest("c", method, 1, &IDS)]), &Facts::default(), &ballots);
        let Detail::Pairwise(pairs) = &race(&outcome).detail else { panic!() };
        let order = pairs.order();
        let place = |at: usize| order.iter().position(|place| place.contains(&pairs.candidates[at])).unwrap();
        for from in 0..IDS.len() {
            for to in (0..IDS.len()).filter(|to| *to != from) {
                let path = strongest(pairs, from, to, &mut Vec::new());
                prop_assert_eq!(pairs.paths[from][to], path);
                if path > strongest(pairs, to, from, &mut Vec::new()) {
                    prop_assert!(place(from) < place(to));
                }
            }
        }
    }

    #[test]
    fn no_order_in_a_file_means_anything(
        at in 0u32..6, bits: u32, seats in 1u32..4, drawn_ballots in draws(), shuffle: Vec<Index>, turn in 0..IDS.len(), seed: Option<bool>,
    ) {
        let method = method(at, bits);
        let mut rules = rules(method.clone(), seats, bits);
        let facts = seed.map_or_else(Facts::default, |own| seeded(if own { "1" } else { "2" }));
        let mut ballots: Vec<Ballot> =
            drawn_ballots.iter().map(|(draws, count)| drawn(&method, draws, *count)).collect();
        let before = counted(&election(vec![rules.clone()]), &facts, &ballots);
        // Every ballot by itself, in another order; the candidates in another order, too.
        ballots = ballots.iter().flat_map(|own| vec![times(1, own.clone()); own.count as usize]).collect();
        for at in shuffle {
            if !ballots.is_empty() {
                let own = ballots.remove(at.index(ballots.len()));
                ballots.push(own);
            }
        }
        rules.candidates.rotate_left(turn);
        let after = counted(&election(vec![rules]), &facts, &ballots);
        prop_assert_eq!(meant(race(&before)), meant(race(&after)));
        prop_assert_eq!(numbers(&before), numbers(&after));
    }

    #[test]
    fn the_numbers_add_up(at in 0u32..6, bits: u32, seats in 1u32..4, drawn_ballots in draws(), abstained in 0u64..5) {
        let method = method(at, bits);
        let ballots: Vec<Ballot> =
            drawn_ballots.iter().map(|(draws, count)| drawn(&method, draws, *count)).collect();
        let cast: u64 = ballots.iter().map(|own| own.count).sum();
        let facts = Facts { roll: [(None, cast + abstained)].into(), ..Facts::default() };
        let outcome = counted(&election(vec![rules(method.clone(), seats, bits)]), &facts, &ballots);
        let (own, race) = (numbers(&outcome), race(&outcome));
        prop_assert_eq!(own.cast, Sum { ballots: cast, weight: cast });
        prop_assert_eq!(own.blank.ballots + own.all_invalid().ballots + own.valid.ballots, cast);
        prop_assert_eq!(own.abstained(), Some(abstained));
        let votes: u64 = race.standings.iter().map(|own| own.votes.ballots).sum();
        if matches!(method, Method::Single | Method::Plural(_)) {
            let most = if at == 0 { 1 } else { 2 };
            prop_assert_eq!(votes + own.under_votes.ballots + own.void_names.ballots, most * own.valid.ballots);
        }
        // No seat is filled twice, none is lost, and nobody sits on two.
        let open = race.undecided.as_ref().map_or(0, |open| open.seats);
        prop_assert_eq!(race.elected.len() as u32 + race.vacant + open, seats);
        let mut ids: Vec<String> = race.elected.iter().map(|own| own.who.to_string()).collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), race.elected.len());
        if let Some(cap) = rules(method, seats, bits).reelected.filter(|_| at != 5) {
            let contest = rules(Method::Single, seats, bits);
            let old = race.elected.iter().filter(|own| contest.find(own.who.id().unwrap()).unwrap().incumbent);
            prop_assert!(old.count() as u32 <= cap.most(seats));
        }
    }

    #[test]
    fn whoever_is_elected_by_names_has_no_fewer_votes_than_whoever_is_not(bits: u32, seats in 1u32..4, drawn_ballots in draws()) {
        let method = method(1, bits);
        let ballots: Vec<Ballot> =
            drawn_ballots.iter().map(|(draws, count)| drawn(&method, draws, *count)).collect();
        let mut contest = rules(method, seats, bits);
        contest.reelected = None;
        let outcome = counted(&election(vec![contest]), &seeded("s"), &ballots);
        let race = race(&outcome);
        let votes: BTreeMap<&Who, u64> = race.standings.iter().map(|own| (&own.who, own.votes.weight)).collect();
        let least = race.elected.iter().map(|own| votes[&own.who]).min();
        let most = race.standings.iter().filter(|own| !race.elects(&own.who)).map(|own| own.votes.weight).max();
        if let (Some(least), Some(most), None) = (least, most, &race.undecided) {
            prop_assert!(least >= most);
        }
    }

    #[test]
    fn a_condorcet_winner_wins_by_schulze(bits: u32, drawn_ballots in draws()) {
        let method = method(4, bits | 32);
        let ballots: Vec<Ballot> =
            drawn_ballots.iter().map(|(draws, count)| drawn(&method, draws, *count)).collect();
        let contest = contest("c", method, 1, &IDS);
        let outcome = counted(&election(vec![contest]), &Facts::default(), &ballots);
        let Detail::Pairwise(pairs) = &race(&outcome).detail else { panic!() };
        let many = pairs.candidates.len();
        let beats_all = |own: &usize| {
            (0..many).all(|other| other == *own || pairs.prefer[*own][other] > pairs.prefer[other][*own])
        };
        if let Some(winner) = (0..many).find(beats_all) {
            prop_assert_eq!(elected(race(&outcome)), vec![pairs.candidates[winner].clone()]);
        }
    }

    #[test]
    fn no_vote_is_lost_or_made_by_transfer(bits: u32, seats in 1u32..5, drawn_ballots in draws()) {
        let method = method(5, bits);
        let ballots: Vec<Ballot> =
            drawn_ballots.iter().map(|(draws, count)| drawn(&method, draws, *count)).collect();
        let outcome = counted(&election(vec![contest("c", method, seats, &IDS)]), &seeded("s"), &ballots);
        let Detail::Transfer(done) = &race(&outcome).detail else { panic!() };
        let all = number::ratio(numbers(&outcome).valid.weight, 1);
        for round in &done.rounds {
            let sum = round.votes.values().fold(round.exhausted.clone(), |sum, own| sum + own);
            prop_assert_eq!(&sum, &all);
            prop_assert!(round.votes.values().all(|own| *own >= number::Rational::zero()));
        }
        if !all.is_zero() {
            prop_assert_eq!(done.elected.len(), seats as usize);
        }
    }

    /// A group that fills the quota so many times over gets so many seats: what proportional means.
    #[test]
    fn a_group_with_enough_votes_gets_its_seats(order in Just(IDS.to_vec()).prop_shuffle(), group in 1u64..30, others in 0u64..30, size in 1usize..4, seats in 1u32..4) {
        let (own, rest) = order.split_at(size);
        let solid = times(group, ranking("c", &order.join(">")));
        let mut reversed = rest.to_vec();
        reversed.reverse();
        let mut ballots = vec![solid];
        if others > 0 && !reversed.is_empty() {
            ballots.push(times(others, ranking("c", &reversed.join(">"))));
        }
        let method = Method::Stv(any_order(), StvQuota::Droop);
        let outcome = counted(&election(vec![contest("c", method, seats, &IDS)]), &seeded("s"), &ballots);
        let quota = (group + others) / (u64::from(seats) + 1) + 1;
        let due = (group / quota).min(size as u64).min(u64::from(seats));
        let got = elected(race(&outcome)).iter().filter(|id| own.contains(&id.as_str())).count() as u64;
        prop_assert!(got >= due, "{got} of {due}");
    }
}
