//! `hagaki election tally`, as a returning officer types it.

use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cli::Place;

const COUNCIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies/council");
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/election/council");

/// The files of the sample election beside each other, as they are handed over.
fn package() -> Place {
    let place = Place::keyless();
    for (from, to) in [(COUNCIL, "election.toml"), (DATA, "ballots.csv"), (DATA, "facts.toml")] {
        fs::copy(format!("{from}/{to}"), place.path(to)).unwrap();
    }
    place
}

const TALLY: &str = "election tally --rule election.toml --ballots ballots.csv";

fn edit(place: &Place, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(place.path(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    place.write(file, &text.replacen(from, to, 1));
}

#[test]
fn the_council_is_counted() {
    let place = package();
    insta::assert_snapshot!(place.ends(0, &format!("{TALLY} --facts facts.toml")).out);
    let told = place.ends(0, &format!("{TALLY} --facts facts.toml --json")).json();
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&told).unwrap());
}

/// A returning officer opens the count, draws the lot that it asks for, and hears that somebody declines.
#[test]
fn a_returning_officer_counts() {
    let place = package();
    let line = format!("{TALLY} --facts facts.toml");
    edit(&place, "facts.toml", "seed = \"04 12 19 23 38 41\"\n", "");
    edit(&place, "election.toml", "born = 1980-05-16", "born = 1959-07-07");
    edit(&place, "election.toml", "incumbent = true\nstatement = { ja = \"診療", "statement = { ja = \"診療");
    edit(&place, "ballots.csv", "council,west,c07 c08,,7", "council,west,c08,,2\ncouncil,west,c07,,1");
    // c06 and c08 are equal for the last seat of the west, and were born on one day.
    edit(&place, "ballots.csv", "council,west,c06 c07,,8", "council,west,c06 c07,,3");
    edit(&place, "ballots.csv", "council,west,c07 c09,,4", "council,west,c07,,7");
    let ran = place.ends(1, &line);
    assert!(ran.out.contains("NOT DECIDED YET: council, west"), "{}", ran.out);
    assert!(ran.err.contains("not decided yet: council, west:") && ran.err.contains("(--seed)"), "{}", ran.err);
    let undecided = place.ends(1, &format!("{line} --json")).json();
    assert_eq!(undecided["complete"], json!(false));
    // On 1 February the lottery is drawn.
    let drawn = place.run("election tally --rule election.toml --ballots ballots.csv --facts facts.toml --seed 041219");
    assert_eq!(drawn.code, 0, "{}{}", drawn.out, drawn.err);
    let lots: Vec<&str> = drawn.out.lines().filter(|line| line.contains("lot|041219|council|")).collect();
    assert_eq!(lots.len(), 2, "{}", drawn.out);
    for line in lots {
        let (input, digest) = line.trim().split_once(": ").unwrap();
        let sum = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(input.as_bytes()));
        assert_eq!(sum, digest);
    }
    // c02 will not serve: whoever comes next in the east moves up.
    edit(&place, "facts.toml", "roll", "seed = \"041219\"\nroll");
    let facts = fs::read_to_string(place.path("facts.toml")).unwrap();
    place.write("facts.toml", &format!("{facts}[[declined]]\ncontest = \"council\"\ncandidate = \"c02\"\n"));
    let ran = place.ends(0, &line);
    assert!(ran.out.contains("declined: c02 (ISHII Ken)"), "{}", ran.out);
    assert!(ran.out.contains("moved up"), "{}", ran.out);
}

/// Of few ballots of a district people are told what programs are: who is elected, and which seats nobody gets.
#[test]
fn few_ballots_are_withheld_from_people_and_programs_alike() {
    let place = package();
    let table = "contest,district,class,votes,write_in,invalid,count\ncouncil,west,,c06,,,2\ncouncil,west,,c07,,,1\n";
    place.write("ballots.csv", table);
    let line = format!("{TALLY} --facts facts.toml");
    let out = place.ends(0, &line).out;
    let (_, west) = out.split_once("== council, west").unwrap();
    assert!(west.contains("ELECTED: c06 (KATO Hiroshi)\nvacant: 1 seat\n") && !west.contains("c07"), "{out}");
    let told = place.ends(0, &format!("{line} --json")).json();
    let race = &told["contests"][1]["counted"][1]["races"][0];
    assert_eq!((&race["vacant"], &race["runners_up"], &race["standings"]), (&json!(1), &Value::Null, &Value::Null));
}

