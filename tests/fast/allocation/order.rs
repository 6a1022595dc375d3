//! For every method: neither the order of arms, factors, levels or sizes in the file nor their names change a probability.

use hagaki::domain::allocation::{Allotment, Origin, Row, record, replay};
use proptest::prelude::*;

use super::*;

/// Each method with `ARMS`, `FACTORS` and `STRATA` to be filled in; arms are two equal ones, or three of 1:1:2.
const METHODS: [(&str, bool, &str); 19] = [
    ("simple", true, ""),
    ("block", true, "STRATA[block]\nsizes = SIZES"),
    ("biased-coin", false, "STRATA[biased-coin]\np = \"2/3\""),
    ("big-stick", false, "STRATA[big-stick]\nlimit = 2"),
    ("chen", false, "STRATA[chen]\nlimit = 3\np = 0.7"),
    ("block-urn", true, "STRATA[block-urn]\nlambda = 2"),
    ("wei-urn", false, "STRATA[wei-urn]\nalpha = 1\nbeta = 2"),
    ("maximal", false, "STRATA[maximal]\nlimit = 2\nsubjects = 12"),
    ("hu-hu", false, "[hu-hu]\np = 0.85\ntotal_weight = 0.2\nstratum_weight = 0.3"),
    ("hu-hu", false, "STRATA[hu-hu]\np = 0.85\ntotal_weight = 0\nstratum_weight = 0.1"),
    ("atkinson", false, ""),
    ("list", true, "STRATA[list]\nfile = \"list.csv\""),
    ("minimization", true, "[minimization]\ndistance = \"range\"\nrule = \"best\"\np = 0.8"),
    ("minimization", true, "[minimization]\ndistance = \"variance\"\nrule = \"ratio-coin\"\np = 0.8"),
    ("minimization", true, "[minimization]\ndistance = \"sd\"\nrule = \"rank\"\nq = 0.6"),
    (
        "minimization",
        true,
        "[minimization]\ndistance = \"marginal-total\"\nrule = \"ratio-arms\"\np = 0.9\nburn_in = 3",
    ),
    ("minimization", true, "[minimization]\ndistance = \"marginal-balance\"\nrule = \"proportional\"\nt = 0.5"),
    ("minimization", true, "[minimization]\ndistance = \"sd\"\nrule = \"proportional\"\nt = 0.5"),
    ("minimization", false, "[minimization]\ndistance = \"sd\"\nrule = \"best\"\np = 0.75"),
];

