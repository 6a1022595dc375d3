//! The plan: a scheme worked out once, with arms and factors in an order of their own and everything scaled to integers.

use std::collections::BTreeSet;
use std::sync::Arc;

use num_bigint::BigInt;
use num_traits::One;

use super::hu_hu::HuHuPlan;
use super::law::Law;
use super::maximal::Maximal;
use super::rule::RuleNumbers;
use super::scheme::{Arm, Distance, Factor, Method, Minimization, Rule, TOTAL};
use super::whole::Whole;
use super::{Fault, Levels};
use crate::domain::number::{self, Rational};

/// A scheme worked out.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Arms sorted by code, those that are closed after all others.
    pub(super) arms: Vec<Arm>,
    /// How many of them are open.
    pub(super) open_arms: usize,
    /// For each arm of the file its place in `arms`.
    pub(super) places: Vec<usize>,
    /// What a draw chooses among: the arms, or under `ratio-arms` their dummies; those of closed arms, whom none chooses, last.
    pub(super) cells: Vec<Cell>,
    /// How many of them are open.
    pub(super) open: usize,
    /// What a decision needs to know of a subject, sorted by id.
    pub(super) dimensions: Vec<Dimension>,
    /// Places in `dimensions` of the strata.
    pub(super) strata: Vec<usize>,
    /// For each factor that is balanced its place in `dimensions`; `None` for the factor `total`.
    pub(super) tables: Vec<Option<usize>>,
    /// Allocation by ratio alone.
    pub(super) by_ratio: Law,
    /// Which size a new block has; sizes as in the method. Empty for other methods.
    pub(super) by_size: Option<Law>,
    /// Integers of minimization.
    pub(super) minimization: Option<Scales>,
    /// Sequences of `maximal`.
    pub(super) maximal: Option<Arc<Maximal>>,
    /// Integers of `hu-hu`.
    pub(super) hu_hu: Option<HuHuPlan>,
}

/// What a draw chooses among.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// Place of its arm.
    pub(super) arm: usize,
    /// Number of the dummy within the arm.
    pub(super) slot: Option<u32>,
    /// Its share.
    pub(super) ratio: u64,
}

/// A factor or stratum a subject must have a level of.
#[derive(Clone, Debug)]
pub(super) struct Dimension {
    /// Its id.
    pub(super) id: String,
    /// Its levels; `None` where new ones may appear.
    pub(super) levels: Option<BTreeSet<String>>,
}

impl Dimension {
    /// The subject's level of it.
    pub(super) fn level_of<'a>(&self, levels: &'a Levels) -> Result<&'a str, Fault> {
        let level = levels.get(&self.id).ok_or_else(|| Fault::MissingLevel(self.id.clone()))?;
        if self.levels.as_ref().is_some_and(|listed| !listed.contains(level)) {
            return Err(Fault::UnknownLevel { factor: self.id.clone(), level: level.clone() });
        }
        Ok(level)
    }
}

/// The integers of minimization in three widths, and what they were scaled by.
#[derive(Clone, Debug)]
pub(super) struct Scales {
    /// Distance.
    pub(super) distance: Distance,
    /// Rule.
    pub(super) rule: Rule,
    /// First subjects allocated by ratio alone.
    pub(super) burn_in: u64,
    /// Scaled weight = weight × this.
    pub(super) weight_scale: BigInt,
    /// Scaled count = count / ratio × this.
    pub(super) count_scale: BigInt,
    /// For 64 bits, if they fit.
    pub(super) small: Option<Numbers<i64>>,
    /// For 128 bits, if they fit.
    pub(super) medium: Option<Numbers<i128>>,
    /// For any size.
    pub(super) large: Numbers<BigInt>,
}

/// The integers of minimization in one width.
#[derive(Clone, Debug)]
pub(super) struct Numbers<T> {
    /// Scaled weight of each table.
    pub(super) weights: Vec<T>,
    /// What one subject adds to the scaled count of each cell.
    pub(super) units: Vec<T>,
    /// Share of each cell.
    pub(super) ratios: Vec<T>,
    /// Of the rule.
    pub(super) rule: RuleNumbers<T>,
}

