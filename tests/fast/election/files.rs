//! What `election.toml` says, and what is said of one that is wrong.

use std::collections::BTreeMap;

use hagaki::definition::election_file;
use hagaki::definition::{self, Bundle, samples};

use super::*;
use crate::randomization::{problems, told};

const E: &str = "election.toml";
const S: &str = "study.toml";

fn council() -> Election {
    definition::load(&samples::council()).unwrap_or_else(|problems| panic!("{problems:#?}")).0.election.unwrap()
}

/// The sample with that text in place of its rules.
fn with(rules: &str) -> Bundle {
    let mut files = samples::council().files().clone();
    files.insert(E.to_owned(), rules.to_owned());
    Bundle::from_files(files)
}

#[test]
fn the_sample_has_its_rules() {
    let election = council();
    let ids: Vec<&str> = election.contests.iter().map(|own| own.id.as_str()).collect();
    assert_eq!((ids, election.districts.len()), (vec!["president", "council"], 2));
    let council = election.find("council").unwrap();
    assert_eq!(council.candidates.len(), 10);
    assert!(council.candidates.iter().all(|own| own.statement.as_ref().unwrap().wordings().count() == 2));
    assert_eq!((council.seats.of(Some("west")), council.seats.of(None)), (2, 4));
    assert_eq!(council.tie, [TieRule::Elder, TieRule::Lot]);
    assert_eq!(council.yields_to, ["president"]);
    assert_eq!(council.naming(), Some(up_to(2)));
    let president = election.find("president").unwrap();
    assert_eq!(president.method, Method::Confidence);
    assert_eq!(president.confidence.pass, share(Bound::MoreThan, "1/2", Base::Marks));
    // Nine in the morning in Tokyo.
    assert_eq!(Some(election.terms.opens), Instant::parse_rfc3339("2027-01-12T00:00:00Z"));
    assert!(!election.terms.revote && election.terms.shuffled);
}

#[test]
fn the_same_file_by_itself_has_the_same_rules() {
    let (alone, warnings) = election_file::read(E, samples::council().file(E).unwrap()).unwrap();
    assert_eq!(warnings, []);
    let study = council();
    assert_eq!((alone.contests, alone.districts), (study.contests, study.districts));
}

#[test]
fn a_file_of_comments_is_no_election() {
    let bundle = with("# [[contests]]\n\n");
    let said = problems(&bundle);
    assert!(said.iter().any(|one| one.contains("registration: is missing")), "{said:?}");
    let mut files = samples::template().files().clone();
    files.insert(E.to_owned(), "# nothing yet\n".to_owned());
    assert!(definition::load(&Bundle::from_files(files)).unwrap().0.election.is_none());
}

#[test]
fn an_election_stands_alone_in_its_study() {
    for sample in [samples::aurora(), samples::members(), samples::somnus()] {
        let mut files: BTreeMap<String, String> = sample.files().clone();
        files.insert(E.to_owned(), samples::council().file(E).unwrap().to_owned());
        let said = problems(&Bundle::from_files(files));
        assert!(said.iter().any(|one| one.contains("and holds an election — make a study of its own")), "{said:#?}");
    }
    let mut files = samples::council().files().clone();
    files.insert("schedule.toml".to_owned(), "zone = \"study\"\n".to_owned());
    let said = problems(&Bundle::from_files(files));
    assert!(said.iter().any(|one| one.starts_with("schedule.toml: the study holds an election")), "{said:#?}");
}