/// How a file is written: what is turned round, and what arms and levels are called.
#[derive(Clone, Copy)]
struct Writing<'a> {
    turned: bool,
    arms: [&'a str; 3],
    levels: [&'a str; 3],
}

const PLAIN: Writing<'static> = Writing { turned: false, arms: ["A", "B", "C"], levels: ["0", "1", "2"] };

fn write(method: usize, style: Writing<'_>) -> Scheme {
    let (name, three, settings) = METHODS[method];
    let turn = |mut parts: Vec<String>| {
        if style.turned {
            parts.reverse();
        }
        parts.join(", ")
    };
    let mut arms = vec![format!("{{ code = {:?} }}", style.arms[0]), format!("{{ code = {:?} }}", style.arms[1])];
    if three {
        arms.push(format!("{{ code = {:?}, ratio = 2 }}", style.arms[2]));
    }
    let levels = turn(style.levels.iter().map(|level| format!("{level:?}")).collect());
    let factors = vec![
        format!("{{ id = \"sex\", levels = [{levels}] }}"),
        format!("{{ id = \"site\", weight = {} }}", if name == "atkinson" { "1" } else { "\"0.5\"" }),
    ];
    let strata = format!("strata = [{}]\n", turn(vec!["\"sex\"".to_owned(), "\"site\"".to_owned()]));
    let settings = settings
        .replace("STRATA", &strata)
        .replace("SIZES", &format!("[{}]", turn(vec!["4".to_owned(), "8".to_owned()])));
    let text = format!("method = {name:?}\narms = [{}]\nfactors = [{}]\n{settings}", turn(arms), turn(factors));
    let mut list = String::from(if style.turned { "arm,site,sex\n" } else { "sex,site,arm\n" });
    for place in 0..200usize {
        for sex in 0..3 {
            for site in 0..3 {
                let arm = style.arms[[0, 2, 1, 2, 2, 0, 2, 1][(place * 5 + sex + site * site) % 8]];
                let (sex, site) = (style.levels[sex], style.levels[site]);
                list.push_str(&if style.turned {
                    format!("{arm},{site},{sex}\n")
                } else {
                    format!("{sex},{site},{arm}\n")
                });
            }
        }
    }
    let mut problems = Vec::new();
    let file = allocation_file::read_with(&text, "a", &|_| Some(list.clone()), &mut problems);
    file.unwrap_or_else(|| panic!("{text}\n{problems:#?}")).scheme
}

fn subject(levels: [&str; 3], sex: usize, site: usize) -> Levels {
    super::levels(&[("sex", levels[sex]), ("site", levels[site])])
}

/// What somebody was allotted, in another file's names.
fn renamed(allotment: &Allotment, from: [&str; 3], to: [&str; 3]) -> Allotment {
    let place = from.iter().position(|code| *code == allotment.arm).unwrap();
    Allotment { arm: to[place].to_owned(), ..allotment.clone() }
}

fn sorted(mut arms: Vec<ArmOutlook>) -> Vec<ArmOutlook> {
    arms.sort_by(|one, other| one.code.cmp(&other.code));
    arms
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn order_and_names_change_no_probability(
        seed in any::<[u8; 32]>(),
        rows in proptest::collection::vec((0usize..3, 0usize..3), 1..30),
    ) {
        for (method, (name, _, settings)) in METHODS.iter().enumerate() {
            let plain = write(method, PLAIN);
            let turned = write(method, Writing { turned: true, ..PLAIN });
            let other = Writing { turned: false, arms: ["実薬", "0", "Z z"], levels: ["2", "男", "0"] };
            let named = write(method, other);
            let [mut state, mut second, mut third] = [State::new(&plain), State::new(&turned), State::new(&named)];
            let mut journal = Vec::new();
            for (number, (sex, site)) in (1..).zip(&rows) {
                let levels = subject(PLAIN.levels, *sex, *site);
                let decision = state.decide(&plain, &levels, &seed, number).unwrap();
                // The order of the file: the same law, and the same arm.
                let again = second.decide(&turned, &levels, &seed, number).unwrap();
                prop_assert_eq!(&again.allotment, &decision.allotment, "{}", name);
                prop_assert_eq!(
                    sorted(again.outlook.arms(&turned)),
                    sorted(decision.outlook.arms(&plain)),
                    "{}",
                    name
                );
                // Other names: the same probabilities for the same arms; the file's order is that of the arms.
                let theirs = subject(other.levels, *sex, *site);
                let outlook = third.outlook(&named, &theirs).unwrap().arms(&named);
                let own = state.outlook(&plain, &levels).unwrap().arms(&plain);
                for (mine, yours) in own.iter().zip(&outlook) {
                    prop_assert_eq!(&mine.probability, &yours.probability, "{}", name);
                    prop_assert_eq!(&mine.imbalance, &yours.imbalance, "{}", name);
                }
                let sum: Rational = decision.outlook.arms(&plain).iter().map(|arm| arm.probability.value()).sum();
                prop_assert!(sum == number::ratio(1, 1) || settings.contains("sd"));
                prop_assert!(decision.outlook.admits(&plain, &decision.allotment).unwrap());
                let entry = record(&plain, &state, &levels, &decision).unwrap();
                prop_assert_eq!(&entry["method"], *name);
                prop_assert!(!entry["counts"].as_object().unwrap().is_empty());
                state.record(&plain, &levels, &decision.allotment).unwrap();
                second.record(&turned, &levels, &decision.allotment).unwrap();
                third.record(&named, &theirs, &renamed(&decision.allotment, PLAIN.arms, other.arms)).unwrap();
                journal.push(Row { number, levels, allotment: decision.allotment, origin: Origin::Drawn });
            }
            prop_assert_eq!(&replay(&plain, &seed, journal.clone()).unwrap(), &state);
            // A journal whose last arm was changed by hand is found out.
            let last = journal.last_mut().unwrap();
            last.allotment.arm = if last.allotment.arm == "A" { "B" } else { "A" }.to_owned();
            prop_assert_eq!(replay(&plain, &seed, journal).unwrap_err().number, rows.len() as u64);
        }
    }

    #[test]
    fn strata_do_not_touch_each_other(
        seed in any::<[u8; 32]>(),
        rows in proptest::collection::vec((0usize..3, 0usize..3), 1..40),
    ) {
        for (method, (name, _, settings)) in METHODS.iter().enumerate() {
            if !settings.contains("STRATA") || *name == "hu-hu" {
                continue;
            }
            let scheme = write(method, PLAIN);
            let mut together = State::new(&scheme);
            let mut strata: BTreeMap<(usize, usize), State> = BTreeMap::new();
            for (number, (sex, site)) in (1..).zip(&rows) {
                let levels = subject(PLAIN.levels, *sex, *site);
                let alone = strata.entry((*sex, *site)).or_insert_with(|| State::new(&scheme));
                let decision = together.decide(&scheme, &levels, &seed, number).unwrap();
                prop_assert_eq!(&alone.decide(&scheme, &levels, &seed, number).unwrap(), &decision, "{}", name);
                together.record(&scheme, &levels, &decision.allotment).unwrap();
                alone.record(&scheme, &levels, &decision.allotment).unwrap();
            }
        }
    }
}
