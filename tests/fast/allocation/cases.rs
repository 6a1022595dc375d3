//! The published and derived decisions of `tests/data/allocation`.

use std::fmt::Write as _;

use serde_json::Value;

use super::*;

const CASES: &str = include_str!("../../data/allocation/decisions.json");

fn case(id: &str) -> Value {
    let all: Value = serde_json::from_str(CASES).unwrap();
    all["cases"].as_array().unwrap().iter().find(|case| case["id"] == id).unwrap().clone()
}

fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    value.as_array().unwrap().iter().map(text).collect()
}

/// A history with those marginal counts: factor → level → count of each arm.
fn history_of(margins: &Value, arms: &[String]) -> String {
    let factors: Vec<&String> = margins.as_object().unwrap().keys().collect();
    let mut csv = String::from("# made from margins\narm");
    for factor in &factors {
        write!(csv, ",{factor}").unwrap();
    }
    csv.push('\n');
    for (place, arm) in arms.iter().enumerate() {
        let column = |factor: &str| -> Vec<String> {
            let levels = margins[factor].as_object().unwrap();
            levels
                .iter()
                .flat_map(|(level, counts)| vec![level.clone(); counts[place].as_u64().unwrap() as usize])
                .collect()
        };
        let columns: Vec<Vec<String>> = factors.iter().map(|factor| column(factor)).collect();
        for row in 0..columns[0].len() {
            let levels: Vec<&str> = columns.iter().map(|column| column[row].as_str()).collect();
            writeln!(csv, "{arm},{}", levels.join(",")).unwrap();
        }
    }
    csv
}

fn minimization(arms: &[String], ratios: &[u64], factors: &[(String, String)], settings: &str) -> String {
    let arms: Vec<String> =
        arms.iter().zip(ratios).map(|(arm, ratio)| format!("{{ code = {arm:?}, ratio = {ratio} }}")).collect();
    let factors: Vec<String> =
        factors.iter().map(|(id, weight)| format!("{{ id = {id:?}, weight = {weight} }}")).collect();
    format!(
        "method = \"minimization\"\narms = [{}]\nfactors = [{}]\n[minimization]\n{settings}",
        arms.join(", "),
        factors.join(", ")
    )
}

#[test]
fn pocock_and_simon_1975() {
    let case = case("PS1975-T1");
    let arms = texts(&case["arms"]);
    let history = history_of(&case["full_margins"], &arms);
    let next = "F1=1,F2=2,F3=2";
    let weighted = [("F1", "2"), ("F2", "1"), ("F3", "1")];
    let distances = [
        ("range", "range"),
        ("variance", "variance"),
        ("sd", "sd"),
        ("marginal_total", "marginal-total"),
        ("marginal_balance", "marginal-balance"),
    ];
    let factors = |weights: [&str; 3]| -> Vec<(String, String)> {
        weighted.iter().zip(weights).map(|((id, _), weight)| ((*id).to_owned(), weight.to_owned())).collect()
    };
    let ask_with = |weights: [&str; 3], settings: &str| {
        ask(&minimization(&arms, &[1, 1, 1], &factors(weights), settings), Some(&history), Some(next)).unwrap()
    };
    for (key, distance) in distances {
        for (suffix, weights) in [("", ["2", "1", "1"]), ("_unweighted", ["1", "1", "1"])] {
            let expected = texts(&case["expected"][format!("{key}{suffix}")]["G"]);
            let settings = format!("distance = {distance:?}\nrule = \"best\"\np = \"2/3\"");
            let answer = ask_with(weights, &settings);
            for ((_, imbalance, _), expected) in answer.iter().zip(&expected) {
                let imbalance = imbalance.as_ref().unwrap();
                if distance == "sd" {
                    let real: f64 = expected.parse().unwrap();
                    assert!((imbalance.parse::<f64>().unwrap() - real).abs() < 1e-9, "{imbalance} {expected}");
                    assert_eq!(imbalance.split_once('.').unwrap().1.len(), 10);
                } else {
                    assert_eq!(imbalance, expected, "{key}{suffix}");
                }
            }
            let chances: Vec<String> = answer.into_iter().map(|(_, _, probability)| probability).collect();
            assert_eq!(chances, texts(&case["expected"]["prob_best_only_p=2/3"]));
        }
    }
    let rank = ask_with(["2", "1", "1"], "distance = \"range\"\nrule = \"rank\"\nq = 0.5");
    assert_eq!(chances(Ok(rank)), texts(&case["expected"]["prob_rank_q=1/2"]));
    let proportional = ask_with(["2", "1", "1"], "distance = \"range\"\nrule = \"proportional\"\nt = \"2/3\"");
    assert_eq!(chances(Ok(proportional)), texts(&case["expected"]["prob_proportional_t=2/3"]));
    // Weights may be any multiples, and decimals: 0.2, 0.1, 0.1 are in the same proportions as 2, 1, 1.
    let scaled = ask_with(["0.2", "\"1/10\"", "\"0.1\""], "distance = \"range\"\nrule = \"best\"\np = \"2/3\"");
    let scaled: Vec<Option<String>> = scaled.into_iter().map(|(_, imbalance, _)| imbalance).collect();
    assert_eq!(scaled, ["3/5", "1", "1/2"].map(|text| Some(text.to_owned())));
}

