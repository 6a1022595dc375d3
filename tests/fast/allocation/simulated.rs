//! Simulated laws against exact ones: for every two-arm method, the difference of the arms after 10 and 24 subjects.
//!
//! The exact law is reckoned from the method's published formula, not from our own; the simulation goes through the draws.
//! Secrets are fixed, so a test either always passes or never does; the bound is p = 0.001 of the chi-square test.

use super::*;

const TRIALS: u64 = 20_000;
const AT: [u64; 2] = [10, 24];

/// Quantiles 0.999 of the chi-square distribution with 1, 2, 3 … degrees of freedom.
const QUANTILES: [f64; 13] =
    [10.828, 13.816, 16.266, 18.467, 20.515, 22.458, 24.322, 26.124, 27.877, 29.588, 31.264, 32.909, 34.528];

/// Probability of A after `a` and `b` subjects.
type Formula = dyn Fn(u64, u64) -> f64;

/// The exact law of |D| after n subjects.
fn exact(formula: &Formula, n: u64) -> BTreeMap<u64, f64> {
    let mut reached: BTreeMap<u64, f64> = BTreeMap::from([(0, 1.0)]);
    for before in 0..n {
        let mut next = BTreeMap::new();
        for (a, chance) in reached.into_iter().filter(|(_, chance)| *chance > 0.0) {
            let p = formula(a, before - a);
            *next.entry(a + 1).or_insert(0.0) += chance * p;
            *next.entry(a).or_insert(0.0) += chance * (1.0 - p);
        }
        reached = next;
    }
    let mut law = BTreeMap::new();
    for (a, chance) in reached {
        *law.entry(a.abs_diff(n - a)).or_insert(0.0) += chance;
    }
    law
}

fn check(text: &str, formula: &Formula) {
    let scheme = scheme(&format!("{text}\narms = [ {{ code = \"A\" }}, {{ code = \"B\" }} ]"));
    check_scheme(&scheme, formula);
}

fn check_scheme(scheme: &Scheme, formula: &Formula) {
    let none = Levels::new();
    let mut found: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for trial in 0..TRIALS {
        let mut secret = [0x5a; 32];
        secret[..8].copy_from_slice(&trial.to_le_bytes());
        let mut state = State::new(scheme);
        for number in 1..=AT[1] {
            let decision = state.decide(scheme, &none, &secret, number).unwrap();
            state.record(scheme, &none, &decision.allotment).unwrap();
            if AT.contains(&number) {
                let apart = state.of_arm(scheme, "A").abs_diff(state.of_arm(scheme, "B"));
                *found.entry((number, apart)).or_default() += 1;
            }
        }
    }
    for n in AT {
        let law = exact(formula, n);
        let (mut square, mut cells) = (0.0, 0usize);
        // What is rare is taken together, so that each cell is expected at least five times.
        let (mut rare, mut seen) = (0.0, 0.0);
        let mut counted = 0;
        for (apart, chance) in &law {
            let (expected, count) = (chance * TRIALS as f64, found.get(&(n, *apart)).copied().unwrap_or(0));
            counted += count;
            assert!(*chance > 1e-12 || count == 0, "{n}: {apart} apart cannot be");
            if expected < 5.0 {
                rare += expected;
                seen += count as f64;
            } else {
                square += (count as f64 - expected).powi(2) / expected;
                cells += 1;
            }
        }
        assert_eq!(counted, TRIALS, "{n}: a difference that cannot be");
        if rare >= 5.0 {
            square += (seen - rare).powi(2) / rare;
            cells += 1;
        } else {
            assert!(seen <= 20.0, "{n}: {seen} for {rare}");
        }
        match cells.checked_sub(2) {
            Some(at) => assert!(square < QUANTILES[at], "{n}: {square} with {} degrees of freedom", cells - 1),
            None => assert!(square < 1e-9, "{n}: a certain difference"),
        }
    }
}

/// The coin with probability `p` for the arm that is behind.
fn coin(a: u64, b: u64, p: f64) -> f64 {
    match a.cmp(&b) {
        std::cmp::Ordering::Less => p,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 1.0 - p,
    }
}

#[test]
fn simple() {
    check("method = \"simple\"", &|_, _| 0.5);
}

#[test]
fn blocks_of_four() {
    let formula = |a: u64, b: u64| {
        let begun = (a + b) / 4 * 2;
        (2 + begun - a) as f64 / (4 - (a + b) % 4) as f64
    };
    check_scheme(&two("method = \"block\"", "[block]\nsizes = [4]"), &formula);
}

/// A file with its table behind the arms.
fn two(head: &str, table: &str) -> Scheme {
    scheme(&format!("{head}\narms = [ {{ code = \"A\" }}, {{ code = \"B\" }} ]\n{table}"))
}

