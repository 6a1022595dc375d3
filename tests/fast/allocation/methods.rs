//! The maximal procedure, Hu & Hu and Atkinson: published numbers, plain second computations, special cases.

use num_traits::{One, Signed, Zero};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const TWO: &str = "arms = [ { code = \"A\" }, { code = \"B\" } ]\n";

/// What is known of the differences of the arms: their information when that of the levels is taken out, by columns of which each
/// says something that those before do not.
fn known_of_arms(history: &[(Vec<u8>, usize)], arms: usize) -> Vec<Vec<Rational>> {
    let levels: std::collections::BTreeSet<(usize, u8)> =
        history.iter().flat_map(|(row, _)| row.iter().copied().enumerate()).collect();
    let whole = |number: i64| Rational::from_integer(number.into());
    let row = |(own, arm): &(Vec<u8>, usize)| -> Vec<Rational> {
        let has = levels.iter().map(|(factor, level)| i64::from(own[*factor] == *level));
        let is = (0..arms).map(|other| i64::from(*arm == other));
        [1].into_iter().chain(has).chain(is).map(whole).collect()
    };
    let rows: Vec<Vec<Rational>> = history.iter().map(row).collect();
    let size = 1 + levels.len() + arms;
    let product = |one: usize, other: usize| -> Rational { rows.iter().map(|row| &row[one] * &row[other]).sum() };
    let mut matrix: Vec<Vec<Rational>> =
        (0..size).map(|one| (0..size).map(|other| product(one, other)).collect()).collect();
    for at in 0..size - arms {
        let pivots = matrix[at].clone();
        if pivots[at].is_zero() {
            continue;
        }
        for line in matrix.iter_mut().skip(at + 1) {
            let factor = &line[at] / &pivots[at];
            line.iter_mut().zip(&pivots).for_each(|(cell, above)| *cell -= &factor * above);
        }
    }
    matrix[size - arms..].iter().map(|line| line[size - arms..].to_vec()).collect()
}

fn determinant(mut matrix: Vec<Vec<Rational>>) -> Rational {
    let mut determinant = Rational::one();
    for at in 0..matrix.len() {
        let pivots = matrix[at].clone();
        assert!(pivots[at].is_positive(), "a ridge makes it definite");
        determinant *= &pivots[at];
        for line in matrix.iter_mut().skip(at + 1) {
            let factor = &line[at] / &pivots[at];
            line.iter_mut().zip(&pivots).for_each(|(cell, above)| *cell -= &factor * above);
        }
    }
    determinant
}

