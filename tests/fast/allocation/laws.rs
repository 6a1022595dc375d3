//! Exact laws of two-arm procedures, and simulated ones of unequal ratios.

use super::*;

const TWO_ARMS: &str = "arms = [ { code = \"A\" }, { code = \"B\" } ]\n";

/// What `two-arm-exact.csv` says of a procedure after n subjects.
#[derive(Debug, Default)]
struct Row {
    p_zero: f64,
    mean_abs: f64,
    variance: f64,
    max_abs: u64,
    correct: f64,
    deterministic: f64,
}

/// Walks through all counts that a procedure can reach, with their probabilities.
fn exact_rows(scheme: &Scheme, most: u64) -> BTreeMap<u64, Row> {
    let none = Levels::new();
    let mut reached: BTreeMap<(u64, u64), (State, f64)> = BTreeMap::from([((0, 0), (State::new(scheme), 1.0))]);
    let (mut correct, mut deterministic) = (0.0, 0.0);
    let mut rows = BTreeMap::new();
    let block_size = match scheme.method() {
        hagaki::domain::allocation::Method::Block(sizes) => Some(sizes[0].size),
        _ => None,
    };
    for n in 1..=most {
        let mut next: BTreeMap<(u64, u64), (State, f64)> = BTreeMap::new();
        for ((a, b), (state, chance)) in reached {
            let arms = state.outlook(scheme, &none).unwrap().arms(scheme);
            let p: Vec<f64> = arms.iter().map(|arm| real(arm.probability.value())).collect();
            correct += chance * if a == b { 0.5 } else { p[usize::from(b < a)] };
            deterministic += if p.contains(&0.0) { chance } else { 0.0 };
            for (place, to) in [(a + 1, b), (a, b + 1)].into_iter().enumerate() {
                if p[place] == 0.0 {
                    continue;
                }
                let mut state = state.clone();
                let allotment = Allotment { arm: arms[place].code.clone(), slot: None, block_size };
                state.record(scheme, &none, &allotment).unwrap();
                next.entry(to).or_insert_with(|| (state, 0.0)).1 += chance * p[place];
            }
        }
        reached = next;
        let mut row = Row { correct, deterministic, ..Row::default() };
        for ((a, b), (_, chance)) in &reached {
            let apart = a.abs_diff(*b);
            row.p_zero += if apart == 0 { *chance } else { 0.0 };
            row.mean_abs += chance * apart as f64;
            row.variance += chance * (apart * apart) as f64;
            row.max_abs = row.max_abs.max(apart);
        }
        rows.insert(n, row);
    }
    rows
}

fn real(value: &Rational) -> f64 {
    number::decimal(value, 17).parse().unwrap()
}

