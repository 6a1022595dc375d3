//! The decision and the outlook: what is allocated, and the law it was drawn from.

use std::fmt;

use num_traits::Zero;

use super::law::{Drawn, Law};
use super::minimization::{self, Scores};
use super::scheme::Scheme;
use super::{Allotment, Fault};
use crate::domain::number::{self, Rational};

/// Places shown of an irrational number.
const SHOWN_PLACES: usize = 10;

/// What is allocated, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Allocation number.
    pub number: u64,
    /// What is allocated: to be kept, and given to [`State::record`](super::State::record).
    pub allotment: Allotment,
    /// Place in its block, from 1; only under `block`.
    pub place_in_block: Option<u64>,
    /// The integers drawn, in order.
    pub draws: Vec<Drawn>,
    /// The law it was drawn from.
    pub outlook: Outlook,
}

/// The law of a decision and the imbalances behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    law: Law,
    imbalances: Imbalances,
}

/// What the imbalances of a decision follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Imbalances {
    /// The method has none.
    None,
    /// Minimization.
    Scores(Scores),
    /// Hu & Hu: differences of the arms as in [`HuHuPlan`](super::hu_hu::HuHuPlan).
    Apart(Vec<i64>),
}

/// What is ahead for one arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmOutlook {
    /// Code of the arm.
    pub code: String,
    /// Measure if it got the subject; `None` where the method has none.
    pub imbalance: Option<Measure>,
    /// Probability that it gets the subject.
    pub probability: Measure,
}

/// An imbalance or a probability: a fraction, or for irrational ones a decimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Exactly that.
    Exact(Rational),
    /// Irrational, but nearer to that than can be shown.
    Near(Rational),
}

impl Measure {
    /// The number, exact or nearly so.
    pub fn value(&self) -> &Rational {
        match self {
            Measure::Exact(value) | Measure::Near(value) => value,
        }
    }

    fn new(value: Rational, exact: bool) -> Measure {
        if exact { Measure::Exact(value) } else { Measure::Near(value) }
    }
}

/// A fraction in lowest terms (`4/5`, `3`), or a decimal of ten places.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::Exact(value) => f.write_str(&number::show(value)),
            Measure::Near(value) => f.write_str(&number::decimal(value, SHOWN_PLACES)),
        }
    }
}

impl Outlook {
    pub(super) fn new(law: Law, imbalances: Imbalances) -> Outlook {
        Outlook { law, imbalances }
    }

    /// The law over the arms sorted by code, or over their dummies.
    pub fn law(&self) -> &Law {
        &self.law
    }

    /// Each arm's imbalance and probability, in the order of the file.
    pub fn arms(&self, scheme: &Scheme) -> Vec<ArmOutlook> {
        let plan = scheme.plan();
        let mut probabilities = vec![Rational::zero(); plan.arms.len()];
        for (cell, probability) in plan.cells.iter().zip(self.law.probabilities()) {
            if let Some(sum) = probabilities.get_mut(cell.arm) {
                *sum += probability;
            }
        }
        let mut rounded = false;
        let mut imbalances: Vec<Option<(Rational, bool)>> = vec![None; plan.arms.len()];
        if let (Some(hu_hu), Imbalances::Apart(apart)) = (&plan.hu_hu, &self.imbalances) {
            imbalances = hu_hu.imbalances(apart).into_iter().map(|value| Some((value, true))).collect();
            // Closed arms have none.
            imbalances.resize(plan.arms.len(), None);
        }
        if let (Some(scales), Imbalances::Scores(scores)) = (&plan.minimization, &self.imbalances) {
            rounded = minimization::is_rounded(scales, scores);
            for (cell, own) in plan.cells.iter().zip(scores.imbalances(scales)) {
                if let Some(least) = imbalances.get_mut(cell.arm)
                    && least.as_ref().is_none_or(|least| own.0 < least.0)
                {
                    *least = Some(own);
                }
            }
        }
        let places = scheme.arms().iter().zip(&plan.places);
        places
            .filter_map(|(arm, place)| {
                let imbalance = imbalances.get(*place)?.clone().map(|(value, exact)| Measure::new(value, exact));
                let probability = Measure::new(probabilities.get(*place)?.clone(), !rounded);
                Some(ArmOutlook { code: arm.code.clone(), imbalance, probability })
            })
            .collect()
    }

    /// Whether that allotment could have come out at all.
    pub fn admits(&self, scheme: &Scheme, allotment: &Allotment) -> Result<bool, Fault> {
        let plan = scheme.plan();
        let arm = plan.find_arm(&allotment.arm)?;
        let cell = plan.find_cell(arm, allotment.slot).ok_or_else(|| Fault::Slot(allotment.arm.clone()))?;
        Ok(self.law.admits(cell))
    }
}
