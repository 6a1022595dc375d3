//! One allocation in a trial: who is offered gets an arm or is turned away, and its books.

use std::collections::BTreeMap;

use num_traits::ToPrimitive;

use super::population::Population;
use super::tally::{Guessed, Tally, Went};
use super::walk::Setup;
use crate::domain::allocation::{Fault, Full, Law, Levels, SITE, State, guess};

/// What came of somebody who was offered.
pub(super) enum Offered<'a> {
    /// The arm of that code.
    Arm(&'a str),
    /// Turned away.
    Away,
}

/// The books of one allocation.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    setup: &'a Setup,
    ratios: Vec<u64>,
    /// The probability from which on an arm is as good as certain.
    near_certain: f64,
    /// Place of each cell's arm in the file.
    cells: Vec<usize>,
    moments: Vec<u64>,
    /// Places in the population of what the scheme stratifies by.
    strata: Vec<usize>,
    site: Option<usize>,
    /// Places in the population of the earlier arms that it looks at.
    earlier: Vec<usize>,
    capped: bool,
    secret: [u8; 32],
    state: State,
    went: Went,
    number: u64,
    moment: usize,
    /// Counts of the trial under way: all, then of each characteristic level by level, arm by arm.
    all: Vec<u64>,
    levels: Vec<Vec<u64>>,
    by_stratum: BTreeMap<Vec<u32>, Vec<u64>>,
    /// Subjects of each cohort.
    cohorts: Vec<u64>,
    shares: Vec<f64>,
    key: Vec<u32>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(setup: &'a Setup) -> Stage<'a> {
        let arms = setup.scheme.arms().len();
        let population: &Population = &setup.population;
        let tables = population.characteristics().iter().map(|own| vec![0; own.levels.len() * arms]).collect();
        let looks_at = |id: &str| setup.scheme.needs().any(|need| need == id);
        let earlier = population.earlier().filter(|(_, id)| looks_at(id)).map(|(at, _)| at).collect();
        let ratios = setup.ratios();
        Stage {
            setup,
            near_certain: guess::near_certain(&ratios).to_f64().unwrap_or(1.0),
            ratios,
            cells: setup.scheme.arms_of_cells(),
            moments: setup.moments(),
            strata: setup.scheme.strata().iter().filter_map(|id| population.find(id)).collect(),
            site: population.find(SITE),
            earlier,
            capped: setup.turns_away(),
            secret: [0; 32],
            state: State::new(&setup.scheme),
            went: Went::default(),
            number: 0,
            moment: 0,
            all: vec![0; arms],
            levels: tables,
            by_stratum: BTreeMap::new(),
            cohorts: vec![0; setup.cohorts.len()],
            shares: vec![0.0; arms],
            key: Vec::new(),
        }
    }

    pub(super) fn secret(&self, trial: u64) -> [u8; 32] {
        self.setup.secret(trial)
    }

    pub(super) fn tally(&self) -> Tally {
        let levels = self.setup.population.characteristics().iter().map(|own| own.levels.len());
        let (arms, moments) = (self.all.len(), self.moments.len());
        Tally::new(self.setup.subjects, arms, moments, levels, self.site.is_some(), !self.strata.is_empty())
    }

    /// Begins a trial.
    pub(super) fn begin(&mut self, trial: u64, tally: &mut Tally) {
        self.secret = self.setup.secret(trial);
        self.state = State::new(&self.setup.scheme);
        self.went = Went::default();
        (self.number, self.moment) = (0, 0);
        self.all.fill(0);
        self.levels.iter_mut().for_each(|table| table.fill(0));
        self.by_stratum.clear();
        self.cohorts.fill(0);
        tally.open();
    }

    /// Whether somebody who is enrolled comes: the condition holds, and the arms that the scheme looks at were given.
    pub(super) fn comes(&mut self, places: &[u32]) -> bool {
        let none = |at: &usize| {
            let own = self.setup.population.characteristics().get(*at);
            own.is_none_or(|own| places.get(*at).is_none_or(|place| *place == own.no_level()))
        };
        if self.earlier.iter().any(none) {
            return false;
        }
        let Some(comers) = &self.setup.comers else { return true };
        comers.include(places, &mut self.key)
    }

    /// Whether nobody is taken any more.
    pub(super) fn has_ended(&self) -> bool {
        self.went.ended.is_some()
    }

    /// So many more came when nobody was taken any more.
    pub(super) fn turn_away(&mut self, more: u64) {
        self.went.came += more;
        self.went.away += more;
    }

    /// Somebody comes: an arm, or turned away.
    pub(super) fn offer(&mut self, subject: &Levels, places: &[u32], tally: &mut Tally) -> Result<Offered<'a>, Fault> {
        let setup = self.setup;
        let scheme = &setup.scheme;
        self.went.came += 1;
        if self.has_ended() || self.capped && self.turns_away(subject, places)? {
            self.went.away += 1;
            return Ok(Offered::Away);
        }
        self.number += 1;
        let decision = self.state.decide(scheme, subject, &self.secret, self.number)?;
        self.state.record(scheme, subject, &decision.allotment)?;
        let arm = scheme.arms().iter().position(|arm| arm.code == decision.allotment.arm);
        let arm = arm.ok_or_else(|| Fault::UnknownArm(decision.allotment.arm.clone()))?;
        let certain = self.read_law(decision.outlook.law());
        let right = self.right(&self.all);
        let step = usize::try_from(self.number - 1).unwrap_or(usize::MAX);
        let best = self.shares.iter().fold(0.0f64, |best, share| best.max(*share));
        // Sums of probabilities are rounded.
        let near_certain = best > self.near_certain - f64::EPSILON * 8.0;
        tally.step(step, &self.shares, Guessed { right, best, certain, near_certain });
        self.count(arm, places, tally);
        if self.moments.get(self.moment) == Some(&self.number) {
            tally.moment(self.moment, imbalance(&self.all, &self.ratios));
            self.moment += 1;
        }
        Ok(scheme.arms().get(arm).map_or(Offered::Away, |arm| Offered::Arm(&arm.code)))
    }

    /// Whether a cap, or a list that is used up, leaves no place for that subject; and then whether for nobody.
    fn turns_away(&mut self, subject: &Levels, places: &[u32]) -> Result<bool, Fault> {
        let setup = self.setup;
        let cap = subject.get(SITE).and_then(|site| setup.site_caps.get(site)).copied();
        let full = self.state.find_full(&setup.scheme, &setup.caps, cap, subject)?;
        self.went.ended = match full {
            Some(Full::Total | Full::Arm) => full,
            Some(Full::List) if setup.scheme.strata().is_empty() => full,
            Some(Full::Site | Full::Stratum | Full::List) | None => None,
        };
        let full_cohort =
            setup.cohorts.iter().zip(&self.cohorts).any(|(cohort, count)| {
                *count >= u64::from(cohort.cap) && cohort.members.include(places, &mut self.key)
            });
        Ok(full.is_some() || full_cohort)
    }

    /// Makes `shares` the probabilities of the arms; whether one of them is 1.
    fn read_law(&mut self, law: &Law) -> bool {
        self.shares.fill(0.0);
        let mut add = |cell: usize, share: f64| {
            if let Some(sum) = self.cells.get(cell).and_then(|arm| self.shares.get_mut(*arm)) {
                *sum += share;
            }
        };
        match law {
            Law::Small { weights, total } => {
                let total = *total as f64;
                weights.iter().enumerate().for_each(|(cell, weight)| add(cell, *weight as f64 / total));
            }
            Law::Large { .. } => {
                let probabilities = law.probabilities();
                probabilities.iter().enumerate().for_each(|(cell, share)| add(cell, share.to_f64().unwrap_or(0.0)));
            }
        }
        self.shares.iter().filter(|share| **share > 0.0).count() == 1
    }

    /// The probability that whoever knows those counts guesses right.
    fn right(&self, counts: &[u64]) -> f64 {
        let by_ratio = |arm: usize| (counts.get(arm).copied().unwrap_or(0), self.ratios.get(arm).copied().unwrap_or(1));
        let (mut least, mut sum, mut tied) = ((0, 0), 0.0, 0.0);
        for (arm, share) in self.shares.iter().enumerate() {
            let own = by_ratio(arm);
            // own.0 / own.1 against least.0 / least.1
            match (own.0 * least.1).cmp(&(least.0 * own.1)) {
                _ if arm == 0 => (least, sum, tied) = (own, *share, 1.0),
                std::cmp::Ordering::Less => (least, sum, tied) = (own, *share, 1.0),
                std::cmp::Ordering::Equal => (sum, tied) = (sum + share, tied + 1.0),
                std::cmp::Ordering::Greater => {}
            }
        }
        sum / tied
    }

    /// Counts the subject of `arm`, after those who know only a part of the subjects have guessed.
    fn count(&mut self, arm: usize, places: &[u32], tally: &mut Tally) {
        let arms = self.all.len();
        if let Some(site) = self.site {
            let level = places.get(site).copied().unwrap_or(0) as usize;
            let own = self.levels.get(site).and_then(|table| table.get(level * arms..(level + 1) * arms));
            tally.by_site += own.map_or(0.0, |own| self.right(own));
        }
        if !self.strata.is_empty() {
            self.key.clear();
            self.key.extend(self.strata.iter().filter_map(|place| places.get(*place)));
            if !self.by_stratum.contains_key(self.key.as_slice()) {
                self.by_stratum.insert(self.key.clone(), vec![0; arms]);
            }
            let own = self.by_stratum.get(self.key.as_slice());
            tally.by_stratum += own.map_or(0.0, |own| self.right(own));
            if let Some(count) = self.by_stratum.get_mut(self.key.as_slice()).and_then(|own| own.get_mut(arm)) {
                *count += 1;
            }
        }
        if let Some(count) = self.all.get_mut(arm) {
            *count += 1;
        }
        for (cohort, count) in self.setup.cohorts.iter().zip(&mut self.cohorts) {
            *count += u64::from(cohort.members.include(places, &mut self.key));
        }
        for (table, level) in self.levels.iter_mut().zip(places) {
            if let Some(count) = table.get_mut(*level as usize * arms + arm) {
                *count += 1;
            }
        }
    }

    /// Ends the trial.
    pub(super) fn close(&self, tally: &mut Tally) {
        let arms = self.all.len().max(1);
        for (at, table) in self.levels.iter().enumerate() {
            for (level, counts) in table.chunks(arms).enumerate() {
                tally.level(at, level, imbalance(counts, &self.ratios), counts.iter().sum());
            }
        }
        let difference = match self.all.as_slice() {
            [first, second] => Some(*first as f64 - *second as f64),
            _ => None,
        };
        tally.close(&self.all, difference, self.went);
    }
}

/// The greatest count by ratio minus the least.
fn imbalance(counts: &[u64], ratios: &[u64]) -> f64 {
    let by_ratio = counts.iter().zip(ratios).map(|(count, ratio)| *count as f64 / *ratio as f64);
    let (least, most) = by_ratio.fold((f64::MAX, 0.0f64), |(least, most), own| (least.min(own), most.max(own)));
    (most - least).max(0.0)
}
