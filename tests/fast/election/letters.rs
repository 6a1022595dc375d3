//! Which letters of an election are due when, what small districts tell, and what is said of `[letters]` that are wrong.

use std::collections::BTreeMap;

use hagaki::definition::{ballots_file, election_file, outcome_file, samples};
use hagaki::domain::election::letters::{Letters, Occasion, Round};
use hagaki::domain::election::phase::{Standing, Step, Unlawful};
use hagaki::domain::language::Language;
use hagaki::domain::time::Zone;
use hagaki::letters::Stationery;
use hagaki::letters::facts::{ElectionResult, Facts as Told, Head};
use hagaki::letters::{Kind, Letter, samples as letters};
use hagaki::workflow::election::recorded;

use super::*;

const LETTERS: &str =
    "\n[letters]\nnotice = true\ncredentials = true\nremind_days_before = [7, 1]\nreceipts = true\nresult = true\n";

fn zone() -> Zone {
    Zone::find("Asia/Tokyo").unwrap()
}

fn at(shown: &str) -> Instant {
    zone().parse_moment(shown).unwrap()
}

/// The sample with letters; by itself, so that its clocks show UTC.
fn lettered(section: &str) -> Result<Election, String> {
    let rules = format!("{}{section}", samples::council().file("election.toml").unwrap());
    election_file::read("election.toml", &rules).map(|(election, _)| election).map_err(|found| format!("{found:?}"))
}

fn due(election: &Election, taken: &[Step], shown: &str, begun: &[Round]) -> Vec<String> {
    let mut own = election.clone();
    // The sample is read in UTC here; its moments are those of Tokyo.
    own.terms.opens = at("2027-01-12 09:00");
    own.terms.closes = at("2027-01-31 17:00");
    own.terms.objections_until = Some(at("2026-12-25 17:00"));
    let standing = Standing { terms: &own.terms, taken: taken.iter().copied().collect(), now: at(shown) };
    own.letters.due(&standing, zone(), begun).into_iter().map(Round::key).collect()
}

#[test]
fn each_round_is_due_in_its_time() {
    let election = lettered(LETTERS).unwrap();
    assert_eq!(election.letters.remind_days_before, [7, 1]);
    let all = [Step::Objection, Step::Open, Step::Close, Step::Record, Step::Certify];
    let expected: [(&str, usize, &[&str]); 11] = [
        ("2026-12-01 09:00", 0, &[]),
        ("2026-12-01 09:00", 1, &["notice"]),
        ("2027-01-11 09:00", 2, &["notice"]),
        ("2027-01-12 09:00", 2, &["notice", "credentials"]),
        ("2027-01-13 00:00", 2, &["notice", "credentials", "receipts:2027-01-13"]),
        ("2027-01-24 08:59", 2, &["notice", "credentials", "receipts:2027-01-24"]),
        ("2027-01-24 09:00", 2, &["notice", "credentials", "reminder:2027-01-24", "receipts:2027-01-24"]),
        // A daemon that was away makes up for the last one alone.
        ("2027-01-31 10:00", 2, &["notice", "credentials", "reminder:2027-01-30", "receipts:2027-01-31"]),
        ("2027-01-31 17:00", 3, &["receipts:2027-01-31"]),
        ("2027-02-20 00:00", 5, &["receipts:2027-02-01", "result"]),
        ("2027-07-30 17:00", 5, &["receipts:2027-02-01", "result", "deletion"]),
    ];
    for (shown, taken, rounds) in expected {
        assert_eq!(due(&election, &all[..taken], shown, &[]), rounds, "{shown}");
    }
    let begun = [Round::Notice, Round::Credentials, Round::Receipts("2027-01-13".parse().unwrap())];
    assert_eq!(due(&election, &all[..2], "2027-01-13 12:00", &begun), [""; 0]);
    let silent = lettered("").unwrap();
    assert_eq!(silent.letters, Letters::default());
    assert_eq!(due(&silent, &all, "2027-07-30 17:00", &[]), ["deletion"], "what is promised to be deleted is");
    // Before the result stands nothing is deleted.
    assert_eq!(due(&silent, &all[..3], "2028-01-01 00:00", &[]), [""; 0]);
}

#[test]
fn rounds_and_occasions_have_names() {
    let day = "2027-01-24".parse().unwrap();
    for round in
        [Round::Notice, Round::Credentials, Round::Reminder(day), Round::Receipts(day), Round::Result, Round::Deletion]
    {
        assert_eq!(Round::find(&round.key()), Some(round));
    }
    for own in [
        Occasion::Notice,
        Occasion::Credential,
        Occasion::Renewed,
        Occasion::Reminder(day),
        Occasion::Receipt,
        Occasion::Result,
    ] {
        assert_eq!(Occasion::find(&own.key()), Some(own));
    }
    assert_eq!((Round::find("reminder:soon"), Occasion::find("deletion")), (None, None));
    let terms = election(Vec::new()).terms;
    let standing = Standing { terms: &terms, taken: Default::default(), now: Instant(0) };
    assert_eq!(Round::Notice.may_go(&standing), Err(Unlawful::Before(Step::Open)));
}

