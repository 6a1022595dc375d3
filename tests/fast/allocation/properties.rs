//! Properties of every scheme: exact against a plain second computation, indifferent to order, blocks that close.

use hagaki::domain::allocation::{Full, HistoryRow, Origin, record, replay};
use hagaki::domain::study::Caps;
use num_traits::{One, Zero};
use proptest::prelude::*;

use super::*;

/// A minimization trial: ratios, weights, levels of each subject, arms of the past, settings.
#[derive(Clone, Debug)]
struct Trial {
    ratios: Vec<u64>,
    weights: Vec<String>,
    subjects: Vec<(Vec<u8>, usize)>,
    next: Vec<u8>,
    distance: &'static str,
    rule: &'static str,
}

const DISTANCES: [&str; 5] = ["range", "variance", "sd", "marginal-total", "marginal-balance"];
const RULES: [&str; 4] = [
    "rule = \"best\"\np = \"9/10\"",
    "rule = \"ratio-coin\"\np = \"9/10\"",
    "rule = \"rank\"\nq = \"RANK\"",
    "rule = \"proportional\"\nt = \"3/7\"",
];

fn trials() -> impl Strategy<Value = Trial> {
    let shape = (2usize..5, 1usize..5);
    shape.prop_flat_map(|(arms, factors)| {
        let weight = prop_oneof![
            Just("0"),
            Just("1"),
            Just("0.1"),
            Just("0.2"),
            Just("0.3"),
            Just("2/3"),
            Just("1e-9"),
            Just("999.999")
        ];
        let row = proptest::collection::vec(0u8..3, factors);
        (
            proptest::collection::vec(prop_oneof![3 => Just(1u64), 1 => 1u64..8, 1 => Just(997u64)], arms),
            proptest::collection::vec(weight.prop_map(str::to_owned), factors),
            proptest::collection::vec((row.clone(), 0..arms), 0..25),
            row,
            proptest::sample::select(&DISTANCES[..]),
            proptest::sample::select(&RULES[..]),
        )
            .prop_map(|(ratios, weights, subjects, next, distance, rule)| Trial {
                ratios,
                weights,
                subjects,
                next,
                distance,
                rule,
            })
    })
}

impl Trial {
    fn file(&self, arms: &[usize], factors: &[usize]) -> String {
        let arms: Vec<String> =
            arms.iter().map(|arm| format!("{{ code = \"arm{arm}\", ratio = {} }}", self.ratios[*arm])).collect();
        let factors: Vec<String> = factors
            .iter()
            .map(|factor| format!("{{ id = \"f{factor}\", weight = \"{}\" }}", self.weights[*factor]))
            .collect();
        let q = fraction("3/2") / number::ratio(self.ratios.len() as u64, 1);
        let rule = self.rule.replace("RANK", &number::show(&q));
        let (arms, factors) = (arms.join(", "), factors.join(", "));
        format!(
            "method = \"minimization\"\narms = [{arms}]\nfactors = [{factors}]\n[minimization]\ndistance = {:?}\n{rule}",
            self.distance
        )
    }

    fn levels(row: &[u8]) -> Levels {
        row.iter().enumerate().map(|(factor, level)| (format!("f{factor}"), level.to_string())).collect()
    }

    fn outlook(&self, arms: &[usize], factors: &[usize]) -> Vec<ArmOutlook> {
        let scheme = scheme(&self.file(arms, factors));
        let mut state = State::new(&scheme);
        for (row, arm) in &self.subjects {
            state.record(&scheme, &Self::levels(row), &given(&format!("arm{arm}"))).unwrap();
        }
        let mut arms = state.outlook(&scheme, &Self::levels(&self.next)).unwrap().arms(&scheme);
        arms.sort_by(|one, other| one.code.cmp(&other.code));
        arms
    }

    /// The imbalance of each arm by its definition, in fractions; for `sd` the variances of each factor instead.
    fn by_definition(&self) -> Vec<Vec<(Rational, Rational)>> {
        let count = self.ratios.len();
        let weights: Vec<Rational> = self.weights.iter().map(|weight| fraction(weight)).collect();
        let candidate = |own: usize| -> Vec<(Rational, Rational)> {
            let of_factor = |factor: usize| {
                let level = self.next[factor];
                let before = |arm: usize| {
                    self.subjects.iter().filter(|(row, of)| row[factor] == level && *of == arm).count() as u64
                };
                if self.distance == "marginal-total" {
                    return number::ratio(before(own), self.ratios[own]);
                }
                let z: Vec<Rational> = (0..count)
                    .map(|arm| number::ratio(before(arm) + u64::from(arm == own), self.ratios[arm]))
                    .collect();
                let whole: Rational = z.iter().sum();
                let arms = number::ratio(count as u64, 1);
                let others = number::ratio(count as u64 - 1, 1);
                match self.distance {
                    "range" => z.iter().max().unwrap() - z.iter().min().unwrap(),
                    "marginal-balance" => {
                        let mut pairs = Rational::zero();
                        for (at, one) in z.iter().enumerate() {
                            for other in &z[at + 1..] {
                                pairs += if one > other { one - other } else { other - one };
                            }
                        }
                        pairs / others / whole
                    }
                    _ => {
                        let mean = &whole / &arms;
                        z.iter().map(|z| (z - &mean) * (z - &mean)).sum::<Rational>() / others
                    }
                }
            };
            (0..self.weights.len()).map(|factor| (weights[factor].clone(), of_factor(factor))).collect()
        };
        (0..count).map(candidate).collect()
    }
}