#[test]
fn no_ballots_are_counted_twice() {
    let place = package();
    fs::copy(place.path("ballots.csv"), place.path("again.csv")).unwrap();
    for other in ["ballots.csv", "again.csv"] {
        let ran = place.ends(1, &format!("{TALLY} --ballots {other} --facts facts.toml"));
        assert!(ran.err.contains("would count twice"), "{}", ran.err);
    }
    fs::create_dir(place.path("out")).unwrap();
    fs::rename(place.path("ballots.csv"), place.path("out/ballots.csv")).unwrap();
    let told = place.ends(0, "election tally --rule election.toml --ballots out/ballots.csv --facts facts.toml --json");
    assert_eq!(told.json()["files"][2]["file"], json!("ballots.csv"), "{}", told.out);
}

/// Whatever order its lines have, and whatever program wrote them, a package gives one outcome.
#[test]
fn a_package_of_another_program_gives_the_same() {
    let place = package();
    let line = format!("{TALLY} --facts facts.toml --json");
    let without_files = |mut told: Value| {
        told["files"] = Value::Null;
        told
    };
    let before = without_files(place.ends(0, &line).json());
    let text = fs::read_to_string(place.path("ballots.csv")).unwrap();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines[1..].reverse();
    // Excel in Japan: CP932, tabs, and full-width signs where somebody typed them.
    let table = lines.join("\r\n").replace(',', "\t").replace("c01+", "ｃ０１＋").replace("signed", "署名あり");
    fs::write(place.path("ballots.csv"), encoding_rs::SHIFT_JIS.encode(&table).0).unwrap();
    assert_eq!(without_files(place.ends(0, &line).json()), before);
    // Each ballot in a line of its own.
    let alone: String = lines[1..]
        .iter()
        .flat_map(|line| {
            let (ballot, count) = line.rsplit_once(',').unwrap();
            vec![format!("{ballot}\n"); count.parse().unwrap()]
        })
        .collect();
    place.write("ballots.csv", &format!("contest,district,votes,invalid\n{alone}"));
    assert_eq!(without_files(place.ends(0, &line).json()), before);
}

#[test]
fn what_is_not_understood_is_refused_with_its_line() {
    let place = package();
    let line = format!("{TALLY} --facts facts.toml");
    let mut report = String::new();
    for (from, to) in [
        ("contest,district", "contest,distrikt"),
        ("contest,district", "contest,contest"),
        ("contest,district,votes,invalid,count", "contest,votes,invalid,count,write_in"),
        ("president,east,c01+,,24", "presidents,east,c01+,,24"),
        ("president,east,c01+,,24", ",east,c01+,,24"),
        ("president,east,c01+,,24", "president,,c01+,,24"),
        ("president,east,c01+,,24", "president,north,c01+,,24"),
        ("president,east,c01+,,24", "president,east,c01,,24"),
        ("president,east,c01+,,24", "president,east,c02+,,24"),
        ("president,east,c01+,,24", "president,east,c01+,,0"),
        ("president,east,c01+,,24", "president,east,c01+,,"),
        ("president,east,c01+,,24", "president,east,c01+,,many"),
        ("president,east,c01+,,24", "president,east,c01+,24"),
        ("council,east,c01 c02,,9", "council,east,c01 c2,,9"),
        ("council,east,c01 c02,,9", "council,east,c01 > c02,,9"),
        ("president,east,c01+,,24", "president,east,c01+,,124"),
    ] {
        let text = fs::read_to_string(format!("{DATA}/ballots.csv")).unwrap();
        assert!(text.contains(from), "{from}");
        place.write("ballots.csv", &text.replacen(from, to, 1));
        report.push_str(&format!("{from} → {to}\n{}", place.ends(1, &line).err));
    }
    place.write("ballots.csv", "");
    report.push_str(&format!("nothing\n{}", place.ends(1, &line).err));
    fs::write(place.path("ballots.csv"), b"votes\n\xff\xfe\n").unwrap();
    report.push_str(&format!("no text\n{}", place.ends(1, &line).err));
    insta::assert_snapshot!(report);
}