proptest! {
    /// D_A for several arms: what one more subject under each arm would add to the determinant of what is known of their differences, with
    /// a ridge that is next to nothing where some of it is not known at all.
    #[test]
    fn atkinson_of_several_arms_by_its_definition(
        arms in 3usize..5,
        history in proptest::collection::vec((proptest::collection::vec(0u8..3, 2), 0usize..4), 0..14),
        next in proptest::collection::vec(0u8..3, 2),
    ) {
        let history: Vec<(Vec<u8>, usize)> = history.into_iter().map(|(row, arm)| (row, arm % arms)).collect();
        let codes = ["A", "B", "C", "D"];
        let listed: Vec<String> = codes[..arms].iter().map(|code| format!("{{ code = \"{code}\" }}")).collect();
        let text = format!("method = \"atkinson\"\narms = [ {} ]\nfactors = [{{ id = \"f0\" }}, {{ id = \"f1\" }}]", listed.join(", "));
        let scheme = scheme(&text);
        let levels = |row: &[u8]| -> Levels { row.iter().enumerate().map(|(at, level)| (format!("f{at}"), level.to_string())).collect() };
        let mut state = State::new(&scheme);
        for (row, arm) in &history {
            state.record(&scheme, &levels(row), &given(codes[*arm])).unwrap();
        }
        let found = state.outlook(&scheme, &levels(&next)).unwrap().arms(&scheme);
        let ridge = Rational::new(1.into(), num_bigint::BigInt::from(10).pow(15));
        let with_ridge = |history: &[(Vec<u8>, usize)]| {
            let mut known = known_of_arms(history, arms);
            (0..arms).for_each(|at| known[at][at] += &ridge);
            determinant(known)
        };
        let before = with_ridge(&history);
        let gains: Vec<Rational> = (0..arms)
            .map(|arm| with_ridge(&[history.clone(), vec![(next.clone(), arm)]].concat()) - &before)
            .collect();
        let all: Rational = gains.iter().sum();
        for (arm, gain) in found.iter().zip(&gains) {
            let expected = if all.is_zero() { number::ratio(1, arms as u64) } else { gain / &all };
            let apart = (arm.probability.value() - &expected).abs();
            prop_assert!(apart < number::ratio(1, 1_000_000_000), "{:?} {}", probabilities(&found), number::show(&expected));
        }
    }

    /// Wei's urn, ball by ball: alpha of each arm at first, and beta of every other arm for each subject.
    #[test]
    fn the_urn_of_several_arms_holds_what_was_put_into_it(
        (count, history) in (2usize..6).prop_flat_map(|count| (Just(count), proptest::collection::vec(0..count, 0..30))),
        alpha in prop::sample::select(vec!["0", "1/3", "2", "10"]),
        beta in prop::sample::select(vec!["0.1", "1", "5/2"]),
    ) {
        let codes: Vec<String> = (0..count).map(|arm| format!("A{arm}")).collect();
        let arms: Vec<String> = codes.iter().rev().map(|code| format!("{{ code = \"{code}\" }}")).collect();
        let text = format!("method = \"wei-urn\"\narms = [ {} ]\n[wei-urn]\nalpha = \"{alpha}\"\nbeta = \"{beta}\"\n", arms.join(", "));
        let scheme = scheme(&text);
        let (alpha, beta) = (fraction(alpha), fraction(beta));
        let mut urn = vec![alpha; count];
        let mut state = State::new(&scheme);
        for arm in &history {
            state.record(&scheme, &Levels::new(), &given(&codes[*arm])).unwrap();
            for (other, balls) in urn.iter_mut().enumerate() {
                if other != *arm {
                    *balls += &beta;
                }
            }
        }
        let all: Rational = urn.iter().sum();
        let chance = |balls: &Rational| if all.is_zero() { number::ratio(1, count as u64) } else { balls / &all };
        let found = state.outlook(&scheme, &Levels::new()).unwrap().arms(&scheme);
        for (arm, balls) in found.iter().rev().zip(&urn) {
            prop_assert_eq!(arm.probability.value(), &chance(balls));
        }
    }
}

#[test]
fn the_urn_of_three_arms_allocates_as_wei_1978_says() {
    let urn = |alpha: u64| {
        let arms = "arms = [ { code = \"A\" }, { code = \"B\" }, { code = \"C\" } ]";
        scheme(&format!("method = \"wei-urn\"\n{arms}\n[wei-urn]\nalpha = {alpha}\nbeta = 1\n"))
    };
    let law = |scheme: &Scheme, arms: &[&str]| {
        probabilities(&after(scheme, arms).outlook(scheme, &Levels::new()).unwrap().arms(scheme))
    };
    let (empty, one) = (urn(0), urn(1));
    assert_eq!(law(&empty, &[]), ["1/3"; 3]);
    assert_eq!(law(&empty, &["B"]), ["1/2", "0", "1/2"]);
    assert_eq!(law(&empty, &["B", "A"]), ["1/4", "1/4", "1/2"]);
    assert_eq!(law(&one, &["B"]), ["2/5", "1/5", "2/5"]);
    assert_eq!(law(&one, &["B", "B", "C"]), ["4/9", "2/9", "1/3"]);
}

#[test]
fn every_sequence_of_the_maximal_procedure_is_equally_likely() {
    let scheme = scheme(&format!("method = \"maximal\"\n{TWO}[maximal]\nlimit = 2\nsubjects = 8"));
    // 54 of the 256 sequences of 8 (counted in maximal-procedure-counts.csv).
    let mut possible = 0;
    for pattern in 0u32..256 {
        let mut state = State::new(&scheme);
        let mut chance = Rational::one();
        let mut inside = true;
        let mut apart = 0i32;
        for at in 0..8 {
            let first = pattern >> at & 1 == 0;
            let arms = state.outlook(&scheme, &Levels::new()).unwrap().arms(&scheme);
            chance *= arms[usize::from(!first)].probability.value();
            state.record(&scheme, &Levels::new(), &given(if first { "A" } else { "B" })).unwrap();
            apart += if first { 1 } else { -1 };
            inside &= apart.abs() <= 2;
        }
        if inside && apart == 0 {
            possible += 1;
            assert_eq!(chance, number::ratio(1, 54), "{pattern:08b}");
        } else {
            assert!(chance.is_zero(), "{pattern:08b}");
        }
    }
    assert_eq!(possible, 54);
}

