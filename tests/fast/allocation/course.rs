//! Schemes that are amended while a study runs: what is carried over, what begins anew, what is refused.

use hagaki::domain::allocation::{Break, Levels, Origin, Row, Turn, replay_turns};
use hagaki::domain::study::Caps;
use proptest::prelude::*;

use super::*;

fn amended(state: State, from: &str, to: &str) -> (State, Scheme) {
    let (from, to) = (scheme(from), scheme(to));
    assert_eq!(to.breaks(&from), [], "{to:?}");
    let next = state.total() + 1;
    (state.carry(&from, &to, next).unwrap(), to)
}

fn law(state: &State, scheme: &Scheme, subject: &Levels) -> Vec<String> {
    probabilities(&state.outlook(scheme, subject).unwrap().arms(scheme))
}

const THREE: &str = "arms = [ { code = \"A\" }, { code = \"B\" }, { code = \"C\" } ]";
const CLOSED: &str = "arms = [ { code = \"A\" }, { code = \"B\", closed = true }, { code = \"C\" } ]";

fn simple(arms: &str) -> String {
    format!("method = \"simple\"\n{arms}\n")
}

#[test]
fn a_closed_arm_gets_nobody_and_keeps_its_subjects() {
    let before = simple("arms = [ { code = \"A\" }, { code = \"B\" }, { code = \"C\", ratio = 2 } ]");
    let state = after(&scheme(&before), &["A", "B", "B", "C"]);
    let (state, to) = amended(state, &before, &before.replace("code = \"B\"", "code = \"B\", closed = true"));
    assert_eq!(law(&state, &to, &levels(&[])), ["1/3", "0", "2/3"]);
    assert_eq!((state.total(), state.of_arm(&to, "B"), state.of_arm(&to, "C")), (4, 2, 1));
    // A cap that the closed arm reached closes nothing; one of an open arm does.
    let capped = |code: &str, cap| Caps { arms: vec![(code.to_owned(), cap)], ..Caps::default() };
    assert_eq!(state.find_full(&to, &capped("B", 2), None, &levels(&[])).unwrap(), None);
    assert!(state.find_full(&to, &capped("C", 1), None, &levels(&[])).unwrap().is_some());
}

#[test]
fn minimization_goes_on_counting() {
    let file = |arms: &str| {
        format!(
            "method = \"minimization\"\n{arms}\nfactors = [ {{ id = \"sex\" }} ]\n[minimization]\ndistance = \"range\"\nrule = \"best\"\np = \"4/5\"\n"
        )
    };
    let (three, closed) = (file(THREE), file(CLOSED));
    let first = scheme(&three);
    let mut state = State::new(&first);
    for (sex, arm) in [("F", "A"), ("F", "B"), ("M", "C"), ("F", "B")] {
        state.record(&first, &levels(&[("sex", sex)]), &given(arm)).unwrap();
    }
    let (state, to) = amended(state, &three, &closed);
    // Among women A has one and C none: C is behind; among men A is.
    assert_eq!(law(&state, &to, &levels(&[("sex", "F")])), ["1/5", "0", "4/5"]);
    assert_eq!(law(&state, &to, &levels(&[("sex", "M")])), ["4/5", "0", "1/5"]);
    // Open again, its subjects count as they did.
    let (again, back) = amended(state.clone(), &closed, &three);
    assert_eq!(law(&again, &back, &levels(&[("sex", "F")])), ["1/10", "1/10", "4/5"]);
    // Another ratio divides what is there; an arm that is added begins at zero.
    let wider = file(
        "arms = [ { code = \"A\", ratio = 2 }, { code = \"B\", closed = true }, { code = \"C\" }, { code = \"AA\" } ]",
    );
    let (wide, to) = amended(state.clone(), &closed, &wider);
    assert_eq!(law(&wide, &to, &levels(&[("sex", "F")]))[1], "0");
    assert_eq!(wide.of_arm(&to, "AA"), 0);
    // A new epoch knows nobody; caps know all.
    let (anew, to) = amended(state, &closed, &format!("epoch = 2\n{closed}"));
    assert_eq!(law(&anew, &to, &levels(&[("sex", "F")])), ["1/2", "0", "1/2"]);
    assert_eq!((anew.total(), anew.of_arm(&to, "B")), (4, 2));
    assert!(!anew.balances(4) && anew.balances(5));
}

