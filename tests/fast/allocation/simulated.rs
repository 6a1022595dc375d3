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
        assert_fits(&n.to_string(), TRIALS, &law, &|apart| found.get(&(n, apart)).copied().unwrap_or(0));
    }
}

/// That so many of the trials came out at each difference as its law says.
fn assert_fits(what: &str, trials: u64, law: &BTreeMap<u64, f64>, found: &dyn Fn(u64) -> u64) {
    let (mut square, mut cells) = (0.0, 0usize);
    // What is rare is taken together, so that each cell is expected at least five times.
    let (mut rare, mut seen) = (0.0, 0.0);
    let mut counted = 0;
    for (apart, chance) in law {
        let (expected, count) = (chance * trials as f64, found(*apart));
        counted += count;
        assert!(*chance > 1e-12 || count == 0, "{what}: {apart} apart cannot be");
        if expected < 5.0 {
            rare += expected;
            seen += count as f64;
        } else {
            square += (count as f64 - expected).powi(2) / expected;
            cells += 1;
        }
    }
    assert_eq!(counted, trials, "{what}: a difference that cannot be");
    if rare >= 5.0 {
        square += (seen - rare).powi(2) / rare;
        cells += 1;
    } else {
        assert!(seen <= 20.0, "{what}: {seen} for {rare}");
    }
    match cells.checked_sub(2) {
        Some(at) => assert!(square < QUANTILES[at], "{what}: {square} with {} degrees of freedom", cells - 1),
        None => assert!(square < 1e-9, "{what}: a certain difference"),
    }
}

/// Levels of the two factors of the n-th subject, from 0.
fn factors_of(subject: usize) -> [usize; 2] {
    [subject % 2, subject / 3 % 2]
}

/// Subjects with factors, of whom every sequence of arms is gone through.
const WITH_FACTORS: usize = 12;
/// Trials of methods that balance factors.
const FACTOR_TRIALS: u64 = 6_000;

/// Probability of A for a subject of those levels after the arms (A: true) of those before.
type FormulaWithFactors = dyn Fn(&[bool], [usize; 2]) -> f64;

/// Which subjects are looked at, by their levels.
type Look = fn([usize; 2]) -> bool;

/// A less B among the subjects before whose levels are as asked for.
fn apart(before: &[bool], like: impl Fn([usize; 2]) -> bool) -> f64 {
    let own = before.iter().enumerate().filter(|(at, _)| like(factors_of(*at)));
    own.map(|(_, first)| if *first { 1.0 } else { -1.0 }).sum()
}

