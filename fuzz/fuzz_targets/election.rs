//! Rules, ballots and facts of an election: whatever is written, it is refused with a reason, or counted so that its numbers add up.
#![no_main]

use hagaki::definition::{ballots_file, election_file, facts_file};
use hagaki::domain::election::{Facts, count};
use libfuzzer_sys::fuzz_target;

/// The ballots stand behind a line of this, the facts behind another.
const APART: &str = "\n%%%%\n";

fuzz_target!(|raw: &[u8]| {
    let Ok(text) = std::str::from_utf8(raw) else { return };
    let mut parts = text.split(APART);
    let mut next = || parts.next().unwrap_or_default();
    let election = match election_file::read("election.toml", next()) {
        Ok((election, _)) => election,
        Err(problems) => return assert!(!problems.is_empty(), "refused without a reason"),
    };
    let ballots = match ballots_file::read("ballots.csv", next().as_bytes(), &election) {
        Ok(ballots) => ballots,
        Err(problems) => return assert!(!problems.is_empty(), "refused without a reason"),
    };
    let facts = facts_file::read("facts.toml", next(), &election).unwrap_or_else(|problems| {
        assert!(!problems.is_empty(), "refused without a reason");
        Facts::default()
    });
    let Ok(outcome) = count(&election, &facts, &ballots) else { return };
    for counted in outcome.contests.iter().flat_map(|own| &own.counted) {
        let numbers = &counted.numbers;
        let sum = numbers.blank.ballots.saturating_add(numbers.all_invalid().ballots).saturating_add(numbers.valid.ballots);
        assert_eq!(sum, numbers.cast.ballots);
        for race in &counted.races {
            let open = race.undecided.as_ref().map_or(0, |open| open.seats);
            assert_eq!(race.elected.len() as u32 + race.vacant + open, race.seats);
        }
    }
});
