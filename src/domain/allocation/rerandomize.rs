//! Re-randomization: the same subjects in the same order, allocated once more from another secret.
//!
//! The arm vectors of many such courses are the distribution that a re-randomization test compares the real one with
//! (Simon & Simon 2011). Each subject is allocated by the scheme that was in force for it; what was given (imported, or by
//! hand), and so not drawn here, keeps its arm. What became known of a subject changes its counts where it did.

use super::amendment::Amendment;
use super::course::{Follower, Turn};
use super::replay::{Origin, Row};
use super::scheme::Scheme;
use super::state::State;
use super::{Allotment, Fault};

/// The allocations of those subjects under another secret, in order.
///
/// # Errors
/// The number of the first subject that cannot be allocated, and why.
pub fn rerandomize(
    first: &Scheme,
    turns: &[Turn<'_>],
    rows: &[Row],
    amendments: &[Amendment],
    secret: &[u8; 32],
) -> Result<Vec<Allotment>, (u64, Fault)> {
    let mut state = State::new(first);
    let mut follower = Follower::new(first, turns, amendments);
    let mut allotments = Vec::with_capacity(rows.len());
    for row in rows {
        let at = |fault| (row.number, fault);
        let scheme = follower.before(row.number, &mut state).map_err(at)?;
        let allotment = match row.origin {
            Origin::Drawn => state.decide(scheme, &row.levels, secret, row.number).map_err(at)?.allotment,
            Origin::Imported => row.allotment.clone(),
            // The blocks are others, and so may be its place.
            Origin::Forced => state.give(scheme, &row.levels, &row.allotment.arm).map_err(at)?,
        };
        let own = Row { allotment, ..row.clone() };
        state.record_row(scheme, &own).map_err(at)?;
        if !amendments.is_empty() {
            follower.counted(&own);
        }
        allotments.push(own.allotment);
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
    fn what_was_given_stays_and_the_rest_is_drawn_anew() {
        let arm = |code: &str| Arm { code: code.to_owned(), ratio: 1, closed: false };
        let size = BlockSize { size: 4, weight: number::ratio(1, 1) };
        let scheme = Scheme::new(vec![arm("A"), arm("B")], Vec::new(), Vec::new(), Method::Block(vec![size]));
        let row = |number, origin| Row {
            number,
            levels: Levels::new(),
            allotment: Allotment { arm: "B".to_owned(), slot: None, block_size: Some(4) },
            origin,
        };
        // The first two are given and alike, so the block can only end with two of the other arm.
        let imported = |number| if number <= 2 { Origin::Imported } else { Origin::Drawn };
        let rows: Vec<Row> = (1..=8).map(|number| row(number, imported(number))).collect();
        let mut seen = std::collections::BTreeSet::new();
        for secret in 0..60u8 {
            let course = rerandomize(&scheme, &[], &rows, &[], &[secret; 32]).unwrap();
            let arms: Vec<String> = course.into_iter().map(|one| one.arm).collect();
            assert_eq!(arms[..4], ["B", "B", "A", "A"]);
            seen.insert(arms[4..].concat());
        }
        assert_eq!(seen.len(), 6, "all orders of a block come up: {seen:?}");

        // By hand in the fourth place: with two of its arm in the block already it stands outside, and the block ends later.
        let forced = |number| if number == 4 { Origin::Forced } else { Origin::Drawn };
        let rows: Vec<Row> = (1..=9).map(|number| row(number, forced(number))).collect();
        let mut outside = 0;
        for secret in 0..60u8 {
            let course = rerandomize(&scheme, &[], &rows, &[], &[secret; 32]).unwrap();
            assert_eq!(course[3].arm, "B");
            let in_blocks: Vec<&Allotment> = course.iter().filter(|one| one.block_size.is_some()).collect();
            outside += course.len() - in_blocks.len();
            assert!(in_blocks.chunks(4).all(|block| block.iter().filter(|one| one.arm == "B").count() <= 2));
        }
        assert!((10..50).contains(&outside), "{outside}");
    }
}
