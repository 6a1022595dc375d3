//! `allocation.toml`: what is right is read exactly, what is wrong is said at once with its line.

use super::*;

const GOOD: &str = r#"method = "minimization"
arms   = [ { code = "A", ratio = 1 }, { code = "B", ratio = 1 } ]
factors = [ { id = "site", weight = 1 }, { id = "sex", levels = ["F", "M"], weight = 2 } ]
[minimization]
distance = "range"
rule     = "best"
p        = "4/5"
burn_in  = 0
[caps]
total = 200
arms = { A = 100 }
site = 30
sites = { "012" = 12 }
"#;

fn said(text: &str) -> Vec<String> {
    errors(text).iter().map(ToString::to_string).collect()
}

fn warned(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    assert!(allocation_file::read(text, "a", &mut problems).is_some(), "{problems:#?}");
    problems.into_iter().map(|problem| problem.to_string()).collect()
}

#[test]
fn a_good_file_is_read() {
    let mut problems = Vec::new();
    let file = allocation_file::read(GOOD, "allocation.toml", &mut problems).unwrap();
    assert_eq!(problems, []);
    assert_eq!(file.scheme.needs().collect::<Vec<_>>(), ["sex", "site"]);
    assert_eq!((file.caps.total, file.caps.arms, file.caps.stratum), (Some(200), vec![("A".to_owned(), 100)], None));
    assert_eq!((file.sites.of("012"), file.sites.of("1")), (Some(12), Some(30)));
}

#[test]
fn floats_are_read_from_their_digits() {
    for p in ["0.8", "\"0.8\"", "\"4/5\"", "8e-1", "0.80_0"] {
        let scheme = scheme(&GOOD.replace("\"4/5\"", p));
        let hagaki::domain::allocation::Method::Minimization(settings) = scheme.method() else { panic!() };
        assert_eq!(settings.rule, hagaki::domain::allocation::Rule::Best { p: fraction("4/5") }, "{p}");
    }
    let weighted = scheme(&GOOD.replace("weight = 2", "weight = 0.1"));
    assert_eq!(weighted.factors()[1].weight, fraction("1/10"));
}