#[test]
fn each_stratum_has_maximal_sequences_of_its_own() {
    let text = format!("method = \"maximal\"\n{TWO}strata = [\"site\"]\n[maximal]\nlimit = 3\nsubjects = 10");
    let chance = |history: &str| chances(ask(&text, Some(&format!("site,arm\n{history}")), Some("site=1")));
    assert_eq!(chance(""), ["1/2", "1/2"]);
    assert_eq!(chance("1,A\n"), ["12/29", "17/29"]);
    assert_eq!(chance("2,A\n2,A\n2,A\n1,B\n"), ["17/29", "12/29"]);
    assert_eq!(chance("1,A\n1,A\n1,A\n"), ["0", "1"]);
    // The eleventh begins another sequence; the study does not stop.
    assert_eq!(chance(&("1,A\n1,B\n".repeat(5))), ["1/2", "1/2"]);
    assert_eq!(chance(&("1,A\n1,B\n".repeat(5) + "1,A\n")), ["12/29", "17/29"]);
}

#[test]
fn the_maximal_procedure_keeps_its_limit_and_closes_in_balance() {
    let scheme = scheme(&format!("method = \"maximal\"\n{TWO}[maximal]\nlimit = 3\nsubjects = 50"));
    for secret in 0..20 {
        let mut state = State::new(&scheme);
        let mut reached = 0;
        for number in 1..=120 {
            let decision = state.decide(&scheme, &Levels::new(), &[secret; 32], number).unwrap();
            state.record(&scheme, &Levels::new(), &decision.allotment).unwrap();
            let apart = state.of_arm(&scheme, "A").abs_diff(state.of_arm(&scheme, "B"));
            reached = reached.max(apart);
            assert!(apart <= 3);
            assert!(number % 50 != 0 || apart == 0);
        }
        assert_eq!(reached, 3);
    }
}

#[test]
fn the_longest_sequence_is_quick_and_exact() {
    let scheme = scheme(&format!("method = \"maximal\"\n{TWO}[maximal]\nlimit = 20\nsubjects = 2000"));
    let state = after(&scheme, &["A", "A"]);
    let arms = state.outlook(&scheme, &Levels::new()).unwrap().arms(&scheme);
    assert!((arms[0].probability.value() + arms[1].probability.value()).is_one());
    let decision = state.decide(&scheme, &Levels::new(), &[4; 32], 3).unwrap();
    assert_eq!(decision, state.decide(&scheme, &Levels::new(), &[4; 32], 3).unwrap());
}

/// A history of two factors and the next subject.
type Subjects = Vec<(Vec<u8>, bool)>;

fn subjects(factors: usize) -> impl Strategy<Value = (Subjects, Vec<u8>)> {
    let row = proptest::collection::vec(0u8..3, factors);
    (proptest::collection::vec((row.clone(), any::<bool>()), 0..25), row)
}

fn named(row: &[u8]) -> Levels {
    row.iter().enumerate().map(|(factor, level)| (format!("f{factor}"), level.to_string())).collect()
}

fn outlook(scheme: &Scheme, history: &Subjects, next: &[u8]) -> Vec<ArmOutlook> {
    let mut state = State::new(scheme);
    for (row, first) in history {
        state.record(scheme, &named(row), &given(if *first { "A" } else { "B" })).unwrap();
    }
    state.outlook(scheme, &named(next)).unwrap().arms(scheme)
}

fn hu_hu(total: &str, stratum: &str, factors: &[&str], strata: &str) -> Scheme {
    let factors: Vec<String> =
        factors.iter().enumerate().map(|(at, weight)| format!("{{ id = \"f{at}\", weight = \"{weight}\" }}")).collect();
    scheme(&format!(
        "method = \"hu-hu\"\n{TWO}factors = [{}]\n{strata}[hu-hu]\np = \"0.85\"\ntotal_weight = \"{total}\"\nstratum_weight = \"{stratum}\"",
        factors.join(", ")
    ))
}

