//! Histories that came from outside: unknown block sizes, levels and arms of every kind, and what does not fit.

use super::*;

const BLOCKS: &str = "method = \"block\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\n[block]\nsizes = [2, 4]\n";

#[test]
fn unknown_block_sizes_are_weighted_exactly() {
    let ask = |history: &str| chances(ask(BLOCKS, Some(&format!("arm\n{history}")), None));
    assert_eq!(ask(""), ["1/2", "1/2"]);
    // After A: size 2 (then B is certain) and size 4 (then B has 2 of 3 places) were equally likely, and A equally likely in both.
    assert_eq!(ask("A\n"), ["1/6", "5/6"]);
    // After A, A only a block of 4 can be open.
    assert_eq!(ask("A\nA\n"), ["0", "1"]);
    // After A, B: a block of 2 is full (1/2 · 1/2 = 1/4) or one of 4 is half full (1/2 · 1/3 = 1/6): even chances either way.
    assert_eq!(ask("A\nB\n"), ["1/2", "1/2"]);
    // After A, B, A: 2 | 2 open: 1/4 · 1/2 · 1/2; 2 | 4 open: the same; 4 open: 1/2 · 1/2 · 2/3 · 1/2 = 1/12.
    // P(A): (1/16 · 0 + 1/16 · 1/3 + 1/12 · 0) / (1/16 + 1/16 + 1/12) = 1/10.
    assert_eq!(ask("A\nB\nA\n"), ["1/10", "9/10"]);
    // Known sizes leave nothing to weigh.
    let known = |history: &str| chances(super::ask(BLOCKS, Some(&format!("arm,block_size\n{history}")), None));
    assert_eq!(known("A,2\n"), ["0", "1"]);
    assert_eq!(known("A,4\n"), ["1/3", "2/3"]);
    assert_eq!(known("A,\nB,2\nA,4\n"), ["1/3", "2/3"]);
    // Who was given an arm by hand stands outside of the blocks, unless a size is told.
    let given = |history: &str| chances(super::ask(BLOCKS, Some(&format!("arm,block_size,origin\n{history}")), None));
    assert_eq!(given("A,4,drawn\nA,,forced\nA,,forced\n"), ["1/3", "2/3"]);
    assert_eq!(given("A,4,drawn\nA,4,forced\n"), ["0", "1"]);
    // So does what a journal of ours holds of one that was imported.
    assert_eq!(given("A,4,imported\nA,,imported\n"), ["1/3", "2/3"]);
}

#[test]
fn weights_and_ratios_enter_the_mixture() {
    let text = "method = \"block\"\narms = [ { code = \"A\", ratio = 1 }, { code = \"B\", ratio = 2 } ]\n[block]\nsizes = [3, 6]\nweights = [\"1/4\", \"3/4\"]\n";
    // After B: size 3 leaves A 1, B 1; size 6 leaves A 2, B 3. P(B first) is 2/3 in both: 1/4 · 1/2 + 3/4 · 2/5.
    assert_eq!(chances(ask(text, Some("arm\nB\n"), None)), ["17/40", "23/40"]);
}

/// The same by going through every sequence of sizes, as a definition of the law.
fn by_enumeration(sizes: &[usize], arms: &[u8]) -> Option<[f64; 2]> {
    fn walk(sizes: &[usize], arms: &[u8], weight: f64, sums: &mut [f64; 2]) {
        for size in sizes {
            let mut left = [size / 2; 2];
            let mut weight = weight / sizes.len() as f64;
            for (taken, arm) in arms.iter().take(*size).enumerate() {
                weight *= left[usize::from(*arm)] as f64 / (size - taken) as f64;
                left[usize::from(*arm)] = left[usize::from(*arm)].saturating_sub(1);
            }
            if weight == 0.0 {
                continue;
            }
            if arms.len() >= *size {
                walk(sizes, &arms[*size..], weight, sums);
            } else {
                let places = (size - arms.len()) as f64;
                sums[0] += weight * left[0] as f64 / places;
                sums[1] += weight * left[1] as f64 / places;
            }
        }
    }
    let mut sums = [0.0; 2];
    walk(sizes, arms, 1.0, &mut sums);
    let whole = sums[0] + sums[1];
    (whole > 0.0).then(|| sums.map(|sum| sum / whole))
}

