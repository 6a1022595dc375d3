//! Several allocations of one study, whose numbers run through it together: each is as if it were alone, and its caps are its own.

use hagaki::domain::allocation::{Amendment, Counts, Course, Full, Origin, Replayed, Row, Standing, replay_among};
use hagaki::domain::study::Caps;
use proptest::prelude::*;

use super::*;

const FILES: [&str; 3] = [
    "method = \"block\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\nstrata = [\"site\"]\n[block]\nsizes = [2, 4]",
    "method = \"minimization\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\nfactors = [ { id = \"site\" }, { id = \"sex\" } ]\n\
     [minimization]\ndistance = \"variance\"\nrule = \"best\"\np = \"4/5\"",
    "method = \"block-urn\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\n[block-urn]\nlambda = 2",
];
/// The only one of them that counts subjects anew.
const COUNTING: usize = 1;

/// What happens to a study.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody is to be allocated in one of its allocations; sometimes by hand.
    Allocate { place: usize, site: u8, sex: u8, by_hand: bool },
    /// Of one allocation it becomes known that it counts elsewhere, nowhere, or again.
    Recount { which: usize, site: Option<u8> },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let allocate = (0..FILES.len(), 0u8..3, 0u8..2, prop::bool::weighted(0.1))
        .prop_map(|(place, site, sex, by_hand)| Event::Allocate { place, site, sex, by_hand });
    let recount = (0usize..100, prop::option::of(0u8..3)).prop_map(|(which, site)| Event::Recount { which, site });
    proptest::collection::vec(prop_oneof![5 => allocate, 1 => recount], 0..60)
}

fn subject(site: u8, sex: u8) -> Levels {
    levels(&[("site", &site.to_string()), ("sex", &sex.to_string())])
}

/// What came of the events.
struct Walked {
    rows: Vec<(usize, Row)>,
    states: Vec<State>,
    amendments: Vec<Amendment>,
    /// How many were to be allocated in each.
    asked: [u32; FILES.len()],
}

/// Goes through the events as a study does: what is full refuses, everything else takes the next number.
fn walk(schemes: &[Scheme], caps: &[Caps], secret: &[u8; 32], events: &[Event]) -> Walked {
    let states: Vec<State> = schemes.iter().map(State::new).collect();
    let mut walked = Walked { rows: Vec::new(), states, amendments: Vec::new(), asked: [0; FILES.len()] };
    let mut counted: Vec<(usize, Standing)> = Vec::new();
    for event in events {
        match event {
            Event::Allocate { place, site, sex, by_hand } => {
                walked.asked[*place] += 1;
                let (scheme, state, levels) = (&schemes[*place], &mut walked.states[*place], subject(*site, *sex));
                if state.find_full(scheme, &caps[*place], None, &levels).unwrap().is_some() {
                    continue;
                }
                let number = walked.rows.len() as u64 + 1;
                let (allotment, origin) = match by_hand {
                    true => (state.give(scheme, &levels, "A").unwrap(), Origin::Forced),
                    false => (state.decide(scheme, &levels, secret, number).unwrap().allotment, Origin::Drawn),
                };
                let row = Row { number, levels, allotment, origin };
                state.record_row(scheme, &row).unwrap();
                if *place == COUNTING {
                    counted.push((walked.rows.len(), Standing::new(row.levels.clone())));
                }
                walked.rows.push((*place, row));
            }
            Event::Recount { which, site } if !counted.is_empty() => {
                let place = which % counted.len();
                let (at, standing) = &mut counted[place];
                let row = &walked.rows[*at].1;
                let before = standing.clone();
                let counts = match (site, before.levels()) {
                    (Some(site), levels) => {
                        let mut levels = levels.unwrap_or(&row.levels).clone();
                        levels.insert("site".to_owned(), site.to_string());
                        Counts::At(levels)
                    }
                    (None, Some(_)) => Counts::Nowhere,
                    (None, None) => Counts::Again,
                };
                standing.amend(&counts);
                let (from, to) = (before.levels(), standing.levels());
                walked.states[COUNTING].recount(&schemes[COUNTING], from, to, &row.allotment).unwrap();
                let after = walked.rows.len() as u64;
                walked.amendments.push(Amendment { after, allocation: row.number, counts });
            }
            Event::Recount { .. } => {}
        }
    }
    walked
}

impl Walked {
    fn replayed(
        &self,
        schemes: &[Scheme],
        secret: &[u8; 32],
        rows: Vec<(usize, Row)>,
    ) -> Result<Vec<State>, (u64, Replayed)> {
        let own = |place: usize| if place == COUNTING { self.amendments.as_slice() } else { &[] };
        let course = |(place, first)| Course { first, turns: &[], amendments: own(place) };
        let courses: Vec<Course<'_>> = schemes.iter().enumerate().map(course).collect();
        replay_among(&courses, secret, rows).map_err(|found| (found.number, found.expected))
    }
}

fn capped(total: [u32; FILES.len()], arm: u32) -> Vec<Caps> {
    let caps = |(place, total)| {
        let arms = if place == 0 { vec![("A".to_owned(), arm)] } else { Vec::new() };
        Caps { total: Some(total), arms, stratum: None }
    };
    total.into_iter().enumerate().map(caps).collect()
}