fn minimization(settings: &str, factors: &[&str]) -> Scheme {
    let factors: Vec<String> =
        factors.iter().enumerate().map(|(at, weight)| format!("{{ id = \"f{at}\", weight = \"{weight}\" }}")).collect();
    scheme(&format!("method = \"minimization\"\n{TWO}factors = [{}]\n[minimization]\n{settings}", factors.join(", ")))
}

/// Row of the next subject, rows and signs of those before, in floating-point-free dummy coding with that baseline.
fn coded(row: &[u8], baseline: &[u8]) -> Vec<Rational> {
    let mut coded = vec![Rational::one()];
    for (level, base) in row.iter().zip(baseline) {
        for other in (0..3).filter(|other| other != base) {
            coded.push(if level == &other { Rational::one() } else { Rational::zero() });
        }
    }
    coded
}

/// `g` by Gaussian elimination with a baseline: `None` if the row is no combination of those before.
fn g_by_definition(history: &Subjects, next: &[u8], baseline: &[u8]) -> Option<Rational> {
    let x = coded(next, baseline);
    let size = x.len();
    // (F'F) z = x has a solution if and only if x is in the span; then g = z' F'b for every solution.
    let mut system: Vec<Vec<Rational>> = vec![vec![Rational::zero(); size + 1]; size];
    let mut signs = vec![Rational::zero(); size];
    for (row, first) in history {
        let row = coded(row, baseline);
        for (one, value) in row.iter().enumerate() {
            for (other, factor) in row.iter().enumerate() {
                system[one][other] += value * factor;
            }
            signs[one] += if *first { value.clone() } else { -value };
        }
    }
    for (line, value) in system.iter_mut().zip(&x) {
        line[size] = value.clone();
    }
    let mut lead = vec![None; size];
    let mut line = 0;
    for column in 0..size {
        let Some(found) = (line..size).find(|at| !system[*at][column].is_zero()) else { continue };
        system.swap(line, found);
        let pivot = system[line][column].clone();
        system[line].iter_mut().for_each(|cell| *cell /= &pivot);
        let own = system[line].clone();
        for (_, other) in system.iter_mut().enumerate().filter(|(at, _)| *at != line) {
            let factor = other[column].clone();
            other.iter_mut().zip(&own).for_each(|(cell, own)| *cell -= &factor * own);
        }
        lead[column] = Some(line);
        line += 1;
    }
    if system[line..].iter().any(|rest| !rest[size].is_zero()) {
        return None;
    }
    let solution = lead.iter().map(|line| line.map_or_else(Rational::zero, |line| system[line][size].clone()));
    Some(solution.zip(&signs).map(|(z, sign)| z * sign).sum())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn hu_hu_by_its_definition(
        (history, next) in subjects(2),
        weights in proptest::sample::subsequence(vec!["0", "0.1", "0.3", "2/5", "1", "7"], 4).prop_shuffle(),
        own_strata in any::<bool>(),
    ) {
        let strata = if own_strata { "strata = [\"f1\"]\n" } else { "" };
        let scheme = hu_hu(weights[0], weights[1], &weights[2..], strata);
        let arms = outlook(&scheme, &history, &next);
        let apart = |with: &dyn Fn(&[u8]) -> bool| {
            history.iter().filter(|(row, _)| with(row)).map(|(_, first)| if *first { 1i64 } else { -1 }).sum::<i64>()
        };
        let stratum = |row: &[u8]| if own_strata { row[1] == next[1] } else { row == next };
        let parts = [
            apart(&|_| true),
            apart(&stratum),
            apart(&|row| row[0] == next[0]),
            apart(&|row| row[1] == next[1]),
        ];
        let whole = |number: i64| Rational::from_integer(number.into());
        let sum = |of: &dyn Fn(i64) -> i64| -> Rational {
            weights.iter().zip(parts).map(|(weight, part)| fraction(weight) * whole(of(part))).sum()
        };
        let lambda = sum(&|part| part);
        let expected = if lambda.is_zero() { "1/2" } else if lambda.is_negative() { "17/20" } else { "3/20" };
        prop_assert_eq!(probabilities(&arms)[0].clone(), expected);
        prop_assert_eq!(arms[0].imbalance.as_ref().unwrap().value(), &sum(&|part| (part + 1) * (part + 1)));
        prop_assert_eq!(arms[1].imbalance.as_ref().unwrap().value(), &sum(&|part| (part - 1) * (part - 1)));
    }

    #[test]
    fn hu_hu_holds_minimization_and_the_stratified_coin((history, next) in subjects(2)) {
        // Without weights of study and stratum: minimization by the variance (a quadratic rule).
        let marginal = outlook(&hu_hu("0", "0", &["0.3", "0.5"], ""), &history, &next);
        let settings = "distance = \"variance\"\nrule = \"best\"\np = \"0.85\"";
        prop_assert_eq!(probabilities(&marginal), probabilities(&outlook(&minimization(settings, &["0.3", "0.5"]), &history, &next)));
        // The stratum alone: Efron's coin in each stratum. The study alone: Efron's coin.
        let coin = |strata: &str| scheme(&format!("method = \"biased-coin\"\n{TWO}{strata}[biased-coin]\np = \"0.85\""));
        let stratified = outlook(&hu_hu("0", "2", &["0", "0"], ""), &history, &next);
        prop_assert_eq!(probabilities(&stratified), probabilities(&outlook(&coin("strata = [\"f0\", \"f1\"]\n"), &history, &next)));
        let total = outlook(&hu_hu("3", "0", &["0", "0"], ""), &history, &next);
        prop_assert_eq!(probabilities(&total), probabilities(&outlook(&coin(""), &history, &next)));
    }

    #[test]
    fn atkinson_by_its_definition((history, next) in subjects(3), baseline in proptest::collection::vec(0u8..3, 3)) {
        let text = format!("method = \"atkinson\"\n{TWO}factors = [{{ id = \"f0\" }}, {{ id = \"f1\", levels = [\"2\", \"0\", \"1\"] }}, {{ id = \"f2\" }}]");
        let found = outlook(&scheme(&text), &history, &next);
        let expected = match g_by_definition(&history, &next, &baseline) {
            None => number::ratio(1, 2),
            Some(g) => {
                let (less, more) = (Rational::one() - &g, Rational::one() + g);
                &less * &less / (&less * &less + &more * &more)
            }
        };
        prop_assert_eq!(found[0].probability.value(), &expected);
        prop_assert!(found[0].imbalance.is_none());
    }
}

