//! The tally: sums over trials, which can be added to each other.

use std::collections::BTreeMap;

use crate::domain::allocation::Full;

/// How often each value came; keys are the bits of numbers from 0, whose order is that of the numbers.
pub(super) type Spread = BTreeMap<u64, u64>;

/// Sums over trials.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    pub(super) trials: u64,
    /// Subjects who came, and of them those who were turned away.
    pub(super) came: u64,
    pub(super) away: u64,
    /// Trials in which nobody more was taken, though somebody came, by what ended them; and the subjects they had allocated.
    pub(super) ended: EndedSums,
    pub(super) arms: Vec<Spread>,
    pub(super) difference: Option<DifferenceSums>,
    /// Per step: trials that got so far, deterministic ones, expected right guesses, and each arm's probability.
    pub(super) reached: Vec<u64>,
    pub(super) certain: Vec<u64>,
    pub(super) right: Vec<f64>,
    pub(super) probability: Vec<f64>,
    pub(super) right_squares: f64,
    right_now: f64,
    pub(super) has_site: bool,
    pub(super) has_strata: bool,
    /// Expected right guesses of who knows the subjects of their site only.
    pub(super) by_site: f64,
    /// Expected right guesses of who knows the subjects of the stratum only.
    pub(super) by_stratum: f64,
    /// Expected right guesses of who knows the law of each step.
    pub(super) best: f64,
    /// Allocations at which an arm was as good as certain.
    pub(super) near_certain: u64,
    pub(super) moments: Vec<Spread>,
    pub(super) levels: Vec<Vec<LevelSums>>,
}

/// Of trials that ended before everybody had come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct EndedSums {
    pub(super) by_total: u64,
    pub(super) by_arm: u64,
    pub(super) by_list: u64,
    pub(super) allocated: u64,
}

/// How one trial went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Went {
    pub(super) came: u64,
    pub(super) away: u64,
    pub(super) ended: Option<Full>,
}

/// How one allocation could be guessed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guessed {
    /// Probability that who names the arm that is behind is right.
    pub(super) right: f64,
    /// The same of who names the likeliest arm, knowing the law.
    pub(super) best: f64,
    /// Whether it could come out one way only.
    pub(super) certain: bool,
    /// Whether it was as good as certain how it would come out.
    pub(super) near_certain: bool,
}

/// Of the difference of two arms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct DifferenceSums {
    pub(super) zero: u64,
    pub(super) absolute: f64,
    pub(super) sum: f64,
    pub(super) squares: f64,
    pub(super) most: f64,
}

/// Of one level of a factor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LevelSums {
    pub(super) sum: f64,
    pub(super) most: f64,
    pub(super) subjects: u64,
}

impl Tally {
    /// Of no trial yet.
    pub(super) fn new(
        subjects: u64,
        arms: usize,
        moments: usize,
        levels: impl Iterator<Item = usize>,
        has_site: bool,
        has_strata: bool,
    ) -> Tally {
        let steps = usize::try_from(subjects).unwrap_or(usize::MAX);
        Tally {
            trials: 0,
            came: 0,
            away: 0,
            ended: EndedSums::default(),
            arms: vec![Spread::new(); arms],
            difference: (arms == 2).then(DifferenceSums::default),
            reached: vec![0; steps],
            certain: vec![0; steps],
            right: vec![0.0; steps],
            probability: vec![0.0; steps * arms],
            right_squares: 0.0,
            right_now: 0.0,
            has_site,
            has_strata,
            by_site: 0.0,
            by_stratum: 0.0,
            best: 0.0,
            near_certain: 0,
            moments: vec![Spread::new(); moments],
            levels: levels.map(|count| vec![LevelSums::default(); count]).collect(),
        }
    }

    pub(super) fn open(&mut self) {
        self.right_now = 0.0;
    }

