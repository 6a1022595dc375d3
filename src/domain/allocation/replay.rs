//! Replay: every allocation decided again from the secret, and compared with what the journal says.

use super::amendment::Amendment;
use super::course::{Follower, Turn};
use super::scheme::Scheme;
use super::state::State;
use super::{Allotment, Fault, Levels};

/// Where an allocation came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Drawn here from the study's secret.
    Drawn,
    /// Made by another system and imported.
    Imported,
    /// Given by hand, for a reason.
    Forced,
}

impl Origin {
    /// Name in tables, journals and audit entries.
    pub const fn key(self) -> &'static str {
        match self {
            Origin::Drawn => "drawn",
            Origin::Imported => "imported",
            Origin::Forced => "forced",
        }
    }

    /// The origin of that name.
    pub fn find(key: &str) -> Option<Origin> {
        [Origin::Drawn, Origin::Imported, Origin::Forced].into_iter().find(|origin| origin.key() == key)
    }

    /// Whether no draw decided it: it is counted, and nobody recomputes its arm.
    pub const fn is_given(self) -> bool {
        !matches!(self, Origin::Drawn)
    }
}

/// One allocation as the journal holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Allocation number.
    pub number: u64,
    /// The subject's levels as they were used.
    pub levels: Levels,
    /// What was allocated.
    pub allotment: Allotment,
    /// Where it came from.
    pub origin: Origin,
}

/// What the scheme would have done at a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Allocated that.
    Allotted(Allotment),
    /// Nothing: those levels could not be allocated.
    Impossible(Fault),
    /// Another number comes next: one is missing, doubled or out of order.
    Number(u64),
}

/// The first place where the journal and the secret part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstDifference {
    /// Allocation number in the journal.
    pub number: u64,
    /// What follows from the secret and the rows before.
    pub expected: Replayed,
    /// What the journal says.
    pub found: Allotment,
}

/// Decides every allocation again, from number 1 on; what was given is counted. `verify` passes if this does.
pub fn replay(
    scheme: &Scheme,
    secret: &[u8; 32],
    rows: impl IntoIterator<Item = Row>,
) -> Result<State, Box<FirstDifference>> {
    replay_amended(scheme, secret, rows, &[])
}

/// As [`replay`], each decision knowing the amendments of the facts before it.
pub fn replay_amended(
    scheme: &Scheme,
    secret: &[u8; 32],
    rows: impl IntoIterator<Item = Row>,
    amendments: &[Amendment],
) -> Result<State, Box<FirstDifference>> {
    replay_turns(scheme, &[], secret, rows, amendments)
}

/// As [`replay_amended`], each decision made by the scheme that was in force; `turns` in their order.
pub fn replay_turns(
    first: &Scheme,
    turns: &[Turn<'_>],
    secret: &[u8; 32],
    rows: impl IntoIterator<Item = Row>,
    amendments: &[Amendment],
) -> Result<State, Box<FirstDifference>> {
    let mut state = State::new(first);
    state.follow(Follower::new(first, turns, amendments), secret, 1, rows)?;
    Ok(state)
}

impl State {
    /// Decides on from this state; `first` is the number the first row must have. On a difference the state is that before
    /// it. Amendments must be about these rows.
    pub fn replay(
        &mut self,
        scheme: &Scheme,
        secret: &[u8; 32],
        first: u64,
        rows: impl IntoIterator<Item = Row>,
        amendments: &[Amendment],
    ) -> Result<(), Box<FirstDifference>> {
        self.follow(Follower::new(scheme, &[], amendments), secret, first, rows)
    }

    fn follow(
        &mut self,
        mut follower: Follower<'_>,
        secret: &[u8; 32],
        first: u64,
        rows: impl IntoIterator<Item = Row>,
    ) -> Result<(), Box<FirstDifference>> {
        for (next, row) in (first..).zip(rows) {
            let scheme = match follower.before(next, self) {
                Ok(scheme) => scheme,
                Err(fault) => {
                    let expected = Replayed::Impossible(fault);
                    return Err(Box::new(FirstDifference { number: row.number, expected, found: row.allotment }));
                }
            };
            let expected = if row.number == next {
                let follows = match row.origin {
                    Origin::Drawn => self.decide(scheme, &row.levels, secret, next).map(|decision| decision.allotment),
                    Origin::Imported => Ok(row.allotment.clone()),
                    Origin::Forced => self.give(scheme, &row.levels, &row.allotment.arm),
                };
                follows.map_or_else(Replayed::Impossible, Replayed::Allotted)
            } else {
                Replayed::Number(next)
            };
            let same = matches!(&expected, Replayed::Allotted(allotment) if *allotment == row.allotment);
            if !same {
                return Err(Box::new(FirstDifference { number: row.number, expected, found: row.allotment }));
            }
            if let Err(fault) = self.record_row(scheme, &row) {
                let expected = Replayed::Impossible(fault);
                return Err(Box::new(FirstDifference { number: row.number, expected, found: row.allotment }));
            }
            follower.counted(&row);
        }
        // What became known after the last row is brought in all the same; rows that were counted can be recounted.
        let _ = follower.finish(self);
        Ok(())
    }
}
