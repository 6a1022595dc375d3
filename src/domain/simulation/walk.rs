//! The walk: one trial after the other through the state that a study uses, with its books reused from trial to trial.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::population::Population;
use super::tally::Tally;
use crate::domain::allocation::draw::Draw;
use crate::domain::allocation::{Fault, Full, Law, Levels, Method, SITE, Scheme, State};
use crate::domain::study::Caps;
use crate::limits;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How arms are allocated.
    pub scheme: Scheme,
    /// Greatest numbers of subjects; who comes beyond is turned away.
    pub caps: Caps,
    /// Greatest numbers per site, by code.
    pub site_caps: BTreeMap<String, u32>,
    /// What subjects are like; has every level the scheme needs.
    pub population: Population,
    /// Subjects who come to each trial.
    pub subjects: u64,
    /// What every draw follows from.
    pub seed: String,
}

impl Setup {
    /// The secret of a trial, counted from 0.
    pub fn secret(&self, trial: u64) -> [u8; 32] {
        let digest = Sha256::new().chain_update("hagaki simulation\0").chain_update(&self.seed).chain_update([0]);
        digest.chain_update(trial.to_le_bytes()).finalize().into()
    }

    /// The arms' ratios in lowest terms, in the order of the file.
    pub fn ratios(&self) -> Vec<u64> {
        let divisor = self.scheme.arms().iter().fold(0, |divisor, arm| common_divisor(divisor, arm.ratio)).max(1);
        self.scheme.arms().iter().map(|arm| arm.ratio / divisor).collect()
    }

    /// The numbers of subjects after which the imbalance is looked at: whole rounds of the ratio where there are enough, so that
    /// odd and even numbers are not mixed, and the last.
    pub fn moments(&self) -> Vec<u64> {
        let round = self.ratios().iter().sum::<u64>().max(1);
        let about = self.subjects.div_ceil(limits::SIMULATED_MOMENTS).max(1);
        let step = if round * 20 > self.subjects { about } else { about.div_ceil(round) * round };
        let mut moments: Vec<u64> = (1..=self.subjects / step).map(|count| count * step).collect();
        if moments.last() != Some(&self.subjects) {
            moments.push(self.subjects);
        }
        moments
    }

    /// Whether somebody can be turned away; a list can be used up.
    fn turns_away(&self) -> bool {
        let caps = &self.caps;
        matches!(self.scheme.method(), Method::List(_))
            || caps.total.is_some()
            || !caps.arms.is_empty()
            || caps.stratum.is_some()
            || !self.site_caps.is_empty()
    }
}

fn common_divisor(mut first: u64, mut second: u64) -> u64 {
    while second != 0 {
        (first, second) = (second, first % second);
    }
    first
}

/// Walks trials of one setup.
#[derive(Debug)]
pub struct Walk<'a> {
    setup: &'a Setup,
    ratios: Vec<u64>,
    /// Place of each cell's arm in the file.
    cells: Vec<usize>,
    moments: Vec<u64>,
    /// Places in the population of what the scheme stratifies by.
    strata: Vec<usize>,
    site: Option<usize>,
    capped: bool,
    /// Counts of the trial under way: all, then of each characteristic level by level, arm by arm.
    all: Vec<u64>,
    levels: Vec<Vec<u64>>,
    by_stratum: BTreeMap<Vec<u32>, Vec<u64>>,
    shares: Vec<f64>,
    subject: Levels,
    places: Vec<u32>,
    key: Vec<u32>,
}

