//! The scheme: how arms are allocated, as the statistician's file says.

use std::sync::Arc;

use num_traits::One as _;

use super::list::ArmList;
use super::plan::Plan;
use super::{Fault, Levels};
use crate::domain::number::Rational;

/// Id of the factor whose levels are the recruiting sites.
pub const SITE: &str = "site";
/// Id of the factor whose one level all subjects share: the overall balance of the arms.
pub const TOTAL: &str = "total";

/// How arms are allocated: the checked content of `allocation.toml`.
#[derive(Clone, Debug)]
pub struct Scheme {
    arms: Vec<Arm>,
    factors: Vec<Factor>,
    strata: Vec<String>,
    method: Method,
    epoch: u32,
    deterministic_reason: Option<String>,
    plan: Plan,
}

/// Two schemes are equal if they allocate alike: what is derived from the same parts follows, and why they are meant decides nothing.
impl PartialEq for Scheme {
    fn eq(&self, other: &Scheme) -> bool {
        (&self.arms, &self.factors, &self.strata, &self.method, self.epoch)
            == (&other.arms, &other.factors, &other.strata, &other.method, other.epoch)
    }
}

/// An arm and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// Code as in the file; unique.
    pub code: String,
    /// Share among the arms, from 1.
    pub ratio: u64,
    /// Whether nobody gets it any more: it keeps its history, and the others share what is to come.
    pub closed: bool,
}

/// A property of subjects that the allocation balances or stratifies by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// An item's id, [`SITE`] or [`TOTAL`].
    pub id: String,
    /// Its levels; `None` where new ones may appear.
    pub levels: Option<Vec<String>>,
    /// How much its imbalance counts; not negative.
    pub weight: Rational,
}

/// The method of a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Everybody gets the one arm, or there is none.
    None,
    /// Each subject by itself, in the arms' ratio.
    Simple,
    /// Permuted blocks; the sizes ascend.
    Block(Vec<BlockSize>),
    /// Efron 1971; two equal arms.
    BiasedCoin {
        /// Probability of the arm that is behind, from 1/2.
        p: Rational,
    },
    /// Soares & Wu 1983; two equal arms.
    BigStick {
        /// Greatest difference of the arms.
        limit: u64,
    },
    /// Chen 1999; two equal arms.
    Chen {
        /// Greatest difference of the arms.
        limit: u64,
        /// Probability of the arm that is behind, from 1/2.
        p: Rational,
    },
    /// Zhao & Weng 2011.
    BlockUrn {
        /// Copies of the minimal balanced set in the urn.
        lambda: u64,
    },
    /// Wei 1978, of any number of equal arms: whoever is drawn adds balls of all others.
    WeiUrn {
        /// Balls of each arm at the beginning.
        alpha: Rational,
        /// Balls of the other arm added after each subject.
        beta: Rational,
    },
    /// Berger, Ivanova & Knoll 2003; two equal arms.
    Maximal {
        /// Greatest difference of the arms.
        limit: u64,
        /// Subjects of one sequence (of a stratum, if there are strata); even.
        subjects: u64,
    },
    /// Pocock & Simon 1975, Taves 1974, Han et al. 2009.
    Minimization(Minimization),
    /// Hu & Hu 2012; two equal arms.
    HuHu(HuHu),
    /// Atkinson 1982 (D_A-optimum biased coin); equal arms.
    Atkinson,
    /// Arms from a list that was made elsewhere.
    List(Arc<ArmList>),
}

/// One size of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockSize {
    /// Subjects in the block, a multiple of the sum of the ratios.
    pub size: u64,
    /// How likely it is, relative to the others; positive.
    pub weight: Rational,
}

/// The settings of Hu & Hu 2012; the weights of the factors are theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HuHu {
    /// Probability of the arm that is behind, from 1/2.
    pub p: Rational,
    /// How much the difference in the whole study counts; not negative.
    pub total_weight: Rational,
    /// How much the difference in the subject's stratum counts; not negative.
    pub stratum_weight: Rational,
}

/// The settings of minimization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimization {
    /// How far apart the arms are within one level of a factor.
    pub distance: Distance,
    /// How the imbalances become probabilities.
    pub rule: Rule,
    /// First subjects of the study, who are allocated by ratio alone.
    pub burn_in: u64,
}

/// How far apart the arms are within one level of a factor; on counts divided by ratios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Greatest minus least.
    Range,
    /// Variance with divisor K - 1.
    Variance,
    /// Its square root.
    Sd,
    /// The arm's own count, before the subject is added (Taves 1974).
    MarginalTotal,
    /// Sum of all pairs' differences over (K - 1) times the sum (Han et al. 2009).
    MarginalBalance,
}

/// How the imbalances become probabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `p` for the best arm, the rest in equal parts.
    Best {
        /// Probability of the best arm.
        p: Rational,
    },
    /// `q - 2 (K q - 1) r / (K (K + 1))` for the arm of rank r = 1 … K (Pocock & Simon 1975).
    Rank {
        /// Between 1/K and 2/(K - 1).
        q: Rational,
    },
    /// `(1 - t G / ΣG) / (K - t)` (Pocock & Simon 1975).
    Proportional {
        /// From 0 to 1.
        t: Rational,
    },
    /// `p` is for the arm of the smallest ratio; the others follow (Han et al. 2009).
    RatioCoin {
        /// Probability of the arm of the smallest ratio, when it is best.
        p: Rational,
    },
    /// `p` for the best of as many equal dummy arms as the ratios sum to (Kuznetsova & Tymofyeyev 2012).
    RatioArms {
        /// Probability of the best dummy arm.
        p: Rational,
    },
}

