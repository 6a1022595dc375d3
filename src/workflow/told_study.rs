//! How far a study has come by its audit chain: whether it goes on, and whether enrollment has ended.

use crate::domain::study::Stage;
use crate::domain::time::Instant;
use crate::store::audit::Unlinked;
use crate::store::study::{State, StudyRow};

/// What of a study's row is not as the chain tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudyFault {
    /// Whether it is open, paused or closed.
    State,
    /// Whether and when enrollment ended.
    EnrollmentEnd,
}

impl StudyFault {
    /// Name in reports for programs.
    pub const fn key(self) -> &'static str {
        match self {
            StudyFault::State => "state",
            StudyFault::EnrollmentEnd => "enrollment-end",
        }
    }
}

/// How far the chain has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    state: State,
    enrollment_ended_at: Option<Instant>,
}

impl Course {
    /// Before the first entry.
    pub(super) const fn new() -> Course {
        Course { state: State::Open, enrollment_ended_at: None }
    }

    /// Takes an entry.
    pub(super) fn hear(&mut self, entry: &Unlinked) {
        match entry.action.as_str() {
            "pause" => self.state = State::Paused,
            "resume" => self.state = State::Open,
            "close" => self.state = State::Closed,
            "end-enrollment" => self.enrollment_ended_at = Some(entry.at),
            "reopen-enrollment" => self.enrollment_ended_at = None,
            _ => {}
        }
    }

    /// What is otherwise in a row. A study in development is closed without an entry of its own when another one goes into production,
    /// and its chain begins anew with a purge: of that nothing is said.
    pub(super) fn fault(&self, row: &StudyRow) -> Option<StudyFault> {
        if row.stage != Stage::Production {
            return None;
        }
        [
            (StudyFault::State, self.state == row.state),
            (StudyFault::EnrollmentEnd, self.enrollment_ended_at == row.enrollment_ended_at),
        ]
        .into_iter()
        .find_map(|(fault, same)| (!same).then_some(fault))
    }
}