#[test]
fn the_mixture_is_that_of_all_sequences_of_sizes() {
    for sizes in [&[2usize, 4][..], &[4, 6], &[2, 4, 6], &[2, 6]] {
        let text = BLOCKS.replace("[2, 4]", &format!("{sizes:?}"));
        let scheme = scheme(&text);
        let mut possible = 0;
        for pattern in 0u32..1 << 12 {
            for length in [5, 9, 12] {
                if pattern >> length != 0 {
                    continue;
                }
                let arms: Vec<u8> = (0..length).map(|at| (pattern >> at & 1) as u8).collect();
                let rows: Vec<hagaki::domain::allocation::HistoryRow> = arms
                    .iter()
                    .map(|arm| hagaki::domain::allocation::HistoryRow {
                        levels: Levels::new(),
                        arm: ["A", "B"][usize::from(*arm)].to_owned(),
                        slot: None,
                        block_size: None,
                        by_hand: false,
                    })
                    .collect();
                let found = hagaki::domain::allocation::explain(&scheme, &rows, &Levels::new());
                match by_enumeration(sizes, &arms) {
                    None => assert!(found.is_err(), "{sizes:?} {arms:?}"),
                    Some(expected) => {
                        let found = found.unwrap().arms;
                        let chance: f64 = number::decimal(found[0].probability.value(), 17).parse().unwrap();
                        assert!((chance - expected[0]).abs() < 1e-12, "{sizes:?} {arms:?}");
                        possible += 1;
                    }
                }
            }
        }
        assert!(possible > 20, "{sizes:?}: {possible}");
    }
}

#[test]
fn a_long_history_of_blocks_is_explained() {
    let arms = "A\nB\nB\nA\nA\nA\nB\nB\nB\nA\n".repeat(300);
    let answer = chances(ask(&BLOCKS.replace("[2, 4]", "[4, 6]"), Some(&format!("arm\n{arms}")), None));
    assert_eq!(answer.len(), 2);
    assert_eq!(fraction(&answer[0]) + fraction(&answer[1]), fraction("1"));
}

#[test]
fn strata_are_apart() {
    let text = BLOCKS.replace("[block]", "strata = [\"site\", \"sex\"]\n[block]").replace("[2, 4]", "[4]");
    let history = "site,age,sex,arm\n012,9,F,A\n012,9,M,A\n東京,9,F,B\n012,8,F,A\n";
    let next = |next: &str| chances(ask(&text, Some(history), Some(next)));
    assert_eq!(next("sex=F,site=012"), ["0", "1"]);
    assert_eq!(next("site=012,sex=M"), ["1/3", "2/3"]);
    assert_eq!(next("site=東京,sex=F"), ["2/3", "1/3"]);
    assert_eq!(next("site=大阪,sex=F"), ["1/2", "1/2"]);
}

#[test]
fn arms_of_any_name_have_the_same_chances() {
    for (first, second) in
        [("A", "B"), ("B", "A"), ("0", "1"), ("1", "0"), ("2", "1"), ("実薬", "偽薬"), ("new drug", "old, dear")]
    {
        let text = format!(
            "method = \"minimization\"\narms = [ {{ code = {first:?}, ratio = 2 }}, {{ code = {second:?}, ratio = 1 }} ]\n\
             factors = [ {{ id = \"性別\", levels = [\"男\", \"女\"] }} ]\n[minimization]\ndistance = \"range\"\nrule = \"best\"\np = 0.8"
        );
        let history =
            format!("性別,arm\n男,\"{first}\"\n男,\"{first}\"\n男,\"{second}\"\n女,\"{first}\"\n女,\"{first}\"\n");
        let answer = ask(&text, Some(&history), Some("性別=女")).unwrap();
        assert_eq!(answer[0], (first.to_owned(), Some("3/2".to_owned()), "1/5".to_owned()));
        assert_eq!(answer[1], (second.to_owned(), Some("0".to_owned()), "4/5".to_owned()));
    }
}