fn real(value: &Rational) -> f64 {
    number::decimal(value, 25).parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn imbalances_are_those_of_the_definition(trial in trials()) {
        let count = trial.ratios.len();
        let arms = trial.outlook(&(0..count).collect::<Vec<_>>(), &(0..trial.weights.len()).collect::<Vec<_>>());
        let own = trial.by_definition();
        for (arm, parts) in arms.iter().zip(&own) {
            let found = arm.imbalance.as_ref().unwrap().value();
            if trial.distance == "sd" {
                let expected: f64 = parts.iter().map(|(weight, variance)| real(weight) * real(variance).sqrt()).sum();
                prop_assert!((real(found) - expected).abs() < 1e-6 * expected.max(1.0), "{} {}", real(found), expected);
            } else {
                let expected: Rational = parts.iter().map(|(weight, part)| weight * part).sum();
                prop_assert_eq!(found, &expected);
            }
        }
        let sum: Rational = arms.iter().map(|arm| arm.probability.value()).sum();
        prop_assert!(sum.is_one());
        // The order of the imbalances is that of the probabilities, where the rule does not know the ratio.
        if trial.ratios.iter().all(|ratio| *ratio == trial.ratios[0]) {
            for one in &arms {
                for other in &arms {
                    let (mine, yours) = (one.imbalance.as_ref().unwrap().value(), other.imbalance.as_ref().unwrap().value());
                    if mine <= yours && !matches!(trial.distance, "sd") {
                        prop_assert!(one.probability.value() >= other.probability.value());
                    }
                }
            }
        }
    }

    #[test]
    fn the_best_rule_by_its_definition(mut trial in trials()) {
        trial.rule = RULES[0];
        // Standard deviations have no fractions to compare with; their order is tested where they are compared.
        trial.distance = if trial.distance == "sd" { "range" } else { trial.distance };
        let count = trial.ratios.len();
        let arms = trial.outlook(&(0..count).collect::<Vec<_>>(), &(0..trial.weights.len()).collect::<Vec<_>>());
        let scores: Vec<Rational> =
            trial.by_definition().iter().map(|parts| parts.iter().map(|(weight, part)| weight * part).sum()).collect();
        let least = scores.iter().min().unwrap();
        let share = |arm: usize| number::ratio(trial.ratios[arm], 1);
        let best: Rational = (0..count).filter(|arm| scores[*arm] == *least).map(share).sum();
        let tied = scores.iter().all(|score| score == least);
        let p = fraction("9/10");
        let rest = (Rational::one() - &p) / number::ratio(count as u64 - 1, 1);
        for (arm, found) in arms.iter().enumerate() {
            let first = if scores[arm] == *least { share(arm) / &best } else { Rational::zero() };
            let expected = if tied { share(arm) / &best } else { &first * &p + (Rational::one() - &first) * &rest };
            prop_assert_eq!(found.probability.value(), &expected);
        }
    }

    #[test]
    fn the_order_of_the_file_changes_nothing(trial in trials(), reversed in any::<bool>(), turn in 0usize..4) {
        let count = trial.ratios.len();
        let plain: Vec<usize> = (0..count).collect();
        let factors: Vec<usize> = (0..trial.weights.len()).collect();
        let mut mixed = plain.clone();
        mixed.rotate_left(turn % count);
        if reversed {
            mixed.reverse();
        }
        let mut other = factors.clone();
        other.rotate_left(turn % factors.len());
        prop_assert_eq!(trial.outlook(&plain, &factors), trial.outlook(&mixed, &other));
        // Nor does it change the arm that is drawn.
        let decide = |arms: &[usize], factors: &[usize]| {
            let scheme = scheme(&trial.file(arms, factors));
            let state = State::new(&scheme);
            state.decide(&scheme, &Trial::levels(&trial.next), &[5; 32], 7).unwrap().allotment
        };
        prop_assert_eq!(decide(&plain, &factors), decide(&mixed, &other));
    }

    #[test]
    fn permuting_the_past_permutes_the_chances(trial in trials(), turn in 1usize..4) {
        let count = trial.ratios.len();
        let plain: Vec<usize> = (0..count).collect();
        let factors: Vec<usize> = (0..trial.weights.len()).collect();
        let to = |arm: usize| (arm + turn) % count;
        let mut turned = trial.clone();
        for (arm, ratio) in trial.ratios.iter().enumerate() {
            turned.ratios[to(arm)] = *ratio;
        }
        for (_, arm) in &mut turned.subjects {
            *arm = to(*arm);
        }
        let (before, after) = (trial.outlook(&plain, &factors), turned.outlook(&plain, &factors));
        for arm in 0..count {
            prop_assert_eq!(&before[arm].probability, &after[to(arm)].probability);
            prop_assert_eq!(&before[arm].imbalance, &after[to(arm)].imbalance);
        }
    }

    #[test]
    fn blocks_close_in_ratio_and_strata_do_not_touch(seed in any::<[u8; 32]>(), sites in proptest::collection::vec(0u8..3, 1..60)) {
        let scheme = scheme("method = \"block\"\narms = [ { code = \"A\" }, { code = \"B\" }, { code = \"C\", ratio = 2 } ]\nstrata = [\"site\"]\n[block]\nsizes = [4, 8]");
        let mut together = State::new(&scheme);
        let mut open: BTreeMap<u8, Vec<Allotment>> = BTreeMap::new();
        for (number, site) in (1..).zip(&sites) {
            let subject = levels(&[("site", &site.to_string())]);
            let decision = together.decide(&scheme, &subject, &seed, number).unwrap();
            // Alone, the same stratum would have got the same arm.
            let mut alone = State::new(&scheme);
            for before in open.get(site).into_iter().flatten() {
                alone.record(&scheme, &subject, before).unwrap();
            }
            prop_assert_eq!(&alone.decide(&scheme, &subject, &seed, number).unwrap().allotment, &decision.allotment);
            together.record(&scheme, &subject, &decision.allotment).unwrap();
            let block = open.entry(*site).or_default();
            block.push(decision.allotment);
            let size = block[0].block_size.unwrap();
            prop_assert_eq!(decision.place_in_block, Some(block.len() as u64));
            if block.len() as u64 == size {
                let count = |code: &str| block.iter().filter(|given| given.arm == code).count() as u64;
                prop_assert_eq!([count("A"), count("B"), count("C")], [size / 4, size / 4, size / 2]);
                block.clear();
            }
        }
    }

    #[test]
    fn histories_rebuild_the_state(seed in any::<[u8; 32]>(), rows in proptest::collection::vec((0u8..2, 0u8..4), 0..40), method in 0usize..6) {
        let methods = [
            "method = \"simple\"\nARMS\n",
            "method = \"block\"\nARMS\nstrata = [\"sex\"]\n[block]\nsizes = [3, 6, 9]",
            "method = \"block-urn\"\nARMS\nstrata = [\"sex\"]\n[block-urn]\nlambda = 2",
            "method = \"minimization\"\nARMS\nfactors = [ { id = \"sex\" }, { id = \"site\", weight = 0.5 }, { id = \"total\" } ]\n[minimization]\ndistance = \"sd\"\nrule = \"ratio-arms\"\np = 0.8\nburn_in = 3",
            "method = \"minimization\"\nARMS\nfactors = [ { id = \"sex\" }, { id = \"site\" } ]\n[minimization]\ndistance = \"variance\"\nrule = \"ratio-coin\"\np = 0.8",
            "method = \"minimization\"\nARMS\nfactors = [ { id = \"sex\" } ]\n[minimization]\ndistance = \"marginal-balance\"\nrule = \"proportional\"\nt = 1",
        ];
        let scheme = scheme(&methods[method].replace("ARMS", "arms = [ { code = \"A\" }, { code = \"B\", ratio = 2 } ]"));
        let mut state = State::new(&scheme);
        let mut journal = Vec::new();
        let mut history = Vec::new();
        for (number, (sex, site)) in (1..).zip(&rows) {
            let subject = levels(&[("sex", &sex.to_string()), ("site", &site.to_string())]);
            let decision = state.decide(&scheme, &subject, &seed, number).unwrap();
            prop_assert_eq!(&state.decide(&scheme, &subject, &seed, number).unwrap(), &decision);
            prop_assert!(decision.outlook.admits(&scheme, &decision.allotment).unwrap());
            // To somebody who knows the slots and sizes, the outlook is the law of the draw (a new block's size does not matter).
            let known = hagaki::domain::allocation::explain(&scheme, &history, &subject).unwrap();
            prop_assert_eq!(&known.arms, &decision.outlook.arms(&scheme));
            let entry = record(&scheme, &state, &subject, &decision).unwrap();
            prop_assert_eq!(&entry["arm"], &decision.allotment.arm);
            prop_assert_eq!(entry["draws"].as_array().unwrap().len(), decision.draws.len());
            state.record(&scheme, &subject, &decision.allotment).unwrap();
            let Allotment { arm, slot, block_size } = decision.allotment.clone();
            history.push(HistoryRow { levels: subject.clone(), arm, slot, block_size, by_hand: false });
            journal.push(hagaki::domain::allocation::Row { number, levels: subject, allotment: decision.allotment, origin: Origin::Drawn });
        }
        prop_assert_eq!(replay(&scheme, &seed, journal).unwrap(), state.clone());
        prop_assert_eq!(state.total(), rows.len() as u64);
        prop_assert_eq!(state.of_arm(&scheme, "A") + state.of_arm(&scheme, "B"), rows.len() as u64);
        prop_assert_eq!((0..4).map(|site| state.of_site(&site.to_string())).sum::<u64>(), rows.len() as u64);
    }
}

