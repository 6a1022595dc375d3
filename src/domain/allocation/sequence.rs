//! Sequence methods: the law of the next decision within one stratum, from the counts of its arms.

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::Fault;
use super::law::Law;
use super::plan::Plan;
use super::scheme::{BlockSize, Method};
use crate::domain::number::{self, Rational};

/// What a stratum remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stratum {
    /// Subjects of each arm, from the beginning of the epoch or the urn.
    pub(super) arms: Vec<u64>,
    /// Subjects before that, and those who were given an arm that the urn or the list had no place for.
    pub(super) before: u64,
    /// The block that is not full, if any.
    pub(super) block: Option<OpenBlock>,
}

/// A block that is not full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenBlock {
    /// Its size.
    pub(super) size: u64,
    /// Its subjects of each arm.
    pub(super) arms: Vec<u64>,
}

impl Stratum {
    pub(super) fn new(arms: usize) -> Stratum {
        Stratum { arms: vec![0; arms], before: 0, block: None }
    }

    /// Counts a subject of that arm, in a block of that size under `block`.
    pub(super) fn record(&mut self, plan: &Plan, method: &Method, arm: usize, size: Option<u64>) -> Result<(), Fault> {
        if let Method::Block(sizes) = method {
            self.record_in_block(plan, sizes, arm, size)?;
        }
        if let Some(count) = self.arms.get_mut(arm) {
            *count += 1;
        }
        Ok(())
    }

    /// Whether the urn of `block-urn` holds a ball of that arm.
    pub(super) fn has_ball(&self, plan: &Plan, lambda: u64, arm: usize) -> bool {
        let open = || plan.arms.iter().take(plan.open_arms).zip(&self.arms);
        let rounds = open().map(|(arm, count)| count / arm.ratio.max(1)).min().unwrap_or(0);
        let own = open().nth(arm).map(|(arm, count)| (arm.ratio.saturating_mul(lambda + rounds), *count));
        own.is_some_and(|(balls, taken)| taken < balls)
    }

    fn record_in_block(
        &mut self,
        plan: &Plan,
        sizes: &[BlockSize],
        arm: usize,
        size: Option<u64>,
    ) -> Result<(), Fault> {
        let open = self.block.as_ref().map(|block| (block.size, block.arms.iter().sum::<u64>()));
        let known = |size: &u64| match open {
            Some((own, _)) => own == *size,
            None => sizes.iter().any(|known| known.size == *size),
        };
        let size = size.filter(known).ok_or(Fault::BlockSize { given: size, open })?;
        let mut block = self.block.clone().unwrap_or_else(|| OpenBlock { size, arms: vec![0; plan.arms.len()] });
        let left = block.left(plan).get(arm).copied().unwrap_or(0);
        if left == 0 {
            return Err(Fault::NoPlace(plan.arms.get(arm).map(|arm| arm.code.clone()).unwrap_or_default()));
        }
        if let Some(count) = block.arms.get_mut(arm) {
            *count += 1;
        }
        self.block = (block.arms.iter().sum::<u64>() < size).then_some(block);
        Ok(())
    }
}

impl OpenBlock {
    /// Places left for each open arm.
    pub(super) fn left(&self, plan: &Plan) -> Vec<u64> {
        let open = || plan.arms.iter().take(plan.open_arms);
        let sum: u64 = open().map(|arm| arm.ratio).sum();
        let rounds = self.size / sum.max(1);
        open().zip(&self.arms).map(|(arm, given)| (arm.ratio * rounds).saturating_sub(*given)).collect()
    }
}

/// The law of the next arm in that stratum; `block` is the open one, or the one just opened.
pub(super) fn law(plan: &Plan, method: &Method, stratum: &Stratum, block: Option<&OpenBlock>) -> Result<Law, Fault> {
    let counts = plan.open_of(&stratum.arms);
    Ok(match method {
        Method::None
        | Method::Simple
        | Method::Minimization(_)
        | Method::HuHu(_)
        | Method::Atkinson
        | Method::List(_) => {
            if plan.open_arms == 0 {
                return Err(Fault::NoArms);
            }
            plan.by_ratio.clone()
        }
        Method::Block(_) => match block {
            Some(block) => Law::from_u64(&block.left(plan)),
            None => plan.by_ratio.clone(),
        },
        Method::BiasedCoin { p } => coin(counts, p),
        Method::BigStick { limit } => coin(counts, &stick(counts, *limit, number::ratio(1, 2))),
        Method::Chen { limit, p } => coin(counts, &stick(counts, *limit, p.clone())),
        Method::Maximal { .. } => {
            let sequences = plan.maximal.as_ref().expect("the plan of the method holds its sequences");
            let (first, second) = two(counts);
            sequences.law(first, second)
        }
        Method::BlockUrn { lambda } => {
            let open = || plan.arms.iter().take(plan.open_arms).zip(&stratum.arms);
            let rounds = open().map(|(arm, count)| count / arm.ratio.max(1)).min();
            let urn = lambda + rounds.unwrap_or(0);
            let mut weights = Vec::with_capacity(plan.open_arms);
            for (arm, count) in open() {
                // Only a history of other origin can have taken more balls than the urn held.
                let left = (u128::from(arm.ratio) * u128::from(urn)).checked_sub(u128::from(*count));
                weights.push(BigInt::from(left.ok_or_else(|| Fault::NoPlace(arm.code.clone()))?));
            }
            Law::from_weights(weights).expect("weights are not negative")
        }
        Method::WeiUrn { alpha, beta } => {
            // Each subject of another arm added as many.
            let all: u64 = counts.iter().sum();
            let balls = |own: &u64| alpha + beta * number::ratio(all - own, 1);
            let weights: Vec<Rational> = counts.iter().map(balls).collect();
            if weights.iter().all(Zero::is_zero) { plan.by_ratio.clone() } else { Law::from_fractions(&weights) }
        }
    })
}

/// `p` for the arm that is behind, even chances for none.
fn coin(arms: &[u64], p: &Rational) -> Law {
    let (first, second) = two(arms);
    let rest = Rational::one() - p;
    match first.cmp(&second) {
        std::cmp::Ordering::Equal => Law::from_u64(&[1, 1]),
        std::cmp::Ordering::Less => Law::from_fractions(&[p.clone(), rest]),
        std::cmp::Ordering::Greater => Law::from_fractions(&[rest, p.clone()]),
    }
}

/// The counts of the two arms of a method that is defined for two.
pub(super) fn two<T: Copy>(arms: &[T]) -> (T, T) {
    let [first, second] = arms else { unreachable!("definition admits this method for two arms only") };
    (*first, *second)
}

fn stick(arms: &[u64], limit: u64, within: Rational) -> Rational {
    let [first, second] = arms else { return within };
    if first.abs_diff(*second) >= limit { Rational::one() } else { within }
}