#[test]
fn distances_of_han_2009() {
    for vector in case("HAN2009-D")["vectors"].as_array().unwrap() {
        // The counts as they are after the subject, who is taken off the first arm again.
        let counts: Vec<u64> = vector["counts"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        let mut csv = String::from("arm,f\n");
        for (arm, count) in ["A", "B", "C"].iter().zip([counts[0] - 1, counts[1], counts[2]]) {
            (0..count).for_each(|_| csv.push_str(&format!("{arm},x\n")));
        }
        for (key, distance) in
            [("range", "range"), ("variance", "variance"), ("marginal_balance", "marginal-balance"), ("sd", "sd")]
        {
            let arms = ["A", "B", "C"].map(str::to_owned);
            let settings = format!("distance = {distance:?}\nrule = \"best\"\np = 0.8");
            let text = minimization(&arms, &[1, 1, 1], &[("f".to_owned(), "1".to_owned())], &settings);
            let answer = ask(&text, Some(&csv), Some("f=x")).unwrap();
            let imbalance = answer[0].1.clone().unwrap();
            match vector[key].as_str() {
                Some(expected) => assert_eq!(imbalance, expected),
                None => assert!((imbalance.parse::<f64>().unwrap() - vector[key].as_f64().unwrap()).abs() < 1e-5),
            }
        }
    }
}

#[test]
fn ranks_of_pocock_and_simon() {
    for table in case("PS1975-RANK")["tables"].as_array().unwrap() {
        let count = table["N"].as_u64().unwrap() as usize;
        let arms: Vec<String> = (1..=count).map(|arm| format!("arm {arm}")).collect();
        // The r-th arm has r - 1 subjects, so the marginal totals rank the arms as they stand.
        let mut csv = String::from("arm,f\n");
        for (before, arm) in arms.iter().enumerate() {
            (0..before).for_each(|_| csv.push_str(&format!("{arm},x\n")));
        }
        let settings = format!("distance = \"marginal-total\"\nrule = \"rank\"\nq = {}", table["q"]);
        let text = minimization(&arms, &vec![1; count], &[("f".to_owned(), "1".to_owned())], &settings);
        assert_eq!(chances(ask(&text, Some(&csv), Some("f=x"))), texts(&table["p"]));
    }
}

#[test]
fn the_first_patient_follows_the_ratio_when_all_are_tied() {
    let case = case("FIRST-PATIENT");
    let arms = ["A".to_owned(), "B".to_owned()];
    let factor = [("sex".to_owned(), "1".to_owned())];
    for rule in [
        "\"best\"\np = 0.8",
        "\"rank\"\nq = 0.75",
        "\"proportional\"\nt = 0.5",
        "\"ratio-coin\"\np = 0.8",
        "\"ratio-arms\"\np = 0.8",
    ] {
        let tied = minimization(&arms, &[2, 1], &factor, &format!("distance = \"marginal-total\"\nrule = {rule}"));
        assert_eq!(chances(ask(&tied, None, Some("sex=F"))), texts(&case["expected_P"]), "{rule}");
        let weightless = minimization(
            &arms,
            &[2, 1],
            &[("sex".to_owned(), "0".to_owned())],
            &format!("distance = \"range\"\nrule = {rule}"),
        );
        let history = "sex,arm\nF,A\nF,A\nF,A\n";
        assert_eq!(chances(ask(&weightless, Some(history), Some("sex=F"))), texts(&case["expected_P"]), "{rule}");
    }
    // But under range the arm of the greater ratio is ahead.
    let range = minimization(&arms, &[2, 1], &factor, "distance = \"range\"\nrule = \"best\"\np = 0.8");
    let answer = ask(&range, None, Some("sex=F")).unwrap();
    let imbalances: Vec<String> = answer.iter().map(|(_, imbalance, _)| imbalance.clone().unwrap()).collect();
    assert_eq!(imbalances, texts(&case["G_range_first_patient_one_factor"]));
    assert_eq!(chances(Ok(answer)), ["4/5", "1/5"]);
}

#[test]
fn marginal_totals_of_sex_and_race() {
    let case = case("MARGINAL-SEX-RACE");
    let arms = texts(&case["arms"]);
    // The margins of sex and race have the same totals per arm.
    let history = history_of(&case["full_margins"], &arms);
    let factors = [("sex".to_owned(), "1".to_owned()), ("race".to_owned(), "1".to_owned())];
    let next = Some("race=Hispanic,sex=female");
    let total = minimization(&arms, &[1, 1], &factors, "distance = \"marginal-total\"\nrule = \"best\"\np = 0.8");
    let answer = ask(&total, Some(&history), next).unwrap();
    assert_eq!(answer[0], ("1".to_owned(), Some("12".to_owned()), "1/5".to_owned()));
    assert_eq!(answer[1], ("2".to_owned(), Some("11".to_owned()), "4/5".to_owned()));
    let range = minimization(&arms, &[1, 1], &factors, "distance = \"range\"\nrule = \"best\"\np = 0.8");
    let answer = ask(&range, Some(&history), next).unwrap();
    assert_eq!((answer[0].1.as_deref(), answer[1].1.as_deref()), (Some("3"), Some("1")));
}

#[test]
fn two_patients() {
    for case in case("TWO-PATIENT")["cases"].as_array().unwrap() {
        let arms = texts(&case["arms"]);
        let new = case["new"].as_object().unwrap();
        let factors: Vec<(String, String)> = new.keys().map(|id| (id.clone(), "1".to_owned())).collect();
        let settings = format!("distance = \"range\"\nrule = \"best\"\np = {}", case["p"]);
        let mut csv = format!("{},arm\n", new.keys().cloned().collect::<Vec<_>>().join(","));
        for row in case["history"].as_array().unwrap() {
            let cells: Vec<&str> = new.keys().map(|id| row[id].as_str().unwrap()).collect();
            writeln!(csv, "{},{}", cells.join(","), row["arm"].as_str().unwrap()).unwrap();
        }
        let next: Vec<String> = new.iter().map(|(id, level)| format!("{id}={}", level.as_str().unwrap())).collect();
        let ones = vec![1; arms.len()];
        let answer = ask(&minimization(&arms, &ones, &factors, &settings), Some(&csv), Some(&next.join(","))).unwrap();
        for (code, _, probability) in answer {
            assert_eq!(probability, case["expected_P"][&code].as_str().unwrap(), "{case}");
        }
    }
}

#[test]
fn a_trace_of_twenty_patients() {
    let text = include_str!("../../data/allocation/minimization-trace-20.csv");
    let scheme = scheme(
        "method = \"minimization\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\n\
         factors = [ { id = \"site\" }, { id = \"sex\" }, { id = \"age\" }, { id = \"stage\" } ]\n\
         [minimization]\ndistance = \"range\"\nrule = \"best\"\np = \"4/5\"",
    );
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let mut state = State::new(&scheme);
    let mut steps = 0;
    for row in reader.records().map(Result::unwrap) {
        let at = |name: &str| row[headers.iter().position(|header| header == name).unwrap()].to_owned();
        let subject = ["site", "sex", "age", "stage"].map(|id| (id, at(id)));
        let subject: Levels = subject.into_iter().map(|(id, level)| (id.to_owned(), level)).collect();
        let arms = state.outlook(&scheme, &subject).unwrap().arms(&scheme);
        assert_eq!(imbalances(&arms), [at("G_A"), at("G_B")], "step {}", at("seq"));
        assert_eq!(arms[0].probability.to_string(), at("P_A"));
        state.record(&scheme, &subject, &given(&at("arm"))).unwrap();
        steps += 1;
    }
    assert_eq!(steps, 20);
}

#[test]
fn rules_for_unequal_ratios() {
    // Han et al. 2009 by hand: ratios 1 : 2 : 3, p = 7/10 for the smallest arm, unit = (3/10) / 5.
    let arms = ["A", "B", "C"].map(str::to_owned);
    let coin = |history: &str| {
        let text = minimization(
            &arms,
            &[1, 2, 3],
            &[("f".to_owned(), "1".to_owned())],
            "distance = \"marginal-total\"\nrule = \"ratio-coin\"\np = 0.7",
        );
        chances(ask(&text, Some(&format!("f,arm\n{history}")), Some("f=x")))
    };
    assert_eq!(coin("x,B\nx,C\n"), ["7/10", "3/25", "9/50"]);
    assert_eq!(coin("x,A\nx,C\n"), ["3/50", "19/25", "9/50"]);
    assert_eq!(coin("x,A\nx,B\n"), ["3/50", "3/25", "41/50"]);
    // A and B tied: 1/3 and 2/3 of the first two lines.
    assert_eq!(coin("x,C\n"), ["41/150", "41/75", "9/50"]);
    // ratio-arms, 1 : 2, p = 4/5: after one subject on A its only dummy is behind both of B's.
    let text = minimization(
        &arms[..2],
        &[1, 2],
        &[("f".to_owned(), "1".to_owned())],
        "distance = \"range\"\nrule = \"ratio-arms\"\np = 0.8",
    );
    assert_eq!(chances(ask(&text, Some("f,arm\nx,A\n"), Some("f=x"))), ["1/10", "9/10"]);
    assert_eq!(chances(ask(&text, Some("f,arm\nx,A\nx,B\n"), Some("f=x"))), ["1/10", "9/10"]);
    assert_eq!(chances(ask(&text, Some("f,arm\nx,B\nx,B\n"), Some("f=x"))), ["4/5", "1/5"]);
    // Both of B's on one dummy, said by the history itself.
    assert_eq!(chances(ask(&text, Some("f,arm,slot\nx,B,1\nx,B,1\n"), Some("f=x"))), ["9/20", "11/20"]);
    // Full round: tied, by ratio.
    assert_eq!(chances(ask(&text, Some("f,arm\nx,B\nx,A\nx,B\n"), Some("f=x"))), ["1/3", "2/3"]);
}

#[test]
fn tied_arms_of_unequal_ratio_share_what_is_theirs() {
    // A (2) and B (1) tied best, C behind: 2/3 (4/5) + 1/3 (1/10) and 1/3 (4/5) + 2/3 (1/10).
    let arms = ["A", "B", "C"].map(str::to_owned);
    let factor = [("f".to_owned(), "1".to_owned())];
    let best = minimization(&arms, &[2, 1, 1], &factor, "distance = \"marginal-total\"\nrule = \"best\"\np = 0.8");
    assert_eq!(chances(ask(&best, Some("f,arm\nx,C\n"), Some("f=x"))), ["17/30", "1/3", "1/10"]);
    let rank = minimization(&arms, &[2, 1, 1], &factor, "distance = \"marginal-total\"\nrule = \"rank\"\nq = \"2/3\"");
    // Ranks 1/2, 1/3, 1/6: 2/3 1/2 + 1/3 1/3 and 1/3 1/2 + 2/3 1/3.
    assert_eq!(chances(ask(&rank, Some("f,arm\nx,C\n"), Some("f=x"))), ["4/9", "7/18", "1/6"]);
}

#[test]
fn irrational_numbers_are_shown_as_decimals() {
    let arms = ["A", "B", "C"].map(str::to_owned);
    let factor = [("f".to_owned(), "1".to_owned()), ("g".to_owned(), "1".to_owned())];
    let text = minimization(&arms, &[1, 1, 1], &factor, "distance = \"sd\"\nrule = \"proportional\"\nt = \"1/2\"");
    let answer = ask(&text, Some("f,g,arm\nx,y,A\nx,z,A\nx,y,B\n"), Some("f=x,g=y")).unwrap();
    // G by hand: f counts (3,1,0) (2,2,0) (2,1,1); g counts (2,1,0) (1,2,0) (1,1,1).
    let by_hand = [(7f64 / 3.0).sqrt() + 1.0, (4f64 / 3.0).sqrt() + 1.0, (1f64 / 3.0).sqrt()];
    let sum: f64 = by_hand.iter().sum();
    for ((_, imbalance, probability), own) in answer.iter().zip(by_hand) {
        assert!((imbalance.as_ref().unwrap().parse::<f64>().unwrap() - own).abs() < 1e-9);
        assert!((probability.parse::<f64>().unwrap() - (1.0 - own / sum / 2.0) / 2.5).abs() < 1e-9);
    }
    // With two arms the roots cancel and probabilities are fractions again: G = (2, 0) / √2.
    let two =
        minimization(&arms[..2], &[1, 1], &factor[..1], "distance = \"sd\"\nrule = \"proportional\"\nt = \"1/2\"");
    let answer = ask(&two, Some("f,arm\nx,A\n"), Some("f=x")).unwrap();
    assert_eq!(answer[0].1.as_deref(), Some("1.4142135624"));
    assert_eq!(answer[1].1.as_deref(), Some("0"));
    assert_eq!(chances(Ok(answer)), ["1/3", "2/3"]);
}

#[test]
fn burn_in_and_total() {
    let arms = ["A", "B"].map(str::to_owned);
    let factors = [("total".to_owned(), "1".to_owned()), ("f".to_owned(), "1".to_owned())];
    let text = minimization(&arms, &[1, 1], &factors, "distance = \"range\"\nrule = \"best\"\np = 0.75\nburn_in = 2");
    assert_eq!(ask(&text, Some("f,arm\nx,A\n"), Some("f=x")).unwrap()[0], ("A".to_owned(), None, "1/2".to_owned()));
    // A level nobody has had: only the total counts.
    let answer = ask(&text, Some("f,arm\nx,A\nx,A\n"), Some("f=y")).unwrap();
    assert_eq!(answer[0], ("A".to_owned(), Some("4".to_owned()), "1/4".to_owned()));
    assert_eq!(answer[1], ("B".to_owned(), Some("2".to_owned()), "3/4".to_owned()));
}