#[test]
fn decisions_of_atkinson_1982() {
    let all: Value = serde_json::from_str(include_str!("../../data/allocation/decisions.json")).unwrap();
    let case = all["cases"].as_array().unwrap().iter().find(|case| case["id"] == "ATKINSON-DA").unwrap();
    let cases = case["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let row =
            |row: &Value| -> Vec<String> { row.as_array().unwrap().iter().skip(1).map(ToString::to_string).collect() };
        let next = row(&case["new_row"]);
        let ids: Vec<String> = (0..next.len()).map(|at| format!("f{at}")).collect();
        let mut csv = format!("{}\n", [ids.clone(), vec!["arm".to_owned()]].concat().join(","));
        for (past, arm) in
            case["past_rows"].as_array().unwrap().iter().zip(case["past_arm(+1=A,-1=B)"].as_array().unwrap())
        {
            let arm = if arm == 1 { "A" } else { "B" };
            csv.push_str(&format!("{}\n", [row(past), vec![arm.to_owned()]].concat().join(",")));
        }
        let factors: Vec<String> = ids.iter().map(|id| format!("{{ id = {id:?} }}")).collect();
        let text = format!("method = \"atkinson\"\n{TWO}factors = [{}]", factors.join(", "));
        let next: Vec<String> = ids.iter().zip(next).map(|(id, level)| format!("{id}={level}")).collect();
        let answer = ask(&text, Some(&csv), (!next.is_empty()).then_some(&next.join(","))).unwrap();
        assert_eq!(answer[0].1, None);
        assert_eq!(chances(Ok(answer))[0], case["P_A"].as_str().unwrap());
    }
}

#[test]
fn atkinson_does_not_reckon_with_levels_without_end() {
    let text = format!("method = \"atkinson\"\n{TWO}factors = [{{ id = \"site\" }}]");
    let history = |sites: u32| (0..sites).map(|site| format!("{site},A\n")).collect::<String>();
    let ask = |sites: u32| ask(&text, Some(&format!("site,arm\n{}", history(sites))), Some("site=0"));
    assert_eq!(chances(ask(59)), ["0", "1"]);
    assert_eq!(ask(60).unwrap_err(), "--next: there are too many levels for this method");
}
