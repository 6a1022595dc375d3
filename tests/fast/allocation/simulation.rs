//! Simulated laws against exact ones (`two-arm-exact.csv`), against another program's simulation
//! (`unequal-ratio-simulation.csv`), and against themselves on other numbers of cores. Seeds are fixed; bounds are five
//! standard errors, so that a right program fails one of a million such comparisons.

use hagaki::cli::simulate::population::{self, Subjects};
use hagaki::cli::simulate::run::simulate;
use hagaki::domain::simulation::{Setup, Summary};
use hagaki::domain::study::Caps;

use super::scheme;

const TWO: &str = "arms = [ { code = \"A\" }, { code = \"B\" } ]\n";

fn setup(text: &str, subjects: u64, shares: Option<&str>) -> Setup {
    let scheme = scheme(text);
    let schemes = [Subjects::alone("allocation.toml", &scheme, None)];
    let (population, _) = population::build(&schemes, population::open(shares).unwrap()).unwrap();
    Setup::alone(scheme, population, subjects, "laws")
}

fn found(text: &str, subjects: u64, trials: u64) -> Summary {
    simulated(&setup(text, subjects, None), trials, 2)
}

fn simulated(setup: &Setup, trials: u64, cores: usize) -> Summary {
    simulate(std::slice::from_ref(setup), trials, cores, &|_| {}).unwrap().remove(0)
}

fn near(what: &str, found: f64, exact: f64, error: f64) {
    assert!((found - exact).abs() <= 5.0 * error + 1e-9, "{what}: {found} instead of {exact}, error {error}");
}

fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).skip(1).map(|line| line.split(',').collect()).collect()
}

#[test]
fn two_arm_methods_follow_their_exact_laws() {
    const TRIALS: u64 = 1_000;
    let exact = rows(include_str!("../../data/allocation/two-arm-exact.csv"));
    let methods = [
        ("CRD", "method = \"simple\"\n"),
        ("EFRON_BCD_2_3", "method = \"biased-coin\"\n[biased-coin]\np = \"2/3\""),
        ("BIG_STICK_3", "method = \"big-stick\"\n[big-stick]\nlimit = 3"),
        ("BUD_2", "method = \"block-urn\"\n[block-urn]\nlambda = 2"),
        ("PBD_2", "method = \"block\"\n[block]\nsizes = [2]"),
        ("PBD_4", "method = \"block\"\n[block]\nsizes = [4]"),
        ("WEI_UD_0_1", "method = \"wei-urn\"\n[wei-urn]\nalpha = 0\nbeta = 1"),
        ("WEI_UD_10_1", "method = \"wei-urn\"\n[wei-urn]\nalpha = 10\nbeta = 1"),
    ];
    let mut compared = 0;
    for (name, text) in methods {
        let text = text.replacen('\n', &format!("\n{TWO}"), 1);
        for subjects in [7, 10, 24] {
            let summary = found(&text, subjects, TRIALS);
            let row = exact.iter().find(|row| row[0] == name && row[1] == subjects.to_string()).unwrap();
            let law: Vec<f64> = row[2..].iter().map(|cell| cell.parse().unwrap()).collect();
            let [p_zero, mean_abs, variance, most, right, certain] = law.try_into().unwrap();
            let trials = TRIALS as f64;
            let difference = summary.difference.unwrap();
            let what = |of: &str| format!("{name}, {subjects} subjects, {of}");
            near(&what("P(D = 0)"), difference.p_zero, p_zero, (p_zero * (1.0 - p_zero) / trials).sqrt());
            near(&what("E|D|"), difference.mean_abs, mean_abs, ((variance - mean_abs * mean_abs) / trials).sqrt());
            // E D⁴ ≤ max² E D².
            near(&what("Var D"), difference.variance, variance, (most * most * variance / trials).sqrt());
            assert!(difference.max_abs <= most, "{}", what("max |D|"));
            near(&what("right guesses"), summary.right_mean, right, summary.right_sd / trials.sqrt());
            // E X² ≤ n E X.
            let error = (subjects as f64 * certain / trials).sqrt();
            near(&what("deterministic"), summary.deterministic_mean, certain, error);
            compared += 1;
        }
    }
    assert_eq!(compared, 24);
}

#[test]
fn the_difference_of_two_arms_is_that_of_their_subjects_whatever_the_ratio() {
    let arms = "arms = [ { code = \"A\" }, { code = \"B\", ratio = 2 } ]\n";
    let summary = found(&format!("method = \"block\"\n{arms}[block]\nsizes = [3]"), 30, 50);
    // Ten whole blocks: ten subjects and twenty in every trial.
    let difference = summary.difference.unwrap();
    assert_eq!((difference.p_zero, difference.mean_abs, difference.max_abs), (0.0, 10.0, 10.0));
    assert!(difference.variance.abs() < 1e-9, "{difference:?}");
    assert_eq!(summary.asked_difference(), Some(10.0));
    let equal = found(&format!("method = \"simple\"\n{TWO}"), 10, 50);
    assert_eq!(equal.asked_difference(), Some(0.0));
}