#[test]
fn open_blocks_end_where_arms_ratios_or_sizes_change_and_nowhere_else() {
    let file = |sizes: &str, p: &str| {
        format!(
            "method = \"block\"\narms = [ {{ code = \"A\" }}, {{ code = \"B\" }} ]\nstrata = [\"site\"]\n[block]\nsizes = [{sizes}]\n[caps]\ntotal = {p}\n"
        )
    };
    let first = scheme(&file("4", "9"));
    let mut state = State::new(&first);
    let subject = levels(&[("site", "1")]);
    let allotment = |arm| Allotment { block_size: Some(4), ..given(arm) };
    state.record(&first, &subject, &allotment("A")).unwrap();
    state.record(&first, &subject, &allotment("A")).unwrap();
    assert_eq!(law(&state, &first, &subject), ["0", "1"]);
    let (same, to) = amended(state.clone(), &file("4", "9"), &file("4", "10"));
    assert_eq!(law(&same, &to, &subject), ["0", "1"], "another cap is no other sequence");
    let (ended, to) = amended(state.clone(), &file("4", "9"), &file("4, 6", "9"));
    assert_eq!(law(&ended, &to, &subject), ["1/2", "1/2"]);
    assert_eq!(ended.of_stratum(&to, &subject).unwrap(), 2, "its cap goes on counting");
    let wider = file("3, 6", "9").replace("{ code = \"A\" }", "{ code = \"A\", ratio = 2 }");
    let (ended, to) = amended(state.clone(), &file("4", "9"), &wider);
    assert_eq!(law(&ended, &to, &subject), ["2/3", "1/3"]);
    let (anew, to) = amended(state, &file("4", "9"), &format!("epoch = 2\n{}", file("4", "9")));
    assert_eq!(law(&anew, &to, &subject), ["1/2", "1/2"]);
    assert_eq!(anew.of_stratum(&to, &subject).unwrap(), 2);
}

#[test]
fn an_urn_goes_on_without_a_closed_arm_and_begins_anew_with_another() {
    let urn = |arms: &str| format!("method = \"block-urn\"\n{arms}\n[block-urn]\nlambda = 2\n");
    let state = after(&scheme(&urn(THREE)), &["A", "A", "B", "C"]);
    let (closed, to) = amended(state.clone(), &urn(THREE), &urn(CLOSED));
    // One round is complete: three balls of each, of which A gave two and C one.
    assert_eq!(law(&closed, &to, &levels(&[])), ["1/3", "0", "2/3"]);
    let four = THREE.replace(" ]", ", { code = \"D\" } ]");
    let (four, to) = amended(state, &urn(THREE), &urn(&four));
    assert_eq!(law(&four, &to, &levels(&[])), ["1/4"; 4]);
    assert_eq!(four.of_stratum(&to, &levels(&[])).unwrap(), 4);
}