impl Plan {
    pub(super) fn new(arms: &[Arm], factors: &[Factor], strata: &[String], method: &Method) -> Plan {
        let mut sorted = arms.to_vec();
        sorted.sort_by(|one, other| (one.closed, &one.code).cmp(&(other.closed, &other.code)));
        let open_arms = sorted.iter().filter(|arm| !arm.closed).count();
        let place = |code: &str| sorted.iter().position(|arm| arm.code == code);
        let places = arms.iter().filter_map(|arm| place(&arm.code)).collect();
        let cells = cells(&sorted, method);
        let open_cells: Vec<Cell> = cells.iter().filter(|cell| cell.arm < open_arms).cloned().collect();
        let mut used: Vec<&Factor> = match method {
            Method::Minimization(_) | Method::HuHu(_) | Method::Atkinson => factors.iter().collect(),
            _ => Vec::new(),
        };
        used.sort_by(|one, other| one.id.cmp(&other.id));
        let ids: BTreeSet<&str> =
            used.iter().map(|factor| factor.id.as_str()).chain(strata.iter().map(String::as_str)).collect();
        let listed = |id: &str| factors.iter().find(|factor| factor.id == id).and_then(|factor| factor.levels.as_ref());
        let dimensions: Vec<Dimension> = ids
            .into_iter()
            .filter(|id| *id != TOTAL)
            .map(|id| Dimension {
                id: id.to_owned(),
                levels: listed(id).map(|levels| levels.iter().cloned().collect()),
            })
            .collect();
        let find = |id: &str| dimensions.iter().position(|dimension| dimension.id == id);
        let mut strata: Vec<usize> = match method {
            Method::HuHu(_) if strata.is_empty() => used.iter().filter_map(|factor| find(&factor.id)).collect(),
            _ => strata.iter().filter_map(|id| find(id)).collect(),
        };
        strata.sort_unstable();
        strata.dedup();
        let by_size = match method {
            Method::Block(sizes) => {
                let weights: Vec<Rational> = sizes.iter().map(|size| size.weight.clone()).collect();
                Some(Law::from_fractions(&weights))
            }
            _ => None,
        };
        let minimization = match method {
            // One cell is not compared with any.
            Method::Minimization(settings) if open_cells.len() > 1 => Some(Scales::new(settings, &used, &open_cells)),
            _ => None,
        };
        let maximal = match method {
            Method::Maximal { limit, subjects } => Some(Arc::new(Maximal::new(*limit, *subjects))),
            _ => None,
        };
        let hu_hu = match method {
            Method::HuHu(settings) => Some(HuHuPlan::new(settings, &used)),
            _ => None,
        };
        let by_ratio = Law::from_u64(&open_cells.iter().map(|cell| cell.ratio).collect::<Vec<u64>>());
        let tables = used.iter().map(|factor| find(&factor.id)).collect();
        Plan {
            arms: sorted,
            open_arms,
            places,
            open: open_cells.len(),
            cells,
            dimensions,
            strata,
            tables,
            by_ratio,
            by_size,
            minimization,
            maximal,
            hu_hu,
        }
    }

    /// The place of the arm of that code.
    pub(super) fn find_arm(&self, code: &str) -> Result<usize, Fault> {
        let place = self.arms.iter().position(|arm| arm.code == code);
        place.ok_or_else(|| Fault::UnknownArm(code.to_owned()))
    }

    /// Of counts of each arm those of the open ones.
    pub(super) fn open_of<'a, T>(&self, arms: &'a [T]) -> &'a [T] {
        arms.get(..self.open_arms).unwrap_or_default()
    }

    /// The cells of open arms.
    pub(super) fn open_cells(&self) -> &[Cell] {
        self.cells.get(..self.open).unwrap_or_default()
    }

    /// The cell of that arm and slot.
    pub(super) fn find_cell(&self, arm: usize, slot: Option<u32>) -> Option<usize> {
        self.cells.iter().position(|cell| cell.arm == arm && cell.slot == slot)
    }
}

fn cells(arms: &[Arm], method: &Method) -> Vec<Cell> {
    let dummies = matches!(method, Method::Minimization(Minimization { rule: Rule::RatioArms { .. }, .. }));
    let mut cells = Vec::new();
    for (place, arm) in arms.iter().enumerate() {
        if dummies {
            let slots = u32::try_from(arm.ratio).expect("ratios are limited");
            cells.extend((0..slots).map(|slot| Cell { arm: place, slot: Some(slot), ratio: 1 }));
        } else {
            cells.push(Cell { arm: place, slot: None, ratio: arm.ratio });
        }
    }
    cells
}

impl Scales {
    fn new(settings: &Minimization, factors: &[&Factor], cells: &[Cell]) -> Scales {
        let ratios: Vec<BigInt> = cells.iter().map(|cell| BigInt::from(cell.ratio)).collect();
        let count_scale = number::common_multiple(&ratios);
        let weight_scale = number::common_multiple(factors.iter().map(|factor| factor.weight.denom()));
        let scaled = |weight: &Rational| weight.numer() * (&weight_scale / weight.denom());
        let large = Numbers {
            weights: factors.iter().map(|factor| scaled(&factor.weight)).collect(),
            units: ratios.iter().map(|ratio| &count_scale / ratio).collect(),
            rule: RuleNumbers::new(&settings.rule, cells),
            ratios,
        };
        Scales {
            distance: settings.distance,
            rule: settings.rule.clone(),
            burn_in: settings.burn_in,
            small: large.narrow(),
            medium: large.narrow(),
            large,
            weight_scale,
            count_scale,
        }
    }

    /// What imbalances were multiplied by to become integers; for `sd` their squares by the square of it.
    pub(super) fn imbalance_scale(&self, cells: usize) -> BigInt {
        let others = BigInt::from(cells) - BigInt::one();
        let scale = &self.weight_scale * &self.count_scale;
        match self.distance {
            Distance::Range | Distance::MarginalTotal | Distance::Sd => scale,
            Distance::Variance => scale * &self.count_scale * BigInt::from(cells) * others,
            Distance::MarginalBalance => &self.weight_scale * others,
        }
    }
}

impl Numbers<BigInt> {
    fn narrow<T: Whole>(&self) -> Option<Numbers<T>> {
        Some(Numbers {
            weights: narrow(&self.weights)?,
            units: narrow(&self.units)?,
            ratios: narrow(&self.ratios)?,
            rule: self.rule.narrow()?,
        })
    }
}

/// The same integers in a narrower type, if all fit.
pub(super) fn narrow<T: Whole>(numbers: &[BigInt]) -> Option<Vec<T>> {
    numbers.iter().map(T::from_big).collect()
}