#[test]
fn a_blank_ballot_is_no_empty_line() {
    let place = Place::keyless();
    place.write(
        "election.toml",
        "[terms]\nopens = \"2027-01-12 09:00\"\ncloses = \"2027-01-31 17:00\"\n[[contests]]\nid = \"p\"\ntitle = \"P\"\nseats = 1\n\
         method = \"single\"\ntie = [\"decision\"]\n[[contests.candidates]]\nid = \"a\"\nname = \"A\"\n\
         [[contests.candidates]]\nid = \"b\"\nname = \"B\"\n",
    );
    place.write("ballots.csv", "votes\na\n\nb\na\n");
    assert!(place.ends(1, TALLY).err.contains("ballots.csv:3: votes: is an empty line"));
    place.write("ballots.csv", "votes\na\n\"\"\nb\na\n");
    let told = place.ends(0, &format!("{TALLY} --json")).json();
    assert_eq!(told["contests"][0]["counted"][0]["numbers"]["blank"]["ballots"], 1);
}

#[test]
fn facts_that_are_wrong_are_told() {
    let place = package();
    let line = format!("{TALLY} --facts facts.toml");
    let roll = "roll = { east = 40, west = 45 }\n";
    let mut report = String::new();
    for facts in [
        "sead = \"1\"\n".to_owned() + roll,
        "seed = \" 1\"\nroll = 85\n".to_owned(),
        "seed = \"1\u{200B}\"\n".to_owned() + roll,
        "roll = { east = 40, north = 45 }\n".to_owned(),
        roll.to_owned()
            + "[[declined]]\ncontest = \"counsil\"\ncandidate = \"c01\"\n[[declined]]\ncontest = \"council\"\n",
        roll.to_owned()
            + "[[declined]]\ncontest = \"council\"\ncandidate = \"c11\"\n[[declined]]\ncontest = \"council\"\ncandidate = \"+X\"\n",
        roll.to_owned()
            + "[[decided]]\ncontest = \"council\"\norder = [\"c01\", \"c01\"]\n[[decided]]\ncontest = \"council\"\norder = [\"c01\"]\n",
        roll.to_owned() + "[[written]]\ncontest = \"council\"\nnames = [\"X\"]\nmeans = \"c01\"\nvoid = true\n",
        "roll = { east = 29, west = 45 }\n".to_owned(),
        "# nothing is known\n".to_owned(),
    ] {
        place.write("facts.toml", &facts);
        report.push_str(&format!("{facts}{}\n", place.ends(1, &line).err));
    }
    insta::assert_snapshot!(report);
    place.write("facts.toml", &format!("seed = \"1\"\n{roll}"));
    assert!(place.ends(1, &format!("{line} --seed 2")).err.contains("name another seed"));
    place.ends(0, &format!("{line} --seed 1"));
}

#[test]
fn each_end_has_its_code() {
    let place = package();
    place.ends(3, "election tally --rule nosuch.toml --ballots ballots.csv");
    place.ends(3, "election tally --rule election.toml --ballots nosuch.csv");
    place.ends(2, "election tally --rule election.toml");
    let broken = place.write("broken.toml", "[[contests]]\nid = \"x\"\n");
    let ran = place.ends(1, &format!("election tally --rule {broken} --ballots ballots.csv --json"));
    assert!(
        ran.json()["refused"].as_str().unwrap().contains("broken.toml:1: contests[1].method: is missing"),
        "{}",
        ran.out
    );
    let help = place.ends(0, "election tally --help").out;
    assert!(help.contains("lot|SEED|CONTEST|CANDIDATE") && help.contains("write_in"), "{help}");
}