#[test]
fn slips_are_told() {
    const ALL: &str = "method = \"plural\"\n# Fewest";
    insta::assert_snapshot!(told(
        &samples::council(),
        &[
            (E, "[terms]", "[term]"),
            (E, "opens = \"2027-01-12 09:00\"", "opens = 2027-01-12T09:00:00"),
            (E, "opens = \"2027-01-12 09:00\"", "opens = \"2027-01-12\""),
            (E, "closes = \"2027-01-31 17:00\"", "closes = \"2026-01-31 17:00\""),
            (E, "objections_until = \"2026-12-25 17:00\"", "objections_until = \"2027-01-15 17:00\""),
            (E, "additions_until = \"2027-01-24 17:00\"", "additions_until = \"2027-02-24 17:00\""),
            (E, "revote = false", "revotes = false"),
            (E, "order = \"random\"", "order = \"alphabet\""),
            (E, "seed = {", "# seed = {"),
            (E, "delete_after_days = 180", "delete_after_days = 99999"),
            (E, "name = { ja = \"西日本\", en = \"West\" }", "name = { ja = \"西日本\" }"),
            (E, "id = \"west\"\nname", "id = \"East\"\nname"),
            (E, "[[districts]]\nid = \"west\"\nname = { ja = \"西日本\", en = \"West\" }", ""),
            (
                E,
                "[[contests]]\nid = \"president\"",
                "[[classes]]\nid = \"full\"\nweight = 2000\n[[contests]]\nid = \"president\""
            ),
            (
                E,
                "[[contests]]\nid = \"president\"",
                "[[classes]]\nid = \"full\"\nweight = 1\n[[contests]]\nid = \"president\""
            ),
            (E, "id = \"council\"", "id = \"president\""),
            (E, "seats = 1", "seats = 0"),
            (E, "seats = 1", "seats = 1\nnames = \"own\""),
            (E, "method = \"confidence\"", "method = \"confidense\""),
            (E, "method = \"confidence\"", "method = \"confidence\"\ntie = [\"lot\"]\nrunners_up = { keep = 1 }"),
            (
                E,
                "method = \"confidence\"",
                "method = \"confidence\"\nmax = 2\nrepeated = \"once\"\nequal_ranks = true\nquota = \"hare\""
            ),
            (E, "style = \"informed\", more_than", "style = \"reject\", at_least = \"1/2\", more_than"),
            (E, "more_than = \"1/2\", of = \"marks\"", "more_than = 1, of = \"mark\""),
            (E, "quorum = { at_least = \"1/3\"", "quorum = { at_least = \"4/3\""),
            (E, "quorum = { at_least = \"1/3\", count = \"cast\" }", "quorum = { count = \"all\" }"),
            (E, "seats = { east = 2, west = 2 }", "seats = { east = 2 }"),
            (E, "seats = { east = 2, west = 2 }", "seats = { east = 2, west = 2, north = 1 }"),
            (E, "seats = { east = 2, west = 2 }", "seats = { east = 2, west = \"two\" }"),
            (E, "seats = { east = 2, west = 2 }", "seats = { east = 5, west = 2 }\nwrite_in = -1"),
            (E, "names = \"own\"", "names = \"all\"\nwrite_in = 1"),
            (E, ALL, "method = \"schulze\"\n# Fewest"),
            (E, ALL, "method = \"stv\"\n# Fewest"),
            (E, ALL, "method = \"single\"\nunder = \"invalid\"\n# Fewest"),
            (E, "min = 1\nmax = 2", "min = 3\nmax = 2"),
            (E, "min = 1\nmax = 2", "min = 1"),
            (E, "min = 1\nmax = 2", "min = 6\nmax = 7"),
            (E, "min = 1\nmax = 2", "min = 1\nmax = 2\nunder = \"invalid\""),
            (E, "over = \"invalid\"", "over = \"last\""),
            (
                E,
                "over = \"invalid\"",
                "quotas = [{ group = \"clinical\", max = 1 }, { of = \"own\", min = 2, max = 1 }, { of = \"other\", group = \"x\" }]"
            ),
            (E, "least = { votes = 2 }", "least = { votes = 2, more_than = \"1/2\" }"),
            (E, "least = { votes = 2 }", "least = { more_than = \"half\" }"),
            (E, "reelected_at_most = \"1/2\"", "reelected_at_most = \"3/2\""),
            (E, "tie = [\"elder\", \"lot\"]", ""),
            (E, "tie = [\"elder\", \"lot\"]", "tie = []"),
            (E, "tie = [\"elder\", \"lot\"]", "tie = [\"elder\"]"),
            (E, "tie = [\"elder\", \"lot\"]", "tie = [\"lot\", \"elder\"]"),
            (E, "tie = [\"elder\", \"lot\"]", "tie = [\"elder\", \"younger\", \"elder\", \"draw\"]"),
            (E, "tie = [\"elder\", \"lot\"]", "tie = [\"decision\"]"),
            (E, "runners_up = { keep = 2, at_least = \"1/2\" }", "runners_up = { keep = 0, at_last = \"1/2\" }"),
            (E, "uncontested = \"elected\"", "uncontested = \"maybe\""),
            (E, "yields_to = [\"president\"]", "yields_to = [\"presidents\"]"),
            (E, "yields_to = [\"president\"]", "yields_to = [\"council\"]"),
            (E, "id = \"c05\"", "id = \"C04\""),
            (E, "born = 1959-07-07", "born = \"1959\""),
            (E, "born = 1959-07-07", ""),
            (
                E,
                "name = { ja = \"大野 由美\", en = \"ONO Yumi\" }\ndistrict = \"east\"",
                "name = { ja = \"遠藤 誠\", en = \"ONO Yumi\" }\ndistrict = \"north\""
            ),
            (E, "incumbent = true\nstatement = { ja = \"臨床", "incumbant = true\nstatement = { ja = \"臨床"),
            (
                E,
                "statement = { ja = \"会計を分かりやすく公開します。\"",
                "district = \"east\"\nstatement = { ja = \"会計を分かりやすく公開します。\""
            ),
            (S, "slug = \"council\"", "slug = \"council\"\nblinding = \"closed\""),
        ],
    ));
}

