//! Designs judged by what they do: how well the next allocation can be foreseen, and whether the arms are balanced at all.
//!
//! The forms of poor designs that can be named beforehand stand in `allocation_file::design` and [`design`](super::design), with
//! exact figures. What their parameters come to for this study is simulated here, as `hagaki allocation simulate` does it: a few
//! trials of the planned subjects with a fixed seed, so that a file is judged alike each time, and in a moment.

use num_traits::{One, ToPrimitive};

use super::allocation_file::{beside_trivial, percent};
use super::bundle::Bundle;
use super::document::{Report, Section, Source};
use super::problem::Problem;
use super::randomization::allocation_files;
use crate::domain::allocation::{Arm, BlockSize, Distance, HuHu, Method, Minimization, Rule, Scheme, TOTAL, guess};
use crate::domain::level;
use crate::domain::number::{self, Rational};
use crate::domain::simulation::{Characteristic, Population, Setup, Source as Levels, Summary, Walk};
use crate::domain::study::{FIRST, Study};
use crate::limits;

/// What every draw of these trials follows from.
const SEED: &str = "hagaki check";
/// How many levels a factor has where nothing tells.
const LEVELS_SUPPOSED: [&str; 2] = ["1", "2"];
/// Keys of warnings that tell already why nothing is balanced.
const TOLD: [&str; 6] = ["factors", "strata", "minimization.burn_in", "minimization.rule", "hu-hu", "wei-urn.beta"];

/// Warns of the allocations of a sound study that are too predictable, or balance nothing; `told` are the warnings there are, for a
/// parameter is warned of once.
pub fn judge_predictability(bundle: &Bundle, study: &Study, told: &[Problem]) -> Vec<Problem> {
    let report = Report::default();
    for (id, file) in allocation_files(bundle) {
        let (Some(rules), Some(content)) = (study.find_rules(&id), bundle.file(&file)) else { continue };
        let planned = if id == FIRST {
            study.planned_subjects.or(rules.caps.total)
        } else {
            rules.caps.total.or(study.planned_subjects)
        };
        let scheme = rules.scheme.open_part();
        let trial = Trial::new(study, &scheme, planned.map_or(limits::DESIGN_SUBJECTS, u64::from));
        let is_told = |key: &str| told.iter().any(|problem| problem.file == file && problem.key == key);
        let Some(finding) = trial.and_then(|trial| trial.judge(&is_told)) else { continue };
        let source = Source::new(&file, content);
        let silent = Report::default();
        let line = source.parse(&silent).map(|table| {
            let root = Section::whole(&source, &silent, &table);
            root.section(finding.table).map_or(1, |section| section.line_of(finding.key))
        });
        report.warn(&file, line, format!("{}.{}", finding.table, finding.key), finding.wrong, finding.right);
    }
    report.into_problems()
}

/// What is wrong with a parameter, and what would be right.
struct Finding {
    table: &'static str,
    key: &'static str,
    wrong: String,
    right: String,
}

/// The same scheme with another parameter.
struct Mended {
    key: &'static str,
    /// The parameter now.
    now: String,
    method: Method,
    /// The other one, as it is written.
    right: String,
}

impl Mended {
    fn exact(key: &'static str, now: &Rational, other: &Rational, method: Method) -> Mended {
        Mended { key, now: number::show(now), method, right: format!("\"{}\"", number::show(other)) }
    }

    fn whole(key: &'static str, now: u64, other: u64, method: Method) -> Mended {
        Mended { key, now: now.to_string(), method, right: other.to_string() }
    }
}

/// A scheme with the subjects it is tried on.
struct Trial<'a> {
    scheme: &'a Scheme,
    population: Population,
    subjects: u64,
    trials: u64,
}

