//! Rules, ballots, facts and roll of an election: whatever is written, it is refused with a reason, or counted so that its numbers add up;
//! what was read is written so that it is read again.
#![no_main]

use hagaki::definition::csv_file::Charset;
use hagaki::definition::{ballots_file, election_file, facts_file, roll_file};
use hagaki::domain::election::{Facts, count, roll};
use hagaki::domain::language::Language;
use libfuzzer_sys::fuzz_target;

/// The ballots stand behind a line of this, the facts behind another, the roll behind a third.
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
    let table = ballots_file::write(&ballots);
    // Lines that are alike are added up, and may be more than one line may say.
    if let Ok(again) = ballots_file::read("ballots.csv", table.as_bytes(), &election) {
        assert_eq!(table, ballots_file::write(&again));
    }
    match roll_file::read("roll.csv", next().as_bytes(), Charset::Guessed, &election, &Language::ALL) {
        Ok(read) => {
            assert!(read.iter().all(|entry| entry.check(&election).is_ok()));
            assert_eq!(roll::lines(&read).lines().count(), read.len());
        }
        Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
    }
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