#[test]
fn many_factors_and_arms() {
    let factors: Vec<String> = (0..12).map(|at| format!("{{ id = \"f{at}\", weight = \"{}/7\" }}", at + 1)).collect();
    let text = format!(
        "method = \"minimization\"\narms = [ {{ code = \"a\" }}, {{ code = \"b\" }}, {{ code = \"c\" }}, {{ code = \"d\" }}, {{ code = \"e\" }}, {{ code = \"f\" }} ]\n\
         factors = [{}]\n[minimization]\ndistance = \"marginal-balance\"\nrule = \"best\"\np = 0.75",
        factors.join(", ")
    );
    let header: Vec<String> = (0..12).map(|at| format!("f{at}")).collect();
    let row = |arm: &str| format!("{}x,{arm}\n", "x,".repeat(11));
    let history = format!("{},arm\n{}{}{}", header.join(","), row("a"), row("b"), row("a"));
    let next: Vec<String> = header.iter().map(|id| format!("{id}=x")).collect();
    let answer = ask(&text, Some(&history), Some(&next.join(","))).unwrap();
    // One factor by hand, counts (2, 1, 0, 0, 0, 0): with a (3, 1, 0 …) the pairs' differences sum to 18, with c (2, 1, 1, 0 …) to 14.
    // Weights sum to 78/7: 78/7 · 18 / (5 · 4) and 78/7 · 14 / (5 · 4).
    let imbalance = |at: usize| answer[at].1.clone().unwrap();
    assert_eq!(imbalance(0), number::show(&(fraction("78/7") * fraction("18/20"))));
    assert_eq!(imbalance(2), number::show(&(fraction("78/7") * fraction("14/20"))));
    // Four arms share the first place.
    assert_eq!(chances(Ok(answer)), ["1/20", "1/20", "9/40", "9/40", "9/40", "9/40"]);
}

#[test]
fn what_does_not_fit_is_said_with_its_line() {
    let text = "method = \"minimization\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\nfactors = [ { id = \"sex\", levels = [\"F\", \"M\"] }, { id = \"site\" } ]\n[minimization]\ndistance = \"range\"\nrule = \"best\"\np = 0.8";
    let history = |history: &str| ask(text, Some(history), Some("sex=F,site=1")).unwrap_err();
    assert_eq!(history("sex,arm\nF,A\n"), "/H.csv:1: there is no column \"site\"");
    assert_eq!(history("sex,site\nF,1\n"), "/H.csv:1: there is no column \"arm\"");
    assert_eq!(history("# a\nsex,site,arm\nF,1,A\n# b\nF,1,C\n"), "/H.csv:5: \"C\" is no arm of the scheme");
    assert_eq!(history("sex,site,arm\nF,1,A\nX,1,A\n"), "/H.csv:3: \"X\" is no level of the factor \"sex\"");
    assert_eq!(history("sex,site,arm\nF,1,A\nF,,A\n"), "/H.csv:3: the column \"site\" is empty");
    assert_eq!(history("sex,site,arm\nF,1\n"), "/H.csv:2: 2 values where the first line has 3 columns");
    assert_eq!(history("sex,sex,site,arm\nF,F,1,A\n"), "/H.csv:1: the column \"sex\" stands twice");
    let next = |next: Option<&str>| ask(text, None, next).unwrap_err();
    assert_eq!(next(None), "--next: no level is given for the factor \"sex\"");
    assert_eq!(next(Some("sex=F")), "--next: no level is given for the factor \"site\"");
    assert_eq!(next(Some("sex=X,site=1")), "--next: \"X\" is no level of the factor \"sex\"");
    assert_eq!(next(Some("sex,site=1")), "--next: \"sex\" is not of the form factor=level");
    assert_eq!(next(Some("sex=F,site=")), "--next: no level is given for \"site\"");
    assert_eq!(next(Some("sex=F,sex=M,site=1")), "--next: \"sex\" stands twice");
    let blocks = ask(BLOCKS, Some("arm\nA\nA\nA\n"), None).unwrap_err();
    assert_eq!(blocks, "/H.csv: the arms of this stratum fit no sequence of the scheme's blocks");
    assert_eq!(
        ask(BLOCKS, Some("arm,block_size\nA,8\n"), None).unwrap_err(),
        "/H.csv:2: the block size is missing or wrong"
    );
    // A byte order mark, spaces, comments and columns of no interest do no harm.
    assert!(ask(text, Some("\u{feff}id, sex ,site,arm\r\n1, F ,1,A\r\n"), Some(" sex = F , site = 1 ")).is_ok());
}

#[test]
fn methods_without_imbalance_have_none() {
    let simple = "method = \"simple\"\narms = [ { code = \"B\", ratio = 2 }, { code = \"A\", ratio = 4 } ]";
    let answer = ask(simple, None, None).unwrap();
    assert_eq!(answer, [("B".to_owned(), None, "1/3".to_owned()), ("A".to_owned(), None, "2/3".to_owned())]);
    let single = "method = \"none\"\narms = [ { code = \"A\" } ]";
    assert_eq!(ask(single, Some("arm\nA\n"), None).unwrap(), [("A".to_owned(), None, "1".to_owned())]);
    assert_eq!(ask("method = \"none\"", None, None).unwrap_err(), "--next: the scheme allocates no arm");
    assert_eq!(after(&scheme(simple), &["A", "B", "A"]).total(), 3);
}