/// The laws of |D| in the whole study, in the level 0 of the first factor, and in the stratum (0, 0).
fn check_with_factors(scheme: &Scheme, formula: &FormulaWithFactors) {
    let looks: [(&str, Look); 3] =
        [("all", |_| true), ("level 0", |own| own[0] == 0), ("stratum", |own| own == [0, 0])];
    let mut laws = vec![BTreeMap::<u64, f64>::new(); looks.len()];
    let mut sequences: Vec<(Vec<bool>, f64)> = vec![(Vec::new(), 1.0)];
    for subject in 0..WITH_FACTORS {
        let step = |(before, chance): (Vec<bool>, f64)| {
            let p = formula(&before, factors_of(subject));
            [(true, p), (false, 1.0 - p)].map(|(arm, p)| ([before.as_slice(), &[arm]].concat(), chance * p))
        };
        sequences = sequences.into_iter().flat_map(step).filter(|(_, chance)| *chance > 0.0).collect();
    }
    for (arms, chance) in &sequences {
        for (law, (_, like)) in laws.iter_mut().zip(looks) {
            *law.entry(apart(arms, like).abs() as u64).or_default() += chance;
        }
    }
    let mut found = vec![BTreeMap::<u64, u64>::new(); looks.len()];
    for trial in 0..FACTOR_TRIALS {
        let mut secret = [0xc3; 32];
        secret[..8].copy_from_slice(&trial.to_le_bytes());
        let mut state = State::new(scheme);
        let mut arms = Vec::new();
        for subject in 0..WITH_FACTORS {
            let [f, g] = factors_of(subject);
            let levels = Levels::from([("f".to_owned(), f.to_string()), ("g".to_owned(), g.to_string())]);
            let decision = state.decide(scheme, &levels, &secret, subject as u64 + 1).unwrap();
            state.record(scheme, &levels, &decision.allotment).unwrap();
            arms.push(decision.allotment.arm == "A");
        }
        for (counts, (_, like)) in found.iter_mut().zip(looks) {
            *counts.entry(apart(&arms, like).abs() as u64).or_default() += 1;
        }
    }
    for ((law, counts), (what, _)) in laws.iter().zip(&found).zip(looks) {
        assert!(law.len() > 1, "{what}: nothing is left to chance");
        assert_fits(what, FACTOR_TRIALS, law, &|apart| counts.get(&apart).copied().unwrap_or(0));
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

const FACTORS: &str = "factors = [ { id = \"f\", weight = 2 }, { id = \"g\" } ]";

#[test]
fn minimization_over_two_factors() {
    // Range of two arms is |D|, so what A and B would add differs by the signs of the levels' differences; that is a coin.
    let table = format!("{FACTORS}\n[minimization]\ndistance = \"range\"\nrule = \"best\"\np = 0.8");
    check_with_factors(&two("method = \"minimization\"", &table), &|before, [f, g]| {
        let (first, second) = (apart(before, |own| own[0] == f), apart(before, |own| own[1] == g));
        let sum = |step: f64| 2.0 * (first + step).abs() + (second + step).abs();
        if sum(1.0) < sum(-1.0) {
            0.8
        } else if sum(1.0) > sum(-1.0) {
            0.2
        } else {
            0.5
        }
    });
}

#[test]
fn hu_hu_over_study_stratum_and_factors() {
    let table = format!("{FACTORS}\n[hu-hu]\np = 0.85\ntotal_weight = 0.5\nstratum_weight = 3");
    check_with_factors(&two("method = \"hu-hu\"", &table), &|before, [f, g]| {
        let lean = 0.5 * apart(before, |_| true)
            + 3.0 * apart(before, |own| own == [f, g])
            + 2.0 * apart(before, |own| own[0] == f)
            + apart(before, |own| own[1] == g);
        if lean < 0.0 {
            0.85
        } else if lean > 0.0 {
            0.15
        } else {
            0.5
        }
    });
}

#[test]
fn atkinson_over_a_factor() {
    // With one factor the fitted value is the mean within the level; a level that nobody had says nothing.
    let table = "factors = [ { id = \"f\" } ]";
    check_with_factors(&two("method = \"atkinson\"", table), &|before, [f, _]| {
        let count = (0..before.len()).filter(|at| factors_of(*at)[0] == f).count();
        if count == 0 {
            return 0.5;
        }
        let g = apart(before, |own| own[0] == f) / count as f64;
        (1.0 - g).powi(2) / ((1.0 - g).powi(2) + (1.0 + g).powi(2))
    });
}

#[test]
fn sequences_within_strata() {
    // Each stratum has a coin, a stick, an urn of its own.
    let strata = |method: &str, table: &str| {
        two(&format!("method = {method:?}"), &format!("strata = [\"f\", \"g\"]\n[{method}]\n{table}"))
    };
    fn own(before: &[bool], level: [usize; 2]) -> f64 {
        apart(before, |other| other == level)
    }
    check_with_factors(&strata("biased-coin", "p = 0.75"), &|before, level| match own(before, level) {
        apart if apart < 0.0 => 0.75,
        apart if apart > 0.0 => 0.25,
        _ => 0.5,
    });
    check_with_factors(&strata("big-stick", "limit = 2"), &|before, level| match own(before, level) {
        apart if apart <= -2.0 => 1.0,
        apart if apart >= 2.0 => 0.0,
        _ => 0.5,
    });
}