fn schemes() -> Vec<Scheme> {
    FILES.into_iter().map(scheme).collect()
}

proptest! {
    #[test]
    fn each_is_as_if_it_were_alone(secret in any::<[u8; 32]>(), events in events()) {
        let schemes = schemes();
        let walked = walk(&schemes, &vec![Caps::default(); FILES.len()], &secret, &events);
        prop_assert_eq!(&walked.replayed(&schemes, &secret, walked.rows.clone()).unwrap(), &walked.states);
        for (place, scheme) in schemes.iter().enumerate() {
            // Of the others it has nothing but the gaps in its numbers.
            let mut alone = State::new(scheme);
            // The levels of each that counts, and those of each that does not.
            let mut known: BTreeMap<u64, Levels> = BTreeMap::new();
            let mut away: BTreeMap<u64, Levels> = BTreeMap::new();
            let mut amendments = walked.amendments.iter().filter(|_| place == COUNTING).peekable();
            let own: Vec<&Row> = walked.rows.iter().filter(|(at, _)| *at == place).map(|(_, row)| row).collect();
            for row in own.iter().map(Some).chain([None]) {
                let before = row.map_or(u64::MAX, |row| row.number);
                while let Some(amendment) = amendments.next_if(|amendment| amendment.after < before) {
                    let given = own.iter().find(|row| row.number == amendment.allocation).unwrap();
                    let number = amendment.allocation;
                    let from = known.get(&number).cloned();
                    match &amendment.counts {
                        Counts::At(levels) if away.contains_key(&number) => drop(away.insert(number, levels.clone())),
                        Counts::At(levels) => drop(known.insert(number, levels.clone())),
                        Counts::Nowhere => away.extend(known.remove(&number).map(|levels| (number, levels))),
                        Counts::Again => known.extend(away.remove(&number).map(|levels| (number, levels))),
                    }
                    alone.recount(scheme, from.as_ref(), known.get(&number), &given.allotment).unwrap();
                }
                let Some(row) = row else { break };
                if row.origin == Origin::Drawn {
                    let decided = alone.decide(scheme, &row.levels, &secret, row.number).unwrap();
                    prop_assert_eq!(&decided.allotment, &row.allotment);
                }
                alone.record_row(scheme, row).unwrap();
                known.insert(row.number, row.levels.clone());
            }
            prop_assert_eq!(&alone, &walked.states[place]);
        }
    }

    #[test]
    fn the_first_that_was_changed_is_found(secret in any::<[u8; 32]>(), events in events(), at in any::<prop::sample::Index>()) {
        let schemes = schemes();
        let walked = walk(&schemes, &vec![Caps::default(); FILES.len()], &secret, &events);
        prop_assume!(!walked.rows.is_empty());
        let at = at.index(walked.rows.len());
        let number = walked.rows[at].1.number;
        let mut rows = walked.rows.clone();
        rows[at].1.allotment.arm = if rows[at].1.allotment.arm == "A" { "B".to_owned() } else { "A".to_owned() };
        if rows[at].1.origin == Origin::Drawn {
            prop_assert_eq!(walked.replayed(&schemes, &secret, rows).unwrap_err().0, number);
        }
        let mut rows = walked.rows.clone();
        rows.remove(at);
        match walked.replayed(&schemes, &secret, rows) {
            Err((found, expected)) => prop_assert_eq!((found, expected), (number + 1, Replayed::Number(number))),
            // The last one leaves no gap; that it is absent, the audit chain tells.
            Ok(_) => prop_assert_eq!(at + 1, walked.rows.len()),
        }
    }

    #[test]
    fn caps_are_exact_and_each_its_own(
        secret in any::<[u8; 32]>(),
        events in events(),
        total in [0u32..12, 0u32..12, 0u32..12],
        arm in 0u32..6,
    ) {
        let (schemes, caps) = (schemes(), capped(total, arm));
        let walked = walk(&schemes, &caps, &secret, &events);
        prop_assert_eq!(&walked.replayed(&schemes, &secret, walked.rows.clone()).unwrap(), &walked.states);
        for (place, scheme) in schemes.iter().enumerate() {
            let own: Vec<&Row> = walked.rows.iter().filter(|(at, _)| *at == place).map(|(_, row)| row).collect();
            let count = own.len() as u32;
            let full = walked.states[place].find_full(scheme, &caps[place], None, &subject(0, 0)).unwrap();
            if place == 0 {
                let given = own.iter().filter(|row| row.allotment.arm == "A").count() as u32;
                prop_assert!(given <= arm && count <= total[0]);
                // Nobody was refused before one of the two was reached.
                let reached = (full == Some(Full::Total), full == Some(Full::Arm));
                prop_assert_eq!(reached, (count == total[0], count < total[0] && given == arm));
                prop_assert!(full.is_some() || count == walked.asked[0]);
            } else {
                // What is counted nowhere since was taken all the same.
                prop_assert_eq!(count, walked.asked[place].min(total[place]));
            }
        }
    }
}
