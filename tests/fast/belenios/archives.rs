//! Whole archives: the tool's, and ours.

use hagaki::domain::belenios::audit::{self, Expected, Stage};
use hagaki::domain::belenios::problem::Code;

use super::world::{SEED, World, question};

const COUNCIL: &[u8] = include_bytes!("../../data/election/belenios/h-council-tool.bel");
const RANK: &[u8] = include_bytes!("../../data/election/belenios/nh-rank-tool.bel");

#[test]
fn an_archive_of_the_tool_holds() {
    let report = audit::check(COUNCIL, Expected::default(), SEED);
    assert_eq!(report.problems, []);
    assert_eq!(report.result, Some(vec![vec![1, 1, 1, 3, 2], vec![2, 2]]));
    assert_eq!((report.ballots, report.voted, report.voters), (6, 5, 6));
    assert!(!report.credentials_sorted, "the tool's list is in the order of its keys' making");
}

#[test]
fn a_shuffled_question_is_refused_by_its_name() {
    let report = audit::check(RANK, Expected::default(), SEED);
    assert_eq!(report.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [Code::Mixnet]);
    assert_eq!(report.result, None);
}

#[test]
fn weights_blank_ballots_and_the_last_vote_count() {
    let questions = [question(&["甲", "乙"], true, 1, 2), question(&["可"], false, 0, 1)];
    let mut world = World::new(&questions, &[1, 3, 2]);
    world.vote(0, &[vec![0, 1, 1], vec![1]]);
    world.vote(1, &[vec![1, 0, 0], vec![0]]);
    world.vote(0, &[vec![0, 0, 1], vec![1]]);
    world.close();
    let report = audit::check(&world.parts.write(), Expected::default(), SEED);
    assert_eq!(report.problems, []);
    assert_eq!(report.result, Some(vec![vec![3, 0, 1], vec![1]]));
    assert_eq!((report.ballots, report.voted, report.voters), (3, 2, 3));
    assert!(report.credentials_sorted);
}

#[test]
fn an_election_that_goes_on_holds_when_that_is_known() {
    let mut world = World::new(&[question(&["可"], false, 0, 1)], &[1, 1]);
    world.vote(1, &[vec![1]]);
    let bytes = world.parts.voting().bytes().to_vec();
    let report = audit::check(&bytes, Expected { open: true, ..Expected::default() }, SEED);
    assert_eq!((report.problems.len(), report.stage, report.result), (0, Stage::Voting, None));
    let report = audit::check(&bytes, Expected::default(), SEED);
    assert_eq!(report.problems[0].code, Code::ResultMissing);
}
