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

/// What one of several allocations of a study goes by.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// The scheme that decides first.
    pub first: &'a Scheme,
    /// The later ones, in their order.
    pub turns: &'a [Turn<'a>],
    /// The amendments of its rows.
    pub amendments: &'a [Amendment],
}

/// As [`replay_turns`], of several allocations whose numbers run through the study together: each row comes with the place
/// of its own among `courses`. The states, in that order.
///
/// # Panics
/// If a row's place is none.
pub fn replay_among(
    courses: &[Course<'_>],
    secret: &[u8; 32],
    rows: impl IntoIterator<Item = (usize, Row)>,
) -> Result<Vec<State>, Box<FirstDifference>> {
    let mut followers: Vec<Follower<'_>> =
        courses.iter().map(|own| Follower::new(own.first, own.turns, own.amendments)).collect();
    let mut states: Vec<State> = courses.iter().map(|own| State::new(own.first)).collect();
    for (next, (place, row)) in (1..).zip(rows) {
        states[place].step(&mut followers[place], secret, next, row)?;
    }
    for (state, follower) in states.iter_mut().zip(followers) {
        // What became known after the last row is brought in all the same; rows that were counted can be recounted.
        let _ = follower.finish(state);
    }
    Ok(states)
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
            self.step(&mut follower, secret, next, row)?;
        }
        // What became known after the last row is brought in all the same; rows that were counted can be recounted.
        let _ = follower.finish(self);
        Ok(())
    }

    /// Decides one row, which must have the number `next`, and counts it.
    fn step(
        &mut self,
        follower: &mut Follower<'_>,
        secret: &[u8; 32],
        next: u64,
        row: Row,
    ) -> Result<(), Box<FirstDifference>> {
        let differs =
            |expected, row: Row| Err(Box::new(FirstDifference { number: row.number, expected, found: row.allotment }));
        let scheme = match follower.before(next, self) {
            Ok(scheme) => scheme,
            Err(fault) => return differs(Replayed::Impossible(fault), row),
        };
        if row.number != next {
            return differs(Replayed::Number(next), row);
        }
        let follows = match row.origin {
            Origin::Drawn => self.decide(scheme, &row.levels, secret, next).map(|decision| decision.allotment),
            Origin::Imported => Ok(row.allotment.clone()),
            Origin::Forced => self.give(scheme, &row.levels, &row.allotment.arm),
        };
        let expected = follows.map_or_else(Replayed::Impossible, Replayed::Allotted);
        if !matches!(&expected, Replayed::Allotted(allotment) if *allotment == row.allotment) {
            return differs(expected, row);
        }
        if let Err(fault) = self.record_row(scheme, &row) {
            return differs(Replayed::Impossible(fault), row);
        }
        follower.counted(&row);
        Ok(())
    }
}