#[test]
fn two_arm_procedures_follow_their_exact_laws() {
    let procedures = [
        ("CRD", "simple", ""),
        ("EFRON_BCD_2_3", "biased-coin", "p = \"2/3\""),
        // What these two come to where only the whole study is balanced.
        ("EFRON_BCD_2_3", "hu-hu", "p = \"2/3\"\ntotal_weight = \"0.3\"\nstratum_weight = 0"),
        ("EFRON_BCD_2_3", "chen", "limit = 100\np = \"2/3\""),
        ("BIG_STICK_3", "big-stick", "limit = 3"),
        ("BUD_2", "block-urn", "lambda = 2"),
        ("PBD_2", "block", "sizes = [2]"),
        ("PBD_4", "block", "sizes = [4]"),
        ("WEI_UD_0_1", "wei-urn", "alpha = 0\nbeta = 1"),
        ("WEI_UD_10_1", "wei-urn", "alpha = 10\nbeta = 1"),
    ];
    let text = include_str!("../../data/allocation/two-arm-exact.csv");
    let mut checked = 0;
    for (procedure, method, settings) in procedures {
        let table = if settings.is_empty() { String::new() } else { format!("[{method}]\n{settings}") };
        let scheme = scheme(&format!("method = {method:?}\n{TWO_ARMS}{table}"));
        let rows = exact_rows(&scheme, 100);
        for line in text.lines().filter(|line| line.starts_with(&format!("{procedure},"))) {
            let cells: Vec<f64> = line.split(',').skip(1).map(|cell| cell.parse().unwrap()).collect();
            let row = &rows[&(cells[0] as u64)];
            let found = [row.p_zero, row.mean_abs, row.variance, row.max_abs as f64, row.correct, row.deterministic];
            for (found, expected) in found.into_iter().zip(&cells[1..]) {
                assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{line}\n{row:?}");
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 160);
}

#[test]
fn the_chen_coin_tends_to_four_sevenths() {
    let scheme = scheme(&format!("method = \"chen\"\n{TWO_ARMS}[chen]\nlimit = 3\np = \"2/3\""));
    let rows = exact_rows(&scheme, 100);
    assert!((rows[&100].p_zero - 4.0 / 7.0).abs() < 1e-9);
    assert_eq!(rows[&99].max_abs, 3);
}

/// Arm counts after 120 subjects with four factors, mean over the trials, by the draws of fixed secrets.
fn simulated_means(scheme: &Scheme, trials: u64) -> Vec<f64> {
    let mut sums = vec![0.0; scheme.arms().len()];
    for trial in 0..trials {
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&trial.to_le_bytes());
        let mut covariates = hagaki::domain::allocation::draw::Draw::new(&[9; 32], trial);
        let mut state = State::new(scheme);
        for number in 1..=120 {
            let mut level = |factor: &str, count: u64| (factor.to_owned(), covariates.below(count).to_string());
            let subject: Levels = [level("f", 2), level("g", 3), level("h", 2), level("i", 5)].into();
            let decision = state.decide(scheme, &subject, &secret, number).unwrap();
            state.record(scheme, &subject, &decision.allotment).unwrap();
        }
        for (sum, arm) in sums.iter_mut().zip(scheme.arms()) {
            *sum += state.of_arm(scheme, &arm.code) as f64;
        }
    }
    sums.iter().map(|sum| sum / trials as f64).collect()
}

#[test]
fn unequal_ratios_drift_as_known_or_not_at_all() {
    // Means and standard deviations of tests/data/allocation/unequal-ratio-simulation.csv (400 repetitions); within four
    // standard errors of the difference of two simulations.
    const TRIALS: u64 = 150;
    type Case = (&'static [u64], &'static str, &'static [f64], &'static [f64]);
    let cases: [Case; 4] = [
        (&[1, 2], "\"best\"\np = 0.8", &[40.84, 79.17], &[1.09, 1.09]),
        (&[1, 2], "\"ratio-coin\"\np = 0.8", &[40.03, 79.97], &[0.70, 0.70]),
        (&[1, 2, 3], "\"best\"\np = 0.7", &[22.93, 39.48, 57.59], &[2.27, 1.21, 1.78]),
        (&[1, 2, 3], "\"ratio-coin\"\np = 0.7", &[20.25, 39.96, 59.78], &[0.83, 0.85, 1.00]),
    ];
    for (ratios, rule, means, deviations) in cases {
        let found = simulated_means(&four_factors(ratios, rule), TRIALS);
        for ((found, mean), deviation) in found.iter().zip(means).zip(deviations) {
            let error = deviation * (1.0 / TRIALS as f64 + 1.0 / 400.0).sqrt();
            assert!((found - mean).abs() < 4.0 * error, "{ratios:?} {rule}: {found} for {mean}");
        }
    }
    // ratio-arms keeps the ratio: 40 and 80, and the small arm has a standard deviation of 0.86 (simulated).
    let found = simulated_means(&four_factors(&[1, 2], "\"ratio-arms\"\np = 0.8"), TRIALS);
    assert!((found[0] - 40.0).abs() < 4.0 * 0.86 / (TRIALS as f64).sqrt(), "{found:?}");
}

fn four_factors(ratios: &[u64], rule: &str) -> Scheme {
    let arms: Vec<String> =
        ratios.iter().zip('A'..).map(|(ratio, code)| format!("{{ code = \"{code}\", ratio = {ratio} }}")).collect();
    scheme(&format!(
        "method = \"minimization\"\narms = [{}]\nfactors = [{{ id = \"f\" }}, {{ id = \"g\" }}, {{ id = \"h\" }}, {{ id = \"i\" }}]\n\
         [minimization]\ndistance = \"range\"\nrule = {rule}",
        arms.join(", ")
    ))
}