impl<'a> Trial<'a> {
    /// `None` for what has no parameter that could be mended, and for so few subjects that no figure says anything.
    fn new(study: &Study, scheme: &'a Scheme, planned: u64) -> Option<Trial<'a>> {
        let cost = match scheme.method() {
            Method::None | Method::Simple | Method::List(_) | Method::Atkinson => return None,
            Method::Minimization(Minimization { distance: Distance::Sd, .. }) => limits::DESIGN_SLOWER,
            _ => 1,
        };
        if planned < limits::DESIGN_SUBJECTS_LEAST || scheme.arms().len() < 2 {
            return None;
        }
        let subjects = planned.min(limits::DESIGN_SUBJECTS_MOST);
        let trials = (limits::DESIGN_ALLOCATIONS / cost / subjects).max(limits::DESIGN_TRIALS_LEAST / cost).max(1);
        let levels = |id: &str| -> Vec<String> {
            let listed = scheme.factors().iter().find(|factor| factor.id == id).and_then(|own| own.levels.clone());
            let supposed = || LEVELS_SUPPOSED.map(str::to_string).to_vec();
            listed.or_else(|| level::fixed(study, id)).filter(|levels| !levels.is_empty()).unwrap_or_else(supposed)
        };
        let characteristics = scheme.needs().filter(|id| *id != TOTAL).map(|id| {
            let levels = levels(id);
            let source = Levels::Shares(vec![1; levels.len()]);
            Characteristic { id: id.to_string(), levels, source }
        });
        Some(Trial { scheme, population: Population::new(characteristics.collect()), subjects, trials })
    }

    /// What another method would do with the same subjects.
    fn simulate(&self, method: &Method) -> Option<Summary> {
        let (arms, factors) = (self.scheme.arms().to_vec(), self.scheme.factors().to_vec());
        let scheme = Scheme::new(arms, factors, self.scheme.strata().to_vec(), method.clone());
        let setup = [Setup::alone(scheme, self.population.clone(), self.subjects, SEED)];
        let mut walk = Walk::new(&setup);
        let mut tallies = walk.tallies();
        for trial in 0..self.trials {
            walk.trial(trial, &mut tallies).ok()?;
        }
        let [setup] = &setup;
        tallies.first().map(|tally| Summary::new(setup, tally))
    }

    fn judge(&self, is_told: &dyn Fn(&str) -> bool) -> Option<Finding> {
        let method = self.scheme.method();
        let explained = TOLD.iter().any(|key| is_told(key));
        let is_told = |mended: &Mended| is_told(&format!("{}.{}", method.key(), mended.key));
        let calmer = less_foreseeable(method).filter(|mended| !is_told(mended));
        let firmer = better_balanced(method, self.scheme.arms()).filter(|mended| !is_told(mended) && !explained);
        if calmer.is_none() && firmer.is_none() {
            return None;
        }
        let found = self.simulate(method)?;
        let foreseen = calmer.and_then(|mended| self.foreseen(&found, &mended));
        foreseen.or_else(|| firmer.and_then(|mended| self.unbalanced(&found, &mended)))
    }

    /// A scheme that leaves so little to chance that the next arm is as good as known.
    fn foreseen(&self, found: &Summary, mended: &Mended) -> Option<Finding> {
        let ratios = self.ratios();
        let trivial = guess::largest_share(&ratios).to_f64()?;
        let share = |number: f64| number / self.subjects as f64;
        let guessed = share(found.right_at_best);
        let certain = share(found.near_certain_mean);
        // Of what chance leaves to somebody who knows the ratio alone.
        let taken = (guessed - trivial) / (1.0 - trivial);
        if taken * 100.0 <= limits::DESIGN_GUESSED_PERCENT as f64
            && certain * 100.0 <= limits::DESIGN_CERTAIN_PERCENT as f64
        {
            return None;
        }
        let wrong = format!(
            "is {}: of the allocations of {} subjects who knows those before guesses {} right, and {} with a probability of {} and \
             more{}",
            mended.now,
            self.subjects,
            percent_of(guessed),
            percent_of(certain),
            percent(&guess::near_certain(&ratios)),
            beside_trivial(&ratios)
        );
        let other = self.simulate(&mended.method).map(|other| share(other.right_at_best));
        let right = match other.filter(|other| *other < guessed) {
            Some(other) => format!(
                "{}, for example ({}); ICH E9 asks for a random element in every allocation",
                mended.right,
                percent_of(other)
            ),
            None => "a method that leaves more to chance: `hagaki allocation simulate` compares them".to_string(),
        };
        Some(Finding { table: self.scheme.method().key(), key: mended.key, wrong, right })
    }

    /// A scheme that does not bring the arms nearer to each other than chance does.
    fn unbalanced(&self, found: &Summary, mended: &Mended) -> Option<Finding> {
        let simple = self.simulate(&Method::Simple)?;
        let apart = |summary: &Summary| summary.moments.last().map_or(0.0, |last| last.mean);
        // Within the levels of what it looks at, too: that may be all it balances.
        let within = |summary: &Summary| {
            let levels = summary.balances.iter().map(|own| own.mean_abs * own.levels.len() as f64);
            apart(summary) + levels.sum::<f64>()
        };
        let gains = |own: f64, by_chance: f64| own * 100.0 < by_chance * limits::DESIGN_APART_PERCENT as f64;
        if gains(apart(found), apart(&simple)) || gains(within(found), within(&simple)) {
            return None;
        }
        let unequal = self.ratios().windows(2).any(|pair| pair.first() != pair.last());
        let by_ratio = if unequal { " (numbers divided by the ratio)" } else { "" };
        let most = found.moments.last().map_or(0.0, |last| last.quantiles[4]);
        let wrong = format!(
            "is {}: with {} subjects the arms end {:.1} apart on average{by_ratio}, and more than {most:.0} in one study of twenty; \
             simple randomization, which balances nothing, ends {:.1} apart",
            mended.now,
            self.subjects,
            apart(found),
            apart(&simple)
        );
        let other = self.simulate(&mended.method).filter(|other| gains(within(other), within(&simple)));
        let right = match other {
            Some(other) => format!("{}, for example ({:.1} apart)", mended.right, apart(&other)),
            None => "fewer strata, or minimization over the same factors".to_string(),
        };
        Some(Finding { table: self.scheme.method().key(), key: mended.key, wrong, right })
    }

    fn ratios(&self) -> Vec<u64> {
        self.scheme.arms().iter().map(|arm| arm.ratio).collect()
    }
}

fn percent_of(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// The same method with more chance, where a parameter decides on it.
fn less_foreseeable(method: &Method) -> Option<Mended> {
    let [four, two] = [number::ratio(4, 5), number::ratio(2, 3)];
    Some(match method {
        Method::BiasedCoin { p } => Mended::exact("p", p, &two, Method::BiasedCoin { p: two.clone() }),
        Method::Chen { limit, p } => Mended::exact("p", p, &two, Method::Chen { limit: *limit, p: two.clone() }),
        Method::HuHu(own) => Mended::exact("p", &own.p, &four, Method::HuHu(HuHu { p: four.clone(), ..own.clone() })),
        Method::Minimization(own) => {
            let (key, now, other) = match &own.rule {
                Rule::Best { p } | Rule::RatioCoin { p } | Rule::RatioArms { p } => ("p", p, four),
                // With two arms the same as 4/5 for the better one; with more, no rank is near certainty.
                Rule::Rank { q } => ("q", q, number::ratio(7, 5)),
                Rule::Proportional { t } => ("t", t, four),
            };
            Mended::exact(key, now, &other, Method::Minimization(with_parameter(own, other.clone())))
        }
        _ => return None,
    })
}

/// The same method with more balance, where a parameter decides on it.
fn better_balanced(method: &Method, arms: &[Arm]) -> Option<Mended> {
    let [four, two] = [number::ratio(4, 5), number::ratio(2, 3)];
    let count = arms.len().max(2) as u64;
    Some(match method {
        Method::BiasedCoin { p } => Mended::exact("p", p, &two, Method::BiasedCoin { p: two.clone() }),
        Method::BigStick { limit } => Mended::whole("limit", *limit, 3, Method::BigStick { limit: 3 }),
        Method::Chen { limit, p } => Mended::whole("limit", *limit, 3, Method::Chen { limit: 3, p: p.clone() }),
        Method::BlockUrn { lambda } => Mended::whole("lambda", *lambda, 2, Method::BlockUrn { lambda: 2 }),
        Method::WeiUrn { alpha, beta } => {
            let one = Rational::one();
            Mended {
                key: "alpha",
                now: format!("{} beside beta = {}", number::show(alpha), number::show(beta)),
                right: "1 with beta = 1".to_string(),
                method: Method::WeiUrn { alpha: one.clone(), beta: one },
            }
        }
        Method::Maximal { limit, subjects } => {
            Mended::whole("limit", *limit, 3, Method::Maximal { limit: 3, subjects: *subjects })
        }
        Method::HuHu(own) => Mended::exact("p", &own.p, &four, Method::HuHu(HuHu { p: four.clone(), ..own.clone() })),
        Method::Block(sizes) => {
            let sum = arms.iter().map(|arm| arm.ratio).sum::<u64>().max(1);
            let of = |sizes: &[BlockSize]| {
                let sizes: Vec<String> = sizes.iter().map(|size| size.size.to_string()).collect();
                format!("[{}]", sizes.join(", "))
            };
            let other = [2, 3, 4].map(|rounds| BlockSize { size: rounds * sum, weight: Rational::one() });
            Mended { key: "sizes", now: of(sizes), right: of(&other), method: Method::Block(other.to_vec()) }
        }
        Method::Minimization(own) => {
            let (key, now, other) = match &own.rule {
                Rule::Best { p } | Rule::RatioCoin { p } | Rule::RatioArms { p } => ("p", p, four),
                Rule::Rank { q } => {
                    let ends = number::ratio(1, count) + number::ratio(2, count - 1);
                    ("q", q, ends * number::ratio(1, 2))
                }
                Rule::Proportional { t } => ("t", t, number::ratio(1, 2)),
            };
            Mended::exact(key, now, &other, Method::Minimization(with_parameter(own, other.clone())))
        }
        Method::None | Method::Simple | Method::List(_) | Method::Atkinson => return None,
    })
}

/// The same settings with another value of what the rule goes by.
fn with_parameter(own: &Minimization, value: Rational) -> Minimization {
    let rule = match own.rule {
        Rule::Best { .. } => Rule::Best { p: value },
        Rule::RatioCoin { .. } => Rule::RatioCoin { p: value },
        Rule::RatioArms { .. } => Rule::RatioArms { p: value },
        Rule::Rank { .. } => Rule::Rank { q: value },
        Rule::Proportional { .. } => Rule::Proportional { t: value },
    };
    Minimization { rule, ..own.clone() }
}