#[test]
fn slips_in_letters_are_told() {
    for (section, said) in [
        ("\n[letters]\nremind_days_before = [30]\n", "no votes are taken"),
        ("\n[letters]\nremind_days_before = [7, 7]\n", "names 7 twice"),
        ("\n[letters]\nremind_days_before = [0]\n", "no whole number from 1 up"),
        ("\n[letters]\nremind_days_before = 7\n", "write a list of whole numbers"),
        ("\n[letters]\nremind_at = \"noon\"\n", "is no time of day"),
        ("\n[letters]\nreminders = [7]\n", "remind"),
    ] {
        let told = lettered(section).unwrap_err();
        assert!(told.contains(said), "{section}: {told}");
    }
    let rules = samples::council().file("election.toml").unwrap().replacen("[terms]", "[terms]\nleast_ballots = 3", 1);
    let told = format!("{:?}", election_file::read("election.toml", &rules).unwrap_err());
    assert!(told.contains("has no reason"), "{told}");
    let rules =
        rules.replacen("least_ballots = 3", "least_ballots = 3\nleast_ballots_reason = \"decided by the board\"", 1);
    assert_eq!(election_file::read("election.toml", &rules).unwrap().0.terms.least_ballots, 3);
}

#[test]
fn few_ballots_of_a_district_are_kept_apart() {
    let council = lettered("").unwrap();
    let table = "contest,district,class,votes,write_in,invalid,count\ncouncil,east,,c01 c02,,,4\ncouncil,east,,c03,,,1\n\
                 council,west,,c06,,,3\ncouncil,west,,c07,,,1\n";
    let ballots = ballots_file::read("ballots.csv", table.as_bytes(), &council).unwrap();
    let (shown, withheld) = ballots_file::part(&ballots, 5);
    assert!(shown.contains("east") && !shown.contains("west") && shown.contains(",4\n"), "{shown}");
    assert!(withheld.contains("west") && !withheld.contains("east"), "{withheld}");
    let both = [&shown, &withheld].map(|own| ballots_file::read("one.csv", own.as_bytes(), &council).unwrap()).concat();
    let roll = ["east", "west"].map(|id| (Some(id.to_string()), 6));
    let facts = Facts { roll: roll.into_iter().collect(), ..Facts::default() };
    let outcome = count(&council, &facts, &both).unwrap();
    assert_eq!(outcome, count(&council, &facts, &ballots).unwrap());
    let of = |id: &str| {
        let own = outcome.contests.iter().find(|own| own.contest == "council").unwrap();
        own.counted.iter().find(|own| own.voters.as_deref() == Some(id)).unwrap().clone()
    };
    assert!(of("west").is_withheld(5) && !of("west").is_withheld(4) && !of("east").is_withheld(5));
    let (whole, none) = ballots_file::part(&ballots, 1);
    assert_eq!((whole.as_str(), none.as_str()), (table, ""));
}

#[test]
fn published_ballots_tell_of_few_neither_alone_nor_by_difference() {
    let council = lettered("").unwrap();
    let outcome = |president: u64, west: u64| {
        let told = format!(
            r#"{{"files":[],"complete":true,"contests":[
                {{"contest":"president","counted":[{{"voters":null,"numbers":{{"cast":{{"ballots":{president}}}}},"races":[]}}]}},
                {{"contest":"council","counted":[
                    {{"voters":"east","numbers":{{"cast":{{"ballots":6}}}},"races":[]}},
                    {{"voters":"west","numbers":{{"cast":{{"ballots":{west}}}}},"withheld":{},"races":[]}}]}}]}}"#,
            west < 5
        );
        outcome_file::read(&told).unwrap()
    };
    let table =
        "contest,district,class,votes,write_in,invalid,count\ncouncil,east,,c01,,,6\npresident,east,,c01+,,,6\n";
    let shown = ballots_file::read("ballots.csv", table.as_bytes(), &council).unwrap();
    // The ballots of the west lie apart, and the vote on the president tells them by difference.
    assert!(recorded::tells_of_few(&shown, &outcome(10, 4), 5) && recorded::tells_of_few(&shown, &outcome(7, 4), 5));
    for (president, west) in [(6, 4), (11, 5), (6, 6)] {
        assert!(!recorded::tells_of_few(&shown, &outcome(president, west), 5), "{president} {west}");
    }
    let few = format!("{table}council,west,,c06,,,4\n");
    let few = ballots_file::read("ballots.csv", few.as_bytes(), &council).unwrap();
    assert!(recorded::tells_of_few(&few, &outcome(6, 4), 5) && !recorded::tells_of_few(&few, &outcome(6, 4), 4));
}

#[test]
fn the_letter_with_the_result_withholds_what_the_count_does() {
    let council = lettered("").unwrap();
    let outcome = r#"{"files":[],"complete":true,"contests":[{"contest":"council","method":"plural","counted":[
        {"voters":"west","numbers":{"roll":6,"cast":{"ballots":4},"abstained":2},"withheld":true,
         "races":[{"district":"west","seats":2,"held":"plural","quorum_met":null,"elected":[{"candidate":"c06","moved_up":false}],
                   "vacant":1,"undecided":null,"depends_on":[]}]}]}]}"#;
    let read = outcome_file::read(outcome).unwrap();
    assert!(
        outcome_file::read("{}").is_err() && outcome_file::read(&outcome.replace("\"complete\":true,", "")).is_err()
    );
    let stationery = Stationery::load(&BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let head: Head = letters::sample(Kind::ElectionResult, Language::En).head;
    for language in Language::ALL {
        let facts = ElectionResult::new((&council, "council"), (&read, "00"), "https://example.jp", language);
        let own = &facts.counts[0];
        assert!(own.withheld && own.valid.is_empty() && own.races[0].standings.is_empty());
        let letter = Letter::new(language, head.clone(), Told::ElectionResult(facts));
        let text = stationery.compose(&letter).unwrap().text;
        let name = if language == Language::Ja { "加藤 浩" } else { "KATO Hiroshi" };
        assert!(text.contains(name) && text.contains('4') && !text.contains("valid "), "{text}");
    }
}