impl Method {
    /// Name in `allocation.toml`.
    pub const fn key(&self) -> &'static str {
        match self {
            Method::None => "none",
            Method::Simple => "simple",
            Method::Block(_) => "block",
            Method::BiasedCoin { .. } => "biased-coin",
            Method::BigStick { .. } => "big-stick",
            Method::Chen { .. } => "chen",
            Method::BlockUrn { .. } => "block-urn",
            Method::WeiUrn { .. } => "wei-urn",
            Method::Maximal { .. } => "maximal",
            Method::Minimization(_) => "minimization",
            Method::HuHu(_) => "hu-hu",
            Method::Atkinson => "atkinson",
            Method::List(_) => "list",
        }
    }

    /// Whether nothing but equally good arms is left to chance: who knows the allocations so far can foresee the next.
    pub fn is_deterministic(&self) -> bool {
        match self {
            Method::BiasedCoin { p } | Method::Chen { p, .. } | Method::HuHu(HuHu { p, .. }) => p.is_one(),
            Method::Minimization(Minimization { rule, .. }) => match rule {
                Rule::Best { p } | Rule::RatioCoin { p } | Rule::RatioArms { p } => p.is_one(),
                Rule::Rank { .. } | Rule::Proportional { .. } => false,
            },
            Method::None
            | Method::Simple
            | Method::Block(_)
            | Method::BigStick { .. }
            | Method::BlockUrn { .. }
            | Method::WeiUrn { .. }
            | Method::Maximal { .. }
            | Method::Atkinson
            | Method::List(_) => false,
        }
    }
}

impl Scheme {
    /// Builds a scheme from parts that `definition::allocation_file` has checked.
    pub(crate) fn new(arms: Vec<Arm>, factors: Vec<Factor>, strata: Vec<String>, method: Method) -> Scheme {
        let plan = Plan::new(&arms, &factors, &strata, &method);
        Scheme { arms, factors, strata, method, epoch: 1, deterministic_reason: None, plan }
    }

    /// The same scheme in that epoch.
    #[must_use]
    pub(crate) fn in_epoch(self, epoch: u32) -> Scheme {
        Scheme { epoch, ..self }
    }

    /// The same scheme, with why it is meant to leave nothing to chance.
    #[must_use]
    pub(crate) fn with_deterministic_reason(self, reason: Option<String>) -> Scheme {
        Scheme { deterministic_reason: reason, ..self }
    }

    /// Why it is meant to leave nothing to chance, if its file says so.
    pub fn deterministic_reason(&self) -> Option<&str> {
        self.deterministic_reason.as_deref()
    }

    /// Whether all its arms but one were closed: what is to come is certain.
    pub fn is_left_with_one(&self) -> bool {
        self.randomizes() && self.arms.len() > 1 && self.plan.open_arms == 1
    }

    /// Whether nothing but equally good arms is left to chance.
    pub fn is_deterministic(&self) -> bool {
        self.method.is_deterministic() || self.is_left_with_one()
    }

    /// The same scheme as if it had never had the arms that are closed.
    #[must_use]
    pub fn open_part(&self) -> Scheme {
        let open = self.arms.iter().filter(|arm| !arm.closed).cloned().collect();
        Scheme::new(open, self.factors.clone(), self.strata.clone(), self.method.clone())
            .in_epoch(self.epoch)
            .with_deterministic_reason(self.deterministic_reason.clone())
    }

    /// Number of the epoch: where an amendment raises it, what decisions balance begins anew.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether somebody can still get the arm of that code.
    pub fn is_open(&self, code: &str) -> bool {
        self.arms.iter().any(|arm| arm.code == code && !arm.closed)
    }

    /// The arms, in the order of the file; empty only for the method `none`.
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// The factors, in the order of the file.
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// Ids of what the scheme stratifies by, in the order of the file.
    pub fn strata(&self) -> &[String] {
        &self.strata
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether two subjects may get different arms.
    pub fn randomizes(&self) -> bool {
        !matches!(self.method, Method::None)
    }

    /// Ids whose levels a decision needs, sorted; items' ids or [`SITE`].
    pub fn needs(&self) -> impl Iterator<Item = &str> {
        self.plan.dimensions.iter().map(|dimension| dimension.id.as_str())
    }

    /// What keeps a subject of those levels from being allocated: a level that it does not have, or that is none of the factor's.
    pub fn faults_of(&self, levels: &Levels) -> Vec<Fault> {
        self.plan.dimensions.iter().filter_map(|dimension| dimension.level_of(levels).err()).collect()
    }

    /// Whether its allocations have slots (`ratio-arms`).
    pub fn has_slots(&self) -> bool {
        matches!(&self.method, Method::Minimization(Minimization { rule: Rule::RatioArms { .. }, .. }))
    }

    /// For each cell of a [`Law`](super::Law) the place of its arm in [`arms`](Scheme::arms): the open arms sorted by code, or under
    /// `ratio-arms` their dummies.
    pub fn arms_of_cells(&self) -> Vec<usize> {
        let place = |arm: usize| self.plan.places.iter().position(|place| *place == arm);
        self.plan.open_cells().iter().filter_map(|cell| place(cell.arm)).collect()
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }
}