#[test]
fn rankings_weights_and_written_names_are_told() {
    let place = Place::keyless();
    place.write(
        "election.toml",
        "[terms]\nopens = \"2027-01-12 09:00\"\ncloses = \"2027-01-31 17:00\"\n\
         [[classes]]\nid = \"full\"\nweight = 2\n[[classes]]\nid = \"student\"\nweight = 1\n\
         [[contests]]\nid = \"site\"\ntitle = \"Where we meet\"\nseats = 1\nmethod = \"schulze\"\ntie = [\"decision\"]\n\
         [[contests.candidates]]\nid = \"kyoto\"\nname = \"Kyoto\"\n[[contests.candidates]]\nid = \"sendai\"\nname = \"Sendai\"\n\
         [[contests.candidates]]\nid = \"naha\"\nname = \"Naha\"\n\
         [[contests]]\nid = \"board\"\ntitle = \"Board\"\nseats = 2\nmethod = \"stv\"\ntie = [\"decision\"]\nrunners_up = {}\n\
         [[contests.candidates]]\nid = \"a\"\nname = \"A\"\n[[contests.candidates]]\nid = \"b\"\nname = \"B\"\n\
         [[contests.candidates]]\nid = \"c\"\nname = \"C\"\n[[contests.candidates]]\nid = \"d\"\nname = \"D\"\n\
         [[contests]]\nid = \"auditor\"\ntitle = \"Auditor\"\nseats = 1\nmethod = \"single\"\nwrite_in = 1\ntie = [\"decision\"]\n\
         [[contests.candidates]]\nid = \"x\"\nname = \"X\"\n",
    );
    place.write(
        "ballots.csv",
        "contest;class;votes;write_in;count\n\
         site;full;kyoto > sendai = naha;;3\nsite;student;naha > kyoto;;4\nsite;student;sendai;;1\n\
         board;full;a > b > c > d;;8\nboard;full;a > c > b > d;;12\nboard;student;d > a > b > c;;17\n\
         auditor;full;x;;2\nauditor;full;;山田 太郎;2\nauditor;student;;ヤマダ;1\nauditor;student;;山田太郎;1\nauditor;student;x;誰か;1\n",
    );
    place.write("facts.toml", "[[written]]\ncontest = \"auditor\"\nnames = [\"ヤマダ\"]\nmeans = \"+山田 太郎\"\n");
    insta::assert_snapshot!(place.ends(0, &format!("{TALLY} --facts facts.toml")).out);
    let told = place.ends(0, &format!("{TALLY} --facts facts.toml --json")).json();
    assert_eq!(
        told["contests"][0]["counted"][0]["races"][0]["detail"]["order"],
        json!([["kyoto"], ["naha"], ["sendai"]])
    );
    assert_eq!(told["contests"][1]["counted"][0]["races"][0]["detail"]["quota"], "20");
    assert_eq!(told["contests"][2]["counted"][0]["races"][0]["elected"][0]["candidate"], "+山田 太郎");
}

#[test]
fn an_election_needs_a_key() {
    let place = Place::keyless();
    let ran = place.ends(1, &format!("study activate {COUNCIL} --reason go"));
    assert!(ran.err.contains("roll and votes are sealed") && ran.err.contains("key make"), "{}", ran.err);
    assert_eq!(place.ends(0, "study list --json").out, "");
    let place = Place::new();
    place.ends(0, &format!("study activate {COUNCIL} --production --reason go"));
    let checked = place.ends(0, &format!("check {COUNCIL} --json")).json();
    assert_eq!((&checked["sound"], &checked["problems"].as_array().unwrap().len()), (&json!(true), &0));
    // A mail to it is read, and asks for nothing that there is.
    let mail = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/mail/001-ascii-english.eml");
    let ran = place.run(&format!("read --bundle {COUNCIL} --json {mail}"));
    assert!([0, 1].contains(&ran.code) && !ran.err.contains("panicked"), "{}{}", ran.out, ran.err);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// The lines of a package may be shuffled, and the candidates of the rules as well.
    #[test]
    fn a_shuffled_package_gives_the_same_outcome(ballots in Just(ballot_lines()).prop_shuffle(), rules in Just(candidates()).prop_shuffle()) {
        let place = package();
        let line = format!("{TALLY} --facts facts.toml --json");
        let contests = |told: &Value| told["contests"].clone();
        let before = contests(&place.ends(0, &line).json());
        place.write("ballots.csv", &format!("contest,district,votes,invalid,count\n{}\n", ballots.join("\n")));
        let text = fs::read_to_string(place.path("election.toml")).unwrap();
        let (head, _) = split_candidates(&text);
        place.write("election.toml", &format!("{head}{}", rules.concat()));
        prop_assert_eq!(contests(&place.ends(0, &line).json()), before);
    }
}

fn ballot_lines() -> Vec<String> {
    let text = fs::read_to_string(format!("{DATA}/ballots.csv")).unwrap();
    text.lines().skip(1).filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// The rules up to the council's candidates, and these.
fn split_candidates(text: &str) -> (String, Vec<String>) {
    let at = text.rfind("yields_to").unwrap();
    let (head, tail) = text.split_at(at);
    let (line, rest) = tail.split_once('\n').unwrap();
    let each = rest.split("[[contests.candidates]]").skip(1).map(|own| format!("[[contests.candidates]]{own}\n"));
    (format!("{head}{line}\n"), each.collect())
}

fn candidates() -> Vec<String> {
    split_candidates(&fs::read_to_string(format!("{COUNCIL}/election.toml")).unwrap()).1
}
