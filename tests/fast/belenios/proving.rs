//! What is proved is verified, whatever was voted; what was changed by a bit is not.

use hagaki::domain::belenios::ballot::{self, Impossible};
use hagaki::domain::belenios::proofs::Bases;
use hagaki::domain::belenios::setup::Credentials;
use proptest::prelude::*;

use super::world::{World, question};

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    #[test]
    fn every_vote_is_proved_and_no_bit_can_change(
        blank in any::<bool>(),
        (min, max, chosen) in (0_u64..3, 0_u64..3, 0_u64..3)
            .prop_map(|(a, b, c)| { let mut all = [a, b, c]; all.sort_unstable(); (all[0], all[2], all[1]) }),
        leave_blank in any::<bool>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u32..8), 24),
    ) {
        let own = question(&["甲", "乙"], blank, min, max);
        let world = World::new(std::slice::from_ref(&own), &[1]);
        let mut votes: Vec<u64> = (0..2).map(|at| u64::from(at < chosen)).collect();
        if blank {
            votes.insert(0, 0);
            if leave_blank {
                votes = vec![1, 0, 0];
            }
        }
        let made = ballot::make(&world.election, &world.voters[0], &[votes], &world.dice).unwrap();
        let credentials = Credentials::read(&world.parts.credentials).unwrap();
        let bases = Bases::of(world.election.key, 1);
        prop_assert!(ballot::check(&world.election, &credentials, &bases, &made).is_ok());
        for (index, bit) in flips {
            let mut flipped = made.clone();
            flipped[index.index(made.len())] ^= 1 << bit;
            prop_assert!(ballot::check(&world.election, &credentials, &bases, &flipped).is_err());
        }
    }
}

#[test]
fn a_ballot_that_breaks_the_rule_cannot_be_made() {
    let world = World::new(&[question(&["甲", "乙", "丙"], true, 1, 2)], &[1]);
    for votes in [vec![0, 0, 0, 0], vec![0, 1, 1, 1], vec![1, 1, 0, 0], vec![0, 2, 0, 0], vec![1, 0, 0]] {
        let made = ballot::make(&world.election, &world.voters[0], std::slice::from_ref(&votes), &world.dice);
        assert_eq!(made, Err(Impossible), "{votes:?}");
    }
}
