//! The summary: a tally as means, spreads and quantiles.

use num_traits::ToPrimitive;

use super::tally::{Spread, Tally};
use super::walk::Setup;
use crate::domain::allocation::guess;

/// Quantiles of a moment, in percent.
const QUANTILES: [u64; 5] = [5, 25, 50, 75, 95];

/// What a simulation found. Means are over trials.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Subjects who could come to each trial.
    pub subjects: u64,
    /// Trials.
    pub trials: u64,
    /// Mean number of subjects who came: all of them to the first allocation, to a further one whom its condition lets.
    pub came_mean: f64,
    /// Mean number of subjects allocated.
    pub allocated_mean: f64,
    /// Mean number of subjects turned away by caps.
    pub turned_away_mean: f64,
    /// Trials that a cap of all subjects or of an arm, or the end of a list, stopped early.
    pub ended: Ended,
    /// The arms, in the order of the file.
    pub arms: Vec<ArmSummary>,
    /// Of the subjects of the first arm and the second at the end; two arms only.
    pub difference: Option<Difference>,
    /// Mean of the expected number of right guesses of who knows all subjects so far.
    pub right_mean: f64,
    /// Its standard deviation over trials.
    pub right_sd: f64,
    /// The same of who knows the subjects of the subject's site only, where there are sites.
    pub right_by_site: Option<f64>,
    /// The same of who knows the subjects of the subject's stratum only, where the scheme has strata.
    pub right_by_stratum: Option<f64>,
    /// The same of who knows the law of each step (the whole state, such as the size of the open block) and names its likeliest arm.
    pub right_at_best: f64,
    /// Mean number of allocations that could come out one way only.
    pub deterministic_mean: f64,
    /// Mean number of allocations at which an arm was as good as certain ([`guess::near_certain`]).
    pub near_certain_mean: f64,
    /// Balance within the levels of each characteristic of the population.
    pub balances: Vec<Balance>,
    /// The course of a trial.
    pub moments: Vec<Moment>,
    /// Mean probability of each arm at each step, among the trials that got so far.
    pub probability_by_step: Vec<Vec<f64>>,
}

/// Trials in which from some subject on everybody was turned away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ended {
    /// How many.
    pub trials: u64,
    /// Of them those in which the cap of all subjects was reached.
    pub by_total: u64,
    /// Those in which the cap of an arm was reached.
    pub by_arm: u64,
    /// Those in which a list that has no strata was used up.
    pub by_list: u64,
    /// Mean number of subjects allocated in them.
    pub allocated_mean: Option<f64>,
}

/// One arm at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmSummary {
    /// Code.
    pub code: String,
    /// Share among the arms, as in the file.
    pub ratio: u64,
    /// Mean number of subjects.
    pub mean: f64,
    /// Standard deviation over trials (divisor: trials - 1).
    pub sd: f64,
    /// How often each number of subjects came, ascending.
    pub spread: Vec<(u64, u64)>,
}

/// The difference of two arms at the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Share of trials in which it is zero.
    pub p_zero: f64,
    /// Mean of its absolute value.
    pub mean_abs: f64,
    /// Variance over trials (divisor: trials - 1).
    pub variance: f64,
    /// Greatest absolute value.
    pub max_abs: f64,
}

/// Balance within the levels of a characteristic, at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Balance {
    /// Id.
    pub id: String,
    /// Mean imbalance over levels and trials.
    pub mean_abs: f64,
    /// Greatest imbalance of any level in any trial.
    pub max_abs: f64,
    /// Each level.
    pub levels: Vec<LevelBalance>,
}

/// Balance within one level, at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelBalance {
    /// Name.
    pub level: String,
    /// Mean number of subjects.
    pub subjects_mean: f64,
    /// Mean imbalance.
    pub mean_abs: f64,
    /// Greatest imbalance.
    pub max_abs: f64,
}

/// A moment in the course of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Number of subjects allocated.
    pub subjects: u64,
    /// Mean imbalance.
    pub mean: f64,
    /// 5, 25, 50, 75 and 95 percent quantiles of the imbalance (the least value that is not exceeded so often).
    pub quantiles: [f64; 5],
    /// Mean share of right guesses among the allocations since the moment before.
    pub right: f64,
    /// Share of allocations that could come out one way only, since the moment before.
    pub deterministic: f64,
}

impl Summary {
    /// The difference that the ratio of two arms asks for, absolute: 0 for equal ones.
    pub fn asked_difference(&self) -> Option<f64> {
        let [one, other] = self.arms.as_slice() else { return None };
        let share = one.ratio.abs_diff(other.ratio) as f64 / (one.ratio + other.ratio).max(1) as f64;
        Some(share * (one.mean + other.mean))
    }

    /// The share of right guesses of who knows the ratios alone and always names the largest arm.
    pub fn largest_share(&self) -> f64 {
        let ratios: Vec<u64> = self.arms.iter().map(|arm| arm.ratio).collect();
        guess::largest_share(&ratios).to_f64().unwrap_or(0.0)
    }

