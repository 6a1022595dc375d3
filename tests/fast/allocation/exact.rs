//! Exactness where floating point fails: sums of square roots that agree to fifteen places and more.

use super::*;

const BEFORE: u64 = 7;

/// Eight factors whose `sd` sums for A and B are the even and the odd terms of a seventh difference: their weights are 1, 7, 21, 35 …
fn scheme_of(rule: &str) -> Scheme {
    let weights = [1, 7, 21, 35, 35, 21, 7, 1];
    let factors: Vec<String> =
        weights.iter().zip('a'..).map(|(weight, id)| format!("{{ id = \"{id}\", weight = {weight} }}")).collect();
    scheme(&format!(
        "method = \"minimization\"\narms = [ {{ code = \"A\" }}, {{ code = \"B\" }}, {{ code = \"C\" }} ]\n\
         factors = [{}]\n[minimization]\ndistance = \"sd\"\n{rule}",
        factors.join(", ")
    ))
}

/// A history in which the level `x` of the i-th factor has `first + i` subjects of A and `second + i` of B, or the other way round
/// where i is odd, and none of C.
fn history(scheme: &Scheme, first: u64, second: u64) -> State {
    let mut state = State::new(scheme);
    for arm in ["A", "B"] {
        let count = |at: u64| if at.is_multiple_of(2) == (arm == "A") { first + at } else { second + at };
        for subject in 0..first.max(second) + BEFORE {
            let level = |at: u64| if subject < count(at) { "x" } else { "other" };
            let levels: Levels =
                (0..=BEFORE).zip('a'..).map(|(at, id)| (id.to_string(), level(at).to_owned())).collect();
            state.record(scheme, &levels, &given(arm)).unwrap();
        }
    }
    state
}

#[test]
fn sums_of_roots_that_agree_to_fifteen_places_are_told_apart() {
    let scheme = scheme_of("rule = \"rank\"\nq = \"1/2\"");
    let next: Levels = ('a'..='h').map(|id| (id.to_string(), "x".to_owned())).collect();
    // By decimals of 120 places the sum for A less that for B is -1.3e-15, 1.2e-15 and -1.7e-17. Floating point calls the
    // first a tie, and takes the others the wrong way round.
    for (first, second, [a, b]) in [(300, 200, ["1/3", "1/4"]), (400, 300, ["1/4", "1/3"]), (700, 450, ["1/3", "1/4"])]
    {
        let state = history(&scheme, first, second);
        let found = probabilities(&state.outlook(&scheme, &next).unwrap().arms(&scheme));
        assert_eq!(found, [a, b, "5/12"], "{first} {second}");
    }
}

#[test]
fn sums_of_the_same_roots_in_another_order_are_a_tie() {
    // Counts that mirror each other: A and B have the same roots, in other factors.
    let scheme = scheme(
        "method = \"minimization\"\narms = [ { code = \"A\" }, { code = \"B\" }, { code = \"C\" } ]\n\
         factors = [ { id = \"a\", weight = 0.1 }, { id = \"b\", weight = 0.7 }, { id = \"c\", weight = 0.1 }, { id = \"d\", weight = 0.7 } ]\n\
         [minimization]\ndistance = \"sd\"\nrule = \"rank\"\nq = \"1/2\"",
    );
    let mut state = State::new(&scheme);
    let counts = [("A", [13, 8, 4, 29]), ("B", [4, 29, 13, 8])];
    for (arm, counts) in counts {
        for subject in 0..30 {
            let level = |at: usize| if subject < counts[at] { "x" } else { "other" };
            let levels: Levels = (0..4).zip('a'..).map(|(at, id)| (id.to_string(), level(at).to_owned())).collect();
            state.record(&scheme, &levels, &given(arm)).unwrap();
        }
    }
    let next: Levels = ('a'..='d').map(|id| (id.to_string(), "x".to_owned())).collect();
    let found = probabilities(&state.outlook(&scheme, &next).unwrap().arms(&scheme));
    // They share the second and the third rank: (1/3 + 1/4) / 2.
    assert_eq!(found, ["7/24", "7/24", "5/12"]);
}