#[test]
fn random_small_blocks_are_guessed_better_than_blocks_of_four() {
    let blocks = |sizes: &str| found(&format!("method = \"block\"\n{TWO}[block]\nsizes = {sizes}"), 60, 1_000);
    for (sizes, right, certain) in
        [("[2, 4]", 0.7210, 0.3858), ("[4, 6]", 0.6906, 0.2768), ("[2, 4, 6]", 0.7007, 0.3148)]
    {
        let summary = blocks(sizes);
        near(sizes, summary.right_mean / 60.0, right, summary.right_sd / 60.0 / 1_000f64.sqrt() + 0.00005 / 5.0);
        near(sizes, summary.deterministic_mean / 60.0, certain, (certain / 60.0 / 1_000.0).sqrt());
    }
    assert!(blocks("[2, 4]").right_mean > blocks("[4]").right_mean);
}

#[test]
fn under_an_unequal_ratio_naming_the_larger_arm_can_beat_counting_along() {
    let arms = "arms = [ { code = \"A\" }, { code = \"B\", ratio = 3 } ]\n";
    let block = found(&format!("method = \"block\"\n{arms}[block]\nsizes = [4]"), 40, 2_000);
    // Counting along in a block of 1:3, 3.5, 3.5, 2.5 and 1.5 are right as the small arm comes first, second, third or last. Knowing the block, 13 of 16 are.
    assert!((block.largest_share() - 0.75).abs() < 1e-12);
    near("counting along", block.right_mean / 40.0, 11.0 / 16.0, block.right_sd / 40.0 / 2_000f64.sqrt());
    // The sum over ten blocks of what lies between 0 and 4.
    near("best", block.right_at_best / 40.0, 13.0 / 16.0, 2.0 * 10f64.sqrt() / 40.0 / 2_000f64.sqrt());
    let dummies = found(
        "method = \"minimization\"\narms = [ { code = \"A\" }, { code = \"B\", ratio = 2 } ]\n\
         factors = [ { id = \"a\", levels = [\"1\", \"2\"] } ]\n[minimization]\ndistance = \"range\"\nrule = \"ratio-arms\"\np = \"4/5\"",
        60,
        200,
    );
    let trivial = dummies.largest_share() * 60.0;
    assert!((trivial - 40.0).abs() < 1e-9, "{trivial}");
    assert!(dummies.right_mean < trivial && trivial < dummies.right_at_best, "{dummies:?}");
    // Between two equal arms, who counts along in blocks of one size knows all there is to know.
    let equal = found(&format!("method = \"block\"\n{TWO}[block]\nsizes = [4]"), 40, 100);
    assert!((equal.right_mean - equal.right_at_best).abs() < 1e-9, "{equal:?}");
}

#[test]
fn unequal_ratios_are_met_as_another_program_met_them() {
    let mut compared = 0;
    for row in rows(include_str!("../../data/allocation/unequal-ratio-simulation.csv")) {
        let numbers = |cell: &str| cell.split(' ').map(|number| number.parse().unwrap()).collect::<Vec<f64>>();
        if row[2] != "(n+1)/r" {
            continue;
        }
        let (means, deviations) = (numbers(row[6]), numbers(row[7]));
        let arms: Vec<String> = row[0]
            .split(':')
            .enumerate()
            .map(|(at, ratio)| format!("{{ code = \"{at}\", ratio = {ratio} }}"))
            .collect();
        let rule = if row[1] == "BCM" { "ratio-coin" } else { "best" };
        let p = if arms.len() == 2 { "4/5" } else { "7/10" };
        let text = format!(
            "method = \"minimization\"\narms = [ {} ]\nfactors = [ {{ id = \"a\", levels = [\"1\", \"2\"] }}, \
             {{ id = \"b\", levels = [\"1\", \"2\", \"3\"] }}, {{ id = \"c\", levels = [\"1\", \"2\"] }}, \
             {{ id = \"d\", levels = [\"1\", \"2\", \"3\", \"4\", \"5\"] }} ]\n[minimization]\ndistance = \"range\"\n\
             rule = \"{rule}\"\np = \"{p}\"",
            arms.join(", ")
        );
        let summary = found(&text, 120, 400);
        for ((arm, mean), deviation) in summary.arms.iter().zip(means).zip(deviations) {
            // Both are means of 400.
            near(
                &format!("{row:?} arm {}", arm.code),
                arm.mean,
                mean,
                deviation * (2.0f64 / 400.0).sqrt() + 0.005 / 5.0,
            );
            assert!((arm.sd / deviation - 1.0).abs() < 0.25, "{row:?}: {} instead of {deviation}", arm.sd);
        }
        compared += 1;
    }
    assert_eq!(compared, 4);
}