#[test]
fn all_problems_come_at_once() {
    let text = r#"method = "minimization"
arms   = [ { code = "A", ratio = 0 }, { code = "A", ratoi = 1 } ]
factors = [ { id = "site", weight = -1 }, { id = "site", levels = [] } ]
facotrs = 3
[minimization]
distance = "rang"
rule     = "best"
p        = "1/3"
[caps]
total = 0
arms = { C = 3 }
stratum = 4
"#;
    assert_eq!(
        said(text),
        [
            "allocation.toml:2: arms[1].ratio: is 0 — an integer from 1 to 1000",
            "allocation.toml:2: arms[2].code: \"A\" stands twice — a code of its own for each arm",
            "allocation.toml:2: arms[2].ratoi: unknown key — did you mean \"ratio\"?",
            "allocation.toml:3: factors[1].weight: is -1 — from 0 to 1000",
            "allocation.toml:3: factors[2].id: \"site\" stands twice — each factor once",
            "allocation.toml:3: factors[2].levels: 0 levels — 1 to 5000 levels, or no list where new ones may appear",
            "allocation.toml:4: facotrs: unknown key — did you mean \"factors\"?",
            "allocation.toml:6: minimization.distance: \"rang\" is no distance — did you mean \"range\"?",
            "allocation.toml:8: minimization.p: is 1/3 — from 1/2 to 1",
            "allocation.toml:10: caps.total: is 0 — an integer from 1 to 4294967295",
            "allocation.toml:11: caps.arms.C: is no arm",
            "allocation.toml:12: caps.stratum: the scheme has no strata — strata = [ … ], or caps.total",
        ]
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let two = "arms = [ { code = \"A\" }, { code = \"B\" } ]";
    let three = "arms = [ { code = \"A\" }, { code = \"B\" }, { code = \"C\", ratio = 2 } ]";
    let minimize = |arms: &str, rule: &str| {
        format!(
            "method = \"minimization\"\n{arms}\nfactors = [ {{ id = \"site\" }} ]\n[minimization]\ndistance = \"range\"\nrule = {rule}"
        )
    };
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "allocation.toml: arms: is missing"),
        ("method = \"maximal\"\n".to_owned() + two, "maximal: is missing"),
        (
            format!("method = \"maximal\"\n{three}\n[maximal]\nlimit = 3\nsubjects = 50"),
            "takes two arms of equal ratio here",
        ),
        (format!("method = \"maximal\"\n{two}\n[maximal]\nlimit = 3\nsubjects = 51"), "have an even length — 52"),
        (
            format!("method = \"maximal\"\n{two}\n[maximal]\nlimit = 900\nsubjects = 1800"),
            "too many sequences to count",
        ),
        (format!("method = \"maximal\"\n{two}\n[maximal]\nlimit = 3\nsubjects = 2002"), "an integer from 2 to 2000"),
        (
            format!("method = \"hu-hu\"\n{three}\n[hu-hu]\np = 0.8\ntotal_weight = 1"),
            "takes two arms of equal ratio here",
        ),
        (
            format!("method = \"hu-hu\"\n{three}\n[hu-hu]\np = 0.8\ntotal_weight = 1"),
            "hu-hu.stratum_weight: is missing",
        ),
        (
            format!("method = \"hu-hu\"\n{two}\n[hu-hu]\np = 0.8\ntotal_weight = 1\nstratum_weight = 1"),
            "there is no stratum to weigh",
        ),
        (
            format!(
                "method = \"hu-hu\"\n{two}\nfactors = [{{ id = \"total\" }}]\n[hu-hu]\np = 0.8\ntotal_weight = 1\nstratum_weight = 0"
            ),
            "write its weight as hu-hu.total_weight",
        ),
        (format!("method = \"hu-hu\"\n{two}\n[hu-hu]\np = 0.3\ntotal_weight = 1\nstratum_weight = 0"), "from 1/2 to 1"),
        ("method = \"atkinson\"\n".to_owned() + three, "\"atkinson\" is defined for arms of equal ratio"),
        (format!("method = \"atkinson\"\n{two}\n[atkinson]\np = 1"), "atkinson.p: unknown key"),
        (format!("method = \"atkinson\"\n{two}\nfactors = [{{ id = \"total\" }}]"), "always heeds the whole study"),
        (
            format!(
                "method = \"atkinson\"\n{two}\nfactors = [{{ id = \"x\", levels = {:?} }}]",
                (0..60).map(|n| n.to_string()).collect::<Vec<_>>()
            ),
            "60 levels in all are too many",
        ),
        ("method = \"list\"\n".to_owned() + two, "list: is missing"),
        (format!("method = \"list\"\n{two}\n[list]\nfile = \"../list.csv\""), "is no name of a list — list.csv"),
        (format!("method = \"list\"\n{two}\n[list]\nfile = \"list.csv\""), "there is no file list.csv"),
        ("method = \"minimisation\"\n".to_owned() + two, "did you mean \"minimization\"?"),
        ("method = \"block\"\n".to_owned() + two, "block: is missing"),
        (
            format!("method = \"block\"\n{two}\n[block]\nsizes = [3]"),
            "3 is no multiple of 2, the sum of the ratios — 4, for example",
        ),
        (format!("method = \"block\"\n{three}\n[block]\nsizes = [4, 6, 8]"), "6 is no multiple of 4"),
        (format!("method = \"block\"\n{two}\n[block]\nsizes = [4, 4]"), "4 stands twice"),
        (format!("method = \"block\"\n{two}\n[block]\nsizes = [4]\nweights = [1, 2]"), "2 weights for 1 sizes"),
        (format!("method = \"block\"\n{two}\n[block]\nsizes = []"), "no size"),
        (
            format!(
                "method = \"block\"\n{two}\nstrata = [\"sxe\"]\nfactors = [ {{ id = \"sex\" }} ]\n[block]\nsizes = [4]"
            ),
            "did you mean \"sex\"?",
        ),
        (format!("method = \"wei-urn\"\n{three}\n[wei-urn]\nalpha = 0\nbeta = 1"), "defined for arms of equal ratio"),
        (format!("method = \"biased-coin\"\n{two}\n[biased-coin]\np = 0.4"), "is 2/5 — from 1/2 to 1"),
        (format!("method = \"none\"\n{two}"), "cannot choose among 2 arms"),
        ("method = \"simple\"\narms = [ { code = \"A\" } ]".to_owned(), "needs at least two arms"),
        (minimize(two, "\"rank\"\nq = 0.5"), "above 1/2 and below 2"),
        (minimize(three, "\"rank\"\nq = 1"), "above 1/3 and below 1"),
        (minimize(two, "\"proportional\"\nt = 1.5"), "from 0 to 1"),
        (minimize(two, "\"best\""), "minimization.p: is missing"),
        (minimize(two, "\"best\"\np = \"1/0\""), "divides by zero"),
        (minimize(two, "\"best\"\np = nan"), "is no number"),
        (minimize(two, "\"best\"\np = true"), "is no number"),
        (
            minimize("arms = [ { code = \"A\", ratio = 99 }, { code = \"B\", ratio = 2 } ]", "\"ratio-arms\"\np = 0.8"),
            "sum to 101",
        ),
        (minimize("arms = [ { code = \" A\" }, { code = \"B\" } ]", "\"best\"\np = 0.8"), "has spaces at its ends"),
        (minimize(two, "\"best\"\np = 0.8").replace("{ id = \"site\" }", ""), "needs at least one factor"),
        (minimize(two, "\"best\"\np = 0.8").replace("\"site\"", "\"arm\""), "\"arm\" is the name of a column"),
        ("method = \"simple\"\narms = [".to_owned(), "is no TOML"),
        (format!("deterministic_reason = \" \"\n{GOOD}"), "deterministic_reason: is empty"),
        (format!("deterministic_reason = 1\n{GOOD}"), "a number instead of a text"),
        (format!("deterministic_reason = \"{}\"\n{GOOD}", "x".repeat(501)), "has 501 characters"),
    ];
    for (text, expected) in cases {
        let said = said(&text);
        assert!(said.iter().any(|line| line.contains(expected)), "{text}\n{said:#?}\n{expected}");
    }
}