#[test]
fn the_biased_coin_is_never_silently_deterministic() {
    // Minirand, labels 0/1 and 2/1: probability 1 where 0.8 was asked. 2,000 decisions lie within 4.5 deviations of 0.8.
    for (first, second) in [("0", "1"), ("2", "1"), ("1", "2")] {
        let scheme = scheme(&format!(
            "method = \"minimization\"\narms = [ {{ code = {first:?} }}, {{ code = {second:?} }} ]\nfactors = [ {{ id = \"f\" }} ]\n[minimization]\ndistance = \"range\"\nrule = \"best\"\np = 0.8"
        ));
        let mut state = State::new(&scheme);
        let subject = levels(&[("f", "x")]);
        state.record(&scheme, &subject, &given(first)).unwrap();
        let behind = (1..=2000)
            .filter(|number| state.decide(&scheme, &subject, &[1; 32], *number).unwrap().allotment.arm == second);
        let share = behind.count() as f64 / 2000.0;
        assert!((share - 0.8).abs() < 0.04, "{first} {second}: {share}");
    }
}

#[test]
fn caps_are_counted() {
    let scheme = scheme(
        "method = \"block\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\nstrata = [\"sex\"]\n[block]\nsizes = [2]",
    );
    let mut state = State::new(&scheme);
    let caps = |total, arm: Option<u32>, stratum| Caps {
        total,
        arms: arm.map(|cap| ("A".to_owned(), cap)).into_iter().collect(),
        stratum,
    };
    let subject = |sex: &str| levels(&[("sex", sex), ("site", "012")]);
    for (sex, arm) in [("F", "A"), ("F", "B"), ("M", "A")] {
        let allotment = Allotment { arm: arm.to_owned(), slot: None, block_size: Some(2) };
        state.record(&scheme, &subject(sex), &allotment).unwrap();
    }
    let full = |caps: &Caps, site, sex| state.find_full(&scheme, caps, site, &subject(sex)).unwrap();
    assert_eq!(full(&caps(Some(4), Some(3), Some(3)), Some(4), "F"), None);
    assert_eq!(full(&caps(Some(3), None, None), None, "F"), Some(Full::Total));
    assert_eq!(full(&caps(None, Some(2), None), None, "F"), Some(Full::Arm));
    assert_eq!(full(&caps(None, None, None), Some(3), "F"), Some(Full::Site));
    assert_eq!(full(&caps(None, None, Some(2)), None, "F"), Some(Full::Stratum));
    assert_eq!(full(&caps(None, None, Some(2)), None, "M"), None);
}

#[test]
fn what_cannot_be_recorded_changes_nothing() {
    let scheme = scheme(
        "method = \"block\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\nstrata = [\"sex\"]\n[block]\nsizes = [2]",
    );
    let mut state = State::new(&scheme);
    let subject = levels(&[("sex", "F")]);
    let in_block = |arm: &str, size| Allotment { arm: arm.to_owned(), slot: None, block_size: size };
    state.record(&scheme, &subject, &in_block("A", Some(2))).unwrap();
    let before = state.clone();
    for wrong in [in_block("A", Some(2)), in_block("B", Some(4)), in_block("B", None), in_block("C", Some(2))] {
        assert!(state.record(&scheme, &subject, &wrong).is_err(), "{wrong:?}");
    }
    assert!(state.record(&scheme, &Levels::new(), &in_block("B", Some(2))).is_err());
    let slotted = Allotment { slot: Some(0), ..in_block("B", Some(2)) };
    assert!(state.record(&scheme, &subject, &slotted).is_err());
    assert_eq!(state, before);
}
