//! Re-randomization: the same subjects in the same order, allocated once more from another secret.
//!
//! The arm vectors of many such courses are the distribution that a re-randomization test compares the real one with
//! (Simon & Simon 2011). Each subject is allocated by the scheme that was in force for it; what was imported, and so not
//! allocated here, stays as it was. What became known of a subject changes its counts where it did.

use super::amendment::Amendment;
use super::course::{Follower, Turn};
use super::replay::Row;
use super::scheme::Scheme;
use super::state::State;
use super::{Allotment, Fault};

/// One subject of a course.
#[derive(Clone, Debug)]
pub struct Step {
    /// What the journal says.
    pub row: Row,
    /// Whether it was made elsewhere, and stays.
    pub given: bool,
}

/// The allocations of those subjects under another secret, in order.
///
/// # Errors
/// The number of the first subject that cannot be allocated, and why.
pub fn rerandomize(
    first: &Scheme,
    turns: &[Turn<'_>],
    steps: &[Step],
    amendments: &[Amendment],
    secret: &[u8; 32],
) -> Result<Vec<Allotment>, (u64, Fault)> {
    let mut state = State::new(first);
    let mut follower = Follower::new(first, turns, amendments);
    let mut allotments = Vec::with_capacity(steps.len());
    for Step { row, given } in steps {
        let at = |fault| (row.number, fault);
        let scheme = follower.before(row.number, &mut state).map_err(at)?;
        let allotment = if *given {
            row.allotment.clone()
        } else {
            state.decide(scheme, &row.levels, secret, row.number).map_err(at)?.allotment
        };
        state.record(scheme, &row.levels, &allotment).map_err(at)?;
        if !amendments.is_empty() {
            follower.counted(&Row { allotment: allotment.clone(), ..row.clone() });
        }
        allotments.push(allotment);
    }
    Ok(allotments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::allocation::scheme::{Arm, Method};
    use crate::domain::allocation::{Levels, scheme::BlockSize};
    use crate::domain::number;

    #[test]
    fn the_true_secret_gives_the_true_course_and_what_was_given_stays() {
        let arm = |code: &str| Arm { code: code.to_owned(), ratio: 1, closed: false };
        let size = BlockSize { size: 4, weight: number::ratio(1, 1) };
        let scheme = Scheme::new(vec![arm("A"), arm("B")], Vec::new(), Vec::new(), Method::Block(vec![size]));
        let given = |number| Row {
            number,
            levels: Levels::new(),
            allotment: Allotment { arm: "B".to_owned(), slot: None, block_size: Some(4) },
        };
        // The first two are given and alike, so the block can only end with two of the other arm.
        let steps: Vec<Step> = (1..=8).map(|number| Step { row: given(number), given: number <= 2 }).collect();
        let mut seen = std::collections::BTreeSet::new();
        for secret in 0..60u8 {
            let arms: Vec<String> =
                rerandomize(&scheme, &[], &steps, &[], &[secret; 32]).unwrap().into_iter().map(|one| one.arm).collect();
            assert_eq!(arms[..4], ["B", "B", "A", "A"]);
            seen.insert(arms[4..].concat());
        }
        assert_eq!(seen.len(), 6, "all orders of a block come up: {seen:?}");
    }
}