#[test]
fn dummy_arms_keep_the_ratio_at_every_step() {
    let text = |rule: &str| {
        format!(
            "method = \"minimization\"\narms = [ {{ code = \"A\" }}, {{ code = \"B\", ratio = 2 }} ]\n\
             factors = [ {{ id = \"a\", levels = [\"1\", \"2\"] }} ]\n[minimization]\ndistance = \"range\"\nrule = \"{rule}\"\np = \"4/5\""
        )
    };
    let kept = found(&text("ratio-arms"), 24, 2_000);
    let first = kept.probability_by_step[0][0];
    assert!((first - 1.0 / 3.0).abs() < 1e-12, "{first}");
    for (step, shares) in kept.probability_by_step.iter().enumerate() {
        // A probability from 0 to 1 deviates by at most one half.
        near(&format!("step {step}"), shares[0], 1.0 / 3.0, 0.5 / 2_000f64.sqrt());
        assert!((shares[0] + shares[1] - 1.0).abs() < 1e-9);
    }
    let coin = found(&text("ratio-coin"), 24, 100);
    assert!((coin.probability_by_step[0][0] - 0.1).abs() < 1e-12, "{}", coin.probability_by_step[0][0]);
}

#[test]
fn figures_do_not_depend_on_cores_and_do_on_the_seed() {
    let text = format!(
        "method = \"block\"\n{TWO}factors = [ {{ id = \"site\" }}, {{ id = \"sex\", levels = [\"F\", \"M\"] }} ]\n\
         strata = [\"site\", \"sex\"]\n[block]\nsizes = [4, 6]"
    );
    let mut setup = setup(&text, 40, Some("sex=F:0.7,M:0.3;site=001:1/3,002:2/3"));
    let run = |setup: &Setup, cores| simulated(setup, 300, cores);
    let one = run(&setup, 1);
    assert_eq!(one, run(&setup, 3));
    assert!(one.right_by_stratum.unwrap() > one.right_by_site.unwrap(), "{one:?}");
    assert!(one.right_by_site.unwrap() > 20.0);
    let women = &one.balances[0].levels[0];
    near("women", women.subjects_mean, 28.0, (40.0 * 0.7 * 0.3f64 / 300.0).sqrt());
    setup.seed = "another".to_owned();
    assert_ne!(one, run(&setup, 1));
}

#[test]
fn caps_turn_away_and_shorten_trials() {
    let mut capped =
        setup(&format!("method = \"simple\"\n{TWO}factors = [ {{ id = \"site\" }} ]"), 30, Some("site=1:1,2:1"));
    capped.site_caps = [("1".to_owned(), 5)].into();
    let summary = simulated(&capped, 50, 1);
    let sum: f64 = summary.arms.iter().map(|arm| arm.mean).sum();
    assert!((sum + summary.turned_away_mean - 30.0).abs() < 1e-9);
    assert!((sum - summary.allocated_mean).abs() < 1e-9);
    // A full site ends no trial.
    assert_eq!((summary.ended.trials, summary.ended.allocated_mean), (0, None));
    assert!((summary.balances[0].levels[0].subjects_mean - 5.0).abs() < 0.1);
    capped.caps.total = Some(8);
    let summary = simulated(&capped, 50, 1);
    assert_eq!(summary.probability_by_step.len(), 8);
    assert_eq!((summary.ended.trials, summary.ended.by_total, summary.ended.allocated_mean), (50, 50, Some(8.0)));
    assert_eq!((summary.came_mean, summary.allocated_mean, summary.turned_away_mean), (30.0, 8.0, 22.0));
    // Who is turned away cannot be guessed: the share is that of the eight.
    assert!(summary.right_mean <= 8.0 && summary.deterministic_mean == 0.0);
    // An arm that is full closes the allocation to everybody; each trial ends where its arm does.
    capped.site_caps.clear();
    capped.caps = Caps { total: None, arms: vec![("A".to_owned(), 6)], stratum: None };
    let summary = simulated(&capped, 50, 1);
    assert_eq!((summary.ended.by_total, summary.ended.by_arm), (0, summary.ended.trials));
    assert!(summary.ended.trials > 45 && summary.arms[0].mean <= 6.0, "{:?}", summary.ended);
    // Nobody was turned away where the cap is just met.
    capped.caps = Caps { total: Some(30), ..Caps::default() };
    assert_eq!(simulated(&capped, 5, 1).ended.trials, 0);
}