#[test]
fn nobody_has_to_name_whom_nobody_votes_on() {
    // All who stand in the east are elected without a vote, and everybody votes on the west.
    let rules = samples::council().file(E).unwrap().replace("names = \"own\"", "names = \"all\"");
    let rules = rules.replace("seats = { east = 2, west = 2 }", "seats = { east = 5, west = 2 }");
    definition::load(&with(&rules)).unwrap_or_else(|problems| panic!("{problems:#?}"));
    for (naming, expected) in [
        (
            "min = 2\nmax = 3\nquotas = [{ of = \"own\", min = 1 }]",
            "ask a voter of \"east\" for 1 names where 0 can be named",
        ),
        ("min = 6\nmax = 7", "only 5 can be named"),
    ] {
        let said = problems(&with(&rules.replace("min = 1\nmax = 2", naming)));
        assert!(said.iter().any(|one| one.contains(expected)), "{said:#?}");
    }
}

/// Rules in which each contest has its own slips.
#[test]
fn slips_between_contests_are_told() {
    let terms = "[terms]\nopens = \"2027-01-12 09:00\"\ncloses = \"2027-01-31 17:00\"\nseed = \"the lottery\"\n";
    let contest = |id: &str, rest: &str, candidates: &str| {
        let stands = candidates
            .split_whitespace()
            .map(|id| format!("[[contests.candidates]]\nid = \"{id}\"\nname = \"{}\"\n", id.to_uppercase()))
            .collect::<String>();
        format!("[[contests]]\nid = \"{id}\"\ntitle = \"{id}\"\nseats = 1\n{rest}\n{stands}")
    };
    let two = "[[districts]]\nid = \"x\"\nname = \"X\"\n[[districts]]\nid = \"y\"\nname = \"Y\"\n";
    let single = "method = \"single\"\ntie = [\"decision\"]";
    let mut report = String::new();
    for (what, rules) in [
        ("nothing", String::new()),
        ("terms alone", terms.to_owned()),
        ("a circle", terms.to_owned()
            + &contest("p", &format!("{single}\nyields_to = [\"q\"]"), "a b")
            + &contest("q", &format!("{single}\nyields_to = [\"p\"]"), "a b")),
        ("nobody in both", terms.to_owned()
            + &contest("p", &format!("{single}\nyields_to = [\"q\"]"), "a b")
            + &contest("q", single, "x y")),
        ("one id, two people", terms.to_owned() + &contest("p", single, "a b") + &contest("q", single, "b x").replace("\"B\"", "\"Somebody else\"")),
        ("nobody stands", terms.to_owned() + &contest("p", single, "")),
        ("too many for confidence", terms.to_owned() + &contest("p", "method = \"confidence\"", "a b")),
        ("many seats by transfer", terms.to_owned()
            + &contest("p", "method = \"stv\"\ntie = [\"lot\"]\nleast = { votes = 2 }\nreelected_at_most = 1\nrepeated = \"void\"", "a b").replace("seats = 1", "seats = 11")),
        ("few, and nothing said of it", terms.to_owned() + &contest("p", "method = \"single\"\ntie = [\"lot\"]", "a")),
        ("shares of the roll by weight", format!("{terms}[[classes]]\nid = \"x\"\nweight = 2\n[[classes]]\nid = \"y\"\nweight = 1\n")
            + &contest("p", &format!("{single}\nleast = {{ at_least = \"1/2\", of = \"roll\" }}"), "a b")),
        ("districts for nothing", terms.to_owned() + two + &contest("p", single, "a b")),
        ("everybody's ballot confirms some", terms.to_owned() + two
            + &contest("p", "method = \"plural\"\nmax = 2\ntie = [\"decision\"]\nnames = \"all\"\nuncontested = \"confidence\"\nwrite_in = 1", "a b")
                .replace("seats = 1", "seats = { x = 1, y = 1 }")
                .replace("name = \"A\"", "name = \"A\"\ndistrict = \"x\"")),
        ("quotas", terms.to_owned() + &contest("p", "method = \"plural\"\ntie = [\"lot\"]\nmax = 2\nquotas = [{ of = \"own\", min = 3 }, { group = \"g\" }]", "a b c")),
    ] {
        report.push_str(&format!("{what}\n"));
        let problems = match election_file::read(E, &rules) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems,
        };
        for problem in problems {
            report.push_str(&format!("  {problem}\n"));
        }
    }
    insta::assert_snapshot!(report);
}