#[test]
fn poor_designs_are_warned_of() {
    let certain = GOOD.replace("\"4/5\"", "1");
    let [silent] = &warned(&certain)[..] else { panic!("one warning") };
    assert!(silent.contains("can foresee the next") && silent.contains("deterministic_reason = \"…\""), "{silent}");
    let meant = |text: &str| format!("deterministic_reason = \"protocol, section 6.2\"\n{text}");
    let [told] = &warned(&meant(&certain))[..] else { panic!("one warning") };
    assert!(told.contains("minimization.p: is 1") && told.contains("meant so: protocol, section 6.2"), "{told}");
    assert!(warned(&meant(GOOD))[0].contains("is not needed: the method leaves something to chance"));
    let unequal = warned(&GOOD.replace("code = \"B\", ratio = 1", "code = \"B\", ratio = 2"));
    assert!(unequal[0].contains("rule = \"ratio-arms\""), "{unequal:?}");
    assert!(
        warned(&GOOD.replace("weight = 1", "weight = 0").replace("weight = 2", "weight = 0"))[0]
            .contains("all weights are 0")
    );
    assert!(warned(&GOOD.replace("[caps]", "[block]\nsizes = [4]\n[caps]"))[0].contains("is not used by the method"));
    assert!(warned(&GOOD.replace("burn_in", "q = 1\nburn_in"))[0].contains("is not used by the rule"));
    let two = "arms = [ { code = \"A\" }, { code = \"B\" } ]";
    let maximal = |limit: u32| format!("method = \"maximal\"\n{two}\n[maximal]\nlimit = {limit}\nsubjects = 8");
    assert!(warned(&maximal(1))[0].contains("every second allocation can be foreseen"));
    assert!(warned(&maximal(5))[0].contains("never reach"));
    assert_eq!(warned(&maximal(2)), Vec::<String>::new());
    let hu_hu = format!("method = \"hu-hu\"\n{two}\n[hu-hu]\np = 0.85\ntotal_weight = 0\nstratum_weight = 0");
    assert!(warned(&hu_hu)[0].contains("all weights are 0"));
    let atkinson = format!("method = \"atkinson\"\n{two}\nfactors = [{{ id = \"x\", weight = 2 }}]\nstrata = [\"x\"]");
    let said = warned(&atkinson);
    assert!(said.iter().any(|line| line.contains("does not use weights")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("does not stratify")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("the levels of the first, gets another arm for certain")), "{said:?}");
    let block = "method = \"block\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\n[block]\nsizes = [2, 4]";
    assert!(
        warned(block)[0].contains("guess 72.2 % of all allocations right, fixed blocks of 4 in 70.8 %"),
        "{:?}",
        warned(block)
    );
    let two = warned(&block.replace("2, 4", "2"));
    assert!(two[0].contains("blocks of 2 let who knows the others guess 75.0 %"), "{two:?}");
    assert!(two[0].contains("sizes = [4, 6, 8] (68.1 %)"), "{two:?}");
    let unequal = warned(&block.replace("{ code = \"B\" }", "{ code = \"B\", ratio = 3 }").replace("2, 4", "4"));
    assert!(
        unequal[0].contains("guess 81.3 % of all allocations right, fixed blocks of 8 in 79.0 %; always naming the largest arm is right in 75.0 %"),
        "{unequal:?}"
    );
    assert_eq!(warned(&block.replace("2, 4", "4")), Vec::<String>::new());
    let weighed = |weights: &str| warned(&block.replace("2, 4]", &format!("4, 6]\nweights = {weights}")));
    let [fixed] = &weighed("[1000, 1]")[..] else { panic!("one warning") };
    assert!(
        fixed.contains("block.weights: give 99.9 % of the blocks the size 4") && fixed.contains("guesses 70.8 %"),
        "{fixed}"
    );
    assert!(fixed.contains("no weights (69."), "{fixed}");
    assert_eq!(weighed("[3, 1]"), Vec::<String>::new());
    let arms = "arms = [ { code = \"A\" }, { code = \"B\" } ]";
    let urn = |alpha: u32| format!("method = \"wei-urn\"\n{arms}\n[wei-urn]\nalpha = {alpha}\nbeta = 0");
    for alpha in [0, 5] {
        assert!(
            warned(&urn(alpha))[0].contains("wei-urn.beta: is 0: no allocation changes the urn, so this is simple"),
            "{alpha}"
        );
    }
    let cap = block.replace("2, 4", "4").replace("[block]", "strata = [\"site\"]\n[caps]\nstratum = 10\n[block]");
    assert!(warned(&cap)[0].contains("ends inside of a block of 4"), "{:?}", warned(&cap));
    let stick = "method = \"big-stick\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\n[big-stick]\nlimit = 1";
    assert!(warned(stick)[0].contains("every second allocation is certain"));
    assert_eq!(warned(&stick.replace("limit = 1", "limit = 3")), Vec::<String>::new());
}

#[test]
fn any_text_is_read_without_panic() {
    use proptest::prelude::*;
    const PIECES: [&str; 24] = [
        "method",
        "=",
        "\"block\"",
        "\n",
        "arms",
        "[",
        "]",
        "{",
        "}",
        "code",
        "\"A\"",
        "sizes",
        "1",
        "0.5",
        ",",
        "caps",
        "minimization",
        "ratio",
        "factors",
        ".",
        "99999999999999999999",
        "[block]",
        "\"minimization\"",
        "true",
    ];
    let mut runner = proptest::test_runner::TestRunner::default();
    let texts = proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..40);
    runner
        .run(&texts, |pieces| {
            let mut problems = Vec::new();
            let found = allocation_file::read(&pieces.join(" "), "a", &mut problems);
            prop_assert!(found.is_some() || !problems.is_empty());
            Ok(())
        })
        .unwrap();
}
