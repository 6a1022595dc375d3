//! The next decision after a history that came from outside: arms are known, slots and block sizes perhaps not.

use super::decision::{ArmOutlook, Imbalances, Outlook};
use super::plan::Plan;
use super::posterior::{self, Given};
use super::replay::{Origin, Row};
use super::scheme::{BlockSize, Method, Scheme};
use super::state::State;
use super::{Allotment, Fault, Levels};

/// One subject of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// Its levels.
    pub levels: Levels,
    /// Code of its arm.
    pub arm: String,
    /// Its dummy arm, if it is known; asked for by `ratio-arms` only.
    pub slot: Option<u32>,
    /// Size of its block, if it is known; asked for by `block` only.
    pub block_size: Option<u64>,
    /// Whether it was given by hand; without a size it stands outside of every block then.
    pub by_hand: bool,
}

/// What is ahead, and what had to be supposed to say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The arms, in the order of the file.
    pub arms: Vec<ArmOutlook>,
    /// Subjects whose dummy arm was not known: each was given the one that minimization would have ranked best among those of
    /// its arm, among equals the emptiest, then the first.
    pub supposed_slots: usize,
    /// Subjects of the stratum whose block size was not known: all sizes that are possible were weighted with their exact
    /// probability.
    pub unknown_sizes: usize,
}

/// The next decision for a subject of those levels, to somebody without the secret. An error names the row, counted from
/// 0, or `None` for the next subject.
pub fn explain(scheme: &Scheme, history: &[HistoryRow], next: &Levels) -> Result<Outcome, (Option<usize>, Fault)> {
    if let Method::Block(sizes) = scheme.method() {
        return explain_blocks(scheme, sizes, history, next);
    }
    let mut state = State::new(scheme);
    let mut supposed_slots = 0;
    for (at, row) in history.iter().enumerate() {
        let slot = match row.slot {
            Some(slot) if scheme.has_slots() => Some(slot),
            _ => state.likely_slot(scheme, &row.levels, &row.arm).map_err(|fault| (Some(at), fault))?,
        };
        supposed_slots += usize::from(slot.is_some() && row.slot.is_none());
        let allotment = Allotment { arm: row.arm.clone(), slot, block_size: None };
        let origin = if row.by_hand { Origin::Forced } else { Origin::Drawn };
        let counted = Row { number: at as u64 + 1, levels: row.levels.clone(), allotment, origin };
        state.record_row(scheme, &counted).map_err(|fault| (Some(at), fault))?;
    }
    let outlook = state.outlook(scheme, next).map_err(|fault| (None, fault))?;
    Ok(Outcome { arms: outlook.arms(scheme), supposed_slots, unknown_sizes: 0 })
}

fn explain_blocks(
    scheme: &Scheme,
    sizes: &[BlockSize],
    history: &[HistoryRow],
    next: &Levels,
) -> Result<Outcome, (Option<usize>, Fault)> {
    let plan = scheme.plan();
    let own = stratum(plan, next).map_err(|fault| (None, fault))?;
    let mut given: Vec<Given> = Vec::new();
    for (at, row) in history.iter().enumerate() {
        let arm = plan.find_arm(&row.arm).map_err(|fault| (Some(at), fault))?;
        let theirs = stratum(plan, &row.levels).map_err(|fault| (Some(at), fault))?;
        if row.block_size.is_some_and(|known| sizes.iter().all(|size| size.size != known)) {
            return Err((Some(at), Fault::BlockSize { given: row.block_size, open: None }));
        }
        let outside = row.by_hand && row.block_size.is_none();
        if theirs == own && !outside {
            given.push((arm, row.block_size));
        }
    }
    let law = posterior::law(plan, sizes, &given).map_err(|fault| (None, fault))?;
    let unknown = given.iter().filter(|(_, size)| size.is_none()).count();
    let unknown_sizes = if sizes.len() > 1 { unknown } else { 0 };
    Ok(Outcome { arms: Outlook::new(law, Imbalances::None).arms(scheme), supposed_slots: 0, unknown_sizes })
}

fn stratum<'a>(plan: &'a Plan, levels: &'a Levels) -> Result<Vec<&'a str>, Fault> {
    plan.dimensions.iter().map(|dimension| dimension.level_of(levels)).collect()
}