#[test]
fn what_cannot_be_defined_is_refused_by_name() {
    let breaks = |from: &str, to: &str| scheme(to).breaks(&scheme(from));
    let minimization = "method = \"minimization\"\narms = [ { code = \"A\" }, { code = \"B\", ratio = 2 } ]\nfactors = [ { id = \"sex\" } ]\n[minimization]\ndistance = \"range\"\nrule = \"ratio-arms\"\np = \"4/5\"\n";
    assert_eq!(breaks(&simple(THREE), &simple(&THREE.replace("\"C\"", "\"D\""))), [Break::ArmGone("C".to_owned())]);
    assert_eq!(breaks(&format!("epoch = 2\n{}", simple(THREE)), &simple(THREE)), [Break::EpochBack]);
    for (from, to) in [
        (simple(THREE), simple(THREE).replace("\"simple\"", "\"block-urn\"") + "[block-urn]\nlambda = 2\n"),
        (minimization.to_owned(), minimization.replace("\"sex\"", "\"age\"")),
        (minimization.to_owned(), minimization.replace("ratio = 2", "ratio = 3")),
        (minimization.to_owned(), minimization.replace("ratio-arms", "ratio-coin")),
    ] {
        assert!(matches!(*breaks(&from, &to), [Break::NeedsEpoch(_)]), "{to}");
        assert_eq!(breaks(&from, &format!("epoch = 2\n{to}")), [], "{to}");
    }
    for wrong in [
        "method = \"simple\"\narms = [ { code = \"A\", closed = true } ]\n",
        "method = \"atkinson\"\narms = [ { code = \"A\" }, { code = \"B\", ratio = 2 }, { code = \"C\", closed = true } ]\n",
        "method = \"big-stick\"\narms = [ { code = \"A\" } ]\n[big-stick]\nlimit = 3\n",
        "method = \"list\"\narms = [ { code = \"A\" }, { code = \"B\", closed = true } ]\n[list]\nfile = \"list.csv\"\n",
        "method = \"simple\"\nepoch = 0\narms = [ { code = \"A\" }, { code = \"B\" } ]\n",
        "method = \"simple\"\narms = [ { code = \"A\", closed = \"yes\" }, { code = \"B\" } ]\n",
    ] {
        assert!(!errors(wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn one_arm_goes_on_alone_and_is_counted() {
    const BOTH: &str = "arms = [ { code = \"A\" }, { code = \"B\" } ]";
    let minimized = |rule: &str| format!("minimization]\ndistance = \"sd\"\n{rule}");
    for (method, table) in [
        ("simple", String::new()),
        ("biased-coin", "biased-coin]\np = \"2/3\"".to_owned()),
        ("big-stick", "big-stick]\nlimit = 3".to_owned()),
        ("chen", "chen]\nlimit = 3\np = \"2/3\"".to_owned()),
        ("wei-urn", "wei-urn]\nalpha = 0\nbeta = 1".to_owned()),
        ("maximal", "maximal]\nlimit = 3\nsubjects = 20".to_owned()),
        ("hu-hu", "hu-hu]\np = 0.8\ntotal_weight = 1\nstratum_weight = 1".to_owned()),
        ("atkinson", String::new()),
        ("block", "block]\nsizes = [4]".to_owned()),
        ("block-urn", "block-urn]\nlambda = 2".to_owned()),
        ("minimization", minimized("rule = \"best\"\np = \"4/5\"")),
        ("minimization", minimized("rule = \"rank\"\nq = \"3/5\"")),
        ("minimization", minimized("rule = \"proportional\"\nt = \"4/5\"")),
        ("minimization", minimized("rule = \"ratio-coin\"\np = \"4/5\"")),
        ("minimization", minimized("rule = \"ratio-arms\"\np = \"4/5\"")),
    ] {
        let file = |arms: &str| {
            let table = if table.is_empty() { String::new() } else { format!("[{table}\n") };
            format!("method = \"{method}\"\n{arms}\nfactors = [ {{ id = \"sex\" }} ]\n{table}")
        };
        // Either of the two may be the one that is closed.
        for (closed, open) in [("B", "A"), ("A", "B")] {
            let alone = BOTH.replace(&format!("\"{closed}\""), &format!("\"{closed}\", closed = true"));
            let (before, after) = (scheme(&file(BOTH)), scheme(&file(&alone)));
            assert!(after.is_left_with_one() && after.is_deterministic() && !before.is_left_with_one());
            let (mut state, secret) = (State::new(&before), [5; 32]);
            let mut direct = state.clone();
            let subject = |number: u64| levels(&[("sex", if number.is_multiple_of(3) { "M" } else { "F" })]);
            for number in 1..=5 {
                let decision = state.decide(&before, &subject(number), &secret, number).unwrap();
                state.record(&before, &subject(number), &decision.allotment).unwrap();
                direct.record(&before, &subject(number), &decision.allotment).unwrap();
            }
            assert_eq!(after.breaks(&before), [], "{method}");
            let mut state = state.carry(&before, &after, 6).unwrap();
            for number in 6..=8 {
                let decision = state.decide(&after, &subject(number), &secret, number).unwrap();
                assert_eq!(decision.allotment.arm, open, "{method} {table}");
                let shares = law(&state, &after, &subject(number));
                assert_eq!(shares, if open == "A" { ["1", "0"] } else { ["0", "1"] }, "{method} {table}");
                let given = state.give(&after, &subject(number), open).unwrap();
                assert_eq!(given.slot, decision.allotment.slot, "{method} {table}");
                state.record(&after, &subject(number), &decision.allotment).unwrap();
                if !method.starts_with("block") {
                    direct.record(&before, &subject(number), &decision.allotment).unwrap();
                }
            }
            // Open again, both stand where they would have stood.
            let back = state.carry(&after, &before, 9).unwrap();
            assert_eq!(back.total(), 8);
            if !method.starts_with("block") {
                for number in 9..=11 {
                    assert_eq!(
                        law(&back, &before, &subject(number)),
                        law(&direct, &before, &subject(number)),
                        "{method} {table}"
                    );
                }
            }
        }
    }
}

#[test]
fn methods_for_two_arms_take_a_third_that_is_closed() {
    let closed = "arms = [ { code = \"A\", closed = true }, { code = \"B\" }, { code = \"C\" } ]";
    for (table, ahead) in [
        ("biased-coin]\np = \"2/3\"", ["1/3", "2/3"]),
        ("chen]\nlimit = 1\np = \"2/3\"", ["0", "1"]),
        ("maximal]\nlimit = 1\nsubjects = 20", ["0", "1"]),
        ("hu-hu]\np = 0.8\ntotal_weight = 1\nstratum_weight = 0", ["1/5", "4/5"]),
    ] {
        let method = table.split(']').next().unwrap();
        let scheme = scheme(&format!("method = \"{method}\"\n{closed}\n[{table}\n"));
        let state = after(&scheme, &["B", "C", "B"]);
        assert_eq!(law(&state, &scheme, &levels(&[])), ["0", ahead[0], ahead[1]], "{method}");
    }
}

fn course() -> Vec<Scheme> {
    let minimization = |epoch: u32, arms: &str, p: &str| {
        scheme(&format!(
            "epoch = {epoch}\nmethod = \"minimization\"\n{arms}\nfactors = [ {{ id = \"site\" }} ]\n[minimization]\ndistance = \"range\"\nrule = \"best\"\np = {p:?}\nburn_in = 2\n"
        ))
    };
    let block = "epoch = 3\nmethod = \"block\"\narms = [ { code = \"A\", ratio = 2 }, { code = \"B\", closed = true }, { code = \"C\" } ]\nstrata = [\"site\"]\n[block]\nsizes = [3, 6]\n";
    vec![
        minimization(1, THREE, "4/5"),
        minimization(1, CLOSED, "3/4"),
        minimization(1, THREE, "3/4"),
        minimization(2, THREE, "3/4"),
        scheme(block),
        scheme(&block.replace("[3, 6]", "[3]")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A study amended five times replays to the state it was in, whatever the secret; nobody gets a closed arm; and what
    /// was decided under another scheme is found.
    #[test]
    fn an_amended_study_is_proved(secret in any::<[u8; 32]>(), sites in prop::collection::vec(0_u8..3, 60), swap in 0_usize..60) {
        let schemes = course();
        let mut state = State::new(&schemes[0]);
        let (mut turns, mut journal) = (Vec::new(), Vec::new());
        for (at, site) in sites.iter().enumerate() {
            let own = &schemes[at / 10];
            if at % 10 == 0 && at > 0 {
                prop_assert_eq!(own.breaks(&schemes[at / 10 - 1]), []);
                state = state.carry(&schemes[at / 10 - 1], own, at as u64 + 1).unwrap();
                turns.push(Turn { from: at as u64 + 1, scheme: own });
            }
            let subject = levels(&[("site", &site.to_string())]);
            let decision = state.decide(own, &subject, &secret, at as u64 + 1).unwrap();
            prop_assert!(own.is_open(&decision.allotment.arm));
            state.record(own, &subject, &decision.allotment).unwrap();
            journal.push(Row { number: at as u64 + 1, levels: subject, allotment: decision.allotment, origin: Origin::Drawn });
        }
        let replayed = replay_turns(&schemes[0], &turns, &secret, journal.clone(), &[]).unwrap();
        prop_assert_eq!(&replayed, &state);
        prop_assert_eq!(schemes[5].arms().iter().map(|arm| state.of_arm(&schemes[5], &arm.code)).sum::<u64>(), 60);
        let mut changed = journal;
        let arm = if changed[swap].allotment.arm == "A" { "C" } else { "A" };
        changed[swap].allotment.arm = arm.to_owned();
        let found = replay_turns(&schemes[0], &turns, &secret, changed, &[]).unwrap_err().number;
        prop_assert_eq!(found, swap as u64 + 1);
    }
}
