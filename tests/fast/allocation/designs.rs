//! Designs are judged by what their parameters come to for the planned subjects, whatever form they have.

use hagaki::definition::{self, Bundle, samples};

const TWO: &str = "arms = [{ code = \"A\" }, { code = \"B\" }]\n";

/// What is said of the template's study (100 subjects planned at two sites) with that allocation.toml, forms aside.
fn judged_with(text: &str, change: (&str, &str)) -> Vec<String> {
    let mut files = samples::template().files().clone();
    files.insert("allocation.toml".to_string(), text.to_string());
    let study = files.get_mut("study.toml").unwrap();
    *study = study.replace(change.0, change.1);
    let bundle = Bundle::from_files(files);
    let (study, warnings) = definition::load(&bundle).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"));
    let judged = definition::judge_predictability(&bundle, &study, &warnings);
    judged.iter().map(ToString::to_string).collect()
}

fn judged(text: &str) -> Vec<String> {
    judged_with(text, ("", ""))
}

fn sequence(method: &str, own: &str) -> String {
    format!("method = \"{method}\"\n{TWO}[{method}]\n{own}")
}

fn minimized(rule: &str) -> String {
    format!(
        "method = \"minimization\"\n{TWO}factors = [{{ id = \"site\" }}, {{ id = \"sex\" }}]\n[minimization]\ndistance = \"range\"\n{rule}"
    )
}

/// The one warning, which begins with that place.
#[track_caller]
fn warned(text: &str, place: &str, parts: &[&str]) {
    let said = judged(text);
    let [one] = said.as_slice() else { panic!("{text}\n{said:#?}") };
    assert!(one.starts_with(&format!("allocation.toml:{place}: is ")), "{place}\n{one}");
    for part in parts {
        assert!(one.contains(part), "{part}\n{one}");
    }
}

#[test]
fn a_coin_that_is_nearly_certain_is_warned_of_as_one_that_is() {
    let near =
        ["of the allocations of 100 subjects who knows those before guesses", "with a probability of 95.0 % and more"];
    warned(&sequence("biased-coin", "p = \"999999/1000000\""), "4: biased-coin.p", &near);
    warned(&sequence("biased-coin", "p = \"999999/1000000\""), "4: biased-coin.p", &["\"2/3\", for example ("]);
    warned(&minimized("rule = \"best\"\np = \"999999/1000000\""), "7: minimization.p", &near);
    warned(&minimized("rule = \"rank\"\nq = 1.9"), "7: minimization.q", &["is 19/10", "\"7/5\", for example ("]);
    warned(&sequence("chen", "limit = 2\np = \"99/100\""), "5: chen.p", &near);
}

#[test]
fn what_balances_nothing_is_warned_of() {
    let none = ["with 100 subjects the arms end ", "simple randomization, which balances nothing, ends "];
    warned(&sequence("biased-coin", "p = \"1/2\""), "4: biased-coin.p", &none);
    warned(&sequence("biased-coin", "p = \"1/2\""), "4: biased-coin.p", &["is 1/2", "\"2/3\", for example ("]);
    warned(&sequence("big-stick", "limit = 300"), "4: big-stick.limit", &none);
    warned(&sequence("big-stick", "limit = 300"), "4: big-stick.limit", &["is 300", "3, for example ("]);
    warned(&sequence("chen", "limit = 300\np = \"1/2\""), "4: chen.limit", &none);
    warned(&sequence("block-urn", "lambda = 2000"), "4: block-urn.lambda", &["2, for example ("]);
    warned(&sequence("wei-urn", "alpha = 1000\nbeta = \"1/1000\""), "4: wei-urn.alpha", &none);
    warned(&sequence("block", "sizes = [10000]"), "4: block.sizes", &["is [10000]", "[4, 6, 8], for example ("]);
    warned(&minimized("rule = \"best\"\np = \"1/2\""), "7: minimization.p", &none);
    warned(&minimized("rule = \"proportional\"\nt = 0"), "7: minimization.t", &["\"1/2\", for example ("]);
}

#[test]
fn usual_designs_are_not_warned_of() {
    let nothing = Vec::<String>::new();
    for text in [
        sequence("biased-coin", "p = \"2/3\""),
        sequence("big-stick", "limit = 3"),
        sequence("chen", "limit = 3\np = \"2/3\""),
        sequence("block-urn", "lambda = 2"),
        sequence("wei-urn", "alpha = 1\nbeta = 1"),
        sequence("maximal", "limit = 3\nsubjects = 100"),
        sequence("block", "sizes = [4, 6, 8]"),
        minimized("rule = \"best\"\np = \"4/5\""),
        minimized("rule = \"rank\"\nq = \"7/5\""),
        format!("method = \"simple\"\n{TWO}"),
        minimized("rule = \"ratio-arms\"\np = \"9/10\"").replace("{ code = \"B\" }", "{ code = \"B\", ratio = 2 }"),
    ] {
        assert_eq!(judged(&text), nothing, "{text}");
    }
}

#[test]
fn what_is_told_already_is_not_told_again() {
    for text in [
        minimized("rule = \"best\"\np = 1"),
        sequence("big-stick", "limit = 1"),
        sequence("wei-urn", "alpha = 1\nbeta = 0"),
        minimized("rule = \"best\"\np = \"4/5\"\nburn_in = 100"),
    ] {
        assert_eq!(judged(&text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_limit_is_judged_by_the_subjects_of_the_study() {
    let text = sequence("big-stick", "limit = 20");
    let said = judged_with(&text, ("planned_subjects = 100", "planned_subjects = 40"));
    assert!(said.iter().any(|one| one.contains("big-stick.limit: is 20: with 40 subjects")), "{said:?}");
    let said = judged_with(&text, ("planned_subjects = 100", "planned_subjects = 1000"));
    assert_eq!(said, Vec::<String>::new());
    let few = judged_with(&text, ("planned_subjects = 100", "planned_subjects = 10"));
    assert_eq!(few, Vec::<String>::new(), "of ten subjects no figure says anything");
}

#[test]
fn check_tells_it_and_takes_the_study_all_the_same() {
    let mut files = samples::template().files().clone();
    files.insert("allocation.toml".to_string(), sequence("biased-coin", "p = \"1/2\""));
    let folder = tempfile::tempdir().unwrap();
    samples::write_files(&files, folder.path()).unwrap();
    let now = hagaki::domain::time::Instant::parse_rfc3339("2026-11-20T00:00:00Z").unwrap();
    let checked = definition::check(&[folder.path()], now).remove(0);
    assert!(checked.is_sound());
    assert!(checked.problems.iter().any(|problem| problem.key == "biased-coin.p"), "{:?}", checked.problems);
    let again = definition::check(&[folder.path()], now).remove(0);
    assert_eq!(checked.problems, again.problems, "the same figures each time");
}

#[test]
fn the_samples_are_good_designs() {
    for bundle in samples::all() {
        let (study, warnings) = definition::load(&bundle).unwrap();
        assert_eq!(definition::judge_predictability(&bundle, &study, &warnings), Vec::new(), "{}", study.slug);
    }
}