impl<'a> Walk<'a> {
    /// A walk through trials of that setup.
    pub fn new(setup: &'a Setup) -> Walk<'a> {
        let arms = setup.scheme.arms().len();
        let population = &setup.population;
        let tables = population.characteristics().iter().map(|own| vec![0; own.levels.len() * arms]).collect();
        Walk {
            setup,
            ratios: setup.ratios(),
            cells: setup.scheme.arms_of_cells(),
            moments: setup.moments(),
            strata: setup.scheme.strata().iter().filter_map(|id| population.find(id)).collect(),
            site: population.find(SITE),
            capped: setup.turns_away(),
            all: vec![0; arms],
            levels: tables,
            by_stratum: BTreeMap::new(),
            shares: vec![0.0; arms],
            subject: population.blank(),
            places: Vec::new(),
            key: Vec::new(),
        }
    }

    /// An empty tally for trials of this walk.
    pub fn tally(&self) -> Tally {
        let levels = self.setup.population.characteristics().iter().map(|own| own.levels.len());
        let (arms, moments) = (self.all.len(), self.moments.len());
        Tally::new(self.setup.subjects, arms, moments, levels, self.site.is_some(), !self.strata.is_empty())
    }

    /// Walks one trial and adds it to the tally.
    ///
    /// # Errors
    /// [`Fault`] where the scheme cannot allocate a subject of the population.
    pub fn trial(&mut self, trial: u64, tally: &mut Tally) -> Result<(), Fault> {
        let setup = self.setup;
        let scheme = &setup.scheme;
        let secret = setup.secret(trial);
        let mut dice = Draw::new(&secret, 0);
        let mut state = State::new(scheme);
        self.all.fill(0);
        self.levels.iter_mut().for_each(|table| table.fill(0));
        self.by_stratum.clear();
        let (mut number, mut away, mut moment) = (0u64, 0u64, 0usize);
        tally.open();
        for come in 0..setup.subjects {
            setup.population.draw(&mut dice, &mut self.places, &mut self.subject);
            if self.capped {
                match self.full(&state)? {
                    None => {}
                    Some(Full::Total | Full::Arm) => {
                        away += setup.subjects - come;
                        break;
                    }
                    Some(_) => {
                        away += 1;
                        continue;
                    }
                }
            }
            number += 1;
            let decision = state.decide(scheme, &self.subject, &secret, number)?;
            state.record(scheme, &self.subject, &decision.allotment)?;
            let arm = scheme.arms().iter().position(|arm| arm.code == decision.allotment.arm);
            let arm = arm.ok_or_else(|| Fault::UnknownArm(decision.allotment.arm.clone()))?;
            let certain = self.read_law(decision.outlook.law());
            let right = self.right(&self.all);
            let step = usize::try_from(number - 1).unwrap_or(usize::MAX);
            tally.step(step, &self.shares, right, certain);
            self.count(arm, tally);
            if self.moments.get(moment) == Some(&number) {
                tally.moment(moment, imbalance(&self.all, &self.ratios));
                moment += 1;
            }
        }
        self.close(away, tally);
        Ok(())
    }

    fn full(&self, state: &State) -> Result<Option<Full>, Fault> {
        let setup = self.setup;
        let cap = self.subject.get(SITE).and_then(|site| setup.site_caps.get(site)).copied();
        state.find_full(&setup.scheme, &setup.caps, cap, &self.subject)
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
                use num_traits::ToPrimitive;
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
    fn count(&mut self, arm: usize, tally: &mut Tally) {
        let arms = self.all.len();
        if let Some(site) = self.site {
            let level = self.places.get(site).copied().unwrap_or(0) as usize;
            let own = self.levels.get(site).and_then(|table| table.get(level * arms..(level + 1) * arms));
            tally.by_site += own.map_or(0.0, |own| self.right(own));
        }
        if !self.strata.is_empty() {
            self.key.clear();
            self.key.extend(self.strata.iter().filter_map(|place| self.places.get(*place)));
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
        for (table, level) in self.levels.iter_mut().zip(&self.places) {
            if let Some(count) = table.get_mut(*level as usize * arms + arm) {
                *count += 1;
            }
        }
    }

    fn close(&self, away: u64, tally: &mut Tally) {
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
        tally.close(&self.all, difference, away);
    }
}

/// The greatest count by ratio minus the least.
fn imbalance(counts: &[u64], ratios: &[u64]) -> f64 {
    let by_ratio = counts.iter().zip(ratios).map(|(count, ratio)| *count as f64 / *ratio as f64);
    let (least, most) = by_ratio.fold((f64::MAX, 0.0f64), |(least, most), own| (least.min(own), most.max(own)));
    (most - least).max(0.0)
}