#[test]
fn blocks_of_random_size() {
    // The open block is unknown to (a, b) alone: the exact law walks over size and places taken.
    let sizes = [2u64, 6];
    let exact_at = |n: u64| -> BTreeMap<u64, f64> {
        let mut reached: BTreeMap<(i64, u64, u64), f64> = BTreeMap::from([((0, 0, 0), 1.0)]);
        for _ in 0..n {
            let mut next: BTreeMap<(i64, u64, u64), f64> = BTreeMap::new();
            for ((apart, left_a, left_b), chance) in reached {
                let opened: Vec<(u64, u64, f64)> = match left_a + left_b {
                    0 => sizes.iter().map(|size| (size / 2, size / 2, chance / 2.0)).collect(),
                    _ => vec![(left_a, left_b, chance)],
                };
                for (left_a, left_b, chance) in opened {
                    let all = (left_a + left_b) as f64;
                    if left_a > 0 {
                        *next.entry((apart + 1, left_a - 1, left_b)).or_default() += chance * left_a as f64 / all;
                    }
                    if left_b > 0 {
                        *next.entry((apart - 1, left_a, left_b - 1)).or_default() += chance * left_b as f64 / all;
                    }
                }
            }
            reached = next;
        }
        let mut law = BTreeMap::new();
        for ((apart, _, _), chance) in reached {
            *law.entry(apart.unsigned_abs()).or_insert(0.0) += chance;
        }
        law
    };
    let scheme = two("method = \"block\"", "[block]\nsizes = [2, 6]");
    let none = Levels::new();
    let mut found: BTreeMap<(u64, u64), f64> = BTreeMap::new();
    for trial in 0..TRIALS {
        let mut secret = [0x33; 32];
        secret[..8].copy_from_slice(&trial.to_le_bytes());
        let mut state = State::new(&scheme);
        for number in 1..=AT[1] {
            let decision = state.decide(&scheme, &none, &secret, number).unwrap();
            state.record(&scheme, &none, &decision.allotment).unwrap();
            let apart = state.of_arm(&scheme, "A").abs_diff(state.of_arm(&scheme, "B"));
            *found.entry((number, apart)).or_default() += 1.0;
        }
    }
    for n in AT {
        let law = exact_at(n);
        let square: f64 = law
            .iter()
            .map(|(apart, chance)| {
                let expected = chance * TRIALS as f64;
                (found.get(&(n, *apart)).copied().unwrap_or(0.0) - expected).powi(2) / expected
            })
            .sum();
        assert!(law.len() > 1 && square < QUANTILES[law.len() - 2], "{n}: {square}, {law:?}");
    }
}

#[test]
fn biased_coin() {
    check_scheme(&two("method = \"biased-coin\"", "[biased-coin]\np = \"2/3\""), &|a, b| coin(a, b, 2.0 / 3.0));
}

#[test]
fn big_stick() {
    let formula = |a: u64, b: u64| coin(a, b, if a.abs_diff(b) >= 3 { 1.0 } else { 0.5 });
    check_scheme(&two("method = \"big-stick\"", "[big-stick]\nlimit = 3"), &formula);
}

#[test]
fn chen() {
    let formula = |a: u64, b: u64| coin(a, b, if a.abs_diff(b) >= 3 { 1.0 } else { 0.6 });
    check_scheme(&two("method = \"chen\"", "[chen]\nlimit = 3\np = 0.6"), &formula);
}

#[test]
fn block_urn() {
    let formula = |a: u64, b: u64| {
        let urn = 2 + a.min(b);
        (urn - a) as f64 / (2 * urn - a - b) as f64
    };
    check_scheme(&two("method = \"block-urn\"", "[block-urn]\nlambda = 2"), &formula);
}

#[test]
fn wei_urn() {
    let formula = |a: u64, b: u64| (1 + 2 * b) as f64 / (2 + 2 * (a + b)) as f64;
    check_scheme(&two("method = \"wei-urn\"", "[wei-urn]\nalpha = 1\nbeta = 2"), &formula);
}

#[test]
fn maximal() {
    /// Ways from a difference to balance within the limit, by going through them.
    fn ways(apart: i64, left: u64) -> f64 {
        match left {
            _ if apart.abs() > 3 => 0.0,
            0 => f64::from(u8::from(apart == 0)),
            _ => ways(apart + 1, left - 1) + ways(apart - 1, left - 1),
        }
    }
    // 16 subjects a sequence: 10 lies in the first, 24 in the second.
    let formula = |a: u64, b: u64| {
        let apart = a as i64 - b as i64;
        let left = 16 - (a + b) % 16 - 1;
        let (up, down) = (ways(apart + 1, left), ways(apart - 1, left));
        up / (up + down)
    };
    check_scheme(&two("method = \"maximal\"", "[maximal]\nlimit = 3\nsubjects = 16"), &formula);
}

#[test]
fn minimization_over_the_whole_study() {
    let table = "factors = [ { id = \"total\" } ]\n[minimization]\ndistance = \"range\"\nrule = \"best\"\np = 0.7";
    check_scheme(&two("method = \"minimization\"", table), &|a, b| coin(a, b, 0.7));
}

#[test]
fn hu_hu() {
    let table = "[hu-hu]\np = 0.85\ntotal_weight = 1\nstratum_weight = 0";
    check_scheme(&two("method = \"hu-hu\"", table), &|a, b| coin(a, b, 0.85));
}

#[test]
fn atkinson() {
    let formula = |a: u64, b: u64| {
        if a + b == 0 {
            return 0.5;
        }
        let g = (a as f64 - b as f64) / (a + b) as f64;
        (1.0 - g).powi(2) / ((1.0 - g).powi(2) + (1.0 + g).powi(2))
    };
    check("method = \"atkinson\"", &formula);
}
