//! The walk: one trial after the other through the allocations of a study, with their books reused from trial to trial.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::population::Population;
use super::stage::{Offered, Stage};
use super::tally::Tally;
use crate::domain::allocation::draw::Draw;
use crate::domain::allocation::{Fault, Levels, Method, Scheme};
use crate::domain::study::{Caps, FIRST, arm_name};
use crate::limits;

/// What is simulated: one allocation.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Id of the allocation.
    pub allocation: String,
    /// Who comes to a further allocation; everybody who can where none is told.
    pub comers: Option<Comers>,
    /// How arms are allocated.
    pub scheme: Scheme,
    /// Greatest numbers of subjects; who comes beyond is turned away.
    pub caps: Caps,
    /// Greatest numbers per site, by code.
    pub site_caps: BTreeMap<String, u32>,
    /// Greatest numbers of kinds of subjects.
    pub cohorts: Vec<CappedCohort>,
    /// What subjects are like; has every level the scheme needs.
    pub population: Population,
    /// Places in the population of the characteristics whose balance is summed up.
    pub watched: BTreeSet<usize>,
    /// Subjects who come to each trial.
    pub subjects: u64,
    /// What every draw follows from.
    pub seed: String,
}

/// A kind of subjects of whom only so many are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CappedCohort {
    /// Greatest number of its subjects.
    pub cap: u32,
    /// Who is of it.
    pub members: Comers,
}

/// Who of those that come is meant, by places of their levels: who comes to a further allocation, or is of a cohort.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comers {
    /// Places in the population of the characteristics that decide.
    pub characteristics: Vec<usize>,
    /// The places of levels of those who come.
    pub who: BTreeSet<Vec<u32>>,
}

impl Comers {
    /// Whether a subject with those places of levels is meant; `key` is room for what is looked up.
    pub(super) fn include(&self, places: &[u32], key: &mut Vec<u32>) -> bool {
        key.clear();
        key.extend(self.characteristics.iter().filter_map(|at| places.get(*at)));
        self.who.contains(key.as_slice())
    }
}

impl Setup {
    /// A study's only allocation, without caps, which watches everything.
    pub fn alone(scheme: Scheme, population: Population, subjects: u64, seed: &str) -> Setup {
        Setup {
            allocation: FIRST.to_string(),
            comers: None,
            scheme,
            caps: Caps::default(),
            site_caps: BTreeMap::new(),
            cohorts: Vec::new(),
            watched: (0..population.characteristics().len()).collect(),
            population,
            subjects,
            seed: seed.to_string(),
        }
    }

    /// The secret of a trial, counted from 0.
    pub fn secret(&self, trial: u64) -> [u8; 32] {
        let digest = Sha256::new().chain_update("hagaki simulation\0").chain_update(&self.seed).chain_update([0]);
        let digest = digest.chain_update(trial.to_le_bytes());
        match self.allocation.as_str() {
            FIRST => digest.finalize().into(),
            further => digest.chain_update(further).finalize().into(),
        }
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
    pub(super) fn turns_away(&self) -> bool {
        let caps = &self.caps;
        matches!(self.scheme.method(), Method::List(_))
            || caps.total.is_some()
            || !caps.arms.is_empty()
            || caps.stratum.is_some()
            || !self.site_caps.is_empty()
            || !self.cohorts.is_empty()
    }
}

fn common_divisor(mut first: u64, mut second: u64) -> u64 {
    while second != 0 {
        (first, second) = (second, first % second);
    }
    first
}

/// Walks trials of the allocations of one study, the first before the further ones.
#[derive(Debug)]
pub struct Walk<'a> {
    stages: Vec<Stage<'a>>,
    population: Population,
    subjects: u64,
    /// Place in the population of each stage's arm, where a later one asks for it.
    arms: Vec<Option<usize>>,
    subject: Levels,
    places: Vec<u32>,
}

impl<'a> Walk<'a> {
    /// A walk through trials of those setups, which share their population, their number of subjects and their seed.
    pub fn new(setups: &'a [Setup]) -> Walk<'a> {
        let population = setups.first().map(|setup| setup.population.clone()).unwrap_or_default();
        Walk {
            stages: setups.iter().map(Stage::new).collect(),
            subjects: setups.first().map_or(0, |setup| setup.subjects),
            arms: setups.iter().map(|setup| population.find(&arm_name(&setup.allocation))).collect(),
            subject: population.blank(),
            places: Vec::new(),
            population,
        }
    }

    /// Empty tallies for trials of this walk, one for each allocation.
    pub fn tallies(&self) -> Vec<Tally> {
        self.stages.iter().map(Stage::tally).collect()
    }

    /// Walks one trial and adds it to the tallies. A subject comes to the further allocations at once: what came of others
    /// meanwhile changes nothing, for each allocation counts its own subjects alone.
    ///
    /// # Errors
    /// [`Fault`] where a scheme cannot allocate a subject of the population.
    pub fn trial(&mut self, trial: u64, tallies: &mut [Tally]) -> Result<(), Fault> {
        let Walk { stages, population, subjects, arms, subject, places } = self;
        let Some(first) = stages.first() else { return Ok(()) };
        let mut dice = Draw::new(&first.secret(trial), 0);
        stages.iter_mut().zip(&mut *tallies).for_each(|(stage, tally)| stage.begin(trial, tally));
        for come in 0..*subjects {
            population.draw(&mut dice, places, subject);
            let mut enrolled = false;
            for (at, (stage, tally)) in stages.iter_mut().zip(&mut *tallies).enumerate() {
                if at > 0 && !(enrolled && stage.comes(places)) {
                    continue;
                }
                if let Offered::Arm(code) = stage.offer(subject, places, tally)? {
                    enrolled = true;
                    if let Some(place) = arms.get(at).copied().flatten() {
                        population.give(place, code, places, subject);
                    }
                }
            }
            if let Some(first) = stages.first_mut().filter(|first| first.has_ended()) {
                first.turn_away(*subjects - come - 1);
                break;
            }
        }
        stages.iter().zip(&mut *tallies).for_each(|(stage, tally)| stage.close(tally));
        Ok(())
    }
}
