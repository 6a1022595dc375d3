//! An arm that is behind, as one is that an amendment adds: for how many subjects it is favored before the counts agree with the
//! ratios, and how well that can be foreseen. Trials go on from the state that a study is in, by its own decisions.

use num_traits::ToPrimitive;
use sha2::{Digest, Sha256};

use crate::domain::allocation::draw::Draw;
use crate::domain::allocation::{Distance, Fault, Levels, Method, Minimization, Scheme, State};
use crate::limits;

/// What the trials come to, on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CatchUp {
    /// Subjects until the arm has its share.
    pub subjects: f64,
    /// Those of them who get the arm.
    pub own: f64,
    /// Probability with which each of them gets it, to somebody who knows the allocations before.
    pub probability: f64,
    /// Whether it caught up in each trial, before the trial had its greatest length.
    pub whole: bool,
}

impl CatchUp {
    /// That of an open arm which lacks more than a few subjects, where the method makes up for it; none else. `comers` are the levels of
    /// those who may come, each equally likely.
    pub fn of(scheme: &Scheme, state: &State, comers: &[Levels], arm: &str) -> Option<CatchUp> {
        let slower = match scheme.method() {
            Method::Minimization(Minimization { distance: Distance::Sd, .. }) => limits::DESIGN_SLOWER,
            Method::Minimization(_) | Method::HuHu(_) | Method::Atkinson | Method::Maximal { .. } => 1,
            Method::BiasedCoin { .. } | Method::BigStick { .. } | Method::Chen { .. } | Method::WeiUrn { .. } => 1,
            Method::None | Method::Simple | Method::Block(_) | Method::BlockUrn { .. } | Method::List(_) => {
                return None;
            }
        };
        if lacking(scheme, state, arm) < limits::CATCH_UP_LEAST || comers.is_empty() {
            return None;
        }
        let budget = limits::CATCH_UP_ALLOCATIONS / slower;
        let longest = limits::CATCH_UP_SUBJECTS.min(budget);
        let mut sums = CatchUp { subjects: 0.0, own: 0.0, probability: 0.0, whole: true };
        let (mut trials, mut spent) = (0, 0);
        while trials == 0 || spent + longest <= budget {
            let own = trial(scheme, state.clone(), comers, arm, (trials, longest)).ok()?;
            sums.subjects += own.subjects;
            sums.own += own.own;
            sums.probability += own.probability;
            sums.whole &= own.whole;
            trials += 1;
            spent += own.subjects.to_u64().unwrap_or(longest).max(1);
        }
        let mean = |sum: f64| sum / trials as f64;
        let probability = sums.probability / sums.subjects.max(1.0);
        Some(CatchUp { subjects: mean(sums.subjects), own: mean(sums.own), probability, ..sums })
    }
}

/// How many subjects an open arm lacks: so many in a row would give it its share among the open ones. 0 if it has its share.
fn lacking(scheme: &Scheme, state: &State, arm: &str) -> u64 {
    let open = || scheme.arms().iter().filter(|own| !own.closed);
    let Some(ratio) = open().find(|own| own.code == arm).map(|own| own.ratio) else { return 0 };
    let all: u64 = open().map(|own| state.balanced_of_arm(scheme, &own.code)).sum();
    let ratios: u64 = open().map(|own| own.ratio).sum();
    let lacks = (ratio * all).saturating_sub(ratios * state.balanced_of_arm(scheme, arm));
    if ratios > ratio { lacks.div_ceil(ratios - ratio) } else { 0 }
}

/// One trial; its probability is the sum over its subjects.
fn trial(
    scheme: &Scheme,
    mut state: State,
    comers: &[Levels],
    arm: &str,
    (trial, longest): (u64, u64),
) -> Result<CatchUp, Fault> {
    let secret = Sha256::new().chain_update("hagaki catch-up\0").chain_update(trial.to_le_bytes()).finalize().into();
    let mut dice = Draw::new(&secret, 0);
    let mut seen = CatchUp { subjects: 0.0, own: 0.0, probability: 0.0, whole: false };
    for number in 1..=longest {
        if lacking(scheme, &state, arm) == 0 {
            seen.whole = true;
            break;
        }
        let comer = usize::try_from(dice.below(comers.len() as u64)).ok().and_then(|at| comers.get(at));
        let Some(levels) = comer else { break };
        let decision = state.decide(scheme, levels, &secret, number)?;
        let outlook = decision.outlook.arms(scheme).into_iter().find(|own| own.code == arm);
        seen.probability += outlook.and_then(|own| own.probability.value().to_f64()).unwrap_or(0.0);
        seen.subjects += 1.0;
        if decision.allotment.arm == arm {
            seen.own += 1.0;
        }
        state.record(scheme, levels, &decision.allotment)?;
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::allocation::{Allotment, Arm};
    use crate::domain::number;

    fn behind(method: Method) -> Option<CatchUp> {
        let arm = |code: &str| Arm { code: code.to_owned(), ratio: 1, closed: false };
        let scheme = Scheme::new(vec![arm("A"), arm("B")], Vec::new(), Vec::new(), method);
        let mut state = State::new(&scheme);
        for _ in 0..30 {
            let given = Allotment { arm: "A".to_owned(), slot: None, block_size: None };
            state.record(&scheme, &Levels::new(), &given).unwrap();
        }
        CatchUp::of(&scheme, &state, &[Levels::new()], "B")
    }

    #[test]
    fn an_arm_that_is_behind_is_foretold_as_long_as_it_is() {
        // Thirty behind, and each subject brings it nearer by 4/5 - 1/5: fifty subjects, forty of them its own.
        let found = behind(Method::BiasedCoin { p: number::ratio(4, 5) }).unwrap();
        assert!((40.0..60.0).contains(&found.subjects) && (33.0..47.0).contains(&found.own), "{found:?}");
        assert!((found.probability - 0.8).abs() < 1e-9 && found.whole, "{found:?}");
        // Beyond a big stick's limit nothing is left to chance, until it is within.
        let found = behind(Method::BigStick { limit: 3 }).unwrap();
        assert!(found.subjects >= 30.0 && found.probability > 0.7 && found.whole, "{found:?}");
        // A coin that hardly favors it takes longer than is looked.
        let found = behind(Method::BiasedCoin { p: number::ratio(501, 1000) }).unwrap();
        assert!(!found.whole, "{found:?}");
        // What has no memory makes up for nothing.
        assert_eq!(behind(Method::Simple), None);
    }
}