    /// What a tally of that setup says.
    pub fn new(setup: &Setup, tally: &Tally) -> Summary {
        let trials = tally.trials.max(1) as f64;
        let arms = setup.scheme.arms().iter().zip(&tally.arms).map(|(arm, spread)| {
            let (mean, sd) = mean_and_sd(spread);
            let spread = spread.iter().map(|(value, count)| (f64::from_bits(*value) as u64, *count)).collect();
            ArmSummary { code: arm.code.clone(), ratio: arm.ratio, mean, sd, spread }
        });
        let right: f64 = tally.right.iter().sum();
        let certain: u64 = tally.certain.iter().sum();
        let ended = tally.ended.by_total + tally.ended.by_arm + tally.ended.by_list;
        Summary {
            subjects: setup.subjects,
            trials: tally.trials,
            came_mean: tally.came as f64 / trials,
            allocated_mean: (tally.came - tally.away) as f64 / trials,
            turned_away_mean: tally.away as f64 / trials,
            ended: Ended {
                trials: ended,
                by_total: tally.ended.by_total,
                by_arm: tally.ended.by_arm,
                by_list: tally.ended.by_list,
                allocated_mean: (ended > 0).then(|| tally.ended.allocated as f64 / ended as f64),
            },
            arms: arms.collect(),
            difference: tally.difference.map(|sums| Difference {
                p_zero: sums.zero as f64 / trials,
                mean_abs: sums.absolute / trials,
                variance: variance(tally.trials, sums.sum, sums.squares),
                max_abs: sums.most,
            }),
            right_mean: right / trials,
            right_sd: variance(tally.trials, right, tally.right_squares).sqrt(),
            right_by_site: tally.has_site.then(|| tally.by_site / trials),
            right_by_stratum: tally.has_strata.then(|| tally.by_stratum / trials),
            right_at_best: tally.best / trials,
            deterministic_mean: certain as f64 / trials,
            near_certain_mean: tally.near_certain as f64 / trials,
            balances: balances(setup, tally),
            moments: moments(setup, tally),
            probability_by_step: probabilities(setup.scheme.arms().len(), tally),
        }
    }
}

fn balances(setup: &Setup, tally: &Tally) -> Vec<Balance> {
    let trials = tally.trials.max(1) as f64;
    let all = setup.population.characteristics().iter().zip(&tally.levels).enumerate();
    let watched = all.filter(|(at, _)| setup.watched.contains(at)).map(|(_, own)| own);
    watched
        .map(|(own, levels)| Balance {
            id: own.id.clone(),
            mean_abs: levels.iter().map(|level| level.sum).sum::<f64>() / trials / levels.len().max(1) as f64,
            max_abs: levels.iter().fold(0.0, |most, level| level.most.max(most)),
            levels: (own.levels.iter().zip(levels))
                .map(|(name, sums)| LevelBalance {
                    level: name.clone(),
                    subjects_mean: sums.subjects as f64 / trials,
                    mean_abs: sums.sum / trials,
                    max_abs: sums.most,
                })
                .collect(),
        })
        .collect()
}

fn moments(setup: &Setup, tally: &Tally) -> Vec<Moment> {
    let mut begin = 0;
    let mut found = Vec::new();
    for (subjects, spread) in setup.moments().into_iter().zip(&tally.moments) {
        let end = usize::try_from(subjects).unwrap_or(usize::MAX);
        let reached: u64 = tally.reached.get(begin..end).unwrap_or_default().iter().sum();
        let right: f64 = tally.right.get(begin..end).unwrap_or_default().iter().sum();
        let certain: u64 = tally.certain.get(begin..end).unwrap_or_default().iter().sum();
        begin = end;
        if spread.is_empty() {
            break;
        }
        let quantiles = QUANTILES.map(|percent| quantile(spread, percent));
        let per = |sum: f64| sum / reached.max(1) as f64;
        let (mean, _) = mean_and_sd(spread);
        found.push(Moment { subjects, mean, quantiles, right: per(right), deterministic: per(certain as f64) });
    }
    found
}

fn probabilities(arms: usize, tally: &Tally) -> Vec<Vec<f64>> {
    let steps = tally.reached.iter().zip(tally.probability.chunks(arms.max(1)));
    let reached = steps.take_while(|(reached, _)| **reached > 0);
    reached.map(|(reached, sums)| sums.iter().map(|sum| sum / *reached as f64).collect()).collect()
}

fn variance(count: u64, sum: f64, squares: f64) -> f64 {
    if count < 2 {
        return 0.0;
    }
    let count = count as f64;
    ((squares - sum * sum / count) / (count - 1.0)).max(0.0)
}

fn mean_and_sd(spread: &Spread) -> (f64, f64) {
    let count: u64 = spread.values().sum();
    let sum: f64 = spread.iter().map(|(value, count)| f64::from_bits(*value) * *count as f64).sum();
    let mean = sum / count.max(1) as f64;
    let squares: f64 =
        spread.iter().map(|(value, count)| (f64::from_bits(*value) - mean).powi(2) * *count as f64).sum();
    let sd = if count < 2 { 0.0 } else { (squares / (count - 1) as f64).sqrt() };
    (mean, sd)
}

/// The least value that at most `percent` of a hundred stay below or at.
fn quantile(spread: &Spread, percent: u64) -> f64 {
    let count: u64 = spread.values().sum();
    let wanted = (u128::from(count) * u128::from(percent)).div_ceil(100).max(1);
    let mut seen = 0u128;
    for (value, count) in spread {
        seen += u128::from(*count);
        if seen >= wanted {
            return f64::from_bits(*value);
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_came() {
        let spread: Spread = [(0.0f64, 50), (2.0, 45), (4.0, 5)].map(|(value, count)| (value.to_bits(), count)).into();
        let quantiles = QUANTILES.map(|percent| quantile(&spread, percent));
        assert_eq!(quantiles, [0.0, 0.0, 0.0, 2.0, 2.0]);
        let (mean, sd) = mean_and_sd(&spread);
        assert!((mean - 1.1).abs() < 1e-12 && (sd - (1.39f64 * 100.0 / 99.0).sqrt()).abs() < 1e-12, "{mean} {sd}");
    }
}
