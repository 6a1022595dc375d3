//! Archives that are made to take memory or time.

use hagaki::domain::belenios::archive::{Archive, DATA_SUFFIX};
use hagaki::domain::belenios::audit::{self, Expected, Report};
use hagaki::domain::belenios::json::hex_digest;
use hagaki::domain::belenios::problem::Code;
use hagaki::domain::belenios::tar;
use hagaki::limits;

use super::world::{SEED, TIME, World, question};

fn check(bytes: &[u8]) -> Report {
    audit::check(bytes, Expected { open: true, ..Expected::default() }, SEED)
}

fn first_code(report: &Report) -> Code {
    report.problems.first().unwrap().code
}

#[test]
fn a_record_that_says_it_is_huge_is_not_waited_for() {
    let mut bytes = Archive::begin(TIME).bytes().to_vec();
    bytes.extend(tar::head(&format!("{}{DATA_SUFFIX}", "0".repeat(64)), limits::BEL_RECORD_BYTES + 1, TIME).unwrap());
    assert_eq!(first_code(&check(&bytes)), Code::TooLarge);
    let at = bytes.len() - 512 + 124;
    bytes[at..at + 11].copy_from_slice(b"-0000000001");
    assert_eq!(first_code(&check(&bytes)), Code::TarHeader);
}

#[test]
fn json_that_grows_in_memory_is_refused() {
    let world = World::new(&[question(&["可"], false, 0, 1)], &[1]);
    let nested = "[".repeat(100_000) + &"]".repeat(100_000);
    let many = format!("[{}\"\"]", "\"\",".repeat(limits::BEL_VALUES));
    for (bomb, code) in [(nested, Code::Unreadable), (many, Code::TooLarge)] {
        for place in 0..3 {
            let mut files =
                [world.parts.election.clone(), world.parts.trustees.clone(), world.parts.credentials.clone()];
            files[place] = bomb.clone().into_bytes();
            let mut archive = Archive::begin(TIME);
            archive.set_up(&files[0], &files[1], &files[2]);
            assert_eq!(first_code(&check(archive.bytes())), code, "file {place}");
        }
        let mut parts = world.parts.clone();
        parts.ballots = vec![bomb.into_bytes()];
        assert_eq!(first_code(&check(parts.voting().bytes())), code, "a ballot");
    }
}

#[test]
fn data_that_nobody_speaks_of_are_not_kept_and_problems_are_not_told_without_end() {
    let mut bytes = Archive::begin(TIME).bytes().to_vec();
    for number in 0..1_000 {
        let body = format!("{number}").into_bytes();
        bytes.extend(tar::record(&format!("{}{DATA_SUFFIX}", hex_digest(&body)), &body, TIME).unwrap());
    }
    let report = check(&bytes);
    assert_eq!(report.problems.len(), limits::BEL_PROBLEMS);
    assert!(report.problems.iter().all(|problem| problem.code == Code::UnusedData));
    assert_eq!(report.more_problems as usize, 1_000 - limits::BEL_DATA_WAITING - limits::BEL_PROBLEMS + 1);
}
