//! Rules of elections as questions that can be added up while they are encrypted.

use hagaki::definition::election_file;
use hagaki::domain::belenios::questions::{Asked, Obstacle, Phrases, Unverifiable, questions};
use hagaki::domain::belenios::setup::Question;
use hagaki::domain::election::Election;
use hagaki::domain::language::{Language, Text};

const COUNCIL: &str = include_str!("../../../config/studies/council/election.toml");

fn phrases() -> Phrases {
    let text = |ja: &str, en: &str| Text::new([(Language::Ja, ja.to_owned()), (Language::En, en.to_owned())]);
    Phrases { yes: text("信任", "Yes"), no: text("不信任", "No"), reject: text("(不信任のみ)", "(reject)") }
}

fn read(content: &str) -> Election {
    election_file::read("election.toml", content).unwrap().0
}

/// One contest with so many candidates.
fn rules(lines: &str, candidates: usize) -> Election {
    // Only as many as there are seats can be confirmed.
    let seats = if lines.contains("\"confidence\"") { candidates } else { 1 };
    let mut content = format!(
        "[terms]\nopens = \"2027-01-12 09:00\"\ncloses = \"2027-01-31 17:00\"\nseed = {{ en = \"a lottery\" }}\n\
         [[contests]]\nid = \"board\"\ntitle = {{ en = \"Board\" }}\nseats = {seats}\n{lines}\n"
    );
    for at in 1..=candidates {
        content += &format!("[[contests.candidates]]\nid = \"c{at}\"\nname = {{ en = \"Name {at}\" }}\n");
    }
    read(&content)
}

fn asked(rules: &Election, district: Option<&str>) -> Result<Vec<Asked>, Vec<Obstacle>> {
    questions(rules, district, &phrases(), &|text| text.in_language(Language::En).to_owned())
}

/// The one question of the one contest.
fn question(lines: &str, candidates: usize) -> Question {
    let mut asked = asked(&rules(lines, candidates), None).unwrap();
    assert_eq!(asked.len(), 1);
    asked.remove(0).question
}

fn obstacle(lines: &str, candidates: usize) -> Unverifiable {
    let obstacles = asked(&rules(lines, candidates), None).unwrap_err();
    assert_eq!((obstacles.len(), obstacles[0].contest.as_deref()), (1, Some("board")));
    assert!(obstacles[0].to_string().starts_with("board: "));
    obstacles[0].why.clone()
}

#[test]
fn the_sample_council_is_voted_on_by_district() {
    let rules = read(COUNCIL);
    let without = asked(&rules, None).unwrap_err();
    assert_eq!(without, [Obstacle { contest: Some("council".to_owned()), why: Unverifiable::District }]);
    let west = asked(&rules, Some("west")).unwrap();
    let ids: Vec<&str> = west.iter().map(|own| own.contest.as_str()).collect();
    assert_eq!(ids, ["president", "council"]);
    assert_eq!(west[0].question.question, "Vote of confidence in the president: AOKI Keiko");
    assert_eq!(west[0].question.answers, ["Yes", "No"]);
    assert_eq!(west[1].candidates, ["c06", "c07", "c08", "c09", "c10"]);
    let council = &west[1].question;
    assert_eq!((council.min, council.max, council.blank), (1, 2, true));
    assert_eq!(council.answers[0], "KATO Hiroshi");
}

#[test]
fn a_district_that_has_to_choose_is_asked_of_everybody() {
    // Ten stand for ten seats; in the west there are five for four.
    let rules = COUNCIL.replace("names = \"own\"", "names = \"all\"");
    let rules = read(&rules.replace("seats = { east = 2, west = 2 }", "seats = { east = 6, west = 4 }"));
    let council = asked(&rules, None).unwrap().pop().unwrap();
    assert_eq!((council.contest.as_str(), council.question.answers.len()), ("council", 5));
    assert_eq!(council.candidates, ["c06", "c07", "c08", "c09", "c10"]);
}

#[test]
fn each_method_has_its_bounds() {
    let bounds = |own: &Question| (own.min, own.max, own.blank);
    assert_eq!(bounds(&question("method = \"single\"\ntie = [\"lot\"]", 3)), (1, 1, true));
    assert_eq!(bounds(&question("method = \"single\"\nblank = false\ntie = [\"lot\"]", 3)), (1, 1, false));
    assert_eq!(bounds(&question("method = \"approval\"\ntie = [\"lot\"]", 4)), (1, 4, true));
    let plural = |rest: &str| question(&format!("method = \"plural\"\ntie = [\"lot\"]\n{rest}"), 6);
    assert_eq!(bounds(&plural("max = 3")), (1, 3, true));
    // Whoever asks for two means it; where fewer count all the same, one is enough.
    assert_eq!(bounds(&plural("min = 2\nmax = 3")), (2, 3, true));
    assert_eq!(bounds(&plural("min = 2\nmax = 3\nunder = \"valid\"")), (1, 3, true));
    let reject =
        question("method = \"confidence\"\nconfidence = { style = \"reject\", more_than = \"1/2\", of = \"cast\" }", 3);
    assert_eq!((bounds(&reject), reject.question.as_str()), ((0, 3, false), "Board (reject)"));
    let informed = asked(&rules("method = \"confidence\"\nblank = false", 2), None).unwrap();
    // Somebody marks one and not the other.
    assert_eq!(informed.iter().map(|own| bounds(&own.question)).collect::<Vec<_>>(), [(1, 1, true); 2]);
    assert_eq!(bounds(&question("method = \"confidence\"\nblank = false", 1)), (1, 1, false));
}

#[test]
fn what_cannot_be_added_up_is_refused_with_its_reason() {
    let with = |method: &str| format!("method = {method}\ntie = [\"lot\"]");
    assert_eq!(obstacle(&with("\"schulze\""), 3), Unverifiable::Ranked);
    assert_eq!(obstacle(&with("\"stv\""), 3), Unverifiable::Ranked);
    assert_eq!(obstacle(&with("\"single\"\nwrite_in = 1"), 3), Unverifiable::WriteIn);
    assert_eq!(obstacle(&with("\"single\""), 51), Unverifiable::Candidates(51));
    assert_eq!(question(&with("\"single\""), 50).answers.len(), 50);
    let of_valid = "method = \"confidence\"\nconfidence = { more_than = \"1/2\", of = \"valid\" }";
    assert_eq!(obstacle(of_valid, 2), Unverifiable::Valid);
    assert_eq!(question(of_valid, 1).answers.len(), 2);
    let none = rules("method = \"single\"\ntie = [\"lot\"]\nuncontested = \"elected\"", 1);
    assert_eq!(asked(&none, None), Err(vec![Obstacle { contest: None, why: Unverifiable::Nothing }]));
}

#[test]
fn two_of_one_name_are_told_apart() {
    let mut rules = rules("method = \"single\"\ntie = [\"lot\"]", 3);
    rules.contests[0].candidates[2].name = rules.contests[0].candidates[0].name.clone();
    let answers = asked(&rules, None).unwrap().remove(0).question.answers;
    assert_eq!(answers, ["Name 1 (c1)", "Name 2", "Name 1 (c3)"]);
}