    pub(super) fn step(&mut self, step: usize, shares: &[f64], guessed: Guessed) {
        let Guessed { right, best, certain, near_certain } = guessed;
        self.right_now += right;
        self.best += best;
        self.near_certain += u64::from(near_certain);
        let steps = self.reached.get_mut(step).zip(self.certain.get_mut(step)).zip(self.right.get_mut(step));
        if let Some(((reached, sure), sum)) = steps {
            *reached += 1;
            *sure += u64::from(certain);
            *sum += right;
        }
        let own = self.probability.get_mut(step * shares.len()..(step + 1) * shares.len()).unwrap_or_default();
        own.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
    }

    pub(super) fn moment(&mut self, moment: usize, imbalance: f64) {
        if let Some(spread) = self.moments.get_mut(moment) {
            *spread.entry(imbalance.to_bits()).or_default() += 1;
        }
    }

    pub(super) fn level(&mut self, characteristic: usize, level: usize, imbalance: f64, subjects: u64) {
        if let Some(own) = self.levels.get_mut(characteristic).and_then(|levels| levels.get_mut(level)) {
            own.sum += imbalance;
            own.most = own.most.max(imbalance);
            own.subjects += subjects;
        }
    }

    pub(super) fn close(&mut self, counts: &[u64], difference: Option<f64>, went: Went) {
        self.trials += 1;
        self.came += went.came;
        self.away += went.away;
        match went.ended {
            Some(Full::Total) => self.ended.by_total += 1,
            Some(Full::Arm) => self.ended.by_arm += 1,
            Some(Full::List) => self.ended.by_list += 1,
            Some(Full::Site | Full::Stratum) | None => {}
        }
        if went.ended.is_some() {
            self.ended.allocated += counts.iter().sum::<u64>();
        }
        self.right_squares += self.right_now * self.right_now;
        for (spread, count) in self.arms.iter_mut().zip(counts) {
            *spread.entry((*count as f64).to_bits()).or_default() += 1;
        }
        if let (Some(sums), Some(difference)) = (&mut self.difference, difference) {
            sums.zero += u64::from(difference == 0.0);
            sums.absolute += difference.abs();
            sums.sum += difference;
            sums.squares += difference * difference;
            sums.most = sums.most.max(difference.abs());
        }
    }

    /// Adds the trials of another tally of the same setup.
    pub fn add(&mut self, other: &Tally) {
        fn counts(own: &mut [u64], other: &[u64]) {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
        fn sums(own: &mut [f64], other: &[f64]) {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
        fn spreads(own: &mut [Spread], other: &[Spread]) {
            for (own, other) in own.iter_mut().zip(other) {
                other.iter().for_each(|(value, count)| *own.entry(*value).or_default() += count);
            }
        }
        self.trials += other.trials;
        self.came += other.came;
        self.away += other.away;
        self.ended.by_total += other.ended.by_total;
        self.ended.by_arm += other.ended.by_arm;
        self.ended.by_list += other.ended.by_list;
        self.ended.allocated += other.ended.allocated;
        spreads(&mut self.arms, &other.arms);
        if let (Some(own), Some(other)) = (&mut self.difference, &other.difference) {
            own.zero += other.zero;
            own.absolute += other.absolute;
            own.sum += other.sum;
            own.squares += other.squares;
            own.most = own.most.max(other.most);
        }
        counts(&mut self.reached, &other.reached);
        counts(&mut self.certain, &other.certain);
        sums(&mut self.right, &other.right);
        sums(&mut self.probability, &other.probability);
        self.right_squares += other.right_squares;
        self.by_site += other.by_site;
        self.by_stratum += other.by_stratum;
        self.best += other.best;
        self.near_certain += other.near_certain;
        spreads(&mut self.moments, &other.moments);
        for (own, other) in self.levels.iter_mut().flatten().zip(other.levels.iter().flatten()) {
            own.sum += other.sum;
            own.most = own.most.max(other.most);
            own.subjects += other.subjects;
        }
    }
}
